//! Every trigger amount of the Worldpay sheet ("Simulator"), on hosted pages and with cards, and the published cards and names, the browser's steps done by an HTTP
//! client: the answer, how the transaction ends, the webhooks, and Worldpay's own ledger.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(40);
const VISA: &str = "4444333322221111";
const CHALLENGE: &str = "4000000000001091";
const PLAIN: &str = "John Doe";

#[tokio::test(flavor = "multi_thread")]
async fn worldpay_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let world = World::start(binary, &["WORLDPAY_EU"], |options| {
        options.time_scale(60).variable("MOZARTO_PROVIDERS_WORLDPAY_NOT_FOUND_AFTER_SECONDS", "120")
    });
    // Late successes come 2 s after the notification before: that one must have been worked off by then.
    let slow = World::start(binary, &["WORLDPAY_EU"], |options| options.time_scale(2).auto_settle(50));
    let settling = World::start(binary, &["WORLDPAY_EU"], |options| options.time_scale(60).auto_settle(50));
    let (world, slow, settling) = tokio::try_join!(world, slow, settling).expect("three sandboxes");
    // Switches accounts off: before the rows that pay over them.
    hosted_takes_no_card(slow.hands()).await.expect("a card on a hosted account alone");
    let mut table = Table::new("Worldpay triggers");
    hosted_rows(&mut table, &world, &slow, &settling);
    direct_rows(&mut table, &world, &slow, &settling);
    for pan in [
        "4444333322221111",
        "4911830000000",
        "4917610000000000",
        "4462030000000000",
        "5555555555554444",
        "5454545454545454",
        "2221000000000009",
        "5163613613613613",
        "6759649826438453",
        "343434343434343",
    ] {
        table.row(format!("card {pan}"), approved_at_once(world.hands(), "210.00".to_owned(), pan, PLAIN));
    }
    table.row("card 4000000000001091", challenged(world.hands(), "211.00", CHALLENGE, PLAIN, "authenticate", "Approved"));
    for name in ["AUTHORISED", "3DS_V2_FRICTIONLESS_IDENTIFIED"] {
        table.row(format!("name {name}"), approved_at_once(world.hands(), "212.00".to_owned(), VISA, name));
    }
    for (name, code) in [("REFUSED", "5"), ("REFUSED51", "51"), ("REFUSED85", "85")] {
        table.row(format!("name {name}"), declined_at_once(world.hands(), "213.00", VISA, name, code));
    }
    table.row("name ERROR", undecided(world.hands()));
    let name = "3DS_V2_CHALLENGE_IDENTIFIED";
    for (button, status) in [("authenticate", "Approved"), ("fail", "Declined"), ("cancel", "Cancelled")] {
        table.row(format!("name {name}, {button}"), challenged(world.hands(), "214.00", VISA, name, button, status));
    }
    table.row("a second return changes nothing", returned_twice(world.hands()));
    table.row("a forged redirect is shown", forged_redirect(world.hands()));
    table.row("nothing of the card is kept", nothing_kept(world.hands()));
    table.end().await;
}

fn hosted_rows(table: &mut Table, world: &World, slow: &World, settling: &World) {
    for digits in ["00", "08", "47"] {
        table.row(format!("hpp {digits}"), paid_on_the_page(world.hands(), format!("150.{digits}")));
    }
    table.row("hpp 10", notified_first(world.hands()));
    table.row("hpp settles by itself", settles(settling.hands(), bodies::worldpay("151.00")));
    table.row("hpp 01", ends_on_the_page(world.hands(), "152.01", "failure", "Declined", "REFUSED"));
    table.row("hpp 02", ends_on_the_page(world.hands(), "152.02", "cancel", "Cancelled", "CANCELLED"));
    table.row("hpp Cancel", cancelled_on_the_page(world.hands()));
    table.row("hpp 03", dead_ticket(world.hands()));
    table.row("hpp 04", failed(world.hands(), bodies::worldpay("153.04"), UNAVAILABLE));
    table.row("hpp 05", failed(world.hands(), bodies::worldpay("153.05"), TIMEOUT));
    table.row("hpp 06", failed(world.hands(), bodies::worldpay("153.06"), LIMITED));
    table.row("hpp 07", failed(world.hands(), bodies::worldpay("153.07"), CREDENTIALS));
    table.row("hpp 09", late_success(slow.hands(), bodies::worldpay("154.09")));
    table.row("hpp 11", failed(world.hands(), bodies::worldpay("153.11"), UNKNOWN));
    table.row("hpp 12", failed(world.hands(), bodies::worldpay("153.12"), UNAVAILABLE));
}

