//! What is made with a sandbox of this program before the old store takes its place: the configuration, and payments that the
//! simulators know. Of those only the ids and what the provider said are taken over; their rows are made anew, as they were.

use crate::made::{Form, Payment, form};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::sink::Sink;

/// Within this the callbacks of all that is paid have come.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
pub(crate) const WITH_WEBHOOKS: [&str; 9] =
    ["BRITE", "CLEO", "EMERCHANTPAY", "FORUMPAY", "GIGADAT", "NEOSURF", "PAYONE", "TRUST", "WORLDPAY_EU"];

/// A payment that a simulator knows.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) form: &'static Form,
    id: String,
    session: String,
    psp_id: Option<String>,
    redirect: Option<String>,
    memo: Option<String>,
    voucher: Option<String>,
    /// It is paid at the provider.
    pub(crate) paid: bool,
}

impl Seed {
    /// As the revision before would have stored it, open and with nothing due.
    pub(crate) fn payment(&self, n: u64) -> Result<Payment> {
        let at = i64::from_str_radix(&self.id[..12], 16)?;
        let mut payment = Payment::new(self.form, n, at);
        payment.id.clone_from(&self.id);
        payment.session.clone_from(&self.session);
        payment.psp_id.clone_from(&self.psp_id);
        payment.redirect.clone_from(&self.redirect);
        payment.voucher.clone_from(&self.voucher);
        payment.remembers(0);
        if let Some(memo) = &self.memo {
            payment.memo.clone_from(memo);
        }
        Ok(payment)
    }
}

/// A sandbox's directory whose configuration is taken over, and what the simulators in it know.
pub(crate) struct Seeds {
    pub(crate) sink: Sink,
    pub(crate) all: Vec<Seed>,
}

fn cleo(operation: &str) -> String {
    let mut body = json!({
        "pspType": "CLEO", "type": operation, "baseamount": 10_000, "currency": "CLP", "currencyCode": "CLP",
        "userId": "user_123", "email": "player@example.com", "firstName": "John", "lastName": "Doe", "countryCode": "CL",
    });
    let more = if operation == "PAYIN" {
        json!({
            "phone": "56912345678", "gender": "male", "dob": "1990-01-15", "kycVerified": true, "blocked": false,
            "isVelocity": false, "transactionCount": "12", "userBalance": 0, "partnerName": "Acme",
            "emailVerification": "player@example.com", "verificationDate": "2026-01-15",
            "address": {"line1": "Av. Uno 1", "city": "Santiago", "state": "RM", "postalCode": "8320000", "country": "CL"},
        })
    } else {
        json!({"beneficiary": {"documentType": "RUT", "documentNumber": "12345678-5", "bankCode": "001", "accountType": "vista",
            "accountNumber": "00012345678"}})
    };
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body.to_string()
}

/// What is paid: by every provider in each direction, PayOne's several times.
fn requests() -> Vec<(&'static str, &'static str, String)> {
    let brite = r#"{"pspType":"BRITE","type":"PAYIN","baseamount":100.00,"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}"#;
    let mut all = vec![
        ("BRITE", "PAYIN", brite.to_owned()),
        ("CLEO", "PAYIN", cleo("PAYIN")),
        ("CLEO", "PAYOUT", cleo("PAYOUT")),
        ("EMERCHANTPAY", "PAYIN", bodies::emerchantpay("100.00", "4200000000000000")),
        ("FLEXEPIN", "PAYIN", bodies::flexepin(1, 1_000)),
        ("FORUMPAY", "PAYIN", bodies::forumpay_in("100.00")),
        ("FORUMPAY", "PAYOUT", bodies::forumpay_out("100.00")),
        ("FORUMPAY", "PAYOUT", bodies::forumpay_out("100.00")),
        ("GIGADAT", "PAYIN", bodies::gigadat_in("100.00")),
        ("GIGADAT", "PAYOUT", bodies::gigadat_out("ETO", "100.00")),
        ("NEOSURF", "PAYIN", bodies::neosurf("EUR", "100.00")),
        ("TRUST", "PAYIN", bodies::trust("EUR", "100.00")),
        ("WORLDPAY_EU", "PAYIN", bodies::worldpay("100.00")),
    ];
    all.extend((0..5).map(|_| ("PAYONE", "PAYIN", bodies::payone("PAYIN", "100.00"))));
    all.extend((0..2).map(|_| ("PAYONE", "PAYOUT", bodies::payone("PAYOUT", "100.00"))));
    all
}

/// Has a sandbox make its company in that directory, and pays.
pub(crate) async fn make(data: &Path) -> Result<Seeds> {
    let mut sandbox = Sandbox::start(Options::new(BINARY, data).variable("MOZARTO_LOG", "off")).await?;
    let client = Client::of(&sandbox);
    let sink = Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?;
    client.set_webhooks(&sink.url, &WITH_WEBHOOKS).await?;
    let mut all = Vec::new();
    for (psp_type, operation, body) in requests() {
        let form = form(psp_type, operation);
        all.push(seed(&client, form, &body).await.with_context(|| format!("{psp_type} {operation}"))?);
    }
    for seed in all.iter().filter(|seed| seed.paid) {
        // What the simulators have to say is said: later only who asks is told.
        client.wait_for(&seed.id, &["Approved"], LIMIT).await?;
    }
    sandbox.terminate().await?;
    Ok(Seeds { sink, all })
}

async fn seed(client: &Client, form: &'static Form, body: &str) -> Result<Seed> {
    let answer = client.cashier(body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let text = |pointer: &str| Some(answer.text(pointer).to_owned()).filter(|text| !text.is_empty());
    let id = text("/transaction/transactionId").context("an id")?;
    let pressed = client.control("POST", &format!("/{}/{id}/pay", form.provider), None).await?;
    let state = client.control("GET", &format!("/{}/{id}", form.provider), None).await?;
    ensure!(state.status == 200 || form.psp_type == "TRUST", "the simulator does not know it: {}", state.body);
    let memo = match (form.psp_type, form.operation) {
        ("BRITE", _) => Some(json!({"session": session_of_brite(client, &id).await?}).to_string()),
        ("FORUMPAY", "PAYOUT") => {
            let data = &answer.body["data"];
            let mut memo = json!({"payment_id": data["payment_id"], "currency": data["currency"], "address": data["address"]});
            memo["pos_id"] = json!("mozarto");
            memo["confirms"] = json!(0);
            Some(memo.to_string())
        }
        _ => None,
    };
    let request: Value = serde_json::from_str(body)?;
    Ok(Seed {
        form,
        session: text("/transaction/sessionId").context("a session")?,
        psp_id: text("/transaction/pspTransactionId"),
        redirect: text("/transaction/redirectUrl"),
        memo,
        voucher: request["voucherPin"].as_str().map(str::to_owned),
        // What was paid at once cannot be paid once more.
        paid: pressed.status == 200 || answer.text("/transaction/transaction_status") == "Approved",
        id,
    })
}

/// Brite's id of our session: on the timeline.
async fn session_of_brite(client: &Client, id: &str) -> Result<String> {
    let shown = client.manage("GET", &format!("/transactions/{id}"), None).await?;
    let events = shown.body["data"]["events"].as_array().cloned().unwrap_or_default();
    let mut texts = events.iter().filter_map(|event| event["detail"]["text"].as_str());
    let session = texts.find_map(|text| text.strip_prefix("Brite's session: ")).context("no session of Brite's")?;
    Ok(session.to_owned())
}
