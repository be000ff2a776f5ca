//! The transcripts of a provider as they were written, and what this run makes of them.

use anyhow::{Context as _, Result};
use similar::TextDiff;
use std::path::PathBuf;

/// Writes what comes, instead of holding it against what stands. A difference is a fault that was found, not a new truth: only new rows are written by the
/// word `new`, and `all` is for a change of the net itself.
const WRITE: &str = "MOZARTO_GOLDEN";
const MARK: &str = "=== ";

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
            text.push_str(&format!("{MARK}{name}\n{}", stands.unwrap_or(now)));
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

fn difference(stands: &str, now: &str) -> String {
    TextDiff::from_lines(stands, now).unified_diff().context_radius(3).to_string()
}
