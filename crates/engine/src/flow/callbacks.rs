//! The inbox: a callback is stored, answered, and then processed in order per transaction. Those that wait together are each read
//! with their own facts, and each tells what it has to tell once, however often it is tried.

mod whose;

use super::EngineError;
use super::calls::guarded;
use super::conclude::{Commit, Told};
use super::inbox::{self, Incoming, Kept};
use super::inquire::Asked;
use super::rates::{About, Behind, Taken, name_hash};
use super::work::Work;
use crate::anew::Meeting as _;
use crate::core::Engine;
use crate::pulse::trouble;
use crate::waits::Waits;
use aws_lc_rs::digest::{SHA256, digest};
use domain::limits::EVENTS_PER_TRANSACTION_MAX;
use domain::{CompanyId, Json, MethodId, Next, TransactionId};
use providers::card::mask_numbers;
use providers::{Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Order, Provider};
use std::collections::{BTreeMap, VecDeque};
use store::repository::attempts::Which;
use store::repository::callbacks::{self, StoredCallback, Weight};
use store::repository::jobs;
use store::repository::transactions;
use store::{Batch, StoreError};

/// How long this process has a callback to itself, milliseconds, not scaled.
const LEASE_MS: i64 = 60_000;
/// A callback that could not be processed for a reason of ours is tried again after this, milliseconds as written.
const TROUBLE_WAIT_MS: i64 = 5_000;
/// A callback that came while another process's call is open waits this long, milliseconds as written.
pub(super) const EARLY_WAIT_MS: i64 = 1_000;
/// A callback that came in a flood waits this long for others, milliseconds as written.
const CROWD_WAIT_MS: i64 = 5_000;
/// For so long after a transaction was made its first callback that this process sees is taken for its first, milliseconds as
/// written.
const COUNTED_HERE_MS: i64 = 60_000;
/// What callbacks have to tell goes on a timeline of at most so many entries: the rest of its room is for what we do ourselves.
const TIMELINE_MAX: i64 = EVENTS_PER_TRANSACTION_MAX as i64 / 2;

/// SHA-256 of a callback token: all that is kept of it.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

impl Engine {
    /// Takes a provider's callback: unknown token 404, too many about one transaction 429, a failed write 503, else the
    /// provider's own answer once the raw callback is stored.
    pub async fn callback(
        &self,
        provider_name: &str,
        token: &str,
        method: &str,
        query: &str,
        headers: &[(String, Vec<u8>)],
        body: &[u8],
    ) -> CallbackAnswer {
        let incoming = Incoming { method, query, headers, body };
        match self.take_callback(provider_name, token, incoming).await {
            Ok(answer) => answer,
            Err(error) => {
                trouble!(error, error, provider = provider_name, "storing a callback: {error}");
                CallbackAnswer::empty(503)
            }
        }
    }

    async fn take_callback(
        &self,
        provider_name: &str,
        token: &str,
        incoming: Incoming<'_>,
    ) -> Result<CallbackAnswer, EngineError> {
        let not_found = CallbackAnswer::empty(404);
        let Some(provider) = providers::by_name(provider_name) else { return Ok(not_found) };
        let kinds = provider.descriptor().callbacks;
        if token.len() > 128 || !(kinds.per_transaction || kinds.per_account) {
            return Ok(not_found);
        }
        let hash = token_hash(token);
        // A flood is refused before the store is asked whose it is.
        let rates = &self.inner.callback_rates;
        let taken_before = match rates.flooded(&hash) {
            Some(Behind::Transaction(id)) => match rates.take_behind(hash, id) {
                None => return Ok(CallbackAnswer::empty(429)),
                taken => taken,
            },
            Some(Behind::Account(company, account)) => {
                return self.take_account_callback(provider, (hash, company, account), incoming).await;
            }
            None => None,
        };
        if kinds.per_transaction
            && let Some((company, id, n)) = self.behind_token(provider, hash).await?
        {
            let Some(taken) = taken_before.or_else(|| rates.take_behind(hash, id)) else {
                return Ok(CallbackAnswer::empty(429));
            };
            let Some(work) = self.load_attempt(company, id, Which::Number(n)).await? else { return Ok(not_found) };
            if work.provider.descriptor().name != provider_name {
                return Ok(not_found);
            }
            let reading = self.read(&work, incoming);
            self.keep_callback(&work, incoming, &reading.outcome, taken).await?;
            return Ok(reading.answer);
        }
        if kinds.per_account
            && let Some((company, method_id)) = self.directory().method_by_callback_token(hash).await?
        {
            return self.take_account_callback(provider, (hash, company, method_id), incoming).await;
        }
        Ok(not_found)
    }

