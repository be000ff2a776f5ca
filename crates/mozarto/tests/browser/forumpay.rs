//! ForumPay: coins on its page; a pay-out to a wallet, held for a person.

use crate::visit::{TURN_LIMIT, Visit};
use anyhow::{Result, ensure};
use serde_json::json;

/// The wallet of the published pay-out example.
const WALLET: &str = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh";

/// Cancelled and tried again, paid too little, then the rest.
pub(crate) async fn pay_in_by_forumpay(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("ForumPay", "Pay in").await?;
    browser.fill("#baseamount", "75.5").await?;
    visit.submit().await?;
    browser.reads("h1", "Pay Demo company with crypto", TURN_LIMIT).await?;
    visit.look("forumpay-coins").await?;
    let hosted = browser.address().await?;
    browser.press("//label[span[text()='Ether']]").await?;
    browser.press_button("Continue").await?;
    browser.find("[data-remaining-ms]").await?;
    visit.look("forumpay-address").await?;
    browser.press_button("Cancel").await?;
    browser.reads(".result", "This payment has ended: cancelled (curious)", TURN_LIMIT).await?;
    visit.look("forumpay-cancelled").await?;
    browser.press_button("Try again").await?;
    let asked = browser.text(".amount:not(h1 + .amount) data").await?;
    browser.press_button("Pay less").await?;
    browser.reads(".alert", "You sent too little. The rest is still missing.", TURN_LIMIT).await?;
    let rest = browser.text(".amount:not(h1 + .amount) data").await?;
    ensure!(rest != asked, "the rest of {asked} is {rest}");
    visit.look("forumpay-underpaid").await?;
    browser.press_button("Pay").await?;
    browser.reads("q", "success", TURN_LIMIT).await?;
    visit.order_reads("Approved", "Payment received").await?;
    visit.look("order-forumpay-approved").await?;
    browser.open(&hosted).await?;
    browser.reads(".result", "This payment has ended: confirmed", TURN_LIMIT).await?;
    visit.look("forumpay-ended").await
}

/// Held for a person, approved through the Management API, settled before the payer's eyes.
pub(crate) async fn pay_out_by_forumpay(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.choose("ForumPay", "Pay out").await?;
    ensure!(browser.value("#walletAddress").await? == WALLET, "the wallet is {}", browser.value("#walletAddress").await?);
    browser.press("#preferredCrypto option[value=BTC]").await?;
    browser.fill("#baseamount", "200").await?;
    visit.look("cashier-forumpay-pay-out").await?;
    visit.submit().await?;
    visit.order_reads("Waiting for approval", "The pay-out waits for approval").await?;
    visit.look("order-pay-out-held").await?;
    visit.mark().await?;
    let id = visit.detail("Transaction").await?;
    let approved = visit.client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await?;
    ensure!(approved.status == 200, "{} {}", approved.status, approved.body);
    visit.order_reads("Approved", "Pay-out sent").await?;
    visit.was_not_reloaded().await?;
    visit.look("order-pay-out-approved").await?;

    visit.choose("ForumPay", "Pay out").await?;
    visit.submit().await?;
    visit.order_reads("Waiting for approval", "The pay-out waits for approval").await?;
    visit.mark().await?;
    let id = visit.detail("Transaction").await?;
    let reason = json!({"reason": "The wallet is not the customer's."});
    let rejected = visit.client.manage("POST", &format!("/approvals/{id}/reject"), Some(reason)).await?;
    ensure!(rejected.status == 200, "{} {}", rejected.status, rejected.body);
    visit.order_reads("Rejected", "The pay-out was rejected").await?;
    visit.was_not_reloaded().await?;
    visit.look("order-pay-out-rejected").await
}
