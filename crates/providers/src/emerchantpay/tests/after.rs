//! Reconcile, continue, "Test connection", notifications.

use super::*;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Finding, Standing, TurnKind};
use crate::emerchantpay::callback::is_signed;
use crate::testing::{found, header};
use domain::{ErrorCode, Json, TransactionStatus};

fn open() -> World {
    let mut world = World::created(&EMerchantPay, Operation::PayIn);
    world.memo.set("openedAt", Json::from(1));
    world
}

fn asked(body: &str) -> Finding {
    found(ask(&mut open(), body))
}

#[test]
fn reconcile_asks_by_the_best_id() {
    let mut fresh = world();
    let call = the_call(fresh.begin(Task::Inquire));
    assert_eq!(call.url, "https://staging.gate.emerchantpay.net/reconcile/394f2ebc3646d3c017fa1e1cbc4a1e20/");
    assert_eq!(
        (call.method, call.doubt, call.shown.as_str()),
        ("POST", Doubt::Harmless, "staging.gate.emerchantpay.net/reconcile/***/")
    );
    let by = |call: &crate::Call| String::from_utf8(call.body.clone()).unwrap();
    let declaration = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    assert_eq!(
        by(&call),
        format!("{declaration}<reconcile><transaction_id>64a1f2b3c4d5e6f7a8b9c0d1</transaction_id></reconcile>")
    );
    let call = the_call(open().begin(Task::Inquire));
    assert_eq!(by(&call), format!("{declaration}<reconcile><unique_id>{UNIQUE_ID}</unique_id></reconcile>"));
}

#[test]
fn every_word_of_the_status_table() {
    for (word, standing) in [
        ("approved", Standing::Approved),
        ("declined", Standing::Declined),
        ("unsuccessful", Standing::Declined),
        ("pending", Standing::Pending),
        ("pending_async", Standing::Pending),
        ("in_progress", Standing::Pending),
        ("pending_hold", Standing::Pending),
        ("pending_review", Standing::Pending),
        ("error", Standing::Declined),
        ("timeout", Standing::Expired),
        ("cancelled", Standing::Cancelled),
        ("voided", Standing::Cancelled),
        ("refunded", Standing::Reversed),
        ("chargebacked", Standing::Reversed),
        ("second_chargebacked", Standing::Reversed),
        ("pre_arbitrated", Standing::Reversed),
        ("representment_reversed", Standing::Reversed),
        ("chargeback_reversed", Standing::Approved),
        ("chargeback_reversal", Standing::Approved),
        ("represented", Standing::Approved),
    ] {
        let finding = asked(&about(word, ""));
        assert_eq!((finding.standing, finding.status.as_str()), (standing, word));
        let won = matches!(word, "chargeback_reversed" | "chargeback_reversal" | "represented");
        let shown = (finding.anomalies.len(), finding.psp_transaction_id.as_deref());
        assert_eq!(shown, (usize::from(won), Some(UNIQUE_ID)), "{word}");
        assert_eq!(asked(&about(&word.to_uppercase(), "")).standing, standing, "{word}");
    }
    for word in ["brand_new", ""] {
        let finding = asked(&about(word, ""));
        assert_eq!((finding.standing, finding.status.as_str(), finding.anomalies.len()), (Standing::Unchanged, "", 1), "{word}");
    }
}

/// Kind, key and minor units of what became of the money.
fn turns(finding: &Finding) -> Vec<(TurnKind, &str, Option<i64>)> {
    finding.turns.iter().map(|turn| (turn.kind, turn.key.as_str(), turn.minor)).collect()
}

