//! ForumPay's calls and the answers to the creating ones. Sheet: "Upstream wire protocol".

use super::DESCRIPTOR;
use crate::api::{Call, CashierAnswer, Context, Doubt, Finding, Memo, Refusal, Reply, Standing, Step};
use crate::signals::{CERTAIN_REFUSALS, certainly_refused, judge};
use crate::{kit, redact};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::urls::{ReturnResult, return_address};
use domain::{ErrorCode, Json, Secret, amounts};

pub(super) const CREATE_PAYMENT_LINK: &str = "CreatePaymentLink";
pub(super) const GET_BUY_RATE: &str = "GetBuyRate";
pub(super) const START_BUY_ORDER: &str = "StartBuyOrder";
pub(super) const CONFIRM_BUY_ORDER: &str = "ConfirmBuyOrder";
pub(super) const CHECK_PAYMENT: &str = "CheckPayment";
pub(super) const GET_TRANSACTIONS: &str = "GetTransactions";
pub(super) const PING: &str = "Ping";

/// Where CreatePaymentLink's answer has the page's address, the first that is set.
const LINK_URL_FIELDS: [&str; 4] = ["url", "payment_link", "link", "access_url"];
/// `pos_id` of an account without `posId`.
const DEFAULT_POS_ID: &str = "mozarto";
/// What StartBuyOrder's answer gives to the merchant, in the published order; `amount` is the fiat one.
const HOLD_MEMBERS: &str = "invoice_currency invoice_amount currency payment_source wait_time network_processing_fee rate \
    amount_exchange amount fast_transaction_fee fast_transaction_fee_currency payment_id reference_no address access_token";

/// One payment of a reference: what CheckPayment asks for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Payment {
    pub(super) pos_id: String,
    pub(super) currency: String,
    pub(super) payment_id: String,
    pub(super) address: String,
}

impl Payment {
    /// From a list entry, a callback or a memo; `None` when anything is missing.
    pub(super) fn read(record: &Json, cx: &Context<'_>) -> Option<Self> {
        Some(Self {
            pos_id: kit::token(record, "pos_id").unwrap_or(pos_id(cx)).to_owned(),
            currency: kit::token(record, "currency")?.to_owned(),
            payment_id: kit::token(record, "payment_id")?.to_owned(),
            address: kit::token(record, "address")?.to_owned(),
        })
    }
}

// --- requests ---------------------------------------------------------------------------------

pub(super) fn pos_id<'a>(cx: &Context<'a>) -> &'a str {
    cx.account.settings.text("posId").unwrap_or(DEFAULT_POS_ID)
}

/// A call of an action. `pos_id` stands first where the call has it.
fn call(cx: &Context<'_>, action: &'static str, method: &'static str, parameters: &[(&str, &str)], doubt: Doubt) -> Call {
    let url = format!("{}/{action}/", cx.account.base_url);
    let credentials = format!("{}:{}", cx.account.text("username"), cx.account.text("password"));
    let mut headers = vec![("authorization", Secret::new(format!("Basic {}", STANDARD.encode(credentials))))];
    let encoded = kit::form(parameters);
    let shown = kit::host_and_path(&url);
    let (url, body) = if method == "POST" {
        headers.push(("content-type", Secret::new("application/x-www-form-urlencoded")));
        (url, encoded.into_bytes())
    } else {
        (if encoded.is_empty() { url } else { format!("{url}?{encoded}") }, Vec::new())
    };
    Call { step: action, method, url, shown, headers, body, doubt, memo: None, scratch: Json::Null, answer_limit_ms: None }
}

pub(super) fn create_payment_link(cx: &Context<'_>) -> Step {
    let order = cx.order;
    let (reference, amount) = (order.reference.to_string(), order.amount.to_fixed());
    let mut parameters = vec![
        ("invoice_amount", amount.as_str()),
        ("invoice_currency", order.amount.currency().code()),
        ("widget_type", "0"),
        ("reference_no", reference.as_str()),
        ("payer_id", cx.account.text("forumpayUserId")),
        ("payer_email", order.text("email")),
        ("locale", "en-GB"),
        ("secure_link", "true"),
        ("webhook_url", cx.callback_url),
    ];
    let site = order.fields.text("siteUrl").or_else(|| cx.account.settings.text("siteUrl"));
    let back =
        |result| return_address(site?, order.transaction_id, order.session_id, order.merchant_reference.as_deref(), result);
    let (success, failure) = (back(ReturnResult::Success), back(ReturnResult::Failure));
    if let (Some(success), Some(failure)) = (&success, &failure) {
        parameters.extend([("redirect_url_on_success", success.as_str()), ("redirect_url_on_failure", failure.as_str())]);
    }
    Step::Call(Box::new(call(cx, CREATE_PAYMENT_LINK, "POST", &parameters, Doubt::Page)))
}

