//! `paymentService.jsp`: credentials, document, merchant code, then order or inquiry.

use http::Method;
use money::{Currency, Money};

use super::card::{is_mask_code, mask_runs};
use super::order::{Fraud, Order, TokenAsked, key_of};
use super::xml::Element;
use super::{Account, HOSTED_PAGE, SERVICE, direct, shape, told, xml};
use crate::kit::{Call, Error, Reply, Tx, random_digits, random_hex, same_text};

const VERSION: &str = "1.4";
const XML: &str = "text/xml; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const CODE_MAX_BYTES: usize = 64;
const SHOPPER_ID_MAX_BYTES: usize = 64;
const CAPTURE_DAYS_MAX: u8 = 14;

/// Error codes of the sheet.
pub(super) const PARSE: u8 = 2;
pub(super) const AMOUNT: u8 = 3;
pub(super) const SECURITY: u8 = 4;
pub(super) const INVALID: u8 = 5;
pub(super) const DETAILS: u8 = 7;

/// Why something is answered with `<error>`.
pub(super) struct Refusal {
    pub(super) code: u8,
    pub(super) text: String,
}

pub(super) type Outcome<T> = Result<T, Refusal>;

pub(super) fn refusal(code: u8, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into() }
}

/// A document of ours as an answer.
pub(super) fn document(body: String) -> Reply {
    Reply::text(200, XML, body)
}

/// Answers one call of the service.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    if call.path != SERVICE {
        return Ok(html(404, "Not Found"));
    }
    if call.method != Method::POST {
        return Ok(html(405, "Method Not Allowed").header("allow", "POST"));
    }
    let accounts = authenticate(tx, call)?;
    if accounts.is_empty() {
        return Ok(unauthorized());
    }
    let root = match xml::read(&call.body) {
        Ok(root) => root,
        Err(unreadable) => return Ok(document(told::error("", None, PARSE, unreadable.0))),
    };
    let merchant_code = root.attribute("merchantCode").unwrap_or_default();
    if let Err(why) = shape::check(&root) {
        return Ok(document(told::error(merchant_code, None, PARSE, &why)));
    }
    if root.attribute("version") != Some(VERSION) {
        return Ok(document(told::error(merchant_code, None, PARSE, "version must be 1.4")));
    }
    let digest = tx.digest(merchant_code);
    let Some((digest, account)) = accounts.into_iter().find(|(one, _)| same_text(one, &digest)) else {
        let text = "Security violation: the merchant code is not the user's";
        return Ok(document(told::error(merchant_code, None, SECURITY, text)));
    };
    let asked = Asked { call, merchant_code, digest, account };
    if let Some(inquiry) = root.at(&["inquiry", "orderInquiry"]) {
        return inquire(tx, &asked, inquiry.attribute("orderCode").unwrap_or_default());
    }
    // The shape has it that there is one or the other.
    match root.at(&["submit", "order"]) {
        Some(order) => submit(tx, &asked, order),
        None => Ok(asked.error(None, &refusal(PARSE, "there is no order"))),
    }
}

/// Who asks.
pub(super) struct Asked<'a> {
    pub(super) call: &'a Call,
    pub(super) merchant_code: &'a str,
    pub(super) digest: String,
    pub(super) account: Account,
}

impl Asked<'_> {
    pub(super) fn error(&self, order_code: Option<&str>, refused: &Refusal) -> Reply {
        document(told::error(self.merchant_code, order_code, refused.code, &refused.text))
    }
}

/// The accounts (merchant codes) of the caller; none where user or password is wrong.
fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Vec<(String, Account)>, Error> {
    let Some((user, password)) = call.basic() else {
        return Ok(Vec::new());
    };
    let mut accounts = tx.accounts_by_alias::<Account>(&user)?;
    accounts.retain(|(_, account)| same_text(&account.xml_password, &password));
    Ok(accounts)
}

