//! The platform's own pages in a payer's way, where a script or an address is missing.

use crate::visit::{TURN_LIMIT, Visit};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// A device check that tells nothing is waited for by the page for so long, and then some.
const CHECK_LIMIT: Duration = Duration::from_secs(40);

/// A device check whose end is never told, and one in a browser without script.
pub(crate) async fn check_the_device(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    visit.control("PUT", "/emerchantpay/settings", json!({"dropCallbacks": true})).await?;
    visit.choose("eMerchantPay", "Pay in").await?;
    visit.choose_card("4938730000000001").await?;
    visit.submit().await?;
    browser.reads("h1", "Your bank is checking this device", TURN_LIMIT).await?;
    visit.look("platform-device-check").await?;
    browser.reads("h1", "3-D Secure: confirm your payment", CHECK_LIMIT).await?;
    visit.control("PUT", "/emerchantpay/settings", json!({"dropCallbacks": false})).await?;
    browser.press_button("Authenticate").await?;
    visit.order_reads("Approved", "Payment received").await?;

    visit.choose("eMerchantPay", "Pay in").await?;
    visit.choose_card("4066330000000004").await?;
    browser.scripts(false).await?;
    visit.submit().await?;
    browser.reads("h1", "Your bank is checking this device", TURN_LIMIT).await?;
    visit.look("platform-device-check-no-script").await?;
    browser.press_button("Start the check").await?;
    browser.press_button("Continue to payment").await?;
    browser.reads("h1", "Almost there", TURN_LIMIT).await?;
    visit.look("platform-almost-there").await?;
    browser.press("//a[text()='Continue to payment']").await?;
    browser.reads("q", "success", TURN_LIMIT).await?;
    browser.scripts(true).await?;
    visit.order_reads("Approved", "Payment received").await
}

/// Where nobody said where the payer returns to, the last page is the platform's.
pub(crate) async fn close_the_window(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    let method = format!("/payment-methods/{}", visit.client.method_of("EMERCHANTPAY").await?);
    let before = visit.client.manage("GET", &method, None).await?;
    let address = before.body.pointer("/data/config/siteUrl").and_then(Value::as_str).context("no siteUrl")?.to_owned();
    let changed = visit.client.manage("PATCH", &method, Some(json!({"config": {"siteUrl": null}}))).await?;
    ensure!(changed.status == 200, "{} {}", changed.status, changed.body);
    visit.choose("eMerchantPay", "Pay in").await?;
    visit.choose_card("4918190000000002").await?;
    visit.submit().await?;
    browser.press_button("Authenticate").await?;
    browser.reads("h1", "You can close this window", TURN_LIMIT).await?;
    visit.look("platform-close-window").await?;
    let restored = visit.client.manage("PATCH", &method, Some(json!({"config": {"siteUrl": address}}))).await?;
    ensure!(restored.status == 200, "{} {}", restored.status, restored.body);
    browser.open(&format!("{}/orders", visit.shop)).await?;
    visit.look("orders").await?;
    browser.press("section[aria-label=Orders] tbody tr:first-child a").await?;
    visit.order_reads("Approved", "Payment received").await
}
