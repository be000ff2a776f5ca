//! kill -9 under load, again and again; then every promise is checked. Over PostgreSQL it is two processes that share the store.

mod load;
mod processes;

use crate::client::Client;
use crate::invariants::{self, Findings, Store};
use crate::sandbox::{Options, Sandbox};
use crate::sink::Sink;
use anyhow::{Context, Result, ensure};
use load::{Dice, Record, keep};
use processes::Processes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How a crash run goes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The binary.
    pub binary: std::path::PathBuf,
    /// `postgres://...`, for two processes; none: the embedded store of one.
    pub database: Option<String>,
    /// At how many moments one of them, or all, are killed.
    pub kills: u32,
    /// For the moments of the kills and the order of the requests.
    pub seed: u64,
}

/// What a crash run showed.
#[derive(Debug)]
pub struct Report {
    /// Moments at which something was killed.
    pub kills: u32,
    /// How many processes shared the store.
    pub processes: usize,
    /// How many were killed in all.
    pub processes_killed: u32,
    /// Requests of which a transaction was answered.
    pub answered: usize,
    /// Requests whose connection died with the process, asked again with their key.
    pub asked_again: usize,
    /// From the last start until nothing was pending.
    pub quiet_after: Duration,
    /// The longest start.
    pub longest_start: Duration,
    /// How the transactions ended.
    pub standings: std::collections::BTreeMap<String, u64>,
    /// What was checked and what is broken.
    pub findings: Findings,
}

/// Whom the load pays by: each way in which money moves or a page opens. Of the others, pages that a payer left when the process
/// died stay open for hours, which no test waits for.
const PROVIDERS: [&str; 7] = ["payone", "forumpay", "flexepin", "gigadat", "neosurf", "emerchantpay", "worldpay"];
/// Those of which merchants get webhooks.
const WITH_WEBHOOKS: [&str; 6] = ["PAYONE", "FORUMPAY", "GIGADAT", "NEOSURF", "EMERCHANTPAY", "WORLDPAY_EU"];

/// Waits are divided by this.
const SCALE: u32 = 60;
/// Simulators settle after this, milliseconds as written.
const SETTLE_MS: u64 = 50;
/// Shortest and longest load before a kill, milliseconds.
const LOAD_MS: (u64, u64) = (150, 1_200);
/// After the last start everything must have ended within this.
const QUIET_LIMIT: Duration = Duration::from_secs(60);

/// Runs the plan.
///
/// # Errors
/// When the sandbox does not come up again or the store cannot be read; broken promises are in the report.
pub async fn run(plan: &Plan) -> Result<Report> {
    let data = tempfile::tempdir()?;
    let dice = Arc::new(Dice::new(plan.seed));
    let mut options =
        Options::new(&plan.binary, data.path()).auto_settle(SETTLE_MS).time_scale(SCALE).variable("MOZARTO_LOG", "error");
    for provider in PROVIDERS {
        let name = format!("MOZARTO_PROVIDERS_{}_NOT_FOUND_AFTER_SECONDS", provider.to_uppercase());
        options = options.variable(&name, "60");
    }
    if let Some(url) = &plan.database {
        options = options.database(url);
    }
    let other = other_company(&options).await.context("making another company")?;
    let mut processes = Processes::start(options).await?;
    let sink = Sink::start(processes.first().text("webhookSecret"), processes.first().text("webhookBearer")).await?;
    Client::of(processes.first()).set_webhooks(&sink.url, &WITH_WEBHOOKS).await?;
    dress_answers(&Client::of(processes.first())).await?;
    let record = Arc::new(Mutex::new(Record::default()));
    for _ in 0..plan.kills {
        processes.kill_some(&record, &dice).await?;
        // Now and then the next kill comes before everything is recovered: what still runs is asked about after it.
        ask_again(&processes, &record, &dice, false).await?;
    }
    processes.stop_all_load().await;
    ask_again(&processes, &record, &dice, true).await?;
    let sandbox = processes.first();
    let quiet_after = wait_until_quiet(sandbox, &store_of(sandbox)).await?;
    let (mut findings, standings) = look(sandbox, &sink, &record).await?;
    nothing_of_others(sandbox, &other, &record, &mut findings).await?;
    processes.others_were_not_called().await?;
    let record = record.lock().unwrap_or_else(PoisonError::into_inner);
    findings.broken.extend(record.broken.iter().cloned());
    Ok(Report {
        kills: plan.kills,
        processes: processes.count(),
        processes_killed: processes.killed,
        answered: record.answered.len(),
        asked_again: record.asked_again,
        quiet_after,
        longest_start: processes.longest_start,
        standings,
        findings,
    })
}

/// Some answer as strictly as their sheets say, others wear what real ones wear; the simulators keep it over every kill.
async fn dress_answers(client: &Client) -> Result<()> {
    for (provider, answers, callbacks) in [
        ("payone", json!({"packed": "gzip"}), json!({})),
        ("forumpay", json!({"marks": 1}), json!({})),
        ("gigadat", json!({"exponents": true}), json!({})),
        ("emerchantpay", json!({"packed": "deflate", "marks": 1}), json!({})),
    ] {
        let settings = json!({"dress": answers, "dressCallbacks": callbacks});
        let answer = client.control("PUT", &format!("/{provider}/settings"), Some(settings)).await?;
        ensure!(answer.status == 200, "{provider}: {} {}", answer.status, answer.body);
    }
    Ok(())
}

