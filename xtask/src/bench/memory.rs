//! `bench memory`: how large the platform is after so many pay-ins, over so many connections, and how soon it starts with them
//! stored.

use super::load::{self, count};
use super::machine;
use super::stage::{Beside, Side, Stage, Store};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What it shall reach, and when it gives up: then the figures are those of what it has reached, and say so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) transactions: u64,
    pub(crate) limit: Option<Duration>,
}

/// Between two looks.
const STEP: Duration = Duration::from_secs(10);

/// Runs it over one store.
pub(crate) async fn measure(beside: &Beside, side: &Side, store: Store, connections: usize, goal: Goal) -> Result<Value> {
    let mut stage = Stage::start(beside, side, store, false).await?;
    let began = Instant::now();
    let mut largest_kib = 0;
    let mut rates = Vec::new();
    while stage.pay.accepted() < goal.transactions && goal.limit.is_none_or(|limit| began.elapsed() < limit) {
        rates.push(load::closed_loop(&stage.pay, connections, STEP).await?.per_second.round());
        largest_kib = largest_kib.max(machine::rss_kib(stage.process_id()).unwrap_or_default());
    }
    let took = began.elapsed();
    let accepted = stage.pay.accepted();
    let ready = stage.restart(async |_| Ok(())).await?;
    stage.stop().await?;
    Ok(json!({
        "store": store.name(), "transactions": accepted, "rssMib": largest_kib / 1024, "seconds": took.as_secs(),
        "perSecond": (count(accepted) / took.as_secs_f64()).round(), "firstPerSecond": rates.first(), "lastPerSecond": rates.last(),
        "readyMs": ready.as_millis(), "reached": accepted >= goal.transactions,
    }))
}

/// The table.
pub(crate) fn print(results: &[Value]) {
    println!(
        "| store | pay-ins | RSS MiB | seconds | pay-ins/s, at first, at last | ready after a restart, ms | all that were wanted |"
    );
    println!("|---|---|---|---|---|---|---|");
    for r in results {
        println!(
            "| {} | {} | {} | {} | {}, {}, {} | {} | {} |",
            r["store"].as_str().unwrap_or_default(),
            r["transactions"],
            r["rssMib"],
            r["seconds"],
            r["perSecond"],
            r["firstPerSecond"],
            r["lastPerSecond"],
            r["readyMs"],
            if r["reached"] == true { "yes" } else { "no, the time was up" }
        );
    }
}
