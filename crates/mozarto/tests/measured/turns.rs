//! Refunds and chargebacks of card payments: each counted once, whatever came before; what contradicts an ending; what an answer
//! to a call says of them; and a browser whose name is not ASCII.

use crate::steps::{self, events, has_event, id_of, inquire, minor_units, until};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const FRICTIONLESS: &str = "4200000000000000";
const VISA: &str = "4444333322221111";
const LEFT: &str = "<balance accountType=\"IN_PROCESS_CAPTURED\"><amount value=\"0\" currencyCode=\"EUR\" exponent=\"2\" debitCreditIndicator=\"credit\"/></balance>";

/// What a record says, one after the other: a word and what it adds (at eMerchantPay another amount in minor units, at Worldpay
/// what stands in the payment).
type Records = &'static [(&'static str, &'static str)];

/// How a payment of 100.00 stands after its records: status, what went back, the minor units of the chargebacks and of the won
/// ones, whether one is open.
struct Stands {
    refunded: Option<&'static str>,
    charged: &'static [i64],
    won: &'static [i64],
    disputed: bool,
}

const fn stands(refunded: Option<&'static str>, charged: &'static [i64], won: &'static [i64], disputed: bool) -> Stands {
    Stands { refunded, charged, won, disputed }
}

const WHOLE: i64 = 10_000;

const EMERCHANTPAY: &[(Records, Stands)] = &[
    (
        &[("chargebacked", ""), ("chargeback_reversed", ""), ("refunded", ""), ("refunded", "")],
        stands(Some("100.00"), &[WHOLE], &[WHOLE], false),
    ),
    (
        &[("chargebacked", ""), ("represented", ""), ("refunded", "3000"), ("refunded", "7000")],
        stands(Some("100.00"), &[WHOLE], &[WHOLE], false),
    ),
    (
        &[("chargebacked", ""), ("chargeback_reversed", ""), ("chargebacked", ""), ("chargebacked", "")],
        stands(None, &[WHOLE, WHOLE], &[WHOLE], true),
    ),
    (
        &[("chargebacked", ""), ("represented", ""), ("second_chargebacked", ""), ("represented", ""), ("refunded", "")],
        stands(Some("100.00"), &[WHOLE, WHOLE], &[WHOLE, WHOLE], false),
    ),
    (&[("chargebacked", "4000")], stands(None, &[4_000], &[], true)),
    (&[("chargebacked", "4000"), ("refunded", "6000")], stands(Some("60.00"), &[4_000], &[], true)),
    (
        &[("chargebacked", "4000"), ("chargebacked", "3000"), ("chargeback_reversed", "3000")],
        stands(None, &[4_000, 3_000], &[3_000], true),
    ),
];

const WORLDPAY: &[(Records, Stands)] = &[
    (
        &[("CHARGED_BACK", ""), ("CHARGEBACK_REVERSED", ""), ("REFUNDED", ""), ("REFUNDED", "")],
        stands(Some("100.00"), &[WHOLE], &[WHOLE], false),
    ),
    (&[("CHARGED_BACK", ""), ("CHARGEBACK_REVERSED", ""), ("REFUNDED", LEFT)], stands(Some("100.00"), &[WHOLE], &[WHOLE], false)),
    (
        &[("CHARGED_BACK", ""), ("CHARGEBACK_REVERSED", ""), ("CHARGED_BACK", ""), ("CHARGEBACK_REVERSED", ""), ("VOIDED", "")],
        stands(Some("100.00"), &[WHOLE, WHOLE], &[WHOLE, WHOLE], false),
    ),
];

