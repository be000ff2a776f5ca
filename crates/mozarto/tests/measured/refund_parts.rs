//! Refunds in parts where a provider says little: notified together, without a reference, without a time of their own, or in a
//! record that has gone on.

use crate::short_callbacks::{account_address, posted};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(40);
const FRICTIONLESS: &str = "4012000000060085";
const LOOK_IT_UP: &str = "look it up";

#[tokio::test(flavor = "multi_thread")]
async fn refunds_in_parts_of_which_little_is_said() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options.time_scale(60)).await.expect("a sandbox");
    accounts(&world, true).await.expect("the accounts");
    let mut table = Table::new("refunds of which little is said");
    table.row("eMerchantPay: two parts told while it is asked", told_together(world.hands()));
    table.row("eMerchantPay: a refund that no record shows", never_shown(world.hands()));
    table.row("eMerchantPay: a part told once, beside what cannot be read", beside_nothing(world.hands()));
    table.row("Trust: equal parts without a reference", nameless(world.hands(), &[5_000, 5_000], "Reversed"));
    table.row("Trust: parts without a reference", nameless(world.hands(), &[2_000, 3_000, 2_000, 2_000], "Approved"));
    for (name, word, balances, refunded, status) in gone_on() {
        table.row(format!("Worldpay: {name}"), plain_again(world.hands(), word, balances, refunded, status));
    }
    // Records whose time stays that of the payment.
    for (name, amount, parts, refunded, status, open) in [
        ("two equal parts", "100.00", &[5_000, 5_000][..], "50.00", "Approved", true),
        ("a part told three times", "100.08", &[3_000], "30.00", "Approved", true),
        ("a part of which no second is left, told three times", "100.08", &[6_000], "60.00", "Approved", false),
        ("two parts", "100.00", &[3_000, 7_000], "100.00", "Reversed", false),
        ("the whole, told three times", "100.08", &[10_008], "100.08", "Reversed", false),
    ] {
        table.row(format!("eMerchantPay, one time: {name}"), one_time(world.hands(), amount, parts, refunded, status, open));
    }
    table.row_alone("eMerchantPay: times that move", accounts(&world, false)).await;
    table.row("eMerchantPay, times that move: a part told three times", moving_times(world.hands()));
    table.end().await;
}

/// Trust's refunds have no reference; the time of eMerchantPay's records stays, or moves.
async fn accounts(world: &World, stays: bool) -> Result<()> {
    let account = json!({
        "siteSecurityPassword": "trust-demo-password-0001", "webServicesUsername": "ws@demo-company.example",
        "webServicesPassword": "trust-demo-ws-0001", "refundReferences": false,
    });
    let put = world.client.control("PUT", "/trust/accounts/test_mozarto0001", Some(account)).await?;
    ensure!(put.status == 200, "{}", put.body);
    let account = json!({
        "username": "emp-demo", "password": "emp-demo-secret-0001", "currency": "EUR", "refundTimes": !stays,
    });
    let put = world.client.control("PUT", "/emerchantpay/accounts/394fdemoterminal0001", Some(account)).await?;
    ensure!(put.status == 200, "{}", put.body);
    Ok(())
}

