//! A browser as a person's hands and eyes: Debian's Chromium through `chromedriver`, spoken to by the W3C WebDriver protocol over
//! HTTP.
//!
//! * [`Browser`] opens addresses, finds, types, presses, reads;
//! * [`gallery`] looks at a page in light and dark, wide and narrow, keeps pictures, and says what is wrong with it.

pub mod gallery;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Where Debian's package `chromium` puts the browser.
const CHROMIUM: &str = "/usr/bin/chromium";
/// Where Debian's package `chromium-driver` puts the driver.
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
/// A driver that has not told its port by then will not.
const START_LIMIT: Duration = Duration::from_secs(30);
/// One call of the driver; the longest waits for a page to load.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// How long something that a page is about to show may take.
const SHOW_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks for it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The name that the protocol gives to the reference of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// No sandbox, because tests may run as root; nothing of the browser's own goes out, and names other than this machine's do not
/// resolve, so that a page which loads anything from elsewhere is seen to.
const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A running browser with a profile of its own. [`Browser::quit`] ends it; dropping it kills it.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    /// `http://127.0.0.1:{port}/session/{id}`.
    session: String,
    /// The browser is the driver's child, not ours: killing the driver would leave it behind.
    browser_id: Option<u64>,
    driver: Child,
    _profile: TempDir,
}

/// Something on the page.
#[derive(Debug, Clone)]
pub struct Element(String);

impl Browser {
    /// Starts driver and browser.
    ///
    /// # Errors
    /// When either does not start.
    ///
    /// # Panics
    /// When one of them is not installed.
    pub async fn start() -> Result<Self> {
        for (path, package) in [(CHROMIUM, "chromium"), (CHROMEDRIVER, "chromium-driver")] {
            assert!(
                Path::new(path).exists(),
                "the browser tests need {path}: run them by `cargo xtask test`, which installs it, or `apt-get install {package}`"
            );
        }
        let profile = tempfile::tempdir().context("a profile directory")?;
        let mut driver = Command::new(CHROMEDRIVER)
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting chromedriver")?;
        let port =
            tokio::time::timeout(START_LIMIT, port_of(&mut driver)).await.context("chromedriver takes too long to start")??;
        let http = reqwest::Client::builder().no_proxy().timeout(CALL_LIMIT).build().context("an HTTP client")?;
        let base = format!("http://127.0.0.1:{port}/session");
        let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().join("profile").display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": CHROMIUM, "args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = call(&http, "POST", &base, Some(&wanted)).await.context("a browser session")?;
        let id = made["sessionId"].as_str().context("the session has no id")?;
        let browser_id = made["capabilities"]["goog:processID"].as_u64();
        Ok(Self { session: format!("{base}/{id}"), http, browser_id, driver, _profile: profile })
    }

    /// Closes the browser as a person would, then the driver.
    ///
    /// # Errors
    /// When the session is gone already.
    pub async fn quit(mut self) -> Result<()> {
        self.call("DELETE", "", None).await?;
        self.browser_id = None;
        self.driver.kill().await.context("ending chromedriver")
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn open(&self, address: &str) -> Result<()> {
        self.call("POST", "/url", Some(json!({"url": address}))).await?;
        Ok(())
    }

    /// The address shown.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn address(&self) -> Result<String> {
        Ok(text_of(&self.call("GET", "/url", None).await?))
    }

