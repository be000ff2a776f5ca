//! Running a provider's task: each call that leaves something behind has its intent stored first; transport never retries.

use super::EngineError;
use super::work::Work;
use crate::core::Engine;
use crate::surely::{self, Away, Receipt};
use crate::transport::{Failure, Guard, Outgoing};
use domain::limits::{CALLS_PER_FLOW_MAX, PROVIDER_ANSWER_MAX_BYTES};
use domain::next::Intent;
use domain::{ErrorCode, Json, Next, Timestamp};
use providers::card::{CardData, mask_json, mask_numbers};
use providers::{Answer, Call, CashierAnswer, Doubt, Finding, Lost, Refusal, Reply, Sent, Step, Task};
use std::time::Instant;
use store::repository::attempts::{self, Change};
use store::repository::jobs::Job;
use store::repository::transactions;
use store::{Batch, CommitError};
use zeroize::Zeroize as _;

/// How a task ended. `step` is never a call.
pub(super) struct Ended {
    pub(super) step: Step,
    /// Of the last call; `None` when none was made.
    pub(super) doubt: Option<Doubt>,
    /// What was called, for the timeline.
    pub(super) calls: Vec<Json>,
    /// When the last call that leaves something behind was sent.
    pub(super) sent_at: Option<Timestamp>,
    /// One that leaves something behind may have arrived.
    pub(super) arrived: bool,
    /// What became of the last call, where it was not answered.
    pub(super) lost: Option<Lost>,
}

/// How old an intent may be when its call goes out, its commit included, milliseconds, not scaled: below what makes others hold a
/// process for dead. An older one is stored once more, which fails if anybody has taken it over meanwhile: a process that was
/// paused does not send what was given up.
const INTENT_FRESH_MS: i64 = 4_000;
/// How often an intent is stored for one call before the store is held to be too slow to pay with.
const INTENT_STORES_MAX: u32 = 4;
/// Added to an intent's time limit before anybody else may take it, milliseconds, not scaled: scheduling and commits take their
/// time on any scale.
const INTENT_GRACE_MS: i64 = 5_000;
/// How many calls of full length one intent covers: the harmless ones after it, and inline inquiries.
const INTENT_CALLS: i64 = 4;

/// Since when an intent is stored, by both clocks: the one stands still while a machine sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredAt {
    by_the_clock: Timestamp,
    by_the_process: Instant,
}

impl StoredAt {
    pub(super) fn now(engine: &Engine) -> Self {
        Self { by_the_clock: engine.clock().now(), by_the_process: Instant::now() }
    }

    fn is_fresh(self, engine: &Engine) -> bool {
        let limit = std::time::Duration::from_millis(INTENT_FRESH_MS.unsigned_abs());
        engine.clock().now().since(self.by_the_clock).abs() <= INTENT_FRESH_MS && self.by_the_process.elapsed() <= limit
    }
}

/// Runs a provider's code. One that panics over an answer has not understood it: the call's doubt decides, as with any answer
/// that cannot be read.
pub(super) fn guarded<T>(provider: &dyn providers::Provider, code: impl FnOnce() -> T, otherwise: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(code)).unwrap_or_else(|_| {
        let name = provider.descriptor().name;
        metrics::counter!("mozarto_provider_panics_total", "provider" => name).increment(1);
        tracing::error!(provider = name, "the code of a provider panicked");
        otherwise()
    })
}

/// Nothing that was sent to the provider is shown because it sends it back. A page whose address holds a secret is no page:
/// nobody is sent there.
fn without_secrets(work: &Work, mut ended: Ended) -> Ended {
    match &mut ended.step {
        Step::Found(finding) => {
            let masker = work.masker();
            if masker.spoils(finding) {
                let anomaly = Some("the address of the provider's page holds a secret of the account".to_owned());
                ended.step = Step::Silence(Refusal { anomaly, ..Refusal::of(ErrorCode::UnknownPspError) });
            } else {
                masker.finding(finding);
            }
        }
        Step::Refused(refusal) | Step::Silence(refusal) if refusal.data.is_some() || refusal.anomaly.is_some() => {
            work.masker().refusal(refusal);
        }
        Step::Refused(_) | Step::Silence(_) | Step::Call(_) | Step::TryLater(_) => {}
    }
    ended
}

