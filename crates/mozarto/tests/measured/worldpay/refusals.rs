//! What Worldpay refuses, and why; error 5; challenges that come again.

use super::documents::{document, next_document, next_record, payment};
use super::{NAME, standing};
use crate::steps::{LIMIT, control, id_of, inquire};
use anyhow::{Result, ensure};
use serde_json::json;
use testkit::client::bodies;
use testkit::world::Hands;

const VISA: &str = "4444333322221111";

pub(super) async fn details_refused(hands: Hands, direct: bool, of_order: bool) -> Result<()> {
    let amount = match (direct, of_order) {
        (false, false) => "611.00",
        (false, true) => "612.00",
        (true, false) => "613.00",
        (true, true) => "614.00",
    };
    let marker = format!("value=\"{}\"", amount.replace('.', ""));
    let error = "<error code=\"5\"><![CDATA[Invalid payment details : Expiry date]]></error>";
    let error = if of_order { format!("<orderStatus orderCode=\"\">{error}</orderStatus>") } else { error.to_owned() };
    next_document(&hands, &marker, &document(&format!("<reply>{}</reply>", error.replace(" orderCode=\"\"", ""))), 1).await?;
    let body = if direct { bodies::worldpay_card(amount, VISA, "John Doe") } else { bodies::worldpay(amount) };
    let answer = hands.client.cashier(&body).await?;
    // An answer about no order in particular is about the one that was sent.
    ensure!(answer.status == 400 && answer.body.get("errorCode").is_none(), "{} {}", answer.status, answer.body);
    ensure!(answer.body["message"] == "Payment details were refused by the provider.", "{}", answer.body);
    hands.client.wait_for(&id_of(&answer)?, &["Failed"], LIMIT).await?;
    Ok(())
}

pub(super) async fn reason(hands: Hands, codes: &'static str, message: &'static str) -> Result<()> {
    let id = standing(&hands, "Pending").await?;
    next_record(&hands, &id, &payment("REFUSED", codes), 1).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Declined" && shown["message"] == message, "{shown}");
    Ok(())
}

/// "No payment yet", under whichever element: no news, and nothing that went wrong.
pub(super) async fn unknown_order(hands: Hands) -> Result<()> {
    let id = standing(&hands, "Pending").await?;
    let text = "<error code=\"5\"><![CDATA[Could not find payment for order]]></error>";
    next_document(&hands, &id, &document(&format!("<reply>{text}</reply>")), 1).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Pending" && !shown["events"].to_string().contains("UNKNOWN_PSP_ERROR"), "{shown}");
    Ok(())
}

/// Once more the new page is shown, with what came with it; a third time the payment is declined.
pub(super) async fn challenged_again(hands: Hands, thrice: bool) -> Result<()> {
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
    next_document(&hands, &format!("{id}\"><info3DSecure"), &again("https://acs.example/2"), if thrice { 2 } else { 1 }).await?;
    let shown = back().await?;
    ensure!(shown.status == 303 && shown.header("location") == Some(&*page), "{} {:?}", shown.status, shown.header("location"));
    hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    let form = hands.client.send("GET", &page, &[], None).await?;
    ensure!(form.status == 200 && String::from_utf8_lossy(&form.bytes).contains("JWT"), "the new page: {}", form.status);
    let shown = back().await?;
    ensure!(shown.status == 303 && shown.header("location") != Some(&*page), "{:?}", shown.header("location"));
    if thrice {
        hands.client.wait_for(&id, &["Declined"], LIMIT).await?;
        return hands.nothing_moved(NAME, &id).await;
    }
    // The second submit went out again: the simulator has no session of that challenge, so only what it says later counts.
    control(&hands, NAME, &id, "approve").await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.moved_once(NAME, &id, &json!({"direction": "in", "amount": amount, "currency": "EUR"})).await?;
    Ok(())
}
