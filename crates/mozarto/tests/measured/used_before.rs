//! A provider that says that our reference was used before: what used it may have been the very call that it answers. A pay-out
//! is in doubt then, and of a page the provider is asked; neither is refused.

use crate::steps::{LIMIT, events, id_of, next, until};
use crate::ten::{ALL, DIRECT, OfTen, trust_is_not_called};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const CLEO_OUT: &str = r#"{"pspType":"CLEO","type":"PAYOUT","baseamount":12500,"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"CL","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{"line1":"Av. Uno 1","city":"Santiago","state":"RM","postalCode":"8320000","country":"CL"},"beneficiary":{"bankCode":"012","accountNumber":"123456789","accountType":"checking","documentNumber":"12345678-5","documentType":"RUT"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_used_reference_is_no_refusal() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = OfTen::new("a reference that was used before");
    // Their redeem and their releases move money too; what a call of Trust's is answered there is none of.
    table.excuse("trust", "creating a payment there calls nobody", trust_is_not_called(world.hands()));
    pay_outs(&mut table, &world).await;
    pages(&mut table, &world).await;
    cards(&mut table, &world).await;
    for (serial, result, text) in [
        (1, "4005", "trans_id already used for a redeem"),
        (2, "4099", "Duplicate trans_id"),
        (3, "4098", "trans_id already processed"),
    ] {
        let said = json!({"result": result, "result_description": text});
        table.row_alone("flexepin", format!("redeem: {text}"), redeemed_before(world.hands(), serial, said)).await;
    }
    for text in SAID_BY_ONE_THAT_RELEASED {
        for status in [200, 400, 409] {
            let row = released_before(world.hands(), "gigadat", "/webflow/deposit", status, json!({"err": text}));
            table.row_alone("gigadat", format!("release: {status} {text}"), row).await;
        }
        let said = json!({"err": text, "err_code": "orderState"});
        let row = released_before(world.hands(), "forumpay", "ConfirmBuyOrder", 200, said);
        table.row_alone("forumpay", format!("ConfirmBuyOrder: {text}"), row).await;
    }
    table.end().await;
}

