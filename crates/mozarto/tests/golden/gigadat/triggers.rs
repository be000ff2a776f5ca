//! The sheet's digits, the page's buttons and the control words.

use super::{NEVER_MS, SETTLES_AFTER_MS, approve, held, settings, stands};
use crate::book::Book;
use crate::stage::{Scene, Stage};
use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::forms::Form;

const RAILS: [&str; 2] = ["ETO", "ACH"];
/// Late enough for the answer to the release to have been read.
const SOON_MS: u64 = 150;
const PUBLISHED_IN: &str = r#"{"pspType":"GIGADAT","type":"PAYIN","name":"John Test","email":"merchant-user@example.com","phone":"15551234567","baseamount":10.00,"currency":"CAD","userId":"user_123","userIp":"1.2.3.4"}"#;
const PUBLISHED_ETO: &str = r#"{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ETO","isTestMode":false,"name":"John Test","email":"merchant-user@example.com","baseamount":10.00,"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","mobile":"07700900000"}"#;
const PUBLISHED_ACH: &str = r#"{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ACH","name":"John Test","email":"merchant-user@example.com","baseamount":10.00,"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","bank":{"institution":"001","transit":"12345","account":"1234567"}}"#;
/// With everything that may be in it.
const WHOLE_IN: &str = r#"{"pspType":"GIGADAT","type":"PAYIN","name":" John  Test ","email":"merchant-user@example.com","phone":"5551234567","baseamount":100.5,"userIp":"2001:db8::1","countryCode":"CA","address":{"line1":"1 Main St","city":"Ottawa","state":"ON","postalCode":"K1A 0B1","country":"CA"},"kycVerified":true,"userBalance":20.5,"merchantReference":"ORDER-REF-001","isTestMode":true}"#;

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (name, body) in [("published", PUBLISHED_IN), ("whole", WHOLE_IN)] {
        stage.row(book, &format!("PAYIN {name}"), async |scene| scene.pay(body).await.map(drop)).await;
    }
    for (name, body) in [("ETO", PUBLISHED_ETO), ("ACH", PUBLISHED_ACH)] {
        stage.row(book, &format!("{name} published"), async |scene| by_another_user(scene, body).await).await;
    }
    for digits in ["00", "01", "02", "03", "08", "09", "12"] {
        pressed(stage, book, digits).await;
    }
    for digits in ["04", "06", "07", "10", "11"] {
        let body = bodies::gigadat_in(&format!("100.{digits}"));
        stage.row(book, &format!("PAYIN {digits}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    settings(stage, json!({"settleDelayMs": SOON_MS})).await;
    for rail in RAILS {
        for digits in ["00", "01", "02", "03", "08", "09", "10", "12"] {
            let_go(stage, book, rail, digits).await;
        }
        for digits in ["04", "06", "07", "11"] {
            let body = bodies::gigadat_out(rail, &format!("200.{digits}"));
            stage.row(book, &format!("{rail} {digits}"), async |scene| scene.pay(&body).await.map(drop)).await;
        }
    }
    settings(stage, json!({"settleDelayMs": SETTLES_AFTER_MS})).await;
    stage.row(book, "ETO rejected by a person", rejected).await;
    pages(stage, book).await;
    controlled(stage, book).await;
    forged(stage, book).await;
}

/// By the user whom the published body names, without further claims: the body's e-mail address and number go upstream.
async fn by_another_user(scene: &mut Scene<'_>, body: &str) -> Result<()> {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let (head, claims) = (json!({"alg": "HS256", "typ": "JWT"}), json!({"userId": "000000000000000000000001"}));
    let mut client = scene.client().clone();
    client.user_token = format!("{}.{}.c2lnbmVk", part(head), part(claims));
    let answer = client.cashier(body).await?;
    scene.adopt(answer.text("/transaction/transactionId"));
    scene.did(format!("cashier {body}"), answer);
    Ok(())
}

/// The payer presses Pay.
async fn pressed(stage: &mut Stage, book: &mut Book, digits: &str) {
    let body = bodies::gigadat_in(&format!("100.{digits}"));
    let row = async |scene: &mut Scene<'_>| {
        if digits == "08" {
            scene.shows_once();
        }
        scene.pay(&body).await?;
        scene.control("pay").await?;
        if digits == "09" { scene.until("Approved").await } else { Ok(()) }
    };
    stage.row(book, &format!("PAYIN {digits}"), row).await;
}

/// A pay-out that is approved, until it ends.
async fn let_go(stage: &mut Stage, book: &mut Book, rail: &str, digits: &str) {
    let row = async |scene: &mut Scene<'_>| {
        if digits == "08" {
            scene.shows_once();
        }
        held(scene, rail, &format!("200.{digits}")).await?;
        approve(scene).await?;
        let ends = match digits {
            "01" => "Declined",
            "02" => "Cancelled",
            "03" => "Expired",
            _ => "Approved",
        };
        scene.until(ends).await
    };
    stage.row(book, &format!("{rail} {digits}"), row).await;
}

