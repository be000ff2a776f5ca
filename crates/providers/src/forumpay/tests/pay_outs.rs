//! ForumPay's pay-outs: the order, its approval, the confirmation and its doubts.

use super::*;

#[test]
fn a_buy_order_is_the_published_example() {
    let body = super::super::DESCRIPTOR.pay_out.as_ref().unwrap().example.replace("200.00", "10.00");
    let mut world = World::ordering(&ForumPay, OUT, &body);
    let published = format!(
        r#"{{"invoice_currency":"EUR","invoice_amount":"10.00","currency":"BTC","payment_source":"cash","wait_time":"20 minutes","network_processing_fee":"0.00000966","rate":"65419.3380","amount_exchange":"0.00015286","amount":"0.0001432","fast_transaction_fee":"0.00002066","fast_transaction_fee_currency":"BTC/kB","payment_id":"{PAYMENT}","reference_no":"{TRANSACTION}","address":"{ADDRESS}","access_token":"<forumpay-access-token>","other":1}}"#
    );
    let rate = answer(200, format!(r#"{{"invoice_currency":"EUR","invoice_amount":"10.00","payment_id":"{PAYMENT}"}}"#));
    let end = world.script(Task::PayOut, &[("GetBuyRate", rate.clone()), ("StartBuyOrder", answer(200, published))]);
    let finding = found(end);
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::OnHold, "on_hold"));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some(PAYMENT));
    let Some(CashierAnswer::Success { message, data, redirect_url: None }) = finding.answer else { panic!() };
    assert_eq!(message, "Transaction is on hold");
    let shown = format!(
        r#"{{"invoice_currency":"EUR","invoice_amount":"10.00","currency":"BTC","payment_source":"cash","wait_time":"20 minutes","network_processing_fee":"0.00000966","rate":"65419.3380","amount_exchange":"0.00015286","amount":10,"fast_transaction_fee":"0.00002066","fast_transaction_fee_currency":"BTC/kB","payment_id":"{PAYMENT}","reference_no":"{TRANSACTION}","address":"{ADDRESS}","access_token":"<forumpay-access-token>","transactionId":"{TRANSACTION}","merchantReference":"","transaction_status":"Pending"}}"#
    );
    assert_eq!(data.to_text(), shown);
    assert_eq!(world.memo.str_at("address"), Some(ADDRESS));
    assert!(!world.memo.to_text().contains("token"));

    // A member that ForumPay left out is null.
    let short = format!(r#"{{"address":"{ADDRESS}"}}"#);
    let mut world = World::ordering(&ForumPay, OUT, &body);
    let Some(CashierAnswer::Success { data, .. }) =
        found(world.script(Task::PayOut, &[("GetBuyRate", rate), ("StartBuyOrder", answer(200, short))])).answer
    else {
        panic!()
    };
    assert_eq!((data.get("rate"), data.as_object().unwrap().len()), (Some(&Json::Null), 18));
}

#[test]
fn the_calls_of_a_pay_out() {
    let mut world = World::new(&ForumPay, OUT);
    let (calls, _) = world.run(Task::PayOut);
    let [rate, order] = calls.as_slice() else { panic!() };
    let base = "https://sandbox.api.forumpay.com/pay/v2";
    assert_eq!(rate.url, format!("{base}/GetBuyRate/?pos_id=mozarto&invoice_currency=EUR&invoice_amount=200.00&currency=BTC"));
    assert_eq!(
        order.url,
        format!(
            "{base}/StartBuyOrder/?pos_id=mozarto&invoice_currency=EUR&invoice_amount=200.00&currency=BTC&reference_no={TRANSACTION}&address=bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh&payment_id={PAYMENT}&payer_id=payer-77&payer_ip_address=203.0.113.42"
        )
    );
    assert_eq!(order.shown, "sandbox.api.forumpay.com/pay/v2/StartBuyOrder/");
    assert_eq!((rate.doubt, order.doubt), (Doubt::Harmless, Doubt::Harmless));
    assert_eq!(order.memo.as_ref().unwrap().str_at("payment_id"), Some(PAYMENT), "kept with the intent");
    let destination = world.provider.destination(&world.order).unwrap();
    assert_eq!(destination.masked, "BTC bc1qxy***0wlh");
    for private in ["10.0.0.1", "127.0.0.1", "100.64.0.1", "fe80::1", "fd00::1", "::1"] {
        world.order.fields.plain.insert("userIp".to_owned(), Json::text(private));
        let (calls, _) = world.run(Task::PayOut);
        assert!(!calls[1].url.contains("payer_ip_address"), "{private}");
    }
}

