//! Cards, server to server, with challenges.

use super::*;

pub(super) async fn approved_at_once(hands: Hands, amount: String, pan: &str, holder: &str) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(&amount, pan, holder)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let brand = match &pan[..1] {
        "4" => "VISA",
        "6" => "MAESTRO",
        "3" => "AMEX",
        _ => "MASTERCARD",
    };
    let mut data = data(&answer, &amount, "AUTHORISED", "Approved");
    data["card"] =
        json!({"brand": brand, "first6": pan[..6], "last4": pan[pan.len() - 4..], "expMonth": "11", "expYear": "2035"});
    let expected = json!({
        "status": "success", "message": "Transaction approved", "isSuccess": true, "data": data,
        "transaction": transaction(&amount, "Approved", "AUTHORISED"),
    });
    same_shape(&answer.body, &expected)?;
    is_approved(&hands, &id_of(&answer), &amount).await
}

pub(super) async fn declined_at_once(hands: Hands, amount: &str, pan: &str, holder: &str, code: &str) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(amount, pan, holder)).await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let id = id_of(&answer);
    let expected = json!({
        "status": "error", "message": "Transaction declined", "isSuccess": false, "errors": [], "transactionId": id,
        "data": {"status": "REFUSED", "transaction_status": "Declined", "returnCode": code, "returnMessage": "<text>", "merchantReference": "ORDER-REF-001"},
        "transaction": transaction(amount, "Declined", "REFUSED"),
    });
    same_shape(&answer.body, &expected)?;
    hands.webhooks(&id, &["Declined"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

/// An order whose issuer wants to see the payer: its id and our page.
async fn wants_challenge(hands: &Hands, amount: &str, pan: &str, holder: &str) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::worldpay_card(amount, pan, holder)).await?;
    let (id, url) = with_page(&answer, amount, "3-D Secure authentication required")?;
    ensure!(url.starts_with(&format!("{}/3ds/", hands.client.base)), "{url} is no page of ours");
    Ok((id, url))
}

/// From our page to the challenge, a button there, and the form that comes back: its address and content.
async fn at_the_challenge(hands: &Hands, ours: &str, button: &str) -> Result<(String, String)> {
    let page = get(hands, ours).await?;
    ensure!(page.status == 200, "{} {}", page.status, page_of(&page));
    ensure!(page.header("cache-control").is_some_and(|value| value.contains("no-store")), "{:?}", page.headers);
    let page = page_of(&page);
    let (action, jwt, md) =
        (after(&page, "<form", "action")?, after(&page, "name=\"JWT\"", "value")?, after(&page, "name=\"MD\"", "value")?);
    ensure!(action == format!("{}/worldpay/V2/Cruise/StepUp", hands.client.simulator), "it posts to {action}");
    let challenge = post(hands, &action, form(&[("JWT", &jwt), ("MD", &md)])).await?;
    ensure!(challenge.status == 200, "the challenge: {} {}", challenge.status, page_of(&challenge));
    let challenge = page_of(&challenge);
    let reference = after(&challenge, "name=\"challenge\"", "value")?;
    let back = post(hands, &format!("{action}/answer"), form(&[("challenge", &reference), ("action", button)])).await?;
    ensure!(back.status == 200, "{} {}", back.status, page_of(&back));
    let back = page_of(&back);
    let fields = ["TransactionId", "Response", "MD"];
    let values = fields.map(|name| after(&back, &format!("name=\"{name}\""), "value").unwrap_or_default());
    let pairs: Vec<(&str, &str)> = fields.into_iter().zip(values.iter().map(String::as_str)).collect();
    let return_url = after(&back, "<form", "action")?;
    ensure!(return_url == format!("{ours}/return"), "back to {return_url}");
    Ok((return_url, form(&pairs)))
}

pub(super) async fn challenged(hands: Hands, amount: &str, pan: &str, holder: &str, button: &str, status: &str) -> Result<()> {
    let (id, ours) = wants_challenge(&hands, amount, pan, holder).await?;
    hands.nothing_moved("worldpay", &id).await?;
    let (return_url, form) = at_the_challenge(&hands, &ours, button).await?;
    let came = post(&hands, &return_url, form).await?;
    ensure!(came.status == 303, "{} {}", came.status, page_of(&came));
    let location = came.header("location").unwrap_or_default();
    let result = match status {
        "Approved" => "success",
        "Cancelled" => "cancel",
        _ => "failure",
    };
    ensure!(location.ends_with(&format!("result={result}")), "{location}");
    if status == "Approved" {
        return is_approved(&hands, &id, amount).await;
    }
    hands.client.wait_for(&id, &[status], LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

/// The second submit is made once, however often the browser comes back.
pub(super) async fn returned_twice(hands: Hands) -> Result<()> {
    let (id, ours) = wants_challenge(&hands, "215.00", CHALLENGE, PLAIN).await?;
    let (return_url, form) = at_the_challenge(&hands, &ours, "authenticate").await?;
    let (one, two) = tokio::try_join!(post(&hands, &return_url, form.clone()), post(&hands, &return_url, form.clone()))?;
    let three = post(&hands, &return_url, form).await?;
    ensure!([one.status, two.status, three.status] == [303; 3], "{} {} {}", one.status, two.status, three.status);
    is_approved(&hands, &id, "215.00").await?;
    let calls = hands.client.control("GET", "/worldpay/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let seconds = calls.iter().filter(|call| {
        let text = call.to_string();
        text.contains("completedAuthentication") && text.contains(&id)
    });
    ensure!(seconds.count() == 1, "the second submit was not made once");
    let gone = get(&hands, &ours).await?;
    ensure!(gone.status == 303, "the page of a payment that is over: {}", gone.status);
    Ok(())
}

/// Not sent after half an hour, and over.
pub(super) async fn never_returns(hands: Hands) -> Result<()> {
    let (id, ours) = wants_challenge(&hands, "201.03", VISA, PLAIN).await?;
    let page = page_of(&get(&hands, &ours).await?);
    let (action, jwt) = (after(&page, "<form", "action")?, after(&page, "name=\"JWT\"", "value")?);
    let shown = post(&hands, &action, form(&[("JWT", &jwt), ("MD", "x")])).await?;
    ensure!(shown.status == 200, "{} {}", shown.status, page_of(&shown));
    hands.ends_as(&id, "Expired", "EXPIRED", LIMIT + Duration::from_secs(20)).await?;
    hands.webhooks(&id, &["Expired"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

fn in_doubt(answer: &Answer, amount: &str) -> Result<String> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let (id, text) = (id_of(answer), "Transaction is being processed");
    let expected = json!({
        "status": "success", "message": text, "isSuccess": true,
        "data": {"message": text, "transactionId": id, "merchantReference": "ORDER-REF-001", "amount": number(amount)},
        "transaction": transaction(amount, "Pending", "unknown"),
    });
    same_shape(&answer.body, &expected)?;
    Ok(id)
}

pub(super) async fn nothing_taken(hands: Hands, amount: String) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(&amount, VISA, PLAIN)).await?;
    let id = in_doubt(&answer, &amount)?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}

pub(super) async fn answer_lost(hands: Hands, amount: String) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card(&amount, VISA, PLAIN)).await?;
    let id = in_doubt(&answer, &amount)?;
    is_approved(&hands, &id, &amount).await
}

/// `ERROR` leaves it open.
pub(super) async fn undecided(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card("216.00", VISA, "ERROR")).await?;
    let id = in_doubt(&answer, "216.00")?;
    hands.ends_as(&id, "Pending", "ERROR", LIMIT).await?;
    hands.nothing_moved("worldpay", &id).await
}
