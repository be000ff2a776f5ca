//! The life of a transaction where it is hard: two processes over one store, crashes between any two steps, a store that fails, a
//! provider that keeps silent. Everything is driven by hand, over a clock that stands still, so that each order of events comes
//! about every time.

mod attempts;
mod callbacks;
mod doubt;
mod meetings;
mod nodes;
mod pages;
mod psp;
mod races;
mod schedule;
mod store;
mod turns;
mod unknown;

use self::psp::Psp;
use self::store::Hooked;
use super::due::DuePlaces;
use super::{EngineError, IdempotencyTicket, KnownKey, PayRequest};
use crate::answer::CashierAnswer;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::core::{Config, Engine};
use crate::directory::change::{Actor, NewCompany, NewCredential, NewMethod, RulePatch};
use ::store::driver::{Dialect, SqliteDriver};
use ::store::repository::jobs::{self, Job};
use ::store::repository::transactions;
use ::store::vault::MasterKey;
use ::store::{Batch, Driver, migrate};
use domain::company::CredentialKind;
use domain::urls::Environment;
use domain::{CompanyId, Json, Operation, Scope, Secret, Timestamp, Transaction, TransactionId};
use providers::fields;
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// No test waits longer for something that should happen.
const PATIENCE: Duration = Duration::from_secs(20);
const PATH: &str = "POST /v1/api/mozarto/cashier";
const BODY: &[u8] = b"a body";
const HOUR: i64 = 3_600_000;

/// Two processes over one store, a company with a PayOne account, and its provider.
struct World {
    db: Arc<Hooked>,
    /// The process that most things happen in.
    a: Engine,
    /// Another one.
    b: Engine,
    psp: Psp,
    company: CompanyId,
    token: Secret,
    approver: Secret,
    _files: tempfile::TempDir,
}

async fn start(db: &Arc<Hooked>, key: &MasterKey) -> Engine {
    let config = Config {
        environment: Environment::Sandbox,
        public_url: "http://127.0.0.1:8080".to_owned(),
        providers: [].into(),
        simulator_url: None,
        shop_url: None,
        shared_store: true,
        retention: crate::core::Retention::default(),
        page_opener: None,
        progress: None,
    };
    let key = MasterKey::from_text(&key.to_text()).unwrap();
    let db: Arc<dyn Driver> = db.clone();
    Engine::start(db, key, Clock::manual(START), config).await.unwrap()
}

impl World {
    /// Pay-outs wait for a person when `hold`.
    async fn new(hold: bool) -> Self {
        let files = tempfile::tempdir().unwrap();
        let sqlite = SqliteDriver::open(&files.path().join("t.db")).unwrap();
        sqlite.migrate(migrate::migrations(Dialect::Sqlite)).await.unwrap();
        let db = Arc::new(Hooked::new(Arc::new(sqlite)));
        let key = MasterKey::generate().unwrap();
        let (a, b) = (start(&db, &key).await, start(&db, &key).await);
        let psp = Psp::start().await;
        let changes = a.changes(Actor::operator());
        let new = NewCompany { name: "Shop".into(), billing_currency: "CAD".into(), country: "CA".into() };
        let company = changes.create_company(&new).await.unwrap().company.id;
        let credential = |kind, scopes: &[Scope]| NewCredential { kind, name: "a test".into(), scopes: scopes.to_vec() };
        let payer = credential(CredentialKind::Company, &Scope::COMPANY);
        let approver = credential(CredentialKind::Management, &Scope::MANAGEMENT);
        let token = changes.create_credential(company, &payer).await.unwrap().token;
        let approver = changes.create_credential(company, &approver).await.unwrap().token;
        let texts = [
            ("accountName", "Shop"),
            ("apiKey", psp::KEY),
            ("webhookUrl", "https://shop.example/webhook"),
            ("siteUrl", "https://shop.example/"),
            ("baseUrl", &psp.url),
        ];
        let config = Json::object(texts.map(|(name, text)| (name, Json::text(text))));
        let method = NewMethod { psp_type: "PAYONE".into(), brand_id: None, enabled: true, config, roles: Vec::new() };
        changes.create_payment_method(company, &method).await.unwrap();
        let rule = RulePatch { name: Some("all".into()), hold: Some(hold), ..RulePatch::default() };
        changes.create_rule(company, &rule).await.unwrap();
        drop(changes);
        Self { db, a, b, psp, company, token, approver, _files: files }
    }

