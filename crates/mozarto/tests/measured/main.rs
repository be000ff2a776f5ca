//! What was measured from outside and found wrong, each fault with others of its kind. These tests speak HTTP, the wire and the two stores only,
//! so that they outlive what is inside.

mod answers;
mod by_value;
mod clocks;
mod credentials;
mod crypto;
mod dressing;
mod due_work;
mod echo;
mod emerchantpay;
mod environment;
mod held;
mod identifiers;
mod inbox;
mod inbox_facts;
mod leaks;
mod log;
mod moved;
mod node;
mod proving_words;
mod refund_parts;
mod retention;
mod secrets;
mod settings;
mod shares;
mod short_callbacks;
mod signed_bytes;
mod stranger;
mod ten;
mod terminal;
mod trust;
mod unknown_commit;
mod unmeant_settings;
mod vouchers_and_banks;
mod wire;
mod worldpay;
