//! The twelve cases of the Cashier API's `Idempotency-Key` (section 4), and many callers with one key at once.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client, bodies};
use testkit::table::Table;
use testkit::world::{Hands, World};
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
/// Callers with one key at once.
const AT_ONCE: usize = 64;
const STORM_KEYS: usize = 1_000;
/// Keys of the storm that must be done whatever the machine; it goes on to all of them as long as it has time.
const STORM_KEYS_MIN: usize = 200;
const STORM_LIMIT: Duration = Duration::from_secs(45);
const RUNNING: &str = "A request with this Idempotency-Key is still running";

#[tokio::test(flavor = "multi_thread")]
async fn the_twelve_cases() {
    // The other company is made before the sandbox runs: a store belongs to one process.
    let data = tempfile::tempdir().expect("a directory");
    let other = create_company(data.path()).expect("another company");
    let mut world = World::start_in(data, BINARY, &["PAYONE"], |options| options.time_scale(4)).await.expect("a sandbox");
    let hands = world.hands();
    let mut table = Table::new("idempotency");
    table.row_alone("1, 2 first and replay", first_and_replay(&hands)).await;
    table.row_alone("3 other body", other_body(&hands)).await;
    table.row_alone("4 still running", still_running(&hands)).await;
    table.row_alone("6 refused before create", refused_before_create(&hands)).await;
    table.row_alone("7 provider error replayed", provider_error(&hands)).await;
    table.row_alone("8 other company", other_company(&hands, &other)).await;
    table.row_alone("9 bad headers", bad_headers(&hands)).await;
    table.row_alone("11 replay with an expired user token", expired_user_token(&hands)).await;
    table.row_alone("replay although the rule is off", rule_off(&hands)).await;
    table.row_alone("12 64 at once", at_once(&hands)).await;
    table.row_alone("5 after a crash", after_a_crash(&mut world)).await;
    table.row_alone("10 expired", expired(&mut world)).await;
    table.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_keys_at_once() {
    let world = World::start(BINARY, &[], |options| options).await.expect("a sandbox");
    storm(&world.hands()).await.expect("one provider call per key");
}

/// Whether `answer` is what `first` was, said again.
fn is_replay(answer: &Answer, first: &Answer) -> Result<()> {
    ensure!(answer.status == first.status, "HTTP {} instead of {}: {}", answer.status, first.status, answer.body);
    ensure!(answer.bytes == first.bytes, "other bytes: {} instead of {}", answer.body, first.body);
    ensure!(answer.header("idempotent-replayed") == Some("true"), "no Idempotent-Replayed: {:?}", answer.headers);
    Ok(())
}

fn is_first(answer: &Answer, status: u16) -> Result<()> {
    ensure!(answer.status == status, "HTTP {} instead of {status}: {}", answer.status, answer.body);
    ensure!(answer.header("idempotent-replayed").is_none(), "it says that it is a replay");
    Ok(())
}

fn is_error(answer: &Answer, status: u16, message: &str) -> Result<()> {
    ensure!(answer.status == status, "HTTP {} instead of {status}: {}", answer.status, answer.body);
    ensure!(answer.body == json!({"status": "error", "message": message, "isSuccess": false, "errors": []}), "{}", answer.body);
    Ok(())
}

async fn first_and_replay(hands: &Hands) -> Result<()> {
    for (provider, key, body) in [
        ("payone", "in", bodies::payone("PAYIN", "100.00")),
        ("payone", "out", bodies::payone("PAYOUT", "200.00")),
        ("forumpay", "held", bodies::forumpay_out("200.00")),
        ("flexepin", "voucher", bodies::flexepin(1, 2500)),
    ] {
        let first = hands.client.cashier_with_key(&body, key).await?;
        is_first(&first, 200)?;
        let calls = hands.calls(provider).await?;
        for _ in 0..3 {
            is_replay(&hands.client.cashier_with_key(&body, key).await?, &first)?;
        }
        ensure!(hands.calls(provider).await? == calls, "a replay called the provider");
    }
    Ok(())
}

async fn other_body(hands: &Hands) -> Result<()> {
    let body = bodies::payone("PAYIN", "101.00");
    is_first(&hands.client.cashier_with_key(&body, "three").await?, 200)?;
    for other in [
        bodies::payone("PAYIN", "101.01"),
        body.replace("\":\"", "\": \""),
        bodies::payone("PAYOUT", "101.00"),
        "not JSON".to_owned(),
        String::new(),
    ] {
        is_error(&hands.client.cashier_with_key(&other, "three").await?, 422, "Idempotency-Key was used with another body")?;
    }
    Ok(())
}

/// A call that the simulator leaves hanging.
async fn hanging(hands: &Hands, body: &str, key: &str) -> Result<tokio::task::JoinHandle<Result<Answer>>> {
    let calls = hands.calls("payone").await?;
    let (client, body, key) = (hands.client.clone(), body.to_owned(), key.to_owned());
    let call = tokio::spawn(async move { client.cashier_with_key(&body, &key).await });
    let until = Instant::now() + Duration::from_secs(5);
    while hands.calls("payone").await? == calls {
        ensure!(Instant::now() < until, "the provider was not called");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(call)
}

async fn still_running(hands: &Hands) -> Result<()> {
    let body = bodies::payone("PAYIN", "102.05");
    let call = hanging(hands, &body, "four").await?;
    for _ in 0..3 {
        let answer = hands.client.cashier_with_key(&body, "four").await?;
        is_error(&answer, 409, RUNNING)?;
        ensure!(answer.header("retry-after") == Some("1"), "Retry-After: {:?}", answer.header("retry-after"));
    }
    let other = hands.client.cashier_with_key(&bodies::payone("PAYIN", "102.06"), "four").await?;
    is_error(&other, 422, "Idempotency-Key was used with another body")?;
    let first = call.await??;
    is_first(&first, 504)?;
    is_replay(&hands.client.cashier_with_key(&body, "four").await?, &first)
}

/// What was refused before anything was created used no key up.
async fn refused_before_create(hands: &Hands) -> Result<()> {
    let good = bodies::payone("PAYIN", "103.00");
    let unmatched = good.replace(r#""userId""#, r#""brandId":"nobody","userId""#);
    for (key, refused) in [("six-a", "not JSON"), ("six-b", "{}"), ("six-c", &unmatched), ("six-d", &good.replace("CAD", "EUR"))]
    {
        let answer = hands.client.cashier_with_key(refused, key).await?;
        is_first(&answer, 400)?;
        is_first(&hands.client.cashier_with_key(refused, key).await?, 400)?;
        is_first(&hands.client.cashier_with_key(&good, key).await?, 200)?;
    }
    let mut stranger = hands.client.clone();
    stranger.user_token = "x".to_owned();
    is_first(&stranger.cashier_with_key(&good, "six-e").await?, 401)?;
    is_first(&hands.client.cashier_with_key(&good, "six-e").await?, 200)
}

async fn provider_error(hands: &Hands) -> Result<()> {
    for (key, body, status) in [
        ("seven-a", bodies::payone("PAYIN", "104.04"), 502),
        ("seven-b", bodies::payone("PAYIN", "104.06"), 429),
        ("seven-c", bodies::payone("PAYOUT", "104.07"), 400),
        ("seven-d", bodies::flexepin(7, 2503), 400),
    ] {
        let first = hands.client.cashier_with_key(&body, key).await?;
        is_first(&first, status)?;
        let calls = hands.calls("payone").await? + hands.calls("flexepin").await?;
        is_replay(&hands.client.cashier_with_key(&body, key).await?, &first)?;
        ensure!(hands.calls("payone").await? + hands.calls("flexepin").await? == calls, "a replay called the provider");
    }
    Ok(())
}

/// `mozarto company create` on the store of the sandbox to come; what it prints.
fn create_company(data: &std::path::Path) -> Result<Value> {
    let output = Command::new(BINARY)
        .args(["company", "create", "--name", "Other Ltd", "--country", "CA", "--currency", "CAD", "--json", "--data"])
        .arg(data)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn other_company(hands: &Hands, other: &Value) -> Result<()> {
    let text = |name: &str| other[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {other}"));
    let mut client = hands.client.clone();
    (client.company_token, client.management_token) = (text("companyToken")?, text("managementToken")?);
    let config = json!({
        "accountName": "Demo company", "apiKey": "payone-demo-key-0001", "webhookUrl": "https://other.example/", "siteUrl": "https://other.example/",
        "baseUrl": format!("{}/payone", client.simulator),
    });
    let made = client.manage("POST", "/payment-methods", Some(json!({"pspType": "PAYONE", "config": config}))).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    let rule = json!({"name": "All", "priority": 1, "active": true, "match": {"pspTypes": [], "brandIds": [], "types": []}, "action": {"route": [], "hold": false}});
    let made = client.manage("POST", "/rules", Some(rule)).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    let body = bodies::payone("PAYIN", "105.00");
    let ours = hands.client.cashier_with_key(&body, "eight").await?;
    is_first(&ours, 200)?;
    let theirs = client.cashier_with_key(&body, "eight").await?;
    is_first(&theirs, 200)?;
    let (our_id, their_id) = (ours.text("/data/transactionId"), theirs.text("/data/transactionId"));
    ensure!(our_id != their_id, "one transaction for two companies");
    let hidden = client.status(our_id).await?;
    is_error(&hidden, 404, "Not found")?;
    let listed = client.read("/v1/api/mozarto/transactions?limit=200").await?;
    ensure!(listed.body["data"]["items"].as_array().is_some_and(|items| items.len() == 1), "{}", listed.body);
    let third = client.cashier_with_key(&bodies::payone("PAYIN", "105.01"), "eight-b").await?;
    is_first(&third, 200)?;
    is_first(&hands.client.cashier_with_key(&body, "eight-b").await?, 200)
}

async fn bad_headers(hands: &Hands) -> Result<()> {
    let body = bodies::payone("PAYIN", "106.00");
    let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
    for key in ["", " ", "a b", "ключ", &"k".repeat(256)] {
        is_error(&hands.client.cashier_with_key(&body, key).await?, 400, message)?;
    }
    for (one, two) in [("a", "a"), ("a", "b")] {
        let twice = [("idempotency-key", one), ("idempotency-key", two)];
        is_error(&hands.client.cashier_raw(body.clone().into_bytes(), &twice).await?, 400, message)?;
    }
    for key in ["~".to_owned(), "k".repeat(255)] {
        is_first(&hands.client.cashier_with_key(&body, &key).await?, 200)?;
    }
    Ok(())
}

async fn expired_user_token(hands: &Hands) -> Result<()> {
    let body = bodies::payone("PAYIN", "107.00");
    let first = hands.client.cashier_with_key(&body, "eleven").await?;
    is_first(&first, 200)?;
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.x", part(r#"{"alg":"HS256"}"#), part(r#"{"userId":"user_123","exp":1000000000}"#));
    let mut late = hands.client.clone();
    late.user_token = token;
    is_first(&late.cashier(&body).await?, 401)?;
    is_replay(&late.cashier_with_key(&body, "eleven").await?, &first)
}

async fn rule_off(hands: &Hands) -> Result<()> {
    let body = bodies::payone("PAYIN", "108.00");
    let first = hands.client.cashier_with_key(&body, "off").await?;
    is_first(&first, 200)?;
    let id = hands.client.method_of("PAYONE").await?;
    let path = format!("/payment-methods/{id}");
    let off = hands.client.manage("PATCH", &path, Some(json!({"enabled": false}))).await?;
    ensure!(off.status == 200, "{} {}", off.status, off.body);
    is_first(&hands.client.cashier(&body).await?, 400)?;
    is_replay(&hands.client.cashier_with_key(&body, "off").await?, &first)?;
    let on = hands.client.manage("PATCH", &path, Some(json!({"enabled": true}))).await?;
    ensure!(on.status == 200, "{} {}", on.status, on.body);
    Ok(())
}

/// Many callers with one key: the answers that are no 409.
async fn callers(client: &Client, body: &str, key: &str, count: usize) -> Result<Vec<Answer>> {
    let mut running = JoinSet::new();
    for _ in 0..count {
        let (client, body, key) = (client.clone(), body.to_owned(), key.to_owned());
        running.spawn(async move { client.cashier_with_key(&body, &key).await });
    }
    let mut answers = Vec::new();
    while let Some(answer) = running.join_next().await {
        let answer = answer??;
        if answer.status == 409 {
            ensure!(answer.text("/message") == RUNNING, "{}", answer.body);
        } else {
            ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
            answers.push(answer);
        }
    }
    Ok(answers)
}

fn same_bytes(answers: &[Answer], key: &str) -> Result<()> {
    ensure!(!answers.is_empty(), "{key}: nobody was answered");
    let different: HashSet<&[u8]> = answers.iter().map(|answer| answer.bytes.as_slice()).collect();
    ensure!(different.len() == 1, "{key}: {} different answers", different.len());
    let firsts = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count();
    ensure!(firsts == 1, "{key}: {firsts} first answers");
    Ok(())
}

async fn at_once(hands: &Hands) -> Result<()> {
    for round in 0..10 {
        let calls = hands.calls("payone").await?;
        let (body, key) = (bodies::payone("PAYOUT", "109.00"), format!("twelve-{round}"));
        let answers = callers(&hands.client, &body, &key, AT_ONCE).await?;
        same_bytes(&answers, &key)?;
        // The pay-out's own inquiries come later; the withdraw itself went out once.
        let id = answers[0].text("/data/transactionId").to_owned();
        hands.moved_once("payone", &id, &json!({"direction": "out", "amount": "109.00"})).await?;
        ensure!(hands.calls("payone").await? > calls, "nobody was called");
    }
    Ok(())
}

/// 1,000 keys, 64 callers each: exactly one provider call per key (a pay-in that nobody pays is asked about by nobody for 10 s,
/// so the deposits are counted).
async fn storm(hands: &Hands) -> Result<()> {
    let began = Instant::now();
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut done = 0;
    while done < STORM_KEYS && (done < STORM_KEYS_MIN || began.elapsed() < STORM_LIMIT) {
        let key = format!("storm-{done}");
        let answers = callers(&hands.client, &bodies::payone("PAYIN", &format!("{}.00", 1 + done)), &key, AT_ONCE).await?;
        same_bytes(&answers, &key)?;
        *ids.entry(answers[0].text("/data/transactionId").to_owned()).or_default() += 1;
        done += 1;
    }
    ensure!(ids.len() == done, "{} transactions for {done} keys", ids.len());
    println!("{done} keys x {AT_ONCE} callers in {:?}", began.elapsed());
    let answer = hands.client.control("GET", "/payone/calls", None).await?;
    let calls = answer.body["calls"].as_array().context("the simulator's calls")?;
    let mut deposits: HashMap<String, usize> = HashMap::new();
    for call in calls.iter().filter(|call| call["path"] == "/api/deposit") {
        let body: Value = serde_json::from_str(call["body"].as_str().unwrap_or_default())?;
        *deposits.entry(body["referenceId"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let total = answer.body["total"].as_u64().context("the simulator's total")?;
    // The ring of calls is bounded: with inquiries in it, the oldest may have fallen out.
    ensure!(usize::try_from(total)? > calls.len() || deposits.len() == done, "{} deposits for {done} keys", deposits.len());
    ensure!(deposits.iter().all(|(id, times)| *times == 1 && ids.contains_key(id)), "a deposit twice, or of nobody");
    Ok(())
}

/// kill -9 while a call hangs; afterwards the key answers 409 until the intent is recovered, then what became of it, for ever the
/// same.
async fn after_a_crash(world: &mut World) -> Result<()> {
    let hands = world.hands();
    let cases = [("five-in", bodies::payone("PAYIN", "110.05")), ("five-out", bodies::payone("PAYOUT", "110.05"))];
    let mut calls = Vec::new();
    for (key, body) in &cases {
        calls.push(hanging(&hands, body, key).await?);
    }
    world.sandbox.kill().await?;
    for call in calls {
        ensure!(call.await?.is_err(), "the call was answered before the crash");
    }
    world.restart().await?;
    let hands = world.hands();
    for (key, body) in &cases {
        let until = Instant::now() + Duration::from_secs(20);
        let first = loop {
            let answer = hands.client.cashier_with_key(body, key).await?;
            if answer.status != 409 {
                break answer;
            }
            is_error(&answer, 409, RUNNING)?;
            ensure!(Instant::now() < until, "{key}: still 409");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        ensure!(first.header("idempotent-replayed") == Some("true"), "{key}: it ran anew: {}", first.body);
        is_replay(&hands.client.cashier_with_key(body, key).await?, &first)?;
        let shown = (first.status >= 400, first.text("/transaction/transaction_status"), first.text("/transaction/status"));
        let expected = if *key == "five-in" { (true, "Failed", "not_found") } else { (false, "Pending", "unknown") };
        ensure!(shown == expected, "{key}: {} {}", first.status, first.body);
        hands.nothing_moved("payone", first.text("/transaction/transactionId")).await?;
    }
    let listed = hands.client.read("/v1/api/mozarto/transactions?limit=200&pspType=PAYONE").await?;
    let items = listed.body["data"]["items"].as_array().cloned().unwrap_or_default();
    let count = items.iter().filter(|item| item["amount"] == "110.05").count();
    ensure!(count == 2, "{count} transactions of two keys");
    Ok(())
}

/// No test waits 24 h: the expiry is put into the past in the store itself, between two starts.
async fn expired(world: &mut World) -> Result<()> {
    let (kept, ended) = (bodies::payone("PAYIN", "111.00"), bodies::payone("PAYIN", "112.06"));
    let hands = world.hands();
    let first = hands.client.cashier_with_key(&kept, "ten-kept").await?;
    let last = hands.client.cashier_with_key(&ended, "ten-ended").await?;
    is_first(&last, 429)?;
    let (status, _) = world.sandbox.terminate().await?;
    ensure!(status.success(), "{status}");
    let db = rusqlite::Connection::open(world.data().join("mozarto.db"))?;
    let expiry = |key: &str| {
        db.query_row("SELECT expires_at FROM idempotency WHERE idempotency_key = ?1", [key], |row| row.get::<_, Option<i64>>(0))
    };
    ensure!(expiry("ten-kept")?.is_none(), "the key of an open transaction has an expiry");
    let at = expiry("ten-ended")?.context("the key of an ended transaction has no expiry")?;
    let changed = db.execute("UPDATE idempotency SET expires_at = 1000 WHERE idempotency_key = 'ten-ended'", [])?;
    ensure!(changed == 1 && at > 1_000, "{changed} keys, expiry {at}");
    drop(db);
    world.restart().await?;
    let hands = world.hands();
    is_replay(&hands.client.cashier_with_key(&kept, "ten-kept").await?, &first)?;
    let anew = hands.client.cashier_with_key(&bodies::payone("PAYIN", "113.00"), "ten-ended").await?;
    is_first(&anew, 200)?;
    is_replay(&hands.client.cashier_with_key(&bodies::payone("PAYIN", "113.00"), "ten-ended").await?, &anew)
}
