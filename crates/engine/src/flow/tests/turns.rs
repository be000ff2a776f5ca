//! Refunds and chargebacks: each counted once, whatever is told again, and never more than was paid.

use super::*;
use crate::flow::conclude::Commit;
use crate::flow::turns::{self, Counted};
use domain::{GivenBack, TransactionStatus as S};
use proptest::prelude::*;
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

fn charged(key: &str, minor: Option<i64>) -> Finding {
    Finding::new(Standing::Reversed, "cb").turn(K::ChargedBack, key, minor)
}

fn won(key: &str, minor: Option<i64>) -> Finding {
    approved().turn(K::ChargebackWon, key, minor)
}

/// The whole of it has gone back: what was left, the record does not say.
fn gone() -> Finding {
    Finding::new(Standing::Reversed, "refunded")
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
            "the whole refunded after a chargeback that was won",
            vec![charged("1", None), won("1", None), gone(), gone()],
            S::Reversed,
            back(10_000, false),
            &["charged_back 10000", "chargeback_won 10000", "refunded 10000"],
            false,
        ),
        (
            "refunded in parts after a chargeback that was won",
            vec![charged("1", None), won("1", None), refund("1", 4_000), refund("2", 6_000)],
            S::Reversed,
            back(10_000, false),
            &["charged_back 10000", "chargeback_won 10000", "refunded 4000", "refunded 6000"],
            false,
        ),
        (
            "the whole refunded, by the record, after a part and a chargeback that was won",
            vec![by_record(1_000), charged("1", None), won("1", None), by_record(10_000)],
            S::Reversed,
            back(10_000, false),
            &["refunded 1000", "charged_back 9000", "chargeback_won 9000", "refunded 9000"],
            false,
        ),
        (
            "the whole refunded while a chargeback holds it",
            vec![charged("1", None), gone()],
            S::Reversed,
            back(0, true),
            &["charged_back 10000"],
            true,
        ),
        (
            "the rest refunded while a chargeback holds a part",
            vec![charged("1", Some(4_000)), gone(), gone()],
            S::Reversed,
            back(6_000, true),
            &["charged_back 4000", "refunded 6000"],
            false,
        ),
        (
            "one of two chargebacks won",
            vec![charged("1", Some(3_000)), charged("2", Some(4_000)), won("w", Some(4_000))],
            S::Reversed,
            back(0, true),
            &["charged_back 3000", "charged_back 4000", "chargeback_won 4000"],
            false,
        ),
        (
            "both won",
            vec![charged("1", Some(3_000)), charged("2", Some(4_000)), won("2", None), won("w", None), refund("r", 10_000)],
            S::Reversed,
            back(10_000, false),
            &["charged_back 3000", "charged_back 4000", "chargeback_won 4000", "chargeback_won 3000", "refunded 10000"],
            false,
        ),
        (
            "one lost, the other won, then the first after all",
            vec![
                charged("1", Some(3_000)),
                charged("2", Some(4_000)),
                approved().turn(K::ChargebackLost, "1", None),
                won("2", None),
                won("1", None),
                refund("r", 10_000),
            ],
            S::Reversed,
            back(10_000, false),
            &[
                "charged_back 3000",
                "charged_back 4000",
                "chargeback_lost 3000",
                "chargeback_won 4000",
                "chargeback_won 3000",
                "refunded 10000",
            ],
            false,
        ),
        (
            "the second round of a chargeback, won",
            vec![charged("1", None), charged("2", None), won("w", None)],
            S::Reversed,
            back(0, false),
            &["charged_back 10000", "charged_back 0", "chargeback_won 10000"],
            false,
        ),
        (
            "a chargeback of what had been refunded, won",
            vec![gone(), charged("1", None), won("w", None), gone()],
            S::Reversed,
            back(10_000, false),
            &["refunded 10000", "charged_back 0", "chargeback_won"],
            false,
        ),
        (
            "a chargeback of a part, told as one of an approved payment",
            vec![approved().turn(K::ChargedBack, "1", Some(4_000)), refund("r", 6_000)],
            S::Reversed,
            back(6_000, true),
            &["charged_back 4000", "refunded 6000"],
            false,
        ),
        (
            "a chargeback and its end in one record",
            vec![approved().turn(K::ChargedBack, "1", None).turn(K::ChargebackWon, "1", None)],
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

// --- any history ------------------------------------------------------------------------------

/// What is counted of a payment, as the engine goes on from one finding to the next.
#[derive(Clone)]
struct Books {
    transaction: Transaction,
    counted: Vec<Counted>,
}

impl Books {
    fn take(&mut self, finding: &Finding) {
        let plan = turns::plan(&self.transaction, &self.counted, finding);
        for turn in plan.turns {
            self.counted.push(turn);
            turns::count(&self.counted, &mut self.transaction.given_back);
        }
        if plan.standing == Standing::Reversed {
            self.transaction.status = S::Reversed;
        }
    }

    /// The sum of a kind, minor units.
    fn sum(&self, kind: K) -> i64 {
        let json = turns::to_json(&self.counted);
        let of_kind = json.as_array().unwrap_or_default().iter().filter(|turn| turn.str_at("kind") == Some(kind.as_str()));
        of_kind.filter_map(|turn| turn.get("minor")?.as_number()?.parse::<i64>().ok()).sum()
    }
}

/// What happens at the provider.
#[derive(Clone, Copy, Debug)]
enum Act {
    Refund(i64),
    ChargeBack(i64),
    Win,
    Lose,
}

/// A history that can be: nothing moves more than is left, and what is decided is open. Answers the chargebacks that stay open,
/// and what they and the lost ones hold.
fn possible(acts: &[Act]) -> (Vec<providers::Turn>, usize, i64) {
    let (mut turns, mut left, mut open, mut lost) = (Vec::new(), 10_000, std::collections::VecDeque::new(), 0);
    for (n, act) in acts.iter().enumerate() {
        let mut turn = |kind, key: String, minor| turns.push(providers::Turn { kind, key, minor });
        match act {
            Act::Refund(minor) if *minor <= left => {
                left -= minor;
                turn(K::Refunded, format!("r{n}"), Some(*minor));
            }
            Act::ChargeBack(minor) if *minor <= left => {
                left -= minor;
                open.push_back((format!("c{n}"), *minor));
                turn(K::ChargedBack, format!("c{n}"), Some(*minor));
            }
            Act::Win => {
                if let Some((key, minor)) = open.pop_back() {
                    left += minor;
                    turn(K::ChargebackWon, key, None);
                }
            }
            Act::Lose => {
                if let Some((key, minor)) = open.pop_front() {
                    lost += minor;
                    turn(K::ChargebackLost, key, None);
                }
            }
            Act::Refund(_) | Act::ChargeBack(_) => {}
        }
    }
    (turns, open.len(), lost + open.iter().map(|(_, minor)| minor).sum::<i64>())
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let minor = prop_oneof![Just(10_000), 1..=6_000_i64];
    let act = prop_oneof![
        minor.clone().prop_map(Act::Refund),
        minor.prop_map(Act::ChargeBack),
        Just(Act::Win),
        Just(Act::Win),
        Just(Act::Lose)
    ];
    proptest::collection::vec(act, 0..12)
}

/// However a history is told (each turn alone, or all that is known every time), the same is counted: what went back and is held
/// is never more than was paid, a dispute stands as long as one chargeback is open, and once the provider says that all has
/// gone back, all is counted that no chargeback holds.
#[test]
fn any_history_is_counted_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (transaction, _) = runtime.block_on(settle(vec![approved()]));
    let paid = Books { transaction, counted: Vec::new() };
    proptest!(|(acts in acts())| {
        let (told, open, held) = possible(&acts);
        let (mut alone, mut together) = (paid.clone(), paid.clone());
        for (n, turn) in told.iter().enumerate() {
            alone.take(&Finding { turns: vec![turn.clone()], ..approved() });
            together.take(&Finding { turns: told[..=n].to_vec(), ..approved() });
            let sums = (alone.sum(K::Refunded), alone.sum(K::ChargedBack) - alone.sum(K::ChargebackWon));
            prop_assert!(sums.0 >= 0 && sums.1 >= 0 && sums.0 + sums.1 <= 10_000, "{sums:?}");
            prop_assert_eq!(alone.transaction.given_back.refunded_minor, sums.0);
        }
        let mut at_once = paid.clone();
        at_once.take(&Finding { turns: told.clone(), ..approved() });
        for books in [&alone, &together, &at_once] {
            prop_assert_eq!(&books.counted, &alone.counted);
            prop_assert_eq!(books.transaction.status, alone.transaction.status);
            prop_assert_eq!(books.counted.len(), told.len());
            prop_assert_eq!(books.transaction.given_back.disputed, open > 0);
            prop_assert_eq!(&turns::from_json(Some(&turns::to_json(&books.counted))), &books.counted);
        }
        let went_back = told.iter().any(|turn| turn.kind == K::ChargedBack) || alone.sum(K::Refunded) == 10_000;
        prop_assert_eq!(alone.transaction.status == S::Reversed, went_back);
        alone.take(&gone());
        prop_assert_eq!(alone.transaction.given_back.refunded_minor, 10_000 - held);
        let counted = alone.counted.clone();
        alone.take(&gone());
        prop_assert_eq!(&alone.counted, &counted);
    });
}
