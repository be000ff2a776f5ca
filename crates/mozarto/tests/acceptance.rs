//! The acceptance script over both stores. It is a program of its own, in another language, so that it shares nothing with the
//! product but the contract.

use std::path::PathBuf;
use std::process::Command;

/// Runs the script against a sandbox that it starts itself, with its output as the test's.
fn accept(more: &[&str]) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../acceptance/sandbox.py");
    let output = Command::new("python3")
        .arg(&script)
        .args(["--binary", env!("CARGO_BIN_EXE_mozarto")])
        .args(more)
        .output()
        .expect("python3 runs the acceptance script");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(
        output.status.success(),
        "the acceptance script ended with {}:\n{}\n{}",
        output.status,
        failed.join("\n"),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.lines().filter(|line| line.starts_with("ok")).count() > 2000, "the script checked too little:\n{said}");
    println!("{said}");
}

#[test]
fn the_sandbox_over_the_embedded_store() {
    accept(&[]);
}

#[tokio::test]
async fn the_sandbox_over_postgresql() {
    let database = testkit::postgres::database().await;
    let url = database.url.clone();
    tokio::task::spawn_blocking(move || accept(&["--database", &url])).await.expect("the acceptance script over PostgreSQL");
}
