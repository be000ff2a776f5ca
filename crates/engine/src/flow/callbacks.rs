//! The inbox: a callback is stored, answered, and then processed in order per transaction.

use super::EngineError;
use super::calls::guarded;
use super::conclude::Commit;
use super::jobs::Asked;
use super::work::Work;
use crate::core::Engine;
use crate::pulse::trouble;
use aws_lc_rs::digest::{SHA256, digest};
use domain::{CompanyId, Json, TransactionId};
use providers::card::{CardData, mask_numbers};
use providers::{Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Provider};
use std::borrow::Cow;
use store::repository::callbacks::{self, StoredCallback};
use store::repository::jobs::{self, JobKind};
use store::repository::transactions::{self, VERSION_GUARD};
use store::{Batch, CommitError};

/// How long this process has a callback to itself, milliseconds, not scaled.
const LEASE_MS: i64 = 60_000;
/// How often a callback is begun anew because another process changed its transaction at the same moment.
const MEETINGS_MAX: u32 = 5;
/// A callback that could not be processed for a reason of ours is tried again after this, milliseconds as written.
const TROUBLE_WAIT_MS: i64 = 5_000;
/// A callback that came while another process's call is open waits this long, milliseconds as written.
const EARLY_WAIT_MS: i64 = 1_000;
/// Most headers of a callback that are kept.
const HEADERS_MAX: usize = 64;

/// SHA-256 of a callback token: all that is kept of it.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// A callback as it came in.
#[derive(Debug, Clone, Copy)]
struct Incoming<'a> {
    method: &'a str,
    query: &'a str,
    headers: &'a [(String, String)],
    body: &'a [u8],
}

impl Engine {
    /// Takes a provider's callback: unknown token 404, a failed write 503, else the provider's own answer once the raw callback is stored.
    pub async fn callback(
        &self,
        provider_name: &str,
        token: &str,
        method: &str,
        query: &str,
        headers: &[(String, String)],
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
        if kinds.per_transaction
            && let Some((company, id)) = transactions::find_by_token(self.store(), hash).await?
        {
            let Some(work) = self.load(company, id).await? else { return Ok(not_found) };
            if work.provider.descriptor().name != provider_name {
                return Ok(not_found);
            }
            let reading = self.read(&work, incoming);
            self.keep_callback(&work, incoming, &reading).await?;
            return Ok(reading.answer);
        }
        if kinds.per_account
            && let Some((company, method_id)) = self.directory().method_by_callback_token(hash).await?
        {
            return self.take_account_callback(provider, company, method_id, incoming).await;
        }
        Ok(not_found)
    }

    /// A callback to an account's address: the transaction is found by what it says.
    async fn take_account_callback(
        &self,
        provider: &'static dyn Provider,
        company: CompanyId,
        method_id: domain::MethodId,
        incoming: Incoming<'_>,
    ) -> Result<CallbackAnswer, EngineError> {
        let Some(snapshot) = self.directory().company(company).await? else { return Ok(CallbackAnswer::empty(404)) };
        let Some(method) = snapshot.method(method_id).filter(|m| m.psp_type == provider.descriptor().psp_type) else {
            return Ok(CallbackAnswer::empty(404));
        };
        let base_url = self.base_url(provider, method).unwrap_or_default();
        let account = Account { settings: &method.settings, base_url: &base_url, environment: self.config().environment };
        let callback = as_callback(incoming, None, None);
        let reading = guarded(provider, || provider.read_callback(&account, &callback), || CallbackReading::refused(400));
        let Some(locate) = &reading.locate else { return Ok(reading.answer) };
        let mut found = match locate.transaction_id {
            Some(id) => transactions::find(self.store(), company, id).await?,
            None => None,
        };
        if found.is_none()
            && let Some(psp_id) = &locate.psp_transaction_id
        {
            found = transactions::find_by_psp_id(self.store(), company, method_id, psp_id).await?;
        }
        match found {
            Some(found) if found.transaction.method_id == method_id => {
                let work = self.take_in_hand(found).await?;
                self.keep_callback(&work, incoming, &reading).await?;
            }
            // Of the company, but of another account: whoever has this address should know nothing of it.
            Some(found) if found.transaction.psp_type == provider.descriptor().psp_type => {
                let _lock = self.inner.locks.lock(found.transaction.id).await;
                let Some(mut work) = self.load(company, found.transaction.id).await? else { return Ok(reading.answer) };
                let mut commit = Commit::open(self, &mut work);
                commit.anomaly("a callback to another account's address names this transaction", "warning");
                commit.store().await?;
            }
            Some(_) => {}
            None => {
                metrics::counter!("mozarto_callbacks_unmatched_total", "provider" => provider.descriptor().name).increment(1);
                tracing::warn!(provider = provider.descriptor().name, "a callback names no transaction of its account");
            }
        }
        Ok(reading.answer)
    }

