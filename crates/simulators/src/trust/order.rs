//! A posted form: what it asked for, what was paid on its page, and whom that is told.

use serde::{Deserialize, Serialize};

use super::Account;
use super::attempt::{AUTH, Ending, REFUND, Record};
use super::card::Paid;
use super::sign::{Fields, NOTIFICATION_REFERENCE, RESPONSE_HASH, response_hash};
use crate::kit::{Ack, Callback, Direction, Error, Transfer, TransferState, Tx, random_capitals_or_digits, random_hex, scenario};

/// The fields of a notification unless the form names others.
pub(super) const NOTIFIED_FIELDS: [&str; 10] = [
    "baseamount",
    "currencyiso3a",
    "errorcode",
    "maskedpan",
    "orderreference",
    "paymenttypedescription",
    "requesttypedescription",
    "settlestatus",
    "sitereference",
    "transactionreference",
];
/// Amounts that do not approve, by the provider's own documents; they go before the digits.
const DECLINED_AMOUNT: &str = "700.00";
const BANK_ERROR_AMOUNT: &str = "600.10";
pub(super) const REDIRECT_ON_SUCCESS: &str = "STR-6";
pub(super) const REDIRECT_ON_DECLINE: &str = "STR-7";
pub(super) const NOTIFY_ON_ALL: &str = "STR-10";
/// Scenario 09: the second attempt comes this long after the notification of the first (unscaled).
const SECOND_ATTEMPT_MS: u64 = 2_000;
const MINUTE_MS: u64 = 60_000;
/// Failover notifications are repeated hourly up to this hour after the first.
const RETRY_HOURS: u64 = 48;

/// Whether, and how, an attempt is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nobody learns of it.
    No,
    /// By a notification.
    Yes,
    /// By a notification that the second attempt follows.
    ThenSecond,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Digest of the account's name.
    pub(super) account: String,
    pub(super) sitereference: String,
    pub(super) orderreference: String,
    pub(super) currency: String,
    /// `mainamount`: major units with the currency's digits.
    pub(super) amount: String,
    /// `baseamount`: minor units.
    pub(super) base_amount: i64,
    /// The billing fields, to be shown: name and value.
    pub(super) billing: Fields,
    /// Whether the form went to `details`: card form at once.
    pub(super) details: bool,
    pub(super) rules: Vec<String>,
    pub(super) success_url: String,
    pub(super) declined_url: String,
    pub(super) notification_url: String,
    /// `stextraurlnotifyfields`.
    pub(super) notified_fields: Vec<String>,
    /// When the page can no longer be paid.
    pub(super) expires_ms: i64,
    pub(super) expired: bool,
    pub(super) refunded: bool,
    /// How often it was asked for.
    pub(super) queries: u32,
    pub(super) records: Vec<Record>,
}

impl Order {
    /// The scenario; the provider's own test amounts that do not approve have none.
    pub(super) fn digits(&self) -> u8 {
        if [DECLINED_AMOUNT, BANK_ERROR_AMOUNT].contains(&self.amount.as_str()) {
            return 0;
        }
        scenario(&self.amount, &self.currency)
    }

    pub(super) fn has_rule(&self, rule: &str) -> bool {
        self.rules.iter().any(|sent| sent == rule)
    }

    /// The newest AUTH.
    pub(super) fn last(&self) -> Option<&Record> {
        self.records.iter().rev().find(|record| record.is_auth())
    }

    fn last_index(&self) -> Option<usize> {
        self.records.iter().rposition(Record::is_auth)
    }

    /// Whether the payer can (still, or again) pay.
    pub(super) fn may_pay(&self, now_ms: i64) -> bool {
        !self.expired && now_ms < self.expires_ms && self.records.iter().all(Record::is_refused)
    }

    /// The word of the control routes.
    pub(super) fn state(&self) -> String {
        match self.last() {
            _ if self.refunded => "refunded".to_owned(),
            _ if self.expired => "expired".to_owned(),
            Some(record) => record.word(),
            None => "waiting".to_owned(),
        }
    }

    /// The page's button Pay, scenario included; the job of the notification.
    pub(super) fn press_pay(&mut self, tx: &Tx<'_>, key: &str, paid: &Paid) -> Result<Option<i64>, Error> {
        let (ending, told) = match self.digits() {
            _ if paid.declines || self.amount == DECLINED_AMOUNT => (Ending::DECLINED, Told::Yes),
            _ if self.amount == BANK_ERROR_AMOUNT => (Ending::UNKNOWN, Told::Yes),
            1 => (Ending::DECLINED, Told::Yes),
            2 => (Ending::CANCELLED, Told::Yes),
            4..=7 | 11 | 12 => (Ending::APPROVED, Told::No),
            9 if self.records.is_empty() => (Ending::DECLINED, Told::ThenSecond),
            _ => (Ending::APPROVED, Told::Yes),
        };
        self.attempt(tx, key, &ending, paid, told)
    }

