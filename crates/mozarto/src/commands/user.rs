//! `mozarto user`.

use super::store_of;
use crate::cli::UserCommand;
use crate::sandbox::hash;
use anyhow::{Context, Result};
use base64::Engine as _;
use domain::{CompanyId, Secret};
use engine::directory::change::{Actor, NewUser};
use engine::random::Random;
use serde_json::json;

/// Runs the command.
pub(crate) async fn run(command: UserCommand) -> Result<()> {
    let UserCommand::Create { company, email, store } = command;
    let company: CompanyId = company.parse().context("the company's id must be 24 hex digits")?;
    let (engine, _data) = store_of::open(&store).await?.engine().await?;
    let password = Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Random::default().bytes::<12>()));
    let new = NewUser {
        email,
        first_name: "Owner".into(),
        last_name: "Account".into(),
        role: "owner".into(),
        password_hash: hash(&password)?,
    };
    let user = engine.changes(Actor::operator()).create_user(company, &new).await?;
    if store.json {
        println!("{}", json!({"email": user.email, "password": password.expose()}));
    } else {
        eprintln!("The account is made. Its password is shown this once:");
        println!("{}  {}", user.email, password.expose());
    }
    Ok(())
}
