//! `simulators.db`: one writer thread that takes everything that waits, runs each piece in a savepoint,
//! commits once, and only then lets anyone answer. Reads go the same way, so that nobody ever sees what is
//! not durable yet.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc as async_mpsc, oneshot};

use super::Error;
use super::seal::Seal;
use super::tx::{Armed, Pace, Tx, Waiters};

/// Pieces of work in one commit, at most.
const BATCH_MAX: usize = 512;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENT_CACHE: usize = 64;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS orders(
  seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE(provider, key)) STRICT;
CREATE TABLE IF NOT EXISTS names(
  provider TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(provider, name, key)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts(
  provider TEXT NOT NULL, name_digest TEXT NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY(provider, name_digest)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aliases(
  provider TEXT NOT NULL, alias_digest TEXT NOT NULL, name_digest TEXT NOT NULL,
  PRIMARY KEY(provider, alias_digest, name_digest)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings(provider TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overrides(
  id INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, body TEXT NOT NULL, remaining INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS used(
  provider TEXT NOT NULL, scope TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY(provider, scope, value)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger(
  seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, reference TEXT NOT NULL, provider_reference TEXT NOT NULL,
  direction TEXT NOT NULL, amount TEXT NOT NULL, currency TEXT NOT NULL, destination TEXT,
  at_ms INTEGER NOT NULL, times INTEGER NOT NULL, state TEXT NOT NULL,
  UNIQUE(provider, provider_reference)) STRICT;
CREATE INDEX IF NOT EXISTS ledger_reference ON ledger(provider, reference);
CREATE TABLE IF NOT EXISTS jobs(
  id INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, order_key TEXT NOT NULL, kind TEXT NOT NULL,
  lane TEXT, due_at_ms INTEGER, body TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS jobs_lane ON jobs(provider, lane, id) WHERE lane IS NOT NULL;
";

/// Called once the commit is decided: `true` when the work is durable.
type Tell = Box<dyn FnOnce(bool) + Send>;
type Work = Box<dyn FnOnce(&Tx<'_>) -> (bool, Tell) + Send>;

enum Message {
    Work { provider: &'static str, work: Work },
    Stop,
}

/// The handle of the writer thread.
pub(crate) struct Store {
    // Unbounded, but every sender waits for its answer: the connections and job slots bound what can queue.
    send: mpsc::Sender<Message>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What the writer thread hands to each transaction.
pub(crate) struct Context {
    pub(crate) seal: Seal,
    pub(crate) pace: Pace,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) armed: async_mpsc::UnboundedSender<Armed>,
}

impl Store {
    /// Opens the database of a directory and starts its writer.
    pub(crate) fn open(directory: &Path, context: Context) -> Result<Self, Error> {
        let connection = Connection::open(directory.join("simulators.db"))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        connection.execute_batch(SCHEMA)?;
        let (send, receive) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("simulators-db".to_owned())
            .spawn(move || write_until_stopped(&connection, &context, &receive))?;
        Ok(Self { send, thread: std::sync::Mutex::new(Some(thread)) })
    }

    /// Runs `work` in a transaction of one provider and returns once it is durable.
    pub(crate) async fn run<T, F>(&self, provider: &'static str, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (send, receive) = oneshot::channel();
        let work: Work = Box::new(move |tx| match work(tx) {
            Ok(value) => (
                true,
                Box::new(move |durable| {
                    let outcome = if durable { Ok(value) } else { Err(Error::NotKept("the commit failed".to_owned())) };
                    // A caller that went away needs no answer; the work stands all the same.
                    let _ = send.send(outcome);
                }),
            ),
            Err(error) => (
                false,
                Box::new(move |_| {
                    let _ = send.send(Err(error));
                }),
            ),
        });
        self.send.send(Message::Work { provider, work }).map_err(|_| Error::NotKept("the writer has stopped".to_owned()))?;
        receive.await.map_err(|_| Error::NotKept("the writer gave the work up".to_owned()))?
    }

    /// Lets the writer finish what it has and waits for it.
    pub(crate) async fn close(&self) {
        let _ = self.send.send(Message::Stop);
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn write_until_stopped(connection: &Connection, context: &Context, receive: &mpsc::Receiver<Message>) {
    let mut stopping = false;
    while !stopping {
        let Ok(first) = receive.recv() else { return };
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            match receive.try_recv() {
                Ok(message) => batch.push(message),
                Err(_) => break,
            }
        }
        stopping = run_batch(connection, context, batch);
    }
}

/// Runs a batch in one commit; `true` when it held the request to stop.
fn run_batch(connection: &Connection, context: &Context, batch: Vec<Message>) -> bool {
    let mut stopping = false;
    let mut tells: Vec<Tell> = Vec::with_capacity(batch.len());
    let mut armed = Vec::new();
    let begun = connection.execute_batch("BEGIN IMMEDIATE");
    for message in batch {
        match message {
            Message::Stop => stopping = true,
            // Without a transaction the work is dropped unrun: its caller sees a closed channel.
            Message::Work { provider, work } if begun.is_ok() => {
                if let Some(tell) = run_one(connection, context, provider, work, &mut armed) {
                    tells.push(tell);
                }
            }
            Message::Work { .. } => {}
        }
    }
    let durable = begun.is_ok()
        && match connection.execute_batch("COMMIT") {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the simulators' commit failed");
                let _ = connection.execute_batch("ROLLBACK");
                false
            }
        };
    for tell in tells {
        tell(durable);
    }
    if durable {
        for job in armed {
            let _ = context.armed.send(job);
        }
    }
    stopping
}

fn run_one(
    connection: &Connection,
    context: &Context,
    provider: &'static str,
    work: Work,
    armed: &mut Vec<Armed>,
) -> Option<Tell> {
    if connection.prepare_cached("SAVEPOINT work").and_then(|mut s| s.execute([])).is_err() {
        return None;
    }
    let tx = Tx::new(connection, provider, &context.seal, &context.pace, &context.waiters);
    // A panicking simulator must not take the writer, and with it all ten providers, down.
    let (keep, tell) = match catch_unwind(AssertUnwindSafe(|| work(&tx))) {
        Ok((keep, tell)) => (keep, Some(tell)),
        Err(_) => (false, None),
    };
    if keep {
        armed.extend(tx.into_armed());
    } else if let Err(error) = connection.execute_batch("ROLLBACK TO work") {
        tracing::error!(%error, "a simulator's savepoint could not be rolled back");
    }
    if let Err(error) = connection.prepare_cached("RELEASE work").and_then(|mut s| s.execute([])) {
        tracing::error!(%error, "a simulator's savepoint could not be released");
    }
    tell
}
