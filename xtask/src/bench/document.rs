//! The last figures, read from the tables of the document, and what has become of them: `then -> now`. A table that has another
//! shape than it had is an error: what cannot be compared any more must not look as if nothing had changed.

use super::report::Case;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;

/// Where the last figures stand.
pub(super) const DOCUMENT: &str = "docs/performance.md";

const PAY_INS: [&str; 2] = ["Case", "Of the floor (median; pairs)"];
const OVERLOAD: [&str; 3] = ["Store", "Goodput/s", "Of the peak"];
const LISTS: [&str; 4] = ["Asked for", "sqlite", "postgres", "Stopped early"];

/// Its text.
pub(super) fn text() -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DOCUMENT);
    std::fs::read_to_string(&path).with_context(|| format!("reading {DOCUMENT}"))
}

/// A table of the document.
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

impl Table {
    /// The one whose first column is called so, and that has the others too.
    fn find(text: &str, columns: &[&str]) -> Result<Self> {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(header) = cells(line).filter(|header| header.first().is_some_and(|first| first == columns[0])) else {
                continue;
            };
            for column in columns {
                ensure!(
                    header.iter().any(|name| name == column),
                    "{DOCUMENT}: the table by {:?} has no column {column:?}",
                    columns[0]
                );
            }
            let rows: Vec<_> = lines.by_ref().skip(1).map_while(cells).collect();
            ensure!(
                !rows.is_empty() && rows.iter().all(|row| row.len() == header.len()),
                "{DOCUMENT}: the table by {:?} has no rows, or some of another length than its header",
                columns[0]
            );
            return Ok(Self { header, rows });
        }
        bail!("{DOCUMENT} has no table whose first column is {:?}", columns[0])
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.first().map(String::as_str))
    }

    /// What stands there; `None`: there is no such row.
    fn cell(&self, row: &str, column: &str) -> Option<&str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.rows.iter().find(|cells| cells[0] == row).map(|cells| cells[at].as_str())
    }

    /// The figure with which it begins.
    fn figure(&self, row: &str, column: &str) -> Result<f64> {
        let cell = self.cell(row, column).with_context(|| format!("{DOCUMENT}: there is no row {row:?}"))?;
        number(cell).with_context(|| format!("{DOCUMENT}: {column:?} of {row:?} begins with no figure: {cell:?}"))
    }
}

/// `**0.89**`, `0.47 (0.48 0.47)`.
fn number(cell: &str) -> Option<f64> {
    cell.trim_start_matches('*').split(|c: char| c.is_whitespace() || c == '*').next()?.parse().ok()
}

/// How the document calls a case.
fn row_of(case: &str) -> String {
    match case.split_once(", ") {
        Some(("postgres", kind)) => format!("postgres, {kind}, no statistics"),
        Some(("postgres after ANALYZE", kind)) => format!("postgres, {kind}, after ANALYZE"),
        _ => case.to_owned(),
    }
}

/// The platform's ratios to its floor.
pub(super) fn pay_ins(text: &str, cases: &[Case]) -> Result<Vec<String>> {
    let table = Table::find(text, &PAY_INS)?;
    let with_floor = cases.iter().filter(|case| !case.floor.is_empty());
    with_floor
        .map(|case| {
            let then = table.figure(&row_of(&case.name), PAY_INS[1])?;
            Ok(format!("{}, of the floor: {then:.2} -> {:.2}", case.name, case.ratio()))
        })
        .collect()
}

/// The overload's goodput.
pub(super) fn overload(text: &str, results: &[Value]) -> Result<Vec<String>> {
    let table = Table::find(text, &OVERLOAD)?;
    let mut lines = Vec::new();
    for result in results {
        let store = result["store"].as_str().context("a store")?;
        let now = |figure: &str| result[figure].as_f64().with_context(|| format!("the overload's {figure}"));
        let (goodput, of_peak) = (table.figure(store, OVERLOAD[1])?, table.figure(store, OVERLOAD[2])?);
        lines.push(format!("overload, {store}: goodput {goodput:.0}/s -> {:.0}/s", now("goodputPerSecond")?));
        lines.push(format!("overload, {store}: of the peak {of_peak:.2} -> {:.2}", now("goodputOfPeak")?));
    }
    Ok(lines)
}

