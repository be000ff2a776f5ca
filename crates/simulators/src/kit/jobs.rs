//! Due times and callbacks. Every job is a row; the heap in memory only says when to look. A job's row goes in
//! the commit of what it did, so a kill at any instant repeats a sending at most and never loses one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::dress::Dress;
use super::sim::Sim;
use super::tx::{Armed, Tx, now_ms};
use super::{Error, Provider};

/// Callbacks under way at once.
const CALLBACKS_AT_ONCE: usize = 128;
/// A receiver has this long to answer (unscaled), and never less than the floor of real time.
const CALLBACK_TIMEOUT_MS: u64 = 10_000;
const CALLBACK_TIMEOUT_FLOOR_MS: u64 = 1_000;
const CALLBACK_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const CALLBACK_IDLE_PER_HOST: usize = 64;
/// Of a receiver's answer no more than this is looked at.
const ACKNOWLEDGEMENT_MAX_BYTES: usize = 64 * 1024;
/// Callbacks that ran out of retries and are kept for the next start, over all providers.
const PARKED_MAX: i64 = 10_000;
/// After a failed commit a job is tried again this much later, this often; then the next start has it.
const DISK_RETRY: Duration = Duration::from_secs(1);
const DISK_RETRIES: usize = 60;

/// Stands in a callback's body for the name of an account.
pub(crate) const ACCOUNT_NAME: &str = "{account name}";

/// What counts as an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ack {
    /// Any 2xx.
    Success,
    /// Any answer at all: what is sent is a browser's request, which nobody repeats.
    Anything,
    /// 200 with exactly this body.
    Body200(String),
    /// 200 and nothing else.
    Exactly200,
    /// A 2xx whose body contains this text.
    Contains(String),
    /// 200 of this content type whose body is this document, white space aside; what stands before it (a
    /// declaration) does not matter.
    Document {
        /// The media type, without parameters.
        media_type: String,
        /// The document without any white space.
        text: String,
    },
}

/// An outgoing callback. Its bytes are fixed when the order changes, so that every repetition is equal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Callback {
    /// Absolute address.
    pub(crate) url: String,
    /// Headers, the content type among them.
    pub(crate) headers: Vec<(String, String)>,
    /// The exact body.
    pub(crate) body: String,
    /// When it is sent again, in unscaled milliseconds after the first time.
    pub(crate) retry_at_ms: Vec<u64>,
    /// What counts as received.
    pub(crate) ack: Ack,
    /// An event that follows the first sending, and after how many unscaled milliseconds.
    pub(crate) then: Option<(String, u64)>,
    /// Callbacks of one lane are sent one after the other.
    pub(crate) lane: Option<String>,
    /// The digest of an account whose name stands in the body for [`ACCOUNT_NAME`]: a name that is a secret is
    /// filled in at each sending and never kept in the clear.
    #[serde(default)]
    pub(crate) names_account: Option<String>,
    /// How often it was sent.
    #[serde(default)]
    pub(crate) attempts: usize,
    /// When it was sent first.
    #[serde(default)]
    pub(crate) first_sent_at_ms: i64,
}

impl Callback {
    /// A POST that is repeated 1, 5 and 15 minutes after the first time until a 2xx ([assumed] by most sheets).
    pub(crate) fn post(url: &str, content_type: &str, body: String) -> Self {
        const MINUTE_MS: u64 = 60_000;
        Self {
            url: url.to_owned(),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body,
            retry_at_ms: vec![MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS],
            ack: Ack::Success,
            then: None,
            lane: None,
            names_account: None,
            attempts: 0,
            first_sent_at_ms: 0,
        }
    }
}

/// What a due job turned out to be.
enum Due {
    /// Nothing left to do here.
    Done,
    /// Its lane is busy.
    Waits,
    /// A callback to send; `dropped`: only to be counted as sent.
    Send { callback: Box<Callback>, dropped: bool, dress: Option<Dress> },
}

