//! Comparing a whole JSON document with the one that the contract prints: every member, its type, and its literal where that is
//! fixed.
//!
//! The expected document is JSON too. What differs from call to call stands in it as a text in angle brackets:
//! `<id>` 24 lower-case hex digits, `<uuid>`, `<time>` RFC 3339 UTC, `<date>` YYYY-MM-DD, `<url>` http(s), `<ip>`, `<decimal>` a
//! text of digits with a point, `<text>` any text but the empty one, `<string>` any text, `<number>`, `<object>`, `<any>`.
//! A member whose name ends in `?` may be absent. Members that are not expected are differences.

use serde_json::Value;

/// Everything in which `actual` is not `expected`, one sentence each.
pub fn differences(actual: &Value, expected: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", actual, expected, &mut found);
    found
}

/// [`differences`] as an error.
///
/// # Errors
/// When there are any; the document is in the error.
pub fn same_shape(actual: &Value, expected: &Value) -> anyhow::Result<()> {
    let found = differences(actual, expected);
    if found.is_empty() {
        return Ok(());
    }
    anyhow::bail!("{}; the answer: {actual}", found.join("; "))
}

fn compare(at: &str, actual: &Value, expected: &Value, found: &mut Vec<String>) {
    let here = if at.is_empty() { "the document" } else { at };
    match (actual, expected) {
        (_, Value::String(pattern)) if is_pattern(pattern) => {
            if !fits(actual, pattern) {
                found.push(format!("{here} is {actual} instead of {pattern}"));
            }
        }
        (Value::Object(actual), Value::Object(expected)) => {
            for (name, wanted) in expected {
                let plain = name.strip_suffix('?').unwrap_or(name);
                match actual.get(plain) {
                    Some(value) => compare(&format!("{at}/{plain}"), value, wanted, found),
                    None if plain == name => found.push(format!("{at}/{plain} is missing")),
                    None => {}
                }
            }
            for name in actual.keys() {
                if !expected.contains_key(name) && !expected.contains_key(&format!("{name}?")) {
                    found.push(format!("{at}/{name} should not be there"));
                }
            }
        }
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => {
            for (n, (value, wanted)) in actual.iter().zip(expected).enumerate() {
                compare(&format!("{at}/{n}"), value, wanted, found);
            }
        }
        _ if actual == expected => {}
        _ => found.push(format!("{here} is {actual} instead of {expected}")),
    }
}

fn is_pattern(text: &str) -> bool {
    let word = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    word.is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn fits(actual: &Value, pattern: &str) -> bool {
    let text = actual.as_str();
    let is = |check: fn(&str) -> bool| text.is_some_and(check);
    match pattern {
        "<any>" => true,
        "<number>" => actual.is_number(),
        "<object>" => actual.is_object(),
        "<string>" => text.is_some(),
        "<text>" => is(|text| !text.is_empty()),
        "<id>" => is(|text| text.len() == 24 && is_lower_hex(text)),
        "<uuid>" => is(|text| is_like(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")),
        "<time>" => is(|text| text.len() >= 20 && text.ends_with('Z') && is_like(&text[..19], "dddd-dd-ddTdd:dd:dd")),
        "<date>" => is(|text| is_like(text, "dddd-dd-dd")),
        "<url>" => is(|text| text.starts_with("http://") || text.starts_with("https://")),
        "<ip>" => is(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "<decimal>" => is(|text| text.split_once('.').is_some_and(|(whole, part)| is_digits(whole) && is_digits(part))),
        other => panic!("there is no pattern {other}"),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `d` is a digit, `x` a lower-case hex digit, everything else itself.
fn is_like(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_is_the_same() {
        let actual = json!({"a": 10, "id": "64a1f2b3c4d5e6f7a8b9c0d1", "list": [1, {"b": null}], "s": "60a74038-5b94-427e-8cff-abc123abc123"});
        let expected = json!({"a": 10, "id": "<id>", "list": [1, {"b": null}], "s": "<uuid>", "may?": 1});
        assert_eq!(differences(&actual, &expected), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let cases = [
            (json!({"a": 1}), json!({"a": 2}), "/a is 1 instead of 2"),
            (json!({"a": "10"}), json!({"a": 10}), "/a is \"10\" instead of 10"),
            (json!({}), json!({"a": 2}), "/a is missing"),
            (json!({"a": 1, "b": 1}), json!({"a": 1}), "/b should not be there"),
            (json!({"a": {"b": [1]}}), json!({"a": {"b": [1, 2]}}), "/a/b is [1] instead of [1,2]"),
            (json!({"a": 1}), json!({"a?": 2}), "/a is 1 instead of 2"),
            (
                json!({"a": "64A1F2B3C4D5E6F7A8B9C0D1"}),
                json!({"a": "<id>"}),
                "/a is \"64A1F2B3C4D5E6F7A8B9C0D1\" instead of <id>",
            ),
            (json!({"a": "2026-05-17 09:32:57"}), json!({"a": "<time>"}), "/a is \"2026-05-17 09:32:57\" instead of <time>"),
            (json!("x"), json!({"a": 1}), "the document is \"x\" instead of {\"a\":1}"),
        ];
        for (actual, expected, sentence) in cases {
            assert_eq!(differences(&actual, &expected), vec![sentence.to_owned()]);
        }
    }

    #[test]
    fn patterns_hold_and_refuse() {
        let cases = [
            ("<time>", "2026-05-17T09:32:57.123Z", "2026-05-17T09:32:57+00:00"),
            ("<date>", "2026-05-17", "17.05.2026"),
            ("<url>", "http://127.0.0.1:1/", "ftp://x"),
            ("<ip>", "::1", "localhost"),
            ("<decimal>", "65419.3380", "65419"),
            ("<text>", "x", ""),
            ("<uuid>", "60a74038-5b94-427e-8cff-abc123abc123", "60a74038-5b94-427e-8cff-abc123"),
        ];
        for (pattern, good, bad) in cases {
            assert!(differences(&json!(good), &json!(pattern)).is_empty(), "{pattern} {good}");
            assert_eq!(differences(&json!(bad), &json!(pattern)).len(), 1, "{pattern} {bad}");
        }
    }
}
