//! ForumPay: every trigger, the controls, restart.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::forumpay::{PASSWORD, check, check_buy, confirm, confirming, link, linking, listed, rating, ready, start, world};
use crate::world::{World, answer, broken, eventually};

#[tokio::test]
async fn scenarios_of_links() {
    let world = world().await;
    for (amount, state, reason) in
        [("60.01", "blocked", json!(null)), ("60.02", "cancelled", json!("curious")), ("60.03", "cancelled", json!(null))]
    {
        let page = link(&world, amount, amount).await;
        world.submit(&page, "action=choose&coin=BTC").await;
        assert_eq!(world.submit(&page, "action=pay").await.1, "https://shop.example/back?result=failure");
        let payment = listed(&world, amount).await.remove(0);
        assert_eq!((&payment["state"], &check(&world, &payment).await["reason"]), (&json!(state), &reason));
        if state == "blocked" {
            // A review is no ending; this one ends two seconds later.
            world.receiver.exactly(amount, 2).await;
            assert_eq!(check(&world, &payment).await["reason"], "bad_rate");
        } else {
            world.receiver.exactly(amount, 1).await;
        }
        assert!(world.ledger("forumpay", amount).await.is_empty());
    }
    assert_eq!(answer(linking(&world, "t4", "60.04")).await.0, 500);
    assert_eq!(answer(linking(&world, "t7", "60.07")).await.0, 401);
    let limited = linking(&world, "t6", "60.06").send().await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert!(!broken(linking(&world, "t5", "60.05")).await);
    for reference in ["t4", "t5", "t6", "t7"] {
        assert_eq!(world.get(&format!("/control/forumpay/{reference}")).await.0, 404);
    }
    link(&world, "thrice", "60.08").await;
    world.press("forumpay", "thrice", "pay").await;
    world.receiver.exactly("thrice", 3).await;

    link(&world, "late", "60.09").await;
    assert_eq!(world.press("forumpay", "late", "pay").await["state"], "cancelled");
    world.receiver.exactly("late", 2).await;
    let payments = listed(&world, "late").await;
    assert_eq!((payments.len(), &payments[0]["state"], &payments[1]["state"]), (2, &json!("cancelled"), &json!("confirmed")));
    world.ledger_is("forumpay", "late", "settled").await;

    link(&world, "early", "60.10").await;
    assert_eq!(world.receiver.at("early").len(), 1, "the callback is here when the answer is");
    assert_eq!(listed(&world, "early").await[0]["state"], "confirmed");

    assert!(broken(linking(&world, "cut", "60.11")).await);
    assert!(!broken(linking(&world, "closed", "60.12")).await);
    for reference in ["cut", "closed"] {
        world.press("forumpay", reference, "pay").await;
        world.ledger_is("forumpay", reference, "settled").await;
    }
}

#[tokio::test]
async fn scenarios_of_buy_orders() {
    let world = world().await;
    for (amount, state, reason) in
        [("70.01", "cancelled", json!("bad_rate")), ("70.02", "cancelled", json!("curious")), ("70.03", "cancelled", json!(null))]
    {
        let id = start(&world, amount, amount).await;
        confirm(&world, &id).await;
        world.ledger_is("forumpay", amount, "returned").await;
        let told = check_buy(&world, &id).await;
        assert_eq!((&told["state"], &told["reason"]), (&json!(state), &reason));
    }
    let id = start(&world, "o4", "70.04").await;
    assert_eq!(confirm(&world, &id).await.0, 500);
    assert_eq!(check_buy(&world, &id).await["state"], "waiting");
    assert!(world.ledger("forumpay", "o4").await.is_empty());
    assert_eq!(confirm(&world, &id).await.0, 200, "only the first one fails");
    assert_eq!(world.ledger_is("forumpay", "o4", "settled").await["times"], 1);

    assert!(!broken(rating(&world, "70.05")).await);
    assert_eq!(answer(rating(&world, "70.06")).await.0, 429);
    assert_eq!(answer(rating(&world, "70.07")).await.0, 401);
    for (amount, head) in [("70.11", true), ("70.12", false)] {
        let id = start(&world, amount, amount).await;
        assert_eq!(broken(confirming(&world, &id)).await, head);
        assert_eq!(world.ledger_is("forumpay", amount, "settled").await["times"], 1);
        assert_eq!(check_buy(&world, &id).await["state"], "confirmed");
    }
    let id = start(&world, "o9", "70.09").await;
    confirm(&world, &id).await;
    world.ledger_is("forumpay", "o9", "settled").await;
    let of = |id: &str| world.receiver.at("dashboard").iter().filter(|one| one.json()["payment_id"] == id).count();
    let id = start(&world, "o10", "70.10").await;
    confirm(&world, &id).await;
    assert_eq!(of(&id), 1, "the callback is here when the answer is");
    let id = start(&world, "o8", "70.08").await;
    confirm(&world, &id).await;
    eventually(|| async { (of(&id) == 3).then_some(()) }).await;
}