#[test]
fn what_became_of_the_money() {
    for (word, kind) in [
        ("chargebacked", TurnKind::ChargedBack),
        ("second_chargebacked", TurnKind::ChargedBack),
        ("pre_arbitrated", TurnKind::ChargedBack),
        ("representment_reversed", TurnKind::ChargedBack),
        ("chargeback_reversed", TurnKind::ChargebackWon),
        ("chargeback_reversal", TurnKind::ChargebackWon),
        ("represented", TurnKind::ChargebackWon),
    ] {
        for status in [TransactionStatus::Pending, TransactionStatus::Approved, TransactionStatus::Declined] {
            let mut world = open();
            world.status = status;
            let finding = found(ask(&mut world, &about(word, "")));
            assert_eq!(turns(&finding), [(kind, word, None)], "{word} {status:?}");
        }
    }
    // Whole: the engine knows what is left.
    assert_eq!(turns(&asked(&about("refunded", ""))), []);
    // Parts: told apart by amount and time.
    for (word, kind, at) in [
        ("refunded", TurnKind::Refunded, "2026-01-02T03:04:05Z"),
        ("refunded", TurnKind::Refunded, "2026-01-02T03:05:05Z"),
        ("chargebacked", TurnKind::ChargedBack, "2026-01-02T03:04:05Z"),
        ("chargeback_reversed", TurnKind::ChargebackWon, ""),
    ] {
        let body = about(word, &format!("<timestamp>{at}</timestamp>")).replace("<amount>10000", "<amount>3000");
        let finding = asked(&body);
        // Only refunds of a part leave the payment approved.
        let standing = if kind == TurnKind::ChargedBack { Standing::Reversed } else { Standing::Approved };
        assert_eq!((finding.standing, finding.notes.len()), (standing, 0), "{word}");
        assert_eq!(turns(&finding), [(kind, format!("{word} 3000 {at}").as_str(), Some(3_000))]);
    }
}

/// The records have no reference of a chargeback: each round of a dispute is known by what records have shown before it.
#[test]
fn every_round_of_a_dispute_has_a_key() {
    let mut world = open();
    world.status = TransactionStatus::Reversed;
    for (word, key) in [
        ("chargebacked", "chargebacked"),
        ("chargebacked", "chargebacked"),
        ("chargeback_reversed", "chargeback_reversed"),
        ("chargebacked", "chargebacked #2"),
        ("chargebacked", "chargebacked #2"),
        ("second_chargebacked", "second_chargebacked"),
        ("chargeback_reversed", "chargeback_reversed #2"),
        ("chargebacked", "chargebacked #3"),
    ] {
        let finding = found(ask(&mut world, &about(word, "")));
        let keys: Vec<&str> = finding.turns.iter().map(|turn| turn.key.as_str()).collect();
        assert_eq!(keys, [key]);
        world.memo = finding.memo.unwrap_or(world.memo);
    }
}

/// What contradicts that all has gone back is seen, and changes nothing; after a chargeback that was won it does not contradict.
#[test]
fn a_success_after_a_reversal() {
    for (before, anomalies) in [("", 1), ("voided", 1), ("refunded", 1), ("chargebacked", 1), ("chargeback_reversed", 0)] {
        let mut world = open();
        world.status = TransactionStatus::Reversed;
        if !before.is_empty() {
            let finding = found(ask(&mut world, &about(before, "")));
            world.memo = finding.memo.unwrap_or(world.memo);
        }
        let finding = found(ask(&mut world, &about("approved", "")));
        assert_eq!(finding.anomalies.len(), anomalies, "{before}");
    }
}

#[test]
fn a_part_that_was_approved_is_another_amount() {
    let body = about("approved", "<partial_approval>true</partial_approval>").replace("<amount>10000", "<amount>6000");
    let finding = asked(&body);
    assert_eq!(finding.standing, Standing::Unchanged);
    assert_eq!(finding.anomalies, ["eMerchantPay approved only a part of the amount, 6000 in minor units"]);
    let Step::Silence(refusal) = sell(&answer(200, body)) else { panic!("it is asked about") };
    assert!(refusal.anomaly.is_some_and(|text| text.contains("only a part")));
    let whole = about("approved", "<partial_approval>true</partial_approval>");
    assert_eq!(asked(&whole).standing, Standing::Approved, "as much as was asked for");
}

