//! Facts of Cleo's, ForumPay's and Neosurf's callbacks that come while one inquiry runs.

use super::*;

/// Whether the provider answered a call that names that, and not only was asked while nothing came back.
async fn answered(hands: &Hands, provider: &str, named: &str) -> Result<bool> {
    let calls = hands.client.control("GET", &format!("/{provider}/calls"), None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    Ok(calls.iter().any(|call| {
        let text = format!("{} {} {}", call["path"], call["query"], call["body"]);
        text.contains(named) && call["http"] != 500
    }))
}

/// Cleo's callbacks carry no fact once its own id is known: by that one it is asked, whatever they name, and what it answers
/// counts.
pub(super) async fn three_ids_at_cleo(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&cleo_in()).await?)?;
    let shown = hands.managed(&id).await?;
    let theirs = shown["pspTransactionId"].as_str().context("Cleo's id is not known")?.to_owned();
    let url = told_address(&hands, "cleo", &id).await?;
    let mute = Mute::begin(&hands, "cleo", "", &theirs).await?;
    for named in ["cleo-first-a", &theirs, "cleo-third-c"] {
        taken(&hands, &url, JSON, json!({"id": named, "externalReference": id, "status": "PENDING"}).to_string()).await?;
    }
    hands.client.control("PUT", "/cleo/settings", Some(json!({"dropCallbacks": true}))).await?;
    let paid = hands.client.control("POST", &format!("/cleo/{id}/approve"), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    mute.end().await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    ensure!(answered(&hands, "cleo", &theirs).await?);
    ensure!(!answered(&hands, "cleo", "cleo-first-a").await? && !answered(&hands, "cleo", "cleo-third-c").await?);
    Ok(())
}

pub(super) async fn three_payments_at_forumpay(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::forumpay_in("100.00")).await?)?;
    let url = told_address(&hands, "forumpay", &id).await?;
    let mute = Mute::begin(&hands, "forumpay", "", "").await?;
    let payments = ["11111111-aaaa", "22222222-bbbb", "33333333-cccc"];
    for theirs in payments {
        let body = json!({"pos_id": "web", "payment_id": theirs, "currency": "BTC", "address": "btc-0", "reference_no": id});
        taken(&hands, &url, JSON, body.to_string()).await?;
    }
    mute.end().await?;
    for theirs in payments {
        until(&format!("ForumPay is asked about {theirs}"), async || answered(&hands, "forumpay", theirs).await).await?;
    }
    Ok(())
}

/// Signed: what it says counts at once, whatever waits beside it, and though Neosurf itself is silent.
pub(super) async fn paid_between_others(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::neosurf("EUR", "100.00")).await?)?;
    let (url, sub_merchant) = crate::inbox_facts::told(&hands, &id).await?;
    let mute = Mute::begin(&hands, "neosurf", "", &id).await?;
    for (status, label) in [("pending", "first"), ("ok", "second"), ("pending", "third")] {
        taken(&hands, &url, FORM, crate::inbox_facts::notification(&id, &sub_merchant, status, label)).await?;
    }
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    mute.end().await
}
