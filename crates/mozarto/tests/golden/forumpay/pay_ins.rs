//! ForumPay: what an inquiry finds about a pay-in. Callbacks are dropped: what is found is found by hand.

use super::*;
use crate::stage::says;

/// What CheckPayment says of the only payment.
fn records() -> Vec<(&'static str, Value)> {
    let confirmed = |more: Value| merged(json!({"confirmed": true, "state": "confirmed"}), more);
    let cancelled = |more: Value| merged(json!({"cancelled": true, "state": "cancelled"}), more);
    vec![
        ("waiting", json!({})),
        ("processing", json!({"state": "processing"})),
        ("underpayment", json!({"state": "underpayment", "underpayment": {"missing_amount": "0.0001"}})),
        ("in review", json!({"state": "blocked"})),
        ("confirmed", confirmed(json!({}))),
        ("confirmed after a review", json!({"confirmed": true, "state": "blocked"})),
        ("confirmed while processing", json!({"confirmed": true, "state": "processing"})),
        ("confirmed in a word unknown to us", json!({"confirmed": true, "state": "released"})),
        ("confirmed in text", json!({"confirmed": "true", "cancelled": "false", "state": "processing"})),
        ("the state alone", json!({"state": "confirmed"})),
        ("the type in capitals", confirmed(json!({"type": "SELL"}))),
        ("the amount as a number", confirmed(json!({"invoice_amount": 50}))),
        ("the amount in another spelling", confirmed(json!({"invoice_amount": "5.000E1"}))),
        ("an underpayment of nothing", confirmed(json!({"underpayment": "0.000"}))),
        ("an underpayment of false", confirmed(json!({"underpayment": false}))),
        ("an underpayment of an empty object", confirmed(json!({"underpayment": {}}))),
        ("an underpayment beside the whole", confirmed(json!({"underpayment": {"missing_amount": "0.0001"}}))),
        ("an underpayment in text", confirmed(json!({"underpayment": "0.1"}))),
        ("confirmed and cancelled", confirmed(json!({"cancelled": true}))),
        ("confirmed, cancelled in the state", json!({"confirmed": true, "state": "cancelled"})),
        ("run out, no reason", cancelled(json!({}))),
        ("run out, an empty reason", cancelled(json!({"reason": ""}))),
        ("run out in words", cancelled(json!({"reason": "Payment expired"}))),
        ("run out: TIMEOUT", cancelled(json!({"reason": "TIMEOUT"}))),
        ("cancelled by the payer", cancelled(json!({"reason": "changed_mind"}))),
        ("cancelled in the state alone", json!({"state": "cancelled", "reason": "curious"})),
        ("cancelled, the word another", json!({"cancelled": true, "state": "waiting", "reason": "curious"})),
        ("cancelled with coins on their way", cancelled(json!({"unconfirmed_amount": "0.0001"}))),
        ("cancelled with coins", cancelled(json!({"reason": "curious", "payment": 0.0001}))),
        ("cancelled with no coins", cancelled(json!({"payment": "0.00000000", "unconfirmed_amount": 0}))),
        ("cancelled for another amount", cancelled(json!({"invoice_amount": "50.01"}))),
        ("waiting for another amount", json!({"invoice_amount": "50.01"})),
        ("confirmed for less than ours", confirmed(json!({"invoice_amount": "49.99"}))),
        ("confirmed for more than ours", confirmed(json!({"invoice_amount": "500.00"}))),
        ("confirmed without an amount", confirmed(json!({"invoice_amount": null}))),
        ("another currency", confirmed(json!({"invoice_currency": "USD"}))),
        ("another reference", confirmed(json!({"reference_no": FOREIGN}))),
        ("no reference", confirmed(json!({"reference_no": null}))),
        ("another type", confirmed(json!({"type": "Buy"}))),
        ("a state unknown to us", json!({"state": "exploded"})),
        ("no state", json!({"state": ""})),
    ]
}

fn merged(mut of: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        of[name] = value.clone();
    }
    of
}

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    set(stage, json!({"dropCallbacks": true})).await;
    for (name, members) in records() {
        found(stage, book, &format!("CheckPayment: {name}"), 1, async |id| vec![says(200, sell(id, members))]).await;
    }
    for (name, reply) in silences() {
        found(stage, book, &format!("CheckPayment: {name}"), 1, async |_| vec![reply]).await;
    }
    several(stage, book).await;
    lists(stage, book).await;
    set(stage, json!({"dropCallbacks": false})).await;
}

fn sell(id: &str, members: Value) -> Value {
    record(id, "Sell", "50.00", members)
}

/// What is no answer to an inquiry.
fn silences() -> Vec<(&'static str, Value)> {
    vec![
        ("err", says(200, json!({"err": "Payment was not found", "err_code": "paymentNotFound"}))),
        ("err, with 400", says(400, json!({"err": "said"}))),
        ("timeout in err", says(200, json!({"err": "timeout"}))),
        ("401 with err", says(401, json!({"err": "Unauthorized", "err_code": "unauthorized"}))),
        ("403", says(403, json!({}))),
        ("404 with err", says(404, json!({"err": "Unknown action", "err_code": "unknownAction"}))),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("500", says(500, json!({"err": "x"}))),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("cut", says(200, json!("["))),
        ("a page", says(200, json!("<html>hello</html>"))),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
        ("an empty object", says(200, json!({}))),
    ]
}

