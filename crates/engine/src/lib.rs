//! The use cases: pay in, pay out, settle, approve, inquire, deliver, configure.
//!
//! What flows: a request is checked ([`cashier`], with [`auth`]), its intent is committed ([`flow`]), the provider is called
//! through [`transport`], the outcome is committed together with its timeline entry, its next job and its webhook ([`webhooks`]),
//! and only then answered.
//!
//! **Architecture invariants:** nothing is announced that is not stored; nothing stored goes unannounced; no call that may move
//! money is made before its intent is durable, or made again because its answer was lost.

pub mod admin;
mod anew;
pub mod answer;
pub mod auth;
pub mod cashier;
pub mod clock;
pub mod core;
pub mod directory;
pub mod environment;
pub mod flow;
mod pulse;
pub mod random;
pub mod shares;
mod surely;
pub mod transport;
mod waits;
pub mod webhooks;

pub use answer::CashierAnswer;
pub use clock::Clock;
pub use core::{Config, Engine, StartError};
pub use directory::{CompanySnapshot, Directory};
