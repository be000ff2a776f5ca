//! What only SQLite has: the settings it must refuse, a disk that is full, the backup.

use std::time::Duration;

use super::*;
use crate::driver::Statement;
use crate::params;

fn scratch() -> (std::path::PathBuf, impl Drop) {
    struct Scratch(std::path::PathBuf);
    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let directory = std::env::temp_dir().join(format!("mozarto-sqlite-{}", hex::encode(random)));
    std::fs::create_dir(&directory).unwrap();
    (directory.join("test.db"), Scratch(directory))
}

async fn with_table(path: &Path) -> SqliteDriver {
    let driver = SqliteDriver::open(path).unwrap();
    let mut batch = Batch::new();
    batch.run("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT", params![]);
    driver.commit(batch).await.unwrap();
    driver
}

fn insert(id: i64, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    batch.run("INSERT INTO t (id, body) VALUES (?1, ?2)", params![id, vec![7_u8; bytes]]);
    batch
}

async fn count(driver: &SqliteDriver) -> i64 {
    driver.query("SELECT COUNT(*) FROM t", params![]).await.unwrap()[0].int(0).unwrap()
}

#[test]
fn a_store_that_would_not_sync_is_refused() {
    let (path, _scratch) = scratch();
    for (pragma, setting) in [
        ("PRAGMA synchronous = NORMAL", "synchronous"),
        ("PRAGMA synchronous = OFF", "synchronous"),
        ("PRAGMA foreign_keys = OFF", "foreign_keys"),
        ("PRAGMA journal_mode = DELETE", "journal_mode"),
        ("PRAGMA journal_mode = MEMORY", "journal_mode"),
    ] {
        let fresh = Connection::open(path.with_extension(setting)).unwrap();
        fresh.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON").unwrap();
        assert_settings(&fresh).unwrap();
        fresh.execute_batch(pragma).unwrap();
        match assert_settings(&fresh) {
            Err(OpenError::Unsafe { setting: found, .. }) => assert_eq!(found, setting),
            other => panic!("{pragma}: {other:?}"),
        }
    }
    // A database in memory cannot have a log: the opening itself is refused.
    let refused = SqliteDriver::open(Path::new(":memory:"));
    assert!(matches!(refused, Err(OpenError::Unsafe { setting: "journal_mode", .. })));
}

#[tokio::test]
async fn a_full_disk_answers_nothing_as_stored_and_recovers() {
    let (path, _scratch) = scratch();
    let driver = with_table(&path).await;
    driver.commit(insert(1, 10)).await.unwrap();
    let limit = |pages: &'static str| {
        let mut batch = Batch::new();
        batch.push(Statement::new(pages, params![]).expect(super::super::Expect::Returning));
        batch
    };
    driver.commit(limit("PRAGMA max_page_count = 10")).await.unwrap();
    // A crowd, so that small batches share their transaction with those that cannot fit.
    let jobs = (2..66).map(|id| driver.commit(insert(id, if id % 2 == 0 { 200_000 } else { 8 })));
    let results = futures::future::join_all(jobs).await;
    for (id, result) in (2..66).zip(&results) {
        match result {
            Ok(_) => assert_eq!(id % 2, 1, "{id} cannot fit"),
            Err(CommitError::Unavailable(_)) => {}
            other => panic!("{id}: {other:?}"),
        }
    }
    let stored = results.iter().filter(|result| result.is_ok()).count() as i64;
    assert_eq!(count(&driver).await, 1 + stored);
    assert!(stored > 0, "the small ones fit");
    driver.commit(limit("PRAGMA max_page_count = 100000")).await.unwrap();
    driver.commit(insert(100, 200_000)).await.unwrap();
    assert_eq!(count(&driver).await, 2 + stored);
}

#[tokio::test]
async fn a_lock_of_another_process_makes_writes_unavailable_for_a_while_only() {
    let (path, _scratch) = scratch();
    let driver = with_table(&path).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = driver.commit(insert(1, 1)).await;
    assert!(matches!(refused, Err(CommitError::Unavailable(_))), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    driver.commit(insert(1, 1)).await.unwrap();
    assert_eq!(count(&driver).await, 1);
}

#[tokio::test]
async fn a_dropped_caller_does_not_cancel_a_queued_batch() {
    let (path, _scratch) = scratch();
    let driver = with_table(&path).await;
    let blocker = Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    for id in 0..10 {
        let mut caller = driver.commit(insert(id, 1));
        assert!(futures::poll!(&mut caller).is_pending());
        drop(caller);
    }
    blocker.execute_batch("ROLLBACK").unwrap();
    driver.close().await;
    let driver = SqliteDriver::open(&path).unwrap();
    assert_eq!(count(&driver).await, 10);
}

#[tokio::test]
async fn a_backup_is_whole_and_never_overwrites() {
    let (path, _scratch) = scratch();
    let driver = with_table(&path).await;
    for id in 0..20 {
        driver.commit(insert(id, 5_000)).await.unwrap();
    }
    let target = path.with_file_name("backup.db");
    let writes = async {
        for id in 20..60 {
            driver.commit(insert(id, 5_000)).await.unwrap();
        }
    };
    let (backup, ()) = tokio::join!(driver.backup(target.clone()), writes);
    backup.unwrap();
    assert!(matches!(driver.backup(target.clone()).await, Err(BackupError::TargetExists)));
    let copy = SqliteDriver::open(&target).unwrap();
    let copied = count(&copy).await;
    assert!((20..=60).contains(&copied), "{copied}");
    let sound = copy.query("PRAGMA integrity_check", params![]).await.unwrap();
    assert_eq!(sound[0].text(0).unwrap(), "ok");
    assert!(!path.with_file_name("backup.db.partial").exists());
}

#[tokio::test]
async fn after_close_everything_is_unavailable() {
    let (path, _scratch) = scratch();
    let driver = with_table(&path).await;
    tokio::time::timeout(Duration::from_secs(10), driver.close()).await.unwrap();
    assert!(matches!(driver.commit(insert(1, 1)).await, Err(CommitError::Unavailable(_))));
    let query = driver.query("SELECT 1", params![]).await;
    assert!(matches!(query, Err(QueryError::Unavailable(_))));
    assert!(driver.ping().await.is_err());
}
