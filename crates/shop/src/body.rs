//! The JSON of a Cashier call: a tree whose numbers are the literals that the person typed.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// Digits, sign and point of a number literal, at most; the platform takes 15 significant digits.
const NUMBER_LITERAL_MAX: usize = 40;

/// One value of the body.
#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Flag(bool),
    /// A JSON number, byte for byte as typed.
    Number(Box<RawValue>),
    /// In the order in which the members were put.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// A number if `text` is a JSON number without exponent, else the text itself: what is wrong with it is the
    /// platform's to say, in its own words.
    pub(crate) fn number_or_text(text: &str) -> Node {
        match RawValue::from_string(text.to_owned()) {
            Ok(literal) if is_plain_number(text) => Node::Number(literal),
            _ => Node::Text(text.to_owned()),
        }
    }

    /// Puts `value` at `path`, whose dots are objects inside one another (`address.city`).
    pub(crate) fn put(&mut self, path: &str, value: Node) {
        let Node::Object(members) = self else { return };
        match path.split_once('.') {
            None => members.push((path.to_owned(), value)),
            Some((head, rest)) => {
                let at = match members.iter().position(|(name, _)| name == head) {
                    Some(at) => at,
                    None => {
                        members.push((head.to_owned(), Node::Object(Vec::new())));
                        members.len() - 1
                    }
                };
                members[at].1.put(rest, value);
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Text(text) => serializer.serialize_str(text),
            Node::Flag(flag) => serializer.serialize_bool(*flag),
            Node::Number(literal) => literal.serialize(serializer),
            Node::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

fn is_plain_number(text: &str) -> bool {
    text.len() <= NUMBER_LITERAL_MAX
        && text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        serde_json::to_string(&Node::number_or_text(text)).expect("JSON")
    }

    #[test]
    fn a_number_keeps_its_literal() {
        for literal in ["100.00", "0.10", "-5", "0", "90071992547409931234.56"] {
            assert_eq!(written(literal), literal);
        }
    }

    #[test]
    fn what_is_no_plain_number_goes_as_text() {
        for text in ["", "abc", "1e2", "007", "1,5", "+1", " 1", "NaN", "1.", ".5", "0x10", "--1", "null", "[1]"] {
            assert_eq!(written(text), format!("\"{text}\""));
        }
        let long = "1".repeat(NUMBER_LITERAL_MAX + 1);
        assert_eq!(written(&long), format!("\"{long}\""));
    }

    #[test]
    fn dots_are_objects() {
        let mut body = Node::Object(Vec::new());
        body.put("a", Node::Flag(true));
        body.put("address.city", Node::Text("Berlin".to_owned()));
        body.put("address.geo.zone", Node::number_or_text("1.50"));
        assert_eq!(serde_json::to_string(&body).expect("JSON"), r#"{"a":true,"address":{"city":"Berlin","geo":{"zone":1.50}}}"#);
    }
}
