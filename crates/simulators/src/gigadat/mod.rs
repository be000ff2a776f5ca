//! Gigadat's own side, written from the Gigadat sheet. `baseUrl` of a connector: `{simulator}/gigadat`.
//!
//! Account: `PUT /control/gigadat/accounts/{campaignId}` with `{"access":"...","security":"...","callbackUrl":"..."}`:
//! access and security token are user and password of Basic; `callbackUrl` (the portal's listener address: all
//! callbacks go there; `listenerUrl` means the same) may be left out.
//!
//! Ledger: a pay-in at its success, a pay-out at its deposit call. Reference: the `transactionId`, which is the key on
//! both sides. State words: Gigadat's own, and `TOKEN` before the page was opened or the pay-out registered: till then
//! no inquiry knows of it.

mod api;
mod order;
mod page;

use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Direction, Error, Pressed, Provider, Reply, Tx, is_http_url};
use order::Order;

const CURRENCY: &str = "CAD";
const TOKEN: &str = "TOKEN";
const INITED: &str = "STATUS_INITED";
const PENDING: &str = "STATUS_PENDING";
const SUCCESS: &str = "STATUS_SUCCESS";
const REJECTED: &str = "STATUS_REJECTED";
const ABORTED: &str = "STATUS_ABORTED1";
const EXPIRED: &str = "STATUS_EXPIRED";

/// A token is good for this long (unscaled).
const TOKEN_LIFE_MS: u64 = 24 * 3_600_000;
/// Between the button Pay and the bank's word (unscaled).
const BANK_MS: u64 = 200;
/// Scenario 09: the success comes this long after the callback of the refusal (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;

/// The simulator.
pub(crate) struct Gigadat;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    access: String,
    security: String,
    #[serde(alias = "listenerUrl")]
    callback_url: Option<String>,
}

impl Provider for Gigadat {
    fn name(&self) -> &'static str {
        "gigadat"
    }

    fn is_page(&self, path: &str) -> bool {
        path == "/webflow"
    }

    /// `/webflow` is the payer's page, and the call that registers a pay-out: that one comes with Basic.
    fn is_page_call(&self, call: &Call) -> bool {
        self.is_page(&call.path) && call.header("authorization").is_none()
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        api::answer(tx, call)
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        page::answer(tx, call)
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.access.is_empty() || account.security.is_empty() {
            return Err("access and security must not be empty".to_owned());
        }
        match account.callback_url {
            Some(url) if !is_http_url(&url) => Err("callbackUrl must be an address".to_owned()),
            _ => Ok(()),
        }
    }

    fn account_aliases(&self, body: &Value) -> Vec<String> {
        body["access"].as_str().map(str::to_owned).into_iter().collect()
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if order.has_ended() {
            return Ok(Pressed::NotPossible(format!("the transaction is {} already", order.state)));
        }
        match outcome {
            "pay" if order.direction == Direction::Out => {
                return Ok(Pressed::NotPossible("a pay-out has no page".to_owned()));
            }
            "pay" if order.paying => return Ok(Pressed::NotPossible("the payer has pressed Pay already".to_owned())),
            "pay" => order.press_pay(tx, &key, None)?,
            "approve" if order.direction == Direction::Out && !order.released => {
                return Ok(Pressed::NotPossible("the merchant has not released the pay-out".to_owned()));
            }
            "approve" => order.finish(tx, &key, SUCCESS, None).map(|_| ())?,
            "decline" => order.finish(tx, &key, REJECTED, None).map(|_| ())?,
            "cancel" => order.finish(tx, &key, ABORTED, None).map(|_| ())?,
            "expire" => order.finish(tx, &key, EXPIRED, None).map(|_| ())?,
            _ => return Ok(Pressed::NotPossible("Gigadat knows no reversal".to_owned())),
        }
        Ok(Pressed::Done(order.state))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        order.finish(tx, &key, word, None)?;
        Ok(Pressed::Done(order.state))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Order>(reference)?.map(|(_, order)| order.state))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut order) = tx.load::<Order>(key)? else {
            return Ok(());
        };
        match event {
            "auto" if !order.paying && !order.has_ended() => order.press_pay(tx, key, None),
            "bank" if !order.has_ended() => order.bank_has_decided(tx, key),
            "settle" if !order.has_ended() => order.settle(tx, key),
            "late" => order.finish(tx, key, SUCCESS, None).map(|_| ()),
            // The transaction was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }

    /// A session token opens the page and releases a pay-out: it is a bearer value.
    fn blanked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(order::TOKEN_HEAD) {
            let token = &rest[start..];
            let end = token.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_')).unwrap_or(token.len());
            out.push_str(&rest[..start]);
            out.push_str("ey***");
            rest = &token[end..];
        }
        out + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_blanked() {
        let token = order::new_token("id");
        let query = format!("transaction=64a1f2b3c4d5e6f7a8b9c0d1&token={token}&x=1");
        assert_eq!(Gigadat.blanked(&query), "transaction=64a1f2b3c4d5e6f7a8b9c0d1&token=ey***&x=1");
        assert_eq!(Gigadat.blanked("{\"token\":\"ey"), "{\"token\":\"ey");
    }
}
