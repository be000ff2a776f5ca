//! What can go wrong, in the words that callers act upon. No text here ever carries a value of a row:
//! engines like to quote the offending data, so their texts are taken over only where they cannot.

use super::RowError;

/// Why a batch was not answered as stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The guard of this label changed another number of rows than expected. Nothing is stored.
    #[error("guard failed: {0}")]
    Guard(&'static str),
    /// The statement of this label met a row with the same unique key. Nothing is stored.
    #[error("duplicate: {0}")]
    Duplicate(&'static str),
    /// The statement of this label broke a `CHECK`, `NOT NULL` or foreign key, or a trigger refused it. Nothing is stored.
    #[error("refused by the schema: {0}")]
    Check(&'static str),
    /// The database could not be reached or could not write. Nothing is stored.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The answer to the commit was lost: nobody can say whether the batch is stored. Whoever gets this looks, and repeats
    /// nothing blindly.
    #[error("database unavailable: commit outcome unknown: {0}")]
    Unknown(String),
    /// The code and the database disagree (SQL that does not run, a damaged file). Nothing is stored.
    #[error("database corrupt or not of this version: {0}")]
    Corrupt(String),
}

/// What a failure means for whoever met it.
pub trait StoreError {
    /// The store could not be reached, or takes no writes: nothing is wrong with what was asked, and the same may succeed later.
    fn store_is_away(&self) -> bool;

    /// Whether what was asked may be stored all the same: the answer to the commit was lost.
    fn may_be_stored(&self) -> bool {
        false
    }

    /// The store is away, and nothing of what was asked is there: it may be asked again without a look.
    fn nothing_was_begun(&self) -> bool {
        self.store_is_away() && !self.may_be_stored()
    }
}

impl StoreError for CommitError {
    fn store_is_away(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Unknown(_) => true,
            Self::Guard(_) | Self::Duplicate(_) | Self::Check(_) | Self::Corrupt(_) => false,
        }
    }

    fn may_be_stored(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl StoreError for QueryError {
    fn store_is_away(&self) -> bool {
        matches!(self, QueryError::Unavailable(_))
    }
}

impl From<RowError> for CommitError {
    fn from(error: RowError) -> Self {
        CommitError::Corrupt(error.to_string())
    }
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The database could not be reached or could not read. The same query may succeed later.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The code and the database disagree (SQL that does not run, a damaged file, a column of another kind).
    #[error("database corrupt or not of this version: {0}")]
    Corrupt(String),
    /// The answer has more rows than [`MAX_QUERY_ROWS`](super::MAX_QUERY_ROWS).
    #[error("the answer has more than {0} rows")]
    TooManyRows(usize),
}

impl From<RowError> for QueryError {
    fn from(error: RowError) -> Self {
        QueryError::Corrupt(error.to_string())
    }
}

/// Why a database could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// It could not be reached or opened.
    #[error("the database cannot be opened: {0}")]
    Unavailable(String),
    /// It would not keep what it answers: a setting that durability rests upon is off.
    #[error("refusing to start: {setting} is `{found}`, but must be {required}, or what was answered could be lost")]
    Unsafe {
        /// The setting.
        setting: &'static str,
        /// What it should be.
        required: &'static str,
        /// What the database says.
        found: String,
    },
    /// It could be opened, but must not be used: a standby, another encoding, a file that has lost what was answered. A sentence
    /// that says what to do.
    #[error("{0}")]
    Refused(String),
}

/// Why a backup was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BackupError {
    /// This engine has its own tool.
    #[error("this database is backed up with its own tool: {0}")]
    Unsupported(&'static str),
    /// The target is there already; a backup never overwrites.
    #[error("the target of the backup exists already")]
    TargetExists,
    /// Reading or writing failed.
    #[error("the backup failed: {0}")]
    Failed(String),
}
