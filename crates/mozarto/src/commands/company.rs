//! `mozarto company`.

use super::store_of;
use crate::cli::{CompanyCommand, StoreArgs};
use anyhow::{Context, Result};
use domain::company::CredentialKind;
use domain::{CompanyId, Scope};
use engine::directory::change::{Actor, CompanyPatch, NewCompany, NewCredential};
use serde_json::json;
use store::repository::companies;

/// Companies read at once.
const PAGE: u32 = 200;

/// Runs the command.
pub(crate) async fn run(command: CompanyCommand) -> Result<()> {
    match command {
        CompanyCommand::Create { name, currency, country, store } => create(name, currency, country, &store).await,
        CompanyCommand::List { store } => list(&store).await,
        CompanyCommand::Suspend { id, lift, store } => suspend(&id, lift, &store).await,
    }
}

async fn create(name: String, currency: String, country: String, args: &StoreArgs) -> Result<()> {
    let (engine, _data) = store_of::open(args).await?.engine().await?;
    let changes = engine.changes(Actor::operator());
    let company = changes.create_company(&NewCompany { name, billing_currency: currency, country }).await?;
    let id = company.company.id;
    let api =
        NewCredential { kind: CredentialKind::Company, name: "First API credential".into(), scopes: Scope::COMPANY.to_vec() };
    let api = changes.create_credential(id, &api).await?;
    let management = NewCredential {
        kind: CredentialKind::Management,
        name: "First management credential".into(),
        scopes: Scope::MANAGEMENT.to_vec(),
    };
    let management = changes.create_credential(id, &management).await?;
    let shown = json!({
        "companyId": id.to_string(),
        "companyToken": api.token.expose(),
        "apiKey": api.api_key,
        "apiSecret": api.api_secret.as_ref().map(|secret| secret.expose()),
        "managementToken": management.token.expose(),
    });
    if args.json {
        println!("{shown}");
    } else {
        eprintln!("Company {} is made. What follows is shown this once:", company.company.name);
        for (name, value) in shown.as_object().into_iter().flatten() {
            println!("{name:>16}  {}", value.as_str().unwrap_or_default());
        }
    }
    Ok(())
}

async fn list(args: &StoreArgs) -> Result<()> {
    let store = store_of::open(args).await?;
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = companies::list(store.db.as_ref(), after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        rows.extend(page.iter().map(|company| {
            json!({"companyId": company.id.to_string(), "name": company.name, "suspended": company.suspended, "createdAt": company.created_at.to_string()})
        }));
    }
    let columns = [("Company", "companyId"), ("Name", "name"), ("Suspended", "suspended"), ("Created", "createdAt")];
    super::client::print_list(&json!({ "items": rows }), args.json, &columns);
    Ok(())
}

async fn suspend(id: &str, lift: bool, args: &StoreArgs) -> Result<()> {
    let company: CompanyId = id.parse().context("the company's id must be 24 hex digits")?;
    let (engine, _data) = store_of::open(args).await?.engine().await?;
    let patch = CompanyPatch { suspended: Some(!lift), ..CompanyPatch::default() };
    engine.changes(Actor::operator()).update_company(company, &patch).await?;
    let word = if lift { "working again" } else { "suspended" };
    if args.json {
        println!("{}", json!({"companyId": id, "suspended": !lift}));
    } else {
        println!("{id} is {word}");
    }
    Ok(())
}
