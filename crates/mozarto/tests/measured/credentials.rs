//! Who may hand out what, and who decides about whose pay-outs.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Answer, Client, bodies};
use testkit::table::Table;
use testkit::world::World;

/// The same client with another management token.
fn with_token(client: &Client, token: &str) -> Client {
    let mut other = client.clone();
    token.clone_into(&mut other.management_token);
    other
}

/// The same client with another company token.
fn paying_with(client: &Client, token: &str) -> Client {
    let mut other = client.clone();
    token.clone_into(&mut other.company_token);
    other
}

/// A credential of a kind, made by whoever holds the client's management token. Answers its id and its token.
async fn made(client: &Client, kind: &str, scopes: &[&str]) -> Result<(String, String)> {
    let answer = make(client, kind, Some(scopes)).await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
    Ok((answer.text("/data/id").to_owned(), answer.text("/data/token").to_owned()))
}

async fn make(client: &Client, kind: &str, scopes: Option<&[&str]>) -> Result<Answer> {
    let mut body = json!({"kind": kind, "name": "made in a test"});
    if let Some(scopes) = scopes {
        body["scopes"] = json!(scopes);
    }
    client.manage("POST", "/credentials", Some(body)).await
}

/// A pay-out that waits for a person.
async fn held(client: &Client) -> Result<String> {
    let answer = client.cashier(&bodies::forumpay_out("25.00")).await?;
    ensure!(answer.text("/transaction/transaction_status") == "OnHold", "{}", answer.body);
    Ok(answer.text("/transaction/transactionId").to_owned())
}

async fn approve(client: &Client, id: &str) -> Result<Answer> {
    client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hands_out_what_they_lack() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let all = &world.client;
    let mut table = Table::new("handing out");
    let scopes = ["read", "operate", "configure", "approve", "own"];
    // Every set of scopes with `own`, against every scope alone.
    for mask in 0..16_u32 {
        let mut held: Vec<&str> = (0..4).filter(|bit| mask & (1 << bit) != 0).map(|bit| scopes[bit]).collect();
        held.push("own");
        let (_, token) = made(all, "management", &held).await.expect("a maker");
        let maker = with_token(all, &token);
        for scope in scopes {
            let expected = if held.contains(&scope) { 200 } else { 403 };
            table.row_alone(format!("{held:?} gives {scope}"), gives(&maker, "management", scope, expected)).await;
        }
        let read = if held.contains(&"read") { 200 } else { 403 };
        table.row_alone(format!("{held:?} gives a company's read"), gives(&maker, "company", "read", read)).await;
        table.row_alone(format!("{held:?} gives payout"), gives(&maker, "company", "payout", 200)).await;
        table.row_alone(format!("{held:?} gives all that it may by itself"), default_of(&maker, held.contains(&"read"))).await;
    }
    table.row_alone("rotating what may do more", rotated(all)).await;
    table.end().await;
}

async fn gives(maker: &Client, kind: &str, scope: &str, expected: u16) -> Result<()> {
    let answer = make(maker, kind, Some(&[scope])).await?;
    ensure!(answer.status == expected, "{} instead of {expected}: {}", answer.status, answer.body);
    ensure!(expected == 200 || answer.text("/message").ends_with(&format!("does not have: {scope}")), "{}", answer.body);
    if expected == 200 {
        let path = format!("/credentials/{}", answer.text("/data/id"));
        ensure!(maker.manage("DELETE", &path, None).await?.status == 200, "revoking it");
    }
    Ok(())
}

async fn default_of(maker: &Client, reads: bool) -> Result<()> {
    let answer = make(maker, "company", None).await?;
    let expected = if reads { json!(["payin", "payout", "read"]) } else { json!(["payin", "payout"]) };
    ensure!(answer.status == 200 && answer.body["data"]["scopes"] == expected, "{}", answer.body);
    ensure!(
        maker.manage("DELETE", &format!("/credentials/{}", answer.text("/data/id")), None).await?.status == 200,
        "revoking it"
    );
    Ok(())
}

