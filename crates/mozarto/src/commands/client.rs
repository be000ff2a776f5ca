//! Speaking to a live server over HTTP.

use crate::cli::ServerArgs;
use anyhow::{Context, Result, anyhow, bail};
use domain::Secret;
use domain::visible::visible;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// A server answers these commands within this, or is taken for dead.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// What `sandbox.json` holds.
#[derive(Debug)]
pub(crate) struct SandboxFile(Value);

impl SandboxFile {
    /// Reads it from a data directory.
    pub(crate) fn read(data: &Path) -> Result<Self> {
        let path = data.join("sandbox.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {} (is the sandbox running with this data directory?)", path.display()))?;
        Ok(Self(serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?))
    }

    /// A member's text.
    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        self.0.get(name).and_then(Value::as_str).with_context(|| format!("sandbox.json has no {name}"))
    }
}

/// A client with a token.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

impl Client {
    /// For the Management API.
    pub(crate) fn management(server: &ServerArgs) -> Result<Self> {
        Self::new(server, "managementToken")
    }

    /// For the Cashier API.
    pub(crate) fn company(server: &ServerArgs) -> Result<Self> {
        Self::new(server, "companyToken")
    }

    fn new(server: &ServerArgs, token_name: &str) -> Result<Self> {
        let file = server.data.as_deref().map(SandboxFile::read).transpose()?;
        let base = match (&server.url, &file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => file.text("baseUrl")?.to_owned(),
            (None, None) => bail!("say which server: --url URL with MOZARTO_TOKEN set, or --data DIR of a sandbox"),
        };
        bare(&base).context("--url")?;
        let token = match (std::env::var("MOZARTO_TOKEN"), &file) {
            (Ok(token), _) => token,
            (Err(_), Some(file)) => file.text(token_name)?.to_owned(),
            (Err(_), None) => bail!("MOZARTO_TOKEN is not set"),
        };
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER_LIMIT)
            .build()
            .context("the HTTP client")?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token: Secret::new(token) })
    }

    /// Reads `path` with the query; answers `data`.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        let mut url = url::Url::parse(&format!("{}{path}", self.base)).context("the server's address")?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.http.get(url)).await
    }

    /// Posts a JSON body; answers `data`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request =
            self.http.post(format!("{}{path}", self.base)).header("content-type", "application/json").body(body.to_string());
        self.send(request).await
    }

    /// Posts a Cashier body on a user's behalf; answers HTTP status and the whole answer, whatever it says.
    pub(crate) async fn cashier(&self, body: &str, user_token: &Secret) -> Result<(u16, Value)> {
        let request = self
            .http
            .post(format!("{}/v1/api/mozarto/cashier", self.base))
            .header("content-type", "application/json")
            .header("x-user-token", format!("Bearer {}", user_token.expose()))
            .body(body.to_owned());
        let (status, answer) = self.answer(request).await?;
        Ok((status.as_u16(), answer))
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<(reqwest::StatusCode, Value)> {
        let response = request
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .send()
            .await
            .map_err(|error| anyhow!("{} does not answer: {}", self.base, error.without_url()))?;
        let status = response.status();
        let bytes = response.bytes().await.context("reading the answer")?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let (status, mut answer) = self.answer(request).await?;
        if status.is_success() {
            return Ok(answer["data"].take());
        }
        let mut sentences = vec![answer["message"].as_str().unwrap_or("no message").to_owned()];
        let errors = answer["errors"].as_array().into_iter().flatten();
        sentences.extend(errors.filter_map(|error| error.as_str().map(str::to_owned)));
        bail!("{} ({})", sentences.join("; "), status.as_u16())
    }
}

/// The text of a member, `-` when there is none.
pub(crate) fn cell(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        // On one line, whatever is in it.
        Value::String(text) => visible(text, &[]).into_owned(),
        other => other.to_string(),
    }
}

/// Prints a list: as JSON, or as a table with these columns (heading, member).
pub(crate) fn print_list(data: &Value, json: bool, columns: &[(&str, &str)]) {
    if json {
        println!("{data}");
        return;
    }
    let items = data["items"].as_array().cloned().unwrap_or_default();
    if items.is_empty() {
        println!("Nothing here.");
        return;
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for item in &items {
        table.add_row(columns.iter().map(|(_, member)| cell(item, member)));
    }
    println!("{table}");
    if let Some(cursor) = data["nextCursor"].as_str() {
        eprintln!("There is more (cursor {cursor}).");
    }
}

/// An address as it may stand on a command line, which everybody on the machine can read, and in what is printed.
fn bare(address: &str) -> Result<()> {
    let Ok(url) = url::Url::parse(address) else { bail!("must be an address such as http://127.0.0.1:8080") };
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !is_bare {
        bail!("must be an address without user, password, query and fragment: every process of this machine can read it");
    }
    Ok(())
}