    fn read(&self, work: &Work, incoming: Incoming<'_>) -> CallbackReading {
        let context = work.context(self, None);
        let callback = as_callback(incoming, Some(work.id()), Some(work.order.amount));
        // A callback that is not understood is a hint like an unsigned one: the provider is asked.
        let hint = || CallbackReading {
            answer: CallbackAnswer::empty(200),
            outcome: CallbackOutcome::Hint(Json::Object(Vec::new())),
            locate: None,
        };
        guarded(work.provider, || work.provider.read_callback(&context.account, &callback), hint)
    }

    async fn keep_callback(&self, work: &Work, incoming: Incoming<'_>, reading: &CallbackReading) -> Result<(), EngineError> {
        metrics::counter!("mozarto_callbacks_total", "provider" => work.provider.descriptor().name).increment(1);
        if matches!(reading.outcome, CallbackOutcome::Ignore) {
            return Ok(());
        }
        let now = self.clock().now();
        let id = TransactionId::new(now, self.inner.random.bytes());
        let key = &work.company.data_key;
        let document = to_document(incoming, work.provider);
        let raw = key
            .seal(&["callbacks", &id.to_string(), "raw"], document.to_text().as_bytes())
            .map_err(|error| EngineError::Corrupt(error.to_string()))?;
        let stored =
            StoredCallback { company_id: work.company_id(), transaction_id: work.id(), id, received_at: now, raw, attempt: 0 };
        let mut batch = Batch::new();
        callbacks::insert(&mut batch, &stored, now.plus_ms(LEASE_MS), &self.inner.node_id);
        self.store().commit(batch).await?;
        let engine = self.clone();
        let (company, transaction) = (work.company_id(), work.id());
        self.inner.tasks.spawn(async move {
            engine.work_on_callbacks_of(company, transaction).await;
        });
        Ok(())
    }

    /// Processes the open callbacks of a transaction; on trouble puts them off.
    pub(super) async fn work_on_callbacks_of(&self, company: CompanyId, id: TransactionId) {
        let _lock = self.inner.locks.lock(id).await;
        for _ in 0..MEETINGS_MAX {
            match self.process_callbacks(company, id).await {
                Ok(()) => return,
                // Another process changed the transaction meanwhile: look again.
                Err(EngineError::Commit(CommitError::Guard(VERSION_GUARD))) => {}
                Err(error) => {
                    trouble!(error, error, transaction = %id, "processing callbacks: {error}");
                    break;
                }
            }
        }
        // If this fails too, they are due when their lease passes.
        let Ok(open) = callbacks::open(self.store(), company, id).await else { return };
        let mut batch = Batch::new();
        callbacks::later(&mut batch, &open, self.clock().after(TROUBLE_WAIT_MS), false);
        if let Err(error) = self.store().commit(batch).await {
            trouble!(warn, error, transaction = %id, "putting callbacks off: {error}");
        }
    }

    /// Processes the open callbacks, oldest first. Hints that wait together are answered by one inquiry.
    async fn process_callbacks(&self, company: CompanyId, id: TransactionId) -> Result<(), EngineError> {
        let open = callbacks::open(self.store(), company, id).await?;
        if open.is_empty() {
            return Ok(());
        }
        // The transaction before its job: a call that another process begins after this is met by the version at the commit.
        let Some(mut work) = self.load(company, id).await? else { return Ok(()) };
        let job = jobs::find(self.store(), company, id).await?;
        if let Some(job) = job.filter(|job| job.kind == JobKind::Intent) {
            if job.due_at > self.clock().now() || self.is_anothers(&job).await? {
                // Another process's call is open: its outcome comes first.
                let mut batch = Batch::new();
                callbacks::later(&mut batch, &open, self.clock().after(EARLY_WAIT_MS), false);
                self.store().commit(batch).await?;
                return Ok(());
            }
            // Its process is dead: what it began is concluded first, with the answer that its key waits for.
            self.recover(&mut work, &job).await?;
        }
        let mut hint = None;
        let (mut asked, mut touched) = (false, false);
        let mut commit = Commit::open(self, &mut work);
        for callback in &open {
            let plain = commit.work.company.data_key.open(&["callbacks", &callback.id.to_string(), "raw"], &callback.raw);
            let Some(document) = plain.ok().and_then(|plain| Json::parse(&plain).ok()) else {
                commit.anomaly("a stored callback cannot be read", "warning");
                touched = true;
                continue;
            };
            match self.reread(commit.work, &document).outcome {
                CallbackOutcome::Ignore => {}
                CallbackOutcome::Anomaly(text) => {
                    commit.anomaly(&mask_numbers(&text), "warning");
                    touched = true;
                }
                CallbackOutcome::Hint(json) => {
                    touched |= show_hint(&mut commit, &json);
                    hint = Some(joined(hint, json));
                    asked = true;
                }
                CallbackOutcome::Fact(finding) => {
                    commit.settle(&finding, &Json::object([("by", Json::text("callback"))]));
                    touched = true;
                }
            }
        }
        if !asked {
            callbacks::done(&mut commit.batch, &open);
        }
        if touched || !asked {
            commit.store().await?;
        }
        if asked {
            let job = jobs::find(self.store(), company, id).await?;
            self.inquire(&mut work, job.as_ref(), Asked::Callback { hint: hint.as_ref(), open: &open }).await?;
        }
        Ok(())
    }

