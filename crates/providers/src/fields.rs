//! Checking the fields of a Cashier request: every problem at once, in the sentences and the order of providers/common "Request
//! fields".

mod email;

pub use self::email::EMAIL_MAX_BYTES;
use self::email::is_email;
use crate::api::Fields;
use crate::browser::{self, SCREEN_SIZE_MAX};
use crate::card::{Card, mask_numbers};
use crate::countries::is_country;
use crate::descriptor::{
    BRAND_ID, BodyTexts, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE, OperationSpec, PREFILL_MAX_CHARS, RequestField,
};
use crate::identifier;
use domain::urls::{Environment, merchant_url};
use domain::{BrandId, Currency, Json, Money, Secret, Timestamp};
use money::AmountError;
use std::net::IpAddr;

/// Longest `userId`, characters.
pub const USER_ID_MAX_CHARS: usize = 64;
/// Fewest digits of `phone`.
pub const PHONE_MIN_DIGITS: usize = 6;
/// Longest run of digits in a field of digits (`transactionCount`).
const DIGITS_MAX: usize = 20;

/// What is known about the user from the user token or the User Auth URL. An empty claim is an absent one.
#[derive(Clone, Default)]
pub struct Claims {
    /// `userId`.
    pub user_id: String,
    /// `email`.
    pub email: Option<String>,
    /// `firstName`.
    pub first_name: Option<String>,
    /// `lastName`.
    pub last_name: Option<String>,
    /// `phone`.
    pub phone: Option<String>,
    /// `countryCode`.
    pub country_code: Option<String>,
    /// `emailVerified`: the verified address.
    pub email_verified: Option<String>,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are personal.
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl Claims {
    /// The claim that wins over the body's field of that name.
    fn winner(&self, field: &str) -> Option<&str> {
        let claim = match field {
            "email" => &self.email,
            "firstName" => &self.first_name,
            "lastName" => &self.last_name,
            // The one phone of the user, under whatever name the provider asks for it.
            "phone" | "mobile" => &self.phone,
            "country" | "countryCode" => &self.country_code,
            _ => return None,
        };
        claim.as_deref().filter(|text| !text.is_empty())
    }
}

/// A Cashier request, about to be checked.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The body: an object.
    pub body: &'a Json,
    /// The user.
    pub claims: Option<&'a Claims>,
    /// Where the Cashier call came from: `userIp` when the body has none.
    pub caller_ip: Option<IpAddr>,
    /// Headers of the Cashier request that stand in for fields of the payer's browser; kept as `http.userAgent`, `http.accept`,
    /// `http.acceptLanguage` where the list has a `browser`.
    pub browser: BrowserHeaders<'a>,
    /// Where we run.
    pub environment: Environment,
    /// Now.
    pub now: Timestamp,
}

/// Headers of the Cashier request.
#[derive(Clone, Copy, Default)]
pub struct BrowserHeaders<'a> {
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// `Accept`.
    pub accept: Option<&'a str>,
    /// `Accept-Language`.
    pub accept_language: Option<&'a str>,
}

/// Longest header value that is kept, characters.
pub const BROWSER_HEADER_MAX_CHARS: usize = 2_048;

/// A request without problems.
#[derive(Clone)]
pub struct Checked {
    /// `baseamount` with its currency.
    pub amount: Money,
    /// The user: the claims', else the body's.
    pub user_id: String,
    /// `brandId`.
    pub brand_id: Option<BrandId>,
    /// `merchantReference`.
    pub merchant_reference: Option<String>,
    /// The other fields of the provider's list, and `userId`, normalised, claims applied. Members of an object stand under their
    /// whole name (`address.city`).
    pub fields: Fields,
    /// The card, to be dropped when the payment is created; of it `fields` has what may be kept.
    pub card: Option<Card>,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Merchants use mail addresses as user ids.
        f.debug_struct("Checked").field("amount", &self.amount).field("fields", &self.fields).finish_non_exhaustive()
    }
}

/// Everything that is wrong with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// Names of required fields that are not there, in table order.
    pub missing: Vec<String>,
    /// Whole sentences, in table order.
    pub invalid: Vec<String>,
}

/// Checked whether a provider's list repeats them or not.
const EVERYWHERE: [RequestField; 3] = [BRAND_ID, MERCHANT_REFERENCE, IS_TEST_MODE];

