//! What queries answer.

use mozarto_store::driver::{CommitError, Dialect, MAX_QUERY_ROWS, QueryError};
use mozarto_store::params;

use crate::bed::{Bed, INSERT};

pub(crate) async fn aggregates_and_truth_values_are_integers(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    assert_eq!(bed.driver.query("SELECT id FROM items", params![]).await.unwrap(), vec![]);
    for (id, amount) in [(1, i64::MAX / 2), (2, 10_000_000), (3, 1)] {
        bed.insert(id, &format!("n{id}"), amount).await;
    }
    let rows = bed
        .driver
        .query(
            "SELECT COUNT(*), SUM(amount), MAX(amount), EXISTS (SELECT 1 FROM items WHERE id = ?1), \
             id = 3, 1, -5 FROM items WHERE id > 1 GROUP BY id ORDER BY id DESC LIMIT ?2",
            params![9, 1],
        )
        .await
        .unwrap();
    let values: Vec<_> = (0..7).map(|column| rows[0].int(column).unwrap()).collect();
    assert_eq!(values, [1, 1, 1, 0, 1, 1, -5]);
    assert!(!rows[0].bool(3).unwrap() && rows[0].bool(4).unwrap());
    let sum = i64::MAX / 2 + 10_000_001;
    assert_eq!(bed.int("SELECT SUM(amount) FROM items", params![]).await, sum);
    assert_eq!(bed.int("SELECT -SUM(amount) FROM items", params![]).await, -sum);
    let nothing = bed.driver.query("SELECT SUM(amount) FROM items WHERE id < 0", params![]).await;
    assert_eq!(nothing.unwrap()[0].opt_int(0).unwrap(), None);
    let fraction = bed.driver.query("SELECT AVG(id) + 0.5 FROM items", params![]).await;
    assert!(matches!(fraction, Err(QueryError::Corrupt(_))), "no fractions: {fraction:?}");
}

pub(crate) async fn dynamic_queries(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    for id in 0..20 {
        bed.insert(id, &format!("n{id}"), id * 10).await;
    }
    // More texts than any cache keeps.
    for number in 0..1_200_i64 {
        let sql =
            format!("SELECT id FROM items WHERE amount >= ?1 AND name <> ?2 AND id <> {} ORDER BY id LIMIT ?3", number + 1_000);
        let rows = bed.driver.query_dynamic(sql, params![50, "n6", 2]).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.int(0).unwrap()).collect();
        assert_eq!(ids, [5, 7]);
    }
    let sql = "SELECT COUNT(*) FROM items WHERE parent IS NOT DISTINCT FROM ?1";
    let rows = bed.driver.query_dynamic(sql.to_owned(), params![None::<i64>]).await.unwrap();
    assert_eq!(rows[0].int(0).unwrap(), 20);
}

pub(crate) async fn queries_cannot_write(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let insert = bed.driver.query(INSERT, params![1, "x", 1]).await;
    assert!(insert.is_err(), "{insert:?}");
    let insert = bed.driver.query_dynamic(INSERT.to_owned(), params![1, "x", 1]).await;
    assert!(insert.is_err(), "{insert:?}");
    assert_eq!(bed.count().await, 0);
}

pub(crate) async fn too_many_rows_are_an_error(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let numbers = "WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
                   SELECT i FROM n";
    let most = MAX_QUERY_ROWS as i64;
    let rows = bed.driver.query(numbers, params![most]).await.unwrap();
    assert_eq!(rows.len(), MAX_QUERY_ROWS);
    let beyond = bed.driver.query(numbers, params![most + 1]).await;
    assert_eq!(beyond, Err(QueryError::TooManyRows(MAX_QUERY_ROWS)));
    assert_eq!(bed.count().await, 0, "the connection is usable afterwards");
}

/// Engines like to quote the row that they refuse; none of that may reach a log.
pub(crate) async fn errors_quote_no_values(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    bed.insert(1, "canary-4111", 1).await;
    let attempts = [
        bed.commit(|batch| batch.run(INSERT, params![2, "canary-4111", 1])).await,
        bed.commit(|batch| batch.run(INSERT, params![3, "canary-4222", -777_001])).await,
        bed.commit(|batch| batch.run(INSERT, params!["canary-4333", "x", 1])).await,
        bed.commit(|batch| batch.run("UPDATE items SET amount = CAST(name AS BIGINT) / 0", params![])).await,
    ];
    for attempt in &attempts[..3] {
        let error = attempt.as_ref().unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && !shown.contains("777001"), "{shown}");
    }
    assert!(matches!(attempts[0], Err(CommitError::Duplicate(_))));
    if let Err(error) = &attempts[3] {
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    let query = "SELECT id FROM items WHERE CAST(name AS BIGINT) = ?1 OR nothing = 1";
    let error = bed.driver.query(query, params![1]).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
}

pub(crate) async fn ping_and_close(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    assert_eq!(bed.driver.dialect(), dialect);
    bed.driver.ping().await.unwrap();
    bed.driver.close().await;
    assert!(bed.driver.ping().await.is_err());
    let commit = bed.commit(|batch| batch.run(INSERT, params![1, "x", 1])).await;
    assert!(matches!(&commit, Err(CommitError::Unavailable(_))), "it was never taken: {commit:?}");
    let query = bed.driver.query("SELECT 1", params![]).await;
    assert!(matches!(query, Err(QueryError::Unavailable(_))));
    bed.driver.close().await;
}