    /// A payer's attempt that ends so: a new record.
    pub(super) fn attempt(
        &mut self,
        tx: &Tx<'_>,
        key: &str,
        ending: &Ending,
        paid: &Paid,
        told: Told,
    ) -> Result<Option<i64>, Error> {
        self.add(tx, key, AUTH, ending, paid)?;
        self.changed(tx, key, self.records.len() - 1, told)
    }

    fn add(&mut self, tx: &Tx<'_>, key: &str, kind: &str, ending: &Ending, paid: &Paid) -> Result<(), Error> {
        let record = Record::new(tx, kind, ending, paid)?;
        tx.add_name(&record.transactionreference, key)?;
        self.records.push(record);
        Ok(())
    }

    /// A control call's ending: of the record that is still undecided, else of a new attempt. `false`: not possible.
    pub(super) fn settle(&mut self, tx: &Tx<'_>, key: &str, ending: &Ending) -> Result<bool, Error> {
        let undecided = self.last_index().filter(|index| {
            let record = &self.records[*index];
            // A suspended one can only be released here; `cancel` is its other end.
            record.is_unknown() || (record.is_suspended() && !self.expired && ending.is_release())
        });
        match undecided {
            Some(index) => {
                self.records[index].becomes(ending);
                self.changed(tx, key, index, Told::Yes)?;
            }
            None if self.may_pay(tx.now_ms) => {
                self.attempt(tx, key, ending, &Paid::by_default(), Told::Yes)?;
            }
            None => return Ok(false),
        }
        Ok(true)
    }

    /// settlestatus 3; `after_approval` asks that the money was taken before. `false`: not possible.
    pub(super) fn cancel(&mut self, tx: &Tx<'_>, key: &str, after_approval: bool) -> Result<bool, Error> {
        let index = self.last_index().filter(|index| {
            let record = &self.records[*index];
            !self.refunded && record.is_success() && !(after_approval && record.is_suspended())
        });
        match index {
            Some(index) => {
                self.records[index].becomes(&Ending::CANCELLED);
                self.changed(tx, key, index, Told::Yes)?;
                Ok(true)
            }
            None if after_approval => Ok(false),
            None => self.settle(tx, key, &Ending::CANCELLED),
        }
    }

    /// A payer's further attempt, whatever became of those before.
    pub(super) fn further(&mut self, tx: &Tx<'_>, key: &str, ending: &Ending) -> Result<bool, Error> {
        self.attempt(tx, key, ending, &Paid::by_default(), Told::Yes).map(|_| true)
    }

    /// What is left of a payment that can be given back; minor units.
    fn left(&self, auth: &Record) -> i64 {
        let refunds = self.records.iter().filter(|record| !record.is_auth() && record.is_success());
        let given_back: i64 = refunds.map(|record| record.base_amount.unwrap_or(self.base_amount)).sum();
        auth.settle_base_amount.unwrap_or(self.base_amount) - given_back
    }

    /// The payment that money can be given back of.
    fn refundable(&self) -> Option<&Record> {
        self.last().filter(|auth| !self.refunded && auth.is_success() && !auth.is_suspended())
    }

    /// Less is to be settled than was authorised. `false`: not possible, `settlestatus` 3 is the way to settle nothing.
    pub(super) fn lower(&mut self, tx: &Tx<'_>, key: &str, minor: i64) -> Result<bool, Error> {
        let left = self.refundable().map_or(0, |auth| self.left(auth));
        let Some(index) = self.last_index().filter(|_| (1..left).contains(&minor)) else { return Ok(false) };
        let settles = self.records[index].settle_base_amount.unwrap_or(self.base_amount);
        self.records[index].settle_base_amount = Some(settles - minor);
        self.changed(tx, key, index, Told::Yes)?;
        Ok(true)
    }

    /// More is to be settled than was said before, up to what was authorised. `false`: not possible.
    pub(super) fn raise(&mut self, tx: &Tx<'_>, key: &str, minor: i64) -> Result<bool, Error> {
        let Some(index) = self.last_index().filter(|_| self.refundable().is_some()) else { return Ok(false) };
        let settles = self.records[index].settle_base_amount.unwrap_or(self.base_amount);
        if minor > self.base_amount - settles {
            return Ok(false);
        }
        self.records[index].settle_base_amount = Some(settles + minor);
        self.changed(tx, key, index, Told::Yes)?;
        Ok(true)
    }

