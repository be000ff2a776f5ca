//! Gigadat's steps 2 and 3: whatever is answered with 2xx and without `err` has been accepted, also what is no JSON. The record
//! decides all the same what became of the money.

use crate::steps::{LIMIT, id_of, inquire, next, until};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const NAME: &str = "gigadat";
const REGISTER: &str = "/webflow";
const RELEASE: &str = "/webflow/deposit";
const PAGE: &str = "<html><body>Thank you</body></html>";
/// One that says `err`, one that was cut, one that speaks of a time-out.
const NOT_ACCEPTED: [&str; 4] = [r#"{"err":"Invalid"#, r#"{"status":"STATUS_"#, r#"[{"err":"no"}]"#, "<p>Gateway Timeout</p>"];

fn accepted() -> [Value; 6] {
    [
        json!({"http": 200}),
        json!({"http": 200, "body": "OK"}),
        json!({"http": 200, "body": PAGE}),
        json!({"http": 202, "body": PAGE}),
        json!({"http": 200, "body": "[]"}),
        json!({"http": 200, "body": "true"}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_err_is_acceptance() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["GIGADAT"], |options| options).await.expect("a sandbox");
    let mut table = Table::new("what Gigadat accepts");
    for answer in accepted() {
        table.row_alone(format!("step 2: {answer}"), registered(world.hands(), answer.clone())).await;
        table.row_alone(format!("step 3: {answer}"), released(world.hands(), answer, "STATUS_INITED")).await;
    }
    for body in NOT_ACCEPTED {
        let answer = json!({"http": 200, "body": body});
        table.row_alone(format!("step 2, not: {body}"), not_registered(world.hands(), answer.clone())).await;
        table.row_alone(format!("step 3, not: {body}"), released(world.hands(), answer, "unknown")).await;
    }
    table.end().await;
}

fn at(path: &str, mut answer: Value) -> Value {
    answer["path"] = json!(path);
    answer["times"] = json!(1);
    answer
}

/// How often a pay-out was released.
async fn releases(hands: &Hands, id: &str) -> Result<usize> {
    let calls = hands.client.control("GET", &format!("/{NAME}/calls?limit=1000"), None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    Ok(calls.iter().filter(|call| call["path"] == RELEASE && call.to_string().contains(id)).count())
}

/// It waits for a person. Nothing was registered there: once it is approved, Gigadat refuses to release it, and nothing moves.
async fn registered(hands: Hands, answer: Value) -> Result<()> {
    next(&hands, NAME, at(REGISTER, answer)).await?;
    let answer = hands.client.cashier(&bodies::gigadat_out("ETO", "202.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    ensure!(hands.managed(&id).await?["transaction_status"] == "OnHold", "{}", answer.body);
    let approved = hands.approve(&id).await?;
    ensure!(approved.status == 200, "{} {}", approved.status, approved.body);
    hands.ends_as(&id, "Declined", "release_refused", LIMIT).await?;
    ensure!(releases(&hands, &id).await? == 1, "released more than once");
    Ok(())
}

async fn not_registered(hands: Hands, answer: Value) -> Result<()> {
    next(&hands, NAME, at(REGISTER, answer)).await?;
    let answer = hands.client.cashier(&bodies::gigadat_out("ETO", "202.00")).await?;
    ensure!(answer.status >= 500, "{} {}", answer.status, answer.body);
    hands.client.wait_for(&id_of(&answer)?, &["Failed"], LIMIT).await.map(|_| ())
}

/// It is `Pending` until the record says more, and nobody sends it again.
async fn released(hands: Hands, answer: Value, word: &'static str) -> Result<()> {
    let created = hands.client.cashier(&bodies::gigadat_out("ETO", "202.00")).await?;
    let id = id_of(&created)?;
    next(&hands, NAME, at(RELEASE, answer)).await?;
    let approved = hands.approve(&id).await?;
    ensure!(approved.status == 200, "{} {}", approved.status, approved.body);
    until(&hands, &id, |shown| shown["transaction_status"] == "Pending" && shown["status"] == word).await?;
    for _ in 0..2 {
        inquire(&hands, &id).await?;
    }
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Pending", "{shown}");
    ensure!(releases(&hands, &id).await? == 1, "released more than once");
    Ok(())
}
