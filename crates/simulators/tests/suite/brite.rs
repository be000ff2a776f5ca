//! Brite: tokens, sessions, page, callbacks, ledger, every trigger, restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{World, answer, broken, eventually};

const KEY: &str = "sandbox-abc";
const SECRET: &str = "brite-secret-0001";
const BACK: &str = "https://m.example/return?result=return";

struct Brite {
    world: World,
    token: String,
}

impl Brite {
    async fn start() -> Self {
        Self::ready(World::start().await).await
    }

    async fn ready(world: World) -> Self {
        let account = json!({"secret": SECRET, "merchantId": "merchant-1"});
        assert_eq!(world.put(&format!("/control/brite/accounts/{KEY}"), account).await.0, 200);
        let token = authorized(&world).await["access_token"].as_str().unwrap().to_owned();
        Self { world, token }
    }

    fn calling(&self, verb: &str, body: &Value) -> reqwest::RequestBuilder {
        let url = self.world.url(&format!("/brite/api/{verb}"));
        self.world.client.post(url).header("authorization", format!("Bearer {}", self.token)).body(body.to_string())
    }

    async fn call(&self, verb: &str, body: Value) -> (u16, Value) {
        answer(self.calling(verb, &body)).await
    }

    fn order(&self, reference: &str, amount: &str) -> Value {
        let url = self.world.receiver.url(reference);
        let mut order = json!({
            "country_id": "fi", "currency_id": "eur", "merchant_reference": reference,
            "customer_email": "player@example.com", "customer_firstname": "John", "customer_lastname": "Doe",
            "brand_name": "Acme", "locale": "fi", "redirect_uri": BACK,
            "callbacks": [
                {"url": url, "transaction_state": 2}, {"url": url, "transaction_state": 3}, {"url": url, "transaction_state": 5},
                {"url": url, "transaction_state": 6}, {"url": url, "transaction_state": 7}, {"url": url, "session_state": 10},
                {"url": url, "session_state": 11},
            ],
        });
        order["amount"] = serde_json::from_str(amount).unwrap();
        order
    }

    fn creating(&self, reference: &str, amount: &str) -> reqwest::RequestBuilder {
        self.calling("session.create_deposit", &self.order(reference, amount))
    }

    /// Page and id of a new session.
    async fn session(&self, reference: &str, amount: &str) -> (String, String) {
        let (status, body) = answer(self.creating(reference, amount)).await;
        assert_eq!(status, 200, "{body}");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert_eq!(text("url"), self.world.url(&format!("/brite/{}", text("token"))));
        (text("url"), text("id"))
    }

    async fn session_state(&self, reference: &str) -> Value {
        let (status, body) = self.call("session.get_by_merchant_reference", json!({"merchant_reference": reference})).await;
        assert_eq!(status, 200, "{body}");
        json!([body["state"], body["error_code"]])
    }

    async fn transaction(&self, reference: &str) -> Value {
        self.call("transaction.get_by_merchantreference", json!({"merchant_reference": reference})).await.1
    }

    /// What the callbacks about a reference told so far: `t5`, `s10`, ...
    fn told(&self, reference: &str) -> Vec<String> {
        let received = self.world.receiver.at(reference);
        let told = received.iter().map(|one| {
            let body = one.json();
            assert_eq!(body["merchant_id"], "merchant-1");
            assert_eq!(one.headers["user-agent"], "Brite Callback");
            match &body["transaction_state"] {
                Value::Null => format!("s{}", body["session_state"]),
                state => format!("t{state}"),
            }
        });
        let mut told: Vec<String> = told.collect();
        told.sort();
        told
    }