    /// A part goes back, or all that is left. `false`: not possible.
    pub(super) fn refund(&mut self, tx: &Tx<'_>, key: &str, part: Option<i64>) -> Result<bool, Error> {
        let Some(auth) = self.refundable().cloned() else {
            return Ok(false);
        };
        let left = self.left(&auth);
        let minor = part.unwrap_or(left);
        if !(1..=left).contains(&minor) {
            return Ok(false);
        }
        self.refunded = minor == left;
        if self.refunded {
            tx.transfer_became(&auth.transactionreference, TransferState::Returned)?;
        }
        self.add(tx, key, REFUND, &Ending::APPROVED, &Paid::by_default())?;
        let index = self.records.len() - 1;
        let refund = &mut self.records[index];
        (refund.brand, refund.masked, refund.wallet) = (auth.brand, auth.masked, auth.wallet);
        refund.base_amount = Some(minor);
        let account = tx.account::<Account>(&self.sitereference)?;
        if account.is_some_and(|(_, account)| account.refund_references == Some(false)) {
            refund.transactionreference.clear();
        }
        self.changed(tx, key, index, Told::Yes)?;
        Ok(true)
    }

    /// The page can no longer be paid; Trust tells nobody. `false`: not possible.
    pub(super) fn expire(&mut self, tx: &Tx<'_>, key: &str) -> Result<bool, Error> {
        let possible = self.may_pay(tx.now_ms);
        if possible {
            self.expired = true;
            tx.save(key, self)?;
        }
        Ok(possible)
    }

    /// A raw word of a control call, whatever was before: of the attempt or the refund that has this reference, else of the
    /// newest attempt.
    pub(super) fn set_raw(&mut self, tx: &Tx<'_>, key: &str, reference: &str, ending: &Ending) -> Result<(), Error> {
        let named = self.records.iter().position(|record| record.transactionreference == reference);
        match named.or_else(|| self.last_index()) {
            Some(index) => {
                self.records[index].becomes(ending);
                self.refund_changed(tx, index)?;
                self.changed(tx, key, index, Told::Yes).map(|_| ())
            }
            None => self.attempt(tx, key, ending, &Paid::by_default(), Told::Yes).map(|_| ()),
        }
    }

    /// What a refund that ended otherwise leaves of its payment.
    fn refund_changed(&mut self, tx: &Tx<'_>, index: usize) -> Result<(), Error> {
        if self.records[index].is_auth() {
            return Ok(());
        }
        let Some(auth) = self.last().cloned() else { return Ok(()) };
        let whole = self.left(&auth) <= 0;
        if whole != self.refunded && auth.booked {
            tx.transfer_became(&auth.transactionreference, if whole { TransferState::Returned } else { TransferState::Settled })?;
        }
        self.refunded = whole;
        Ok(())
    }

    /// Books what a new or changed record means, keeps it, and notifies; the job of the (first) notification.
    fn changed(&mut self, tx: &Tx<'_>, key: &str, index: usize, told: Told) -> Result<Option<i64>, Error> {
        self.book(tx, index)?;
        tx.save(key, self)?;
        if !self.records[index].is_success() && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        if told == Told::No {
            return Ok(None);
        }
        let Some((_, account)) = tx.account_of::<Account>(&self.account)? else {
            return Ok(None);
        };
        let password = account.site_security_password.as_deref();
        let Some(mut callback) = self.notification(&account, &self.records[index], password) else {
            // Nobody to tell; the second attempt comes all the same.
            let follows = told == Told::ThenSecond;
            return if follows { tx.schedule(key, "second", SECOND_ATTEMPT_MS).map(|()| None) } else { Ok(None) };
        };
        callback.then = (told == Told::ThenSecond).then(|| ("second".to_owned(), SECOND_ATTEMPT_MS));
        let first = tx.send(key, &callback)?;
        if self.digits() == 8 {
            tx.send(key, &callback)?;
            tx.send(key, &callback)?;
        }
        Ok(Some(first))
    }

    fn book(&mut self, tx: &Tx<'_>, index: usize) -> Result<(), Error> {
        let record = &self.records[index];
        if !record.is_auth() {
            return Ok(());
        }
        let reference = &record.transactionreference;
        let state = match (record.is_success(), record.is_suspended()) {
            (true, true) => TransferState::Accepted,
            (true, false) => TransferState::Settled,
            (false, _) => TransferState::Returned,
        };
        if record.booked {
            return tx.transfer_became(reference, state);
        }
        if !record.is_success() {
            return Ok(());
        }
        let transfer = Transfer {
            reference: &self.orderreference,
            provider_reference: reference,
            direction: Direction::In,
            amount: &self.amount,
            currency: &self.currency,
            destination: None,
        };
        tx.accept(&transfer, state)?;
        self.records[index].booked = true;
        Ok(())
    }

