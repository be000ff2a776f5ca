//! `cargo xtask old-store`: a store that an earlier revision's own sandbox made. This revision must refuse it as production, with
//! the sentence that says what to do, and leave it as it was; and go on with it as a sandbox, with everything that was in it.

mod dump;
mod fill;

use crate::install;
use anyhow::{Context, Result, ensure};
use dump::Dump;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};

/// Within this a payment of the demo settles, and a start that is refused ends.
const LIMIT: Duration = Duration::from_secs(60);
/// What the refusal says: what the store is, and what to do.
const SENTENCES: [&str; 2] =
    ["this store belongs to a sandbox and is never opened as production", "begins with a store of its own"];
/// Everything that production would do with the store.
const REFUSED: [&[&str]; 4] = [
    &["serve"],
    &["migrate"],
    &["migrate", "--environment", "production"],
    &["company", "create", "--name", "Shop Ltd", "--country", "DE"],
];
/// Pay-ins and pay-outs that are made with the earlier revision.
const PAYMENTS: usize = 6;

/// Builds the revision, and tries its stores: the embedded one, and PostgreSQL (`database`, which must be empty, or one of a
/// server of ours).
pub(crate) fn run(revision: &str, database: Option<&str>) -> Result<()> {
    let (revision, old) = build(revision)?;
    install::run("cargo", &["build", "--bin", "mozarto"])?;
    let new = target().join("debug/mozarto");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        try_store(&revision, &old, &new, None).await.context("the embedded store")?;
        let of_ours = if database.is_none() { Some(testkit::postgres::database().await) } else { None };
        let url = database.or(of_ours.as_ref().map(|database| &*database.url)).context("a database")?;
        ensure!(dump::postgres(url).await?.len() == 1, "the database has tables: name an empty one");
        try_store(&revision, &old, &new, Some(url)).await.context("PostgreSQL")
    })
}

/// Times `mozarto migrate` over stores of so many payments, with this revision's binary.
pub(crate) fn fill(payments: usize, release: bool, database: Option<&str>) -> Result<()> {
    let profile: &[&str] = if release { &["--release"] } else { &[] };
    install::run("cargo", &[&["build", "--bin", "mozarto"], profile].concat())?;
    let binary = target().join(if release { "release" } else { "debug" }).join("mozarto");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let of_ours = if database.is_none() { Some(testkit::postgres::database().await) } else { None };
        let url = database.or(of_ours.as_ref().map(|database| &*database.url)).context("a database")?;
        ensure!(dump::postgres(url).await?.len() == 1, "the database has tables: name an empty one");
        fill::run(&binary, payments, url).await
    })
}

fn target() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target)
}

/// The revision's short name, and its binary: of its files as they were committed, in a place of their own, with their own
/// dependencies.
fn build(revision: &str) -> Result<(String, PathBuf)> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(&repository).args(arguments);
        command
    };
    let named = git(&["rev-parse", "--verify", "--short=7", &format!("{revision}^{{commit}}")]).output()?;
    ensure!(named.status.success(), "{revision} is no revision: {}", String::from_utf8_lossy(&named.stderr));
    let name = String::from_utf8(named.stdout)?.trim().to_owned();
    std::fs::create_dir_all(target())?;
    let old = target().canonicalize()?.join("old");
    let sources = old.join(&name);
    std::fs::create_dir_all(&sources)?;
    // With the times of the commit: what is built already is not built again.
    let mut archive = git(&["archive", &name]).stdout(Stdio::piped()).spawn()?;
    let files = archive.stdout.take().context("the revision's files")?;
    let unpacked = Command::new("tar").arg("x").arg("-C").arg(&sources).stdin(files).status()?;
    ensure!(archive.wait()?.success() && unpacked.success(), "the files of {name} cannot be unpacked");
    println!("building {name}");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--bin", "mozarto"]).current_dir(&sources).env("CARGO_TARGET_DIR", old.join("target"));
    ensure!(cargo.status()?.success(), "{name} cannot be built");
    // Another revision's build must not take its place while it runs.
    let binary = old.join(format!("mozarto-{name}"));
    std::fs::copy(old.join("target/debug/mozarto"), &binary)?;
    Ok((name, binary))
}

/// What was paid before.
struct Paid {
    key: String,
    body: String,
    answer: Vec<u8>,
    id: String,
    status: String,
}

