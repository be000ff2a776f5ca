//! A transaction, and how it ends.

use serde::{Deserialize, Serialize};

use super::Account;
use super::sign::hash;
use crate::kit::{Callback, Direction, Error, Transfer, TransferState, Tx, date_of, random_hex, scenario};

pub(super) const PENDING: &str = "pending";
const OK: &str = "ok";
const KO: &str = "ko";
/// Scenario 09: the success comes this long after the callback of the refusal (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;
/// Every simulated voucher is good until then.
const VOUCHER_EXPIRY: &str = "01/01/2032";

/// What becomes of a transaction.
pub(super) enum Ending {
    Paid,
    Declined,
    Cancelled,
    Expired,
    /// The payer pays later; the transaction stays open.
    Pending,
    /// Some other word, set by a control call.
    Raw(String),
}

impl Ending {
    /// The ending that a raw word stands for.
    pub(super) fn of_word(word: &str) -> Self {
        match word {
            OK => Self::Paid,
            KO => Self::Declined,
            PENDING => Self::Pending,
            other => Self::Raw(other.to_owned()),
        }
    }

    /// `status`, `errorCode`, `errorMessage` of the callback and the query.
    fn words(self) -> (String, &'static str, &'static str) {
        let (status, code, message) = match self {
            Self::Paid => (OK, "", ""),
            Self::Declined => (KO, "1001", "Transaction declined"),
            Self::Cancelled => (KO, "1002", "Cancelled by the customer"),
            Self::Expired => (KO, "1003", "Transaction expired"),
            Self::Pending => (PENDING, "", ""),
            Self::Raw(word) => return (word, "", ""),
        };
        (status.to_owned(), code, message)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Digest of the account's name.
    pub(super) account: String,
    /// `merchantTransactionId`.
    pub(super) reference: String,
    /// Neosurf's own.
    pub(super) transaction_id: String,
    /// The number of the voucher that pays.
    pub(super) method_id: String,
    pub(super) sub_merchant_id: String,
    /// Decimal text with the currency's digits.
    pub(super) amount: String,
    pub(super) amount_minor: i64,
    /// Lower case, as it was sent.
    pub(super) currency: String,
    pub(super) url_callback: String,
    pub(super) url_ok: String,
    pub(super) url_ko: String,
    pub(super) url_pending: String,
    pub(super) created_ms: i64,
    /// From the creation to `expiry` (unscaled).
    pub(super) life_ms: u64,
    /// Whether the status query knows it: opened by the payer, or ended.
    pub(super) is_known: bool,
    pub(super) status: String,
    pub(super) error_code: String,
    pub(super) error_message: String,
    /// Whether the ledger has it.
    pub(super) booked: bool,
}

impl Order {
    /// ISO letters.
    pub(super) fn currency_code(&self) -> String {
        self.currency.to_ascii_uppercase()
    }

    pub(super) fn scenario(&self) -> u8 {
        scenario(&self.amount, &self.currency_code())
    }

    /// Whether it can still be paid.
    pub(super) fn is_open(&self) -> bool {
        self.status == PENDING
    }

    /// Whether it was paid.
    pub(super) fn is_paid(&self) -> bool {
        self.status == OK
    }

    /// Where the browser goes to now.
    pub(super) fn leads_to(&self) -> &str {
        match self.status.as_str() {
            OK => &self.url_ok,
            PENDING => &self.url_pending,
            _ => &self.url_ko,
        }
    }

    /// The page's button Pay.
    pub(super) fn press_pay(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let (ending, then) = match self.scenario() {
            1 => (Ending::Declined, None),
            2 => (Ending::Cancelled, None),
            3 => (Ending::Expired, None),
            9 => (Ending::Declined, Some("late")),
            _ => (Ending::Paid, None),
        };
        self.end(tx, key, ending, then).map(|_| ())
    }

