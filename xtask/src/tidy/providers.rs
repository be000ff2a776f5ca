//! Each provider stays in its folder, and stays small.

use anyhow::{Context, Result};
use providers::Descriptor;
use providers::card::CardData;
use std::fmt::Write as _;
use std::path::Path;

/// The size of a provider's folder without tests, lines of code; its tables (settings, fields, errors, statuses) included.
const LINES_MAX: usize = 850;
/// The same where cards are taken over XML: two protocols in one (hosted and direct), with challenges between their calls, and
/// refunds and disputes afterwards.
const CARD_LINES_MAX: usize = 1_550;
/// The same where the payer enters a card on the provider's page: an order may be tried several times there, and each attempt and
/// each refund has a record of its own.
const HOSTED_CARD_LINES_MAX: usize = 1_050;
/// A shorter name may be part of another word, or be a word (`trust`): it counts as a name where it is quoted, in a path or a
/// module only.
const PLAIN_NAME_CHARS_MIN: usize = 6;
/// Rooms that are tests and measurements through and through.
const TEST_ROOMS: [&str; 2] = ["crates/testkit/", "xtask/"];
/// Files that list every provider: a line or an entry each.
const LISTS: [&str; 5] = [
    "crates/providers/src/registry.rs",
    "crates/providers/src/lib.rs",
    "crates/simulators/src/lib.rs",
    "crates/mozarto/src/sandbox/demo.rs",
    "crates/shop/src/catalog/mod.rs",
];

/// Prints the lines of each provider, and complains where one is too long, not registered, or named outside its own places.
/// `root`: where the workspace is; `files`: what git knows of it.
pub(super) fn check(root: &Path, files: &[String], problems: &mut String) -> Result<()> {
    let sources = sources(root, files)?;
    for provider in providers::all() {
        let descriptor = provider.descriptor();
        let lines = folder_lines(descriptor.name, &sources);
        println!("tidy: provider {}: {lines} lines of code without tests", descriptor.name);
        let most = match descriptor.card_data {
            CardData::Taken => CARD_LINES_MAX,
            CardData::Refused => HOSTED_CARD_LINES_MAX,
            CardData::None => LINES_MAX,
        };
        if lines > most {
            let _ = writeln!(problems, "  provider {}: {lines} lines without tests; at most {most}", descriptor.name);
        }
        for mention in mentions(descriptor, &sources) {
            let _ = writeln!(problems, "  {mention} names the provider {}; that belongs in its own folders", descriptor.name);
        }
    }
    unregistered(files, problems);
    Ok(())
}

/// The Rust files of all rooms with their code: no comments, no test modules.
fn sources(root: &Path, files: &[String]) -> Result<Vec<(String, Vec<String>)>> {
    let rust = files.iter().filter(|file| file.ends_with(".rs"));
    rust.map(|file| {
        let text = match std::fs::read_to_string(root.join(file)) {
            // Deleted, but git has not been told yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| file.clone())?,
        };
        Ok((file.clone(), code_of(&text)))
    })
    .collect()
}

/// Line by line, so that the numbers stay, up to the tests: a module of tests comes last in its file.
fn code_of(text: &str) -> Vec<String> {
    let mut lines = text.lines().peekable();
    let mut code = Vec::new();
    while let Some(line) = lines.next() {
        let module = lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if line == "#[cfg(test)]" && module {
            break;
        }
        code.push(without_comment(line).trim_end().to_owned());
    }
    code
}

/// `//` in an address (`https://`) begins no comment.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line[from..].find("//").map(|at| at + from) {
        if !line[..at].ends_with(':') {
            return &line[..at];
        }
        from = at + 2;
    }
    line
}

fn is_test(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    file.contains("/tests/")
        || file.contains("/examples/")
        || file.contains("/conformance/")
        || name.ends_with("tests.rs")
        || name == "testing.rs"
        || TEST_ROOMS.iter().any(|room| file.starts_with(room))
}

/// The places of a provider: its folder here, its simulator, its entry in the shop.
fn is_own(file: &str, name: &str) -> bool {
    file.starts_with(&format!("crates/providers/src/{name}/"))
        || file.starts_with(&format!("crates/simulators/src/{name}/"))
        || file == format!("crates/shop/src/catalog/{name}.rs")
}

/// `file:line` of every line of code that names the provider where it should not.
fn mentions(descriptor: &Descriptor, sources: &[(String, Vec<String>)]) -> Vec<String> {
    let elsewhere =
        sources.iter().filter(|(file, _)| !is_test(file) && !LISTS.contains(&&**file) && !is_own(file, descriptor.name));
    elsewhere
        .flat_map(|(file, code)| {
            let named = code.iter().enumerate().filter(|(_, line)| names(line, descriptor));
            named.map(move |(index, _)| format!("{file}:{}", index + 1))
        })
        .collect()
}

/// Whether a line of code names the provider: by its folder, its `pspType` or its title.
fn names(code: &str, descriptor: &Descriptor) -> bool {
    let (name, psp_type, title) = (descriptor.name, descriptor.psp_type, descriptor.title);
    if name.len() >= PLAIN_NAME_CHARS_MIN && code.to_ascii_lowercase().contains(name) {
        return true;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = |wanted: &str| code.split(|c: char| !is_word(c)).any(|word| word == wanted);
    // Quoted, a part of an address, a module.
    let placed = code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let ends = !after.starts_with(is_word);
        let quoted = before.ends_with('"') && after.starts_with('"');
        let in_path = before.ends_with('/') && ends;
        let module = before.ends_with("::") && ends || !before.ends_with(is_word) && after.starts_with("::");
        quoted || in_path || module
    });
    word(psp_type) || placed || (title.contains(' ') && code.contains(title))
}

