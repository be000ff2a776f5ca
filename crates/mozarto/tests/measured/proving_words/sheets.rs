//! The words of the ten sheets that can only follow a success.
//!
//! To add a provider: a [`Sheet`] with its published words. A word is what `status/{word}` of its simulator's control takes.

use testkit::client::bodies;

/// A card whose payer is sent to a page, so that the payment stays open.
const CHALLENGE: &str = "4918190000000002";

/// What a word proves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The money came.
    Paid,
    /// It came, and the word stands on the timeline.
    Noted,
    /// It came, and something about it went wrong: somebody should see the word.
    Seen,
    /// It came, and a dispute of it was won; somebody should see that.
    Won,
    /// It came, and was taken back; the kind of the timeline's entry.
    TakenBack(&'static str),
}

const REFUNDED: Proof = Proof::TakenBack("refunded");
const CHARGED_BACK: Proof = Proof::TakenBack("charged_back");

/// How a pay-in comes to a status before the word is met: the cents of its amount, and the simulator's control.
pub(super) struct Way {
    pub(super) status: &'static str,
    pub(super) cents: &'static str,
    pub(super) control: Option<&'static str>,
}

const fn way(status: &'static str, cents: &'static str, control: Option<&'static str>) -> Way {
    Way { status, cents, control }
}

const PENDING: Way = way("Pending", "00", None);
const APPROVED: Way = way("Approved", "00", Some("approve"));
const DECLINED: Way = way("Declined", "00", Some("decline"));
const CANCELLED: Way = way("Cancelled", "00", Some("cancel"));
const EXPIRED: Way = way("Expired", "00", Some("expire"));
/// Its time has passed: the simulator's control tells nobody.
pub(super) const RUN_OUT: Way = way("Expired", "00", None);

/// A word: what the simulator's control takes, what it proves, and what the merchant is shown as `status`.
pub(super) type Word = (&'static str, Proof, &'static str);

const fn word(word: &'static str, proof: Proof) -> Word {
    (word, proof, word)
}

/// A provider's words that only follow a success, and the statuses that its pay-ins can be in.
pub(super) struct Sheet {
    pub(super) name: &'static str,
    pub(super) pay_in: fn(&str) -> String,
    /// The payer's browser brings the provider a form first; until then the provider knows nothing of it.
    pub(super) form: bool,
    pub(super) ways: &'static [Way],
    /// The plain success comes first.
    pub(super) words: &'static [Word],
    /// The provider's record may say that a part went back.
    pub(super) parts: bool,
    /// A pay-out that the provider has and that ends as the simulator's control says, where it has pay-outs that nobody must
    /// approve.
    pub(super) pay_out: Option<fn(&str) -> String>,
}

/// What most of them are.
const PLAIN: Sheet =
    Sheet { name: "", pay_in: bodies::worldpay, form: false, ways: &[], words: &[], parts: false, pay_out: None };

