//! Settings that cannot be meant are refused before anything is opened: addresses that are read more kindly than they are used,
//! what was left empty, times that would make a guess of a question. And evidence of a sandbox, which settings do not overrule.

use anyhow::{Context, Result, ensure};
use std::process::{Command, Output, Stdio};
use testkit::table::Table;

const BINARY: &str = crate::node::BINARY;
const KEY: &str = crate::node::MASTER_KEY;
const GOOD: &str = "environment = \"production\"\npublic_url = \"https://pay.example\"\n";
/// A word that no message may repeat.
const SECRET: &str = "s3cretw0rd";

fn without_ours(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn check(text: &str, variables: &[(&str, &str)]) -> Result<Output> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("its-name.toml");
    std::fs::write(&file, text)?;
    let mut command = without_ours(&["config", "check", "--config"]);
    command.arg(&file).env("MOZARTO_MASTER_KEY", KEY).envs(variables.iter().copied());
    command.output().context("starting it")
}

async fn refused(text: String, variables: Vec<(&'static str, &'static str)>, word: &'static str) -> Result<()> {
    let output = check(&text, &variables)?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    ensure!(output.status.code() == Some(1), "exit code {:?}: {said}", output.status.code());
    ensure!(said.contains(word), "{word:?} is not in: {said}");
    ensure!(!said.contains(SECRET) && !said.contains("panicked"), "it says too much: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_meant_is_refused() {
    let mut table = Table::new("settings");
    for url in ["https:/pay.example", "https:pay.example", "https:///pay.example", "https:////pay.example", "https:"] {
        let text = format!("environment = \"production\"\npublic_url = \"{url}\"\n");
        table.row(format!("public_url {url}"), refused(text, vec![], "public_url must be"));
        let text = format!("{GOOD}[providers.payone]\nbase_url = \"{url}\"\n");
        table.row(format!("base_url {url}"), refused(text, vec![], "providers.payone.base_url must be"));
    }
    for address in [
        "postgres://u:s3cretw0rd@h/d?sslmode=bogus",
        "postgres://u:s3cretw0rd@h:port/d",
        "postgres://u:s3cretw0rd@h/d?nonsense=1",
        "postgres://u:s3cretw0rd@db.example/d?sslmode=disable",
        "postgres://u:s3cretw0rd@h/d?sslrootcert=/nowhere/ca.pem",
        "",
    ] {
        table.row(format!("database {address}"), refused(format!("{GOOD}database = \"{address}\"\n"), vec![], "database"));
    }
    for seconds in ["0", "259201"] {
        let text = format!("{GOOD}[providers.payone]\nnot_found_after_seconds = {seconds}\n");
        table.row(
            format!("not found after {seconds} s"),
            refused(text, vec![], "providers.payone.not_found_after_seconds must be"),
        );
    }
    // The file says otherwise; nothing is no other word for it.
    for name in [
        "MOZARTO_DATABASE",
        "MOZARTO_ENVIRONMENT",
        "MOZARTO_PUBLIC_URL",
        "MOZARTO_LISTEN",
        "MOZARTO_METRICS_LISTEN",
        "MOZARTO_DATA",
        "MOZARTO_MASTER_KEY_FILE",
        "MOZARTO_LOG_FORMAT",
        "MOZARTO_DATABASE_WITHOUT_TLS",
        "MOZARTO_DATABASE_WAIT_SECONDS",
        "MOZARTO_RETENTION_CALLBACKS_DAYS",
        "MOZARTO_LIMITS_BURST",
        "MOZARTO_LIMITS_TRUSTED_PROXIES",
        "MOZARTO_PROVIDERS_PAYONE_BASE_URL",
        "MOZARTO_PROVIDERS_PAYONE_NOT_FOUND_AFTER_SECONDS",
        "MOZARTO_PROVIDERS_PAYONE_ACCEPT_ASSUMED_PROTOCOL",
    ] {
        let text = format!("{GOOD}database = \"postgres://u:s3cretw0rd@127.0.0.1/d\"\n");
        table.row(format!("{name} is empty"), refused(text, vec![(name, "")], name));
    }
    table.row("an empty key", refused(GOOD.to_owned(), vec![("MOZARTO_MASTER_KEY", "")], "MOZARTO_MASTER_KEY"));
    table.row("what can be meant", async {
        let text = format!(
            "{GOOD}database = \"postgres://u:s3cretw0rd@127.0.0.1:5432,127.0.0.1:5433/d?sslmode=disable\"\n\
             [providers.payone]\nnot_found_after_seconds = 60\nbase_url = \"HTTPS://api.provider.example/v1\"\n"
        );
        let output = check(&text, &[])?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
    table.end().await;
}

/// Everybody on the machine can read the arguments of a process, whatever the form of the address.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_typed() {
    let mut table = Table::new("addresses with a password");
    for (address, word) in [
        ("postgres://u:s3cretw0rd@127.0.0.1:1/d", "holds a password"),
        ("postgres://u:s3cretw0rd@127.0.0.1:1,127.0.0.1:2/d", "holds a password"),
        ("postgres://u:s3cretw0rd@h1:5432,h2:5432/d?sslmode=verify-full", "holds a password"),
        ("postgres://127.0.0.1:1,127.0.0.1:2/d?user=u&password=s3cretw0rd", "holds a password"),
        ("host=127.0.0.1 port=1 user=u password=s3cretw0rd", "holds a password"),
        ("postgres://u:s3cretw0rd@[::1/d", "holds a password"),
        ("", "is empty"),
    ] {
        table.row(address, async move {
            let data = tempfile::tempdir()?;
            let mut command = without_ours(&["sandbox", "--json", "--port", "0", "--simulator-port", "0", "--shop-port", "0"]);
            command.arg("--database").arg(address).arg("--data").arg(data.path());
            let mut child = tokio::process::Command::from(command);
            let child = child.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            let output = tokio::time::timeout(std::time::Duration::from_secs(40), child.wait_with_output()).await;
            let output = output.context("it goes on running")??;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(1) && said.contains(word), "{:?}: {said}", output.status.code());
            ensure!(!said.contains(SECRET), "it says too much: {said}");
            Ok(())
        });
    }
    table.end().await;
}

/// The configuration in the environment, over the key of a sandbox's directory.
fn production(data: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = without_ours(arguments);
    command.env("MOZARTO_ENVIRONMENT", "production").env("MOZARTO_PUBLIC_URL", "https://pay.example");
    command.env("MOZARTO_LISTEN", "127.0.0.1:0").env("MOZARTO_METRICS_LISTEN", "off");
    command.env("MOZARTO_DATA", data).env("MOZARTO_MASTER_KEY_FILE", data.join("master.key"));
    command
}

/// A store without the word: a simulator's address is any loopback, private or link-local host, as it is where an address is set.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulators_address_is_evidence_wherever_it_is() {
    let data = tempfile::tempdir().expect("a directory");
    let options = testkit::sandbox::Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off");
    let mut sandbox = testkit::sandbox::Sandbox::start(options).await.expect("a sandbox");
    sandbox.terminate().await.expect("an end");
    let (source, mut table) = (data.path().to_owned(), Table::with_at_once("evidence", 2));
    for (address, evidence) in [
        ("http://10.0.0.5:8081/payone", true),
        ("http://172.16.3.4/payone", true),
        ("http://192.168.1.2:8081", true),
        ("http://169.254.7.7/payone", true),
        ("http://0.0.0.0:8081", true),
        ("http://Localhost:8081", true),
        ("http://simulators.internal/payone", true),
        ("http://[fd00::1]:8081/payone", true),
        ("http://2130706433:8081/payone", true),
        // What is stored of its credentials names no environment.
        ("https://api.provider.example/v1", false),
    ] {
        let source = source.clone();
        table.row(address, async move {
            let copy = tempfile::tempdir()?;
            for entry in std::fs::read_dir(&source)? {
                let entry = entry?;
                if entry.file_type()?.is_file() && entry.file_name() != "sandbox.json" {
                    std::fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
                }
            }
            let db = rusqlite::Connection::open(copy.path().join("mozarto.db"))?;
            db.execute_batch(
                "DELETE FROM instance WHERE name = 'environment'; DELETE FROM payment_methods WHERE psp_type <> 'PAYONE'",
            )?;
            db.execute("UPDATE payment_methods SET config = ?1", [serde_json::json!({"baseUrl": address}).to_string()])?;
            drop(db);
            let output = production(copy.path(), &["migrate", "--environment", "production"]).output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            let refused = output.status.code() == Some(1) && said.contains("never opened as production");
            ensure!(if evidence { refused } else { output.status.success() }, "{:?}: {said}", output.status.code());
            Ok(())
        });
    }
    table.end().await;
}
