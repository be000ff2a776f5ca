//! Cleo: bank transfers in Chile, Peru and Mexico. Everything here that is data; the wire is in `cleo_assumed_v0`.

mod beneficiary;
mod cleo_assumed_v0;
#[cfg(test)]
mod tests;

use crate::api::{Account, Callback, CallbackReading, Context, Destination, Order, Provider, Reply, Sent, Standing, Step, Task};
use crate::card::CardData;
use crate::descriptor::{
    BRAND_ID, BaseUrls, BodyTexts, CallLimits, Callbacks, Descriptor, ErrorRow, FieldRule, IS_TEST_MODE, MERCHANT_REFERENCE,
    NAME, NOT_FOUND_AFTER_ASSUMED_S, OperationSpec, Related, RequestField, Setting, SettingRule, Signal, StatusRow, UnknownFate,
};
use crate::docs::MatrixRow;
use crate::pages::Pages;
use crate::{once, published};
use domain::{ErrorCode, Operation};

/// The provider.
#[derive(Debug)]
pub struct Cleo;

/// A country that Cleo pays in: nothing else (published).
struct Country {
    code: &'static str,
    currency: &'static str,
    /// The setting that is its key.
    key: &'static str,
    /// The step of "Test connection" that tries the key.
    test: &'static str,
}

static COUNTRIES: [Country; 3] = [
    Country { code: "CL", currency: "CLP", key: "cleoApiKey.chileApiKey", test: "test_chile" },
    Country { code: "PE", currency: "PEN", key: "cleoApiKey.peruApiKey", test: "test_peru" },
    Country { code: "MX", currency: "MXN", key: "cleoApiKey.mexicoApiKey", test: "test_mexico" },
];

const KEY: SettingRule = SettingRule::VisibleAscii { min: 1, max: 256, without: None };
const LINE: FieldRule = FieldRule::Text { min: 1, max: 100 };

static DESCRIPTOR: Descriptor = Descriptor {
    psp_type: "CLEO",
    name: "cleo",
    title: "Cleo",
    kind: "Bank transfer (Chile, Peru, Mexico)",
    pay_in: Some(OperationSpec {
        fields: &PAY_IN_FIELDS,
        always_held: false,
        example: r#"{"pspType":"CLEO","type":"PAYIN","baseamount":10000.00,"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"CL","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{"line1":"Av. Uno 1","city":"Santiago","state":"RM","postalCode":"8320000","country":"CL"}}"#,
    }),
    pay_out: Some(OperationSpec {
        fields: &PAY_OUT_FIELDS,
        always_held: false,
        example: r#"{"pspType":"CLEO","type":"PAYOUT","baseamount":500.00,"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX","beneficiary":{"documentType":"RFC","documentNumber":"DOJO900115AB1","accountNumber":"032180000118359719"}}"#,
    }),
    webhooks: true,
    redirect_field: Some("url"),
    settings: &[
        // All three are required, also of a merchant in one country (published); only that of the request's country travels.
        Setting::secret("cleoApiKey.chileApiKey", true, KEY, "Key for `countryCode` `CL`"),
        Setting::secret("cleoApiKey.peruApiKey", true, KEY, "Key for `countryCode` `PE`"),
        Setting::secret("cleoApiKey.mexicoApiKey", true, KEY, "Key for `countryCode` `MX`"),
        Setting::plain(
            "customerExternalKeyForCleo",
            true,
            SettingRule::Text { min: 1, max: 100 },
            "Your external key identifier at Cleo",
        ),
        Setting::webhook_url(true),
        Setting::IS_WEBHOOK_SECURED,
        Setting::account_name(false),
        Setting::site_url(false),
        Setting::BASE_URL,
    ],
    setting_aliases: &[],
    // No address is known: an account without `baseUrl` is not configured.
    base_urls: BaseUrls { sandbox: None, production: None, simulator_path: "" },
    callbacks: Callbacks { per_transaction: true, per_account: false, by_get: false },
    limits: CallLimits::COMMON,
    not_found_after_s: NOT_FOUND_AFTER_ASSUMED_S,
    assumed_protocol: Some("cleo-assumed-v0"),
    errors: &[
        ErrorRow { row: 3, signal: Signal::Http(&[401, 403, 404]), code: ErrorCode::InvalidPspCredentials },
        ErrorRow { row: 4, signal: Signal::TimedOut, code: ErrorCode::PspTimeout },
        ErrorRow { row: 5, signal: Signal::Unavailable, code: ErrorCode::PspUnavailable },
        ErrorRow { row: 6, signal: Signal::Http(&[429]), code: ErrorCode::PspRateLimited },
        ErrorRow { row: 8, signal: Signal::Otherwise, code: ErrorCode::UnknownPspError },
    ],
    statuses: &[
        StatusRow { word: "PENDING", standing: Standing::Pending, status: None },
        StatusRow { word: "PROCESSING", standing: Standing::Pending, status: None },
        StatusRow { word: "COMPLETED", standing: Standing::Approved, status: None },
        StatusRow { word: "REJECTED", standing: Standing::Declined, status: None },
        StatusRow { word: "EXPIRED", standing: Standing::Expired, status: None },
        StatusRow { word: "CANCELLED", standing: Standing::Cancelled, status: None },
    ],
    unknown_fate: UnknownFate::AcceptedPending,
    release_again: false,
    card_data: CardData::None,
    pages: Pages::NONE,
    single_use_field: None,
};