    /// A callback to an account's address: the transaction is found by what it says.
    async fn take_account_callback(
        &self,
        provider: &'static dyn Provider,
        address: ([u8; 32], CompanyId, MethodId),
        incoming: Incoming<'_>,
    ) -> Result<CallbackAnswer, EngineError> {
        let (_, company, method_id) = address;
        let rates = &self.inner.callback_rates;
        let Some(snapshot) = self.directory().company(company).await? else { return Ok(CallbackAnswer::empty(404)) };
        let Some(method) = snapshot.method(method_id).filter(|m| m.psp_type == provider.descriptor().psp_type) else {
            return Ok(CallbackAnswer::empty(404));
        };
        let base_url = self.base_url(provider, method).unwrap_or_default();
        let account = Account { settings: &method.settings, base_url: &base_url, environment: self.config().environment };
        let headers = inbox::as_text(incoming.headers);
        let callback = as_callback(incoming, &headers, None);
        let reading = guarded(provider, || provider.read_callback(&account, &callback), || CallbackReading::refused(400));
        let Some(locate) = &reading.locate else { return Ok(reading.answer) };
        let name = name_hash(method_id, locate);
        let taken_before = match rates.flooded_name(&name).map(|about| rates.take_named(address, name, about)) {
            Some(None) => return Ok(CallbackAnswer::empty(429)),
            taken => taken.flatten(),
        };
        let found = self.located(company, method_id, locate).await?;
        let about = match &found {
            Some(found) if found.attempt.method_id == method_id => About::Transaction(found.transaction.id),
            Some(_) => About::Strays(method_id),
            None => About::Nobody(method_id),
        };
        let Some(taken) = taken_before.or_else(|| rates.take_named(address, name, about)) else {
            return Ok(CallbackAnswer::empty(429));
        };
        match found {
            Some(found) if found.attempt.method_id == method_id => {
                let work = self.take_in_hand(found).await?;
                let outcome = self.read(&work, incoming).outcome;
                self.keep_callback(&work, incoming, &outcome, taken).await?;
            }
            // Of the company, but of another account: whoever has this address should know nothing of it.
            Some(found) if found.attempt.psp_type == provider.descriptor().psp_type => {
                self.anew(|| self.tell_of_stray(company, found.transaction.id, found.attempt.n)).await?;
            }
            // Nor of another provider's transaction, whatever it is called.
            Some(_) | None => self.unmatched(provider, company, method_id, &reading).await?,
        }
        Ok(reading.answer)
    }

    async fn tell_of_stray(&self, company: CompanyId, id: TransactionId, n: i64) -> Result<(), EngineError> {
        let _lock = self.inner.locks.lock(id).await;
        let Some(mut work) = self.load_attempt(company, id, Which::Number(n)).await? else { return Ok(()) };
        let told = self.told_before(&work).await?;
        let mut commit = Commit::open(self, &mut work);
        commit.only_new(told);
        if commit.anomaly("a callback to another account's address names this transaction", "warning") {
            commit.store().await?;
        }
        Ok(())
    }

    fn read(&self, work: &Work, incoming: Incoming<'_>) -> CallbackReading {
        let context = work.context(self, None);
        let headers = inbox::as_text(incoming.headers);
        let callback = as_callback(incoming, &headers, Some(&work.order));
        // A callback that is not understood is a hint like an unsigned one: the provider is asked.
        let hint = || CallbackReading {
            answer: CallbackAnswer::empty(200),
            outcome: CallbackOutcome::Hint(Json::Object(Vec::new())),
            locate: None,
        };
        let reading = guarded(work.provider, || work.provider.read_callback(&context.account, &callback), hint);
        // Whoever knows the transaction's own address and says nothing that can be read wants it asked about.
        let unreadable = matches!(reading.outcome, CallbackOutcome::Ignore) && reading.answer.status == 400;
        if unreadable { hint() } else { reading }
    }

