//! ForumPay: the sheet's digits, the page's buttons, the control words.

use super::*;

/// Rows that callbacks, answers or inquiries by hand end.
pub(super) async fn real(stage: &mut Stage, book: &mut Book) {
    pay_ins(stage, book).await;
    pay_outs(stage, book).await;
    page(stage, book).await;
    words(stage, book).await;
    coins(stage, book).await;
    settings(stage, book).await;
}

async fn pay_ins(stage: &mut Stage, book: &mut Book) {
    for digits in ["00", "01", "02", "03", "08", "09"] {
        let row = async |scene: &mut Scene<'_>| {
            if digits == "08" {
                scene.shows_once();
            }
            link(scene, &format!("100.{digits}")).await?;
            scene.control("pay").await?;
            match digits {
                "01" | "02" => scene.until("Cancelled").await,
                "03" => scene.until("Expired").await,
                "09" => scene.until("Approved").await,
                _ => Ok(()),
            }
        };
        plays(stage, book, &format!("PAYIN {digits}"), row).await;
    }
    for digits in ["04", "06", "07", "10"] {
        let row = async |scene: &mut Scene<'_>| link(scene, &format!("100.{digits}")).await.map(drop);
        plays(stage, book, &format!("PAYIN {digits}"), row).await;
    }
    // The link was made, its address is lost; who has it all the same can pay.
    for digits in ["11", "12"] {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, &format!("100.{digits}")).await?;
            scene.until("Failed").await?;
            shop_told(scene).await?;
            scene.control("pay").await?;
            scene.until("Approved").await
        };
        plays(stage, book, &format!("PAYIN {digits}"), row).await;
    }
}

async fn pay_outs(stage: &mut Stage, book: &mut Book) {
    for digits in ["00", "01", "02", "03", "08", "09", "10", "11", "12"] {
        let row = async |scene: &mut Scene<'_>| {
            if digits == "08" {
                scene.shows_once();
            }
            order(scene, &format!("200.{digits}")).await?;
            scene.approve().await?;
            match digits {
                "01" | "02" => scene.until("Cancelled").await,
                "03" => scene.until("Expired").await,
                _ => Ok(()),
            }
        };
        plays(stage, book, &format!("PAYOUT {digits}"), row).await;
    }
    for digits in ["06", "07"] {
        let row = async |scene: &mut Scene<'_>| order(scene, &format!("200.{digits}")).await.map(drop);
        plays(stage, book, &format!("PAYOUT {digits}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        order(scene, "205.00").await?;
        let reject = json!({"reason": "unknown wallet"});
        let path = format!("/approvals/{}/reject", scene.id());
        let answer = scene.client().manage("POST", &path, Some(reject)).await?;
        scene.did("reject", answer);
        scene.until("Rejected").await?;
        scene.approve().await.map(drop)
    };
    plays(stage, book, "PAYOUT rejected", row).await;
}

/// What only the schedule ends.
pub(super) async fn fast(stage: &mut Stage, book: &mut Book) {
    // The schedule finds what became of it, and nobody else.
    set(stage, json!({"dropCallbacks": true, "settleDelayMs": 0})).await;
    let row = async |scene: &mut Scene<'_>| link(scene, "100.05").await.map(drop);
    plays(stage, book, "PAYIN 05", row).await;
    plays(stage, book, "PAYOUT 05", async |scene| order(scene, "200.05").await.map(drop)).await;
    let row = async |scene: &mut Scene<'_>| {
        order(scene, "200.04").await?;
        scene.approve().await?;
        scene.hands().needs_attention(scene.id(), "stuck", LIMIT).await?;
        scene.manage("release").await?;
        scene.until("Approved").await?;
        scene.manage("release").await.map(drop)
    };
    plays(stage, book, "PAYOUT 04, released again", row).await;
}

/// The page's buttons; nobody is told, and each step is asked about.
async fn page(stage: &mut Stage, book: &mut Book) {
    set(stage, json!({"dropCallbacks": true})).await;
    let ways: [(&str, &[&str]); 6] = [
        ("choose", &["choose"]),
        ("pay", &["choose", "pay"]),
        ("pay less, then the rest", &["choose", "pay_less", "pay"]),
        ("cancel", &["choose", "cancel"]),
        ("cancel, try again", &["choose", "cancel", "again"]),
        ("cancel twice, come back and pay", &["choose", "cancel", "again", "cancel", "again", "pay"]),
    ];
    for (name, buttons) in ways {
        let row = async |scene: &mut Scene<'_>| {
            let page = link(scene, "50.00").await?;
            for button in buttons {
                press(scene, &page, button).await?;
                inquire(scene).await?;
            }
            Ok(())
        };
        plays(stage, book, &format!("page: {name}"), row).await;
    }
    // The second one waits while the first one has ended: asked about once, at the end.
    let row = async |scene: &mut Scene<'_>| {
        let page = link(scene, "50.00").await?;
        for button in ["choose", "cancel", "again"] {
            press(scene, &page, button).await?;
        }
        inquire(scene).await
    };
    plays(stage, book, "page: one cancelled, a second one waits", row).await;
    set(stage, json!({"dropCallbacks": false})).await;
}

