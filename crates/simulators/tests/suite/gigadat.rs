//! Gigadat: token, page, registration, deposit, callbacks, ledger, every trigger, restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Received, World, answer, broken, eventually};

const CAMPAIGN: &str = "0f2c8a64b1d94e0d9a3c5b7e6f102938";
/// Basic vector of the sheet: `gd-access` / `gd-security`.
const BASIC: &str = "Basic Z2QtYWNjZXNzOmdkLXNlY3VyaXR5";

async fn world() -> World {
    ready(World::start().await).await
}

async fn ready(world: World) -> World {
    let account = json!({"access": "gd-access", "security": "gd-security", "callbackUrl": world.receiver.url("listener")});
    assert_eq!(world.put(&format!("/control/gigadat/accounts/{CAMPAIGN}"), account).await.0, 200);
    world
}

fn order(kind: &str, id: &str, amount: &str) -> Value {
    let mut order = json!({
        "userId": "user_123", "transactionId": id, "type": kind, "amount": amount, "currency": "CAD",
        "site": "https://merchant.example", "name": "John Test", "email": "merchant-user@example.com",
        "mobile": "15551234567", "userIp": "1.2.3.4", "sandbox": true,
    });
    if kind == "ACH" {
        order.as_object_mut().unwrap().retain(|name, _| name != "email" && name != "mobile");
        for (name, value) in [("hosted", "false"), ("fi", "001"), ("transit", "12345"), ("acct", "1234567")] {
            order[name] = json!(value);
        }
    }
    order
}

fn tokening(world: &World, body: &Value) -> reqwest::RequestBuilder {
    let url = world.url(&format!("/gigadat/api/payment-token/{CAMPAIGN}"));
    world.client.post(url).header("authorization", BASIC).body(body.to_string())
}

async fn token(world: &World, kind: &str, id: &str, amount: &str) -> String {
    let (status, body) = answer(tokening(world, &order(kind, id, amount))).await;
    assert_eq!((status, &body["data"]["transactionId"]), (200, &json!(id)), "{body}");
    body["token"].as_str().unwrap().to_owned()
}

/// A pay-in's page.
async fn page(world: &World, id: &str, amount: &str) -> String {
    let token = token(world, "CPI", id, amount).await;
    world.url(&format!("/gigadat/webflow?transaction={id}&token={token}"))
}

fn registering(world: &World, id: &str, token: &str) -> reqwest::RequestBuilder {
    world.client.post(world.url(&format!("/gigadat/webflow?transaction={id}&token={token}"))).header("authorization", BASIC)
}

fn depositing(world: &World, id: &str, token: &str) -> reqwest::RequestBuilder {
    let url = world.url(&format!("/gigadat/webflow/deposit?transaction={id}&token={token}"));
    world.client.get(url).header("authorization", BASIC)
}

/// A pay-out up to its registration; its token.
async fn registered(world: &World, kind: &str, id: &str, amount: &str) -> String {
    let token = token(world, kind, id, amount).await;
    let (status, body) = answer(registering(world, id, &token)).await;
    assert_eq!((status, &body["status"]), (200, &json!("STATUS_PENDING")), "{body}");
    token
}

async fn inquiry(world: &World, id: &str) -> (u16, Value) {
    let url = world.url(&format!("/gigadat/api/transactions/{id}"));
    answer(world.client.get(url).header("authorization", BASIC)).await
}

/// The callbacks about a transaction so far.
fn told(world: &World, id: &str) -> Vec<Received> {
    world.receiver.begun_with(&format!("listener?transaction={id}&"))
}

