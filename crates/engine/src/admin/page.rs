//! Pages of lists: `{"items":[...],"nextCursor":"..."|null}`. A cursor is opaque to callers: it is the place after which the next
//! page begins.

use super::params::Params;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Json;

/// Longest cursor that is read, bytes.
const CURSOR_MAX_BYTES: usize = 512;
/// Between the parts of a place; in none of them.
const SEPARATOR: char = '\u{1f}';

/// A page as it is shown.
pub fn shown(items: Vec<Json>, next_cursor: Option<String>) -> Json {
    Json::object([("items", Json::Array(items)), ("nextCursor", next_cursor.into())])
}

/// The cursor of a place in the list of that name.
pub fn cursor(list: &str, place: &[&str]) -> String {
    let mut text = list.to_owned();
    for part in place {
        text.push(SEPARATOR);
        text.push_str(part);
    }
    URL_SAFE_NO_PAD.encode(text)
}

/// Reads a cursor of the list of that name back; `None` when it is none of its own.
pub fn place<const N: usize>(list: &str, cursor: &str) -> Option<[String; N]> {
    if cursor.len() > CURSOR_MAX_BYTES {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split(SEPARATOR).map(str::to_owned);
    if parts.next()? != list {
        return None;
    }
    parts.collect::<Vec<_>>().try_into().ok()
}

/// `limit` and `cursor` of a list whose places are one key.
pub fn params(params: &mut Params<'_>, list: &str) -> (u32, Option<String>) {
    let limit = params.limit();
    (limit, params.cursor(|text| place::<1>(list, text)).map(|[key]| key))
}

/// Cuts what was read with one entry too many down to the page; the last entry of it when there is more.
pub fn cut<T>(found: &mut Vec<T>, limit: u32) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| more)
}

/// A page out of a whole list that is at hand, in its order: the entries whose key is above `after`.
pub fn of_whole<'a, T>(
    list: &str,
    entries: impl IntoIterator<Item = &'a T>,
    key: impl Fn(&T) -> String,
    show: impl Fn(&T) -> Json,
    after: Option<&str>,
    limit: u32,
) -> Json
where
    T: 'a,
{
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut sorted: Vec<(String, &T)> = entries.into_iter().map(|entry| (key(entry), entry)).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut rest = sorted.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
    let page: Vec<(String, &T)> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = page.last().filter(|_| more).map(|(key, _)| cursor(list, &[key]));
    shown(page.into_iter().map(|(_, entry)| show(entry)).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_meet_without_gap_or_overlap() {
        let all: Vec<i64> = (10..20).collect();
        let mut after: Option<String> = None;
        let mut seen = Vec::new();
        loop {
            let page = of_whole("n", &all, i64::to_string, |n| Json::from(*n), after.as_deref(), 3);
            seen.extend(
                page.get("items").and_then(Json::as_array).unwrap().iter().filter_map(Json::as_number).map(str::to_owned),
            );
            match page.str_at("nextCursor") {
                Some(next) => after = place::<1>("n", next).map(|[key]| key),
                None => break,
            }
        }
        assert_eq!(seen, all.iter().map(i64::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let text = cursor("rules", &["a", "b"]);
        assert_eq!(place::<2>("rules", &text), Some(["a".to_owned(), "b".to_owned()]));
        assert_eq!(place::<1>("rules", &text), None);
        assert_eq!(place::<2>("brands", &text), None);
        assert_eq!(place::<2>("rules", "%%"), None);
    }
}
