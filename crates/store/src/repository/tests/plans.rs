//! The plan of every statement of a payment's way, of the queues and of the lists, on both stores: by the one index that fits it,
//! on an empty database, on one with many rows and no statistics, and on one with statistics. What the repository really sends is
//! recorded, and the database is asked how it runs it.

use super::jobs::{Job, JobKind};
use super::{audit, callbacks, deliveries, events, idempotency, jobs, page_tokens, transactions};
use crate::driver::{
    AppliedMigration, BackupError, CommitResult, Driver, Migration, MigrationError, MigrationStatus, PostgresDriver,
    SqliteDriver, sql,
};
use crate::{Batch, CommitError, Dialect, Expect, QueryError, Row, Value, migrate};
use domain::{
    Attention, CompanyId, CredentialId, Currency, EventId, Json, MethodId, Money, Operation, SessionId, Timestamp, Transaction,
    TransactionId, TransactionStatus,
};
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Rows of each table in the databases that are not empty.
const ROWS: i64 = 100_000;
const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

fn company() -> CompanyId {
    CompanyId::new(NOW, [1; 6])
}

fn method() -> MethodId {
    MethodId::new(NOW, [2; 6])
}

fn id(n: u8) -> TransactionId {
    TransactionId::new(NOW, [n; 6])
}

/// Writes down what is sent, and answers that nothing was found.
struct Recorder {
    dialect: Dialect,
    seen: Mutex<Vec<(String, Vec<Value>, Expect)>>,
}

impl Recorder {
    fn add(&self, sql: &str, params: Vec<Value>, expect: Expect) {
        self.seen.lock().unwrap().push((sql.to_owned(), params, expect));
    }
}

