//! The store is away for a moment, or now and then: what is answered, what is stored, what reaches the provider.

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::client::{Answer, bodies};
use testkit::invariants::{self, Ordered, Store};
use testkit::table::Table;
use testkit::world::{Hands, World};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(40);
/// The published form, byte for byte but for its layout.
const OURS: &[u8] =
    br#"{"status":"error","message":"Internal server error","isSuccess":false,"errors":[],"data":"Something went wrong"}"#;
/// A commit that tells what has happened is tried again for 12.75 s.
const LONGER_THAN_ANY_RETRY: Duration = Duration::from_secs(14);
/// The longest that work belongs to somebody: two minutes, real ones.
const LONGER_THAN_ANY_LEASE: Duration = Duration::from_secs(130);
/// Calls of the storm.
const STORM: u32 = 60;

/// The file that switches the fault on.
struct Switch(PathBuf);

impl Switch {
    fn on(&self) -> Result<()> {
        Ok(std::fs::write(&self.0, "")?)
    }

    fn off(&self) -> Result<()> {
        Ok(std::fs::remove_file(&self.0)?)
    }
}

async fn world(fault: &str, scale: u32) -> Result<(World, Switch)> {
    let data = tempfile::tempdir()?;
    let switch = Switch(data.path().join("fault"));
    let order = format!("commit:{fault}@{}", switch.0.display());
    let world = World::start_in(data, env!("CARGO_BIN_EXE_mozarto"), &["PAYONE", "FORUMPAY"], |options| {
        options.time_scale(scale).auto_settle(50).variable("MOZARTO_FAULT", &order).variable("MOZARTO_LOG", "off")
    });
    Ok((world.await?, switch))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away() {
    let (world, switch) = world("1", 20).await.expect("a sandbox");
    let hands = world.hands();
    let mut table = Table::new("the store is away");
    for (name, provider, body) in [
        ("a pay-in", "payone", bodies::payone("PAYIN", "100.00")),
        ("a pay-out", "payone", bodies::payone("PAYOUT", "100.00")),
        ("a crypto pay-out", "forumpay", bodies::forumpay_out("100.00")),
        ("a voucher", "flexepin", bodies::flexepin(1, 2_500)),
    ] {
        table.row_alone(format!("when {name} is created"), at_creation(&hands, &switch, provider, &body)).await;
    }
    table.row_alone("readiness", readiness(&hands, &switch)).await;
    let link = Link::before_the_simulator(&hands).await.expect("a link");
    table.row_alone("when an outcome is to be stored, for a moment", outcome_later(&hands, &switch, &link)).await;
    table.row_alone("when an outcome is to be stored, for long", outcome_recovered(&hands, &switch, &link)).await;
    table.row_alone("every promise", promises(&world, &[])).await;
    table.end().await;
}

/// Until two tries one after the other have been given up.
const LONGER_THAN_TWO_RETRIES: Duration = Duration::from_secs(28);
/// So soon after the store is back everything has gone on. Work that nobody gave back would wait for a minute or two.
const SOON: Duration = Duration::from_secs(10);

/// The store goes away while a callback and a job are being worked on, and while a webhook is on its way, and stays away until
/// everybody has given up. What was done is recorded, and what is to be done goes on, as soon as it is back.
#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_once_the_store_is_back() {
    let data = tempfile::tempdir().expect("a directory");
    let switch = Switch(data.path().join("fault"));
    let order = format!("commit:1@{}", switch.0.display());
    let set = |options: testkit::sandbox::Options| {
        options.time_scale(10).variable("MOZARTO_FAULT", &order).variable("MOZARTO_LOG", "off")
    };
    let world = World::start_in(data, env!("CARGO_BIN_EXE_mozarto"), &["PAYONE", "FORUMPAY"], set).await.expect("a sandbox");
    interrupted(&world.hands(), &switch).await.expect("it goes on");
}

