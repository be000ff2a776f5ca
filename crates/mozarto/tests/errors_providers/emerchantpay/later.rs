//! What a reconcile and a continue say.

use super::*;

async fn unique_id_of(hands: &Hands, id: &str) -> Result<String> {
    let managed = hands.managed(id).await?;
    managed["pspTransactionId"].as_str().map(str::to_owned).with_context(|| format!("no pspTransactionId: {managed}"))
}

/// Makes the gateway's next record of a payment, and has it asked for.
async fn told(hands: &Hands, id: &str, record: &str) -> Result<()> {
    let unique_id = unique_id_of(hands, id).await?;
    let record = record.replace("<ids/>", &format!("<transaction_id>{id}</transaction_id><unique_id>{unique_id}</unique_id>"));
    next_about(hands, PROVIDER, RECONCILE, &unique_id, xml(200, &record)).await?;
    inquire(hands, id).await
}

pub(super) async fn reconciled(rows: &mut Rows, hands: &Hands) {
    let money = "<amount>50500</amount><currency>EUR</currency>";
    for (name, record) in [
        ("another amount", "<status>approved</status><ids/><amount>50501</amount><currency>EUR</currency>".to_owned()),
        ("another currency", "<status>approved</status><ids/><amount>50500</amount><currency>USD</currency>".to_owned()),
        (
            "another transaction",
            format!("<status>approved</status><transaction_id>64a1f2b3c4d5e6f7a8b9c0d1</transaction_id>{money}"),
        ),
        ("another unique_id", format!("<status>approved</status><unique_id>{UNIQUE_ID}</unique_id>{money}")),
        ("no id at all", format!("<status>approved</status>{money}")),
        ("an unknown status", format!("<status>exploded</status><ids/>{money}")),
    ] {
        rows.row(&format!("reconcile: {name}"), other_record(hands, &record)).await;
    }
    for number in [200, 225, 250, 530, 630, 950, 960] {
        rows.row(
            &format!("reconcile: error {number}"),
            unchanged(hands, &format!("<status>error</status><ids/><code>{number}</code>")),
        )
        .await;
    }
    for number in [110, 220, 101, 460] {
        rows.row(
            &format!("reconcile: our call's {number}"),
            unchanged(hands, &format!("<status>error</status><code>{number}</code>")),
        )
        .await;
    }
    for number in [300, 500, 900] {
        rows.row(&format!("reconcile: error {number}"), error_later(hands, number)).await;
    }
    rows.row("reconcile: a partial refund", partial_refund(hands)).await;
}

async fn other_record(hands: &Hands, record: &str) -> Result<()> {
    let id = opened(hands, CHALLENGE).await?;
    told(hands, &id, record).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved(PROVIDER, &id).await
}

async fn unchanged(hands: &Hands, record: &str) -> Result<()> {
    let id = opened(hands, CHALLENGE).await?;
    told(hands, &id, record).await?;
    let data = hands.managed(&id).await?;
    ensure!(data["transaction_status"] == "Pending" && data["attention"] != "anomaly", "{data}");
    control(hands, PROVIDER, &id, "approve").await?;
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    Ok(())
}

async fn error_later(hands: &Hands, number: u16) -> Result<()> {
    let id = opened(hands, CHALLENGE).await?;
    told(hands, &id, &format!("<status>error</status><ids/><code>{number}</code>")).await?;
    hands.ends_as(&id, "Declined", "error", LIMIT).await?;
    Ok(())
}

/// Kept on the timeline, and nothing else.
async fn partial_refund(hands: &Hands) -> Result<()> {
    let id = approved(hands).await?;
    told(hands, &id, "<status>refunded</status><ids/><amount>100</amount><currency>EUR</currency>").await?;
    let data = hands.managed(&id).await?;
    ensure!(data["transaction_status"] == "Approved" && data["attention"] != "anomaly", "{data}");
    ensure!(data["refundedAmount"] == "1.00", "{data}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

pub(super) async fn continued(rows: &mut Rows, hands: &Hands) {
    let declined = "<status>declined</status><ids/><code>500</code>";
    for (name, upstream, seen) in [
        ("409", xml(409, "<status>error</status>"), false),
        ("404", says(404, json!("<html>no</html>")), false),
        ("401", xml(401, "<status>error</status><code>110</code>"), false),
        ("500", json!({"http": 500}), false),
        ("220 without ids", error("<code>220</code>"), false),
        ("error 230", error("<ids/><code>230</code>"), false),
        ("another amount", xml(200, &format!("{declined}<amount>1</amount>")), true),
        ("a script to go to", xml(200, "<status>pending_async</status><ids/><redirect_url>javascript:x</redirect_url>"), true),
    ] {
        rows.row(&format!("continue: {name}"), no_result(hands, upstream, seen)).await;
    }
    for (word, status) in [("approved", "Approved"), ("declined", "Declined"), ("error", "Declined"), ("timeout", "Expired")] {
        rows.row(&format!("continue: {word}"), result(hands, word, status)).await;
    }
}

/// Opens our page and waits for what it does after the call.
async fn page_goes(hands: &Hands, page: &str) -> Result<String> {
    let shown = hands.client.send("GET", page, &[], None).await?;
    ensure!(shown.status == 200, "{}", shown.status);
    for _ in 0..500 {
        let way = hands.client.send("GET", &format!("{page}/next"), &[], None).await?;
        if let Some(url) = way.body["go"].as_str() {
            return Ok(url.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("the page waits for ever")
}

/// A payment whose second call is answered so; where its page goes.
async fn goes_on(hands: &Hands, mut upstream: Value) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::emerchantpay("505.00", DEVICE_CHECK)).await?;
    let (id, unique_id) = (id_of(&answer)?, answer.text("/transaction/pspTransactionId").to_owned());
    if let Some(text) = upstream["body"].as_str() {
        let ids = format!("<transaction_id>{id}</transaction_id><unique_id>{unique_id}</unique_id>");
        upstream["body"] = json!(text.replace("<ids/>", &ids));
    }
    next(hands, PROVIDER, &format!("/threeds/threeds_method/{unique_id}"), upstream).await?;
    let url = page_goes(hands, answer.text("/data/url")).await?;
    Ok((id, url))
}

/// Asked about, never sent again; the payer goes back to a pending order.
async fn no_result(hands: &Hands, upstream: Value, seen: bool) -> Result<()> {
    let (id, url) = goes_on(hands, upstream).await?;
    ensure!(url.ends_with("&result=pending"), "the page goes to {url}");
    let data = hands.managed(&id).await?;
    ensure!(data["transaction_status"] == "Pending" && (data["attention"] == "anomaly") == seen, "{data}");
    // The gateway says later how it ended.
    control(hands, PROVIDER, &id, "approve").await?;
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn result(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let (id, url) = goes_on(hands, xml(200, &format!("<status>{word}</status><ids/>"))).await?;
    let expected = if status == "Approved" { "&result=success" } else { "&result=failure" };
    ensure!(url.ends_with(expected), "the page goes to {url}");
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await
}
