//! Rotation of webhook secrets: each to its own end. And what a delivery remembers.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, Client, bodies};
use testkit::sink::{Received, Sink};
use testkit::world::World;

const LIMIT: Duration = Duration::from_secs(20);

async fn rotate(client: &Client, method: &str, kind: &str, body: Value) -> Result<Answer> {
    client.manage("POST", &format!("/payment-methods/{method}/secrets/{kind}"), Some(body)).await
}

async fn fresh(client: &Client, method: &str, kind: &str, body: Value) -> Result<String> {
    let answer = rotate(client, method, kind, body).await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
    Ok(answer.text("/data/secret").to_owned())
}

/// Has a sample event sent, and answers what came.
async fn sample(client: &Client, sink: &Sink, method: &str) -> Result<Received> {
    let before = sink.received().len();
    let answer = client.manage("POST", &format!("/payment-methods/{method}/webhook-test"), Some(json!({}))).await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
    sink.received().into_iter().nth(before).context("nothing came")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_earlier_signing_secret_signs_to_its_own_end_and_a_leaked_one_can_be_stopped() -> Result<()> {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["PAYONE", "CLEO"], |options| options).await?;
    let (client, sink) = (&world.client, &world.sink);
    let method = client.method_of("PAYONE").await?;
    let mut secrets = vec![world.sandbox.text("webhookSecret").to_owned()];
    // Two in a second, then up to the most that may count at once.
    for n in 0..5 {
        secrets.push(fresh(client, &method, "signing", json!({})).await?);
        let came = sample(client, sink, &method).await?;
        for (place, secret) in secrets.iter().enumerate() {
            ensure!(came.verifies_with(secret), "after rotation {n}, secret {place} does not verify");
        }
    }
    let refused = rotate(client, &method, "signing", json!({})).await?;
    ensure!(refused.status == 409, "a sixth rotation: {}", refused.body);
    ensure!(refused.text("/message").contains("the first ends at 20"), "with the time: {}", refused.body);
    let answer = rotate(client, &method, "signing", json!({"previous": "later"})).await?;
    ensure!((answer.status, answer.text("/fields/0/field")) == (400, "previous"), "{}", answer.body);
    let newest = fresh(client, &method, "signing", json!({"previous": "end now"})).await?;
    let came = sample(client, sink, &method).await?;
    ensure!(came.verifies_with(&newest), "the new one signs");
    ensure!(secrets.iter().all(|secret| !came.verifies_with(secret)), "a stopped secret still signs");
    // Another method's secrets are its own.
    let other = sample(client, sink, &client.method_of("CLEO").await?).await?;
    ensure!(other.verifies_with(&secrets[0]) && !other.verifies_with(&newest), "another method's secrets changed");
    let audit = client.manage("GET", "/audit?limit=200", None).await?;
    let said =
        |action: &str| audit.body["data"]["items"].as_array().is_some_and(|all| all.iter().any(|one| one["action"] == action));
    ensure!(said("payment_method.replace_signing_secret"), "that secrets were ended is on the audit log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bearer_that_receivers_know_is_sent_to_its_own_end_and_never_to_another_host() -> Result<()> {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["PAYONE"], |options| options).await?;
    let (client, sink) = (&world.client, &world.sink);
    let method = client.method_of("PAYONE").await?;
    let first = rotate(client, &method, "bearer", json!({})).await?;
    let second = rotate(client, &method, "bearer", json!({})).await?;
    ensure!(
        first.text("/data/previousValidUntil") == second.text("/data/previousValidUntil"),
        "the end that was promised moved: {} {}",
        first.body,
        second.body
    );
    let known = format!("Bearer {}", world.sandbox.text("webhookBearer"));
    ensure!(sample(client, sink, &method).await?.header("authorization") == known, "the bearer that receivers know");
    let now = fresh(client, &method, "bearer", json!({"previous": "end now"})).await?;
    ensure!(
        sample(client, sink, &method).await?.header("authorization") == format!("Bearer {now}"),
        "a leaked bearer is stopped"
    );
    // The same endpoint under another host's name.
    let elsewhere = sink.url.replace("127.0.0.1", "localhost");
    let path = format!("/payment-methods/{method}");
    let moved = client.manage("PATCH", &path, Some(json!({"config": {"webhookUrl": elsewhere}}))).await?;
    ensure!(moved.status == 200, "{}", moved.body);
    let told = moved.text("/data/bearerSecret").to_owned();
    ensure!(told.starts_with("whb_") && told != now, "a new bearer, shown once: {}", moved.body);
    ensure!(
        sample(client, sink, &method).await?.header("authorization") == format!("Bearer {told}"),
        "the old one went to a new host"
    );
    let same = client.manage("PATCH", &path, Some(json!({"config": {"webhookUrl": format!("{elsewhere}?a=b")}}))).await?;
    ensure!(same.body.pointer("/data/bearerSecret").is_none(), "the same host keeps its bearer: {}", same.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_remembers_its_first_success() -> Result<()> {
    let set = |options: testkit::sandbox::Options| options.auto_settle(20).time_scale(50);
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["PAYONE"], set).await?;
    let (client, sink) = (&world.client, &world.sink);
    let paid = client.cashier(&bodies::payone("PAYOUT", "10.00")).await?;
    let id = paid.text("/transaction/transactionId").to_owned();
    sink.wait_for(&id, 1, LIMIT).await?;
    let until = async |wanted: &dyn Fn(&Value) -> bool| -> Result<Value> {
        let end = tokio::time::Instant::now() + LIMIT;
        loop {
            let list = client.manage("GET", &format!("/deliveries?transactionId={id}"), None).await?;
            let one = list.body["data"]["items"][0].clone();
            if wanted(&one) {
                return Ok(one);
            }
            ensure!(tokio::time::Instant::now() < end, "the delivery stands at {one}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let delivered = until(&|one| one["status"] == "delivered").await?;
    let at = delivered["deliveredAt"].clone();
    sink.answer_with(500);
    let path = format!("/deliveries/{}/replay", delivered["id"].as_str().context("an id")?);
    client.manage("POST", &path, Some(json!({}))).await?;
    let attempts = |one: &Value| one["attempts"].as_array().map_or(0, Vec::len);
    let failed = until(&|one| attempts(one) >= 3 && one["status"] != "waiting").await?;
    ensure!(failed["status"] == "delivered" && failed["deliveredAt"] == at, "what was delivered is forgotten: {failed}");
    ensure!(!failed["nextAttemptAt"].is_null(), "the replay goes on: {failed}");
    sink.answer_with(200);
    client.manage("POST", &path, Some(json!({}))).await?;
    let again = until(&|one| one["nextAttemptAt"].is_null() && one["status"] == "delivered").await?;
    ensure!(again["deliveredAt"] == at, "the first success is the one that counts: {again}");
    Ok(())
}
