//! Flexepin's own side, written from the Flexepin sheet. It calls nobody and has no page.
//!
//! Account: `PUT /control/flexepin/accounts/{apiKey}` with `{"secret":"...","terminalId":"..."}` (`terminalId`
//! may be left out: the API key).
//!
//! Vouchers need no set-up: PIN = currency (2 digits) + serial (6) + face value in minor units (8). A PIN is money,
//! so it is never kept: vouchers are found by a keyed digest of it. Ledger: an entry at the redeem, settled at once;
//! `reference` is the `trans_id`, `providerReference` the `trans_no`. Control references: the PIN or a `trans_id`.
//! `status/{word}`: a number is the `result` of the next redeem (`4019`), any other word the voucher's status.

use http::Method;
use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::kit::{
    Call, Direction, Error, Pressed, Provider, Reply, Transfer, TransferState, Tx, hmac_sha256_hex,
    notice_page, random_digits, same_text, timestamp_of,
};

/// The published example: a voucher of EUR 25.00 that is always fresh.
const ALWAYS_FRESH_PIN: &str = "1234567890123456";
const ALWAYS_FRESH_MINOR: i64 = 2_500;
const PIN_DIGITS: usize = 16;
const TRANS_ID_MAX: usize = 32;
const NONCE_MAX: usize = 128;
const TRANS_NO_DIGITS: usize = 12;
/// Scenario 09: this long the inquiry does not know the redeem (unscaled).
const HIDDEN_MS: u64 = 45 * 60_000;
/// Control `lost`: this long the inquiry fails (unscaled).
const LOST_MS: u64 = 60_000;

const ACTIVE: &str = "ACTIVE";
const USED: &str = "USED";

/// The simulator.
pub(crate) struct Flexepin;

#[derive(Deserialize)]
struct Account {
    secret: String,
    #[serde(rename = "terminalId")]
    terminal_id: Option<String>,
}

/// What a PIN says about itself.
struct Face {
    value: Money,
    serial: String,
    always_fresh: bool,
}

/// What became of a voucher; kept once something did.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Voucher {
    currency: String,
    value_minor: i64,
    serial: String,
    always_fresh: bool,
    /// The provider's word for its state.
    status: String,
    /// The next redeem answers this result instead of redeeming.
    next_result: Option<String>,
    /// The next redeem hangs without effect.
    lost: bool,
}

/// One `trans_id` of one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Trans {
    trans_id: String,
    trans_no: String,
    voucher: String,
    at_ms: i64,
    /// The result of its redeem, once there was one.
    redeem: Option<String>,
    /// Inquiries answer "unknown" until then.
    hidden_until_ms: i64,
    /// Inquiries fail until then.
    failing_until_ms: i64,
}

