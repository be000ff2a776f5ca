//! A PostgreSQL server for tests: found, started and shared without anybody's doing.
//!
//! `MOZARTO_TEST_POSTGRES` (an administrator's `postgres://...`) names a server to use; without it a private cluster
//! is made under the system's directory for temporary files, once per user of the machine, and shared by all test processes.
//! It listens on the loopback interface only, trusts every local caller, and keeps `fsync` on, since
//! durability is what is tested. Nothing is skipped in silence: whatever fails here panics with a sentence.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio_postgres::NoTls;

/// Names an administrator's address of a server that tests shall use.
pub const URL_VARIABLE: &str = "MOZARTO_TEST_POSTGRES";
/// How databases of tests are called; the process id follows.
const DATABASE_PREFIX: &str = "mozarto_test_";
/// How many databases of dead processes one process clears away.
const MAX_SWEPT: usize = 16;
/// How long a server may take to start or stop, in seconds.
const START_SECONDS: &str = "60";
/// How long one administrative statement may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections that the cluster admits, all tests together.
const MAX_CONNECTIONS: &str = "200";

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
    aws_lc_rs::rand::fill(&mut random)
        .ok()
        .context("no random bytes from the system")?;
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
    Ok(TestDatabase {
        url,
        name,
        admin_url: admin_url.to_owned(),
    })
}

/// Statements that drop the databases of processes that are no more (killed before they could tidy up).
async fn leftovers(admin_url: &str) -> Result<Vec<String>> {
    if !Path::new("/proc/self").exists() {
        return Ok(Vec::new());
    }
    let sql =
        format!("SELECT datname::text FROM pg_database WHERE datname LIKE '{DATABASE_PREFIX}%'");
    let dead = |name: &String| {
        let process = name[DATABASE_PREFIX.len()..]
            .split('_')
            .next()
            .unwrap_or("");
        !process.is_empty() && !Path::new("/proc").join(process).exists()
    };
    let names = column(admin_url, &sql)
        .await?
        .into_iter()
        .filter(dead)
        .take(MAX_SWEPT);
    Ok(names
        .map(|name| format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        .collect())
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statements = [format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            self.name
        )];
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
            let directory = tempfile::Builder::new()
                .prefix("mozarto-postgres-")
                .tempdir()?;
            open_to_all(directory.path())?;
            let server = Server::new(directory.path())?;
            server.initialise()?;
            let settings: Vec<_> = settings
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            let port = server.start_on_free_port(&settings)?;
            Ok(PrivateCluster {
                server,
                port,
                settings,
                _directory: directory,
            })
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
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        if self.server.data.join("postmaster.pid").exists()
            && let Err(error) = self.server.stop()
        {
            eprintln!("a private PostgreSQL is left behind: {error:#}");
        }
    }
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
    ensure!(
        owner.is_dir() && owner.uid() == user,
        "{} is another user's",
        directory.display()
    );
    Ok(directory)
}

fn current_user() -> Result<u32> {
    Ok(tempfile::tempfile()
        .and_then(|file| file.metadata())
        .context("no temporary file")?
        .uid())
}

/// The server may run as another user and must get through to its own directory.
fn open_to_all(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(
        directory,
        std::fs::Permissions::from_mode(0o755),
    )?)
}

/// Held until the file is closed: one process at a time starts or stops the cluster.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.lock()
        .context("the lock of the cluster cannot be taken")?;
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

/// The programs and the files of one server.
#[derive(Debug)]
struct Server {
    programs: PathBuf,
    data: PathBuf,
    log: PathBuf,
    /// User and group to run as; the server refuses to run as root.
    run_as: Option<(u32, u32)>,
}