/// Words that come after a reversal, and whether somebody must see that they contradict it.
const AFTER: &[(&str, Records, &str, bool)] = &[
    ("worldpay", &[("VOIDED", "")], "CAPTURED", true),
    ("worldpay", &[("CANCELLED", "")], "AUTHORISED", true),
    ("worldpay", &[("EXPIRED", "")], "SETTLED", true),
    ("worldpay", &[("REFUNDED", "")], "CAPTURED", true),
    ("worldpay", &[("REFUNDED", "")], "REFUSED", true),
    ("worldpay", &[("CHARGED_BACK", "")], "SETTLED_BY_MERCHANT", true),
    ("worldpay", &[("CHARGED_BACK", "")], "REFUNDED", true),
    ("worldpay", &[("CHARGED_BACK", "")], "DISPUTED_FUNDS_RELEASED", false),
    ("worldpay", &[("REFUNDED", "")], "SENT_FOR_REFUND", false),
    ("worldpay", &[("REFUNDED", "")], "REFUNDED_BY_MERCHANT", false),
    ("emerchantpay", &[("voided", "")], "approved", true),
    ("emerchantpay", &[("refunded", "")], "approved", true),
    ("emerchantpay", &[("refunded", "")], "declined", true),
    ("emerchantpay", &[("refunded", "")], "pending_async", true),
    ("emerchantpay", &[("chargebacked", "")], "approved", true),
    ("emerchantpay", &[("chargebacked", "")], "refunded", true),
    ("emerchantpay", &[("refunded", "")], "voided", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_card_payments() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["WORLDPAY_EU", "EMERCHANTPAY"], |options| options.time_scale(1));
    let world = world.await.expect("a sandbox");
    for provider in ["worldpay", "emerchantpay"] {
        let settings = Some(json!({"dropCallbacks": true, "settleDelayMs": 3_600_000}));
        world.client.control("PUT", &format!("/{provider}/settings"), settings).await.expect("settings");
    }
    let mut table = Table::new("refunds and chargebacks of cards");
    for (provider, rows) in [("emerchantpay", EMERCHANTPAY), ("worldpay", WORLDPAY)] {
        for (records, stands) in rows {
            table.row(format!("{provider}: {records:?}"), counted(world.hands(), provider, records, stands));
        }
    }
    for (provider, before, word, seen) in AFTER {
        table.row(format!("{provider}: {word} after {before:?}"), after(world.hands(), provider, before, word, *seen));
    }
    table.row("worldpay: a notification of an order that is not ours", another_order(world.hands()));
    for (bytes, text) in [(&b"M\xc3\xb6zilla"[..], "M\u{f6}zilla"), (b"M\xf6zilla", "M\u{f6}zilla")] {
        table.row(format!("a browser that calls itself {bytes:?}"), browser(world.hands(), bytes, text));
    }
    // The account's address is another one from here on.
    table.row_alone("worldpay: what the answer to an order says", answered(world.hands())).await;
    table.end().await;
}

async fn paid(hands: &Hands, provider: &str) -> Result<String> {
    let answer = match provider {
        "worldpay" => hands.client.cashier(&bodies::worldpay_card("100.00", VISA, "John Doe")).await?,
        _ => hands.client.cashier(&bodies::emerchantpay("100.00", FRICTIONLESS)).await?,
    };
    let id = id_of(&answer)?;
    until(hands, &id, |shown| shown["transaction_status"] == "Approved").await?;
    Ok(id)
}

fn worldpay_payment(word: &str, more: &str) -> String {
    format!(
        "<payment><paymentMethod>VISA-SSL</paymentMethod><amount value=\"10000\" currencyCode=\"EUR\" exponent=\"2\" \
         debitCreditIndicator=\"credit\"/><lastEvent>{word}</lastEvent>{more}</payment>"
    )
}

fn worldpay_order(id: &str, inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><paymentService version=\"1.4\"><reply><orderStatus orderCode=\"{id}\">{inner}</orderStatus></reply></paymentService>"
    )
}

/// The provider's record says this by now, and is asked for.
async fn says(hands: &Hands, provider: &str, id: &str, (word, more): (&str, &str)) -> Result<()> {
    let (about, path, body) = match provider {
        "worldpay" => {
            let body = worldpay_order(id, &worldpay_payment(word, more));
            (id.to_owned(), "/jsp/merchant/xml/paymentService.jsp", body)
        }
        _ => {
            let unique_id = hands.managed(id).await?["pspTransactionId"].as_str().context("no unique_id")?.to_owned();
            let amount = if more.is_empty() { "10000" } else { more };
            let body = format!(
                "<payment_response><transaction_type>sale3d</transaction_type><status>{word}</status><transaction_id>{id}</transaction_id>\
                 <unique_id>{unique_id}</unique_id><timestamp>2026-11-30T04:00:00Z</timestamp><amount>{amount}</amount>\
                 <currency>EUR</currency></payment_response>"
            );
            (unique_id, "/reconcile/", body)
        }
    };
    let record =
        json!({"http": 200, "path": path, "about": about, "headers": {"content-type": "text/xml"}, "body": body, "times": 1});
    steps::next(hands, provider, record).await?;
    inquire(hands, id).await
}

