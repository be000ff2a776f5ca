//! Replays, tests, the feed, lists.

use super::receiver::{Receiver, Reply};
use super::*;
use crate::directory::change::{Previous, WebhookSecretKind};
use crate::webhooks::{DeliveryError, DeliveryFilter};
use std::sync::atomic::{AtomicU16, Ordering};
use store::repository::audit;

async fn audited(world: &World, action: &str) -> usize {
    let entries = audit::list(world.engine.store(), world.company, None, 200).await.unwrap();
    entries.iter().filter(|entry| entry.action == action && entry.actor == "operator").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_event_is_sent_at_once_and_is_not_in_the_feed() {
    let status = Arc::new(AtomicU16::new(200));
    let answer = status.clone();
    let receiver = Receiver::start(move |_| Reply::status(answer.load(Ordering::SeqCst))).await;
    let world = World::new(Clock::system(1)).await;
    let method = world.method(&receiver.url).await;
    // No worker runs: the test is sent by whoever asks for it.
    let view = world.engine.send_test(world.company, method.id, &Actor::operator()).await.unwrap();
    assert_eq!((view.delivery.state, view.attempts.len()), (DeliveryState::Delivered, 1));
    let shown = view.to_json();
    assert_eq!(shown.str_at("status"), Some("delivered"));
    assert_eq!(shown.str_at("transactionId"), Some("000000000000000000000000"));
    let attempt = &shown.get("attempts").unwrap().as_array().unwrap()[0];
    let names: Vec<&str> = attempt.as_object().unwrap().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["at", "httpStatus", "failure", "latencyMs", "responseBody"]);
    assert_eq!((attempt.get("httpStatus").unwrap().as_number(), attempt.get("failure")), (Some("200"), Some(&Json::Null)));
    let seen = &receiver.all()[0];
    let body = Json::parse(seen.body.as_bytes()).unwrap();
    assert_eq!(body.str_at("transaction_status"), Some("Pending"));
    assert_eq!(body.str_at("transaction_id"), Some("000000000000000000000000"));
    assert_eq!(body.str_at("method"), Some("FORUMPAY_PAYIN"));
    assert_eq!((seen.sequence(), seen.id()), (1, view.delivery.event_id.as_str()));
    let verifier = standardwebhooks::Webhook::new(method.webhook_secrets.signing.expose()).unwrap();
    let headers: http::HeaderMap =
        seen.headers.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect();
    verifier.verify(seen.body.as_bytes(), &headers).unwrap();
    assert!(world.engine.events_after(world.company, None, 10).await.unwrap().unwrap().items.is_empty());

    status.store(500, Ordering::SeqCst);
    let view = world.engine.send_test(world.company, method.id, &Actor::operator()).await.unwrap();
    assert_eq!((view.delivery.state, view.delivery.next_at), (DeliveryState::Exhausted, None), "tried once");
    assert_eq!(audited(&world, "payment_method.webhook_test").await, 2);

    let without = Json::object([("webhookUrl", Json::Null)]);
    world.patch(method.id, without).await;
    let refused = world.engine.send_test(world.company, method.id, &Actor::operator()).await;
    assert!(matches!(refused, Err(DeliveryError::NoAddress)));
    let unknown = MethodId::new(START, [7; 6]);
    let refused = world.engine.send_test(world.company, unknown, &Actor::operator()).await;
    assert!(matches!(refused, Err(DeliveryError::NotFound)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_keeps_the_id_and_begins_the_schedule_anew() {
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let world = World::new(Clock::manual(START)).await;
    let method = world.method(&receiver.url).await;
    world.deliver();
    let (event, id) = world.announce(&method, world.id(), 1).await;
    world.until_state(id, DeliveryState::Delivered).await;
    let view = world.engine.replay(world.company, &id.to_string(), &Actor::operator()).await.unwrap();
    assert_eq!(view.delivery.id, id);
    world.until(id, |delivery| delivery.attempts_total == 2 && delivery.state == DeliveryState::Delivered).await;
    let seen = receiver.all();
    assert_eq!((seen.len(), seen[0].id(), seen[1].id()), (2, event.as_str(), event.as_str()));
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(audited(&world, "delivery.replay").await, 1);
    for nobody in ["", "x", "000000000000000000000001", &event.to_string()] {
        let refused = world.engine.replay(world.company, nobody, &Actor::operator()).await;
        assert!(matches!(refused, Err(DeliveryError::NotFound)), "{nobody}");
    }
    let stranger = CompanyId::new(START, [9; 6]);
    let refused = world.engine.replay(stranger, &id.to_string(), &Actor::operator()).await;
    assert!(matches!(refused, Err(DeliveryError::NotFound)), "another company's");
    world.engine.clock().advance(domain::schedule::EVENTS_KEPT_MS + 1);
    let refused = world.engine.replay(world.company, &id.to_string(), &Actor::operator()).await;
    assert!(matches!(refused, Err(DeliveryError::TooOld)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_address_there_is_an_event_and_no_delivery() {
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let world = World::new(Clock::system(1)).await;
    let method = world.method(&receiver.url).await;
    let (_, stranded) = world.announce(&method, world.id(), 1).await;
    world.patch(method.id, Json::object([("webhookUrl", Json::Null)])).await;
    let bare = world.configured(method.id).await;
    world.announce(&bare, world.id(), 1).await;
    world.deliver();
    // The one that was on its way when the address was taken away goes nowhere.
    world.until_state(stranded, DeliveryState::Disabled).await;
    let page = world.engine.deliveries(world.company, &DeliveryFilter::default(), 10).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let feed = world.engine.events_after(world.company, None, 10).await.unwrap().unwrap();
    assert_eq!(feed.items.len(), 2);
    assert_eq!(receiver.count(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_and_the_list_page_through_everything() {
    let world = World::new(Clock::system(1)).await;
    let method = world.method("http://127.0.0.1:1/").await;
    let mut told = Vec::new();
    for _ in 0..25 {
        told.push(world.announce(&method, world.id(), 1).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut after: Option<EventId> = None;
    let mut read = Vec::new();
    loop {
        let page = world.engine.events_after(world.company, after.as_ref(), 10).await.unwrap().unwrap();
        read.extend(page.items.iter().map(|item| item.id.clone()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(read, told.iter().map(|(event, _)| event.clone()).collect::<Vec<_>>());
    let page = world.engine.events_after(world.company, None, 1).await.unwrap().unwrap().to_json();
    let item = &page.get("items").unwrap().as_array().unwrap()[0];
    let names: Vec<&str> = item.as_object().unwrap().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["id", "sequence", "createdAt", "body"]);
    assert_eq!(item.get("body").unwrap().str_at("amount"), Some("100.00"));
    assert_eq!(page.str_at("next"), item.str_at("id"));
    let unknown = EventId::new(START, [8; 6]);
    assert!(world.engine.events_after(world.company, Some(&unknown), 10).await.unwrap().is_none());

    let mut filter = DeliveryFilter::default();
    let mut listed = Vec::new();
    loop {
        let page = world.engine.deliveries(world.company, &filter, 10).await.unwrap();
        listed.extend(page.items.iter().map(|view| view.delivery.id));
        match page.next {
            Some(next) => filter.before = Some(next),
            None => break,
        }
    }
    assert_eq!(listed, told.iter().rev().map(|(_, delivery)| *delivery).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_signs_beside_the_old_one() {
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let world = World::new(Clock::system(1)).await;
    let method = world.method(&receiver.url).await;
    let (kind, keep) = (WebhookSecretKind::Signing, Previous::Keep);
    let changes = world.engine.changes(Actor::operator());
    let (fresh, until) = changes.rotate_webhook_secret(world.company, method.id, kind, keep).await.unwrap();
    assert!(until > world.engine.clock().now().plus_ms(23 * 3_600_000));
    world.deliver();
    let rotated = world.configured(method.id).await;
    let (_, id) = world.announce(&rotated, world.id(), 1).await;
    world.until_state(id, DeliveryState::Delivered).await;
    let seen = &receiver.all()[0];
    let headers: http::HeaderMap =
        seen.headers.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect();
    for secret in [&fresh, &method.webhook_secrets.signing] {
        standardwebhooks::Webhook::new(secret.expose()).unwrap().verify(seen.body.as_bytes(), &headers).unwrap();
    }
    world.stop().await;
}
