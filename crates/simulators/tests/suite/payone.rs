//! PayOne: creation, page, callbacks, ledger, every trigger, restart.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::world::{Received, World, answer, broken, eventually};

const KEY: &str = "payone-key-0001";

async fn world() -> World {
    ready(World::start().await).await
}

async fn ready(world: World) -> World {
    let (status, _) = world.put(&format!("/control/payone/accounts/{KEY}"), json!({"client": "Demo company"})).await;
    assert_eq!(status, 200);
    world
}

fn order(world: &World, reference: &str, amount: &str) -> Value {
    json!({
        "client": "Demo company", "brand": "Demo company", "userId": "user_123", "first_name": "John",
        "last_name": "Doe", "email": "player@example.com", "phone": "4915112345678", "userIp": "203.0.113.42",
        "currency": "CAD", "amount": amount, "siteUrl": "https://shop.example/back?result=return",
        "referenceId": reference, "callbackUrl": world.receiver.url(reference),
    })
}

fn call(world: &World, kind: &str, body: &Value) -> reqwest::RequestBuilder {
    world.client.post(world.url(&format!("/payone/api/{kind}"))).header("x-api-key", KEY).body(body.to_string())
}

async fn create(world: &World, kind: &str, reference: &str, amount: &str) -> (u16, Value) {
    answer(call(world, kind, &order(world, reference, amount))).await
}

async fn deposit(world: &World, reference: &str, amount: &str) -> String {
    let (status, body) = create(world, "deposit", reference, amount).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    assert_eq!(body["message"], "Transaction successfully Ongoing Process ");
    body["redirect_url"].as_str().unwrap().to_owned()
}

async fn inquiry(world: &World, reference: &str) -> (u16, Value) {
    let url = world.url(&format!("/payone/api/transaction?referenceId={reference}"));
    answer(world.client.get(url).header("x-api-key", KEY)).await
}

