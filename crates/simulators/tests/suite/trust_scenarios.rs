//! Trust: every trigger, the controls, failover notifications, restart.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::trust::{
    asking, by_order, form, is_signed, open, pairs, posted, posting, ready, records, returned, signed, told, value, world,
};
use crate::world::{World, answer, broken, eventually};

const PAY: &str = "action=pay&method=VISA";
const SUCCESS: &str = "https://pay.example/return/trust/t/success";
const FAILURE: &str = "https://pay.example/return/trust/t/failure";

/// `errorcode/settlestatus` of each record.
async fn words(world: &World, reference: &str) -> Vec<String> {
    let word = |record: &serde_json::Value| {
        format!("{}/{}", record["errorcode"].as_str().unwrap(), record["settlestatus"].as_str().unwrap())
    };
    records(world, reference).await.iter().map(word).collect()
}

#[tokio::test]
async fn pressing_pay_plays_the_scenario() {
    let world = world().await;
    for (amount, word) in [("50.01", "70000/3"), ("50.02", "0/3"), ("700.00", "70000/3")] {
        let page = open(&world, amount, amount).await;
        returned(&world.submit(&page, PAY).await.1, FAILURE);
        assert_eq!(told(&world.receiver.exactly(amount, 1).await[0]), word);
        assert_eq!(words(&world, amount).await, [word]);
        assert!(world.ledger("trust", amount).await.is_empty());
    }
    let page = open(&world, "10.50", "10.50").await;
    returned(&world.submit(&page, PAY).await.1, SUCCESS);

    let html = posted(&world, "choice", &signed(form(&world, "invalid", "50.03"))).await;
    assert!(html.contains("Invalid details"));
    assert!(records(&world, "invalid").await.is_empty());
    assert_eq!(world.get("/control/trust/invalid").await.0, 404);

    let page = open(&world, "thrice", "50.08").await;
    world.submit(&page, PAY).await;
    let got = world.receiver.exactly("thrice", 3).await;
    assert!(got.iter().all(|one| one.body == got[0].body), "the same notificationreference");
    assert_eq!(world.ledger("trust", "thrice").await[0]["times"], 1);

    let page = open(&world, "late", "50.09").await;
    returned(&world.submit(&page, PAY).await.1, FAILURE);
    let got = world.receiver.exactly("late", 2).await;
    assert_eq!((told(&got[0]), told(&got[1])), ("70000/3".to_owned(), "0/0".to_owned()));
    assert_eq!(words(&world, "late").await, ["70000/3", "0/0"]);
    world.ledger_is("trust", "late", "settled").await;
}

#[tokio::test]
async fn a_bank_error_is_unknown_until_it_is_settled() {
    let world = world().await;
    // Its digits are 10, but the amount goes before them.
    let page = open(&world, "unknown", "600.10").await;
    assert!(world.receiver.at("unknown").is_empty());
    returned(&world.submit(&page, PAY).await.1, FAILURE);
    assert_eq!(told(&world.receiver.exactly("unknown", 1).await[0]), "60010/0");
    assert_eq!(world.submit(&page, PAY).await.0, 200, "it is not paid twice meanwhile");
    assert_eq!(words(&world, "unknown").await, ["60010/0"]);
    world.press("trust", "unknown", "approve").await;
    assert_eq!(words(&world, "unknown").await, ["0/0"]);
    assert_eq!(told(&world.receiver.exactly("unknown", 2).await[1]), "0/0");
    world.ledger_is("trust", "unknown", "settled").await;
    open(&world, "unknown-2", "600.10").await;
    world.press("trust", "unknown-2", "pay").await;
    world.press("trust", "unknown-2", "decline").await;
    assert_eq!(words(&world, "unknown-2").await, ["70000/3"]);
}

