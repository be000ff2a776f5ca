//! Card data is nowhere: a thousand marked cards through every route that takes or refuses one, logged at TRACE, with faults on
//! the way; then every file, log line, answer, webhook and metric is searched.

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use futures::StreamExt;
use serde_json::{Value, json};
use std::path::Path;
use testkit::world::World;
use tokio::net::TcpListener;

/// All marked numbers begin with this. Six digits of a card may be kept; these seven may not.
const MARK: &str = "4929001";
/// In every marked card's name.
const HOLDER: &str = "QXHOLDERZ";
/// Cards per route.
const CARDS: u64 = 1_000;
/// Calls at once.
const AT_ONCE: usize = 16;

/// A valid number with the mark.
fn marked(n: u64) -> String {
    let digits = format!("{MARK}{n:08}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn card(n: u64) -> Value {
    let pan = marked(n);
    // As people type them, too.
    let pan = if n.is_multiple_of(3) { format!("{} {}-{} {}", &pan[..4], &pan[4..8], &pan[8..12], &pan[12..]) } else { pan };
    json!({"pan": pan, "expMonth": "12", "expYear": "2035", "cvv": format!("{:03}", n % 1000), "cardHolderName": format!("{HOLDER} {n}")})
}

/// Amounts that bring faults at the provider: cut answers, silence, refusals, and good payments between them.
fn amount(n: u64) -> Value {
    const DIGITS: [u64; 8] = [0, 1, 4, 6, 7, 8, 11, 12];
    let cents = DIGITS[usize::try_from(n).unwrap_or_default() % DIGITS.len()];
    serde_json::from_str(&format!("{}.{cents:02}", 100 + n % 50)).unwrap_or(json!(100))
}

fn emerchantpay(n: u64) -> String {
    json!({"pspType": "EMERCHANTPAY", "type": "PAYIN", "baseamount": amount(n), "currency": "EUR", "userId": "user_123", "firstName": "John", "lastName": "Doe",
        "email": "player@example.com", "phone": "4915112345678", "card": card(n), "browser": {"userAgent": "Mozilla/5.0"}, "merchantReference": format!("S1-{n}")})
    .to_string()
}

fn worldpay(n: u64) -> String {
    json!({"pspType": "WORLDPAY_EU", "type": "PAYIN", "baseamount": amount(n), "currency": "EUR", "userId": "user_123", "email": "player@example.com",
        "firstName": "John", "lastName": "Doe", "phone": "4915112345678", "gender": "M", "dob": "1990-01-15", "countryCode": "DE", "kycVerified": true,
        "blocked": false, "isVelocity": false, "transactionCount": "3", "userBalance": 20.5, "partnerName": "brand-one",
        "emailVerification": "player@example.com", "verificationDate": "2026-01-10",
        "address": {"line1": "Hauptstr. 1", "city": "Berlin", "postalCode": "10115", "country": "DE"}, "card": card(n)})
    .to_string()
}

/// Refused, wherever the card stands.
fn trust(n: u64) -> String {
    let mut body = json!({"pspType": "TRUST", "type": "PAYIN", "baseamount": 100, "currency": "EUR", "userId": "user_123"});
    match n % 3 {
        0 => body["card"] = card(n),
        1 => body["PAN"] = json!(marked(n)),
        _ => body["address"] = json!({"line1": "Hauptstr. 1", "Card": card(n)}),
    }
    body.to_string()
}

/// Also a card that is wrong in some way, and a body that is no JSON, with an idempotency key.
fn spoilt(n: u64) -> String {
    let mut body: Value = serde_json::from_str(&emerchantpay(n)).unwrap_or_default();
    match n % 4 {
        0 => body["card"]["expMonth"] = json!("13"),
        1 => body["card"]["pan"] = json!(marked(n).parse::<u64>().unwrap_or_default()),
        2 => body["card"]["cardHolderName"] = json!(format!("{HOLDER} {}", marked(n))),
        _ => return format!("{}, oops", body),
    }
    body.to_string()
}

/// Has the accounts of a provider speak to another address.
async fn point_at(world: &World, psp_type: &str, base: &str) -> Result<()> {
    let methods = world.client.manage("GET", "/payment-methods?limit=200", None).await?;
    for method in methods.body["data"]["items"].as_array().context("methods")?.iter().filter(|one| one["pspType"] == psp_type) {
        let path = format!("/payment-methods/{}", method["id"].as_str().unwrap_or_default());
        let set = world.client.manage("PATCH", &path, Some(json!({"config": {"baseUrl": base}}))).await?;
        ensure!(set.status == 200, "{psp_type}: {} {}", set.status, set.body);
    }
    Ok(())
}

async fn send_all(world: &World, route: &str, body: fn(u64) -> String, expected: &[u16]) -> Result<Vec<u8>> {
    let answers = futures::stream::iter(0..CARDS)
        .map(|n| {
            let client = world.client.clone();
            async move { client.cashier(&body(n)).await }
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut said = Vec::new();
    for answer in answers {
        let answer = answer?;
        ensure!(expected.contains(&answer.status), "{route}: {} {}", answer.status, answer.body);
        said.extend_from_slice(answer.body.to_string().as_bytes());
    }
    Ok(said)
}

/// Bytes before and behind a mark that are shown with it.
const AROUND: usize = 32;

/// Whatever of the marks is in there, each with what stands around it: what number, or whose, it is part of.
fn found(bytes: &[u8]) -> Vec<String> {
    let spaced = [format!("{} {}", &MARK[..4], &MARK[4..]), format!("{}-{}", &MARK[..4], &MARK[4..])];
    let hexed = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let marks = [MARK.to_owned(), HOLDER.to_owned(), hexed(MARK), hexed(HOLDER)];
    let shown = |mark: String| {
        let at = bytes.windows(mark.len()).position(|window| window == mark.as_bytes())?;
        let around = &bytes[at.saturating_sub(AROUND)..bytes.len().min(at + mark.len() + AROUND)];
        Some(format!("{mark} (in {})", around.escape_ascii()))
    };
    marks.into_iter().chain(spaced).filter_map(shown).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn search(directory: &Path, report: &mut Vec<String>, files: &mut usize) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, report, files)?;
            continue;
        }
        // A file may go away meanwhile.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        *files += 1;
        report.extend(found(&bytes).into_iter().map(|mark| format!("{mark} in {}", path.display())));
    }
    Ok(())
}

