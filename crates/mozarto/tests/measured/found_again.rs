//! A create whose answer was lost is asked about: what is found there is open, whatever else is odd about it, and is answered by
//! every provider of a page alike. Where the call moves money an outcome that is found is the answer, all else is open.

use crate::steps::{LIMIT, id_of, inquire, next};
use crate::ten::{ALL, DIRECT, OfTen, Provider, trust_is_not_called};
use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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

/// What a provider knows.
struct Known {
    /// What will be found of the next payment.
    next: Found,
    /// Whose create was lost last.
    last: String,
    /// What is found of each.
    each: HashMap<String, Found>,
}

/// A provider that loses its answer to a create, and then tells of it.
#[derive(Clone)]
struct Lossy {
    provider: &'static str,
    known: Arc<Mutex<Known>>,
}

impl Lossy {
    async fn start(provider: &'static str) -> Result<(Self, String)> {
        let known = Known { next: Found::Open, last: String::new(), each: HashMap::new() };
        let lossy = Self { provider, known: Arc::new(Mutex::new(known)) };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answered).with_state(lossy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((lossy, address))
    }

    fn finds(&self, found: Found) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).next = found;
    }
}

/// What stands before our reference in the body of a create, JSON, a form or XML.
const REFERENCES: [&str; 7] = [
    "merchant_reference",
    "externalReference",
    "referenceId",
    "reference_no",
    "merchantTransactionId",
    "orderCode",
    "<transaction_id",
];

fn reference(body: &str) -> Option<String> {
    let after = REFERENCES.iter().find_map(|name| body.split_once(name))?.1;
    let id: String = after.chars().skip_while(|c| !c.is_ascii_hexdigit()).take_while(char::is_ascii_hexdigit).collect();
    (id.len() == 24).then_some(id)
}

/// Whether a call creates a payment.
fn creates(provider: &str, path: &str, body: &str) -> bool {
    match provider {
        "neosurf" => !path.contains("soap"),
        "worldpay" => body.contains("<submit>"),
        "emerchantpay" => path.contains("/process/"),
        "flexepin" => path.contains("/voucher/redeem/"),
        _ => {
            let paths = ["create_deposit", "transfer-in", "/api/deposit", "CreatePaymentLink"];
            paths.iter().any(|part| path.contains(part)) && !body.is_empty()
        }
    }
}

async fn answered(State(lossy): State<Lossy>, uri: Uri, body: Bytes) -> Response {
    let (path, body) = (uri.path(), String::from_utf8_lossy(&body).into_owned());
    if path.ends_with("merchant.authorize") {
        return axum::Json(json!({"access_token": "t0k3n", "expires": 4_000_000_000_i64})).into_response();
    }
    let of_path = || path.split('/').find(|part| part.len() == 24).map(str::to_owned);
    let named = reference(&body).or_else(of_path);
    let mut known = lossy.known.lock().unwrap_or_else(PoisonError::into_inner);
    if creates(lossy.provider, path, &body) {
        known.last = named.unwrap_or_default();
        let (id, found) = (known.last.clone(), known.next);
        known.each.insert(id, found);
        return (StatusCode::INTERNAL_SERVER_ERROR, "lost").into_response();
    }
    if path.contains("/voucher/validate/") {
        return voucher("100.00", json!({"result": "0", "status": "ACTIVE"})).into_response();
    }
    // Not every question names our reference.
    let id = named.filter(|id| known.each.contains_key(id)).unwrap_or_else(|| known.last.clone());
    let found = known.each.get(&id).copied().unwrap_or(Found::Absent);
    match lossy.provider {
        "neosurf" => soap(found, &id).into_response(),
        "worldpay" => order(found, &id).into_response(),
        "emerchantpay" => payment(found, &id).into_response(),
        "flexepin" => record(found, &id).into_response(),
        provider => told(provider, path, found, &id),
    }
}

fn order(found: Found, id: &str) -> String {
    let (word, minor) = match found {
        Found::Absent => {
            return "<paymentService version=\"1.4\"><reply><error code=\"5\">Could not find payment for order</error></reply>\
                    </paymentService>"
                .to_owned();
        }
        Found::UnknownWord => ("WEIRD", 10_000),
        Found::Paid => ("AUTHORISED", 10_000),
        Found::OtherAmount => ("AUTHORISED", 500),
        Found::Open => ("SENT_FOR_AUTHORISATION", 10_000),
    };
    format!(
        "<paymentService version=\"1.4\"><reply><orderStatus orderCode=\"{id}\"><payment><paymentMethod>VISA-SSL</paymentMethod>\
         <amount value=\"{minor}\" currencyCode=\"EUR\" exponent=\"2\"/><lastEvent>{word}</lastEvent></payment></orderStatus></reply>\
         </paymentService>"
    )
}

fn payment(found: Found, id: &str) -> String {
    let (word, minor) = match found {
        Found::Absent => return "<payment_response><status>error</status><code>460</code></payment_response>".to_owned(),
        Found::UnknownWord => ("weird", 10_000),
        Found::Paid => ("approved", 10_000),
        Found::OtherAmount => ("approved", 500),
        Found::Open => ("in_progress", 10_000),
    };
    // Its own id is known by ours, a digest apart.
    format!(
        "<payment_response><transaction_type>sale3d</transaction_type><status>{word}</status><transaction_id>{id}</transaction_id>\
         <unique_id>{id}00000000</unique_id><amount>{minor}</amount><currency>EUR</currency></payment_response>"
    )
}

/// A voucher of that value, with more members.
fn voucher(value: &str, more: Value) -> axum::Json<Value> {
    let mut whole = json!({"value": value, "currency": "EUR", "trans_no": "118203344"});
    for (name, said) in more.as_object().into_iter().flatten() {
        whole[name] = said.clone();
    }
    axum::Json(whole)
}