    fn reread(&self, work: &Work, document: &Json) -> CallbackReading {
        let headers: Vec<(String, String)> = document
            .get("headers")
            .and_then(Json::as_object)
            .unwrap_or_default()
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let body = document.str_at("body").and_then(|text| hex::decode(text).ok()).unwrap_or_default();
        let incoming = Incoming {
            method: document.str_at("method").unwrap_or_default(),
            query: document.str_at("query").unwrap_or_default(),
            headers: &headers,
            body: &body,
        };
        self.read(work, incoming)
    }
}

/// What a hint wants to be seen, whatever the provider answers. The provider has masked what it quotes.
fn show_hint(commit: &mut Commit<'_>, hint: &Json) -> bool {
    let (note, anomaly) = (hint.str_at("note"), hint.str_at("anomaly"));
    if let Some(text) = note {
        commit.note("noted", None, None, Json::object([("text", Json::text(text))]));
    }
    if let Some(text) = anomaly {
        commit.anomaly(text, "warning");
    }
    note.is_some() || anomaly.is_some()
}

/// Hints that wait together, as one: what an older one alone says is not lost.
fn joined(older: Option<Json>, newer: Json) -> Json {
    match (older, newer) {
        (Some(mut all @ Json::Object(_)), Json::Object(members)) => {
            for (name, value) in members {
                all.remove(&name);
                all.set(&name, value);
            }
            all
        }
        (_, newer) => newer,
    }
}

fn as_callback<'a>(incoming: Incoming<'a>, id: Option<TransactionId>, amount: Option<domain::Money>) -> Callback<'a> {
    Callback {
        method: incoming.method,
        query: incoming.query,
        headers: incoming.headers,
        body: incoming.body,
        transaction_id: id,
        amount,
    }
}

/// For the inbox. Of a card provider: whatever may be a card number is masked in it.
fn to_document(incoming: Incoming<'_>, provider: &'static dyn Provider) -> Json {
    let of_card_provider = provider.descriptor().card_data != CardData::None;
    let shown = |text: &str| if of_card_provider { Json::text(mask_numbers(text)) } else { Json::text(text) };
    let mut headers: Vec<(String, Json)> = Vec::new();
    for (name, value) in incoming.headers.iter().take(HEADERS_MAX) {
        if !headers.iter().any(|(known, _)| known == name) {
            headers.push((name.clone(), shown(value)));
        }
    }
    let body = match std::str::from_utf8(incoming.body) {
        Ok(text) if of_card_provider => Cow::Owned(masked_body(text, provider).into_bytes()),
        // What is no text at all is no callback of any provider's.
        Err(_) if of_card_provider => Cow::Borrowed(&b""[..]),
        _ => Cow::Borrowed(incoming.body),
    };
    Json::object([
        ("method", Json::text(incoming.method)),
        ("query", shown(incoming.query)),
        ("headers", Json::Object(headers)),
        ("body", Json::text(hex::encode(&*body))),
    ])
}

/// A body without card numbers; references of the provider that look like one stay.
fn masked_body(text: &str, provider: &'static dyn Provider) -> String {
    // A pair of a form, or an element up to the next tag.
    let (separator, end_of_name) = if text.trim_start().starts_with('<') { ("<", '>') } else { ("&", '=') };
    let is_reference = |part: &&str| {
        let of_provider = |(name, value)| guarded(provider, || provider.is_reference(name, value), || false);
        part.split_once(end_of_name).is_some_and(of_provider)
    };
    if !text.split(separator).any(|part| is_reference(&part)) {
        return mask_numbers(text);
    }
    let parts = text.split(separator).map(|part| if is_reference(&part) { part.to_owned() } else { mask_numbers(part) });
    parts.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stay_and_card_numbers_do_not() {
        let worldpay = providers::by_name("worldpay").unwrap();
        let body = "<a>4444333322221111</a><paymentTokenID>9902990299029902990</paymentTokenID><b c=\"4444333322221111\"/>";
        let masked = masked_body(body, worldpay);
        assert!(masked.contains("<paymentTokenID>9902990299029902990</paymentTokenID>"), "{masked}");
        assert!(!masked.contains("4444333322221111"), "{masked}");
        assert!(!masked_body("a=4444333322221111&b=1", worldpay).contains("4444333322221111"));
    }
}