/// Of a card provider no text is kept, shown or logged that may hold a card number.
fn without_card_numbers(mut ended: Ended) -> Ended {
    match &mut ended.step {
        Step::Found(finding) => card_numbers_masked(finding),
        Step::Refused(refusal) | Step::Silence(refusal) => {
            refusal.data = refusal.data.take().map(mask_json);
            refusal.anomaly = refusal.anomaly.as_deref().map(mask_numbers);
        }
        Step::Call(_) | Step::TryLater(_) => {}
    }
    ended
}

/// Masks what may be a card number in what was found.
pub(super) fn card_numbers_masked(finding: &mut Finding) {
    finding.status = mask_numbers(&finding.status);
    finding.message = finding.message.as_deref().map(mask_numbers);
    for text in finding.anomalies.iter_mut().chain(&mut finding.notes) {
        *text = mask_numbers(text);
    }
    match &mut finding.answer {
        Some(CashierAnswer::Declined { message, data }) => {
            *message = mask_numbers(message);
            *data = data.take().map(mask_json);
        }
        // Built by our side alone.
        Some(CashierAnswer::Success { .. }) | None => {}
    }
}

/// A call that will not be made after all: what it was built of may be a card.
pub(super) fn never_sent(step: &mut Step) {
    if let Step::Call(call) = step {
        call.body.zeroize();
    }
}

fn not_understood() -> Step {
    Step::Silence(Refusal::of(ErrorCode::UnknownPspError))
}

impl Engine {
    /// The first step of a task.
    pub(super) fn begin(&self, work: &mut Work, task: Task, hint: Option<&Json>) -> Step {
        work.account_cache = self.inner.account_cache.get(&work.method, self.clock().now());
        guarded(work.provider, || work.provider.begin(task, &work.context(self, hint)), not_understood)
    }

    /// Runs the task from its first step. `None`: this begins it.
    ///
    /// The intent of a `first` call is stored already, with the transaction: since then.
    pub(super) async fn run_task(
        &self,
        work: &mut Work,
        task: Task,
        first: Option<(Step, StoredAt)>,
        hint: Option<&Json>,
        new_token: Option<[u8; 32]>,
    ) -> Result<Ended, EngineError> {
        if task == Task::Inquire {
            self.number_inquiry(work).await?;
        }
        self.run_numbered(work, task, first, hint, new_token).await
    }

    /// Counts an inquiry that is about to be made. Where the provider is told the number it is stored first.
    pub(super) async fn number_inquiry(&self, work: &mut Work) -> Result<(), EngineError> {
        work.inquiries += 1;
        if !work.provider.numbers_inquiries() {
            return Ok(());
        }
        let change = Change { memo: Some(work.seal_memo()?), ..Change::default() };
        self.store_before_a_call(work, change).await
    }

    /// [`Engine::run_task`] of an inquiry that has its number, and of any other task.
    pub(super) async fn run_numbered(
        &self,
        work: &mut Work,
        task: Task,
        first: Option<(Step, StoredAt)>,
        hint: Option<&Json>,
        mut new_token: Option<[u8; 32]>,
    ) -> Result<Ended, EngineError> {
        let ended = self.run_steps(work, task, first, hint, &mut new_token).await;
        let ended = ended.map(|ended| without_secrets(work, ended));
        work.sent_card = None;
        let ended = ended?;
        Ok(if work.provider.descriptor().card_data == CardData::None { ended } else { without_card_numbers(ended) })
    }

