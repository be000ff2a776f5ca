//! The sheet's Simulator table: digits, buttons, published cards and names, control words.

use super::act::Act;
use super::browser::{button, typed};
use super::gate::Gate;
use super::{CHALLENGE, PLAIN, Run, VISA};
use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::client::bodies;

// --- hosted pages -------------------------------------------------------------------------------

pub(super) async fn hosted(run: &mut Run) {
    for digits in ["00", "08", "47"] {
        run.row(&format!("hpp {digits}"), async |act| {
            if digits == "08" {
                act.shows_once();
            }
            let page = act.opens(&bodies::worldpay(&format!("150.{digits}"))).await?;
            let back = act.press(&page, typed(VISA, PLAIN)).await?;
            act.stands("Approved").await?;
            act.back(&back).await
        })
        .await;
    }
    for (name, amount, fields, status) in [
        ("01", "152.01", typed(VISA, PLAIN), "Declined"),
        ("02", "152.02", typed(VISA, PLAIN), "Cancelled"),
        ("Cancel", "155.00", button("cancel"), "Cancelled"),
        ("a card refused with 51", "155.00", typed(VISA, "REFUSED51"), "Declined"),
        ("a card that wants a challenge", "155.00", typed(CHALLENGE, PLAIN), "Approved"),
        ("Apple Pay", "155.00", button("APPLEPAY-SSL"), "Approved"),
        ("Google Pay", "155.00", button("PAYWITHGOOGLE-SSL"), "Approved"),
    ] {
        run.row(&format!("hpp {name}"), async |act| {
            let page = act.opens(&bodies::worldpay(amount)).await?;
            let back = act.press(&page, fields).await?;
            act.stands(status).await?;
            act.back(&back).await
        })
        .await;
    }
    run.row("hpp 03", async |act| {
        let page = act.opens(&bodies::worldpay("152.03")).await?;
        let back = act.sent_on(&page).await?;
        act.back(&back).await
    })
    .await;
    run.row("hpp ERROR", async |act| {
        let page = act.opens(&bodies::worldpay("155.00")).await?;
        let back = act.press(&page, typed(VISA, "ERROR")).await?;
        act.back(&back).await
    })
    .await;
    run.row("hpp 09", async |act| {
        let page = act.opens(&bodies::worldpay("154.09")).await?;
        let back = act.press(&page, typed(VISA, PLAIN)).await?;
        act.stands("Declined").await?;
        act.back(&back).await?;
        act.stands("Approved").await
    })
    .await;
    lost(run).await;
    unnotified(run).await;
    control_words(run).await;
}

/// Orders whose page's address nobody has, and one that is paid before it is known.
async fn lost(run: &mut Run) {
    for digits in ["04", "06", "07", "11", "12"] {
        let body = bodies::worldpay(&format!("153.{digits}"));
        run.row(&format!("hpp {digits}"), async |act| act.pay(&body).await.map(drop)).await;
    }
    for digits in ["11", "12"] {
        let body = bodies::worldpay(&format!("153.{digits}"));
        run.row(&format!("hpp {digits}, paid all the same"), async |act| {
            act.pay(&body).await?;
            act.stands("Failed").await?;
            act.control("approve").await?;
            act.stands("Approved").await
        })
        .await;
    }
    run.row("hpp 10", async |act| {
        act.opens(&bodies::worldpay("150.10")).await?;
        act.stands("Approved").await
    })
    .await;
}

