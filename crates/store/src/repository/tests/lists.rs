//! Whatever is asked for, following the cursor to the end gives exactly the rows of a look at all of them, in their order; also
//! when the time is always up.

use super::transactions::{self, Filter, Pace, search_at};
use crate::driver::{Driver, PostgresDriver, SqliteDriver};
use crate::{Batch, Dialect, migrate};
use domain::{Attention, CompanyId, Operation, Timestamp, Transaction, TransactionId, TransactionStatus};
use std::sync::Arc;
use std::time::Instant;

const ROWS: i64 = 3_000;
const FILTERS: usize = 200;
const START_MS: i64 = 1_760_000_000_000;
/// Small, so that pieces end, filters are not selective, and searches stop.
const SMALL: Pace = Pace { piece: 40, selective: 60 };

fn company() -> CompanyId {
    CompanyId::new(Timestamp::from_millis(START_MS), [1; 6])
}

/// Mostly one company's, and some of another's; two transactions share each second. `hex`: a number as twelve digits.
fn fill(hex: fn(&str) -> String, series: &str, bytes: &str) -> String {
    let at = format!("({START_MS} + n / 2 * 1000)");
    let (time, number, company) = (hex(&at), hex("n"), company());
    format!(
        "INSERT INTO transactions (company_id, id, session_id, psp_type, operation, method_id, merchant_reference, user_id, amount_minor, currency, \
           status, psp_status, attention, maker, sealed, events_sent, timeline_length, version, created_at, updated_at) \
         SELECT CASE WHEN n % 50 = 49 THEN '0199c82cc000aaaaaaaaaaaa' ELSE '{company}' END, {time} || {number}, '00000000-0000-7000-8000-' || {number}, \
           CASE WHEN n < 200 THEN 'TRUST' WHEN n % 7 = 0 THEN 'CLEO' ELSE 'PAYONE' END, CASE WHEN n % 11 = 0 THEN 'PAYOUT' ELSE 'PAYIN' END, \
           '0199c82cc000010101010102', CASE WHEN n % 3 = 0 THEN NULL WHEN n % 5 = 0 THEN 'often' ELSE 'ref-' || (n % 900) END, \
           CASE WHEN n % 2 = 0 THEN 'heavy' ELSE 'user_' || (n % 40) END, 1, 'CAD', \
           CASE WHEN n % 13 = 0 THEN 'Created' WHEN n % 17 = 0 THEN 'Pending' WHEN n % 19 = 0 THEN 'Failed' WHEN n = 77 THEN 'Reversed' ELSE 'Approved' END, \
           'w', CASE WHEN n % 97 = 0 THEN 'stuck' WHEN n % 3 = 0 AND n > 2000 THEN 'anomaly' END, '0199c82cc000010101010103', {bytes}, 0, 0, 1, {at}, {at} \
         FROM {series}"
    )
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        // Half of the time not asked for.
        let sides = u64::try_from(of.len()).unwrap();
        (self.roll(2) == 0).then(|| of[usize::try_from(self.roll(sides)).unwrap()].clone())
    }

    fn filter(&mut self) -> Filter {
        use TransactionStatus as S;
        let time = |dice: &mut Self| {
            (dice.roll(4) == 0).then(|| Timestamp::from_millis(START_MS + i64::try_from(dice.roll(1_600)).unwrap() * 1_000))
        };
        let (from, to) = (time(self), time(self));
        Filter {
            psp_type: self.one(&["TRUST", "CLEO", "PAYONE", "BRITE"].map(str::to_owned)),
            operation: self.one(&[Operation::PayIn, Operation::PayOut]),
            status: self.one(&[S::Pending, S::Approved, S::Failed, S::Reversed, S::Expired]),
            user_id: self.one(&["heavy", "user_1", "user_3", "nobody"].map(str::to_owned)),
            merchant_reference: self.one(&["often", "ref-7", "ref-none"].map(str::to_owned)).filter(|_| self.0.is_multiple_of(3)),
            attention: self.one(&[Attention::Stuck, Attention::Anomaly]).filter(|_| self.0.is_multiple_of(3)),
            from,
            to,
            before: None,
        }
    }
}