impl Provider for Flexepin {
    fn name(&self) -> &'static str {
        "flexepin"
    }

    fn is_page(&self, _: &str) -> bool {
        false
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        let Some((key, digest, account)) = authenticate(tx, call)? else {
            return Ok(problem(401, "Unauthorized"));
        };
        let terminal = account.terminal_id.as_deref().unwrap_or(&key);
        match (&call.method, call.segments().as_slice()) {
            (&Method::GET, ["status"]) => Ok(Reply::json(200, &json!({"status": "alive"}))),
            (
                _,
                ["voucher", "validate" | "redeem", _, asked, trans_id]
                | ["trans", "trans_id", trans_id, asked, _],
            ) if *asked != terminal || !is_trans_id(trans_id) => Ok(if *asked == terminal {
                problem(400, "Invalid trans_id")
            } else {
                problem(404, "Unknown terminal")
            }),
            (&Method::GET, ["voucher", "validate", pin, _, trans_id]) => {
                validate(tx, &digest, pin, trans_id)
            }
            (&Method::PUT, ["voucher", "redeem", pin, _, trans_id]) => {
                if !has_customer_ip(call) {
                    return Ok(problem(400, "customer_ip is required"));
                }
                redeem(tx, &digest, pin, trans_id)
            }
            (&Method::GET, ["trans", "trans_id", trans_id, _, asked_as])
                if is_trans_id(asked_as) =>
            {
                inquire(tx, &digest, trans_id, asked_as)
            }
            _ => Ok(problem(404, "Not found")),
        }
    }

    fn page(&self, _: &Tx<'_>, _: &Call) -> Result<Reply, Error> {
        notice_page(
            404,
            "Flexepin",
            "No page",
            "Flexepin has no hosted page here.",
        )
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.secret.is_empty() {
            Err("secret must not be empty".to_owned())
        } else {
            Ok(())
        }
    }

    fn more_outcomes(&self) -> &'static [&'static str] {
        &["used", "lost"]
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut voucher)) = voucher_of(tx, reference)? else {
            return Ok(Pressed::Unknown);
        };
        if voucher.status == USED {
            return Ok(Pressed::NotPossible(
                "the voucher is used already".to_owned(),
            ));
        }
        if voucher.always_fresh && outcome != "lost" {
            return Ok(Pressed::NotPossible(
                "this voucher is always fresh".to_owned(),
            ));
        }
        match outcome {
            "decline" => voucher.status = "BLOCKED".to_owned(),
            "expire" => voucher.status = "EXPIRED".to_owned(),
            "used" => voucher.status = USED.to_owned(),
            "lost" => voucher.lost = true,
            _ => {
                return Ok(Pressed::NotPossible(
                    "a voucher is redeemed by the merchant's own call".to_owned(),
                ));
            }
        }
        keep(tx, &key, &voucher)?;
        Ok(Pressed::Done(voucher.status))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut voucher)) = voucher_of(tx, reference)? else {
            return Ok(Pressed::Unknown);
        };
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            voucher.next_result = Some(word.to_owned());
        } else {
            voucher.status = word.to_owned();
        }
        keep(tx, &key, &voucher)?;
        Ok(Pressed::Done(word.to_owned()))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(voucher_of(tx, reference)?.map(|(_, voucher)| voucher.status))
    }

    fn event(&self, _: &Tx<'_>, _: &str, _: &str) -> Result<(), Error> {
        // Flexepin has no due times: what ends, ends at its own time when it is asked.
        Ok(())
    }

    /// PINs are bearer values: only their last four digits may be kept.
    fn blanked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let run = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
            out.push_str(&rest[..start]);
            let digits = &rest[start..start + run];
            if run == PIN_DIGITS {
                out.push_str("************");
                out.push_str(&digits[PIN_DIGITS - 4..]);
            } else {
                out.push_str(digits);
            }
            rest = &rest[start + run..];
        }
        out + rest
    }
}

/// `AUTHENTICATION: HMAC <apiKey>:<signature>:<nonce>`: form, key, signature over the raw path and body, fresh nonce.
fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Option<(String, String, Account)>, Error> {
    let parts: Option<Vec<&str>> = call
        .header("authentication")
        .and_then(|header| header.strip_prefix("HMAC "))
        .map(|triple| triple.split(':').collect());
    let Some([key, signature, nonce]) = parts.as_deref() else {
        return Ok(None);
    };
    if nonce.is_empty() || nonce.len() > NONCE_MAX {
        return Ok(None);
    }
    let Some((digest, account)) = tx.account::<Account>(key)? else {
        return Ok(None);
    };
    let expected = signature_of(
        &account.secret,
        call.method.as_str(),
        &call.path,
        nonce,
        &call.body,
    );
    // The nonce counts as used only where its signature is right: nobody else can burn it.
    if !same_text(&expected, signature) || !tx.use_once(&digest, nonce)? {
        return Ok(None);
    }
    Ok(Some(((*key).to_owned(), digest, account)))
}

fn signature_of(secret: &str, method: &str, path: &str, nonce: &str, body: &[u8]) -> String {
    let mut message = format!("{method}\n{path}\n{nonce}\n").into_bytes();
    message.extend_from_slice(body);
    hmac_sha256_hex(secret.as_bytes(), &message)
}

