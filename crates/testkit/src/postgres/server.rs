//! Finding, starting and stopping the server's programs.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::{blocking, column, current_user, url_of};

/// How long a server may take to start or stop, in seconds.
const START_SECONDS: &str = "60";
/// Connections that a server admits, all tests together.
const MAX_CONNECTIONS: &str = "200";

/// The programs and the files of one server.
#[derive(Debug)]
pub(super) struct Server {
    programs: PathBuf,
    pub(super) data: PathBuf,
    log: PathBuf,
    /// User and group to run as; the server refuses to run as root.
    run_as: Option<(u32, u32)>,
}

impl Server {
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let programs = match find_programs() {
            Some(programs) => programs,
            None => install()?,
        };
        let run_as = runs_as()?;
        let data = directory.join("data");
        Ok(Server { programs, log: data.join("server.log"), data, run_as })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C");
        if let Some((user, group)) = self.run_as {
            command.uid(user).gid(group);
        }
        command
    }

    pub(super) fn initialise(&self) -> Result<()> {
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

    /// The files of a standby of the server on that port.
    pub(super) fn copy_as_standby(&self, port: u16) -> Result<()> {
        std::fs::create_dir(&self.data).context("the directory of the cluster cannot be made")?;
        if let Some((user, group)) = self.run_as {
            std::os::unix::fs::chown(&self.data, Some(user), Some(group))?;
        }
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&self.data, std::fs::Permissions::from_mode(0o700))?;
        let mut command = self.command("pg_basebackup");
        command.args([
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "-p",
            &port.to_string(),
        ]);
        command.arg("-D").arg(&self.data);
        succeed(command, "pg_basebackup")
    }

    pub(super) fn promote(&self) -> Result<()> {
        let mut command = self.command("pg_ctl");
        command.args(["promote", "-w", "-s", "-t", START_SECONDS]).arg("-D").arg(&self.data);
        succeed(command, "pg_ctl promote")
    }

    pub(super) fn start_on_free_port(&self, settings: &[(String, String)]) -> Result<u16> {
        let mut last = None;
        // Somebody else may take the port in between.
        for _ in 0..3 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            match self.start(port, settings) {
                Ok(()) => return Ok(port),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
    }

    pub(super) fn start(&self, port: u16, settings: &[(String, String)]) -> Result<()> {
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
        ensure!(status.success(), "the server did not start: {}", tail(&log()));
        Ok(())
    }

    pub(super) fn stop(&self) -> Result<()> {
        let mut command = self.command("pg_ctl");
        command.args(["stop", "-m", "immediate", "-w", "-s", "-t", START_SECONDS]);
        command.arg("-D").arg(&self.data);
        succeed(command, "pg_ctl stop")
    }

    /// Sends a signal to every process of the server, the first one first: it makes no new ones then.
    pub(super) fn signal(&self, name: &str) -> Result<()> {
        let state = std::fs::read_to_string(self.data.join("postmaster.pid")).context("the server does not run")?;
        let first = state.lines().next().unwrap_or_default().trim().to_owned();
        send(name, std::slice::from_ref(&first))?;
        let mut others = Vec::new();
        for process in std::fs::read_dir("/proc")?.flatten() {
            // pid (name) state parent ...; of one that has just ended there is nothing.
            let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
            if parent == Some(first.as_str()) {
                others.push(process.file_name().to_string_lossy().into_owned());
            }
        }
        send(name, &others)
    }

    /// The port, if the server runs and is the one of these files.
    pub(super) fn running_port(&self) -> Option<u16> {
        let state = std::fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        let port: u16 = state.lines().nth(3)?.trim().parse().ok()?;
        let ask = async move { column(&url_of(port), "SHOW data_directory").await };
        let directory = blocking(ask).ok()?;
        (directory.first().map(Path::new) == Some(self.data.as_path())).then_some(port)
    }
}

/// Whom a server runs as where the tests run as root.
pub(super) fn runs_as() -> Result<Option<(u32, u32)>> {
    if current_user()? == 0 { unprivileged_user().map(Some) } else { Ok(None) }
}

/// Runs a client program of the server's package with a file among its arguments.
pub(super) fn run_client(program: &str, before: &[&str], file: &Path, after: &[&str]) -> Result<()> {
    let programs = find_programs().context("no PostgreSQL on this machine")?;
    let mut command = Command::new(programs.join(program));
    command.args(before).arg(file).args(after).stdin(Stdio::null()).env("LC_ALL", "C");
    succeed(command, program)
}

/// One that has ended meanwhile is no failure: `kill` goes on with the others.
fn send(signal: &str, processes: &[String]) -> Result<()> {
    let mut command = Command::new("kill");
    command.arg(format!("-{signal}")).args(processes).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().with_context(|| format!("kill -{signal}"))?;
    Ok(())
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

fn succeed(mut command: Command, what: &str) -> Result<()> {
    let output = command.output().with_context(|| format!("{what} cannot be run"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} failed: {}", tail(&error));
    Ok(())
}

/// The directory with `initdb`, `pg_ctl` and `postgres`, the newest version first.
fn find_programs() -> Option<PathBuf> {
    let complete = |directory: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|program| directory.join(program).is_file());
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
        if let Some(number) = version.file_name().to_str().and_then(|name| name.parse().ok())
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
    ensure!(debian && current_user()? == 0, "no PostgreSQL server on this machine");
    eprintln!("no PostgreSQL server on this machine: installing the package `postgresql` with apt-get");
    for arguments in ["update -q", "install -y -q --no-install-recommends postgresql"] {
        let mut command = Command::new("apt-get");
        command.args(arguments.split(' ')).env("DEBIAN_FRONTEND", "noninteractive");
        succeed(command, "apt-get")?;
    }
    find_programs().context("the package is installed, but its programs are not where they should be")
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
