//! What a pay-in costs the store, told by the store: row versions, commits, statements, bytes.

use super::load::count;
use super::machine;
use super::stage::Stage;
use anyhow::Result;
use serde_json::{Value, json};

const POSTGRES: &str = "SELECT (SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables), \
     (SELECT COALESCE(sum(n_tup_hot_upd), 0)::bigint FROM pg_stat_user_tables), \
     (SELECT COALESCE(sum(n_tup_upd), 0)::bigint FROM pg_stat_user_tables), \
     (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), \
     (SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint), (SELECT wal_sync FROM pg_stat_wal)";
const STATEMENTS: &str = "SELECT COALESCE(sum(calls), 0)::bigint FROM pg_stat_statements s \
     JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database() \
     WHERE query !~* '^(begin|commit|rollback|set|show|start)' AND query !~ 'pg_stat'";

/// A reading of the store's counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    row_versions: Option<i64>,
    hot_updates: i64,
    updates: i64,
    commits: i64,
    syncs: i64,
    bytes: u64,
    statements: Option<i64>,
}

impl Counters {
    /// Of the store of that stage, now. PostgreSQL tells what its sessions did with a delay: ask when all is quiet.
    pub(crate) async fn read(stage: &Stage) -> Result<Self> {
        let Some(client) = stage.connect().await? else {
            return Ok(Self { bytes: machine::written(stage.process_id()).unwrap_or_default(), ..Self::default() });
        };
        let row = client.query_one(POSTGRES, &[]).await?;
        let statements = match client.query_one(STATEMENTS, &[]).await {
            Ok(row) => Some(row.get(0)),
            Err(_) => None,
        };
        Ok(Self {
            row_versions: Some(row.get(0)),
            hot_updates: row.get(1),
            updates: row.get(2),
            commits: row.get(3),
            bytes: u64::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
            syncs: row.get(5),
            statements,
        })
    }

    /// What so many pay-ins cost since `before`, each.
    pub(crate) fn per_payment(&self, before: &Self, payments: u64) -> Value {
        let each = |number: u64| (count(number) / count(payments.max(1)) * 100.0).round() / 100.0;
        let more = |now: i64, then: i64| each(u64::try_from(now - then).unwrap_or_default());
        let Some(rows) = self.row_versions else {
            return json!({"bytes": each(self.bytes - before.bytes)});
        };
        json!({
            "rowVersions": more(rows, before.row_versions.unwrap_or_default()),
            "updates": more(self.updates, before.updates), "hotUpdates": more(self.hot_updates, before.hot_updates),
            "commits": more(self.commits, before.commits), "walSyncs": more(self.syncs, before.syncs),
            "walBytes": each(self.bytes - before.bytes),
            "statements": self.statements.map(|now| more(now, before.statements.unwrap_or_default())),
        })
    }
}
