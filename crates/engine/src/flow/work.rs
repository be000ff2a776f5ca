//! A transaction in hand: everything that a use case needs to go on with it.

use super::mask::Masker;
use super::turns::Counted;
use super::{EngineError, pages, turns};
use crate::core::Engine;
use crate::directory::CompanySnapshot;
use domain::{CompanyId, Json, PaymentMethod, Secret, Transaction, TransactionId};
use providers::card::Card;
use providers::pages::PageUrls;
use providers::{Account, Call, Context, Fields, Memo, Order, Provider};
use std::sync::Arc;
use store::repository::transactions::{self, StoredTransaction};

/// A transaction with its company, account, provider, order and memo.
pub(super) struct Work {
    pub(super) company: Arc<CompanySnapshot>,
    pub(super) method: Arc<PaymentMethod>,
    pub(super) provider: &'static dyn Provider,
    pub(super) transaction: Transaction,
    pub(super) order: Order,
    pub(super) memo: Memo,
    /// An idempotency key belongs to it.
    pub(super) has_key: bool,
    /// How often the provider was asked about it.
    pub(super) inquiries: u32,
    /// Where the provider calls back; empty where it has no callbacks or the token is not known any more.
    pub(super) callback_url: String,
    pub(super) base_url: String,
    /// Our pages of this transaction.
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
            status: self.transaction.status,
            psp_transaction_id: self.transaction.psp_transaction_id.as_deref(),
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

    /// The order's fields and the memo, sealed for their row.
    pub(super) fn seal(&self) -> Result<Vec<u8>, EngineError> {
        let secrets = self.order.fields.secret.iter().map(|(name, value)| (name.clone(), Json::text(value.expose())));
        let document = Json::object([
            ("fields", Json::Object(self.order.fields.plain.clone().into_iter().collect())),
            ("secrets", Json::Object(secrets.collect())),
            ("memo", self.memo.clone()),
            ("key", Json::Bool(self.has_key)),
            ("inquiries", Json::from(i64::from(self.inquiries))),
            ("pages", pages::to_json(&self.pages)),
            ("turns", turns::to_json(&self.turns)),
        ]);
        let id = self.id().to_string();
        self.company
            .data_key
            .seal(&["transactions", &id, "sealed"], document.to_text().as_bytes())
            .map_err(|error| EngineError::Corrupt(error.to_string()))
    }
}

struct Unsealed {
    fields: Fields,
    memo: Memo,
    has_key: bool,
    inquiries: u32,
    pages: PageUrls,
    turns: Vec<Counted>,
}

fn unseal(company: &CompanySnapshot, id: TransactionId, sealed: &[u8]) -> Result<Unsealed, EngineError> {
    let corrupt = |what: &str| EngineError::Corrupt(format!("the sealed part of a transaction {what}"));
    let plain =
        company.data_key.open(&["transactions", &id.to_string(), "sealed"], sealed).map_err(|_| corrupt("cannot be opened"))?;
    let document = Json::parse(&plain).map_err(|_| corrupt("is no JSON"))?;
    let members = |name: &str| document.get(name).and_then(Json::as_object).unwrap_or_default();
    let fields = Fields {
        plain: members("fields").iter().cloned().collect(),
        secret: members("secrets")
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?))))
            .collect(),
    };
    Ok(Unsealed {
        fields,
        memo: document.get("memo").cloned().unwrap_or_else(|| Json::Object(Vec::new())),
        has_key: document.get("key").and_then(Json::as_bool).unwrap_or_default(),
        inquiries: document.get("inquiries").and_then(Json::as_number).and_then(|n| n.parse().ok()).unwrap_or_default(),
        pages: pages::from_json(document.get("pages")),
        turns: turns::from_json(document.get("turns")),
    })
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

    /// Takes a stored transaction in hand.
    pub(super) async fn load(&self, company: CompanyId, id: TransactionId) -> Result<Option<Work>, EngineError> {
        let Some(stored) = transactions::find(self.store(), company, id).await? else { return Ok(None) };
        self.take_in_hand(stored).await.map(Some)
    }

    pub(super) async fn take_in_hand(&self, stored: StoredTransaction) -> Result<Work, EngineError> {
        let StoredTransaction { transaction, sealed } = stored;
        let corrupt = |what: &str| EngineError::Corrupt(format!("a transaction's {what} is unknown"));
        let company = self.directory().company(transaction.company_id).await?.ok_or_else(|| corrupt("company"))?;
        let method = company.method(transaction.method_id).ok_or_else(|| corrupt("payment method"))?.clone();
        let provider = providers::by_psp_type(&transaction.psp_type).ok_or_else(|| corrupt("provider"))?;
        let unsealed = unseal(&company, transaction.id, &sealed)?;
        let order = Order {
            transaction_id: transaction.id,
            reference: transaction.id,
            session_id: transaction.session_id,
            operation: transaction.operation,
            amount: transaction.amount,
            merchant_reference: transaction.merchant_reference.clone(),
            created_at: transaction.created_at,
            fields: unsealed.fields,
        };
        let base_url = self.base_url(provider, &method).unwrap_or_default();
        Ok(Work {
            company,
            method,
            provider,
            transaction,
            order,
            memo: unsealed.memo,
            has_key: unsealed.has_key,
            inquiries: unsealed.inquiries,
            callback_url: String::new(),
            base_url,
            pages: unsealed.pages,
            card: None,
            sent_card: None,
            account_cache: None,
            turns: unsealed.turns,
            sent_headers: Vec::new(),
        })
    }
}
