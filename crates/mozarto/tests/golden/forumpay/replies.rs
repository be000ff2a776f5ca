//! ForumPay: answers to the creating calls, refusals of our own, the connection test.

use super::*;
use crate::stage::{at, says};
use testkit::client::Client;

/// Answers to a creating call.
fn replies() -> Vec<(&'static str, Value)> {
    let err = |text: &str, code: &str| says(200, json!({"err": text, "err_code": code}));
    vec![
        ("payer", err("Payer ID is required", "payerIdRequired")),
        ("payer, with 401", says(401, json!({"err": "payer id is REQUIRED"}))),
        ("401", json!({"http": 401})),
        ("403", says(403, json!("<html>no</html>"))),
        ("unauthorized in the body", says(400, json!({"message": "UNAUTHORIZED"}))),
        ("invalid credentials, with 200", says(200, json!({"err": "Invalid credentials"}))),
        ("408", json!({"http": 408})),
        ("timeout in the body", err("Gateway timeout", "x")),
        ("500", json!({"http": 500})),
        ("503 with err", says(503, json!({"err": "busy", "err_code": "x"}))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("429", json!({"http": 429})),
        ("err, with 200", err("Currency is not supported", "currencyNotSupported")),
        ("err_code alone, with 400", says(400, json!({"err_code": "payerKYCNeeded"}))),
        ("404", says(404, json!({"message": "Unknown action"}))),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("cut", says(200, json!("{\"url\":"))),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
        ("nothing in it", says(200, json!({}))),
    ]
}

/// Codes that refuse: the published ones, and the simulator's own.
const CODES: [&str; 11] = [
    "payerAuthNeeded",
    "payerKYCNeeded",
    "payerKYCNotVerified",
    "payerEmailVerificationCodeNeeded",
    "missingPayerData",
    "incompletePayerData",
    "payerUnheardOf",
    "payerIdRequired",
    "invalidAddress",
    "amountTooLow",
    "orderExpired",
];

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in replies() {
        for call in ["CreatePaymentLink", "GetBuyRate", "StartBuyOrder"] {
            answered(stage, book, call, name, reply.clone()).await;
        }
    }
    for (name, reply) in links() {
        answered(stage, book, "CreatePaymentLink", name, reply).await;
    }
    for code in CODES {
        let call = if code == "amountTooLow" || code.starts_with("payer") { "CreatePaymentLink" } else { "StartBuyOrder" };
        answered(stage, book, call, code, says(200, json!({"err": "said", "err_code": code}))).await;
    }
    rates(stage, book).await;
    orders(stage, book).await;
    refused_here(stage, book).await;
    amounts_and_coins(stage, book).await;
    connection(stage, book).await;
}

async fn answered(stage: &mut Stage, book: &mut Book, call: &str, name: &str, reply: Value) {
    let row = async |scene: &mut Scene<'_>| {
        scene.next(at(call, reply)).await?;
        let link = call == "CreatePaymentLink";
        let body = if link { bodies::forumpay_in("410.00") } else { bodies::forumpay_out("420.00") };
        order_of(scene, &body).await.map(drop)
    };
    plays(stage, book, &format!("{call}: {name}"), row).await;
}

/// Where the page is.
fn links() -> Vec<(&'static str, Value)> {
    let page = "https://pay.forumpay.com/invoice/abc123xyz";
    let link = |body: Value| says(200, body);
    vec![
        ("the address in url", link(json!({"url": page, "other": "https://x.example/"}))),
        ("the address in payment_link", link(json!({"payment_link": page, "link": "https://x.example/"}))),
        ("the address in link", link(json!({"access_url": "https://x.example/", "link": page}))),
        ("the address in access_url", link(json!({"access_url": page}))),
        ("an empty url", link(json!({"url": "", "payment_link": page}))),
        ("no web address", link(json!({"url": "javascript:alert(1)", "link": page}))),
        ("an open address", link(json!({"url": "http://pay.forumpay.com/invoice/abc123xyz"}))),
        ("a number for an address", link(json!({"url": 5}))),
        ("err beside an address", link(json!({"url": page, "err": "no", "err_code": "payerKYCNeeded"}))),
        ("our password in a refusal", link(json!({"err": "fp-demo-secret-part1part2 has no rights", "err_code": "x"}))),
        ("an address, with 404", says(404, json!({"url": page}))),
    ]
}

