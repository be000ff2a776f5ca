//! The address of the server: `postgres://user:password@host:port,host:port/database?...`, and how the way to it is protected.
//!
//! `sslmode`: `disable` (never TLS), `prefer` (TLS where the server offers it), `require`, `verify-ca` and `verify-full` (TLS, or
//! no connection). Stricter than what the words mean elsewhere: wherever TLS is spoken, the server's certificate must be signed
//! by an authority that is believed, not be over, and be for the name in the address. Believed is who stands in `sslrootcert`
//! (PEM), and nobody else then; without it the system's authorities. `sslcert` and `sslkey` (PEM) are shown to a server that
//! wants to know us.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::driver::OpenError;

/// How long a new connection may take, in all.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection whose peer acknowledges nothing for so long is given up.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an idle connection is left alone before TCP asks whether the peer is there.
const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// PostgreSQL's own port.
const DEFAULT_PORT: u16 = 5432;

/// How to come to a server.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// How long a server that cannot be reached is waited for at the start.
    pub wait: Duration,
    /// A server on another machine is spoken to over TLS only: production.
    pub tls_required: bool,
    /// Hosts that may be spoken to without it all the same: the operator says so.
    pub without_tls: Vec<String>,
}

/// A server's address, read and checked.
#[derive(Clone)]
pub(super) struct Address {
    /// For the pools: any of the hosts that takes writes.
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

/// What the address says about TLS; taken out of it, since the client library knows a part of it only.
#[derive(Debug, Default)]
struct Tls {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

fn refused(text: impl Into<String>) -> OpenError {
    OpenError::Refused(text.into())
}

/// Whether a server could be connected to under this address: it can be read, and what it names for TLS is there.
///
/// # Errors
/// [`OpenError::Refused`] with a sentence; never with the address itself, which may hold a password.
pub fn check_address(url: &str, options: &ConnectOptions) -> Result<(), OpenError> {
    Address::read(url, options).map(|_| ())
}

/// Whether the address, in any of its forms, holds a password; of one that cannot be read, whether it looks so.
pub fn has_password(url: &str) -> bool {
    let read = Tls::take_from(url).ok().and_then(|(url, _)| url.parse::<Config>().ok());
    match read {
        Some(config) => config.get_password().is_some(),
        None => {
            let before_host = url.rsplit_once('@').map_or("", |(before, _)| before);
            let after_scheme = before_host.split_once("://").map_or(before_host, |(_, rest)| rest);
            after_scheme.contains(':') || url.to_ascii_lowercase().contains("password")
        }
    }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`OpenError::Refused`] with a sentence; never with the address itself, which may hold a password.
    pub(super) fn read(url: &str, options: &ConnectOptions) -> Result<Self, OpenError> {
        let (url, tls) = Tls::take_from(url)?;
        let mut config: Config =
            url.parse().map_err(|_| refused("the address of the database is not of the form postgres://user@host/database"))?;
        // The password has one that is not escaped, and what is taken for the host has a part of it.
        let of_hosts = config.get_hosts().iter().filter_map(|host| if let Host::Tcp(name) = host { Some(&**name) } else { None });
        if of_hosts.chain(config.get_dbname()).any(|name| name.contains('@')) {
            return Err(refused("the address of the database has an `@` too many: one in the password is written as %40"));
        }
        config.application_name("mozarto");
        config.connect_timeout(CONNECT_TIMEOUT);
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
        config.keepalives_idle(TCP_KEEPALIVE_IDLE);
        // Of several hosts the one that takes writes; a standby is never read from either.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let mode = tls.mode(&config, options)?;
        config.ssl_mode(mode);
        let client = if mode == SslMode::Disable { nobody_believed()? } else { tls.client()? };
        Ok(Self { config, tls: MakeRustlsConnect::new(client) })
    }

