//! Creating a pay-in or a pay-out: rule, account, intent, call, outcome, answer.

use super::answers::{ON_HOLD, failure_answer, plain_data, recovered_answer};
use super::calls::{self, StoredAt, guarded};
use super::conclude::Creation;
use super::idempotency::{IdempotencyTicket, KnownKey};
use super::line::{self, Turn};
use super::route::{self, NoRoute};
use super::work::Work;
use super::{EngineError, pages};
use crate::admin::AdminError;
use crate::admin::error::MISSING;
use crate::answer::CashierAnswer;
use crate::auth::Caller;
use crate::cashier::NotAdmitted;
use crate::core::Engine;
use crate::pulse::trouble;
use crate::shares::Place;
use crate::surely::{self, Away, Receipt};
use domain::urls::Environment;
use domain::{
    Attempt, ErrorCode, Json, MethodId, Operation, PaymentMethod, SessionId, Transaction, TransactionId, TransactionStatus,
};
use providers::card::CardData;
use providers::fields::{Checked, Problems};
use providers::{Account, CashierAnswer as ProviderAnswer, Finding, Order, Provider, Refusal, Standing, Step, Task};
use store::repository::transactions::{self, TimelineEntry};
use store::repository::{attempts, idempotency as keys, page_tokens, single_use};
use store::{Batch, CommitError, StoreError as _};

/// How long the answer of an overtaken conclusion waits for what the other process makes of the transaction, and how often it
/// looks.
const STANDS_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
const STANDS_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

fn still_running() -> CashierAnswer {
    NotAdmitted::KeyRunning.answer()
}

/// The creating commit failed: nothing was sent to anybody. Where nobody knows whether it stands, it is not said that nothing was
/// begun.
fn not_begun(error: CommitError) -> Result<CashierAnswer, EngineError> {
    if error.nothing_was_begun() { Ok(CashierAnswer::unavailable()) } else { Err(error.into()) }
}

/// A request that passed every check that needs no store.
pub struct PayRequest {
    /// Who calls.
    pub caller: Caller,
    /// `pspType`.
    pub provider: &'static dyn Provider,
    /// `type`.
    pub operation: Operation,
    /// The provider's fields.
    pub checked: Checked,
    /// The idempotency key, when one was sent.
    pub idempotency: Option<IdempotencyTicket>,
    /// Accounts that are asked one after the other where the one before certainly refused; rules name none yet. Whoever
    /// names some has looked at what they take (`fits`) and at the time that is left.
    pub then: Vec<MethodId>,
    /// Its place among the work in flight, kept until the work is over: also when nobody waits for the answer any more.
    pub place: Option<Place>,
}

impl Engine {
    /// Whether new payments are turned away at this moment, whatever is in them: [`CashierAnswer::overloaded`].
    pub fn turns_away(&self) -> bool {
        let turned_away = self.inner.line.turns_away();
        if turned_away {
            line::count_turned_away();
        }
        turned_away
    }

