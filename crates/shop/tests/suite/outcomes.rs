//! How orders end: by the answer, by asking, on hold, and when the answer never came.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{Hook, SESSION, Script, TRANSACTION, World, success, told, transaction, with_page};

fn voucher(status: &str) -> Value {
    let mut data = transaction(status, "25.00", "EUR");
    data["pspType"] = json!("FLEXEPIN");
    data["message"] = json!("Success");
    data
}

#[tokio::test]
async fn a_voucher_is_settled_by_the_answer_itself() {
    let world = World::start().await;
    let number = world.place("provider=FLEXEPIN", voucher("Approved")).await;
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains("Payment received") && page.contains("The call&#39;s own answer is final"));
    assert!(page.contains("Answer received") && !page.contains("Webhook received"));
    assert_eq!(world.queries(), 0);
}

#[tokio::test]
async fn a_refused_voucher_is_an_order_that_says_why() {
    let world = World::start().await;
    let mut data = voucher("Declined");
    data["message"] = Value::Null;
    world.script(Script::json(
        400,
        &json!({"status":"error","message":"Voucher already used","isSuccess":false,"errors":[],"transactionId":TRANSACTION,
            "data":{"result":"4002","value":25.5},"transaction":data}),
    ));
    let answer = world.submit(&world.form("provider=FLEXEPIN", &[]).await).await;
    let location = answer.location.expect("the order's page");
    let page = world.get(&location).await.1;
    assert!(page.contains("Declined") && page.contains("Voucher already used"));
}

#[tokio::test]
async fn an_unclear_voucher_is_asked_about_until_it_is_clear() {
    let world = World::start().await;
    let mut body = json!({"status":"error","message":"The voucher may have been redeemed. Query the transaction before trying again.",
        "isSuccess":false,"errorCode":"PSP_TIMEOUT","retryable":false,"errors":[],"transactionId":TRANSACTION});
    body["transaction"] = voucher("Pending");
    body["transaction"]["message"] = Value::Null;
    world.script(Script::json(504, &body));
    let form = world.form("provider=FLEXEPIN", &[]).await;
    let location = world.submit(&form).await.location.expect("the order's page");
    let number = world.calls()[0].number();
    assert_eq!(location, format!("/orders/{number}"));
    world.wait_for(&number, "It was not clear: asking for the status").await;
    let mut data = voucher("Approved");
    data["merchantReference"] = json!(number);
    world.know(data);
    let page = world.wait_for(&number, "Payment received").await;
    assert!(page.contains("By asking for the status"));
    assert_eq!(world.calls().len(), 1, "a voucher is never sent twice");
}

#[tokio::test]
async fn with_a_webhook_to_come_nobody_asks() {
    let world = World::start().await;
    world.know(transaction("Approved", "100.00", "CAD"));
    world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    assert_eq!(world.queries(), 0);
}

#[tokio::test]
async fn a_held_pay_out_waits_for_its_approval() {
    let world = World::start().await;
    let number = world.place("provider=FORUMPAY&direction=PAYOUT", transaction("OnHold", "100.00", "EUR")).await;
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.matches("Waiting for approval").count() >= 2);
    assert!(page.contains("http://127.0.0.1:8080/back-office"));
    let mut body = told(&number, "Rejected", "100.00", "EUR");
    body["method"] = json!("FORUMPAY_PAYOUT");
    assert_eq!(world.hook(&Hook::new("evt_rejected", 1, &body)).await, StatusCode::OK);
    let page = world.get(&format!("/orders/{number}")).await.1;
    assert!(page.contains("The back office rejected it. No money moved.") && page.contains("Never sent"));
}

/// A reason is repeated, a code is called one, and nobody claims that no money moved: of a cancelled payment a part may have
/// come.
#[tokio::test]
async fn who_did_not_pay_is_told_why_and_no_more() {
    let world = World::start().await;
    let cases = [
        ("The card is lost", "The reason given: The card is lost. This order is not paid."),
        ("70000", "PayOne gave no reason but its code 70000. This order is not paid."),
        ("0/3", "PayOne gave no reason but its code 0/3. This order is not paid."),
        ("cancelled", "No reason was given. This order is not paid."),
    ];
    for (place, (message, sentence)) in cases.into_iter().enumerate() {
        let mut order = transaction("Pending", "100.00", "CAD");
        order["transactionId"] = json!(format!("01994f3a7b2c6d1e8f90a1b{place}"));
        let number = world.place("provider=PAYONE", order).await;
        let mut body = told(&number, "Cancelled", "100.00", "CAD");
        body["transaction_id"] = json!(format!("01994f3a7b2c6d1e8f90a1b{place}"));
        body["message"] = json!(message);
        assert_eq!(world.hook(&Hook::new(&format!("evt_{place}"), 1, &body)).await, StatusCode::OK);
        let page = world.get(&format!("/orders/{number}")).await.1;
        assert!(page.contains(sentence) && !page.contains("No money moved"), "{message}: {page}");
    }
}

