//! Refunds and chargebacks: what is left by the record's balances, else the parts that notifications told of.

use super::Run;
use super::act::Act;
use super::documents::{CAPTURED, COMMISSION, NET, balance, booking, name_of, next_inquiry, payment, refund, status};
use super::found::Standing;
use anyhow::Result;
use serde_json::json;
use testkit::client::bodies;

fn credit(account: &str, minor: i64) -> String {
    balance(account, minor, "EUR", "credit")
}

fn half(id: &str, day: u8, reference: &str) -> String {
    refund(id, &booking(CAPTURED, 7_500, "EUR"), day, reference)
}

pub(super) async fn rows(run: &mut Run) {
    for (name, word, balances) in records() {
        for standing in [Standing::Approved, Standing::Pending, Standing::Declined] {
            // After a refusal it is the same again: some of each kind.
            if standing == Standing::Declined && !["a part", "nothing is left", "in another currency"].contains(&name) {
                continue;
            }
            run.row(&format!("{standing:?}, given back: {name}"), async |act| {
                act.standing(standing).await?;
                act.finds_payments(&payment(word, &balances)).await
            })
            .await;
        }
    }
    for (name, less) in [("less than the whole", "5000"), ("more than the whole", "15001")] {
        run.row(&format!("given back: {name}"), async |act| {
            act.standing(Standing::Approved).await?;
            act.finds_payments(&payment("REFUNDED", "").replace("15000", less)).await
        })
        .await;
    }
    told(run).await;
    gone_on(run).await;
    in_sequence(run).await;
    at_the_simulator(run).await;
}

/// Name, word, balances.
fn records() -> Vec<(&'static str, &'static str, String)> {
    let commission = credit(COMMISSION, 160);
    vec![
        ("a part", "REFUNDED", credit(CAPTURED, 14_000)),
        ("a part, by the merchant", "REFUNDED_BY_MERCHANT", credit(CAPTURED, 14_000)),
        ("one cent is left", "REFUNDED", credit(CAPTURED, 1)),
        ("nothing is left", "REFUNDED", credit(CAPTURED, 0)),
        ("no balance and no part", "REFUNDED", String::new()),
        ("a part after the settlement", "REFUNDED", credit(NET, 13_840) + &commission),
        ("the whole after the settlement", "REFUNDED", balance(NET, 160, "EUR", "debit") + &commission),
        ("commission before net", "REFUNDED", commission + &balance(NET, 160, "EUR", "debit")),
        ("less than nothing", "REFUNDED", balance(NET, 1, "EUR", "debit")),
        ("in another currency", "REFUNDED", balance(NET, 12_000, "GBP", "credit")),
        ("in two currencies", "REFUNDED", credit(CAPTURED, 14_000) + &balance(NET, 12_000, "GBP", "credit")),
        ("more than was paid", "REFUNDED", credit(CAPTURED, 15_001)),
        ("no number", "REFUNDED", credit(CAPTURED, 1).replace("value=\"1\"", "value=\"all\"")),
        ("neither side", "REFUNDED", balance(CAPTURED, 14_000, "EUR", "both")),
        ("another exponent", "REFUNDED", credit(CAPTURED, 14_000).replace("exponent=\"2\"", "exponent=\"3\"")),
    ]
}

