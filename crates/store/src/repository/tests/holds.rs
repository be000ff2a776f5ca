//! Following the cursor of the list of holds to the end gives exactly the company's holds, oldest first, each once: of every
//! status together and of each alone, with several of the same moment.

use super::holds::{self, Hold, HoldStatus};
use crate::driver::{Driver, PostgresDriver, SqliteDriver};
use crate::{Batch, migrate};
use domain::{CompanyId, Timestamp, TransactionId};

const HOLDS: u8 = 60;
const PAGE: u32 = 7;
const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

fn company(n: u8) -> CompanyId {
    CompanyId::new(NOW, [n; 6])
}

/// Three of each moment, newer ids not always later.
fn one(n: u8) -> (Hold, HoldStatus) {
    let hold = Hold {
        transaction_id: TransactionId::new(NOW, [n.wrapping_mul(37); 6]),
        status: HoldStatus::Waiting,
        requested_at: NOW.plus_ms(i64::from(n / 3)),
        expires_at: NOW,
        required: 1,
        decided_at: None,
    };
    (hold, HoldStatus::ALL[usize::from(n % 5).min(2)])
}

async fn every_page(db: &dyn Driver) {
    db.migrate(migrate::migrations(db.dialect())).await.unwrap();
    let mut batch = Batch::new();
    for n in 0..HOLDS {
        let (hold, status) = one(n);
        // Of another company now and then.
        let whose = company(if n % 10 == 9 { 2 } else { 1 });
        holds::insert(&mut batch, whose, &hold);
        if status != HoldStatus::Waiting {
            holds::decide(&mut batch, whose, hold.transaction_id, status, NOW);
        }
    }
    db.commit(batch).await.unwrap();
    for asked in [None, Some(HoldStatus::Waiting), Some(HoldStatus::Approved), Some(HoldStatus::Rejected)] {
        let mut expected: Vec<(Timestamp, TransactionId)> = (0..HOLDS)
            .filter(|n| n % 10 != 9)
            .map(one)
            .filter(|(_, status)| asked.is_none_or(|asked| asked == *status))
            .map(|(hold, _)| (hold.requested_at, hold.transaction_id))
            .collect();
        expected.sort();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = holds::list(db, company(1), asked, after, PAGE).await.unwrap();
            assert!(page.iter().all(|hold| asked.is_none_or(|asked| asked == hold.status)), "{asked:?}");
            found.extend(page.iter().map(|hold| (hold.requested_at, hold.transaction_id)));
            after = found.last().copied();
            if page.len() < usize::try_from(PAGE).unwrap() {
                break;
            }
        }
        assert_eq!(found, expected, "{asked:?}");
    }
}

#[tokio::test]
async fn the_list_of_holds_is_whole_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let db = SqliteDriver::open(&directory.path().join("test.db")).unwrap();
    every_page(&db).await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_holds_is_whole_on_postgres() {
    let database = testkit::postgres::database().await;
    let db = PostgresDriver::connect(&database.url).await.unwrap();
    every_page(&db).await;
    db.close().await;
}
