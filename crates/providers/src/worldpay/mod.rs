//! Worldpay ("Corporate Gateway", `paymentService` XML): cards and wallets on Worldpay's hosted pages (`hpp`), or cards server to
//! server (`direct`) with a 3-D Secure challenge on our page.

mod browser;
mod notify;
mod order;
mod record;
mod reply;
#[cfg(test)]
mod tests;
mod told;

use crate::api::{Account, Callback, CallbackReading, Context, Finding, Order, Provider, Reply, Sent, Step, Task};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE, NAME,
    NOT_FOUND_AFTER_S, OperationSpec, RequestField, Setting, SettingRule, Signal, UnknownFate,
};
use crate::fields::{Checked, PHONE_MIN_DIGITS, Problems};
use crate::pages::{BrowserReturn, Challenge, Opening, Pages, ReturnReading};
use crate::{kit, published};
use domain::urls::Environment;
use domain::{Currency, ErrorCode, Settings};

/// The provider.
#[derive(Debug)]
pub struct Worldpay;

/// `integrationMode`: cards come with the Cashier call.
const DIRECT: &str = "direct";
/// Most digits of `phone`.
const PHONE_MAX_DIGITS: usize = 15;
/// Most days until capture.
const CAPTURE_DAYS_MAX: u32 = 14;
/// Shortest key of a 3DS Flex JWT, bytes.
const JWT_KEY_MIN_BYTES: usize = 32;
/// Longest code in a mask of payment methods, characters, and most of them.
const MASK_CODE_MAX_CHARS: usize = 50;
const MASK_CODES_MAX: usize = 50;
/// Longest text of a browser's header, characters.
const HEADER_MAX_CHARS: usize = 2_048;
/// A line of an address.
const LINE: FieldRule = FieldRule::Text { min: 1, max: 100 };

const fn error(row: u8, signal: Signal, code: ErrorCode) -> ErrorRow {
    ErrorRow { row, signal, code }
}

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "WORLDPAY_EU",
    name: "worldpay",
    title: "Worldpay",
    kind: "Cards, Apple Pay, Google Pay (Worldpay Corporate Gateway)",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"WORLDPAY_EU","type":"PAYIN","baseamount":150.00,"currency":"EUR","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678","gender":"M","dob":"1990-01-15","countryCode":"DE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"3","userBalance":20.50,"partnerName":"brand-one","emailVerification":"player@example.com","verificationDate":"2026-01-10","address":{"line1":"Hauptstr. 1","city":"Berlin","postalCode":"10115","country":"DE"},"merchantReference":"ORDER-REF-001"}"#,
    }),
    pay_out: None,
    webhooks: true,
    redirect_field: Some("paymentUrl"),
    settings: &[
        Setting::account_name(true),
        Setting::webhook_url(true),
        Setting::plain(
            "merchantCode",
            true,
            SettingRule::Pattern { shown: "[A-Z0-9_-]{1,50}", check: is_merchant_code },
            "Worldpay merchant code",
        ),
        Setting::plain(
            "installationId",
            true,
            SettingRule::Pattern { shown: "[0-9]{1,20}", check: is_installation },
            "Hosted-page set-up at Worldpay",
        ),
        Setting::plain(
            "xmlUsername",
            true,
            SettingRule::TextWithout { min: 1, max: 100, without: ':' },
            "XML user name, for HTTP Basic",
        ),
        Setting::secret("xmlPassword", true, SettingRule::Text { min: 1, max: 200 }, "XML password, for HTTP Basic"),
        Setting::plain(
            "captureDelay",
            false,
            SettingRule::Own { shown: "`DEFAULT`, `0`-`14` or `OFF` (`DEFAULT`)", check: check_capture_delay },
            "Days until capture",
        ),
        Setting::secret(
            "macSecret",
            false,
            SettingRule::Text { min: 1, max: 200 },
            "Proves result redirects; without it they prove nothing",
        ),
        Setting::plain(
            "integrationMode",
            false,
            SettingRule::OneOf(&["hpp", DIRECT]),
            "Hosted pages, or cards server to server (`hpp`)",
        ),
        Setting::plain("tokenizationEnabled", false, SettingRule::Bool, "Ask Worldpay for a shopper token"),
        Setting::site_url(false),
        Setting::IS_WEBHOOK_SECURED,
        Setting::plain(
            "hppLanguage",
            false,
            SettingRule::Pattern { shown: "[a-z]{2}(-[A-Z]{2})?", check: is_language },
            "Language of the hosted page (`en`)",
        ),
        Setting::plain(
            "hppPaymentMethodMask",
            false,
            SettingRule::Own { shown: "comma-separated codes, first an include; `!CODE` excludes (`ALL`)", check: check_mask },
            "Payment methods offered on the hosted page",
        ),
        Setting::plain("threeDsIssuer", false, SettingRule::Text { min: 1, max: 64 }, "3DS Flex JWT: `iss`")
            .required_when("integrationMode", DIRECT),
        Setting::plain("threeDsOrgUnitId", false, SettingRule::Text { min: 1, max: 64 }, "3DS Flex JWT: `OrgUnitId`")
            .required_when("integrationMode", DIRECT),
        Setting::secret(
            "threeDsJwtKey",
            false,
            SettingRule::Own { shown: "at least 32 bytes", check: check_jwt_key },
            "3DS Flex JWT: the key of its signature (HS256)",
        )
        .required_when("integrationMode", DIRECT),
        Setting::plain("threeDsChallengeUrl", false, SettingRule::BaseUrl, "Another address of the 3DS Flex challenge"),
        Setting::BASE_URL,
        Setting::plain("fraudSightEnabled", false, SettingRule::Bool, "Send FraudSight data"),
    ],
    setting_aliases: &[],
    base_urls: BaseUrls {
        sandbox: Some("https://secure-test.worldpay.com"),
        production: Some("https://secure.worldpay.com"),
        simulator_path: "",
    },
    callbacks: Callbacks { per_transaction: false, per_account: true, by_get: true },
    limits: CallLimits { connect_ms: 5_000, answer_ms: order::HOSTED_LIMIT_MS },
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    errors: &[
        error(1, Signal::Http(&[401, 403, 404]), ErrorCode::InvalidPspCredentials),
        error(1, Signal::ErrorCode(&["4"]), ErrorCode::InvalidPspCredentials),
        error(1, Signal::Http(&[429]), ErrorCode::PspRateLimited),
        error(2, Signal::TimedOut, ErrorCode::PspTimeout),
        error(2, Signal::Unavailable, ErrorCode::PspUnavailable),
        error(2, Signal::ErrorCode(&["8"]), ErrorCode::PspUnavailable),
        // Error 7 and error 5 about the payment details (row 3), and REFUSED (row 4) answer without an `errorCode`.
        error(5, Signal::ErrorCode(&reply::REFUSALS), ErrorCode::UnknownPspError),
        error(5, Signal::Otherwise, ErrorCode::UnknownPspError),
    ],
    statuses: &record::STATUSES,
    unknown_fate: UnknownFate::Accepted,
    release_again: false,
    card_data: CardData::Taken,
    pages: Pages { pay: false, challenge: true, back: true, device_check: false },
    single_use_field: None,
};

