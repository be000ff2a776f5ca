//! The API: transfers in and out, inquiries.

use http::Method;
use serde_json::json;

use super::order::Order;
use super::read::{self, Keyed};
use super::{Account, COMPLETED, COUNTRIES, PAGE_LIFE_MS, PENDING, page};
use crate::kit::{Call, Direction, Error, Reply, TransferState, Tx, random_hex, random_token, same_text};

const ID_DIGITS: usize = 6;

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let keyed = authenticate(tx, call)?;
    if keyed.is_empty() {
        return Ok(unauthorized());
    }
    let segments = call.segments();
    let (direction, rest) = match segments.as_slice() {
        ["v1", "transfer-in", rest @ ..] => (Direction::In, rest),
        ["v1", "transfer-out", rest @ ..] => (Direction::Out, rest),
        _ => return Ok(not_found("There is nothing at this address")),
    };
    match (&call.method, rest) {
        (&Method::POST, []) => create(tx, call, &keyed, direction),
        (&Method::GET, []) => {
            let reference = call.query_pairs().into_iter().find(|(name, value)| name == "externalReference" && !value.is_empty());
            match reference {
                Some((_, reference)) => inquire(by_reference(tx, &keyed, direction, &reference)?),
                None => Ok(problem(400, "INVALID_REQUEST", "externalReference is required")),
            }
        }
        (&Method::GET, [id]) => {
            let order = tx.load::<Order>(id)?.filter(|order| order.direction == direction && opens(&keyed, order));
            inquire(order.map(|order| ((*id).to_owned(), order)))
        }
        (_, [] | [_]) => Ok(problem(405, "METHOD_NOT_ALLOWED", "Method not allowed")),
        _ => Ok(not_found("There is nothing at this address")),
    }
}

fn problem(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"code": code, "message": message}))
}

fn unauthorized() -> Reply {
    problem(401, "UNAUTHORIZED", "The API key is not valid")
}

fn not_found(message: &str) -> Reply {
    problem(404, "NOT_FOUND", message)
}

/// What `x-api-key` opens; nothing when it is unknown.
fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Vec<Keyed>, Error> {
    let Some(key) = call.header("x-api-key") else {
        return Ok(Vec::new());
    };
    let accounts = tx.accounts_by_alias::<Account>(key)?;
    let keyed = accounts.into_iter().map(|(digest, account)| {
        let countries = COUNTRIES.iter().filter(|country| same_text(account.key_of(country.code), key)).collect();
        Keyed { digest, external_key: account.external_key, countries }
    });
    Ok(keyed.collect())
}

/// Whether a key sees a transfer: its account's, in one of its countries.
fn opens(keyed: &[Keyed], order: &Order) -> bool {
    keyed.iter().any(|keyed| keyed.digest == order.account && keyed.countries.iter().any(|country| country.code == order.country))
}

fn by_reference(tx: &Tx<'_>, keyed: &[Keyed], direction: Direction, reference: &str) -> Result<Option<(String, Order)>, Error> {
    for key in tx.keys_of(reference)? {
        let order = tx.load::<Order>(&key)?.filter(|order| order.reference == reference && order.direction == direction);
        if let Some(order) = order.filter(|order| opens(keyed, order)) {
            return Ok(Some((key, order)));
        }
    }
    Ok(None)
}

fn inquire(found: Option<(String, Order)>) -> Result<Reply, Error> {
    Ok(match found {
        Some((key, order)) => Reply::json(200, &order.told(&key, &order.state)),
        None => not_found("There is no such transfer"),
    })
}

fn create(tx: &Tx<'_>, call: &Call, keyed: &[Keyed], direction: Direction) -> Result<Reply, Error> {
    let order = match read::order(call, keyed, direction) {
        Ok(order) => order,
        Err((status, sentence)) => return Ok(problem(status, "INVALID_REQUEST", &sentence)),
    };
    for key in tx.keys_of(&order.reference)? {
        let used = tx.load::<Order>(&key)?;
        if used.is_some_and(|used| used.account == order.account && used.direction == direction) {
            return Ok(problem(409, "DUPLICATE_REFERENCE", "externalReference was used before"));
        }
    }
    match order.scenario() {
        4 => Ok(problem(500, "INTERNAL_ERROR", "Internal error")),
        5 => Ok(Reply::hang()),
        6 => Ok(Reply::rate_limited(&json!({"code": "RATE_LIMITED", "message": "Too many requests"}))),
        7 => Ok(unauthorized()),
        scenario => take(tx, call, order, scenario),
    }
}

/// Takes a transfer: from here on it is Cleo's, whatever becomes of the answer.
fn take(tx: &Tx<'_>, call: &Call, mut order: Order, scenario: u8) -> Result<Reply, Error> {
    let prefix = if order.direction == Direction::In { "ti" } else { "to" };
    let key = loop {
        let id = format!("{prefix}_{}", random_hex(ID_DIGITS));
        if !tx.exists(&id)? {
            break id;
        }
    };
    let token = random_token();
    let reference = order.reference.clone();
    tx.insert(&key, &[&reference, &page::name_of(tx, &token)], &order)?;
    let mut told = json!({"id": key, "externalReference": reference, "status": PENDING});
    if order.direction == Direction::In {
        told["redirectUrl"] = json!(format!("{}/pay/{token}", call.base));
        tx.schedule(&key, "run_out", PAGE_LIFE_MS)?;
    } else {
        tx.accept(&order.transfer(&key), TransferState::Accepted)?;
    }
    if tx.settings()?.forge_callbacks {
        order.forge(tx, &key)?;
    }
    let answer = Reply::json(201, &told);
    if scenario == 10 {
        let job = order.finish(tx, &key, COMPLETED, None)?;
        return Ok(answer.after(job.map(|job| tx.sent_once(job))));
    }
    match order.direction {
        // Nobody learns the address of such a page: it is never opened.
        Direction::In if matches!(scenario, 11 | 12) => {}
        Direction::In => tx.schedule_auto_settle(&key, "auto")?,
        Direction::Out => tx.schedule_settlement(&key, "settle")?,
    }
    Ok(match scenario {
        11 => answer.cut_after("{\"id\":\"ti".len()),
        12 => Reply::close(),
        _ => answer,
    })
}
