//! `bench overload`: more than can be done. Closed loop first, for the peak; then an open loop at three times that rate. Nothing
//! that was accepted may be lost, what is refused says when to come back, and the work that is due goes on.

use super::load::{self, count};
use super::run::{account_for, drained};
use super::stage::{Beside, Side, Stage, Store};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The closed loop's part of the whole length.
const CLOSED_PART: u32 = 3;

/// Runs it over one store.
pub(crate) async fn measure(beside: &Beside, side: &Side, store: Store, connections: usize, length: Duration) -> Result<Value> {
    let mut stage = Stage::start(beside, side, store, true).await?;
    load::warm_up(&stage.pay, connections).await?;
    drained(&stage).await?;

    let (began, before) = (Instant::now(), stage.pay.accepted());
    load::closed_loop(&stage.pay, connections, length / CLOSED_PART).await?;
    let closed_took = began.elapsed();
    let closed_drain = drained(&stage).await?;
    let peak = count(stage.pay.accepted() - before) / (closed_took + closed_drain).as_secs_f64();

    let rate = 3 * peak_rate(peak);
    let (accepted, received, refused) = (stage.pay.accepted(), stage.received().await?, stage.pay.refused());
    let began = Instant::now();
    let mut seen = Vec::new();
    let open = async { load::open_loop(&stage.pay, rate, length).await };
    let watch = async {
        // Ends with the load: `select` drops it.
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Ok(now) = stage.received().await {
                seen.push((began.elapsed(), now));
            }
        }
    };
    let figures = tokio::select! {
        figures = open => figures?,
        () = watch => unreachable!("it never ends"),
    };
    let took = began.elapsed();
    let told = stage.received().await? - received;
    let taken = stage.pay.accepted() - accepted;
    let drain = drained(&stage).await;
    let refused_now = stage.pay.refused();
    let (says_when, bare) = (refused_now.0 - refused.0, refused_now.1 - refused.1);
    let goodput = count(told) / took.as_secs_f64();
    let seconds: Vec<u64> = seen.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    let accounted = match &drain {
        Ok(_) => account_for(&stage, true).await.err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let rss_kib = super::machine::rss_kib(stage.process_id());
    stage.stop().await?;
    Ok(json!({
        "store": store.name(), "peakPerSecond": peak.round(), "closedDrainMs": closed_drain.as_millis(), "openRate": rate,
        "seconds": took.as_secs_f64(), "acceptedPerSecond": (count(taken) / took.as_secs_f64()).round(),
        "goodputPerSecond": goodput.round(), "goodputOfPeak": (goodput / peak * 100.0).round() / 100.0,
        "refusedWithRetryAfter": says_when, "refusedWithout": bare,
        "otherAnswers": figures.others.saturating_sub(says_when + bare),
        "latencyMs": {"p50": count(figures.latency_us[0]) / 1e3, "p99": count(figures.latency_us[2]) / 1e3},
        "drainMs": drain.as_ref().map(Duration::as_millis).ok(), "lost": accounted, "rssKib": rss_kib, "toldEachSecond": seconds,
    }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of requests")]
fn peak_rate(peak: f64) -> u64 {
    peak.max(1.0) as u64
}

/// The table.
pub(crate) fn print(results: &[Value]) {
    println!(
        "| store | peak/s | offered/s | accepted/s | told/s (goodput) | of the peak | 429/503 with Retry-After | without | other | p50 / p99 ms | drain s | lost | RSS MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for r in results {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} / {} | {} | {} | {} |",
            r["store"].as_str().unwrap_or_default(),
            r["peakPerSecond"],
            r["openRate"],
            r["acceptedPerSecond"],
            r["goodputPerSecond"],
            r["goodputOfPeak"],
            r["refusedWithRetryAfter"],
            r["refusedWithout"],
            r["otherAnswers"],
            r["latencyMs"]["p50"],
            r["latencyMs"]["p99"],
            r["drainMs"].as_f64().map_or_else(|| "over 60".into(), |ms| format!("{:.1}", ms / 1e3)),
            r["lost"].as_str().unwrap_or("nothing"),
            r["rssKib"].as_u64().unwrap_or_default() / 1024
        );
    }
}
