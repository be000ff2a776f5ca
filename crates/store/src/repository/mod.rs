//! What is kept, entity by entity: the SQL text, and typed rows.
//!
//! The SQL is written once and runs on both engines. Writes add statements to a [`Batch`](crate::Batch), so that a use case
//! commits everything it changes at once; reads go straight to the [`Driver`](crate::Driver).
//!
//! **Architecture invariant:** every query on a company's rows names the company, but for the claims of workers and the look-ups
//! of a token's hash.

pub mod attempts;
pub mod audit;
pub mod brands;
pub mod bring_back;
pub mod callbacks;
pub mod companies;
pub mod credentials;
pub mod deliveries;
pub mod endpoints;
pub mod events;
pub mod feed;
pub mod holds;
pub mod idempotency;
pub mod jobs;
pub mod methods;
pub mod nodes;
pub mod page_tokens;
pub mod read;
pub mod rules;
pub mod single_use;
pub mod transactions;
pub mod users;

#[cfg(test)]
#[path = "tests/holds.rs"]
mod holds_tests;
#[cfg(test)]
#[path = "tests/labels.rs"]
mod labels_tests;
#[cfg(test)]
#[path = "tests/lists.rs"]
mod lists_tests;
#[cfg(test)]
#[path = "tests/plans.rs"]
mod plans_tests;
