//! `cargo xtask tidy`: what can be enforced of the house's style, enforced.

mod providers;

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// A file longer than this wants splitting, lines; tests apart.
const FILE_LINES_MAX: usize = 500;
/// A comment is no wider than this, columns; code is held to it by the formatter, long texts apart.
const COMMENT_COLUMNS_MAX: usize = 130;
/// Rooms in which no float may be near money.
const EXACT_ROOMS: [&str; 5] =
    ["crates/money/src", "crates/domain/src", "crates/providers/src", "crates/store/src", "crates/engine/src"];

/// Checks every file that git knows or would take.
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
    providers::check(Path::new("."), &files, &mut problems)?;
    if problems.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    bail!("tidy:\n{problems}")
}

fn tracked_files() -> Result<Vec<String>> {
    let output =
        Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).output().context("git ls-files")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn check_rust(file: &str, text: &str, problems: &mut String) {
    let lines = text.lines().count();
    let is_test = file.contains("/tests") || file.ends_with("tests.rs");
    if lines > FILE_LINES_MAX && !is_test {
        let _ = writeln!(problems, "  {file}: {lines} lines, at most {FILE_LINES_MAX}; split it");
    }
    // Tokens write seconds with fractions; no amount is there.
    let exact = EXACT_ROOMS.iter().any(|room| file.starts_with(room)) && !is_test && !file.starts_with("crates/engine/src/auth/");
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") && line.chars().count() > COMMENT_COLUMNS_MAX {
            let _ = writeln!(problems, "  {file}:{}: a comment wider than {COMMENT_COLUMNS_MAX} columns", number + 1);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(file: &str, text: &str) -> String {
        let mut problems = String::new();
        check_rust(file, text, &mut problems);
        problems
    }

    #[test]
    fn a_comment_wider_than_the_house_is_refused() {
        let wide = format!("    /// {}\n", "word ".repeat(25).trim_end());
        assert!(complaints("crates/engine/src/a.rs", &wide).contains("a.rs:1: a comment wider than 130 columns"));
        assert_eq!(complaints("crates/engine/src/a.rs", &wide[4..]), "");
    }

    #[test]
    fn a_file_longer_than_the_house_is_refused_but_for_tests() {
        let long = "fn a() {}\n".repeat(FILE_LINES_MAX + 1);
        assert!(complaints("crates/engine/src/a.rs", &long).contains("501 lines, at most 500"));
        assert_eq!(complaints("crates/engine/src/a/tests.rs", &long), "");
        assert_eq!(complaints("crates/engine/src/a.rs", &long[10..]), "");
    }

    #[test]
    fn floats_near_money_and_unfinished_work_are_refused() {
        assert!(complaints("crates/money/src/a.rs", "let rate: f64 = 1.0;\n").contains("a float near money"));
        assert!(complaints("crates/shop/src/a.rs", "    todo!(\"later\")\n").contains("unfinished"));
        assert_eq!(complaints("crates/shop/src/a.rs", "let seconds: f64 = 1.0;\n"), "");
    }
}
