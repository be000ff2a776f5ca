//! One transaction, sent in one go: nothing waits for an answer before the next message leaves.

use futures::future::BoxFuture;
use futures::{TryStreamExt as _, poll};
use std::pin::pin;
use std::task::Poll;

use deadpool_postgres::Object as Connection;
use tokio_postgres::{Error, Statement as Prepared};

use super::convert::{self, Class};
use crate::driver::{CommitError, Expect, MAX_QUERY_ROWS, Row, Value};

const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

// Batches are kept apart without asking how they went: `ROLLBACK TO done` goes back to the newest savepoint of that
// name. After a batch that went well, that is the one set behind it, and nothing is undone; after one that failed, that
// one was never set (the transaction refuses everything then), and it is the one before the batch.
const SAVE_FIRST: &str = "SAVEPOINT batch; SAVEPOINT done";
const SAVE_DONE: &str = "SAVEPOINT done";
const SETTLE: &str = "ROLLBACK TO done; RELEASE batch; SAVEPOINT batch; SAVEPOINT done";

/// A statement ready to be sent. A guard has its expected number as last parameter.
pub(super) struct Step {
    pub(super) prepared: Prepared,
    pub(super) params: Vec<Value>,
    pub(super) expect: Expect,
    pub(super) label: &'static str,
}

/// How the batches of a transaction are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    /// All or nothing, for the whole group.
    None,
    /// Each batch in its own savepoint.
    Savepoints,
}

/// How long a transaction waits for a row that another one holds. In a group, a batch may wait for another node's
/// that in turn waits for a batch of the group; giving way is quicker than the server's search for such circles (1 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// For a whole group.
    Group,
    /// For each batch of a group in its savepoint: the others wait meanwhile.
    Savepoint,
    /// For a batch alone that will be tried again.
    Single,
    /// For a batch that will not; as long as the session allows.
    Last,
}

impl Patience {
    fn begin(self) -> &'static str {
        match self {
            Patience::Group => "BEGIN; SET LOCAL lock_timeout = '200ms'",
            Patience::Savepoint => "BEGIN; SET LOCAL lock_timeout = '20ms'",
            Patience::Single => "BEGIN; SET LOCAL lock_timeout = '100ms'",
            Patience::Last => "BEGIN",
        }
    }
}

/// How a transaction ended.
pub(super) enum Outcome {
    /// It is committed; the result of each batch, and whether a failed one deserves another try.
    Committed(Vec<Result<Vec<Vec<Row>>, Refusal>>),
    /// It is certainly rolled back; the first refusal.
    RolledBack(Refusal),
    /// Nothing was sent.
    NotSent(String),
    /// Nobody knows.
    Unknown(String),
}

/// Why the server refused a batch.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: CommitError,
    pub(super) class: Class,
}

type Answer = Result<Returned, Error>;

/// What a statement that went well yields.
enum Returned {
    Rows(Vec<Row>),
    /// Rows that we cannot read; the statement itself went well.
    Odd(String),
}

/// Messages in flight, in the order in which they were sent.
struct Pipeline<'a> {
    in_flight: Vec<InFlight<'a>>,
}

enum InFlight<'a> {
    Waiting(BoxFuture<'a, Answer>),
    Answered(Answer),
}

impl<'a> Pipeline<'a> {
    /// Sends: the library hands its message to the connection in the first poll.
    async fn push(&mut self, mut message: BoxFuture<'a, Answer>) {
        let state = match poll!(&mut message) {
            Poll::Ready(answer) => InFlight::Answered(answer),
            Poll::Pending => InFlight::Waiting(message),
        };
        self.in_flight.push(state);
    }

    async fn control(&mut self, connection: &'a Connection, sql: &'static str) {
        let send = async move { connection.batch_execute(sql).await.map(|()| Returned::Rows(Vec::new())) };
        self.push(Box::pin(send)).await;
    }

