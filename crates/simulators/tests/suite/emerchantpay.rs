//! eMerchantPay: the process call and its refusals, reconcile, notifications, card care.

use std::time::Duration;

use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::world::{BodyOf, Received, World, eventually};

pub(crate) const TOKEN: &str = "394f0123456789abcdef394f0123456789abcdef";
pub(crate) const USER: &str = "emp-user";
pub(crate) const PASSWORD: &str = "secretpw-canary-31";
/// Any Luhn-valid card: frictionless.
pub(crate) const PLAIN: &str = "4012888888881881";
const CVV: &str = "739";

pub(crate) async fn world() -> World {
    ready(World::start().await).await
}

pub(crate) async fn ready(world: World) -> World {
    set_account(&world, json!({"username": USER, "password": PASSWORD, "currency": "EUR"})).await;
    world.receiver.answer_body(echo);
    world
}

pub(crate) async fn set_account(world: &World, account: Value) {
    let (status, body) = world.put(&format!("/control/emerchantpay/accounts/{TOKEN}"), account).await;
    assert_eq!(status, 200, "{body}");
}

/// The echo that a merchant answers a notification with.
pub(crate) fn echo(received: &Received) -> (&'static str, String) {
    let id = form(received, "unique_id");
    let echo =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<notification_echo>\n <unique_id>ID</unique_id>\n</notification_echo>\n";
    ("text/xml", echo.replace("ID", &id))
}

/// A field of a received form; empty when it is absent.
pub(crate) fn form(received: &Received, name: &str) -> String {
    let pairs = url::form_urlencoded::parse(received.body.as_bytes());
    pairs.into_owned().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
}

fn hex_of(algorithm: &'static digest::Algorithm, text: &str) -> String {
    hex::encode(digest::digest(algorithm, text.as_bytes()))
}

pub(crate) fn sha512(text: &str) -> String {
    hex_of(&digest::SHA512, text)
}

/// Whether a notification carries the SHA-1 signature of the account.
pub(crate) fn is_signed(received: &Received) -> bool {
    let id = form(received, "unique_id");
    form(received, "signature") == hex_of(&digest::SHA1_FOR_LEGACY_USE_ONLY, &format!("{id}{PASSWORD}"))
}

/// The text of an element of an answer.
pub(crate) fn tag(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
}

