//! Forms of pages, as a browser without a script sends them.

use crate::client::{Answer, Client};
use anyhow::{Context, Result};
use reqwest::Url;

/// The first form of a page.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// Names and values of its hidden inputs, in order.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Reads the first form of a page.
    ///
    /// # Errors
    /// When the page has none.
    pub fn of(page: &[u8]) -> Result<Self> {
        let page = String::from_utf8_lossy(page);
        let form = page.split_once("<form").context("no form")?.1;
        let form = form.split_once("</form>").map_or(form, |(form, _)| form);
        let action = attribute(form.split_once('>').context("a form without end")?.0, "action").unwrap_or_default();
        let inputs = form.split("<input").skip(1).filter_map(|input| {
            let tag = input.split_once('>')?.0;
            let hidden = attribute(tag, "type").as_deref() == Some("hidden");
            hidden.then(|| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))).flatten()
        });
        Ok(Self { action, fields: inputs.collect() })
    }

    /// The values of a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Posts it with further fields; a relative address is one of that page.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, client: &Client, page: &str, more: &[(&str, &str)]) -> Result<Answer> {
        let pairs = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more.iter().copied());
        let body = Url::parse_with_params("http://form/", pairs)?.query().unwrap_or_default().to_owned();
        let url = Url::parse(page)?.join(&self.action)?;
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        client.send("POST", url.as_str(), &headers, Some(body.into_bytes())).await
    }
}

/// A quoted attribute of a tag, unescaped.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0;
    let named = [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&lt;", "<"), ("&#62;", ">"), ("&gt;", ">")];
    let value = named.into_iter().fold(value.to_owned(), |value, (from, to)| value.replace(from, to));
    Some(value.replace("&#38;", "&").replace("&amp;", "&"))
}
