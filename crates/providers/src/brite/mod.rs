//! Brite: open-banking instant payments. The payer authenticates at the bank on Brite's page; Brite calls back, unsigned.

mod inquiry;
#[cfg(test)]
mod tests;
mod wire;

use crate::api::{
    Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Context, Finding, Provider, Remember, Reply, Sent,
    Standing, Step, Task,
};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE, NAME,
    NOT_FOUND_AFTER_S, OperationSpec, RequestField, Setting, SettingRule, Signal, StatusRow, UnknownFate,
};
use crate::docs::MatrixRow;
use crate::pages::Pages;
use crate::{kit, once, published};
use domain::{ErrorCode, Json};

/// The provider.
#[derive(Debug)]
pub struct Brite;

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "BRITE",
    name: "brite",
    title: "Brite",
    kind: "Open-banking instant payment (Europe)",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"BRITE","type":"PAYIN","baseamount":50.00,"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}"#,
    }),
    pay_out: None,
    webhooks: true,
    redirect_field: Some("url"),
    settings: &[
        Setting::account_name(true),
        Setting::plain(
            "publicKey",
            true,
            SettingRule::EnvironmentKey { min: 1, max: 256, sandbox_prefix: "sandbox-" },
            "Brite public key",
        ),
        Setting::secret("secret", true, SettingRule::VisibleAscii { min: 1, max: 256, without: None }, "Brite secret"),
        Setting::site_url(false),
        Setting::webhook_url(false),
        Setting::IS_WEBHOOK_SECURED,
        Setting::BASE_URL,
    ],
    setting_aliases: &[],
    base_urls: BaseUrls {
        sandbox: Some("https://sandbox.britepaymentgroup.com"),
        // Brite sheet, Upstream: seen at third parties, to be confirmed.
        production: Some("https://production.britepaymentgroup.com"),
        simulator_path: "",
    },
    callbacks: Callbacks { per_transaction: true, per_account: false, by_get: false },
    // Brite's own limit is 60 s.
    limits: CallLimits { answer_ms: 65_000, ..CallLimits::COMMON },
    not_found_after_s: NOT_FOUND_AFTER_S,
    assumed_protocol: None,
    errors: &[
        ErrorRow { row: 3, signal: Signal::Http(&[401, 403, 404]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    statuses: &STATUSES,
    unknown_fate: UnknownFate::Accepted,
    release_again: false,
    card_data: CardData::None,
    pages: Pages::NONE,
    single_use_field: None,
};

const PAY_IN_FIELDS: [RequestField; 17] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    // The market and its bank list: a choice of the payer's, which no claim replaces.
    RequestField::required("country", FieldRule::Country).chosen(),
    RequestField::optional("firstName", NAME),
    RequestField::optional("lastName", NAME),
    RequestField::optional("dob", FieldRule::Date { past: true }),
    RequestField::optional("address", FieldRule::Object),
    RequestField::optional("address.line1", FieldRule::Text { min: 1, max: 100 }),
    RequestField::optional("address.city", FieldRule::Text { min: 1, max: 100 }),
    RequestField::optional("address.postalCode", FieldRule::Text { min: 1, max: 100 }),
    RequestField::optional("locale", FieldRule::Own(kit::language_tag)),
    RequestField::optional("siteUrl", FieldRule::MerchantUrl),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
];

/// Brite sheet, session and transaction states. An aborted one may also have run out or been cancelled: its `error_code` says.
static STATUSES: [StatusRow; 21] = [
    state("session 0", Standing::Pending, "CREATED"),
    state("session 1", Standing::Pending, "AUTHENTICATION_STARTED"),
    state("session 2", Standing::Pending, "AUTHENTICATION_COMPLETED"),
    state("session 3", Standing::Pending, "BANK_ACCOUNT_SELECTION_STARTED"),
    state("session 4", Standing::Pending, "BANK_ACCOUNT_SELECTION_COMPLETED"),
    state("session 5", Standing::Pending, "DEPOSIT_STARTED"),
    state("session 6", Standing::Pending, "RECIPIENT_APPROVAL_STARTED"),
    state("session 7", Standing::Pending, "RECIPIENT_APPROVAL_COMPLETED"),
    state("session 8", Standing::Pending, "TRANSACTION_APPROVAL_STARTED"),
    state("session 9", Standing::Pending, "TRANSACTION_APPROVAL_COMPLETED"),
    state("session 10", Standing::Declined, "ABORTED"),
    state("session 11", Standing::Declined, "FAILED"),
    // The payer is done; whether the money comes is the transaction's to say.
    state("session 12", Standing::Pending, "COMPLETED"),
    state("transaction 0", Standing::Pending, "CREATED"),
    state("transaction 1", Standing::Pending, "PENDING"),
    state("transaction 2", Standing::Declined, "ABORTED"),
    state("transaction 3", Standing::Declined, "FAILED"),
    // The money is not confirmed.
    state("transaction 4", Standing::Pending, "COMPLETED"),
    state("transaction 5", Standing::Approved, "CREDIT"),
    state("transaction 6", Standing::Approved, "SETTLED"),
    state("transaction 7", Standing::Reversed, "DEBIT"),
];

const fn state(word: &'static str, standing: Standing, status: &'static str) -> StatusRow {
    StatusRow { word, standing, status: Some(status) }
}

impl Provider for Brite {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        match task {
            Task::PayIn => wire::create_deposit(cx, false),
            Task::Inquire => inquiry::begin(cx),
            Task::Test => wire::authorize(cx, Json::Null),
            Task::PayOut | Task::Finalise | Task::ReleaseAgain | Task::Continue => {
                Finding::anomaly("Brite has no such step").step()
            }
        }
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        let step = match sent.step.as_str() {
            wire::AUTHORIZE => wire::authorized(task, cx, sent, reply),
            // A token may be revoked at any time: one new one, and the call once more. Nothing was done for the refused one.
            _ if wire::is_unauthorized(reply) && !wire::is_repeat(sent) => wire::authorize(cx, wire::repeated(sent)),
            wire::CREATE_DEPOSIT => wire::created(cx, reply),
            _ => inquiry::resume(cx, sent, reply),
        };
        published::step(cx, once::step(task, cx, step))
    }

    fn remember(&self, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Option<Remember> {
        wire::remember(cx, sent, reply)
    }

    fn matrix_row(&self) -> MatrixRow {
        MatrixRow {
            outcome_by: "callback from Brite to us".into(),
            url_field: "`url` [decided]".into(),
            ..MatrixRow::of(self.descriptor())
        }
    }

    /// Unsigned and sent in the open, so a hint only; the numbers in it say nothing, for their order is not guaranteed.
    fn read_callback(&self, _account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        if callback.method != "POST" {
            return CallbackReading::refused(405);
        }
        // It came to a transaction's own address: that one is asked about, whatever is in it.
        let body = callback.json().filter(Json::is_object).unwrap_or_else(|| Json::object::<String>([]));
        let ids = ["transaction_id", "session_id"].into_iter();
        let hint = Json::object(ids.filter_map(|name| Some((name, Json::text(kit::token(&body, name)?)))));
        CallbackReading { answer: CallbackAnswer::empty(200), outcome: CallbackOutcome::Hint(hint), locate: None }
    }
}
