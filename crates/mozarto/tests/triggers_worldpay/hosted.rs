//! On Worldpay's hosted page.

use super::*;

pub(super) async fn paid_on_the_page(hands: Hands, amount: String) -> Result<()> {
    let (id, url) = opened(&hands, &amount).await?;
    hands.nothing_moved("worldpay", &id).await?;
    let back = press(&hands, &url, "pay").await?;
    ensure!(back.contains("mac2=") && back.contains("paymentStatus=AUTHORISED"), "{back}");
    returned(&hands, &id, &back, "success", "success").await?;
    is_approved(&hands, &id, &amount).await?;
    no_anomaly(&hands, &id).await
}

/// Notified and answered before the submit's reply.
pub(super) async fn notified_first(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay("150.10")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    is_approved(&hands, &id_of(&answer), "150.10").await
}

pub(super) async fn settles(hands: Hands, body: String) -> Result<()> {
    let answer = hands.client.cashier(&body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let amount = answer.text("/transaction/amount").to_owned();
    is_approved(&hands, &id_of(&answer), &amount).await
}

pub(super) async fn ends_on_the_page(hands: Hands, amount: &str, way: &str, status: &str, word: &str) -> Result<()> {
    let (id, url) = opened(&hands, amount).await?;
    let back = press(&hands, &url, "pay").await?;
    returned(&hands, &id, &back, way, way).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    no_anomaly(&hands, &id).await?;
    hands.nothing_moved("worldpay", &id).await
}

pub(super) async fn cancelled_on_the_page(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, "155.00").await?;
    let back = press(&hands, &url, "cancel").await?;
    ensure!(back.contains("orderAmount=15500"), "a cancel has the short form: {back}");
    returned(&hands, &id, &back, "cancel", "cancel").await?;
    hands.ends_as(&id, "Cancelled", "CANCELLED", LIMIT).await?;
    hands.webhooks(&id, &["Cancelled"], LIMIT).await?;
    no_anomaly(&hands, &id).await
}

/// The page sends the browser on at once, and Worldpay knows of no payment: open until the day is over.
pub(super) async fn dead_ticket(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, "152.03").await?;
    let dead = get(&hands, &url).await?;
    ensure!(dead.status == 303, "{} {}", dead.status, page_of(&dead));
    returned(&hands, &id, dead.header("location").unwrap_or_default(), "error", "failure").await?;
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "{} {}", asked.status, asked.body);
    let shown = hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    ensure!(shown["status"] == "PENDING", "{shown}");
    hands.webhooks(&id, &[], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

pub(super) async fn failed(hands: Hands, body: String, failure: Failure) -> Result<()> {
    let (http, code, retryable, message) = failure;
    let answer = hands.client.cashier(&body).await?;
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let (word, amount) = (code.to_lowercase(), answer.text("/transaction/amount").to_owned());
    let mut expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id_of(&answer), "transaction": transaction(&amount, "Failed", &word),
    });
    if code == UNKNOWN.1 {
        expected["data"] = json!("<text>");
    }
    same_shape(&answer.body, &expected)?;
    ensure!(answer.header("retry-after") == (http == 429).then_some("1"), "Retry-After: {:?}", answer.header("retry-after"));
    let id = id_of(&answer);
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

pub(super) async fn late_success(hands: Hands, body: String) -> Result<()> {
    let answer = hands.client.cashier(&body).await?;
    let (id, amount) = (id_of(&answer), answer.text("/transaction/amount").to_owned());
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("worldpay", &id, &paid(&amount)).await?;
    Ok(())
}
