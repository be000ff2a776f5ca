//! Callbacks that say little: what is there must be ours, what is not there is asked about. Of all ten providers, rightly signed
//! where a provider signs.

use crate::ten::{ALL, Provider};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::forms::Form;
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(40);
/// A card whose payer is challenged.
const CHALLENGE: &str = "4918190000000002";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "text/xml";

/// The schedule begins after 10 s, long after the callback: what is found is found because of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_callback_does_not_say_is_asked_about() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    let mut table = Table::new("short callbacks");
    for provider in ALL {
        let drop = json!({"dropCallbacks": true});
        world.client.control("PUT", &format!("/{}/settings", provider.name), Some(drop)).await.expect("settings");
        if provider.name == "flexepin" {
            table.row("flexepin calls nobody", nobody(world.hands()));
            continue;
        }
        for says in [Says::Nothing, Says::Id, Says::IdAndStatus] {
            table.row(format!("{}: {says:?}", provider.name), asked_about(world.hands(), provider, says));
        }
    }
    for provider in ["cleo", "payone", "emerchantpay"] {
        table.row(format!("{provider}: what is there is another's"), foreign(world.hands(), provider));
    }
    table.end().await;
}

/// How much a callback says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Nothing,
    Id,
    IdAndStatus,
}

/// A callback to be sent.
pub(crate) struct Sent {
    pub(crate) url: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
    signature: Option<String>,
}

impl Sent {
    fn new(url: String, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { url, content_type, body: body.into(), signature: None }
    }

    async fn send(self, hands: &Hands) -> Result<Answer> {
        let mut headers = vec![("content-type", self.content_type)];
        headers.extend(self.signature.as_deref().map(|signature| ("x-signature", signature)));
        hands.client.send("POST", &self.url, &headers, Some(self.body.into_bytes())).await
    }
}

/// A pay-in that is open at the provider, and where callbacks about it go.
pub(crate) struct Open {
    pub(crate) id: String,
    pub(crate) url: String,
}

pub(crate) async fn open(hands: &Hands, provider: Provider) -> Result<Open> {
    let body = match provider.name {
        "emerchantpay" => bodies::emerchantpay("100.00", CHALLENGE),
        _ => provider.pay_in(0, "100.00"),
    };
    let answer = hands.client.cashier(&body).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(answer.status == 200 && !id.is_empty(), "{} {}", answer.status, answer.body);
    let url = match provider.name {
        "trust" => posted(hands, answer.text("/data/paymentUrl")).await?.all("allurlnotification")[0].to_owned(),
        "gigadat" | "worldpay" => account_address(hands, provider.psp_type).await?,
        name => told_address(hands, name, &id).await?,
    };
    Ok(Open { id, url })
}

/// Trust's form, posted as the payer's browser does.
pub(crate) async fn posted(hands: &Hands, url: &str) -> Result<Form> {
    let page = hands.client.send("GET", url, &[], None).await?;
    ensure!(page.status == 200, "the page: {}", page.status);
    let form = Form::of(&page.bytes)?;
    let there = form.post(&hands.client, url, &[]).await?;
    ensure!(there.status == 200, "Trust's page: {}", there.status);
    Ok(form)
}

/// The address that was set up at the provider for the account of hosted pages.
pub(crate) async fn account_address(hands: &Hands, psp_type: &str) -> Result<String> {
    let methods = hands.client.methods_of(psp_type).await?;
    for method in methods {
        let shown = hands.client.manage("GET", &format!("/payment-methods/{method}"), None).await?;
        if shown.text("/data/config/integrationMode") != "direct" {
            return Ok(shown.text("/data/callbackUrl").to_owned());
        }
    }
    anyhow::bail!("no account of {psp_type}")
}

