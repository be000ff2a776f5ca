//! What the cashier page offers, as data. A provider is one file of fields here and one line in [`PROVIDERS`];
//! the form, the request, the page of the order and its steps follow from it.

mod brite;
mod cards;
mod cleo;
mod common;
mod customers;
mod emerchantpay;
mod flexepin;
mod forumpay;
mod gigadat;
mod neosurf;
mod payone;
mod trust;
mod worldpay;

pub(crate) use cards::{CardPart, TestCard};
pub(crate) use customers::{CUSTOMERS, Claim, Customer};

/// Every provider of the cashier page, in the order of its choices. The first is the one shown at first.
pub(crate) static PROVIDERS: &[&Provider] = &[
    &forumpay::PROVIDER,
    &gigadat::PROVIDER,
    &worldpay::PROVIDER,
    &trust::PROVIDER,
    &cleo::PROVIDER,
    &payone::PROVIDER,
    &neosurf::PROVIDER,
    &flexepin::PROVIDER,
    &brite::PROVIDER,
    &emerchantpay::PROVIDER,
];

/// Currencies without minor units: the last two digits of the whole amount are the trigger there.
pub(crate) static WHOLE_CURRENCIES: &[&str] = &["CLP"];

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

/// Where the payer goes for a pay-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayerPage {
    /// Nowhere: the call does it all.
    None,
    /// To the provider's page.
    Provider,
    /// To a page of the platform, once, that leads on to the provider's.
    PlatformFirst,
    /// To the issuer, if the issuer asks for it.
    Challenge,
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
    pub(crate) payer_page: PayerPage,
    /// The button of a pay-in and of a pay-out.
    pub(crate) buttons: (&'static str, &'static str),
    /// What the ways are a choice of; empty: there are none.
    pub(crate) ways_title: &'static str,
    pub(crate) ways: &'static [Way],
    /// Everything beyond the common fields, in the order of the request.
    pub(crate) fields: &'static [Field],
    /// Public test cards, for the forms that take one.
    pub(crate) cards: &'static [TestCard],
    pub(crate) note: Option<Note>,
    pub(crate) triggers: &'static [Trigger],
}

impl Provider {
    /// What most providers have in common, to be altered where one differs.
    const BASE: Provider = Provider {
        psp_type: "",
        name: "",
        tagline: "",
        symbol: "bank",
        directions: &[Direction::PayIn],
        currencies: &["EUR"],
        currency_code: false,
        amount: "100.00",
        customer: "demo-clara",
        outcome: OutcomeBy::Webhook,
        payer_page: PayerPage::Provider,
        buttons: ("", ""),
        ways_title: "",
        ways: &[],
        fields: &[],
        cards: &[],
        note: None,
        triggers: &[],
    };

    /// The provider of a `pspType`.
    pub(crate) fn of(psp_type: &str) -> Option<&'static Provider> {
        PROVIDERS.iter().copied().find(|provider| provider.psp_type == psp_type)
    }

    /// The ways of one direction; the first is chosen at first.
    pub(crate) fn ways_for(&self, direction: Direction) -> impl Iterator<Item = &'static Way> {
        self.ways.iter().filter(move |way| way.only.is_none_or(|only| only == direction))
    }

    /// The fields of one direction and way.
    pub(crate) fn fields_for(&self, direction: Direction, way: Option<&Way>) -> impl Iterator<Item = &'static Field> {
        let way = way.map_or("", |way| way.code);
        common::ALWAYS
            .iter()
            .chain(self.fields)
            .filter(move |field| field.only.is_none_or(|only| only == direction))
            .filter(move |field| field.ways.is_empty() || field.ways.contains(&way))
    }
}

/// One of several ways in which a provider is used: another form, and what it says in the request.
#[derive(Debug)]
pub(crate) struct Way {
    /// In the page's address.
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: &'static str,
    /// Of one direction alone.
    pub(crate) only: Option<Direction>,
    /// Fields of the request that this way stands for, with their values.
    pub(crate) sets: &'static [(&'static str, &'static str)],
    /// What it has of its own in place of the provider's; empty or `None`: nothing.
    pub(crate) currencies: &'static [&'static str],
    pub(crate) amount: &'static str,
    pub(crate) customer: &'static str,
    pub(crate) button: &'static str,
    pub(crate) payer_page: Option<PayerPage>,
    pub(crate) triggers: &'static [Trigger],
}