const PAY_IN_FIELDS: [RequestField; 45] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Own(read_currency)),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("firstName", NAME),
    RequestField::required("lastName", NAME),
    RequestField::required("gender", FieldRule::Text { min: 1, max: 32 }),
    RequestField::required("dob", FieldRule::Date { past: true }),
    RequestField::required("countryCode", FieldRule::Country),
    RequestField::required("phone", FieldRule::Own(read_phone)),
    RequestField::required("kycVerified", FieldRule::Bool),
    RequestField::required("blocked", FieldRule::Bool),
    RequestField::required("isVelocity", FieldRule::Bool),
    RequestField::required("userBalance", FieldRule::Number),
    RequestField::required("transactionCount", FieldRule::Digits),
    RequestField::required("partnerName", FieldRule::Text { min: 1, max: 128 }),
    RequestField::required("emailVerification", FieldRule::Email),
    RequestField::required("verificationDate", FieldRule::Date { past: false }),
    RequestField::required("address", FieldRule::Object),
    RequestField::required("address.line1", LINE),
    RequestField::optional("address.line2", LINE),
    RequestField::required("address.city", LINE),
    RequestField::optional("address.state", LINE),
    RequestField::required("address.postalCode", LINE),
    RequestField::required("address.country", FieldRule::Country),
    RequestField::optional("country", FieldRule::Country),
    MERCHANT_REFERENCE,
    BRAND_ID,
    IS_TEST_MODE,
    RequestField::optional("hppSuccessUrl", FieldRule::MerchantUrl),
    RequestField::optional("hppFailureUrl", FieldRule::MerchantUrl),
    RequestField::optional("paymentMethod", FieldRule::OneOf(&["CARD", "APPLEPAY", "GOOGLEPAY"])),
    RequestField::optional("card", FieldRule::Card),
    RequestField::optional("userIp", FieldRule::IpAddressAsSent),
    RequestField::optional("browser", FieldRule::Object),
    RequestField::optional("browser.userAgent", FieldRule::Text { min: 0, max: HEADER_MAX_CHARS }),
    RequestField::optional("browser.acceptHeader", FieldRule::Text { min: 0, max: HEADER_MAX_CHARS }),
    RequestField::optional("browser.language", FieldRule::BrowserLanguage),
    RequestField::optional("browser.javaEnabled", FieldRule::Bool),
    RequestField::optional("browser.javaScriptEnabled", FieldRule::Bool),
    RequestField::optional("browser.colorDepth", FieldRule::ColorDepth),
    RequestField::optional("browser.screenHeight", FieldRule::ScreenSize),
    RequestField::optional("browser.screenWidth", FieldRule::ScreenSize),
    RequestField::optional("browser.timeZoneOffset", FieldRule::BrowserNumber { min: -840, max: 840 }),
    RequestField::optional("dfReferenceId", FieldRule::Text { min: 1, max: 255 }),
];

