//! Row R3: the schedule on a clock that the test moves, with a real receiver; and the end of an endpoint that only fails.

use super::receiver::{Receiver, Reply};
use super::*;
use domain::schedule::DELIVERY_WAITS_MS;
use standardwebhooks::Webhook;
use std::time::Instant;
use store::repository::audit;

const HOUR: i64 = 3_600_000;

/// Waits until nobody works on anything.
async fn quiet(world: &World) {
    let started = Instant::now();
    loop {
        let sql = "SELECT (SELECT COUNT(*) FROM deliveries WHERE owner IS NOT NULL), \
                   (SELECT COUNT(*) FROM deliveries WHERE next_at <= ?1)";
        let rows = world.engine.store().query(sql, vec![world.engine.clock().now().millis().into()]).await.unwrap();
        if rows[0].int(0).unwrap() == 0 && rows[0].int(1).unwrap() == 0 {
            return;
        }
        let (held, due) = (rows[0].int(0).unwrap(), rows[0].int(1).unwrap());
        assert!(started.elapsed() < PATIENCE, "{held} are held and {due} are due");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirteen_attempts_at_the_written_times() {
    let started = Instant::now();
    let receiver = Receiver::start(|_| Reply::status(500)).await;
    let world = World::new(Clock::manual(START)).await;
    let method = world.method(&receiver.url).await;
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(world.announce(&method, world.id(), 1).await);
    }
    world.deliver();
    // From due time to due time: nothing is sent before, everything at it.
    quiet(&world).await;
    while let Some(due) = deliveries::next_due(world.engine.store()).await.unwrap() {
        let now = world.engine.clock().now();
        let before = receiver.count();
        world.engine.clock().advance(due.since(now) - 1);
        tokio::task::yield_now().await;
        assert_eq!(receiver.count(), before, "early");
        world.engine.clock().advance(1);
        quiet(&world).await;
        assert!(receiver.count() > before, "at its time");
    }
    for (event, delivery) in &told {
        let attempts = world.attempts(*delivery).await;
        assert_eq!(attempts.len(), 13);
        for (n, pair) in attempts.windows(2).enumerate() {
            let (waited, written) = (pair[1].at.since(pair[0].at), DELIVERY_WAITS_MS[n]);
            let spread = written / 5;
            assert!((written - spread..=written + spread).contains(&waited), "wait {n}: {waited} for {written}");
        }
        let whole = attempts[12].at.since(attempts[0].at);
        assert!((60 * HOUR..=92 * HOUR).contains(&whole), "{whole}");
        let end = world.delivery(*delivery).await;
        assert_eq!((end.state, end.attempts, end.next_at), (DeliveryState::Exhausted, 13, None));
        let seen: Vec<_> = receiver.all().into_iter().filter(|seen| seen.id() == event.as_str()).collect();
        assert_eq!(seen.len(), 13, "one id for all attempts");
        let verifier = Webhook::new(method.webhook_secrets.signing.expose()).unwrap();
        for seen in &seen {
            assert_eq!(seen.body, receiver_body(&seen.body), "valid JSON");
            assert_eq!(seen.body, seen_first(&receiver.all(), event.as_str()), "the same bytes");
            let at: i64 = seen.header("webhook-timestamp").parse().unwrap();
            assert_eq!(seen.header("webhook-signature"), verifier.sign(event.as_str(), at, seen.body.as_bytes()).unwrap());
        }
    }
    world.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

fn receiver_body(text: &str) -> String {
    Json::parse(text.as_bytes()).unwrap().to_text()
}

fn seen_first(all: &[super::receiver::Seen], id: &str) -> String {
    all.iter().find(|seen| seen.id() == id).unwrap().body.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_only_fails_is_switched_off_once() {
    let healthy = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let works = healthy.clone();
    let receiver =
        Receiver::start(move |_| Reply::status(if works.load(std::sync::atomic::Ordering::SeqCst) { 200 } else { 503 })).await;
    let world = World::new(Clock::manual(START)).await;
    let method = world.method(&receiver.url).await;
    world.deliver();
    let off = async || world.engine.endpoint_off_since(world.company, method.id).await.unwrap();
    let mut told = Vec::new();
    // A new event every hour; each is due at its own times.
    for hour in 0..130 {
        if off().await.is_none() {
            assert!(hour <= 121, "still on after {hour} h");
        } else {
            assert!(hour >= 120, "off after {hour} h");
        }
        told.push(world.announce(&method, world.id(), 1).await.1);
        quiet(&world).await;
        world.engine.clock().advance(HOUR);
        quiet(&world).await;
    }
    assert!(off().await.is_some());
    let last = world.delivery(told[129]).await;
    assert_eq!((last.state, last.attempts), (DeliveryState::Disabled, 0), "its events still become rows");
    let notices = async |action: &str| {
        let entries = audit::list(world.engine.store(), world.company, None, 200).await.unwrap();
        entries.into_iter().filter(|entry| entry.action == action).collect::<Vec<_>>()
    };
    let notice = notices("webhook_endpoint.switch_off").await;
    assert_eq!((notice.len(), notice[0].object.as_str()), (1, format!("payment_method:{}", method.id).as_str()), "once");

    healthy.store(true, std::sync::atomic::Ordering::SeqCst);
    let before = receiver.count();
    while let Some(due) = deliveries::next_due(world.engine.store()).await.unwrap() {
        world.engine.clock().advance(due.since(world.engine.clock().now()));
        quiet(&world).await;
    }
    assert_eq!(receiver.count(), before, "nothing goes to it, nor what was failing before");
    assert_eq!(world.count(DeliveryState::Failing).await, 0);
    assert!(world.engine.switch_endpoint_on(world.company, method.id, &Actor::operator()).await.unwrap());
    assert!(!world.engine.switch_endpoint_on(world.company, method.id, &Actor::operator()).await.unwrap());
    assert_eq!(notices("webhook_endpoint.switch_on").await.len(), 1);
    let fresh = world.announce(&method, world.id(), 1).await.1;
    world.until_state(fresh, DeliveryState::Delivered).await;
    let disabled = u64::try_from(world.count(DeliveryState::Disabled).await).unwrap();
    let state = Some(DeliveryState::Disabled);
    let queued = world.engine.replay_since(world.company, START, state, &Actor::operator()).await.unwrap();
    assert_eq!(queued, disabled);
    world.until_count(DeliveryState::Disabled, 0).await;
    world.until_count(DeliveryState::Waiting, 0).await;
    assert_eq!(world.delivery(told[129]).await.state, DeliveryState::Delivered);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_success_begins_the_120_hours_anew() {
    let receiver = Receiver::start(|seen| Reply::status(if seen.body.contains("ok") { 200 } else { 500 })).await;
    let world = World::new(Clock::manual(START)).await;
    let method = world.method(&receiver.url).await;
    world.deliver();
    for hour in 0..24 {
        // Every tenth event is taken.
        let mut batch = Batch::new();
        let id = world.id();
        let (_, delivery) = world.tell(&mut batch, &method, id, 1);
        if hour % 10 == 9 {
            batch.run("UPDATE webhook_events SET body = '{\"ok\":1}' WHERE transaction_id = ?1", vec![id.to_string().into()]);
        }
        world.engine.store().commit(batch).await.unwrap();
        world.engine.inner.wake.deliveries.notify_one();
        quiet(&world).await;
        assert!(world.attempts(delivery).await.len() == 1);
        world.engine.clock().advance(10 * HOUR);
        quiet(&world).await;
    }
    assert_eq!(world.engine.endpoint_off_since(world.company, method.id).await.unwrap(), None);
    world.stop().await;
}
