//! A test of many rows that says at its end which ones failed, all of them.

use anyhow::Result;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Rows that run at once: enough to overlap their waiting, few enough that a small machine answers each in its time limit.
const AT_ONCE: usize = 4;

/// The rows of a test.
#[derive(Debug)]
pub struct Table {
    name: &'static str,
    running: JoinSet<(String, Result<()>)>,
    gate: Arc<Semaphore>,
    failed: Vec<String>,
    rows: usize,
}

impl Table {
    /// A table without rows.
    pub fn new(name: &'static str) -> Self {
        Self::with_at_once(name, AT_ONCE)
    }

    /// A table of which so many rows run at once.
    pub fn with_at_once(name: &'static str, at_once: usize) -> Self {
        Self { name, running: JoinSet::new(), gate: Arc::new(Semaphore::new(at_once)), failed: Vec::new(), rows: 0 }
    }

    /// Starts a row beside the others.
    pub fn row(&mut self, name: impl Into<String>, row: impl Future<Output = Result<()>> + Send + 'static) {
        let (name, gate) = (name.into(), self.gate.clone());
        self.rows += 1;
        self.running.spawn(async move {
            // The gate is never closed.
            let _place = gate.acquire_owned().await;
            (name, row.await)
        });
    }

    /// Runs a row now, after those that are running.
    pub async fn row_alone(&mut self, name: impl Into<String>, row: impl Future<Output = Result<()>>) {
        self.finish_running().await;
        self.rows += 1;
        let result = row.await;
        self.note(name.into(), result);
    }

    /// Waits for all rows.
    ///
    /// # Panics
    /// When one failed, or when there is none; every failed row is named.
    pub async fn end(mut self) {
        self.finish_running().await;
        assert!(self.rows > 0, "{}: a table without rows shows nothing", self.name);
        assert!(
            self.failed.is_empty(),
            "{}: {} of {} rows failed:\n{}",
            self.name,
            self.failed.len(),
            self.rows,
            self.failed.join("\n")
        );
        println!("{}: {} rows", self.name, self.rows);
    }

    async fn finish_running(&mut self) {
        while let Some(done) = self.running.join_next().await {
            match done {
                Ok((name, result)) => self.note(name, result),
                Err(error) => self.failed.push(format!("  - a row panicked: {error}")),
            }
        }
    }

    fn note(&mut self, name: String, result: Result<()>) {
        if let Err(error) = result {
            self.failed.push(format!("  - {name}: {error:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "2 of 3 rows failed")]
    async fn every_failed_row_is_told() {
        let mut table = Table::new("a table");
        table.row("good", async { Ok(()) });
        table.row("bad", async { anyhow::bail!("first") });
        table.row_alone("bad too", async { anyhow::bail!("second") }).await;
        table.end().await;
    }

    #[tokio::test]
    #[should_panic(expected = "shows nothing")]
    async fn no_rows_are_no_success() {
        Table::new("a table").end().await;
    }
}
