//! A transaction in hand, by one of its attempts: everything that a use case needs to go on with it.

use super::mask::Masker;
use super::turns::Counted;
use super::{EngineError, pages, turns};
use crate::core::Engine;
use crate::directory::CompanySnapshot;
use domain::{Attempt, CompanyId, Json, Next, PaymentMethod, Secret, Timestamp, Transaction, TransactionId, TransactionStatus};
use providers::card::Card;
use providers::pages::PageUrls;
use providers::{Account, Call, Context, Fields, Memo, Order, Provider};
use std::sync::Arc;
use store::repository::attempts::{self, StoredAttempt, Which};
use store::repository::jobs::Job;

/// A transaction and one of its attempts, with its company, account, provider, order and memo.
pub(super) struct Work {
    pub(super) company: Arc<CompanySnapshot>,
    pub(super) method: Arc<PaymentMethod>,
    pub(super) provider: &'static dyn Provider,
    pub(super) transaction: Transaction,
    /// The attempt in hand: account, provider, order, memo, pages and job are its.
    pub(super) attempt: Attempt,
    /// The transaction's other attempts, with their jobs.
    pub(super) others: Vec<(Attempt, Option<Job>)>,
    /// What the attempt does next, as it was read or last stored.
    pub(super) job: Option<Job>,
    pub(super) order: Order,
    pub(super) memo: Memo,
    /// The memo is sealed in the attempt's row; else in the transaction's, from before attempts had rows.
    pub(super) memo_apart: bool,
    /// An idempotency key belongs to it.
    pub(super) has_key: bool,
    /// How often the provider was asked about it.
    pub(super) inquiries: u32,
    /// Where the provider calls back; empty where it has no callbacks or the token is not known any more.
    pub(super) callback_url: String,
    pub(super) base_url: String,
    /// Our pages of this attempt.
    pub(super) pages: PageUrls,
    /// The card, until the payment is created.
    pub(super) card: Option<Card>,
    /// What was counted of the money that went back.
    pub(super) turns: Vec<Counted>,
    /// The card that is on its way: until the answers to that are masked.
    pub(super) sent_card: Option<Card>,
    /// What the provider keeps for the account, as it was before the step at hand.
    pub(super) account_cache: Option<Secret>,
    /// The bearer headers of the calls that were made.
    pub(super) sent_headers: Vec<Secret>,
}

/// Headers that open something to whoever has them.
const BEARER_HEADERS: [&str; 5] = ["authorization", "proxy-authorization", "authentication", "x-api-key", "cookie"];

impl Work {
    pub(super) fn company_id(&self) -> CompanyId {
        self.transaction.company_id
    }

    pub(super) fn id(&self) -> TransactionId {
        self.transaction.id
    }

    /// Whether the attempt in hand is the transaction's live one.
    pub(super) fn is_live(&self) -> bool {
        self.transaction.live == self.attempt.n
    }

    /// How the attempt in hand stands: the live one as its transaction does.
    pub(super) fn stands(&self) -> TransactionStatus {
        if self.is_live() { self.transaction.status } else { self.attempt.outcome.unwrap_or(TransactionStatus::Pending) }
    }

    fn psp_transaction_id(&self) -> Option<&str> {
        let id = if self.is_live() { &self.transaction.psp_transaction_id } else { &self.attempt.psp_transaction_id };
        id.as_deref()
    }

    /// Another attempt than the one in hand that is known to be paid.
    pub(super) fn paid_otherwise(&self) -> Option<&Attempt> {
        self.others.iter().map(|(attempt, _)| attempt).find(|attempt| attempt.is_paid())
    }

    /// A job of the attempt in hand, with nothing tried yet and nobody at work on it.
    pub(super) fn new_job(&self, next: Next, now: Timestamp, due_at: Timestamp) -> Job {
        Job {
            company_id: self.company_id(),
            transaction_id: self.id(),
            n: self.attempt.n,
            psp_type: self.attempt.psp_type.clone(),
            next,
            due_at,
            tries: 0,
            first_at: now,
            owner: None,
        }
    }

