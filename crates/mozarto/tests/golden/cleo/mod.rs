//! Cleo (`cleo-assumed-v0`): transfers in and out, in three countries.

mod called_back;
mod creating;
mod found;
mod refused;
mod triggers;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage, good};
use anyhow::Result;
use serde_json::{Value, json};

const IN: &str = "/v1/transfer-in";
const OUT: &str = "/v1/transfer-out";

#[tokio::test(flavor = "multi_thread")]
async fn cleo() {
    let real = async {
        let mut book = Book::open("cleo");
        let mut stage = Stage::start("cleo", &["CLEO"], "", Pace::Real).await.expect("a stage");
        refused::tested(&mut stage, &mut book).await;
        refused::refused(&mut stage, &mut book).await;
        triggers::digits(&mut stage, &mut book).await;
        triggers::buttons(&mut stage, &mut book).await;
        // From here on nothing is told or settled but by hand.
        simulator(&stage, true).await;
        refused::documents(&mut stage, &mut book).await;
        creating::answered(&mut stage, &mut book).await;
        found::found(&mut stage, &mut book).await;
        called_back::told(&mut stage, &mut book).await;
        simulator(&stage, false).await;
        triggers::words(&mut stage, &mut book).await;
        refused::not_configured(&mut stage, &mut book).await;
        triggers::held(&mut stage, &mut book).await;
        book
    };
    let fast = async {
        let mut book = Book::open("cleo-by-schedule");
        let mut stage = Stage::start("cleo", &["CLEO"], "", Pace::Fast).await.expect("a stage");
        triggers::in_doubt(&mut stage, &mut book).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

/// Whether Cleo tells of anything; transfers out are settled by hand.
async fn simulator(stage: &Stage, silent: bool) {
    let settings = json!({"dropCallbacks": silent, "settleDelayMs": 600_000});
    good(&stage.hands().client.control("PUT", "/cleo/settings", Some(settings)).await.expect("settings")).expect("settings");
}

const fn currency(country: &str) -> &'static str {
    match country.as_bytes() {
        b"CL" => "CLP",
        b"PE" => "PEN",
        _ => "MXN",
    }
}

/// Somebody who pays in.
fn pay_in(country: &str, amount: &str) -> Value {
    let currency = currency(country);
    let amount: Value = serde_json::from_str(amount).expect("a number");
    json!({
        "pspType": "CLEO", "type": "PAYIN", "baseamount": amount, "currency": currency, "currencyCode": currency,
        "userId": "user_123", "email": "player@example.com", "firstName": "John", "lastName": "Doe", "phone": "56912345678",
        "gender": "male", "dob": "1990-01-15", "countryCode": country, "kycVerified": true, "blocked": false, "isVelocity": false,
        "transactionCount": "12", "userBalance": 0, "partnerName": "Acme", "emailVerification": "player@example.com",
        "verificationDate": "2026-01-15",
        "address": {"line1": "Av. Uno 1", "city": "Santiago", "state": "RM", "postalCode": "8320000", "country": country},
    })
}

/// Somebody who is paid.
fn pay_out(country: &str, amount: &str) -> Value {
    let currency = currency(country);
    let amount: Value = serde_json::from_str(amount).expect("a number");
    let beneficiary = match country {
        "CL" => json!({"documentType": "RUT", "documentNumber": "12345678-5", "bankCode": "001", "accountType": "vista",
            "accountNumber": "00012345678"}),
        "PE" => json!({"documentType": "DNI", "documentNumber": "12345678", "accountNumber": "00219300123456789012"}),
        _ => json!({"documentType": "RFC", "documentNumber": "DOJO900115AB1", "accountNumber": "032180000118359719"}),
    };
    json!({
        "pspType": "CLEO", "type": "PAYOUT", "baseamount": amount, "currency": currency, "currencyCode": currency,
        "userId": "user_123", "email": "player@example.com", "firstName": "John", "lastName": "Doe", "countryCode": country,
        "beneficiary": beneficiary,
    })
}

/// Of either operation, where one country is as good as another.
fn body(operation: &str, amount: &str) -> String {
    if operation == "PAYIN" { pay_in("PE", amount) } else { pay_out("MX", amount) }.to_string()
}

const fn path(operation: &str) -> &'static str {
    if operation.len() == "PAYIN".len() { IN } else { OUT }
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    if let Some(parent) = object.pointer_mut(parent) {
        parent[member] = value;
    }
    object
}

/// Cleo's record of a transfer.
fn record(operation: &str, id: &str, reference: &str, status: &str, amount: &str) -> Value {
    let (kind, country) = if operation == "PAYIN" { ("TRANSFER_IN", "PE") } else { ("TRANSFER_OUT", "MX") };
    json!({
        "id": id, "externalReference": reference, "type": kind, "status": status, "amount": amount, "currency": currency(country),
        "country": country, "reason": null,
    })
}

/// Cleo's id of the row's transfer.
async fn theirs(scene: &Scene<'_>) -> Result<String> {
    let shown = scene.hands().managed(scene.id()).await?;
    Ok(shown["pspTransactionId"].as_str().unwrap_or_default().to_owned())
}
