//! The client of the Cashier API: one call to create, two to ask. Answers are read for what a merchant needs;
//! `data`, which is another for each provider, is left alone for the `transaction` beside it.

use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::error::Error;
use crate::order::{News, Source, Status};

/// A create call may take as long as the platform gives a provider, and its inline inquiry (Flexepin: 20 s).
pub(crate) const CREATE_TIMEOUT: Duration = Duration::from_secs(60);
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read; a longer one is no answer.
const ANSWER_MAX: usize = 256 * 1024;

/// The Cashier API of one company.
pub(crate) struct Cashier {
    client: reqwest::Client,
    create: Url,
    transactions: Url,
    token: SecretString,
}

/// What a create call came to.
#[derive(Debug)]
pub(crate) enum Created {
    /// There is a transaction; its status may be a failure already. `page`: where the payer goes.
    Transaction { news: Box<News>, page: Option<Url> },
    /// Nothing was created: what is wrong, for the form.
    Refused { message: String, errors: Vec<String> },
    /// Nobody knows. It is asked about, never sent again.
    Unknown { reason: String },
}

/// What a status query came to.
#[derive(Debug)]
pub(crate) enum Asked {
    Found {
        news: Box<News>,
        page: Option<Url>,
    },
    NotFound,
    /// No usable answer: ask later.
    NoAnswer,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<String>,
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
    transaction: Option<Transaction>,
}

#[derive(Debug, Deserialize)]
struct One {
    data: Transaction,
}

#[derive(Debug, Deserialize)]
struct Listed {
    data: Items,
}

#[derive(Debug, Deserialize)]
struct Items {
    items: Vec<Transaction>,
}

/// TransactionData, the part that a shop uses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    transaction_id: String,
    session_id: Option<String>,
    #[serde(rename = "transaction_status")]
    transaction_status: String,
    #[serde(default)]
    status: String,
    amount: Option<String>,
    currency: Option<String>,
    #[serde(default)]
    merchant_reference: String,
    psp_transaction_id: Option<String>,
    redirect_url: Option<String>,
    message: Option<String>,
}

impl Transaction {
    fn news(self, source: Source, message: &str, error_code: Option<String>) -> (Box<News>, Option<Url>) {
        let page = self.redirect_url.as_deref().and_then(payer_page);
        let news = Box::new(News {
            source,
            transaction_id: self.transaction_id,
            session_id: self.session_id,
            psp_transaction_id: self.psp_transaction_id,
            merchant_reference: self.merchant_reference,
            status: Status::from_word(&self.transaction_status),
            provider_status: self.status,
            message: self.message.unwrap_or_else(|| message.to_owned()),
            error_code,
            amount: self.amount,
            currency: self.currency,
            has_page: page.is_some(),
        });
        (news, page)
    }
}

/// The address of a payer's page, if it is one that a browser may be sent to.
fn payer_page(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|address| matches!(address.scheme(), "http" | "https") && address.has_host())
}

impl Cashier {
    /// A client of the platform at `base`.
    pub(crate) fn new(base: &Url, token: SecretString) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(Error::Client)?;
        let address = |path: &str| {
            Url::parse(&format!("{}/v1/api/mozarto/{path}", base.as_str().trim_end_matches('/')))
                .map_err(|_| Error::Settings("cashier_base_url must be an http or https address".to_owned()))
        };
        Ok(Self { client, create: address("cashier")?, transactions: address("transactions")?, token })
    }

    fn bearer(token: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Sends one order. It is never sent twice.
    pub(crate) async fn create(&self, body: String, user_token: &str, key: &str) -> Created {
        let (Some(company), Some(user)) = (Self::bearer(self.token.expose_secret()), Self::bearer(user_token)) else {
            return refused("The shop's token for the Cashier API cannot be sent in a header.");
        };
        let sent = self
            .client
            .post(self.create.clone())
            .timeout(CREATE_TIMEOUT)
            .header(AUTHORIZATION, company)
            .header("x-user-token", user)
            .header("idempotency-key", key)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await;
        match sent {
            // Without a connection nothing can have been created.
            Err(error) if error.is_connect() => refused("The payment platform cannot be reached. Nothing was sent."),
            Err(error) => unknown(if error.is_timeout() {
                "The platform did not answer in time."
            } else {
                "The connection to the platform broke."
            }),
            Ok(response) => {
                let status = response.status();
                match read(response).await {
                    Some(bytes) => created(status, &bytes),
                    None => unknown("The platform's answer could not be read."),
                }
            }
        }
    }

    /// Asks for one transaction by either of its ids.
    pub(crate) async fn ask(&self, id: &str) -> Asked {
        let mut address = self.transactions.clone();
        if let Ok(mut segments) = address.path_segments_mut() {
            segments.push(id);
        }
        match self.get(address).await {
            Some((StatusCode::OK, bytes)) => match serde_json::from_slice::<One>(&bytes) {
                Ok(one) => {
                    let (news, page) = one.data.news(Source::Query, "", None);
                    Asked::Found { news, page }
                }
                Err(_) => Asked::NoAnswer,
            },
            Some((StatusCode::NOT_FOUND, _)) => Asked::NotFound,
            _ => Asked::NoAnswer,
        }
    }

    /// Asks for the transaction of an order number.
    pub(crate) async fn find(&self, order_number: &str) -> Asked {
        let mut address = self.transactions.clone();
        address.query_pairs_mut().append_pair("merchantReference", order_number).append_pair("limit", "1");
        let Some((StatusCode::OK, bytes)) = self.get(address).await else {
            return Asked::NoAnswer;
        };
        match serde_json::from_slice::<Listed>(&bytes) {
            Err(_) => Asked::NoAnswer,
            Ok(listed) => match listed.data.items.into_iter().next() {
                None => Asked::NotFound,
                Some(transaction) if transaction.merchant_reference == order_number => {
                    let (news, page) = transaction.news(Source::Query, "", None);
                    Asked::Found { news, page }
                }
                // A platform that does not filter would hand out somebody else's transaction.
                Some(_) => Asked::NoAnswer,
            },
        }
    }

    async fn get(&self, address: Url) -> Option<(StatusCode, Vec<u8>)> {
        let response = self
            .client
            .get(address)
            .timeout(QUERY_TIMEOUT)
            .header(AUTHORIZATION, Self::bearer(self.token.expose_secret())?)
            .send()
            .await
            .ok()?;
        let status = response.status();
        Some((status, read(response).await?))
    }
}

