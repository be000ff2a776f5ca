//! Gigadat: Canadian bank payments. Pay-ins on a hosted page (CPI); pay-outs as outbound e-Transfer (ETO) or to a bank account
//! (ACH), which a person approves.

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
use crate::docs::MatrixRow;
use crate::pages::Pages;
use crate::{kit, once, published};
use domain::{ErrorCode, Operation};

/// The provider.
#[derive(Debug)]
pub struct Gigadat;

/// The only currency (Gigadat sheet, head).
const CURRENCY: &str = "CAD";
/// One host for everything; the body's `sandbox` chooses (Gigadat sheet, "Upstream wire protocol").
const HOST: &str = "https://interac.express-connect.com";
/// Longest `name`, characters.
const NAME_MAX_CHARS: usize = 128;
/// `payoutType` of an outbound e-Transfer.
const ETO: &str = "ETO";
/// `payoutType` of a bank account.
const ACH: &str = "ACH";
/// A part of an address.
const ADDRESS_LINE: FieldRule = FieldRule::Text { min: 1, max: 100 };

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "GIGADAT",
    name: "gigadat",
    title: "Gigadat",
    kind: "Interac e-Transfer and bank account (Canada)",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"GIGADAT","type":"PAYIN","name":"John Test","email":"merchant-user@example.com","phone":"15551234567","baseamount":10.00,"currency":"CAD","userId":"user_123","userIp":"1.2.3.4"}"#,
    }),
    pay_out: Some(OperationSpec {
        fields: &PAY_OUT_FIELDS,
        always_held: true,
        example: r#"{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ETO","isTestMode":false,"name":"John Test","email":"merchant-user@example.com","baseamount":10.00,"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","mobile":"07700900000"}"#,
    }),
    webhooks: true,
    redirect_field: Some("webflowURL"),
    settings: &[
        Setting::account_name(true),
        Setting::secret(
            "apiKey",
            true,
            SettingRule::VisibleAscii { min: 1, max: 256, without: Some(':') },
            "Gigadat access token, the user name of its Basic authentication",
        ),
        Setting::secret(
            "secret",
            true,
            SettingRule::VisibleAscii { min: 1, max: 256, without: None },
            "Gigadat security token, the password of its Basic authentication",
        ),
        Setting::plain(
            "campaignId",
            true,
            SettingRule::Pattern { shown: "[A-Za-z0-9-]{1,64}", check: is_campaign },
            "Your active campaign at Gigadat",
        ),
        Setting::webhook_url(false),
        Setting::IS_WEBHOOK_SECURED,
        Setting::site_url(false),
        Setting::BASE_URL,
    ],
    setting_aliases: &[],
    base_urls: BaseUrls { sandbox: Some(HOST), production: Some(HOST), simulator_path: "" },
    callbacks: Callbacks { per_transaction: false, per_account: true, by_get: false },
    limits: CallLimits::COMMON,
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    errors: &[
        ErrorRow { row: 3, signal: Signal::Http(&[401, 403, 404]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 7, signal: Signal::Member("err", &[]), code: ErrorCode::UnknownPspError },
        ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    statuses: &[
        StatusRow { word: inquiry::PENDING, standing: Standing::Unchanged, status: None },
        StatusRow { word: inquiry::INITED, standing: Standing::Unchanged, status: None },
        StatusRow { word: "STATUS_SUCCESS", standing: Standing::Approved, status: None },
        StatusRow { word: "STATUS_REJECTED", standing: Standing::Declined, status: None },
        StatusRow { word: "STATUS_REJECTED1", standing: Standing::Declined, status: None },
        StatusRow { word: "STATUS_FAILED", standing: Standing::Declined, status: None },
        StatusRow { word: "STATUS_EXPIRED", standing: Standing::Expired, status: None },
        StatusRow { word: "STATUS_ABORTED", standing: Standing::Cancelled, status: None },
        StatusRow { word: "STATUS_ABORTED1", standing: Standing::Cancelled, status: None },
    ],
    card_data: CardData::None,
    pages: Pages::NONE,
    unknown_fate: UnknownFate::Accepted,
    release_again: true,
    single_use_field: None,
};

const PAY_IN_FIELDS: [RequestField; 20] = [
    RequestField::required("name", FieldRule::Own(read_name)),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("phone", FieldRule::Own(read_phone)),
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("userIp", FieldRule::IpAddress),
    RequestField::optional("userId", FieldRule::UserId),
    BRAND_ID,
    RequestField::optional("currency", FieldRule::OnlyCurrency(CURRENCY)),
    RequestField::optional("countryCode", FieldRule::Country),
    RequestField::optional("address", FieldRule::Object),
    RequestField::optional("address.line1", ADDRESS_LINE),
    RequestField::optional("address.line2", ADDRESS_LINE),
    RequestField::optional("address.city", ADDRESS_LINE),
    RequestField::optional("address.state", ADDRESS_LINE),
    RequestField::optional("address.postalCode", ADDRESS_LINE),
    RequestField::optional("address.country", FieldRule::Country),
    RequestField::optional("kycVerified", FieldRule::Bool),
    RequestField::optional("userBalance", FieldRule::Number),
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
];

const PAY_OUT_FIELDS: [RequestField; 15] = [
    RequestField::required("payoutType", FieldRule::OneOf(&[ETO, ACH])),
    RequestField::required("name", FieldRule::Own(read_name)),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("userIp", FieldRule::IpAddress),
    RequestField::required("mobile", FieldRule::Own(read_mobile)).when("payoutType", ETO),
    RequestField::required("bank", FieldRule::Object).when("payoutType", ACH),
    RequestField::required("bank.institution", FieldRule::Own(|text| digits(text, 3..=3, "must be 3 digits")))
        .when("payoutType", ACH),
    RequestField::required("bank.transit", FieldRule::Own(|text| digits(text, 5..=5, "must be 5 digits")))
        .when("payoutType", ACH),
    RequestField::required("bank.account", FieldRule::OwnSecret(|text| digits(text, 7..=12, "must be 7 to 12 digits")))
        .when("payoutType", ACH),
    RequestField::optional("userId", FieldRule::UserId),
    RequestField::optional("currency", FieldRule::OnlyCurrency(CURRENCY)),
    MERCHANT_REFERENCE,
    BRAND_ID,
    IS_TEST_MODE,
];

fn is_campaign(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>, sentence: &'static str) -> Result<String, &'static str> {
    let good = length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if good { Ok(text.to_owned()) } else { Err(sentence) }
}

fn read_name(text: &str) -> Result<String, &'static str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let name = words.join(" ");
    match words.len() {
        0 | 1 => Err("must contain a first and a last name"),
        _ if name.chars().count() > NAME_MAX_CHARS => Err("must be at most 128 characters"),
        _ => Ok(name),
    }
}

/// `^1?[2-9][0-9]{9}$` [published].
fn read_phone(text: &str) -> Result<String, &'static str> {
    const SENTENCE: &str = "must be 10 digits, or 11 digits starting with 1";
    let national = if text.len() == 11 { text.strip_prefix('1') } else { Some(text) };
    let national = national.filter(|rest| matches!(rest.bytes().next(), Some(b'2'..=b'9'))).ok_or(SENTENCE)?;
    digits(national, 10..=10, SENTENCE).map(|_| text.to_owned())
}

