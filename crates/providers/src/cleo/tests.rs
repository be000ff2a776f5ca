use super::Cleo;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::fields::{self, BrowserHeaders, Claims, Problems, Request};
use crate::settings;
use crate::testing::{SESSION, TRANSACTION, World, answer, create_task, found, header, json, now, sandbox, the_call};
use domain::urls::Environment;
use domain::{ErrorCode, Json, Operation, Settings};

const PAID_OUT: &str = r#"{"pspType":"CLEO","type":"PAYOUT","baseamount":500.00,"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX"}"#;

fn example(operation: Operation) -> Json {
    json(super::DESCRIPTOR.operation(operation).unwrap().example)
}

fn check(operation: Operation, body: &Json) -> Result<fields::Checked, Problems> {
    let claims = Claims { user_id: "user_123".to_owned(), country_code: Some("DE".to_owned()), ..Claims::default() };
    let request = Request {
        body,
        claims: Some(&claims),
        caller_ip: None,
        browser: BrowserHeaders::default(),
        environment: Environment::Sandbox,
        now: now(),
    };
    fields::check(super::DESCRIPTOR.operation(operation).unwrap(), &request)
}

fn body_of(call: &crate::Call) -> String {
    String::from_utf8(call.body.clone()).unwrap()
}

fn create(operation: Operation, reply: &Reply) -> Step {
    let mut world = World::new(&Cleo, operation);
    let task = create_task(operation);
    let call = the_call(world.begin(task));
    world.resume(task, &call, reply)
}

