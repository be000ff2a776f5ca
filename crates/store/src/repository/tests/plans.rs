//! The plan of every statement of the repositories, on both stores: by the one index that fits it, on an empty database, on one
//! with many rows and no statistics, and on one with statistics. What the repositories really send is recorded, and the database
//! is asked how it runs it; a statement that is neither asserted here nor excused with a reason fails `complete.rs`.

use crate::driver::{Driver, PostgresDriver, SqliteDriver, sql};
use crate::{Dialect, Expect, Value, migrate};
use domain::{CompanyId, MethodId, Timestamp, TransactionId};
use statements::recorded;
use std::sync::Arc;

#[path = "plans/complete.rs"]
mod complete;
#[path = "plans/recorder.rs"]
mod recorder;
#[path = "plans/settings.rs"]
mod settings;
#[path = "plans/statements.rs"]
mod statements;

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
    let token = match dialect {
        Dialect::Postgres => format!("decode({id}, 'hex')"),
        Dialect::Sqlite => format!("CAST({id} AS BLOB)"),
    };
    let half = "CASE WHEN n % 2 = 0 THEN 1760000000000 + n END";
    format!(
        "INSERT INTO transactions (company_id, id, session_id, psp_type, operation, method_id, merchant_reference, user_id, amount_minor, currency, \
           status, psp_status, psp_transaction_id, attention, maker, sealed, events_sent, timeline_length, version, created_at, updated_at) \
         SELECT '{company}', {id}, {id}, 'PAYONE', 'PAYIN', '{method}', 'ref-' || n, 'user_' || (n % 1000), 1, 'CAD', \
           CASE WHEN n % 10 = 0 THEN 'Pending' ELSE 'Approved' END, 'w', 'psp-' || n, CASE WHEN n % 1000 = 0 THEN 'stuck' END, 'm', {bytes}, 1, 1, 1, \
           1760000000000, 1760000000000 FROM {series}; \
         INSERT INTO timeline (company_id, transaction_id, n, at, event, detail) SELECT '{company}', {id}, 1, 0, 'e', '{{}}' FROM {series}; \
         INSERT INTO attempts (company_id, transaction_id, n, kind, method_id, psp_type, reference, psp_transaction_id, started_at, next_kind, \
           next_at, next_tries, next_first_at, next_detail) \
           SELECT '{company}', {id}, 1, 'pay', '{method}', 'PAYONE', CASE WHEN n % 10 = 0 THEN {id} END, 'psp-' || n, 0, \
           CASE WHEN n % 2 = 0 THEN 'inquire' END, {half}, 0, 0, '{{}}' FROM {series}; \
         INSERT INTO callbacks (company_id, transaction_id, id, received_at, raw, due_at, attempt, psp_type) \
           SELECT '{company}', {id}, {other}, 0, {bytes}, {half}, 0, 'PAYONE' FROM {series}; \
         INSERT INTO idempotency (company_id, path, idempotency_key, fingerprint, transaction_id, created_at, expires_at) \
           SELECT '{company}', 'POST /', 'key-' || n, {bytes}, {id}, 0, {half} FROM {series}; \
         INSERT INTO webhook_events (company_id, id, transaction_id, sequence, method_id, sample, created_at, body) \
           SELECT '{company}', 'evt' || n, {id}, 1, '{method}', 0, 0, '{{}}' FROM {series}; \
         INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, state, attempts, attempts_total, next_at, created_at) \
           SELECT '{company}', {other}, 'evt' || n, {id}, 1, '{method}', CASE WHEN n % 2 = 0 THEN 'waiting' ELSE 'delivered' END, 0, 0, {half}, 0 \
           FROM {series}; \
         INSERT INTO delivery_attempts (company_id, delivery_id, n, at, latency_ms) SELECT '{company}', {other}, 1, 0, 1 FROM {series}; \
         INSERT INTO holds (company_id, transaction_id, status, requested_at, expires_at, required) \
           SELECT '{company}', {id}, CASE WHEN n % 100 = 0 THEN 'waiting' ELSE 'approved' END, 1760000000000 + n, 0, 1 FROM {series}; \
         INSERT INTO approvals (company_id, transaction_id, n, decision, decided_by, maker, at) \
           SELECT '{company}', {id}, 1, 'approve', 'a', 'b', 0 FROM {series}; \
         INSERT INTO page_tokens (token_hash, company_id, transaction_id, page) SELECT {token}, '{company}', {id}, 'pay' FROM {series}; \
         INSERT INTO single_use (company_id, method_id, digest, transaction_id) SELECT '{company}', '{method}', {token}, {id} FROM {series}; \
         INSERT INTO audit (company_id, id, at, actor, action, object) SELECT '{company}', {id}, 0, 'a', 'b', 'c' FROM {series};"
    )
}