    /// Whether something was never sent (it could not be encoded, or the connection was closed).
    fn unsent(&self) -> bool {
        let unsent = |state: &InFlight<'_>| match state {
            InFlight::Answered(Err(error)) => error.code().is_none(),
            _ => false,
        };
        self.in_flight.iter().any(unsent)
    }

    async fn answers(self) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(self.in_flight.len());
        for state in self.in_flight {
            answers.push(match state {
                InFlight::Answered(answer) => answer,
                InFlight::Waiting(message) => message.await,
            });
        }
        answers
    }
}

async fn send(connection: &Connection, step: &Step) -> Answer {
    let params = step.params.iter();
    if step.expect != Expect::Returning {
        connection.execute_raw(&step.prepared, params).await?;
        return Ok(Returned::Rows(Vec::new()));
    }
    let mut rows = pin!(connection.query_raw(&step.prepared, params).await?);
    let mut out = Vec::new();
    // Read to the end whatever the rows are like: only then has the server confirmed the statement.
    let mut odd = None;
    while let Some(row) = rows.try_next().await? {
        match convert::row(&row) {
            _ if out.len() == MAX_QUERY_ROWS => odd = Some(format!("more than {MAX_QUERY_ROWS} rows")),
            Ok(row) => out.push(row),
            Err(column) => odd = Some(format!("column {column} cannot be read")),
        }
    }
    Ok(odd.map_or(Returned::Rows(out), Returned::Odd))
}

/// Runs the batches in one transaction.
pub(super) async fn run(connection: &Connection, batches: &[Vec<Step>], isolation: Isolation, patience: Patience) -> Outcome {
    // A statement alone is its own transaction: the server commits it before it says that it is ready.
    if let [batch] = batches
        && let [step] = batch.as_slice()
    {
        return alone(connection, step).await;
    }
    let mut pipeline = Pipeline { in_flight: Vec::new() };
    pipeline.control(connection, patience.begin()).await;
    if pipeline.unsent() {
        return Outcome::NotSent("the connection was closed".to_owned());
    }
    if isolation == Isolation::Savepoints {
        pipeline.control(connection, SAVE_FIRST).await;
    }
    for batch in batches {
        for step in batch {
            pipeline.push(Box::pin(send(connection, step))).await;
        }
        if isolation == Isolation::Savepoints {
            pipeline.control(connection, SAVE_DONE).await;
            pipeline.control(connection, SETTLE).await;
        }
    }
    // What failed before it was sent is missing in the transaction, and the server does not know.
    let complete = !pipeline.unsent();
    pipeline.control(connection, if complete { COMMIT } else { ROLLBACK }).await;
    let mut answers = pipeline.answers().await.into_iter();
    let mut next = || answers.next().unwrap_or(Ok(Returned::Rows(Vec::new())));
    if let Err(error) = next() {
        return Outcome::Unknown(convert::describe(&error));
    }
    match isolation {
        Isolation::None => judge_whole(batches, &mut next, complete),
        Isolation::Savepoints => judge_each(batches, &mut next, complete),
    }
}

async fn alone(connection: &Connection, step: &Step) -> Outcome {
    let mut pipeline = Pipeline { in_flight: Vec::new() };
    pipeline.push(Box::pin(send(connection, step))).await;
    if pipeline.unsent() {
        return Outcome::NotSent("the connection was closed".to_owned());
    }
    let mut answers = pipeline.answers().await.into_iter();
    let mut next = || answers.next().unwrap_or(Ok(Returned::Rows(Vec::new())));
    match judge_batch(std::slice::from_ref(step), &mut next) {
        Verdict::Done(result) => Outcome::Committed(vec![result]),
        // The backend may have been stopped between commit and answer.
        Verdict::Refused(refusal) if refusal.class == Class::Unavailable => Outcome::Unknown(refusal.error.to_string()),
        Verdict::Refused(refusal) => Outcome::RolledBack(refusal),
        Verdict::Broken(why) => Outcome::Unknown(why),
    }
}

