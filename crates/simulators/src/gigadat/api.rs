//! The calls: token, registration, deposit, inquiry.

use http::Method;
use money::{Currency, Money};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::order::{Order, new_token};
use super::{Account, CURRENCY, INITED, SUCCESS, TOKEN};
use crate::kit::{Call, Direction, Error, Fields, Reply, Tx, number, same_text};

/// What every type needs, in the order in which it is checked.
const REQUIRED: [&str; 9] = ["userId", "transactionId", "type", "amount", "currency", "site", "name", "userIp", "sandbox"];
/// What a payment by e-mail needs beside.
const REQUIRED_BY_MAIL: [&str; 2] = ["email", "mobile"];
/// What a payment to an account needs beside.
const REQUIRED_BY_ACCOUNT: [&str; 4] = ["hosted", "fi", "transit", "acct"];
/// Longest id that is taken.
const TRANSACTION_ID_MAX: usize = 64;

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    match (&call.method, call.segments().as_slice()) {
        (&Method::POST, ["api", "payment-token", campaign]) => token(tx, call, campaign),
        (&Method::GET, ["api", "transactions", id]) => inquire(tx, call, id),
        (&Method::POST | &Method::GET, ["webflow"]) => register(tx, call),
        (&Method::GET, ["webflow", "deposit"]) => deposit(tx, call),
        (_, ["api", "payment-token" | "transactions", _] | ["webflow"] | ["webflow", "deposit"]) => {
            Ok(refused(405, "Method not allowed"))
        }
        _ => Ok(refused(404, "Not found")),
    }
}

fn refused(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({"err": text}))
}

/// The digests of the accounts that the call's Basic credentials open.
fn opened_accounts(tx: &Tx<'_>, call: &Call) -> Result<Vec<String>, Error> {
    let Some((access, security)) = call.basic() else {
        return Ok(Vec::new());
    };
    let known = tx.accounts_by_alias::<Account>(&access)?;
    Ok(known.into_iter().filter(|(_, account)| same_text(&account.security, &security)).map(|(digest, _)| digest).collect())
}

// --- step 1 -------------------------------------------------------------------------------------

fn token(tx: &Tx<'_>, call: &Call, campaign: &str) -> Result<Reply, Error> {
    let Some((access, security)) = call.basic() else {
        return Ok(refused(401, "Unauthorized"));
    };
    let Some((digest, account)) = tx.account::<Account>(campaign)? else {
        let known = !opened_accounts(tx, call)?.is_empty();
        return Ok(if known { refused(404, "Campaign not found") } else { refused(401, "Unauthorized") });
    };
    if !same_text(&account.access, &access) || !same_text(&account.security, &security) {
        return Ok(refused(401, "Unauthorized"));
    }
    let (key, mut order) = match read_order(tx, call, digest) {
        Ok(read) => read,
        Err(sentence) => return Ok(refused(400, &sentence)),
    };
    match order.scenario() {
        4 => return Ok(refused(500, "Internal error")),
        5 => return Ok(Reply::hang()),
        6 => return Ok(Reply::rate_limited(&json!({"err": "Too many requests"}))),
        7 => return Ok(refused(401, "Unauthorized")),
        _ => {}
    }
    match tx.load::<Order>(&key)? {
        Some(first) if first.account != order.account || first.state != TOKEN => {
            return Ok(refused(400, "Transaction already exists"));
        }
        Some(first) => {
            order.tokens = first.tokens + 1;
            tx.save(&key, &order)?;
        }
        None => tx.insert(&key, &[], &order)?,
    }
    made(tx, &key, order, campaign)
}

/// Answers a token that was made, with what the scenario does to the answer.
fn made(tx: &Tx<'_>, key: &str, mut order: Order, campaign: &str) -> Result<Reply, Error> {
    let answer = told(key, &order, campaign)?;
    let scenario = order.scenario();
    if scenario == 11 {
        return Ok(answer.cut_after("{\"token\":\"ey".len()));
    }
    if order.direction == Direction::Out {
        return Ok(answer);
    }
    if tx.settings()?.forge_callbacks {
        order.forge(tx, key)?;
    }
    if scenario == 10 {
        let job = order.finish(tx, key, SUCCESS, None)?;
        return Ok(answer.after(job.map(|job| tx.sent_once(job))));
    }
    if scenario == 12 && order.tokens == 1 {
        return Ok(Reply::close());
    }
    tx.schedule_auto_settle(key, "auto")?;
    Ok(answer)
}

