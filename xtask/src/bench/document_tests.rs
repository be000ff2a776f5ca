//! The document as it stands can be compared with; one of another shape is said to be.

use super::*;
use serde_json::json;

const CASES: [&str; 6] = [
    "sqlite, settled",
    "sqlite, bare",
    "postgres, settled",
    "postgres, bare",
    "postgres after ANALYZE, settled",
    "postgres after ANALYZE, bare",
];

fn overload_of(store: &str) -> Value {
    json!({"store": store, "goodputPerSecond": 1000.0, "goodputOfPeak": 0.9})
}

/// A run of lists that asked for what the document has, and for one thing more.
fn run_of(text: &str) -> Vec<Value> {
    let table = Table::find(text, &LISTS).unwrap();
    let names: Vec<&str> = table.names().chain(["something new"]).collect();
    let kind = |name: &&str| json!({"kind": name, "asked": 7, "stoppedEarly": 1, "p99Ms": 3.25, "maxMs": 4.5});
    let kinds: Vec<Value> = names.iter().map(kind).collect();
    let stores = [("sqlite", false), ("sqlite", true), ("postgres", false), ("postgres", true)];
    stores.iter().map(|(store, statistics)| json!({"store": store, "statistics": statistics, "kinds": kinds})).collect()
}

#[test]
fn the_document_has_every_figure_that_is_compared() {
    let text = text().unwrap();
    let table = Table::find(&text, &PAY_INS).unwrap();
    for case in CASES {
        let ratio = table.figure(&row_of(case), PAY_INS[1]).unwrap();
        assert!(ratio > 0.0 && ratio < 2.0, "{case}: {ratio}");
    }
    for store in ["sqlite", "postgres"] {
        assert_eq!(overload(&text, &[overload_of(store)]).unwrap().len(), 2);
    }
    let lines = lists(&text, &run_of(&text)).unwrap();
    assert!(lines.iter().any(|line| line.contains("something new: p99 - -> 3.2 / 3.2 ms")), "{lines:?}");
}

#[test]
fn the_table_of_a_run_can_be_read_back() {
    let run = run_of(&text().unwrap());
    let table = lists_table(&run).join("\n");
    let lines = lists(&table, &run).unwrap();
    assert!(lines.iter().all(|line| line.contains("p99 3.2 / 3.2 -> 3.2 / 3.2 ms, max 4.5 / 4.5 -> 4.5 / 4.5 ms")), "{lines:?}");
    assert!(table.contains("| 4 of 28 |"), "{table}");
}

#[test]
fn a_table_of_another_shape_is_an_error() {
    let text = text().unwrap();
    let run = run_of(&text);
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    let says = |result: Result<Vec<String>>| format!("{:#}", result.unwrap_err());
    assert!(
        says(overload(&changed("| Goodput/s |", "| Told/s |"), &[overload_of("sqlite")])).contains("no column \"Goodput/s\"")
    );
    assert!(says(overload(&changed("| Store | Peak/s", "| Base | Peak/s"), &[overload_of("sqlite")])).contains("no table"));
    assert!(says(overload(&text, &[overload_of("another")])).contains("no row \"another\""));
    assert!(says(lists(&changed("| one transaction |", "| a transaction |"), &run)).contains("a row \"a transaction\""));
    let cell = Table::find(&text, &LISTS).unwrap().cell("one transaction", "sqlite").unwrap().to_owned();
    assert!(says(lists(&changed(&format!("| {cell} |"), "| quick |"), &run)).contains("no pair of times: \"quick\""));
    let ratio = Table::find(&changed("Of the floor (median; pairs)", "Ratio"), &PAY_INS).err().unwrap();
    assert!(format!("{ratio:#}").contains("no column"));
    assert!(Table::find(&changed("| sqlite, bare | ", "| sqlite, bare | 1 | "), &PAY_INS).is_err());
}

#[test]
fn figures_are_read_as_they_are_written() {
    assert_eq!(number("**0.89**"), Some(0.89));
    assert_eq!(number("0.47 (0.48 0.47)"), Some(0.47));
    assert_eq!(number("-"), None);
    assert_eq!(times("7.9 / 12.2"), Some(Times { p99: [7.9, 12.2], max: None }));
    assert_eq!(times("7.9 / 12.2 (max 30.1 / 40)"), Some(Times { p99: [7.9, 12.2], max: Some([30.1, 40.0]) }));
    assert_eq!(times("7.9"), None);
    assert_eq!(times("7.9 / 12.2 (max 30.1)"), None);
}
