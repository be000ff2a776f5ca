//! "Test connection", and accounts that cannot be used.

use super::{NAME, RECORD, err, held, record};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, good, says};
use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::bodies;

const DEMO: [(&str, &str); 3] =
    [("apiKey", "gd-demo-access-0001"), ("secret", "gd-demo-security-0001"), ("campaignId", "d3m0c0de00000000000000000000gd01")];

/// "Test connection", with each answer to it in turn, and with each part of the account missing or wrong.
pub(super) async fn tested(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "Test connection", is_tested).await;
    let row = async |scene: &mut Scene<'_>| {
        for reply in [
            json!({"http": 404}),
            says(404, err("Transaction not found")),
            says(200, record("gd-1", "STATUS_PENDING")),
            says(401, err("Unauthorized")),
            json!({"http": 403}),
            json!({"http": 408}),
            json!({"http": 429, "headers": {"Retry-After": "3"}}),
            json!({"http": 500}),
            says(400, err("no")),
            json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}),
        ] {
            scene.next(at(RECORD, reply)).await?;
            is_tested(scene).await?;
        }
        Ok(())
    };
    stage.row(book, "Test connection, answered in turn", row).await;
    for (name, value) in [("without", Value::Null), ("with another", json!("gd-another-0001"))] {
        let row = async |scene: &mut Scene<'_>| {
            for (field, _) in DEMO {
                changed(scene, field, value.clone()).await?;
                let tested = is_tested(scene).await;
                restored(scene, field).await?;
                tested?;
            }
            Ok(())
        };
        stage.row(book, &format!("Test connection {name} apiKey, secret, campaignId"), row).await;
    }
}

async fn is_tested(scene: &mut Scene<'_>) -> Result<()> {
    let method = scene.client().method_of("GIGADAT").await?;
    scene.know(&method, "method");
    let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
    scene.did("test", answer);
    Ok(())
}

async fn changed(scene: &Scene<'_>, field: &str, value: Value) -> Result<()> {
    patched(scene, json!({"config": {field: value}})).await
}

async fn patched(scene: &Scene<'_>, patch: Value) -> Result<()> {
    let method = scene.client().method_of("GIGADAT").await?;
    good(&scene.client().manage("PATCH", &format!("/payment-methods/{method}"), Some(patch)).await?)
}

async fn restored(scene: &Scene<'_>, field: &str) -> Result<()> {
    let demo = DEMO.into_iter().find(|(name, _)| *name == field).map(|(_, value)| value);
    changed(scene, field, json!(demo)).await
}

/// Accounts that a call or an approval refuses, or that Gigadat does not know.
pub(super) async fn incomplete(stage: &mut Stage, book: &mut Book) {
    let calls = [("PAYIN", bodies::gigadat_in("700.00")), ("ETO", bodies::gigadat_out("ETO", "700.00"))];
    for (operation, body) in &calls {
        let row = async |scene: &mut Scene<'_>| {
            for (field, _) in DEMO {
                changed(scene, field, Value::Null).await?;
                let paid = scene.pay(body).await;
                restored(scene, field).await?;
                paid?;
            }
            Ok(())
        };
        stage.row(book, &format!("{operation} without apiKey, secret, campaignId"), row).await;
        for (field, _) in DEMO {
            let row = async |scene: &mut Scene<'_>| {
                changed(scene, field, json!("gd-another-0001")).await?;
                let paid = scene.pay(body).await;
                restored(scene, field).await?;
                paid.map(drop)
            };
            stage.row(book, &format!("{operation} with another {field}"), row).await;
        }
    }
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ETO", "710.00").await?;
        patched(scene, json!({"enabled": false})).await?;
        scene.approve().await?;
        patched(scene, json!({"enabled": true})).await?;
        changed(scene, "secret", Value::Null).await?;
        scene.approve().await?;
        restored(scene, "secret").await
    };
    stage.row(book, "ETO approved with an account that may not be used", row).await;
    let name = NAME.to_ascii_uppercase();
    // The claims' phone replaces the body's.
    let phone = bodies::gigadat_in("10.00").replace("15551234567", "+441234567890");
    stage.row(book, "another country's phone in the body", async |scene| scene.pay(&phone).await.map(drop)).await;
    let wrong = [
        format!(r#"{{"pspType":"{name}","type":"PAYIN","userIp":"1.2.3.4"}}"#),
        bodies::gigadat_in("10.00").replace("CAD", "EUR"),
        bodies::gigadat_in("10.00").replace("John Test", "John"),
        bodies::gigadat_in("10.123"),
        bodies::gigadat_out("WIRE", "10.00"),
        bodies::gigadat_out("ACH", "10.00").replace("1234567\"}", "123456\"}"),
        bodies::gigadat_out("ETO", "10.00").replace(r#","mobile":"07700900000""#, ""),
        bodies::gigadat_out("ACH", "10.00").replace("\"bank\"", "\"banks\""),
    ];
    let row = async |scene: &mut Scene<'_>| {
        for body in &wrong {
            scene.pay(body).await?;
        }
        Ok(())
    };
    stage.row(book, "refused bodies", row).await;
}
