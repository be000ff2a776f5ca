//! Webhooks over a real store and real sockets of this machine.

mod crowd;
mod manage;
mod matrix;
mod order;
mod receiver;
mod schedule;
mod signing;

use super::{Announcement, announce};
use crate::clock::Clock;
use crate::core::{Config, Engine};
use crate::directory::change::{Actor, MethodPatch, NewCompany, NewMethod};
use domain::urls::Environment;
use domain::{
    CompanyId, CredentialId, Currency, EventId, Json, MethodId, Money, Operation, PaymentMethod, SessionId, Timestamp,
    Transaction, TransactionId, TransactionStatus,
};
use std::sync::Arc;
use std::time::Duration;
use store::driver::{PostgresDriver, SqliteDriver};
use store::repository::deliveries::{self, Attempt, Delivery, DeliveryState};
use store::vault::MasterKey;
use store::{Batch, Driver, migrate};

/// When worlds with a clock of their own begin.
const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// No test waits longer for something that should happen.
const PATIENCE: Duration = Duration::from_secs(120);

enum Place {
    Files(#[expect(dead_code, reason = "the directory lives as long as the world")] tempfile::TempDir),
    Server(testkit::postgres::TestDatabase),
}

/// A platform with one company.
struct World {
    engine: Engine,
    company: CompanyId,
    key: MasterKey,
    place: Place,
}

fn config(shared_store: bool) -> Config {
    Config {
        environment: Environment::Sandbox,
        public_url: "http://127.0.0.1:8080".to_owned(),
        providers: [].into(),
        simulator_url: None,
        shop_url: None,
        shared_store,
        retention: crate::core::Retention::default(),
        page_opener: None,
        progress: None,
    }
}

fn same(key: &MasterKey) -> MasterKey {
    MasterKey::from_text(&key.to_text()).unwrap()
}

impl World {
    async fn new(clock: Clock) -> Self {
        let files = tempfile::tempdir().unwrap();
        let db = Arc::new(SqliteDriver::open(&files.path().join("t.db")).unwrap());
        Self::over(db, clock, Place::Files(files)).await
    }

    async fn postgres(clock: Clock) -> Self {
        let database = testkit::postgres::database().await;
        let db = Arc::new(PostgresDriver::connect(&database.url).await.unwrap());
        Self::over(db, clock, Place::Server(database)).await
    }

    async fn over(db: Arc<dyn Driver>, clock: Clock, place: Place) -> Self {
        db.migrate(migrate::migrations(db.dialect())).await.unwrap();
        let key = MasterKey::generate().unwrap();
        let shared = matches!(place, Place::Server(_));
        let engine = Engine::start(db, same(&key), clock, config(shared)).await.unwrap();
        let new = NewCompany { name: "Shop".into(), billing_currency: "EUR".into(), country: "DE".into() };
        let company = engine.changes(Actor::operator()).create_company(&new).await.unwrap().company.id;
        Self { engine, company, key, place }
    }

    /// A second process on the same database.
    async fn another_process(&self) -> Engine {
        let Place::Server(database) = &self.place else { panic!("an embedded store belongs to one process") };
        let db = Arc::new(PostgresDriver::connect(&database.url).await.unwrap());
        Engine::start(db, same(&self.key), Clock::system(1), config(true)).await.unwrap()
    }

    /// Starts the worker.
    fn deliver(&self) {
        let engine = self.engine.clone();
        self.engine.inner.tasks.spawn(async move { engine.run_deliveries().await });
    }

    async fn stop(&self) {
        self.engine.inner.stop.cancel();
        self.engine.inner.tasks.close();
        tokio::time::timeout(PATIENCE, self.engine.inner.tasks.wait()).await.unwrap();
    }

    /// A payment method whose webhooks go there.
    async fn method(&self, url: &str) -> Arc<PaymentMethod> {
        let config = Json::object([("webhookUrl", Json::text(url)), ("isWebhookSecured", Json::Bool(true))]);
        let new = NewMethod { psp_type: "FORUMPAY".into(), brand_id: None, enabled: true, config, roles: Vec::new() };
        let made = self.engine.changes(Actor::operator()).create_payment_method(self.company, &new).await.unwrap();
        self.configured(made.id).await
    }

