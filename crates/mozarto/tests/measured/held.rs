//! Pay-outs that wait for a person: what leaves, through which account, and what a crash leaves of the moment in which they are
//! made.

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::table::Table;
use testkit::world::{Hands, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(40);
const PSP_TYPES: [&str; 4] = ["PAYONE", "FORUMPAY", "GIGADAT", "CLEO"];

fn id_of(answer: &Answer) -> Result<String> {
    let id = answer.text("/transaction/transactionId");
    ensure!(answer.status == 200 && !id.is_empty(), "{} {}", answer.status, answer.body);
    Ok(id.to_owned())
}

/// Every pay-out of that provider waits for a person.
async fn hold(hands: &Hands, psp_type: &str) -> Result<()> {
    let matching = json!({"pspTypes": [psp_type], "types": ["PAYOUT"]});
    let rule = json!({"name": "hold", "priority": 100, "active": true, "match": matching, "action": {"hold": true}});
    let made = hands.client.manage("POST", "/rules", Some(rule)).await?;
    ensure!(made.status == 201 || made.status == 200, "{} {}", made.status, made.body);
    Ok(())
}

async fn change(hands: &Hands, method: &str, patch: Value) -> Result<()> {
    let answer = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(patch)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

fn cleo_out() -> String {
    r#"{"pspType":"CLEO","type":"PAYOUT","baseamount":62000,"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"CL","beneficiary":{"documentType":"RUT","documentNumber":"12345678-5","bankCode":"001","accountType":"vista","accountNumber":"00012345678"}}"#.to_owned()
}

/// A refused approval: 409 with that sentence, everything as it was, nothing at the provider.
async fn refused(hands: &Hands, provider: &str, id: &str, sentence: &str) -> Result<()> {
    let (before, entries) = (hands.managed(id).await?, hands.entries(provider, id).await?);
    let answer = hands.approve(id).await?;
    ensure!(answer.status == 409 && answer.text("/message") == sentence, "{} {}", answer.status, answer.body);
    let after = hands.managed(id).await?;
    ensure!(before == after, "changed: {before} {after}");
    ensure!(entries == hands.entries(provider, id).await?, "something was sent");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_be_used() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(20)).await.expect("a sandbox");
    for psp_type in ["PAYONE", "CLEO"] {
        hold(&world.hands(), psp_type).await.expect("a rule");
    }
    let mut table = Table::new("held pay-outs");
    let held = [
        ("PAYONE", "payone", bodies::payone("PAYOUT", "100.00"), json!({"apiKey": null}), "apiKey"),
        ("FORUMPAY", "forumpay", bodies::forumpay_out("100.00"), json!({"password": null}), "password"),
        ("GIGADAT", "gigadat", bodies::gigadat_out("ETO", "100.00"), json!({"secret": null}), "secret"),
        ("CLEO", "cleo", cleo_out(), json!({"customerExternalKeyForCleo": null}), "customerExternalKeyForCleo"),
    ];
    for (psp_type, provider, body, without, field) in held {
        table.row(psp_type, of_provider(world.hands(), psp_type, provider, body, without, field));
    }
    table.end().await;
}

async fn of_provider(
    hands: Hands,
    psp_type: &'static str,
    provider: &'static str,
    body: String,
    without: Value,
    field: &'static str,
) -> Result<()> {
    let method = hands.client.method_of(psp_type).await?;
    change(&hands, &method, json!({"config": {"accountName": format!("{psp_type} main")}})).await?;
    let id = id_of(&hands.client.cashier(&body).await?)?;
    hands.client.wait_for(&id, &["OnHold"], LIMIT).await?;
    change(&hands, &method, json!({"enabled": false})).await?;
    refused(&hands, provider, &id, &format!("{psp_type} main is disabled. Enable it, or reject this pay-out.")).await?;
    change(&hands, &method, json!({"enabled": true})).await?;
    change(&hands, &method, json!({"config": without.clone()})).await?;
    let sentence = format!("{psp_type} main is not configured: {field} is missing. Complete it, or reject this pay-out.");
    refused(&hands, provider, &id, &sentence).await?;
    // Rejecting is possible all the same.
    change(&hands, &method, json!({"enabled": false})).await?;
    let rejected = hands.client.manage("POST", &format!("/approvals/{id}/reject"), Some(json!({"reason": "no"}))).await?;
    ensure!(rejected.status == 200, "{} {}", rejected.status, rejected.body);
    hands.client.wait_for(&id, &["Rejected"], LIMIT).await?;
    Ok(())
}

/// What was approved before is still sent.
#[tokio::test(flavor = "multi_thread")]
async fn switched_off_after_the_approval() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(20)).await.expect("a sandbox");
    let hands = world.hands();
    hold(&hands, "PAYONE").await.unwrap();
    let method = hands.client.method_of("PAYONE").await.unwrap();
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYOUT", "100.00")).await.unwrap()).unwrap();
    let approved = hands.approve(&id).await.unwrap();
    assert_eq!(approved.status, 200, "{}", approved.body);
    change(&hands, &method, json!({"enabled": false})).await.unwrap();
    hands.client.wait_for(&id, &["Approved"], LIMIT).await.unwrap();
    let entry = json!({"direction": "out", "amount": "100.00", "currency": "CAD", "state": "settled"});
    hands.moved_once("payone", &id, &entry).await.unwrap();
}

