//! A member that is absent, `null` or empty says nothing about whose record it is: it is never taken for another's, and never for
//! a verdict.

use crate::dressing::{approved, pay, set, world};
use crate::steps::{LIMIT, events, id_of, inquire, next, until};
use crate::ten::{ALL, DIRECT, OfTen, Provider};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::Hands;

/// What names a payment and its money, beside the status. Trust's last but one breaks whoever takes a code that says nothing for
/// a zero.
fn names(provider: Provider) -> &'static [&'static str] {
    match provider.name {
        "brite" => &["amount", "currency_id", "merchant_reference", "session_id", "transaction_id", "state"],
        "cleo" => &["amount", "currency", "externalReference", "type", "status"],
        "emerchantpay" => &["amount", "currency", "transaction_id", "status"],
        "flexepin" => &["value", "currency", "transaction_id", "status", "result"],
        "forumpay" => &["invoice_amount", "invoice_currency", "reference_no", "type", "state"],
        "gigadat" => &["status", "amount", "currency", "transactionId"],
        "neosurf" => &["amount", "currency", "merchantTransactionId", "status"],
        "payone" => &["amount", "currency", "referenceId", "type", "status"],
        "trust" => &[
            "baseamount",
            "currencyiso3a",
            "orderreference",
            "sitereference",
            "transactionreference",
            "requesttypedescription",
            "errorcode",
            "settlestatus",
        ],
        _ => &["merchantCode", "lastEvent"],
    }
}

/// Ways to say nothing.
fn nothings(provider: Provider, name: &str) -> Vec<String> {
    match provider.name {
        "emerchantpay" | "neosurf" | "worldpay" => vec![String::new(), format!("<{name}/>"), format!("<{name}> </{name}>")],
        _ => vec!["null".to_owned(), "\"\"".to_owned()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_is_nobody_elses() {
    let world = world().await;
    let mut table = OfTen::new("members that say nothing");
    for provider in ALL {
        table.row(provider.name, "said by nothing", unsaid(world.hands(), provider));
    }
    table.end().await;
    let mut table = Table::new("what says nothing of an order that was taken");
    table.row_alone("worldpay, a card", unsaid(world.hands(), DIRECT)).await;
    table.row_alone("worldpay, an amount without its parts", empty_amounts(world.hands())).await;
    for (name, raw) in [("amount", "null"), ("amount", "\"\""), ("currency", "null"), ("currency", "\"\"")] {
        table.row_alone(format!("payone, a pay-out, {name} {raw}"), withdrawn(world.hands(), name, raw)).await;
    }
    for (currency, value) in
        [("null", "100.00"), ("\"\"", "100.00"), ("\" \"", "100.00"), ("\"EUR\"", "null"), ("\"EUR\"", "\"\"")]
    {
        table.row_alone(format!("flexepin, redeemed: {currency} {value}"), redeemed(world.hands(), currency, value)).await;
    }
    table.end().await;
}

async fn unsaid(hands: Hands, provider: Provider) -> Result<()> {
    for name in names(provider) {
        for raw in nothings(provider, name) {
            one(&hands, provider, json!({"instead": [[name, raw]]})).await.with_context(|| format!("{name} as {raw:?}"))?;
        }
    }
    approved(&hands, provider).await
}

/// Pays, has the provider asked while it says nothing, and looks at what was made of that.
async fn one(hands: &Hands, provider: Provider, dress: Value) -> Result<()> {
    set(hands, provider, json!({"dress": dress, "dropCallbacks": true})).await?;
    let answer = pay(hands, provider).await?;
    let id = id_of(&answer)?;
    if provider.name == "trust" {
        // Before the payer has come to Trust nobody is asked.
        let came = |shown: &Value| !events(shown, "asked").is_empty() || !shown["attention"].is_null();
        until(hands, &id, |shown| shown["transaction_status"] != "Pending" || came(shown)).await?;
    }
    if answer.status == 200 {
        inquire(hands, &id).await?;
    }
    let shown = hands.managed(&id).await?;
    set(hands, provider, json!({"dress": null, "dropCallbacks": false})).await?;
    let state = shown["transaction_status"].as_str().unwrap_or_default();
    ensure!(["Pending", "Approved"].contains(&state) || answer.status >= 500 && state == "Failed", "{} {shown}", answer.status);
    ensure!(!shown["events"].to_string().contains("has another"), "taken for another's: {shown}");
    if state != "Failed" {
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    }
    Ok(())
}

/// The attributes of an amount are there, and empty.
async fn empty_amounts(hands: Hands) -> Result<()> {
    let raw = "<amount value=\"\" currencyCode=\"\" exponent=\"\"/>";
    one(&hands, DIRECT, json!({"instead": [["amount", raw]]})).await
}

/// It was taken, and says nothing of its money: taken all the same.
async fn withdrawn(hands: Hands, name: &str, raw: &str) -> Result<()> {
    let payone = of("payone")?;
    set(&hands, payone, json!({"dress": {"instead": [[name, raw]]}})).await?;
    let answer = hands.client.cashier(&bodies::payone("PAYOUT", "200.00")).await?;
    set(&hands, payone, json!({"dress": null})).await?;
    let shown = (answer.status, answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == (200, "Pending", "Pending"), "{shown:?}: {}", answer.body);
    Ok(())
}

/// Whose voucher it was cannot be read, so that it is asked about; nobody is told that another one was redeemed.
async fn redeemed(hands: Hands, currency: &str, value: &str) -> Result<()> {
    let body =
        format!(r#"{{"result":"0","result_description":"Success","status":"USED","currency":{currency},"value":{value}}}"#);
    next(&hands, "flexepin", json!({"path": "/redeem", "http": 200, "body": body})).await?;
    let answer = pay(&hands, of("flexepin")?).await?;
    let shown = hands.managed(&id_of(&answer)?).await?;
    ensure!(shown["transaction_status"] == "Pending" && shown["attention"].is_null(), "{shown}");
    ensure!(!shown["events"].to_string().contains("was redeemed"), "{shown}");
    Ok(())
}

fn of(name: &str) -> Result<Provider> {
    ALL.into_iter().find(|one| one.name == name).context("it is there")
}
