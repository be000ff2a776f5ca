//! PostgreSQL over TLS.

use super::*;

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
#[expect(clippy::too_many_lines, reason = "a table")]
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
