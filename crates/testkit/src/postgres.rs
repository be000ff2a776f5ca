//! A PostgreSQL server for tests: found, started and shared without anybody's doing.
//!
//! `MOZARTO_TEST_POSTGRES` (an administrator's `postgres://...`) names a server to use; without it a private cluster
//! is made under the system's directory for temporary files, once per user of the machine, and shared by all test processes.
//! It listens on the loopback interface only, trusts every local caller, and keeps `fsync` on, since
//! durability is what is tested. Nothing is skipped in silence: whatever fails here panics with a sentence.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio_postgres::NoTls;

use self::server::Server;

mod server;

/// Names an administrator's address of a server that tests shall use.
pub const URL_VARIABLE: &str = "MOZARTO_TEST_POSTGRES";
/// How databases of tests are called; the process id follows.
const DATABASE_PREFIX: &str = "mozarto_test_";
/// How many databases of dead processes one process clears away.
const MAX_SWEPT: usize = 16;
/// How long one administrative statement may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(60);

/// A database of its own for one test; dropped with the value, as far as possible.
#[derive(Debug)]
pub struct TestDatabase {
    /// `postgres://...` of the database, with the right to do anything in it.
    pub url: String,
    name: String,
    admin_url: String,
}

/// Makes an empty database.
///
/// # Panics
/// If there is no server and none can be started, or the database cannot be made.
pub async fn database() -> TestDatabase {
    let admin_url = blocking(async { ensure_cluster() });
    match create(&admin_url).await {
        Ok(database) => database,
        Err(error) => {
            panic!("a test needs a PostgreSQL database, but none could be made: {error:#}")
        }
    }
}

async fn create(admin_url: &str) -> Result<TestDatabase> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 6];
    aws_lc_rs::rand::fill(&mut random).ok().context("no random bytes from the system")?;
    let process = std::process::id();
    let name = format!("{DATABASE_PREFIX}{process}_{count}_{}", hex::encode(random));
    let mut statements = Vec::new();
    if count == 0 && std::env::var_os(URL_VARIABLE).is_none() {
        statements = leftovers(admin_url).await?;
    }
    // Nobody is ever connected to template0, so it can be copied at any time.
    statements.push(format!("CREATE DATABASE {name} TEMPLATE template0"));
    run(admin_url, &statements).await?;
    let url = with_database(admin_url, &name)?;
    Ok(TestDatabase { url, name, admin_url: admin_url.to_owned() })
}

/// Statements that drop the databases of processes that are no more (killed before they could tidy up).
async fn leftovers(admin_url: &str) -> Result<Vec<String>> {
    if !Path::new("/proc/self").exists() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT datname::text FROM pg_database WHERE datname LIKE '{DATABASE_PREFIX}%'");
    let dead = |name: &String| {
        let process = name[DATABASE_PREFIX.len()..].split('_').next().unwrap_or("");
        !process.is_empty() && !Path::new("/proc").join(process).exists()
    };
    let names = column(admin_url, &sql).await?.into_iter().filter(dead).take(MAX_SWEPT);
    Ok(names.map(|name| format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).collect())
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statements = [format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)];
        let admin_url = self.admin_url.clone();
        let dropped = blocking(async move { run(&admin_url, &statements).await });
        if let Err(error) = dropped {
            eprintln!("the test database {} is left behind: {error:#}", self.name);
        }
    }
}

/// The administrator's address of the server for tests, which is started if need be.
///
/// # Panics
/// If there is no server and none can be started.
pub fn ensure_cluster() -> String {
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return url;
    }
    static URL: OnceLock<String> = OnceLock::new();
    let start = || match shared_cluster() {
        Ok(url) => url,
        Err(error) => panic!(
            "tests need PostgreSQL, and none could be started: {error:#}. Install it (Debian: `apt-get install \
             postgresql`) or name a server in {URL_VARIABLE}"
        ),
    };
    URL.get_or_init(start).clone()
}

/// Stops the shared cluster and removes its files. A server named in `MOZARTO_TEST_POSTGRES` is left alone.
///
/// # Panics
/// If it is there, but cannot be stopped.
pub fn stop_cluster() {
    let stop = || -> Result<()> {
        let directory = shared_directory()?;
        let _lock = lock(&directory)?;
        let data = directory.join("data");
        if data.join("postmaster.pid").exists() {
            Server::new(&directory)?.stop()?;
        }
        remove(&data)
    };
    if let Err(error) = stop() {
        panic!("the PostgreSQL cluster for tests could not be stopped: {error:#}");
    }
}

