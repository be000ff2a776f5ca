//! What one batch does.

use mozarto_store::driver::{Batch, CommitError, Dialect, Expect, MAX_BATCH_STATEMENTS, Statement};
use mozarto_store::params;

use crate::bed::{Bed, INSERT};

const SET_AMOUNT: &str = "UPDATE items SET amount = ?2, version = version + 1 WHERE id = ?1 AND version = ?3";

const INSERT_ALL: &str = "INSERT INTO items (id, note, amount, body, parent) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(crate) async fn a_failed_guard_takes_everything_back(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    bed.insert(1, "one", 10).await;
    let refused = bed
        .commit(|batch| {
            batch
                .run(INSERT, params![2, "two", 20])
                .guard("first", SET_AMOUNT, params![1, 11, 0])
                .guard("second", SET_AMOUNT, params![1, 12, 0])
                .run(INSERT, params![3, "three", 30])
        })
        .await;
    assert_eq!(refused, Err(CommitError::Guard("second")));
    assert_eq!(bed.count().await, 1);
    assert_eq!(bed.int("SELECT amount FROM items WHERE id = ?1", params![1]).await, 10);
    // Alone, too: a single statement takes a shorter way.
    let refused = bed.commit(|batch| batch.guard("alone", SET_AMOUNT, params![1, 12, 7])).await;
    assert_eq!(refused, Err(CommitError::Guard("alone")));
    bed.commit(|batch| batch.guard("alone", SET_AMOUNT, params![1, 12, 0])).await.unwrap();
    assert_eq!(bed.int("SELECT amount FROM items WHERE id = ?1", params![1]).await, 12);
}

pub(crate) async fn guards_count_rows_of_every_kind_of_statement(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    for id in 1..=5 {
        bed.insert(id, &format!("n{id}"), id).await;
    }
    let cases: [(&'static str, u64); 10] = [
        ("UPDATE items SET amount = amount + 1 WHERE id <= 3", 3),
        ("UPDATE items SET amount = amount + 1 WHERE id > 100", 0),
        ("SELECT 1 FROM items WHERE id IN (1, 2)", 2),
        ("SELECT id FROM items WHERE id = 1 /*pg FOR UPDATE */", 1),
        ("SELECT id FROM items WHERE id = 99", 0),
        ("UPDATE items SET amount = 1 WHERE id IN (4, 5) RETURNING id", 2),
        ("INSERT INTO items (id, name, amount) VALUES (1, 'n1', 1) ON CONFLICT DO NOTHING", 0),
        ("INSERT INTO items (id, name, amount) VALUES (6, 'n6', 1) ON CONFLICT DO NOTHING", 1),
        (
            "WITH low AS (SELECT id FROM items WHERE amount <= 1) \
             UPDATE items SET amount = 2 WHERE id IN (SELECT id FROM low) -- those at 1",
            3,
        ),
        ("DELETE FROM items WHERE id >= 5;", 2),
    ];
    for (sql, rows) in cases {
        for wrong in [rows + 1, rows.wrapping_sub(1)] {
            let guard = Statement::new(sql, params![]).expect(Expect::Rows(wrong)).label("count");
            let mut batch = Batch::new();
            batch.push(guard).run("UPDATE items SET version = version + 1", params![]);
            let refused = bed.driver.commit(batch).await;
            assert_eq!(refused, Err(CommitError::Guard("count")), "{sql}: {wrong}");
        }
        let guard = Statement::new(sql, params![]).expect(Expect::Rows(rows));
        let right = bed.commit(|batch| batch.push(guard)).await;
        assert_eq!(right, Ok(vec![]), "{sql}");
    }
    assert_eq!(bed.count().await, 4);
    assert_eq!(bed.int("SELECT CAST(SUM(version) AS BIGINT) FROM items", params![]).await, 0);
}

pub(crate) async fn constraints_name_the_statement(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    bed.insert(1, "one", 1).await;
    let attempt = async |label, sql, params| {
        bed.commit(|batch| batch.run("UPDATE items SET amount = 100", params![]).insert(label, sql, params)).await
    };
    let duplicate = [params![1, "other", 1], params![2, "one", 1]];
    for params in duplicate {
        assert_eq!(attempt("new", INSERT, params).await, Err(CommitError::Duplicate("new")));
    }
    let negative = attempt("negative", INSERT, params![2, "two", -1]).await;
    assert_eq!(negative, Err(CommitError::Check("negative")));
    let missing = attempt("missing", INSERT, params![2, "two", None::<i64>]).await;
    assert_eq!(missing, Err(CommitError::Check("missing")));
    let orphan = "INSERT INTO items (id, amount, parent) VALUES (?1, 1, ?2)";
    let refused = attempt("orphan", orphan, params![2, 77]).await;
    assert_eq!(refused, Err(CommitError::Check("orphan")));
    assert_eq!(bed.int("SELECT amount FROM items", params![]).await, 1, "all taken back");
    // Without a label of its own, a statement goes by its text.
    let refused = bed.commit(|batch| batch.run(INSERT, params![1, "x", 1])).await;
    assert_eq!(refused, Err(CommitError::Duplicate(INSERT)));
}

pub(crate) async fn returned_rows_come_in_the_order_of_the_batch(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let answer = bed
        .commit(|batch| {
            batch
                .returning("INSERT INTO items (id, amount) VALUES (?1, 5) RETURNING id, name", params![1])
                .run(INSERT, params![2, "two", 20])
                .returning("UPDATE items SET amount = amount + 1 RETURNING amount", params![])
                .guard("there", "SELECT 1 FROM items WHERE id = ?1", params![2])
                .returning("DELETE FROM items WHERE id = ?1 RETURNING id", params![9])
                .returning("SELECT name FROM items WHERE id = ?1", params![2])
        })
        .await
        .unwrap();
    assert_eq!(answer.len(), 4);
    assert_eq!((answer[0][0].int(0).unwrap(), answer[0][0].opt_text(1).unwrap()), (1, None));
    let mut amounts: Vec<_> = answer[1].iter().map(|row| row.int(0).unwrap()).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [6, 21]);
    assert!(answer[2].is_empty());
    assert_eq!(answer[3][0].text(0).unwrap(), "two");
    let alone = bed.commit(|batch| batch.returning("SELECT 7", params![])).await.unwrap();
    assert_eq!(alone[0][0].int(0).unwrap(), 7);
    assert_eq!(bed.commit(|batch| batch).await, Ok(vec![]), "nothing to do");
}

