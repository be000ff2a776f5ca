//! ForumPay's pay-ins: the link, and what a list of payments and their records mean.

use super::*;

#[test]
fn the_basic_vector() {
    let mut world = World::new(&ForumPay, IN);
    let call = the_call(world.begin(Task::PayIn));
    assert_eq!(header(&call, "authorization"), Some("Basic ZnAtdXNlcjpmcC1zZWNyZXQtcGFydDFwYXJ0Mg=="));
}

#[test]
fn a_payment_link_is_the_published_example() {
    let mut world = World::new(&ForumPay, IN);
    let (calls, end) = world.run(Task::PayIn);
    let [call] = calls.as_slice() else { panic!() };
    assert_eq!((call.method, call.url.as_str()), ("POST", "https://sandbox.api.forumpay.com/pay/v2/CreatePaymentLink/"));
    assert_eq!((call.doubt, header(call, "content-type")), (Doubt::Page, Some("application/x-www-form-urlencoded")));
    let back = |result: &str| {
        let site = format!("https://your-site.com/operations?transactionId={TRANSACTION}&sessionId={SESSION}&result={result}");
        url::form_urlencoded::byte_serialize(site.as_bytes()).collect::<String>()
    };
    let expected = format!(
        "invoice_amount=100.00&invoice_currency=EUR&widget_type=0&reference_no={TRANSACTION}&payer_id=payer-77&payer_email=player%40example.com&locale=en-GB&secure_link=true&webhook_url=https%3A%2F%2Fgw.example%2Fcallbacks%2Fforumpay%2Ftoken&redirect_url_on_success={}&redirect_url_on_failure={}",
        back("success"),
        back("failure")
    );
    assert_eq!(String::from_utf8(call.body.clone()).unwrap(), expected);
    let finding = found(end);
    assert_eq!((finding.standing, finding.status.as_str(), finding.psp_transaction_id), (Standing::Pending, "waiting", None));
    let Some(CashierAnswer::Success { message, data, redirect_url }) = finding.answer else { panic!() };
    assert_eq!(message, "Successfully");
    assert_eq!(redirect_url.as_deref(), Some("https://pay.forumpay.com/invoice/abc123xyz"));
    assert_eq!(
        data.to_text(),
        format!(r#"{{"status":"PENDING","url":"https://pay.forumpay.com/invoice/abc123xyz","sessionId":"{SESSION}"}}"#)
    );
}

#[test]
fn amounts_are_major_units_in_the_digits_of_the_currency() {
    for (sent, currency, encoded) in [
        ("100", "EUR", "100.00"),
        ("0.1", "USD", "0.10"),
        ("5000", "JPY", "5000"),
        ("1.2", "KWD", "1.200"),
        ("1.2345", "CLF", "1.2345"),
        ("9999999999999.99", "EUR", "9999999999999.99"),
    ] {
        for (operation, task) in [(IN, Task::PayIn), (OUT, Task::PayOut)] {
            let mut request = json(super::super::DESCRIPTOR.operation(operation).unwrap().example);
            request.set("baseamount", json(sent));
            request.set("currency", Json::text(currency));
            let call = the_call(World::ordering(&ForumPay, operation, &request.to_text()).begin(task));
            let asked = format!("{}&{}&", call.url, String::from_utf8(call.body).unwrap());
            assert!(asked.contains(&format!("invoice_amount={encoded}&")), "{asked}");
            assert!(asked.contains(&format!("invoice_currency={currency}&")), "{asked}");
        }
    }
}

#[test]
fn without_a_site_there_are_no_redirects() {
    let mut world = World::new(&ForumPay, IN);
    world.settings.0.remove("siteUrl");
    assert!(!String::from_utf8(the_call(world.begin(Task::PayIn)).body).unwrap().contains("redirect"));
}

#[test]
fn where_the_page_is() {
    let link = |body: &str| {
        let mut world = World::new(&ForumPay, IN);
        let call = the_call(world.begin(Task::PayIn));
        world.resume(Task::PayIn, &call, &answer(200, body))
    };
    for (body, page) in [
        (r#"{"access_url":"https://a.example/4","link":"https://a.example/3"}"#, "https://a.example/3"),
        (r#"{"payment_link":"https://a.example/2","link":"https://a.example/3"}"#, "https://a.example/2"),
        (r#"{"url":"","payment_link":"https://a.example/2"}"#, "https://a.example/2"),
    ] {
        let Some(CashierAnswer::Success { redirect_url, .. }) = found(link(body)).answer else { panic!() };
        assert_eq!(redirect_url.as_deref(), Some(page));
    }
    for body in ["{}", r#"{"url":"javascript:x","link":"https://a.example/3"}"#, r#"{"url":"#, r#"{"url":5}"#] {
        assert!(matches!(link(body), Step::Silence(refusal) if refusal.code == ErrorCode::UnknownPspError), "{body}");
    }
    let Step::Refused(refusal) = link(r#"{"err":"no","err_code":"payerKYCNeeded"}"#) else { panic!() };
    assert_eq!(refusal.data.unwrap().to_text(), r#"{"err":"no","err_code":"payerKYCNeeded"}"#);
    let Step::Refused(refusal) = link(r#"{"err":"Payer ID is required"}"#) else { panic!() };
    assert_eq!(refusal.code, ErrorCode::PspNotConfigured);
}

#[test]
fn a_pay_in_is_asked_about_by_reference_then_payment_by_payment() {
    let mut world = pay_in();
    let (calls, end) = world.run(Task::Inquire);
    let urls: Vec<&str> = calls.iter().map(|call| call.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            format!("https://sandbox.api.forumpay.com/pay/v2/GetTransactions/?reference_no={TRANSACTION}").as_str(),
            format!("https://sandbox.api.forumpay.com/pay/v2/CheckPayment/?pos_id=mozarto&currency=BTC&payment_id={PAYMENT}&address={ADDRESS}").as_str(),
        ]
    );
    let finding = found(end);
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Approved, "confirmed"));
    assert_eq!(finding.message.as_deref(), Some("Crypto payment confirmed and successfully processed"));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some(PAYMENT));
}

#[test]
fn a_callback_names_the_payment_to_check() {
    let mut world = pay_in();
    world.hint = Some(json(r#"{"pos_id":"p 2","currency":"ETH","payment_id":"p-1","address":"0x&"}"#));
    let call = the_call(world.begin(Task::Inquire));
    assert!(call.url.ends_with("CheckPayment/?pos_id=p+2&currency=ETH&payment_id=p-1&address=0x%26"), "{}", call.url);
    // Anything missing: by reference.
    for lacking in [
        r#"{"pos_id":"mozarto","payment_id":"p-1"}"#,
        r#"{"currency":"ETH","payment_id":"p-1","address":"0x"}"#,
        r#"{"pos_id":"","currency":"ETH","payment_id":"p-1","address":"0x"}"#,
    ] {
        world.hint = Some(json(lacking));
        assert_eq!(the_call(world.begin(Task::Inquire)).step, LIST, "{lacking}");
    }
}

#[test]
fn an_id_longer_than_what_is_kept_is_none() {
    let long = "p".repeat(256);
    let end = pay_in().script(Task::Inquire, &[(LIST, list(&[&long]))]);
    assert_eq!(found(end).standing, Standing::Unchanged, "it may be open, and cannot be asked about");
    let mut world = World::new(&ForumPay, OUT);
    let call = the_call(world.begin(Task::PayOut));
    let rate = answer(200, format!(r#"{{"payment_id":"{long}"}}"#));
    assert!(matches!(world.resume(Task::PayOut, &call, &rate), Step::Refused(_)));
}

#[test]
fn a_payment_that_ended_ends_the_pay_in_only_when_no_other_is_open() {
    let cancelled = |reason: &str| check(IN, &[("cancelled", "true"), ("state", "\"cancelled\""), ("reason", reason)]);
    // One that ran out has no reason.
    for (reason, standing, message) in [
        ("\"curious\"", Standing::Cancelled, "curious"),
        ("\" \"", Standing::Expired, "cancelled"),
        ("\"\"", Standing::Expired, "cancelled"),
        ("\"Payment expired\"", Standing::Expired, "Payment expired"),
        ("\"TIMEOUT\"", Standing::Expired, "TIMEOUT"),
        ("null", Standing::Expired, "cancelled"),
    ] {
        let end = pay_in().script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, cancelled(reason))]);
        let finding = found(end);
        assert_eq!(
            (finding.standing, finding.status.as_str(), finding.message.as_deref()),
            (standing, "cancelled", Some(message))
        );
    }
    let blocked = found(pay_in().script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, state(IN, "blocked"))]));
    assert_eq!((blocked.standing, blocked.status.as_str()), (Standing::Unchanged, "blocked"), "a review is no ending");

    // The callback's payment ended; another one of the reference is open, paid, or ended too.
    let others = [
        (state(IN, "waiting"), Standing::Unchanged, "waiting"),
        (state(IN, "processing"), Standing::Unchanged, "processing"),
        (state(IN, "blocked"), Standing::Unchanged, "blocked"),
        (state(IN, "confirmed"), Standing::Approved, "confirmed"),
        (cancelled("\"curious\""), Standing::Cancelled, "cancelled"),
        (err("x"), Standing::Unchanged, ""),
    ];
    for (other, standing, status) in others {
        let mut world = pay_in();
        world.hint = Some(json(r#"{"pos_id":"mozarto","currency":"BTC","payment_id":"a","address":"x"}"#));
        let end = world.script(Task::Inquire, &[(CHECK, cancelled("\"expired\"")), (LIST, list(&["a", "b"])), (CHECK, other)]);
        let finding = found(end);
        assert_eq!((finding.standing, finding.status.as_str()), (standing, status));
    }
}

#[test]
fn the_newest_ending_speaks() {
    let ended = |at: &str, reason: &str| {
        check(IN, &[("state", "\"cancelled\""), ("reason", &format!("\"{reason}\"")), ("inserted", &format!("\"{at}\""))])
    };
    let replies = [
        (LIST, list(&["b", "a"])),
        (CHECK, ended("2026-05-17 10:00:00", "expired")),
        (CHECK, ended("2026-05-17 09:00:00", "curious")),
    ];
    assert_eq!(found(pay_in().script(Task::Inquire, &replies)).standing, Standing::Expired);
}

#[test]
fn a_second_confirmed_payment_changes_nothing_and_is_shown() {
    let paid = state(IN, "confirmed");
    let mut world = pay_in();
    let first = found(world.script(Task::Inquire, &[(LIST, list(&["a", "b"])), (CHECK, paid.clone()), (CHECK, paid.clone())]));
    assert_eq!((first.standing, first.psp_transaction_id.as_deref()), (Standing::Approved, Some("a")));
    assert_eq!(first.anomalies, ["a second payment of this reference is confirmed: b, 0.1 BTC"]);
    world.status = TransactionStatus::Approved;
    world.hint = Some(json(r#"{"pos_id":"mozarto","currency":"BTC","payment_id":"b","address":"x"}"#));
    let second = found(world.script(Task::Inquire, &[(CHECK, paid.clone())]));
    assert_eq!((second.standing, second.anomalies.len()), (Standing::Unchanged, 0), "it was told");
    world.hint = Some(json(r#"{"pos_id":"mozarto","currency":"BTC","payment_id":"c","address":"x"}"#));
    let third = found(world.script(Task::Inquire, &[(CHECK, paid.clone())]));
    assert_eq!((third.standing, third.anomalies.len()), (Standing::Unchanged, 1));
    world.hint = Some(json(r#"{"pos_id":"mozarto","currency":"BTC","payment_id":"a","address":"x"}"#));
    let again = found(world.script(Task::Inquire, &[(CHECK, paid)]));
    assert_eq!((again.standing, again.anomalies.len()), (Standing::Approved, 0));
}

#[test]
fn contradictions_change_nothing() {
    for changes in [
        &[("state", "\"confirmed\""), ("cancelled", "true")][..],
        &[("confirmed", "true"), ("state", "\"cancelled\"")],
        &[("state", "\"\"")],
        &[("state", "\"refunded\"")],
        &[("confirmed", "true"), ("type", "\"Buy\"")],
        &[("confirmed", "true"), ("invoice_amount", "null")],
        &[("cancelled", "true"), ("invoice_amount", "\"100.01\"")],
        &[("state", "\"waiting\""), ("invoice_amount", "\"100.01\"")],
        &[("confirmed", "true"), ("invoice_currency", "\"USD\"")],
        &[("confirmed", "true"), ("reference_no", "null")],
        &[("cancelled", "true"), ("reference_no", "\"64a1f2b3c4d5e6f7a8b9c0d2\"")],
    ] {
        let finding = found(pay_in().script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, check(IN, changes))]));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{changes:?}");
    }
    // Booleans may be texts.
    let said = check(
        IN,
        &[("confirmed", "\"true\""), ("state", "\"processing\""), ("cancelled", "\"false\""), ("underpayment", "null")],
    );
    assert_eq!(found(pay_in().script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, said)])).standing, Standing::Approved);
}

#[test]
fn what_is_confirmed_is_paid_whatever_else_is_said() {
    let approved = |changes: &[(&str, &str)]| {
        let finding = found(pay_in().script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, check(IN, changes))]));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Approved, 0), "{changes:?}");
        finding.notes.len()
    };
    for state in ["blocked", "processing", "underpayment", "waiting", "refunded"] {
        approved(&[("confirmed", "true"), ("state", &format!("\"{state}\""))]);
    }
    for none in ["null", "\"\"", "\"0\"", "\"0.000\"", "0.00", "0", "false", "\"false\"", "{}", "[]", "\"0E-8\""] {
        assert_eq!(approved(&[("state", "\"confirmed\""), ("underpayment", none)]), 0, "{none}");
    }
    for underpayment in [r#"{"missing_amount":"0.1"}"#, "\"0.1\"", "\"yes\"", "true", "0.00000001"] {
        assert_eq!(approved(&[("state", "\"confirmed\""), ("underpayment", underpayment)]), 1, "{underpayment}");
    }
}