    async fn keep_callback(
        &self,
        work: &Work,
        incoming: Incoming<'_>,
        outcome: &CallbackOutcome,
        taken: Taken,
    ) -> Result<(), EngineError> {
        metrics::counter!("mozarto_callbacks_total", "provider" => work.provider.descriptor().name).increment(1);
        if matches!(outcome, CallbackOutcome::Ignore) {
            return Ok(());
        }
        let now = self.clock().now();
        let stored = self.sealed_callback(work, now, incoming, outcome, inbox::weight_of(outcome))?;
        // Of an older transaction callbacks may have been counted that this process does not know, or no more.
        let old = now.since(work.transaction.created_at) > self.clock().scaled_ms(COUNTED_HERE_MS);
        let instead = (taken.crowded || old).then(|| {
            let nothing = Incoming { method: "", query: "", headers: &[], body: &[] };
            self.sealed_callback(work, now, nothing, &CallbackOutcome::Hint(Json::Object(Vec::new())), Weight::InsteadOfFacts)
        });
        let instead = instead.transpose()?;
        let mut batch = Batch::new();
        let (due_at, owner) = if taken.prompt {
            (now.plus_ms(LEASE_MS), Some(&*self.inner.node_id))
        } else {
            (self.clock().after(CROWD_WAIT_MS), None)
        };
        callbacks::insert(&mut batch, &stored, due_at, owner, instead.as_ref());
        self.store().commit(batch).await?;
        if taken.prompt {
            let engine = self.clone();
            let (company, transaction) = (work.company_id(), work.id());
            self.inner.tasks.spawn(async move {
                engine.work_on_callbacks_of(company, transaction).await;
            });
        }
        Ok(())
    }

    fn sealed_callback(
        &self,
        work: &Work,
        now: domain::Timestamp,
        incoming: Incoming<'_>,
        outcome: &CallbackOutcome,
        weight: Weight,
    ) -> Result<StoredCallback, EngineError> {
        let id = TransactionId::new(now, self.inner.random.bytes());
        let key = &work.company.data_key;
        let raw = key
            .seal(&["callbacks", &id.to_string(), "raw"], &inbox::to_bytes(incoming, outcome, work.provider, work.order.amount))
            .map_err(|error| EngineError::Corrupt(error.to_string()))?;
        // What comes to a later attempt's address is another's, whatever is in it.
        let of_attempt = if work.attempt.n == 1 { String::new() } else { format!("/{}", work.attempt.n) };
        let about = format!("{}{of_attempt}", work.id());
        let of_transaction = [about.as_bytes(), &inbox::identity(incoming, outcome)].concat();
        Ok(StoredCallback {
            company_id: work.company_id(),
            transaction_id: work.id(),
            of_attempt: work.attempt.n,
            psp_type: work.attempt.psp_type.clone(),
            id,
            received_at: now,
            raw,
            tries: 0,
            digest: Some(key.digest("callback", &of_transaction).to_vec()),
            copies: 1,
            told: false,
            weight,
        })
    }

    /// Processes the open callbacks of a transaction; on trouble puts them off.
    pub(super) async fn work_on_callbacks_of(&self, company: CompanyId, id: TransactionId) {
        match self.anew(|| self.process_callbacks(company, id)).await {
            Ok(()) => return,
            // Others keep changing the transaction: everyday life among several.
            Err(error) if error.met_another() => {}
            Err(error) => trouble!(error, error, transaction = %id, "processing callbacks: {error}"),
        }
        let mut waits = Waits::for_ms(LEASE_MS);
        while let Err(error) = self.put_callbacks_off(company, id).await {
            trouble!(warn, error, transaction = %id, "putting callbacks off: {error}");
            // What is not put off is due when its lease passes.
            if !error.store_is_away() || !waits.pause(&self.inner.stop).await {
                return;
            }
        }
    }