/// A server of one test alone, which may kill it: its files live as long as the value.
#[derive(Debug)]
pub struct PrivateCluster {
    server: Server,
    port: u16,
    settings: Vec<(String, String)>,
    _directory: tempfile::TempDir,
}

impl PrivateCluster {
    /// Starts a server, with settings beside those of the shared one, for instance `("fsync", "off")`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let start = || -> Result<Self> {
            let directory = tempfile::Builder::new().prefix("mozarto-postgres-").tempdir()?;
            open_to_all(directory.path())?;
            let server = Server::new(directory.path())?;
            server.initialise()?;
            let settings: Vec<_> = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let port = server.start_on_free_port(&settings)?;
            Ok(PrivateCluster { server, port, settings, _directory: directory })
        };
        match start() {
            Ok(cluster) => cluster,
            Err(error) => panic!("a private PostgreSQL for a test could not be started: {error:#}"),
        }
    }

    /// The administrator's address; it stays the same over [`PrivateCluster::restart`].
    pub fn url(&self) -> String {
        url_of(self.port)
    }

    /// A standby that follows this server, on a port of its own.
    ///
    /// # Panics
    /// If it cannot be made or started.
    pub fn standby(&self) -> Self {
        let make = || -> Result<Self> {
            let directory = tempfile::Builder::new().prefix("mozarto-postgres-").tempdir()?;
            open_to_all(directory.path())?;
            let server = Server::new(directory.path())?;
            server.copy_as_standby(self.port)?;
            let settings = vec![("hot_standby".to_owned(), "on".to_owned())];
            let port = server.start_on_free_port(&settings)?;
            Ok(PrivateCluster { server, port, settings, _directory: directory })
        };
        match make() {
            Ok(cluster) => cluster,
            Err(error) => panic!("a standby for a test could not be started: {error:#}"),
        }
    }

    /// Makes a standby the server that takes writes.
    ///
    /// # Panics
    /// If it does not become one.
    pub fn promote(&self) {
        if let Err(error) = self.server.promote() {
            panic!("a standby could not be promoted: {error:#}");
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server as a crash would: no checkpoint, connections cut.
    ///
    /// # Panics
    /// If it cannot be stopped.
    pub fn crash(&self) {
        if let Err(error) = self.server.stop() {
            panic!("a private PostgreSQL could not be stopped: {error:#}");
        }
    }

    /// Starts it again after [`PrivateCluster::crash`], on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&self) {
        if let Err(error) = self.server.start(self.port, &self.settings) {
            panic!("a private PostgreSQL did not start again: {error:#}");
        }
    }

    /// Stops every process of the server where it is, as a disk that hangs would: connections stay open, the kernel goes on
    /// acknowledging what arrives, and nobody answers.
    ///
    /// # Panics
    /// If they cannot be stopped.
    pub fn freeze(&self) {
        if let Err(error) = self.server.signal("STOP") {
            panic!("a private PostgreSQL could not be frozen: {error:#}");
        }
    }

    /// Lets them go on after [`PrivateCluster::freeze`].
    ///
    /// # Panics
    /// If they cannot be let go on.
    pub fn thaw(&self) {
        if let Err(error) = self.server.signal("CONT") {
            panic!("a private PostgreSQL could not go on: {error:#}");
        }
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        // A frozen one does not hear that it is to stop.
        let _ = self.server.signal("CONT");
        if self.server.data.join("postmaster.pid").exists()
            && let Err(error) = self.server.stop()
        {
            eprintln!("a private PostgreSQL is left behind: {error:#}");
        }
    }
}

/// Carries a database over with `pg_dump` and `pg_restore`, as an operator would.
///
/// # Panics
/// If one of them fails.
pub fn dump_and_restore(from: &str, to: &str) {
    let carry = || -> Result<()> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("dump");
        server::run_client("pg_dump", &["--format=custom", "--file"], &file, &["--dbname", from])?;
        server::run_client("pg_restore", &["--exit-on-error", "--no-owner", "--dbname", to], &file, &[])
    };
    if let Err(error) = carry() {
        panic!("a database could not be carried over: {error:#}");
    }
}

