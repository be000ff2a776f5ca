//! One measured run of one side: closed loop, then until the last webhook is out; every accepted pay-in is accounted for.

use super::counts::Counters;
use super::load::{self, Figures, count};
use super::machine;
use super::stage::{Beside, Side, Stage, Store};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Webhooks must be out this long after the load has ended.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// PostgreSQL's counters are complete after so long without work.
const COUNTERS_LAG: Duration = Duration::from_millis(1_500);

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) store: Store,
    pub(crate) settle: bool,
    pub(crate) connections: usize,
    pub(crate) length: Duration,
    /// Also the latencies of an open loop at so many per second, before the closed one.
    pub(crate) open_rate: Option<u64>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Pay-ins per second: accepted ones, or with webhooks those that were settled and told, the drain's time counted.
    pub(crate) per_second: f64,
    pub(crate) accepted_per_second: f64,
    pub(crate) closed: Figures,
    pub(crate) open: Option<Figures>,
    pub(crate) provider_alone: Option<Figures>,
    pub(crate) drain: Duration,
    pub(crate) cpu_ms_each: f64,
    pub(crate) rss_kib: Option<u64>,
    pub(crate) each: Value,
}

impl Outcome {
    pub(crate) fn json(&self) -> Value {
        let figures = |f: &Figures| {
            json!({"answers": f.answers, "others": f.others, "perSecond": f.per_second, "latencyUs": {"p50": f.latency_us[0],
                "p90": f.latency_us[1], "p99": f.latency_us[2], "p999": f.latency_us[3], "max": f.latency_us[4]}})
        };
        json!({
            "perSecond": self.per_second, "acceptedPerSecond": self.accepted_per_second, "drainMs": self.drain.as_millis(),
            "cpuMsEach": self.cpu_ms_each, "rssKib": self.rss_kib, "each": self.each, "closedLoop": figures(&self.closed),
            "openLoop": self.open.as_ref().map(figures), "providerAlone": self.provider_alone.as_ref().map(figures),
        })
    }
}

/// Runs it.
pub(crate) async fn measure(beside: &Beside, side: &Side, plan: Plan) -> Result<Outcome> {
    let mut stage = Stage::start(beside, side, plan.store, plan.settle).await?;
    load::warm_up(&stage.pay, plan.connections).await?;
    if plan.settle {
        drained(&stage).await?;
    }
    if plan.store == (Store::Postgres { analyzed: true }) {
        stage.connect().await?.context("a database")?.batch_execute("ANALYZE").await?;
    }
    let (mut open, mut provider_alone) = (None, None);
    if let Some(rate) = plan.open_rate {
        provider_alone = Some(load::open_loop(&stage.simulator(), rate, plan.length).await?);
        open = Some(load::open_loop(&stage.pay, rate, plan.length).await?);
        if plan.settle {
            drained(&stage).await?;
        }
    }
    if plan.store.is_postgres() {
        tokio::time::sleep(COUNTERS_LAG).await;
    }
    let (counters, cpu, before) = (Counters::read(&stage).await?, stage.cpu(), stage.pay.accepted());
    let began = Instant::now();
    let closed = load::closed_loop(&stage.pay, plan.connections, plan.length).await?;
    let load_took = began.elapsed();
    let mut took = load_took;
    if plan.settle {
        drained(&stage).await?;
        took = began.elapsed();
    }
    let accepted = stage.pay.accepted() - before;
    let cpu = stage.cpu().saturating_sub(cpu);
    if plan.store.is_postgres() {
        tokio::time::sleep(COUNTERS_LAG).await;
    }
    let each = Counters::read(&stage).await?.per_payment(&counters, accepted);
    let rss_kib = machine::rss_kib(stage.process_id());
    if let Side::Platform(_) = side {
        account_for(&stage, plan.settle).await?;
    }
    stage.stop().await?;
    Ok(Outcome {
        per_second: count(accepted) / took.as_secs_f64(),
        accepted_per_second: count(accepted) / load_took.as_secs_f64(),
        closed,
        open,
        provider_alone,
        drain: took.saturating_sub(load_took),
        cpu_ms_each: cpu.as_secs_f64() * 1_000.0 / count(accepted.max(1)),
        rss_kib,
        each,
    })
}

/// Waits until the sink has a webhook of everything that was accepted; answers how long that took.
pub(crate) async fn drained(stage: &Stage) -> Result<Duration> {
    let began = Instant::now();
    let accepted = stage.pay.accepted();
    loop {
        let received = stage.received().await?;
        if received >= accepted {
            return Ok(began.elapsed());
        }
        ensure!(
            began.elapsed() < DRAIN_LIMIT,
            "{accepted} pay-ins were accepted, but the sink has only {received} webhooks {DRAIN_LIMIT:?} after the load"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every accepted pay-in must be stored, once; with webhooks each must be told.
pub(crate) async fn account_for(stage: &Stage, settle: bool) -> Result<()> {
    let accepted = i64::try_from(stage.pay.accepted())?;
    let rows = stage.ask_store("SELECT COUNT(*) FROM transactions WHERE status <> 'Failed'").await?;
    ensure!(rows == accepted, "{accepted} pay-ins were accepted, {rows} are stored");
    if settle {
        let told = "SELECT COUNT(DISTINCT transaction_id) FROM deliveries WHERE state = 'delivered'";
        let began = Instant::now();
        // The sink has it a moment before the store says so.
        while stage.ask_store(told).await? != accepted {
            ensure!(began.elapsed() < Duration::from_secs(10), "not every accepted pay-in has a delivery that is delivered");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}