impl Server {
    fn new(directory: &Path) -> Result<Self> {
        let programs = match find_programs() {
            Some(programs) => programs,
            None => install()?,
        };
        let run_as = if current_user()? == 0 {
            Some(unprivileged_user()?)
        } else {
            None
        };
        let data = directory.join("data");
        Ok(Server {
            programs,
            log: data.join("server.log"),
            data,
            run_as,
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .env("LC_ALL", "C");
        if let Some((user, group)) = self.run_as {
            command.uid(user).gid(group);
        }
        command
    }

    fn initialise(&self) -> Result<()> {
        std::fs::create_dir(&self.data).context("the directory of the cluster cannot be made")?;
        if let Some((user, group)) = self.run_as {
            std::os::unix::fs::chown(&self.data, Some(user), Some(group))?;
        }
        // What initdb itself writes may be lost in a crash of the machine: it is made anew then.
        let arguments = "--auth=trust --username=postgres --encoding=UTF8 --locale=C --no-sync";
        let mut command = self.command("initdb");
        command.args(arguments.split(' ')).arg("-D").arg(&self.data);
        succeed(command, "initdb")
    }

    fn start_on_free_port(&self, settings: &[(String, String)]) -> Result<u16> {
        let mut last = None;
        // Somebody else may take the port in between.
        for _ in 0..3 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
                .local_addr()?
                .port();
            match self.start(port, settings) {
                Ok(()) => return Ok(port),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
    }

    fn start(&self, port: u16, settings: &[(String, String)]) -> Result<()> {
        let mut options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on \
             -c max_connections={MAX_CONNECTIONS} -c jit=off -c log_min_messages=warning"
        );
        for (name, value) in settings {
            options.push_str(&format!(" -c {name}={value}"));
        }
        let mut command = self.command("pg_ctl");
        command.args(["start", "-w", "-s", "-t", START_SECONDS, "-o", &options]);
        command.arg("-D").arg(&self.data).arg("-l").arg(&self.log);
        // The server outlives us: it must not hold on to our output.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().context("pg_ctl cannot be run")?;
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        ensure!(
            status.success(),
            "the server did not start: {}",
            tail(&log())
        );
        Ok(())
    }

    fn stop(&self) -> Result<()> {
        let mut command = self.command("pg_ctl");
        command.args(["stop", "-m", "immediate", "-w", "-s", "-t", START_SECONDS]);
        command.arg("-D").arg(&self.data);
        succeed(command, "pg_ctl stop")
    }

    /// The port, if the server runs and is the one of these files.
    fn running_port(&self) -> Option<u16> {
        let state = std::fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        let port: u16 = state.lines().nth(3)?.trim().parse().ok()?;
        let ask = async move { column(&url_of(port), "SHOW data_directory").await };
        let directory = blocking(ask).ok()?;
        (directory.first().map(Path::new) == Some(self.data.as_path())).then_some(port)
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

fn succeed(mut command: Command, what: &str) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("{what} cannot be run"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} failed: {}", tail(&error));
    Ok(())
}

/// The directory with `initdb`, `pg_ctl` and `postgres`, the newest version first.
fn find_programs() -> Option<PathBuf> {
    let complete = |directory: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| directory.join(program).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Links in the path point to where the programs really are, beside one another.
    let real = |directory: PathBuf| {
        let initdb = directory.join("initdb").canonicalize().ok()?;
        initdb.parent().map(Path::to_owned)
    };
    if let Some(found) = std::env::split_paths(&path).filter_map(real).find(complete) {
        return Some(found);
    }
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for version in std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten() {
        let directory = version.path().join("bin");
        if let Some(number) = version
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            && complete(&directory)
        {
            found.push((number, directory));
        }
    }
    found.into_iter().max().map(|(_, directory)| directory)
}

/// Installs the server, where that is possible without asking anybody.
fn install() -> Result<PathBuf> {
    let debian = Path::new("/etc/debian_version").exists();
    ensure!(
        debian && current_user()? == 0,
        "no PostgreSQL server on this machine"
    );
    eprintln!(
        "no PostgreSQL server on this machine: installing the package `postgresql` with apt-get"
    );
    for arguments in [
        "update -q",
        "install -y -q --no-install-recommends postgresql",
    ] {
        let mut command = Command::new("apt-get");
        command
            .args(arguments.split(' '))
            .env("DEBIAN_FRONTEND", "noninteractive");
        succeed(command, "apt-get")?;
    }
    find_programs()
        .context("the package is installed, but its programs are not where they should be")
}

/// User and group ids of `postgres`, or of `nobody`.
fn unprivileged_user() -> Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").context("/etc/passwd cannot be read")?;
    for wanted in ["postgres", "nobody"] {
        for line in users.lines() {
            let mut fields = line.split(':');
            if fields.next() == Some(wanted)
                && let (Some(user), Some(group)) = (fields.nth(1), fields.next())
            {
                return Ok((user.parse()?, group.parse()?));
            }
        }
    }
    bail!("the server must not run as root, and there is neither a user `postgres` nor `nobody`")
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("the address is no URL")?;
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, None), |(r, q)| (r, Some(q)));
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
        run.await
            .context("no answer from the server")?
            .with_context(|| statement.clone())?;
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a run time of one thread").block_on(future)
    };
    match std::thread::spawn(run).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
