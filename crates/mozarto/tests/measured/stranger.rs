//! What a stranger who only wants to break it sends to every door, and what the answers must not give back.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
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
        table.row(&format!("{word:?} as a parameter"), parameter(world.hands(), word));
        table.row(&format!("{word:?} as a field"), field(world.hands(), word));
        table.row(&format!("{word:?} as a provider"), provider(world.hands(), word));
    }
    table.row("a card number as a brand", brand(world.hands()));
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