/// What a rate may say.
async fn rates(stage: &mut Stage, book: &mut Book) {
    let rate = |members: Value| {
        let mut rate = json!({"invoice_currency": "EUR", "invoice_amount": "420.00", "currency": "BTC", "payment_id": A});
        for (name, value) in members.as_object().into_iter().flatten() {
            rate[name] = value.clone();
        }
        says(200, rate)
    };
    let all = [
        ("another amount", rate(json!({"invoice_amount": "42.00"}))),
        ("another currency", rate(json!({"invoice_currency": "USD"}))),
        ("no payment_id", rate(json!({"payment_id": null}))),
        ("a payment_id that is too long", rate(json!({"payment_id": "p".repeat(256)}))),
        ("the amount as a number", rate(json!({"invoice_amount": 420}))),
    ];
    for (name, reply) in all {
        answered(stage, book, "GetBuyRate", name, reply).await;
    }
}

/// What a started order may say.
async fn orders(stage: &mut Stage, book: &mut Book) {
    let echo = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh";
    let order = |members: Value| {
        let mut order = json!({"address": echo, "access_token": "canary-access-token"});
        for (name, value) in members.as_object().into_iter().flatten() {
            order[name] = value.clone();
        }
        says(200, order)
    };
    let published = json!({
        "invoice_currency": "EUR", "invoice_amount": "420.00", "currency": "BTC", "payment_source": "cash",
        "wait_time": "20 minutes",
        "network_processing_fee": "0.00000966", "rate": "65419.3380", "amount_exchange": "0.00015286", "amount": "0.0001432",
        "fast_transaction_fee": "0.00002066", "fast_transaction_fee_currency": "BTC/kB", "other": 1,
        "address": "btc-1eda64a85da94d71a2ac5ed84e929553",
    });
    let all = [
        ("ForumPay's own form of the address", order(published)),
        ("what it left out is null", order(json!({}))),
        ("another address", order(json!({"address": "bc1qsomebodyelse000000000000000000000000000"}))),
        ("another coin's form of the address", order(json!({"address": "eth-1eda64a85da94d71a2ac5ed84e929553"}))),
        ("a short address", order(json!({"address": "btc-1eda"}))),
        ("no address", order(json!({"address": null}))),
        ("another payment_id", order(json!({"payment_id": A}))),
        ("another reference_no", order(json!({"reference_no": FOREIGN}))),
        ("another invoice_amount", order(json!({"invoice_amount": "420.01"}))),
        ("another invoice_currency", order(json!({"invoice_currency": "USD"}))),
        ("another coin", order(json!({"currency": "ETH"}))),
    ];
    for (name, reply) in all {
        answered(stage, book, "StartBuyOrder", name, reply).await;
    }
}

