//! Answers to the query, and to "Test connection".

use super::{eur, opened, sent};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, says};
use anyhow::Result;
use serde_json::{Value, json};

const QUERY: &str = "/json/";
/// The request that an answer is about which is not ours.
const ANOTHER: &str = "A1b2c3d4e";

fn fault(code: &str) -> Value {
    let response = json!({"requesttypedescription": "ERROR", "errorcode": code, "errormessage": "no", "errordata": ["x"]});
    says(200, json!({"requestreference": ANOTHER, "version": "1.00", "response": [response]}))
}

fn foreign(records: Value) -> Value {
    let response =
        json!({"requesttypedescription": "TRANSACTIONQUERY", "errorcode": "0", "errormessage": "Ok", "records": records});
    says(200, json!({"requestreference": ANOTHER, "version": "1.00", "response": [response]}))
}

fn replies() -> Vec<(&'static str, Value)> {
    vec![
        ("401", json!({"http": 401})),
        ("401 with a page", says(401, json!("<html><body><h1>401 Unauthorized</h1></body></html>"))),
        ("403", json!({"http": 403})),
        ("404", json!({"http": 404})),
        ("30001", fault("30001")),
        ("30006", fault("30006")),
        ("30008", fault("30008")),
        ("50005", fault("50005")),
        ("60020", fault("60020")),
        ("408", json!({"http": 408})),
        ("timeout in the body", says(400, json!("Gateway timeout"))),
        ("500", json!({"http": 500})),
        ("503", json!({"http": 503})),
        ("503 with a page", says(503, json!("<html>busy</html>"))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("429", json!({"http": 429})),
        ("30000", fault("30000")),
        ("60019", fault("60019")),
        ("our credentials in an error", says(400, json!("no site of ws@demo-company.example, trust-demo-ws-0001"))),
        ("another requestreference", foreign(json!([]))),
        ("another requestreference, no records", foreign(Value::Null)),
        ("no JSON", says(200, json!("<html></html>"))),
        ("cut", says(200, json!("{\"requestreference\":\"A1"))),
        ("a list", says(200, json!([]))),
        ("no response", says(200, json!({"requestreference": ANOTHER, "version": "1.00"}))),
        ("nothing", says(200, json!(""))),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("400", json!({"http": 400})),
    ]
}

/// "Test connection". Before there is any payment: no inquiry about one takes an answer that was meant for it.
pub(super) async fn tested(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "Test connection", test).await;
    for (name, reply) in replies() {
        let row = async |scene: &mut Scene<'_>| {
            scene.know(ANOTHER, "another");
            scene.next(at(QUERY, reply)).await?;
            test(scene).await
        };
        stage.row(book, &format!("Test connection: {name}"), row).await;
    }
}

pub(super) async fn test(scene: &mut Scene<'_>) -> Result<()> {
    let method = scene.client().method_of("TRUST").await?;
    let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
    scene.did("test", answer);
    Ok(())
}

/// An inquiry about a payment that waits for its payer.
pub(super) async fn answered(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in replies() {
        let row = async |scene: &mut Scene<'_>| {
            scene.know(ANOTHER, "another");
            opened(scene, &eur("610.00")).await?;
            about(scene, reply).await?;
            scene.manage("inquire").await.map(drop)
        };
        stage.row(book, &format!("query: {name}"), row).await;
    }
    // What is signed counts although nobody could be asked; what is not does not.
    for (name, sign) in [("signed", true), ("unsigned", false)] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            about(scene, json!({"http": 500})).await?;
            let fields = sent::paid(scene.id(), "10000");
            let fields = if sign { sent::signed(fields) } else { fields };
            super::notified::tell(scene, &sent::encoded(&fields)).await?;
            scene.exchanges(2).await
        };
        stage.row(book, &format!("query: 500, and a notification that is {name}"), row).await;
    }
}

/// The next answer to a query about this payment.
async fn about(scene: &Scene<'_>, reply: Value) -> Result<()> {
    let mut reply = at(QUERY, reply);
    reply["about"] = json!(scene.id());
    scene.next(reply).await
}
