//! Trust Payments: what one attempt to pay says of an order that has several, a second payment, and refunds that are taken back.
//! At an account that asks and at one that can only believe what is signed.

use crate::short_callbacks::{posted, sha256_hex};
use crate::steps::{LIMIT, control, events, has_event, inquire, minor_units, next, only_signed, until};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const NAME: &str = "trust";
const SITE: &str = "test_mozarto0001";
const PASSWORD: &str = "trust-demo-password-0001";
/// The attempts of these tests.
const A: &str = "42-14-119";
const B: &str = "42-14-120";
const C: &str = "42-14-121";
const MORE_THAN_ONCE: &str = "paid this order more than once";

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_judged_together() {
    let start = || World::start(env!("CARGO_BIN_EXE_mozarto"), &["TRUST"], |options| options.time_scale(20));
    let (asks, believes) = tokio::try_join!(start(), start()).expect("two sandboxes");
    only_signed(&believes.hands()).await.expect("the account");
    let mut table = Table::new("Trust's attempts");
    for (how, world) in [("asked", &asks), ("told", &believes)] {
        let hands = || world.hands();
        for word in ["0/3", "70000/3", "71000/3", "60022/3", "60010/0", "70001/0", "30000/0"] {
            table.row(format!("{how}: another attempt's {word} after the payment"), after_the_payment(hands(), word));
        }
        for open in ["0/2", "60010/0", "70001/0", "65000/0"] {
            for end in ["70000/3", "0/3", "60022/3"] {
                table.row(format!("{how}: {open}, then another attempt's {end}"), still_open(hands(), open, end));
            }
        }
        table.row(format!("{how}: the open attempt ends"), open_one_ends(hands()));
        table.row(format!("{how}: suspended, and another is paid"), suspended_and_paid(hands()));
        table.row(format!("{how}: paid again after a reversal"), paid_again(hands(), "cancel"));
        table.row(format!("{how}: paid again after a refund"), paid_again(hands(), "refund"));
        table.row(format!("{how}: a third payment"), third_payment(hands()));
        table.row(format!("{how}: a cancellation of nobody knows which"), nameless_end(hands()));
        table.row(format!("{how}: further attempts"), further(hands()));
        table.row(format!("{how}: a refund is taken back"), refund_taken_back(hands()));
        table.row(format!("{how}: a refund that never was"), refund_never_counted(hands()));
        table.row(format!("{how}: a field that says nothing"), empty_field(hands()));
    }
    for word in ["0/3", "70000/3"] {
        table.row(format!("not answered: another attempt's {word} after the payment"), unanswered(asks.hands(), word));
    }
    table.row("asked: what is settled goes up again", raised(asks.hands()));
    // Of the last one no second is left: it can only be the same.
    for (minors, refunded, open) in
        [(["5000", "5000"], "50.00", 1), (["3000", "2000"], "50.00", 0), (["6000", "6000"], "60.00", 0)]
    {
        let name = format!("told: {minors:?} without a reference");
        table.row(name, nameless_refunds(believes.hands(), minors, refunded, open));
    }
    // These change the account for all.
    for (name, says, paid) in [
        ("null", json!({"orderreference": null, "sitereference": null, "currencyiso3a": null, "baseamount": null}), true),
        ("empty", json!({"orderreference": "", "sitereference": "", "currencyiso3a": "", "baseamount": ""}), true),
        ("another's", json!({"orderreference": "64a1f2b3c4d5e6f7a8b9c0ff"}), false),
        ("an object", json!({"currencyiso3a": {"code": "EUR"}}), false),
        ("a list", json!({"baseamount": ["10000"]}), false),
    ] {
        table.row_alone(format!("members that are {name}"), members(asks.hands(), says, paid)).await;
    }
    table.end().await;
}

/// An order of 100.00 whose form is at Trust, and where Trust tells of it.
struct Order {
    hands: Hands,
    id: String,
    url: String,
}

impl Order {
    async fn open(hands: Hands) -> Result<Self> {
        let answer = hands.client.cashier(&bodies::trust("EUR", "100.00")).await?;
        let form = posted(&hands, answer.text("/data/paymentUrl")).await?;
        let url = form.all("allurlnotification")[0].to_owned();
        Ok(Self { id: answer.text("/transaction/transactionId").to_owned(), url, hands })
    }

