//! What people do: approve, reject, release again, resolve, ask now, test a connection.

mod judged;

use super::EngineError;
use super::conclude::Commit;
use super::inquire::Asked;
use super::work::Work;
use crate::auth::Caller;
use crate::core::Engine;
use domain::urls::Environment;
use domain::{
    Attempt, Attention, Change, Json, Money, Next, Operation, PaymentMethod, Scope, SessionId, Transaction, TransactionId,
    TransactionStatus,
};
use providers::pages::PageUrls;
use providers::{Order, Step, Task};
use std::sync::Arc;
use std::time::Instant;
use store::CommitError;
use store::repository::audit::AuditEntry;
use store::repository::credentials;
use store::repository::holds::{self, HoldStatus, MAKER_GUARD};

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// There is no such transaction in this company.
    #[error("not found")]
    NotFound,
    /// It was decided before: who, when, and how.
    #[error("This pay-out was {status} already by {by} at {at}")]
    Decided {
        /// `approved` or `rejected`.
        status: String,
        /// Who.
        by: String,
        /// When.
        at: String,
    },
    /// The transaction is not in a state for this.
    #[error("{0}")]
    NotPossible(String),
    /// Others keep changing the transaction.
    #[error("Somebody else changed this transaction just now")]
    Overtaken,
    /// Whoever made a pay-out, or the credential that made it, may not decide about it.
    #[error("Whoever made a pay-out, or the credential that made it, may not decide about it")]
    MakerIsChecker,
    /// Something of ours.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<CommitError> for DecisionError {
    fn from(error: CommitError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<store::QueryError> for DecisionError {
    fn from(error: store::QueryError) -> Self {
        Self::Engine(error.into())
    }
}

/// What "Test connection" found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The account works.
    pub ok: bool,
    /// One sentence.
    pub message: String,
    /// How long it took, milliseconds.
    pub latency_ms: i64,
}

/// A decision to be taken.
#[derive(Debug, Clone, Copy)]
struct Decided<'a> {
    word: &'static str,
    by: &'a str,
    reason: Option<&'a str>,
    origin: Option<&'a str>,
    /// The transaction as it stood when it was decided about.
    before: (TransactionStatus, Option<Attention>),
}

/// What of a transaction the audit log shows before and after a decision.
fn standing(status: TransactionStatus, attention: Option<Attention>) -> Json {
    Json::object([
        ("transaction_status", Json::text(status.shown())),
        ("attention", attention.map(Attention::as_str).map(str::to_owned).into()),
    ])
}

impl Engine {
    async fn try_approve(&self, caller: &Caller, id: &str, reason: Option<&str>) -> Result<Transaction, DecisionError> {
        // Another process may have switched the account off just now.
        self.directory().refresh().await?;
        let (by, mut work, _lock) = self.in_hand(caller, id).await?;
        let decided = Decided { word: "approve", by: &by, reason, origin: caller.origin.as_deref(), before: stood(&work) };
        self.must_wait(&work).await?;
        self.must_not_be_maker(caller, &work).await?;
        self.must_be_usable(&work)?;
        must_not_be_paid(&work)?;
        let held_by_provider = work.provider.descriptor().operation(Operation::PayOut).is_some_and(|spec| spec.always_held);
        let mut commit = Commit::open(self, &mut work);
        let (company, transaction) = (commit.work.company_id(), commit.work.id());
        commit.work.transaction.psp_status = "processing".to_owned();
        commit.work.transaction.message = None;
        commit.work.transaction.attention = None;
        change(&mut commit, Change::Release, decided)?;
        holds::decide(&mut commit.batch, company, transaction, HoldStatus::Approved, commit.now);
        self.record(&mut commit, decided);
        let task = if held_by_provider { Task::Finalise } else { Task::PayOut };
        let job = commit.new_job(Next::Run { task }, 0);
        commit.job(&job);
        self.store_decision(commit).await?;
        self.inner.wake.jobs.notify_one();
        Ok(work.transaction)
    }