async fn pay_outs(table: &mut OfTen, world: &World) {
    for status in [200, 400, 409, 422] {
        for text in ["referenceId already exists", "Duplicate referenceId", "referenceId has already been used"] {
            let said = json!({"success": false, "error": text});
            let row = in_doubt(world.hands(), "payone", "/api/withdraw", status, said);
            table.row_alone("payone", format!("withdraw: {status} {text}"), row).await;
        }
    }
    // Break whoever looks for the words in the bytes as they came.
    for error in [r"referenceId already\u0020exists", r"referenceId already\nexists"] {
        let said = json!(format!(r#"{{"success":false,"error":"{error}"}}"#));
        let row = in_doubt(world.hands(), "payone", "/api/withdraw", 400, said);
        table.row_alone("payone", format!("withdraw: {error}"), row).await;
    }
    for (status, code) in [(400, "DUPLICATE_REFERENCE"), (409, "CONFLICT"), (422, "ALREADY_EXISTS")] {
        let said = json!({"code": code, "message": "externalReference was already used"});
        let row = in_doubt(world.hands(), "cleo", "transfer-out", status, said);
        table.row_alone("cleo", format!("transfer-out: {status} {code}"), row).await;
    }
}

async fn pages(table: &mut OfTen, world: &World) {
    for (provider, path, status, said) in [
        ("payone", "/api/deposit", 400, json!({"success": false, "error": "referenceId already exists"})),
        ("cleo", "transfer-in", 409, json!({"code": "DUPLICATE_REFERENCE", "message": "externalReference was already used"})),
        (
            "brite",
            "create_deposit",
            400,
            json!({"error_name": "TransactionInvalid", "error_message": "merchant_reference already used", "state": "APPLICATION_ERROR"}),
        ),
    ] {
        table.row_alone(provider, path, asked_about(world.hands(), provider, path, status, said)).await;
    }
    for text in ["The merchantTransactionId already exists", "merchantTransactionId was used before"] {
        let said = json!({"error": text, "errorcode": "2001"});
        let row = asked_about(world.hands(), "neosurf", "urlCallback", 200, said);
        table.row_alone("neosurf", format!("create: {text}"), row).await;
    }
    for status in [200, 400] {
        let said = json!({"err": "reference_no already exists", "err_code": "duplicateReference"});
        let row = asked_about(world.hands(), "forumpay", "CreatePaymentLink", status, said);
        table.row_alone("forumpay", format!("CreatePaymentLink: {status}"), row).await;
    }
    for (what, said) in duplicate_orders() {
        let row = asked_about(world.hands(), "worldpay", "<submit>", 200, json!(said));
        table.row_alone("worldpay", format!("a hosted order: {what}"), row).await;
    }
}

/// Cards that may have been charged.
async fn cards(table: &mut OfTen, world: &World) {
    for (what, said) in duplicate_orders() {
        table.row_alone("worldpay", format!("a card: {what}"), order_in_doubt(world.hands(), &said)).await;
    }
    // Two seconds pass before the gateway is asked.
    for (minor, (what, code, text)) in (10_020..).zip([
        ("as its own client has recorded it", "340", "'transaction_id' has already been used!"),
        ("in other words", "340", "'transaction_id' already exists"),
        ("of another code", "330", "transaction_id is a duplicate"),
        ("folded over lines", "340", "'transaction_id' has already\n   been used!"),
    ]) {
        let said = gateway_error(code, text);
        table.row("emerchantpay", what, sale_in_doubt(world.hands(), minor, said));
    }
    // Breaks whoever looks for the words alone: a doublet is another payment with the same card, and ours was not taken.
    let said = gateway_error("450", "Duplicate transaction: the same card and amount were used before");
    table.row_alone("emerchantpay", "a doublet is a refusal", card_refused(world.hands(), &said)).await;
}

/// How Worldpay says that it has the order. The last two break whoever looks for the words in the bytes as they came.
fn duplicate_orders() -> Vec<(&'static str, String)> {
    let document = |inside: &str| format!("<paymentService version=\"1.4\"><reply>{inside}</reply></paymentService>");
    let of_order = |error: &str| document(&format!("<orderStatus>{error}</orderStatus>"));
    vec![
        ("Duplicate Order", document("<error code=\"5\">Duplicate Order</error>")),
        ("of the order", of_order("<error code=\"5\"><![CDATA[Duplicate Order]]></error>")),
        ("in other words", document("<error code=\"5\">The order code already exists</error>")),
        ("of another code", document("<error code=\"3\">orderCode was already used</error>")),
        ("folded over lines", document("<error code=\"5\">\n  Duplicate\n  Order\n</error>")),
        ("with a character that is named", of_order("<error code=\"5\">order&#32;code&#32;already&#32;exists</error>")),
    ]
}

fn gateway_error(code: &str, text: &str) -> String {
    format!(
        "<payment_response><transaction_type>sale3d</transaction_type><status>error</status><code>{code}</code>\
         <technical_message>{text}</technical_message><message>Please check input data for errors!</message></payment_response>"
    )
}

async fn order_in_doubt(hands: Hands, said: &str) -> Result<()> {
    next(&hands, "worldpay", json!({"about": "<submit>", "http": 200, "body": said})).await?;
    card_in_doubt(&hands, &DIRECT.pay_in(0, "100.00")).await
}

/// A sale of so many minor units, by which it is told from the others.
async fn sale_in_doubt(hands: Hands, minor: u32, said: String) -> Result<()> {
    next(&hands, "emerchantpay", json!({"about": format!("<amount>{minor}</amount>"), "http": 200, "body": said})).await?;
    card_in_doubt(&hands, &sale(minor)).await
}

fn sale(minor: u32) -> String {
    bodies::emerchantpay(&format!("{}.{:02}", minor / 100, minor % 100), "4200000000000000")
}

/// The card may have been charged by the very call: it is open, and inquiry decides.
async fn card_in_doubt(hands: &Hands, body: &str) -> Result<()> {
    let answer = hands.client.cashier(body).await?;
    let shown = (answer.status, answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == (200, "Pending", "unknown"), "{shown:?}: {}", answer.body);
    Ok(())
}

async fn card_refused(hands: Hands, said: &str) -> Result<()> {
    next(&hands, "emerchantpay", json!({"about": "<amount>10030</amount>", "http": 200, "body": said})).await?;
    let answer = hands.client.cashier(&sale(10_030)).await?;
    let shown = (answer.status, answer.text("/transaction/transaction_status"));
    ensure!(shown == (400, "Failed"), "{shown:?}: {}", answer.body);
    Ok(())
}

/// A person has it released again: what that is answered is no outcome, least of all that it was released before.
#[tokio::test(flavor = "multi_thread")]
async fn released_again_it_was_released_before() {
    let fast = |options: testkit::sandbox::Options| options.time_scale(2_000);
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], fast).await.expect("a sandbox");
    let mut table = Table::new("released again, and released before");
    for (provider, path) in [("gigadat", "/webflow/deposit"), ("forumpay", "ConfirmBuyOrder")] {
        for text in SAID_BY_ONE_THAT_RELEASED {
            table.row(format!("{provider}: {text}"), released_again(world.hands(), provider, path, text));
        }
    }
    table.end().await;
}

