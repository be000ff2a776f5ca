use super::PayOne;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::testing::{SESSION, TRANSACTION, World, answer, found, header, json, the_call};
use domain::{ErrorCode, Json, Operation};

fn world(operation: Operation) -> World {
    World::new(&PayOne, operation)
}

/// The answer to a create call, and what is made of it.
fn create(operation: Operation, reply: &Reply) -> Step {
    let mut world = world(operation);
    let task = crate::testing::create_task(operation);
    let call = the_call(world.begin(task));
    world.resume(task, &call, reply)
}

#[test]
fn amounts_have_exactly_two_decimals() {
    for (sent, encoded) in
        [("100.00", "100.00"), ("100", "100.00"), ("0.1", "0.10"), ("0.01", "0.01"), ("9999999999999.99", "9999999999999.99")]
    {
        for operation in [Operation::PayIn, Operation::PayOut] {
            let mut request = json(super::DESCRIPTOR.operation(operation).unwrap().example);
            request.set("baseamount", json(sent));
            let mut world = World::ordering(&PayOne, operation, &request.to_text());
            let body = String::from_utf8(the_call(world.begin(crate::testing::create_task(operation))).body).unwrap();
            assert!(body.contains(&format!(r#""amount":"{encoded}""#)), "{sent}: {body}");
        }
    }
}

#[test]
fn a_deposit_is_the_published_example() {
    let mut world = world(Operation::PayIn);
    world.order.merchant_reference = Some("ORDER 1".to_owned());
    let call = the_call(world.begin(Task::PayIn));
    assert_eq!((call.method, call.url.as_str()), ("POST", "https://demo.payonepayment.com/api/deposit"));
    assert_eq!(call.doubt, Doubt::Page);
    assert_eq!((header(&call, "x-api-key"), header(&call, "content-type")), (Some("payone-key-0001"), Some("application/json")));
    let back = format!(
        "https://your-site.com/operations?transactionId={TRANSACTION}&sessionId={SESSION}&merchantReference=ORDER+1&result=return"
    );
    let body = format!(
        r#"{{"client":"Your account name","brand":"Your account name","userId":"user_123","first_name":"John","last_name":"Doe","email":"player@example.com","phone":"4915112345678","userIp":"203.0.113.42","currency":"CAD","amount":"100.00","siteUrl":"{back}","referenceId":"{TRANSACTION}","callbackUrl":"https://gw.example/callbacks/payone/token"}}"#
    );
    assert_eq!(String::from_utf8(call.body.clone()).unwrap(), body);
    let (_, good) = world.good(Task::PayIn, "deposit");
    let finding = found(world.resume(Task::PayIn, &call, &answer(200, good)));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "Pending"));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some("HS923856HU"));
    let Some(CashierAnswer::Success { message, data, redirect_url }) = finding.answer else { panic!() };
    assert_eq!(message, "Transaction successfully processed");
    let page = "https://demo.payonepayment.com/webflow-payment/HS923856HU/tok3n";
    assert_eq!(redirect_url.as_deref(), Some(page));
    assert_eq!(
        data.to_text(),
        format!(
            r#"{{"success":true,"message":"Transaction successfully Ongoing Process ","redirect_url":"{page}","transactionId":"{TRANSACTION}","merchantReference":"ORDER 1","amount":100}}"#
        )
    );
}

#[test]
fn the_requests_site_wins_on_a_deposit_and_is_ignored_on_a_withdraw() {
    let with_site = |operation: Operation, name: &str| {
        let mut body = json(example(operation));
        body.set("siteUrl", Json::text("https://other.example/x?a=b"));
        let mut world = World::ordering(&PayOne, operation, &body.to_text());
        let call = the_call(world.begin(crate::testing::create_task(operation)));
        assert_eq!(call.step, name);
        Json::parse(&call.body).unwrap().str_at("siteUrl").unwrap().to_owned()
    };
    let deposit = with_site(Operation::PayIn, "deposit");
    assert!(deposit.starts_with("https://other.example/x?a=b&transactionId="), "{deposit}");
    assert_eq!(with_site(Operation::PayOut, "withdraw"), "https://your-site.com/operations");
}

fn example(operation: Operation) -> &'static str {
    super::DESCRIPTOR.operation(operation).unwrap().example
}