    /// Paid by the attempt `A`, as Trust tells.
    async fn paid(hands: Hands) -> Result<Self> {
        let order = Self::open(hands).await?;
        order.tell(A, "0/0", &[]).await?;
        order.hands.ends_as(&order.id, "Approved", "0/0", LIMIT).await?;
        Ok(order)
    }

    /// Paid, at Trust too.
    async fn pressed(hands: Hands) -> Result<Self> {
        let order = Self::open(hands).await?;
        order.control("pay").await?;
        order.hands.ends_as(&order.id, "Approved", "0/0", LIMIT).await?;
        Ok(order)
    }

    /// A signed notification of an attempt; `word`: error code and settle status.
    async fn tell(&self, reference: &str, word: &str, changes: &[(&str, &str)]) -> Result<()> {
        self.notify("1-A60356", reference, word, changes).await
    }

    /// As [`tell`](Self::tell), with the notification's own reference, which is not signed.
    async fn notify(&self, notification: &str, reference: &str, word: &str, changes: &[(&str, &str)]) -> Result<()> {
        let (code, settle) = word.split_once('/').context("a word")?;
        let mut fields = vec![
            ("baseamount", "10000"),
            ("currencyiso3a", "EUR"),
            ("errorcode", code),
            ("maskedpan", "411111######0211"),
            ("orderreference", &*self.id),
            ("paymenttypedescription", "VISA"),
            ("requesttypedescription", "AUTH"),
            ("settlestatus", settle),
            ("sitereference", SITE),
            ("transactionreference", reference),
        ];
        for (name, value) in changes {
            fields.iter_mut().filter(|(known, _)| known == name).for_each(|(_, known)| *known = value);
        }
        let joined: String = fields.iter().map(|(_, value)| *value).chain([PASSWORD]).collect();
        let hash = sha256_hex(joined.as_bytes());
        fields.extend([("notificationreference", notification), ("responsesitesecurity", &*hash)]);
        let body = fields.iter().map(|(name, value)| format!("{name}={}", value.replace('#', "%23"))).collect::<Vec<_>>();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let told = self.hands.client.send("POST", &self.url, &headers, Some(body.join("&").into_bytes())).await?;
        ensure!(told.status == 200, "{}", told.status);
        Ok(())
    }

    async fn refund(&self, reference: &str, minor: &str) -> Result<()> {
        self.tell(reference, "0/0", &[("requesttypedescription", "REFUND"), ("baseamount", minor)]).await
    }

    async fn control(&self, what: &str) -> Result<()> {
        control(&self.hands, NAME, &self.id, what).await
    }

    async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        until(&self.hands, &self.id, wanted).await
    }

    /// What was told before is worked off: an inquiry by hand waits for it.
    async fn settled(&self, reference: &str) -> Result<Value> {
        let text = format!("reference {reference}");
        self.until(|shown| has_event(shown, "noted", &text)).await?;
        inquire(&self.hands, &self.id).await?;
        self.hands.managed(&self.id).await
    }

    /// What is told is worked off in its order: once this cent has gone back, whatever was told before it has had its effect.
    async fn cent_goes_back(&self) -> Result<Value> {
        self.refund("42-14-999", "1").await?;
        self.until(|shown| shown["refundedAmount"] == "0.01").await
    }
}

fn is_quiet(shown: &Value, status: &str) -> Result<()> {
    ensure!(shown["transaction_status"] == status && shown["attention"].is_null(), "{shown}");
    Ok(())
}

