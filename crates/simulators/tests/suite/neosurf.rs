//! Neosurf: create, page, signed callback, status query, refusals.

use aws_lc_rs::digest;
use serde_json::json;

use crate::world::{Received, World, answer};

const MERCHANT: &str = "24842";
const SECRET: &str = "neosurfsecret";
const SUB_MERCHANT: &str = "merchant.example";
/// The fields of a callback ("Callbacks" of the sheet).
const CALLBACK_FIELDS: [&str; 18] = [
    "amount",
    "created",
    "currency",
    "errorCode",
    "errorMessage",
    "hash",
    "merchantId",
    "merchantTransactionId",
    "methodChargedAmount",
    "methodCurrency",
    "methodExpiry",
    "methodId",
    "methodLabel",
    "methodName",
    "status",
    "subMerchantId",
    "transaction3d",
    "transactionId",
];

type Fields = Vec<(String, String)>;

pub(crate) async fn world() -> World {
    ready(World::start().await).await
}

pub(crate) async fn ready(world: World) -> World {
    let account = json!({"secret": SECRET, "subMerchantId": SUB_MERCHANT, "merchant": "Demo company"});
    assert_eq!(world.put(&format!("/control/neosurf/accounts/{MERCHANT}"), account).await.0, 200);
    world
}

/// The hash, computed on our own: values in the order of the names, then the secret.
fn hash(fields: &Fields, secret: &str) -> String {
    let mut sorted: Vec<_> = fields.iter().filter(|(name, _)| name != "hash").collect();
    sorted.sort();
    let text: String = sorted.iter().map(|(_, value)| value.as_str()).chain([secret]).collect();
    hex::encode(digest::digest(&digest::SHA512, text.as_bytes()))
}

