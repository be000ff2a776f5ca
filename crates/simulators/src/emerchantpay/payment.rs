//! A payment: how it is told, how it ends, and what is notified.

use money::{Currency, Money};
use serde::{Deserialize, Serialize};

use super::cards::{Course, Ending, Way};
use super::sign;
use super::xml::Answer;
use super::{Account, LATE_SUCCESS_MS};
use crate::kit::{
    ACCOUNT_NAME, Ack, Callback, Direction, Error, Transfer, TransferState, Tx, date_of, random_digits, random_hex,
};

pub(super) const APPROVED: &str = "approved";
pub(super) const DECLINED: &str = "declined";
pub(super) const PENDING_ASYNC: &str = "pending_async";
pub(super) const PENDING_REVIEW: &str = "pending_review";
pub(super) const IN_PROGRESS: &str = "in_progress";
pub(super) const CANCELLED: &str = "cancelled";
pub(super) const TIMEOUT: &str = "timeout";
pub(super) const ERROR: &str = "error";
pub(super) const VOIDED: &str = "voided";
pub(super) const REFUNDED: &str = "refunded";
pub(super) const CHARGEBACKED: &str = "chargebacked";
pub(super) const RETRIEVAL_REQUEST: &str = "retrieval_request";

/// Words of a payment whose outcome is not known yet.
const OPEN: [&str; 5] = [PENDING_ASYNC, "pending", IN_PROGRESS, "pending_hold", PENDING_REVIEW];
/// Words of a payment whose money went back; with the last the chargeback stands again.
const REVERSED: [&str; 6] = [VOIDED, REFUNDED, CHARGEBACKED, "second_chargebacked", "pre_arbitrated", "representment_reversed"];
/// Words that dispute a reversal; they move nothing here.
const DISPUTED: [&str; 3] = ["chargeback_reversed", "chargeback_reversal", "represented"];
/// The events of disputes, by the word of the payment that they lead to.
const EVENTS: [(&str, &str); 4] = [
    (CHARGEBACKED, "chargeback"),
    ("second_chargebacked", "second_chargeback"),
    ("chargeback_reversed", "chargeback_reversal"),
    ("chargeback_reversal", "chargeback_reversal"),
];

/// What kind of page the payer is sent to.
const CHALLENGE_TYPE: &str = "3ds_v2_challenge";
const REDIRECT_TYPE: &str = "3ds_v1_payer_authentication";

/// Deliveries of a notification, and the time between them (sheet, "Callbacks").
const DELIVERIES: u64 = 10;
const DELIVERY_SPACING_MS: u64 = 15 * 60_000;
const TEST_MODE: &str = "TESTMODE: No real money will be transferred!";

/// Where a payment stands on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// The device check is to come, or was not continued from yet.
    Method,
    /// The payer is expected on the page.
    Page,
    /// Nothing more is to come.
    Over,
}

/// Why a payment was not approved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reason {
    code: u16,
    response_code: Option<String>,
    message: String,
    technical: String,
}

impl Reason {
    fn new(code: u16, response_code: Option<&str>, message: &str, technical: &str) -> Self {
        Self {
            code,
            response_code: response_code.map(str::to_owned),
            message: message.to_owned(),
            technical: technical.to_owned(),
        }
    }

    fn of_issuer() -> Self {
        Self::new(500, Some("05"), "Transaction declined", "Do not honour")
    }

    /// The payer was not authenticated, so that the issuer was not asked.
    pub(super) fn of_authentication() -> Self {
        Self::new(500, None, "Transaction declined", "3-D Secure authentication failed")
    }

    fn of_broken_authentication() -> Self {
        Self::new(400, None, "Transaction failed, please contact support!", "3-D Secure authentication is not available")
    }
}

/// A payment as it is kept: nothing of the card but its brand, first six and last four digits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Payment {
    /// Digest of the terminal token.
    pub(super) account: String,
    pub(super) transaction_id: String,
    pub(super) usage: String,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) card_brand: String,
    pub(super) card_masked: String,
    pub(super) notification_url: String,
    pub(super) return_success_url: String,
    pub(super) return_failure_url: String,
    pub(super) method_callback_url: String,
    pub(super) created_at_ms: i64,
    pub(super) course: Course,
    pub(super) step: Step,
    /// The device check has been made.
    pub(super) method_completed: bool,
    pub(super) state: String,
    pub(super) reason: Option<Reason>,
    authorization_code: String,
    /// The ledger has it.
    booked: bool,
    /// What was approved, minor units, where it was less than was asked for.
    #[serde(default)]
    approved_minor: Option<i64>,
    /// What went back in parts, minor units.
    #[serde(default)]
    given_back: i64,
    /// Where the gateway's pages are.
    #[serde(default)]
    page_base: Option<String>,
    /// The part that went back last, and when.
    #[serde(default)]
    last_part: Option<(i64, i64)>,
}