/// A second company in the same store: its tokens, by the binary's own command. The first start makes the master key.
async fn other_company(options: &Options) -> Result<Value> {
    let mut first = Sandbox::start(options.clone()).await?;
    first.terminate().await?;
    let mut command = tokio::process::Command::new(&options.binary);
    // The settings of tests are none of the product's.
    command.env_remove(crate::postgres::URL_VARIABLE);
    command.args(["company", "create", "--name", "Other company", "--country", "DE", "--json"]);
    match &options.database {
        None => {
            command.arg("--data").arg(&options.data);
        }
        Some(url) => {
            command
                .env("MOZARTO_ENVIRONMENT", "sandbox")
                .env("MOZARTO_PUBLIC_URL", "http://127.0.0.1:1")
                .env("MOZARTO_DATABASE", url);
            command.env("MOZARTO_MASTER_KEY_FILE", options.data.join("master.key"));
        }
    }
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// How many transactions another company asks for by id.
const FOREIGN_IDS: usize = 200;

/// INV12: the other company sees nothing of the first, by id or in a list.
async fn nothing_of_others(sandbox: &Sandbox, other: &Value, record: &Mutex<Record>, findings: &mut Findings) -> Result<()> {
    let mut stranger = Client::of(sandbox);
    stranger.company_token = other["companyToken"].as_str().context("a company token")?.to_owned();
    stranger.management_token = other["managementToken"].as_str().context("a management token")?.to_owned();
    let ids: Vec<String> = record
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .answered
        .iter()
        .map(|one| one.transaction_id.clone())
        .take(FOREIGN_IDS)
        .collect();
    let unknown = stranger.status(&"0".repeat(24)).await?;
    for id in &ids {
        for answer in [stranger.status(id).await?, stranger.manage("GET", &format!("/transactions/{id}"), None).await?] {
            if answer.status != 404 || answer.bytes != unknown.bytes {
                findings.broken.push(format!("INV12: another company got {} for {id}: {}", answer.status, answer.body));
            }
        }
    }
    for path in ["/transactions", "/approvals", "/deliveries", "/payment-methods", "/rules"] {
        let answer = stranger.manage("GET", path, None).await?;
        if answer.body["data"]["items"] != json!([]) {
            findings.broken.push(format!("INV12: another company sees {path}: {}", answer.body));
        }
    }
    let events = stranger.read("/v1/api/mozarto/events").await?;
    if events.body["data"]["items"] != json!([]) {
        findings.broken.push(format!("INV12: another company sees events: {}", events.body));
    }
    findings.looked_at.insert("ids asked for by another company", u64::try_from(ids.len())?);
    Ok(())
}

fn store_of(sandbox: &Sandbox) -> Store {
    match &sandbox.options.database {
        Some(url) => Store::Postgres(url.clone()),
        None => Store::Sqlite(sandbox.data().join("mozarto.db")),
    }
}

async fn look(
    sandbox: &Sandbox,
    sink: &Sink,
    record: &Mutex<Record>,
) -> Result<(Findings, std::collections::BTreeMap<String, u64>)> {
    let client = Client::of(sandbox);
    let mut ledgers = HashMap::new();
    for provider in PROVIDERS {
        ledgers.insert(provider.to_owned(), client.ledger(provider).await?);
    }
    let answered = record.lock().unwrap_or_else(PoisonError::into_inner).answered.clone();
    let store = store_of(sandbox);
    let findings = invariants::check(&store, &ledgers, &answered, &sink.received()).await?;
    let standings = invariants::standings(&store).await?;
    Ok((findings, standings))
}

/// Waits until nothing is pending but what waits for a person, and no delivery is due.
async fn wait_until_quiet(sandbox: &Sandbox, store: &Store) -> Result<Duration> {
    let began = Instant::now();
    let client = Client::of(sandbox);
    loop {
        let standings = invariants::standings(store).await?;
        let stuck = client.manage("GET", "/transactions?attention=stuck&transaction_status=Pending&limit=200", None).await?;
        let stuck = stuck.body["data"]["items"].as_array().map_or(0, Vec::len);
        let open = standings.get("Pending").copied().unwrap_or(0) + standings.get("Created").copied().unwrap_or(0);
        let mut due = 0;
        for status in ["waiting", "failing"] {
            let answer = client.manage("GET", &format!("/deliveries?status={status}&limit=1"), None).await?;
            due += answer.body["data"]["items"].as_array().map_or(0, Vec::len);
        }
        if open == u64::try_from(stuck)? && due == 0 {
            return Ok(began.elapsed());
        }
        ensure!(
            began.elapsed() < QUIET_LIMIT,
            "{open} transactions ({stuck} stuck) and {due} deliveries are open after {QUIET_LIMIT:?}: {standings:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What had no answer is asked for again with its key, at whichever process: 409 until it is recovered (waited for when
/// `to_the_end`), then one answer, for good.
async fn ask_again(processes: &Processes, record: &Mutex<Record>, dice: &Dice, to_the_end: bool) -> Result<()> {
    let unanswered = std::mem::take(&mut record.lock().unwrap_or_else(PoisonError::into_inner).unanswered);
    let until = Instant::now() + QUIET_LIMIT;
    for (key, body) in unanswered {
        loop {
            let client = processes.any_client(dice);
            let answer = client.cashier_with_key(&body, &key).await.context("asking again")?;
            if answer.status == 409 && !to_the_end {
                record.lock().unwrap_or_else(PoisonError::into_inner).unanswered.push((key, body));
                break;
            }
            if answer.status == 409 {
                ensure!(Instant::now() < until, "key {key} is still running after {QUIET_LIMIT:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            let again = processes.any_client(dice).cashier_with_key(&body, &key).await.context("asking a third time")?;
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.asked_again += 1;
            keep(&mut record, &key, &body, &answer);
            let created = !answer.body["transaction"].is_null();
            if created && again.bytes != answer.bytes {
                record.broken.push(format!("INV8: key {key} was answered twice, differently"));
            }
            break;
        }
    }
    Ok(())
}
