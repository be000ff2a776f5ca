//! kill -9 under load, again and again; then every promise is checked.

use crate::client::{Client, bodies};
use crate::invariants::{self, Findings, Ordered, Store};
use crate::sandbox::{Options, Sandbox};
use crate::sink::Sink;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How a crash run goes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The binary.
    pub binary: std::path::PathBuf,
    /// `postgres://...`; none: the embedded store.
    pub database: Option<String>,
    /// How often it is killed.
    pub kills: u32,
    /// For the moments of the kills and the order of the requests.
    pub seed: u64,
}

/// What a crash run showed.
#[derive(Debug)]
pub struct Report {
    /// Kills done.
    pub kills: u32,
    /// Requests answered 2xx.
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

/// A small generator of numbers that look random and come again with the same seed.
#[derive(Debug)]
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, below: u64) -> u64 {
        let next = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }
}

/// What the load knows.
#[derive(Default)]
struct Record {
    answered: Vec<Ordered>,
    /// Key, body: the connection died; to be asked again.
    unanswered: Vec<(String, String)>,
    /// First bytes per key.
    bytes: HashMap<String, Vec<u8>>,
    broken: Vec<String>,
    asked_again: usize,
}

/// Whom the load pays by: each way in which money moves or a page opens. Of the others, pages that a payer left when the process died stay open for hours, which no test
/// waits for.
const PROVIDERS: [&str; 7] = ["payone", "forumpay", "flexepin", "gigadat", "neosurf", "emerchantpay", "worldpay"];
/// Those of which merchants get webhooks.
const WITH_WEBHOOKS: [&str; 6] = ["PAYONE", "FORUMPAY", "GIGADAT", "NEOSURF", "EMERCHANTPAY", "WORLDPAY_EU"];

/// `email` of the sandbox's user token.
const USER_EMAIL: &str = "player@example.com";
/// Requests at once.
const WORKERS: usize = 6;
/// Waits are divided by this.
const SCALE: u32 = 60;
/// Simulators settle after this, milliseconds as written.
const SETTLE_MS: u64 = 50;
/// Shortest and longest load before a kill, milliseconds.
const LOAD_MS: (u64, u64) = (150, 1_200);
/// After the last start everything must have ended within this.
const QUIET_LIMIT: Duration = Duration::from_secs(60);
/// PINs of vouchers, so that each is used once.
static SERIAL: AtomicU32 = AtomicU32::new(1);