/// Checks the fields of a request against an operation's list. `pspType` and `type` were checked before.
///
/// # Errors
/// All [`Problems`] at once. No sentence quotes a value.
pub fn check(spec: &OperationSpec, request: &Request<'_>) -> Result<Checked, Problems> {
    let mut check = Check {
        spec,
        request,
        currency: None,
        amount: None,
        fields: Fields::default(),
        card: None,
        problems: Problems::default(),
    };
    check.currency = check.read_currency();
    let rest = EVERYWHERE.iter().filter(|field| !spec.fields.iter().any(|listed| listed.name == field.name));
    for field in spec.fields.iter().chain(rest) {
        check.field(field);
    }
    check.user_id_of_claims();
    check.browser_headers();
    let Check { amount, mut fields, card, problems, .. } = check;
    free_of_card_numbers(spec, &mut fields);
    let mut take = |name: &str| match fields.plain.remove(name) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let (body_user, brand, reference) = (take("userId"), take("brandId"), take("merchantReference"));
    let user_id = request.claims.map(|claims| claims.user_id.clone()).or(body_user).unwrap_or_default();
    fields.plain.insert("userId".to_owned(), Json::text(&*user_id));
    match amount {
        Some(amount) if problems == Problems::default() => Ok(Checked {
            amount,
            user_id,
            // The length was checked above with the same limit.
            brand_id: brand.and_then(|text| text.parse().ok()),
            merchant_reference: reference,
            fields,
            card,
        }),
        _ => Err(problems),
    }
}

/// Where a card may come with the request, a number that was typed into the wrong field is not kept (providers/common, Card
/// data): masked in free texts.
fn free_of_card_numbers(spec: &OperationSpec, fields: &mut Fields) {
    if !spec.fields.iter().any(|field| matches!(field.rule, FieldRule::Card)) {
        return;
    }
    let references = [MERCHANT_REFERENCE.name, BRAND_ID.name];
    let is_text = |rule| matches!(rule, FieldRule::Text { .. } | FieldRule::TextRequiredIn { .. });
    let free =
        |name: &str| spec.fields.iter().any(|field| field.name == name && is_text(field.rule) && !references.contains(&name));
    for (name, value) in &mut fields.plain {
        if let (true, Json::String(text)) = (free(name) || name.starts_with("http."), value) {
            *text = mask_numbers(text);
        }
    }
}

struct Check<'a> {
    spec: &'a OperationSpec,
    request: &'a Request<'a>,
    currency: Option<Currency>,
    amount: Option<Money>,
    fields: Fields,
    card: Option<Card>,
    problems: Problems,
}

