//! Rows R6 and R7: endpoints that hang hold nobody else up, and a large replay is done soon.

use super::receiver::{Receiver, Reply};
use super::*;
use std::collections::HashSet;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_hang_hold_nobody_else_up() {
    let world = World::new(Clock::system(1)).await;
    let good = Receiver::start(|_| Reply::status(200)).await;
    let hanging = Receiver::start(|_| Reply::Hang).await;
    let mut methods = Vec::new();
    for n in 0..50 {
        methods.push(world.method(if n % 5 == 0 { &hanging.url } else { &good.url }).await);
    }
    world.deliver();
    let started = Instant::now();
    // The hanging ones have the larger backlog, and it is the older one.
    for rounds in [60, 40] {
        let mut batch = Batch::new();
        for method in methods.iter().filter(|method| rounds == 40 || method.settings.text("webhookUrl") == Some(&hanging.url)) {
            for _ in 0..rounds {
                world.tell(&mut batch, method, world.id(), 1);
            }
        }
        world.engine.store().commit(batch).await.unwrap();
        world.engine.inner.wake.deliveries.notify_one();
    }
    world.until_count(DeliveryState::Delivered, 40 * 40).await;
    // No attempt at a hanging endpoint has even come to its limit of 10 s.
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    assert_eq!(good.count(), 40 * 40);
    assert!(hanging.count() <= 128, "they share their places: {}", hanging.count());
    world.engine.inner.stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_are_replayed_with_their_ids() {
    const ALL: usize = 10_000;
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let world = World::new(Clock::system(1)).await;
    let method = world.method(&receiver.url).await;
    let mut ids = HashSet::new();
    for _ in 0..ALL / 500 {
        let mut batch = Batch::new();
        for _ in 0..500 {
            ids.insert(world.tell(&mut batch, &method, world.id(), 1).0.to_string());
        }
        batch.run("UPDATE deliveries SET state = 'exhausted', next_at = NULL, attempts = 13, attempts_total = 13", Vec::new());
        world.engine.store().commit(batch).await.unwrap();
    }
    world.deliver();
    let started = Instant::now();
    let since = world.engine.clock().now().plus_ms(-3_600_000);
    let state = Some(DeliveryState::Exhausted);
    let queued = world.engine.replay_since(world.company, since, state, &Actor::operator()).await.unwrap();
    assert_eq!(queued, ALL as u64);
    assert!(started.elapsed() < Duration::from_secs(30), "queued after {:?}", started.elapsed());
    world.until_count(DeliveryState::Delivered, i64::try_from(ALL).unwrap()).await;
    println!("10,000 queued and delivered in {:?}", started.elapsed());
    let seen: HashSet<String> = receiver.all().iter().map(|seen| seen.id().to_owned()).collect();
    assert_eq!(seen, ids);
    assert_eq!(receiver.count(), ALL, "each once");
    world.stop().await;
}