    async fn run_steps(
        &self,
        work: &mut Work,
        task: Task,
        first: Option<(Step, StoredAt)>,
        hint: Option<&Json>,
        new_token: &mut Option<[u8; 32]>,
    ) -> Result<Ended, EngineError> {
        let (mut step, mut stored) = match first {
            Some((step, stored)) => (step, Some(stored)),
            None => (self.begin(work, task, hint), None),
        };
        let mut ended =
            Ended { step: Step::TryLater(""), doubt: None, calls: Vec::new(), sent_at: None, arrived: false, lost: None };
        let mut moved_money = false;
        for _ in 0..CALLS_PER_FLOW_MAX {
            let mut call = match step {
                Step::Call(call) => *call,
                other => {
                    ended.step = other;
                    return Ok(ended);
                }
            };
            let leaves_something = call.doubt != Doubt::Harmless || call.memo.is_some();
            if let Some(memo) = &call.memo {
                work.memo = memo.clone();
            }
            // Of the first call only, whatever that was: an intent of a harmless call does not stand for the one that takes the
            // money.
            let stored_for_this = stored.take();
            if leaves_something || new_token.is_some() {
                let intent = self.make_sure_of_intent(work, task, &call, stored_for_this, new_token.take()).await;
                intent.inspect_err(|_| call.body.zeroize())?;
            }
            ended.doubt = Some(call.doubt);
            moved_money |= call.doubt == Doubt::Money;
            if leaves_something {
                ended.sent_at = Some(self.clock().now());
            }
            let sent = Sent { step: call.step.to_owned(), scratch: call.scratch.clone() };
            work.sends(&call);
            let reply = self.send(work, call, &mut ended.calls).await;
            ended.lost = if let Reply::Lost(lost) = &reply { Some(*lost) } else { None };
            ended.arrived |= leaves_something && !ended.lost.is_some_and(Lost::nothing_sent);
            self.remember(work, hint, &sent, &reply);
            step =
                guarded(work.provider, || work.provider.resume(task, &work.context(self, hint), &sent, &reply), not_understood);
        }
        tracing::error!(provider = work.provider.descriptor().name, task = task.as_str(), "a provider flow does not end");
        ended.step = not_understood();
        if moved_money {
            ended.doubt = Some(Doubt::Money);
        }
        Ok(ended)
    }

    /// Lets the provider keep something for the account, and gives it what is kept now.
    fn remember(&self, work: &mut Work, hint: Option<&Json>, sent: &Sent, reply: &Reply) {
        let change = guarded(work.provider, || work.provider.remember(&work.context(self, hint), sent, reply), || None);
        let (cache, now) = (&self.inner.account_cache, self.clock().now());
        if let Some(change) = change {
            cache.change(&work.method, change, now);
        }
        work.account_cache = cache.get(&work.method, now);
    }

    /// The job that stands for an open intent.
    pub(super) fn intent_job(&self, work: &Work, task: Task, call: Option<&Call>) -> Job {
        let now = self.clock().now();
        let limits = work.provider.descriptor().limits;
        let one_call = i64::from(limits.connect_ms) + i64::from(call.and_then(|c| c.answer_limit_ms).unwrap_or(limits.answer_ms));
        let intent = Intent {
            task,
            step: call.map_or("", |call| call.step).to_owned(),
            doubt: call.map_or(Doubt::Harmless, |call| call.doubt),
            reference: Some(work.attempt.reference),
            amount: Some(work.order.amount),
            sent_at: Some(now),
        };
        let due_at = now.plus_ms(self.clock().scaled_ms(one_call * INTENT_CALLS) + INTENT_GRACE_MS);
        Job { owner: Some(self.inner.node_id.clone()), ..work.new_job(Next::Intent(intent), now, due_at) }
    }

    /// The call's intent is stored, not long ago, and still ours. `stored`: since when it is stored already.
    async fn make_sure_of_intent(
        &self,
        work: &mut Work,
        task: Task,
        call: &Call,
        mut stored: Option<StoredAt>,
        mut new_token: Option<[u8; 32]>,
    ) -> Result<(), EngineError> {
        for _ in 0..INTENT_STORES_MAX {
            if new_token.is_none() && stored.is_some_and(|stored| stored.is_fresh(self)) {
                return Ok(());
            }
            let now = StoredAt::now(self);
            self.store_intent(work, task, call, new_token.take()).await?;
            stored = Some(now);
        }
        Err(CommitError::Unavailable("the store takes too long to store an intent".to_owned()).into())
    }

