//! Flexepin: answers to the two calls of a redeem, refusals of our own, the connection test.

use super::*;
use crate::stage::says;

/// What is no voucher object.
fn others() -> Vec<(&'static str, Value)> {
    let problem = |text: &str| json!({"error": text});
    vec![
        ("401", json!({"http": 401})),
        ("401 with a timeout", says(401, json!("timeout"))),
        ("403", says(403, problem("no"))),
        ("404", says(404, problem("no such terminal"))),
        ("408", json!({"http": 408})),
        ("timeout in the body", says(400, problem("read TIMEOUT"))),
        ("500", says(500, problem("sorry"))),
        ("503 with a page", says(503, json!("<html>busy</html>"))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "9"}})),
        ("429", json!({"http": 429})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("400 without a result", says(400, problem("no"))),
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("cut", says(200, json!("{\"result\":"))),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
        ("an empty object", says(200, json!({}))),
    ]
}

/// What a validate answers.
fn checked() -> Vec<(&'static str, Value)> {
    let object = |status: &str, members: Value| says(200, voucher(status, members));
    let active = |members: Value| object("ACTIVE", members);
    let refusal = json!({"result": 4002, "result_description": "Said so", "status": "USED"});
    vec![
        ("not active", object("USED", json!({}))),
        ("a refusal with 200", active(refusal.clone())),
        ("a refusal with 400", says(400, voucher("USED", refusal.clone()))),
        ("a refusal with 500", says(500, voucher("USED", refusal))),
        ("a refusal without words", active(json!({"result": 4001, "result_description": null}))),
        ("a refusal of few members", says(200, json!({"result": "4001", "result_description": "Invalid PIN"}))),
        ("success with 500", says(500, voucher("ACTIVE", json!({})))),
        ("success with 302", says(302, voucher("ACTIVE", json!({})))),
        ("another currency", active(json!({"currency": "AUD"}))),
        ("another amount", active(json!({"value": "50.01"}))),
        ("another amount, more exact", active(json!({"value": 50.001}))),
        ("another currency and amount", active(json!({"currency": "USD", "value": 26}))),
        ("the value as a decimal", active(json!({"value": 50.0}))),
        ("the value as a text", active(json!({"value": "50.00"}))),
        ("the value in another spelling", active(json!({"value": "5.000E1"}))),
        ("no value", active(json!({"value": null}))),
        ("the status in small letters", object("active", json!({}))),
        ("the result as a number", active(json!({"result": 0}))),
        ("the result in another spelling", active(json!({"result": " 00"}))),
        ("a result of words", active(json!({"result": "ok"}))),
        ("no result", active(json!({"result": null}))),
        ("another transaction_id", active(json!({"transaction_id": FOREIGN}))),
    ]
}

/// What a redeem answers that is certain.
fn certain() -> Vec<(&'static str, Value)> {
    let object = |status: &str, members: Value| says(200, voucher(status, members));
    let refusal = json!({"result": 4002, "result_description": "Said so"});
    vec![
        ("a refusal with 200", object("USED", refusal.clone())),
        ("a refusal with 400", says(400, voucher("USED", refusal))),
        (
            "swap needed",
            says(400, voucher("ACTIVE", json!({"result": 4019, "result_description": "Voucher needs a currency swap"}))),
        ),
        ("a refusal without words", object("ACTIVE", json!({"result": "4003", "result_description": null}))),
        ("403 with a refusal", says(403, voucher("ACTIVE", json!({"result": "4003"})))),
        ("used", object("USED", json!({}))),
        ("used, in small letters", object("used", json!({"value": "50.00", "currency": "EUR"}))),
        ("used, another value", object("USED", json!({"value": 60}))),
        ("used, another currency", object("USED", json!({"currency": "AUD"}))),
    ]
}

/// What a redeem answers that leaves it in doubt.
fn doubtful() -> Vec<(&'static str, Value)> {
    let object = |http: u16, status: &str, members: Value| says(http, voucher(status, members));
    let refusal = |http: u16| object(http, "ACTIVE", json!({"result": "4003", "result_description": "Voucher blocked"}));
    vec![
        ("a refusal with 500", refusal(500)),
        ("a refusal with 408", refusal(408)),
        ("a refusal with 302", refusal(302)),
        ("a refusal that says timeout", object(200, "ACTIVE", json!({"result": "4003", "result_description": "Timeout"}))),
        ("a refusal about another", object(200, "ACTIVE", json!({"result": "4003", "transaction_id": FOREIGN}))),
        ("used, about another", object(200, "USED", json!({"transaction_id": FOREIGN}))),
        ("its id used before", object(200, "USED", json!({"result": "4005"}))),
        ("used, with 500", object(500, "USED", json!({}))),
        ("still active", object(200, "ACTIVE", json!({}))),
        ("used, no value", object(200, "USED", json!({"value": null}))),
        ("a result of words", object(200, "USED", json!({"result": "ok"}))),
        ("no result", object(200, "USED", json!({"result": null}))),
    ]
}

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (serial, (name, reply)) in (100..).zip(others().into_iter().chain(checked())) {
        let row = async |scene: &mut Scene<'_>| {
            next(scene, VALIDATE, reply).await?;
            scene.pay(&bodies::flexepin(serial, 5000)).await.map(drop)
        };
        plays(stage, book, &format!("validate: {name}"), row).await;
    }
    for (serial, (name, reply)) in (200..).zip(certain()) {
        redeemed(stage, book, serial, name, reply).await;
    }
    // What is in doubt is asked about at once, and found.
    for (serial, (name, reply)) in (300..).zip(others().into_iter().chain(doubtful())) {
        redeemed(stage, book, serial, name, reply).await;
    }
    masked(stage, book).await;
    refused_here(stage, book).await;
    configured(stage, book).await;
    connection(stage, book).await;
}

