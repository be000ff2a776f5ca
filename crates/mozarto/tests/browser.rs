//! The demo shop and the simulators' pages by hand, in a browser: every way of paying, each page looked at in light and dark, wide and
//! narrow. The pictures are in `target/screenshots`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use testkit::browser::gallery::Gallery;
use testkit::browser::{Browser, with_browser};
use testkit::client::Client;
use testkit::sandbox::{Options, Sandbox};

/// Callback, inquiry and webhook take well under a second; a busy machine may take longer.
const TURN_LIMIT: Duration = Duration::from_secs(10);
/// The wallet of the published pay-out example.
const WALLET: &str = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh";

/// A person before the browser, and the tests' own ways in besides.
struct Visit<'a> {
    browser: &'a Browser,
    client: &'a Client,
    gallery: Gallery,
    shop: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_paying_by_hand() {
    let data = tempfile::tempdir().expect("a directory");
    let sandbox = Sandbox::start(Options::new(env!("CARGO_BIN_EXE_mozarto"), data.path())).await.expect("the sandbox");
    let client = Client::of(&sandbox);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    let gallery = Gallery::new(&pictures).expect("a folder for the pictures");
    let done = with_browser(async |browser| {
        let shop = sandbox.text("shopUrl").to_owned();
        let mut visit = Visit { browser, client: &client, gallery, shop };
        look_around(&mut visit, &sandbox).await.context("looking around")?;
        pay_in_by_payone(&mut visit).await.context("a pay-in by PayOne")?;
        refuse_at_payone(&mut visit).await.context("PayOne, declined and cancelled")?;
        pay_in_by_forumpay(&mut visit).await.context("a pay-in by ForumPay")?;
        pay_out_by_forumpay(&mut visit).await.context("a pay-out by ForumPay")?;
        redeem_vouchers(&mut visit).await.context("Flexepin")?;
        read_the_orders(&mut visit).await.context("the list of orders")?;
        println!("{} pages, their pictures in {}", visit.gallery.pages(), pictures.display());
        visit.gallery.verdict()
    })
    .await;
    done.expect("every page works and is as it should be");
}

impl Visit<'_> {
    /// The cashier with a provider and a direction chosen by pressing them.
    async fn choose(&self, provider: &str, direction: &str) -> Result<()> {
        self.browser.open(&self.shop).await?;
        self.browser.press(&format!("//ul[@class='providers']//a[.//strong[text()='{provider}']]")).await?;
        self.browser.press(&format!("//nav[@aria-label='Direction']//a[span[text()='{direction}']]")).await?;
        self.browser.find("//nav[@aria-label='Direction']//a[@aria-current='true']").await?;
        self.browser.reads("ul.providers a[aria-current] strong", provider, TURN_LIMIT).await
    }

    async fn submit(&self) -> Result<()> {
        self.browser.press("form[data-cashier] button[type=submit]").await
    }

    async fn look(&mut self, name: &str) -> Result<()> {
        self.gallery.look(self.browser, name).await
    }

    /// The order's page shows this state, without having been loaded for it.
    async fn order_reads(&self, badge: &str, headline: &str) -> Result<()> {
        self.browser.reads(".status .badge", badge, TURN_LIMIT).await?;
        self.browser.reads("#headline", headline, TURN_LIMIT).await
    }

    /// A value of the order's details.
    async fn detail(&self, name: &str) -> Result<String> {
        self.browser.text(&format!(r#"//dl[@class="facts"]/div[dt[text()="{name}"]]/dd"#)).await
    }

    /// Leaves something in the page that a reload would take away.
    async fn mark(&self) -> Result<()> {
        self.browser.run("window.stays = true", json!([])).await?;
        Ok(())
    }

    async fn was_not_reloaded(&self) -> Result<()> {
        let stays = self.browser.run("return window.stays === true", json!([])).await?;
        ensure!(stays == true, "the page was reloaded");
        Ok(())
    }

    /// What the page's script last told a screen reader.
    async fn announced(&self) -> Result<String> {
        let said = self.browser.run("return document.getElementById('announcer').textContent", json!([])).await?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Result<()> {
        let answer = self.client.control(method, path, Some(body)).await?;
        ensure!(answer.status == 200, "{method} {path}: {} {}", answer.status, answer.body);
        Ok(())
    }
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

/// Refused for two wrong fields, put right, paid at the bank, back at a pending order that turns by itself.
async fn pay_in_by_payone(visit: &mut Visit<'_>) -> Result<()> {
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
async fn refuse_at_payone(visit: &mut Visit<'_>) -> Result<()> {
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

/// Cancelled and tried again, paid too little, then the rest.
async fn pay_in_by_forumpay(visit: &mut Visit<'_>) -> Result<()> {
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
async fn pay_out_by_forumpay(visit: &mut Visit<'_>) -> Result<()> {
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

/// One good voucher, one that the cents of the amount have blocked.
async fn redeem_vouchers(visit: &mut Visit<'_>) -> Result<()> {
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

/// Every order of the visit, newest first, and the way from the list to one.
async fn read_the_orders(visit: &mut Visit<'_>) -> Result<()> {
    let browser = visit.browser;
    browser.press("//nav[@aria-label='Shop']//a[text()='Orders']").await?;
    browser.reads("h1", "Orders", TURN_LIMIT).await?;
    let states =
        "return [...document.querySelectorAll('section[aria-label=Orders] .badge')].map((badge) => badge.textContent.trim())";
    let states = browser.run(states, json!([])).await?;
    let expected = ["Declined", "Approved", "Rejected", "Approved", "Approved", "Declined", "Declined", "Approved"];
    ensure!(states == json!(expected), "the list shows {states}");
    visit.look("orders").await?;
    browser.press("section[aria-label=Orders] tbody tr:last-child a").await?;
    visit.order_reads("Approved", "Payment received").await?;
    let complaints = browser.complaints().await?;
    ensure!(complaints.is_empty(), "the browser complains: {complaints:?}");
    Ok(())
}