/// How a provider says that a pay-out was let go before.
const SAID_BY_ONE_THAT_RELEASED: [&str; 6] = [
    "Transaction already processed",
    "Transaction has already been released",
    "Deposit already completed",
    "Transaction was already confirmed",
    "Payment already sent",
    "Transaction already in progress",
];

fn held(provider: &str) -> String {
    match provider {
        "gigadat" => bodies::gigadat_out("ETO", "202.00"),
        _ => bodies::forumpay_out("202.00"),
    }
}

async fn approved(hands: &Hands, provider: &str, said: Value) -> Result<String> {
    let answer = hands.client.cashier(&held(provider)).await?;
    let id = id_of(&answer)?;
    let mut said = said;
    said["about"] = json!(about(hands, provider, &id).await?);
    next(hands, provider, said).await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    Ok(id)
}

/// What the releasing call names: our reference, or the provider's.
async fn about(hands: &Hands, provider: &str, id: &str) -> Result<String> {
    let theirs = hands.managed(id).await?["pspTransactionId"].as_str().unwrap_or_default().to_owned();
    Ok(if provider == "forumpay" { theirs } else { id.to_owned() })
}

/// The first release may be what it was released by: it is open, and nobody says that it failed.
async fn released_before(hands: Hands, provider: &str, path: &str, status: u16, said: Value) -> Result<()> {
    let id = approved(&hands, provider, json!({"path": path, "http": status, "body": said})).await?;
    let shown = until(&hands, &id, |shown| shown["status"] == "unknown" || shown["transaction_status"] != "Pending").await?;
    ensure!(shown["transaction_status"] == "Pending" && shown["status"] == "unknown", "{shown}");
    Ok(())
}

async fn released_again(hands: Hands, provider: &'static str, path: &'static str, text: &'static str) -> Result<()> {
    let id = approved(&hands, provider, json!({"path": path, "http": 500})).await?;
    hands.needs_attention(&id, "stuck", LIMIT).await?;
    let said = json!({"path": path, "about": about(&hands, provider, &id).await?, "http": 200, "body": {"err": text}});
    next(&hands, provider, said).await?;
    let order =
        hands.client.manage("POST", &format!("/transactions/{id}/release"), Some(json!({"reason": "seen there"}))).await?;
    ensure!(order.status == 200, "release: {} {}", order.status, order.body);
    // It waited before and waits still, so a person is called once more; nothing else became of it.
    let shown = until(&hands, &id, |shown| events(shown, "stuck").len() >= 2 || shown["transaction_status"] != "Pending").await?;
    ensure!(shown["transaction_status"] == "Pending", "{shown}");
    hands.nothing_moved(provider, &id).await
}

/// The redeem may be what its id was used by: the outcome is open.
async fn redeemed_before(hands: Hands, serial: u32, said: Value) -> Result<()> {
    next(&hands, "flexepin", json!({"path": "/voucher/redeem", "http": 200, "body": said})).await?;
    let answer = hands.client.cashier(&bodies::flexepin(serial, 2_500)).await?;
    let shown = (answer.status, answer.text("/outcome"), answer.text("/transaction/transaction_status"));
    ensure!(shown == (504, "open", "Pending"), "{shown:?}: {}", answer.body);
    Ok(())
}

/// Nobody knows whether the pay-out was taken: it is open, and inquiry decides.
async fn in_doubt(hands: Hands, provider: &str, path: &str, status: u16, said: Value) -> Result<()> {
    next(&hands, provider, json!({"path": path, "http": status, "body": said})).await?;
    let body = if provider == "cleo" { CLEO_OUT.to_owned() } else { bodies::payone("PAYOUT", "200.00") };
    let answer = hands.client.cashier(&body).await?;
    let shown = (answer.status, answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == (200, "Pending", "unknown"), "{shown:?}: {}", answer.body);
    Ok(())
}

/// The order may be there: the provider is asked about it before anything is said. (Here it is not.) `path`: a part of the call
/// that creates it.
async fn asked_about(hands: Hands, provider: &str, path: &str, status: u16, said: Value) -> Result<()> {
    let of = ALL.into_iter().find(|one| one.name == provider).expect("a provider");
    next(&hands, provider, json!({"about": path, "http": status, "body": said})).await?;
    let answer = hands.client.cashier(&of.pay_in(0, "100.00")).await?;
    let id = id_of(&answer)?;
    hands.client.wait_for(&id, &["Failed"], LIMIT).await?;
    let shown = hands.managed(&id).await?;
    let failed = shown["events"].as_array().and_then(|events| events.iter().find(|event| event["event"] == "failed")).cloned();
    let calls = failed.as_ref().and_then(|event| event["detail"]["calls"].as_array()).map_or(0, Vec::len);
    ensure!(calls >= 2, "it was not asked about: {shown}");
    Ok(())
}
