//! `cargo xtask new-provider`: the folders of a provider, small and working, and what is left to do.

use crate::install;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;

/// Longest name, characters: it is part of addresses.
const NAME_CHARS_MAX: usize = 32;
/// Words that cannot be a module.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
const REGISTRY: &str = "crates/providers/src/registry.rs";
const PROVIDERS: &str = "crates/providers/src/lib.rs";
const SIMULATORS: &str = "crates/simulators/src/lib.rs";
const SETTINGS: &str =
    r#"{"apiKey":"{{name}}-key-0001","webhookUrl":"https://your-site.com/webhook","baseUrl":"https://sandbox.{{name}}.example"}"#;
const RECORD: &str = r#"{"id":"p1","reference":"64a1f2b3c4d5e6f7a8b9c0d1","amount":"100.00","currency":"EUR","status":"paid"}"#;

/// The files below `crates/`: where, and what.
const FILES: [(&str, &str); 10] = [
    ("crates/providers/src/{{name}}/mod.rs", include_str!("new_provider/templates/provider_mod.rs.txt")),
    ("crates/providers/src/{{name}}/wire.rs", include_str!("new_provider/templates/provider_wire.rs.txt")),
    ("crates/providers/src/{{name}}/tests.rs", include_str!("new_provider/templates/provider_tests.rs.txt")),
    ("crates/providers/src/{{name}}/README.md", include_str!("new_provider/templates/README.md.txt")),
    ("crates/providers/src/{{name}}/fixtures/settings.json", SETTINGS),
    ("crates/providers/src/{{name}}/fixtures/create.json", RECORD),
    ("crates/providers/src/{{name}}/fixtures/inquiry.json", RECORD),
    ("crates/providers/src/{{name}}/fixtures/test.json", r#"{"active":true}"#),
    ("crates/providers/src/{{name}}/fixtures/reference.json", r#"{"unnamed":["test"],"shows":["pay_in"]}"#),
    ("crates/simulators/src/{{name}}/mod.rs", include_str!("new_provider/templates/simulator_mod.rs.txt")),
];

/// Writes the provider, makes its tables and its snapshot, and says what is left.
pub(crate) fn run(name: &str, write_only: bool) -> Result<()> {
    let written = write(Path::new("."), name)?;
    for file in &written {
        println!("wrote {file}");
    }
    if !write_only {
        println!("making its tables, its page and the snapshot of its requests (this compiles the providers)");
        let status = Command::new("cargo")
            .args(["test", "--quiet", "-p", "mozarto-providers", "conformance"])
            .env("UPDATE_README", "1")
            .env("INSTA_UPDATE", "always")
            .status()
            .context("starting cargo")?;
        ensure!(status.success(), "the conformance suite does not accept the new provider; what was written stays");
        install::run("cargo", &["check", "--quiet", "-p", "mozarto-simulators"])?;
    }
    print!("{}", remaining(name));
    Ok(())
}

/// Writes and registers a provider below `root`; answers the files that were written or changed. Nothing is written when anything
/// is in the way.
fn write(root: &Path, name: &str) -> Result<Vec<String>> {
    check_name(name)?;
    let taken = providers::by_name(name).is_some();
    for room in ["crates/providers/src", "crates/simulators/src"] {
        let there = [format!("{room}/{name}"), format!("{room}/{name}.rs")];
        if let Some(there) = there.iter().find(|there| root.join(there).exists()) {
            bail!("{there} is there already: choose another name, or work on that one");
        }
    }
    ensure!(!taken, "there is a provider {name} already");
    let title = title_of(name);
    let listed = [
        insert(root, REGISTRY, "];", &format!("    &crate::{name}::{title},\n"))?,
        insert_sorted(root, PROVIDERS, "pub mod ", name)?,
        insert_sorted(root, SIMULATORS, "mod ", name)?,
    ];
    let simulators = with_line(&listed[2].1, "    ];", &format!("        Box::new({name}::{title}),\n"), SIMULATORS)?;
    let mut written = Vec::new();
    for (path, text) in FILES {
        let (path, text) = (fill(path, name), fill(text, name));
        put(root, &path, &format!("{}\n", text.trim_end()))?;
        written.push(path);
    }
    for (path, text) in [(REGISTRY, &listed[0].1), (PROVIDERS, &listed[1].1), (SIMULATORS, &simulators)] {
        put(root, path, text)?;
        written.push(path.to_owned());
    }
    // The templates' line breaks suit no name in particular.
    let rust: Vec<_> = written.iter().filter(|path| path.ends_with(".rs") && path.contains(&format!("/{name}/"))).collect();
    let formatted = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=130,use_small_heuristics=Max,skip_children=true"])
        .args(rust)
        .current_dir(root)
        .status();
    ensure!(formatted.context("starting rustfmt")?.success(), "rustfmt does not accept what was written");
    Ok(written)
}

fn check_name(name: &str) -> Result<()> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    ensure!(
        starts && plain && name.len() <= NAME_CHARS_MAX,
        "{name:?} is no name of a provider: it is part of addresses and a module, so a small letter, then small letters and digits, at most {NAME_CHARS_MAX}"
    );
    ensure!(!KEYWORDS.contains(&name), "{name} is a word of the language: it cannot be a module");
    Ok(())
}

/// `example`: `Example`. The title is corrected by hand where people write it otherwise.
fn title_of(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_ascii_uppercase())
}

