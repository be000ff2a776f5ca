//! What a stranger who only wants to break it sends to every door, and what the answers must not give back.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::process::Stdio;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// A card number, and marks that clear a screen or turn the direction of writing.
const WORDS: [&str; 4] =
    ["4111111111111111", "x 4111-1111 1111.1111", "\u{ff14}111111111111111", "a\u{1b}[2J\u{202e}b\u{2066}c\u{feff}d"];

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_repeats_what_it_must_not() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = Table::new("answers to strange words");
    for word in WORDS {
        table.row(format!("{word:?} as a parameter"), parameter(world.hands(), word));
        table.row(format!("{word:?} as a field"), field(world.hands(), word));
        table.row(format!("{word:?} as a provider"), provider(world.hands(), word));
    }
    table.row("a card number as a brand", brand(world.hands()));
    table.row("a card number in names", names(world.hands()));
    table.row("a card number in reasons", reasons(world.hands()));
    table.end().await;
}

/// Refused, with a sentence that hides the number and lets nothing act.
fn harmless(status: u16, answer: &Value) -> Result<()> {
    let text = answer.to_string();
    let said = [answer["message"].to_string(), answer["errors"].to_string(), answer["fields"].to_string()].concat();
    let decoded: Vec<char> = strings(answer).chars().collect();
    ensure!(status == 400, "{status}: {text}");
    ensure!(said.len() > 20, "no sentence: {text}");
    ensure!(!decoded.windows(12).any(|run| run.iter().all(|c| c.is_numeric())), "a number: {text}");
    ensure!(!text.contains("1111"), "a part of a number: {text}");
    let acts = |c: &char| {
        c.is_control() || matches!(*c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    ensure!(!decoded.iter().any(acts), "something acts: {text:?}");
    Ok(())
}

/// All texts of a document, as whoever reads them has them.
fn strings(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text} "),
        Value::Array(items) => items.iter().map(strings).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| format!("{name} {}", strings(value))).collect(),
        _ => String::new(),
    }
}

async fn parameter(hands: Hands, word: &str) -> Result<()> {
    let name: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
    for list in ["/payment-methods", "/rules", "/brands", "/approvals", "/deliveries", "/credentials", "/transactions", "/audit"]
    {
        let answer = hands.client.manage("GET", &format!("{list}?{name}=1"), None).await?;
        harmless(answer.status, &answer.body).with_context(|| list.to_owned())?;
    }
    for list in ["transactions", "events"] {
        let answer = hands.client.read(&format!("/v1/api/mozarto/{list}?{name}=1")).await?;
        harmless(answer.status, &answer.body).with_context(|| format!("the company's {list}"))?;
    }
    Ok(())
}

async fn field(hands: Hands, word: &str) -> Result<()> {
    let bodies = [
        ("/payment-methods", json!({word: 1, "pspType": "PAYONE"})),
        ("/payment-methods", json!({"pspType": "PAYONE", "config": {word: 1}})),
        ("/rules", json!({word: 1, "name": "r"})),
        ("/rules", json!({"name": "r", "match": {word: 1}})),
        ("/brands", json!({word: 1, "brandId": "b", "name": "b"})),
        ("/credentials", json!({word: 1})),
        ("/deliveries/replay", json!({word: 1})),
    ];
    for (path, body) in bodies {
        let answer = hands.client.manage("POST", path, Some(body)).await?;
        harmless(answer.status, &answer.body).with_context(|| path.to_owned())?;
    }
    Ok(())
}

async fn provider(hands: Hands, word: &str) -> Result<()> {
    let answer = hands.client.manage("POST", "/payment-methods", Some(json!({"pspType": word, "config": {}}))).await?;
    harmless(answer.status, &answer.body).context("a payment method")?;
    let answer = hands.client.cashier(&json!({"pspType": word, "type": "PAYIN"}).to_string()).await?;
    harmless(answer.status, &answer.body).context("a payment")
}