#[test]
fn an_order_that_is_not_ours_is_not_held() {
    let order = |changes: &[(&str, &str)]| {
        let mut world = World::new(&ForumPay, OUT);
        let (_, good) = world.good(Task::PayOut, "StartBuyOrder");
        let mut body = Json::parse(&good).unwrap();
        for (name, value) in changes {
            body.set(name, json(value));
        }
        let (_, rate) = world.good(Task::PayOut, "GetBuyRate");
        world.script(Task::PayOut, &[("GetBuyRate", answer(200, rate)), ("StartBuyOrder", answer(200, body.to_text()))])
    };
    for (name, value) in [
        ("address", "\"bc1qother\""),
        ("address", "\"eth-1eda64a85da94d71a2ac5ed84e929553\""),
        ("address", "\"btc-1eda\""),
        ("address", "null"),
        ("payment_id", "\"x\""),
        ("reference_no", "\"64a1f2b3c4d5e6f7a8b9c0d2\""),
        ("invoice_amount", "\"200.01\""),
        ("invoice_currency", "\"USD\""),
        ("currency", "\"ETH\""),
    ] {
        let Step::Refused(refusal) = order(&[(name, value)]) else { panic!("{name} {value}") };
        assert_eq!(refusal.code, ErrorCode::UnknownPspError);
        assert!(refusal.anomaly.is_some());
        assert!(!refusal.data.unwrap().to_text().contains("canary-access-token"));
    }
    let echo = "\"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh\"";
    assert_eq!(found(order(&[("address", echo)])).standing, Standing::OnHold);
    for failed in [answer(500, ""), err("invalidAddress"), Reply::Lost(Lost::TimedOut)] {
        assert!(matches!(World::new(&ForumPay, OUT).script(Task::PayOut, &[("GetBuyRate", failed)]), Step::Refused(_)));
    }
}

