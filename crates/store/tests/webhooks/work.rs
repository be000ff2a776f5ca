//! Claims, records, replays.

use crate::bed::{Bed, NODE, START, ids};
use domain::{Timestamp, TransactionId};
use mozarto_store::repository::deliveries::{self, DeliveryState, Filter, LEASE_GUARD, REPLAY_CHUNK};
use mozarto_store::repository::{endpoints, nodes};
use mozarto_store::{Batch, CommitError, Dialect};
use std::collections::HashSet;

const HOUR: i64 = 3_600_000;

pub(crate) async fn a_later_event_waits_for_the_earlier_ones(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let (one, other) = (bed.transaction(), bed.transaction());
    let first = bed.announce(one, 1, START).await;
    let second = bed.announce(one, 2, START).await;
    let unrelated = bed.announce(other, 1, START).await;
    let later = START.plus_ms(HOUR);
    let claimed = bed.claim(later).await;
    assert_eq!(HashSet::from_iter(ids(&claimed)), HashSet::from([first, unrelated]));
    assert!(claimed.iter().all(|claimed| claimed.body.as_deref() == Some("{\"n\":1}")));
    assert!(bed.claim(later).await.is_empty(), "one in work is not claimed again, and still holds the second back");
    let of_other = claimed.iter().find(|claimed| claimed.delivery.id == unrelated).unwrap();
    bed.record(of_other, later, DeliveryState::Delivered, None).await.unwrap();
    let of_first = claimed.iter().find(|claimed| claimed.delivery.id == first).unwrap();
    bed.record(of_first, later, DeliveryState::Failing, Some(later.plus_ms(HOUR))).await.unwrap();
    assert!(bed.claim(later.plus_ms(HOUR - 1)).await.is_empty(), "a failing one holds the second back");
    for state in [DeliveryState::Delivered, DeliveryState::Exhausted, DeliveryState::Stopped] {
        let t = bed.transaction();
        let (first, second) = (bed.announce(t, 1, START).await, bed.announce(t, 2, START).await);
        let claimed = bed.claim(later).await;
        assert_eq!(ids(&claimed), [first]);
        bed.record(&claimed[0], later, state, None).await.unwrap();
        assert_eq!(ids(&bed.claim(later).await), [second], "{state:?} ends the wait at once");
    }
    assert_eq!(bed.state(second).await, DeliveryState::Waiting);
}

pub(crate) async fn what_ends_or_fails_moves_those_behind_it(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let t = bed.transaction();
    let first = bed.announce(t, 1, START).await;
    let claimed = bed.claim(START).await;
    let second = bed.announce(t, 2, START).await;
    let due = async |id| deliveries::find(bed.db.as_ref(), bed.company, id).await.unwrap().unwrap().next_at;
    assert!(due(second).await.unwrap() > START, "looked at later, while the first is in work");
    let retry = START.plus_ms(HOUR);
    bed.record(&claimed[0], START, DeliveryState::Failing, Some(retry)).await.unwrap();
    assert_eq!(due(second).await, Some(retry), "put off with the first");
    assert_eq!(deliveries::next_due(bed.db.as_ref()).await.unwrap(), Some(retry));
    let claimed = bed.claim(retry).await;
    assert_eq!(ids(&claimed), [first]);
    bed.record(&claimed[0], retry.plus_ms(5), DeliveryState::Delivered, None).await.unwrap();
    assert_eq!(due(first).await, None);
    assert!(due(second).await.unwrap() <= retry.plus_ms(5), "released");
}

pub(crate) async fn a_lease_that_passed_on_records_nothing(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let id = bed.announce(bed.transaction(), 1, START).await;
    let slow = bed.claim(START).await;
    let later = START.plus_ms(HOUR);
    let mine = bed.claim(later).await;
    assert_eq!(ids(&mine), [id], "a lease that ended is anybody's");
    let refused = bed.record(&slow[0], later, DeliveryState::Exhausted, None).await;
    assert_eq!(refused, Err(CommitError::Guard(LEASE_GUARD)));
    assert_eq!(bed.state(id).await, DeliveryState::Waiting);
    bed.record(&mine[0], later, DeliveryState::Delivered, None).await.unwrap();
    let again = bed.record(&mine[0], later, DeliveryState::Failing, Some(later)).await;
    assert_eq!(again, Err(CommitError::Guard(LEASE_GUARD)), "acknowledged once");
    assert_eq!(deliveries::attempts(bed.db.as_ref(), bed.company, &[id]).await.unwrap().len(), 1);
}