fn record(found: Found, id: &str) -> axum::Json<Value> {
    let (status, value) = match found {
        Found::Absent => return axum::Json(json!({"result": "4040", "result_description": "unknown"})),
        Found::Open => ("ACTIVE", "100.00"),
        Found::UnknownWord => ("WEIRD", "100.00"),
        Found::Paid => ("USED", "100.00"),
        Found::OtherAmount => ("USED", "5.00"),
    };
    let axum::Json(record) = voucher(value, json!({"result": "0", "status": status, "transaction_id": id}));
    axum::Json(json!({"result": "0", "transaction": record}))
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

const ALL_FOUND: [Found; 5] = [Found::Open, Found::OtherAmount, Found::UnknownWord, Found::Paid, Found::Absent];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_again_is_open_or_what_it_is() {
    let start = |scale| World::start(env!("CARGO_BIN_EXE_mozarto"), &[], move |options| options.time_scale(scale));
    // A gateway is asked after two seconds, a voucher several times.
    let (world, fast) = tokio::try_join!(start(1), start(20)).expect("two sandboxes");
    let mut table = OfTen::new("found again");
    table.excuse("trust", "creating a payment there calls nobody", trust_is_not_called(world.hands()));
    table.excuse("gigadat", "the call that is lost opens nothing, so that nobody is asked", opens_nothing(world.hands()));
    for provider in ["brite", "cleo", "forumpay", "neosurf", "payone", "worldpay"] {
        table.row(provider, "a page", found_again(world.hands(), provider));
    }
    for provider in ["emerchantpay", "flexepin"] {
        table.row(provider, "money", found_of_money(fast.hands(), provider));
    }
    // Breaks whoever reads a card's record as a page's: an unpaid card may have been charged, and is not over.
    table.row_alone("worldpay", "money", found_of_money(fast.hands(), "worldpay")).await;
    table.end().await;
}

/// The first call of a pay-in or a pay-out gives a token, and no more.
async fn opens_nothing(hands: Hands) -> Result<()> {
    let of = ALL.into_iter().find(|one| one.name == "gigadat").context("a provider")?;
    for body in [of.pay_in(0, "100.00"), testkit::client::bodies::gigadat_out("ETO", "202.00")] {
        next(&hands, "gigadat", json!({"path": "/api/payment-token", "http": 500})).await?;
        let answer = hands.client.cashier(&body).await?;
        let id = id_of(&answer)?;
        ensure!((answer.status, answer.text("/transaction/transaction_status")) == (502, "Failed"), "{}", answer.body);
        let calls = hands.client.control("GET", "/gigadat/calls", None).await?;
        let about = calls.body["calls"].as_array().into_iter().flatten().filter(|call| call.to_string().contains(&id)).count();
        ensure!(about == 1, "{about} calls about it");
        hands.nothing_moved("gigadat", &id).await?;
    }
    Ok(())
}

/// Has the account at that one; answers what it is.
async fn at_lossy(hands: &Hands, provider: &'static str, of: Provider) -> Result<Lossy> {
    let (lossy, address) = Lossy::start(provider).await?;
    let mut config = json!({"baseUrl": address});
    if provider == "neosurf" {
        config["soapUrl"] = json!(format!("{address}/soap"));
    }
    for method in hands.client.methods_of(of.psp_type).await? {
        let moved = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await?;
        ensure!(moved.status == 200, "{} {}", moved.status, moved.body);
    }
    Ok(lossy)
}

/// What moves money: an outcome that is found inside the request is its answer. All else is open, and asked about.
async fn found_of_money(hands: Hands, provider: &'static str) -> Result<()> {
    let of = ALL.into_iter().chain([DIRECT]).rfind(|one| one.name == provider).context("a provider")?;
    let lossy = at_lossy(&hands, provider, of).await?;
    for (serial, found) in (1..).zip(ALL_FOUND) {
        lossy.finds(found);
        let answer = hands.client.cashier(&of.pay_in(serial, "100.00")).await?;
        let id = id_of(&answer)?;
        let shown = (answer.status, answer.text("/transaction/transaction_status"));
        // Worldpay is asked by the schedule alone.
        let at_once = found == Found::Paid && provider != "worldpay";
        let open = if provider == "flexepin" { 504 } else { 200 };
        let expected = if at_once { (200, "Approved") } else { (open, "Pending") };
        ensure!(shown == expected, "{found:?}: {shown:?} {}", answer.body);
        if open == 504 && !at_once {
            ensure!(answer.text("/outcome") == "open" && answer.body["retryable"] == false, "{found:?}: {}", answer.body);
        }
        inquire(&hands, &id).await?;
        let ended = if found == Found::Paid { "Approved" } else { "Pending" };
        hands.client.wait_for(&id, &[ended], LIMIT).await?;
        let managed = hands.managed(&id).await?;
        let attention = managed["attention"].as_str();
        let right = match found {
            // A voucher of another value is spent: a person's turn.
            Found::OtherAmount if provider == "flexepin" => attention == Some("stuck"),
            Found::OtherAmount | Found::UnknownWord => attention == Some("anomaly"),
            Found::Open | Found::Paid | Found::Absent => attention.is_none(),
        };
        ensure!(right, "{found:?}: {managed}");
    }
    Ok(())
}

async fn found_again(hands: Hands, provider: &'static str) -> Result<()> {
    let of = ALL.into_iter().find(|one| one.name == provider).context("a provider")?;
    let lossy = at_lossy(&hands, provider, of).await?;
    for key in [false, true] {
        for found in ALL_FOUND {
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
