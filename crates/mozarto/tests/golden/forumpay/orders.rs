//! ForumPay: a pay-out after its approval: CheckPayment first, then ConfirmBuyOrder, and their doubts. Callbacks are dropped.

use super::*;
use crate::stage::says;

const AMOUNT: &str = "60.00";

/// An answer about the transaction of that id.
type Look = fn(&str) -> Value;

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    set(stage, json!({"dropCallbacks": true, "settleDelayMs": 3_600_000})).await;
    before(stage, book).await;
    confirmed(stage, book).await;
    refused(stage, book).await;
    in_doubt(stage, book).await;
    found(stage, book).await;
    on_hold(stage, book).await;
    set(stage, json!({"dropCallbacks": false, "settleDelayMs": 500})).await;
}

fn buy(id: &str, members: Value) -> Value {
    record(id, "Buy", AMOUNT, members)
}

fn waiting(id: &str) -> Value {
    says(200, buy(id, json!({})))
}

/// An order on hold; answers its payment.
async fn held(scene: &mut Scene<'_>) -> Result<String> {
    order(scene, AMOUNT).await?;
    payment_of(scene).await
}

/// What CheckPayment says before anything is confirmed.
fn words() -> Vec<(&'static str, Value)> {
    vec![
        ("confirmed", json!({"confirmed": true, "state": "confirmed"})),
        ("confirmed for another amount", json!({"confirmed": true, "state": "confirmed", "invoice_amount": "1.00"})),
        ("processing", json!({"state": "processing"})),
        ("underpayment", json!({"state": "underpayment"})),
        ("blocked", json!({"state": "blocked"})),
        ("cancelled, no reason", json!({"cancelled": true, "state": "cancelled"})),
        ("cancelled, curious", json!({"cancelled": true, "state": "cancelled", "reason": "curious"})),
        ("a state unknown to us", json!({"state": "brandnew"})),
        ("another amount", json!({"invoice_amount": "1.00"})),
        ("another currency", json!({"invoice_currency": "USD"})),
        ("another type", json!({"type": "Sell"})),
        ("another reference", json!({"reference_no": FOREIGN})),
    ]
}

/// The first look: `waiting` and `err` are confirmed, anything else is taken as found.
async fn before(stage: &mut Stage, book: &mut Book) {
    for (name, members) in words() {
        let row = async |scene: &mut Scene<'_>| {
            let payment = held(scene).await?;
            let reply = says(200, buy(scene.id(), members));
            next_about(scene, CHECK, &payment, reply).await?;
            scene.approve().await?;
            scene.exchanges(3).await?;
            worked_off(scene).await
        };
        plays(stage, book, &format!("before confirming: {name}"), row).await;
    }
    let goes_on = [
        ("err", says(200, json!({"err": "x", "err_code": "x"}))),
        ("err, with 400", says(400, json!({"err": "said"}))),
        ("err_code, with 422", says(422, json!({"err_code": "x"}))),
    ];
    let later = [401, 403, 404, 429, 500, 302].map(|http| (http.to_string(), says(http, json!({"err": "said"}))));
    let later = later.into_iter().chain([("unreadable".to_owned(), says(200, json!("x")))]);
    for (name, reply) in goes_on.into_iter().map(|(name, reply)| (name.to_owned(), reply)).chain(later) {
        let row = async |scene: &mut Scene<'_>| {
            let payment = held(scene).await?;
            next_about(scene, CHECK, &payment, reply).await?;
            scene.approve().await?;
            scene.exchanges(3).await?;
            worked_off(scene).await
        };
        plays(stage, book, &format!("before confirming: {name}"), row).await;
    }
}

