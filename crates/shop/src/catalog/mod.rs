//! What the cashier page offers, as data. A provider is one file of fields here and one line in [`PROVIDERS`];
//! the form, the request, the page of the order and its steps follow from it.

mod brite;
mod cleo;
mod flexepin;
mod forumpay;
mod gigadat;
mod neosurf;
mod payone;

/// Every provider of the cashier page, in the order of its choices. The first is the one shown at first.
pub(crate) static PROVIDERS: &[&Provider] = &[
    &forumpay::PROVIDER,
    &gigadat::PROVIDER,
    &cleo::PROVIDER,
    &payone::PROVIDER,
    &neosurf::PROVIDER,
    &flexepin::PROVIDER,
    &brite::PROVIDER,
];

/// The people who may be signed in at the shop.
pub(crate) static CUSTOMERS: &[Customer] = &[
    Customer {
        user_id: "demo-clara",
        email: "clara.lindner@example.com",
        first_name: "Clara",
        last_name: "Lindner",
        phone: "+49 30 5550 0142",
        country: "DE",
        place: "Germany",
    },
    Customer {
        user_id: "demo-noah",
        email: "noah.tremblay@example.com",
        first_name: "Noah",
        last_name: "Tremblay",
        phone: "14165550142",
        country: "CA",
        place: "Canada",
    },
];

/// A demo customer: the claims of the user token, and what forms are prefilled with.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) user_id: &'static str,
    pub(crate) email: &'static str,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) phone: &'static str,
    /// ISO 3166-1 alpha-2.
    pub(crate) country: &'static str,
    /// The country's name, for people.
    pub(crate) place: &'static str,
}

/// The way of the money, seen from the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    PayIn,
    PayOut,
}

impl Direction {
    /// The Cashier API's `type`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Direction::PayIn => "PAYIN",
            Direction::PayOut => "PAYOUT",
        }
    }

    pub(crate) fn from_code(code: &str) -> Option<Self> {
        [Direction::PayIn, Direction::PayOut].into_iter().find(|direction| direction.code() == code)
    }

    /// As people say it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Direction::PayIn => "Pay-in",
            Direction::PayOut => "Pay-out",
        }
    }
}

/// How the outcome of a provider's transactions reaches a merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutcomeBy {
    /// By webhook.
    Webhook,
    /// By the Cashier call's answer, and by asking while it is unknown; there is no webhook.
    Answer,
}

/// A provider as the cashier page offers it.
#[derive(Debug)]
pub(crate) struct Provider {
    /// The Cashier API's `pspType`.
    pub(crate) psp_type: &'static str,
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) tagline: &'static str,
    /// A symbol of the page's own set (`templates/symbols.html`), without `i-`.
    pub(crate) symbol: &'static str,
    pub(crate) directions: &'static [Direction],
    /// Currency codes; the first is chosen at first.
    pub(crate) currencies: &'static [&'static str],
    /// Whether the request repeats the currency as `currencyCode`.
    pub(crate) currency_code: bool,
    /// The amount at first, in major units, as text.
    pub(crate) amount: &'static str,
    /// `userId` of the customer at first.
    pub(crate) customer: &'static str,
    pub(crate) outcome: OutcomeBy,
    /// Whether the payer is sent to a page for a pay-in.
    pub(crate) hosted_page: bool,
    /// The button of a pay-in and of a pay-out.
    pub(crate) buttons: (&'static str, &'static str),
    /// Everything beyond the common fields, in the order of the request.
    pub(crate) fields: &'static [Field],
    pub(crate) note: Option<Note>,
    pub(crate) triggers: &'static [Trigger],
}

impl Provider {
    /// The provider of a `pspType`.
    pub(crate) fn of(psp_type: &str) -> Option<&'static Provider> {
        PROVIDERS.iter().copied().find(|provider| provider.psp_type == psp_type)
    }

    /// The fields of one direction.
    pub(crate) fn fields_for(&self, direction: Direction) -> impl Iterator<Item = &'static Field> {
        COMMON.iter().chain(self.fields).filter(move |field| field.only.is_none() || field.only == Some(direction))
    }
}

/// `email` is asked by every provider.
static COMMON: &[Field] = &[Field {
    name: "email",
    label: "E-mail",
    kind: Kind::Email,
    prefill: Prefill::Claim(Claim::Email),
    claim: Some(Claim::Email),
    group: Group::Payer,
    wide: true,
    autocomplete: "email",
    ..Field::TEXT
}];

/// A form field that becomes a field of the request.
#[derive(Debug)]
pub(crate) struct Field {
    /// The request's name; a dot is an object inside (`address.city`).
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// One line below the input; may be empty.
    pub(crate) hint: &'static str,
    pub(crate) kind: Kind,
    pub(crate) prefill: Prefill,
    /// The claim that carries the same fact: the platform lets claims win over the body, so what is typed here
    /// goes into the user token as well.
    pub(crate) claim: Option<Claim>,
    pub(crate) keep: Keep,
    pub(crate) group: Group,
    /// Takes a whole row of the form.
    pub(crate) wide: bool,
    /// Left out of the request when empty.
    pub(crate) optional: bool,
    /// Of one direction alone.
    pub(crate) only: Option<Direction>,
    /// The browser's `autocomplete` word.
    pub(crate) autocomplete: &'static str,
}