async fn try_store(revision: &str, old: &Path, new: &Path, database: Option<&str>) -> Result<()> {
    let name = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    let data = tempfile::tempdir()?;
    let options = |binary: &Path| {
        let options = Options::new(binary, data.path()).auto_settle(10).variable("MOZARTO_LOG", "off");
        if let Some(url) = database { options.database(url) } else { options }
    };
    let mut sandbox = Sandbox::start(options(old)).await.with_context(|| format!("the sandbox of {revision}"))?;
    let paid = pay(&Client::of(&sandbox)).await.with_context(|| format!("paying with {revision}"))?;
    sandbox.terminate().await?;
    let before = dump_of(data.path(), database).await?;
    let rows: usize = before.values().map(Vec::len).sum();
    println!("{name}: a store of {revision} with {} payments, {} tables, {rows} rows", paid.len(), before.len() - 1);

    // A production host has the store, and perhaps not what a sandbox keeps beside it.
    for beside in [true, false] {
        refused(new, data.path(), database, beside, &before)
            .await
            .with_context(|| format!("sandbox.json beside it: {beside}"))?;
    }
    println!("{name}: refused as production ({} commands, with and without sandbox.json); nothing was changed", REFUSED.len());

    let mut sandbox = Sandbox::start(options(new)).await.context("the sandbox of this revision")?;
    goes_on(&Client::of(&sandbox), &paid).await?;
    sandbox.terminate().await?;
    println!("{name}: goes on as a sandbox with all {} payments, their keys and their answers", paid.len());
    Ok(())
}

async fn dump_of(data: &Path, database: Option<&str>) -> Result<Dump> {
    match database {
        Some(url) => dump::postgres(url).await,
        None => dump::sqlite(data),
    }
}

/// Pay-ins and pay-outs, each until it has ended.
async fn pay(client: &Client) -> Result<Vec<Paid>> {
    let mut paid = Vec::new();
    for n in 0..PAYMENTS {
        let operation = if n % 3 == 2 { "PAYOUT" } else { "PAYIN" };
        let (key, body) = (format!("before-{n}"), bodies::payone(operation, "100.00"));
        let answer = client.cashier_with_key(&body, &key).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        let id = answer.text("/transaction/transactionId").to_owned();
        client.wait_for(&id, &["Approved", "Declined", "Failed"], LIMIT).await?;
        let status = status(client, &id).await?;
        paid.push(Paid { key, body, answer: answer.bytes, id, status });
    }
    Ok(paid)
}

async fn status(client: &Client, id: &str) -> Result<String> {
    let answer = client.status(id).await?;
    ensure!(answer.status == 200, "{id}: {} {}", answer.status, answer.body);
    let status = answer.body.pointer("/data/transaction_status").and_then(|status| status.as_str());
    Ok(status.with_context(|| format!("{id} has no status: {}", answer.body))?.to_owned())
}

/// Nothing that production would do with it is done, and all of it stays as it was.
async fn refused(new: &Path, data: &Path, database: Option<&str>, beside: bool, before: &Dump) -> Result<()> {
    let copy = tempfile::tempdir()?;
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && (beside || entry.file_name() != "sandbox.json") {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
    }
    let data = if beside { data } else { copy.path() };
    let files = dump::files(data)?;
    for arguments in REFUSED {
        let mut command = tokio::process::Command::new(new);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
            command.env_remove(name);
        }
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command.env("MOZARTO_ENVIRONMENT", "production").env("MOZARTO_PUBLIC_URL", "https://pay.example");
        command.env("MOZARTO_LISTEN", "127.0.0.1:0").env("MOZARTO_METRICS_LISTEN", "off").env("MOZARTO_DATA", data);
        command.env("MOZARTO_MASTER_KEY_FILE", data.join("master.key"));
        if let Some(url) = database {
            command.env("MOZARTO_DATABASE", url);
        }
        let output = tokio::time::timeout(LIMIT, command.output()).await.context("it goes on running")??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{arguments:?} ended with {}: {said}", output.status);
        for sentence in SENTENCES {
            ensure!(said.contains(sentence), "{arguments:?} does not say \"{sentence}\": {said}");
        }
        let after = dump_of(data, database).await?;
        let changed: Vec<&String> =
            before.keys().chain(after.keys()).filter(|table| before.get(*table) != after.get(*table)).collect();
        ensure!(changed.is_empty(), "{arguments:?} has changed {changed:?}");
        let now = dump::files(data)?;
        let changed: Vec<&String> = files.keys().chain(now.keys()).filter(|file| files.get(*file) != now.get(*file)).collect();
        ensure!(changed.is_empty(), "{arguments:?} has changed the files {changed:?}");
    }
    Ok(())
}

/// Every payment is there with its status, every key answers the same bytes, and more can be paid.
async fn goes_on(client: &Client, paid: &[Paid]) -> Result<()> {
    let listed = client.read("/v1/api/mozarto/transactions?limit=100").await?;
    let listed = listed.body.to_string();
    for one in paid {
        let now = status(client, &one.id).await?;
        ensure!(now == one.status && listed.contains(&one.id), "{} was {} and is {now}: {listed}", one.id, one.status);
        let again = client.cashier_with_key(&one.body, &one.key).await?;
        ensure!(again.bytes == one.answer, "the key {} answers {}", one.key, again.body);
    }
    let answer = client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    client.wait_for(answer.text("/transaction/transactionId"), &["Approved"], LIMIT).await?;
    Ok(())
}