    async fn store_intent(
        &self,
        work: &mut Work,
        task: Task,
        call: &Call,
        new_token: Option<[u8; 32]>,
    ) -> Result<(), EngineError> {
        let job = self.intent_job(work, task, Some(call));
        let memo = call.memo.is_some().then(|| work.seal_memo()).transpose()?;
        self.store_before_a_call(work, Change { memo, token_hash: new_token, job: Some(Some(&job)), ..Change::default() })
            .await?;
        work.job = Some(job);
        Ok(())
    }

    /// Commits what a call must not go out without, with the next version of the transaction.
    async fn store_before_a_call(&self, work: &mut Work, change: Change<'_>) -> Result<(), EngineError> {
        let memo_stored = change.memo.is_some();
        let mut changed = work.transaction.clone();
        changed.version += 1;
        changed.updated_at = self.clock().now();
        let mut batch = Batch::new();
        transactions::update(&mut batch, &changed);
        attempts::update(&mut batch, &changed, &work.attempt, change);
        surely::commit(self.store(), batch, &Receipt::LeavesAs(&changed), Away::EndsIt).await?;
        work.transaction = changed;
        work.memo_apart |= memo_stored;
        Ok(())
    }

    /// Whether a call about the transaction is open, of this attempt or another one, whose process lives as far as is known.
    pub(super) async fn a_call_is_open(&self, work: &Work) -> Result<bool, EngineError> {
        let now = self.clock().now();
        let all = work.job.iter().chain(work.others.iter().filter_map(|(_, job)| job.as_ref()));
        for intent in all.filter(|job| job.next.is_intent()) {
            if intent.due_at > now || self.is_anothers(intent).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn send(&self, work: &Work, call: Call, log: &mut Vec<Json>) -> Reply {
        let limits = work.provider.descriptor().limits;
        let headers: Vec<(&str, &str)> = call.headers.iter().map(|(name, value)| (*name, value.expose())).collect();
        let started = Instant::now();
        let result = self
            .transport()
            .send_to_provider(Outgoing {
                method: call.method,
                url: &call.url,
                headers: &headers,
                body: call.body,
                connect_ms: i64::from(limits.connect_ms),
                answer_ms: i64::from(call.answer_limit_ms.unwrap_or(limits.answer_ms)),
                read_max_bytes: PROVIDER_ANSWER_MAX_BYTES,
                guard: Guard::Provider,
            })
            .await;
        let elapsed = started.elapsed();
        let name = work.provider.descriptor().name;
        metrics::histogram!("mozarto_provider_call_seconds", "provider" => name, "step" => call.step).record(elapsed);
        let reply = match result {
            Ok(incoming) if incoming.truncated => Reply::Lost(Lost::TooLarge),
            Ok(incoming) => Reply::Answer(Answer::received(incoming.status, incoming.headers, incoming.body, self.clock().now())),
            Err(failure) => Reply::Lost(lost(failure)),
        };
        let outcome = match &reply {
            Reply::Answer(answer) => ("http", Json::from(i64::from(answer.status))),
            Reply::Lost(lost) => ("failure", Json::text(lost.as_str())),
        };
        tracing::debug!(provider = name, step = call.step, transaction = %work.id(), outcome = %outcome.1.to_text(), "provider call");
        log.push(Json::object([
            ("step", Json::text(call.step)),
            ("address", Json::text(format!("{} {}", call.method, call.shown))),
            outcome,
            ("ms", Json::from(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))),
        ]));
        reply
    }
}

fn lost(failure: Failure) -> Lost {
    match failure {
        Failure::Dns | Failure::RefusedAddress | Failure::Connect | Failure::Tls => Lost::NotConnected,
        Failure::ConnectTimeout => Lost::ConnectTimeout,
        Failure::Timeout => Lost::TimedOut,
        Failure::TooLarge => Lost::TooLarge,
        Failure::Broken => Lost::Broken,
    }
}
