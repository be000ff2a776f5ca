//! The net: what goes over the wire and what is kept, told and answered, for every trigger of every sheet, every reply and every
//! callback that a sheet or a test knows, written down once and equal to the byte ever since. Whatever is rebuilt inside must not
//! change a line of it.
//!
//! A transcript has the Cashier's answer, each request to the provider with its reply, the transaction, the provider's memo, the
//! timeline, the webhooks and the simulator's ledger. What differs from run to run (ids, times, tokens) has a name in it, the
//! same wherever it stands. `MOZARTO_GOLDEN=new` writes rows that are not written yet.

mod book;
mod brite;
mod cleo;
mod emerchantpay;
mod flexepin;
mod forumpay;
mod gigadat;
mod memo;
mod names;
mod neosurf;
mod payone;
mod recorder;
mod stage;
mod trust;
mod worldpay;
