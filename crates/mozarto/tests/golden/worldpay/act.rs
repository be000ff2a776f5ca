//! What a row does, with what it may know of the exchanges about its own transaction.

use super::account::Accounts;
use super::documents::{asking, next_inquiry, next_submit};
use crate::recorder::{self, Exchange, Recorder};
use crate::stage::{Scene, good};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};
use testkit::client::Answer;

const LIMIT: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// What Worldpay makes up, and its name.
const MADE_UP: [(&str, &str); 5] = [
    ("machine=([0-9a-f]+);", "machine"),
    (r#"<reference id="(\d+)""#, "worldpay id"),
    (r#"<AuthorisationId id="(\d+)""#, "authorisation"),
    ("<transactionId3DS>([A-Za-z]+)<", "challenge"),
    (r#"<paymentTokenExpiry>(<date [^>]*>)"#, "date"),
];

/// A row at work.
pub(super) struct Act<'a, 's> {
    scene: &'a mut Scene<'s>,
    front: Recorder,
    from: usize,
    pub(super) accounts: Accounts,
}

impl<'s> Deref for Act<'_, 's> {
    type Target = Scene<'s>;

    fn deref(&self) -> &Scene<'s> {
        self.scene
    }
}

impl<'s> DerefMut for Act<'_, 's> {
    fn deref_mut(&mut self) -> &mut Scene<'s> {
        self.scene
    }
}

impl<'a, 's> Act<'a, 's> {
    pub(super) fn begin(scene: &'a mut Scene<'s>, front: Recorder, accounts: Accounts) -> Self {
        scene.know(&front.base, "simulator");
        let from = front.count();
        Self { scene, front, from, accounts }
    }

    /// Makes an order that was begun before the row the row's.
    pub(super) fn adopt(&mut self, id: &str) {
        self.from = 0;
        self.scene.adopt(id);
    }

    /// An order; the address of the payer's page.
    pub(super) async fn opens(&mut self, body: &str) -> Result<String> {
        let answer = self.pay(body).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        Ok(answer.text("/data/paymentUrl").to_owned())
    }

    /// An order whose submit is answered so.
    pub(super) async fn answered(&mut self, body: &str, reply: Value) -> Result<()> {
        self.next(next_submit(reply)).await?;
        self.pay(body).await.map(drop)
    }

    /// Asks by hand, and is answered so.
    pub(super) async fn finds(&mut self, reply: Value) -> Result<()> {
        self.next(next_inquiry(self.id(), reply)).await?;
        self.asks().await
    }

    /// Asks by hand.
    pub(super) async fn asks(&mut self) -> Result<()> {
        good(&self.manage("inquire").await?)
    }

    /// A notification to the account of hosted pages, that nobody has asked about yet when this returns.
    pub(super) async fn notified(&mut self, body: impl Into<Vec<u8>>) -> Result<()> {
        let url = self.accounts.callbacks(false).to_owned();
        self.callback(&url, &[("content-type", "text/xml")], body.into()).await.map(drop)
    }

    /// Waits until the transaction stands so, and whoever is to hear of it has heard.
    pub(super) async fn stands(&self, status: &str) -> Result<()> {
        self.until(status).await?;
        let of =
            |events: &Value, name: &str| events.as_array().into_iter().flatten().filter(|event| event["event"] == name).count();
        self.until_events("webhooks", |events| of(events, "webhook_queued") == of(events, "webhook_delivered")).await
    }

    /// Waits until whoever is to hear of it has heard.
    pub(super) async fn heard(&self) -> Result<()> {
        let shown = self.hands().managed(self.id()).await?;
        self.stands(shown["transaction_status"].as_str().unwrap_or_default()).await
    }

    /// Waits until the timeline says that.
    pub(super) async fn says(&self, text: &str) -> Result<()> {
        self.until_events(text, |events| events.to_string().contains(text)).await
    }

    async fn until_events(&self, what: &str, right: impl Fn(&Value) -> bool) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let shown = self.hands().managed(self.id()).await?;
            if right(&shown["events"]) {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{what}: {shown}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn about(&self) -> Vec<Exchange> {
        let is_ours = |one: &Exchange| recorder::shown(&one.request).contains(self.id());
        self.front.since(self.from).into_iter().filter(is_ours).collect()
    }

    /// Waits until Worldpay has answered so many times about this transaction.
    pub(super) async fn told(&self, times: usize) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while self.about().iter().filter(|one| !one.reply.is_empty()).count() < times {
            ensure!(Instant::now() < until, "{} of {times} answers", self.about().len());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Something done by the payer or a stranger, in a few words.
    pub(super) fn notes(&mut self, what: impl Into<String>, status: u16, text: impl Into<String>) {
        let answer = Answer { status, headers: Vec::new(), bytes: text.into().into_bytes(), body: Value::Null };
        self.did(what, answer);
    }

    /// What Worldpay will answer whoever asks about the order, asked past the recorder: a question may still be on its way.
    async fn record(&self) -> Result<String> {
        let mut records = String::new();
        for (merchant, user) in [("DEMOCOMPANY", "wp-demo-0001"), ("DEMOCOMPANYCARDS", "wp-demo-0002")] {
            let pair = format!("{user}:{}", user.replace("demo", "demo-secret"));
            let authorization = format!("Basic {}", STANDARD.encode(pair));
            let headers = [("authorization", authorization.as_str()), ("content-type", "text/xml")];
            let url = format!("{}/{}{}", self.client().simulator, super::NAME, super::SERVICE);
            let question = format!("<inquiry><orderInquiry orderCode=\"{}\"/></inquiry>", self.id());
            let answer = self.client().send("POST", &url, &headers, Some(asking(merchant, &question).into_bytes())).await?;
            records.push_str(&String::from_utf8_lossy(&answer.bytes));
        }
        Ok(records)
    }

    /// Names what Worldpay makes up.
    pub(super) async fn learn(&mut self) -> Result<()> {
        if self.id().is_empty() {
            return Ok(());
        }
        let mut replies: String = self.about().iter().map(|one| recorder::shown(&one.reply)).collect();
        replies.push_str(&self.record().await?);
        for (pattern, name) in MADE_UP {
            let pattern = Regex::new(pattern)?;
            let mut found: Vec<&str> = pattern.captures_iter(&replies).filter_map(|one| Some(one.get(1)?.as_str())).collect();
            found.dedup();
            for (n, text) in found.into_iter().enumerate() {
                self.know(text, &if n == 0 { name.to_owned() } else { format!("{name} {}", n + 1) });
            }
        }
        let entries = self.hands().entries(super::NAME, self.id()).await?;
        for entry in entries {
            let theirs = entry["providerReference"].as_str().context("no reference")?;
            self.know(theirs.split('.').next().unwrap_or_default(), "worldpay id");
        }
        let managed = self.hands().managed(self.id()).await?;
        let session = managed["sessionId"].as_str().unwrap_or_default().replace('-', "");
        self.know(&session, "session without dashes");
        Ok(())
    }
}
