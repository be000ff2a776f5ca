//! The feed on PostgreSQL comes by itself: whoever asks once, long after an event was stored, finds it; and nothing that writes
//! no event holds it back.

use crate::node::BINARY;
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::sink::Sink;

const LIMIT: Duration = Duration::from_secs(45);

/// A sandbox over PostgreSQL whose PayOne account announces to a sink that answers at once.
struct Fed {
    sandbox: Sandbox,
    client: Client,
    sink: Sink,
    database: testkit::postgres::TestDatabase,
    _data: tempfile::TempDir,
}

async fn fed() -> Result<Fed> {
    let (data, database) = (tempfile::tempdir()?, testkit::postgres::database().await);
    let options = Options::new(BINARY, data.path()).auto_settle(50).database(&database.url).variable("MOZARTO_LOG", "off");
    let sandbox = Sandbox::start(options).await?;
    let client = Client::of(&sandbox);
    let sink = Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?;
    client.set_webhooks(&sink.url, &["PAYONE"]).await?;
    Ok(Fed { sandbox, client, sink, database, _data: data })
}

impl Fed {
    /// A payment whose webhook has come.
    async fn announced(&self, amount: &str) -> Result<String> {
        let answer = self.client.cashier(&bodies::payone("PAYIN", amount)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        let id = answer.text("/transaction/transactionId").to_owned();
        self.sink.wait_for(&id, 1, LIMIT).await?;
        Ok(id)
    }

    /// The transactions of the feed, in its order.
    async fn feed(&self) -> Result<Vec<String>> {
        let answer = self.client.read("/v1/api/mozarto/events?limit=200").await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        let items = answer.body["data"]["items"].as_array().context("items")?;
        Ok(items.iter().map(|item| item["body"]["transaction_id"].as_str().unwrap_or_default().to_owned()).collect())
    }

    async fn shows(&self, id: &str, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        while !self.feed().await?.iter().any(|shown| shown == id) {
            ensure!(Instant::now() < until, "{id} is not in the feed after {limit:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// Each payment is asked about once: what an answer lacks and wakes is of no use to the next payment. A machine that is slow gets
/// more time with each.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_who_asks_finds_what_was_stored() {
    let rows = async {
        let fed = fed().await?;
        // The endpoint is known from then on, and events go the short way.
        for amount in ["91.00", "92.00"] {
            let id = fed.announced(amount).await?;
            fed.shows(&id, LIMIT).await?;
        }
        for (amount, wait_ms) in [("101.00", 700), ("102.00", 1_500), ("103.00", 3_000), ("104.00", 6_000)] {
            // What the look before has woken is over by then.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let id = fed.announced(amount).await?;
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            if fed.feed().await?.contains(&id) {
                return Ok(());
            }
        }
        bail!("no event was in the feed when it was first asked for")
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// The process that stored an event is killed at once, and nobody asks for the feed meanwhile: the one that is left brings it
/// out.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_has_stored_comes_out() {
    let rows = async {
        let mut fed = fed().await?;
        let node = crate::node::Node::beside(&fed.sandbox, &fed.database.url, |command| {
            command.env("MOZARTO_LOG", "off");
        })
        .await?;
        for round in 0..4 {
            let id = fed.announced(&format!("{}.00", 110 + round)).await?;
            if round == 3 {
                fed.sandbox.kill().await?;
                fed.client.base.clone_from(&node.base);
                tokio::time::sleep(Duration::from_secs(9)).await;
                ensure!(fed.feed().await?.contains(&id), "the feed was not brought on");
            }
        }
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// As VACUUM and ANALYZE hold them, for hours on a large table: none of it writes an event.
#[tokio::test(flavor = "multi_thread")]
async fn maintenance_holds_nothing_back() {
    let rows = async {
        let fed = fed().await?;
        let id = fed.announced("101.00").await?;
        fed.shows(&id, LIMIT).await?;
        let (other, connection) = tokio_postgres::connect(&fed.database.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let tables = other.query("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'", &[]).await?;
        let names: Vec<String> = tables.iter().map(|row| row.get(0)).collect();
        ensure!(!names.is_empty(), "no tables");
        let names = names.join(", ");
        other.batch_execute(&format!("BEGIN; LOCK TABLE {names} IN SHARE UPDATE EXCLUSIVE MODE")).await?;
        for amount in ["102.00", "103.00"] {
            let id = fed.announced(amount).await?;
            fed.shows(&id, Duration::from_secs(10)).await.context("while the tables are looked after")?;
        }
        other.batch_execute("COMMIT").await?;
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