/// One inquiry, which finds these payments, about each of which these are the answers.
async fn found(stage: &mut Stage, book: &mut Book, name: &str, payments: usize, replies: impl AsyncFnOnce(&str) -> Vec<Value>) {
    let row = async |scene: &mut Scene<'_>| {
        link(scene, "50.00").await?;
        let replies = replies(scene.id()).await;
        let payments: Vec<String> = (0..payments).map(|n| theirs(n, scene.id())).collect();
        next_about(scene, LIST, scene.id(), says(200, listed(&payments))).await?;
        for (payment, reply) in payments.iter().zip(replies) {
            next_about(scene, CHECK, payment, reply).await?;
        }
        scene.manage("inquire").await.map(drop)
    };
    plays(stage, book, name, row).await;
}

/// Several payments of one reference.
async fn several(stage: &mut Stage, book: &mut Book) {
    let paid = |id: &str| says(200, sell(id, json!({"confirmed": true, "state": "confirmed"})));
    let ended = |id: &str, at: &str, reason: &str| {
        says(200, sell(id, json!({"cancelled": true, "state": "cancelled", "reason": reason, "inserted": at})))
    };
    let (early, late) = ("2026-05-17 09:00:00", "2026-05-17 10:00:00");
    for state in ["waiting", "processing", "underpayment", "blocked"] {
        let name = format!("two payments: one has ended, the other is {state}");
        let replies = async |id: &str| vec![ended(id, early, "expired"), says(200, sell(id, json!({"state": state})))];
        found(stage, book, &name, 2, replies).await;
    }
    let both = async |id: &str| vec![ended(id, early, "expired"), paid(id)];
    found(stage, book, "two payments: one has ended, the other is paid", 2, both).await;
    let both = async |id: &str| vec![ended(id, late, "expired"), ended(id, early, "curious")];
    found(stage, book, "two payments: the newest ending speaks", 2, both).await;
    found(stage, book, "two payments: both are paid", 2, async |id| vec![paid(id), paid(id)]).await;
    let err = says(200, json!({"err": "x", "err_code": "x"}));
    let both = async |id: &str| vec![ended(id, early, "expired"), err.clone()];
    found(stage, book, "two payments: one has ended, the other is not told of", 2, both).await;
    let less = |id: &str| says(200, sell(id, json!({"confirmed": true, "state": "confirmed", "invoice_amount": "45.00"})));
    let both = async |id: &str| vec![less(id), paid(id)];
    found(stage, book, "two payments: one for less, the other for the whole", 2, both).await;
    let both = async |id: &str| vec![ended(id, early, "expired"), says(200, sell(id, json!({"reference_no": FOREIGN})))];
    found(stage, book, "two payments: one has ended, the other is another's", 2, both).await;
    second_after_the_first(stage, book).await;
}

/// The payer pays twice: one success, and an anomaly for a person, told once.
async fn second_after_the_first(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        link(scene, "50.00").await?;
        let (one, two) = (theirs(0, scene.id()), theirs(1, scene.id()));
        for payments in [vec![one.clone()], vec![one.clone(), two.clone()], vec![two, one]] {
            next_about(scene, LIST, scene.id(), says(200, listed(&payments))).await?;
            for payment in &payments {
                let paid = sell(scene.id(), json!({"confirmed": true, "state": "confirmed"}));
                next_about(scene, CHECK, payment, says(200, paid)).await?;
            }
            inquire(scene).await?;
        }
        Ok(())
    };
    plays(stage, book, "a second payment after the first", row).await;
}

/// What a list may hold.
async fn lists(stage: &mut Stage, book: &mut Book) {
    let ours = |reference: Value| json!({"invoices": [element("PAYMENT", json!({"reference_no": reference}))]});
    let many: Vec<String> = (0..25).map(|n| format!("payment-{n}-of-REFERENCE")).collect();
    let long = "p".repeat(256);
    let all: Vec<(&str, Value)> = vec![
        ("our reference", ours(json!("REFERENCE"))),
        ("a reference of null", ours(json!(null))),
        ("an empty reference", ours(json!(""))),
        ("another reference's payment", ours(json!(FOREIGN))),
        ("no currency in it", json!({"invoices": [element("PAYMENT", json!({"currency": null}))]})),
        ("no point of sale in it", json!({"invoices": [element("PAYMENT", json!({"pos_id": null}))]})),
        ("an id that is too long", listed(&[long])),
        ("the same payment twice", listed(&["PAYMENT".to_owned(), "PAYMENT".to_owned()])),
        ("nobody", listed(&[])),
        ("more than is asked about", listed(&many)),
        ("no list", json!({})),
    ];
    for (name, list) in all {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, "50.00").await?;
            let payment = theirs(0, scene.id());
            let list: Value =
                serde_json::from_str(&list.to_string().replace("REFERENCE", scene.id()).replace("PAYMENT", &payment))?;
            next_about(scene, LIST, scene.id(), says(200, list)).await?;
            let waiting = sell(scene.id(), json!({"state": "processing"}));
            next_about(scene, CHECK, &payment, says(200, waiting)).await?;
            scene.manage("inquire").await?;
            clear(scene).await
        };
        plays(stage, book, &format!("GetTransactions: {name}"), row).await;
    }
    for (name, reply) in silences() {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, "50.00").await?;
            next_about(scene, LIST, scene.id(), reply).await?;
            scene.manage("inquire").await.map(drop)
        };
        plays(stage, book, &format!("GetTransactions: {name}"), row).await;
    }
}

/// What was not asked for must not strike the next row.
async fn clear(scene: &Scene<'_>) -> Result<()> {
    scene.next(json!({"http": 200, "times": 0})).await
}
