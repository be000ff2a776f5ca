//! A company with a long past, written straight into the store: what lists are asked over. Transactions, and what a life of them
//! leaves beside them: timelines, events, deliveries and their attempts, holds and decisions, the audit log, next actions. Texts
//! that the platform reads back are those of a payment that it made itself.
//!
//! What is sealed is as long as a real one and nothing that opens: no list and no detail opens it, and nothing that is stored
//! here is due while it is measured. Idempotency keys and the inbox of callbacks stay empty: nothing that is asked reads them.

use super::stage::Stage;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};

/// The past that is made, milliseconds.
const PAST_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// A payment is settled and told within this time.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Who made the transactions, and who decided about the pay-outs: two credentials.
const MAKER: &str = "000000000000000000000001";
const CHECKER: &str = "000000000000000000000002";
/// What has a time in the future is due this long after the seeding, milliseconds: after the measurement, and before the times at
/// which a start brings back what is due too far ahead.
const LATER_MS: i64 = 6 * 3_600_000;
/// Attempts of deliveries that fail, and of those that were given up.
const FAILING_ATTEMPTS: u32 = 8;
const EXHAUSTED_ATTEMPTS: u32 = 13;

/// How many rows a table was given.
pub(crate) struct Seeded {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    pub(crate) seconds: f64,
}

/// A payment of the platform's own: the texts of its rows.
struct Template {
    id: String,
    method: String,
    /// `event`, `from`, `to`, `detail` of each line of its timeline.
    timeline: Vec<[String; 4]>,
    /// What its webhook said.
    body: String,
    /// Lengths of what is sealed with the order, and with the attempt, bytes.
    sealed: i64,
    memo: i64,
}

/// Literals of either store.
struct Dialect {
    postgres: bool,
}

impl Dialect {
    /// Twelve hex digits of a number.
    fn hex(&self, value: &str) -> String {
        if self.postgres { format!("lpad(to_hex(({value})::bigint), 12, '0')") } else { format!("printf('%012x', {value})") }
    }

    /// So many bytes.
    fn bytes(&self, length: i64) -> String {
        // What is sealed does not compress; the same bytes for all rows are kept once in no store.
        let hex: String = (0..length).map(|n| format!("{:02x}", (n * 151 + 17) % 256)).collect();
        if self.postgres { format!("'\\x{hex}'::bytea") } else { format!("X'{hex}'") }
    }