#[test]
fn a_transfer_in_is_the_sheets_example() {
    let mut request = example(Operation::PayIn);
    request.set("bonusCode", Json::text("B1"));
    let mut world = World::ordering(&Cleo, Operation::PayIn, &request.to_text());
    let call = the_call(world.begin(Task::PayIn));
    assert_eq!((call.method, call.url.as_str()), ("POST", "https://api.cleo.example/v1/transfer-in"));
    assert_eq!((call.doubt, header(&call, "x-api-key")), (Doubt::Page, Some("key-cl")));
    let expected = format!(
        r#"{{"externalReference":"{TRANSACTION}","amount":"10000","currency":"CLP","country":"CL","customer":{{"externalKey":"acme-ext-1","userId":"user_123","firstName":"John","lastName":"Doe","email":"player@example.com","phone":"56912345678","gender":"male","dateOfBirth":"1990-01-15","address":{{"line1":"Av. Uno 1","city":"Santiago","state":"RM","postalCode":"8320000","country":"CL"}}}},"risk":{{"kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","verifiedEmail":"player@example.com","verificationDate":"2026-01-15","bonusCode":"B1"}},"returnUrl":"https://m.example/return?transactionId={TRANSACTION}&sessionId={SESSION}&result=return","notificationUrl":"https://gw.example/callbacks/cleo/token"}}"#
    );
    assert_eq!(body_of(&call), expected);
    let (_, good) = world.good(Task::PayIn, "transfer_in");
    let finding = found(world.resume(Task::PayIn, &call, &answer(201, good)));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "PENDING"));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some("ti_8f2c0a"));
    let Some(CashierAnswer::Success { message, data, redirect_url }) = finding.answer else { panic!() };
    let url = "https://pay.cleo.example/pay/tok3n";
    assert_eq!((message.as_str(), redirect_url.as_deref()), ("Successfully", Some(url)));
    assert_eq!(data.to_text(), format!(r#"{{"status":"PENDING","url":"{url}","sessionId":"{SESSION}"}}"#));
}

#[test]
fn a_transfer_out_is_the_sheets_example() {
    let mut world = World::new(&Cleo, Operation::PayOut);
    let call = the_call(world.begin(Task::PayOut));
    assert_eq!(call.url, "https://api.cleo.example/v1/transfer-out");
    assert_eq!((call.doubt, header(&call, "x-api-key")), (Doubt::Money, Some("key-mx")));
    let expected = format!(
        r#"{{"externalReference":"{TRANSACTION}","amount":"500.00","currency":"MXN","country":"MX","customer":{{"externalKey":"acme-ext-1","userId":"user_123","firstName":"John","lastName":"Doe","email":"player@example.com"}},"notificationUrl":"https://gw.example/callbacks/cleo/token","beneficiary":{{"documentType":"RFC","documentNumber":"DOJO900115AB1","bankCode":"032","accountType":"checking","accountNumber":"032180000118359719"}}}}"#
    );
    assert_eq!(body_of(&call), expected);
    let (_, good) = world.good(Task::PayOut, "transfer_out");
    let finding = found(world.resume(Task::PayOut, &call, &answer(201, good)));
    assert_eq!(finding.psp_transaction_id.as_deref(), Some("to_51bd77"));
    let Some(CashierAnswer::Success { message, data, redirect_url: None }) = finding.answer else { panic!() };
    assert_eq!(
        (message.as_str(), data.to_text()),
        ("Successfully", format!(r#"{{"status":"PENDING","transactionId":"{TRANSACTION}"}}"#))
    );
    let destination = world.provider.destination(&world.order).unwrap();
    assert_eq!(destination.masked, "MX 032 ***9719, RFC ***5AB1");
    // Sealed, not kept in the open.
    for secret in ["beneficiary.documentNumber", "beneficiary.accountNumber"] {
        assert!(world.order.fields.secret.contains_key(secret) && !world.order.fields.plain.contains_key(secret));
    }
}

#[test]
fn amounts_are_texts_in_the_digits_of_the_currency() {
    for (sent, currency, country, expected) in [
        ("10000.00", "CLP", "CL", "10000"),
        ("1", "CLP", "CL", "1"),
        ("500", "PEN", "PE", "500.00"),
        ("0.5", "PEN", "PE", "0.50"),
        ("1234567890123.45", "MXN", "MX", "1234567890123.45"),
    ] {
        let mut request = example(Operation::PayIn);
        request.set("baseamount", json(sent));
        for (name, value) in [("currency", currency), ("currencyCode", currency), ("countryCode", country)] {
            request.set(name, Json::text(value));
        }
        let mut world = World::ordering(&Cleo, Operation::PayIn, &request.to_text());
        let body = body_of(&the_call(world.begin(Task::PayIn)));
        assert!(body.contains(&format!(r#""amount":"{expected}","currency":"{currency}","country":"{country}""#)), "{body}");
    }
}

/// The sentences about an example with these members changed.
fn sentences(operation: Operation, changes: &[(&str, &str)]) -> Vec<String> {
    let mut body = example(operation);
    for (name, value) in changes {
        match name.split_once('.') {
            None => body.set(name, json(value)),
            Some((object, member)) => {
                let mut inner = body.remove(object).unwrap();
                inner.set(member, json(value));
                body.set(object, inner);
            }
        }
    }
    match check(operation, &body) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            problems.missing.iter().map(|name| format!("Missing required field: {name}")).chain(problems.invalid).collect()
        }
    }
}

#[test]
fn currency_and_country_belong_together() {
    let of = |changes: &[(&str, &str)]| sentences(Operation::PayIn, changes);
    assert_eq!(of(&[]), Vec::<String>::new());
    assert_eq!(of(&[("baseamount", "10000.50")]), ["baseamount must have at most 0 decimals for CLP"]);
    let eur = [("currency", r#""EUR""#), ("currencyCode", r#""EUR""#)];
    assert_eq!(of(&eur), ["currency must be one of CLP, PEN, MXN"]);
    let pen = [("currency", r#""PEN""#), ("currencyCode", r#""PEN""#)];
    assert_eq!(of(&pen), ["currency must be CLP for countryCode CL"]);
    assert_eq!(of(&[("countryCode", r#""MX""#)]), ["currency must be MXN for countryCode MX"]);
    assert_eq!(of(&[("countryCode", r#""AR""#)]), ["countryCode must be one of CL, PE, MX"]);
    assert_eq!(of(&[("currencyCode", r#""MXN""#)]), ["currencyCode must equal currency"]);
    assert_eq!(of(&[("address.city", r#""""#)]), ["Missing required field: address.city"]);
}

#[test]
fn the_bodys_country_chooses_the_key_whatever_the_claims_say() {
    // The claims of `check` say DE.
    let checked = check(Operation::PayIn, &example(Operation::PayIn)).unwrap();
    assert_eq!(checked.fields.text("countryCode"), Some("CL"));
    for (country, currency, key) in [("CL", "CLP", "key-cl"), ("PE", "PEN", "key-pe"), ("MX", "MXN", "key-mx")] {
        let mut request = example(Operation::PayIn);
        for (name, value) in [("currency", currency), ("currencyCode", currency), ("countryCode", country)] {
            request.set(name, Json::text(value));
        }
        let mut world = World::ordering(&Cleo, Operation::PayIn, &request.to_text());
        for task in [Task::PayIn, Task::Inquire] {
            assert_eq!(header(&the_call(world.begin(task)), "x-api-key"), Some(key));
        }
    }
}

#[test]
fn beneficiaries_are_checked_by_country() {
    let mx = |changes: &[(&str, &str)]| sentences(Operation::PayOut, changes);
    assert_eq!(mx(&[]), Vec::<String>::new());
    let name = "beneficiary";
    assert_eq!(mx(&[(name, "null")]), ["Missing required field: beneficiary"]);
    assert_eq!(mx(&[(name, "7")]), ["beneficiary must be an object"]);
    assert_eq!(mx(&[("beneficiary.documentType", r#""RUT""#)]), ["beneficiary.documentType must be one of CURP, RFC"]);
    for bad in [r#""abc""#, r#""a b-c""#, r#""123456789012345678901""#] {
        let said = mx(&[("beneficiary.documentNumber", bad)]);
        assert_eq!(said, ["beneficiary.documentNumber must be 4 to 20 letters or digits"], "{bad}");
    }
    let clabe = "beneficiary.accountNumber must be a CLABE of 18 digits with a valid check digit";
    for bad in [r#""032180000118359718""#, r#""1234""#] {
        assert_eq!(mx(&[("beneficiary.accountNumber", bad)]), [clabe]);
    }
    let first = "beneficiary.bankCode must equal the account's first 3 digits";
    assert_eq!(mx(&[("beneficiary.bankCode", r#""002""#)]), [first]);
    assert_eq!(mx(&[("beneficiary.bankCode", r#""032""#)]), Vec::<String>::new());
    assert_eq!(
        mx(&[("beneficiary.accountType", r#""giro""#)]),
        ["beneficiary.accountType must be one of checking, savings, vista"]
    );
    let country = |code: &str, currency: &str, beneficiary: &str| {
        let currency = format!("\"{currency}\"");
        let code = format!("\"{code}\"");
        mx(&[("countryCode", &code), ("currency", &currency), ("currencyCode", &currency), (name, beneficiary)])
    };
    let none = Vec::<String>::new();
    let pe = |account: &str| format!(r#"{{"documentType":"DNI","documentNumber":"12345678","accountNumber":"{account}"}}"#);
    assert_eq!(country("PE", "PEN", &pe("00219300123456789012")), none);
    assert_eq!(country("PE", "PEN", &pe("0021930012345678901")), ["beneficiary.accountNumber must be a CCI of 20 digits"]);
    assert_eq!(
        country("PE", "PEN", r#"{"documentType":"RFC","documentNumber":"12345678","accountNumber":"00219300123456789012"}"#),
        ["beneficiary.documentType must be one of DNI, CE, RUC"]
    );
    let whole =
        r#"{"documentType":"RUT","documentNumber":"12345678-5","bankCode":"001","accountType":"vista","accountNumber":"1234"}"#;
    assert_eq!(country("CL", "CLP", whole), none);
    assert_eq!(
        country("CL", "CLP", r#"{"documentType":"RUT","documentNumber":"12345678-4","accountNumber":"123"}"#),
        [
            "Missing required field: beneficiary.bankCode",
            "Missing required field: beneficiary.accountType",
            "beneficiary.documentNumber is not a valid RUT",
            "beneficiary.accountNumber must be 4 to 20 digits",
        ]
    );
    assert_eq!(country("CL", "CLP", &whole.replace("RUT", "DNI")), ["beneficiary.documentType must be one of RUT"]);
    assert_eq!(country("CL", "CLP", &whole.replace("\"001\"", "\"01\"")), ["beneficiary.bankCode must be 3 digits"]);
    // The dash is taken out before it is sent.
    let mut body = json(PAID_OUT);
    for (name, value) in [("countryCode", "CL"), ("currency", "CLP"), ("currencyCode", "CLP")] {
        body.set(name, Json::text(value));
    }
    body.set(name, json(&whole.replace("12345678-5", "1000005-k")));
    let mut world = World::ordering(&Cleo, Operation::PayOut, &body.to_text());
    let sent = body_of(&the_call(world.begin(Task::PayOut)));
    let tail = r#""beneficiary":{"documentType":"RUT","documentNumber":"1000005K","bankCode":"001","accountType":"vista","accountNumber":"1234"}}"#;
    assert!(sent.ends_with(tail), "{sent}");
}

#[test]
fn refusals_of_a_transfer_out_are_any_4xx_but_two() {
    let said = r#"{"code":"INVALID_REQUEST","message":"amount is required"}"#;
    for (status, code) in [
        (400, ErrorCode::UnknownPspError),
        (422, ErrorCode::UnknownPspError),
        (401, ErrorCode::InvalidPspCredentials),
        (403, ErrorCode::InvalidPspCredentials),
        (404, ErrorCode::InvalidPspCredentials),
        (429, ErrorCode::PspRateLimited),
    ] {
        let Step::Refused(refusal) = create(Operation::PayOut, &answer(status, said)) else { panic!("{status}") };
        assert_eq!(refusal.code, code);
        assert_eq!(refusal.data.map(|data| data.to_text()), (code == ErrorCode::UnknownPspError).then(|| said.to_owned()));
    }
    assert!(matches!(create(Operation::PayOut, &Reply::Lost(Lost::NotConnected)), Step::Refused(_)));
    let accepted = format!(r#"{{"id":"to_1","externalReference":"{TRANSACTION}","status":"PENDING"}}"#);
    let doubtful = [
        answer(409, r#"{"code":"DUPLICATE_REFERENCE","message":"used"}"#),
        answer(408, said),
        answer(400, r#"{"code":"INVALID_REQUEST","message":"upstream Timeout"}"#),
        answer(500, accepted.clone()),
        answer(302, ""),
        answer(201, r#"{"id":"to"#),
        answer(201, accepted.replace(TRANSACTION, "64a1f2b3c4d5e6f7a8b9c0d2")),
        answer(201, accepted.replace("to_1", "")),
        answer(201, accepted.replace(r#""status":"PENDING""#, r#""status":"PENDING","amount":"5.00""#)),
        Reply::Lost(Lost::Broken),
        Reply::Lost(Lost::TimedOut),
    ];
    for reply in doubtful {
        assert!(matches!(create(Operation::PayOut, &reply), Step::Silence(_)), "{reply:?}");
    }
}

#[test]
fn a_transfer_in_without_a_page_is_asked_about_or_refused() {
    // What used the reference may have been this very call.
    for duplicate in [
        answer(409, r#"{"code":"DUPLICATE_REFERENCE","message":"used"}"#),
        answer(422, r#"{"code":"ALREADY_EXISTS","message":"externalReference was already used"}"#),
    ] {
        let Step::Silence(refusal) = create(Operation::PayIn, &duplicate) else { panic!() };
        assert_eq!((refusal.code, refusal.data.is_some()), (ErrorCode::UnknownPspError, true));
    }
    let taken = format!(r#"{{"id":"ti_1","externalReference":"{TRANSACTION}","status":"PENDING"}}"#);
    for (reply, code) in [
        (answer(201, r#"{"id":"ti"#), ErrorCode::UnknownPspError),
        (answer(201, taken), ErrorCode::UnknownPspError),
        (answer(500, ""), ErrorCode::PspUnavailable),
        (Reply::Lost(Lost::TimedOut), ErrorCode::PspTimeout),
    ] {
        let Step::Silence(refusal) = create(Operation::PayIn, &reply) else { panic!("{reply:?}") };
        assert_eq!(refusal.code, code);
    }
}

#[test]
fn a_transfer_out_can_be_final_in_its_own_answer() {
    for (word, standing, message) in [
        ("PROCESSING", Standing::Pending, None),
        ("COMPLETED", Standing::Approved, None),
        ("REJECTED", Standing::Declined, Some("account closed")),
        ("EXPIRED", Standing::Expired, Some("account closed")),
        ("CANCELLED", Standing::Cancelled, Some("account closed")),
    ] {
        let body = format!(r#"{{"id":"to_1","externalReference":"{TRANSACTION}","status":"{word}","reason":"account closed"}}"#);
        let finding = found(create(Operation::PayOut, &answer(201, body)));
        assert_eq!((finding.standing, finding.status.as_str(), finding.message.as_deref()), (standing, word, message));
    }
    let odd = format!(r#"{{"id":"to_1","externalReference":"{TRANSACTION}","status":"NEW"}}"#);
    let odd = found(create(Operation::PayOut, &answer(201, odd)));
    assert_eq!((odd.standing, odd.anomalies.len()), (Standing::Pending, 1));
}

fn record(status: &str) -> String {
    format!(
        r#"{{"id":"ti_8f2c0a","externalReference":"{TRANSACTION}","type":"TRANSFER_IN","status":"{status}","amount":"10000","currency":"CLP","country":"CL","reason":null}}"#
    )
}

#[test]
fn inquiries_ask_by_the_id_then_by_our_reference() {
    let mut world = World::open(&Cleo, Operation::PayIn);
    let call = the_call(world.begin(Task::Inquire));
    assert_eq!(call.url, "https://api.cleo.example/v1/transfer-in/ti_8f2c0a");
    let absent = answer(404, r#"{"code":"NOT_FOUND","message":"no"}"#);
    let next = the_call(world.resume(Task::Inquire, &call, &absent));
    assert_eq!(next.url, format!("https://api.cleo.example/v1/transfer-in?externalReference={TRANSACTION}"));
    assert_eq!(found(world.resume(Task::Inquire, &next, &absent)).standing, Standing::NotFound);
    for reply in [answer(404, ""), answer(500, "{}"), answer(401, ""), answer(200, "[]"), Reply::Lost(Lost::Broken)] {
        assert!(matches!(world.resume(Task::Inquire, &next, &reply), Step::Silence(_)), "{reply:?}");
    }
    // Its amount is compared as a number; anything else of another order changes nothing.
    for same in [r#""amount":10000"#, r#""amount":"10000.00""#] {
        let body = record("COMPLETED").replace(r#""amount":"10000""#, same);
        assert_eq!(found(world.resume(Task::Inquire, &call, &answer(200, body))).standing, Standing::Approved, "{same}");
    }
    for (from, to) in [("10000", "10001"), ("CLP", "PEN"), ("TRANSFER_IN", "TRANSFER_OUT"), ("ti_8f2c0a", "ti_000000")] {
        let finding = found(world.resume(Task::Inquire, &call, &answer(200, record("COMPLETED").replace(from, to))));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{to}");
    }
}

#[test]
fn a_callback_is_a_hint_for_the_id_while_none_is_known() {
    let mut world = World::new(&Cleo, Operation::PayIn);
    let reading = world.callback(&[], record("COMPLETED").as_bytes(), true);
    assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, ""));
    let CallbackOutcome::Hint(hint) = reading.outcome else { panic!() };
    world.hint = Some(hint);
    assert_eq!(the_call(world.begin(Task::Inquire)).url, "https://api.cleo.example/v1/transfer-in/ti_8f2c0a");
    world.psp_transaction_id = Some("ti_ours00".to_owned());
    assert!(the_call(world.begin(Task::Inquire)).url.ends_with("/ti_ours00"));
    for (from, to) in [("10000", "1"), ("CLP", "MXN"), (TRANSACTION, "64a1f2b3c4d5e6f7a8b9c0d2")] {
        let reading = world.callback(&[], record("COMPLETED").replace(from, to).as_bytes(), true);
        assert!(matches!(reading.outcome, CallbackOutcome::Anomaly(_)), "{to}");
    }
    for nothing in [&b""[..], b"x", b"[]"] {
        let reading = world.callback(&[], nothing, true);
        assert!(matches!(reading.outcome, CallbackOutcome::Hint(_)) && reading.answer.status == 200, "it is asked about");
    }
}

#[test]
fn test_connection_tries_each_key_once() {
    let mut world = World::new(&Cleo, Operation::PayIn);
    let (calls, end) = world.run(Task::Test);
    let keys: Vec<_> = calls.iter().map(|call| header(call, "x-api-key").unwrap()).collect();
    assert_eq!(keys, ["key-cl", "key-pe", "key-mx"]);
    assert!(found(end).proven);
    for wrong in 0..3 {
        let mut tried = 0;
        let (calls, end) = world.run_with(Task::Test, |_, _| {
            tried += 1;
            if tried > wrong { answer(401, r#"{"code":"UNAUTHORIZED"}"#) } else { answer(404, r#"{"code":"NOT_FOUND"}"#) }
        });
        let Step::Refused(refusal) = end else { panic!() };
        assert_eq!((refusal.code, calls.len()), (ErrorCode::InvalidPspCredentials, wrong + 1));
    }
}

#[test]
fn the_keys_are_an_object() {
    let set = |current: &Settings, patch: &str| settings::apply(&super::DESCRIPTOR, current, &json(patch), &sandbox());
    let first = set(&Settings::default(), r#"{"cleoApiKey":{"chileApiKey":"a","peruApiKey":"b"}}"#).unwrap();
    let missing = settings::missing(&super::DESCRIPTOR, &first, Environment::Sandbox);
    assert_eq!(missing, ["cleoApiKey.mexicoApiKey", "customerExternalKeyForCleo", "webhookUrl", "baseUrl"]);
    // A change names only what changes.
    let second = set(&first, r#"{"cleoApiKey":{"mexicoApiKey":"c"},"customerExternalKeyForCleo":"x"}"#).unwrap();
    let keys = ["chileApiKey", "peruApiKey", "mexicoApiKey"].map(|name| second.text(&format!("cleoApiKey.{name}")));
    assert_eq!(keys, [Some("a"), Some("b"), Some("c")]);
    let shown = settings::public_view(&super::DESCRIPTOR, &second);
    let key = format!(r#"{{"set":true,"updatedAt":"{}"}}"#, now());
    let whole = format!(
        r#"{{"cleoApiKey":{{"chileApiKey":{key},"peruApiKey":{key},"mexicoApiKey":{key}}},"customerExternalKeyForCleo":"x"}}"#
    );
    assert_eq!(shown.to_text(), whole);
    assert_eq!(set(&second, r#"{"cleoApiKey":null}"#).unwrap().text("cleoApiKey.peruApiKey"), None);
    assert_eq!(set(&second, r#"{"cleoApiKey":{"peruApiKey":null}}"#).unwrap().text("cleoApiKey.peruApiKey"), None);
    let refused = |patch| set(&Settings::default(), patch).unwrap_err();
    assert_eq!(refused(r#"{"cleoApiKey":"one key"}"#), ["cleoApiKey must be an object"]);
    assert_eq!(
        refused(r#"{"cleoApiKey":{"chileApiKey":"a b","perApiKey":"x","peruApiKey":7}}"#),
        [
            "cleoApiKey.chileApiKey must match [!-~]{1,256}",
            "cleoApiKey.peruApiKey must be a string",
            "cleoApiKey.perApiKey is not a field of CLEO",
        ]
    );
    assert_eq!(refused(r#"{"cleoApiKey.chileApiKey":"a"}"#), ["cleoApiKey.chileApiKey is not a field of CLEO"]);
}
