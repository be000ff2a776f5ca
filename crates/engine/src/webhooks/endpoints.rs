//! How much of the worker each endpoint gets: a width that grows while it takes events and falls to one while it fails (the
//! breaker), so that a slow or dead endpoint delays nobody else, and one that comes back is found at once by the attempts that
//! its schedule makes anyway.

use super::attempt::Standing;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use store::repository::deliveries::Claimed;

/// Attempts in flight at an endpoint that was never asked before.
const WIDTH_FIRST: usize = 4;
/// Most attempts in flight at one endpoint: a third of the places.
pub(super) const WIDTH_MAX: usize = 128;
/// Failures in a row after which an endpoint's breaker opens.
const BREAKER_FAILURES: u32 = 5;
/// Claimed deliveries that wait for an endpoint that takes events, for one that is unknown, and for one that fails.
const QUEUE_GOOD: usize = 256;
pub(super) const QUEUE_UNKNOWN: usize = 16;
const QUEUE_FAILING: usize = 2;

/// One endpoint, as this process knows it.
#[derive(Debug)]
pub(super) struct Endpoint {
    queue: VecDeque<Claimed>,
    /// The attempts in flight: their numbers, and when they began.
    in_flight: Vec<(u64, Instant)>,
    width: usize,
    failures: u32,
    /// It takes events, and soon: such endpoints are not held up by the others.
    good: bool,
    /// The store has, or may have, more for it that is due.
    pub(super) more: bool,
    pub(super) last_used: Instant,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            in_flight: Vec::new(),
            width: WIDTH_FIRST,
            failures: 0,
            good: false,
            more: false,
            last_used: Instant::now(),
        }
    }
}

impl Endpoint {
    pub(super) fn is_good(&self) -> bool {
        self.good
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    fn queue_max(&self) -> usize {
        match (self.good, self.failures) {
            (true, _) => QUEUE_GOOD,
            (false, 0) => QUEUE_UNKNOWN,
            (false, _) => QUEUE_FAILING,
        }
    }

    /// How many more deliveries it can take in.
    pub(super) fn room(&self) -> usize {
        self.queue_max().saturating_sub(self.queue.len())
    }

    /// Whether enough of its queue is free for a claim to be worth its commit.
    pub(super) fn wants_more(&self) -> bool {
        self.more && self.room() * 2 >= self.queue_max()
    }

    /// Takes a delivery in that this process works on.
    pub(super) fn admit(&mut self, claimed: Claimed) {
        self.last_used = Instant::now();
        self.queue.push_back(claimed);
    }

    /// The next delivery to attempt, if there is room for it.
    pub(super) fn start(&mut self, number: u64) -> Option<Claimed> {
        if self.in_flight.len() >= self.width {
            return None;
        }
        let claimed = self.queue.pop_front()?;
        self.in_flight.push((number, Instant::now()));
        Some(claimed)
    }

    /// Everything that waits, to be given back.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Claimed> {
        self.queue.drain(..)
    }

    /// An attempt ended. Whether the breaker has just opened or closed.
    pub(super) fn finished(&mut self, number: u64, standing: Standing) -> Option<Breaker> {
        let place = self.in_flight.iter().position(|(known, _)| *known == number)?;
        self.in_flight.swap_remove(place);
        self.last_used = Instant::now();
        if standing == Standing::NotAsked {
            return None;
        }
        let was_open = self.failures >= BREAKER_FAILURES;
        match standing {
            Standing::Took => {
                self.failures = 0;
                self.width = (self.width * 2).min(WIDTH_MAX);
                self.good = true;
            }
            Standing::Refused => {
                self.failures = self.failures.saturating_add(1);
                self.width = (self.width / 2).max(1);
            }
            Standing::Silent => {
                self.failures = self.failures.saturating_add(1);
                self.slow_down();
            }
            Standing::NotAsked => {}
        }
        let is_open = self.failures >= BREAKER_FAILURES;
        if is_open {
            self.slow_down();
        }
        match (was_open, is_open) {
            (false, true) => Some(Breaker::Opened),
            (true, false) => Some(Breaker::Closed),
            _ => None,
        }
    }

    /// Whether an attempt has been in flight for longer than `limit`.
    pub(super) fn is_slow(&self, limit: Duration) -> bool {
        self.in_flight.iter().any(|(_, began)| began.elapsed() > limit)
    }

    /// One attempt at a time from now on, and among those that wait for each other.
    pub(super) fn slow_down(&mut self) {
        self.width = 1;
        self.good = false;
    }
}

/// A change of an endpoint's breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    Opened,
    Closed,
}
