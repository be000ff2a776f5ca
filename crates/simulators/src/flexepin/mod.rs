//! Flexepin's own side, written from the Flexepin sheet. It calls nobody and has no page.
//!
//! Account: `PUT /control/flexepin/accounts/{apiKey}` with `{"secret":"...","terminalId":"..."}` (`terminalId`
//! may be left out: the API key).
//!
//! Vouchers need no set-up: PIN = currency (2 digits) + serial (6) + face value in minor units (8). A PIN is money,
//! so it is never kept: vouchers are found by a keyed digest of it. Ledger: an entry at the redeem, settled at once;
//! `reference` is the `trans_id`, `providerReference` the `trans_no`. Control references: the PIN or a `trans_id`.
//! `status/{word}`: a number is the `result` of the next redeem (`4019`), any other word the voucher's status.

mod calls;
mod voucher;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::kit::{Call, Error, Pressed, Provider, Reply, Tx, hmac_sha256_hex, notice_page, same_text};
use voucher::{keep, voucher_of};

const PIN_DIGITS: usize = 16;
const NONCE_MAX: usize = 128;

const ACTIVE: &str = "ACTIVE";
const USED: &str = "USED";

/// The simulator.
pub(crate) struct Flexepin;

#[derive(Deserialize)]
struct Account {
    secret: String,
    #[serde(rename = "terminalId")]
    terminal_id: Option<String>,
}

impl Provider for Flexepin {
    fn name(&self) -> &'static str {
        "flexepin"
    }

    fn is_page(&self, _: &str) -> bool {
        false
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        calls::answer(tx, call)
    }

    fn page(&self, _: &Tx<'_>, _: &Call) -> Result<Reply, Error> {
        notice_page(404, "Flexepin", "No page", "Flexepin has no hosted page here.")
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.secret.is_empty() { Err("secret must not be empty".to_owned()) } else { Ok(()) }
    }

    fn more_outcomes(&self) -> &'static [&'static str] {
        &["used", "lost"]
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut voucher)) = voucher_of(tx, reference)? else {
            return Ok(Pressed::Unknown);
        };
        if voucher.status == USED {
            return Ok(Pressed::NotPossible("the voucher is used already".to_owned()));
        }
        if voucher.always_fresh && outcome != "lost" {
            return Ok(Pressed::NotPossible("this voucher is always fresh".to_owned()));
        }
        match outcome {
            "decline" => voucher.status = "BLOCKED".to_owned(),
            "expire" => voucher.status = "EXPIRED".to_owned(),
            "used" => voucher.status = USED.to_owned(),
            "lost" => voucher.lost = true,
            _ => {
                return Ok(Pressed::NotPossible("a voucher is redeemed by the merchant's own call".to_owned()));
            }
        }
        keep(tx, &key, &voucher)?;
        Ok(Pressed::Done(voucher.status))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut voucher)) = voucher_of(tx, reference)? else {
            return Ok(Pressed::Unknown);
        };
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            voucher.next_result = Some(word.to_owned());
        } else {
            voucher.status = word.to_owned();
        }
        keep(tx, &key, &voucher)?;
        Ok(Pressed::Done(word.to_owned()))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(voucher_of(tx, reference)?.map(|(_, voucher)| voucher.status))
    }

    fn event(&self, _: &Tx<'_>, _: &str, _: &str) -> Result<(), Error> {
        // Flexepin has no due times: what ends, ends at its own time when it is asked.
        Ok(())
    }

    /// PINs are bearer values: only their last four digits may be kept.
    fn blanked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let run = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
            out.push_str(&rest[..start]);
            let digits = &rest[start..start + run];
            if run == PIN_DIGITS {
                out.push_str("************");
                out.push_str(&digits[PIN_DIGITS - 4..]);
            } else {
                out.push_str(digits);
            }
            rest = &rest[start + run..];
        }
        out + rest
    }
}
/// `AUTHENTICATION: HMAC <apiKey>:<signature>:<nonce>`: form, key, signature over the raw path and body, fresh nonce.
fn authenticate(tx: &Tx<'_>, call: &Call) -> Result<Option<(String, String, Account)>, Error> {
    let parts: Option<Vec<&str>> =
        call.header("authentication").and_then(|header| header.strip_prefix("HMAC ")).map(|triple| triple.split(':').collect());
    let Some([key, signature, nonce]) = parts.as_deref() else {
        return Ok(None);
    };
    if nonce.is_empty() || nonce.len() > NONCE_MAX {
        return Ok(None);
    }
    let Some((digest, account)) = tx.account::<Account>(key)? else {
        return Ok(None);
    };
    let expected = signature_of(&account.secret, call.method.as_str(), &call.path, nonce, &call.body);
    // The nonce counts as used only where its signature is right: nobody else can burn it.
    if !same_text(&expected, signature) || !tx.use_once(&digest, nonce)? {
        return Ok(None);
    }
    Ok(Some(((*key).to_owned(), digest, account)))
}

fn signature_of(secret: &str, method: &str, path: &str, nonce: &str, body: &[u8]) -> String {
    let mut message = format!("{method}\n{path}\n{nonce}\n").into_bytes();
    message.extend_from_slice(body);
    hmac_sha256_hex(secret.as_bytes(), &message)
}

fn problem(status: u16, description: &str) -> Reply {
    Reply::json(status, &json!({"result": status.to_string(), "result_description": description}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_sheet() {
        let sign = |method, path, body: &str| signature_of("secretkey0001", method, path, "16999999991234", body.as_bytes());
        let cases = [
            ("GET", "/status", "", "2e9c0f945c4aa464c9f9bb68507abbc99e91ee00a2b2343d69fae077696052b2"),
            (
                "GET",
                "/voucher/validate/1234567890123456/TERM01/64a1f2b3c4d5e6f7a8b9c0d1",
                "",
                "33d68c2c1b66144e40f93ac687f178d1fa62eef7c9a3c9799e326ebffe9a8e42",
            ),
            (
                "PUT",
                "/voucher/redeem/1234567890123456/TERM01/64a1f2b3c4d5e6f7a8b9c0d1",
                "{\"customer_ip\":\"203.0.113.42\"}",
                "7ed14d00e4f057c4a464f1ce479fe22056dc43ad9fe73314b4710ab78f854626",
            ),
            (
                "GET",
                "/trans/trans_id/64a1f2b3c4d5e6f7a8b9c0d1/TERM01/64a1f2b3c4d5e6f7a8b9c0d1q01",
                "",
                "0731ab2f44b3bdee5dcff1b74489f7c1a9ddf6fbc2ec3819e288686b14cdc3c0",
            ),
        ];
        for (method, path, body, signature) in cases {
            assert_eq!(sign(method, path, body), signature, "{method} {path}");
        }
    }

    #[test]
    fn pins_are_blanked() {
        let path = "/voucher/redeem/1000000100002500/TERM01/64a1f2b3c4d5e6f7a8b9c0d1";
        assert_eq!(Flexepin.blanked(path), "/voucher/redeem/************2500/TERM01/64a1f2b3c4d5e6f7a8b9c0d1");
    }
}
