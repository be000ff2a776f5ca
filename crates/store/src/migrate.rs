//! Numbered SQL per engine, compiled in, each applied once in one transaction and held to its checksum.

use crate::driver::{Dialect, QueryError, Row, sql};
use std::borrow::Cow;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number: 1, 2, 3, ... without gaps.
    pub version: i64,
    /// What it is about, as in its file name.
    pub name: &'static str,
    /// The SQL text.
    pub sql: &'static str,
    /// It is written once for both engines, as SQLite reads it: see [`Migration::for_postgres`].
    pub one_text: bool,
}

macro_rules! migrations {
    ($engine:literal: $(($version:literal, $name:literal, $file:literal)),* $(,)?) => {
        &[
            $(Migration {
                version: $version,
                name: $name,
                sql: include_str!(concat!("../migrations/", $engine, "/", $file)),
                one_text: false,
            },)*
            Migration {
                version: 10,
                name: "attempts",
                sql: include_str!("../migrations/both/0010_attempts.sql"),
                one_text: true,
            },
        ]
    };
}

static SQLITE: &[Migration] = migrations!("sqlite":
        (1, "foundation", "0001_foundation.sql"),
        (2, "page tokens", "0002_page_tokens.sql"),
        (3, "inbox", "0003_inbox.sql"),
        (4, "store", "0004_store.sql"),
        (5, "speed", "0005_speed.sql"),
        (6, "refunds", "0006_refunds.sql"),
        (7, "credentials", "0007_credentials.sql"),
        (8, "due work", "0008_due_work.sql"),
        (9, "holds", "0009_holds.sql"));
static POSTGRES: &[Migration] = migrations!("postgres":
        (1, "foundation", "0001_foundation.sql"),
        (2, "page tokens", "0002_page_tokens.sql"),
        (3, "inbox", "0003_inbox.sql"),
        (4, "store", "0004_store.sql"),
        (5, "speed", "0005_speed.sql"),
        (6, "refunds", "0006_refunds.sql"),
        (7, "credentials", "0007_credentials.sql"),
        (8, "due work", "0008_due_work.sql"),
        (9, "holds", "0009_holds.sql"));

/// The schema of this version of the program for the engine.
pub fn migrations(dialect: Dialect) -> &'static [Migration] {
    match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    }
}

/// A migration as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// Its name when it was applied.
    pub name: String,
    /// SHA-256 of its text when it was applied, lower-case hexadecimal.
    pub checksum: String,
    /// When it was applied, in milliseconds since 1970 UTC.
    pub applied_at_ms: i64,
}

/// How a migration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationStatus {
    /// In the database, with the same text.
    Applied(AppliedMigration),
    /// Not in the database yet.
    Pending {
        /// Its number.
        version: i64,
        /// Its name.
        name: &'static str,
    },
    /// In the database with another text: somebody edited the file, or this is another program's database.
    Changed(AppliedMigration),
    /// In the database, but not in this version of the program.
    Unknown(AppliedMigration),
}

/// Why the schema could not be brought up to date.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MigrationError {
    /// The text of an applied migration is not the one that was applied.
    #[error(
        "migration {version} ({name}) was applied with checksum {applied}, but this program has {ours}: \
         an applied migration must never be edited; use the program that made this database, or write a new migration"
    )]
    Changed {
        /// Its number.
        version: i64,
        /// Its name in this program.
        name: &'static str,
        /// The checksum in the database.
        applied: String,
        /// The checksum of the text in this program.
        ours: String,
    },
    /// A migration is missing although a later one is applied.
    #[error("migration {version} ({name}) is missing although a later one is applied")]
    OutOfOrder {
        /// Its number.
        version: i64,
        /// Its name.
        name: &'static str,
    },
    /// Its SQL failed; nothing of it is kept.
    #[error("migration {version} ({name}) failed and was rolled back: {reason}")]
    Failed {
        /// Its number.
        version: i64,
        /// Its name.
        name: &'static str,
        /// The database's own words.
        reason: String,
    },
    /// A newer program has migrated the database: what it changed, this one does not know.
    #[error(
        "the database is newer than this program: it has migration {version} ({name}), and this program knows none after {known}; \
         start the program that migrated it, or a newer one"
    )]
    Newer {
        /// The newest number in the database.
        version: i64,
        /// Its name there.
        name: String,
        /// The newest number of this program.
        known: i64,
    },
    /// The database could not be reached or could not write.
    #[error("database unavailable: {0}")]
    Unavailable(String),
}

