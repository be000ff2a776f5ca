//! Row R8: no event overtakes an earlier one of its transaction; and work that changes hands.

use super::receiver::{Receiver, Reply};
use super::*;
use crate::random::Random;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use store::repository::deliveries::Lease;
use store::repository::nodes;

const TRANSACTIONS: usize = 10_000;

/// One fault in ten; after each, the platform comes again.
fn faulty(random: &Random) -> Reply {
    match random.number() % 200 {
        0..8 => Reply::status(500),
        8..16 => Reply::Reset,
        16..19 => Reply::Slowly(Duration::from_millis(20), 503),
        19 => Reply::Hang,
        20..40 => Reply::Slowly(Duration::from_millis(5), 200),
        _ => Reply::status(200),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_overtakes_an_earlier_one() {
    let random = Random::default();
    let taken: Arc<Mutex<HashMap<String, i64>>> = Arc::default();
    let overtaken: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen_taken, seen_overtaken) = (taken.clone(), overtaken.clone());
    let receiver = Receiver::start(move |seen| {
        let reply = faulty(&random);
        let mut taken = seen_taken.lock().unwrap();
        let last = taken.entry(seen.transaction()).or_default();
        // What was answered 2xx counts as taken; the platform may not have heard it and come again, but never with a later one
        // before.
        if seen.sequence() > *last + 1 {
            seen_overtaken.lock().unwrap().push(format!("{} {} after {last}", seen.transaction(), seen.sequence()));
        }
        if matches!(reply, Reply::With(200, ..) | Reply::Slowly(_, 200)) {
            *last = (*last).max(seen.sequence());
        }
        reply
    })
    .await;
    let world = World::new(Clock::system(50)).await;
    let mut methods = Vec::new();
    for _ in 0..8 {
        methods.push(world.method(&receiver.url).await);
    }
    world.deliver();
    let mut events = 0;
    for chunk in 0..TRANSACTIONS / 100 {
        let mut batch = Batch::new();
        let mut again = Vec::new();
        for n in 0..100 {
            let (id, method) = (world.id(), &methods[(chunk * 100 + n) % methods.len()]);
            world.tell(&mut batch, method, id, 1);
            events += 1;
            if n % 4 == 0 {
                // Two at once: a reversal that was seen while pending.
                world.tell(&mut batch, method, id, 2);
                again.push((id, method.clone(), 3));
                events += 1;
            } else {
                again.push((id, method.clone(), 2));
            }
        }
        world.engine.store().commit(batch).await.unwrap();
        world.engine.inner.wake.deliveries.notify_one();
        let mut batch = Batch::new();
        for (id, method, sequence) in again.iter().step_by(3) {
            world.tell(&mut batch, method, *id, *sequence);
            events += 1;
        }
        world.engine.store().commit(batch).await.unwrap();
        world.engine.inner.wake.deliveries.notify_one();
    }
    world.until_count(DeliveryState::Delivered, events).await;
    world.stop().await;
    assert_eq!(*overtaken.lock().unwrap(), Vec::<String>::new());
    assert_eq!(taken.lock().unwrap().len(), TRANSACTIONS);
    let ids: HashSet<String> = receiver.all().iter().map(|seen| seen.id().to_owned()).collect();
    assert_eq!(i64::try_from(ids.len()).unwrap(), events, "one id per event, whatever came between");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_work() {
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let world = World::postgres(Clock::system(1)).await;
    let method = world.method(&receiver.url).await;
    let other = world.another_process().await;
    let mut batch = Batch::new();
    for engine in [&world.engine, &other] {
        // Both are alive, as their heartbeats would say.
        nodes::beat(&mut batch, engine.store().dialect(), &engine.inner.node_id, world.engine.clock().now().plus_ms(3_600_000));
    }
    world.engine.store().commit(batch).await.unwrap();
    world.deliver();
    let second = other.clone();
    other.inner.tasks.spawn(async move { second.run_deliveries().await });
    for _ in 0..20 {
        let mut batch = Batch::new();
        for _ in 0..25 {
            world.tell(&mut batch, &method, world.id(), 1);
        }
        world.engine.store().commit(batch).await.unwrap();
        world.engine.inner.wake.deliveries.notify_one();
        other.inner.wake.deliveries.notify_one();
    }
    world.until_count(DeliveryState::Delivered, 500).await;
    assert_eq!(receiver.count(), 500, "each once");
    other.inner.stop.cancel();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_held_is_delivered_at_the_next_start() {
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let world = World::new(Clock::system(1)).await;
    let method = world.method(&receiver.url).await;
    let (event, id) = world.announce(&method, world.id(), 1).await;
    // Another process took it, and was killed before it sent anything.
    let now = world.engine.clock().now();
    let lease = Lease { owner: "killed", until: now.plus_ms(60_000) };
    assert_eq!(deliveries::claim(world.engine.store(), lease, now, 10).await.unwrap().len(), 1);
    world.deliver();
    world.until_state(id, DeliveryState::Delivered).await;
    assert_eq!(receiver.all()[0].id(), event.as_str());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_gives_back_what_has_not_begun() {
    let receiver = Receiver::start(|_| Reply::Hang).await;
    let world = World::new(Clock::system(20)).await;
    let method = world.method(&receiver.url).await;
    let mut batch = Batch::new();
    for _ in 0..200 {
        world.tell(&mut batch, &method, world.id(), 1);
    }
    world.engine.store().commit(batch).await.unwrap();
    world.deliver();
    while receiver.count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.stop().await;
    let held = "SELECT COUNT(*) FROM deliveries WHERE owner IS NOT NULL";
    assert_eq!(world.engine.store().query(held, Vec::new()).await.unwrap()[0].int(0).unwrap(), 0);
    assert!(receiver.count() <= 10, "one endpoint that hangs has few places: {}", receiver.count());
}
