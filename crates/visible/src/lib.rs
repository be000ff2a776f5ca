//! Texts of strangers on terminals and pages: control characters and what turns the direction of writing are shown, never obeyed.
//!
//! It knows nothing of the product, so that those may use it too who share nothing else with it.

use std::borrow::Cow;

#[cfg(feature = "pages")]
mod pages;
#[cfg(feature = "pages")]
pub use pages::Shown;

/// Whether the character does something instead of being seen: controls (also C1 and DEL), separators of lines and paragraphs,
/// marks, embeddings, overrides and isolates of the writing direction, byte order marks. Joiners within words and emoji are
/// letters of their languages.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// The text with such characters as `\u202e`: as JSON writes them, so that a JSON line means what it meant. `kept`: characters
/// that may act (line ends).
pub fn visible<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let shown = |c: char| acts(c) && !kept.contains(&c);
    if !text.contains(shown) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if shown(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                seen.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            seen.push(c);
        }
    }
    Cow::Owned(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts() {
        let text = "a\u{1b}[31mb\u{9b}2J\r\nc\u{202e}d\u{2066}\u{feff}\u{7f}é\u{200d}漢";
        let seen = visible(text, &['\n']);
        assert_eq!(seen, "a\\u001b[31mb\\u009b2J\\u000d\nc\\u202ed\\u2066\\ufeff\\u007fé\u{200d}漢");
        assert_eq!(visible("plain é\n", &['\n']), "plain é\n");
        let json = "{\"a\":\"x\u{202e}\u{9b}y\"}".to_owned();
        let read: serde_json::Value = serde_json::from_str(&visible(&json, &[])).unwrap();
        assert_eq!(read["a"], "x\u{202e}\u{9b}y");
    }
}