async fn rejected(scene: &mut Scene<'_>) -> Result<()> {
    held(scene, "ETO", "205.00").await?;
    let path = format!("/approvals/{}/reject", scene.id());
    let answer = scene.client().manage("POST", &path, Some(json!({"reason": "unknown payee"}))).await?;
    scene.did("reject", answer);
    Ok(())
}

/// What only the schedule ends.
pub(super) async fn in_doubt(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "PAYIN 05", async |scene| scene.pay(&bodies::gigadat_in("100.05")).await.map(drop)).await;
    for rail in RAILS {
        let body = bodies::gigadat_out(rail, "200.05");
        stage.row(book, &format!("{rail} 05"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}

/// The hosted page: opened, asked about, and each of its buttons.
async fn pages(stage: &mut Stage, book: &mut Book) {
    for action in ["pay", "decline", "leave"] {
        let row = async |scene: &mut Scene<'_>| {
            let answer = scene.pay(&bodies::gigadat_in("110.00")).await?;
            scene.manage("inquire").await?;
            let page = address(scene, answer.text("/data/webflowURL"))?;
            let shown = scene.client().send("GET", &page, &[], None).await?;
            ensure!(shown.status == 200, "the page: {}", shown.status);
            scene.manage("inquire").await?;
            let button = [("bank", "Prairie Test Savings"), ("action", action)];
            let button = if action == "pay" { &button[..] } else { &button[1..] };
            let left = Form::of(&shown.bytes)?.post(scene.client(), &page, button).await?;
            ensure!(left.status == 303, "{action}: {}", left.status);
            Ok(())
        };
        stage.row(book, &format!("page: {action}"), row).await;
    }
}

/// The page at the simulator itself: what a browser says to it is not the platform's business.
fn address(scene: &Scene<'_>, url: &str) -> Result<String> {
    let path = url.find("/gigadat/webflow").map(|start| &url[start..]);
    path.map(|path| format!("{}{path}", scene.client().simulator)).ok_or_else(|| anyhow::anyhow!("no page: {url}"))
}

/// The control words, and the raw ones, told by Gigadat's callback.
async fn controlled(stage: &mut Stage, book: &mut Book) {
    for outcome in ["approve", "decline", "cancel", "expire"] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in("111.00")).await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("PAYIN control: {outcome}"), row).await;
    }
    for outcome in ["decline", "cancel", "expire"] {
        let row = async |scene: &mut Scene<'_>| {
            held(scene, "ETO", "112.00").await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("ETO on hold, control: {outcome}"), row).await;
    }
    settings(stage, json!({"settleDelayMs": NEVER_MS})).await;
    for outcome in ["approve", "decline", "cancel", "expire"] {
        let row = async |scene: &mut Scene<'_>| {
            held(scene, "ETO", "113.00").await?;
            approve(scene).await?;
            stands(scene, "Pending", "STATUS_INITED").await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("ETO released, control: {outcome}"), row).await;
    }
    settings(stage, json!({"settleDelayMs": SETTLES_AFTER_MS})).await;
    for word in super::found::WORDS {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in("114.00")).await?;
            scene.control(&format!("status/{word}")).await
        };
        stage.row(book, &format!("PAYIN control: status/{word}"), row).await;
    }
}

/// Success told of what nobody paid.
async fn forged(stage: &mut Stage, book: &mut Book) {
    settings(stage, json!({"forgeCallbacks": true})).await;
    let body = bodies::gigadat_in("115.00");
    stage.row(book, "PAYIN forged", async |scene| scene.pay(&body).await.map(drop)).await;
    let body = bodies::gigadat_out("ETO", "115.00");
    stage.row(book, "ETO forged", async |scene| scene.pay(&body).await.map(drop)).await;
    settings(stage, json!({"forgeCallbacks": false})).await;
}
