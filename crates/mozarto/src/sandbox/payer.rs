//! The payer of a sandbox that settles by itself: opens the pages of ours that come before a provider's (`/pay`, `/3ds`), as a
//! browser would, and presses the button of the simulator's page that follows a `/3ds`. Pages on which a payment is paid are
//! pressed by the simulator: twice pressed would be twice tried.

use anyhow::{Context, Result, bail};
use reqwest::Url;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Payers at work at once; more wait.
const AT_ONCE: usize = 64;
/// Pages that one payer goes through before giving up.
const STEPS_MAX: usize = 12;
/// Looks at a device check's page, and how far apart, milliseconds as written.
const LOOKS_MAX: usize = 30;
const LOOK_MS: u64 = 500;
/// A page has to be there in this time.
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// Longest page that is read, bytes.
const PAGE_MAX_BYTES: usize = 256 * 1024;

/// How the payer behaves.
#[derive(Clone)]
pub(super) struct Payer {
    /// Where our pages are.
    pub(super) platform: String,
    /// Where the simulators' pages are; nowhere else is a button pressed.
    pub(super) simulators: String,
    /// How long a page is looked at before its button is pressed, milliseconds, scaled already.
    pub(super) pause_ms: u64,
    /// Divides every other wait.
    pub(super) time_scale: u32,
}

impl Payer {
    /// Opens each address that comes, until `stop`.
    pub(super) async fn work(self, mut pages: mpsc::Receiver<String>, stop: CancellationToken) -> Result<()> {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PAGE_LIMIT)
            .build()
            .context("the payer's HTTP client")?;
        loop {
            let address = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                address = pages.recv() => match address {
                    Some(address) => address,
                    None => return Ok(()),
                },
            };
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return Ok(()) };
            let (payer, http, stop) = (self.clone(), http.clone(), stop.clone());
            tokio::spawn(async move {
                let way = payer.pay(&http, &address);
                if let Some(Err(error)) = stop.run_until_cancelled(way).await {
                    tracing::debug!("a payer gave up: {error:#}");
                }
                drop(slot);
            });
        }
    }

    async fn pay(&self, http: &reqwest::Client, address: &str) -> Result<()> {
        let mut at = Url::parse(address)?;
        // The page behind `/pay` is a simulator's, which presses its button by itself, and does so after a restart too.
        let is_pressed = at.path().starts_with("/pay/");
        let mut page = self.get(http, &at).await?;
        for _ in 0..STEPS_MAX {
            let Some(form) = Form::first_of(&page.text) else {
                return Ok(());
            };
            if page.at.as_str().starts_with(&self.simulators) && !form.submits_itself {
                tokio::time::sleep(Duration::from_millis(self.pause_ms)).await;
            }
            let next = if form.hidden_frame { self.device_check(http, &page.at, &form).await? } else { None };
            page = match next {
                Some(url) => self.get(http, &url).await?,
                None if form.hidden_frame => return Ok(()),
                None => self.submit(http, &page.at, &form).await?,
            };
            if is_pressed || !self.is_ours(&page.at) {
                return Ok(());
            }
            at = page.at.clone();
        }
        bail!("the pages do not end: {}", at.path())
    }

    /// The merchant's page is the end of the way.
    fn is_ours(&self, url: &Url) -> bool {
        [&self.platform, &self.simulators].iter().any(|base| url.as_str().starts_with(&format!("{base}/")))
    }

    /// Posts the hidden frame's form, and what the frame then posts; asks until the page knows the way on.
    async fn device_check(&self, http: &reqwest::Client, at: &Url, form: &Form) -> Result<Option<Url>> {
        let frame = self.submit(http, at, form).await?;
        if let Some(inner) = Form::first_of(&frame.text) {
            self.submit(http, &frame.at, &inner).await?;
        }
        for _ in 0..LOOKS_MAX {
            tokio::time::sleep(Duration::from_millis((LOOK_MS / u64::from(self.time_scale.max(1))).max(1))).await;
            let answer = http.get(format!("{at}/next")).send().await?.text().await?;
            let way: serde_json::Value = serde_json::from_str(&answer).context("how to go on")?;
            if let Some(url) = way["go"].as_str() {
                return Ok(Some(Url::parse(url)?));
            }
            if way["over"] == true {
                return Ok(None);
            }
        }
        Ok(None)
    }

    async fn get(&self, http: &reqwest::Client, url: &Url) -> Result<Page> {
        if !self.is_ours(url) {
            return Ok(Page { at: url.clone(), text: String::new() });
        }
        self.follow(http, url.clone(), http.get(url.clone()).send().await?).await
    }

    async fn submit(&self, http: &reqwest::Client, at: &Url, form: &Form) -> Result<Page> {
        let target = at.join(&form.action)?;
        if !self.is_ours(&target) {
            return Ok(Page { at: target, text: String::new() });
        }
        let pairs = reqwest::Url::parse_with_params("http://x/", &form.pairs)?;
        let body = pairs.query().unwrap_or_default().to_owned();
        let request = if form.post {
            http.post(target.clone()).header("content-type", "application/x-www-form-urlencoded").body(body)
        } else {
            let mut target = target.clone();
            target.set_query(Some(&body));
            http.get(target)
        };
        self.follow(http, target, request.send().await?).await
    }

    /// Goes where the answer sends it, as long as that is here.
    async fn follow(&self, http: &reqwest::Client, mut at: Url, mut response: reqwest::Response) -> Result<Page> {
        for _ in 0..STEPS_MAX {
            let location = response.headers().get("location").and_then(|value| value.to_str().ok());
            let Some(next) = location.filter(|_| response.status().is_redirection()) else {
                let bytes = response.bytes().await?;
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(PAGE_MAX_BYTES)]).into_owned();
                return Ok(Page { at, text });
            };
            at = at.join(next)?;
            if !self.is_ours(&at) {
                return Ok(Page { at, text: String::new() });
            }
            response = http.get(at.clone()).send().await?;
        }
        bail!("too many redirects")
    }
}