fn told(key: &str, order: &Order, campaign: &str) -> Result<Reply, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        transaction_id: &'a str,
        #[serde(rename = "type")]
        kind: &'a str,
        user_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        email: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        mobile: &'a str,
        site: &'a str,
        user_ip: &'a str,
        currency: &'static str,
        amount: Box<RawValue>,
        sandbox: bool,
        campaign: &'a str,
        user: &'a str,
        entity_id: &'a str,
    }
    #[derive(Serialize)]
    struct Made<'a> {
        token: &'a str,
        data: Data<'a>,
    }
    let data = Data {
        transaction_id: key,
        kind: &order.kind,
        user_id: &order.user_id,
        name: &order.name,
        email: &order.email,
        mobile: &order.mobile,
        site: &order.site,
        user_ip: &order.user_ip,
        currency: CURRENCY,
        amount: number(&order.amount_literal()),
        sandbox: order.sandbox,
        campaign,
        user: order.user(),
        entity_id: order.entity(),
    };
    Ok(Reply::text(200, "application/json", serde_json::to_string(&Made { token: &order.token, data })?))
}

/// Checks the body of a token call (JSON or form); the sentence of the first thing that is wrong.
fn read_order(tx: &Tx<'_>, call: &Call, account: String) -> Result<(String, Order), String> {
    let is_form = call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let fields = if is_form { Fields::of_pairs(call.form_pairs()) } else { Fields::read(&call.body) };
    let fields = fields.ok_or("The body is not readable")?;
    let text = |name: &str| fields.text(name).unwrap_or_default();
    let kind = text("type");
    let beside: &[&str] = match kind.as_str() {
        "ACH" => &REQUIRED_BY_ACCOUNT,
        _ => &REQUIRED_BY_MAIL,
    };
    for name in REQUIRED.iter().chain(beside) {
        let there = if matches!(*name, "amount" | "sandbox") { fields.has(name) } else { fields.text(name).is_some() };
        if !there {
            return Err(format!("{name} is required"));
        }
    }
    let (direction, destination) = match kind.as_str() {
        "CPI" => (Direction::In, String::new()),
        "ETO" => (Direction::Out, text("email")),
        "ACH" => (Direction::Out, bank_of(&fields)?),
        _ => return Err("Invalid type".to_owned()),
    };
    if text("currency") != CURRENCY {
        return Err("currency must be CAD".to_owned());
    }
    let sandbox = match fields.literal("sandbox").as_deref() {
        Some("true") => true,
        Some("false") => false,
        Some("\"true\"") if is_form => true,
        Some("\"false\"") if is_form => false,
        _ => return Err("sandbox must be a boolean".to_owned()),
    };
    let amount = read_amount(&fields.literal("amount").unwrap_or_default(), is_form).ok_or("Invalid amount")?;
    let key = text("transactionId");
    if key.len() > TRANSACTION_ID_MAX || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err("Invalid transactionId".to_owned());
    }
    let by_mail = |name: &str| if kind == "ACH" { String::new() } else { text(name) };
    let order = Order {
        account,
        direction,
        user_id: text("userId"),
        name: text("name"),
        email: by_mail("email"),
        mobile: by_mail("mobile"),
        site: text("site"),
        user_ip: text("userIp"),
        amount,
        sandbox,
        destination,
        token: new_token(&key),
        token_at_ms: tx.now_ms,
        tokens: 1,
        state: TOKEN.to_owned(),
        bank: String::new(),
        paying: false,
        released: false,
        settled: false,
        kind,
    };
    Ok((key, order))
}

/// Institution, transit and account number of a pay-out to an account, joined by dashes.
fn bank_of(fields: &Fields) -> Result<String, String> {
    let digits = |name: &str, lengths: std::ops::RangeInclusive<usize>| {
        let number = fields.text(name).unwrap_or_default();
        let fits = lengths.contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        if fits { Ok(number) } else { Err(format!("Invalid {name}")) }
    };
    if fields.text("hosted").as_deref() != Some("false") {
        return Err("Invalid hosted".to_owned());
    }
    Ok(format!("{}-{}-{}", digits("fi", 3..=3)?, digits("transit", 5..=5)?, digits("acct", 7..=12)?))
}

/// A text with exactly two decimals, or a number (which a form can only write as a text); above zero.
fn read_amount(literal: &str, is_form: bool) -> Option<String> {
    let money = Money::parse_decimal(literal, Currency::from_code(CURRENCY)?).ok().filter(|money| money.minor() > 0)?;
    let fixed = money.to_fixed();
    (is_form || !literal.starts_with('"') || literal == format!("\"{fixed}\"")).then_some(fixed)
}

// --- steps 2 and 3 ------------------------------------------------------------------------------

