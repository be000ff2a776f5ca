//! Recognising a provider's answer by its error table, and telling certain refusals from doubt.

use crate::api::{Answer, Lost, Refusal, Reply};
use crate::descriptor::{ErrorRow, Signal};
use crate::{kit, xml};
use domain::http_date::retry_after_ms;
use domain::limits::RAW_ANSWER_MAX_BYTES;
use domain::{ErrorCode, Json, Timestamp};

/// HTTP statuses with which most providers' sheets say that a money-moving call was certainly not taken.
pub const CERTAIN_REFUSALS: [u16; 4] = [401, 403, 404, 429];

fn contains(haystack: &str, needle: &str) -> bool {
    haystack.to_ascii_lowercase().contains(&needle.to_ascii_lowercase())
}

/// Whether it is one of these codes, a number by its value.
fn is_one_of(codes: &[&str], told: &str) -> bool {
    codes.contains(&told) || codes.contains(&&*kit::plain_code(told))
}

/// Whether the body speaks of a time-out (providers/common, row 4).
pub fn says_timeout(answer: &Answer) -> bool {
    contains(&answer.text(), "timeout")
}

/// How providers say that something was there before.
const USED_BEFORE: [&str; 19] = [
    "already exist",
    "already used",
    "already processed",
    "already in progress",
    "already registered",
    "already submitted",
    "already initiated",
    "already accepted",
    "already approved",
    "already confirmed",
    "already released",
    "already executed",
    "already completed",
    "already sent",
    "already paid",
    "used before",
    "duplicate",
    "not unique",
    "must be unique",
];

/// Whether the body says that our reference was used before: what used it may have been this very call, which was taken
/// (providers/common, "Error signals"). A voucher that was used is another matter. Looked for in what is meant, not in how it is
/// written: escapes of JSON and XML are none of the words.
pub fn says_used_before(answer: &Answer) -> bool {
    let mut said = vec![answer.text().into_owned()];
    if let Some(json) = answer.json() {
        texts_of(&json, &mut said);
    } else if let Some(root) = xml::parse(&answer.body) {
        root.texts(&mut said);
    }
    said.iter().any(|text| tells_used_before(text)) && !contains(&said[0], "voucher")
}

/// The same of one text, in whatever case, folded over lines or not.
pub(crate) fn tells_used_before(text: &str) -> bool {
    let words = text.to_ascii_lowercase().replace(['_', '-'], " ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ").replace("already been ", "already ");
    USED_BEFORE.iter().any(|told| words.contains(told))
}

