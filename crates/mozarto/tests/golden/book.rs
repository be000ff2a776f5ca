//! The transcripts of a provider as they were written, and what this run makes of them.

use anyhow::{Context as _, Result};
use similar::TextDiff;
use std::collections::HashMap;
use std::path::PathBuf;

/// Writes what comes, instead of holding it against what stands. A difference is a fault that was found, not a new truth: only
/// new rows are written by the word `new`, and `all` is for a change of the net itself.
const WRITE: &str = "MOZARTO_GOLDEN";
const MARK: &str = "=== ";
const SECTION: &str = "--- ";
/// A section that is the same in an earlier row stands there alone: `(as in <row>)`.
const AS_IN: &str = "(as in ";

/// One provider's file.
#[derive(Debug)]
pub(crate) struct Book {
    file: PathBuf,
    written: Vec<(String, String)>,
    rows: Vec<(String, Result<String, String>)>,
    write: Option<String>,
}

impl Book {
    /// Reads `transcripts/{name}.txt`.
    pub(crate) fn open(name: &str) -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transcripts").join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let mut written: Vec<(String, String)> = Vec::new();
        for line in text.split_inclusive('\n') {
            match (line.strip_prefix(MARK), written.last_mut()) {
                (Some(name), _) => written.push((name.trim_end().to_owned(), String::new())),
                (None, Some((_, row))) => row.push_str(line),
                (None, None) => {}
            }
        }
        let mut shelf = Shelf::default();
        for (name, row) in &mut written {
            *row = shelf.whole(name, row);
        }
        Self { file, written, rows: Vec::new(), write: std::env::var(WRITE).ok() }
    }

    /// What stands there of a row, unless it is to be written anew.
    pub(crate) fn row(&self, name: &str) -> Option<&str> {
        if self.write.as_deref() == Some("all") {
            return None;
        }
        self.stands(name)
    }

    fn stands(&self, name: &str) -> Option<&str> {
        self.written.iter().find(|(known, _)| known == name).map(|(_, row)| row.as_str())
    }

    /// Takes what came of a row.
    pub(crate) fn note(&mut self, name: &str, row: Result<String>) {
        assert!(self.rows.iter().all(|(known, _)| known != name), "two rows are called {name}");
        self.rows.push((name.to_owned(), row.map_err(|error| format!("{error:#}"))));
    }

    /// Closes all of a provider's.
    pub(crate) fn close_all(books: impl IntoIterator<Item = Self>) {
        let faults: Vec<String> =
            books.into_iter().filter_map(|book| book.close().err()).map(|error| format!("{error:#}")).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Every row must be as it stands, and every one that stands must have been run.
    fn close(self) -> Result<()> {
        let mut faults = Vec::new();
        let mut text = String::new();
        let mut shelf = Shelf::default();
        for (name, row) in &self.rows {
            let now = match row {
                Ok(now) => now,
                Err(error) => {
                    faults.push(format!("{name}: {error}"));
                    continue;
                }
            };
            let stands = self.row(name);
            match stands {
                Some(stands) if stands != now => faults.push(format!("{name} differs:\n{}", difference(stands, now))),
                None if self.write.is_none() => faults.push(format!("{name} is not written yet: {WRITE}=new writes it")),
                _ => {}
            }
            text.push_str(&format!("{MARK}{name}\n{}", shelf.short(name, stands.unwrap_or(now))));
        }
        let run = |name: &String| self.rows.iter().any(|(known, _)| known == name);
        faults.extend(self.written.iter().filter(|(name, _)| !run(name)).map(|(name, _)| format!("{name} was not run")));
        if self.write.is_some() {
            std::fs::create_dir_all(self.file.parent().context("a folder")?)?;
            std::fs::write(&self.file, text)?;
            faults.retain(|fault| !fault.ends_with(" was not run"));
        }
        anyhow::ensure!(
            faults.is_empty(),
            "{} of {} rows of {}:\n{}",
            faults.len(),
            self.rows.len(),
            self.file.display(),
            faults.join("\n")
        );
        Ok(())
    }
}