/// Looser than `phone`: the published example's `07700900000` passes.
fn read_mobile(text: &str) -> Result<String, &'static str> {
    digits(text, 10..=11, "must be 10 or 11 digits")
}

/// Gigadat's type of an order.
fn rail(order: &Order) -> &'static str {
    match (order.operation, order.fields.text("payoutType")) {
        (Operation::PayIn, _) => "CPI",
        (Operation::PayOut, Some(ACH)) => ACH,
        (Operation::PayOut, _) => ETO,
    }
}

impl Provider for Gigadat {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn matrix_row(&self) -> MatrixRow {
        MatrixRow { pay_out: "yes (ETO, ACH)".into(), ..MatrixRow::of(&DESCRIPTOR) }
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        match task {
            Task::PayIn | Task::PayOut => wire::ask_token(cx, wire::FIRST),
            Task::Finalise | Task::ReleaseAgain => inquiry::before_release(cx),
            Task::Inquire => inquiry::begin(cx),
            Task::Test => wire::test(cx),
            Task::Continue => Finding::anomaly("Gigadat has no such step").step(),
        }
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        let step = match sent.step.as_str() {
            wire::TOKEN => wire::token_given(cx, sent, reply),
            wire::REGISTER => wire::registered(cx, reply),
            wire::RELEASE => inquiry::released(task, cx, reply),
            wire::STATUS => inquiry::answered(task, cx, sent, reply),
            wire::TEST => wire::tested(cx, reply),
            other => Finding::anomaly(format!("Gigadat has no step {}", kit::provider_text(other))).step(),
        };
        published::step(cx, once::step(task, cx, step))
    }

    fn read_callback(&self, _account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        callback::read(callback)
    }

    fn destination(&self, order: &Order) -> Option<Destination> {
        if order.operation != Operation::PayOut {
            return None;
        }
        if rail(order) == ACH {
            let (bank, account) =
                (format!("{}-{}", order.text("bank.institution"), order.text("bank.transit")), order.text("bank.account"));
            let last_three = account.get(account.len().saturating_sub(3)..).unwrap_or_default();
            return Some(Destination {
                full: format!("{ACH} {bank}-{account}"),
                masked: format!("{ACH} {bank}-***{last_three}"),
            });
        }
        let (email, mobile) = (order.text("email"), order.text("mobile"));
        Some(Destination {
            full: format!("{} {mobile}", email.to_lowercase()),
            masked: format!("{} {}", kit::mask_email(email), kit::mask_middle(mobile, 0, 4)),
        })
    }
}
