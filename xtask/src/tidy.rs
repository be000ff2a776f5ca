//! `cargo xtask tidy`: what can be enforced of the house's style, enforced.

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// A file longer than this wants splitting, lines.
const FILE_LINES_MAX: usize = 700;
/// A file longer than this is named, lines.
const FILE_LINES_GOOD: usize = 500;
/// Rooms in which no float may be near money.
const EXACT_ROOMS: [&str; 5] =
    ["crates/money/src", "crates/domain/src", "crates/providers/src", "crates/store/src", "crates/engine/src"];
/// The size of a provider's folder without tests, lines of code.
const PROVIDER_LINES_MAX: usize = 800;

/// Checks every file that git knows.
pub(crate) fn run() -> Result<()> {
    let mut problems = String::new();
    let files = tracked_files()?;
    for file in &files {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        if file.ends_with(".rs") {
            check_rust(file, &text, &mut problems);
        }
        check_words(file, &text, &mut problems);
    }
    providers(&files, &mut problems)?;
    if problems.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    bail!("tidy:\n{problems}")
}

fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git").args(["ls-files"]).output().context("git ls-files")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn check_rust(file: &str, text: &str, problems: &mut String) {
    let lines = text.lines().count();
    let is_test = file.contains("/tests") || file.ends_with("tests.rs");
    if lines > FILE_LINES_MAX && !is_test {
        let _ = writeln!(problems, "  {file}: {lines} lines; split it");
    } else if lines > FILE_LINES_GOOD && !is_test {
        println!("tidy: {file} has {lines} lines (the house measure is {FILE_LINES_GOOD})");
    }
    // Tokens write seconds with fractions; no amount is there.
    let exact = EXACT_ROOMS.iter().any(|room| file.starts_with(room)) && !is_test && !file.starts_with("crates/engine/src/auth/");
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let has = |word: &str| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|part| part == word);
        if exact && (has("f32") || has("f64")) {
            let _ = writeln!(problems, "  {file}:{}: a float near money", number + 1);
        }
        if ["todo!(", "unimplemented!(", "dbg!("].iter().any(|word| code.contains(word)) && !file.starts_with("xtask/") {
            let _ = writeln!(problems, "  {file}:{}: unfinished", number + 1);
        }
    }
}

/// Paths of one machine do not belong into the project.
fn check_words(file: &str, text: &str, problems: &mut String) {
    if file.starts_with("xtask/") || file.ends_with(".lock") {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        if ["/root/", "/home/", "/work/"].iter().any(|path| line.contains(path)) {
            let _ = writeln!(problems, "  {file}:{}: a path of one machine", number + 1);
        }
    }
}

/// Prints the lines of each provider, and fails where one is mentioned a second time outside its folder and the registry.
fn providers(files: &[String], problems: &mut String) -> Result<()> {
    let registry = std::fs::read_to_string("crates/providers/src/registry.rs").context("the registry")?;
    for entry in std::fs::read_dir("crates/providers/src")? {
        let path = entry?.path();
        if !path.is_dir() || !path.join("README.md").exists() {
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let lines = folder_lines(&path)?;
        println!("tidy: provider {name}: {lines} lines of code without tests");
        if lines > PROVIDER_LINES_MAX {
            let _ = writeln!(problems, "  provider {name}: {lines} lines without tests; at most {PROVIDER_LINES_MAX}");
        }
        if !registry.contains(&name) {
            let _ = writeln!(problems, "  provider {name} is not in the registry");
        }
        let folder = format!("crates/providers/src/{name}/");
        for file in files.iter().filter(|file| file.starts_with("crates/") && file.ends_with(".rs")) {
            let elsewhere =
                ["crates/domain/", "crates/store/", "crates/engine/", "crates/http/"].iter().any(|room| file.starts_with(room));
            let in_providers = file.starts_with("crates/providers/src/")
                && !file.starts_with(&folder)
                && !file.ends_with("registry.rs")
                && !file.ends_with("lib.rs");
            if file.contains("/tests") || !(elsewhere || in_providers) {
                continue;
            }
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let mentioned = code.lines().enumerate().find(|(_, line)| {
                let code = line.split("//").next().unwrap_or_default().to_ascii_lowercase();
                code.contains(&format!("\"{name}\""))
            });
            if let Some((number, _)) = mentioned {
                let _ = writeln!(problems, "  {file}:{}: mentions the provider {name}; that belongs in its folder", number + 1);
            }
        }
    }
    Ok(())
}

fn folder_lines(folder: &Path) -> Result<usize> {
    let mut lines = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".rs") && !name.contains("test") {
            let text = std::fs::read_to_string(&path)?;
            // Lines of code: comments are welcome.
            lines += text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        }
    }
    Ok(lines)
}
