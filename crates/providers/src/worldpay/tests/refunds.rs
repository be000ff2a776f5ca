//! Refunds: what is left by the record, else the parts that notifications told of.

use super::replies::at;
use super::*;
use crate::api::{Finding, Standing};
use crate::testing::found;
use domain::TransactionStatus;

/// The record of a refund with these balances, after these notifications, each with an inquiry of its own.
fn refunded(balances: &str, told: &[(&str, Option<i64>)]) -> Finding {
    let mut world = at(TransactionStatus::Approved);
    let body = about(&payment("REFUNDED").replace("</payment>", &format!("{balances}</payment>")));
    for (name, minor) in told {
        let minor = minor.map_or("null".to_owned(), |minor| format!("\"{minor}\""));
        world.hint = Some(json(&format!(r#"{{"notice {name}":{{"event":"REFUNDED","minor":{minor}}}}}"#)));
        found(ask(&mut world, &body));
    }
    world.hint = None;
    found(ask(&mut world, &body))
}

fn balance(minor: i64, currency: &str, side: &str) -> String {
    format!(
        r#"<balance accountType="A"><amount value="{minor}" currencyCode="{currency}" exponent="2" debitCreditIndicator="{side}"/></balance>"#
    )
}

#[test]
fn what_is_left_decides_and_else_the_parts() {
    use Standing::{Approved, Reversed};
    let left = |minor| balance(minor, "EUR", "credit");
    let elsewhere = balance(5_000, "GBP", "credit");
    for (balances, told, standing, given_back, anomalies, again) in [
        (left(14_000), &[][..], Approved, Some(1_000), 0, false),
        (left(0), &[], Reversed, Some(15_000), 0, false),
        (left(5_000) + &balance(5_000, "EUR", "debit"), &[], Reversed, Some(15_000), 0, false),
        (balance(1, "EUR", "debit"), &[], Reversed, Some(15_000), 1, false),
        (left(15_001), &[], Approved, None, 1, false),
        (left(14_000) + &elsewhere, &[], Approved, None, 1, false),
        (left(14_000).replace("credit", "both"), &[], Approved, None, 1, false),
        (left(14_000).replace("exponent=\"2\"", "exponent=\"3\""), &[], Approved, None, 1, false),
        // The record has not heard of the second one yet.
        (left(7_500), &[("a", Some(7_500)), ("b", Some(7_500))], Approved, Some(7_500), 0, true),
        (left(7_500), &[("a", Some(7_500)), ("a", Some(7_500))], Approved, Some(7_500), 0, false),
        (String::new(), &[], Reversed, None, 0, false),
        (String::new(), &[("a", None)], Reversed, None, 0, false),
        (String::new(), &[("a", Some(7_500))], Approved, None, 0, false),
        (String::new(), &[("a", Some(7_500)), ("b", Some(7_500))], Reversed, None, 0, false),
        (String::new(), &[("a", Some(7_500)), ("a", Some(7_500))], Approved, None, 1, true),
        (String::new(), &[("a", Some(7_500)), ("b", None)], Approved, None, 1, false),
        (elsewhere.clone(), &[("a", Some(15_000))], Reversed, None, 0, false),
        (elsewhere, &[("a", None)], Approved, None, 1, false),
    ] {
        let finding = refunded(&balances, told);
        assert_eq!((finding.standing, finding.given_back), (standing, given_back), "{balances} {told:?}");
        assert_eq!((finding.anomalies.len(), finding.ask_again), (anomalies, again), "{balances} {told:?}");
    }
}

/// The inbox may fold what came again into one, and say how often it came.
#[test]
fn copies_count_as_told_twice() {
    for (copies, anomalies) in [("1", 0), ("2", 1)] {
        let mut world = at(TransactionStatus::Approved);
        world.hint = Some(json(&format!(r#"{{"notice a":{{"event":"REFUNDED","minor":"7500"}},"copies":{copies}}}"#)));
        assert_eq!(found(ask(&mut world, &about(&payment("REFUNDED")))).anomalies.len(), anomalies);
    }
}

#[test]
fn less_than_the_whole_is_a_part_and_more_is_not_ours() {
    let finding = found(ask(&mut at(TransactionStatus::Approved), &about(&payment("REFUNDED").replace("15000", "5000"))));
    assert_eq!((finding.standing, finding.notes.len()), (Standing::Approved, 1));
    let more = found(ask(&mut at(TransactionStatus::Approved), &about(&payment("REFUNDED").replace("15000", "15001"))));
    assert_eq!((more.standing, more.anomalies.len()), (Standing::Unchanged, 1));
}

/// A record is some minutes old: what it does not show after an hour, somebody has to look up, and is told so once.
#[test]
fn a_notified_part_that_no_record_shows_is_looked_up() {
    let notice = r#"{"notice a":{"event":"REFUNDED","minor":"3000"}}"#;
    let elsewhere = balance(10_200, "GBP", "credit");
    for (balances, after_ms, anomalies) in [
        (String::new(), 0, 0),
        (String::new(), 3_599_999, 0),
        (String::new(), 3_600_000, 1),
        (elsewhere, 3_600_000, 1),
        (balance(15_000, "EUR", "credit"), 3_600_000, 1),
        (balance(12_000, "EUR", "credit"), 3_600_000, 0),
    ] {
        let mut world = at(TransactionStatus::Approved);
        world.hint = Some(json(notice));
        let body = about(&payment("SETTLED").replace("</payment>", &format!("{balances}</payment>")));
        let first = found(ask(&mut world, &body));
        assert_eq!(first.anomalies, [""; 0], "{balances}");
        world.memo = first.memo.unwrap_or(world.memo);
        world.now = world.now.plus_ms(after_ms);
        for expected in [anomalies, 0] {
            let finding = found(ask(&mut world, &body));
            assert_eq!(finding.anomalies.len(), expected, "{balances} {after_ms} {:?}", finding.anomalies);
            assert!(finding.anomalies.iter().all(|text| text.contains("30.00")), "{:?}", finding.anomalies);
            world.memo = finding.memo.unwrap_or(world.memo);
        }
    }
}