/// The client of all callbacks: no redirects, no proxies, no retries, pooled.
pub(crate) fn callback_client(time_scale: u32) -> Result<reqwest::Client, Error> {
    let timeout_ms = (CALLBACK_TIMEOUT_MS / u64::from(time_scale.max(1))).max(CALLBACK_TIMEOUT_FLOOR_MS);
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .connect_timeout(CALLBACK_CONNECT_TIMEOUT)
        .timeout(Duration::from_millis(timeout_ms))
        .pool_max_idle_per_host(CALLBACK_IDLE_PER_HOST)
        .user_agent("mozarto-simulators")
        .build()?)
}

/// Arms what an earlier run left behind: due times as they stand, callbacks without an acknowledgement at once.
pub(crate) fn rearm(tx: &Tx<'_>) -> Result<(), Error> {
    let connection = tx.connection();
    connection.execute(
        "DELETE FROM jobs WHERE due_at_ms IS NULL AND id NOT IN \
         (SELECT id FROM jobs WHERE due_at_ms IS NULL ORDER BY id DESC LIMIT ?1)",
        [PARKED_MAX],
    )?;
    connection.execute("UPDATE jobs SET due_at_ms = ?1 WHERE kind = 'callback'", [tx.now_ms])?;
    let mut statement = connection.prepare("SELECT due_at_ms, id FROM jobs")?;
    let jobs = statement.query_map([], |row| Ok(Armed { due_at_ms: row.get(0)?, id: row.get(1)? }))?;
    for job in jobs {
        tx.arm(job?);
    }
    Ok(())
}

/// Runs jobs as they come due, until the simulators stop.
pub(crate) async fn run(sim: Arc<Sim>, mut armed: mpsc::UnboundedReceiver<Armed>, life: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CALLBACKS_AT_ONCE));
    let mut heap: BinaryHeap<Reverse<Armed>> = BinaryHeap::new();
    loop {
        let now = now_ms();
        while let Some(Reverse(job)) = heap.peek().copied() {
            if job.due_at_ms > now {
                break;
            }
            heap.pop();
            let (sim, slots, life) = (Arc::clone(&sim), Arc::clone(&slots), life.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = life.cancelled() => {}
                    () = run_job(sim, slots, job.id) => {}
                }
            });
        }
        let wait = heap.peek().map_or(Duration::from_secs(3_600), |Reverse(job)| {
            Duration::from_millis(u64::try_from(job.due_at_ms - now).unwrap_or(0))
        });
        tokio::select! {
            () = life.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            job = armed.recv() => match job {
                Some(job) => {
                    heap.push(Reverse(job));
                    while let Ok(more) = armed.try_recv() {
                        heap.push(Reverse(more));
                    }
                }
                None => return,
            },
        }
    }
}

/// The jobs under way, and whether each was armed once more meanwhile.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<i64, bool>>);

impl Running {
    /// Whether the job is to be run now; one that is under way hears of it.
    fn begins(&self, id: i64) -> bool {
        let Ok(mut running) = self.0.lock() else { return false };
        let again = running.get_mut(&id).map(|again| *again = true);
        if again.is_none() {
            running.insert(id, false);
        }
        again.is_none()
    }

    /// Whether it is to be run once more: it had to wait for its lane, and was armed meanwhile.
    fn ends(&self, id: i64, waits: bool) -> bool {
        let Ok(mut running) = self.0.lock() else { return false };
        match running.get_mut(&id) {
            Some(again) if *again && waits => {
                *again = false;
                true
            }
            _ => {
                running.remove(&id);
                false
            }
        }
    }
}

async fn run_job(sim: Arc<Sim>, slots: Arc<Semaphore>, id: i64) {
    // A job can be armed twice (by its own time and by its lane); it runs once at a time. What its lane wakes it for while it
    // is still finding that lane busy must not be lost: nothing else would wake it, nor those behind it.
    if !sim.running.begins(id) {
        return;
    }
    loop {
        let waits = run_claimed(&sim, &slots, id).await;
        if !sim.running.ends(id, waits) {
            return;
        }
    }
}

