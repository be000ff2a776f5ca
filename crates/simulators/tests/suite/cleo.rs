//! Cleo: creation, page, callbacks, ledger, every trigger, restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{World, answer, broken, eventually};

const CHILE: &str = "cleo-key-chile";
const PERU: &str = "cleo-key-peru";
const MEXICO: &str = "cleo-key-mexico";
const BACK: &str = "https://m.example/return?result=return";

async fn world() -> World {
    ready(World::start().await).await
}

async fn ready(world: World) -> World {
    let account = json!({"chileApiKey": CHILE, "peruApiKey": PERU, "mexicoApiKey": MEXICO, "externalKey": "ext-1"});
    assert_eq!(world.put("/control/cleo/accounts/demo", account).await.0, 200);
    world
}

/// A transfer-in to Chile.
fn order_in(world: &World, reference: &str, amount: &str) -> Value {
    json!({
        "externalReference": reference, "amount": amount, "currency": "CLP", "country": "CL",
        "customer": {
            "externalKey": "ext-1", "userId": "user_123", "firstName": "John", "lastName": "Doe",
            "email": "player@example.com", "phone": "56912345678", "gender": "male", "dateOfBirth": "1990-01-15",
            "address": {"line1": "Av. Uno 1", "city": "Santiago", "state": "RM", "postalCode": "8320000", "country": "CL"},
        },
        "risk": {
            "kycVerified": true, "blocked": false, "isVelocity": false, "transactionCount": "12", "userBalance": 0,
            "partnerName": "Acme", "verifiedEmail": "player@example.com", "verificationDate": "2026-01-15",
        },
        "returnUrl": BACK, "notificationUrl": world.receiver.url(reference),
    })
}

/// A transfer-out to Mexico.
fn order_out(world: &World, reference: &str, amount: &str) -> Value {
    json!({
        "externalReference": reference, "amount": amount, "currency": "MXN", "country": "MX",
        "customer": {
            "externalKey": "ext-1", "userId": "user_123", "firstName": "John", "lastName": "Doe",
            "email": "player@example.com",
        },
        "beneficiary": {
            "documentType": "RFC", "documentNumber": "DOJO900115AB1", "bankCode": "032", "accountType": "checking",
            "accountNumber": "032180000118359719",
        },
        "notificationUrl": world.receiver.url(reference),
    })
}

fn calling(world: &World, kind: &str, key: &str, body: &Value) -> reqwest::RequestBuilder {
    world.client.post(world.url(&format!("/cleo/v1/{kind}"))).header("x-api-key", key).body(body.to_string())
}

fn creating_in(world: &World, reference: &str, amount: &str) -> reqwest::RequestBuilder {
    calling(world, "transfer-in", CHILE, &order_in(world, reference, amount))
}

fn creating_out(world: &World, reference: &str, amount: &str) -> reqwest::RequestBuilder {
    calling(world, "transfer-out", MEXICO, &order_out(world, reference, amount))
}

/// A transfer-in's page.
async fn transfer_in(world: &World, reference: &str, amount: &str) -> String {
    let (status, body) = answer(creating_in(world, reference, amount)).await;
    assert_eq!((status, &body["status"]), (201, &json!("PENDING")), "{body}");
    body["redirectUrl"].as_str().unwrap().to_owned()
}

