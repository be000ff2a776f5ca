//! `data` of an error is the provider's answer as it came: a number keeps its literal, with what is secret masked.

use crate::steps::next;
use crate::ten::{ALL, Provider};
use anyhow::{Result, ensure};
use serde_json::json;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Literals that a reader could write otherwise.
const NUMBERS: &str =
    r#""a":1.50,"b":1e3,"c":100.0,"d":1.0E7,"e":-0.0,"f":12345678901234567890123.4567890,"g":[2.50,{"h":1E-2}],"i":"1.0""#;

/// An answer of an error that no table knows, and where it is given. Those that speak XML show text.
fn strange(provider: Provider) -> Option<(&'static str, u16, String)> {
    let (path, status, first) = match provider.name {
        "brite" => ("create_deposit", 400, r#""error_name":"Strange","error_message":"x","state":"APPLICATION_ERROR","#),
        "cleo" => ("transfer-in", 422, r#""code":"STRANGE","message":"x","#),
        "flexepin" => ("/voucher/validate", 400, ""),
        "forumpay" => ("CreatePaymentLink", 200, r#""err":"strange","#),
        "gigadat" => ("/api/payment-token", 400, r#""err":"strange","#),
        "neosurf" => ("/", 422, r#""error":"strange","#),
        "payone" => ("/api/deposit", 400, r#""success":false,"error":"strange","#),
        _ => return None,
    };
    Some((path, status, format!("{{{first}{NUMBERS}}}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_stay_as_they_were_written() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = Table::new("numbers as they were written");
    for (n, provider) in ALL.into_iter().enumerate() {
        let Some((path, status, said)) = strange(provider) else { continue };
        let serial = 700 + u32::try_from(n).expect("few");
        let row = answered(world.hands(), provider, provider.pay_in(serial, "100.00"), path, status, said);
        table.row_alone(provider.name, row).await;
    }
    // A business refusal shows the voucher; the PIN in it is masked in every spelling of its number.
    for (what, pin) in [("plain", "1000007100002500"), ("with a point", "1000007100002500.0"), ("a power", "1.0000071000025E15")]
    {
        table.row_alone(format!("flexepin, refused, its PIN {what}"), refused(world.hands(), pin)).await;
    }
    let said = format!(r#"{{"error":"strange","errorcode":"9999",{NUMBERS}}}"#);
    let neosurf = ALL.into_iter().find(|one| one.name == "neosurf").expect("it is there");
    table.row_alone("neosurf, refused", answered(world.hands(), neosurf, neosurf.pay_in(0, "100.00"), "/", 200, said)).await;
    table.end().await;
}

async fn answered(hands: Hands, provider: Provider, body: String, path: &str, status: u16, said: String) -> Result<()> {
    next(&hands, provider.name, json!({"path": path, "http": status, "body": said})).await?;
    let answer = hands.client.cashier(&body).await?;
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    ensure!(answer.status >= 400 && text.contains(NUMBERS), "{} {text}", answer.status);
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
