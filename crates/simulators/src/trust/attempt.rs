//! One record of an order (an AUTH or a REFUND), and what can become of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::card::Paid;
use crate::kit::{Error, Tx, random_digits};

pub(super) const AUTH: &str = "AUTH";
pub(super) const REFUND: &str = "REFUND";
/// `settlestatus` of a transaction that will not be settled.
const CANCELLED: &str = "3";
const SUSPENDED: &str = "2";
/// Errorcodes by which the payer's bank, or a check, said no.
const REFUSALS: [&str; 10] = ["70000", "71000", "72000", "60022", "60036", "60042", "60043", "60044", "60045", "60500"];

/// `errorcode` and `settlestatus` of an outcome.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    errorcode: Cow<'static, str>,
    settlestatus: Cow<'static, str>,
}

impl Ending {
    pub(super) const APPROVED: Self = Self::of("0", "0");
    pub(super) const DECLINED: Self = Self::of("70000", CANCELLED);
    pub(super) const SUSPENDED: Self = Self::of("0", SUSPENDED);
    pub(super) const CANCELLED: Self = Self::of("0", CANCELLED);
    /// The bank system's error: nobody knows yet.
    pub(super) const UNKNOWN: Self = Self::of("60010", "0");

    const fn of(errorcode: &'static str, settlestatus: &'static str) -> Self {
        Self { errorcode: Cow::Borrowed(errorcode), settlestatus: Cow::Borrowed(settlestatus) }
    }

    /// Whether it lets a suspended transaction go on.
    pub(super) fn is_release(&self) -> bool {
        self.errorcode == "0" && self.settlestatus == "0"
    }

    /// A raw word of a control call: `errorcode` or `errorcode/settlestatus`.
    pub(super) fn of_word(word: &str) -> Self {
        let (errorcode, settlestatus) = match word.split_once('/') {
            Some(both) => both,
            None if word == "0" => (word, "0"),
            None => (word, CANCELLED),
        };
        Self { errorcode: Cow::Owned(errorcode.to_owned()), settlestatus: Cow::Owned(settlestatus.to_owned()) }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// `requesttypedescription`.
    pub(super) kind: String,
    pub(super) errorcode: String,
    pub(super) settlestatus: String,
    pub(super) transactionreference: String,
    pub(super) started_ms: i64,
    /// `paymenttypedescription`.
    pub(super) brand: String,
    /// `maskedpan`.
    pub(super) masked: String,
    pub(super) wallet: Option<String>,
    /// Whether the ledger has it.
    pub(super) booked: bool,
    /// `baseamount` where it is not the order's: a refund of a part.
    #[serde(default)]
    pub(super) base_amount: Option<i64>,
    /// `settlebaseamount`, once it was lowered: what is to be settled yet.
    #[serde(default)]
    pub(super) settle_base_amount: Option<i64>,
}

impl Record {
    /// A new record with a transaction reference that nothing else has.
    pub(super) fn new(tx: &Tx<'_>, kind: &str, ending: &Ending, paid: &Paid) -> Result<Self, Error> {
        let transactionreference = loop {
            let reference = format!("42-{}-{}", random_digits(3), random_digits(7));
            if tx.keys_of(&reference)?.is_empty() {
                break reference;
            }
        };
        let mut record = Self {
            kind: kind.to_owned(),
            errorcode: String::new(),
            settlestatus: String::new(),
            transactionreference,
            started_ms: tx.now_ms,
            brand: paid.brand.to_owned(),
            masked: paid.masked.clone(),
            wallet: paid.wallet.map(str::to_owned),
            booked: false,
            base_amount: None,
            settle_base_amount: None,
        };
        record.becomes(ending);
        Ok(record)
    }

    pub(super) fn becomes(&mut self, ending: &Ending) {
        self.errorcode = ending.errorcode.clone().into_owned();
        self.settlestatus = ending.settlestatus.clone().into_owned();
    }

    pub(super) fn is_auth(&self) -> bool {
        self.kind == AUTH
    }

    /// Success in the sense of the sheet: errorcode 0 and settlestatus not 3; a suspended one is one too.
    pub(super) fn is_success(&self) -> bool {
        self.errorcode == "0" && self.settlestatus != CANCELLED
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.errorcode == "0" && self.settlestatus == SUSPENDED
    }

    /// A no of the bank: the payer may try again.
    pub(super) fn is_refused(&self) -> bool {
        REFUSALS.contains(&self.errorcode.as_str())
    }

    /// Neither success nor a no.
    pub(super) fn is_unknown(&self) -> bool {
        self.errorcode != "0" && !self.is_refused()
    }

    /// `0/100`, `70000`.
    pub(super) fn word(&self) -> String {
        if self.errorcode == "0" { format!("0/{}", self.settlestatus) } else { self.errorcode.clone() }
    }
}
