//! What is found, counted and given up.

use super::store::Act;
use super::*;
use crate::flow::calls::Ended;
use crate::flow::conclude::Commit;
use ::store::repository::jobs::JobKind;
use domain::{Attention, ErrorCode, TransactionStatus};
use providers::{Context, Descriptor, Doubt, Finding, Provider, Refusal, Reply, Sent, Standing, Step, Task};

/// Not found twice running: what was found in between begins the count anew, whoever asked.
#[tokio::test]
async fn not_found_counts_only_twice_running() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    let approver = world.approver(&world.a).await;
    let stands = async || world.transaction().await.status;
    // Past the time from which "not found" counts, a day for an assumed protocol.
    for round in 0..3 {
        world.advance(25 * HOUR / 2);
        world.psp.knows(None);
        assert!(do_jobs(&world.a).await.is_empty());
        assert_eq!(stands().await, TransactionStatus::Pending, "round {round}");
        world.psp.knows(Some("Pending"));
        world.a.inquire_now(&approver, &id.to_string()).await.unwrap();
        assert_eq!(stands().await, TransactionStatus::Pending, "round {round}");
    }
    world.psp.knows(None);
    for (expected, job) in [(TransactionStatus::Pending, JobKind::Inquire), (TransactionStatus::Failed, JobKind::Late)] {
        world.advance(2 * HOUR);
        assert!(do_jobs(&world.a).await.is_empty());
        assert_eq!(stands().await, expected);
        assert_eq!(world.job(id).await.unwrap().kind, job);
    }
    assert_eq!(world.transaction().await.psp_status, "not_found");
}

#[tokio::test]
async fn a_reversal_after_another_ending_is_an_anomaly() {
    for (ending, reversed) in
        [(Standing::Approved, TransactionStatus::Reversed), (Standing::Declined, TransactionStatus::Declined)]
    {
        let world = World::new(false).await;
        world.pay(&world.a, Operation::PayIn, None).await;
        let id = world.transaction().await.id;
        for standing in [ending, Standing::Reversed, Standing::Reversed] {
            let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
            let mut commit = Commit::open(&world.a, &mut work);
            commit.settle(&Finding::new(standing, "a word"), &Json::Object(Vec::new()));
            commit.store().await.unwrap();
        }
        let stands = world.transaction().await;
        assert_eq!(stands.status, reversed, "{:?}", world.events(id).await);
        assert_eq!(stands.attention.is_some(), ending == Standing::Declined);
        let approved = world.events(id).await.iter().filter(|event| *event == "approved").count();
        assert_eq!(approved, usize::from(ending == Standing::Approved));
    }
}

/// A reversal seen while it is open is two changes and two webhooks in one commit.
#[tokio::test]
async fn a_reversal_seen_while_pending_is_told_twice() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
    let mut commit = Commit::open(&world.a, &mut work);
    commit.settle(&Finding::new(Standing::Reversed, "reversed"), &Json::Object(Vec::new()));
    commit.store().await.unwrap();
    let stands = world.transaction().await;
    assert_eq!((stands.status, stands.events_sent), (TransactionStatus::Reversed, 2));
    assert!(world.job(id).await.is_none());
}

/// A creating call whose finding changes nothing is an open transaction that is asked about; it is never left as it was created.
#[tokio::test]
async fn a_creation_without_a_verdict_is_asked_about() {
    for step in [Finding::anomaly("it contradicts itself").step(), Finding::new(Standing::OnHold, "held").step()] {
        let world = World::new(false).await;
        world.db.at("UPDATE transactions SET status", Act::Corrupt);
        world.pay(&world.a, Operation::PayIn, Some("k")).await;
        let id = world.transaction().await.id;
        let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
        let ended = Ended { step, doubt: Some(Doubt::Page), calls: Vec::new(), sent_at: None, arrived: false, lost: None };
        let answer = world.a.finish_creation(&mut work, Task::PayIn, ended, false).await.unwrap();
        let stands = world.transaction().await;
        assert_eq!((stands.status, stands.attention), (TransactionStatus::Pending, Some(Attention::Anomaly)));
        assert_eq!(world.job(id).await.unwrap().kind, JobKind::Inquire);
        assert_eq!(answer.status, 200, "{}", body(&answer));
        assert!(matches!(world.known(&world.a, "k").await, KnownKey::Answered(_)));
    }
}

