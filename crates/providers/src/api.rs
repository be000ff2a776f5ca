//! The contract between a provider and the engine.
//!
//! A provider does no I/O. It is asked to [`begin`](Provider::begin) a task and answers with the HTTP call to make; it is handed
//! the
//! [`Reply`] and says what comes [`next`](Provider::resume): another call, or what it found. The engine sends, times out, stores
//! intents, redacts, logs, measures and retries, the same for all.
//!
//! **Architecture invariants:** no clock, no random source, no socket in this crate; everything a provider may use is in
//! [`Context`]. A provider never decides on its own what happens after silence: it names the call's [`Doubt`], and the engine
//! acts on it.

use crate::card::Card;
use crate::descriptor::Descriptor;
use crate::docs::MatrixRow;
use crate::fields::{Checked, Problems};
use crate::pages::{BrowserReturn, Challenge, Opening, PageUrls, ReturnReading};
use domain::urls::Environment;
use domain::{CompanyId, Json, Money, Operation, Secret, SessionId, Settings, Timestamp, TransactionId, TransactionStatus};
use std::collections::BTreeMap;

pub use crate::callback::{Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Locate};
pub use crate::finding::{CashierAnswer, Destination, Finding, Standing, Turn, TurnKind};
pub use crate::refusal::Refusal;
pub use domain::company::SettingValue;
pub use domain::{Doubt, Task};

/// One of the providers: a descriptor and pure functions.
pub trait Provider: Send + Sync + 'static {
    /// Everything about the provider that is data.
    fn descriptor(&self) -> &'static Descriptor;

    /// The first step of a task.
    fn begin(&self, task: Task, cx: &Context<'_>) -> Step;

    /// The step after a call was answered, or not.
    fn resume(&self, task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step;

    /// What an answer leaves for the account's later calls. Asked before [`resume`](Self::resume), whose
    /// [`Context::account_cache`] has it already. `None`: what is kept stays.
    fn remember(&self, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Option<Remember> {
        let _ = (cx, sent, reply);
        None
    }

    /// Whether an inquiry brings its number ([`Context::inquiry`]) to the provider. The number is then stored before the inquiry
    /// goes out, so that none goes out twice, whatever becomes of this process.
    fn numbers_inquiries(&self) -> bool {
        false
    }

    /// Reads a callback. Only for providers whose descriptor has callbacks.
    fn read_callback(&self, account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
        let _ = (account, callback);
        CallbackReading::refused(404)
    }

    /// What is wrong with a request for this account in particular (a card that it needs or does not take, its terminal's
    /// currency): checked when the account is chosen, before anything is stored. No sentence quotes a value.
    fn fits(&self, account: &Account<'_>, request: &Checked) -> Problems {
        let _ = (account, request);
        Problems::default()
    }

    /// What a person should know of a configuration that may be saved all the same, beyond required fields that are missing:
    /// whole sentences.
    fn warnings(&self, settings: &Settings) -> Vec<String> {
        let _ = settings;
        Vec::new()
    }

    /// Whether a field of a callback in the form encoding, or an element of one in XML, is one of the provider's references
    /// although it looks like a card number: it is kept as it came, so that the callback can be proven again.
    fn is_reference(&self, field: &str, value: &str) -> bool {
        let _ = (field, value);
        false
    }

    /// What our page (`/pay`, `/3ds`) shows the payer now. Only for providers whose descriptor has [`pages`](Descriptor::pages).
    fn open_page(&self, cx: &Context<'_>) -> Opening {
        let _ = cx;
        Opening::Closed
    }

    /// How an open challenge page goes on.
    fn challenge(&self, cx: &Context<'_>) -> Challenge {
        let _ = cx;
        Challenge::Over
    }

    /// The end of a device check, told through the payer's browser: what to remember when it is true, else `None`.
    fn read_device_check(&self, cx: &Context<'_>, callback: &Callback<'_>) -> Option<Memo> {
        let _ = (cx, callback);
        None
    }

    /// Reads what a returning browser brings; `None`: there is no such address.
    fn read_return(&self, cx: &Context<'_>, back: &BrowserReturn<'_>) -> Option<ReturnReading> {
        let _ = (cx, back);
        None
    }

    /// Where the money of a pay-out goes; `None` where the provider has no pay-outs.
    fn destination(&self, order: &Order) -> Option<Destination> {
        let _ = order;
        None
    }

    /// Its row of the published table of providers (Cashier API, section 1). The descriptor says most rows word for word; where
    /// the table says more, the provider does: `MatrixRow { url_field: "`url` [decided]".into(),
    /// ..MatrixRow::of(self.descriptor()) }`.
    fn matrix_row(&self) -> MatrixRow {
        MatrixRow::of(self.descriptor())
    }

    /// Fields of a demo request that must differ from the example's (`card.pan` for a nested one), with their values: a test
    /// voucher has its value in its number, a published card that is always declined hides what the digits choose. `serial`
    /// differs from request to request.
    fn demo_fields(&self, operation: Operation, amount: &Money, serial: u32) -> Vec<(&'static str, String)> {
        let _ = (operation, amount, serial);
        Vec::new()
    }
}

/// The account that a provider is used with: the payment method's settings and what the operator adds.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The configured fields.
    pub settings: &'a Settings,
    /// `baseUrl` of the account, else the descriptor's default for the environment; never ends in `/`. Empty: none known.
    pub base_url: &'a str,
    /// Where we run.
    pub environment: Environment,
}

impl Account<'_> {
    /// A configured text; callers ask only for fields that the descriptor requires, whose absence was refused before (`""` would
    /// be the sign of a defect).
    pub fn text(&self, field: &str) -> &str {
        self.settings.text(field).unwrap_or_default()
    }
}

