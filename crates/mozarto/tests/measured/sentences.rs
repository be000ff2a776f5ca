//! Each sentence is true: what is said of a field whose meaning hangs on another one that is wrong, and what an inquiry's 404 is
//! told as.

use crate::short_callbacks::posted;
use crate::steps::{LIMIT, events, id_of, inquire, next, until};
use crate::ten::{ALL, OfTen};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

#[tokio::test(flavor = "multi_thread")]
async fn each_sentence_is_true() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = Table::new("sentences");
    const TYPE: &str = "beneficiary.documentType must be one of ";
    for (name, country, kind, number, sentences) in [
        (
            "a RUT with dots, its type missing",
            "CL",
            None,
            "12.345.678-5",
            vec!["Missing required field: beneficiary.documentType"],
        ),
        ("a RUT with dots of another type", "CL", Some("DNI"), "12.345.678-5", vec![TYPE]),
        ("a RUT with dots in no country", "XX", Some("RUT"), "12.345.678-5", vec!["countryCode must be one of "]),
        ("a RUT with dots in Peru", "PE", Some("RUT"), "12.345.678-5", vec![TYPE]),
        ("an RFC, its type missing", "MX", None, "ÑA&E850101AB1", vec!["Missing required field: beneficiary.documentType"]),
        ("an RFC of another type", "MX", Some("rfc"), "ÑA&E850101AB1", vec![TYPE]),
        ("a false RUT with dots", "CL", Some("RUT"), "12.345.678-4", vec!["beneficiary.documentNumber is not a valid RUT"]),
        (
            "a false RUT, its type missing",
            "CL",
            None,
            "12.345.678-4",
            vec!["Missing required field: beneficiary.documentType", "beneficiary.documentNumber is not a valid RUT"],
        ),
    ] {
        table.row(name, told(world.hands(), country, kind, number, sentences));
    }
    table.end().await;
    let mut table = OfTen::new("what a 404 of an inquiry is told as");
    for (provider, body, code) in [
        ("brite", json!(""), UNKNOWN),
        ("cleo", json!(""), UNKNOWN),
        ("cleo", json!({"code": "NO_ROUTE"}), UNKNOWN),
        ("emerchantpay", json!(""), UNKNOWN),
        ("emerchantpay", json!("<html>not here</html>"), UNKNOWN),
        ("flexepin", json!(""), UNKNOWN),
        ("gigadat", json!("<html>not here</html>"), UNKNOWN),
        ("neosurf", json!(""), UNKNOWN),
        ("forumpay", json!(""), UNKNOWN),
        ("worldpay", json!(""), UNKNOWN),
        ("worldpay", json!("<html>not here</html>"), UNKNOWN),
        // Break whoever takes the credentials out of every 404: two sheets say otherwise, one of an empty body alone.
        ("payone", json!(""), CREDENTIALS),
        ("payone", json!("<html>not here</html>"), UNKNOWN),
        ("trust", json!("<html>not here</html>"), CREDENTIALS),
    ] {
        table.row(provider, format!("404 {body}"), not_found(world.hands(), provider, body, code));
    }
    table.end().await;
}

const UNKNOWN: &str = "UNKNOWN_PSP_ERROR";
const CREDENTIALS: &str = "INVALID_PSP_CREDENTIALS";

/// These sentences and no others; of each its beginning.
async fn told(hands: Hands, country: &str, kind: Option<&str>, number: &str, sentences: Vec<&str>) -> Result<()> {
    let (currency, amount, account) = match country {
        "PE" => ("PEN", json!(500), "00219300000000000000"),
        "MX" => ("MXN", json!(500), "032180000118359719"),
        _ => ("CLP", json!(12_500), "123456789"),
    };
    let mut beneficiary = json!({"documentNumber": number, "accountNumber": account, "accountType": "checking"});
    beneficiary["bankCode"] = json!(if country == "CL" || country == "XX" { "012" } else { &account[..3] });
    if let Some(kind) = kind {
        beneficiary["documentType"] = json!(kind);
    }
    let body = json!({"pspType": "CLEO", "type": "PAYOUT", "baseamount": amount, "currency": currency, "currencyCode": currency,
        "userId": "user_123", "email": "player@example.com", "firstName": "John", "lastName": "Doe", "countryCode": country,
        "beneficiary": beneficiary});
    let answer = hands.client.cashier(&body.to_string()).await?;
    let mut all: Vec<&str> = answer.body["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if all.is_empty() {
        all.push(answer.text("/message"));
    }
    let same = all.len() == sentences.len() && all.iter().zip(&sentences).all(|(told, begins)| told.starts_with(begins));
    ensure!(answer.status == 400 && same, "{} {all:?}", answer.status);
    Ok(())
}

/// A 404 of an inquiry says nothing of the credentials, unless the provider's sheet has it so.
async fn not_found(hands: Hands, provider: &'static str, body: Value, code: &'static str) -> Result<()> {
    let of = ALL.into_iter().find(|one| one.name == provider).context("a provider")?;
    let answer = match provider {
        "flexepin" => {
            next(&hands, provider, json!({"path": "/voucher/redeem", "http": 500})).await?;
            next(&hands, provider, json!({"path": "/trans/", "http": 404, "body": body.clone(), "times": 100})).await?;
            hands.client.cashier(&bodies::flexepin(7, 2_500)).await?
        }
        // Its payer is challenged, so that it is open.
        "emerchantpay" => hands.client.cashier(&bodies::emerchantpay("100.00", "4918190000000002")).await?,
        _ => hands.client.cashier(&of.pay_in(0, "100.00")).await?,
    };
    let id = id_of(&answer)?;
    if provider == "trust" {
        posted(&hands, answer.text("/data/paymentUrl")).await?;
    }
    if provider != "flexepin" {
        // Some ask by the provider's own id.
        let theirs = hands.managed(&id).await?["pspTransactionId"].as_str().unwrap_or_default().to_owned();
        let about = match provider {
            // Brite's question names its session.
            "brite" => "",
            "cleo" | "emerchantpay" => theirs.as_str(),
            _ => id.as_str(),
        };
        let method = if matches!(provider, "cleo" | "gigadat" | "forumpay" | "payone") { "GET" } else { "POST" };
        next(&hands, provider, json!({"about": about, "method": method, "http": 404, "body": body})).await?;
    }
    inquire(&hands, &id).await?;
    let shown = until(&hands, &id, |shown| !events(shown, "asked").is_empty()).await?;
    let asked = &events(&shown, "asked")[0]["detail"];
    ensure!(asked["errorCode"] == code, "{asked}");
    hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    Ok(())
}
