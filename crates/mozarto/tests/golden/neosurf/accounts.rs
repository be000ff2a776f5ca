//! "Test connection", accounts that cannot be used, and bodies that are refused.

use super::{SECRET, SOAP, absent, configured, details, pay};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, says};
use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::bodies;

/// The account's fields, each with something else than the demo account's.
const FIELDS: [(&str, &str); 3] =
    [("apiKey", "another-secret-0001"), ("merchantId", "24843"), ("siteUrl", "https://other.example/shop")];

/// "Test connection", with each answer to it in turn, and with each part of the account missing or wrong.
pub(super) async fn tested(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "Test connection", is_tested).await;
    let row = async |scene: &mut Scene<'_>| {
        for reply in [
            absent(),
            details(&[("status", "pending")]),
            details(&[("errorMessage", "hash is not correct")]),
            details(&[]),
            says(200, json!("<Envelope><Body><Fault/></Body></Envelope>")),
            says(200, json!("<html>hello</html>")),
            json!({"http": 401}),
            json!({"http": 403}),
            json!({"http": 404}),
            json!({"http": 408}),
            json!({"http": 429, "headers": {"Retry-After": "3"}}),
            json!({"http": 500}),
        ] {
            scene.next(at(SOAP, reply)).await?;
            is_tested(scene).await?;
        }
        Ok(())
    };
    stage.row(book, "Test connection, answered in turn", row).await;
    for missing in [true, false] {
        let row = async |scene: &mut Scene<'_>| {
            for (field, another) in FIELDS {
                let value = if missing { Value::Null } else { json!(another) };
                meanwhile(scene, field, value, is_tested).await?;
            }
            Ok(())
        };
        let how = if missing { "without" } else { "with another" };
        stage.row(book, &format!("Test connection {how} apiKey, merchantId, siteUrl"), row).await;
    }
}

async fn is_tested(scene: &mut Scene<'_>) -> Result<()> {
    let method = scene.client().method_of("NEOSURF").await?;
    scene.know(&method, "method");
    let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
    scene.did("test", answer);
    Ok(())
}

/// Does something while the account's field is another.
async fn meanwhile(
    scene: &mut Scene<'_>,
    field: &str,
    value: Value,
    work: impl AsyncFnOnce(&mut Scene<'_>) -> Result<()>,
) -> Result<()> {
    let client = scene.client().clone();
    let method = client.method_of("NEOSURF").await?;
    let shown = client.manage("GET", &format!("/payment-methods/{method}"), None).await?;
    let before = if field == "apiKey" { json!(SECRET) } else { shown.body["data"]["config"][field].clone() };
    configured(&client, json!({field: value})).await?;
    let done = work(scene).await;
    configured(&client, json!({field: before})).await?;
    done
}

/// Accounts that a call refuses, or that Neosurf does not know; then bodies.
pub(super) async fn incomplete(stage: &mut Stage, book: &mut Book) {
    let body = bodies::neosurf("EUR", "70.00");
    let call = async |scene: &mut Scene<'_>| pay(scene, &body).await.map(drop);
    let row = async |scene: &mut Scene<'_>| {
        for (field, _) in FIELDS {
            meanwhile(scene, field, Value::Null, call).await?;
        }
        Ok(())
    };
    stage.row(book, "PAYIN without apiKey, merchantId, siteUrl", row).await;
    for (field, another) in FIELDS {
        let row = async |scene: &mut Scene<'_>| meanwhile(scene, field, json!(another), call).await;
        stage.row(book, &format!("PAYIN with another {field}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        let method = scene.client().method_of("NEOSURF").await?;
        scene.know(&method, "method");
        for config in [json!({"username": "u", "password": "p"}), json!({"merchantId": "24 842"}), json!({"siteUrl": "ftp://a"})]
        {
            let patch = Some(json!({"config": config}));
            let answer = scene.client().manage("PATCH", &format!("/payment-methods/{method}"), patch).await?;
            scene.did(format!("configured {config}"), answer);
        }
        Ok(())
    };
    stage.row(book, "configurations that are refused", row).await;
    let wrong = [
        body.replace("PAYIN", "PAYOUT"),
        r#"{"pspType":"NEOSURF","type":"PAYIN"}"#.to_owned(),
        body.replace(r#""currencyCode":"EUR""#, r#""currencyCode":"USD""#),
        body.replace("70.00", "70.001"),
        bodies::neosurf("JPY", "70.5"),
        body.replace('}', r#","siteUrl":"ftp://a.example"}"#),
        body.replace("70.00", "\"70.00\""),
    ];
    let row = async |scene: &mut Scene<'_>| {
        for body in &wrong {
            pay(scene, body).await?;
        }
        Ok(())
    };
    stage.row(book, "refused bodies", row).await;
}
