//! A start that is refused has changed nothing: the store of the revision before is of the revision before.

use crate::environment::{MASTER_KEY, as_before, copy_of, mozarto, refuses, sandbox_starts, starts, used_sandbox, with_its_key};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use testkit::table::Table;

/// The schema as the database says it.
/// All but the statistics that SQLite makes for itself.
fn schema(data: &Path) -> Result<Vec<String>> {
    let store = rusqlite::Connection::open(data.join("mozarto.db"))?;
    let mut statement =
        store.prepare("SELECT COALESCE(sql, name) FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY 1")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Refuses another schema, by what is new in it or gone.
fn same(before: &[String], after: &[String]) -> Result<()> {
    let differs: Vec<_> =
        before.iter().filter(|one| !after.contains(one)).chain(after.iter().filter(|one| !before.contains(one))).collect();
    ensure!(differs.is_empty(), "migrated: {differs:?}");
    Ok(())
}

pub(crate) async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn schema_of(client: &tokio_postgres::Client) -> Result<Vec<String>> {
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// The schema of the revision before, on PostgreSQL, empty.
pub(crate) async fn older_schema(client: &tokio_postgres::Client) -> Result<()> {
    const OLD: [(&str, &str); 2] = [
        ("foundation", include_str!("../../../store/migrations/postgres/0001_foundation.sql")),
        ("page tokens", include_str!("../../../store/migrations/postgres/0002_page_tokens.sql")),
    ];
    client
        .batch_execute(
            "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at bigint NOT NULL)",
        )
        .await?;
    for (version, (name, sql)) in (1_i64..).zip(OLD) {
        client.batch_execute(sql).await?;
        let checksum = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, sql.as_bytes()));
        client.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3, 0)", &[&version, &name, &checksum]).await?;
    }
    Ok(())
}

/// The revision before, on PostgreSQL, as a sandbox left it or without a word.
async fn older(client: &tokio_postgres::Client, word: Option<&str>) -> Result<()> {
    older_schema(client).await?;
    let key = "INSERT INTO instance (name, value) VALUES ('platform_key', 'AAAA')";
    client.batch_execute(key).await?;
    if let Some(word) = word {
        client.execute("INSERT INTO instance (name, value) VALUES ('environment', $1)", &[&word]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_has_changed_nothing() {
    const REFUSED: [&[&str]; 3] = [&["serve"], &["migrate"], &["migrate", "--environment", "production"]];
    let mut table = Table::with_at_once("refused starts", 2);
    table.row("a sandbox's store from before, as production", async {
        let used = used_sandbox().await?;
        as_before(used.path())?;
        let data = copy_of(used.path())?;
        let before = schema(data.path())?;
        for arguments in REFUSED {
            let command = with_its_key(mozarto("production", data.path(), arguments), data.path());
            refuses(command, &["never opened as production"]).await.with_context(|| format!("{arguments:?}"))?;
            same(&before, &schema(data.path())?).with_context(|| format!("{arguments:?}"))?;
        }
        sandbox_starts(data.path()).await
    });
    table.row("a store from before without evidence", async {
        let data = tempfile::tempdir()?;
        starts(mozarto("production", data.path(), &["serve"])).await?;
        as_before(data.path())?;
        let before = schema(data.path())?;
        for arguments in [&["serve"][..], &["migrate"]] {
            refuses(mozarto("production", data.path(), arguments), &["--environment"]).await?;
            same(&before, &schema(data.path())?).with_context(|| format!("{arguments:?}"))?;
        }
        Ok(())
    });
    table.row("with another master key", async {
        let data = tempfile::tempdir()?;
        starts(mozarto("production", data.path(), &["serve"])).await?;
        as_before(data.path())?;
        rusqlite::Connection::open(data.path().join("mozarto.db"))?
            .execute("INSERT INTO instance (name, value) VALUES ('environment', 'production')", [])?;
        let before = schema(data.path())?;
        let mut command = mozarto("production", data.path(), &["serve"]);
        command.env("MOZARTO_MASTER_KEY", MASTER_KEY.replace('6', "7"));
        refuses(command, &["master key"]).await?;
        same(&before, &schema(data.path())?)?;
        starts(mozarto("production", data.path(), &["serve"])).await
    });
    table.row("a sandbox's PostgreSQL from before, as production", async {
        for word in [Some("sandbox"), None] {
            let (data, database) = (tempfile::tempdir()?, testkit::postgres::database().await);
            let client = connect(&database.url).await?;
            older(&client, word).await?;
            let before = schema_of(&client).await?;
            let refused = if word.is_some() { &REFUSED[..] } else { &REFUSED[..2] };
            for arguments in refused {
                let mut command = mozarto("production", data.path(), arguments);
                command.env("MOZARTO_DATABASE", &database.url);
                let words = if word.is_some() { "never opened as production" } else { "--environment" };
                refuses(command, &[words]).await.with_context(|| format!("{word:?} {arguments:?}"))?;
                same(&before, &schema_of(&client).await?).with_context(|| format!("{word:?} {arguments:?}"))?;
            }
        }
        Ok(())
    });
    table.end().await;
}
