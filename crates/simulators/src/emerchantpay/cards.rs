//! Cards: the published test cards, and the course that a payment takes.

use serde::{Deserialize, Serialize};

/// How the payer is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// Without the payer.
    Frictionless,
    /// The issuer does not take part.
    NotParticipating,
    /// On the challenge page.
    Challenge,
    /// On the page of 3-D Secure 1.
    Redirect,
}

impl Way {
    /// Whether the payer has to be sent to a page.
    pub(super) fn has_page(self) -> bool {
        matches!(self, Self::Challenge | Self::Redirect)
    }
}

/// How a payment ends once its way is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// The money moves.
    Approved,
    /// The issuer declines.
    Declined,
    /// Declined, and approved 2 s later.
    DeclinedThenApproved,
    /// The authentication failed: declined.
    NotAuthenticated,
    /// The authentication could not be made: error.
    Broken,
    /// The payer gave up.
    Cancelled,
    /// The challenge ran out.
    TimedOut,
}

/// The course of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Course {
    /// The gateway wants its device check ("3DS method") first.
    pub(super) method: bool,
    pub(super) way: Way,
    pub(super) ending: Ending,
}

impl Course {
    const fn of(method: bool, way: Way, ending: Ending) -> Self {
        Self { method, way, ending }
    }

    /// The course of a card with the scenario of the amount: transport triggers first, then a published card whose
    /// outcome is not approval, then the other digits, after the card's own 3DS way (sheet, "Simulator").
    pub(super) fn new(number: &str, scenario: u8) -> Self {
        if matches!(scenario, 11 | 12) {
            return Self::of(false, Way::Frictionless, Ending::Approved);
        }
        let own = published(number);
        if own.ending != Ending::Approved {
            return own;
        }
        let challenged = if own.way.has_page() { own.way } else { Way::Challenge };
        match scenario {
            1 => Self { ending: Ending::Declined, ..own },
            2 => Self { way: challenged, ending: Ending::Cancelled, ..own },
            3 => Self { way: challenged, ending: Ending::TimedOut, ..own },
            9 => Self { ending: Ending::DeclinedThenApproved, ..own },
            _ => own,
        }
    }
}

/// The published test cards [provider]; any other is frictionless.
fn published(number: &str) -> Course {
    match number {
        "4111111111111111" | "5105105105105100" => Course::of(false, Way::Frictionless, Ending::Declined),
        "4066330000000004" => Course::of(true, Way::Frictionless, Ending::Approved),
        "4918190000000002" => Course::of(false, Way::Challenge, Ending::Approved),
        "4938730000000001" => Course::of(true, Way::Challenge, Ending::Approved),
        "4901170000000003" | "4711100000000000" => Course::of(false, Way::Redirect, Ending::Approved),
        "4901164281364345" => Course::of(true, Way::Redirect, Ending::Approved),
        "4012001037461114" => Course::of(false, Way::Frictionless, Ending::NotAuthenticated),
        "4012001036853337" => Course::of(false, Way::NotParticipating, Ending::Approved),
        "4012001037484447" | "4012001036273338" => Course::of(false, Way::Frictionless, Ending::Broken),
        _ => Course::of(false, Way::Frictionless, Ending::Approved),
    }
}

