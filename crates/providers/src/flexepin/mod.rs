//! Flexepin: a prepaid voucher, checked and redeemed while the merchant waits. No page, no callback, no webhook: the answer is
//! the outcome.

#[cfg(test)]
mod tests;
mod wire;

use crate::api::{Context, Provider, Reply, Sent, Standing, Step, Task};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE,
    NOT_FOUND_AFTER_S, OperationSpec, RequestField, Setting, SettingAlias, SettingRule, Signal, SingleUse, StatusRow,
    UnknownFate,
};
use crate::pages::Pages;
use crate::{kit, once, published};
use domain::{ErrorCode, Money, Operation};

/// The provider.
#[derive(Debug)]
pub struct Flexepin;

/// Digits of a PIN.
const PIN_DIGITS: usize = 16;
/// How a test PIN begins, by currency (Flexepin sheet, Simulator).
const TEST_PIN_PREFIXES: [(&str, &str); 5] = [("EUR", "10"), ("CAD", "20"), ("AUD", "30"), ("USD", "40"), ("GBP", "50")];
/// Test PINs have serials below this.
const TEST_SERIALS: u32 = 1_000_000;

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "FLEXEPIN",
    name: "flexepin",
    title: "Flexepin",
    kind: "Prepaid voucher (PIN)",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"FLEXEPIN","type":"PAYIN","voucherPin":"1234567890123456","baseamount":25.00,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}"#,
    }),
    pay_out: None,
    webhooks: false,
    redirect_field: None,
    settings: &[
        Setting::account_name(true),
        Setting::plain(
            "apiKey",
            true,
            pattern("[A-Za-z0-9._-]{1,64}", |text| kit::is_word(text, 64)),
            "API key (terminal ID): names you in the signed header",
        ),
        Setting::secret("secret", true, SettingRule::Text { min: 1, max: 256 }, "Signs the requests"),
        Setting::plain(
            "terminalId",
            false,
            pattern("[A-Za-z0-9._-]{1,32}", |text| kit::is_word(text, 32)),
            "Terminal in the path; the API key when left out",
        ),
        Setting::BASE_URL,
    ],
    setting_aliases: &[
        SettingAlias { alias: "username", setting: "apiKey", required: true },
        SettingAlias { alias: "password", setting: "secret", required: true },
        SettingAlias { alias: "merchantId", setting: "terminalId", required: true },
    ],
    base_urls: BaseUrls {
        sandbox: Some("https://testrest.flexepin.com"),
        production: Some("https://rest.flexepin.com"),
        simulator_path: "",
    },
    callbacks: Callbacks { per_transaction: false, per_account: false, by_get: false },
    limits: CallLimits { connect_ms: CallLimits::COMMON.connect_ms, answer_ms: 15_000 },
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    errors: &[
        ErrorRow { row: 3, signal: Signal::Http(&[401, 403, 404]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    statuses: &[
        StatusRow { word: "USED", standing: Standing::Approved, status: None },
        // An inquiry after the redeem: it did not happen.
        StatusRow { word: "ACTIVE", standing: Standing::NotFound, status: None },
    ],
    unknown_fate: UnknownFate::GatewayTimeout {
        message: "The voucher may have been redeemed. Query the transaction before trying again.",
        inquiries: 3,
        within_ms: 20_000,
    },
    release_again: false,
    card_data: CardData::None,
    pages: Pages::NONE,
    single_use_field: Some(SingleUse {
        field: "voucherPin",
        message: "This voucher is already being redeemed",
        status: "duplicate_in_flight",
    }),
};

const PAY_IN_FIELDS: [RequestField; 10] = [
    RequestField::required("voucherPin", FieldRule::OwnSecret(read_pin)),
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("currencyCode", FieldRule::SameCurrency),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
    RequestField::optional("userIp", FieldRule::IpAddress),
];

const fn pattern(shown: &'static str, check: fn(&str) -> bool) -> SettingRule {
    SettingRule::Pattern { shown, check }
}

/// Spaces and dashes are taken out first.
fn read_pin(text: &str) -> Result<String, &'static str> {
    let pin: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let good = pin.len() == PIN_DIGITS && pin.bytes().all(|byte| byte.is_ascii_digit());
    if good { Ok(pin) } else { Err("must be 16 digits") }
}

impl Provider for Flexepin {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        wire::begin(task, cx)
    }

    /// `new_trans_id`, a fresh one each time (Flexepin sheet, Calls).
    fn numbers_inquiries(&self) -> bool {
        true
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        published::step(cx, once::step(task, cx, wire::resume(cx, sent, reply)))
    }

    /// A test voucher of that face value (Flexepin sheet, Simulator): currency, serial of six digits, value of eight.
    fn demo_fields(&self, _operation: Operation, amount: &Money, serial: u32) -> Vec<(&'static str, String)> {
        let prefix = TEST_PIN_PREFIXES.iter().find(|(code, _)| *code == amount.currency().code());
        prefix.map_or_else(Vec::new, |(_, prefix)| {
            vec![("voucherPin", format!("{prefix}{:06}{:08}", serial % TEST_SERIALS, amount.minor()))]
        })
    }
}
