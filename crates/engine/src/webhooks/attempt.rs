//! One attempt: sign, send, judge the answer, record. The work is acknowledged by the record, never before.

use super::announce::WEBHOOK_URL;
use super::configured;
use super::sign::headers_for;
use crate::clock::Clock;
use crate::core::Engine;
use crate::flow::mask::Masker;
use crate::pulse::trouble;
use crate::transport::{Failure, Guard, Incoming, Outgoing};
use crate::waits::Waits;
use domain::http_date::retry_after_ms;
use domain::schedule::{
    DELIVERY_RETRY_AFTER_MAX_MS, ENDPOINT_DISABLED_AFTER_ATTEMPTS, ENDPOINT_DISABLED_AFTER_MS, delivery_wait_ms,
};
use domain::{Json, PaymentMethod, Timestamp};
use std::borrow::Cow;
use std::time::{Duration, Instant};
use store::repository::audit::{self, AuditEntry};
use store::repository::deliveries::{self, Attempt, Claimed, DeliveryState, LEASE_GUARD, Outcome};
use store::repository::endpoints::{self, SWITCH_OFF_GUARD};
use store::{Batch, CommitError, Row};

/// An endpoint answers within this, connecting included, milliseconds as written.
pub(super) const ANSWER_MS: i64 = 10_000;
/// How much of an answer is read, bytes.
const READ_MAX_BYTES: usize = 64 * 1024;
/// How much of it is kept for the log, bytes.
const KEPT_BYTES: usize = 1024;
/// A delivery whose method could not be read is looked at again after this long, milliseconds.
const READ_AGAIN_MS: i64 = 1_000;
/// A text shorter than this, bytes, holds none of our secrets.
const SECRET_MIN_BYTES: usize = 8;

/// How the endpoint behaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It took the event.
    Took,
    /// It answered something else, or could not be reached, without making us wait.
    Refused,
    /// It made us wait in vain.
    Silent,
    /// It was not asked.
    NotAsked,
}

/// Makes one attempt and records it; says how the endpoint behaved as soon as it is known. Answers whether the record made later
/// deliveries of the transaction due.
pub(super) async fn attempt(engine: &Engine, claimed: &Claimed, answered: impl FnOnce(Standing)) -> bool {
    let (company, method) = claimed.endpoint();
    let method = match configured(engine, company, method).await {
        Ok(method) => method,
        Err(error) => {
            trouble!(warn, error, delivery = %claimed.delivery.id, "reading the payment method of a delivery: {error}");
            let defer = |batch: &mut Batch| {
                deliveries::defer(batch, claimed, &engine.inner.node_id, engine.clock().now().plus_ms(READ_AGAIN_MS));
            };
            // Not given back is given back by the end of its lease.
            store(engine, claimed, defer).await;
            return false;
        }
    };
    let url = method.as_deref().and_then(|method| Some((method, method.settings.text(WEBHOOK_URL)?)));
    match (url, &claimed.body) {
        (Some((method, url)), Some(body)) if !claimed.endpoint_off => send(engine, claimed, (method, url), body, answered).await,
        // Switched off, or there is no address any more, or the event is past its retention.
        _ => {
            let record = |batch: &mut Batch| deliveries::switched_off(batch, claimed, &engine.inner.node_id);
            store(engine, claimed, record).await;
            false
        }
    }
}

async fn send(
    engine: &Engine,
    claimed: &Claimed,
    (method, url): (&PaymentMethod, &str),
    body: &str,
    answered: impl FnOnce(Standing),
) -> bool {
    let delivery = &claimed.delivery;
    // Whoever verifies it looks at a clock of his own; what is stored of it is on our timeline.
    let (at, date) = (engine.clock().now(), engine.clock().date());
    let headers = headers_for(method, &delivery.event_id, delivery.sequence, date, body.as_bytes());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let started = Instant::now();
    let outgoing = Outgoing {
        method: "POST",
        url,
        headers: &headers,
        body: body.as_bytes().to_vec(),
        connect_ms: ANSWER_MS,
        answer_ms: ANSWER_MS,
        read_max_bytes: READ_MAX_BYTES,
        guard: Guard::Merchant,
    };
    let result = engine.transport().send_for_status(outgoing, ANSWER_MS).await;
    let latency_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let verdict = judge(&result, claimed, engine.clock(), engine.inner.random.number());
    let attempt = Attempt {
        n: delivery.attempts_total + 1,
        at,
        http_status: result.as_ref().ok().map(|incoming| incoming.status),
        failure: verdict.failure.map(str::to_owned),
        latency_ms,
        response_body: result.as_ref().ok().and_then(|incoming| kept(&incoming.body, method)),
    };
    let outcome = Outcome { attempt, state: verdict.state, next_at: verdict.next_at };
    let taken = verdict.state == DeliveryState::Delivered;
    answered(match &result {
        _ if taken => Standing::Took,
        Err(Failure::Timeout | Failure::ConnectTimeout) => Standing::Silent,
        Ok(_) | Err(_) => Standing::Refused,
    });
    let record = |batch: &mut Batch| {
        deliveries::record(batch, claimed, &engine.inner.node_id, &outcome);
        match claimed.failing_since {
            Some(_) if taken => endpoints::works(batch, delivery.company_id, delivery.method_id),
            None if !taken => endpoints::failed(batch, delivery.company_id, delivery.method_id, at),
            _ => {}
        }
    };
    let released = store(engine, claimed, record).await.is_some_and(|rows| rows.iter().any(|rows| !rows.is_empty()));
    metrics::counter!("mozarto_webhook_attempts_total", "outcome" => verdict.failure.unwrap_or("delivered")).increment(1);
    if taken && delivery.attempts_total == 0 {
        let since_commit = engine.clock().now().since(delivery.created_at);
        metrics::histogram!("mozarto_webhook_commit_to_delivery_seconds")
            .record(Duration::from_millis(since_commit.unsigned_abs()));
    }
    if !taken {
        switch_off_if_dead(engine, claimed).await;
    }
    released
}

