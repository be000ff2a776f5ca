//! Says which promise is broken, by reading the store and the simulators' ledgers. The tables of this file are written anew from
//! the contract: it shares no code with the platform, so that a mistake there is not made here as well.

use crate::sink::Received;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// Where the store is.
#[derive(Debug, Clone)]
pub enum Store {
    /// The embedded database's file.
    Sqlite(PathBuf),
    /// `postgres://...`.
    Postgres(String),
}

/// What a test ordered, as it knows it.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// Our id, from the answer.
    pub transaction_id: String,
    /// `PAYIN` or `PAYOUT`.
    pub operation: String,
    /// The amount with the currency's digits.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// Where a pay-out's money was to go, as the ledger names it.
    pub destination: Option<String>,
}

/// The changes of status that the contract draws, pay-ins' late success apart.
const DRAWN: [(&str, &str); 11] = [
    ("Created", "Failed"),
    ("Created", "OnHold"),
    ("Created", "Pending"),
    ("OnHold", "Pending"),
    ("OnHold", "Rejected"),
    ("Pending", "Approved"),
    ("Pending", "Declined"),
    ("Pending", "Cancelled"),
    ("Pending", "Expired"),
    ("Pending", "Failed"),
    ("Approved", "Reversed"),
];
/// Endings after which a pay-in may still succeed.
const LATE: [&str; 4] = ["Failed", "Declined", "Cancelled", "Expired"];
/// Every ending.
const FINAL: [&str; 7] = ["Approved", "Declined", "Cancelled", "Expired", "Rejected", "Failed", "Reversed"];
/// Providers of which merchants get no webhooks.
const WITHOUT_WEBHOOKS: [&str; 1] = ["FLEXEPIN"];
/// Providers whose pay-outs always wait for a person.
const ALWAYS_HELD: [&str; 2] = ["FORUMPAY", "GIGADAT"];

type Rows = Vec<Vec<String>>;

/// Reads; every value as text, NULL as an empty one.
async fn query(store: &Store, sql: &str) -> Result<Rows> {
    match store {
        Store::Sqlite(path) => {
            let db = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            db.busy_timeout(std::time::Duration::from_secs(5))?;
            let mut statement = db.prepare(sql).with_context(|| sql.to_owned())?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let cell = |index: usize| -> rusqlite::Result<String> {
                    Ok(match row.get_ref(index)? {
                        rusqlite::types::ValueRef::Null => String::new(),
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        rusqlite::types::ValueRef::Real(_) => "a float".to_owned(),
                        rusqlite::types::ValueRef::Blob(bytes) => hex::encode(bytes),
                    })
                };
                all.push((0..columns).map(cell).collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(all)
        }
        Store::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            let messages = client.simple_query(sql).await.with_context(|| sql.to_owned())?;
            let mut all = Vec::new();
            for message in messages {
                if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                    all.push((0..row.len()).map(|index| row.get(index).unwrap_or_default().to_owned()).collect());
                }
            }
            Ok(all)
        }
    }
}

/// How many transactions stand where.
///
/// # Errors
/// When the store cannot be read.
pub async fn standings(store: &Store) -> Result<BTreeMap<String, u64>> {
    let rows = query(store, "SELECT status, COUNT(*) FROM transactions GROUP BY status").await?;
    Ok(rows.into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap_or_default())).collect())
}

/// Everything that is checked, and what was found to be broken.
#[derive(Debug, Default)]
pub struct Findings {
    /// A sentence per broken promise.
    pub broken: Vec<String>,
    /// What was looked at, for the report.
    pub looked_at: BTreeMap<&'static str, u64>,
}

impl Findings {
    fn must(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(sentence());
        }
    }

    fn looked(&mut self, what: &'static str) {
        *self.looked_at.entry(what).or_default() += 1;
    }
}

struct Transaction {
    id: String,
    psp_type: String,
    operation: String,
    status: String,
    attention: String,
    amount_minor: i64,
    currency: String,
    maker: String,
}

