//! eMerchantPay: disputes, refunds in parts, partial approvals, fields that a terminal wants; what browsers say of themselves;
//! waits that are dates.

use crate::steps::{self, LIMIT, control, events, has_event, id_of, inquire, until};
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

pub(crate) const NAME: &str = "emerchantpay";
const PLAIN: &str = "4200000000000000";
const CHALLENGE: &str = "4918190000000002";
const DEVICE_CHECK: &str = "4066330000000004";

#[tokio::test(flavor = "multi_thread")]
async fn emerchantpay_as_it_is() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["EMERCHANTPAY"], |options| options.time_scale(20));
    let world = world.await.expect("a sandbox");
    let mut table = Table::new("eMerchantPay");
    browsers(&mut table, &world);
    brands(&mut table, &world);
    words(&mut table, &world);
    let parts: [(&str, &[i64], &str); 5] = [
        ("two parts", &[3_000, 7_000], "Reversed"),
        ("many parts", &[1, 999, 4_000, 5_000], "Reversed"),
        ("a part", &[9_999], "Approved"),
        ("one cent of it", &[1], "Approved"),
        ("the whole in one part", &[10_000], "Reversed"),
    ];
    for (name, minors, status) in parts {
        table.row(format!("refunds: {name}"), in_parts(world.hands(), minors.to_vec(), status));
    }
    table.row("refunds: a part, then the rest in one", part_then_rest(world.hands()));
    table.row("refunds: equal parts at two times", equal_parts(world.hands()));
    table.row("refunds: one part told three times", told_again(world.hands()));
    table.row("a partial approval is another amount", partial_approval(world.hands()));
    table.row("a retrieval request moves nothing", retrieval_request(world.hands()));
    for (http, body) in [
        (409, "<payment_response><status>error</status><code>500</code></payment_response>"),
        (409, "<payment_response><status>declined</status></payment_response>"),
        (400, "<payment_response><status>in_progress</status><message>Please check signature!</message></payment_response>"),
        (400, ""),
        (422, ""),
        (404, "<html></html>"),
    ] {
        table.row(format!("a continue answered by {http} {body}"), continue_answered(world.hands(), http, body));
    }
    table.row("a wait until a date", waits(world.hands()));
    // These change the gateway for all.
    table.row_alone("fields that a terminal wants", wants_billing(world.hands())).await;
    table.end().await;
}

fn body(amount: &str, pan: &str, more: &str) -> String {
    let plain = bodies::emerchantpay(amount, pan);
    let open = plain.strip_suffix('}').unwrap_or(&plain);
    if more.is_empty() { plain } else { format!("{open},{more}}}") }
}

