//! How much of the worker each endpoint gets: a width that grows while it takes events and falls to one while it fails (the breaker), so that a slow or
//! dead endpoint delays nobody else, and one that comes back is found at once by the attempts that its schedule makes anyway.

use super::attempt::Standing;
use domain::Timestamp;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use store::repository::deliveries::Claimed;

/// Attempts in flight at an endpoint that was never asked before.
const WIDTH_FIRST: usize = 4;
/// Most attempts in flight at one endpoint.
pub(super) const WIDTH_MAX: usize = 64;
/// Failures in a row after which an endpoint's breaker opens.
const BREAKER_FAILURES: u32 = 5;
/// Claimed deliveries that wait for an endpoint that takes events, for one that is unknown, and for one that fails.
const QUEUE_GOOD: usize = 256;
const QUEUE_UNKNOWN: usize = 64;
const QUEUE_FAILING: usize = 8;
/// What an attempt is taken to last at first, milliseconds.
const FIRST_GUESS_MS: i64 = 10;
/// What does not fit is put off by this at least and at most, milliseconds.
const PUT_OFF_MIN_MS: i64 = 20;
pub(super) const PUT_OFF_MAX_MS: i64 = 15_000;

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
    /// What an attempt lasts, smoothed, milliseconds.
    lasts_ms: i64,
    /// When the last delivery that was put off is to come back.
    next_free: Timestamp,
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
            lasts_ms: FIRST_GUESS_MS,
            next_free: Timestamp::from_millis(0),
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

    /// Takes a claimed delivery in. What does not fit is handed back with the time to come back at: about when it would have had its turn.
    pub(super) fn admit(&mut self, claimed: Claimed, now: Timestamp, put_off_max_ms: i64) -> Option<(Claimed, Timestamp)> {
        self.last_used = Instant::now();
        if self.queue.len() < self.queue_max() {
            self.queue.push_back(claimed);
            return None;
        }
        let width = i64::try_from(self.width).unwrap_or(1);
        let waiting = i64::try_from(self.queue.len()).unwrap_or(i64::MAX);
        let begin = now.plus_ms(waiting.saturating_mul(self.lasts_ms) / width);
        let place = self.next_free.max(begin);
        self.next_free = place.plus_ms((self.lasts_ms / width).max(1));
        let at = place.max(now.plus_ms(PUT_OFF_MIN_MS)).min(now.plus_ms(put_off_max_ms.max(PUT_OFF_MIN_MS)));
        Some((claimed, at))
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
        let (_, began) = self.in_flight.swap_remove(place);
        self.last_used = Instant::now();
        if standing == Standing::NotAsked {
            return None;
        }
        let lasted = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.lasts_ms = (self.lasts_ms.saturating_mul(7).saturating_add(lasted) / 8).max(1);
        let was_open = self.failures >= BREAKER_FAILURES;
        match standing {
            Standing::Took => {
                self.failures = 0;
                self.width = (self.width * 2).min(WIDTH_MAX);
                self.good = true;
                self.next_free = Timestamp::from_millis(0);
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