impl Field {
    /// A plain required text, to be altered where a field differs.
    const TEXT: Field = Field {
        name: "",
        label: "",
        hint: "",
        kind: Kind::Text,
        prefill: Prefill::Fixed(""),
        claim: None,
        keep: Keep::Whole,
        group: Group::Payment,
        wide: false,
        optional: false,
        only: None,
        autocomplete: "off",
    };
}

/// What an input is, on the page and in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Email,
    Phone,
    /// A number literal in the request.
    Number,
    /// `true` or `false` in the request: a box to tick.
    Flag,
    Choice(&'static [(&'static str, &'static str)]),
    /// A Flexepin test PIN, which follows the amount and the currency as long as nobody typed another.
    Voucher,
}

/// What an input holds at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefill {
    Fixed(&'static str),
    Claim(Claim),
    /// A test PIN that nobody has used, of the form's amount and currency.
    FreshVoucher,
}

/// The profile claims of a user token that a form may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Email,
    FirstName,
    LastName,
    Phone,
    CountryCode,
}

impl Claim {
    /// The customer's value.
    pub(crate) fn of(self, customer: &Customer) -> &'static str {
        match self {
            Claim::Email => customer.email,
            Claim::FirstName => customer.first_name,
            Claim::LastName => customer.last_name,
            Claim::Phone => customer.phone,
            Claim::CountryCode => customer.country,
        }
    }
}

/// What the shop keeps of a value with the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Whole,
    /// The last four characters: the value is worth money.
    LastFour,
    /// Nothing, and the page does not show it again either: card data.
    #[expect(dead_code, reason = "the providers of this catalog take no card; the form and the store know it")]
    Nothing,
}

/// The part of the form that a field stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Payment,
    Payer,
}

/// What a person must know to fill in a provider's form.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    /// Pairs of a term and its meaning.
    pub(crate) rows: &'static [(&'static str, &'static str)],
    pub(crate) example: &'static str,
}

/// An amount that makes the simulator misbehave: the last two digits of the minor units.
#[derive(Debug)]
pub(crate) struct Trigger {
    pub(crate) digits: &'static str,
    /// What a pay-in does; empty: nothing special.
    pub(crate) pay_in: &'static str,
    /// What a pay-out does; empty: nothing special.
    pub(crate) pay_out: &'static str,
}

impl Trigger {
    pub(crate) fn meaning(&self, direction: Direction) -> &'static str {
        match direction {
            Direction::PayIn => self.pay_in,
            Direction::PayOut => self.pay_out,
        }
    }
}

/// The prefix of a Flexepin test PIN by currency (Flexepin sheet, Simulator).
pub(crate) static VOUCHER_PREFIXES: &[(&str, &str)] =
    &[("EUR", "10"), ("CAD", "20"), ("AUD", "30"), ("USD", "40"), ("GBP", "50")];

/// Digits of the face value in a test PIN.
const FACE_DIGITS: usize = 8;

/// A test PIN of `amount` in `currency` with `serial` (six digits); `None` for a currency without a prefix or an
/// amount that has no such PIN.
pub(crate) fn voucher_pin(currency: &str, amount: &str, serial: &str) -> Option<String> {
    let (_, prefix) = VOUCHER_PREFIXES.iter().find(|(code, _)| *code == currency)?;
    let (major, cents) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if major.is_empty() || cents.len() > 2 || !digits(major) || !digits(cents) {
        return None;
    }
    let face = format!("{major}{cents:0<2}");
    let face = face.trim_start_matches('0');
    (!face.is_empty() && face.len() <= FACE_DIGITS).then(|| format!("{prefix}{serial}{face:0>8}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_pin_is_currency_serial_and_face_value() {
        let pin = |currency, amount| voucher_pin(currency, amount, "000001");
        assert_eq!(pin("EUR", "25.00").as_deref(), Some("1000000100002500"));
        assert_eq!(pin("EUR", "25").as_deref(), Some("1000000100002500"));
        assert_eq!(pin("CAD", "25.5").as_deref(), Some("2000000100002550"));
        assert_eq!(pin("GBP", "0.01").as_deref(), Some("5000000100000001"));
        assert_eq!(pin("EUR", "999999.99").as_deref(), Some("1000000199999999"));
        for (currency, amount) in
            [("JPY", "25"), ("EUR", "1000000"), ("EUR", "0"), ("EUR", "1.234"), ("EUR", "-1"), ("EUR", ""), ("EUR", "1e2")]
        {
            assert_eq!(pin(currency, amount), None, "{currency} {amount}");
        }
    }

    #[test]
    fn every_provider_is_complete() {
        for provider in PROVIDERS {
            assert!(CUSTOMERS.iter().any(|c| c.user_id == provider.customer));
            assert!(!provider.currencies.is_empty() && !provider.directions.is_empty());
            for direction in provider.directions.iter().copied() {
                let mut names: Vec<&str> = provider.fields_for(direction).map(|f| f.name).collect();
                let all = names.len();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), all, "{} names a field twice", provider.psp_type);
                assert!(provider.triggers.iter().any(|t| !t.meaning(direction).is_empty()));
            }
            for field in provider.fields {
                assert!(!field.name.is_empty() && !field.label.is_empty());
            }
        }
    }
}