fn direct_rows(table: &mut Table, world: &World, slow: &World, settling: &World) {
    for digits in ["00", "08", "10", "47"] {
        table.row(format!("direct {digits}"), approved_at_once(world.hands(), format!("200.{digits}"), VISA, PLAIN));
    }
    table.row("direct 01", declined_at_once(world.hands(), "201.01", VISA, PLAIN, "5"));
    table.row("direct 02", challenged(world.hands(), "201.02", VISA, PLAIN, "authenticate", "Cancelled"));
    table.row("direct 03", never_returns(world.hands()));
    for digits in ["04", "05"] {
        table.row(format!("direct {digits}"), nothing_taken(world.hands(), format!("202.{digits}")));
    }
    let card = |amount: &str| bodies::worldpay_card(amount, VISA, PLAIN);
    table.row("direct 06", failed(world.hands(), card("203.06"), LIMITED));
    table.row("direct 07", failed(world.hands(), card("203.07"), CREDENTIALS));
    table.row("direct 09", late_success(slow.hands(), card("204.09")));
    for digits in ["11", "12"] {
        table.row(format!("direct {digits}"), answer_lost(world.hands(), format!("205.{digits}")));
    }
    table.row("direct settles by itself", settles(settling.hands(), bodies::worldpay_card("206.00", CHALLENGE, PLAIN)));
}

/// A row of the error table: HTTP status, code, whether it may be tried again, message.
type Failure = (u16, &'static str, bool, &'static str);

