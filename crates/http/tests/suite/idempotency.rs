//! `Idempotency-Key` (Cashier API, section 4; reliability I2): the cases that need no crash and no waiting for a day.

use crate::platform::{PAY_IN, Platform, jwt};
use crate::wire::Answer;

const RUNNING: &str = "A request with this Idempotency-Key is still running";

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

#[tokio::test]
async fn a_replay_is_the_same_bytes_whatever_has_changed_since() {
    let platform = Platform::start().await;
    let call = platform.cashier(PAY_IN).header("idempotency-key", "order-1");
    let first = platform.send(&call).await;
    assert_eq!((first.status, replayed(&first)), (200, false), "{first:?}");
    let expired = jwt(r#"{"alg":"HS256"}"#, r#"{"userId":"user_123","exp":1}"#);
    platform.switch_method(false).await;
    let again = [
        ("as it was", call.clone()),
        ("with an expired user token", call.clone().with("x-user-token", &format!("Bearer {expired}"))),
        ("without a user", call.clone().without("x-user-token")),
    ];
    for (name, call) in again {
        let answer = platform.send(&call).await;
        assert_eq!((answer.status, replayed(&answer)), (200, true), "{name}: {answer:?}");
        assert_eq!(answer.body, first.body, "{name}");
    }
    let other = platform.send(&call.clone().body(&format!("{PAY_IN} "))).await;
    assert_eq!((other.status, other.message().as_str()), (422, "Idempotency-Key was used with another body"));
    assert_eq!(platform.provider.taken(), 1);
    // Another key, or none, is another order.
    platform.switch_method(true).await;
    assert_eq!(platform.send(&call.with("idempotency-key", "order-2")).await.status, 200);
    platform.paid(PAY_IN).await;
    assert_eq!(platform.provider.taken(), 3);
}

#[tokio::test]
async fn a_key_belongs_to_its_company() {
    let platform = Platform::start().await;
    let acme = platform.cashier(PAY_IN).header("idempotency-key", "shared");
    let other = acme.clone().with("authorization", &format!("Bearer {}", platform.other.token));
    let (first, second) = (platform.send(&acme).await, platform.send(&other).await);
    assert_eq!((first.status, second.status, replayed(&second)), (200, 200, false), "{second:?}");
    assert_ne!(first.body, second.body);
    assert_eq!(platform.provider.taken(), 2);
}

#[tokio::test]
async fn while_the_first_one_runs_the_second_waits_its_turn() {
    let platform = Platform::start().await;
    platform.provider.hold_next();
    let call = platform.cashier(PAY_IN).header("idempotency-key", "slow");
    let mut first = platform.server.connect().await;
    first.send(call.text().as_bytes()).await;
    platform.provider.reached(1).await;
    let running = platform.send(&call).await;
    assert_eq!((running.status, running.message().as_str()), (409, RUNNING));
    assert_eq!(running.header("retry-after"), Some("1"));
    let other = platform.send(&call.clone().body(&format!("{PAY_IN} "))).await;
    assert_eq!(other.status, 422, "another body is told even then");
    platform.provider.go_on();
    let first = first.answer().await.unwrap();
    assert_eq!(first.status, 200, "{first:?}");
    let again = platform.send(&call).await;
    assert_eq!((again.body, platform.provider.taken()), (first.body, 1));
}

#[tokio::test]
async fn a_client_that_hangs_up_finds_its_answer_later() {
    let platform = Platform::start().await;
    platform.provider.hold_next();
    let call = platform.cashier(PAY_IN).header("idempotency-key", "impatient");
    let mut first = platform.server.connect().await;
    first.send(call.text().as_bytes()).await;
    platform.provider.reached(1).await;
    drop(first);
    platform.provider.go_on();
    let mut answer = platform.send(&call).await;
    for _ in 0..200 {
        if answer.status != 409 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        answer = platform.send(&call).await;
    }
    assert_eq!((answer.status, replayed(&answer), platform.provider.taken()), (200, true, 1), "{answer:?}");
}

#[tokio::test]
async fn what_was_refused_before_anything_was_made_runs_as_new() {
    let platform = Platform::start().await;
    let call = platform.cashier(PAY_IN).header("idempotency-key", "second-try");
    let refused = [
        call.clone().without("x-user-token"),
        call.clone().replace("player@example.com", "x"),
        call.clone().replace("{", r#"{"brandId":"nobody","#),
    ];
    for call in refused {
        let answer = platform.send(&call).await;
        assert!(matches!(answer.status, 400 | 401) && !replayed(&answer), "{answer:?}");
    }
    let answer = platform.send(&call).await;
    assert_eq!((answer.status, replayed(&answer)), (200, false), "{answer:?}");
}

#[tokio::test]
async fn sixty_four_at_once_are_one_order() {
    let platform = std::sync::Arc::new(Platform::start().await);
    let calls = (0..64).map(|_| {
        let platform = std::sync::Arc::clone(&platform);
        tokio::spawn(async move { platform.send(&platform.cashier(PAY_IN).header("idempotency-key", "crowd")).await })
    });
    let mut bodies = std::collections::HashSet::new();
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        match answer.status {
            200 => assert!(bodies.insert(answer.body) || bodies.len() == 1),
            409 => assert_eq!(answer.message(), RUNNING),
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!((bodies.len(), platform.provider.taken()), (1, 1));
}

#[tokio::test]
async fn keys_that_are_none() {
    let platform = Platform::start().await;
    let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
    let too_long = "k".repeat(256);
    for key in ["", "a b", "\u{e9}", too_long.as_str()] {
        let answer = platform.send(&platform.cashier(PAY_IN).header("idempotency-key", key)).await;
        assert_eq!((answer.status, answer.message().as_str()), (400, message), "{key:?}");
    }
    let twice = platform.cashier(PAY_IN).header("idempotency-key", "a").header("idempotency-key", "a");
    assert_eq!(platform.send(&twice).await.message(), message);
    let longest = platform.cashier(PAY_IN).header("idempotency-key", &too_long[1..]);
    assert_eq!(platform.send(&longest).await.status, 200);
    assert_eq!(platform.provider.taken(), 1);
}
