//! What Worldpay says, and where.

use super::NAME;
use crate::steps::next;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::world::Hands;

const SERVICE: &str = "/jsp/merchant/xml/paymentService.jsp";
/// A text that stands for the account's merchant code in documents made here.
const MERCHANT: &str = "MYMERCHANT";

/// Where Worldpay's notifications come in, and as whom.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) callback_url: String,
    merchant_code: String,
}

impl Account {
    pub(super) async fn of(hands: &Hands) -> Result<Self> {
        let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
        let methods = methods.body["data"]["items"].as_array().cloned().unwrap_or_default();
        let hosted = |method: &&Value| method["pspType"] == "WORLDPAY_EU" && method["config"]["integrationMode"] != "direct";
        let hosted = methods.iter().find(hosted).context("no account of hosted pages")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = hands.client.manage("GET", &format!("/payment-methods/{}", text(&hosted["id"])), None).await?;
        let data = &shown.body["data"];
        let account = Self {
            id: text(&hosted["id"]),
            callback_url: text(&data["callbackUrl"]),
            merchant_code: text(&data["config"]["merchantCode"]),
        };
        ensure!(!account.callback_url.is_empty() && !account.merchant_code.is_empty(), "{}", shown.body);
        // Nothing is captured by itself: the words are those of the rows.
        let path = format!("/payment-methods/{}", text(&hosted["id"]));
        let set = hands.client.manage("PATCH", &path, Some(json!({"config": {"captureDelay": "OFF"}}))).await?;
        ensure!(set.status == 200, "{}", set.body);
        Ok(account)
    }

    pub(super) async fn notify(&self, hands: &Hands, body: &str) -> Result<()> {
        let body = body.replace(MERCHANT, &self.merchant_code).into_bytes();
        let told = hands.client.send("POST", &self.callback_url, &[("content-type", "text/xml")], Some(body)).await?;
        ensure!(told.status == 200 && told.bytes == b"[OK]", "{} {:?}", told.status, told.bytes);
        Ok(())
    }
}

pub(super) fn document(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE paymentService PUBLIC \"-//WorldPay//DTD WorldPay PaymentService v1//EN\" \
         \"http://dtd.worldpay.com/paymentService_v1.dtd\"><paymentService version=\"1.4\" merchantCode=\"{MERCHANT}\">{inner}</paymentService>"
    )
}

fn amount(minor: i64, currency: &str, side: &str) -> String {
    format!("<amount value=\"{minor}\" currencyCode=\"{currency}\" exponent=\"2\" debitCreditIndicator=\"{side}\"/>")
}

/// A payment of 150.00, with more inside.
pub(super) fn payment(event: &str, more: &str) -> String {
    let whole = amount(15_000, "EUR", "credit");
    format!("<payment><paymentMethod>VISA-SSL</paymentMethod>{whole}<lastEvent>{event}</lastEvent>{more}</payment>")
}

pub(super) fn balance(account: &str, minor: i64, currency: &str, side: &str) -> String {
    format!("<balance accountType=\"{account}\">{}</balance>", amount(minor, currency, side))
}

pub(super) fn captured(minor: i64) -> String {
    balance("IN_PROCESS_CAPTURED", minor, "EUR", "credit")
}

pub(super) fn booking(account: &str, minor: i64, currency: &str) -> String {
    format!(
        "<accountTx accountType=\"{account}\" batchId=\"23\"><amount value=\"{minor}\" currencyCode=\"{currency}\" exponent=\"2\"/></accountTx>"
    )
}

/// A notification of a refund, as the console's have it.
pub(super) fn refund(id: &str, bookings: &str, day: u8, reference: &str) -> String {
    let date = format!("<bookingDate><date dayOfMonth=\"{day:02}\" month=\"01\" year=\"2026\"/></bookingDate>");
    let reference = format!("<journalReference type=\"refund\" reference=\"{reference}\"/>");
    let journal = format!("<journal journalType=\"REFUNDED\" sent=\"n\">{date}{bookings}{reference}</journal>");
    let payment = payment("REFUNDED", "<cardNumber>4444********1111</cardNumber>");
    document(&format!("<notify><orderStatusEvent orderCode=\"{id}\">{payment}{journal}</orderStatusEvent></notify>"))
}

/// The next answer to a call about a transaction.
pub(super) async fn next_document(hands: &Hands, about: &str, body: &str, times: u32) -> Result<()> {
    // A document without a merchant code is as good as one with ours.
    let body = body.replace(&format!(" merchantCode=\"{MERCHANT}\""), "");
    next(hands, NAME, json!({"http": 200, "path": SERVICE, "about": about, "body": body, "times": times})).await
}

pub(super) async fn next_record(hands: &Hands, id: &str, payments: &str, times: u32) -> Result<()> {
    next_document(
        hands,
        id,
        &document(&format!("<reply><orderStatus orderCode=\"{id}\">{payments}</orderStatus></reply>")),
        times,
    )
    .await
}
