//! The feed moves with its store.

use super::*;

/// `pg_dump` and `pg_restore` into a cluster whose transactions are far behind: old cursors go on, and nothing is lost or comes
/// twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_feed_moves_with_its_store() {
    let moved = async {
        let data = tempfile::tempdir()?;
        let old = testkit::postgres::database().await;
        let options = |url: &str| Options::new(BINARY, data.path()).auto_settle(50).database(url).variable("MOZARTO_LOG", "off");
        let mut sandbox = Sandbox::start(options(&old.url)).await?;
        let client = Client::of(&sandbox);
        for amount in ["101.00", "102.00", "103.00"] {
            paid(&client, amount).await?;
        }
        let before = feed_has(&client, None, 3).await?;
        // Of another database of the cluster, and in this one: neither holds the feed back.
        let foreign = testkit::postgres::database().await;
        let (other, connection) = tokio_postgres::connect(&foreign.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        other.batch_execute("BEGIN; CREATE TABLE open_for_long (a INT)").await?;
        paid(&client, "104.00").await?;
        let fourth = feed_has(&client, before.last().map(String::as_str), 1).await?;
        drop(other);
        let (status, _) = sandbox.terminate().await?;
        ensure!(status.code() == Some(0), "{status}");

        let young = blocking(|| PrivateCluster::start(&[])).await?;
        let (from, to) = (old.url.clone(), young.url());
        blocking(move || testkit::postgres::dump_and_restore(&from, &to)).await?;
        let sandbox = Sandbox::start(options(&young.url())).await?;
        let client = Client::of(&sandbox);
        let all: Vec<String> = before.iter().chain(&fourth).cloned().collect();
        ensure!(events(&client, None).await? == all, "another feed");
        for (place, cursor) in all.iter().enumerate() {
            ensure!(events(&client, Some(cursor)).await? == all[place + 1..], "after {place}");
        }
        paid(&client, "105.00").await?;
        let new = feed_has(&client, Some(&all[3]), 1).await?;
        ensure!(events(&client, Some(&all[1])).await? == [&all[2..], &new].concat(), "the new one comes last");
        drop(sandbox);
        blocking(move || drop(young)).await
    };
    moved.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// Somebody has written an event by hand and does not end: the feed shows what came before, says that it is behind, and loses
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_held_back_says_so() {
    let held = async {
        let data = tempfile::tempdir()?;
        let database = testkit::postgres::database().await;
        let metrics = crate::node::free()?;
        let options = Options::new(BINARY, data.path()).auto_settle(50).database(&database.url).variable("MOZARTO_LOG", "off");
        let options = options.variable("MOZARTO_METRICS_LISTEN", &metrics.to_string());
        let sandbox = Sandbox::start(options).await?;
        let client = Client::of(&sandbox);
        paid(&client, "101.00").await?;
        let first = feed_has(&client, None, 1).await?;
        let (open, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        open.batch_execute("BEGIN; UPDATE webhook_events SET sample = sample").await?;
        paid(&client, "102.00").await?;
        let until = Instant::now() + LIMIT;
        loop {
            let ready = client.read("/readyz").await?;
            ensure!(ready.status == 200, "{} {}", ready.status, ready.body);
            if ready.body["data"]["feedLagMs"].as_i64().context("feedLagMs")? > 1_500 {
                break;
            }
            ensure!(Instant::now() < until, "it does not say that it is behind: {}", ready.body);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let lag = crate::node::gauge(metrics, "mozarto_feed_lag_seconds").await?;
        ensure!(lag >= 1, "the gauge does not say that it is behind: {lag} s");
        ensure!(events(&client, None).await? == first, "what came before is shown, and nothing else");
        open.batch_execute("COMMIT").await?;
        feed_has(&client, Some(&first[0]), 1).await?;
        Ok(())
    };
    held.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
