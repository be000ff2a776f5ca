//! Tables for people, JSON for machines, and the comparison with the figures of before.

use super::document::{self, DOCUMENT};
use super::load::count;
use super::run::Outcome;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

/// The line of the document that is for machines.
const MARK: &str = "<!-- bench floors: ";
/// The floor may be slower than the last time by this much, hundredths.
const FLOOR_MAY_FALL: f64 = 0.20;

/// The middle of some figures; the lower of two.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// One store, bare or settled: each side's runs, in turns.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) floor: Vec<Outcome>,
    pub(crate) platform: Vec<Outcome>,
    pub(crate) against: Vec<Outcome>,
}

fn milliseconds(us: u64) -> f64 {
    count(us) / 1_000.0
}

fn rates(runs: &[Outcome]) -> Vec<f64> {
    runs.iter().map(|run| run.per_second).collect()
}

fn paired(over: &[Outcome], under: &[Outcome]) -> Vec<f64> {
    over.iter().zip(under).map(|(over, under)| over.per_second / under.per_second).collect()
}

fn each(runs: &[Outcome], figure: &str) -> String {
    let figures: Vec<f64> = runs.iter().filter_map(|run| run.each[figure].as_f64()).collect();
    if figures.is_empty() { "-".to_owned() } else { format!("{:.1}", median(&figures)) }
}

impl Case {
    /// Platform over floor.
    pub(crate) fn ratio(&self) -> f64 {
        median(&paired(&self.platform, &self.floor))
    }

    pub(crate) fn json(&self) -> Value {
        let all = |runs: &[Outcome]| runs.iter().map(Outcome::json).collect::<Vec<_>>();
        json!({
            "case": self.name, "ratio": self.ratio(), "overAgainst": median(&paired(&self.platform, &self.against)),
            "platform": all(&self.platform), "floor": all(&self.floor), "against": all(&self.against),
        })
    }

    /// The lines of the table.
    fn lines(&self) -> Vec<String> {
        let line = |who: &str, runs: &[Outcome], ratio: &str| {
            let middle = |of: fn(&Outcome) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
            format!(
                "| {} | {who} | {:.0} | {ratio} | {:.2} | {:.1} / {:.1} | {} | {} | {} | {} | {:.1} | {} | {} |",
                self.name,
                median(&rates(runs)),
                middle(|run| run.cpu_ms_each),
                middle(|run| milliseconds(run.closed.latency_us[0])),
                middle(|run| milliseconds(run.closed.latency_us[2])),
                each(runs, "rowVersions"),
                each(runs, "commits"),
                each(runs, "statements"),
                if runs.iter().any(|run| run.each["walBytes"].is_number()) {
                    each(runs, "walBytes")
                } else {
                    each(runs, "bytes")
                },
                middle(|run| run.drain.as_secs_f64()),
                runs.iter().map(|run| run.closed.others).sum::<u64>(),
                runs.iter().filter_map(|run| run.rss_kib).max().map_or_else(|| "-".into(), |kib| (kib / 1024).to_string()),
            )
        };
        let list = |figures: Vec<f64>| figures.iter().map(|f| format!("{f:.2}")).collect::<Vec<_>>().join(" ");
        let mut lines = Vec::new();
        if !self.floor.is_empty() {
            lines.push(line("floor", &self.floor, "1"));
        }
        let ratio = if self.floor.is_empty() { "-".to_owned() } else { format!("**{:.2}** of the floor", self.ratio()) };
        lines.push(line("platform", &self.platform, &ratio));
        if !self.against.is_empty() {
            let over = format!("{:.2} platform over it", median(&paired(&self.platform, &self.against)));
            lines.push(line("against", &self.against, &over));
            lines.push(format!("| | paired, over against | {} |", list(paired(&self.platform, &self.against))));
        }
        if !self.floor.is_empty() {
            lines.push(format!("| | paired, over floor | {} |", list(paired(&self.platform, &self.floor))));
        }
        lines
    }

    /// Added latency of the open loop: the platform's less the provider's own.
    fn added(&self) -> Option<String> {
        let run = self.platform.iter().find(|run| run.open.is_some())?;
        let (open, alone) = (run.open.as_ref()?, run.provider_alone.as_ref()?);
        let added = |index: usize| milliseconds(open.latency_us[index].saturating_sub(alone.latency_us[index]));
        Some(format!(
            "{}: open loop, added p50 {:.2} ms, p99 {:.2} ms; {} of {} not 200",
            self.name,
            added(0),
            added(2),
            open.others,
            open.answers
        ))
    }
}

/// Prints the cases.
pub(crate) fn print(machine: &Value, fsyncs: f64, cases: &[Case]) {
    println!(
        "{}",
        json!({"machine": machine, "fsyncsPerSecond": fsyncs, "cases": cases.iter().map(Case::json).collect::<Vec<_>>()})
    );
    println!("\nThe disk alone: {fsyncs:.0} fsync/s.\n");
    println!(
        "| case | who | pay-ins/s | ratio | CPU ms each | p50 / p99 ms | row versions | commits | statements | bytes | drain s | not 200 | RSS MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for line in cases.iter().flat_map(Case::lines) {
        println!("{line}");
    }
    println!();
    for line in cases.iter().filter_map(Case::added) {
        println!("{line}");
    }
}

/// Compares the floors and the platform's ratios with the last figures of the document: a floor that fell on an equal disk says
/// that this run is not comparable.
pub(crate) fn compare(fsyncs: f64, cases: &[Case]) -> Result<()> {
    let mut floors = Map::new();
    for case in cases.iter().filter(|case| !case.floor.is_empty()) {
        floors.insert(case.name.clone(), json!(median(&rates(&case.floor)).round()));
    }
    if floors.is_empty() {
        println!("No floor was run: there is nothing to compare with {DOCUMENT}.");
        return Ok(());
    }
    let line = json!({"fsyncsPerSecond": fsyncs.round(), "floors": floors});
    println!("For {DOCUMENT}:\n{MARK}{line} -->");
    document::print(|text| document::pay_ins(text, cases))?;
    let fallen = compare_floors(fsyncs, &floors, &document::text()?)?;
    if fallen.is_empty() {
        return Ok(());
    }
    bail!("the floor fell by more than 20 % on an equal disk, so these figures are not comparable: {}", fallen.join("; "))
}

/// Prints each floor beside the last time's; answers those that fell although the disk did not.
fn compare_floors(fsyncs: f64, floors: &Map<String, Value>, text: &str) -> Result<Vec<String>> {
    let last = text.lines().filter_map(|line| line.strip_prefix(MARK)?.strip_suffix(" -->")).next_back();
    let last = last.with_context(|| format!("{DOCUMENT} has no line that begins with {MARK:?}"))?;
    let last: Value = serde_json::from_str(last).with_context(|| format!("the floors in {DOCUMENT}"))?;
    let figure = |value: &Value, name: &str| value.as_f64().with_context(|| format!("the floors in {DOCUMENT} lack {name:?}"));
    let disk = fsyncs / figure(&last["fsyncsPerSecond"], "fsyncsPerSecond")?;
    let mut fallen = Vec::new();
    for (name, now) in floors {
        let (now, then) = (figure(now, name)?, figure(&last["floors"][name], name)?);
        println!("floor of {name}: {then:.0}/s -> {now:.0}/s; the disk {disk:.2} of the last time");
        if disk > 1.0 - FLOOR_MAY_FALL && now < then * (1.0 - FLOOR_MAY_FALL) {
            fallen.push(format!("{name}: {now:.0}/s instead of {then:.0}/s"));
        }
    }
    Ok(fallen)
}
