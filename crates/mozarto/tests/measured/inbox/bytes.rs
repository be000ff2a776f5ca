//! A callback is processed in the bytes that came.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_processed_as_it_came() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(20)).await.expect("a sandbox");
    let mut table = Table::new("the bytes that came");
    table.row("eMerchantPay: a chargeback with a byte of ISO-8859-1", latin1_chargeback(world.hands()));
    table.row("Trust: a report with a byte of ISO-8859-1", latin1_report(world.hands()));
    table.row("Neosurf: a field with a byte of ISO-8859-1 is covered by its hash", latin1_neosurf(world.hands()));
    table.row("PayOne: the signature is the seventieth header, one before it no UTF-8", many_headers(world.hands()));
    table.end().await;
    amount_of_twelve_digits(&world).await.expect("Trust: an amount of twelve digits is no card number");
}

async fn latin1_chargeback(hands: Hands) -> Result<()> {
    let (id, unique_id, url) = emerchantpay_paid(&hands).await?;
    let settings = json!({"dropCallbacks": true});
    hands.client.control("PUT", "/emerchantpay/settings", Some(settings)).await?;
    let reversed = hands.client.control("POST", &format!("/emerchantpay/{id}/reverse"), None).await?;
    ensure!(reversed.status == 200, "{}", reversed.body);
    let mut body = emerchantpay_notification(&id, &unique_id, "&status=chargebacked&event=chargeback&card_holder=Ren");
    body.push(0xe9);
    let answer = post(&hands, &url, FORM, body).await?;
    ensure!(answer.status == 200 && String::from_utf8_lossy(&answer.bytes).contains(&unique_id), "{}", answer.status);
    hands.client.control("PUT", "/emerchantpay/settings", Some(json!({"dropCallbacks": false}))).await?;
    hands.client.wait_for(&id, &["Reversed"], LIMIT).await?;
    Ok(())
}

async fn latin1_report(hands: Hands) -> Result<()> {
    let (id, url) = trust_posted(&hands, "EUR", "105.00").await?;
    let mut body = b"notificationreference=1-1&errorcode=0&requesttypedescription=AUTH&billingfirstname=Ren".to_vec();
    body.push(0xe9);
    taken(&hands, &url, FORM, body).await?;
    until("it is told", async || Ok(told(&hands, &id, "notified unsigned: AUTH, errorcode 0").await? == 1)).await
}

async fn latin1_neosurf(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::neosurf("EUR", "100.00")).await?)?;
    let url = told_address(&hands, "neosurf", &id).await?;
    let answer = hands.client.control("GET", &format!("/neosurf/{id}"), None).await?;
    let shop = sent(&hands, "neosurf").await?.into_iter().find(|call| call.contains(&id)).context("no call")?;
    let sub_merchant =
        shop.split_once("subMerchantId=").and_then(|(_, rest)| rest.split(['&', '"', ' ']).next()).unwrap_or_default();
    let fields = [
        ("amount", "10000".to_owned()),
        ("currency", "eur".to_owned()),
        ("errorCode", String::new()),
        ("errorMessage", String::new()),
        ("merchantId", "24842".to_owned()),
        ("merchantTransactionId", id.clone()),
        ("methodLabel", "Caf\u{fffd}".to_owned()),
        ("status", "ok".to_owned()),
        ("subMerchantId", url_decoded(sub_merchant)),
        ("transactionId", "987654321".to_owned()),
    ];
    let bytes = |value: &str| -> Vec<u8> {
        value.replace('\u{fffd}', "\u{1}").bytes().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect()
    };
    // The secret stands at the end, the values in the order of their names: the bytes as they go over the wire.
    let mut joined: Vec<u8> = fields.iter().flat_map(|(_, value)| bytes(value)).collect();
    joined.extend_from_slice(b"neosurf-demo-secret-0001");
    let hash = hex::encode(digest(&SHA512, &joined));
    let mut body: Vec<u8> = Vec::new();
    for (name, value) in &fields {
        body.extend_from_slice(format!("{name}=").as_bytes());
        body.extend(bytes(value));
        body.push(b'&');
    }
    body.extend_from_slice(format!("hash={hash}").as_bytes());
    let answer_to = post(&hands, &url, FORM, body).await?;
    ensure!(answer_to.status == 200, "{} {}; {}", answer_to.status, answer_to.body, answer.body);
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    Ok(())
}

async fn many_headers(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let body = payone_callback(&id, "HEADERS00F");
    let address = url.strip_prefix("http://").context("no http")?;
    let (host, path) = address.split_once('/').context("no path")?;
    let mut request =
        format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\nconnection: close\r\nx-odd: ", body.len())
            .into_bytes();
    request.extend_from_slice(b"Caf\xe9\r\n");
    for n in 0..66 {
        request.extend_from_slice(format!("x-hop-{n}: 1\r\n").as_bytes());
    }
    request.extend_from_slice(format!("x-signature: {}\r\n\r\n{body}", payone_signature(body.as_bytes())).as_bytes());
    let answer = raw(host, &request).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    until("asked about", async || Ok(sent(&hands, "payone").await?.iter().any(|call| call.contains("HEADERS00F")))).await?;
    ensure!(told(&hands, &id, "wrong signature").await? == 0, "its signature was not read again");
    Ok(())
}

async fn raw(host: &str, request: &[u8]) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A signed notification is proven by the values that came, whatever is masked of them where they are kept.
async fn amount_of_twelve_digits(world: &World) -> Result<()> {
    let hands = world.hands();
    let method = hands.client.method_of("TRUST").await?;
    let none = json!({"config": {"webServicesUsername": null, "webServicesPassword": null}});
    let changed = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(none)).await?;
    ensure!(changed.status == 200, "{}", changed.body);
    let (id, _) = trust_posted(&hands, "JPY", "123456789012").await?;
    let paid = hands.client.control("POST", &format!("/trust/{id}/approve"), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    Ok(())
}
