//! The heartbeat waits for nobody's work: an index that is built for a while on a table of the queues stops neither a process nor
//! what its peers think of it.

use crate::node::{BINARY, Node};
use anyhow::{Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};

const LIMIT: Duration = Duration::from_secs(45);
/// Longer than a heartbeat may be silent, and than any one statement waits for a lock.
const HELD: Duration = Duration::from_secs(16);

/// How often a row of each table was changed.
async fn changes(database: &tokio_postgres::Client) -> Result<BTreeMap<String, i64>> {
    let sql = "SELECT quote_ident(relname), n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables";
    Ok(database.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The tables that a platform without work does not write to.
async fn tables_of_work(database: &tokio_postgres::Client) -> Result<Vec<String>> {
    let before = changes(database).await?;
    let until = Instant::now() + LIMIT;
    loop {
        let now = changes(database).await?;
        // The heartbeats are seen: so everything else that is written all the time has been, too.
        let beaten = now.iter().any(|(name, count)| count - before.get(name).unwrap_or(&0) >= 8);
        if beaten {
            return Ok(now.into_iter().filter(|(name, count)| before.get(name) == Some(count)).map(|(name, _)| name).collect());
        }
        ensure!(Instant::now() < until, "no heartbeat is stored");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_nobodys_work() {
    let rows = async {
        let (data, database) = (tempfile::tempdir()?, testkit::postgres::database().await);
        let options = Options::new(BINARY, data.path()).database(&database.url).variable("MOZARTO_LOG", "off");
        let sandbox = Sandbox::start(options).await?;
        let node = async || {
            Node::beside(&sandbox, &database.url, |command| {
                command.env("MOZARTO_LOG", "warn");
            })
            .await
        };
        // A server's account is told everything by its own settings.
        let client = Client::of(&sandbox);
        client.set_webhooks("https://shop.example/hook", &["PAYONE"]).await?;
        let path = format!("/payment-methods/{}", client.method_of("PAYONE").await?);
        let set = client.manage("PATCH", &path, Some(json!({"config": {"siteUrl": "https://shop.example/"}}))).await?;
        ensure!(set.status == 200, "{}", set.body);
        let nodes = [node().await?, node().await?];
        let (other, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let tables = tables_of_work(&other).await?;
        ensure!(tables.len() > 5, "{tables:?}");
        // As CREATE INDEX holds it.
        other.batch_execute(&format!("BEGIN; LOCK TABLE {} IN SHARE MODE", tables.join(", "))).await?;
        // More work than there are writers, all of it waiting for that.
        let work: Vec<_> = (0..12)
            .map(|number| {
                let client = nodes[0].client(&sandbox);
                tokio::spawn(async move { client.cashier(&bodies::payone("PAYIN", &format!("{}.00", 100 + number))).await })
            })
            .collect();
        let until = Instant::now() + HELD;
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(work.iter().all(|one| !one.is_finished()), "the work does not wait");
        while Instant::now() < until {
            for node in &nodes {
                let ready = node.get("/readyz").await?;
                ensure!(ready.status == 200, "{} {}: {}", ready.status, ready.body, node.said());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        other.batch_execute("COMMIT").await?;
        for one in work {
            let answer = one.await??;
            ensure!([200, 503].contains(&answer.status), "{} {}", answer.status, answer.body);
        }
        for node in &nodes {
            ensure!(node.lines("is dead") == 0, "buried alive: {}", node.said());
        }
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
