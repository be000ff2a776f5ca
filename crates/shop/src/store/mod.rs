//! Orders and webhooks in one SQLite file. One thread does everything that waits in one commit, and answers only
//! after it: what was acknowledged is on disk. Reads go the same way.

mod rows;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::Error;

pub(crate) use rows::{Draft, Drafted, HookRow, Incoming, Receipt};

/// Pieces of work that may wait; more are refused as busy.
const QUEUE_MAX: usize = 4_096;
/// Pieces of work in one commit.
const BATCH_MAX: usize = 256;
const STATEMENT_CACHE: usize = 32;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS orders(
  seq INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, key TEXT NOT NULL UNIQUE,
  psp_type TEXT NOT NULL, type TEXT NOT NULL, amount TEXT NOT NULL, currency TEXT NOT NULL,
  customer TEXT NOT NULL, request TEXT NOT NULL, status TEXT NOT NULL, source TEXT,
  transaction_id TEXT UNIQUE, session_id TEXT, psp_transaction_id TEXT,
  provider_status TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '', error_code TEXT,
  has_page INTEGER NOT NULL DEFAULT 0, created_at_ms INTEGER NOT NULL, sent_at_ms INTEGER,
  webhook_at_ms INTEGER, settled_at_ms INTEGER, asks INTEGER NOT NULL DEFAULT 0, next_ask_at_ms INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS orders_due ON orders(next_ask_at_ms) WHERE next_ask_at_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_session ON orders(session_id) WHERE session_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS webhooks(
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, order_seq INTEGER, transaction_id TEXT NOT NULL,
  sequence INTEGER, method TEXT NOT NULL, transaction_status TEXT NOT NULL, amount TEXT NOT NULL,
  currency TEXT NOT NULL, effect TEXT NOT NULL, received_at_ms INTEGER NOT NULL,
  duplicates INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX IF NOT EXISTS webhooks_order ON webhooks(order_seq) WHERE order_seq IS NOT NULL;
PRAGMA user_version = 1;
";

/// Told once the commit is decided: `true` when the work is durable.
type Tell = Box<dyn FnOnce(bool) + Send>;
/// `Err`: the work is undone; the teller says so either way.
type Work = Box<dyn FnOnce(&Connection) -> (bool, Tell) + Send>;

/// The handle of the store; its thread ends with the last handle.
#[derive(Clone)]
pub(crate) struct Store {
    queue: SyncSender<Work>,
}

impl Store {
    /// Opens or makes the file.
    pub(crate) async fn open(path: &Path) -> Result<Store, Error> {
        let path = path.to_owned();
        let (ready, opened) = oneshot::channel();
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new().name("shop-store".to_owned()).spawn(move || match connect(&path) {
            Ok(connection) => {
                let _ = ready.send(Ok(()));
                work_through(connection, &waiting);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        })?;
        opened.await.map_err(|_| Error::StoreStopped)??;
        Ok(Store { queue })
    }

    /// Runs `work` and answers when it is on disk.
    async fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, outcome) = oneshot::channel::<Result<T, Error>>();
        let piece: Work = Box::new(move |connection| {
            let result = work(connection);
            let good = result.is_ok();
            let tell: Tell = Box::new(move |durable| {
                let _ = reply.send(match result {
                    Ok(_) if !durable => Err(Error::StoreStopped),
                    result => result.map_err(Error::Store),
                });
            });
            (good, tell)
        });
        self.queue.try_send(piece).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::StoreBusy,
            TrySendError::Disconnected(_) => Error::StoreStopped,
        })?;
        outcome.await.map_err(|_| Error::StoreStopped)?
    }
}

fn connect(path: &PathBuf) -> Result<Connection, Error> {
    make_private(path)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(SCHEMA)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(connection)
}

/// The file holds names and addresses of people: it is made for its owner alone (SQLite's side files inherit it).
fn make_private(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?;
    Ok(())
}

fn work_through(mut connection: Connection, waiting: &Receiver<Work>) {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(BATCH_MAX - 1));
        let mut tellers = Vec::new();
        let committed = commit(&mut connection, batch, &mut tellers);
        if let Err(error) = &committed {
            tracing::error!(%error, "the shop's store could not commit");
        }
        for tell in tellers {
            tell(committed.is_ok());
        }
    }
}

/// One commit; a piece that fails is undone alone. Pieces that never ran are dropped, which tells their callers.
fn commit(connection: &mut Connection, batch: impl Iterator<Item = Work>, tellers: &mut Vec<Tell>) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for work in batch {
        let savepoint = transaction.savepoint()?;
        let (good, tell) = work(&savepoint);
        tellers.push(tell);
        if good {
            savepoint.commit()?;
        } else {
            // Dropping the savepoint rolls it back.
            drop(savepoint);
        }
    }
    transaction.commit()
}
