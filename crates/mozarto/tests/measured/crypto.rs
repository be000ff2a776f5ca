//! ForumPay: lists without references, short callbacks, coins that come after the end, and reviews, which are no endings.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Client, bodies};
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Long enough for a loaded machine; nothing here waits for a schedule.
const LIMIT: Duration = Duration::from_secs(30);
const NAME: &str = "forumpay";

/// Nobody asks by the schedule within this test, and the simulator's own callbacks are lost: only what a row sends makes anything
/// happen.
#[tokio::test(flavor = "multi_thread")]
async fn forumpay_as_its_own_clients_know_it() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["FORUMPAY"], |options| options.time_scale(1)).await;
    let world = world.expect("a sandbox");
    let settings = json!({"dropCallbacks": true, "settleDelayMs": 3_600_000});
    world.client.control("PUT", "/forumpay/settings", Some(settings)).await.expect("settings");
    let mut table = Table::new("ForumPay");
    for (form, kind, body) in CALLBACKS {
        table.row(format!("paid, told by {form}"), paid_and_told(world.hands(), kind, body));
    }
    table.row("another reference in a callback", foreign_callback(world.hands()));
    table.row("a callback that names what does not exist", invented_callback(world.hands()));
    table.row("a pay-out told by its payment alone", pay_out_told(world.hands()));
    table.row("one cancelled, a second one waits", second_waits(world.hands()));
    for (form, list) in FOREIGN_LISTS {
        table.row(format!("a list with {form}"), foreign_list(world.hands(), list));
    }
    table.row("no point of sale where it narrows", no_point_of_sale(world.hands()));
    for (name, members, status, note) in RECORDS {
        table.row(format!("a record: {name}"), record(world.hands(), members, status, *note));
    }
    table.row("a review that lets it pass", review_passes(world.hands()));
    table.row("a review that does not", review_refuses(world.hands()));
    table.row("a pay-out in review, paid afterwards", pay_out_in_review(world.hands()));
    table.row("a pay-out in review before its approval", review_before_approval(world.hands()));
    table.row("an order in review whose confirmation was refused", refused_in_review(world.hands()));
    table.row("too few coins", too_few(world.hands()));
    table.row("coins that come late", too_late(world.hands()));
    table.row("too few coins, settled by a person", settled_by_hand(world.hands()));
    table.end().await;
    // The simulator's own callbacks, as short as they come.
    world
        .client
        .control("PUT", "/forumpay/settings", Some(json!({"dropCallbacks": false, "shortCallbacks": true})))
        .await
        .expect("settings");
    let mut table = Table::new("ForumPay, short callbacks");
    table.row("pay-in", short_pay_in(world.hands()));
    table.row("pay-out", short_pay_out(world.hands()));
    table.end().await;
}

