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
    let hint = hint(&notification());
    let members = hint.as_object().unwrap();
    assert!(members[0].0.starts_with("notice ") && members[0].1.to_text() == r#"{"event":"AUTHORISED"}"#, "{}", hint.to_text());
    assert_eq!(hint.str_at("note"), Some("Worldpay notified AUTHORISED"));
    let reading = read(&notification(), false);
    assert_eq!(reading.locate.unwrap().reference.unwrap().to_string(), ORDER);
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
    let get = Callback { method: "GET", query: "", headers: &[], body: b"", reference: None, amount: None, operation: None };
    let reading = Worldpay.read_callback(&account, &get);
    assert_eq!((reading.answer.status, &*reading.answer.body), (200, "[OK]"));
}

/// What the notification of a refund says of its part.
fn part(bookings: &str) -> Option<String> {
    let body = notification().replace("AUTHORISED", "REFUNDED");
    let (before, rest) = body.split_once("<accountTx").unwrap();
    let (_, after) = rest.split_once("</accountTx>").unwrap();
    let hint = hint(&format!("{before}{bookings}{after}"));
    let notice = hint.as_object().unwrap().iter().find(|(name, _)| name.starts_with("notice ")).unwrap();
    notice.1.str_at("minor").map(str::to_owned)
}

#[test]
fn a_part_is_what_is_booked_in_the_orders_currency() {
    let booking = |account: &str, minor: &str, currency: &str| {
        format!(
            r#"<accountTx accountType="{account}" batchId="2"><amount value="{minor}" currencyCode="{currency}" exponent="2"/></accountTx>"#
        )
    };
    let captured = booking("IN_PROCESS_CAPTURED", "5000", "EUR");
    let of_settlement = booking("SETTLED_BIBIT_NET", "4300", "GBP");
    let commission = booking("SETTLED_BIBIT_COMMISSION", "50", "EUR");
    let five_thousand = Some("5000".to_owned());
    assert_eq!(part(&captured), five_thousand);
    assert_eq!(part(&(of_settlement.clone() + &commission + &captured)), five_thousand);
    assert_eq!(part(&(of_settlement.clone() + &booking("SETTLED_BIBIT_NET", "5000", "EUR"))), five_thousand);
    // A refund is taken from the net account; what stays with Worldpay is no part of it.
    let net = booking("SETTLED_BIBIT_NET", "5000", "EUR");
    assert_eq!(part(&(commission.clone() + &net)), five_thousand);
    assert_eq!(part(&(net.clone() + &commission)), five_thousand);
    assert_eq!(part(&(booking("SOME_OTHER", "51", "EUR") + &net)), five_thousand);
    assert_eq!(part(&commission), None);
    for unknown in
        [String::new(), of_settlement, booking("IN_PROCESS_CAPTURED", "0", "EUR"), booking("IN_PROCESS_CAPTURED", "x", "EUR")]
    {
        assert_eq!(part(&unknown), None, "{unknown}");
    }
}

/// The same bytes are the same part, whatever is in them; no name looks like the number of a card.
#[test]
fn a_notification_is_named_by_its_bytes() {
    let name = |body: &str| hint(body).as_object().unwrap()[0].0.clone();
    let body = notification();
    assert_eq!(name(&body), name(&body));
    let other = body.replace("batchId=\"23\"", "batchId=\"100000000001\"");
    assert_ne!(name(&other), name(&body.replace("batchId=\"23\"", "batchId=\"100000000002\"")));
    assert!(!name(&other).contains(|c: char| c.is_ascii_digit()));
}

#[test]
fn a_refunds_part_is_no_other_amount() {
    let refund = notification().replace("AUTHORISED", "REFUNDED").replacen("15000", "5000", 1);
    assert!(matches!(read(&refund, true).outcome, CallbackOutcome::Hint(_)));
    let more = notification().replace("AUTHORISED", "REFUNDED").replacen("15000", "15001", 1);
    assert!(matches!(read(&more, true).outcome, CallbackOutcome::Anomaly(_)));
}

#[test]
fn a_hosted_payments_token_comes_with_the_notification() {
    let token = r#"</payment><token><tokenDetails tokenEvent="MATCH"><paymentTokenID>tok-7</paymentTokenID><paymentTokenExpiry><date dayOfMonth="01" month="02" year="2031"/></paymentTokenExpiry></tokenDetails></token>"#;
    let mut world = pending(hosted(&[]));
    configured(&mut world, r#"{"tokenizationEnabled":true}"#);
    world.hint = Some(hint(&notification().replace("</payment>", token)));
    let finding = found(ask(&mut world, &about(&payment("AUTHORISED"))));
    assert_eq!(finding.notes, ["shopper token (MATCH): VISA-SSL ending in 1111, until 2031-02-01"]);
    assert_eq!(world.memo.get("token").and_then(|token| token.str_at("id")), Some("tok-7"));
}

fn notified(event: &str, shown: &str) -> bool {
    let mut world = pending(hosted(&[]));
    world.hint = Some(json(&format!(r#"{{"notice a":{{"event":"{event}"}}}}"#)));
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
        ("CHARGED_BACK", payment("CHARGEBACK_REVERSED"), false),
        ("CHARGEBACK_REVERSED", payment("CHARGED_BACK"), true),
        ("REFUND_FAILED", payment("REFUNDED"), true),
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
    assert_eq!((first.standing, first.notes.len()), (Standing::Approved, 0));
    assert_eq!((second.standing, second.notes.len(), second.anomalies.len()), (Standing::Approved, 0, 0));
}

#[test]
fn only_short_references_stay_unmasked() {
    for (tag, stays) in [
        (r#"journalReference type="refund" reference="100000000001"/"#, true),
        (r#"journalReference type="refund" reference="4444333322221111"/"#, false),
        (r#"journalReference type="444433332222" reference="1111"/"#, false),
        (r#"card number="444433332222"/"#, false),
    ] {
        assert_eq!(Worldpay.is_reference(tag, ""), stays, "{tag}");
    }
}
