//! Worldpay: a card on its page, and one taken in the shop.

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
