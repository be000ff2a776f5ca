//! The sheet's digits in three countries, the page's buttons, the words, and pay-outs on hold.

use super::{body, path, pay_in, pay_out};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, good, says};
use anyhow::ensure;
use serde_json::json;
use testkit::forms::Form;

pub(super) async fn digits(stage: &mut Stage, book: &mut Book) {
    for digits in ["00", "01", "02", "03", "08", "09"] {
        let body = pay_in("CL", &format!("100{digits}.00")).to_string();
        let row = async |scene: &mut Scene<'_>| {
            if digits == "08" {
                scene.shows_once();
            }
            scene.pay(&body).await?;
            scene.control("pay").await?;
            if digits == "09" {
                scene.until("Declined").await?;
                scene.all_told().await?;
                scene.until("Approved").await?;
                scene.all_told().await?;
            }
            Ok(())
        };
        stage.row(book, &format!("PAYIN {digits}"), row).await;
    }
    for digits in ["04", "06", "07", "10"] {
        let body = pay_in("CL", &format!("100{digits}")).to_string();
        stage.row(book, &format!("PAYIN {digits}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    // The page's address is lost, and its half hour runs out.
    for digits in ["11", "12"] {
        let body = pay_in("CL", &format!("100{digits}")).to_string();
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body).await?;
            scene.control("expire").await
        };
        stage.row(book, &format!("PAYIN {digits}"), row).await;
    }
    for digits in ["00", "01", "02", "03", "06", "07", "08", "09", "10"] {
        let body = pay_out("MX", &format!("200.{digits}")).to_string();
        let row = async |scene: &mut Scene<'_>| {
            if digits == "08" {
                scene.shows_once();
            }
            scene.pay(&body).await.map(drop)
        };
        stage.row(book, &format!("PAYOUT {digits}"), row).await;
    }
    // The published amount, to the letter.
    let body = pay_in("CL", "10000").to_string().replace("\"baseamount\":10000", "\"baseamount\":10000.00");
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&body).await?;
        scene.control("pay").await
    };
    stage.row(book, "PAYIN of the published amount", row).await;
    elsewhere(stage, book).await;
}

/// The key is that of the country, and so are the digits of its currency.
async fn elsewhere(stage: &mut Stage, book: &mut Book) {
    for (country, amounts) in [("PE", ["100.00", "100.01", "100.07"]), ("MX", ["1234567890.00", "0.01", "100.07"])] {
        for amount in amounts {
            let body = pay_in(country, amount).to_string();
            let row = async |scene: &mut Scene<'_>| {
                let answer = scene.pay(&body).await?;
                if answer.status == 200 { scene.control("pay").await } else { Ok(()) }
            };
            stage.row(book, &format!("PAYIN in {country} of {amount}"), row).await;
        }
    }
    for (country, amounts) in [("CL", ["10000.00", "10001", "10007"]), ("PE", ["100.00", "100.01", "100.07"])] {
        for amount in amounts {
            let body = pay_out(country, amount).to_string();
            stage.row(book, &format!("PAYOUT in {country} of {amount}"), async |scene| scene.pay(&body).await.map(drop)).await;
        }
    }
}

/// What the payer presses on Cleo's page.
pub(super) async fn buttons(stage: &mut Stage, book: &mut Book) {
    let bank = ("bank", "Banco de Prueba Lima");
    for (name, amount, with) in [
        ("pay", "100.00", &[bank, ("action", "pay")][..]),
        ("pay, rejected", "100.01", &[bank, ("action", "pay")]),
        ("pay without a bank", "100.00", &[("action", "pay")]),
        ("pay from another bank", "100.00", &[("bank", "Banco de Prueba Andes"), ("action", "pay")]),
        ("decline", "100.00", &[bank, ("action", "decline")]),
        ("cancel", "100.00", &[bank, ("action", "cancel")]),
        ("nothing", "100.00", &[bank]),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            let url = scene.pay(&body("PAYIN", amount)).await?.text("/data/url").to_owned();
            let client = scene.client().clone();
            let page = client.send("GET", &url, &[], None).await?;
            let answer = Form::of(&page.bytes)?.post(&client, &url, with).await?;
            let location = answer.header("location").unwrap_or_default().to_owned();
            scene.did("the page", page);
            scene.did(format!("pressed: to {location}"), answer);
            Ok(())
        };
        stage.row(book, &format!("pressed: {name}"), row).await;
    }
    for outcome in ["approve", "decline", "cancel", "expire"] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body("PAYIN", "100.00")).await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("outcome: {outcome}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        scene.settings(json!({"forgeCallbacks": true})).await?;
        let paid = scene.pay(&body("PAYIN", "100.00")).await;
        scene.settings(json!({"forgeCallbacks": false})).await?;
        paid.map(drop)
    };
    stage.row(book, "forged", row).await;
}

