//! A person decides about a transaction while another person, a callback or a worker of another process changes it.

use super::store::{Act, Hook};
use super::*;
use crate::admin::AdminError;
use crate::flow::DecisionError;
use ::store::repository::holds;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use domain::TransactionStatus as S;
use futures::future::BoxFuture;

/// In every commit of a person's decision, and in no other.
const DECISION: &str = "INSERT INTO approvals";
const OUTCOME: &str = "UPDATE transactions SET status";
const OVERTAKEN: &str = "Somebody else changed this transaction just now";
/// A decision that met as many changes is still taken; one more, and it is refused.
const MEETINGS: usize = 4;

type Decided = Result<Transaction, DecisionError>;

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Approve,
    Reject,
    Resolve(S),
}

impl Deed {
    async fn done(self, engine: &Engine, caller: &Caller, id: &str) -> Decided {
        match self {
            Deed::Approve => engine.approve(caller, id, None).await,
            Deed::Reject => engine.reject(caller, id, "no".to_owned()).await,
            Deed::Resolve(to) => engine.resolve(caller, id, to, "seen in their ledger".to_owned()).await,
        }
    }

    fn leaves(self) -> S {
        match self {
            Deed::Approve => S::Pending,
            Deed::Reject => S::Rejected,
            Deed::Resolve(to) => to,
        }
    }
}

/// A pay-out that waits for this deed.
async fn waiting(deed: Deed) -> (World, String) {
    let world = World::new(!matches!(deed, Deed::Resolve(_))).await;
    let answer = world.pay(&world.a, Operation::PayOut, None).await;
    assert_eq!(answer.status, 200, "{}", body(&answer));
    if matches!(deed, Deed::Resolve(_)) {
        let mut batch = Batch::new();
        batch.run("UPDATE transactions SET attention = 'stuck'", Vec::new());
        world.db.commit(batch).await.unwrap();
    }
    let id = world.transaction().await.id.to_string();
    (world, id)
}

async fn decisions(world: &World) -> Vec<String> {
    let id = world.transaction().await.id;
    let decisions = holds::decisions(world.db.as_ref(), world.company, id).await.unwrap();
    decisions.into_iter().map(|decision| decision.decision).collect()
}

/// How often somebody's decision is on the audit log.
async fn acts(world: &World) -> i64 {
    let sql = "SELECT COUNT(*) FROM audit WHERE action LIKE 'transaction.%'";
    world.db.query(sql, Vec::new()).await.unwrap()[0].int(0).unwrap()
}

#[tokio::test]
async fn a_decision_that_met_another_change_is_judged_again() {
    for deed in [Deed::Approve, Deed::Reject, Deed::Resolve(S::Approved), Deed::Resolve(S::Failed)] {
        for meetings in 1..=MEETINGS {
            let (world, id) = waiting(deed).await;
            for _ in 0..meetings {
                world.db.at(DECISION, Act::Before(world.bump()));
            }
            let decided = deed.done(&world.a, &world.approver(&world.a).await, &id).await;
            let decided = decided.unwrap_or_else(|error| panic!("{deed:?} after {meetings} meetings: {error}"));
            assert!(world.db.done());
            assert_eq!((decided.status, world.transaction().await.status), (deed.leaves(), deed.leaves()), "{deed:?}");
            assert_eq!((decisions(&world).await.len(), acts(&world).await), (1, 1), "{deed:?}");
        }
    }
}

#[tokio::test]
async fn after_five_refusals_in_a_row_a_person_is_told_and_nothing_has_happened() {
    for deed in [Deed::Approve, Deed::Reject, Deed::Resolve(S::Approved), Deed::Resolve(S::Failed)] {
        let (world, id) = waiting(deed).await;
        let (before, approver) = (world.transaction().await, world.approver(&world.a).await);
        for _ in 0..=MEETINGS {
            world.db.at(DECISION, Act::Before(world.bump()));
        }
        let refused = deed.done(&world.a, &approver, &id).await.unwrap_err();
        assert!(world.db.done());
        assert_eq!(AdminError::from(refused), AdminError::Conflict(OVERTAKEN.to_owned()), "{deed:?}");
        let stands = world.transaction().await;
        assert_eq!(stands, Transaction { version: before.version + 5, ..before }, "{deed:?}");
        assert_eq!((decisions(&world).await.len(), acts(&world).await), (0, 0), "{deed:?}");
        // Nobody is in the way any more.
        assert_eq!(deed.done(&world.a, &approver, &id).await.unwrap().status, deed.leaves());
    }
}

