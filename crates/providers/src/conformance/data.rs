//! The descriptor as data: sane, documented, and the same as the folder and the README.

use crate::descriptor::{FieldRule, OperationSpec, Setting, SettingRule, Signal};
use crate::testing::{folder, json};
use crate::{Descriptor, all, by_name, by_psp_type, docs};
use domain::Operation;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn descriptors() -> impl Iterator<Item = &'static Descriptor> {
    all().iter().map(|provider| provider.descriptor())
}

fn operations(descriptor: &'static Descriptor) -> impl Iterator<Item = (Operation, &'static OperationSpec)> {
    [Operation::PayIn, Operation::PayOut].into_iter().filter_map(|operation| Some((operation, descriptor.operation(operation)?)))
}

#[test]
fn folders_and_registry_are_the_same() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders: BTreeSet<String> = std::fs::read_dir(source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("fixtures").is_dir() || path.join("README.md").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let registered: BTreeSet<String> = descriptors().map(|descriptor| descriptor.name.to_owned()).collect();
    assert_eq!(folders, registered);
    assert_eq!(all().len(), registered.len(), "no provider twice");
    let codes: BTreeSet<&str> = descriptors().map(|descriptor| descriptor.psp_type).collect();
    assert_eq!(codes.len(), all().len());
    for descriptor in descriptors() {
        assert_eq!(by_name(descriptor.name).unwrap().descriptor().psp_type, descriptor.psp_type);
        assert_eq!(by_psp_type(descriptor.psp_type).unwrap().descriptor().name, descriptor.name);
    }
}

#[test]
fn descriptors_are_sane() {
    for descriptor in descriptors() {
        let name = descriptor.name;
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{name}: part of addresses");
        assert!(descriptor.psp_type.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{name}");
        assert!(!descriptor.title.is_empty() && !descriptor.kind.is_empty(), "{name}");
        assert!(descriptor.pay_in.is_some() || descriptor.pay_out.is_some(), "{name} does something");
        assert!(!descriptor.release_again || descriptor.pay_out.is_some(), "{name}");
        let (connect, answer) = (descriptor.limits.connect_ms, descriptor.limits.answer_ms);
        assert!((1_000..=10_000).contains(&connect) && (5_000..=65_000).contains(&answer), "{name}");
        assert!(descriptor.not_found_after_s >= if descriptor.assumed_protocol.is_some() { 86_400 } else { 900 }, "{name}");
        for base in [descriptor.base_urls.sandbox, descriptor.base_urls.production].into_iter().flatten() {
            assert!(base.starts_with("https://") && !base.ends_with('/'), "{name}");
        }
        assert!(!descriptor.base_urls.simulator_path.ends_with('/'), "{name}");
    }
}

#[test]
fn names_are_unique_and_documented() {
    for descriptor in descriptors() {
        let name = descriptor.name;
        let settings = descriptor
            .settings
            .iter()
            .map(|setting| setting.name)
            .chain(descriptor.setting_aliases.iter().map(|alias| alias.alias));
        unique(name, settings);
        for setting in descriptor.settings {
            assert!(!setting.meaning.is_empty(), "{name}: {}", setting.name);
        }
        for alias in descriptor.setting_aliases {
            assert!(descriptor.settings.iter().any(|setting| setting.name == alias.setting), "{name}: {}", alias.alias);
        }
        assert!(descriptor.settings.iter().any(|setting| setting.secret), "{name} signs in somehow");
        let may_be_elsewhere = |setting: &Setting| matches!(setting.rule, SettingRule::BaseUrl);
        assert!(descriptor.settings.iter().any(may_be_elsewhere), "{name} can be simulated");
        let known = |other: &str| descriptor.settings.iter().any(|setting| setting.name == other);
        assert!(descriptor.settings.iter().filter_map(|setting| setting.together_with).all(known), "{name}");
        let webhook = descriptor.settings.iter().any(|setting| setting.name == "webhookUrl");
        assert_eq!(webhook, descriptor.webhooks, "{name}");
        unique(name, descriptor.statuses.iter().map(|row| row.word));
        for (_, spec) in operations(descriptor) {
            unique(name, spec.fields.iter().map(|field| field.name));
            for needed in ["baseamount", "currency", "userId", "email"] {
                assert!(spec.fields.iter().any(|field| field.name == needed), "{name} lists {needed}");
            }
        }
        if let Some(single) = descriptor.single_use_field {
            let secret = operations(descriptor).any(|(_, spec)| {
                spec.fields.iter().any(|field| field.name == single.field && matches!(field.rule, FieldRule::OwnSecret(_)))
            });
            assert!(secret, "{name}: {}", single.field);
        }
    }
}

fn unique<'a>(provider: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(seen.insert(name.to_ascii_lowercase()), "{provider}: {name} twice");
    }
}

#[test]
fn error_tables_end_with_anything_else() {
    for descriptor in descriptors() {
        let (last, rows) = descriptor.errors.split_last().unwrap();
        assert!(matches!(last.signal, Signal::Otherwise), "{}", descriptor.name);
        assert!(rows.iter().all(|row| !matches!(row.signal, Signal::Otherwise)), "{}", descriptor.name);
        assert!(
            descriptor.errors.windows(2).all(|pair| pair[0].row <= pair[1].row),
            "{}: in the order of the sheet",
            descriptor.name
        );
    }
}

#[test]
fn examples_name_their_provider() {
    for descriptor in descriptors() {
        for (operation, spec) in operations(descriptor) {
            let example = json(spec.example);
            assert_eq!(example.str_at("pspType"), Some(descriptor.psp_type));
            assert_eq!(example.str_at("type"), Some(operation.as_str()));
        }
    }
}

pub(super) const BEGIN: &str = "<!-- tables: made from the descriptor -->\n";
pub(super) const END: &str = "<!-- end of tables -->";

/// With `UPDATE_README=1` the tables are written anew.
#[test]
fn readmes_show_the_descriptor() {
    for provider in all() {
        let descriptor = provider.descriptor();
        let path = folder(*provider).join("README.md");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{} has no tables", path.display()));
        let (shown, after) = rest.split_once(END).unwrap();
        let tables = docs::tables(descriptor);
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
        } else {
            assert_eq!(shown, tables, "{}: run with UPDATE_README=1", path.display());
        }
        assert!(before.starts_with(&format!("# {}\n", descriptor.title)));
    }
}
