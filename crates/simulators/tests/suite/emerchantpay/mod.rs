//! eMerchantPay: the process call and its refusals, reconcile, notifications, card care.

mod after;
mod checks;
mod told;

use crate::world::{BodyOf, Received, World, eventually};
use aws_lc_rs::digest;
use serde_json::{Value, json};
use std::time::Duration;

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