    async fn put_callbacks_off(&self, company: CompanyId, id: TransactionId) -> Result<(), EngineError> {
        let open = callbacks::open(self.store(), company, id).await?;
        let mut batch = Batch::new();
        callbacks::later(&mut batch, &open, self.clock().after(TROUBLE_WAIT_MS), false);
        self.store().commit(batch).await?;
        Ok(())
    }

    /// Processes the open callbacks, oldest first. Hints that say the same are answered by one inquiry, others each by its own.
    async fn process_callbacks(&self, company: CompanyId, id: TransactionId) -> Result<(), EngineError> {
        let _lock = self.inner.locks.lock(id).await;
        let open = callbacks::open(self.store(), company, id).await?;
        if open.is_empty() {
            return Ok(());
        }
        let mut by_attempt: BTreeMap<i64, Vec<StoredCallback>> = BTreeMap::new();
        for callback in open {
            by_attempt.entry(callback.of_attempt).or_default().push(callback);
        }
        let mut processed = Ok(());
        for (n, open) in by_attempt {
            // What is wrong with one attempt's keeps no other one's waiting.
            processed = processed.and(self.process_callbacks_of(company, id, n, open).await);
        }
        processed
    }

    /// Processes the open callbacks of one attempt.
    async fn process_callbacks_of(
        &self,
        company: CompanyId,
        id: TransactionId,
        n: i64,
        open: Vec<StoredCallback>,
    ) -> Result<(), EngineError> {
        // With its job: a call that another process begins after this is met by the version at the commit.
        let Some(mut work) = self.load_attempt(company, id, Which::Number(n)).await? else { return Ok(()) };
        if self.a_call_is_open(&work).await? {
            // Another process's, for this attempt or another one: its outcome comes first.
            let mut batch = Batch::new();
            callbacks::later(&mut batch, &open, self.clock().after(EARLY_WAIT_MS), false);
            self.store().commit(batch).await?;
            return Ok(());
        }
        if let Some(job) = work.job.clone()
            && let Next::Intent(intent) = &job.next
        {
            // Its process is dead: what it began is concluded first, with the answer that its key waits for.
            self.recover(&mut work, intent).await?;
        }
        let asked = self.take_callbacks(&mut work, open).await?;
        self.ask_because_of(&mut work, asked).await
    }

    /// Tells what the callbacks have to tell and applies what they prove, in one commit; answers the hints by what they say.
    async fn take_callbacks(&self, work: &mut Work, open: Vec<StoredCallback>) -> Result<Vec<Asking>, EngineError> {
        let mut told_before = if open.iter().any(|one| one.told) { self.told_before(work).await? } else { Told::new() };
        let (mut asked, mut settled): (Vec<Asking>, Vec<StoredCallback>) = (Vec::new(), Vec::new());
        let mut touched = false;
        let mut commit = Commit::open(self, work);
        for callback in open {
            if callback.told {
                commit.only_new(std::mem::take(&mut told_before));
            }
            let tells = !callback.told;
            match self.outcome_of(commit.work, &callback) {
                None => {
                    touched |= tells && tell(&mut commit, Some("a stored callback cannot be read"), None);
                    settled.push(callback);
                }
                Some(CallbackOutcome::Ignore) => settled.push(callback),
                Some(CallbackOutcome::Anomaly(text)) => {
                    touched |= tells && tell(&mut commit, Some(&mask_numbers(&text)), None);
                    settled.push(callback);
                }
                Some(CallbackOutcome::Hint(hint)) => {
                    if tells && tell(&mut commit, hint.str_at("anomaly"), hint.str_at("note")) {
                        callbacks::told(&mut commit.batch, &callback);
                        touched = true;
                    }
                    add_to(&mut asked, inbox::facts_of(&hint), callback);
                }
                Some(CallbackOutcome::Fact(mut finding)) => {
                    commit.work.masker().finding(&mut finding);
                    providers::published::fact(&commit.work.order, &mut finding);
                    commit.settle(&finding, &Json::object([("by", Json::text("callback"))]));
                    settled.push(callback);
                    touched = true;
                }
            }
            if !tells {
                told_before = commit.tell_all();
            }
        }
        callbacks::done(&mut commit.batch, &settled);
        if touched || !settled.is_empty() {
            commit.store().await?;
        }
        Ok(asked)
    }