/// A brand's id is an identifier like others: it stands in requests, rules and lists.
async fn brand(hands: Hands) -> Result<()> {
    let answer = hands.client.manage("POST", "/brands", Some(json!({"brandId": "4111111111111111", "name": "b"}))).await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    ensure!(answer.body["errors"] == json!(["brandId must not contain a card number"]), "{}", answer.body);
    let answer = hands.client.manage("POST", "/brands", Some(json!({"brandId": "20261129192423000", "name": "b"}))).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

/// What is named stands in lists and in the audit log for ever.
async fn names(hands: Hands) -> Result<()> {
    let name = "of 4111-1111-1111-1111";
    let brand = hands.client.manage("POST", "/brands", Some(json!({"brandId": "named", "name": "b"}))).await?;
    ensure!(brand.status == 200, "{}", brand.body);
    let calls = [
        ("POST", "/rules", json!({"name": name})),
        ("POST", "/brands", json!({"brandId": "other", "name": name})),
        ("PATCH", "/brands/named", json!({"name": name})),
        ("POST", "/credentials", json!({"kind": "management", "name": name, "scopes": ["read"]})),
        ("PATCH", "/company", json!({"name": name})),
    ];
    for (method, path, body) in calls {
        let answer = hands.client.manage(method, path, Some(body)).await?;
        ensure!(answer.status == 400, "{path}: {} {}", answer.status, answer.body);
        ensure!(answer.body["errors"] == json!(["name must not contain a card number"]), "{path}: {}", answer.body);
    }
    Ok(())
}

/// A reason stays on the timeline; the decision waits for one that may.
async fn reasons(hands: Hands) -> Result<()> {
    let held = hands.client.cashier(&bodies::forumpay_out("10.00")).await?;
    let id = held.text("/transaction/transactionId");
    let reason = "the payer gave 4111 1111 1111 1111";
    let calls = [
        format!("/approvals/{id}/reject"),
        format!("/approvals/{id}/approve"),
        format!("/transactions/{id}/release"),
        format!("/transactions/{id}/resolve"),
    ];
    for path in calls {
        let answer = hands.client.manage("POST", &path, Some(json!({"to": "Approved", "reason": reason}))).await?;
        let answer = match answer.body["errors"].to_string().contains("to is not a field") {
            true => hands.client.manage("POST", &path, Some(json!({"reason": reason}))).await?,
            false => answer,
        };
        ensure!(answer.status == 400, "{path}: {} {}", answer.status, answer.body);
        ensure!(answer.body["errors"] == json!(["reason must not contain a card number"]), "{path}: {}", answer.body);
    }
    let answer = hands.client.status(id).await?;
    ensure!(answer.text("/data/transaction_status") == "OnHold", "{}", answer.body);
    let answer =
        hands.client.manage("POST", &format!("/approvals/{id}/reject"), Some(json!({"reason": "asked for 20261129"}))).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

/// What is read only in part (`| head -1`), or cannot be written: a word about it, never a panic. What the command did is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_words_nobody_takes_does_not_panic() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    untaken(&world).await.expect("every command ends as it should");
}

async fn untaken(world: &World) -> Result<()> {
    let hands = world.hands();
    let paid = hands.client.cashier(&bodies::payone("PAYOUT", "10.00")).await?;
    let id = paid.text("/transaction/transactionId");
    let commands: [&[&str]; 6] = [
        &["transactions", "list"],
        &["transactions", "list", "--json"],
        &["transactions", "show", id],
        &["deliveries", "list"],
        &["approvals", "list", "--json"],
        &["deliveries", "replay", "--since", "2026-01-01T00:00:00Z"],
    ];
    for command in commands {
        let run = async |out: Stdio, err: Stdio| {
            let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_mozarto"));
            program.args(command).args(["--url", &hands.client.base]).env("MOZARTO_TOKEN", &hands.client.management_token);
            // `output` would take both for itself.
            program.stdin(Stdio::null()).stdout(out).stderr(err).spawn()?.wait_with_output().await
        };
        let (reader, writer) = std::io::pipe().context("a pipe")?;
        drop(reader);
        let gone = run(writer.into(), Stdio::piped()).await?;
        let said = String::from_utf8_lossy(&gone.stderr).into_owned();
        ensure!(
            gone.status.code() == Some(141) && !said.contains("panicked"),
            "{command:?}, nobody reads: {}: {said}",
            gone.status
        );
        let full = run(std::fs::File::options().write(true).open("/dev/full")?.into(), Stdio::piped()).await?;
        let said = String::from_utf8_lossy(&full.stderr).into_owned();
        ensure!(
            full.status.code() == Some(1) && said.contains("could not be printed: No space"),
            "{command:?}, full: {}: {said}",
            full.status
        );
        ensure!(!said.contains("panicked"), "{command:?}: {said}");
        let silent = run(Stdio::piped(), std::fs::File::options().write(true).open("/dev/full")?.into()).await?;
        ensure!(silent.status.success() && !silent.stdout.is_empty(), "{command:?}, no standard error: {}", silent.status);
    }
    Ok(())
}