async fn redeemed(stage: &mut Stage, book: &mut Book, serial: u32, name: &str, reply: Value) {
    let row = async |scene: &mut Scene<'_>| {
        next(scene, REDEEM, reply).await?;
        next(scene, INQUIRY, found()).await?;
        scene.pay(&bodies::flexepin(serial, 5000)).await?;
        // What nobody asked for must not strike the next row.
        scene.next(json!({"http": 200, "times": 0})).await
    };
    plays(stage, book, &format!("redeem: {name}"), row).await;
}

/// An error page may echo the path, and the PIN with it.
async fn masked(stage: &mut Stage, book: &mut Book) {
    let pin = pin(400, 5000);
    let spaced = format!("{} {} {} {}", &pin[..4], &pin[4..8], &pin[8..12], &pin[12..]);
    let page = says(418, json!(format!("<html>no route to /voucher/validate/{pin}/TERM01 ({spaced})</html>")));
    let words = json!({"result": "9", "result_description": format!("PIN {pin} is bad")});
    let members = says(400, json!({"path": format!("/voucher/{spaced}/x"), pin.clone(): [pin.clone(), {"a": pin.clone()}]}));
    let secret = says(400, json!({"error": "the key flexepin-demo-secret-0001 is not good"}));
    for (name, reply) in
        [("in a page", page), ("in words", says(200, voucher("ACTIVE", words))), ("in members", members), ("our secret", secret)]
    {
        let row = async |scene: &mut Scene<'_>| {
            next(scene, VALIDATE, reply).await?;
            scene.pay(&bodies::flexepin(400, 5000)).await.map(drop)
        };
        plays(stage, book, &format!("masked: {name}"), row).await;
    }
}

async fn refused_here(stage: &mut Stage, book: &mut Book) {
    let good = bodies::flexepin(401, 5000);
    let with = |members: &str| format!("{},{members}}}", good.strip_suffix('}').unwrap_or(&good));
    let all = [
        ("all of it", r#"{"pspType":"FLEXEPIN","type":"PAYIN"}"#.to_owned()),
        ("a pay-out", good.replace("PAYIN", "PAYOUT")),
        ("a short PIN", with_pin("123456789012345", "50.00", "EUR")),
        ("a long PIN", with_pin("12345678901234567", "50.00", "EUR")),
        ("a PIN with a letter", with_pin("1234567890l23456", "50.00", "EUR")),
        ("another currencyCode", good.replace(r#""currencyCode":"EUR""#, r#""currencyCode":"USD""#)),
        ("userIp", with(r#""userIp":"nowhere""#)),
    ];
    for (name, body) in all {
        plays(stage, book, &format!("refused here: {name}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    let body = with(r#""userIp":"203.0.113.42","merchantReference":"ORDER-1","isTestMode":true"#);
    plays(stage, book, "further fields", async |scene| scene.pay(&body).await.map(drop)).await;
}

async fn configure(scene: &Scene<'_>, config: Value) -> Result<Answer> {
    let method = scene.client().method_of("FLEXEPIN").await?;
    scene.client().manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await
}

/// What is not set up, and the older set of fields.
async fn configured(stage: &mut Stage, book: &mut Book) {
    let whole = json!({
        "accountName": "Demo company", "apiKey": "flexdemo01", "secret": "flexepin-demo-secret-0001", "terminalId": "TERM01",
    });
    let all = [
        ("no accountName", json!({"accountName": null})),
        ("no apiKey", json!({"apiKey": null})),
        ("no secret", json!({"secret": null})),
        ("no terminalId", json!({"terminalId": null})),
        ("another secret", json!({"secret": "another-demo-secret"})),
        ("another terminal", json!({"terminalId": "TERM02"})),
        ("both sets", json!({"username": "flexdemo01"})),
    ];
    for (serial, (name, config)) in (410..).zip(all) {
        let row = async |scene: &mut Scene<'_>| {
            let answer = configure(scene, config).await?;
            scene.know(answer.text("/data/id"), "method");
            let said = answer.body.get("errors").cloned().unwrap_or_default();
            scene.did(format!("configure: {} {said}", answer.status), Answer { bytes: Vec::new(), body: Value::Null, ..answer });
            let paid = scene.pay(&bodies::flexepin(serial, 5000)).await;
            let set = configure(scene, whole.clone()).await?;
            ensure!(set.status == 200, "{} {}", set.status, set.body);
            paid.map(drop)
        };
        plays(stage, book, name, row).await;
    }
}

/// "Test connection": `GET /status`.
async fn connection(stage: &mut Stage, book: &mut Book) {
    let all: [(&str, Option<Value>); 7] = [
        ("alive", None),
        ("something else", Some(says(200, json!({"status": "asleep"})))),
        ("401", Some(says(401, json!({"result": "401", "result_description": "Unauthorized"})))),
        ("404", Some(says(404, json!({"result": "404"})))),
        ("429", Some(json!({"http": 429}))),
        ("500", Some(json!({"http": 500}))),
        ("a page", Some(says(200, json!("<html>hello</html>")))),
    ];
    for (name, reply) in all {
        let row = async |scene: &mut Scene<'_>| {
            if let Some(reply) = reply {
                next(scene, "/status", reply).await?;
            }
            let method = scene.client().method_of("FLEXEPIN").await?;
            let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
            scene.did("test connection", answer);
            Ok(())
        };
        plays(stage, book, &format!("status: {name}"), row).await;
    }
}
