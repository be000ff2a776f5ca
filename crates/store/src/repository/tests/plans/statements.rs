//! What the repositories send: every function of theirs is called. What belongs together at work stands together here.

use super::recorder::{Recorder, Sent};
use super::{NOW, company, id, method};
use crate::driver::Driver;
use crate::repository::jobs::{Job, JobKind};
use crate::repository::{
    attempts, audit, callbacks, deliveries, endpoints, events, feed, holds, idempotency, jobs, page_tokens, single_use,
    transactions,
};
use crate::{Batch, Dialect};
use domain::{
    Attempt, Attention, CredentialId, Currency, EventId, Json, Money, Operation, SessionId, Timestamp, Transaction,
    TransactionStatus,
};

/// Everything that is sent to one kind of store.
pub(super) async fn recorded(dialect: Dialect) -> Vec<Sent> {
    let db = Recorder::new(dialect);
    a_payment(&db).await;
    people(&db).await;
    the_queues(&db).await;
    the_lists(&db).await;
    the_feed(&db, dialect).await;
    the_purges(&db).await;
    super::settings::sent(&db, dialect).await;
    db.recorded()
}

fn transaction() -> Transaction {
    Transaction {
        id: id(7),
        session_id: SessionId::new(NOW, [1; 10]),
        company_id: company(),
        live: 1,
        attempts: 1,
        psp_type: "PAYONE".to_owned(),
        operation: Operation::PayIn,
        method_id: method(),
        brand_id: None,
        merchant_reference: Some("ref-1".to_owned()),
        user_id: "user_123".to_owned(),
        amount: Money::from_minor(10_000, Currency::from_code("CAD").unwrap()),
        status: TransactionStatus::Approved,
        psp_status: "Approved".to_owned(),
        message: None,
        psp_transaction_id: Some("psp-1".to_owned()),
        redirect_url: None,
        destination_masked: None,
        attention: None,
        rule: None,
        maker: CredentialId::new(NOW, [2; 6]),
        given_back: domain::transaction::GivenBack::default(),
        events_sent: 1,
        timeline_length: 1,
        version: 2,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn job() -> Job {
    Job {
        company_id: company(),
        transaction_id: id(7),
        n: 1,
        psp_type: "PAYONE".to_owned(),
        kind: JobKind::Inquire,
        due_at: NOW,
        tries: 0,
        first_at: NOW,
        detail: Json::Object(Vec::new()),
        owner: Some("node".to_owned()),
    }
}

fn claimed() -> deliveries::Claimed {
    let delivery = deliveries::Delivery {
        company_id: company(),
        id: id(9),
        event_id: EventId::new(NOW, [3; 6]),
        transaction_id: id(7),
        sequence: 1,
        method_id: method(),
        state: deliveries::DeliveryState::Waiting,
        attempts: 0,
        attempts_total: 0,
        next_at: Some(NOW),
        last_failure: None,
        last_http_status: None,
        created_at: NOW,
        delivered_at: None,
    };
    deliveries::Claimed { delivery, lease_until: NOW, body: None, failing_since: None, endpoint_off: false }
}

fn event() -> events::StoredEvent {
    events::StoredEvent {
        company_id: company(),
        id: EventId::new(NOW, [3; 6]),
        transaction_id: id(7),
        sequence: 1,
        method_id: method(),
        sample: false,
        created_at: NOW,
        body: "{}".to_owned(),
    }
}

fn outcome(state: deliveries::DeliveryState, next_at: Option<Timestamp>) -> deliveries::Outcome {
    let attempt =
        deliveries::Attempt { n: 1, at: NOW, http_status: Some(200), failure: None, latency_ms: 1, response_body: None };
    deliveries::Outcome { attempt, state, next_at }
}

/// An attempt's row, and each way in which it is changed.
fn an_attempt(batch: &mut Batch, t: &Transaction) {
    let attempt = Attempt { psp_transaction_id: Some("psp-1".to_owned()), ..Attempt::first(t) };
    attempts::insert(batch, t, &attempt, vec![1], Some([5; 32]), Some(&job()));
    for (psp_id, next) in [(false, None), (true, None), (false, Some(None)), (true, Some(None))] {
        let change = attempts::Change { memo: Some(vec![1]), token_hash: Some([5; 32]), psp_id, next };
        attempts::update(batch, t, &attempt, change);
    }
}

/// A payment's way from its creation to its webhook.
async fn a_payment(db: &Recorder) {
    let t = transaction();
    let mut batch = Batch::new();
    transactions::insert(&mut batch, &t, vec![1]);
    an_attempt(&mut batch, &t);
    idempotency::insert(&mut batch, company(), "POST /", "key", [1; 32], id(7), NOW);
    page_tokens::insert(&mut batch, [4; 32], company(), id(7), 1, page_tokens::Page::Pay);
    single_use::take(&mut batch, company(), method(), [6; 32], id(7), 1);
    single_use::give_back(&mut batch, company(), id(7), 1);
    let entry = transactions::TimelineEntry {
        n: 1,
        at: NOW,
        event: "created".into(),
        from: None,
        to: None,
        detail: Json::Object(Vec::new()),
    };
    transactions::add_to_timeline(&mut batch, company(), id(7), &entry);
    transactions::update(&mut batch, &t);
    transactions::update_live(&mut batch, &t);
    transactions::update_sealed(&mut batch, company(), id(7), vec![1]);
    transactions::mark_stuck(&mut batch, company(), id(7), 1);
    jobs::set_counters(&mut batch, company(), id(7), 1, &Json::Object(Vec::new()));
    jobs::stop_a_run(&mut batch, company(), id(7), 1);
    jobs::pull_forward(&mut batch, company(), id(7), 1, NOW);
    idempotency::answer(&mut batch, company(), id(7), 200, vec![1]);
    idempotency::expire(&mut batch, company(), id(7), NOW);
    let callback = callbacks::StoredCallback {
        company_id: company(),
        transaction_id: id(7),
        of_attempt: 1,
        psp_type: "PAYONE".to_owned(),
        id: id(8),
        received_at: NOW,
        raw: vec![1],
        tries: 0,
        digest: Some(vec![2; 32]),
        copies: 1,
        told: false,
        weight: callbacks::Weight::Ask,
    };
    callbacks::insert(&mut batch, &callback, NOW, Some("node"), Some(&callback));
    callbacks::told(&mut batch, &callback);
    callbacks::done(&mut batch, std::slice::from_ref(&callback));
    callbacks::later(&mut batch, std::slice::from_ref(&callback), NOW, true);
    events::insert(&mut batch, &event());
    let lease = deliveries::Lease { owner: "node", until: NOW };
    deliveries::insert(&mut batch, id(9), &event());
    deliveries::insert_claimed(&mut batch, id(9), &event(), lease);
    deliveries::insert_handed_over(&mut batch, id(9), &event(), lease);
    deliveries::record(&mut batch, &claimed(), "node", &outcome(deliveries::DeliveryState::Delivered, None));
    deliveries::record(&mut batch, &claimed(), "node", &outcome(deliveries::DeliveryState::Failing, Some(NOW)));
    deliveries::switched_off(&mut batch, &claimed(), "node");
    deliveries::defer(&mut batch, &claimed(), "node", NOW);
    deliveries::free(&mut batch, company(), id(9), "node", NOW);
    endpoints::failed(&mut batch, company(), method(), NOW);
    endpoints::works(&mut batch, company(), method());
    endpoints::switch_off(&mut batch, company(), method(), NOW, NOW);
    let _ = db.commit(batch).await;
    looked_up(db).await;
}

/// What is looked up on that way.
async fn looked_up(db: &Recorder) {
    let _ = idempotency::find(db, company(), "POST /", "key").await;
    let _ = page_tokens::find(db, [4; 32], page_tokens::Page::Pay).await;
    let _ = endpoints::off_since(db, company(), method()).await;
    let _ = transactions::find(db, company(), id(7)).await;
    let _ = transactions::find_by_session(db, company(), transaction().session_id).await;
    for which in [attempts::Which::Live, attempts::Which::Number(1)] {
        let _ = attempts::find(db, company(), id(7), which).await;
    }
    let _ = attempts::others(db, company(), id(7), 1).await;
    let _ = attempts::find_by_reference(db, company(), method(), id(6)).await;
    let _ = attempts::find_by_psp_id(db, company(), method(), "psp-1").await;
    let _ = attempts::find_by_token(db, [5; 32]).await;
    let _ = transactions::timeline(db, company(), id(7)).await;
    let _ = jobs::find(db, company(), id(7), 1).await;
    let _ = callbacks::open(db, company(), id(7)).await;
    let _ = audit::exists(db, company(), &id(7).to_string()).await;
    let _ = deliveries::find(db, company(), id(9)).await;
}

/// What a person does about a payment: decides, looks, sends again.
async fn people(db: &Recorder) {
    let mut batch = Batch::new();
    let hold = holds::Hold {
        transaction_id: id(7),
        status: holds::HoldStatus::Waiting,
        requested_at: NOW,
        expires_at: NOW,
        required: 1,
        decided_at: None,
    };
    holds::insert(&mut batch, company(), &hold);
    holds::decide(&mut batch, company(), id(7), holds::HoldStatus::Approved, NOW);
    let maker = CredentialId::new(NOW, [2; 6]);
    holds::record(&mut batch, company(), id(7), "approve", "credential:1", maker, Some("checked"), NOW);
    deliveries::replay(&mut batch, company(), id(9), NOW, NOW);
    endpoints::switch_on(&mut batch, company(), method());
    let entry = audit::AuditEntry::new(NOW, [1; 6], "operator", "payment_method.update", "payment_method:1".to_owned());
    audit::insert(&mut batch, company(), &entry);
    let _ = db.commit(batch).await;
    let _ = holds::find(db, company(), id(7)).await;
    let _ = holds::decisions(db, company(), id(7)).await;
    let _ = deliveries::attempts(db, company(), &[id(8), id(9)]).await;
    for state in [None, Some(deliveries::DeliveryState::Failing)] {
        let _ = deliveries::replay_since(db, Batch::new(), company(), (NOW, state), id(0), NOW).await;
    }
    let _ = endpoints::all_off(db, company()).await;
}

/// What the workers ask for again and again.
async fn the_queues(db: &Recorder) {
    let lease = deliveries::Lease { owner: "node", until: NOW };
    let _ = deliveries::due(db).await;
    let _ = deliveries::next_due(db).await;
    let _ = deliveries::claim(db, lease, NOW, 64).await;
    let _ = deliveries::claim_at(db, lease, NOW, &[(company(), method(), 64)]).await;
    let _ = jobs::due(db).await;
    let _ = callbacks::due(db).await;
    let _ = callbacks::claim(db, "node", NOW, NOW.plus_ms(1_000), &[("PAYONE".to_owned(), 16)]).await;
    let _ = jobs::claim(db, "node", NOW, NOW.plus_ms(1_000), &[("PAYONE".to_owned(), 16)]).await;
    let mut batch = Batch::new();
    deliveries::free_expired(&mut batch, "node", NOW);
    deliveries::release_dead(&mut batch, "node", NOW, NOW, NOW);
    jobs::release_unknown(&mut batch, NOW);
    callbacks::release_unknown(&mut batch, ["PAYONE"], NOW);
    jobs::put_back(&mut batch, &job(), NOW, 1);
    jobs::give_up(&mut batch, &job());
    let _ = db.commit(batch).await;
}

/// Lists: each filter alone, and some together.
async fn the_lists(db: &Recorder) {
    let none = transactions::Filter::default;
    let filters = [
        none(),
        transactions::Filter { psp_type: Some("PAYONE".into()), ..none() },
        transactions::Filter { operation: Some(Operation::PayOut), ..none() },
        transactions::Filter { status: Some(TransactionStatus::Pending), ..none() },
        transactions::Filter { attention: Some(Attention::Stuck), ..none() },
        transactions::Filter { user_id: Some("user_1".into()), ..none() },
        transactions::Filter { merchant_reference: Some("ref-1".into()), ..none() },
        transactions::Filter { from: Some(NOW), to: Some(NOW.plus_ms(1_000)), ..none() },
        transactions::Filter {
            status: Some(TransactionStatus::Failed),
            psp_type: Some("PAYONE".into()),
            before: Some(id(3)),
            ..none()
        },
        transactions::Filter { attention: Some(Attention::Stuck), operation: Some(Operation::PayIn), ..none() },
        transactions::Filter { user_id: Some("user_1".into()), status: Some(TransactionStatus::Failed), ..none() },
    ];
    for filter in &filters {
        let _ = transactions::search(db, company(), filter, 51, None).await;
    }
    // Those that a first piece does not answer.
    let user = || transactions::Filter { user_id: Some("user_1".into()), ..none() };
    for filter in [
        transactions::Filter { status: Some(TransactionStatus::Failed), ..user() },
        transactions::Filter { merchant_reference: Some("ref-1".into()), ..user() },
    ] {
        db.one_list_goes_on();
        let _ = transactions::list(db, company(), &filter, 51).await;
    }
    for filter in [
        deliveries::Filter::default(),
        deliveries::Filter { transaction_id: Some(id(7)), ..deliveries::Filter::default() },
        deliveries::Filter { state: Some(deliveries::DeliveryState::Failing), from: Some(NOW), ..deliveries::Filter::default() },
    ] {
        let _ = deliveries::list(db, company(), &filter, 51).await;
    }
    for status in [None, Some(holds::HoldStatus::Waiting)] {
        for after in [None, Some((NOW, id(3)))] {
            let _ = holds::list(db, company(), status, after, 51).await;
        }
    }
    for before in [None, Some("00")] {
        let _ = audit::list(db, company(), before, 51).await;
    }
}

/// The pull twin, and on a store with many writers its sequencer.
async fn the_feed(db: &Recorder, dialect: Dialect) {
    for after in [None, Some(EventId::new(NOW, [3; 6]))] {
        let _ = events::after(db, company(), after.as_ref(), 100).await;
    }
    if dialect == Dialect::Postgres {
        let _ = feed::state(db).await;
        let _ = feed::raise(db, 1).await;
        let _ = feed::close(db, 1).await;
        let _ = feed::writers(db).await;
        let _ = feed::has_unshown(db, company()).await;
        let _ = feed::any_unshown(db).await;
        let _ = feed::begin(db).await;
    }
}

/// What removes what is past its time.
async fn the_purges(db: &Recorder) {
    let _ = idempotency::purge(db, NOW, 500).await;
    let _ = callbacks::purge(db, company(), id(0), NOW, 500).await;
    let _ = events::purge(db, NOW, 1_000).await;
}
