//! Identifiers that look like card numbers are refused; texts of strangers act on no terminal and no page.

use crate::ten::ALL;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::world::{Hands, World};

/// Clears a screen, reverses a line, in each way that a terminal or a browser knows.
const ACTING: &str = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{2066}e\u{7f}f\u{200f}g\u{2028}h";

async fn world() -> World {
    World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options.time_scale(60).auto_settle(50)).await.expect("a sandbox")
}

fn next() -> u32 {
    static SERIAL: AtomicU32 = AtomicU32::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

fn with(body: &str, name: &str, text: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    body[name] = json!(text);
    body.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn card_numbers_are_no_identifiers() {
    let world = world().await;
    refused_by_all(&world.hands()).await.expect("refused with a sentence, and nothing kept");
}

async fn refused_by_all(hands: &Hands) -> Result<()> {
    let numbers = ["4111111111111111", "order 5555 5555 5555 4444", "a-3782-822463-10005", "REF6250941006528599"];
    for provider in ALL {
        let body = provider.pay_in(next(), "100.00");
        for number in numbers {
            let answer = hands.client.cashier(&with(&body, "merchantReference", number)).await?;
            let sentences = answer.body["errors"].to_string();
            ensure!(answer.status == 400, "{}: {} {}", provider.name, answer.status, answer.body);
            ensure!(sentences == r#"["merchantReference must not contain a card number"]"#, "{}: {sentences}", provider.name);
            let key = number.replace(' ', "-");
            let answer = hands.client.cashier_with_key(&body, &key).await?;
            ensure!(answer.status == 400, "{}: {} {}", provider.name, answer.status, answer.body);
            ensure!(answer.text("/message") == "Idempotency-Key must not contain a card number", "{}", answer.body);
        }
        let answer = hands.client.cashier(&with(&body, "userId", numbers[0])).await?;
        let sentences = answer.body.to_string();
        // The sandbox's token names another user; whichever is said first, it is not taken.
        ensure!(answer.status == 400 && sentences.contains("userId must"), "{}: {sentences}", provider.name);
    }
    let list = hands.client.manage("GET", "/transactions?limit=200", None).await?;
    ensure!(list.body["data"]["items"].as_array().is_some_and(Vec::is_empty), "something was kept: {}", list.body);
    // Ordinary references are taken.
    for reference in ["20261129192423000", "1764444263000000", "4111111111111112", "64a1f2b3c4d5e6f7a8b9c0d1", "ORDER-REF-001"] {
        let body = with(&ALL[7].pay_in(next(), "100.00"), "merchantReference", reference);
        let answer = hands.client.cashier_with_key(&body, &format!("key-{reference}")).await?;
        ensure!(answer.status == 200, "{reference}: {} {}", answer.status, answer.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acts_on_a_terminal_or_a_page() {
    let world = world().await;
    shown_and_not_obeyed(&world).await.expect("shown, not obeyed");
}

async fn shown_and_not_obeyed(world: &World) -> Result<()> {
    let hands = world.hands();
    let body = with(&ALL[7].pay_in(next(), "100.00"), "merchantReference", ACTING);
    // What the provider says acts as well.
    let said = json!({"http": 400, "body": {"success": false, "error": ACTING, "message": ACTING}});
    let answer = hands.client.cashier(&body).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    hands.client.control("PUT", "/payone/next", Some(said)).await?;
    let refused = hands.client.cashier(&with(&body, "merchantReference", "plain")).await?;
    let commands: [&[&str]; 5] = [
        &["transactions", "list"],
        &["transactions", "list", "--json"],
        &["transactions", "show", &id],
        &["transactions", "show", &id, "--json"],
        &["transactions", "show", refused.text("/transaction/transactionId")],
    ];
    for command in commands {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_mozarto"))
            .args(command)
            .args(["--url", &hands.client.base])
            .env("MOZARTO_TOKEN", &hands.client.management_token)
            .output()
            .await?;
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).context("what is printed is UTF-8")?;
        ensure!(output.status.success(), "{command:?}: {printed}");
        nothing_acts(&format!("{command:?}"), &printed)?;
        if command.contains(&"--json") && command.contains(&"show") {
            let read: Value = serde_json::from_str(&printed).context("JSON")?;
            ensure!(read["merchantReference"] == ACTING, "JSON means what it meant: {printed}");
        }
    }
    // A slip in a configuration quotes what was written.
    let wrong = world.data().join("wrong.toml");
    std::fs::write(&wrong, format!("\"{}\" = 1\n", ACTING.replace(['\u{1b}', '\u{7f}'], "")))?;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_mozarto"))
        .args(["config", "check", "--config"])
        .arg(&wrong)
        .output()
        .await?;
    ensure!(!output.status.success(), "a wrong key is a slip");
    nothing_acts("config check", &String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))?;
    // The page of a simulator shows the payer's name.
    let body = with(&ALL[5].pay_in(next(), "100.00"), "name", &format!("Quirin{ACTING}us Zwetschge"));
    let answer = hands.client.cashier(&body).await?;
    let page = hands.client.send("GET", answer.text("/data/webflowURL"), &[], None).await.context("no page")?;
    let shown = String::from_utf8_lossy(&page.bytes);
    ensure!(page.status == 200 && shown.contains("Zwetschge"), "the page does not show it: {} {shown}", page.status);
    nothing_acts("a page", &shown)
}

fn nothing_acts(place: &str, text: &str) -> Result<()> {
    let acts = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match text.chars().find(|c| acts(*c)) {
        Some(c) => anyhow::bail!("{place}: {c:?} in {text:?}"),
        None => Ok(()),
    }
}
