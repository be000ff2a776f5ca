//! ForumPay: crypto. Pay-ins on a hosted page where the payer picks the coin; pay-outs as buy orders that a person approves.

mod approval;
mod callback;
mod inquiry;
#[cfg(test)]
mod tests;
mod wire;

use crate::api::{
    Account, Callback, CallbackReading, Context, Destination, Finding, Order, Provider, Reply, Sent, Standing, Step, Task,
};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE,
    NOT_FOUND_AFTER_S, OperationSpec, RequestField, Setting, SettingRule, Signal, StatusRow, UnknownFate,
};
use crate::pages::Pages;
use crate::{kit, published};
use domain::ErrorCode;

/// The provider.
#[derive(Debug)]
pub struct ForumPay;

/// How answers that are no usable success are recognised (ForumPay sheet, errors 2 to 8).
static TEXT_SIGNALS: [ErrorRow; 9] = [
    ErrorRow { row: 2, signal: Signal::Body(&["Payer ID is required"]), code: ErrorCode::PspNotConfigured },
    ErrorRow { row: 3, signal: Signal::Http(&[401, 403]), code: ErrorCode::InvalidPspCredentials },
    ErrorRow { row: 3, signal: Signal::Body(&["Unauthorized", "Invalid credentials"]), code: ErrorCode::InvalidPspCredentials },
    ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
    ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
    ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
    ErrorRow { row: 7, signal: Signal::Member("err", &[]), code: ErrorCode::UnknownPspError },
    ErrorRow { row: 7, signal: Signal::Member("err_code", &[]), code: ErrorCode::UnknownPspError },
    ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
];

/// What `state` means; `cancelled` is `Expired` without a `reason`, or when that says so (`inquiry::REASON_MAP`). `blocked` is a
/// review, and no ending.
static STATE_MAP: [StatusRow; 6] = [
    StatusRow { word: "waiting", standing: Standing::Unchanged, status: None },
    StatusRow { word: "processing", standing: Standing::Unchanged, status: None },
    StatusRow { word: "underpayment", standing: Standing::Unchanged, status: None },
    StatusRow { word: "blocked", standing: Standing::Unchanged, status: None },
    StatusRow { word: "confirmed", standing: Standing::Approved, status: None },
    StatusRow { word: "cancelled", standing: Standing::Cancelled, status: None },
];

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "FORUMPAY",
    name: "forumpay",
    title: "ForumPay",
    kind: "Cryptocurrency",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"FORUMPAY","type":"PAYIN","baseamount":100.00,"currency":"EUR","userId":"user_123","email":"player@example.com","country":"DE"}"#,
    }),
    pay_out: Some(OperationSpec {
        fields: &PAY_OUT_FIELDS,
        always_held: true,
        example: r#"{"pspType":"FORUMPAY","type":"PAYOUT","baseamount":200.00,"currency":"EUR","userId":"user_123","email":"player@example.com","country":"DE","preferredCrypto":"BTC","walletAddress":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"}"#,
    }),
    webhooks: true,
    redirect_field: Some("url"),
    settings: &[
        Setting::plain("username", true, SettingRule::VisibleAscii { min: 1, max: 128, without: Some(':') }, "ForumPay API user"),
        Setting::secret(
            "password",
            true,
            SettingRule::VisibleAscii { min: 1, max: 256, without: None },
            "ForumPay API secret, its two parts joined",
        ),
        Setting::plain("forumpayUserId", true, SettingRule::Text { min: 1, max: 128 }, "Your payer identifier at ForumPay"),
        Setting::webhook_url(true),
        Setting::IS_WEBHOOK_SECURED,
        Setting::account_name(false),
        Setting::plain(
            "posId",
            false,
            SettingRule::Pattern { shown: "[A-Za-z0-9._-]{1,64}", check: |text| kit::is_word(text, 64) },
            "Point of sale of a pay-out's calls (mozarto)",
        ),
        Setting::site_url(false),
        Setting::BASE_URL,
    ],
    setting_aliases: &[],
    base_urls: BaseUrls {
        sandbox: Some("https://sandbox.api.forumpay.com/pay/v2"),
        production: Some("https://api.forumpay.com/pay/v2"),
        simulator_path: "/pay/v2",
    },
    callbacks: Callbacks { per_transaction: true, per_account: true, by_get: false },
    limits: CallLimits { connect_ms: CallLimits::COMMON.connect_ms, answer_ms: 20_000 },
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    errors: &TEXT_SIGNALS,
    statuses: &STATE_MAP,
    unknown_fate: UnknownFate::Accepted,
    release_again: true,
    card_data: CardData::None,
    pages: Pages::NONE,
    single_use_field: None,
};

