//! What the product says of its providers: the table in the top README, and a page per provider in `docs/providers`. Both are
//! made here, with `UPDATE_README=1`.

use super::data;
use crate::testing::folder;
use crate::{all, docs};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A copy of the published table (Cashier API, section 1).
const PUBLISHED: &str = include_str!("published_table.md");
const BEGIN: &str = "<!-- providers: made from the registry -->\n";
const END: &str = "<!-- end of providers -->";
/// How to make what is compared.
const HOW: &str = "out of date; run: UPDATE_README=1 cargo nextest run -p mozarto-providers conformance";

fn product() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn updating() -> bool {
    std::env::var_os("UPDATE_README").is_some()
}

/// The row of each published provider is the published one, word for word; they come in the published order, whoever else comes
/// after them.
#[test]
fn rows_are_the_published_ones() {
    let published: Vec<&str> = PUBLISHED.lines().skip(2).collect();
    assert_eq!(published.len(), 10);
    let made = docs::matrix();
    assert_eq!(made.lines().take(2).collect::<Vec<_>>(), PUBLISHED.lines().take(2).collect::<Vec<_>>());
    let place = |psp_type: &str| published.iter().position(|row| row.contains(&format!("| `{psp_type}` |")));
    let mut places = Vec::new();
    for provider in all() {
        let descriptor = provider.descriptor();
        let place = place(descriptor.psp_type);
        if let Some(place) = place {
            let name = descriptor.name;
            assert_eq!(docs::matrix_line(*provider), published[place], "{name}: say it in `Provider::matrix_row`");
        }
        places.push(place.unwrap_or(usize::MAX));
    }
    assert!(places.is_sorted(), "registry.rs has them in the published order, others at the end");
}

#[test]
fn the_top_readme_shows_the_registry() {
    let path = product().join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("README.md has the mark where the table begins");
    let (shown, after) = rest.split_once(END).expect("README.md has the mark where the table ends");
    let made = format!("\n{}\n", docs::matrix());
    if updating() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
    } else {
        assert!(shown == made, "README.md: {HOW}");
    }
}

#[test]
fn every_provider_has_its_page() {
    let pages = product().join("docs/providers");
    for provider in all() {
        let name = provider.descriptor().name;
        let readme = std::fs::read_to_string(folder(*provider).join("README.md")).unwrap();
        // The README's own tables are made by another test, perhaps just now.
        let (before, rest) = readme.split_once(data::BEGIN).expect("the README's tables");
        let (_, after) = rest.split_once(data::END).expect("the end of the README's tables");
        assert!(after.contains("\n## Trigger amounts"), "{name}: its README ends with its trigger amounts");
        let readme = format!("{before}{}{after}", docs::tables(provider.descriptor()));
        let (path, made) = (pages.join(format!("{name}.md")), docs::page(*provider, &readme));
        if updating() {
            std::fs::create_dir_all(&pages).unwrap();
            std::fs::write(&path, made).unwrap();
        } else {
            assert!(std::fs::read_to_string(&path).unwrap_or_default() == made, "docs/providers/{name}.md: {HOW}");
        }
    }
    let there: BTreeSet<String> =
        std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let due: BTreeSet<String> = all().iter().map(|provider| format!("{}.md", provider.descriptor().name)).collect();
    assert_eq!(there, due, "docs/providers: a page per provider and no other");
}
