//! Trust Payments: cards and wallets on Trust's hosted Payment Pages. Pay-ins only. Creating one calls nobody: the payer's
//! browser posts a form of ours to Trust once, and the outcome comes by URL notification, or is asked for where the account has a
//! web-services user.

mod attempts;
mod form;
mod notify;
mod query;
mod refunds;
#[cfg(test)]
mod tests;

use crate::api::{Account, Callback, CallbackReading, Context, Finding, Provider, Reply, Sent, Step, Task};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE,
    NOT_FOUND_AFTER_S, OperationSpec, PREFILL_MAX_CHARS, RequestField, Setting, SettingRule, Signal, UnknownFate,
};
use crate::pages::{BrowserReturn, Opening, Pages, ReturnReading};
use crate::{kit, published};
use domain::urls::Environment;
use domain::{ErrorCode, Settings};

/// The provider.
#[derive(Debug)]
pub struct Trust;

/// Host of the Payment Pages (Trust sheet, "Upstream wire protocol"). Test mode is a site reference of its own, not another host.
const PAGES_HOST: &str = "https://payments.securetrading.net";
/// Host of the JSON web services.
const WEB_SERVICES_HOST: &str = "https://webservices.securetrading.net";
/// How a site reference of the test mode begins.
const TEST_PREFIX: &str = "test_";
/// Longest site reference, characters.
const SITE_MAX_CHARS: usize = 50;
/// Longest `hashFields`, characters.
const HASH_FIELDS_MAX_CHARS: usize = 1_000;
/// What has taken the place of the older set of fields.
const NEW_FIELDS: &str = "sitereference, siteSecurityPassword";
/// The warning of an account that can prove nothing.
const UNVERIFIED: &str = "Outcomes cannot be verified: set siteSecurityPassword or the web-services credentials";

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "TRUST",
    name: "trust",
    title: "Trust Payments",
    kind: "Cards, Apple Pay and Google Pay on a hosted page",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"TRUST","type":"PAYIN","currency":"EUR","baseamount":100,"merchantReference":"ORDER-REF-001","userId":"64a1f2b3c4d5e6f7a8b9c0d2","phone":"+447911123456"}"#,
    }),
    pay_out: None,
    webhooks: true,
    redirect_field: Some("paymentUrl"),
    settings: &[
        Setting::plain(
            "sitereference",
            true,
            SettingRule::Own { shown: "`[A-Za-z0-9_]{1,50}`, `test_` in front in the sandbox alone", check: check_site },
            "Your site reference at Trust",
        ),
        Setting::secret(
            "siteSecurityPassword",
            false,
            SettingRule::Text { min: 1, max: 255 },
            "Signs the form, proves notifications; without it neither return addresses nor notifications are asked for",
        ),
        Setting::site_url(false),
        Setting::webhook_url(false),
        Setting::IS_WEBHOOK_SECURED,
        Setting::account_name(false),
        Setting::plain(
            "hashFields",
            false,
            SettingRule::Own { shown: "comma-separated lower-case names", check: check_hash_fields },
            "Fields of the request hash, in order, as agreed with Trust for this site",
        ),
        Setting::plain(
            "webServicesUsername",
            false,
            SettingRule::TextWithout { min: 1, max: 255, without: ':' },
            "JSON web-services user, for asking about outcomes",
        )
        .together_with("webServicesPassword"),
        Setting::secret("webServicesPassword", false, SettingRule::Text { min: 1, max: 255 }, "Its password"),
        Setting::plain("pagesBaseUrl", false, SettingRule::BaseUrl, "Another address of the Payment Pages"),
        Setting::plain("webServicesBaseUrl", false, SettingRule::BaseUrl, "Another address of the JSON web services"),
        Setting::plain("username", false, SettingRule::Retired(NEW_FIELDS), "Of the older set"),
        Setting::secret("password", false, SettingRule::Retired(NEW_FIELDS), "Of the older set"),
    ],
    setting_aliases: &[],
    base_urls: BaseUrls { sandbox: Some(PAGES_HOST), production: Some(PAGES_HOST), simulator_path: "" },
    callbacks: Callbacks { per_transaction: true, per_account: true, by_get: false },
    // Those of Trust's own client.
    limits: CallLimits { connect_ms: 10_000, answer_ms: 60_000 },
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    // Of the query and of "Test connection": creating calls nobody.
    errors: &[
        ErrorRow { row: 3, signal: Signal::Http(&[401, 403, 404]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow {
            row: 3,
            signal: Signal::First("response", "errorcode", &["30001", "30006", "30008"]),
            code: ErrorCode::InvalidPspCredentials,
        },
        ErrorRow { row: 4, signal: Signal::First("response", "errorcode", &["50005", "60020"]), code: ErrorCode::PspTimeout },
        ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    statuses: &query::STATUSES,
    unknown_fate: UnknownFate::Accepted,
    release_again: false,
    card_data: CardData::Refused,
    pages: Pages { pay: true, back: true, ..Pages::NONE },
    single_use_field: None,
};

/// What fills in Trust's form never affects acceptance.
const PREFILL: FieldRule = FieldRule::Prefill(&FieldRule::Text { min: 1, max: PREFILL_MAX_CHARS });
/// What is longer is Trust's field error 30000, and the payer cannot pay: `billingpremise`, `billingpostcode`;
/// `billingtelephone`.
const PREFILL_SHORT: FieldRule = FieldRule::Prefill(&FieldRule::Text { min: 1, max: 25 });
const PREFILL_PHONE: FieldRule = FieldRule::Prefill(&FieldRule::Text { min: 1, max: 20 });
const PREFILL_COUNTRY: FieldRule = FieldRule::Prefill(&FieldRule::Country);

const PAY_IN_FIELDS: [RequestField; 20] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::optional("email", FieldRule::Prefill(&FieldRule::Email)),
    RequestField::optional("firstName", PREFILL),
    RequestField::optional("lastName", PREFILL),
    RequestField::optional("phone", PREFILL_PHONE),
    RequestField::optional("countryCode", PREFILL_COUNTRY),
    RequestField::optional("address", FieldRule::Prefill(&FieldRule::Object)),
    RequestField::optional("address.line1", PREFILL_SHORT),
    RequestField::optional("address.line2", PREFILL),
    RequestField::optional("address.city", PREFILL),
    RequestField::optional("address.state", PREFILL),
    RequestField::optional("address.postalCode", PREFILL_SHORT),
    RequestField::optional("address.country", PREFILL_COUNTRY),
    MERCHANT_REFERENCE,
    RequestField::optional("hppSuccessUrl", FieldRule::MerchantUrl),
    RequestField::optional("hppFailureUrl", FieldRule::MerchantUrl),
    BRAND_ID,
    IS_TEST_MODE,
];

fn check_site(text: &str, environment: Environment) -> Result<(), &'static str> {
    let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !word || !(1..=SITE_MAX_CHARS).contains(&text.len()) {
        return Err("must match [A-Za-z0-9_]{1,50}");
    }
    match (environment, text.starts_with(TEST_PREFIX)) {
        (Environment::Sandbox, false) => Err("must start with test_ in the sandbox"),
        (Environment::Production, true) => Err("must not start with test_ in production"),
        _ => Ok(()),
    }
}

