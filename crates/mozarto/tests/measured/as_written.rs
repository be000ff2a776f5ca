//! `data` of an error is the provider's answer as it came: a number keeps its literal, with what is secret masked.

use crate::steps::next;
use crate::ten::{ALL, OfTen, Provider, trust_is_not_called};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::client::bodies;
use testkit::world::{Hands, World};

/// Literals that a reader could write otherwise.
const NUMBERS: &str =
    r#""a":1.50,"b":1e3,"c":100.0,"d":1.0E7,"e":-0.0,"f":12345678901234567890123.4567890,"g":[2.50,{"h":1E-2}],"i":"1.0""#;

/// An answer of an error that no table knows: a part of the call that it is given to, its HTTP status, how it begins. `None`: the
/// provider's are in tables of their own.
fn strange(provider: &str) -> Option<(&'static str, u16, &'static str)> {
    Some(match provider {
        "brite" => ("create_deposit", 400, r#""error_name":"Strange","error_message":"x","state":"APPLICATION_ERROR","#),
        "cleo" => ("transfer-in", 422, r#""code":"STRANGE","message":"x","#),
        "flexepin" => ("/voucher/validate", 400, ""),
        "forumpay" => ("CreatePaymentLink", 200, r#""err":"strange","#),
        "gigadat" => ("/api/payment-token", 400, r#""err":"strange","#),
        "neosurf" => ("/", 422, r#""error":"strange","#),
        "payone" => ("/api/deposit", 400, r#""success":false,"error":"strange","#),
        _ => return None,
    })
}

/// Documents of the two that speak XML, whose text is shown as it is, with what could be a card's number masked; and an answer of
/// something before them that speaks JSON. The last ones break whoever masks or rewrites by the look of a number alone.
fn documents() -> Vec<(&'static str, &'static str, u16, String, &'static [&'static str])> {
    const GENESIS: &str = "<payment_response><status>error</status><code>350</code><technical_message>";
    const END: &str = "</technical_message></payment_response>";
    let ordered =
        |text: &str| format!("<paymentService version=\"1.4\"><reply><error code=\"3\">{text}</error></reply></paymentService>");
    let sale = |text: &str| format!("{GENESIS}{text}{END}");
    vec![
        ("worldpay", "its numbers", 200, ordered(IN_TEXT), &[IN_TEXT]),
        (
            "worldpay",
            "a card's number among them",
            200,
            ordered("1.50 of 4444333322221111, then 1e3"),
            &["1.50 of ", ", then 1e3"],
        ),
        ("worldpay", "JSON", 400, format!("{{{SMALL}}}"), &[SMALL]),
        ("emerchantpay", "its numbers", 200, sale(IN_TEXT), &[IN_TEXT]),
        (
            "emerchantpay",
            "a card's number among them",
            200,
            sale("1.50 of 4444333322221111, then 1e3"),
            &["1.50 of ", ", then 1e3"],
        ),
    ]
}

/// The literals without one that has as many digits as a card's number.
const SMALL: &str = r#""a":1.50,"b":1e3,"c":100.0,"d":1.0E7,"e":-0.0,"g":[2.50,{"h":1E-2}],"i":"1.0""#;
const IN_TEXT: &str = "1.50 1e3 100.0 1.0E7 -0.0 2.50 1E-2 007";

#[tokio::test(flavor = "multi_thread")]
async fn numbers_stay_as_they_were_written() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = OfTen::new("numbers as they were written");
    table.excuse("trust", "a pay-in calls nobody there whose error could be shown", trust_is_not_called(world.hands()));
    for (n, provider) in ALL.into_iter().enumerate() {
        let Some((path, status, first)) = strange(provider.name) else { continue };
        let serial = 700 + u32::try_from(n).expect("few");
        let said = format!("{{{first}{NUMBERS}}}");
        let row = answered(world.hands(), provider, serial, (path, status, said));
        table.row_alone(provider.name, path, row).await;
    }
    for (name, what, status, said, kept) in documents() {
        let provider = ALL.into_iter().find(|one| one.name == name).expect("it is there");
        // What creates a payment; a question has none of them.
        let about = if name == "worldpay" { "<submit>" } else { "<payment_transaction>" };
        table.row_alone(name, what, shown(world.hands(), provider, (about, status, said), kept)).await;
    }
    // A business refusal shows the voucher; the PIN in it is masked in every spelling of its number.
    for (what, pin) in [("plain", "1000007100002500"), ("with a point", "1000007100002500.0"), ("a power", "1.0000071000025E15")]
    {
        table.row_alone("flexepin", format!("refused, its PIN {what}"), refused(world.hands(), pin)).await;
    }
    let said = format!(r#"{{"error":"strange","errorcode":"9999",{NUMBERS}}}"#);
    let neosurf = ALL.into_iter().find(|one| one.name == "neosurf").expect("it is there");
    table.row_alone("neosurf", "refused", answered(world.hands(), neosurf, 0, ("/", 200, said))).await;
    table.end().await;
}

/// Where it is said, its HTTP status, and what.
type Said<'a> = (&'a str, u16, String);

async fn answered(hands: Hands, provider: Provider, serial: u32, (path, status, said): Said<'_>) -> Result<()> {
    next(&hands, provider.name, json!({"path": path, "http": status, "body": said})).await?;
    let answer = hands.client.cashier(&provider.pay_in(serial, "100.00")).await?;
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    ensure!(answer.status >= 400 && text.contains(NUMBERS), "{} {text}", answer.status);
    Ok(())
}

async fn shown(hands: Hands, provider: Provider, (about, status, said): Said<'_>, kept: &[&str]) -> Result<()> {
    next(&hands, provider.name, json!({"about": about, "http": status, "body": said})).await?;
    let answer = hands.client.cashier(&provider.pay_in(0, "100.00")).await?;
    let data = answer.body.get("data").with_context(|| format!("no data: {} {}", answer.status, answer.body))?;
    // A text is escaped in the answer, JSON stands in it as it came.
    let text = data.as_str().map_or_else(|| String::from_utf8_lossy(&answer.bytes).into_owned(), str::to_owned);
    ensure!(answer.status == 500 && kept.iter().all(|part| text.contains(part)), "{} {text}", answer.status);
    ensure!(!text.contains("4444333322221111"), "{text}");
    Ok(())
}

async fn refused(hands: Hands, pin: &str) -> Result<()> {
    let said = format!(r#"{{"result":"4001","result_description":"Voucher invalid","pin":{pin},{NUMBERS}}}"#);
    next(&hands, "flexepin", json!({"path": "/voucher/validate", "http": 200, "body": said})).await?;
    let answer = hands.client.cashier(&bodies::flexepin(71, 2_500)).await?;
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    ensure!(answer.status == 400 && text.contains(NUMBERS), "{} {text}", answer.status);
    ensure!(!text.contains(pin), "{text}");
    Ok(())
}