async fn transfer_out(world: &World, reference: &str, amount: &str) -> String {
    let (status, body) = answer(creating_out(world, reference, amount)).await;
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

async fn asked(world: &World, key: &str, path: &str) -> (u16, Value) {
    answer(world.client.get(world.url(&format!("/cleo/v1/{path}"))).header("x-api-key", key)).await
}

async fn inquiry_in(world: &World, reference: &str) -> (u16, Value) {
    asked(world, CHILE, &format!("transfer-in?externalReference={reference}")).await
}

async fn inquiry_out(world: &World, reference: &str) -> (u16, Value) {
    asked(world, MEXICO, &format!("transfer-out?externalReference={reference}")).await
}

#[tokio::test]
async fn a_transfer_in_is_paid_on_its_page() {
    let world = world().await;
    let page = transfer_in(&world, "in-1", "10000").await;
    assert!(page.starts_with(&world.url("/cleo/pay/")), "{page}");
    let shown = world.client.get(&page).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' https://m.example;") && !policy.contains("unsafe"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in ["TEST PAGE", "Demo company", "$10.000", "CLP", "John Doe", "\"pay\"", "\"decline\"", "\"cancel\""] {
        assert!(html.contains(text), "{text}");
    }
    assert_eq!(html.matches("name=\"bank\"").count(), 3);
    assert!(!html.contains("<script") && !html.contains("style="), "no inline code");
    assert!(world.ledger("cleo", "in-1").await.is_empty(), "it counts at its completion");
    assert_eq!(world.submit(&page, "action=pay&bank=Nowhere").await.0, 422);
    assert_eq!(world.submit(&page, "action=pay&bank=Banco+de+Prueba+Andes").await, (303, BACK.to_owned()));

    let got = world.receiver.exactly("in-1", 1).await;
    let record = got[0].json();
    let id = record["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.starts_with("ti_"), "{id}");
    assert_eq!(
        record,
        json!({"id": id, "externalReference": "in-1", "type": "TRANSFER_IN", "status": "COMPLETED", "amount": "10000",
               "currency": "CLP", "country": "CL", "reason": null})
    );
    assert_eq!(inquiry_in(&world, "in-1").await, (200, record.clone()));
    assert_eq!(asked(&world, CHILE, &format!("transfer-in/{id}")).await, (200, record.clone()));
    let entry = world.ledger_is("cleo", "in-1", "settled").await;
    assert_eq!((&entry["providerReference"], &entry["amount"], &entry["direction"]), (&json!(id), &json!("10000"), &json!("in")));
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("COMPLETED") && !html.contains("<form"));
    assert_eq!(world.client.get(format!("{page}x")).send().await.unwrap().status().as_u16(), 404);

    for (button, word) in [("decline", "REJECTED"), ("cancel", "CANCELLED")] {
        let page = transfer_in(&world, button, "10000").await;
        assert_eq!(world.submit(&page, &format!("action={button}")).await.0, 303);
        let told = world.receiver.exactly(button, 1).await[0].json();
        assert_eq!((&told["status"], told["reason"].is_string()), (&json!(word), word == "REJECTED"));
    }
    let mut order = order_in(&world, "stays", "10000");
    order.as_object_mut().unwrap().remove("returnUrl");
    let (_, body) = answer(calling(&world, "transfer-in", CHILE, &order)).await;
    let page = body["redirectUrl"].as_str().unwrap();
    assert_eq!(world.submit(page, "action=pay").await.1, page, "without a way back the payer stays");
}

#[tokio::test]
async fn a_transfer_out_is_accepted_and_settles_by_itself() {
    let world = world().await;
    let id = transfer_out(&world, "out-1", "500.00").await;
    assert!(id.len() == 9 && id.starts_with("to_"), "{id}");
    let entry = world.ledger_is("cleo", "out-1", "settled").await;
    assert_eq!((&entry["direction"], &entry["destination"]), (&json!("out"), &json!("032180000118359719")));
    assert_eq!((&entry["amount"], &entry["currency"], &entry["times"]), (&json!("500.00"), &json!("MXN"), &json!(1)));
    let record = world.receiver.exactly("out-1", 1).await[0].json();
    assert_eq!((&record["type"], &record["status"]), (&json!("TRANSFER_OUT"), &json!("COMPLETED")));
    assert_eq!(asked(&world, MEXICO, &format!("transfer-out/{id}")).await, (200, record));
    let (status, body) = answer(creating_out(&world, "out-1", "500.00")).await;
    assert_eq!((status, &body["code"]), (409, &json!("DUPLICATE_REFERENCE")));
    assert_eq!(world.ledger("cleo", "out-1").await[0]["times"], 1);
    // The other countries.
    let mut chile = order_out(&world, "out-cl", "5000");
    chile["country"] = json!("CL");
    chile["currency"] = json!("CLP");
    chile["beneficiary"] = json!({"documentType": "RUT", "documentNumber": "123456785", "bankCode": "012",
        "accountType": "vista", "accountNumber": "00123"});
    assert_eq!(answer(calling(&world, "transfer-out", CHILE, &chile)).await.0, 201);
    let mut peru = order_out(&world, "out-pe", "50.00");
    peru["country"] = json!("PE");
    peru["currency"] = json!("PEN");
    peru["beneficiary"] = json!({"documentType": "DNI", "documentNumber": "12345678", "bankCode": "002",
        "accountType": "checking", "accountNumber": "00219300123456789012"});
    assert_eq!(answer(calling(&world, "transfer-out", PERU, &peru)).await.0, 201);
}

