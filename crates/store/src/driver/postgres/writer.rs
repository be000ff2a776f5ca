//! The writers: a few tasks that take what waits and run it as a group, in one transaction with one sync of the disk.
//! Two groups that want the same busy rows in different orders stand in each other's way; once that happens, one
//! writer at a time may form groups for a while, and the others carry single batches.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object as Connection, Pool};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::convert::{self, Class};
use super::pipeline::{self, Isolation, Outcome, Patience, Refusal, Step};
use super::session;
use super::silence::{SILENT, Silence};
use crate::driver::sql::{self, PostgresText};
use crate::driver::sqlite::has_nul;
use crate::driver::{Batch, CommitError, CommitResult, Expect, MAX_BATCH_STATEMENTS, Statement, Value};

/// Writer tasks.
const WRITERS: usize = 3;
/// Connections for writing: one for each of them, and the heartbeat's.
pub(super) const CONNECTIONS: usize = WRITERS + 1;
/// How many batches may wait; further callers wait for a place.
pub(super) const WRITE_QUEUE_BATCHES: usize = 1_024;
/// The most batches that share one transaction; the server keeps at most 64 savepoints at hand. 1 turns grouping off.
const MAX_GROUP_BATCHES: usize = 60;
/// How long groups run one at a time after two of them met.
const CONTENTION_MS: u64 = 2_000;
/// How often a batch is tried when other transactions stand in its way.
const MAX_ATTEMPTS: u32 = 6;
/// The most that an attempt pauses before the next, times the number of those made. How long it really is, chance
/// says, so that two that met do not meet again.
const ATTEMPT_PAUSE_MS: u64 = 10;
/// A transaction without an answer for so long has an unknown outcome, and its connection is given up.
const COMMIT_TIME_LIMIT: Duration = Duration::from_secs(30);
/// The same of a heartbeat: the others hold a process for dead long before, so that a connection which says nothing is left for a
/// new one.
const BEAT_TIME_LIMIT: Duration = Duration::from_millis(1_500);
/// A heartbeat without a word for so long is missed: a little before it is given up, so that one that waits is counted once.
const BEAT_MISSED_AFTER: Duration = Duration::from_millis(1_400);
/// How long a heartbeat may wait for a connection; what the pool does about one has shorter limits.
const BEAT_CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// Prepared statements kept per connection; at this number all are dropped and prepared anew as needed.
pub(super) const STATEMENT_CACHE: usize = 1_000;

/// A batch that waits for a writer.
pub(super) struct Work {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<CommitResult>,
}

/// Where the heartbeat waits. It has a writer of its own: the others may all be waiting for a lock.
pub(super) type BeatPlace = Arc<StdMutex<Option<Work>>>;

struct Shared {
    queue: Mutex<mpsc::Receiver<Work>>,
    served: Arc<session::Served>,
    silence: Arc<Silence>,
    /// Held by the one writer that may form groups while groups stand in each other's way.
    grouping: Mutex<()>,
    started: Instant,
    /// Until when that is so, in milliseconds since `started`.
    contended_until_ms: AtomicU64,
    pool: Pool,
    texts: StdMutex<HashMap<(&'static str, bool), Arc<PostgresText>>>,
}

/// Starts the writers, and the heartbeat's. They end when what they take from is closed and empty.
pub(super) fn spawn(
    pool: &Pool,
    served: &Arc<session::Served>,
    silence: &Arc<Silence>,
    (beat, beats): (BeatPlace, mpsc::Receiver<()>),
    queue: mpsc::Receiver<Work>,
) -> Vec<JoinHandle<()>> {
    let shared = Arc::new(Shared {
        queue: Mutex::new(queue),
        served: Arc::clone(served),
        silence: Arc::clone(silence),
        grouping: Mutex::new(()),
        started: Instant::now(),
        contended_until_ms: AtomicU64::new(0),
        pool: pool.clone(),
        texts: StdMutex::default(),
    });
    let start = |_| tokio::spawn(serve(Arc::clone(&shared)));
    let mut writers: Vec<_> = (0..WRITERS).map(start).collect();
    writers.push(tokio::spawn(beat_on(Arc::clone(&shared), beat, beats)));
    writers
}

/// Commits each heartbeat by itself, until nobody sends any more.
async fn beat_on(shared: Arc<Shared>, place: BeatPlace, mut beats: mpsc::Receiver<()>) {
    while beats.recv().await.is_some() {
        let beat = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Work { batch, reply }) = beat {
            let writer = Writer { shared: &shared, kind: Kind::Beat };
            let _ = reply.send(counted(&shared.silence, writer.commit_one(&batch)).await);
        }
    }
}

