//! Whether the embedded database is the one that was there: a first start is told by there being nothing at all, and whatever has
//! lost its database, or a part of it, is refused with how to restore it.

use crate::files::{DATABASE, FILE_MODE, beside, database_in};
use crate::wal;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use store::driver::MigrationStatus;
use store::migrate::migrations;
use store::repository::nodes;
use store::{Batch, Driver};

/// How many heartbeats the database had taken when this was last looked at. A database that has taken fewer has lost something.
const MARK: &str = "store.mark";
/// What a sandbox keeps of its demo company.
const SANDBOX: &str = "sandbox.json";
/// The master key of a data directory.
const KEY: &str = "master.key";
/// Files that only a directory whose store was in use has.
const OF_A_STORE: [&str; 9] = [
    MARK,
    SANDBOX,
    "simulators.db",
    "simulators.db-wal",
    "simulators.key",
    "shop.db",
    "shop.db-wal",
    "mozarto.db-wal",
    "mozarto.db-shm",
];
/// The beginning of a database file that says how long it is.
const HEADER_BYTES: usize = 100;

/// What a cut file is called.
const SHORTER: &str = "its database is shorter than it was";

const PLATFORM_KEY: &str = "SELECT 1 FROM instance WHERE name = 'platform_key'";
const COMPANY: &str = "SELECT 1 FROM companies WHERE id = ?1";
const DEMO: &str = "SELECT 1 FROM instance WHERE name = 'demo_company'";
const DEMO_IS_MADE: &str =
    "INSERT INTO instance (name, value) VALUES ('demo_company', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

fn lost(directory: &Path, what: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{} was in use, but {what}: nothing is started, so that what is left stays as it is. Is the volume mounted? To restore: put a backup there as \
         {DATABASE}, remove {DATABASE}-wal, {DATABASE}-shm and {MARK}, and keep {KEY} and {SANDBOX} as they were. To begin anew: use an empty directory",
        directory.display()
    )
}

/// Before the database is opened, which might make one: is it there, and as long as it says?
pub(crate) fn before_opening(directory: &Path) -> Result<()> {
    let path = directory.join(DATABASE);
    let length = std::fs::metadata(&path).map_or(0, |file| file.len());
    if length == 0 {
        let there = |name: &&str| std::fs::metadata(directory.join(name)).is_ok_and(|file| file.len() > 0 || file.is_dir());
        // An operator may lay a key of his own there before the first start. Ours comes after the database, and the lock after
        // that.
        let key_of_ours = !path.exists() && directory.join(KEY).exists() && directory.join("lock").exists();
        if OF_A_STORE.iter().any(there) || key_of_ours {
            let what = if path.exists() { "its database is empty" } else { "its database is gone" };
            return Err(lost(directory, what));
        }
        return Ok(());
    }
    // A database behind a link has its log there.
    let log = beside(&database_in(directory), "-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        // What the file lacks may be in its log: a kill in the middle of copying it back leaves it so.
        let missing = wal::missing_pages(length, &log).with_context(|| format!("reading {}", log.display()))?;
        if let Some(missing) = missing {
            return if missing == 0 { Ok(()) } else { Err(lost(directory, SHORTER)) };
        }
    }
    let mut header = [0; HEADER_BYTES];
    let mut file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
    if file.read_exact(&mut header).is_err() || length < said(&header) {
        return Err(lost(directory, SHORTER));
    }
    Ok(())
}

/// How long the database says that it is, bytes; 0 where it does not say so itself.
fn said(header: &[u8; HEADER_BYTES]) -> u64 {
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        page => u64::from(page),
    };
    // The number of pages counts only if whoever changed the file last wrote it too.
    if word(24) == word(92) { page * u64::from(word(28)) } else { 0 }
}

/// After it is opened and before it is migrated: has it what it had?
pub(crate) async fn after_opening(db: &dyn Driver, directory: &Path) -> Result<()> {
    let mark = read_mark(directory);
    let company = company_of_the_sandbox(directory)?;
    let was_used = mark.is_some() || company.is_some();
    if !was_used && !directory.join(KEY).exists() {
        return Ok(());
    }
    let status = db.migration_status(migrations(db.dialect())).await.context("looking at the database")?;
    if !status.iter().any(|one| matches!(one, MigrationStatus::Applied(_))) {
        // A key alone may be the operator's own, laid there before the first start.
        return if was_used { Err(lost(directory, "its database has nothing in it")) } else { Ok(()) };
    }
    let has =
        async |sql: &'static str, params| anyhow::Ok(!db.query(sql, params).await.context("looking at the database")?.is_empty());
    if was_used && !has(PLATFORM_KEY, Vec::new()).await? {
        return Err(lost(directory, "its database has lost its beginning"));
    }
    if let Some(company) = company
        && !has(COMPANY, vec![company.into()]).await?
    {
        return Err(lost(directory, &format!("its database has lost the demo company that {SANDBOX} names")));
    }
    let beats = nodes::beats(db).await.context("looking at the database")?.unwrap_or_default();
    if mark.is_some_and(|mark| beats < mark) {
        return Err(lost(directory, "its database is older than it was (a lost log, or an older copy)"));
    }
    Ok(())
}