/// What a new payment is made of.
pub(super) struct Parts {
    pub(super) account: String,
    pub(super) course: Course,
    /// Where the gateway's pages are.
    pub(super) base: String,
    pub(super) now_ms: i64,
}

impl Payment {
    pub(super) fn new(sale: &super::check::Sale<'_>, parts: Parts) -> Self {
        Self {
            account: parts.account,
            transaction_id: sale.transaction_id.to_owned(),
            usage: sale.usage.clone(),
            amount: sale.amount,
            currency: sale.currency.code().to_owned(),
            card_brand: sale.card_brand.to_owned(),
            card_masked: sale.card_masked.clone(),
            notification_url: sale.notification_url.to_owned(),
            return_success_url: sale.return_success_url.to_owned(),
            return_failure_url: sale.return_failure_url.to_owned(),
            method_callback_url: sale.method_callback_url.to_owned(),
            created_at_ms: parts.now_ms,
            course: parts.course,
            step: match parts.course {
                Course { method: true, .. } => Step::Method,
                Course { way, .. } if way.has_page() => Step::Page,
                _ => Step::Over,
            },
            method_completed: false,
            state: PENDING_ASYNC.to_owned(),
            reason: None,
            authorization_code: random_digits(6),
            booked: false,
            approved_minor: None,
            given_back: 0,
            page_base: Some(parts.base),
            last_part: None,
        }
    }

    /// Scenario digits: the last two of the minor units.
    pub(super) fn scenario(&self) -> u8 {
        scenario_of(self.amount)
    }

    /// Whether the outcome is still to come.
    pub(super) fn is_open(&self) -> bool {
        OPEN.contains(&self.state.as_str())
    }

    /// Whether money is here that can go back.
    pub(super) fn is_paid(&self) -> bool {
        self.state == APPROVED || self.state == REFUNDED && self.left() > 0
    }

    /// What has not gone back, minor units.
    pub(super) fn left(&self) -> i64 {
        if self.state == REFUNDED && self.last_part.is_none() { 0 } else { self.approved() - self.given_back }
    }

    /// Minor units.
    fn approved(&self) -> i64 {
        self.approved_minor.unwrap_or(self.amount)
    }

    /// What the gateway says of the amount and of the time: of a part that went back, while that is the last thing that happened.
    fn said(&self) -> (i64, String) {
        match self.last_part.filter(|_| self.state == REFUNDED) {
            Some((minor, at_ms)) => (minor, date_of(at_ms, "%Y-%m-%dT%H:%M:%SZ")),
            None => (self.approved(), self.timestamp()),
        }
    }

    /// The decimal text of the amount.
    pub(super) fn amount_text(&self) -> String {
        self.decimal(self.amount)
    }

    fn decimal(&self, minor: i64) -> String {
        Currency::from_code(&self.currency)
            .map_or_else(|| minor.to_string(), |currency| Money::from_minor(minor, currency).to_fixed())
    }

    /// The time of the first answer, in the form that signatures use.
    pub(super) fn timestamp(&self) -> String {
        date_of(self.created_at_ms, "%Y-%m-%dT%H:%M:%SZ")
    }

    /// Where the browser goes at the end.
    pub(super) fn return_url(&self) -> &str {
        if self.state == APPROVED { &self.return_success_url } else { &self.return_failure_url }
    }

    /// The payment as process, continue and reconcile tell it.
    pub(super) fn told(&self, key: &str) -> Answer {
        let was_approved = self.booked;
        let reason = self.reason.as_ref();
        let response_code = reason.and_then(|reason| reason.response_code.as_deref());
        let sent_to_acquirer = was_approved || response_code.is_some();
        let eci = match self.course.way {
            Way::NotParticipating => "06",
            _ => "05",
        };
        let (amount, timestamp) = self.said();
        let mut answer = Answer::default()
            .with("transaction_type", "sale3d")
            .with("status", &self.state)
            .with("mode", "test")
            .with("transaction_id", &self.transaction_id)
            .with("unique_id", key)
            .with_some("authorization_code", was_approved.then_some(self.authorization_code.as_str()))
            .with_some("code", reason.map(|reason| reason.code.to_string()).as_deref())
            .with_some("response_code", if was_approved { Some("00") } else { response_code })
            .with("technical_message", reason.map_or(TEST_MODE, |reason| &reason.technical))
            .with("message", reason.map_or(TEST_MODE, |reason| &reason.message))
            .with("timestamp", &timestamp)
            .with("descriptor", "test")
            .with("amount", &amount.to_string())
            .with("currency", &self.currency)
            .with("sent_to_acquirer", if sent_to_acquirer { "true" } else { "false" })
            .with("card_brand", &self.card_brand)
            .with("card_number", &self.card_masked);
        if self.approved_minor.is_some() {
            answer = answer.with("partial_approval", "true");
        }
        if was_approved {
            answer = answer.with_inner("threeds", "eci", eci);
        }
        answer
    }