/// Each word first, and after each end. Transfers out wait for what is done by hand.
pub(super) async fn words(stage: &mut Stage, book: &mut Book) {
    const ENDS: [(&str, &str); 4] =
        [("COMPLETED", "Approved"), ("REJECTED", "Declined"), ("CANCELLED", "Cancelled"), ("EXPIRED", "Expired")];
    for operation in ["PAYIN", "PAYOUT"] {
        for word in ["PENDING", "PROCESSING", "COMPLETED", "REJECTED", "EXPIRED", "CANCELLED", "EXPLODED"] {
            let row = async |scene: &mut Scene<'_>| {
                scene.pay(&body(operation, "300.00")).await?;
                scene.control(&format!("status/{word}")).await
            };
            stage.row(book, &format!("{operation} word {word}"), row).await;
        }
        for (first, status) in ENDS {
            for (then, _) in ENDS.into_iter().filter(|(then, _)| *then != first).chain([("PROCESSING", ""), ("EXPLODED", "")]) {
                // Of what is no end only the first says something new.
                if first != "COMPLETED" && then != "COMPLETED" && then != "PROCESSING" {
                    continue;
                }
                let row = async |scene: &mut Scene<'_>| {
                    scene.pay(&body(operation, "300.00")).await?;
                    scene.control(&format!("status/{first}")).await?;
                    scene.until(status).await?;
                    scene.all_told().await?;
                    scene.control(&format!("status/{then}")).await
                };
                stage.row(book, &format!("{operation} word {first}, then {then}"), row).await;
            }
        }
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body(operation, "300.00")).await?;
            scene.control("status/EXPLODED").await?;
            scene.until_shown("attention", "anomaly").await?;
            scene.all_told().await?;
            scene.control("status/COMPLETED").await
        };
        stage.row(book, &format!("{operation} word EXPLODED, then COMPLETED"), row).await;
    }
}

/// A rule holds pay-outs: nobody is called before a person approves.
pub(super) async fn held(stage: &mut Stage, book: &mut Book) {
    let rule =
        json!({"name": "Hold", "priority": 1000, "match": {"pspTypes": ["CLEO"], "types": ["PAYOUT"]}, "action": {"hold": true}});
    let made = stage.hands().client.manage("POST", "/rules", Some(rule)).await.expect("a rule");
    assert!(made.status < 300, "{} {}", made.status, made.body);
    stage.row(book, "held", async |scene| scene.pay(&body("PAYOUT", "300.00")).await.map(drop)).await;
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&body("PAYOUT", "301.00")).await?;
        scene.approve().await?;
        // It is sent a little later.
        scene.until_shown("status", "PENDING").await?;
        scene.all_told().await?;
        scene.control("approve").await
    };
    stage.row(book, "held, then approved", row).await;
    for (name, reply) in [
        ("refused", says(422, json!({"code": "LIMIT", "message": "too much"}))),
        ("credentials", json!({"http": 401})),
        ("cut", says(201, json!("{\"id\":\"to"))),
        ("used before", says(409, json!({"code": "DUPLICATE_REFERENCE", "message": "used"}))),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body("PAYOUT", "302.00")).await?;
            scene.next(at(&format!("POST {}", path("PAYOUT")), reply)).await?;
            scene.approve().await.map(drop)
        };
        stage.row(book, &format!("held, then approved: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&body("PAYOUT", "303.00")).await?;
        let answer =
            scene.client().manage("POST", &format!("/approvals/{}/reject", scene.id()), Some(json!({"reason": "no"}))).await?;
        scene.did("reject", answer);
        Ok(())
    };
    stage.row(book, "held, then rejected", row).await;
}

/// What only the schedule ends.
pub(super) async fn in_doubt(stage: &mut Stage, book: &mut Book) {
    let body = pay_in("CL", "10005").to_string();
    stage.row(book, "PAYIN 05", async |scene| scene.pay(&body).await.map(drop)).await;
    for digits in ["04", "05"] {
        let body = pay_out("MX", &format!("200.{digits}")).to_string();
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body).await?;
            scene.until("Failed").await
        };
        stage.row(book, &format!("PAYOUT {digits}"), row).await;
    }
    // Nobody tells: the schedule asks.
    let silent = json!({"dropCallbacks": true});
    good(&stage.hands().client.control("PUT", "/cleo/settings", Some(silent)).await.expect("settings")).expect("settings");
    for digits in ["11", "12"] {
        let body = pay_out("MX", &format!("200.{digits}")).to_string();
        let row = async |scene: &mut Scene<'_>| {
            let answer = scene.pay(&body).await?;
            ensure!(answer.text("/transaction/status") == "unknown", "{}", answer.body);
            scene.until("Approved").await
        };
        stage.row(book, &format!("PAYOUT {digits}"), row).await;
    }
}