async fn transactions(store: &Store) -> Result<Vec<Transaction>> {
    let sql = "SELECT id, psp_type, operation, status, attention, amount_minor, currency, maker FROM transactions";
    let rows = query(store, sql).await?;
    Ok(rows
        .into_iter()
        .map(|mut row| Transaction {
            maker: row.pop().unwrap_or_default(),
            currency: row.pop().unwrap_or_default(),
            amount_minor: row.pop().unwrap_or_default().parse().unwrap_or(-1),
            attention: row.pop().unwrap_or_default(),
            status: row.pop().unwrap_or_default(),
            operation: row.pop().unwrap_or_default(),
            psp_type: row.pop().unwrap_or_default(),
            id: row.pop().unwrap_or_default(),
        })
        .collect())
}

/// Checks INV1 to INV4, INV6, INV7, INV9 and INV13, and that approved sums equal the ledgers'. `ledgers`: by provider, as the
/// control route answers them; `answered`: what was answered 2xx; `received`: what the merchant's endpoint got. For a store at
/// rest.
///
/// # Errors
/// When the store cannot be read; what is broken is in the findings.
pub async fn check(
    store: &Store,
    ledgers: &HashMap<String, Vec<Value>>,
    answered: &[Ordered],
    received: &[Received],
) -> Result<Findings> {
    let mut findings = Findings::default();
    let stored = transactions(store).await?;
    let by_id: HashMap<&str, &Transaction> = stored.iter().map(|one| (one.id.as_str(), one)).collect();
    durable(&mut findings, &by_id, answered);
    ledger_entries(&mut findings, &by_id, ledgers, answered);
    sums(&mut findings, &stored, ledgers);
    settled_but_not_approved(store, &mut findings, &by_id, ledgers).await?;
    timelines(store, &mut findings, &by_id).await?;
    webhooks(store, &mut findings, &by_id, received).await?;
    approvals(store, &mut findings, &by_id, ledgers).await?;
    attempts(store, &mut findings).await?;
    next_actions(store, &mut findings, &stored).await?;
    Ok(findings)
}

/// INV2.
fn durable(findings: &mut Findings, by_id: &HashMap<&str, &Transaction>, answered: &[Ordered]) {
    for ordered in answered {
        findings.looked("answered");
        findings.must(by_id.contains_key(ordered.transaction_id.as_str()), || {
            format!("INV2: {} was answered and is not there", ordered.transaction_id)
        });
    }
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_default()
}

/// INV1 and INV6.
fn ledger_entries(
    findings: &mut Findings,
    by_id: &HashMap<&str, &Transaction>,
    ledgers: &HashMap<String, Vec<Value>>,
    answered: &[Ordered],
) {
    let orders: HashMap<&str, &Ordered> = answered.iter().map(|one| (one.transaction_id.as_str(), one)).collect();
    for (provider, entries) in ledgers {
        let mut seen = BTreeSet::new();
        for entry in entries.iter().filter(|entry| text(entry, "direction") == "out") {
            findings.looked("transfers out");
            let reference = text(entry, "reference");
            findings.must(seen.insert(reference.to_owned()) && entry["times"] == 1, || {
                format!("INV1: {provider} accepted {reference} more than once: {entry}")
            });
            let Some(transaction) = by_id.get(reference) else {
                findings.broken.push(format!("INV6: {provider} paid out {reference}, which is not ours"));
                continue;
            };
            let minor = minor_units(text(entry, "amount"), 2);
            let same = minor == Some(transaction.amount_minor) && text(entry, "currency") == transaction.currency;
            findings
                .must(same, || format!("INV6: {reference} is {} {}: {entry}", transaction.amount_minor, transaction.currency));
            if let Some(ordered) = orders.get(reference) {
                findings.must(ordered.destination.as_deref().is_none_or(|to| to == text(entry, "destination")), || {
                    format!("INV6: {reference} was to go to {:?}: {entry}", ordered.destination)
                });
            }
        }
    }
}

/// Minor units of a decimal text with at most that many digits behind the point.
fn minor_units(amount: &str, digits: usize) -> Option<i64> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if fraction.len() > digits {
        return None;
    }
    format!("{whole}{fraction:0<digits$}").parse().ok()
}

