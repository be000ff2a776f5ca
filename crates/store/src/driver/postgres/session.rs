//! Connections: how they are made, what they insist upon, what the server needs to know of us.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, CONNECT_TIMEOUT};
use super::convert::{self, GUARD_SQLSTATE, READ_ONLY};
use crate::driver::OpenError;

/// How long a caller waits for a connection of the pool.
const POOL_WAIT: Duration = Duration::from_secs(10);
/// A connection is not used for longer than this: an address may mean another server by then.
const CONNECTION_LIFE: Duration = Duration::from_secs(30 * 60);
/// The pause between two attempts to reach a server at the start, and how often it is said that it is waited for.
const START_PAUSE: Duration = Duration::from_millis(500);
const START_TOLD_EVERY: Duration = Duration::from_secs(10);
/// The oldest server: 13 and later are maintained.
const MIN_SERVER_VERSION: u32 = 130_000;
/// Names our lock among those of other programs in the same database ("mozarto" in ASCII). It is held while a process starts and
/// means nothing after that.
const ADVISORY_LOCK: i64 = 0x6d_6f_7a_61_72_74_6f;
/// Transactions that are held open while it is looked for a pooler: more than it is likely to have connections to spare.
const POOLER_PROBES: usize = 4;
/// A server answers the question whether it is one within this; behind a pooler it may wait for a transaction that we hold.
const POOLER_WAIT: Duration = Duration::from_secs(5);
/// Beside what may take hours the server is asked this often whether it answers at all; it says something within the limit, and
/// is given up after so many times without.
const ASK_EVERY: Duration = Duration::from_secs(5);
const ASK_LIMIT: Duration = Duration::from_secs(5);
const UNHEARD_MAX: u32 = 2;

/// Said where that did not happen.
const NO_ANSWER: &str = "it did not answer within 5 seconds while a few transactions were open: it is overloaded, or between is a pooler with fewer connections \
                         than that (name the server itself, or set the pooler to `pool_mode = session` with 16 connections and more)";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
}

impl Role {
    fn settings(self) -> &'static str {
        match self {
            // Guards rest upon READ COMMITTED: an UPDATE waits for the row and then sees its newest version.
            Role::Writer => {
                "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; \
                 SET default_transaction_read_only = off; SET statement_timeout = '25s'; \
                 SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'"
            }
            Role::Reader => {
                "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; \
                 SET default_transaction_read_only = on; SET statement_timeout = '30s'"
            }
        }
    }
}

/// Which server the writers are connected to. When that changes, or turns out to take no writes, whoever still reads from the one
/// before must let go of it: what it says may be older than what we wrote.
#[derive(Debug, Default)]
pub(super) struct Served {
    identity: Mutex<Option<String>>,
    generation: AtomicU64,
}

impl Served {
    /// Raised whenever the server is another one.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The server behind the connections is not to be trusted any more.
    pub(super) fn has_moved(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn is(&self, identity: String) {
        let mut known = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| *known != identity) {
            self.has_moved();
        }
        *known = Some(identity);
    }
}

pub(super) fn pool(address: &Address, role: Role, connections: usize, served: &Arc<Served>) -> Result<Pool, OpenError> {
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(address.config.clone(), address.tls.clone(), manager_config);
    let served = Arc::clone(served);
    let prepare = Hook::async_fn(move |client, _| {
        let served = Arc::clone(&served);
        Box::pin(async move {
            let identity = prepared(client, role).await.map_err(|error| HookError::message(reason(error)))?;
            if role == Role::Writer {
                served.is(identity);
            }
            Ok(())
        })
    });
    let young = Hook::sync_fn(|_, metrics| match metrics.age() < CONNECTION_LIFE {
        true => Ok(()),
        false => Err(HookError::message("it has been in use long enough")),
    });
    Pool::builder(manager)
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(POOL_WAIT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .post_create(prepare)
        .pre_recycle(young)
        .build()
        .map_err(|error| OpenError::Unavailable(error.to_string()))
}

pub(super) fn pool_error(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) => convert::describe(error),
        PoolError::PostCreateHook(HookError::Message(why)) => why.to_string(),
        other => other.to_string(),
    }
}

/// A connection of its own, outside of the pools; its session ends when this is dropped.
pub(super) struct Alone {
    pub(super) client: Client,
    /// The host that it is to.
    host: Config,
}