    /// Each host by itself, with its name for sentences, and without asking whether it takes writes: that is asked, and told, by
    /// us.
    pub(super) fn hosts(&self) -> Vec<(String, Config)> {
        let ports = self.config.get_ports();
        let addresses = self.config.get_hostaddrs();
        let hosts = self.config.get_hosts();
        let count = hosts.len().max(addresses.len());
        let one = |index: usize| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
            let mut config = Config::new();
            let mut name = String::new();
            match hosts.get(index) {
                Some(Host::Tcp(host)) => {
                    config.host(host);
                    name = format!("{host}:{port}");
                }
                #[cfg(unix)]
                Some(Host::Unix(path)) => {
                    config.host_path(path);
                    name = format!("{}:{port}", path.display());
                }
                None => {}
            }
            if let Some(address) = addresses.get(index) {
                config.hostaddr(*address);
                name = if name.is_empty() { format!("{address}:{port}") } else { name };
            }
            config.port(port);
            self.copy_rest(&mut config);
            (name, config)
        };
        (0..count).map(one).collect()
    }

    fn copy_rest(&self, to: &mut Config) {
        let from = &self.config;
        if let Some(user) = from.get_user() {
            to.user(user);
        }
        if let Some(password) = from.get_password() {
            to.password(password);
        }
        if let Some(database) = from.get_dbname() {
            to.dbname(database);
        }
        if let Some(options) = from.get_options() {
            to.options(options);
        }
        to.application_name("mozarto");
        to.connect_timeout(CONNECT_TIMEOUT);
        to.tcp_user_timeout(TCP_USER_TIMEOUT);
        to.keepalives_idle(TCP_KEEPALIVE_IDLE);
        to.ssl_mode(from.get_ssl_mode());
        to.ssl_negotiation(from.get_ssl_negotiation());
        to.channel_binding(from.get_channel_binding());
    }
}

impl Tls {
    /// The address without what is ours to read, and that.
    fn take_from(url: &str) -> Result<(String, Self), OpenError> {
        let mut tls = Self::default();
        let Some((address, query)) = url.split_once('?') else { return Ok((url.to_owned(), tls)) };
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match name {
                "sslmode" => &mut tls.mode,
                "sslrootcert" => &mut tls.root,
                "sslcert" => &mut tls.certificate,
                "sslkey" => &mut tls.key,
                _ => {
                    rest.push(pair);
                    continue;
                }
            };
            *place =
                Some(decoded(value).ok_or_else(|| refused(format!("{name} in the address of the database is not readable")))?);
        }
        let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
        Ok((format!("{address}{query}"), tls))
    }

    fn mode(&self, config: &Config, options: &ConnectOptions) -> Result<SslMode, OpenError> {
        let remote = remote_hosts(config);
        let unnamed: Vec<&String> = remote.iter().filter(|host| !options.without_tls.contains(host)).collect();
        let mode = match self.mode.as_deref() {
            Some("disable") => SslMode::Disable,
            Some("prefer") => SslMode::Prefer,
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(_) => return Err(refused("sslmode in the address of the database is disable, prefer, require or verify-full")),
            None if remote.is_empty() => SslMode::Disable,
            None if unnamed.is_empty() => SslMode::Prefer,
            None if options.tls_required => SslMode::Require,
            None => SslMode::Prefer,
        };
        if mode == SslMode::Require {
            return Ok(mode);
        }
        match unnamed.first() {
            Some(host) if options.tls_required => Err(refused(format!(
                "the database server {host} is on another machine, and without TLS everything would be readable on the way: take sslmode out of the \
                 address or set it to require (sslrootcert=FILE names a private authority); if the way is protected otherwise, name the host in \
                 `database_without_tls`"
            ))),
            _ => Ok(mode),
        }
    }

    fn client(&self) -> Result<ClientConfig, OpenError> {
        let mut roots = RootCertStore::empty();
        match &self.root {
            Some(path) if path != "system" => {
                for certificate in certificates("sslrootcert", path)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| refused(format!("sslrootcert {path}: {error}")))?;
                }
            }
            _ => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let builder = builder()?.with_root_certificates(roots);
        match (&self.certificate, &self.key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => {
                let chain = certificates("sslcert", certificate)?;
                let key_read = PrivateKeyDer::from_pem_file(key).map_err(|error| refused(format!("sslkey {key}: {error}")))?;
                let client = builder.with_client_auth_cert(chain, key_read);
                client.map_err(|error| refused(format!("sslcert {certificate} and sslkey {key}: {error}")))
            }
            _ => Err(refused("sslcert and sslkey go together: the address of the database has one of them")),
        }
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, OpenError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))
}

