//! Orders with two payments: every word beside every other, listed either way round.

use super::replies::at;
use super::*;
use crate::api::{Finding, Standing};
use crate::testing::found;
use crate::worldpay::record::STATUSES;

/// A word with what is left of the payment, where that is said.
type Said = (&'static str, Option<i64>);

const PART_LEFT: Said = ("REFUNDED", Some(12_000));
const NOTHING_LEFT: Said = ("REFUNDED", Some(0));
const UNKNOWN: Said = ("BRAND_NEW", None);
const SUCCESSES: [&str; 4] = ["AUTHORISED", "CAPTURED", "SETTLED", "SETTLED_BY_MERCHANT"];
const GIVEN_BACK: [&str; 3] = ["REFUNDED", "REFUNDED_BY_MERCHANT", "CHARGED_BACK"];
const ODD: [&str; 6] = ["CAPTURE_FAILED", "REFUSED_BY_BANK", "REVOKE_REQUESTED", "REVOKED", "REVOKE_FAILED", "BRAND_NEW"];
const UNDONE: [&str; 4] = ["CANCELLED", "SHOPPER_CANCELLED", "VOIDED", "EXPIRED"];
const OVER: [&str; 4] = ["REFUSED", "ERROR", "FAILURE", "QUERY_REQUIRED"];
const OPEN: [&str; 7] = [
    "SENT_FOR_AUTHORISATION",
    "WAITING_FOR_AUTHORISATION",
    "SHOPPER_REDIRECTED",
    "WAITING_FOR_SHOPPER",
    "OPEN",
    "SIGNED_FORM_RECEIVED",
    "null",
];
const TWO: &str = "two successful payments";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Is {
    Over,
    Undone,
    Open,
    Odd,
    GivenBack,
    Held,
}

fn is(said: Said) -> Is {
    match said {
        PART_LEFT => Is::Held,
        (word, _) if SUCCESSES.contains(&word) => Is::Held,
        (word, _) if GIVEN_BACK.contains(&word) => Is::GivenBack,
        (word, _) if ODD.contains(&word) => Is::Odd,
        (word, _) if OPEN.contains(&word) => Is::Open,
        (word, _) if UNDONE.contains(&word) => Is::Undone,
        (word, _) if OVER.contains(&word) => Is::Over,
        // Every other word can only follow a payment.
        _ => Is::Held,
    }
}

fn element(said: Said) -> String {
    let balance = said.1.map(|minor| {
        format!(
            r#"<balance accountType="IN_PROCESS_CAPTURED"><amount value="{minor}" currencyCode="EUR" exponent="2" debitCreditIndicator="credit"/></balance>"#
        )
    });
    payment(said.0).replace("</payment>", &format!("{}</payment>", balance.unwrap_or_default()))
}

fn pair(status: TransactionStatus, said: [Said; 2]) -> Finding {
    found(ask(&mut at(status), &about(&said.map(element).concat())))
}

/// All that a finding leads to.
fn seen(finding: &Finding) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut anomalies = finding.anomalies.clone();
    anomalies.sort_unstable();
    let counted = (finding.turns.clone(), finding.given_back, finding.word_follows);
    (finding.standing, finding.status.clone(), counted, anomalies, finding.notes.clone(), finding.ask_again, finding.ask_at)
}

fn expected(status: TransactionStatus, [first, last]: [Said; 2]) -> Option<Standing> {
    let approved = status == TransactionStatus::Approved;
    match is(first).max(is(last)) {
        Is::Held => Some(Standing::Approved),
        Is::GivenBack => Some(Standing::Reversed),
        Is::Odd | Is::Open => Some(Standing::Unchanged),
        Is::Undone if approved => Some(Standing::Reversed),
        // Of attempts that came to nothing the last counts, whatever it is.
        Is::Undone | Is::Over => None,
    }
}