/// What is found because the browser came back.
async fn unnotified(run: &mut Run) {
    run.settings(json!({"dropCallbacks": true})).await;
    for (name, amount, fields) in [
        ("paid", "156.00", typed(VISA, PLAIN)),
        ("refused", "156.01", typed(VISA, PLAIN)),
        ("cancelled", "156.00", button("cancel")),
    ] {
        run.row(&format!("hpp unnotified: {name}"), async |act| {
            let page = act.opens(&bodies::worldpay(amount)).await?;
            let back = act.press(&page, fields).await?;
            act.back(&back).await
        })
        .await;
    }
    run.settings(json!({"dropCallbacks": false, "forgeCallbacks": true})).await;
    run.row("hpp a forged success", async |act| {
        act.opens(&bodies::worldpay("156.00")).await?;
        act.told(2).await
    })
    .await;
    run.settings(json!({"forgeCallbacks": false})).await;
}

async fn control_words(run: &mut Run) {
    for (word, status) in [
        ("pay", "Approved"),
        ("approve", "Approved"),
        ("success", "Approved"),
        ("decline", "Declined"),
        ("declined", "Declined"),
        ("cancel", "Cancelled"),
        ("expire", "Expired"),
    ] {
        run.row(&format!("control {word}"), async |act| {
            act.opens(&bodies::worldpay("157.00")).await?;
            act.control(word).await?;
            act.stands(status).await
        })
        .await;
    }
    for word in ["reverse", "cancel", "expire", "chargeback", "status/CAPTURED", "status/VOIDED", "status/INFORMATION_REQUESTED"]
    {
        run.row(&format!("control approve, then {word}"), async |act| {
            act.opens(&bodies::worldpay("157.00")).await?;
            act.control("approve").await?;
            act.stands("Approved").await?;
            act.control(word).await?;
            act.told(3).await
        })
        .await;
    }
    // The name of a refund's notification is nobody's here: asked by hand.
    run.settings(json!({"dropCallbacks": true})).await;
    for words in
        [&["refund"][..], &["refund?minor=3000"], &["refund?minor=3000", "refund?minor=12700"], &["status/SETTLED", "refund"]]
    {
        run.row(&format!("control approve, then {}", words.join(", ")), async |act| {
            act.opens(&bodies::worldpay("157.00")).await?;
            act.control("approve").await?;
            act.asks().await?;
            act.stands("Approved").await?;
            for word in words {
                act.control(word).await?;
                act.asks().await?;
            }
            Ok(())
        })
        .await;
    }
    run.settings(json!({"dropCallbacks": false, "settleDelayMs": 2_000})).await;
    run.configure(false, json!({"captureDelay": "DEFAULT"})).await;
    run.row("captured by itself", async |act| {
        act.opens(&bodies::worldpay("157.00")).await?;
        act.control("approve").await?;
        act.stands("Approved").await?;
        act.told(3).await
    })
    .await;
    run.configure(false, json!({"captureDelay": "OFF"})).await;
    run.settings(json!({"settleDelayMs": 500})).await;
}

// --- cards --------------------------------------------------------------------------------------

/// Published numbers that are approved.
const CARDS: [&str; 10] = [
    "4444333322221111",
    "4911830000000",
    "4917610000000000",
    "4462030000000000",
    "5555555555554444",
    "5454545454545454",
    "2221000000000009",
    "5163613613613613",
    "6759649826438453",
    "343434343434343",
];

/// Webhooks that an endpoint which is not known yet takes at once.
const WIDTH: usize = 4;

/// What is notified before our own answer comes. The webhook waits behind others at a gate until the notification is told: the
/// timeline has both by the moment that they began.
async fn notified_first(run: &mut Run) {
    let hands = run.stage.hands();
    let gate = Gate::start(&hands.sink.url).await.expect("a gate");
    run.configure(true, json!({"webhookUrl": gate.url})).await;
    run.settings(json!({"dropCallbacks": true})).await;
    for _ in 0..WIDTH {
        hands.client.cashier(&bodies::worldpay_card("200.00", VISA, PLAIN)).await.expect("an answer");
    }
    gate.waits_for(WIDTH).await;
    run.settings(json!({"dropCallbacks": false})).await;
    run.row("direct 10", async |act| {
        act.pay(&bodies::worldpay_card("200.10", VISA, PLAIN)).await?;
        act.says("Worldpay notified AUTHORISED").await?;
        gate.open();
        act.told(2).await
    })
    .await;
    run.configure(true, json!({"webhookUrl": hands.sink.url})).await;
}