/// The transaction that `transaction` (or `transactionId`) and `token` open: both of the query, the token also of a body (form or
/// JSON).
pub(super) fn admitted(tx: &Tx<'_>, call: &Call) -> Result<Result<(String, Order), &'static str>, Error> {
    let pairs = call.query_pairs();
    let value = |names: &[&str]| {
        pairs.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let key = value(&["transaction", "transactionId"]);
    let token = match value(&["token"]) {
        "" => Fields::read(&call.body)
            .and_then(|fields| fields.text("token"))
            .or_else(|| call.form_field("token"))
            .unwrap_or_default(),
        token => token.to_owned(),
    };
    Ok(match tx.load::<Order>(key)? {
        None => Err("Invalid transaction"),
        Some(order) if !order.admits(tx, &token) => Err("Invalid token"),
        Some(order) => Ok((key.to_owned(), order)),
    })
}

/// The same for a merchant's call: credentials, where they are sent, must be the transaction's own.
fn admitted_merchant(tx: &Tx<'_>, call: &Call) -> Result<Result<(String, Order), Reply>, Error> {
    let accounts = opened_accounts(tx, call)?;
    let sent = call.header("authorization").is_some();
    if sent && accounts.is_empty() {
        return Ok(Err(refused(401, "Unauthorized")));
    }
    Ok(match admitted(tx, call)? {
        Err(text) => Err(refused(400, text)),
        Ok((_, order)) if (sent && !accounts.contains(&order.account)) || order.direction == Direction::In => {
            Err(refused(400, "Invalid transaction"))
        }
        Ok(found) => Ok(found),
    })
}

/// Registers a pay-out; nothing moves.
pub(super) fn register(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    Ok(match admitted_merchant(tx, call)? {
        Err(refusal) => refusal,
        Ok((key, mut order)) => {
            order.register(tx, &key)?;
            stepped(&key, &order, &order.state)
        }
    })
}

/// Releases a pay-out: the money moves here.
fn deposit(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let (key, mut order) = match admitted_merchant(tx, call)? {
        Err(refusal) => return Ok(refusal),
        Ok(found) => found,
    };
    let answer = stepped(&key, &order, INITED);
    if order.released {
        return Ok(answer);
    }
    if order.state == TOKEN || order.has_ended() {
        return Ok(refused(400, "Invalid transaction"));
    }
    order.release(tx, &key)?;
    if order.scenario() == 10 {
        let job = order.finish(tx, &key, SUCCESS, None)?;
        return Ok(answer.after(job.map(|job| tx.sent_once(job))));
    }
    tx.schedule_settlement(&key, "settle")?;
    Ok(if order.scenario() == 12 { Reply::close() } else { answer })
}

fn stepped(key: &str, order: &Order, status: &str) -> Reply {
    Reply::json(200, &json!({"id": key, "status": status, "data": {"transactionId": key, "type": order.kind}}))
}

// --- inquiry ------------------------------------------------------------------------------------

fn inquire(tx: &Tx<'_>, call: &Call, id: &str) -> Result<Reply, Error> {
    let accounts = opened_accounts(tx, call)?;
    if accounts.is_empty() {
        return Ok(refused(401, "Unauthorized"));
    }
    let known = tx.load::<Order>(id)?.filter(|order| accounts.contains(&order.account) && order.state != TOKEN);
    let Some(order) = known else {
        return Ok(refused(404, "Transaction not found"));
    };
    /// `data` has more of the transaction than the sheet's example shows: amount and currency too.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        user_id: &'a str,
        site: &'a str,
        user_ip: &'a str,
        name: &'a str,
        email: &'a str,
        mobile: &'a str,
        #[serde(rename = "type")]
        kind: &'a str,
        currency: &'static str,
        amount: Box<RawValue>,
    }
    #[derive(Serialize)]
    struct Record<'a> {
        id: &'a str,
        status: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        interac_bank_name: &'a str,
        data: Data<'a>,
    }
    let data = Data {
        user_id: &order.user_id,
        site: &order.site,
        user_ip: &order.user_ip,
        name: &order.name,
        email: &order.email,
        mobile: &order.mobile,
        kind: &order.kind,
        currency: CURRENCY,
        amount: number(&order.amount_literal()),
    };
    let record = Record { id, status: &order.state, interac_bank_name: &order.bank, data };
    Ok(Reply::text(200, "application/json", serde_json::to_string(&record)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_texts_of_two_decimals_or_numbers() {
        for (good, fixed) in [("\"10.00\"", "10.00"), ("10", "10.00"), ("10.5", "10.50"), ("10.00", "10.00"), ("1e2", "100.00")] {
            assert_eq!(read_amount(good, false).as_deref(), Some(fixed), "{good}");
        }
        for bad in ["\"10\"", "\"10.0\"", "\"0.00\"", "0", "-1", "10.001", "\"1,000.00\"", "true", "\"\""] {
            assert_eq!(read_amount(bad, false), None, "{bad}");
        }
        assert_eq!(read_amount("\"10\"", true).as_deref(), Some("10.00"));
    }
}