/// What an answer, or its absence, means.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    state: DeliveryState,
    failure: Option<&'static str>,
    next_at: Option<Timestamp>,
}

fn judge(result: &Result<Incoming, Failure>, claimed: &Claimed, clock: &Clock, random: u32) -> Verdict {
    let ended = |state, failure| Verdict { state, failure, next_at: None };
    let failure = match result {
        Ok(incoming) if (200..300).contains(&incoming.status) => return ended(DeliveryState::Delivered, None),
        Ok(incoming) if incoming.status == 410 => return ended(DeliveryState::Stopped, Some("http_status")),
        Ok(_) => "http_status",
        Err(failure) => failure.as_str(),
    };
    let next = claimed.delivery.attempts.saturating_add(2);
    let slot = (!super::is_sample(&claimed.delivery)).then(|| delivery_wait_ms(next, random)).flatten();
    let Some(slot_ms) = slot else { return ended(DeliveryState::Exhausted, Some(failure)) };
    let asked_ms = result.as_ref().ok().and_then(|incoming| retry_after_ms(incoming.header("retry-after")?, clock.now()));
    let wait_ms = slot_ms.max(asked_ms.unwrap_or(0).min(DELIVERY_RETRY_AFTER_MAX_MS));
    Verdict { state: DeliveryState::Failing, failure: Some(failure), next_at: Some(clock.after(wait_ms)) }
}

/// The beginning of an answer as the log keeps it: text without NUL (no store takes it), and without our own secrets, which an
/// endpoint may repeat.
fn kept(body: &[u8], method: &PaymentMethod) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let mut text = String::from_utf8_lossy(body).replace('\0', "\u{fffd}");
    let secrets = &method.webhook_secrets;
    let before = secrets.earlier_signing.iter().chain(&secrets.previous_bearer);
    let all = [&secrets.signing, &secrets.bearer].into_iter().chain(before.map(|(secret, _)| secret));
    // An endpoint's "ok" holds none.
    if text.len() >= SECRET_MIN_BYTES {
        let mut masker = Masker::of_nobodys_calls();
        all.map(domain::Secret::expose).for_each(|secret| masker.secret(secret));
        if let Cow::Owned(masked) = masker.text(&text) {
            text = masked;
        }
    }
    text.truncate(text.floor_char_boundary(KEPT_BYTES));
    Some(text)
}

/// Commits what must not be lost, again while the store is away and the delivery is ours. `None`: the lease had passed on, or the
/// store stayed away; the delivery is then made again, under the same id.
async fn store(engine: &Engine, claimed: &Claimed, fill: impl Fn(&mut Batch)) -> Option<Vec<Vec<Row>>> {
    let mut waits = Waits::for_ms(claimed.lease_until.since(engine.clock().now()));
    loop {
        let mut batch = Batch::new();
        fill(&mut batch);
        match engine.store().commit(batch).await {
            Ok(rows) => return Some(rows),
            Err(CommitError::Guard(LEASE_GUARD)) => return None,
            Err(CommitError::Unavailable(why) | CommitError::Unknown(why)) => {
                tracing::debug!("recording a delivery attempt: {why}")
            }
            Err(error) => {
                tracing::error!("recording a delivery attempt: {error}");
                return None;
            }
        }
        if !waits.pause(&engine.inner.stop).await {
            return None;
        }
    }
}

/// Switches an endpoint off that has only failed for too long: once, with an entry on the audit log as the notice.
async fn switch_off_if_dead(engine: &Engine, claimed: &Claimed) {
    let now = engine.clock().now();
    let Some(since) = claimed.failing_since else { return };
    let too_few = claimed.delivery.attempts_total + 1 < ENDPOINT_DISABLED_AFTER_ATTEMPTS;
    if too_few || engine.clock().written_between(since, now) < ENDPOINT_DISABLED_AFTER_MS {
        return;
    }
    let (company, method) = claimed.endpoint();
    let mut batch = Batch::new();
    let failing_since = now.plus_ms(-engine.clock().scaled_ms(ENDPOINT_DISABLED_AFTER_MS));
    endpoints::switch_off(&mut batch, company, method, now, failing_since);
    let object = format!("payment_method:{method}");
    let mut entry = AuditEntry::new(now, engine.inner.random.bytes(), "system", "webhook_endpoint.switch_off", object);
    entry.before = Some(Json::object([("failingSince", Json::text(since.to_string()))]));
    audit::insert(&mut batch, company, &entry);
    match engine.store().commit(batch).await {
        Ok(_) => {
            metrics::counter!("mozarto_webhook_endpoints_switched_off_total").increment(1);
            tracing::error!(%company, payment_method = %method, failing_since = %since, "webhook endpoint switched off: it has only failed for 120 h");
        }
        // Somebody else was first, or it has just worked.
        Err(CommitError::Guard(SWITCH_OFF_GUARD)) => {}
        Err(error) => trouble!(warn, error, "switching a webhook endpoint off: {error}"),
    }
}

#[cfg(test)]
#[path = "tests/judge.rs"]
mod tests;