    /// How it was read when it came; of one that was stored before readings were, how it reads now.
    fn outcome_of(&self, work: &Work, callback: &StoredCallback) -> Option<CallbackOutcome> {
        let plain = work.company.data_key.open(&["callbacks", &callback.id.to_string(), "raw"], &callback.raw).ok()?;
        let kept = Kept::of(&plain)?;
        Some(kept.outcome().unwrap_or_else(|| self.read(work, kept.incoming()).outcome))
    }

    /// One inquiry for each thing that callbacks say. A provider that is silent is not asked on: what is left waits with the
    /// rest.
    async fn ask_because_of(&self, work: &mut Work, asked: Vec<Asking>) -> Result<(), EngineError> {
        let mut asked: VecDeque<Asking> = asked.into();
        while let Some(Asking { mut facts, copies, callbacks }) = asked.pop_front() {
            if !inbox::is_empty(&facts) {
                // Some providers tell two things by the same bytes.
                facts.set("copies", Json::from(copies));
            }
            let job = jobs::find(self.store(), work.company_id(), work.id(), work.attempt.n).await?;
            let waiting: Vec<StoredCallback> = asked.iter().flat_map(|one| one.callbacks.iter().cloned()).collect();
            let because = Asked::Callback { hint: Some(&facts), open: &callbacks, waiting: &waiting };
            if !self.inquire(work, job.as_ref(), because).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The notes and anomalies that are on a transaction's timeline.
    pub(super) async fn told_before(&self, work: &Work) -> Result<Told, EngineError> {
        let entries = transactions::timeline(self.store(), work.company_id(), work.id()).await?;
        let texts = entries.iter().filter(|entry| matches!(&*entry.event, "noted" | "anomaly"));
        Ok(texts.filter_map(|entry| entry.detail.str_at("text").map(str::to_owned)).collect())
    }
}

/// Hints that say the same, with what they say.
struct Asking {
    facts: Json,
    /// How often it was told; one that says nothing has not told it.
    copies: i64,
    callbacks: Vec<StoredCallback>,
}

/// One that says nothing is answered by any inquiry.
fn add_to(asked: &mut Vec<Asking>, facts: Json, callback: StoredCallback) {
    let says_nothing = inbox::is_empty(&facts);
    if let Some(same) = asked.iter_mut().find(|one| one.facts == facts || says_nothing || inbox::is_empty(&one.facts)) {
        if !says_nothing {
            same.facts = facts;
            same.copies += callback.copies;
        }
        same.callbacks.push(callback);
        return;
    }
    let copies = if says_nothing { 0 } else { callback.copies };
    asked.push(Asking { facts, copies, callbacks: vec![callback] });
}

/// What a callback wants to be seen, whatever the provider answers. The provider has masked what it quotes.
fn tell(commit: &mut Commit<'_>, anomaly: Option<&str>, note: Option<&str>) -> bool {
    if commit.work.transaction.timeline_length >= TIMELINE_MAX {
        return false;
    }
    if let Some(text) = note {
        commit.note("noted", None, None, Json::object([("text", Json::text(text))]));
    }
    if let Some(text) = anomaly {
        commit.anomaly(text, "warning");
    }
    note.is_some() || anomaly.is_some()
}

/// `order`: what it is about, where that is known.
fn as_callback<'a>(incoming: Incoming<'a>, headers: &'a [(String, String)], order: Option<&Order>) -> Callback<'a> {
    Callback {
        method: incoming.method,
        query: incoming.query,
        headers,
        body: incoming.body,
        reference: order.map(|order| order.reference),
        amount: order.map(|order| order.amount),
        operation: order.map(|order| order.operation),
    }
}
