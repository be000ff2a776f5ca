//! The floor program: axum, one JWT check, two durable commits of as many rows as the platform writes, one outgoing call through
//! the same client to the same simulator. No product around it. `settled` goes on where a pay-in is settled. What is measured
//! against it is the platform, so this file does not change.

mod settled;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Args;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

const SECRET: &[u8] = b"the floor program checks one token";
/// Batches committed together at most, as in the platform.
const GROUP_MAX: usize = 256;
/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: usize = 8;

const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY, session TEXT UNIQUE, user_id TEXT, status TEXT, body TEXT)",
    "CREATE TABLE IF NOT EXISTS e (id TEXT, n BIGINT, detail TEXT, PRIMARY KEY (id, n))",
    "CREATE TABLE IF NOT EXISTS j (id TEXT PRIMARY KEY, due BIGINT, detail TEXT)",
];
const FIRST: [&str; 3] = [
    "INSERT INTO t (id, session, user_id, status, body) VALUES ($1, $2, 'user_123', 'Created', $3)",
    "INSERT INTO e (id, n, detail) VALUES ($1, 1, $2)",
    "INSERT INTO j (id, due, detail) VALUES ($1, 0, $2)",
];
const SECOND: [&str; 3] = [
    "UPDATE t SET status = 'Pending', body = $2 WHERE id = $1",
    "INSERT INTO e (id, n, detail) VALUES ($1, 2, $2)",
    "UPDATE j SET due = 10, detail = $2 WHERE id = $1",
];

/// `xtask floor`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FloorArgs {
    /// The simulators.
    #[arg(long)]
    simulator: String,
    /// Where the SQLite file goes.
    #[arg(long)]
    data: PathBuf,
    /// PostgreSQL instead.
    #[arg(long)]
    database: Option<String>,
    /// Where webhooks go: settles pay-ins as well.
    #[arg(long)]
    sink: Option<String>,
}

/// The simulator's demo account.
const KEY_HEADER: &str = "payone-demo-key-0001";

/// A token that the floor program accepts.
pub(crate) fn token() -> String {
    let exp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) + 86_400;
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &json!({"sub": "bench", "exp": exp}), &EncodingKey::from_secret(SECRET))
        .unwrap_or_default()
}

/// The body of the outgoing call, as the platform's connector builds it.
pub(crate) fn deposit(reference: &str, callback_url: &str) -> String {
    json!({
        "client": "Demo company", "brand": "Demo company", "userId": "user_123", "first_name": "John", "last_name": "Doe",
        "email": "player@example.com", "phone": "4915112345678", "userIp": "127.0.0.1", "currency": "CAD", "amount": "100.00",
        "siteUrl": "http://127.0.0.1:9/return", "referenceId": reference, "callbackUrl": callback_url,
    })
    .to_string()
}

struct Floor {
    store: Store,
    http: reqwest::Client,
    url: String,
    token: Token,
    counter: AtomicU64,
}

/// What checks the one token.
struct Token {
    key: DecodingKey,
    validation: Validation,
}

impl Default for Token {
    fn default() -> Self {
        Self { key: DecodingKey::from_secret(SECRET), validation: Validation::new(Algorithm::HS256) }
    }
}

/// The token is good and the body is JSON.
fn checked(token: &Token, headers: &HeaderMap, body: &str) -> bool {
    let given =
        headers.get("authorization").and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    let claims = given.map(|given| jsonwebtoken::decode::<serde_json::Value>(given, &token.key, &token.validation));
    claims.is_some_and(|claims| claims.is_ok()) && serde_json::from_str::<serde_json::Value>(body).is_ok()
}

fn new_id(counter: &AtomicU64) -> String {
    format!("{:024x}", (1_u128 << 90) | u128::from(counter.fetch_add(1, Ordering::Relaxed)))
}

enum Store {
    Sqlite(mpsc::Sender<(Vec<Row>, oneshot::Sender<bool>)>),
    Postgres(Vec<tokio_postgres::Client>, Vec<Vec<tokio_postgres::Statement>>),
}

#[derive(Clone)]
struct Row {
    statement: usize,
    values: Vec<String>,
}

/// Serves until killed; prints its address first.
pub(crate) fn serve(args: &FloorArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(sink) = &args.sink {
            return settled::serve(args, sink).await;
        }
        let store = match &args.database {
            Some(url) => postgres(url).await?,
            None => sqlite(args.data.join("floor.db"))?,
        };
        let floor = Arc::new(Floor {
            store,
            http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?,
            url: format!("{}/payone/api/deposit", args.simulator),
            token: Token::default(),
            counter: AtomicU64::new(1),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", json!({"address": listener.local_addr()?.to_string()}));
        axum::serve(listener, Router::new().route("/pay", post(pay)).with_state(floor)).await.context("serving")
    })
}

