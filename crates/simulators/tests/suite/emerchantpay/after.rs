//! What comes after an approval.

use super::*;

#[tokio::test]
async fn refunds_in_parts_and_partial_approvals() {
    let world = world().await;
    sale(&world, "parts", "10000", PLAIN).await;
    let refund = async |minor: &str| world.post(&format!("/control/emerchantpay/parts/refund?minor={minor}")).await;
    for wrong in ["0", "-1", "1.5", "x"] {
        assert_eq!(refund(wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(refund("10001").await.0, 409, "more than there is");
    assert_eq!(refund("3000").await.1["state"], "refunded");
    let xml = reconcile(&world, "parts").await;
    assert_eq!((told(&xml), tag(&xml, "amount").as_deref()), (of("refunded", ""), Some("3000")));
    world.ledger_is("emerchantpay", "parts", "settled").await;
    assert_eq!(refund("7001").await.0, 409);
    assert_eq!(refund("7000").await.0, 200);
    assert_eq!(tag(&reconcile(&world, "parts").await, "amount").as_deref(), Some("7000"));
    world.ledger_is("emerchantpay", "parts", "returned").await;
    let got = world.receiver.exactly("parts", 3).await;
    let told_of = |at: usize| (form(&got[at], "status"), form(&got[at], "amount"), form(&got[at], "event"));
    let refunded = |amount: &str| ("refunded".to_owned(), amount.to_owned(), String::new());
    assert_eq!((told_of(1), told_of(2)), (refunded("3000"), refunded("7000")));
    assert_eq!(refund("1").await.0, 409);

    sale(&world, "less", "10000", "4918190000000002").await;
    assert_eq!(world.post("/control/emerchantpay/less/approve?minor=10000").await.0, 409, "that is no part");
    assert_eq!(world.post("/control/emerchantpay/less/approve?minor=6000").await.1["state"], "approved");
    let xml = reconcile(&world, "less").await;
    let partial = (tag(&xml, "amount"), tag(&xml, "partial_approval"));
    assert_eq!(partial, (Some("6000".to_owned()), Some("true".to_owned())));
    assert_eq!(world.ledger_is("emerchantpay", "less", "settled").await["amount"], "60.00");
    let got = world.receiver.exactly("less", 1).await;
    assert_eq!((form(&got[0], "amount"), form(&got[0], "partial_approval")), ("6000".to_owned(), "true".to_owned()));
    assert_eq!(world.post("/control/emerchantpay/less/chargeback?minor=10").await.0, 409, "done of the whole alone");
}

#[tokio::test]
async fn what_comes_after_an_approval() {
    let world = world().await;
    sale(&world, "turns", "10000", PLAIN).await;
    for (word, status, event, state) in [
        ("retrieval_request", "chargebacked", "retrieval_request", "approved"),
        ("chargebacked", "chargebacked", "chargeback", "chargebacked"),
        ("represented", "represented", "", "represented"),
        ("representment_reversed", "representment_reversed", "", "representment_reversed"),
        ("chargeback_reversed", "chargeback_reversed", "chargeback_reversal", "chargeback_reversed"),
        ("second_chargebacked", "second_chargebacked", "second_chargeback", "second_chargebacked"),
    ] {
        let before = world.receiver.at("turns").len();
        assert_eq!(world.post(&format!("/control/emerchantpay/turns/status/{word}")).await.1["state"], state, "{word}");
        eventually(|| async { (world.receiver.at("turns").len() > before.max(1)).then_some(()) }).await;
        let got = world.receiver.at("turns").pop().unwrap();
        assert_eq!(
            (form(&got, "status"), form(&got, "event"), is_signed(&got)),
            (status.to_owned(), event.to_owned(), true),
            "{word}"
        );
        assert_eq!(told(&reconcile(&world, "turns").await), of(state, ""));
    }
}

#[tokio::test]
async fn a_review_that_lets_a_payment_through() {
    // Two hours last 720 ms.
    let world = ready(World::with(10_000, None).await).await;
    let xml = sale(&world, "seen", "10000", "4918190000000002").await;
    assert_eq!(world.post("/control/emerchantpay/seen/status/pending_review").await.0, 200);
    // One that was made after it has run out.
    sale(&world, "beside", "10000", "4918190000000002").await;
    world.state_is("emerchantpay", "beside", "timeout").await;
    assert_eq!(told(&reconcile(&world, "seen").await), of("pending_review", ""), "it may take a day");
    assert_eq!(world.post("/control/emerchantpay/seen/status/pending_async").await.0, 200);
    eventually(|| async { (world.receiver.at("seen").len() >= 2).then_some(()) }).await;
    let got = world.receiver.at("seen");
    assert_eq!(
        (form(&got[1], "status"), Some(form(&got[1], "redirect_url"))),
        ("pending_async".to_owned(), tag(&xml, "redirect_url"))
    );
    world.state_is("emerchantpay", "seen", "timeout").await;
}
