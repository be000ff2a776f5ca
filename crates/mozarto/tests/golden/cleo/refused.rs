//! What is refused before anybody is called, "Test connection", and documents that are taken.

use super::{IN, body, pay_in, pay_out, with};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, good, says};
use anyhow::Result;
use serde_json::{Value, json};

pub(super) async fn tested(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "Test connection", test).await;
    let error = |code: &str| json!({"code": code, "message": "no"});
    for (name, reply) in [
        ("401", says(401, error("UNAUTHORIZED"))),
        ("403", json!({"http": 403})),
        ("404 without a body", json!({"http": 404})),
        ("404, another code", says(404, error("GONE"))),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("500", json!({"http": 500})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("a page", says(200, json!("<html></html>"))),
        ("a transfer", says(200, json!({"id": "ti_8f2c0a", "status": "PENDING"}))),
        ("nothing of a transfer", says(200, json!({}))),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            scene.next(at(IN, reply)).await?;
            test(scene).await
        };
        stage.row(book, &format!("Test connection: {name}"), row).await;
    }
    for (member, right) in [
        ("chileApiKey", "cleo-demo-key-chile-0001"),
        ("peruApiKey", "cleo-demo-key-peru-0001"),
        ("mexicoApiKey", "cleo-demo-key-mexico-0001"),
    ] {
        configure(stage, json!({"cleoApiKey": {member: "another"}})).await;
        stage.row(book, &format!("Test connection: another {member}"), test).await;
        configure(stage, json!({"cleoApiKey": {member: right}})).await;
    }
}

async fn test(scene: &mut Scene<'_>) -> Result<()> {
    let method = scene.client().method_of("CLEO").await?;
    let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
    scene.did("test", answer);
    Ok(())
}

async fn configure(stage: &Stage, config: Value) {
    let client = stage.hands().client;
    let method = client.method_of("CLEO").await.expect("a method");
    let set = client.manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await;
    good(&set.expect("an answer")).expect("settings");
}

/// An account that lacks something.
pub(super) async fn not_configured(stage: &mut Stage, book: &mut Book) {
    for (name, without, again) in [
        (
            "no external key",
            json!({"customerExternalKeyForCleo": null}),
            json!({"customerExternalKeyForCleo": "demo-company-0001"}),
        ),
        (
            "no key of a country",
            json!({"cleoApiKey": {"mexicoApiKey": null}}),
            json!({"cleoApiKey": {"mexicoApiKey": "cleo-demo-key-mexico-0001"}}),
        ),
        ("no address", json!({"baseUrl": null}), json!({"baseUrl": stage.address()})),
    ] {
        configure(stage, without).await;
        for operation in ["PAYIN", "PAYOUT"] {
            let row = async |scene: &mut Scene<'_>| scene.pay(&body(operation, "100.00")).await.map(drop);
            stage.row(book, &format!("{operation}, {name}"), row).await;
        }
        configure(stage, again).await;
    }
}