const UNAVAILABLE: Failure = (502, "PSP_UNAVAILABLE", true, "Payment provider is unavailable.");
const TIMEOUT: Failure = (504, "PSP_TIMEOUT", true, "Payment provider did not respond in time.");
const LIMITED: Failure = (429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests.");
const CREDENTIALS: Failure =
    (400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials.");
const UNKNOWN: Failure = (500, "UNKNOWN_PSP_ERROR", false, "An unexpected error occurred. Contact support if it continues.");

fn transaction(amount: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "WORLDPAY_EU", "type": "PAYIN", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": "EUR", "brandId": "", "merchantReference": "ORDER-REF-001", "userId": "user_123",
        "pspTransactionId?": "<text>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn number(amount: &str) -> Value {
    let text = if amount.contains('.') { amount.trim_end_matches('0').trim_end_matches('.') } else { amount };
    serde_json::from_str(text).expect("an amount is a number")
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn paid(amount: &str) -> Value {
    json!({"direction": "in", "amount": amount, "currency": "EUR", "state": "settled"})
}

/// The members of `data` that a taken order answers.
fn data(answer: &Answer, amount: &str, status: &str, shown: &str) -> Value {
    json!({
        "status": status, "transaction_status": shown, "transactionId": id_of(answer), "sessionId": answer.text("/transaction/sessionId"),
        "orderCode": id_of(answer), "amount": number(amount), "merchantReference": "ORDER-REF-001",
    })
}

/// An answer that sends the payer to a page; its id and the page's address.
fn with_page(answer: &Answer, amount: &str, message: &str) -> Result<(String, String)> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let mut data = data(answer, amount, "PENDING", "Pending");
    data["paymentUrl"] = json!("<url>");
    let expected = json!({
        "status": "success", "message": message, "isSuccess": true, "data": data, "transaction": transaction(amount, "Pending", "PENDING"),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(answer.text("/transaction/redirectUrl") == answer.text("/data/paymentUrl"), "another redirectUrl: {}", answer.body);
    Ok((id_of(answer), answer.text("/data/paymentUrl").to_owned()))
}

/// Approved, whatever has been captured since; one webhook, one charge.
async fn is_approved(hands: &Hands, id: &str, amount: &str) -> Result<()> {
    let shown = hands.client.wait_for(id, &["Approved"], LIMIT).await?;
    ensure!(matches!(shown["status"].as_str(), Some("AUTHORISED" | "CAPTURED" | "SETTLED")), "{shown}");
    hands.webhooks(id, &["Approved"], LIMIT).await?;
    let webhook = hands.sink.about(id)[0].body.clone();
    ensure!(webhook["method"] == "WORLDPAY_EU_PAYIN", "{webhook}");
    hands.moved_once("worldpay", id, &paid(amount)).await?;
    Ok(())
}

// --- a payer's browser ------------------------------------------------------------------------

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
fn after(page: &str, before: &str, attribute: &str) -> Result<String> {
    let rest = page.split_once(before).with_context(|| format!("no {before} in {page}"))?.1;
    let rest = rest.split_once(&format!("{attribute}=\"")).with_context(|| format!("no {attribute} after {before}"))?.1;
    let text = rest.split_once('"').context("an attribute that does not end")?.0;
    Ok(text.replace("&amp;", "&").replace("&#38;", "&").replace("&#x3a;", ":").replace("&#x2f;", "/"))
}

/// The hosted page of a new order: its id and address.
async fn opened(hands: &Hands, amount: &str) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::worldpay(amount)).await?;
    let (id, url) = with_page(&answer, amount, "Successfully")?;
    ensure!(!answer.text("/transaction/pspTransactionId").is_empty(), "no reference of Worldpay's: {}", answer.body);
    ensure!(url.starts_with(&format!("{}/worldpay/app/hpp/", hands.client.simulator)), "{url}");
    let back = url::form_urlencoded::parse(url.split_once('?').unwrap_or_default().1.as_bytes());
    let names: Vec<String> = back.map(|(name, _)| name.into_owned()).collect();
    let expected =
        ["OrderKey", "Ticket", "language", "country", "successURL", "failureURL", "pendingURL", "cancelURL", "errorURL"];
    ensure!(names == expected, "{names:?}");
    Ok((id, url))
}

/// Presses a button of the hosted page; the address that Worldpay sends the browser to.
async fn press(hands: &Hands, url: &str, button: &str) -> Result<String> {
    let page = get(hands, url).await?;
    ensure!(page.status == 200, "{} {}", page.status, page_of(&page));
    let action = after(&page_of(&page), "<form method=\"post\"", "action")?;
    let action = if action.starts_with('/') { format!("{}{action}", hands.client.simulator) } else { action };
    let card = "cardNumber=4444333322221111&expiryMonth=11&expiryYear=2035&cardHolderName=John+Doe&cvc=123";
    let answer = post(hands, &action, format!("action={button}&{card}")).await?;
    ensure!((300..400).contains(&answer.status), "{} {}", answer.status, page_of(&answer));
    Ok(answer.header("location").unwrap_or_default().to_owned())
}

/// The browser at our return address; where it goes at the merchant.
async fn returned(hands: &Hands, id: &str, back: &str, word: &str, result: &str) -> Result<()> {
    ensure!(back.starts_with(&format!("{}/return/worldpay/", hands.client.base)), "back to {back}");
    ensure!(back.split('?').next().unwrap_or_default().ends_with(&format!("/{word}")), "{back} is not {word}");
    let came = get(hands, back).await?;
    ensure!(came.status == 303, "{} {}", came.status, page_of(&came));
    let location = came.header("location").unwrap_or_default();
    let target =
        if matches!(result, "success" | "pending") { "https://shop.example/ok?" } else { "https://shop.example/failed?a=b&" };
    ensure!(location.starts_with(target) && location.ends_with(&format!("result={result}")), "{location}");
    ensure!(
        location.contains(&format!("transactionId={id}")) && location.contains("merchantReference=ORDER-REF-001"),
        "{location}"
    );
    Ok(())
}

async fn no_anomaly(hands: &Hands, id: &str) -> Result<()> {
    let shown = hands.managed(id).await?;
    ensure!(shown["attention"].is_null(), "{shown}");
    Ok(())
}

// --- hosted pages -----------------------------------------------------------------------------

async fn paid_on_the_page(hands: Hands, amount: String) -> Result<()> {
    let (id, url) = opened(&hands, &amount).await?;
    hands.nothing_moved("worldpay", &id).await?;
    let back = press(&hands, &url, "pay").await?;
    ensure!(back.contains("mac2=") && back.contains("paymentStatus=AUTHORISED"), "{back}");
    returned(&hands, &id, &back, "success", "success").await?;
    is_approved(&hands, &id, &amount).await?;
    no_anomaly(&hands, &id).await
}

/// Notified and answered before the submit's reply.
async fn notified_first(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay("150.10")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    is_approved(&hands, &id_of(&answer), "150.10").await
}

async fn settles(hands: Hands, body: String) -> Result<()> {
    let answer = hands.client.cashier(&body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let amount = answer.text("/transaction/amount").to_owned();
    is_approved(&hands, &id_of(&answer), &amount).await
}

async fn ends_on_the_page(hands: Hands, amount: &str, way: &str, status: &str, word: &str) -> Result<()> {
    let (id, url) = opened(&hands, amount).await?;
    let back = press(&hands, &url, "pay").await?;
    returned(&hands, &id, &back, way, way).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    no_anomaly(&hands, &id).await?;
    hands.nothing_moved("worldpay", &id).await
}

async fn cancelled_on_the_page(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, "155.00").await?;
    let back = press(&hands, &url, "cancel").await?;
    ensure!(back.contains("orderAmount=15500"), "a cancel has the short form: {back}");
    returned(&hands, &id, &back, "cancel", "cancel").await?;
    hands.ends_as(&id, "Cancelled", "CANCELLED", LIMIT).await?;
    hands.webhooks(&id, &["Cancelled"], LIMIT).await?;
    no_anomaly(&hands, &id).await
}

/// The page sends the browser on at once, and Worldpay knows of no payment: open until the day is over.
async fn dead_ticket(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, "152.03").await?;
    let dead = get(&hands, &url).await?;
    ensure!(dead.status == 303, "{} {}", dead.status, page_of(&dead));
    returned(&hands, &id, dead.header("location").unwrap_or_default(), "error", "failure").await?;
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "{} {}", asked.status, asked.body);
    let shown = hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    ensure!(shown["status"] == "PENDING", "{shown}");
    hands.webhooks(&id, &[], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

async fn failed(hands: Hands, body: String, failure: Failure) -> Result<()> {
    let (http, code, retryable, message) = failure;
    let answer = hands.client.cashier(&body).await?;
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let (word, amount) = (code.to_lowercase(), answer.text("/transaction/amount").to_owned());
    let mut expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id_of(&answer), "transaction": transaction(&amount, "Failed", &word),
    });
    if code == UNKNOWN.1 {
        expected["data"] = json!("<text>");
    }
    same_shape(&answer.body, &expected)?;
    ensure!(answer.header("retry-after") == (http == 429).then_some("1"), "Retry-After: {:?}", answer.header("retry-after"));
    let id = id_of(&answer);
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

async fn late_success(hands: Hands, body: String) -> Result<()> {
    let answer = hands.client.cashier(&body).await?;
    let (id, amount) = (id_of(&answer), answer.text("/transaction/amount").to_owned());
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("worldpay", &id, &paid(&amount)).await?;
    Ok(())
}

// --- cards ------------------------------------------------------------------------------------

async fn approved_at_once(hands: Hands, amount: String, pan: &str, holder: &str) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(&amount, pan, holder)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let brand = match &pan[..1] {
        "4" => "VISA",
        "6" => "MAESTRO",
        "3" => "AMEX",
        _ => "MASTERCARD",
    };
    let mut data = data(&answer, &amount, "AUTHORISED", "Approved");
    data["card"] =
        json!({"brand": brand, "first6": pan[..6], "last4": pan[pan.len() - 4..], "expMonth": "11", "expYear": "2035"});
    let expected = json!({
        "status": "success", "message": "Transaction approved", "isSuccess": true, "data": data,
        "transaction": transaction(&amount, "Approved", "AUTHORISED"),
    });
    same_shape(&answer.body, &expected)?;
    is_approved(&hands, &id_of(&answer), &amount).await
}

