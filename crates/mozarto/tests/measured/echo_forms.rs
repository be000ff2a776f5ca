//! Short and odd secrets in what a provider says, beside the seventeen forms of `echo`: a CVV in short words and in base64,
//! secrets broken up, of punctuation alone, escaped. Nothing of them is in answers, timelines, webhooks, the store or the
//! log; the words around them stay.

use crate::steps::next;
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use std::path::Path;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const PAN: &str = "4200000000000000";
const CVV: &str = "739";
/// The secrets of ForumPay's account: letters, short ones, and punctuation.
const SECRETS: [&str; 4] = ["Qz7kanarienvogel/0001", "Zk7q9vX", "a1!b2!c3", "!@#$%^*()_+{}|"];

/// What a gateway may say of a CVV.
fn of_a_cvv() -> Vec<String> {
    let mut said: Vec<String> =
        ["CVV 739 wrong", "CVV739 wrong", "CVV 7-3-9 wrong", "CVV 7 3 9", "x739x", "cvv=739&a=1", "cvc:739", "739"]
            .map(str::to_owned)
            .into();
    for name in ["cvv", "cvc", "cvv2", "securityCode"] {
        let member = format!("{{\"{name}\":\"{CVV}\"}}");
        said.extend([
            format!("bad: {member}"),
            format!("bad {}", STANDARD.encode(&member)),
            format!("bad {}", URL_SAFE_NO_PAD.encode(&member)),
        ]);
        said.push(format!("{name}%3D{CVV}"));
    }
    said
}

/// What a provider may make of a secret.
fn of_a_secret(secret: &str) -> Vec<(&'static str, String)> {
    let percent = |upper: bool| -> String {
        secret.bytes().map(|byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") }).collect()
    };
    let broken = |between: &str| {
        let chars: Vec<char> = secret.chars().collect();
        chars.chunks(4).map(|piece| piece.iter().collect::<String>()).collect::<Vec<_>>().join(between)
    };
    vec![
        ("as it is", secret.to_owned()),
        ("by blanks", broken(" ")),
        ("by dashes", broken("-")),
        ("by line breaks", broken("\r\n ")),
        ("URL", percent(true)),
        ("URL, lower case", percent(false)),
        ("URL twice", percent(true).replace('%', "%25")),
        ("hex", secret.bytes().map(|byte| format!("{byte:02x}")).collect()),
        ("HEX", secret.bytes().map(|byte| format!("{byte:02X}")).collect()),
        ("base64", STANDARD.encode(secret)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn short_and_odd_secrets_are_masked() {
    let logs = tempfile::tempdir().expect("a directory for the log");
    let log = logs.path().join("trace.log");
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["EMERCHANTPAY"], |options| options.trace_into(&log)).await;
    let world = world.expect("a sandbox");
    let mut table = Table::new("a CVV in a gateway's words");
    for (n, said) in of_a_cvv().into_iter().enumerate() {
        table.row_alone(format!("{said:?}"), cvv_is_masked(world.hands(), n, said)).await;
    }
    table.end().await;
    let mut table = Table::new("secrets in a provider's words");
    for secret in SECRETS {
        for (form, said) in of_a_secret(secret) {
            table.row_alone(format!("{secret} {form}: {said:?}"), secret_is_masked(world.hands(), secret, said)).await;
        }
    }
    table.row_alone("nothing in the store and the log", async { nothing_is_kept(&world, &log) }).await;
    table.end().await;
}

async fn cvv_is_masked(hands: Hands, n: usize, said: String) -> Result<()> {
    let escaped = said.replace('&', "&amp;").replace('"', "&quot;");
    let words = format!("Kanarienvogel {escaped} refused");
    let body = format!(
        "<payment_response><status>declined</status><code>510</code><message>{words}</message><technical_message>{words}</technical_message></payment_response>"
    );
    next(
        &hands,
        "emerchantpay",
        json!({"path": "/process/", "http": 200, "headers": {"content-type": "application/xml"}, "body": body}),
    )
    .await?;
    let paid = bodies::emerchantpay(&format!("{}.50", 20 + n), PAN).replace("\"cvv\":\"123\"", &format!("\"cvv\":\"{CVV}\""));
    ensure!(paid.contains(CVV), "no CVV is sent: {paid}");
    let answer = hands.client.cashier(&paid).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    let shown = hands.managed(&id).await?;
    hands.sink.wait_for(&id, 1, crate::steps::LIMIT).await?;
    let webhook = hands.sink.about(&id).pop().context("a webhook")?.body;
    for (place, text) in
        [("an answer", answer.text("/message").to_owned()), ("a timeline", messages(&shown)), ("a webhook", messages(&webhook))]
    {
        ensure!(text.contains("Kanarienvogel"), "{place}: the words are not there: {text}");
        ensure!(!text.contains(&said) && !text.contains(CVV) && text.contains("***"), "{place}: {text}");
    }
    Ok(())
}

/// The texts of the gateway in a transaction.
fn messages(shown: &serde_json::Value) -> String {
    let events = shown["events"].as_array().into_iter().flatten().map(|event| event["detail"]["text"].clone());
    let texts = [shown["message"].clone()].into_iter().chain(events);
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .filter(|text| text.contains("Kanarienvogel"))
        .collect::<Vec<_>>()
        .join("\n")
}

async fn secret_is_masked(hands: Hands, secret: &str, said: String) -> Result<()> {
    let method = hands.client.method_of("FORUMPAY").await?;
    let set = hands
        .client
        .manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": {"password": secret}})))
        .await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    let body = json!({"err": format!("Kanarienvogel {said} refused")});
    next(&hands, "forumpay", json!({"path": "CreatePaymentLink", "http": 200, "body": body})).await?;
    let answer = hands.client.cashier(&bodies::forumpay_in("100.00")).await?;
    let shown = hands.managed(answer.text("/transaction/transactionId")).await?;
    let told = answer.text("/data/err").to_owned();
    ensure!(told.contains("Kanarienvogel") && told.contains("***") && told.ends_with("refused"), "{}", answer.body);
    ensure!(!told.contains(&said), "an answer: {told}");
    ensure!(!shown.to_string().contains(&said), "a timeline: {shown}");
    Ok(())
}

/// The forms by which a secret is known wherever it stands.
fn nothing_is_kept(world: &World, log: &Path) -> Result<()> {
    let log = std::fs::read(log).context("the log")?;
    ensure!(log.len() > 100_000, "{} bytes are no TRACE log", log.len());
    let mut places = vec![("the log".to_owned(), log)];
    for entry in std::fs::read_dir(world.data())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && name.starts_with("mozarto.db") {
            places.push((name, std::fs::read(&path)?));
        }
    }
    ensure!(places.len() > 1, "no store");
    for (place, bytes) in places {
        for secret in SECRETS.into_iter().chain(["CVV739", "7-3-9", "cvv=739", "cvc:739"]) {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            ensure!(!found, "{secret} in {place}");
        }
    }
    Ok(())
}