/// Counts each time that a heartbeat waits without a word, for its own answer or for a connection. A failure is a word, or
/// that nobody is there: whoever asks then learns it at once as well.
async fn counted(silence: &Silence, beat: impl Future<Output = CommitResult>) -> CommitResult {
    let mut beat = pin!(beat);
    loop {
        match tokio::time::timeout(BEAT_MISSED_AFTER, beat.as_mut()).await {
            Ok(result) => return result,
            Err(_) => silence.missed(),
        }
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn contended(&self) -> bool {
        self.now_ms() < self.contended_until_ms.load(Ordering::Relaxed)
    }
}

async fn serve(shared: Arc<Shared>) {
    loop {
        let mut queue = shared.queue.lock().await;
        let Some(first) = queue.recv().await else {
            return;
        };
        let contended = shared.contended();
        let grouping = if contended { shared.grouping.try_lock().ok() } else { None };
        let alone = contended && grouping.is_none();
        let most = if alone { 1 } else { MAX_GROUP_BATCHES };
        let mut work = Vec::new();
        let mut next = Some(first);
        while let Some(one) = next.take() {
            work.push(one);
            if work.len() < most {
                next = queue.try_recv().ok();
            }
        }
        drop(queue);
        // A lone batch leaves the right to form groups to the others.
        let grouping = grouping.filter(|_| work.len() > 1);
        let (batches, replies): (Vec<_>, Vec<_>) = work.into_iter().map(|work| (work.batch, work.reply)).unzip();
        let results = Writer { shared: &shared, kind: Kind::Work }.commit(batches).await;
        drop(grouping);
        debug_assert_eq!(replies.len(), results.len());
        for (reply, result) in replies.into_iter().zip(results) {
            // A caller that has gone away learns nothing; its batch stands as committed.
            let _ = reply.send(result);
        }
    }
}

/// What a writer commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Work,
    /// It finds out whether the server is silent, and so does not ask whether it is.
    Beat,
}

struct Writer<'a> {
    shared: &'a Shared,
    kind: Kind,
}