    /// Success told for what nobody paid, signed with a password that is nobody's.
    pub(super) fn forge(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let Some((_, account)) = tx.account_of::<Account>(&self.account)? else {
            return Ok(());
        };
        let invented = Record::new(tx, AUTH, &Ending::APPROVED, &Paid::by_default())?;
        let password = account.site_security_password.is_some().then(|| random_hex(32));
        match self.notification(&account, &invented, password.as_deref()) {
            Some(callback) => tx.send(key, &callback).map(|_| ()),
            None => Ok(()),
        }
    }

    /// The notification of a record: to the rule's address, else to the one that is fixed for the site.
    fn notification(&self, account: &Account, record: &Record, password: Option<&str>) -> Option<Callback> {
        let by_rule = self.has_rule(NOTIFY_ON_ALL).then_some(self.notification_url.as_str());
        let url = by_rule.or(account.notification_url.as_deref())?;
        let mut fields: Fields = vec![(NOTIFICATION_REFERENCE.to_owned(), format!("1-{}", random_capitals_or_digits(8)))];
        let named: Vec<&str> = match by_rule {
            Some(_) if !self.notified_fields.is_empty() => self.notified_fields.iter().map(String::as_str).collect(),
            _ => NOTIFIED_FIELDS.to_vec(),
        };
        for name in named {
            let again = fields.iter().any(|(sent, _)| sent == name);
            if let Some(value) = self.field(record, name).filter(|_| !again) {
                fields.push((name.to_owned(), value));
            }
        }
        if let Some(password) = password {
            fields.push((RESPONSE_HASH.to_owned(), response_hash(&fields, password)));
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let mut callback = Callback::post(url, "application/x-www-form-urlencoded; charset=UTF-8", body);
        callback.ack = Ack::Exactly200;
        callback.retry_at_ms = [1, 5, 15, 60].into_iter().map(|minutes| minutes * MINUTE_MS).collect();
        callback.retry_at_ms.extend((2..=RETRY_HOURS).map(|hours| hours * 60 * MINUTE_MS));
        Some(callback)
    }

    /// A field of a record by its name; `None` for one that we do not know.
    pub(super) fn field(&self, record: &Record, name: &str) -> Option<String> {
        Some(match name {
            "baseamount" => record.base_amount.unwrap_or(self.base_amount).to_string(),
            "currencyiso3a" => self.currency.clone(),
            "errorcode" => record.errorcode.clone(),
            "maskedpan" => record.masked.clone(),
            "orderreference" => self.orderreference.clone(),
            "paymenttypedescription" => record.brand.clone(),
            "requesttypedescription" => record.kind.clone(),
            "settlestatus" => record.settlestatus.clone(),
            "sitereference" => self.sitereference.clone(),
            "transactionreference" => record.transactionreference.clone(),
            _ => return None,
        })
    }

    /// Where the browser goes after an attempt; `None` when no rule sends it anywhere.
    pub(super) fn redirect(&self, tx: &Tx<'_>, record: &Record) -> Result<Option<String>, Error> {
        let (rule, url) = if record.is_success() {
            (REDIRECT_ON_SUCCESS, &self.success_url)
        } else {
            (REDIRECT_ON_DECLINE, &self.declined_url)
        };
        if !self.has_rule(rule) {
            return Ok(None);
        }
        let names = ["errorcode", "orderreference", "paymenttypedescription", "settlestatus", "sitereference"];
        let mut fields: Fields = names.iter().filter_map(|name| Some(((*name).to_owned(), self.field(record, name)?))).collect();
        fields.push(("requestreference".to_owned(), format!("A{}", random_hex(8))));
        fields.push(("transactionreference".to_owned(), record.transactionreference.clone()));
        self.address(tx, url, fields).map(Some)
    }

    /// Where the browser goes when the payer gives up ([assumed]); `None` without the rule.
    pub(super) fn cancel_redirect(&self, tx: &Tx<'_>) -> Result<Option<String>, Error> {
        if !self.has_rule(REDIRECT_ON_DECLINE) {
            return Ok(None);
        }
        let fields = [("orderreference", &self.orderreference), ("sitereference", &self.sitereference)]
            .map(|(name, value)| (name.to_owned(), value.clone()));
        self.address(tx, &self.declined_url, fields.to_vec()).map(Some)
    }

    fn address(&self, tx: &Tx<'_>, url: &str, mut fields: Fields) -> Result<String, Error> {
        let password = tx.account_of::<Account>(&self.account)?.and_then(|(_, account)| account.site_security_password);
        if let Some(password) = password {
            fields.push((RESPONSE_HASH.to_owned(), response_hash(&fields, &password)));
        }
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let joint = if url.contains('?') { '&' } else { '?' };
        Ok(format!("{url}{joint}{query}"))
    }
}