fn problem(status: u16, description: &str) -> Reply {
    Reply::json(
        status,
        &json!({"result": status.to_string(), "result_description": description}),
    )
}

fn is_trans_id(text: &str) -> bool {
    (1..=TRANS_ID_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn has_customer_ip(call: &Call) -> bool {
    serde_json::from_slice::<Value>(&call.body)
        .ok()
        .and_then(|body| body["customer_ip"].as_str().map(str::to_owned))
        .is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok())
}

/// Reads what a PIN says: currency, serial, face value.
fn face_of(pin: &str) -> Option<Face> {
    if pin.len() != PIN_DIGITS || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if pin == ALWAYS_FRESH_PIN {
        let value = Money::from_minor(ALWAYS_FRESH_MINOR, Currency::from_code("EUR")?);
        return Some(Face {
            value,
            serial: "A1345678".to_owned(),
            always_fresh: true,
        });
    }
    let code = match &pin[..2] {
        "10" => "EUR",
        "20" => "CAD",
        "30" => "AUD",
        "40" => "USD",
        "50" => "GBP",
        _ => return None,
    };
    let minor = pin[8..].parse().ok().filter(|minor| *minor > 0)?;
    let value = Money::from_minor(minor, Currency::from_code(code)?);
    Some(Face {
        value,
        serial: format!("A{}{}", &pin[..1], &pin[2..8]),
        always_fresh: false,
    })
}

fn voucher_key(tx: &Tx<'_>, pin: &str) -> String {
    format!("voucher:{}", tx.digest(pin))
}

/// The voucher of a PIN, as it is kept or as it begins.
fn voucher_of_pin(tx: &Tx<'_>, pin: &str) -> Result<Option<(String, Voucher)>, Error> {
    let Some(face) = face_of(pin) else {
        return Ok(None);
    };
    let key = voucher_key(tx, pin);
    let voucher = tx.load(&key)?.unwrap_or_else(|| Voucher {
        currency: face.value.currency().code().to_owned(),
        value_minor: face.value.minor(),
        serial: face.serial,
        always_fresh: face.always_fresh,
        status: ACTIVE.to_owned(),
        next_result: None,
        lost: false,
    });
    Ok(Some((key, voucher)))
}

/// The voucher of a control reference: a PIN or a `trans_id`.
fn voucher_of(tx: &Tx<'_>, reference: &str) -> Result<Option<(String, Voucher)>, Error> {
    if let Some(found) = voucher_of_pin(tx, reference)? {
        return Ok(Some(found));
    }
    let Some((_, trans)) = tx.find::<Trans>(reference)? else {
        return Ok(None);
    };
    Ok(tx
        .load(&trans.voucher)?
        .map(|voucher| (trans.voucher, voucher)))
}

fn keep(tx: &Tx<'_>, key: &str, voucher: &Voucher) -> Result<(), Error> {
    if tx.exists(key)? {
        tx.save(key, voucher)
    } else {
        tx.insert(key, &[], voucher)
    }
}

/// The record of a `trans_id` of an account, made at its first use with a voucher.
fn trans_of(
    tx: &Tx<'_>,
    account: &str,
    trans_id: &str,
    voucher: &str,
) -> Result<(String, Trans), Error> {
    let key = trans_key(account, trans_id);
    if let Some(trans) = tx.load::<Trans>(&key)? {
        return Ok((key, trans));
    }
    let trans_no = loop {
        let number = format!("1{}", random_digits(TRANS_NO_DIGITS - 1));
        if tx.keys_of(&number)?.is_empty() {
            break number;
        }
    };
    let trans = Trans {
        trans_id: trans_id.to_owned(),
        trans_no,
        voucher: voucher.to_owned(),
        at_ms: tx.now_ms,
        redeem: None,
        hidden_until_ms: 0,
        failing_until_ms: 0,
    };
    tx.insert(&key, &[trans_id, &trans.trans_no], &trans)?;
    Ok((key, trans))
}

fn trans_key(account: &str, trans_id: &str) -> String {
    format!("trans:{account}:{trans_id}")
}

impl Voucher {
    fn money(&self) -> Option<Money> {
        Some(Money::from_minor(
            self.value_minor,
            Currency::from_code(&self.currency)?,
        ))
    }

    fn scenario(&self) -> u8 {
        self.money().map_or(0, |money| money.scenario_digits())
    }

    /// The refusal that its state alone leads to.
    fn refusal(&self) -> Option<&'static str> {
        match self.status.as_str() {
            USED => Some("4002"),
            "BLOCKED" => Some("4003"),
            "EXPIRED" => Some("4004"),
            _ => None,
        }
    }
}