    async fn configured(&self, id: MethodId) -> Arc<PaymentMethod> {
        let company = self.engine.directory().company(self.company).await.unwrap().unwrap();
        company.method(id).unwrap().clone()
    }

    async fn patch(&self, id: MethodId, config: Json) {
        let patch = MethodPatch { enabled: None, config: Some(config) };
        self.engine.changes(Actor::operator()).update_payment_method(self.company, id, &patch).await.unwrap();
    }

    fn id(&self) -> TransactionId {
        TransactionId::new(self.engine.clock().now(), self.engine.inner.random.bytes())
    }

    /// Adds the announcement of a transaction's change, as the flow of transactions does.
    fn tell(&self, batch: &mut Batch, method: &PaymentMethod, id: TransactionId, sequence: i64) -> (EventId, TransactionId) {
        let now = self.engine.clock().now();
        let transaction = transaction(self.company, method.id, id, sequence, now);
        let event_id = EventId::new(now, self.engine.inner.random.bytes());
        let delivery_id = self.id();
        let announcement = Announcement {
            company_id: self.company,
            transaction: &transaction,
            method,
            event_id: event_id.clone(),
            delivery_id,
            now,
        };
        announce(batch, &announcement);
        (event_id, delivery_id)
    }

    async fn announce(&self, method: &PaymentMethod, id: TransactionId, sequence: i64) -> (EventId, TransactionId) {
        let mut batch = Batch::new();
        let ids = self.tell(&mut batch, method, id, sequence);
        self.engine.store().commit(batch).await.unwrap();
        self.engine.inner.wake.deliveries.notify_one();
        ids
    }

    async fn delivery(&self, id: TransactionId) -> Delivery {
        deliveries::find(self.engine.store(), self.company, id).await.unwrap().unwrap()
    }

    async fn attempts(&self, id: TransactionId) -> Vec<Attempt> {
        let found = deliveries::attempts(self.engine.store(), self.company, &[id]).await.unwrap();
        found.into_iter().map(|(_, attempt)| attempt).collect()
    }

    /// Waits until the delivery is as it should be.
    async fn until(&self, id: TransactionId, good: impl Fn(&Delivery) -> bool) -> Delivery {
        let started = std::time::Instant::now();
        loop {
            let delivery = self.delivery(id).await;
            if good(&delivery) {
                return delivery;
            }
            assert!(started.elapsed() < PATIENCE, "it stays {delivery:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn until_state(&self, id: TransactionId, state: DeliveryState) -> Delivery {
        self.until(id, |delivery| delivery.state == state).await
    }

    /// How many deliveries are in that state.
    async fn count(&self, state: DeliveryState) -> i64 {
        let sql = "SELECT COUNT(*) FROM deliveries WHERE company_id = ?1 AND state = ?2";
        let rows = self.engine.store().query(sql, vec![self.company.to_string().into(), state.as_str().into()]).await.unwrap();
        rows[0].int(0).unwrap()
    }

    async fn until_count(&self, state: DeliveryState, count: i64) {
        let started = std::time::Instant::now();
        while self.count(state).await != count {
            assert!(started.elapsed() < PATIENCE, "{} are {}", self.count(state).await, state.as_str());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn transaction(company_id: CompanyId, method_id: MethodId, id: TransactionId, events_sent: i64, now: Timestamp) -> Transaction {
    Transaction {
        id,
        session_id: SessionId::new(now, [1; 10]),
        company_id,
        live: 1,
        attempts: 1,
        psp_type: "FORUMPAY".to_owned(),
        operation: Operation::PayIn,
        method_id,
        brand_id: None,
        merchant_reference: Some("ref-1".to_owned()),
        user_id: "user_123".to_owned(),
        amount: Money::from_minor(10_000, Currency::from_code("EUR").unwrap()),
        status: TransactionStatus::Approved,
        psp_status: "confirmed".to_owned(),
        message: Some("Confirmed".to_owned()),
        psp_transaction_id: None,
        redirect_url: None,
        destination_masked: None,
        attention: None,
        rule: None,
        maker: CredentialId::new(now, [2; 6]),
        given_back: domain::GivenBack::default(),
        events_sent,
        timeline_length: 1,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}
