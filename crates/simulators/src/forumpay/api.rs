//! The API below `/pay/v2/`: Basic authentication, parameters in the query or in a form, `err` answers with HTTP 200.

use http::Method;
use money::{Currency, Money};
use serde_json::{Value, json};
use uuid::Uuid;

use super::coins::{Coin, coin, first};
use super::order::{BLOCKED, CANCELLED, CONFIRMED, Ending, Order, PROCESSING, Payment, QUOTED, UNDERPAYMENT, WAITING};
use super::{Account, ask, buy};
use crate::kit::{Call, Callback, Direction, Error, Reply, Tx, date_of, is_http_url, random_hex, random_token, same_text};

pub(super) const WAIT_TIME: &str = "20 minutes";
const LIST_MAX: usize = 100;
/// The point of sale of a payment link's payments, where the link names none.
const LINK_POS_ID: &str = "widget";

/// The caller's account, and the parameters of its call.
pub(super) struct Asked {
    pub(super) digest: String,
    account: Account,
    parameters: Vec<(String, String)>,
}

/// Why a call is refused with `err`.
pub(super) struct Refusal {
    text: String,
    code: &'static str,
}

pub(super) type Outcome<T> = Result<T, Refusal>;

pub(super) fn refusal(text: impl Into<String>, code: &'static str) -> Refusal {
    Refusal { text: text.into(), code }
}

impl Refusal {
    fn reply(&self) -> Reply {
        Reply::json(200, &json!({"err": self.text, "err_code": self.code}))
    }
}

impl Asked {
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Outcome<&str> {
        self.optional(name).ok_or_else(|| refusal(format!("Parameter {name} is required"), "missingParameter"))
    }

    pub(super) fn payer_id(&self) -> Outcome<&str> {
        let payer = self.optional("payer_id").ok_or_else(|| refusal("Payer ID is required", "payerIdRequired"))?;
        if self.account.payer_ids.iter().any(|known| known == payer) {
            Ok(payer)
        } else {
            Err(refusal("Payer is not known", "payerUnknown"))
        }
    }

    fn url(&self, name: &str) -> Outcome<Option<String>> {
        match self.optional(name) {
            Some(url) if !is_http_url(url) => Err(refusal(format!("Parameter {name} is not an address"), "invalidUrl")),
            url => Ok(url.map(str::to_owned)),
        }
    }

    /// `invoice_amount` and `invoice_currency`: exactly the currency's digits, above zero.
    pub(super) fn money(&self) -> Outcome<Money> {
        let code = self.required("invoice_currency")?;
        let text = self.required("invoice_amount")?;
        let currency =
            Currency::from_code(code).ok_or_else(|| refusal("Invoice currency is not supported", "currencyNotSupported"))?;
        match Money::parse_decimal(text, currency) {
            Ok(money) if money.to_fixed() != text => Err(refusal("Invoice amount is not valid", "invalidAmount")),
            Ok(money) if money.minor() <= 0 => Err(refusal("Invoice amount is too low", "amountTooLow")),
            Ok(money) => Ok(money),
            Err(_) => Err(refusal("Invoice amount is not valid", "invalidAmount")),
        }
    }

    pub(super) fn coin(&self) -> Outcome<&'static Coin> {
        coin(self.required("currency")?).ok_or_else(|| refusal("Currency is not supported", "currencyNotSupported"))
    }
}

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let Some((digest, account)) = authenticate(tx, call)? else {
        return Ok(unauthorized());
    };
    let segments = call.segments();
    let ["pay", "v2", action] = segments.as_slice() else {
        return Ok(unknown_action());
    };
    let method = match *action {
        "CreatePaymentLink" => Method::POST,
        "GetBuyRate" | "StartBuyOrder" | "ConfirmBuyOrder" | "CheckPayment" | "GetTransactions" | "Ping" => Method::GET,
        _ => return Ok(unknown_action()),
    };
    if call.method != method {
        return Ok(Reply::json(405, &json!({"err": "Method not allowed", "err_code": "methodNotAllowed"})));
    }
    let form = call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if method == Method::POST && !form {
        return Ok(Reply::json(415, &json!({"err": "Unsupported media type", "err_code": "unsupportedMediaType"})));
    }
    let parameters = if method == Method::POST { call.form_pairs() } else { call.query_pairs() };
    let asked = Asked { digest, account, parameters };
    let answered = match *action {
        "CreatePaymentLink" => create_link(tx, call, &asked)?,
        "GetBuyRate" => buy::rate(tx, &asked)?,
        "StartBuyOrder" => buy::start(tx, &asked)?,
        "ConfirmBuyOrder" => buy::confirm(tx, &asked)?,
        "CheckPayment" => check_payment(tx, &asked)?,
        "GetTransactions" => transactions(tx, &asked)?,
        _ => ping(tx, &asked)?,
    };
    Ok(answered.unwrap_or_else(|refusal| refusal.reply()))
}

fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Option<(String, Account)>, Error> {
    let Some((user, password)) = call.basic() else {
        return Ok(None);
    };
    Ok(tx.account::<Account>(&user)?.filter(|(_, account)| same_text(&account.password, &password)))
}

fn unauthorized() -> Reply {
    Reply::json(401, &json!({"err": "Unauthorized", "err_code": "unauthorized"}))
        .header("www-authenticate", "Basic realm=\"ForumPay\"")
}

fn unknown_action() -> Reply {
    Reply::json(404, &json!({"err": "Unknown action", "err_code": "unknownAction"}))
}

fn create_link(tx: &Tx<'_>, call: &Call, asked: &Asked) -> Result<Outcome<Reply>, Error> {
    ask!(asked.payer_id());
    let money = ask!(asked.money());
    let reference = ask!(asked.required("reference_no"));
    for name in ["widget_type", "payer_email", "locale", "secure_link", "webhook_url"] {
        ask!(asked.required(name));
    }
    let mut order = Order {
        account: asked.digest.clone(),
        direction: Direction::In,
        reference: reference.to_owned(),
        pos_id: asked.optional("pos_id").unwrap_or(LINK_POS_ID).to_owned(),
        invoice_currency: money.currency().code().to_owned(),
        invoice_amount: money.to_fixed(),
        webhook_url: ask!(asked.url("webhook_url")),
        success_url: ask!(asked.url("redirect_url_on_success")),
        failure_url: ask!(asked.url("redirect_url_on_failure")),
        payments: Vec::new(),
        confirm_taken: false,
        confirm_failed: false,
    };
    if let Some(fault) = fault_before(order.scenario(), true) {
        return Ok(Ok(fault));
    }
    let key = random_hex(24);
    tx.insert(&key, &[reference], &order)?;
    if tx.settings()?.forge_callbacks {
        order.forge(tx, &key)?;
    }
    let link = Reply::json(200, &json!({"url": format!("{}/invoice/{key}", call.base)}));
    if order.scenario() == 10 {
        let index = order.add_payment(tx, &key, first())?;
        let job = order.end(tx, &key, index, Ending::Confirmed)?;
        return Ok(Ok(link.after(job.map(|job| tx.sent_once(job)))));
    }
    tx.schedule_auto_settle(&key, "auto")?;
    Ok(Ok(match order.scenario() {
        11 => link.cut_after("{\"url\":".len()),
        12 => Reply::close(),
        _ => link,
    }))
}

/// The faults of the first call, where nothing is taken. 04 strikes there only for payment links.
pub(super) fn fault_before(scenario: u8, link: bool) -> Option<Reply> {
    match scenario {
        4 if link => Some(Reply::json(500, &json!({"message": "Internal server error"}))),
        5 => Some(Reply::hang()),
        6 => Some(Reply::rate_limited(&json!({"message": "Too many requests"}))),
        7 => Some(unauthorized()),
        _ => None,
    }
}

fn check_payment(tx: &Tx<'_>, asked: &Asked) -> Result<Outcome<Reply>, Error> {
    let pos_id = ask!(asked.required("pos_id"));
    let currency = ask!(asked.required("currency"));
    let payment_id = ask!(asked.required("payment_id"));
    let address = ask!(asked.required("address"));
    // A payment is only known by its own id here, never by a reference.
    let order = if Uuid::parse_str(payment_id).is_ok() { tx.find::<Order>(payment_id)? } else { None };
    let found = order.filter(|(_, order)| order.account == asked.digest && order.pos_id == pos_id).and_then(|(_, order)| {
        let payment = order.payments.iter().find(|payment| {
            payment.payment_id == payment_id && payment.coin == currency && payment.address == address && payment.state != QUOTED
        });
        payment.map(|payment| payment_told(tx, &order, payment))
    });
    Ok(found.map(|told| Reply::json(200, &told)).ok_or_else(|| refusal("Payment was not found", "paymentNotFound")))
}

fn time(at_ms: i64) -> String {
    date_of(at_ms, "%Y-%m-%d %H:%M:%S")
}

/// A payment as CheckPayment tells it: it names the reference, and says with booleans what became of it.
fn payment_told(tx: &Tx<'_>, order: &Order, payment: &Payment) -> Value {
    let uncertain = payment.state == PROCESSING || payment.is_in_review();
    let mut told = json!({
        "reference_no": order.reference, "inserted": time(payment.inserted_ms),
        "invoice_amount": order.amount_of(payment), "invoice_currency": order.invoice_currency, "type": kind(order),
        "amount": payment.amount, "currency": payment.coin,
        "confirmed": payment.is_confirmed(), "confirmed_time": payment.confirmed_ms.map(time),
        "cancelled": payment.has_lapsed(), "cancelled_time": payment.cancelled_ms.map(time), "reason": payment.reason,
        "status": display(tx, payment), "state": payment.state,
        "wait_time": if payment.is_alive() { WAIT_TIME } else { "0 minutes" },
        "confirmations": if payment.is_confirmed() { 6 } else { 0 },
        "unconfirmed_amount": if uncertain { payment.amount.as_str() } else { "0" },
        "payment": if uncertain { "0" } else { payment.received.as_str() },
    });
    if payment.state == UNDERPAYMENT {
        told["underpayment"] = json!({"missing_amount": payment.missing, "address": payment.address});
    }
    if order.direction == Direction::Out {
        told["transfer_crypto_status"] = json!(payment.state);
    }
    told
}

