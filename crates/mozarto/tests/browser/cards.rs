//! Cards: on Trust's page behind a page of the platform, and with eMerchantPay's 3-D Secure.

use crate::visit::{TURN_LIMIT, Visit};
use anyhow::{Result, ensure};

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