#[test]
fn an_error_found_later() {
    for code in 0..1_000 {
        let finding = asked(&about("error", &format!("<code>{code}</code>")));
        let expected = match code {
            460 => Standing::NotFound,
            200..=250 | 530 | 630 | 950 | 960 => Standing::Unchanged,
            _ => Standing::Declined,
        };
        assert_eq!(finding.standing, expected, "{code}");
    }
}

#[test]
fn an_error_about_our_call_says_nothing_of_the_payment() {
    for code in ["110", "220", "101", "350", "360", "300"] {
        let step = ask(&mut open(), &bare(&format!("<code>{code}</code>")));
        assert!(matches!(step, Step::Silence(_)), "{code}: {step:?}");
    }
    let mut world = open();
    let call = the_call(world.begin(Task::Inquire));
    for status in [401, 403, 404, 429, 500, 302] {
        let step = world.resume(Task::Inquire, &call, &answer(status, bare("<code>460</code>")));
        assert!(matches!(step, Step::Silence(_)), "{status}");
    }
    assert_eq!(asked(&bare("<code>460</code>")).standing, Standing::NotFound);
}

#[test]
fn a_record_of_something_else_changes_nothing() {
    for (from, to) in [
        ("64a1f2b3c4d5e6f7a8b9c0d1", "64a1f2b3c4d5e6f7a8b9c0d2"),
        (UNIQUE_ID, "55177a21403427eb96664a6d7e5d5d48"),
        ("<amount>10000", "<amount>9999"),
        ("<currency>EUR", "<currency>USD"),
        (IDS, ""),
    ] {
        for word in ["approved", "declined", "refunded"] {
            if (word, to) != ("refunded", "<amount>9999") {
                let finding = asked(&about(word, "").replace(from, to));
                assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{word} {to}");
            }
        }
    }
    let partial = asked(&about("refunded", "").replace("10000", "9999"));
    assert_eq!((partial.standing, partial.anomalies.len(), partial.turns.len()), (Standing::Approved, 0, 1));
    for amount in ["10001", "0", "-1", "99.5"] {
        let other = asked(&about("refunded", "").replace("10000", amount));
        assert_eq!((other.standing, other.anomalies.len()), (Standing::Unchanged, 1), "{amount}");
    }
    for same in ["10000.00", "1e4", "010000"] {
        assert_eq!(asked(&about("approved", "").replace("10000", same)).standing, Standing::Approved, "{same}");
    }
}

#[test]
fn after_an_approval_a_void_is_a_reversal() {
    for word in ["cancelled", "voided"] {
        for (status, standing) in [
            (TransactionStatus::Pending, Standing::Cancelled),
            (TransactionStatus::Approved, Standing::Reversed),
            (TransactionStatus::Reversed, Standing::Reversed),
        ] {
            let mut world = open();
            world.status = status;
            assert_eq!(found(ask(&mut world, &about(word, ""))).standing, standing, "{word} {status:?}");
        }
    }
}

#[test]
fn a_page_that_nobody_opened_expires() {
    for word in ["declined", "unsuccessful", "error", "timeout", "cancelled", "voided"] {
        let mut world = World::created(&EMerchantPay, Operation::PayIn);
        let finding = found(ask(&mut world, &about(word, "")));
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Expired, word));
    }
    let mut world = World::created(&EMerchantPay, Operation::PayIn);
    assert_eq!(found(ask(&mut world, &about("approved", ""))).standing, Standing::Approved);
    assert_eq!(found(ask(&mut world, &about("error", "<code>230</code>"))).standing, Standing::Unchanged);
}

#[test]
fn an_end_found_inside_the_request_answers_like_one_at_once() {
    let mut fresh = world();
    let finding = found(ask(&mut fresh, &about("approved", "")));
    assert!(matches!(&finding.answer, Some(CashierAnswer::Success { message, .. }) if message == "Transaction approved"));
    let finding = found(ask(&mut world(), &about("declined", "<code>500</code><message>No</message>")));
    let Some(CashierAnswer::Declined { message, data: Some(data) }) = finding.answer else { panic!() };
    assert_eq!((message.as_str(), data.str_at("transaction_status"), data.str_at("code")), ("No", Some("Declined"), Some("500")));
    for (word, shown) in [("timeout", "Expired"), ("cancelled", "Cancelled")] {
        let finding = found(ask(&mut world(), &about(word, "")));
        let Some(CashierAnswer::Declined { data: Some(data), .. }) = finding.answer else { panic!() };
        assert_eq!(data.str_at("transaction_status"), Some(shown));
    }
}

