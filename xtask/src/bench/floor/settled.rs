//! The floor of a settled pay-in: the pay-in of the bare floor, then callback in (one row, answered), inquiry out, three rows
//! updated and two new ones, a POST to the sink, one row. No index but primary keys and one unique; batches that wait are
//! committed together. What is measured against it is the platform, so this file does not change: a later change of it has to
//! measure the revision before with it.

use super::{FIRST, FloorArgs, GROUP_MAX, KEY_HEADER, POSTGRES_CONNECTIONS, TABLES, checked, deposit};
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Statements, one text for both stores; each takes texts.
const STATEMENTS: [&str; 12] = [
    FIRST[0],
    FIRST[1],
    FIRST[2],
    "UPDATE t SET status = 'Pending', body = $2 WHERE id = $1",
    "INSERT INTO e (id, n, detail) VALUES ($1, 2, $2)",
    "UPDATE j SET due = 10, detail = $2 WHERE id = $1",
    "INSERT INTO c (id, raw, done) VALUES ($1, $2, 0)",
    "UPDATE t SET status = 'Approved', body = $2 WHERE id = $1",
    "UPDATE j SET due = 20, detail = $2 WHERE id = $1",
    "UPDATE c SET done = 1 WHERE id = $1",
    "INSERT INTO w (id, body, done) VALUES ($1, $2, 0)",
    "UPDATE w SET done = 1 WHERE id = $1",
];
/// The third entry of the timeline.
const THIRD_ENTRY: &str = "INSERT INTO e (id, n, detail) VALUES ($1, 3, $2)";
const MORE_TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS c (id TEXT PRIMARY KEY, raw TEXT, done BIGINT)",
    "CREATE TABLE IF NOT EXISTS w (id TEXT PRIMARY KEY, body TEXT, done BIGINT)",
];

