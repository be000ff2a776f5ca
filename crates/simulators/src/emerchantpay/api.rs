//! The merchant's side of the gateway: process and reconcile.

use http::Method;

use super::cards::Course;
use super::check::{self, Refusal, input_error};
use super::payment::{Parts, Payment, Step, scenario_of};
use super::xml::{self, Answer, Document};
use super::{Account, UNFINISHED_MS, threeds};
use crate::kit::{Call, Error, Reply, Tx, date_of, random_hex, same_text};

const CONTENT_TYPE: &str = "text/xml";
const REALM: &str = "Basic realm=\"Web Password\"";
/// Hex digits of a `unique_id`.
const UNIQUE_ID_DIGITS: usize = 32;

/// Answers one call.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    match (&call.method, call.segments().as_slice()) {
        (&Method::POST, ["process", token]) => process(tx, call, token),
        (&Method::POST, ["reconcile", token]) => reconcile(tx, call, token),
        (&Method::POST, ["threeds", "threeds_method"]) => threeds::method(tx, call),
        (&Method::PUT, ["threeds", "threeds_method", unique_id]) => threeds::continue_payment(tx, call, unique_id),
        (_, ["process" | "reconcile", _] | ["threeds", "threeds_method", ..]) => Ok(html(405, "Method not allowed")),
        _ => Ok(html(404, "The page you were looking for does not exist")),
    }
}

/// A small page, as the gateway answers where it has no XML.
pub(super) fn html(status: u16, text: &str) -> Reply {
    let body = format!("<!doctype html><html lang=\"en\"><head><title>{text}</title></head><body><p>{text}</p></body></html>");
    Reply::text(status, "text/html; charset=utf-8", body)
}

/// A login that is refused.
pub(super) fn unauthorized() -> Reply {
    Answer::default()
        .with("status", "error")
        .with("code", "110")
        .with("message", "401 Unauthorized: Invalid Authentication!")
        .with("technical_message", "Invalid Authentication")
        .reply(401)
        .header("www-authenticate", REALM)
}

/// A refusal that names no payment.
fn plain(refusal: &Refusal) -> Answer {
    Answer::default()
        .with("status", refusal.status)
        .with("code", &refusal.code.to_string())
        .with("message", refusal.message)
        .with("technical_message", &refusal.technical)
}

pub(super) fn plain_reply(status: u16, refusal: &Refusal) -> Reply {
    plain(refusal).reply(status)
}

/// Whether the call's user and password are those of an account.
pub(super) fn is_of(call: &Call, account: &Account) -> bool {
    call.basic().is_some_and(|(user, password)| {
        // Both are compared, so that the time does not tell which one was wrong.
        same_text(&user, &account.username) & same_text(&password, &account.password)
    })
}

/// Who asks, of which terminal, and what; or the refusal.
fn admit(tx: &Tx<'_>, call: &Call, token: &str) -> Result<Result<(String, Account, Document), Reply>, Error> {
    let terminal = tx.account::<Account>(token)?.filter(|(_, account)| is_of(call, account));
    if terminal.is_none() && !tx.any_account::<Account>(|account| is_of(call, account))? {
        return Ok(Err(unauthorized()));
    }
    let kind = call.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case(CONTENT_TYPE) {
        return Ok(Err(plain_reply(200, &input_error(360, "Content-Type must be text/xml"))));
    }
    let Some(document) = xml::read(&call.body) else {
        return Ok(Err(plain_reply(200, &input_error(350, "The XML is not well-formed"))));
    };
    let invalid = Refusal {
        status: "error",
        code: 220,
        message: "Transaction failed, please contact support!",
        technical: "Invalid Terminal".to_owned(),
    };
    Ok(match terminal {
        Some((digest, account)) => Ok((digest, account, document)),
        None => Err(plain_reply(200, &invalid)),
    })
}

