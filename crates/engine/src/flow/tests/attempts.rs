//! A transaction with two attempts: the second one begins where the first was certainly refused, and what becomes known of the
//! first one later is told, and changes the transaction only where it turns out paid.

use super::callbacks::call;
use super::store::Act;
use super::*;
use crate::flow::conclude::Commit;
use ::store::repository::attempts::{self, StoredAttempt, Which};
use domain::{Attention, MethodId, Next, TransactionStatus as S};
use providers::{Finding, Standing, TurnKind};

/// The second account, at a provider of its own.
pub(super) struct Second {
    psp: Psp,
    id: MethodId,
}

impl World {
    async fn second_account(&self) -> Second {
        let psp = Psp::start().await;
        // Of two that are made in one moment either may be the first.
        self.advance(1_000);
        let texts = [
            ("accountName", "Second"),
            ("apiKey", psp::KEY),
            ("webhookUrl", "https://shop.example/second"),
            ("siteUrl", "https://shop.example/"),
            ("baseUrl", &psp.url),
        ];
        let config = Json::object(texts.map(|(name, text)| (name, Json::text(text))));
        let method = NewMethod { psp_type: "PAYONE".into(), brand_id: None, enabled: true, config, roles: Vec::new() };
        let id = self.a.changes(Actor::operator()).create_payment_method(self.company, &method).await.unwrap().id;
        Second { psp, id }
    }

    /// A payment that may go on at the second account.
    async fn pay_through(&self, second: &Second, operation: Operation, key: Option<&str>) -> CashierAnswer {
        let request = self.request(&self.a, operation, key).await;
        self.a.pay(PayRequest { then: vec![second.id], ..request }).await
    }

    async fn attempt(&self, n: i64) -> StoredAttempt {
        let id = self.transaction().await.id;
        attempts::find(self.db.as_ref(), self.company, id, Which::Number(n)).await.unwrap().expect("an attempt")
    }

    /// What endpoints are told: `method` and `transaction_status` of each event.
    async fn told(&self) -> Vec<String> {
        let rows = self.db.query("SELECT body FROM webhook_events ORDER BY position", Vec::new()).await.unwrap();
        let word = |body: &Json, name: &str| body.str_at(name).unwrap_or_default().to_owned();
        let bodies = rows.iter().map(|row| Json::parse(row.str(0).unwrap().as_bytes()).unwrap());
        bodies.map(|body| word(&body, "transaction_status")).collect()
    }

    /// Whose endpoint the newest delivery is for.
    async fn told_whom(&self) -> String {
        let rows =
            self.db.query("SELECT method_id FROM webhook_events ORDER BY position DESC LIMIT 1", Vec::new()).await.unwrap();
        rows[0].str(0).unwrap().to_owned()
    }
}

/// A pay-in whose first attempt was refused and whose second one is open.
pub(super) async fn two_attempts(operation: Operation) -> (World, Second) {
    let world = World::new(false).await;
    let second = world.second_account().await;
    world.psp.refuses(true);
    let answer = world.pay_through(&second, operation, Some("k")).await;
    assert_eq!(answer.status, 200, "{}", body(&answer));
    (world, second)
}