type Rows = Vec<(&'static str, Vec<String>)>;
type Work = (Rows, oneshot::Sender<bool>);

struct Floor {
    store: mpsc::Sender<Work>,
    http: reqwest::Client,
    simulator: String,
    sink: String,
    own: String,
    token: super::Token,
    counter: AtomicU64,
}

/// Serves until killed; prints its address first.
pub(super) async fn serve(args: &FloorArgs, sink: &str) -> Result<()> {
    let (store, queue) = mpsc::channel(4096);
    match &args.database {
        Some(url) => postgres(url, queue).await?,
        None => sqlite(&args.data.join("floor.db"), queue)?,
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let own = format!("http://{}", listener.local_addr()?);
    let floor = Arc::new(Floor {
        store,
        http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?,
        simulator: args.simulator.clone(),
        sink: sink.to_owned(),
        own,
        token: super::Token::default(),
        counter: AtomicU64::new(1),
    });
    println!("{}", json!({"address": listener.local_addr()?.to_string()}));
    let router = Router::new().route("/pay", post(pay)).route("/callback/{id}", post(callback)).with_state(floor);
    axum::serve(listener, router).await.context("serving")
}

async fn pay(State(floor): State<Arc<Floor>>, headers: HeaderMap, body: String) -> Response {
    if !checked(&floor.token, &headers, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let id = super::new_id(&floor.counter);
    let first = vec![
        (STATEMENTS[0], vec![id.clone(), format!("s{id}"), body]),
        (STATEMENTS[1], vec![id.clone(), "{}".into()]),
        (STATEMENTS[2], vec![id.clone(), "{\"task\":\"pay_in\"}".into()]),
    ];
    if !floor.commit(first).await {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let sent = floor
        .http
        .post(format!("{}/payone/api/deposit", floor.simulator))
        .header("x-api-key", KEY_HEADER)
        .header("content-type", "application/json")
        .body(deposit(&id, &format!("{}/callback/{id}", floor.own)));
    let answer = match sent.send().await {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let second = STATEMENTS[3..6].iter().map(|sql| (*sql, vec![id.clone(), answer.clone()])).collect();
    if !floor.commit(second).await {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([("content-type", "application/json")], answer).into_response()
}

async fn callback(State(floor): State<Arc<Floor>>, Path(id): Path<String>, body: String) -> StatusCode {
    if serde_json::from_str::<Value>(&body).is_err() || !floor.commit(vec![(STATEMENTS[6], vec![id.clone(), body])]).await {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    tokio::spawn(async move {
        if let Err(error) = settle(&floor, &id).await {
            eprintln!("the floor program could not settle {id}: {error:#}");
        }
    });
    StatusCode::OK
}

async fn settle(floor: &Floor, id: &str) -> Result<()> {
    let url = format!("{}/payone/api/transaction?referenceId={id}", floor.simulator);
    let record = floor.http.get(url).header("x-api-key", KEY_HEADER).send().await?.text().await?;
    let approved = serde_json::from_str::<Value>(&record)?["status"] == "Approved";
    anyhow::ensure!(approved, "the record does not say Approved");
    let webhook =
        json!({"transaction_id": id, "transaction_status": "Approved", "amount": "100.00", "currency": "CAD"}).to_string();
    let third = vec![
        (STATEMENTS[7], vec![id.to_owned(), record.clone()]),
        (STATEMENTS[8], vec![id.to_owned(), "{}".into()]),
        (STATEMENTS[9], vec![id.to_owned()]),
        (THIRD_ENTRY, vec![id.to_owned(), record]),
        (STATEMENTS[10], vec![id.to_owned(), webhook.clone()]),
    ];
    anyhow::ensure!(floor.commit(third).await, "the third commit failed");
    let told = floor.http.post(&floor.sink).header("content-type", "application/json").body(webhook).send().await?;
    anyhow::ensure!(told.status().is_success(), "the sink answered {}", told.status());
    anyhow::ensure!(floor.commit(vec![(STATEMENTS[11], vec![id.to_owned()])]).await, "the fourth commit failed");
    Ok(())
}

impl Floor {
    async fn commit(&self, rows: Rows) -> bool {
        let (told, hear) = oneshot::channel();
        self.store.send((rows, told)).await.is_ok() && hear.await.unwrap_or(false)
    }
}

/// What waits, up to a group.
fn group(first: Work, queue: &mut mpsc::Receiver<Work>) -> Vec<Work> {
    let mut group = vec![first];
    while group.len() < GROUP_MAX {
        match queue.try_recv() {
            Ok(next) => group.push(next),
            Err(_) => break,
        }
    }
    group
}

fn answer(group: Vec<Work>, done: bool) {
    for (_, told) in group {
        let _ = told.send(done);
    }
}

fn sqlite(path: &std::path::Path, mut queue: mpsc::Receiver<Work>) -> Result<()> {
    let mut db = rusqlite::Connection::open(path)?;
    db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")?;
    for table in TABLES.iter().chain(&MORE_TABLES) {
        db.execute_batch(table)?;
    }
    std::thread::spawn(move || {
        while let Some(first) = queue.blocking_recv() {
            let group = group(first, &mut queue);
            let done = commit_group(&mut db, &group).is_ok();
            answer(group, done);
        }
    });
    Ok(())
}

fn commit_group(db: &mut rusqlite::Connection, group: &[Work]) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    for (sql, values) in group.iter().flat_map(|(rows, _)| rows) {
        transaction.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
    }
    transaction.commit()
}

/// Writers that share one queue, each with a connection: a group is one transaction, sent without waiting in between.
async fn postgres(url: &str, queue: mpsc::Receiver<Work>) -> Result<()> {
    let queue = Arc::new(Mutex::new(queue));
    for number in 0..POSTGRES_CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        if number == 0 {
            for table in TABLES.iter().chain(&MORE_TABLES) {
                client.batch_execute(table).await?;
            }
        }
        let mut statements = std::collections::HashMap::new();
        for sql in STATEMENTS.iter().chain([&THIRD_ENTRY]) {
            statements.insert(*sql, client.prepare(sql).await?);
        }
        let queue = queue.clone();
        tokio::spawn(async move {
            loop {
                let mut waiting = queue.lock().await;
                let Some(first) = waiting.recv().await else { return };
                let group = group(first, &mut waiting);
                drop(waiting);
                let done = send_group(&client, &statements, &group).await.is_ok();
                answer(group, done);
            }
        });
    }
    Ok(())
}

async fn send_group(
    client: &tokio_postgres::Client,
    statements: &std::collections::HashMap<&str, tokio_postgres::Statement>,
    group: &[Work],
) -> Result<(), tokio_postgres::Error> {
    // One pay-in's second and third commits may be in two groups at once: rows are locked in one order.
    let mut batches: Vec<&Rows> = group.iter().map(|(rows, _)| rows).collect();
    batches.sort_by(|a, b| a[0].1[0].cmp(&b[0].1[0]));
    let rows = batches.into_iter().flatten();
    let sent = rows.map(|(sql, values)| async move { client.execute_raw(&statements[sql], values).await.map(|_| ()) });
    // Polled in their order, so sent in their order; the server answers them all in one go.
    let begin = client.batch_execute("BEGIN");
    let commit = client.batch_execute("COMMIT");
    let (begun, rows, committed) = tokio::join!(biased; begin, futures::future::join_all(sent), commit);
    begun?;
    rows.into_iter().collect::<Result<Vec<()>, _>>()?;
    committed
}
