//! The `Idempotency-Key`: looked up before anything in the body counts, so that a replay still answers when the user token has
//! run out.

use super::document::WipedDocument;
use super::{Ambiguous, NotAdmitted, PATH, Said, dispatch};
use crate::auth::Caller;
use crate::core::Engine;
use crate::flow::{IdempotencyTicket, KnownKey};
use providers::identifier;

/// Longest key, characters.
const MAX_CHARS: usize = 255;

/// The ticket of a key that is new, if there is a key. The fingerprint is that of the raw bytes.
///
/// # Errors
/// 400 for what is no key, 409, 422; the stored answer, for a token with the scope that it needs.
pub(super) async fn ticket(
    engine: &Engine,
    caller: &Caller,
    said: Said<'_>,
    raw: &[u8],
) -> Result<Option<IdempotencyTicket>, NotAdmitted> {
    let Some(key) = read(said)? else { return Ok(None) };
    let ticket = engine.idempotency_ticket(&caller.company, PATH, key, raw);
    match engine.known_key(&caller.company, &ticket).await? {
        KnownKey::New => Ok(Some(ticket)),
        KnownKey::Answered(answer) => {
            // Its body is that of the first request, so `type` is the stored answer's.
            let document = WipedDocument::object(raw)?;
            if let Ok(operation) = dispatch::operation(document.json()) {
                caller.require(dispatch::scope_of(operation))?;
            }
            Err(NotAdmitted::Replay(answer))
        }
        KnownKey::Running => Err(NotAdmitted::KeyRunning),
        KnownKey::OtherBody => Err(NotAdmitted::KeyOfAnotherBody),
    }
}

/// 1 to 255 visible ASCII characters, once. In double quotes, the form of a structured header, it is the same key.
///
/// # Errors
/// 400 for anything else, and for one with a card number in it.
fn read(said: Said<'_>) -> Result<Option<&str>, NotAdmitted> {
    let Some(key) = said.map_err(|Ambiguous| unreadable())? else { return Ok(None) };
    let bare = key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(key);
    let visible = (1..=MAX_CHARS).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible {
        return Err(unreadable());
    }
    identifier::check("Idempotency-Key", bare).map_err(NotAdmitted::NoKey)?;
    Ok(Some(bare))
}

fn unreadable() -> NotAdmitted {
    NotAdmitted::NoKey("Idempotency-Key must be 1 to 255 visible ASCII characters".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idempotency_keys() {
        let longest = "k".repeat(MAX_CHARS);
        for good in ["a", "6f1c-a", "!~", &longest] {
            assert_eq!(read(Ok(Some(good))).unwrap(), Some(good));
        }
        assert_eq!(read(Ok(None)).unwrap(), None);
        for (quoted, bare) in [("\"abc\"", "abc"), ("\"", "\""), ("a\"b\"", "a\"b\""), ("\"a", "\"a")] {
            assert_eq!(read(Ok(Some(quoted))).unwrap(), Some(bare), "{quoted}");
        }
        let too_long = "k".repeat(MAX_CHARS + 1);
        for bad in ["", "\"\"", "a b", "a\tb", "\u{e9}", &too_long, "4111111111111111"] {
            assert!(matches!(read(Ok(Some(bad))), Err(NotAdmitted::NoKey(_))), "{bad}");
        }
        assert_eq!(read(Err(Ambiguous)).unwrap_err().answer().status, 400);
    }
}
