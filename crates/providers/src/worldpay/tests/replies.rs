//! What is believed of an answer.

use super::*;
use crate::api::{CashierAnswer, Finding, Lost, Standing};
use crate::testing::{found, is_final};
use domain::{ErrorCode, Json};

fn refused_with(step: Step) -> ErrorCode {
    match step {
        Step::Refused(refusal) => refusal.code,
        other => panic!("{other:?}"),
    }
}

fn silent(step: Step) -> ErrorCode {
    match step {
        Step::Silence(refusal) => refusal.code,
        other => panic!("{other:?}"),
    }
}

fn success(finding: &Finding) -> (&str, &Json) {
    match &finding.answer {
        Some(CashierAnswer::Success { message, data, .. }) => (message, data),
        other => panic!("{other:?}"),
    }
}

// --- hosted orders ----------------------------------------------------------------------------

#[test]
fn a_hosted_order_answers_as_the_sheet_shows() {
    let finding = found(hosted(&[]).run(Task::PayIn).1);
    assert_eq!((finding.standing, finding.psp_transaction_id.as_deref()), (Standing::Pending, Some("7457457457")));
    let (message, data) = success(&finding);
    assert_eq!(message, "Successfully");
    let url = data.str_at("paymentUrl").unwrap();
    assert!(url.starts_with("https://payments-test.worldpay.com/app/hpp/integration/wpg/corporate?OrderKey=MYMERCHANT%5E64a1f2b3c4d5e6f7a8b9c0d1&Ticket=00001abc&language=en&"));
    let mut rest = data.clone();
    rest.remove("paymentUrl");
    assert_eq!(
        rest.to_text(),
        r#"{"status":"PENDING","transaction_status":"Pending","transactionId":"64a1f2b3c4d5e6f7a8b9c0d1","sessionId":"60a74038-5b94-427e-8cff-abc123000000","orderCode":"64a1f2b3c4d5e6f7a8b9c0d1","amount":150,"merchantReference":"ORDER-REF-001"}"#
    );
}