/// As [`after_opening`], where the store is elsewhere and a sandbox's directory knows it by its demo company.
pub(crate) async fn after_opening_shared(db: &dyn Driver, directory: &Path) -> Result<()> {
    let Some(company) = company_of_the_sandbox(directory)? else { return Ok(()) };
    let status = db.migration_status(migrations(db.dialect())).await.context("looking at the database")?;
    let has_schema = status.iter().any(|one| matches!(one, MigrationStatus::Applied(_)));
    if has_schema && !db.query(COMPANY, vec![company.into()]).await.context("looking at the database")?.is_empty() {
        return Ok(());
    }
    bail!(
        "{} belongs to another database: the demo company that its {SANDBOX} names is not in this one. Nothing is started, so that its tokens stay. Name the \
         database that it was used with (`--database`), or restore that from a backup. To begin anew: use an empty directory",
        directory.display()
    )
}

/// Whether a demo company may be made: not a second one, where an earlier start has made one and told its tokens.
pub(crate) async fn may_make_demo(db: &dyn Driver, directory: &Path) -> Result<()> {
    if db.query(DEMO, Vec::new()).await.context("looking at the database")?.is_empty() {
        return Ok(());
    }
    bail!(
        "{} has a database with its demo company, but {SANDBOX} is gone, and what is secret of the company is nowhere else: put it back from where it is \
         kept. To begin anew: use an empty directory",
        directory.display()
    )
}

/// Notes that the demo company is made, and that its tokens are kept beside the store.
pub(crate) async fn demo_is_made(db: &dyn Driver, company: &str) -> Result<()> {
    let mut batch = Batch::new();
    batch.run(DEMO_IS_MADE, vec![company.into()]);
    db.commit(batch).await.context("noting the demo company")?;
    Ok(())
}

/// Whether a key may be made: not for a database that another one has opened.
pub(crate) async fn may_make_key(db: &dyn Driver, directory: &Path) -> Result<()> {
    if db.query(PLATFORM_KEY, Vec::new()).await.context("looking at the database")?.is_empty() {
        return Ok(());
    }
    bail!(
        "{} has a database, but its key is gone: nothing that is stored could be opened with a new one. Put {KEY} back from where it is kept",
        directory.display()
    )
}

fn company_of_the_sandbox(directory: &Path) -> Result<Option<String>> {
    let path = directory.join(SANDBOX);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let line: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(line["companyId"].as_str().map(str::to_owned))
}

/// Whether a sandbox has run in the directory.
pub(crate) fn is_a_sandboxs(directory: &Path) -> bool {
    directory.join(SANDBOX).exists()
}

/// None where there is no mark, or none that was written to its end.
fn read_mark(directory: &Path) -> Option<i64> {
    std::fs::read_to_string(directory.join(MARK)).ok()?.strip_suffix('\n')?.parse().ok()
}

/// Notes what the database has taken until now: before anybody is told that it serves.
pub(crate) async fn mark_now(db: &dyn Driver, directory: &Path) -> Result<()> {
    let beats = nodes::beats(db).await.context("looking at the database")?.unwrap_or_default();
    note(&directory.join(MARK), beats)
}

/// Notes each heartbeat that the database has taken, until nobody sends any more.
pub(crate) fn keep_mark(directory: &Path) -> tokio::sync::watch::Sender<i64> {
    let (sender, mut beats) = tokio::sync::watch::channel(0);
    let path: PathBuf = directory.join(MARK);
    tokio::spawn(async move {
        while beats.changed().await.is_ok() {
            let count = *beats.borrow_and_update();
            let path = path.clone();
            let written = tokio::task::spawn_blocking(move || note(&path, count)).await;
            if let Ok(Err(error)) = written {
                // It stays at what it was, which is true as well: nothing is refused that is whole.
                tracing::debug!("{MARK} is not written: {error:#}");
            }
        }
    });
    sender
}

/// In place: the number never gets shorter, and one that is not written to its end counts for nothing.
fn note(path: &Path, count: i64) -> Result<()> {
    use std::io::Write;
    let writing = || format!("writing {}", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(FILE_MODE);
    let mut file = options.open(path).with_context(writing)?;
    file.write_all(format!("{count:020}\n").as_bytes()).with_context(writing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        directory
    }

    type Files = &'static [(&'static str, &'static [u8])];

    #[test]
    fn nothing_at_all_is_a_first_start() {
        const FIRST: [Files; 3] = [&[], &[("master.key", b"key"), ("mozarto.toml", b"x")], &[("mozarto.db", b""), ("lock", b"")]];
        const GONE: [Files; 6] = [
            &[("master.key", b"key"), ("simulators.db", b"x")],
            &[("sandbox.json", b"{}")],
            &[("store.mark", b"1\n")],
            &[("mozarto.db", b""), ("mozarto.db-wal", b"frames")],
            &[("master.key", b"key"), ("lock", b"")],
            &[("mozarto.db", b"SQLite format 3\0")],
        ];
        for first in FIRST {
            before_opening(directory(first).path()).unwrap();
        }
        for gone in GONE {
            let said = before_opening(directory(gone).path()).unwrap_err().to_string();
            assert!(said.contains("To restore"), "{said}");
        }
    }

    #[test]
    fn a_file_says_how_long_it_is() {
        let mut header = [0; HEADER_BYTES];
        header[16] = 0x10;
        header[31] = 3;
        assert_eq!(said(&header), 3 * 4_096);
        header[27] = 1;
        assert_eq!(said(&header), 0, "written by somebody who does not keep the number");
    }

    #[test]
    fn a_mark_is_read_as_written() {
        let directory = directory(&[]);
        let path = directory.path().join(MARK);
        for count in [1, 999, 1_000, 7] {
            note(&path, count).unwrap();
            assert_eq!(read_mark(directory.path()), Some(count));
        }
        std::fs::write(&path, "0000000000000").unwrap();
        assert_eq!(read_mark(directory.path()), None);
    }
}