#[tokio::test]
async fn an_inquiry_by_hand_that_met_another_change_is_made_again() {
    for meetings in [MEETINGS, MEETINGS + 1] {
        let world = World::new(false).await;
        world.pay(&world.a, Operation::PayIn, None).await;
        world.psp.knows(Some("Approved"));
        for _ in 0..meetings {
            world.db.at(OUTCOME, Act::Before(world.bump()));
        }
        let id = world.transaction().await.id.to_string();
        let asked = world.a.inquire_now(&world.approver(&world.a).await, &id).await;
        assert!(world.db.done());
        assert_eq!(world.psp.count("GET"), 5);
        if meetings == MEETINGS {
            assert_eq!((asked.unwrap().status, world.transaction().await.status), (S::Approved, S::Approved));
        } else {
            assert_eq!(AdminError::from(asked.unwrap_err()), AdminError::Conflict(OVERTAKEN.to_owned()));
            assert_eq!(world.transaction().await.status, S::Pending);
        }
    }
}

#[tokio::test]
async fn the_provider_is_asked_for_a_returning_browser_whoever_was_first() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    world.psp.knows(Some("Approved"));
    for _ in 0..MEETINGS {
        world.db.at(OUTCOME, Act::Before(world.bump()));
    }
    let id = world.transaction().await.id;
    world.a.ask_for_browser(world.company, id, 1, None).await.unwrap();
    assert!(world.db.done());
    assert_eq!((world.psp.count("GET"), world.transaction().await.status), (5, S::Approved));
}

/// The second one's deed, in the moment in which the first one's is committed at the other process.
fn does(world: &World, deed: Deed, caller: Caller, id: &str) -> Hook {
    let (b, id) = (world.b.clone(), id.to_owned());
    Box::new(move || -> BoxFuture<'static, ()> {
        Box::pin(async move {
            deed.done(&b, &caller, &id).await.unwrap();
        })
    })
}

#[tokio::test]
async fn of_two_people_at_two_processes_one_decides_and_the_other_is_told_how() {
    for (first, second) in [(Deed::Approve, Deed::Approve), (Deed::Approve, Deed::Reject), (Deed::Reject, Deed::Approve)] {
        let (world, id) = waiting(first).await;
        let (one, other) = (world.approver(&world.a).await, world.approver(&world.b).await);
        world.db.at(DECISION, Act::Before(does(&world, second, other.clone(), &id)));
        let refused = first.done(&world.a, &one, &id).await.unwrap_err();
        assert!(world.db.done());
        let word = if second == Deed::Approve { "approved" } else { "rejected" };
        let told = format!("This pay-out was {word} already by credential:{} at ", other.credential.id);
        assert!(refused.to_string().starts_with(&told), "{first:?} and {second:?}: {refused}");
        assert!(matches!(AdminError::from(refused), AdminError::Conflict(_)));
        sent_once_where_approved(&world, second).await;
    }
    let (one, two) = (Deed::Resolve(S::Approved), Deed::Resolve(S::Failed));
    let (world, id) = waiting(one).await;
    world.db.at(DECISION, Act::Before(does(&world, two, world.approver(&world.b).await, &id)));
    let refused = one.done(&world.a, &world.approver(&world.a).await, &id).await.unwrap_err();
    assert_eq!(refused.to_string(), "Only a pending transaction with attention stuck can be settled by a person");
    assert_eq!((world.transaction().await.status, acts(&world).await), (S::Failed, 1));
}

async fn sent_once_where_approved(world: &World, deed: Deed) {
    assert_eq!((decisions(world).await.len(), acts(world).await), (1, 1));
    for engine in [&world.a, &world.b] {
        assert!(do_jobs(engine).await.is_empty());
    }
    assert_eq!(world.psp.count("POST /api/withdraw"), usize::from(deed == Deed::Approve), "{deed:?}");
    assert_eq!(world.transaction().await.status, deed.leaves());
}

