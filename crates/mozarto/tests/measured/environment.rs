//! The store knows where it is: a sandbox's is never production's, a store without the word gets it from evidence, and one that
//! has lost its database is never mistaken for a new one.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::table::Table;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(40);
/// 32 bytes in hex; of no other use.
pub(crate) const MASTER_KEY: &str = "505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f";

/// The binary with its configuration in the environment and nothing else of ours there.
pub(crate) fn mozarto(environment: &str, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("MOZARTO_ENVIRONMENT", environment).env("MOZARTO_PUBLIC_URL", "https://pay.example");
    command.env("MOZARTO_LISTEN", "127.0.0.1:0").env("MOZARTO_DATA", data).env("MOZARTO_MASTER_KEY", MASTER_KEY);
    command
}

/// With the key of a sandbox's directory.
pub(crate) fn with_its_key(mut command: Command, data: &Path) -> Command {
    command.env_remove("MOZARTO_MASTER_KEY").env("MOZARTO_MASTER_KEY_FILE", data.join("master.key"));
    command
}

/// It ends with 1 and says all of this.
pub(crate) async fn refuses(mut command: Command, words: &[&str]) -> Result<()> {
    let output = tokio::time::timeout(LIMIT, command.output()).await.context("it goes on running")??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "exit code {:?}: {said}", output.status.code());
    for word in words {
        ensure!(said.contains(word), "{word} is not in: {said}");
    }
    ensure!(!said.contains("panicked"), "{said}");
    Ok(())
}

/// It says that it is ready; then it is killed.
pub(crate) async fn starts(mut command: Command) -> Result<()> {
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("its log")?).lines();
    let wait = async {
        let mut said = String::new();
        while let Some(line) = lines.next_line().await? {
            if line.contains("\"ready\"") {
                return Ok(());
            }
            said.push_str(&line);
        }
        anyhow::bail!("it ended: {said}")
    };
    tokio::time::timeout(LIMIT, wait).await.context("it is not ready")??;
    child.kill().await?;
    Ok(())
}

