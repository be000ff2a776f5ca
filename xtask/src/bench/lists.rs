//! `bench lists`: every list, search, detail and status query of a company with a million transactions and what belongs to them.

use super::load::count;
use super::questions::{ALONE, Api, FEW_VALUED, OTHERS, OfTransactions, PAGE, Question, SELECTIVE};
use super::seed::{self, Seeded};
use super::stage::{Beside, Side, Stage, Store};
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client};

/// How long any of what must be whole may take, milliseconds (p99).
const BAR_MS: f64 = 100.0;
/// A day, for stretches of time.
const DAY: Duration = Duration::from_secs(86_400);

/// Questions of one kind: a row of the table.
struct Kind {
    name: &'static str,
    questions: Vec<Question>,
}

/// What they showed.
struct Shown {
    name: &'static str,
    latencies: Histogram<u64>,
    /// Answers that stopped early.
    stopped: u64,
    slowest: (u64, String),
}

/// Runs it over one store, without statistics and then with.
pub(crate) async fn measure(beside: &Beside, side: &Side, store: Store, rows: u64, repeats: u32) -> Result<Vec<Value>> {
    let mut stage = Stage::start(beside, side, store, true).await?;
    // Real life purges events after 30 days; here those of the whole past stay, and nothing is purged beside the questions.
    stage.keeps_events = true;
    let began = Instant::now();
    let (seeded, mut ready) = seed::fill(&mut stage, rows).await?;
    tell_seeded(store, &seeded, began.elapsed());
    let mut results = Vec::new();
    for statistics in [false, true] {
        if statistics {
            ready = stage.restart(async |stage| seed::analyze(stage).await).await?;
        }
        let began = Instant::now();
        let kinds = ask(&stage, repeats).await?;
        let seconds = began.elapsed().as_secs();
        eprintln!("measured: lists, {}, statistics {statistics}, in {seconds} s", store.name());
        let filled: Vec<Value> = seeded.iter().map(|s| json!({"table": s.table, "rows": s.rows})).collect();
        results.push(json!({
            "store": store.name(), "statistics": statistics, "rows": rows, "seeded": filled, "seconds": seconds,
            "readyMs": ready.as_millis(), "kinds": kinds.iter().map(shown).collect::<Vec<_>>(),
        }));
    }
    stage.stop().await?;
    Ok(results)
}

fn tell_seeded(store: Store, seeded: &[Seeded], took: Duration) {
    let tables: Vec<String> = seeded.iter().map(|s| format!("{} {} ({:.0} s)", s.rows, s.table, s.seconds)).collect();
    eprintln!("seeded over {} in {} s: {}", store.name(), took.as_secs(), tables.join(", "));
}

/// Asks everything.
async fn ask(stage: &Stage, repeats: u32) -> Result<Vec<Shown>> {
    let client = stage.client.clone().context("a platform")?;
    let lists = OfTransactions::counted(stage).await?;
    eprintln!("{}", lists.told());
    let mut kinds = vec![
        Kind { name: ALONE, questions: lists.singles(Api::Management) },
        Kind { name: FEW_VALUED, questions: lists.few_valued(Api::Management) },
        Kind { name: SELECTIVE, questions: lists.selective(Api::Management) },
        Kind { name: OTHERS, questions: lists.others(Api::Management) },
        Kind { name: "Cashier API: one filter", questions: lists.singles(Api::Cashier) },
        Kind { name: "Cashier API: pairs of the few-valued", questions: lists.few_valued(Api::Cashier) },
        Kind { name: "Cashier API: pairs of which one matches at most 20,000", questions: lists.selective(Api::Cashier) },
        Kind { name: "Cashier API: any other, always to the end", questions: lists.others(Api::Cashier) },
    ];
    let some = Known::of(&client).await?;
    kinds.extend(details(&some));
    kinds.extend(told(stage, &some).await?);
    kinds.extend(beside(stage).await?);
    let mut all = Vec::new();
    for kind in kinds {
        all.push(put(&client, kind, repeats).await?);
    }
    Ok(all)
}

/// Some transactions of the company's past.
struct Known {
    /// Of either id.
    ids: Vec<String>,
    /// From the middle of the past, and told about.
    middle: Vec<String>,
    /// Among the newest, and told about.
    newest: String,
}