#[test]
fn a_payment_for_another_amount_is_for_a_person_at_once() {
    let accepted = check(IN, &[("confirmed", "true"), ("state", "\"confirmed\""), ("invoice_amount", "\"90.00\"")]);
    let mut world = pay_in();
    let finding = found(world.script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, accepted.clone())]));
    assert_eq!(finding.standing, Standing::Stuck);
    assert!(finding.anomalies[0].contains("90.00 EUR instead of 100.00 EUR"), "{:?}", finding.anomalies);
    // Another one pays the whole: that one counts, and this one is shown.
    let both = [(LIST, list(&["a", "b"])), (CHECK, accepted.clone()), (CHECK, state(IN, "confirmed"))];
    let finding = found(pay_in().script(Task::Inquire, &both));
    assert_eq!((finding.standing, finding.psp_transaction_id.as_deref()), (Standing::Approved, Some("b")));
    assert_eq!(finding.anomalies, ["a second payment of this reference is confirmed: a, 90.00 EUR"]);
    world = approved();
    let out = check(OUT, &[("confirmed", "true"), ("invoice_amount", "\"90.00\"")]);
    assert_eq!(found(world.script(Task::Finalise, &[(CHECK, out)])).standing, Standing::Stuck);
}

#[test]
fn coins_of_a_payment_that_ended_are_shown_once() {
    let ended = |member: &str, coins: &str| check(IN, &[("state", "\"cancelled\""), (member, coins)]);
    for (member, coins) in [("payment", "\"0.09\""), ("unconfirmed_amount", "0.09"), ("payment", "\"9e-2\"")] {
        let mut world = pay_in();
        let replies = [(LIST, list(&["a"])), (CHECK, ended(member, coins))];
        let finding = found(world.script(Task::Inquire, &replies));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Expired, 1));
        assert!(finding.anomalies[0].starts_with("coins came too late or too few: accept or refund them at ForumPay ("));
        assert_eq!(found(world.script(Task::Inquire, &replies)).anomalies.len(), 0, "it was told");
    }
    for none in ["null", "\"0\"", "\"0.00000000\"", "0"] {
        assert_eq!(
            found(pay_in().script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, ended("payment", none))])).anomalies.len(),
            0
        );
    }
}

