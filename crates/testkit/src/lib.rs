//! What tests use to stand outside the product: it is started as a process, spoken to over HTTP as a role, and looked at
//! afterwards by a checker that shares no code with it.
//!
//! * [`sandbox`] - the binary as a child process: started, killed, started again;
//! * [`client`] - the Cashier and the Management API as their users speak to them;
//! * [`sink`] - a merchant's webhook endpoint that verifies with code of its own;
//! * [`browser`] - a person at a browser: Chromium, pictures of pages, and what is wrong with them;
//! * [`forms`] - the forms of pages, sent without a browser;
//! * [`crash`] - kill -9 under load, again and again;
//! * [`invariants`] - reads the store and the simulators' ledgers and says which promise is broken;
//! * [`world`] - all of these together; [`table`] - tests of many rows; [`shape`] - whole JSON documents against the contract's;
//! * [`postgres`] - a PostgreSQL server for tests.

pub mod browser;
pub mod client;
pub mod crash;
pub mod forms;
pub mod invariants;
pub mod postgres;
pub mod sandbox;
pub mod shape;
pub mod sink;
pub mod table;
pub mod world;