impl Way {
    /// A way that changes nothing, to be altered.
    const PLAIN: Way = Way {
        code: "",
        title: "",
        detail: "",
        only: None,
        sets: &[],
        currencies: &[],
        amount: "",
        customer: "",
        button: "",
        payer_page: None,
        triggers: &[],
    };
}

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
    /// Digits alone are typed.
    pub(crate) digits: bool,
    /// Left out of the request when empty.
    pub(crate) optional: bool,
    /// Of one direction alone.
    pub(crate) only: Option<Direction>,
    /// Codes of the ways that ask for it; empty: each.
    pub(crate) ways: &'static [&'static str],
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
        digits: false,
        optional: false,
        only: None,
        ways: &[],
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
#[derive(Debug, Clone, Copy)]
pub(crate) enum Prefill {
    Fixed(&'static str),
    Claim(Claim),
    /// Something else that the shop knows of its customer.
    Of(fn(&Customer) -> &'static str),
    /// A test PIN that nobody has used, of the form's amount and currency.
    FreshVoucher,
    /// A part of the public test card that is chosen.
    Card(CardPart),
}

/// What the shop keeps of a value with the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Whole,
    /// The last four characters: the value is worth money.
    LastFour,
    /// Nothing, and the page does not show it again either: card data.
    Nothing,
}

/// The part of the form that a field stands in, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Payment,
    Card,
    /// Where a pay-out goes.
    Account,
    Payer,
    /// What a shop knows without asking; folded away.
    Record,
    /// What the payer's browser tells by itself: never typed.
    Device,
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

/// The triggers of a provider's way.
pub(crate) fn triggers_of(provider: &'static Provider, way: Option<&Way>) -> &'static [Trigger] {
    way.map(|way| way.triggers).filter(|own| !own.is_empty()).unwrap_or(provider.triggers)
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
            assert!(!provider.name.is_empty() && !provider.tagline.is_empty(), "{}", provider.psp_type);
            assert_eq!(provider.ways.is_empty(), provider.ways_title.is_empty(), "{}", provider.psp_type);
            for direction in provider.directions.iter().copied() {
                let ways: Vec<Option<&Way>> = match provider.ways_for(direction).map(Some).collect::<Vec<_>>() {
                    ways if ways.is_empty() => vec![None],
                    ways => ways,
                };
                for way in ways {
                    check(provider, direction, way);
                }
            }
        }
    }

    fn check(provider: &'static Provider, direction: Direction, way: Option<&Way>) {
        let about = format!("{} {direction:?} {:?}", provider.psp_type, way.map(|way| way.code));
        let own = |all: &'static str, way: &'static str| if way.is_empty() { all } else { way };
        let customer = own(provider.customer, way.map_or("", |way| way.customer));
        assert!(CUSTOMERS.iter().any(|c| c.user_id == customer), "{about}");
        let mut names: Vec<&str> = provider.fields_for(direction, way).map(|field| field.name).collect();
        names.extend(way.iter().flat_map(|way| way.sets).map(|(name, _)| *name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{about} names a field twice");
        assert!(triggers_of(provider, way).iter().any(|trigger| !trigger.meaning(direction).is_empty()), "{about}");
        for field in provider.fields_for(direction, way) {
            assert!(!field.name.is_empty() && !field.label.is_empty(), "{about} {}", field.name);
            assert_eq!(field.group == Group::Card, field.keep == Keep::Nothing, "{about} {}", field.name);
            assert!(field.group != Group::Card || !provider.cards.is_empty(), "{about}");
            assert!(field.ways.iter().all(|code| provider.ways.iter().any(|way| way.code == *code)), "{about} {}", field.name);
        }
    }
}
