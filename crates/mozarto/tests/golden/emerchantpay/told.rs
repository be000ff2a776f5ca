//! Notifications, rightly signed where the row is about something else. The gateway's own are dropped.

use super::browser::posted;
use super::*;

/// The row's payment, as a notification is made of it.
#[derive(Clone, Copy)]
struct Payment<'a> {
    id: &'a str,
    unique_id: &'a str,
}

impl Payment<'_> {
    fn signature(&self) -> String {
        hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[self.unique_id, PASSWORD])
    }

    /// A whole one that says this.
    fn says(&self, more: &str) -> String {
        let Self { id, unique_id } = self;
        let signature = self.signature();
        format!(
            "transaction_id={id}&unique_id={unique_id}&transaction_type=sale3d&terminal_token={TERMINAL}&signature={signature}{more}"
        )
    }

    /// A good one of an approval.
    fn good(&self) -> String {
        self.says("&status=approved&amount=50000&eci=05&authorization_code=345678")
    }

    /// The good one with another signature.
    fn signed(&self, signature: &str) -> String {
        self.good().replace(&self.signature(), signature)
    }
}

/// How a row's body is made.
type Body = fn(Payment<'_>) -> String;

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (name, body) in signatures().into_iter().chain(others()).chain(short()) {
        is_told(stage, book, "open", None, name, body).await;
    }
    for (status, outcome) in [("Approved", "approve"), ("Declined", "decline"), ("Expired", "expire")] {
        is_told(stage, book, status, Some(outcome), "good", |payment| payment.good()).await;
        is_told(stage, book, status, Some(outcome), "a decline", |payment| payment.says("&status=declined&amount=50000")).await;
    }
    for (name, body) in afterwards() {
        is_told(stage, book, "Approved", Some("approve"), name, body).await;
    }
    for outcome in ["approve", "decline", "cancel", "expire", "chargeback", "status/exploded"] {
        row(stage, book, &format!("told when it is so: {outcome}"), async |scene| is_so(scene, outcome).await).await;
    }
    row(stage, book, "told late, after Declined", async |scene| is_late(scene).await).await;
    row(stage, book, "told three times", async |scene| is_told_again(scene).await).await;
    row(stage, book, "told in another encoding", async |scene| is_in_latin1(scene).await).await;
    row(stage, book, "told at addresses", async |scene| at_addresses(scene).await).await;
    row(stage, book, "told too much", async |scene| is_too_much(scene).await).await;
}

fn signatures() -> Vec<(&'static str, Body)> {
    vec![
        ("good", |payment| payment.good()),
        ("SHA-256", |payment| payment.signed(&hash(&digest::SHA256, &[payment.unique_id, PASSWORD]))),
        ("SHA-512", |payment| payment.signed(&hash(&digest::SHA512, &[payment.unique_id, PASSWORD]))),
        ("signed in capitals", |payment| payment.signed(&payment.signature().to_uppercase())),
        ("signed by another password", |payment| {
            payment.signed(&hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[payment.unique_id, "secretpw"]))
        }),
        ("signed with zeros", |payment| payment.signed(&"0".repeat(40))),
        ("a signature that is cut", |payment| payment.signed(&payment.signature()[..39])),
        ("no signature", |payment| payment.signed("")),
        ("unsigned", |payment| payment.good().replace("&signature=", "&other=")),
        ("signed twice", |payment| format!("{}&signature={}", payment.good(), payment.signature())),
    ]
}

/// What it says of the payment.
fn others() -> Vec<(&'static str, Body)> {
    vec![
        ("another transaction_id", |payment| payment.good().replace(payment.id, "64a1f2b3c4d5e6f7a8b9c0d2")),
        ("an empty transaction_id", |payment| payment.good().replace(payment.id, "")),
        ("another unique_id", |payment| Payment { unique_id: "55177a21403427eb96664a6d7e5d5d48", ..payment }.good()),
        ("another terminal", |payment| payment.good().replace(TERMINAL, "495fdemoterminal0002")),
        ("another amount", |payment| payment.says("&status=approved&amount=49999")),
        ("the amount as a power", |payment| payment.says("&status=approved&amount=5.0E4")),
        ("an amount that is none", |payment| payment.says("&amount=much")),
        ("another currency", |payment| payment.says("&status=approved&amount=50000&currency=USD")),
        ("an unknown status", |payment| payment.says("&status=exploded&amount=50000")),
        ("approved in part", |payment| payment.says("&status=approved&amount=30000&partial_approval=true")),
        ("let through", |payment| payment.says("&status=pending_async&amount=50000&redirect_url=https://acs.example/x")),
        ("an error", |payment| payment.says("&status=error&amount=50000")),
        ("chargebacked, open", |payment| payment.says("&status=chargebacked&amount=50000&event=chargeback")),
    ]
}

/// Less than a whole one.
fn short() -> Vec<(&'static str, Body)> {
    vec![
        ("nothing", |_| String::new()),
        ("no form", |_| "{}".to_owned()),
        ("an id that is none", |_| "unique_id=<x>".to_owned()),
        ("an id twice", |payment| format!("unique_id={0}&unique_id={0}&signature={1}", payment.unique_id, payment.signature())),
        ("only the ids", |payment| format!("unique_id={}&signature={}", payment.unique_id, payment.signature())),
        ("the ids and a status", |payment| {
            format!("unique_id={}&signature={}&status=approved", payment.unique_id, payment.signature())
        }),
        ("only the transaction_id", |payment| format!("transaction_id={}", payment.id)),
    ]
}

