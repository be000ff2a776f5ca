//! The two accounts, hosted pages and cards: what orders take from them, what is refused before a call, "Test connection".

use super::act::Act;
use super::browser::button;
use super::documents::{error, http, xml};
use super::{CHALLENGE, NAME, PLAIN, Run, SERVICE, VISA};
use crate::stage::{at, good};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::world::Hands;

/// The demo company's accounts: hosted pages, cards.
#[derive(Clone)]
pub(super) struct Accounts {
    methods: [String; 2],
    callbacks: [String; 2],
}

impl Accounts {
    /// With the address that they have their provider at.
    pub(super) async fn of(hands: &Hands) -> Result<(Self, String)> {
        let (mut methods, mut callbacks): ([String; 2], [String; 2]) = Default::default();
        let mut base = String::new();
        for method in hands.client.methods_of("WORLDPAY_EU").await? {
            let shown = hands.client.manage("GET", &format!("/payment-methods/{method}"), None).await?;
            good(&shown)?;
            let direct = usize::from(shown.text("/data/config/integrationMode") == "direct");
            shown.text("/data/callbackUrl").clone_into(&mut callbacks[direct]);
            shown.text("/data/config/baseUrl").clone_into(&mut base);
            methods[direct] = method;
        }
        Ok((Self { methods, callbacks }, base))
    }

    pub(super) fn path(&self, direct: bool) -> String {
        format!("/payment-methods/{}", self.methods[usize::from(direct)])
    }

    /// Where notifications come in.
    pub(super) fn callbacks(&self, direct: bool) -> &str {
        &self.callbacks[usize::from(direct)]
    }

    /// The account as the simulator has it, with something more.
    pub(super) fn at_simulator(&self, direct: bool, more: Value) -> (&'static str, Value) {
        let mut account = if direct {
            json!({
                "xmlUsername": "wp-demo-0002", "xmlPassword": "wp-demo-secret-0002", "installationId": "100002",
                "threeDsIssuer": "wp-demo-issuer", "threeDsOrgUnitId": "wp-demo-unit",
                "threeDsJwtKey": "wp-demo-jwt-key-0123456789abcdef0123", "merchant": "Demo company",
            })
        } else {
            json!({
                "xmlUsername": "wp-demo-0001", "xmlPassword": "wp-demo-secret-0001", "installationId": "100001",
                "macKind": "mac2", "macSecret": "wp-demo-mac-0001", "merchant": "Demo company",
            })
        };
        account["notificationUrl"] = json!(self.callbacks(direct));
        for (name, value) in more.as_object().into_iter().flatten() {
            account[name] = value.clone();
        }
        (if direct { "DEMOCOMPANYCARDS" } else { "DEMOCOMPANY" }, account)
    }
}

/// A request with members changed; `null` takes one out.
pub(super) fn with(body: &str, changes: Value) -> String {
    let mut body: Value = serde_json::from_str(body).expect("a request");
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(body.as_object_mut().and_then(|members| members.shift_remove(name))),
            value => body[name] = value.clone(),
        }
    }
    body.to_string()
}

fn hosted(changes: Value) -> String {
    with(&bodies::worldpay("180.00"), changes)
}

fn direct(changes: Value) -> String {
    with(&bodies::worldpay_card("190.00", VISA, PLAIN), changes)
}

// --- what orders take from requests and accounts ------------------------------------------------

pub(super) async fn orders(run: &mut Run) {
    run.settings(json!({"dropCallbacks": true})).await;
    for (name, body) in of_requests() {
        run.row(&format!("an order: {name}"), async |act| act.pay(&body).await.map(drop)).await;
    }
    let set = json!({"captureDelay": "14", "hppLanguage": "de-DE", "hppPaymentMethodMask": "ONLINE,VISA-SSL,!AMEX-SSL"});
    run.configure(false, set).await;
    run.row("an order: delay, language, mask", async |act| act.pay(&hosted(json!({}))).await.map(drop)).await;
    let set = json!({"captureDelay": "OFF", "hppLanguage": null, "hppPaymentMethodMask": null, "siteUrl": null});
    run.configure(false, set).await;
    let nowhere = hosted(json!({"hppSuccessUrl": null, "hppFailureUrl": null}));
    run.row("an order: no page to go back to", async |act| {
        let page = act.opens(&nowhere).await?;
        act.press(&page, button("cancel")).await?;
        act.asks().await
    })
    .await;
    let one = hosted(json!({"hppSuccessUrl": null}));
    run.row("an order: a page to go back to after a failure alone", async |act| {
        let page = act.opens(&one).await?;
        let back = act.press(&page, super::browser::typed(VISA, PLAIN)).await?;
        act.back(&back).await
    })
    .await;
    tokens(run).await;
    run.settings(json!({"dropCallbacks": false})).await;
}

