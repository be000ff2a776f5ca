use super::form::{DEFAULT_HASH_FIELDS, names, request_hash};
use super::notify::{NOTICE, ZERO, response_hash};
use super::{DESCRIPTOR, Trust};
use crate::api::{CallbackOutcome, CashierAnswer, Lost, Reply, Standing, Step, Task};
use crate::card::CardData;
use crate::pages::{BrowserReturn, HostedForm, Opening, ReturnReading};
use crate::testing::{SESSION, TRANSACTION, World, answer, found, header, json, now, sandbox, the_call};
use crate::{CallbackReading, Finding, Provider, settings};
use domain::urls::Environment;
use domain::{ErrorCode, Json, Operation, Settings, TransactionStatus};
use url::form_urlencoded;

const PASSWORD: &str = "PASSWORD";
const QUERY: &str = super::query::QUERY;
const TIMESTAMP: &str = "2026-01-02 03:04:05";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

mod callbacks;
mod inquiries;

fn world() -> World {
    World::new(&Trust, Operation::PayIn)
}

/// Created, and its page opened.
fn open() -> World {
    World::open(&Trust, Operation::PayIn)
}

fn configured(mut world: World, patch: &str) -> World {
    world.settings = settings::apply(&DESCRIPTOR, &world.settings, &json(patch), &sandbox()).unwrap();
    world
}