/// What the answers of a batch say.
enum Verdict {
    /// Its statements went well; whether they stand is for the end of the transaction to say.
    Done(Result<Vec<Vec<Row>>, Refusal>),
    /// The server refused one; the transaction, or its savepoint, cannot be committed any more.
    Refused(Refusal),
    /// The connection broke.
    Broken(String),
}

/// Takes the answers of all statements of the batch, so that those of the next one stay in step.
fn judge_batch(batch: &[Step], next: &mut impl FnMut() -> Answer) -> Verdict {
    let mut returned = Vec::new();
    let mut odd = None;
    let mut first_failure = None;
    for step in batch {
        match next() {
            Ok(Returned::Rows(rows)) if step.expect == Expect::Returning => returned.push(rows),
            Ok(Returned::Rows(_)) => {}
            Ok(Returned::Odd(why)) => odd = Some(format!("stored, but its answer has {why}")),
            Err(_) if first_failure.is_some() => {}
            Err(error) => first_failure = Some((error, step.label)),
        }
    }
    match (first_failure, odd) {
        (Some((error, label)), _) => match convert::class(&error) {
            Some(class) => {
                let error = convert::commit_error(&error, class, label);
                Verdict::Refused(Refusal { error, class })
            }
            None => Verdict::Broken(convert::describe(&error)),
        },
        (None, Some(why)) => {
            let refusal = Refusal { error: CommitError::Unknown(why), class: Class::Corrupt };
            Verdict::Done(Err(refusal))
        }
        (None, None) => Verdict::Done(Ok(returned)),
    }
}

fn judge_whole(batches: &[Vec<Step>], next: &mut impl FnMut() -> Answer, complete: bool) -> Outcome {
    let mut results = Vec::with_capacity(batches.len());
    let mut failed = None;
    for batch in batches {
        match judge_batch(batch, next) {
            Verdict::Done(result) => results.push(result),
            Verdict::Refused(refusal) => failed = failed.or(Some(Outcome::RolledBack(refusal))),
            Verdict::Broken(why) => failed = failed.or(Some(Outcome::Unknown(why))),
        }
    }
    match failed {
        None => judge_end(results, next(), complete),
        // The rollback in place of the commit was the last word.
        Some(Outcome::Unknown(why)) if !complete && next().is_ok() => Outcome::NotSent(why),
        Some(outcome) => outcome,
    }
}

fn judge_each(batches: &[Vec<Step>], next: &mut impl FnMut() -> Answer, complete: bool) -> Outcome {
    let mut out_of_step = next().is_err();
    let mut results = Vec::with_capacity(batches.len());
    for batch in batches {
        let verdict = judge_batch(batch, next);
        let saved = next().is_ok();
        // Without the savepoint behind it, a batch that went well was taken back.
        out_of_step |= saved != matches!(verdict, Verdict::Done(_));
        out_of_step |= next().is_err();
        match verdict {
            Verdict::Done(result) => results.push(result),
            Verdict::Refused(refusal) => results.push(Err(refusal)),
            Verdict::Broken(why) if complete => return Outcome::Unknown(why),
            Verdict::Broken(_) => out_of_step = true,
        }
    }
    match next() {
        Ok(_) if !complete => Outcome::NotSent("a statement could not be sent".to_owned()),
        _ if out_of_step => Outcome::Unknown("savepoints out of step".to_owned()),
        end => judge_end(results, end, complete),
    }
}

fn judge_end(results: Vec<Result<Vec<Vec<Row>>, Refusal>>, end: Answer, complete: bool) -> Outcome {
    match end {
        Ok(_) if complete => Outcome::Committed(results),
        Ok(_) => Outcome::NotSent("a statement could not be sent".to_owned()),
        Err(error) => match convert::class(&error) {
            // Deferred constraints and conflicts are found before the commit is written.
            Some(class @ (Class::Check | Class::Duplicate | Class::Guard | Class::Conflict)) => {
                let error = convert::commit_error(&error, class, "a deferred constraint");
                Outcome::RolledBack(Refusal { error, class })
            }
            _ => Outcome::Unknown(convert::describe(&error)),
        },
    }
}
