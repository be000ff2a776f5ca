//! Logs go to standard error: for a person in the sandbox, as JSON lines in `serve`.
//!
//! Nothing waits for the log and nothing dies of it: a line is put into a bounded queue, and a thread of its own writes what is
//! there. Where standard error is closed, full or read by nobody, lines are dropped, counted (`mozarto_log_lines_dropped_total`),
//! and the count is told as soon as a line gets through again.

use domain::visible::visible;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Lines that wait to be written; more are dropped.
const QUEUE_LINES: usize = 8_192;
/// Bytes that wait to be written; a line beyond them is dropped.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// Bytes written at once, unless one line alone is longer.
const BATCH_BYTES: usize = 64 * 1024;
/// Pause before standard error is tried again where it must not be waited for (somebody made it non-blocking).
const NOT_NOW: Duration = Duration::from_millis(10);
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(300);

/// Counter: lines that could not be written.
const DROPPED_TOTAL: &str = "mozarto_log_lines_dropped_total";

static QUEUE: OnceLock<SyncSender<Vec<u8>>> = OnceLock::new();
/// What is in the queue or in the hands of the thread.
static WAITING_LINES: AtomicUsize = AtomicUsize::new(0);
static WAITING_BYTES: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
/// Lines have colours, made by escape sequences; in what they tell the subscriber has escaped those.
static COLOURED: AtomicBool = AtomicBool::new(false);

/// How log lines look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// For a person.
    Text,
    /// For a machine.
    Json,
}

/// Starts logging; the level comes from `MOZARTO_LOG` (for example `debug` or `info,mozarto_engine=trace`).
pub(crate) fn start(format: Format, default_level: &str) {
    start_thread(format);
    COLOURED.store(io::stderr().is_terminal(), Ordering::Relaxed);
    let filter = EnvFilter::try_from_env("MOZARTO_LOG").unwrap_or_else(|_| EnvFilter::new(default_level));
    // What goes wrong with a line must not be told on standard error either: that is where it went wrong.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines)
        .log_internal_errors(false)
        .with_ansi(COLOURED.load(Ordering::Relaxed))
        .with_span_events(FmtSpan::NONE);
    match format {
        Format::Text => builder.with_target(false).init(),
        Format::Json => builder.json().init(),
    }
}

/// Tells of panics. The usual hook writes to standard error itself, and waits for it. And the text of a panic may hold what was
/// being worked on, or what acts on a terminal: the place is enough.
pub(crate) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        match QUEUE.get() {
            Some(_) => tracing::error!(thread = thread.name(), place, "a thread panicked"),
            None => say(&format!("mozarto: a thread panicked at {place}")),
        }
    }));
}

/// Tells the metrics how many lines were dropped so far.
pub(crate) fn publish_dropped() {
    metrics::counter!(DROPPED_TOTAL).absolute(DROPPED.load(Ordering::Relaxed));
}