    /// The numbers from 1, as `s (n)`.
    fn numbers(&self, last: i64) -> String {
        if self.postgres {
            format!("generate_series(1, {last}::bigint) s (n)")
        } else {
            format!("(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {last}) SELECT n FROM c) s")
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Has a payment made and settled, and reads it back.
async fn template(stage: &Stage) -> Result<Template> {
    let client = stage.client.as_ref().context("a platform")?;
    let answer = client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(!id.is_empty(), "a pay-in was not taken: {}", answer.body);
    client.wait_for(&id, &["Approved"], SETTLED_WITHIN).await?;
    let began = Instant::now();
    while stage.ask_store("SELECT COUNT(*) FROM deliveries WHERE state = 'delivered'").await? == 0 {
        ensure!(began.elapsed() < SETTLED_WITHIN, "its webhook is not delivered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let body = event_of(client, &id).await?;
    let detail = client.status(&id).await?;
    let lines = detail.body["data"]["events"].as_array().context("the timeline of a payment")?;
    let word = |value: &Value| value.as_str().map_or_else(|| "NULL".to_owned(), quoted);
    let line = |line: &Value| [word(&line["event"]), word(&line["from"]), word(&line["to"]), quoted(&line["detail"].to_string())];
    let timeline: Vec<_> = lines.iter().map(line).collect();
    ensure!(timeline.len() >= 2, "a settled payment has hardly a timeline: {}", detail.body);
    let sealed = stage.ask_store("SELECT CAST(MAX(LENGTH(sealed)) AS BIGINT) FROM transactions").await?;
    let memo = stage.ask_store("SELECT CAST(MAX(LENGTH(sealed)) AS BIGINT) FROM attempts").await?;
    Ok(Template { method: client.method_of("PAYONE").await?, id, timeline, body, sealed, memo })
}

/// The body of its event; on a store with many writers the feed shows it a moment later.
async fn event_of(client: &Client, id: &str) -> Result<String> {
    let began = Instant::now();
    loop {
        let events = client.read("/v1/api/mozarto/events").await?;
        let items = events.body["data"]["items"].as_array().cloned().unwrap_or_default();
        if let Some(event) = items.iter().find(|item| item["body"]["transaction_id"] == id) {
            return Ok(event["body"].to_string());
        }
        ensure!(began.elapsed() < SETTLED_WITHIN, "its event is not in the feed: {}", events.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How the transactions' fields follow from their number `n`. Statuses are skewed as real ones are, one provider was given up
/// long ago, one has never been used, two take no pay-outs; a tenth of the transactions are one user's.
fn transactions(dialect: &Dialect, company: &str, made: &Template, rows: i64, from_ms: i64) -> String {
    let step_ms = (PAST_MS / rows.max(1)).max(1);
    let at = format!("({from_ms} + n * {step_ms})");
    // Tells nothing about the last digits of n, by which the other fields are chosen.
    let mixed = "(n * 2654435761 % 4294967296 / 429497)";
    let pay_out = "n % 10 = 3 AND n % 100 < 92";
    let status = format!(
        "CASE WHEN {pay_out} THEN CASE WHEN {mixed} < 9000 THEN 'Approved' WHEN {mixed} < 9400 THEN 'Declined' WHEN {mixed} < 9700 THEN 'Failed' \
         WHEN {mixed} < 9880 THEN 'Cancelled' WHEN {mixed} < 9930 THEN 'Pending' WHEN {mixed} < 9980 THEN 'OnHold' ELSE 'Rejected' END \
         ELSE CASE WHEN {mixed} < 8000 THEN 'Approved' WHEN {mixed} < 9200 THEN 'Declined' WHEN {mixed} < 9500 THEN 'Expired' \
         WHEN {mixed} < 9700 THEN 'Failed' WHEN {mixed} < 9900 THEN 'Cancelled' WHEN {mixed} < 9995 THEN 'Pending' ELSE 'Reversed' END END"
    );
    let psp = format!(
        "CASE WHEN n <= {rows} / 20 THEN 'TRUST' WHEN n % 100 < 55 THEN 'PAYONE' WHEN n % 100 < 75 THEN 'WORLDPAY_EU' \
         WHEN n % 100 < 85 THEN 'EMERCHANTPAY' WHEN n % 100 < 92 THEN 'GIGADAT' WHEN n % 100 < 97 THEN 'CLEO' WHEN n % 100 < 99 THEN 'NEOSURF' \
         WHEN n % 1000 < 999 THEN 'FLEXEPIN' ELSE 'FORUMPAY' END"
    );
    let columns = [
        ("company_id", quoted(company)),
        ("id", format!("{} || {}", dialect.hex(&at), dialect.hex("n"))),
        ("session_id", format!("'00000000-0000-7000-8000-' || {}", dialect.hex("n"))),
        ("psp_type", psp),
        ("operation", format!("CASE WHEN {pay_out} THEN 'PAYOUT' ELSE 'PAYIN' END")),
        ("method_id", quoted(&made.method)),
        (
            "merchant_reference",
            "CASE WHEN n % 10 = 0 THEN NULL WHEN n % 10 IN (4, 5, 6) THEN 'often' ELSE 'ref-' || n END".to_owned(),
        ),
        ("user_id", "CASE WHEN n % 10 = 1 THEN 'heavy' ELSE 'user_' || (n % 50000) END".to_owned()),
        ("amount_minor", "1 + n % 100000".to_owned()),
        ("currency", "'CAD'".to_owned()),
        ("status", status),
        ("psp_status", "'word'".to_owned()),
        ("psp_transaction_id", "'psp-' || n".to_owned()),
        ("attention", "CASE WHEN n % 5000 = 17 THEN 'stuck' WHEN n % 20000 = 19 THEN 'anomaly' ELSE NULL END".to_owned()),
        ("maker", quoted(MAKER)),
        ("sealed", dialect.bytes(made.sealed)),
        ("events_sent", "1".to_owned()),
        ("timeline_length", made.timeline.len().to_string()),
        ("version", made.timeline.len().to_string()),
        ("created_at", at.clone()),
        ("updated_at", format!("{at} + 1000")),
    ];
    insert("transactions", &columns, &dialect.numbers(rows))
}

fn insert(table: &str, columns: &[(&str, String)], from: &str) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    format!("INSERT INTO {table} ({}) SELECT {} FROM {from}", names.join(", "), values.join(", "))
}

/// The rows beside them, from the transactions that are there.
fn beside(dialect: &Dialect, company: &str, made: &Template, now_ms: i64) -> Vec<(&'static str, String)> {
    let seeded = format!("t.company_id = {} AND t.id <> {}", quoted(company), quoted(&made.id));
    let mut all = vec![("timeline", timeline(made, &seeded))];
    all.extend(told(dialect, company, made, now_ms, &seeded));
    all.push(("attempts", attempts(dialect, made, now_ms, &seeded)));
    all.extend(held(&seeded));
    all
}

/// The lines of the payment that was made, with the transaction's own times and end.
fn timeline(made: &Template, seeded: &str) -> String {
    let lines: Vec<String> = (1..)
        .zip(&made.timeline)
        .map(|(n, [event, from, to, detail])| {
            format!("SELECT {n} AS n, {event} AS event, {from} AS was, {to} AS became, {detail} AS detail")
        })
        .collect();
    // In this order in both stores: rows land at the end of the table.
    let from = format!("transactions t CROSS JOIN ({}) line WHERE {seeded}", lines.join(" UNION ALL "));
    let columns = [
        ("company_id", "t.company_id".to_owned()),
        ("transaction_id", "t.id".to_owned()),
        ("n", "line.n".to_owned()),
        ("at", "t.created_at + line.n * 100".to_owned()),
        ("event", "line.event".to_owned()),
        ("from_status", "line.was".to_owned()),
        ("to_status", "CASE WHEN line.became = 'Approved' THEN t.status ELSE line.became END".to_owned()),
        ("detail", format!("replace(line.detail, {}, t.id)", quoted(&made.id))),
    ];
    insert("timeline", &columns, &from)
}

/// An event for each transaction that has ended, and a second one for a tenth of them; a delivery of each; and its attempts.
fn told(dialect: &Dialect, company: &str, made: &Template, now_ms: i64, seeded: &str) -> Vec<(&'static str, String)> {
    let ended = format!(
        "transactions t CROSS JOIN (SELECT 1 AS k UNION ALL SELECT 2 AS k) e WHERE {seeded} AND t.status NOT IN ('Pending', 'OnHold') \
         AND (e.k = 1 OR t.amount_minor % 10 = 6)"
    );
    let own = |id: &str| format!("substr({id}, 1, 12) || e.k || substr({id}, 14)");
    let at = "t.created_at + 1000 * e.k";
    let mut event = vec![
        ("company_id", "t.company_id".to_owned()),
        ("id", format!("'evt_' || {}", own("t.id"))),
        ("transaction_id", "t.id".to_owned()),
        ("sequence", "e.k".to_owned()),
        ("method_id", "t.method_id".to_owned()),
        ("sample", "0".to_owned()),
        ("created_at", at.to_owned()),
        ("body", format!("replace(replace({}, {}, t.id), 'Approved', t.status)", quoted(&made.body), quoted(&made.id))),
    ];
    if dialect.postgres {
        // Rounds as the sequencer makes them, a second each; the place within one is a time in microseconds.
        event.push(("round", "t.created_at / 1000".to_owned()));
        event.push(("position", format!("({at}) * 1000")));
    }
    // Tells nothing about the digits by which transactions differ.
    let mixed = "(t.amount_minor * 2654435761 % 4294967296 / 429497)";
    let state = format!(
        "CASE WHEN {mixed} < 9850 THEN 'delivered' WHEN {mixed} < 9930 THEN 'exhausted' WHEN {mixed} < 9960 THEN 'failing' \
         WHEN {mixed} < 9970 THEN 'waiting' WHEN {mixed} < 9980 THEN 'stopped' ELSE 'disabled' END"
    );
    let attempts = format!(
        "CASE d.state WHEN 'delivered' THEN 1 WHEN 'stopped' THEN 1 WHEN 'exhausted' THEN {EXHAUSTED_ATTEMPTS} \
         WHEN 'failing' THEN {FAILING_ATTEMPTS} ELSE 0 END"
    );
    let by_state = |attempts: &str| attempts.replace("d.state", &format!("({state})"));
    let later = now_ms + LATER_MS;
    let delivery = [
        ("company_id", "t.company_id".to_owned()),
        ("id", own("t.id")),
        ("event_id", format!("'evt_' || {}", own("t.id"))),
        ("transaction_id", "t.id".to_owned()),
        ("sequence", "e.k".to_owned()),
        ("method_id", "t.method_id".to_owned()),
        ("state", state.clone()),
        ("attempts", by_state(&attempts)),
        ("attempts_total", by_state(&attempts)),
        ("next_at", format!("CASE WHEN ({state}) IN ('waiting', 'failing') THEN {later} END")),
        ("last_failure", format!("CASE WHEN ({state}) IN ('exhausted', 'failing', 'stopped') THEN 'http_status' END")),
        (
            "last_http_status",
            format!(
                "CASE ({state}) WHEN 'delivered' THEN 200 WHEN 'stopped' THEN 410 WHEN 'exhausted' THEN 500 WHEN 'failing' THEN 500 END"
            ),
        ),
        ("created_at", at.to_owned()),
        ("delivered_at", format!("CASE WHEN ({state}) = 'delivered' THEN {at} + 20 END")),
    ];
    vec![
        ("webhook_events", insert("webhook_events", &event, &ended)),
        ("deliveries", insert("deliveries", &delivery, &ended)),
        ("delivery_attempts", tried(dialect, company, made, &attempts)),
    ]
}

/// The attempts of the deliveries, as many as `attempts` says.
fn tried(dialect: &Dialect, company: &str, made: &Template, attempts: &str) -> String {
    let numbers = dialect.numbers(i64::from(EXHAUSTED_ATTEMPTS));
    let tried = format!(
        "deliveries d CROSS JOIN {numbers} WHERE d.company_id = {} AND d.transaction_id <> {} AND s.n <= {attempts}",
        quoted(company),
        quoted(&made.id)
    );
    let attempt = [
        ("company_id", "d.company_id".to_owned()),
        ("delivery_id", "d.id".to_owned()),
        ("n", "s.n".to_owned()),
        ("at", "d.created_at + s.n * 60000 - 60000".to_owned()),
        ("http_status", "d.last_http_status".to_owned()),
        ("failure", "d.last_failure".to_owned()),
        ("latency_ms", "20".to_owned()),
        (
            "response_body",
            "CASE WHEN d.state = 'delivered' THEN 'ok' ELSE 'Something went wrong. Try again later.' END".to_owned(),
        ),
    ];
    insert("delivery_attempts", &attempt, &tried)
}

/// The one attempt of each, with the next actions of what is open.
fn attempts(dialect: &Dialect, made: &Template, now_ms: i64, seeded: &str) -> String {
    // No inquiries: a start has every one of them made at once.
    let of_open = |value: &str| format!("CASE WHEN t.status IN ('OnHold', 'Expired') THEN {value} END");
    let of_ended = |value: &str| format!("CASE WHEN t.status NOT IN ('Pending', 'OnHold') THEN {value} END");
    let columns = [
        ("company_id", "t.company_id".to_owned()),
        ("transaction_id", "t.id".to_owned()),
        ("n", "1".to_owned()),
        ("kind", "'pay'".to_owned()),
        ("method_id", "t.method_id".to_owned()),
        ("psp_type", "t.psp_type".to_owned()),
        ("psp_transaction_id", "t.psp_transaction_id".to_owned()),
        ("sealed", dialect.bytes(made.memo)),
        ("outcome", of_ended("t.status")),
        ("code", of_ended("t.psp_status")),
        ("started_at", "t.created_at".to_owned()),
        ("ended_at", of_ended("t.updated_at")),
        ("next_kind", "CASE t.status WHEN 'OnHold' THEN 'hold' WHEN 'Expired' THEN 'late' END".to_owned()),
        ("next_at", of_open(&format!("{now_ms} + {LATER_MS} + t.amount_minor"))),
        ("next_tries", of_open("2")),
        ("next_first_at", of_open("t.created_at")),
        ("next_detail", of_open("'{}'")),
    ];
    insert("attempts", &columns, &format!("transactions t WHERE {seeded}"))
}

/// A rule held every pay-out: what waits, what was decided, the audit log of it.
fn held(seeded: &str) -> Vec<(&'static str, String)> {
    let pay_outs = format!("transactions t WHERE {seeded} AND t.operation = 'PAYOUT'");
    let decided = format!("{pay_outs} AND t.status <> 'OnHold'");
    let hold = [
        ("company_id", "t.company_id".to_owned()),
        ("transaction_id", "t.id".to_owned()),
        ("status", "CASE t.status WHEN 'OnHold' THEN 'waiting' WHEN 'Rejected' THEN 'rejected' ELSE 'approved' END".to_owned()),
        ("requested_at", "t.created_at".to_owned()),
        ("expires_at", format!("t.created_at + {PAST_MS} + {DAY_MS}")),
        ("required", "1".to_owned()),
        ("decided_at", "CASE WHEN t.status <> 'OnHold' THEN t.created_at + 500 END".to_owned()),
    ];
    let approval = [
        ("company_id", "t.company_id".to_owned()),
        ("transaction_id", "t.id".to_owned()),
        ("n", "1".to_owned()),
        ("decision", "CASE WHEN t.status = 'Rejected' THEN 'reject' ELSE 'approve' END".to_owned()),
        ("decided_by", format!("'credential:{CHECKER}'")),
        ("maker", format!("'credential:{MAKER}'")),
        ("reason", "'looked at'".to_owned()),
        ("at", "t.created_at + 500".to_owned()),
    ];
    let audit = [
        ("company_id", "t.company_id".to_owned()),
        ("id", "t.id".to_owned()),
        ("at", "t.created_at + 500".to_owned()),
        ("actor", format!("'credential:{CHECKER}'")),
        ("action", "CASE WHEN t.status = 'Rejected' THEN 'approval.reject' ELSE 'approval.approve' END".to_owned()),
        ("object", "'transaction:' || t.id".to_owned()),
        ("after", "'{\"status\":\"decided\"}'".to_owned()),
        ("origin", "'127.0.0.1'".to_owned()),
    ];
    vec![
        ("holds", insert("holds", &hold, &pay_outs)),
        ("approvals", insert("approvals", &approval, &decided)),
        ("audit", insert("audit", &audit, &decided)),
    ]
}

/// Stores so many transactions of the run's company, and what belongs to them. The platform is stopped meanwhile.
pub(crate) async fn fill(stage: &mut Stage, rows: u64) -> Result<(Vec<Seeded>, Duration)> {
    let made = template(stage).await?;
    let mut seeded = Vec::new();
    let ready = stage
        .restart(async |stage| {
            let company = stage.company.clone().context("a company")?;
            let rows = i64::try_from(rows)?;
            let now_ms = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
            let dialect = Dialect { postgres: stage.database.is_some() };
            let mut statements = vec![("transactions", transactions(&dialect, &company, &made, rows, now_ms - PAST_MS))];
            statements.extend(beside(&dialect, &company, &made, now_ms));
            seeded = run(stage, &statements).await?;
            Ok(())
        })
        .await?;
    Ok((seeded, ready))
}

/// Runs them one after the other; over PostgreSQL the tables are vacuumed then, without statistics.
async fn run(stage: &Stage, statements: &[(&'static str, String)]) -> Result<Vec<Seeded>> {
    let mut seeded = Vec::new();
    let database = stage.connect().await?;
    let file = match &database {
        Some(_) => None,
        None => {
            let file = rusqlite::Connection::open(stage.file())?;
            file.execute_batch("PRAGMA cache_size = -400000; PRAGMA synchronous = OFF")?;
            Some(file)
        }
    };
    for (table, sql) in statements {
        let began = Instant::now();
        let rows = match (&database, &file) {
            (Some(client), _) => client.execute(sql, &[]).await.with_context(|| format!("seeding {table}"))?,
            (None, Some(file)) => u64::try_from(file.execute(sql, []).with_context(|| format!("seeding {table}"))?)?,
            (None, None) => 0,
        };
        ensure!(rows > 0, "{table} was given no row: the transactions are too few");
        seeded.push(Seeded { table, rows, seconds: began.elapsed().as_secs_f64() });
    }
    if let Some(client) = &database {
        // The sequencer is behind everything that is there, and has closed it.
        let closed = "UPDATE feed_state SET round = (SELECT MAX(round) FROM webhook_events) + 2, closed = (SELECT MAX(round) FROM webhook_events) + 1";
        client.batch_execute(closed).await?;
        client.batch_execute("VACUUM").await?;
    }
    Ok(seeded)
}

/// Gives the store statistics about its tables.
pub(crate) async fn analyze(stage: &Stage) -> Result<()> {
    match stage.connect().await? {
        Some(client) => client.batch_execute("ANALYZE").await?,
        None => rusqlite::Connection::open(stage.file())?.execute_batch("ANALYZE")?,
    }
    Ok(())
}
