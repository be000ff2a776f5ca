//! `cargo xtask old-store --fill N`: how long `mozarto migrate` takes over a store of so many payments as the revision before
//! left it, on both stores. It is made as the migration's test makes it, and what it says is compared before and after.

#[allow(dead_code, unused_imports, reason = "the test follows single payments; here they are only counted")]
#[path = "../../../crates/mozarto/tests/migration/kept.rs"]
mod kept;
#[allow(dead_code, unused_imports, reason = "as above")]
#[path = "../../../crates/mozarto/tests/migration/made/mod.rs"]
mod made;

use anyhow::{Context, Result, ensure};
use kept::{Kept, Store};
use made::{Company, Target, directory};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use testkit::sandbox::{Options, Sandbox};

/// Up to so many payments every row is compared, which takes memory; of more the rows are counted.
const COMPARED_MAX: usize = 200_000;

/// Makes the stores with that binary's own company, and brings them up to date with it. `database`: an empty one of PostgreSQL.
pub(super) async fn run(binary: &Path, payments: usize, database: &str) -> Result<()> {
    let fresh = tempfile::tempdir()?;
    let mut sandbox = Sandbox::start(Options::new(binary, fresh.path()).variable("MOZARTO_LOG", "off")).await?;
    sandbox.terminate().await?;
    for database in [None, Some(database)] {
        let name = if database.is_some() { "PostgreSQL" } else { "SQLite" };
        one(binary, fresh.path(), payments, database, name).await.context(name)?;
    }
    Ok(())
}

async fn one(binary: &Path, fresh: &Path, payments: usize, database: Option<&str>, name: &str) -> Result<()> {
    let data = tempfile::tempdir()?;
    directory::beside(fresh, data.path())?;
    let target = match database {
        Some(url) => Target::postgres(url).await?,
        None => Target::sqlite(&data.path().join("mozarto.db"))?,
    };
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let began = Instant::now();
    let made = made::make(fresh, target, &[], payments, now).await?;
    println!("{name}: {} payments, {} rows, made within {:.1?}", made.transactions, made.rows, began.elapsed());

    let company = Company::of(fresh)?;
    let before = said(data.path(), database, &company, payments).await?;
    let began = Instant::now();
    directory::migrate(binary, data.path(), database).await?;
    println!("{name}: mozarto migrate took {:.1?}", began.elapsed());
    let after = said(data.path(), database, &company, payments).await?;
    before.are_in(&after)?;
    let store = Store::open(data.path(), database).await?;
    let migrated = kept::has_first_attempts(&store).await?;
    println!("{name}: {} (attempts: {migrated})", before.compared());
    Ok(())
}

/// What a store says, as closely as there is memory for.
enum Said {
    All(Kept),
    Counts(Vec<(&'static str, i64)>),
}

async fn said(data: &Path, database: Option<&str>, company: &Company, payments: usize) -> Result<Said> {
    let store = Store::open(data, database).await?;
    if payments <= COMPARED_MAX {
        return Ok(Said::All(Kept::of(&store, company).await?));
    }
    Ok(Said::Counts(kept::counts(&store).await?))
}

impl Said {
    fn are_in(&self, after: &Self) -> Result<()> {
        match (self, after) {
            (Self::All(before), Self::All(after)) => before.is_kept_in(after),
            (Self::Counts(before), Self::Counts(after)) => {
                ensure!(before == after, "{before:?} became {after:?}");
                Ok(())
            }
            _ => anyhow::bail!("before and after are looked at in different ways"),
        }
    }

    fn compared(&self) -> String {
        match self {
            Self::All(kept) => format!("all {} rows are kept as they were", kept.rows()),
            Self::Counts(counts) => {
                let rows: i64 = counts.iter().map(|(_, rows)| rows).sum();
                format!("{rows} rows are counted before and after")
            }
        }
    }
}
