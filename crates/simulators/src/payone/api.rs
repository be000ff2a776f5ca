//! The API: deposit, withdraw, inquiry.

use http::Method;
use serde_json::{Value, json};

use super::order::{Order, finish_and_send, forge, transfer};
use super::{APPROVED, Account, CURRENCY, PENDING};
use crate::kit::{
    Call, Direction, Error, Reply, TransferState, Tx, date_of, is_http_url, random_digits, random_letters, random_token,
};

const KEY_MIN_CHARACTERS: usize = 8;
/// The fields of a create call, in the order in which they are checked.
const REQUIRED: [&str; 13] = [
    "client",
    "brand",
    "userId",
    "first_name",
    "last_name",
    "email",
    "phone",
    "userIp",
    "currency",
    "amount",
    "siteUrl",
    "referenceId",
    "callbackUrl",
];

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let (key_digest, account) = match authenticate(tx, call)? {
        Ok(known) => known,
        Err(refusal) => return Ok(refusal),
    };
    match (&call.method, call.segments().as_slice()) {
        (&Method::POST, ["api", "deposit"]) => create(tx, call, key_digest, &account, Direction::In),
        (&Method::POST, ["api", "withdraw"]) => create(tx, call, key_digest, &account, Direction::Out),
        (&Method::GET, ["api", "transaction"]) => {
            let reference = call.query_pairs().into_iter().find(|(name, _)| name == "referenceId");
            match reference {
                Some((_, reference)) => inquire(tx, &key_digest, by_reference(tx, &key_digest, &reference)?),
                None => Ok(refused("referenceId is required")),
            }
        }
        (&Method::GET, ["api", "transaction", id]) => {
            inquire(tx, &key_digest, tx.load::<Order>(id)?.map(|order| ((*id).to_owned(), order)))
        }
        (_, ["api", "deposit" | "withdraw" | "transaction", ..]) => {
            Ok(Reply::json(405, &json!({"success": false, "error": "Method not allowed"})))
        }
        _ => Ok(Reply::json(404, &json!({"success": false, "error": "Not found"}))),
    }
}

/// The account of `x-api-key`, or the refusal of the sheet.
fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Result<(String, Account), Reply>, Error> {
    let well_formed = |key: &&str| {
        key.len() >= KEY_MIN_CHARACTERS
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let Some(key) = call.header("x-api-key").filter(well_formed) else {
        return Ok(Err(Reply::empty(404)));
    };
    Ok(match tx.account::<Account>(key)? {
        None => Err(refused("Invalid API key")),
        Some((_, account)) if !account.active => Err(Reply::empty(404)),
        Some(known) => Ok(known),
    })
}

fn refused(error: &str) -> Reply {
    Reply::json(400, &json!({"success": false, "error": error}))
}

/// The account's own order with a reference; two accounts may use the same one.
fn by_reference(tx: &Tx<'_>, account: &str, reference: &str) -> Result<Option<(String, Order)>, Error> {
    for key in tx.keys_of(reference)? {
        if let Some(order) = tx.load::<Order>(&key)?.filter(|order| order.account == account) {
            return Ok(Some((key, order)));
        }
    }
    Ok(None)
}

fn inquire(_: &Tx<'_>, account: &str, found: Option<(String, Order)>) -> Result<Reply, Error> {
    Ok(match found.filter(|(_, order)| order.account == account) {
        Some((key, order)) => Reply::json(200, &order.told(&key, &order.state)),
        None => Reply::json(404, &json!({"success": false, "error": "Transaction not found"})),
    })
}

/// Checks the body of a create call; the sentence of the first thing that is wrong.
fn read_order(tx: &Tx<'_>, call: &Call, account: String, direction: Direction) -> Result<Order, String> {
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| "Invalid JSON".to_owned())?;
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    for name in REQUIRED {
        if field(name).is_empty() {
            return Err(format!("{name} is required"));
        }
    }
    if field("currency") != CURRENCY {
        return Err("currency must be CAD".to_owned());
    }
    if !is_amount(&field("amount")) {
        return Err("amount must be a decimal with two digits, greater than 0".to_owned());
    }
    for name in ["siteUrl", "callbackUrl"] {
        if !is_http_url(&field(name)) {
            return Err(format!("{name} must be an address"));
        }
    }
    Ok(Order {
        account,
        direction,
        reference: field("referenceId"),
        user_id: field("userId"),
        client: field("client"),
        brand: field("brand"),
        first_name: field("first_name"),
        last_name: field("last_name"),
        email: field("email"),
        phone: field("phone"),
        user_ip: field("userIp"),
        amount: field("amount"),
        site_url: field("siteUrl"),
        callback_url: field("callbackUrl"),
        token: random_token(),
        created_at_ms: tx.now_ms,
        state: PENDING.to_owned(),
        settled: false,
    })
}

