//! A delivery remembers that it was delivered: while it is sent again, whatever becomes of that, it is `delivered` in the
//! list, by the filter and on its own. One that nobody took is `waiting` again.

use crate::steps::{LIMIT, id_of};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_stays_delivered() {
    let set = |options: testkit::sandbox::Options| options.auto_settle(50);
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["PAYONE"], set).await.expect("a sandbox");
    let mut table = Table::new("deliveries that are sent again");
    for (row, since) in [("one", false), ("all since", true)] {
        table.row_alone(format!("{row}, taken before"), sent_again(world.hands(), since, 200, "delivered")).await;
        table.row_alone(format!("{row}, not taken before"), sent_again(world.hands(), since, 500, "failing")).await;
    }
    table.end().await;
}

/// `before`: what the endpoint answers first, and how the delivery stands then.
async fn sent_again(hands: Hands, since: bool, answers: u16, before: &str) -> Result<()> {
    hands.sink.hold(false);
    hands.sink.answer_with(answers);
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let delivery = until(&hands, &id, |one| one["status"] == before && one["attempts"][0].is_object()).await?;
    let came = hands.sink.about(&id).len();
    // On its way, and not answered.
    hands.sink.hold(true);
    let path = if since { "/deliveries/replay".to_owned() } else { format!("/deliveries/{}/replay", text(&delivery, "id")) };
    let body = since.then(|| json!({"since": text(&delivery, "createdAt"), "status": before}));
    let asked = hands.client.manage("POST", &path, Some(body.unwrap_or_else(|| json!({})))).await?;
    ensure!(asked.status == 200, "{} {}", asked.status, asked.body);
    hands.sink.wait_for(&id, came + 1, LIMIT).await?;
    let expected = if before == "delivered" { "delivered" } else { "waiting" };
    let shown = stands(&hands, &delivery, &id, expected).await?;
    ensure!(shown["deliveredAt"] == delivery["deliveredAt"], "{shown}");
    // Not taken this time: nothing of that is forgotten.
    hands.sink.answer_with(500);
    hands.sink.hold(false);
    until(&hands, &id, |one| one["attempts"].as_array().is_some_and(|attempts| attempts.len() > came)).await?;
    stands(&hands, &delivery, &id, before).await.map(drop)
}

/// The list, the filter and the single view say the same.
async fn stands(hands: &Hands, delivery: &Value, transaction: &str, status: &str) -> Result<Value> {
    let one = hands.client.manage("GET", &format!("/deliveries/{}", text(delivery, "id")), None).await?;
    ensure!(one.body["data"]["status"] == status, "alone: {}", one.body);
    let listed = listed(hands, &format!("transactionId={transaction}")).await?;
    ensure!(listed["status"] == status, "in the list: {listed}");
    for word in ["waiting", "delivered", "failing", "exhausted", "stopped", "disabled"] {
        let found = listed_all(hands, &format!("status={word}&limit=200")).await?;
        let is_there = found.iter().any(|found| found["id"] == delivery["id"]);
        ensure!(is_there == (word == status), "by the filter {word}: {is_there}");
    }
    Ok(one.body["data"].clone())
}

async fn listed_all(hands: &Hands, query: &str) -> Result<Vec<Value>> {
    let list = hands.client.manage("GET", &format!("/deliveries?{query}"), None).await?;
    list.body["data"]["items"].as_array().cloned().with_context(|| format!("no list: {}", list.body))
}

async fn listed(hands: &Hands, query: &str) -> Result<Value> {
    Ok(listed_all(hands, query).await?.into_iter().next().unwrap_or_default())
}

async fn until(hands: &Hands, transaction: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let one = listed(hands, &format!("transactionId={transaction}")).await?;
        if wanted(&one) {
            return Ok(one);
        }
        ensure!(tokio::time::Instant::now() < end, "never as wanted: {one}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