fn is_merchant_code(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    (1..=50).contains(&text.len()) && text.bytes().all(good)
}

fn is_installation(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_language(text: &str) -> bool {
    let (language, region) = text.split_once('-').map_or((text, None), |(language, region)| (language, Some(region)));
    let two = |text: &str, of: fn(&u8) -> bool| text.len() == 2 && text.bytes().all(|byte| of(&byte));
    two(language, u8::is_ascii_lowercase) && region.is_none_or(|region| two(region, u8::is_ascii_uppercase))
}

fn check_capture_delay(text: &str, _: Environment) -> Result<(), &'static str> {
    let days = text.parse::<u32>().is_ok_and(|days| days <= CAPTURE_DAYS_MAX && days.to_string() == text);
    (days || matches!(text, "DEFAULT" | "OFF")).then_some(()).ok_or("must be one of DEFAULT, 0-14, OFF")
}

fn check_mask(text: &str, _: Environment) -> Result<(), &'static str> {
    let good = |code: &str| {
        let code = code.strip_prefix('!').unwrap_or(code);
        code.len() <= MASK_CODE_MAX_CHARS && is_merchant_code(code)
    };
    let codes = text.split(',').count() <= MASK_CODES_MAX && text.split(',').all(good) && !text.starts_with('!');
    codes.then_some(()).ok_or("must be comma-separated codes, the first an include")
}

fn check_jwt_key(text: &str, _: Environment) -> Result<(), &'static str> {
    (text.len() >= JWT_KEY_MIN_BYTES).then_some(()).ok_or("must be at least 32 bytes")
}

/// `exponent` is 0, 2 or 3.
fn read_currency(text: &str) -> Result<String, &'static str> {
    let currency = Currency::from_code(text).ok_or("must be an ISO 4217 code")?;
    if matches!(currency.digits(), 0 | 2 | 3) { Ok(text.to_owned()) } else { Err("is not supported by Worldpay") }
}

fn read_phone(text: &str) -> Result<String, &'static str> {
    match text.bytes().filter(u8::is_ascii_digit).count() {
        ..PHONE_MIN_DIGITS => Err("must contain at least 6 digits"),
        PHONE_MIN_DIGITS..=PHONE_MAX_DIGITS => Ok(text.to_owned()),
        _ => Err("must contain at most 15 digits"),
    }
}

/// Whether an account takes cards with the Cashier call.
fn takes_cards(settings: &Settings) -> bool {
    settings.text("integrationMode") == Some(DIRECT)
}

/// Whether a payment came with a card; whatever the account is now.
fn is_direct(order: &Order) -> bool {
    order.fields.text("card.last4").is_some()
}

impl Provider for Worldpay {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        match task {
            Task::PayIn if takes_cards(cx.account.settings) => order::direct(cx),
            Task::PayIn => order::hosted(cx),
            Task::Continue => order::go_on(cx),
            Task::Inquire => order::inquiry(cx, order::INQUIRY),
            Task::Test => order::inquiry(cx, order::TEST),
            Task::PayOut | Task::Finalise | Task::ReleaseAgain => Finding::anomaly("Worldpay has no such step").step(),
        }
    }

    fn resume(&self, _task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        let step = match sent.step.as_str() {
            order::HOSTED => reply::hosted(cx, reply),
            order::DIRECT => reply::direct(cx, reply),
            order::CONTINUE => reply::went_on(cx, reply),
            order::INQUIRY => record::inquired(cx, reply),
            order::TEST => reply::tested(reply),
            other => Finding::anomaly(format!("Worldpay has no step {}", kit::provider_text(other))).step(),
        };
        published::step(cx, step)
    }

    fn read_callback(&self, account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        notify::read(account, callback)
    }

    /// Token ids are up to 19 digits long; references of a journal, which tell one refund from another, 12.
    fn is_reference(&self, element: &str, text: &str) -> bool {
        let of_journal = element.starts_with("journalReference ") && !notify::has_more_digits(element, notify::REFERENCE_DIGITS);
        of_journal || element == "paymentTokenID" && text.len() <= kit::PROVIDER_TEXT_MAX_CHARS
    }

    fn fits(&self, account: &Account<'_>, request: &Checked) -> Problems {
        let mut problems = Problems::default();
        match (takes_cards(account.settings), &request.card) {
            (true, None) => problems.missing.push("card".to_owned()),
            (false, Some(_)) => {
                problems.invalid.push("card is not accepted: card details are entered on Worldpay's page".to_owned());
            }
            _ => {}
        }
        problems
    }

    fn open_page(&self, cx: &Context<'_>) -> Opening {
        browser::open(cx)
    }

    fn challenge(&self, cx: &Context<'_>) -> Challenge {
        browser::way_on(cx)
    }

    fn read_return(&self, cx: &Context<'_>, back: &BrowserReturn<'_>) -> Option<ReturnReading> {
        browser::came_back(cx, back)
    }
}