/// What the merchant ordered: the validated request, claims applied.
#[derive(Clone, Debug)]
pub struct Order {
    /// What the merchant knows it by: answers, return addresses and webhooks show it. No provider is given it as a reference.
    pub transaction_id: TransactionId,
    /// Our reference of this attempt at the provider: the transaction id for the first attempt, a new id of the same form for
    /// each later one. Requests name it; records and callbacks that name another one are not about this attempt. Merchants never
    /// see it, but within an address of the provider's.
    pub reference: TransactionId,
    /// Ours.
    pub session_id: SessionId,
    /// The direction.
    pub operation: Operation,
    /// The money.
    pub amount: Money,
    /// `merchantReference`, when sent.
    pub merchant_reference: Option<String>,
    /// When the attempt was begun: for the first, when the transaction was created.
    pub created_at: Timestamp,
    /// The other fields of the request by name (`userId`, `email`, `firstName`, `address.city`, ...), normalised, claims applied;
    /// only those of the descriptor.
    pub fields: Fields,
}

impl Order {
    /// A field that the operation's list requires or defaults, so that it was checked to be there (`""` would be the sign of a
    /// defect).
    pub fn text(&self, field: &str) -> &str {
        self.fields.text(field).unwrap_or_default()
    }

    /// An order for "Test connection": random ids, smallest amount; no field is set. Of no transaction: its id is the reference.
    pub fn probe(reference: TransactionId, session_id: SessionId, amount: Money, now: Timestamp) -> Self {
        Self {
            transaction_id: reference,
            reference,
            session_id,
            operation: Operation::PayIn,
            amount,
            merchant_reference: None,
            created_at: now,
            fields: Fields::default(),
        }
    }
}

/// Request fields by name. Secret ones (a voucher's PIN) are kept apart: they do not print, and are sealed at rest.
#[derive(Clone, Default)]
pub struct Fields {
    /// Fields that may be seen.
    pub plain: BTreeMap<String, Json>,
    /// Fields that may not.
    pub secret: BTreeMap<String, Secret>,
}

impl Fields {
    /// The text of a field, secret or not.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.plain.get(name).and_then(Json::as_str).or_else(|| self.secret.get(name).map(Secret::expose))
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names only: the values are personal.
        f.debug_set().entries(self.plain.keys()).entries(self.secret.keys()).finish()
    }
}

/// A change of what is kept for an account between calls: one secret (a bearer token), in the memory of this process only. A
/// restart, a change of the account's settings and the cache's bound forget it, so that a provider must always be able to do
/// without.
#[derive(Debug, Clone)]
pub enum Remember {
    /// In the place of what was kept.
    Keep {
        /// The secret.
        value: Secret,
        /// From then on it is not given any more.
        until: Timestamp,
    },
    /// It is not good any more.
    Forget,
}

/// What a provider remembers about one transaction between tasks (its payment id, an address): an object, sealed at rest.
pub type Memo = Json;

/// All that a provider may look at.
pub struct Context<'a> {
    /// The account.
    pub account: Account<'a>,
    /// Whose account it is.
    pub company_id: CompanyId,
    /// The order.
    pub order: &'a Order,
    /// What earlier steps remembered, the [`Call::memo`] of the call just answered included; an empty object at first.
    pub memo: &'a Memo,
    /// The provider's id of the transaction, when it is known.
    pub psp_transaction_id: Option<&'a str>,
    /// Where browsers and providers reach us, without a trailing slash.
    pub public_url: &'a str,
    /// Our address for this transaction's callbacks (empty where the provider has none).
    pub callback_url: &'a str,
    /// Our pages of this transaction.
    pub pages: &'a PageUrls,
    /// The card, while the Cashier call that brought it creates the payment; never later.
    pub card: Option<&'a Card>,
    /// Now.
    pub now: Timestamp,
    /// Sixteen random bytes, fresh for each step.
    pub random: [u8; 16],
    /// Counts the inquiries of this transaction from 1 (Flexepin's `q<n>`).
    pub inquiry: u32,
    /// The callback that started this inquiry, as [`CallbackOutcome::Hint`] kept it.
    pub hint: Option<&'a Json>,
    /// Where the transaction stands now ([`Task::Test`]: `Created`).
    pub status: TransactionStatus,
    /// By what every wait is divided (`--time-scale`); 1 in real life.
    pub time_scale: u32,
    /// What [`Provider::remember`] kept for the account, while it is good.
    pub account_cache: Option<&'a Secret>,
}