pub(crate) async fn statements_see_those_before_them(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    bed.insert(1, "one", 0).await;
    let answer = bed
        .commit(|batch| {
            for step in 0..100_i64 {
                batch.guard("chain", "UPDATE items SET amount = ?2 WHERE id = 1 AND amount = ?1", params![step, step + 1]);
            }
            batch.returning("SELECT amount FROM items", params![])
        })
        .await
        .unwrap();
    assert_eq!(answer[0][0].int(0).unwrap(), 100);
}

pub(crate) async fn nulls_fit_everywhere(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let mut id = 0;
    // The same text with NULL in every combination of places, twice, so that cached statements are met again.
    for _ in 0..2 {
        for mask in 0..8 {
            id += 1;
            let pick = |bit: i32| mask & (1 << bit) != 0;
            let name = pick(0).then(|| format!("name {id}"));
            let body = pick(1).then(|| vec![1_u8, 2, 3]);
            let parent = (pick(2) && id > 1).then_some(id - 1);
            let all = params![id, name.clone(), 1, body.clone(), parent];
            bed.commit(|batch| batch.run(INSERT_ALL, all)).await.unwrap();
            let found = bed.driver.query("SELECT note, body, parent FROM items WHERE id = ?1", params![id]).await.unwrap();
            assert_eq!(found[0].opt_text(0).unwrap(), name);
            assert_eq!(found[0].opt_bytes(1).unwrap(), body);
            assert_eq!(found[0].opt_int(2).unwrap(), parent);
        }
    }
    let fallback = "SELECT COALESCE(CAST(?1 AS BIGINT), 5)";
    assert_eq!(bed.int(fallback, params![None::<i64>]).await, 5);
    assert_eq!(bed.int(fallback, params![6]).await, 6);
    let same = "SELECT COUNT(*) FROM items WHERE id = ?1 AND parent IS NOT DISTINCT FROM ?2";
    assert_eq!(bed.int(same, params![1, None::<i64>]).await, 1);
    let guard = "UPDATE items SET parent = ?2 WHERE id = ?1 AND parent IS NOT DISTINCT FROM ?3";
    bed.commit(|batch| batch.guard("null", guard, params![1, None::<i64>, None::<i64>])).await.unwrap();
}