/// Answers whether it has to wait for its lane.
async fn run_claimed(sim: &Arc<Sim>, slots: &Semaphore, id: i64) -> bool {
    let mut due = begin(sim, id).await;
    for _ in 0..DISK_RETRIES {
        let Err(error) = &due else { break };
        tracing::error!(%error, job = id, "a due job could not be begun");
        tokio::time::sleep(DISK_RETRY).await;
        due = begin(sim, id).await;
    }
    let Ok(Due::Send { callback, dropped, dress }) = due else {
        return matches!(due, Ok(Due::Waits));
    };
    let acknowledged = if dropped {
        true
    } else {
        // The semaphore is never closed, so a permit always comes.
        let _slot = slots.acquire().await;
        post(sim, &callback, dress.as_ref()).await
    };
    for _ in 0..DISK_RETRIES {
        let Err(error) = finish(sim, id, acknowledged).await else {
            break;
        };
        tracing::error!(%error, job = id, "a callback's outcome could not be kept");
        tokio::time::sleep(DISK_RETRY).await;
    }
    if let Some(waiter) = sim.waiters.lock().ok().and_then(|mut waiters| waiters.remove(&id)) {
        let _ = waiter.send(());
    }
    false
}

/// Looks at a due job. An event happens here, and its row goes, in one commit.
async fn begin(sim: &Arc<Sim>, id: i64) -> Result<Due, Error> {
    let providers = Arc::clone(sim);
    sim.store
        .run("", move |tx| {
            let row: Option<(String, String, String, Option<String>, String)> = tx
                .connection()
                .prepare_cached("SELECT provider, order_key, kind, lane, body FROM jobs WHERE id = ?1")?
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
                .optional()?;
            let Some((provider, key, kind, lane, body)) = row else {
                return Ok(Due::Done);
            };
            let Some(provider) = providers.provider(&provider) else {
                return Ok(Due::Done);
            };
            if kind == "event" {
                tx.connection().prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([id])?;
                return run_event(tx, provider, &key, &body).map(|()| Due::Done);
            }
            if let Some(lane) = lane
                && lane_is_busy(tx, provider.name(), &lane, id)?
            {
                return Ok(Due::Waits);
            }
            let inner = tx.of(provider.name());
            let mut callback: Callback = serde_json::from_str(&body)?;
            if let Some(digest) = &callback.names_account
                && let Some((name, _)) = inner.account_of::<serde::de::IgnoredAny>(digest)?
            {
                callback.body = callback.body.replace(ACCOUNT_NAME, &name);
            }
            let settings = inner.settings()?;
            Ok(Due::Send { callback: Box::new(callback), dropped: settings.drop_callbacks, dress: settings.dress_callbacks })
        })
        .await
}

fn run_event(tx: &Tx<'_>, provider: &dyn Provider, key: &str, event: &str) -> Result<(), Error> {
    let inner = tx.of(provider.name());
    provider.event(&inner, key, event)?;
    inner.into_armed().into_iter().for_each(|job| tx.arm(job));
    Ok(())
}

/// Whether an earlier callback of the lane is still to be received; its end wakes this one.
fn lane_is_busy(tx: &Tx<'_>, provider: &str, lane: &str, id: i64) -> Result<bool, Error> {
    Ok(tx
        .connection()
        .prepare_cached("SELECT 1 FROM jobs WHERE provider = ?1 AND lane = ?2 AND id < ?3 AND due_at_ms IS NOT NULL")?
        .exists(params![provider, lane, id])?)
}

