//! Reading Management bodies: strict, and with every problem told at once. A field that is not known is an error here, because a
//! change that silently leaves out what was meant is worse than one that is refused.

use super::error::{AdminError, MISSING};
use domain::{Json, Timestamp};
use providers::identifier::{self, repeated};

/// Most entries of a list inside a body.
pub const BODY_LIST_MAX: usize = 100;

/// The members of a body (or of an object in it) as they are read, one by one; the sentences about them are collected.
#[derive(Debug)]
pub struct Fields<'a> {
    members: &'a [(String, Json)],
    /// `match.` for the members of `match`.
    prefix: &'static str,
    missing: Vec<String>,
    invalid: Vec<String>,
}

/// What a body says about an optional field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch<T> {
    /// Nothing: it stays.
    Keep,
    /// `null`: it is cleared.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Patch<T> {
    /// The field after the change.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<'a> Fields<'a> {
    /// Begins with a body. `known` are its fields; `what` names the object in sentences (`a rule`).
    pub fn of(body: &'a Json, what: &str, known: &[&str]) -> Self {
        Self::inside(body, "", what, known)
    }

    /// Begins with an object inside a body: its members are called `<prefix><name>`.
    pub fn inside(object: &'a Json, prefix: &'static str, what: &str, known: &[&str]) -> Self {
        let members = object.as_object().unwrap_or_default();
        let strangers: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name)).collect();
        // A name is a stranger's text: only its beginning is repeated.
        let mut invalid = strangers_named(&strangers, &format!("is not a field of {what}"), "fields");
        for sentence in invalid.iter_mut().take(STRANGERS_NAMED) {
            sentence.insert_str(0, prefix);
        }
        Self { members, prefix, missing: Vec::new(), invalid }
    }

    /// The member, where it is there and not `null`.
    pub fn raw(&self, name: &str) -> Option<&'a Json> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value).filter(|value| **value != Json::Null)
    }

    /// Whether the member is there, `null` included.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, _)| key == name)
    }

    /// The value that a field goes back to when it is there as `null`.
    pub fn cleared<T>(&self, name: &str, default: T) -> Option<T> {
        (self.has(name) && self.raw(name).is_none()).then_some(default)
    }

    /// Adds a sentence about a field: `<field> <rest>`.
    pub fn complain(&mut self, name: &str, rest: &str) {
        self.invalid.push(format!("{}{name} {rest}", self.prefix));
    }

    /// A text of that many characters; `None` when it is absent or was complained about.
    pub fn text(&mut self, name: &str, min: usize, max: usize) -> Option<String> {
        match self.raw(name)? {
            Json::String(text) if (min..=max).contains(&text.chars().count()) && !text.contains('\0') => Some(text.clone()),
            Json::String(_) => {
                self.complain(name, &format!("must be {min} to {max} characters"));
                None
            }
            _ => {
                self.complain(name, "must be a string");
                None
            }
        }
    }

    /// A text that must be there; an empty one counts as absent.
    pub fn required_text(&mut self, name: &str, max: usize) -> Option<String> {
        match self.raw(name) {
            None => self.absent(name),
            Some(Json::String(text)) if text.is_empty() => self.absent(name),
            Some(_) => self.text(name, 1, max),
        }
    }

    /// What a person wrote in his own words: kept, listed and shown for as long as what it is about, so no card number may stand
    /// in it.
    pub fn spoken(&mut self, name: &str, text: Option<String>) -> Option<String> {
        let text = text?;
        if identifier::check(name, &text).is_err() {
            self.complain(name, "must not contain a card number");
            return None;
        }
        Some(text)
    }

    /// Notes that a field is missing.
    pub fn absent<T>(&mut self, name: &str) -> Option<T> {
        self.missing.push(format!("{MISSING}{}{name}", self.prefix));
        None
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.raw(name)?.as_bool();
        if value.is_none() {
            self.complain(name, "must be a boolean");
        }
        value
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, name: &str, min: i64, max: i64) -> Option<i64> {
        let literal = self.raw(name)?.as_number();
        let value = literal.and_then(|text| text.parse().ok()).filter(|value| (min..=max).contains(value));
        if value.is_none() {
            self.complain(name, &format!("must be a whole number from {min} to {max}"));
        }
        value
    }

    /// A bound of time.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        let value = self.raw(name)?.as_str().and_then(Timestamp::parse_bound);
        if value.is_none() {
            self.complain(name, "must be an RFC 3339 time");
        }
        value
    }

    /// One of several words.
    pub fn word<T: std::str::FromStr>(&mut self, name: &str, words: &[&str]) -> Option<T> {
        let value = self.raw(name)?.as_str().filter(|text| words.contains(text)).and_then(|text| text.parse().ok());
        if value.is_none() {
            self.complain(name, &format!("must be one of {}", words.join(", ")));
        }
        value
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Option<&'a Json> {
        let value = self.raw(name)?;
        if !value.is_object() {
            self.complain(name, "must be an object");
            return None;
        }
        Some(value)
    }

    /// An object, or `null` where it is there as that.
    pub fn object_or_null(&mut self, name: &str) -> Option<&'a Json> {
        if self.raw(name).is_some() {
            return self.object(name);
        }
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A list, each of whose entries `read` understands; `entry` ends the sentence about one that it does not
    /// (`must be a list of brand ids`).
    pub fn list<T>(&mut self, name: &str, entry: &str, read: impl Fn(&Json) -> Option<T>) -> Option<Vec<T>> {
        let items = self.raw(name)?.as_array();
        if items.is_some_and(|items| items.len() > BODY_LIST_MAX) {
            self.complain(name, &format!("must have at most {BODY_LIST_MAX} entries"));
            return None;
        }
        let values = items.and_then(|items| items.iter().map(read).collect());
        if values.is_none() {
            self.complain(name, entry);
        }
        values
    }

    /// Takes over what was complained about the members of an object inside.
    pub fn join(&mut self, inner: Fields<'_>) {
        self.missing.extend(inner.missing);
        self.invalid.extend(inner.invalid);
    }

    /// Everything that was wrong, missing fields first.
    pub fn complaints(self) -> Vec<String> {
        let mut sentences = self.missing;
        sentences.extend(self.invalid);
        sentences
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] with every sentence.
    pub fn finish(self) -> Result<(), AdminError> {
        let sentences = self.complaints();
        if sentences.is_empty() { Ok(()) } else { Err(AdminError::Invalid(sentences)) }
    }
}

