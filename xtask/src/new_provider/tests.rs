use super::*;

/// A copy of the files that a new provider is entered in.
fn workspace() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for path in [REGISTRY, PROVIDERS, SIMULATORS] {
        put(root.path(), path, &read(&ours, path).unwrap()).unwrap();
    }
    root
}

fn all_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { all_files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

#[test]
fn it_writes_a_provider_and_enters_it_once() {
    let root = workspace();
    let written = write(root.path(), "example").unwrap();
    assert_eq!(written.len(), FILES.len() + 3);
    let text = |path: &str| read(root.path(), path).unwrap();
    for file in &written {
        let text = text(file);
        assert!(!text.contains("{{name}}") && !text.contains("{{Title}}") && !text.contains("{{CODE}}"), "{file}");
        assert!(!text.contains("todo!") && !text.contains("unimplemented!"), "{file}");
        assert!(text.ends_with('\n'), "{file}");
    }
    assert_eq!(text(REGISTRY).matches("    &crate::example::Example,\n];").count(), 1);
    assert_eq!(text(PROVIDERS).matches("pub mod example;\n").count(), 1);
    assert_eq!(text(SIMULATORS).matches("mod example;\n").count(), 1);
    assert_eq!(text(SIMULATORS).matches("        Box::new(example::Example),\n    ];").count(), 1);
    let position = |word: &str| text(PROVIDERS).find(word).unwrap();
    assert!(
        position("pub mod docs;") < position("pub mod example;") && position("pub mod example;") < position("pub mod fields;")
    );
    assert!(text("crates/providers/src/example/mod.rs").contains("psp_type: \"EXAMPLE\""));
    assert!(text("crates/providers/src/example/README.md").starts_with("# Example\n"));
}

/// What it writes is Rust, in the house's layout, whatever the length of the name; the fixtures are JSON.
#[test]
fn what_it_writes_is_well_formed() {
    let long = "a".repeat(NAME_CHARS_MAX);
    for name in ["ab", "example", "pay24", &long] {
        let root = workspace();
        for file in write(root.path(), name).unwrap() {
            let path = root.path().join(&file);
            if file.ends_with(".json") {
                serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&path).unwrap()).unwrap();
            } else if file.ends_with(".rs") && file.contains(&format!("/{name}/")) {
                let config = "max_width=130,use_small_heuristics=Max,skip_children=true";
                let check =
                    Command::new("rustfmt").args(["--check", "--edition", "2024", "--config", config]).arg(&path).output();
                let output = check.unwrap();
                assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stdout));
            }
        }
    }
}

#[test]
fn a_name_that_cannot_be_one_is_refused_with_a_sentence_and_nothing_is_written() {
    let root = workspace();
    let before = all_files(root.path());
    let taken = providers::all()[0].descriptor().name;
    let long = "a".repeat(NAME_CHARS_MAX + 1);
    let bad = [
        ("", "small letter"),
        ("Example", "small letter"),
        ("my-pay", "small letter"),
        ("my_pay", "small letter"),
        ("2pay", "small letter"),
        ("../pay", "small letter"),
        ("müller", "small letter"),
        (&long, "at most 32"),
        ("match", "word of the language"),
        (taken, "already"),
    ];
    for (name, sentence) in bad {
        let said = format!("{:#}", write(root.path(), name).unwrap_err());
        assert!(said.contains(sentence), "{name:?}: {said}");
    }
    // A module of the room is in the way too.
    put(root.path(), "crates/providers/src/settled.rs", "").unwrap();
    let said = format!("{:#}", write(root.path(), "settled").unwrap_err());
    assert!(said.contains("crates/providers/src/settled.rs is there already"), "{said}");
    std::fs::remove_file(root.path().join("crates/providers/src/settled.rs")).unwrap();
    assert_eq!(all_files(root.path()), before);
    write(root.path(), "example").unwrap();
    assert!(format!("{:#}", write(root.path(), "example").unwrap_err()).contains("is there already"));
}

#[test]
fn without_a_workspace_it_says_so() {
    let nowhere = tempfile::tempdir().unwrap();
    let said = format!("{:#}", write(nowhere.path(), "example").unwrap_err());
    assert!(said.contains("the top of the workspace"), "{said}");
    assert!(all_files(nowhere.path()).is_empty());
}
