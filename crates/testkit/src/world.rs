//! A running sandbox with everything around it that a test needs: clients, a webhook endpoint, a directory that goes away.

use crate::client::{Answer, Client};
use crate::sandbox::{Options, Sandbox};
use crate::sink::{Received, Sink};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Where providers are asked how something stands.
const INQUIRIES: [(&str, &str); 4] =
    [("payone", "/api/transaction"), ("forumpay", "GetTransactions"), ("forumpay", "CheckPayment"), ("flexepin", "/trans/")];
/// After the last webhook that is due, one too many would come within this.
const QUIET: Duration = Duration::from_millis(300);

/// The sandbox and its surroundings. Dropping it kills the process and removes the data.
#[derive(Debug)]
pub struct World {
    /// The process.
    pub sandbox: Sandbox,
    /// Callers of both APIs and of the simulators' controls.
    pub client: Client,
    /// Where the webhooks go.
    pub sink: Sink,
    data: TempDir,
}

impl World {
    /// Starts a sandbox in a directory of its own, as `set` wants it, and has the webhooks of these providers sent to the
    /// endpoint.
    ///
    /// # Errors
    /// When it does not start, or a payment method refuses the address.
    pub async fn start(binary: &str, psp_types: &[&str], set: impl FnOnce(Options) -> Options) -> Result<Self> {
        Self::start_in(tempfile::tempdir().context("a directory")?, binary, psp_types, set).await
    }

    /// [`World::start`] in a directory that something is in already.
    ///
    /// # Errors
    /// As there.
    pub async fn start_in(data: TempDir, binary: &str, psp_types: &[&str], set: impl FnOnce(Options) -> Options) -> Result<Self> {
        let sandbox = Sandbox::start(set(Options::new(PathBuf::from(binary), data.path()))).await?;
        let client = Client::of(&sandbox);
        let sink = Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?;
        client.set_webhooks(&sink.url, psp_types).await?;
        Ok(Self { sandbox, client, sink, data })
    }

    /// Starts it again with the same data, after whatever ended it; the webhooks go to the same endpoint.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.sandbox = Sandbox::start(self.sandbox.options.clone()).await?;
        self.client = Client::of(&self.sandbox);
        Ok(())
    }

    /// The data directory.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// A handle for rows that run beside each other.
    pub fn hands(&self) -> Hands {
        Hands { client: self.client.clone(), sink: self.sink.clone() }
    }
}

/// What a row works with.
#[derive(Debug, Clone)]
pub struct Hands {
    /// Callers.
    pub client: Client,
    /// The webhook endpoint.
    pub sink: Sink,
}

