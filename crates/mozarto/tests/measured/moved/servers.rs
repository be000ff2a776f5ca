//! Servers of PostgreSQL that are not used, and poolers before them.

use super::*;

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
        let waiting = Node::spawn(|command| {
            command.env("MOZARTO_DATABASE", cluster.url()).env("MOZARTO_DATABASE_WAIT_SECONDS", "40");
        })?;
        let until = Instant::now() + LIMIT;
        while waiting.lines("waiting for PostgreSQL") == 0 {
            ensure!(Instant::now() < until, "it does not wait: {}", waiting.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let cluster = blocking(move || {
            cluster.restart();
            cluster
        })
        .await?;
        let node = waiting.ready().await?;
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
