//! A provider that says that our reference was used before: what used it may have been the very call that it answers. A pay-out
//! is in doubt then, and of a page the provider is asked; neither is refused.

use crate::steps::{LIMIT, id_of, next};
use crate::ten::ALL;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const CLEO_OUT: &str = r#"{"pspType":"CLEO","type":"PAYOUT","baseamount":12500,"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"CL","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{"line1":"Av. Uno 1","city":"Santiago","state":"RM","postalCode":"8320000","country":"CL"},"beneficiary":{"bankCode":"012","accountNumber":"123456789","accountType":"checking","documentNumber":"12345678-5","documentType":"RUT"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_used_reference_is_no_refusal() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = Table::new("a reference that was used before");
    for status in [200, 400, 409, 422] {
        for text in ["referenceId already exists", "Duplicate referenceId", "referenceId has already been used"] {
            let said = json!({"success": false, "error": text});
            table
                .row_alone(
                    format!("PayOne withdraw: {status} {text}"),
                    in_doubt(world.hands(), "payone", "/api/withdraw", status, said),
                )
                .await;
        }
    }
    for (status, code) in [(400, "DUPLICATE_REFERENCE"), (409, "CONFLICT"), (422, "ALREADY_EXISTS")] {
        let said = json!({"code": code, "message": "externalReference was already used"});
        table
            .row_alone(
                format!("Cleo transfer-out: {status} {code}"),
                in_doubt(world.hands(), "cleo", "transfer-out", status, said),
            )
            .await;
    }
    for (provider, path, status, said) in [
        ("payone", "/api/deposit", 400, json!({"success": false, "error": "referenceId already exists"})),
        ("cleo", "transfer-in", 409, json!({"code": "DUPLICATE_REFERENCE", "message": "externalReference was already used"})),
        (
            "brite",
            "create_deposit",
            400,
            json!({"error_name": "TransactionInvalid", "error_message": "merchant_reference already used", "state": "APPLICATION_ERROR"}),
        ),
    ] {
        table.row_alone(format!("{provider} {path}"), asked_about(world.hands(), provider, path, status, said)).await;
    }
    table.end().await;
}

/// Nobody knows whether the pay-out was taken: it is open, and inquiry decides.
async fn in_doubt(hands: Hands, provider: &str, path: &str, status: u16, said: Value) -> Result<()> {
    next(&hands, provider, json!({"path": path, "http": status, "body": said})).await?;
    let body = if provider == "cleo" { CLEO_OUT.to_owned() } else { bodies::payone("PAYOUT", "200.00") };
    let answer = hands.client.cashier(&body).await?;
    let shown = (answer.status, answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == (200, "Pending", "unknown"), "{shown:?}: {}", answer.body);
    Ok(())
}

/// The order may be there: the provider is asked about it before anything is said. (Here it is not.)
async fn asked_about(hands: Hands, provider: &str, path: &str, status: u16, said: Value) -> Result<()> {
    let of = ALL.into_iter().find(|one| one.name == provider).expect("a provider");
    next(&hands, provider, json!({"path": path, "http": status, "body": said})).await?;
    let answer = hands.client.cashier(&of.pay_in(0, "100.00")).await?;
    let id = id_of(&answer)?;
    hands.client.wait_for(&id, &["Failed"], LIMIT).await?;
    let shown = hands.managed(&id).await?;
    let failed = shown["events"].as_array().and_then(|events| events.iter().find(|event| event["event"] == "failed")).cloned();
    let calls = failed.as_ref().and_then(|event| event["detail"]["calls"].as_array()).map_or(0, Vec::len);
    ensure!(calls >= 2, "it was not asked about: {shown}");
    Ok(())
}