/// Lines of code: comments and empty lines are welcome.
fn folder_lines(name: &str, sources: &[(String, Vec<String>)]) -> usize {
    let folder = format!("crates/providers/src/{name}/");
    let own = sources.iter().filter(|(file, _)| file.starts_with(&folder) && !is_test(file));
    own.map(|(_, code)| code.iter().filter(|line| !line.trim().is_empty()).count()).sum()
}

/// A provider's folder without its line in the registry is never called.
fn unregistered(files: &[String], problems: &mut String) {
    for file in files {
        let folder = file.strip_prefix("crates/providers/src/").and_then(|rest| rest.strip_suffix("/README.md"));
        if let Some(name) = folder
            && providers::by_name(name).is_none()
        {
            let _ = writeln!(problems, "  provider {name} is not in the registry");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the files, checks them, and answers the complaints.
    fn complaints(files: &[(&str, String)]) -> String {
        let root = tempfile::tempdir().unwrap();
        let mut known = Vec::new();
        for (file, text) in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            known.push((*file).to_owned());
        }
        // Deleted without git being told.
        known.push("crates/engine/src/gone.rs".to_owned());
        let mut problems = String::new();
        check(root.path(), &known, &mut problems).unwrap();
        problems
    }

    /// Every form of a second mention of every provider, planted in every room.
    #[test]
    fn a_second_mention_is_found() {
        for provider in providers::all() {
            let Descriptor { name, psp_type, title, .. } = *provider.descriptor();
            let planted = [
                format!("    if method.psp_type == \"{psp_type}\" {{"),
                format!("    let folder = \"{name}\";"),
                format!("    let address = format!(\"{{base}}/callbacks/{name}/{{token}}\");"),
                format!("    let address = \"https://gw.example/callbacks/{name}\";"),
                format!("    {name}::begin(task);"),
                format!("use providers::{name};"),
                format!("    const CODE: &str = r#\"{{\"pspType\":\"{psp_type}\"}}\"#;"),
            ];
            for line in planted {
                for room in ["domain", "engine", "http", "store", "mozarto", "shop", "simulators", "providers", "backoffice"] {
                    let file = format!("crates/{room}/src/planted.rs");
                    let found = complaints(&[(&file, format!("//! A file.\n\n{line}\n"))]);
                    assert!(found.contains(&format!("{file}:3 names the provider {name};")), "{room}, {line}: {found}");
                }
            }
            if title.contains(' ') || name.len() >= PLAIN_NAME_CHARS_MIN {
                let found = complaints(&[("crates/engine/src/a.rs", format!("const TITLE: &str = \"{title}\";\n"))]);
                assert!(found.contains("crates/engine/src/a.rs:1"), "{found}");
            }
        }
    }

    #[test]
    fn its_own_places_may_name_it() {
        for provider in providers::all() {
            let Descriptor { name, psp_type, .. } = *provider.descriptor();
            let line = format!("const A: (&str, &str) = (\"{psp_type}\", \"{name}\");\n");
            let own = [
                format!("crates/providers/src/{name}/mod.rs"),
                format!("crates/simulators/src/{name}/page.rs"),
                format!("crates/shop/src/catalog/{name}.rs"),
                format!("crates/mozarto/tests/triggers_{name}.rs"),
                "crates/engine/src/flow/tests.rs".to_owned(),
                "crates/engine/src/flow/tests/late.rs".to_owned(),
                "crates/testkit/src/client.rs".to_owned(),
            ];
            let mut files: Vec<(&str, String)> = own.iter().map(|file| (&**file, line.clone())).collect();
            files.extend(LISTS.map(|list| (list, line.clone())));
            files.push((
                "crates/engine/src/a.rs",
                format!("//! As {psp_type} has it.\nconst A: u8 = 1; // {name}\n#[cfg(test)]\nmod tests {{\n{line}}}\n"),
            ));
            assert_eq!(complaints(&files), "");
        }
    }

    #[test]
    fn a_word_that_is_also_a_name_is_no_mention() {
        let short = providers::all().iter().map(|provider| provider.descriptor()).filter(|d| d.name.len() < PLAIN_NAME_CHARS_MIN);
        for descriptor in short {
            for code in [
                format!("    let nu{}us = Some({});", descriptor.name, descriptor.name),
                format!("    --auth={} ", descriptor.name),
            ] {
                assert!(!names(&code, descriptor), "{code}");
            }
        }
    }

    #[test]
    fn lines_are_counted_without_tests_and_limited() {
        let provider = providers::all()[0].descriptor();
        let folder = format!("crates/providers/src/{}", provider.name);
        let code = |lines: usize| "    call();\n    // why\n\n".repeat(lines);
        let (module, wire, tests) = (format!("{folder}/mod.rs"), format!("{folder}/wire.rs"), format!("{folder}/tests.rs"));
        let half = LINES_MAX / 2;
        assert_eq!(complaints(&[(&module, code(half)), (&wire, code(half)), (&tests, code(LINES_MAX))]), "");
        let found = complaints(&[(&module, code(half)), (&wire, code(half + 1))]);
        assert!(found.contains(&format!("{} lines without tests; at most {LINES_MAX}", LINES_MAX + 1)), "{found}");
    }

    #[test]
    fn a_folder_that_nobody_registered_is_found() {
        let found = complaints(&[("crates/providers/src/nobodys/README.md", "# Nobody's\n".to_owned())]);
        assert!(found.contains("provider nobodys is not in the registry"), "{found}");
    }
}
