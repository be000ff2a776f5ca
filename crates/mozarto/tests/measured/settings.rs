//! Settings that cannot be meant are refused, with the name of their file.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use testkit::table::Table;
use testkit::world::{Hands, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const KEY: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
/// A word that no message may repeat.
const SECRET: &str = "s3cretw0rd";
const GOOD: &str = "environment = \"production\"\npublic_url = \"https://pay.example\"\n";

/// `config check` with this file and nothing of ours in the environment but the key.
fn check(file: &Path, text: &str, key: &str) -> Result<Output> {
    std::fs::write(file, text)?;
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(["config", "check", "--config"]).arg(file).env("MOZARTO_MASTER_KEY", key).stdin(Stdio::null());
    command.output().context("starting it")
}

async fn refused(text: String, key: &'static str, words: &'static [&'static str]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("its-name.toml");
    let output = check(&file, &text, key)?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    ensure!(output.status.code() == Some(1), "exit code {:?}: {said}", output.status.code());
    ensure!(said.contains("its-name.toml"), "the file is not named: {said}");
    for word in words {
        ensure!(said.contains(word), "{word:?} is not in: {said}");
    }
    ensure!(!said.contains(SECRET) && !said.contains("panicked"), "it says too much: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_by_name_and_without_its_text() {
    let mut table = Table::new("settings");
    let with = |line: &str| format!("environment = \"production\"\n{line}\n");
    for url in [
        "https://pay.example?x=1",
        "https://pay.example/#top",
        "https://user@pay.example",
        "https://user:s3cretw0rd@pay.example",
        "https://@pay.example",
        "https://pay.example?",
        "https://pay.example#",
        "https://pay.example /x",
        " https://pay.example",
        "https:\\\\\\\\pay.example",
        "ftp://pay.example",
        "pay.example",
    ] {
        table.row(format!("public_url {url}"), refused(with(&format!("public_url = \"{url}\"")), KEY, &["public_url must be"]));
    }
    for (line, words) in [
        ("[limits]\nconnections = 0", &["limits.connections"][..]),
        ("[limits]\nconnections_per_peer = 0", &["limits.connections_per_peer"]),
        ("[limits]\nin_flight = 0", &["limits.in_flight"]),
        ("[limits]\nmanagement_reserve = 1024", &["limits.management_reserve"]),
        ("[limits]\nin_flight_per_company = 5000", &["limits.in_flight_per_company"]),
        ("[limits]\nrequests_per_second = 0", &["line 4, column"]),
        ("[limits]\ntrusted_proxies = [\"0.0.0.0/0\"]", &["limits.trusted_proxies: entry 1"]),
        ("[limits]\ntrusted_proxies = [\"s3cretw0rd\"]", &["limits.trusted_proxies: entry 1"]),
        ("metrics_listen = \"here\"", &["metrics_listen must be"]),
        ("listen = \"127.0.0.1:9464\"", &["metrics_listen must be another"]),
        ("[providers.payone]\nbase_url = \"https://u:s3cretw0rd@x.example\"", &["providers.payone.base_url must be"]),
        ("database = \"mysql://u:s3cretw0rd@h/d\"", &["database must be"]),
        // An `@` in the password that is not escaped: what is taken for the host is a part of it.
        ("database = \"postgres://u:p@s3cretw0rd@db.example/d\"", &["written as %40"]),
        ("database = \"postgres://u:p@s3cretw0rd@db.example/d?sslmode=disable\"", &["written as %40"]),
        ("database = \"postgres://u:p@s3cretw0rd@127.0.0.1/d\"", &["written as %40"]),
        ("data = \"postgres://u:s3cretw0rd@db.example/d\"", &["data must be a directory"]),
        // Slips of the pen on the line that holds the password.
        ("database = postgres://u:s3cretw0rd@h/d", &["line 3, column", "not TOML"]),
        ("database = \"postgres://u:s3cretw0rd@h/d", &["line 3, column", "not TOML"]),
        ("database: \"postgres://u:s3cretw0rd@h/d\"", &["line 3, column", "not TOML"]),
        ("databse = \"postgres://u:s3cretw0rd@h/d\"", &["line 3, column 1", "databse is no setting"]),
        ("limits = \"postgres://u:s3cretw0rd@h/d\"", &["line 3, column", "must be a table"]),
        ("database = [\"postgres://u:s3cretw0rd@h/d\"]", &["line 3, column", "must be a string"]),
        ("\"postgres://u:s3cretw0rd@h/d\" = 1", &["line 3, column 1", "no such setting"]),
        ("s3cretw0rd", &["line 3, column", "not TOML"]),
        ("[providers]\ns3cretw0rd = { s3cretw0rd = \"s3cretw0rd\" }", &["line 4, column"]),
    ] {
        table.row(line, refused(format!("{GOOD}{line}\n"), KEY, words));
    }
    for (name, key, words) in [
        (
            "zeros",
            "0000000000000000000000000000000000000000000000000000000000000000",
            &["MOZARTO_MASTER_KEY", "over and over"][..],
        ),
        ("zeros in base64", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &["over and over"]),
        ("one byte", "abababababababababababababababababababababababababababababababab", &["over and over"]),
        ("too short", "s3cretw0rd", &["64 hexadecimal digits"]),
    ] {
        table.row(format!("a master key of {name}"), refused(GOOD.to_owned(), key, words));
    }
    for (name, key) in [
        ("hexadecimal", "8d2d1d9f202122232425262728292a2b2c2d2e2f303132333435363738393a3b"),
        ("base64", "jS0dnyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs="),
    ] {
        table.row(format!("a {name} key where its file belongs"), key_for_a_file(key));
    }
    table.row("help", help());
    table.row("what can be meant", usable());
    table.end().await;
}

/// Whoever puts the key itself where the name of its file belongs is not shown it again.
async fn key_for_a_file(key: &'static str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("its-name.toml");
    std::fs::write(&file, format!("{GOOD}master_key_file = \"{key}\"\n"))?;
    let check = ["config", "check"].map(str::to_owned);
    let migrate = ["migrate"].map(str::to_owned);
    for arguments in [&check[..], &migrate] {
        let output = Command::new(BINARY).args(arguments).arg("--config").arg(&file).stdin(Stdio::null()).output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        ensure!(output.status.code() == Some(1) && said.contains("name the file"), "{said}");
        ensure!(!said.contains(&key[..20]), "it says too much: {said}");
    }
    Ok(())
}

/// What is in the environment is not in the help.
async fn help() -> Result<()> {
    let address = format!("http://u:{SECRET}@h/");
    for arguments in [&["transactions", "list"][..], &["approvals", "list"], &["sandbox"], &["serve"], &["config", "check"]] {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--help").stdin(Stdio::null());
        for name in ["MOZARTO_URL", "MOZARTO_SANDBOX_DATABASE", "MOZARTO_DATABASE", "MOZARTO_TOKEN", "MOZARTO_WEBHOOK_SECRET"] {
            command.env(name, &address);
        }
        let output = command.output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        ensure!(output.status.success() && !said.contains(SECRET), "{arguments:?}: {said}");
    }
    Ok(())
}

async fn usable() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let text = format!(
        "{GOOD}metrics_listen = \"off\"\n[limits]\nconnections = 1\nin_flight = 2\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
         [providers.payone]\nbase_url = \"https://api.provider.example/v1/\"\n"
    );
    let output = check(&directory.path().join("its-name.toml"), &text, KEY)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_named_in_part() {
    let world = World::start(BINARY, &[], |options| options).await.expect("a sandbox");
    let hands = world.hands();
    let mut table = Table::new("strangers");
    // An address of 23 KiB, and a body of 12.
    let query: String = (0..420).map(|n| format!("s{n}{}=1&", "x".repeat(n % 90))).collect();
    for path in ["/transactions", "/payment-methods", "/rules", "/company"] {
        table.row(format!("parameters of {path}"), parameters(hands.clone(), path, query.clone(), 20, "400 more parameters"));
    }
    let twice = "limit=1&".repeat(3_000);
    table.row("one parameter many times", parameters(hands.clone(), "/transactions", twice, 1, "limit must be given once"));
    let members: serde_json::Map<_, _> = (0..2_000).map(|n| (format!("s{n}"), json!(1))).collect();
    table.row("fields of a body", fields(hands.clone(), "/rules", members.clone().into()));
    table.row(
        "fields of a configuration",
        fields(hands.clone(), "/payment-methods", json!({"pspType": "PAYONE", "enabled": true, "config": members})),
    );
    table.end().await;
}

async fn parameters(hands: Hands, path: &str, query: String, named: usize, word: &'static str) -> Result<()> {
    let answer = hands.client.manage("GET", &format!("{path}?{}", query.trim_end_matches('&')), None).await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let errors = answer.body["errors"].as_array().context("errors")?;
    ensure!(errors.len() <= named + 1 && answer.bytes.len() < 8_000, "{} sentences, {} bytes", errors.len(), answer.bytes.len());
    ensure!(errors.iter().any(|error| error.as_str().is_some_and(|text| text.contains(word))), "{word} is not in {errors:?}");
    let longest = errors.iter().filter_map(|error| error.as_str()?.split(' ').next().map(str::len)).max();
    ensure!(longest <= Some(64), "{longest:?} characters of a name");
    Ok(())
}

async fn fields(hands: Hands, path: &str, body: serde_json::Value) -> Result<()> {
    let answer = hands.client.manage("POST", path, Some(body)).await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let errors = answer.body["errors"].as_array().context("errors")?;
    ensure!(errors.iter().any(|error| error == "1980 more fields are not known"), "{errors:?}");
    ensure!(answer.bytes.len() < 8_000, "{} bytes", answer.bytes.len());
    Ok(())
}