impl Alone {
    /// Does what may rightly take hours (a migration, the wait for another process's) for as long as the server answers at all.
    ///
    /// # Errors
    /// Why it was given up. What was sent last may be done all the same.
    pub(super) async fn while_it_answers<T>(&self, tls: &MakeRustlsConnect, work: impl Future<Output = T>) -> Result<T, String> {
        let mut work = pin!(work);
        let mut missed = 0;
        while missed < UNHEARD_MAX {
            let asked = async {
                tokio::time::sleep(ASK_EVERY).await;
                tokio::time::timeout(ASK_LIMIT, self.host.connect(tls.clone())).await
            };
            tokio::select! {
                biased;
                done = work.as_mut() => return Ok(done),
                // Whatever it says, it says something.
                said = asked => missed = if said.is_ok() { 0 } else { missed + 1 },
            }
        }
        Err("the server does not answer any more".to_owned())
    }
}

/// A connection of its own, to whichever host takes writes.
pub(super) async fn connect_alone(address: &Address) -> Result<Alone, OpenError> {
    let mut causes = Vec::new();
    let mut may_come = false;
    for (host, config) in address.hosts() {
        match connect_to(&config, &address.tls).await {
            Ok(client) => match prepared(&client, Role::Writer).await {
                Ok(_) => return Ok(Alone { client, host: config }),
                Err(unsafe_ @ OpenError::Unsafe { .. }) => return Err(unsafe_),
                Err(error) => {
                    may_come |= matches!(error, OpenError::Unavailable(_));
                    causes.push(format!("{host}: {}", reason(error)));
                }
            },
            Err(why) => {
                may_come = true;
                causes.push(format!("{host}: {why}"));
            }
        }
    }
    let causes = causes.join("; ");
    Err(if may_come { OpenError::Unavailable(causes) } else { OpenError::Refused(causes) })
}

fn reason(error: OpenError) -> String {
    match error {
        OpenError::Unavailable(why) | OpenError::Refused(why) => why,
        other => other.to_string(),
    }
}

async fn connect_to(config: &Config, tls: &MakeRustlsConnect) -> Result<Client, String> {
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(tls.clone())).await;
    let (client, connection) = connect.map_err(|_| "no answer in time".to_owned())?.map_err(|error| convert::describe(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %convert::describe(&error), "connection to PostgreSQL lost");
        }
    });
    Ok(client)
}

/// Every statement has an index that fits it. A plan is made when a table is small and kept while it grows, so that it must not
/// rest upon the size of today.
pub(crate) const PLANS: &str =
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

/// The first connection: as [`connect_alone`], and not through a pooler that mixes sessions; but a server that cannot be reached,
/// or does not answer in time, is waited for.
pub(super) async fn connect_first(address: &Address, wait: Duration) -> Result<Alone, OpenError> {
    let began = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let connected = async {
            let alone = connect_alone(address).await?;
            refuse_pooler(address).await.map(|()| alone)
        };
        let error = match connected.await {
            Ok(alone) => return Ok(alone),
            Err(error) => error,
        };
        if !matches!(error, OpenError::Unavailable(_)) || began.elapsed() + START_PAUSE > wait {
            return Err(error);
        }
        if told.is_none_or(|at| at.elapsed() >= START_TOLD_EVERY) {
            tracing::warn!(wait_seconds = wait.as_secs(), "waiting for PostgreSQL: {}", reason(error));
            told = Some(Instant::now());
        }
        tokio::time::sleep(START_PAUSE).await;
    }
}

/// Behind a pooler that changes the server connection with every transaction, what a session sets is another's. It shows when
/// others hold transactions open: what we set is not there then. That no answer comes at all may be such a pooler with no
/// connection left for us, or a server that is slow: it is not taken for either.
async fn refuse_pooler(address: &Address) -> Result<(), OpenError> {
    let mut clients = Vec::with_capacity(POOLER_PROBES + 1);
    let hosts = address.hosts();
    let unavailable = |why: String| OpenError::Unavailable(why);
    for _ in 0..=POOLER_PROBES {
        let mut last = Err("the address names no host".to_owned());
        for (_, config) in &hosts {
            last = connect_to(config, &address.tls).await;
            if last.is_ok() {
                break;
            }
        }
        clients.push(last.map_err(unavailable)?);
    }
    let Some((ours, others)) = clients.split_first() else { return Ok(()) };
    let asked = async {
        ours.simple_query("SET mozarto.session = 'ours'").await?;
        for other in others {
            other.simple_query("BEGIN; SELECT 1").await?;
        }
        ours.simple_query("SELECT current_setting('mozarto.session', true)").await
    };
    let kept = match tokio::time::timeout(POOLER_WAIT, asked).await {
        Ok(Ok(messages)) => {
            messages.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("ours")))
        }
        // As a pooler answers that knows no transactions, or has no connection left. No server says this of such statements.
        Ok(Err(error)) if error.code() == Some(&SqlState::PROTOCOL_VIOLATION) => false,
        Ok(Err(error)) => return Err(unavailable(convert::describe(&error))),
        Err(_) => return Err(unavailable(NO_ANSWER.to_owned())),
    };
    if kept {
        return Ok(());
    }
    Err(OpenError::Refused(
        "between this program and PostgreSQL is a pooler in transaction mode, and what one session sets would be another's: name the server itself in \
         `database`, or set the pooler to `pool_mode = session`"
            .to_owned(),
    ))
}