    /// The first element of a CSS selector, or of an XPath where it begins with `/`; waits for it.
    ///
    /// # Errors
    /// When there is none within 10 s; the error has the page's text.
    pub async fn find(&self, selector: &str) -> Result<Element> {
        let using = if selector.starts_with('/') { "xpath" } else { "css selector" };
        let until = Instant::now() + SHOW_LIMIT;
        loop {
            let found = self.call("POST", "/elements", Some(json!({"using": using, "value": selector}))).await?;
            if let Some(id) = found.get(0).and_then(|element| element[ELEMENT].as_str()) {
                return Ok(Element(id.to_owned()));
            }
            if Instant::now() > until {
                bail!("there is no {selector} at {}:\n{}", self.address().await?, self.page_text().await?);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Presses what the selector finds.
    ///
    /// # Errors
    /// When it is not there or something lies over it.
    pub async fn press(&self, selector: &str) -> Result<()> {
        let element = self.find(selector).await?;
        self.call("POST", &format!("/element/{}/click", element.0), Some(json!({})))
            .await
            .with_context(|| format!("pressing {selector}"))?;
        Ok(())
    }

    /// Presses a button by what is written on it.
    ///
    /// # Errors
    /// As [`Browser::press`].
    pub async fn press_button(&self, text: &str) -> Result<()> {
        self.press(&format!("//button[normalize-space()='{text}']")).await
    }

    /// Types into an emptied field.
    ///
    /// # Errors
    /// When there is no such field or it cannot be typed into.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.find(selector).await?;
        self.call("POST", &format!("/element/{}/clear", element.0), Some(json!({}))).await?;
        self.call("POST", &format!("/element/{}/value", element.0), Some(json!({"text": text}))).await?;
        Ok(())
    }

    /// The text that a person reads there.
    ///
    /// # Errors
    /// When there is no such element.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let element = self.find(selector).await?;
        Ok(text_of(&self.call("GET", &format!("/element/{}/text", element.0), None).await?))
    }

    /// What a field holds now.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn value(&self, selector: &str) -> Result<String> {
        let element = self.find(selector).await?;
        Ok(text_of(&self.call("GET", &format!("/element/{}/property/value", element.0), None).await?))
    }

    /// Waits until the element reads so.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub async fn reads(&self, selector: &str, expected: &str, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            // The element may be replaced between being found and being read.
            let read = self.text(selector).await;
            match read {
                Ok(text) if text == expected => return Ok(()),
                _ if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
                read => bail!("{selector} reads {read:?} instead of {expected} after {limit:?}:\n{}", self.page_text().await?),
            }
        }
    }

    /// All that a person reads on the page.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn page_text(&self) -> Result<String> {
        Ok(text_of(&self.run("return document.body.innerText", json!([])).await?))
    }

    /// Runs a script of the test's in the page; answers what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str, arguments: Value) -> Result<Value> {
        self.call("POST", "/execute/sync", Some(json!({"script": script, "args": arguments}))).await
    }

    /// Lets pages run scripts, or not. The test's own still run.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn scripts(&self, allowed: bool) -> Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": !allowed})).await?;
        Ok(())
    }

    /// A command of the browser's own protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        self.call("POST", "/goog/cdp/execute", Some(json!({"cmd": command, "params": parameters}))).await
    }

    /// What the browser complained about since the last time: scripts' errors, broken policies, failed requests. Answers
    /// `(source, message)`.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn complaints(&self) -> Result<Vec<(String, String)>> {
        let entries = self.call("POST", "/se/log", Some(json!({"type": "browser"}))).await?;
        let entries = entries.as_array().context("the browser's log is no list")?;
        Ok(entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .map(|entry| (text_of(&entry["source"]), text_of(&entry["message"])))
            .collect())
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        call(&self.http, method, &format!("{}{path}", self.session), body.as_ref()).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that failed: its browser goes with it.
        if let Some(id) = self.browser_id {
            let _ = std::process::Command::new("kill").args(["-KILL", &id.to_string()]).status();
        }
    }
}

/// Does the whole of `work` with a browser, and closes it whatever comes of it.
///
/// # Errors
/// What `work` answers; when the browser does not start.
pub async fn with_browser(work: impl AsyncFnOnce(&Browser) -> Result<()>) -> Result<()> {
    let browser = Browser::start().await?;
    let done = work(&browser).await;
    done.and(browser.quit().await)
}

/// Reads the line in which the driver tells the port that it chose.
async fn port_of(driver: &mut Child) -> Result<u16> {
    let stdout = driver.stdout.take().context("chromedriver's output")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, port)) = line.trim_end_matches('.').rsplit_once("started successfully on port ") {
            let port = port.parse().with_context(|| format!("the port in: {line}"))?;
            // Nobody reads on, and a full pipe would stop the driver.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(port);
        }
    }
    bail!("chromedriver ended before it told its port")
}

/// One command of the protocol; its `value`.
async fn call(http: &reqwest::Client, method: &str, url: &str, body: Option<&Value>) -> Result<Value> {
    let mut request = http.request(method.parse().context("method")?, url);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.with_context(|| format!("{method} {url}"))?;
    let status = response.status();
    let bytes = response.bytes().await?;
    let mut answer: Value = serde_json::from_slice(&bytes).with_context(|| format!("{method} {url}: no JSON"))?;
    let value = answer["value"].take();
    ensure!(status.is_success(), "{method} {url}: {} {}", text_of(&value["error"]), text_of(&value["message"]));
    Ok(value)
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