/// Approved totals per provider, direction and currency equal what the ledgers call settled.
fn sums(findings: &mut Findings, stored: &[Transaction], ledgers: &HashMap<String, Vec<Value>>) {
    let mut ours: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for one in stored.iter().filter(|one| one.status == "Approved") {
        let direction = if one.operation == "PAYIN" { "in" } else { "out" };
        // The ledgers go by the provider's name, which `WORLDPAY_EU` has with a market.
        let provider = one.psp_type.to_lowercase().trim_end_matches("_eu").to_owned();
        *ours.entry((provider, direction.to_owned(), one.currency.clone())).or_default() += one.amount_minor;
    }
    let mut theirs: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for (provider, entries) in ledgers {
        for entry in entries.iter().filter(|entry| text(entry, "state") == "settled") {
            let key = (provider.clone(), text(entry, "direction").to_owned(), text(entry, "currency").to_owned());
            *theirs.entry(key).or_default() += minor_units(text(entry, "amount"), 2).unwrap_or(i64::MIN / 2);
        }
    }
    findings.looked("sums compared");
    findings.must(ours == theirs, || format!("INV5: approved {ours:?}, settled {theirs:?}"));
}

/// Which transactions a ledger calls settled and we do not call approved, with how they ended: where sums differ, this says why.
async fn settled_but_not_approved(
    store: &Store,
    findings: &mut Findings,
    by_id: &HashMap<&str, &Transaction>,
    ledgers: &HashMap<String, Vec<Value>>,
) -> Result<()> {
    for (provider, entries) in ledgers {
        for entry in entries.iter().filter(|entry| text(entry, "state") == "settled") {
            let reference = text(entry, "reference");
            let Some(one) = by_id.get(reference).filter(|one| one.status != "Approved") else { continue };
            let sql = format!(
                "SELECT event, from_status, to_status, detail FROM timeline WHERE transaction_id = '{reference}' ORDER BY n"
            );
            let timeline: Vec<String> = query(store, &sql).await?.into_iter().map(|row| row.join(" ")).collect();
            findings.broken.push(format!(
                "INV5: {provider} settled {reference}, which is {}: {}",
                one.status,
                timeline.join(" | ")
            ));
        }
    }
    Ok(())
}

/// INV4.
async fn timelines(store: &Store, findings: &mut Findings, by_id: &HashMap<&str, &Transaction>) -> Result<()> {
    let sql =
        "SELECT transaction_id, from_status, to_status FROM timeline WHERE to_status IS NOT NULL ORDER BY transaction_id, n";
    let mut last: HashMap<String, String> = HashMap::new();
    for row in query(store, sql).await? {
        findings.looked("changes of status");
        let (id, from, to) = (&row[0], &row[1], &row[2]);
        let operation = by_id.get(id.as_str()).map(|one| one.operation.as_str()).unwrap_or_default();
        if from.is_empty() {
            findings.must(to == "Created", || format!("INV4: {id} begins as {to}"));
        } else {
            let late = to == "Approved" && LATE.contains(&from.as_str()) && operation == "PAYIN";
            findings.must(DRAWN.contains(&(from, to)) || late, || format!("INV4: {id} went from {from} to {to}"));
            let before = last.get(id).map(String::as_str);
            findings.must(before == Some(from), || format!("INV4: {id} was {before:?}, then went from {from}"));
        }
        last.insert(id.clone(), to.clone());
    }
    for (id, transaction) in by_id {
        let told = last.get(*id).map(String::as_str);
        findings.must(told == Some(&transaction.status), || {
            format!("INV4: {id} is {}, its timeline ends with {told:?}", transaction.status)
        });
    }
    Ok(())
}

/// INV3 and INV9.
async fn webhooks(
    store: &Store,
    findings: &mut Findings,
    by_id: &HashMap<&str, &Transaction>,
    received: &[Received],
) -> Result<()> {
    let mut endings: BTreeMap<String, u64> = BTreeMap::new();
    for row in query(store, "SELECT transaction_id, to_status FROM timeline WHERE to_status IS NOT NULL").await? {
        if FINAL.contains(&row[1].as_str()) {
            *endings.entry(row[0].clone()).or_default() += 1;
        }
    }
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    let sql = "SELECT transaction_id, id, sequence FROM webhook_events WHERE sample = 0 ORDER BY transaction_id, sequence";
    for row in query(store, sql).await? {
        findings.looked("webhook events");
        let of_transaction = events.entry(row[0].clone()).or_default();
        of_transaction.push(row[1].clone());
        known.insert(row[1].clone());
        findings.must(row[2] == of_transaction.len().to_string(), || format!("INV3: event {} has sequence {}", row[1], row[2]));
    }
    for (id, transaction) in by_id {
        let expected =
            if WITHOUT_WEBHOOKS.contains(&transaction.psp_type.as_str()) { 0 } else { endings.get(*id).copied().unwrap_or(0) };
        let there = events.get(*id).map_or(0, Vec::len);
        findings.must(u64::try_from(there).ok() == Some(expected), || {
            format!("INV3: {id} has {expected} endings and {there} events")
        });
    }
    let mut got = BTreeSet::new();
    for one in received {
        findings.looked("webhooks received");
        findings.must(one.verified, || format!("INV9: webhook {} does not verify", one.id));
        findings.must(known.contains(&one.id) || one.body["transaction_id"] == "0".repeat(24), || {
            format!("INV3: webhook {} tells what is not stored", one.id)
        });
        got.insert(one.id.clone());
    }
    if !received.is_empty() {
        for id in known.difference(&got) {
            findings.broken.push(format!("INV3: event {id} never arrived"));
        }
    }
    Ok(())
}

