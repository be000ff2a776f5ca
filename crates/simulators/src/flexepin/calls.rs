//! The calls: validate, redeem, inquiry.

use http::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::voucher::{Trans, Voucher, description, keep, record, trans_key, trans_of, voucher_object, voucher_of_pin};
use super::{ACTIVE, USED, authenticate, problem};
use crate::kit::{Call, Direction, Error, Reply, Transfer, TransferState, Tx, timestamp_of};

const TRANS_ID_MAX: usize = 32;
/// Scenario 09: this long the inquiry does not know the redeem (unscaled).
const HIDDEN_MS: u64 = 45 * 60_000;
/// Control `lost`: this long the inquiry fails (unscaled).
const LOST_MS: u64 = 60_000;

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let Some((key, digest, account)) = authenticate(tx, call)? else {
        return Ok(problem(401, "Unauthorized"));
    };
    let terminal = account.terminal_id.as_deref().unwrap_or(&key);
    match (&call.method, call.segments().as_slice()) {
        (&Method::GET, ["status"]) => Ok(Reply::json(200, &json!({"status": "alive"}))),
        (_, ["voucher", "validate" | "redeem", _, asked, trans_id] | ["trans", "trans_id", trans_id, asked, _])
            if *asked != terminal || !is_trans_id(trans_id) =>
        {
            Ok(if *asked == terminal { problem(400, "Invalid trans_id") } else { problem(404, "Unknown terminal") })
        }
        (&Method::GET, ["voucher", "validate", pin, _, trans_id]) => validate(tx, &digest, pin, trans_id),
        (&Method::PUT, ["voucher", "redeem", pin, _, trans_id]) => {
            if !has_customer_ip(call) {
                return Ok(problem(400, "customer_ip is required"));
            }
            redeem(tx, &digest, pin, trans_id)
        }
        (&Method::GET, ["trans", "trans_id", trans_id, _, asked_as]) if is_trans_id(asked_as) => {
            inquire(tx, &digest, trans_id, asked_as)
        }
        _ => Ok(problem(404, "Not found")),
    }
}