#[test]
fn a_page_that_no_browser_should_see_is_no_page() {
    for given in ["javascript:alert(1)", "", "http://evil.example/", &format!("https://x.example/{}", "a".repeat(4_096))] {
        let body = about(&format!(r#"<reference id="1"><![CDATA[{given}]]></reference>"#));
        assert_eq!(silent(pay(&mut hosted(&[]), &body)), ErrorCode::UnknownPspError, "{given}");
    }
}

#[test]
fn errors_of_a_hosted_order() {
    for code in ["2", "3", "5", "6", "10", "11", "12", "13", "14"] {
        for body in [reply_with(&error(code, "no timeouts of 5499830000000000")), about(&error(code, "no"))] {
            let body = body.replace("timeouts ", "");
            match pay(&mut hosted(&[]), &body) {
                Step::Refused(refusal) => {
                    assert_eq!(refusal.code, ErrorCode::UnknownPspError, "{code}");
                    assert!(!refusal.data.unwrap().to_text().contains("5499830000000000"), "masked");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(
        refused_with(pay(&mut hosted(&[]), &reply_with(&error("4", "Security violation")))),
        ErrorCode::InvalidPspCredentials
    );
    assert_eq!(silent(pay(&mut hosted(&[]), &reply_with(&error("8", "away")))), ErrorCode::PspUnavailable);
    for body in [error("1", "internal"), error("9", "again"), error("99", "?"), error("5", "Duplicate Order")] {
        assert_eq!(silent(pay(&mut hosted(&[]), &reply_with(&body))), ErrorCode::UnknownPspError);
    }
    // In XML the word is no time-out, but the refusal is not certain either.
    assert_eq!(silent(pay(&mut hosted(&[]), &about(&error("5", "Gateway Timeout")))), ErrorCode::UnknownPspError);
    assert_eq!(silent(pay_with(&mut hosted(&[]), &answer(200, "<p>Gateway Timeout"))), ErrorCode::PspTimeout);
}

#[test]
fn error_seven_has_no_error_code() {
    for mut world in [hosted(&[]), direct()] {
        let finding = found(pay(&mut world, &about(&error("7", "Invalid payment details : Card number : 4444333322221111"))));
        assert_eq!(finding.standing, Standing::Failed);
        let Some(CashierAnswer::Declined { message, data: None }) = &finding.answer else { panic!("{finding:?}") };
        assert_eq!(message, "Payment details were refused by the provider.");
        assert!(!format!("{finding:?}").contains("4444333322221111"));
    }
}

#[test]
fn another_orders_answer_is_not_believed() {
    let other = about(r#"<reference id="1">https://x.example/</reference>"#);
    for (from, to) in [(ORDER, "64a1f2b3c4d5e6f7a8b9c0ff"), ("MYMERCHANT", "OTHER")] {
        match pay(&mut hosted(&[]), &other.replace(from, to)) {
            Step::Silence(refusal) => assert!(refusal.anomaly.unwrap().contains("another")),
            step => panic!("{step:?}"),
        }
        let approved = about(&payment("AUTHORISED")).replace(from, to);
        let finding = found(pay(&mut direct(), &approved));
        assert_eq!((finding.standing, &*finding.status, finding.anomalies.len()), (Standing::Pending, "unknown", 1));
        let finding = found(ask(&mut pending(hosted(&[])), &approved));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1));
    }
}

// --- direct orders ----------------------------------------------------------------------------

#[test]
fn a_direct_order_approved_at_once() {
    let finding = found(pay(&mut direct(), &about(&payment("AUTHORISED"))));
    assert_eq!((finding.standing, &*finding.status), (Standing::Approved, "AUTHORISED"));
    let (message, data) = success(&finding);
    assert_eq!(message, "Transaction approved");
    assert_eq!(
        data.to_text(),
        r#"{"status":"AUTHORISED","transaction_status":"Approved","transactionId":"64a1f2b3c4d5e6f7a8b9c0d1","sessionId":"60a74038-5b94-427e-8cff-abc123000000","orderCode":"64a1f2b3c4d5e6f7a8b9c0d1","amount":150,"merchantReference":"ORDER-REF-001","card":{"brand":"VISA","first6":"444433","last4":"1111","expMonth":"11","expYear":"2035"}}"#
    );
}

#[test]
fn a_direct_order_refused_at_once() {
    let refused = payment("REFUSED").replace("</payment>", r#"<ISO8583ReturnCode code="5" description="REFUSED"/></payment>"#);
    let finding = found(pay(&mut direct_with(&[("merchantReference", "null")]), &about(&refused)));
    assert_eq!((finding.standing, &*finding.status), (Standing::Declined, "REFUSED"));
    let Some(CashierAnswer::Declined { message, data: Some(data) }) = &finding.answer else { panic!("{finding:?}") };
    assert_eq!(message, "Transaction declined");
    assert_eq!(
        data.to_text(),
        r#"{"status":"REFUSED","transaction_status":"Declined","returnCode":"5","returnMessage":"REFUSED","merchantReference":""}"#
    );
}

#[test]
fn a_challenge_is_kept_and_the_browser_sent_to_our_page() {
    let world = challenged();
    assert_eq!(
        world.memo.get("challenge").unwrap().to_text(),
        r#"{"acsURL":"https://acs.example/auth","payload":"eyJhIjoxfQ","transactionId3DS":"rUT8","cameAt":1779010377000}"#
    );
    assert_eq!(world.memo.str_at("machine"), Some("0aa20016"));
    let finding = found(pay(&mut direct(), &about(CHALLENGE)));
    let (message, data) = success(&finding);
    assert_eq!((message, finding.standing), ("3-D Secure authentication required", Standing::Pending));
    assert_eq!(data.str_at("paymentUrl"), Some("https://gw.example/3ds/t0k"));
    let cut = CHALLENGE.replace("<payload> eyJhIjoxfQ </payload>", "");
    silent(pay(&mut direct(), &about(&cut)));
}

#[test]
fn certain_refusals_of_a_direct_order() {
    for status in [401, 403, 404] {
        let step = pay_with(&mut direct(), &answer(status, "<html>Requires Authentication</html>"));
        assert_eq!(refused_with(step), ErrorCode::InvalidPspCredentials);
    }
    assert_eq!(refused_with(pay_with(&mut direct(), &answer(429, ""))), ErrorCode::PspRateLimited);
    assert_eq!(refused_with(pay_with(&mut direct(), &Reply::Lost(Lost::NotConnected))), ErrorCode::PspUnavailable);
    assert_eq!(refused_with(pay_with(&mut direct(), &Reply::Lost(Lost::ConnectTimeout))), ErrorCode::PspTimeout);
    assert_eq!(refused_with(pay(&mut direct(), &reply_with(&error("4", "no")))), ErrorCode::InvalidPspCredentials);
    for code in ["2", "3", "5", "6", "10", "11", "12", "13", "14"] {
        assert_eq!(refused_with(pay(&mut direct(), &about(&error(code, "no")))), ErrorCode::UnknownPspError);
    }
}

#[test]
fn everything_else_leaves_its_fate_unknown() {
    let good = [about(&payment("AUTHORISED")), about(&payment("REFUSED")), about(&error("7", "no")), about(&error("4", "no"))];
    for body in &good {
        for status in [301, 302, 408, 500, 502, 503, 504] {
            silent(pay_with(&mut direct(), &answer(status, &**body)));
        }
        for length in 0..body.len() {
            silent(pay_with(&mut direct(), &answer(200, &body[..length])));
        }
    }
    for lost in [Lost::Broken, Lost::TimedOut, Lost::TooLarge] {
        silent(pay_with(&mut direct(), &Reply::Lost(lost)));
    }
    for body in [
        error("1", "x"),
        error("8", "x"),
        error("9", "x"),
        error("5", "DUPLICATE ORDER"),
        error("5", "upstream timeout"),
        payment("ERROR"),
        payment("QUERY_REQUIRED"),
        String::new(),
    ] {
        silent(pay(&mut direct(), &about(&body)));
    }
    for body in ["", "{}", "<html/>", "<paymentService/>"] {
        silent(pay(&mut direct(), body));
    }
    for body in [payment("BRAND_NEW"), payment("AUTHORISED").replace("15000", "14999"), payment("REFUSED").replace("EUR", "USD")]
    {
        let finding = found(pay(&mut direct(), &about(&body)));
        assert_eq!((finding.standing, &*finding.status, finding.anomalies.len()), (Standing::Pending, "unknown", 1));
    }
}

#[test]
fn entities_and_internal_subsets_are_never_read() {
    let subset = about(&payment("AUTHORISED")).replace(".dtd\">", ".dtd\" [<!ENTITY e \"x\">]>");
    silent(pay(&mut direct(), &subset));
    silent(pay(&mut direct(), &about(&payment("&e;AUTHORISED"))));
    let told = about(&payment("<![CDATA[ AUTHORISED ]]><!-- so -->"));
    assert_eq!(found(pay(&mut direct(), &told)).standing, Standing::Approved);
}

// --- the second submit ------------------------------------------------------------------------

pub(super) fn go_on(reply: &Reply) -> Step {
    let mut world = challenged();
    let call = the_call(world.begin(Task::Continue));
    world.resume(Task::Continue, &call, reply)
}

#[test]
fn only_a_payment_is_the_result_of_a_second_submit() {
    for (event, standing) in [
        ("AUTHORISED", Standing::Approved),
        ("REFUSED", Standing::Declined),
        ("CANCELLED", Standing::Cancelled),
        ("EXPIRED", Standing::Expired),
        ("SENT_FOR_AUTHORISATION", Standing::Unchanged),
    ] {
        assert_eq!(found(go_on(&answer(200, about(&payment(event))))).standing, standing, "{event}");
    }
    let bodies = [error("2", "x"), error("4", "x"), error("5", "x"), error("7", "x"), payment("ERROR")];
    for body in bodies {
        silent(go_on(&answer(200, about(&body))));
    }
    // Asked for once more, the new challenge is shown; what it needs is kept, and the call may be made again.
    let mut world = challenged();
    let call = the_call(world.begin(Task::Continue));
    let mut again = answer(200, about(&CHALLENGE.replace("rUT8", "rUT9")));
    if let Reply::Answer(answer) = &mut again {
        answer.headers.push(("set-cookie".to_owned(), "machine=0ab20016; path=/".to_owned()));
    }
    assert_eq!(found(world.resume(Task::Continue, &call, &again)).standing, Standing::Pending);
    assert_eq!(world.memo.get("challenge").and_then(|challenge| challenge.str_at("transactionId3DS")), Some("rUT9"));
    assert_eq!(world.memo.str_at("machine"), Some("0ab20016"));
    // A third time it is over.
    let call = the_call(world.begin(Task::Continue));
    assert_eq!(found(world.resume(Task::Continue, &call, &again)).standing, Standing::Declined);
    for status in [401, 403, 404, 408, 429, 500] {
        silent(go_on(&answer(status, about(&payment("AUTHORISED")))));
    }
    for lost in [Lost::NotConnected, Lost::ConnectTimeout, Lost::Broken, Lost::TimedOut] {
        silent(go_on(&Reply::Lost(lost)));
    }
    let other = found(go_on(&answer(200, about(&payment("AUTHORISED")).replace("15000", "1"))));
    assert_eq!((other.standing, other.anomalies.len()), (Standing::Unchanged, 1));
}

// --- inquiries --------------------------------------------------------------------------------

pub(super) fn at(status: TransactionStatus) -> World {
    World { status, ..hosted(&[]) }
}

fn asked(status: TransactionStatus, event: &str) -> Finding {
    found(ask(&mut at(status), &about(&payment(event))))
}

#[test]
fn every_word_of_the_status_table() {
    use Standing as S;
    use TransactionStatus::{Approved, Created, Pending};
    for (event, open, after) in [
        ("AUTHORISED", S::Approved, S::Approved),
        ("CAPTURED", S::Approved, S::Approved),
        ("SETTLED", S::Approved, S::Approved),
        ("SETTLED_BY_MERCHANT", S::Approved, S::Approved),
        ("REFUSED", S::Declined, S::Declined),
        ("CANCELLED", S::Cancelled, S::Reversed),
        ("SHOPPER_CANCELLED", S::Cancelled, S::Reversed),
        ("VOIDED", S::Cancelled, S::Reversed),
        ("EXPIRED", S::Expired, S::Reversed),
        ("REFUNDED", S::Reversed, S::Reversed),
        ("REFUNDED_BY_MERCHANT", S::Reversed, S::Reversed),
        ("CHARGED_BACK", S::Reversed, S::Reversed),
        ("ERROR", S::Unchanged, S::Unchanged),
        ("FAILURE", S::Unchanged, S::Unchanged),
        ("QUERY_REQUIRED", S::Unchanged, S::Unchanged),
        ("SENT_FOR_AUTHORISATION", S::Unchanged, S::Unchanged),
        ("WAITING_FOR_AUTHORISATION", S::Unchanged, S::Unchanged),
        ("SHOPPER_REDIRECTED", S::Unchanged, S::Unchanged),
        ("WAITING_FOR_SHOPPER", S::Unchanged, S::Unchanged),
        ("OPEN", S::Unchanged, S::Unchanged),
        ("SIGNED_FORM_RECEIVED", S::Unchanged, S::Unchanged),
    ] {
        for (status, expected) in [(Pending, open), (Approved, after)] {
            let finding = asked(status, event);
            assert_eq!((finding.standing, &*finding.status), (expected, event), "{status:?}");
            assert!(finding.anomalies.is_empty());
        }
    }
    for event in ["SENT_FOR_AUTHORISATION", "OPEN"] {
        assert_eq!(asked(Created, event).standing, S::Pending, "a lost answer's order is there");
    }
    for event in ["null", "", " "] {
        let finding = asked(Pending, event);
        assert_eq!((finding.standing, &*finding.status), (S::Unchanged, "PENDING"));
    }
    // What can only follow a payment proves it, from everywhere.
    for event in [
        "SENT_FOR_REFUND",
        "SENT_FOR_FAST_REFUND",
        "REFUND_REQUESTED",
        "REFUND_RECEIVED",
        "REFUND_FAILED",
        "REFUND_EXPIRED",
        "REFUND_REVERSED",
        "REFUND_WEBFORM_ISSUED",
        "INFORMATION_REQUESTED",
        "INFORMATION_SUPPLIED",
        "DISPUTED_FUNDS_HELD",
        "DISPUTED_FUNDS_RELEASED",
        "DISPUTE_EXPIRED",
        "DISPUTE_RESERVE_RELEASED",
        "CHARGEBACK_REVERSED",
    ] {
        for status in [Pending, TransactionStatus::Declined, Approved] {
            let finding = asked(status, event);
            let told = finding.notes.len() + finding.anomalies.len();
            assert_eq!((finding.standing, told, finding.word_follows), (S::Approved, 1, false), "{event}");
        }
    }
    for event in ["CAPTURE_FAILED", "REFUSED_BY_BANK", "REVOKE_REQUESTED", "REVOKED", "REVOKE_FAILED"] {
        let finding = asked(Approved, event);
        assert_eq!((finding.standing, finding.notes.len(), finding.anomalies.len()), (S::Unchanged, 0, 1), "{event}");
    }
    assert!(asked(Approved, "CAPTURED").word_follows);
}

#[test]
fn of_several_payments_a_success_counts() {
    let pick = |events: &[&str]| {
        let payments: String = events.iter().map(|event| payment(event)).collect();
        let finding = found(ask(&mut at(TransactionStatus::Pending), &about(&payments)));
        (finding.standing, finding.status, finding.anomalies.len())
    };
    let expected = |standing, word: &str, anomalies| (standing, word.to_owned(), anomalies);
    assert_eq!(pick(&["REFUSED", "AUTHORISED"]), expected(Standing::Approved, "AUTHORISED", 0));
    assert_eq!(pick(&["CAPTURED", "REFUSED"]), expected(Standing::Approved, "CAPTURED", 0));
    assert_eq!(pick(&["SENT_FOR_AUTHORISATION", "REFUSED"]), expected(Standing::Unchanged, "SENT_FOR_AUTHORISATION", 0));
    assert_eq!(pick(&["CANCELLED", "REFUSED"]), expected(Standing::Declined, "REFUSED", 0));
    assert_eq!(pick(&["AUTHORISED", "SETTLED"]), expected(Standing::Approved, "SETTLED", 1));
    // What can only follow a payment is as good as one, and more than an attempt.
    assert_eq!(pick(&["SENT_FOR_REFUND", "REFUSED"]), expected(Standing::Approved, "SENT_FOR_REFUND", 0));
    assert_eq!(pick(&["REFUNDED", "OPEN"]), expected(Standing::Reversed, "REFUNDED", 0));
    assert_eq!(pick(&["SENT_FOR_REFUND", "AUTHORISED"]), expected(Standing::Approved, "AUTHORISED", 1));
}

#[test]
fn hosted_orders_are_over_after_a_day() {
    let day = 24 * 60 * 60 * 1_000;
    for (body, expires) in [
        (error("5", "Could not find payment for order"), true),
        (payment("OPEN"), true),
        (payment("null"), true),
        (payment("SENT_FOR_AUTHORISATION"), false),
        (payment("ERROR"), false),
    ] {
        let mut world = pending(hosted(&[]));
        let ends = world.now.plus_ms(day);
        let early = found(ask(&mut world, &about(&body)));
        assert_eq!((early.standing, early.ask_at), (Standing::Unchanged, expires.then_some(ends)), "{body}");
        world.now = ends;
        let late = found(ask(&mut world, &about(&body)));
        assert_eq!(late.standing, if expires { Standing::Expired } else { Standing::Unchanged }, "{body}");
    }
}

#[test]
fn an_unknown_direct_order_is_not_found_and_an_open_challenge_says_nothing() {
    let absent = about(&error("5", "Could not find payment for order"));
    assert_eq!(found(ask(&mut pending(direct()), &absent)).standing, Standing::NotFound);
    let mut world = challenged();
    let until = world.now.plus_ms(30 * 60 * 1_000);
    let waits = found(ask(&mut world, &absent));
    assert_eq!((waits.standing, waits.ask_at), (Standing::Unchanged, Some(until)));
    assert_eq!(found(ask(&mut world, &about(&payment("AUTHORISED")))).standing, Standing::Approved);
    let mut sent = challenged();
    sent.begin(Task::Continue);
    assert_eq!(found(ask(&mut sent, &absent)).standing, Standing::NotFound);
    world.now = until;
    assert_eq!(found(ask(&mut world, &absent)).standing, Standing::Expired);
}

#[test]
fn an_inquiry_that_failed_changes_nothing() {
    for body in [error("4", "no"), error("1", "x")] {
        silent(ask(&mut pending(direct()), &reply_with(&body)));
    }
    for code in ["1", "2", "4", "7", "8"] {
        silent(ask(&mut pending(direct()), &about(&error(code, "x"))));
    }
    let body = about(&payment("AUTHORISED"));
    for length in 0..body.len() {
        let step = ask(&mut pending(direct()), &body[..length]);
        assert!(!matches!(&step, Step::Found(finding) if is_final(finding.standing)));
    }
}

#[test]
fn test_connection() {
    let test = |reply: Reply| {
        let mut world = hosted(&[]);
        let call = the_call(world.begin(Task::Test));
        world.resume(Task::Test, &call, &reply)
    };
    assert!(found(test(answer(200, about(&error("5", "Could not find payment for order"))))).proven);
    assert!(!found(test(answer(200, reply_with(&error("4", "Security violation"))))).proven);
    let html = "<html>Requires Authentication</html>";
    assert_eq!(refused_with(test(answer(401, html))), ErrorCode::InvalidPspCredentials);
    assert_eq!(refused_with(test(Reply::Lost(Lost::TimedOut))), ErrorCode::PspTimeout);
}

// --- tokens, FraudSight -----------------------------------------------------------------------

const TOKEN: &str = r#"<token><authenticatedShopperID>x</authenticatedShopperID><tokenEventReference>64a1f2b3c4d5e6f7a8b9c0d1</tokenEventReference><tokenDetails tokenEvent="NEW"><paymentTokenID>tok-99</paymentTokenID><paymentTokenExpiry><date dayOfMonth="2" month="03" year="2030"/></paymentTokenExpiry></tokenDetails></token>"#;

#[test]
fn a_token_is_kept_sealed_and_only_its_card_shown() {
    let body = about(&format!(
        r#"{}{TOKEN}"#,
        payment("AUTHORISED")
            .replace(MONEY, &format!(r#"<paymentMethodDetail><card number="4444********1111"/></paymentMethodDetail>{MONEY}"#))
    ));
    let mut world = direct();
    configured(&mut world, r#"{"tokenizationEnabled":true}"#);
    let finding = found(pay(&mut world, &body));
    assert_eq!(finding.notes, ["shopper token (NEW): VISA-SSL ending in 1111, until 2030-03-2"]);
    assert_eq!(
        world.memo.get("token").unwrap().to_text(),
        r#"{"id":"tok-99","event":"NEW","expiry":"2030-03-2","brand":"VISA-SSL","last4":"1111"}"#
    );
    assert!(!format!("{finding:?}").contains("tok-99"));
    let mut without = direct();
    pay(&mut without, &body);
    assert_eq!(without.memo.get("token"), None);
}

#[test]
fn fraud_sight_goes_on_the_timeline() {
    let body =
        about(&payment("AUTHORISED").replace(MONEY, &format!(r#"{MONEY}<FraudSight score="0.51" id="f1" message="low-risk"/>"#)));
    let mut world = pending(direct());
    assert_eq!(found(ask(&mut world, &body)).notes, ["FraudSight: score 0.51, low-risk"]);
}
