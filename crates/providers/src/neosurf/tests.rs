mod callbacks;

use super::Neosurf;
use super::wire::signature;
use crate::api::{CallbackOutcome, CashierAnswer, Doubt, Lost, Reply, Standing, Step, Task};
use crate::testing::{SESSION, TRANSACTION, World, answer, found, header, json, now, sandbox, the_call};
use crate::{Finding, settings};
use domain::urls::Environment;
use domain::{ErrorCode, Json, Operation, Settings, TransactionStatus};
use url::form_urlencoded;

const SECRET: &str = "neosurfsecret";
const PAGE: &str = "https://pay.secure-neosurf.com/EN-A1B2C3D4E5F6G7H8I";
const QUERY: &str = "transactionGetDetails";

fn world() -> World {
    World::new(&Neosurf, Operation::PayIn)
}

fn open() -> World {
    World::open(&Neosurf, Operation::PayIn)
}

/// The parameters of the create call of a request.
fn created_by(mut world: World) -> Vec<(String, String)> {
    let call = the_call(world.begin(Task::PayIn));
    form_urlencoded::parse(&call.body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn value<'a>(parameters: &'a [(String, String)], name: &str) -> &'a str {
    &parameters.iter().find(|(known, _)| known == name).unwrap().1
}

fn create(reply: Reply) -> Step {
    world().script(Task::PayIn, &[("create", reply)])
}

const VECTOR: [(&str, &str); 13] = [
    ("version", "3"),
    ("amount", "5000"),
    ("currency", "eur"),
    ("language", "en"),
    ("merchantId", "24842"),
    ("merchantTransactionId", "64a1f2b3c4d5e6f7a8b9c0d1"),
    ("prohibitedForMinors", "yes"),
    ("subMerchantId", "merchant.example"),
    ("test", "yes"),
    ("urlCallback", "https://gw.example/cb"),
    ("urlKo", "https://m.example/ko"),
    ("urlOk", "https://m.example/ok"),
    ("urlPending", "https://m.example/pending"),
];

#[test]
fn vectors_a_and_b() {
    assert_eq!(
        signature(&VECTOR, SECRET),
        "6ceb14a13c36b20e9a905cbcb57d5ad1ec0244022a389d6cc21cd3d00bdde7d53bb939d2fc816a6839d317cce7915ad76d5b23fe3ea9295824eaf635011615ee"
    );
    let mut with_expiry = VECTOR.to_vec();
    with_expiry.push(("expiry", "2026-05-17T11:32:57+00:00"));
    assert_eq!(
        signature(&with_expiry, SECRET),
        "e2318ef2791188064d547e784788a1c33503166890e8bac3341976801810ab606c2d51228abe0430b0136048ccc38a556f634f0ff3c1334197b8810d5c0c3a42"
    );
}