/// The texts of the result codes ([assumed]).
fn description(result: &str) -> &'static str {
    match result {
        "0" => "Success",
        "4001" => "Invalid PIN",
        "4002" => "Voucher already used",
        "4003" => "Voucher blocked",
        "4004" => "Voucher expired",
        "4005" => "Transaction id already used",
        "4019" => "Voucher needs a currency swap",
        "4040" => "Transaction not found",
        _ => "Voucher refused",
    }
}

/// The voucher object. Values are raw number literals: no binary float comes near an amount.
#[derive(Serialize)]
struct VoucherObject<'a> {
    result: &'a str,
    result_description: &'a str,
    transaction_id: &'a str,
    trans_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a str>,
    value: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residual_value: Option<Box<RawValue>>,
    status: &'a str,
    currency: &'a str,
    ean: &'a str,
    description: String,
}

fn voucher_object(
    voucher: &Voucher,
    trans: &Trans,
    result: &str,
    status: &str,
) -> Result<Box<RawValue>, Error> {
    let plain = |minor: i64| {
        let money = Currency::from_code(&voucher.currency)
            .map(|currency| Money::from_minor(minor, currency));
        RawValue::from_string(money.map_or_else(|| "0".to_owned(), |money| money.to_plain()))
    };
    let good = result == "0";
    let value = plain(voucher.value_minor)?;
    let object = VoucherObject {
        result,
        result_description: description(result),
        transaction_id: &trans.trans_id,
        trans_no: &trans.trans_no,
        serial: good.then_some(voucher.serial.as_str()),
        // The merchant's cost: two in a hundred below the value.
        cost: if good {
            Some(plain(voucher.value_minor * 98 / 100)?)
        } else {
            None
        },
        residual_value: if good {
            Some(plain(if status == USED {
                0
            } else {
                voucher.value_minor
            })?)
        } else {
            None
        },
        description: format!("Flexepin {} {}", voucher.currency, value.get()),
        value,
        status,
        currency: &voucher.currency,
        ean: "",
    };
    Ok(serde_json::value::to_raw_value(&object)?)
}

fn refused(trans_id: &str, result: &str) -> Reply {
    Reply::json(
        200,
        &json!({"result": result, "result_description": description(result), "transaction_id": trans_id}),
    )
}

fn object_reply(
    voucher: &Voucher,
    trans: &Trans,
    result: &str,
    status: &str,
) -> Result<Reply, Error> {
    Ok(Reply::text(
        200,
        "application/json",
        voucher_object(voucher, trans, result, status)?.get(),
    ))
}

