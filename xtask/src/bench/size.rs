//! `bench size`: the room on disk that settled payments take, each with an idempotency key and a webhook that was delivered.

use super::load::{self, Target, count};
use super::run::{account_for, drained};
use super::stage::{Beside, Side, Stage, Store};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// Between two looks at how many there are.
const STEP: Duration = Duration::from_secs(2);
/// Paid before anything is measured: what the stores reserve ahead is there then.
const FIRST: u64 = 1_000;
const OF_SQLITE: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
const OF_POSTGRES: &str = "SELECT pg_database_size(current_database())";
/// Tables with their indexes, the largest first.
const TABLES: &str = "SELECT relname::text, pg_total_relation_size(oid), pg_indexes_size(oid) FROM pg_class \
                      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 8";

/// Runs it over one store.
pub(crate) async fn measure(beside: &Beside, side: &Side, store: Store, connections: usize, transactions: u64) -> Result<Value> {
    let mut stage = Stage::start(beside, side, store, true).await?;
    stage.pay = Target::platform_with_keys(stage.client.as_ref().context("a platform")?)?;
    pay_until(&stage, connections, FIRST).await?;
    let (begun, before) = (stage.pay.accepted(), on_disk(&stage, store).await?);
    pay_until(&stage, connections, begun + transactions).await?;
    let (paid, after) = (stage.pay.accepted() - begun, on_disk(&stage, store).await?);
    let grown = after.saturating_sub(before);
    let tables = tables(&stage, paid).await?;
    stage.stop().await?;
    Ok(json!({
        "store": store.name(), "transactions": paid, "grownMb": grown / 1_000_000, "bytesEach": grown / i64::try_from(paid.max(1))?,
        "mbPer100000": (count(grown.unsigned_abs()) / count(paid.max(1)) / 10.0).round(), "tables": tables,
    }))
}

/// Pays until so many were accepted and told; everything is stored then.
async fn pay_until(stage: &Stage, connections: usize, accepted: u64) -> Result<()> {
    while stage.pay.accepted() < accepted {
        load::closed_loop(&stage.pay, connections, STEP).await?;
        drained(stage).await?;
    }
    account_for(stage, true).await
}

/// The store's own size, bytes; what is still in a log before it is in the store besides is a matter of the moment, and not
/// counted.
async fn on_disk(stage: &Stage, store: Store) -> Result<i64> {
    stage.ask_store(if store.is_postgres() { OF_POSTGRES } else { OF_SQLITE }).await
}

/// Where the room goes, bytes for each payment: whole, and of it the indexes.
async fn tables(stage: &Stage, paid: u64) -> Result<Value> {
    let Some(client) = stage.connect().await? else { return Ok(Value::Null) };
    let each = |size: i64| size / i64::try_from(paid.max(1)).unwrap_or(i64::MAX);
    let rows = client.query(TABLES, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| json!({"table": row.get::<_, String>(0), "each": each(row.get(1)), "indexes": each(row.get(2))}))
        .collect())
}

/// The table.
pub(crate) fn print(results: &[Value]) {
    println!("| store | settled | grown MB | bytes each | MB per 100,000 |");
    println!("|---|---|---|---|---|");
    for r in results {
        println!(
            "| {} | {} | {} | {} | {} |",
            r["store"].as_str().unwrap_or_default(),
            r["transactions"],
            r["grownMb"],
            r["bytesEach"],
            r["mbPer100000"]
        );
    }
}