/// All texts of a document.
fn texts_of(json: &Json, into: &mut Vec<String>) {
    match json {
        Json::String(text) => into.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| texts_of(item, into)),
        Json::Object(pairs) => pairs.iter().for_each(|(_, value)| texts_of(value, into)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

pub(crate) fn matches(signal: &Signal, reply: &Reply) -> bool {
    match (signal, reply) {
        (Signal::Otherwise, _) => true,
        (Signal::TimedOut, Reply::Lost(lost)) => matches!(lost, Lost::ConnectTimeout | Lost::TimedOut),
        (Signal::Unavailable, Reply::Lost(lost)) => matches!(lost, Lost::NotConnected | Lost::Broken),
        (_, Reply::Lost(_)) => false,
        (Signal::TimedOut, Reply::Answer(answer)) => answer.status == 408 || says_timeout(answer),
        (Signal::Unavailable, Reply::Answer(answer)) => (500..=599).contains(&answer.status),
        (Signal::Http(statuses), Reply::Answer(answer)) => statuses.contains(&answer.status),
        (Signal::EmptyNotFound, Reply::Answer(answer)) => answer.status == 404 && answer.body.is_empty(),
        (Signal::NotFoundWithout(roots), Reply::Answer(answer)) => {
            answer.status == 404 && !xml::parse(&answer.body).is_some_and(|root| roots.contains(&&*root.name))
        }
        (Signal::Code(codes), Reply::Answer(answer)) => {
            xml::parse(&answer.body).is_some_and(|root| root.text_in("code").is_some_and(|code| is_one_of(codes, code)))
        }
        (Signal::ErrorCode(codes), Reply::Answer(answer)) => {
            let root = xml::parse(&answer.body);
            let error = root.as_ref().and_then(|root| root.find("error"));
            error.and_then(|error| error.attribute("code")).is_some_and(|code| is_one_of(codes, code))
        }
        (Signal::Body(texts), Reply::Answer(answer)) => {
            let body = answer.text();
            texts.iter().any(|text| contains(&body, text))
        }
        (Signal::First(list, name, texts), Reply::Answer(answer)) => {
            let body = answer.json();
            let first = body.as_ref().and_then(|body| body.get(list)?.as_array()?.first()?.get(name)?.as_scalar());
            first.is_some_and(|text| is_one_of(texts, text))
        }
        (Signal::Member(name, texts), Reply::Answer(answer)) => {
            let body = answer.json();
            match body.as_ref().and_then(|body| body.get(name)) {
                None | Some(Json::Null) => false,
                Some(value) => {
                    let shown = value.as_scalar().map_or_else(|| value.to_text(), str::to_owned);
                    !shown.is_empty() && (texts.is_empty() || texts.iter().any(|text| contains(&shown, text)))
                }
            }
        }
    }
}

/// The refusal that the table gives for a reply; the first row that matches. Without any, an unknown error.
pub fn judge(rows: &[ErrorRow], reply: &Reply) -> Refusal {
    let code = rows.iter().find(|row| row.signal.matches(reply)).map_or(ErrorCode::UnknownPspError, |row| row.code);
    let mut refusal = Refusal::of(code);
    if let Reply::Answer(answer) = reply {
        if code == ErrorCode::UnknownPspError {
            refusal.data = Some(raw(answer));
        }
        if code == ErrorCode::PspRateLimited {
            refusal.retry_after_s = answer.header("retry-after").and_then(|value| retry_after_s(value, answer.came_at));
        }
    }
    refusal
}

/// `Retry-After` in whole seconds, at least one: a date that has passed asks for no wait, and a merchant that does not wait at
/// all asks in vain.
fn retry_after_s(value: &str, came_at: Timestamp) -> Option<u32> {
    let wait_ms = retry_after_ms(value, came_at)?;
    Some(
        u32::try_from(wait_ms.div_euclid(1_000).saturating_add(i64::from(wait_ms.rem_euclid(1_000) > 0)).max(1))
            .unwrap_or(u32::MAX),
    )
}

/// A provider's raw answer as `data` shows it: JSON as it is, else a text of at most 4 KiB.
pub fn raw(answer: &Answer) -> Json {
    // As it was written, numbers too.
    if let Ok(json) = Json::parse(&answer.body) {
        return json;
    }
    let text = answer.text();
    let mut end = text.len().min(RAW_ANSWER_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Json::text(&text[..end])
}

/// The error of an inquiry that could not be read: a 404 never speaks of the credentials there (providers/common, "Error
/// signals", row 3), unless the sheet says so.
pub fn of_inquiry(refusal: Refusal, reply: &Reply) -> Refusal {
    match reply {
        Reply::Answer(answer) if answer.status == 404 && refusal.code == ErrorCode::InvalidPspCredentials => {
            Refusal { anomaly: refusal.anomaly, ..Refusal::of(ErrorCode::UnknownPspError) }
        }
        _ => refusal,
    }
}

/// Whether an answer to a question about an id speaks of that id alone, and not of the account or of the moment. Where a callback
/// named the id it need not be one of ours, nor one of that kind: what we know ourselves is asked about instead.
pub fn speaks_of_the_id(reply: &Reply) -> bool {
    matches!(reply, Reply::Answer(answer) if (400..=499).contains(&answer.status) && !matches!(answer.status, 401 | 403 | 408 | 429))
}

/// Whether a reply to a money-moving call is a certain refusal (providers/common "Money, doubt and time"): a connection that was
/// never established, one of the sheet's HTTP statuses, or a refusal in a readable body that is not spoilt by a 5xx, a 408,
/// `timeout` in its text, or by saying that our reference was used before.
pub fn certainly_refused(reply: &Reply, statuses: &[u16], readable_refusal: bool) -> bool {
    match reply {
        Reply::Lost(lost) => lost.nothing_sent(),
        Reply::Answer(answer) => {
            let spoilt = answer.status >= 500 || answer.status == 408 || says_timeout(answer) || says_used_before(answer);
            !spoilt && (statuses.contains(&answer.status) || readable_refusal)
        }
    }
}