#[tokio::test]
async fn a_silent_success_is_told_by_the_fourth_query() {
    let world = world().await;
    for (amount, status) in [("60.04", 500), ("60.06", 429), ("60.07", 401)] {
        let page = open(&world, amount, amount).await;
        returned(&world.submit(&page, PAY).await.1, SUCCESS);
        for _ in 0..3 {
            let failed = asking(&world, &by_order(amount)).send().await.unwrap();
            assert_eq!(failed.status().as_u16(), status);
            if status == 429 {
                assert_eq!(failed.headers()["retry-after"], "1");
            }
        }
        assert_eq!(words(&world, amount).await, ["0/0"]);
        assert!(world.receiver.at(amount).is_empty());
        world.ledger_is("trust", amount, "settled").await;
    }
    let page = open(&world, "hang", "60.05").await;
    world.submit(&page, PAY).await;
    for _ in 0..3 {
        let begun = Instant::now();
        assert!(!broken(asking(&world, &by_order("hang"))).await);
        assert!(begun.elapsed() >= Duration::from_millis(1_900), "120 s at sixty-fold speed");
    }
    assert_eq!(words(&world, "hang").await, ["0/0"]);

    // A card that declines goes before the digits, on the page and in the query.
    let page = open(&world, "declined", "61.04").await;
    world.submit(&page, "action=pay&method=CARD&pan=4242424242424242").await;
    assert_eq!(words(&world, "declined").await, ["70000/3"]);

    let page = open(&world, "cut", "60.11").await;
    returned(&world.submit(&page, PAY).await.1, SUCCESS);
    assert!(broken(asking(&world, &by_order("cut"))).await);
    assert_eq!(words(&world, "cut").await, ["0/0"]);

    let page = open(&world, "closed", "60.12").await;
    let press = world.client.post(&page).header("content-type", "application/x-www-form-urlencoded").body(PAY);
    assert!(!broken(press).await);
    assert_eq!(words(&world, "closed").await, ["0/0"]);
    world.ledger_is("trust", "closed", "settled").await;
    for reference in ["hang", "cut", "closed"] {
        assert!(world.receiver.at(reference).is_empty());
    }
}

#[tokio::test]
async fn the_notification_can_come_before_the_page() {
    let world = world().await;
    let answer = posting(&world, "choice", &signed(form(&world, "early", "20.10"))).send().await.unwrap();
    let got = world.receiver.at("early");
    assert_eq!(got.len(), 1, "the notification is here when the page is");
    assert_eq!(told(&got[0]), "0/0");
    let html = answer.text().await.unwrap();
    assert!(html.contains("has ended") && html.contains(SUCCESS) && !html.contains("<form"));
    world.ledger_is("trust", "early", "settled").await;
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    assert_eq!(world.post("/control/trust/approve/approve").await.0, 404, "the form was not posted");
    for (outcome, state, word) in [
        ("approve", "0/0", Some("0/0")),
        ("success", "0/0", Some("0/0")),
        ("pay", "0/0", Some("0/0")),
        ("declined", "70000", Some("70000/3")),
        ("cancel", "0/3", Some("0/3")),
        ("suspend", "0/2", Some("0/2")),
        ("expire", "expired", None),
    ] {
        let page = open(&world, outcome, "10.00").await;
        let pressed = world.press("trust", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "trust", "reference": outcome, "state": state}));
        let got = world.receiver.exactly(outcome, usize::from(word.is_some())).await;
        assert_eq!(got.first().map(told).as_deref(), word);
        if outcome == "expire" {
            let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
            assert!(html.contains("Invalid details"));
        }
    }
    for (reference, refused) in [
        ("approve", vec!["approve", "decline", "suspend", "expire", "pay"]),
        ("cancel", vec!["approve", "cancel", "reverse", "refund", "pay"]),
        ("suspend", vec!["decline", "reverse", "refund", "expire"]),
        ("expire", vec!["approve", "cancel", "expire", "pay"]),
        ("declined", vec!["reverse", "refund"]),
    ] {
        for outcome in refused {
            assert_eq!(world.post(&format!("/control/trust/{reference}/{outcome}")).await.0, 409, "{reference}: {outcome}");
        }
    }
    world.press("trust", "declined", "approve").await;
    assert_eq!(words(&world, "declined").await, ["70000/3", "0/0"], "the payer tried again");
    assert_eq!(world.ledger("trust", "suspend").await[0]["state"], "accepted");
    world.press("trust", "suspend", "approve").await;
    world.ledger_is("trust", "suspend", "settled").await;

    world.press("trust", "approve", "reverse").await;
    assert_eq!(words(&world, "approve").await, ["0/3"]);
    assert_eq!(told(&world.receiver.exactly("approve", 2).await[1]), "0/3");
    world.ledger_is("trust", "approve", "returned").await;
    world.press("trust", "success", "cancel").await;
    assert_eq!(words(&world, "success").await, ["0/3"]);

    let pressed = world.press("trust", "pay", "refund").await;
    assert_eq!(pressed["state"], "refunded");
    let got = world.receiver.exactly("pay", 2).await;
    let fields = pairs(&got[1].body);
    assert_eq!(
        (value(&fields, "requesttypedescription"), value(&fields, "baseamount")),
        ("REFUND".to_owned(), "1000".to_owned())
    );
    assert_eq!(records(&world, "pay").await[1]["requesttypedescription"], "REFUND");
    world.ledger_is("trust", "pay", "returned").await;
    assert_eq!(world.post("/control/trust/pay/refund").await.0, 409);
    assert_eq!(world.post("/control/trust/pay/explode").await.0, 400);
}