impl Hands {
    /// Waits until the transaction has the status and the provider's word.
    ///
    /// # Errors
    /// When it has not within the limit; the last answer is in the error.
    pub async fn ends_as(&self, id: &str, transaction_status: &str, status: &str, limit: Duration) -> Result<Value> {
        let until = tokio::time::Instant::now() + limit;
        loop {
            let data = self.client.wait_for(id, &[transaction_status], limit).await?;
            if data["status"] == status {
                return Ok(data);
            }
            ensure!(tokio::time::Instant::now() < until, "the status word is {} instead of {status}: {data}", data["status"]);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for exactly these webhooks (their `transaction_status`), in this order, each once, verified, with ids of their own;
    /// and for no further one.
    ///
    /// # Errors
    /// When others came.
    pub async fn webhooks(&self, id: &str, statuses: &[&str], limit: Duration) -> Result<()> {
        if !statuses.is_empty() {
            self.sink.wait_for(id, statuses.len(), limit).await?;
        }
        tokio::time::sleep(QUIET).await;
        expected(&self.sink.about(id), statuses)
    }

    /// As [`webhooks`](Self::webhooks) in a world whose clock is scaled so much that an answer of a busy machine comes after its
    /// limit: the same event may be told again, equal to the byte.
    ///
    /// # Errors
    /// When others came.
    pub async fn webhooks_told_again(&self, id: &str, statuses: &[&str], limit: Duration) -> Result<()> {
        let until = tokio::time::Instant::now() + limit;
        loop {
            tokio::time::sleep(QUIET).await;
            let mut firsts: Vec<Received> = Vec::new();
            for one in self.sink.about(id) {
                match firsts.iter().find(|first| first.id == one.id) {
                    Some(first) => ensure!(first.bytes == one.bytes, "told again as {} instead of {}", one.body, first.body),
                    None => firsts.push(one),
                }
            }
            if firsts.len() >= statuses.len() || tokio::time::Instant::now() > until {
                return expected(&firsts, statuses);
            }
        }
    }

    /// The entries of a simulator's ledger about one of our references.
    ///
    /// # Errors
    /// When there is no ledger.
    pub async fn entries(&self, provider: &str, id: &str) -> Result<Vec<Value>> {
        let answer = self.client.control("GET", &format!("/{provider}/ledger?reference={id}"), None).await?;
        answer.body["transfers"].as_array().cloned().with_context(|| format!("no ledger: {}", answer.body))
    }

    /// The provider never accepted anything for it.
    ///
    /// # Errors
    /// When it did.
    pub async fn nothing_moved(&self, provider: &str, id: &str) -> Result<()> {
        let entries = self.entries(provider, id).await?;
        ensure!(entries.is_empty(), "the ledger has {entries:?}");
        Ok(())
    }

    /// The provider accepted exactly one transfer, once, of this direction, amount, currency and state. Answers the entry.
    ///
    /// # Errors
    /// When its ledger says anything else.
    pub async fn moved_once(&self, provider: &str, id: &str, expected: &Value) -> Result<Value> {
        let until = tokio::time::Instant::now() + Duration::from_secs(5);
        loop {
            let entries = self.entries(provider, id).await?;
            let right = matches!(entries.as_slice(), [one] if is_entry(one, id, expected));
            if right {
                return Ok(entries[0].clone());
            }
            // A transfer is accepted first and settled a little later.
            ensure!(tokio::time::Instant::now() < until, "the ledger has {entries:?} instead of one {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The transaction as the Management API shows it.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub async fn managed(&self, id: &str) -> Result<Value> {
        let answer = self.client.manage("GET", &format!("/transactions/{id}"), None).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
        Ok(answer.body["data"].clone())
    }

    /// Waits until someone has to look at the transaction for this reason.
    ///
    /// # Errors
    /// When nobody has to within the limit.
    pub async fn needs_attention(&self, id: &str, attention: &str, limit: Duration) -> Result<Value> {
        let until = tokio::time::Instant::now() + limit;
        loop {
            let data = self.managed(id).await?;
            if data["attention"] == attention {
                return Ok(data);
            }
            ensure!(tokio::time::Instant::now() < until, "attention is {} after {limit:?}: {data}", data["attention"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lets a pay-out on hold go.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn approve(&self, id: &str) -> Result<Answer> {
        self.client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await
    }

    /// How many calls a simulator has had since its start, those apart that only ask how something stands: they come by the
    /// schedule, about whatever is open.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn calls(&self, provider: &str) -> Result<u64> {
        let answer = self.client.control("GET", &format!("/{provider}/calls"), None).await?;
        let total = answer.body["total"].as_u64().with_context(|| format!("no calls: {}", answer.body))?;
        let asks = |call: &&Value| {
            let path = call["path"].as_str().unwrap_or_default();
            INQUIRIES.iter().any(|(asked, part)| *asked == provider && path.contains(part))
        };
        let asked = answer.body["calls"].as_array().map_or(0, |calls| calls.iter().filter(asks).count());
        Ok(total.saturating_sub(u64::try_from(asked)?))
    }
}

fn is_entry(entry: &Value, id: &str, expected: &Value) -> bool {
    let members = expected.as_object().into_iter().flatten();
    entry["reference"] == id && entry["times"] == 1 && members.into_iter().all(|(name, value)| &entry[name] == value)
}

/// These webhooks and no others, verified, numbered one after the other.
fn expected(came: &[Received], statuses: &[&str]) -> Result<()> {
    let words: Vec<&str> = came.iter().map(|one| one.body["transaction_status"].as_str().unwrap_or("?")).collect();
    ensure!(words == statuses, "webhooks {words:?} instead of {statuses:?}");
    ensure!(came.iter().all(|one| one.verified), "a webhook does not verify");
    let sequences: Vec<u64> = came.iter().map(|one| one.sequence).collect();
    let counted: Vec<u64> = (1..).take(came.len()).collect();
    ensure!(sequences == counted, "webhook-sequence {sequences:?}");
    let mut ids: Vec<&str> = came.iter().map(|one| one.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ensure!(ids.len() == came.len(), "two events have one webhook-id");
    Ok(())
}