/// A cell of the lists: without and with statistics, p99 and largest; milliseconds. The largest are not in older documents.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Times {
    p99: [f64; 2],
    max: Option<[f64; 2]>,
}

/// `7.9 / 12.2`, `7.9 / 12.2 (max 30.1 / 40.2)`.
fn times(cell: &str) -> Option<Times> {
    let pair = |text: &str| {
        let (one, other) = text.split_once(" / ")?;
        Some([one.trim().parse().ok()?, other.trim().parse().ok()?])
    };
    match cell.split_once(" (max ") {
        Some((p99, max)) => Some(Times { p99: pair(p99)?, max: Some(pair(max.strip_suffix(')')?)?) }),
        None => Some(Times { p99: pair(cell)?, max: None }),
    }
}

/// The kinds of questions in the order in which they were put.
fn kinds(results: &[Value]) -> Vec<&str> {
    let first = results.first().and_then(|result| result["kinds"].as_array());
    first.into_iter().flatten().filter_map(|kind| kind["kind"].as_str()).collect()
}

/// What a run has seen of a kind over a store; `None`: not measured, without and with statistics.
fn seen(results: &[Value], store: &str, kind: &str) -> Option<Times> {
    let of = |statistics: bool, figure: &str| {
        let result = results.iter().find(|r| r["store"] == store && r["statistics"] == statistics)?;
        result["kinds"].as_array()?.iter().find(|k| k["kind"] == kind)?[figure].as_f64()
    };
    Some(Times { p99: [of(false, "p99Ms")?, of(true, "p99Ms")?], max: Some([of(false, "maxMs")?, of(true, "maxMs")?]) })
}

/// The table for the document.
pub(super) fn lists_table(results: &[Value]) -> Vec<String> {
    let mut lines = vec![format!("| {} |", LISTS.join(" | ")), "|---|---|---|---|".to_owned()];
    for kind in kinds(results) {
        let cell = |store: &str| {
            seen(results, store, kind).map_or_else(
                || "-".to_owned(),
                |t| {
                    let [max_without, max_with] = t.max.unwrap_or_default();
                    format!("{:.1} / {:.1} (max {max_without:.1} / {max_with:.1})", t.p99[0], t.p99[1])
                },
            )
        };
        let all = |figure: &str| -> u64 {
            let of_kind = results.iter().flat_map(|r| r["kinds"].as_array().into_iter().flatten()).filter(|k| k["kind"] == kind);
            of_kind.filter_map(|k| k[figure].as_u64()).sum()
        };
        let stopped = format!("{} of {}", all("stoppedEarly"), all("asked"));
        lines.push(format!("| {kind} | {} | {} | {stopped} |", cell(LISTS[1]), cell(LISTS[2])));
    }
    lines
}

/// The lists' figures.
pub(super) fn lists(text: &str, results: &[Value]) -> Result<Vec<String>> {
    let table = Table::find(text, &LISTS)?;
    let asked = kinds(results);
    for name in table.names() {
        ensure!(asked.contains(&name), "{DOCUMENT}: the lists have a row {name:?}, and nothing of that name was asked");
    }
    let mut lines = Vec::new();
    for kind in asked {
        for store in [LISTS[1], LISTS[2]] {
            let Some(now) = seen(results, store, kind) else { continue };
            let then = match table.cell(kind, store) {
                None | Some("-") => None,
                Some(cell) => {
                    Some(times(cell).with_context(|| format!("{DOCUMENT}: {store} of {kind:?} is no pair of times: {cell:?}"))?)
                }
            };
            let pair = |of: Option<[f64; 2]>| of.map_or_else(|| "-".to_owned(), |[a, b]| format!("{a:.1} / {b:.1}"));
            lines.push(format!(
                "lists, {store}, {kind}: p99 {} -> {} ms, max {} -> {} ms",
                pair(then.map(|then| then.p99)),
                pair(Some(now.p99)),
                pair(then.and_then(|then| then.max)),
                pair(now.max)
            ));
        }
    }
    Ok(lines)
}

/// Prints what has become of the last figures.
pub(super) fn print(of: impl FnOnce(&str) -> Result<Vec<String>>) -> Result<()> {
    let lines = of(&text()?).context("the last figures cannot be compared with")?;
    println!("\nThe last figures of {DOCUMENT} -> now:");
    for line in lines {
        println!("{line}");
    }
    Ok(())
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
