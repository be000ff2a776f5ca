//! Notifications are hints, always answered `[OK]`.

use super::*;
use crate::Provider as _;
use crate::api::{Account, Callback, CallbackOutcome, CallbackReading, Standing};
use crate::testing::found;
use domain::Json;

fn notification() -> String {
    let text = std::fs::read_to_string(crate::testing::folder(&Worldpay).join("fixtures/callback.http")).unwrap();
    text.split_once("\n\n").unwrap().1.trim().to_owned()
}

fn read(body: &str, known: bool) -> CallbackReading {
    hosted(&[]).callback(&[], body.as_bytes(), known)
}

fn hint(body: &str) -> Json {
    match read(body, true).outcome {
        CallbackOutcome::Hint(hint) => hint,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_notification_is_a_hint() {
    assert_eq!(hint(&notification()).to_text(), r#"{"event":"AUTHORISED","key":"AUTHORISED  15000"}"#);
    let reading = read(&notification(), false);
    assert_eq!(reading.locate.unwrap().transaction_id.unwrap().to_string(), ORDER);
    assert_eq!((reading.answer.status, &*reading.answer.body), (200, "[OK]"));
}

#[test]
fn everything_is_answered_ok_and_what_is_not_ours_is_shown() {
    let good = notification();
    for bad in [
        good.replace("MYMERCHANT", "OTHER"),
        good.replace(ORDER, "64a1f2b3c4d5e6f7a8b9c0ff"),
        good.replacen("15000", "15001", 1),
        good.replacen("EUR", "USD", 1),
        good.replace("</notify>", ""),
        good.replace(".dtd\">", ".dtd\" [<!ENTITY e \"x\">]>"),
        "OrderCode=x&PaymentStatus=AUTHORISED".to_owned(),
        String::new(),
    ] {
        for known in [true, false] {
            let reading = read(&bad, known);
            assert_eq!((reading.answer.status, &*reading.answer.body), (200, "[OK]"));
            assert_eq!(reading.locate.is_some(), !known);
            // What is not found is told in the log; the amount is compared once it is.
            assert!(!known || matches!(reading.outcome, CallbackOutcome::Anomaly(_)), "{bad}");
        }
    }
    let (settings, base_url) = hosted(&[]).account();
    let account = Account { settings: &settings, base_url: &base_url, environment: domain::urls::Environment::Sandbox };
    let get = Callback { method: "GET", query: "", headers: &[], body: b"", transaction_id: None, amount: None };
    let reading = Worldpay.read_callback(&account, &get);
    assert_eq!((reading.answer.status, &*reading.answer.body), (200, "[OK]"));
}

#[test]
fn a_refunds_part_is_no_other_amount() {
    let refund = notification().replace("AUTHORISED", "REFUNDED").replace("15000", "5000");
    assert_eq!(hint(&refund).str_at("refunded"), Some("5000"));
    let more = notification().replace("AUTHORISED", "REFUNDED").replace("15000", "15001");
    assert!(matches!(read(&more, true).outcome, CallbackOutcome::Anomaly(_)));
}

#[test]
fn a_hosted_payments_token_comes_with_the_notification() {
    let token = r#"</payment><token><tokenDetails tokenEvent="MATCH"><paymentTokenID>tok-7</paymentTokenID><paymentTokenExpiry><date dayOfMonth="01" month="02" year="2031"/></paymentTokenExpiry></tokenDetails></token>"#;
    let mut world = pending(hosted(&[]));
    configured(&mut world, r#"{"tokenizationEnabled":true}"#);
    world.hint = Some(hint(&notification().replace("</payment>", token)));
    let finding = found(ask(&mut world, &about(&payment("AUTHORISED"))));
    assert_eq!(
        finding.notes,
        ["Worldpay notified AUTHORISED", "shopper token (MATCH): VISA-SSL ending in 1111, until 2031-02-01"]
    );
    assert_eq!(world.memo.get("token").and_then(|token| token.str_at("id")), Some("tok-7"));
}

fn notified(event: &str, shown: &str) -> bool {
    let mut world = pending(hosted(&[]));
    world.hint = Some(json(&format!(r#"{{"event":"{event}","key":"k"}}"#)));
    found(ask(&mut world, &about(shown))).ask_again
}

#[test]
fn it_is_asked_until_the_record_has_caught_up() {
    let absent = error("5", "Could not find payment for order");
    for (event, shown, again) in [
        ("AUTHORISED", payment("AUTHORISED"), false),
        ("AUTHORISED", payment("CAPTURED"), false),
        ("AUTHORISED", payment("SENT_FOR_AUTHORISATION"), true),
        ("AUTHORISED", payment("REFUSED"), true),
        ("AUTHORISED", absent, true),
        ("REFUSED", payment("AUTHORISED"), false),
        ("REFUSED", payment("REFUSED") + &payment("SENT_FOR_AUTHORISATION"), false),
        ("CANCELLED", payment("AUTHORISED"), true),
        ("CHARGED_BACK", payment("SETTLED"), true),
        ("CHARGED_BACK", payment("CHARGED_BACK"), false),
        ("BRAND_NEW", payment("AUTHORISED"), false),
    ] {
        assert_eq!(notified(event, &shown), again, "{event}: {shown}");
    }
}

#[test]
fn duplicates_change_nothing() {
    let mut world = pending(hosted(&[]));
    world.hint = Some(hint(&notification()));
    let body = about(&payment("AUTHORISED"));
    let first = found(ask(&mut world, &body));
    let second = found(ask(&mut world, &body));
    assert_eq!((first.standing, first.notes.len()), (Standing::Approved, 1));
    assert_eq!((second.standing, second.notes.len(), second.anomalies.len()), (Standing::Approved, 0, 0));
}