/// What a callback may be: `PAYMENT` and `REFERENCE` stand for the two ids.
const CALLBACKS: [(&str, &str, &str); 8] = [
    ("payment_id alone", "application/json", r#"{"payment_id":"PAYMENT"}"#),
    ("the official plugins' pair", "application/json", r#"{"payment_id":"PAYMENT","reference_no":"REFERENCE"}"#),
    ("the reference alone", "application/json", r#"{"reference_no":"REFERENCE"}"#),
    ("the pair in the form encoding", "application/x-www-form-urlencoded", "payment_id=PAYMENT&reference_no=REFERENCE"),
    (
        "all but the address",
        "application/json",
        r#"{"pos_id":"widget","payment_id":"PAYMENT","currency":"BTC","reference_no":"REFERENCE"}"#,
    ),
    (
        "all, at a point of sale that does not know it",
        "application/json",
        r#"{"pos_id":"elsewhere","payment_id":"PAYMENT","currency":"BTC","address":"btc-0","reference_no":"REFERENCE"}"#,
    ),
    ("nothing", "application/json", ""),
    ("something else", "text/plain", "hello"),
];

/// What a list may hold beside our payment, without its braces: only an element that names another reference is not ours.
const FOREIGN_LISTS: [(&str, &str); 3] = [
    ("another reference's payment", r#","reference_no":"64a1f2b3c4d5e6f7a8b9c0d1""#),
    ("our reference", r#","reference_no":"REFERENCE""#),
    ("a reference of null", r#","reference_no":null"#),
];

/// What CheckPayment may say: the members, where that leads, and whether it is noted or shown.
const RECORDS: &[(&str, &str, &str, Option<&str>)] = &[
    ("confirmed after a review", r#"{"confirmed":true,"state":"blocked"}"#, "Approved", None),
    ("confirmed in a word unknown to us", r#"{"confirmed":true,"state":"released"}"#, "Approved", None),
    ("confirmed in text", r#"{"confirmed":"true","state":"processing"}"#, "Approved", None),
    ("the state alone", r#"{"state":"confirmed"}"#, "Approved", None),
    ("an underpayment of nothing", r#"{"confirmed":true,"state":"confirmed","underpayment":"0.000"}"#, "Approved", None),
    ("an underpayment of false", r#"{"confirmed":true,"state":"confirmed","underpayment":false}"#, "Approved", None),
    (
        "an underpayment beside the whole",
        r#"{"confirmed":true,"state":"confirmed","underpayment":{"missing_amount":"0.0001"}}"#,
        "Approved",
        Some("underpayment"),
    ),
    ("confirmed and cancelled", r#"{"confirmed":true,"cancelled":true,"state":"confirmed"}"#, "Pending", Some("cancelled")),
    ("cancelled in the state", r#"{"confirmed":true,"state":"cancelled"}"#, "Pending", Some("cancelled")),
    ("run out, no reason", r#"{"cancelled":true,"state":"cancelled","reason":null}"#, "Expired", None),
    ("run out, an empty reason", r#"{"cancelled":true,"state":"cancelled","reason":""}"#, "Expired", None),
    ("run out in words", r#"{"cancelled":true,"state":"cancelled","reason":"Payment expired"}"#, "Expired", None),
    ("cancelled by the payer", r#"{"cancelled":true,"state":"cancelled","reason":"changed_mind"}"#, "Cancelled", None),
    ("in review", r#"{"state":"blocked"}"#, "Pending", None),
    (
        "cancelled with coins on their way",
        r#"{"cancelled":true,"state":"cancelled","unconfirmed_amount":"0.0001"}"#,
        "Expired",
        Some("accept or refund them at ForumPay"),
    ),
    (
        "cancelled with coins",
        r#"{"cancelled":true,"state":"cancelled","reason":"curious","payment":0.0001}"#,
        "Cancelled",
        Some("accept or refund them at ForumPay"),
    ),
    (
        "for less than ours",
        r#"{"confirmed":true,"state":"confirmed","invoice_amount":"49.99"}"#,
        "Pending",
        Some("49.99 EUR instead of 50.00 EUR"),
    ),
    (
        "for more than ours",
        r#"{"confirmed":true,"state":"confirmed","invoice_amount":"500.00"}"#,
        "Pending",
        Some("500.00 EUR instead of 50.00 EUR"),
    ),
];

async fn control(client: &Client, id: &str, what: &str) -> Result<()> {
    let answer = client.control("POST", &format!("/{NAME}/{id}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn next_about(hands: &Hands, path: &str, about: &str, body: Value) -> Result<()> {
    let next = json!({"path": path, "about": about, "http": 200, "body": body});
    let set = hands.client.control("PUT", "/forumpay/next", Some(next)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

/// A pay-in of 50.00 EUR; its id and its page.
async fn opened(hands: &Hands) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::forumpay_in("50.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok((answer.text("/transaction/transactionId").to_owned(), answer.text("/data/url").to_owned()))
}

/// A pay-out on hold.
async fn held(hands: &Hands) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::forumpay_out("60.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok((answer.text("/transaction/transactionId").to_owned(), answer.text("/data/payment_id").to_owned()))
}

/// A pay-out that was approved and confirmed; the simulator settles nothing by itself.
async fn let_go(hands: &Hands) -> Result<(String, String)> {
    let (id, payment) = held(hands).await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    // ForumPay has it: the answer to an approval does not wait for that.
    hands.moved_once(NAME, &id, &json!({"state": "accepted"})).await?;
    hands.ends_as(&id, "Pending", "processing", LIMIT).await?;
    Ok((id, payment))
}

async fn press(hands: &Hands, page: &str, button: &str) -> Result<()> {
    let form = Some(format!("action={button}&coin=BTC").into_bytes());
    let answer = hands.client.send("POST", page, &[("content-type", "application/x-www-form-urlencoded")], form).await?;
    ensure!(answer.status == 303, "{button}: {} {}", answer.status, answer.body);
    Ok(())
}

/// Where ForumPay was told to call about a pay-in.
async fn callback_address(hands: &Hands, id: &str) -> Result<String> {
    let calls = hands.client.control("GET", "/forumpay/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    let bodies = calls.iter().filter_map(|call| call["body"].as_str()).filter(|body| body.contains(id));
    let mut pairs = bodies.flat_map(|body| url::form_urlencoded::parse(body.as_bytes()).into_owned());
    pairs.find(|(name, _)| name == "webhook_url").map(|(_, url)| url).context("no webhook_url was sent")
}

/// ForumPay's id of the pay-in's payment, from the ledger.
async fn paid_payment(hands: &Hands, id: &str) -> Result<String> {
    let entry = hands.entries(NAME, id).await?;
    Ok(entry.first().and_then(|entry| entry["providerReference"].as_str()).context("not in the ledger")?.to_owned())
}

async fn timeline(hands: &Hands, id: &str) -> Result<String> {
    Ok(hands.managed(id).await?.to_string())
}

// --- callbacks --------------------------------------------------------------------------------

async fn paid_and_told(hands: Hands, kind: &str, body: &str) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    control(&hands.client, &id, "approve").await?;
    let body = body.replace("PAYMENT", &paid_payment(&hands, &id).await?).replace("REFERENCE", &id);
    let address = callback_address(&hands, &id).await?;
    let told = hands.client.send("POST", &address, &[("content-type", kind)], Some(body.into_bytes())).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once(NAME, &id, &json!({"direction": "in", "amount": "50.00", "currency": "EUR"})).await?;
    ensure!(hands.managed(&id).await?["attention"].is_null(), "somebody is asked to look");
    Ok(())
}

async fn foreign_callback(hands: Hands) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    control(&hands.client, &id, "approve").await?;
    let address = callback_address(&hands, &id).await?;
    let body = br#"{"payment_id":"badd0b52-110f-4be2-af64-59d7645796af","reference_no":"64a1f2b3c4d5e6f7a8b9c0d1"}"#;
    let told = hands.client.send("POST", &address, &[("content-type", "application/json")], Some(body.to_vec())).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    Ok(())
}

/// Somebody invents a payment at our address: nothing comes of it but a question about our reference.
async fn invented_callback(hands: Hands) -> Result<()> {
    let (id, page) = opened(&hands).await?;
    press(&hands, &page, "choose").await?;
    let address = callback_address(&hands, &id).await?;
    let body = br#"{"pos_id":"p","payment_id":"badd0b52-110f-4be2-af64-59d7645796af","currency":"BTC","address":"btc-1"}"#;
    let told = hands.client.send("POST", &address, &[("content-type", "application/json")], Some(body.to_vec())).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    hands.ends_as(&id, "Pending", "waiting", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}

async fn account_address(hands: &Hands) -> Result<String> {
    let method = hands.client.method_of("FORUMPAY").await?;
    let answer = hands.client.manage("GET", &format!("/payment-methods/{method}"), None).await?;
    Ok(answer.body["data"]["callbackUrl"].as_str().with_context(|| format!("no address: {}", answer.body))?.to_owned())
}

async fn pay_out_told(hands: Hands) -> Result<()> {
    let (id, payment) = let_go(&hands).await?;
    control(&hands.client, &id, "approve").await?;
    let body = json!({"payment_id": payment}).to_string().into_bytes();
    let address = account_address(&hands).await?;
    let told = hands.client.send("POST", &address, &[("content-type", "application/json")], Some(body)).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn short_pay_in(hands: Hands) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    control(&hands.client, &id, "pay").await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn short_pay_out(hands: Hands) -> Result<()> {
    let (id, _) = let_go(&hands).await?;
    control(&hands.client, &id, "approve").await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

// --- lists ------------------------------------------------------------------------------------

async fn second_waits(hands: Hands) -> Result<()> {
    let (id, page) = opened(&hands).await?;
    for button in ["choose", "cancel", "again"] {
        press(&hands, &page, button).await?;
    }
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Pending", "waiting", LIMIT).await?;
    press(&hands, &page, "cancel").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Cancelled", "cancelled", LIMIT).await?;
    // He comes back to the page that he still has.
    press(&hands, &page, "again").await?;
    inquire(&hands, &id).await?;
    press(&hands, &page, "pay").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Cancelled", "Approved"], LIMIT).await
}

async fn foreign_list(hands: Hands, member: &str) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    control(&hands.client, &id, "approve").await?;
    let payment = paid_payment(&hands, &id).await?;
    let told = json!({
        "reference_no": id, "invoice_amount": "50.00", "invoice_currency": "EUR", "type": "Sell", "amount": "0.0007", "currency": "BTC",
        "confirmed": true, "cancelled": false, "reason": null, "status": "?", "state": "confirmed",
    });
    // Ours comes with a member more; a payment of somebody else's beside it would be asked about in vain.
    let ours = format!(
        r#"{{"payment_id":"{payment}","pos_id":"widget","currency":"BTC","address":"btc-1","confirmed":"2026-05-17 09:52:10"{}}}"#,
        member.replace("REFERENCE", &id)
    );
    let is_foreign = member.contains("64a1f2b3c4d5e6f7a8b9c0d1");
    next_about(&hands, "GetTransactions", &id, json!({"invoices": [serde_json::from_str::<Value>(&ours)?]})).await?;
    if !is_foreign {
        next_about(&hands, "CheckPayment", &payment, told).await?;
    }
    inquire(&hands, &id).await?;
    if is_foreign {
        let data = hands.managed(&id).await?;
        ensure!(data["transaction_status"] == "Pending" && data["attention"].is_null(), "{data}");
        inquire(&hands, &id).await?;
    }
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await.map(|_| ())
}

async fn no_point_of_sale(hands: Hands) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    inquire(&hands, &id).await?;
    let calls = hands.client.control("GET", "/forumpay/calls", None).await?;
    let about = |call: &&Value| call.to_string().contains(&id);
    let calls: Vec<Value> = calls.body["calls"].as_array().into_iter().flatten().filter(about).cloned().collect();
    let paths: Vec<&str> = calls.iter().filter_map(|call| call["path"].as_str()).collect();
    ensure!(paths.iter().any(|path| path.contains("GetTransactions")), "{paths:?}");
    for call in &calls {
        let sent = format!("{}{}", call["query"], call["body"]);
        ensure!(!sent.contains("pos_id"), "{call}");
    }
    Ok(())
}

// --- records ----------------------------------------------------------------------------------

async fn record(hands: Hands, members: &str, status: &str, shown: Option<&str>) -> Result<()> {
    let (id, page) = opened(&hands).await?;
    press(&hands, &page, "choose").await?;
    inquire(&hands, &id).await?;
    let payment = hands.managed(&id).await?["pspTransactionId"].as_str().context("no payment")?.to_owned();
    let mut told = json!({
        "reference_no": id, "inserted": "2026-05-17 09:32:57", "invoice_amount": "50.00", "invoice_currency": "EUR", "type": "Sell",
        "amount": "0.0007", "currency": "BTC", "confirmed": false, "cancelled": false, "reason": null, "status": "?", "state": "waiting",
    });
    for (name, value) in serde_json::from_str::<Value>(members)?.as_object().context("members")? {
        told[name] = value.clone();
    }
    next_about(&hands, "CheckPayment", &payment, told).await?;
    inquire(&hands, &id).await?;
    let data = hands.managed(&id).await?;
    ensure!(data["transaction_status"] == status, "{data}");
    let webhooks: &[&str] = if status == "Pending" { &[] } else { &[status] };
    hands.webhooks(&id, webhooks, LIMIT).await?;
    let text = timeline(&hands, &id).await?;
    ensure!(shown.is_none_or(|shown| text.contains(shown)), "{shown:?} is not told: {text}");
    let stuck = shown.is_some_and(|shown| shown.contains("instead of"));
    let attention = match (shown, status) {
        _ if stuck => json!("stuck"),
        (None, _) | (_, "Approved") => Value::Null,
        _ => json!("anomaly"),
    };
    ensure!(data["attention"] == attention, "attention is {} instead of {attention}", data["attention"]);
    Ok(())
}

// --- reviews ----------------------------------------------------------------------------------

async fn review_passes(hands: Hands) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    control(&hands.client, &id, "status/blocked").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Pending", "blocked", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    control(&hands.client, &id, "approve").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn review_refuses(hands: Hands) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    control(&hands.client, &id, "status/blocked").await?;
    inquire(&hands, &id).await?;
    control(&hands.client, &id, "cancel").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Cancelled", "cancelled", LIMIT).await?;
    ensure!(hands.managed(&id).await?["attention"].is_null(), "the coins went back");
    hands.webhooks(&id, &["Cancelled"], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}

async fn pay_out_in_review(hands: Hands) -> Result<()> {
    let (id, _) = let_go(&hands).await?;
    control(&hands.client, &id, "status/blocked").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Pending", "blocked", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    control(&hands.client, &id, "approve").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once(NAME, &id, &json!({"direction": "out", "amount": "60.00", "state": "settled"})).await.map(|_| ())
}

/// Nothing is confirmed while ForumPay looks at it.
async fn review_before_approval(hands: Hands) -> Result<()> {
    let (id, _) = held(&hands).await?;
    control(&hands.client, &id, "status/blocked").await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    hands.ends_as(&id, "Pending", "blocked", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}

/// ConfirmBuyOrder says `err`, and CheckPayment that compliance looks at the order: it may still be paid, so it is not told as
/// declined.
async fn refused_in_review(hands: Hands) -> Result<()> {
    let (id, payment) = held(&hands).await?;
    next_about(&hands, "ConfirmBuyOrder", &payment, json!({"err": "said", "err_code": "said"})).await?;
    let record = |state: &str| {
        json!({
            "reference_no": id, "invoice_amount": "60.00", "invoice_currency": "EUR", "type": "Buy", "amount": "0.0009", "currency": "BTC",
            "confirmed": false, "cancelled": false, "reason": null, "status": "?", "state": state,
        })
    };
    for state in ["waiting", "blocked"] {
        next_about(&hands, "CheckPayment", &payment, record(state)).await?;
    }
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    hands.ends_as(&id, "Pending", "blocked", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await
}

// --- coins that belong to nobody --------------------------------------------------------------

/// The payer sent less, and ran out of time: a person is told of the coins; what the merchant accepts of them is for a person
/// too.
async fn less_accepted(hands: &Hands) -> Result<String> {
    let (id, _) = opened(hands).await?;
    control(&hands.client, &id, "less").await?;
    inquire(hands, &id).await?;
    hands.ends_as(&id, "Pending", "underpayment", LIMIT).await?;
    control(&hands.client, &id, "expire").await?;
    for _ in 0..3 {
        inquire(hands, &id).await?;
    }
    hands.ends_as(&id, "Expired", "cancelled", LIMIT).await?;
    hands.needs_attention(&id, "anomaly", LIMIT).await?;
    let text = timeline(hands, &id).await?;
    ensure!(text.matches("accept or refund them at ForumPay").count() == 1, "told once: {text}");
    control(&hands.client, &id, "accept").await?;
    for _ in 0..3 {
        inquire(hands, &id).await?;
    }
    let data = hands.needs_attention(&id, "stuck", LIMIT).await?;
    ensure!(data["transaction_status"] == "Expired", "{data}");
    let text = timeline(hands, &id).await?;
    ensure!(text.matches("45.00 EUR instead of 50.00 EUR").count() == 1, "told once: {text}");
    hands.webhooks(&id, &["Expired"], LIMIT).await?;
    Ok(id)
}

async fn too_few(hands: Hands) -> Result<()> {
    less_accepted(&hands).await.map(|_| ())
}

async fn settled_by_hand(hands: Hands) -> Result<()> {
    for (to, ends, webhooks) in [("Approved", "Approved", &["Expired", "Approved"][..]), ("Failed", "Expired", &["Expired"])] {
        let id = less_accepted(&hands).await?;
        let body = json!({"to": to, "reason": "seen in the portal"});
        let answer = hands.client.manage("POST", &format!("/transactions/{id}/resolve"), Some(body)).await?;
        ensure!(answer.status == 200, "resolve to {to}: {} {}", answer.status, answer.body);
        let data = hands.managed(&id).await?;
        ensure!(data["transaction_status"] == ends && data["attention"].is_null(), "{data}");
        hands.webhooks(&id, webhooks, LIMIT).await?;
    }
    Ok(())
}

/// All coins come, but after the end; days later the merchant accepts them.
async fn too_late(hands: Hands) -> Result<()> {
    let (id, _) = opened(&hands).await?;
    control(&hands.client, &id, "expire").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Expired", "cancelled", LIMIT).await?;
    ensure!(hands.managed(&id).await?["attention"].is_null(), "there are no coins yet");
    control(&hands.client, &id, "late").await?;
    inquire(&hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Expired", "{data}");
    control(&hands.client, &id, "accept").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Expired", "Approved"], LIMIT).await?;
    hands.moved_once(NAME, &id, &json!({"direction": "in", "amount": "50.00", "currency": "EUR"})).await.map(|_| ())
}