fn check_hash_fields(text: &str, _environment: Environment) -> Result<(), &'static str> {
    let names: Vec<&str> = form::names(text).collect();
    let word = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if text.len() > HASH_FIELDS_MAX_CHARS || !names.iter().all(word) {
        return Err("must be comma-separated lower-case names");
    }
    if ["sitereference", "currencyiso3a", "mainamount"].iter().any(|needed| !names.contains(needed)) {
        return Err("must contain sitereference, currencyiso3a, mainamount");
    }
    if ["sitesecuritytimestamp", "sitesecurity", "password"].iter().any(|implied| names.contains(implied)) {
        return Err("must not list sitesecuritytimestamp or the password: they always follow");
    }
    let twice = names.iter().enumerate().any(|(at, name)| names[..at].contains(name));
    if twice { Err("must not name a field twice") } else { Ok(()) }
}

/// The site's password; it proves nothing where there is none.
fn site_password(settings: &Settings) -> Option<&str> {
    settings.text("siteSecurityPassword")
}

/// User and password of the web services.
fn web_services(settings: &Settings) -> Option<(&str, &str)> {
    Some((settings.text("webServicesUsername")?, settings.text("webServicesPassword")?))
}

impl Provider for Trust {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        match task {
            Task::PayIn => form::created(cx).step(),
            Task::Inquire => query::inquire(cx),
            Task::Test => query::test(cx),
            Task::PayOut | Task::Finalise | Task::ReleaseAgain | Task::Continue => {
                Finding::anomaly("Trust has no such step").step()
            }
        }
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        let step = match (sent.step.as_str(), task) {
            (query::QUERY, Task::Test) => query::tested(sent, reply),
            (query::QUERY, _) => query::answered(cx, sent, reply),
            (other, _) => Finding::anomaly(format!("Trust has no step {}", kit::provider_text(other))).step(),
        };
        published::step(cx, step)
    }

    fn warnings(&self, settings: &Settings) -> Vec<String> {
        let unverified = site_password(settings).is_none() && web_services(settings).is_none();
        let unverified = unverified.then(|| UNVERIFIED.to_owned());
        unverified.into_iter().chain(notify::exact_fields(settings)).chain(form::not_sent(settings)).collect()
    }

    fn open_page(&self, cx: &Context<'_>) -> Opening {
        form::open(cx)
    }

    fn read_return(&self, cx: &Context<'_>, back: &BrowserReturn<'_>) -> Option<ReturnReading> {
        notify::read_return(cx, back)
    }

    fn read_callback(&self, account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        notify::read(account, callback)
    }

    fn is_reference(&self, field: &str, value: &str) -> bool {
        field == "transactionreference" && notify::is_reference(value)
    }
}
