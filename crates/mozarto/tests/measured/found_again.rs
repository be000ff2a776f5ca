//! A create whose answer was lost is asked about: what is found there is open, whatever else is odd about it, and is answered by
//! every provider alike.

use crate::steps::id_of;
use crate::ten::ALL;
use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use testkit::table::Table;
use testkit::world::{Hands, World};
use tokio::net::TcpListener;

/// What is found of the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Open,
    OtherAmount,
    UnknownWord,
    Paid,
    /// Nothing.
    Absent,
}

/// A provider that loses its answer to a create, and then tells of it.
#[derive(Clone)]
struct Lossy {
    provider: &'static str,
    found: Arc<Mutex<(Found, String)>>,
}

impl Lossy {
    async fn start(provider: &'static str) -> Result<(Self, String)> {
        let lossy = Self { provider, found: Arc::new(Mutex::new((Found::Open, String::new()))) };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answered).with_state(lossy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((lossy, address))
    }

    fn finds(&self, found: Found) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).0 = found;
    }
}

/// The member that names our reference in the body of a create, JSON or a form.
const REFERENCES: [&str; 5] = ["merchant_reference", "externalReference", "referenceId", "reference_no", "merchantTransactionId"];

fn reference(body: &str) -> Option<String> {
    let after = REFERENCES.iter().find_map(|name| body.split_once(name))?.1;
    let id: String = after.chars().skip_while(|c| !c.is_ascii_hexdigit()).take_while(char::is_ascii_hexdigit).collect();
    (id.len() == 24).then_some(id)
}

async fn answered(State(lossy): State<Lossy>, uri: Uri, body: Bytes) -> Response {
    let (path, body) = (uri.path(), String::from_utf8_lossy(&body).into_owned());
    if path.ends_with("merchant.authorize") {
        return axum::Json(json!({"access_token": "t0k3n", "expires": 4_000_000_000_i64})).into_response();
    }
    let mut known = lossy.found.lock().unwrap_or_else(PoisonError::into_inner);
    let creates = ["create_deposit", "transfer-in", "/api/deposit", "CreatePaymentLink"].iter().any(|part| path.contains(part));
    let creates = (creates && !body.is_empty()) || (lossy.provider == "neosurf" && !path.contains("soap"));
    if creates {
        known.1 = reference(&body).unwrap_or_default();
        return (StatusCode::INTERNAL_SERVER_ERROR, "lost").into_response();
    }
    let (found, id) = (known.0, known.1.as_str());
    match lossy.provider {
        "neosurf" => soap(found, id).into_response(),
        provider => told(provider, path, found, id),
    }
}

fn soap(found: Found, id: &str) -> String {
    let amount = if found == Found::OtherAmount { "5" } else { "10000" };
    let said = match found {
        Found::Absent => "<errorMessage>merchantTransactionId does not exist</errorMessage>".to_owned(),
        _ => {
            let word = match found {
                Found::UnknownWord => "weird",
                Found::Paid => "ok",
                _ => "pending",
            };
            format!(
                "<amount>{amount}</amount><currency>eur</currency><errorCode></errorCode><errorMessage></errorMessage>\
                 <merchantTransactionId>{id}</merchantTransactionId><status>{word}</status><transactionId>987</transactionId>"
            )
        }
    };
    format!(
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:ns1=\"https://www.neosurf.info/soap/\">\
         <soap:Body><ns1:transactionGetDetailsResponse><opResponse>{said}</opResponse></ns1:transactionGetDetailsResponse>\
         </soap:Body></soap:Envelope>"
    )
}