/// What may be walked: the primary keys and these, each for what it is there for. Anything else that a plan names is wrong.
fn fits(sql: &str, index: &str) -> bool {
    let has = |text: &str| sql.contains(text);
    match index {
        "transactions_by_group" => has("psp_type =") || has("psp_type >"),
        "transactions_by_attention" => has("attention ="),
        "transactions_by_user" => has("user_id ="),
        "transactions_by_reference" => has("merchant_reference ="),
        "transactions_by_session" => has("session_id ="),
        "callbacks_by_due" | "attempts_by_due" => has("psp_type =") || has("psp_type >"),
        "attempts_by_owner" => has("next_owner IS NOT NULL"),
        "attempts_by_callback_token" => has("callback_token_hash = ?1"),
        "attempts_by_reference" => has("reference = ?2"),
        "attempts_by_psp_id" => has("psp_transaction_id = ?2"),
        "deliveries_queue" => has("owner IS NULL"),
        "deliveries_held" => has("owner IS NOT NULL"),
        "deliveries_by_transaction" => has("sequence") || has("transaction_id ="),
        "deliveries_by_state" => has("state ="),
        "idempotency_by_transaction" => has("transaction_id = ?2"),
        "idempotency_by_expiry" => has("expires_at <= ?1"),
        "single_use_by_transaction" => has("single_use"),
        "holds_by_status" => has("holds INDEXED BY holds_by_status"),
        "webhook_events_by_id" => has("webhook_events v") || has("id = ?2") || has("json_each"),
        // SQLite's feed; PostgreSQL's.
        "webhook_events_by_company" => has("ORDER BY position"),
        "webhook_events_by_place" => has("round"),
        "webhook_events_by_age" => has("ORDER BY position LIMIT"),
        // Unique by themselves: PostgreSQL's name, SQLite's.
        "credentials_id_key" | "sqlite_autoindex_credentials_1" => has("id = ?1") || has("id = ?2"),
        "payment_methods_callback_token_hash_key" | "sqlite_autoindex_payment_methods_1" => has("callback_token_hash = ?1"),
        "users_email_key" | "sqlite_autoindex_users_1" => has("email = ?1"),
        "sqlite_autoindex_nodes_1" => has("FROM nodes"),
        _ => index.ends_with("_pkey"),
    }
}

/// Tables that grow with every payment, or with every one of a kind.
const GROWING: [&str; 13] = [
    "transactions",
    "timeline",
    "attempts",
    "callbacks",
    "idempotency",
    "webhook_events",
    "deliveries",
    "delivery_attempts",
    "holds",
    "approvals",
    "page_tokens",
    "single_use",
    "audit",
];

/// Tables of a few rows: how many of them are read does not matter. Of those of settings everything of a company is read at once.
const SMALL: [&str; 10] = [
    "nodes",
    "endpoint_health",
    "feed_state",
    "instance",
    "companies",
    "users",
    "credentials",
    "brands",
    "payment_methods",
    "rules",
];

/// Statements whose plan is not asserted, each by a part of it and with the reason.
const EXCUSED: [(&str, &str); 8] = [
    (
        "SET next_at = ?1 WHERE next_at IS NOT NULL AND next_kind = 'inquire'",
        "once when a process starts: all open inquiries, which are what it changes",
    ),
    ("due_at IS NOT NULL AND owner IS NOT NULL AND owner <> ?2", "once when a process starts: what waits in the inbox"),
    ("UPDATE attempts INDEXED BY attempts_by_due SET next_at = ?1 + (CASE", "once when a process starts: all open jobs"),
    ("UPDATE callbacks SET due_at = ?1 + (CASE", "once when a process starts: what waits in the inbox"),
    (
        "UPDATE attempts INDEXED BY attempts_by_due SET next_first_at",
        "once when a process starts, after a pause: all open jobs, which are what it changes",
    ),
    ("UPDATE callbacks SET received_at = received_at + ?1", "likewise: what waits in the inbox"),
    ("UPDATE idempotency SET expires_at = expires_at + ?1", "likewise: the keys that have an end"),
    ("FROM pg_locks", "the server's own memory, and a row of its list of databases"),
];

fn is_excused(sql: &str) -> bool {
    EXCUSED.iter().any(|(fragment, _)| sql.contains(fragment))
}

