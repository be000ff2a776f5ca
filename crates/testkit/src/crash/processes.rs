//! The processes that are killed: one over the embedded store, two over PostgreSQL. The first one has the simulators that both
//! speak to.

use super::load::{Dice, Load, Record};
use super::{LOAD_MS, PROVIDERS};
use crate::client::Client;
use crate::sandbox::{Options, Sandbox};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Requests at once, over all processes.
const WORKERS: usize = 6;
/// Where an account's calls go: `pspType`, the setting, the path at the simulators.
const ADDRESSES: [(&str, &str, &str); 8] = [
    ("PAYONE", "baseUrl", "/payone"),
    ("FORUMPAY", "baseUrl", "/forumpay/pay/v2"),
    ("FLEXEPIN", "baseUrl", "/flexepin"),
    ("GIGADAT", "baseUrl", "/gigadat"),
    ("NEOSURF", "baseUrl", "/neosurf"),
    ("NEOSURF", "soapUrl", "/neosurf/soap/index.php"),
    ("EMERCHANTPAY", "baseUrl", "/emerchantpay"),
    ("WORLDPAY_EU", "baseUrl", "/worldpay"),
];

struct Process {
    sandbox: Sandbox,
    load: Option<Load>,
}

/// All of a run's.
pub(super) struct Processes {
    all: Vec<Process>,
    /// The first one's simulators, as the accounts know them.
    simulators: String,
    /// The longest start so far.
    pub(super) longest_start: Duration,
    /// How many were killed so far.
    pub(super) killed: u32,
    /// The second one's directory.
    _directory: Option<tempfile::TempDir>,
}

impl Processes {
    /// One process, or two where the store is a server.
    pub(super) async fn start(options: Options) -> Result<Self> {
        let first = Sandbox::start(options).await?;
        let (longest_start, simulators) = (first.start_took, first.text("simulatorUrl").to_owned());
        let mut processes =
            Self { all: vec![Process { sandbox: first, load: None }], simulators, longest_start, killed: 0, _directory: None };
        if processes.first().options.database.is_some() {
            let directory = tempfile::tempdir()?;
            introduce(processes.first().data(), directory.path())?;
            let options = Options { data: directory.path().to_owned(), ..processes.first().options.clone() };
            processes._directory = Some(directory);
            let second = Sandbox::start(options).await.context("the second process")?;
            processes.longest_start = processes.longest_start.max(second.start_took);
            processes.all.push(Process { sandbox: second, load: None });
            processes.lead_to_the_first_ones_simulators().await?;
        }
        Ok(processes)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// The one with the simulators.
    pub(super) fn first(&self) -> &Sandbox {
        &self.all[0].sandbox
    }

    /// A caller of that process, and of the simulators.
    fn client_of(&self, index: usize) -> Client {
        let mut client = Client::of(&self.all[index].sandbox);
        client.simulator.clone_from(&self.simulators);
        client
    }

    /// A caller of any of them.
    pub(super) fn any_client(&self, dice: &Dice) -> Client {
        let count = u64::try_from(self.count()).unwrap_or(1);
        self.client_of(usize::try_from(dice.roll(count)).unwrap_or_default())
    }

    /// Load on all, for a moment; then one of them, or all at once, are killed under it and started again. What lives goes on
    /// meanwhile.
    pub(super) async fn kill_some(&mut self, record: &Arc<Mutex<Record>>, dice: &Arc<Dice>) -> Result<()> {
        for index in 0..self.count() {
            if self.all[index].load.is_none() {
                let load = Load::start(&self.client_of(index), WORKERS / self.count(), record, dice);
                self.all[index].load = Some(load);
            }
        }
        tokio::time::sleep(Duration::from_millis(LOAD_MS.0 + dice.roll(LOAD_MS.1 - LOAD_MS.0))).await;
        let dying = self.choose(dice);
        for index in &dying {
            self.all[*index].sandbox.kill().await?;
            self.killed += 1;
        }
        for index in &dying {
            self.stop_load(*index).await;
        }
        for index in dying {
            let again = Sandbox::start(self.all[index].sandbox.options.clone()).await?;
            self.longest_start = self.longest_start.max(again.start_took);
            self.all[index].sandbox = again;
        }
        if self.count() > 1 && self.first().text("simulatorUrl") != self.simulators {
            self.lead_to_the_first_ones_simulators().await?;
        }
        Ok(())
    }

    /// One of them, or all.
    fn choose(&self, dice: &Dice) -> Vec<usize> {
        let all = 0..self.count();
        let fate = usize::try_from(dice.roll(u64::try_from(self.count() + 1).unwrap_or(1))).unwrap_or_default();
        if all.contains(&fate) && self.count() > 1 { vec![fate] } else { all.collect() }
    }

    async fn stop_load(&mut self, index: usize) {
        if let Some(load) = self.all[index].load.take() {
            load.stop().await;
        }
    }

    /// Nobody asks anything any more.
    pub(super) async fn stop_all_load(&mut self) {
        for index in 0..self.count() {
            self.stop_load(index).await;
        }
    }

    /// Every account's addresses, as the first process's simulators have them now. The second one is told: for the first one they
    /// are its own simulators wherever it is.
    async fn lead_to_the_first_ones_simulators(&mut self) -> Result<()> {
        self.simulators = self.first().text("simulatorUrl").to_owned();
        let client = self.client_of(1);
        for (psp_type, setting, path) in ADDRESSES {
            let config = json!({"config": {setting: format!("{}{path}", self.simulators)}});
            for method in client.methods_of(psp_type).await? {
                let answer = client.manage("PATCH", &format!("/payment-methods/{method}"), Some(config.clone())).await?;
                ensure!(answer.status == 200, "{psp_type}: {} {}", answer.status, answer.body);
            }
        }
        Ok(())
    }

    /// The second process's own simulators were called by nobody: else half of the money would be in ledgers that nobody reads.
    pub(super) async fn others_were_not_called(&self) -> Result<()> {
        for process in &self.all[1..] {
            let client = Client::of(&process.sandbox);
            for provider in PROVIDERS {
                let answer = client.control("GET", &format!("/{provider}/calls?limit=1"), None).await?;
                let calls = answer.body["calls"].as_array().with_context(|| format!("no calls: {}", answer.body))?;
                ensure!(calls.is_empty(), "{provider} of the second process was called: {}", answer.body);
            }
        }
        Ok(())
    }
}

/// Another process's directory: the same key, the same company and its tokens; what it listens at is its own.
fn introduce(first: &Path, second: &Path) -> Result<()> {
    std::fs::copy(first.join("master.key"), second.join("master.key")).context("the master key")?;
    let mut line: Value = serde_json::from_slice(&std::fs::read(first.join("sandbox.json"))?)?;
    for address in ["baseUrl", "simulatorUrl", "shopUrl"] {
        line[address] = Value::Null;
    }
    std::fs::write(second.join("sandbox.json"), line.to_string()).context("sandbox.json")
}