/// With another `browser`.
fn browsing(browser: &str) -> String {
    // What browser it is stays: nothing else says it.
    let more = format!(r#""userAgent":"Mozilla/5.0",{}"#, &browser[1..browser.len() - 1]);
    bodies::emerchantpay("10.00", PLAIN).replace(r#""userAgent":"Mozilla/5.0""#, &more)
}

pub(crate) async fn paid(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&body(amount, PLAIN, "")).await?;
    ensure!(answer.text("/data/transaction_status") == "Approved", "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn opened(hands: &Hands, pan: &str) -> Result<String> {
    let answer = hands.client.cashier(&body("100.00", pan, "")).await?;
    ensure!(answer.text("/data/transaction_status") == "Pending", "{} {}", answer.status, answer.body);
    id_of(&answer)
}

/// What the gateway was sent about a payment, to an address that has this in it.
pub(crate) async fn sent(hands: &Hands, id: &str, path: &str) -> Result<Vec<String>> {
    let calls = hands.client.control("GET", "/emerchantpay/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let about = |call: &Value| call["path"].as_str().is_some_and(|at| at.contains(path)) && call.to_string().contains(id);
    Ok(calls.iter().filter(|call| about(call)).map(Value::to_string).collect())
}

// --- browsers, brands -------------------------------------------------------------------------

fn browsers(table: &mut Table, world: &World) {
    // What real browsers, telephones and servers say, and what goes to 3-D Secure.
    for (said, parts) in [
        (r#"{"language":"en-GB-oxendict","colorDepth":30}"#, ["<language>en-GB<", "<color_depth>24<"]),
        (r#"{"language":"zh-Hant-TW","colorDepth":24}"#, ["<language>zh-Hant<", "<color_depth>24<"]),
        (r#"{"language":"sr-Latn-RS","colorDepth":48}"#, ["<language>sr-Latn<", "<color_depth>48<"]),
        (r#"{"language":"ca-ES-valencia","colorDepth":64}"#, ["<language>ca-ES<", "<color_depth>48<"]),
        (r#"{"language":"de-CH-1996","colorDepth":30.0}"#, ["<language>de-CH<", "<color_depth>24<"]),
        (r#"{"language":"en-US-u-hc-h12","colorDepth":23}"#, ["<language>en-US<", "<color_depth>16<"]),
        (r#"{"language":"en-US@posix","colorDepth":1}"#, ["<language>en-US<", "<color_depth>1<"]),
        (r#"{"language":"es-419","colorDepth":3e1}"#, ["<language>es-419<", "<color_depth>24<"]),
        (r#"{"screenHeight":0,"screenWidth":0}"#, ["<screen_height>900<", "<screen_width>1440<"]),
        (r#"{"screenHeight":869.3333,"screenWidth":411.42857142857144}"#, ["<screen_height>869<", "<screen_width>411<"]),
        (r#"{"timeZoneOffset":-840,"screenHeight":99999}"#, ["<time_zone_offset>-840<", "<screen_height>99999<"]),
        (r#"{"timeZoneOffset":209.5,"language":""}"#, ["<time_zone_offset>209<", "<language>"]),
    ] {
        table.row(format!("a browser that says {said}"), browser_is_taken(world.hands(), said, parts));
    }
    for (said, sentence) in [
        (r#"{"colorDepth":0}"#, "browser.colorDepth must be a number"),
        (r#"{"colorDepth":65}"#, "browser.colorDepth must be a number"),
        (r#"{"colorDepth":"30"}"#, "browser.colorDepth must be a number"),
        (r#"{"language":5}"#, "browser.language must be a string"),
        (r#"{"language":"toolonglanguage"}"#, "browser.language must be a language tag"),
        (r#"{"screenHeight":-1}"#, "browser.screenHeight must be a number from 0 to 99999"),
        (r#"{"screenWidth":100000}"#, "browser.screenWidth must be a number from 0 to 99999"),
        (r#"{"timeZoneOffset":841}"#, "browser.timeZoneOffset must be a number from -840 to 840"),
        (r#"{"javaEnabled":"no"}"#, "browser.javaEnabled must be a boolean"),
    ] {
        table.row(format!("no browser says {said}"), browser_is_refused(world.hands(), said, sentence));
    }
}

async fn browser_is_taken(hands: Hands, said: &str, parts: [&str; 2]) -> Result<()> {
    let answer = hands.client.cashier(&browsing(said)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let calls = sent(&hands, &id_of(&answer)?, "/process/").await?;
    let call = calls.first().context("nothing was sent")?;
    ensure!(parts.iter().all(|part| call.contains(part)), "{call}");
    let language = call.split("<language>").nth(1).and_then(|rest| rest.split('<').next()).context("no language")?;
    ensure!((2..=8).contains(&language.len()), "the language is {language}");
    Ok(())
}

async fn browser_is_refused(hands: Hands, said: &str, sentence: &str) -> Result<()> {
    let answer = hands.client.cashier(&browsing(said)).await?;
    ensure!((answer.status, &answer.body["errors"]) == (400, &json!([sentence])), "{} {}", answer.status, answer.body);
    Ok(())
}

fn brands(table: &mut Table, world: &World) {
    for (pan, brand) in [
        ("6250941006528599", "UNIONPAY"),
        ("8171999900000000", "UNIONPAY"),
        ("5019717010103742", "DANKORT"),
        ("6362970000457013", "ELO"),
        ("6062825624254001", "HIPERCARD"),
        ("5060990580000217499", "VERVE"),
        ("2200000000000004", "MIR"),
        ("6073849700004947", "RUPAY"),
        ("2221000000000009", "MASTERCARD"),
        ("6011000990139424", "DISCOVER"),
        ("3566002020360505", "JCB"),
        ("6759649826438453", "MAESTRO"),
        ("9792000000000003", "UNKNOWN"),
    ] {
        table.row(format!("the brand of {}", &pan[..6]), brand_of(world.hands(), pan, brand));
    }
}

async fn brand_of(hands: Hands, pan: &str, brand: &str) -> Result<()> {
    let answer = hands.client.cashier(&body("10.00", pan, "")).await?;
    ensure!(answer.status == 200 && answer.text("/data/card/brand") == brand, "{} {}", answer.status, answer.body);
    Ok(())
}

// --- what comes after an approval -------------------------------------------------------------

/// Beside what its words prove: the table of all providers has that.
fn words(table: &mut Table, world: &World) {
    for (word, kind) in [("refunded", "refunded"), ("voided", "refunded"), ("chargebacked", "charged_back")] {
        table.row(format!("{word} of a paid one"), reversed(world.hands(), word, kind));
    }
    for word in ["chargeback_reversed", "chargeback_reversal", "represented"] {
        table.row(format!("{word} of one that was charged back"), won_after_loss(world.hands(), word));
    }
}

async fn reversed(hands: Hands, word: &'static str, kind: &'static str) -> Result<()> {
    let id = paid(&hands, "100.00").await?;
    control(&hands, NAME, &id, &format!("status/{word}")).await?;
    let data = until(&hands, &id, |data| data["transaction_status"] == "Reversed").await?;
    ensure!(data["status"] == word && events(&data, kind).len() == 1, "{data}");
    let disputed = kind == "charged_back";
    ensure!(data["disputed"] == disputed || !disputed && data["disputed"].is_null(), "{data}");
    let given_back = if disputed { Value::Null } else { json!("100.00") };
    ensure!(data["refundedAmount"] == given_back, "{data}");
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

async fn won_after_loss(hands: Hands, word: &'static str) -> Result<()> {
    let id = paid(&hands, "100.00").await?;
    control(&hands, NAME, &id, "chargeback").await?;
    until(&hands, &id, |data| data["transaction_status"] == "Reversed" && data["disputed"] == true).await?;
    control(&hands, NAME, &id, &format!("status/{word}")).await?;
    let data = until(&hands, &id, |data| events(data, "chargeback_won").len() == 1).await?;
    ensure!(data["transaction_status"] == "Reversed" && data["disputed"].is_null(), "{data}");
    // The answer is taken back: the chargeback stands again.
    control(&hands, NAME, &id, "status/representment_reversed").await?;
    let data = until(&hands, &id, |data| data["disputed"] == true).await?;
    ensure!(data["transaction_status"] == "Reversed" && events(&data, "charged_back").len() == 2, "{data}");
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

/// `updatedAt` as a moment: as texts `57.9Z` and `57.95Z` would stand the wrong way round.
fn moment(data: &Value) -> Result<jiff::Timestamp> {
    Ok(data["updatedAt"].as_str().context("no updatedAt")?.parse()?)
}

async fn in_parts(hands: Hands, minors: Vec<i64>, status: &'static str) -> Result<()> {
    let id = paid(&hands, "100.00").await?;
    let before = until(&hands, &id, |data| data["updatedAt"].is_string()).await?;
    let mut sum = 0;
    for (nth, minor) in minors.iter().enumerate() {
        sum += minor;
        control(&hands, NAME, &id, &format!("refund?minor={minor}")).await?;
        let shown = format!("{}.{:02}", sum / 100, sum % 100);
        let data = until(&hands, &id, |data| data["refundedAmount"] == shown.as_str()).await?;
        ensure!(events(&data, "refunded").len() == nth + 1, "{data}");
        ensure!(has_event(&data, "refunded", &format!("\"minorUnits\":{minor}")), "without its own minor units: {data}");
        ensure!(moment(&data)? > moment(&before)?, "updatedAt did not move: {} then {}", before["updatedAt"], data["updatedAt"]);
        let expected = if sum == 10_000 { "Reversed" } else { "Approved" };
        ensure!(data["transaction_status"] == expected, "after {sum}: {data}");
    }
    let all: &[&str] = if status == "Reversed" { &["Approved", "Reversed"] } else { &["Approved"] };
    hands.webhooks(&id, all, LIMIT).await?;
    let data = hands.client.status(&id).await?.body["data"].clone();
    ensure!(data["transaction_status"] == status, "{data}");
    let state = if status == "Reversed" { "returned" } else { "settled" };
    hands.moved_once("emerchantpay", &id, &json!({"amount": "100.00", "state": state})).await?;
    Ok(())
}

async fn part_then_rest(hands: Hands) -> Result<()> {
    let id = paid(&hands, "100.00").await?;
    control(&hands, NAME, &id, "refund?minor=2500").await?;
    until(&hands, &id, |data| data["refundedAmount"] == "25.00").await?;
    control(&hands, NAME, &id, "refund").await?;
    let data = until(&hands, &id, |data| data["transaction_status"] == "Reversed").await?;
    ensure!(data["refundedAmount"] == "100.00" && events(&data, "refunded").len() == 2, "{data}");
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

async fn equal_parts(hands: Hands) -> Result<()> {
    let id = paid(&hands, "100.00").await?;
    control(&hands, NAME, &id, "refund?minor=5000").await?;
    until(&hands, &id, |data| data["refundedAmount"] == "50.00").await?;
    // The record's time has seconds: two parts of one would be the same part.
    let first = jiff::Timestamp::now().as_second();
    while jiff::Timestamp::now().as_second() == first {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    control(&hands, NAME, &id, "refund?minor=5000").await?;
    let data = until(&hands, &id, |data| data["transaction_status"] == "Reversed").await?;
    ensure!(data["refundedAmount"] == "100.00" && events(&data, "refunded").len() == 2, "{data}");
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

/// Scenario 08: the gateway notifies three times; the record stays what it is.
async fn told_again(hands: Hands) -> Result<()> {
    let id = paid(&hands, "100.08").await?;
    control(&hands, NAME, &id, "refund?minor=5004").await?;
    until(&hands, &id, |data| data["refundedAmount"] == "50.04").await?;
    // Asked once more, by hand.
    inquire(&hands, &id).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    let data = hands.client.status(&id).await?.body["data"].clone();
    ensure!(data["transaction_status"] == "Approved" && data["refundedAmount"] == "50.04", "{data}");
    ensure!(events(&data, "refunded").len() == 1, "{data}");
    Ok(())
}

async fn partial_approval(hands: Hands) -> Result<()> {
    let id = opened(&hands, CHALLENGE).await?;
    control(&hands, NAME, &id, "approve?minor=6000").await?;
    let data = until(&hands, &id, |data| has_event(data, "anomaly", "only a part of the amount")).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.needs_attention(&id, "anomaly", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await
}

async fn retrieval_request(hands: Hands) -> Result<()> {
    let id = paid(&hands, "100.00").await?;
    control(&hands, NAME, &id, "status/retrieval_request").await?;
    let data = until(&hands, &id, |data| has_event(data, "anomaly", "retrieval request")).await?;
    ensure!(data["transaction_status"] == "Approved" && data["disputed"].is_null(), "{data}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

// --- the second call, waits, wants ------------------------------------------------------------

/// What the answer says is of the call, not of the payment: the reconcile decides.
async fn continue_answered(hands: Hands, http: u16, body: &'static str) -> Result<()> {
    let answer = hands.client.cashier(&self::body("100.00", DEVICE_CHECK, "")).await?;
    let (id, url) = (id_of(&answer)?, answer.text("/data/url").to_owned());
    let unique_id = answer.text("/data/uniqueId").to_owned();
    let next = json!({"method": "PUT", "path": format!("/threeds_method/{unique_id}"), "http": http, "headers": {"content-type": "application/xml"}, "body": body});
    steps::next(&hands, NAME, next).await?;
    let page = hands.client.send("GET", &url, &[], None).await?;
    ensure!(page.status == 200, "{}", page.status);
    let deadline = tokio::time::Instant::now() + LIMIT;
    while sent(&hands, &unique_id, "/threeds_method/").await?.is_empty() {
        ensure!(tokio::time::Instant::now() < deadline, "it was never continued");
        hands.client.send("GET", &format!("{url}/next"), &[], None).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(asked_soon(&hands, &unique_id).await?, "nobody asked");
    let data = hands.client.status(&id).await?.body["data"].clone();
    ensure!(data["transaction_status"] == "Pending", "{data}");
    // The gateway ends it: its record counts.
    control(&hands, NAME, &id, "approve").await?;
    until(&hands, &id, |data| data["transaction_status"] == "Approved").await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn asked_soon(hands: &Hands, unique_id: &str) -> Result<bool> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while sent(hands, unique_id, "/reconcile/").await?.is_empty() {
        if tokio::time::Instant::now() > deadline {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(true)
}

/// `Retry-After` in each of its forms, an hour ahead; the merchant is told seconds.
async fn waits(hands: Hands) -> Result<()> {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let form = |form: &str| at.strftime(form).to_string();
    for value in
        ["3600".to_owned(), form("%a, %d %b %Y %H:%M:%S GMT"), form("%A, %d-%b-%y %H:%M:%S GMT"), form("%a %b %e %H:%M:%S %Y")]
    {
        let amount = format!("{}.00", 500 + value.len());
        let minor = format!("<amount>{}00</amount>", 500 + value.len());
        let next = json!({"path": "/process/", "about": minor, "http": 429, "headers": {"retry-after": value}, "body": ""});
        steps::next(&hands, NAME, next).await?;
        let answer = hands.client.cashier(&body(&amount, PLAIN, "")).await?;
        ensure!(answer.status == 429, "{value}: {} {}", answer.status, answer.body);
        let wait: u32 = answer.header("retry-after").context("no Retry-After")?.parse()?;
        ensure!((3_400..=3_601).contains(&wait), "{value} became {wait}");
    }
    Ok(())
}

/// A user token of a company that keeps no key for them.
fn user_from(country: &str) -> String {
    let claims = json!({
        "userId": "user_123", "email": "player@example.com", "firstName": "John", "lastName": "Doe", "phone": "4915112345678",
        "countryCode": country,
    });
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    [part(json!({"alg": "HS256", "typ": "JWT"})), part(claims), URL_SAFE_NO_PAD.encode("unsigned")].join(".")
}

/// A terminal as it is by default: without the payer's address a payment fails there; with `requireBilling` it is refused before.
async fn wants_billing(hands: Hands) -> Result<()> {
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    let items = methods.body["data"]["items"].as_array().cloned().context("no methods")?;
    let method = items.iter().find(|method| method["pspType"] == "EMERCHANTPAY").context("no eMerchantPay")?.clone();
    let path = format!("/payment-methods/{}", method["id"].as_str().context("no id")?);
    let warnings = method["warnings"].to_string();
    for name in ["userIp", "address.line1", "address.city", "address.postalCode", "countryCode", "address.state", "320"] {
        ensure!(warnings.contains(name), "{name} is not in the warning: {warnings}");
    }
    let account = json!({"username": "emp-demo", "password": "emp-demo-secret-0001", "currency": "EUR", "wantsBilling": true});
    let put = hands.client.control("PUT", "/emerchantpay/accounts/394fdemoterminal0001", Some(account)).await?;
    ensure!(put.status == 200, "{}", put.body);
    let answer = hands.client.cashier(&body("100.00", PLAIN, "")).await?;
    ensure!(answer.status == 400 && answer.text("/data/code") == "320", "{} {}", answer.status, answer.body);
    ensure!(answer.text("/data/transaction_status") == "Failed", "{}", answer.body);

    let set = hands.client.manage("PATCH", &path, Some(json!({"config": {"requireBilling": true}}))).await?;
    ensure!(set.status == 200 && !set.body["data"]["warnings"].to_string().contains("320"), "{} {}", set.status, set.body);
    let answer = hands.client.cashier(&body("100.00", PLAIN, "")).await?;
    // The user's claims have a country.
    let missing = ["address.line1", "address.postalCode", "address.city", "userIp"];
    let sentences: Vec<String> = missing.iter().map(|name| format!("Missing required field: {name}")).collect();
    ensure!((answer.status, &answer.body["errors"]) == (400, &json!(sentences)), "{} {}", answer.status, answer.body);
    let whole = r#""userIp":"198.51.100.7","address":{"line1":"1 Main St","postalCode":"K1A 0B1","city":"Ottawa"}"#;
    let with_state = whole.replace(r#""city""#, r#""state":"ON","city""#);
    for (country, more, state_is_missing) in
        [("CA", whole, true), ("CA", &with_state, false), ("US", whole, true), ("US", &with_state, false), ("DE", whole, false)]
    {
        let mut client = hands.client.clone();
        client.user_token = user_from(country);
        let answer = client.cashier(&body("100.00", PLAIN, more)).await?;
        let missing = answer.text("/message") == "Missing required field: address.state";
        ensure!(missing == state_is_missing, "{country} {more}: {} {}", answer.status, answer.body);
        ensure!(missing || answer.text("/data/transaction_status") == "Approved", "{country}: {} {}", answer.status, answer.body);
    }
    Ok(())
}
