//! PayOne: Interac bank transfer in Canada. Everything here that is data; the wire is in `payone_assumed_v0`.

mod payone_assumed_v0;
#[cfg(test)]
mod tests;

use crate::api::{Account, Callback, CallbackReading, Context, Destination, Order, Provider, Reply, Sent, Standing, Step, Task};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE, NAME,
    NOT_FOUND_AFTER_ASSUMED_S, OperationSpec, RequestField, Setting, SettingRule, Signal, StatusRow, UnknownFate,
};
use crate::pages::Pages;
use crate::{kit, once, published};
use domain::{ErrorCode, Operation};

/// The provider.
#[derive(Debug)]
pub struct PayOne;

/// The only currency (PayOne sheet, Cashier contract).
const CURRENCY: &str = "CAD";

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "PAYONE",
    name: "payone",
    title: "PayOne",
    kind: "Interac bank transfer (Canada)",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"PAYONE","type":"PAYIN","baseamount":100.00,"currency":"CAD","currencyCode":"CAD","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678"}"#,
    }),
    pay_out: Some(OperationSpec {
        fields: &PAY_OUT_FIELDS,
        always_held: false,
        example: r#"{"pspType":"PAYONE","type":"PAYOUT","baseamount":100.00,"currency":"CAD","currencyCode":"CAD","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678"}"#,
    }),
    webhooks: true,
    redirect_field: Some("redirect_url"),
    settings: &[
        Setting::account_name(true),
        Setting::secret("apiKey", true, SettingRule::VisibleAscii { min: 1, max: 256, without: None }, "PayOne API key"),
        Setting::webhook_url(true),
        Setting::site_url(true),
        Setting::IS_WEBHOOK_SECURED,
        Setting::BASE_URL,
    ],
    setting_aliases: &[],
    base_urls: BaseUrls { sandbox: Some("https://demo.payonepayment.com"), production: None, simulator_path: "" },
    callbacks: Callbacks { per_transaction: true, per_account: false, by_get: false },
    limits: CallLimits::COMMON,
    not_found_after_s: NOT_FOUND_AFTER_ASSUMED_S,
    assumed_protocol: Some("payone-assumed-v0"),
    errors: &[
        ErrorRow { row: 2, signal: Signal::EmptyNotFound, code: ErrorCode::InvalidPspCredentials },
        ErrorRow {
            row: 3,
            signal: Signal::Member("error", &["Invalid account details", "Invalid API key"]),
            code: ErrorCode::InvalidPspCredentials,
        },
        ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 7, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    statuses: &[
        StatusRow { word: "Pending", standing: Standing::Pending, status: None },
        StatusRow { word: "Approved", standing: Standing::Approved, status: Some("success") },
        // Published: only Approved and Declined exist.
        StatusRow { word: "Declined", standing: Standing::Declined, status: None },
        StatusRow { word: "Cancelled", standing: Standing::Declined, status: None },
        StatusRow { word: "Expired", standing: Standing::Declined, status: None },
    ],
    unknown_fate: UnknownFate::Accepted,
    release_again: false,
    card_data: CardData::None,
    pages: Pages::NONE,
    single_use_field: None,
};

const PAY_IN_FIELDS: [RequestField; 13] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("firstName", NAME),
    RequestField::required("lastName", NAME),
    RequestField::required("phone", FieldRule::Phone),
    RequestField::required("currency", FieldRule::OnlyCurrency(CURRENCY)),
    RequestField::required("currencyCode", FieldRule::OnlyCurrency(CURRENCY)),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
    RequestField::optional("siteUrl", FieldRule::MerchantUrl),
    RequestField::optional("userIp", FieldRule::IpAddress),
];

/// The same but for `siteUrl`, which is ignored.
const PAY_OUT_FIELDS: [RequestField; 12] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("firstName", NAME),
    RequestField::required("lastName", NAME),
    RequestField::required("phone", FieldRule::Phone),
    RequestField::required("currency", FieldRule::OnlyCurrency(CURRENCY)),
    RequestField::required("currencyCode", FieldRule::OnlyCurrency(CURRENCY)),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
    RequestField::optional("userIp", FieldRule::IpAddress),
];

impl Provider for PayOne {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        payone_assumed_v0::begin(task, cx)
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        published::step(cx, once::step(task, cx, payone_assumed_v0::resume(cx, sent, reply)))
    }

    fn read_callback(&self, account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        payone_assumed_v0::read_callback(account, callback)
    }

    /// An Interac transfer names no account: it goes to the user, by e-mail address and phone number.
    fn destination(&self, order: &Order) -> Option<Destination> {
        if order.operation != Operation::PayOut {
            return None;
        }
        let (user, email, phone) = (order.text("userId"), order.text("email"), order.text("phone"));
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        Some(Destination {
            full: format!("{user} {} {digits}", email.to_lowercase()),
            masked: format!("{} {}", kit::mask_email(email), kit::mask_middle(phone, 0, 4)),
        })
    }
}