/// A notification, and the balances of the record that is found because of it.
type Told = (String, String);
/// Notifications about an order.
type Sequence = (&'static str, fn(&str) -> Vec<Told>);

fn sequences() -> Vec<Sequence> {
    vec![
        ("two equal parts, nothing left", |id| {
            vec![(half(id, 1, ""), credit(CAPTURED, 7_500)), (half(id, 1, ""), credit(CAPTURED, 0))]
        }),
        ("two parts of two days", |id| unsaid([half(id, 1, ""), half(id, 2, "")])),
        ("two parts with references of twelve digits", |id| unsaid([half(id, 1, "100000000001"), half(id, 1, "100000000002")])),
        ("two parts with short references", |id| unsaid([half(id, 1, "r1"), half(id, 1, "r2")])),
        ("a part told three times, half is left", |id| [(); 3].map(|()| (half(id, 1, ""), credit(CAPTURED, 7_500))).into()),
        ("a part told three times, no balance", |id| unsaid([(); 3].map(|()| half(id, 1, "")))),
        ("two parts, the record knows one", |id| {
            vec![(half(id, 1, ""), credit(CAPTURED, 7_500)), (half(id, 2, ""), credit(CAPTURED, 7_500))]
        }),
        ("other bookings before", |id| {
            let bookings = booking(NET, 6_450, "GBP") + &booking(CAPTURED, 7_500, "EUR");
            let nothing = balance(NET, 0, "GBP", "credit");
            vec![(refund(id, &bookings, 1, ""), nothing.clone()), (refund(id, &bookings, 2, ""), nothing)]
        }),
        ("captured before what comes first", |id| {
            let bookings = booking(COMMISSION, 150, "EUR") + &booking(CAPTURED, 7_500, "EUR");
            unsaid([refund(id, &bookings, 1, ""), refund(id, &bookings, 2, "")])
        }),
        ("in another currency alone", |id| {
            vec![(refund(id, &booking(NET, 6_450, "GBP"), 1, ""), balance(NET, 6_450, "GBP", "credit"))]
        }),
        ("a part, and one of no known size", |id| unsaid([half(id, 1, ""), refund(id, "", 2, "")])),
        ("of no known size, no balance", |id| unsaid([refund(id, "", 1, "")])),
        ("nothing booked", |id| unsaid([refund(id, &booking(CAPTURED, 0, "EUR"), 1, "")])),
        ("one part, no balance", |id| unsaid([half(id, 1, "")])),
        ("the whole, no balance", |id| unsaid([refund(id, &booking(CAPTURED, 15_000, "EUR"), 1, "")])),
    ]
}

fn unsaid<const N: usize>(bodies: [String; N]) -> Vec<Told> {
    bodies.map(|body| (body, String::new())).into()
}

/// A hosted order that was paid, for which notifications come.
async fn paid(act: &mut Act<'_, '_>) -> Result<()> {
    act.pay(&bodies::worldpay("150.00")).await?;
    act.control("status/AUTHORISED").await?;
    act.asks().await?;
    act.stands("Approved").await
}

async fn told(run: &mut Run) {
    for (name, sequence) in sequences() {
        run.row(&format!("given back, told: {name}"), async |act| {
            paid(act).await?;
            for (n, (body, balances)) in sequence(act.id()).into_iter().enumerate() {
                act.know(&name_of(&body), &format!("notice {}", n + 1));
                let mut record = status(act.id(), &payment("REFUNDED", &balances));
                record["times"] = json!(2);
                act.next(next_inquiry(act.id(), record)).await?;
                act.notified(body).await?;
                // The order, the first question by hand, and for each notification one because of it, and one behind it by hand.
                act.told(2 * n + 3).await?;
                act.asks().await?;
                act.heard().await?;
            }
            Ok(())
        })
        .await;
    }
}

/// A record that has gone on to a plain word since.
async fn gone_on(run: &mut Run) {
    for (name, word, balances) in [
        ("SETTLED, a part is gone", "SETTLED", credit(NET, 11_850) + &credit(COMMISSION, 150)),
        ("CAPTURED, a part is gone", "CAPTURED", credit(CAPTURED, 12_000)),
        ("SETTLED_BY_MERCHANT, nothing is left", "SETTLED_BY_MERCHANT", credit(CAPTURED, 0)),
        ("SETTLED, and has not heard of it", "SETTLED", credit(NET, 14_850) + &credit(COMMISSION, 150)),
        ("SETTLED, in another currency", "SETTLED", balance(NET, 10_000, "GBP", "credit")),
        ("SETTLED, no balance", "SETTLED", String::new()),
    ] {
        run.row(&format!("given back, gone on: {name}"), async |act| {
            paid(act).await?;
            let body = refund(act.id(), &booking(CAPTURED, 3_000, "EUR"), 1, "");
            act.know(&name_of(&body), "notice");
            let mut record = status(act.id(), &payment(word, &balances));
            record["times"] = json!(2);
            act.next(next_inquiry(act.id(), record)).await?;
            act.notified(body).await?;
            act.told(3).await?;
            act.asks().await
        })
        .await;
    }
}

/// Records one after the other.
async fn in_sequence(run: &mut Run) {
    let part = payment("REFUNDED", &credit(CAPTURED, 14_000));
    let charged = payment("CHARGED_BACK", "");
    let won = payment("CHARGEBACK_REVERSED", "");
    let cases = [
        ("a chargeback, won, and another", vec![part.clone(), charged.clone(), charged.clone(), won.clone(), charged.clone()]),
        ("a chargeback won that nobody saw", vec![won.clone(), won]),
        ("two parts", vec![part.clone(), payment("REFUNDED", &credit(CAPTURED, 0))]),
        ("a part, and it failed", vec![part.clone(), payment("REFUND_FAILED", "")]),
        ("a part, then settled", vec![part.clone(), payment("SETTLED", &credit(CAPTURED, 14_000))]),
        ("a part, and more is left again", vec![part, payment("REFUNDED", &credit(CAPTURED, 15_000))]),
        ("voided, then captured", vec![payment("VOIDED", ""), payment("CAPTURED", "")]),
        ("charged back, then refunded", vec![charged, payment("REFUNDED", "")]),
    ];
    for (name, found) in cases {
        run.row(&format!("one after the other: {name}"), async |act| {
            act.standing(Standing::Approved).await?;
            for payments in &found {
                act.finds_payments(payments).await?;
                act.heard().await?;
            }
            Ok(())
        })
        .await;
    }
}

/// How the simulator's accounts may tell of it.
async fn at_the_simulator(run: &mut Run) {
    for (name, more) in [
        ("no balances", json!({"balances": false})),
        ("settled in GBP", json!({"settlementCurrency": "GBP"})),
        ("references", json!({"refundReferences": true})),
    ] {
        run.simulator(false, more).await;
        for words in [&["refund?minor=3000"][..], &["status/SETTLED", "refund?minor=3000", "refund"]] {
            run.row(&format!("given back, {name}: {}", words.join(", ")), async |act| {
                paid(act).await?;
                for word in words {
                    act.control(word).await?;
                    act.asks().await?;
                    act.heard().await?;
                }
                Ok(())
            })
            .await;
        }
        run.simulator(false, json!({})).await;
    }
}