fn refused(message: &str) -> Created {
    Created::Refused { message: message.to_owned(), errors: Vec::new() }
}

fn unknown(reason: &str) -> Created {
    Created::Unknown { reason: reason.to_owned() }
}

/// Reads an answer of the create call.
fn created(status: StatusCode, bytes: &[u8]) -> Created {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) else {
        return unknown("The platform's answer could not be read.");
    };
    if let Some(transaction) = envelope.transaction {
        let (news, page) = transaction.news(Source::Answer, &envelope.message, envelope.error_code);
        return Created::Transaction { news, page };
    }
    // 409: the first call with this key still runs. 5xx: whether something was created is not said.
    if status.is_client_error() && status != StatusCode::CONFLICT {
        Created::Refused { message: envelope.message, errors: envelope.errors }
    } else {
        Created::Unknown { reason: envelope.message }
    }
}

/// The whole body, unless it is too long or breaks off.
async fn read(mut response: reqwest::Response) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.ok()? {
        if bytes.len() + piece.len() > ANSWER_MAX {
            return None;
        }
        bytes.extend_from_slice(&piece);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let refused = created(
            StatusCode::BAD_REQUEST,
            br#"{"status":"error","message":"Validation failed","isSuccess":false,"errors":["email must be a valid email"]}"#,
        );
        assert!(matches!(&refused, Created::Refused { message, errors }
            if message == "Validation failed" && errors == &["email must be a valid email"]));

        let declined = created(
            StatusCode::BAD_REQUEST,
            br#"{"status":"error","message":"Voucher already used","isSuccess":false,"errors":[],"transactionId":"64a1f2b3c4d5e6f7a8b9c0d2",
            "data":{"value":25.10},"transaction":{"transactionId":"64a1f2b3c4d5e6f7a8b9c0d2","transaction_status":"Declined","status":"4002"}}"#,
        );
        assert!(matches!(&declined, Created::Transaction { news, page: None }
            if news.status == Some(Status::Declined) && news.message == "Voucher already used"));

        for (status, body) in [
            (StatusCode::CONFLICT, r#"{"status":"error","message":"still running","errors":[]}"#),
            (StatusCode::INTERNAL_SERVER_ERROR, r#"{"status":"error","message":"Internal server error","errors":[]}"#),
            (StatusCode::OK, r#"{"status":"success","message":"no transaction"}"#),
            (StatusCode::OK, "<html>"),
            (StatusCode::BAD_REQUEST, "{"),
        ] {
            let outcome = created(status, body.as_bytes());
            assert!(matches!(outcome, Created::Unknown { .. }), "{status} {body}: {outcome:?}");
        }
    }

    #[test]
    fn only_web_addresses_are_pages() {
        assert!(payer_page("http://127.0.0.1:8081/x").is_some());
        for text in ["javascript:alert(1)", "/relative", "data:text/html,x", "file:///etc"] {
            assert!(payer_page(text).is_none(), "{text}");
        }
    }
}
