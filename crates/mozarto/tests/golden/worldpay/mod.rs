//! Worldpay: orders on hosted pages and with cards, challenges, redirects, notifications, records, refunds.

mod account;
mod act;
mod browser;
mod documents;
mod found;
mod gate;
mod refunds;
mod replies;
mod returns;
mod stub;
mod templates;
mod told;
mod triggers;

use crate::book::Book;
use crate::recorder::Recorder;
use crate::stage::{Pace, Scene, Stage, good};
use account::Accounts;
use act::Act;
use anyhow::Result;
use serde_json::{Value, json};

const NAME: &str = "worldpay";
const SERVICE: &str = "/jsp/merchant/xml/paymentService.jsp";
const VISA: &str = "4444333322221111";
/// A card whose issuer wants to see the payer.
const CHALLENGE: &str = "4000000000001091";
const PLAIN: &str = "John Doe";

/// The sheet's triggers, and what orders take from requests and accounts.
#[tokio::test(flavor = "multi_thread")]
async fn triggered() {
    let real = async {
        let mut run = Run::start("worldpay", Pace::Real).await.expect("a stage");
        triggers::hosted(&mut run).await;
        triggers::direct(&mut run).await;
        account::orders(&mut run).await;
        account::refuses(&mut run).await;
        account::tested(&mut run).await;
        run.book
    };
    let fast = async {
        let mut run = Run::start("worldpay-by-schedule", Pace::Fast).await.expect("a stage");
        triggers::by_schedule(&mut run).await;
        run.book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

/// What orders and second submits are answered.
#[tokio::test(flavor = "multi_thread")]
async fn answered() {
    let mut run = silent("worldpay-answered").await;
    replies::creating(&mut run).await;
    replies::dressed_up(&mut run).await;
    replies::going_on(&mut run).await;
    templates::rows(&mut run).await;
    Book::close_all([run.book]);
}

/// What notifications and redirects say.
#[tokio::test(flavor = "multi_thread")]
async fn told() {
    let mut run = silent("worldpay-told").await;
    told::rows(&mut run).await;
    returns::rows(&mut run).await;
    Book::close_all([run.book]);
}

/// What records say.
#[tokio::test(flavor = "multi_thread")]
async fn found() {
    let mut run = silent("worldpay-found").await;
    found::words(&mut run).await;
    found::inquiries(&mut run).await;
    refunds::rows(&mut run).await;
    Book::close_all([run.book]);
}

/// A stage on which nobody calls but the rows.
async fn silent(name: &str) -> Run {
    let run = Run::start(name, Pace::Real).await.expect("a stage");
    run.settings(json!({"dropCallbacks": true})).await;
    run
}

/// A stage with its book, and with what stands before its recorder: rows count and read what is about their own transaction.
struct Run {
    stage: Stage,
    book: Book,
    front: Recorder,
    accounts: Accounts,
}

impl Run {
    async fn start(name: &str, pace: Pace) -> Result<Self> {
        let book = Book::open(name);
        let stage = Stage::start(NAME, &["WORLDPAY_EU"], "", pace).await?;
        let (accounts, base) = Accounts::of(&stage.hands()).await?;
        let front = Recorder::start(base.trim_end_matches("/worldpay"), false).await?;
        let run = Self { stage, book, front, accounts };
        // Nothing is captured by itself: the words are those of the rows.
        let there = json!({"baseUrl": run.base(), "captureDelay": "OFF"});
        run.configure(false, there.clone()).await;
        run.configure(true, there).await;
        Ok(run)
    }

    fn base(&self) -> String {
        format!("{}/{NAME}", self.front.base)
    }

    async fn row(&mut self, name: &str, work: impl AsyncFnOnce(&mut Act<'_, '_>) -> Result<()>) {
        let (front, accounts) = (self.front.clone(), self.accounts.clone());
        let whole = async |scene: &mut Scene<'_>| -> Result<()> {
            let mut act = Act::begin(scene, front, accounts);
            work(&mut act).await?;
            act.learn().await
        };
        self.stage.row(&mut self.book, name, whole).await;
    }

    /// The settings of the account for cards, or of the one of hosted pages.
    async fn configure(&self, direct: bool, config: Value) {
        let path = self.accounts.path(direct);
        let set = self.stage.hands().client.manage("PATCH", &path, Some(json!({"config": config}))).await;
        good(&set.expect("an answer")).expect("a setting");
    }

    async fn settings(&self, what: Value) {
        let set = self.stage.hands().client.control("PUT", &format!("/{NAME}/settings"), Some(what)).await;
        good(&set.expect("an answer")).expect("settings");
    }

    /// The account as the simulator has it, with something more.
    async fn simulator(&self, direct: bool, more: Value) {
        let (name, account) = self.accounts.at_simulator(direct, more);
        let set = self.stage.hands().client.control("PUT", &format!("/{NAME}/accounts/{name}"), Some(account)).await;
        good(&set.expect("an answer")).expect("an account");
    }
}