#[tokio::test]
async fn control_calls_and_their_refusals() {
    let world = world().await;
    for (outcome, state) in [("approve", "confirmed"), ("declined", "blocked"), ("cancel", "cancelled"), ("expire", "cancelled")]
    {
        link(&world, outcome, "10.00").await;
        let pressed = world.press("forumpay", outcome, outcome).await;
        assert_eq!(pressed, json!({"provider": "forumpay", "reference": outcome, "state": state}));
        // A review is no ending: it may still let the payment pass.
        let over = if state == "blocked" { 200 } else { 409 };
        assert_eq!(world.post(&format!("/control/forumpay/{outcome}/approve")).await.0, over);
    }
    link(&world, "open", "10.00").await;
    assert_eq!(world.post("/control/forumpay/open/reverse").await.0, 409);
    assert_eq!(world.post("/control/forumpay/open/vanish").await.0, 400);
    assert_eq!(world.post("/control/forumpay/nothing/approve").await.0, 404);
    assert_eq!(world.post("/control/forumpay/open/status/processing").await.1["state"], "processing");
    assert_eq!(listed(&world, "open").await[0]["state"], "processing");
    world.receiver.exactly("open", 1).await;

    let id = start(&world, "held", "20.00").await;
    assert_eq!(world.post(&format!("/control/forumpay/{id}/approve")).await.0, 409, "nobody confirmed it");
    world.press("forumpay", &id, "expire").await;
    assert_eq!(check_buy(&world, &id).await["state"], "cancelled");
    assert_eq!(confirm(&world, &id).await.1["err_code"], "orderExpired");
    assert!(world.ledger("forumpay", "held").await.is_empty());
    world.settings("forumpay", json!({"settleDelayMs": 600_000})).await;
    let id = start(&world, "slow", "20.00").await;
    confirm(&world, &id).await;
    assert_eq!(check_buy(&world, &id).await["state"], "processing");
    assert_eq!(world.post("/control/forumpay/slow/pay").await.0, 409, "a buy order has no page");
    world.press("forumpay", "slow", "approve").await;
    world.ledger_is("forumpay", "slow", "settled").await;
}

#[tokio::test]
async fn a_kill_loses_neither_settlement_nor_callback() {
    let mut world = world().await;
    world.settings("forumpay", json!({"settleDelayMs": 60_000})).await;
    let id = start(&world, "slow", "20.00").await;
    confirm(&world, &id).await;
    link(&world, "unheard", "20.00").await;
    world.receiver.answer_with(503);
    world.press("forumpay", "unheard", "pay").await;
    world.receiver.exactly("unheard", 1).await;
    world.kill_and_restart().await;
    world.receiver.answer_with(200);
    let begun = Instant::now();
    world.receiver.exactly("unheard", 2).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    world.ledger_is("forumpay", "slow", "settled").await;
    world.receiver.exactly("dashboard", 1).await;
    assert_eq!(check_buy(&world, &id).await["state"], "confirmed");
    let kept = world.kept_bytes();
    assert!(!kept.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
}

#[tokio::test]
async fn pay_can_press_itself_and_unconfirmed_orders_lapse() {
    let world = ready(World::with(60_000, Some(300)).await).await;
    link(&world, "alone", "20.00").await;
    world.ledger_is("forumpay", "alone", "settled").await;
    let id = start(&world, "lapsing", "20.00").await;
    // 24 hours at 60,000-fold speed.
    eventually(|| async { (check_buy(&world, &id).await["state"] == "cancelled").then_some(()) }).await;
    assert_eq!(confirm(&world, &id).await.1["err_code"], "orderExpired");
}

#[tokio::test]
async fn callbacks_can_be_forged() {
    let world = world().await;
    world.settings("forumpay", json!({"forgeCallbacks": true})).await;
    link(&world, "forged", "20.00").await;
    let got = world.receiver.exactly("forged", 1).await;
    assert_eq!(got[0].json()["reference_no"], "forged");
    assert!(listed(&world, "forged").await.is_empty());
    assert!(world.ledger("forumpay", "forged").await.is_empty());
}
