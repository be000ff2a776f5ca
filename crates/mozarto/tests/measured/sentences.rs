//! Each sentence is true: what is said of a field whose meaning hangs on another one that is wrong, and what an inquiry's 404 is
//! told as.

use crate::steps::{LIMIT, events, id_of, inquire, next, until};
use crate::ten::ALL;
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
    for (provider, body) in [
        ("brite", json!("")),
        ("cleo", json!("")),
        ("cleo", json!({"code": "NO_ROUTE"})),
        ("flexepin", json!("")),
        ("gigadat", json!("<html>not here</html>")),
        ("neosurf", json!("")),
        ("forumpay", json!("")),
    ] {
        table.row(format!("{provider}: 404 {body}"), no_credentials(world.hands(), provider, body));
    }
    table.end().await;
}

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

/// A 404 of an inquiry says nothing of the credentials.
async fn no_credentials(hands: Hands, provider: &'static str, body: Value) -> Result<()> {
    let of = ALL.into_iter().find(|one| one.name == provider).context("a provider")?;
    let answer = if provider == "flexepin" {
        next(&hands, provider, json!({"path": "/voucher/redeem", "http": 500})).await?;
        next(&hands, provider, json!({"path": "/trans/", "http": 404, "body": body.clone(), "times": 100})).await?;
        hands.client.cashier(&bodies::flexepin(7, 2_500)).await?
    } else {
        hands.client.cashier(&of.pay_in(0, "100.00")).await?
    };
    let id = id_of(&answer)?;
    if provider != "flexepin" {
        // Brite's question names its session, Cleo's its own id.
        let about = if matches!(provider, "brite" | "cleo") { "" } else { id.as_str() };
        let method = if matches!(provider, "cleo" | "gigadat" | "forumpay") { "GET" } else { "POST" };
        next(&hands, provider, json!({"about": about, "method": method, "http": 404, "body": body})).await?;
    }
    inquire(&hands, &id).await?;
    let shown = until(&hands, &id, |shown| !events(shown, "asked").is_empty()).await?;
    let asked = &events(&shown, "asked")[0]["detail"];
    ensure!(asked["errorCode"] == "UNKNOWN_PSP_ERROR", "{asked}");
    hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    Ok(())
}