/// The approval's task has left its mark on the timeline, behind those of the hold and of the release.
async fn worked_off(scene: &Scene<'_>) -> Result<()> {
    let until = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = scene.hands().managed(scene.id()).await?;
        if shown["events"].as_array().is_some_and(|events| events.len() > 3) {
            return Ok(());
        }
        ensure!(tokio::time::Instant::now() < until, "nothing came of the approval: {shown}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Approved, with that answer to ConfirmBuyOrder after a first look that says `waiting`.
async fn confirm(scene: &mut Scene<'_>, reply: Value) -> Result<String> {
    let payment = held(scene).await?;
    next_about(scene, CHECK, &payment, waiting(scene.id())).await?;
    next_about(scene, CONFIRM, &payment, reply).await?;
    scene.approve().await?;
    Ok(payment)
}

/// What ConfirmBuyOrder refuses with certainty, and a readable `err` to the first one.
async fn refused(stage: &mut Stage, book: &mut Book) {
    let err = || says(200, json!({"err": "said", "err_code": "orderExpired"}));
    let looks: [(&str, Look); 9] = [
        ("waiting", waiting),
        ("underpayment", |id| says(200, buy(id, json!({"state": "underpayment"})))),
        ("cancelled", |id| says(200, buy(id, json!({"cancelled": true, "state": "cancelled", "reason": "curious"})))),
        ("err", |_| says(200, json!({"err": "x", "err_code": "unknownPayment"}))),
        ("processing", |id| says(200, buy(id, json!({"state": "processing"})))),
        ("blocked", |id| says(200, buy(id, json!({"state": "blocked"})))),
        ("confirmed", |id| says(200, buy(id, json!({"confirmed": true, "state": "confirmed"})))),
        ("another amount", |id| says(200, buy(id, json!({"invoice_amount": "1.00"})))),
        ("500", |_| json!({"http": 500})),
    ];
    for (name, look) in looks {
        let row = async |scene: &mut Scene<'_>| {
            let payment = held(scene).await?;
            for reply in [waiting(scene.id()), look(scene.id())] {
                next_about(scene, CHECK, &payment, reply).await?;
            }
            next_about(scene, CONFIRM, &payment, err()).await?;
            scene.approve().await?;
            scene.exchanges(5).await?;
            worked_off(scene).await?;
            // The schedule asks on, and says the same.
            if name == "500" { scene.manage("inquire").await.map(drop) } else { Ok(()) }
        };
        plays(stage, book, &format!("err to the confirmation, then {name}"), row).await;
    }
    let codes = [("err alone", json!({"err": "no"})), ("a code", json!({"err_code": "payerBlocked", "err": "Payer is blocked"}))];
    for (name, body) in codes {
        let row = async |scene: &mut Scene<'_>| {
            confirm(scene, says(400, body)).await?;
            scene.until("Declined").await
        };
        plays(stage, book, &format!("err to the confirmation: {name}, with 400"), row).await;
    }
}

/// The confirmation, and what it is answered with.
async fn confirmed(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        held(scene).await?;
        scene.approve().await?;
        event(scene, CONFIRM).await?;
        scene.manage("inquire").await?;
        scene.control("approve").await?;
        scene.manage("inquire").await.map(drop)
    };
    plays(stage, book, "confirmed, asked about, paid", row).await;
}

/// ConfirmBuyOrder's fate is unknown: CheckPayment decides.
async fn in_doubt(stage: &mut Stage, book: &mut Book) {
    let all = [
        ("500 with err", says(500, json!({"err": "x"}))),
        ("503", json!({"http": 503})),
        ("408", json!({"http": 408})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("cut", says(200, json!("{\"address\":"))),
        ("an empty object", says(200, json!({}))),
        ("another address", says(200, json!({"address": "other", "currency": "BTC"}))),
        ("another coin", says(200, json!({"address": "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh", "currency": "ETH"}))),
        ("timeout in err", says(400, json!({"err": "timeout"}))),
        ("408 with err", says(408, json!({"err": "x", "err_code": "x"}))),
    ];
    for (name, reply) in all {
        let row = async |scene: &mut Scene<'_>| {
            confirm(scene, reply).await?;
            event(scene, CONFIRM).await?;
            scene.manage("inquire").await.map(drop)
        };
        plays(stage, book, &format!("confirmation in doubt: {name}"), row).await;
    }
    let looks: [(&str, Look); 5] = [
        ("processing", |id| says(200, buy(id, json!({"state": "processing"})))),
        ("err", |_| says(200, json!({"err": "x", "err_code": "x"}))),
        ("confirmed", |id| says(200, buy(id, json!({"confirmed": true, "state": "confirmed"})))),
        ("for another amount", |id| says(200, buy(id, json!({"confirmed": true, "invoice_amount": "50.00"})))),
        ("cancelled", |id| says(200, buy(id, json!({"cancelled": true, "state": "cancelled", "reason": "expired"})))),
    ];
    for (name, look) in looks {
        let row = async |scene: &mut Scene<'_>| {
            let payment = confirm(scene, json!({"http": 500})).await?;
            event(scene, CONFIRM).await?;
            next_about(scene, CHECK, &payment, look(scene.id())).await?;
            scene.manage("inquire").await.map(drop)
        };
        plays(stage, book, &format!("confirmation in doubt, found {name}"), row).await;
    }
}