/// `"100.00"`: digits, a point, two digits, more than nothing.
fn is_amount(text: &str) -> bool {
    text.split_once('.').is_some_and(|(whole, cents)| {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        (1..=13).contains(&whole.len()) && cents.len() == 2 && digits(whole) && digits(cents)
    }) && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

fn create(tx: &Tx<'_>, call: &Call, digest: String, account: &Account, direction: Direction) -> Result<Reply, Error> {
    let mut order = match read_order(tx, call, digest, direction) {
        Ok(order) => order,
        Err(sentence) => return Ok(refused(&sentence)),
    };
    if order.client != account.client {
        return Ok(refused("Invalid account details"));
    }
    if let Some((key, first)) = by_reference(tx, &order.account, &order.reference)? {
        return Ok(created(call, &key, &first));
    }
    match order.scenario() {
        4 => {
            return Ok(Reply::json(500, &json!({"success": false, "error": "Internal error"})));
        }
        5 => return Ok(Reply::hang()),
        6 => {
            return Ok(Reply::rate_limited(&json!({"success": false, "error": "Too many requests"})));
        }
        7 => return Ok(Reply::empty(404)),
        _ => {}
    }
    let key = new_id(tx)?;
    tx.insert(&key, &[&order.reference], &order)?;
    if direction == Direction::Out {
        tx.accept(&transfer(&key, &order), TransferState::Accepted)?;
    }
    if tx.settings()?.forge_callbacks {
        forge(tx, &key, &order)?;
    }
    let answer = created(call, &key, &order);
    let scenario = order.scenario();
    if scenario == 10 {
        let job = finish_and_send(tx, &key, &mut order, APPROVED, None)?;
        return Ok(answer.after(job.map(|job| tx.sent_once(job))));
    }
    match direction {
        Direction::In => tx.schedule_auto_settle(&key, "auto")?,
        Direction::Out => tx.schedule_settlement(&key, "settle")?,
    }
    Ok(match scenario {
        11 => answer.cut_after("{\"success\":tr".len()),
        12 => Reply::close(),
        _ => answer,
    })
}

fn new_id(tx: &Tx<'_>) -> Result<String, Error> {
    loop {
        let id = format!("{}{}{}", random_letters(2), random_digits(6), random_letters(2));
        if !tx.exists(&id)? {
            return Ok(id);
        }
    }
}

/// The answer to the call that created an order, and to its repetitions.
fn created(call: &Call, key: &str, order: &Order) -> Reply {
    if order.direction == Direction::In {
        return Reply::json(
            200,
            &json!({
                "success": true, "message": "Transaction successfully Ongoing Process ",
                "redirect_url": format!("{}/webflow-payment/{key}/{}", call.base, order.token),
            }),
        );
    }
    Reply::json(
        200,
        &json!({
            "success": true, "message": "Withdraw request successfully processed",
            "withdraw": {
                "client": order.client, "brand": order.brand, "userId": order.user_id, "transactionId": key,
                "first_name": order.first_name, "last_name": order.last_name, "email": order.email,
                "phone": order.phone, "userIp": order.user_ip, "currency": CURRENCY, "siteUrl": order.site_url,
                "amount": order.amount, "date": date_of(order.created_at_ms, "%Y-%m-%d"), "status": PENDING,
            },
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_two_digits_and_are_above_zero() {
        for good in ["100.00", "0.01", "9999999999999.99"] {
            assert!(is_amount(good), "{good}");
        }
        for bad in ["0.00", "100", "100.0", "1e2", "-1.00", ".10", "1.000", "", "1,00"] {
            assert!(!is_amount(bad), "{bad}");
        }
    }
}
