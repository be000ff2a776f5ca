//! Two processes over one PostgreSQL: a sandbox, and `mozarto serve` beside it. Time is as it is in life: `serve` knows no time
//! scale.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::invariants::{self, Ordered, Store};
use testkit::postgres::TestDatabase;
use testkit::sandbox::{Options, Sandbox};
use testkit::sink::Sink;
use testkit::table::Table;
use testkit::world::Hands;
use tokio::process::{Child, Command};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(45);
/// What a dead process left must be in other hands within this.
const TAKEN_OVER: Duration = Duration::from_secs(10);
/// A graceful stop lasts no longer.
const STOPPED: Duration = Duration::from_secs(10);
/// A change of the configuration is seen by the others within this.
const SEEN: Duration = Duration::from_secs(1);
/// Calls at once at the process that is about to die.
const WORKERS: usize = 4;

/// Two processes; the first one is a sandbox with simulators, the second one can be killed and started again.
struct Pair {
    a: Sandbox,
    b: Serve,
    sink: Sink,
    database: TestDatabase,
    _data: tempfile::TempDir,
}

/// `mozarto serve` over the sandbox's database; killed when dropped.
struct Serve {
    child: Child,
    base: String,
}

impl Serve {
    async fn start(a: &Sandbox, database: &str) -> Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let base = format!("http://{address}");
        let mut command = Command::new(BINARY);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
            command.env_remove(name);
        }
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.env("MOZARTO_ENVIRONMENT", "sandbox").env("MOZARTO_DATABASE", database);
        command.env("MOZARTO_MASTER_KEY_FILE", a.data().join("master.key"));
        // Callbacks come to whom they come: here to the first process, which outlives this one.
        command.env("MOZARTO_PUBLIC_URL", a.text("baseUrl")).env("MOZARTO_LISTEN", address.to_string());
        command.env("MOZARTO_LOG", "off");
        for (provider, path) in [("PAYONE", "/payone"), ("FORUMPAY", "/forumpay/pay/v2"), ("FLEXEPIN", "/flexepin")] {
            let address = format!("{}{path}", a.text("simulatorUrl"));
            command.env(format!("MOZARTO_PROVIDERS_{provider}_BASE_URL"), address);
            command.env(format!("MOZARTO_PROVIDERS_{provider}_NOT_FOUND_AFTER_SECONDS"), "2");
        }
        let mut child = command.spawn().context("starting the second process")?;
        let until = Instant::now() + LIMIT;
        let http = reqwest::Client::builder().no_proxy().build()?;
        while !http.get(format!("{base}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200) {
            if let Some(status) = child.try_wait()? {
                bail!("the second process ended: {status}");
            }
            ensure!(Instant::now() < until, "the second process is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, base })
    }
}

impl Pair {
    async fn start() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let database = testkit::postgres::database().await;
        let mut options =
            Options::new(BINARY, data.path()).auto_settle(50).database(&database.url).variable("MOZARTO_LOG", "off");
        for provider in ["PAYONE", "FORUMPAY", "FLEXEPIN"] {
            options = options.variable(&format!("MOZARTO_PROVIDERS_{provider}_NOT_FOUND_AFTER_SECONDS"), "2");
        }
        let a = Sandbox::start(options).await?;
        let sink = Sink::start(a.text("webhookSecret"), a.text("webhookBearer")).await?;
        Client::of(&a).set_webhooks(&sink.url, &["PAYONE", "FORUMPAY"]).await?;
        // The demo shop is a part of the sandbox alone.
        for psp_type in ["PAYONE", "FORUMPAY"] {
            let path = format!("/payment-methods/{}", Client::of(&a).method_of(psp_type).await?);
            let site = json!({"config": {"siteUrl": "https://shop.example/"}});
            let answer = Client::of(&a).manage("PATCH", &path, Some(site)).await?;
            ensure!(answer.status == 200, "{}", answer.body);
        }
        let b = Serve::start(&a, &database.url).await?;
        Ok(Self { a, b, sink, database, _data: data })
    }

    fn at_a(&self) -> Hands {
        Hands { client: Client::of(&self.a), sink: self.sink.clone() }
    }

    fn at_b(&self) -> Hands {
        let mut hands = self.at_a();
        hands.client.base.clone_from(&self.b.base);
        hands
    }

    /// kill -9 of the second process.
    async fn kill_b(&mut self) -> Result<()> {
        self.b.child.kill().await.context("killing the second process")
    }

    fn store(&self) -> Store {
        Store::Postgres(self.database.url.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_over_one_store() {
    let mut pair = Pair::start().await.expect("two processes");
    let mut table = Table::new("two processes");
    table.row_alone("a change is seen by the other", a_change_is_seen(&pair)).await;
    table.row_alone("one key at both", one_key_at_both(&pair)).await;
    table.row_alone("both alive: each job once", each_job_once(&pair)).await;
    let silent = killed_in_silence(&mut pair).await;
    let (silent, result) = parted(silent);
    table.row_alone("killed in the middle of silent calls", async { result }).await;
    let (mut ordered, result) = parted(killed_under_load(&mut pair).await);
    table.row_alone("killed under load", async { result }).await;
    let (more, result) = parted(stopped_under_load(&mut pair).await);
    ordered.extend(more);
    table.row_alone("asked to stop under load", async { result }).await;
    table.row_alone("what was silent ends", silence_ends(&pair, &silent)).await;
    table.row_alone("every promise", promises(&pair, &ordered)).await;
    table.end().await;
}

/// What a row brought, and whether it failed.
fn parted<T: Default>(result: Result<T>) -> (T, Result<()>) {
    match result {
        Ok(value) => (value, Ok(())),
        Err(error) => (T::default(), Err(error)),
    }
}

/// A credential that is revoked at one process is worth nothing at the other within a second.
async fn a_change_is_seen(pair: &Pair) -> Result<()> {
    let (a, b) = (pair.at_a(), pair.at_b());
    let new = json!({"name": "for a moment", "kind": "company", "scopes": ["read"]});
    let made = a.client.manage("POST", "/credentials", Some(new)).await?;
    let (id, token) = (made.text("/data/id").to_owned(), made.text("/data/token").to_owned());
    ensure!(!id.is_empty() && !token.is_empty(), "{} {}", made.status, made.body);
    let bearer = format!("Bearer {token}");
    let url = format!("{}/v1/api/mozarto/transactions", b.client.base);
    let ask = async || Ok::<_, anyhow::Error>(b.client.send("GET", &url, &[("authorization", &bearer)], None).await?.status);
    let began = Instant::now();
    while ask().await? != 200 {
        ensure!(began.elapsed() < SEEN, "the new credential is unknown there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let revoked = a.client.manage("DELETE", &format!("/credentials/{id}"), None).await?;
    ensure!(revoked.status == 200, "{} {}", revoked.status, revoked.body);
    let began = Instant::now();
    while ask().await? != 401 {
        ensure!(began.elapsed() < SEEN, "still good there after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The same key at both processes at once: one transaction, one call, the same bytes.
async fn one_key_at_both(pair: &Pair) -> Result<()> {
    let calls = pair.at_a().calls("payone").await?;
    let body = bodies::payone("PAYIN", "110.00");
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (hands, body) = (if n % 2 == 0 { pair.at_a() } else { pair.at_b() }, body.clone());
        asked.spawn(async move {
            loop {
                let answer = hands.client.cashier_with_key(&body, "at-both").await?;
                if answer.status != 409 {
                    return Ok::<_, anyhow::Error>(answer);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let mut bytes = std::collections::BTreeSet::new();
    while let Some(answer) = asked.join_next().await {
        let answer = answer??;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        bytes.insert(answer.bytes);
    }
    ensure!(bytes.len() == 1, "{} different answers", bytes.len());
    let answer: Value = serde_json::from_slice(bytes.first().context("an answer")?)?;
    let id = answer["transaction"]["transactionId"].as_str().context("an id")?;
    pair.at_a().ends_as(id, "Approved", "success", LIMIT).await?;
    let made = deposits(pair, id).await?;
    ensure!(made == 1, "{made} deposits for one key, {} calls before", calls);
    Ok(())
}

/// How often PayOne's simulator was asked to create something under that reference.
async fn deposits(pair: &Pair, id: &str) -> Result<usize> {
    let answer = pair.at_a().client.control("GET", "/payone/calls?limit=1000", None).await?;
    let calls = answer.body["calls"].as_array().context("calls")?;
    Ok(calls.iter().filter(|call| call["method"] == "POST" && call.to_string().contains(id)).count())
}

/// Approved pay-outs, inquiries, deliveries: with both processes looking for work, each is done by one of them.
async fn each_job_once(pair: &Pair) -> Result<()> {
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (at, other) = if n % 2 == 0 { (pair.at_a(), pair.at_b()) } else { (pair.at_b(), pair.at_a()) };
        asked.spawn(async move {
            let answer = at.client.cashier(&bodies::forumpay_out(&format!("{}.00", 20 + n))).await?;
            ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
            let id = answer.text("/transaction/transactionId").to_owned();
            // Two people at two processes at once: one of them decides.
            let (one, two) = tokio::join!(other.approve(&id), at.approve(&id));
            let (one, two) = (one?, two?);
            let (decided, refused) = if one.status == 200 { (one, two) } else { (two, one) };
            ensure!(decided.status == 200 && refused.status == 409, "{} and {}", decided.body, refused.body);
            let told = refused.text("/message");
            ensure!(told.starts_with("This pay-out was approved already by credential:"), "{told}");
            at.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
            at.webhooks(&id, &["Approved"], LIMIT).await?;
            let entry = json!({"direction": "out", "amount": format!("{}.00", 20 + n), "currency": "EUR", "state": "settled"});
            at.moved_once("forumpay", &id, &entry).await?;
            Ok(id)
        });
    }
    let mut ids = Vec::new();
    while let Some(id) = asked.join_next().await {
        ids.push(id??);
    }
    let answer = pair.at_a().client.control("GET", "/forumpay/calls?limit=1000", None).await?;
    let calls = answer.body["calls"].as_array().context("calls")?;
    let mut confirms: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.to_string().contains("ConfirmBuyOrder")) {
        *confirms.entry(payment_of(call)).or_default() += 1;
    }
    ensure!(confirms.len() == ids.len() && confirms.values().all(|times| *times == 1), "ConfirmBuyOrder: {confirms:?}");
    Ok(())
}

/// The `payment_id` in a call's address.
fn payment_of(call: &Value) -> String {
    let text = call.to_string();
    let begin = text.find("payment_id=").map_or(0, |at| at + "payment_id=".len());
    text[begin..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

/// Calls at the second process until it is gone; what it was in the middle of is asked for again at the first one.
fn load(pair: &Pair, name: &str) -> tokio::task::JoinSet<Result<Vec<Ordered>>> {
    let mut load = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        let (a, b, name) = (pair.at_a(), pair.at_b(), format!("{name}-{worker}"));
        load.spawn(async move { call_until_it_dies(&a, &b, &name).await });
    }
    load
}

async fn all(mut load: tokio::task::JoinSet<Result<Vec<Ordered>>>) -> Result<Vec<Ordered>> {
    let mut ordered = Vec::new();
    while let Some(calls) = load.join_next().await {
        ordered.extend(calls??);
    }
    ensure!(ordered.len() > 15, "only {} calls", ordered.len());
    Ok(ordered)
}

/// The second process dies under load. Answers what was answered.
async fn killed_under_load(pair: &mut Pair) -> Result<Vec<Ordered>> {
    pair.b = Serve::start(&pair.a, &pair.database.url).await?;
    let load = load(pair, "killed");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    pair.kill_b().await?;
    let died = Instant::now();
    let ordered = all(load).await?;
    ensure!(died.elapsed() < TAKEN_OVER, "the last key was answered {:?} after the death", died.elapsed());
    Ok(ordered)
}

/// The second process is asked to stop under load and in the middle of a silent call: it ends in its time, with 0, and hands on
/// what it could not end.
async fn stopped_under_load(pair: &mut Pair) -> Result<Vec<Ordered>> {
    pair.b = Serve::start(&pair.a, &pair.database.url).await?;
    let (a, b) = (pair.at_a(), pair.at_b());
    let silent = bodies::payone("PAYIN", "101.05");
    let body = silent.clone();
    let call = tokio::spawn(async move { b.client.cashier_with_key(&body, "stopped").await });
    let load = load(pair, "stopped");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let id = pair.b.child.id().context("a process")?;
    let began = Instant::now();
    ensure!(Command::new("kill").args(["-TERM", &id.to_string()]).status().await?.success(), "no signal");
    let status = tokio::time::timeout(LIMIT, pair.b.child.wait()).await.context("it does not stop")??;
    ensure!(status.code() == Some(0) && began.elapsed() < STOPPED, "{status} after {:?}", began.elapsed());
    let ordered = all(load).await?;
    ensure!(call.await?.is_err(), "a provider that keeps silent was answered for");
    let answer = answer_to(&a, &silent, "stopped").await?;
    ensure!(began.elapsed() < STOPPED + Duration::from_secs(2), "taken over after {:?}", began.elapsed());
    ensure!(answer.status == 502, "{} {}", answer.status, answer.body);
    Ok(ordered)
}

async fn call_until_it_dies(a: &Hands, b: &Hands, name: &str) -> Result<Vec<Ordered>> {
    let mut ordered = Vec::new();
    for n in 0.. {
        let cents = ["00", "12", "11", "00"][n % 4];
        let amount = format!("{}.{cents}", 10 + n);
        let (operation, body) = match n % 3 {
            0 => ("PAYOUT", bodies::payone("PAYOUT", &amount)),
            1 => ("PAYIN", bodies::payone("PAYIN", &amount)),
            _ => ("PAYOUT", bodies::forumpay_out(&amount)),
        };
        let key = format!("{name}-{n}");
        let (answer, dead) = match b.client.cashier_with_key(&body, &key).await {
            Ok(answer) => (answer, false),
            // It died over this one: whoever else is there answers it, once it is taken over.
            Err(_) => (answer_to(a, &body, &key).await?, true),
        };
        let shown = &answer.body["transaction"];
        let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        ensure!(!shown.is_null(), "{key}: {} {}", answer.status, answer.body);
        ordered.push(Ordered {
            transaction_id: text("transactionId"),
            operation: operation.to_owned(),
            amount: text("amount"),
            currency: text("currency"),
            destination: None,
        });
        if dead {
            break;
        }
    }
    Ok(ordered)
}

/// The answer to the key, once nothing runs under it any more.
async fn answer_to(hands: &Hands, body: &str, key: &str) -> Result<testkit::client::Answer> {
    let until = Instant::now() + LIMIT;
    loop {
        let answer = hands.client.cashier_with_key(body, key).await?;
        if answer.status != 409 {
            return Ok(answer);
        }
        ensure!(Instant::now() < until, "{key}: still 409");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The second process dies while the provider keeps silent (amounts that end with .05): nothing was taken, and that is what
/// becomes of it.
async fn killed_in_silence(pair: &mut Pair) -> Result<Vec<(&'static str, String)>> {
    let cases = [
        ("silent-in", bodies::payone("PAYIN", "100.05")),
        ("silent-out", bodies::payone("PAYOUT", "100.05")),
        ("silent-crypto", bodies::forumpay_in("100.05")),
    ];
    let (a, b) = (pair.at_a(), pair.at_b());
    let before = a.calls("payone").await? + a.calls("forumpay").await?;
    let mut calls = tokio::task::JoinSet::new();
    for (key, body) in cases.clone() {
        let b = b.clone();
        calls.spawn(async move { b.client.cashier_with_key(&body, key).await.map(|answer| answer.status) });
    }
    let until = Instant::now() + LIMIT;
    while a.calls("payone").await? + a.calls("forumpay").await? < before + 3 {
        ensure!(Instant::now() < until, "the providers were not called");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // While its owner lives nobody takes an intent over, however long its call lasts.
    tokio::time::sleep(Duration::from_secs(7)).await;
    for (key, body) in &cases {
        let answer = a.client.cashier_with_key(body, key).await?;
        ensure!(answer.status == 409, "{key} was taken over from a living process: {} {}", answer.status, answer.body);
    }
    pair.kill_b().await?;
    let died = Instant::now();
    let mut ids = Vec::new();
    for (key, body) in &cases {
        let answer = answer_to(&a, body, key).await?;
        ensure!(died.elapsed() < TAKEN_OVER, "{key} was answered {:?} after the death", died.elapsed());
        let expected = if body.contains("PAYOUT") { 200 } else { 502 };
        ensure!(answer.status == expected, "{key}: {} {}", answer.status, answer.body);
        let provider = if body.contains("PAYONE") { "payone" } else { "forumpay" };
        ids.push((provider, answer.text("/transaction/transactionId").to_owned()));
    }
    while let Some(call) = calls.join_next().await {
        ensure!(call?.is_err(), "the dead process answered");
    }
    Ok(ids)
}

async fn silence_ends(pair: &Pair, silent: &[(&'static str, String)]) -> Result<()> {
    let a = pair.at_a();
    for (provider, id) in silent {
        a.ends_as(id, "Failed", "not_found", LIMIT).await?;
        a.webhooks(id, &["Failed"], LIMIT).await?;
        a.nothing_moved(provider, id).await?;
    }
    Ok(())
}

/// Once nothing is open any more but what waits for a person, every promise holds.
async fn promises(pair: &Pair, answered: &[Ordered]) -> Result<()> {
    let (store, hands) = (pair.store(), pair.at_a());
    let until = Instant::now() + LIMIT;
    loop {
        let standings = invariants::standings(&store).await?;
        let mut due = 0;
        for status in ["waiting", "failing"] {
            let answer = hands.client.manage("GET", &format!("/deliveries?status={status}&limit=1"), None).await?;
            due += answer.body["data"]["items"].as_array().map_or(0, Vec::len);
        }
        if !standings.contains_key("Created") && !standings.contains_key("Pending") && due == 0 {
            println!("{standings:?}");
            break;
        }
        ensure!(Instant::now() < until, "still open: {standings:?}, {due} deliveries");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut ledgers = HashMap::new();
    for provider in ["payone", "forumpay", "flexepin"] {
        ledgers.insert(provider.to_owned(), hands.client.ledger(provider).await?);
    }
    let findings = invariants::check(&store, &ledgers, answered, &hands.sink.received()).await?;
    println!("{:?}", findings.looked_at);
    ensure!(findings.broken.is_empty(), "broken promises:\n{}", findings.broken.join("\n"));
    Ok(())
}
