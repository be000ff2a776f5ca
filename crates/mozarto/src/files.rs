//! The data directory: private to its owner, locked by the process that uses it.

use crate::presence;
use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use store::Driver;
use store::vault::MasterKey;

/// The embedded database of a data directory.
pub(crate) const DATABASE: &str = "mozarto.db";
/// Only the owner may look inside.
const DIRECTORY_MODE: u32 = 0o700;
/// How often a private directory is removed at the end, and the pause between.
const REMOVE_TRIES: u32 = 100;
const REMOVE_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
/// Only the owner may read and write.
pub(crate) const FILE_MODE: u32 = 0o600;

/// A data directory that this process has to itself.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Held as long as the process runs: the operating system lets go of them even after kill -9. The database's own comes first:
    /// by whatever name its file is reached, it is one.
    _locks: Vec<File>,
    /// Removed at exit, for `:memory:`.
    _temporary: Option<Private>,
}

/// A directory that is gone when the process is. What ends with the process may still be making files in it: so it is removed
/// until there is nothing left of it. Nobody but [`DataDirectory`] makes one, so that it does not come again.
#[derive(Debug)]
struct Private(PathBuf);

impl Drop for Private {
    fn drop(&mut self) {
        for _ in 0..REMOVE_TRIES {
            let removed = std::fs::remove_dir_all(&self.0);
            if removed.is_ok() || !self.0.exists() {
                return;
            }
            std::thread::sleep(REMOVE_PAUSE);
        }
    }
}

impl DataDirectory {
    /// Opens (or makes) the directory of an embedded store and locks it, once the store is the one that was there; `:memory:` is
    /// a private temporary one.
    pub(crate) fn open(name: &str) -> Result<Self> {
        Self::open_for(name, true)
    }

    /// [`open`](Self::open), or, where the store is elsewhere (`embedded` is false), the directory alone.
    pub(crate) fn open_for(name: &str, embedded: bool) -> Result<Self> {
        let temporary = if name == ":memory:" {
            let made = tempfile::Builder::new().prefix("mozarto-").tempdir().context("making a temporary directory")?;
            Some(Private(made.keep()))
        } else {
            None
        };
        let path = temporary.as_ref().map_or_else(|| PathBuf::from(name), |dir| dir.0.clone());
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&path)
            .with_context(|| format!("making the data directory {}", path.display()))?;
        tighten(&path)?;
        let mut locks = Vec::new();
        if embedded {
            presence::before_opening(&path)?;
            locks.push(locked(&path, DATABASE)?);
        }
        locks.push(locked(&path, "lock")?);
        Ok(Self { path, _locks: locks, _temporary: temporary })
    }

    /// Whether the directory has its master key already.
    pub(crate) fn has_key(&self) -> bool {
        self.path.join("master.key").exists()
    }

    /// The master key of this directory, if it has one.
    pub(crate) fn kept_key(&self) -> Result<Option<MasterKey>> {
        let path = self.path.join("master.key");
        if !path.exists() {
            return Ok(None);
        }
        MasterKey::from_file(&path).map(Some).with_context(|| format!("reading {}", path.display()))
    }

    /// The master key of this directory, made at the first start; never for a store that another key has opened.
    pub(crate) async fn master_key(&self, db: &dyn Driver) -> Result<MasterKey> {
        if let Some(key) = self.kept_key()? {
            return Ok(key);
        }
        presence::may_make_key(db, &self.path).await?;
        let key = MasterKey::generate().context("making a master key")?;
        write_private(&self.path.join("master.key"), key.to_text().as_bytes())?;
        Ok(key)
    }
}

/// Names of what is kept in the directory; the stores' own files (`-wal`, `-shm`) begin with theirs.
const KEPT: [&str; 7] = ["mozarto.db", "store.mark", "simulators.", "shop.", "master.key", "sandbox.json", "lock"];

/// Takes the rights of others away from the directory and from what is kept in it, where an earlier version, an unpacking or a
/// copy has given them.
fn tighten(directory: &Path) -> Result<()> {
    take_from_others(directory, DIRECTORY_MODE)?;
    for entry in std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let is_kept = name.to_str().is_some_and(|name| KEPT.iter().any(|kept| name.starts_with(kept)));
        // What a link leads to is kept as well, and beside a database there its log.
        if is_kept && entry.path().metadata().is_ok_and(|found| found.is_file()) {
            take_from_others(&entry.path(), FILE_MODE)?;
        }
    }
    let database = database_in(directory);
    for log in ["-wal", "-shm"].map(|end| beside(&database, end)).iter().filter(|log| log.exists()) {
        take_from_others(log, FILE_MODE)?;
    }
    Ok(())
}

/// The database's file, where a link leads.
pub(crate) fn database_in(directory: &Path) -> PathBuf {
    let path = directory.join(DATABASE);
    path.canonicalize().unwrap_or(path)
}

/// A file beside another one, of its name and this end.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn take_from_others(path: &Path, mode: u32) -> Result<()> {
    let found = std::fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?.permissions().mode();
    if found & 0o077 == 0 {
        return Ok(());
    }
    // Only the owner can. What is open to others and not ours is no place for this.
    let changed = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    changed.with_context(|| {
        format!(
            "{} is open to others (mode {:o}) and not ours to close: it must belong to who runs this",
            path.display(),
            found & 0o777
        )
    })
}

/// A file of the directory, locked. It must stay open: a database library's own locks on a file end when anybody in the process
/// closes it.
fn locked(directory: &Path, name: &str) -> Result<File> {
    let path = directory.join(name);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(FILE_MODE).open(&path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    if fs4::FileExt::try_lock(&file).is_err() {
        bail!("{} is in use by another mozarto process", directory.display());
    }
    Ok(file)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(FILE_MODE).open(&beside)?;
        file.set_permissions(std::fs::Permissions::from_mode(FILE_MODE))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        // The new name itself must survive a power cut.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}