#[tokio::test]
async fn two_people_at_once() {
    for _ in 0..5 {
        for (first, second) in [(Deed::Approve, Deed::Approve), (Deed::Approve, Deed::Reject)] {
            let (world, id) = waiting(first).await;
            let (one, other) = (world.approver(&world.a).await, world.approver(&world.b).await);
            let (one, other) = tokio::join!(first.done(&world.a, &one, &id), second.done(&world.b, &other, &id));
            let (deed, refused) = match (one, other) {
                (Ok(_), Err(refused)) => (first, refused),
                (Err(refused), Ok(_)) => (second, refused),
                both => panic!("{both:?}"),
            };
            assert!(matches!(refused, DecisionError::Decided { .. }), "{refused}");
            sent_once_where_approved(&world, deed).await;
        }
    }
}

const TOKEN: &str = "a-token-of-a-test";

/// A callback about the pay-out: signed, and so a hint that has the provider asked.
async fn calls(engine: &Engine, id: &str, n: usize) {
    let body = format!(r#"{{"referenceId":"{id}","currency":"CAD","amount":"100.00","transactionId":"HS{n}"}}"#);
    let key = hmac::Key::new(hmac::HMAC_SHA256, psp::KEY.as_bytes());
    let signature = hex::encode(hmac::sign(&key, body.as_bytes()).as_ref()).into_bytes();
    let answer = engine.callback("payone", TOKEN, "POST", "", &[("x-signature".to_owned(), signature)], body.as_bytes()).await;
    assert_eq!(answer.status, 200);
}

/// A pay-out on hold, and the address for callbacks that it would be sent with.
async fn on_hold_with_an_address() -> (World, String) {
    let (world, id) = waiting(Deed::Approve).await;
    let mut batch = Batch::new();
    batch.run("UPDATE attempts SET callback_token_hash = ?1", vec![digest(&SHA256, TOKEN.as_bytes()).as_ref().to_vec().into()]);
    world.db.commit(batch).await.unwrap();
    (world, id)
}

/// The other process takes a callback and does all that follows; and so many more at the next tries.
fn storms(db: Arc<Hooked>, b: Engine, id: String, left: usize) -> Hook {
    Box::new(move || -> BoxFuture<'static, ()> {
        Box::pin(async move {
            calls(&b, &id, left).await;
            let open = "SELECT COUNT(*) FROM callbacks WHERE due_at IS NOT NULL";
            until("the callback is processed", || async { db.query(open, Vec::new()).await.unwrap()[0].int(0).unwrap() == 0 })
                .await;
            if left > 1 {
                let next = storms(db.clone(), b, id, left - 1);
                db.at(DECISION, Act::Before(next));
            }
        })
    })
}

#[tokio::test]
async fn callbacks_that_are_always_faster_do_not_keep_a_person_from_approving() {
    let (world, id) = on_hold_with_an_address().await;
    let version = world.transaction().await.version;
    world.db.at(DECISION, Act::Before(storms(world.db.clone(), world.b.clone(), id.clone(), MEETINGS)));
    let approved = world.a.approve(&world.approver(&world.a).await, &id, None).await.unwrap();
    assert!(world.db.done());
    assert!(approved.version > version + 4, "the callbacks changed nothing: {version} and {}", approved.version);
    sent_once_where_approved(&world, Deed::Approve).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_storm_while_a_person_approves() {
    let (world, id) = on_hold_with_an_address().await;
    let approver = world.approver(&world.a).await;
    let storm = tokio::spawn({
        let (b, id) = (world.b.clone(), id.clone());
        async move {
            for n in 0..15 {
                calls(&b, &id, n).await;
            }
        }
    });
    // Whoever is refused because of a storm presses again.
    let mut pressed = 0;
    loop {
        pressed += 1;
        match world.a.approve(&approver, &id, None).await {
            Ok(_) => break,
            Err(DecisionError::Overtaken) if pressed < 20 => {}
            Err(error) => panic!("pressed {pressed} times: {error}"),
        }
    }
    storm.await.unwrap();
    until("every callback is processed", || async {
        world.advance(10_000);
        do_callbacks(&world.b).await;
        world.open_callbacks().await == 0
    })
    .await;
    sent_once_where_approved(&world, Deed::Approve).await;
}