/// Nothing is stored of these.
pub(super) async fn refused(stage: &mut Stage, book: &mut Book) {
    let said = |pointer: &str, value: Value| with(pay_in("CL", "10000.00"), pointer, value);
    let both = |word: &str| with(said("/currency", json!(word)), "/currencyCode", json!(word));
    let out = |pointer: &str, value: Value| with(pay_out("MX", "500.00"), pointer, value);
    let chile = |pointer: &str, value: Value| with(pay_out("CL", "53000"), pointer, value);
    for (name, body) in [
        ("half a peso", said("/baseamount", json!(10000.5))),
        ("euros", both("EUR")),
        ("soles in Chile", both("PEN")),
        ("pesos in another country", said("/countryCode", json!("MX"))),
        ("a country that is none of theirs", said("/countryCode", json!("AR"))),
        ("two currencies", said("/currencyCode", json!("MXN"))),
        ("no city", said("/address/city", json!(""))),
        ("no address", said("/address", Value::Null)),
        ("an address of text", said("/address", json!("Av. Uno 1"))),
        ("words for booleans", with(said("/kycVerified", json!("yes")), "/blocked", json!(1))),
        ("a count that is none", said("/transactionCount", json!(12))),
        ("born tomorrow", said("/dob", json!("2999-01-01"))),
        ("no date", said("/verificationDate", json!("15.01.2026"))),
        ("no beneficiary", out("/beneficiary", Value::Null)),
        ("a beneficiary that is none", out("/beneficiary", json!(7))),
        ("a document of another country", out("/beneficiary/documentType", json!("RUT"))),
        ("a short document", out("/beneficiary/documentNumber", json!("abc"))),
        ("a document with signs", out("/beneficiary/documentNumber", json!("a b-c"))),
        ("a long document", out("/beneficiary/documentNumber", json!("123456789012345678901"))),
        ("a wrong check digit", out("/beneficiary/accountNumber", json!("032180000118359718"))),
        ("a short account", out("/beneficiary/accountNumber", json!("1234"))),
        ("another bank", out("/beneficiary/bankCode", json!("002"))),
        ("another kind of account", out("/beneficiary/accountType", json!("giro"))),
        (
            "a letter of the RFC in a CURP",
            with(out("/beneficiary/documentType", json!("CURP")), "/beneficiary/documentNumber", json!("ÑEGG560427MVZRRL04")),
        ),
        ("a RUT with a wrong digit", chile("/beneficiary/documentNumber", json!("12.345.678-4"))),
        ("a RUT that is an RFC", chile("/beneficiary/documentNumber", json!("ÑAÑE850101AB1"))),
        ("a RUT with signs", chile("/beneficiary/documentNumber", json!("1234&678-5"))),
        ("a bank of two digits", chile("/beneficiary/bankCode", json!("01"))),
        (
            "nearly nothing in Chile",
            chile("/beneficiary", json!({"documentType": "RUT", "documentNumber": "12345678-4", "accountNumber": "123"})),
        ),
        ("a CCI of nineteen digits", with(pay_out("PE", "100.00"), "/beneficiary/accountNumber", json!("0021930012345678901"))),
        ("an RFC in Peru", with(pay_out("PE", "100.00"), "/beneficiary/documentType", json!("RFC"))),
    ] {
        let body = body.to_string();
        stage.row(book, &format!("refused: {name}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    for document in ["A&850101AB1", "ñaÑe850101AB1", "AÇB850101AB1", "DOJO900115ÑB1", "DOJO90011&AB1"] {
        let body = out("/beneficiary/documentNumber", json!(document)).to_string();
        stage.row(book, &format!("refused: RFC {document}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}

/// What is sent of them is in its normal form.
pub(super) async fn documents(stage: &mut Stage, book: &mut Book) {
    for (country, kind, document, account) in [
        ("MX", "RFC", "ÑAÑE850101AB1", "032180000118359719"),
        ("MX", "RFC", "A&B850101AB1", "032180000118359719"),
        ("MX", "RFC", "&ÑA850101000", "032180000118359719"),
        ("MX", "RFC", "N\u{303}AN850101AB1", "032180000118359719"),
        ("MX", "CURP", "HEGG560427MVZRRL04", "032 180 00011835971 9"),
        ("CL", "RUT", "12.345.678-5", "0001 2345-678"),
        ("CL", "RUT", "12 345 678 - 5", "00012345678"),
        ("CL", "RUT", "1000005-k", "1234"),
        ("PE", "DNI", "12345678", "0021-930012345678-9015"),
        ("PE", "CE", "001234567", "00219300123456789012"),
        ("PE", "RUC", "20123456789", "00219300123456789012"),
    ] {
        let body = with(pay_out(country, "53000"), "/beneficiary/documentType", json!(kind));
        let body = with(body, "/beneficiary/documentNumber", json!(document));
        let body = with(body, "/beneficiary/accountNumber", json!(account)).to_string();
        stage.row(book, &format!("{kind} {document} to {account}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    for (name, more) in [
        (
            "everything",
            json!({"siteUrl": "https://m.example/return?a=b", "merchantReference": "R 1", "bonusCode": "B1", "brandId": ""}),
        ),
        (
            "a second line",
            json!({"address": {"line1": "Av. Uno 1", "line2": "2", "city": "Lima", "state": "LIM", "postalCode": "15001",
                "country": "PE"}}),
        ),
        ("empty texts", json!({"bonusCode": "", "merchantReference": ""})),
    ] {
        let mut body = pay_in("PE", "100.00");
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let body = body.to_string();
        stage.row(book, &format!("PAYIN with {name}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}