    async fn try_reject(&self, caller: &Caller, id: &str, reason: &str) -> Result<Transaction, DecisionError> {
        let (by, mut work, _lock) = self.in_hand(caller, id).await?;
        let decided =
            Decided { word: "reject", by: &by, reason: Some(reason), origin: caller.origin.as_deref(), before: stood(&work) };
        self.must_wait(&work).await?;
        self.must_not_be_maker(caller, &work).await?;
        let mut commit = Commit::open(self, &mut work);
        let (company, transaction) = (commit.work.company_id(), commit.work.id());
        commit.work.transaction.psp_status = "rejected".to_owned();
        commit.work.transaction.message = Some(reason.to_owned());
        commit.work.transaction.attention = None;
        change(&mut commit, Change::Reject, decided)?;
        holds::decide(&mut commit.batch, company, transaction, HoldStatus::Rejected, commit.now);
        self.record(&mut commit, decided);
        self.store_decision(commit).await?;
        Ok(work.transaction)
    }

    async fn try_release(&self, caller: &Caller, id: &str, reason: Option<&str>) -> Result<Transaction, DecisionError> {
        let (by, mut work, _lock) = self.in_hand(caller, id).await?;
        self.must_be_stuck(&work)?;
        self.must_not_be_maker(caller, &work).await?;
        must_not_be_paid(&work)?;
        if !work.provider.descriptor().release_again || work.transaction.operation != Operation::PayOut {
            return Err(DecisionError::NotPossible(format!("{} has no \"Release again\"", work.transaction.psp_type)));
        }
        let decided = Decided { word: "release", by: &by, reason, origin: caller.origin.as_deref(), before: stood(&work) };
        let mut commit = Commit::open(self, &mut work);
        commit.work.transaction.attention = None;
        commit.note("released_again", None, None, decided_detail(decided));
        self.record(&mut commit, decided);
        let job = commit.new_job(Next::Run { task: Task::ReleaseAgain }, 0);
        commit.job(&job);
        self.store_decision(commit).await?;
        self.inner.wake.jobs.notify_one();
        Ok(work.transaction)
    }

    async fn try_resolve(
        &self,
        caller: &Caller,
        id: &str,
        to: TransactionStatus,
        reason: &str,
    ) -> Result<Transaction, DecisionError> {
        let (by, mut work, _lock) = self.in_hand(caller, id).await?;
        self.must_be_stuck(&work)?;
        self.must_not_be_maker(caller, &work).await?;
        let step = match to {
            TransactionStatus::Approved => Change::Approve,
            TransactionStatus::Failed => Change::Fail,
            _ => return Err(DecisionError::NotPossible("to must be Approved or Failed".to_owned())),
        };
        let decided =
            Decided { word: "resolve", by: &by, reason: Some(reason), origin: caller.origin.as_deref(), before: stood(&work) };
        let mut commit = Commit::open(self, &mut work);
        if step == Change::Fail && commit.work.transaction.status.is_final() {
            // It has ended without money already, and stays so.
            commit.work.transaction.attention = None;
            commit.note("resolved", None, None, decided_detail(decided));
        } else {
            commit.work.transaction.psp_status = "resolved".to_owned();
            commit.work.transaction.message = Some(reason.to_owned());
            change(&mut commit, step, decided)?;
        }
        self.record(&mut commit, decided);
        self.store_decision(commit).await?;
        Ok(work.transaction)
    }

    async fn try_inquire_now(&self, caller: &Caller, id: &str) -> Result<Transaction, DecisionError> {
        let (_, mut work, _lock) = self.in_hand(caller, id).await?;
        let job = work.job.clone();
        let held_by_provider = work.provider.descriptor().operation(Operation::PayOut).is_some_and(|spec| spec.always_held);
        if work.transaction.status == TransactionStatus::OnHold && !held_by_provider {
            return Err(DecisionError::NotPossible(
                "This pay-out waits for an approval: the provider has not been told of it".to_owned(),
            ));
        }
        if work.transaction.status == TransactionStatus::Created || job.as_ref().is_some_and(|job| job.next.is_intent()) {
            return Err(DecisionError::NotPossible("The provider has not answered the first call yet".to_owned()));
        }
        self.inquire(&mut work, job.as_ref(), Asked::ByHand).await?;
        Ok(work.transaction)
    }

