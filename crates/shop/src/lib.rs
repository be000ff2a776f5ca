//! The demo merchant: a cashier page as a merchant would have one, and the receiver of the webhooks.
//!
//! It is the platform's first client and knows nothing of its insides: everything goes over HTTP, the Cashier API
//! one way and webhooks the other. What a merchant's own integration has to get right is here to be read:
//!
//! - one `Idempotency-Key` per order, and the order is stored before the call (`desk`);
//! - an answer that did not arrive is asked about, never sent again (`asking`);
//! - the browser's return is navigation, only a verified webhook, the answer itself or a status query counts;
//! - webhooks are verified, de-duplicated, stored, and only then acknowledged (`webhook`);
//! - a status only ever moves forward, in whatever order the news arrives (`order`).
//!
//! Architecture invariant: no crate of the platform is used here (`visible`, by which texts come onto pages, knows nothing of
//! it), and no amount is ever a float: amounts are text, and number literals of JSON.

mod asking;
mod body;
mod cashier;
mod catalog;
mod clock;
mod desk;
mod error;
mod form;
mod order;
mod pages;
mod server;
mod store;
mod user_token;
mod webhook;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use error::Error;

/// What the demo merchant must know. `Debug` shows no secret.
pub struct Settings {
    /// The platform, scheme and authority: `http://127.0.0.1:8080`. `/v1/api/mozarto/...` is added.
    pub cashier_base_url: String,
    /// The company's token for the Cashier API, without `Bearer `; scopes `payin`, `payout` and `read`.
    pub company_token: SecretString,
    /// `whsec_` and base64: the key of the webhooks' signature. One for all payment methods of the demo company.
    pub signing_secret: SecretString,
    /// `whb_...`: the shared secret that every webhook brings as `Authorization: Bearer`.
    pub bearer: SecretString,
    /// This shop as browsers and the platform reach it: `http://127.0.0.1:8082`. Its webhook address is
    /// `{own_base_url}/webhook`, its return address (the demo company's `siteUrl`) `{own_base_url}/return`.
    pub own_base_url: String,
    /// The file of orders and webhooks (SQLite); made when it is not there, in a directory that is.
    pub data: PathBuf,
    /// Where held pay-outs are approved, shown as a link; `None` shows the words alone.
    pub back_office_url: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cashier_base_url", &self.cashier_base_url)
            .field("own_base_url", &self.own_base_url)
            .field("data", &self.data)
            .field("back_office_url", &self.back_office_url)
            .finish_non_exhaustive()
    }
}

/// The shop with its file open, before anybody reaches it.
pub struct Shop {
    desk: Arc<desk::Desk>,
    stop: CancellationToken,
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop").finish_non_exhaustive()
    }
}

impl Shop {
    /// Opens the shop's file; `stop` ends what it will serve.
    ///
    /// # Errors
    /// [`Error::Settings`] for an address that is no http(s) address or a secret of the wrong form, [`Error::Store`]
    /// when `data` cannot be opened, [`Error::Client`] when no HTTP client can be made.
    pub async fn open(settings: Settings, stop: CancellationToken) -> Result<Self, Error> {
        let own_base_url = http_address("own_base_url", &settings.own_base_url)?;
        let back_office_url = match &settings.back_office_url {
            Some(address) => Some(http_address("back_office_url", address)?.to_string()),
            None => None,
        };
        let cashier =
            cashier::Cashier::new(&http_address("cashier_base_url", &settings.cashier_base_url)?, settings.company_token)?;
        let verifier = webhook::Verifier::new(&settings.signing_secret, settings.bearer)?;
        let store = store::Store::open(&settings.data).await?;
        let desk = Arc::new(desk::Desk::new(
            store,
            cashier,
            user_token::Signer::new()?,
            verifier,
            desk::Addresses { webhook: joined(&own_base_url, "webhook"), back_office: back_office_url },
            stop.clone(),
        ));
        Ok(Self { desk, stop })
    }

    /// Serves until it is stopped; open requests get 5 s to finish. A request's failure is that request's answer and
    /// ends nothing.
    pub async fn serve(self, listener: TcpListener) {
        let asking = tokio::spawn(asking::run(Arc::clone(&self.desk)));
        server::accept(listener, pages::router(self.desk), self.stop).await;
        // The asker ends by the same token; a panic in it was logged by the run time.
        let _ = asking.await;
    }
}

fn http_address(name: &'static str, text: &str) -> Result<Url, Error> {
    match Url::parse(text) {
        Ok(address) if matches!(address.scheme(), "http" | "https") && address.has_host() => Ok(address),
        _ => Err(Error::Settings(format!("{name} must be an http or https address"))),
    }
}

/// `base` with one more path segment, whether or not it ends in a slash.
fn joined(base: &Url, segment: &str) -> String {
    format!("{}/{segment}", base.as_str().trim_end_matches('/'))
}