fn html(status: u16, title: &str) -> Reply {
    Reply::text(status, HTML, format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"))
}

fn unauthorized() -> Reply {
    html(401, "Requires Authentication").header("www-authenticate", "Basic realm=\"WorldPay\"")
}

/// The faults of the wire where nothing is taken (scenarios 04 to 07).
fn fault_before(scenario: u8) -> Option<Reply> {
    match scenario {
        4 => Some(html(500, "Internal Server Error")),
        5 => Some(Reply::hang()),
        6 => Some(html(429, "Too Many Requests").header("retry-after", "1")),
        7 => Some(unauthorized()),
        _ => None,
    }
}

fn submit(tx: &Tx<'_>, asked: &Asked<'_>, element: &Element) -> Result<Reply, Error> {
    let code = element.attribute("orderCode").unwrap_or_default();
    if !is_order_code(code) {
        return Ok(asked.error(None, &refusal(INVALID, "Invalid order code")));
    }
    if element.child("info3DSecure").is_some() {
        return direct::second(tx, asked, code, element);
    }
    let order = match new_order(tx, asked, code, element) {
        Ok(order) => order,
        Err(refused) => return Ok(asked.error(Some(code), &refused)),
    };
    if tx.exists(&key_of(&asked.digest, code))? {
        return Ok(asked.error(Some(code), &refusal(INVALID, "Duplicate Order")));
    }
    match element.child("paymentDetails") {
        Some(details) => direct::first(tx, asked, order, details),
        None => hosted(tx, asked, order),
    }
}

fn is_order_code(code: &str) -> bool {
    let allowed = |sign: char| sign.is_ascii_graphic() && !matches!(sign, '"' | '\'' | '<' | '>' | '|' | '^');
    (1..=CODE_MAX_BYTES).contains(&code.len()) && code.chars().all(allowed)
}

/// The order of a first submit, everything but its card checked.
fn new_order(tx: &Tx<'_>, asked: &Asked<'_>, code: &str, element: &Element) -> Outcome<Order> {
    let hosted = element.child("paymentMethodMask").is_some();
    let installation = element.attribute("installationId");
    let ours = installation.is_some_and(|id| id == asked.account.installation_id);
    if !ours && (hosted || installation.is_some()) {
        return Err(refusal(INVALID, "Invalid installation id"));
    }
    let (included, excluded) = if hosted { mask(element)? } else { (Vec::new(), Vec::new()) };
    let money = money(element)?;
    let capture_delay = element.attribute("captureDelay").unwrap_or("DEFAULT");
    let days = |text: &str| text.parse::<u8>().is_ok_and(|days| days <= CAPTURE_DAYS_MAX && days.to_string() == text);
    if !matches!(capture_delay, "DEFAULT" | "OFF") && !days(capture_delay) {
        return Err(refusal(INVALID, "Invalid capture delay"));
    }
    let Some(description) = element.text_at(&["description"]) else {
        return Err(refusal(INVALID, "Description is empty"));
    };
    if element.text_at(&["shopper", "shopperEmailAddress"]).is_some_and(|email| !email.contains('@')) {
        return Err(refusal(INVALID, "Invalid shopper email address"));
    }
    let mut order = Order {
        account: asked.digest.clone(),
        merchant_code: asked.merchant_code.to_owned(),
        code: code.to_owned(),
        reference_id: random_digits(10),
        description: mask_runs(description),
        language: element.attribute("shopperLanguageCode").unwrap_or("en").to_owned(),
        amount_minor: money.minor(),
        currency: money.currency().code().to_owned(),
        capture_delay: capture_delay.to_owned(),
        hosted,
        included,
        excluded,
        ticket: random_hex(32),
        ticket_dead_at_ms: 0,
        token_asked: token_asked(element)?,
        token_made: None,
        fraud: fraud(element),
        card: None,
        challenge: None,
        payments: Vec::new(),
    };
    order.ticket_dead_at_ms = order.ticket_end_ms(tx);
    Ok(order)
}

/// `amount`: the currency's own exponent, a positive integer of minor units.
fn money(element: &Element) -> Outcome<Money> {
    let part = |name: &str| element.child("amount").and_then(|amount| amount.attribute(name)).unwrap_or_default();
    let currency = Currency::from_code(part("currencyCode")).ok_or_else(|| refusal(AMOUNT, "Invalid currency code"))?;
    if part("exponent") != currency.digits().to_string() || !matches!(currency.digits(), 0 | 2 | 3) {
        return Err(refusal(AMOUNT, "Invalid exponent for the currency"));
    }
    let value = part("value");
    match value.parse::<i64>() {
        Ok(minor) if minor > 0 && value.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Money::from_minor(minor, currency)),
        _ => Err(refusal(AMOUNT, "Invalid amount value")),
    }
}

/// The codes of the mask: included, excluded.
fn mask(element: &Element) -> Outcome<(Vec<String>, Vec<String>)> {
    let entries = element.child("paymentMethodMask").map(|mask| mask.children.as_slice()).unwrap_or_default();
    if entries.first().is_none_or(|first| first.name != "include") {
        return Err(refusal(INVALID, "A payment method mask must begin with an include"));
    }
    let codes = |name: &str| -> Vec<String> {
        let named = entries.iter().filter(|entry| entry.name == name);
        named.map(|entry| entry.attribute("code").unwrap_or_default().to_owned()).collect()
    };
    let (included, excluded) = (codes("include"), codes("exclude"));
    match included.iter().chain(&excluded).find(|code| !is_mask_code(code)) {
        Some(_) => Err(refusal(INVALID, "Unknown payment method in the mask")),
        None => Ok((included, excluded)),
    }
}