/// What fails again and again for a reason of ours is tried less and less often, and ends with a person.
#[tokio::test]
async fn a_job_that_cannot_be_done_ends_with_a_person() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    let mut batch = Batch::new();
    batch.run("UPDATE transactions SET sealed = ?1", vec![vec![0_u8; 40].into()]);
    world.db.commit(batch).await.unwrap();
    let (mut tries, mut minutes) = (0, 0);
    while world.job(id).await.is_some() {
        world.advance(60_000);
        minutes += 1;
        tries += do_jobs(&world.a).await.len();
        assert!(minutes < 80 * 60, "{tries} tries and no end");
    }
    assert!((70..100).contains(&tries), "{tries} tries in {minutes} minutes");
    assert!(minutes > 70 * 60, "given up after {minutes} minutes");
    assert_eq!(world.transaction().await.attention, Some(Attention::Stuck));
}

/// The store is away for a while: the job is due again soon.
#[tokio::test]
async fn a_job_that_the_store_refused_is_due_again_soon() {
    let world = World::new(false).await;
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    for _ in 0..20 {
        world.advance(11_000);
        world.db.at("UPDATE transactions SET status", Act::Before(world.bump()));
        assert_eq!(do_jobs(&world.a).await.len(), 1);
        let job = world.job(id).await.unwrap();
        assert_eq!((job.due_at.since(world.a.clock().now()), job.tries), (5_000, 0));
    }
}

/// What is found about a pay-out on hold changes nothing, but is seen: above all that it was paid without anybody's approval.
#[tokio::test]
async fn what_is_found_on_hold_is_seen() {
    let world = World::new(true).await;
    world.pay(&world.a, Operation::PayOut, None).await;
    let id = world.transaction().await.id;
    for finding in [Finding::unchanged().note("the order has lapsed"), Finding::anomaly("it is paid, which nobody approved")] {
        let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
        let mut commit = Commit::open(&world.a, &mut work);
        world.a.take_finding(&mut commit, &finding, &Json::Object(Vec::new()), &mut Default::default(), 0);
        commit.store().await.unwrap();
    }
    let stands = world.transaction().await;
    assert_eq!((stands.status, stands.attention), (TransactionStatus::OnHold, Some(Attention::Anomaly)));
    assert_eq!(world.job(id).await.unwrap().kind, JobKind::Hold);
    let timeline = transactions::timeline(world.db.as_ref(), world.company, id).await.unwrap();
    let told: Vec<String> = timeline.iter().map(|entry| format!("{} {}", entry.event, entry.detail.to_text())).collect();
    for (event, words) in [("noted", "the order has lapsed"), ("anomaly", "nobody approved")] {
        assert!(told.iter().any(|entry| entry.starts_with(event) && entry.contains(words)), "{words}: {told:?}");
    }
}

/// A person refused it, nothing was confirmed, and the provider's order runs out: as it should.
#[tokio::test]
async fn a_rejected_pay_out_may_lapse_at_the_provider() {
    let world = World::new(true).await;
    world.pay(&world.a, Operation::PayOut, None).await;
    let id = world.transaction().await.id;
    world.a.reject(&world.approver(&world.a).await, &id.to_string(), "no".to_owned()).await.unwrap();
    for (standing, attention) in [
        (Standing::Pending, None),
        (Standing::Expired, None),
        (Standing::Cancelled, None),
        (Standing::Approved, Some(Attention::Anomaly)),
    ] {
        let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
        let mut commit = Commit::open(&world.a, &mut work);
        commit.settle(&Finding::new(standing, "a word"), &Json::Object(Vec::new()));
        commit.store().await.unwrap();
        let stands = world.transaction().await;
        assert_eq!((stands.status, stands.attention), (TransactionStatus::Rejected, attention), "{standing:?}");
    }
}