#[tokio::test]
async fn raw_words_and_chosen_answers() {
    let world = world().await;
    open(&world, "raw", "10.00").await;
    assert_eq!(world.post("/control/trust/raw/status/60010").await.1["state"], "60010");
    let got = world.receiver.exactly("raw", 1).await;
    let transaction = value(&pairs(&got[0].body), "transactionreference");
    let (_, pressed) = world.post(&format!("/control/trust/{transaction}/status/0%2F100")).await;
    assert_eq!(pressed["state"], "0/100", "by Trust's own reference");
    assert_eq!(told(&world.receiver.exactly("raw", 2).await[1]), "0/100");
    world.ledger_is("trust", "raw", "settled").await;
    assert_eq!(world.post("/control/trust/raw/status/odd").await.1["state"], "odd");

    world.put("/control/trust/next", json!({"path": "/json", "http": 502, "body": "<html>"})).await;
    assert_eq!(answer(asking(&world, &by_order("raw"))).await.0, 502);
    assert_eq!(answer(asking(&world, &by_order("raw"))).await.0, 200);
}

#[tokio::test]
async fn anything_but_200_is_told_again_also_after_a_kill() {
    let mut world = world().await;
    world.receiver.answer_with(202);
    let page = open(&world, "deaf", "10.00").await;
    world.submit(&page, PAY).await;
    world.receiver.exactly("deaf", 1).await;
    // One minute at sixty-fold speed.
    eventually(|| async { (world.receiver.at("deaf").len() == 2).then_some(()) }).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(200);
    let got = world.receiver.exactly("deaf", 3).await;
    assert!(got.iter().all(|one| one.body == got[0].body));
    assert_eq!(words(&world, "deaf").await, ["0/0"], "the accounts are still known");
    assert!(world.stop().await.is_ok());
}

#[tokio::test]
async fn pay_can_press_itself() {
    let world = ready(World::with(60, Some(300)).await).await;
    posted(&world, "choice", &signed(form(&world, "alone", "10.00"))).await;
    world.ledger_is("trust", "alone", "settled").await;
    posted(&world, "details", &signed(form(&world, "alone-01", "10.01"))).await;
    world.state_is("trust", "alone-01", "70000").await;
    posted(&world, "choice", &signed(form(&world, "alone-12", "10.12"))).await;
    world.ledger_is("trust", "alone-12", "settled").await;
    assert!(world.receiver.at("alone-12").is_empty());
}

#[tokio::test]
async fn notifications_can_be_lost_or_forged() {
    let world = world().await;
    world.settings("trust", json!({"dropCallbacks": true})).await;
    let page = open(&world, "lost", "10.09").await;
    world.submit(&page, PAY).await;
    world.ledger_is("trust", "lost", "settled").await;
    world.settings("trust", json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    open(&world, "forged", "10.00").await;
    let got = world.receiver.exactly("forged", 1).await;
    let forged = pairs(&got[0].body);
    assert_eq!((value(&forged, "errorcode"), value(&forged, "settlestatus")), ("0".to_owned(), "0".to_owned()));
    assert!(!is_signed(&forged) && value(&forged, "responsesitesecurity").len() == 64);
    assert!(world.ledger("trust", "forged").await.is_empty() && records(&world, "forged").await.is_empty());
    assert!(world.receiver.at("lost").is_empty());
}
