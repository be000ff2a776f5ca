mod pay_outs;

use super::Gigadat;
use crate::api::{Callback, CallbackOutcome, CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::fields::{self, BrowserHeaders, Problems, Request};
use crate::testing::{TRANSACTION, World, answer, found, header, json, now, the_call};
use domain::urls::Environment;
use domain::{ErrorCode, Json, Operation, TransactionStatus};

const IN: Operation = Operation::PayIn;
const OUT: Operation = Operation::PayOut;
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln";
const ACH_EXAMPLE: &str = r#"{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ACH","name":"John Test","email":"merchant-user@example.com","baseamount":10.00,"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","bank":{"institution":"001","transit":"12345","account":"1234567"}}"#;
const TOKEN: &str = "payment-token";
const REGISTER: &str = "webflow";
const STATUS: &str = "transaction";
const RELEASE: &str = "deposit";

/// A pay-out on hold, approved.
fn approved() -> World {
    let mut world = World::created(&Gigadat, OUT);
    assert_eq!(world.status, TransactionStatus::OnHold);
    world.status = TransactionStatus::Pending;
    world
}

fn token() -> Reply {
    answer(200, format!(r#"{{"token":"{JWT}","data":{{"transactionId":"{TRANSACTION}"}}}}"#))
}

/// The answer of the inquiry as the sheet has it.
fn said(word: &str) -> Reply {
    answer(
        200,
        format!(r#"{{"id":"gd-1","status":"{word}","interac_bank_name":"RBC","data":{{"name":"J","email":"e","mobile":"m"}}}}"#),
    )
}

fn err(status: u16, text: &str) -> Reply {
    answer(status, format!(r#"{{"err":"{text}"}}"#))
}

fn inquiry(world: &mut World, reply: Reply) -> crate::Finding {
    found(world.script(Task::Inquire, &[(STATUS, reply)]))
}

fn example(operation: Operation) -> Json {
    json(super::DESCRIPTOR.operation(operation).unwrap().example)
}

fn problems(operation: Operation, body: &Json) -> Problems {
    let request = Request {
        body,
        claims: None,
        caller_ip: None,
        browser: BrowserHeaders::default(),
        environment: Environment::Sandbox,
        now: now(),
    };
    fields::check(super::DESCRIPTOR.operation(operation).unwrap(), &request).map(|_| ()).err().unwrap_or_default()
}

fn with(operation: Operation, member: &str, value: &str) -> Vec<String> {
    let mut body = example(operation);
    body.set(member, json(value));
    problems(operation, &body).invalid
}

#[test]
fn the_fields_of_a_pay_in() {
    for good in [r#""5551234567""#, r#""15551234567""#, r#""2000000000""#] {
        assert_eq!(with(IN, "phone", good), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "+15551234567",
        "+441234567890",
        "555-123-4567",
        "1555123456",
        "25551234567",
        "05551234567",
        "155512345678",
        "555 1234567",
    ] {
        let sentences = with(IN, "phone", &format!("\"{bad}\""));
        assert_eq!(sentences, ["phone must be 10 digits, or 11 digits starting with 1"], "{bad}");
    }
    assert_eq!(with(IN, "name", r#""John""#), ["name must contain a first and a last name"]);
    assert_eq!(with(IN, "currency", r#""EUR""#), ["currency must be CAD"]);
    assert_eq!(with(IN, "baseamount", "10.123"), ["baseamount must have at most 2 decimals for CAD"]);
    // Published as refused, taken on purpose.
    assert!(with(IN, "baseamount", "100").is_empty() && with(IN, "baseamount", "100.5").is_empty());
    assert_eq!(
        with(IN, "address", r#"{"line1":7,"country":"XX"}"#),
        ["address.line1 must be a string", "address.country must be an ISO 3166-1 alpha-2 code"]
    );
    assert!(with(IN, "address", "{}").is_empty());
    let missing = problems(IN, &json(r#"{"pspType":"GIGADAT","type":"PAYIN","userIp":"1.2.3.4"}"#)).missing;
    assert_eq!(missing, ["name", "email", "phone", "baseamount"]);
    let mut short = example(IN);
    for optional in ["currency", "userId"] {
        short.remove(optional);
    }
    assert_eq!(problems(IN, &short), Problems::default());
}

#[test]
fn the_fields_of_a_pay_out() {
    assert_eq!(problems(OUT, &example(OUT)), Problems::default(), "the published mobile passes");
    assert_eq!(with(OUT, "mobile", r#""+7700900000""#), ["mobile must be 10 or 11 digits"]);
    assert_eq!(with(OUT, "payoutType", r#""WIRE""#), ["payoutType must be one of ETO, ACH"]);
    assert!(with(OUT, "bank", "7").is_empty(), "ignored for ETO");
    assert_eq!(problems(OUT, &json(ACH_EXAMPLE)), Problems::default());
    let bank = |bank: &str| {
        let mut body = json(ACH_EXAMPLE);
        body.set("bank", json(bank));
        problems(OUT, &body)
    };
    assert_eq!(bank("null").missing, ["bank"]);
    assert_eq!(bank("{}").missing, ["bank.institution", "bank.transit", "bank.account"]);
    assert_eq!(bank("7").invalid, ["bank must be an object"]);
    let wrong = bank(r#"{"institution":"1","transit":"123456","account":"12a4567"}"#).invalid;
    assert_eq!(
        wrong,
        ["bank.institution must be 3 digits", "bank.transit must be 5 digits", "bank.account must be 7 to 12 digits"]
    );
}

#[test]
fn a_pay_in_is_the_published_example() {
    let mut world = World::new(&Gigadat, IN);
    let call = the_call(world.begin(Task::PayIn));
    assert_eq!((call.method, call.doubt), ("POST", Doubt::Harmless));
    assert_eq!(call.url, "https://interac.express-connect.com/api/payment-token/0123456789abcdef0123456789abcdef");
    // The vector: gd-access / gd-security.
    assert_eq!(header(&call, "authorization"), Some("Basic Z2QtYWNjZXNzOmdkLXNlY3VyaXR5"));
    assert_eq!(header(&call, "content-type"), Some("application/json"));
    let finding = found(world.resume(Task::PayIn, &call, &token()));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "STATUS_PENDING"));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some(TRANSACTION));
    let Some(CashierAnswer::Success { message, data, redirect_url }) = finding.answer else { panic!() };
    assert_eq!(message, "Gigadat CPI payment initiated successfully");
    let page = format!("https://interac.express-connect.com/webflow?transaction={TRANSACTION}&token={JWT}");
    assert_eq!(redirect_url.as_deref(), Some(page.as_str()));
    assert_eq!(
        data.to_text(),
        format!(
            r#"{{"transactionId":"{TRANSACTION}","databaseTransactionId":"{TRANSACTION}","method":"GET_REDIRECT","webflowURL":"{page}","formSubmissionURL":null,"instructions":"Use direct redirect to webflowURL","paymentToken":"{JWT}","transaction_status":"Pending","amount":10,"merchantReference":"","data":{{"gigadatTransactionId":"{TRANSACTION}"}}}}"#
        )
    );
}

/// The body of the token call.
fn sent(mut world: World) -> Json {
    let task = crate::testing::create_task(world.order.operation);
    Json::parse(&the_call(world.begin(task)).body).unwrap()
}

#[test]
fn the_token_calls_bodies() {
    let text = |body: &Json| body.to_text();
    let pay_in = format!(
        r#"{{"userId":"user_123","transactionId":"{TRANSACTION}","type":"CPI","amount":"10.00","currency":"CAD","site":"https://merchant.example","name":"John Test","email":"merchant-user@example.com","mobile":"15551234567","userIp":"1.2.3.4","sandbox":true}}"#
    );
    assert_eq!(text(&sent(World::new(&Gigadat, IN))), pay_in);
    let eto = sent(World::new(&Gigadat, OUT));
    assert_eq!((eto.str_at("type"), eto.str_at("mobile")), (Some("ETO"), Some("07700900000")));
    let ach = format!(
        r#"{{"userId":"000000000000000000000001","transactionId":"{TRANSACTION}","type":"ACH","amount":"10.00","currency":"CAD","site":"https://merchant.example","name":"John Test","userIp":"1.2.3.4","hosted":"false","fi":"001","transit":"12345","acct":"1234567","sandbox":true}}"#
    );
    assert_eq!(text(&sent(World::ordering(&Gigadat, OUT, ACH_EXAMPLE))), ach);
    // Without a site of the account's it is ours; in production nothing is a test.
    let mut world = World::new(&Gigadat, IN);
    world.settings.0.remove("siteUrl");
    world.environment = Environment::Production;
    let body = sent(world);
    assert_eq!((body.str_at("site"), body.get("sandbox")), (Some("https://gw.example"), Some(&Json::Bool(false))));
}

#[test]
fn amounts_have_exactly_two_decimals() {
    for (literal, encoded) in
        [("10.00", "10.00"), ("100", "100.00"), ("100.5", "100.50"), ("0.01", "0.01"), ("9999999999999.99", "9999999999999.99")]
    {
        let mut body = example(IN);
        body.set("baseamount", json(literal));
        assert_eq!(sent(World::ordering(&Gigadat, IN, &body.to_text())).str_at("amount"), Some(encoded));
    }
}

#[test]
fn a_token_is_asked_for_once_more_after_a_broken_or_unreadable_answer() {
    let cut = || answer(200, r#"{"token":"ey"#);
    for first in
        [Reply::Lost(Lost::Broken), Reply::Lost(Lost::TooLarge), cut(), answer(200, ""), answer(201, "<html>"), answer(200, "[]")]
    {
        let mut world = World::new(&Gigadat, IN);
        let (calls, end) = {
            let mut replies = [first, token()].into_iter();
            world.run_with(Task::PayIn, |_, _| replies.next().unwrap())
        };
        assert_eq!((calls.len(), found(end).standing), (2, Standing::Pending));
        assert_eq!(calls[0].body, calls[1].body, "the same transaction");
    }
    let Step::Refused(refusal) = World::new(&Gigadat, IN).script(Task::PayIn, &[(TOKEN, cut()), (TOKEN, cut())]) else {
        panic!()
    };
    assert_eq!(refusal.code, ErrorCode::UnknownPspError);
    assert_eq!(refusal.data.unwrap().to_text(), r#""{""#, "no part of a token is shown");
    for (once, code) in [
        (Reply::Lost(Lost::TimedOut), ErrorCode::PspTimeout),
        (Reply::Lost(Lost::ConnectTimeout), ErrorCode::PspTimeout),
        (Reply::Lost(Lost::NotConnected), ErrorCode::PspUnavailable),
        (answer(200, "gateway timeout"), ErrorCode::PspTimeout),
        (answer(500, ""), ErrorCode::PspUnavailable),
        (answer(302, ""), ErrorCode::UnknownPspError),
        (err(401, "Unauthorized"), ErrorCode::InvalidPspCredentials),
        (err(404, "no campaign"), ErrorCode::InvalidPspCredentials),
        (err(429, "slow"), ErrorCode::PspRateLimited),
        (err(200, "name is required"), ErrorCode::UnknownPspError),
        (answer(200, "{}"), ErrorCode::UnknownPspError),
        (answer(200, r#"{"token":"a b"}"#), ErrorCode::UnknownPspError),
        (answer(200, format!(r#"{{"err":"x","token":"{JWT}"}}"#)), ErrorCode::UnknownPspError),
    ] {
        let shown = format!("{once:?}");
        let Step::Refused(refusal) = World::new(&Gigadat, IN).script(Task::PayIn, &[(TOKEN, once)]) else { panic!("{shown}") };
        assert_eq!(refusal.code, code, "{shown}");
        assert!(!refusal.data.is_some_and(|data| data.to_text().contains(JWT)));
    }
}

#[test]
fn a_business_refusal_shows_its_err() {
    let Step::Refused(refusal) = World::new(&Gigadat, IN).script(Task::PayIn, &[(TOKEN, err(400, "amount is too low"))]) else {
        panic!()
    };
    assert_eq!(refusal.data.unwrap().str_at("err"), Some("amount is too low"));
}

#[test]
fn a_token_for_something_else_opens_nothing() {
    for data in [r#"{"transactionId":"64a1f2b3c4d5e6f7a8b9c0d2"}"#, r#"{"amount":"11.00"}"#, r#"{"currency":"USD"}"#] {
        let reply = answer(200, format!(r#"{{"token":"{JWT}","data":{data}}}"#));
        let Step::Refused(refusal) = World::new(&Gigadat, IN).script(Task::PayIn, &[(TOKEN, reply)]) else { panic!() };
        assert!(refusal.anomaly.is_some() && !refusal.data.unwrap().to_text().contains(JWT));
    }
}

#[test]
fn the_status_table() {
    for (word, standing) in [
        ("STATUS_INITED", Standing::Unchanged),
        ("STATUS_PENDING", Standing::Unchanged),
        ("STATUS_SUCCESS", Standing::Approved),
        ("STATUS_REJECTED", Standing::Declined),
        ("STATUS_REJECTED1", Standing::Declined),
        ("STATUS_FAILED", Standing::Declined),
        ("STATUS_EXPIRED", Standing::Expired),
        ("STATUS_ABORTED", Standing::Cancelled),
        ("STATUS_ABORTED1", Standing::Cancelled),
    ] {
        for operation in [IN, OUT] {
            let finding = inquiry(&mut World::open(&Gigadat, operation), said(word));
            let not_proven = operation == OUT && word == "STATUS_PENDING";
            let expected = if not_proven { (Standing::NotReleased, "") } else { (standing, word) };
            assert_eq!((finding.standing, finding.status.as_str()), expected);
            assert!(finding.anomalies.is_empty());
        }
    }
    for record in [
        r#"{"status":"STATUS_SUCCESS","data":{"transactionId":"64a1f2b3c4d5e6f7a8b9c0d2"}}"#.to_owned(),
        r#"{"status":"STATUS_SUCCESS","amount":11}"#.to_owned(),
        r#"{"status":"STATUS_SUCCESS","data":{"currency":"USD"}}"#.to_owned(),
        r#"{"status":"STATUS_REFUNDED"}"#.to_owned(),
    ] {
        let finding = inquiry(&mut World::open(&Gigadat, IN), answer(200, record));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1));
    }
}

#[test]
fn a_page_that_nobody_opened_changes_nothing() {
    let finding = inquiry(&mut World::open(&Gigadat, IN), err(404, "Transaction not found"));
    assert_eq!((finding.standing, finding.status.as_str(), finding.anomalies.len()), (Standing::Unchanged, "", 0));
    for reply in [
        answer(404, ""),
        err(400, "x"),
        err(500, "x"),
        answer(500, r#"{"status":"STATUS_SUCCESS"}"#),
        answer(200, "{}"),
        Reply::Lost(Lost::Broken),
    ] {
        let end = World::open(&Gigadat, IN).script(Task::Inquire, &[(STATUS, reply)]);
        assert!(matches!(end, Step::Silence(_)), "{end:?}");
    }
}

#[test]
fn callbacks_are_hints_that_name_their_transaction() {
    let read = |query: &str, body: &str| {
        let world = World::open(&Gigadat, IN);
        let (settings, base_url) = world.account();
        let account = crate::Account { settings: &settings, base_url: &base_url, environment: Environment::Sandbox };
        let callback = Callback {
            method: "POST",
            query,
            headers: &[],
            body: body.as_bytes(),
            reference: None,
            amount: None,
            operation: None,
        };
        let reading = world.provider.read_callback(&account, &callback);
        assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, "OK"));
        reading.locate.unwrap().reference.map(|id| id.to_string())
    };
    let query = format!("transaction={TRANSACTION}&status=STATUS_SUCCESS");
    for (query, body) in [
        (query.as_str(), ""),
        ("", &*format!("transactionId={TRANSACTION}&amount=10")),
        ("", &*format!(r#"{{"transactionid":"{TRANSACTION}"}}"#)),
        ("transaction=x", &*format!(r#"{{"transactionId":"{TRANSACTION}"}}"#)),
    ] {
        assert_eq!(read(query, body).as_deref(), Some(TRANSACTION));
    }
    assert_eq!(read("", "garbage"), None);
    // Once the transaction is known.
    let world = World::open(&Gigadat, IN);
    let outcome = |body: String| world.callback(&[], body.as_bytes(), true).outcome;
    let CallbackOutcome::Hint(hint) = outcome(format!("transactionId={TRANSACTION}&amount=10.00&currency=CAD&type=RFM")) else {
        panic!()
    };
    assert_eq!(hint.str_at("type"), Some("RFM"));
    for other in [
        "transactionId=64a1f2b3c4d5e6f7a8b9c0d2".to_owned(),
        format!("transactionId={TRANSACTION}&amount=11"),
        format!("transactionId={TRANSACTION}&currency=USD"),
    ] {
        assert!(matches!(outcome(other), CallbackOutcome::Anomaly(_)));
    }
    let mut world = World::open(&Gigadat, IN);
    world.hint = Some(hint);
    let finding = inquiry(&mut world, said("STATUS_SUCCESS"));
    assert_eq!((finding.standing, finding.notes), (Standing::Approved, vec!["the rail used was RFM".to_owned()]));
}
