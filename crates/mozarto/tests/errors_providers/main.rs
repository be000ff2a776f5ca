//! Every error and status row of the sheets, provoked at the simulators (`next` makes their next answer, `status/{word}` their
//! word): the answer as written, where the transaction stands, and whether money moved.

mod brite;
mod cleo;
mod emerchantpay;
mod flexepin;
mod forumpay;
mod gigadat;
mod neosurf;
mod payone;
mod trust;
mod worldpay;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::future::Future;
use std::time::Duration;
use testkit::client::Answer;
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(20);
/// The providers that webhooks tell about.
const WEBHOOKS_OF: [&str; 9] =
    ["PAYONE", "FORUMPAY", "GIGADAT", "NEOSURF", "CLEO", "BRITE", "TRUST", "EMERCHANTPAY", "WORLDPAY_EU"];

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_providers() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &WEBHOOKS_OF, |options| options.time_scale(60)).await;
    let world = world.expect("a sandbox");
    let mut table = Table::new("provider errors");
    // `next` strikes the provider's next call: one provider's rows run one after the other, and what an inquiry shall be answered
    // is said with `next_about`.
    table.row("PayOne", payone::rows(world.hands()));
    table.row("ForumPay", forumpay::rows(world.hands()));
    table.row("Gigadat", gigadat::rows(world.hands()));
    table.row("Neosurf", neosurf::rows(world.hands()));
    table.row("Cleo", cleo::rows(world.hands()));
    table.row("Brite", brite::rows(world.hands()));
    table.row("Worldpay", worldpay::rows(world.hands()));
    table.row("Trust", trust::rows(world.hands()));
    table.row("Flexepin", flexepin::rows(world.hands()));
    table.row("eMerchantPay", emerchantpay::rows(world.hands()));
    table.end().await;
}

/// What an answer must be: HTTP status, code, retryable, message.
#[derive(Clone, Copy)]
struct Row(u16, &'static str, bool, &'static str);

const NOT_CONFIGURED: Row = Row(400, "PSP_NOT_CONFIGURED", false, "Payment provider is not configured.");
const CREDENTIALS: Row =
    Row(400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials.");
const TIMEOUT: Row = Row(504, "PSP_TIMEOUT", true, "Payment provider did not respond in time.");
const UNAVAILABLE: Row = Row(502, "PSP_UNAVAILABLE", true, "Payment provider is unavailable.");
const LIMITED: Row = Row(429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests.");
const UNKNOWN: Row = Row(500, "UNKNOWN_PSP_ERROR", false, "An unexpected error occurred. Contact support if it continues.");

/// The rows of one provider, each with its outcome.
#[derive(Default)]
struct Rows(Vec<String>);

impl Rows {
    async fn row(&mut self, name: &str, row: impl Future<Output = Result<()>>) {
        if let Err(error) = row.await {
            self.0.push(format!("      {name}: {error:#}"));
        }
    }

    fn end(self) -> Result<()> {
        ensure!(self.0.is_empty(), "{} rows:\n{}", self.0.len(), self.0.join("\n"));
        Ok(())
    }
}

/// An upstream answer with a JSON body.
fn says(http: u16, body: Value) -> Value {
    json!({"http": http, "body": body})
}

async fn next(hands: &Hands, provider: &str, path: &str, mut answer: Value) -> Result<()> {
    // "POST /path": the method too, where an inquiry has the path of a creating call.
    let (method, path) = path.split_once(' ').map_or((None, path), |(method, path)| (Some(method), path));
    answer["path"] = json!(path);
    if let Some(method) = method {
        answer["method"] = json!(method);
    }
    let set = hands.client.control("PUT", &format!("/{provider}/next"), Some(answer)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

/// `next` for a call about one transaction: the scheduled inquiry about an earlier row's does not use it up.
async fn next_about(hands: &Hands, provider: &str, path: &str, about: &str, mut answer: Value) -> Result<()> {
    answer["about"] = json!(about);
    next(hands, provider, path, answer).await
}

fn id_of(answer: &Answer) -> Result<String> {
    let id = answer.text("/transaction/transactionId");
    ensure!(!id.is_empty(), "no transaction in {} {}", answer.status, answer.body);
    Ok(id.to_owned())
}

/// An error row about a transaction that failed.
async fn failed(hands: &Hands, answer: &Answer, row: Row, data: Option<&Value>, retry_after: Option<&str>) -> Result<()> {
    let Row(http, code, retryable, message) = row;
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let id = id_of(answer)?;
    let mut expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id, "transaction": "<object>",
    });
    if let Some(data) = data {
        expected["data"] = data.clone();
    }
    same_shape(&answer.body, &expected)?;
    let shown = (answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == ("Failed", &code.to_lowercase()), "it stands at {shown:?}");
    ensure!(answer.header("retry-after") == retry_after, "Retry-After is {:?}", answer.header("retry-after"));
    hands.ends_as(&id, "Failed", &code.to_lowercase(), LIMIT).await?;
    Ok(())
}

/// Calls, after `next` made the answer to `path`, and expects the error row.
async fn provoked(hands: &Hands, provider: &str, path: &str, body: &str, upstream: Value, row: Row) -> Result<()> {
    let retry_after = (row.0 == 429).then(|| upstream["headers"]["Retry-After"].as_str().unwrap_or("1").to_owned());
    // `data` is the raw answer of an unknown error: JSON as it is, else the text.
    let data = (row.1 == UNKNOWN.1).then(|| if upstream["body"].is_null() { json!("") } else { upstream["body"].clone() });
    next(hands, provider, path, upstream).await?;
    let answer = hands.client.cashier(body).await?;
    failed(hands, &answer, row, data.as_ref(), retry_after.as_deref()).await
}

/// A control call of a simulator about one transaction.
async fn control(hands: &Hands, provider: &str, id: &str, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/{provider}/{id}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

/// Has the provider asked now.
async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

/// "Test connection" as things are, and where the provider answers so: whether it says that the account works.
async fn test_connection(hands: &Hands, psp_type: &str, path: &str, upstream: Option<Value>, works: bool) -> Result<()> {
    let provider = psp_type.to_lowercase().replace("_eu", "");
    if let Some(mut upstream) = upstream {
        // Scheduled inquiries about earlier rows' transactions use some of them up.
        upstream["times"] = json!(1_000);
        next(hands, &provider, path, upstream).await?;
    }
    let method = hands.client.method_of(psp_type).await?;
    let told = hands.client.manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
    next(hands, &provider, path, json!({"http": 200, "times": 0})).await?;
    ensure!(told.status == 200 && told.body["data"]["ok"] == works, "{} {}", told.status, told.body);
    Ok(())
}
