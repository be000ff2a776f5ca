//! Answers to the call that moves the money, and what the account decides.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const UNIQUE_ID: &str = "44177a21403427eb96664a6d7e5d5d48";
const ALREADY_USED: &str = "<code>340</code><technical_message>'transaction_id' has already been used!</technical_message>";

fn error(inner: &str) -> Value {
    xml(200, &format!("<status>error</status>{inner}"))
}

fn code(code: u16) -> Value {
    error(&format!("<code>{code}</code><message>Said so</message>"))
}

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    // First, while nothing else is asked about: what strikes the next reconcile, whosever it is, strikes these rows' own.
    for (number, word) in ["approved", "declined", "timeout", "cancelled", "error", "pending_async"].into_iter().enumerate() {
        let work =
            async |scene: &mut Scene<'_>| found_inside(scene, &format!("44177a21403427eb96664a6d7e5d5e{number:02x}"), word).await;
        row(stage, book, &format!("process 500, found inside: {word}"), work).await;
    }
    for (name, reply) in refusals().into_iter().chain(words()).chain(doubts()).chain(disbelieved()) {
        answered(stage, book, name, reply).await;
    }
    for number in [500, 510, 520, 540, 550, 600, 620, 690, 697, 300, 310, 320, 330, 340, 400, 410, 450, 490, 700, 740] {
        answered(stage, book, &format!("error {number}"), code(number)).await;
    }
    for number in [200, 210, 230, 240, 250, 530, 630, 900, 950, 960, 777] {
        answered(stage, book, &format!("error {number}"), code(number)).await;
    }
    for number in ["500", "300", "340", "120", "110", "220", "101", "200", "230", "530", "630", "900", "777", "x"] {
        let reply = xml(200, &format!("<status>declined</status><code>{number}</code><message>Said so</message>"));
        answered(stage, book, &format!("declined {number}"), reply).await;
    }
    browsers(stage, book).await;
    brands(stage, book).await;
}

async fn answered(stage: &mut Stage, book: &mut Book, name: &str, reply: Value) {
    let work = async |scene: &mut Scene<'_>| {
        scene.next(at(PROCESS, reply)).await?;
        scene.pay(&order("504.00", FRICTIONLESS)).await.map(drop)
    };
    row(stage, book, &format!("process: {name}"), work).await;
}

/// The first answer is lost, the reconcile inside the request tells the end.
async fn found_inside(scene: &mut Scene<'_>, unique_id: &str, word: &str) -> Result<()> {
    scene.next(at(PROCESS, json!({"http": 500}))).await?;
    let told = format!("<status>{word}</status><unique_id>{unique_id}</unique_id><amount>50100</amount><currency>EUR</currency>");
    scene.next(at(RECONCILE, xml(200, &told))).await?;
    scene.pay(&order("501.00", FRICTIONLESS)).await.map(drop)
}