/// Without a web-services user.
fn unasked(world: World) -> World {
    configured(world, r#"{"webServicesUsername":null,"webServicesPassword":null}"#)
}

/// Without a site password.
fn unsigned(world: World) -> World {
    configured(world, r#"{"siteSecurityPassword":null}"#)
}

fn ordering(body: &str) -> World {
    let mut request = json(r#"{"pspType":"TRUST","type":"PAYIN","currency":"EUR","baseamount":100,"userId":"u1"}"#);
    for (name, value) in json(body).as_object().unwrap() {
        request.set(name, value.clone());
    }
    World::ordering(&Trust, Operation::PayIn, &request.to_text())
}

fn form_of(world: &World) -> Box<HostedForm> {
    match world.with_context(|cx| Trust.open_page(cx)) {
        Opening::Form(form) => form,
        Opening::Closed => panic!("closed"),
    }
}

fn fields_of(world: &World) -> Vec<(&'static str, String)> {
    form_of(world).fields.iter().map(|(name, value)| (*name, value.expose().to_owned())).collect()
}

fn all_of<'a>(fields: &'a [(&'static str, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()).collect()
}

// --- configuration ----------------------------------------------------------------------------

fn apply(patch: &str, environment: Environment) -> Result<Settings, Vec<String>> {
    settings::apply(&DESCRIPTOR, &Settings::default(), &json(patch), &settings::SettingContext { environment, ..sandbox() })
}

fn problems(patch: &str) -> Vec<String> {
    apply(patch, Environment::Sandbox).err().unwrap_or_default()
}

#[test]
fn settings_are_checked() {
    let both = "webServicesUsername and webServicesPassword must be set together";
    for (patch, sentence) in [
        (r#"{"sitereference":"a-b"}"#, "sitereference must match [A-Za-z0-9_]{1,50}"),
        (r#"{"sitereference":""}"#, "sitereference must match [A-Za-z0-9_]{1,50}"),
        (r#"{"sitereference":"site1"}"#, "sitereference must start with test_ in the sandbox"),
        (r#"{"siteSecurityPassword":""}"#, "siteSecurityPassword must be 1 to 255 characters"),
        (r#"{"webServicesUsername":"ws@m.example"}"#, both),
        (r#"{"webServicesPassword":"p"}"#, both),
        (r#"{"hashFields":"currencyiso3a,mainamount"}"#, "hashFields must contain sitereference, currencyiso3a, mainamount"),
        (r#"{"hashFields":"currencyiso3a,,mainamount,sitereference"}"#, "hashFields must be comma-separated lower-case names"),
        (r#"{"hashFields":"currencyiso3a,mainAmount,sitereference"}"#, "hashFields must be comma-separated lower-case names"),
        (
            r#"{"hashFields":"currencyiso3a,mainamount,sitereference,sitesecuritytimestamp"}"#,
            "hashFields must not list sitesecuritytimestamp or the password: they always follow",
        ),
        (r#"{"hashFields":"currencyiso3a,mainamount,sitereference,mainamount"}"#, "hashFields must not name a field twice"),
        (r#"{"username":"u"}"#, "username is no longer a field: use sitereference, siteSecurityPassword"),
        (
            r#"{"username":"u","password":"p","sitereference":"test_a"}"#,
            "username is no longer a field: use sitereference, siteSecurityPassword",
        ),
        (r#"{"pagesBaseUrl":"http://example.com"}"#, "pagesBaseUrl must be an https URL"),
    ] {
        assert_eq!(problems(patch), [sentence], "{patch}");
    }
    assert_eq!(problems(r#"{"sitereference":"test_a","hashFields":"currencyiso3a, mainamount, sitereference"}"#), [""; 0]);
    let production = |patch| apply(patch, Environment::Production).err().unwrap_or_default();
    assert_eq!(production(r#"{"sitereference":"test_a"}"#), ["sitereference must not start with test_ in production"]);
    assert_eq!(production(r#"{"sitereference":"site1"}"#), [""; 0]);
}

#[test]
fn one_of_a_pair_cannot_be_taken_out() {
    let problems = settings::apply(&DESCRIPTOR, &world().settings, &json(r#"{"webServicesPassword":null}"#), &sandbox());
    assert_eq!(problems.err().unwrap(), ["webServicesUsername and webServicesPassword must be set together"]);
}

#[test]
fn warnings_say_what_cannot_be_verified_and_what_is_not_sent() {
    let warnings = |patch: &str| Trust.warnings(&apply(patch, Environment::Sandbox).unwrap());
    let unverified = "Outcomes cannot be verified: set siteSecurityPassword or the web-services credentials";
    assert_eq!(warnings(r#"{"sitereference":"test_a"}"#), [unverified]);
    let exact = "Notifications set up at Trust must have exactly these fields: baseamount, currencyiso3a, errorcode, maskedpan, orderreference, \
                 paymenttypedescription, requesttypedescription, settlestatus, sitereference, transactionreference";
    assert_eq!(warnings(r#"{"sitereference":"test_a","siteSecurityPassword":"x"}"#), [exact]);
    assert_eq!(warnings(r#"{"sitereference":"test_a","webServicesUsername":"u","webServicesPassword":"p"}"#), [""; 0]);
    assert_eq!(
        warnings(
            r#"{"siteSecurityPassword":"x","hashFields":"sitereference,currencyiso3a,mainamount,ruleidentifier,allurlnotification"}"#
        ),
        [
            exact,
            "Not sent, because hashFields does not cover them: successfulurlredirect, declinedurlredirect, stextraurlnotifyfields"
        ]
    );
    assert_eq!(
        warnings(r#"{"siteSecurityPassword":"x","hashFields":"sitereference,currencyiso3a,mainamount"}"#),
        [
            exact,
            "Not sent, because hashFields does not cover them: successfulurlredirect, declinedurlredirect, allurlnotification, ruleidentifier, stextraurlnotifyfields"
        ]
    );
}

// --- the create answer ------------------------------------------------------------------------

#[test]
fn a_create_calls_nobody_and_answers_as_decided() {
    let mut world = world();
    world.order.created_at = now().plus_ms(123);
    let finding = found(world.begin(Task::PayIn));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Pending, "pending"));
    assert!(finding.notes.is_empty());
    let Some(CashierAnswer::Success { message, data, redirect_url }) = finding.answer else { panic!() };
    assert_eq!((message.as_str(), redirect_url.as_deref()), ("Successfully", Some("https://gw.example/pay/p4y")));
    assert_eq!(
        data.to_text(),
        format!(
            r#"{{"status":"PENDING","transaction_status":"Pending","paymentUrl":"https://gw.example/pay/p4y","expiresAt":"2026-05-17T09:37:57Z","transactionId":"{TRANSACTION}","sessionId":"{SESSION}","merchantReference":"ORDER-REF-001","amount":100}}"#
        )
    );
}

#[test]
fn billing_fields_never_affect_acceptance() {
    let long = "x".repeat(128);
    let mut world = ordering(&format!(
        r#"{{"email":"nonsense","firstName":7,"lastName":"a\u0007b","phone":"{long}","countryCode":"DEU","gender":5,
            "address":{{"line1":"1 High St","city":["x"],"country":"GB"}}}}"#
    ));
    let finding = found(world.begin(Task::PayIn));
    assert_eq!(finding.notes, ["left out of the form: address.city, countryCode, email, firstName, lastName, phone"]);
    let billing: Vec<_> = fields_of(&world).into_iter().filter(|(name, _)| name.starts_with("billing")).collect();
    assert_eq!(billing, [("billingpremise", "1 High St".to_owned()), ("billingcountryiso2a", "GB".to_owned())]);
    let mut world = ordering(r#"{"address":"1 High St"}"#);
    assert_eq!(found(world.begin(Task::PayIn)).notes, ["left out of the form: address"]);
}

#[test]
fn billing_fields_are_prefilled() {
    let world = ordering(
        r#"{"email":"a@b.example","firstName":"Ann","lastName":"Lee","phone":"+44","countryCode":"FR",
            "address":{"line1":"1","line2":"High St","city":"York","state":"Yorks","postalCode":"YO1"}}"#,
    );
    let billing: Vec<String> = fields_of(&world)
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{}={value}", name.strip_prefix("billing")?)))
        .collect();
    assert_eq!(
        billing,
        [
            "firstname=Ann",
            "lastname=Lee",
            "email=a@b.example",
            "telephone=+44",
            "premise=1",
            "street=High St",
            "town=York",
            "county=Yorks",
            "postcode=YO1",
            "countryiso2a=FR"
        ]
    );
}

// --- the form ---------------------------------------------------------------------------------

#[test]
fn the_form_has_exactly_the_fields_of_the_sheet() {
    let mut world = world();
    world.now = now().plus_ms(1_999);
    let form = form_of(&world);
    assert_eq!(form.action, "https://payments.securetrading.net/process/payments/choice");
    assert!(!form.hidden && form.restarts_schedule);
    assert_eq!(form.memo.as_ref().unwrap().to_text(), format!(r#"{{"openedAt":{}}}"#, world.now.millis()));
    let mut expected = vec![
        ("sitereference", "test_site12345"),
        ("currencyiso3a", "EUR"),
        ("mainamount", "100.00"),
        ("version", "2"),
        ("stprofile", "default"),
        ("orderreference", TRANSACTION),
        ("billingtelephone", "+447911123456"),
        ("ruleidentifier", "STR-6"),
        ("ruleidentifier", "STR-7"),
        ("ruleidentifier", "STR-10"),
        ("successfulurlredirect", "https://gw.example/return/trust/t0k/success"),
        ("declinedurlredirect", "https://gw.example/return/trust/t0k/failure"),
        ("allurlnotification", "https://gw.example/callbacks/trust/token"),
    ];
    expected.extend(super::form::EXTRA_FIELDS.map(|name| ("stextraurlnotifyfields", name)));
    expected.push(("sitesecuritytimestamp", "2026-05-17 09:32:58"));
    let fields = fields_of(&world);
    let (hash, rest) = fields.split_last().unwrap();
    assert_eq!(rest.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), expected);
    let agreed: Vec<&str> = names(DEFAULT_HASH_FIELDS).collect();
    assert_eq!(*hash, ("sitesecurity", request_hash(rest, &agreed, "2026-05-17 09:32:58", PASSWORD)));
}

#[test]
fn another_host_can_be_configured() {
    let world = configured(world(), r#"{"pagesBaseUrl":"http://127.0.0.1:8081/trust/"}"#);
    assert_eq!(form_of(&world).action, "http://127.0.0.1:8081/trust/process/payments/choice");
}

#[test]
fn amounts_are_major_units_with_exactly_the_currencys_digits() {
    for (currency, sent, major) in [
        ("EUR", "100", "100.00"),
        ("EUR", "0.01", "0.01"),
        ("GBP", "10.5", "10.50"),
        ("JPY", "100", "100"),
        ("KWD", "100", "100.000"),
        ("KWD", "0.125", "0.125"),
        ("CLF", "1.2", "1.2000"),
        ("EUR", "9007199254740.99", "9007199254740.99"),
    ] {
        let body = format!(r#"{{"currency":"{currency}","baseamount":{sent}}}"#);
        assert_eq!(all_of(&fields_of(&ordering(&body)), "mainamount"), [major], "{currency} {sent}");
    }
}

#[test]
fn minor_units_of_a_notification_are_compared_in_every_class() {
    for (currency, sent, minor, other) in [
        ("EUR", "100", "10000", "100"),
        ("JPY", "100", "100", "10000"),
        ("KWD", "0.125", "125", "12"),
        ("CLF", "1.2", "12000", "120"),
    ] {
        let body = format!(r#"{{"currency":"{currency}","baseamount":{sent}}}"#);
        for (told, standing) in [(minor, Standing::Approved), (other, Standing::Unchanged)] {
            let mut world = unasked(ordering(&body));
            world.run(Task::PayIn);
            (world.status, world.memo) = (TransactionStatus::Pending, form_of(&world).memo.unwrap());
            let changes = [("baseamount", told), ("currencyiso3a", currency)];
            let fields = callbacks::signed(callbacks::with(callbacks::approved(), &changes));
            assert_eq!(callbacks::believed(&mut world, &fields).standing, standing, "{currency} {told}");
        }
    }
}

#[test]
fn what_the_hash_does_not_cover_is_not_sent() {
    let sent = |hash_fields: &str| {
        fields_of(&configured(world(), &format!(r#"{{"hashFields":"{hash_fields}"}}"#)))
            .into_iter()
            .map(|(name, value)| if name == "ruleidentifier" { value } else { name.to_owned() })
            .filter(|name| name.contains("STR") || name.contains("url") || name.starts_with("sitesec"))
            .collect::<Vec<_>>()
    };
    let core = "sitereference,currencyiso3a,mainamount";
    assert_eq!(sent(core), ["sitesecuritytimestamp", "sitesecurity"]);
    assert_eq!(sent(&format!("{core},allurlnotification")), ["sitesecuritytimestamp", "sitesecurity"], "no URL without its rule");
    assert_eq!(
        sent(&format!("{core},ruleidentifier,successfulurlredirect")),
        ["STR-6", "successfulurlredirect", "sitesecuritytimestamp", "sitesecurity"]
    );
    let world = unsigned(world());
    let fields = fields_of(&world);
    assert!(fields.iter().all(|(name, _)| !name.contains("url") && !name.contains("security") && *name != "ruleidentifier"));
}

#[test]
fn the_page_opens_once_and_in_time() {
    let mut world = world();
    world.now = now().plus_ms(5 * MINUTE_MS - 1);
    let memo = form_of(&world).memo;
    world.now = now().plus_ms(5 * MINUTE_MS);
    assert!(matches!(world.with_context(|cx| Trust.open_page(cx)), Opening::Closed), "late");
    (world.now, world.memo) = (now(), memo.unwrap());
    assert!(matches!(world.with_context(|cx| Trust.open_page(cx)), Opening::Closed), "used");
}

#[test]
fn card_data_is_refused() {
    assert_eq!(DESCRIPTOR.card_data, CardData::Refused);
}

// --- hashes -----------------------------------------------------------------------------------

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_request_hashs_vectors() {
    let site = ("sitereference", "test_site12345".to_owned());
    let field = |name: &'static str, value: &str| (name, value.to_owned());
    let mut first = vec![
        site.clone(),
        field("currencyiso3a", "EUR"),
        field("mainamount", "100.00"),
        field("version", "2"),
        field("stprofile", "default"),
        field("orderreference", TRANSACTION),
        field("ruleidentifier", "STR-6"),
        field("ruleidentifier", "STR-7"),
        field("ruleidentifier", "STR-10"),
        field("successfulurlredirect", "https://pay.example/return/trust/kJ3n0T9zq1/success"),
        field("declinedurlredirect", "https://pay.example/return/trust/kJ3n0T9zq1/failure"),
        field("allurlnotification", "https://pay.example/callbacks/trust/pQ7v2LmX4c"),
    ];
    first.extend(super::form::EXTRA_FIELDS.map(|name| field("stextraurlnotifyfields", name)));
    let agreed: Vec<&str> = names(DEFAULT_HASH_FIELDS).collect();
    assert_eq!(
        request_hash(&first, &agreed, TIMESTAMP, PASSWORD),
        "h7902d7bebab73451f93f767a0dea22b9b9f7fa35f5b3708a750c519e4bb5dec1"
    );
    let second = [
        site.clone(),
        field("currencyiso3a", "GBP"),
        field("mainamount", "10.50"),
        field("version", "2"),
        field("stprofile", "default"),
        field("ruleidentifier", "STR-6"),
        field("ruleidentifier", "STR-10"),
        field("successfulurlredirect", "https://m.example/ok"),
        field("allurlnotification", "https://m.example/notify"),
        field("orderreference", "ORD-1"),
    ];
    assert_eq!(
        request_hash(&second, &agreed, TIMESTAMP, PASSWORD),
        "hb231029fc1ba155e7b29a7b21fbeaa431dbacd3e5af76786497957a7db79d1da"
    );
    let agreed: Vec<&str> = names("currencyiso3a,mainamount,sitereference").collect();
    assert_eq!(
        request_hash(&first, &agreed, TIMESTAMP, PASSWORD),
        "haa2fc46e208dc93a947602f8f476ec71fc576a22e659409ac66bd2cb7d52c344"
    );
}

#[test]
fn the_response_hashs_vectors() {
    let documented = [
        ("errorcode", "0"),
        ("orderreference", "Order"),
        ("paymenttypedescription", "VISA"),
        ("requestreference", "RR555"),
        ("settlestatus", "0"),
        ("sitereference", "test_site12345"),
        ("transactionreference", "2-44-66"),
    ];
    let hash = response_hash(&pairs(&documented), PASSWORD);
    assert_eq!(hash, "1a8b45c137c1d1df8ce6ff923421043f879a85a181e9c0d96a8904211af8b0b0");
    let redirect = pairs(&redirect());
    assert_eq!(response_hash(&redirect, PASSWORD), "06f92fd64f5c6c0334350981addc1d10212f8d52add2eb41464685656e5ddc5f");
}

const fn redirect() -> [(&'static str, &'static str); 7] {
    [
        ("transactionreference", "42-14-119"),
        ("errorcode", "0"),
        ("orderreference", TRANSACTION),
        ("paymenttypedescription", "VISA"),
        ("requestreference", "A1b2c3d4e"),
        ("settlestatus", "0"),
        ("sitereference", "test_site12345"),
    ]
}

// --- the browser's return ---------------------------------------------------------------------

fn read_return(world: &World, word: &str, query: &[(String, String)]) -> Option<ReturnReading> {
    let texts: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let raw = crate::kit::form(&texts);
    world.with_context(|cx| Trust.read_return(cx, &BrowserReturn { word, query, raw: &raw }))
}

#[test]
fn a_redirect_is_navigation() {
    let mut query = pairs(&redirect());
    let hash = response_hash(&query, PASSWORD);
    query.push(("responsesitesecurity".to_owned(), hash));
    let world = open();
    let reading = read_return(&world, "success", &query).unwrap();
    assert_eq!((reading.result, reading.ask, reading.anomaly), ("success", true, None));
    assert_eq!(
        reading.note.as_deref(),
        Some("the browser came back (success): errorcode 0, settlestatus 0, reference 42-14-119, VISA; its hash is right")
    );
    query[0].1 = "42-14-120".to_owned();
    let reading = read_return(&world, "failure", &query).unwrap();
    assert_eq!(reading.result, "failure");
    assert!(reading.note.unwrap().ends_with("; its hash is wrong"));
    assert!(read_return(&world, "other", &query).is_none());
}

#[test]
fn a_redirect_of_an_account_that_cannot_ask_is_noted() {
    let world = unasked(open());
    let reading = read_return(&world, "failure", &pairs(&[("errorcode", "70000")])).unwrap();
    assert!(!reading.ask && reading.hint.is_none());
    assert_eq!(reading.note.as_deref(), Some("the browser came back (failure): errorcode 70000; nothing proves it"));
    // A reported success keeps the order from running out; it approves nothing.
    let mut world = world;
    world.hint = read_return(&world, "success", &pairs(&redirect())).unwrap().hint;
    let finding = found(world.begin(Task::Inquire));
    assert_eq!(finding.standing, Standing::Unchanged);
    world.hint = None;
    world.now = now().plus_ms(4 * HOUR_MS);
    assert_eq!(found(world.begin(Task::Inquire)).standing, Standing::Stuck);
}

#[test]
fn what_a_browser_brings_is_not_shown_as_it_is() {
    let query =
        pairs(&[("errorcode", "<script>"), ("transactionreference", "4111111111111111"), ("maskedpan", "4111111111111111")]);
    let note = read_return(&open(), "success", &query).unwrap().note.unwrap();
    assert!(!note.contains("script") && !note.contains("4111"), "{note}");
}
