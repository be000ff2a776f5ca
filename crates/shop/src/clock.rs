//! The time of day, in milliseconds since 1970, and as people read it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since 1970-01-01 UTC. A clock before 1970 reads as 0.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

/// `2026-05-17T09:32:58Z`, for machines (`<time datetime>`). Empty for a time outside the calendar.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    written(at_ms, "%Y-%m-%dT%H:%M:%SZ")
}

/// `17 May 2026, 09:32:58 UTC`, for people. Empty for a time outside the calendar.
pub(crate) fn readable(at_ms: i64) -> String {
    written(at_ms, "%-d %b %Y, %H:%M:%S UTC")
}

/// `17 May, 09:32:58`, for narrow columns. Empty for a time outside the calendar.
pub(crate) fn short(at_ms: i64) -> String {
    written(at_ms, "%-d %b, %H:%M:%S")
}

fn written(at_ms: i64, form: &str) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map(|at| at.strftime(form).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_written() {
        assert_eq!(rfc3339(1_779_010_378_123), "2026-05-17T09:32:58Z");
        assert_eq!(readable(1_779_010_378_123), "17 May 2026, 09:32:58 UTC");
        assert_eq!(short(1_779_010_378_123), "17 May, 09:32:58");
        assert_eq!(readable(i64::MAX), "");
    }
}