#[tokio::test]
async fn a_certain_refusal_goes_on_at_the_next_account() {
    let (world, second) = two_attempts(Operation::PayIn).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.attempts, t.method_id), (S::Pending, 2, 2, second.id));
    assert_eq!(world.events(t.id).await, ["created", "attempt", "accepted"]);
    let (first, next) = (world.attempt(1).await, world.attempt(2).await);
    assert_eq!((first.attempt.outcome, first.attempt.reference), (Some(S::Failed), t.id));
    assert_eq!((next.attempt.outcome, next.attempt.method_id), (None, second.id));
    assert_ne!(next.attempt.reference, t.id, "each attempt has a reference of its own");
    assert_eq!(
        (world.psp.references(), second.psp.references()),
        (vec![t.id.to_string()], vec![next.attempt.reference.to_string()])
    );
    // The call that was refused had arrived: it is asked about later. The next one is asked about as any.
    assert_eq!((first.job.unwrap().next.word(), next.job.unwrap().next.word()), ("late", "inquire"));
    let KnownKey::Answered(answer) = world.known(&world.b, "k").await else { panic!("the key has no answer") };
    assert!(body(&answer).contains(&format!(r#""transactionId":"{}""#, t.id)), "{}", body(&answer));
    assert!(!body(&answer).contains(&next.attempt.reference.to_string()), "{}", body(&answer));
}

#[tokio::test]
async fn silence_is_asked_about_and_nobody_else_is_asked_instead() {
    for operation in [Operation::PayIn, Operation::PayOut] {
        let world = World::new(false).await;
        let second = world.second_account().await;
        world.psp.breaks(true);
        world.pay_through(&second, operation, None).await;
        assert_eq!((world.transaction().await.attempts, second.psp.count("POST")), (1, 0), "{operation:?}");
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_asked_is_passed_over() {
    let world = World::new(false).await;
    let second = world.second_account().await;
    world.psp.refuses(true);
    second.psp.refuses(true);
    let nobody = MethodId::new(START, [9; 6]);
    let request = world.request(&world.a, Operation::PayIn, None).await;
    let answer = world.a.pay(PayRequest { then: vec![nobody, second.id], ..request }).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.attempts, answer.status), (S::Failed, 2, 500), "{}", body(&answer));
    assert_eq!(world.attempt(2).await.attempt.outcome, Some(S::Failed));
    assert_eq!(world.told().await.len(), 1, "one ending, told once");
}

/// Where the next attempt cannot be stored, the answer is that of the one before.
#[tokio::test]
async fn what_cannot_be_stored_is_not_begun() {
    let world = World::new(false).await;
    let second = world.second_account().await;
    world.psp.refuses(true);
    world.db.at("UPDATE transactions SET live", Act::Corrupt);
    let answer = world.pay_through(&second, Operation::PayIn, None).await;
    assert!(world.db.done());
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.attempts, second.psp.count("POST")), (S::Failed, 1, 1, 0), "{}", body(&answer));
}

/// Stored, and the answer to that lost: it is found to be stored, and goes on.
#[tokio::test]
async fn what_was_stored_without_an_answer_goes_on() {
    let world = World::new(false).await;
    let second = world.second_account().await;
    world.psp.refuses(true);
    world.db.at("UPDATE transactions SET live", Act::Stored);
    let answer = world.pay_through(&second, Operation::PayIn, None).await;
    assert!(world.db.done());
    assert_eq!((answer.status, world.transaction().await.live, second.psp.count("POST")), (200, 2, 1), "{}", body(&answer));
}

/// The first attempt's late check finds it paid.
pub(super) async fn first_turns_out_paid(world: &World) {
    world.psp.knows(Some("Approved"));
    world.advance(HOUR + 1);
    let errors = do_jobs(&world.a).await;
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn paid_earlier_while_the_later_one_is_open() {
    let (world, second) = two_attempts(Operation::PayIn).await;
    let id = world.transaction().await.id;
    // What is due of the later one is done: only what comes of this is looked at.
    world.advance(HOUR - 1);
    do_jobs(&world.a).await;
    let asked = second.psp.count("GET");
    world.psp.knows(Some("Approved"));
    world.advance(2);
    do_jobs(&world.a).await;
    assert_eq!(world.attempt(1).await.attempt.outcome, Some(S::Approved));
    let t = world.transaction().await;
    assert_eq!((t.status, t.live), (S::Pending, 2));
    assert!(world.events(id).await.contains(&"attempt_paid".to_owned()));
    do_jobs(&world.a).await;
    assert_eq!(second.psp.count("GET"), asked + 1, "the later one is asked about at once");
    assert_eq!(world.told().await, [""; 0], "nothing is announced before the later one is known");
    // It ends without money: so the payment is the first one's, and only that is told.
    second.psp.knows(Some("Declined"));
    world.advance(HOUR);
    do_jobs(&world.a).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.method_id == second.id), (S::Approved, 1, false));
    assert_eq!(world.attempt(2).await.attempt.outcome, Some(S::Declined));
    assert_eq!((world.told().await, world.told_whom().await), (vec!["Approved".to_owned()], t.method_id.to_string()));
}