/// A provider that repeats everything it was sent, as answers and as errors.
async fn echo() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(|body: Bytes| async move {
        let status = [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::INTERNAL_SERVER_ERROR][body.len() % 3];
        (status, body)
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}

#[test]
fn the_search_finds_what_is_planted() {
    let number = marked(7);
    let holder = format!("x{HOLDER}y");
    for text in [&number, &holder, &format!("{} {}", &number[..4], &number[4..]), &format!("{}-{}", &number[..4], &number[4..])] {
        assert!(!found(text.as_bytes()).is_empty(), "{text}");
    }
    assert!(found(b"492900******0074, 4929 00, holder").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cards_leave_no_trace() {
    let logs = tempfile::tempdir().expect("a directory for the log");
    let log = logs.path().join("trace.log");
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["EMERCHANTPAY", "WORLDPAY_EU"], |options| {
        options.time_scale(60).auto_settle(50).trace_into(&log)
    })
    .await
    .expect("a sandbox");
    leave_no_trace(&world, logs.path()).await.expect("no card data anywhere");
}

async fn leave_no_trace(world: &World, logs: &Path) -> Result<()> {
    let any = [200, 400, 429, 500, 502, 504];
    let mut said = send_all(world, "eMerchantPay", emerchantpay, &any).await?;
    said.extend(send_all(world, "Worldpay direct", worldpay, &any).await?);
    said.extend(send_all(world, "Trust", trust, &[400]).await?);
    said.extend(send_all(world, "spoilt", spoilt, &[400]).await?);
    // And a provider that says it all back to us.
    let base = echo().await?;
    for psp_type in ["EMERCHANTPAY", "WORLDPAY_EU"] {
        point_at(world, psp_type, &base).await?;
    }
    said.extend(send_all(world, "eMerchantPay, echoed", emerchantpay, &any).await?);
    said.extend(send_all(world, "Worldpay direct, echoed", worldpay, &any).await?);
    let metrics = world.client.read("/metrics").await?.bytes;
    let mut list = Vec::new();
    for status in ["Approved", "Declined", "Failed", "Pending"] {
        let page = world.client.read(&format!("/v1/api/mozarto/transactions?limit=200&transaction_status={status}")).await?;
        ensure!(contains(&page.bytes, b"\"transactionId\""), "no card ended as {status}: {}", page.body);
        list.extend(page.bytes);
    }
    ensure!(contains(&metrics, b"mozarto_"), "there are metrics");
    let webhooks: Vec<Value> = world.sink.received().into_iter().map(|one| one.body).collect();
    ensure!(!webhooks.is_empty(), "webhooks came");
    let webhooks = Value::from(webhooks).to_string();

    let mut report: Vec<String> = Vec::new();
    for (place, bytes) in [
        ("an answer", said.as_slice()),
        ("the metrics", metrics.as_slice()),
        ("the list", list.as_slice()),
        ("a webhook", webhooks.as_bytes()),
    ] {
        report.extend(found(bytes).into_iter().map(|mark| format!("{mark} in {place}")));
    }
    let mut files = 0;
    search(world.data(), &mut report, &mut files)?;
    search(logs, &mut report, &mut files)?;
    ensure!(files >= 4, "{files} files are too few to have searched everything");
    let traced = std::fs::metadata(logs.join("trace.log")).context("the log")?.len();
    ensure!(traced > 1_000_000, "{traced} bytes are no TRACE log");
    ensure!(report.is_empty(), "card data is in:\n{}", report.join("\n"));
    Ok(())
}