type Replies = Vec<(&'static str, Value)>;

/// Certain refusals.
fn refusals() -> Replies {
    let masked =
        format!("<code>120</code><card_number>{FRICTIONLESS}</card_number><cvv>123</cvv><message>4012 0000 0006 0085</message>");
    let no = "<status>declined</status><code>510</code><message>Said so</message><technical_message>timeout</technical_message>";
    vec![
        ("401", json!({"http": 401})),
        ("401 with 110", xml(401, "<status>error</status><code>110</code>")),
        ("401 with a timeout", says(401, json!("timeout"))),
        ("110", code(110)),
        ("403", says(403, json!("<html>no</html>"))),
        ("403 with a decline", xml(403, no)),
        ("404 with a page", says(404, json!("<html>no</html>"))),
        ("404 without a body", json!({"http": 404})),
        ("404 with a document", xml(404, no)),
        ("422 with a document", xml(422, no)),
        ("220", code(220)),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("429", json!({"http": 429})),
        ("429 with a decline", xml(429, no)),
        ("101", code(101)),
        ("120", code(120)),
        ("350", code(350)),
        ("360", code(360)),
        ("120 and the word timeout", error("<code>120</code><message>timeout</message>")),
        ("card data in an unknown error", error(&masked)),
        ("declined", xml(200, "<status>declined</status>")),
        ("unsuccessful", xml(200, "<status>unsuccessful</status>")),
        (
            "declined in full",
            xml(
                200,
                &format!(
                    "<status>declined</status><unique_id>{UNIQUE_ID}</unique_id><code>500</code>\
                     <response_code>05</response_code><message>Transaction declined</message>\
                     <technical_message>Do not honour</technical_message>"
                ),
            ),
        ),
        ("a card number in words", xml(200, "<status>declined</status><message>Card 4918-1900-0000-0002 refused</message>")),
        (
            "the other root",
            says(200, json!("<payment_transaction><status>declined</status><code>500</code></payment_transaction>")),
        ),
    ]
}

/// Words of a first answer; those of an end that can only come later are not believed.
fn words() -> Replies {
    let word = |word: &'static str| (word, xml(200, &format!("<status>{word}</status><unique_id>{UNIQUE_ID}</unique_id>")));
    let later = ["timeout", "cancelled", "voided", "refunded", "chargebacked", "represented"];
    later.map(word).to_vec()
}

/// Answers after which nobody knows.
fn doubts() -> Replies {
    let declined = "<status>declined</status><code>500</code>";
    vec![
        ("500", json!({"http": 500})),
        ("503 with a decline", xml(503, declined)),
        ("500 with 110", xml(500, "<status>error</status><code>110</code>")),
        ("408", json!({"http": 408})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("a page", says(200, json!("<html>hello</html>"))),
        ("JSON", says(200, json!({"status": "declined", "code": 500}))),
        ("nothing", says(200, json!(""))),
        ("cut", says(200, json!("<payment_response><status>declined</status><code>500</code>"))),
        (
            "a DOCTYPE with entities",
            says(200, json!("<!DOCTYPE p [<!ENTITY x \"y\">]><payment_response><status>&x;</status></payment_response>")),
        ),
        ("no code", error("")),
        ("no status", xml(200, "")),
        ("sent before", error(ALREADY_USED)),
        ("approved without an id", xml(200, "<status>approved</status>")),
        (
            "approved with a code",
            xml(200, &format!("<status>approved</status><unique_id>{UNIQUE_ID}</unique_id><code>340</code>")),
        ),
        (
            "pending_async without an address",
            xml(200, &format!("<status>pending_async</status><unique_id>{UNIQUE_ID}</unique_id>")),
        ),
    ]
}

/// Answers that are not believed, which a person should see.
fn disbelieved() -> Replies {
    let challenge = |inner: &str| xml(200, &format!("<status>pending_async</status><unique_id>{UNIQUE_ID}</unique_id>{inner}"));
    let check = |url: &str, time: &str| {
        challenge(&format!(
            "<threeds_method_url>{url}</threeds_method_url><threeds_method_continue_url>{url}</threeds_method_continue_url>{time}"
        ))
    };
    let time = "<timestamp>2026-01-02T03:04:05Z</timestamp>";
    vec![
        ("another transaction", xml(200, "<status>approved</status><transaction_id>64a1f2b3c4d5e6f7a8b9c0d1</transaction_id>")),
        ("another amount", xml(200, "<status>approved</status><amount>100</amount>")),
        ("an amount with decimals", xml(200, "<status>approved</status><amount>504.00</amount>")),
        ("another currency", xml(200, "<status>declined</status><code>500</code><currency>USD</currency>")),
        ("no id of the gateway", xml(200, "<status>approved</status><unique_id>1</unique_id>")),
        ("a part approved", xml(200, "<status>approved</status><amount>30000</amount><partial_approval>true</partial_approval>")),
        ("an unknown status", xml(200, "<status>exploded</status>")),
        ("a script to go to", challenge("<redirect_url>javascript:alert(1)</redirect_url>")),
        ("an open address to go to", challenge("<redirect_url>http://acs.example/x</redirect_url>")),
        ("a device check elsewhere", check("https://elsewhere.example/threeds/threeds_method", time)),
    ]
}

/// What browsers say of themselves.
async fn browsers(stage: &mut Stage, book: &mut Book) {
    for said in [
        r#"{"language":"en-GB-oxendict","colorDepth":30}"#,
        r#"{"language":"zh-Hant-TW","colorDepth":24}"#,
        r#"{"language":"sr-Latn-RS","colorDepth":48}"#,
        r#"{"language":"ca-ES-valencia","colorDepth":64}"#,
        r#"{"language":"de-CH-1996","colorDepth":30.0}"#,
        r#"{"language":"en-US-u-hc-h12","colorDepth":23}"#,
        r#"{"language":"en-US@posix","colorDepth":1}"#,
        r#"{"language":"es-419","colorDepth":3e1}"#,
        r#"{"language":"i-klingon","colorDepth":12}"#,
        r#"{"screenHeight":0,"screenWidth":0}"#,
        r#"{"screenHeight":869.3333,"screenWidth":411.42857142857144}"#,
        r#"{"timeZoneOffset":-840,"screenHeight":99999,"javaEnabled":true}"#,
        r#"{"timeZoneOffset":209.5,"language":"","acceptHeader":"text/html"}"#,
        r#"{"colorDepth":0}"#,
        r#"{"colorDepth":65}"#,
        r#"{"colorDepth":"30"}"#,
        r#"{"language":5}"#,
        r#"{"language":"toolonglanguage"}"#,
        r#"{"screenHeight":-1}"#,
        r#"{"screenWidth":100000}"#,
        r#"{"timeZoneOffset":841}"#,
        r#"{"javaEnabled":"no"}"#,
    ] {
        let browser = format!(r#""userAgent":"Mozilla/5.0",{}"#, &said[1..said.len() - 1]);
        let body = order("10.00", FRICTIONLESS).replace(r#""userAgent":"Mozilla/5.0""#, &browser);
        row(stage, book, &format!("browser {said}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}

async fn brands(stage: &mut Stage, book: &mut Book) {
    for pan in [
        "6250941006528599",
        "8171999900000000",
        "5019717010103742",
        "6362970000457013",
        "6062825624254001",
        "5060990580000217499",
        "2200000000000004",
        "6073849700004947",
        "2221000000000009",
        "6011000990139424",
        "3566002020360505",
        "6759649826438453",
        "9792000000000003",
    ] {
        let body = order("10.00", pan);
        row(stage, book, &format!("brand of {pan}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}

// --- what the account decides -----------------------------------------------------------------

pub(super) async fn of_the_account(stage: &mut Stage, book: &mut Book) {
    open_words(stage, book).await;
    whole_order(stage, book).await;
    for (name, reply) in [
        ("as it is", None),
        ("401", Some(xml(401, "<status>error</status><code>110</code>"))),
        ("401 without a body", Some(json!({"http": 401}))),
        ("110", Some(code(110))),
        ("220", Some(code(220))),
        ("101", Some(code(101))),
        ("503", Some(json!({"http": 503}))),
        ("429", Some(json!({"http": 429}))),
        ("a payment", Some(xml(200, "<status>approved</status>"))),
    ] {
        row(stage, book, &format!("test connection: {name}"), async |scene| connection(scene, reply).await).await;
    }
    for (name, config, body) in [
        ("another currency", json!({}), order("506.00", FRICTIONLESS).replace("\"EUR\"", "\"USD\"")),
        ("no user name", json!({"username": null}), order("506.00", FRICTIONLESS)),
        ("no password", json!({"password": null}), order("506.00", FRICTIONLESS)),
        ("no terminal", json!({"apiKey": null}), order("506.00", FRICTIONLESS)),
        ("billing required", json!({"requireBilling": true}), order("506.00", FRICTIONLESS)),
        ("billing required, all there", json!({"requireBilling": true}), order_with("506.00", FRICTIONLESS, BILLING)),
        ("pay-out", json!({}), order("506.00", FRICTIONLESS).replace("\"PAYIN\"", "\"PAYOUT\"")),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            configured(scene, config).await?;
            let taken = scene.pay(&body).await;
            let as_it_was = json!({"username": USER, "password": PASSWORD, "apiKey": TERMINAL, "requireBilling": false});
            configured(scene, as_it_was).await?;
            taken.map(drop)
        };
        row(stage, book, &format!("account: {name}"), work).await;
    }
    wants_billing(stage, book).await;
    for digest in ["sha256", "sha512"] {
        notified_by(stage, book, digest).await;
    }
}

const BILLING: &str = r#""userIp":"198.51.100.7","countryCode":"CA","address":{"line1":"1 Main St","line2":"2nd floor","postalCode":"K1A 0B1","state":"ON","city":"Ottawa"}"#;

async fn configured(scene: &Scene<'_>, config: Value) -> Result<()> {
    let method = scene.client().method_of("EMERCHANTPAY").await?;
    let path = format!("/payment-methods/{method}");
    let set = scene.client().manage("PATCH", &path, Some(json!({"config": config}))).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    Ok(())
}

async fn connection(scene: &mut Scene<'_>, reply: Option<Value>) -> Result<()> {
    if let Some(reply) = reply {
        scene.next(about(RECONCILE, "<transaction_id>", reply)).await?;
    }
    let method = scene.client().method_of("EMERCHANTPAY").await?;
    scene.know(&method, "method");
    let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), None).await?;
    scene.did("test", answer);
    Ok(())
}

/// Open at once, with nothing for the payer to do.
async fn open_words(stage: &mut Stage, book: &mut Book) {
    for (number, word) in ["pending", "in_progress", "pending_hold", "pending_review"].into_iter().enumerate() {
        let reply =
            xml(200, &format!("<status>{word}</status><unique_id>44177a21403427eb96664a6d7e5d5f{number:02x}</unique_id>"));
        answered(stage, book, word, reply).await;
    }
    let approved = |number: u8, more: &str| {
        xml(200, &format!("<status>approved</status><unique_id>44177a21403427eb96664a6d7e5d60{number:02x}</unique_id>{more}"))
    };
    answered(stage, book, "approved, the rest left out", approved(1, "")).await;
    answered(stage, book, "approved, another brand", approved(2, "<card_brand>troy</card_brand>")).await;
    let work = async |scene: &mut Scene<'_>| {
        scene.next(at(PROCESS, approved(3, "<card_brand>troy</card_brand>"))).await?;
        scene.pay(&order("504.00", "9792000000000003")).await.map(drop)
    };
    row(stage, book, "process: approved, a brand that only the gateway knows", work).await;
    let url = "<redirect_url>https://acs.example/challenge</redirect_url>";
    answered(
        stage,
        book,
        "sent elsewhere for the challenge",
        xml(200, &format!("<status>pending_async</status><unique_id>44177a21403427eb96664a6d7e5d6100</unique_id>{url}")),
    )
    .await;
}

/// Everything that an order may have.
async fn whole_order(stage: &mut Stage, book: &mut Book) {
    let plain = order("100.00", FRICTIONLESS);
    let many = order_with("100.00", FRICTIONLESS, &format!(r#""phone":"4915112345678","usage":"A & B <x>",{BILLING}"#));
    let browser = r#"{"userAgent":"Mozilla/5.0","acceptHeader":"text/html","language":"de-DE","javaEnabled":true,"colorDepth":32,"screenHeight":900,"screenWidth":1440,"timeZoneOffset":-60}"#;
    for (name, body) in [
        ("with everything", many.replace(r#"{"userAgent":"Mozilla/5.0"}"#, browser)),
        ("without addresses to return to", plain.replace("hppSuccessUrl", "note1").replace("hppFailureUrl", "note2")),
        ("without a browser", plain.replace(r#""browser":{"userAgent":"Mozilla/5.0"},"#, "")),
        ("a card that has expired", plain.replace("2030", "2020")),
        ("a number that is none", plain.replace(FRICTIONLESS, "4012000000060086")),
        ("a CVV that is too long", plain.replace(r#""cvv":"123""#, r#""cvv":"12345""#)),
        ("a number for a name", plain.replace("\"cardHolderName\":\"John Doe\"", "\"cardHolderName\":\"4012000000060085\"")),
        ("usage too long", order_with("100.00", FRICTIONLESS, &format!(r#""usage":"{}""#, "u".repeat(256)))),
    ] {
        row(stage, book, &format!("order {name}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    for country in ["US", "CA", "DE"] {
        row(stage, book, &format!("order from {country} without a state"), async |scene| is_from(scene, country).await).await;
    }
}

/// The country is the user's own: a claim of the user token of a company that keeps no key for them.
async fn is_from(scene: &mut Scene<'_>, country: &str) -> Result<()> {
    let claims = json!({
        "userId": "user_123", "email": "player@example.com", "firstName": "John", "lastName": "Doe", "countryCode": country,
    });
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let mut client = scene.client().clone();
    client.user_token = [part(json!({"alg": "HS256", "typ": "JWT"})), part(claims), URL_SAFE_NO_PAD.encode("unsigned")].join(".");
    let body = order_with("100.00", FRICTIONLESS, r#""address":{"line1":"1 Main St"}"#);
    let answer = client.cashier(&body).await?;
    let id = answer.text("/transaction/transactionId");
    if !id.is_empty() {
        scene.adopt(id);
    }
    scene.did(format!("cashier, {country}: {body}"), answer);
    Ok(())
}

async fn at_the_gateway(stage: &Stage, more: Value) {
    let mut account = json!({"username": USER, "password": PASSWORD, "currency": "EUR"});
    if let (Some(all), Some(more)) = (account.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    let put = stage.hands().client.control("PUT", &format!("/emerchantpay/accounts/{TERMINAL}"), Some(account)).await;
    good(&put.expect("an account")).expect("an account");
}

/// A terminal as it is by default, which refuses what the account here did not require.
async fn wants_billing(stage: &mut Stage, book: &mut Book) {
    at_the_gateway(stage, json!({"wantsBilling": true})).await;
    let body = order("100.00", FRICTIONLESS);
    row(stage, book, "terminal: wants billing", async |scene| scene.pay(&body).await.map(drop)).await;
    let body = order_with("100.00", FRICTIONLESS, BILLING);
    row(stage, book, "terminal: has billing", async |scene| scene.pay(&body).await.map(drop)).await;
    at_the_gateway(stage, json!({})).await;
}

/// The gateway's own notification with another digest.
async fn notified_by(stage: &mut Stage, book: &mut Book, digest: &str) {
    at_the_gateway(stage, json!({"notificationDigest": digest})).await;
    set(stage, json!({"dropCallbacks": false})).await;
    let work = async |scene: &mut Scene<'_>| {
        opened(scene, "100.00", CHALLENGE).await?;
        scene.control("approve").await?;
        scene.until("Approved").await
    };
    row(stage, book, &format!("notified by {digest}"), work).await;
    set(stage, json!({"dropCallbacks": true})).await;
    at_the_gateway(stage, json!({})).await;
}