/// Amounts in the digits of their currency, and coins with their addresses.
async fn amounts_and_coins(stage: &mut Stage, book: &mut Book) {
    for (amount, currency) in [("5000", "JPY"), ("1.2", "KWD"), ("0.1", "USD"), ("9999999999999.99", "EUR")] {
        for (name, body) in [("in", bodies::forumpay_in(amount)), ("out", bodies::forumpay_out(amount))] {
            let body = body.replace("\"EUR\"", &format!("\"{currency}\""));
            let row = async |scene: &mut Scene<'_>| order_of(scene, &body).await.map(drop);
            plays(stage, book, &format!("{amount} {currency}, {name}"), row).await;
        }
    }
    let own = "1eda64a85da94d71a2ac5ed84e929553";
    let ethereum = "0x52908400098527886E0F7030069857D2E4169EE7";
    let all = [
        ("BTC", format!("btc-{own}")),
        ("BTC", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy".to_owned()),
        ("ETH", ethereum.to_owned()),
        ("ETH", format!("eth-{own}")),
        ("LTC", format!("ltc-{own}")),
        ("USDC", ethereum.to_owned()),
        ("USDT", ethereum.to_owned()),
        ("USDT_TRC20", format!("usdt_trc20-{own}")),
    ];
    for (coin, address) in all {
        let body = bodies::forumpay_out("430.00").replace("\"BTC\"", &format!("\"{coin}\""));
        let body = body.replace("bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh", &address);
        let row = async |scene: &mut Scene<'_>| order_of(scene, &body).await.map(drop);
        plays(stage, book, &format!("{coin} to {}", &address[..6]), row).await;
    }
}

/// The payer's address: a public one is sent, a private one is not. Further fields of the two calls. What is refused here, and
/// what the simulator refuses.
async fn refused_here(stage: &mut Stage, book: &mut Book) {
    let out = bodies::forumpay_out("421.00");
    let with = |body: &str, members: &str| format!("{},{members}}}", body.strip_suffix('}').unwrap_or(body));
    for (name, ip) in [("public", "203.0.113.42"), ("private", "10.0.0.1"), ("private v6", "fd00::1")] {
        let body = with(&out, &format!(r#""userIp":"{ip}""#));
        plays(stage, book, &format!("userIp: {name}"), async |scene| order_of(scene, &body).await.map(drop)).await;
    }
    let site = r#""siteUrl":"https://shop.example/back?a=b","merchantReference":"ORDER-1","isTestMode":true"#;
    let body = with(&bodies::forumpay_in("412.00"), site);
    plays(stage, book, "a site of the call's own", async |scene| order_of(scene, &body).await.map(drop)).await;
    let bad = [
        ("all of it", r#"{"pspType":"FORUMPAY","type":"PAYIN"}"#.to_owned()),
        ("all of it, out", r#"{"pspType":"FORUMPAY","type":"PAYOUT"}"#.to_owned()),
        ("a coin", out.replace("\"BTC\"", "\"bitcoin\"")),
        ("a wallet", out.replace("bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh", "bc1q x")),
    ];
    for (name, body) in bad {
        plays(stage, book, &format!("refused here: {name}"), async |scene| order_of(scene, &body).await.map(drop)).await;
    }
    let theirs = [
        ("a coin that it has not", out.replace("\"BTC\"", "\"DOGE\"")),
        ("an address of another coin", out.replace("\"BTC\"", "\"ETH\"")),
        ("an amount that the fee eats", bodies::forumpay_out("0.10")),
    ];
    for (name, body) in theirs {
        plays(stage, book, &format!("refused there: {name}"), async |scene| order_of(scene, &body).await.map(drop)).await;
    }
    for (field, value) in
        [("username", "fp-demo"), ("password", "fp-demo-secret-part1part2"), ("forumpayUserId", "demo-payer-0001")]
    {
        let row = async |scene: &mut Scene<'_>| {
            configure(scene.client(), json!({field: null})).await?;
            let answers = [order_of(scene, &bodies::forumpay_in("413.00")).await, order_of(scene, &out).await];
            configure(scene.client(), json!({field: value})).await?;
            answers.into_iter().try_for_each(|answer| answer.map(drop))
        };
        plays(stage, book, &format!("not configured: {field}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        configure(scene.client(), json!({"posId": "counter-7"})).await?;
        let answer = order_of(scene, &out).await;
        configure(scene.client(), json!({"posId": null})).await?;
        answer.map(drop)
    };
    plays(stage, book, "a point of sale of the account's own", row).await;
}

async fn configure(client: &Client, config: Value) -> Result<()> {
    let method = client.method_of("FORUMPAY").await?;
    let set = client.manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    Ok(())
}

/// "Test connection": `Ping`.
async fn connection(stage: &mut Stage, book: &mut Book) {
    let pings: [(&str, Option<Value>); 6] = [
        ("pong", None),
        ("something else", Some(says(200, json!({"result": "ping"})))),
        ("401", Some(says(401, json!({"err": "Unauthorized", "err_code": "unauthorized"})))),
        ("500", Some(json!({"http": 500}))),
        ("429", Some(json!({"http": 429}))),
        ("err", Some(says(200, json!({"err": "Payer ID is required", "err_code": "payerIdRequired"})))),
    ];
    for (name, reply) in pings {
        let row = async |scene: &mut Scene<'_>| {
            if let Some(reply) = reply {
                scene.next(at("Ping", reply)).await?;
            }
            let method = scene.client().method_of("FORUMPAY").await?;
            let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
            scene.did("test connection", answer);
            Ok(())
        };
        plays(stage, book, &format!("Ping: {name}"), row).await;
    }
}
