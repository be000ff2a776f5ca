//! A refusal names the very statement that was refused: however many of its batch have the same text, and whoever shares the
//! commit.

use futures::future::join_all;
use mozarto_store::driver::{Batch, CommitError, Dialect, Statement, Value};
use mozarto_store::params;

use crate::bed::Bed;

const ADD: &str = "INSERT INTO items (id, name, amount, parent) VALUES (?1, ?2, ?3, ?4)";
const SET: &str = "UPDATE items SET amount = ?2 WHERE id = ?1";
/// Statements of a batch, each kind of them in one text.
const STATEMENTS: i64 = 6;
/// The one row that is there before.
const THERE: i64 = -1;

/// What a statement of a batch is like, and what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Good,
    /// A guard that finds no row.
    Guarded,
    Duplicate,
    Negative,
    Orphan,
    Nul,
}

impl Kind {
    fn expected(self, label: &'static str) -> CommitError {
        match self {
            Kind::Good => unreachable!("it is not refused"),
            Kind::Guarded => CommitError::Guard(label),
            Kind::Duplicate => CommitError::Duplicate(label),
            Kind::Negative | Kind::Orphan | Kind::Nul => CommitError::Check(label),
        }
    }

    /// The statement in this place; a good one is a guard in every second place.
    fn statement(self, id: i64, guard: bool) -> (&'static str, Vec<Value>) {
        let name = format!("n{id}");
        match self {
            Kind::Good if guard => (SET, params![THERE, 1]),
            Kind::Guarded => (SET, params![-1_000, 1]),
            Kind::Good => (ADD, params![id, name, 1, None::<i64>]),
            Kind::Duplicate => (ADD, params![id, "there", 1, None::<i64>]),
            Kind::Negative => (ADD, params![id, name, -1, None::<i64>]),
            Kind::Orphan => (ADD, params![id, name, 1, -77]),
            Kind::Nul => (ADD, params![id, "a\0b", 1, None::<i64>]),
        }
    }
}

/// A batch whose statements each have a label of their own, and the error that it should meet.
fn batch(number: i64, kinds: &[Kind]) -> (Batch, Option<CommitError>) {
    let mut batch = Batch::new();
    let mut expected: Option<(Kind, &'static str)> = None;
    for (place, kind) in (0..).zip(kinds) {
        let label: &'static str = Box::leak(format!("statement {place} of batch {number}").into_boxed_str());
        let (sql, params) = kind.statement(number * 100 + place, place % 2 == 1);
        match sql {
            SET => batch.guard(label, sql, params),
            _ => batch.push(Statement::new(sql, params).label(label)),
        };
        // The first of them is named; but what cannot be stored at all is refused before anything runs.
        let first = expected.is_none() || (*kind == Kind::Nul && expected.is_some_and(|(kind, _)| kind != Kind::Nul));
        if *kind != Kind::Good && first {
            expected = Some((*kind, label));
        }
    }
    (batch, expected.map(|(kind, label)| kind.expected(label)))
}

/// Every kind of refusal in every place, alone in its batch and followed by another kind; and batches of one statement.
fn cases() -> Vec<Vec<Kind>> {
    let wrong = [Kind::Guarded, Kind::Duplicate, Kind::Negative, Kind::Orphan, Kind::Nul];
    let mut cases = Vec::new();
    for (n, kind) in wrong.into_iter().enumerate() {
        cases.push(vec![kind]);
        for place in 0..STATEMENTS as usize {
            let mut kinds = [Kind::Good; STATEMENTS as usize];
            kinds[place] = kind;
            cases.push(kinds.to_vec());
            for next in &mut kinds[place + 1..] {
                *next = wrong[(n + 1) % wrong.len()];
            }
            cases.push(kinds.to_vec());
            cases.push(vec![Kind::Good; STATEMENTS as usize]);
        }
    }
    cases
}

pub(crate) async fn a_refusal_names_the_very_statement(dialect: Dialect) {
    let bed = Bed::new(dialect).await;
    bed.insert(THERE, "there", 0).await;
    let batches: Vec<_> = (1..).zip(cases()).map(|(number, kinds)| (kinds.clone(), batch(number, &kinds))).collect();
    let refused = |kinds: &[Kind]| kinds.iter().any(|kind| *kind != Kind::Good);
    // One after the other: each has a commit of its own.
    for (kinds, (batch, expected)) in batches.iter().filter(|(kinds, _)| refused(kinds)) {
        assert_eq!(bed.driver.commit(batch.clone()).await.err(), *expected, "{kinds:?}");
    }
    assert_eq!(bed.count().await, 1);
    // All at once: they share commits with good ones and with others that fail.
    let crowd = batches.iter().map(|(_, (batch, _))| bed.driver.commit(batch.clone()));
    for ((kinds, (_, expected)), result) in batches.iter().zip(join_all(crowd).await) {
        assert_eq!(result.err(), *expected, "{kinds:?}");
    }
    let good = batches.iter().filter(|(kinds, _)| !refused(kinds)).count() as i64;
    assert_eq!(bed.count().await, 1 + good * STATEMENTS / 2);
}
