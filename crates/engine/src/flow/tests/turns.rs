//! Refunds and chargebacks: each counted once, whatever is told again, and never more than was paid.

use super::*;
use crate::flow::conclude::Commit;
use domain::{GivenBack, TransactionStatus as S};
use providers::{Finding, Standing, TurnKind as K};

/// One finding after another; the turns on the timeline as `kind minorUnits`.
async fn settle(findings: Vec<Finding>) -> (Transaction, Vec<String>) {
    let world = World::new(false).await;
    // 100.00
    world.pay(&world.a, Operation::PayIn, None).await;
    let id = world.transaction().await.id;
    for finding in findings {
        let mut work = world.a.load(world.company, id).await.unwrap().unwrap();
        let mut commit = Commit::open(&world.a, &mut work);
        commit.settle(&finding, &Json::Object(Vec::new()));
        commit.store().await.unwrap();
    }
    let timeline = transactions::timeline(world.db.as_ref(), world.company, id).await.unwrap();
    let turn = |event: &str| K::ALL.iter().any(|kind| kind.as_str() == event);
    let shown = timeline.iter().filter(|entry| turn(&entry.event));
    let shown = shown.map(|entry| match entry.detail.get("minorUnits").and_then(Json::as_number) {
        Some(minor) => format!("{} {minor}", entry.event),
        None => entry.event.clone(),
    });
    (world.transaction().await, shown.collect())
}

fn approved() -> Finding {
    Finding::new(Standing::Approved, "paid")
}

fn refund(key: &str, minor: i64) -> Finding {
    approved().turn(K::Refunded, key, Some(minor))
}

fn by_record(total: i64) -> Finding {
    Finding { given_back: Some(total), ..approved() }
}

fn back(refunded_minor: i64, disputed: bool) -> GivenBack {
    GivenBack { refunded_minor, disputed }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_went_back_is_counted_once() {
    type Case = (&'static str, Vec<Finding>, S, GivenBack, &'static [&'static str], bool);
    let cases: Vec<Case> = vec![
        (
            "a part, told twice",
            vec![refund("1", 3_000), refund("1", 3_000)],
            S::Approved,
            back(3_000, false),
            &["refunded 3000"],
            false,
        ),
        (
            "two equal parts",
            vec![refund("1", 5_000), refund("2", 5_000)],
            S::Reversed,
            back(10_000, false),
            &["refunded 5000", "refunded 5000"],
            false,
        ),
        (
            "two parts at once, while it is pending",
            vec![refund("1", 3_000).turn(K::Refunded, "2", Some(7_000))],
            S::Reversed,
            back(10_000, false),
            &["refunded 3000", "refunded 7000"],
            false,
        ),
        (
            "more than there is",
            vec![refund("1", 6_000), refund("2", 6_000)],
            S::Approved,
            back(6_000, false),
            &["refunded 6000"],
            true,
        ),
        ("less than nothing", vec![refund("1", 0), refund("2", -1)], S::Approved, back(0, false), &[], true),
        (
            "the record alone",
            vec![by_record(1_000), by_record(1_000), by_record(2_500)],
            S::Approved,
            back(2_500, false),
            &["refunded 1000", "refunded 1500"],
            false,
        ),
        (
            "parts that are not in the record",
            vec![Finding { given_back: Some(1_000), ..refund("forged", 9_000) }],
            S::Approved,
            back(1_000, false),
            &["refunded 1000"],
            false,
        ),
        (
            "parts that are in it",
            vec![Finding { given_back: Some(10_000), ..refund("1", 5_000).turn(K::Refunded, "2", Some(5_000)) }],
            S::Reversed,
            back(10_000, false),
            &["refunded 5000", "refunded 5000"],
            false,
        ),
        (
            "a record that takes it back",
            vec![by_record(5_000), by_record(4_000)],
            S::Approved,
            back(5_000, false),
            &["refunded 5000"],
            true,
        ),
        (
            "a part of unknown size",
            vec![approved().turn(K::Refunded, "1", None)],
            S::Approved,
            back(0, false),
            &["refunded"],
            false,
        ),
        (
            "reversed without a better word",
            vec![refund("1", 3_000), Finding::new(Standing::Reversed, "gone")],
            S::Reversed,
            back(10_000, false),
            &["refunded 3000", "refunded 7000"],
            false,
        ),
        (
            "a chargeback after a part",
            vec![refund("1", 3_000), Finding::new(Standing::Reversed, "cb").turn(K::ChargedBack, "1", None)],
            S::Reversed,
            back(3_000, true),
            &["refunded 3000", "charged_back 7000"],
            false,
        ),
        (
            "a chargeback that was won",
            vec![
                Finding::new(Standing::Reversed, "cb").turn(K::ChargedBack, "1", None),
                approved().turn(K::ChargebackWon, "1", None),
            ],
            S::Reversed,
            back(0, false),
            &["charged_back 10000", "chargeback_won 10000"],
            false,
        ),
        (
            "nothing of what is not paid",
            vec![Finding { standing: Standing::Unchanged, ..refund("1", 3_000) }],
            S::Pending,
            back(0, false),
            &[],
            false,
        ),
        (
            "a late success with its part",
            vec![Finding::new(Standing::Declined, "no"), refund("1", 3_000)],
            S::Approved,
            back(3_000, false),
            &["refunded 3000"],
            false,
        ),
    ];
    for (name, findings, status, sums, shown, anomaly) in cases {
        let (stands, events) = settle(findings).await;
        assert_eq!((stands.status, stands.given_back), (status, sums), "{name}: {events:?}");
        assert_eq!(events, shown, "{name}");
        assert_eq!(stands.attention.is_some(), anomaly, "{name}");
    }
}

/// A refund in part moves `updatedAt` and tells nobody; what is left out while there is nothing comes with it.
#[tokio::test]
async fn a_part_is_shown_and_not_announced() {
    let (before, _) = settle(vec![approved()]).await;
    let (after, _) = settle(vec![approved(), refund("1", 3_000)]).await;
    assert_eq!((before.events_sent, after.events_sent), (1, 1));
    let shown = |t: &Transaction| domain::TransactionData(t).to_json().str_at("refundedAmount").map(str::to_owned);
    assert_eq!((shown(&before), shown(&after)), (None, Some("30.00".to_owned())));
}