pub(crate) async fn large_and_extreme_values_survive(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let blob: Vec<u8> = (0..8_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let text = "ß€🙂 ".repeat(100_000);
    let all = params![i64::MAX, text.as_str(), i64::MAX, blob.clone(), None::<i64>];
    bed.commit(|batch| batch.run(INSERT_ALL, all)).await.unwrap();
    let all = params![i64::MIN, "", 0, Vec::<u8>::new(), i64::MAX];
    bed.commit(|batch| batch.run(INSERT_ALL, all)).await.unwrap();
    let rows = bed.driver.query("SELECT id, note, amount, body, parent FROM items ORDER BY id", params![]).await.unwrap();
    assert_eq!(rows[0].int(0).unwrap(), i64::MIN);
    assert_eq!(rows[0].opt_text(1).unwrap(), Some(String::new()), "empty is not NULL");
    assert_eq!(rows[0].opt_bytes(3).unwrap(), Some(Vec::new()));
    assert_eq!(rows[0].opt_int(4).unwrap(), Some(i64::MAX));
    assert_eq!(rows[1].int(2).unwrap(), i64::MAX);
    assert!(rows[1].text(1).unwrap() == text && rows[1].bytes(3).unwrap() == blob);
    let beyond = bed.commit(|batch| batch.insert("beyond", "UPDATE items SET amount = amount + ?1", params![1])).await;
    assert_eq!(beyond, Err(CommitError::Check("beyond")), "an overflow is refused, not rounded");
}

pub(crate) async fn text_is_left_alone(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let texts = ["?1 $1", "it''s", "\\ \u{7f} \r\n\t", "'; DROP TABLE items; --", "/*pg x */", "𝕏"];
    for (id, text) in (1..).zip(texts) {
        bed.insert(id, text, 1).await;
        let found = bed.driver.query("SELECT name FROM items WHERE name = ?1", params![text]).await;
        assert_eq!(found.unwrap()[0].text(0).unwrap(), text);
    }
    let literal = "SELECT '?1 ''$2' || CAST(?1 AS TEXT) -- ?9";
    let found = bed.driver.query(literal, params!["!"]).await.unwrap();
    assert_eq!(found[0].text(0).unwrap(), "?1 '$2!");
}

pub(crate) async fn nul_characters_are_refused_alike(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let refused = bed.commit(|batch| batch.insert("nul", INSERT, params![1, "a\0b", 1])).await;
    assert_eq!(refused, Err(CommitError::Check("nul")));
    let query = bed.driver.query("SELECT id FROM items WHERE name = ?1", params!["\0"]).await;
    assert!(query.is_err());
    assert_eq!(bed.count().await, 0);
    let bytes = params![1, "x", 1, vec![0_u8, 1, 0], None::<i64>];
    bed.commit(|batch| batch.run(INSERT_ALL, bytes)).await.unwrap();
}

pub(crate) async fn broken_sql_hurts_nobody_else(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let broken = ["SELEC 1", "INSERT INTO nowhere VALUES (1)", "UPDATE items SET nothing = 1"];
    let jobs = (0..60_i64).map(|id| {
        let bed = &bed;
        async move {
            let broken = broken[id as usize % broken.len()];
            bed.commit(|batch| {
                batch.run(INSERT, params![id, format!("n{id}"), 1]);
                if id % 3 == 0 { batch.run(broken, params![]) } else { batch }
            })
            .await
        }
    });
    let results = futures::future::join_all(jobs).await;
    for (id, result) in results.iter().enumerate() {
        match result {
            Ok(_) => assert_ne!(id % 3, 0),
            Err(CommitError::Corrupt(_)) => assert_eq!(id % 3, 0),
            other => panic!("{id}: {other:?}"),
        }
    }
    assert_eq!(bed.count().await, 40);
    let too_few = bed.commit(|batch| batch.run(INSERT, params![100])).await;
    assert!(matches!(too_few, Err(CommitError::Corrupt(_))), "{too_few:?}");
    let too_many = bed.commit(|batch| batch.run("SELECT ?1", params![1, 2])).await;
    assert!(matches!(too_many, Err(CommitError::Corrupt(_))), "{too_many:?}");
    assert_eq!(bed.count().await, 40);
}

pub(crate) async fn limits_hold(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    let mut batch = Batch::new();
    for id in 0..MAX_BATCH_STATEMENTS as i64 {
        batch.run(INSERT, params![id, None::<String>, 1]);
    }
    let mut larger = batch.clone();
    bed.driver.commit(batch).await.unwrap();
    larger.run("DELETE FROM items", params![]);
    assert!(matches!(bed.driver.commit(larger).await, Err(CommitError::Corrupt(_))));
    assert_eq!(bed.count().await, MAX_BATCH_STATEMENTS as i64);
}
