use super::Brite;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::settings;
use crate::testing::{SESSION, TRANSACTION, World, answer, found, header, json, now, sandbox, the_call};
use domain::urls::Environment;
use domain::{ErrorCode, Json, Operation, Secret, Settings, TransactionStatus};

const OUR_SESSION: &str = "ag9zfmFib25lYS1z";
const THEIR_TRANSACTION: &str = "ag9zfmFib25lYS10";

fn world() -> World {
    World::new(&Brite, Operation::PayIn)
}

fn with_token() -> World {
    let mut world = world();
    world.account_cache = Some(Secret::new("brite-token-0001"));
    world
}

fn body(call: &crate::Call) -> String {
    String::from_utf8(call.body.clone()).unwrap()
}

/// What is made of an answer to session.create_deposit.
fn create(reply: &Reply) -> Step {
    let mut world = with_token();
    let call = the_call(world.begin(Task::PayIn));
    assert_eq!((call.step, call.doubt), ("session.create_deposit", Doubt::Page));
    world.resume(Task::PayIn, &call, reply)
}

#[test]
fn a_deposit_authorises_then_sends_the_sheets_example() {
    let request = r#"{"pspType":"BRITE","type":"PAYIN","baseamount":50.00,"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com",
        "firstName":"John","lastName":"Doe","dob":"1990-01-15","address":{"line1":"Main 1","city":"Helsinki","postalCode":"00100"},"locale":"fi"}"#;
    let mut world = World::ordering(&Brite, Operation::PayIn, request);
    let authorize = the_call(world.begin(Task::PayIn));
    assert_eq!(authorize.url, "https://sandbox.britepaymentgroup.com/api/merchant.authorize");
    assert_eq!((authorize.method, authorize.doubt, header(&authorize, "authorization")), ("POST", Doubt::Harmless, None));
    assert_eq!(body(&authorize), r#"{"public_key":"sandbox-abc","secret":"brite-secret-0001"}"#);
    let (_, good) = world.good(Task::PayIn, "merchant.authorize");
    let call = the_call(world.resume(Task::PayIn, &authorize, &answer(200, good)));
    assert_eq!(call.url, "https://sandbox.britepaymentgroup.com/api/session.create_deposit");
    assert_eq!(header(&call, "authorization"), Some("Bearer brite-token-0001"));
    assert_eq!(header(&call, "content-type"), Some("application/json"));
    let callback = |kind: &str, state: u32| format!(r#"{{"url":"https://gw.example/callbacks/brite/token","{kind}":{state}}}"#);
    let callbacks = [2, 3, 5, 6, 7].map(|state| callback("transaction_state", state)).join(",");
    let sessions = [10, 11].map(|state| callback("session_state", state)).join(",");
    let expected = format!(
        r#"{{"country_id":"fi","amount":50.00,"currency_id":"eur","merchant_reference":"{TRANSACTION}","customer_email":"player@example.com","customer_firstname":"John","customer_lastname":"Doe","customer_dob":"1990-01-15","customer_street_address":"Main 1","customer_zip":"00100","customer_city":"Helsinki","brand_name":"Acme","locale":"fi","redirect_uri":"https://m.example/return?transactionId={TRANSACTION}&sessionId={SESSION}&result=return","callbacks":[{callbacks},{sessions}]}}"#
    );
    assert_eq!(body(&call), expected);
    let (_, good) = world.good(Task::PayIn, "session.create_deposit");
    let finding = found(world.resume(Task::PayIn, &call, &answer(200, good)));
    assert_eq!((finding.standing, finding.status.as_str(), finding.psp_transaction_id), (Standing::Pending, "CREATED", None));
    assert_eq!(finding.notes, [format!("Brite's session: {OUR_SESSION}")]);
    let Some(CashierAnswer::Success { message, data, redirect_url }) = finding.answer else { panic!() };
    let url = "https://sandbox.britepaymentgroup.com/s3ss10n-t0k3n";
    assert_eq!((message.as_str(), redirect_url.as_deref()), ("Successfully", Some(url)));
    assert_eq!(data.to_text(), format!(r#"{{"status":"PENDING","url":"{url}","sessionId":"{SESSION}"}}"#));
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut world = with_token();
    world.settings.0.remove("siteUrl");
    let sent = Json::parse(&the_call(world.begin(Task::PayIn)).body).unwrap();
    let names: Vec<&str> = sent.as_object().unwrap().iter().map(|(name, _)| name.as_str()).collect();
    let expected = "country_id amount currency_id merchant_reference customer_email brand_name callbacks";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn amounts_are_exact_decimals_in_the_digits_of_the_currency() {
    for (sent, currency, expected) in [
        ("50", "EUR", "50.00"),
        ("0.1", "EUR", "0.10"),
        ("1234567890123.45", "SEK", "1234567890123.45"),
        ("5000", "JPY", "5000"),
        ("5000.00", "CLP", "5000"),
        ("1.234", "KWD", "1.234"),
        ("1.2", "KWD", "1.200"),
        ("1.2345", "CLF", "1.2345"),
        ("12", "UYW", "12.0000"),
    ] {
        let mut request = json(super::DESCRIPTOR.pay_in.as_ref().unwrap().example);
        request.set("baseamount", json(sent));
        request.set("currency", Json::text(currency));
        let mut world = World::ordering(&Brite, Operation::PayIn, &request.to_text());
        world.account_cache = Some(Secret::new("t"));
        let body = body(&the_call(world.begin(Task::PayIn)));
        assert!(body.contains(&format!(r#","amount":{expected},"#)), "{sent} {currency}: {body}");
    }
}

#[test]
fn the_token_is_kept_until_thirty_minutes_before_its_end() {
    let mut world = world();
    let authorize = the_call(world.begin(Task::PayIn));
    let ends = |seconds: i64| format!(r#"{{"access_token":"t","expires":{}.5}}"#, now().millis() / 1_000 + seconds);
    for (seconds, kept) in [(1_801, true), (1_800, false), (60, false)] {
        let mut world = World::new(&Brite, Operation::PayIn);
        let next = the_call(world.resume(Task::PayIn, &authorize, &answer(200, ends(seconds))));
        assert_eq!(next.step, "session.create_deposit", "good for this call, kept or not");
        assert_eq!(world.account_cache.is_some(), kept, "{seconds}");
    }
    for (odd, kept) in [(r#"{"access_token":"t"}"#, false), (r#"{"access_token":"t","expires":1e99}"#, false)] {
        let mut world = World::new(&Brite, Operation::PayIn);
        assert_eq!(the_call(world.resume(Task::PayIn, &authorize, &answer(200, odd))).step, "session.create_deposit");
        assert_eq!(world.account_cache.is_some(), kept, "{odd}");
    }
    // With waits divided the margin is, too.
    let mut fast = World::new(&Brite, Operation::PayIn);
    fast.time_scale = 60;
    fast.resume(Task::PayIn, &authorize, &answer(200, ends(31)));
    assert!(fast.account_cache.is_some());
}

#[test]
fn a_401_brings_one_new_token_and_one_repeat() {
    let mut world = with_token();
    let first = the_call(world.begin(Task::PayIn));
    let authorize = the_call(world.resume(Task::PayIn, &first, &answer(401, "{}")));
    assert_eq!((authorize.step, world.account_cache.is_some()), ("merchant.authorize", false));
    let again = the_call(world.resume(Task::PayIn, &authorize, &answer(200, r#"{"access_token":"fresh","expires":1779031977}"#)));
    assert_eq!((again.step, again.body == first.body), ("session.create_deposit", true));
    assert_eq!(header(&again, "authorization"), Some("Bearer fresh"));
    let Step::Refused(refusal) = world.resume(Task::PayIn, &again, &answer(401, "{}")) else { panic!() };
    assert_eq!(refusal.code, ErrorCode::InvalidPspCredentials);
    assert!(world.account_cache.is_none());

    let mut inquiry = World::open(&Brite, Operation::PayIn);
    let asked = the_call(inquiry.begin(Task::Inquire));
    let authorize = the_call(inquiry.resume(Task::Inquire, &asked, &answer(401, "")));
    let fresh = answer(200, r#"{"access_token":"fresh","expires":1779031977}"#);
    let again = the_call(inquiry.resume(Task::Inquire, &authorize, &fresh));
    assert_eq!((again.step, body(&again)), ("session.get", format!(r#"{{"id":"{OUR_SESSION}"}}"#)));
    assert!(matches!(inquiry.resume(Task::Inquire, &again, &answer(401, "")), Step::Silence(_)));
    assert!(matches!(inquiry.resume(Task::Inquire, &authorize, &answer(401, "")), Step::Silence(_)));
}

#[test]
fn errors_are_told_from_silence() {
    let error = r#"{"error_name":"NotFound","error_message":"Country not found","state":"APPLICATION_ERROR"}"#;
    for status in [200, 400, 422] {
        let Step::Refused(refusal) = create(&answer(status, error)) else { panic!("{status}") };
        assert_eq!(refusal.code, ErrorCode::UnknownPspError);
        assert_eq!(refusal.data.unwrap().to_text(), error);
    }
    for (reply, code) in [
        (answer(200, r#"{"url":"htt"#), ErrorCode::UnknownPspError),
        (answer(200, r#"{"id":"x"}"#), ErrorCode::UnknownPspError),
        (answer(200, r#"{"url":"javascript:alert(1)","id":"x"}"#), ErrorCode::UnknownPspError),
        (answer(302, error), ErrorCode::UnknownPspError),
        (answer(500, error), ErrorCode::PspUnavailable),
        (answer(408, error), ErrorCode::PspTimeout),
        (Reply::Lost(Lost::Broken), ErrorCode::PspUnavailable),
        (Reply::Lost(Lost::TimedOut), ErrorCode::PspTimeout),
    ] {
        let Step::Silence(refusal) = create(&reply) else { panic!("{reply:?}") };
        assert_eq!(refusal.code, code, "{reply:?}");
    }
    // No answer shows a token.
    let leaking = answer(400, r#"{"error_name":"X","token":"abc","access_token":"def","refresh_token":"ghi"}"#);
    let Step::Refused(refusal) = create(&leaking) else { panic!() };
    assert_eq!(refusal.data.unwrap().to_text(), r#"{"error_name":"X"}"#);
}

fn session(state: &str, transaction: &str, code: &str) -> Reply {
    answer(
        200,
        format!(
            r#"{{"id":"{OUR_SESSION}","type":0,"state":{state},"amount":50.0,"currency_id":"eur","merchant_reference":"{TRANSACTION}","transaction_id":{transaction},"error_code":{code}}}"#
        ),
    )
}

fn transaction(state: &str, code: &str) -> Reply {
    answer(
        200,
        format!(
            r#"{{"id":"{THEIR_TRANSACTION}","type":0,"state":{state},"amount":50.0,"currency_id":"eur","merchant_reference":"{TRANSACTION}","session_id":"{OUR_SESSION}","error_code":{code}}}"#
        ),
    )
}

fn inquire(replies: &[(&str, Reply)]) -> crate::Finding {
    found(World::open(&Brite, Operation::PayIn).script(Task::Inquire, replies))
}

#[test]
fn a_session_without_a_transaction_speaks_for_itself() {
    for (state, code, standing, status, message) in [
        ("0", "null", Standing::Pending, "CREATED", None),
        ("9", "null", Standing::Pending, "TRANSACTION_APPROVAL_COMPLETED", None),
        ("12", "null", Standing::Pending, "COMPLETED", None),
        ("10", r#""expired_session""#, Standing::Expired, "ABORTED", Some("expired_session")),
        ("10", r#""cancelled_by_user""#, Standing::Cancelled, "ABORTED", Some("cancelled_by_user")),
        ("10", r#""risk_rejected""#, Standing::Declined, "ABORTED", Some("risk_rejected")),
        ("10", "null", Standing::Declined, "ABORTED", Some("ABORTED")),
        ("11", r#""cancelled_by_user""#, Standing::Declined, "FAILED", Some("cancelled_by_user")),
    ] {
        let finding = inquire(&[("session.get", session(state, "null", code))]);
        assert_eq!((finding.standing, finding.status.as_str()), (standing, status), "{state} {code}");
        assert_eq!(finding.message.as_deref(), message, "{state} {code}");
        assert_eq!(finding.psp_transaction_id, None);
    }
    let odd = inquire(&[("session.get", session("13", "null", "null"))]);
    assert_eq!((odd.standing, odd.anomalies.len()), (Standing::Unchanged, 1));
}

#[test]
fn a_session_with_a_transaction_is_as_the_transaction_says() {
    let id = format!(r#""{THEIR_TRANSACTION}""#);
    for (state, code, standing, status) in [
        ("0", "null", Standing::Pending, "CREATED"),
        ("1", "null", Standing::Pending, "PENDING"),
        ("4", "null", Standing::Pending, "COMPLETED"),
        ("5", "null", Standing::Approved, "CREDIT"),
        ("6", "null", Standing::Approved, "SETTLED"),
        ("7", "null", Standing::Reversed, "DEBIT"),
        ("2", r#""expired_session""#, Standing::Expired, "ABORTED"),
        ("2", r#""user_cancelled""#, Standing::Cancelled, "ABORTED"),
        ("2", r#""risk_rejected""#, Standing::Declined, "ABORTED"),
        ("3", "null", Standing::Declined, "FAILED"),
    ] {
        for of_session in ["12", "10", "11"] {
            let replies = [("session.get", session(of_session, &id, "null")), ("transaction.get", transaction(state, code))];
            let finding = inquire(&replies);
            assert_eq!((finding.standing, finding.status.as_str()), (standing, status), "{state} {code}");
            assert_eq!(finding.psp_transaction_id.as_deref(), Some(THEIR_TRANSACTION));
        }
    }
    let odd = inquire(&[("session.get", session("12", &id, "null")), ("transaction.get", transaction("8", "null"))]);
    assert_eq!((odd.standing, odd.anomalies.len()), (Standing::Unchanged, 1));
}

#[test]
fn a_session_lost_with_its_answer_is_found_by_our_reference() {
    let mut world = with_token();
    let by_reference = ("session.get_by_merchant_reference", session("0", "null", "null"));
    let finding = found(world.script(Task::Inquire, std::slice::from_ref(&by_reference)));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "CREATED"));
    assert_eq!(world.memo.str_at("session"), Some(OUR_SESSION));
    let absent = answer(400, r#"{"error_name":"NotFound","error_message":"no","state":"APPLICATION_ERROR"}"#);
    let nothing =
        [("session.get_by_merchant_reference", absent.clone()), ("transaction.get_by_merchantreference", absent.clone())];
    assert_eq!(found(with_token().script(Task::Inquire, &nothing)).standing, Standing::NotFound);
    let late =
        [("session.get_by_merchant_reference", absent), ("transaction.get_by_merchantreference", transaction("5", "null"))];
    assert_eq!(found(with_token().script(Task::Inquire, &late)).standing, Standing::Approved);
    for reply in [answer(404, ""), answer(500, "{}"), answer(200, "[]"), Reply::Lost(Lost::Broken)] {
        let end = with_token().script(Task::Inquire, &[("session.get_by_merchant_reference", reply)]);
        assert!(matches!(end, Step::Silence(_)), "{end:?}");
    }
}

#[test]
fn a_callback_is_a_hint_whose_numbers_do_not_count() {
    let mut world = World::open(&Brite, Operation::PayIn);
    let hint = |world: &World, body: &str| {
        let reading = world.callback(&[], body.as_bytes(), true);
        assert_eq!((reading.answer.status, reading.answer.body.as_str()), (200, ""));
        let CallbackOutcome::Hint(hint) = reading.outcome else { panic!() };
        hint
    };
    world.hint =
        Some(hint(&world, &format!(r#"{{"merchant_id":"m","transaction_id":"{THEIR_TRANSACTION}","transaction_state":5}}"#)));
    let aborted = [("transaction.get", transaction("2", r#""risk_rejected""#))];
    assert_eq!(found(world.script(Task::Inquire, &aborted)).standing, Standing::Declined);
    // Another transaction than any that exists: our session is asked about.
    let absent = answer(400, r#"{"error_name":"NotFound"}"#);
    let replies = [("transaction.get", absent.clone()), ("session.get", session("5", "null", "null"))];
    assert_eq!(found(world.script(Task::Inquire, &replies)).standing, Standing::Pending);
    // Asked about once more when our session names it too, and then no more.
    let of_session = session("5", &format!(r#""{THEIR_TRANSACTION}""#), "null");
    let replies = [("transaction.get", absent.clone()), ("session.get", of_session), ("transaction.get", absent)];
    assert_eq!(found(world.script(Task::Inquire, &replies)).anomalies.len(), 1);
    // One of another session, and one with another reference, change nothing.
    for (from, to) in [(OUR_SESSION, "other"), (TRANSACTION, "64a1f2b3c4d5e6f7a8b9c0d2"), ("50.0", "5.0"), ("eur", "sek")] {
        let Reply::Answer(mut foreign) = transaction("5", "null") else { panic!() };
        foreign.body = String::from_utf8(foreign.body).unwrap().replace(from, to).into_bytes();
        let finding = found(world.script(Task::Inquire, &[("transaction.get", Reply::Answer(foreign))]));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{to}");
    }
    world.hint = Some(hint(&world, r#"{"merchant_id":"m","session_id":"another","session_state":10}"#));
    assert_eq!(body(&the_call(world.begin(Task::Inquire))), format!(r#"{{"id":"{OUR_SESSION}"}}"#), "ours, whatever it names");
    for nothing in ["", "nonsense", "[]"] {
        assert!(hint(&world, nothing).as_object().unwrap().is_empty(), "our session is asked about");
    }
}

/// A transaction as Brite tells it without what it does not promise.
fn bare(state: &str, members: &str) -> Reply {
    let text = format!(r#"{{"id":"{THEIR_TRANSACTION}","type":0,"state":{state},"amount":50.0,"currency_id":"eur"{members}}}"#);
    answer(200, text)
}

#[test]
fn a_transaction_need_not_say_whose_it_is_when_our_session_names_it() {
    let named = session("12", &format!(r#""{THEIR_TRANSACTION}""#), "null");
    let ours = format!(r#","merchant_reference":"{TRANSACTION}""#);
    let of_session = format!(r#","session_id":"{OUR_SESSION}""#);
    for members in ["", ours.as_str(), of_session.as_str(), r#","merchant_reference":null,"session_id":"""#] {
        // By our session.
        let finding = inquire(&[("session.get", named.clone()), ("transaction.get", bare("5", members))]);
        assert_eq!((finding.standing, finding.status.as_str()), (Standing::Approved, "CREDIT"), "{members}");
        // By a callback: our session is asked whether it names the transaction.
        let mut world = World::open(&Brite, Operation::PayIn);
        world.hint = Some(json(&format!(r#"{{"transaction_id":"{THEIR_TRANSACTION}"}}"#)));
        let replies =
            [("transaction.get", bare("5", members)), ("session.get", named.clone()), ("transaction.get", bare("5", members))];
        assert_eq!(found(world.script(Task::Inquire, &replies)).standing, Standing::Approved, "{members}");
        // It names none yet: what the callback named is not believed.
        let replies = [("transaction.get", bare("5", members)), ("session.get", session("5", "null", "null"))];
        assert_eq!(found(world.script(Task::Inquire, &replies)).standing, Standing::Pending, "{members}");
        // It names another.
        let other = session("12", r#""another""#, "null");
        let absent = answer(400, r#"{"error_name":"NotFound"}"#);
        let replies = [("transaction.get", bare("5", members)), ("session.get", other), ("transaction.get", absent)];
        assert_eq!(found(world.script(Task::Inquire, &replies)).standing, Standing::Unchanged, "{members}");
    }
    // Where they are there, they must be ours.
    for members in [r#","merchant_reference":"64a1f2b3c4d5e6f7a8b9c0d2""#, r#","session_id":"another""#] {
        let finding = inquire(&[("session.get", named.clone()), ("transaction.get", bare("5", members))]);
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{members}");
    }
    // Nothing that could be asked about: it ends, and nothing is believed.
    let absent = answer(400, r#"{"error_name":"NotFound"}"#);
    let mut steps = Vec::new();
    let (_, end) = with_token().run_with(Task::Inquire, |_, call| {
        steps.push(call.step);
        if call.step == "transaction.get_by_merchantreference" { bare("5", &of_session) } else { absent.clone() }
    });
    let finding = found(end);
    assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{steps:?}");
}

#[test]
fn settled_after_credit_is_told_once_on_the_timeline() {
    let mut world = World::open(&Brite, Operation::PayIn);
    world.status = TransactionStatus::Approved;
    world.hint = Some(json(&format!(r#"{{"transaction_id":"{THEIR_TRANSACTION}"}}"#)));
    let replies = [("transaction.get", transaction("6", "null"))];
    assert_eq!(found(world.script(Task::Inquire, &replies)).notes, ["Brite has settled the money: SETTLED"]);
    assert!(found(world.script(Task::Inquire, &replies)).notes.is_empty());
}

#[test]
fn keys_belong_to_their_environment() {
    let production = settings::SettingContext { environment: Environment::Production, ..sandbox() };
    let set = |key: &str, cx: &settings::SettingContext| {
        let patch = Json::object([("publicKey", Json::text(key))]);
        settings::apply(&super::DESCRIPTOR, &Settings::default(), &patch, cx).map(|_| ()).map_err(|mut said| said.remove(0))
    };
    assert_eq!(set("sandbox-abc", &sandbox()), Ok(()));
    assert_eq!(set("abc", &production), Ok(()));
    let other = Err("publicKey belongs to the other environment".to_owned());
    assert_eq!(set("abc", &sandbox()), other);
    assert_eq!(set("sandbox-abc", &production), other);
    assert_eq!(set("a b", &sandbox()), Err("publicKey must match [!-~]{1,256}".to_owned()));
    assert_eq!(set("", &sandbox()), Err("publicKey must be 1 to 256 characters".to_owned()));
}

#[test]
fn the_country_is_the_bodys_and_a_locale_is_a_tag() {
    for good in ["sv", "fi-FI", "zh-Hans-CN"] {
        assert_eq!(crate::kit::language_tag(good).as_deref(), Ok(good));
    }
    for bad in ["", "s", "fi_FI", "fi-", "-fi", "fi-toolongasubtag", "1a", "sv-SE extra"] {
        assert_eq!(crate::kit::language_tag(bad), Err("must be a language tag"), "{bad}");
    }
    let spec = super::DESCRIPTOR.pay_in.as_ref().unwrap();
    let request = json(spec.example);
    let claims = crate::fields::Claims {
        user_id: "user_123".to_owned(),
        country_code: Some("DE".to_owned()),
        ..crate::fields::Claims::default()
    };
    let request = crate::fields::Request {
        body: &request,
        claims: Some(&claims),
        caller_ip: None,
        browser: crate::fields::BrowserHeaders::default(),
        environment: Environment::Sandbox,
        now: now(),
    };
    assert_eq!(crate::fields::check(spec, &request).unwrap().fields.text("country"), Some("FI"));
}

#[test]
fn test_connection_authorises_whatever_is_kept() {
    let mut world = with_token();
    let call = the_call(world.begin(Task::Test));
    assert_eq!(call.step, "merchant.authorize");
    let (_, good) = world.good(Task::Test, "merchant.authorize");
    assert!(found(world.resume(Task::Test, &call, &answer(200, good))).proven);
    let Step::Refused(refusal) = world.resume(Task::Test, &call, &answer(401, "{}")) else { panic!() };
    assert_eq!(refusal.code, ErrorCode::InvalidPspCredentials);
}