async fn counted(hands: Hands, provider: &'static str, records: Records, stands: &Stands) -> Result<()> {
    let id = paid(&hands, provider).await?;
    for record in records {
        says(&hands, provider, &id, *record).await?;
    }
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Reversed", "{shown}");
    ensure!(shown["refundedAmount"].as_str() == stands.refunded, "{shown}");
    ensure!(minor_units(&shown, "charged_back") == stands.charged, "{shown}");
    ensure!(minor_units(&shown, "chargeback_won") == stands.won, "{shown}");
    ensure!((shown["disputed"] == true) == stands.disputed, "{shown}");
    hands.webhooks(&id, &["Approved", "Reversed"], steps::LIMIT).await
}

async fn after(hands: Hands, provider: &'static str, before: Records, word: &'static str, seen: bool) -> Result<()> {
    let id = paid(&hands, provider).await?;
    for record in before {
        says(&hands, provider, &id, *record).await?;
    }
    let reversed = hands.managed(&id).await?;
    ensure!(reversed["transaction_status"] == "Reversed" && reversed["attention"].is_null(), "{reversed}");
    says(&hands, provider, &id, (word, "")).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Reversed" && shown["status"] == reversed["status"], "{shown}");
    ensure!(shown["refundedAmount"] == reversed["refundedAmount"] && shown["disputed"] == reversed["disputed"], "{shown}");
    ensure!((shown["attention"] == "anomaly") == seen && events(&shown, "anomaly").is_empty() != seen, "{shown}");
    Ok(())
}

/// An anomaly of the account, which is counted, and answered: whatever else is not `[OK]` holds back what follows.
async fn another_order(hands: Hands) -> Result<()> {
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    let methods = methods.body["data"]["items"].as_array().cloned().unwrap_or_default();
    let method = methods.iter().find(|method| method["pspType"] == "WORLDPAY_EU").context("no account")?;
    let id = method["id"].as_str().context("no id")?;
    let shown = hands.client.manage("GET", &format!("/payment-methods/{id}"), None).await?;
    let (url, merchant) = (&shown.body["data"]["callbackUrl"], &shown.body["data"]["config"]["merchantCode"]);
    let other = paid(&hands, "emerchantpay").await?;
    let before = counter(&hands, id).await?;
    // Nobody's, and another provider's.
    for code in ["64a1f2b3c4d5e6f7a8b9c0d1", &*other] {
        let body = format!(
            "<paymentService version=\"1.4\" merchantCode=\"{}\"><notify><orderStatusEvent orderCode=\"{code}\">{}</orderStatusEvent></notify>\
             </paymentService>",
            merchant.as_str().unwrap_or_default(),
            worldpay_payment("CAPTURED", "")
        );
        let url = url.as_str().context("no address")?;
        let told = hands.client.send("POST", url, &[("content-type", "text/xml")], Some(body.into_bytes())).await?;
        ensure!(told.status == 200 && told.bytes == b"[OK]", "{code}: {}", told.status);
    }
    ensure!(counter(&hands, id).await? == before + 2, "{before}, then {}", counter(&hands, id).await?);
    Ok(())
}

async fn counter(hands: &Hands, account: &str) -> Result<u64> {
    let metrics = String::from_utf8(hands.client.read("/metrics").await?.bytes)?;
    let of_account = |line: &&str| line.starts_with("mozarto_account_anomalies_total{") && line.contains(account);
    let value = metrics.lines().find(of_account).and_then(|line| line.rsplit(' ').next());
    Ok(value.map(str::parse).transpose()?.unwrap_or_default())
}