pub(super) fn get_buy_rate(cx: &Context<'_>) -> Step {
    let amount = cx.order.amount.to_fixed();
    let parameters = [
        ("pos_id", pos_id(cx)),
        ("invoice_currency", cx.order.amount.currency().code()),
        ("invoice_amount", &amount),
        ("currency", cx.order.text("preferredCrypto")),
    ];
    // Neither the rate nor the order is confirmed, so that nothing can be paid: no doubt about either.
    Step::Call(Box::new(call(cx, GET_BUY_RATE, "GET", &parameters, Doubt::Harmless)))
}

fn start_buy_order(cx: &Context<'_>, payment_id: &str) -> Step {
    let (amount, reference) = (cx.order.amount.to_fixed(), cx.order.reference.to_string());
    let mut parameters = vec![
        ("pos_id", pos_id(cx)),
        ("invoice_currency", cx.order.amount.currency().code()),
        ("invoice_amount", &amount),
        ("currency", cx.order.text("preferredCrypto")),
        ("reference_no", &reference),
        ("address", cx.order.text("walletAddress")),
        ("payment_id", payment_id),
        ("payer_id", cx.account.text("forumpayUserId")),
    ];
    // ForumPay refuses private addresses.
    let ip = cx.order.fields.text("userIp").filter(|ip| ip.parse().is_ok_and(kit::is_public));
    parameters.extend(ip.map(|ip| ("payer_ip_address", ip)));
    let mut call = call(cx, START_BUY_ORDER, "GET", &parameters, Doubt::Harmless);
    call.memo = Some(order_memo(cx, payment_id, cx.order.text("walletAddress")));
    Step::Call(Box::new(call))
}

/// What later steps need of a buy order; `confirms` counts the ConfirmBuyOrder calls that can have arrived.
fn order_memo(cx: &Context<'_>, payment_id: &str, address: &str) -> Memo {
    Json::object([
        ("payment_id", Json::text(payment_id)),
        ("currency", Json::text(cx.order.text("preferredCrypto"))),
        ("address", Json::text(address)),
        ("pos_id", Json::text(pos_id(cx))),
        ("confirms", Json::from(0)),
    ])
}

pub(super) fn confirm_buy_order(cx: &Context<'_>, payment: &Payment) -> Call {
    let parameters = [("pos_id", &*payment.pos_id), ("address", &payment.address), ("payment_id", &payment.payment_id)];
    call(cx, CONFIRM_BUY_ORDER, "GET", &parameters, Doubt::Money)
}

pub(super) fn check_payment(cx: &Context<'_>, payment: &Payment, doubt: Doubt) -> Call {
    let Payment { pos_id, currency, payment_id, address } = payment;
    let parameters = [("pos_id", &**pos_id), ("currency", currency), ("payment_id", payment_id), ("address", address)];
    call(cx, CHECK_PAYMENT, "GET", &parameters, doubt)
}

pub(super) fn get_transactions(cx: &Context<'_>, doubt: Doubt) -> Call {
    let reference = cx.order.reference.to_string();
    // Without `pos_id`, which would narrow the list: a link's payments have one of their own.
    call(cx, GET_TRANSACTIONS, "GET", &[("reference_no", &reference)], doubt)
}

pub(super) fn ping(cx: &Context<'_>) -> Step {
    Step::Call(Box::new(call(cx, PING, "GET", &[], Doubt::Harmless)))
}

// --- answers ----------------------------------------------------------------------------------

/// The body of an answer without `err`.
pub(super) fn success(reply: &Reply) -> Option<Json> {
    let (status, body) = kit::object(reply)?;
    (kit::is_success(status) && !is_err(&body)).then_some(body)
}

pub(super) fn is_err(body: &Json) -> bool {
    kit::is_set(body, "err") || kit::is_set(body, "err_code")
}

/// A refusal that can be read, not spoilt by its HTTP status or `timeout` in its text: the `err_code`, else the word `err`.
pub(super) fn readable_err(reply: &Reply) -> Option<String> {
    let (status, body) = kit::object(reply)?;
    let refuses = is_err(&body) && kit::may_refuse(status) && certainly_refused(reply, &[], true);
    refuses.then(|| kit::provider_text(kit::scalar(&body, "err_code").unwrap_or("err")))
}

/// The error row, without the order's `access_token`, which belongs into the answer of a hold and nowhere else.
pub(super) fn refusal(reply: &Reply) -> Refusal {
    judge(DESCRIPTOR.errors, &redact::answer(reply, None, &["access_token"]))
}

