//! Worldpay: balances, equal parts, empty references, return codes.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(30);
const SERVICE: &str = "/jsp/merchant/xml/paymentService.jsp";
const VISA: &str = "4444333322221111";
const MERCHANT: &str = "MYMERCHANT";
/// A text that stands for the account's merchant code in documents made here.
const LOOK_IT_UP: &str = "look it up";

#[tokio::test(flavor = "multi_thread")]
async fn worldpay_as_it_is() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["WORLDPAY_EU"], |options| options.time_scale(60));
    let world = world.await.expect("a sandbox");
    let account = Account::of(&world.hands()).await.expect("the demo account");
    let mut table = Table::new("Worldpay");
    for case in refunds() {
        table.row(format!("refunds: {}", case.name), refunded(world.hands(), account.clone(), case));
    }
    for (name, bodies, balance, status, anomaly) in told() {
        table.row(format!("told: {name}"), notified(world.hands(), account.clone(), bodies, balance, status, anomaly));
    }
    table.row("told three times at once, no balance", told_at_once(world.hands(), account.clone()));
    for word in PROVING {
        for before in ["Pending", "Declined", "Approved"] {
            table.row(format!("{word} proves the payment, {before}"), proves(world.hands(), word, before));
        }
    }
    for word in ["CAPTURE_FAILED", "REFUSED_BY_BANK", "REVOKE_REQUESTED", "REVOKED", "REVOKE_FAILED"] {
        table.row(format!("{word} proves nothing"), proves_nothing(world.hands(), word));
    }
    table.row("another attempt after the one that was paid", another_attempt(world.hands()));
    table.row("a chargeback, won", chargeback(world.hands()));
    for (direct, of_order) in [(false, false), (false, true), (true, false), (true, true)] {
        table.row(format!("error 5 about the details {direct} {of_order}"), details_refused(world.hands(), direct, of_order));
    }
    for (codes, message) in [
        (r#"<IssuerResponseCode code="54" description="Expired card"/>"#, "Expired card (54)"),
        (
            r#"<ISO8583ReturnCode code="33" description="CARD EXPIRED"/><IssuerResponseCode code="54" description="Expired card"/>"#,
            "CARD EXPIRED (33)",
        ),
    ] {
        table.row(format!("the reason: {message}"), reason(world.hands(), codes, message));
    }
    table.row("an inquiry's error 5 under reply", unknown_order(world.hands()));
    table.row("asked for 3-D Secure again", challenged_again(world.hands(), false));
    table.row("asked for 3-D Secure a third time", challenged_again(world.hands(), true));
    table.end().await;
}

/// Where Worldpay's notifications come in, and as whom.
#[derive(Clone)]
struct Account {
    callback_url: String,
    merchant_code: String,
}

impl Account {
    async fn of(hands: &Hands) -> Result<Self> {
        let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
        let methods = methods.body["data"]["items"].as_array().cloned().unwrap_or_default();
        let hosted = |method: &&Value| method["pspType"] == "WORLDPAY_EU" && method["config"]["integrationMode"] != "direct";
        let hosted = methods.iter().find(hosted).context("no account of hosted pages")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = hands.client.manage("GET", &format!("/payment-methods/{}", text(&hosted["id"])), None).await?;
        let data = &shown.body["data"];
        let account = Self { callback_url: text(&data["callbackUrl"]), merchant_code: text(&data["config"]["merchantCode"]) };
        ensure!(!account.callback_url.is_empty() && !account.merchant_code.is_empty(), "{}", shown.body);
        // Nothing is captured by itself: the words are those of the rows.
        let path = format!("/payment-methods/{}", text(&hosted["id"]));
        let set = hands.client.manage("PATCH", &path, Some(json!({"config": {"captureDelay": "OFF"}}))).await?;
        ensure!(set.status == 200, "{}", set.body);
        Ok(account)
    }

    async fn notify(&self, hands: &Hands, body: &str) -> Result<()> {
        let body = body.replace(MERCHANT, &self.merchant_code).into_bytes();
        let told = hands.client.send("POST", &self.callback_url, &[("content-type", "text/xml")], Some(body)).await?;
        ensure!(told.status == 200 && told.bytes == b"[OK]", "{} {:?}", told.status, told.bytes);
        Ok(())
    }
}

