//! The payment providers: one folder each, pure functions over data, and the registry that lists them.

pub mod api;
pub mod brite;
mod browser;
mod callback;
pub mod card;
pub mod cleo;
mod countries;
pub mod demo;
pub mod descriptor;
pub mod docs;
mod dressing;
pub mod emerchantpay;
pub mod fields;
pub mod finding;
pub mod flexepin;
pub mod forumpay;
pub mod gigadat;
pub mod identifier;
mod kit;
pub mod neosurf;
mod once;
pub mod pages;
pub mod payone;
pub mod published;
mod redact;
mod refusal;
pub mod registry;
mod rota;
pub mod setting;
pub mod settings;
pub mod signals;
pub mod trust;
pub mod worldpay;
mod xml;

pub use api::{
    Account, Answer, Call, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, CashierAnswer, Context, Destination,
    Doubt, Fields, Finding, Locate, Lost, Memo, Order, Provider, Refusal, Remember, Reply, Sent, Standing, Step, Task, Turn,
    TurnKind,
};
pub use descriptor::Descriptor;
pub use registry::{all, by_name, by_psp_type};

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod testing;
