//! Worldpay's own side (WPG, "Corporate Gateway"), written from the Worldpay sheet. `baseUrl` of a connector:
//! `{simulator}/worldpay`; its `threeDsChallengeUrl`: `{simulator}/worldpay/V2/Cruise/StepUp`.
//!
//! Account: `PUT /control/worldpay/accounts/{merchantCode}` with
//! `{"xmlUsername","xmlPassword","installationId","macKind":"mac2"|"mac","macSecret","adminCode","threeDsIssuer",
//! "threeDsOrgUnitId","threeDsJwtKey","notificationUrl","merchant"}`; only the first three are required. Without
//! `macSecret` redirects carry no MAC, without the three `threeDs...` no challenge can be opened, without
//! `notificationUrl` (`callbackUrl` as well) nothing is notified. `adminCode` (the first part of a redirect's `orderKey`) is the
//! merchant code unless it is given; `merchant` is shown on the pages.
//! How Worldpay tells of refunds differs by service level, so `"balances"` (`true`), `"settlementCurrency"` (none: the order's),
//! `"refundReferences"` (`false`: empty, as the console sends them; else 12 digits) and `"issuerResponseCodes"` (`false`) may be
//! given too.
//!
//! Ledger: a payment at AUTHORISED (that is when the platform calls it paid, whatever `captureDelay` is), returned
//! when it is voided, refunded or charged back. References: `orderCode`, `reference/@id`.
//! State words: `lastEvent` of the payment that counts, `OPEN` before there is one.

mod api;
mod balance;
mod card;
mod challenge;
mod direct;
mod jwt;
mod mac;
mod order;
mod outcome;
mod page;
mod shape;
mod told;
mod xml;

use money::Currency;
use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Error, Pressed, Provider, Reply, Tx, is_http_url};
use mac::MacKind;
use order::Order;

/// The one address of submit and inquiry.
const SERVICE: &str = "/jsp/merchant/xml/paymentService.jsp";
/// The hosted page.
const HOSTED_PAGE: &str = "/app/hpp/integration/wpg/corporate";
/// The challenge page, and where its buttons lead.
const STEP_UP: &str = "/V2/Cruise/StepUp";
const STEP_UP_ANSWER: &str = "/V2/Cruise/StepUp/answer";
/// A ticket of the hosted page lives this long (unscaled).
const TICKET_LIFE_MS: u64 = 2 * 3_600_000;
/// Scenario 09: the second payment comes this long after the notification of the first (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;
/// HS256 wants a key of at least this many bytes.
const JWT_KEY_MIN_BYTES: usize = 32;

/// The simulator.
pub(crate) struct Worldpay;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Account {
    xml_username: String,
    xml_password: String,
    installation_id: String,
    #[serde(default)]
    mac_kind: MacKind,
    mac_secret: Option<String>,
    admin_code: Option<String>,
    three_ds_issuer: Option<String>,
    three_ds_org_unit_id: Option<String>,
    three_ds_jwt_key: Option<String>,
    #[serde(alias = "callbackUrl")]
    notification_url: Option<String>,
    #[serde(default = "demo_merchant")]
    merchant: String,
    /// Whether a payment's `<balance>` is told once money has moved.
    #[serde(default = "yes")]
    balances: bool,
    /// What is settled is settled in this currency.
    settlement_currency: Option<String>,
    /// Refunds have references of 12 digits; else empty ones, as those of the console.
    #[serde(default)]
    refund_references: bool,
    /// Refusals say the issuer's code (`IssuerResponseCode`) instead of Worldpay's own.
    #[serde(default)]
    issuer_response_codes: bool,
}

fn yes() -> bool {
    true
}

fn demo_merchant() -> String {
    "Demo company".to_owned()
}

impl Provider for Worldpay {
    fn name(&self) -> &'static str {
        "worldpay"
    }

    fn is_page(&self, path: &str) -> bool {
        path == HOSTED_PAGE || path == STEP_UP || path == STEP_UP_ANSWER
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        api::answer(tx, call)
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        match call.path.as_str() {
            HOSTED_PAGE => page::answer(tx, call),
            STEP_UP => challenge::open(tx, call),
            _ => challenge::press(tx, call),
        }
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        for (name, value) in [
            ("xmlUsername", &account.xml_username),
            ("xmlPassword", &account.xml_password),
            ("installationId", &account.installation_id),
        ] {
            if value.is_empty() {
                return Err(format!("{name} must not be empty"));
            }
        }
        if account.three_ds_jwt_key.is_some_and(|key| key.len() < JWT_KEY_MIN_BYTES) {
            return Err("threeDsJwtKey must have at least 32 bytes".to_owned());
        }
        if account.settlement_currency.as_deref().is_some_and(|code| Currency::from_code(code).is_none()) {
            return Err("settlementCurrency must be an ISO 4217 code".to_owned());
        }
        match account.notification_url {
            Some(url) if !is_http_url(&url) => Err("notificationUrl must be an address".to_owned()),
            _ => Ok(()),
        }
    }

    fn account_aliases(&self, body: &Value) -> Vec<String> {
        body["xmlUsername"].as_str().map(str::to_owned).into_iter().collect()
    }

    fn more_outcomes(&self) -> &'static [&'static str] {
        &["refund", "chargeback"]
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        match tx.find::<Order>(reference)? {
            Some((key, mut order)) => order.reach(tx, &key, outcome),
            None => Ok(Pressed::Unknown),
        }
    }

    fn part(&self, tx: &Tx<'_>, reference: &str, outcome: &str, minor_units: i64) -> Result<Pressed, Error> {
        match tx.find::<Order>(reference)? {
            Some((key, mut order)) => order.reach_part(tx, &key, outcome, minor_units),
            None => Ok(Pressed::Unknown),
        }
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        let index = match order.counting() {
            Some(index) => index,
            None => order.add_payment(None),
        };
        order.became(tx, &key, index, word, None)?;
        Ok(Pressed::Done(order.state()))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Order>(reference)?.map(|(_, order)| order.state()))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        match tx.load::<Order>(key)? {
            Some(mut order) => order.happens(tx, key, event),
            None => Ok(()),
        }
    }

    fn blanked(&self, text: &str) -> String {
        card::blanked(text)
    }
}