/// A page and where it is.
struct Page {
    at: Url,
    text: String,
}

/// The first form of a page, as its first button submits it.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    action: String,
    post: bool,
    pairs: Vec<(String, String)>,
    /// Posted into a frame that nobody sees.
    hidden_frame: bool,
    /// A script of its page submits it.
    submits_itself: bool,
}

impl Form {
    fn first_of(page: &str) -> Option<Self> {
        let start = page.find("<form")?;
        let end = page[start..].find("</form>").map_or(page.len(), |at| start + at);
        let head = Tag::at(&page[start..end])?;
        let inside = &page[start + head.0.len()..end];
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut buttons = 0;
        for (at, _) in inside.match_indices('<') {
            let Some(tag) = Tag::at(&inside[at..]) else { continue };
            let pressed = tag.is("button") && {
                buttons += 1;
                buttons == 1
            };
            let chosen = !matches!(tag.attribute("type").as_deref(), Some("radio" | "checkbox")) || tag.0.contains(" checked");
            if (pressed || (tag.is("input") && chosen))
                && let Some(name) = tag.attribute("name")
            {
                pairs.push((name, tag.attribute("value").unwrap_or_default()));
            }
        }
        Some(Self {
            action: head.attribute("action").unwrap_or_default(),
            post: head.attribute("method").is_some_and(|method| method.eq_ignore_ascii_case("post")),
            pairs,
            hidden_frame: head.attribute("target").is_some(),
            submits_itself: buttons == 0,
        })
    }
}

/// A tag from `<` to `>`.
struct Tag<'a>(&'a str);

impl<'a> Tag<'a> {
    fn at(text: &'a str) -> Option<Self> {
        let mut quoted = None;
        for (at, c) in text.char_indices() {
            match (quoted, c) {
                (None, '"' | '\'') => quoted = Some(c),
                (Some(quote), c) if quote == c => quoted = None,
                (None, '>') => return Some(Self(&text[..=at])),
                _ => {}
            }
        }
        None
    }

    fn is(&self, name: &str) -> bool {
        self.0[1..].strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '>', '\n', '/']))
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let start = self.0.find(&format!(" {name}=\"")).or_else(|| self.0.find(&format!("\n{name}=\"")))? + name.len() + 3;
        let value = &self.0[start..];
        Some(unescaped(&value[..value.find('"')?]))
    }
}

fn unescaped(text: &str) -> String {
    let named = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
    ];
    let text = named.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&#38;", "&").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_first_button_of_the_first_form_is_pressed() {
        let page = r#"<body><form id="go" method="post" action="http://127.0.0.1:1/a?b=1&amp;c=2">
            <input type="hidden" name="stextra" value="x &lt;y&gt; &quot;"><input type="hidden" name="stextra" value="two">
            <input type="radio" name="bank" value="a"><input type="radio" name="bank" value="b" checked>
            <button name="choice" value="pay">Pay</button><button name="choice" value="cancel">Cancel</button></form><form></form>"#;
        let form = Form::first_of(page).unwrap();
        assert_eq!(form.action, "http://127.0.0.1:1/a?b=1&c=2");
        assert_eq!(form.pairs, [pair("stextra", "x <y> \""), pair("stextra", "two"), pair("bank", "b"), pair("choice", "pay")]);
        assert!(form.post && !form.hidden_frame && !form.submits_itself);
    }

    #[test]
    fn frames_and_forms_without_buttons_are_known() {
        let form =
            Form::first_of(r#"<form method="post" action="/x" target="check"><input type="hidden" name="a" value="1"></form>"#)
                .unwrap();
        assert!(form.hidden_frame && form.submits_itself);
        assert_eq!(Form::first_of("<p>done</p>"), None);
    }
}
