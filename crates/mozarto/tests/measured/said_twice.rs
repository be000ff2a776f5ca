//! An answer in which something that decides stands twice, and otherwise the second time, contradicts itself: nobody knows which
//! of the two is meant. It is no better than one that cannot be read, and is asked about again; it is no outcome.

use crate::dressing::{approved, pay, set, world};
use crate::steps::{LIMIT, id_of, inquire};
use crate::ten::{ALL, DIRECT, Provider};
use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use std::time::Duration;
use testkit::table::Table;
use testkit::world::Hands;

type Value = (&'static str, &'static str);

/// What decides, and what is said of it the second time. Elements of XML are whole. In the last table of a provider's stands what
/// only the creating call's answer has.
fn contradictions(name: &str) -> (&'static [Value], &'static [Value]) {
    match name {
        "brite" => {
            (&[("state", "77"), ("amount", "1"), ("merchant_reference", "\"zz\"")], &[("url", "\"https://evil.example/\"")])
        }
        "cleo" => (
            &[("status", "\"REJECTED\""), ("amount", "1"), ("currency", "\"MXN\""), ("externalReference", "\"zz\"")],
            &[("redirectUrl", "\"https://evil.example/\"")],
        ),
        "emerchantpay" => (
            &[
                ("status", "<status>declined</status>"),
                ("amount", "<amount>1</amount>"),
                ("currency", "<currency>USD</currency>"),
                ("transaction_id", "<transaction_id>01a200000000000000000000</transaction_id>"),
                ("unique_id", "<unique_id>00000000000000000000000000000000</unique_id>"),
                // Of what a sale says nothing of, the second one stands behind another.
                ("status", "<code>500</code><code>0</code>"),
            ],
            &[],
        ),
        "flexepin" => (&[("status", "\"ACTIVE\""), ("value", "1"), ("currency", "\"USD\""), ("transaction_id", "\"zz\"")], &[]),
        "forumpay" => (
            &[
                ("state", "\"cancelled\""),
                ("invoice_amount", "\"1.00\""),
                ("invoice_currency", "\"USD\""),
                ("reference_no", "\"zz\""),
            ],
            &[("url", "\"https://evil.example/\"")],
        ),
        "gigadat" => (&[("status", "\"STATUS_REJECTED\"")], &[("token", "\"01a200000000000000000000\"")]),
        "neosurf" => (
            &[
                ("status", "<status>ko</status>"),
                ("amount", "<amount>1</amount>"),
                ("currency", "<currency>usd</currency>"),
                ("merchantTransactionId", "<merchantTransactionId>zz</merchantTransactionId>"),
                ("status", "<more><status>pending</status></more>"),
            ],
            &[],
        ),
        "payone" => (
            &[("status", "\"Declined\""), ("amount", "\"1.00\""), ("currency", "\"USD\""), ("referenceId", "\"zz\"")],
            &[("success", "false"), ("redirect_url", "\"https://evil.example/\"")],
        ),
        "trust" => (
            &[
                ("errorcode", "\"70000\""),
                ("settlestatus", "\"3\""),
                ("baseamount", "\"1\""),
                ("currencyiso3a", "\"USD\""),
                ("orderreference", "\"zz\""),
            ],
            &[],
        ),
        _ => (
            &[
                ("lastEvent", "<lastEvent>REFUSED</lastEvent>"),
                ("payment", "<payment><lastEvent>CAPTURED</lastEvent><lastEvent>REFUSED</lastEvent></payment>"),
            ],
            &[
                ("orderStatus", "<orderStatus orderCode=\"01a200000000000000000000\"/>"),
                ("reference", "<reference id=\"1\">https://evil.example/</reference>"),
            ],
        ),
    }
}

/// Of Worldpay's answers to a card.
const OF_A_CARD: [Value; 4] = [
    ("lastEvent", "<lastEvent>REFUSED</lastEvent>"),
    ("amount", "<amount value=\"1\" currencyCode=\"EUR\" exponent=\"2\" debitCreditIndicator=\"credit\"/>"),
    ("amount", "<amount value=\"10000\" currencyCode=\"USD\" exponent=\"2\" debitCreditIndicator=\"credit\"/>"),
    ("orderStatus", "<orderStatus orderCode=\"01a200000000000000000000\"/>"),
];

/// Said twice in the same words: no contradiction in XML. (Of JSON no reader agrees with another on what that is.)
const SAME: [(Provider, Value); 3] = [
    (DIRECT, ("lastEvent", "<lastEvent> AUTHORISED </lastEvent>")),
    (ALL[2], ("status", "<status>\napproved</status>")),
    (ALL[6], ("currency", "<currency>eur</currency>")),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_contradicts_itself_is_asked_about_again() {
    let world = world().await;
    let mut table = Table::new("said twice, and otherwise");
    for provider in ALL {
        let (recorded, created) = contradictions(provider.name);
        table.row(provider.name, contradicted(world.hands(), provider, recorded, created));
    }
    table.row_alone("worldpay, a card", contradicted(world.hands(), DIRECT, &OF_A_CARD, &[])).await;
    table.end().await;
    let mut table = Table::new("said twice in the same words");
    for (provider, (name, raw)) in SAME {
        table
            .row_alone(format!("{} {name}", provider.name), async {
                let hands = world.hands();
                set(&hands, provider, json!({"dress": {"twice": [[name, raw]]}})).await?;
                approved(&hands, provider).await?;
                set(&hands, provider, json!({"dress": null})).await
            })
            .await;
    }
    table.end().await;
}

async fn contradicted(hands: Hands, provider: Provider, recorded: &[Value], created: &[Value]) -> Result<()> {
    for (values, in_the_record) in [(recorded, true), (created, false)] {
        for (name, raw) in values {
            let twice = json!({"twice": [[name, raw]]});
            is_doubt(&hands, provider, twice, in_the_record).await.with_context(|| format!("{name}, then {raw}"))?;
        }
    }
    approved(&hands, provider).await
}

/// Whoever answers so is not believed, neither in a success nor in a refusal; what is open is settled once it can be read.
async fn is_doubt(hands: &Hands, provider: Provider, dress: Json, in_the_record: bool) -> Result<()> {
    set(hands, provider, json!({"dress": dress, "dropCallbacks": true})).await?;
    let answer = pay(hands, provider).await?;
    let id = id_of(&answer)?;
    let state = answer.text("/transaction/transaction_status").to_owned();
    // After an answer that is none the provider is asked, and its record may be in order.
    let may_be_known = answer.status >= 500 && (state == "Failed" || state == "Approved" && !in_the_record);
    ensure!(state == "Pending" || may_be_known, "{} {}", answer.status, answer.body);
    if answer.status == 200 && in_the_record {
        paid_there(hands, provider, &id).await?;
        inquire(hands, &id).await?;
        let shown = hands.managed(&id).await?;
        ensure!(shown["transaction_status"] == "Pending", "believed: {shown}");
    }
    set(hands, provider, json!({"dress": null, "dropCallbacks": false})).await?;
    if state == "Pending" {
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    }
    Ok(())
}

/// Waits until the provider has the money: from then on its record says so.
async fn paid_there(hands: &Hands, provider: Provider, id: &str) -> Result<()> {
    let until = tokio::time::Instant::now() + LIMIT;
    while hands.entries(provider.name, id).await?.is_empty() {
        ensure!(tokio::time::Instant::now() < until, "nobody paid");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