// --- continue ---------------------------------------------------------------------------------

/// What comes of a continue's answer, and the world after it.
fn go_on(reply: &Reply) -> (World, Step) {
    let mut world = open();
    let call = the_call(world.begin(Task::Continue));
    let step = world.resume(Task::Continue, &call, reply);
    (world, step)
}

#[test]
fn continue_is_sent_once() {
    let mut world = open();
    let call = the_call(world.begin(Task::Continue));
    assert_eq!((call.method, call.doubt, call.answer_limit_ms), ("PUT", Doubt::Money, Some(60_000)));
    assert_eq!(call.url, format!("https://staging.gate.emerchantpay.net/threeds/threeds_method/{UNIQUE_ID}"));
    let signature = "6603f069c744fe64a082c0f13d464234f3f1a50d38e8c981c2dd2efd511d02b0803abcfc349da58f53cb1e38f78b1652d586591be6a1e7b2f0949530167fae90";
    assert_eq!(String::from_utf8(call.body.clone()).unwrap(), format!("unique_id={UNIQUE_ID}&signature={signature}"));
    assert_eq!(header(&call, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header(&call, "authorization"), Some("Basic Z2VuZXNpcy11c2VyOnNlY3JldHB3"));
    assert_eq!(call.memo.as_ref().unwrap().get("continued"), Some(&Json::Bool(true)), "stored with the intent");
    assert_eq!(found(world.begin(Task::Continue)).standing, Standing::Unchanged, "never again");
}

#[test]
fn continue_goes_to_the_gateway_alone() {
    let mut world = open();
    world.memo.set("continueUrl", Json::text("https://evil.example/threeds/threeds_method/x"));
    assert_eq!(found(world.begin(Task::Continue)).anomalies.len(), 1);
    let mut bare = super::world();
    assert_eq!(found(bare.begin(Task::Continue)).anomalies.len(), 1);
}

#[test]
fn results_of_a_continue() {
    for (word, standing) in [
        ("approved", Standing::Approved),
        ("declined", Standing::Declined),
        ("error", Standing::Declined),
        ("in_progress", Standing::Pending),
        ("timeout", Standing::Expired),
        ("represented", Standing::Approved),
    ] {
        let (_, step) = go_on(&answer(200, about(word, "")));
        assert_eq!(found(step).standing, standing, "{word}");
    }
    let url = "https://acs.example/challenge";
    let (world, step) = go_on(&answer(200, about("pending_async", &format!("<redirect_url>{url}</redirect_url>"))));
    assert_eq!(found(step).standing, Standing::Pending);
    assert_eq!((world.memo.str_at("redirectUrl"), world.memo.get("continued")), (Some(url), Some(&Json::Bool(true))));
}

#[test]
fn whatever_is_no_result_is_asked_about() {
    let fine = about("declined", "<code>500</code>");
    let replies = [
        answer(409, bare("")),
        // Words about the call.
        answer(409, about("error", "<code>500</code>")),
        answer(409, about("approved", "")),
        answer(409, about("in_progress", "")),
        answer(400, about("declined", "<message>Please check signature!</message>")),
        answer(400, ""),
        answer(422, ""),
        answer(404, "<html></html>"),
        answer(401, bare("<code>110</code>")),
        answer(429, ""),
        answer(500, fine.clone()),
        answer(302, ""),
        answer(200, "<x/>"),
        answer(200, bare("<code>220</code>")),
        answer(200, bare("<code>500</code>")),
        answer(200, about("error", "<code>230</code>")),
        answer(200, about("brand_new", "")),
        answer(200, about("pending_async", "")),
        answer(200, about("pending_async", "<redirect_url>javascript:x</redirect_url>")),
        answer(200, fine.replace("10000", "1")),
        answer(200, fine.replace(UNIQUE_ID, "55177a21403427eb96664a6d7e5d5d48")),
        Reply::Lost(crate::Lost::NotConnected),
        Reply::Lost(crate::Lost::Broken),
    ];
    for reply in replies {
        let (_, step) = go_on(&reply);
        assert!(matches!(step, Step::Silence(_)), "{reply:?}: {step:?}");
    }
}

// --- test connection --------------------------------------------------------------------------

#[test]
fn test_connection() {
    let try_it = |reply: Reply| {
        let mut world = world();
        let call = the_call(world.begin(Task::Test));
        assert_eq!(call.doubt, Doubt::Harmless);
        world.resume(Task::Test, &call, &reply)
    };
    for (body, proven, message) in [
        (bare("<code>460</code>"), true, "eMerchantPay accepts the credentials"),
        (bare("<code>110</code>"), false, "eMerchantPay refuses the user name or the password"),
        (bare("<code>220</code>"), false, "eMerchantPay refuses the terminal token"),
    ] {
        let finding = found(try_it(answer(200, body)));
        assert_eq!((finding.proven, finding.message.as_deref()), (proven, Some(message)));
    }
    assert!(!found(try_it(answer(401, ""))).proven);
    for (reply, code) in
        [(answer(503, ""), ErrorCode::PspUnavailable), (answer(200, about("approved", "")), ErrorCode::UnknownPspError)]
    {
        assert!(matches!(try_it(reply), Step::Refused(refusal) if refusal.code == code));
    }
}

// --- notifications ----------------------------------------------------------------------------

#[test]
fn the_documented_signature_vectors() {
    for (id, password, signature) in [
        ("fc6c3c8c0219730c7a099eaa540f70dc", "bogus", "08d01ae1ebdc22b6a1a764257819bb26e9e94e8d"),
        ("130319cfb3bf65ff3c4a4045487b173e", "test123", "1b34dabed996788efcc049567809484454ee8b17"),
        (UNIQUE_ID, "secretpw", "7769837b70a3bf7b323f24a3e7f4dfbb253a057a"),
    ] {
        assert!(is_signed(id, signature, password), "{id}");
        assert!(is_signed(id, &signature.to_uppercase(), password));
        assert!(!is_signed(id, signature, "other"));
        assert!(!is_signed("fc6c3c8c0219730c7a099eaa540f70dd", signature, password));
        assert!(!is_signed(id, &signature[..39], password));
    }
    // sha256sum, sha512sum of the id and `secretpw`.
    for signature in [
        "abeec4390e14dfa5bebb2c48e4f1be2dae0002b84fd41e9f0fc045aa2fe67e1a",
        "83171bcb87a2a3da2728074cdbc0d5f693cc9595ae8ff21019edb3e6f095512d52385afbdfd6e09510314affc5ac06130ff38d2ce8412970ad42f464f0cfd939",
    ] {
        assert!(is_signed(UNIQUE_ID, signature, "secretpw"));
        assert!(!is_signed(UNIQUE_ID, signature, "secretpx"));
    }
    for bad in ["", "00", &"0".repeat(40), &"0".repeat(64), &"0".repeat(128)] {
        assert!(!is_signed(UNIQUE_ID, bad, "secretpw"), "{bad}");
    }
}

fn notified(body: &str) -> crate::CallbackReading {
    world().callback(&[], body.as_bytes(), true)
}

const SIGNATURE: &str = "7769837b70a3bf7b323f24a3e7f4dfbb253a057a";

#[test]
fn a_signed_notification_is_a_hint() {
    let body = format!(
        "transaction_id=64a1f2b3c4d5e6f7a8b9c0d1&unique_id={UNIQUE_ID}&status=approved&amount=10000&signature={SIGNATURE}&event=chargeback"
    );
    let reading = notified(&body);
    assert_eq!((reading.answer.status, reading.answer.content_type), (200, "text/xml"));
    assert_eq!(
        reading.answer.body,
        r#"<?xml version="1.0" encoding="UTF-8"?><notification_echo><unique_id>44177a21403427eb96664a6d7e5d5d48</unique_id></notification_echo>"#
    );
    let CallbackOutcome::Hint(hint) = reading.outcome else { panic!() };
    assert_eq!(
        hint.to_text(),
        format!(r#"{{"unique_id":"{UNIQUE_ID}","status":"approved","event":"chargeback","amount":"10000"}}"#)
    );
    let CallbackOutcome::Hint(hint) = notified(&body.replace("=chargeback", "=retrieval_request")).outcome else { panic!() };
    assert_eq!(hint.str_at("anomaly"), Some("eMerchantPay tells of a retrieval request"), "it counts by itself");
    // A byte of another encoding, anywhere.
    for (from, to) in [("&event", "&rc_description=refus\u{e9}&event"), ("status=", "rc_description=\u{fc}\u{ff}&status=")] {
        let latin1: Vec<u8> = body.replace(from, to).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let reading = world().callback(&[], &latin1, true);
        let CallbackOutcome::Hint(hint) = reading.outcome else { panic!() };
        assert_eq!((reading.answer.status, hint.str_at("event")), (200, Some("chargeback")));
    }
}

#[test]
fn other_notifications() {
    let ours = "transaction_id=64a1f2b3c4d5e6f7a8b9c0d1";
    let wrong = notified(&format!("{ours}&unique_id={UNIQUE_ID}&signature={}&status=approved", "0".repeat(40)));
    assert_eq!(wrong.answer.status, 403);
    assert!(matches!(wrong.outcome, CallbackOutcome::Anomaly(_)), "on the timeline");
    assert_eq!(notified(&format!("{ours}&unique_id={UNIQUE_ID}")).answer.status, 403);
    for (other, is_ours) in [("transaction_id=64a1f2b3c4d5e6f7a8b9c0d2", false), ("a=b", true), ("transaction_id=", true)] {
        let reading = notified(&format!("{other}&unique_id={UNIQUE_ID}&signature={SIGNATURE}"));
        assert_eq!(matches!(reading.outcome, CallbackOutcome::Hint(_)), is_ours, "{other}");
        assert_eq!(reading.answer.status, 200);
    }
    // Less than the amount may have been given back; whatever else has another amount is shown, and asked about.
    for (said, is_ours) in [
        ("status=approved&amount=10000", true),
        ("status=approved&amount=1.0E4", true),
        ("status=refunded&amount=1", true),
        ("status=chargebacked&amount=9999.00", true),
        ("status=approved&amount=9999", false),
        ("status=refunded&amount=10001", false),
        ("status=refunded&amount=0", false),
        ("amount=much", false),
    ] {
        let CallbackOutcome::Hint(hint) = notified(&format!("unique_id={UNIQUE_ID}&signature={SIGNATURE}&{said}")).outcome else {
            panic!("{said}")
        };
        assert_eq!(hint.str_at("anomaly").is_none(), is_ours, "{said}");
    }
    for bad in ["", "{}", "unique_id=<x>", &format!("unique_id={UNIQUE_ID}&unique_id={UNIQUE_ID}")] {
        assert_eq!(notified(bad).answer.status, 400, "{bad}");
    }
}

#[test]
fn what_a_hint_brings_to_the_inquiry() {
    let mut world = open();
    world.hint = Some(crate::testing::json(r#"{"unique_id":"55177a21403427eb96664a6d7e5d5d48"}"#));
    assert_eq!(found(ask(&mut world, &about("pending_async", ""))).anomalies.len(), 1);
    world.status = TransactionStatus::Approved;
    world.hint = Some(crate::testing::json(&format!(r#"{{"unique_id":"{UNIQUE_ID}","event":"chargeback"}}"#)));
    assert_eq!(found(ask(&mut world, &about("chargebacked", ""))).anomalies.len(), 0);
}
