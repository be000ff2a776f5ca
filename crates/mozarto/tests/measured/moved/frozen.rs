//! A server that holds its connections and says nothing: what is acknowledged by the kernel alone, as with a disk that hangs.

use super::*;
use serde_json::json;
use testkit::sink::Sink;

/// A request that was under way gets its answer within this, or none: as patient as a caller is.
const CALLER_WAITS: Duration = Duration::from_secs(10);
/// A stop is over within this, whatever the store does.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// Once it is known that the server says nothing, nobody waits for it.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The lists that read the store, of both APIs; each of another statement.
async fn lists(client: &Client) -> Result<Vec<(String, Answer, Duration)>> {
    let mut found = Vec::new();
    for path in
        ["/v1/api/mozarto/transactions", "/v1/api/mozarto/transactions?transaction_status=Pending", "/v1/api/mozarto/events"]
    {
        let began = Instant::now();
        let answer = tokio::time::timeout(CALLER_WAITS, client.read(path)).await;
        found.push((path.to_owned(), answer.with_context(|| format!("{path}: no answer"))??, began.elapsed()));
    }
    for path in ["/transactions", "/transactions?userId=nobody", "/deliveries", "/approvals"] {
        let began = Instant::now();
        let answer = tokio::time::timeout(CALLER_WAITS, client.manage("GET", path, None)).await;
        found.push((path.to_owned(), answer.with_context(|| format!("{path}: no answer"))??, began.elapsed()));
    }
    Ok(found)
}

/// All of them are 503 with `Retry-After` now, and soon.
async fn are_away(client: &Client, within: Duration) -> Result<()> {
    for (path, answer, took) in lists(client).await? {
        ensure!(answer.status == 503 && answer.header("retry-after").is_some(), "{path}: {} {}", answer.status, answer.body);
        ensure!(took < within, "{path}: {took:?}");
    }
    Ok(())
}

/// A sandbox, and `serve` beside it, over a server of their own.
struct Bed {
    cluster: Option<PrivateCluster>,
    sandbox: Sandbox,
    node: Node,
    log: std::path::PathBuf,
    _sink: Sink,
    _data: tempfile::TempDir,
}

impl Bed {
    async fn start() -> Result<Self> {
        let cluster = blocking(|| PrivateCluster::start(&[])).await?;
        let data = tempfile::tempdir()?;
        let log = data.path().join("log");
        let mut options =
            Options::new(BINARY, data.path()).auto_settle(50).database(cluster.url()).variable("MOZARTO_LOG", "warn");
        options.log = Some(log.clone());
        let sandbox = Sandbox::start(options).await?;
        // `serve` knows neither the demo shop nor where its pages are.
        let client = Client::of(&sandbox);
        let sink = Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?;
        client.set_webhooks(&sink.url, &["PAYONE"]).await?;
        let path = format!("/payment-methods/{}", client.method_of("PAYONE").await?);
        let answer = client.manage("PATCH", &path, Some(json!({"config": {"siteUrl": "https://shop.example/"}}))).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        let node = Node::beside(&sandbox, &cluster.url(), |_| {}).await?;
        Ok(Self { cluster: Some(cluster), sandbox, node, log, _sink: sink, _data: data })
    }

    async fn another(&self) -> Result<Node> {
        let url = self.cluster.as_ref().context("a server")?.url();
        Node::beside(&self.sandbox, &url, |_| {}).await
    }

    async fn on_the_server(&mut self, work: fn(&PrivateCluster)) -> Result<()> {
        let cluster = self.cluster.take().context("a server")?;
        let cluster = blocking(move || {
            work(&cluster);
            cluster
        });
        self.cluster = Some(cluster.await?);
        Ok(())
    }

    /// Each told once, however many calls failed.
    fn told(&self, gone: usize, back: usize) -> Result<()> {
        for said in [self.node.said(), std::fs::read_to_string(&self.log)?] {
            let found = (said.matches("the store is away").count(), said.matches("the store is back").count());
            ensure!(found == (gone, back), "gone and back {found:?} times: {said}");
            ensure!(!said.contains("is dead"), "buried alive: {said}");
        }
        Ok(())
    }

    async fn end(self) -> Result<()> {
        let cluster = self.cluster;
        drop((self.sandbox, self.node));
        blocking(move || drop(cluster)).await
    }
}

/// Payments that are begun in the moment in which the server falls silent, each with a key: what became of them nobody knows yet.
fn under_way(client: &Client) -> Vec<tokio::task::JoinHandle<Result<Answer>>> {
    let pay = |number: usize| {
        let client = client.clone();
        tokio::spawn(async move { client.cashier_with_key(&body_of(number), &format!("under-way-{number}")).await })
    };
    (0..UNDER_WAY).map(pay).collect()
}

const UNDER_WAY: usize = 6;

fn body_of(number: usize) -> String {
    bodies::payone("PAYIN", &format!("{}.00", 200 + number))
}

