//! The worker: takes up what is handed over and claims what else is due, by endpoint and only as many as it has room for; shares
//! its places among the endpoints.
//!
//! Endpoints that take events have places of their own; those that are unknown, slow or failing share a smaller number, so that
//! however many of them there are, and whatever their backlog, the others do not wait for them.

use super::attempt::{ANSWER_MS, Standing, attempt};
use super::claims::shared_out;
use super::endpoints::{Breaker, Endpoint, QUEUE_UNKNOWN};
use crate::core::Engine;
use crate::pulse::trouble;
use domain::{CompanyId, MethodId, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use store::repository::deliveries::{self, Claimed, Due, Lease};
use store::repository::events;
use store::{Batch, Dialect};
use tokio::sync::mpsc;

/// Attempts in flight at endpoints that take events; and at all others together.
const PLACES_GOOD: usize = 384;
const PLACES_DOUBTFUL: usize = 128;
/// Deliveries held at once, in flight or waiting for a place; and of those, at endpoints that are unknown, slow or failing.
const HELD_MAX: usize = 4_096;
const HELD_DOUBTFUL_MAX: usize = 1_024;
/// Attempts that have ended and wait for their record at most: each is made again if the process is killed now.
const RECORDING_MAX: usize = 1_024;
/// Deliveries taken up from the flows between two looks at anything else.
const TAKE_UP_MAX: usize = 256;
/// How long a claimed delivery belongs to its process, milliseconds, not scaled.
pub(super) const LEASE_MS: i64 = 60_000;
/// What is left of a lease when an attempt begins must cover the attempt and this, for its record, milliseconds, not scaled.
const RECORD_MS: i64 = 5_000;
/// How often work of other processes is looked for, milliseconds as written; and the shortest real pause between two looks.
const POLL_MS: i64 = 1_000;
const POLL_MIN_MS: i64 = 20;
/// How often slow attempts are looked for.
const TICK: Duration = Duration::from_millis(250);
/// An attempt that has taken this share of its limit makes its endpoint a slow one: an eighth.
const SLOW_SHARE: u32 = 8;
/// How often what dead processes held is looked for.
const DEAD_EVERY: Duration = Duration::from_secs(1);
/// An endpoint is forgotten when it was idle for this long.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// How many deliveries are given back in one commit.
const GIVE_BACK_ROWS: usize = 1_000;
/// How often what is past its retention is looked for; the first look after a start comes soon, because what has piled up while
/// nothing ran begins to go at once.
const PURGE_EVERY: Duration = Duration::from_secs(60);
const PURGE_FIRST: Duration = Duration::from_secs(1);
/// Events removed in one commit, with their deliveries: few enough that payments beside it do not wait for it. Between two such
/// commits the writer is free.
const PURGE_ROWS: u32 = 500;
const PURGE_PAUSE: Duration = Duration::from_millis(50);

type Key = (CompanyId, MethodId);

/// What an attempt's task tells the worker.
enum Told {
    /// The endpoint is free for the next one: it has answered, or was not asked.
    Answered(Standing),
    /// The attempt is recorded, or cannot be.
    Recorded { released: bool },
}

/// The worker's end of an attempt: it is told of both steps, however the attempt's task ends. While the record waits for its
/// commit the endpoint takes the next event: how long our store takes is no reason to ask less of an endpoint.
struct Reporter {
    key: Key,
    number: u64,
    answered: bool,
    /// The record made later deliveries of the transaction due.
    released: bool,
    to: mpsc::UnboundedSender<(Key, u64, Told)>,
}

impl Reporter {
    fn answered(&mut self, standing: Standing) {
        self.answered = true;
        self.tell(Told::Answered(standing));
    }

    fn tell(&self, told: Told) {
        // Nobody listens any more when the worker has stopped.
        let _ = self.to.send((self.key, self.number, told));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if !self.answered {
            self.tell(Told::Answered(Standing::NotAsked));
        }
        self.tell(Told::Recorded { released: self.released });
    }
}

/// The worker of one process.
pub(super) struct Worker {
    engine: Engine,
    endpoints: HashMap<Key, Endpoint>,
    /// Endpoints with something waiting, in the order of their turns.
    turns: VecDeque<Key>,
    busy_good: usize,
    busy_doubtful: usize,
    /// Attempts that have ended and are not recorded yet.
    recording: usize,
    waiting: usize,
    number: u64,
    look_at: Timestamp,
    handed: mpsc::UnboundedReceiver<Claimed>,
    reports: mpsc::UnboundedReceiver<(Key, u64, Told)>,
    report_to: mpsc::UnboundedSender<(Key, u64, Told)>,
}

impl Worker {
    pub(super) fn new(engine: Engine) -> Self {
        // As many reports as there are attempts in flight.
        let (report_to, reports) = mpsc::unbounded_channel();
        let look_at = engine.clock().now();
        let handed = engine.inner.handover.open(QUEUE_UNKNOWN);
        engine.inner.handover.set_room_all(HELD_MAX);
        Self {
            engine,
            endpoints: HashMap::new(),
            turns: VecDeque::new(),
            busy_good: 0,
            busy_doubtful: 0,
            recording: 0,
            waiting: 0,
            number: 0,
            look_at,
            handed,
            reports,
            report_to,
        }
    }

    /// Works until the platform stops; then gives back what has not begun. Attempts in flight end in tasks of their own.
    pub(super) async fn run(mut self) {
        let engine = self.engine.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut dead_looked_at: Option<Instant> = None;
        loop {
            tokio::select! {
                () = engine.inner.stop.cancelled() => break,
                Some((key, number, told)) = self.reports.recv() => {
                    self.told(key, number, told);
                    self.take_reports();
                }
                Some(claimed) = self.handed.recv() => self.take_up(claimed),
                () = engine.inner.wake.deliveries.notified() => self.look().await,
                () = engine.clock().sleep_until(self.look_at) => self.look().await,
                _ = tick.tick() => {
                    self.slow_down_slow_ones();
                    if dead_looked_at.is_none_or(|at| at.elapsed() >= DEAD_EVERY) {
                        self.release_dead(dead_looked_at.is_none()).await;
                        dead_looked_at = Some(Instant::now());
                    }
                }
            }
            self.start_what_fits();
            self.claim_more().await;
        }
        self.engine.inner.handover.close();
        while let Ok(claimed) = self.handed.try_recv() {
            self.take_up(claimed);
        }
        self.give_back_everything().await;
    }

    fn held(&self) -> usize {
        self.waiting + self.busy_good + self.busy_doubtful + self.recording
    }

    /// What dead processes held is due now. The embedded store belongs to one process, so that at its start everybody else is
    /// dead.
    async fn release_dead(&mut self, first: bool) {
        let alone = self.engine.store().dialect() == Dialect::Sqlite;
        if alone && !first {
            return;
        }
        let now = self.engine.clock().now();
        // Elsewhere whoever is named in `nodes` lives: the heartbeat's watch takes the dead out, and compares no clocks.
        let alive_since = Timestamp::from_millis(if alone { i64::MAX } else { i64::MIN });
        let mut batch = Batch::new();
        deliveries::release_dead(&mut batch, &self.engine.inner.node_id, now, alive_since, now.plus_ms(LEASE_MS));
        if let Err(error) = self.engine.store().commit(batch).await {
            trouble!(warn, error, "taking over deliveries of dead processes: {error}");
        }
        if first {
            self.look().await;
        }
    }

    /// Looks what waits in the store, and sets when to look again.
    async fn look(&mut self) {
        let Some(due) = self.due().await else { return self.look_again(None) };
        let now = self.engine.clock().now();
        if due.held_until.is_some_and(|until| until <= now) {
            self.free_expired(now).await;
        }
        self.look_again(next_of(&due, now));
        for (company, method, _) in due.endpoints.into_iter().filter(|(_, _, at)| *at <= now) {
            let key = (company, method);
            self.endpoints.entry(key).or_default().more = true;
            self.tell_room(key);
        }
    }

    async fn due(&self) -> Option<Due> {
        match deliveries::due(self.engine.store()).await {
            Ok(due) => Some(due),
            Err(error) => {
                trouble!(warn, error, "looking for due deliveries: {error}");
                None
            }
        }
    }

    /// Frees what processes held for too long, this one perhaps among them; it is looked for again at once.
    async fn free_expired(&mut self, now: Timestamp) {
        let mut batch = Batch::new();
        deliveries::free_expired(&mut batch, &self.engine.inner.node_id, now);
        match self.engine.store().commit(batch).await {
            Ok(_) => self.engine.inner.wake.deliveries.notify_one(),
            Err(error) => trouble!(warn, error, "freeing deliveries that were held for too long: {error}"),
        }
    }

    fn look_again(&mut self, due: Option<Timestamp>) {
        let clock = self.engine.clock();
        let poll = clock.now().plus_ms(clock.scaled_ms(POLL_MS).max(POLL_MIN_MS));
        self.look_at = due.map_or(poll, |due| due.min(poll));
    }

    /// Claims for the endpoints that have more in the store, until none of them has much room left.
    async fn claim_more(&mut self) {
        let mut claimed_all = None;
        while !self.engine.inner.stop.is_cancelled() {
            let asks = self.asks();
            if asks.is_empty() {
                break;
            }
            let now = self.engine.clock().now();
            let lease = Lease { owner: &self.engine.inner.node_id, until: now.plus_ms(LEASE_MS) };
            let claimed = match deliveries::claim_at(self.engine.store(), lease, now, &asks).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    trouble!(warn, error, "claiming deliveries: {error}");
                    Vec::new()
                }
            };
            let mut got: HashMap<Key, u32> = HashMap::new();
            for claimed in claimed {
                *got.entry(claimed.endpoint()).or_default() += 1;
                self.admit(claimed);
            }
            for (company, method, asked) in asks {
                let key = (company, method);
                if let Some(endpoint) = self.endpoints.get_mut(&key) {
                    endpoint.more = got.get(&key).is_some_and(|got| *got >= asked);
                    if !endpoint.more {
                        claimed_all = Some(claimed_all.map_or(now, |before: Timestamp| before.min(now)));
                    }
                }
                self.tell_room(key);
            }
            self.take_reports();
            self.start_what_fits();
        }
        // Behind what was claimed is what is due next; what became due since is looked at now.
        if let Some(claimed_at) = claimed_all
            && let Some(due) = self.due().await
        {
            self.look_again(next_of(&due, claimed_at));
        }
    }

    /// For whom to claim now, and how many: those that take events first, the others within their share.
    fn asks(&self) -> Vec<(CompanyId, MethodId, u32)> {
        let left = HELD_MAX.saturating_sub(self.held());
        let doubtful = self.endpoints.values().filter(|endpoint| !endpoint.is_good());
        let held_doubtful: usize = doubtful.map(|endpoint| endpoint.waiting() + endpoint.in_flight()).sum();
        let left_doubtful = HELD_DOUBTFUL_MAX.saturating_sub(held_doubtful);
        let wanting = self.endpoints.iter().filter(|(_, endpoint)| endpoint.wants_more());
        let wanting = wanting.map(|(key, endpoint)| (*key, endpoint.is_good(), endpoint.room())).collect();
        shared_out(wanting, left, left_doubtful).into_iter().map(|((company, method), ask)| (company, method, ask)).collect()
    }

    /// Takes up what was handed over.
    fn take_up(&mut self, claimed: Claimed) {
        self.admit(claimed);
        for _ in 0..TAKE_UP_MAX {
            match self.handed.try_recv() {
                Ok(claimed) => self.admit(claimed),
                Err(_) => return,
            }
        }
    }

    fn admit(&mut self, claimed: Claimed) {
        let key = claimed.endpoint();
        let endpoint = self.endpoints.entry(key).or_default();
        endpoint.admit(claimed);
        self.waiting += 1;
        if endpoint.waiting() == 1 {
            self.turns.push_back(key);
        }
        self.tell_room(key);
    }

    /// Tells the flows what can be handed over: nothing while older deliveries of the endpoint wait in the store.
    fn tell_room(&self, key: Key) {
        let handover = &self.engine.inner.handover;
        handover.set_room_all(HELD_MAX.saturating_sub(self.held()));
        if let Some(endpoint) = self.endpoints.get(&key) {
            handover.set_room(key, Some(if endpoint.more { 0 } else { endpoint.room() }));
        }
    }

    /// Starts attempts, endpoint by endpoint in turn, until nobody who has a turn has a place.
    fn start_what_fits(&mut self) {
        let mut passed = 0;
        while passed < self.turns.len() && self.recording < RECORDING_MAX {
            let Some(key) = self.turns.pop_front() else { return };
            if self.start_one(key) {
                passed = 0;
            } else {
                passed += 1;
            }
            if self.endpoints.get(&key).is_some_and(|endpoint| endpoint.waiting() > 0) {
                self.turns.push_back(key);
            }
        }
    }

    fn start_one(&mut self, key: Key) -> bool {
        let Some(endpoint) = self.endpoints.get_mut(&key) else { return false };
        let (busy, places) = match endpoint.is_good() {
            true => (&mut self.busy_good, PLACES_GOOD),
            false => (&mut self.busy_doubtful, PLACES_DOUBTFUL),
        };
        if *busy >= places {
            return false;
        }
        self.number += 1;
        let Some(claimed) = endpoint.start(self.number) else { return false };
        *busy += 1;
        self.waiting -= 1;
        self.tell_room(key);
        let mut reporter = Reporter { key, number: self.number, answered: false, released: false, to: self.report_to.clone() };
        let engine = self.engine.clone();
        self.engine.inner.tasks.spawn(async move {
            let now = engine.clock().now();
            let needed = engine.clock().scaled_ms(ANSWER_MS) + RECORD_MS;
            if claimed.lease_until.since(now) < needed {
                // It waited too long: somebody else might take it while we send.
                give_back(&engine, vec![(claimed, now)]).await;
            } else {
                reporter.released = attempt(&engine, &claimed, |standing| reporter.answered(standing)).await;
            }
            drop(reporter);
        });
        true
    }

    fn take_reports(&mut self) {
        while let Ok((key, number, told)) = self.reports.try_recv() {
            self.told(key, number, told);
        }
    }

    fn told(&mut self, key: Key, number: u64, told: Told) {
        match told {
            Told::Answered(standing) => {
                self.recording += 1;
                self.finished(key, number, standing);
            }
            Told::Recorded { released } => {
                self.recording -= 1;
                self.tell_room(key);
                if released {
                    self.look_at = self.engine.clock().now();
                }
            }
        }
    }

    fn finished(&mut self, key: Key, number: u64, standing: Standing) {
        let Some(endpoint) = self.endpoints.get_mut(&key) else { return };
        // Every attempt leaves the group that its endpoint is in now; it may have changed sides meanwhile.
        *if endpoint.is_good() { &mut self.busy_good } else { &mut self.busy_doubtful } -= 1;
        let (was_good, in_flight) = (endpoint.is_good(), endpoint.in_flight() - 1);
        match endpoint.finished(number, standing) {
            Some(Breaker::Opened) => tracing::warn!(company = %key.0, payment_method = %key.1, "webhook endpoint keeps failing"),
            Some(Breaker::Closed) => tracing::info!(company = %key.0, payment_method = %key.1, "webhook endpoint works again"),
            None => {}
        }
        let is_good = endpoint.is_good();
        self.change_sides(was_good, is_good, in_flight);
        self.tell_room(key);
    }

    fn change_sides(&mut self, was_good: bool, is_good: bool, in_flight: usize) {
        match (was_good, is_good) {
            (true, false) => {
                self.busy_good -= in_flight;
                self.busy_doubtful += in_flight;
            }
            (false, true) => {
                self.busy_doubtful -= in_flight;
                self.busy_good += in_flight;
            }
            _ => {}
        }
    }

    fn slow_down_slow_ones(&mut self) {
        let limit = self.engine.clock().scaled(ANSWER_MS) / SLOW_SHARE;
        let mut moved = 0;
        for endpoint in self.endpoints.values_mut().filter(|endpoint| endpoint.is_slow(limit)) {
            if endpoint.is_good() {
                moved += endpoint.in_flight();
            }
            endpoint.slow_down();
        }
        self.change_sides(true, false, moved);
        let handover = &self.engine.inner.handover;
        self.endpoints.retain(|key, endpoint| {
            let kept = !endpoint.is_idle() || endpoint.last_used.elapsed() < FORGET_AFTER;
            if !kept {
                handover.set_room(*key, None);
            }
            kept
        });
        metrics::gauge!("mozarto_webhook_attempts_in_flight")
            .set(u32::try_from(self.busy_good + self.busy_doubtful).unwrap_or(u32::MAX));
    }

    async fn give_back_everything(&mut self) {
        let now = self.engine.clock().now();
        let all: Vec<_> = self.endpoints.values_mut().flat_map(Endpoint::drain).map(|claimed| (claimed, now)).collect();
        give_back(&self.engine, all).await;
    }
}