/// The address for callbacks that the provider was told about that transaction.
pub(crate) async fn told_address(hands: &Hands, provider: &str, id: &str) -> Result<String> {
    let start = format!("{}/callbacks/{provider}/", hands.client.base);
    let calls = hands.client.control("GET", &format!("/{provider}/calls"), None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let address = |call: &Value| {
        let body = call["body"].as_str()?.replace("%3A", ":").replace("%2F", "/").replace("\\/", "/");
        let token = body.split_once(&start)?.1.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).next()?;
        body.contains(id).then(|| format!("{start}{token}"))
    };
    calls.iter().find_map(address).with_context(|| format!("{provider} was told no address about {id}"))
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

async fn psp_id(hands: &Hands, id: &str) -> Result<String> {
    let shown = hands.managed(id).await?;
    Ok(shown["pspTransactionId"].as_str().with_context(|| format!("the provider's id is not known: {shown}"))?.to_owned())
}

/// Members of an object, as many as it says.
fn object(says: Says, id: (&str, &str), status: (&str, &str)) -> String {
    match says {
        Says::Nothing => json!({}),
        Says::Id => json!({id.0: id.1}),
        Says::IdAndStatus => json!({id.0: id.1, status.0: status.1}),
    }
    .to_string()
}

fn form(says: Says, id: (&str, &str), status: (&str, &str)) -> Vec<(String, String)> {
    let pairs: &[(&str, &str)] = match says {
        Says::Nothing => &[],
        Says::Id => &[id],
        Says::IdAndStatus => &[id, status],
    };
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The pairs with the digest over their values, sorted by name, and the secret.
fn signed_form(mut pairs: Vec<(String, String)>, name: &str, hash: impl Fn(&[u8]) -> String, secret: &str) -> String {
    pairs.sort();
    let joined: String = pairs.iter().map(|(_, value)| value.as_str()).chain([secret]).collect();
    pairs.push((name.to_owned(), hash(joined.as_bytes())));
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

pub(crate) async fn callback(hands: &Hands, provider: Provider, open: &Open, says: Says) -> Result<Sent> {
    let (id, url) = (open.id.as_str(), open.url.clone());
    Ok(match provider.name {
        "brite" => {
            let entries = hands.entries("brite", id).await?;
            let theirs = entries.first().and_then(|entry| entry["providerReference"].as_str()).context("not in the ledger")?;
            Sent::new(url, JSON, object(says, ("transaction_id", theirs), ("transaction_state", "5")))
        }
        "cleo" => Sent::new(url, JSON, object(says, ("id", &psp_id(hands, id).await?), ("status", "COMPLETED"))),
        "forumpay" => Sent::new(url, JSON, object(says, ("reference_no", id), ("state", "confirmed"))),
        "gigadat" => {
            let url = if says == Says::Nothing { format!("{url}?transaction={id}") } else { url };
            Sent::new(url, JSON, object(says, ("transactionId", id), ("status", "STATUS_SUCCESS")))
        }
        "payone" => {
            let body = object(says, ("transactionId", &psp_id(hands, id).await?), ("status", "Approved"));
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"payone-demo-key-0001");
            let signature = Some(hex::encode(hmac::sign(&key, body.as_bytes())));
            Sent { signature, ..Sent::new(url, JSON, body) }
        }
        "neosurf" => {
            let pairs = form(says, ("merchantTransactionId", id), ("status", "ok"));
            let hash = |bytes: &[u8]| hex::encode(digest(&SHA512, bytes));
            Sent::new(url, FORM, signed_form(pairs, "hash", hash, "neosurf-demo-secret-0001"))
        }
        "trust" => {
            let pairs = form(says, ("orderreference", id), ("errorcode", "0"));
            Sent::new(url, FORM, signed_form(pairs, "responsesitesecurity", sha256_hex, "trust-demo-password-0001"))
        }
        "emerchantpay" if says == Says::Nothing => Sent::new(url, FORM, ""),
        "emerchantpay" => {
            let theirs = psp_id(hands, id).await?;
            let signature = sha256_hex(format!("{theirs}emp-demo-secret-0001").as_bytes());
            let status = if says == Says::Id { "" } else { "&status=approved" };
            Sent::new(url, FORM, format!("unique_id={theirs}&signature={signature}{status}"))
        }
        _ => {
            let payment = match says {
                Says::Nothing => "",
                Says::Id => "<payment/>",
                Says::IdAndStatus => "<payment><lastEvent>AUTHORISED</lastEvent></payment>",
            };
            Sent::new(
                url,
                XML,
                format!(
                    "<paymentService version=\"1.4\" merchantCode=\"DEMOCOMPANY\"><notify><orderStatusEvent orderCode=\"{id}\">{payment}\
                     </orderStatusEvent></notify></paymentService>"
                ),
            )
        }
    })
}

pub(crate) async fn events(hands: &Hands, id: &str) -> Result<Vec<Value>> {
    let shown = hands.client.status(id).await?;
    shown.body["data"]["events"].as_array().cloned().with_context(|| format!("no timeline: {}", shown.body))
}

/// Paid at the provider, which told nobody; the callback has it asked, and that is all that there is to see.
async fn asked_about(hands: Hands, provider: Provider, says: Says) -> Result<()> {
    let open = open(&hands, provider).await?;
    let paid = hands.client.control("POST", &format!("/{}/{}/approve", provider.name, open.id), None).await?;
    ensure!(paid.status == 200, "{} {}", paid.status, paid.body);
    let told = callback(&hands, provider, &open, says).await?.send(&hands).await?;
    ensure!(told.status == 200, "{} {}", told.status, String::from_utf8_lossy(&told.bytes));
    hands.client.wait_for(&open.id, &["Approved"], LIMIT).await?;
    let events = events(&hands, &open.id).await?;
    let approved = events.iter().find(|event| event["to"] == "Approved" || event["event"] == "approved");
    ensure!(approved.is_some_and(|event| event["detail"]["by"] == "callback"), "not because of the callback: {events:?}");
    ensure!(events.iter().all(|event| event["event"] != "anomaly"), "something was odd: {events:?}");
    Ok(())
}

pub(crate) async fn nobody(hands: Hands) -> Result<()> {
    for body in ["{}", r#"{"transaction_id":"64a1f2b3c4d5e6f7a8b9c0d1"}"#, r#"{"result":"0","status":"USED"}"#] {
        let url = format!("{}/callbacks/flexepin/pQ7v2LmX4c", hands.client.base);
        let told = Sent::new(url, JSON, body).send(&hands).await?;
        ensure!(told.status == 404, "{} {}", told.status, told.body);
    }
    Ok(())
}

/// Each member that is there, alone: another's changes nothing, and is shown.
async fn foreign(hands: Hands, name: &'static str) -> Result<()> {
    let provider = ALL.into_iter().find(|provider| provider.name == name).context("no such provider")?;
    let members: &[(&str, &str)] = match name {
        "cleo" => &[("externalReference", "64a1f2b3c4d5e6f7a8b9c0d1"), ("currency", "PEN"), ("amount", "1"), ("amount", "many")],
        "payone" => &[
            ("referenceId", "64a1f2b3c4d5e6f7a8b9c0d1"),
            ("currency", "EUR"),
            ("amount", "100.01"),
            ("amount", "1e9"),
            ("type", "withdraw"),
        ],
        _ => &[("transaction_id", "64a1f2b3c4d5e6f7a8b9c0d1"), ("amount", "9999"), ("amount", "10001"), ("amount", "many")],
    };
    for (member, value) in members {
        let open = open(&hands, provider).await?;
        let mut sent = callback(&hands, provider, &open, Says::Id).await?;
        if name == "emerchantpay" {
            sent.body = format!("{}&{member}={value}", sent.body);
        } else {
            sent.body = json!({*member: *value}).to_string();
        }
        if name == "payone" {
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"payone-demo-key-0001");
            sent.signature = Some(hex::encode(hmac::sign(&key, sent.body.as_bytes())));
        }
        let told = sent.send(&hands).await?;
        ensure!(told.status == 200, "{member}: {} {}", told.status, told.body);
        hands.needs_attention(&open.id, "anomaly", LIMIT).await.with_context(|| format!("{member} {value}"))?;
        let events = events(&hands, &open.id).await?;
        let texts: Vec<String> = events.iter().filter(|event| event["event"] == "anomaly").map(Value::to_string).collect();
        ensure!(texts.len() == 1 && texts[0].contains("another"), "{member} {value}: {texts:?}");
    }
    Ok(())
}