fn told(provider: &str, path: &str, found: Found, id: &str) -> Response {
    let amount = |ours: &'static str| if found == Found::OtherAmount { "5.00" } else { ours };
    let word = |open: Value, unknown: Value, paid: Value| match found {
        Found::UnknownWord => unknown,
        Found::Paid => paid,
        _ => open,
    };
    if found == Found::Absent {
        return match provider {
            "brite" => (StatusCode::BAD_REQUEST, axum::Json(json!({"error_name": "NotFound"}))).into_response(),
            "cleo" => (StatusCode::NOT_FOUND, axum::Json(json!({"code": "NOT_FOUND"}))).into_response(),
            "forumpay" => axum::Json(json!({"invoices": []})).into_response(),
            _ => (StatusCode::NOT_FOUND, axum::Json(json!({"success": false, "error": "Transaction not found"}))).into_response(),
        };
    }
    axum::Json(match provider {
        "brite" if path.contains("/session.") => {
            let with = if found == Found::Paid { json!("t1") } else { Value::Null };
            json!({"id": "s1", "state": word(json!(0), json!(77), json!(12)), "currency_id": "eur", "merchant_reference": id,
                "amount": if found == Found::OtherAmount { json!(5.0) } else { json!(100.0) }, "transaction_id": with})
        }
        "brite" => {
            json!({"id": "t1", "state": 5, "amount": 100.0, "currency_id": "eur", "merchant_reference": id, "session_id": "s1"})
        }
        "cleo" => json!({"id": "ti_1", "externalReference": id, "type": "TRANSFER_IN", "currency": "CLP", "country": "CL",
            "amount": if found == Found::OtherAmount { "5" } else { "10010000" },
            "status": word(json!("PENDING"), json!("WEIRD"), json!("COMPLETED"))}),
        "payone" => json!({"transactionId": "HS932097JV", "referenceId": id, "userId": "user_123", "type": "deposit",
            "amount": amount("100.00"), "currency": "CAD", "message": "x",
            "status": word(json!("Pending"), json!("Weird"), json!("Approved"))}),
        _ if path.contains("GetTransactions") => json!({"invoices": [{"payment_id": "p1", "currency": "BTC", "address": "btc-1",
            "pos_id": "widget", "state": "waiting"}]}),
        _ => json!({"reference_no": id, "inserted": "2026-05-17 09:32:57", "invoice_amount": amount("100.00"),
            "invoice_currency": "EUR", "type": "Sell", "amount": "0.1", "currency": "BTC", "confirmed": found == Found::Paid,
            "cancelled": false, "reason": null, "state": word(json!("waiting"), json!("weird"), json!("confirmed"))}),
    })
    .into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_again_is_open_or_what_it_is() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = Table::new("found again");
    for provider in ["brite", "cleo", "forumpay", "neosurf", "payone"] {
        table.row(provider, found_again(world.hands(), provider));
    }
    table.end().await;
}

async fn found_again(hands: Hands, provider: &'static str) -> Result<()> {
    let of = ALL.into_iter().find(|one| one.name == provider).context("a provider")?;
    let (lossy, address) = Lossy::start(provider).await?;
    let mut config = json!({"baseUrl": address});
    if provider == "neosurf" {
        config["soapUrl"] = json!(format!("{address}/soap"));
    }
    let method = hands.client.method_of(of.psp_type).await?;
    let moved = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await?;
    ensure!(moved.status == 200, "{} {}", moved.status, moved.body);
    for key in [false, true] {
        for found in [Found::Open, Found::OtherAmount, Found::UnknownWord, Found::Paid, Found::Absent] {
            lossy.finds(found);
            let body = of.pay_in(0, "100.00");
            let answer = match key {
                true => hands.client.cashier_with_key(&body, &format!("{provider}-{found:?}")).await?,
                false => hands.client.cashier(&body).await?,
            };
            let retryable = answer.body["retryable"].as_bool();
            let shown = (answer.status, answer.text("/errorCode"), answer.text("/transaction/transaction_status"));
            let rest = (answer.text("/outcome"), retryable, answer.text("/retryWith"));
            let expected = match found {
                Found::Paid => ("Approved", ("", Some(false), "")),
                Found::Absent if key => ("Failed", ("", Some(false), "new key")),
                Found::Absent => ("Failed", ("", Some(true), "")),
                _ => ("Pending", ("open", Some(false), "")),
            };
            let as_expected = shown == (502, "PSP_UNAVAILABLE", expected.0) && rest == expected.1;
            ensure!(as_expected, "{found:?}: {shown:?} {rest:?} {}", answer.body);
            let managed = hands.managed(&id_of(&answer)?).await?;
            let odd = matches!(found, Found::OtherAmount | Found::UnknownWord);
            ensure!((managed["attention"] == "anomaly") == odd, "{found:?}: {managed}");
        }
    }
    Ok(())
}
