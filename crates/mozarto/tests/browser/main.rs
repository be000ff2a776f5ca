//! The demo shop, the platform's own pages and the simulators' by hand, in a browser: every provider from the choice to the
//! settled order, each page looked at in light and dark, wide and narrow. The pictures are in `target/screenshots`.

mod accounts;
mod cards;
mod forumpay;
mod payone;
mod platform;
mod visit;
mod vouchers;
mod worldpay;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::sandbox::Sandbox;
use visit::{TURN_LIMIT, Visit};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_wallets_and_vouchers_by_hand() {
    Visit::pay("accounts", async |visit, sandbox| {
        look_around(visit, sandbox).await.context("looking around")?;
        payone::pay_in_by_payone(visit).await.context("a pay-in by PayOne")?;
        payone::refuse_at_payone(visit).await.context("PayOne, declined and cancelled")?;
        forumpay::pay_in_by_forumpay(visit).await.context("a pay-in by ForumPay")?;
        forumpay::pay_out_by_forumpay(visit).await.context("a pay-out by ForumPay")?;
        vouchers::redeem_vouchers(visit).await.context("Flexepin")?;
        accounts::pay_in_by_gigadat(visit).await.context("a pay-in by Gigadat")?;
        accounts::pay_out_by_gigadat(visit).await.context("a pay-out by Gigadat")?;
        accounts::pay_in_by_cleo(visit).await.context("a pay-in by Cleo")?;
        accounts::pay_out_by_cleo(visit).await.context("a pay-out by Cleo")?;
        vouchers::pay_in_by_neosurf(visit).await.context("a pay-in by Neosurf")?;
        accounts::pay_in_by_brite(visit).await.context("a pay-in by Brite")?;
        read_the_orders(visit).await.context("the list of orders")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_by_hand() {
    Visit::pay("cards", async |visit, _| {
        worldpay::pay_on_worldpays_page(visit).await.context("Worldpay's page")?;
        worldpay::pay_by_card_over_worldpay(visit).await.context("a card over Worldpay")?;
        cards::pay_by_trust(visit).await.context("Trust")?;
        cards::pay_by_emerchantpay(visit).await.context("eMerchantPay")?;
        platform::check_the_device(visit).await.context("the device check")?;
        platform::close_the_window(visit).await.context("a merchant without an address to return to")
    })
    .await;
}

/// The pages that nobody has used yet, and those that lead nowhere.
async fn look_around(visit: &mut Visit<'_>, sandbox: &Sandbox) -> Result<()> {
    visit.browser.open(&visit.shop).await?;
    visit.look("cashier-forumpay").await?;
    visit.browser.open(&format!("{}/orders", visit.shop)).await?;
    visit.look("orders-empty").await?;
    visit.choose("PayOne", "Pay out").await?;
    visit.look("cashier-payone-pay-out").await?;
    visit.browser.open(sandbox.text("backOfficeUrl")).await?;
    visit.look("back-office").await?;
    let simulator = sandbox.text("simulatorUrl");
    visit.browser.open(simulator).await?;
    visit.look("simulators").await?;
    for (name, address) in [
        ("shop-no-such-page", format!("{}/nowhere", visit.shop)),
        ("shop-no-such-order", format!("{}/return?transactionId=64a1f2b3c4d5e6f7a8b9c0d1&result=success", visit.shop)),
        ("payone-unknown", format!("{simulator}/payone/webflow-payment/AB123456CD/none")),
        ("forumpay-unknown", format!("{simulator}/forumpay/invoice/none")),
    ] {
        visit.browser.open(&address).await?;
        visit.gallery.look_at_refusal(visit.browser, name, 404).await?;
    }
    Ok(())
}

/// Every order of the visit, newest first, and the way from the list to one.
async fn read_the_orders(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    browser.press("//nav[@aria-label='Shop']//a[text()='Orders']").await?;
    browser.reads("h1", "Orders", TURN_LIMIT).await?;
    let states =
        "return [...document.querySelectorAll('section[aria-label=Orders] .badge')].map((badge) => badge.textContent.trim())";
    let states = browser.run(states, json!([])).await?;
    let expected = [
        "Approved", "Approved", "Approved", "Approved", "Approved", "Approved", "Declined", "Approved", "Rejected", "Approved",
        "Approved", "Declined", "Declined", "Approved",
    ];
    ensure!(states == json!(expected), "the list shows {states}");
    visit.look("orders").await?;
    browser.press("section[aria-label=Orders] tbody tr:last-child a").await?;
    visit.order_reads("Approved", "Payment received").await
}