fn matches(t: &Transaction, f: &Filter) -> bool {
    let status = match f.status {
        Some(TransactionStatus::Pending) => matches!(t.status, TransactionStatus::Pending | TransactionStatus::Created),
        Some(status) => t.status == status,
        None => true,
    };
    status
        && f.psp_type.as_ref().is_none_or(|psp| t.psp_type == *psp)
        && f.operation.is_none_or(|operation| t.operation == operation)
        && f.user_id.as_ref().is_none_or(|user| t.user_id == *user)
        && f.merchant_reference.as_ref().is_none_or(|reference| t.merchant_reference.as_ref() == Some(reference))
        && f.attention.is_none_or(|attention| t.attention == Some(attention))
        && f.from.is_none_or(|from| t.created_at >= from)
        && f.to.is_none_or(|to| t.created_at < to)
}

async fn every_search_is_whole(db: Arc<dyn Driver>) {
    let all = transactions::list(db.as_ref(), company(), &Filter::default(), 10_000).await.unwrap();
    assert_eq!(all.len(), 2_940, "one company's");
    let (mut dice, mut stops, mut pages_without_any) = (Dice(7), 0, 0);
    for number in 0..FILTERS {
        let filter = dice.filter();
        let expected: Vec<TransactionId> = all.iter().filter(|t| matches(t, &filter)).map(|t| t.id).collect();
        for always_late in [false, true] {
            let (mut found, mut page) = (Vec::new(), filter.clone());
            loop {
                let until = always_late.then(Instant::now);
                let answer = search_at(SMALL, db.as_ref(), company(), &page, 25, until).await.unwrap();
                let full = answer.items.len() == 25;
                found.extend(answer.items.iter().map(|t| t.id));
                page.before = match answer.stopped_at.filter(|_| !full) {
                    Some(stopped_at) => {
                        assert!(always_late, "there was time");
                        stops += 1;
                        pages_without_any += usize::from(answer.items.is_empty());
                        Some(stopped_at)
                    }
                    None if full => found.last().copied(),
                    None => break,
                };
            }
            assert_eq!(found, expected, "filter {number}: {filter:?}, late {always_late}");
        }
    }
    // A common reference of a user with few transactions is whole at once, although the time is up.
    let (user, reference) = (Some("user_5".to_owned()), Some("often".to_owned()));
    let filter = Filter { user_id: user, merchant_reference: reference, ..Filter::default() };
    let expected: Vec<TransactionId> = all.iter().filter(|t| matches(t, &filter)).map(|t| t.id).collect();
    let pace = Pace { selective: 100, ..SMALL };
    let answer = search_at(pace, db.as_ref(), company(), &filter, 1_000, Some(Instant::now())).await.unwrap();
    assert_eq!(answer.stopped_at, None, "{} of {}", answer.items.len(), expected.len());
    assert!(expected.len() > 40 && answer.items.iter().map(|t| t.id).eq(expected), "{}", answer.items.len());
    assert!(stops > 20 && pages_without_any > 0, "some stopped ({stops}), some with nothing found yet ({pages_without_any})");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_searches_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let db = Arc::new(SqliteDriver::open(&directory.path().join("test.db")).unwrap());
    db.migrate(migrate::migrations(Dialect::Sqlite)).await.unwrap();
    let series = format!("(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) SELECT n FROM s)");
    let mut batch = Batch::new();
    batch.run(String::leak(fill(|v| format!("printf('%012x', {v})"), &series, "X'00'")), Vec::new());
    db.commit(batch).await.unwrap();
    every_search_is_whole(db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_searches_are_whole() {
    let database = testkit::postgres::database().await;
    let db = Arc::new(PostgresDriver::connect(&database.url).await.unwrap());
    db.migrate(migrate::migrations(Dialect::Postgres)).await.unwrap();
    let mut batch = Batch::new();
    let series = format!("generate_series(1, {ROWS}::bigint) n");
    batch.run(String::leak(fill(|v| format!("lpad(to_hex({v}), 12, '0')"), &series, "'\\x00'::bytea")), Vec::new());
    db.commit(batch).await.unwrap();
    every_search_is_whole(db.clone()).await;
    db.close().await;
}
