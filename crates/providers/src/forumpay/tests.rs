use super::ForumPay;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::testing::{SESSION, TRANSACTION, World, answer, found, header, json, now, the_call};
use domain::{ErrorCode, Json, Operation, TransactionStatus};

const PAYMENT: &str = "badd0b52-110f-4be2-af64-59d7645796af";
const ADDRESS: &str = "btc-1eda64a85da94d71a2ac5ed84e929553";

fn pay_in() -> World {
    World::open(&ForumPay, Operation::PayIn)
}

/// A pay-out on hold, approved.
fn approved() -> World {
    let mut world = World::created(&ForumPay, Operation::PayOut);
    world.status = TransactionStatus::Pending;
    world
}

/// CheckPayment's answer about the world's transaction, with members changed.
fn check(operation: Operation, changes: &[(&str, &str)]) -> Reply {
    let (kind, amount) = match operation {
        Operation::PayIn => ("Sell", "100.00"),
        Operation::PayOut => ("Buy", "200.00"),
    };
    let mut body = json(&format!(
        r#"{{"reference_no":"{TRANSACTION}","inserted":"2026-05-17 09:32:57","invoice_amount":"{amount}","invoice_currency":"EUR","type":"{kind}","amount":"0.1","currency":"BTC","confirmed":false,"cancelled":false,"reason":null,"status":"shown","state":"waiting"}}"#
    ));
    for (name, value) in changes {
        body.set(name, json(value));
    }
    answer(200, body.to_text())
}

fn state(operation: Operation, word: &str) -> Reply {
    check(operation, &[("state", &format!("\"{word}\""))])
}

/// GetTransactions' answer with these payment ids.
fn list(ids: &[&str]) -> Reply {
    let invoices: Vec<String> = ids
        .iter()
        .map(|id| {
            format!(
                r#"{{"payment_id":"{id}","currency":"BTC","address":"a-{id}","pos_id":"widget","state":"waiting","confirmed":null,"cancelled":null}}"#
            )
        })
        .collect();
    answer(200, format!(r#"{{"invoices":[{}]}}"#, invoices.join(",")))
}

const IN: Operation = Operation::PayIn;
const OUT: Operation = Operation::PayOut;
const CHECK: &str = "CheckPayment";
const LIST: &str = "GetTransactions";
const CONFIRM: &str = "ConfirmBuyOrder";

fn accepted() -> Reply {
    answer(200, format!(r#"{{"address":"{ADDRESS}","currency":"BTC"}}"#))
}

fn err(code: &str) -> Reply {
    answer(200, format!(r#"{{"err":"said","err_code":"{code}"}}"#))
}

// --- pay-in -----------------------------------------------------------------------------------

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
            let mut request = json(super::DESCRIPTOR.operation(operation).unwrap().example);
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
fn too_many_payments_end_with_a_person() {
    let ids: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (calls, end) = pay_in().run_with(Task::Inquire, |_, call| match call.step {
        LIST => list(&ids),
        _ => state(IN, "cancelled"),
    });
    assert!(calls.len() <= domain::limits::CALLS_PER_FLOW_MAX);
    assert_eq!(found(end).standing, Standing::Unchanged);
}

// --- pay-out ----------------------------------------------------------------------------------

#[test]
fn a_buy_order_is_the_published_example() {
    let body = super::DESCRIPTOR.pay_out.as_ref().unwrap().example.replace("200.00", "10.00");
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

// --- callbacks --------------------------------------------------------------------------------

#[test]
fn callbacks_are_hints_in_json_or_form() {
    let world = pay_in();
    let body = format!(
        r#"{{"pos_id":"mozarto","payment_id":"{PAYMENT}","currency":"BTC","address":"{ADDRESS}","reference_no":"{TRANSACTION}"}}"#
    );
    let form = format!("pos_id=mozarto&payment_id={PAYMENT}&currency=BTC&address={ADDRESS}&reference_no={TRANSACTION}");
    for body in [&body, &form] {
        for per_transaction in [true, false] {
            let reading = world.callback(&[], body.as_bytes(), per_transaction);
            assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, "OK"));
            let CallbackOutcome::Hint(hint) = reading.outcome else { panic!("{:?}", reading.outcome) };
            assert_eq!((hint.str_at("payment_id"), hint.str_at("address")), (Some(PAYMENT), Some(ADDRESS)));
            assert_eq!(reading.locate.is_some(), !per_transaction);
            if let Some(locate) = reading.locate {
                assert_eq!(locate.transaction_id, Some(TRANSACTION.parse().unwrap()));
                assert_eq!(locate.psp_transaction_id.as_deref(), Some(PAYMENT));
            }
        }
    }
    let other = body.replace(TRANSACTION, "64a1f2b3c4d5e6f7a8b9c0d2");
    assert!(matches!(world.callback(&[], other.as_bytes(), true).outcome, CallbackOutcome::Anomaly(_)));
}

#[test]
fn the_webhook_test_is_echoed() {
    let world = pay_in();
    for body in [r#"{"webhook_test":"a\"b"}"#, "webhook_test=a%22b"] {
        let reading = world.callback(&[], body.as_bytes(), false);
        assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, r#"{"message":"a\"b"}"#));
        assert!(matches!(reading.outcome, CallbackOutcome::Ignore));
    }
    for garbage in ["", "[]", "\"x\"", "garbage"] {
        assert_eq!(world.callback(&[], garbage.as_bytes(), false).answer.status, 400, "{garbage}");
        // A transaction's own address: that one is asked about.
        let reading = world.callback(&[], garbage.as_bytes(), true);
        assert_eq!(reading.answer.status, 200, "{garbage}");
        assert!(matches!(reading.outcome, CallbackOutcome::Hint(_)), "{garbage}");
    }
}
