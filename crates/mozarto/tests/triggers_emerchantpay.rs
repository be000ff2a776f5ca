//! Every trigger amount of the eMerchantPay sheet ("Simulator") and the way of every published card, the browser's steps done by
//! an HTTP client: the answer, how the transaction ends, the webhooks, and the gateway's own ledger.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(30);
const FRICTIONLESS: &str = "4012000000060085";
const CHALLENGE: &str = "4918190000000002";
const CHECK_THEN_CHALLENGE: &str = "4938730000000001";

#[tokio::test(flavor = "multi_thread")]
async fn emerchantpay_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let world = World::start(binary, &["EMERCHANTPAY"], |options| {
        options.time_scale(30).variable("MOZARTO_PROVIDERS_EMERCHANTPAY_NOT_FOUND_AFTER_SECONDS", "60")
    });
    let settling = World::start(binary, &["EMERCHANTPAY"], |options| options.time_scale(30).auto_settle(50));
    let (world, settling) = tokio::try_join!(world, settling).expect("two sandboxes");
    let mut table = Table::new("eMerchantPay triggers");
    for digits in ["00", "08", "10", "11", "12", "47"] {
        table.row(format!("{digits} at once"), approved_at_once(world.hands(), FRICTIONLESS, format!("100.{digits}")));
    }
    for digits in ["00", "08", "10"] {
        table.row(format!("{digits} after a challenge"), challenged(world.hands(), CHALLENGE, format!("101.{digits}")));
    }
    for (card, digits) in [(CHALLENGE, "11"), (CHECK_THEN_CHALLENGE, "12")] {
        table.row(format!("{digits}, whatever the card"), approved_at_once(world.hands(), card, format!("102.{digits}")));
    }
    table.row("01 at once", declined_at_once(world.hands(), FRICTIONLESS, "103.01", Some("05")));
    table.row("09 at once", late_success(world.hands()));
    for card in [CHALLENGE, CHECK_THEN_CHALLENGE] {
        table.row(format!("01 with {card}"), ended(world.hands(), card, "104.01", "Declined", "declined"));
        table.row(format!("09 with {card}"), late_after_challenge(world.hands(), card));
    }
    for card in [FRICTIONLESS, CHALLENGE, CHECK_THEN_CHALLENGE, "4901170000000003"] {
        table.row(format!("02 with {card}"), ended(world.hands(), card, "105.02", "Cancelled", "cancelled"));
        table.row(format!("03 with {card}"), ended(world.hands(), card, "105.03", "Expired", "timeout"));
    }
    for digits in ["04", "05"] {
        table.row(digits, nothing_taken(world.hands(), format!("106.{digits}")));
    }
    table.row("06", failed(world.hands(), "106.06", LIMITED));
    table.row("07", failed(world.hands(), "106.07", CREDENTIALS));
    cards(&mut table, &world);
    table.row("the payer fails", pressed(world.hands(), "decline", "Declined", "declined"));
    table.row("the payer cancels", pressed(world.hands(), "cancel", "Cancelled", "cancelled"));
    table.row("nobody opens the page", never_opened(world.hands()));
    table.row("a device check that never ends", no_device_check(world.hands()));
    table.row("a check page opened again", opened_again(world.hands()));
    table.row("the browser's own words decide nothing", only_navigation(world.hands()));
    table.row("settles by itself after a device check", settles(settling.hands(), CHECK_THEN_CHALLENGE));
    table.row("settles by itself", settles(settling.hands(), CHALLENGE));
    table.row("nothing of the card is kept", nothing_kept(world.hands()));
    table.end().await;
}