/// For a way without TLS: the connector is there, and never used.
fn nobody_believed() -> Result<ClientConfig, OpenError> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn certificates(name: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| refused(format!("{name} {path}: {error}")))?;
    if found.is_empty() {
        return Err(refused(format!("{name} {path}: there is no certificate in it")));
    }
    Ok(found)
}

/// The hosts that are not this machine.
fn remote_hosts(config: &Config) -> Vec<String> {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().filter(|address| !address.is_loopback()).map(ToString::to_string).collect();
    }
    let remote = |host: &Host| match host {
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            let local = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
            (!local).then(|| name.clone())
        }
        #[cfg(unix)]
        Host::Unix(_) => None,
    };
    config.get_hosts().iter().filter_map(remote).collect()
}

/// Percent-decoding of a value.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => u8::from_str_radix(std::str::from_utf8(&[rest.next()?, rest.next()?]).ok()?, 16).ok()?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str, options: &ConnectOptions) -> Result<SslMode, String> {
        Address::read(url, options).map(|address| address.config.get_ssl_mode()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_way_to_another_machine_is_protected_in_production() {
        let sandbox = ConnectOptions::default();
        let production = ConnectOptions { tls_required: true, ..ConnectOptions::default() };
        let named = ConnectOptions { without_tls: vec!["db.example".to_owned()], ..production.clone() };
        for (url, at, expected) in [
            ("postgres://u@127.0.0.1/d", &production, Ok(SslMode::Disable)),
            ("postgres://u@localhost/d", &production, Ok(SslMode::Disable)),
            ("postgres://u@[::1]/d", &production, Ok(SslMode::Disable)),
            ("postgres://u@%2Frun%2Fpostgresql/d", &production, Ok(SslMode::Disable)),
            ("postgres://u@db.example/d", &sandbox, Ok(SslMode::Prefer)),
            ("postgres://u@db.example/d", &production, Ok(SslMode::Require)),
            ("postgres://u@db.example/d?sslmode=verify-full", &production, Ok(SslMode::Require)),
            ("postgres://u@db.example/d?sslmode=disable", &sandbox, Ok(SslMode::Disable)),
            ("postgres://u@db.example/d?sslmode=disable", &named, Ok(SslMode::Disable)),
            ("postgres://u@db.example/d", &named, Ok(SslMode::Prefer)),
            ("postgres://u@db.example/d?sslmode=disable", &production, Err("database_without_tls")),
            ("postgres://u@db.example/d?sslmode=prefer", &production, Err("database_without_tls")),
            ("postgres://u@127.0.0.1,db2.example/d?sslmode=prefer", &named, Err("db2.example")),
            ("postgres://u@127.0.0.1/d?hostaddr=10.0.0.7&sslmode=disable", &production, Err("10.0.0.7")),
            ("postgres://u@db.example/d?sslmode=allow", &sandbox, Err("sslmode")),
            ("postgres://u@db.example/d?sslmode=require&sslcert=%2Fx", &sandbox, Err("sslkey")),
            ("postgres://u@db.example/d?sslmode=require&sslrootcert=/nowhere/ca.pem", &sandbox, Err("/nowhere/ca.pem")),
        ] {
            match (mode(url, at), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{url}"),
                (Err(said), Err(word)) => assert!(said.contains(word) && !said.contains("u@"), "{url}: {said}"),
                (found, expected) => panic!("{url}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn hosts_are_named_one_by_one() {
        let address =
            Address::read("postgres://u:secret@a.example:1,b.example:2/d?sslmode=require", &ConnectOptions::default()).unwrap();
        let names: Vec<_> = address.hosts().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.example:1", "b.example:2"]);
    }
}