#[tokio::test]
async fn paid_earlier_after_the_end() {
    let (world, second) = two_attempts(Operation::PayIn).await;
    second.psp.knows(Some("Declined"));
    world.advance(60_000);
    do_jobs(&world.a).await;
    assert_eq!(world.transaction().await.status, S::Declined);
    first_turns_out_paid(&world).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.method_id == second.id), (S::Approved, 1, false));
    assert_eq!(world.told().await, ["Declined", "Approved"]);
    assert_eq!(world.told_whom().await, t.method_id.to_string(), "the late success is told at its own account's endpoint");
    // The second one too, now: the payer has paid twice.
    second.psp.knows(Some("Approved"));
    world.advance(24 * HOUR);
    do_jobs(&world.a).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.attention), (S::Approved, 1, Some(Attention::Anomaly)));
}

#[tokio::test]
async fn paid_twice() {
    let (world, second) = two_attempts(Operation::PayIn).await;
    let id = world.transaction().await.id;
    second.psp.knows(Some("Approved"));
    world.advance(60_000);
    do_jobs(&world.a).await;
    assert_eq!(world.transaction().await.status, S::Approved);
    first_turns_out_paid(&world).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.attention), (S::Approved, 2, Some(Attention::Anomaly)));
    let timeline = transactions::timeline(world.db.as_ref(), world.company, id).await.unwrap();
    let told: Vec<_> = timeline.iter().filter(|entry| entry.event == "anomaly").map(|entry| entry.detail.to_text()).collect();
    assert!(matches!(&told[..], [one] if one.contains("paid twice") && one.contains("highest")), "{told:?}");
    assert_eq!(world.told().await, ["Approved"]);
    // Asked about to its end, it is told once.
    world.advance(80 * HOUR);
    do_jobs(&world.a).await;
    let again = transactions::timeline(world.db.as_ref(), world.company, id).await.unwrap();
    assert_eq!(again.iter().filter(|entry| entry.event == "anomaly").count(), 1);
}

#[tokio::test]
async fn a_pay_out_that_was_paid_earlier() {
    let (world, _second) = two_attempts(Operation::PayOut).await;
    let id = world.transaction().await.id;
    first_turns_out_paid(&world).await;
    let timeline = transactions::timeline(world.db.as_ref(), world.company, id).await.unwrap();
    let told: Vec<_> = timeline.iter().filter(|entry| entry.event == "anomaly").map(|entry| entry.detail.to_text()).collect();
    assert!(matches!(&told[..], [one] if one.contains("paid twice") && one.contains("highest")), "{told:?}");
    assert_eq!(world.transaction().await.live, 2, "it is told, and nothing else");
}

/// A callback is read with the account of its own attempt, whichever is live, and that account is asked.
#[tokio::test]
async fn a_late_callback_is_its_own_attempts() {
    let (world, second) = two_attempts(Operation::PayIn).await;
    world.psp.knows(Some("Approved"));
    let asked = (world.psp.count("GET"), second.psp.count("GET"));
    call(&world, &world.a).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while world.open_callbacks().await > 0 {
        assert!(tokio::time::Instant::now() < deadline, "the callback is not processed");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!((world.psp.count("GET"), second.psp.count("GET")), (asked.0 + 1, asked.1));
    assert_eq!(world.attempt(1).await.attempt.outcome, Some(S::Approved));
    assert_eq!(world.transaction().await.status, S::Pending);
}

/// What is left at a dead process is the second attempt's, and the first one is not touched.
#[tokio::test]
async fn a_crash_ends_the_second_attempt_by_its_own_doubt() {
    let world = World::new(false).await;
    let second = world.second_account().await;
    world.psp.refuses(true);
    // The process dies with the second provider's answer in its hands.
    world.db.at("UPDATE transactions SET live", Act::Before(Box::new(|| Box::pin(async {}))));
    world.db.at("UPDATE transactions SET status", Act::Corrupt);
    world.pay_through(&second, Operation::PayOut, Some("k")).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live), (S::Created, 2));
    world.advance(HOUR / 2);
    do_jobs(&world.b).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, second.psp.count("POST"), world.psp.count("POST")), (S::Pending, 2, 1, 1));
    assert!(matches!(world.known(&world.b, "k").await, KnownKey::Answered(_)));
}