/// The published cards with an amount that ends in nothing particular.
fn cards(table: &mut Table, world: &World) {
    for card in ["4200000000000000", "5555555555554444", FRICTIONLESS, "4012001036853337", "378282246310005"] {
        table.row(format!("card {card}"), approved_at_once(world.hands(), card, "110.00".to_owned()));
    }
    for card in ["4111111111111111", "5105105105105100"] {
        table.row(format!("card {card}"), declined_at_once(world.hands(), card, "111.00", Some("05")));
    }
    table.row("card 4012001037461114", declined_at_once(world.hands(), "4012001037461114", "111.00", None));
    for card in ["4012001037484447", "4012001036273338"] {
        table.row(format!("card {card}"), error_at_once(world.hands(), card));
    }
    for card in [CHALLENGE, "4901170000000003", "4711100000000000", CHECK_THEN_CHALLENGE, "4901164281364345"] {
        table.row(format!("card {card}"), challenged(world.hands(), card, "112.00".to_owned()));
    }
    table.row("card 4066330000000004", checked(world.hands(), "4066330000000004"));
}

/// A row of the error table: HTTP status, code, whether it may be tried again, message.
type Failure = (u16, &'static str, bool, &'static str);

const LIMITED: Failure = (429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests.");
const CREDENTIALS: Failure =
    (400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials.");

fn body(amount: &str, pan: &str) -> String {
    let body = bodies::emerchantpay(amount, pan);
    // American Express has four digits.
    if pan.starts_with("37") { body.replace(r#""cvv":"123""#, r#""cvv":"1234""#) } else { body }
}

fn transaction(amount: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "EMERCHANTPAY", "type": "PAYIN", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": "EUR", "brandId": "", "merchantReference": "ORDER-REF-001", "userId": "user_123",
        "pspTransactionId?": "<text>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn number(amount: &str) -> Value {
    let text = amount.trim_end_matches('0').trim_end_matches('.');
    serde_json::from_str(text).expect("an amount is a number")
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn paid(amount: &str) -> Value {
    json!({"direction": "in", "amount": amount, "currency": "EUR", "state": "settled"})
}

/// `data` of an answer that is no refusal, and the whole answer around it.
fn taken(answer: &Answer, amount: &str, pan: &str, message: &str, word: &str, status: &str) -> Result<()> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let brand = match &pan[..1] {
        "4" => "VISA",
        "5" => "MASTERCARD",
        _ => "AMEX",
    };
    let mut expected = json!({
        "status": "success", "message": message, "isSuccess": true,
        "data": {
            "status": word, "transaction_status": status, "transactionId": id_of(answer), "sessionId": answer.text("/transaction/sessionId"),
            "uniqueId": answer.text("/transaction/pspTransactionId"), "amount": number(amount), "merchantReference": "ORDER-REF-001",
            "card": {"brand": brand, "first6": pan[..6], "last4": pan[pan.len() - 4..], "expMonth": "12", "expYear": "2030"},
        },
        "transaction": transaction(amount, status, word),
    });
    if status == "Pending" {
        expected["data"]["url"] = json!("<url>");
        ensure!(answer.text("/transaction/redirectUrl") == answer.text("/data/url"), "another redirectUrl: {}", answer.body);
    }
    same_shape(&answer.body, &expected)
}

async fn approved_at_once(hands: Hands, pan: &str, amount: String) -> Result<()> {
    let answer = hands.client.cashier(&body(&amount, pan)).await?;
    taken(&answer, &amount, pan, "Transaction approved", "approved", "Approved")?;
    let id = id_of(&answer);
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    let webhook = hands.sink.about(&id)[0].body.clone();
    ensure!(webhook["method"] == "EMERCHANTPAY_PAYIN", "{webhook}");
    hands.moved_once("emerchantpay", &id, &paid(&amount)).await?;
    Ok(())
}

async fn declined_at_once(hands: Hands, pan: &str, amount: &str, response_code: Option<&str>) -> Result<()> {
    let answer = hands.client.cashier(&body(amount, pan)).await?;
    is_declined(&answer, amount, response_code)?;
    let id = id_of(&answer);
    hands.webhooks(&id, &["Declined"], LIMIT).await?;
    hands.nothing_moved("emerchantpay", &id).await
}

fn is_declined(answer: &Answer, amount: &str, response_code: Option<&str>) -> Result<()> {
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let mut expected = json!({
        "status": "error", "message": "Transaction declined", "isSuccess": false, "errors": [], "transactionId": id_of(answer),
        "data": {
            "status": "declined", "transaction_status": "Declined", "uniqueId": answer.text("/transaction/pspTransactionId"),
            "code": "500", "merchantReference": "ORDER-REF-001",
        },
        "transaction": transaction(amount, "Declined", "declined"),
    });
    if let Some(code) = response_code {
        expected["data"]["responseCode"] = json!(code);
    }
    same_shape(&answer.body, &expected)
}

/// The authentication could not be made: no payment, and no error of the integration.
async fn error_at_once(hands: Hands, pan: &str) -> Result<()> {
    let answer = hands.client.cashier(&body("111.00", pan)).await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "error", "message": "<text>", "isSuccess": false, "errors": [], "transactionId": id_of(&answer),
        "data": {
            "status": "error", "transaction_status": "Failed", "uniqueId": answer.text("/transaction/pspTransactionId"), "code": "<text>",
            "merchantReference": "ORDER-REF-001",
        },
        "transaction": transaction("111.00", "Failed", "error"),
    });
    same_shape(&answer.body, &expected)?;
    hands.webhooks(&id_of(&answer), &["Failed"], LIMIT).await?;
    hands.nothing_moved("emerchantpay", &id_of(&answer)).await
}

async fn late_success(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&body("103.09", FRICTIONLESS)).await?;
    is_declined(&answer, "103.09", Some("05"))?;
    let id = id_of(&answer);
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("emerchantpay", &id, &paid("103.09")).await?;
    Ok(())
}

async fn nothing_taken(hands: Hands, amount: String) -> Result<()> {
    let answer = hands.client.cashier(&body(&amount, CHALLENGE)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let (id, text) = (id_of(&answer), "Transaction is being processed");
    let expected = json!({
        "status": "success", "message": text, "isSuccess": true,
        "data": {"message": text, "transactionId": id, "merchantReference": "ORDER-REF-001", "amount": number(&amount)},
        "transaction": transaction(&amount, "Pending", "unknown"),
    });
    same_shape(&answer.body, &expected)?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("emerchantpay", &id).await
}

async fn failed(hands: Hands, amount: &str, failure: Failure) -> Result<()> {
    let (http, code, retryable, message) = failure;
    let answer = hands.client.cashier(&body(amount, CHALLENGE)).await?;
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let word = code.to_lowercase();
    let expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id_of(&answer), "transaction": transaction(amount, "Failed", &word),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(answer.header("retry-after") == (http == 429).then_some("1"), "Retry-After: {:?}", answer.header("retry-after"));
    hands.webhooks(&id_of(&answer), &["Failed"], LIMIT).await?;
    hands.nothing_moved("emerchantpay", &id_of(&answer)).await
}

// --- a payer's browser ------------------------------------------------------------------------

/// A payment whose payer is sent somewhere: its id and the address.
async fn opened(hands: &Hands, pan: &str, amount: &str) -> Result<(String, String)> {
    let answer = hands.client.cashier(&body(amount, pan)).await?;
    taken(&answer, amount, pan, "3-D Secure authentication required", "pending_async", "Pending")?;
    Ok((id_of(&answer), answer.text("/data/url").to_owned()))
}

async fn get(hands: &Hands, url: &str) -> Result<Answer> {
    hands.client.send("GET", url, &[], None).await
}

async fn post(hands: &Hands, url: &str, form: String) -> Result<Answer> {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    hands.client.send("POST", url, &headers, Some(form.into_bytes())).await
}

fn page_of(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

/// The value of an attribute that follows a piece of the page.
fn after<'a>(page: &'a str, before: &str, attribute: &str) -> Result<&'a str> {
    let rest = page.split_once(before).with_context(|| format!("no {before} in {page}"))?.1;
    let rest = rest.split_once(&format!("{attribute}=\"")).with_context(|| format!("no {attribute} after {before}"))?.1;
    Ok(rest.split_once('"').context("an attribute that does not end")?.0)
}

/// Does the device check on our page, and follows the page; where the browser goes then.
async fn device_check(hands: &Hands, ours: &str, posts: bool) -> Result<Option<String>> {
    ensure!(ours.starts_with(&format!("{}/3ds/", hands.client.base)), "{ours} is no page of ours");
    let answer = get(hands, ours).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, page_of(&answer));
    let policy = answer.header("content-security-policy").unwrap_or_default().to_owned();
    ensure!(policy.contains(&format!("frame-src {}", hands.client.simulator)), "{policy}");
    let page = page_of(&answer);
    let action = after(&page, "<form", "action")?;
    ensure!(action == format!("{}/emerchantpay/threeds/threeds_method", hands.client.simulator), "it posts to {action}");
    if posts {
        let (id, signature) = (after(&page, "name=\"unique_id\"", "value")?, after(&page, "name=\"signature\"", "value")?);
        let done = post(hands, action, format!("unique_id={id}&signature={signature}")).await?;
        ensure!(done.status == 200, "the device check: {} {}", done.status, page_of(&done));
    }
    for _ in 0..200 {
        let way = get(hands, &format!("{ours}/next")).await?;
        ensure!(way.status == 200, "{} {}", way.status, page_of(&way));
        if let Some(url) = way.body["go"].as_str() {
            return Ok(Some(url.to_owned()));
        }
        if way.body["over"] == true {
            return Ok(None);
        }
        ensure!(way.body == json!({"wait": true}), "{}", way.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("the check page waits for ever")
}

/// To the gateway's page, over the device check where there is one.
async fn at_the_challenge(hands: &Hands, pan: &str, url: String) -> Result<String> {
    let has_check = matches!(pan, CHECK_THEN_CHALLENGE | "4901164281364345");
    let url = if has_check { device_check(hands, &url, true).await?.context("no challenge")? } else { url };
    let expected = format!("{}/emerchantpay/threeds/authentication/", hands.client.simulator);
    ensure!(url.starts_with(&expected), "the challenge is at {url}");
    Ok(url)
}

/// Presses a button of the challenge page, and comes back over our return page; the merchant's address, its query checked.
async fn press(hands: &Hands, id: &str, url: &str, button: &str) -> Result<String> {
    let page = get(hands, url).await?;
    ensure!(page.status == 200, "{} {}", page.status, page_of(&page));
    let back = post(hands, url, format!("action={button}")).await?;
    let mut back_url = back.header("location").unwrap_or_default().to_owned();
    if back.status == 200 {
        // The challenge has expired: its page has a link.
        let page = page_of(&back);
        let at = page.find(&format!("{}/return/", hands.client.base)).context("no way back")?;
        back_url = page[at..].split('"').next().unwrap_or_default().to_owned();
    }
    ensure!(back_url.starts_with(&format!("{}/return/emerchantpay/", hands.client.base)), "back to {back_url}");
    returned(hands, id, &back_url).await
}

async fn returned(hands: &Hands, id: &str, back_url: &str) -> Result<String> {
    let came = get(hands, back_url).await?;
    ensure!(came.status == 303, "{} {}", came.status, page_of(&came));
    let location = came.header("location").unwrap_or_default().to_owned();
    ensure!(location.contains(&format!("transactionId={id}")), "{location}");
    ensure!(location.contains("sessionId=") && location.contains("merchantReference=ORDER-REF-001"), "{location}");
    Ok(location)
}

async fn challenged(hands: Hands, pan: &str, amount: String) -> Result<()> {
    let (id, url) = opened(&hands, pan, &amount).await?;
    hands.nothing_moved("emerchantpay", &id).await?;
    let url = at_the_challenge(&hands, pan, url).await?;
    let location = press(&hands, &id, &url, "pay").await?;
    ensure!(location.starts_with("https://shop.example/ok?") && location.ends_with("&result=success"), "{location}");
    // The return asked at once.
    let data = hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    ensure!(data["message"] == "Transaction approved", "{data}");
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("emerchantpay", &id, &paid(&amount)).await?;
    Ok(())
}

/// An ending that the digits choose, whatever is pressed.
async fn ended(hands: Hands, pan: &str, amount: &str, status: &str, word: &str) -> Result<()> {
    let (id, url) = opened(&hands, pan, amount).await?;
    let url = at_the_challenge(&hands, pan, url).await?;
    let location = press(&hands, &id, &url, "pay").await?;
    ensure!(location.starts_with("https://shop.example/failed?a=b&") && location.ends_with("&result=failure"), "{location}");
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("emerchantpay", &id).await
}

async fn pressed(hands: Hands, button: &str, status: &str, word: &str) -> Result<()> {
    let (id, url) = opened(&hands, CHALLENGE, "113.00").await?;
    let location = press(&hands, &id, &url, button).await?;
    ensure!(location.ends_with("&result=failure"), "{location}");
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("emerchantpay", &id).await
}

async fn late_after_challenge(hands: Hands, pan: &str) -> Result<()> {
    let (id, url) = opened(&hands, pan, "104.09").await?;
    let url = at_the_challenge(&hands, pan, url).await?;
    press(&hands, &id, &url, "pay").await?;
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("emerchantpay", &id, &paid("104.09")).await?;
    Ok(())
}

/// A device check, then no challenge: the second call's answer is the outcome, and the page goes back to the merchant.
async fn checked(hands: Hands, pan: &str) -> Result<()> {
    let (id, url) = opened(&hands, pan, "114.00").await?;
    let location = device_check(&hands, &url, true).await?.context("the page has nowhere to go")?;
    ensure!(location.starts_with("https://shop.example/ok?") && location.ends_with("&result=success"), "{location}");
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("emerchantpay", &id, &paid("114.00")).await?;
    Ok(())
}

/// The browser never posts the check: after the 6 s the payment goes on all the same, once.
async fn no_device_check(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, CHECK_THEN_CHALLENGE, "115.00").await?;
    let challenge = device_check(&hands, &url, false).await?.context("no challenge")?;
    // Asked again: the same way, no second call.
    ensure!(device_check(&hands, &url, false).await? == Some(challenge.clone()), "another way");
    press(&hands, &id, &challenge, "pay").await?;
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    let calls = continued(&hands, &id).await?;
    ensure!(calls == 1, "continued {calls} times");
    hands.moved_once("emerchantpay", &id, &paid("115.00")).await?;
    Ok(())
}

/// How often the second call of a payment was made.
async fn continued(hands: &Hands, id: &str) -> Result<usize> {
    let unique_id = hands.managed(id).await?["pspTransactionId"].as_str().unwrap_or_default().to_owned();
    let calls = hands.client.control("GET", "/emerchantpay/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let is_continue = |call: &&Value| {
        call["method"] == "PUT" && call["path"].as_str().unwrap_or_default().ends_with(&format!("/threeds_method/{unique_id}"))
    };
    Ok(calls.iter().filter(is_continue).count())
}

async fn opened_again(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, "4066330000000004", "116.00").await?;
    let (first, second) = tokio::join!(device_check(&hands, &url, true), device_check(&hands, &url, false));
    let both = [first?, second?];
    ensure!(both.iter().flatten().all(|location| location.ends_with("&result=success")), "{both:?}");
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    let calls = continued(&hands, &id).await?;
    ensure!(calls == 1, "continued {calls} times");
    // Over: the browser goes straight back.
    let again = get(&hands, &url).await?;
    ensure!(again.status == 303, "{}", again.status);
    hands.moved_once("emerchantpay", &id, &paid("116.00")).await?;
    Ok(())
}

