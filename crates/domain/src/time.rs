//! Points in time, handed in from outside.

use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `ms` milliseconds.
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here; negative if it is later.
    pub const fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(Self(at.as_millisecond()))
    }

    /// Reads a bound of time (RFC 3339). What lies before or after all times that something here can have is taken for the first
    /// or the last of them, so that it bounds all or nothing: `9999-12-31T23:59:59Z` is a way to say "for ever".
    pub fn parse_bound(text: &str) -> Option<Self> {
        let first = Self(0);
        if let Some(at) = Self::parse(text) {
            return Some(at.max(first));
        }
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
        let whole = pieces.time().is_some() && pieces.offset().is_some();
        let last = Self(jiff::Timestamp::MAX.as_millisecond());
        whole.then(|| if pieces.date().year() > 0 { last } else { first })
    }

    /// The calendar day in UTC as `YYYY-MM-DD`.
    pub fn date_utc(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339, UTC, milliseconds only when there are any: `2026-05-17T09:32:57Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_and_reads_rfc3339() {
        let at = Timestamp::parse("2026-05-17T09:32:57Z").unwrap();
        assert_eq!(at.to_string(), "2026-05-17T09:32:57Z");
        assert_eq!(at.plus_ms(250).to_string(), "2026-05-17T09:32:57.25Z");
        assert_eq!(Timestamp::parse("2026-05-17T11:32:57+02:00"), Some(at));
        assert_eq!(at.date_utc(), "2026-05-17");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn a_bound_beyond_all_times_is_the_first_or_the_last() {
        let last = Timestamp(jiff::Timestamp::MAX.as_millisecond());
        for (text, bound) in [
            ("2026-05-17T09:32:57Z", Timestamp::parse("2026-05-17T09:32:57Z")),
            ("9999-12-31T23:59:59Z", Some(last)),
            ("9999-12-31T23:59:59.999+14:00", Timestamp::parse("9999-12-31T09:59:59.999Z").or(Some(last))),
            ("1969-12-31T23:59:59Z", Some(Timestamp(0))),
            ("0001-01-01T00:00:00Z", Some(Timestamp(0))),
            ("-009999-01-01T00:00:00Z", Some(Timestamp(0))),
            ("9999-12-31", None),
            ("9999-12-31T23:59:59", None),
            ("9999-13-01T00:00:00Z", None),
            ("for ever", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::parse_bound(text), bound, "{text}");
        }
    }
}
