//! The store moved, went away, filled up, or is not what it should be: what is answered then, and what is there afterwards.

use crate::node::{MASTER_KEY, Node, Proxy, by_port, for_the_server, mozarto, refusal};
use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client, bodies};
use testkit::postgres::PrivateCluster;
use testkit::sandbox::{Options, Sandbox};
use testkit::table::Table;
use tokio::process::{Child, Command};

const BINARY: &str = crate::node::BINARY;
const LIMIT: Duration = Duration::from_secs(45);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

async fn run_sql(url: &str, sql: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client.batch_execute(sql).await?)
}

fn serve_on(url: &str) -> Command {
    let mut command = mozarto(&["serve"]);
    command.env("MOZARTO_DATABASE", url).env("MOZARTO_DATABASE_WAIT_SECONDS", "0");
    command
}

async fn refused(url: &str, words: &[&str]) -> Result<()> {
    let said = refusal(serve_on(url)).await?;
    for word in words {
        ensure!(said.contains(word), "{word} is not in: {said}");
    }
    // The cause stands there once.
    let last = words.last().context("a word")?;
    ensure!(said.matches(last).count() == 1, "told twice: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_not_used() {
    let mut table = Table::with_at_once("servers that are not used", 2);
    table.row("another encoding", async {
        let database = testkit::postgres::database().await;
        for (encoding, name) in [("LATIN1", "mozarto_latin1"), ("SQL_ASCII", "mozarto_ascii")] {
            let name = format!("{name}_{}", std::process::id());
            run_sql(&database.url, &format!("DROP DATABASE IF EXISTS {name}")).await?;
            run_sql(
                &database.url,
                &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"),
            )
            .await?;
            let (server, _) = database.url.rsplit_once('/').context("an address")?;
            let result = refused(&format!("{server}/{name}"), &["UTF8", encoding]).await;
            run_sql(&database.url, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
            result?;
        }
        Ok(())
    });
    table.row("read-only, in recovery, unreachable, of several the one that takes writes", async {
        let primary = blocking(|| PrivateCluster::start(&[])).await?;
        let (standby, primary) = blocking(move || (primary.standby(), primary)).await?;
        refused(&standby.url(), &["127.0.0.1:", "standby"]).await?;
        run_sql(&primary.url(), "CREATE DATABASE quiet").await?;
        run_sql(&primary.url(), "ALTER DATABASE quiet SET default_transaction_read_only = on").await?;
        refused(&format!("postgres://postgres@127.0.0.1:{}/quiet", primary.port()), &["takes no writes", "read-only"]).await?;
        refused("postgres://postgres@127.0.0.1:1/x", &["127.0.0.1:1", "onnection refused"]).await?;
        // The standby first, nobody second: the one that takes writes is found.
        let several =
            format!("postgres://postgres@127.0.0.1:{},127.0.0.1:1,127.0.0.1:{}/postgres", standby.port(), primary.port());
        Node::start(|command| {
            command.env("MOZARTO_DATABASE", &several);
        })
        .await?;
        let none = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:1/postgres", standby.port());
        let said = refusal(serve_on(&none)).await?;
        ensure!(said.contains("recovery") && said.contains("127.0.0.1:1: "), "each with its cause: {said}");
        blocking(move || drop((primary, standby))).await
    });
    table.row("waited for", async {
        let cluster = blocking(|| PrivateCluster::start(&[])).await?;
        let cluster = blocking(move || {
            cluster.crash();
            cluster
        })
        .await?;
        let url = cluster.url();
        let waiting = tokio::spawn(async move {
            Node::start(|command| {
                command.env("MOZARTO_DATABASE", &url).env("MOZARTO_DATABASE_WAIT_SECONDS", "40");
            })
            .await
        });
        tokio::time::sleep(Duration::from_secs(2)).await;
        let cluster = blocking(move || {
            cluster.restart();
            cluster
        })
        .await?;
        let node = waiting.await??;
        ensure!(node.lines("waiting for PostgreSQL") == 1, "{}", node.said());
        drop(node);
        blocking(move || drop(cluster)).await
    });
    table.row("a pooler", pooler());
    table.end().await;
}

/// Debian's pgbouncer, in both modes.
async fn pooler() -> Result<()> {
    let database = testkit::postgres::database().await;
    let (server, name) = database.url.rsplit_once('/').context("an address")?;
    let (_, server_port) = server.rsplit_once(':').context("a port")?;
    for (mode, used) in [("transaction", false), ("statement", false), ("session", true)] {
        let directory = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = directory.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\nserver_round_robin = 1\nmax_client_conn = 100\n"
        );
        for_the_server(&settings, &text)?;
        let mut bouncer = std::process::Command::new("/usr/sbin/pgbouncer");
        if let Some((user, group)) = testkit::postgres::server_user() {
            use std::os::unix::process::CommandExt as _;
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group))?;
            bouncer.uid(user).gid(group);
        }
        bouncer.arg("-q").arg(&settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut bouncer = Command::from(bouncer).kill_on_drop(true).spawn().context("pgbouncer")?;
        let until = Instant::now() + LIMIT;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(Instant::now() < until, "pgbouncer does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let url = format!("postgres://postgres@127.0.0.1:{port}/{name}");
        if used {
            Node::start(|command| {
                command.env("MOZARTO_DATABASE", &url);
            })
            .await?;
        } else {
            let said = refusal(serve_on(&url)).await.with_context(|| mode)?;
            ensure!(said.contains("pooler") && said.contains("pool_mode = session"), "{mode}: {said}");
        }
        bouncer.kill().await?;
    }
    Ok(())
}

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Certificate and key for a name; `over`: it was good until 2021.
    fn sign(&self, name: &str, over: bool) -> Result<(String, String)> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        if over {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

/// A server that speaks TLS with that certificate.
async fn tls_server(directory: &Path, signed: (String, String), more: &[(&str, &str)]) -> Result<PrivateCluster> {
    let (certificate, key) = (directory.join("server.pem"), directory.join("server.key"));
    for_the_server(&certificate, &signed.0)?;
    for_the_server(&key, &signed.1)?;
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut settings = vec![
        ("ssl".to_owned(), "on".to_owned()),
        ("ssl_cert_file".to_owned(), text(&certificate)),
        ("ssl_key_file".to_owned(), text(&key)),
    ];
    settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    blocking(move || {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        PrivateCluster::start(&settings)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls() {
    let mut table = Table::with_at_once("TLS to the store", 2);
    table.row("the right certificate, the wrong authority, a wrong name", async {
        let directory = tempfile::tempdir()?;
        let (authority, other) = (Authority::new()?, Authority::new()?);
        let (ours, others) = (directory.path().join("ca.pem"), directory.path().join("other.pem"));
        std::fs::write(&ours, authority.0.pem())?;
        std::fs::write(&others, other.0.pem())?;
        let cluster = tls_server(directory.path(), authority.sign("localhost", false)?, &[]).await?;
        let at = |host: &str, query: &str| format!("postgres://postgres@{host}:{}/postgres?{query}", cluster.port());
        for mode in ["require", "verify-full"] {
            let url = at("localhost", &format!("sslmode={mode}&sslrootcert={}", ours.display()));
            Node::start(|command| { command.env("MOZARTO_DATABASE", &url); }).await?;
        }
        // Every connection is encrypted, the readers' too.
        let url = at("localhost", &format!("sslmode=require&sslrootcert={}", ours.display()));
        let node = Node::start(|command| { command.env("MOZARTO_DATABASE", &url); }).await?;
        let (client, connection) = tokio_postgres::connect(&cluster.url(), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let sql = "SELECT count(*), count(*) FILTER (WHERE s.ssl) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.application_name = 'mozarto'";
        let row = client.query_one(sql, &[]).await?;
        let (all, encrypted): (i64, i64) = (row.get(0), row.get(1));
        ensure!(all > 0 && all == encrypted, "{encrypted} of {all} connections are encrypted");
        drop((node, client));
        for (host, query) in [
            ("localhost", format!("sslmode=require&sslrootcert={}", others.display())),
            ("localhost", "sslmode=require".to_owned()),
            ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={}", ours.display())),
            ("127.0.0.1", format!("sslmode=require&sslrootcert={}", ours.display())),
        ] {
            let said = refusal(serve_on(&at(host, &query))).await.with_context(|| format!("{host} {query}"))?;
            ensure!(said.contains("certificate"), "{host} {query}: {said}");
        }
        blocking(move || drop(cluster)).await
    });
    table.row("a certificate that is over, and one for another name", async {
        let authority = Authority::new()?;
        for (name, over) in [("localhost", true), ("db.example", false)] {
            let directory = tempfile::tempdir()?;
            let ours = directory.path().join("ca.pem");
            std::fs::write(&ours, authority.0.pem())?;
            let cluster = tls_server(directory.path(), authority.sign(name, over)?, &[]).await?;
            let url = format!(
                "postgres://postgres@localhost:{}/postgres?sslmode=require&sslrootcert={}",
                cluster.port(),
                ours.display()
            );
            let said = refusal(serve_on(&url)).await?;
            ensure!(said.contains("certificate"), "{name}: {said}");
            blocking(move || drop(cluster)).await?;
        }
        Ok(())
    });
    table.row("a server that wants to know us, and one without TLS", async {
        let directory = tempfile::tempdir()?;
        let authority = Authority::new()?;
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("ca.pem"), authority.0.pem())?;
        let (certificate, key) = authority.sign("postgres", false)?;
        std::fs::write(path("client.pem"), certificate)?;
        std::fs::write(path("client.key"), key)?;
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 cert\nhostssl all all ::1/128 cert\n";
        for_the_server(&path("pg_hba.conf"), rules)?;
        let (rules, ca) = (path("pg_hba.conf").display().to_string(), path("ca.pem").display().to_string());
        let more = [("hba_file", rules.as_str()), ("ssl_ca_file", ca.as_str())];
        let cluster = tls_server(directory.path(), authority.sign("localhost", false)?, &more).await?;
        let base = format!("postgres://postgres@localhost:{}/postgres?sslmode=require&sslrootcert={ca}", cluster.port());
        let known = format!("{base}&sslcert={}&sslkey={}", path("client.pem").display(), path("client.key").display());
        Node::start(|command| {
            command.env("MOZARTO_DATABASE", &known);
        })
        .await?;
        refusal(serve_on(&base)).await.context("without a certificate")?;
        blocking(move || drop(cluster)).await?;
        let plain = testkit::postgres::database().await;
        let said = refusal(serve_on(&format!("{}?sslmode=require", plain.url))).await?;
        ensure!(said.contains("TLS"), "{said}");
        Ok(())
    });
    table.row("another machine without TLS, in production", async {
        let production = |url: &str| {
            let mut command = serve_on(url);
            command.env("MOZARTO_ENVIRONMENT", "production");
            command
        };
        // Nobody is called there: the name never resolves, and what is refused is refused before.
        for query in ["?sslmode=disable", "?sslmode=prefer"] {
            let said = refusal(production(&format!("postgres://u:canary-4711@db.invalid/x{query}"))).await?;
            ensure!(said.contains("database_without_tls") && said.contains("db.invalid") && !said.contains("canary"), "{said}");
        }
        let mut named = production("postgres://u:canary-4711@db.invalid/x?sslmode=disable");
        named.env("MOZARTO_DATABASE_WITHOUT_TLS", "db.invalid");
        let said = refusal(named).await?;
        ensure!(
            !said.contains("database_without_tls") && said.contains("db.invalid:5432: ") && !said.contains("canary"),
            "{said}"
        );
        Ok(())
    });
    table.end().await;
}

/// The company's events after one, by id.
async fn events(client: &Client, after: Option<&str>) -> Result<Vec<String>> {
    let after = after.map_or(String::new(), |id| format!("&after={id}"));
    let answer = client.read(&format!("/v1/api/mozarto/events?limit=200{after}")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let items = answer.body["data"]["items"].as_array().context("items")?;
    Ok(items.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Waits until the feed has so many events after that one.
async fn feed_has(client: &Client, after: Option<&str>, count: usize) -> Result<Vec<String>> {
    let until = Instant::now() + LIMIT;
    loop {
        let found = events(client, after).await?;
        if found.len() >= count {
            ensure!(found.len() == count, "{found:?} instead of {count}");
            return Ok(found);
        }
        ensure!(Instant::now() < until, "{} of {count} events", found.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn paid(client: &Client, amount: &str) -> Result<String> {
    let answer = client.cashier(&bodies::payone("PAYIN", amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId").to_owned();
    client.wait_for(&id, &["Approved"], LIMIT).await?;
    Ok(id)
}

/// `pg_dump` and `pg_restore` into a cluster whose transactions are far behind: old cursors go on, and nothing is lost or comes twice.
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

/// Somebody has written an event by hand and does not end: the feed shows what came before, says that it is behind, and loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_held_back_says_so() {
    let held = async {
        let data = tempfile::tempdir()?;
        let database = testkit::postgres::database().await;
        let options = Options::new(BINARY, data.path()).auto_settle(50).database(&database.url).variable("MOZARTO_LOG", "off");
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
        ensure!(events(&client, None).await? == first, "what came before is shown, and nothing else");
        open.batch_execute("COMMIT").await?;
        feed_has(&client, Some(&first[0]), 1).await?;
        Ok(())
    };
    held.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

async fn becomes(client: &Client, status: u16) -> Result<Answer> {
    let until = Instant::now() + LIMIT;
    loop {
        let answer = client.read("/readyz").await?;
        if answer.status == status {
            return Ok(answer);
        }
        ensure!(Instant::now() < until, "{} instead of {status}: {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A proxy leads to a standby for six seconds, then back; then the server dies, and the standby takes its place.
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
        caught_up(&primary.url(), &standby.url()).await?;
        let (primary, standby) = blocking(move || {
            primary.crash();
            standby.promote();
            (primary, standby)
        })
        .await?;
        proxy.lead_to(standby.port());
        becomes(&client, 200).await?;
        let last = paid(&client, "104.00").await?;
        ensure!(client.status(&last).await?.status == 200 && client.status(&second).await?.status == 200, "after the failover");
        feed_has(&client, Some(&shown[0]), 3).await?;
        drop(sandbox);
        blocking(move || drop((primary, standby))).await
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
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

async fn first_line(child: &mut Child) -> Result<Value> {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let line = tokio::time::timeout(LIMIT, lines.next_line()).await.context("it is not ready")??;
    Ok(serde_json::from_str(&line.context("it ended before it was ready")?)?)
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
        tokio::time::sleep(Duration::from_secs(5)).await;
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
