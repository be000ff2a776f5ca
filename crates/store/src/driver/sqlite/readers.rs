//! The read-only connections, a thread each, fed from one queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::convert;
use crate::driver::{OpenError, QueryError, Row, Value};

/// SQL known at compile time, or put together at run time; both go through the bounded statement cache.
pub(super) enum Sql {
    Static(&'static str),
    Dynamic(String),
}

impl Sql {
    fn text(&self) -> &str {
        match self {
            Sql::Static(sql) => sql,
            Sql::Dynamic(sql) => sql,
        }
    }
}

/// A query that waits for a reader.
pub(super) struct Read {
    pub(super) sql: Sql,
    pub(super) params: Vec<Value>,
    pub(super) reply: oneshot::Sender<Result<Vec<Row>, QueryError>>,
}

/// Starts a thread per connection. They end when the queue is closed and empty.
pub(super) fn spawn(connections: Vec<Connection>, reads: mpsc::Receiver<Read>) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let reads = Arc::new(Mutex::new(reads));
    let start = |connection| {
        let reads = Arc::clone(&reads);
        std::thread::Builder::new()
            .name("sqlite-reader".to_owned())
            .spawn(move || serve(&connection, &reads))
            .map_err(|error| OpenError::Unavailable(error.to_string()))
    };
    connections.into_iter().map(start).collect()
}

fn serve(connection: &Connection, reads: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // One reader waits for the queue, the others for the lock: whoever is free takes the next query.
        let read = reads.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(read) = read else { return };
        if read.reply.is_closed() {
            continue;
        }
        let _ = read.reply.send(query(connection, read.sql.text(), &read.params));
    }
}

fn query(connection: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>, QueryError> {
    if convert::has_nul(params) {
        return Err(QueryError::Corrupt("a parameter has a NUL character".to_owned()));
    }
    let run = || {
        let mut statement = connection.prepare_cached(sql)?;
        convert::collect(&mut statement, params)
    };
    run().map_err(|failure| failure.query_error(sql))
}