async fn json_of(mut command: Command) -> Result<Value> {
    let output = tokio::time::timeout(LIMIT, command.output()).await.context("it goes on running")??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Heartbeats, one a second, that a store has taken before it is looked at.
const BEATS: u64 = 3;
const CREATE: [&str; 6] = ["company", "create", "--name", "Shop Ltd", "--country", "DE"];

/// A sandbox with a payment in it, killed.
pub(crate) async fn used_sandbox() -> Result<tempfile::TempDir> {
    let data = tempfile::tempdir()?;
    let mut sandbox = Sandbox::start(Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off")).await?;
    let answer = Client::of(&sandbox).cashier(&bodies::payone("PAYIN", "100.00")).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    // The number of heartbeats is noted beside the store: some, so that a copy of its beginning has fewer.
    let until = std::time::Instant::now() + LIMIT;
    let noted = || std::fs::read_to_string(data.path().join("store.mark")).ok()?.trim().parse::<u64>().ok();
    while noted().is_none_or(|beats| beats < BEATS) {
        ensure!(std::time::Instant::now() < until, "heartbeats noted: {:?}", noted());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sandbox.kill().await?;
    Ok(data)
}

pub(crate) fn copy_of(from: &Path) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir()?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
    }
    Ok(copy)
}

pub(crate) async fn sandbox_starts(data: &Path) -> Result<()> {
    let mut sandbox = Sandbox::start(Options::new(BINARY, data).variable("MOZARTO_LOG", "off")).await?;
    let listed = Client::of(&sandbox).read("/v1/api/mozarto/transactions").await?;
    ensure!(listed.body["data"]["items"].as_array().is_some_and(|items| items.len() == 1), "{}", listed.body);
    sandbox.kill().await
}

pub(crate) fn sandbox_command(data: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["sandbox", "--json", "--port", "0", "--simulator-port", "0", "--shop-port", "0", "--data"]).arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_of_one_environment() {
    let mut table = Table::with_at_once("environments", 2);
    table.row("a sandbox's as production", async {
        let data = used_sandbox().await?;
        refuses(
            with_its_key(mozarto("production", data.path(), &["serve"]), data.path()),
            &["sandbox", "never opened as production"],
        )
        .await?;
        refuses(with_its_key(mozarto("production", data.path(), &CREATE), data.path()), &["never opened as production"]).await?;
        refuses(with_its_key(mozarto("production", data.path(), &["migrate"]), data.path()), &["never opened as production"])
            .await?;
        let said = ["migrate", "--environment", "production"];
        refuses(with_its_key(mozarto("production", data.path(), &said), data.path()), &["never opened as production"]).await?;
        // Nothing of that has hurt it, and serving it as what it is goes on.
        starts(with_its_key(mozarto("sandbox", data.path(), &["serve"]), data.path())).await?;
        sandbox_starts(data.path()).await
    });
    table.row("production's as a sandbox", async {
        let data = tempfile::tempdir()?;
        let mut create = mozarto("production", data.path(), &CREATE);
        create.arg("--json");
        json_of(create).await?;
        starts(mozarto("production", data.path(), &["serve"])).await?;
        refuses(mozarto("sandbox", data.path(), &["serve"]), &["belongs to a production", "never opened as sandbox"]).await?;
        refuses(sandbox_command(data.path()), &["production"]).await
    });
    table.row("production's as a sandbox, on PostgreSQL", async {
        let (data, database) = (tempfile::tempdir()?, testkit::postgres::database().await);
        let on = |mut command: Command| {
            command.env("MOZARTO_DATABASE", &database.url);
            command
        };
        starts(on(mozarto("production", data.path(), &["serve"]))).await?;
        refuses(on(mozarto("sandbox", data.path(), &["serve"])), &["never opened as sandbox"]).await?;
        let mut sandbox = sandbox_command(data.path());
        sandbox.args(["--database", &database.url]);
        refuses(sandbox, &["never opened as sandbox"]).await
    });
    table.end().await;
}

fn names(store: &rusqlite::Connection, sql: &str) -> Result<Vec<String>> {
    let mut statement = store.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The schema as the revision before the word made it, with what is in the new store copied into it; without what providers
/// remember of payments, which stood sealed with the order.
pub(crate) fn as_before(data: &Path) -> Result<()> {
    const OLD: [(&str, &str); 2] = [
        ("foundation", include_str!("../../../store/migrations/sqlite/0001_foundation.sql")),
        ("page tokens", include_str!("../../../store/migrations/sqlite/0002_page_tokens.sql")),
    ];
    let (new, path) = (data.join("new.db"), data.join("mozarto.db"));
    {
        let store = rusqlite::Connection::open(&path)?;
        store.execute("VACUUM INTO ?1", [new.to_str().context("a path")?])?;
    }
    for name in ["mozarto.db", "mozarto.db-wal", "mozarto.db-shm", "store.mark"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    let old = rusqlite::Connection::open(&path)?;
    old.execute_batch(
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
    )?;
    for (version, (name, sql)) in (1_i64..).zip(OLD) {
        old.execute_batch(sql)?;
        let checksum = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, sql.as_bytes()));
        old.execute("INSERT INTO schema_migrations VALUES (?1, ?2, ?3, 0)", (version, name, checksum))?;
    }
    old.execute("ATTACH ?1 AS new", [new.to_str().context("a path")?])?;
    let tables = names(
        &old,
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'schema_migrations'",
    )?;
    for table in tables {
        let both = format!(
            "SELECT name FROM pragma_table_info('{table}') WHERE name IN (SELECT name FROM pragma_table_info('{table}', 'new'))"
        );
        let columns = names(&old, &both)?.join(", ");
        if columns.is_empty() {
            continue;
        }
        old.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"))?;
    }
    // What belongs to attempts now.
    old.execute_batch(
        "INSERT INTO jobs (company_id, transaction_id, kind, due_at, attempt, first_at, detail, owner) \
           SELECT company_id, transaction_id, next_kind, next_at, next_tries, next_first_at, next_detail, next_owner FROM new.attempts \
           WHERE next_kind IS NOT NULL; \
         UPDATE transactions SET callback_token_hash = (SELECT a.callback_token_hash FROM new.attempts a \
           WHERE a.company_id = transactions.company_id AND a.transaction_id = transactions.id AND a.n = 1)",
    )?;
    old.execute_batch("DELETE FROM instance WHERE name <> 'platform_key'; DETACH new; PRAGMA journal_mode = WAL")?;
    drop(old);
    Ok(std::fs::remove_file(new)?)
}

fn change(data: &Path, sql: &str) -> Result<()> {
    Ok(rusqlite::Connection::open(data.join("mozarto.db"))?.execute_batch(sql)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_from_before_gets_its_word_from_evidence() {
    let mut table = Table::with_at_once("a store from before", 2);
    table.row("a sandbox's own file beside it, or its addresses within", async {
        let data = used_sandbox().await?;
        as_before(data.path())?;
        let serve = |data: &Path| with_its_key(mozarto("production", data, &["serve"]), data);
        let beside = copy_of(data.path())?;
        refuses(serve(beside.path()), &["never opened as production"]).await?;
        sandbox_starts(beside.path()).await?;
        let within = copy_of(data.path())?;
        std::fs::remove_file(within.path().join("sandbox.json"))?;
        refuses(serve(within.path()), &["never opened as production"]).await?;
        for address in ["http://127.0.0.1:8081/payone", "https://localhost/x", "https://[::1]/x"] {
            let simulated = copy_of(data.path())?;
            std::fs::remove_file(simulated.path().join("sandbox.json"))?;
            change(
                simulated.path(),
                &format!("DELETE FROM payment_methods WHERE psp_type <> 'PAYONE'; UPDATE payment_methods SET config = '{{\"baseUrl\":\"{address}\"}}'"),
            )?;
            refuses(serve(simulated.path()), &["never opened as production"]).await.context(address)?;
            let said = with_its_key(mozarto("production", simulated.path(), &["migrate", "--environment", "production"]), simulated.path());
            refuses(said, &["never opened as production"]).await.context(address)?;
        }
        Ok(())
    });
    table.row("no evidence: said once", async {
        let data = tempfile::tempdir()?;
        let mut create = mozarto("production", data.path(), &CREATE);
        create.arg("--json");
        json_of(create).await?;
        as_before(data.path())?;
        for environment in ["production", "sandbox"] {
            refuses(mozarto(environment, data.path(), &["serve"]), &["mozarto migrate --environment production"]).await?;
            refuses(mozarto(environment, data.path(), &CREATE), &["mozarto migrate --environment production"]).await?;
        }
        refuses(mozarto("production", data.path(), &["migrate"]), &["--environment"]).await?;
        json_of(mozarto("production", data.path(), &["migrate", "--environment", "production", "--json"])).await?;
        starts(mozarto("production", data.path(), &["serve"])).await?;
        let other = mozarto("sandbox", data.path(), &["migrate", "--environment", "sandbox"]);
        refuses(other, &["never opened as sandbox"]).await
    });
    table.end().await;
}

/// What happened to a directory.
type Loss = fn(&Path) -> Result<()>;

fn remove(data: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        let _ = std::fs::remove_file(data.join(name));
    }
    Ok(())
}

const WITH_LOG: [&str; 3] = ["mozarto.db", "mozarto.db-wal", "mozarto.db-shm"];

const LOSSES: [(&str, Loss); 8] = [
    ("the file is gone", |data| remove(data, &["mozarto.db"])),
    ("the file and its log are gone", |data| remove(data, &WITH_LOG)),
    ("all but the key is gone", |data| {
        remove(data, &["mozarto.db", "mozarto.db-wal", "mozarto.db-shm", "sandbox.json", "store.mark"])
    }),
    ("the file is emptied", |data| Ok(std::fs::write(data.join("mozarto.db"), "")?)),
    ("the log is gone", |data| remove(data, &["mozarto.db-wal", "mozarto.db-shm"])),
    ("the log is emptied", |data| Ok(std::fs::write(data.join("mozarto.db-wal"), "")?)),
    ("the file is cut", |data| {
        let whole = rusqlite::Connection::open(data.join("mozarto.db"))?;
        whole.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        drop(whole);
        let file = std::fs::OpenOptions::new().write(true).open(data.join("mozarto.db"))?;
        Ok(file.set_len(file.metadata()?.len() / 2)?)
    }),
    ("another, empty database in its place", |data| {
        remove(data, &WITH_LOG)?;
        Ok(rusqlite::Connection::open(data.join("mozarto.db"))?.execute_batch("CREATE TABLE something (a)")?)
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_has_lost_its_database_is_not_new() {
    let used = used_sandbox().await.expect("a sandbox");
    let whole = used.path().to_owned();
    let mut table = Table::with_at_once("lost databases", 3);
    for (name, loss) in LOSSES {
        let whole = whole.clone();
        table.row(name, async move {
            let data = copy_of(&whole)?;
            loss(data.path())?;
            let before = listing(data.path())?;
            // Not before the start, which would make a new one of an emptied one look like any that is new.
            let aside = tempfile::tempdir()?;
            let mut backup = Command::new(BINARY);
            backup.arg("backup").arg(aside.path().join("copy.db")).arg("--data").arg(data.path());
            refuses(backup, &["To restore"]).await?;
            ensure!(!aside.path().join("copy.db").exists(), "a backup of nothing was made");
            refuses(sandbox_command(data.path()), &["To restore", "store.mark"]).await?;
            ensure!(listing(data.path())? == before || name == "another, empty database in its place", "something was changed");
            refuses(with_its_key(mozarto("sandbox", data.path(), &["serve"]), data.path()), &["To restore"]).await
        });
    }
    let of_key = whole.clone();
    table.row("the key is gone", async move {
        let data = copy_of(&of_key)?;
        std::fs::remove_file(data.path().join("master.key"))?;
        refuses(sandbox_command(data.path()), &["master.key", "back"]).await?;
        ensure!(!data.path().join("master.key").exists(), "a key was made");
        Ok(())
    });
    let of_restore = whole.clone();
    table.row("restored as it is said", async move {
        let data = copy_of(&of_restore)?;
        let backup = data.path().join("backup.db");
        let mut command = Command::new(BINARY);
        command.arg("backup").arg(&backup).arg("--data").arg(data.path()).arg("--json");
        json_of(command).await?;
        remove(data.path(), &WITH_LOG)?;
        refuses(sandbox_command(data.path()), &["To restore"]).await?;
        std::fs::rename(&backup, data.path().join("mozarto.db"))?;
        remove(data.path(), &["store.mark"])?;
        sandbox_starts(data.path()).await
    });
    let of_serve = tempfile::tempdir().expect("a directory");
    table.row("served for real: an unmounted volume", async move {
        starts(mozarto("production", of_serve.path(), &["serve"])).await?;
        remove(of_serve.path(), &WITH_LOG)?;
        refuses(mozarto("production", of_serve.path(), &["serve"]), &["To restore"]).await?;
        refuses(mozarto("production", of_serve.path(), &CREATE), &["To restore"]).await
    });
    let untouched = whole.clone();
    table.row("untouched", async move { sandbox_starts(copy_of(&untouched)?.path()).await });
    table.end().await;
}

/// Names and lengths of what is there, without what a look may make.
fn listing(data: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if entry.file_type()?.is_file() && !name.to_string_lossy().ends_with("-shm") && !name.to_string_lossy().ends_with("-wal")
        {
            all.push((name, entry.metadata()?.len()));
        }
    }
    all.sort();
    Ok(all)
}

/// By whatever name it is reached: the same database is never opened twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_lock_is_on_the_database_itself() {
    let data = tempfile::tempdir().unwrap();
    let mut sandbox = Sandbox::start(Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off")).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    for name in ["mozarto.db", "mozarto.db-wal", "master.key", "sandbox.json"] {
        std::fs::hard_link(data.path().join(name), other.path().join(name)).unwrap();
    }
    refuses(sandbox_command(other.path()), &["in use by another mozarto process"]).await.unwrap();
    std::fs::remove_file(other.path().join("mozarto.db")).unwrap();
    std::os::unix::fs::symlink(data.path().join("mozarto.db"), other.path().join("mozarto.db")).unwrap();
    refuses(sandbox_command(other.path()), &["in use by another mozarto process"]).await.unwrap();
    sandbox.kill().await.unwrap();
}

/// A newer program has been there: nothing of it is opened, on either store, by any command that would work on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused() {
    let (data, database) = (tempfile::tempdir().unwrap(), testkit::postgres::database().await);
    let on = |shared: bool, arguments: &[&str]| {
        let mut command = mozarto("production", data.path(), arguments);
        if shared {
            command.env("MOZARTO_DATABASE", &database.url);
        }
        command
    };
    let newer = "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9999, 'from the future', 'x', 0)";
    let copy = data.path().join("copy.db");
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), MASTER_KEY.replace('6', "7")).unwrap();
    let rotate = ["keys", "rotate", "--new-key-file", key.path().to_str().unwrap()];
    for shared in [false, true] {
        refuses(on(shared, &rotate), &["run `mozarto migrate`"]).await.expect("a store without a schema");
        let mut migrate = on(shared, &["migrate"]);
        migrate.arg("--json");
        json_of(migrate).await.unwrap();
        if shared {
            let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(newer).await.unwrap();
        } else {
            change(data.path(), newer).unwrap();
        }
        let backup = ["backup", copy.to_str().unwrap()];
        let with_a_file = if shared { &[][..] } else { &[&backup[..]] };
        let every: [&[&str]; 6] =
            [&["serve"], &["migrate"], &CREATE, &rotate, &["migrate", "--environment", "production"], &["company", "list"]];
        for arguments in every.iter().chain(with_a_file) {
            refuses(on(shared, arguments), &["newer than this program"])
                .await
                .unwrap_or_else(|error| panic!("{shared} {arguments:?}: {error:#}"));
        }
    }
}
