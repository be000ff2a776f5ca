//! What is data about a provider. One source feeds validation, the back-office form, the generated docs and the conformance
//! suite.

use crate::api::Reply;
use crate::card::CardData;
use crate::pages::Pages;
pub use crate::setting::{Setting, SettingAlias, SettingRule};
use domain::urls::Environment;
use domain::{ErrorCode, Operation};

/// A provider as data.
#[derive(Debug)]
pub struct Descriptor {
    /// The Cashier API's name of it: `PAYONE`.
    pub psp_type: &'static str,
    /// Its folder here, its name in callback addresses and at the simulators: `payone`.
    pub name: &'static str,
    /// For people: `PayOne`.
    pub title: &'static str,
    /// One line for people: what kind of payment it is.
    pub kind: &'static str,
    /// Pay-ins.
    pub pay_in: Option<OperationSpec>,
    /// Pay-outs.
    pub pay_out: Option<OperationSpec>,
    /// Whether merchants get webhooks about it.
    pub webhooks: bool,
    /// The member of `data` that holds the page's address.
    pub redirect_field: Option<&'static str>,
    /// Configuration fields; the common ones (`webhookUrl`, `siteUrl`, ...) are listed where the provider has them.
    pub settings: &'static [Setting],
    /// Alternative names of settings, all or none of which are used in one configuration (Flexepin's two published sets).
    pub setting_aliases: &'static [SettingAlias],
    /// Default base addresses.
    pub base_urls: BaseUrls,
    /// How the provider tells us about outcomes.
    pub callbacks: Callbacks,
    /// Time limits of calls.
    pub limits: CallLimits,
    /// "Not found" counts only this long after the send, seconds.
    pub not_found_after_s: u32,
    /// The name of the protocol, when it is assumed as a whole.
    pub assumed_protocol: Option<&'static str>,
    /// The error table, first match wins. Row 1 (not configured) is common and not listed.
    pub errors: &'static [ErrorRow],
    /// The status table.
    pub statuses: &'static [StatusRow],
    /// What the answer is when the fate of a creating call is unknown.
    pub unknown_fate: UnknownFate,
    /// Whether "Release again" exists.
    pub release_again: bool,
    /// What it does with card data in a request.
    pub card_data: CardData,
    /// Which pages of ours its payers need.
    pub pages: Pages,
    /// A secret request field whose value can be spent once (a voucher's PIN): while a transaction of the account with the same
    /// value is unsettled, the engine refuses another one. After a final outcome only its last four digits are kept.
    pub single_use_field: Option<SingleUse>,
}

impl Descriptor {
    /// The spec of an operation, if the provider has it.
    pub const fn operation(&self, operation: Operation) -> Option<&OperationSpec> {
        match operation {
            Operation::PayIn => self.pay_in.as_ref(),
            Operation::PayOut => self.pay_out.as_ref(),
        }
    }
}

/// A request field whose value can be spent once.
#[derive(Debug, Clone, Copy)]
pub struct SingleUse {
    /// Its name; an [`FieldRule::OwnSecret`] field.
    pub field: &'static str,
    /// The reason of the refusal, in the provider's rejection form (400 without `errorCode`, `Declined`).
    pub message: &'static str,
    /// The word in `status`.
    pub status: &'static str,
}

/// One operation of a provider.
#[derive(Debug)]
pub struct OperationSpec {
    /// The request fields beyond `pspType` and `type`, in table order.
    pub fields: &'static [RequestField],
    /// Pay-outs that always wait for a back-office approval.
    pub always_held: bool,
    /// Published example of a request, for docs and tests.
    pub example: &'static str,
}

/// A field of the Cashier request.
#[derive(Debug)]
pub struct RequestField {
    /// `firstName`, `address.city`, `card.pan`.
    pub name: &'static str,
    /// Must be in the body.
    pub required: bool,
    /// What it must be.
    pub rule: FieldRule,
    /// It counts only where this other field of the body has this value; else it is ignored.
    pub only_when: Option<(&'static str, &'static str)>,
    /// The body's value counts even where the user's claims have one of that name: it is a choice, or routes the payment.
    pub chosen: bool,
}

impl RequestField {
    /// A field that must be in the body.
    pub const fn required(name: &'static str, rule: FieldRule) -> Self {
        Self { name, required: true, rule, only_when: None, chosen: false }
    }

    /// A field that may be left out.
    pub const fn optional(name: &'static str, rule: FieldRule) -> Self {
        Self { name, required: false, rule, only_when: None, chosen: false }
    }

    /// One that counts only where another field has that value.
    #[must_use]
    pub const fn when(self, field: &'static str, value: &'static str) -> Self {
        Self { only_when: Some((field, value)), ..self }
    }

    /// The same field, which no claim replaces.
    #[must_use]
    pub const fn chosen(self) -> Self {
        Self { chosen: true, ..self }
    }
}

