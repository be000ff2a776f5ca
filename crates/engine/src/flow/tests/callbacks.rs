//! Callbacks that come at the wrong moment.

use super::store::Act;
use super::*;
use ::store::repository::callbacks::{self, StoredCallback};
use ::store::repository::jobs::JobKind;
use aws_lc_rs::hmac;
use domain::TransactionStatus;

/// A callback of PayOne about the transaction, as it signs it.
pub(super) async fn call(world: &World, engine: &Engine) {
    let id = world.transaction().await.id;
    let body =
        format!(r#"{{"referenceId":"{id}","currency":"CAD","amount":"100.00","status":"Approved","transactionId":"HS1"}}"#);
    let key = hmac::Key::new(hmac::HMAC_SHA256, psp::KEY.as_bytes());
    let signature = hex::encode(hmac::sign(&key, body.as_bytes()).as_ref()).into_bytes();
    let headers = [("x-signature".to_owned(), signature)];
    let answer = engine.callback("payone", &world.psp.callback_token(), "POST", "", &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_callback_that_is_stored_late_is_still_processed() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    // While the second one is worked on, the first one's commit comes through: by its id it is the earlier of the two.
    let (company, db) = (world.company, world.db.clone());
    let late = TransactionId::new(START.plus_ms(-5), [7; 6]);
    let hook = Box::new(move || -> futures::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            let stored = StoredCallback {
                company_id: company,
                transaction_id: id,
                of_attempt: 1,
                psp_type: "PAYONE".to_owned(),
                id: late,
                received_at: START,
                raw: vec![0],
                tries: 0,
                digest: None,
                copies: 1,
                told: false,
                weight: callbacks::Weight::Hint,
            };
            let mut batch = Batch::new();
            callbacks::insert(&mut batch, &stored, START.plus_ms(60_000), Some("another"), None);
            db.inner.commit(batch).await.unwrap();
        })
    });
    world.db.at("AND due_at IS NOT NULL ORDER BY id", Act::After(hook));
    call(&world, &world.a).await;
    until("the callback is processed", || async { world.open_callbacks().await == 1 }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let open = callbacks::open(world.db.as_ref(), company, id).await.unwrap();
    assert_eq!(open.iter().map(|one| one.id).collect::<Vec<_>>(), [late]);
}

/// The first process dies with the provider's answer in its hands; a callback comes before anybody has taken its intent over.
#[tokio::test]
async fn a_callback_waits_until_the_intent_of_a_dead_process_is_taken_over() {
    for passed in [false, true] {
        let world = World::new(false).await;
        world.db.at("UPDATE transactions SET status", Act::Corrupt);
        let answer = world.pay(&world.a, Operation::PayIn, Some("k")).await;
        assert_eq!(answer.status, 500);
        let id = world.transaction().await.id;
        world.psp.knows(Some("Approved"));
        if passed {
            // Past all its time limits: whoever comes first takes it over.
            world.advance(HOUR);
            call(&world, &world.b).await;
        } else {
            call(&world, &world.b).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(world.transaction().await.status, TransactionStatus::Created, "its own call's outcome comes first");
            assert_eq!(world.job(id).await.unwrap().kind, JobKind::Intent);
            world.advance(HOUR);
            assert!(do_jobs(&world.b).await.is_empty());
            do_callbacks(&world.b).await;
        }
        until("it counts", || async { world.open_callbacks().await == 0 }).await;
        assert_eq!(world.transaction().await.status, TransactionStatus::Approved);
        assert_eq!(world.events(id).await.iter().filter(|event| *event == "approved").count(), 1);
        let KnownKey::Answered(answer) = world.known(&world.a, "k").await else { panic!("the key has no answer") };
        // The page's address died with the process (providers/common, "A page call without a readable answer"), and by now it has
        // been paid.
        for part in [r#""retryable":false"#, r#""transaction_status":"Approved""#] {
            assert!(body(&answer).contains(part), "{}", body(&answer));
        }
    }
}

#[tokio::test]
async fn a_callback_that_met_another_process_is_tried_again_at_once() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    world.psp.knows(Some("Approved"));
    world.db.at("UPDATE transactions SET status", Act::Before(world.bump()));
    call(&world, &world.a).await;
    until("the callback counts", || async { world.transaction().await.status == TransactionStatus::Approved }).await;
    assert!(world.db.done());
    until("it is processed", || async { world.open_callbacks().await == 0 }).await;
}

/// After the end nothing else asks, so that a callback whose question was not answered is tried again by itself; not for ever.
#[tokio::test]
async fn a_provider_that_calls_and_then_keeps_silent_is_not_asked_for_ever() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    world.psp.knows(Some("Approved"));
    call(&world, &world.a).await;
    until("it is paid", || async {
        world.transaction().await.status == TransactionStatus::Approved && world.open_callbacks().await == 0
    })
    .await;
    world.psp.keeps_silent(true);
    let before = world.psp.count("GET");
    call(&world, &world.a).await;
    until("the provider was asked", || async { world.psp.count("GET") > before }).await;
    let mut hours = 0;
    while world.open_callbacks().await > 0 {
        hours += 1;
        assert!(hours < 100, "still asked after {hours} hours");
        world.advance(HOUR);
        do_callbacks(&world.a).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(hours > 60, "given up after {hours} hours");
    assert!(world.events(id).await.contains(&"anomaly".to_owned()), "a person sees that it was given up");
}
