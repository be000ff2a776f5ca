//! Every word of a record, whoever brings it and whenever it comes.

use super::replies::{at, go_on};
use super::*;
use crate::api::{Finding, Standing};
use crate::testing::found;

/// The answer to a direct order, and to its second submit, is judged by the table of the records.
#[test]
fn an_answer_means_what_the_record_means() {
    for row in &crate::worldpay::record::STATUSES {
        let record = found(ask(&mut at(TransactionStatus::Pending), &about(&payment(row.word))));
        for (way, step) in [
            ("direct", pay(&mut direct(), &about(&payment(row.word)))),
            ("second submit", go_on(&answer(200, about(&payment(row.word))))),
        ] {
            match step {
                Step::Silence(refusal) => {
                    assert_eq!(row.standing, Standing::Unchanged, "{way} {}", row.word);
                    assert_eq!(refusal.anomaly.as_slice(), record.anomalies.as_slice(), "{way} {}", row.word);
                }
                Step::Found(finding) => {
                    let what = |finding: &Finding| (finding.turns.clone(), finding.anomalies.clone(), finding.notes.clone());
                    assert_eq!(what(&finding), what(&record), "{way} {}", row.word);
                    let open = [Standing::Pending, Standing::Unchanged];
                    let both_open = open.contains(&finding.standing) && open.contains(&record.standing);
                    assert!(both_open || finding.standing == record.standing, "{way} {}: {:?}", row.word, finding.standing);
                }
                other => panic!("{way} {}: {other:?}", row.word),
            }
        }
    }
}

/// A plain success after all has gone back is seen, unless nothing is left by the record, or a chargeback was won.
#[test]
fn a_success_after_a_reversal() {
    let nothing_left = payment("SETTLED").replace(
        "</payment>",
        r#"<balance accountType="A"><amount value="0" currencyCode="EUR" exponent="2" debitCreditIndicator="credit"/></balance></payment>"#,
    );
    for (before, body, anomalies) in [
        ("", payment("CAPTURED"), 1),
        ("VOIDED", payment("AUTHORISED"), 1),
        ("CANCELLED", payment("CAPTURED"), 1),
        ("EXPIRED", payment("SETTLED_BY_MERCHANT"), 1),
        ("REFUNDED", payment("SETTLED"), 1),
        ("REFUNDED", nothing_left, 0),
        ("CHARGED_BACK", payment("SETTLED"), 1),
        ("CHARGEBACK_REVERSED", payment("SETTLED"), 0),
        ("CHARGED_BACK", payment("DISPUTED_FUNDS_RELEASED"), 0),
        ("REFUNDED", payment("SENT_FOR_REFUND"), 0),
    ] {
        let mut world = at(TransactionStatus::Reversed);
        if !before.is_empty() {
            let finding = found(ask(&mut world, &about(&payment(before))));
            world.memo = finding.memo.unwrap_or(world.memo);
        }
        let finding = found(ask(&mut world, &about(&body)));
        assert_eq!(finding.anomalies.len(), anomalies, "{before} {body}");
    }
}
