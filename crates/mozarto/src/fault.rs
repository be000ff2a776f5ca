//! Faults of the store, ordered from outside, for tests of builds made for tests: `MOZARTO_FAULT`. A build made for use has none
//! of this and refuses to start with it.
//!
//! * `commit:<n>`: the n-th commit and all later ones fail;
//! * `commit:1/<k>`: one in k fails;
//! * either with `@<file>` at its end: only while that file exists, and counted only then.

use anyhow::Result;
use std::sync::Arc;
use store::Driver;

/// Names the fault.
const VARIABLE: &str = "MOZARTO_FAULT";

/// The driver with the fault that the environment orders, if it orders one.
#[cfg(not(debug_assertions))]
pub(crate) fn ordered(db: Arc<dyn Driver>) -> Result<Arc<dyn Driver>> {
    anyhow::ensure!(
        std::env::var_os(VARIABLE).is_none(),
        "{VARIABLE} is for builds made for tests: take it out of the environment"
    );
    Ok(db)
}

/// The driver with the fault that the environment orders, if it orders one.
#[cfg(debug_assertions)]
pub(crate) fn ordered(db: Arc<dyn Driver>) -> Result<Arc<dyn Driver>> {
    use anyhow::Context;
    match std::env::var(VARIABLE) {
        Err(std::env::VarError::NotPresent) => Ok(db),
        text => Ok(Arc::new(driver::Faulty::new(db, text?.parse().with_context(|| VARIABLE.to_owned())?))),
    }
}

#[cfg(debug_assertions)]
mod driver {
    use anyhow::{Context, bail};
    use std::path::PathBuf;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use store::driver::{AppliedMigration, BackupError, CommitResult, Dialect, Migration, MigrationError, MigrationStatus};
    use store::{Batch, CommitError, Driver, QueryError, Row, Value};

    type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

    #[derive(Debug, PartialEq, Eq)]
    enum Which {
        From(u64),
        OneIn(u64),
    }

    /// Which commits fail, and when.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Fault {
        which: Which,
        only_while: Option<PathBuf>,
    }

    impl std::str::FromStr for Fault {
        type Err = anyhow::Error;
        fn from_str(text: &str) -> Result<Self, Self::Err> {
            let Some(rest) = text.strip_prefix("commit:") else { bail!("only commits can be made to fail: commit:...") };
            let (which, file) = rest.split_once('@').map_or((rest, None), |(which, file)| (which, Some(file)));
            let number = |text: &str| {
                text.parse().ok().filter(|number| *number > 0).with_context(|| format!("{text} is no number above 0"))
            };
            let which = match which.strip_prefix("1/") {
                Some(k) => Which::OneIn(number(k)?),
                None => Which::From(number(which)?),
            };
            Ok(Self { which, only_while: file.map(PathBuf::from) })
        }
    }

    /// A store that is away now and then: nothing of a failed commit is stored.
    pub(super) struct Faulty {
        inner: Arc<dyn Driver>,
        fault: Fault,
        commits: AtomicU64,
    }

    impl Faulty {
        pub(super) fn new(inner: Arc<dyn Driver>, fault: Fault) -> Self {
            Self { inner, fault, commits: AtomicU64::new(0) }
        }

        fn fails_now(&self) -> bool {
            if self.fault.only_while.as_ref().is_some_and(|file| !file.exists()) {
                return false;
            }
            let number = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
            match self.fault.which {
                Which::From(first) => number >= first,
                Which::OneIn(k) => number.is_multiple_of(k),
            }
        }
    }

    impl Driver for Faulty {
        fn dialect(&self) -> Dialect {
            self.inner.dialect()
        }

        fn commit(&self, batch: Batch) -> Answer<'_, CommitResult> {
            if self.fails_now() {
                return Box::pin(async { Err(CommitError::Unavailable("a fault that was ordered".to_owned())) });
            }
            self.inner.commit(batch)
        }

        fn beat(&self, batch: Batch) -> Answer<'_, CommitResult> {
            if self.fails_now() {
                return Box::pin(async { Err(CommitError::Unavailable("a fault that was ordered".to_owned())) });
            }
            self.inner.beat(batch)
        }

        fn query(&self, sql: &'static str, params: Vec<Value>) -> Answer<'_, Result<Vec<Row>, QueryError>> {
            self.inner.query(sql, params)
        }

        fn query_dynamic(&self, sql: String, params: Vec<Value>) -> Answer<'_, Result<Vec<Row>, QueryError>> {
            self.inner.query_dynamic(sql, params)
        }

        fn ping(&self) -> Answer<'_, Result<(), QueryError>> {
            // A ping asks whether the store takes commits too.
            if self.fails_now() {
                return Box::pin(async { Err(QueryError::Unavailable("a fault that was ordered".to_owned())) });
            }
            self.inner.ping()
        }

        fn migrate(&self, list: &'static [Migration]) -> Answer<'_, Result<Vec<AppliedMigration>, MigrationError>> {
            self.inner.migrate(list)
        }

        fn migration_status(&self, list: &'static [Migration]) -> Answer<'_, Result<Vec<MigrationStatus>, MigrationError>> {
            self.inner.migration_status(list)
        }

        fn backup(&self, target: PathBuf) -> Answer<'_, Result<(), BackupError>> {
            self.inner.backup(target)
        }

        fn close(&self) -> Answer<'_, ()> {
            self.inner.close()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_words_of_the_variable() {
            let fault = |which, file: Option<&str>| Fault { which, only_while: file.map(PathBuf::from) };
            for (text, expected) in [
                ("commit:3", fault(Which::From(3), None)),
                ("commit:1/7", fault(Which::OneIn(7), None)),
                ("commit:1@/tmp/x", fault(Which::From(1), Some("/tmp/x"))),
                ("commit:1/7@/tmp/x", fault(Which::OneIn(7), Some("/tmp/x"))),
            ] {
                assert_eq!(text.parse::<Fault>().unwrap(), expected);
            }
            for text in ["", "3", "query:3", "commit:", "commit:0", "commit:-1", "commit:1/0", "commit:soon"] {
                assert!(text.parse::<Fault>().is_err(), "{text}");
            }
        }
    }
}