    /// Sets the status, books what it means, and notifies; the job of the (first) callback.
    pub(super) fn end(&mut self, tx: &Tx<'_>, key: &str, ending: Ending, then: Option<&str>) -> Result<Option<i64>, Error> {
        let (status, code, message) = ending.words();
        self.status = status;
        self.error_code = code.to_owned();
        self.error_message = message.to_owned();
        self.is_known = true;
        if self.is_paid() && !self.booked {
            self.booked = true;
            tx.accept(&self.transfer(), TransferState::Settled)?;
        }
        tx.save(key, self)?;
        if !self.is_paid() && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        let Some((merchant_id, account)) = tx.account_of::<Account>(&self.account)? else {
            return Ok(None);
        };
        let mut callback = self.callback(&merchant_id, &account.secret);
        callback.then = then.map(|event| (event.to_owned(), LATE_SUCCESS_MS));
        let first = tx.send(key, &callback)?;
        if self.scenario() == 8 {
            tx.send(key, &callback)?;
            tx.send(key, &callback)?;
        }
        Ok(Some(first))
    }

    fn transfer(&self) -> Transfer<'_> {
        Transfer {
            reference: &self.reference,
            provider_reference: &self.transaction_id,
            direction: Direction::In,
            amount: &self.amount,
            // The ledger has ISO letters; Neosurf's own spelling is theirs in lower case.
            currency: money::Currency::from_code(&self.currency_code()).map_or("", money::Currency::code),
            destination: None,
        }
    }

    /// Success told for what nobody paid, signed with a secret that is nobody's.
    pub(super) fn forge(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let Some((merchant_id, _)) = tx.account_of::<Account>(&self.account)? else {
            return Ok(());
        };
        let mut paid = self.clone();
        paid.status = OK.to_owned();
        paid.error_code.clear();
        paid.error_message.clear();
        tx.send(key, &paid.callback(&merchant_id, &random_hex(32))).map(|_| ())
    }

    /// The callback's 18 fields, signed.
    fn callback(&self, merchant_id: &str, secret: &str) -> Callback {
        let when_paid = |text: &str| if self.is_paid() { text.to_owned() } else { String::new() };
        let mut fields: Vec<(String, String)> = [
            ("amount", self.amount_minor.to_string()),
            ("created", date_of(self.created_ms, "%Y-%m-%d %H:%M:%S")),
            ("currency", self.currency.clone()),
            ("errorCode", self.error_code.clone()),
            ("errorMessage", self.error_message.clone()),
            ("merchantId", merchant_id.to_owned()),
            ("merchantTransactionId", self.reference.clone()),
            ("methodChargedAmount", when_paid(&self.amount_minor.to_string())),
            ("methodCurrency", when_paid(&self.currency_code())),
            ("methodExpiry", when_paid(VOUCHER_EXPIRY)),
            ("methodId", when_paid(&self.method_id)),
            ("methodLabel", when_paid(&self.method_id)),
            ("methodName", "neosurf".to_owned()),
            ("status", self.status.clone()),
            ("subMerchantId", self.sub_merchant_id.clone()),
            ("transaction3d", String::new()),
            ("transactionId", self.transaction_id.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        fields.push((super::sign::HASH.to_owned(), hash(&fields, secret)));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        Callback::post(&self.url_callback, "application/x-www-form-urlencoded", body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callback_has_the_fields_and_the_hash_of_the_sheet() {
        let order = Order {
            account: String::new(),
            reference: "64a1f2b3c4d5e6f7a8b9c0d1".into(),
            transaction_id: "987654321".into(),
            method_id: "5554605".into(),
            sub_merchant_id: "merchant.example".into(),
            amount: "50.00".into(),
            amount_minor: 5_000,
            currency: "eur".into(),
            url_callback: "https://gw.example/cb".into(),
            url_ok: String::new(),
            url_ko: String::new(),
            url_pending: String::new(),
            created_ms: 1_779_010_377_000,
            life_ms: 1,
            is_known: true,
            status: OK.into(),
            error_code: String::new(),
            error_message: String::new(),
            booked: true,
        };
        let callback = order.callback("24842", "neosurfsecret");
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(callback.body.as_bytes()).into_owned().collect();
        assert_eq!(fields.len(), 18);
        assert_eq!(
            fields[17],
            (
                "hash".to_owned(),
                "f88ba578112d20768cfd70928827a656ae10a14435f50eb2523e852dcd808fa1\
                 d8ace72cdb709283ede3b5eb86aed82ee5956d09d79c9693cb4ecfc89cf9ca63"
                    .to_owned()
            )
        );
    }
}
