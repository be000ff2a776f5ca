//! JSON with its number literals kept exactly as they were written, and with duplicate keys refused.
//!
//! Amounts must never pass through a binary float (Cashier API, section 1), and a duplicate key means two readers may see two
//! amounts.

use crate::limits::JSON_DEPTH_MAX;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroize;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Box<str>),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object in the order it was written; no key twice.
    Object(Vec<(String, Json)>),
}

/// Why bytes are not a value that we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all.
    #[error("not valid JSON")]
    Syntax,
    /// A key stands twice in one object.
    #[error("a key is there twice")]
    DuplicateKey,
    /// A text holds U+0000, which no store keeps and no provider means.
    #[error("a text holds U+0000")]
    Nul,
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    #[error("nested too deep")]
    TooDeep,
}

/// An object read one level deep: its values still as written.
struct Level<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Level<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Level<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Level<'de>, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Level(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl Json {
    /// Reads a whole document.
    ///
    /// # Errors
    /// [`JsonError`] when the bytes are not UTF-8 JSON, hold a key twice in one object, or nest too deep.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(|_| JsonError::Syntax)?;
        Self::read(raw, 0)
    }

    /// Overwrites every text in it: for documents that may hold a card.
    pub fn wipe(&mut self) {
        match self {
            Self::String(text) => text.zeroize(),
            Self::Number(literal) => literal.zeroize(),
            Self::Array(items) => items.iter_mut().for_each(Self::wipe),
            Self::Object(pairs) => {
                for (name, value) in pairs {
                    name.zeroize();
                    value.wipe();
                }
            }
            Self::Null | Self::Bool(_) => {}
        }
    }

    fn read(raw: &RawValue, depth: usize) -> Result<Self, JsonError> {
        if depth > JSON_DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        let text = raw.get();
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let Level(pairs) = serde_json::from_str(text).map_err(|_| JsonError::Syntax)?;
                if pairs.iter().any(|(key, _)| key.contains('\0')) {
                    return Err(JsonError::Nul);
                }
                let mut object: Vec<(String, Json)> = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    let value = Self::read(value, depth + 1)?;
                    object.push((key, value));
                }
                // Sorting references keeps this n log n for a body that is one huge flat object.
                let mut keys: Vec<&str> = object.iter().map(|(key, _)| key.as_str()).collect();
                keys.sort_unstable();
                if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Err(JsonError::DuplicateKey);
                }
                Self::Object(object)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| JsonError::Syntax)?;
                Self::Array(items.into_iter().map(|item| Self::read(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(text).map_err(|_| JsonError::Syntax)?;
                if text.contains('\0') {
                    return Err(JsonError::Nul);
                }
                Self::String(text)
            }
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            Some(_) => Self::Number(text.into()),
            None => return Err(JsonError::Syntax),
        };
        Ok(value)
    }

    /// An object from pairs, in that order. The keys must differ.
    pub fn object<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Json)>) -> Self {
        Self::Object(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// The member of that name; `None` where there is none or this is no object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Sets a member of an object, in place where it exists, else at the end. Anything but an object stays as it is.
    pub fn set(&mut self, key: &str, value: Json) {
        if let Self::Object(pairs) = self {
            match pairs.iter_mut().find(|(name, _)| name == key) {
                Some(pair) => pair.1 = value,
                None => pairs.push((key.to_owned(), value)),
            }
        }
    }

    /// Takes a member out of an object.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        match self {
            Self::Object(pairs) => {
                let at = pairs.iter().position(|(name, _)| name == key)?;
                Some(pairs.remove(at).1)
            }
            _ => None,
        }
    }

    /// The text of a text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The literal of a number.
    pub fn as_number(&self) -> Option<&str> {
        match self {
            Self::Number(literal) => Some(literal),
            _ => None,
        }
    }

    /// A text's text or a number's literal: providers write ids and codes either way.
    pub fn as_scalar(&self) -> Option<&str> {
        self.as_str().or_else(|| self.as_number())
    }

    /// The items of a list.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&[(String, Json)]> {
        match self {
            Self::Object(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// The text of the member of that name, where it is a text.
    pub fn str_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// The document, compact.
    pub fn to_text(&self) -> String {
        // Numbers were read by the parser or made from exact decimals, so that this cannot fail; `null` would be the visible sign
        // of a defect.
        serde_json::to_string(self).unwrap_or_else(|_| "null".to_owned())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value.to_string().into())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(literal) => {
                RawValue::from_string(literal.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_survive() {
        let text = r#"{"a":100.00,"b":[1e2,-0.10,12345678901234567890],"c":"x\u00e9","d":{"e":null,"f":true}}"#;
        let value = Json::parse(text.as_bytes()).unwrap();
        assert_eq!(value.get("a").and_then(Json::as_number), Some("100.00"));
        assert_eq!(value.to_text(), text.replace("\\u00e9", "é"));
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"b":0,"\u0061":2}}"#] {
            assert_eq!(Json::parse(bad.as_bytes()), Err(JsonError::DuplicateKey), "{bad}");
        }
        for bad in ["", "{", "{}x", "nul", "[1,]", "{'a':1}", "\u{feff}{}", "01", "NaN"] {
            assert_eq!(Json::parse(bad.as_bytes()), Err(JsonError::Syntax), "{bad}");
        }
        assert_eq!(Json::parse(b"\"\xff\""), Err(JsonError::Syntax));
        for bad in [r#"{"a":"\u0000"}"#, r#"{"a\u0000":1}"#, r#"["x\u0000y"]"#] {
            assert_eq!(Json::parse(bad.as_bytes()), Err(JsonError::Nul), "{bad}");
        }
    }

    #[test]
    fn deep_nesting_ends_quickly() {
        let deep = "[".repeat(32_000) + &"]".repeat(32_000);
        assert_eq!(Json::parse(deep.as_bytes()), Err(JsonError::TooDeep));
        let unclosed = "{\"a\":".repeat(10_000);
        assert_eq!(Json::parse(unclosed.as_bytes()), Err(JsonError::Syntax));
    }
}