async fn interrupted(hands: &Hands, switch: &Switch) -> Result<()> {
    let link = Link::before_the_simulator(hands).await?;
    let worked_on = hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
    let told = hands.client.cashier(&bodies::forumpay_in("100.00")).await?;
    let (worked_on, told) = (worked_on.text("/transaction/transactionId"), told.text("/transaction/transactionId"));
    // The callback has the provider asked, which does not answer; the first inquiry of the schedule waits behind it.
    link.hold.store(true, Ordering::SeqCst);
    pay(hands, "payone", worked_on).await?;
    let until = Instant::now() + LIMIT;
    while !payone_was_asked(hands).await? {
        ensure!(Instant::now() < until, "the provider was not asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nothing outside shows that a job waits; by then that inquiry has been due for long.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    // The endpoint has the webhook, and has not answered.
    hands.sink.hold(true);
    pay(hands, "forumpay", told).await?;
    hands.sink.wait_for(told, 1, LIMIT).await?;
    switch.on()?;
    hands.sink.hold(false);
    link.hold.store(false, Ordering::SeqCst);
    tokio::time::sleep(LONGER_THAN_TWO_RETRIES).await;
    ensure!(hands.managed(worked_on).await?["transaction_status"] == "Pending", "it was stored while the store was away");
    switch.off()?;
    let back = Instant::now();
    hands.client.wait_for(worked_on, &["Approved"], SOON).await?;
    loop {
        let delivered = hands.client.manage("GET", "/deliveries?status=delivered&limit=10", None).await?;
        if delivered.body["data"]["items"].to_string().contains(told) {
            break;
        }
        ensure!(back.elapsed() < SOON, "what the endpoint took is not recorded: {}", delivered.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("everything went on {:?} after the store was back", back.elapsed());
    hands.webhooks(worked_on, &["Approved"], SOON).await?;
    // It was not sent again.
    hands.webhooks(told, &["Approved"], SOON).await
}

/// Whether PayOne was asked about its one payment.
async fn payone_was_asked(hands: &Hands) -> Result<bool> {
    let calls = hands.client.control("GET", "/payone/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    Ok(calls.iter().any(|call| call["path"].as_str().is_some_and(|path| path.contains("/api/transaction"))))
}

async fn pay(hands: &Hands, provider: &str, id: &str) -> Result<()> {
    let paid = hands.client.control("POST", &format!("/{provider}/{id}/pay"), None).await?;
    ensure!(paid.status == 200, "{} {}", paid.status, paid.body);
    Ok(())
}

/// One commit in three fails, whichever it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_now_and_then() {
    let (world, switch) = world("1/3", 60).await.expect("a sandbox");
    let ordered = storm(&world.hands(), &switch).await.expect("a storm");
    promises(&world, &ordered).await.expect("every promise");
}

/// The creating commit fails: 503 with `Retry-After`, nothing stored, nobody called, the key not used up.
async fn at_creation(hands: &Hands, switch: &Switch, provider: &str, body: &str) -> Result<()> {
    let key = format!("creation-{}", body.len());
    let (calls, listed) = (hands.calls(provider).await?, transactions(hands).await?);
    switch.on()?;
    let answer = hands.client.cashier_with_key(body, &key).await;
    switch.off()?;
    let answer = answer?;
    ensure!(answer.status == 503 && answer.header("retry-after") == Some("1"), "{} {}", answer.status, answer.body);
    ensure!(hands.calls(provider).await? == calls, "the provider was called");
    ensure!(transactions(hands).await? == listed, "a transaction was stored");
    let again = hands.client.cashier_with_key(body, &key).await?;
    ensure!(again.status == 200 && again.header("idempotent-replayed").is_none(), "{} {}", again.status, again.body);
    ensure!(transactions(hands).await? == listed + 1, "one transaction");
    Ok(())
}

/// Nobody sends requests to a process whose store is away; it is not restarted for that either.
async fn readiness(hands: &Hands, switch: &Switch) -> Result<()> {
    let ask = async |path: &str| hands.client.send("GET", &format!("{}{path}", hands.client.base), &[], None).await;
    ensure!(ask("/readyz").await?.status == 200, "not ready");
    switch.on()?;
    // After two heartbeats in a row.
    let ready = becomes(503, || ask("/readyz")).await;
    let alive = ask("/healthz").await;
    switch.off()?;
    let (ready, alive) = (ready?, alive?);
    ensure!(alive.status == 200, "{}", alive.status);
    ensure!(ready.text("/data/reason") == "the store takes no writes", "{}", ready.body);
    ensure!(!ready.body.to_string().contains("fault"), "{}", ready.body);
    becomes(200, || ask("/readyz")).await?;
    Ok(())
}

/// Asks until the status is that.
async fn becomes<F: Future<Output = Result<Answer>>>(status: u16, ask: impl Fn() -> F) -> Result<Answer> {
    let until = Instant::now() + LIMIT;
    loop {
        let answer = ask().await?;
        if answer.status == status {
            return Ok(answer);
        }
        ensure!(Instant::now() < until, "{} instead of {status}: {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn transactions(hands: &Hands) -> Result<usize> {
    let answer = hands.client.read("/v1/api/mozarto/transactions?limit=200").await?;
    Ok(answer.body["data"]["items"].as_array().context("a list")?.len())
}

/// Sends a pay-out, and has the store go away while its answer is on the way: the provider has taken it. Answers its key and the
/// call.
async fn taken(
    hands: &Hands,
    switch: &Switch,
    link: &Link,
    key: &'static str,
) -> Result<tokio::task::JoinHandle<Result<Answer>>> {
    link.hold.store(true, Ordering::SeqCst);
    let (client, calls) = (hands.client.clone(), hands.calls("payone").await?);
    let call = tokio::spawn(async move { client.cashier_with_key(&bodies::payone("PAYOUT", "130.00"), key).await });
    let until = Instant::now() + LIMIT;
    while hands.calls("payone").await? == calls {
        ensure!(Instant::now() < until, "the provider was not called");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    switch.on()?;
    link.hold.store(false, Ordering::SeqCst);
    Ok(call)
}

async fn settles_once(hands: &Hands, id: &str) -> Result<()> {
    hands.ends_as(id, "Approved", "success", LIMIT).await?;
    hands.webhooks(id, &["Approved"], LIMIT).await?;
    let entry = json!({"direction": "out", "amount": "130.00", "currency": "CAD", "state": "settled"});
    hands.moved_once("payone", id, &entry).await?;
    Ok(())
}

/// The answer waits until its outcome is stored.
async fn outcome_later(hands: &Hands, switch: &Switch, link: &Link) -> Result<()> {
    let call = taken(hands, switch, link, "for-a-moment").await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    ensure!(!call.is_finished(), "answered before it was stored");
    switch.off()?;
    let answer = call.await??;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    ensure!(answer.text("/message") == "Withdraw request successfully processed", "the provider's own answer: {}", answer.body);
    let again = hands.client.cashier_with_key(&bodies::payone("PAYOUT", "130.00"), "for-a-moment").await?;
    ensure!(again.bytes == answer.bytes && again.header("idempotent-replayed") == Some("true"), "{}", again.body);
    settles_once(hands, answer.text("/transaction/transactionId")).await
}

/// The outcome could not be stored at all: the 500 of ours, and its intent is asked about like that of a process that died.
async fn outcome_recovered(hands: &Hands, switch: &Switch, link: &Link) -> Result<()> {
    let call = taken(hands, switch, link, "for-long").await?;
    tokio::time::sleep(LONGER_THAN_ANY_RETRY).await;
    switch.off()?;
    let answer = call.await??;
    ensure!(answer.status == 500 && answer.bytes == OURS, "{} {}", answer.status, answer.body);
    let again = answer_to(hands, &bodies::payone("PAYOUT", "130.00"), "for-long").await?;
    ensure!(again.status == 200 && again.text("/transaction/status") == "unknown", "{} {}", again.status, again.body);
    let replayed = hands.client.cashier_with_key(&bodies::payone("PAYOUT", "130.00"), "for-long").await?;
    ensure!(replayed.bytes == again.bytes, "another answer: {}", replayed.body);
    settles_once(hands, again.text("/transaction/transactionId")).await
}

/// The answer to the key, once nothing runs under it any more.
async fn answer_to(hands: &Hands, body: &str, key: &str) -> Result<Answer> {
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

/// Many calls over the failing store, each repeated with its key until it is answered.
async fn storm(hands: &Hands, switch: &Switch) -> Result<Vec<Ordered>> {
    switch.on()?;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..STORM {
        let hands = hands.clone();
        calls.spawn(async move { one_of_the_storm(&hands, n).await });
        if n % 6 == 5 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let (mut ordered, mut failed) = (Vec::new(), 0);
    while let Some(call) = calls.join_next().await {
        let (one, failures) = call??;
        ordered.push(one);
        failed += failures;
    }
    switch.off()?;
    ensure!(failed > 5, "only {failed} calls failed: nothing was tried");
    Ok(ordered)
}

async fn one_of_the_storm(hands: &Hands, n: u32) -> Result<(Ordered, u32)> {
    let cents = ["00", "11", "12"][n as usize % 3];
    let amount = format!("{}.{cents}", 10 + n);
    let (operation, body) = match n % 4 {
        0 => ("PAYIN", bodies::payone("PAYIN", &amount)),
        1 | 2 => ("PAYOUT", bodies::payone("PAYOUT", &amount)),
        _ => ("PAYIN", bodies::forumpay_in(&amount)),
    };
    let (key, until, mut failures) = (format!("storm-{n}"), Instant::now() + LIMIT, 0);
    loop {
        let answer = hands.client.cashier_with_key(&body, &key).await?;
        let shown = &answer.body["transaction"];
        if !shown.is_null() {
            let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
            let ordered = Ordered {
                transaction_id: text("transactionId"),
                operation: operation.to_owned(),
                amount: text("amount"),
                currency: text("currency"),
                destination: None,
            };
            return Ok((ordered, failures));
        }
        if answer.status == 500 {
            ensure!(answer.bytes == OURS, "{}", answer.body);
            failures += 1;
        } else if answer.status == 503 {
            ensure!(answer.header("retry-after") == Some("1"), "{}", answer.body);
            failures += 1;
        } else {
            ensure!(answer.status == 409, "{} {}", answer.status, answer.body);
        }
        ensure!(Instant::now() < until, "{key}: no answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Once nothing is open any more, every promise holds. A callback that was refused while the store was away comes again later,
/// and with it the success of a page whose address was lost: so long the sums may differ.
async fn promises(world: &World, answered: &[Ordered]) -> Result<()> {
    let store = Store::Sqlite(world.data().join("mozarto.db"));
    let hands = world.hands();
    let until = Instant::now() + LONGER_THAN_ANY_LEASE;
    loop {
        let standings = invariants::standings(&store).await?;
        let due = hands.client.manage("GET", "/deliveries?status=waiting&limit=1", None).await?;
        let due = due.body["data"]["items"].as_array().map_or(0, Vec::len);
        if !standings.contains_key("Created") && !standings.contains_key("Pending") && due == 0 {
            break;
        }
        if Instant::now() > until {
            bail!("still open: {standings:?}, {due} deliveries; {}", shown_open(&hands).await?);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let findings = loop {
        let mut ledgers = HashMap::new();
        for provider in ["payone", "forumpay", "flexepin"] {
            ledgers.insert(provider.to_owned(), hands.client.ledger(provider).await?);
        }
        let findings = invariants::check(&store, &ledgers, answered, &hands.sink.received()).await?;
        if findings.broken.is_empty() || Instant::now() > until {
            break findings;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    println!("{:?}", findings.looked_at);
    ensure!(findings.broken.is_empty(), "broken promises:\n{}", findings.broken.join("\n"));
    Ok(())
}

/// What is open, with its events and the provider's calls, for the person who reads why a row failed.
async fn shown_open(hands: &Hands) -> Result<String> {
    let answer = hands.client.read("/v1/api/mozarto/transactions?limit=200").await?;
    let mut shown = String::new();
    for item in answer.body["data"]["items"].as_array().context("a list")? {
        if ["Created", "Pending"].contains(&item["transaction_status"].as_str().unwrap_or_default()) {
            let id = item["transactionId"].as_str().context("an id")?;
            shown += &hands.client.read(&format!("/v1/api/mozarto/transactions/{id}")).await?.body.to_string();
        }
    }
    Ok(shown)
}

/// A link between the platform and PayOne's simulator that can hold answers back.
struct Link {
    hold: Arc<AtomicBool>,
}

impl Link {
    async fn before_the_simulator(hands: &Hands) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/payone", listener.local_addr()?);
        let simulator = hands.client.simulator.trim_start_matches("http://").to_owned();
        let hold = Arc::new(AtomicBool::new(false));
        let held = hold.clone();
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let Ok(to) = TcpStream::connect(&simulator).await else { return };
                tokio::spawn(carry(from, to, held.clone()));
            }
        });
        let method = hands.client.method_of("PAYONE").await?;
        let patch = json!({"config": {"baseUrl": address}});
        let answer = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(patch)).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        Ok(Self { hold })
    }
}

async fn carry(from: TcpStream, to: TcpStream, hold: Arc<AtomicBool>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ((mut from_read, mut from_write), (mut to_read, mut to_write)) = (from.into_split(), to.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut from_read, &mut to_write).await });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = to_read.read(&mut buffer).await {
        while hold.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if from_write.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Only builds made for tests know faults, and these say what they do not understand.
#[test]
fn a_fault_that_is_none_is_refused() {
    let run = |data: &Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mozarto"));
        command.args(["sandbox", "--json", "--port", "0", "--simulator-port", "0", "--shop-port", "0", "--data"]).arg(data);
        command.env("MOZARTO_FAULT", "disk:7").output()
    };
    let data = tempfile::tempdir().unwrap();
    let output = run(data.path()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("MOZARTO_FAULT"), "{said}");
}