#[tokio::test]
async fn it_is_strict_about_keys() {
    let world = world().await;
    let good = order_in(&world, "strict", "10000");
    let unauthorized = (401, json!({"code": "UNAUTHORIZED", "message": "The API key is not valid"}));
    assert_eq!(answer(calling(&world, "transfer-in", "unknown", &good)).await, unauthorized);
    assert_eq!(answer(world.client.post(world.url("/cleo/v1/transfer-in")).body(good.to_string())).await, unauthorized);
    assert_eq!(asked(&world, "unknown", "transfer-in?externalReference=x").await, unauthorized);
    for key in [CHILE, PERU, MEXICO] {
        let (status, body) = asked(&world, key, "transfer-in?externalReference=x").await;
        assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")));
    }
    for key in [PERU, MEXICO] {
        assert_eq!(answer(calling(&world, "transfer-in", key, &good)).await.0, 422, "country is not the key's");
    }
    let mut wrong = good.clone();
    wrong["currency"] = json!("PEN");
    assert_eq!(answer(calling(&world, "transfer-in", CHILE, &wrong)).await.0, 422);
    let mut wrong = good.clone();
    wrong["customer"]["externalKey"] = json!("other");
    assert_eq!(answer(calling(&world, "transfer-in", CHILE, &wrong)).await.0, 422);
    transfer_in(&world, "mine", "10000").await;
    assert_eq!(answer(creating_in(&world, "mine", "10000")).await.1["code"], "DUPLICATE_REFERENCE");
    assert_eq!(asked(&world, PERU, "transfer-in?externalReference=mine").await.0, 404, "another country's key");
    assert_eq!(inquiry_out(&world, "mine").await.0, 404, "another kind");
    assert_eq!(asked(&world, CHILE, "transfer-in").await.0, 400);
    assert_eq!(asked(&world, CHILE, "transfers").await.0, 404);
    let deleting = world.client.delete(world.url("/cleo/v1/transfer-in")).header("x-api-key", CHILE);
    assert_eq!(answer(deleting).await.0, 405);
    let stranger = json!({"chileApiKey": "a", "peruApiKey": "b", "mexicoApiKey": "c", "externalKey": "d"});
    assert_eq!(world.put("/control/cleo/accounts/other", stranger).await.0, 200);
    assert_eq!(asked(&world, "a", "transfer-in?externalReference=mine").await.0, 404, "another merchant's");
    for bad in [json!({}), json!({"chileApiKey": "", "peruApiKey": "b", "mexicoApiKey": "c", "externalKey": "d"})] {
        assert_eq!(world.put("/control/cleo/accounts/x", bad).await.0, 400);
    }
    let kept = world.kept_bytes();
    assert!(!kept.windows(CHILE.len()).any(|window| window == CHILE.as_bytes()));
    assert!(!world.get("/control/cleo/calls").await.1.to_string().contains(CHILE));
}

/// Every member of an object, nested ones with points.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    for (name, inner) in value.as_object().unwrap() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if inner.is_object() { leaves(inner, &path, out) } else { out.push(path) }
    }
}

#[tokio::test]
async fn it_is_strict_about_fields() {
    let world = world().await;
    let kinds = [
        ("transfer-in", CHILE, order_in(&world, "strict", "10000")),
        ("transfer-out", MEXICO, order_out(&world, "strict", "500.00")),
    ];
    for (kind, key, good) in &kinds {
        let mut names = Vec::new();
        leaves(good, "", &mut names);
        for name in names.iter().filter(|name| *name != "returnUrl") {
            for nothing in [json!(null), json!("")] {
                let mut lacking = good.clone();
                *lacking.pointer_mut(&format!("/{}", name.replace('.', "/"))).unwrap() = nothing;
                let refused = answer(calling(&world, kind, key, &lacking)).await;
                let message = format!("{name} is required");
                assert_eq!(refused, (400, json!({"code": "INVALID_REQUEST", "message": message})));
            }
            let mut wrong = good.clone();
            *wrong.pointer_mut(&format!("/{}", name.replace('.', "/"))).unwrap() = json!([1]);
            assert_eq!(answer(calling(&world, kind, key, &wrong)).await.0, 400, "{name}");
        }
    }
    for (kind, key, pointer, value, status) in [
        ("transfer-in", CHILE, "/amount", json!("10000.50"), 422),
        ("transfer-in", CHILE, "/amount", json!("10000.00"), 422),
        ("transfer-in", CHILE, "/amount", json!("0"), 422),
        ("transfer-in", CHILE, "/notificationUrl", json!("nowhere"), 422),
        ("transfer-in", CHILE, "/returnUrl", json!(""), 400),
        ("transfer-in", CHILE, "/risk/blocked", json!("false"), 400),
        ("transfer-out", MEXICO, "/amount", json!("500"), 422),
        ("transfer-out", MEXICO, "/beneficiary/documentType", json!("RUT"), 422),
        ("transfer-out", MEXICO, "/beneficiary/documentNumber", json!("1-9"), 422),
        ("transfer-out", MEXICO, "/beneficiary/bankCode", json!("33"), 422),
        ("transfer-out", MEXICO, "/beneficiary/bankCode", json!("033"), 422),
        ("transfer-out", MEXICO, "/beneficiary/accountType", json!("gold"), 422),
        ("transfer-out", MEXICO, "/beneficiary/accountNumber", json!("0321800001183597"), 422),
    ] {
        let mut wrong = if kind == "transfer-in" { kinds[0].2.clone() } else { kinds[1].2.clone() };
        *wrong.pointer_mut(pointer).unwrap() = value;
        let (got, body) = answer(calling(&world, kind, key, &wrong)).await;
        assert_eq!((got, &body["code"]), (status, &json!("INVALID_REQUEST")), "{pointer}");
    }
    assert_eq!(inquiry_in(&world, "strict").await.0, 404);
    assert_eq!(inquiry_out(&world, "strict").await.0, 404);
}