/// A row of what is notified after our own answer: the first notification waits until the shop has heard.
async fn notified_later(run: &mut Run, name: &str, work: impl AsyncFnOnce(&mut Act<'_, '_>, &Gate) -> Result<()>) {
    let gate = Gate::start(run.accounts.callbacks(true)).await.expect("a gate");
    run.simulator(true, json!({"notificationUrl": gate.url})).await;
    run.row(name, async |act| work(act, &gate).await).await;
    run.simulator(true, json!({})).await;
}

/// Nobody has made a webhook of this account's before the first of these rows.
async fn notified(run: &mut Run) {
    notified_first(run).await;
    for digits in ["00", "08", "47"] {
        notified_later(run, &format!("direct {digits}"), async |act, gate| {
            if digits == "08" {
                act.shows_once();
            }
            act.pay(&bodies::worldpay_card(&format!("200.{digits}"), VISA, PLAIN)).await?;
            act.stands("Approved").await?;
            gate.open();
            act.told(2).await
        })
        .await;
    }
    notified_later(run, "direct 09", async |act, gate| {
        act.pay(&bodies::worldpay_card("204.09", VISA, PLAIN)).await?;
        act.stands("Declined").await?;
        gate.open();
        act.stands("Approved").await
    })
    .await;
    notified_later(run, "a challenge, notified", async |act, gate| {
        let ours = act.opens(&bodies::worldpay_card("211.00", CHALLENGE, PLAIN)).await?;
        act.challenged(&ours, "authenticate").await?;
        act.stands("Approved").await?;
        gate.open();
        act.told(3).await
    })
    .await;
    // The simulator goes back as the browser would.
    notified_later(run, "a challenge, control pay", async |act, gate| {
        let ours = act.opens(&bodies::worldpay_card("215.00", CHALLENGE, PLAIN)).await?;
        let form = act.challenge_page(&ours).await?.context("no form")?;
        form.post(act.client(), &ours, &[]).await?;
        act.control("pay").await?;
        act.stands("Approved").await?;
        gate.open();
        act.told(3).await
    })
    .await;
}

pub(super) async fn direct(run: &mut Run) {
    notified(run).await;
    run.row("direct 12, notified", async |act| {
        act.pay(&bodies::worldpay_card("205.12", VISA, PLAIN)).await?;
        act.stands("Approved").await
    })
    .await;
    run.settings(json!({"dropCallbacks": true})).await;
    for digits in ["01", "06", "07"] {
        let body = bodies::worldpay_card(&format!("201.{digits}"), VISA, PLAIN);
        run.row(&format!("direct {digits}"), async |act| act.pay(&body).await.map(drop)).await;
    }
    for digits in ["11", "12"] {
        let body = bodies::worldpay_card(&format!("205.{digits}"), VISA, PLAIN);
        run.row(&format!("direct {digits}"), async |act| {
            act.pay(&body).await?;
            act.asks().await
        })
        .await;
    }
    for pan in CARDS {
        let body = bodies::worldpay_card("210.00", pan, PLAIN);
        run.row(&format!("card {pan}"), async |act| act.pay(&body).await.map(drop)).await;
    }
    for name in [
        "AUTHORISED",
        "3DS_V2_FRICTIONLESS_IDENTIFIED",
        "REFUSED",
        "REFUSED5",
        "REFUSED34",
        "REFUSED51",
        "REFUSED85",
        "REFUSED972",
    ] {
        let body = bodies::worldpay_card("212.00", VISA, name);
        run.row(&format!("name {name}"), async |act| act.pay(&body).await.map(drop)).await;
    }
    run.row("name ERROR", async |act| {
        act.pay(&bodies::worldpay_card("216.00", VISA, "ERROR")).await?;
        act.asks().await
    })
    .await;
    run.simulator(true, json!({"issuerResponseCodes": true})).await;
    let body = bodies::worldpay_card("212.00", VISA, "REFUSED54");
    run.row("name REFUSED54, the issuer's code", async |act| act.pay(&body).await.map(drop)).await;
    run.simulator(true, json!({})).await;
    challenges(run).await;
    run.settings(json!({"dropCallbacks": false})).await;
}

