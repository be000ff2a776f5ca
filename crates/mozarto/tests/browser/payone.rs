//! PayOne: a bank transfer on its page, put right, paid, declined and cancelled.

use crate::visit::{TURN_LIMIT, Visit};
use anyhow::{Result, ensure};
use serde_json::json;

/// Refused for two wrong fields, put right, paid at the bank, back at a pending order that turns by itself.
pub(crate) async fn pay_in_by_payone(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("PayOne", "Pay in").await?;
    browser.fill("#firstName", "Zoë").await?;
    browser.fill("#phone", "12-34").await?;
    browser.fill("#baseamount", "100.125").await?;
    visit.look("cashier-payone").await?;
    visit.submit().await?;
    browser.reads("#phone-error", "phone must contain at least 6 digits", TURN_LIMIT).await?;
    browser.reads("#baseamount-error", "baseamount must have at most 2 decimals for CAD", TURN_LIMIT).await?;
    for (field, kept) in [("#firstName", "Zoë"), ("#phone", "12-34"), ("#baseamount", "100.125"), ("#lastName", "Tremblay")] {
        ensure!(browser.value(field).await? == kept, "{field} was not kept: {}", browser.value(field).await?);
    }
    let focused = browser.run("return document.activeElement.id", json!([])).await?;
    ensure!(focused == "problems", "the sentences are not read first: {focused} has the focus");
    visit.gallery.look_at_refusal(browser, "cashier-refused", 422).await?;

    browser.press("#problems a[href='#phone']").await?;
    browser.fill("#phone", "14165550142").await?;
    browser.fill("#baseamount", "100.25").await?;
    visit.submit().await?;
    browser.reads("h1", "Pay Demo company", TURN_LIMIT).await?;
    let text = browser.page_text().await?;
    for part in ["TEST PAGE", "PayOne", "100.25", "CAD", "Zoë Tremblay"] {
        ensure!(text.contains(part), "the hosted page does not say {part}:\n{text}");
    }
    visit.look("payone").await?;
    let hosted = browser.address().await?;
    spoil_the_bank(visit).await?;

    // The callback and the answers to inquiries are held back, so that "pending" can be looked at.
    visit.control("PUT", "/payone/settings", json!({"dropCallbacks": true})).await?;
    visit.control("PUT", "/payone/next", json!({"path": "/api/transaction", "http": 503, "times": 1000})).await?;
    browser.press("//label[contains(., 'Prairie Test Savings')]").await?;
    browser.press_button("Pay").await?;
    visit.order_reads("Pending", "Payment pending").await?;
    ensure!(browser.address().await?.contains("/return?"), "the payer is not back at the shop: {}", browser.address().await?);
    browser.reads("q", "return", TURN_LIMIT).await?;
    visit.mark().await?;
    visit.look("order-payone-pending").await?;

    let reference = visit.detail("Transaction").await?;
    visit.control("PUT", "/payone/next", json!({"http": 200, "times": 0})).await?;
    visit.control("PUT", "/payone/settings", json!({"dropCallbacks": false})).await?;
    visit.control("POST", &format!("/payone/{reference}/status/Approved"), json!({})).await?;
    visit.order_reads("Approved", "Payment received").await?;
    visit.was_not_reloaded().await?;
    ensure!(visit.announced().await? == "Payment received. Pay-in 100.25 CAD.", "announced: {}", visit.announced().await?);
    browser.press("details summary").await?;
    visit.look("order-payone-approved").await?;

    browser.open(&hosted).await?;
    browser.reads(".result", "This payment has ended: Approved", TURN_LIMIT).await?;
    visit.look("payone-ended").await?;
    browser.press("//a[contains(., 'Back to')]").await?;
    visit.order_reads("Approved", "Payment received").await
}

/// A form that says what the page never offered is shown again with a sentence.
async fn spoil_the_bank(visit: &mut Visit<'_>) -> Result<()> {
    visit.browser.run("document.querySelector('input[name=bank]:checked').value = 'No such bank'", json!([])).await?;
    visit.browser.press_button("Pay").await?;
    visit.browser.reads("#bank-error", "Choose one of these banks to pay from.", TURN_LIMIT).await?;
    visit.gallery.look_at_refusal(visit.browser, "payone-bank-unknown", 422).await
}

/// The payer's other two buttons.
pub(crate) async fn refuse_at_payone(visit: &mut Visit<'_>) -> Result<()> {
    for (button, word) in [("Decline", "Declined"), ("Cancel", "Cancelled")] {
        visit.choose("PayOne", "Pay in").await?;
        visit.submit().await?;
        visit.browser.press_button(button).await?;
        // PayOne knows no other ending than Declined; its own word is kept beside it.
        visit.order_reads("Declined", "The payment was declined").await?;
        ensure!(visit.detail("Status word").await? == word, "{button}: {}", visit.detail("Status word").await?);
        visit.look(&format!("order-payone-{}", word.to_lowercase())).await?;
    }
    Ok(())
}