/// The signature, computed on our own.
fn is_signed(received: &Received) -> bool {
    let signature = hex::decode(received.headers["x-signature"].to_str().unwrap()).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), received.body.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn a_deposit_is_paid_on_its_page() {
    let world = world().await;
    let page = deposit(&world, "ref-1", "100.00").await;
    let id = page.split('/').nth(5).unwrap().to_owned();
    assert!(page.starts_with(&world.url("/payone/webflow-payment/")), "{page}");
    assert_eq!(id.len(), 10);
    assert!(world.ledger("payone", "ref-1").await.is_empty(), "a deposit counts at its settlement");

    let shown = world.client.get(&page).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' https://shop.example;"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in
        ["TEST PAGE", "Demo company", "100.00", "CAD", "John Doe", "value=\"pay\"", "value=\"decline\"", "value=\"cancel\""]
    {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<script") && !html.contains("style="), "no inline code");

    let bank = html.split("name=\"bank\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(world.submit(&page, "action=pay&bank=Nowhere").await.0, 422);
    let (status, location) = world.submit(&page, &format!("action=pay&bank={}", bank.replace(' ', "+"))).await;
    assert_eq!((status, location.as_str()), (303, "https://shop.example/back?result=return"));

    let got = world.receiver.exactly("ref-1", 1).await;
    assert!(is_signed(&got[0]));
    assert_eq!(
        got[0].json(),
        json!({"transactionId": id, "referenceId": "ref-1", "userId": "user_123", "amount": "100.00",
               "currency": "CAD", "type": "deposit", "status": "Approved", "message": "Approved"})
    );
    let entry = world.ledger_is("payone", "ref-1", "settled").await;
    assert_eq!(entry["providerReference"], id);
    assert_eq!((&entry["direction"], &entry["amount"], &entry["currency"]), (&json!("in"), &json!("100.00"), &json!("CAD")));
    assert_eq!(entry["times"], 1);
    assert_eq!(inquiry(&world, "ref-1").await.1["status"], "Approved");
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("has ended") && !html.contains("<form"));
    let wrong = world.client.get(format!("{page}x")).send().await.unwrap();
    assert_eq!(wrong.status().as_u16(), 404);
}

#[tokio::test]
async fn a_withdraw_is_accepted_and_settles_by_itself() {
    let world = world().await;
    let (status, body) = create(&world, "withdraw", "out-1", "10.00").await;
    assert_eq!(status, 200);
    assert_eq!(body["message"], "Withdraw request successfully processed");
    let withdraw = &body["withdraw"];
    assert_eq!((&withdraw["amount"], &withdraw["status"]), (&json!("10.00"), &json!("Pending")));
    assert_eq!(withdraw["email"], "player@example.com");
    assert_eq!(withdraw["date"].as_str().unwrap().len(), 10);
    let entry = world.ledger_is("payone", "out-1", "settled").await;
    assert_eq!((&entry["direction"], &entry["destination"]), (&json!("out"), &json!("player@example.com")));
    let got = world.receiver.exactly("out-1", 1).await;
    assert!(is_signed(&got[0]));
    assert_eq!(got[0].json()["type"], "withdraw");
    let id = withdraw["transactionId"].as_str().unwrap();
    let by_id = world.url(&format!("/payone/api/transaction/{id}"));
    assert_eq!(answer(world.client.get(by_id).header("x-api-key", KEY)).await.1["status"], "Approved");

    let (_, again) = create(&world, "withdraw", "out-1", "10.00").await;
    assert_eq!(again, body, "a repeated reference answers the first result");
    assert_eq!(world.ledger("payone", "out-1").await[0]["times"], 1);
}

#[tokio::test]
async fn it_is_strict_about_keys_and_fields() {
    let world = world().await;
    let good = order(&world, "strict", "10.00");
    let url = world.url("/payone/api/deposit");
    for key in ["", "short", "not/allowed/here"] {
        let answer = world.client.post(&url).header("x-api-key", key).body(good.to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 404, "{key}");
        assert!(answer.bytes().await.unwrap().is_empty(), "{key}");
    }
    let unknown = answer(world.client.post(&url).header("x-api-key", "unknown-key-1").body(good.to_string())).await;
    assert_eq!(unknown, (400, json!({"success": false, "error": "Invalid API key"})));

    let mut other = good.clone();
    other["client"] = json!("Somebody else");
    assert_eq!(
        answer(call(&world, "deposit", &other)).await,
        (400, json!({"success": false, "error": "Invalid account details"}))
    );
    for name in good.as_object().unwrap().keys() {
        let mut lacking = good.clone();
        lacking[name] = json!("");
        let (status, body) = answer(call(&world, "withdraw", &lacking)).await;
        assert_eq!((status, body["error"].as_str().unwrap()), (400, format!("{name} is required").as_str()));
    }
    for (name, value) in [("currency", "EUR"), ("amount", "10"), ("amount", "0.00"), ("callbackUrl", "nowhere")] {
        let mut wrong = good.clone();
        wrong[name] = json!(value);
        assert_eq!(answer(call(&world, "deposit", &wrong)).await.0, 400, "{name}");
    }
    assert_eq!(inquiry(&world, "strict").await, (404, json!({"success": false, "error": "Transaction not found"})));
    let hidden = world.client.get(world.url("/payone/api/transaction?referenceId=strict")).send().await.unwrap();
    assert_eq!((hidden.status().as_u16(), hidden.bytes().await.unwrap().len()), (404, 0));

    world.put(&format!("/control/payone/accounts/{KEY}"), json!({"client": "Demo company", "active": false})).await;
    let off = call(&world, "deposit", &good).send().await.unwrap();
    assert_eq!((off.status().as_u16(), off.bytes().await.unwrap().len()), (404, 0));
}

#[tokio::test]
async fn pressing_pay_plays_the_scenario() {
    let world = world().await;
    for (amount, ending) in [("50.01", "Declined"), ("50.02", "Cancelled"), ("50.03", "Expired")] {
        let page = deposit(&world, amount, amount).await;
        world.submit(&page, "action=pay").await;
        assert_eq!(world.receiver.exactly(amount, 1).await[0].json()["status"], ending);
        assert!(world.ledger("payone", amount).await.is_empty());

        let out = format!("out-{amount}");
        create(&world, "withdraw", &out, amount).await;
        assert_eq!(world.receiver.exactly(&out, 1).await[0].json()["status"], ending);
        world.ledger_is("payone", &out, "returned").await;
    }
    let page = deposit(&world, "thrice", "50.08").await;
    world.submit(&page, "action=pay").await;
    let got = world.receiver.exactly("thrice", 3).await;
    assert!(got.iter().all(|one| one.body == got[0].body && is_signed(one)));
    create(&world, "withdraw", "thrice-out", "50.08").await;
    world.receiver.exactly("thrice-out", 3).await;

    let page = deposit(&world, "late", "50.09").await;
    world.submit(&page, "action=pay").await;
    let got = world.receiver.exactly("late", 2).await;
    assert_eq!((&got[0].json()["status"], &got[1].json()["status"]), (&json!("Declined"), &json!("Approved")));
    world.ledger_is("payone", "late", "settled").await;
    create(&world, "withdraw", "late-out", "50.09").await;
    assert_eq!(world.receiver.exactly("late-out", 1).await[0].json()["status"], "Approved");

    let page = deposit(&world, "declined", "50.00").await;
    world.submit(&page, "action=decline").await;
    assert_eq!(world.receiver.exactly("declined", 1).await[0].json()["status"], "Declined");
    let page = deposit(&world, "cancelled", "50.00").await;
    world.submit(&page, "action=cancel").await;
    assert_eq!(world.receiver.exactly("cancelled", 1).await[0].json()["status"], "Cancelled");
}

#[tokio::test]
async fn transport_triggers_take_nothing() {
    let world = world().await;
    for kind in ["deposit", "withdraw"] {
        assert_eq!(create(&world, kind, "t4", "9.04").await.0, 500);
        let limited = call(&world, kind, &order(&world, "t6", "9.06")).send().await.unwrap();
        assert_eq!(limited.status().as_u16(), 429);
        assert_eq!(limited.headers()["retry-after"], "1");
        let refused = call(&world, kind, &order(&world, "t7", "9.07")).send().await.unwrap();
        assert_eq!((refused.status().as_u16(), refused.bytes().await.unwrap().len()), (404, 0));
        let begun = Instant::now();
        assert!(!broken(call(&world, kind, &order(&world, "t5", "9.05"))).await);
        assert!(begun.elapsed() >= Duration::from_millis(1_900), "120 s at sixty-fold speed");
        for reference in ["t4", "t5", "t6", "t7"] {
            assert_eq!(inquiry(&world, reference).await.0, 404);
            assert!(world.ledger("payone", reference).await.is_empty());
        }
    }
}

#[tokio::test]
async fn the_callback_can_come_before_the_answer() {
    let world = world().await;
    for kind in ["deposit", "withdraw"] {
        let (status, _) = create(&world, kind, &format!("early-{kind}"), "20.10").await;
        assert_eq!(status, 200);
        let got = world.receiver.at(&format!("early-{kind}"));
        assert_eq!(got.len(), 1, "the callback is here when the answer is");
        assert_eq!(got[0].json()["status"], "Approved");
        world.ledger_is("payone", &format!("early-{kind}"), "settled").await;
    }
}

#[tokio::test]
async fn a_broken_answer_leaves_the_order_taken() {
    let world = world().await;
    for (amount, head) in [("30.11", true), ("30.12", false)] {
        let reference = format!("in-{amount}");
        assert_eq!(broken(call(&world, "deposit", &order(&world, &reference, amount))).await, head);
        assert_eq!(inquiry(&world, &reference).await.1["status"], "Pending");
        world.press("payone", &reference, "pay").await;
        world.ledger_is("payone", &reference, "settled").await;

        let reference = format!("out-{amount}");
        assert_eq!(broken(call(&world, "withdraw", &order(&world, &reference, amount))).await, head);
        assert_eq!(world.ledger_is("payone", &reference, "settled").await["times"], 1);
        world.receiver.exactly(&reference, 1).await;
    }
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    for (outcome, state) in [
        ("approve", "Approved"),
        ("success", "Approved"),
        ("declined", "Declined"),
        ("cancel", "Cancelled"),
        ("expire", "Expired"),
    ] {
        deposit(&world, outcome, "10.00").await;
        let pressed = world.press("payone", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "payone", "reference": outcome, "state": state}));
        let (status, body) = world.post(&format!("/control/payone/{outcome}/approve")).await;
        assert_eq!(status, 409);
        assert!(body["error"].is_string());
    }
    deposit(&world, "open", "10.00").await;
    assert_eq!(world.post("/control/payone/open/explode").await.0, 400);
    assert_eq!(world.post("/control/payone/open/reverse").await.0, 409);
    assert_eq!(world.post("/control/payone/nothing/approve").await.0, 404);
    assert_eq!(world.post("/control/nobody/open/approve").await.0, 404);
    assert_eq!(world.post("/control/payone/open/status/Puzzled").await.1["state"], "Puzzled");
    assert_eq!(world.receiver.exactly("open", 1).await[0].json()["status"], "Puzzled");
    world.settings("payone", json!({"settleDelayMs": 600_000})).await;
    create(&world, "withdraw", "held", "10.00").await;
    assert_eq!(world.post("/control/payone/held/pay").await.0, 409, "a withdraw has no page");
    world.press("payone", "held", "decline").await;
    world.ledger_is("payone", "held", "returned").await;
}