// --- what is said -----------------------------------------------------------------------------

fn document(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE paymentService PUBLIC \"-//WorldPay//DTD WorldPay PaymentService v1//EN\" \
         \"http://dtd.worldpay.com/paymentService_v1.dtd\"><paymentService version=\"1.4\" merchantCode=\"{MERCHANT}\">{inner}</paymentService>"
    )
}

fn amount(minor: i64, currency: &str, side: &str) -> String {
    format!("<amount value=\"{minor}\" currencyCode=\"{currency}\" exponent=\"2\" debitCreditIndicator=\"{side}\"/>")
}

/// A payment of 150.00, with more inside.
fn payment(event: &str, more: &str) -> String {
    let whole = amount(15_000, "EUR", "credit");
    format!("<payment><paymentMethod>VISA-SSL</paymentMethod>{whole}<lastEvent>{event}</lastEvent>{more}</payment>")
}

fn balance(account: &str, minor: i64, currency: &str, side: &str) -> String {
    format!("<balance accountType=\"{account}\">{}</balance>", amount(minor, currency, side))
}

fn captured(minor: i64) -> String {
    balance("IN_PROCESS_CAPTURED", minor, "EUR", "credit")
}

fn booking(account: &str, minor: i64, currency: &str) -> String {
    format!(
        "<accountTx accountType=\"{account}\" batchId=\"23\"><amount value=\"{minor}\" currencyCode=\"{currency}\" exponent=\"2\"/></accountTx>"
    )
}

/// A notification of a refund, as the console's have it.
fn refund(id: &str, bookings: &str, day: u8, reference: &str) -> String {
    let date = format!("<bookingDate><date dayOfMonth=\"{day:02}\" month=\"01\" year=\"2026\"/></bookingDate>");
    let reference = format!("<journalReference type=\"refund\" reference=\"{reference}\"/>");
    let journal = format!("<journal journalType=\"REFUNDED\" sent=\"n\">{date}{bookings}{reference}</journal>");
    let payment = payment("REFUNDED", "<cardNumber>4444********1111</cardNumber>");
    document(&format!("<notify><orderStatusEvent orderCode=\"{id}\">{payment}{journal}</orderStatusEvent></notify>"))
}