    /// Waits until exactly these callbacks have come (in any order: Brite promises none).
    async fn tells(&self, reference: &str, expected: &[&str]) {
        eventually(|| async { (self.told(reference).len() >= expected.len()).then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(self.told(reference), expected, "{reference}");
    }
}

async fn authorized(world: &World) -> Value {
    let body = json!({"public_key": KEY, "secret": SECRET}).to_string();
    let (status, body) = answer(world.client.post(world.url("/brite/api/merchant.authorize")).body(body)).await;
    assert_eq!(status, 200);
    body
}

#[tokio::test]
async fn a_deposit_is_paid_on_its_page() {
    let brite = Brite::start().await;
    let (page, id) = brite.session("in-1", "50.00").await;
    assert_eq!(brite.transaction("in-1").await["error_name"], "NotFound");
    let shown = brite.world.client.get(&page).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' https://m.example;") && !policy.contains("unsafe"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in ["TEST PAGE", "Test Bank", "Acme", "50.00", "EUR", "John Doe", "Risk rejection", "Late success"] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<script") && !html.contains("style="), "no inline code");
    assert_eq!(brite.world.submit(&page, "action=pay&login=").await.0, 422);
    assert_eq!(brite.world.submit(&page, "action=pay&login=canary-login").await, (303, BACK.to_owned()));

    brite.tells("in-1", &["t5", "t6"]).await;
    let transaction = brite.transaction("in-1").await;
    let transaction_id = transaction["id"].as_str().unwrap();
    assert_eq!((&transaction["state"], &transaction["session_id"]), (&json!(6), &json!(id)));
    assert_eq!((&transaction["currency_id"], &transaction["country_id"]), (&json!("eur"), &json!("fi")));
    assert!(transaction["settled"].is_number() && transaction["created"].is_number() && transaction["error_code"].is_null());
    assert_eq!(brite.world.receiver.at("in-1")[0].json()["transaction_id"], transaction_id);
    let raw = brite.calling("transaction.get", &json!({"id": transaction_id})).send().await.unwrap().text().await.unwrap();
    assert!(raw.contains("\"amount\":50.0,"), "{raw}");
    let (_, session) = brite.call("session.get", json!({"id": id})).await;
    assert_eq!((&session["state"], &session["transaction_id"]), (&json!(12), &json!(transaction_id)));
    assert_eq!(session["merchant_reference"], "in-1");
    let refused = brite.call("transaction.get", json!({"id": id})).await;
    assert_eq!((refused.0, &refused.1["error_name"]), (400, &json!("TransactionInvalid")), "a session's id");
    let entry = brite.world.ledger_is("brite", "in-1", "settled").await;
    assert_eq!((&entry["providerReference"], &entry["amount"]), (&json!(transaction_id), &json!("50.00")));
    let html = brite.world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("SETTLED") && !html.contains("<form"));
    let kept = brite.world.kept_bytes();
    for canary in ["canary-login", SECRET, &brite.token] {
        assert!(!kept.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
    }

    let (_, first) = brite.session("twice", "10.00").await;
    let (_, second) = brite.session("twice", "10.00").await;
    assert_ne!(first, second, "a repeat makes a new session");
}

#[tokio::test]
async fn a_transaction_need_not_say_whose_it_is() {
    let brite = Brite::start().await;
    brite.world.settings("brite", json!({"shortRecords": true})).await;
    let (_, id) = brite.session("short", "50.00").await;
    brite.world.press("brite", "short", "pay").await;
    let transaction = brite.transaction("short").await;
    let of_id = brite.call("transaction.get", json!({"id": transaction["id"]})).await.1;
    for record in [&transaction, &of_id] {
        assert!(record.get("merchant_reference").is_none() && record.get("session_id").is_none(), "{record}");
    }
    let session = brite.call("session.get", json!({"id": id})).await.1;
    assert_eq!((&session["merchant_reference"], &session["transaction_id"]), (&json!("short"), &transaction["id"]));
}

#[tokio::test]
async fn the_other_buttons() {
    let brite = Brite::start().await;
    for (button, told, session) in [
        ("cancel", &["s10"][..], json!([10, "cancelled_by_user"])),
        ("fail", &["s11", "t3"][..], json!([11, "bank_error"])),
        ("risk", &["s10", "t2"][..], json!([10, "risk_rejected"])),
        ("late", &["s10", "t2", "t5", "t6"][..], json!([10, "risk_rejected"])),
    ] {
        let (page, _) = brite.session(button, "10.00").await;
        assert_eq!(brite.world.submit(&page, &format!("action={button}")).await, (303, BACK.to_owned()));
        brite.tells(button, told).await;
        assert_eq!(brite.session_state(button).await, session);
    }
    assert_eq!(brite.transaction("risk").await["error_code"], "risk_rejected");
    assert_eq!(brite.transaction("late").await["state"], 6);
    brite.world.ledger_is("brite", "late", "settled").await;
    assert!(brite.world.ledger("brite", "risk").await.is_empty());
    // Without a way back the payer stays.
    let mut order = brite.order("stays", "10.00");
    order.as_object_mut().unwrap().remove("redirect_uri");
    let (_, body) = brite.call("session.create_deposit", order).await;
    let page = body["url"].as_str().unwrap();
    let (_, location) = brite.world.submit(page, "action=cancel").await;
    assert_eq!(location, page);
    assert!(brite.world.client.get(page).send().await.unwrap().text().await.unwrap().contains("You can close this page"));
    assert_eq!(brite.world.client.get(brite.world.url("/brite/nothing")).send().await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn tokens_are_granted_renewed_and_refused() {
    let mut brite = Brite::start().await;
    let unauthorized =
        json!({"error_name": "Unauthorized", "error_message": "Invalid credentials", "state": "APPLICATION_ERROR"});
    let url = brite.world.url("/brite/api/merchant.authorize");
    for (key, secret) in [(KEY, "wrong"), ("sandbox-unknown", SECRET), ("", ""), (KEY, "")] {
        let body = json!({"public_key": key, "secret": secret}).to_string();
        assert_eq!(answer(brite.world.client.post(&url).body(body)).await, (401, unauthorized.clone()));
    }
    let granted = authorized(&brite.world).await;
    assert!(granted["expires"].is_number());
    let first = std::mem::replace(&mut brite.token, granted["access_token"].as_str().unwrap().to_owned());
    for token in [&first, &brite.token] {
        let request = brite.world.client.post(brite.world.url("/brite/api/session.get")).body("{\"id\":\"x\"}");
        assert_eq!(answer(request.header("authorization", format!("Bearer {token}"))).await.0, 400, "several live at once");
    }
    assert_eq!(brite.call("merchant.token", json!({"refresh_token": "wrong"})).await.0, 401);
    let (status, renewed) = brite.call("merchant.token", json!({"refresh_token": granted["refresh_token"]})).await;
    assert_eq!(status, 200);
    assert_eq!(brite.call("session.get", json!({"id": "x"})).await, (401, unauthorized.clone()), "the old one is dead");
    brite.token = renewed["access_token"].as_str().unwrap().to_owned();
    assert_eq!(brite.call("session.get", json!({"id": "x"})).await.0, 400);
    let bare = brite.world.client.post(brite.world.url("/brite/api/session.create_deposit")).body("{}");
    assert_eq!(answer(bare).await, (401, unauthorized));
    let calls = brite.world.get("/control/brite/calls").await.1.to_string();
    for canary in [SECRET, &brite.token, renewed["refresh_token"].as_str().unwrap()] {
        assert!(!calls.contains(canary), "bearer values are not shown");
    }

    // Six hours at a million-fold speed.
    let brite = Brite::ready(World::with(1_000_000, None).await).await;
    eventually(|| async { (brite.call("session.get", json!({"id": "x"})).await.0 == 401).then_some(()) }).await;
}

#[tokio::test]
async fn it_is_strict_about_fields() {
    let brite = Brite::start().await;
    let good = brite.order("strict", "10.00");
    let url = brite.world.receiver.url("strict");
    for (name, value, error) in [
        ("amount", json!(0), "InvalidAmount"),
        ("amount", json!(-1), "InvalidAmount"),
        ("amount", json!("10.00"), "InvalidAmount"),
        ("amount", json!(10.001), "InvalidAmount"),
        ("amount", json!(null), "InvalidAmount"),
        ("country_id", json!("us"), "NotFound"),
        ("country_id", json!("FI"), "NotFound"),
        ("country_id", json!(null), "NotFound"),
        ("currency_id", json!("EUR"), "NotFound"),
        ("currency_id", json!("xyz"), "NotFound"),
        ("customer_city", json!(""), "TransactionInvalid"),
        ("redirect_uri", json!("nowhere"), "TransactionInvalid"),
        ("callbacks", json!([{"url": url, "transaction_state": 8}]), "TransactionInvalid"),
        ("callbacks", json!([{"url": url, "transaction_state": 1}]), "TransactionInvalid"),
        ("callbacks", json!([{"url": url, "session_state": 5}]), "TransactionInvalid"),
        ("callbacks", json!([{"url": url, "session_state": 10, "transaction_state": 5}]), "TransactionInvalid"),
        ("callbacks", json!([{"url": url}]), "TransactionInvalid"),
        ("callbacks", json!([{"url": "nowhere", "session_state": 10}]), "TransactionInvalid"),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        let (status, body) = brite.call("session.create_deposit", wrong).await;
        assert_eq!((status, &body["error_name"], &body["state"]), (400, &json!(error), &json!("APPLICATION_ERROR")), "{name}");
    }
    let mut both = good.clone();
    (both["amount"], both["country_id"]) = (json!(0), json!("us"));
    assert_eq!(brite.call("session.create_deposit", both).await.1["error_name"], "InvalidAmount", "the first of the sheet");
    let mut german = good.clone();
    german["country_id"] = json!("de");
    assert_eq!(brite.call("session.create_deposit", german.clone()).await.0, 200);
    german.as_object_mut().unwrap().remove("brand_name");
    assert_eq!(brite.call("session.create_deposit", german).await.0, 400, "brand_name");
    for country in ["se", "fi", "nl", "ee", "at", "lv", "lt", "dk", "es"] {
        let minimal = json!({"country_id": country, "currency_id": "eur", "amount": 1});
        assert_eq!(brite.call("session.create_deposit", minimal).await.0, 200, "{country}");
    }
    for (verb, body) in [
        ("session.get", json!({"id": "nothing"})),
        ("session.get_by_merchant_reference", json!({"merchant_reference": "nothing"})),
        ("transaction.get", json!({"id": "nothing"})),
        ("transaction.get_by_merchantreference", json!({"merchant_reference": "nothing"})),
    ] {
        let (status, body) = brite.call(verb, body).await;
        assert_eq!((status, &body["error_name"]), (400, &json!("NotFound")), "{verb}");
    }
    assert_eq!(brite.call("session.unknown", json!({})).await.0, 404);
    let got = brite.world.client.get(brite.world.url("/brite/api/session.get")).send().await.unwrap();
    assert_eq!(got.status().as_u16(), 405);
    for bad in [json!({"secret": "x"}), json!({"secret": "", "merchantId": "m"})] {
        assert_eq!(brite.world.put("/control/brite/accounts/x", bad).await.0, 400);
    }
    // Another merchant sees nothing of this.
    let (_, id) = brite.session("mine", "10.00").await;
    let other = json!({"secret": "other", "merchantId": "merchant-2"});
    assert_eq!(brite.world.put("/control/brite/accounts/sandbox-other", other).await.0, 200);
    let body = json!({"public_key": "sandbox-other", "secret": "other"}).to_string();
    let (_, granted) = answer(brite.world.client.post(brite.world.url("/brite/api/merchant.authorize")).body(body)).await;
    let theirs = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let request = brite.world.client.post(brite.world.url("/brite/api/session.get")).header("authorization", theirs);
    assert_eq!(answer(request.body(json!({"id": id}).to_string())).await.0, 400);
}

#[tokio::test]
async fn pressing_pay_plays_the_scenario() {
    let brite = Brite::start().await;
    for (amount, told, session) in [
        ("50.01", &["s11", "t3"][..], json!([11, "bank_error"])),
        ("50.02", &["s10"][..], json!([10, "cancelled_by_user"])),
        ("50.03", &["s10"][..], json!([10, "expired_session"])),
        ("50.09", &["s10", "t2", "t5", "t6"][..], json!([10, "risk_rejected"])),
        ("50.08", &["t5", "t5", "t5", "t6", "t6", "t6"][..], json!([12, null])),
    ] {
        let (page, _) = brite.session(amount, amount).await;
        brite.world.submit(&page, "action=pay").await;
        brite.tells(amount, told).await;
        assert_eq!(brite.session_state(amount).await, session, "{amount}");
    }
    for settled in ["50.09", "50.08"] {
        brite.world.ledger_is("brite", settled, "settled").await;
    }
    for nothing in ["50.01", "50.02", "50.03"] {
        assert!(brite.world.ledger("brite", nothing).await.is_empty());
    }
    brite.session("early", "20.10").await;
    assert!(brite.told("early").contains(&"t5".to_owned()), "the callback is here when the answer is");
    brite.world.ledger_is("brite", "early", "settled").await;
}

#[tokio::test]
async fn transport_triggers() {
    let brite = Brite::start().await;
    assert_eq!(answer(brite.creating("t4", "9.04")).await.0, 500);
    let limited = brite.creating("t6", "9.06").send().await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    for _ in 0..2 {
        assert_eq!(answer(brite.creating("t7", "9.07")).await.0, 401, "every time");
    }
    let begun = Instant::now();
    assert!(!broken(brite.creating("t5", "9.05")).await);
    assert!(begun.elapsed() >= Duration::from_millis(1_900), "120 s at sixty-fold speed");
    for reference in ["t4", "t5", "t6", "t7"] {
        assert_eq!(brite.world.get(&format!("/control/brite/{reference}")).await.0, 404);
    }
    let mut cut = brite.creating("cut", "9.11").send().await.unwrap();
    assert_eq!(cut.status().as_u16(), 200);
    assert_eq!(cut.chunk().await.unwrap().unwrap().as_ref(), b"{\"url\":\"htt");
    assert!(cut.chunk().await.is_err());
    assert!(!broken(brite.creating("closed", "9.12")).await);
    for reference in ["cut", "closed"] {
        assert_eq!(brite.session_state(reference).await, json!([0, null]), "found by reference");
    }
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let brite = Brite::start().await;
    let world = &brite.world;
    for (outcome, state) in [
        ("approve", "CREDIT"),
        ("pay", "CREDIT"),
        ("decline", "FAILED"),
        ("cancelled", "ABORTED"),
        ("expire", "ABORTED"),
        ("fail", "FAILED"),
        ("risk", "ABORTED"),
        ("late", "ABORTED"),
    ] {
        brite.session(outcome, "10.00").await;
        let pressed = world.press("brite", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "brite", "reference": outcome, "state": state}));
        assert_eq!(world.post(&format!("/control/brite/{outcome}/approve")).await.0, 409);
    }
    assert_eq!(brite.session_state("expire").await, json!([10, "expired_session"]));
    world.state_is("brite", "approve", "SETTLED").await;
    assert_eq!(world.press("brite", "approve", "reverse").await["state"], "DEBIT");
    world.ledger_is("brite", "approve", "returned").await;
    brite.tells("approve", &["t5", "t6", "t7"]).await;
    assert_eq!(world.post("/control/brite/approve/reverse").await.0, 409);
    assert_eq!(world.post("/control/brite/decline/reverse").await.0, 409);

    let (_, id) = brite.session("open", "10.00").await;
    assert_eq!(world.get(&format!("/control/brite/{id}")).await.1["state"], "CREATED");
    assert_eq!(world.post("/control/brite/open/explode").await.0, 400);
    assert_eq!(world.post("/control/brite/nothing/approve").await.0, 404);
    assert_eq!(world.post("/control/brite/open/status/PUZZLED").await.0, 409);
    assert_eq!(world.post("/control/brite/open/status/COMPLETED").await.0, 200);
    assert_eq!(brite.transaction("open").await["state"], 4);
    assert_eq!(world.post("/control/brite/open/status/42").await.0, 200);
    assert_eq!(brite.transaction("open").await["state"], 42);
    assert_eq!(world.post("/control/brite/open/status/session:42").await.0, 200);
    assert_eq!(brite.session_state("open").await, json!([42, null]));
    brite.tells("open", &["s42", "t4", "t42"]).await;
    // A transaction that has begun ends with its session.
    brite.session("begun", "10.00").await;
    world.post("/control/brite/begun/status/PENDING").await;
    world.press("brite", "begun", "cancel").await;
    let transaction = brite.transaction("begun").await;
    assert_eq!((&transaction["state"], &transaction["error_code"]), (&json!(2), &json!("cancelled_by_user")));
}

#[tokio::test]
async fn a_kill_loses_neither_settlement_nor_callback() {
    let mut brite = Brite::ready(World::with(2, None).await).await;
    let (page, _) = brite.session("unheard", "10.00").await;
    brite.world.receiver.answer_with(204);
    brite.world.submit(&page, "action=pay").await;
    eventually(|| async { (brite.told("unheard") == ["t5"]).then_some(()) }).await;
    brite.world.kill_and_restart().await;
    brite.world.receiver.answer_with(200);
    // CREDIT once more, for a 204 is no 200; and SETTLED at its time.
    brite.tells("unheard", &["t5", "t5", "t6"]).await;
    assert_eq!(brite.transaction("unheard").await["state"], 6, "the token is still known");
}

#[tokio::test]
async fn pay_can_press_itself_and_sessions_run_out() {
    let brite = Brite::ready(World::with(6_000, Some(300)).await).await;
    brite.session("alone", "10.00").await;
    brite.world.ledger_is("brite", "alone", "settled").await;
    assert!(broken(brite.creating("alone-11", "10.11")).await);
    // 30 minutes at 6,000-fold speed.
    brite.world.state_is("brite", "alone-11", "ABORTED").await;
    assert_eq!(brite.session_state("alone-11").await, json!([10, "expired_session"]));
    assert!(brite.world.ledger("brite", "alone-11").await.is_empty());
}

#[tokio::test]
async fn callbacks_are_repeated_lost_or_forged() {
    // Ten minutes at 600-fold speed.
    let brite = Brite::ready(World::with(600, None).await).await;
    brite.world.receiver.answer_with(500);
    brite.session("deaf", "10.00").await;
    brite.world.press("brite", "deaf", "cancel").await;
    brite.tells("deaf", &["s10"]).await;
    brite.world.receiver.answer_with(200);
    brite.tells("deaf", &["s10", "s10"]).await;
    brite.world.settings("brite", json!({"dropCallbacks": true})).await;
    brite.session("lost", "10.09").await;
    brite.world.press("brite", "lost", "pay").await;
    brite.world.ledger_is("brite", "lost", "settled").await;
    assert!(brite.told("lost").is_empty());
    brite.world.settings("brite", json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    brite.session("forged", "10.00").await;
    brite.tells("forged", &["t5"]).await;
    assert_eq!(brite.session_state("forged").await, json!([0, null]));
    assert!(brite.world.ledger("brite", "forged").await.is_empty());
}