pub(crate) fn sale_xml(world: &World, id: &str, amount: &str, card: &str) -> String {
    let notify = world.receiver.url(id);
    let method = world.receiver.url(&format!("{id}-method"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<payment_transaction>\n <transaction_type>sale3d</transaction_type>\
         <transaction_id>{id}</transaction_id><usage>Cards &amp; deposits</usage><remote_ip>198.51.100.7</remote_ip>\
         <notification_url>{notify}</notification_url><return_success_url>https://shop.example/ok</return_success_url>\
         <return_failure_url>https://other.example/failed</return_failure_url><amount>{amount}</amount>\
         <currency>EUR</currency><card_holder>John Doe</card_holder><card_number>{card}</card_number><cvv>{CVV}</cvv>\
         <expiration_month>12</expiration_month><expiration_year>2039</expiration_year>\
         <customer_email>player@example.com</customer_email><customer_phone>4915112345</customer_phone>\
         <billing_address><first_name>John</first_name><last_name>Doe</last_name><address1>Hauptstr. 1</address1>\
         <zip_code>10115</zip_code><city>Berlin</city><country>DE</country></billing_address>\
         <threeds_v2_params><threeds_method><callback_url>{method}</callback_url></threeds_method>\
         <control><device_type>browser</device_type><challenge_window_size>full_screen</challenge_window_size>\
         <challenge_indicator>no_preference</challenge_indicator></control><purchase><category>goods</category></purchase>\
         <browser><accept_header>text/html</accept_header><java_enabled>false</java_enabled><language>de-DE</language>\
         <color_depth>24</color_depth><screen_height>900</screen_height><screen_width>1440</screen_width>\
         <time_zone_offset>-60</time_zone_offset><user_agent>Mozilla/5.0</user_agent></browser></threeds_v2_params>\
         </payment_transaction>"
    )
}

pub(crate) fn posting(world: &World, call: &str, xml: String) -> reqwest::RequestBuilder {
    world
        .client
        .post(world.url(&format!("/emerchantpay/{call}/{TOKEN}/")))
        .basic_auth(USER, Some(PASSWORD))
        .header("content-type", "text/xml")
        .body(xml)
}

pub(crate) async fn sent(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Sends a sale3d that is answered with 200.
pub(crate) async fn sale(world: &World, id: &str, amount: &str, card: &str) -> String {
    let (status, xml) = sent(posting(world, "process", sale_xml(world, id, amount, card))).await;
    assert_eq!(status, 200, "{xml}");
    xml
}

/// What the gateway tells of a payment.
pub(crate) async fn reconcile(world: &World, id: &str) -> String {
    let xml = format!("<reconcile><transaction_id>{id}</transaction_id></reconcile>");
    let (status, xml) = sent(posting(world, "reconcile", xml)).await;
    assert_eq!(status, 200);
    xml
}

/// The status and code of an answer.
pub(crate) fn told(xml: &str) -> (String, String) {
    (tag(xml, "status").unwrap_or_default(), tag(xml, "code").unwrap_or_default())
}

pub(crate) fn of(status: &str, code: &str) -> (String, String) {
    (status.to_owned(), code.to_owned())
}

#[tokio::test]
async fn a_card_is_approved_at_once() {
    let world = world().await;
    let answer = posting(&world, "process", sale_xml(&world, "at-once", "10000", PLAIN)).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/xml; charset=utf-8");
    let xml = answer.text().await.unwrap();
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<payment_response>"), "{xml}");
    for (name, text) in [
        ("transaction_type", "sale3d"),
        ("status", "approved"),
        ("mode", "test"),
        ("transaction_id", "at-once"),
        ("response_code", "00"),
        ("amount", "10000"),
        ("currency", "EUR"),
        ("sent_to_acquirer", "true"),
        ("card_brand", "visa"),
        ("card_number", "401288...1881"),
        ("eci", "05"),
        ("message", "TESTMODE: No real money will be transferred!"),
    ] {
        assert_eq!(tag(&xml, name).as_deref(), Some(text), "{name}: {xml}");
    }
    let unique_id = tag(&xml, "unique_id").unwrap();
    assert!(unique_id.len() == 32 && unique_id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{unique_id}");
    let timestamp = tag(&xml, "timestamp").unwrap();
    assert!(timestamp.len() == 20 && timestamp.ends_with('Z'), "{timestamp}");
    assert_eq!(tag(&xml, "authorization_code").unwrap().len(), 6);

    let entry = world.ledger_is("emerchantpay", "at-once", "settled").await;
    assert_eq!((&entry["amount"], &entry["currency"]), (&json!("100.00"), &json!("EUR")));
    assert_eq!((&entry["providerReference"], &entry["times"], &entry["direction"]), (&json!(unique_id), &json!(1), &json!("in")));
    assert_eq!(reconcile(&world, "at-once").await, xml, "the state now is the state then");
    let by_id = format!("<reconcile><unique_id>{unique_id}</unique_id></reconcile>");
    assert_eq!(sent(posting(&world, "reconcile", by_id)).await.1, xml);
    let got = world.receiver.exactly("at-once", 1).await;
    assert_eq!((form(&got[0], "status"), is_signed(&got[0])), ("approved".to_owned(), true), "what was answered is notified too");
}

#[tokio::test]
async fn published_cards_that_are_answered_at_once() {
    let world = world().await;
    for (card, status, code) in [
        ("4200000000000000", "approved", ""),
        ("5555555555554444", "approved", ""),
        ("4012000000060085", "approved", ""),
        ("4012001036853337", "approved", ""),
        ("4111111111111111", "declined", "500"),
        ("5105105105105100", "declined", "500"),
        ("4012001037461114", "declined", "500"),
        ("4012001037484447", "error", "400"),
        ("4012001036273338", "error", "400"),
    ] {
        let xml = sale(&world, card, "10000", card).await;
        assert_eq!(told(&xml), of(status, code), "{card}");
        assert_eq!(form(&world.receiver.exactly(card, 1).await[0], "status"), status, "{card}");
        assert_eq!(told(&reconcile(&world, card).await), of(status, code), "{card}");
        assert_eq!(world.ledger("emerchantpay", card).await.len(), usize::from(status == "approved"), "{card}");
    }
    let xml = sale(&world, "refused", "10000", "4111111111111111").await;
    assert_eq!(tag(&xml, "response_code").as_deref(), Some("05"));
    assert_eq!(tag(&xml, "message").as_deref(), Some("Transaction declined"));
}

#[tokio::test]
async fn logins_content_types_and_terminals_are_checked() {
    let world = world().await;
    let url = world.url(&format!("/emerchantpay/process/{TOKEN}/"));
    let xml = sale_xml(&world, "a", "10000", PLAIN);
    let request = |user: &str, password: &str, kind: &str, body: &str| {
        world.client.post(&url).basic_auth(user, Some(password)).header("content-type", kind).body(body.to_owned())
    };
    let answer = request(USER, "wrong", "text/xml", &xml).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"Web Password\"");
    let body = answer.text().await.unwrap();
    assert_eq!(told(&body), of("error", "110"));
    assert_eq!(tag(&body, "message").as_deref(), Some("401 Unauthorized: Invalid Authentication!"));
    assert_eq!(sent(world.client.post(&url).header("content-type", "text/xml").body(xml.clone())).await.0, 401);

    for (kind, body, code) in [
        ("application/xml", xml.as_str(), "360"),
        ("application/json", "{}", "360"),
        ("text/xml", "<payment_transaction>", "350"),
        ("text/xml", "<!DOCTYPE x><payment_transaction/>", "350"),
        ("text/xml", "<reconcile/>", "350"),
        ("text/xml; charset=utf-8", "<payment_transaction/>", "310"),
    ] {
        let (status, body) = sent(request(USER, PASSWORD, kind, body)).await;
        assert_eq!((status, told(&body)), (200, of("error", code)), "{kind}");
    }
    let elsewhere = world.url("/emerchantpay/process/0000000000000000");
    let stranger = world.client.post(&elsewhere).header("content-type", "text/xml");
    let (status, body) = sent(stranger.basic_auth(USER, Some(PASSWORD)).body(xml.clone())).await;
    assert_eq!((status, told(&body)), (200, of("error", "220")));
    assert_eq!(tag(&body, "technical_message").as_deref(), Some("Invalid Terminal"));
    assert!(tag(&body, "unique_id").is_none());
    let stranger = world.client.post(&elsewhere).header("content-type", "text/xml");
    assert_eq!(sent(stranger.basic_auth("nobody", Some(PASSWORD)).body(xml.clone())).await.0, 401, "110 comes before 220");

    let without_slash = world.client.post(url.trim_end_matches('/')).basic_auth(USER, Some(PASSWORD));
    assert_eq!(sent(without_slash.header("content-type", "text/xml").body(xml)).await.0, 200);
    assert_eq!(sent(world.client.get(&url)).await.0, 405);
    assert_eq!(sent(world.client.get(world.url("/emerchantpay/wpf"))).await.0, 404);
}

#[tokio::test]
async fn what_is_sent_is_checked_in_order() {
    let world = world().await;
    let whole = sale_xml(&world, "checked", "10000", PLAIN);
    let mut cases = vec![(">sale3d<".to_owned(), ">sale<".to_owned(), "310")];
    for name in [
        "transaction_id",
        "notification_url",
        "return_success_url",
        "return_failure_url",
        "amount",
        "currency",
        "card_holder",
        "card_number",
        "cvv",
        "expiration_month",
        "expiration_year",
        "callback_url",
        "device_type",
        "challenge_window_size",
        "accept_header",
        "java_enabled",
        "language",
        "color_depth",
        "screen_height",
        "screen_width",
        "time_zone_offset",
        "user_agent",
        "country",
    ] {
        let text = tag(&whole, name).unwrap();
        cases.push((format!("<{name}>{text}</{name}>"), format!("<{name}></{name}>"), "320"));
    }
    for (name, good, bad, code) in [
        ("amount", "10000", "0", "340"),
        ("amount", "10000", "100.00", "340"),
        ("amount", "10000", "-1", "340"),
        ("amount", "10000", "1e4", "340"),
        ("currency", "EUR", "USD", "340"),
        ("card_number", PLAIN, "4012888888881882", "510"),
        ("card_number", PLAIN, "4012 8888 8888 1881", "510"),
        ("card_number", PLAIN, "401288888880", "510"),
        ("card_holder", "John Doe", "Doe", "340"),
        ("language", "de-DE", "en-GB-oxendict", "340"),
        ("language", "de-DE", "de_DE", "340"),
        ("expiration_year", "2039", "2020", "520"),
        ("expiration_month", "12", "13", "340"),
        ("expiration_month", "12", "6", "340"),
        ("expiration_year", "2039", "39", "340"),
        ("cvv", CVV, "12", "340"),
        ("device_type", "browser", "phone", "340"),
        ("challenge_window_size", "full_screen", "huge", "340"),
        ("challenge_indicator", "no_preference", "never", "340"),
        ("category", "goods", "chips", "340"),
        ("java_enabled", "false", "no", "340"),
        ("color_depth", "24", "25", "340"),
        ("screen_height", "900", "0", "340"),
        ("screen_width", "1440", "100000", "340"),
        ("time_zone_offset", "-60", "841", "340"),
        ("remote_ip", "198.51.100.7", "localhost", "340"),
        ("return_success_url", "https://shop.example/ok", "/ok", "340"),
        ("country", "DE", "US", "320"),
    ] {
        cases.push((format!("<{name}>{good}</{name}>"), format!("<{name}>{bad}</{name}>"), code));
    }
    for (good, bad, code) in cases {
        let xml = whole.replace(&good, &bad);
        assert_ne!(xml, whole, "{good}");
        let (status, body) = sent(posting(&world, "process", xml)).await;
        assert_eq!((status, tag(&body, "code").as_deref()), (200, Some(code)), "{bad}: {body}");
        let expected = if matches!(code, "510" | "520") { "declined" } else { "error" };
        assert_eq!(tag(&body, "status").as_deref(), Some(expected), "{bad}");
        assert_eq!(tag(&body, "unique_id").unwrap().len(), 32, "{bad}");
    }
    let (_, body) = sent(posting(&world, "process", whole.replace(">EUR<", ">USD<"))).await;
    assert_eq!(tag(&body, "technical_message").as_deref(), Some("'currency' not supported by this Terminal"));
    assert_eq!(tag(&body, "message").as_deref(), Some("Please check input data for errors!"));
    let (_, body) = sent(posting(&world, "process", whole.replace(PLAIN, "4012888888881882"))).await;
    assert_eq!(tag(&body, "message").as_deref(), Some("Transaction declined"));
    assert_eq!(tag(&body, "technical_message").as_deref(), Some("Credit card number is invalid"));
    assert_eq!(told(&reconcile(&world, "checked").await), of("error", "460"), "nothing was taken");

    assert_eq!(told(&sale(&world, "checked", "10000", PLAIN).await), of("approved", ""));
    let again = sale(&world, "checked", "20000", "4200000000000000").await;
    assert_eq!(told(&again), of("error", "340"));
    assert_eq!(tag(&again, "technical_message").as_deref(), Some("'transaction_id' has already been used!"));
    assert_eq!(world.ledger_is("emerchantpay", "checked", "settled").await["times"], 1);
    let empty = sent(posting(&world, "reconcile", "<reconcile/>".to_owned())).await.1;
    assert_eq!(told(&empty), of("error", "320"));
    let unknown = "<reconcile><unique_id>44177a21403427eb96664a6d7e5d5d48</unique_id></reconcile>".to_owned();
    assert_eq!(told(&sent(posting(&world, "reconcile", unknown)).await.1), of("error", "460"));
}

#[tokio::test]
async fn a_terminal_may_want_the_payers_address() {
    let world = world().await;
    let whole = sale_xml(&world, "wanted", "10000", PLAIN);
    let without = |xml: &str, name: &str| xml.replace(&format!("<{name}>{}</{name}>", tag(xml, name).unwrap()), "");
    let all = ["customer_email", "remote_ip", "first_name", "last_name", "address1", "city", "zip_code", "country"];
    let mut bare = whole.replace("wanted", "bare");
    let (before, rest) = bare.split_once("<billing_address>").unwrap();
    bare = format!("{before}{}", rest.split_once("</billing_address>").unwrap().1);
    bare = ["customer_email", "remote_ip"].iter().fold(bare, |xml, name| without(&xml, name));
    assert_eq!(told(&sent(posting(&world, "process", bare.clone())).await.1), of("approved", ""), "by default it does not");

    set_account(&world, json!({"username": USER, "password": PASSWORD, "currency": "EUR", "wantsBilling": true})).await;
    for name in all {
        let (_, body) = sent(posting(&world, "process", without(&whole, name))).await;
        let technical = format!("'{name}' is missing");
        assert_eq!((told(&body), tag(&body, "technical_message")), (of("error", "320"), Some(technical)), "{name}");
    }
    let (_, body) = sent(posting(&world, "process", bare.replace("bare", "bare-2"))).await;
    assert_eq!(told(&body), of("error", "320"));
    for (country, code) in [("US", "320"), ("CA", "320"), ("AU", "")] {
        let xml = whole.replace(">DE<", &format!(">{country}<")).replace("wanted", country);
        assert_eq!(tag(&sent(posting(&world, "process", xml.clone())).await.1, "code").unwrap_or_default(), code, "{country}");
        let with_state = xml.replace("</billing_address>", "<state>NY</state></billing_address>");
        let with_state = with_state.replace(&format!("<transaction_id>{country}<"), &format!("<transaction_id>{country}-2<"));
        assert_eq!(told(&sent(posting(&world, "process", with_state)).await.1), of("approved", ""), "{country}");
    }
}

#[tokio::test]
async fn refunds_in_parts_and_partial_approvals() {
    let world = world().await;
    sale(&world, "parts", "10000", PLAIN).await;
    let refund = async |minor: &str| world.post(&format!("/control/emerchantpay/parts/refund?minor={minor}")).await;
    for wrong in ["0", "-1", "1.5", "x"] {
        assert_eq!(refund(wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(refund("10001").await.0, 409, "more than there is");
    assert_eq!(refund("3000").await.1["state"], "refunded");
    let xml = reconcile(&world, "parts").await;
    assert_eq!((told(&xml), tag(&xml, "amount").as_deref()), (of("refunded", ""), Some("3000")));
    world.ledger_is("emerchantpay", "parts", "settled").await;
    assert_eq!(refund("7001").await.0, 409);
    assert_eq!(refund("7000").await.0, 200);
    assert_eq!(tag(&reconcile(&world, "parts").await, "amount").as_deref(), Some("7000"));
    world.ledger_is("emerchantpay", "parts", "returned").await;
    let got = world.receiver.exactly("parts", 3).await;
    let told_of = |at: usize| (form(&got[at], "status"), form(&got[at], "amount"), form(&got[at], "event"));
    let refunded = |amount: &str| ("refunded".to_owned(), amount.to_owned(), String::new());
    assert_eq!((told_of(1), told_of(2)), (refunded("3000"), refunded("7000")));
    assert_eq!(refund("1").await.0, 409);

    sale(&world, "less", "10000", "4918190000000002").await;
    assert_eq!(world.post("/control/emerchantpay/less/approve?minor=10000").await.0, 409, "that is no part");
    assert_eq!(world.post("/control/emerchantpay/less/approve?minor=6000").await.1["state"], "approved");
    let xml = reconcile(&world, "less").await;
    let partial = (tag(&xml, "amount"), tag(&xml, "partial_approval"));
    assert_eq!(partial, (Some("6000".to_owned()), Some("true".to_owned())));
    assert_eq!(world.ledger_is("emerchantpay", "less", "settled").await["amount"], "60.00");
    let got = world.receiver.exactly("less", 1).await;
    assert_eq!((form(&got[0], "amount"), form(&got[0], "partial_approval")), ("6000".to_owned(), "true".to_owned()));
    assert_eq!(world.post("/control/emerchantpay/less/chargeback?minor=10").await.0, 409, "done of the whole alone");
}

#[tokio::test]
async fn what_comes_after_an_approval() {
    let world = world().await;
    sale(&world, "turns", "10000", PLAIN).await;
    for (word, status, event, state) in [
        ("retrieval_request", "chargebacked", "retrieval_request", "approved"),
        ("chargebacked", "chargebacked", "chargeback", "chargebacked"),
        ("represented", "represented", "", "represented"),
        ("representment_reversed", "representment_reversed", "", "representment_reversed"),
        ("chargeback_reversed", "chargeback_reversed", "chargeback_reversal", "chargeback_reversed"),
        ("second_chargebacked", "second_chargebacked", "second_chargeback", "second_chargebacked"),
    ] {
        let before = world.receiver.at("turns").len();
        assert_eq!(world.post(&format!("/control/emerchantpay/turns/status/{word}")).await.1["state"], state, "{word}");
        eventually(|| async { (world.receiver.at("turns").len() > before.max(1)).then_some(()) }).await;
        let got = world.receiver.at("turns").pop().unwrap();
        assert_eq!(
            (form(&got, "status"), form(&got, "event"), is_signed(&got)),
            (status.to_owned(), event.to_owned(), true),
            "{word}"
        );
        assert_eq!(told(&reconcile(&world, "turns").await), of(state, ""));
    }
}

#[tokio::test]
async fn a_review_that_lets_a_payment_through() {
    // Two hours last 720 ms.
    let world = ready(World::with(10_000, None).await).await;
    let xml = sale(&world, "seen", "10000", "4918190000000002").await;
    assert_eq!(world.post("/control/emerchantpay/seen/status/pending_review").await.0, 200);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(told(&reconcile(&world, "seen").await), of("pending_review", ""), "it may take a day");
    assert_eq!(world.post("/control/emerchantpay/seen/status/pending_async").await.0, 200);
    eventually(|| async { (world.receiver.at("seen").len() >= 2).then_some(()) }).await;
    let got = world.receiver.at("seen");
    assert_eq!(
        (form(&got[1], "status"), Some(form(&got[1], "redirect_url"))),
        ("pending_async".to_owned(), tag(&xml, "redirect_url"))
    );
    world.state_is("emerchantpay", "seen", "timeout").await;
}

#[tokio::test]
async fn notifications_go_on_until_the_right_echo() {
    // 15 minutes last 300 ms.
    let world = ready(World::with(3_000, None).await).await;
    let answers: [BodyOf; 4] = [
        |_| ("text/xml", String::new()),
        |_| ("text/xml", "<notification_echo><unique_id>44177a21403427eb96664a6d7e5d5d48</unique_id></notification_echo>".into()),
        |received| ("text/html", echo(received).1),
        |received| ("text/xml", echo(received).1.replace("notification_echo", "echo")),
    ];
    sale(&world, "heard", "10000", "4918190000000002").await;
    world.receiver.answer_body(answers[0]);
    world.press("emerchantpay", "heard", "pay").await;
    for (count, next) in [(1, answers[1]), (2, answers[2]), (3, answers[3])] {
        eventually(|| async { (world.receiver.at("heard").len() >= count).then_some(()) }).await;
        world.receiver.answer_body(next);
    }
    eventually(|| async { (world.receiver.at("heard").len() >= 4).then_some(()) }).await;
    world.receiver.answer_body(echo);
    world.receiver.answer_with(201);
    eventually(|| async { (world.receiver.at("heard").len() >= 5).then_some(()) }).await;
    world.receiver.answer_with(200);
    eventually(|| async { (world.receiver.at("heard").len() >= 6).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let got = world.receiver.at("heard");
    assert_eq!(got.len(), 6);
    assert!(got.iter().all(|one| one.body == got[0].body && is_signed(one)));
    drop(world);

    let world = ready(World::with(60_000, None).await).await;
    world.receiver.answer_body(answers[0]);
    sale(&world, "never", "10000", "4918190000000002").await;
    world.press("emerchantpay", "never", "approve").await;
    eventually(|| async { (world.receiver.at("never").len() >= 10).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.receiver.at("never").len(), 10, "ten deliveries and no more");
}

#[tokio::test]
async fn the_digest_of_notifications_is_the_accounts() {
    let world = world().await;
    for (name, algorithm, digits) in
        [("sha1", &digest::SHA1_FOR_LEGACY_USE_ONLY, 40), ("sha256", &digest::SHA256, 64), ("sha512", &digest::SHA512, 128)]
    {
        let account = json!({"username": USER, "password": PASSWORD, "currency": "EUR", "notificationDigest": name});
        set_account(&world, account).await;
        let xml = sale(&world, name, "10000", "4918190000000002").await;
        world.press("emerchantpay", name, "pay").await;
        let got = world.receiver.exactly(name, 1).await;
        let signature = form(&got[0], "signature");
        assert_eq!(signature.len(), digits);
        assert_eq!(signature, hex_of(algorithm, &format!("{}{PASSWORD}", tag(&xml, "unique_id").unwrap())));
    }
    for wrong in [
        json!({"username": "a:b", "password": "p", "currency": "EUR"}),
        json!({"username": "", "password": "p", "currency": "EUR"}),
        json!({"username": "u", "password": "", "currency": "EUR"}),
        json!({"username": "u", "password": "p", "currency": "EURO"}),
        json!({"username": "u", "password": "p"}),
        json!({"username": "u", "password": "p", "currency": "EUR", "notificationDigest": "md5"}),
        json!({"username": "u", "password": "p", "currency": "EUR", "digest": "sha1"}),
    ] {
        assert_eq!(world.put(&format!("/control/emerchantpay/accounts/{TOKEN}"), wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn neither_cards_nor_secrets_are_kept() {
    let world = world().await;
    let cards = [PLAIN, "4918190000000002", "4111111111111111"];
    for card in cards {
        let xml = sale_xml(&world, &format!("kept-{}", &card[..6]), "10000", card);
        let xml = xml
            .replace("Cards &amp;", &format!("{} or {}", card, [&card[..4], &card[4..8], &card[8..12], &card[12..]].join(" ")));
        assert_eq!(sent(posting(&world, "process", xml)).await.0, 200);
    }
    world.press("emerchantpay", "kept-491819", "pay").await;
    let bad = sale_xml(&world, "kept-bad", "10000", PLAIN).replace("</cvv>", "</cv>");
    assert_eq!(told(&sent(posting(&world, "process", bad)).await.1), of("error", "350"));
    let other = posting(&world, "process", format!("card_number={PLAIN}&cvv={CVV}"));
    assert_eq!(told(&sent(other).await.1), of("error", "350"));
    world.receiver.exactly("kept-491819", 1).await;

    let (_, calls) = world.get("/control/emerchantpay/calls").await;
    assert_eq!(calls["total"], 5);
    assert_eq!(calls["calls"][0]["path"], "/process/***/");
    let shown = calls.to_string();
    assert!(shown.contains("<card_number>***</card_number><cvv>***</cvv>") && shown.contains("401288...1881"), "{shown}");
    let kept = world.kept_bytes();
    let is_kept = |canary: &str| kept.windows(canary.len()).any(|window| window == canary.as_bytes());
    let cvvs = [format!("<cvv>{CVV}"), format!("cvv={CVV}")];
    for canary in cards.into_iter().chain(cvvs.iter().map(String::as_str)) {
        assert!(!shown.contains(canary), "{canary}");
    }
    for canary in cards.into_iter().chain(["4012 8888", TOKEN, USER, PASSWORD]) {
        assert!(!is_kept(canary), "{canary}");
    }
    assert!(!shown.contains(TOKEN) && !shown.contains(PASSWORD) && is_kept("401288...1881"));
    let got = world.receiver.at("kept-491819");
    assert_eq!(form(&got[0], "terminal_token"), TOKEN, "it is filled in at the sending");
}