/// Asked about at 1, 24 and 72 h: what is found of an attempt that was left is told once, and nothing comes of it.
#[tokio::test]
async fn what_was_left_and_is_open_at_its_provider_is_told_once() {
    let (world, second) = two_attempts(Operation::PayIn).await;
    let id = world.transaction().await.id;
    second.psp.knows(Some("Approved"));
    let asked = world.psp.count("GET");
    for hours in [2, 24, 72, 100] {
        world.advance(hours * HOUR);
        do_jobs(&world.a).await;
    }
    assert_eq!((world.psp.count("GET") - asked, world.job_of(id, 1).await.is_none()), (3, true));
    let timeline = transactions::timeline(world.db.as_ref(), world.company, id).await.unwrap();
    let told = timeline.iter().filter(|entry| entry.detail.to_text().contains("attempt 1 is open at the provider"));
    assert_eq!(told.count(), 1);
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.attention), (S::Approved, 2, None));
}

/// A pay-out that a rule holds never has two attempts; one whose first attempt turns out paid while a person is asked about the
/// second is not approved any more.
#[tokio::test]
async fn a_pay_out_that_was_paid_otherwise_is_not_sent() {
    let (world, _second) = two_attempts(Operation::PayOut).await;
    let id = world.transaction().await.id;
    first_turns_out_paid(&world).await;
    let mut batch = Batch::new();
    batch.run("UPDATE transactions SET attention = 'stuck'", Vec::new());
    world.db.commit(batch).await.unwrap();
    let approver = world.approver(&world.a).await;
    let refused = world.a.release(&approver, &id.to_string(), None).await.unwrap_err();
    assert!(refused.to_string().contains("Attempt 1 of this pay-out was paid"), "{refused}");
}

/// What is found of an attempt, whichever is live.
async fn found(world: &World, n: i64, finding: Finding) {
    let id = world.transaction().await.id;
    let mut work = world.a.load_attempt(world.company, id, Which::Number(n)).await.unwrap().unwrap();
    let mut commit = Commit::open(&world.a, &mut work);
    commit.settle(&finding, &Json::Object(Vec::new()));
    commit.store().await.unwrap();
}

fn says(standing: Standing) -> Finding {
    Finding::new(standing, "word")
}

#[tokio::test]
async fn what_went_back_stays_back() {
    let (world, _second) = two_attempts(Operation::PayIn).await;
    let id = world.transaction().await.id;
    for standing in [Standing::Approved, Standing::Reversed, Standing::Approved, Standing::Reversed] {
        found(&world, 1, says(standing)).await;
    }
    assert_eq!(world.attempt(1).await.attempt.outcome, Some(S::Reversed));
    assert_eq!(world.events(id).await.iter().filter(|event| *event == "attempt_paid").count(), 1);
    found(&world, 2, says(Standing::Declined)).await;
    assert_eq!(world.transaction().await.status, S::Declined, "the earlier one's money is not there any more");
}

/// Paid, and all of it refunded: no late success, and the account stays.
#[tokio::test]
async fn a_late_success_that_went_back_is_none() {
    let (world, second) = two_attempts(Operation::PayIn).await;
    found(&world, 2, says(Standing::Declined)).await;
    found(&world, 1, says(Standing::Approved).turn(TurnKind::Refunded, "1", Some(10_000))).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live, t.method_id), (S::Declined, 2, second.id));
    assert_eq!(
        (world.attempt(1).await.attempt.outcome, world.attempt(2).await.attempt.outcome),
        (Some(S::Reversed), Some(S::Declined))
    );
}

