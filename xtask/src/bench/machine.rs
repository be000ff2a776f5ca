//! On what it was measured.

use serde_json::{Value, json};
use std::process::Command;

/// Processor, cores, memory, kernel, compiler, revision.
pub(crate) fn describe() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([':', '\t', ' ']).to_owned());
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total_kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).map(|rest| rest.trim().to_owned());
    json!({
        "processor": model,
        "cores": std::thread::available_parallelism().map(usize::from).unwrap_or_default(),
        "memory": total_kib,
        "kernel": output("uname", &["-sr"]),
        "compiler": output("rustc", &["--version"]),
        "revision": output("git", &["rev-parse", "--short", "HEAD"]),
        "build": "release, thin LTO; platform, simulators, shop in one process; load generator on the same cores",
    })
}

/// Resident memory of a process, KiB.
pub(crate) fn rss_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
