//! The digits of the amount and the published cards, those apart whose payer needs a browser.

use super::*;

/// Ends that the gateway notifies.
pub(super) async fn notified(stage: &mut Stage, book: &mut Book) {
    for digits in ["00", "01", "08", "09", "10", "47"] {
        let body = order(&format!("100.{digits}"), FRICTIONLESS);
        let work = async |scene: &mut Scene<'_>| {
            scene.shows_once();
            scene.pay(&body).await?;
            if digits == "09" { scene.until("Approved").await } else { Ok(()) }
        };
        row(stage, book, &format!("{digits} at once"), work).await;
    }
    for digits in ["06", "07"] {
        let body = order(&format!("100.{digits}"), FRICTIONLESS);
        row(stage, book, digits, async |scene| scene.pay(&body).await.map(drop)).await;
    }
    let pages = ["00", "01", "02", "03", "08", "09", "10"].map(|digits| (CHALLENGE, digits));
    let others = [(FRICTIONLESS, "02"), (FRICTIONLESS, "03"), ("4901170000000003", "02"), ("4901170000000003", "03")];
    for (card, digits) in pages.into_iter().chain(others) {
        row(stage, book, &format!("{digits} on the page of {card}"), async |scene| on_the_page(scene, card, digits).await).await;
    }
    for outcome in ["decline", "cancel", "expire", "approve"] {
        let work = async |scene: &mut Scene<'_>| {
            opened(scene, "113.00", CHALLENGE).await?;
            scene.control(outcome).await?;
            if outcome == "approve" { scene.until("Approved").await } else { Ok(()) }
        };
        row(stage, book, &format!("open, then {outcome}"), work).await;
    }
    for outcome in ["reverse", "refund", "chargeback", "refund?minor=2500"] {
        let work = async |scene: &mut Scene<'_>| {
            opened(scene, "114.00", CHALLENGE).await?;
            scene.control("approve").await?;
            scene.until("Approved").await?;
            delivered(scene, 1).await?;
            scene.control(outcome).await
        };
        row(stage, book, &format!("approved, then {outcome}"), work).await;
    }
    forged(stage, book).await;
}

/// The page's button, pressed by whoever did not come from us: the notification alone tells it.
async fn on_the_page(scene: &mut Scene<'_>, card: &str, digits: &str) -> Result<()> {
    scene.shows_once();
    opened(scene, &format!("101.{digits}"), card).await?;
    scene.control("pay").await?;
    scene
        .until(match digits {
            "01" => "Declined",
            "02" => "Cancelled",
            "03" => "Expired",
            _ => "Approved",
        })
        .await
}

/// Success told for what nobody paid, with a signature that is nobody's.
async fn forged(stage: &mut Stage, book: &mut Book) {
    set(stage, json!({"forgeCallbacks": true})).await;
    row(stage, book, "a forged notification", async |scene| opened(scene, "115.00", CHALLENGE).await.map(drop)).await;
    set(stage, json!({"forgeCallbacks": false})).await;
}

/// Published cards that are answered at once.
pub(super) async fn at_once(stage: &mut Stage, book: &mut Book) {
    for card in [
        "4200000000000000",
        "5555555555554444",
        "4012001036853337",
        "378282246310005",
        "4111111111111111",
        "5105105105105100",
        "4012001037461114",
        "4012001037484447",
        "4012001036273338",
    ] {
        let body = order("110.00", card);
        row(stage, book, &format!("card {card}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    // A card whose outcome is its own has it whatever the digits.
    let body = order("110.02", "4111111111111111");
    row(stage, book, "02 with 4111111111111111", async |scene| scene.pay(&body).await.map(drop)).await;
}

/// Answers that are lost, so that the gateway is asked; payments that it never had.
pub(super) async fn lost(stage: &mut Stage, book: &mut Book) {
    for (card, digits) in [(FRICTIONLESS, "11"), (FRICTIONLESS, "12"), (CHALLENGE, "11"), (CHECK_THEN_CHALLENGE, "12")] {
        let body = order(&format!("102.{digits}"), card);
        row(stage, book, &format!("{digits} with {card}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    for digits in ["04", "05"] {
        let body = order(&format!("106.{digits}"), CHALLENGE);
        let work = async |scene: &mut Scene<'_>| {
            scene.pay(&body).await?;
            scene.until("Failed").await
        };
        row(stage, book, digits, work).await;
    }
}
