//! A migrated database with a way to make events.

use domain::{CompanyId, EventId, MethodId, Timestamp, TransactionId};
use mozarto_store::driver::{PostgresDriver, SqliteDriver};
use mozarto_store::repository::deliveries::{self, Attempt, Claimed, DeliveryState, Lease, Outcome};
use mozarto_store::repository::events::{self, StoredEvent};
use mozarto_store::repository::feed;
use mozarto_store::{Batch, Dialect, Driver, migrate};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const NODE: &str = "node-a";
/// When the tests play.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const LEASE_MS: i64 = 60_000;

pub(crate) enum Place {
    Sqlite(#[expect(dead_code, reason = "the directory lives as long as the test")] tempfile::TempDir),
    Postgres(testkit::postgres::TestDatabase),
}

pub(crate) struct Bed {
    pub(crate) db: Arc<dyn Driver>,
    pub(crate) place: Place,
    pub(crate) company: CompanyId,
    pub(crate) method: MethodId,
    counter: AtomicU64,
}

impl Bed {
    /// Lets the sequencer work once: what is stored is shown, but for what comes after a writer that has not ended. Answers
    /// whether everything is.
    pub(crate) async fn shown(&self) -> bool {
        if self.db.dialect() == Dialect::Sqlite {
            return true;
        }
        let db = self.db.as_ref();
        let state = feed::state(db).await.unwrap();
        if state.closed + 1 == state.round {
            feed::raise(db, state.round).await.unwrap();
        }
        let round = feed::state(db).await.unwrap().round - 1;
        let mut writers = feed::writers(db).await.unwrap();
        for _ in 0..100 {
            if writers.is_empty() {
                feed::close(db, round).await.unwrap();
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let now = feed::writers(db).await.unwrap();
            writers.retain(|writer| now.contains(writer));
        }
        false
    }

    pub(crate) async fn new(dialect: Dialect) -> Self {
        let (db, place): (Arc<dyn Driver>, Place) = match dialect {
            Dialect::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                (Arc::new(SqliteDriver::open(&directory.path().join("test.db")).unwrap()), Place::Sqlite(directory))
            }
            Dialect::Postgres => {
                let database = testkit::postgres::database().await;
                (Arc::new(PostgresDriver::connect(&database.url).await.unwrap()), Place::Postgres(database))
            }
        };
        db.migrate(migrate::migrations(dialect)).await.unwrap();
        let (company, method) = (CompanyId::new(START, [1; 6]), MethodId::new(START, [2; 6]));
        Self { db, place, company, method, counter: AtomicU64::new(1) }
    }

    fn random(&self) -> [u8; 6] {
        let bytes = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        [bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]
    }

    pub(crate) fn transaction(&self) -> TransactionId {
        TransactionId::new(START, self.random())
    }

    pub(crate) fn event(&self, transaction_id: TransactionId, sequence: i64, at: Timestamp) -> StoredEvent {
        StoredEvent {
            company_id: self.company,
            id: EventId::new(at, self.random()),
            transaction_id,
            sequence,
            method_id: self.method,
            sample: false,
            created_at: at,
            body: format!("{{\"n\":{sequence}}}"),
        }
    }

    /// Stores an event with its delivery.
    pub(crate) async fn announce(&self, transaction: TransactionId, sequence: i64, at: Timestamp) -> TransactionId {
        let event = self.event(transaction, sequence, at);
        let id = TransactionId::new(at, self.random());
        let mut batch = Batch::new();
        events::insert(&mut batch, &event);
        deliveries::insert(&mut batch, id, &event);
        self.db.commit(batch).await.unwrap();
        id
    }

    pub(crate) async fn claim(&self, now: Timestamp) -> Vec<Claimed> {
        self.claim_as(NODE, now, 100).await
    }

    pub(crate) async fn claim_as(&self, owner: &str, now: Timestamp, limit: u32) -> Vec<Claimed> {
        let lease = Lease { owner, until: now.plus_ms(LEASE_MS) };
        deliveries::claim(self.db.as_ref(), lease, now, limit).await.unwrap()
    }

    /// Records an attempt that ended like this.
    pub(crate) async fn record(
        &self,
        claimed: &Claimed,
        at: Timestamp,
        state: DeliveryState,
        next_at: Option<Timestamp>,
    ) -> Result<(), mozarto_store::CommitError> {
        let taken = state == DeliveryState::Delivered;
        let attempt = Attempt {
            n: claimed.delivery.attempts_total + 1,
            at,
            http_status: Some(if taken { 200 } else { 500 }),
            failure: (!taken).then(|| "http_status".to_owned()),
            latency_ms: 7,
            response_body: Some("ok".to_owned()),
        };
        let mut batch = Batch::new();
        deliveries::record(&mut batch, claimed, NODE, &Outcome { attempt, state, next_at });
        self.db.commit(batch).await.map(|_| ())
    }

    pub(crate) async fn state(&self, id: TransactionId) -> DeliveryState {
        deliveries::find(self.db.as_ref(), self.company, id).await.unwrap().unwrap().state
    }
}

pub(crate) fn ids(claimed: &[Claimed]) -> Vec<TransactionId> {
    claimed.iter().map(|claimed| claimed.delivery.id).collect()
}