/// Of two processes over one store one switches the account off, and the other is asked to approve at the next moment.
#[tokio::test(flavor = "multi_thread")]
async fn switched_off_by_another_process() {
    let data = tempfile::tempdir().unwrap();
    let database = testkit::postgres::database().await;
    let a =
        Sandbox::start(Options::new(BINARY, data.path()).database(&database.url).variable("MOZARTO_LOG", "off")).await.unwrap();
    let hands = hands_of(&a).await.unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = tokio::process::Command::new(BINARY);
    command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command.env("MOZARTO_ENVIRONMENT", "sandbox").env("MOZARTO_DATABASE", &database.url);
    command.env("MOZARTO_MASTER_KEY_FILE", data.path().join("master.key")).env("MOZARTO_LOG", "off");
    command.env("MOZARTO_PUBLIC_URL", a.text("baseUrl")).env("MOZARTO_LISTEN", address.to_string());
    command.env("MOZARTO_PROVIDERS_FORUMPAY_BASE_URL", format!("{}/forumpay/pay/v2", a.text("simulatorUrl")));
    let _b = command.spawn().unwrap();
    let mut other = hands.client.clone();
    other.base = format!("http://{address}");
    let until = Instant::now() + LIMIT;
    while !other.send("GET", &format!("{}/readyz", other.base), &[], None).await.is_ok_and(|answer| answer.status == 200) {
        assert!(Instant::now() < until, "the second process is not ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let method = hands.client.method_of("FORUMPAY").await.unwrap();
    for _ in 0..5 {
        change(&hands, &method, json!({"enabled": true})).await.unwrap();
        let id = id_of(&hands.client.cashier(&bodies::forumpay_out("100.00")).await.unwrap()).unwrap();
        // So that the other process has the company in its hands as it was.
        other.status(&id).await.unwrap();
        change(&hands, &method, json!({"enabled": false})).await.unwrap();
        let answer = other.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await.unwrap();
        assert_eq!(answer.status, 409, "{}", answer.body);
        assert!(answer.text("/message").ends_with("is disabled. Enable it, or reject this pay-out."), "{}", answer.body);
        assert_eq!(other.status(&id).await.unwrap().text("/data/transaction_status"), "OnHold");
    }
}

// --- one commit -------------------------------------------------------------------------------

struct Switch(PathBuf);

impl Switch {
    fn set(&self, on: bool) -> Result<()> {
        if on {
            std::fs::write(&self.0, "")?;
        } else {
            std::fs::remove_file(&self.0)?;
        }
        Ok(())
    }
}

fn stored(data: &Path, amount_minor: i64) -> Result<Vec<(String, String)>> {
    let db = Connection::open(data.join("mozarto.db"))?;
    db.busy_timeout(Duration::from_secs(10))?;
    let mut statement = db.prepare("SELECT id, status FROM transactions WHERE amount_minor = ?1")?;
    let rows = statement.query_map([amount_minor], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
}

/// Whatever the store takes of a creation before the process dies, it is whole: the first commit of it goes through, every later
/// one fails, then the process is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commits_changes_no_outcome() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch(data.path().join("fault"));
    let options = |from: u32| {
        let order = format!("commit:{from}@{}", switch.0.display());
        Options::new(BINARY, data.path()).time_scale(20).variable("MOZARTO_FAULT", &order).variable("MOZARTO_LOG", "off")
    };
    let mut sandbox = Sandbox::start(options(2)).await.unwrap();
    let hands = hands_of(&sandbox).await.unwrap();
    hold(&hands, "PAYONE").await.unwrap();
    // The same voucher while its first redeem hangs.
    let lost = hands.client.control("POST", "/flexepin/1000000800003100/lost", Some(json!({}))).await.unwrap();
    assert_eq!(lost.status, 200, "{}", lost.body);
    let in_flight = {
        let client = hands.client.clone();
        tokio::spawn(async move { client.cashier(&bodies::flexepin(8, 3_100)).await })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The first commit about a voucher in flight is the one that is refused because it is.
    for (what, from, body, minor, ending) in [
        ("a pay-out that a rule holds", 2, bodies::payone("PAYOUT", "77.77"), 7_777, "OnHold"),
        ("a voucher in flight", 3, bodies::flexepin(8, 3_100), 3_100, "Declined"),
        ("a page of ours", 2, bodies::trust("EUR", "66.66"), 6_666, "Pending"),
    ] {
        sandbox.kill().await.unwrap();
        sandbox = Sandbox::start(options(from)).await.unwrap();
        let known: Vec<String> = stored(data.path(), minor).unwrap().into_iter().map(|(id, _)| id).collect();
        let until = Instant::now() + LIMIT;
        let id = loop {
            assert!(Instant::now() < until, "{what}: nothing is ever stored");
            let hands = hands_of(&sandbox).await.unwrap();
            switch.set(true).unwrap();
            let call = tokio::spawn({
                let (client, body) = (hands.client.clone(), body.clone());
                async move { client.cashier(&body).await }
            });
            tokio::time::sleep(Duration::from_millis(400)).await;
            sandbox.kill().await.unwrap();
            let _ = call.await;
            switch.set(false).unwrap();
            sandbox = Sandbox::start(sandbox.options.clone()).await.unwrap();
            // Another commit of the process may have been the first one.
            let new = stored(data.path(), minor).unwrap().into_iter().find(|(id, _)| !known.contains(id));
            if let Some((id, _)) = new {
                break id;
            }
        };
        let hands = hands_of(&sandbox).await.unwrap();
        let data = hands.client.wait_for(&id, &[ending], Duration::from_secs(10)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let later = hands.client.status(&id).await.unwrap();
        assert_eq!(later.text("/data/transaction_status"), ending, "{what}: {data:?} {}", later.body);
    }
    let _ = in_flight.await;
}

async fn hands_of(sandbox: &Sandbox) -> Result<Hands> {
    let sink =
        testkit::sink::Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await.context("a sink")?;
    Ok(Hands { client: Client::of(sandbox), sink })
}
