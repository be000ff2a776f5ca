//! Flexepin: what an inquiry finds after a redeem whose answer was lost.

use super::*;
use crate::stage::says;

/// Records that end it, within the Cashier call.
fn endings() -> Vec<(&'static str, Value)> {
    let used = |members: Value| inquiry(json!("0"), voucher("USED", members));
    vec![
        ("a result of its own", used(json!({}))),
        ("no result of its own", used(json!({"result": null}))),
        ("a result of its own as a number", used(json!({"result": 0}))),
        ("a result of its own in another spelling", used(json!({"result": " 00"}))),
        ("in small letters", inquiry(json!(0), voucher("used", json!({"value": 50.0, "currency": "eur"})))),
        ("the value as a text", used(json!({"value": "50.00"}))),
        ("a trans_no as a number", used(json!({"trans_no": 3_344}))),
        ("no trans_no", used(json!({"trans_no": null}))),
        ("another value", used(json!({"value": 20}))),
        ("another currency", used(json!({"currency": "AUD"}))),
    ]
}

/// Records of which nothing is believed, and answers that are none.
fn odd() -> Vec<(&'static str, Value)> {
    let with = |status: &str, members: Value| says(200, inquiry(json!("0"), voucher(status, members)));
    vec![
        ("used by somebody else", with("USED", json!({"result": "4002"}))),
        ("used by somebody else, a number", with("USED", json!({"result": 4002}))),
        ("a result of words", with("USED", json!({"result": "used"}))),
        ("blocked", with("BLOCKED", json!({"result": "4003"}))),
        ("a status unknown to us", with("PARTLY", json!({}))),
        ("a query that failed, with a record", says(200, inquiry(json!("9"), voucher("USED", json!({}))))),
        ("about another", with("USED", json!({"transaction_id": FOREIGN}))),
        ("no value", with("USED", json!({"value": null}))),
        ("not redeemed", with("ACTIVE", json!({}))),
        ("not redeemed, with a refusal", with("ACTIVE", json!({"result": "4003"}))),
        ("a query that failed", says(200, json!({"result": "4040", "result_description": "Transaction not found"}))),
        ("no record", says(200, inquiry(json!("0"), Value::Null))),
        ("404", says(404, json!({"result": "4040"}))),
        ("401", json!({"http": 401})),
        ("429", json!({"http": 429})),
        ("500", json!({"http": 500})),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
    ]
}

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (serial, (name, record)) in (500..).zip(endings()) {
        let row = async |scene: &mut Scene<'_>| {
            next(scene, REDEEM, json!({"http": 500})).await?;
            next(scene, INQUIRY, says(200, record)).await?;
            scene.pay(&bodies::flexepin(serial, 5000)).await.map(drop)
        };
        plays(stage, book, &format!("found: {name}"), row).await;
    }
    // The Cashier call waits between its questions: what is odd is asked by hand, in few rows.
    for (serial, (group, records)) in (600..).zip(odd().chunks(3).enumerate()) {
        let names: Vec<&str> = records.iter().map(|(name, _)| *name).collect();
        let row = async |scene: &mut Scene<'_>| {
            next(scene, REDEEM, json!({"http": 500})).await?;
            for (_, record) in records {
                next(scene, INQUIRY, record.clone()).await?;
            }
            scene.pay(&bodies::flexepin(serial, 5000)).await?;
            // The same again: what was told is not told again.
            for (_, record) in records {
                next_about(scene, record.clone()).await?;
                scene.manage("inquire").await?;
            }
            // Its end, so that nobody asks about it in a later row.
            next_about(scene, found()).await?;
            scene.manage("inquire").await.map(drop)
        };
        plays(stage, book, &format!("found, {group}: {}", names.join("; ")), row).await;
    }
}
