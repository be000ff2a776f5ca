//! Every trigger amount of the Worldpay sheet ("Simulator"), on hosted pages and with cards, and the published cards and names,
//! the browser's steps done by an HTTP client: the answer, how the transaction ends, the webhooks, and Worldpay's own ledger.

mod cards;
mod hosted;
mod together;

use anyhow::{Context, Result, ensure};
use cards::{
    answer_lost, approved_at_once, challenged, declined_at_once, never_returns, nothing_taken, returned_twice, undecided,
};
use hosted::{
    cancelled_on_the_page, dead_ticket, ends_on_the_page, failed, late_success, notified_first, paid_on_the_page, settles,
};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};
use together::{forged_redirect, hosted_takes_no_card, nothing_kept};

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

async fn get(hands: &Hands, url: &str) -> Result<Answer> {
    hands.client.send("GET", url, &[], None).await
}

async fn post(hands: &Hands, url: &str, form: String) -> Result<Answer> {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    hands.client.send("POST", url, &headers, Some(form.into_bytes())).await
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
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