/// Waits for `count` callbacks about a transaction and sees that no more come; their status words.
async fn told_exactly(world: &World, id: &str, count: usize) -> Vec<String> {
    eventually(|| async { (told(world, id).len() >= count).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let got = told(world, id);
    assert_eq!(got.len(), count, "{got:?}");
    got.iter().map(|one| one.path.rsplit("status=").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_pay_in_is_paid_on_its_page() {
    let world = world().await;
    let (status, body) = answer(tokening(&world, &order("CPI", "in-1", "10.00"))).await;
    assert_eq!(status, 200);
    let data = &body["data"];
    assert_eq!((&data["amount"], &data["sandbox"], &data["campaign"]), (&json!(10), &json!(true), &json!(CAMPAIGN)));
    assert_eq!(inquiry(&world, "in-1").await, (404, json!({"err": "Transaction not found"})), "the page was not opened");
    let first = world.url(&format!("/gigadat/webflow?transaction=in-1&token={}", body["token"].as_str().unwrap()));
    let page = page(&world, "in-1", "10.00").await;
    assert_eq!(world.client.get(&first).send().await.unwrap().status().as_u16(), 400, "a new token replaces the old one");

    let shown = world.client.get(page.replace("transaction=", "transactionId=")).send().await.unwrap();
    assert_eq!(shown.status().as_u16(), 200);
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self';") && !policy.contains("unsafe"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in ["TEST PAGE", "https://merchant.example", "10.00", "CAD", "John Test", "\"pay\"", "\"decline\"", "\"leave\""] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<script") && !html.contains("style="), "no inline code");
    assert_eq!(inquiry(&world, "in-1").await.1["status"], "STATUS_INITED");
    let again = answer(tokening(&world, &order("CPI", "in-1", "10.00"))).await;
    assert_eq!(again, (400, json!({"err": "Transaction already exists"})));

    let action = html.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let action = world.url(&action.replace("&#38;", "&").replace("&amp;", "&"));
    let bank = html.split("name=\"bank\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(world.submit(&action, "action=pay&bank=Nowhere").await.0, 422);
    let (status, location) = world.submit(&action, &format!("action=pay&bank={}", bank.replace(' ', "+"))).await;
    assert_eq!(status, 303);
    let paying = world.client.get(&location).send().await.unwrap().text().await.unwrap();
    assert!(paying.contains("You can close this page") && !paying.contains("<form"));

    assert_eq!(told_exactly(&world, "in-1", 1).await, ["STATUS_SUCCESS"]);
    let callback = &told(&world, "in-1")[0];
    assert_eq!(callback.headers["content-type"], "application/x-www-form-urlencoded");
    for pair in ["transactionId=in-1", "userId=user_123", "amount=10.00", "currency=CAD", "type=ETI", "sandbox=true"] {
        assert!(callback.body.split('&').any(|sent| sent == pair), "{pair}: {}", callback.body);
    }
    let (_, record) = inquiry(&world, "in-1").await;
    assert_eq!((&record["id"], &record["status"]), (&json!("in-1"), &json!("STATUS_SUCCESS")));
    assert_eq!(record["interac_bank_name"], bank);
    assert_eq!(record["data"]["name"], "John Test");
    let entry = world.ledger_is("gigadat", "in-1", "settled").await;
    assert_eq!((&entry["direction"], &entry["amount"], &entry["currency"]), (&json!("in"), &json!("10.00"), &json!("CAD")));
    let closing = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(closing.contains("STATUS_SUCCESS") && !closing.contains("<form"));

    for (button, word) in [("decline", "STATUS_REJECTED"), ("leave", "STATUS_ABORTED1")] {
        let page = self::page(&world, button, "10.00").await;
        assert_eq!(world.submit(&page, &format!("action={button}")).await.0, 303);
        assert_eq!(told_exactly(&world, button, 1).await, [word]);
        assert!(world.ledger("gigadat", button).await.is_empty());
    }
}

#[tokio::test]
async fn a_pay_out_moves_at_its_deposit_call_and_only_once() {
    let world = world().await;
    for (kind, id, to) in [("ETO", "out-1", "merchant-user@example.com"), ("ACH", "out-2", "001-12345-1234567")] {
        let token = token(&world, kind, id, "10.00").await;
        assert_eq!(inquiry(&world, id).await.0, 404, "it was not registered");
        assert_eq!(answer(depositing(&world, id, &token)).await, (400, json!({"err": "Invalid transaction"})));
        let (status, body) = answer(registering(&world, id, &token)).await;
        assert_eq!(
            (status, body),
            (200, json!({"id": id, "status": "STATUS_PENDING", "data": {"transactionId": id, "type": kind}}))
        );
        let again = answer(tokening(&world, &order(kind, id, "10.00"))).await;
        assert_eq!(again, (400, json!({"err": "Transaction already exists"})));
        assert_eq!(inquiry(&world, id).await.1["status"], "STATUS_PENDING");
        assert!(world.ledger("gigadat", id).await.is_empty(), "nothing moves before the deposit call");
        assert_eq!(answer(depositing(&world, id, "wrong")).await, (400, json!({"err": "Invalid token"})));

        let released = answer(depositing(&world, id, &token)).await;
        assert_eq!((released.0, &released.1["status"]), (200, &json!("STATUS_INITED")));
        let entry = world.ledger_is("gigadat", id, "settled").await;
        assert_eq!((&entry["direction"], &entry["destination"], &entry["amount"]), (&json!("out"), &json!(to), &json!("10.00")));
        assert_eq!(answer(depositing(&world, id, &token)).await, released, "the same answer");
        assert_eq!(world.ledger("gigadat", id).await[0]["times"], 1, "one payment");
        assert_eq!(told_exactly(&world, id, 1).await, ["STATUS_SUCCESS"]);
        assert!(told(&world, id)[0].body.contains(&format!("type={kind}&")));
    }
    // Step 2 by GET and without Basic, as others do it.
    let token = token(&world, "ETO", "out-3", "10.00").await;
    let url = world.url(&format!("/gigadat/webflow?transaction=out-3&token={token}"));
    assert_eq!(answer(world.client.get(&url)).await.1["status"], "STATUS_PENDING");
    let url = world.url(&format!("/gigadat/webflow/deposit?transaction=out-3&token={token}"));
    assert_eq!(answer(world.client.get(&url)).await.1["status"], "STATUS_INITED");
    // The token in a body, a form or JSON.
    for (id, kind) in [("out-4", "application/x-www-form-urlencoded"), ("out-5", "application/json")] {
        let token = self::token(&world, "ETO", id, "10.00").await;
        let url = world.url(&format!("/gigadat/webflow?transaction={id}"));
        let body = if kind == "application/json" { json!({"token": token}).to_string() } else { format!("token={token}") };
        let sent = world.client.post(&url).header("authorization", BASIC).header("content-type", kind).body(body);
        assert_eq!(answer(sent).await.1["status"], "STATUS_PENDING", "{kind}");
    }
    // The record has the amount and the currency of the transaction.
    let record = inquiry(&world, "out-3").await.1;
    assert_eq!((&record["data"]["amount"], &record["data"]["currency"]), (&json!(10), &json!("CAD")));
    assert_eq!((&record["data"]["userId"], &record["data"]["userIp"]), (&json!("user_123"), &json!("1.2.3.4")));
    let calls = world.get("/control/gigadat/calls").await.1;
    assert!(!calls.to_string().contains(&token), "tokens are bearer values");
    assert!(calls.to_string().contains("/webflow/deposit"));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a row for each check")]
async fn it_is_strict_about_credentials_and_fields() {
    let world = world().await;
    let good = order("CPI", "strict", "10.00");
    let url = world.url(&format!("/gigadat/api/payment-token/{CAMPAIGN}"));
    let unauthorized = (401, json!({"err": "Unauthorized"}));
    // gd-access:wrong, wrong:gd-security, no Basic.
    for header in ["Basic Z2QtYWNjZXNzOndyb25n", "Basic d3Jvbmc6Z2Qtc2VjdXJpdHk=", "Bearer x", "Basic !"] {
        let request = world.client.post(&url).header("authorization", header).body(good.to_string());
        assert_eq!(answer(request).await, unauthorized, "{header}");
        let asked = world.client.get(world.url("/gigadat/api/transactions/x")).header("authorization", header);
        assert_eq!(answer(asked).await, unauthorized, "{header}");
    }
    assert_eq!(answer(world.client.post(&url).body(good.to_string())).await, unauthorized);
    let other = world.client.post(world.url("/gigadat/api/payment-token/other")).header("authorization", BASIC);
    assert_eq!(answer(other.body(good.to_string())).await.0, 404, "campaign");
    let neither = world.client.post(world.url("/gigadat/api/payment-token/other")).basic_auth("wrong", Some("wrong"));
    assert_eq!(answer(neither.body(good.to_string())).await, unauthorized, "the credentials come first");
    assert_eq!(inquiry(&world, "nothing").await.0, 404);

    for kind in ["CPI", "ETO", "ACH"] {
        let good = order(kind, "strict", "10.00");
        for name in good.as_object().unwrap().keys() {
            for nothing in [json!(""), json!(null)] {
                let mut lacking = good.clone();
                lacking[name] = nothing;
                let refused = answer(tokening(&world, &lacking)).await;
                assert_eq!(refused, (400, json!({"err": format!("{name} is required")})), "{kind}");
            }
        }
    }
    for (name, value) in [
        ("type", json!("XYZ")),
        ("currency", json!("EUR")),
        ("amount", json!("10")),
        ("amount", json!("0.00")),
        ("amount", json!(10.001)),
        ("sandbox", json!("true")),
        ("transactionId", json!("a/b")),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        assert_eq!(answer(tokening(&world, &wrong)).await.0, 400, "{name}");
    }
    for (name, value) in [("hosted", "true"), ("fi", "01"), ("transit", "1234"), ("acct", "123456")] {
        let mut wrong = order("ACH", "strict", "10.00");
        wrong[name] = json!(value);
        assert_eq!(answer(tokening(&world, &wrong)).await, (400, json!({"err": format!("Invalid {name}")})));
    }
    assert_eq!(answer(tokening(&world, &json!([]))).await.0, 400);
    assert_eq!(world.get("/control/gigadat/strict").await.0, 404, "nothing was kept");

    // A form does as well, and an amount as a number.
    let form = "userId=u&transactionId=form&type=CPI&amount=10.00&currency=CAD&site=https%3A%2F%2Fm.example&name=J+T\
                &email=e%40x.io&mobile=5551234567&userIp=1.2.3.4&sandbox=true";
    let request = world.client.post(&url).header("authorization", BASIC);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    assert_eq!(answer(request).await.1["data"]["name"], "J T");
    let mut number = order("CPI", "number", "10.00");
    number["amount"] = json!(10.5);
    assert_eq!(answer(tokening(&world, &number)).await.1["data"]["amount"], 10.5);

    let token = registered(&world, "ETO", "mine", "10.00").await;
    let stranger = json!({"access": "other", "security": "other"});
    assert_eq!(world.put("/control/gigadat/accounts/other", stranger).await.0, 200);
    let theirs = "Basic b3RoZXI6b3RoZXI=";
    let asked = world.client.get(world.url("/gigadat/api/transactions/mine")).header("authorization", theirs);
    assert_eq!(answer(asked).await.0, 404, "somebody else's transaction");
    let url = world.url(&format!("/gigadat/webflow/deposit?transaction=mine&token={token}"));
    assert_eq!(answer(world.client.get(&url).header("authorization", theirs)).await.0, 400);
    assert_eq!(answer(world.client.get(&url).header("authorization", "Basic d3Jvbmc6Z2Qtc2VjdXJpdHk=")).await, unauthorized);
    assert!(world.ledger("gigadat", "mine").await.is_empty());
    // New credentials take the place of the old ones.
    let account = json!({"access": "gd-new", "security": "gd-security"});
    assert_eq!(world.put(&format!("/control/gigadat/accounts/{CAMPAIGN}"), account).await.0, 200);
    assert_eq!(inquiry(&world, "mine").await.0, 401);
    for bad in [
        json!({"access": "a"}),
        json!({"access": "", "security": "b"}),
        json!({"access": "a", "security": "b", "listenerUrl": "x"}),
    ] {
        assert_eq!(world.put("/control/gigadat/accounts/x", bad).await.0, 400);
    }
}

#[tokio::test]
async fn pressing_pay_plays_the_scenario() {
    let world = world().await;
    for (amount, word) in [("50.01", "STATUS_REJECTED"), ("50.02", "STATUS_ABORTED1"), ("50.03", "STATUS_EXPIRED")] {
        let id = format!("in-{}", &amount[3..]);
        let page = page(&world, &id, amount).await;
        world.submit(&page, "action=pay").await;
        assert_eq!(told_exactly(&world, &id, 1).await, [word]);
        assert!(world.ledger("gigadat", &id).await.is_empty());

        let id = format!("out-{}", &amount[3..]);
        let token = registered(&world, "ETO", &id, amount).await;
        assert_eq!(answer(depositing(&world, &id, &token)).await.0, 200);
        assert_eq!(told_exactly(&world, &id, 1).await, [word]);
        world.ledger_is("gigadat", &id, "returned").await;
    }
    page(&world, "thrice", "50.08").await;
    world.press("gigadat", "thrice", "pay").await;
    told_exactly(&world, "thrice", 3).await;
    let got = told(&world, "thrice");
    assert!(got.iter().all(|one| one.body == got[0].body && one.path == got[0].path));
    let token = registered(&world, "ACH", "thrice-out", "50.08").await;
    answer(depositing(&world, "thrice-out", &token)).await;
    told_exactly(&world, "thrice-out", 3).await;

    page(&world, "late", "50.09").await;
    world.press("gigadat", "late", "pay").await;
    assert_eq!(told_exactly(&world, "late", 2).await, ["STATUS_REJECTED", "STATUS_SUCCESS"]);
    world.ledger_is("gigadat", "late", "settled").await;
    let token = registered(&world, "ETO", "late-out", "50.09").await;
    answer(depositing(&world, "late-out", &token)).await;
    assert_eq!(told_exactly(&world, "late-out", 1).await, ["STATUS_SUCCESS"]);
}

#[tokio::test]
async fn transport_triggers_keep_nothing() {
    let world = world().await;
    for kind in ["CPI", "ETO", "ACH"] {
        assert_eq!(answer(tokening(&world, &order(kind, "t4", "9.04"))).await.0, 500);
        let limited = tokening(&world, &order(kind, "t6", "9.06")).send().await.unwrap();
        assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "1"));
        assert_eq!(answer(tokening(&world, &order(kind, "t7", "9.07"))).await, (401, json!({"err": "Unauthorized"})));
        for reference in ["t4", "t6", "t7"] {
            assert_eq!(world.get(&format!("/control/gigadat/{reference}")).await.0, 404);
        }
    }
    let begun = Instant::now();
    assert!(!broken(tokening(&world, &order("CPI", "t5", "9.05"))).await);
    assert!(begun.elapsed() >= Duration::from_millis(1_900), "120 s at sixty-fold speed");
    assert_eq!(world.get("/control/gigadat/t5").await.0, 404);
}

#[tokio::test]
async fn the_callback_can_come_before_the_answer() {
    let world = world().await;
    token(&world, "CPI", "early", "20.10").await;
    assert_eq!(told(&world, "early").len(), 1, "the callback is here when the answer is");
    world.ledger_is("gigadat", "early", "settled").await;
    let token = registered(&world, "ETO", "early-out", "20.10").await;
    assert!(told(&world, "early-out").is_empty());
    assert_eq!(answer(depositing(&world, "early-out", &token)).await.1["status"], "STATUS_INITED");
    assert_eq!(told(&world, "early-out").len(), 1);
    world.ledger_is("gigadat", "early-out", "settled").await;
    assert_eq!(inquiry(&world, "early-out").await.1["status"], "STATUS_SUCCESS");
}

#[tokio::test]
async fn answers_break_as_the_sheet_says() {
    let world = world().await;
    for kind in ["CPI", "ETO"] {
        for _ in 0..2 {
            let mut cut = tokening(&world, &order(kind, kind, "30.11")).send().await.unwrap();
            assert_eq!(cut.status().as_u16(), 200);
            assert_eq!(cut.chunk().await.unwrap().unwrap().as_ref(), b"{\"token\":\"ey");
            assert!(cut.chunk().await.is_err());
        }
        assert_eq!(inquiry(&world, kind).await.0, 404);
    }
    assert!(!broken(tokening(&world, &order("CPI", "closed", "30.12"))).await);
    let page = page(&world, "closed", "30.12").await;
    world.submit(&page, "action=pay").await;
    world.ledger_is("gigadat", "closed", "settled").await;

    let token = registered(&world, "ETO", "closed-out", "30.12").await;
    assert!(!broken(depositing(&world, "closed-out", &token)).await);
    assert_eq!(world.ledger_is("gigadat", "closed-out", "settled").await["times"], 1);
    assert_eq!(inquiry(&world, "closed-out").await.1["status"], "STATUS_SUCCESS");
    assert_eq!(answer(depositing(&world, "closed-out", &token)).await.0, 200);
    assert_eq!(world.ledger("gigadat", "closed-out").await[0]["times"], 1);
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    for (outcome, state) in [
        ("approve", "STATUS_SUCCESS"),
        ("success", "STATUS_SUCCESS"),
        ("declined", "STATUS_REJECTED"),
        ("cancel", "STATUS_ABORTED1"),
        ("expire", "STATUS_EXPIRED"),
    ] {
        token(&world, "CPI", outcome, "10.00").await;
        let pressed = world.press("gigadat", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "gigadat", "reference": outcome, "state": state}));
        assert_eq!(world.post(&format!("/control/gigadat/{outcome}/approve")).await.0, 409);
    }
    token(&world, "CPI", "open", "10.00").await;
    assert_eq!(world.get("/control/gigadat/open").await.1["state"], "TOKEN");
    assert_eq!(world.post("/control/gigadat/open/explode").await.0, 400);
    assert_eq!(world.post("/control/gigadat/open/reverse").await.0, 409);
    assert_eq!(world.post("/control/gigadat/nothing/approve").await.0, 404);
    assert_eq!(world.post("/control/gigadat/open/status/STATUS_PUZZLED").await.1["state"], "STATUS_PUZZLED");
    assert_eq!(inquiry(&world, "open").await.1["status"], "STATUS_PUZZLED");
    assert_eq!(told_exactly(&world, "open", 1).await, ["STATUS_PUZZLED"]);

    let token = registered(&world, "ETO", "held", "10.00").await;
    assert_eq!(world.post("/control/gigadat/held/pay").await.0, 409, "a pay-out has no page");
    assert_eq!(world.post("/control/gigadat/held/approve").await.0, 409, "nobody released it");
    assert_eq!(world.post("/control/gigadat/held/status/STATUS_SUCCESS").await.0, 200);
    assert!(world.ledger("gigadat", "held").await.is_empty(), "a word moves no money");
    let refused = registered(&world, "ETO", "refused", "10.00").await;
    world.press("gigadat", "refused", "decline").await;
    assert_eq!(answer(depositing(&world, "refused", &refused)).await, (400, json!({"err": "Invalid transaction"})));
    assert_eq!(answer(depositing(&world, "held", &token)).await.0, 400);
    world.settings("gigadat", json!({"settleDelayMs": 600_000})).await;
    let token = registered(&world, "ETO", "slow", "10.00").await;
    answer(depositing(&world, "slow", &token)).await;
    world.press("gigadat", "slow", "decline").await;
    world.ledger_is("gigadat", "slow", "returned").await;
}

#[tokio::test]
async fn a_kill_loses_neither_settlement_nor_callback() {
    let mut world = world().await;
    world.settings("gigadat", json!({"settleDelayMs": 60_000})).await;
    let token = registered(&world, "ETO", "slow", "10.00").await;
    answer(depositing(&world, "slow", &token)).await;
    let page = page(&world, "unheard", "10.00").await;
    // The listener's own word is 200 and nothing else.
    world.receiver.answer_with(204);
    world.submit(&page, "action=pay").await;
    told_exactly(&world, "unheard", 1).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(200);
    let begun = Instant::now();
    told_exactly(&world, "unheard", 2).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    world.ledger_is("gigadat", "slow", "settled").await;
    told_exactly(&world, "slow", 1).await;
    assert_eq!(inquiry(&world, "unheard").await.1["status"], "STATUS_SUCCESS", "the account is still known");
    let kept = world.kept_bytes();
    for canary in ["gd-security", "gd-access"] {
        assert!(!kept.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
    }
}

#[tokio::test]
async fn pay_can_press_itself_and_tokens_age() {
    let world = ready(World::with(60, Some(300)).await).await;
    token(&world, "CPI", "alone", "10.00").await;
    world.ledger_is("gigadat", "alone", "settled").await;
    token(&world, "CPI", "alone-01", "10.01").await;
    world.state_is("gigadat", "alone-01", "STATUS_REJECTED").await;
    assert!(broken(tokening(&world, &order("CPI", "alone-11", "10.11"))).await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.ledger("gigadat", "alone-11").await.is_empty(), "nobody could open that page");

    // 24 hours at a million-fold speed.
    let world = ready(World::with(1_000_000, None).await).await;
    let page = page(&world, "old", "10.00").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let shown = world.client.get(&page).send().await.unwrap();
    assert_eq!(shown.status().as_u16(), 400);
    assert!(shown.text().await.unwrap().contains("Invalid token"));
}

#[tokio::test]
async fn callbacks_can_be_lost_or_forged() {
    let world = world().await;
    world.settings("gigadat", json!({"dropCallbacks": true})).await;
    let page = page(&world, "lost", "10.09").await;
    world.submit(&page, "action=pay").await;
    world.ledger_is("gigadat", "lost", "settled").await;
    assert!(told(&world, "lost").is_empty());
    world.settings("gigadat", json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    token(&world, "CPI", "forged", "10.00").await;
    assert_eq!(told_exactly(&world, "forged", 1).await, ["STATUS_SUCCESS"]);
    assert!(world.ledger("gigadat", "forged").await.is_empty());
    registered(&world, "ETO", "forged-out", "10.00").await;
    assert_eq!(told_exactly(&world, "forged-out", 1).await, ["STATUS_SUCCESS"]);
    assert_eq!(inquiry(&world, "forged-out").await.1["status"], "STATUS_PENDING");
}