    /// Creates a transaction and answers. Runs in a task of its own: a client that hangs up does not orphan an intent.
    pub async fn pay(&self, request: PayRequest) -> CashierAnswer {
        if self.store_is_unwell() {
            return CashierAnswer::unavailable();
        }
        let engine = self.clone();
        let mut request = request;
        let place = request.place.take();
        let task = self.inner.tasks.spawn(async move {
            let answer = engine.pay_in_its_turn(request).await;
            drop(place);
            answer
        });
        match task.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                trouble!(error, error, "paying: {error}");
                CashierAnswer::internal()
            }
            Err(_) => CashierAnswer::internal(),
        }
    }

    /// Begins in its turn: see [`line`](super::line).
    async fn pay_in_its_turn(&self, request: PayRequest) -> Result<CashierAnswer, EngineError> {
        match self.inner.line.take().await {
            Ok(turn) => self.pay_in_task(request, turn).await,
            Err(turned_away) => Ok(turned_away),
        }
    }

    async fn pay_in_task(&self, request: PayRequest, turn: Turn) -> Result<CashierAnswer, EngineError> {
        let descriptor = request.provider.descriptor();
        let route = match self.way_of(&request) {
            Ok(route) => route,
            Err(refused) => return Ok(refused),
        };
        let held_by_rule = request.operation == Operation::PayOut
            && route.rule.hold
            && !descriptor.operation(request.operation).is_some_and(|spec| spec.always_held);
        let (ticket, then) = (request.idempotency.clone(), request.then.clone());
        let (mut work, token_hash) = self.new_work(request, &route);
        let _lock = self.inner.locks.lock(work.id()).await;
        if held_by_rule {
            return self.create_held(&mut work, ticket.as_ref()).await;
        }
        let task = match work.transaction.operation {
            Operation::PayIn => Task::PayIn,
            Operation::PayOut => Task::PayOut,
        };
        let mut step = self.begin(&mut work, task, None);
        // It is in the call now, if it is needed at all; and looked for in what comes of that.
        work.sent_card = work.card.take();
        if let Step::Found(mut finding) = step {
            if work.provider.descriptor().card_data != CardData::None {
                calls::card_numbers_masked(&mut finding);
            }
            return self.create_concluded(&mut work, token_hash, ticket.as_ref(), *finding).await;
        }
        if let Step::Call(call) = &step
            && let Some(memo) = &call.memo
        {
            work.memo = memo.clone();
        }
        let Creation { mut batch, token_hash } = self.creation(&mut work, token_hash, ticket.as_ref())?;
        let job = match &step {
            Step::Call(call) => self.intent_job(&work, task, Some(call)),
            _ => self.intent_job(&work, task, None),
        };
        attempts::insert(&mut batch, &work.transaction, &work.attempt, work.seal_memo()?, token_hash, Some(&job));
        work.next = Some(job);
        let stored = StoredAt::now(self);
        // In doubt the store is asked, and the call goes out only once the intent is there for certain.
        let receipt = Receipt::Created(work.company_id(), work.id());
        let created = surely::commit(self.store(), batch, &receipt, Away::EndsIt).await;
        // It has begun: what follows goes before payments that have not.
        drop(turn);
        if created.is_err() {
            calls::never_sent(&mut step);
        }
        match created {
            Ok(_) => {}
            Err(CommitError::Duplicate(keys::KEY_TAKEN)) => return self.key_taken(&work, ticket.as_ref()).await,
            Err(CommitError::Duplicate(single_use::IN_FLIGHT)) => return self.create_in_flight(&mut work, ticket.as_ref()).await,
            Err(error) => return not_begun(error),
        }
        let concluded = match self.run_task(&mut work, task, Some((step, stored)), None, None).await {
            Ok(ended) => match self.go_on(&mut work, task, ended, &then).await {
                Ok(ended) => self.finish_creation(&mut work, task, ended, false).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        self.or_as_it_stands(concluded, work, ticket.as_ref()).await
    }

    /// The account that takes the request, or why none does: nothing is stored then, and nobody called.
    fn way_of(&self, request: &PayRequest) -> Result<route::Route, CashierAnswer> {
        let company = &request.caller.company;
        let psp_type = request.provider.descriptor().psp_type;
        let suits = |method: &PaymentMethod| self.problems(request.provider, method, &request.checked).is_empty();
        let found = route::find(company, psp_type, request.operation, request.checked.brand_id.as_ref(), &suits);
        let route = found.map_err(|none| match none {
            NoRoute::Rule => CashierAnswer::error(400, "Rules action is not matched", Vec::new(), None),
            NoRoute::Method => {
                let data = Json::text("PSP Configuration not found. Please check you psp Configuration");
                CashierAnswer::error(400, "Something went wrong", Vec::new(), Some(data))
            }
        })?;
        if !self.configured(request.provider, &route.method) {
            return Err(failure_answer(&Refusal::of(ErrorCode::PspNotConfigured), None));
        }
        let problems = self.problems(request.provider, &route.method, &request.checked);
        if problems.is_empty() { Ok(route) } else { Err(AdminError::Invalid(problems).answer()) }
    }

    /// A conclusion that was overtaken (this process was held for dead, and another one asked about its intent) answers from the
    /// transaction as it stands.
    async fn or_as_it_stands(
        &self,
        concluded: Result<CashierAnswer, EngineError>,
        mut work: Work,
        ticket: Option<&IdempotencyTicket>,
    ) -> Result<CashierAnswer, EngineError> {
        if !matches!(concluded, Err(EngineError::Commit(CommitError::Guard(_)))) {
            return concluded;
        }
        tracing::warn!(transaction = %work.id(), "another process has concluded this transaction");
        let until = tokio::time::Instant::now() + STANDS_WAIT;
        loop {
            if let Some(ticket) = ticket
                && let KnownKey::Answered(answer) = self.known_key(&work.company, ticket).await?
            {
                // The bytes that whoever repeats the key will see; for this caller they are the first.
                return Ok(CashierAnswer { replayed: false, ..answer });
            }
            if let Some(stands) = self.load(work.company_id(), work.id()).await? {
                work = stands;
            }
            let concluded = work.transaction.status != TransactionStatus::Created;
            let late = tokio::time::Instant::now() >= until;
            if ticket.is_none() && (concluded || late) {
                return Ok(recovered_answer(&work));
            }
            if late {
                // The other process has not answered for the key yet; what we said now would not be what it says.
                return Ok(still_running());
            }
            tokio::time::sleep(STANDS_PAUSE).await;
        }
    }

    /// Whether the account has all that it needs, and may be used here.
    pub(super) fn configured(&self, provider: &dyn Provider, method: &domain::PaymentMethod) -> bool {
        let descriptor = provider.descriptor();
        let environment = self.config().environment;
        let of_operator = self.config().providers.get(descriptor.name);
        let accepted = descriptor.assumed_protocol.is_none()
            || environment == Environment::Sandbox
            || of_operator.is_some_and(|config| config.accept_assumed_protocol);
        let missing = providers::settings::missing(descriptor, &method.settings, environment);
        let has_base = self.base_url(provider, method).is_some();
        accepted && has_base && missing.iter().all(|field| *field == "baseUrl")
    }

    /// What is wrong with the request for this account: one sentence per missing field, then one per invalid field.
    fn problems(&self, provider: &'static dyn Provider, method: &PaymentMethod, checked: &Checked) -> Vec<String> {
        let base_url = self.base_url(provider, method).unwrap_or_default();
        let account = Account { settings: &method.settings, base_url: &base_url, environment: self.config().environment };
        let otherwise =
            || Problems { missing: Vec::new(), invalid: vec!["this payment method cannot take the request".to_owned()] };
        let Problems { missing, invalid } = guarded(provider, || provider.fits(&account, checked), otherwise);
        missing.iter().map(|field| format!("{MISSING}{field}")).chain(invalid).collect()
    }

    fn new_work(&self, request: PayRequest, route: &route::Route) -> (Work, Option<[u8; 32]>) {
        let now = self.clock().now();
        let random = &self.inner.random;
        let checked = request.checked;
        let id = TransactionId::new(now, random.bytes());
        let session_id = SessionId::new(now, random.bytes());
        let order = Order {
            transaction_id: id,
            reference: id,
            session_id,
            operation: request.operation,
            amount: checked.amount,
            merchant_reference: checked.merchant_reference.clone(),
            created_at: now,
            fields: checked.fields,
        };
        let pages = self.new_pages(request.provider);
        let (callback_url, token_hash) = self.new_callback_token(request.provider);
        let transaction = Transaction {
            id,
            session_id,
            company_id: request.caller.company.company.id,
            live: 1,
            attempts: 1,
            psp_type: request.provider.descriptor().psp_type.to_owned(),
            operation: request.operation,
            method_id: route.method.id,
            brand_id: checked.brand_id,
            merchant_reference: checked.merchant_reference,
            user_id: checked.user_id,
            amount: checked.amount,
            status: TransactionStatus::Created,
            psp_status: "created".to_owned(),
            message: None,
            psp_transaction_id: None,
            redirect_url: None,
            destination_masked: request.provider.destination(&order).map(|destination| destination.masked),
            attention: None,
            rule: Some((route.rule.id, route.rule.version)),
            maker: request.caller.credential.id,
            given_back: domain::GivenBack::default(),
            events_sent: 0,
            timeline_length: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let base_url = self.base_url(request.provider, &route.method).unwrap_or_default();
        let work = Work {
            company: request.caller.company,
            method: route.method.clone(),
            provider: request.provider,
            attempt: Attempt::first(&transaction),
            others: Vec::new(),
            next: None,
            transaction,
            order,
            memo: Json::Object(Vec::new()),
            memo_apart: true,
            has_key: request.idempotency.is_some(),
            inquiries: 0,
            callback_url,
            base_url,
            pages,
            card: checked.card,
            sent_card: None,
            account_cache: None,
            turns: Vec::new(),
            sent_headers: Vec::new(),
        };
        (work, token_hash)
    }

    /// A new callback address for a transaction, and the SHA-256 of its token; none for providers that do not call back per
    /// transaction.
    pub(super) fn new_callback_token(&self, provider: &dyn Provider) -> (String, Option<[u8; 32]>) {
        // Where a form of ours brings the address, it is made with the form.
        if !provider.descriptor().callbacks.per_transaction || provider.descriptor().pages.pay {
            return (String::new(), None);
        }
        let token = self.inner.random.token();
        let hash = super::callbacks::token_hash(&token);
        (self.callback_url(provider, &token), Some(hash))
    }

    /// The statements that create the transaction, but for its attempt's row: row, pages, first timeline entry, key, single-use
    /// secret.
    fn creation(
        &self,
        work: &mut Work,
        token_hash: Option<[u8; 32]>,
        ticket: Option<&IdempotencyTicket>,
    ) -> Result<Creation, EngineError> {
        let mut batch = Batch::new();
        let n = work.attempt.n;
        let (company, id, now) = (work.company_id(), work.id(), work.transaction.created_at);
        work.transaction.timeline_length = 1;
        transactions::insert(&mut batch, &work.transaction, work.seal()?);
        for (page, hash) in pages::hashes(&work.pages) {
            page_tokens::insert(&mut batch, hash, company, id, n, page);
        }
        let rule = work
            .transaction
            .rule
            .map(|(id, version)| Json::object([("id", Json::text(id.to_string())), ("version", Json::from(version))]));
        let detail = Json::object([("rule", Json::from(rule)), ("paymentMethodId", Json::text(work.method.id.to_string()))]);
        let entry =
            TimelineEntry { n: 1, at: now, event: "created".to_owned(), from: None, to: Some(work.transaction.status), detail };
        transactions::add_to_timeline(&mut batch, company, id, &entry);
        if let Some(ticket) = ticket {
            keys::insert(&mut batch, company, ticket.path, &ticket.key, ticket.fingerprint, id, now);
        }
        self.take_single_use(&mut batch, work);
        Ok(Creation { batch, token_hash })
    }

    /// Takes the secret that may be in flight once, where the order has one.
    pub(super) fn take_single_use(&self, batch: &mut Batch, work: &Work) {
        let single = work.provider.descriptor().single_use_field;
        let Some(secret) = single.and_then(|single| work.order.fields.secret.get(single.field)) else { return };
        let digest = work.company.data_key.digest("single_use", secret.expose().as_bytes());
        single_use::take(batch, work.company_id(), work.method.id, digest, work.id(), work.attempt.n);
    }

    /// Another request with the key was faster.
    async fn key_taken(&self, work: &Work, ticket: Option<&IdempotencyTicket>) -> Result<CashierAnswer, EngineError> {
        let Some(ticket) = ticket else { return Ok(CashierAnswer::internal()) };
        Ok(match self.known_key(&work.company, ticket).await? {
            KnownKey::Answered(answer) => answer,
            KnownKey::OtherBody => NotAdmitted::KeyOfAnotherBody.answer(),
            KnownKey::Running | KnownKey::New => still_running(),
        })
    }

    /// A pay-out that a rule holds: nobody is called before a person approves.
    async fn create_held(&self, work: &mut Work, ticket: Option<&IdempotencyTicket>) -> Result<CashierAnswer, EngineError> {
        let finding = Finding::new(Standing::OnHold, "on_hold").message(ON_HOLD).answer(ProviderAnswer::Success {
            message: ON_HOLD.to_owned(),
            data: plain_data(work, ON_HOLD),
            redirect_url: None,
        });
        self.create_concluded(work, None, ticket, finding).await
    }

    /// The voucher is in another unsettled transaction: refused without a call.
    async fn create_in_flight(&self, work: &mut Work, ticket: Option<&IdempotencyTicket>) -> Result<CashierAnswer, EngineError> {
        let Some(single) = work.provider.descriptor().single_use_field else {
            return Err(EngineError::Corrupt("a provider without a single-use field met one in flight".into()));
        };
        // Never sent, so never needed.
        work.order.fields.secret.clear();
        let finding = Finding::new(Standing::Declined, single.status)
            .message(single.message)
            .answer(ProviderAnswer::Declined { message: single.message.to_owned(), data: None });
        self.create_concluded(work, None, ticket, finding).await
    }

    /// Creates and concludes without any call, in one commit: there is no moment at which it could be taken for one whose call
    /// was cut by a crash.
    async fn create_concluded(
        &self,
        work: &mut Work,
        token_hash: Option<[u8; 32]>,
        ticket: Option<&IdempotencyTicket>,
        finding: Finding,
    ) -> Result<CashierAnswer, EngineError> {
        let creation = self.creation(work, token_hash, ticket)?;
        match self.conclude_created(work, creation, &finding).await {
            Err(EngineError::Commit(CommitError::Duplicate(keys::KEY_TAKEN))) => self.key_taken(work, ticket).await,
            Err(EngineError::Commit(CommitError::Duplicate(single_use::IN_FLIGHT))) if !work.order.fields.secret.is_empty() => {
                Box::pin(self.create_in_flight(work, ticket)).await
            }
            Err(EngineError::Commit(error)) => not_begun(error),
            concluded => concluded,
        }
    }
}