impl Context<'_> {
    /// A wait of `ms` milliseconds as it is waited for here.
    pub fn scaled_ms(&self, ms: i64) -> i64 {
        ms / i64::from(self.time_scale.max(1))
    }
}

/// The next step.
#[derive(Debug)]
pub enum Step {
    /// Make this call, then [`Provider::resume`].
    Call(Box<Call>),
    /// A readable, certain answer.
    Found(Box<Finding>),
    /// The provider certainly did not take it: the error row answers, and the transaction ends as `Failed`.
    Refused(Refusal),
    /// The call brought no readable answer: the engine acts by the call's [`Doubt`]; the row is what a failure would answer.
    Silence(Refusal),
    /// Nothing that may have arrived was sent (an approval whose provider is unreachable): begin the task anew on the schedule.
    /// The text goes on the timeline.
    TryLater(&'static str),
}

/// An HTTP call to make.
pub struct Call {
    /// The step's name in intents, timelines and metrics (`withdraw`, `GetBuyRate`); unique within the provider.
    pub step: &'static str,
    /// `GET`, `POST` or `PUT`.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// The address fit for logs and timelines: no secret, no PIN, no personal data; host and path only.
    pub shown: String,
    /// Headers, `Content-Type` included where there is a body. Values may be secret and are never logged.
    pub headers: Vec<(&'static str, Secret)>,
    /// The exact bytes to send; wiped when they are sent.
    pub body: Vec<u8>,
    /// What is to be done when no readable answer comes.
    pub doubt: Doubt,
    /// What the provider must remember whatever becomes of the call: stored with the intent before anything is sent. `None`: the
    /// memo stays.
    pub memo: Option<Memo>,
    /// Carried to [`Provider::resume`] in memory only.
    pub scratch: Json,
    /// Another limit for the answer than the descriptor's, milliseconds.
    pub answer_limit_ms: Option<u32>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("step", &self.step)
            .field("method", &self.method)
            .field("shown", &self.shown)
            .field("doubt", &self.doubt)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The call that a reply belongs to.
pub struct Sent {
    /// [`Call::step`].
    pub step: String,
    /// [`Call::scratch`].
    pub scratch: Json,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").field("step", &self.step).finish_non_exhaustive()
    }
}

/// What came of a call.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The provider answered.
    Answer(Answer),
    /// It did not.
    Lost(Lost),
}

/// A provider's HTTP answer.
#[derive(Clone)]
pub struct Answer {
    /// When it came: from then on counts what it says of time (`Retry-After`).
    pub came_at: Timestamp,
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, of at most [`domain::limits::PROVIDER_ANSWER_MAX_BYTES`] as it came unpacked; without a byte order mark, and in
    /// UTF-8 where its character set is known.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    /// An answer as it came: the body is undressed here, once (providers/common, "Reading a provider's answers").
    pub fn received(status: u16, headers: Vec<(String, String)>, body: Vec<u8>, came_at: Timestamp) -> Self {
        let said = headers.iter().find(|(key, _)| key == "content-type").map(|(_, value)| value.as_str());
        let undressed = match crate::dressing::undressed(said, &body) {
            std::borrow::Cow::Borrowed(same) if same.len() == body.len() => None,
            other => Some(other.into_owned()),
        };
        Self { status, headers, body: undressed.unwrap_or(body), came_at }
    }

    /// The value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, numbers of one value in one text.
    pub fn json(&self) -> Option<Json> {
        Json::parse(&self.body).ok().map(crate::dressing::plain_numbers)
    }

    /// The body as text, bad UTF-8 replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// No connection was ever established (refused, DNS, TLS): nothing was sent.
    NotConnected,
    /// No connection in the limit: nothing was sent.
    ConnectTimeout,
    /// The connection broke after sending, or the answer broke off.
    Broken,
    /// No whole answer in the limit.
    TimedOut,
    /// The answer is larger than we read.
    TooLarge,
}

impl Lost {
    /// Whether certainly nothing reached the provider.
    pub const fn nothing_sent(self) -> bool {
        matches!(self, Self::NotConnected | Self::ConnectTimeout)
    }

    /// The word on timelines and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::ConnectTimeout => "connect_timeout",
            Self::Broken => "broken",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
        }
    }
}