impl Driver for Recorder {
    fn dialect(&self) -> Dialect {
        self.dialect
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        for statement in batch.0 {
            self.add(statement.sql, statement.params, statement.expect);
        }
        Box::pin(async { Err(CommitError::Unavailable("only written down".to_owned())) })
    }
    fn query(&self, sql: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        // The lists ask for the providers first, and go on with what they are told.
        let rows = if sql.contains("SELECT v FROM p") { vec![Row::new(vec![Value::Text("PAYONE".into())])] } else { Vec::new() };
        self.add(sql, params, Expect::Any);
        Box::pin(async { Ok(rows) })
    }
    fn query_dynamic(&self, sql: String, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        self.add(&sql, params, Expect::Any);
        Box::pin(async { Ok(Vec::new()) })
    }
    fn ping(&self) -> BoxFuture<'_, Result<(), QueryError>> {
        Box::pin(async { Ok(()) })
    }
    fn migrate(&self, _: &'static [Migration]) -> BoxFuture<'_, Result<Vec<AppliedMigration>, MigrationError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn migration_status(&self, _: &'static [Migration]) -> BoxFuture<'_, Result<Vec<MigrationStatus>, MigrationError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn backup(&self, _: PathBuf) -> BoxFuture<'_, Result<(), BackupError>> {
        Box::pin(async { Err(BackupError::Unsupported("nothing")) })
    }
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn transaction() -> Transaction {
    Transaction {
        id: id(7),
        session_id: SessionId::new(NOW, [1; 10]),
        company_id: company(),
        psp_type: "PAYONE".to_owned(),
        operation: Operation::PayIn,
        method_id: method(),
        brand_id: None,
        merchant_reference: Some("ref-1".to_owned()),
        user_id: "user_123".to_owned(),
        amount: Money::from_minor(10_000, Currency::from_code("CAD").unwrap()),
        status: TransactionStatus::Approved,
        psp_status: "Approved".to_owned(),
        message: None,
        psp_transaction_id: Some("psp-1".to_owned()),
        redirect_url: None,
        destination_masked: None,
        attention: None,
        rule: None,
        maker: CredentialId::new(NOW, [2; 6]),
        given_back: domain::transaction::GivenBack::default(),
        events_sent: 1,
        timeline_length: 1,
        version: 2,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn job() -> Job {
    Job {
        company_id: company(),
        transaction_id: id(7),
        psp_type: "PAYONE".to_owned(),
        kind: JobKind::Inquire,
        due_at: NOW,
        attempt: 0,
        first_at: NOW,
        detail: Json::Object(Vec::new()),
        owner: Some("node".to_owned()),
    }
}

fn claimed() -> deliveries::Claimed {
    let delivery = deliveries::Delivery {
        company_id: company(),
        id: id(9),
        event_id: EventId::new(NOW, [3; 6]),
        transaction_id: id(7),
        sequence: 1,
        method_id: method(),
        state: deliveries::DeliveryState::Waiting,
        attempts: 0,
        attempts_total: 0,
        next_at: Some(NOW),
        last_failure: None,
        last_http_status: None,
        created_at: NOW,
        delivered_at: None,
    };
    deliveries::Claimed { delivery, lease_until: NOW, body: None, failing_since: None, endpoint_off: false }
}

fn event() -> events::StoredEvent {
    events::StoredEvent {
        company_id: company(),
        id: EventId::new(NOW, [3; 6]),
        transaction_id: id(7),
        sequence: 1,
        method_id: method(),
        sample: false,
        created_at: NOW,
        body: "{}".to_owned(),
    }
}

fn outcome(state: deliveries::DeliveryState, next_at: Option<Timestamp>) -> deliveries::Outcome {
    let attempt =
        deliveries::Attempt { n: 1, at: NOW, http_status: Some(200), failure: None, latency_ms: 1, response_body: None };
    deliveries::Outcome { attempt, state, next_at }
}

/// A payment's way from its creation to its webhook.
async fn a_payment(db: &Recorder) {
    let t = transaction();
    let mut batch = Batch::new();
    transactions::insert(&mut batch, &t, vec![1], Some([5; 32]));
    idempotency::insert(&mut batch, company(), "POST /", "key", [1; 32], id(7), NOW);
    page_tokens::insert(&mut batch, [4; 32], company(), id(7), page_tokens::Page::Pay);
    jobs::put(&mut batch, &job());
    transactions::update(&mut batch, &t);
    transactions::update_sealed(&mut batch, company(), id(7), vec![1]);
    jobs::delete(&mut batch, company(), id(7));
    jobs::set_counters(&mut batch, company(), id(7), &Json::Object(Vec::new()));
    jobs::pull_forward(&mut batch, company(), id(7), NOW);
    idempotency::answer(&mut batch, company(), id(7), 200, vec![1]);
    idempotency::expire(&mut batch, company(), id(7), NOW);
    let callback = callbacks::StoredCallback {
        company_id: company(),
        transaction_id: id(7),
        psp_type: "PAYONE".to_owned(),
        id: id(8),
        received_at: NOW,
        raw: vec![1],
        attempt: 0,
        digest: Some(vec![2; 32]),
        copies: 1,
        told: false,
        weight: callbacks::Weight::Ask,
    };
    callbacks::insert(&mut batch, &callback, NOW, Some("node"), Some(&callback));
    callbacks::done(&mut batch, std::slice::from_ref(&callback));
    callbacks::later(&mut batch, std::slice::from_ref(&callback), NOW, true);
    events::insert(&mut batch, &event());
    let lease = deliveries::Lease { owner: "node", until: NOW };
    deliveries::insert(&mut batch, id(9), &event());
    deliveries::insert_handed_over(&mut batch, id(9), &event(), lease);
    deliveries::record(&mut batch, &claimed(), "node", &outcome(deliveries::DeliveryState::Delivered, None));
    deliveries::record(&mut batch, &claimed(), "node", &outcome(deliveries::DeliveryState::Failing, Some(NOW)));
    deliveries::switched_off(&mut batch, &claimed(), "node");
    deliveries::defer(&mut batch, &claimed(), "node", NOW);
    deliveries::free(&mut batch, company(), id(9), "node", NOW);
    let _ = db.commit(batch).await;
    let _ = transactions::find(db, company(), id(7)).await;
    let _ = transactions::find_by_session(db, company(), t.session_id).await;
    let _ = transactions::find_by_psp_id(db, company(), method(), "psp-1").await;
    let _ = transactions::find_by_token(db, [5; 32]).await;
    let _ = transactions::timeline(db, company(), id(7)).await;
    let _ = jobs::find(db, company(), id(7)).await;
    let _ = callbacks::open(db, company(), id(7)).await;
    let _ = audit::exists(db, company(), &id(7).to_string()).await;
    let _ = deliveries::find(db, company(), id(9)).await;
}

/// What the workers ask for again and again.
async fn the_queues(db: &Recorder) {
    let lease = deliveries::Lease { owner: "node", until: NOW };
    let _ = deliveries::due(db).await;
    let _ = deliveries::claim_at(db, lease, NOW, &[(company(), method(), 64)]).await;
    let _ = jobs::due(db).await;
    let _ = callbacks::due(db).await;
    let _ = callbacks::claim(db, "node", NOW, NOW.plus_ms(1_000), &[("PAYONE".to_owned(), 16)]).await;
    let _ = jobs::claim(db, "node", NOW, NOW.plus_ms(1_000), &[("PAYONE".to_owned(), 16)]).await;
    let mut batch = Batch::new();
    deliveries::free_expired(&mut batch, "node", NOW);
    deliveries::release_dead(&mut batch, "node", NOW, NOW, NOW);
    jobs::release_unknown(&mut batch, NOW);
    callbacks::release_unknown(&mut batch, ["PAYONE"], NOW);
    jobs::put_back(&mut batch, &job(), NOW, 1);
    jobs::give_up(&mut batch, &job());
    let _ = db.commit(batch).await;
}

/// Lists: each filter alone, and some together.
async fn the_lists(db: &Recorder) {
    let none = transactions::Filter::default;
    let filters = [
        none(),
        transactions::Filter { psp_type: Some("PAYONE".into()), ..none() },
        transactions::Filter { operation: Some(Operation::PayOut), ..none() },
        transactions::Filter { status: Some(TransactionStatus::Pending), ..none() },
        transactions::Filter { attention: Some(Attention::Stuck), ..none() },
        transactions::Filter { user_id: Some("user_1".into()), ..none() },
        transactions::Filter { merchant_reference: Some("ref-1".into()), ..none() },
        transactions::Filter { from: Some(NOW), to: Some(NOW.plus_ms(1_000)), ..none() },
        transactions::Filter {
            status: Some(TransactionStatus::Failed),
            psp_type: Some("PAYONE".into()),
            before: Some(id(3)),
            ..none()
        },
        transactions::Filter { attention: Some(Attention::Stuck), operation: Some(Operation::PayIn), ..none() },
        transactions::Filter { user_id: Some("user_1".into()), status: Some(TransactionStatus::Failed), ..none() },
    ];
    for filter in filters {
        let _ = transactions::search(db, company(), &filter, 51, None).await;
    }
    for filter in [
        deliveries::Filter::default(),
        deliveries::Filter { transaction_id: Some(id(7)), ..deliveries::Filter::default() },
        deliveries::Filter { state: Some(deliveries::DeliveryState::Failing), from: Some(NOW), ..deliveries::Filter::default() },
    ] {
        let _ = deliveries::list(db, company(), &filter, 51).await;
    }
}

async fn recorded(dialect: Dialect) -> Vec<(String, Vec<Value>, Expect)> {
    let db = Recorder { dialect, seen: Mutex::default() };
    a_payment(&db).await;
    the_queues(&db).await;
    the_lists(&db).await;
    db.seen.into_inner().unwrap()
}

/// Many rows of one company and one account: half of the deliveries, callbacks and jobs wait.
fn fill(dialect: Dialect) -> String {
    let (series, hex, bytes): (&str, fn(&str) -> String, &str) = match dialect {
        Dialect::Postgres => ("generate_series(1, ROWS::bigint) n", |v| format!("lpad(to_hex({v}), 24, '0')"), "'\\x00'::bytea"),
        Dialect::Sqlite => (
            "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ROWS) SELECT n FROM s)",
            |v| format!("printf('%024x', {v})"),
            "X'00'",
        ),
    };
    let series = series.replace("ROWS", &ROWS.to_string());
    let (id, other, company, method) = (hex("n"), hex("n + 1"), company(), method());
    let half = "CASE WHEN n % 2 = 0 THEN 1760000000000 + n END";
    format!(
        "INSERT INTO transactions (company_id, id, session_id, psp_type, operation, method_id, merchant_reference, user_id, amount_minor, currency, \
           status, psp_status, psp_transaction_id, attention, maker, sealed, callback_token_hash, events_sent, timeline_length, version, created_at, updated_at) \
         SELECT '{company}', {id}, {id}, 'PAYONE', 'PAYIN', '{method}', 'ref-' || n, 'user_' || (n % 1000), 1, 'CAD', \
           CASE WHEN n % 10 = 0 THEN 'Pending' ELSE 'Approved' END, 'w', 'psp-' || n, CASE WHEN n % 1000 = 0 THEN 'stuck' END, 'm', {bytes}, NULL, 1, 1, 1, \
           1760000000000, 1760000000000 FROM {series}; \
         INSERT INTO timeline (company_id, transaction_id, n, at, event, detail) SELECT '{company}', {id}, 1, 0, 'e', '{{}}' FROM {series}; \
         INSERT INTO jobs (company_id, transaction_id, kind, due_at, attempt, first_at, detail, psp_type) \
           SELECT '{company}', {id}, 'inquire', 1760000000000 + n, 0, 0, '{{}}', 'PAYONE' FROM {series}; \
         INSERT INTO callbacks (company_id, transaction_id, id, received_at, raw, due_at, attempt, psp_type) \
           SELECT '{company}', {id}, {other}, 0, {bytes}, {half}, 0, 'PAYONE' FROM {series}; \
         INSERT INTO idempotency (company_id, path, idempotency_key, fingerprint, transaction_id, created_at) \
           SELECT '{company}', 'POST /', 'key-' || n, {bytes}, {id}, 0 FROM {series}; \
         INSERT INTO webhook_events (company_id, id, transaction_id, sequence, method_id, sample, created_at, body) \
           SELECT '{company}', 'evt' || n, {id}, 1, '{method}', 0, 0, '{{}}' FROM {series}; \
         INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, state, attempts, attempts_total, next_at, created_at) \
           SELECT '{company}', {other}, 'evt' || n, {id}, 1, '{method}', CASE WHEN n % 2 = 0 THEN 'waiting' ELSE 'delivered' END, 0, 0, {half}, 0 \
           FROM {series};"
    )
}

/// What may be walked: the primary keys and these, each for what it is there for. Anything else that a plan names is wrong.
fn fits(state: &str, sql: &str, index: &str) -> bool {
    let has = |text: &str| sql.contains(text);
    match index {
        "transactions_by_group" => has("psp_type =") || has("psp_type >"),
        "transactions_by_attention" => has("attention ="),
        "transactions_by_user" => has("user_id ="),
        "transactions_by_reference" => has("merchant_reference ="),
        "transactions_by_session" => has("session_id ="),
        "transactions_by_psp_id" => has("psp_transaction_id = ?2"),
        "transactions_by_callback_token" => has("callback_token_hash = ?1"),
        "callbacks_by_due" | "jobs_by_due" => has("psp_type =") || has("psp_type >"),
        "jobs_by_owner" => has("owner IS NOT NULL"),
        "deliveries_queue" => has("owner IS NULL"),
        "deliveries_held" => has("owner IS NOT NULL"),
        "deliveries_by_transaction" => has("sequence") || has("transaction_id ="),
        "deliveries_by_state" => has("state ="),
        "idempotency_by_transaction" => has("transaction_id = ?2"),
        "webhook_events_by_id" => has("webhook_events v"),
        // The feed's, of a table that is known to be empty: a handful of rows at most.
        "webhook_events_by_company" => has("webhook_events v") && state == "empty, with statistics",
        _ => index.ends_with("_pkey"),
    }
}

/// How a statement on `nodes` and `endpoint_health` runs does not matter: a few rows.
const SMALL: [&str; 2] = ["nodes", "endpoint_health"];

fn complain(state: &str, sql: &str, what: &str, plan: &str) -> String {
    format!("\n--- {state}: {what}\n{sql}\n{plan}\n")
}

/// A primary key that is entered by the company alone, for anything but the list by time.
fn walks_the_company(index: Option<&str>, condition: &str, text: &str) -> bool {
    let alone = condition.starts_with("Index Cond: (company_id = ") && !condition.contains(" AND ");
    index.is_some_and(|index| index.ends_with("_pkey")) && alone && !text.contains("ORDER BY id DESC")
}

async fn check_postgres(client: &tokio_postgres::Client, state: &str, complaints: &mut String) {
    for (number, (text, params, expect)) in recorded(Dialect::Postgres).await.into_iter().enumerate() {
        let mut params = params;
        let mut out = sql::to_postgres(&text);
        if let Expect::Rows(rows) = expect {
            params.push(Value::Int(i64::try_from(rows).unwrap()));
            out = sql::guarded(out);
        }
        let types: Vec<&str> = params
            .iter()
            .map(|value| match value {
                Value::Int(_) => "bigint",
                Value::Bytes(_) => "bytea",
                Value::Text(_) => "text",
                Value::Null => "unknown",
            })
            .collect();
        let values: Vec<String> = params
            .iter()
            .map(|value| match value {
                Value::Null => "NULL".to_owned(),
                Value::Int(int) => int.to_string(),
                Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                Value::Bytes(bytes) => format!("'\\x{}'", hex::encode(bytes)),
            })
            .collect();
        let types = if types.is_empty() { String::new() } else { format!("({})", types.join(", ")) };
        let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        client
            .batch_execute(&format!("PREPARE s{number} {types} AS {}", out.sql))
            .await
            .unwrap_or_else(|e| panic!("{}: {e:?}", out.sql));
        // A plan for these values, and the one for any that a session goes over to.
        for mode in ["force_custom_plan", "force_generic_plan"] {
            client.batch_execute(&format!("SET plan_cache_mode = {mode}")).await.unwrap();
            let rows = client.simple_query(&format!("EXPLAIN (COSTS OFF) EXECUTE s{number}{values}")).await.unwrap();
            let lines: Vec<String> = rows
                .iter()
                .filter_map(|row| {
                    if let tokio_postgres::SimpleQueryMessage::Row(row) = row { row.get(0).map(str::to_owned) } else { None }
                })
                .collect();
            for line in &lines {
                let line = line.trim().trim_start_matches("-> ").trim();
                if let Some(table) = line.strip_prefix("Seq Scan on ")
                    && !SMALL.iter().any(|small| table.starts_with(small))
                {
                    complaints.push_str(&complain(state, &out.sql, &format!("{mode}: {line}"), &lines.join("\n")));
                }
                let index = line.split(" using ").nth(1).or_else(|| line.strip_prefix("Bitmap Index Scan on "));
                let index = index.and_then(|rest| rest.split(' ').next());
                let position =
                    lines.iter().position(|other| std::ptr::eq(other.as_str().trim().trim_start_matches("-> ").trim(), line));
                let bounded = position.and_then(|at| lines.get(at + 1)).is_some_and(|next| next.trim().starts_with("Index Cond"));
                if index.is_some() && !bounded && !text.contains("LIMIT 1") {
                    let what = format!("{mode}: the whole of {}", index.unwrap_or_default());
                    complaints.push_str(&complain(state, &out.sql, &what, &lines.join("\n")));
                }
                if let Some(index) = index.filter(|index| !fits(state, &text, index)) {
                    complaints.push_str(&complain(state, &out.sql, &format!("{mode}: by {index}"), &lines.join("\n")));
                }
                let condition = position.and_then(|at| lines.get(at + 1)).map_or("", |next| next.trim());
                if walks_the_company(index, condition, &text) {
                    complaints.push_str(&complain(state, &out.sql, &format!("{mode}: the whole company"), &lines.join("\n")));
                }
            }
        }
        client.batch_execute(&format!("DEALLOCATE s{number}")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_takes_the_index_that_fits() {
    let database = testkit::postgres::database().await;
    let db = PostgresDriver::connect(&database.url).await.unwrap();
    db.migrate(migrate::migrations(Dialect::Postgres)).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(crate::driver::postgres::PLANS).await.unwrap();
    let mut complaints = String::new();
    check_postgres(&client, "empty", &mut complaints).await;
    client.batch_execute("VACUUM ANALYZE").await.unwrap();
    check_postgres(&client, "empty, with statistics", &mut complaints).await;
    for table in ["transactions", "jobs", "deliveries", "callbacks", "timeline", "webhook_events", "idempotency"] {
        client.batch_execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = false)")).await.unwrap();
    }
    client.batch_execute(&fill(Dialect::Postgres)).await.unwrap();
    check_postgres(&client, "100,000 rows, statistics from when it was empty", &mut complaints).await;
    client.batch_execute("DELETE FROM pg_statistic").await.unwrap();
    client
        .batch_execute("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relnamespace = 'public'::regnamespace")
        .await
        .unwrap();
    check_postgres(&client, "100,000 rows, no statistics", &mut complaints).await;
    client.batch_execute("ANALYZE").await.unwrap();
    check_postgres(&client, "100,000 rows, with statistics", &mut complaints).await;
    assert!(complaints.is_empty(), "{complaints}");
    drop(client);
    db.close().await;
}

async fn check_sqlite(db: &rusqlite::Connection, state: &str, complaints: &mut String) {
    for (text, params, _) in recorded(Dialect::Sqlite).await {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap_or_else(|e| panic!("{text}: {e}"));
        let values = params.iter().map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            Value::Int(int) => (*int).into(),
            Value::Text(text) => text.clone().into(),
            Value::Bytes(bytes) => bytes.clone().into(),
        });
        let lines: Vec<String> =
            statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        for line in &lines {
            let words: Vec<&str> = line.split(' ').collect();
            let index = words.iter().position(|word| *word == "INDEX").and_then(|at| words.get(at + 1));
            // A walk is fine where it follows an index to its first row alone.
            let walks = line.starts_with("SCAN ") && index.is_none();
            // What statements make themselves: recursions, arms, lists of one row.
            let own = ["SCAN p", "SCAN c", "SCAN e", "SCAN l", "SCAN one", "SCAN CONSTANT ROW", "SCAN (", "SCAN few"];
            let own =
                own.iter().any(|own| line == own || line.starts_with("SCAN (subquery") || line.starts_with("SCAN CONSTANT"))
                    || SMALL.iter().any(|small| line.contains(small));
            let by_key_alone = line.contains("PRIMARY KEY (company_id=?)") && !text.contains("ORDER BY id DESC");
            if (walks && !own) || by_key_alone || index.is_some_and(|index| !fits(state, &text, index)) {
                complaints.push_str(&complain(state, &text, line, &lines.join("\n")));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_takes_the_index_that_fits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let driver = Arc::new(SqliteDriver::open(&path).unwrap());
    driver.migrate(migrate::migrations(Dialect::Sqlite)).await.unwrap();
    driver.close().await;
    let db = rusqlite::Connection::open(&path).unwrap();
    let mut complaints = String::new();
    check_sqlite(&db, "empty", &mut complaints).await;
    db.execute_batch("PRAGMA synchronous = OFF").unwrap();
    db.execute_batch(&fill(Dialect::Sqlite)).unwrap();
    check_sqlite(&db, "100,000 rows, no statistics", &mut complaints).await;
    db.execute_batch("ANALYZE").unwrap();
    drop(db);
    // Statistics are read when a connection opens.
    let db = rusqlite::Connection::open(&path).unwrap();
    check_sqlite(&db, "100,000 rows, with statistics", &mut complaints).await;
    assert!(complaints.is_empty(), "{complaints}");
}
