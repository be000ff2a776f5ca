//! Points in time as HTTP writes them (RFC 9110, sections 5.6.7 and 10.2.3): `Retry-After` is seconds, or a date in any of three
//! forms.

use crate::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// What stands for the one time zone of HTTP.
const ZONES: [&str; 5] = ["gmt", "utc", "ut", "z", "+0000"];
/// A date of two-digit years that lies further ahead than this means the century before.
const AHEAD_MAX_YEARS: i16 = 50;

/// How long from now `Retry-After` asks to wait, milliseconds; negative for a date that has passed. `None`: it is neither seconds
/// nor a date.
pub fn retry_after_ms(value: &str, now: Timestamp) -> Option<i64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long wait, which is cut by whoever asked.
        return Some(value.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(1_000));
    }
    read(value, now).map(|at| at.since(now))
}

/// A date of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`. The day of the
/// week is not held against the date: it adds nothing to it.
pub fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let zone = |word: &str| ZONES.contains(&&*word.to_ascii_lowercase());
    let date = match words[..] {
        [day_name, day, month, year, time, gmt] if day_name.ends_with(',') && zone(gmt) => date_time(day, month, year, time, now),
        [day_name, date, time, gmt] if day_name.ends_with(',') && zone(gmt) => {
            let mut parts = date.splitn(3, '-');
            date_time(parts.next()?, parts.next()?, parts.next()?, time, now)
        }
        [_, month, day, time, year] => date_time(day, month, year, time, now),
        _ => None,
    };
    // Mail's own dates have an offset.
    let date = date.or_else(|| jiff::fmt::rfc2822::parse(text.trim()).ok().map(|date| date.timestamp()));
    date.map(|at| Timestamp::from_millis(at.as_millisecond()))
}

fn date_time(day: &str, month: &str, year: &str, time: &str, now: Timestamp) -> Option<jiff::Timestamp> {
    let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))?;
    let mut times = time.splitn(3, ':');
    let (hour, minute, second) = (number(times.next()?, 2)?, number(times.next()?, 2)?, number(times.next()?, 2)?);
    let year = if year.len() == 2 { of_this_century(number(year, 2)?, now)? } else { number(year, 4)? };
    let small = |number: i16| i8::try_from(number).ok();
    // A leap second is the end of the one before.
    let second = if second == 60 { 59 } else { second };
    let month = i8::try_from(month + 1).ok()?;
    let at = DateTime::new(year, month, small(number(day, 2)?)?, small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// The year with those last digits, not more than fifty years ahead and less than fifty behind.
fn of_this_century(digits: i16, now: Timestamp) -> Option<i16> {
    let this = now.date_utc().get(..4)?.parse::<i16>().ok()?;
    let year = this - this.rem_euclid(100) + digits;
    Some(match year - this {
        ahead if ahead > AHEAD_MAX_YEARS => year - 100,
        ahead if ahead <= AHEAD_MAX_YEARS - 100 => year + 100,
        _ => year,
    })
}

fn number(text: &str, most_digits: usize) -> Option<i16> {
    let plain = (1..=most_digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-05-17T09:32:57Z").unwrap()
    }

    #[test]
    fn the_three_forms() {
        let published = Timestamp::parse("1994-11-06T08:49:37Z");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            // Not as it should be written, and clear all the same.
            " Sun, 06 Nov 1994 08:49:37 GMT ",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 UTC",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "sun nov 6 08:49:37 1994",
            "Sun, 06 Nov 1994 09:49:37 +0100",
        ] {
            assert_eq!(read(text, now()), published, "{text}");
        }
        assert_eq!(read("Sat, 31 Dec 2016 23:59:60 GMT", now()), Timestamp::parse("2016-12-31T23:59:59Z"));
        for text in [
            "",
            "soon",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 31 Feb 2026 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Now 1994 08:49:37 GMT",
            "Sunday, 06-Nov 08:49:37 GMT",
            "Sun Nov 6 08:49 1994",
            "1994-11-06T08:49:37Z",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(read(text, now()), None, "{text}");
        }
    }

    #[test]
    fn every_day_reads_alike_in_all_forms() {
        let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let mut day = jiff::civil::date(2000, 1, 1);
        while day.year() < 2076 {
            let name = names[usize::try_from(day.weekday().to_monday_zero_offset()).unwrap()];
            let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
                [usize::try_from(day.month() - 1).unwrap()];
            let expected = Timestamp::parse(&format!("{day}T23:05:09Z"));
            for text in [
                format!("{}, {:02} {month} {} 23:05:09 GMT", &name[..3], day.day(), day.year()),
                format!("{name}, {:02}-{month}-{:02} 23:05:09 GMT", day.day(), day.year() % 100),
                format!("{} {month} {:2} 23:05:09 {}", &name[..3], day.day(), day.year()),
            ] {
                assert_eq!(read(&text, now()), expected, "{text}");
            }
            day = day.checked_add(jiff::Span::new().days(13)).unwrap();
        }
    }

    #[test]
    fn a_year_of_two_digits_is_near() {
        let year_of = |digits: i16, now: &str| of_this_century(digits, Timestamp::parse(now).unwrap());
        for (digits, year) in [(26, 2026), (27, 2027), (76, 2076), (77, 1977), (99, 1999), (0, 2000)] {
            assert_eq!(year_of(digits, "2026-05-17T09:32:57Z"), Some(year), "{digits}");
        }
        assert_eq!(year_of(1, "2099-12-31T23:59:59Z"), Some(2101));
    }

    #[test]
    fn a_wait_is_seconds_or_until_a_date() {
        for (value, wait) in [
            ("60", Some(60_000)),
            (" 60 ", Some(60_000)),
            ("0", Some(0)),
            ("99999999999999999999999999", Some(i64::MAX)),
            ("Sun, 17 May 2026 09:33:57 GMT", Some(60_000)),
            ("Sunday, 17-May-26 09:33:57 GMT", Some(60_000)),
            ("Sun May 17 09:33:57 2026", Some(60_000)),
            ("Sun, 17 May 2026 09:31:57 GMT", Some(-60_000)),
            ("-5", None),
            ("1.5", None),
            ("", None),
            ("later", None),
        ] {
            assert_eq!(retry_after_ms(value, now()), wait, "{value:?}");
        }
    }
}