pub(crate) async fn two_claimants_never_get_the_same(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    for _ in 0..200 {
        bed.announce(bed.transaction(), 1, START).await;
    }
    let rounds = (0..40).map(|n| {
        let bed = &bed;
        async move { bed.claim_as(if n % 2 == 0 { "a" } else { "b" }, START, 10).await }
    });
    let claimed: Vec<TransactionId> = futures::future::join_all(rounds).await.iter().flat_map(|c| ids(c)).collect();
    assert_eq!(claimed.len(), claimed.iter().collect::<HashSet<_>>().len(), "twice");
    let rest = bed.claim_as("c", START, 500).await.len();
    assert_eq!(claimed.len() + rest, 200);
}

pub(crate) async fn deferred_work_is_due_when_said(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let id = bed.announce(bed.transaction(), 1, START).await;
    let claimed = bed.claim(START).await;
    let mut batch = Batch::new();
    deliveries::defer(&mut batch, &claimed[0], NODE, START.plus_ms(100));
    bed.db.commit(batch).await.unwrap();
    assert!(bed.claim(START.plus_ms(99)).await.is_empty());
    let claimed = bed.claim(START.plus_ms(100)).await;
    assert_eq!(ids(&claimed), [id]);
    assert_eq!(claimed[0].delivery.attempts, 0, "no attempt was made");
}

pub(crate) async fn what_dead_processes_held_is_released(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    for _ in 0..3 {
        bed.announce(bed.transaction(), 1, START).await;
    }
    let mut batch = Batch::new();
    nodes::beat(&mut batch, dialect, "alive", START);
    nodes::beat(&mut batch, dialect, "dead", START.plus_ms(-10_000));
    bed.db.commit(batch).await.unwrap();
    for owner in ["alive", "dead", "me"] {
        assert_eq!(bed.claim_as(owner, START, 1).await.len(), 1);
    }
    let mut batch = Batch::new();
    let now = START.plus_ms(10);
    deliveries::release_dead(&mut batch, "me", now, START.plus_ms(-5_000), now.plus_ms(60_000));
    bed.db.commit(batch).await.unwrap();
    assert_eq!(bed.claim(now).await.len(), 1, "only what the dead one held");
}

pub(crate) async fn an_endpoint_is_switched_off_once_and_on_again(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let commit = async |fill: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new();
        fill(&mut batch);
        bed.db.commit(batch).await.map(|_| ())
    };
    let (company, method) = (bed.company, bed.method);
    let off =
        |now: Timestamp, since: Timestamp| move |batch: &mut Batch| endpoints::switch_off(batch, company, method, now, since);
    commit(&|batch| endpoints::failed(batch, bed.company, bed.method, START)).await.unwrap();
    commit(&|batch| endpoints::failed(batch, bed.company, bed.method, START.plus_ms(HOUR))).await.unwrap();
    let now = START.plus_ms(120 * HOUR);
    let guard = Err(CommitError::Guard(endpoints::SWITCH_OFF_GUARD));
    assert_eq!(commit(&off(now, START.plus_ms(-1))).await, guard, "not failing for that long");
    commit(&|batch| endpoints::works(batch, bed.company, bed.method)).await.unwrap();
    assert_eq!(commit(&off(now, START)).await, guard, "it worked in between");
    commit(&|batch| endpoints::failed(batch, bed.company, bed.method, START)).await.unwrap();
    let before = bed.announce(bed.transaction(), 1, START).await;
    commit(&off(now, START)).await.unwrap();
    assert_eq!(commit(&off(now, START)).await, guard, "once");
    let meanwhile = bed.announce(bed.transaction(), 1, START).await;
    assert_eq!(bed.state(meanwhile).await, DeliveryState::Disabled);
    let claimed = bed.claim(START).await;
    assert_eq!(ids(&claimed), [before]);
    assert!(claimed[0].endpoint_off && claimed[0].failing_since == Some(START));
    commit(&|batch| deliveries::switched_off(batch, &claimed[0], NODE)).await.unwrap();
    assert_eq!(bed.state(before).await, DeliveryState::Disabled);
    assert_eq!(endpoints::all_off(bed.db.as_ref(), bed.company).await.unwrap(), [bed.method]);
    commit(&|batch| endpoints::switch_on(batch, bed.company, bed.method)).await.unwrap();
    assert_eq!(endpoints::off_since(bed.db.as_ref(), bed.company, bed.method).await.unwrap(), None);
    let after = bed.announce(bed.transaction(), 1, START).await;
    assert_eq!(bed.state(after).await, DeliveryState::Waiting);
}