#[tokio::test]
async fn pressing_pay_plays_the_scenario() {
    let world = world().await;
    for (amount, word) in [("10001", "REJECTED"), ("10002", "CANCELLED"), ("10003", "EXPIRED")] {
        let page = transfer_in(&world, amount, amount).await;
        world.submit(&page, "action=pay").await;
        assert_eq!(world.receiver.exactly(amount, 1).await[0].json()["status"], word);
        assert!(world.ledger("cleo", amount).await.is_empty());

        let (out, cents) = (format!("out-{amount}"), format!("500.{}", &amount[3..]));
        transfer_out(&world, &out, &cents).await;
        assert_eq!(world.receiver.exactly(&out, 1).await[0].json()["status"], word);
        world.ledger_is("cleo", &out, "returned").await;
    }
    let page = transfer_in(&world, "thrice", "10008").await;
    world.submit(&page, "action=pay").await;
    let got = world.receiver.exactly("thrice", 3).await;
    assert!(got.iter().all(|one| one.body == got[0].body));
    transfer_out(&world, "thrice-out", "500.08").await;
    world.receiver.exactly("thrice-out", 3).await;

    transfer_in(&world, "late", "10009").await;
    world.press("cleo", "late", "pay").await;
    let got = world.receiver.exactly("late", 2).await;
    assert_eq!((&got[0].json()["status"], &got[1].json()["status"]), (&json!("REJECTED"), &json!("COMPLETED")));
    world.ledger_is("cleo", "late", "settled").await;
    transfer_out(&world, "late-out", "500.09").await;
    assert_eq!(world.receiver.exactly("late-out", 1).await[0].json()["status"], "COMPLETED");

    transfer_in(&world, "early", "10010").await;
    transfer_out(&world, "early-out", "500.10").await;
    for reference in ["early", "early-out"] {
        let got = world.receiver.at(reference);
        assert_eq!(got.len(), 1, "the callback is here when the answer is");
        assert_eq!(got[0].json()["status"], "COMPLETED");
        world.ledger_is("cleo", reference, "settled").await;
    }
}