/// What the browser says of itself is passed on by the merchant as it came: in UTF-8, or in the older encoding of headers.
async fn browser(hands: Hands, user_agent: &[u8], text: &str) -> Result<()> {
    let body = bodies::emerchantpay("10.00", FRICTIONLESS).replace(r#""browser":{"userAgent":"Mozilla/5.0"},"#, "");
    let address = hands.client.base.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /v1/api/mozarto/cashier HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         x-user-token: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nuser-agent: ",
        hands.client.company_token,
        hands.client.user_token,
        body.len()
    );
    let mut stream = TcpStream::connect(&address).await?;
    stream.write_all(&[head.as_bytes(), user_agent, b"\r\n\r\n", body.as_bytes()].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let id = answer.split("\"transactionId\":\"").nth(1).and_then(|rest| rest.get(..24)).context(answer.clone())?;
    let calls = hands.client.control("GET", "/emerchantpay/calls?limit=1000", None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let sale = calls.iter().filter_map(|call| call["body"].as_str()).find(|body| body.contains(id) && body.contains("sale3d"));
    let sale = sale.with_context(|| format!("nothing was sent: {answer}"))?;
    ensure!(sale.contains(&format!("<user_agent>{text}</user_agent>")), "{sale}");
    Ok(())
}

// --- what an answer says ----------------------------------------------------------------------

/// A Worldpay whose answers to orders and inquiries alike are what the card holder is called.
async fn named_by_the_holder() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let words = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashMap::<String, String>::new()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let words = words.clone();
            tokio::spawn(async move {
                let (mut asked, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
                while !asked.ends_with(b"</paymentService>") {
                    match stream.read(&mut buffer).await {
                        Ok(read @ 1..) => asked.extend_from_slice(&buffer[..read]),
                        _ => return,
                    }
                }
                let asked = String::from_utf8_lossy(&asked).into_owned();
                let between =
                    |from: &str, to: &str| asked.split(from).nth(1).and_then(|rest| rest.split(to).next()).map(str::to_owned);
                let id = between("orderCode=\"", "\"").unwrap_or_default();
                let holder = between("<cardHolderName>", "<");
                let word = words.lock().map(|mut words| match holder {
                    Some(word) => words.entry(id.clone()).or_insert(word).clone(),
                    None => words.get(&id).cloned().unwrap_or_default(),
                });
                let body = worldpay_order(&id, &worldpay_payment(&word.unwrap_or_default(), ""));
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\nconnection: close\r\ncontent-length: ";
                let _ = stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await;
            });
        }
    });
    Ok(address)
}

/// The status, the kind of its turn, whether somebody should see something, and a note.
type Answered = (&'static str, &'static str, Option<&'static str>, bool, bool);

const ANSWERED: [Answered; 8] = [
    ("CHARGED_BACK", "Reversed", Some("charged_back"), false, false),
    ("REFUNDED", "Reversed", Some("refunded"), false, false),
    ("CHARGEBACK_REVERSED", "Approved", Some("chargeback_won"), true, false),
    ("SENT_FOR_REFUND", "Approved", None, false, true),
    ("REFUND_FAILED", "Approved", None, true, false),
    ("CAPTURED", "Approved", None, false, false),
    ("CAPTURE_FAILED", "Pending", None, true, false),
    ("VOIDED", "Cancelled", None, false, false),
];

async fn answered(hands: Hands) -> Result<()> {
    let address = named_by_the_holder().await?;
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    let methods = methods.body["data"]["items"].as_array().cloned().unwrap_or_default();
    let direct = |method: &&Value| method["pspType"] == "WORLDPAY_EU" && method["config"]["integrationMode"] == "direct";
    let id = methods.iter().find(direct).and_then(|method| method["id"].as_str()).context("no account of cards")?;
    let patch = Some(json!({"config": {"baseUrl": address}}));
    let set = hands.client.manage("PATCH", &format!("/payment-methods/{id}"), patch).await?;
    ensure!(set.status == 200, "{}", set.body);
    for (word, status, kind, seen, noted) in ANSWERED {
        let answer = hands.client.cashier(&bodies::worldpay_card("100.00", VISA, word)).await?;
        let id = id_of(&answer)?;
        let shown = hands.managed(&id).await?;
        ensure!(shown["transaction_status"] == status, "{word}: {} {shown}", answer.status);
        let kinds = ["refunded", "charged_back", "chargeback_won", "chargeback_lost"];
        let turned: Vec<&str> = kinds.into_iter().filter(|kind| !events(&shown, kind).is_empty()).collect();
        ensure!(turned == kind.into_iter().collect::<Vec<_>>(), "{word}: {turned:?} {shown}");
        ensure!((shown["disputed"] == true) == (word == "CHARGED_BACK"), "{word}: {shown}");
        ensure!((shown["attention"] == "anomaly") == seen, "{word}: {shown}");
        ensure!(has_event(&shown, if noted { "noted" } else { "anomaly" }, word) == (noted || seen), "{word}: {shown}");
    }
    Ok(())
}