/// The gateway gives the payment up: nobody was ever asked to authenticate.
async fn never_opened(hands: Hands) -> Result<()> {
    let (id, _) = opened(&hands, CHECK_THEN_CHALLENGE, "117.00").await?;
    let answer = hands.client.control("POST", &format!("/emerchantpay/{id}/decline"), None).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    hands.ends_as(&id, "Expired", "declined", LIMIT).await?;
    hands.webhooks(&id, &["Expired"], LIMIT).await?;
    ensure!(continued(&hands, &id).await? == 0, "it was continued");
    hands.nothing_moved("emerchantpay", &id).await
}

/// A browser that comes back with success proves nothing; forged ends of a device check and foreign tokens neither.
async fn only_navigation(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, CHALLENGE, "118.00").await?;
    let success = told_to_gateway(&hands, &id, "return_success_url").await?;
    let back = success.strip_suffix("/success").context("a return address without its word")?;
    let location = returned(&hands, &id, &format!("{back}/success")).await?;
    ensure!(location.ends_with("&result=success"), "{location}");
    ensure!(get(&hands, &format!("{back}/sesame")).await?.status == 404, "an unknown word");
    let data = hands.client.status(&id).await?;
    ensure!(data.text("/data/transaction_status") == "Pending", "{}", data.body);
    // The end of a device check that nobody asked for.
    let check = told_to_gateway(&hands, &id, "callback_url").await?;
    let forged = format!("unique_id={}&threeds_method_status=completed&signature={}", "4".repeat(32), "0".repeat(128));
    ensure!(post(&hands, &check, forged).await?.status == 200, "it is kept quiet");
    ensure!(get(&hands, &check).await?.status == 405, "it is posted");
    let other = get(&hands, &format!("{}/return/emerchantpay/{}/success", hands.client.base, "A".repeat(43))).await?;
    ensure!(other.status == 404, "{}", other.status);
    press(&hands, &id, &url, "pay").await?;
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    Ok(())
}