/// What went back of it is counted once it is the payment: its provider is asked at once.
#[tokio::test]
async fn what_went_back_of_an_earlier_one_is_counted_when_it_is_the_payment() {
    let (world, _second) = two_attempts(Operation::PayIn).await;
    let id = world.transaction().await.id;
    let part = || says(Standing::Approved).turn(TurnKind::Refunded, "1", Some(3_000));
    found(&world, 1, part()).await;
    found(&world, 2, says(Standing::Declined)).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.live), (S::Approved, 1));
    let job = world.job_of(id, 1).await.unwrap();
    assert!(job.next == Next::Late && job.due_at <= world.a.clock().now(), "it is asked about");
    found(&world, 1, part()).await;
    assert_eq!(world.transaction().await.given_back.refunded_minor, 3_000);
}

/// A payment that is known to be paid does not fail because its provider says otherwise later.
#[tokio::test]
async fn paid_and_then_declined_is_an_anomaly() {
    let (world, _second) = two_attempts(Operation::PayIn).await;
    found(&world, 1, says(Standing::Approved)).await;
    found(&world, 1, says(Standing::Declined)).await;
    assert_eq!(world.attempt(1).await.attempt.outcome, Some(S::Approved));
    assert_eq!(world.transaction().await.attention, Some(Attention::Anomaly));
}

/// Another process has a callback about the first attempt while the second one's call is open here: its outcome comes first.
#[tokio::test]
async fn a_fact_about_one_attempt_never_costs_another_its_outcome() {
    let world = World::new(false).await;
    let second = world.second_account().await;
    world.psp.refuses(true);
    second.psp.holds_back(true);
    let request = world.request(&world.a, Operation::PayIn, None).await;
    let engine = world.a.clone();
    let then = vec![second.id];
    let paying = tokio::spawn(async move { engine.pay(PayRequest { then, ..request }).await });
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while second.psp.references().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the second account is not asked");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    call(&world, &world.b).await;
    // As soon as it is put off nobody works on it.
    while world.db.query("SELECT 1 FROM callbacks WHERE owner IS NULL", Vec::new()).await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the callback is worked on");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    second.psp.holds_back(false);
    let answer = paying.await.unwrap();
    assert_eq!(answer.status, 200, "{}", body(&answer));
    assert!(body(&answer).contains("redirect"), "the page is answered: {}", body(&answer));
    assert_eq!(world.transaction().await.status, S::Pending);
}

/// One that was a person's turn and turns out paid twice is still to be looked at when it has ended.
#[tokio::test]
async fn paid_twice_while_a_person_was_to_act() {
    let (world, _second) = two_attempts(Operation::PayIn).await;
    found(&world, 1, says(Standing::Approved)).await;
    let mut batch = Batch::new();
    batch.run("UPDATE transactions SET attention = 'stuck'", Vec::new());
    world.db.commit(batch).await.unwrap();
    found(&world, 2, says(Standing::Approved)).await;
    let t = world.transaction().await;
    assert_eq!((t.status, t.attention), (S::Approved, Some(Attention::Anomaly)));
}

/// The first one is paid while the second one's money is on its way, and that arrives too.
#[tokio::test]
async fn a_pay_out_that_is_paid_twice_is_told() {
    let (world, _second) = two_attempts(Operation::PayOut).await;
    let id = world.transaction().await.id;
    found(&world, 1, says(Standing::Approved)).await;
    found(&world, 2, says(Standing::Approved)).await;
    let timeline = transactions::timeline(world.db.as_ref(), world.company, id).await.unwrap();
    let told = timeline.iter().filter(|entry| entry.detail.to_text().contains("and so was attempt 2"));
    assert_eq!(told.count(), 1);
    assert_eq!(world.transaction().await.attention, Some(Attention::Anomaly));
}

/// A provider that keeps silent when it is asked what went back of the payment is asked again.
#[tokio::test]
async fn silence_ends_no_question_about_what_went_back() {
    let (world, _second) = two_attempts(Operation::PayIn).await;
    let id = world.transaction().await.id;
    found(&world, 1, says(Standing::Approved)).await;
    found(&world, 2, says(Standing::Declined)).await;
    world.psp.keeps_silent(true);
    do_jobs(&world.a).await;
    let again = world.job_of(id, 1).await.expect("it is asked again");
    assert!(matches!(again.next, Next::Late) && again.due_at > world.a.clock().now());
}