    /// "Test connection": asks the provider something that moves nothing.
    pub async fn test_connection(&self, caller: &Caller, method: &Arc<PaymentMethod>) -> TestResult {
        let started = Instant::now();
        let (ok, message) = self.try_connection(caller, method).await;
        TestResult { ok, message, latency_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX) }
    }

    async fn try_connection(&self, caller: &Caller, method: &Arc<PaymentMethod>) -> (bool, String) {
        let Some(provider) = providers::by_psp_type(&method.psp_type) else {
            return (false, "This provider is not known".to_owned());
        };
        if !self.configured(provider, method) {
            return (false, domain::ErrorCode::PspNotConfigured.message().to_owned());
        }
        let mut work = self.probe(caller, method, provider);
        let ended = self.run_task(&mut work, Task::Test, None, None, None).await;
        match ended.map(|ended| ended.step) {
            Ok(Step::Found(finding)) => {
                let ok = finding.proven;
                let message = finding.message.unwrap_or_else(|| "The provider answered".to_owned());
                (ok, message)
            }
            Ok(Step::Refused(refusal) | Step::Silence(refusal)) => (false, refusal.code.message().to_owned()),
            Ok(Step::TryLater(why)) => (false, why.to_owned()),
            Ok(Step::Call(_)) | Err(_) => (false, "The test could not be made".to_owned()),
        }
    }

    /// A transaction that exists only for a test of the connection; it is never stored.
    fn probe(&self, caller: &Caller, method: &Arc<PaymentMethod>, provider: &'static dyn providers::Provider) -> Work {
        let now = self.clock().now();
        let random = &self.inner.random;
        let currency =
            domain::Currency::from_code("EUR").unwrap_or_else(|| domain::Currency::all().next().expect("ISO 4217 is not empty"));
        let (id, session_id) = (TransactionId::new(now, random.bytes()), SessionId::new(now, random.bytes()));
        let amount = Money::from_minor(1, currency);
        let transaction = Transaction {
            id,
            session_id,
            company_id: method.company_id,
            live: 1,
            attempts: 1,
            psp_type: method.psp_type.clone(),
            operation: Operation::PayIn,
            method_id: method.id,
            brand_id: None,
            merchant_reference: None,
            user_id: String::new(),
            amount,
            status: TransactionStatus::Created,
            psp_status: String::new(),
            message: None,
            psp_transaction_id: None,
            redirect_url: None,
            destination_masked: None,
            attention: None,
            rule: None,
            maker: caller.credential.id,
            given_back: domain::GivenBack::default(),
            events_sent: 0,
            timeline_length: 0,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        Work {
            company: caller.company.clone(),
            method: method.clone(),
            provider,
            attempt: Attempt::first(&transaction),
            others: Vec::new(),
            job: None,
            transaction,
            order: Order::probe(id, session_id, amount, now),
            memo: Json::Object(Vec::new()),
            memo_apart: false,
            has_key: false,
            inquiries: 0,
            callback_url: String::new(),
            base_url: self.base_url(provider, method).unwrap_or_default(),
            pages: PageUrls::default(),
            card: None,
            sent_card: None,
            account_cache: None,
            turns: Vec::new(),
            sent_headers: Vec::new(),
        }
    }

    async fn in_hand(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(String, Work, tokio::sync::OwnedMutexGuard<()>), DecisionError> {
        let company = caller.company.company.id;
        let found = self.find_either(company, id).await?.ok_or(DecisionError::NotFound)?;
        let lock = self.inner.locks.lock(found.id).await;
        // Read again under the lock: whoever held it may have changed it.
        let work = self.load(company, found.id).await?.ok_or(DecisionError::NotFound)?;
        Ok((format!("credential:{}", caller.credential.id), work, lock))
    }

    async fn must_wait(&self, work: &Work) -> Result<(), DecisionError> {
        if work.transaction.status == TransactionStatus::OnHold {
            return Ok(());
        }
        Err(self.already_decided(work).await?)
    }

    async fn already_decided(&self, work: &Work) -> Result<DecisionError, EngineError> {
        let decisions = holds::decisions(self.store(), work.company_id(), work.id()).await?;
        let decision = decisions.into_iter().find(|d| d.decision == "approve" || d.decision == "reject");
        Ok(match decision {
            Some(decision) => DecisionError::Decided {
                status: if decision.decision == "approve" { "approved".to_owned() } else { "rejected".to_owned() },
                by: decision.decided_by,
                at: decision.at.to_string(),
            },
            None => DecisionError::NotPossible("This transaction is not on hold".to_owned()),
        })
    }

    /// Whoever decides must not be behind the credential that made the pay-out, through any chain of credentials that were made
    /// or rotated.
    async fn must_not_be_maker(&self, caller: &Caller, work: &Work) -> Result<(), DecisionError> {
        debug_assert!(caller.scopes.contains(&Scope::Approve), "the route names its scope");
        let (key, company) = (&caller.company.data_key, caller.company.company.id);
        // From the store, whatever has become of it since: one that was revoked meanwhile was still the maker.
        let maker = credentials::find(self.store(), key, company, work.transaction.maker).await?;
        let checker = credentials::find(self.store(), key, company, caller.credential.id).await?;
        match (maker, checker) {
            (Some(maker), Some(checker)) if !checker.may_be_of_one_with(&maker) => Ok(()),
            _ => Err(DecisionError::MakerIsChecker),
        }
    }

    /// Nothing leaves through an account that is switched off, or that could not be used for a new pay-out either.
    fn must_be_usable(&self, work: &Work) -> Result<(), DecisionError> {
        let descriptor = work.provider.descriptor();
        let name = providers::settings::account_name(descriptor, &work.method.settings);
        let way_out = |what: String| Err(DecisionError::NotPossible(format!("{name} {what}, or reject this pay-out.")));
        if !work.method.enabled {
            return way_out("is disabled. Enable it".to_owned());
        }
        if self.config().environment == Environment::Production {
            let accepted = self.config().providers.get(descriptor.name).is_some_and(|config| config.accept_assumed_protocol);
            if let Some(protocol) = descriptor.assumed_protocol.filter(|_| !accepted) {
                return way_out(format!("speaks an assumed protocol ({protocol}) that is not accepted in production. Accept it"));
            }
            if !work.base_url.is_empty() && !super::may_be_production_base(&work.base_url) {
                return way_out("has an address that is not the provider's. Change it".to_owned());
            }
        }
        if self.configured(work.provider, &work.method) {
            return Ok(());
        }
        let mut missing = providers::settings::missing(descriptor, &work.method.settings, self.config().environment);
        missing.retain(|field| *field != "baseUrl" || work.base_url.is_empty());
        if work.base_url.is_empty() && !missing.contains(&"baseUrl") {
            missing.push("baseUrl");
        }
        way_out(format!("is not configured: {} is missing. Complete it", missing.join(", ")))
    }

    fn must_be_stuck(&self, work: &Work) -> Result<(), DecisionError> {
        let (status, pay_in) = (work.transaction.status, work.transaction.operation == Operation::PayIn);
        let may_be_paid = status == TransactionStatus::Pending || (pay_in && status.may_turn_late());
        if may_be_paid && work.transaction.attention == Some(Attention::Stuck) {
            return Ok(());
        }
        Err(DecisionError::NotPossible("Only a pending transaction with attention stuck can be settled by a person".to_owned()))
    }

    fn record(&self, commit: &mut Commit<'_>, decided: Decided<'_>) {
        let (company, id, maker, now) = (commit.work.company_id(), commit.work.id(), commit.work.transaction.maker, commit.now);
        holds::record(&mut commit.batch, company, id, decided.word, decided.by, maker, decided.reason, now);
        let action = format!("transaction.{}", decided.word);
        let mut entry = AuditEntry::new(now, self.inner.random.bytes(), decided.by, &action, format!("transaction:{id}"));
        let mut after = standing(commit.work.transaction.status, commit.work.transaction.attention);
        after.set("reason", decided.reason.map(str::to_owned).into());
        entry.before = Some(standing(decided.before.0, decided.before.1));
        entry.after = Some(after);
        entry.from = decided.origin.map(str::to_owned);
        commit.act(&entry);
    }

    async fn store_decision(&self, commit: Commit<'_>) -> Result<(), DecisionError> {
        match commit.store().await {
            Ok(()) => Ok(()),
            Err(EngineError::Commit(CommitError::Check(MAKER_GUARD))) => Err(DecisionError::MakerIsChecker),
            Err(error) => Err(error.into()),
        }
    }
}

/// Nothing is sent of a pay-out that another attempt has paid.
fn must_not_be_paid(work: &Work) -> Result<(), DecisionError> {
    match work.paid_otherwise() {
        None => Ok(()),
        Some(paid) => {
            let text = format!("Attempt {} of this pay-out was paid: it must not be sent again", paid.n);
            Err(DecisionError::NotPossible(text))
        }
    }
}

fn stood(work: &Work) -> (TransactionStatus, Option<Attention>) {
    (work.transaction.status, work.transaction.attention)
}

fn decided_detail(decided: Decided<'_>) -> Json {
    Json::object([("by", Json::text(decided.by)), ("reason", Json::from(decided.reason.map(str::to_owned)))])
}

fn change(commit: &mut Commit<'_>, step: Change, decided: Decided<'_>) -> Result<(), DecisionError> {
    commit.change(step, decided_detail(decided)).map_err(|refused| DecisionError::NotPossible(refused.to_string()))
}
