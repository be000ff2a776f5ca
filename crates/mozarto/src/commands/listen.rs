//! `mozarto listen`: follows the pull twin and forwards each event to an address of this machine, signed like a webhook.

use super::client::{Client, SandboxFile, cell};
use crate::cli::ListenArgs;
use anyhow::{Context, Result, bail};
use domain::Secret;
use engine::webhooks::sign::headers_of;
use serde_json::Value;
use std::time::Duration;

const PATH: &str = "/v1/api/mozarto/events";
/// How often new events are looked for.
const EVERY: Duration = Duration::from_millis(500);
/// A forwarded event is answered within this.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Runs until interrupted.
pub(crate) async fn run(args: ListenArgs) -> Result<()> {
    let shown = without_secrets(&args.forward_to)?;
    let (signing, bearer) = secrets(&args)?;
    let client = Client::company(&args.server)?;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(ANSWER_LIMIT)
        .build()
        .context("the HTTP client")?;
    let mut after = match args.after {
        Some(after) => Some(after),
        None => newest(&client).await?,
    };
    eprintln!("Forwarding events to {shown}. Stop with Ctrl-C.");
    loop {
        let mut query = vec![("limit", "200".to_owned())];
        query.extend(after.clone().map(|after| ("after", after)));
        let page = client.get(PATH, &query).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        for item in &items {
            let told = forward(&http, &args.forward_to, item, &signing, bearer.as_ref()).await;
            if args.server.json {
                println!("{}", serde_json::json!({"id": item["id"], "result": told}));
            } else {
                println!("{}  {}  {}", cell(item, "id"), cell(&item["body"], "transaction_status"), told);
            }
            after = item["id"].as_str().map(str::to_owned);
        }
        if items.is_empty() {
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// The signing secret and the bearer: of the sandbox, or from `MOZARTO_WEBHOOK_SECRET`.
fn secrets(args: &ListenArgs) -> Result<(Secret, Option<Secret>)> {
    if let Ok(secret) = std::env::var("MOZARTO_WEBHOOK_SECRET") {
        return Ok((Secret::new(secret), None));
    }
    let data =
        args.server.data.as_deref().context("say what to sign with: MOZARTO_WEBHOOK_SECRET, or --data DIR of a sandbox")?;
    let file = SandboxFile::read(data)?;
    Ok((Secret::new(file.text("webhookSecret")?), Some(Secret::new(file.text("webhookBearer")?))))
}

/// The last event so far: what is older was for somebody else.
async fn newest(client: &Client) -> Result<Option<String>> {
    let mut after = None;
    loop {
        let mut query = vec![("limit", "200".to_owned())];
        query.extend(after.clone().map(|after| ("after", after)));
        let page = client.get(PATH, &query).await?;
        let last = page["items"].as_array().and_then(|items| items.last()).and_then(|item| item["id"].as_str());
        match last {
            Some(id) => after = Some(id.to_owned()),
            None => return Ok(after),
        }
    }
}

/// The address as it is shown: what is asked for there may be a secret. One with a password is refused: every process of this
/// machine can read it.
fn without_secrets(address: &str) -> Result<String> {
    let mut url = url::Url::parse(address).context("--forward-to must be an address such as http://localhost:3000/webhook")?;
    if !url.username().is_empty() || url.password().is_some() {
        bail!("--forward-to must be an address without user and password: every process of this machine can read it");
    }
    url.set_query(None);
    Ok(url.into())
}

async fn forward(http: &reqwest::Client, to: &str, item: &Value, signing: &Secret, bearer: Option<&Secret>) -> String {
    let body = item["body"].to_string();
    let id = cell(item, "id");
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut request = http.post(to).header("content-type", "application/json").header("webhook-sequence", cell(item, "sequence"));
    for (name, value) in headers_of(&id, i64::try_from(now_s).unwrap_or_default(), body.as_bytes(), &[signing]) {
        request = request.header(name, value);
    }
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {}", bearer.expose()));
    }
    match request.body(body).send().await {
        Ok(answer) => answer.status().as_u16().to_string(),
        Err(error) => error.without_url().to_string(),
    }
}