/// SIGTERM to a process; how long it took to end, which must be well.
async fn ends(child: &mut Child) -> Result<Duration> {
    let id = child.id().context("it has ended already")?;
    let began = Instant::now();
    ensure!(Command::new("kill").arg("-TERM").arg(id.to_string()).status().await?.success(), "it could not be signalled");
    let status = tokio::time::timeout(STOPS_WITHIN * 2, child.wait()).await.context("it does not stop")??;
    ensure!(status.code() == Some(0), "{status}");
    Ok(began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_away_and_holds_no_stop_up() {
    let rows = async {
        let mut bed = Bed::start().await?;
        let client = bed.node.client(&bed.sandbox);
        paid(&client, "101.00").await?;
        let mut early = bed.another().await?;
        bed.on_the_server(PrivateCluster::freeze).await?;
        // Stopped before it has found out.
        let early = tokio::spawn(async move { (ends(&mut early.child).await, early.said()) });
        let payments: Vec<_> = [&client, &Client::of(&bed.sandbox)].into_iter().flat_map(under_way).collect();
        // Before anybody knows, and once it is known.
        are_away(&client, CALLER_WAITS).await?;
        bed.node.becomes(503, LIMIT).await?;
        are_away(&client, AT_ONCE).await?;
        are_away(&Client::of(&bed.sandbox), AT_ONCE).await?;
        let answer = client.cashier(&bodies::payone("PAYIN", "102.00")).await?;
        ensure!(answer.status == 503, "{} {}", answer.status, answer.body);
        bed.told(1, 0)?;
        let (node, sandbox) = tokio::join!(ends(&mut bed.node.child), bed.sandbox.terminate());
        let (node, (status, sandbox)) = (node.with_context(|| bed.node.said())?, sandbox?);
        ensure!(status.code() == Some(0), "the sandbox: {status}");
        ensure!(node < STOPS_WITHIN && sandbox < STOPS_WITHIN, "serve took {node:?}, the sandbox {sandbox:?}");
        let (early, said) = early.await?;
        let early = early.context(said)?;
        ensure!(early < STOPS_WITHIN, "serve that had not found out took {early:?}");
        drop(payments);
        bed.end().await
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_on_after_a_silence_is_used_again() {
    let rows = async {
        let mut bed = Bed::start().await?;
        let client = bed.node.client(&bed.sandbox);
        let before = paid(&client, "101.00").await?;
        bed.on_the_server(PrivateCluster::freeze).await?;
        let payments = under_way(&client);
        bed.node.becomes(503, LIMIT).await?;
        are_away(&client, AT_ONCE).await?;
        bed.on_the_server(PrivateCluster::thaw).await?;
        bed.node.becomes(200, CALLER_WAITS).await?;
        becomes(&Client::of(&bed.sandbox), 200).await?;
        for (path, answer, took) in lists(&client).await? {
            ensure!(answer.status == 200 && took < AT_ONCE, "{path}: {} {} after {took:?}", answer.status, answer.body);
        }
        let after = paid(&client, "102.00").await?;
        // Whoever had no answer asks again under the same key, until there is one; it is the same payment.
        let mut ids = vec![before, after];
        for (number, payment) in payments.into_iter().enumerate() {
            let first = payment.await??;
            let until = Instant::now() + LIMIT;
            let answer = loop {
                let answer = client.cashier_with_key(&body_of(number), &format!("under-way-{number}")).await?;
                if !matches!(answer.status, 409 | 503) {
                    break answer;
                }
                ensure!(Instant::now() < until, "{} {}", answer.status, answer.body);
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
            ensure!(first.status == 503 || first.bytes == answer.bytes, "{} and then {}", first.body, answer.body);
            let id = answer.text("/transaction/transactionId").to_owned();
            client.wait_for(&id, &["Approved"], LIMIT).await?;
            ids.push(id);
        }
        ids.sort();
        let listed = client.read("/v1/api/mozarto/transactions").await?;
        let items = listed.body["data"]["items"].as_array().context("items")?;
        let mut there: Vec<_> = items.iter().map(|item| item["transactionId"].as_str().unwrap_or_default().to_owned()).collect();
        there.sort();
        ensure!(there == ids, "{there:?} instead of {ids:?}");
        ensure!(client.ledger("payone").await?.len() == ids.len(), "the provider moved more, or less");
        bed.told(1, 1)?;
        let took = ends(&mut bed.node.child).await?;
        ensure!(took < STOPS_WITHIN, "{took:?}");
        bed.end().await
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// What may rightly take hours waits for a server that is slow, and not for one that is silent: a start, while the schema is
/// made.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_not_waited_for_in_a_silence() {
    let rows = async {
        let cluster = blocking(|| PrivateCluster::start(&[])).await?;
        let url = cluster.url();
        let slow = "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $body$ BEGIN PERFORM pg_sleep(3600); END $body$; \
                    CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION slow()";
        run_sql(&url, slow).await?;
        let starts = tokio::spawn(refusal(serve_on(&url)));
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let until = Instant::now() + LIMIT;
        while client.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'", &[]).await?.is_empty() {
            ensure!(Instant::now() < until && !starts.is_finished(), "it makes no schema");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let cluster = blocking(move || {
            cluster.freeze();
            cluster
        })
        .await?;
        let said = starts.await??;
        ensure!(said.contains("does not answer any more") && said.contains("next start"), "{said}");
        blocking(move || drop(cluster)).await
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
