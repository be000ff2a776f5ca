//! Neosurf: prepaid vouchers, paid on Neosurf's hosted page. Pay-ins only.

mod callback;
mod inquiry;
#[cfg(test)]
mod tests;
mod wire;

use crate::api::{Account, Callback, CallbackReading, Context, Finding, Provider, Reply, Sent, Standing, Step, Task};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE,
    NOT_FOUND_AFTER_S, OperationSpec, RequestField, Setting, SettingRule, Signal, StatusRow, UnknownFate,
};
use crate::docs::MatrixRow;
use crate::pages::Pages;
use crate::{kit, once, published};
use domain::ErrorCode;

/// The provider.
#[derive(Debug)]
pub struct Neosurf;

/// One host for everything; the parameter `test` chooses (Neosurf sheet, "Create").
const HOST: &str = "https://pay.neosurf.com";
/// The status query's address where the account names no other (Neosurf sheet, "Payment-method configuration").
const SOAP_URL: &str = "https://www.neosurf.info:443/soap/index.php";
/// The set of fields that took the place of the older one.
const NEW_FIELDS: &str = "accountName, apiKey, siteUrl, merchantId";

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "NEOSURF",
    name: "neosurf",
    title: "Neosurf",
    kind: "Prepaid voucher",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"NEOSURF","type":"PAYIN","baseamount":50.00,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}"#,
    }),
    pay_out: None,
    webhooks: true,
    redirect_field: None,
    settings: &[
        Setting::account_name(true),
        Setting::secret(
            "apiKey",
            true,
            SettingRule::Text { min: 1, max: 256 },
            "Neosurf's secret key, which signs requests and callbacks",
        ),
        Setting::site_url(true),
        Setting::plain(
            "merchantId",
            true,
            SettingRule::Pattern {
                shown: "[0-9]{1,20}",
                check: |text| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
            },
            "Your merchant number at Neosurf",
        ),
        Setting::webhook_url(false),
        Setting::IS_WEBHOOK_SECURED,
        Setting::BASE_URL,
        Setting::plain("soapUrl", false, SettingRule::BaseUrl, "Another address of the status query"),
        Setting::plain("username", false, SettingRule::Retired(NEW_FIELDS), "Of the older set"),
        Setting::secret("password", false, SettingRule::Retired(NEW_FIELDS), "Of the older set"),
    ],
    setting_aliases: &[],
    base_urls: BaseUrls { sandbox: Some(HOST), production: Some(HOST), simulator_path: "" },
    callbacks: Callbacks { per_transaction: true, per_account: false, by_get: false },
    limits: CallLimits::COMMON,
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    // Row 7, the business refusal, has a form of its own: see `wire::business_refusal`.
    errors: &[
        ErrorRow { row: 3, signal: Signal::Http(&[401, 403, 404]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    // `ko` is `Cancelled` or `Expired` by its code: `inquiry::KO`.
    statuses: &[
        StatusRow { word: "ok", standing: Standing::Approved, status: None },
        StatusRow { word: "ko", standing: Standing::Declined, status: None },
        StatusRow { word: "pending", standing: Standing::Unchanged, status: None },
    ],
    card_data: CardData::None,
    pages: Pages::NONE,
    unknown_fate: UnknownFate::Accepted,
    release_again: false,
    single_use_field: None,
};

const PAY_IN_FIELDS: [RequestField; 9] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("currencyCode", FieldRule::SameCurrency),
    RequestField::optional("siteUrl", FieldRule::MerchantUrl),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
];

impl Provider for Neosurf {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        match task {
            Task::PayIn => wire::create(cx),
            Task::Inquire => wire::query(cx, wire::QUERY),
            Task::Test => wire::query(cx, wire::TEST),
            Task::PayOut | Task::Finalise | Task::ReleaseAgain | Task::Continue => {
                Finding::anomaly("Neosurf has no such step").step()
            }
        }
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        let step = match sent.step.as_str() {
            wire::CREATE => wire::created(cx, reply),
            wire::QUERY => inquiry::answered(cx, reply),
            wire::TEST => inquiry::tested(reply),
            other => Finding::anomaly(format!("Neosurf has no step {}", kit::provider_text(other))).step(),
        };
        published::step(cx, once::step(task, cx, step))
    }

    fn matrix_row(&self) -> MatrixRow {
        MatrixRow { url_field: "none (see its sheet)".into(), ..MatrixRow::of(&DESCRIPTOR) }
    }

    fn read_callback(&self, account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        callback::read(account, callback)
    }
}