#[tokio::test]
async fn transport_triggers() {
    let world = world().await;
    for (creating, whole) in [
        (creating_in as fn(&World, &str, &str) -> reqwest::RequestBuilder, "100"),
        (creating_out as fn(&World, &str, &str) -> reqwest::RequestBuilder, "500."),
    ] {
        let amount = |digits: &str| format!("{whole}{digits}");
        assert_eq!(answer(creating(&world, "t4", &amount("04"))).await.0, 500);
        let limited = creating(&world, "t6", &amount("06")).send().await.unwrap();
        assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "1"));
        assert_eq!(answer(creating(&world, "t7", &amount("07"))).await.1["code"], "UNAUTHORIZED");
        let begun = Instant::now();
        assert!(!broken(creating(&world, "t5", &amount("05"))).await);
        assert!(begun.elapsed() >= Duration::from_millis(1_900), "120 s at sixty-fold speed");
        for reference in ["t4", "t5", "t6", "t7"] {
            assert_eq!(world.get(&format!("/control/cleo/{reference}")).await.0, 404);
            assert!(world.ledger("cleo", reference).await.is_empty());
        }
        let mut cut = creating(&world, "cut", &amount("11")).send().await.unwrap();
        assert_eq!(cut.status().as_u16(), 201);
        assert!(cut.chunk().await.unwrap().unwrap().starts_with(b"{\"id\":\"t"));
        assert!(cut.chunk().await.is_err());
        assert!(!broken(creating(&world, "closed", &amount("12"))).await);
    }
    for reference in ["cut", "closed"] {
        assert_eq!(inquiry_in(&world, reference).await.1["status"], "PENDING", "found by reference");
        eventually(|| async { (inquiry_out(&world, reference).await.1["status"] == "COMPLETED").then_some(()) }).await;
        let entry = world.ledger_is("cleo", reference, "settled").await;
        assert_eq!((&entry["direction"], &entry["times"]), (&json!("out"), &json!(1)));
    }
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    for (outcome, state) in [
        ("approve", "COMPLETED"),
        ("success", "COMPLETED"),
        ("declined", "REJECTED"),
        ("cancel", "CANCELLED"),
        ("expire", "EXPIRED"),
    ] {
        transfer_in(&world, outcome, "10000").await;
        let pressed = world.press("cleo", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "cleo", "reference": outcome, "state": state}));
        assert_eq!(world.post(&format!("/control/cleo/{outcome}/approve")).await.0, 409);
    }
    transfer_in(&world, "open", "10000").await;
    assert_eq!(world.post("/control/cleo/open/explode").await.0, 400);
    assert_eq!(world.post("/control/cleo/open/reverse").await.0, 409);
    assert_eq!(world.post("/control/cleo/nothing/approve").await.0, 404);
    assert_eq!(world.post("/control/cleo/open/status/PROCESSING").await.1["state"], "PROCESSING");
    assert_eq!(inquiry_in(&world, "open").await.1["status"], "PROCESSING");
    assert_eq!(world.receiver.exactly("open", 1).await[0].json()["status"], "PROCESSING");
    world.settings("cleo", json!({"settleDelayMs": 600_000})).await;
    let id = transfer_out(&world, "held", "500.00").await;
    assert_eq!(world.post("/control/cleo/held/pay").await.0, 409, "a transfer-out has no page");
    world.press("cleo", &id, "decline").await;
    world.ledger_is("cleo", "held", "returned").await;
}

#[tokio::test]
async fn a_kill_loses_neither_settlement_nor_callback() {
    let mut world = world().await;
    world.settings("cleo", json!({"settleDelayMs": 60_000})).await;
    transfer_out(&world, "slow", "500.00").await;
    let page = transfer_in(&world, "unheard", "10000").await;
    world.receiver.answer_with(503);
    world.submit(&page, "action=pay").await;
    world.receiver.exactly("unheard", 1).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(204);
    let begun = Instant::now();
    world.receiver.exactly("unheard", 2).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    world.ledger_is("cleo", "slow", "settled").await;
    world.receiver.exactly("slow", 1).await;
    assert_eq!(inquiry_in(&world, "unheard").await.1["status"], "COMPLETED", "the account is still known");
}

#[tokio::test]
async fn pay_can_press_itself_and_pages_run_out() {
    let world = ready(World::with(6_000, Some(300)).await).await;
    transfer_in(&world, "alone", "10000").await;
    world.ledger_is("cleo", "alone", "settled").await;
    assert!(!broken(creating_in(&world, "alone-12", "10012")).await);
    // 30 minutes at 6,000-fold speed.
    world.state_is("cleo", "alone-12", "EXPIRED").await;
    world.receiver.exactly("alone-12", 1).await;
    assert!(world.ledger("cleo", "alone-12").await.is_empty());
}

#[tokio::test]
async fn callbacks_can_be_lost_or_forged() {
    let world = world().await;
    world.settings("cleo", json!({"dropCallbacks": true})).await;
    let page = transfer_in(&world, "lost", "10009").await;
    world.submit(&page, "action=pay").await;
    world.ledger_is("cleo", "lost", "settled").await;
    world.settings("cleo", json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    transfer_in(&world, "forged", "10000").await;
    assert_eq!(world.receiver.exactly("forged", 1).await[0].json()["status"], "COMPLETED");
    assert_eq!(inquiry_in(&world, "forged").await.1["status"], "PENDING");
    assert!(world.ledger("cleo", "forged").await.is_empty());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(world.receiver.at("lost").is_empty());
}
