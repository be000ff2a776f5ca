//! Reading the query of Management lists: strict like bodies, because a misspelt filter that is ignored shows everything.

use super::error::AdminError;
use super::fields::strangers_named;
use domain::{Timestamp, limits};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The parameters of a list: its filters, `limit` and `cursor`.
#[derive(Debug)]
pub struct Params<'a> {
    given: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    complaints: Vec<String>,
}

impl<'a> Params<'a> {
    /// Begins with the query as it came. `filters` are the list's own; `limit` and `cursor` are always known.
    pub fn list(query: Option<&'a str>, filters: &[&str]) -> Self {
        let mut params = Self { given: BTreeMap::new(), complaints: Vec::new() };
        let mut strangers = Vec::new();
        let mut twice = BTreeSet::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !filters.contains(&&*name) && name != "limit" && name != "cursor" {
                strangers.push(name);
            } else if params.given.insert(name.clone(), value).is_some() && twice.insert(name.clone()) {
                params.complaints.push(format!("{name} must be given once"));
            }
        }
        let unknown = strangers_named(&strangers, "is not a parameter of this list", "parameters");
        params.complaints.splice(..0, unknown);
        params
    }

    /// For calls without parameters: any is complained about.
    ///
    /// # Errors
    /// [`AdminError::Invalid`].
    pub fn none(query: Option<&str>) -> Result<(), AdminError> {
        let names = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let names: Vec<_> = names.map(|(name, _)| name).collect();
        let complaints = strangers_named(&names, "is not a parameter of this call", "parameters");
        if complaints.is_empty() { Ok(()) } else { Err(AdminError::Invalid(complaints)) }
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|value| &**value)
    }

    /// A text of 1 to `max` characters.
    pub fn text(&mut self, name: &str, max: usize) -> Option<String> {
        let value = self.raw(name)?;
        if value.is_empty() || value.chars().count() > max || value.contains('\0') {
            self.complaints.push(format!("{name} must be 1 to {max} characters"));
            return None;
        }
        Some(value.to_owned())
    }

    /// One of several words.
    pub fn word<T: std::str::FromStr>(&mut self, name: &str, words: &[&str]) -> Option<T> {
        let value = self.raw(name)?;
        let read = Some(value).filter(|value| words.contains(value)).and_then(|value| value.parse().ok());
        if read.is_none() {
            self.complaints.push(format!("{name} must be one of {}", words.join(", ")));
        }
        read
    }

    /// A value that `T` reads; `must` ends the sentence about one that it does not.
    pub fn parsed<T: std::str::FromStr>(&mut self, name: &str, must: &str) -> Option<T> {
        let read = self.raw(name)?.parse().ok();
        if read.is_none() {
            self.complaints.push(format!("{name} {must}"));
        }
        read
    }

    /// A bound of time.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        let read = Timestamp::parse_bound(self.raw(name)?);
        if read.is_none() {
            self.complaints.push(format!("{name} must be an RFC 3339 time"));
        }
        read
    }

    /// `limit`, entries.
    pub fn limit(&mut self) -> u32 {
        let Some(text) = self.raw("limit") else { return limits::LIST_LIMIT_DEFAULT };
        // Digits only: the standard reader would also take a plus sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let read = text.parse().ok().filter(|limit| digits && (1..=limits::LIST_LIMIT_MAX).contains(limit));
        read.unwrap_or_else(|| {
            self.complaints.push(format!("limit must be a whole number from 1 to {}", limits::LIST_LIMIT_MAX));
            limits::LIST_LIMIT_DEFAULT
        })
    }

    /// `cursor`, as `read` understands it.
    pub fn cursor<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let read = read(self.raw("cursor")?);
        if read.is_none() {
            self.complaints.push(BAD_CURSOR.to_owned());
        }
        read
    }

    /// `cursor`, for a list that reads it itself.
    pub fn raw_cursor(&self) -> Option<String> {
        self.raw("cursor").map(str::to_owned)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] with every sentence.
    pub fn finish(self) -> Result<(), AdminError> {
        if self.complaints.is_empty() { Ok(()) } else { Err(AdminError::Invalid(self.complaints)) }
    }
}

/// The sentence about a cursor that no list of ours gave out.
pub const BAD_CURSOR: &str = "cursor must be a nextCursor of this list";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_knows_and_complains_about_the_rest() {
        let mut params = Params::list(Some("status=waiting&limit=200&from=2026-05-17T09%3A32%3A57Z"), &["status", "from"]);
        assert_eq!(params.word::<String>("status", &["waiting"]).as_deref(), Some("waiting"));
        assert_eq!(params.limit(), 200);
        assert_eq!(params.time("from"), Timestamp::parse("2026-05-17T09:32:57Z"));
        assert_eq!(params.finish(), Ok(()));

        let mut params = Params::list(Some("status=x&limit=201&state=y&from=now&limit=+3&cursor=zz"), &["status", "from"]);
        params.word::<String>("status", &["waiting", "approved"]);
        params.limit();
        params.time("from");
        params.cursor(|_| None::<()>);
        let expected = [
            "state is not a parameter of this list",
            "limit must be given once",
            "status must be one of waiting, approved",
            "limit must be a whole number from 1 to 200",
            "from must be an RFC 3339 time",
            BAD_CURSOR,
        ];
        assert_eq!(params.finish(), Err(AdminError::Invalid(expected.map(str::to_owned).to_vec())));
        assert!(Params::none(Some("a=1")).is_err() && Params::none(None).is_ok() && Params::none(Some("")).is_ok());
    }
}