/// Sends a callback once; `true` when the receiver acknowledged it.
async fn post(sim: &Sim, callback: &Callback, dress: Option<&Dress>) -> bool {
    let (mut headers, mut body) = (callback.headers.clone(), callback.body.clone().into_bytes());
    if let Some(dress) = dress {
        dress.bytes(&mut headers, &mut body);
    }
    let mut request = sim.client.post(&callback.url).body(body);
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            // The address ends in a callback token, which is a secret.
            let error = error.without_url();
            tracing::debug!(%error, "a simulator's callback was not received");
            return false;
        }
    };
    let status = answer.status().as_u16();
    let media_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let mut body = Vec::new();
    // The body is read to its end (within the limit), so that the connection can be used again.
    while body.len() < ACKNOWLEDGEMENT_MAX_BYTES {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    match &callback.ack {
        Ack::Success => (200..300).contains(&status),
        Ack::Anything => true,
        Ack::Body200(text) => status == 200 && body == text.as_bytes(),
        Ack::Exactly200 => status == 200,
        Ack::Contains(text) => (200..300).contains(&status) && String::from_utf8_lossy(&body).contains(text.as_str()),
        Ack::Document { media_type: wanted, text } => {
            let body: String = String::from_utf8_lossy(&body).split_whitespace().collect();
            status == 200 && media_type == *wanted && body.ends_with(text.as_str())
        }
    }
}

/// Keeps what a sending led to: done, due again, or parked until the next start.
async fn finish(sim: &Arc<Sim>, id: i64, acknowledged: bool) -> Result<(), Error> {
    sim.store
        .run("", move |tx| {
            let row: Option<(String, String, Option<String>, String)> = tx
                .connection()
                .prepare_cached("SELECT provider, order_key, lane, body FROM jobs WHERE id = ?1")?
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()?;
            let Some((provider, key, lane, body)) = row else {
                return Ok(());
            };
            let mut callback: Callback = serde_json::from_str(&body)?;
            if callback.attempts == 0 {
                callback.first_sent_at_ms = tx.now_ms;
            }
            if let Some((event, wait_ms)) = callback.then.take() {
                schedule_for(tx, &provider, &key, &event, wait_ms)?;
            }
            let retry = callback.retry_at_ms.get(callback.attempts).copied();
            callback.attempts += 1;
            if acknowledged {
                tx.connection().prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([id])?;
            } else {
                let due = retry.map(|wait_ms| callback.first_sent_at_ms + tx.scaled(wait_ms));
                tx.connection().prepare_cached("UPDATE jobs SET due_at_ms = ?2, body = ?3 WHERE id = ?1")?.execute(params![
                    id,
                    due,
                    serde_json::to_string(&callback)?
                ])?;
                if let Some(due_at_ms) = due {
                    tx.arm(Armed { due_at_ms, id });
                    return Ok(());
                }
            }
            lane.map_or(Ok(()), |lane| wake_lane(tx, &provider, &lane))
        })
        .await
}

fn schedule_for(tx: &Tx<'_>, provider: &str, key: &str, event: &str, wait_ms: u64) -> Result<(), Error> {
    let due_at_ms = tx.now_ms + tx.scaled(wait_ms);
    tx.connection()
        .prepare_cached("INSERT INTO jobs(provider, order_key, kind, due_at_ms, body) VALUES(?1, ?2, 'event', ?3, ?4)")?
        .execute(params![provider, key, due_at_ms, event])?;
    tx.arm(Armed { due_at_ms, id: tx.connection().last_insert_rowid() });
    Ok(())
}

fn wake_lane(tx: &Tx<'_>, provider: &str, lane: &str) -> Result<(), Error> {
    let next: Option<i64> = tx
        .connection()
        .prepare_cached("SELECT id FROM jobs WHERE provider = ?1 AND lane = ?2 AND due_at_ms IS NOT NULL ORDER BY id LIMIT 1")?
        .query_row(params![provider, lane], |row| row.get(0))
        .optional()?;
    if let Some(id) = next {
        tx.arm(Armed { due_at_ms: tx.now_ms, id });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lane_wakes_while_it_finds_it_busy_runs_once_more() {
        let running = Running::default();
        assert!(running.begins(1) && !running.begins(1));
        assert!(running.ends(1, true), "woken meanwhile");
        assert!(!running.ends(1, true), "and once only");
        assert!(running.begins(1) && running.begins(2));
        assert!(!running.begins(1) && !running.ends(1, false), "it has been sent");
        assert!(!running.ends(2, true) && running.begins(2), "its lane will wake it");
    }
}