impl Check<'_> {
    /// The member of the body: absent, `null` and `""` are the same.
    fn in_body(&self, name: &str) -> Option<&Json> {
        let mut value = self.request.body;
        for part in name.split('.') {
            value = value.get(part)?;
        }
        match value {
            Json::Null => None,
            Json::String(text) if text.is_empty() => None,
            value => Some(value),
        }
    }

    /// The currency by which `baseamount` is measured, wherever it stands in the table.
    fn read_currency(&self) -> Option<Currency> {
        match self.in_body("currency") {
            Some(sent) => Currency::from_code(sent.as_str()?),
            None => {
                let listed = self.spec.fields.iter().find(|field| field.name == "currency")?;
                Currency::from_code(self.default_of(listed)?.as_str()?)
            }
        }
    }

    /// Whether the field counts in this request.
    fn counts(&self, field: &RequestField) -> bool {
        field.only_when.is_none_or(|(other, value)| self.in_body(other).and_then(Json::as_str) == Some(value))
    }

    /// Whether the field belongs to an object that the list has and the body has not: then the object's own row speaks.
    fn parent_is_away(&self, name: &str) -> bool {
        let Some((parent, _)) = name.rsplit_once('.') else { return false };
        let listed = self.spec.fields.iter().any(|field| field.name == parent);
        listed && !self.in_body(parent).is_some_and(Json::is_object)
    }

    fn field(&mut self, field: &RequestField) {
        if !self.counts(field) {
            return;
        }
        if self.required_by_country(field.rule) && self.in_body(field.name).is_none() {
            self.problems.missing.push(field.name.to_owned());
            return;
        }
        if self.parent_is_away(field.name) {
            return;
        }
        if matches!(field.rule, FieldRule::Card) {
            return self.card(field);
        }
        let sent = self.in_body(field.name).cloned();
        let by_others = |rule| matches!(rule, FieldRule::Related(related) if (related.required)(&BodyTexts(self.request.body)));
        if sent.is_none() && (field.required || by_others(field.rule)) {
            self.problems.missing.push(field.name.to_owned());
            return;
        }
        let claims = self.request.claims.filter(|_| !field.chosen);
        let claim = claims.and_then(|claims| claims.winner(field.name)).map(Json::text);
        let Some(value) = claim.or(sent).or_else(|| self.default_of(field)) else { return };
        match self.value(field, &value) {
            Ok(Some(kept)) => {
                self.fields.plain.insert(field.name.to_owned(), kept);
            }
            Ok(None) => {}
            Err(sentence) => self.problems.invalid.push(sentence),
        }
    }

    /// Whether `countryCode`, claims applied, makes it a field that must be there.
    fn required_by_country(&self, rule: FieldRule) -> bool {
        let FieldRule::TextRequiredIn { country, .. } = rule else { return false };
        let claim = self.request.claims.and_then(|claims| claims.winner("countryCode"));
        claim.or_else(|| self.in_body("countryCode").and_then(Json::as_str)) == Some(country)
    }

    /// Not copied out of the body: its values are wiped with it.
    fn card(&mut self, field: &RequestField) {
        let body = self.request.body;
        match body.get(field.name).filter(|card| **card != Json::Null && card.as_str() != Some("")) {
            Some(card) => self.card = Card::read(card, self.request.now, &mut self.problems),
            None if field.required => self.problems.missing.push(field.name.to_owned()),
            None => {}
        }
        if let Some(card) = &self.card {
            self.fields.plain.extend(card.kept().map(|(name, value)| (name.to_owned(), Json::String(value))));
        }
    }

    fn browser_headers(&mut self) {
        if !self.spec.fields.iter().any(|field| field.name == "browser") {
            return;
        }
        let BrowserHeaders { user_agent, accept, accept_language } = self.request.browser;
        for (name, value) in [("http.userAgent", user_agent), ("http.accept", accept), ("http.acceptLanguage", accept_language)] {
            let kept = value.map(|text| text.chars().take(BROWSER_HEADER_MAX_CHARS).collect::<String>());
            if let Some(text) = kept.filter(|text| !text.is_empty()) {
                self.fields.plain.insert(name.to_owned(), Json::String(text));
            }
        }
    }

    fn default_of(&self, field: &RequestField) -> Option<Json> {
        match field.rule {
            FieldRule::OnlyCurrency(only) if !field.required => Some(Json::text(only)),
            FieldRule::IpAddress => self.request.caller_ip.map(|ip| Json::text(ip.to_canonical().to_string())),
            _ => None,
        }
    }

    /// What is kept of a value (`None`: it is kept elsewhere), or the sentence.
    fn value(&mut self, field: &RequestField, value: &Json) -> Result<Option<Json>, String> {
        let name = field.name;
        match field.rule {
            FieldRule::Amount => {
                self.amount = self.base_amount(value)?;
                Ok(None)
            }
            FieldRule::Bool => boolean(name, value).map(|flag| Some(Json::Bool(flag))),
            FieldRule::TestMode => match (boolean(name, value)?, self.request.environment) {
                (true, Environment::Production) => Err(format!("{name} is not allowed in production")),
                (flag, _) => Ok(Some(Json::Bool(flag))),
            },
            FieldRule::BrowserNumber { min, max } => browser::number(name, value, (min, max), false),
            FieldRule::ScreenSize => browser::number(name, value, (0, SCREEN_SIZE_MAX), true),
            FieldRule::ColorDepth => {
                let depth = value.as_number().and_then(browser::color_depth);
                depth.map(|depth| Some(Json::from(depth))).ok_or_else(|| format!("{name} must be a number"))
            }
            FieldRule::BrowserLanguage => {
                let tag = browser::language(string(name, value)?).ok_or_else(|| format!("{name} must be a language tag"))?;
                Ok((!tag.is_empty()).then(|| Json::text(tag)))
            }
            FieldRule::Number => value.as_number().map(|_| Some(value.clone())).ok_or_else(|| format!("{name} must be a number")),
            FieldRule::Prefill(FieldRule::Object) => Ok((!value.is_object()).then_some(Json::Null)),
            FieldRule::Prefill(rule) => self.prefill(name, *rule, value).map(Some).or(Ok(Some(Json::Null))),
            // Its members have rows of their own, under which they are kept.
            FieldRule::Object => value.is_object().then_some(None).ok_or_else(|| format!("{name} must be an object")),
            FieldRule::OwnSecret(own) => {
                let text = own(string(name, value)?).map_err(|rest| format!("{name} {rest}"))?;
                self.fields.secret.insert(name.to_owned(), Secret::new(text));
                Ok(None)
            }
            FieldRule::Related(related) => {
                let text = (related.check)(string(name, value)?, &BodyTexts(self.request.body));
                let text = text.map_err(|rest| format!("{name} {rest}"))?;
                if related.secret {
                    self.fields.secret.insert(name.to_owned(), Secret::new(text));
                    return Ok(None);
                }
                Ok(Some(Json::String(text)))
            }
            rule => self.text(name, rule, string(name, value)?).map(|text| Some(Json::String(text))),
        }
    }

    /// A text for the provider's form, if it is good.
    fn prefill(&self, name: &str, rule: FieldRule, value: &Json) -> Result<Json, ()> {
        // An address of mail has a length of its own.
        let fits = |text: &&str| matches!(rule, FieldRule::Email) || text.chars().count() <= PREFILL_MAX_CHARS;
        let text = value.as_str().filter(fits).filter(|text| !text.contains(char::is_control));
        self.text(name, rule, text.ok_or(())?).map(Json::String).map_err(drop)
    }

    /// The rules of texts.
    fn text(&self, name: &str, rule: FieldRule, text: &str) -> Result<String, String> {
        let kept = |good: bool, sentence: &str| if good { Ok(text.to_owned()) } else { Err(format!("{name} {sentence}")) };
        if IDENTIFIERS.contains(&name) {
            identifier::check(name, text)?;
        }
        match rule {
            FieldRule::Currency => kept(Currency::from_code(text).is_some(), "must be an ISO 4217 code"),
            FieldRule::OnlyCurrency(only) => kept(text == only, &format!("must be {only}")),
            FieldRule::SameCurrency => {
                let other = self.in_body("currency").and_then(Json::as_str);
                kept(other.is_none_or(|other| other == text), "must equal currency")
            }
            FieldRule::UserId => self.user_id(text),
            FieldRule::Email => kept(is_email(text), "must be a valid email"),
            FieldRule::Text { min, max } | FieldRule::TextRequiredIn { min, max, .. } => {
                let range = if min == 0 {
                    format!("must be at most {max} characters")
                } else {
                    format!("must be {min} to {max} characters")
                };
                kept((min..=max).contains(&text.chars().count()), &range)
            }
            FieldRule::Phone => {
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                kept(digits >= PHONE_MIN_DIGITS, "must contain at least 6 digits")
            }
            FieldRule::Country => kept(is_country(text), "must be an ISO 3166-1 alpha-2 code"),
            FieldRule::Date { past } => {
                let date = read_date(text).ok_or_else(|| format!("{name} must be a date in the form YYYY-MM-DD"))?;
                kept(!past || date < self.request.now.date_utc(), "must be in the past")
            }
            FieldRule::Digits => {
                let good = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
                kept(good, "must be a string of digits")
            }
            FieldRule::OneOf(words) => kept(words.contains(&text), &format!("must be one of {}", words.join(", "))),
            FieldRule::IpAddress | FieldRule::IpAddressAsSent => match text.parse::<IpAddr>() {
                Ok(ip) => Ok(ip.to_canonical().to_string()),
                Err(_) => Err(format!("{name} must be an IP address")),
            },
            FieldRule::MerchantUrl => kept(merchant_url(text, self.request.environment).is_some(), "must be an https URL"),
            FieldRule::Own(own) => own(text).map_err(|rest| format!("{name} {rest}")),
            // `value` has taken every other rule.
            _ => Ok(text.to_owned()),
        }
    }

    /// `baseamount`. Without a valid currency only what needs none is checked; the currency has its own sentence.
    fn base_amount(&self, value: &Json) -> Result<Option<Money>, String> {
        let literal = value.as_number().ok_or_else(|| AmountError::NotAboveZero.to_string())?;
        match self.currency {
            Some(currency) => Money::parse_base_amount(literal, currency).map(Some).map_err(|error| error.to_string()),
            None => {
                let most_decimals = Currency::from_code("CLF").map(|currency| Money::parse_base_amount(literal, currency));
                match most_decimals {
                    Some(Err(error @ (AmountError::NotAboveZero | AmountError::TooManySignificantDigits))) => {
                        Err(error.to_string())
                    }
                    _ => Ok(None),
                }
            }
        }
    }

    fn user_id(&self, text: &str) -> Result<String, String> {
        if !is_user_id(text) {
            return Err(BAD_USER_ID.to_owned());
        }
        match self.request.claims {
            Some(claims) if claims.user_id != text => Err("userId must match the authenticated user".to_owned()),
            _ => Ok(text.to_owned()),
        }
    }

    /// The claims' `userId` is used where the body has none, so the rule holds for it too.
    fn user_id_of_claims(&mut self) {
        let from_claims = self.in_body("userId").is_none().then_some(self.request.claims).flatten();
        let Some(claims) = from_claims else { return };
        if !is_user_id(&claims.user_id) {
            self.problems.invalid.push(BAD_USER_ID.to_owned());
        } else if let Err(sentence) = identifier::check("userId", &claims.user_id) {
            self.problems.invalid.push(sentence);
        }
    }
}

/// What callers name things by, kept and sent on in the clear.
const IDENTIFIERS: [&str; 3] = ["userId", "brandId", "merchantReference"];
const BAD_USER_ID: &str = "userId must be 1 to 64 characters";

fn is_user_id(text: &str) -> bool {
    (1..=USER_ID_MAX_CHARS).contains(&text.chars().count())
}

fn string<'a>(name: &str, value: &'a Json) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("{name} must be a string"))
}

fn boolean(name: &str, value: &Json) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{name} must be a boolean"))
}

/// The date itself, which sorts as text, if it is one of the calendar.
fn read_date(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let form = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    (form && text.parse::<jiff::civil::Date>().is_ok()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
