//! Refunds in parts, as Worldpay and Trust tell of them.

use serde_json::{Value, json};

use crate::trust::{open, pairs, records, value};
use crate::world::World;
use crate::worldpay::{CARD, direct_xml, inquire, send};

/// `accountType value currency side` of every balance of a document.
fn balances(document: &str) -> Vec<String> {
    let part = |text: &str, name: &str| {
        let rest = text.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let shown = |balance: &str| {
        ["accountType", "value", "currencyCode", "debitCreditIndicator"].map(|name| part(balance, name)).join(" ")
    };
    document.split("<balance ").skip(1).map(|rest| shown(rest.split("</balance>").next().unwrap())).collect()
}

/// The notifications about an order, whole.
fn told(world: &World, code: &str, event: &str) -> Vec<String> {
    let event = format!("<lastEvent>{event}</lastEvent>");
    let about = |body: &String| body.contains(&format!("orderCode=\"{code}\"")) && body.contains(&event);
    world.receiver.at("notify").into_iter().map(|one| one.body).filter(about).collect()
}

async fn part(world: &World, provider: &str, reference: &str, outcome: &str, minor: i64) -> (u16, Value) {
    world.post(&format!("/control/{provider}/{reference}/{outcome}?minor={minor}")).await
}

async fn account(world: &World, more: Value) {
    let mut account = json!({"xmlUsername": crate::worldpay::USER, "xmlPassword": crate::worldpay::PASSWORD,
        "installationId": "123456", "notificationUrl": world.receiver.url("notify")});
    account.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, answer) = world.put(&format!("/control/worldpay/accounts/{}", crate::worldpay::MERCHANT), account).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn worldpay_says_what_is_left() {
    let world = crate::worldpay::world().await;
    send(&world, direct_xml("p1", "15000", CARD, "John Doe")).await;
    assert_eq!(part(&world, "worldpay", "p1", "refund", 15_001).await.0, 409);
    assert_eq!(part(&world, "worldpay", "p1", "chargeback", 1_000).await.0, 409);
    assert_eq!(
        part(&world, "worldpay", "p1", "refund", 1_000).await,
        (200, json!({"provider": "worldpay", "reference": "p1", "state": "REFUNDED"}))
    );
    let record = inquire(&world, "p1").await;
    assert_eq!(balances(&record), ["IN_PROCESS_CAPTURED 14000 EUR credit"]);
    assert!(record.contains("<amount value=\"15000\""), "the order's whole: {record}");
    world.ledger_is("worldpay", "p1", "settled").await;
    assert_eq!(part(&world, "worldpay", "p1", "refund", 14_000).await.0, 200);
    assert_eq!(balances(&inquire(&world, "p1").await), ["IN_PROCESS_CAPTURED 0 EUR credit"]);
    world.ledger_is("worldpay", "p1", "returned").await;
    assert_eq!(part(&world, "worldpay", "p1", "refund", 1).await.0, 409);

    // After the settlement the net account alone pays, and the commission stays where it is.
    send(&world, direct_xml("p2", "15000", CARD, "John Doe")).await;
    world.post("/control/worldpay/p2/status/SETTLED").await;
    assert_eq!(
        balances(&inquire(&world, "p2").await),
        ["SETTLED_BIBIT_NET 14850 EUR credit", "SETTLED_BIBIT_COMMISSION 150 EUR credit"]
    );
    world.press("worldpay", "p2", "refund").await;
    assert_eq!(
        balances(&inquire(&world, "p2").await),
        ["SETTLED_BIBIT_NET 150 EUR debit", "SETTLED_BIBIT_COMMISSION 150 EUR credit"]
    );
    world.post("/control/worldpay/p2/status/REFUND_FAILED").await;
    world.ledger_is("worldpay", "p2", "settled").await;
    assert_eq!(balances(&inquire(&world, "p2").await)[0], "SETTLED_BIBIT_NET 14850 EUR credit");

    // In another currency; the journal has the order's own last.
    account(&world, json!({"settlementCurrency": "GBP"})).await;
    send(&world, direct_xml("p3", "10000", CARD, "John Doe")).await;
    world.post("/control/worldpay/p3/status/SETTLED").await;
    part(&world, "worldpay", "p3", "refund", 5_000).await;
    assert_eq!(
        balances(&inquire(&world, "p3").await),
        ["SETTLED_BIBIT_NET 4214 GBP credit", "SETTLED_BIBIT_COMMISSION 86 GBP credit"]
    );
    crate::world::eventually(|| async { (told(&world, "p3", "REFUNDED").len() == 1).then_some(()) }).await;
    let journal = told(&world, "p3", "REFUNDED")[0].split("<journal ").nth(1).unwrap().to_owned();
    let at = |text: &str| journal.find(text).unwrap_or_else(|| panic!("{text}: {journal}"));
    assert!(at("value=\"4300\" currencyCode=\"GBP\"") < at("value=\"5000\" currencyCode=\"EUR\""), "{journal}");
    assert!(journal.contains("<journalReference type=\"refund\" reference=\"\""), "{journal}");
}

#[tokio::test]
async fn equal_parts_are_the_same_bytes_unless_they_have_references() {
    let world = crate::worldpay::world().await;
    for (code, more, distinct) in
        [("e1", json!({"balances": false}), 1), ("e2", json!({"balances": false, "refundReferences": true}), 2)]
    {
        account(&world, more).await;
        send(&world, direct_xml(code, "15000", CARD, "John Doe")).await;
        part(&world, "worldpay", code, "refund", 7_500).await;
        part(&world, "worldpay", code, "refund", 7_500).await;
        assert!(balances(&inquire(&world, code).await).is_empty());
        crate::world::eventually(|| async { (told(&world, code, "REFUNDED").len() == 2).then_some(()) }).await;
        let mut bodies = told(&world, code, "REFUNDED");
        bodies.dedup();
        assert_eq!(bodies.len(), distinct, "{bodies:?}");
    }
    account(&world, json!({"issuerResponseCodes": true})).await;
    let refused = send(&world, direct_xml("e3", "15000", CARD, "REFUSED54")).await;
    assert!(refused.contains("<IssuerResponseCode code=\"54\"") && !refused.contains("ISO8583"), "{refused}");
}

#[tokio::test]
async fn trust_refunds_in_parts_and_settles_less() {
    let world = crate::trust::world().await;
    open(&world, "r1", "100.00").await;
    world.press("trust", "r1", "pay").await;
    assert_eq!(part(&world, "trust", "r1", "refund", 3_000).await.1["state"], "0/0");
    world.ledger_is("trust", "r1", "settled").await;
    assert_eq!(part(&world, "trust", "r1", "refund", 7_001).await.0, 409);
    assert_eq!(part(&world, "trust", "r1", "refund", 7_000).await.1["state"], "refunded");
    world.ledger_is("trust", "r1", "returned").await;
    let amounts: Vec<String> =
        records(&world, "r1").await.iter().map(|one| one["baseamount"].as_str().unwrap().to_owned()).collect();
    assert_eq!(amounts, ["10000", "3000", "7000"]);
    let told: Vec<String> =
        world.receiver.exactly("r1", 3).await.iter().map(|one| value(&pairs(&one.body), "baseamount")).collect();
    assert_eq!(told, ["10000", "3000", "7000"]);

    open(&world, "r2", "100.00").await;
    world.press("trust", "r2", "pay").await;
    assert_eq!(part(&world, "trust", "r2", "lower", 10_000).await.0, 409);
    assert_eq!(part(&world, "trust", "r2", "lower", 2_000).await.0, 200);
    let record = records(&world, "r2").await[0].clone();
    assert_eq!((&record["baseamount"], &record["settlebaseamount"]), (&json!("10000"), &json!("8000")));
    assert_eq!(part(&world, "trust", "r2", "refund", 8_001).await.0, 409);
    assert_eq!(part(&world, "trust", "r2", "refund", 8_000).await.1["state"], "refunded");
}

/// Field error 30000: the payer cannot pay.
#[tokio::test]
async fn trust_takes_billing_fields_of_its_own_lengths() {
    use crate::trust::{form, posted, signed, with};
    let world = crate::trust::world().await;
    for (name, longest) in
        [("billingpremise", 25), ("billingpostcode", 25), ("billingtelephone", 20), ("billingstreet", 127), ("billingtown", 127)]
    {
        for (length, taken) in [(longest, true), (longest + 1, false)] {
            let reference = format!("{name}-{length}");
            let html =
                posted(&world, "choice", &signed(with(form(&world, &reference, "10.00"), name, &"1".repeat(length)))).await;
            assert_eq!(!html.contains("Invalid details"), taken, "{reference}");
        }
    }
    let county = with(form(&world, "county", "10.00"), "billingcounty", "Kent");
    assert!(posted(&world, "choice", &signed(county.clone())).await.contains("Invalid details"));
    assert!(!posted(&world, "choice", &signed(with(county, "billingcountryiso2a", "GB"))).await.contains("Invalid details"));
}