/// [`prepare`] by a server that answers: the pools bound the connecting alone, not what comes after it.
async fn prepared(client: &Client, role: Role) -> Result<String, OpenError> {
    let prepared = tokio::time::timeout(CONNECT_TIMEOUT, prepare(client, role)).await;
    prepared.unwrap_or_else(|_| Err(OpenError::Unavailable("no answer in time".to_owned())))
}

/// Sets the session up and reads back what durability rests upon. Answers which server it is: of a life, not of a name.
async fn prepare(client: &Client, role: Role) -> Result<String, OpenError> {
    let unavailable = |e: tokio_postgres::Error| OpenError::Unavailable(convert::describe(&e));
    let row = client
        .query_one(
            "SELECT current_setting('server_encoding'), pg_is_in_recovery(), current_setting('transaction_read_only'), \
             concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time())",
            &[],
        )
        .await
        .map_err(unavailable)?;
    let encoding: String = row.try_get(0).map_err(unavailable)?;
    if encoding != "UTF8" {
        return Err(OpenError::Refused(format!(
            "the database is in the encoding {encoding}, in which not every text can be stored: make it with ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    if row.try_get(1).map_err(unavailable)? {
        return Err(OpenError::Refused("the server is in recovery (a standby): name the one that takes writes".to_owned()));
    }
    let read_only: String = row.try_get(2).map_err(unavailable)?;
    if read_only != "off" {
        return Err(OpenError::Refused(format!("the server takes no writes: {READ_ONLY}")));
    }
    let identity: String = row.try_get(3).map_err(unavailable)?;
    client.batch_execute(role.settings()).await.map_err(unavailable)?;
    client.batch_execute(PLANS).await.map_err(unavailable)?;
    keeps_what_it_answers(client).await?;
    Ok(identity)
}

async fn keeps_what_it_answers(client: &Client) -> Result<(), OpenError> {
    let unavailable = |e: tokio_postgres::Error| OpenError::Unavailable(convert::describe(&e));
    let row = client
        .query_one(
            "SELECT current_setting('fsync'), current_setting('full_page_writes'), \
             current_setting('synchronous_commit'), current_setting('default_transaction_isolation'), \
             current_setting('server_version_num')",
            &[],
        )
        .await
        .map_err(unavailable)?;
    let required: [(&'static str, &'static str, &[&str]); 4] = [
        ("fsync", "on", &["on"]),
        ("full_page_writes", "on", &["on"]),
        ("synchronous_commit", "on or remote_apply", &["on", "remote_apply"]),
        ("default_transaction_isolation", "read committed", &["read committed"]),
    ];
    for (index, (setting, required, allowed)) in required.into_iter().enumerate() {
        let found: String = row.try_get(index).map_err(unavailable)?;
        if !allowed.contains(&found.as_str()) {
            return Err(OpenError::Unsafe { setting, required, found });
        }
    }
    let version: String = row.try_get(4).map_err(unavailable)?;
    if version.parse::<u32>().is_ok_and(|version| version < MIN_SERVER_VERSION) {
        return Err(OpenError::Refused(format!("PostgreSQL {version} is too old; 13 is needed")));
    }
    Ok(())
}

/// Takes the lock under which schema and functions are made, so that several nodes may start at once. It is held
/// until the session ends.
pub(super) async fn lock_schema(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0").await?;
    client.execute("SELECT pg_advisory_lock($1)", &[&ADVISORY_LOCK]).await.map(|_| ())
}

/// Makes the function that guards call, unless it is there (the role of daily work may lack the right to make it).
pub(super) async fn ensure_guard(client: &Client) -> Result<(), OpenError> {
    let unavailable = |e: tokio_postgres::Error| OpenError::Unavailable(convert::describe(&e));
    let there = "SELECT to_regprocedure('mozarto_guard(bigint,bigint)') IS NOT NULL";
    if client.query_one(there, &[]).await.and_then(|row| row.try_get(0)).map_err(unavailable)? {
        return Ok(());
    }
    lock_schema(client).await.map_err(unavailable)?;
    let create = format!(
        "CREATE OR REPLACE FUNCTION mozarto_guard(counted bigint, expected bigint) RETURNS void \
         LANGUAGE plpgsql VOLATILE AS $body$ BEGIN IF counted <> expected THEN \
         RAISE EXCEPTION 'guard failed' USING ERRCODE = '{GUARD_SQLSTATE}'; END IF; END $body$"
    );
    client.batch_execute(&create).await.map_err(unavailable)
}
