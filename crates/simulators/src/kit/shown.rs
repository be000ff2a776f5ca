//! How texts come onto a page: escaped as HTML, and what would act there - control characters, marks that turn the direction of writing - is shown instead.

use askama::filters::{Escaper, Html};
use std::fmt::{self, Write};

/// The escaper of all templates (`askama.toml`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown;

impl Escaper for Shown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        let mut rest = string;
        while let Some(at) = rest.find(acts) {
            Html.write_escaped_str(&mut dest, &rest[..at])?;
            let c = rest[at..].chars().next().unwrap_or_default();
            write!(dest, "\\u{{{:x}}}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        Html.write_escaped_str(dest, rest)
    }
}

/// Whether the character does something instead of being seen. Line ends and tabs may.
fn acts(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_page() {
        let mut page = String::new();
        Shown.write_escaped_str(&mut page, "<a>\u{1b}[2J\u{202e}\u{9b}x\n&é").unwrap();
        assert!(!page.contains(acts) && !page.contains('<'), "{page}");
        assert!(page.contains("\\u{202e}") && page.contains('\n') && page.ends_with('é'), "{page}");
    }
}