#[test]
fn every_pair_of_words_in_both_orders() {
    let words = STATUSES.iter().map(|row| (row.word, None)).chain([PART_LEFT, NOTHING_LEFT, UNKNOWN]).collect::<Vec<Said>>();
    for (n, one) in words.iter().enumerate() {
        for other in &words[n..] {
            for status in [TransactionStatus::Pending, TransactionStatus::Approved] {
                let both = [*one, *other];
                let (this, that) = (pair(status, both), pair(status, [*other, *one]));
                match expected(status, both) {
                    Some(standing) => {
                        assert_eq!(this.standing, standing, "{both:?} {status:?}");
                        assert_eq!(seen(&this), seen(&that), "{both:?} {status:?}");
                    }
                    None => {
                        assert_eq!(seen(&this), seen(&pair(status, [*other, *other])), "{both:?} {status:?}");
                        assert_eq!(seen(&that), seen(&pair(status, [*one, *one])), "{both:?} {status:?}");
                    }
                }
                let two = both.iter().all(|said| is(*said) >= Is::GivenBack);
                assert_eq!(this.anomalies.iter().any(|text| text.contains(TWO)), two, "{both:?} {:?}", this.anomalies);
                let odd = both.iter().any(|said| is(*said) == Is::Odd);
                assert!(!odd || !this.anomalies.is_empty(), "{both:?}");
            }
        }
    }
}

/// What went back of the payment that is kept is what has gone back, whatever became of the other.
#[test]
fn the_payment_of_which_most_is_left_counts() {
    for other in [NOTHING_LEFT, ("REFUNDED", None), ("CHARGED_BACK", None), ("REFUNDED", Some(11_999))] {
        for said in [[other, PART_LEFT], [PART_LEFT, other]] {
            let finding = pair(TransactionStatus::Approved, said);
            assert_eq!((finding.standing, finding.given_back), (Standing::Approved, Some(3_000)), "{said:?}");
        }
    }
}

/// A foreign amount is one wherever it stands.
#[test]
fn no_payment_of_the_order_may_be_of_another_amount() {
    let foreign = payment("REFUSED").replace("15000", "15001");
    for body in [foreign.clone() + &payment("CAPTURED"), payment("CAPTURED") + &foreign] {
        let finding = found(ask(&mut at(TransactionStatus::Pending), &about(&body)));
        assert_eq!((finding.standing, finding.anomalies.len()), (Standing::Unchanged, 1), "{body}");
    }
}

/// A notification names the order alone: what the record says of the other payment is taken from the parts.
#[test]
fn the_other_payments_refund_is_no_part_of_the_one_that_is_kept() {
    let kept = |finding: &Finding| (finding.standing, finding.given_back, finding.ask_again, finding.turns.len());
    for (other, mine, told, expected) in [
        (NOTHING_LEFT, PART_LEFT, &[15_000, 3_000][..], (Standing::Approved, Some(3_000), false, 1)),
        (NOTHING_LEFT, PART_LEFT, &[7_500, 7_500, 3_000], (Standing::Approved, Some(3_000), false, 1)),
        (NOTHING_LEFT, ("REFUNDED", None), &[15_000, 3_000], (Standing::Approved, None, false, 1)),
        (NOTHING_LEFT, ("REFUNDED", None), &[15_000], (Standing::Approved, None, false, 0)),
        (("REFUNDED", None), ("REFUNDED", None), &[7_500, 7_501], (Standing::Approved, None, false, 1)),
        (("REFUNDED", None), ("REFUNDED", None), &[15_000], (Standing::Approved, None, false, 0)),
        (("REFUNDED", None), ("REFUNDED", None), &[15_000, 15_000], (Standing::Reversed, None, false, 1)),
        (NOTHING_LEFT, NOTHING_LEFT, &[15_000, 15_000], (Standing::Reversed, Some(15_000), false, 1)),
    ] {
        for said in [[other, mine], [mine, other]] {
            let mut world = at(TransactionStatus::Approved);
            let body = about(&said.map(element).concat());
            for (n, minor) in told.iter().enumerate() {
                world.hint = Some(json(&format!(r#"{{"notice {n}":{{"event":"REFUNDED","minor":"{minor}"}}}}"#)));
                found(ask(&mut world, &body));
            }
            world.hint = None;
            assert_eq!(kept(&found(ask(&mut world, &body))), expected, "{said:?} {told:?}");
        }
    }
}