    /// What the provider may look at.
    pub(super) fn context<'a>(&'a self, engine: &'a Engine, hint: Option<&'a Json>) -> Context<'a> {
        Context {
            account: Account {
                settings: &self.method.settings,
                base_url: &self.base_url,
                environment: engine.config().environment,
            },
            company_id: self.company_id(),
            order: &self.order,
            memo: &self.memo,
            status: self.stands(),
            psp_transaction_id: self.psp_transaction_id(),
            public_url: &engine.config().public_url,
            callback_url: &self.callback_url,
            pages: &self.pages,
            card: self.card.as_ref(),
            now: engine.clock().now(),
            random: engine.inner.random.bytes(),
            inquiry: self.inquiries,
            hint,
            time_scale: engine.clock().scale(),
            account_cache: self.account_cache.as_ref(),
        }
    }

    /// What must not be seen in what the provider says: whatever was really sent, and the address that it calls back to.
    pub(super) fn masker(&self) -> Masker {
        let mut masker = Masker::new(self.provider.descriptor().name);
        let of_account = self.method.settings.secrets();
        let of_order = self.order.fields.secret.values().map(Secret::expose);
        for secret in of_account.chain(of_order).chain(self.account_cache.as_ref().map(Secret::expose)) {
            masker.secret(secret);
        }
        self.sent_headers.iter().for_each(|value| masker.header(value.expose()));
        masker.address(&self.callback_url);
        if let Some(card) = self.sent_card.as_ref().or(self.card.as_ref()) {
            masker.card(card, self.provider.descriptor().statuses);
        }
        masker
    }

    /// Remembers what a call gives the provider to know.
    pub(super) fn sends(&mut self, call: &Call) {
        for (_, value) in call.headers.iter().filter(|(name, _)| BEARER_HEADERS.contains(name)) {
            if !self.sent_headers.iter().any(|known| known.expose() == value.expose()) {
                self.sent_headers.push(value.clone());
            }
        }
    }

    /// The order's fields and what was counted of its money, sealed for the transaction's row.
    pub(super) fn seal(&self) -> Result<Vec<u8>, EngineError> {
        let secrets = self.order.fields.secret.iter().map(|(name, value)| (name.clone(), Json::text(value.expose())));
        let document = Json::object([
            ("fields", Json::Object(self.order.fields.plain.clone().into_iter().collect())),
            ("secrets", Json::Object(secrets.collect())),
            ("key", Json::Bool(self.has_key)),
            ("turns", turns::to_json(&self.turns)),
        ]);
        self.sealed(&["transactions", &self.id().to_string(), "sealed"], &document)
    }

    /// The provider's memo, how often it was asked, and our pages, sealed for the attempt's row.
    pub(super) fn seal_memo(&self) -> Result<Vec<u8>, EngineError> {
        let document = Json::object([
            ("memo", self.memo.clone()),
            ("inquiries", Json::from(i64::from(self.inquiries))),
            ("pages", pages::to_json(&self.pages)),
        ]);
        self.sealed(&["attempts", &self.id().to_string(), &self.attempt.n.to_string(), "sealed"], &document)
    }

    fn sealed(&self, context: &[&str], document: &Json) -> Result<Vec<u8>, EngineError> {
        let sealed = self.company.data_key.seal(context, document.to_text().as_bytes());
        sealed.map_err(|error| EngineError::Corrupt(error.to_string()))
    }
}

/// What a transaction's row keeps sealed.
struct Ordered {
    fields: Fields,
    has_key: bool,
    turns: Vec<Counted>,
}

/// What an attempt's row keeps sealed.
struct Remembered {
    memo: Memo,
    inquiries: u32,
    pages: PageUrls,
}

fn unseal(company: &CompanySnapshot, context: &[&str], sealed: &[u8]) -> Result<Json, EngineError> {
    let corrupt = |what: &str| EngineError::Corrupt(format!("the sealed part of a transaction {what}"));
    let plain = company.data_key.open(context, sealed).map_err(|_| corrupt("cannot be opened"))?;
    Json::parse(&plain).map_err(|_| corrupt("is no JSON"))
}

impl Ordered {
    fn of(document: &Json) -> Self {
        let members = |name: &str| document.get(name).and_then(Json::as_object).unwrap_or_default();
        let secret = |(name, value): &(String, Json)| Some((name.clone(), Secret::new(value.as_str()?)));
        Self {
            fields: Fields {
                plain: members("fields").iter().cloned().collect(),
                secret: members("secrets").iter().filter_map(secret).collect(),
            },
            has_key: document.get("key").and_then(Json::as_bool).unwrap_or_default(),
            turns: turns::from_json(document.get("turns")),
        }
    }
}

