//! The words of the trade, without any I/O: transactions and their state table, companies, accounts, rules, errors,
//! exact JSON, schedules. Everything else in the workspace is built on these types.
//!
//! **Architecture invariant:** nothing here reads a clock, a socket, a file or a random source by itself.

pub mod amounts;
pub mod attempt;
pub mod company;
pub mod error_code;
pub mod http_date;
pub mod ids;
pub mod json;
pub mod limits;
pub mod next;
pub mod schedule;
pub mod secret;
pub mod state;
pub mod task;
pub mod time;
pub mod transaction;
pub mod urls;

pub use attempt::{Attempt, AttemptKind};
pub use company::{Brand, Company, Credential, CredentialKind, PaymentMethod, Rule, Scope, Settings};
pub use error_code::ErrorCode;
pub use ids::{BrandId, CompanyId, CredentialId, EventId, MethodId, RuleId, SessionId, TransactionId};
pub use json::Json;
pub use money::{Currency, Money};
pub use next::Next;
pub use secret::Secret;
pub use state::{Change, Refused, TransactionStatus};
pub use task::{Doubt, Task};
pub use time::Timestamp;
pub use transaction::{Attention, GivenBack, Operation, Transaction, TransactionData};
pub use visible;