async fn control(hands: &Hands, provider: &str, id: &str, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/{provider}/{id}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn next(hands: &Hands, provider: &str, what: Value) -> Result<()> {
    let set = hands.client.control("PUT", &format!("/{provider}/next"), Some(what)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

/// Waits until the transaction is shown as wanted.
async fn until(hands: &Hands, id: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = hands.managed(id).await?;
        if wanted(&shown) {
            return Ok(shown);
        }
        ensure!(tokio::time::Instant::now() < deadline, "it stands so: {shown}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// The minor units of the refunds on the timeline.
fn refunds(shown: &Value) -> Vec<i64> {
    let events = shown["events"].as_array().cloned().unwrap_or_default();
    let of_kind = events.iter().filter(|event| event["event"] == "refunded");
    of_kind.map(|event| event["detail"]["minorUnits"].as_i64().unwrap_or(-1)).collect()
}

fn anomalies(shown: &Value) -> Vec<String> {
    let events = shown["events"].as_array().cloned().unwrap_or_default();
    let of_kind = events.iter().filter(|event| event["event"] == "anomaly");
    of_kind.map(|event| event["detail"]["text"].as_str().unwrap_or_default().to_owned()).collect()
}

// --- eMerchantPay -----------------------------------------------------------------------------

/// Its id and the gateway's. It has been told of the approval, so that what is told next is a refund.
async fn paid(hands: &Hands, amount: &str) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::emerchantpay(amount, FRICTIONLESS)).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    let shown = until(hands, &id, |shown| shown["transaction_status"] == "Approved").await?;
    Ok((id, shown["pspTransactionId"].as_str().unwrap_or_default().to_owned()))
}

/// How often it was asked about a payment.
async fn asked(hands: &Hands, unique_id: &str) -> Result<usize> {
    let calls = hands.client.control("GET", "/emerchantpay/calls?limit=1000", None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    let about = |call: &&Value| {
        call["path"].as_str().is_some_and(|path| path.contains("/reconcile/")) && call.to_string().contains(unique_id)
    };
    Ok(calls.iter().filter(about).count())
}

async fn is_asked(hands: &Hands, unique_id: &str, before: usize) -> Result<()> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while asked(hands, unique_id).await? <= before {
        ensure!(tokio::time::Instant::now() < deadline, "nobody asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Both wait for an answer; the record has only the last of them by then.
async fn told_together(hands: Hands) -> Result<()> {
    let (id, unique_id) = paid(&hands, "100.00").await?;
    is_asked(&hands, &unique_id, 0).await?;
    let silent = |times: u32| json!({"path": "/reconcile/", "about": unique_id, "http": 500, "times": times});
    next(&hands, "emerchantpay", silent(100_000)).await?;
    for minor in [3_000, 7_000] {
        let before = asked(&hands, &unique_id).await?;
        control(&hands, "emerchantpay", &id, &format!("refund?minor={minor}")).await?;
        is_asked(&hands, &unique_id, before).await?;
    }
    next(&hands, "emerchantpay", silent(0)).await?;
    let shown = until(&hands, &id, |shown| shown["refundedAmount"] == "70.00" && shown["attention"] == "anomaly").await?;
    let told = anomalies(&shown);
    ensure!(refunds(&shown) == [7_000] && shown["transaction_status"] == "Approved", "{shown}");
    ensure!(told.len() == 1 && told[0].contains("3000") && told[0].contains(LOOK_IT_UP), "{told:?}");
    Ok(())
}

/// What cannot be read says nothing, so that it has not told the part a second time.
async fn beside_nothing(hands: Hands) -> Result<()> {
    let (id, unique_id) = paid(&hands, "100.00").await?;
    is_asked(&hands, &unique_id, 0).await?;
    let url = crate::short_callbacks::told_address(&hands, "emerchantpay", &id).await?;
    let silent = |times: u32| json!({"path": "/reconcile/", "about": unique_id, "http": 500, "times": times});
    next(&hands, "emerchantpay", silent(100_000)).await?;
    for unreadable in ["unique_id=<1>", "unique_id=<2>"] {
        let before = asked(&hands, &unique_id).await?;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        hands.client.send("POST", &url, &form, Some(unreadable.into())).await?;
        is_asked(&hands, &unique_id, before).await?;
        if unreadable.contains('1') {
            control(&hands, "emerchantpay", &id, "refund?minor=3000").await?;
            is_asked(&hands, &unique_id, before + 1).await?;
        }
    }
    next(&hands, "emerchantpay", silent(0)).await?;
    until(&hands, &id, |shown| shown["refundedAmount"] == "30.00").await?;
    for _ in 0..2 {
        inquire(&hands, &id).await?;
    }
    let shown = hands.managed(&id).await?;
    ensure!(anomalies(&shown).is_empty(), "{:?}", anomalies(&shown));
    Ok(())
}

/// Its signature covers the id alone, so that anybody who saw one can tell of a refund.
async fn never_shown(hands: Hands) -> Result<()> {
    let (id, unique_id) = paid(&hands, "100.00").await?;
    let url = crate::short_callbacks::told_address(&hands, "emerchantpay", &id).await?;
    let signature = crate::short_callbacks::sha256_hex(format!("{unique_id}emp-demo-secret-0001").as_bytes());
    let body = format!("transaction_id={id}&unique_id={unique_id}&status=refunded&amount=2500&signature={signature}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let told = hands.client.send("POST", &url, &form, Some(body.into_bytes())).await?;
    ensure!(told.status == 200, "{}", told.status);
    let shown = until(&hands, &id, |shown| shown["attention"] == "anomaly").await?;
    let told = anomalies(&shown);
    ensure!(told.len() == 1 && told[0].contains("2500") && told[0].contains(LOOK_IT_UP), "{told:?}");
    ensure!(shown["transaction_status"] == "Approved" && shown["refundedAmount"].is_null(), "{shown}");
    Ok(())
}

async fn one_time(
    hands: Hands,
    amount: &'static str,
    parts: &'static [i64],
    refunded: &'static str,
    status: &'static str,
    open: bool,
) -> Result<()> {
    told_with(hands, amount, parts, std::future::ready(()), (refunded, status, open)).await
}

/// How it ends: what has gone back, the status, whether a person is to look something up.
async fn told_with(
    hands: Hands,
    amount: &'static str,
    parts: &'static [i64],
    wait: impl Future<Output = ()>,
    (refunded, status, open): (&'static str, &'static str, bool),
) -> Result<()> {
    let (id, unique_id) = paid(&hands, amount).await?;
    is_asked(&hands, &unique_id, 0).await?;
    wait.await;
    // Scenario 08 tells three times.
    let times = if amount.ends_with("08") { 3 } else { 1 };
    let whole: i64 = amount.replace('.', "").parse()?;
    for minor in parts {
        let before = asked(&hands, &unique_id).await?;
        let outcome = if *minor == whole { "refund".to_owned() } else { format!("refund?minor={minor}") };
        control(&hands, "emerchantpay", &id, &outcome).await?;
        is_asked(&hands, &unique_id, before).await?;
    }
    let attention = if open { json!("anomaly") } else { Value::Null };
    let stands = |shown: &Value| {
        shown["refundedAmount"] == refunded && shown["transaction_status"] == status && shown["attention"] == attention
    };
    until(&hands, &id, stands).await?;
    // Whatever came again has been worked off by the time that an inquiry by hand is answered, and by two of them for certain.
    for _ in 0..times {
        inquire(&hands, &id).await?;
    }
    let shown = until(&hands, &id, stands).await?;
    let told = anomalies(&shown);
    ensure!(told.iter().all(|text| text.contains(LOOK_IT_UP)) && told.is_empty() != open, "{told:?}");
    Ok(())
}

/// The same told again is the same part, and nothing is odd.
async fn moving_times(hands: Hands) -> Result<()> {
    // The record's time has seconds: another one begins before the refund.
    let wait = tokio::time::sleep(Duration::from_millis(1_100));
    told_with(hands, "100.08", &[3_000], wait, ("30.00", "Approved", false)).await
}

// --- Trust ------------------------------------------------------------------------------------

/// Records of one answer are distinct, whatever they have in common.
async fn nameless(hands: Hands, minors: &'static [i64], status: &'static str) -> Result<()> {
    let answer = hands.client.cashier(&bodies::trust("EUR", "100.00")).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    posted(&hands, answer.text("/data/paymentUrl")).await?;
    control(&hands, "trust", &id, "pay").await?;
    until(&hands, &id, |shown| shown["transaction_status"] == "Approved").await?;
    for minor in minors {
        control(&hands, "trust", &id, &format!("refund?minor={minor}")).await?;
    }
    let sum: i64 = minors.iter().sum();
    let shown = until(&hands, &id, |shown| shown["refundedAmount"] == format!("{}.{:02}", sum / 100, sum % 100)).await?;
    ensure!(shown["transaction_status"] == status && shown["attention"].is_null(), "{shown}");
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    let (mut told, mut wanted) = (refunds(&shown), minors.to_vec());
    told.sort_unstable();
    wanted.sort_unstable();
    ensure!(told == wanted && shown["attention"].is_null(), "{told:?} {shown}");
    Ok(())
}

// --- Worldpay ---------------------------------------------------------------------------------

/// A row: the word that the record has gone on to, its balances, what has gone back, how it stands.
type GoneOn = (&'static str, &'static str, &'static [(&'static str, i64, &'static str)], Option<&'static str>, &'static str);

fn gone_on() -> [GoneOn; 6] {
    const CAPTURED: &str = "IN_PROCESS_CAPTURED";
    const NET: &str = "SETTLED_BIBIT_NET";
    const COMMISSION: &str = "SETTLED_BIBIT_COMMISSION";
    [
        (
            "SETTLED again, a part is gone",
            "SETTLED",
            &[(NET, 11_850, "EUR"), (COMMISSION, 150, "EUR")],
            Some("30.00"),
            "Approved",
        ),
        ("CAPTURED again, a part is gone", "CAPTURED", &[(CAPTURED, 12_000, "EUR")], Some("30.00"), "Approved"),
        (
            "SETTLED_BY_MERCHANT again, nothing is left",
            "SETTLED_BY_MERCHANT",
            &[(CAPTURED, 0, "EUR")],
            Some("150.00"),
            "Reversed",
        ),
        ("SETTLED, and has not heard of it", "SETTLED", &[(NET, 14_850, "EUR"), (COMMISSION, 150, "EUR")], None, "Approved"),
        ("SETTLED in another currency", "SETTLED", &[(NET, 10_200, "GBP")], None, "Approved"),
        ("SETTLED, no balance", "SETTLED", &[], None, "Approved"),
    ]
}

/// A refund of 30.00 of 150.00 is notified; by then the record has another word.
async fn plain_again(
    hands: Hands,
    word: &'static str,
    balances: &'static [(&'static str, i64, &'static str)],
    refunded: Option<&'static str>,
    status: &'static str,
) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay("150.00")).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    control(&hands, "worldpay", &id, "status/AUTHORISED").await?;
    until(&hands, &id, |shown| shown["transaction_status"] == "Approved").await?;
    let amount = |minor: i64, currency: &str| {
        format!("<amount value=\"{minor}\" currencyCode=\"{currency}\" exponent=\"2\" debitCreditIndicator=\"credit\"/>")
    };
    let whole = amount(15_000, "EUR");
    let payment = |event: &str, more: &str| {
        format!("<payment><paymentMethod>VISA-SSL</paymentMethod>{whole}<lastEvent>{event}</lastEvent>{more}</payment>")
    };
    let balance = |(account, minor, currency): &(&str, i64, &str)| {
        format!("<balance accountType=\"{account}\">{}</balance>", amount(*minor, currency))
    };
    let balances: String = balances.iter().map(balance).collect();
    let record = format!(
        "<paymentService version=\"1.4\"><reply><orderStatus orderCode=\"{id}\">{}</orderStatus></reply></paymentService>",
        payment(word, &balances)
    );
    // It stays: to take one away is to take all of a provider's away, other rows' too.
    let reply = json!({
        "http": 200, "path": "/jsp/merchant/xml/paymentService.jsp", "about": id, "headers": {"content-type": "text/xml"}, "body": record,
        "times": 100_000,
    });
    next(&hands, "worldpay", reply).await?;
    let journal = format!(
        "<journal journalType=\"REFUNDED\" sent=\"n\"><accountTx accountType=\"IN_PROCESS_CAPTURED\" batchId=\"23\">{}</accountTx></journal>",
        amount(3_000, "EUR")
    );
    let notification = format!(
        "<paymentService version=\"1.4\" merchantCode=\"DEMOCOMPANY\"><notify><orderStatusEvent orderCode=\"{id}\">{}{journal}\
         </orderStatusEvent></notify></paymentService>",
        payment("REFUNDED", "")
    );
    let url = account_address(&hands, "WORLDPAY_EU").await?;
    let told = hands.client.send("POST", &url, &[("content-type", "text/xml")], Some(notification.into_bytes())).await?;
    ensure!(told.status == 200 && told.bytes == b"[OK]", "{}", told.status);
    until(&hands, &id, |shown| shown["refundedAmount"].as_str() == refunded && shown["transaction_status"] == status).await?;
    // Worked off where it is counted: nobody is asked for three days, and nothing is odd.
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["refundedAmount"].as_str() == refunded && shown["transaction_status"] == status, "{shown}");
    ensure!(shown["attention"].is_null() && refunds(&shown).len() == usize::from(refunded.is_some()), "{shown}");
    Ok(())
}
