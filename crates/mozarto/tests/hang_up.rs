//! A client that hangs up in the middle of its call loses nothing: what was begun is finished, told by webhook, and answered to
//! whoever asks with the same key.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(30);
/// Calls that are hung up on at once.
const RANDOM_CALLS: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["PAYONE", "FORUMPAY"], |options| {
        options.time_scale(20).auto_settle(50).variable("MOZARTO_PROVIDERS_PAYONE_NOT_FOUND_AFTER_SECONDS", "20")
    });
    let world = world.await.expect("a sandbox");
    let mut table = Table::new("hanging up");
    for (provider, name, body) in [
        ("payone", "pay-in", bodies::payone("PAYIN", "100.05")),
        ("payone", "pay-out", bodies::payone("PAYOUT", "100.05")),
        ("forumpay", "crypto pay-in", bodies::forumpay_in("100.05")),
    ] {
        table
            .row_alone(format!("{name}, while the provider is silent"), while_silent(&world.hands(), provider, name, &body))
            .await;
    }
    table.row_alone("at any moment", at_any_moment(&world.hands())).await;
    table.end().await;
}

/// Sends a Cashier call by hand, so that the connection can be closed whenever it suits.
async fn send(hands: &Hands, body: &str, key: &str) -> Result<TcpStream> {
    let host = hands.client.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await?;
    let request = format!(
        "POST /v1/api/mozarto/cashier HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nx-user-token: Bearer {}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
        hands.client.company_token,
        hands.client.user_token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// The answer to the key, once nothing runs under it any more.
async fn answer_to(hands: &Hands, body: &str, key: &str) -> Result<testkit::client::Answer> {
    let until = Instant::now() + LIMIT;
    loop {
        let answer = hands.client.cashier_with_key(body, key).await?;
        if answer.status != 409 {
            return Ok(answer);
        }
        ensure!(Instant::now() < until, "{key}: still 409");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn while_silent(hands: &Hands, provider: &str, key: &str, body: &str) -> Result<()> {
    let key = key.replace(' ', "-");
    let calls = hands.calls(provider).await?;
    let stream = send(hands, body, &key).await?;
    let until = Instant::now() + LIMIT;
    while hands.calls(provider).await? == calls {
        ensure!(Instant::now() < until, "the provider was not called");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(stream);
    let answer = answer_to(hands, body, &key).await?;
    ensure!(answer.header("idempotent-replayed") == Some("true"), "it was run again: {} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId").to_owned();
    let pay_out = body.contains("PAYOUT");
    let word = if pay_out { "not_found" } else { "psp_timeout" };
    ensure!(answer.status == if pay_out { 200 } else { 504 }, "{} {}", answer.status, answer.body);
    hands.ends_as(&id, "Failed", word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved(provider, &id).await
}

/// Many calls, each hung up on after another moment: whatever the provider was asked for is known here, ends, and is told once.
async fn at_any_moment(hands: &Hands) -> Result<()> {
    for n in 0..RANDOM_CALLS {
        let body = bodies::payone("PAYIN", "101.00");
        let mut stream = send(hands, &body, &format!("moment-{n}")).await?;
        tokio::time::sleep(Duration::from_millis(n % 20)).await;
        if n % 2 == 0 {
            // Not a word more, and a reset instead of a farewell.
            stream.set_zero_linger()?;
        } else {
            stream.shutdown().await?;
        }
        drop(stream);
    }
    let mut begun = 0;
    for n in 0..RANDOM_CALLS {
        let answer = answer_to(hands, &bodies::payone("PAYIN", "101.00"), &format!("moment-{n}")).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        begun += u64::from(answer.header("idempotent-replayed").is_some());
        let id = answer.text("/transaction/transactionId").to_owned();
        hands.ends_as(&id, "Approved", "success", LIMIT).await?;
        hands.sink.wait_for(&id, 1, LIMIT).await?;
        let entry = json!({"direction": "in", "amount": "101.00", "currency": "CAD", "state": "settled"});
        hands.moved_once("payone", &id, &entry).await?;
    }
    ensure!(begun > RANDOM_CALLS / 4, "only {begun} of {RANDOM_CALLS} calls had begun before the client hung up");
    // Nothing beyond these: no deposit without a transaction, no transaction twice.
    let listed = hands.client.read("/v1/api/mozarto/transactions?limit=200&pspType=PAYONE&type=PAYIN").await?;
    let items = listed.body["data"]["items"].as_array().cloned().context("a list")?;
    let ours: Vec<&Value> = items.iter().filter(|item| item["amount"] == "101.00").collect();
    ensure!(ours.len() as u64 == RANDOM_CALLS, "{} transactions for {RANDOM_CALLS} keys", ours.len());
    let ledger = hands.client.ledger("payone").await?;
    ensure!(
        ledger.iter().filter(|entry| entry["amount"] == "101.00").count() as u64 == RANDOM_CALLS,
        "the ledger has {}",
        ledger.len()
    );
    Ok(())
}