/// What comes after an approval; the record does not show it.
fn afterwards() -> Vec<(&'static str, Body)> {
    vec![
        ("refunded in part", |payment| payment.says("&status=refunded&amount=2500")),
        ("refunded", |payment| payment.says("&status=refunded&amount=50000")),
        ("refunded too much", |payment| payment.says("&status=refunded&amount=50001")),
        ("refunded nothing", |payment| payment.says("&status=refunded&amount=0")),
        ("charged back in part", |payment| payment.says("&status=chargebacked&amount=2500.00&event=chargeback")),
        ("charged back", |payment| payment.says("&status=chargebacked&amount=50000&event=chargeback")),
        ("a chargeback won", |payment| payment.says("&status=chargeback_reversed&amount=50000&event=chargeback_reversal")),
        ("a second chargeback", |payment| payment.says("&status=second_chargebacked&amount=50000&event=second_chargeback")),
        ("a retrieval request", |payment| payment.says("&status=chargebacked&amount=50000&event=retrieval_request")),
        ("a retrieval request, approved", |payment| payment.says("&status=approved&event=retrieval_request")),
        ("another amount, approved", |payment| payment.says("&status=approved&amount=1")),
    ]
}

async fn is_told(stage: &mut Stage, book: &mut Book, status: &str, outcome: Option<&str>, name: &str, body: Body) {
    let work = async |scene: &mut Scene<'_>| {
        let unique_id = opened(scene, "500.00", CHALLENGE).await?;
        if let Some(outcome) = outcome {
            scene.control(outcome).await?;
            scene.manage("inquire").await?;
            scene.until(status).await?;
            delivered(scene, 1).await?;
        }
        let body = body(Payment { id: scene.id(), unique_id: &unique_id });
        tell(scene, body.into_bytes()).await
    };
    row(stage, book, &format!("{status}, told: {name}"), work).await;
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

async fn tell(scene: &mut Scene<'_>, body: Vec<u8>) -> Result<()> {
    scene.callback(&scene.callback_address()?, &FORM, body).await.map(drop)
}

/// The record says what the notification hints at.
async fn is_so(scene: &mut Scene<'_>, outcome: &str) -> Result<()> {
    let unique_id = opened(scene, "500.00", CHALLENGE).await?;
    if outcome == "chargeback" {
        scene.control("approve").await?;
    }
    scene.control(outcome).await?;
    let good = Payment { id: scene.id(), unique_id: &unique_id }.good();
    tell(scene, good.into_bytes()).await?;
    match outcome {
        "approve" => scene.until("Approved").await,
        "chargeback" => scene.until("Reversed").await,
        _ => Ok(()),
    }
}

async fn is_late(scene: &mut Scene<'_>) -> Result<()> {
    let unique_id = opened(scene, "500.00", CHALLENGE).await?;
    scene.control("decline").await?;
    scene.manage("inquire").await?;
    scene.until("Declined").await?;
    delivered(scene, 1).await?;
    scene.control("status/approved").await?;
    let good = Payment { id: scene.id(), unique_id: &unique_id }.good();
    tell(scene, good.into_bytes()).await?;
    scene.until("Approved").await
}

/// Each is read before the next comes.
async fn is_told_again(scene: &mut Scene<'_>) -> Result<()> {
    let unique_id = opened(scene, "500.00", CHALLENGE).await?;
    scene.control("approve").await?;
    let good = Payment { id: scene.id(), unique_id: &unique_id }.good();
    tell(scene, good.clone().into_bytes()).await?;
    scene.until("Approved").await?;
    delivered(scene, 1).await?;
    for exchanges in [3, 4] {
        tell(scene, good.clone().into_bytes()).await?;
        scene.exchanges(exchanges).await?;
    }
    Ok(())
}

async fn is_in_latin1(scene: &mut Scene<'_>) -> Result<()> {
    let unique_id = opened(scene, "500.00", CHALLENGE).await?;
    scene.control("approve").await?;
    let good = Payment { id: scene.id(), unique_id: &unique_id }.good();
    let body = [good.as_bytes(), b"&card_holder=Ren\xe9"].concat();
    tell(scene, body).await?;
    scene.until("Approved").await
}

async fn at_addresses(scene: &mut Scene<'_>) -> Result<()> {
    let unique_id = opened(scene, "500.00", CHALLENGE).await?;
    let good = Payment { id: scene.id(), unique_id: &unique_id }.good();
    let url = scene.callback_address()?;
    let base = scene.client().base.clone();
    let answer = posted(scene, &format!("{base}/callbacks/emerchantpay/{}", "A".repeat(43)), &good).await?;
    scene.did("to another token", answer);
    for method in ["GET", "PUT"] {
        let answer = scene.client().send(method, &url, &FORM, Some(good.clone().into_bytes())).await?;
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        scene.did(method, shown(answer.status, allow));
    }
    scene.control("approve").await?;
    let answer = posted(scene, &format!("{url}/"), &good).await?;
    scene.did("with a slash at its end", answer);
    scene.until("Approved").await
}

async fn is_too_much(scene: &mut Scene<'_>) -> Result<()> {
    let unique_id = opened(scene, "500.00", CHALLENGE).await?;
    let good = Payment { id: scene.id(), unique_id: &unique_id }.good();
    let url = scene.callback_address()?;
    let answer = posted(scene, &url, &format!("{good}&more={}", "m".repeat(64 * 1024))).await?;
    scene.did("over 64 KiB", answer);
    Ok(())
}