/// After a page call without an answer the provider is asked, and what it says contradicts us: something is there, so that it is
/// open, and a person sees why.
#[tokio::test]
async fn a_contradiction_after_silence_is_seen() {
    let world = World::new(false).await;
    world.psp.contradicts(true);
    let mut request = world.request(&world.a, Operation::PayIn, None).await;
    request.provider = &DEAF;
    world.a.pay(request).await;
    let stands = world.transaction().await;
    assert_eq!((stands.status, stands.attention), (TransactionStatus::Pending, Some(Attention::Anomaly)));
}

fn payone() -> &'static dyn Provider {
    providers::by_psp_type("PAYONE").unwrap()
}

/// PayOne whose creating answers are never understood.
struct Deaf;
static DEAF: Deaf = Deaf;

impl Provider for Deaf {
    fn descriptor(&self) -> &'static Descriptor {
        payone().descriptor()
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        payone().begin(task, cx)
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        match task {
            Task::Inquire => payone().resume(task, cx, sent, reply),
            _ => Step::Silence(Refusal::of(ErrorCode::PspUnavailable)),
        }
    }
}

/// PayOne with a question before the money, or with one after another behind it.
struct Asking {
    for_ever: bool,
}
static FIRST: Asking = Asking { for_ever: false };
static FOR_EVER: Asking = Asking { for_ever: true };

impl Provider for Asking {
    fn descriptor(&self) -> &'static Descriptor {
        payone().descriptor()
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        payone().begin(if task == Task::PayOut && !self.for_ever { Task::Inquire } else { task }, cx)
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        match (task, sent.step.as_str()) {
            (Task::PayOut, _) if self.for_ever => payone().begin(Task::Inquire, cx),
            (Task::PayOut, "transaction_by_reference") => payone().begin(Task::PayOut, cx),
            _ => payone().resume(task, cx, sent, reply),
        }
    }
}

/// The intent of a harmless call does not stand for the call after it, which takes the money.
#[tokio::test]
async fn each_call_has_an_intent_of_its_own() {
    let world = World::new(false).await;
    // The first update is the second call's intent, the second one the outcome: that one is lost, and the intent stays.
    world.db.at("UPDATE transactions SET status", Act::Before(Box::new(|| Box::pin(async {}))));
    world.db.at("UPDATE transactions SET status", Act::Corrupt);
    let mut request = world.request(&world.a, Operation::PayOut, None).await;
    request.provider = &FIRST;
    assert_eq!(world.a.pay(request).await.status, 500);
    assert!(world.db.done());
    assert_eq!(world.psp.count("POST /api/withdraw"), 1);
    let job = world.job(world.transaction().await.id).await.unwrap();
    assert_eq!(
        (job.kind, job.detail.str_at("step"), job.detail.str_at("doubt")),
        (JobKind::Intent, Some("withdraw"), Some("money"))
    );
}

/// A flow that does not end after it has moved money leaves a fate that is not known.
#[tokio::test]
async fn a_flow_without_an_end_is_in_doubt_like_the_gravest_of_its_calls() {
    let world = World::new(false).await;
    let mut request = world.request(&world.a, Operation::PayOut, None).await;
    request.provider = &FOR_EVER;
    let answer = world.a.pay(request).await;
    let stands = world.transaction().await;
    assert_eq!((answer.status, stands.status), (200, TransactionStatus::Pending), "{}", body(&answer));
    assert_eq!(stands.psp_status, "unknown");
    assert_eq!(world.psp.count("POST"), 1);
}

/// A provider with a defect.
struct Panics(&'static str);

impl Provider for Panics {
    fn descriptor(&self) -> &'static Descriptor {
        providers::by_psp_type("PAYONE").unwrap().descriptor()
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        assert_ne!(self.0, "begin", "a defect");
        providers::by_psp_type("PAYONE").unwrap().begin(task, cx)
    }

    fn resume(&self, _: Task, _: &Context<'_>, _: &Sent, _: &Reply) -> Step {
        panic!("a defect")
    }
}