async fn declined_at_once(hands: Hands, amount: &str, pan: &str, holder: &str, code: &str) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(amount, pan, holder)).await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let id = id_of(&answer);
    let expected = json!({
        "status": "error", "message": "Transaction declined", "isSuccess": false, "errors": [], "transactionId": id,
        "data": {"status": "REFUSED", "transaction_status": "Declined", "returnCode": code, "returnMessage": "<text>", "merchantReference": "ORDER-REF-001"},
        "transaction": transaction(amount, "Declined", "REFUSED"),
    });
    same_shape(&answer.body, &expected)?;
    hands.webhooks(&id, &["Declined"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

/// An order whose issuer wants to see the payer: its id and our page.
async fn wants_challenge(hands: &Hands, amount: &str, pan: &str, holder: &str) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::worldpay_card(amount, pan, holder)).await?;
    let (id, url) = with_page(&answer, amount, "3-D Secure authentication required")?;
    ensure!(url.starts_with(&format!("{}/3ds/", hands.client.base)), "{url} is no page of ours");
    Ok((id, url))
}

/// From our page to the challenge, a button there, and the form that comes back: its address and content.
async fn at_the_challenge(hands: &Hands, ours: &str, button: &str) -> Result<(String, String)> {
    let page = get(hands, ours).await?;
    ensure!(page.status == 200, "{} {}", page.status, page_of(&page));
    ensure!(page.header("cache-control").is_some_and(|value| value.contains("no-store")), "{:?}", page.headers);
    let page = page_of(&page);
    let (action, jwt, md) =
        (after(&page, "<form", "action")?, after(&page, "name=\"JWT\"", "value")?, after(&page, "name=\"MD\"", "value")?);
    ensure!(action == format!("{}/worldpay/V2/Cruise/StepUp", hands.client.simulator), "it posts to {action}");
    let challenge = post(hands, &action, form(&[("JWT", &jwt), ("MD", &md)])).await?;
    ensure!(challenge.status == 200, "the challenge: {} {}", challenge.status, page_of(&challenge));
    let challenge = page_of(&challenge);
    let reference = after(&challenge, "name=\"challenge\"", "value")?;
    let back = post(hands, &format!("{action}/answer"), form(&[("challenge", &reference), ("action", button)])).await?;
    ensure!(back.status == 200, "{} {}", back.status, page_of(&back));
    let back = page_of(&back);
    let fields = ["TransactionId", "Response", "MD"];
    let values = fields.map(|name| after(&back, &format!("name=\"{name}\""), "value").unwrap_or_default());
    let pairs: Vec<(&str, &str)> = fields.into_iter().zip(values.iter().map(String::as_str)).collect();
    let return_url = after(&back, "<form", "action")?;
    ensure!(return_url == format!("{ours}/return"), "back to {return_url}");
    Ok((return_url, form(&pairs)))
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn challenged(hands: Hands, amount: &str, pan: &str, holder: &str, button: &str, status: &str) -> Result<()> {
    let (id, ours) = wants_challenge(&hands, amount, pan, holder).await?;
    hands.nothing_moved("worldpay", &id).await?;
    let (return_url, form) = at_the_challenge(&hands, &ours, button).await?;
    let came = post(&hands, &return_url, form).await?;
    ensure!(came.status == 303, "{} {}", came.status, page_of(&came));
    let location = came.header("location").unwrap_or_default();
    let result = match status {
        "Approved" => "success",
        "Cancelled" => "cancel",
        _ => "failure",
    };
    ensure!(location.ends_with(&format!("result={result}")), "{location}");
    if status == "Approved" {
        return is_approved(&hands, &id, amount).await;
    }
    hands.client.wait_for(&id, &[status], LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

/// The second submit is made once, however often the browser comes back.
async fn returned_twice(hands: Hands) -> Result<()> {
    let (id, ours) = wants_challenge(&hands, "215.00", CHALLENGE, PLAIN).await?;
    let (return_url, form) = at_the_challenge(&hands, &ours, "authenticate").await?;
    let (one, two) = tokio::try_join!(post(&hands, &return_url, form.clone()), post(&hands, &return_url, form.clone()))?;
    let three = post(&hands, &return_url, form).await?;
    ensure!([one.status, two.status, three.status] == [303; 3], "{} {} {}", one.status, two.status, three.status);
    is_approved(&hands, &id, "215.00").await?;
    let calls = hands.client.control("GET", "/worldpay/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let seconds = calls.iter().filter(|call| {
        let text = call.to_string();
        text.contains("completedAuthentication") && text.contains(&id)
    });
    ensure!(seconds.count() == 1, "the second submit was not made once");
    let gone = get(&hands, &ours).await?;
    ensure!(gone.status == 303, "the page of a payment that is over: {}", gone.status);
    Ok(())
}

/// Not sent after half an hour, and over.
async fn never_returns(hands: Hands) -> Result<()> {
    let (id, ours) = wants_challenge(&hands, "201.03", VISA, PLAIN).await?;
    let page = page_of(&get(&hands, &ours).await?);
    let (action, jwt) = (after(&page, "<form", "action")?, after(&page, "name=\"JWT\"", "value")?);
    let shown = post(&hands, &action, form(&[("JWT", &jwt), ("MD", "x")])).await?;
    ensure!(shown.status == 200, "{} {}", shown.status, page_of(&shown));
    hands.ends_as(&id, "Expired", "EXPIRED", LIMIT + Duration::from_secs(20)).await?;
    hands.webhooks(&id, &["Expired"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

fn in_doubt(answer: &Answer, amount: &str) -> Result<String> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let (id, text) = (id_of(answer), "Transaction is being processed");
    let expected = json!({
        "status": "success", "message": text, "isSuccess": true,
        "data": {"message": text, "transactionId": id, "merchantReference": "ORDER-REF-001", "amount": number(amount)},
        "transaction": transaction(amount, "Pending", "unknown"),
    });
    same_shape(&answer.body, &expected)?;
    Ok(id)
}

async fn nothing_taken(hands: Hands, amount: String) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(&amount, VISA, PLAIN)).await?;
    let id = in_doubt(&answer, &amount)?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

async fn answer_lost(hands: Hands, amount: String) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(&amount, VISA, PLAIN)).await?;
    let id = in_doubt(&answer, &amount)?;
    is_approved(&hands, &id, &amount).await
}

/// `ERROR` leaves it open.
async fn undecided(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card("216.00", VISA, "ERROR")).await?;
    let id = in_doubt(&answer, "216.00")?;
    hands.ends_as(&id, "Pending", "ERROR", LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

// --- what belongs together --------------------------------------------------------------------

/// Without an account for cards a card is refused, and nothing of it stored. The other way round a card is missing.
async fn hosted_takes_no_card(hands: Hands) -> Result<()> {
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    let methods = methods.body["data"]["items"].as_array().cloned().context("no methods")?;
    let direct = methods.iter().find(|method| method["config"]["integrationMode"] == "direct").context("no direct account")?;
    let path = format!("/payment-methods/{}", direct["id"].as_str().unwrap_or_default());
    let hosted =
        methods.iter().find(|method| method["pspType"] == "WORLDPAY_EU" && **method != *direct).context("no hosted account")?;
    let hosted_path = format!("/payment-methods/{}", hosted["id"].as_str().unwrap_or_default());
    hands.client.manage("PATCH", &path, Some(json!({"enabled": false}))).await?;
    let answer = hands.client.cashier(&bodies::worldpay_card("217.00", VISA, PLAIN)).await?;
    let sentence = "card is not accepted: card details are entered on Worldpay's page";
    ensure!(answer.status == 400 && answer.body["errors"] == json!([sentence]), "{} {}", answer.status, answer.body);
    ensure!(answer.body.get("transaction").is_none(), "{}", answer.body);
    hands.client.manage("PATCH", &path, Some(json!({"enabled": true}))).await?;
    hands.client.manage("PATCH", &hosted_path, Some(json!({"enabled": false}))).await?;
    let answer = hands.client.cashier(&bodies::worldpay("217.00")).await?;
    ensure!(
        answer.status == 400 && answer.body["message"] == "Missing required field: card",
        "{} {}",
        answer.status,
        answer.body
    );
    hands.client.manage("PATCH", &hosted_path, Some(json!({"enabled": true}))).await?;
    Ok(())
}

/// A redirect whose MAC is wrong is navigation all the same, asks, and is shown to a person.
async fn forged_redirect(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, "156.00").await?;
    let back = url::form_urlencoded::parse(url.split_once('?').unwrap_or_default().1.as_bytes());
    let success = back.into_owned().find(|(name, _)| name == "successURL").context("no successURL")?.1;
    let query = [
        ("orderKey", &*format!("A^DEMOCOMPANY^{id}")),
        ("paymentStatus", "AUTHORISED"),
        ("paymentAmount", "15600"),
        ("paymentCurrency", "EUR"),
        ("mac2", "00"),
    ];
    returned(&hands, &id, &format!("{success}?{}", form(&query)), "success", "success").await?;
    hands.needs_attention(&id, "anomaly", LIMIT).await?;
    let shown = hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    ensure!(shown["status"] == "PENDING", "{shown}");
    hands.nothing_moved("worldpay", &id).await
}

async fn nothing_kept(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card("218.00", "5454545454545454", "Secret Holder")).await?;
    let id = id_of(&answer);
    is_approved(&hands, &id, "218.00").await?;
    let shown = format!("{}{}{}", hands.managed(&id).await?, hands.client.status(&id).await?.body, answer.body);
    for part in ["5454545454545454", "Secret Holder", "\"123\""] {
        ensure!(!shown.contains(part), "{part} in {shown}");
    }
    ensure!(shown.contains("545454"), "the first six are kept: {shown}");
    Ok(())
}
