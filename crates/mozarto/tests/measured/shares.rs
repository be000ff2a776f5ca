//! One company, provider or peer at its worst: nobody else notices.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client, bodies};
use testkit::world::{Hands, World};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(20);
/// Of 40 places, 4 are Management's alone.
const EVERYBODYS: u64 = 36;
/// More than there are places.
const CALLS: usize = 60;
/// The provider's simulator says nothing to this amount.
const SILENT: &str = "100.05";

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_provider_and_clients_that_hang_up() {
    attack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_before_anybody_looked_is_not_served() {
    let world = World::start(BINARY, &["PAYONE"], |options| options).await.unwrap();
    let hands = world.hands();
    let process = world.sandbox.process_id().unwrap();
    signal(process, "-STOP").unwrap();
    let asked = ask_and_leave(&hands).await;
    signal(process, "-CONT").unwrap();
    asked.unwrap();
    answers("one that stays", 200, hands.client.cashier(&bodies::payone("PAYIN", "100.00"))).await.unwrap();
    let list = hands.client.read("/v1/api/mozarto/transactions").await.unwrap();
    let made = list.body["data"]["items"].as_array().unwrap();
    assert_eq!(made.len(), 1, "{}", list.body);
    assert_eq!(hands.calls("payone").await.unwrap(), 1);
}

/// Whole requests of clients that hang up, while nobody is there to take them.
async fn ask_and_leave(hands: &Hands) -> Result<()> {
    for _ in 0..50 {
        send(hands, &bodies::payone("PAYIN", "100.00")).await?.set_zero_linger()?;
    }
    Ok(())
}

fn signal(process: u32, signal: &str) -> Result<()> {
    ensure!(Command::new("kill").args([signal, &process.to_string()]).status()?.success(), "it could not be signalled");
    Ok(())
}

/// Makes another company before the sandbox runs; answers its tokens.
fn another_company(data: &Path) -> Result<Value> {
    let mut command = Command::new(BINARY);
    let output =
        command.args(["company", "create", "--name", "Other Ltd", "--country", "DE", "--json", "--data"]).arg(data).output()?;
    serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A caller for it, with an account at the provider that will be silent.
async fn with_account(hands: &Hands, company: &Value) -> Result<Client> {
    let text = |name: &str| company[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {company}"));
    let mut client = hands.client.clone();
    (client.company_token, client.management_token) = (text("companyToken")?, text("managementToken")?);
    let config = json!({
        "accountName": "Demo company", "apiKey": "payone-demo-key-0001", "webhookUrl": "https://other.example/", "siteUrl": "https://other.example/",
        "baseUrl": format!("{}/payone", client.simulator),
    });
    let made = client.manage("POST", "/payment-methods", Some(json!({"pspType": "PAYONE", "config": config}))).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    let rule = json!({"name": "All", "priority": 1, "active": true, "match": {"pspTypes": [], "brandIds": [], "types": []}, "action": {"route": [], "hold": false}});
    let made = client.manage("POST", "/rules", Some(rule)).await?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    Ok(client)
}

/// A Cashier call by hand, on a connection of its own.
async fn send(hands: &Hands, body: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(hands.client.base.trim_start_matches("http://")).await?;
    let head = format!(
        "POST /v1/api/mozarto/cashier HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-user-token: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        hands.client.company_token,
        hands.client.user_token,
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

fn is_over_a_share(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 429 && answer.header("retry-after") == Some("1"), "{} {}", answer.status, answer.body);
    ensure!(answer.text("/message") == "Too many requests", "{}", answer.body);
    Ok(())
}

async fn answers(what: &str, status: u16, answer: impl Future<Output = Result<Answer>>) -> Result<Answer> {
    let began = Instant::now();
    let answer = answer.await.with_context(|| what.to_owned())?;
    ensure!(answer.status == status, "{what}: {} {}", answer.status, answer.body);
    ensure!(began.elapsed() < Duration::from_secs(5), "{what}: {:?}", began.elapsed());
    Ok(answer)
}

async fn attack() -> Result<()> {
    let data = tempfile::tempdir()?;
    let other = another_company(data.path())?;
    let set = |options: testkit::sandbox::Options| {
        options.variable("MOZARTO_LIMITS_IN_FLIGHT", "40").variable("MOZARTO_LIMITS_MANAGEMENT_RESERVE", "4")
    };
    let world = World::start_in(data, BINARY, &["PAYONE", "FORUMPAY"], set).await?;
    let hands = world.hands();
    let other = with_account(&hands, &other).await?;
    let held = answers("a pay-out that waits for approval", 200, hands.client.cashier(&bodies::forumpay_out("100.00"))).await?;
    let held = held.text("/transaction/transactionId").to_owned();
    // Nobody else has asked for a while.
    tokio::time::sleep(Duration::from_secs(2)).await;

    // Every client hangs up; what it asked for goes on, and so does its place.
    for n in 0..CALLS {
        let mut stream = send(&hands, &bodies::payone("PAYIN", SILENT)).await?;
        let until = Instant::now() + LIMIT;
        while n < EVERYBODYS as usize && hands.calls("payone").await? <= n as u64 {
            ensure!(Instant::now() < until, "call {n} does not reach the provider");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if n % 2 == 0 {
            stream.set_zero_linger()?;
        } else {
            stream.shutdown().await?;
        }
    }
    let full = hands.client.cashier(&bodies::payone("PAYIN", SILENT)).await?;
    ensure!(full.status == 503 && full.header("retry-after") == Some("1"), "{} {}", full.status, full.body);
    ensure!(full.text("/message") == "The service is at its limit", "{}", full.body);
    let reached = hands.calls("payone").await?;
    ensure!(reached == EVERYBODYS, "{reached} calls were in flight, not {EVERYBODYS}: alone, all but the reserve may be used");

    others_are_answered(&hands, &other, &held).await
}

async fn others_are_answered(hands: &Hands, other: &Client, held: &str) -> Result<()> {
    // Reading, Management and approvals.
    for _ in 0..20 {
        answers("a list", 200, hands.client.read("/v1/api/mozarto/transactions")).await?;
        answers("Management", 200, hands.client.manage("GET", "/approvals", None)).await?;
    }
    answers("an approval", 200, hands.approve(held)).await?;
    hands.ends_as(held, "Approved", "confirmed", LIMIT).await.map(drop).or_else(still_open)?;
    // The company's other provider; and from now on the silent one is not alone.
    for _ in 0..5 {
        answers("another provider", 200, hands.client.cashier(&bodies::forumpay_in("100.00"))).await?;
    }
    is_over_a_share(&hands.client.cashier(&bodies::payone("PAYIN", SILENT)).await?)?;
    // Another company, at the silent provider too, which is not silent to it.
    for _ in 0..20 {
        answers("another company", 200, other.cashier(&bodies::payone("PAYIN", "100.00"))).await?;
        answers("another company's list", 200, other.read("/v1/api/mozarto/transactions")).await?;
    }
    for _ in 0..5 {
        is_over_a_share(&hands.client.cashier(&bodies::payone("PAYIN", SILENT)).await?)?;
    }
    Ok(())
}

/// The approved pay-out left; whether the network has confirmed it yet is the simulator's business.
fn still_open(error: anyhow::Error) -> Result<()> {
    ensure!(error.to_string().contains("\"Pending\""), "{error:#}");
    Ok(())
}
