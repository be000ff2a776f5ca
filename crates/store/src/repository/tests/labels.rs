//! Every label of a guard or an insert is a constant, and no two constants say the same: whoever matches one cannot mean another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/repository");
/// What takes a label as its first argument.
const LABELLED: [&str; 3] = ["batch.guard(", "batch.insert(", ".label("];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The names that a source gives as labels.
fn names(source: &str) -> impl Iterator<Item = &str> {
    let after = |call: &'static str| source.split(call).skip(1);
    LABELLED.into_iter().flat_map(after).map(|rest| rest.split([',', ')']).next().unwrap_or_default().trim())
}

#[test]
fn every_label_is_a_constant_and_each_says_something_else() {
    let mut files = Vec::new();
    sources(Path::new(REPOSITORY), &mut files);
    let mut said: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files.into_iter().filter(|file| !file.iter().any(|part| part == "tests")) {
        let source = std::fs::read_to_string(&file).unwrap();
        let mut constants: Vec<&str> = names(&source).collect();
        constants.sort_unstable();
        constants.dedup();
        for name in constants {
            let constant = format!("const {name}: &str = \"");
            let text = source.split_once(&constant).and_then(|(_, rest)| rest.split_once('"')).map(|(text, _)| text);
            let text = text.unwrap_or_else(|| panic!("{}: {name} is no constant of this file", file.display()));
            if let Some(other) = said.insert(text.to_owned(), file.clone()) {
                panic!("{} and {} both say \"{text}\"", other.display(), file.display());
            }
        }
    }
    assert!(said.len() >= 20, "{said:?}");
}