fn is_trans_id(text: &str) -> bool {
    (1..=TRANS_ID_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn has_customer_ip(call: &Call) -> bool {
    serde_json::from_slice::<Value>(&call.body)
        .ok()
        .and_then(|body| body["customer_ip"].as_str().map(str::to_owned))
        .is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok())
}

fn refused(trans_id: &str, result: &str) -> Reply {
    Reply::json(200, &json!({"result": result, "result_description": description(result), "transaction_id": trans_id}))
}

fn object_reply(voucher: &Voucher, trans: &Trans, result: &str, status: &str) -> Result<Reply, Error> {
    Ok(Reply::text(200, "application/json", voucher_object(voucher, trans, result, status)?.get()))
}

fn validate(tx: &Tx<'_>, account: &str, pin: &str, trans_id: &str) -> Result<Reply, Error> {
    let Some((voucher_key, voucher)) = voucher_of_pin(tx, pin)? else {
        return Ok(refused(trans_id, "4001"));
    };
    match voucher.scenario() {
        5 => return Ok(Reply::hang()),
        6 => {
            return Ok(Reply::rate_limited(&json!({"result": "429", "result_description": "Too many requests"})));
        }
        7 => return Ok(problem(401, "Unauthorized")),
        _ => {}
    }
    keep(tx, &voucher_key, &voucher)?;
    let (_, trans) = trans_of(tx, account, trans_id, &voucher_key)?;
    if voucher.refusal().is_none() && voucher.scenario() == 3 {
        return object_reply(&voucher, &trans, "4004", "EXPIRED");
    }
    object_reply(&voucher, &trans, voucher.refusal().unwrap_or("0"), &voucher.status)
}

fn redeem(tx: &Tx<'_>, account: &str, pin: &str, trans_id: &str) -> Result<Reply, Error> {
    let Some((voucher_key, mut voucher)) = voucher_of_pin(tx, pin)? else {
        return Ok(refused(trans_id, "4001"));
    };
    let (key, mut trans) = trans_of(tx, account, trans_id, &voucher_key)?;
    if trans.redeem.is_some() || trans.voucher != voucher_key {
        return object_reply(&voucher, &trans, "4005", &voucher.status);
    }
    if voucher.lost {
        voucher.lost = false;
        keep(tx, &voucher_key, &voucher)?;
        trans.failing_until_ms = tx.now_ms + tx.scaled(LOST_MS);
        tx.save(&key, &trans)?;
        return Ok(Reply::hang());
    }
    let told = voucher.next_result.take();
    let by_scenario = match voucher.scenario() {
        1 => Some("4003"),
        3 => Some("4004"),
        _ => None,
    };
    if let Some(result) = voucher.refusal().or(told.as_deref()).or(by_scenario) {
        trans.redeem = Some(result.to_owned());
        tx.save(&key, &trans)?;
        keep(tx, &voucher_key, &voucher)?;
        return object_reply(&voucher, &trans, result, &voucher.status);
    }
    if voucher.scenario() == 4 {
        trans.hidden_until_ms = i64::MAX;
        tx.save(&key, &trans)?;
        return Ok(problem(500, "Internal error"));
    }
    take(tx, &key, &mut trans, &voucher_key, &mut voucher)
}

/// The redeem itself: the money moves here, whatever becomes of the answer.
fn take(tx: &Tx<'_>, key: &str, trans: &mut Trans, voucher_key: &str, voucher: &mut Voucher) -> Result<Reply, Error> {
    trans.redeem = Some("0".to_owned());
    if voucher.scenario() == 9 {
        trans.hidden_until_ms = tx.now_ms + tx.scaled(HIDDEN_MS);
    }
    tx.save(key, trans)?;
    if !voucher.always_fresh {
        voucher.status = USED.to_owned();
    }
    keep(tx, voucher_key, voucher)?;
    let amount = voucher.money().map(|money| money.to_fixed()).unwrap_or_default();
    let transfer = Transfer {
        reference: &trans.trans_id,
        provider_reference: &trans.trans_no,
        direction: Direction::In,
        amount: &amount,
        currency: &voucher.currency,
        destination: None,
    };
    tx.accept(&transfer, TransferState::Settled)?;
    let answer = object_reply(voucher, trans, "0", USED)?;
    Ok(match voucher.scenario() {
        9 | 12 => Reply::close(),
        11 => answer.cut_after("{\"result\":".len()),
        _ => answer,
    })
}

fn inquire(tx: &Tx<'_>, account: &str, trans_id: &str, asked_as: &str) -> Result<Reply, Error> {
    let unknown = Reply::json(
        200,
        &json!({
            "transaction_id": asked_as, "timestamp": timestamp_of(tx.now_ms),
            "result": "4040", "result_description": description("4040"),
        }),
    );
    let Some(trans) = tx.load::<Trans>(&trans_key(account, trans_id))? else {
        return Ok(unknown);
    };
    if trans.hidden_until_ms > tx.now_ms {
        return Ok(unknown);
    }
    if trans.failing_until_ms > tx.now_ms {
        return Ok(problem(500, "Internal error"));
    }
    let Some(voucher) = tx.load::<Voucher>(&trans.voucher)? else {
        return Ok(unknown);
    };
    // The record has a result of its own: of a redeem that was refused because somebody else had used the voucher it says `USED`,
    // and not 0.
    let (own, status) = match trans.redeem.as_deref() {
        Some("0") => ("0", USED),
        Some(refusal) => (refusal, voucher.status.as_str()),
        None if voucher.status == USED => ("0", ACTIVE),
        None => ("0", voucher.status.as_str()),
    };
    #[derive(Serialize)]
    struct Answer<'a> {
        trans_no: &'a str,
        transaction_id: &'a str,
        timestamp: String,
        result: &'a str,
        result_description: &'a str,
        transaction: Box<RawValue>,
    }
    let answer = Answer {
        trans_no: &trans.trans_no,
        transaction_id: asked_as,
        timestamp: timestamp_of(tx.now_ms),
        // The query's own: the record was found.
        result: "0",
        result_description: description("0"),
        transaction: record(&voucher, &trans, own, status)?,
    };
    Ok(Reply::text(200, "application/json", serde_json::to_string(&answer)?))
}
