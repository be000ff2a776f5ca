//! What answers mean, case by case.

use super::*;
use domain::company::{Settings, WebhookSecrets};
use domain::{CompanyId, EventId, MethodId, Secret, TransactionId};
use store::repository::deliveries::Delivery;

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const DAY: i64 = 24 * 3_600_000;

fn claimed(attempts: u32, transaction_id: TransactionId) -> Claimed {
    let delivery = Delivery {
        company_id: CompanyId::new(NOW, [1; 6]),
        id: TransactionId::new(NOW, [2; 6]),
        event_id: EventId::new(NOW, [3; 6]),
        transaction_id,
        sequence: 1,
        method_id: MethodId::new(NOW, [4; 6]),
        state: DeliveryState::Waiting,
        attempts,
        attempts_total: attempts,
        next_at: None,
        last_failure: None,
        last_http_status: None,
        created_at: NOW,
        delivered_at: None,
    };
    Claimed { delivery, lease_until: NOW, body: None, failing_since: None, endpoint_off: false }
}

fn answer(status: u16, retry_after: Option<&str>) -> Result<Incoming, Failure> {
    let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
    Ok(Incoming { status, headers, body: Vec::new(), truncated: false })
}

/// With a spread of none: `random % 401 == 200`.
fn judged(result: &Result<Incoming, Failure>, attempts: u32) -> (DeliveryState, Option<&'static str>, Option<i64>) {
    let verdict = judge(result, &claimed(attempts, TransactionId::new(NOW, [9; 6])), &Clock::manual(NOW), 200);
    (verdict.state, verdict.failure, verdict.next_at.map(|at| at.since(NOW)))
}

#[test]
fn any_2xx_is_delivered_and_410_stops() {
    for status in [200, 201, 202, 204, 226, 299] {
        assert_eq!(judged(&answer(status, None), 0), (DeliveryState::Delivered, None, None), "{status}");
    }
    assert_eq!(judged(&answer(410, Some("5")), 0), (DeliveryState::Stopped, Some("http_status"), None));
}

#[test]
fn all_else_is_a_failed_attempt_at_its_slot() {
    for status in [100, 199, 300, 301, 302, 304, 307, 400, 401, 404, 409, 429, 500, 502, 503, 599] {
        assert_eq!(judged(&answer(status, None), 0), (DeliveryState::Failing, Some("http_status"), Some(5_000)), "{status}");
    }
    let words = [
        (Failure::Dns, "dns"),
        (Failure::RefusedAddress, "refused_address"),
        (Failure::Connect, "connect"),
        (Failure::ConnectTimeout, "connect"),
        (Failure::Tls, "tls"),
        (Failure::Timeout, "timeout"),
        (Failure::TooLarge, "too_large"),
        (Failure::Broken, "broken"),
    ];
    for (failure, word) in words {
        assert_eq!(judged(&Err(failure), 0), (DeliveryState::Failing, Some(word), Some(5_000)));
    }
    assert_eq!(judged(&answer(500, None), 11).2, Some(DAY));
    assert_eq!(judged(&answer(500, None), 12), (DeliveryState::Exhausted, Some("http_status"), None), "the thirteenth");
}

#[test]
fn retry_after_counts_when_later_than_the_slot_up_to_a_day() {
    for (value, wait) in [
        ("60", 60_000),
        (" 60 ", 60_000),
        ("1", 5_000),
        ("0", 5_000),
        ("86400", DAY),
        ("86401", DAY),
        ("99999999999999999999999999", DAY),
        ("-5", 5_000),
        ("soon", 5_000),
        ("", 5_000),
        ("1.5", 5_000),
        ("Thu, 09 Oct 2025 08:54:20 GMT", 60_000),
        ("Thursday, 09-Oct-25 08:54:20 GMT", 60_000),
        ("Thu Oct  9 08:54:20 2025", 60_000),
        ("Thu, 09 Oct 2025 08:00:00 GMT", 5_000),
        ("Thu Oct  9 08:00:00 2025", 5_000),
        ("Fri, 09 Oct 2026 08:00:00 GMT", DAY),
    ] {
        for status in [429, 503, 500] {
            assert_eq!(judged(&answer(status, Some(value)), 0).2, Some(wait), "{value:?}");
        }
    }
    assert_eq!(judged(&answer(503, Some("7200")), 5).2, Some(7_200_000), "later than the slot of an hour");
    assert_eq!(judged(&answer(503, Some("60")), 5).2, Some(3_600_000), "earlier than it");
    assert_eq!(judged(&answer(503, Some("60")), 12).0, DeliveryState::Exhausted, "and never one attempt more");
}

#[test]
fn a_test_event_is_tried_once() {
    let clock = Clock::manual(NOW);
    let verdict = judge(&answer(500, Some("60")), &claimed(0, super::super::sample_transaction()), &clock, 200);
    assert_eq!((verdict.state, verdict.next_at), (DeliveryState::Exhausted, None));
}

#[test]
fn what_is_kept_of_an_answer_is_short_text_without_secrets() {
    let method = PaymentMethod {
        id: MethodId::new(NOW, [4; 6]),
        company_id: CompanyId::new(NOW, [1; 6]),
        psp_type: "PAYONE".into(),
        brand_id: None,
        enabled: true,
        settings: Settings::default(),
        webhook_secrets: WebhookSecrets {
            signing: Secret::new("whsec_canary1"),
            earlier_signing: vec![(Secret::new("whsec_canary2"), NOW)],
            bearer: Secret::new("whb_canary3"),
            previous_bearer: Some((Secret::new("whb_canary4"), NOW)),
        },
        callback_token: None,
        created_at: NOW,
        updated_at: NOW,
    };
    assert_eq!(kept(b"", &method), None);
    assert_eq!(kept(b"fine", &method).as_deref(), Some("fine"));
    let echo = kept(b"got Bearer whb_canary3 and whb_canary4, whsec_canary1 whsec_canary2 \0 \xff", &method).unwrap();
    assert!(!echo.contains("canary") && !echo.contains('\0'), "{echo}");
    assert!(kept(&[0xff; 5_000], &method).unwrap().len() <= 1_024);
    let at_the_edge = [vec![b'x'; 1_020], b"whb_canary3".to_vec()].concat();
    assert!(!kept(&at_the_edge, &method).unwrap().contains("whb_"), "a secret is masked before the text is cut");
}