fn expiry_in(seconds: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

pub(crate) fn fields(world: &World, reference: &str, amount: &str) -> Fields {
    let callback = world.receiver.url(reference);
    let expiry = expiry_in(7_200);
    [
        ("amount", amount),
        ("currency", "eur"),
        ("expiry", &expiry),
        ("language", "en"),
        ("merchantId", MERCHANT),
        ("merchantTransactionId", reference),
        ("prohibitedForMinors", "yes"),
        ("subMerchantId", SUB_MERCHANT),
        ("test", "yes"),
        ("urlCallback", &callback),
        ("urlKo", "https://m.example/back?result=failure"),
        ("urlOk", "https://m.example/back?result=success"),
        ("urlPending", "https://m.example/back?result=pending"),
        ("version", "3"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn with(mut fields: Fields, name: &str, value: &str) -> Fields {
    fields.retain(|(key, _)| key != name);
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

/// A signed create.
pub(crate) fn creating(world: &World, mut fields: Fields) -> reqwest::RequestBuilder {
    fields.push(("hash".to_owned(), hash(&fields, SECRET)));
    unsigned(world, &fields)
}

fn unsigned(world: &World, fields: &Fields) -> reqwest::RequestBuilder {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    world.client.post(world.url("/neosurf/")).header("content-type", "application/x-www-form-urlencoded").body(form)
}

/// The page's address in the answer's script.
pub(crate) async fn page_of(request: reqwest::RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let html = answer.text().await.unwrap();
    let start = "<html><head><script>document.location.href = '";
    let end = "';</script></head><body></body></html>";
    html.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).unwrap_or_else(|| panic!("{html}")).to_owned()
}

pub(crate) async fn create(world: &World, reference: &str, amount: &str) -> String {
    page_of(creating(world, fields(world, reference, amount))).await
}

pub(crate) fn received(callback: &Received) -> Fields {
    url::form_urlencoded::parse(callback.body.as_bytes()).into_owned().collect()
}

pub(crate) fn value(fields: &Fields, name: &str) -> String {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

pub(crate) fn is_signed(fields: &Fields) -> bool {
    value(fields, "hash") == hash(fields, SECRET)
}

/// `status/errorCode` of a callback, whose signature must be right.
pub(crate) fn told(callback: &Received) -> String {
    let fields = received(callback);
    assert!(is_signed(&fields), "{fields:?}");
    format!("{}/{}", value(&fields, "status"), value(&fields, "errorCode"))
}

fn envelope(operation: &str, fields: &Fields) -> String {
    let elements: String = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:ns1=\"https://www.neosurf.info/soap/\"><soap:Body><ns1:{operation}><{operation}Request>{elements}</{operation}Request>\
         </ns1:{operation}></soap:Body></soap:Envelope>"
    )
}

fn query_fields(reference: &str) -> Fields {
    [
        ("merchantId", MERCHANT),
        ("merchantTransactionId", reference),
        ("subMerchantId", SUB_MERCHANT),
        ("test", "yes"),
        ("version", "3"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

async fn soap(world: &World, operation: &str, mut fields: Fields, secret: &str) -> (u16, String) {
    fields.insert(0, ("hash".to_owned(), hash(&fields, secret)));
    let request = world.client.post(world.url("/neosurf/soap/index.php")).header("content-type", "text/xml; charset=utf-8");
    let answer = request.body(envelope(operation, &fields)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The status query's whole answer.
/// The answer to a query without the types of its elements.
pub(crate) async fn query(world: &World, reference: &str) -> String {
    let (status, text) = soap(world, "transactionGetDetails", query_fields(reference), SECRET).await;
    assert_eq!(status, 200, "{text}");
    untyped(&text)
}

fn untyped(text: &str) -> String {
    assert!(text.contains("<errorCode xsi:type=\"xsd:string\">"), "{text}");
    text.replace(" xsi:type=\"xsd:string\"", "").replace(" xsi:type=\"xsd:int\"", "")
}

pub(crate) const UNKNOWN: &str = "<errorMessage>merchantTransactionId does not exist</errorMessage>";

#[tokio::test]
async fn a_voucher_pays_on_the_page() {
    let world = world().await;
    let page = create(&world, "ref-1", "5000").await;
    let id = page.strip_prefix(&world.url("/neosurf/EN-")).unwrap();
    assert!(id.len() == 17 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{page}");
    let before = query(&world, "ref-1").await;
    assert!(before.contains(UNKNOWN) && !before.contains("<status>"), "never opened: {before}");

    let shown = world.client.get(&page).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' https://m.example;"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in
        ["TEST PAGE", "Demo company", "50.00", "EUR", "name=\"pin\"", "value=\"pay\"", "value=\"cancel\"", "value=\"later\""]
    {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<script") && !html.contains("style="), "no inline code");
    assert!(query(&world, "ref-1").await.contains("<status>pending</status>"));

    for wrong in ["0000000000", "123", ""] {
        let answer = world.client.post(&page).header("content-type", "application/x-www-form-urlencoded");
        let answer = answer.body(format!("action=pay&pin={wrong}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 422);
        let html = answer.text().await.unwrap();
        assert!(html.contains("pincode not correct") && html.contains("<form"), "it stays on the page");
    }
    let (status, location) = world.submit(&page, "action=pay&pin=CANARYPIN7").await;
    assert_eq!((status, location.as_str()), (303, "https://m.example/back?result=success"));

    let got = world.receiver.exactly("ref-1", 1).await;
    assert_eq!(got[0].headers["content-type"], "application/x-www-form-urlencoded");
    let told = received(&got[0]);
    let mut names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, CALLBACK_FIELDS);
    assert!(is_signed(&told));
    for (name, wanted) in [
        ("amount", "5000"),
        ("currency", "eur"),
        ("errorCode", ""),
        ("merchantId", MERCHANT),
        ("merchantTransactionId", "ref-1"),
        ("methodChargedAmount", "5000"),
        ("methodCurrency", "EUR"),
        ("methodName", "neosurf"),
        ("status", "ok"),
        ("subMerchantId", SUB_MERCHANT),
    ] {
        assert_eq!(value(&told, name), wanted, "{name}");
    }
    let entry = world.ledger_is("neosurf", "ref-1", "settled").await;
    assert_eq!((&entry["amount"], &entry["currency"], &entry["direction"]), (&json!("50.00"), &json!("EUR"), &json!("in")));
    assert_eq!(entry["providerReference"], value(&told, "transactionId"));
    let after = query(&world, "ref-1").await;
    for element in ["<amount>5000</amount>", "<currency>eur</currency>", "<errorCode></errorCode>", "<status>ok</status>"] {
        assert!(after.contains(element), "{element}: {after}");
    }
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("has ended") && !html.contains("<form"));
    assert_eq!(world.submit(&page, "action=cancel").await.1, "https://m.example/back?result=success", "nothing more");
    assert_eq!(world.client.get(format!("{page}X")).send().await.unwrap().status().as_u16(), 404);
    let (_, calls) = world.get("/control/neosurf/calls").await;
    assert!(!calls.to_string().contains("CANARYPIN7"));
    assert!(!world.kept_bytes().windows(10).any(|window| window == b"CANARYPIN7"), "a PIN is never kept");
}

#[tokio::test]
async fn the_payer_can_cancel_or_pay_later() {
    let world = world().await;
    let page = create(&world, "cancelled", "5000").await;
    assert_eq!(world.submit(&page, "action=cancel").await, (303, "https://m.example/back?result=failure".to_owned()));
    let got = world.receiver.exactly("cancelled", 1).await;
    assert_eq!(told(&got[0]), "ko/1002");
    assert_eq!(value(&received(&got[0]), "errorMessage"), "Cancelled by the customer");

    let page = create(&world, "later", "5000").await;
    assert_eq!(world.submit(&page, "action=later").await, (303, "https://m.example/back?result=pending".to_owned()));
    assert_eq!(told(&world.receiver.exactly("later", 1).await[0]), "pending/");
    assert_eq!(world.submit(&page, "action=pay&pin=1234567890").await.1, "https://m.example/back?result=success");
    assert_eq!(told(&world.receiver.exactly("later", 2).await[1]), "ok/");
    world.ledger_is("neosurf", "later", "settled").await;
}

#[tokio::test]
async fn the_time_to_pay_is_enforced() {
    let world = world().await;
    // A minute at sixty-fold speed.
    let page = page_of(creating(&world, with(fields(&world, "late", "5000"), "expiry", &expiry_in(60)))).await;
    let got = world.receiver.exactly("late", 1).await;
    assert_eq!(told(&got[0]), "ko/1003");
    assert_eq!(world.submit(&page, "action=pay&pin=1234567890").await.1, "https://m.example/back?result=failure");
    assert!(world.ledger("neosurf", "late").await.is_empty());
    assert!(query(&world, "late").await.contains("<errorCode>1003</errorCode>"));
}

#[tokio::test]
async fn credentials_are_told_by_the_http_status() {
    let world = world().await;
    let good = fields(&world, "strict", "5000");
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    assert_eq!(status(creating(&world, with(good.clone(), "merchantId", "1"))).await, 404);
    assert_eq!(status(creating(&world, with(good.clone(), "subMerchantId", "other.example"))).await, 401);
    assert_eq!(status(unsigned(&world, &good)).await, 403, "no hash at all");
    let mut wrong = good.clone();
    wrong.push(("hash".to_owned(), hash(&good, "another secret")));
    assert_eq!(status(unsigned(&world, &wrong)).await, 403);
    let mut twice = good.clone();
    twice.push(("userEmail".to_owned(), String::new()));
    twice.push(("userEmail".to_owned(), String::new()));
    assert_eq!(status(creating(&world, twice)).await, 403);
    assert_eq!(status(world.client.get(world.url("/neosurf/"))).await, 405);
    assert_eq!(
        status(world.client.post(world.url("/neosurf/")).header("content-type", "application/json").body("{}")).await,
        415
    );
    assert_eq!(status(world.client.post(world.url("/neosurf/elsewhere"))).await, 404);
    assert_eq!(world.get("/control/neosurf/strict").await.0, 404, "nothing was created");
}

#[tokio::test]
async fn other_faults_are_told_in_the_body() {
    let world = world().await;
    let good = fields(&world, "faulty", "5000");
    for (name, value, code) in [
        ("test", "no", "2002"),
        ("test", "maybe", "2002"),
        ("amount", "50.00", "2003"),
        ("amount", "0", "2003"),
        ("currency", "EUR", "2004"),
        ("currency", "xxy", "2004"),
        ("urlCallback", "", "2005"),
        ("urlOk", "nowhere", "2005"),
        ("urlKo", "ftp://m.example/", "2005"),
        ("urlPending", "/relative", "2005"),
        ("version", "2", "2006"),
        ("expiry", "2026-05-17T11:32:57+00:00", "2007"),
        ("expiry", "tomorrow", "2007"),
        ("merchantTransactionId", "", "2008"),
        ("prohibitedForMinors", "", "2009"),
    ] {
        let (status, body) = answer(creating(&world, with(good.clone(), name, value))).await;
        assert_eq!((status, body["errorcode"].as_str()), (200, Some(code)), "{name}={value}: {body}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()));
    }
    // Vector A has no expiry, and an optional parameter is good once it is signed.
    let mut lean = with(good.clone(), "userCountry", "DE");
    lean.retain(|(name, _)| name != "expiry");
    page_of(creating(&world, lean)).await;
    // The first in the order of the codes.
    let both = with(good.clone(), "amount", "0");
    assert_eq!(answer(creating(&world, both)).await.1["errorcode"], "2001");
    let (status, body) = answer(creating(&world, good)).await;
    assert_eq!((status, body), (200, json!({"error": "The merchantTransactionId already exists", "errorcode": "2001"})));

    let live = json!({"secret": SECRET, "subMerchantId": SUB_MERCHANT, "testOnly": false});
    assert_eq!(world.put("/control/neosurf/accounts/777", live).await.0, 200);
    for test in ["yes", "no"] {
        let other = with(with(fields(&world, &format!("live-{test}"), "5000"), "merchantId", "777"), "test", test);
        page_of(creating(&world, other)).await;
    }
    for bad in [json!({}), json!({"secret": "", "subMerchantId": "x"}), json!({"secret": "x", "subMerchantId": "x", "y": 1})] {
        assert_eq!(world.put("/control/neosurf/accounts/778", bad).await.0, 400);
    }
}

#[tokio::test]
async fn the_status_query_is_strict() {
    let world = world().await;
    create(&world, "asked", "5000").await;
    world.press("neosurf", "asked", "approve").await;
    let operation = "transactionGetDetails";
    assert!(query(&world, "asked").await.contains("<status>ok</status>"));
    assert!(query(&world, "nobody").await.contains(UNKNOWN));
    assert_eq!(soap(&world, operation, query_fields("asked"), "another secret").await.0, 403);
    assert_eq!(soap(&world, operation, with(query_fields("asked"), "merchantId", "1"), SECRET).await.0, 404);
    assert_eq!(soap(&world, operation, with(query_fields("asked"), "subMerchantId", "x"), SECRET).await.0, 401);
    let (_, text) = soap(&world, operation, with(query_fields("asked"), "version", "2"), SECRET).await;
    let text = untyped(&text);
    assert!(text.contains("<errorCode>2006</errorCode>") && !text.contains("<status>"), "{text}");
    let (_, text) = soap(&world, operation, with(query_fields("asked"), "test", "no"), SECRET).await;
    assert!(untyped(&text).contains("<errorCode>2002</errorCode>"), "{text}");
    let (status, text) = soap(&world, "voucherGetDetails", query_fields("asked"), SECRET).await;
    assert!(status == 500 && text.contains("soap:Fault"), "{text}");
    let url = world.url("/neosurf/soap/index.php");
    assert_eq!(world.client.get(&url).send().await.unwrap().status().as_u16(), 405);
    assert_eq!(world.client.post(&url).body("x").send().await.unwrap().status().as_u16(), 415);
}