fn of_requests() -> Vec<(&'static str, String)> {
    let browser = json!({
        "userAgent": "UA", "acceptHeader": "text/html", "language": "de-DE", "javaEnabled": true, "javaScriptEnabled": false,
        "colorDepth": 24, "screenHeight": 900, "screenWidth": 1440, "timeZoneOffset": -60,
    });
    let address = json!({
        "line1": "Hauptstr. 1", "line2": "Tür <2> & \"3\"", "city": "Berlin", "state": "BE",
        "postalCode": "10115", "country": "DE",
    });
    vec![
        ("JPY", hosted(json!({"baseamount": 1500, "currency": "JPY"}))),
        ("KWD", hosted(json!({"baseamount": 12.345, "currency": "KWD"}))),
        ("BHD", direct(json!({"baseamount": 12.3, "currency": "BHD"}))),
        ("one penny", hosted(json!({"baseamount": 0.01, "currency": "GBP"}))),
        ("CARD", hosted(json!({"paymentMethod": "CARD"}))),
        ("APPLEPAY", hosted(json!({"paymentMethod": "APPLEPAY"}))),
        ("GOOGLEPAY", hosted(json!({"paymentMethod": "GOOGLEPAY"}))),
        ("back to the site", hosted(json!({"hppSuccessUrl": null, "hppFailureUrl": null}))),
        ("an address with everything", hosted(json!({"address": address}))),
        ("a card's address with everything", direct(json!({"address": address, "merchantReference": null}))),
        ("a browser", direct(json!({"browser": browser, "userIp": "198.51.100.7", "dfReferenceId": "SESSION \"1\""}))),
        ("a browser with depth 30", direct(json!({"browser": {"language": "en-GB-oxendict", "colorDepth": 30}}))),
        ("a browser with depth 64", direct(json!({"browser": {"language": "zh-Hant-TW", "colorDepth": 64}}))),
        ("a browser with depth 23", direct(json!({"browser": {"language": "de-DE", "colorDepth": 23}}))),
        ("a card with blanks", with(&bodies::worldpay_card("190.00", "4444 3333-22221111", PLAIN), json!({}))),
    ]
}

/// Shopper tokens and FraudSight.
async fn tokens(run: &mut Run) {
    let both = |on: bool| json!({"tokenizationEnabled": on, "fraudSightEnabled": on});
    run.configure(false, both(true)).await;
    run.configure(true, both(true)).await;
    for (name, body) in [
        ("new", direct(json!({}))),
        ("known", direct(json!({}))),
        ("another expiry", later(&direct(json!({})))),
        ("blocked", direct(json!({"blocked": true, "userBalance": -0.5}))),
        ("velocity", direct(json!({"isVelocity": true, "userBalance": 7, "gender": "F"}))),
        ("refused", with(&bodies::worldpay_card("190.00", VISA, "REFUSED"), json!({}))),
    ] {
        run.row(&format!("a token: {name}"), async |act| {
            act.pay(&body).await?;
            act.asks().await
        })
        .await;
    }
    run.row("a token: hosted", async |act| {
        let page = act.opens(&hosted(json!({"userId": "user_123"}))).await?;
        act.press(&page, super::browser::typed(VISA, PLAIN)).await?;
        act.asks().await
    })
    .await;
    run.row("a token: after a challenge", async |act| {
        let ours = act.opens(&bodies::worldpay_card("190.00", CHALLENGE, PLAIN)).await?;
        act.challenged(&ours, "authenticate").await
    })
    .await;
    run.configure(false, both(false)).await;
    run.configure(true, both(false)).await;
}

fn later(body: &str) -> String {
    body.replace("\"expYear\":\"2035\"", "\"expYear\":\"2036\"")
}

// --- before a call ------------------------------------------------------------------------------

