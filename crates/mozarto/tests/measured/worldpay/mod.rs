//! Worldpay: balances, equal parts, empty references, return codes. Its words that prove a payment are in the table of all
//! providers.

mod cards;
mod documents;
mod refunds;
mod refusals;
mod two_payments;
mod unreadable;

use crate::steps::{LIMIT, control, id_of, inquire, minor_units};
use anyhow::{Result, ensure};
use documents::{Account, captured, next_record, payment};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const NAME: &str = "worldpay";

#[tokio::test(flavor = "multi_thread")]
async fn worldpay_as_it_is() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["WORLDPAY_EU"], |options| options.time_scale(60));
    let world = world.await.expect("a sandbox");
    let account = Account::of(&world.hands()).await.expect("the demo account");
    let mut table = Table::new("Worldpay");
    for case in refunds::refunds() {
        table.row(format!("refunds: {}", case.name), refunds::refunded(world.hands(), account.clone(), case));
    }
    for (name, bodies, balance, status, anomaly) in refunds::told() {
        table.row(format!("told: {name}"), refunds::notified(world.hands(), account.clone(), bodies, balance, status, anomaly));
    }
    table.row("told three times at once, no balance", refunds::told_at_once(world.hands(), account.clone()));
    for word in ["CAPTURE_FAILED", "REFUSED_BY_BANK", "REVOKE_REQUESTED", "REVOKED", "REVOKE_FAILED"] {
        table.row(format!("{word} proves nothing"), proves_nothing(world.hands(), word));
    }
    table.row("another attempt after the one that was paid", another_attempt(world.hands()));
    table.row("a chargeback, won", chargeback(world.hands()));
    for (direct, of_order) in [(false, false), (false, true), (true, false), (true, true)] {
        table.row(
            format!("error 5 about the details {direct} {of_order}"),
            refusals::details_refused(world.hands(), direct, of_order),
        );
    }
    for (codes, message) in [
        (r#"<IssuerResponseCode code="54" description="Expired card"/>"#, "Expired card (54)"),
        (
            r#"<ISO8583ReturnCode code="33" description="CARD EXPIRED"/><IssuerResponseCode code="54" description="Expired card"/>"#,
            "CARD EXPIRED (33)",
        ),
        (r#"<ISO8583ReturnCode code="34" description="FRAUD SUSPICION"/>"#, "FRAUD SUSPICION (34)"),
        (r#"<ISO8583ReturnCode code="972" description="STOP PAYMENT ORDER"/>"#, "STOP PAYMENT ORDER (972)"),
        (r#"<ISO8583ReturnCode code="973" description="REVOCATION OF AUTHORISATION"/>"#, "REVOCATION OF AUTHORISATION (973)"),
        (r#"<ISO8583ReturnCode code="975" description="REVOCATION OF ALL"/>"#, "REVOCATION OF ALL (975)"),
    ] {
        table.row(format!("the reason: {message}"), refusals::reason(world.hands(), codes, message));
    }
    for (code, text) in [("34", "FRAUD SUSPICION"), ("972", "REFUSED"), ("973", "REFUSED"), ("975", "REFUSED")] {
        table.row(format!("a card is refused with {code}"), cards::refused(world.hands(), code, text));
    }
    for (said, parts) in [
        (r#"{"language":"en-GB-oxendict","colorDepth":30}"#, ["<browserLanguage>en-GB<", "<browserColourDepth>24<"]),
        (r#"{"language":"zh-Hant-TW","colorDepth":64}"#, ["<browserLanguage>zh-Hant<", "<browserColourDepth>48<"]),
        (r#"{"language":"de-DE","colorDepth":23}"#, ["<browserLanguage>de-DE<", "<browserColourDepth>16<"]),
    ] {
        table.row(format!("a browser that says {said}"), cards::browser(world.hands(), said, parts));
    }
    table.row("an inquiry's error 5 under reply", refusals::unknown_order(world.hands()));
    table.row("asked for 3-D Secure again", refusals::challenged_again(world.hands(), false));
    table.row("asked for 3-D Secure a third time", refusals::challenged_again(world.hands(), true));
    table.end().await;
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
    control(hands, NAME, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    Ok(id)
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
        ensure!(minor_units(&shown, "charged_back") == charged, "{record} {shown}");
        ensure!(minor_units(&shown, "chargeback_won") == won, "{record} {shown}");
    }
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}
