//! Vouchers, what their PINs say, and the records of each `trans_id`.

use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ACTIVE, PIN_DIGITS, USED};
use crate::kit::{Error, Tx, random_digits, timestamp_of};

/// The published example: a voucher of EUR 25.00 that is always fresh.
const ALWAYS_FRESH_PIN: &str = "1234567890123456";
const ALWAYS_FRESH_MINOR: i64 = 2_500;
const TRANS_NO_DIGITS: usize = 12;

/// What a PIN says about itself.
struct Face {
    pub(super) value: Money,
    pub(super) serial: String,
    pub(super) always_fresh: bool,
}

/// What became of a voucher; kept once something did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Voucher {
    pub(super) currency: String,
    pub(super) value_minor: i64,
    pub(super) serial: String,
    pub(super) always_fresh: bool,
    /// The provider's word for its state.
    pub(super) status: String,
    /// The next redeem answers this result instead of redeeming.
    pub(super) next_result: Option<String>,
    /// The next redeem hangs without effect.
    pub(super) lost: bool,
}

/// One `trans_id` of one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Trans {
    pub(super) trans_id: String,
    pub(super) trans_no: String,
    pub(super) voucher: String,
    pub(super) at_ms: i64,
    /// The result of its redeem, once there was one.
    pub(super) redeem: Option<String>,
    /// Inquiries answer "unknown" until then.
    pub(super) hidden_until_ms: i64,
    /// Inquiries fail until then.
    pub(super) failing_until_ms: i64,
}

/// Reads what a PIN says: currency, serial, face value.
fn face_of(pin: &str) -> Option<Face> {
    if pin.len() != PIN_DIGITS || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if pin == ALWAYS_FRESH_PIN {
        let value = Money::from_minor(ALWAYS_FRESH_MINOR, Currency::from_code("EUR")?);
        return Some(Face { value, serial: "A1345678".to_owned(), always_fresh: true });
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
    Some(Face { value, serial: format!("A{}{}", &pin[..1], &pin[2..8]), always_fresh: false })
}

fn voucher_key(tx: &Tx<'_>, pin: &str) -> String {
    format!("voucher:{}", tx.digest(pin))
}

/// The voucher of a PIN, as it is kept or as it begins.
pub(super) fn voucher_of_pin(tx: &Tx<'_>, pin: &str) -> Result<Option<(String, Voucher)>, Error> {
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
pub(super) fn voucher_of(tx: &Tx<'_>, reference: &str) -> Result<Option<(String, Voucher)>, Error> {
    if let Some(found) = voucher_of_pin(tx, reference)? {
        return Ok(Some(found));
    }
    let Some((_, trans)) = tx.find::<Trans>(reference)? else {
        return Ok(None);
    };
    Ok(tx.load(&trans.voucher)?.map(|voucher| (trans.voucher, voucher)))
}

pub(super) fn keep(tx: &Tx<'_>, key: &str, voucher: &Voucher) -> Result<(), Error> {
    if tx.exists(key)? { tx.save(key, voucher) } else { tx.insert(key, &[], voucher) }
}

/// The record of a `trans_id` of an account, made at its first use with a voucher.
pub(super) fn trans_of(tx: &Tx<'_>, account: &str, trans_id: &str, voucher: &str) -> Result<(String, Trans), Error> {
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

pub(super) fn trans_key(account: &str, trans_id: &str) -> String {
    format!("trans:{account}:{trans_id}")
}

impl Voucher {
    pub(super) fn money(&self) -> Option<Money> {
        Some(Money::from_minor(self.value_minor, Currency::from_code(&self.currency)?))
    }

    pub(super) fn scenario(&self) -> u8 {
        self.money().map_or(0, |money| money.scenario_digits())
    }

    /// An amount as a raw number literal.
    fn plain(&self, minor: i64) -> Result<Box<RawValue>, Error> {
        let money = Currency::from_code(&self.currency).map(|currency| Money::from_minor(minor, currency));
        Ok(RawValue::from_string(money.map_or_else(|| "0".to_owned(), |money| money.to_plain()))?)
    }

    /// The merchant's cost: two in a hundred below the value.
    fn cost_minor(&self) -> i64 {
        self.value_minor * 98 / 100
    }

    /// The refusal that its state alone leads to.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        match self.status.as_str() {
            USED => Some("4002"),
            "BLOCKED" => Some("4003"),
            "EXPIRED" => Some("4004"),
            _ => None,
        }
    }
}

/// The texts of the result codes ([assumed]).
pub(super) fn description(result: &str) -> &'static str {
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

/// The record that an inquiry tells of a `trans_id`: what its redeem answered, with a `result` of its own.
#[derive(Serialize)]
struct Record<'a> {
    result: &'a str,
    result_description: &'a str,
    trans_no: &'a str,
    transaction_id: &'a str,
    serial: &'a str,
    value: Box<RawValue>,
    cost: Box<RawValue>,
    status: &'a str,
    currency: &'a str,
    description: String,
    timestamp: String,
}

pub(super) fn record(voucher: &Voucher, trans: &Trans, result: &str, status: &str) -> Result<Box<RawValue>, Error> {
    let value = voucher.plain(voucher.value_minor)?;
    let record = Record {
        result,
        result_description: description(result),
        trans_no: &trans.trans_no,
        transaction_id: &trans.trans_id,
        serial: &voucher.serial,
        cost: voucher.plain(voucher.cost_minor())?,
        description: format!("Flexepin {} {}", voucher.currency, value.get()),
        value,
        status,
        currency: &voucher.currency,
        timestamp: timestamp_of(trans.at_ms),
    };
    Ok(serde_json::value::to_raw_value(&record)?)
}

pub(super) fn voucher_object(voucher: &Voucher, trans: &Trans, result: &str, status: &str) -> Result<Box<RawValue>, Error> {
    let good = result == "0";
    let value = voucher.plain(voucher.value_minor)?;
    let object = VoucherObject {
        result,
        result_description: description(result),
        transaction_id: &trans.trans_id,
        trans_no: &trans.trans_no,
        serial: good.then_some(voucher.serial.as_str()),
        cost: if good { Some(voucher.plain(voucher.cost_minor())?) } else { None },
        residual_value: if good { Some(voucher.plain(if status == USED { 0 } else { voucher.value_minor })?) } else { None },
        description: format!("Flexepin {} {}", voucher.currency, value.get()),
        value,
        status,
        currency: &voucher.currency,
        ean: "",
    };
    Ok(serde_json::value::to_raw_value(&object)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_says_what_it_is_worth() {
        let face = face_of("1000000100002500").unwrap();
        assert_eq!((face.value.to_fixed().as_str(), face.value.currency().code()), ("25.00", "EUR"));
        assert_eq!(face.serial, "A1000001");
        assert_eq!(face_of("5012345600002501").unwrap().value.to_plain(), "25.01");
        assert!(face_of(ALWAYS_FRESH_PIN).unwrap().always_fresh);
        for bad in ["9900000100002500", "1000000100000000", "100000010000250", "10000001000025000", "100000010000250x"] {
            assert!(face_of(bad).is_none(), "{bad}");
        }
    }
}
