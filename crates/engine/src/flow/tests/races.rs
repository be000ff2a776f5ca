//! Two processes meet at one transaction.

use super::store::Act;
use super::*;
use ::store::repository::attempts::{self, Change, Which};
use ::store::repository::jobs::JobKind;
use domain::TransactionStatus;

const OUTCOME: &str = "UPDATE transactions SET status";

#[tokio::test]
async fn what_another_process_stored_is_not_taken_for_ours() {
    let world = World::new(false).await;
    // The answer to our commit is lost, and so is the commit; then somebody else stores something under the same version.
    world.db.at(OUTCOME, Act::Lost);
    world.db.at(OUTCOME, Act::Before(world.bump()));
    let answer = world.pay(&world.a, Operation::PayIn, Some("k")).await;
    assert!(world.db.done());
    // Whoever has it now answers for the key; until then it is still running.
    assert_eq!((answer.status, world.transaction().await.status), (409, TransactionStatus::Created), "{}", body(&answer));
    assert!(matches!(world.known(&world.a, "k").await, KnownKey::Running));
}

#[tokio::test]
async fn what_was_stored_without_an_answer_is_found_to_be_stored() {
    let world = World::new(false).await;
    world.db.at(OUTCOME, Act::Stored);
    let answer = world.pay(&world.a, Operation::PayIn, Some("k")).await;
    assert!(world.db.done());
    assert_eq!((answer.status, world.transaction().await.status), (200, TransactionStatus::Pending), "{}", body(&answer));
    let KnownKey::Answered(again) = world.known(&world.b, "k").await else { panic!("the key has no answer") };
    assert_eq!(again.body, answer.body);
}

#[tokio::test]
async fn a_reminder_never_takes_an_approved_pay_out_away() {
    // It is read together with its next action, and once more to see whose that is.
    for place in ["FROM transactions t, attempts a", "UPDATE attempts SET next_owner"] {
        let world = World::new(true).await;
        let answer = world.pay(&world.a, Operation::PayOut, None).await;
        assert_eq!(answer.status, 200, "{}", body(&answer));
        world.advance(73 * HOUR);
        let id = world.transaction().await.id;
        let (b, approver) = (world.b.clone(), world.approver(&world.b).await);
        let hook = Box::new(move || -> futures::future::BoxFuture<'static, ()> {
            Box::pin(async move {
                b.approve(&approver, &id.to_string(), None).await.unwrap();
            })
        });
        world.db.at(place, Act::After(hook));
        do_jobs(&world.a).await;
        assert!(world.db.done(), "{place}");
        let job = world.job(id).await.expect("the approved pay-out is to be sent");
        assert_eq!(job.kind, JobKind::Run, "{place}");
        do_jobs(&world.b).await;
        assert_eq!(world.psp.count("POST /api/withdraw"), 1);
        assert_eq!(world.transaction().await.status, TransactionStatus::Pending);
    }
}

/// Between its intent and its call a process is paused (a machine that sleeps, a container that is frozen), and others hold it
/// for dead.
#[tokio::test]
async fn a_process_that_was_paused_sends_nothing_that_was_taken_over_meanwhile() {
    for (operation, taken_over, answered) in
        [(Operation::PayOut, TransactionStatus::Pending, 200), (Operation::PayIn, TransactionStatus::Failed, 502)]
    {
        let world = World::new(false).await;
        world.psp.knows(None);
        let (a, b) = (world.a.clone(), world.b.clone());
        let hook = Box::new(move || -> futures::future::BoxFuture<'static, ()> {
            Box::pin(async move {
                for engine in [&a, &b] {
                    engine.clock().advance(20 * 60_000);
                }
                assert!(do_jobs(&b).await.is_empty());
            })
        });
        world.db.at("INSERT INTO transactions", Act::After(hook));
        let answer = world.pay(&world.a, operation, None).await;
        assert!(world.db.done());
        assert_eq!(world.transaction().await.status, taken_over);
        assert_eq!(world.psp.count("POST"), 0, "{operation:?} was sent after it was taken over: {}", body(&answer));
        assert_eq!(answer.status, answered, "as the transaction stands: {}", body(&answer));
    }
}

/// The same between an approval's intent and its call.
#[tokio::test]
async fn a_paused_process_does_not_send_an_approved_pay_out_that_was_taken_over() {
    let world = World::new(true).await;
    world.psp.knows(None);
    world.pay(&world.a, Operation::PayOut, None).await;
    let id = world.transaction().await.id;
    world.a.approve(&world.approver(&world.a).await, &id.to_string(), None).await.unwrap();
    let (a, b) = (world.a.clone(), world.b.clone());
    let hook = Box::new(move || -> futures::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            for engine in [&a, &b] {
                engine.clock().advance(20 * 60_000);
            }
            assert!(do_jobs(&b).await.is_empty());
        })
    });
    world.db.at("UPDATE attempts SET callback_token_hash", Act::After(hook));
    assert_eq!(do_jobs(&world.a).await.len(), 1, "it meets what the other one stored");
    assert!(world.db.done());
    assert_eq!(world.psp.count("POST"), 0, "sent after it was taken over");
    assert_eq!(world.job(id).await.unwrap().kind, JobKind::Inquire);
}

#[tokio::test]
async fn what_is_put_back_is_the_claim_that_failed_and_no_later_one() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    world.advance(HOUR);
    let (claimed, _place) = world.a.claim_jobs(&DuePlaces::new()).await.remove(0);
    // The same process has begun something else with the transaction since.
    let later = Job { kind: JobKind::Intent, due_at: claimed.due_at.plus_ms(1), ..claimed.clone() };
    let mut batch = Batch::new();
    let stored = attempts::find(world.db.as_ref(), world.company, claimed.transaction_id, Which::Live).await.unwrap().unwrap();
    let change = Change { next: Some(Some(&later)), ..Change::default() };
    attempts::update(&mut batch, &stored.transaction, &stored.attempt, change);
    world.db.commit(batch).await.unwrap();
    world.a.put_back(&claimed, &EngineError::Corrupt("a test".into())).await;
    let stands = world.job(claimed.transaction_id).await.unwrap();
    assert_eq!((stands.owner, stands.due_at), (later.owner, later.due_at));
}
