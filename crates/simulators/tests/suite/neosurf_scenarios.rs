//! Neosurf: every trigger, the controls, repetition, restart.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::neosurf::{UNKNOWN, create, creating, fields, is_signed, page_of, query, ready, received, told, value, world};
use crate::world::{World, broken, eventually};

const PAY: &str = "action=pay&pin=1234567890";

#[tokio::test]
async fn pressing_pay_plays_the_scenario() {
    let world = world().await;
    for (amount, ending, message) in [
        ("5001", "ko/1001", "Transaction declined"),
        ("5002", "ko/1002", "Cancelled by the customer"),
        ("5003", "ko/1003", "Transaction expired"),
    ] {
        let page = create(&world, amount, amount).await;
        assert_eq!(world.submit(&page, PAY).await.1, "https://m.example/back?result=failure");
        let got = world.receiver.exactly(amount, 1).await;
        assert_eq!(told(&got[0]), ending);
        assert_eq!(value(&received(&got[0]), "errorMessage"), message);
        assert!(world.ledger("neosurf", amount).await.is_empty());
    }
    let page = create(&world, "thrice", "5008").await;
    world.submit(&page, PAY).await;
    let got = world.receiver.exactly("thrice", 3).await;
    assert!(got.iter().all(|one| one.body == got[0].body && told(one) == "ok/"));
    assert_eq!(world.ledger("neosurf", "thrice").await[0]["times"], 1);

    let page = create(&world, "late", "5009").await;
    assert_eq!(world.submit(&page, PAY).await.1, "https://m.example/back?result=failure");
    let got = world.receiver.exactly("late", 2).await;
    assert_eq!((told(&got[0]), told(&got[1])), ("ko/1001".to_owned(), "ok/".to_owned()));
    world.ledger_is("neosurf", "late", "settled").await;
    assert!(query(&world, "late").await.contains("<status>ok</status>"));
}

#[tokio::test]
async fn a_zero_decimal_currency_has_its_scenario_too() {
    let world = world().await;
    let mut yen = fields(&world, "yen", "501");
    yen.iter_mut().filter(|(name, _)| name == "currency").for_each(|(_, value)| "jpy".clone_into(value));
    let page = page_of(creating(&world, yen)).await;
    world.submit(&page, PAY).await;
    assert_eq!(told(&world.receiver.exactly("yen", 1).await[0]), "ko/1001");
}

#[tokio::test]
async fn transport_triggers_create_nothing() {
    let world = world().await;
    for (amount, status) in [("904", 500), ("906", 429), ("907", 404)] {
        let answer = creating(&world, fields(&world, amount, amount)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        if status == 429 {
            assert_eq!(answer.headers()["retry-after"], "1");
        }
    }
    let begun = Instant::now();
    assert!(!broken(creating(&world, fields(&world, "905", "905"))).await);
    assert!(begun.elapsed() >= Duration::from_millis(1_900), "120 s at sixty-fold speed");
    for reference in ["904", "905", "906", "907"] {
        assert!(query(&world, reference).await.contains(UNKNOWN));
        assert_eq!(world.get(&format!("/control/neosurf/{reference}")).await.0, 404);
    }
}

#[tokio::test]
async fn the_callback_can_come_before_the_answer() {
    let world = world().await;
    create(&world, "early", "2010").await;
    let got = world.receiver.at("early");
    assert_eq!(got.len(), 1, "the callback is here when the answer is");
    assert_eq!(told(&got[0]), "ok/");
    world.ledger_is("neosurf", "early", "settled").await;
}

#[tokio::test]
async fn a_broken_answer_leaves_the_transaction_created() {
    // Also where pages pay by themselves: nobody learns of this one.
    let world = ready(World::with(60, Some(0)).await).await;
    for (amount, head) in [("3011", true), ("3012", false)] {
        assert_eq!(broken(creating(&world, fields(&world, amount, amount))).await, head);
        assert_eq!(world.get(&format!("/control/neosurf/{amount}")).await.1["state"], "pending");
        assert!(query(&world, amount).await.contains(UNKNOWN), "never opened");
    }
    create(&world, "alone", "3000").await;
    world.ledger_is("neosurf", "alone", "settled").await;
    assert!(world.receiver.at("3011").is_empty() && world.receiver.at("3012").is_empty());
    world.press("neosurf", "3011", "pay").await;
    world.ledger_is("neosurf", "3011", "settled").await;
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    for (outcome, state, ending) in [
        ("approve", "ok", "ok/"),
        ("success", "ok", "ok/"),
        ("pay", "ok", "ok/"),
        ("declined", "ko", "ko/1001"),
        ("cancel", "ko", "ko/1002"),
        ("expire", "ko", "ko/1003"),
    ] {
        create(&world, outcome, "1000").await;
        let pressed = world.press("neosurf", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "neosurf", "reference": outcome, "state": state}));
        assert_eq!(told(&world.receiver.exactly(outcome, 1).await[0]), ending);
        assert_eq!(world.post(&format!("/control/neosurf/{outcome}/approve")).await.0, 409);
    }
    create(&world, "open", "1000").await;
    assert_eq!(world.post("/control/neosurf/open/reverse").await.0, 409);
    assert_eq!(world.post("/control/neosurf/open/explode").await.0, 400);
    assert_eq!(world.post("/control/neosurf/nothing/approve").await.0, 404);
    assert_eq!(world.post("/control/neosurf/open/status/puzzled").await.1["state"], "puzzled");
    let got = world.receiver.exactly("open", 1).await;
    assert_eq!(told(&got[0]), "puzzled/");
    let id = value(&received(&got[0]), "transactionId");
    assert_eq!(world.post(&format!("/control/neosurf/{id}/status/ok")).await.1["state"], "ok", "by the provider's reference");
    world.ledger_is("neosurf", "open", "settled").await;
    world.put("/control/neosurf/next", json!({"http": 200, "body": "<html>odd</html>"})).await;
    let odd = creating(&world, fields(&world, "odd", "1000")).send().await.unwrap();
    assert_eq!(odd.text().await.unwrap(), "<html>odd</html>");
}

#[tokio::test]
async fn an_unheard_callback_is_repeated_also_after_a_kill() {
    let mut world = world().await;
    world.receiver.answer_with(503);
    let page = create(&world, "deaf", "1000").await;
    world.submit(&page, PAY).await;
    world.receiver.exactly("deaf", 1).await;
    // One minute at sixty-fold speed.
    eventually(|| async { (world.receiver.at("deaf").len() == 2).then_some(()) }).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(204);
    let got = world.receiver.exactly("deaf", 3).await;
    assert!(got.iter().all(|one| one.body == got[0].body));
    assert!(query(&world, "deaf").await.contains("<status>ok</status>"), "the account is still known");
    assert!(world.stop().await.is_ok());
}

#[tokio::test]
async fn callbacks_can_be_lost_or_forged() {
    let world = world().await;
    world.settings("neosurf", json!({"dropCallbacks": true})).await;
    let page = create(&world, "lost", "1000").await;
    world.submit(&page, PAY).await;
    world.ledger_is("neosurf", "lost", "settled").await;
    world.settings("neosurf", json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    create(&world, "forged", "1000").await;
    let got = world.receiver.exactly("forged", 1).await;
    let forged = received(&got[0]);
    assert_eq!(value(&forged, "status"), "ok");
    assert!(!is_signed(&forged));
    assert!(world.ledger("neosurf", "forged").await.is_empty());
    assert!(world.receiver.at("lost").is_empty());
}
