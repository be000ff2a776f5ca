use super::Flexepin;
use super::wire::signature;
use crate::api::{CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::testing::{SESSION, TRANSACTION, World, answer, found, header, json, the_call};
use domain::{ErrorCode, Json, Operation};

const PIN: &str = "1234567890123456";

fn world() -> World {
    World::new(&Flexepin, Operation::PayIn)
}

/// Members and their new values as JSON; `null` takes one out.
type Changes<'a> = &'a [(&'a str, &'a str)];

/// A voucher object with members changed or, for `null`, left out.
fn voucher(changes: Changes<'_>) -> String {
    let mut body = json(
        r#"{"result":"0","result_description":"Success","transaction_id":"64a1f2b3c4d5e6f7a8b9c0d1","trans_no":"118203344","serial":"A1000001","value":25,"cost":24.5,"residual_value":25,"status":"ACTIVE","currency":"EUR","ean":"","description":"Flexepin EUR 25"}"#,
    );
    for (name, value) in changes {
        match *value {
            "null" => drop(body.remove(name)),
            value => body.set(name, json(value)),
        }
    }
    body.to_text()
}

/// What a validate answers: about its own id.
fn checked(changes: Changes<'_>) -> String {
    voucher(&[&[("transaction_id", "\"64a1f2b3c4d5e6f7a8b9c0d1v\"")], changes].concat())
}

fn used(changes: Changes<'_>) -> String {
    voucher(&[&[("status", "\"USED\"")], changes].concat())
}

/// What comes of a validate's answer.
fn validate(reply: &Reply) -> Step {
    let mut world = world();
    let call = the_call(world.begin(Task::PayIn));
    world.resume(Task::PayIn, &call, reply)
}

/// What comes of a redeem's answer.
fn redeem(reply: &Reply) -> Step {
    let mut world = world();
    let call = the_call(world.begin(Task::PayIn));
    let call = the_call(world.resume(Task::PayIn, &call, &answer(200, checked(&[]))));
    assert_eq!(call.step, "redeem");
    world.resume(Task::PayIn, &call, reply)
}

fn inquire(reply: &Reply) -> Step {
    let mut world = World::open(&Flexepin, Operation::PayIn);
    let call = the_call(world.begin(Task::Inquire));
    world.resume(Task::Inquire, &call, reply)
}

#[test]
fn the_signature_vectors() {
    let sign = |method: &str, path: &str, body: &str| signature("secretkey0001", method, path, "16999999991234", body.as_bytes());
    let vectors = [
        ("GET", "/status".to_owned(), "", "2e9c0f945c4aa464c9f9bb68507abbc99e91ee00a2b2343d69fae077696052b2"),
        (
            "GET",
            format!("/voucher/validate/{PIN}/TERM01/{TRANSACTION}"),
            "",
            "33d68c2c1b66144e40f93ac687f178d1fa62eef7c9a3c9799e326ebffe9a8e42",
        ),
        (
            "PUT",
            format!("/voucher/redeem/{PIN}/TERM01/{TRANSACTION}"),
            r#"{"customer_ip":"203.0.113.42"}"#,
            "7ed14d00e4f057c4a464f1ce479fe22056dc43ad9fe73314b4710ab78f854626",
        ),
        (
            "GET",
            format!("/trans/trans_id/{TRANSACTION}/TERM01/{TRANSACTION}q01"),
            "",
            "0731ab2f44b3bdee5dcff1b74489f7c1a9ddf6fbc2ec3819e288686b14cdc3c0",
        ),
    ];
    for (method, path, body, expected) in vectors {
        assert_eq!(sign(method, &path, body), expected, "{method} {path}");
    }
}

#[test]
fn the_calls_in_order() {
    let mut world = world();
    let (calls, end) = world.run(Task::PayIn);
    let [validate, redeem] = calls.as_slice() else { panic!() };
    assert_eq!(validate.url, format!("https://testrest.flexepin.com/voucher/validate/{PIN}/TERM01/{TRANSACTION}v"));
    assert_eq!(validate.shown, format!("testrest.flexepin.com/voucher/validate/****************/TERM01/{TRANSACTION}v"));
    assert_eq!((validate.method, validate.doubt, validate.body.len()), ("GET", Doubt::Harmless, 0));
    assert_eq!(header(validate, "content-type"), None);
    assert_eq!((redeem.method, redeem.doubt), ("PUT", Doubt::Money));
    assert_eq!(redeem.body, br#"{"customer_ip":"203.0.113.42"}"#);
    assert_eq!(header(redeem, "content-type"), Some("application/json"));
    let nonce = "5a".repeat(16);
    let expected =
        signature("secretkey0001", "PUT", &format!("/voucher/redeem/{PIN}/TERM01/{TRANSACTION}"), &nonce, &redeem.body);
    assert_eq!(header(redeem, "AUTHENTICATION").unwrap(), format!("HMAC testkey0001:{expected}:{nonce}"));

    let finding = found(end);
    assert_eq!(
        (finding.standing, finding.status.as_str(), finding.message.as_deref()),
        (Standing::Approved, "USED", Some("Success"))
    );
    assert_eq!(finding.psp_transaction_id.as_deref(), Some("118203344"));
    let Some(CashierAnswer::Success { message, data, redirect_url: None }) = finding.answer else { panic!() };
    assert_eq!(
        (message.as_str(), data.to_text()),
        ("Successfully", format!(r#"{{"status":"PENDING","sessionId":"{SESSION}"}}"#))
    );
}

#[test]
fn both_published_sets_of_settings_sign_alike() {
    let mut older = world();
    let descriptor = older.provider.descriptor();
    let patch = json(r#"{"username":"testkey0001","password":"secretkey0001","merchantId":"TERM01"}"#);
    older.settings =
        crate::settings::apply(descriptor, &domain::Settings::default(), &patch, &crate::testing::sandbox()).unwrap();
    let (ours, theirs) = (the_call(world().begin(Task::PayIn)), the_call(older.begin(Task::PayIn)));
    assert_eq!((ours.url, ours.headers[0].1.expose()), (theirs.url, theirs.headers[0].1.expose()));
    // Without `terminalId` the API key stands for it.
    let mut world = world();
    world.settings.0.remove("terminalId");
    assert!(the_call(world.begin(Task::PayIn)).url.contains("/testkey0001/"));
}

#[test]
fn a_base_path_is_not_signed() {
    let mut world = world();
    let patch = json(r#"{"baseUrl":"http://127.0.0.1:8081/flexepin/"}"#);
    world.settings =
        crate::settings::apply(world.provider.descriptor(), &world.settings, &patch, &crate::testing::sandbox()).unwrap();
    let call = the_call(world.begin(Task::Test));
    assert_eq!(call.url, "http://127.0.0.1:8081/flexepin/status");
    let nonce = "5a".repeat(16);
    assert!(header(&call, "AUTHENTICATION").unwrap().contains(&signature("secretkey0001", "GET", "/status", &nonce, b"")));
}

#[test]
fn each_inquiry_has_an_id_of_its_own() {
    for (count, id) in [(1, "q01"), (9, "q09"), (42, "q42"), (100, "q100")] {
        let mut world = world();
        world.inquiry = count;
        assert!(the_call(world.begin(Task::Inquire)).url.ends_with(&format!("/TERM01/{TRANSACTION}{id}")));
    }
}

#[test]
fn what_the_voucher_must_be() {
    let cases: [(Changes<'_>, &str, &str); 8] = [
        (&[("result", "\"4002\""), ("result_description", "\"Voucher already used\"")], "4002", "Voucher already used"),
        (&[("result", "4001"), ("result_description", "null")], "4001", "Voucher refused"),
        (&[("status", "\"USED\"")], "USED", "Voucher is not active (USED)"),
        (&[("currency", "\"USD\"")], "currency_mismatch", "Voucher currency does not match the requested currency"),
        (&[("value", "26")], "amount_mismatch", "Voucher amount does not match the requested amount"),
        (&[("value", "\"25.01\"")], "amount_mismatch", "Voucher amount does not match the requested amount"),
        (&[("value", "25.001")], "amount_mismatch", "Voucher amount does not match the requested amount"),
        (
            &[("currency", "\"USD\""), ("value", "26")],
            "currency_mismatch",
            "Voucher currency does not match the requested currency",
        ),
    ];
    for (changes, status, reason) in cases {
        let finding = found(validate(&answer(200, checked(changes))));
        assert_eq!(
            (finding.standing, finding.status.as_str(), finding.message.as_deref()),
            (Standing::Declined, status, Some(reason))
        );
        let Some(CashierAnswer::Declined { message, data }) = finding.answer else { panic!() };
        assert_eq!(message, reason);
        let data = data.unwrap();
        assert_eq!(data.get("serial"), None, "taken out");
        assert_eq!(data.get("ean"), None, "taken out");
        assert!(data.get("value").is_some());
    }
    for good in [
        &[("value", "25.00")][..],
        &[("value", "\"25\"")],
        &[("status", "\"active\"")],
        &[("result", "0")],
        &[("transaction_id", "null")],
    ] {
        assert_eq!(the_call(validate(&answer(200, checked(good)))).step, "redeem", "{good:?}");
    }
}

#[test]
fn a_vouchers_value_is_compared_in_the_digits_of_its_currency() {
    for (sent, currency, equal, other) in [
        ("25", "EUR", "25.00", "25.01"),
        ("2500", "JPY", "2500", "25"),
        ("2.5", "KWD", "2.500", "2.501"),
        ("2.5", "CLF", "2.5000", "2.5001"),
    ] {
        let mut request = json(super::DESCRIPTOR.pay_in.as_ref().unwrap().example);
        request.set("baseamount", json(sent));
        for name in ["currency", "currencyCode"] {
            request.set(name, Json::text(currency));
        }
        let shown = |value: &str| answer(200, checked(&[("value", value), ("currency", &format!("{currency:?}"))]));
        for (value, redeems) in [(equal, true), (other, false)] {
            let mut world = World::ordering(&Flexepin, Operation::PayIn, &request.to_text());
            let call = the_call(world.begin(Task::PayIn));
            let step = world.resume(Task::PayIn, &call, &shown(value));
            assert_eq!(matches!(&step, Step::Call(call) if call.step == "redeem"), redeems, "{currency} {value}: {step:?}");
        }
    }
}

#[test]
fn a_validate_without_a_voucher_fails() {
    for (reply, code) in [
        (answer(401, r#"{"result":"401","result_description":"Unauthorized"}"#), ErrorCode::InvalidPspCredentials),
        (answer(404, ""), ErrorCode::InvalidPspCredentials),
        (answer(429, ""), ErrorCode::PspRateLimited),
        (answer(500, voucher(&[("result", "\"4002\"")])), ErrorCode::PspUnavailable),
        (answer(500, voucher(&[])), ErrorCode::PspUnavailable),
        (answer(408, ""), ErrorCode::PspTimeout),
        (answer(200, ""), ErrorCode::UnknownPspError),
        (answer(200, checked(&[("value", "null")])), ErrorCode::UnknownPspError),
        // The redeem's id is none of a validate.
        (answer(200, voucher(&[])), ErrorCode::UnknownPspError),
        (answer(200, voucher(&[("transaction_id", "\"64a1f2b3c4d5e6f7a8b9c0d2\"")])), ErrorCode::UnknownPspError),
        (answer(302, voucher(&[])), ErrorCode::UnknownPspError),
        (Reply::Lost(Lost::TimedOut), ErrorCode::PspTimeout),
        (Reply::Lost(Lost::Broken), ErrorCode::PspUnavailable),
    ] {
        match validate(&reply) {
            Step::Refused(refusal) => assert_eq!(refusal.code, code, "{reply:?}"),
            other => panic!("{reply:?}: {other:?}"),
        }
    }
    // Any other HTTP status with a voucher that refuses is the voucher's refusal.
    assert_eq!(found(validate(&answer(400, checked(&[("result", "4004")])))).status, "4004");
}

#[test]
fn a_redeem_is_refused_only_by_a_readable_result() {
    for refusal in [answer(200, voucher(&[("result", "\"4003\"")])), answer(400, voucher(&[("result", "4019")]))] {
        assert_eq!(found(redeem(&refusal)).standing, Standing::Declined);
    }
    for (certain, code) in [
        (answer(401, ""), ErrorCode::InvalidPspCredentials),
        (answer(403, voucher(&[("result", "\"4003\"")])), ErrorCode::InvalidPspCredentials),
        (answer(404, ""), ErrorCode::InvalidPspCredentials),
        (answer(429, ""), ErrorCode::PspRateLimited),
        (Reply::Lost(Lost::NotConnected), ErrorCode::PspUnavailable),
    ] {
        let Step::Refused(refusal) = redeem(&certain) else { panic!("{certain:?}") };
        assert_eq!(refusal.code, code);
    }
    for doubtful in [
        answer(500, voucher(&[("result", "\"4003\"")])),
        answer(408, voucher(&[("result", "\"4003\"")])),
        answer(302, voucher(&[("result", "\"4003\"")])),
        answer(200, voucher(&[("result", "\"4003\""), ("result_description", "\"Timeout\"")])),
        answer(200, voucher(&[("result", "\"4003\""), ("transaction_id", "\"64a1f2b3c4d5e6f7a8b9c0d2\"")])),
        answer(200, used(&[("transaction_id", "\"64a1f2b3c4d5e6f7a8b9c0d2\"")])),
        answer(200, used(&[("transaction_id", "\"64a1f2b3c4d5e6f7a8b9c0d1v\"")])),
        // Used before: that may have been ours.
        answer(200, voucher(&[("result", "4005")])),
        answer(500, used(&[])),
        answer(200, voucher(&[])),
        answer(200, used(&[("value", "null")])),
        answer(200, r#"{"result":"#),
        answer(401, "timeout"),
        Reply::Lost(Lost::Broken),
        Reply::Lost(Lost::TimedOut),
    ] {
        assert!(matches!(redeem(&doubtful), Step::Silence(_)), "{doubtful:?}");
    }
}

#[test]
fn another_value_redeemed_is_a_persons_turn() {
    for changes in [&[("value", "20")][..], &[("currency", "\"USD\"")]] {
        let finding = found(redeem(&answer(200, used(changes))));
        assert_eq!((finding.standing, finding.status.as_str(), finding.anomalies.len()), (Standing::Stuck, "value_mismatch", 1));
        assert!(finding.answer.is_none());
    }
    assert_eq!(found(redeem(&answer(200, used(&[("status", "\"used\"")])))).standing, Standing::Approved);
}

fn inquiry(result: &str, inner: Option<String>) -> Reply {
    let inner = inner.map(|inner| format!(r#","transaction":{inner}"#)).unwrap_or_default();
    answer(200, format!(r#"{{"trans_no":1,"transaction_id":"x","result":{result},"result_description":"said"{inner}}}"#))
}

#[test]
fn a_long_result_does_not_reach_the_timeline_whole() {
    let result = format!("\"4{}\"", "\\u0007x".repeat(5_000));
    let finding = found(inquire(&inquiry(&result, Some(used(&[])))));
    let [text] = finding.anomalies.as_slice() else { panic!("{finding:?}") };
    assert!(text.len() < 400 && !text.contains(char::is_control), "{} bytes", text.len());
}

#[test]
fn what_an_inquiry_says() {
    let finding = found(inquire(&inquiry("0", Some(used(&[])))));
    assert_eq!(
        (finding.standing, finding.status.as_str(), finding.message.as_deref()),
        (Standing::Approved, "USED", Some("said"))
    );
    assert_eq!(finding.psp_transaction_id.as_deref(), Some("118203344"));
    assert!(matches!(finding.answer, Some(CashierAnswer::Success { .. })), "an inline inquiry answers the Cashier call");
    for result in ["0", "\"0\"", "\" 0\"", "\"00\"", "null"] {
        // The record has a result of its own, or none.
        let finding = found(inquire(&inquiry("\"0\"", Some(used(&[("result", result)])))));
        assert_eq!(finding.standing, Standing::Approved, "{result}");
    }
    for absent in
        [inquiry("\"4040\"", None), inquiry("0", Some(voucher(&[]))), inquiry("0", Some(voucher(&[("result", "4003")])))]
    {
        assert_eq!(found(inquire(&absent)).standing, Standing::NotFound);
    }
    for odd in [
        inquiry("4003", Some(used(&[]))),
        inquiry("0", Some(used(&[("result", "4002")]))),
        inquiry("0", Some(used(&[("result", "\"used\"")]))),
        inquiry("0", Some(voucher(&[("status", "\"BLOCKED\""), ("result", "4003")]))),
        inquiry("0", Some(used(&[("transaction_id", "\"64a1f2b3c4d5e6f7a8b9c0d2\"")]))),
        inquiry("0", Some(used(&[("value", "null")]))),
        inquiry("0", Some(voucher(&[("status", "\"PARTLY\"")]))),
    ] {
        let finding = found(inquire(&odd));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1));
    }
    assert_eq!(found(inquire(&inquiry("0", Some(used(&[("value", "20")]))))).standing, Standing::Stuck);
    for silent in
        [answer(404, r#"{"result":"4040"}"#), answer(500, ""), inquiry("0", None), answer(200, ""), Reply::Lost(Lost::Broken)]
    {
        assert!(matches!(inquire(&silent), Step::Silence(_)), "{silent:?}");
    }
}

#[test]
fn the_pin_is_masked_wherever_it_stands() {
    for echo in [
        format!("<html>/voucher/validate/{PIN}/TERM01 not here"),
        r#"{"path":"/voucher/1234 5678-9012 3456/x","1234567890123456":[1234567890123456,{"a":"1234567890123456"}]}"#.to_owned(),
        format!("{}{PIN}", "x".repeat(4096 - 10)),
    ] {
        let Step::Refused(refusal) = validate(&answer(400, echo)) else { panic!() };
        let data = refusal.data.unwrap().to_text();
        for part in [PIN, "1234567890", "1234 5678"] {
            assert!(!data.contains(part), "{data}");
        }
    }
    let finding =
        found(validate(&answer(200, checked(&[("result", "9"), ("result_description", "\"PIN 1234567890123456 is bad\"")]))));
    assert_eq!(finding.message.as_deref(), Some("PIN **************** is bad"));
}

#[test]
fn pins_are_read_with_blanks_and_dashes() {
    assert_eq!(super::read_pin("1234-5678 9012 3456").as_deref(), Ok(PIN));
    for bad in ["123456789012345", "12345678901234567", "1234567890l23456", "", "١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦"] {
        assert_eq!(super::read_pin(bad), Err("must be 16 digits"), "{bad}");
    }
    assert!(!world().order.fields.plain.contains_key("voucherPin"));
    assert_eq!(world().order.fields.text("voucherPin"), Some(PIN));
}

#[test]
fn test_connection_asks_for_the_status() {
    assert!(found(world().run(Task::Test).1).proven);
    let mut world = world();
    let call = the_call(world.begin(Task::Test));
    assert!(
        matches!(world.resume(Task::Test, &call, &answer(401, "")), Step::Refused(refusal) if refusal.code == ErrorCode::InvalidPspCredentials)
    );
    assert_eq!(call.body, Vec::<u8>::new());
    assert_eq!(call.scratch, Json::Null);
}