/// All but Flexepin, whose one word is met in a way of its own.
pub(super) const SHEETS: &[Sheet] = &[
    Sheet {
        name: "forumpay",
        pay_in: bodies::forumpay_in,
        // A link whose address got lost is Failed, and may be paid all the same.
        ways: &[PENDING, APPROVED, CANCELLED, EXPIRED, way("Failed", "12", None)],
        words: &[word("confirmed", Proof::Paid)],
        ..PLAIN
    },
    Sheet {
        name: "gigadat",
        pay_in: bodies::gigadat_in,
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED, way("Failed", "11", None)],
        words: &[word("STATUS_SUCCESS", Proof::Paid)],
        ..PLAIN
    },
    Sheet {
        name: "brite",
        pay_in: brite,
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED],
        words: &[word("CREDIT", Proof::Paid), word("SETTLED", Proof::Paid), word("DEBIT", REFUNDED)],
        ..PLAIN
    },
    Sheet {
        name: "payone",
        pay_in: |amount| bodies::payone("PAYIN", amount),
        ways: &[PENDING, APPROVED, DECLINED],
        words: &[("Approved", Proof::Paid, "success")],
        pay_out: Some(|amount| bodies::payone("PAYOUT", amount)),
        ..PLAIN
    },
    Sheet {
        name: "cleo",
        pay_in: cleo_in,
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED],
        words: &[word("COMPLETED", Proof::Paid)],
        pay_out: Some(cleo_out),
        ..PLAIN
    },
    Sheet {
        name: "neosurf",
        pay_in: |amount| bodies::neosurf("EUR", amount),
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED, way("Failed", "12", None)],
        words: &[word("ok", Proof::Paid)],
        ..PLAIN
    },
    Sheet {
        name: "worldpay",
        pay_in: bodies::worldpay,
        // An order whose page got lost is Failed, and may be paid all the same.
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED, way("Failed", "11", None)],
        words: WORLDPAY,
        parts: true,
        ..PLAIN
    },
    TRUST,
    Sheet {
        name: "emerchantpay",
        pay_in: |amount| bodies::emerchantpay(amount, CHALLENGE),
        // What Failed there, no payment was made of.
        ways: &[PENDING, APPROVED, DECLINED, CANCELLED, EXPIRED],
        words: &[
            word("approved", Proof::Paid),
            word("refunded", REFUNDED),
            word("chargebacked", CHARGED_BACK),
            word("second_chargebacked", CHARGED_BACK),
            word("pre_arbitrated", CHARGED_BACK),
            word("representment_reversed", CHARGED_BACK),
            word("chargeback_reversed", Proof::Won),
            word("chargeback_reversal", Proof::Won),
            word("represented", Proof::Won),
        ],
        parts: true,
        ..PLAIN
    },
];

const WORLDPAY: &[Word] = &[
    word("AUTHORISED", Proof::Paid),
    word("CAPTURED", Proof::Paid),
    word("SETTLED", Proof::Paid),
    word("SETTLED_BY_MERCHANT", Proof::Paid),
    word("REFUNDED", REFUNDED),
    word("REFUNDED_BY_MERCHANT", REFUNDED),
    word("CHARGED_BACK", CHARGED_BACK),
    word("SENT_FOR_REFUND", Proof::Noted),
    word("SENT_FOR_FAST_REFUND", Proof::Noted),
    word("REFUND_REQUESTED", Proof::Noted),
    word("REFUND_RECEIVED", Proof::Noted),
    word("REFUND_FAILED", Proof::Seen),
    word("REFUND_EXPIRED", Proof::Seen),
    word("REFUND_REVERSED", Proof::Seen),
    word("REFUND_WEBFORM_ISSUED", Proof::Noted),
    word("INFORMATION_REQUESTED", Proof::Noted),
    word("INFORMATION_SUPPLIED", Proof::Noted),
    word("DISPUTED_FUNDS_HELD", Proof::Noted),
    word("DISPUTED_FUNDS_RELEASED", Proof::Noted),
    word("DISPUTE_EXPIRED", Proof::Noted),
    word("DISPUTE_RESERVE_RELEASED", Proof::Noted),
    word("CHARGEBACK_REVERSED", Proof::Won),
];

/// Its pay-ins run out by time alone, and the create calls nobody, so that none of them is Failed.
pub(super) const TRUST: Sheet = Sheet {
    name: "trust",
    pay_in: |amount| bodies::trust("EUR", amount),
    form: true,
    ways: &[PENDING, APPROVED, DECLINED, CANCELLED],
    words: &[
        ("0%2F0", Proof::Paid, "0/0"),
        ("0%2F1", Proof::Paid, "0/1"),
        ("0%2F10", Proof::Paid, "0/10"),
        ("0%2F100", Proof::Paid, "0/100"),
    ],
    parts: true,
    ..PLAIN
};

fn brite(amount: &str) -> String {
    format!(
        r#"{{"pspType":"BRITE","type":"PAYIN","baseamount":{amount},"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}}"#
    )
}

fn cleo_in(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYIN","baseamount":{amount},"currency":"PEN","currencyCode":"PEN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"PE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{{"line1":"Av. Uno 1","city":"Lima","state":"LIM","postalCode":"15001","country":"PE"}}}}"#
    )
}

fn cleo_out(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYOUT","baseamount":{amount},"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX","beneficiary":{{"documentType":"RFC","documentNumber":"DOJO900115AB1","accountNumber":"032180000118359719"}}}}"#
    )
}
