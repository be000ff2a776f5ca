//! `mozarto trigger`: sends a provider's published example with an amount whose last two digits make its simulator do something
//! in particular, and prints the transaction's timeline as it happens.

use super::client::{Client, cell};
use super::transactions::event_line;
use crate::cli::{Cli, TriggerArgs};
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::CommandFactory;
use clap::error::ErrorKind;
use domain::{Json, Operation, Secret};
use engine::random::Random;
use providers::Provider;
use providers::demo::Demo;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TRANSACTIONS: &str = "/v1/api/mozarto/transactions";
/// How often the transaction is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// An outcome that changes again (a late success) or is told twice does so soon after: that long is watched after the end.
const LINGER: Duration = Duration::from_secs(4);
/// Scenarios in which something comes after the end, or may come twice (providers/common, "Simulators").
const LINGERING: [u8; 3] = [8, 9, 10];
/// A page that presses Pay by itself has done so by then, or is waiting for a person.
const PAGE_PATIENCE: Duration = Duration::from_secs(3);
/// Statuses that nothing but a late success or a reversal changes.
const FINAL: [&str; 7] = ["Approved", "Declined", "Cancelled", "Expired", "Rejected", "Failed", "Reversed"];

/// Sends and watches.
pub(crate) async fn run(args: TriggerArgs) -> Result<()> {
    let provider = providers::by_name(&args.provider).context("an unknown provider")?;
    let operation = if args.payout { Operation::PayOut } else { Operation::PayIn };
    let Some(mut demo) = Demo::of(provider, operation, args.scenario, Random::default().number()) else {
        let what = format!("{} has no {}", provider.descriptor().title, operation.as_str());
        Cli::command().error(ErrorKind::ArgumentConflict, what).exit()
    };
    let token = user_token(&mut demo)?;
    // The transaction is found by it while the provider still keeps the call waiting.
    let reference = format!("trigger-{}", hex::encode(Random::default().bytes::<6>()));
    demo.body.set("merchantReference", Json::text(&*reference));
    let client = Client::company(&args.server)?;
    let mut watch = Watch { client: &client, args: &args, reference, transaction: Value::Null, shown: 0, page_told: false };
    watch.say(&format!(
        "{} {} of {} {}",
        provider.descriptor().title,
        operation.as_str(),
        demo.amount.to_fixed(),
        demo.amount.currency()
    ));
    watch.send(&demo, &token).await?;
    watch.follow(provider).await
}

/// A user token for the demo body: `MOZARTO_USER_TOKEN`, whose `userId` the body then takes; else one of our own making, which a
/// company without a user-token key (the sandbox's demo company) accepts. It says nothing but the `userId`, so that the example's
/// own values count.
fn user_token(demo: &mut Demo) -> Result<Secret> {
    if let Ok(token) = std::env::var("MOZARTO_USER_TOKEN") {
        let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let user_id =
            claims.as_ref().and_then(|claims| claims["userId"].as_str()).context("MOZARTO_USER_TOKEN names no userId")?;
        demo.body.set("userId", Json::text(user_id));
        return Ok(Secret::new(token));
    }
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, claims) = (part(json!({"alg": "HS256", "typ": "JWT"})), part(json!({"userId": demo.user_id()})));
    Ok(Secret::new(format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(Random::default().bytes::<32>()))))
}

/// What was sent, and how much of it was shown.
struct Watch<'a> {
    client: &'a Client,
    args: &'a TriggerArgs,
    reference: String,
    /// The last that was read, without events; `null`: not found yet.
    transaction: Value,
    /// Events that were printed.
    shown: usize,
    page_told: bool,
}