#[test]
fn a_list_is_ours_but_for_what_names_another_reference() {
    let element = |id: &str, reference: &str| {
        format!(r#"{{"payment_id":"{id}","currency":"BTC","address":"a","pos_id":"widget","reference_no":{reference}}}"#)
    };
    let ours = format!("\"{TRANSACTION}\"");
    let all = [element("a", "null"), element("b", "\"\""), element("c", &ours), element("d", "\"64a1f2b3c4d5e6f7a8b9c0d2\"")];
    let listed = answer(200, format!(r#"{{"invoices":[{}]}}"#, all.join(",")));
    let (calls, end) = pay_in().run_with(Task::Inquire, |_, call| match call.step {
        LIST => listed.clone(),
        _ => state(IN, "waiting"),
    });
    assert_eq!(calls.len(), 4, "the list, and three payments");
    assert!(calls.iter().all(|call| !call.url.contains("payment_id=d")));
    assert_eq!(found(end).standing, Standing::Unchanged);
}

#[test]
fn what_a_callback_names_need_not_exist() {
    let mut world = pay_in();
    world.hint = Some(json(r#"{"pos_id":"p","currency":"BTC","payment_id":"a","address":"x"}"#));
    let replies = [(CHECK, err("paymentNotFound")), (LIST, list(&["a"])), (CHECK, state(IN, "confirmed"))];
    assert_eq!(found(world.script(Task::Inquire, &replies)).standing, Standing::Approved);
}

#[test]
fn a_link_that_nobody_used_expires_after_a_day() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let after = |ms: i64, scale: u32, status: TransactionStatus| {
        let mut world = pay_in();
        (world.now, world.time_scale, world.status) = (now().plus_ms(ms), scale, status);
        let finding = found(world.script(Task::Inquire, &[(LIST, list(&[]))]));
        (finding.standing, finding.status)
    };
    let expired = (Standing::Expired, "link_expired".to_owned());
    let open = (Standing::Unchanged, String::new());
    assert_eq!(after(DAY_MS, 1, TransactionStatus::Pending), expired);
    assert_eq!(after(DAY_MS - 1, 1, TransactionStatus::Pending), open);
    assert_eq!(after(DAY_MS / 1_000, 1_000, TransactionStatus::Pending), expired);
    assert_eq!(after(2 * DAY_MS, 1, TransactionStatus::Failed), open, "a late check finds nothing new");
}

#[test]
fn a_page_call_without_an_answer_is_found_by_its_payment() {
    let mut world = World::new(&ForumPay, IN);
    assert_eq!(found(world.script(Task::Inquire, &[(LIST, list(&[]))])).standing, Standing::Unchanged);
    let found_one = found(world.script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, state(IN, "waiting"))]));
    assert_eq!((found_one.standing, found_one.status.as_str()), (Standing::Pending, "waiting"));
}

#[test]
fn an_inquiry_without_an_answer_is_repeated() {
    for reply in [
        answer(500, "{}"),
        answer(401, r#"{"err":"Unauthorized"}"#),
        answer(200, "{}"),
        answer(200, ""),
        err("x"),
        Reply::Lost(Lost::Broken),
    ] {
        assert!(matches!(pay_in().script(Task::Inquire, &[(LIST, reply)]), Step::Silence(_)));
    }
    for reply in
        [answer(500, "{}"), answer(403, "{}"), answer(200, "["), answer(200, r#"{"err":"timeout"}"#), Reply::Lost(Lost::TimedOut)]
    {
        assert!(matches!(pay_in().script(Task::Inquire, &[(LIST, list(&["a"])), (CHECK, reply)]), Step::Silence(_)));
    }
}

#[test]
fn too_many_payments_are_asked_about_in_turns() {
    let ids: Vec<String> = (0..45).map(|n| format!("p{n:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut world = pay_in();
    let mut asked = std::collections::BTreeSet::new();
    for (turn, standing) in [Standing::Unchanged, Standing::Unchanged, Standing::Expired].into_iter().enumerate() {
        let (calls, end) = world.run_with(Task::Inquire, |_, call| match call.step {
            LIST => list(&ids),
            _ => state(IN, "cancelled"),
        });
        assert!(calls.len() <= domain::limits::CALLS_PER_FLOW_MAX);
        asked.extend(calls.iter().filter(|call| call.step == CHECK).map(|call| call.url.clone()));
        assert_eq!(asked.len(), ids.len().min(20 * (turn + 1)), "turn {turn}");
        let finding = found(end);
        assert_eq!(finding.standing, standing, "turn {turn}");
        world.memo = finding.memo.unwrap_or(world.memo);
    }
}