/// Whether the text is a card number: 13 to 19 digits with their check digit.
pub(super) fn is_card_number(text: &str) -> bool {
    if !(13..=19).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = text
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            let doubled = digit * 2;
            match place % 2 {
                0 => digit,
                _ if doubled > 9 => doubled - 9,
                _ => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `420000...0000`, of a text that is a card number.
pub(super) fn masked_number(number: &str) -> String {
    format!("{}...{}", &number[..6], &number[number.len() - 4..])
}

/// The first six digits of a brand's numbers, from and to.
type Range = (u32, u32);

/// Brands in the gateway's spelling, national schemes first: their numbers lie within those of the others.
const BRANDS: &[(&str, &[Range])] = &[
    (
        "elo",
        &[
            (401_178, 401_179),
            (431_274, 431_274),
            (438_935, 438_935),
            (451_416, 451_416),
            (457_393, 457_393),
            (457_631, 457_632),
            (504_175, 504_175),
            (506_699, 506_778),
            (509_000, 509_999),
            (627_780, 627_780),
            (636_297, 636_297),
            (636_368, 636_368),
            (650_031, 650_051),
            (650_405, 650_439),
            (650_485, 650_598),
            (650_700, 650_727),
            (650_901, 650_978),
            (651_652, 651_679),
            (655_000, 655_058),
        ],
    ),
    (
        "hipercard",
        &[(384_100, 384_100), (384_140, 384_140), (384_160, 384_160), (606_282, 606_282), (637_095, 637_095), (637_568, 637_612)],
    ),
    ("verve", &[(506_099, 506_198), (507_865, 507_964), (650_002, 650_027)]),
    ("rupay", &[(508_500, 508_999), (606_985, 607_984), (608_001, 608_500), (652_150, 653_149), (820_000, 829_999)]),
    ("dankort", &[(501_900, 501_999)]),
    ("mir", &[(220_000, 220_499)]),
    ("unionpay", &[(620_000, 629_999), (810_000, 819_999)]),
    ("visa", &[(400_000, 499_999)]),
    ("mastercard", &[(222_100, 272_099), (510_000, 559_999)]),
    ("amex", &[(340_000, 349_999), (370_000, 379_999)]),
    ("diners", &[(300_000, 305_999), (309_500, 309_599), (360_000, 369_999), (380_000, 399_999)]),
    ("jcb", &[(352_800, 358_999)]),
    ("discover", &[(601_100, 601_199), (644_000, 659_999)]),
    ("maestro", &[(500_000, 509_999), (560_000, 699_999)]),
];

/// The brand in the gateway's spelling.
pub(super) fn brand(number: &str) -> &'static str {
    let lead = number.get(..6).and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
    let of_brand = |ranges: &[Range]| ranges.iter().any(|(from, to)| (*from..=*to).contains(&lead));
    BRANDS.iter().find(|(_, ranges)| of_brand(ranges)).map_or("unknown", |(brand, _)| brand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_choose_the_end_of_a_cards_own_way() {
        for (number, scenario, course) in [
            ("4200000000000000", 0, Course::of(false, Way::Frictionless, Ending::Approved)),
            ("4200000000000000", 2, Course::of(false, Way::Challenge, Ending::Cancelled)),
            ("4938730000000001", 1, Course::of(true, Way::Challenge, Ending::Declined)),
            ("4066330000000004", 9, Course::of(true, Way::Frictionless, Ending::DeclinedThenApproved)),
            ("4066330000000004", 3, Course::of(true, Way::Challenge, Ending::TimedOut)),
            ("4901164281364345", 2, Course::of(true, Way::Redirect, Ending::Cancelled)),
            ("4111111111111111", 9, Course::of(false, Way::Frictionless, Ending::Declined)),
            ("4111111111111111", 2, Course::of(false, Way::Frictionless, Ending::Declined)),
            ("4012001037484447", 1, Course::of(false, Way::Frictionless, Ending::Broken)),
            ("4111111111111111", 11, Course::of(false, Way::Frictionless, Ending::Approved)),
            ("4918190000000002", 12, Course::of(false, Way::Frictionless, Ending::Approved)),
        ] {
            assert_eq!(Course::new(number, scenario), course, "{number} {scenario}");
        }
    }

    #[test]
    fn numbers_are_checked_and_masked() {
        for good in ["4200000000000000", "5555555555554444", "378282246310005", "4901164281364345"] {
            assert!(is_card_number(good), "{good}");
        }
        for bad in ["4200000000000001", "42000000000", "42000000000000000000", "4200 0000 0000 0000", ""] {
            assert!(!is_card_number(bad), "{bad}");
        }
        assert_eq!(masked_number("4200000000000000"), "420000...0000");
        for (number, name) in [
            ("4200000000000000", "visa"),
            ("5555555555554444", "mastercard"),
            ("2221000000000009", "mastercard"),
            ("378282246310005", "amex"),
            ("6250941006528599", "unionpay"),
            ("5019717010103742", "dankort"),
            ("6362970000457013", "elo"),
            ("6062825624254001", "hipercard"),
            ("5060990580000217499", "verve"),
            ("2200000000000004", "mir"),
            ("6073849700004947", "rupay"),
            ("6011000400000000", "discover"),
            ("6759649826438453", "maestro"),
            ("9000000000000", "unknown"),
        ] {
            assert_eq!(brand(number), name, "{number}");
        }
    }
}
