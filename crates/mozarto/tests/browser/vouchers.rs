//! Vouchers: Flexepin, redeemed by the call itself, and Neosurf, typed on its page.

use crate::visit::{TURN_LIMIT, Visit};
use anyhow::{Result, ensure};

/// One good voucher, one that the cents of the amount have blocked.
pub(crate) async fn redeem_vouchers(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Flexepin", "Pay in").await?;
    visit.look("cashier-flexepin").await?;
    visit.submit().await?;
    visit.order_reads("Approved", "Payment received").await?;
    visit.look("order-flexepin-approved").await?;

    visit.choose("Flexepin", "Pay in").await?;
    browser.press("#currency option:nth-of-type(2)").await?;
    browser.press("a[data-cents='01']").await?;
    ensure!(browser.value("#baseamount").await? == "25.01", "the amount is {}", browser.value("#baseamount").await?);
    let pin = browser.value("#voucherPin").await?;
    ensure!(pin.starts_with("20") && pin.ends_with("00002501"), "the PIN does not follow amount and currency: {pin}");
    visit.submit().await?;
    visit.order_reads("Declined", "The payment was declined").await?;
    ensure!(!browser.page_text().await?.contains(&pin), "the PIN is shown");
    visit.look("order-flexepin-declined").await
}

/// A PIN that the page refuses, then one that it takes.
pub(crate) async fn pay_in_by_neosurf(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Neosurf", "Pay in").await?;
    visit.look("cashier-neosurf").await?;
    visit.submit().await?;
    browser.reads("h1", "Pay Demo company", TURN_LIMIT).await?;
    visit.page_says(&["TEST PAGE", "Neosurf", "50.00", "EUR"]).await?;
    visit.look("neosurf").await?;
    browser.fill("#pin", "0000000000").await?;
    browser.press_button("Pay").await?;
    browser.reads("#pin-error", "pincode not correct", TURN_LIMIT).await?;
    visit.gallery.look_at_refusal(browser, "neosurf-pin-wrong", 422).await?;
    browser.fill("#pin", "AB12CD34EF").await?;
    browser.press_button("Pay").await?;
    browser.reads("q", "success", TURN_LIMIT).await?;
    visit.order_reads("Approved", "Payment received").await?;
    ensure!(!browser.page_text().await?.contains("AB12CD34EF"), "the PIN is shown");
    Ok(())
}