#[test]
fn an_approval_checks_first_and_confirms_once() {
    let mut world = approved();
    let (calls, end) = world.run(Task::Finalise);
    let [check, confirm] = calls.as_slice() else { panic!() };
    assert_eq!(
        check.url,
        format!(
            "https://sandbox.api.forumpay.com/pay/v2/CheckPayment/?pos_id=mozarto&currency=BTC&payment_id={PAYMENT}&address={ADDRESS}"
        )
    );
    assert_eq!(
        confirm.url,
        format!("https://sandbox.api.forumpay.com/pay/v2/ConfirmBuyOrder/?pos_id=mozarto&address={ADDRESS}&payment_id={PAYMENT}")
    );
    assert_eq!((check.doubt, confirm.doubt), (Doubt::Harmless, Doubt::Money));
    let finding = found(end);
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "processing"));
    // `err` before confirming: confirmed all the same.
    // With any HTTP status that does not speak of the credentials, the path or the rate of calls.
    for reply in [err("x"), answer(400, r#"{"err":"said"}"#), answer(422, r#"{"err_code":"x"}"#)] {
        assert_eq!(found(approved().script(Task::Finalise, &[(CHECK, reply), (CONFIRM, accepted())])).status, "processing");
    }
    for reply in [401, 403, 404, 429, 500, 302].map(|status| answer(status, r#"{"err":"said"}"#)) {
        assert!(matches!(approved().script(Task::Finalise, &[(CHECK, reply)]), Step::TryLater(_)));
    }
}

#[test]
fn any_other_word_is_taken_as_found_and_nothing_is_confirmed() {
    for (reply, standing) in [
        (state(OUT, "confirmed"), Standing::Approved),
        (state(OUT, "processing"), Standing::Unchanged),
        (state(OUT, "underpayment"), Standing::Unchanged),
        (state(OUT, "blocked"), Standing::Unchanged),
        (state(OUT, "brandnew"), Standing::Stuck),
        (check(OUT, &[("invoice_amount", "\"1.00\"")]), Standing::Stuck),
        (check(OUT, &[("type", "\"Sell\"")]), Standing::Stuck),
    ] {
        assert_eq!(found(approved().script(Task::Finalise, &[(CHECK, reply)])).standing, standing);
    }
    let lapsed = check(OUT, &[("state", "\"cancelled\""), ("reason", "\"expired\"")]);
    let end = approved().script(Task::Finalise, &[(CHECK, lapsed.clone()), (LIST, list(&[PAYMENT]))]);
    assert_eq!(found(end).standing, Standing::Expired);
    let end = approved().script(Task::Finalise, &[(CHECK, lapsed), (LIST, answer(500, ""))]);
    assert!(matches!(end, Step::TryLater(_)));
    for reply in [answer(500, ""), answer(401, ""), answer(200, "x"), Reply::Lost(Lost::Broken)] {
        assert!(matches!(approved().script(Task::Finalise, &[(CHECK, reply)]), Step::TryLater(_)));
    }
}

#[test]
fn a_confirmation_that_was_not_taken_is_tried_again() {
    for reply in [
        answer(401, ""),
        answer(403, "x"),
        answer(404, ""),
        answer(429, ""),
        Reply::Lost(Lost::NotConnected),
        Reply::Lost(Lost::ConnectTimeout),
    ] {
        let mut world = approved();
        let waiting = state(OUT, "waiting");
        let end = world.script(Task::Finalise, &[(CHECK, waiting.clone()), (CONFIRM, reply), (CHECK, answer(500, ""))]);
        assert!(matches!(end, Step::TryLater(_)));
        assert_eq!(world.memo.get("confirms").unwrap().as_number(), Some("0"), "nothing can have arrived");
        assert_eq!(
            found(world.script(Task::Inquire, &[(CHECK, waiting.clone())])).standing,
            Standing::Unchanged,
            "nothing was sent that could be released again"
        );
        // Begun anew.
        assert_eq!(found(world.script(Task::Finalise, &[(CHECK, waiting), (CONFIRM, accepted())])).status, "processing");
        assert_eq!(world.memo.get("confirms").unwrap().as_number(), Some("1"));
    }
}

#[test]
fn a_confirmation_of_unknown_fate_is_asked_about() {
    for reply in [
        answer(500, r#"{"err":"x"}"#),
        answer(408, ""),
        answer(302, ""),
        answer(200, r#"{"address":"#),
        answer(200, "{}"),
        answer(200, r#"{"address":"other","currency":"BTC"}"#),
        answer(400, r#"{"err":"timeout"}"#),
        Reply::Lost(Lost::Broken),
        Reply::Lost(Lost::TimedOut),
    ] {
        let mut world = approved();
        let end = world.script(Task::Finalise, &[(CHECK, state(OUT, "waiting")), (CONFIRM, reply)]);
        assert!(matches!(end, Step::Silence(_)));
        assert_eq!(found(world.script(Task::Inquire, &[(CHECK, state(OUT, "waiting"))])).standing, Standing::NotReleased);
        assert_eq!(found(world.script(Task::Inquire, &[(CHECK, state(OUT, "processing"))])).standing, Standing::Unchanged);
        assert_eq!(found(world.script(Task::Inquire, &[(CHECK, err("x"))])).standing, Standing::Unchanged);
        let paid = found(world.script(Task::Inquire, &[(CHECK, state(OUT, "confirmed"))]));
        assert_eq!(paid.message.as_deref(), Some("Crypto payout confirmed and successfully processed"));
    }
}

#[test]
fn an_accepted_confirmation_is_never_offered_again() {
    let mut world = approved();
    world.run(Task::Finalise);
    let finding = found(world.script(Task::Inquire, &[(CHECK, state(OUT, "waiting"))]));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Unchanged, "waiting"));
}

#[test]
fn err_to_the_first_confirmation_declines_unless_the_payment_moved() {
    let refused = || err("orderExpired");
    for (after, standing, status) in [
        (state(OUT, "waiting"), Standing::Declined, "orderExpired"),
        (state(OUT, "underpayment"), Standing::Declined, "orderExpired"),
        (state(OUT, "cancelled"), Standing::Declined, "orderExpired"),
        (err("unknownPayment"), Standing::Declined, "orderExpired"),
        (state(OUT, "processing"), Standing::Unchanged, "processing"),
        (state(OUT, "blocked"), Standing::Unchanged, "blocked"),
        (state(OUT, "confirmed"), Standing::Approved, "confirmed"),
        (check(OUT, &[("invoice_amount", "\"1.00\"")]), Standing::Unchanged, ""),
    ] {
        let end =
            approved().script(Task::Finalise, &[(CHECK, state(OUT, "waiting")), (CONFIRM, refused()), (CHECK, after.clone())]);
        let finding = found(end);
        assert_eq!((finding.standing, finding.status.as_str()), (standing, status));
        // Unreachable: the schedule asks on, and says the same.
        let mut world = approved();
        let end = world.script(Task::Finalise, &[(CHECK, state(OUT, "waiting")), (CONFIRM, refused()), (CHECK, answer(500, ""))]);
        assert!(matches!(end, Step::Silence(_)));
        assert_eq!(found(world.script(Task::Inquire, &[(CHECK, after)])).standing, standing);
    }
    // Only `err`, no code.
    let end = approved()
        .script(Task::Finalise, &[(CHECK, state(OUT, "waiting")), (CONFIRM, answer(200, r#"{"err":"no"}"#)), (CHECK, err("x"))]);
    assert_eq!(found(end).status, "err");
}

#[test]
fn the_look_after_a_refusal_is_never_a_harmless_one() {
    let mut world = approved();
    let check_call = the_call(world.begin(Task::Finalise));
    let confirm = the_call(world.resume(Task::Finalise, &check_call, &state(OUT, "waiting")));
    let look = the_call(world.resume(Task::Finalise, &confirm, &err("orderExpired")));
    assert_eq!((look.step, look.doubt), (CHECK, Doubt::Money), "a crash here ends in an inquiry");
    assert_eq!(look.memo.unwrap().str_at("refused"), Some("orderExpired"));
    // Begun anew after a crash: the refusal stands, nothing is confirmed again.
    let end = world.script(Task::Finalise, &[(CHECK, state(OUT, "waiting"))]);
    assert_eq!(found(end).standing, Standing::Declined);
}

#[test]
fn releasing_again_confirms_the_same_payment_once_more() {
    let mut world = approved();
    world.script(Task::Finalise, &[(CHECK, state(OUT, "waiting")), (CONFIRM, Reply::Lost(Lost::TimedOut))]);
    let (calls, end) =
        world.run_with(Task::ReleaseAgain, |_, call| if call.step == CHECK { state(OUT, "waiting") } else { accepted() });
    assert!(calls.iter().all(|call| call.doubt == Doubt::Money));
    assert!(calls[1].url.ends_with(&format!("payment_id={PAYMENT}")));
    assert_eq!(found(end).status, "processing");
    assert_eq!(world.memo.get("confirms").unwrap().as_number(), Some("2"));
    // It was paid after all: nothing is confirmed.
    let mut world = approved();
    world.script(Task::Finalise, &[(CHECK, state(OUT, "waiting")), (CONFIRM, Reply::Lost(Lost::TimedOut))]);
    assert_eq!(found(world.script(Task::ReleaseAgain, &[(CHECK, state(OUT, "confirmed"))])).standing, Standing::Approved);
    // An error answer is no outcome.
    for reply in [err("orderExpired"), answer(401, ""), answer(404, ""), answer(500, ""), Reply::Lost(Lost::NotConnected)] {
        let mut world = approved();
        world.script(Task::Finalise, &[(CHECK, state(OUT, "waiting")), (CONFIRM, Reply::Lost(Lost::TimedOut))]);
        let end = world.script(Task::ReleaseAgain, &[(CHECK, state(OUT, "waiting")), (CONFIRM, reply)]);
        assert!(matches!(end, Step::Silence(_)));
        assert_eq!(found(world.script(Task::Inquire, &[(CHECK, state(OUT, "waiting"))])).standing, Standing::NotReleased);
    }
}

#[test]
fn an_order_that_lapses_on_hold_is_only_noted() {
    let mut world = World::created(&ForumPay, OUT);
    let lapsed = check(OUT, &[("state", "\"cancelled\""), ("reason", "\"expired\"")]);
    let finding = found(world.script(Task::Inquire, &[(CHECK, lapsed), (LIST, list(&[PAYMENT]))]));
    assert_eq!((finding.standing, finding.status.as_str(), finding.anomalies.len()), (Standing::Unchanged, "", 0));
    assert_eq!(finding.notes, ["the order has lapsed: expired"]);
    let again = check(OUT, &[("state", "\"cancelled\""), ("reason", "\"expired\"")]);
    let again = found(world.script(Task::Inquire, &[(CHECK, again), (LIST, list(&[PAYMENT]))]));
    assert!(again.notes.is_empty(), "it was told");
    let open = found(world.script(Task::Inquire, &[(CHECK, state(OUT, "waiting"))]));
    assert_eq!((open.standing, open.status.as_str()), (Standing::Unchanged, ""));
    let paid = found(world.script(Task::Inquire, &[(CHECK, state(OUT, "confirmed"))]));
    assert_eq!((paid.standing, paid.anomalies.len()), (Standing::Unchanged, 1));
}
