//! Cards: on Worldpay's page, in the shop, on Trust's page behind a page of the platform, and with eMerchantPay's 3-D Secure.

use crate::visit::{TURN_LIMIT, Visit};
use anyhow::{Result, ensure};

/// A good number that is no public test card.
const FOREIGN_CARD: &str = "4929123456781236";

/// Paid, and cancelled.
pub(crate) async fn pay_on_worldpays_page(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Worldpay", "Pay in").await?;
    visit.look("cashier-worldpay").await?;
    visit.submit().await?;
    browser.reads("h1", "Pay Demo company", TURN_LIMIT).await?;
    visit.page_says(&["TEST PAGE", "Worldpay", "100.00", "EUR"]).await?;
    visit.look("worldpay").await?;
    browser.press_button("Pay").await?;
    browser.reads("q", "success", TURN_LIMIT).await?;
    visit.order_reads("Approved", "Payment received").await?;

    visit.choose("Worldpay", "Pay in").await?;
    visit.submit().await?;
    browser.press_button("Cancel").await?;
    browser.reads("q", "cancel", TURN_LIMIT).await?;
    visit.order_reads("Cancelled", "The payment was cancelled").await?;
    visit.look("order-worldpay-cancelled").await
}

/// Refused for a wrong date, charged after a challenge, charged at once. A card that is not public is never shown again.
pub(crate) async fn pay_by_card_over_worldpay(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Worldpay", "Pay in").await?;
    visit.choose_way("This shop").await?;
    visit.look("cashier-worldpay-card").await?;
    browser.fill("[name='card.pan']", FOREIGN_CARD).await?;
    browser.fill("[name='card.expMonth']", "13").await?;
    visit.submit().await?;
    browser.reads("[id='card.expMonth-error']", "card.expMonth must be two digits from 01 to 12", TURN_LIMIT).await?;
    for part in ["pan", "expMonth", "expYear", "cvv", "cardHolderName"] {
        let shown = browser.value(&format!("[name='card.{part}']")).await?;
        ensure!(shown.is_empty(), "card.{part} is shown again");
    }
    visit.gallery.look_at_refusal(browser, "cashier-worldpay-card-refused", 422).await?;

    visit.choose_card("4000000000001091").await?;
    visit.submit().await?;
    browser.reads("h1", "Confirm your payment to Demo company", TURN_LIMIT).await?;
    visit.page_says(&["TEST PAGE", "100.00", "EUR"]).await?;
    visit.look("worldpay-challenge").await?;
    browser.press_button("Authenticate").await?;
    browser.reads("q", "success", TURN_LIMIT).await?;
    visit.order_reads("Approved", "Payment received").await?;
    browser.press("details summary").await?;
    let text = browser.page_text().await?;
    ensure!(text.contains("(not kept)") && !text.contains("4000000000001091"), "the card is kept:\n{text}");
    visit.look("order-worldpay-card").await?;

    visit.choose("Worldpay", "Pay in").await?;
    visit.choose_way("This shop").await?;
    visit.submit().await?;
    visit.order_reads("Approved", "Payment received").await
}

/// Without script over the button of the platform's page, with script through it at once; the used link is dead.
pub(crate) async fn pay_by_trust(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Trust", "Pay in").await?;
    visit.look("cashier-trust").await?;
    browser.scripts(false).await?;
    visit.submit().await?;
    browser.reads("h1", "On to the payment", TURN_LIMIT).await?;
    let link = browser.address().await?;
    ensure!(link.contains("/pay/"), "the payer is at {link}");
    visit.look("platform-pay").await?;
    browser.press_button("Continue to payment").await?;
    browser.reads("h1", "Pay Demo company", TURN_LIMIT).await?;
    browser.scripts(true).await?;
    visit.page_says(&["TEST PAGE", "Trust", "100.00", "EUR", "Clara", "Lindner", "clara.lindner@example.com"]).await?;
    visit.look("trust").await?;
    browser.press_button("Pay").await?;
    browser.reads("q", "success", TURN_LIMIT).await?;
    visit.order_reads("Approved", "Payment received").await?;
    visit.look("order-trust-approved").await?;

    browser.open(&link).await?;
    browser.reads("h1", "Link expired", TURN_LIMIT).await?;
    visit.page_says(&["This payment link has expired or has already been used."]).await?;
    visit.gallery.look_at_refusal(browser, "platform-link-used", 410).await?;

    visit.choose("Trust", "Pay in").await?;
    visit.submit().await?;
    browser.reads("h1", "Pay Demo company", TURN_LIMIT).await?;
    browser.press("//label[contains(., 'The card below')]").await?;
    browser.fill("#pan", "4242424242424242").await?;
    browser.press_button("Pay").await?;
    browser.reads("q", "failure", TURN_LIMIT).await?;
    visit.order_reads("Declined", "The payment was declined").await
}

/// Approved at once; after a challenge; after a device check and a challenge.
pub(crate) async fn pay_by_emerchantpay(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("eMerchantPay", "Pay in").await?;
    visit.look("cashier-emerchantpay").await?;
    visit.choose_card("4012000000060085").await?;
    visit.submit().await?;
    visit.order_reads("Approved", "Payment received").await?;
    visit.look("order-emerchantpay-at-once").await?;

    for card in ["4918190000000002", "4938730000000001"] {
        visit.choose("eMerchantPay", "Pay in").await?;
        visit.choose_card(card).await?;
        visit.submit().await?;
        browser.reads("h1", "3-D Secure: confirm your payment", TURN_LIMIT).await?;
        visit.page_says(&["TEST PAGE", "eMerchantPay", "100.00", "EUR"]).await?;
        if card == "4918190000000002" {
            visit.look("emerchantpay-challenge").await?;
        }
        browser.press_button("Authenticate").await?;
        browser.reads("q", "success", TURN_LIMIT).await?;
        visit.order_reads("Approved", "Payment received").await?;
    }
    Ok(())
}