static IN_BEGIN: Panics = Panics("begin");
static IN_RESUME: Panics = Panics("resume");

/// A provider's code that panics over an answer has not understood it: the call's doubt decides, as with every answer that cannot
/// be read.
#[tokio::test]
async fn a_provider_that_panics_has_not_understood() {
    for (provider, operation, status, expected) in [
        (&IN_BEGIN, Operation::PayOut, 500, TransactionStatus::Failed),
        (&IN_RESUME, Operation::PayOut, 200, TransactionStatus::Pending),
        (&IN_RESUME, Operation::PayIn, 500, TransactionStatus::Failed),
    ] {
        let world = World::new(false).await;
        let mut request = world.request(&world.a, operation, Some("k")).await;
        request.provider = provider;
        let answer = world.a.pay(request).await;
        let stands = world.transaction().await;
        assert_eq!((answer.status, stands.status), (status, expected), "{}", body(&answer));
        if expected == TransactionStatus::Failed {
            assert_eq!(stands.psp_status, ErrorCode::UnknownPspError.status_word());
        }
        let job = world.job(stands.id).await.unwrap().kind;
        assert_eq!(job, if expected == TransactionStatus::Failed { JobKind::Late } else { JobKind::Inquire });
        assert!(matches!(world.known(&world.a, "k").await, KnownKey::Answered(_)));
        assert_eq!(world.psp.count("POST"), usize::from(!std::ptr::eq(provider, &IN_BEGIN)));
    }
}

/// What goes wrong with a clock, or with a process, while a provider is asked again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mishap {
    Nothing,
    /// The clock is put forward by six days after the fifth inquiry.
    Forward,
    /// It is put back by as much; the process starts again.
    Back,
    /// The payment is made while the clock is six days ahead; then it is put right and the process starts again.
    MadeAhead,
    /// The process starts again in the middle of each of thirty waits.
    Restarts,
}

/// A provider to which it stays open is asked for three days of waiting, whatever a clock says meanwhile; then it is a person's
/// turn.
#[tokio::test]
async fn the_inquiry_schedule_ends_by_what_was_waited() {
    const SIX_DAYS: i64 = 6 * 24 * HOUR;
    for mishap in [Mishap::Nothing, Mishap::Forward, Mishap::Back, Mishap::MadeAhead, Mishap::Restarts] {
        let world = World::new(false).await;
        if mishap == Mishap::MadeAhead {
            world.advance(SIX_DAYS);
        }
        world.pay(&world.a, Operation::PayIn, None).await;
        let id = world.transaction().await.id;
        world.psp.knows(Some("Pending"));
        if mishap == Mishap::MadeAhead {
            world.advance(-SIX_DAYS);
            world.a.first_beat().await.unwrap();
        }
        let (mut asked, mut waited) = (0, 0);
        while let Some(job) = world.job(id).await {
            assert_eq!(job.kind, JobKind::Inquire, "{mishap:?}");
            let mut wait = job.due_at.since(world.a.clock().now()).max(0);
            if mishap == Mishap::Restarts && (10..40).contains(&asked) {
                wait /= 2;
                world.advance(wait);
                world.a.first_beat().await.unwrap();
            } else {
                world.advance(wait);
            }
            waited += wait;
            match mishap {
                Mishap::Forward if asked == 5 => world.advance(SIX_DAYS),
                Mishap::Back if asked == 5 => {
                    world.advance(-SIX_DAYS);
                    world.a.first_beat().await.unwrap();
                }
                _ => {}
            }
            assert!(do_jobs(&world.a).await.is_empty(), "{mishap:?}");
            asked += 1;
            assert!(waited < 75 * HOUR, "{mishap:?}: asked {asked} times and no end");
        }
        let hours = waited / HOUR;
        // A step that a clock was set in may count for nothing: then one more is waited.
        assert!((71..=73).contains(&hours), "{mishap:?}: asked {asked} times in {hours} hours");
        assert!((76..120).contains(&asked), "{mishap:?}: asked {asked} times");
        assert_eq!(world.transaction().await.attention, Some(Attention::Stuck), "{mishap:?}");
    }
}
