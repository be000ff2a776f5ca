//! Row R4: every kind of answer, with real sockets.

use super::receiver::{Receiver, Reply};
use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A hundredth of the written times: the limit of 10 s ends after 100 ms.
const SCALE: u32 = 100;

/// The first attempt at an endpoint of that address.
async fn first_attempt(world: &World, url: &str) -> (Delivery, Attempt) {
    let method = world.method(url).await;
    let (_, id) = world.announce(&method, world.id(), 1).await;
    let delivery = world.until(id, |delivery| delivery.attempts_total >= 1).await;
    (delivery, world.attempts(id).await.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses() {
    let world = World::new(Clock::system(1)).await;
    world.deliver();
    for status in [200, 201, 202, 206, 299] {
        let receiver = Receiver::start(move |_| Reply::status(status)).await;
        let (delivery, attempt) = first_attempt(&world, &receiver.url).await;
        assert_eq!((delivery.state, delivery.next_at), (DeliveryState::Delivered, None), "{status}");
        assert_eq!((attempt.http_status, attempt.failure, attempt.response_body.as_deref()), (Some(status), None, Some("seen")));
        assert!(delivery.delivered_at.is_some());
    }
    let elsewhere = Receiver::start(|_| Reply::status(200)).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}\r\n", elsewhere.url);
        let receiver = Receiver::start(move |_| Reply::With(status, location.clone(), String::new())).await;
        let (delivery, attempt) = first_attempt(&world, &receiver.url).await;
        assert_eq!((delivery.state, attempt.http_status), (DeliveryState::Failing, Some(status)));
        assert_eq!(attempt.failure.as_deref(), Some("http_status"));
    }
    assert_eq!(elsewhere.count(), 0, "redirects are not followed");
    for status in [400, 401, 403, 404, 408, 422, 429, 500, 502, 503, 504] {
        let receiver = Receiver::start(move |_| Reply::status(status)).await;
        let (delivery, attempt) = first_attempt(&world, &receiver.url).await;
        assert_eq!((delivery.state, attempt.http_status), (DeliveryState::Failing, Some(status)));
        let wait = delivery.next_at.unwrap().since(attempt.at);
        assert!((4_000..=6_600).contains(&wait), "{status}: {wait}");
    }
    let gone = Receiver::start(|_| Reply::status(410)).await;
    let (delivery, attempt) = first_attempt(&world, &gone.url).await;
    assert_eq!((delivery.state, delivery.next_at, attempt.http_status), (DeliveryState::Stopped, None, Some(410)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after() {
    let world = World::new(Clock::system(1)).await;
    world.deliver();
    for (status, seconds, low, high) in [
        (429, "120", 120_000, 121_000),
        (503, "120", 120_000, 121_000),
        (503, "1", 4_000, 6_600),
        (429, "999999", 86_400_000, 86_401_000),
        (503, "nonsense", 4_000, 6_600),
    ] {
        let receiver = Receiver::start(move |_| Reply::With(status, format!("retry-after: {seconds}\r\n"), String::new())).await;
        let (delivery, attempt) = first_attempt(&world, &receiver.url).await;
        let wait = delivery.next_at.unwrap().since(attempt.at);
        assert!((low..=high).contains(&wait), "{status} {seconds}: {wait}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_answer() {
    let world = World::new(Clock::system(SCALE)).await;
    world.deliver();
    let failure = async |url: &str| {
        let (delivery, attempt) = first_attempt(&world, url).await;
        assert_ne!(delivery.state, DeliveryState::Delivered);
        assert_eq!((attempt.http_status, attempt.response_body.as_ref()), (None, None), "{url}");
        (attempt.failure.unwrap(), attempt.latency_ms)
    };
    let reset = Receiver::start(|_| Reply::Reset).await;
    assert_eq!(failure(&reset.url).await.0, "broken");
    let hang = Receiver::start(|_| Reply::Hang).await;
    let (word, latency_ms) = failure(&hang.url).await;
    assert_eq!(word, "timeout");
    assert!((90..5_000).contains(&latency_ms), "{latency_ms}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(failure(&format!("http://{nobody}/")).await.0, "connect");
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    assert_eq!(failure(&format!("https://{address}/")).await.0, "tls");
    assert_eq!(failure("https://webhooks.invalid/").await.0, "dns");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_megabyte_the_first_kilobyte_is_kept() {
    let world = World::new(Clock::system(1)).await;
    world.deliver();
    for (status, state) in [(200, DeliveryState::Delivered), (500, DeliveryState::Failing)] {
        let receiver = Receiver::start(move |_| Reply::With(status, String::new(), "m".repeat(1_000_000))).await;
        let (delivery, attempt) = first_attempt(&world, &receiver.url).await;
        assert_eq!((delivery.state, attempt.http_status), (state, Some(status)));
        assert_eq!(attempt.response_body, Some("m".repeat(1_024)));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_became_bad_is_refused_at_connect() {
    let world = World::new(Clock::system(1)).await;
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let method = world.method(&receiver.url).await;
    // Saved long ago, by other rules: what is stored is not trusted.
    let stored = "UPDATE payment_methods SET config = ?2 WHERE id = ?1";
    let config = "{\"webhookUrl\":\"https://169.254.169.254/latest\"}";
    let mut batch = Batch::new();
    batch.run(stored, vec![method.id.to_string().into(), config.into()]);
    world.engine.store().commit(batch).await.unwrap();
    world.engine.directory().changed(world.company);
    world.deliver();
    let (_, id) = world.announce(&*world.configured(method.id).await, world.id(), 1).await;
    let delivery = world.until(id, |delivery| delivery.attempts_total == 1).await;
    assert_eq!(delivery.last_failure.as_deref(), Some("refused_address"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echoed_bearer_is_not_kept() {
    let world = World::new(Clock::system(1)).await;
    world.deliver();
    let receiver =
        Receiver::start(|seen| Reply::With(200, String::new(), format!("you sent {}", seen.header("authorization")))).await;
    let (_, attempt) = first_attempt(&world, &receiver.url).await;
    assert!(receiver.all()[0].header("authorization").starts_with("Bearer whb_"));
    assert_eq!(attempt.response_body.as_deref(), Some("you sent Bearer ***"));
    world.stop().await;
}
