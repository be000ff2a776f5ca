//! Writes are declared as batches with guards, not as interactive transactions: that is what lets
//! SQLite commit many at once and PostgreSQL take a batch in one round trip.

use super::Value;

/// The most statements that one batch may hold.
pub const MAX_BATCH_STATEMENTS: usize = 4_096;

/// What must be true after a statement ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Any number of rows, nothing handed back.
    Any,
    /// A guard: exactly this many rows were changed (or, for a `SELECT`, found); otherwise the whole
    /// batch is rolled back with [`CommitError::Guard`](super::CommitError::Guard).
    Rows(u64),
    /// Any number of rows; what `RETURNING` (or a `SELECT`) yields is handed back.
    Returning,
}

/// One statement of a batch.
///
/// The SQL is one text for both engines, with placeholders `?1` .. `?N`. What only PostgreSQL understands may stand
/// in a comment that opens with `/*pg` and a blank: SQLite skips it, PostgreSQL runs it
/// (`SELECT ... /*pg FOR UPDATE SKIP LOCKED */`). `INDEXED BY name` is for SQLite alone and left out for PostgreSQL.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Value>,
    pub(crate) expect: Expect,
    pub(crate) label: &'static str,
}

impl Statement {
    /// A statement that may change any number of rows. Its label is its own text.
    pub fn new(sql: &'static str, params: Vec<Value>) -> Self {
        Statement { sql, params, expect: Expect::Any, label: sql }
    }

    /// Sets what must be true after it ran.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// Sets the name under which it is reported when a guard or a constraint refuses it.
    #[must_use]
    pub fn label(mut self, label: &'static str) -> Self {
        self.label = label;
        self
    }
}

/// Statements that happen all together or not at all, in their order.
#[derive(Clone, Debug, Default)]
pub struct Batch(pub(crate) Vec<Statement>);

impl Batch {
    /// A batch without statements.
    pub fn new() -> Self {
        Batch(Vec::new())
    }

    /// Appends a statement.
    pub fn push(&mut self, statement: Statement) -> &mut Self {
        self.0.push(statement);
        self
    }

    /// Appends a statement that may change any number of rows.
    pub fn run(&mut self, sql: &'static str, params: Vec<Value>) -> &mut Self {
        self.push(Statement::new(sql, params))
    }

    /// Like [`Batch::run`], with a label for [`CommitError::Duplicate`](super::CommitError::Duplicate)
    /// and [`CommitError::Check`](super::CommitError::Check).
    pub fn insert(&mut self, label: &'static str, sql: &'static str, params: Vec<Value>) -> &mut Self {
        self.push(Statement::new(sql, params).label(label))
    }

    /// Appends a guard: exactly one row must change (a `SELECT`: be found).
    pub fn guard(&mut self, label: &'static str, sql: &'static str, params: Vec<Value>) -> &mut Self {
        self.push(Statement::new(sql, params).expect(Expect::Rows(1)).label(label))
    }

    /// Appends a statement whose rows are handed back.
    pub fn returning(&mut self, sql: &'static str, params: Vec<Value>) -> &mut Self {
        self.push(Statement::new(sql, params).expect(Expect::Returning))
    }

    /// Appends everything of another batch.
    pub fn append(&mut self, other: Batch) -> &mut Self {
        self.0.extend(other.0);
        self
    }

    /// How many of its statements hand rows back: the place, in the commit's answer, of what the next such one hands back.
    pub fn returning_len(&self) -> usize {
        self.0.iter().filter(|statement| statement.expect == Expect::Returning).count()
    }

    /// How many statements it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds no statement.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