#[test]
fn the_status_querys_vector() {
    let mut world = open();
    let call = the_call(world.begin(Task::Inquire));
    assert_eq!(
        (call.method, call.url.as_str(), call.doubt),
        ("POST", "https://www.neosurf.info:443/soap/index.php", Doubt::Harmless)
    );
    assert_eq!(header(&call, "content-type"), Some("text/xml; charset=utf-8"));
    let published = r#"<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="https://www.neosurf.info/soap/"><soap:Body><ns1:transactionGetDetails><transactionGetDetailsRequest><hash>b34896ee4db11a00e0d19eecd583c491bb0dc9afda27d9204b32f559dd6a04553d4bdce41f23396ece3d66d0276d436c9d02b58b974a03b20613c74274b9b7d3</hash><merchantId>24842</merchantId><merchantTransactionId>64a1f2b3c4d5e6f7a8b9c0d1</merchantTransactionId><subMerchantId>merchant.example</subMerchantId><test>yes</test><version>3</version></transactionGetDetailsRequest></ns1:transactionGetDetails></soap:Body></soap:Envelope>"#;
    assert_eq!(String::from_utf8(call.body).unwrap(), published);
    let configured = json(r#"{"soapUrl":"http://127.0.0.1:8081/neosurf/soap/index.php"}"#);
    world.settings = settings::apply(&super::DESCRIPTOR, &world.settings, &configured, &sandbox()).unwrap();
    assert_eq!(the_call(world.begin(Task::Inquire)).url, "http://127.0.0.1:8081/neosurf/soap/index.php");
}

#[test]
fn a_create_sends_exactly_the_parameters_of_the_sheet() {
    let mut world = world();
    world.order.merchant_reference = Some("ORDER 1".to_owned());
    let call = the_call(world.begin(Task::PayIn));
    assert_eq!((call.method, call.url.as_str(), call.doubt), ("POST", "https://pay.neosurf.com/", Doubt::Page));
    assert_eq!(header(&call, "content-type"), Some("application/x-www-form-urlencoded"));
    let back = |result: &str| {
        format!(
            "https://merchant.example/shop?transactionId={TRANSACTION}&sessionId={SESSION}&merchantReference=ORDER+1&result={result}"
        )
    };
    let expected = [
        ("amount", "5000".to_owned()),
        ("currency", "eur".to_owned()),
        ("expiry", "2026-05-17T11:32:57+00:00".to_owned()),
        ("language", "en".to_owned()),
        ("merchantId", "24842".to_owned()),
        ("merchantTransactionId", TRANSACTION.to_owned()),
        ("prohibitedForMinors", "yes".to_owned()),
        ("subMerchantId", "merchant.example".to_owned()),
        ("test", "yes".to_owned()),
        ("urlCallback", "https://gw.example/callbacks/neosurf/token".to_owned()),
        ("urlKo", back("failure")),
        ("urlOk", back("success")),
        ("urlPending", back("pending")),
        ("version", "3".to_owned()),
    ];
    let borrowed: Vec<(&str, &str)> = expected.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let parameters = created_by(world);
    let (hash, rest) = parameters.split_last().unwrap();
    assert_eq!((hash.0.as_str(), hash.1.as_str()), ("hash", signature(&borrowed, SECRET).as_str()));
    assert_eq!(rest.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), borrowed);
}

#[test]
fn a_requests_site_is_returned_to_and_does_not_change_the_sub_merchant() {
    let mut body = json(super::DESCRIPTOR.pay_in.as_ref().unwrap().example);
    body.set("siteUrl", Json::text("https://other.example/x?a=b"));
    let parameters = created_by(World::ordering(&Neosurf, Operation::PayIn, &body.to_text()));
    assert!(value(&parameters, "urlOk").starts_with("https://other.example/x?a=b&transactionId="));
    assert_eq!(value(&parameters, "subMerchantId"), "merchant.example");
}

#[test]
fn production_is_no_test_and_milliseconds_are_left_out() {
    let mut world = world();
    (world.environment, world.now, world.time_scale) = (Environment::Production, now().plus_ms(999), 1_000);
    let parameters = created_by(world);
    assert_eq!((value(&parameters, "test"), value(&parameters, "expiry")), ("no", "2026-05-17T11:32:57+00:00"));
}

#[test]
fn amounts_are_minor_units() {
    for (literal, currency, encoded) in [
        ("500", "JPY", "500"),
        ("10000", "CLP", "10000"),
        ("50.00", "EUR", "5000"),
        ("50.5", "EUR", "5050"),
        ("0.01", "GBP", "1"),
        ("9999999999999.99", "EUR", "999999999999999"),
        ("50.125", "KWD", "50125"),
        ("0.001", "BHD", "1"),
        ("1.2", "CLF", "12000"),
    ] {
        let body = format!(
            r#"{{"baseamount":{literal},"currency":"{currency}","currencyCode":"{currency}","userId":"u","email":"player@example.com"}}"#
        );
        let parameters = created_by(World::ordering(&Neosurf, Operation::PayIn, &body));
        assert_eq!(
            (value(&parameters, "amount"), value(&parameters, "currency")),
            (encoded, currency.to_ascii_lowercase().as_str())
        );
    }
}