/// `brandId` of every provider.
pub const BRAND_ID: RequestField = RequestField::optional("brandId", FieldRule::Text { min: 0, max: 64 });
/// `merchantReference` of every provider.
pub const MERCHANT_REFERENCE: RequestField = RequestField::optional("merchantReference", FieldRule::Text { min: 0, max: 255 });
/// `isTestMode` of every provider.
pub const IS_TEST_MODE: RequestField = RequestField::optional("isTestMode", FieldRule::TestMode);
/// The rule of `firstName` and `lastName`.
pub const NAME: FieldRule = FieldRule::Text { min: 1, max: 64 };

/// What a request field must be. The sentences are those of providers/common "Request fields".
#[derive(Debug, Clone, Copy)]
pub enum FieldRule {
    /// `baseamount`.
    Amount,
    /// `currency`.
    Currency,
    /// `currency` or `currencyCode` that must be this one: `currency must be CAD`. Where it may be left out it is taken to be
    /// this one.
    OnlyCurrency(&'static str),
    /// `currencyCode must equal currency`.
    SameCurrency,
    /// `userId`.
    UserId,
    /// `email`, `emailVerification`.
    Email,
    /// A text of that many characters: `firstName must be 1 to 64 characters`; minimum 0:
    /// `bonusCode must be at most 64 characters`.
    Text {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// `phone must contain at least 6 digits`.
    Phone,
    /// An ISO 3166-1 alpha-2 code.
    Country,
    /// `YYYY-MM-DD`; `past`: must be in the past.
    Date {
        /// Whether it must lie in the past.
        past: bool,
    },
    /// A boolean.
    Bool,
    /// `isTestMode`: a boolean that production refuses when true.
    TestMode,
    /// A number (`userBalance`).
    Number,
    /// A text of digits (`transactionCount`).
    Digits,
    /// An object; its members have rows of their own (`address`).
    Object,
    /// `userIp must be an IP address`. Absent: the caller's address is taken.
    IpAddress,
    /// The same; absent: there is none.
    IpAddressAsSent,
    /// `card` (providers/common, Card data): checked, and handed on in memory only.
    Card,
    /// A number that a payer's browser says, in a range, cut to a whole one:
    /// `browser.timeZoneOffset must be a number from -840 to 840`.
    BrowserNumber {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// The height or width of the payer's screen: the same from 0 to 99999; 0 counts as not sent.
    ScreenSize,
    /// The depth of its colours, bits: 1 to 64, kept as the nearest that 3-D Secure knows and that is not larger.
    ColorDepth,
    /// The language of the payer's browser: a language tag, kept with at most eight characters.
    BrowserLanguage,
    /// Like [`Text`](Self::Text); must be there when `countryCode`, claims applied, is this one.
    TextRequiredIn {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
        /// The country.
        country: &'static str,
    },
    /// A text that is one of these: `paymentMethod must be one of CARD, APPLEPAY, GOOGLEPAY`.
    OneOf(&'static [&'static str]),
    /// A merchant URL.
    MerchantUrl,
    /// A text that only fills in the provider's form: what does not keep this rule, or is longer than [`PREFILL_MAX_CHARS`], or
    /// has control characters, is no error; `null` is kept in its place, so that the provider can say that it was left out.
    Prefill(&'static FieldRule),
    /// The provider's own check of a text: the normalised text, or the rest of the sentence after the field's name
    /// (`must be 16 digits`).
    Own(fn(&str) -> Result<String, &'static str>),
    /// Like [`Own`](Self::Own), for a field that is secret (a voucher's PIN): kept apart, sealed, never shown.
    OwnSecret(fn(&str) -> Result<String, &'static str>),
    /// The provider's own check that looks at other fields of the body.
    Related(&'static Related),
}

/// Longest [`FieldRule::Prefill`] that is kept, characters.
pub const PREFILL_MAX_CHARS: usize = 127;

/// A rule that depends on other fields of the body.
#[derive(Debug)]
pub struct Related {
    /// The rule in tables for people.
    pub shown: &'static str,
    /// Kept apart, sealed, never shown.
    pub secret: bool,
    /// Whether these other fields make it one that must be in the body (a field that is required anyway is marked so).
    pub required: fn(&BodyTexts<'_>) -> bool,
    /// The normalised text, or the rest of the sentence after the field's name.
    pub check: fn(&str, &BodyTexts<'_>) -> Result<String, String>,
}

impl Related {
    /// For [`required`](Self::required): nothing makes it so.
    pub const fn never(_: &BodyTexts<'_>) -> bool {
        false
    }
}

/// The texts of a request body by name (`beneficiary.accountNumber`), unchecked.
pub struct BodyTexts<'a>(pub(crate) &'a domain::Json);

impl BodyTexts<'_> {
    /// The text; `None` when it is absent, empty, or no text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut value = self.0;
        for part in name.split('.') {
            value = value.get(part)?;
        }
        value.as_str().filter(|text| !text.is_empty())
    }
}

/// Default addresses of a provider.
#[derive(Debug)]
pub struct BaseUrls {
    /// In the sandbox.
    pub sandbox: Option<&'static str>,
    /// In production; without a trailing slash, like the sandbox's.
    pub production: Option<&'static str>,
    /// The path below `{simulator}/{name}` that a simulated account's `baseUrl` has (`/pay/v2`), without a trailing slash.
    pub simulator_path: &'static str,
}

impl BaseUrls {
    /// The default of an environment.
    pub const fn of(&self, environment: Environment) -> Option<&'static str> {
        match environment {
            Environment::Sandbox => self.sandbox,
            Environment::Production => self.production,
        }
    }
}

/// How callbacks come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Callbacks {
    /// A token per transaction, told to the provider in the call.
    pub per_transaction: bool,
    /// A token per account, entered in the provider's portal.
    pub per_account: bool,
    /// One that comes by `GET` is taken too, though nothing of it can be read.
    pub by_get: bool,
}

/// Time limits of a provider's calls.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// To connect, milliseconds.
    pub connect_ms: u32,
    /// To answer, milliseconds.
    pub answer_ms: u32,
}

impl CallLimits {
    /// Those of providers/common: 5 s and 30 s.
    pub const COMMON: CallLimits = CallLimits { connect_ms: 5_000, answer_ms: 30_000 };
}

/// `not_found_after_s` of providers/common.
pub const NOT_FOUND_AFTER_S: u32 = 900;
/// The same where the whole protocol is assumed.
pub const NOT_FOUND_AFTER_ASSUMED_S: u32 = 86_400;

/// A row of the error table.
#[derive(Debug, Clone, Copy)]
pub struct ErrorRow {
    /// The number in the sheet's table.
    pub row: u8,
    /// What the provider's answer looks like.
    pub signal: Signal,
    /// What the merchant gets.
    pub code: ErrorCode,
}

/// A recognisable answer. Texts match without regard to case.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// One of these HTTP statuses.
    Http(&'static [u16]),
    /// 404 with an empty body.
    EmptyNotFound,
    /// 404 without an XML document that has one of these roots.
    NotFoundWithout(&'static [&'static str]),
    /// `code` in the XML document of the body is one of these.
    Code(&'static [&'static str]),
    /// The body contains one of these texts.
    Body(&'static [&'static str]),
    /// The member of a JSON body is set, and contains one of these texts (none: any value).
    Member(&'static str, &'static [&'static str]),
    /// In a JSON body, the first object of this list has a member with one of these texts, whole.
    First(&'static str, &'static str, &'static [&'static str]),
    /// The first `<error>` of an XML document has one of these values of `code`.
    ErrorCode(&'static [&'static str]),
    /// 408, `timeout` in the body, no connection or no answer in the limit.
    TimedOut,
    /// 5xx; connection refused or broken, DNS, TLS.
    Unavailable,
    /// Anything else.
    Otherwise,
}

