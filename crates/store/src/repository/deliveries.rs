//! Deliveries: one event on its way to one endpoint, its attempts, and who works on it.
//!
//! `next_at` is when a delivery is due, and while somebody works on it, the end of the lease: past that anybody may take it. A
//! lease is known by its owner and its end together, so that what a slow owner found out does not overwrite what happened
//! meanwhile.
//!
//! One transaction's deliveries go out in order: a claim leaves a delivery alone while an earlier one is `waiting` or `failing`.
//! A replayed one, known by having more attempts than its running schedule counts, neither waits nor is waited for.

mod claim;
mod manage;
mod row;
mod work;

pub use claim::{Due, claim, claim_at, due, free_expired, next_due, release_dead};
pub use manage::{Filter, REPLAY_CHUNK, attempts, find, list, replay, replay_since};
pub use row::{Attempt, Delivery, DeliveryState};
pub use work::{
    Claimed, LEASE_GUARD, Lease, Outcome, defer, free, handed_over, insert, insert_claimed, insert_handed_over, record,
    switched_off,
};