/// Characters of a stranger's field or parameter name that a sentence repeats.
const NAME_SHOWN_CHARS: usize = 64;
/// How many strangers are named; of the others it is said how many there are.
const STRANGERS_NAMED: usize = 20;

/// A sentence for each of the first strangers (`<name> <what>`), and one for the rest of these `things`.
pub(super) fn strangers_named(names: &[impl AsRef<str>], what: &str, things: &str) -> Vec<String> {
    let mut sentences: Vec<_> =
        names.iter().take(STRANGERS_NAMED).map(|name| format!("{} {what}", repeated(name.as_ref(), NAME_SHOWN_CHARS))).collect();
    if names.len() > STRANGERS_NAMED {
        sentences.push(format!("{} more {things} are not known", names.len() - STRANGERS_NAMED));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_everything_at_once_missing_first() {
        let body = Json::parse(br#"{"priority":1.5,"active":"yes","colour":1,"match":[],"ids":["a",1]}"#).unwrap();
        let mut fields = Fields::of(&body, "a rule", &["name", "priority", "active", "match", "ids"]);
        assert_eq!(fields.integer("priority", 0, 9), None);
        assert_eq!(fields.boolean("active"), None);
        assert_eq!(fields.object("match"), None);
        assert_eq!(fields.list("ids", "must be a list of texts", |item| item.as_str().map(str::to_owned)), None);
        assert_eq!(fields.required_text("name", 5), None);
        let expected = [
            "Missing required field: name",
            "colour is not a field of a rule",
            "priority must be a whole number from 0 to 9",
            "active must be a boolean",
            "match must be an object",
            "ids must be a list of texts",
        ];
        assert_eq!(fields.finish(), Err(AdminError::Invalid(expected.map(str::to_owned).to_vec())));
    }

    #[test]
    fn null_is_absent_but_there() {
        let body = Json::parse(br#"{"a":null,"b":"x"}"#).unwrap();
        let mut fields = Fields::of(&body, "it", &["a", "b"]);
        assert!(fields.has("a") && fields.raw("a").is_none());
        assert_eq!(fields.text("b", 1, 1).as_deref(), Some("x"));
        assert_eq!(fields.finish(), Ok(()));
    }

    #[test]
    fn a_strangers_name_is_repeated_only_in_part() {
        let body = Json::object([("x".repeat(500), Json::Null)]);
        let sentences = Fields::of(&body, "it", &[]).complaints();
        assert_eq!(sentences, [format!("{} is not a field of it", "x".repeat(NAME_SHOWN_CHARS))]);
    }
}