/// Where a section stands whole: its row, and which of those with its head it is there.
type Place = (String, usize);

/// The sections of the rows so far.
#[derive(Debug, Default)]
struct Shelf {
    /// By head and body.
    places: HashMap<(String, String), Place>,
    /// By head and place.
    bodies: HashMap<(String, Place), String>,
}

impl Shelf {
    /// The row with what stands elsewhere left out.
    fn short(&mut self, name: &str, row: &str) -> String {
        let mut text = String::new();
        for (head, nth, body) in sections(row) {
            let place = self.places.get(&(head.clone(), body.clone()));
            let elsewhere = place.map(|(row, nth)| format!("{AS_IN}{row} #{nth})\n"));
            // Of a short one little would be saved, and the reader would have to look.
            let told = elsewhere.filter(|place| body.len() > 2 * place.len());
            text.push_str(&format!("{head}\n{}", told.as_deref().unwrap_or(&body)));
            self.keep(name, head, nth, body);
        }
        text
    }

    /// The row with everything in its place.
    fn whole(&mut self, name: &str, row: &str) -> String {
        let mut text = String::new();
        for (head, nth, body) in sections(row) {
            let place = body.strip_prefix(AS_IN).and_then(|rest| rest.strip_suffix(")\n")?.rsplit_once(" #"));
            let place = place.and_then(|(row, nth)| Some((row.to_owned(), nth.parse().ok()?)));
            let body = match place {
                Some(place) => match self.bodies.get(&(head.clone(), place)) {
                    Some(body) => body.clone(),
                    None => format!("(nothing is written there: {})\n", body.trim_end()),
                },
                None => body,
            };
            text.push_str(&format!("{head}\n{body}"));
            self.keep(name, head, nth, body);
        }
        text
    }

    fn keep(&mut self, name: &str, head: String, nth: usize, body: String) {
        let place = (name.to_owned(), nth);
        self.bodies.insert((head.clone(), place.clone()), body.clone());
        self.places.entry((head, body)).or_insert(place);
    }
}

/// Heads and bodies of a row, and of each the how manieth with its head it is.
fn sections(row: &str) -> Vec<(String, usize, String)> {
    let mut found: Vec<(String, usize, String)> = Vec::new();
    for line in row.split_inclusive('\n') {
        match (line.starts_with(SECTION), found.last_mut()) {
            (true, _) => {
                let head = line.trim_end_matches('\n').to_owned();
                let nth = found.iter().filter(|(known, ..)| *known == head).count() + 1;
                found.push((head, nth, String::new()));
            }
            (false, Some((.., body))) => body.push_str(line),
            (false, None) => {}
        }
    }
    found
}

fn difference(stands: &str, now: &str) -> String {
    TextDiff::from_lines(stands, now).unified_diff().context_radius(3).to_string()
}

#[test]
fn what_is_left_out_is_put_back() {
    let rows = [
        (
            "a",
            "--- request\nGET /a\nabc: 0123456789012345678901234567890123456789\n--- request\nGET /b, a long way from here, and longer still\n",
        ),
        ("b", "--- request\nGET /b, a long way from here, and longer still\n--- memo\n{}\n--- ledger\n\n"),
        ("c", "--- memo\n{}\n--- request\nGET /a\nabc: 0123456789012345678901234567890123456789\n"),
    ];
    let (mut shelf, mut again) = (Shelf::default(), Shelf::default());
    let short = rows.map(|(name, row)| (name, shelf.short(name, row)));
    assert_eq!(short[1].1, "--- request\n(as in a #2)\n--- memo\n{}\n--- ledger\n\n");
    assert_eq!(short[2].1, "--- memo\n{}\n--- request\n(as in a #1)\n");
    let whole = short.map(|(name, row)| (name, again.whole(name, &row)));
    assert_eq!(whole.iter().map(|(name, row)| (*name, row.as_str())).collect::<Vec<_>>(), rows);
}
