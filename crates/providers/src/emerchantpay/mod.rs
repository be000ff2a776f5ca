//! eMerchantPay: a card acquirer on the Genesis gateway. The merchant's server sends the card; every pay-in is a `sale3d` with
//! 3-D Secure v2, and is answered at once or after a challenge.

mod answers;
mod browser;
mod callback;
mod disputes;
mod inquiry;
mod record;
mod refunds;
#[cfg(test)]
mod tests;
mod wire;

use crate::api::{Account, Callback, CallbackReading, Context, Finding, Memo, Provider, Reply, Sent, Standing, Step, Task};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE, NAME,
    NOT_FOUND_AFTER_S, OperationSpec, RequestField, Setting, SettingRule, Signal, StatusRow, UnknownFate,
};
use crate::docs::MatrixRow;
use crate::fields::{Checked, Problems};
use crate::pages::{BrowserReturn, Challenge, Opening, Pages, ReturnReading};
use crate::{kit, published};
use domain::{ErrorCode, Settings};

/// The provider.
#[derive(Debug)]
pub struct EMerchantPay;

/// How long after a silent sale the gateway is asked, inside the request, milliseconds (eMerchantPay sheet, "Unknown fate of call
/// 1").
const ASKED_AFTER_MS: u32 = 2_000;
/// Longest text of a browser's header, characters.
const HEADER_MAX_CHARS: usize = 2_048;
/// A line of an address.
const LINE: FieldRule = FieldRule::Text { min: 1, max: 100 };

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "EMERCHANTPAY",
    name: "emerchantpay",
    title: "eMerchantPay",
    kind: "Cards (Genesis gateway)",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"EMERCHANTPAY","type":"PAYIN","baseamount":100.00,"currency":"EUR","firstName":"John","lastName":"Doe","email":"player@example.com","phone":"4915112345678","card":{"pan":"4918190000000002","expMonth":"12","expYear":"2030","cvv":"123","cardHolderName":"John Doe"},"usage":"Card deposit","countryCode":"DE","address":{"line1":"Hauptstr. 1","postalCode":"10115","city":"Berlin"},"userIp":"198.51.100.7","browser":{"userAgent":"Mozilla/5.0","acceptHeader":"text/html","language":"de-DE","javaEnabled":false,"colorDepth":24,"screenHeight":900,"screenWidth":1440,"timeZoneOffset":-60},"hppSuccessUrl":"https://shop.example/ok","hppFailureUrl":"https://shop.example/failed","merchantReference":"ORDER-REF-001"}"#,
    }),
    pay_out: None,
    webhooks: true,
    redirect_field: Some("url"),
    settings: &[
        Setting::plain("username", true, SettingRule::TextWithout { min: 1, max: 255, without: ':' }, "Genesis API user"),
        Setting::secret(
            "password",
            true,
            SettingRule::Text { min: 1, max: 255 },
            "Genesis API password; also the key of every signature",
        ),
        Setting::secret(
            "apiKey",
            true,
            SettingRule::Pattern { shown: "[A-Za-z0-9]{16,64}", check: is_terminal_token },
            "Terminal token: fixes currency, merchant id and risk profile",
        ),
        Setting::site_url(false),
        Setting::webhook_url(false),
        Setting::IS_WEBHOOK_SECURED,
        Setting::account_name(false),
        Setting::plain("currency", false, SettingRule::Currency, "The terminal's currency, checked before the call"),
        Setting::plain(
            REQUIRE_BILLING,
            false,
            SettingRule::Bool,
            "The terminal wants the payer's address and IP address: a request must have them",
        ),
        Setting::BASE_URL,
    ],
    setting_aliases: &[],
    base_urls: BaseUrls {
        sandbox: Some("https://staging.gate.emerchantpay.net"),
        production: Some("https://gate.emerchantpay.net"),
        simulator_path: "",
    },
    callbacks: Callbacks { per_transaction: true, per_account: false, by_get: false },
    limits: CallLimits::COMMON,
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    errors: &[
        ErrorRow { row: 3, signal: Signal::Http(&[401, 403]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 3, signal: Signal::NotFoundWithout(&record::ROOTS), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 3, signal: Signal::Code(&["110", "220"]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 4, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 4, signal: Signal::Code(&["101"]), code: ErrorCode::PspUnavailable },
        ErrorRow { row: 7, signal: Signal::Code(&["120", "350", "360"]), code: ErrorCode::UnknownPspError },
        // Reach a merchant only where no connection was established (row 1): the code decides, not the word `timeout`.
        ErrorRow { row: 8, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 8, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    statuses: &[
        StatusRow::of("approved", Standing::Approved),
        StatusRow::of("declined", Standing::Declined),
        StatusRow::of("unsuccessful", Standing::Declined),
        StatusRow::of("pending", Standing::Pending),
        StatusRow::of("pending_async", Standing::Pending),
        StatusRow::of("in_progress", Standing::Pending),
        StatusRow::of("pending_hold", Standing::Pending),
        StatusRow::of("pending_review", Standing::Pending),
        // In the first answer by its code; later not with the codes that leave it open.
        StatusRow::of("error", Standing::Declined),
        StatusRow::of("timeout", Standing::Expired),
        // After an approval: Reversed.
        StatusRow::of("cancelled", Standing::Cancelled),
        StatusRow::of("voided", Standing::Cancelled),
        // Of a part: it stays approved while anything is left.
        StatusRow::of("refunded", Standing::Reversed),
        StatusRow::of("chargebacked", Standing::Reversed),
        StatusRow::of("second_chargebacked", Standing::Reversed),
        StatusRow::of("pre_arbitrated", Standing::Reversed),
        StatusRow::of("representment_reversed", Standing::Reversed),
        // They prove that it had been approved.
        StatusRow::of("chargeback_reversed", Standing::Approved),
        StatusRow::of("chargeback_reversal", Standing::Approved),
        StatusRow::of("represented", Standing::Approved),
    ],
    unknown_fate: UnknownFate::AskedFirst { wait_ms: ASKED_AFTER_MS },
    release_again: false,
    card_data: CardData::Taken,
    pages: Pages { pay: false, challenge: true, back: true, device_check: true },
    single_use_field: None,
};

const PAY_IN_FIELDS: [RequestField; 31] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::optional("userId", FieldRule::UserId),
    RequestField::required("firstName", NAME),
    RequestField::required("lastName", NAME),
    RequestField::required("email", FieldRule::Email),
    RequestField::optional("phone", FieldRule::Phone),
    RequestField::required("card", FieldRule::Card),
    RequestField::optional("usage", FieldRule::Text { min: 0, max: 255 }),
    RequestField::optional("address", FieldRule::Object),
    RequestField::optional("address.line1", LINE),
    RequestField::optional("address.line2", LINE),
    RequestField::optional("address.postalCode", LINE),
    RequestField::optional("address.city", LINE),
    RequestField::optional("address.state", FieldRule::TextRequiredIn { min: 1, max: 100, country: "US" }),
    RequestField::optional("countryCode", FieldRule::Country),
    RequestField::optional("browser", FieldRule::Object),
    RequestField::optional("browser.userAgent", FieldRule::Text { min: 0, max: HEADER_MAX_CHARS }),
    RequestField::optional("browser.acceptHeader", FieldRule::Text { min: 0, max: HEADER_MAX_CHARS }),
    RequestField::optional("browser.language", FieldRule::BrowserLanguage),
    RequestField::optional("browser.javaEnabled", FieldRule::Bool),
    RequestField::optional("browser.colorDepth", FieldRule::ColorDepth),
    RequestField::optional("browser.screenHeight", FieldRule::ScreenSize),
    RequestField::optional("browser.screenWidth", FieldRule::ScreenSize),
    RequestField::optional("browser.timeZoneOffset", FieldRule::BrowserNumber { min: -840, max: 840 }),
    RequestField::optional("hppSuccessUrl", FieldRule::MerchantUrl),
    RequestField::optional("hppFailureUrl", FieldRule::MerchantUrl),
    RequestField::optional("userIp", FieldRule::IpAddressAsSent),
    MERCHANT_REFERENCE,
    BRAND_ID,
    IS_TEST_MODE,
];

/// What most terminals want of a request beside what it must have anyway, in table order. The state only in [`WITH_STATES`].
const BILLING: [&str; 6] = ["address.line1", "address.postalCode", "address.city", "address.state", "countryCode", "userIp"];
const WITH_STATES: [&str; 2] = ["US", "CA"];
/// The setting that has them required.
const REQUIRE_BILLING: &str = "requireBilling";
const BILLING_WARNING: &str = "Terminals want userIp, address.line1, address.city, address.postalCode, countryCode and, for US and CA, address.state by default, and refuse a payment without them (code 320): set requireBilling, unless emerchantpay has made them optional for this one";

fn requires_billing(settings: &Settings) -> bool {
    settings.flag(REQUIRE_BILLING)
}

fn is_terminal_token(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Provider for EMerchantPay {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn matrix_row(&self) -> MatrixRow {
        MatrixRow {
            outcome_by: "answer, or callback after 3DS".into(),
            url_field: "`url` when a challenge is needed [decided]".into(),
            ..MatrixRow::of(&DESCRIPTOR)
        }
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        match task {
            Task::PayIn => wire::sale3d(cx),
            Task::Continue => wire::go_on(cx),
            Task::Inquire => wire::reconcile(cx, wire::RECONCILE),
            Task::Test => wire::reconcile(cx, wire::TEST),
            Task::PayOut | Task::Finalise | Task::ReleaseAgain => Finding::anomaly("eMerchantPay has no such step").step(),
        }
    }

    fn resume(&self, _task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        let step = match sent.step.as_str() {
            wire::SALE3D => answers::sold(cx, reply),
            wire::CONTINUE => inquiry::went_on(cx, reply),
            wire::RECONCILE => inquiry::reconciled(cx, reply),
            wire::TEST => inquiry::tested(reply),
            other => Finding::anomaly(format!("eMerchantPay has no step {}", kit::provider_text(other))).step(),
        };
        published::step(cx, step)
    }

    fn read_callback(&self, account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        callback::read(account, callback)
    }

    fn fits(&self, account: &Account<'_>, request: &Checked) -> Problems {
        let mut problems = Problems::default();
        if let Some(only) = account.settings.text("currency").filter(|only| *only != request.amount.currency().code()) {
            problems.invalid.push(format!("currency must be {only} for this payment method"));
        }
        if requires_billing(account.settings) {
            let fields = &request.fields;
            let has_states = fields.text("countryCode").is_some_and(|country| WITH_STATES.contains(&country));
            let wanted = BILLING.into_iter().filter(|name| *name != "address.state" || has_states);
            problems.missing.extend(wanted.filter(|name| fields.text(name).is_none()).map(str::to_owned));
        }
        problems
    }

    fn warnings(&self, settings: &Settings) -> Vec<String> {
        if requires_billing(settings) { Vec::new() } else { vec![BILLING_WARNING.to_owned()] }
    }

    fn open_page(&self, cx: &Context<'_>) -> Opening {
        browser::open(cx)
    }

    fn challenge(&self, cx: &Context<'_>) -> Challenge {
        browser::challenge(cx)
    }

    fn read_device_check(&self, cx: &Context<'_>, callback: &Callback<'_>) -> Option<Memo> {
        browser::read_device_check(cx, callback)
    }

    fn read_return(&self, _cx: &Context<'_>, back: &BrowserReturn<'_>) -> Option<ReturnReading> {
        match back.word {
            "success" => Some(ReturnReading::ask("success")),
            "failure" => Some(ReturnReading::ask("failure")),
            _ => None,
        }
    }
}
