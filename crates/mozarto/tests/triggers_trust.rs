//! Every trigger amount of the Trust sheet ("Simulator"), through our single-use page: how the transaction ends, the webhooks,
//! and Trust's own ledger; and that page itself.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::forms::Form;
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(60);
/// What the page of ours says when it is used, late or unknown.
const GONE: &str = "This payment link has expired or has already been used.";
const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");

#[tokio::test(flavor = "multi_thread")]
async fn trust_triggers() {
    // The sandbox itself opens the page, and the simulator presses Pay.
    let fast = World::start(BINARY, &["TRUST"], |options| options.time_scale(60).auto_settle(50));
    // Here the tests are the payer, and the second attempt comes late enough for the first to have been worked off.
    let slow = World::start(BINARY, &["TRUST"], |options| options.time_scale(2));
    // Three hours and a quarter are a minute.
    let hours = World::start(BINARY, &["TRUST"], |options| options.time_scale(240));
    let (fast, slow, hours) = tokio::try_join!(fast, slow, hours).expect("three sandboxes");
    let mut table = Table::new("Trust triggers");
    for digits in ["00", "08", "10", "04", "05", "06", "07", "11", "12"] {
        table.row(format!("PAYIN {digits}"), approved(fast.hands(), "EUR", format!("100.{digits}")));
    }
    table.row("PAYIN in JPY", approved(fast.hands(), "JPY", "500".to_owned()));
    table.row("PAYIN in KWD", approved(fast.hands(), "KWD", "50.100".to_owned()));
    for (amount, status, word) in
        [("101.01", "Declined", "70000"), ("101.02", "Cancelled", "0/3"), ("700.00", "Declined", "70000")]
    {
        table.row(format!("PAYIN {amount}"), ended(fast.hands(), amount, status, word));
    }
    table.row("PAYIN 09", late_success(slow.hands()));
    table.row("PAYIN 12 in a browser", line_drops(slow.hands()));
    table.row("PAYIN 03", invalid_details(hours.hands()));
    table.row("nobody opens the page", unopened(hours.hands()));
    table.row("nobody pays", unpaid(hours.hands()));
    table.end().await;
}

/// An account that can only believe what is signed.
#[tokio::test(flavor = "multi_thread")]
async fn without_web_services() {
    let world = World::start(BINARY, &["TRUST"], |options| options.time_scale(60).auto_settle(50)).await.expect("a sandbox");
    let hands = world.hands();
    let method = hands.client.method_of("TRUST").await.unwrap();
    let none = json!({"config": {"webServicesUsername": null, "webServicesPassword": null}});
    let changed = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(none)).await.unwrap();
    assert_eq!(changed.status, 200, "{}", changed.body);
    let mut table = Table::new("Trust without web services");
    for digits in ["00", "08", "10"] {
        table.row(format!("PAYIN {digits}"), approved(hands.clone(), "EUR", format!("110.{digits}")));
    }
    table.row("PAYIN 01", ended(hands.clone(), "111.01", "Declined", "70000"));
    table.row("PAYIN 02", ended(hands.clone(), "111.02", "Cancelled", "0/3"));
    table.end().await;
    let tested = hands.client.manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await.unwrap();
    assert_eq!(
        (&tested.body["data"]["ok"], &tested.body["data"]["message"]),
        (&json!(false), &json!("cannot be tested without web-services credentials"))
    );
}

// --- triggers ---------------------------------------------------------------------------------

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn paid(currency: &str, amount: &str) -> Value {
    json!({"direction": "in", "amount": amount, "currency": currency, "state": "settled"})
}

