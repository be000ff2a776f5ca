//! On what it was measured.

use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

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
        "build": if cfg!(debug_assertions) { "debug: says nothing of speed" } else { "release, thin LTO" },
        "processes": "platform alone in its process; simulators, sink and load generator in their own, on the same cores",
    })
}

/// Resident memory of a process, KiB.
pub(crate) fn rss_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// CPU that a process has used, user and system, since it began.
pub(crate) fn cpu(process: u32) -> Option<Duration> {
    // Ticks of 1/100 s, as every Linux tells them.
    const TICK_MS: u64 = 10;
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold blanks; what follows it does not.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * TICK_MS))
}

/// Bytes that a process has had written to the disk.
pub(crate) fn written(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}

/// What the disk below a directory does alone: appended blocks of 4 KiB, each synced, per second.
pub(crate) fn fsyncs_per_second(directory: &Path) -> std::io::Result<f64> {
    const LENGTH: Duration = Duration::from_secs(1);
    let mut file = tempfile::tempfile_in(directory)?;
    let (block, began, mut done) = ([7_u8; 4096], Instant::now(), 0);
    while began.elapsed() < LENGTH {
        file.write_all(&block)?;
        file.sync_data()?;
        done += 1;
    }
    Ok(super::load::count(done) / began.elapsed().as_secs_f64())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
