//! What many batches do to one another.

use std::time::Duration;

use futures::future::join_all;
use mozarto_store::driver::{Batch, CommitError, Dialect};
use mozarto_store::params;

use crate::bed::{Bed, INSERT};

pub(crate) async fn one_of_64_wins(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    for round in 0..10_i64 {
        bed.insert(round, &format!("row {round}"), 0).await;
        let racers = (1..=64_i64).map(|racer| {
            bed.commit(move |batch| {
                batch
                    .guard(
                        "first",
                        "UPDATE items SET amount = ?2, version = 1 WHERE id = ?1 AND version = 0",
                        params![round, racer],
                    )
                    .run(INSERT, params![1_000 + round * 100 + racer, None::<String>, racer])
            })
        });
        let results = join_all(racers).await;
        let mut winners = Vec::new();
        for (racer, result) in (1..).zip(&results) {
            match result {
                Ok(_) => winners.push(racer),
                Err(error) => assert_eq!(*error, CommitError::Guard("first")),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let stored = bed.int("SELECT amount FROM items WHERE id = ?1", params![round]).await;
        assert_eq!(stored, winners[0]);
        let trace = "SELECT COUNT(*) FROM items WHERE id > ?1 AND id <= ?2";
        let range = params![1_000 + round * 100, 1_000 + round * 100 + 64];
        assert_eq!(bed.int(trace, range).await, 1, "the losers left nothing");
    }
}

pub(crate) async fn every_increment_counts(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    bed.insert(1, "counter", 0).await;
    let clients = (0..64_i64).map(|client| {
        let bed = &bed;
        async move {
            for step in 0..10_i64 {
                let id = 100 + client * 10 + step;
                bed.commit(|batch| {
                    batch
                        .run("UPDATE items SET amount = amount + 1 WHERE id = 1", params![])
                        .run(INSERT, params![id, None::<String>, 1])
                })
                .await
                .unwrap();
            }
        }
    });
    join_all(clients).await;
    assert_eq!(bed.int("SELECT amount FROM items WHERE id = 1", params![]).await, 640);
    assert_eq!(bed.count().await, 641);
}

/// A crowd of batches, of which every seventh meets a guard, every eleventh a duplicate: just those fail.
pub(crate) async fn failing_batches_among_many(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    bed.insert(1_000_000, "taken", 0).await;
    let jobs = (0..600_i64).map(|id| {
        bed.commit(move |batch| {
            batch.run(INSERT, params![id, format!("n{id}"), 1]);
            batch.run(INSERT, params![10_000 + id, format!("m{id}"), 2]);
            if id % 7 == 0 {
                batch.guard("none", "UPDATE items SET amount = 9 WHERE id = ?1", params![-1]);
            }
            if id % 11 == 0 {
                batch.insert("twice", INSERT, params![20_000 + id, "taken", 3]);
            }
            batch.returning("SELECT COUNT(*) FROM items WHERE id IN (?1, ?2)", params![id, 10_000 + id])
        })
    });
    let results = join_all(jobs).await;
    let mut stored = 1;
    for (id, result) in (0_i64..).zip(&results) {
        match result {
            Ok(rows) => {
                assert!(id % 7 != 0 && id % 11 != 0, "{id}");
                assert_eq!(rows[0][0].int(0).unwrap(), 2, "{id} sees its own rows");
                stored += 2;
            }
            Err(CommitError::Guard("none")) => assert_eq!(id % 7, 0, "{id}"),
            Err(CommitError::Duplicate("twice")) => assert!(id % 11 == 0 && id % 7 != 0, "{id}"),
            Err(other) => panic!("{id}: {other:?}"),
        }
        let there = "SELECT COUNT(*) FROM items WHERE id IN (?1, ?2, ?3)";
        let found = bed.int(there, params![id, 10_000 + id, 20_000 + id]).await;
        assert_eq!(found, if result.is_ok() { 2 } else { 0 }, "{id}");
    }
    assert_eq!(bed.count().await, stored);
}

/// Two nodes move amounts between the same few rows in every order: nothing fails, nothing is lost.
pub(crate) async fn opposite_orders_all_succeed(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    for id in 0..4 {
        bed.insert(id, &format!("account {id}"), 1_000_000).await;
    }
    let nodes = match dialect {
        // The embedded database is held by one process.
        Dialect::Sqlite => vec![std::sync::Arc::clone(&bed.driver)],
        Dialect::Postgres => {
            vec![std::sync::Arc::clone(&bed.driver), bed.another_driver().await]
        }
    };
    let moves = (0..200_i64).map(|number| {
        let node = &nodes[number as usize % nodes.len()];
        let (from, to) = (number % 4, (number / 4 + number % 3 + 1) % 4);
        let mut batch = Batch::new();
        batch.guard("from", "UPDATE items SET amount = amount - 1 WHERE id = ?1", params![from]).guard(
            "to",
            "UPDATE items SET amount = amount + 1 WHERE id = ?1",
            params![to],
        );
        node.commit(batch)
    });
    for result in join_all(moves).await {
        result.unwrap();
    }
    let sum = bed.int("SELECT CAST(SUM(amount) AS BIGINT) FROM items", params![]).await;
    assert_eq!(sum, 4_000_000);
}

pub(crate) async fn what_was_answered_is_there_after_reopening(dialect: Dialect) {
    let mut bed = Bed::new(dialect).await;
    for round in 0..3_i64 {
        let jobs = (0..200_i64).map(|place| {
            let id = round * 200 + place;
            bed.commit(move |batch| batch.run(INSERT, params![id, format!("n{id}"), id]))
        });
        for result in join_all(jobs).await {
            result.unwrap();
        }
        bed.reopen().await;
        assert_eq!(bed.count().await, (round + 1) * 200);
    }
}

pub(crate) async fn dropped_callers_do_not_cancel(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    for id in 0..50_i64 {
        let mut batch = Batch::new();
        batch.run(INSERT, params![id, None::<String>, 1]);
        batch.run(INSERT, params![1_000 + id, None::<String>, 1]);
        let mut caller = bed.driver.commit(batch);
        let _ = futures::poll!(&mut caller);
        drop(caller);
    }
    for _ in 0..500 {
        if bed.count().await == 100 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("only {} of 100 rows arrived", bed.count().await);
}

pub(crate) async fn answers_are_visible_at_once(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let clients = (0..8_i64).map(|client| {
        let bed = &bed;
        async move {
            for step in 0..30_i64 {
                let id = client * 100 + step;
                bed.insert(id, &format!("n{id}"), 1).await;
                let seen = bed.int("SELECT COUNT(*) FROM items WHERE id = ?1", params![id]).await;
                assert_eq!(seen, 1, "{id}");
            }
        }
    });
    join_all(clients).await;
}