    /// The answer to process and continue: where the payer is to go, while that is open.
    pub(super) fn told_with_next(&self, key: &str, base: &str) -> Answer {
        let answer = self.told(key);
        match self.step {
            Step::Method if self.is_open() => answer
                .with("threeds_method_url", &format!("{base}/threeds/threeds_method"))
                .with("threeds_method_continue_url", &format!("{base}/threeds/threeds_method/{key}")),
            Step::Page if self.is_open() => answer
                .with("redirect_url", &self.page_url(base, key))
                .with("redirect_url_type", if self.course.way == Way::Challenge { CHALLENGE_TYPE } else { REDIRECT_TYPE }),
            _ => answer,
        }
    }

    fn page_url(&self, base: &str, key: &str) -> String {
        format!("{base}/threeds/authentication/{key}")
    }

    // --- endings --------------------------------------------------------------------------------

    /// Ends the payment as its course says; the job of the (first) notification, if one is sent.
    pub(super) fn run_out(&mut self, tx: &Tx<'_>, key: &str) -> Result<Option<i64>, Error> {
        let late = self.course.ending == Ending::DeclinedThenApproved;
        let (state, reason) = match self.course.ending {
            Ending::Approved => (APPROVED, None),
            Ending::Declined | Ending::DeclinedThenApproved => (DECLINED, Some(Reason::of_issuer())),
            Ending::NotAuthenticated => (DECLINED, Some(Reason::of_authentication())),
            Ending::Broken => (ERROR, Some(Reason::of_broken_authentication())),
            Ending::Cancelled => (CANCELLED, None),
            Ending::TimedOut => (TIMEOUT, None),
        };
        self.reason = reason;
        self.become_word(tx, key, state)?;
        self.notify(tx, key, None, late.then_some("late"))
    }

    /// Ends the payment with a word, and notifies.
    pub(super) fn end(&mut self, tx: &Tx<'_>, key: &str, state: &str, reason: Option<Reason>) -> Result<Option<i64>, Error> {
        self.reason = reason;
        self.last_part = None;
        self.become_word(tx, key, state)?;
        let event = EVENTS.iter().find(|(word, _)| *word == state).map(|(_, event)| *event);
        self.notify(tx, key, event, None)
    }

    /// Approved of a part of the amount only.
    pub(super) fn approve_part(&mut self, tx: &Tx<'_>, key: &str, minor: i64) -> Result<Option<i64>, Error> {
        self.approved_minor = Some(minor);
        self.end(tx, key, APPROVED, None)
    }

    /// A part of what is left goes back.
    pub(super) fn refund_part(&mut self, tx: &Tx<'_>, key: &str, minor: i64) -> Result<Option<i64>, Error> {
        self.given_back += minor;
        let account = tx.account_of::<Account>(&self.account)?;
        let stays = account.is_some_and(|(_, account)| !account.refund_times);
        self.last_part = Some((minor, if stays { self.created_at_ms } else { tx.now_ms }));
        self.become_word(tx, key, REFUNDED)?;
        self.notify(tx, key, None, None)
    }

    /// The issuer asks for the papers: nothing changes.
    pub(super) fn retrieval_request(&self, tx: &Tx<'_>, key: &str) -> Result<Option<i64>, Error> {
        self.notify_of(tx, key, CHARGEBACKED, Some(RETRIEVAL_REQUEST), None)
    }

    /// Sets the provider's word, books what it means, and keeps it.
    fn become_word(&mut self, tx: &Tx<'_>, key: &str, word: &str) -> Result<(), Error> {
        self.state = word.to_owned();
        if !self.is_open() {
            self.step = Step::Over;
        }
        if word == APPROVED && self.booked {
            tx.transfer_became(key, TransferState::Settled)?;
        } else if word == APPROVED {
            self.booked = true;
            let transfer = Transfer {
                reference: &self.transaction_id,
                provider_reference: key,
                direction: Direction::In,
                amount: &self.decimal(self.approved()),
                currency: &self.currency,
                destination: None,
            };
            tx.accept(&transfer, TransferState::Settled)?;
        } else if REVERSED.contains(&word) && self.booked && !(word == REFUNDED && self.left() > 0) {
            tx.transfer_became(key, TransferState::Returned)?;
        }
        tx.save(key, self)
    }