/// Runs the plan.
///
/// # Errors
/// When the sandbox does not come up again or the store cannot be read; broken promises are in the report.
pub async fn run(plan: &Plan) -> Result<Report> {
    let data = tempfile::tempdir()?;
    let dice = Arc::new(Dice(AtomicU64::new(plan.seed)));
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
    let mut sandbox = Sandbox::start(options).await?;
    let sink = Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?;
    Client::of(&sandbox).set_webhooks(&sink.url, &WITH_WEBHOOKS).await?;
    dress_answers(&Client::of(&sandbox)).await?;
    let record = Arc::new(Mutex::new(Record::default()));
    let mut longest_start = sandbox.start_took;
    for _ in 0..plan.kills {
        let load = Load::start(&sandbox, &record, &dice);
        let length = LOAD_MS.0 + dice.roll(LOAD_MS.1 - LOAD_MS.0);
        tokio::time::sleep(Duration::from_millis(length)).await;
        sandbox.kill().await?;
        load.stop().await;
        sandbox = Sandbox::start(sandbox.options.clone()).await?;
        longest_start = longest_start.max(sandbox.start_took);
        // Now and then the next kill comes before everything is recovered: what still runs is asked about after it.
        ask_again(&sandbox, &record, false).await?;
    }
    ask_again(&sandbox, &record, true).await?;
    let quiet_after = wait_until_quiet(&sandbox, &store_of(&sandbox)).await?;
    let (findings, standings) = look(&sandbox, &sink, &record).await?;
    let mut findings = findings;
    nothing_of_others(&sandbox, &other, &record, &mut findings).await?;
    let record = record.lock().unwrap_or_else(PoisonError::into_inner);
    findings.broken.extend(record.broken.iter().cloned());
    Ok(Report {
        kills: plan.kills,
        answered: record.answered.len(),
        asked_again: record.asked_again,
        quiet_after,
        longest_start,
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

/// The load beside which the process is killed.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(sandbox: &Sandbox, record: &Arc<Mutex<Record>>, dice: &Arc<Dice>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = Client::of(sandbox);
        let mut tasks = Vec::new();
        for _ in 0..WORKERS {
            let (client, record, dice, stop) = (client.clone(), record.clone(), dice.clone(), stop.clone());
            tasks.push(tokio::spawn(async move {
                // The first broken connection is the kill: what would come after it never reaches anybody.
                while !stop.load(Ordering::Relaxed) && one_request(&client, &record, &dice).await {}
            }));
        }
        let (stop_too, dice) = (stop.clone(), dice.clone());
        tasks.push(tokio::spawn(async move {
            while !stop_too.load(Ordering::Relaxed) {
                decide_one(&client, &dice).await;
            }
        }));
        Self { stop, tasks }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

fn key(dice: &Dice) -> String {
    format!("crash-{:016x}{:016x}", dice.roll(u64::MAX), dice.roll(u64::MAX))
}

/// A body with one of the amounts that the simulators make trouble for, or with none.
fn body(dice: &Dice) -> String {
    let cents = ["00", "00", "00", "05", "08", "10", "11", "12"][usize::try_from(dice.roll(8)).unwrap_or_default()];
    let amount = format!("{}.{cents}", 10 + dice.roll(90));
    match dice.roll(12) {
        6 => bodies::gigadat_in(&amount),
        7 => bodies::gigadat_out("ETO", &amount),
        8 => bodies::neosurf("EUR", &amount),
        9 | 10 => bodies::emerchantpay(&amount, "4200000000000000"),
        11 => bodies::worldpay_card(&amount, "4444333322221111", "John Doe"),
        0 | 1 => bodies::payone("PAYIN", &amount),
        2 => bodies::payone("PAYOUT", &amount),
        3 => bodies::forumpay_in(&amount),
        4 => bodies::forumpay_out(&amount),
        _ => {
            let minor = amount.replace('.', "").parse().unwrap_or(2_500);
            bodies::flexepin(SERIAL.fetch_add(1, Ordering::Relaxed) % 1_000_000, minor)
        }
    }
}

/// One client in so many hangs up, after at most so many milliseconds.
const HANGS_UP: (u64, u64) = (12, 40);

/// Whether the process is there: there was an answer, or the client did not wait for one.
async fn one_request(client: &Client, record: &Mutex<Record>, dice: &Dice) -> bool {
    let (key, body) = (key(dice), body(dice));
    let call = client.cashier_with_key(&body, &key);
    let patience = if dice.roll(HANGS_UP.0) == 0 { Duration::from_millis(dice.roll(HANGS_UP.1)) } else { QUIET_LIMIT };
    let Ok(answer) = tokio::time::timeout(patience, call).await else {
        record.lock().unwrap_or_else(PoisonError::into_inner).unanswered.push((key, body));
        return true;
    };
    let Ok(answer) = answer else {
        record.lock().unwrap_or_else(PoisonError::into_inner).unanswered.push((key, body));
        return false;
    };
    keep(&mut record.lock().unwrap_or_else(PoisonError::into_inner), &key, &body, &answer);
    give_back_parts(client, dice, &answer.body["transaction"]).await;
    true
}

/// Now and then two parts of a card payment are given back at the provider's console.
async fn give_back_parts(client: &Client, dice: &Dice, transaction: &Value) {
    let of_a_card = transaction["pspType"] == "EMERCHANTPAY" && transaction["transaction_status"] == "Approved";
    if !of_a_card || dice.roll(4) != 0 {
        return;
    }
    let id = transaction["transactionId"].as_str().unwrap_or_default();
    for minor in [100, 150] {
        // One that the kill cuts was given back or was not; either is as it may be.
        let _ = client.control("POST", &format!("/emerchantpay/{id}/refund?minor={minor}"), None).await;
    }
}

fn keep(record: &mut Record, key: &str, body: &str, answer: &crate::client::Answer) {
    if let Some(first) = record.bytes.get(key)
        && *first != answer.bytes
    {
        record.broken.push(format!("INV8: key {key} was answered with other bytes"));
    }
    record.bytes.insert(key.to_owned(), answer.bytes.clone());
    let shown = &answer.body["transaction"];
    if answer.status != 200 && shown.is_null() {
        if answer.status >= 500 {
            record.broken.push(format!("an answer of ours failed: {} {}", answer.status, answer.body));
        }
        return;
    }
    let request: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    // To the user's address: the claims win over the body's.
    let e_transfer = (request["payoutType"] == "ETO").then_some(USER_EMAIL);
    let destination = request["walletAddress"].as_str().or(e_transfer).map(str::to_owned);
    record.answered.push(Ordered {
        transaction_id: shown["transactionId"].as_str().unwrap_or_default().to_owned(),
        operation: request["type"].as_str().unwrap_or_default().to_owned(),
        amount: shown["amount"].as_str().unwrap_or_default().to_owned(),
        currency: request["currency"].as_str().unwrap_or_default().to_owned(),
        destination,
    });
}

/// Approves, or now and then rejects, the oldest pay-out on hold.
async fn decide_one(client: &Client, dice: &Dice) {
    let Ok(waiting) = client.manage("GET", "/approvals?status=waiting&limit=3", None).await else {
        tokio::time::sleep(Duration::from_millis(20)).await;
        return;
    };
    let items = waiting.body["data"]["items"].as_array().cloned().unwrap_or_default();
    for item in &items {
        let id = item["transactionId"].as_str().unwrap_or_default();
        let decision = if dice.roll(8) == 0 {
            client.manage("POST", &format!("/approvals/{id}/reject"), Some(json!({"reason": "a test"}))).await
        } else {
            client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await
        };
        if decision.is_err() {
            return;
        }
    }
    if items.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What had no answer is asked for again with its key: 409 until it is recovered (waited for when `to_the_end`), then one answer, for good.
async fn ask_again(sandbox: &Sandbox, record: &Mutex<Record>, to_the_end: bool) -> Result<()> {
    let client = Client::of(sandbox);
    let unanswered = std::mem::take(&mut record.lock().unwrap_or_else(PoisonError::into_inner).unanswered);
    let until = Instant::now() + QUIET_LIMIT;
    for (key, body) in unanswered {
        loop {
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
            let again = client.cashier_with_key(&body, &key).await.context("asking a third time")?;
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