impl Known {
    async fn of(client: &Client) -> Result<Self> {
        let ids = async |query: &str, of: &str| {
            let answer = client.manage("GET", &format!("/transactions?limit=10&{query}"), None).await?;
            let items = answer.body["data"]["items"].as_array().cloned().unwrap_or_default();
            ensure!(!items.is_empty(), "nothing to look at: {query}: {}", answer.body);
            Ok(items.iter().map(|item| item[of].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>())
        };
        let to = |days: u32| format!("to={}", (jiff::Timestamp::now() - DAY * days).strftime("%Y-%m-%dT%H:%M:%SZ"));
        let middle = format!("transaction_status=Approved&{}", to(45));
        let mut either = Vec::new();
        for query in
            [&*middle, &to(80), "transaction_status=OnHold", "transaction_status=Rejected", "attention=stuck", "userId=heavy"]
        {
            either.extend(ids(query, "transactionId").await?);
            either.extend(ids(query, "sessionId").await?);
        }
        let newest = ids(&format!("transaction_status=Approved&{}", to(1)), "transactionId").await?.swap_remove(0);
        Ok(Self { ids: either, middle: ids(&middle, "transactionId").await?, newest })
    }
}

/// The first event of a seeded transaction, and the delivery of it.
fn first_of(transaction: &str) -> (String, String) {
    let (time, number) = transaction.split_at(12);
    let delivery = format!("{time}1{}", &number[1..]);
    (format!("evt_{delivery}"), delivery)
}

fn details(some: &Known) -> Vec<Kind> {
    let one = |api: Api| some.ids.iter().map(|id| Question::new(api, format!("/transactions/{id}"))).collect();
    vec![
        Kind { name: "one transaction", questions: one(Api::Management) },
        Kind { name: "Cashier API: status of one", questions: one(Api::Cashier) },
    ]
}

/// Deliveries and events.
async fn told(stage: &Stage, some: &Known) -> Result<Vec<Kind>> {
    const STATES: [&str; 6] = ["waiting", "delivered", "failing", "exhausted", "stopped", "disabled"];
    let at = |days: u32| (jiff::Timestamp::now() - DAY * days).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let stretches = [
        format!("from={}", at(1)),
        format!("from={}&to={}", at(45), at(44)),
        format!("to={}", at(89)),
        format!("to={}", at(400)),
        format!("from={}", at(88)),
    ];
    let list = |query: &str| Question::list(Api::Management, format!("/deliveries?limit={PAGE}&{query}").trim_end_matches('&'));
    let counted = STATES.map(|state| format!("COUNT(CASE WHEN state = '{state}' THEN 1 END)")).join(", ");
    let counted = stage.ask_store_for_row(&format!("SELECT {counted} FROM deliveries")).await?;
    let mut alone = vec![Question { entries: Some(PAGE), ..list("") }];
    alone.extend(
        STATES
            .iter()
            .zip(counted)
            .map(|(state, rows)| Question { entries: Some(rows.min(PAGE)), ..list(&format!("status={state}")) }),
    );
    alone.extend(stretches.iter().map(|stretch| list(stretch)));
    alone.extend(some.middle.iter().map(|id| list(&format!("transactionId={id}"))));
    let mut pairs = Vec::new();
    for state in STATES {
        pairs.extend(stretches.iter().map(|stretch| list(&format!("status={state}&{stretch}"))));
        pairs.extend(some.middle.iter().take(2).map(|id| list(&format!("status={state}&transactionId={id}"))));
    }
    for stretch in &stretches {
        pairs.extend(some.middle.iter().take(2).map(|id| list(&format!("transactionId={id}&{stretch}"))));
    }
    let one = some.middle.iter().map(|id| Question::new(Api::Management, format!("/deliveries/{}", first_of(id).1))).collect();
    let page = |query: String, entries| Question { entries, ..Question::new(Api::Cashier, format!("/events?{query}")) };
    let mut events = vec![page(format!("limit={PAGE}"), Some(PAGE)), page("limit=200".to_owned(), Some(200))];
    events.extend(some.middle.iter().map(|id| page(format!("limit={PAGE}&after={}", first_of(id).0), Some(PAGE))));
    events.push(page(format!("limit={PAGE}&after={}", first_of(&some.newest).0), None));
    Ok(vec![
        Kind { name: "deliveries", questions: alone },
        Kind { name: "deliveries, pairs of filters", questions: pairs },
        Kind { name: "one delivery", questions: one },
        Kind { name: "events (the pull twin)", questions: events },
    ])
}

/// Approvals, the audit log, and the lists of what a company configures.
async fn beside(stage: &Stage) -> Result<Vec<Kind>> {
    const STATUSES: [&str; 3] = ["waiting", "approved", "rejected"];
    let list = |path: &str, rows: i64| Question { entries: Some(rows.min(PAGE)), ..Question::list(Api::Management, path) };
    let counted = STATUSES.map(|status| format!("COUNT(CASE WHEN status = '{status}' THEN 1 END)")).join(", ");
    let holds = stage.ask_store_for_row(&format!("SELECT COUNT(*), {counted} FROM holds")).await?;
    let paths = [String::new()].into_iter().chain(STATUSES.map(|status| format!("&status={status}")));
    let approvals = paths.zip(holds).map(|(query, rows)| list(&format!("/approvals?limit={PAGE}{query}"), rows)).collect();
    let audit = stage.ask_store("SELECT COUNT(*) FROM audit").await?;
    let small = ["/payment-methods", "/rules", "/brands", "/credentials", "/company"];
    let small = small.iter().map(|path| Question::new(Api::Management, *path)).collect();
    Ok(vec![
        Kind { name: "approvals", questions: approvals },
        Kind { name: "the audit log", questions: vec![list(&format!("/audit?limit={PAGE}"), audit)] },
        Kind { name: "lists of what is configured", questions: small },
    ])
}

/// Puts the questions of one kind, each so often.
async fn put(client: &Client, kind: Kind, repeats: u32) -> Result<Shown> {
    let latencies = Histogram::new_with_bounds(1, 120_000_000, 3).context("a histogram")?;
    let mut shown = Shown { name: kind.name, latencies, stopped: 0, slowest: (0, String::new()) };
    ensure!(!kind.questions.is_empty(), "{}: there is nothing to ask", kind.name);
    for _ in 0..repeats {
        for question in &kind.questions {
            let answer = one(client, question.api, &question.path, &mut shown).await?;
            let data = &answer.body["data"];
            let entries = data["items"].as_array().map(Vec::len);
            if let Some(expected) = question.entries {
                let stopped = data["searchedBackTo"].is_string();
                ensure!(
                    stopped || entries == usize::try_from(expected).ok(),
                    "{}: {expected} entries are on its first page, not {entries:?}",
                    question.path
                );
            }
            if let Some(cursor) = data["nextCursor"].as_str().filter(|_| question.goes_on) {
                one(client, question.api, &format!("{}&cursor={cursor}", question.path), &mut shown).await?;
            }
        }
    }
    Ok(shown)
}

/// Puts one question, and notes how long it took.
async fn one(client: &Client, api: Api, path: &str, shown: &mut Shown) -> Result<Answer> {
    let sent = Instant::now();
    let answer = match api {
        Api::Management => client.manage("GET", path, None).await?,
        Api::Cashier => client.read(&format!("/v1/api/mozarto{path}")).await?,
    };
    let took = u64::try_from(sent.elapsed().as_micros())?.max(1);
    ensure!(answer.status == 200, "{path}: {}", answer.body);
    shown.latencies.saturating_record(took);
    shown.stopped += u64::from(answer.body["data"]["searchedBackTo"].is_string());
    if took > shown.slowest.0 {
        shown.slowest = (took, path.replace(&format!("limit={PAGE}"), "").replace("&budget=soft&", "").replace("?&", "?"));
    }
    Ok(answer)
}

fn shown(kind: &Shown) -> Value {
    let ms = |quantile: f64| (count(kind.latencies.value_at_quantile(quantile)) / 100.0).round() / 10.0;
    json!({
        "kind": kind.name, "asked": kind.latencies.len(), "p50Ms": ms(0.5), "p99Ms": ms(0.99), "maxMs": ms(1.0),
        "stoppedEarly": kind.stopped, "slowest": kind.slowest.1,
    })
}

/// The table of this run; what took longer than it may, or stopped early and may not.
pub(crate) fn print(results: &[Value]) {
    println!("| store | statistics | asked for | answers | p50 ms | p99 ms | max ms | stopped early | slowest |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut too_long = Vec::new();
    for result in results {
        let statistics = if result["statistics"] == true { "yes" } else { "no" };
        for kind in result["kinds"].as_array().into_iter().flatten() {
            let (store, name) = (result["store"].as_str().unwrap_or_default(), kind["kind"].as_str().unwrap_or_default());
            println!(
                "| {store} | {statistics} | {name} | {} | {} | {} | {} | {} | `{}` |",
                kind["asked"],
                kind["p50Ms"],
                kind["p99Ms"],
                kind["maxMs"],
                kind["stoppedEarly"],
                kind["slowest"].as_str().unwrap_or_default()
            );
            let slow = kind["p99Ms"].as_f64().is_some_and(|ms| ms > BAR_MS);
            if !may_stop(name) && (slow || kind["stoppedEarly"] != 0) {
                too_long.push(format!(
                    "{store}, statistics {statistics}, {name}: p99 {} ms, {} stopped early",
                    kind["p99Ms"], kind["stoppedEarly"]
                ));
            }
        }
    }
    if too_long.is_empty() {
        println!("\nEverything that must be whole was, within {BAR_MS} ms (p99).");
    } else {
        println!("\nMust be whole within {BAR_MS} ms (p99), and was not:\n{}", too_long.join("\n"));
    }
}

/// Whether those may stop early, or take their time to the end.
fn may_stop(kind: &str) -> bool {
    kind == OTHERS || kind.starts_with("Cashier API: any other")
}