impl Remembered {
    fn of(document: &Json) -> Self {
        Self {
            memo: document.get("memo").cloned().unwrap_or_else(|| Json::Object(Vec::new())),
            inquiries: document.get("inquiries").and_then(Json::as_number).and_then(|n| n.parse().ok()).unwrap_or_default(),
            pages: pages::from_json(document.get("pages")),
        }
    }
}

impl Engine {
    /// Where the provider of an account is: the operator's address, the account's, the default.
    pub(super) fn base_url(&self, provider: &dyn Provider, method: &PaymentMethod) -> Option<String> {
        let descriptor = provider.descriptor();
        let of_operator = self.config().providers.get(descriptor.name).and_then(|c| c.base_url.clone());
        of_operator
            .map(|url| url.trim_end_matches('/').to_owned())
            .or_else(|| providers::settings::base_url(descriptor, &method.settings, self.config().environment))
    }

    /// The address for a callback token.
    pub(crate) fn callback_url(&self, provider: &dyn Provider, token: &str) -> String {
        format!("{}/callbacks/{}/{token}", self.config().public_url, provider.descriptor().name)
    }

    /// How long after the send "not found" begins to count, milliseconds as written.
    pub(super) fn not_found_after_ms(&self, provider: &dyn Provider) -> i64 {
        let descriptor = provider.descriptor();
        let of_operator = self.config().providers.get(descriptor.name).and_then(|c| c.not_found_after_s);
        i64::from(of_operator.unwrap_or(descriptor.not_found_after_s)) * 1_000
    }

    /// Takes a stored transaction in hand, by its live attempt.
    pub(super) async fn load(&self, company: CompanyId, id: TransactionId) -> Result<Option<Work>, EngineError> {
        self.load_attempt(company, id, Which::Live).await
    }

    /// Takes a stored transaction in hand, by one of its attempts.
    pub(super) async fn load_attempt(
        &self,
        company: CompanyId,
        id: TransactionId,
        which: Which,
    ) -> Result<Option<Work>, EngineError> {
        let Some(stored) = attempts::find(self.store(), company, id, which).await? else { return Ok(None) };
        self.take_in_hand(stored).await.map(Some)
    }

    pub(super) async fn take_in_hand(&self, stored: StoredAttempt) -> Result<Work, EngineError> {
        let StoredAttempt { transaction, sealed, attempt, memo, job } = stored;
        let corrupt = |what: &str| EngineError::Corrupt(format!("a transaction's {what} is unknown"));
        let company = self.directory().company(transaction.company_id).await?.ok_or_else(|| corrupt("company"))?;
        let method = company.method(attempt.method_id).ok_or_else(|| corrupt("payment method"))?.clone();
        let provider = providers::by_psp_type(&attempt.psp_type).ok_or_else(|| corrupt("provider"))?;
        let id = transaction.id.to_string();
        let document = unseal(&company, &["transactions", &id, "sealed"], &sealed)?;
        let ordered = Ordered::of(&document);
        let remembered = match &memo {
            Some(memo) => Remembered::of(&unseal(&company, &["attempts", &id, &attempt.n.to_string(), "sealed"], memo)?),
            None => Remembered::of(&document),
        };
        let others = match transaction.attempts {
            1 => Vec::new(),
            _ => attempts::others(self.store(), transaction.company_id, transaction.id, attempt.n).await?,
        };
        let order = Order {
            transaction_id: transaction.id,
            reference: attempt.reference,
            session_id: transaction.session_id,
            operation: transaction.operation,
            amount: transaction.amount,
            merchant_reference: transaction.merchant_reference.clone(),
            created_at: attempt.started_at,
            fields: ordered.fields,
        };
        let base_url = self.base_url(provider, &method).unwrap_or_default();
        Ok(Work {
            company,
            method,
            provider,
            transaction,
            attempt,
            others,
            job,
            order,
            memo: remembered.memo,
            memo_apart: memo.is_some(),
            has_key: ordered.has_key,
            inquiries: remembered.inquiries,
            callback_url: String::new(),
            base_url,
            pages: remembered.pages,
            card: None,
            sent_card: None,
            account_cache: None,
            turns: ordered.turns,
            sent_headers: Vec::new(),
        })
    }
}