    // --- notifications --------------------------------------------------------------------------

    /// Notifies of the present state, three times where scenario 08 asks for it; the first one's job.
    fn notify(&self, tx: &Tx<'_>, key: &str, event: Option<&str>, then: Option<&str>) -> Result<Option<i64>, Error> {
        self.notify_of(tx, key, self.notified_status(), event, then)
    }

    fn notify_of(
        &self,
        tx: &Tx<'_>,
        key: &str,
        status: &str,
        event: Option<&str>,
        then: Option<&str>,
    ) -> Result<Option<i64>, Error> {
        if !self.booked && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        let Some((_, account)) = tx.account_of::<Account>(&self.account)? else {
            return Ok(None);
        };
        let signature = sign::notification(account.notification_digest, key, &account.password);
        let mut callback = self.notification(key, status, event, &signature);
        callback.then = then.map(|event| (event.to_owned(), LATE_SUCCESS_MS));
        let first = tx.send(key, &callback)?;
        if self.scenario() == 8 {
            tx.send(key, &callback)?;
            tx.send(key, &callback)?;
        }
        Ok(Some(first))
    }

    /// Success told for what nobody paid, with a signature that is nobody's.
    pub(super) fn forge(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let digest = tx.account_of::<Account>(&self.account)?.map(|(_, account)| account.notification_digest);
        let wrong = [random_hex(64), random_hex(64)].concat();
        let signature = &wrong[..digest.unwrap_or_default().hex_digits()];
        tx.send(key, &self.notification(key, APPROVED, None, signature)).map(|_| ())
    }

    /// What a notification calls the state: approved, declined or error; a word of an open payment, and of what came after an
    /// approval, as it is.
    fn notified_status(&self) -> &str {
        match self.state.as_str() {
            APPROVED => APPROVED,
            DECLINED | CANCELLED | "unsuccessful" => DECLINED,
            word if is_after_approval(word) || OPEN.contains(&word) => word,
            _ => ERROR,
        }
    }

    fn notification(&self, key: &str, status: &str, event: Option<&str>, signature: &str) -> Callback {
        let amount = self.said().0.to_string();
        let page = self.page_base.as_deref().filter(|_| status == PENDING_ASYNC).map(|base| self.page_url(base, key));
        let mut pairs = vec![
            ("transaction_id", self.transaction_id.as_str()),
            ("unique_id", key),
            ("transaction_type", "sale3d"),
            ("terminal_token", ACCOUNT_NAME),
            ("status", status),
            ("amount", &amount),
            ("signature", signature),
        ];
        pairs.extend(page.as_deref().map(|page| ("redirect_url", page)));
        if self.approved_minor.is_some() {
            pairs.push(("partial_approval", "true"));
        }
        if status == APPROVED || self.booked {
            pairs.push(("eci", if self.course.way == Way::NotParticipating { "06" } else { "05" }));
            pairs.push(("authorization_code", &self.authorization_code));
        }
        let (flow, version) = match self.course.way {
            Way::Challenge => (Some("challenge"), "2"),
            Way::Redirect => (None, "1"),
            Way::Frictionless | Way::NotParticipating => (Some("frictionless"), "2"),
        };
        pairs.extend(flow.map(|flow| ("threeds_authentication_flow", flow)));
        pairs.push(("threeds_target_protocol_version", version));
        pairs.push(("card_brand", &self.card_brand));
        pairs.extend(event.map(|event| ("event", event)));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        // The name of the account is filled in at the sending, so its place must not be encoded.
        let place: String = url::form_urlencoded::byte_serialize(ACCOUNT_NAME.as_bytes()).collect();
        let body = body.replacen(&format!("terminal_token={place}"), &format!("terminal_token={ACCOUNT_NAME}"), 1);
        let mut callback = Callback::post(&self.notification_url, "application/x-www-form-urlencoded", body);
        callback.retry_at_ms = (1..DELIVERIES).map(|nth| nth * DELIVERY_SPACING_MS).collect();
        callback.ack = Ack::Document {
            media_type: "text/xml".to_owned(),
            text: format!("<notification_echo><unique_id>{key}</unique_id></notification_echo>"),
        };
        callback.names_account = Some(self.account.clone());
        callback
    }
}

/// Whether the word tells what became of a payment after its approval.
pub(super) fn is_after_approval(word: &str) -> bool {
    REVERSED.contains(&word) || DISPUTED.contains(&word)
}

/// The last two digits of an amount in minor units.
pub(super) fn scenario_of(amount: i64) -> u8 {
    u8::try_from(amount.rem_euclid(100)).unwrap_or(0)
}
