//! `mozarto user`.

use super::store_of;
use crate::cli::{StoreArgs, UserCommand};
use crate::sandbox::hash;
use anyhow::{Context, Result};
use base64::Engine as _;
use domain::{CompanyId, Secret};
use engine::directory::change::{Actor, NewUser};
use engine::random::Random;
use serde_json::json;

/// Runs the command.
pub(crate) async fn run(command: UserCommand) -> Result<()> {
    match command {
        UserCommand::Create { company, email, store } => create(&company, email, &store).await,
        UserCommand::ResetPassword { company, email, store } => reset_password(&company, &email, &store).await,
    }
}

async fn create(company: &str, email: String, args: &StoreArgs) -> Result<()> {
    let company = id(company)?;
    let (engine, _data) = store_of::open(args).await?.engine().await?;
    let password = new_password();
    let new = NewUser {
        email,
        first_name: "Owner".into(),
        last_name: "Account".into(),
        role: "owner".into(),
        password_hash: hash(&password)?,
    };
    let user = engine.changes(Actor::operator()).create_user(company, &new).await?;
    tell("The account is made. Its password is shown this once:", &user.email, &password, args.json);
    Ok(())
}

async fn reset_password(company: &str, email: &str, args: &StoreArgs) -> Result<()> {
    let company = id(company)?;
    let (engine, _data) = store_of::open(args).await?.engine().await?;
    let password = new_password();
    let user = engine.changes(Actor::operator()).reset_password(company, email, &hash(&password)?).await?;
    tell("The password is new. It is shown this once:", &user.email, &password, args.json);
    Ok(())
}

fn id(company: &str) -> Result<CompanyId> {
    company.parse().context("the company's id must be 24 hex digits")
}

fn new_password() -> Secret {
    Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Random::default().bytes::<12>()))
}

fn tell(what: &str, email: &str, password: &Secret, as_json: bool) {
    if as_json {
        println!("{}", json!({"email": email, "password": password.expose()}));
    } else {
        eprintln!("{what}");
        println!("{email}  {}", password.expose());
    }
}
