//! The gateway's answer as a document, and what its codes mean. Sheet: "Answers", "Status and error mapping".

use super::DESCRIPTOR;
use crate::api::{Answer, Context, Standing, TurnKind};
use crate::card::mask_numbers;
use crate::kit;
use crate::signals::tells_used_before;
use crate::xml::{self, Element, Once};

/// The roots of an answer; documents show both.
pub(super) const ROOTS: [&str; 2] = ["payment_response", "payment_transaction"];
/// Whatever is read of an answer is said once.
const ONCE: Once<'_> = Once::InEach(&[
    "status",
    "transaction_id",
    "unique_id",
    "transaction_type",
    "amount",
    "currency",
    "code",
    "message",
    "technical_message",
    "partial_approval",
    "timestamp",
    "redirect_url",
    "threeds_method_url",
    "threeds_method_continue_url",
]);
/// Hexadecimal digits of a `unique_id`.
const UNIQUE_ID_DIGITS: usize = 32;

/// Whether the text may be a `unique_id`.
pub(super) fn is_unique_id(text: &str) -> bool {
    text.len() == UNIQUE_ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Words that can only follow an approval, with what became of the money. A `represented` payment is one whose chargeback was
/// answered; with `representment_reversed` the answer is taken back, so that the chargeback stands again.
const TURNS: [(&str, TurnKind); 8] = [
    ("refunded", TurnKind::Refunded),
    ("chargebacked", TurnKind::ChargedBack),
    ("second_chargebacked", TurnKind::ChargedBack),
    ("pre_arbitrated", TurnKind::ChargedBack),
    ("representment_reversed", TurnKind::ChargedBack),
    ("chargeback_reversed", TurnKind::ChargebackWon),
    ("chargeback_reversal", TurnKind::ChargebackWon),
    ("represented", TurnKind::ChargebackWon),
];

/// What a word in lower case says of the money of a payment that had been approved.
pub(super) fn turn_of(word: &str) -> Option<TurnKind> {
    TURNS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
}

/// What a code says of a first answer that is not a usable success (rows 3 to 8 of the error table).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Rows 3, 4 and 7: the error table of the descriptor.
    Table,
    /// Row 5.
    Declined,
    /// Row 6.
    Failed,
    /// Row 8, or no code.
    Doubt,
}

/// An answer.
pub(super) struct Record(Element);

impl Record {
    /// Reads an answer, whatever its HTTP status; `None` also for one that contradicts itself.
    pub(super) fn read(answer: &Answer) -> Option<Self> {
        xml::parse_once(&answer.body, &ONCE).filter(|root| ROOTS.contains(&&*root.name)).map(Self)
    }

    /// Whether an answer is a document of the gateway's, even one that contradicts itself.
    pub(super) fn is_there(answer: &Answer) -> bool {
        xml::parse(&answer.body).is_some_and(|root| ROOTS.contains(&&*root.name))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.text_in(name)
    }

    /// A text of the gateway for people: card numbers masked, cut to what is kept.
    pub(super) fn said(&self, name: &str) -> Option<String> {
        self.text(name).map(|text| kit::provider_text(&mask_numbers(text)))
    }

    /// `status` in lower case; empty when there is none.
    pub(super) fn word(&self) -> String {
        self.said("status").unwrap_or_default().to_ascii_lowercase()
    }

    /// Where the status table puts it.
    pub(super) fn standing(&self) -> Option<Standing> {
        let word = self.word();
        DESCRIPTOR.statuses.iter().find(|row| row.word == word).map(|row| row.standing)
    }

    /// `code`; one that is no number is 0, which no table has.
    pub(super) fn code(&self) -> Option<u16> {
        let number = |text| kit::whole_number(text).and_then(|code| u16::try_from(code).ok());
        self.text("code").map(|text| number(text).unwrap_or_default())
    }

    pub(super) fn unique_id(&self) -> Option<&str> {
        self.text("unique_id").filter(|id| is_unique_id(id))
    }

    /// Whether it speaks of a payment, not of the call.
    pub(super) fn names_a_payment(&self) -> bool {
        self.text("unique_id").is_some() || self.text("transaction_id").is_some()
    }

    /// Minor units.
    pub(super) fn amount(&self) -> Option<i64> {
        kit::whole_number(self.text("amount")?)
    }

    /// Whether less was approved than was asked for.
    pub(super) fn is_partial_approval(&self) -> bool {
        self.text("partial_approval").is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// What its word says of the money of a payment that had been approved; no word without a better one says `refunded`.
    pub(super) fn turn(&self) -> Option<TurnKind> {
        turn_of(&self.word())
    }

    /// A turn of less than the whole amount, minor units.
    pub(super) fn part(&self, cx: &Context<'_>) -> Option<i64> {
        self.turn().and_then(|_| self.amount()).filter(|part| (1..cx.order.amount.minor()).contains(part))
    }

    /// What in it is not our transaction's; the amount comes last.
    pub(super) fn foreign(&self, cx: &Context<'_>) -> Option<&'static str> {
        let ours = cx.order.reference.to_string();
        let same = |name, ours: &str| self.text(name).is_none_or(|theirs| theirs == ours);
        let id_fits = self.text("unique_id").is_none_or(|theirs| match cx.psp_transaction_id {
            Some(known) => theirs == known,
            None => is_unique_id(theirs),
        });
        let checks = [
            ("transaction", same("transaction_id", &ours)),
            ("unique_id", id_fits),
            ("currency", same("currency", cx.order.amount.currency().code())),
            ("amount", self.text("amount").is_none() || self.amount() == Some(cx.order.amount.minor())),
        ];
        checks.into_iter().find(|(_, fits)| !fits).map(|(what, _)| what)
    }

    /// The row of a first answer, by its code and its status.
    pub(super) fn row(&self) -> Row {
        let no = matches!(&*self.word(), "declined" | "unsuccessful");
        match self.code() {
            Some(101 | 110 | 220) => Row::Table,
            Some(500..=529 | 531..=550 | 600..=629 | 631..=697) => Row::Declined,
            None if no => Row::Declined,
            // A doublet (450) is another payment with the same card, whatever its text is.
            Some(300..=340 | 400..=449 | 451..=490) if self.says_used_before() => Row::Doubt,
            Some(300..=340 | 400..=490 | 700..=740 | 120 | 350 | 360) if no => Row::Declined,
            Some(300..=340 | 400..=490 | 700..=740) => Row::Failed,
            Some(120 | 350 | 360) => Row::Table,
            _ => Row::Doubt,
        }
    }

    /// Whether a later `error` leaves the payment open: its code speaks of the way to the network, not of the payment.
    pub(super) fn leaves_open(&self) -> bool {
        matches!(self.code(), Some(200..=250 | 530 | 630 | 950 | 960))
    }

    /// Whether the gateway has our reference, so that this very call may have been taken.
    fn says_used_before(&self) -> bool {
        ["technical_message", "message"].iter().filter_map(|name| self.text(name)).any(tells_used_before)
    }
}
