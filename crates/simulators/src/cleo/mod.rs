//! Cleo's own side (`cleo-assumed-v0`), written from the Cleo sheet. `baseUrl` of a connector: `{simulator}/cleo`.
//!
//! Account: `PUT /control/cleo/accounts/{any name}` with `{"chileApiKey":"...","peruApiKey":"...",
//! "mexicoApiKey":"...","externalKey":"...","merchant":"..."}`; `merchant` (shown on the page) may be left out.
//!
//! Ledger: a transfer-in at its completion, a transfer-out at its acceptance. References: `externalReference` and
//! Cleo's id. State words: `PENDING`, `PROCESSING`, `COMPLETED`, `REJECTED`, `EXPIRED`, `CANCELLED`.

mod api;
mod order;
mod page;
mod read;

use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Direction, Error, Pressed, Provider, Reply, Tx};
use order::Order;

const PENDING: &str = "PENDING";
const COMPLETED: &str = "COMPLETED";
const REJECTED: &str = "REJECTED";
const EXPIRED: &str = "EXPIRED";
const CANCELLED: &str = "CANCELLED";

/// A page lives this long (unscaled).
const PAGE_LIFE_MS: u64 = 30 * 60_000;
/// Scenario 09: the success comes this long after the callback of the refusal (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;

/// The simulator.
pub(crate) struct Cleo;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    chile_api_key: String,
    peru_api_key: String,
    mexico_api_key: String,
    external_key: String,
    #[serde(default = "demo_merchant")]
    merchant: String,
}

fn demo_merchant() -> String {
    "Demo company".to_owned()
}

/// A country that Cleo serves.
struct Country {
    code: &'static str,
    currency: &'static str,
    banks: [&'static str; 3],
}

const COUNTRIES: [Country; 3] = [
    Country { code: "CL", currency: "CLP", banks: ["Banco de Prueba Andes", "Banco de Prueba Pacífico", "Caja de Prueba Sur"] },
    Country { code: "PE", currency: "PEN", banks: ["Banco de Prueba Lima", "Banco de Prueba Cusco", "Caja de Prueba Norte"] },
    Country { code: "MX", currency: "MXN", banks: ["Banco de Prueba Centro", "Banco de Prueba Bajío", "Caja de Prueba Golfo"] },
];

impl Account {
    /// The key of a country.
    fn key_of(&self, country: &str) -> &str {
        match country {
            "CL" => &self.chile_api_key,
            "PE" => &self.peru_api_key,
            _ => &self.mexico_api_key,
        }
    }
}

impl Provider for Cleo {
    fn name(&self) -> &'static str {
        "cleo"
    }

    fn is_page(&self, path: &str) -> bool {
        path.starts_with("/pay/")
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        api::answer(tx, call)
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        page::answer(tx, call)
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        let keys = COUNTRIES.iter().map(|country| account.key_of(country.code));
        if keys.chain([account.external_key.as_str()]).any(str::is_empty) {
            return Err("no key may be empty".to_owned());
        }
        Ok(())
    }

    fn account_aliases(&self, body: &Value) -> Vec<String> {
        let keys = ["chileApiKey", "peruApiKey", "mexicoApiKey"];
        keys.iter().filter_map(|name| body[*name].as_str()).map(str::to_owned).collect()
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if order.has_ended() {
            return Ok(Pressed::NotPossible(format!("the transfer is {} already", order.state)));
        }
        match outcome {
            "pay" if order.direction == Direction::In => order.press_pay(tx, &key)?,
            "pay" => return Ok(Pressed::NotPossible("a transfer-out has no page".to_owned())),
            "approve" => order.finish(tx, &key, COMPLETED, None).map(|_| ())?,
            "decline" => order.finish(tx, &key, REJECTED, None).map(|_| ())?,
            "cancel" => order.finish(tx, &key, CANCELLED, None).map(|_| ())?,
            "expire" => order.finish(tx, &key, EXPIRED, None).map(|_| ())?,
            _ => return Ok(Pressed::NotPossible("Cleo knows no reversal".to_owned())),
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
            "auto" if !order.has_ended() => order.press_pay(tx, key),
            "settle" if !order.has_ended() => order.settle(tx, key),
            "run_out" if !order.has_ended() => order.finish(tx, key, EXPIRED, None).map(|_| ()),
            "late" => order.finish(tx, key, COMPLETED, None).map(|_| ()),
            // The transfer was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }
}
