//! How the schema is brought up to date.

use mozarto_store::driver::{Dialect, Driver};
use mozarto_store::migrate::{Migration, MigrationError, MigrationStatus, migrations};
use mozarto_store::params;

use crate::bed::Bed;

const ONE: Migration = Migration {
    version: 1,
    name: "one",
    sql: "CREATE TABLE one (a BIGINT);\nINSERT INTO one (a) VALUES (1); -- ; comment\n",
    one_text: false,
};
const TWO: Migration =
    Migration { version: 2, name: "two", sql: "CREATE TABLE two (a BIGINT); DROP TABLE one;", one_text: false };
const TWO_EDITED: Migration =
    Migration { version: 2, name: "two", sql: "CREATE TABLE two (a BIGINT); DROP TABLE one; ", one_text: false };
const THREE_BROKEN: Migration = Migration {
    version: 3,
    name: "three",
    sql: "CREATE TABLE three (a BIGINT); INSERT INTO three (b) VALUES (1);",
    one_text: false,
};
const THREE: Migration = Migration { version: 3, name: "three", sql: "CREATE TABLE three (a BIGINT)", one_text: false };
const THREE_UNTIDY: Migration =
    Migration { version: 3, name: "three", sql: "CREATE TABLE three (a BIGINT); COMMIT", one_text: false };

static FIRST: [Migration; 1] = [ONE];
static BOTH: [Migration; 2] = [ONE, TWO];
static EDITED: [Migration; 2] = [ONE, TWO_EDITED];
static BROKEN: [Migration; 3] = [ONE, TWO, THREE_BROKEN];
static UNTIDY: [Migration; 3] = [ONE, TWO, THREE_UNTIDY];
static MENDED: [Migration; 3] = [ONE, TWO, THREE];
static GAP: [Migration; 2] = [TWO, THREE];

fn versions(applied: &[mozarto_store::migrate::AppliedMigration]) -> Vec<i64> {
    applied.iter().map(|migration| migration.version).collect()
}

async fn standing(driver: &dyn Driver, list: &'static [Migration]) -> String {
    let status = driver.migration_status(list).await.unwrap();
    let word = |status: &MigrationStatus| match status {
        MigrationStatus::Applied(a) => format!("{} applied", a.version),
        MigrationStatus::Pending { version, .. } => format!("{version} pending"),
        MigrationStatus::Changed(a) => format!("{} changed", a.version),
        MigrationStatus::Unknown(a) => format!("{} unknown", a.version),
    };
    status.iter().map(word).collect::<Vec<_>>().join(", ")
}

pub(crate) async fn each_is_applied_once(dialect: Dialect) {
    let mut bed = Bed::empty(dialect).await;
    assert_eq!(standing(&*bed.driver, &BOTH).await, "1 pending, 2 pending");
    assert_eq!(versions(&bed.driver.migrate(&FIRST).await.unwrap()), [1]);
    assert_eq!(standing(&*bed.driver, &BOTH).await, "1 applied, 2 pending");
    assert_eq!(bed.int("SELECT a FROM one", params![]).await, 1);
    bed.reopen().await;
    let applied = bed.driver.migrate(&BOTH).await.unwrap();
    assert_eq!(versions(&applied), [2]);
    assert_eq!(applied[0].checksum, TWO.checksum());
    assert!(applied[0].applied_at_ms > 1_700_000_000_000);
    assert!(bed.driver.migrate(&BOTH).await.unwrap().is_empty(), "nothing left to do");
    assert_eq!(standing(&*bed.driver, &BOTH).await, "1 applied, 2 applied");
    assert_eq!(bed.int("SELECT COUNT(*) FROM schema_migrations", params![]).await, 2);
}

pub(crate) async fn an_edited_one_is_refused(dialect: Dialect) {
    let bed = Bed::empty(dialect).await;
    bed.driver.migrate(&BOTH).await.unwrap();
    let refused = bed.driver.migrate(&EDITED).await.unwrap_err();
    assert!(matches!(refused, MigrationError::Changed { version: 2, name: "two", .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains(&TWO.checksum()) && text.contains("must never be edited"), "{text}");
    assert_eq!(standing(&*bed.driver, &EDITED).await, "1 applied, 2 changed");
}

pub(crate) async fn a_failed_one_leaves_nothing(dialect: Dialect) {
    let bed = Bed::empty(dialect).await;
    let refused = bed.driver.migrate(&BROKEN).await.unwrap_err();
    assert!(matches!(refused, MigrationError::Failed { version: 3, .. }), "{refused}");
    assert_eq!(standing(&*bed.driver, &BROKEN).await, "1 applied, 2 applied, 3 pending");
    let untidy = bed.driver.migrate(&UNTIDY).await.unwrap_err();
    assert!(untidy.to_string().contains("ends the transaction"), "{untidy}");
    // Its table is there, since its text committed by itself; the mended text meets it and is refused as well.
    assert!(bed.driver.migrate(&MENDED).await.is_err());
    bed.commit(|batch| batch.run("DROP TABLE three", params![])).await.unwrap();
    assert_eq!(versions(&bed.driver.migrate(&MENDED).await.unwrap()), [3]);
}

pub(crate) async fn gaps_and_newer_ones_are_refused(dialect: Dialect) {
    let bed = Bed::empty(dialect).await;
    bed.driver.migrate(&BOTH).await.unwrap();
    let refused = bed.driver.migrate(&FIRST).await.unwrap_err();
    assert!(matches!(refused, MigrationError::Newer { version: 2, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("newer than this program"), "{refused}");
    assert_eq!(standing(&*bed.driver, &FIRST).await, "1 applied, 2 unknown");
    let bed = Bed::empty(dialect).await;
    let later_only = &GAP[..1];
    // `two` drops a table of `one`; so that it can be applied first, the table is made by hand.
    bed.commit(|batch| batch.run("CREATE TABLE one (a BIGINT)", params![])).await.unwrap();
    bed.driver.migrate(later_only).await.unwrap();
    let refused = bed.driver.migrate(&BOTH).await.unwrap_err();
    assert!(matches!(refused, MigrationError::OutOfOrder { version: 1, .. }), "{refused}");
}

pub(crate) async fn several_nodes_may_start_at_once(dialect: Dialect) {
    let bed = Bed::empty(dialect).await;
    let mut nodes = Vec::new();
    for _ in 0..6 {
        nodes.push(match dialect {
            Dialect::Sqlite => std::sync::Arc::clone(&bed.driver),
            Dialect::Postgres => bed.another_driver().await,
        });
    }
    let starts = nodes.iter().map(|node| node.migrate(&BOTH));
    let mut applied = Vec::new();
    for started in futures::future::join_all(starts).await {
        applied.extend(versions(&started.unwrap()));
    }
    applied.sort_unstable();
    assert_eq!(applied, [1, 2], "each once, by whoever came first");
}

pub(crate) async fn the_schema_of_the_program_applies(dialect: Dialect) {
    let bed = Bed::empty(dialect).await;
    let list = migrations(dialect);
    let applied = bed.driver.migrate(list).await.unwrap();
    let versions_of_list: Vec<_> = list.iter().map(|migration| migration.version).collect();
    assert_eq!(versions(&applied), versions_of_list);
    assert!(versions_of_list.is_sorted_by(|one, next| one < next), "in order");
    assert!(bed.driver.migrate(list).await.unwrap().is_empty());
}