fn validate(tx: &Tx<'_>, account: &str, pin: &str, trans_id: &str) -> Result<Reply, Error> {
    let Some((voucher_key, voucher)) = voucher_of_pin(tx, pin)? else {
        return Ok(refused(trans_id, "4001"));
    };
    match voucher.scenario() {
        5 => return Ok(Reply::hang()),
        6 => {
            return Ok(Reply::rate_limited(
                &json!({"result": "429", "result_description": "Too many requests"}),
            ));
        }
        7 => return Ok(problem(401, "Unauthorized")),
        _ => {}
    }
    keep(tx, &voucher_key, &voucher)?;
    let (_, trans) = trans_of(tx, account, trans_id, &voucher_key)?;
    if voucher.refusal().is_none() && voucher.scenario() == 3 {
        return object_reply(&voucher, &trans, "4004", "EXPIRED");
    }
    object_reply(
        &voucher,
        &trans,
        voucher.refusal().unwrap_or("0"),
        &voucher.status,
    )
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
fn take(
    tx: &Tx<'_>,
    key: &str,
    trans: &mut Trans,
    voucher_key: &str,
    voucher: &mut Voucher,
) -> Result<Reply, Error> {
    trans.redeem = Some("0".to_owned());
    if voucher.scenario() == 9 {
        trans.hidden_until_ms = tx.now_ms + tx.scaled(HIDDEN_MS);
    }
    tx.save(key, trans)?;
    if !voucher.always_fresh {
        voucher.status = USED.to_owned();
    }
    keep(tx, voucher_key, voucher)?;
    let amount = voucher
        .money()
        .map(|money| money.to_fixed())
        .unwrap_or_default();
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
    // A voucher used by someone else is not `USED` in this trans_id's own record.
    let (result, status) = match trans.redeem.as_deref() {
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
        timestamp: timestamp_of(trans.at_ms),
        // The same inside and outside: a refused redeem of a used voucher must not read as a redeem.
        result,
        result_description: description(result),
        transaction: voucher_object(&voucher, &trans, result, status)?,
    };
    Ok(Reply::text(
        200,
        "application/json",
        serde_json::to_string(&answer)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_sheet() {
        let sign = |method, path, body: &str| {
            signature_of(
                "secretkey0001",
                method,
                path,
                "16999999991234",
                body.as_bytes(),
            )
        };
        let cases = [
            (
                "GET",
                "/status",
                "",
                "2e9c0f945c4aa464c9f9bb68507abbc99e91ee00a2b2343d69fae077696052b2",
            ),
            (
                "GET",
                "/voucher/validate/1234567890123456/TERM01/64a1f2b3c4d5e6f7a8b9c0d1",
                "",
                "33d68c2c1b66144e40f93ac687f178d1fa62eef7c9a3c9799e326ebffe9a8e42",
            ),
            (
                "PUT",
                "/voucher/redeem/1234567890123456/TERM01/64a1f2b3c4d5e6f7a8b9c0d1",
                "{\"customer_ip\":\"203.0.113.42\"}",
                "7ed14d00e4f057c4a464f1ce479fe22056dc43ad9fe73314b4710ab78f854626",
            ),
            (
                "GET",
                "/trans/trans_id/64a1f2b3c4d5e6f7a8b9c0d1/TERM01/64a1f2b3c4d5e6f7a8b9c0d1q01",
                "",
                "0731ab2f44b3bdee5dcff1b74489f7c1a9ddf6fbc2ec3819e288686b14cdc3c0",
            ),
        ];
        for (method, path, body, signature) in cases {
            assert_eq!(sign(method, path, body), signature, "{method} {path}");
        }
    }

    #[test]
    fn a_pin_says_what_it_is_worth() {
        let face = face_of("1000000100002500").unwrap();
        assert_eq!(
            (face.value.to_fixed().as_str(), face.value.currency().code()),
            ("25.00", "EUR")
        );
        assert_eq!(face.serial, "A1000001");
        assert_eq!(
            face_of("5012345600002501").unwrap().value.to_plain(),
            "25.01"
        );
        assert!(face_of(ALWAYS_FRESH_PIN).unwrap().always_fresh);
        for bad in [
            "9900000100002500",
            "1000000100000000",
            "100000010000250",
            "10000001000025000",
            "100000010000250x",
        ] {
            assert!(face_of(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn pins_are_blanked() {
        let path = "/voucher/redeem/1000000100002500/TERM01/64a1f2b3c4d5e6f7a8b9c0d1";
        assert_eq!(
            Flexepin.blanked(path),
            "/voucher/redeem/************2500/TERM01/64a1f2b3c4d5e6f7a8b9c0d1"
        );
    }
}
