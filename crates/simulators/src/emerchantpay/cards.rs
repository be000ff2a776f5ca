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

/// Whether the text is a card number: 12 to 19 digits with their check digit.
pub(super) fn is_card_number(text: &str) -> bool {
    if !(12..=19).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
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

/// The brand in the gateway's spelling.
pub(super) fn brand(number: &str) -> &'static str {
    match number.as_bytes() {
        [b'4', ..] => "visa",
        [b'5', b'1'..=b'5', ..] | [b'2', b'2'..=b'7', ..] => "mastercard",
        [b'3', b'4' | b'7', ..] => "amex",
        [b'5' | b'6', ..] => "maestro",
        _ => "unknown",
    }
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
        assert_eq!((brand("4200000000000000"), brand("5555555555554444")), ("visa", "mastercard"));
    }
}