#[tokio::test]
async fn a_provider_failure_is_an_order_with_its_code() {
    let world = World::start().await;
    let mut data = transaction("Failed", "100.00", "CAD");
    data["status"] = json!("psp_unavailable");
    world.script(Script::json(
        502,
        &json!({"status":"error","message":"Payment provider is unavailable.","isSuccess":false,"errorCode":"PSP_UNAVAILABLE",
            "retryable":true,"errors":[],"transactionId":TRANSACTION,"transaction":data}),
    ));
    let answer = world.submit(&world.form("provider=PAYONE", &[]).await).await;
    let page = world.get(&answer.location.expect("the order's page")).await.1;
    assert!(page.contains("The payment failed") && page.contains("Payment provider is unavailable."));
    assert!(page.contains("PSP_UNAVAILABLE") && page.contains("The answer told the outcome"));
}

#[tokio::test]
async fn a_call_without_an_answer_is_found_by_its_number() {
    for (status, body) in [
        (200, "{\"status\":\"succ"),
        (500, "{\"status\":\"error\",\"message\":\"Internal server error\",\"errors\":[]}"),
        (409, "{\"status\":\"error\",\"message\":\"A request with this Idempotency-Key is still running\",\"errors\":[]}"),
    ] {
        let world = World::start().await;
        world.script(Script { status, body: body.to_owned(), delay: Duration::ZERO });
        let answer = world.submit(&world.form("provider=PAYONE&direction=PAYOUT", &[]).await).await;
        let number = world.calls()[0].number();
        assert_eq!(answer.location, Some(format!("/orders/{number}")));
        world.wait_for(&number, "No answer yet").await;
        let mut data = transaction("Pending", "100.00", "CAD");
        data["merchantReference"] = json!(number);
        world.know(data);
        world.wait_for(&number, "Pay-out pending").await;
        let hook = Hook::new("evt_found", 1, &told(&number, "Approved", "100.00", "CAD"));
        assert_eq!(world.hook(&hook).await, StatusCode::OK);
        world.wait_for(&number, "Pay-out sent").await;
        assert_eq!(world.calls().len(), 1, "never sent twice");
    }
}

#[tokio::test]
async fn a_call_cut_off_by_a_restart_is_asked_about_at_once() {
    let mut world = World::start().await;
    let mut script = Script::json(200, &success(transaction("Pending", "100.00", "CAD")));
    script.delay = Duration::from_secs(600);
    world.script(script);
    let form = world.form("provider=PAYONE", &[]).await;
    let waiting = tokio::time::timeout(Duration::from_millis(500), world.submit(&form)).await;
    assert!(waiting.is_err(), "the call is still open");
    let number = world.calls()[0].number();
    world.close().await;
    let mut data = transaction("Pending", "100.00", "CAD");
    data["merchantReference"] = json!(number);
    world.know(data);
    world.open().await;
    world.wait_for(&number, "Payment pending").await;
}

#[tokio::test]
async fn the_return_is_navigation_only() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", with_page(transaction("Pending", "100.00", "CAD"))).await;
    for query in [
        format!("transactionId={TRANSACTION}&sessionId={SESSION}&merchantReference={number}&result=success"),
        format!("sessionId={SESSION}&result=success"),
        format!("merchantReference={number}&result=success"),
    ] {
        let (status, page) = world.get(&format!("/return?{query}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("<q>success</q>") && page.contains("Payment pending"), "{query}");
        assert!(page.contains(&format!("data-live=\"/orders/{number}/events\"")));
    }
    let page = world.get(&format!("/return?transactionId={TRANSACTION}&result=%3Cb%3E")).await.1;
    assert!(page.contains("You are back") && !page.contains("<b>") && !page.contains("&#60;b"));
    assert_eq!(world.get("/return?transactionId=unknown").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/return").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_payment_page_is_found_again_while_it_is_open() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", with_page(transaction("Pending", "100.00", "CAD"))).await;
    let lead = async || {
        let path = format!("{}/orders/{number}/continue", world.base);
        let response = world.client.get(path).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        response.headers()["location"].to_str().expect("text").to_owned()
    };
    assert_eq!(lead().await, format!("/orders/{number}"), "the platform does not answer");
    world.know(with_page(transaction("Pending", "100.00", "CAD")));
    assert!(lead().await.ends_with("/page-canary"));
    world.hook(&Hook::new("evt_done", 1, &told(&number, "Approved", "100.00", "CAD"))).await;
    assert_eq!(lead().await, format!("/orders/{number}"), "it is paid");
}
