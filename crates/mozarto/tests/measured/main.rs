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
mod feed_wakes;
mod heartbeat;
mod held;
mod identifiers;
mod inbox;
mod leaks;
mod log;
mod lost_store;
mod moved;
mod node;
mod proving_words;
mod refused_starts;
mod retention;
mod secrets;
mod settings;
mod shares;
mod slow_server;
mod ten;
mod trust;
mod two_restarts;
mod vouchers_and_banks;
mod wire;
mod worldpay;