const PAY_IN_FIELDS: [RequestField; 9] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("country", FieldRule::Country),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
    RequestField::optional("siteUrl", FieldRule::MerchantUrl),
];

const PAY_OUT_FIELDS: [RequestField; 11] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("country", FieldRule::Country),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
    RequestField::required("preferredCrypto", FieldRule::Own(read_coin)),
    RequestField::required("walletAddress", FieldRule::Own(read_wallet)),
    RequestField::optional("userIp", FieldRule::IpAddress),
];

fn read_coin(text: &str) -> Result<String, &'static str> {
    let good = (2..=20).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    if good { Ok(text.to_owned()) } else { Err("must be a currency code") }
}

/// No check per coin: sandbox addresses look like `btc-<32 hex>`.
fn read_wallet(text: &str) -> Result<String, &'static str> {
    let good = (10..=128).contains(&text.chars().count()) && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if good { Ok(text.to_owned()) } else { Err("must be 10 to 128 characters without spaces") }
}

/// The normal form of an address: bech32 and `0x` forms mean the same in either letter case. (bech32 is never in both, which
/// tells it from base58.)
fn normal(wallet: &str) -> String {
    let lower = wallet.to_ascii_lowercase();
    let one_case = wallet == lower || wallet == wallet.to_ascii_uppercase();
    let bech32 = one_case && ["bc1", "tb1", "ltc1"].iter().any(|head| lower.starts_with(head));
    if bech32 || lower.starts_with("0x") { lower } else { wallet.to_owned() }
}

impl Provider for ForumPay {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        match task {
            Task::PayIn => wire::create_payment_link(cx),
            Task::PayOut => wire::get_buy_rate(cx),
            Task::Finalise | Task::ReleaseAgain => approval::begin(task, cx),
            Task::Inquire => inquiry::begin(cx),
            Task::Test => wire::ping(cx),
            Task::Continue => Finding::anomaly("ForumPay has no such step").step(),
        }
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        let step = match (sent.step.as_str(), approval::Phase::of(&sent.scratch)) {
            (wire::CREATE_PAYMENT_LINK, _) => wire::link_created(cx, reply),
            (wire::GET_BUY_RATE, _) => wire::rate_given(cx, reply),
            (wire::START_BUY_ORDER, _) => wire::order_started(cx, reply),
            (wire::CONFIRM_BUY_ORDER, _) => approval::confirmed(task, cx, reply),
            (wire::CHECK_PAYMENT, Some(phase)) => approval::checked(phase, task, cx, reply),
            (wire::CHECK_PAYMENT, None) => inquiry::checked(task, cx, sent, reply),
            (wire::GET_TRANSACTIONS, _) => inquiry::listed(task, cx, sent, reply),
            (wire::PING, _) => wire::ponged(reply),
            (other, _) => Finding::anomaly(format!("ForumPay has no step {}", kit::provider_text(other))).step(),
        };
        published::step(cx, step)
    }

    fn read_callback(&self, _account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        callback::read(callback)
    }

    fn destination(&self, order: &Order) -> Option<Destination> {
        let wallet = order.fields.text("walletAddress")?;
        let coin = order.text("preferredCrypto");
        Some(Destination {
            full: format!("{coin} {}", normal(wallet)),
            masked: format!("{coin} {}", kit::mask_middle(wallet, 6, 4)),
        })
    }
}