/// When something becomes due next. What is due already and cannot be claimed waits for an earlier one; its end wakes us.
fn next_of(due: &Due, now: Timestamp) -> Option<Timestamp> {
    due.endpoints.iter().map(|(_, _, at)| *at).chain(due.held_until).filter(|at| *at > now).min()
}

/// Gives deliveries back without an attempt, each due at its time. What cannot be given back comes free with its lease.
async fn give_back(engine: &Engine, deliveries: Vec<(Claimed, Timestamp)>) {
    for some in deliveries.chunks(GIVE_BACK_ROWS) {
        let mut batch = Batch::new();
        for (claimed, at) in some {
            deliveries::defer(&mut batch, claimed, &engine.inner.node_id, *at);
        }
        if let Err(error) = engine.store().commit(batch).await {
            trouble!(warn, error, "giving deliveries back: {error}");
        }
    }
}

/// Removes what is past its retention, until the platform stops.
pub(super) async fn purge(engine: Engine) {
    let mut pause = PURGE_FIRST;
    loop {
        tokio::select! {
            () = engine.inner.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let before = engine.clock().now().plus_ms(-engine.config().retention.deliveries_ms);
        let purged = events::purge(engine.store(), before, PURGE_ROWS).await;
        pause = match purged {
            Ok(purged) if purged.events >= PURGE_ROWS as usize => PURGE_PAUSE,
            Ok(_) | Err(_) => PURGE_EVERY,
        };
        match purged {
            Ok(purged) => {
                for (kind, rows) in [("events", purged.events), ("deliveries", purged.deliveries)] {
                    metrics::counter!("mozarto_purged_total", "kind" => kind).increment(rows as u64);
                }
            }
            Err(error) => trouble!(warn, error, "purging webhook events: {error}"),
        }
    }
}