/// Whether a walk along an index ends after its first row.
fn stops_early(sql: &str) -> bool {
    sql.match_indices("LIMIT 1").any(|(at, found)| !sql[at + found.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

fn complain(state: &str, sql: &str, what: &str, plan: &str) -> String {
    format!("\n--- {state}: {what}\n{sql}\n{plan}\n")
}

/// Types and values as `PREPARE` and `EXECUTE` take them.
fn written_out(params: &[Value]) -> (String, String) {
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
    (types, values)
}

/// A primary key that is entered by the company alone, for anything but the list by time.
fn walks_the_company(index: Option<&str>, condition: &str, text: &str) -> bool {
    let alone = condition.starts_with("Index Cond: (company_id = ") && !condition.contains(" AND ");
    index.is_some_and(|index| index.ends_with("_pkey")) && alone && !text.contains("ORDER BY id DESC")
}

async fn check_postgres(client: &tokio_postgres::Client, state: &str, complaints: &mut String) {
    let asserted = recorded(Dialect::Postgres).await.into_iter().filter(|(text, _, _)| !is_excused(text));
    for (number, (text, params, expect)) in asserted.enumerate() {
        let mut params = params;
        let mut out = sql::to_postgres(&text);
        if let Expect::Rows(rows) = expect {
            params.push(Value::Int(i64::try_from(rows).unwrap()));
            out = sql::guarded(out);
        }
        let (types, values) = written_out(&params);
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
                let small = SMALL.iter().any(|small| line.contains(&format!(" on {small}")));
                let oldest = index == Some("webhook_events_by_age") && text.contains("ORDER BY position LIMIT");
                if index.is_some() && !bounded && !small && !oldest && !stops_early(&text) {
                    let what = format!("{mode}: the whole of {}", index.unwrap_or_default());
                    complaints.push_str(&complain(state, &out.sql, &what, &lines.join("\n")));
                }
                if let Some(index) = index.filter(|index| !fits(&text, index)) {
                    complaints.push_str(&complain(state, &out.sql, &format!("{mode}: by {index}"), &lines.join("\n")));
                }
                let condition = position.and_then(|at| lines.get(at + 1)).map_or("", |next| next.trim());
                if !small && walks_the_company(index, condition, &text) {
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
    for table in GROWING {
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
    for (text, params, _) in recorded(Dialect::Sqlite).await.into_iter().filter(|(text, _, _)| !is_excused(text)) {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap_or_else(|e| panic!("{text}: {e}"));
        let values = params.iter().map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            Value::Int(int) => (*int).into(),
            Value::Text(text) => text.clone().into(),
            Value::Bytes(bytes) => bytes.clone().into(),
        });
        let lines: Vec<String> =
            statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        // A value that is a list is no table.
        for line in lines.iter().filter(|line| !line.starts_with("SCAN json_each ")) {
            let words: Vec<&str> = line.split(' ').collect();
            let index = words.iter().position(|word| *word == "INDEX").and_then(|at| words.get(at + 1));
            // A walk is fine where it follows an index to its first row alone.
            let oldest = line == "SCAN webhook_events" && text.contains("ORDER BY position LIMIT");
            let walks = line.starts_with("SCAN ") && index.is_none() && !oldest;
            // What statements make themselves: recursions, arms, lists of one row.
            let own = [
                "SCAN p",
                "SCAN c",
                "SCAN e",
                "SCAN l",
                "SCAN one",
                "SCAN CONSTANT ROW",
                "SCAN (",
                "SCAN few",
                "SCAN old",
                "SCAN arm",
            ];
            let own =
                own.iter().any(|own| line == own || line.starts_with("SCAN (subquery") || line.starts_with("SCAN CONSTANT"))
                    || SMALL.iter().any(|small| line.contains(small));
            let by_key_alone = line.contains("PRIMARY KEY (company_id=?)") && !text.contains("ORDER BY id DESC");
            let small = SMALL.iter().any(|small| line.starts_with(&format!("SEARCH {small} ")));
            if (walks && !own) || (by_key_alone && !small) || index.is_some_and(|index| !fits(&text, index)) {
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

/// Bound to other values, a statement is not prepared anew: neither its plan nor its time hangs on them.
#[tokio::test]
async fn sqlite_prepares_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let driver = Arc::new(SqliteDriver::open(&path).unwrap());
    driver.migrate(migrate::migrations(Dialect::Sqlite)).await.unwrap();
    driver.close().await;
    let db = rusqlite::Connection::open(&path).unwrap();
    crate::driver::sqlite::statements(&db).unwrap();
    let (mut looked_at, mut again) = (0, String::new());
    for (text, params, _) in recorded(Dialect::Sqlite).await {
        let mut statement = db.prepare(&text).unwrap();
        for round in 0..3 {
            for (at, value) in (1..).zip(&params) {
                let bound = match value {
                    Value::Null => statement.raw_bind_parameter(at, rusqlite::types::Null),
                    Value::Int(int) => statement.raw_bind_parameter(at, int + round),
                    Value::Text(text) => statement.raw_bind_parameter(at, format!("{text}{round}")),
                    Value::Bytes(bytes) => statement.raw_bind_parameter(at, bytes),
                };
                bound.unwrap();
            }
            // What it finds, or why these values are refused, does not matter.
            let mut rows = statement.raw_query();
            while let Ok(Some(_)) = rows.next() {}
        }
        looked_at += 1;
        if statement.get_status(rusqlite::StatementStatus::RePrepare) > 0 {
            again.push_str(&format!("\n{text}\n"));
        }
    }
    assert!(looked_at > 150, "{looked_at} statements");
    assert!(again.is_empty(), "prepared anew:{again}");
}
