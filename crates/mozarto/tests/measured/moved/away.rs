//! Standbys, full disks, stores that go and come back.

use super::*;

/// A proxy leads to a standby for six seconds, then back; then the server dies, and the standby takes its place; and a server
/// that was built anew from that one takes its own.
#[tokio::test(flavor = "multi_thread")]
async fn never_a_standby() {
    let rows = async {
        let primary = blocking(|| PrivateCluster::start(&[])).await?;
        let (standby, primary) = blocking(move || (primary.standby(), primary)).await?;
        let proxy = Proxy::to(primary.port()).await?;
        let data = tempfile::tempdir()?;
        let url = by_port(&primary.url(), proxy.port);
        let log = data.path().join("log");
        let mut options = Options::new(BINARY, data.path()).auto_settle(50).database(&url).variable("MOZARTO_LOG", "warn");
        options.log = Some(log.clone());
        let sandbox = Sandbox::start(options).await?;
        let client = Client::of(&sandbox);
        let first = paid(&client, "101.00").await?;
        let shown = feed_has(&client, None, 1).await?;

        // What is written now does not reach the standby: whoever read from it would not see it.
        run_sql(&standby.url(), "SELECT pg_wal_replay_pause()").await?;
        let second = paid(&client, "102.00").await?;
        proxy.lead_to(standby.port());
        let not_ready = becomes(&client, 503).await?;
        ensure!(not_ready.text("/data/reason") == "the store is read-only", "{}", not_ready.body);
        let until = Instant::now() + Duration::from_secs(6);
        while Instant::now() < until {
            let answer = client.status(&second).await?;
            ensure!(
                answer.status == 503 && answer.header("retry-after").is_some(),
                "read from a standby: {} {}",
                answer.status,
                answer.body
            );
            let answer = client.cashier_with_key(&bodies::payone("PAYIN", "103.00"), "meanwhile").await?;
            ensure!(answer.status == 503 && answer.header("retry-after") == Some("1"), "{} {}", answer.status, answer.body);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        proxy.lead_to(primary.port());
        becomes(&client, 200).await?;
        for id in [&first, &second] {
            ensure!(client.status(id).await?.body["data"]["transaction_status"] == "Approved", "{id}");
        }
        let again = client.cashier_with_key(&bodies::payone("PAYIN", "103.00"), "meanwhile").await?;
        ensure!(again.status == 200 && again.header("idempotent-replayed").is_none(), "{} {}", again.status, again.body);
        client.wait_for(again.text("/transaction/transactionId"), &["Approved"], LIMIT).await?;
        let said = std::fs::read_to_string(&log)?;
        ensure!(
            said.matches("the store is away").count() == 1 && said.matches("the store is back").count() == 1,
            "told once each: {said}"
        );
        feed_has(&client, Some(&shown[0]), 2).await?;

        run_sql(&standby.url(), "SELECT pg_wal_replay_resume()").await?;
        let (gone, standby) = fails_over(primary, standby, &proxy).await?;
        becomes(&client, 200).await?;
        let third = paid(&client, "104.00").await?;
        ensure!(client.status(&third).await?.status == 200 && client.status(&second).await?.status == 200, "after the failover");
        let there = feed_has(&client, Some(&shown[0]), 3).await?;

        let (rebuilt, standby) = blocking(move || (standby.standby(), standby)).await?;
        let (gone_too, rebuilt) = fails_over(standby, rebuilt, &proxy).await?;
        becomes(&client, 200).await?;
        let last = paid(&client, "105.00").await?;
        for id in [&first, &second, &third, &last] {
            ensure!(client.status(id).await?.body["data"]["transaction_status"] == "Approved", "{id} after the way back");
        }
        let back = feed_has(&client, Some(&shown[0]), 4).await?;
        ensure!(back[..3] == there, "the feed is another: {there:?}, {back:?}");
        drop(sandbox);
        blocking(move || drop((gone, gone_too, rebuilt))).await
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// The server dies, and the standby that has all of it takes its place behind the proxy. Answers both, the dead one first.
async fn fails_over(primary: PrivateCluster, standby: PrivateCluster, proxy: &Proxy) -> Result<(PrivateCluster, PrivateCluster)> {
    caught_up(&primary.url(), &standby.url()).await?;
    let both = blocking(move || {
        primary.crash();
        standby.promote();
        (primary, standby)
    })
    .await?;
    proxy.lead_to(both.1.port());
    Ok(both)
}

/// Waits until the standby has replayed what the primary has written.
async fn caught_up(primary: &str, standby: &str) -> Result<()> {
    let ask = async |url: &str, sql: &str| -> Result<String> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client.query_one(sql, &[]).await?.try_get(0)?)
    };
    let at = ask(primary, "SELECT pg_current_wal_lsn()::text").await?;
    let until = Instant::now() + LIMIT;
    while ask(standby, &format!("SELECT (pg_last_wal_replay_lsn() >= '{at}')::text")).await? != "true" {
        ensure!(Instant::now() < until, "the standby does not follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A full disk under the embedded store: not ready, 503 and no 500, told once; and all by itself again once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    let rows = async {
        let data = tempfile::tempdir()?;
        let log = data.path().join("log");
        let place = data.path().join("disk");
        std::fs::create_dir(&place)?;
        // A small disk of its own, in a mount namespace that ends with the process.
        let script = "mount -t tmpfs -o size=24m tmpfs \"$1\" && exec \"$2\" sandbox --json --port 0 --simulator-port 0 --shop-port 0 --data \"$1/data\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(&place).arg(BINARY).env("MOZARTO_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?).kill_on_drop(true);
        let mut child = command.spawn()?;
        let line = first_line(&mut child).await.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let base = text("baseUrl");
        let inside =
            Path::new("/proc").join(child.id().context("a process")?.to_string()).join("root").join(place.strip_prefix("/")?);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let pay = async |amount: &str| {
            let request = http.post(format!("{base}/v1/api/mozarto/cashier")).header("content-type", "application/json");
            let request =
                request.bearer_auth(text("companyToken")).header("x-user-token", format!("Bearer {}", text("userToken")));
            anyhow::Ok(request.body(bodies::payone("PAYIN", amount)).send().await?.status().as_u16())
        };
        let ready = async || {
            let answer = http.get(format!("{base}/readyz")).send().await?;
            let status = answer.status().as_u16();
            let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
            anyhow::Ok((status, body))
        };
        ensure!(pay("100.00").await? == 200, "before");
        let filler = inside.join("filler");
        let fill = || -> std::io::Result<()> {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&filler)?;
            for size in [65_536, 4_096, 512, 1] {
                while file.write_all(&vec![0; size]).is_ok() {}
            }
            Ok(())
        };
        fill()?;
        let until = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        let body = loop {
            let (status, body) = ready().await?;
            if status == 503 {
                break body;
            }
            seen.push(pay("101.00").await?);
            fill()?;
            ensure!(Instant::now() < until, "still ready: {seen:?}");
        };
        ensure!(body["data"]["reason"] == "the disk of the store is full", "{body}");
        ensure!(!seen.contains(&500), "a bare 500: {seen:?}");
        ensure!(pay("102.00").await? == 503, "begun on a full disk");
        std::fs::remove_file(&filler)?;
        let until = Instant::now() + LIMIT;
        while ready().await?.0 != 200 {
            ensure!(Instant::now() < until, "not ready again: {}", std::fs::read_to_string(&log)?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ensure!(pay("103.00").await? == 200, "after");
        let said = std::fs::read_to_string(&log)?;
        let (gone, back) = (said.matches("the store is away").count(), said.matches("the store is back").count());
        ensure!((1..=3).contains(&gone) && gone == back, "gone {gone} times, back {back} times: {said}");
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// A server that dies and comes back under a process that serves: each told once, however many calls fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_and_comes_back_is_told_twice() {
    let rows = async {
        let cluster = blocking(|| PrivateCluster::start(&[])).await?;
        let url = cluster.url();
        let node = Node::start(|command| {
            command.env("MOZARTO_DATABASE", &url).env("MOZARTO_MASTER_KEY", MASTER_KEY);
        })
        .await?;
        let cluster = blocking(move || {
            cluster.crash();
            cluster
        })
        .await?;
        let not_ready = node.becomes(503, LIMIT).await?;
        ensure!(not_ready.text("/data/reason") == "the store takes no writes", "{}", not_ready.body);
        ensure!(!not_ready.body.to_string().contains("127.0.0.1"), "a host is named to anybody: {}", not_ready.body);
        // Heartbeats go on failing meanwhile, and so does whatever else needs the store.
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            let answer = node.get("/callbacks/forumpay/nobodys").await?;
            ensure!(answer.status == 503, "{} {}", answer.status, answer.body);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let cluster = blocking(move || {
            cluster.restart();
            cluster
        })
        .await?;
        node.becomes(200, LIMIT).await?;
        let (gone, back, warnings) = (node.lines("the store is away"), node.lines("the store is back"), node.lines("\"WARN\""));
        ensure!(gone == 1 && back == 1, "{}", node.said());
        ensure!(warnings <= 2 && node.lines("failed_calls") == 1, "{warnings} warnings: {}", node.said());
        drop(node);
        blocking(move || drop(cluster)).await
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
