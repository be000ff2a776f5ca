//! What a simulator says, with something of it said twice or in other words: what a reader must not believe, or not stumble over.

/// The text with a second value behind every value of that name. `raw`: a value of JSON, a whole element of XML, a field's
/// value of a form.
pub(crate) fn twice(text: &str, name: &str, raw: &str) -> String {
    if !text.trim_start().starts_with(['{', '[', '<']) {
        let has = text.split('&').any(|pair| pair.split('=').next() == Some(name));
        return if has { format!("{text}&{name}={raw}") } else { text.to_owned() };
    }
    with_each(text, name, |whole, is_json| if is_json { format!("{whole},\"{name}\":{raw}") } else { format!("{whole}{raw}") })
}

/// The text with another value in the place of every value of that name. `raw`: as for [`twice`].
pub(crate) fn instead(text: &str, name: &str, raw: &str) -> String {
    with_each(text, name, |_, is_json| if is_json { format!("\"{name}\":{raw}") } else { raw.to_owned() })
}

/// The text with each member of JSON and each element of XML of that name as `write` has it.
fn with_each(text: &str, name: &str, write: impl Fn(&str, bool) -> String) -> String {
    let mut written = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = member(rest, name).map(|end| (end, true)).or_else(|| element(rest, name).map(|end| (end, false)));
        let (whole, after) = rest.split_at(found.map_or(first.len_utf8(), |(end, _)| end));
        match found {
            Some((_, is_json)) => written.push_str(&write(whole, is_json)),
            None => written.push_str(whole),
        }
        rest = after;
    }
    written
}

/// Where the member that the text begins with ends; only texts, numbers and words are values here.
fn member(text: &str, name: &str) -> Option<usize> {
    let value = text.strip_prefix('"')?.strip_prefix(name)?.strip_prefix('"')?.trim_start().strip_prefix(':')?.trim_start();
    let start = text.len() - value.len();
    let length = if let Some(inside) = value.strip_prefix('"') {
        let mut escaped = false;
        1 + 1
            + inside.find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })?
    } else if value.starts_with(['{', '[']) {
        return None;
    } else {
        value.find([',', '}', ']']).unwrap_or(value.len())
    };
    Some(start + length)
}

/// Where the element that the text begins with ends: an empty one, or one to its first closing tag.
fn element(text: &str, name: &str) -> Option<usize> {
    let after = text.strip_prefix('<')?.strip_prefix(name).filter(|after| after.starts_with(['>', ' ', '/']))?;
    let tag_end = text.len() - after.len() + after.find('>')?;
    if text[..tag_end].ends_with('/') {
        return Some(tag_end + 1);
    }
    let close = format!("</{name}>");
    Some(text.find(&close)? + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_twice() {
        for (plain, raw, written) in [
            (r#"{"a":"x\"y","b":1}"#, "2", r#"{"a":"x\"y","a":2,"b":1}"#),
            (r#"{"b":{"a": 1.5}}"#, "null", r#"{"b":{"a": 1.5,"a":null}}"#),
            (r#"{"aa":1,"a":{"c":1}}"#, "2", r#"{"aa":1,"a":{"c":1}}"#),
            ("<r><a>1</a><aa/></r>", "<a>2</a>", "<r><a>1</a><a>2</a><aa/></r>"),
            (r#"<r><a b="1"/></r>"#, r#"<a b="2"/>"#, r#"<r><a b="1"/><a b="2"/></r>"#),
            ("a=1&b=2", "3", "a=1&b=2&a=3"),
            ("b=2", "3", "b=2"),
        ] {
            assert_eq!(twice(plain, "a", raw), written);
        }
    }

    #[test]
    fn values_are_said_otherwise() {
        assert_eq!(instead(r#"{"a":"1","b":[{"a":true}]}"#, "a", "null"), r#"{"a":null,"b":[{"a":null}]}"#);
        assert_eq!(instead("<r><a>1</a></r>", "a", "<a/>"), "<r><a/></r>");
    }
}