impl From<QueryError> for MigrationError {
    fn from(error: QueryError) -> Self {
        MigrationError::Unavailable(match error {
            QueryError::Unavailable(why) => why,
            other => other.to_string(),
        })
    }
}

/// The table that remembers.
pub(crate) const CREATE_TABLE_SQLITE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (\
     version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT";
pub(crate) const CREATE_TABLE_POSTGRES: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (\
     version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)";
pub(crate) const SELECT_APPLIED: &str = "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version";
pub(crate) const INSERT_APPLIED: &str =
    "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)";

impl Migration {
    /// The text as PostgreSQL reads it.
    pub(crate) fn for_postgres(&self) -> Cow<'static, str> {
        if self.one_text { sql::schema_to_postgres(self.sql).into() } else { self.sql.into() }
    }

    /// SHA-256 of the text, lower-case hexadecimal. Line ends count as `\n`, so that a checkout on Windows agrees.
    pub fn checksum(&self) -> String {
        let text = self.sql.replace("\r\n", "\n");
        hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
    }
}

impl AppliedMigration {
    pub(crate) fn now(migration: &Migration) -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        AppliedMigration {
            version: migration.version,
            name: migration.name.to_owned(),
            checksum: migration.checksum(),
            applied_at_ms: since_epoch.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0)),
        }
    }

    pub(crate) fn from_row(row: &Row) -> Result<Self, QueryError> {
        Ok(AppliedMigration { version: row.int(0)?, name: row.text(1)?, checksum: row.text(2)?, applied_at_ms: row.int(3)? })
    }
}

/// Compares the list with what the database remembers.
pub(crate) fn status(list: &[Migration], applied: &[AppliedMigration]) -> Vec<MigrationStatus> {
    let mut out: Vec<(i64, MigrationStatus)> = Vec::with_capacity(list.len());
    for migration in list {
        let standing = match applied.iter().find(|a| a.version == migration.version) {
            None => MigrationStatus::Pending { version: migration.version, name: migration.name },
            Some(a) if a.checksum == migration.checksum() => MigrationStatus::Applied(a.clone()),
            Some(a) => MigrationStatus::Changed(a.clone()),
        };
        out.push((migration.version, standing));
    }
    for a in applied.iter().filter(|a| !list.iter().any(|m| m.version == a.version)) {
        out.push((a.version, MigrationStatus::Unknown(a.clone())));
    }
    out.sort_by_key(|(version, _)| *version);
    out.into_iter().map(|(_, standing)| standing).collect()
}

/// The migrations that are to be applied, in order, or why none may be.
pub(crate) fn pending(
    list: &'static [Migration],
    applied: &[AppliedMigration],
) -> Result<Vec<&'static Migration>, MigrationError> {
    refuse_newer(list, applied)?;
    let newest_known = applied.iter().filter(|a| list.iter().any(|m| m.version == a.version)).map(|a| a.version).max();
    let mut missing = Vec::new();
    for migration in list {
        match applied.iter().find(|a| a.version == migration.version) {
            Some(a) if a.checksum != migration.checksum() => {
                return Err(MigrationError::Changed {
                    version: migration.version,
                    name: migration.name,
                    applied: a.checksum.clone(),
                    ours: migration.checksum(),
                });
            }
            Some(_) => {}
            None if newest_known.is_some_and(|newest| newest > migration.version) => {
                return Err(MigrationError::OutOfOrder { version: migration.version, name: migration.name });
            }
            None => missing.push(migration),
        }
    }
    Ok(missing)
}

/// # Errors
/// [`MigrationError::Newer`] when the database has a migration that the list does not know.
fn refuse_newer(list: &[Migration], applied: &[AppliedMigration]) -> Result<(), MigrationError> {
    let unknown = |a: &&AppliedMigration| !list.iter().any(|m| m.version == a.version);
    match applied.iter().filter(unknown).max_by_key(|a| a.version) {
        None => Ok(()),
        Some(newer) => Err(MigrationError::Newer {
            version: newer.version,
            name: newer.name.clone(),
            known: list.iter().map(|m| m.version).max().unwrap_or_default(),
        }),
    }
}
