//! One provider on stage: a sandbox, its simulator behind the recorder, and rows that run one after the other.

use crate::names::Names;
use crate::recorder::{self, Recorder};
use crate::{book::Book, memo};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client};
use testkit::sandbox::Options;
use testkit::world::{Hands, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
/// Whatever a row brings about is there by then.
const LIMIT: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What is as it was written stays so for this long, or more follows.
const STAYS: Duration = Duration::from_millis(50);
/// What differs from what was written, and has not changed for this long, is a difference.
const DIFFERS: Duration = Duration::from_secs(4);
/// What is written for the first time has not changed for this long. A row of which more comes later waits for it itself.
const QUIET: Duration = Duration::from_millis(1_000);

/// Whose further addresses are followed only at the address of the account.
const OF_ONE_ADDRESS: [&str; 1] = ["emerchantpay"];

/// How time goes in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As it is: rows end before the schedule asks by itself, so that every call is shown as often as it was made.
    Real,
    /// Sixty times as fast: rows that only the schedule ends. What is repeated is shown once.
    Fast,
    /// So many times as fast, where what ends a row is hours away. Shown as with `Fast`.
    Scaled(u32),
}

/// A provider's sandbox.
pub(crate) struct Stage {
    pub(crate) provider: &'static str,
    pace: Pace,
    world: World,
    recorder: Recorder,
    /// Ids of earlier rows: what is still said about them is not of this row.
    earlier: Vec<String>,
}

/// What a row is made with.
pub(crate) struct Scene<'a> {
    stage: &'a Stage,
    hands: Hands,
    from: usize,
    /// What was done by hand, and the answers.
    acts: Vec<(String, Answer)>,
    id: String,
    /// Exchanges that are repeated are shown once.
    once: bool,
    /// What the row knows to differ between runs, with its name.
    known: Vec<(String, String)>,
    /// Begun before the row: exchanges of others stand among its own.
    adopted: bool,
}

impl Stage {
    /// Starts it; `path`: below the provider's mount, where its base address has more than that.
    pub(crate) async fn start(provider: &'static str, psp_types: &[&str], path: &str, pace: Pace) -> Result<Self> {
        let not_found = format!("MOZARTO_PROVIDERS_{}_NOT_FOUND_AFTER_SECONDS", provider.to_ascii_uppercase());
        let set = |options: Options| match pace {
            Pace::Real => options,
            Pace::Fast => options.time_scale(60).variable(&not_found, "60"),
            Pace::Scaled(scale) => options.time_scale(scale).variable(&not_found, "60"),
        };
        let world = World::start(BINARY, psp_types, set).await?;
        let recorder = Recorder::start(&world.client.simulator, OF_ONE_ADDRESS.contains(&provider)).await?;
        let base = format!("{}/{provider}{path}", recorder.base);
        for psp_type in psp_types {
            for method in world.client.methods_of(psp_type).await? {
                let moved = json!({"config": {"baseUrl": base}});
                let set = world.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(moved)).await?;
                ensure!(set.status == 200, "{psp_type}: {} {}", set.status, set.body);
            }
        }
        Ok(Self { provider, pace, world, recorder, earlier: Vec::new() })
    }

    /// Where the recorder listens, for an account whose addresses have other names.
    pub(crate) fn address(&self) -> String {
        format!("{}/{}", self.recorder.base, self.provider)
    }

    /// The hands of whoever prepares something between rows.
    pub(crate) fn hands(&self) -> Hands {
        self.world.hands()
    }

    /// Runs a row, and holds what came of it against the book.
    pub(crate) async fn row(&mut self, book: &mut Book, name: &str, work: impl AsyncFnOnce(&mut Scene<'_>) -> Result<()>) {
        let mut scene = Scene {
            hands: self.world.hands(),
            from: self.recorder.count(),
            acts: Vec::new(),
            id: String::new(),
            once: self.pace != Pace::Real,
            known: Vec::new(),
            adopted: false,
            stage: self,
        };
        let result = match work(&mut scene).await {
            Ok(()) => scene.settles(book.row(name)).await,
            Err(error) => Err(error),
        };
        let ids = scene.ids().await;
        book.note(name, result);
        self.earlier.extend(ids);
    }
}