async fn challenges(run: &mut Run) {
    for pressed in ["authenticate", "fail", "cancel"] {
        for (name, amount, pan, holder) in [
            ("card 4000000000001091", "211.00", CHALLENGE, PLAIN),
            ("name 3DS_V2_CHALLENGE_IDENTIFIED", "214.00", VISA, "3DS_V2_CHALLENGE_IDENTIFIED"),
            ("direct 02", "201.02", VISA, PLAIN),
        ] {
            run.row(&format!("{name}, {pressed}"), async |act| {
                let ours = act.opens(&bodies::worldpay_card(amount, pan, holder)).await?;
                act.challenged(&ours, pressed).await
            })
            .await;
        }
    }
    run.row("direct 03, opened", async |act| {
        let ours = act.opens(&bodies::worldpay_card("201.03", VISA, PLAIN)).await?;
        act.at_the_challenge(&ours, "authenticate").await?;
        act.asks().await
    })
    .await;
    run.row("a challenge, back twice, opened again", async |act| {
        let ours = act.opens(&bodies::worldpay_card("215.00", CHALLENGE, PLAIN)).await?;
        act.challenge_page(&ours).await?;
        let form = act.at_the_challenge(&ours, "authenticate").await?;
        act.challenge_returned(&ours, &form).await?;
        act.stands("Approved").await?;
        act.challenge_returned(&ours, &form).await?;
        act.challenge_page(&ours).await.map(drop)
    })
    .await;
    run.row("a challenge that nobody answered", async |act| {
        let ours = act.opens(&bodies::worldpay_card("215.00", CHALLENGE, PLAIN)).await?;
        act.asks().await?;
        act.returns(&ours).await
    })
    .await;
    for word in ["approve", "decline"] {
        run.row(&format!("a challenge, control {word}"), async |act| {
            let ours = act.opens(&bodies::worldpay_card("215.00", CHALLENGE, PLAIN)).await?;
            act.control(word).await?;
            act.asks().await?;
            act.challenge_page(&ours).await.map(drop)
        })
        .await;
    }
}

// --- by the schedule ----------------------------------------------------------------------------

/// What only the schedule ends. The challenge's half hour goes by beside the others.
pub(super) async fn by_schedule(run: &mut Run) {
    run.settings(json!({"dropCallbacks": true})).await;
    let body = bodies::worldpay_card("201.03", VISA, PLAIN);
    let challenged = run.stage.hands().client.cashier(&body).await.expect("an answer");
    let (id, ours) = (challenged.text("/transaction/transactionId"), challenged.text("/data/paymentUrl"));
    // Each has what is about itself alone.
    run.row("hpp 05", async |act| {
        act.pay(&bodies::worldpay("153.05")).await?;
        let id = act.id().to_owned();
        act.adopt(&id);
        Ok(())
    })
    .await;
    for digits in ["04", "05"] {
        let body = bodies::worldpay_card(&format!("202.{digits}"), VISA, PLAIN);
        run.row(&format!("direct {digits}"), async |act| {
            act.pay(&body).await?;
            let id = act.id().to_owned();
            act.adopt(&id);
            act.stands("Failed").await
        })
        .await;
    }
    run.row("direct 03", async |act| -> Result<()> {
        act.adopt(id);
        act.at_the_challenge(ours, "authenticate").await?;
        act.stands("Expired").await
    })
    .await;
}
