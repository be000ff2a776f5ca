//! ForumPay: what callbacks say. They are unsigned, and hints: what is asked because of them counts. The simulator's own are
//! dropped.

use super::*;

/// What a callback about a pay-in may be: `PAYMENT`, `ADDRESS` and `REFERENCE` stand for what is known of the payment.
const PAY_IN: [(&str, &str, &str); 24] = [
    (
        "good",
        JSON,
        r#"{"pos_id":"widget","payment_id":"PAYMENT","currency":"BTC","address":"ADDRESS","reference_no":"REFERENCE"}"#,
    ),
    ("good, a form", FORM, "pos_id=widget&payment_id=PAYMENT&currency=BTC&address=ADDRESS&reference_no=REFERENCE"),
    ("payment_id alone", JSON, r#"{"payment_id":"PAYMENT"}"#),
    ("the official plugins' pair", JSON, r#"{"payment_id":"PAYMENT","reference_no":"REFERENCE"}"#),
    ("the pair in the form encoding", FORM, "payment_id=PAYMENT&reference_no=REFERENCE"),
    ("the reference alone", JSON, r#"{"reference_no":"REFERENCE"}"#),
    ("the reference and a state", JSON, r#"{"reference_no":"REFERENCE","state":"confirmed"}"#),
    ("all but the address", JSON, r#"{"pos_id":"widget","payment_id":"PAYMENT","currency":"BTC","reference_no":"REFERENCE"}"#),
    ("all but the point of sale", JSON, r#"{"payment_id":"PAYMENT","currency":"BTC","address":"ADDRESS"}"#),
    ("an empty point of sale", JSON, r#"{"pos_id":"","payment_id":"PAYMENT","currency":"BTC","address":"ADDRESS"}"#),
    (
        "a point of sale that does not know it",
        JSON,
        r#"{"pos_id":"else","payment_id":"PAYMENT","currency":"BTC","address":"ADDRESS","reference_no":"REFERENCE"}"#,
    ),
    ("another coin", JSON, r#"{"pos_id":"widget","payment_id":"PAYMENT","currency":"ETH","address":"ADDRESS"}"#),
    ("another address", JSON, r#"{"pos_id":"widget","payment_id":"PAYMENT","currency":"BTC","address":"btc-0&x=1"}"#),
    (
        "another reference",
        JSON,
        r#"{"payment_id":"badd0b52-110f-4be2-af64-59d7645796af","reference_no":"64a1f2b3c4d5e6f7a8b9c0d1"}"#,
    ),
    (
        "a payment that does not exist",
        JSON,
        r#"{"pos_id":"p","payment_id":"badd0b52-110f-4be2-af64-59d7645796af","currency":"BTC","address":"btc-1"}"#,
    ),
    ("an empty object", JSON, "{}"),
    ("nothing", JSON, ""),
    ("no object", JSON, "[]"),
    ("a text", JSON, "\"x\""),
    ("something else", "text/plain", "hello"),
    ("cut", JSON, r#"{"payment_id":"#),
    ("a mark before it", JSON, "\u{feff}{\"payment_id\":\"PAYMENT\"}"),
    ("the webhook test", JSON, r#"{"webhook_test":"a\"b"}"#),
    ("the webhook test, a form", FORM, "webhook_test=a%22b"),
];

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    set(stage, json!({"dropCallbacks": true, "settleDelayMs": 3_600_000})).await;
    for (name, kind, body) in PAY_IN {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, "54.00").await?;
            scene.control("approve").await?;
            told(scene, kind, body).await?;
            asked(scene, name).await
        };
        plays(stage, book, &format!("told: {name}"), row).await;
    }
    repeated(stage, book).await;
    pay_outs(stage, book).await;
    elsewhere(stage, book).await;
    set(stage, json!({"dropCallbacks": false, "settleDelayMs": 500})).await;
}

/// Waits for what the callback brings about, where that is an inquiry.
async fn asked(scene: &mut Scene<'_>, name: &str) -> Result<()> {
    match name {
        "another reference" => scene.until_shown("attention", "anomaly").await,
        "the webhook test" | "the webhook test, a form" => Ok(()),
        _ => scene.until("Approved").await,
    }
}

/// A callback to the transaction's own address about the payment that the payer made.
async fn told(scene: &mut Scene<'_>, kind: &str, body: &str) -> Result<()> {
    let entries = scene.hands().entries(NAME, scene.id()).await?;
    let entry = entries.first().context("not in the ledger")?;
    let payment = entry["providerReference"].as_str().context("a payment")?.to_owned();
    let address = address_of(scene, &payment).await?;
    let body = body.replace("PAYMENT", &payment).replace("ADDRESS", &address).replace("REFERENCE", scene.id());
    let url = scene.callback_address()?;
    scene.callback(&url, &[("content-type", kind)], body.into_bytes()).await.map(drop)
}

/// Where the payer's coins go: the simulator lists it to whoever has the account.
async fn address_of(scene: &Scene<'_>, payment: &str) -> Result<String> {
    let url = format!("{}/forumpay/pay/v2/GetTransactions/?reference_no={}", scene.client().simulator, scene.id());
    let basic = "Basic ZnAtZGVtbzpmcC1kZW1vLXNlY3JldC1wYXJ0MXBhcnQy";
    let list = scene.client().send("GET", &url, &[("authorization", basic)], None).await?;
    let invoices = list.body["invoices"].as_array().with_context(|| format!("no list: {} {}", list.status, list.body))?;
    let ours = invoices.iter().find(|invoice| invoice["payment_id"] == payment).context("it is not listed")?;
    Ok(ours["address"].as_str().context("no address")?.to_owned())
}

/// The same one again, late ones, three at once, and two that differ.
async fn repeated(stage: &mut Stage, book: &mut Book) {
    let pair = r#"{"payment_id":"PAYMENT","reference_no":"REFERENCE"}"#;
    let row = async |scene: &mut Scene<'_>| {
        scene.shows_once();
        link(scene, "54.00").await?;
        scene.control("approve").await?;
        for _ in 0..3 {
            told(scene, JSON, PAY_IN[0].2).await?;
        }
        scene.until("Approved").await
    };
    plays(stage, book, "told three times", row).await;
    let row = async |scene: &mut Scene<'_>| {
        scene.shows_once();
        link(scene, "54.00").await?;
        scene.control("approve").await?;
        told(scene, JSON, pair).await?;
        scene.until("Approved").await?;
        shop_told(scene).await?;
        told(scene, JSON, PAY_IN[0].2).await?;
        scene.exchanges(4).await
    };
    plays(stage, book, "told again after the end", row).await;
    let row = async |scene: &mut Scene<'_>| {
        link(scene, "54.00").await?;
        scene.control("expire").await?;
        inquire(scene).await?;
        for control in ["late", "accept"] {
            scene.control(control).await?;
        }
        told(scene, JSON, PAY_IN[0].2).await?;
        scene.until("Approved").await
    };
    plays(stage, book, "told late: after it ran out", row).await;
}

/// What a callback about a pay-out may be: it comes to the account's address, and names the payment or our reference.
const PAY_OUT: [(&str, &str, &str, bool); 14] = [
    (
        "good",
        JSON,
        r#"{"pos_id":"mozarto","payment_id":"PAYMENT","currency":"BTC","address":"ADDRESS","reference_no":"REFERENCE"}"#,
        true,
    ),
    ("payment_id alone", JSON, r#"{"payment_id":"PAYMENT"}"#, true),
    ("the reference alone", JSON, r#"{"reference_no":"REFERENCE"}"#, true),
    ("the pair, a form", FORM, "payment_id=PAYMENT&reference_no=REFERENCE", true),
    ("another address", JSON, r#"{"payment_id":"PAYMENT","address":"btc-0","currency":"ETH","pos_id":"else"}"#, true),
    (
        "another reference beside our payment",
        JSON,
        r#"{"payment_id":"PAYMENT","reference_no":"64a1f2b3c4d5e6f7a8b9c0d1"}"#,
        false,
    ),
    (
        "nobody's payment",
        JSON,
        r#"{"payment_id":"badd0b52-110f-4be2-af64-59d7645796af","reference_no":"64a1f2b3c4d5e6f7a8b9c0d1"}"#,
        false,
    ),
    ("an empty object", JSON, "{}", false),
    ("nothing", JSON, "", false),
    ("no object", JSON, "[]", false),
    ("something else", "text/plain", "hello", false),
    ("the webhook test", JSON, r#"{"webhook_test":"a\"b"}"#, false),
    ("the webhook test, a form", FORM, "webhook_test=a%22b", false),
    ("a long webhook test", FORM, "webhook_test=LONG", false),
];

async fn pay_outs(stage: &mut Stage, book: &mut Book) {
    for (name, kind, body, counts) in PAY_OUT {
        let row = async |scene: &mut Scene<'_>| {
            let payment = order(scene, "64.00").await?.text("/data/payment_id").to_owned();
            scene.approve().await?;
            event(scene, CONFIRM).await?;
            scene.control("approve").await?;
            let body = body.replace("PAYMENT", &payment).replace("REFERENCE", scene.id());
            let body = body.replace("ADDRESS", "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh").replace("LONG", &"x1".repeat(200));
            let url = account_address(scene).await?;
            scene.callback(&url, &[("content-type", kind)], body.into_bytes()).await?;
            if counts { scene.until("Approved").await } else { Ok(()) }
        };
        plays(stage, book, &format!("told of a pay-out: {name}"), row).await;
    }
}

async fn account_address(scene: &Scene<'_>) -> Result<String> {
    let method = scene.client().method_of("FORUMPAY").await?;
    let answer = scene.client().manage("GET", &format!("/payment-methods/{method}"), None).await?;
    Ok(answer.body["data"]["callbackUrl"].as_str().with_context(|| format!("no address: {}", answer.body))?.to_owned())
}

/// A pay-in's callback at the account's address, a token that nobody has, another method.
async fn elsewhere(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        link(scene, "54.00").await?;
        scene.control("approve").await?;
        let url = account_address(scene).await?;
        let body = format!(r#"{{"reference_no":"{}"}}"#, scene.id());
        scene.callback(&url, &[("content-type", JSON)], body.into_bytes()).await?;
        scene.until("Approved").await
    };
    plays(stage, book, "told at the account's address: a pay-in", row).await;
    for (name, at_the_account) in [("its own address", false), ("the account's address", true)] {
        let row = async |scene: &mut Scene<'_>| {
            link(scene, "54.00").await?;
            scene.control("approve").await?;
            let url = if at_the_account { account_address(scene).await? } else { scene.callback_address()? };
            let body: Vec<u8> = "\u{feff}{\"payment_id\":\"1\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
            let answer = scene.client().send("POST", &url, &[("content-type", JSON)], Some(body)).await?;
            scene.did("a callback in UTF-16", answer);
            if at_the_account { Ok(()) } else { scene.until("Approved").await }
        };
        plays(stage, book, &format!("told in UTF-16 at {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        link(scene, "54.00").await?;
        let url = scene.callback_address()?;
        for method in ["GET", "PUT"] {
            let answer = scene.client().send(method, &url, &[], None).await?;
            let allow = answer.header("allow").unwrap_or_default().to_owned();
            scene.did(format!("{method} of the address, allow: {allow}"), answer);
        }
        let nobodys = format!("{}/callbacks/forumpay/nobodys", scene.client().base);
        scene.callback(&nobodys, &[("content-type", JSON)], b"{}".to_vec()).await?;
        let large = format!(r#"{{"payment_id":"{}"}}"#, "x".repeat(70_000)).into_bytes();
        let answer = scene.client().send("POST", &url, &[("content-type", JSON)], Some(large)).await?;
        scene.did("a callback of 70 kB", answer);
        Ok(())
    };
    plays(stage, book, "told in other ways", row).await;
}