impl Scene<'_> {
    /// A Cashier call; its transaction is the row's.
    pub(crate) async fn pay(&mut self, body: &str) -> Result<Answer> {
        let answer = self.hands.client.cashier(body).await?;
        let ids = [answer.text("/transaction/transactionId"), answer.text("/transactionId"), answer.text("/data/transactionId")];
        self.id = ids.into_iter().find(|id| !id.is_empty()).unwrap_or_default().to_owned();
        self.acts.push((format!("cashier {body}"), answer.clone()));
        Ok(answer)
    }

    /// Makes a transaction that was begun between rows the row's: all that the provider was ever asked about it is shown.
    pub(crate) fn adopt(&mut self, id: &str) {
        (self.id, self.from) = (id.to_owned(), 0);
        self.adopted = true;
    }

    /// The row's transaction.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whoever calls the APIs.
    pub(crate) fn client(&self) -> &Client {
        &self.hands.client
    }

    /// The platform, the endpoint, and what is known of them.
    pub(crate) fn hands(&self) -> &Hands {
        &self.hands
    }

    /// Notes an answer to something that the row did by itself.
    pub(crate) fn did(&mut self, what: impl Into<String>, answer: Answer) {
        self.acts.push((what.into(), answer));
    }

    /// A control call about the transaction: an outcome, or `status/{word}`.
    pub(crate) async fn control(&mut self, what: &str) -> Result<()> {
        let answer = self.hands.client.control("POST", &format!("/{}/{}/{what}", self.stage.provider, self.id), None).await?;
        ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
        Ok(())
    }

    /// What the simulator answers next.
    pub(crate) async fn next(&self, what: Value) -> Result<()> {
        let set = self.hands.client.control("PUT", &format!("/{}/next", self.stage.provider), Some(what)).await?;
        ensure!(set.status == 200, "next: {} {}", set.status, set.body);
        Ok(())
    }

    /// The simulator's settings.
    pub(crate) async fn settings(&self, what: Value) -> Result<()> {
        let set = self.hands.client.control("PUT", &format!("/{}/settings", self.stage.provider), Some(what)).await?;
        ensure!(set.status == 200, "settings: {} {}", set.status, set.body);
        Ok(())
    }

    /// A Management call about the transaction (`inquire`, `release`), noted.
    pub(crate) async fn manage(&mut self, what: &str) -> Result<Answer> {
        let answer = self.hands.client.manage("POST", &format!("/transactions/{}/{what}", self.id), Some(json!({}))).await?;
        self.did(what, answer.clone());
        Ok(answer)
    }

    /// Lets the pay-out go.
    pub(crate) async fn approve(&mut self) -> Result<Answer> {
        let answer = self.hands.approve(&self.id).await?;
        self.did("approve", answer.clone());
        Ok(answer)
    }

    /// Names something that differs between runs and that no pattern knows.
    pub(crate) fn know(&mut self, text: &str, name: &str) {
        self.known.push((text.to_owned(), name.to_owned()));
    }

    /// In this row what is repeated is shown once: how many callbacks are read together is nobody's promise.
    pub(crate) fn shows_once(&mut self) {
        self.once = true;
    }

    /// Waits for a status.
    pub(crate) async fn until(&self, status: &str) -> Result<()> {
        self.hands.client.wait_for(&self.id, &[status], LIMIT).await.map(drop)
    }

    /// Waits until the Management API shows this of the transaction.
    pub(crate) async fn until_shown(&self, member: &str, value: &str) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let shown = self.managed().await?;
            if shown[member] == value {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{member} is {} instead of {value}", shown[member]);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the provider was asked so many times in all since the row began.
    pub(crate) async fn exchanges(&self, count: usize) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while self.stage.recorder.count() < self.from + count {
            ensure!(Instant::now() < until, "{} of {count} exchanges", self.stage.recorder.count() - self.from);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until every webhook that is queued is delivered: what comes next stands behind it on the timeline.
    pub(crate) async fn all_told(&self) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let managed = self.managed().await?;
            let events = managed["events"].as_array().cloned().unwrap_or_default();
            let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
            if count("webhook_queued") == count("webhook_delivered") {
                return Ok(());
            }
            ensure!(Instant::now() < until, "a webhook is not delivered");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The address for callbacks that the provider was told in this row.
    pub(crate) fn callback_address(&self) -> Result<String> {
        let start = format!("{}/callbacks/{}/", self.hands.client.base, self.stage.provider);
        let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let told = self.stage.recorder.since(self.from).into_iter().find_map(|one| {
            let said = String::from_utf8_lossy(&one.request).replace("%3A", ":").replace("%2F", "/").replace("\\/", "/");
            let token = said.split_once(&start)?.1.split(|c: char| !is_token(c)).next()?.to_owned();
            Some(format!("{start}{token}"))
        });
        told.context("the provider was told no address")
    }

    /// A callback, and the answer to it, noted.
    pub(crate) async fn callback(&mut self, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer> {
        let answer = self.hands.client.send("POST", url, headers, Some(body.clone())).await?;
        self.did(format!("callback {}", String::from_utf8_lossy(&body)), answer.clone());
        Ok(answer)
    }

    async fn managed(&self) -> Result<Value> {
        if self.id.is_empty() {
            return Ok(Value::Null);
        }
        self.hands.managed(&self.id).await
    }

    /// Ours and the provider's.
    async fn ids(&self) -> Vec<String> {
        let shown = self.managed().await.unwrap_or_default();
        let theirs = shown["pspTransactionId"].as_str().unwrap_or_default().to_owned();
        [self.id.clone(), theirs].into_iter().filter(|id| id.len() > 5).collect()
    }

    /// Waits until the row is as it was written, or, when it was not, until nothing changes any more.
    async fn settles(&self, written: Option<&str>) -> Result<String> {
        let began = Instant::now();
        let mut last = String::new();
        let mut since = Instant::now();
        loop {
            let now = self.shown().await?;
            if now != last {
                last = now;
                since = Instant::now();
            }
            let enough = match written {
                Some(written) if written == last => STAYS,
                Some(_) => DIFFERS,
                None => QUIET,
            };
            if since.elapsed() >= enough || began.elapsed() >= LIMIT {
                return Ok(last);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Everything that can be seen of the row.
    async fn shown(&self) -> Result<String> {
        let managed = self.managed().await?;
        let mut names = Names::new();
        names.know(&self.id, "transaction");
        self.known.iter().for_each(|(text, name)| names.know(text, name));
        // Shorter ones are words that stand elsewhere too.
        let theirs = managed["pspTransactionId"].as_str().filter(|id| id.len() >= 6);
        names.know(theirs.unwrap_or_default(), "provider id");
        for (of, name) in
            [("sessionId", "session"), ("methodId", "method"), ("paymentMethodId", "method"), ("companyId", "company")]
        {
            names.know(managed[of].as_str().unwrap_or_default(), name);
        }
        let client = &self.hands.client;
        for (address, name) in
            [(&client.base, "platform"), (&client.simulator, "simulator"), (&self.stage.recorder.base, "simulator")]
        {
            names.know(address, name);
        }
        names.know(self.hands.sink.url.trim_end_matches("/webhook"), "shop");
        names.know(self.stage.world.sandbox.text("shopUrl"), "shop");
        let mut text = String::new();
        for (what, answer) in &self.acts {
            section(&mut text, what, &format!("{}\n{}", answer.status, said(answer)));
        }
        let exchanges = self.stage.recorder.since(self.from).into_iter();
        let exchanges = exchanges.map(|one| (recorder::shown(&one.request), recorder::shown(&one.reply)));
        let others = |text: &str| self.stage.earlier.iter().any(|id| text.contains(id.as_str()));
        let is_ours = |text: &str| !self.adopted || text.contains(&self.id);
        let mut told = Vec::new();
        for (request, reply) in exchanges.filter(|(request, reply)| is_ours(request) && !others(request) && !others(reply)) {
            let mut one = String::new();
            section(&mut one, "request", &request);
            section(&mut one, "reply", if reply.is_empty() { "(none)" } else { &reply });
            told.push(one);
        }
        text.push_str(&self.once(told, &mut names));
        self.state(&mut text, &managed, &mut names).await?;
        Ok(names.replaced(&text))
    }

    /// The pieces with their names; where it is wanted so, what was there before is not shown again.
    fn once(&self, pieces: Vec<String>, names: &mut Names) -> String {
        let mut seen = Vec::new();
        for piece in pieces {
            let piece = names.replaced(&piece);
            if !self.once || !seen.contains(&piece) {
                seen.push(piece);
            }
        }
        seen.concat()
    }

    async fn state(&self, text: &mut String, managed: &Value, names: &mut Names) -> Result<()> {
        if self.id.is_empty() {
            return Ok(());
        }
        let status = self.hands.client.status(&self.id).await?;
        let mut shown = status.body["data"].clone();
        // The timeline follows, as the Management API shows it.
        if let Some(members) = shown.as_object_mut() {
            members.shift_remove("events");
        }
        section(text, "transaction", &shown.to_string());
        let known = ["attention", "errorCode", "reasonCode", "reason"].map(|name| (name, managed[name].clone()));
        let known: Vec<String> =
            known.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| format!("{name} {value}")).collect();
        section(text, "management", &known.join("\n"));
        section(text, "memo", &memo::of(self.stage.world.data(), &self.id)?);
        let mut events = managed["events"].as_array().cloned().unwrap_or_default();
        // Deliveries of one moment have no order among themselves.
        let together = |one: &Value, next: &Value| one["event"] == next["event"] && one["detail"]["sequence"].is_u64();
        events.chunk_by_mut(together).for_each(|run| run.sort_by_key(|event| event["detail"]["sequence"].as_u64()));
        let events = events.into_iter().map(|mut event| {
            if let Some(members) = event.as_object_mut() {
                members.shift_remove("at");
            }
            format!("{event}\n")
        });
        let events = self.once(events.collect(), names);
        section(text, "timeline", events.trim_end());
        for webhook in self.hands.sink.about(&self.id) {
            ensure!(webhook.verified, "a webhook does not verify");
            let said = String::from_utf8_lossy(&webhook.bytes).into_owned();
            section(text, &format!("webhook {}", webhook.sequence), &said);
        }
        let entries: Vec<String> =
            self.hands.entries(self.stage.provider, &self.id).await?.iter().map(Value::to_string).collect();
        section(text, "ledger", &entries.join("\n"));
        Ok(())
    }
}

/// The answer's body, byte for byte; but for a timeline in it, which may say of a webhook that it is still on its way, and for
/// how far the next action is.
fn said(answer: &Answer) -> String {
    let mut body = answer.body.clone();
    let races = ["events", "nextAction", "nextActionAt"];
    let taken = body["data"].as_object_mut().map_or(0, |data| races.iter().filter_map(|name| data.shift_remove(*name)).count());
    if taken > 0 { body.to_string() } else { String::from_utf8_lossy(&answer.bytes).into_owned() }
}

fn section(text: &mut String, name: &str, what: &str) {
    let _ = writeln!(text, "--- {name}\n{what}");
}

/// A Management answer that must be 200.
pub(crate) fn good(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

/// An upstream answer with this body, JSON or text.
pub(crate) fn says(http: u16, body: Value) -> Value {
    json!({"http": http, "body": body})
}

/// The answer for calls whose path has this in it, and to those of that method alone where one is said first (`GET /path`).
pub(crate) fn at(path: &str, mut answer: Value) -> Value {
    let (method, path) = path.split_once(' ').map_or((None, path), |(method, path)| (Some(method), path));
    answer["path"] = json!(path);
    if let Some(method) = method {
        answer["method"] = json!(method);
    }
    answer
}