/// A last word on standard error: through the queue where there is one, else directly. What cannot be written is lost, and
/// nothing in it acts on a terminal.
pub(crate) fn say(text: &str) {
    let text = visible(text, &['\n']);
    match QUEUE.get() {
        Some(queue) => put(queue, format!("{text}\n").into_bytes()),
        None => {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Waits for what is still to be written, but not for long.
pub(crate) fn finish() {
    let until = Instant::now() + LAST_LINES;
    while WAITING_LINES.load(Ordering::Acquire) > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn start_thread(format: Format) {
    let (sender, receiver) = sync_channel(QUEUE_LINES);
    let write = move || Output::new(io::stderr(), format).write_all_of(&receiver);
    // Without the thread every line is dropped and counted.
    if std::thread::Builder::new().name("log".to_owned()).spawn(write).is_ok() {
        let _ = QUEUE.set(sender);
    }
}

fn put(queue: &SyncSender<Vec<u8>>, line: Vec<u8>) {
    let bytes = line.len();
    let waiting = WAITING_BYTES.fetch_add(bytes, Ordering::Relaxed);
    WAITING_LINES.fetch_add(1, Ordering::Relaxed);
    if waiting > QUEUE_BYTES || queue.try_send(line).is_err() {
        done_with(1, bytes);
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn done_with(lines: usize, bytes: usize) {
    WAITING_BYTES.fetch_sub(bytes, Ordering::Relaxed);
    WAITING_LINES.fetch_sub(lines, Ordering::Release);
}

/// Where the subscriber writes its lines, each by one write.
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let kept: &[char] = if COLOURED.load(Ordering::Relaxed) { &['\n', '\u{1b}'] } else { &['\n'] };
        match QUEUE.get() {
            // A line of JSON with such escapes means what it meant.
            Some(queue) => put(queue, visible(&String::from_utf8_lossy(line), kept).into_owned().into_bytes()),
            None => {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error, as the thread sees it.
struct Output<W> {
    to: W,
    format: Format,
    /// Of the dropped lines, how many have been told of.
    told: u64,
    /// What was written last ends within a line.
    broken_off: bool,
}

impl<W: Write> Output<W> {
    fn new(to: W, format: Format) -> Self {
        Self { to, format, told: 0, broken_off: false }
    }

    fn write_all_of(&mut self, queue: &Receiver<Vec<u8>>) {
        let mut batch = Vec::new();
        let mut ends = Vec::new();
        while let Ok(first) = queue.recv() {
            batch.extend_from_slice(&first);
            ends.push(batch.len());
            while batch.len() < BATCH_BYTES
                && let Ok(next) = queue.try_recv()
            {
                batch.extend_from_slice(&next);
                ends.push(batch.len());
            }
            self.write_batch(&batch, &ends);
            done_with(ends.len(), batch.len());
            batch.clear();
            batch.shrink_to(BATCH_BYTES);
            ends.clear();
        }
    }

    /// Writes the lines; counts those of which not everything could be written.
    fn write_batch(&mut self, batch: &[u8], ends: &[usize]) {
        if self.broken_off && self.write(b"\n") == 1 {
            self.broken_off = false;
        }
        self.tell_of_dropped();
        let written = self.write(batch);
        let whole = ends.iter().take_while(|end| **end <= written).count();
        self.broken_off |= whole < ends.len() && written > whole.checked_sub(1).map_or(0, |last| ends[last]);
        DROPPED.fetch_add((ends.len() - whole) as u64, Ordering::Relaxed);
    }

    fn tell_of_dropped(&mut self) {
        let dropped = DROPPED.load(Ordering::Relaxed);
        if dropped == self.told {
            return;
        }
        let line = notice(self.format, dropped - self.told);
        let written = self.write(line.as_bytes());
        self.broken_off |= written > 0 && written < line.len();
        if written == line.len() {
            self.told = dropped;
        }
    }

    /// Writes as much as can be written; answers how much.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.to.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Only this thread waits; who logs meanwhile finds the queue full at some time.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(NOT_NOW),
                Err(_) => break,
            }
        }
        written
    }
}

/// The line that says how many were dropped.
fn notice(format: Format, lines: u64) -> String {
    let now = jiff::Timestamp::now();
    match format {
        Format::Text => format!("{now}  WARN {lines} log lines were dropped\n"),
        Format::Json => format!(
            "{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"fields\":{{\"message\":\"log lines were dropped\",\"lines\":{lines}}},\"target\":\"mozarto::logging\"}}\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then nothing, until more room is made.
    #[derive(Default)]
    struct Disk {
        room: usize,
        kept: Vec<u8>,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.kept.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_on_a_line_of_its_own() {
        let mut disk = Disk { room: 9, kept: Vec::new() };
        let before = DROPPED.load(Ordering::Relaxed);
        let mut output = Output { to: &mut disk, format: Format::Text, told: before, broken_off: false };
        output.write_batch(b"one\ntwo\nthree\nfour\n", &[4, 8, 14, 19]);
        assert_eq!(DROPPED.load(Ordering::Relaxed) - before, 2);
        output.write_batch(b"five\n", &[5]);
        output.to.room = 1_000;
        output.write_batch(b"six\n", &[4]);
        let text = String::from_utf8(disk.kept).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["one", "two", "t"]);
        assert!(lines[3].ends_with("WARN 3 log lines were dropped"), "{text}");
        assert_eq!(lines[4..], ["six"]);
    }

    #[test]
    fn the_notice_is_json_where_lines_are() {
        let line: serde_json::Value = serde_json::from_str(&notice(Format::Json, 7)).unwrap();
        assert_eq!((&line["level"], &line["fields"]["lines"]), (&"WARN".into(), &7.into()));
    }
}
