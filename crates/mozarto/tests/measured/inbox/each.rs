//! Each of several callbacks counts with what it says.

use super::*;

/// All ten; Flexepin calls nobody.
async fn each_counts(database: Option<&str>) {
    let set = |options: testkit::sandbox::Options| {
        let options = options.time_scale(60);
        database.map_or(options.clone(), |url| options.database(url))
    };
    let world = World::start(BINARY, &PSP_TYPES, set).await.expect("a sandbox");
    let mut table = Table::new("callbacks that wait together");
    table.row("PayOne: three ids", three_ids_at_payone(world.hands()));
    table.row("Brite: three ids", three_ids_at_brite(world.hands()));
    table.row("Cleo: three ids, of which none is a fact", each_facts::three_ids_at_cleo(world.hands()));
    table.row("ForumPay: three payments", each_facts::three_payments_at_forumpay(world.hands()));
    table.row("Neosurf: paid, between two that say that it is not yet", each_facts::paid_between_others(world.hands()));
    table.row("Flexepin calls nobody", crate::short_callbacks::nobody(world.hands()));
    table.row("Worldpay: three events of an order that is paid", three_events_at_worldpay(world.hands()));
    table.row("eMerchantPay: a retrieval request between others", a_retrieval_request(world.hands()));
    table.row("Gigadat: three rails", three_rails(world.hands()));
    table.row("Trust: a report of success before others", zero_is_kept(world.hands()));
    table.end().await;
    // Two rows of one provider: each silences it.
    let mut table = Table::new("a callback beside the schedule");
    table.row("PayOne: the provider is silent while its schedule runs", kept_beside_a_schedule(world.hands()));
    table.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_callbacks_counts() {
    each_counts(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_callbacks_counts_on_postgres() {
    let database = testkit::postgres::database().await;
    each_counts(Some(&database.url)).await;
}

async fn three_ids_at_payone(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let mute = Mute::begin(&hands, "payone", "/api/transaction", "").await?;
    let ids = ["FIRST0000A", "SECOND000B", "THIRD0000C"];
    for theirs in ids {
        let answer = payone_told(&hands, &url, &payone_callback(&id, theirs)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    }
    mute.end().await?;
    for theirs in ids {
        let asked = format!("/api/transaction/{theirs}");
        // Answered, not only asked while nothing came back.
        until(&format!("PayOne is asked about {theirs}"), async || {
            let calls = hands.client.control("GET", "/payone/calls", None).await?;
            let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
            Ok(calls.iter().any(|call| call["path"].as_str().is_some_and(|path| path.ends_with(&asked)) && call["http"] != 500))
        })
        .await?;
    }
    Ok(())
}

/// What a callback says is not lost because an inquiry is due anyway: that one does not have it.
async fn kept_beside_a_schedule(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let mute = Mute::begin(&hands, "payone", "/api/transaction/KEPT", "").await?;
    ensure!(payone_told(&hands, &url, &payone_callback(&id, "KEPT00000D")).await?.status == 200);
    until("asked in vain", async || Ok(sent(&hands, "payone").await?.iter().any(|call| call.contains("KEPT00000D")))).await?;
    let before = sent(&hands, "payone").await?.iter().filter(|call| call.contains("KEPT00000D")).count();
    mute.end().await?;
    until("asked again with it", async || {
        Ok(sent(&hands, "payone").await?.iter().filter(|call| call.contains("KEPT00000D")).count() > before)
    })
    .await
}

async fn three_ids_at_brite(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    let mute = Mute::begin(&hands, "brite", "/api/transaction.get", "").await?;
    let ids = ["brite-first-a", "brite-second-b", "brite-third-c"];
    for theirs in ids {
        taken(&hands, &url, JSON, format!(r#"{{"merchant_id":"m","transaction_id":"{theirs}","transaction_state":5}}"#)).await?;
    }
    mute.end().await?;
    for theirs in ids {
        until(&format!("Brite is asked about {theirs}"), async || {
            let calls = hands.client.control("GET", "/brite/calls", None).await?;
            let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
            Ok(calls.iter().any(|call| call["body"].as_str().is_some_and(|body| body.contains(theirs)) && call["http"] != 500))
        })
        .await?;
    }
    Ok(())
}

async fn three_events_at_worldpay(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay("100.00")).await?;
    let id = id_of(&answer)?;
    let pay = hands.client.control("POST", &format!("/worldpay/{id}/approve"), None).await?;
    ensure!(pay.status == 200, "{}", pay.body);
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    let url = account_address(&hands, "WORLDPAY_EU", 0).await?;
    let mute = Mute::begin(&hands, "worldpay", "/jsp/merchant/xml/paymentService.jsp", &id).await?;
    let words = ["INFORMATION_REQUESTED", "INFORMATION_SUPPLIED", "CHARGEBACK_REVERSED"];
    for word in words {
        taken(&hands, &url, XML, worldpay_notification(&id, word)).await?;
    }
    mute.end().await?;
    for word in words {
        until(&format!("{word} is on the timeline"), async || Ok(told(&hands, &id, word).await? > 0)).await?;
    }
    Ok(())
}

async fn a_retrieval_request(hands: Hands) -> Result<()> {
    let (id, unique_id, url) = emerchantpay_paid(&hands).await?;
    let mute = Mute::begin(&hands, "emerchantpay", "/reconcile/", &id).await?;
    for more in ["&status=chargebacked&event=retrieval_request", "&status=approved&event=first", "&status=approved&event=second"]
    {
        taken(&hands, &url, FORM, emerchantpay_notification(&id, &unique_id, more)).await?;
    }
    mute.end().await?;
    until("the retrieval request is told", async || Ok(told(&hands, &id, "retrieval request").await? > 0)).await
}

async fn three_rails(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::gigadat_in("100.00")).await?)?;
    let url = account_address(&hands, "GIGADAT", 0).await?;
    let url = format!("{url}?transaction={id}&status=STATUS_INITED");
    let mute = Mute::begin(&hands, "gigadat", "", &id).await?;
    for rail in ["ETI", "RFM", "CPI"] {
        taken(&hands, &url, JSON, format!(r#"{{"transactionId":"{id}","type":"{rail}"}}"#)).await?;
    }
    mute.end().await?;
    for rail in ["ETI", "RFM", "CPI"] {
        until(&format!("the rail {rail} is told"), async || Ok(told(&hands, &id, &format!("used was {rail}")).await? > 0))
            .await?;
    }
    Ok(())
}

/// Each is on the timeline, whoever proves it.
async fn zero_is_kept(hands: Hands) -> Result<()> {
    let (id, url) = trust_posted(&hands, "EUR", "100.00").await?;
    let mute = Mute::begin(&hands, "trust", "/json/", &id).await?;
    for code in ["0", "70000", "60010"] {
        taken(&hands, &url, FORM, format!("notificationreference=1-1&errorcode={code}&requesttypedescription=AUTH")).await?;
    }
    mute.end().await?;
    for code in ["0", "70000", "60010"] {
        let text = format!("notified unsigned: AUTH, errorcode {code}");
        until(&text, async || Ok(told(&hands, &id, &text).await? == 1)).await?;
    }
    Ok(())
}
