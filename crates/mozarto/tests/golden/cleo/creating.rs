//! Answers to the creating calls.

use super::{body, path};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, says};
use serde_json::{Value, json};

fn error(code: &str, text: &str) -> Value {
    json!({"code": code, "message": text})
}

/// What either call may be answered.
fn replies() -> Vec<(&'static str, Value)> {
    vec![
        ("401", says(401, error("UNAUTHORIZED", "who are you"))),
        ("403", json!({"http": 403})),
        ("404", json!({"http": 404})),
        ("404 with a code", says(404, error("NOT_FOUND", "no"))),
        ("408", json!({"http": 408})),
        ("timeout in the body", says(400, error("BANK", "upstream TimeOut"))),
        ("500", says(500, error("INTERNAL", "sorry"))),
        ("503 with a page", says(503, json!("<html>busy</html>"))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("429", json!({"http": 429})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("400", says(400, error("INVALID_REQUEST", "amount is required"))),
        ("409", says(409, error("DUPLICATE_REFERENCE", "used"))),
        ("422", says(422, error("LIMIT", "too much"))),
        (
            "our secrets in a refusal",
            says(
                400,
                error("X", "no limit left: cleo-demo-key-peru-0001 cleo-demo-key-mexico-0001 032180000118359719 DOJO900115AB1"),
            ),
        ),
        ("unreadable", says(201, json!("<html>hello</html>"))),
        ("cut", says(201, json!("{\"id\":\"t"))),
        ("a list", says(201, json!([]))),
        ("nothing", says(201, json!(""))),
        ("nothing in it", says(201, json!({}))),
    ]
}

pub(super) async fn answered(stage: &mut Stage, book: &mut Book) {
    for operation in ["PAYIN", "PAYOUT"] {
        for (name, reply) in replies() {
            let row = async |scene: &mut Scene<'_>| {
                scene.next(at(&format!("POST {}", path(operation)), reply)).await?;
                scene.pay(&body(operation, "610.00")).await.map(drop)
            };
            stage.row(book, &format!("{operation} answered: {name}"), row).await;
        }
    }
    foreign(stage, book).await;
}

/// Answers that are about another order: our reference is made when we are called, and none that is known before is ours.
async fn foreign(stage: &mut Stage, book: &mut Book) {
    let whole = |id: &str| {
        json!({"id": id, "externalReference": "64a1f2b3c4d5e6f7a8b9c0d2", "status": "PENDING",
            "redirectUrl": "https://p.example/pay/tok3n"})
    };
    for (operation, id) in [("PAYIN", "ti_8f2c0a"), ("PAYOUT", "to_51bd77")] {
        for (name, http, reply) in [
            ("another reference", 201, whole(id)),
            ("another reference, with 409", 409, whole(id)),
            ("another reference, with 500", 500, whole(id)),
            ("no reference", 201, json!({"id": id, "status": "PENDING", "redirectUrl": "https://p.example/pay/tok3n"})),
        ] {
            let row = async |scene: &mut Scene<'_>| {
                scene.next(at(&format!("POST {}", path(operation)), says(http, reply))).await?;
                scene.pay(&body(operation, "611.00")).await.map(drop)
            };
            stage.row(book, &format!("{operation} answered: {name}"), row).await;
        }
    }
}
