//! Each thing is told once, however often it is said.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_is_told_once() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(120)).await.expect("a sandbox");
    let mut table = Table::new("told once");
    table.row("Trust: a note, while the query fails", noted_once(world.hands()));
    table.row("Gigadat: what an inquiry tells because of a callback", rail_once(world.hands()));
    table.row("PayOne: an anomaly, and the callback comes ten times", repeated_once(world.hands()));
    table.row("PayOne: a forged callback comes ten times", forged_once(world.hands()));
    table.row("PayOne: the record contradicts at each inquiry", contradicts_once(world.hands()));
    table.row("Gigadat: to another account's address, ten times", misdirected_once(world.hands()));
    table.row("Trust: the browser comes back five times", returned_once(world.hands()));
    table.end().await;
}

async fn noted_once(hands: Hands) -> Result<()> {
    let (id, url) = trust_posted(&hands, "EUR", "100.00").await?;
    // Once it is paid, no schedule of its own asks any more: only the callback does.
    let paid = hands.client.control("POST", &format!("/trust/{id}/approve"), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    let mute = Mute::begin(&hands, "trust", "/json/", &id).await?;
    let before = sent(&hands, "trust").await?.iter().filter(|call| call.contains(&id) && call.contains("/json/")).count();
    taken(&hands, &url, FORM, "notificationreference=1-1&errorcode=0&requesttypedescription=AUTH").await?;
    // Tried again and again: 10 s, 30 s, 2 min, 5 min later.
    until("four queries in vain", async || {
        Ok(sent(&hands, "trust").await?.iter().filter(|call| call.contains(&id) && call.contains("/json/")).count() >= before + 4)
    })
    .await?;
    let told = told(&hands, &id, "notified unsigned").await?;
    ensure!(told == 1, "told {told} times");
    mute.end().await
}

async fn rail_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::gigadat_in("101.00")).await?)?;
    let url = format!("{}?transaction={id}&status=STATUS_INITED", account_address(&hands, "GIGADAT", 0).await?);
    for _ in 0..5 {
        taken(&hands, &url, JSON, format!(r#"{{"transactionId":"{id}","type":"ETI"}}"#)).await?;
        until("the rail is told", async || Ok(told(&hands, &id, "used was ETI").await? > 0)).await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = told(&hands, &id, "used was ETI").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

async fn repeated_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let other = payone_callback(&id, "X").replace("100.00", "900.00");
    for _ in 0..10 {
        ensure!(payone_told(&hands, &url, &other).await?.status == 200);
    }
    until("it is told", async || Ok(told(&hands, &id, "has another amount").await? > 0)).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = told(&hands, &id, "has another amount").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

async fn forged_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let body = payone_callback(&id, "X");
    for _ in 0..10 {
        let answer = hands.client.send("POST", &url, &[("x-signature", "00")], Some(body.clone().into_bytes())).await?;
        ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
    }
    until("it is told", async || Ok(told(&hands, &id, "wrong signature").await? > 0)).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(told(&hands, &id, "wrong signature").await? == 1);
    // The same bytes with the right signature are another callback: their fact counts.
    ensure!(payone_told(&hands, &url, &payone_callback(&id, "RIGHT0000E")).await?.status == 200);
    until("the right one is asked about", async || {
        Ok(sent(&hands, "payone").await?.iter().any(|call| call.contains("RIGHT0000E")))
    })
    .await
}

async fn contradicts_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "102.00")).await?)?;
    let record = json!({"path": "/api/transaction", "about": id, "http": 200, "times": 100_000, "body": {
        "transactionId": "T", "referenceId": id, "amount": "7.00", "currency": "CAD", "type": "deposit", "status": "Approved"}});
    let set = hands.client.control("PUT", "/payone/next", Some(record)).await?;
    ensure!(set.status == 200, "{}", set.body);
    until("asked four times", async || {
        Ok(sent(&hands, "payone").await?.iter().filter(|call| call.contains(&id) && call.contains("/api/transaction\"")).count()
            >= 4)
    })
    .await?;
    let anomalies = events(&hands, &id).await?.iter().filter(|event| event["event"] == "anomaly").count();
    ensure!(anomalies == 1, "told {anomalies} times: {:?}", events(&hands, &id).await?);
    Ok(())
}

async fn misdirected_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::gigadat_in("103.00")).await?)?;
    let account = json!({"pspType": "GIGADAT", "config": {"accountName": "Other", "apiKey": "gd-other", "secret": "gd-other", "campaignId": "other"}});
    let made = hands.client.manage("POST", "/payment-methods", Some(account)).await?;
    let url = format!("{}?transaction={id}&status=STATUS_SUCCESS", made.text("/data/callbackUrl"));
    for _ in 0..10 {
        taken(&hands, &url, JSON, "").await?;
    }
    let told = told(&hands, &id, "another account's address").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

async fn returned_once(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::trust("EUR", "104.00")).await?;
    let id = id_of(&answer)?;
    let page = hands.client.send("GET", answer.text("/data/paymentUrl"), &[], None).await?;
    let back = Form::of(&page.bytes)?.all("successfulurlredirect")[0].to_owned();
    for _ in 0..5 {
        hands.client.send("GET", &back, &[], None).await?;
    }
    let told = told(&hands, &id, "the browser came back").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}
