//! Connections: how they are made, what they insist upon, what the server needs to know of us.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::convert::{self, GUARD_SQLSTATE};
use crate::driver::OpenError;

/// How long a new connection may take, in all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller waits for a connection of the pool.
const POOL_WAIT: Duration = Duration::from_secs(10);
/// A connection whose peer acknowledges nothing for so long is given up.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an idle connection is left alone before TCP asks whether the peer is there.
const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// The oldest server: 13 and later are maintained.
const MIN_SERVER_VERSION: u32 = 130_000;
/// Names our lock among those of other programs in the same database ("mozarto" in ASCII).
const ADVISORY_LOCK: i64 = 0x6d_6f_7a_61_72_74_6f;

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

pub(super) fn config(url: &str) -> Result<Config, OpenError> {
    let mut config: Config =
        url.parse().map_err(|_| OpenError::Unavailable("the address is not of the form postgres://user@host/database".into()))?;
    config.application_name("mozarto");
    config.connect_timeout(CONNECT_TIMEOUT);
    config.tcp_user_timeout(TCP_USER_TIMEOUT);
    config.keepalives_idle(TCP_KEEPALIVE_IDLE);
    if !config.get_hosts().iter().all(is_local) {
        tracing::warn!("the connection to PostgreSQL is not encrypted and leaves this machine");
    }
    Ok(config)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

pub(super) fn pool(config: &Config, role: Role, connections: usize) -> Result<Pool, OpenError> {
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config.clone(), NoTls, manager_config);
    let prepare = Hook::async_fn(move |client, _| {
        Box::pin(async move {
            let prepared = prepare(client, role).await;
            prepared.map_err(|error| HookError::message(error.to_string()))
        })
    });
    Pool::builder(manager)
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(POOL_WAIT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .post_create(prepare)
        .build()
        .map_err(|error| OpenError::Unavailable(error.to_string()))
}

pub(super) fn pool_error(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) => convert::describe(error),
        other => other.to_string(),
    }
}

/// A connection of its own, outside of the pools; its session ends when the client is dropped.
pub(super) async fn connect_alone(config: &Config) -> Result<Client, OpenError> {
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls)).await;
    let unavailable = |why: String| OpenError::Unavailable(why);
    let (client, connection) = connect
        .map_err(|_| unavailable("no answer from PostgreSQL in time".to_owned()))?
        .map_err(|error| unavailable(convert::describe(&error)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = %convert::describe(&error), "connection to PostgreSQL lost");
        }
    });
    prepare(&client, Role::Writer).await?;
    Ok(client)
}

/// Every statement has an index that fits it. A plan is made when a table is small and kept while it grows, so that it must not rest upon the size of today.
pub(crate) const PLANS: &str =
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

/// Sets the session up and reads back what durability rests upon.
async fn prepare(client: &Client, role: Role) -> Result<(), OpenError> {
    let unavailable = |e: tokio_postgres::Error| OpenError::Unavailable(convert::describe(&e));
    client.batch_execute(role.settings()).await.map_err(unavailable)?;
    client.batch_execute(PLANS).await.map_err(unavailable)?;
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
        return Err(OpenError::Unavailable(format!("PostgreSQL {version} is too old; 13 is needed")));
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