impl Writer<'_> {
    /// How long a transaction may take.
    fn time_limit(&self) -> Duration {
        match self.kind {
            Kind::Work => COMMIT_TIME_LIMIT,
            Kind::Beat => BEAT_TIME_LIMIT,
        }
    }

    /// What comes before the transaction is sent. `None`: no answer in time, and nothing has begun.
    async fn before<T>(&self, limit: Duration, asked: impl Future<Output = T>) -> Option<T> {
        match self.kind {
            Kind::Work => self.shared.silence.bounded(limit, asked).await,
            Kind::Beat => tokio::time::timeout(limit, asked).await.ok(),
        }
    }

    /// A connection, of which no answer is waited for.
    async fn connection(&self) -> Result<Connection, Failed> {
        let limit = if self.kind == Kind::Beat { BEAT_CONNECT_LIMIT } else { COMMIT_TIME_LIMIT };
        let connection = self.before(limit, self.shared.pool.get()).await.ok_or_else(|| self.no_answer())?;
        let connection = connection.map_err(|e| Failed::Whole(CommitError::Unavailable(session::pool_error(&e))))?;
        if connection.statement_cache.size() > STATEMENT_CACHE {
            connection.statement_cache.clear();
        }
        Ok(connection)
    }

    /// Nothing was sent.
    fn no_answer(&self) -> Failed {
        let why = if self.shared.silence.is_silent() { SILENT } else { "no answer in time" };
        Failed::Whole(CommitError::Unavailable(why.to_owned()))
    }

    /// Commits a group; one result per batch, in order.
    async fn commit(&self, batches: Vec<Batch>) -> Vec<CommitResult> {
        if let [_] = batches.as_slice() {
            return vec![self.commit_one(&batches[0]).await];
        }
        for (isolation, patience) in [(Isolation::None, Patience::Group), (Isolation::Savepoints, Patience::Savepoint)] {
            match self.attempt(&batches, isolation, patience).await {
                Ok(results) => return self.settle(&batches, results).await,
                Err(Failed::Whole(error)) => {
                    return batches.iter().map(|_| Err(error.clone())).collect();
                }
                // One of them spoilt it for all: next time each by itself, in the same transaction.
                Err(Failed::RolledBack(refusal)) => {
                    if refusal.class == Class::Conflict {
                        let until = self.shared.now_ms() + CONTENTION_MS;
                        self.shared.contended_until_ms.store(until, Ordering::Relaxed);
                    }
                }
            }
        }
        let mut results = Vec::with_capacity(batches.len());
        for batch in &batches {
            results.push(self.commit_one(batch).await);
        }
        results
    }

    /// Gives those of a committed group another try that others stood in the way of.
    async fn settle(&self, batches: &[Batch], results: Vec<Attempted>) -> Vec<CommitResult> {
        let mut settled = Vec::with_capacity(results.len());
        for (batch, result) in batches.iter().zip(results) {
            settled.push(match result {
                Err(refusal) if deserves_another(refusal.class) => self.commit_one(batch).await,
                Err(refusal) => Err(refusal.error),
                Ok(returned) => Ok(returned),
            });
        }
        settled
    }

    /// Commits a batch in its own transaction. It is complete in itself, so that the driver may repeat it as long
    /// as it was certainly rolled back.
    async fn commit_one(&self, batch: &Batch) -> CommitResult {
        let mut attempts = 1;
        loop {
            // A transaction lasts for milliseconds. Whoever waits much longer for a row most likely waits in a circle.
            let last = attempts == MAX_ATTEMPTS;
            let patience = if last { Patience::Last } else { Patience::Single };
            let one = std::slice::from_ref(batch);
            let attempt = self.attempt(one, Isolation::None, patience).await;
            let refusal = match attempt {
                Ok(mut results) => match results.pop() {
                    Some(Ok(returned)) => return Ok(returned),
                    Some(Err(refusal)) => refusal,
                    None => return Ok(Vec::new()),
                },
                Err(Failed::Whole(error)) => return Err(error),
                Err(Failed::RolledBack(refusal)) => refusal,
            };
            if !deserves_another(refusal.class) || last {
                return Err(refusal.error);
            }
            tokio::time::sleep(pause(attempts)).await;
            attempts += 1;
        }
    }

    /// One transaction of these batches.
    async fn attempt(&self, batches: &[Batch], isolation: Isolation, patience: Patience) -> Result<Vec<Attempted>, Failed> {
        let connection = self.connection().await?;
        let Some(planned) = self.before(self.time_limit(), self.plans(&connection, batches)).await else {
            drop(Connection::take(connection));
            return Err(self.no_answer());
        };
        let (plans, refused) = planned?;
        if plans.is_empty() {
            return Ok(refused.into_iter().map(|(_, refusal)| Err(refusal)).collect());
        }
        let run = pipeline::run(&connection, &plans, isolation, patience);
        let outcome = match tokio::time::timeout(self.time_limit(), run).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown("no answer in time".to_owned()),
        };
        if matches!(outcome, Outcome::Committed(_) | Outcome::RolledBack(_)) {
            self.shared.silence.heard();
        }
        match outcome {
            Outcome::Committed(mut results) => {
                for (place, refusal) in refused {
                    results.insert(place, Err(refusal));
                }
                Ok(results)
            }
            Outcome::RolledBack(refusal) => {
                if refusal.class == Class::StalePlan {
                    connection.statement_cache.clear();
                }
                if refusal.class == Class::ReadOnly {
                    drop(Connection::take(connection));
                    self.shared.served.has_moved();
                    return Err(Failed::Whole(refusal.error));
                }
                Err(Failed::RolledBack(refusal))
            }
            Outcome::NotSent(why) => {
                drop(Connection::take(connection));
                let error = CommitError::Unavailable(why);
                Err(Failed::RolledBack(Refusal { error, class: Class::Conflict }))
            }
            Outcome::Unknown(why) => {
                tracing::debug!(reason = %why, batches = batches.len(), "a commit has no known outcome");
                drop(Connection::take(connection));
                Err(Failed::Whole(CommitError::Unknown(why)))
            }
        }
    }

    /// Prepares the batches; those that are refused, with their places.
    async fn plans(&self, connection: &Connection, batches: &[Batch]) -> Result<Planned, Failed> {
        let mut plans = Vec::with_capacity(batches.len());
        let mut refused = Vec::new();
        for batch in batches {
            match self.plan(connection, batch).await {
                Ok(plan) => plans.push(plan),
                Err(refusal) if matches!(refusal.class, Class::Unavailable | Class::ReadOnly) => {
                    return Err(Failed::Whole(refusal.error));
                }
                Err(refusal) if connection.is_closed() => return Err(Failed::RolledBack(refusal)),
                Err(refusal) => {
                    refused.push((plans.len() + refused.len(), refusal));
                }
            }
        }
        Ok((plans, refused))
    }

    /// Prepares what is not prepared yet. Nothing of the batch has run when this fails.
    async fn plan(&self, connection: &Connection, batch: &Batch) -> Result<Vec<Step>, Refusal> {
        if batch.len() > MAX_BATCH_STATEMENTS {
            let text = format!("a batch of more than {MAX_BATCH_STATEMENTS} statements");
            return Err(Refusal { error: CommitError::Corrupt(text), class: Class::Corrupt });
        }
        let mut steps = Vec::with_capacity(batch.len());
        for statement in &batch.0 {
            steps.push(self.step(connection, statement).await?);
        }
        Ok(steps)
    }

    async fn step(&self, connection: &Connection, statement: &Statement) -> Result<Step, Refusal> {
        let label = statement.label;
        if has_nul(&statement.params) {
            return Err(Refusal { error: CommitError::Check(label), class: Class::Check });
        }
        let mut params = statement.params.clone();
        if let Expect::Rows(expected) = statement.expect {
            params.push(Value::Int(i64::try_from(expected).unwrap_or(i64::MAX)));
        }
        let text = self.text(statement.sql, matches!(statement.expect, Expect::Rows(_)));
        if text.params != params.len() {
            let text = format!("{} parameters for {label}", statement.params.len());
            return Err(Refusal { error: CommitError::Corrupt(text), class: Class::Corrupt });
        }
        let types: Vec<_> = params.iter().map(convert::type_of).collect();
        let prepared = connection.prepare_typed_cached(&text.sql, &types).await;
        let prepared = prepared.map_err(|error| {
            // Without a word from the server the connection broke; nothing was sent yet, so another may do.
            let class = convert::class(&error).unwrap_or(Class::Conflict);
            Refusal { error: convert::commit_error(&error, class, label), class }
        })?;
        Ok(Step { prepared, params, expect: statement.expect, label })
    }

    /// The text for PostgreSQL; each is made once.
    fn text(&self, sql: &'static str, guard: bool) -> Arc<PostgresText> {
        let mut texts = self.shared.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let text = sql::to_postgres(sql);
            Arc::new(if guard { sql::guarded(text) } else { text })
        };
        Arc::clone(texts.entry((sql, guard)).or_insert_with(make))
    }
}

/// The steps of the batches that can be run, and those refused with their places.
type Planned = (Vec<Vec<Step>>, Vec<(usize, Refusal)>);
type Attempted = Result<Vec<Vec<crate::driver::Row>>, Refusal>;

enum Failed {
    /// Every batch gets this answer.
    Whole(CommitError),
    /// Nothing is stored; the batches may be tried in another way.
    RolledBack(Refusal),
}

/// Without random bytes the pause is the longest one.
fn pause(attempts: u32) -> Duration {
    let mut random = [u8::MAX];
    let _ = aws_lc_rs::rand::fill(&mut random);
    let most_us = ATTEMPT_PAUSE_MS * 1_000 * u64::from(attempts);
    Duration::from_micros(most_us * (u64::from(random[0]) + 1) / 256)
}

fn deserves_another(class: Class) -> bool {
    matches!(class, Class::Conflict | Class::StalePlan)
}