fn process(tx: &Tx<'_>, call: &Call, token: &str) -> Result<Reply, Error> {
    let (digest, account, document) = match admit(tx, call, token)? {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal),
    };
    if document.root != "payment_transaction" {
        return Ok(plain_reply(200, &input_error(350, "The root must be payment_transaction")));
    }
    let sale = match check::sale(&document, &account.currency, account.wants_billing, tx.now_ms) {
        Ok(sale) => sale,
        Err(refusal) => return refuse(tx, &document, &refusal),
    };
    if by_transaction_id(tx, &digest, sale.transaction_id)?.is_some() {
        return refuse(tx, &document, &input_error(340, "'transaction_id' has already been used!"));
    }
    let scenario = scenario_of(sale.amount);
    match scenario {
        4 => return Ok(html(500, "We are sorry, but something went wrong")),
        5 => return Ok(Reply::hang()),
        6 => return Ok(html(429, "Too many requests").header("retry-after", "1")),
        7 => return Ok(unauthorized()),
        _ => {}
    }
    let course = Course::new(sale.card_number, scenario);
    let key = new_unique_id(tx)?;
    let mut payment = Payment::new(&sale, Parts { account: digest, course, base: call.base.clone(), now_ms: tx.now_ms });
    tx.insert(&key, &[sale.transaction_id], &payment)?;
    if payment.step == Step::Over {
        let job = payment.run_out(tx, &key)?;
        let reply = payment.told(&key).reply(200);
        let half = reply.body.len() / 2;
        return Ok(match scenario {
            10 => reply.after(job.map(|job| tx.sent_once(job))),
            11 => reply.cut_after(half),
            12 => Reply::close(),
            _ => reply,
        });
    }
    tx.schedule(&key, "unfinished", UNFINISHED_MS)?;
    if payment.step == Step::Page {
        tx.schedule_auto_settle(&key, "auto")?;
    }
    if tx.settings()?.forge_callbacks {
        payment.forge(tx, &key)?;
    }
    Ok(payment.told_with_next(&key, &call.base).reply(200))
}

/// A refused payment: told with ids, kept nowhere, so that a reconcile does not know it.
fn refuse(tx: &Tx<'_>, document: &Document, refusal: &Refusal) -> Result<Reply, Error> {
    let amount = document.get("amount").filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let currency = document.get("currency").filter(|text| text.len() == 3);
    let answer = Answer::default()
        .with("transaction_type", "sale3d")
        .with("status", refusal.status)
        .with("mode", "test")
        .with_some("transaction_id", document.get("transaction_id"))
        .with("unique_id", &random_hex(UNIQUE_ID_DIGITS))
        .with("code", &refusal.code.to_string())
        .with("technical_message", &refusal.technical)
        .with("message", refusal.message)
        .with("timestamp", &date_of(tx.now_ms, "%Y-%m-%dT%H:%M:%SZ"))
        .with_some("amount", amount)
        .with_some("currency", currency)
        .with("sent_to_acquirer", "false");
    Ok(answer.reply(200))
}

fn new_unique_id(tx: &Tx<'_>) -> Result<String, Error> {
    loop {
        let id = random_hex(UNIQUE_ID_DIGITS);
        if !tx.exists(&id)? {
            return Ok(id);
        }
    }
}

/// The terminal's own payment with a `transaction_id`; two terminals may use the same one.
fn by_transaction_id(tx: &Tx<'_>, account: &str, transaction_id: &str) -> Result<Option<(String, Payment)>, Error> {
    for key in tx.keys_of(transaction_id)? {
        if let Some(payment) = tx.load::<Payment>(&key)?.filter(|payment| payment.account == account) {
            return Ok(Some((key, payment)));
        }
    }
    Ok(None)
}

fn reconcile(tx: &Tx<'_>, call: &Call, token: &str) -> Result<Reply, Error> {
    let (digest, _, document) = match admit(tx, call, token)? {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal),
    };
    if document.root != "reconcile" {
        return Ok(plain_reply(200, &input_error(350, "The root must be reconcile")));
    }
    let found = match (document.get("unique_id"), document.get("transaction_id")) {
        (Some(unique_id), _) => {
            let own = tx.load::<Payment>(unique_id)?.filter(|payment| payment.account == digest);
            own.map(|payment| (unique_id.to_owned(), payment))
        }
        (None, Some(transaction_id)) => by_transaction_id(tx, &digest, transaction_id)?,
        (None, None) => return Ok(plain_reply(200, &input_error(320, "'unique_id' is missing"))),
    };
    Ok(match found {
        Some((key, payment)) => payment.told(&key).reply(200),
        None => plain_reply(200, &input_error(460, "Transaction not found")),
    })
}