/// No order is made.
pub(super) async fn refuses(run: &mut Run) {
    let cards = bodies::worldpay_card("195.00", VISA, PLAIN);
    let pages = bodies::worldpay("195.00");
    for (name, value) in [
        ("threeDsIssuer", "wp-demo-issuer"),
        ("threeDsOrgUnitId", "wp-demo-unit"),
        ("threeDsJwtKey", "wp-demo-jwt-key-0123456789abcdef0123"),
    ] {
        run.configure(true, json!({name: null})).await;
        run.row(&format!("not configured: {name}"), async |act| act.pay(&cards).await.map(drop)).await;
        run.configure(true, json!({name: value})).await;
    }
    for (name, value) in [
        ("merchantCode", "DEMOCOMPANY"),
        ("installationId", "100001"),
        ("xmlUsername", "wp-demo-0001"),
        ("xmlPassword", "wp-demo-secret-0001"),
    ] {
        run.configure(false, json!({name: null})).await;
        run.row(&format!("not configured: {name}"), async |act| act.pay(&pages).await.map(drop)).await;
        run.configure(false, json!({name: value})).await;
    }
    for (direct, name, body) in [(true, "a card for hosted pages alone", &cards), (false, "no card for cards alone", &pages)] {
        enable(run, direct, false).await;
        run.row(name, async |act| act.pay(body).await.map(drop)).await;
        enable(run, direct, true).await;
    }
    for (name, body) in [
        ("a pay-out", hosted(json!({"type": "PAYOUT"}))),
        ("CLF", hosted(json!({"currency": "CLF"}))),
        ("a long telephone number beside that of the claims", hosted(json!({"phone": "1234567890123456"}))),
        ("a colour depth in words", direct(json!({"browser": {"colorDepth": "24"}}))),
        ("another way to pay", hosted(json!({"paymentMethod": "VISA"}))),
        ("no such card", direct(json!({})).replace(VISA, "4444333322221112")),
    ] {
        run.row(&format!("refused: {name}"), async |act| act.pay(&body).await.map(drop)).await;
    }
    run.row("no release again", async |act| {
        act.pay(&pages).await?;
        act.manage("release").await.map(drop)
    })
    .await;
    for (direct, body) in [(false, &pages), (true, &cards)] {
        run.configure(direct, json!({"baseUrl": "http://127.0.0.1:9"})).await;
        run.row(&format!("no connection, direct {direct}"), async |act| act.pay(body).await.map(drop)).await;
        run.configure(direct, json!({"baseUrl": run.base()})).await;
    }
}

async fn enable(run: &Run, direct: bool, enabled: bool) {
    let path = run.accounts.path(direct);
    let set = run.stage.hands().client.manage("PATCH", &path, Some(json!({"enabled": enabled}))).await;
    good(&set.expect("an answer")).expect("a switch");
}

// --- "Test connection" --------------------------------------------------------------------------

pub(super) async fn tested(run: &mut Run) {
    for direct in [false, true] {
        run.row(&format!("Test connection, direct {direct}"), async |act| test(act, direct, None).await).await;
    }
    for (name, reply) in [
        ("401", http(401, "<html>Requires Authentication</html>")),
        ("403", json!({"http": 403})),
        ("404", json!({"http": 404})),
        ("error 4", xml(&error("4", "Security violation"))),
        ("error 5 under reply", xml(&error("5", "Could not find payment for order"))),
        ("error 1", xml(&error("1", "Internal error"))),
        ("429", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("500", json!({"http": 500})),
        ("302", json!({"http": 302, "headers": {"Location": "https://a.example/"}})),
        ("no XML", http(200, "<html>")),
        ("nothing", json!({"http": 200})),
    ] {
        run.row(&format!("Test connection: {name}"), async |act| test(act, false, Some(reply)).await).await;
    }
}

async fn test(act: &mut Act<'_, '_>, direct: bool, reply: Option<Value>) -> Result<()> {
    if let Some(mut reply) = reply {
        // Orders of earlier rows are asked about as well; only here a merchant code and no order of theirs is looked for.
        reply["about"] = json!("<orderInquiry orderCode=");
        reply["times"] = json!(1_000);
        act.next(at(SERVICE, reply)).await?;
    }
    let path = format!("{}/test", act.accounts.path(direct));
    let told = act.client().manage("POST", &path, Some(json!({}))).await?;
    let back = act.client().control("PUT", &format!("/{NAME}/next"), Some(json!({"http": 200, "times": 0}))).await?;
    good(&back).context("taking it back")?;
    act.did("test", told);
    Ok(())
}