/// Outcomes and raw words of the control, each told by a callback.
async fn words(stage: &mut Stage, book: &mut Book) {
    let ends = |word: &str| match word {
        "approve" | "status/confirmed" => Some("Approved"),
        "decline" | "cancel" | "status/cancelled" => Some("Cancelled"),
        "expire" => Some("Expired"),
        _ => None,
    };
    let all = ["approve", "decline", "cancel", "expire", "status/waiting", "status/processing", "status/underpayment"];
    let more = ["status/blocked", "status/confirmed", "status/cancelled", "status/exploded"];
    for control in all.into_iter().chain(more) {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, "51.00").await?;
            scene.control(control).await?;
            match ends(control) {
                Some(status) => scene.until(status).await,
                None => scene.exchanges(2).await,
            }
        };
        plays(stage, book, &format!("PAYIN {control}"), row).await;
    }
    set(stage, json!({"settleDelayMs": 3_600_000})).await;
    for control in all.into_iter().chain(more) {
        let row = async |scene: &mut Scene<'_>| {
            order(scene, "61.00").await?;
            scene.approve().await?;
            scene.exchanges(4).await?;
            event(scene, "ConfirmBuyOrder").await?;
            scene.control(control).await?;
            match ends(control) {
                Some(status) => scene.until(status).await,
                None => scene.exchanges(5).await,
            }
        };
        plays(stage, book, &format!("PAYOUT {control}"), row).await;
    }
    set(stage, json!({"settleDelayMs": 500})).await;
}

/// Coins that come late or too few, and reviews.
async fn coins(stage: &mut Stage, book: &mut Book) {
    set(stage, json!({"dropCallbacks": true})).await;
    let ways: [(&str, &[&str]); 5] = [
        ("too few coins, accepted", &["less", "expire", "accept"]),
        ("coins that come late, accepted", &["expire", "late", "accept"]),
        ("a review that lets it pass", &["status/blocked", "approve"]),
        ("a review that does not", &["status/blocked", "cancel"]),
        ("too few coins, then the rest", &["less", "approve"]),
    ];
    for (name, controls) in ways {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, "50.00").await?;
            for control in controls {
                scene.control(control).await?;
                inquire(scene).await?;
                // Asked again: what was told is not told again.
                inquire(scene).await?;
            }
            Ok(())
        };
        plays(stage, book, name, row).await;
    }
    for (to, name) in [("Approved", "too few coins, settled by a person"), ("Failed", "too few coins, given up by a person")] {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, "50.00").await?;
            for control in ["less", "expire", "accept"] {
                scene.control(control).await?;
                inquire(scene).await?;
            }
            let resolve = json!({"to": to, "reason": "seen in the portal"});
            let answer = scene.client().manage("POST", &format!("/transactions/{}/resolve", scene.id()), Some(resolve)).await?;
            scene.did(format!("resolve to {to}"), answer);
            Ok(())
        };
        plays(stage, book, name, row).await;
    }
    set(stage, json!({"dropCallbacks": false})).await;
}

/// The simulator's settings: callbacks with the payment alone, and those about nothing.
async fn settings(stage: &mut Stage, book: &mut Book) {
    set(stage, json!({"shortCallbacks": true})).await;
    let row = async |scene: &mut Scene<'_>| {
        link(scene, "52.00").await?;
        scene.control("pay").await?;
        scene.until("Approved").await
    };
    plays(stage, book, "PAYIN short callback", row).await;
    let row = async |scene: &mut Scene<'_>| {
        order(scene, "62.00").await?;
        scene.approve().await?;
        scene.until("Approved").await
    };
    plays(stage, book, "PAYOUT short callback", row).await;
    set(stage, json!({"shortCallbacks": false, "forgeCallbacks": true})).await;
    let row = async |scene: &mut Scene<'_>| {
        link(scene, "53.00").await?;
        // A callback about a payment that there is not: CheckPayment, and the list.
        scene.exchanges(3).await
    };
    plays(stage, book, "PAYIN forged callback", row).await;
    let row = async |scene: &mut Scene<'_>| {
        order(scene, "63.00").await?;
        scene.exchanges(3).await
    };
    plays(stage, book, "PAYOUT forged callback", row).await;
    set(stage, json!({"forgeCallbacks": false})).await;
}
