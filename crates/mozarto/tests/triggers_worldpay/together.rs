//! What belongs together: modes, redirects, what is not kept.

use super::*;

/// Without an account for cards a card is refused, and nothing of it stored. The other way round a card is missing.
pub(super) async fn hosted_takes_no_card(hands: Hands) -> Result<()> {
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    let methods = methods.body["data"]["items"].as_array().cloned().context("no methods")?;
    let direct = methods.iter().find(|method| method["config"]["integrationMode"] == "direct").context("no direct account")?;
    let path = format!("/payment-methods/{}", direct["id"].as_str().unwrap_or_default());
    let hosted =
        methods.iter().find(|method| method["pspType"] == "WORLDPAY_EU" && **method != *direct).context("no hosted account")?;
    let hosted_path = format!("/payment-methods/{}", hosted["id"].as_str().unwrap_or_default());
    hands.client.manage("PATCH", &path, Some(json!({"enabled": false}))).await?;
    let answer = hands.client.cashier(&bodies::worldpay_card("217.00", VISA, PLAIN)).await?;
    let sentence = "card is not accepted: card details are entered on Worldpay's page";
    ensure!(answer.status == 400 && answer.body["errors"] == json!([sentence]), "{} {}", answer.status, answer.body);
    ensure!(answer.body.get("transaction").is_none(), "{}", answer.body);
    hands.client.manage("PATCH", &path, Some(json!({"enabled": true}))).await?;
    hands.client.manage("PATCH", &hosted_path, Some(json!({"enabled": false}))).await?;
    let answer = hands.client.cashier(&bodies::worldpay("217.00")).await?;
    ensure!(
        answer.status == 400 && answer.body["message"] == "Missing required field: card",
        "{} {}",
        answer.status,
        answer.body
    );
    hands.client.manage("PATCH", &hosted_path, Some(json!({"enabled": true}))).await?;
    Ok(())
}

/// A redirect whose MAC is wrong is navigation all the same, asks, and is shown to a person.
pub(super) async fn forged_redirect(hands: Hands) -> Result<()> {
    let (id, url) = opened(&hands, "156.00").await?;
    let back = url::form_urlencoded::parse(url.split_once('?').unwrap_or_default().1.as_bytes());
    let success = back.into_owned().find(|(name, _)| name == "successURL").context("no successURL")?.1;
    let query = [
        ("orderKey", &*format!("A^DEMOCOMPANY^{id}")),
        ("paymentStatus", "AUTHORISED"),
        ("paymentAmount", "15600"),
        ("paymentCurrency", "EUR"),
        ("mac2", "00"),
    ];
    returned(&hands, &id, &format!("{success}?{}", form(&query)), "success", "success").await?;
    hands.needs_attention(&id, "anomaly", LIMIT).await?;
    let shown = hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    ensure!(shown["status"] == "PENDING", "{shown}");
    hands.nothing_moved("worldpay", &id).await
}

pub(super) async fn nothing_kept(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card("218.00", "5454545454545454", "Secret Holder")).await?;
    let id = id_of(&answer);
    is_approved(&hands, &id, "218.00").await?;
    let shown = format!("{}{}{}", hands.managed(&id).await?, hands.client.status(&id).await?.body, answer.body);
    for part in ["5454545454545454", "Secret Holder", "\"123\""] {
        ensure!(!shown.contains(part), "{part} in {shown}");
    }
    ensure!(shown.contains("545454"), "the first six are kept: {shown}");
    Ok(())
}
