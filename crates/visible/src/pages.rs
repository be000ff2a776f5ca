//! How texts come onto a page: escaped as HTML, and what would act there is shown.

use crate::visible;
use askama::filters::{Escaper, Html};
use std::fmt::{self, Write};

/// Line ends and tabs may act.
const KEPT: [char; 3] = ['\n', '\r', '\t'];

/// An escaper of templates (`askama.toml`).
#[derive(Debug, Clone, Copy)]
pub struct Shown;

impl Escaper for Shown {
    fn write_escaped_str<W: Write>(&self, dest: W, string: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &visible(string, &KEPT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_page() {
        let mut page = String::new();
        Shown.write_escaped_str(&mut page, "<a>\u{1b}[2J\u{202e}\u{9b}x\n&é").unwrap();
        assert!(!page.contains(|c| crate::acts(c) && !KEPT.contains(&c)) && !page.contains('<'), "{page}");
        assert!(page.contains("\\u202e") && page.contains('\n') && page.ends_with('é'), "{page}");
    }
}
