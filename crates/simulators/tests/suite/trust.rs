//! Trust: the form and its checks, the page, redirect, notification, the query.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::world::{Received, World, answer};

pub(crate) const SITE: &str = "test_site12345";
const PASSWORD: &str = "PASSWORD";
const USER: &str = "ws@merchant.example";
const USER_PASSWORD: &str = "ws-password-1";
/// The ten fields of a notification.
const NOTIFIED: [&str; 10] = [
    "baseamount",
    "currencyiso3a",
    "errorcode",
    "maskedpan",
    "orderreference",
    "paymenttypedescription",
    "requesttypedescription",
    "settlestatus",
    "sitereference",
    "transactionreference",
];
/// The default list of the request hash.
const AGREED: &str = "currencyiso3a,mainamount,sitereference,settlestatus,settleduedate,authmethod,paypaladdressoverride,\
    strequiredfields,version,stprofile,ruleidentifier,stdefaultprofile,successfulurlredirect,declinedurlredirect,\
    successfulurlnotification,declinedurlnotification,merchantemail,allurlnotification,stextraurlnotifyfields,\
    stextraurlredirectfields,orderreference";
const SUCCESS: &str = "https://pay.example/return/trust/t/success";
const FAILURE: &str = "https://pay.example/return/trust/t/failure";

pub(crate) type Fields = Vec<(String, String)>;

pub(crate) async fn world() -> World {
    ready(World::start().await).await
}

pub(crate) async fn ready(world: World) -> World {
    let account = json!({
        "siteSecurityPassword": PASSWORD, "currencies": ["EUR", "GBP", "JPY", "KWD"], "merchant": "Demo company",
        "webServicesUsername": USER, "webServicesPassword": USER_PASSWORD,
    });
    assert_eq!(
        world.put(&format!("/control/trust/accounts/{SITE}"), account).await,
        (200, json!({"provider": "trust", "set": true}))
    );
    world
}

