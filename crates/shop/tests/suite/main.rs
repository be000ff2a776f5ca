//! The shop against a fake platform: what it sends, what it shows, and what it believes.

mod cashier_calls;
mod guards;
mod outcomes;
mod webhooks;
mod world;