static CURRENCY: Related = Related {
    shown: "one of CLP, PEN, MXN: the country's",
    secret: false,
    required: Related::never,
    check: |text, body| {
        if !COUNTRIES.iter().any(|country| country.currency == text) {
            return Err(format!("must be one of {}", COUNTRIES.each_ref().map(|country| country.currency).join(", ")));
        }
        match country_of(body) {
            Some(country) if country.currency != text => {
                Err(format!("must be {} for countryCode {}", country.currency, country.code))
            }
            _ => Ok(text.to_owned()),
        }
    },
};

/// Chooses key and currency ("selects API key", published): the body's, which no claim replaces.
const COUNTRY_CODE: RequestField = RequestField::required("countryCode", FieldRule::OneOf(&["CL", "PE", "MX"])).chosen();

const PAY_IN_FIELDS: [RequestField; 31] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("currency", FieldRule::Related(&CURRENCY)),
    RequestField::required("currencyCode", FieldRule::SameCurrency),
    RequestField::required("firstName", NAME),
    RequestField::required("lastName", NAME),
    RequestField::required("phone", FieldRule::Phone),
    RequestField::required("gender", FieldRule::Text { min: 1, max: 32 }),
    RequestField::required("dob", FieldRule::Date { past: true }),
    COUNTRY_CODE,
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
    RequestField::required("address.state", LINE),
    RequestField::required("address.postalCode", LINE),
    RequestField::required("address.country", FieldRule::Country),
    RequestField::optional("bonusCode", FieldRule::Text { min: 0, max: 64 }),
    BRAND_ID,
    RequestField::optional("siteUrl", FieldRule::MerchantUrl),
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
];

const PAY_OUT_FIELDS: [RequestField; 18] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Related(&CURRENCY)),
    RequestField::required("currencyCode", FieldRule::SameCurrency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::required("firstName", NAME),
    RequestField::required("lastName", NAME),
    COUNTRY_CODE,
    RequestField::optional("phone", FieldRule::Phone),
    BRAND_ID,
    MERCHANT_REFERENCE,
    IS_TEST_MODE,
    // The person paid is the user.
    RequestField::required("beneficiary", FieldRule::Object),
    RequestField::required("beneficiary.documentType", FieldRule::Related(&beneficiary::DOCUMENT_TYPE)),
    RequestField::required("beneficiary.documentNumber", FieldRule::Related(&beneficiary::DOCUMENT_NUMBER)),
    RequestField::optional("beneficiary.bankCode", FieldRule::Related(&beneficiary::BANK_CODE)),
    RequestField::optional("beneficiary.accountType", FieldRule::Related(&beneficiary::ACCOUNT_TYPE)),
    RequestField::required("beneficiary.accountNumber", FieldRule::Related(&beneficiary::ACCOUNT_NUMBER)),
];

/// The country of a request body, when it is one of the three.
fn country_of(body: &BodyTexts<'_>) -> Option<&'static Country> {
    by_code(body.text("countryCode")?)
}

fn by_code(code: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.code == code)
}

impl Provider for Cleo {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn begin(&self, task: Task, cx: &Context<'_>) -> Step {
        cleo_assumed_v0::begin(task, cx)
    }

    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
        published::step(cx, once::step(task, cx, cleo_assumed_v0::resume(cx, sent, reply)))
    }

    fn read_callback(&self, _account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        cleo_assumed_v0::read_callback(callback)
    }

    fn matrix_row(&self) -> MatrixRow {
        MatrixRow { url_field: "`url` [decided]".into(), ..MatrixRow::of(self.descriptor()) }
    }

    fn destination(&self, order: &Order) -> Option<Destination> {
        (order.operation == Operation::PayOut).then(|| beneficiary::destination(order))
    }
}