/// `createToken` with the shopper it is for: 64 characters, no white space, no leading underscore.
fn token_asked(element: &Element) -> Outcome<Option<TokenAsked>> {
    let shopper = element.text_at(&["shopper", "authenticatedShopperID"]);
    let is_good = |id: &str| id.len() <= SHOPPER_ID_MAX_BYTES && !id.starts_with('_') && !id.contains(char::is_whitespace);
    if shopper.is_some_and(|id| !is_good(id)) {
        return Err(refusal(INVALID, "Invalid authenticated shopper id"));
    }
    let Some(token) = element.child("createToken") else {
        return Ok(None);
    };
    if token.attribute("tokenScope") != Some("shopper") {
        return Err(refusal(INVALID, "Invalid token scope"));
    }
    let Some(shopper) = shopper else {
        return Err(refusal(INVALID, "A shopper token needs an authenticated shopper id"));
    };
    let event_reference = token.text_at(&["tokenEventReference"]).map(str::to_owned);
    Ok(Some(TokenAsked { event_reference, shopper: shopper.to_owned() }))
}

/// FraudSight's opinion: a blocked shopper is a high risk, one of high velocity is to be looked at. The fields
/// are those of the sheet's mapping.
fn fraud(element: &Element) -> Option<Fraud> {
    let data = element.child("FraudSightData")?;
    let is_true = |name: &str| data.text_at(&["customStringFields", name]) == Some("true");
    let (score, message) = match (is_true("customStringField3"), is_true("customStringField4")) {
        (true, _) => ("91.0", "high-risk"),
        (false, true) => ("55.0", "review"),
        (false, false) => ("12.0", "low-risk"),
    };
    Some(Fraud { score: score.to_owned(), id: uuid::Uuid::new_v4().to_string(), message: message.to_owned() })
}

fn hosted(tx: &Tx<'_>, asked: &Asked<'_>, mut order: Order) -> Result<Reply, Error> {
    if let Some(fault) = fault_before(order.scenario()) {
        return Ok(fault);
    }
    let key = key_of(&order.account, &order.code);
    tx.insert(&key, &[&order.code, &order.reference_id], &order)?;
    if tx.settings()?.forge_callbacks {
        order.forge(tx, &key)?;
    }
    let order_key: String =
        url::form_urlencoded::byte_serialize(format!("{}^{}", order.merchant_code, order.code).as_bytes()).collect();
    let address = format!("{}{HOSTED_PAGE}?OrderKey={order_key}&Ticket={}", asked.call.base, order.ticket);
    let answer = document(told::hosted(&order, &address)).header("set-cookie", &new_machine().1);
    Ok(match order.scenario() {
        10 => {
            let index = order.add_payment(None);
            if order.token_asked.is_some() {
                order.make_token(tx, &super::card::Kept::demo())?;
            }
            let job = order.became(tx, &key, index, super::order::AUTHORISED, None)?;
            answer.after(job.map(|job| tx.sent_once(job)))
        }
        // Nobody learns the address: no page will press anything.
        11 => cut(answer),
        12 => Reply::close(),
        _ => {
            tx.schedule_auto_settle(&key, "auto")?;
            answer
        }
    })
}

/// The faults of a direct order before anything is taken.
pub(super) fn direct_fault_before(order: &Order) -> Option<Reply> {
    fault_before(order.scenario())
}

/// An answer that is cut in the middle of its document.
pub(super) fn cut(answer: Reply) -> Reply {
    let half = answer.body.len() / 2;
    answer.cut_after(half)
}

/// A new value of the cookie `machine`, and the header that sets it.
pub(super) fn new_machine() -> (String, String) {
    let value = random_hex(16);
    let cookie = format!("machine={value}; path=/; HttpOnly");
    (value, cookie)
}

fn inquire(tx: &Tx<'_>, asked: &Asked<'_>, code: &str) -> Result<Reply, Error> {
    let order = tx.load::<Order>(&key_of(&asked.digest, code))?.filter(|order| !order.payments.is_empty());
    Ok(match order {
        Some(order) => document(told::inquired(&asked.account, &order)),
        None => asked.error(Some(code), &refusal(INVALID, "Could not find payment for order")),
    })
}
