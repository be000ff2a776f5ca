//! What a person does in the shop again and again.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use testkit::browser::gallery::Gallery;
use testkit::browser::{Browser, with_browser};
use testkit::client::Client;
use testkit::sandbox::{Options, Sandbox};

/// Callback, inquiry and webhook take well under a second; a busy machine may take longer.
pub(crate) const TURN_LIMIT: Duration = Duration::from_secs(10);

/// A person before the browser, and the tests' own ways in besides.
pub(crate) struct Visit<'a> {
    pub(crate) browser: &'a Browser,
    pub(crate) client: &'a Client,
    pub(crate) gallery: Gallery,
    pub(crate) shop: String,
}

impl Visit<'_> {
    /// Everything of one test: a sandbox, a browser, pictures in a folder of their own, and the verdict on them.
    pub(crate) async fn pay(folder: &str, work: impl AsyncFnOnce(&mut Visit<'_>, &Sandbox) -> Result<()>) {
        let data = tempfile::tempdir().expect("a directory");
        let sandbox = Sandbox::start(Options::new(env!("CARGO_BIN_EXE_mozarto"), data.path())).await.expect("the sandbox");
        let client = Client::of(&sandbox);
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots").join(folder);
        let gallery = Gallery::new(&pictures).expect("a folder for the pictures");
        let done = with_browser(async |browser| {
            let shop = sandbox.text("shopUrl").to_owned();
            let mut visit = Visit { browser, client: &client, gallery, shop };
            let worked = work(&mut visit, &sandbox).await;
            let complaints = visit.browser.complaints().await.unwrap_or_default();
            println!("{} pages, their pictures in {}", visit.gallery.pages(), pictures.display());
            let verdict = visit.gallery.verdict();
            if let Err(error) = worked {
                return Err(error.context(format!("the browser complained: {complaints:?}; {verdict:?}")));
            }
            ensure!(complaints.is_empty(), "the browser complains: {complaints:?}");
            verdict
        })
        .await;
        done.expect("every page works and is as it should be");
    }

    /// One of a provider's ways, by pressing it.
    pub(crate) async fn choose_way(&self, title: &str) -> Result<()> {
        self.browser.press(&format!("//nav[@aria-labelledby='ways-title']//a[span[text()='{title}']]")).await?;
        self.browser.reads("nav.ways a[aria-current] span", title, TURN_LIMIT).await
    }

    /// One of the public test cards, by pressing it.
    pub(crate) async fn choose_card(&self, number: &str) -> Result<()> {
        self.browser.press(&format!("a[data-card-number='{number}']")).await?;
        let typed = self.browser.value("[name='card.pan']").await?;
        ensure!(typed == number, "the card {number} fills in {typed}");
        Ok(())
    }

    /// Approves a held pay-out through the Management API.
    pub(crate) async fn approve(&self) -> Result<()> {
        let id = self.detail("Transaction").await?;
        let approved = self.client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await?;
        ensure!(approved.status == 200, "{} {}", approved.status, approved.body);
        Ok(())
    }

    /// A hosted page says all of this.
    pub(crate) async fn page_says(&self, parts: &[&str]) -> Result<()> {
        let text = self.browser.page_text().await.context("the page's text")?;
        for part in parts {
            ensure!(text.contains(part), "the page does not say {part}:\n{text}");
        }
        Ok(())
    }

    /// The cashier with a provider and a direction chosen by pressing them.
    pub(crate) async fn choose(&self, provider: &str, direction: &str) -> Result<()> {
        self.browser.open(&self.shop).await?;
        self.browser.press(&format!("//ul[@class='providers']//a[.//strong[text()='{provider}']]")).await?;
        self.browser.press(&format!("//nav[@aria-label='Direction']//a[span[text()='{direction}']]")).await?;
        self.browser.find("//nav[@aria-label='Direction']//a[@aria-current='true']").await?;
        self.browser.reads("ul.providers a[aria-current] strong", provider, TURN_LIMIT).await
    }

    pub(crate) async fn submit(&self) -> Result<()> {
        self.browser.press("form[data-cashier] button[type=submit]").await
    }

    pub(crate) async fn look(&mut self, name: &str) -> Result<()> {
        self.gallery.look(self.browser, name).await
    }

    /// The order's page shows this state, without having been loaded for it.
    pub(crate) async fn order_reads(&self, badge: &str, headline: &str) -> Result<()> {
        self.browser.reads(".status .badge", badge, TURN_LIMIT).await?;
        self.browser.reads("#headline", headline, TURN_LIMIT).await
    }

    /// A value of the order's details.
    pub(crate) async fn detail(&self, name: &str) -> Result<String> {
        self.browser.text(&format!(r#"//dl[@class="facts"]/div[dt[text()="{name}"]]/dd"#)).await
    }

    /// Leaves something in the page that a reload would take away.
    pub(crate) async fn mark(&self) -> Result<()> {
        self.browser.run("window.stays = true", json!([])).await?;
        Ok(())
    }

    pub(crate) async fn was_not_reloaded(&self) -> Result<()> {
        let stays = self.browser.run("return window.stays === true", json!([])).await?;
        ensure!(stays == true, "the page was reloaded");
        Ok(())
    }

    /// What the page's script last told a screen reader.
    pub(crate) async fn announced(&self) -> Result<String> {
        let said = self.browser.run("return document.getElementById('announcer').textContent", json!([])).await?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Result<()> {
        let answer = self.client.control(method, path, Some(body)).await?;
        ensure!(answer.status == 200, "{method} {path}: {} {}", answer.status, answer.body);
        Ok(())
    }
}