async fn control(hands: &Hands, id: &str, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/worldpay/{id}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

/// The next answer to a call about a transaction.
async fn next(hands: &Hands, about: &str, body: &str, times: u32) -> Result<()> {
    // A document without a merchant code is as good as one with ours.
    let body = body.replace(&format!(" merchantCode=\"{MERCHANT}\""), "");
    let next = json!({"http": 200, "path": SERVICE, "about": about, "body": body, "times": times});
    let set = hands.client.control("PUT", "/worldpay/next", Some(next)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

async fn next_record(hands: &Hands, id: &str, payments: &str, times: u32) -> Result<()> {
    next(hands, id, &document(&format!("<reply><orderStatus orderCode=\"{id}\">{payments}</orderStatus></reply>")), times).await
}

async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

fn id_of(answer: &Answer) -> Result<String> {
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(!id.is_empty(), "{} {}", answer.status, answer.body);
    Ok(id)
}

async fn opened(hands: &Hands) -> Result<String> {
    id_of(&hands.client.cashier(&bodies::worldpay("150.00")).await?)
}

/// A payment of 150.00 that stands so.
async fn standing(hands: &Hands, status: &str) -> Result<String> {
    let id = opened(hands).await?;
    let word = match status {
        "Pending" => return Ok(id),
        "Declined" => "REFUSED",
        _ => "AUTHORISED",
    };
    control(hands, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    Ok(id)
}

/// What the timeline has of one kind of event: their minor units.
async fn turns(hands: &Hands, id: &str, kind: &str) -> Result<Vec<i64>> {
    let shown = hands.client.status(id).await?;
    let events = shown.body["data"]["events"].as_array().cloned().unwrap_or_default();
    let of_kind = events.iter().filter(|event| event["event"] == kind);
    Ok(of_kind.map(|event| event["detail"]["minorUnits"].as_i64().unwrap_or(-1)).collect())
}

/// Waits until the transaction stands as wanted.
async fn stands(hands: &Hands, id: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let until = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = hands.managed(id).await?;
        if wanted(&shown) {
            return Ok(shown);
        }
        ensure!(tokio::time::Instant::now() < until, "it stands so: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

// --- refunds ----------------------------------------------------------------------------------

/// The record of a refund, asked about by hand.
struct Refund {
    name: &'static str,
    record: String,
    status: &'static str,
    refunded: Option<&'static str>,
    anomaly: bool,
}

fn refunds() -> Vec<Refund> {
    let net = |minor, side| balance("SETTLED_BIBIT_NET", minor, "EUR", side);
    let commission = balance("SETTLED_BIBIT_COMMISSION", 160, "EUR", "credit");
    let case = |name, balances: String, status, refunded, anomaly| Refund {
        name,
        record: payment("REFUNDED", &balances),
        status,
        refunded,
        anomaly,
    };
    let mut by_merchant = case("by the merchant", captured(14_000), "Approved", Some("10.00"), false);
    by_merchant.record = payment("REFUNDED_BY_MERCHANT", &captured(14_000));
    vec![
        case("a part", captured(14_000), "Approved", Some("10.00"), false),
        by_merchant,
        case("one cent is left", captured(1), "Approved", Some("149.99"), false),
        case("nothing is left", captured(0), "Reversed", Some("150.00"), false),
        case("no balance and no part", String::new(), "Reversed", Some("150.00"), false),
        case("a part after the settlement", net(13_840, "credit") + &commission, "Approved", Some("10.00"), false),
        case("the whole after the settlement", net(160, "debit") + &commission, "Reversed", Some("150.00"), false),
        case("commission before net", commission.clone() + &net(160, "debit"), "Reversed", Some("150.00"), false),
        case("in another currency", balance("SETTLED_BIBIT_NET", 12_000, "GBP", "credit"), "Approved", None, true),
        case(
            "in two currencies",
            captured(14_000) + &balance("SETTLED_BIBIT_NET", 12_000, "GBP", "credit"),
            "Approved",
            None,
            true,
        ),
        case("more than was paid", captured(15_001), "Approved", None, true),
        case("not a number", captured(1).replace("value=\"1\"", "value=\"all\""), "Approved", None, true),
    ]
}

async fn refunded(hands: Hands, _account: Account, case: Refund) -> Result<()> {
    for before in ["Approved", "Pending"] {
        let id = standing(&hands, before).await?;
        let moved = hands.managed(&id).await?["updatedAt"].clone();
        next_record(&hands, &id, &case.record, 1).await?;
        inquire(&hands, &id).await?;
        let shown = hands.managed(&id).await?;
        ensure!(shown["transaction_status"] == case.status, "{before}: {shown}");
        ensure!(shown["refundedAmount"].as_str() == case.refunded, "{before}: {shown}");
        ensure!((shown["attention"] == "anomaly") == case.anomaly, "{before}: {shown}");
        ensure!(shown["updatedAt"] != moved, "{before}: {shown}");
        let webhooks: &[&str] = if case.status == "Reversed" { &["Approved", "Reversed"] } else { &["Approved"] };
        hands.webhooks(&id, webhooks, LIMIT).await?;
        ensure!(turns(&hands, &id, "refunded").await?.len() == usize::from(case.refunded.is_some()), "{shown}");
    }
    Ok(())
}

/// Notifications one after the other, each with the record that Worldpay has by then; how it ends.
type Told = (&'static str, fn(&str) -> Vec<String>, fn(usize) -> String, &'static str, bool);

fn told() -> Vec<Told> {
    let part = |id: &str, day, reference: &str| refund(id, &booking("IN_PROCESS_CAPTURED", 7_500, "EUR"), day, reference);
    let _ = part;
    vec![
        (
            "two equal parts, nothing left",
            |id| vec![half(id, 1, ""), half(id, 1, "")],
            |n| captured([7_500, 0][n]),
            "Reversed",
            false,
        ),
        ("two parts of two days", |id| vec![half(id, 1, ""), half(id, 2, "")], |_| String::new(), "Reversed", false),
        (
            "two parts with references of twelve digits",
            |id| vec![half(id, 1, "100000000001"), half(id, 1, "100000000002")],
            |_| String::new(),
            "Reversed",
            false,
        ),
        (
            "two parts with short references",
            |id| vec![half(id, 1, "r1"), half(id, 1, "r2")],
            |_| String::new(),
            "Reversed",
            false,
        ),
        ("a part told three times, half is left", |id| vec![half(id, 1, ""); 3], |_| captured(7_500), "Approved", false),
        ("a part told three times, no balance", |id| vec![half(id, 1, ""); 3], |_| String::new(), "Approved", true),
        (
            "other bookings before",
            |id| {
                let bookings = booking("SETTLED_BIBIT_NET", 6_450, "GBP") + &booking("IN_PROCESS_CAPTURED", 7_500, "EUR");
                vec![refund(id, &bookings, 1, ""), refund(id, &bookings, 2, "")]
            },
            |_| balance("SETTLED_BIBIT_NET", 0, "GBP", "credit"),
            "Reversed",
            false,
        ),
        (
            "captured before what comes first",
            |id| {
                let bookings = booking("SETTLED_BIBIT_COMMISSION", 150, "EUR") + &booking("IN_PROCESS_CAPTURED", 7_500, "EUR");
                vec![refund(id, &bookings, 1, ""), refund(id, &bookings, 2, "")]
            },
            |_| String::new(),
            "Reversed",
            false,
        ),
        (
            "in another currency alone",
            |id| vec![refund(id, &booking("SETTLED_BIBIT_NET", 6_450, "GBP"), 1, "")],
            |_| balance("SETTLED_BIBIT_NET", 6_450, "GBP", "credit"),
            "Approved",
            true,
        ),
    ]
}

fn half(id: &str, day: u8, reference: &str) -> String {
    refund(id, &booking("IN_PROCESS_CAPTURED", 7_500, "EUR"), day, reference)
}

async fn notified(
    hands: Hands,
    account: Account,
    bodies: fn(&str) -> Vec<String>,
    balance: fn(usize) -> String,
    status: &'static str,
    anomaly: bool,
) -> Result<()> {
    let id = standing(&hands, "Approved").await?;
    for (n, body) in bodies(&id).iter().enumerate() {
        let inquiries = asked(&hands, &id).await?;
        next_record(&hands, &id, &payment("REFUNDED", &balance(n)), 1).await?;
        account.notify(&hands, body).await?;
        let until = tokio::time::Instant::now() + LIMIT;
        while asked(&hands, &id).await? == inquiries {
            ensure!(tokio::time::Instant::now() < until, "nobody asked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let right = |shown: &Value| shown["transaction_status"] == status && (shown["attention"] == "anomaly") == anomaly;
    let shown = stands(&hands, &id, right).await?;
    let events = hands.client.status(&id).await?.body["data"]["events"].to_string();
    ensure!(events.contains(LOOK_IT_UP) == anomaly, "{events}");
    let parts = turns(&hands, &id, "refunded").await?;
    let sum: i64 = parts.iter().sum();
    match status {
        "Reversed" => {
            ensure!(parts == [7_500, 7_500] && shown["refundedAmount"] == "150.00", "{parts:?} {shown}");
            hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
        }
        _ => {
            ensure!(shown["refundedAmount"].as_str().unwrap_or("0.00") == format!("{}.00", sum / 100), "{parts:?} {shown}");
            hands.webhooks(&id, &["Approved"], LIMIT).await
        }
    }
}

/// Before anybody was asked, the same bytes came again, and were answered each time.
async fn told_at_once(hands: Hands, account: Account) -> Result<()> {
    let id = standing(&hands, "Approved").await?;
    next_record(&hands, &id, &payment("REFUNDED", ""), 20).await?;
    for _ in 0..3 {
        account.notify(&hands, &half(&id, 1, "")).await?;
    }
    let shown = stands(&hands, &id, |shown| shown["attention"] == "anomaly").await?;
    ensure!(shown["transaction_status"] == "Approved" && shown["refundedAmount"] == "75.00", "{shown}");
    ensure!(shown["events"].to_string().contains(LOOK_IT_UP), "{shown}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// How often Worldpay was asked about an order.
async fn asked(hands: &Hands, id: &str) -> Result<usize> {
    let calls = hands.client.control("GET", "/worldpay/calls?limit=1000", None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    let about = |call: &&Value| {
        let body = call["body"].as_str().unwrap_or_default();
        body.contains("orderInquiry") && body.contains(id)
    };
    Ok(calls.iter().filter(about).count())
}

// --- words ------------------------------------------------------------------------------------

/// Words that can only follow a payment.
const PROVING: [&str; 15] = [
    "SENT_FOR_REFUND",
    "SENT_FOR_FAST_REFUND",
    "REFUND_REQUESTED",
    "REFUND_RECEIVED",
    "REFUND_FAILED",
    "REFUND_EXPIRED",
    "REFUND_REVERSED",
    "REFUND_WEBFORM_ISSUED",
    "INFORMATION_REQUESTED",
    "INFORMATION_SUPPLIED",
    "DISPUTED_FUNDS_HELD",
    "DISPUTED_FUNDS_RELEASED",
    "DISPUTE_EXPIRED",
    "DISPUTE_RESERVE_RELEASED",
    "CHARGEBACK_REVERSED",
];
/// Those of them that a person should see.
const SEEN: [&str; 4] = ["REFUND_FAILED", "REFUND_EXPIRED", "REFUND_REVERSED", "CHARGEBACK_REVERSED"];

async fn proves(hands: Hands, word: &'static str, before: &'static str) -> Result<()> {
    let id = standing(&hands, before).await?;
    next_record(&hands, &id, &payment(word, ""), 1).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Approved", "{shown}");
    ensure!((shown["attention"] == "anomaly") == SEEN.contains(&word), "{shown}");
    ensure!(shown["events"].to_string().contains(word), "{shown}");
    let webhooks: &[&str] = if before == "Declined" { &["Declined", "Approved"] } else { &["Approved"] };
    hands.webhooks(&id, webhooks, LIMIT).await
}

async fn proves_nothing(hands: Hands, word: &'static str) -> Result<()> {
    for before in ["Pending", "Approved"] {
        let id = standing(&hands, before).await?;
        next_record(&hands, &id, &payment(word, ""), 1).await?;
        inquire(&hands, &id).await?;
        let shown = hands.managed(&id).await?;
        ensure!(shown["transaction_status"] == before && shown["attention"] == "anomaly", "{shown}");
    }
    Ok(())
}

/// The payment that counts is the one that was paid, whatever stands last.
async fn another_attempt(hands: Hands) -> Result<()> {
    for word in ["SENT_FOR_REFUND", "DISPUTED_FUNDS_HELD", "CHARGEBACK_REVERSED"] {
        let id = standing(&hands, "Pending").await?;
        next_record(&hands, &id, &(payment(word, "") + &payment("REFUSED", "")), 1).await?;
        inquire(&hands, &id).await?;
        let shown = hands.managed(&id).await?;
        ensure!(shown["transaction_status"] == "Approved", "{word}: {shown}");
    }
    let id = standing(&hands, "Pending").await?;
    next_record(&hands, &id, &(payment("REFUNDED", &captured(14_000)) + &payment("OPEN", "")), 1).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Approved" && shown["refundedAmount"] == "10.00", "{shown}");
    Ok(())
}

async fn chargeback(hands: Hands) -> Result<()> {
    let id = standing(&hands, "Approved").await?;
    for (record, disputed, charged, won) in [
        (payment("REFUNDED", &captured(14_000)), None, vec![], vec![]),
        (payment("CHARGED_BACK", ""), Some(true), vec![14_000], vec![]),
        (payment("CHARGED_BACK", ""), Some(true), vec![14_000], vec![]),
        (payment("CHARGEBACK_REVERSED", ""), None, vec![14_000], vec![14_000]),
        (payment("CHARGED_BACK", ""), Some(true), vec![14_000, 14_000], vec![14_000]),
    ] {
        next_record(&hands, &id, &record, 1).await?;
        inquire(&hands, &id).await?;
        let shown = hands.managed(&id).await?;
        ensure!(shown["disputed"].as_bool() == disputed && shown["refundedAmount"] == "10.00", "{record} {shown}");
        ensure!(turns(&hands, &id, "charged_back").await? == charged, "{record} {shown}");
        ensure!(turns(&hands, &id, "chargeback_won").await? == won, "{record} {shown}");
    }
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

// --- refusals ---------------------------------------------------------------------------------

async fn details_refused(hands: Hands, direct: bool, of_order: bool) -> Result<()> {
    let amount = match (direct, of_order) {
        (false, false) => "611.00",
        (false, true) => "612.00",
        (true, false) => "613.00",
        (true, true) => "614.00",
    };
    let marker = format!("value=\"{}\"", amount.replace('.', ""));
    let error = "<error code=\"5\"><![CDATA[Invalid payment details : Expiry date]]></error>";
    let error = if of_order { format!("<orderStatus orderCode=\"\">{error}</orderStatus>") } else { error.to_owned() };
    next(&hands, &marker, &document(&format!("<reply>{}</reply>", error.replace(" orderCode=\"\"", ""))), 1).await?;
    let body = if direct { bodies::worldpay_card(amount, VISA, "John Doe") } else { bodies::worldpay(amount) };
    let answer = hands.client.cashier(&body).await?;
    // An answer about no order in particular is about the one that was sent.
    ensure!(answer.status == 400 && answer.body.get("errorCode").is_none(), "{} {}", answer.status, answer.body);
    ensure!(answer.body["message"] == "Payment details were refused by the provider.", "{}", answer.body);
    hands.client.wait_for(&id_of(&answer)?, &["Failed"], LIMIT).await?;
    Ok(())
}

async fn reason(hands: Hands, codes: &'static str, message: &'static str) -> Result<()> {
    let id = standing(&hands, "Pending").await?;
    next_record(&hands, &id, &payment("REFUSED", codes), 1).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Declined" && shown["message"] == message, "{shown}");
    Ok(())
}

/// "No payment yet", under whichever element: no news, and nothing that went wrong.
async fn unknown_order(hands: Hands) -> Result<()> {
    let id = standing(&hands, "Pending").await?;
    let text = "<error code=\"5\"><![CDATA[Could not find payment for order]]></error>";
    next(&hands, &id, &document(&format!("<reply>{text}</reply>")), 1).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Pending" && !shown["events"].to_string().contains("UNKNOWN_PSP_ERROR"), "{shown}");
    Ok(())
}

/// Once more the new page is shown, with what came with it; a third time the payment is declined.
async fn challenged_again(hands: Hands, thrice: bool) -> Result<()> {
    let amount = if thrice { "632.00" } else { "631.00" };
    let answer = hands.client.cashier(&bodies::worldpay_card(amount, "4000000000001091", "John Doe")).await?;
    let (id, page) = (id_of(&answer)?, answer.text("/data/paymentUrl").to_owned());
    ensure!(!page.is_empty(), "{}", answer.body);
    let again = |url: &str| {
        let details = format!(
            "<threeDSVersion>2.1.0</threeDSVersion><transactionId3DS>again-1</transactionId3DS><acsURL>{url}</acsURL><payload>eyJhIjoxfQ</payload>"
        );
        let challenge =
            format!("<challengeRequired><threeDSChallengeDetails>{details}</threeDSChallengeDetails></challengeRequired>");
        document(&format!("<reply><orderStatus orderCode=\"{id}\">{challenge}</orderStatus></reply>"))
    };
    let back = async || hands.client.send("POST", &format!("{page}/return"), &[], Some(Vec::new())).await;
    next(&hands, &format!("{id}\"><info3DSecure"), &again("https://acs.example/2"), if thrice { 2 } else { 1 }).await?;
    let shown = back().await?;
    ensure!(shown.status == 303 && shown.header("location") == Some(&*page), "{} {:?}", shown.status, shown.header("location"));
    hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    let form = hands.client.send("GET", &page, &[], None).await?;
    ensure!(form.status == 200 && String::from_utf8_lossy(&form.bytes).contains("JWT"), "the new page: {}", form.status);
    let shown = back().await?;
    ensure!(shown.status == 303 && shown.header("location") != Some(&*page), "{:?}", shown.header("location"));
    if thrice {
        hands.client.wait_for(&id, &["Declined"], LIMIT).await?;
        return hands.nothing_moved("worldpay", &id).await;
    }
    // The second submit went out again: the simulator has no session of that challenge, so only what it says later counts.
    control(&hands, &id, "approve").await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("worldpay", &id, &json!({"direction": "in", "amount": amount, "currency": "EUR"})).await?;
    Ok(())
}
