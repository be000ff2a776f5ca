//! What was measured from outside and found wrong, each fault with others of its kind. These tests speak HTTP, the wire and the two stores only,
//! so that they outlive what is inside.

mod answers;
mod clocks;
mod credentials;
mod crypto;
mod dressing;
mod echo;
mod emerchantpay;
mod environment;
mod held;
mod identifiers;
mod inbox;
mod leaks;
mod log;
mod moved;
mod node;
mod proving_words;
mod retention;
mod secrets;
mod settings;
mod shares;
mod steps;
mod ten;
mod trust;
mod vouchers_and_banks;
mod wire;
mod worldpay;