impl Signal {
    /// Whether a reply shows this signal.
    pub fn matches(&self, reply: &Reply) -> bool {
        crate::signals::matches(self, reply)
    }
}

/// A row of the status table.
#[derive(Debug, Clone, Copy)]
pub struct StatusRow {
    /// The provider's word.
    pub word: &'static str,
    /// Where it leads.
    pub standing: crate::api::Standing,
    /// The word in `status`; `None`: the provider's.
    pub status: Option<&'static str>,
}

impl StatusRow {
    /// A word that stays as the provider says it.
    pub const fn of(word: &'static str, standing: crate::api::Standing) -> Self {
        Self { word, standing, status: None }
    }
}

/// What a creating call answers when its fate is unknown.
#[derive(Debug, Clone, Copy)]
pub enum UnknownFate {
    /// 200, `Transaction is being processed`, `data` with `message`, `transactionId`, `merchantReference`, `amount`.
    Accepted,
    /// One inquiry so long after the silence, inside the request: a final outcome found is answered as if it had come at once;
    /// else as [`Accepted`](Self::Accepted).
    AskedFirst {
        /// The wait, milliseconds.
        wait_ms: u32,
    },
    /// The same with `data` in the generic published form of a pay-out, `{"status":"PENDING","transactionId":...}`; a hold by a
    /// rule answers it too.
    AcceptedPending,
    /// Up to `inquiries` inquiries within `within_ms` before answering; then 504 `PSP_TIMEOUT`, not retryable, with this sentence
    /// (Flexepin).
    GatewayTimeout {
        /// The `message`.
        message: &'static str,
        /// Inline inquiries.
        inquiries: u8,
        /// Time for them, milliseconds.
        within_ms: u32,
    },
}