/// What is found about an order that ForumPay has confirmed.
async fn found(stage: &mut Stage, book: &mut Book) {
    let more = [("waiting", json!({})), ("no state", json!({"state": ""}))];
    for (name, members) in words().into_iter().chain(more) {
        let row = async |scene: &mut Scene<'_>| {
            let payment = held(scene).await?;
            scene.approve().await?;
            event(scene, CONFIRM).await?;
            let reply = says(200, buy(scene.id(), members));
            next_about(scene, CHECK, &payment, reply).await?;
            scene.manage("inquire").await.map(drop)
        };
        plays(stage, book, &format!("an order found: {name}"), row).await;
    }
}

/// An inquiry about an order that nobody approved yet.
async fn on_hold(stage: &mut Stage, book: &mut Book) {
    for (name, members) in words() {
        let row = async |scene: &mut Scene<'_>| {
            let payment = held(scene).await?;
            let reply = says(200, buy(scene.id(), members));
            next_about(scene, CHECK, &payment, reply).await?;
            scene.manage("inquire").await.map(drop)
        };
        plays(stage, book, &format!("on hold, asked about: {name}"), row).await;
    }
    // It lapses at ForumPay, and is approved after all.
    let row = async |scene: &mut Scene<'_>| {
        held(scene).await?;
        scene.control("expire").await?;
        scene.approve().await?;
        scene.until("Expired").await
    };
    plays(stage, book, "lapsed on hold, then approved", row).await;
    let row = async |scene: &mut Scene<'_>| {
        held(scene).await?;
        scene.control("status/blocked").await?;
        scene.approve().await?;
        word(scene, "Pending", "blocked").await
    };
    plays(stage, book, "in review on hold, then approved", row).await;
}

/// What only the schedule brings to an end: a confirmation that was certainly not taken, and releases.
pub(super) async fn by_schedule(stage: &mut Stage, book: &mut Book) {
    for http in [401, 403, 404, 429] {
        let row = async |scene: &mut Scene<'_>| {
            let payment = held(scene).await?;
            next_about(scene, CONFIRM, &payment, json!({"http": http})).await?;
            scene.approve().await?;
            scene.until("Approved").await
        };
        plays(stage, book, &format!("ConfirmBuyOrder: {http}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        let payment = held(scene).await?;
        next_about(scene, CHECK, &payment, json!({"http": 500})).await?;
        scene.approve().await?;
        scene.until("Approved").await
    };
    plays(stage, book, "before confirming: 500, later confirmed", row).await;
    let answers = [
        ("err", says(200, json!({"err": "x", "err_code": "orderExpired"}))),
        ("401", json!({"http": 401})),
        ("404", json!({"http": 404})),
        ("500", json!({"http": 500})),
    ];
    for (name, reply) in answers {
        let row = async |scene: &mut Scene<'_>| {
            order(scene, "60.04").await?;
            scene.approve().await?;
            scene.until_shown("attention", "stuck").await?;
            let payment = payment_of(scene).await?;
            next_about(scene, CONFIRM, &payment, reply).await?;
            scene.manage("release").await?;
            event(scene, "released_again").await?;
            scene.exchanges(8).await?;
            scene.until_shown("attention", "stuck").await
        };
        plays(stage, book, &format!("released again: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        order(scene, "60.04").await?;
        scene.approve().await?;
        scene.until_shown("attention", "stuck").await?;
        let payment = payment_of(scene).await?;
        let paid = buy(scene.id(), json!({"confirmed": true, "state": "confirmed", "invoice_amount": "60.04"}));
        next_about(scene, CHECK, &payment, says(200, paid)).await?;
        scene.manage("release").await?;
        scene.until("Approved").await
    };
    plays(stage, book, "released again: paid after all", row).await;
}