pub(crate) async fn replays_keep_ids_and_neither_wait_nor_are_waited_for(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let t = bed.transaction();
    let first = bed.announce(t, 1, START).await;
    let claimed = bed.claim(START).await;
    let event = claimed[0].delivery.event_id.clone();
    bed.record(&claimed[0], START, DeliveryState::Exhausted, None).await.unwrap();
    let replay = async |id, oldest| {
        let mut batch = Batch::new();
        deliveries::replay(&mut batch, bed.company, id, START, oldest);
        bed.db.commit(batch).await.unwrap()[0].len()
    };
    assert_eq!(replay(first, START.plus_ms(1)).await, 0, "older than what is kept");
    assert_eq!(replay(first, START).await, 1);
    let second = bed.announce(t, 2, START).await;
    let claimed = bed.claim(START).await;
    assert_eq!(HashSet::from_iter(ids(&claimed)), HashSet::from([first, second]), "the second does not wait for a replay");
    assert_eq!(replay(first, START).await, 0, "somebody is sending it right now");
    let again = claimed.iter().find(|claimed| claimed.delivery.id == first).unwrap();
    assert_eq!((again.delivery.event_id.clone(), again.delivery.attempts, again.delivery.attempts_total), (event, 0, 1));
    bed.record(again, START, DeliveryState::Delivered, None).await.unwrap();
    let numbers: Vec<u32> =
        deliveries::attempts(bed.db.as_ref(), bed.company, &[first]).await.unwrap().iter().map(|(_, a)| a.n).collect();
    assert_eq!(numbers, [1, 2]);
}

pub(crate) async fn all_since_in_chunks(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let total = REPLAY_CHUNK + 5;
    for n in 0..total {
        bed.announce(bed.transaction(), 1, START.plus_ms(i64::from(n))).await;
    }
    // The first two hundred were taken, the rest waits.
    let now = START.plus_ms(HOUR);
    for claimed in bed.claim_as(NODE, now, 200).await {
        bed.record(&claimed, now, DeliveryState::Delivered, None).await.unwrap();
    }
    let start = TransactionId::new(Timestamp::from_millis(0), [0; 6]);
    let mut after = start;
    let mut queued = Vec::new();
    loop {
        let some = deliveries::replay_since(bed.db.as_ref(), Batch::new(), bed.company, (START.plus_ms(100), None), after, now)
            .await
            .unwrap();
        let Some(last) = some.iter().max() else { break };
        after = *last;
        queued.extend(some);
    }
    let distinct: HashSet<_> = queued.iter().collect();
    assert_eq!((queued.len(), distinct.len()), (total as usize - 100, total as usize - 100));
    let delivered = (START, Some(DeliveryState::Delivered));
    let left = deliveries::replay_since(bed.db.as_ref(), Batch::new(), bed.company, delivered, start, now).await.unwrap();
    assert_eq!(left.len(), 200, "by state: what is under way again remembers that it was delivered");
}

pub(crate) async fn lists_are_filtered_and_paged(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let t = bed.transaction();
    let mut all = Vec::new();
    for n in 1..=5 {
        all.push(bed.announce(t, n, START.plus_ms(n * 1_000)).await);
    }
    all.reverse();
    let claimed = bed.claim(START.plus_ms(HOUR)).await;
    bed.record(&claimed[0], START, DeliveryState::Delivered, None).await.unwrap();
    let list = async |filter: Filter, limit| {
        let found = deliveries::list(bed.db.as_ref(), bed.company, &filter, limit).await.unwrap();
        found.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default(), 10).await, all);
    assert_eq!(list(Filter { before: Some(all[1]), ..Filter::default() }, 2).await, all[2..4]);
    assert_eq!(list(Filter { state: Some(DeliveryState::Delivered), ..Filter::default() }, 10).await, all[4..]);
    assert_eq!(list(Filter { transaction_id: Some(bed.transaction()), ..Filter::default() }, 10).await, []);
    assert_eq!(list(Filter { transaction_id: Some(t), ..Filter::default() }, 10).await, all);
    let window = Filter { from: Some(START.plus_ms(2_000)), to: Some(START.plus_ms(4_000)), ..Filter::default() };
    assert_eq!(list(window, 10).await, all[2..4]);
    let other = domain::CompanyId::new(START, [9; 6]);
    assert!(deliveries::list(bed.db.as_ref(), other, &Filter::default(), 10).await.unwrap().is_empty());
    assert!(deliveries::find(bed.db.as_ref(), other, all[0]).await.unwrap().is_none());
}