    async fn caller(&self, engine: &Engine) -> Caller {
        engine.company_caller(Some(&format!("Bearer {}", self.token.expose()))).await.unwrap()
    }

    async fn approver(&self, engine: &Engine) -> Caller {
        engine.management_caller(Some(&format!("Bearer {}", self.approver.expose()))).await.unwrap()
    }

    /// A Cashier call of 100 CAD as the HTTP edge hands it over.
    async fn request(&self, engine: &Engine, operation: Operation, key: Option<&str>) -> PayRequest {
        let caller = self.caller(engine).await;
        let provider = providers::by_psp_type("PAYONE").unwrap();
        let body = br#"{"baseamount":100,"userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678","currency":"CAD","currencyCode":"CAD"}"#;
        let body = Json::parse(body).unwrap();
        let request = fields::Request {
            body: &body,
            claims: None,
            caller_ip: None,
            browser: fields::BrowserHeaders::default(),
            environment: Environment::Sandbox,
            now: engine.clock().now(),
        };
        let checked = fields::check(provider.descriptor().operation(operation).unwrap(), &request).unwrap();
        let idempotency = key.map(|key| self.ticket(engine, &caller, key));
        PayRequest { caller, provider, operation, checked, idempotency, then: Vec::new(), place: None }
    }

    fn ticket(&self, engine: &Engine, caller: &Caller, key: &str) -> IdempotencyTicket {
        engine.idempotency_ticket(&caller.company, PATH, key, BODY)
    }

    async fn pay(&self, engine: &Engine, operation: Operation, key: Option<&str>) -> CashierAnswer {
        engine.pay(self.request(engine, operation, key).await).await
    }

    async fn known(&self, engine: &Engine, key: &str) -> KnownKey {
        let caller = self.caller(engine).await;
        engine.known_key(&caller.company, &self.ticket(engine, &caller, key)).await.unwrap()
    }

    /// The one transaction of the test.
    async fn transaction(&self) -> Transaction {
        let page = self.a.transactions(self.company, Default::default(), 10, None).await.unwrap();
        let [one] = page.items.as_slice() else { panic!("{} transactions", page.items.len()) };
        one.clone()
    }

    async fn job(&self, id: TransactionId) -> Option<Job> {
        self.job_of(id, 1).await
    }

    async fn job_of(&self, id: TransactionId, n: i64) -> Option<Job> {
        jobs::find(self.db.as_ref(), self.company, id, n).await.unwrap()
    }

    /// The events of a transaction's timeline.
    async fn events(&self, id: TransactionId) -> Vec<String> {
        let timeline = transactions::timeline(self.db.as_ref(), self.company, id).await.unwrap();
        timeline.into_iter().map(|entry| entry.event).collect()
    }

    fn advance(&self, ms: i64) {
        self.a.clock().advance(ms);
        self.b.clock().advance(ms);
    }

    /// Changes the transaction as another process might at this moment: nothing of it but its version.
    fn bump(&self) -> store::Hook {
        let db = self.db.clone();
        Box::new(move || {
            Box::pin(async move {
                let mut batch = Batch::new();
                batch.run("UPDATE transactions SET version = version + 1", Vec::new());
                db.inner.commit(batch).await.unwrap();
            })
        })
    }

    /// How many callbacks are still to be processed.
    async fn open_callbacks(&self) -> i64 {
        let rows = self.db.query("SELECT COUNT(*) FROM callbacks WHERE due_at IS NOT NULL", Vec::new()).await.unwrap();
        rows[0].int(0).unwrap()
    }
}

/// Lets a process do every job that is due, once. Answers the errors.
async fn do_jobs(engine: &Engine) -> Vec<String> {
    let mut errors = Vec::new();
    for (job, _place) in engine.claim_jobs(&DuePlaces::new()).await {
        if let Err(error) = engine.do_job(&job).await {
            engine.put_back(&job, &error).await;
            errors.push(error.to_string());
        }
    }
    errors
}

/// Lets a process work on every callback that is due, once.
async fn do_callbacks(engine: &Engine) {
    for ((company, id, _), _place) in engine.claim_callbacks(&DuePlaces::new()).await {
        engine.work_on_callbacks_of(company, id).await;
    }
}

fn body(answer: &CashierAnswer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, good: impl Fn() -> F) {
    let began = std::time::Instant::now();
    while !good().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