/// User and group that a server of tests runs as where the tests run as root: for files that it alone may read.
pub fn server_user() -> Option<(u32, u32)> {
    server::runs_as().ok().flatten()
}

fn url_of(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

fn shared_cluster() -> Result<String> {
    let directory = shared_directory()?;
    let _lock = lock(&directory)?;
    let server = Server::new(&directory)?;
    if let Some(port) = server.running_port() {
        return Ok(url_of(port));
    }
    // Not running, or no longer answering: begin anew, so that no test meets what a crash left.
    if server.data.join("postmaster.pid").exists() {
        let _ = server.stop();
    }
    remove(&server.data)?;
    server.initialise()?;
    Ok(url_of(server.start_on_free_port(&[])?))
}

/// One directory per user of the machine.
fn shared_directory() -> Result<PathBuf> {
    let user = current_user()?;
    let directory = std::env::temp_dir().join(format!("mozarto-postgres-{user}"));
    match std::fs::create_dir(&directory) {
        Ok(()) => open_to_all(&directory)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).context("the directory for the cluster cannot be made"),
    }
    let owner = std::fs::symlink_metadata(&directory)?;
    ensure!(owner.is_dir() && owner.uid() == user, "{} is another user's", directory.display());
    Ok(directory)
}

fn current_user() -> Result<u32> {
    Ok(tempfile::tempfile().and_then(|file| file.metadata()).context("no temporary file")?.uid())
}

/// The server may run as another user and must get through to its own directory.
fn open_to_all(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?)
}

/// Held until the file is closed: one process at a time starts or stops the cluster.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.lock().context("the lock of the cluster cannot be taken")?;
    Ok(file)
}

fn remove(data: &Path) -> Result<()> {
    match std::fs::remove_dir_all(data) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", data.display()))
        }
        _ => Ok(()),
    }
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("the address is no URL")?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(r, q)| (r, Some(q)));
    let server = rest.split_once('/').map_or(rest, |(server, _)| server);
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    Ok(format!("{scheme}://{server}/{name}{query}"))
}

async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let connect = tokio::time::timeout(ADMIN_TIMEOUT, tokio_postgres::connect(url, NoTls));
    let (client, connection) = connect.await.context("no answer from the server")??;
    tokio::spawn(connection);
    Ok(client)
}

async fn run(url: &str, statements: &[String]) -> Result<()> {
    let client = connect(url).await?;
    for statement in statements {
        let run = tokio::time::timeout(ADMIN_TIMEOUT, client.batch_execute(statement));
        run.await.context("no answer from the server")?.with_context(|| statement.clone())?;
    }
    Ok(())
}

async fn column(url: &str, sql: &str) -> Result<Vec<String>> {
    let client = connect(url).await?;
    let rows = tokio::time::timeout(ADMIN_TIMEOUT, client.query(sql, &[])).await??;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Runs a future to its end on a thread and a run time of its own: tests call from inside and outside of theirs.
fn blocking<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a run time of one thread").block_on(future)
    };
    match std::thread::spawn(run).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_an_address_is_exchanged() {
        for (url, expected) in [
            ("postgres://u:p@h:1/postgres", "postgres://u:p@h:1/new"),
            ("postgres://u@h", "postgres://u@h/new"),
            ("postgresql://h:1/a?sslmode=disable", "postgresql://h:1/new?sslmode=disable"),
        ] {
            assert_eq!(with_database(url, "new").unwrap(), expected);
        }
        assert!(with_database("nonsense", "new").is_err());
    }

    #[tokio::test]
    async fn databases_are_apart_and_go_with_their_value() {
        let (one, two) = (database().await, database().await);
        run(&one.url, &["CREATE TABLE only_here (a INT)".to_owned()]).await.unwrap();
        let tables = "SELECT to_regclass('only_here')::text";
        assert_eq!(column(&one.url, tables).await.unwrap(), ["only_here"]);
        assert!(column(&two.url, tables).await.is_err(), "NULL is no text");
        let settings = "SELECT current_setting('fsync') || current_setting('full_page_writes')";
        assert_eq!(column(&two.url, settings).await.unwrap(), ["onon"]);
        let url = one.url.clone();
        drop(one);
        assert!(column(&url, "SELECT 'there'").await.is_err());
        assert_eq!(column(&two.url, "SELECT 'there'").await.unwrap(), ["there"]);
    }
}