/// The answer to a pay-in, field for field.
async fn created(hands: &Hands, currency: &str, amount: &str) -> Result<Answer> {
    let answer = hands.client.cashier(&bodies::trust(currency, amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let (id, url) = (id_of(&answer), answer.text("/transaction/redirectUrl").to_owned());
    let number: Value = serde_json::from_str(amount.trim_end_matches('0').trim_end_matches('.'))?;
    let number = if amount.contains('.') { number } else { serde_json::from_str(amount)? };
    let expected = json!({
        "status": "success", "message": "Successfully", "isSuccess": true,
        "data": {"status": "PENDING", "transaction_status": "Pending", "paymentUrl": url, "expiresAt": "<time>", "transactionId": id,
            "sessionId": answer.text("/transaction/sessionId"), "merchantReference": "ORDER-REF-001", "amount": number},
        "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    ensure!(url.starts_with(&format!("{}/pay/", hands.client.base)), "the page is {url}");
    Ok(answer)
}

async fn approved(hands: Hands, currency: &str, amount: String) -> Result<()> {
    let id = id_of(&created(&hands, currency, &amount).await?);
    let data = hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    let reference = data["pspTransactionId"].as_str().unwrap_or_default();
    ensure!(reference.starts_with("42-"), "pspTransactionId is {reference}");
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("trust", &id, &paid(currency, &amount)).await?;
    Ok(())
}

async fn ended(hands: Hands, amount: &str, status: &str, word: &str) -> Result<()> {
    let id = id_of(&created(&hands, "EUR", amount).await?);
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("trust", &id).await
}

/// Opens the page of ours and posts its form: Trust's page.
async fn posted(hands: &Hands, url: &str) -> Result<Answer> {
    let page = hands.client.send("GET", url, &[], None).await?;
    ensure!(page.status == 200, "the page: {}", page.status);
    Form::of(&page.bytes)?.post(&hands.client, url, &[]).await
}

/// Presses a button of Trust's page.
async fn pressed(hands: &Hands, page: &Answer, button: &str) -> Result<Answer> {
    let form = Form::of(&page.bytes)?;
    form.post(&hands.client, &hands.client.simulator, &[("method", "VISA"), ("action", button)]).await
}

async fn late_success(hands: Hands) -> Result<()> {
    let answer = created(&hands, "EUR", "102.09").await?;
    let id = id_of(&answer);
    let page = posted(&hands, answer.text("/data/paymentUrl")).await?;
    pressed(&hands, &page, "pay").await?;
    let declined = hands.ends_as(&id, "Declined", "70000", LIMIT).await?;
    let data = hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    ensure!(data["pspTransactionId"] != declined["pspTransactionId"], "the payment that succeeded has a reference of its own");
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("trust", &id, &paid("EUR", "102.09")).await?;
    Ok(())
}

async fn line_drops(hands: Hands) -> Result<()> {
    let answer = created(&hands, "EUR", "103.12").await?;
    let id = id_of(&answer);
    let page = posted(&hands, answer.text("/data/paymentUrl")).await?;
    ensure!(pressed(&hands, &page, "pay").await.is_err(), "the connection is closed");
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("trust", &id, &paid("EUR", "103.12")).await?;
    Ok(())
}

async fn expires(hands: &Hands, id: &str) -> Result<()> {
    hands.ends_as(id, "Expired", "EXPIRED", LIMIT * 2).await?;
    hands.webhooks(id, &["Expired"], LIMIT).await?;
    hands.nothing_moved("trust", id).await
}

/// Created, opened and posted, where five minutes are little more than a second: a page that a busy machine opens too late has
/// run out as it should.
async fn in_time(hands: &Hands, amount: &str) -> Result<(Answer, Answer)> {
    for _ in 0..10 {
        let answer = created(hands, "EUR", amount).await?;
        if let Ok(page) = posted(hands, answer.text("/data/paymentUrl")).await {
            return Ok((answer, page));
        }
    }
    anyhow::bail!("no page opens")
}

async fn invalid_details(hands: Hands) -> Result<()> {
    let (answer, page) = in_time(&hands, "104.03").await?;
    ensure!(page.status == 200 && text(&page).contains("Invalid details"), "{}", page.status);
    expires(&hands, &id_of(&answer)).await
}

async fn unopened(hands: Hands) -> Result<()> {
    let answer = created(&hands, "EUR", "105.00").await?;
    expires(&hands, &id_of(&answer)).await?;
    let late = hands.client.send("GET", answer.text("/data/paymentUrl"), &[], None).await?;
    ensure!(late.status == 410 && text(&late).contains(GONE), "{}", late.status);
    Ok(())
}

async fn unpaid(hands: Hands) -> Result<()> {
    let (answer, _) = in_time(&hands, "106.00").await?;
    expires(&hands, &id_of(&answer)).await
}

// --- the page of ours -------------------------------------------------------------------------

fn text(page: &Answer) -> String {
    String::from_utf8_lossy(&page.bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_ours() {
    let world = World::start(BINARY, &["TRUST"], |options| options).await.expect("a sandbox");
    let mut table = Table::new("Trust: the page");
    table.row("served once", served_once(world.hands()));
    table.row("looking ahead uses nothing up", looked_at(world.hands()));
    table.row("headers and policy", headers(world.hands()));
    table.row("a repeated create", repeated(world.hands()));
    table.row("unknown", unknown(world.hands()));
    table.row("back to the merchant", returned(world.hands()));
    table.row("cancelled by the payer", cancelled(world.hands()));
    table.row("billing fields", billing(world.hands()));
    table.end().await;
}

async fn page_of(hands: &Hands) -> Result<(String, String)> {
    let answer = created(hands, "EUR", "100.00").await?;
    Ok((id_of(&answer), answer.text("/data/paymentUrl").to_owned()))
}

async fn served_once(hands: Hands) -> Result<()> {
    for _ in 0..5 {
        let (id, url) = page_of(&hands).await?;
        let get = || hands.client.send("GET", &url, &[], None);
        let answers = tokio::join!(get(), get(), get());
        let mut answers = [answers.0?, answers.1?, answers.2?];
        answers.sort_by_key(|answer| answer.status);
        let statuses = answers.each_ref().map(|answer| answer.status);
        ensure!(statuses == [200, 410, 410], "{statuses:?}");
        let gone = text(&answers[1]);
        ensure!(
            gone.contains(GONE)
                && !gone.contains(&id)
                && !gone.contains("100.00")
                && !gone.contains("EUR")
                && !gone.contains("Demo company"),
            "{gone}"
        );
        let form = Form::of(&answers[0].bytes)?;
        ensure!(form.all("orderreference") == [id.as_str()] && form.all("ruleidentifier") == ["STR-6", "STR-7", "STR-10"]);
        ensure!(form.all("stextraurlnotifyfields").len() == 10 && form.all("sitesecurity")[0].starts_with('h'));
        // A token that a browser sees is none that another page, or the callback, has: the address for notifications in the form
        // has one of its own.
        let tokens = [&url, form.all("successfulurlredirect")[0].trim_end_matches("/success"), form.all("allurlnotification")[0]]
            .map(|url: &str| url.rsplit('/').next().unwrap_or_default().to_owned());
        ensure!(
            tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2] && tokens[0].len() == 43,
            "{tokens:?}"
        );
        ensure!(hands.managed(&id).await?["transaction_status"] == "Pending");
    }
    Ok(())
}

async fn looked_at(hands: Hands) -> Result<()> {
    let (_, url) = page_of(&hands).await?;
    for (method, header) in
        [("HEAD", ("accept", "*/*")), ("GET", ("sec-purpose", "prefetch;prerender")), ("GET", ("purpose", "prefetch"))]
    {
        let answer = hands.client.send(method, &url, &[header], None).await?;
        ensure!(answer.status == 200 && answer.bytes.is_empty(), "{method} {header:?}: {}", answer.status);
        ensure!(answer.header("cache-control") == Some("no-store"), "{method} {header:?}");
    }
    let answer = hands.client.send("GET", &url, &[], None).await?;
    ensure!(answer.status == 200 && !answer.bytes.is_empty(), "used up: {}", answer.status);
    Ok(())
}

async fn headers(hands: Hands) -> Result<()> {
    let (_, url) = page_of(&hands).await?;
    let opened = hands.client.send("GET", &url, &[], None).await?;
    let used = hands.client.send("GET", &url, &[], None).await?;
    for answer in [&opened, &used] {
        for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-robots-tag", "noindex")] {
            ensure!(answer.header(name) == Some(value), "{}: {name} is {:?}", answer.status, answer.header(name));
        }
    }
    let policy = opened.header("content-security-policy").context("no policy")?;
    let nonce = policy.split_once("script-src 'nonce-").and_then(|(_, rest)| rest.split_once('\'')).context("no nonce")?.0;
    let origin = hands.client.simulator.trim_end_matches('/');
    let expected = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; form-action {origin}; frame-ancestors 'none'; base-uri 'none'"
    );
    ensure!(policy == expected, "{policy}");
    let page = text(&opened);
    ensure!(page.contains(&format!("<script nonce=\"{nonce}\">")) && page.contains("Continue to payment"), "{page}");
    let action = Form::of(&opened.bytes)?.action;
    ensure!(action == format!("{origin}/trust/process/payments/choice"), "{action}");
    Ok(())
}

async fn repeated(hands: Hands) -> Result<()> {
    let body = bodies::trust("EUR", "100.00");
    let first = hands.client.cashier_with_key(&body, "trust-page-1").await?;
    let url = first.text("/data/paymentUrl");
    let opened = hands.client.send("GET", url, &[], None).await?;
    ensure!(opened.status == 200, "{}", opened.status);
    let again = hands.client.cashier_with_key(&body, "trust-page-1").await?;
    ensure!(again.bytes == first.bytes, "{}", again.body);
    ensure!(hands.client.send("GET", url, &[], None).await?.status == 410, "a replay makes no new page");
    Ok(())
}

async fn unknown(hands: Hands) -> Result<()> {
    for token in ["x", &"A".repeat(43), &"A".repeat(500)] {
        let answer = hands.client.send("GET", &format!("{}/pay/{token}", hands.client.base), &[], None).await?;
        ensure!(answer.status == 404 && text(&answer).contains(GONE), "{token}: {}", answer.status);
    }
    Ok(())
}

async fn returned(hands: Hands) -> Result<()> {
    let mut body: Value = serde_json::from_str(&bodies::trust("EUR", "100.00"))?;
    body["hppSuccessUrl"] = json!("https://merchant.example/paid?a=b");
    let answer = hands.client.cashier(&body.to_string()).await?;
    let id = id_of(&answer);
    let page = posted(&hands, answer.text("/data/paymentUrl")).await?;
    let back = pressed(&hands, &page, "pay").await?;
    let location = back.header("location").unwrap_or_default().to_owned();
    ensure!(
        back.status == 303 && location.contains("/return/trust/") && location.contains("/success?"),
        "{} {location}",
        back.status
    );
    let merchant = hands.client.send("GET", &location, &[], None).await?;
    let session = answer.text("/transaction/sessionId");
    let expected = format!(
        "https://merchant.example/paid?a=b&transactionId={id}&sessionId={session}&merchantReference=ORDER-REF-001&result=success"
    );
    ensure!(merchant.status == 303 && merchant.header("location") == Some(&expected), "{:?}", merchant.header("location"));
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// The payer's own cancel is told by a redirect alone, which never decides.
async fn cancelled(hands: Hands) -> Result<()> {
    let answer = created(&hands, "EUR", "100.00").await?;
    let id = id_of(&answer);
    let page = posted(&hands, answer.text("/data/paymentUrl")).await?;
    let back = pressed(&hands, &page, "cancel").await?;
    let location = back.header("location").unwrap_or_default().to_owned();
    ensure!(location.contains("/failure?"), "{} {location}", back.status);
    let merchant = hands.client.send("GET", &location, &[], None).await?;
    let target = merchant.header("location").unwrap_or_default();
    ensure!(merchant.status == 303 && target.contains("/return?") && target.ends_with("&result=failure"), "{target}");
    // One that lies is navigation too.
    let forged = format!("{}?errorcode=0&settlestatus=0&orderreference={id}", location.split('?').next().unwrap_or_default());
    hands.client.send("GET", &forged.replace("/failure", "/success"), &[], None).await?;
    ensure!(hands.managed(&id).await?["transaction_status"] == "Pending", "a redirect changed the status");
    hands.webhooks(&id, &[], LIMIT).await
}

async fn billing(hands: Hands) -> Result<()> {
    let mut body: Value = serde_json::from_str(&bodies::trust("EUR", "100.00"))?;
    body["address"] = json!({"line1": "1 <High> \"St\" & co", "country": "Germany", "city": 7});
    body["countryCode"] = json!("DE");
    let answer = hands.client.cashier(&body.to_string()).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let page = hands.client.send("GET", answer.text("/data/paymentUrl"), &[], None).await?;
    let form = Form::of(&page.bytes)?;
    ensure!(form.all("billingpremise") == ["1 <High> \"St\" & co"] && form.all("billingcountryiso2a") == ["DE"], "{form:?}");
    ensure!(form.all("billingtown").is_empty(), "{form:?}");
    let events = hands.client.status(&id_of(&answer)).await?.body["data"]["events"].to_string();
    ensure!(events.contains("left out of the form: address.city, address.country"), "{events}");
    Ok(())
}

// --- card data --------------------------------------------------------------------------------

const CARD_NUMBER: &str = "4111110000000211";

#[tokio::test(flavor = "multi_thread")]
async fn card_data_is_refused_and_forgotten() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("all.log");
    let world = World::start_in(data, BINARY, &["TRUST"], |options| options.trace_into(&log)).await.expect("a sandbox");
    let hands = world.hands();
    let mut body: Value = serde_json::from_str(&bodies::trust("EUR", "100.00")).unwrap();
    body["merchantReference"] = json!("WITH-A-CARD");
    for (more, errors) in [
        (json!({"card": {"pan": CARD_NUMBER, "CVV": "987"}}), vec!["card", "card.pan", "card.CVV"]),
        (json!({"PAN": null}), vec!["PAN"]),
        (json!({"address": {"x": [{"Expiry": "12/30"}]}, "baseamount": "nonsense"}), vec!["address.x[0].Expiry"]),
    ] {
        let mut sent = body.clone();
        for (name, value) in more.as_object().unwrap() {
            sent[name] = value.clone();
        }
        let answer = hands.client.cashier_with_key(&sent.to_string(), "with-a-card").await.unwrap();
        let sentence = |path: &str| format!("{path} is not accepted: card details are entered on the Trust Payments page");
        let field = |path: &&str| json!({"field": path, "code": "invalid", "message": sentence(path)});
        let expected = json!({"status": "error", "message": "Validation failed", "isSuccess": false,
            "errors": errors.iter().map(|path| sentence(path)).collect::<Vec<_>>(),
            "fields": errors.iter().map(field).collect::<Vec<_>>()});
        assert_eq!((answer.status, &answer.body), (400, &expected));
    }
    let found = hands.client.read("/v1/api/mozarto/transactions?merchantReference=WITH-A-CARD").await.unwrap();
    assert_eq!((found.status, &found.body["data"]["items"]), (200, &json!([])));
    // No idempotency record either: the key is free for another body.
    let clean = hands.client.cashier_with_key(&body.to_string(), "with-a-card").await.unwrap();
    assert_eq!(clean.status, 200, "{}", clean.body);
    let mut files = 0;
    let mut folders = vec![world.data().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                files += 1;
                assert!(!bytes.windows(CARD_NUMBER.len()).any(|part| part == CARD_NUMBER.as_bytes()), "{}", path.display());
            }
        }
    }
    assert!(files >= 2 && std::fs::metadata(&log).unwrap().len() > 1_000, "the log and the store were looked at");
}
