//! Cards: the fields of a form that takes one, and the public test cards that it may hold. No other card is ever shown,
//! kept or logged by the shop.

use super::{Customer, Field, Group, Keep, Prefill};

/// A card that the provider publishes for tests; it opens nothing.
#[derive(Debug)]
pub(crate) struct TestCard {
    /// Digits alone.
    pub(crate) number: &'static str,
    pub(crate) code: &'static str,
    /// The name that steers the simulator; empty: the customer's own.
    pub(crate) name: &'static str,
    /// What comes of it, in a few words.
    pub(crate) does: &'static str,
}

impl TestCard {
    /// A card of the customer's name and a code of three digits.
    pub(super) const fn of(number: &'static str, does: &'static str) -> TestCard {
        TestCard { number, code: "123", name: "", does }
    }

    /// The number in groups of four, for people.
    pub(crate) fn grouped(&self) -> String {
        let digits: Vec<char> = self.number.chars().collect();
        digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }

    /// One part of it, on a form of `customer`.
    pub(crate) fn part(&self, part: CardPart, customer: &Customer) -> &'static str {
        match part {
            CardPart::Number => self.number,
            CardPart::Month => "12",
            CardPart::Year => "2030",
            CardPart::Code => self.code,
            CardPart::Name if self.name.is_empty() => customer.full_name,
            CardPart::Name => self.name,
        }
    }
}

/// The parts of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CardPart {
    Name,
    Number,
    Month,
    Year,
    Code,
}

impl CardPart {
    /// For the page's script.
    pub(crate) fn word(self) -> &'static str {
        match self {
            CardPart::Name => "name",
            CardPart::Number => "number",
            CardPart::Month => "month",
            CardPart::Year => "year",
            CardPart::Code => "code",
        }
    }
}

/// Card data: neither kept nor shown again.
const CARD: Field = Field { keep: Keep::Nothing, group: Group::Card, ..Field::TEXT };

pub(super) const NUMBER: Field = Field {
    name: "card.pan",
    label: "Card number",
    prefill: Prefill::Card(CardPart::Number),
    wide: true,
    autocomplete: "cc-number",
    digits: true,
    ..CARD
};
pub(super) const MONTH: Field = Field {
    name: "card.expMonth",
    label: "Expiry month",
    hint: "Two digits",
    prefill: Prefill::Card(CardPart::Month),
    autocomplete: "cc-exp-month",
    digits: true,
    ..CARD
};
pub(super) const YEAR: Field = Field {
    name: "card.expYear",
    label: "Expiry year",
    hint: "Four digits",
    prefill: Prefill::Card(CardPart::Year),
    autocomplete: "cc-exp-year",
    digits: true,
    ..CARD
};
pub(super) const CODE: Field = Field {
    name: "card.cvv",
    label: "Security code",
    hint: "Three digits; American Express four",
    prefill: Prefill::Card(CardPart::Code),
    autocomplete: "cc-csc",
    digits: true,
    ..CARD
};
pub(super) const NAME: Field = Field {
    name: "card.cardHolderName",
    label: "Name on the card",
    prefill: Prefill::Card(CardPart::Name),
    autocomplete: "cc-name",
    ..CARD
};