/// Nothing tells two equal refunds from one that is notified again: one counts, and a person is told.
async fn nameless_refunds(hands: Hands, minors: [&'static str; 2], refunded: &'static str, open: usize) -> Result<()> {
    let order = Order::paid(hands).await?;
    for (nth, minor) in minors.into_iter().enumerate() {
        let changes = [("requesttypedescription", "REFUND"), ("baseamount", minor)];
        order.notify(&format!("1-A6{nth}"), "", "0/0", &changes).await?;
    }
    let shown = order.until(|shown| shown["refundedAmount"] == refunded && events(shown, "noted").len() > 1).await?;
    ensure!(shown["transaction_status"] == "Approved", "{shown}");
    order.refund("42-14-999", "1").await?;
    let shown = order.until(|shown| shown["refundedAmount"].as_str().is_some_and(|sum| sum.ends_with(".01"))).await?;
    let told = anomalies(&shown).iter().filter(|text| text.contains("again, without a reference")).count();
    ensure!(told == open, "{told} times: {shown}");
    Ok(())
}

/// The anomalies of a timeline.
fn anomalies(shown: &Value) -> Vec<String> {
    events(shown, "anomaly").iter().map(|event| event["detail"]["text"].as_str().unwrap_or_default().to_owned()).collect()
}

// --- attempts ---------------------------------------------------------------------------------

/// It is not the attempt that paid.
async fn after_the_payment(hands: Hands, word: &str) -> Result<()> {
    let order = Order::paid(hands).await?;
    order.tell(B, word, &[]).await?;
    let shown = order.cent_goes_back().await?;
    is_quiet(&shown, "Approved")?;
    ensure!(shown["pspTransactionId"] == A && has_event(&shown, "noted", B), "{shown}");
    // That which paid is another matter.
    order.tell(A, "0/3", &[]).await?;
    is_quiet(&order.until(|shown| shown["transaction_status"] == "Reversed").await?, "Reversed")?;
    order.hands.webhooks(&order.id, &["Approved", "Reversed"], LIMIT).await
}

/// While Trust is silent.
async fn unanswered(hands: Hands, word: &str) -> Result<()> {
    let order = Order::paid(hands).await?;
    let silent = |times: u32| json!({"path": "/json/", "about": order.id, "http": 500, "times": times});
    next(&order.hands, NAME, silent(1_000)).await?;
    order.tell(B, word, &[]).await?;
    is_quiet(&order.cent_goes_back().await?, "Approved")?;
    order.hands.webhooks(&order.id, &["Approved"], LIMIT).await
}

async fn still_open(hands: Hands, open: &str, end: &str) -> Result<()> {
    let order = Order::open(hands).await?;
    order.tell(A, open, &[]).await?;
    order.settled(A).await?;
    order.tell(B, end, &[]).await?;
    let shown = order.settled(B).await?;
    ensure!(shown["transaction_status"] == "Pending", "{shown}");
    order.tell(A, "0/0", &[]).await?;
    let shown = order.until(|shown| shown["transaction_status"] == "Approved").await?;
    ensure!(shown["pspTransactionId"] == A && !has_event(&shown, "anomaly", MORE_THAN_ONCE), "{shown}");
    order.hands.webhooks(&order.id, &["Approved"], LIMIT).await
}

/// Once no attempt is open any more.
async fn open_one_ends(hands: Hands) -> Result<()> {
    for (last, status, word) in [("0/3", "Cancelled", "0/3"), ("70000/3", "Declined", "70000")] {
        let order = Order::open(hands.clone()).await?;
        for (reference, word) in [(A, "60010/0"), (B, "0/2"), (A, "70000/3"), (C, "71000/3")] {
            order.tell(reference, word, &[]).await?;
            let shown = order.settled(reference).await?;
            ensure!(shown["transaction_status"] == "Pending", "{word}: {shown}");
        }
        order.tell(B, last, &[]).await?;
        let shown = order.until(|shown| shown["transaction_status"] != "Pending").await?;
        ensure!(shown["status"] == word, "{shown}");
        is_quiet(&shown, status)?;
        order.hands.webhooks(&order.id, &[status], LIMIT).await?;
    }
    Ok(())
}

async fn suspended_and_paid(hands: Hands) -> Result<()> {
    let order = Order::open(hands).await?;
    order.tell(A, "0/2", &[]).await?;
    order.settled(A).await?;
    order.tell(B, "0/0", &[]).await?;
    let shown = order.until(|shown| shown["transaction_status"] == "Approved").await?;
    // The suspended one may yet be released.
    ensure!(shown["pspTransactionId"] == B && shown["attention"] == "anomaly", "{shown}");
    ensure!(anomalies(&shown).iter().any(|text| text.contains(MORE_THAN_ONCE) && text.contains(A)), "{shown}");
    Ok(())
}

/// Whatever has become of the first payment, a person sees the second one, and no repetition of the first.
async fn paid_again(hands: Hands, how: &str) -> Result<()> {
    let order = Order::paid(hands).await?;
    match how {
        "cancel" => order.tell(A, "0/3", &[]).await?,
        _ => order.refund("42-14-200", "10000").await?,
    }
    order.until(|shown| shown["transaction_status"] == "Reversed").await?;
    for settle in ["0/0", "0/1", "0/100"] {
        order.tell(A, settle, &[]).await?;
    }
    let shown = order.settled(A).await?;
    is_quiet(&shown, "Reversed")?;
    order.tell(B, "0/0", &[]).await?;
    let shown = order.until(|shown| shown["attention"] == "anomaly").await?;
    ensure!(shown["transaction_status"] == "Reversed" && shown["pspTransactionId"] == A, "{shown}");
    let told = anomalies(&shown);
    ensure!(told.len() == 1 && told[0].contains(MORE_THAN_ONCE) && told[0].contains(B), "{told:?}");
    order.hands.webhooks(&order.id, &["Approved", "Reversed"], LIMIT).await
}

/// Each further payment is told once, by its reference.
async fn third_payment(hands: Hands) -> Result<()> {
    let order = Order::paid(hands).await?;
    for (reference, word) in [(B, "0/0"), (B, "0/100"), (C, "0/0"), (B, "0/0"), (A, "0/100")] {
        order.tell(reference, word, &[]).await?;
    }
    let shown = order.settled(A).await?;
    let told = anomalies(&shown);
    ensure!(told.len() == 2 && told[0].contains(B) && told[1].contains(C), "{told:?}");
    ensure!(shown["transaction_status"] == "Approved" && shown["pspTransactionId"] == A, "{shown}");
    // What goes back now may be of any of them, and no notification says of which.
    order.refund("42-14-200", "10000").await?;
    let shown = order.until(|shown| anomalies(shown).len() == 3).await?;
    ensure!(shown["transaction_status"] == "Approved" && events(&shown, "refunded").is_empty(), "{shown}");
    ensure!(anomalies(&shown)[2].contains("42-14-200"), "{shown}");
    Ok(())
}

/// It may be the payment or another attempt: a person looks.
async fn nameless_end(hands: Hands) -> Result<()> {
    let order = Order::paid(hands).await?;
    // What says nothing is no second payment.
    order.tell("", "0/0", &[]).await?;
    is_quiet(&order.cent_goes_back().await?, "Approved")?;
    order.tell("", "0/3", &[]).await?;
    let shown = order.until(|shown| shown["attention"] == "anomaly").await?;
    ensure!(shown["transaction_status"] == "Approved", "{shown}");
    Ok(())
}

/// The same with Trust's own records.
async fn further(hands: Hands) -> Result<()> {
    for (first, then, status, anomalous) in [
        ("pay", &["cancel-again", "decline-again"][..], "Approved", 0),
        ("decline", &["pay-again", "decline-again"], "Approved", 0),
        ("suspend", &["decline-again", "cancel-again"], "Pending", 0),
        ("pay", &["pay-again"], "Approved", 1),
        ("pay", &["pay-again", "suspend-again"], "Approved", 2),
        ("decline", &["pay-again", "pay-again"], "Approved", 1),
        ("pay", &["reverse", "pay-again"], "Reversed", 1),
        ("pay", &["refund", "pay-again"], "Reversed", 1),
        ("pay", &["reverse", "decline-again", "cancel-again"], "Reversed", 0),
    ] {
        let order = Order::open(hands.clone()).await?;
        for (before, what) in [first].iter().chain(then).enumerate() {
            order.control(what).await?;
            // Each is told, and worked off before the next.
            let notified =
                |shown: &Value| events(shown, "noted").iter().filter(|note| note.to_string().contains("notified")).count();
            order.until(|shown| notified(shown) > before).await?;
            inquire(&order.hands, &order.id).await?;
        }
        let shown = order.hands.managed(&order.id).await?;
        let what = format!("{first}, then {then:?}: {shown}");
        ensure!(shown["transaction_status"] == status, "{what}");
        let told = anomalies(&shown);
        ensure!(told.len() == anomalous && told.iter().all(|text| text.contains(MORE_THAN_ONCE)), "{what}");
    }
    Ok(())
}

// --- refunds ----------------------------------------------------------------------------------

/// The reference of a refund on the timeline.
fn part(shown: &Value, nth: usize) -> Result<String> {
    let refunds = events(shown, "refunded");
    refunds.get(nth).and_then(|event| event["detail"]["part"].as_str()).map(str::to_owned).context("no such refund")
}

/// What was counted stays counted, and a person is told; what goes back later is counted by what has gone back in all.
async fn refund_taken_back(hands: Hands) -> Result<()> {
    let order = Order::pressed(hands).await?;
    order.control("refund?minor=3000").await?;
    let shown = order.until(|shown| shown["refundedAmount"] == "30.00").await?;
    let first = part(&shown, 0)?;
    control(&order.hands, NAME, &first, "status/0%2F3").await?;
    let shown = order.until(|shown| shown["attention"] == "anomaly").await?;
    ensure!(shown["transaction_status"] == "Approved" && shown["refundedAmount"] == "30.00", "{shown}");
    let told = anomalies(&shown);
    ensure!(told.len() == 1 && told[0].contains("0.00") && told[0].contains("30.00"), "{told:?}");
    ensure!(has_event(&shown, "noted", &first), "{shown}");
    // 20.00 in all: less than was counted still.
    order.control("refund?minor=2000").await?;
    let shown = order.until(|shown| anomalies(shown).len() == 2).await?;
    ensure!(shown["refundedAmount"] == "30.00" && anomalies(&shown)[1].contains("20.00"), "{shown}");
    order.control("refund?minor=4000").await?;
    let shown = order.until(|shown| shown["refundedAmount"] == "60.00").await?;
    ensure!(shown["transaction_status"] == "Approved" && minor_units(&shown, "refunded") == [3_000, 3_000], "{shown}");
    order.control("refund").await?;
    let shown = order.until(|shown| shown["refundedAmount"] == "100.00").await?;
    ensure!(shown["transaction_status"] == "Reversed" && anomalies(&shown).len() == 2, "{shown}");
    order.hands.webhooks(&order.id, &["Approved", "Reversed"], LIMIT).await
}

/// Nothing was counted, so nothing is taken back.
async fn refund_never_counted(hands: Hands) -> Result<()> {
    let order = Order::paid(hands).await?;
    let refund = [("requesttypedescription", "REFUND"), ("baseamount", "3000")];
    for word in ["0/3", "70000/3", "60010/0"] {
        order.tell("42-14-200", word, &refund).await?;
    }
    is_quiet(&order.cent_goes_back().await?, "Approved")
}

async fn raised(hands: Hands) -> Result<()> {
    let order = Order::pressed(hands).await?;
    for (what, sum, told) in [
        ("lower?minor=2500", "25.00", 0),
        ("raise?minor=1500", "25.00", 1),
        ("lower?minor=1500", "25.00", 1),
        ("lower?minor=2500", "50.00", 1),
        ("raise?minor=5000", "50.00", 2),
    ] {
        order.control(what).await?;
        inquire(&order.hands, &order.id).await?;
        let shown = order.hands.managed(&order.id).await?;
        ensure!(shown["refundedAmount"] == sum && anomalies(&shown).len() == told, "{what}: {shown}");
        ensure!(shown["transaction_status"] == "Approved", "{what}: {shown}");
    }
    let shown = order.hands.managed(&order.id).await?;
    let told = anomalies(&shown);
    ensure!(told[0].contains("10.00") && told[0].contains("25.00") && told[1].contains("50.00"), "{told:?}");
    Ok(())
}

// --- what says nothing ------------------------------------------------------------------------

/// A notification must say what it is about; one that leaves it open is another's as little as it is ours.
async fn empty_field(hands: Hands) -> Result<()> {
    for name in ["sitereference", "baseamount", "currencyiso3a", "orderreference"] {
        let order = Order::open(hands.clone()).await?;
        order.tell(A, "0/0", &[(name, "")]).await?;
        is_quiet(&order.settled(A).await?, "Pending")?;
        order.tell(A, "0/0", &[]).await?;
        is_quiet(&order.until(|shown| shown["transaction_status"] == "Approved").await?, "Approved")?;
    }
    Ok(())
}

async fn members(hands: Hands, says: Value, paid: bool) -> Result<()> {
    let account = |says: Value| {
        json!({
            "siteSecurityPassword": PASSWORD, "webServicesUsername": "ws@demo-company.example",
            "webServicesPassword": "trust-demo-ws-0001", "merchant": "Demo company", "says": says,
        })
    };
    let path = format!("/trust/accounts/{SITE}");
    let put = hands.client.control("PUT", &path, Some(account(says))).await?;
    ensure!(put.status == 200, "{}", put.body);
    let settings = |drop: bool| hands.client.control("PUT", "/trust/settings", Some(json!({"dropCallbacks": drop})));
    settings(true).await?;
    let order = Order::open(hands.clone()).await?;
    order.control("pay").await?;
    inquire(&hands, &order.id).await?;
    let shown = hands.managed(&order.id).await?;
    settings(false).await?;
    hands.client.control("PUT", &path, Some(account(json!({})))).await?;
    if paid {
        return is_quiet(&shown, "Approved");
    }
    ensure!(shown["transaction_status"] == "Pending" && has_event(&shown, "anomaly", "has another"), "{shown}");
    Ok(())
}
