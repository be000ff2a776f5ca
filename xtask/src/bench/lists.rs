//! `bench lists`: every filter of the lists alone, and their pairs, over a company with a million transactions.

use super::load::count;
use super::seed;
use super::stage::{Beside, Side, Stage, Store};
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Instant;
use testkit::client::Client;

const STATUSES: [&str; 9] =
    ["Pending", "OnHold", "Approved", "Declined", "Cancelled", "Expired", "Rejected", "Failed", "Reversed"];
const TYPES: [&str; 2] = ["PAYIN", "PAYOUT"];
const PROVIDERS: [&str; 10] =
    ["FORUMPAY", "GIGADAT", "WORLDPAY_EU", "CLEO", "TRUST", "PAYONE", "NEOSURF", "FLEXEPIN", "BRITE", "EMERCHANTPAY"];
const ATTENTIONS: [&str; 2] = ["stuck", "anomaly"];
const USERS: [&str; 3] = ["heavy", "user_77", "nobody"];
const REFERENCES: [&str; 2] = ["ref-4711", "ref-none"];

type Filter = Vec<(&'static str, String)>;

/// What the questions of one kind showed.
struct Kind {
    name: &'static str,
    latencies: Histogram<u64>,
    stopped: u64,
    slowest: (u64, String),
}

fn all(name: &'static str, values: &[&str]) -> Vec<(&'static str, String)> {
    values.iter().map(|value| (name, (*value).to_owned())).collect()
}

/// The few-valued filters.
fn group() -> Vec<Vec<(&'static str, String)>> {
    vec![all("transaction_status", &STATUSES), all("type", &TYPES), all("pspType", &PROVIDERS), all("attention", &ATTENTIONS)]
}

/// Two stretches of time: a day in the middle, and one before everything.
fn times() -> Vec<Filter> {
    let before = |days: u64| {
        let at = jiff::Timestamp::now() - std::time::Duration::from_secs(days * 86_400);
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    vec![
        vec![("from", before(45)), ("to", before(44))],
        vec![("to", before(89))],
        vec![("to", before(400))],
        vec![("from", before(1))],
    ]
}

fn singles() -> Vec<Filter> {
    let mut singles: Vec<Filter> = group().into_iter().flatten().map(|filter| vec![filter]).collect();
    singles.extend(all("userId", &USERS).into_iter().map(|filter| vec![filter]));
    singles.extend(all("merchantReference", &REFERENCES).into_iter().map(|filter| vec![filter]));
    singles.extend(times());
    singles.push(Vec::new());
    singles
}

/// Pairs within the few-valued group.
fn few_valued_pairs() -> Vec<Filter> {
    let groups = group();
    let mut pairs = Vec::new();
    for (index, one) in groups.iter().enumerate() {
        for other in &groups[index + 1..] {
            pairs.extend(one.iter().flat_map(|a| other.iter().map(|b| vec![a.clone(), b.clone()])));
        }
    }
    pairs
}

/// Pairs of which one matches few rows.
fn selective_pairs() -> Vec<Filter> {
    let mut pairs = Vec::new();
    for selective in
        [("userId", "user_77"), ("userId", "nobody"), ("merchantReference", "ref-4711"), ("merchantReference", "ref-none")]
    {
        let selective = (selective.0, selective.1.to_owned());
        pairs.extend(group().into_iter().flatten().map(|other| vec![selective.clone(), other]));
    }
    // A merchant that gives many transactions one reference.
    for user in ["user_77", "nobody"] {
        pairs.push(vec![("userId", user.to_owned()), ("merchantReference", "often".to_owned())]);
    }
    pairs.push(vec![("userId", "heavy".to_owned()), ("merchantReference", "ref-4711".to_owned())]);
    // The user has a tenth of all transactions; these match few.
    for rare in [
        ("transaction_status", "OnHold"),
        ("transaction_status", "Rejected"),
        ("pspType", "BRITE"),
        ("pspType", "FORUMPAY"),
        ("attention", "stuck"),
    ] {
        pairs.push(vec![("userId", "heavy".to_owned()), (rare.0, rare.1.to_owned())]);
    }
    pairs
}

/// What may stop early: two filters of which none is selective, three of them, and stretches of time.
fn others() -> Vec<Filter> {
    let heavy = || ("userId", "heavy".to_owned());
    let mut others: Vec<Filter> = vec![
        vec![heavy(), ("type", "PAYOUT".into())],
        vec![heavy(), ("pspType", "TRUST".into())],
        vec![heavy(), ("pspType", "TRUST".into()), ("transaction_status", "Reversed".into())],
        vec![heavy(), ("transaction_status", "Declined".into()), ("type", "PAYIN".into())],
    ];
    for time in times() {
        for filter in [("transaction_status", "Approved"), ("type", "PAYOUT"), ("pspType", "BRITE"), ("userId", "heavy")] {
            let mut both = time.clone();
            both.push((filter.0, filter.1.to_owned()));
            others.push(both);
        }
    }
    others
}

/// Runs it over one store.
pub(crate) async fn measure(
    beside: &Beside,
    side: &Side,
    store: Store,
    rows: u64,
    repeats: u32,
    statistics: bool,
) -> Result<Value> {
    let mut stage = Stage::start(beside, side, store, false).await?;
    let began = Instant::now();
    let ready = stage.restart(async |stage| seed::transactions(stage, rows, statistics).await).await?;
    let seeded = began.elapsed() - ready;
    let client = stage.client.clone().context("a platform")?;
    let real = client.cashier(&testkit::client::bodies::payone("PAYIN", "100.00")).await?;
    let id = real.text("/transaction/transactionId").to_owned();
    ensure!(!id.is_empty(), "a pay-in was not taken: {}", real.body);
    let mut kinds = Vec::new();
    for (name, filters) in [
        ("one filter", singles()),
        ("pairs of few-valued", few_valued_pairs()),
        ("pairs, one selective", selective_pairs()),
        ("any other", others()),
    ] {
        kinds.push(ask_all(&client, name, &filters, repeats).await?);
    }
    kinds.push(ask_paths(&client, "detail, status", &[format!("/transactions/{id}")], repeats * 20).await?);
    let deliveries: Vec<String> =
        ["?", "?status=failing", "?status=delivered"].map(|query| format!("/deliveries{query}")).to_vec();
    kinds.push(ask_paths(&client, "deliveries", &deliveries, repeats).await?);
    stage.stop().await?;
    let shown: Vec<Value> = kinds.iter().map(shown).collect();
    Ok(
        json!({"store": store.name(), "statistics": statistics, "rows": rows, "seedSeconds": seeded.as_secs(), "readyMs": ready.as_millis(), "kinds": shown}),
    )
}

fn shown(kind: &Kind) -> Value {
    let ms = |quantile: f64| (count(kind.latencies.value_at_quantile(quantile)) / 10.0).round() / 100.0;
    json!({
        "kind": kind.name, "asked": kind.latencies.len(), "p50Ms": ms(0.5), "p99Ms": ms(0.99), "maxMs": ms(1.0),
        "stoppedEarly": kind.stopped, "slowest": kind.slowest.1,
    })
}

async fn ask_all(client: &Client, name: &'static str, filters: &[Filter], repeats: u32) -> Result<Kind> {
    let query = |filter: &Filter| {
        let pairs: Vec<String> = filter.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("/transactions?limit=50&budget=soft&{}", pairs.join("&"))
    };
    ask_paths(client, name, &filters.iter().map(query).collect::<Vec<_>>(), repeats).await
}

async fn ask_paths(client: &Client, name: &'static str, paths: &[String], repeats: u32) -> Result<Kind> {
    let latencies = Histogram::new_with_bounds(1, 120_000_000, 3).context("a histogram")?;
    let mut kind = Kind { name, latencies, stopped: 0, slowest: (0, String::new()) };
    for _ in 0..repeats {
        for path in paths {
            let sent = Instant::now();
            let mut answer = client.manage("GET", path, None).await?;
            if answer.status == 400 && path.contains("budget=soft&") {
                // A revision that does not know the word yet.
                answer = client.manage("GET", &path.replace("budget=soft&", ""), None).await?;
            }
            let took = u64::try_from(sent.elapsed().as_micros())?.max(1);
            ensure!(answer.status == 200, "{path}: {}", answer.body);
            kind.latencies.saturating_record(took);
            kind.stopped += u64::from(answer.body["data"]["searchedBackTo"].is_string());
            if took > kind.slowest.0 {
                kind.slowest = (took, path.replace("limit=50&budget=soft&", ""));
            }
        }
    }
    Ok(kind)
}

/// The table.
pub(crate) fn print(results: &[Value]) {
    println!("| store | statistics | asked for | answers | p50 ms | p99 ms | max ms | stopped early | slowest |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for result in results {
        for kind in result["kinds"].as_array().into_iter().flatten() {
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | `{}` |",
                result["store"].as_str().unwrap_or_default(),
                if result["statistics"] == true { "yes" } else { "no" },
                kind["kind"].as_str().unwrap_or_default(),
                kind["asked"],
                kind["p50Ms"],
                kind["p99Ms"],
                kind["maxMs"],
                kind["stoppedEarly"],
                kind["slowest"].as_str().unwrap_or_default()
            );
        }
    }
}
