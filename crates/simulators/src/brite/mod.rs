//! Brite's own side, written from the Brite sheet. `baseUrl` of a connector: `{simulator}/brite`.
//!
//! Account: `PUT /control/brite/accounts/{public_key}` with `{"secret":"...","merchantId":"...","merchant":"..."}`;
//! `merchant` (shown on the page where no `brand_name` was sent) may be left out.
//!
//! Ledger: an entry at CREDIT, which is the word to credit the user at; DEBIT brings the money back. References:
//! `merchant_reference`, the session's id, the transaction's id. State words: the transaction's, before there is one
//! the session's. Outcomes beside the common ones are the page's other buttons: `fail`, `risk`, `late`.
//! `status/{word}`: a transaction state by name or number, or `session:` with a session state by name or number.

mod api;
mod page;
mod session;

use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Error, Pressed, Provider, Reply, Tx};
use session::{Session, Step};

/// A session runs out after this long (unscaled).
const SESSION_LIFE_MS: u64 = 30 * 60_000;
/// An access token lives this long (unscaled).
const TOKEN_LIFE_MS: u64 = 6 * 3_600_000;
/// From CREDIT to SETTLED (unscaled).
const SETTLE_MS: u64 = 1_000;
/// A late success comes this long after the callback of the negative ending (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;

/// Transaction states by number.
const TRANSACTION_WORDS: [&str; 8] = ["CREATED", "PENDING", "ABORTED", "FAILED", "COMPLETED", "CREDIT", "SETTLED", "DEBIT"];
/// Session states by number.
const SESSION_WORDS: [&str; 13] = [
    "CREATED",
    "AUTHENTICATION_STARTED",
    "AUTHENTICATION_COMPLETED",
    "BANK_ACCOUNT_SELECTION_STARTED",
    "BANK_ACCOUNT_SELECTION_COMPLETED",
    "DEPOSIT_STARTED",
    "RECIPIENT_APPROVAL_STARTED",
    "RECIPIENT_APPROVAL_COMPLETED",
    "TRANSACTION_APPROVAL_STARTED",
    "TRANSACTION_APPROVAL_COMPLETED",
    "ABORTED",
    "FAILED",
    "COMPLETED",
];
const CANCELLED_BY_USER: &str = "cancelled_by_user";
const EXPIRED_SESSION: &str = "expired_session";

/// The simulator.
pub(crate) struct Brite;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    secret: String,
    #[serde(alias = "merchant_id")]
    merchant_id: String,
    #[serde(default = "demo_merchant")]
    merchant: String,
}

fn demo_merchant() -> String {
    "Demo company".to_owned()
}

/// The number of a state by its name, or the number itself.
fn state_of(words: &[&str], word: &str) -> Option<i64> {
    match words.iter().position(|known| *known == word) {
        Some(index) => i64::try_from(index).ok(),
        None => word.parse().ok(),
    }
}

impl Provider for Brite {
    fn name(&self) -> &'static str {
        "brite"
    }

    fn is_page(&self, path: &str) -> bool {
        !path.starts_with("/api/")
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        api::answer(tx, call)
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        page::answer(tx, call)
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.secret.is_empty() || account.merchant_id.is_empty() {
            return Err("secret and merchantId must not be empty".to_owned());
        }
        Ok(())
    }

    fn more_outcomes(&self) -> &'static [&'static str] {
        &["fail", "risk", "late"]
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut session)) = tx.find::<Session>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if outcome == "reverse" {
            if !session.is_credited() {
                return Ok(Pressed::NotPossible("only what was credited can be taken back".to_owned()));
            }
            session.step(tx, &key, Step::Transaction(7), None)?;
        } else if session.has_ended() {
            return Ok(Pressed::NotPossible(format!("the session is {} already", session.session_word())));
        } else {
            match outcome {
                "pay" => session.press_pay(tx, &key)?,
                "approve" => session.succeed(tx, &key).map(|_| ())?,
                "cancel" => session.abort(tx, &key, CANCELLED_BY_USER)?,
                "expire" => session.abort(tx, &key, EXPIRED_SESSION)?,
                "risk" => session.reject(tx, &key, false)?,
                "late" => session.reject(tx, &key, true)?,
                _ => session.fail(tx, &key)?,
            }
        }
        tx.save(&key, &session)?;
        Ok(Pressed::Done(session.word()))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut session)) = tx.find::<Session>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        let step = match word.strip_prefix("session:") {
            Some(word) => state_of(&SESSION_WORDS, word).map(Step::Session),
            None => state_of(&TRANSACTION_WORDS, word).map(Step::Transaction),
        };
        let Some(step) = step else {
            return Ok(Pressed::NotPossible("Brite's states are numbers with known names".to_owned()));
        };
        if matches!(step, Step::Transaction(_)) {
            session.begin(tx, &key)?;
        }
        session.step_told_anyway(tx, &key, step)?;
        tx.save(&key, &session)?;
        Ok(Pressed::Done(word.to_owned()))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Session>(reference)?.map(|(_, session)| session.word()))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut session) = tx.load::<Session>(key)? else {
            return Ok(());
        };
        match event {
            "auto" if !session.has_ended() => session.press_pay(tx, key)?,
            "run_out" if !session.has_ended() => session.abort(tx, key, EXPIRED_SESSION)?,
            "late" if session.is_in(2) => session.credit(tx, key).map(|_| ())?,
            "settle" if session.is_in(5) => session.step(tx, key, Step::Transaction(6), None).map(|_| ())?,
            // The session was brought to its end by other means meanwhile.
            _ => return Ok(()),
        }
        tx.save(key, &session)
    }

    /// Credentials, access tokens and session tokens are bearer values.
    fn blanked(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for name in ["secret", "access_token", "refresh_token", "token"] {
            out = blank_member(&out, &format!("\"{name}\":\""));
        }
        // The page's address ends in the session token.
        match out.find("\"url\":\"http").filter(|_| out.starts_with("{\"url\"")) {
            Some(_) => blank_member(&out, "\"url\":\""),
            None => out,
        }
    }
}

/// Blanks the text of every JSON member that begins with `head`.
fn blank_member(text: &str, head: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(head) {
        let value = &rest[start + head.len()..];
        out.push_str(&rest[..start + head.len()]);
        out.push_str("***");
        rest = &value[value.find('"').unwrap_or(value.len())..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_values_are_blanked() {
        let sent = r#"{"public_key":"sandbox-abc","secret":"s"}"#;
        assert_eq!(Brite.blanked(sent), r#"{"public_key":"sandbox-abc","secret":"***"}"#);
        let told = r#"{"url":"http://127.0.0.1:1/brite/abc","token":"abc","id":"x"}"#;
        assert_eq!(Brite.blanked(told), r#"{"url":"***","token":"***","id":"x"}"#);
        let asked = r#"{"amount":50.00,"callbacks":[{"url":"http://127.0.0.1:2/x","transaction_state":5}]}"#;
        assert_eq!(Brite.blanked(asked), asked);
    }

    #[test]
    fn states_have_names_and_numbers() {
        assert_eq!(state_of(&TRANSACTION_WORDS, "CREDIT"), Some(5));
        assert_eq!(state_of(&TRANSACTION_WORDS, "42"), Some(42));
        assert_eq!(state_of(&SESSION_WORDS, "ABORTED"), Some(10));
        assert_eq!(state_of(&SESSION_WORDS, "PUZZLED"), None);
    }
}