/// A payment as GetTransactions lists it, in the form of the official client's fixture: the reference is not in it, and what
/// became of it is a time or null.
fn payment_listed(tx: &Tx<'_>, order: &Order, payment: &Payment) -> Value {
    let coin = coin(&payment.coin).zip(order.money());
    json!({
        "state": payment.state, "status": display(tx, payment), "status_loc": display(tx, payment), "pos_id": order.pos_id,
        "invoice_currency": order.invoice_currency, "invoice_amount": order.amount_of(payment), "currency": payment.coin,
        "amount": payment.amount, "amount_exchange": coin.map(|(coin, money)| coin.exchanged(money)),
        "network_processing_fee": coin.map(|(coin, _)| coin.fee()), "address": payment.address, "type": kind(order),
        "payment": payment.received, "refund": null, "inserted": time(payment.inserted_ms),
        "confirmed": payment.confirmed_ms.map(time), "cancelled": payment.cancelled_ms.map(time),
        "access_token": random_token(), "sid": random_hex(16), "payment_id": payment.payment_id,
    })
}

fn kind(order: &Order) -> &'static str {
    if order.direction == Direction::In { "Sell" } else { "Buy" }
}

/// Text for a person; never meant for logic.
fn display(tx: &Tx<'_>, payment: &Payment) -> String {
    let left_s = payment.expires_ms.saturating_sub(tx.now_ms).max(0) / 1_000;
    match payment.state.as_str() {
        WAITING if payment.expires_ms < i64::MAX => {
            format!("Waiting for payment ({}:{:02})", left_s / 60, left_s % 60)
        }
        WAITING => "Waiting".to_owned(),
        PROCESSING => "Processing".to_owned(),
        UNDERPAYMENT => "Partially paid".to_owned(),
        CONFIRMED => "Confirmed".to_owned(),
        CANCELLED => "Cancelled".to_owned(),
        BLOCKED => "In review".to_owned(),
        other => other.to_owned(),
    }
}

fn transactions(tx: &Tx<'_>, asked: &Asked) -> Result<Outcome<Reply>, Error> {
    let reference = ask!(asked.required("reference_no"));
    let number = |name: &str, default: usize| match asked.optional(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| refusal(format!("Parameter {name} is not a number"), "invalidParameter")),
    };
    let offset = ask!(number("offset", 0));
    let limit = ask!(number("limit", LIST_MAX)).min(LIST_MAX);
    let mut invoices = Vec::new();
    for key in tx.keys_of(reference)? {
        let Some(order) = tx.load::<Order>(&key)? else {
            continue;
        };
        // A payment's id is a name of its order too, but no reference.
        if order.account != asked.digest || order.reference != reference {
            continue;
        }
        // Without `pos_id` all points of sale are meant; with it, that one alone.
        if asked.optional("pos_id").is_some_and(|pos_id| pos_id != order.pos_id) {
            continue;
        }
        invoices.extend(order.payments.iter().map(|payment| payment_listed(tx, &order, payment)));
    }
    let page: Vec<Value> = invoices.into_iter().skip(offset).take(limit).collect();
    Ok(Ok(Reply::json(200, &json!({"invoices": page}))))
}

fn ping(tx: &Tx<'_>, asked: &Asked) -> Result<Outcome<Reply>, Error> {
    if let Some(url) = ask!(asked.url("webhook_url")) {
        let mut test = Callback::post(&url, "application/json", json!({"webhook_test": random_hex(32)}).to_string());
        // A test is a test: it is not repeated.
        test.retry_at_ms.clear();
        tx.send("", &test)?;
    }
    Ok(Ok(Reply::json(200, &json!({"result": "pong"}))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    #[test]
    fn basic_is_read_as_the_sheet_writes_it() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Basic ZnAtdXNlcjpmcC1zZWNyZXQtcGFydDFwYXJ0Mg==".parse().unwrap());
        let call = Call {
            method: Method::GET,
            path: "/pay/v2/Ping/".into(),
            query: String::new(),
            headers,
            body: Bytes::new(),
            base: String::new(),
        };
        assert_eq!(call.basic().unwrap(), ("fp-user".to_owned(), "fp-secret-part1part2".to_owned()));
    }
}