/// INV7.
async fn approvals(
    store: &Store,
    findings: &mut Findings,
    by_id: &HashMap<&str, &Transaction>,
    ledgers: &HashMap<String, Vec<Value>>,
) -> Result<()> {
    let mut approved: HashMap<String, String> = HashMap::new();
    for row in query(store, "SELECT transaction_id, decided_by FROM approvals WHERE decision = 'approve'").await? {
        findings.looked("approvals");
        let maker = by_id.get(row[0].as_str()).map(|one| format!("credential:{}", one.maker));
        findings.must(maker.as_deref() != Some(&row[1]), || format!("INV7: {} was approved by its maker", row[0]));
        approved.insert(row[0].clone(), row[1].clone());
    }
    for (provider, entries) in ledgers {
        if !ALWAYS_HELD.contains(&provider.to_uppercase().as_str()) {
            continue;
        }
        for entry in entries.iter().filter(|entry| text(entry, "direction") == "out") {
            let reference = text(entry, "reference");
            findings.must(approved.contains_key(reference), || format!("INV7: {reference} left without an approval"));
        }
    }
    Ok(())
}

/// Every transaction has its live attempt, which says the same of account, provider, the provider's id and the ending; and no two
/// attempts of an account have one reference.
async fn attempts(store: &Store, findings: &mut Findings) -> Result<()> {
    let lone = "SELECT t.id FROM transactions t LEFT JOIN attempts a ON a.company_id = t.company_id AND a.transaction_id = t.id \
                AND a.n = t.live AND a.method_id = t.method_id AND a.psp_type = t.psp_type \
                AND COALESCE(a.psp_transaction_id, '') = COALESCE(t.psp_transaction_id, '') \
                AND COALESCE(a.outcome, '') = CASE WHEN t.status IN ('Created', 'Pending', 'OnHold') THEN '' ELSE t.status END \
                WHERE a.n IS NULL";
    for row in query(store, lone).await? {
        findings.broken.push(format!("{} has no live attempt that says what it says", row[0]));
    }
    let twice = "SELECT method_id, COALESCE(reference, transaction_id) FROM attempts \
                 GROUP BY method_id, COALESCE(reference, transaction_id) HAVING COUNT(*) > 1";
    for row in query(store, twice).await? {
        findings.broken.push(format!("two attempts of account {} have the reference {}", row[0], row[1]));
    }
    Ok(())
}

/// INV13: what is not final has a next action, or a person's name on it.
async fn next_actions(store: &Store, findings: &mut Findings, stored: &[Transaction]) -> Result<()> {
    let jobs: BTreeSet<String> = query(
        store,
        "SELECT t.id FROM transactions t JOIN attempts a ON a.company_id = t.company_id AND a.transaction_id = t.id \
                AND a.n = t.live WHERE a.next_kind IS NOT NULL",
    )
    .await?
    .into_iter()
    .map(|mut row| row.remove(0))
    .collect();
    for one in stored.iter().filter(|one| !FINAL.contains(&one.status.as_str())) {
        findings.looked("open transactions");
        let acts = jobs.contains(&one.id) || one.attention == "stuck" || one.status == "OnHold";
        findings.must(acts, || format!("INV13: {} is {} and nothing will happen to it", one.id, one.status));
    }
    Ok(())
}