/// What the gateway was told of a payment in an element.
async fn told_to_gateway(hands: &Hands, id: &str, element: &str) -> Result<String> {
    let calls = hands.client.control("GET", "/emerchantpay/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let told = calls.iter().find_map(|call| {
        let text = call.to_string();
        let value = text.split_once(&format!("<{element}>"))?.1.split('<').next()?.to_owned();
        (text.contains(&format!("<transaction_id>{id}<")) && text.contains("/process/")).then_some(value)
    });
    told.with_context(|| format!("the gateway was not told {element}"))
}

async fn settles(hands: Hands, pan: &str) -> Result<()> {
    let answer = hands.client.cashier(&body("119.00", pan)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = id_of(&answer);
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    hands.moved_once("emerchantpay", &id, &paid("119.00")).await?;
    Ok(())
}

/// Neither what we show nor what the gateway's side logs has the number or the CVV.
async fn nothing_kept(hands: Hands) -> Result<()> {
    let pan = "4532015112830366";
    let body = body("120.00", pan).replace(r#""cvv":"123""#, r#""cvv":"987""#);
    let answer = hands.client.cashier_with_key(&body, "emerchantpay-kept").await?;
    let replayed = hands.client.cashier_with_key(&body, "emerchantpay-kept").await?;
    ensure!(replayed.bytes == answer.bytes && answer.status == 200, "{}", answer.body);
    let id = id_of(&answer);
    let shown = [
        answer.body.to_string(),
        hands.managed(&id).await?.to_string(),
        hands.client.status(&id).await?.body.to_string(),
        hands.client.control("GET", "/emerchantpay/calls", None).await?.body.to_string(),
    ];
    for text in shown {
        ensure!(!text.contains(pan) && !text.contains("987<") && !text.contains("\"987\""), "{text}");
    }
    hands.moved_once("emerchantpay", &id, &paid("120.00")).await?;
    Ok(())
}