#[test]
fn data_is_as_published_and_the_page_stands_beside_it() {
    let mut world = world();
    let (_, end) = world.run(Task::PayIn);
    let finding = found(end);
    assert_eq!((finding.standing, finding.status.as_str(), finding.psp_transaction_id), (Standing::Pending, "pending", None));
    let Some(CashierAnswer::Success { message, data, redirect_url }) = finding.answer else { panic!() };
    assert_eq!((message.as_str(), redirect_url.as_deref()), ("Successfully", Some(PAGE)));
    assert_eq!(data.to_text(), format!(r#"{{"status":"PENDING","sessionId":"{SESSION}"}}"#));
}

fn redirect(status: u16, to: &str, body: &str) -> Reply {
    let Reply::Answer(mut reply) = answer(status, body) else { panic!() };
    reply.headers.push(("location".to_owned(), to.to_owned()));
    Reply::Answer(reply)
}

#[test]
fn where_the_page_is() {
    let script = |code: &str| format!("<html><script>setTimeout(function(){{{code}}});</script></html>");
    for good in [
        redirect(302, PAGE, ""),
        redirect(303, PAGE, r#"{"error":"x"}"#),
        answer(200, format!(r#"{{"url":"{PAGE}","redirectUrl":"https://b.example/"}}"#)),
        answer(201, format!(r#"{{"url":"","redirectUrl":"{PAGE}"}}"#)),
        answer(200, script(&format!("document.location.href='{PAGE}'"))),
        answer(200, script(&format!("document.location.href;document.location.href  =\n \"{PAGE}\""))),
    ] {
        let Some(CashierAnswer::Success { redirect_url, .. }) = found(create(good)).answer else { panic!() };
        assert_eq!(redirect_url.as_deref(), Some(PAGE));
    }
    let Some(CashierAnswer::Success { redirect_url, .. }) =
        found(create(redirect(302, "http://127.0.0.1:8081/neosurf/EN-X", ""))).answer
    else {
        panic!()
    };
    assert!(redirect_url.is_some(), "a simulator in the sandbox");
    for bad in [
        redirect(301, PAGE, ""),
        redirect(302, "/EN-X", &format!("document.location.href='{PAGE}'")),
        redirect(302, "http://pay.example/", ""),
        redirect(302, "javascript:alert(1)", ""),
        answer(200, "{}"),
        answer(200, r#"{"url":"http://pay.example/"}"#),
        answer(200, format!("<a href='{PAGE}'>document.location</a>")),
        answer(200, format!("document.location.href = '{PAGE}")),
        answer(200, "document.location.href = ''"),
        answer(418, format!("document.location.href='{PAGE}'")),
    ] {
        let Step::Silence(refusal) = create(bad) else { panic!() };
        assert_eq!(refusal.code, ErrorCode::UnknownPspError);
        assert!(refusal.data.unwrap().str_at("error").is_some());
    }
    let mut world = world();
    world.environment = Environment::Production;
    let end = world.script(Task::PayIn, &[("create", redirect(302, "http://127.0.0.1:8081/neosurf/EN-X", ""))]);
    assert!(matches!(end, Step::Silence(_)), "not in production");
}

#[test]
fn a_refusal_at_creation_has_neosurfs_own_message() {
    let body = r#"{"error":"The amount is not correct","errorcode":"2003"}"#;
    let finding = found(create(answer(200, body)));
    assert_eq!((finding.standing, finding.status.as_str()), (Standing::Failed, "2003"));
    let Some(CashierAnswer::Declined { message, data }) = finding.answer else { panic!() };
    assert_eq!((message.as_str(), data.unwrap().to_text().as_str()), ("The amount is not correct", body));
    for (body, message) in [(r#"{"errorcode":2003}"#, "2003"), (r#"{"error":"no","url":"https://a.example/"}"#, "no")] {
        assert_eq!(found(create(answer(200, body))).message.as_deref(), Some(message));
    }
    // An earlier row wins, and another HTTP status is no business refusal.
    let Step::Silence(refusal) = create(answer(200, r#"{"error":"Gateway timeout"}"#)) else { panic!() };
    assert_eq!(refusal.code, ErrorCode::PspTimeout);
    let Step::Silence(refusal) = create(answer(400, r#"{"error":"The amount is not correct"}"#)) else { panic!() };
    assert_eq!(refusal.data.unwrap().str_at("error"), Some("The amount is not correct"));
}

#[test]
fn unknown_answers_show_their_text_without_tags() {
    let html = format!("<html><body><h1>Not\n now</h1><p class='a'>{}</p></body></html>", "x".repeat(400));
    let Step::Silence(refusal) = create(answer(200, html)) else { panic!() };
    assert_eq!(refusal.data.unwrap().str_at("error").unwrap(), format!("Not now {}", "x".repeat(292)));
}

#[test]
fn certain_refusals_of_a_create() {
    for reply in [
        answer(401, ""),
        answer(403, ""),
        answer(404, ""),
        answer(429, ""),
        Reply::Lost(Lost::NotConnected),
        Reply::Lost(Lost::ConnectTimeout),
    ] {
        assert!(matches!(create(reply), Step::Refused(_)));
    }
    for reply in [answer(500, ""), answer(408, ""), Reply::Lost(Lost::Broken), Reply::Lost(Lost::TimedOut)] {
        assert!(matches!(create(reply), Step::Silence(_)));
    }
}

fn details(members: &[(&str, &str)]) -> Reply {
    let members: String = members.iter().map(|(name, value)| format!("<x:{name}>{value}</x:{name}>")).collect();
    answer(
        200,
        format!(
            "<?xml version='1.0'?><S:Envelope xmlns:S='a' xmlns:x='b'><S:Body><x:transactionGetDetailsResponse>{members}</x:transactionGetDetailsResponse></S:Body></S:Envelope>"
        ),
    )
}

fn absent() -> Reply {
    details(&[("errorMessage", "merchantTransactionId does not exist"), ("status", "")])
}

fn inquire(world: &mut World, reply: Reply) -> Finding {
    found(world.script(Task::Inquire, &[(QUERY, reply)]))
}

/// Status, error code, error message; where it leads, the status word, the message.
type Meaning = ([&'static str; 3], Standing, &'static str, Option<&'static str>);

const MEANINGS: [Meaning; 9] = [
    (["ok", "", ""], Standing::Approved, "ok", None),
    (["pending", "", ""], Standing::Unchanged, "pending", None),
    (["ko", "1001", "Transaction declined"], Standing::Declined, "ko", Some("Transaction declined")),
    (["ko", "", ""], Standing::Declined, "ko", None),
    (["ko", "1002", "x"], Standing::Cancelled, "ko", Some("x")),
    (["ko", "", "Cancelled by the customer"], Standing::Cancelled, "ko", Some("Cancelled by the customer")),
    (["ko", "1003", ""], Standing::Expired, "ko", None),
    (["ko", "9", "Transaction EXPIRED"], Standing::Expired, "ko", Some("Transaction EXPIRED")),
    (["ok", "7", ""], Standing::Unchanged, "ok", None),
];

#[test]
fn words_of_the_status_query() {
    for ([status, code, message], standing, word, shown) in MEANINGS {
        let reply = details(&[("status", status), ("errorCode", code), ("errorMessage", message), ("transactionId", "98")]);
        let finding = inquire(&mut open(), reply);
        assert_eq!(
            (finding.standing, finding.status.as_str(), finding.message.as_deref()),
            (standing, word, shown),
            "{status} {code}"
        );
        assert_eq!(finding.psp_transaction_id.as_deref(), Some("98"));
        assert_eq!(finding.anomalies.len(), usize::from(status == "ok" && !code.is_empty()));
    }
    for (name, value) in
        [("merchantTransactionId", "64a1f2b3c4d5e6f7a8b9c0d2"), ("amount", "5001"), ("amount", "50.00"), ("currency", "usd")]
    {
        let finding = inquire(&mut open(), details(&[("status", "ok"), (name, value)]));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{name}");
    }
}

#[test]
fn a_soap_failure_changes_nothing() {
    let fault = "<S:Envelope xmlns:S='a'><S:Body><S:Fault><faultstring>merchantTransactionId does not exist</faultstring></S:Fault></S:Body></S:Envelope>";
    for reply in [
        answer(200, fault),
        answer(500, fault),
        answer(404, ""),
        answer(200, ""),
        answer(200, "<html>"),
        details(&[("errorMessage", "hash is not correct")]),
        details(&[]),
        Reply::Lost(Lost::TimedOut),
    ] {
        let mut world = open();
        world.now = now().plus_ms(10 * 60 * 60 * 1_000);
        assert!(matches!(world.script(Task::Inquire, &[(QUERY, reply)]), Step::Silence(_)));
    }
}

#[test]
fn what_nobody_paid_is_over_half_an_hour_after_the_page() {
    const OVER_MS: i64 = 150 * 60 * 1_000;
    let after = |ms: i64, scale: u32, status: TransactionStatus, reply: Reply| {
        let mut world = open();
        (world.now, world.time_scale, world.status) = (now().plus_ms(ms), scale, status);
        inquire(&mut world, reply)
    };
    let pending = TransactionStatus::Pending;
    let early = after(OVER_MS - 1, 1, pending, absent());
    assert_eq!((early.standing, early.status.as_str(), early.ask_at), (Standing::Unchanged, "", Some(now().plus_ms(OVER_MS))));
    let over = after(OVER_MS, 1, pending, absent());
    assert_eq!((over.standing, over.status.as_str()), (Standing::Expired, "expired"));
    assert_eq!(after(OVER_MS / 100, 100, pending, absent()).standing, Standing::Expired);
    for word in ["ok", "pending"] {
        assert_ne!(after(OVER_MS, 1, pending, details(&[("status", word)])).standing, Standing::Expired);
    }
    assert_eq!(after(OVER_MS, 1, TransactionStatus::Failed, absent()).standing, Standing::Unchanged);
}

#[test]
fn a_create_without_an_answer_is_found_by_its_status() {
    assert_eq!(inquire(&mut world(), absent()).standing, Standing::Unchanged);
    let there = inquire(&mut world(), details(&[("status", "pending")]));
    assert_eq!((there.standing, there.status.as_str()), (Standing::Pending, "pending"));
}

#[test]
fn test_connection() {
    let test = |reply| world().script(Task::Test, &[("test", reply)]);
    assert!(found(test(absent())).proven);
    assert!(!found(test(details(&[("errorMessage", "hash is not correct")]))).proven);
    for status in [401, 403, 404] {
        let Step::Refused(refusal) = test(answer(status, "")) else { panic!() };
        assert_eq!(refusal.code, ErrorCode::InvalidPspCredentials);
    }
}

#[test]
fn the_older_set_of_fields_is_told_once() {
    let older = json(r#"{"password":"p","username":"u","merchantId":"24842","webhookUrl":"https://shop.example/w"}"#);
    let refused = settings::apply(&super::DESCRIPTOR, &Settings::default(), &older, &sandbox()).unwrap_err();
    assert_eq!(refused, ["username is no longer a field: use accountName, apiKey, siteUrl, merchantId"]);
    let password = json(r#"{"password":"p","username":null}"#);
    let refused = settings::apply(&super::DESCRIPTOR, &Settings::default(), &password, &sandbox()).unwrap_err();
    assert_eq!(refused, ["password is no longer a field: use accountName, apiKey, siteUrl, merchantId"]);
    let guarded = settings::SettingContext { may_set_base_url: false, ..sandbox() };
    let elsewhere = json(r#"{"soapUrl":"https://elsewhere.example/soap","merchantId":"24 842"}"#);
    let refused = settings::apply(&super::DESCRIPTOR, &Settings::default(), &elsewhere, &guarded).unwrap_err();
    assert_eq!(refused, ["soapUrl may be set with scope own only", "merchantId must match [0-9]{1,20}"]);
}