pub(super) fn link_created(cx: &Context<'_>, reply: &Reply) -> Step {
    let url = success(reply).and_then(|body| {
        let field = LINK_URL_FIELDS.into_iter().find(|field| kit::is_set(&body, field))?;
        kit::page_url(&body, field, cx).map(str::to_owned)
    });
    let Some(url) = url else {
        let certain = certainly_refused(reply, &CERTAIN_REFUSALS, readable_err(reply).is_some());
        return if certain { Step::Refused(refusal(reply)) } else { Step::Silence(refusal(reply)) };
    };
    let data = Json::object([
        ("status", Json::text("PENDING")),
        ("url", Json::text(&*url)),
        ("sessionId", Json::text(cx.order.session_id.to_string())),
    ]);
    let answer = CashierAnswer::Success { message: "Successfully".to_owned(), data, redirect_url: Some(url) };
    Finding::new(Standing::Pending, "waiting").answer(answer).step()
}

/// Whether an answer's fiat amount, where it has one, is ours.
fn is_our_invoice(cx: &Context<'_>, body: &Json) -> bool {
    let currency = cx.order.amount.currency();
    let amount_fits =
        !kit::is_set(body, "invoice_amount") || kit::money(body, "invoice_amount", currency) == Some(cx.order.amount);
    amount_fits && (!kit::is_set(body, "invoice_currency") || body.str_at("invoice_currency") == Some(currency.code()))
}

pub(super) fn rate_given(cx: &Context<'_>, reply: &Reply) -> Step {
    match success(reply) {
        Some(body) if is_our_invoice(cx, &body) => match kit::token(&body, "payment_id") {
            Some(payment_id) => start_buy_order(cx, payment_id),
            None => Step::Refused(refusal(reply)),
        },
        Some(_) => contradicts(reply, "ForumPay's rate is for another amount"),
        None => Step::Refused(refusal(reply)),
    }
}

/// No hold: the order is left unconfirmed, and lapses. (What it says was no error, so it is the last row.)
fn contradicts(reply: &Reply, anomaly: &str) -> Step {
    let data = refusal(reply).data;
    Step::Refused(Refusal { data, anomaly: Some(anomaly.to_owned()), ..Refusal::of(ErrorCode::UnknownPspError) })
}

pub(super) fn order_started(cx: &Context<'_>, reply: &Reply) -> Step {
    let Some(body) = success(reply) else { return Step::Refused(refusal(reply)) };
    let order = cx.order;
    let payment_id = kit::scalar(cx.memo, "payment_id").unwrap_or_default();
    let (reference, wallet, coin) = (order.reference.to_string(), order.text("walletAddress"), order.text("preferredCrypto"));
    let expected = [("payment_id", payment_id), ("reference_no", &reference), ("currency", coin)];
    let other = expected.into_iter().find(|(name, ours)| kit::scalar(&body, name).is_some_and(|theirs| theirs != *ours));
    if let Some((name, _)) = other.or((!is_our_invoice(cx, &body)).then_some(("invoice", ""))) {
        return contradicts(reply, &format!("ForumPay's order has another {name}"));
    }
    let Some(address) = body.str_at("address").filter(|address| is_echo(address, wallet, coin)) else {
        return contradicts(reply, "ForumPay's order has another address");
    };
    let data = hold_data(cx, kit::as_written(reply).as_ref().unwrap_or(&body));
    let answer = CashierAnswer::Success { message: "Transaction is on hold".to_owned(), data, redirect_url: None };
    Finding::new(Standing::OnHold, "on_hold").psp_id(payment_id).memo(order_memo(cx, payment_id, address)).answer(answer).step()
}

/// The destination itself, or ForumPay's own form of it: `<coin>-<32 hex>`.
fn is_echo(address: &str, wallet: &str, coin: &str) -> bool {
    let own = address
        .strip_prefix(&*coin.to_lowercase())
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    address == wallet || own
}

fn hold_data(cx: &Context<'_>, body: &Json) -> Json {
    let mut data = Json::object(HOLD_MEMBERS.split(' ').map(|name| (name, body.get(name).cloned().unwrap_or(Json::Null))));
    data.set("amount", amounts::as_number(&cx.order.amount));
    data.set("transactionId", Json::text(cx.order.transaction_id.to_string()));
    data.set("merchantReference", kit::merchant_reference(cx));
    data.set("transaction_status", Json::text("Pending"));
    data
}

pub(super) fn ponged(reply: &Reply) -> Step {
    match success(reply) {
        Some(body) if body.str_at("result") == Some("pong") => {
            Finding::unchanged().message("ForumPay accepts the credentials").step()
        }
        _ => Step::Refused(refusal(reply)),
    }
}
