//! Create: the form of the redirect API, answered with a page whose script leads on.

use http::Method;
use jiff::Timestamp;
use money::{Currency, Money};
use serde_json::json;

use super::order::{Ending, Order};
use super::sign::is_signed;
use super::{Account, PAGE_PREFIX};
use crate::kit::{Call, Error, Reply, Tx, is_http_url, random_capitals_or_digits, random_digits};

const HTML: &str = "text/html; charset=utf-8";
/// A create that names no `expiry` may be paid this long (unscaled).
const DEFAULT_LIFE_MS: i64 = 120 * 60_000;
/// `YYYY-MM-DDTHH:MM:SS+00:00`.
const EXPIRY_CHARACTERS: usize = 25;
const AMOUNT_DIGITS_MAX: usize = 15;
const REFERENCE_BYTES_MAX: usize = 64;
const PAGE_ID_CHARACTERS: usize = 17;
const TRANSACTION_ID_DIGITS: usize = 9;
/// Scenario 11: the answer ends here, before the address.
const CUT: &str = "<html><head><script>document.location";

/// A fault that is told in the body: message and our code.
struct Fault(&'static str, &'static str);

/// An address that nothing answers at, and what a merchantId that nobody has gets.
pub(super) fn not_found() -> Reply {
    Reply::text(404, HTML, "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>")
}

/// A subMerchantId that is not the account's.
pub(super) fn unauthorized() -> Reply {
    Reply::text(401, HTML, "<html><head><title>401 Unauthorized</title></head><body><h1>Unauthorized</h1></body></html>")
}

/// A wrong hash.
pub(super) fn forbidden() -> Reply {
    Reply::text(403, HTML, "<html><head><title>403 Forbidden</title></head><body><h1>Forbidden</h1></body></html>")
}

/// A value of a field, empty when it is absent.
pub(super) fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

/// The account that a call is for, once merchantId, subMerchantId and hash are right; else the refusal.
pub(super) fn authenticate(tx: &Tx<'_>, fields: &[(String, String)]) -> Result<Result<(String, Account), Reply>, Error> {
    let Some((digest, account)) = tx.account::<Account>(value(fields, "merchantId"))? else {
        return Ok(Err(not_found()));
    };
    if value(fields, "subMerchantId") != account.sub_merchant_id {
        return Ok(Err(unauthorized()));
    }
    Ok(if is_signed(fields, &account.secret) { Ok((digest, account)) } else { Err(forbidden()) })
}

/// Answers a create.
pub(super) fn create(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    if call.method != Method::POST {
        return Ok(Reply::text(405, HTML, "<html><body>Method Not Allowed</body></html>").header("allow", "POST"));
    }
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return Ok(Reply::text(415, HTML, "<html><body>Unsupported Media Type</body></html>"));
    }
    let fields = call.form_pairs();
    let (digest, account) = match authenticate(tx, &fields)? {
        Ok(known) => known,
        Err(refusal) => return Ok(refusal),
    };
    // Used before: two accounts may use the same one.
    if find(tx, &digest, value(&fields, "merchantTransactionId"))?.is_some() {
        return Ok(refused("The merchantTransactionId already exists", "2001"));
    }
    let order = match read_order(tx, &fields, digest, &account) {
        Ok(order) => order,
        Err(Fault(error, code)) => return Ok(refused(error, code)),
    };
    match order.scenario() {
        4 => Ok(Reply::text(500, HTML, "<html><body>Internal Server Error</body></html>")),
        5 => Ok(Reply::hang()),
        6 => Ok(Reply::text(429, HTML, "<html><body>Too Many Requests</body></html>").header("retry-after", "1")),
        7 => Ok(not_found()),
        _ => open(tx, call, order),
    }
}

fn refused(error: &str, code: &str) -> Reply {
    Reply::json(200, &json!({"error": error, "errorcode": code}))
}

/// The account's transaction with a merchantTransactionId.
pub(super) fn find(tx: &Tx<'_>, account: &str, reference: &str) -> Result<Option<(String, Order)>, Error> {
    for key in tx.keys_of(reference)? {
        let found = tx.load::<Order>(&key)?.filter(|order| order.account == account && order.reference == reference);
        if let Some(order) = found {
            return Ok(Some((key, order)));
        }
    }
    Ok(None)
}

