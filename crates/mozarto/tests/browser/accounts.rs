//! Payments from and to accounts: Gigadat, Cleo, Brite.

use crate::visit::{TURN_LIMIT, Visit};
use anyhow::{Result, ensure};
use serde_json::json;

/// Paid at the bank, whose page leads nowhere: the payer goes back to the shop by himself.
pub(crate) async fn pay_in_by_gigadat(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Gigadat", "Pay in").await?;
    visit.look("cashier-gigadat").await?;
    visit.submit().await?;
    browser.find("//legend[text()='Your bank']").await?;
    visit.page_says(&["TEST PAGE", "Gigadat", "100.00", "CAD", "Noah Tremblay"]).await?;
    visit.look("gigadat").await?;
    browser.press("//label[contains(., 'Prairie Test Savings')]").await?;
    browser.press_button("Pay").await?;
    browser.reads(".result", "This payment has ended: STATUS_SUCCESS", TURN_LIMIT).await?;
    visit.look("gigadat-ended").await?;
    browser.open(&format!("{}/orders", visit.shop)).await?;
    browser.press("section[aria-label=Orders] tbody tr:first-child a").await?;
    visit.order_reads("Approved", "Payment received").await
}

/// By e-Transfer, held for a person and approved; the form of a bank account beside it.
pub(crate) async fn pay_out_by_gigadat(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Gigadat", "Pay out").await?;
    visit.choose_way("Bank account").await?;
    visit.look("cashier-gigadat-account").await?;
    visit.choose_way("e-Transfer").await?;
    ensure!(browser.value("#mobile").await? == "14165550142", "the mobile is {}", browser.value("#mobile").await?);
    visit.submit().await?;
    visit.order_reads("Waiting for approval", "The pay-out waits for approval").await?;
    visit.mark().await?;
    visit.approve().await?;
    visit.order_reads("Approved", "Pay-out sent").await?;
    visit.was_not_reloaded().await
}

/// Pesos without cents, paid at a bank of the country.
pub(crate) async fn pay_in_by_cleo(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Cleo", "Pay in").await?;
    visit.choose_way("Peru").await?;
    ensure!(browser.value("#currency").await? == "PEN", "Peru pays in {}", browser.value("#currency").await?);
    ensure!(browser.value("#firstName").await? == "Luis", "{} pays in Peru", browser.value("#firstName").await?);
    visit.choose_way("Chile").await?;
    browser.press("a[data-cents='01']").await?;
    ensure!(browser.value("#baseamount").await? == "10001", "the amount is {}", browser.value("#baseamount").await?);
    browser.fill("#baseamount", "10000").await?;
    browser.press("details.record summary").await?;
    visit.look("cashier-cleo").await?;
    browser.fill("[name='address.city']", "").await?;
    visit.submit().await?;
    browser.reads("[id='address.city-error']", "Missing required field: address.city", TURN_LIMIT).await?;
    visit.gallery.look_at_refusal(browser, "cashier-cleo-refused", 422).await?;
    browser.fill("[name='address.city']", "Santiago").await?;
    visit.submit().await?;
    browser.reads("h1", "Pay Demo company", TURN_LIMIT).await?;
    visit.page_says(&["TEST PAGE", "Cleo", "$10.000", "CLP", "Camila Rojas"]).await?;
    visit.look("cleo").await?;
    browser.press_button("Pay").await?;
    browser.reads("q", "return", TURN_LIMIT).await?;
    visit.order_reads("Approved", "Payment received").await?;
    visit.look("order-cleo-approved").await
}

/// To an account in Mexico: no page, settled before the payer's eyes.
pub(crate) async fn pay_out_by_cleo(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Cleo", "Pay out").await?;
    visit.look("cashier-cleo-pay-out").await?;
    visit.choose_way("Mexico").await?;
    let account = browser.value("[name='beneficiary.accountNumber']").await?;
    visit.submit().await?;
    visit.order_reads("Approved", "Pay-out sent").await?;
    browser.press("details summary").await?;
    let text = browser.page_text().await?;
    ensure!(text.contains("••••9719") && !text.contains(&account), "the account number is shown:\n{text}");
    Ok(())
}

/// Logged in at the test bank.
pub(crate) async fn pay_in_by_brite(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("Brite", "Pay in").await?;
    ensure!(browser.value("#country").await? == "FI", "the bank is in {}", browser.value("#country").await?);
    visit.look("cashier-brite").await?;
    visit.submit().await?;
    browser.reads("h1", "Test Bank: pay Demo company", TURN_LIMIT).await?;
    visit.page_says(&["TEST PAGE", "Brite", "50.00", "EUR"]).await?;
    visit.look("brite").await?;
    browser.press_button("Pay").await?;
    browser.reads("q", "return", TURN_LIMIT).await?;
    visit.order_reads("Approved", "Payment received").await?;
    let stays = browser.run("return document.title", json!([])).await?;
    ensure!(stays.as_str().unwrap_or_default().starts_with("Approved"), "the title is {stays}");
    Ok(())
}
