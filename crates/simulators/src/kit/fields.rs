//! A request's JSON object as it was sent: number literals stay the text that they are, so that no binary float
//! comes near an amount.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// An object of raw JSON values. Nested members are named with points: `customer.email`.
pub(crate) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Reads a JSON object; `None` when it is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }

    /// The pairs of a form, each a JSON string.
    pub(crate) fn of_pairs(pairs: Vec<(String, String)>) -> Option<Self> {
        let raw = |text: String| serde_json::value::to_raw_value(&text).ok();
        pairs.into_iter().map(|(name, value)| Some((name, raw(value)?))).collect::<Option<_>>().map(Self)
    }

    /// The literal of a member as it was sent, quotes included; `None` when it is absent or `null`.
    pub(crate) fn literal(&self, path: &str) -> Option<String> {
        if let Some((outer, inner)) = path.split_once('.') {
            return Self::read(self.0.get(outer)?.get().as_bytes())?.literal(inner);
        }
        self.0.get(path).map(|raw| raw.get().to_owned()).filter(|literal| literal != "null")
    }

    /// A member's text; `None` when it is absent, empty or no string.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        serde_json::from_str::<String>(&self.literal(path)?).ok().filter(|text| !text.is_empty())
    }

    /// Whether a member is there: not `null` and not `""` (`false` and `0` are).
    pub(crate) fn has(&self, path: &str) -> bool {
        self.literal(path).is_some_and(|literal| literal != "\"\"")
    }

    /// The members of an array of objects; `None` when it is absent or something else.
    pub(crate) fn objects(&self, path: &str) -> Option<Vec<Self>> {
        let objects: Vec<BTreeMap<String, Box<RawValue>>> = serde_json::from_str(&self.literal(path)?).ok()?;
        Some(objects.into_iter().map(Self).collect())
    }
}

/// A number literal for an answer; `null` for what is no JSON.
pub(crate) fn number(literal: &str) -> Box<RawValue> {
    RawValue::from_string(literal.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_they_were_written() {
        let fields = Fields::read(br#"{"a":10.50,"b":{"c":"x","d":""},"e":null,"f":false,"g":[{"h":1}]}"#).unwrap();
        assert_eq!(fields.literal("a").as_deref(), Some("10.50"));
        assert_eq!((fields.text("b.c").as_deref(), fields.text("a")), (Some("x"), None));
        assert!(fields.has("f") && fields.has("b") && !fields.has("b.d") && !fields.has("e") && !fields.has("b.c.d"));
        assert_eq!(fields.objects("g").unwrap()[0].literal("h").as_deref(), Some("1"));
        assert!(Fields::read(b"[]").is_none());
        assert_eq!((number("50.0").get(), number("5x").get()), ("50.0", "null"));
    }
}