#[tokio::test]
async fn a_kill_loses_neither_settlement_nor_callback() {
    let mut world = world().await;
    world.settings("payone", json!({"settleDelayMs": 60_000})).await;
    create(&world, "withdraw", "slow", "10.00").await;
    let page = deposit(&world, "unheard", "10.00").await;
    world.receiver.answer_with(503);
    world.submit(&page, "action=pay").await;
    world.receiver.exactly("unheard", 1).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(200);
    let begun = Instant::now();
    world.receiver.exactly("unheard", 2).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(world.ledger("payone", "slow").await[0]["state"], "accepted", "not due yet");
    world.ledger_is("payone", "slow", "settled").await;
    world.receiver.exactly("slow", 1).await;
    assert_eq!(world.get("/control/payone/settings").await.1["settleDelayMs"], 60_000);
    assert_eq!(inquiry(&world, "unheard").await.1["status"], "Approved", "the account is still known");
    assert!(world.stop().await.is_ok());
}

#[tokio::test]
async fn an_unheard_callback_is_repeated() {
    let world = world().await;
    world.receiver.answer_with(500);
    let page = deposit(&world, "deaf", "10.00").await;
    world.submit(&page, "action=pay").await;
    world.receiver.exactly("deaf", 1).await;
    world.receiver.answer_with(204);
    // One minute at sixty-fold speed.
    eventually(|| async { (world.receiver.at("deaf").len() == 2).then_some(()) }).await;
    let got = world.receiver.exactly("deaf", 2).await;
    assert_eq!(got[0].body, got[1].body);
}

#[tokio::test]
async fn pay_can_press_itself() {
    let world = ready(World::with(60, Some(300)).await).await;
    deposit(&world, "alone", "10.00").await;
    world.ledger_is("payone", "alone", "settled").await;
    deposit(&world, "alone-01", "10.01").await;
    world.state_is("payone", "alone-01", "Declined").await;
    assert!(!broken(call(&world, "deposit", &order(&world, "alone-12", "10.12"))).await);
    world.ledger_is("payone", "alone-12", "settled").await;
}

#[tokio::test]
async fn callbacks_can_be_lost_or_forged() {
    let world = world().await;
    world.settings("payone", json!({"dropCallbacks": true})).await;
    let page = deposit(&world, "lost", "10.09").await;
    world.submit(&page, "action=pay").await;
    world.ledger_is("payone", "lost", "settled").await;
    world.settings("payone", json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    deposit(&world, "forged", "10.00").await;
    let got = world.receiver.exactly("forged", 1).await;
    assert_eq!(got[0].json()["status"], "Approved");
    assert!(!is_signed(&got[0]));
    assert!(world.ledger("payone", "forged").await.is_empty());
    assert!(world.receiver.at("lost").is_empty());
}