#[test]
fn a_withdraw_is_passed_through() {
    let mut world = world(Operation::PayOut);
    let call = the_call(world.begin(Task::PayOut));
    assert_eq!(call.url, "https://demo.payonepayment.com/api/withdraw");
    assert_eq!(call.doubt, Doubt::Money);
    assert_eq!(Json::parse(&call.body).unwrap().str_at("siteUrl"), Some("https://your-site.com/operations"));
    let (_, good) = world.good(Task::PayOut, "withdraw");
    let upstream = String::from_utf8(good.clone()).unwrap();
    let finding = found(world.resume(Task::PayOut, &call, &answer(200, good)));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some("HS932097JV"));
    let Some(CashierAnswer::Success { message, data, .. }) = finding.answer else { panic!() };
    assert_eq!(message, "Withdraw request successfully processed");
    let ours = format!(r#","transactionId":"{TRANSACTION}","merchantReference":"","amount":100}}"#);
    assert_eq!(data.to_text(), upstream.strip_suffix('}').unwrap().to_owned() + &ours);
    let destination = world.provider.destination(&world.order).unwrap();
    assert_eq!(destination.masked, "p***@example.com ***678");
}

#[test]
fn a_withdraw_can_be_final_in_its_own_answer() {
    let said = |word: &str| {
        let body = format!(r#"{{"success":true,"withdraw":{{"transactionId":"HS932097JV","status":"{word}"}}}}"#);
        found(create(Operation::PayOut, &answer(200, body)))
    };
    for (word, standing, status) in [
        ("Pending", Standing::Pending, "Pending"),
        ("Approved", Standing::Approved, "success"),
        ("Declined", Standing::Declined, "Declined"),
        ("Cancelled", Standing::Declined, "Cancelled"),
        ("Expired", Standing::Declined, "Expired"),
    ] {
        let finding = said(word);
        assert_eq!((finding.standing, finding.status.as_str(), finding.anomalies.len()), (standing, status, 0), "{word}");
        assert!(finding.answer.is_some());
    }
    assert_eq!(said("Approved").message.as_deref(), Some("Transaction approved and successfully processed"));
    // An unknown word changes nothing: it was accepted.
    let odd = said("Brandnew");
    assert_eq!((odd.standing, odd.status.as_str(), odd.anomalies.len()), (Standing::Pending, "Pending", 1));
}

#[test]
fn the_reference_is_read_from_the_page_only_where_it_has_that_form() {
    let page = |url: &str| {
        let body = format!(r#"{{"success":true,"message":"","redirect_url":"{url}"}}"#);
        found(create(Operation::PayIn, &answer(200, body))).psp_transaction_id
    };
    assert_eq!(page("http://127.0.0.1:8081/payone/webflow-payment/AB123456CD/t?x=1").as_deref(), Some("AB123456CD"));
    for other in ["https://p.example/pay/AB/t", "https://p.example/webflow-payment/AB", "https://p.example/webflow-payment//t"] {
        assert_eq!(page(other), None, "{other}");
    }
}

#[test]
fn a_page_that_no_browser_should_see_is_no_page() {
    for url in ["javascript:alert(1)", "http://p.example/webflow-payment/a/b", ""] {
        let body = format!(r#"{{"success":true,"message":"","redirect_url":"{url}"}}"#);
        match create(Operation::PayIn, &answer(200, body)) {
            Step::Silence(refusal) => assert_eq!(refusal.code, ErrorCode::UnknownPspError, "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn refusals_of_a_withdraw_are_certain_only_by_the_sheet() {
    let certain = [
        answer(401, ""),
        answer(403, "x"),
        answer(404, ""),
        answer(404, "{}"),
        answer(429, ""),
        answer(400, r#"{"success":false,"error":"Invalid API key"}"#),
        answer(200, r#"{"success":false,"error":"no"}"#),
        Reply::Lost(Lost::NotConnected),
        Reply::Lost(Lost::ConnectTimeout),
    ];
    for reply in certain {
        assert!(matches!(create(Operation::PayOut, &reply), Step::Refused(_)), "{reply:?}");
    }
    let doubtful = [
        answer(500, r#"{"success":false,"error":"no"}"#),
        answer(408, r#"{"success":false,"error":"no"}"#),
        answer(302, r#"{"success":false,"error":"no"}"#),
        answer(400, r#"{"success":false,"error":"upstream Timeout"}"#),
        answer(401, "timeout"),
        answer(200, r#"{"success":tr"#),
        answer(400, r#"{"success":false}"#),
        answer(200, r#"{"success":true}"#),
        answer(200, r#"{"success":true,"withdraw":{"amount":"99.00","currency":"CAD"}}"#),
        answer(200, r#"{"success":true,"withdraw":{"amount":"100.00","currency":"EUR"}}"#),
        Reply::Lost(Lost::Broken),
        Reply::Lost(Lost::TimedOut),
        Reply::Lost(Lost::TooLarge),
    ];
    for reply in doubtful {
        assert!(matches!(create(Operation::PayOut, &reply), Step::Silence(_)), "{reply:?}");
    }
}

#[test]
fn unknown_errors_show_the_raw_body() {
    let Step::Refused(refusal) = create(Operation::PayIn, &answer(400, r#"{"success":false,"error":"phone is required"}"#))
    else {
        panic!()
    };
    assert_eq!(refusal.code, ErrorCode::UnknownPspError);
    assert_eq!(refusal.data.unwrap().str_at("error"), Some("phone is required"));
    let Step::Refused(refusal) =
        create(Operation::PayIn, &answer(400, r#"{"success":false,"error":"Invalid Account Details!"}"#))
    else {
        panic!()
    };
    assert_eq!((refusal.code, refusal.data), (ErrorCode::InvalidPspCredentials, None));
}

fn record(status: &str, message: &str) -> String {
    format!(
        r#"{{"transactionId":"HS1","referenceId":"{TRANSACTION}","userId":"u","amount":"100.00","currency":"CAD","type":"deposit","status":"{status}","message":"{message}"}}"#
    )
}

#[test]
fn an_inquiry_asks_by_our_reference() {
    let mut world = World::open(&PayOne, Operation::PayIn);
    let call = the_call(world.begin(Task::Inquire));
    assert_eq!(call.url, format!("https://demo.payonepayment.com/api/transaction?referenceId={TRANSACTION}"));
    assert_eq!((call.shown.as_str(), call.doubt), ("demo.payonepayment.com/api/transaction", Doubt::Harmless));
    for (word, said, standing, status, message) in [
        ("Pending", "Pending", Standing::Pending, "Pending", None),
        ("Approved", "Approved", Standing::Approved, "success", Some("Transaction approved and successfully processed")),
        ("Declined", "Declined by bank", Standing::Declined, "Declined", Some("Declined by bank")),
        ("Cancelled", "", Standing::Declined, "Cancelled", Some("Cancelled")),
        ("Expired", "Expired", Standing::Declined, "Expired", Some("Expired")),
    ] {
        let finding = found(world.resume(Task::Inquire, &call, &answer(200, record(word, said))));
        assert_eq!((finding.standing, finding.status.as_str(), finding.message.as_deref()), (standing, status, message));
        assert_eq!(finding.psp_transaction_id.as_deref(), Some("HS1"));
        assert!(finding.anomalies.is_empty());
    }
}

#[test]
fn not_found_needs_a_body() {
    let mut world = World::open(&PayOne, Operation::PayOut);
    let call = the_call(world.begin(Task::Inquire));
    let absent = answer(404, r#"{"success":false,"error":"Transaction not found"}"#);
    assert_eq!(found(world.resume(Task::Inquire, &call, &absent)).standing, Standing::NotFound);
    for reply in
        [answer(404, ""), answer(404, "<html>not found</html>"), answer(500, ""), answer(200, "[]"), Reply::Lost(Lost::Broken)]
    {
        assert!(matches!(world.resume(Task::Inquire, &call, &reply), Step::Silence(_)), "{reply:?}");
    }
}

#[test]
fn a_callback_starts_an_inquiry_by_its_id_then_by_our_reference() {
    let mut world = World::open(&PayOne, Operation::PayIn);
    world.hint = Some(json(r#"{"transactionId":"../x?y"}"#));
    let call = the_call(world.begin(Task::Inquire));
    assert_eq!(call.url, "https://demo.payonepayment.com/api/transaction/%2E%2E%2Fx%3Fy");
    let absent = answer(404, r#"{"success":false,"error":"Transaction not found"}"#);
    assert_eq!(the_call(world.resume(Task::Inquire, &call, &absent)).step, "transaction_by_reference");
}

/// The record of another id is another transaction's, whatever else of it is ours.
#[test]
fn a_record_by_id_is_of_that_id() {
    for (theirs, standing) in
        [("\"HS932097JV\"", Standing::Approved), ("\"HS000000ZZ\"", Standing::Unchanged), ("null", Standing::Approved)]
    {
        let mut world = World::open(&PayOne, Operation::PayIn);
        world.hint = Some(json(r#"{"transactionId":"HS932097JV"}"#));
        let call = the_call(world.begin(Task::Inquire));
        let record = format!(
            r#"{{"transactionId":{theirs},"referenceId":"{TRANSACTION}","amount":"100.00","currency":"CAD","type":"deposit","status":"Approved"}}"#
        );
        let finding = found(world.resume(Task::Inquire, &call, &answer(200, record)));
        assert_eq!(
            (finding.standing, finding.anomalies.len()),
            (standing, usize::from(standing == Standing::Unchanged)),
            "{theirs}"
        );
    }
}

const BODY: &str = r#"{"transactionId":"HS932097JV","referenceId":"64a1f2b3c4d5e6f7a8b9c0d1","userId":"user_123","amount":"100.00","currency":"CAD","type":"deposit","status":"Approved","message":"Approved"}"#;
const SIGNATURE: &str = "a0f98e4c504367f481a5d185ef44415f5017d382c93560f84a830f45846c0d4f";

fn signature(text: &str) -> Vec<(String, String)> {
    vec![("x-signature".to_owned(), text.to_owned())]
}

#[test]
fn the_callback_vector() {
    assert_eq!(BODY.len(), 184);
    let world = world(Operation::PayIn);
    let reading = world.callback(&signature(SIGNATURE), BODY.as_bytes(), true);
    assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, r#"{"success":true}"#));
    let CallbackOutcome::Hint(hint) = reading.outcome else { panic!("{:?}", reading.outcome) };
    assert_eq!(hint.str_at("transactionId"), Some("HS932097JV"));
}

#[test]
fn a_callback_with_a_wrong_signature_is_401_and_an_anomaly() {
    let mut world = world(Operation::PayIn);
    let upper = SIGNATURE.to_uppercase();
    let cases =
        [Vec::new(), signature(""), signature(&upper), signature(&SIGNATURE[1..]), signature(&SIGNATURE.replace("a0f9", "a0f8"))];
    for headers in cases {
        let reading = world.callback(&headers, BODY.as_bytes(), true);
        assert_eq!(reading.answer.status, 401);
        assert!(matches!(reading.outcome, CallbackOutcome::Anomaly(_)));
    }
    // An account without a key: nobody can have signed.
    world.settings.0.remove("apiKey");
    let of_nobody = crate::kit::hmac_sha256_hex(b"", BODY.as_bytes());
    assert_eq!(world.callback(&signature(&of_nobody), BODY.as_bytes(), true).answer.status, 401);
}

#[test]
fn a_signed_callback_about_something_else_is_an_anomaly() {
    let world = world(Operation::PayIn);
    for (from, to) in
        [("100.00", "1.00"), ("CAD", "EUR"), (TRANSACTION, "64a1f2b3c4d5e6f7a8b9c0d2"), ("deposit", "withdraw"), ("deposit", "x")]
    {
        let body = BODY.replacen(from, to, 1);
        let signed = signature(&crate::kit::hmac_sha256_hex(b"payone-key-0001", body.as_bytes()));
        let reading = world.callback(&signed, body.as_bytes(), true);
        assert_eq!(reading.answer.status, 200);
        assert!(matches!(reading.outcome, CallbackOutcome::Anomaly(_)), "{to}");
    }
    // Without readable content it says nothing, but it came to the transaction's own address: the provider is asked.
    let body = BODY.replacen('{', "[", 1);
    let signed = signature(&crate::kit::hmac_sha256_hex(b"payone-key-0001", body.as_bytes()));
    assert!(matches!(world.callback(&signed, body.as_bytes(), true).outcome, CallbackOutcome::Hint(_)));
}

/// Whoever has the key and the transaction's own address means that transaction.
#[test]
fn a_signed_callback_that_cannot_be_read_is_asked_about() {
    let world = world(Operation::PayIn);
    for body in ["", "[", "[]", "\u{feff}"] {
        let signed = signature(&crate::kit::hmac_sha256_hex(b"payone-key-0001", body.as_bytes()));
        let reading = world.callback(&signed, body.as_bytes(), true);
        assert_eq!(reading.answer.status, 200);
        let CallbackOutcome::Hint(hint) = reading.outcome else { panic!("{body}") };
        assert_eq!(hint.to_text(), r#"{"anomaly":"a PayOne callback cannot be read"}"#);
    }
}

#[test]
fn test_connection_tells_a_wrong_key_from_an_unknown_reference() {
    let mut world = world(Operation::PayIn);
    let call = the_call(world.begin(Task::Test));
    assert_eq!(call.method, "GET");
    assert!(found(world.run(Task::Test).1).proven);
    let Step::Refused(refusal) = world.resume(Task::Test, &call, &answer(404, "")) else { panic!() };
    assert_eq!(refusal.code, ErrorCode::InvalidPspCredentials);
}
