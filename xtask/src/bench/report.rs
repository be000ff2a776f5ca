//! A table for people, JSON for machines.

use super::load::{Figures, count};
use serde_json::{Value, json};

/// One store, bare or settling.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) store: &'static str,
    pub(crate) settle: bool,
    pub(crate) provider_alone: Figures,
    pub(crate) platform_open: Figures,
    pub(crate) platform_closed: Figures,
    pub(crate) floor_open: Figures,
    pub(crate) floor_closed: Figures,
    pub(crate) accepted: u64,
    pub(crate) rss_kib: Option<u64>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    cases: Vec<Case>,
}

fn milliseconds(us: u64) -> f64 {
    count(us) / 1_000.0
}

impl Case {
    fn name(&self) -> String {
        format!("{}{}", self.store, if self.settle { ", auto-settle and webhooks" } else { ", bare" })
    }

    /// Pay-ins per second over the floor's.
    fn ratio(&self) -> f64 {
        self.platform_closed.per_second / self.floor_closed.per_second
    }

    /// Platform less provider, at a percentile (0: p50, 2: p99), milliseconds.
    fn added_ms(&self, index: usize) -> f64 {
        milliseconds(self.platform_open.latency_us[index].saturating_sub(self.provider_alone.latency_us[index]))
    }
}

impl Report {
    pub(crate) fn new(machine: Value) -> Self {
        Self { machine, cases: Vec::new() }
    }

    pub(crate) fn add(&mut self, case: Case) {
        eprintln!("measured: {}", case.name());
        self.cases.push(case);
    }

    /// The raw figures.
    pub(crate) fn json(&self) -> Value {
        let figures = |f: &Figures| {
            json!({"answers": f.answers, "others": f.others, "perSecond": f.per_second, "latencyUs": {"p50": f.latency_us[0], "p90": f.latency_us[1],
                "p99": f.latency_us[2], "p999": f.latency_us[3], "max": f.latency_us[4]}})
        };
        let cases: Vec<Value> = self
            .cases
            .iter()
            .map(|case| {
                json!({
                    "case": case.name(), "ratio": case.ratio(), "addedMs": {"p50": case.added_ms(0), "p99": case.added_ms(2)},
                    "accepted": case.accepted, "rssKib": case.rss_kib,
                    "providerAlone": figures(&case.provider_alone), "platformOpenLoop": figures(&case.platform_open),
                    "platformClosedLoop": figures(&case.platform_closed), "floorOpenLoop": figures(&case.floor_open),
                    "floorClosedLoop": figures(&case.floor_closed),
                })
            })
            .collect();
        json!({"machine": self.machine, "cases": cases})
    }

    /// Both forms, on standard output.
    pub(crate) fn print(&self) {
        println!("{}", self.json());
        println!();
        println!("| case | pay-ins/s | floor/s | ratio | added p50 ms | added p99 ms | floor p50/p99 ms | not 200 | RSS MiB |");
        println!("|---|---|---|---|---|---|---|---|---|");
        for case in &self.cases {
            println!(
                "| {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} / {:.2} | {} | {} |",
                case.name(),
                case.platform_closed.per_second,
                case.floor_closed.per_second,
                case.ratio(),
                case.added_ms(0),
                case.added_ms(2),
                milliseconds(case.floor_open.latency_us[0]),
                milliseconds(case.floor_open.latency_us[2]),
                case.platform_closed.others + case.platform_open.others,
                case.rss_kib.map_or_else(|| "-".to_owned(), |kib| (kib / 1024).to_string()),
            );
        }
    }
}