impl Watch<'_> {
    /// For people, beside the data.
    fn say(&self, sentence: &str) {
        eprintln!("{sentence}");
    }

    fn id(&self) -> Option<&str> {
        self.transaction["transactionId"].as_str()
    }

    fn status(&self) -> &str {
        self.transaction["transaction_status"].as_str().unwrap_or_default()
    }

    /// Sends the request; the timeline is shown while it is not answered yet.
    async fn send(&mut self, demo: &Demo, user_token: &Secret) -> Result<()> {
        let body = demo.body.to_text();
        let mut call = std::pin::pin!(self.client.cashier(&body, user_token));
        let (http, answer) = loop {
            tokio::select! {
                answer = &mut call => break answer?,
                () = tokio::time::sleep(EVERY) => self.look().await?,
            }
        };
        if self.args.server.json {
            println!("{}", json!({"http": http, "answer": answer}));
        } else {
            let code = answer["errorCode"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
            println!("{:<24}  answered         {http}{code} {}", "", answer["message"].as_str().unwrap_or_default());
        }
        if answer["transaction"].is_null() {
            let sentences =
                answer["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|text| format!("; {text}"));
            bail!("no transaction was made: {}{}", cell(&answer, "message"), sentences.collect::<String>());
        }
        self.transaction = answer["transaction"].clone();
        Ok(())
    }

    /// Reads the transaction and prints what is new on its timeline.
    async fn look(&mut self) -> Result<()> {
        let id = match self.id() {
            Some(id) => id.to_owned(),
            None => {
                let query = [("merchantReference", self.reference.clone()), ("limit", "1".to_owned())];
                let found = self.client.get(TRANSACTIONS, &query).await?;
                match found["items"][0]["transactionId"].as_str() {
                    Some(id) => id.to_owned(),
                    None => return Ok(()),
                }
            }
        };
        let mut data = self.client.get(&format!("{TRANSACTIONS}/{id}"), &[]).await?;
        let events = data["events"].take();
        for event in events.as_array().into_iter().flatten().skip(self.shown) {
            if self.args.server.json {
                println!("{}", json!({ "event": event }));
            } else {
                println!("{}", event_line(event));
            }
            self.shown += 1;
        }
        if let Some(members) = data.as_object_mut() {
            members.remove("events");
        }
        self.transaction = data;
        Ok(())
    }

    /// Until the end, or until nothing more comes without a person, or until the time is up.
    async fn follow(&mut self, provider: &dyn Provider) -> Result<()> {
        let began = Instant::now();
        let limit = Duration::from_secs(self.args.wait);
        let linger = if LINGERING.contains(&self.args.scenario) { LINGER } else { Duration::ZERO };
        let mut ended: Option<(String, Instant)> = None;
        loop {
            self.look().await?;
            let status = self.status().to_owned();
            if status == "OnHold" {
                break;
            }
            if FINAL.contains(&&*status) {
                let since = match &ended {
                    Some((before, since)) if *before == status => *since,
                    _ => ended.insert((status, Instant::now())).1,
                };
                if since.elapsed() >= linger {
                    break;
                }
            } else if began.elapsed() >= PAGE_PATIENCE {
                self.tell_page();
            }
            if began.elapsed() >= limit {
                break;
            }
            tokio::time::sleep(EVERY).await;
        }
        self.conclude(provider);
        Ok(())
    }

    /// Once: where the payer would be now.
    fn tell_page(&mut self) {
        if let Some(page) = self.transaction["redirectUrl"].as_str().filter(|_| !self.page_told) {
            self.say(&format!(
                "A payer is needed: open {page}\nand press the button that pays (Pay; Authenticate on a card's page): the digits choose what becomes of it."
            ));
            self.page_told = true;
        }
    }

    fn conclude(&self, provider: &dyn Provider) {
        let (id, status) = (cell(&self.transaction, "transactionId"), self.status());
        if self.args.server.json {
            println!("{}", json!({ "transaction": self.transaction }));
        } else {
            println!("{status} ({}), transaction {id}", cell(&self.transaction, "status"));
        }
        let server = match (&self.args.server.data, &self.args.server.url) {
            (Some(data), _) => format!("--data {}", data.display()),
            (None, url) => format!("--url {} with a management token in MOZARTO_TOKEN", url.as_deref().unwrap_or("URL")),
        };
        if status == "OnHold" {
            let always = provider.descriptor().pay_out.as_ref().is_some_and(|spec| spec.always_held);
            let why = if always { "as every pay-out of this provider does" } else { "because of a rule" };
            self.say(&format!(
                "It waits for a person, {why}. Let it go, or refuse it:\n  mozarto approvals approve {id} {server}\n  mozarto approvals reject {id} --reason 'why' {server}\nand see what becomes of it:\n  mozarto transactions show {id} {server}"
            ));
        } else if !FINAL.contains(&status) {
            let waits =
                if self.transaction["redirectUrl"].is_string() { "Nobody has paid yet." } else { "Its fate is not known yet." };
            self.say(&format!(
                "{waits} The platform goes on asking the provider by its schedule. What became of it:\n  mozarto transactions show {id} {server}"
            ));
        }
    }
}