/// Whoever rotates a credential holds its secret afterwards.
async fn rotated(all: &Client) -> Result<()> {
    let (approver, token) = made(all, "management", &["approve"]).await?;
    let (_, own) = made(all, "management", &["own"]).await?;
    let owner = with_token(all, &own);
    let answer = owner.manage("POST", &format!("/credentials/{approver}/rotate"), Some(json!({}))).await?;
    ensure!(answer.status == 403 && answer.body.pointer("/data/token").is_none(), "{}", answer.body);
    let unknown = approve(&with_token(all, &token), "64a1f2b3c4d5e6f7a8b9c0d1").await?;
    ensure!(unknown.status == 404, "the token before is still good: {}", unknown.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_credentials_is_one_maker() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let all = &world.client;
    let mut table = Table::new("maker and checker");
    table.row_alone("the seeded pair are two", seeded(all)).await;
    table.row_alone("made, paid, decided by the maker", direct(all)).await;
    table.row_alone("two that one made", siblings(all)).await;
    table.row_alone("a chain of three", chain(all)).await;
    table.row_alone("the payer is revoked before", revoked(all)).await;
    table.row_alone("rotated instead of made", rotation(all)).await;
    table.row_alone("rejecting is deciding", rejecting(all)).await;
    table.end().await;
}

async fn refused(client: &Client, id: &str) -> Result<()> {
    let answer = approve(client, id).await?;
    ensure!(answer.status == 403, "{}: {}", answer.status, answer.body);
    let stands = client.manage("GET", &format!("/transactions/{id}"), None).await?;
    ensure!(stands.status == 403 || stands.text("/data/transaction_status") == "OnHold", "{}", stands.body);
    Ok(())
}

async fn seeded(all: &Client) -> Result<()> {
    let answer = approve(all, &held(all).await?).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    Ok(())
}

async fn direct(all: &Client) -> Result<()> {
    let (_, maker) = made(all, "management", &["own", "approve", "read"]).await?;
    let maker = with_token(all, &maker);
    let (_, payer) = made(&maker, "company", &["payout"]).await?;
    let id = held(&paying_with(all, &payer)).await?;
    refused(&maker, &id).await?;
    // It was made by the demo's token, which is behind both.
    refused(all, &id).await
}

async fn siblings(all: &Client) -> Result<()> {
    let (_, payer) = made(all, "company", &["payout"]).await?;
    let (_, checker) = made(all, "management", &["approve", "read"]).await?;
    refused(&with_token(all, &checker), &held(&paying_with(all, &payer)).await?).await
}

async fn chain(all: &Client) -> Result<()> {
    let (_, first) = made(all, "management", &["own", "read", "approve"]).await?;
    let (_, second) = made(&with_token(all, &first), "management", &["own"]).await?;
    let (_, payer) = made(&with_token(all, &second), "company", &["payout"]).await?;
    refused(&with_token(all, &first), &held(&paying_with(all, &payer)).await?).await
}

async fn revoked(all: &Client) -> Result<()> {
    let (payer_id, payer) = made(all, "company", &["payout"]).await?;
    let id = held(&paying_with(all, &payer)).await?;
    ensure!(all.manage("DELETE", &format!("/credentials/{payer_id}"), None).await?.status == 200, "revoking");
    refused(all, &id).await
}

/// The demo's company credential, rotated by the demo's management token: from then on the two are one.
async fn rotation(all: &Client) -> Result<()> {
    let before = held(all).await?;
    let list = all.manage("GET", "/credentials?limit=200", None).await?;
    let items = list.body["data"]["items"].as_array().cloned().unwrap_or_default();
    let demo =
        items.iter().find(|one| one["name"] == "Demo API").and_then(|one| one["id"].as_str()).unwrap_or_default().to_owned();
    let rotated = all.manage("POST", &format!("/credentials/{demo}/rotate"), Some(json!({}))).await?;
    ensure!(rotated.status == 200, "{}", rotated.body);
    refused(all, &before).await?;
    refused(all, &held(&paying_with(all, rotated.text("/data/token"))).await?).await
}

async fn rejecting(all: &Client) -> Result<()> {
    let (_, payer) = made(all, "company", &["payout"]).await?;
    let id = held(&paying_with(all, &payer)).await?;
    let answer = all.manage("POST", &format!("/approvals/{id}/reject"), Some(json!({"reason": "no"}))).await?;
    ensure!(answer.status == 403 && answer.body["data"] == Value::Null, "{}", answer.body);
    Ok(())
}