/// Keeps the transaction and answers with the way to its page, as its scenario has it.
fn open(tx: &Tx<'_>, call: &Call, mut order: Order) -> Result<Reply, Error> {
    let key = loop {
        let key = format!("{PAGE_PREFIX}{}", random_capitals_or_digits(PAGE_ID_CHARACTERS));
        if !tx.exists(&key)? {
            break key;
        }
    };
    tx.insert(&key, &[&order.reference, &order.transaction_id], &order)?;
    tx.schedule(&key, "expire", order.life_ms)?;
    if tx.settings()?.forge_callbacks {
        order.forge(tx, &key)?;
    }
    let html = format!("<html><head><script>document.location.href = '{}/{key}';</script></head><body></body></html>", call.base);
    let answer = Reply::text(200, "text/html", html);
    match order.scenario() {
        10 => {
            let job = order.end(tx, &key, Ending::Paid, None)?;
            Ok(answer.after(job.map(|job| tx.sent_once(job))))
        }
        // Nobody learns the page's address, so nobody comes to pay.
        11 => Ok(answer.cut_after(CUT.len())),
        12 => Ok(Reply::close()),
        _ => {
            tx.schedule_auto_settle(&key, "auto")?;
            Ok(answer)
        }
    }
}

/// Checks the fields of a create; the first fault, in the order of the codes.
fn read_order(tx: &Tx<'_>, fields: &[(String, String)], digest: String, account: &Account) -> Result<Order, Fault> {
    let field = |name: &str| value(fields, name).to_owned();
    let reference = field("merchantTransactionId");
    if reference.is_empty() || reference.len() > REFERENCE_BYTES_MAX {
        return Err(Fault("The merchantTransactionId is not correct", "2008"));
    }
    if !account.takes_test(&field("test")) {
        return Err(Fault("The test flag is not correct for this merchant", "2002"));
    }
    let currency = field("currency");
    let known = Currency::from_code(&currency.to_ascii_uppercase()).filter(|known| known.code().to_ascii_lowercase() == currency);
    let amount = minor_units(&field("amount")).ok_or(Fault("The amount is not correct", "2003"))?;
    let known = known.ok_or(Fault("The currency is not correct", "2004"))?;
    for (name, message) in [
        ("urlCallback", "The urlCallback is not correct"),
        ("urlOk", "The urlOk is not correct"),
        ("urlKo", "The urlKo is not correct"),
        ("urlPending", "The urlPending is not correct"),
    ] {
        if !is_http_url(&field(name)) {
            return Err(Fault(message, "2005"));
        }
    }
    if field("version") != "3" {
        return Err(Fault("The version is not correct", "2006"));
    }
    let life_ms = life_ms(tx.now_ms, value(fields, "expiry")).ok_or(Fault("The expiry is not correct", "2007"))?;
    if !matches!(field("prohibitedForMinors").as_str(), "yes" | "no") {
        return Err(Fault("The prohibitedForMinors is not correct", "2009"));
    }
    Ok(Order {
        account: digest,
        reference,
        transaction_id: format!("9{}", random_digits(TRANSACTION_ID_DIGITS - 1)),
        method_id: format!("5{}", random_digits(6)),
        sub_merchant_id: account.sub_merchant_id.clone(),
        amount: Money::from_minor(amount, known).to_fixed(),
        amount_minor: amount,
        currency,
        url_callback: field("urlCallback"),
        url_ok: field("urlOk"),
        url_ko: field("urlKo"),
        url_pending: field("urlPending"),
        created_ms: tx.now_ms,
        life_ms,
        is_known: false,
        status: super::order::PENDING.to_owned(),
        error_code: String::new(),
        error_message: String::new(),
        booked: false,
    })
}

/// `5000`: digits alone, no zero in front, more than nothing.
fn minor_units(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    (digits && (1..=AMOUNT_DIGITS_MAX).contains(&text.len())).then(|| text.parse().ok()).flatten()
}

/// How long from now (unscaled milliseconds) until `expiry`; `None` when it has another form or is over.
fn life_ms(now_ms: i64, expiry: &str) -> Option<u64> {
    if expiry.is_empty() {
        return u64::try_from(DEFAULT_LIFE_MS).ok();
    }
    if expiry.len() != EXPIRY_CHARACTERS || !expiry.ends_with("+00:00") || expiry.as_bytes()[10] != b'T' {
        return None;
    }
    let at: Timestamp = expiry.parse().ok()?;
    u64::try_from(at.as_millisecond() - now_ms).ok().filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_minor_units() {
        assert_eq!(minor_units("5000"), Some(5_000));
        for bad in ["", "0", "050", "50.00", "-1", "+1", "1e3", " 1", "1234567890123456"] {
            assert_eq!(minor_units(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_expiry_has_one_form_and_lies_ahead() {
        // 2026-05-17T09:32:57Z.
        let now = 1_779_010_377_000;
        assert_eq!(life_ms(now, "2026-05-17T11:32:57+00:00"), Some(7_200_000));
        assert_eq!(life_ms(now, ""), Some(7_200_000));
        for bad in
            ["2026-05-17T09:32:57+00:00", "2026-05-17T11:32:57Z", "2026-05-17 11:32:57+00:00", "2026-05-17T13:32:57+02:00", "x"]
        {
            assert_eq!(life_ms(now, bad), None, "{bad}");
        }
    }
}