fn sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn stamp(seconds_ago: i64) -> String {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds_ago);
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn owned(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An unsigned form with everything that a connector sends.
pub(crate) fn form(world: &World, reference: &str, amount: &str) -> Fields {
    let mut fields = owned(&[
        ("sitereference", SITE),
        ("currencyiso3a", "EUR"),
        ("mainamount", amount),
        ("version", "2"),
        ("stprofile", "default"),
        ("orderreference", reference),
        ("ruleidentifier", "STR-6"),
        ("ruleidentifier", "STR-7"),
        ("ruleidentifier", "STR-10"),
        ("successfulurlredirect", SUCCESS),
        ("declinedurlredirect", FAILURE),
        ("allurlnotification", &world.receiver.url(reference)),
        ("billingfirstname", "John"),
        ("billingemail", "player@example.com"),
    ]);
    fields.extend(NOTIFIED.iter().map(|name| ("stextraurlnotifyfields".to_owned(), (*name).to_owned())));
    fields
}

pub(crate) fn with(mut fields: Fields, name: &str, value: &str) -> Fields {
    fields.retain(|(key, _)| key != name);
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

pub(crate) fn without(mut fields: Fields, name: &str, value: &str) -> Fields {
    fields.retain(|(key, sent)| key != name || (!value.is_empty() && sent != value));
    fields
}

/// The hash over an agreed list, computed on our own.
fn signed_as(mut fields: Fields, agreed: &str, password: &str, timestamp: &str) -> Fields {
    let mut text = String::new();
    for name in agreed.split(',') {
        fields.iter().filter(|(key, _)| key == name).for_each(|(_, value)| text.push_str(value));
    }
    let hash = format!("h{}", sha256(&format!("{text}{timestamp}{password}")));
    fields.push(("sitesecuritytimestamp".to_owned(), timestamp.to_owned()));
    fields.push(("sitesecurity".to_owned(), hash));
    fields
}

pub(crate) fn signed(fields: Fields) -> Fields {
    signed_as(fields, AGREED, PASSWORD, &stamp(0))
}

pub(crate) fn posting(world: &World, page: &str, fields: &Fields) -> reqwest::RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = world.client.post(world.url(&format!("/trust/process/payments/{page}")));
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// Posts a form as the payer's browser does; the page.
pub(crate) async fn posted(world: &World, page: &str, fields: &Fields) -> String {
    let answer = posting(world, page, fields).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.text().await.unwrap()
}

/// The address of the page's form.
pub(crate) fn action(world: &World, html: &str) -> String {
    let path = html.split("<form method=\"post\" action=\"").nth(1).unwrap_or_else(|| panic!("no form: {html}"));
    world.url(path.split('"').next().unwrap())
}

/// A right form, posted; where its page's buttons lead.
pub(crate) async fn open(world: &World, reference: &str, amount: &str) -> String {
    action(world, &posted(world, "choice", &signed(form(world, reference, amount))).await)
}

pub(crate) fn pairs(text: &str) -> Fields {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

pub(crate) fn value(fields: &Fields, name: &str) -> String {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Whether `responsesitesecurity` is right, computed on our own.
pub(crate) fn is_signed(fields: &Fields) -> bool {
    let mut sorted: Vec<_> =
        fields.iter().filter(|(name, _)| name != "responsesitesecurity" && name != "notificationreference").collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    let text: String = sorted.iter().map(|(_, value)| value.as_str()).chain([PASSWORD]).collect();
    value(fields, "responsesitesecurity") == sha256(&text)
}

/// `errorcode/settlestatus` of a notification, whose signature must be right.
pub(crate) fn told(received: &Received) -> String {
    let fields = pairs(&received.body);
    assert!(is_signed(&fields), "{fields:?}");
    format!("{}/{}", value(&fields, "errorcode"), value(&fields, "settlestatus"))
}

/// The fields of a redirect to one of our addresses, whose signature must be right.
pub(crate) fn returned(location: &str, address: &str) -> Fields {
    let query = location.strip_prefix(address).and_then(|rest| rest.strip_prefix('?')).unwrap_or_else(|| panic!("{location}"));
    let fields = pairs(query);
    assert!(is_signed(&fields), "{fields:?}");
    fields
}

fn body_of(filter: &Value) -> Value {
    json!({"alias": USER, "version": "1.00", "request": [{
        "requestreference": "A1b2c3d4e", "requesttypedescriptions": ["TRANSACTIONQUERY"], "filter": filter}]})
}

pub(crate) fn asking(world: &World, body: &Value) -> reqwest::RequestBuilder {
    let request = world.client.post(world.url("/trust/json/")).basic_auth(USER, Some(USER_PASSWORD));
    request.header("content-type", "application/json;charset=utf-8").body(body.to_string())
}

pub(crate) fn by_order(reference: &str) -> Value {
    body_of(&json!({"sitereference": [{"value": SITE}], "orderreference": [{"value": reference}]}))
}

/// The records of an order.
pub(crate) async fn records(world: &World, reference: &str) -> Vec<Value> {
    let (status, body) = answer(asking(world, &by_order(reference))).await;
    assert_eq!((status, &body["requestreference"], &body["version"]), (200, &json!("A1b2c3d4e"), &json!("1.00")), "{body}");
    let response = &body["response"][0];
    assert_eq!(
        (&response["requesttypedescription"], &response["errorcode"], &response["errormessage"]),
        (&json!("TRANSACTIONQUERY"), &json!("0"), &json!("Ok"))
    );
    response["records"].as_array().unwrap().clone()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one payment from the form to the record")]
async fn a_payment_on_the_page() {
    let world = world().await;
    assert!(records(&world, "ref-1").await.is_empty());
    let shown = posting(&world, "choice", &signed(form(&world, "ref-1", "100.00"))).send().await.unwrap();
    assert_eq!(shown.status().as_u16(), 200);
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' https: http:;") && !policy.contains("unsafe"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in [
        "TEST PAGE",
        "Demo company",
        "ref-1",
        "100.00",
        "EUR",
        "John",
        "player@example.com",
        "Visa",
        "Mastercard",
        "Apple Pay",
        "Google Pay",
        "value=\"pay\"",
        "value=\"cancel\"",
        "name=\"pan\"",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<script") && !html.contains("style="), "no inline code");
    assert_eq!(world.get("/control/trust/ref-1").await.1["state"], "waiting");

    let page = action(&world, &html);
    let (status, location) = world.submit(&page, "action=pay&method=CARD&pan=4111+1100+0000+0211").await;
    assert_eq!(status, 303);
    let back = returned(&location, SUCCESS);
    let mut names: Vec<&str> = back.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "errorcode",
            "orderreference",
            "paymenttypedescription",
            "requestreference",
            "responsesitesecurity",
            "settlestatus",
            "sitereference",
            "transactionreference"
        ]
    );
    assert_eq!((value(&back, "errorcode"), value(&back, "settlestatus")), ("0".to_owned(), "0".to_owned()));

    let got = world.receiver.exactly("ref-1", 1).await;
    assert_eq!(got[0].headers["content-type"], "application/x-www-form-urlencoded; charset=UTF-8");
    let fields = pairs(&got[0].body);
    assert!(is_signed(&fields));
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let mut wanted = [&NOTIFIED[..], &["notificationreference", "responsesitesecurity"]].concat();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for (name, wanted) in [
        ("baseamount", "10000"),
        ("currencyiso3a", "EUR"),
        ("errorcode", "0"),
        ("maskedpan", "411111######0211"),
        ("orderreference", "ref-1"),
        ("paymenttypedescription", "VISA"),
        ("requesttypedescription", "AUTH"),
        ("settlestatus", "0"),
        ("sitereference", SITE),
        ("transactionreference", &value(&back, "transactionreference")),
    ] {
        assert_eq!(value(&fields, name), wanted, "{name}");
    }
    let records = records(&world, "ref-1").await;
    assert_eq!(records.len(), 1);
    // The record of the sheet names no site.
    for name in NOTIFIED.into_iter().filter(|name| *name != "sitereference") {
        assert_eq!(records[0][name], value(&fields, name), "{name}");
    }
    let entry = world.ledger_is("trust", "ref-1", "settled").await;
    assert_eq!((&entry["amount"], &entry["currency"], &entry["direction"]), (&json!("100.00"), &json!("EUR"), &json!("in")));
    assert_eq!(entry["providerReference"], value(&fields, "transactionreference"));
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("has ended") && !html.contains("<form") && html.contains(SUCCESS));
    assert_eq!(world.submit(&page, "action=pay&method=VISA").await.0, 200, "nothing more is paid");
    assert_eq!(world.client.get(format!("{page}0")).send().await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn the_card_form_and_the_published_cards() {
    let world = world().await;
    let fields = signed(form(&world, "cards", "20.00"));
    let html = posted(&world, "details", &fields).await;
    assert!(!html.contains("name=\"method\"") && html.contains("name=\"pan\""));
    let page = action(&world, &html);
    for wrong in ["pan=", "pan=4111111111111112", "method=VISA", "pan=6011000990139424"] {
        assert_eq!(world.submit(&page, &format!("action=pay&{wrong}")).await.0, 422, "{wrong}");
    }
    for card in ["4242424242424242", "4000000000000002"] {
        let back = returned(&world.submit(&page, &format!("action=pay&pan={card}")).await.1, FAILURE);
        assert_eq!((value(&back, "errorcode"), value(&back, "settlestatus")), ("70000".to_owned(), "3".to_owned()));
    }
    returned(&world.submit(&page, "action=pay&pan=5100000000000511").await.1, SUCCESS);
    let records = records(&world, "cards").await;
    let masked: Vec<_> = records.iter().map(|record| record["maskedpan"].as_str().unwrap()).collect();
    assert_eq!(masked, ["424242######4242", "400000######0002", "510000######0511"], "in three attempts");
    assert_eq!(records[2]["paymenttypedescription"], "MASTERCARD");
    assert_eq!(world.receiver.exactly("cards", 3).await.iter().map(told).collect::<Vec<_>>(), ["70000/3", "70000/3", "0/0"]);

    let page = open(&world, "wallet", "20.00").await;
    returned(&world.submit(&page, "action=pay&method=APPLEPAY").await.1, SUCCESS);
    assert_eq!(self::records(&world, "wallet").await[0]["walletsource"], "APPLEPAY");

    // A number typed where it does not belong is not shown either, and none is kept anywhere.
    posted(&world, "choice", &signed(with(form(&world, "odd", "20.00"), "pan", "4242424242424242"))).await;
    posted(&world, "choice", &signed(with(form(&world, "name", "20.00"), "billingfirstname", "4242424242424242"))).await;
    let (_, calls) = world.get("/control/trust/calls").await;
    let (calls, kept) = (calls.to_string(), world.kept_bytes());
    for card in ["4242424242424242", "4000000000000002", "5100000000000511"] {
        assert!(!calls.contains(card) && !kept.windows(16).any(|window| window == card.as_bytes()), "{card}");
    }
}

#[tokio::test]
async fn a_wrong_form_shows_invalid_details_and_nothing_else() {
    let world = world().await;
    let good = || form(&world, "wrong", "30.00");
    let wrong = [
        ("unknown site", signed(with(good(), "sitereference", "test_other"))),
        ("version", signed(with(good(), "version", "1"))),
        ("currency", signed(with(good(), "currencyiso3a", "USD"))),
        ("no currency", signed(with(good(), "currencyiso3a", "XXY"))),
        ("digits", signed(with(good(), "mainamount", "30"))),
        ("digits", signed(with(good(), "mainamount", "30.0"))),
        ("digits", signed(with(with(good(), "currencyiso3a", "JPY"), "mainamount", "30.00"))),
        ("digits", signed(with(with(good(), "currencyiso3a", "KWD"), "mainamount", "30.00"))),
        ("zero", signed(with(good(), "mainamount", "0.00"))),
        ("no hash", good()),
        ("password", signed_as(good(), AGREED, "another", &stamp(0))),
        ("order of the list", signed_as(good(), &AGREED.split(',').rev().collect::<Vec<_>>().join(","), PASSWORD, &stamp(0))),
        ("changed afterwards", with(signed(good()), "mainamount", "31.00")),
        ("too old", signed_as(good(), AGREED, PASSWORD, &stamp(190))),
        ("too far ahead", signed_as(good(), AGREED, PASSWORD, &stamp(-310))),
        ("form of the timestamp", signed_as(good(), AGREED, PASSWORD, &stamp(0).replace(' ', "T"))),
        ("twice", signed([good(), owned(&[("mainamount", "30.00")])].concat())),
        ("capitals", signed([good(), owned(&[("BillingTown", "x")])].concat())),
        ("unknown rule", signed([good(), owned(&[("ruleidentifier", "STR-99")])].concat())),
        ("rule without address", signed(without(good(), "successfulurlredirect", ""))),
        ("rule without address", signed(without(good(), "declinedurlredirect", ""))),
        ("rule without address", signed(without(good(), "allurlnotification", ""))),
        ("no address", signed(with(good(), "allurlnotification", "nowhere"))),
    ];
    for (what, fields) in wrong {
        let html = posted(&world, "choice", &fields).await;
        assert!(html.contains("Invalid details") && !html.contains("<form"), "{what}: {html}");
    }
    assert_eq!(world.get("/control/trust/wrong").await.0, 404, "nothing was kept");
    let url = world.url("/trust/process/payments/choice");
    assert_eq!(world.client.get(&url).send().await.unwrap().status().as_u16(), 405);
    assert_eq!(world.client.post(&url).body("{}").send().await.unwrap().status().as_u16(), 415);
    assert_eq!(world.client.post(world.url("/trust/process")).send().await.unwrap().status().as_u16(), 404);

    // Not too old and not too far ahead, at sixty-fold speed; and each currency's own digits.
    for seconds_ago in [120, -290] {
        let fields = signed_as(form(&world, "in-time", "30.00"), AGREED, PASSWORD, &stamp(seconds_ago));
        action(&world, &posted(&world, "choice", &fields).await);
    }
    for (currency, amount, base) in [("JPY", "100", "100"), ("KWD", "100.000", "100000")] {
        let fields = signed(with(form(&world, currency, amount), "currencyiso3a", currency));
        let page = action(&world, &posted(&world, "choice", &fields).await);
        world.submit(&page, "action=pay&method=VISA").await;
        assert_eq!(records(&world, currency).await[0]["baseamount"], base);
    }
    assert!(world.receiver.at("wrong").is_empty());
}

#[tokio::test]
async fn a_site_has_its_own_list_of_hash_fields_or_no_password() {
    let world = world().await;
    let short = "currencyiso3a,mainamount,sitereference";
    let account = json!({"siteSecurityPassword": PASSWORD, "hashFields": short});
    assert_eq!(world.put("/control/trust/accounts/test_short", account).await.0, 200);
    let rules = ["ruleidentifier", "successfulurlredirect", "declinedurlredirect", "allurlnotification"];
    let bare = |site: &str, reference: &str| {
        let fields = with(form(&world, reference, "30.00"), "sitereference", site);
        rules.iter().fold(fields, |fields, name| without(fields, name, ""))
    };
    let fields = with(form(&world, "short", "30.00"), "sitereference", "test_short");
    let html = posted(&world, "choice", &signed_as(fields, short, PASSWORD, &stamp(0))).await;
    assert!(html.contains("Invalid details"), "rules and addresses that the hash does not cover");
    let html = posted(&world, "choice", &signed_as(bare("test_short", "short"), short, PASSWORD, &stamp(0))).await;
    let page = action(&world, &html);
    let (status, location) = world.submit(&page, "action=pay&method=VISA").await;
    assert_eq!((status, location.as_str()), (200, ""), "no rule, no redirect");

    let account = json!({"notificationUrl": world.receiver.url("fixed")});
    assert_eq!(world.put("/control/trust/accounts/test_open", account).await.0, 200);
    let with_rules = with(form(&world, "open", "30.00"), "sitereference", "test_open");
    assert!(posted(&world, "choice", &with_rules).await.contains("Invalid details"));
    let page = action(&world, &posted(&world, "choice", &bare("test_open", "open")).await);
    world.submit(&page, "action=pay&method=VISA").await;
    let got = world.receiver.exactly("fixed", 1).await;
    let fields = pairs(&got[0].body);
    assert_eq!((value(&fields, "errorcode"), value(&fields, "responsesitesecurity")), ("0".to_owned(), String::new()));
    assert_eq!(fields.len(), 11, "the ten fields and the reference");

    for bad in [
        json!({"siteSecurityPassword": ""}),
        json!({"hashFields": "mainamount"}),
        json!({"webServicesUsername": "x"}),
        json!({"notificationUrl": "nowhere"}),
        json!({"password": "x"}),
    ] {
        assert_eq!(world.put("/control/trust/accounts/test_bad", bad).await.0, 400);
    }
}

#[tokio::test]
async fn without_its_rule_nothing_happens() {
    let world = world().await;
    let fields = signed(without(form(&world, "no-7", "30.00"), "ruleidentifier", "STR-7"));
    let page = action(&world, &posted(&world, "choice", &fields).await);
    let answer = world.client.post(&page).header("content-type", "application/x-www-form-urlencoded");
    let html = answer.body("action=pay&method=CARD&pan=4242424242424242").send().await.unwrap().text().await.unwrap();
    assert!(html.contains("was declined") && html.contains("<form"), "a decline shows the form again");
    assert_eq!(world.submit(&page, "action=cancel").await, (200, String::new()));
    returned(&world.submit(&page, "action=pay&method=VISA").await.1, SUCCESS);
    assert_eq!(world.receiver.exactly("no-7", 2).await.iter().map(told).collect::<Vec<_>>(), ["70000/3", "0/0"]);

    let fields = signed(without(form(&world, "no-10", "30.00"), "ruleidentifier", "STR-10"));
    let page = action(&world, &posted(&world, "choice", &fields).await);
    world.submit(&page, "action=pay&method=VISA").await;
    world.ledger_is("trust", "no-10", "settled").await;
    assert!(world.receiver.at("no-10").is_empty());

    let page = open(&world, "given-up", "30.00").await;
    let back = returned(&world.submit(&page, "action=cancel").await.1, FAILURE);
    assert_eq!(back.len(), 3, "{back:?}");
    assert_eq!(value(&back, "orderreference"), "given-up");
    assert!(world.receiver.at("given-up").is_empty() && records(&world, "given-up").await.is_empty());
}

#[tokio::test]
async fn the_query_is_strict() {
    let world = world().await;
    let page = open(&world, "asked", "30.00").await;
    world.submit(&page, "action=pay&method=VISA").await;
    let transaction = records(&world, "asked").await[0]["transactionreference"].as_str().unwrap().to_owned();
    let site = json!([{"value": SITE}]);
    let fault = async |body: Value| {
        let (status, answer) = answer(asking(&world, &body)).await;
        assert_eq!(status, 200);
        let response = &answer["response"][0];
        assert_eq!(response["requesttypedescription"], "ERROR", "{answer}");
        (response["errorcode"].as_str().unwrap().to_owned(), response["errordata"][0].as_str().unwrap().to_owned())
    };
    let told = |code: &str, field: &str| (code.to_owned(), field.to_owned());
    let order = json!([{"value": "asked"}]);
    let elsewhere = body_of(&json!({"sitereference": [{"value": "test_nobody"}], "orderreference": order}));
    assert_eq!(fault(elsewhere).await, told("30001", "test_nobody"));
    let others = json!({"webServicesUsername": "other", "webServicesPassword": "other"});
    assert_eq!(world.put("/control/trust/accounts/test_others", others).await.0, 200);
    let foreign = body_of(&json!({"sitereference": [{"value": "test_others"}], "orderreference": order}));
    assert_eq!(fault(foreign).await, told("30006", "test_others"));
    assert_eq!(fault(body_of(&json!({}))).await, told("60019", "filter"));
    assert_eq!(fault(body_of(&json!({"sitereference": site}))).await, told("60019", "filter"));
    assert_eq!(fault(body_of(&json!({"orderreference": order}))).await, told("30000", "sitereference"));
    assert_eq!(fault(body_of(&json!({"sitereference": site, "pan": order}))).await, told("30000", "pan"));
    assert_eq!(fault(body_of(&json!({"sitereference": site, "orderreference": "asked"}))).await, told("30000", "orderreference"));
    for (name, value) in [("alias", json!("somebody")), ("version", json!("2.00")), ("request", json!([])), ("extra", json!(1))] {
        let mut body = by_order("asked");
        body[name] = value;
        assert_eq!(fault(body).await, told("30000", name));
    }
    let mut body = by_order("asked");
    body["request"][0]["requesttypedescriptions"] = json!(["REFUND"]);
    assert_eq!(fault(body).await, told("30000", "requesttypedescriptions"));

    let by_transaction = body_of(&json!({"sitereference": site, "transactionreference": [{"value": transaction}]}));
    let (_, found) = answer(asking(&world, &by_transaction)).await;
    assert_eq!(found["response"][0]["records"][0]["orderreference"], "asked");

    let url = world.url("/trust/json/");
    for (user, password) in [(USER, "wrong"), ("nobody", USER_PASSWORD)] {
        let refused = world.client.post(&url).basic_auth(user, Some(password)).body(by_order("asked").to_string());
        let refused = refused.send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 401);
        assert!(refused.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    }
    assert_eq!(world.client.post(&url).body("{}").send().await.unwrap().status().as_u16(), 401);
    for broken in [&b"{"[..], b"\xff\xfe", b"[]"] {
        let answer = world.client.post(&url).basic_auth(USER, Some(USER_PASSWORD)).body(broken.to_vec()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400);
    }
    assert_eq!(world.client.get(&url).send().await.unwrap().status().as_u16(), 405);
}