/// `pspType` has capitals alone (the conformance suite says so): digits are spelt as letters.
fn code_of(name: &str) -> String {
    name.chars()
        .map(|c| c.to_digit(10).map_or(c.to_ascii_uppercase(), |digit| char::from(b"ZOTHFVSENI"[digit as usize])))
        .collect()
}

fn fill(text: &str, name: &str) -> String {
    text.replace("{{name}}", name).replace("{{Title}}", &title_of(name)).replace("{{CODE}}", &code_of(name))
}

fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("{path}: is this the top of the workspace?"))
}

fn put(root: &Path, path: &str, text: &str) -> Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

/// The text with a line before the first line that is `before`.
fn with_line(text: &str, before: &str, line: &str, path: &str) -> Result<String> {
    let at = text.find(&format!("\n{before}\n")).with_context(|| format!("{path} has no list that ends with `{before}`"))? + 1;
    Ok(format!("{}{line}{}", &text[..at], &text[at..]))
}

fn insert(root: &Path, path: &'static str, before: &str, line: &str) -> Result<(&'static str, String)> {
    Ok((path, with_line(&read(root, path)?, before, line, path)?))
}

/// The file with the module among the others, in their order.
fn insert_sorted(root: &Path, path: &'static str, keyword: &str, name: &str) -> Result<(&'static str, String)> {
    let text = read(root, path)?;
    let is_module = |line: &str| (line.starts_with("mod ") || line.starts_with("pub mod ")) && line.ends_with(';');
    let module = |line: &str| line.trim_start_matches("pub ").trim_start_matches("mod ").trim_end_matches(';').to_owned();
    let first = text.lines().position(is_module).with_context(|| format!("{path} has no modules"))?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let block = lines[first..].iter().take_while(|line| is_module(line)).count();
    let at = lines[first..first + block].iter().position(|line| module(line).as_str() > name).unwrap_or(block);
    lines.insert(first + at, format!("{keyword}{name};"));
    Ok((path, lines.join("\n") + "\n"))
}

/// What no tool can do.
fn remaining(name: &str) -> String {
    let title = title_of(name);
    format!(
        "\n{title} works now, against its own simulator, over an assumed protocol. What is left (CONTRIBUTING.md, \"add a provider\"):\n\
         1. Its sheet: configuration, request fields, wire protocol, callbacks, error and status tables; published, seen or assumed.\n\
         2. The simulator, crates/simulators/src/{name}/, from the sheet alone; its suite in crates/simulators/tests/suite/{name}.rs.\n\
         3. The connector, crates/providers/src/{name}/: descriptor (pspType {code} and title {title} are guesses), wire, test vectors, fixtures;\n   \
            matrix_row and demo_fields where needed. registry.rs: its place in the published order, if it has one.\n\
         4. The demo account: an entry in crates/mozarto/src/sandbox/demo.rs. The shop: crates/shop/src/catalog/{name}.rs and its line in mod.rs there.\n\
         5. crates/mozarto/tests/triggers_{name}.rs: the trigger table of the sheet, through the whole product.\n\
         6. Its README; then UPDATE_README=1 cargo nextest run -p mozarto-providers conformance, and cargo insta review.\n\
         7. cargo xtask tidy.\n",
        code = code_of(name)
    )
}

#[cfg(test)]
mod tests;