async fn pay(State(floor): State<Arc<Floor>>, headers: HeaderMap, body: String) -> Response {
    if !checked(&floor.token, &headers, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let id = new_id(&floor.counter);
    let first = vec![
        Row { statement: 0, values: vec![id.clone(), format!("s{id}"), body] },
        Row { statement: 1, values: vec![id.clone(), "{}".into()] },
        Row { statement: 2, values: vec![id.clone(), "{\"task\":\"pay_in\"}".into()] },
    ];
    if !floor.store.commit(first, 0).await {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let sent = floor
        .http
        .post(&floor.url)
        .header("x-api-key", KEY_HEADER)
        .header("content-type", "application/json")
        .body(deposit(&id, "http://127.0.0.1:9/callback"));
    let answer = match sent.send().await {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let second = (0..3).map(|statement| Row { statement, values: vec![id.clone(), answer.clone()] }).collect();
    if !floor.store.commit(second, 1).await {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([("content-type", "application/json")], answer).into_response()
}

impl Store {
    async fn commit(&self, mut rows: Vec<Row>, half: usize) -> bool {
        match self {
            Self::Sqlite(sender) => {
                for row in &mut rows {
                    row.statement += half * FIRST.len();
                }
                let (told, hear) = oneshot::channel();
                sender.send((rows, told)).await.is_ok() && hear.await.unwrap_or(false)
            }
            Self::Postgres(clients, statements) => {
                static NEXT: AtomicU64 = AtomicU64::new(0);
                let index = usize::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or_default() % clients.len();
                // One statement that changes all rows: one round trip, one commit.
                let row = &rows;
                let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = if half == 0 {
                    vec![&row[0].values[0], &row[0].values[1], &row[0].values[2], &row[1].values[1], &row[2].values[1]]
                } else {
                    vec![&row[0].values[0], &row[0].values[1]]
                };
                clients[index].execute(&statements[index][half], &values).await.is_ok()
            }
        }
    }
}

fn sqlite(path: PathBuf) -> Result<Store> {
    let mut db = rusqlite::Connection::open(path)?;
    db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")?;
    for table in TABLES {
        db.execute_batch(table)?;
    }
    let (sender, mut receiver) = mpsc::channel::<(Vec<Row>, oneshot::Sender<bool>)>(4096);
    std::thread::spawn(move || {
        while let Some(first) = receiver.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                match receiver.try_recv() {
                    Ok(next) => group.push(next),
                    Err(_) => break,
                }
            }
            let done = commit_group(&mut db, &group).is_ok();
            for (_, told) in group {
                let _ = told.send(done);
            }
        }
    });
    Ok(Store::Sqlite(sender))
}

fn commit_group(db: &mut rusqlite::Connection, group: &[(Vec<Row>, oneshot::Sender<bool>)]) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    for (rows, _) in group {
        for row in rows {
            let sql = FIRST.iter().chain(&SECOND).nth(row.statement).unwrap_or(&FIRST[0]);
            transaction.prepare_cached(sql)?.execute(rusqlite::params_from_iter(&row.values))?;
        }
    }
    transaction.commit()
}

async fn postgres(url: &str) -> Result<Store> {
    let mut clients = Vec::new();
    let mut statements = Vec::new();
    for number in 0..POSTGRES_CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        if number == 0 {
            for table in TABLES {
                client.batch_execute(table).await?;
            }
        }
        let first = "WITH a AS (INSERT INTO t (id, session, user_id, status, body) VALUES ($1, $2, 'user_123', 'Created', $3)), \
                     b AS (INSERT INTO e (id, n, detail) VALUES ($1, 1, $4)) INSERT INTO j (id, due, detail) VALUES ($1, 0, $5)";
        let second = "WITH a AS (UPDATE t SET status = 'Pending', body = $2 WHERE id = $1), \
                      b AS (INSERT INTO e (id, n, detail) VALUES ($1, 2, $2)) UPDATE j SET due = 10, detail = $2 WHERE id = $1";
        statements.push(vec![client.prepare(first).await?, client.prepare(second).await?]);
        clients.push(client);
    }
    Ok(Store::Postgres(clients, statements))
}
