//! Worldpay: orders, refusals, the hosted page with its redirects, notifications, tokens, FraudSight.

use serde_json::{Value, json};

use crate::world::{Received, World};

pub(crate) const MERCHANT: &str = "MYMERCHANT";
pub(crate) const USER: &str = "xmluser";
pub(crate) const PASSWORD: &str = "xmlpass-4711";
pub(crate) const CARD: &str = "4444333322221111";
pub(crate) const JWT_KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const SERVICE: &str = "/worldpay/jsp/merchant/xml/paymentService.jsp";
pub(crate) const SESSION: &str = "60a740385b94427e8cffabc123000001";
const DOCTYPE: &str = "<!DOCTYPE paymentService PUBLIC \"-//Worldpay//DTD Worldpay PaymentService v1//EN\" \"http://dtd.worldpay.com/paymentService_v1.dtd\">";
const ADDRESS: &str = "<address><firstName>John</firstName><lastName>Doe</lastName><address1>Hauptstr. 1</address1><postalCode>10115</postalCode><city>Berlin</city><countryCode>DE</countryCode><telephoneNumber>49151123</telephoneNumber></address>";

pub(crate) async fn world() -> World {
    ready(World::start().await, "mac2").await
}

pub(crate) async fn ready(world: World, mac_kind: &str) -> World {
    world.receiver.answer_body(|_| ("text/plain", "[OK]".to_owned()));
    let account = json!({"xmlUsername": USER, "xmlPassword": PASSWORD, "installationId": "123456", "macKind": mac_kind,
        "macSecret": "@p-p1epie", "adminCode": "MYADMINCODE", "threeDsIssuer": "issuer-0001", "threeDsOrgUnitId": "orgunit-0001",
        "threeDsJwtKey": JWT_KEY, "notificationUrl": world.receiver.url("notify")});
    let (status, answer) = world.put(&format!("/control/worldpay/accounts/{MERCHANT}"), account).await;
    assert_eq!(status, 200, "{answer}");
    world
}

pub(crate) fn wrapped(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{DOCTYPE}<paymentService version=\"1.4\" merchantCode=\"{MERCHANT}\">{inner}</paymentService>"
    )
}

pub(crate) fn hosted_xml(code: &str, value: &str) -> String {
    wrapped(&format!(
        "<submit><order orderCode=\"{code}\" installationId=\"123456\" captureDelay=\"OFF\" shopperLanguageCode=\"de\">\
         <description>Payment {code}</description><amount value=\"{value}\" currencyCode=\"EUR\" exponent=\"2\"/>\
         <orderContent><![CDATA[]]></orderContent><paymentMethodMask><include code=\"ALL\"/></paymentMethodMask>\
         <shopper><shopperEmailAddress>player@example.com</shopperEmailAddress></shopper>\
         <billingAddress>{ADDRESS}</billingAddress></order></submit>"
    ))
}

pub(crate) fn direct_xml(code: &str, value: &str, number: &str, holder: &str) -> String {
    wrapped(&format!(
        "<submit><order orderCode=\"{code}\" captureDelay=\"OFF\" shopperLanguageCode=\"en\"><description>Payment {code}</description>\
         <amount value=\"{value}\" currencyCode=\"EUR\" exponent=\"2\"/><paymentDetails action=\"AUTHORISE\"><CARD-SSL>\
         <cardNumber>{number}</cardNumber><expiryDate><date month=\"11\" year=\"2035\"/></expiryDate><cardHolderName>{holder}</cardHolderName>\
         <cvc>123</cvc><cardAddress>{ADDRESS}</cardAddress></CARD-SSL><session shopperIPAddress=\"198.51.100.7\" id=\"{SESSION}\"/></paymentDetails>\
         <shopper><shopperEmailAddress>player@example.com</shopperEmailAddress><browser><acceptHeader>text/html</acceptHeader>\
         <userAgentHeader>UA</userAgentHeader><browserLanguage>de-DE</browserLanguage></browser></shopper>\
         <additional3DSData dfReferenceId=\"\" challengeWindowSize=\"fullPage\"/></order></submit>"
    ))
}

pub(crate) fn sending(world: &World, body: String) -> reqwest::RequestBuilder {
    let request = world.client.post(world.url(SERVICE)).basic_auth(USER, Some(PASSWORD));
    request.header("content-type", "text/xml; charset=utf-8").body(body)
}

pub(crate) async fn send(world: &World, body: String) -> String {
    let answer = sending(world, body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["content-type"], "text/xml; charset=utf-8");
    answer.text().await.unwrap()
}

pub(crate) async fn inquire(world: &World, code: &str) -> String {
    send(world, wrapped(&format!("<inquiry><orderInquiry orderCode=\"{code}\"/></inquiry>"))).await
}

/// Every `lastEvent` of a document, in order.
pub(crate) fn events(document: &str) -> Vec<&str> {
    document.split("<lastEvent>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

/// Code and text of the error in a document.
pub(crate) fn error(document: &str) -> (&str, &str) {
    let rest = document.split("<error code=\"").nth(1).unwrap_or_else(|| panic!("{document}"));
    let (code, rest) = rest.split_once("\"><![CDATA[").unwrap();
    (code, rest.split("]]>").next().unwrap())
}

/// The hosted page's address with result URLs.
pub(crate) async fn page(world: &World, code: &str, value: &str) -> String {
    let reply = send(world, hosted_xml(code, value)).await;
    format!("{}&language=en{}", address(&reply), results())
}

pub(crate) fn address(reply: &str) -> String {
    let inside = reply.split("<reference id=\"").nth(1).unwrap_or_else(|| panic!("{reply}")).split_once('>').unwrap().1;
    inside.split('<').next().unwrap().replace("&amp;", "&")
}

fn results() -> String {
    ["success", "failure", "pending", "cancel", "error"]
        .map(|way| format!("&{way}URL=https%3A%2F%2Fpay.example%2Freturn%2Ft0k%2F{way}%3Fa%3D1"))
        .concat()
}

pub(crate) const PAY: &str =
    "action=pay&cardNumber=4444+3333+2222+1111&expiryMonth=11&expiryYear=2035&cardHolderName=John+Doe&cvc=123";

/// The notified `lastEvent`s of an order so far.
pub(crate) fn notified(world: &World, code: &str) -> Vec<String> {
    let about = format!("orderCode=\"{code}\"");
    let of = |received: &Received| events(&received.body).first().map(|event| (*event).to_owned());
    world.receiver.at("notify").iter().filter(|received| received.body.contains(&about)).filter_map(of).collect()
}

pub(crate) async fn notified_is(world: &World, code: &str, wanted: &[&str]) {
    crate::world::eventually(|| async { (notified(world, code).len() >= wanted.len()).then_some(()) }).await;
    tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    assert_eq!(notified(world, code), wanted);
}

fn query(location: &str) -> Vec<(String, String)> {
    url::Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn a_hosted_order_is_paid_and_told() {
    let world = world().await;
    let page = page(&world, "h1", "15000").await;
    assert_eq!(error(&inquire(&world, "h1").await), ("5", "Could not find payment for order"));
    let shown = world.client.get(&page).send().await.unwrap();
    assert_eq!(shown.status().as_u16(), 200);
    let text = shown.text().await.unwrap();
    for part in
        ["Demo company", "Payment h1", "150.00", "EUR", "Apple Pay", "Google Pay", "name=\"cvc\"", "<dd>en</dd>", "TEST PAGE"]
    {
        assert!(text.contains(part), "{part}");
    }
    let (status, location) = world.submit(&page, PAY).await;
    assert_eq!(status, 303);
    assert!(location.starts_with("https://pay.example/return/t0k/success?a=1&"), "{location}");
    let pairs = query(&location);
    assert_eq!(value(&pairs, "orderKey"), "MYADMINCODE^MYMERCHANT^h1");
    assert_eq!(
        (value(&pairs, "paymentStatus"), value(&pairs, "paymentAmount"), value(&pairs, "paymentCurrency")),
        ("AUTHORISED", "15000", "EUR")
    );
    // HMAC-SHA256 of MYADMINCODE^MYMERCHANT^h1:15000:EUR:AUTHORISED, computed with openssl.
    assert_eq!(value(&pairs, "mac2"), MAC2_H1);
    let told = inquire(&world, "h1").await;
    assert_eq!(events(&told), ["AUTHORISED"]);
    assert!(
        told.contains("<amount value=\"15000\" currencyCode=\"EUR\" exponent=\"2\" debitCreditIndicator=\"credit\"/>"),
        "{told}"
    );
    assert!(told.contains("4444********1111") && told.contains("-//WorldPay//DTD WorldPay"), "{told}");
    notified_is(&world, "h1", &["AUTHORISED"]).await;
    let got = world.receiver.at("notify").remove(0);
    assert_eq!(got.headers["content-type"], "text/xml");
    for part in [
        "merchantCode=\"MYMERCHANT\"",
        "<journal journalType=\"AUTHORISED\" sent=\"n\">",
        "<cardNumber>4444********1111</cardNumber>",
    ] {
        assert!(got.body.contains(part), "{}", got.body);
    }
    assert_eq!(world.ledger_is("worldpay", "h1", "settled").await["amount"], "150.00");
    let text = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("This payment has ended: <strong>AUTHORISED</strong>"));
    let (status, _) = world.submit(&page, PAY).await;
    assert_eq!((status, world.ledger("worldpay", "h1").await.len()), (200, 1), "nothing is paid twice");
}

const MAC2_H1: &str = "c7ad8d7f97e37174a6ed45067b4b8b5db407343d6a40e25047f45e17430edb2e";
const MAC_CANCEL: &str = "0116c768622a0088bca3e5ee88371952";

#[tokio::test]
async fn cancel_and_refusal_lead_to_their_addresses() {
    let world = ready(World::start().await, "mac").await;
    let page_1 = page(&world, "c1", "1500").await;
    let (_, location) = world.submit(&page_1, "action=cancel").await;
    assert!(location.starts_with("https://pay.example/return/t0k/cancel?a=1&"), "{location}");
    let pairs = query(&location);
    assert_eq!(
        (value(&pairs, "orderAmount"), value(&pairs, "orderCurrency"), value(&pairs, "paymentStatus")),
        ("1500", "EUR", "")
    );
    // MD5 of MYADMINCODE^MYMERCHANT^c11500EUR@p-p1epie, computed with openssl.
    assert_eq!(value(&pairs, "mac"), MAC_CANCEL);
    assert_eq!(events(&inquire(&world, "c1").await), ["CANCELLED"]);
    notified_is(&world, "c1", &["CANCELLED"]).await;
    assert!(world.ledger("worldpay", "c1").await.is_empty());

    let page_2 = page(&world, "r1", "1500").await;
    let (_, location) = world.submit(&page_2, &PAY.replace("John+Doe", "REFUSED51")).await;
    assert!(location.starts_with("https://pay.example/return/t0k/failure?"), "{location}");
    assert!(inquire(&world, "r1").await.contains("<ISO8583ReturnCode code=\"51\" description=\"LIMIT EXCEEDED\"/>"));
    // The payer tries again.
    let (_, location) = world.submit(&page_2, PAY).await;
    assert!(location.starts_with("https://pay.example/return/t0k/success?"), "{location}");
    assert_eq!(events(&inquire(&world, "r1").await), ["REFUSED", "AUTHORISED"]);
    notified_is(&world, "r1", &["REFUSED", "AUTHORISED"]).await;
    let page_3 = page(&world, "e1", "1500").await;
    let (_, location) = world.submit(&page_3, &PAY.replace("John+Doe", "ERROR")).await;
    assert!(location.starts_with("https://pay.example/return/t0k/error?"), "{location}");
    assert_eq!(events(&inquire(&world, "e1").await), ["ERROR"]);
}

#[tokio::test]
async fn the_page_offers_what_the_mask_does() {
    let world = world().await;
    let masked = |code: &str, mask: &str| hosted_xml(code, "1500").replace("<include code=\"ALL\"/>", mask);
    let open = async |code: &str, mask: &str| {
        let reply = send(&world, masked(code, mask)).await;
        let page = address(&reply);
        (world.client.get(&page).send().await.unwrap().text().await.unwrap(), page)
    };
    let (text, page) = open("m1", "<include code=\"APPLEPAY-SSL\"/>").await;
    assert!(text.contains("Apple Pay") && !text.contains("Google Pay") && !text.contains("name=\"cvc\""));
    assert_eq!(world.submit(&page, "action=PAYWITHGOOGLE-SSL").await.0, 422);
    // Without result URLs the page itself says what became of it.
    let (status, location) = world.submit(&page, "action=APPLEPAY-SSL").await;
    assert_eq!((status, &location), (303, &page));
    assert!(inquire(&world, "m1").await.contains("<paymentMethod>APPLEPAY-SSL</paymentMethod>"));
    let (text, page) = open("m2", "<include code=\"VISA-SSL\"/><include code=\"ECMC-SSL\"/>").await;
    assert!(text.contains("Visa, Mastercard<") && !text.contains("Apple Pay"));
    assert_eq!(world.submit(&page, &PAY.replace("4444+3333+2222+1111", "343434343434343")).await.0, 422, "no Amex here");
    assert_eq!(world.submit(&page, &PAY.replace("1111", "1112")).await.0, 422, "Luhn");
    let refused = world.client.post(&page).header("content-type", "application/x-www-form-urlencoded");
    let text = refused.body(PAY.replace("2035", "2020")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("role=\"alert\""));
    assert_eq!(world.submit(&page, "action=pay").await.0, 422);
    assert!(events(&inquire(&world, "m2").await).is_empty());
    let (text, _) = open("m3", "<include code=\"ALL\"/><exclude code=\"PAYWITHGOOGLE-SSL\"/>").await;
    assert!(text.contains("Apple Pay") && !text.contains("Google Pay"));
    let wrong = page.replace("Ticket=", "Ticket=0");
    assert_eq!(world.client.get(wrong).send().await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn direct_orders_are_answered_at_once() {
    let world = world().await;
    for (number, method) in [
        (CARD, "VISA-SSL"),
        ("4911830000000", "VISA-SSL"),
        ("4917610000000000", "VISA-SSL"),
        ("4462030000000000", "VISA-SSL"),
        ("5555555555554444", "ECMC-SSL"),
        ("5454545454545454", "ECMC-SSL"),
        ("2221000000000009", "ECMC-SSL"),
        ("5163613613613613", "ECMC-SSL"),
        ("6759649826438453", "MAESTRO-SSL"),
        ("343434343434343", "AMEX-SSL"),
    ] {
        let reply = send(&world, direct_xml(number, "15000", number, "AUTHORISED").replace("Payment ", "P")).await;
        assert_eq!(events(&reply), ["AUTHORISED"], "{reply}");
        assert!(reply.contains(&format!("<paymentMethod>{method}</paymentMethod>")), "{reply}");
    }
    let reply = send(&world, direct_xml("d1", "15000", CARD, "3DS_V2_FRICTIONLESS_IDENTIFIED")).await;
    for part in [
        "<card number=\"4444********1111\" type=\"creditcard\"/>",
        "<AuthorisationId id=\"",
        "<CVCResultCode description=\"B\"/>",
        "<AVSResultCode description=\"E\"/>",
        "<balance accountType=\"IN_PROCESS_AUTHORISED\">",
        "<riskScore value=\"51\"/>",
    ] {
        assert!(reply.contains(part), "{part} {reply}");
    }
    notified_is(&world, "d1", &["AUTHORISED"]).await;
    world.ledger_is("worldpay", "d1", "settled").await;
    for (holder, code) in [("REFUSED", "5"), ("REFUSED34", "34"), ("REFUSED05", "5")] {
        let reply = send(&world, direct_xml(holder, "15002", CARD, holder)).await;
        assert_eq!(events(&reply), ["REFUSED"], "the published value comes before the digits");
        assert!(reply.contains(&format!("<ISO8583ReturnCode code=\"{code}\"")), "{reply}");
        notified_is(&world, holder, &["REFUSED"]).await;
    }
    assert_eq!(events(&send(&world, direct_xml("de", "15000", CARD, "ERROR")).await), ["ERROR"]);
    let scriptless = direct_xml("ds", "15000", CARD, "John Doe").replace("fullPage\"", "fullPage\" javaScriptEnabled=\"false\"");
    assert_eq!(events(&send(&world, scriptless).await), ["AUTHORISED"]);
    assert_eq!(events(&inquire(&world, "de").await), ["ERROR"]);
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let world = world().await;
    let refused = async |body: String| {
        let reply = send(&world, body).await;
        let (code, text) = error(&reply);
        (code.to_owned(), text.to_owned())
    };
    let good = hosted_xml("x1", "1500");
    let card = direct_xml("x1", "1500", CARD, "John Doe");
    for (code, body) in [
        ("2", good.replace(DOCTYPE, "")),
        ("2", good.replace("</submit>", "")),
        ("2", good.replace("<orderContent>", "<orderKontent>").replace("</orderContent>", "</orderKontent>")),
        ("2", good.replace("<shopper>", "<shopper><unknown/>")),
        ("2", good.replace(" exponent=\"2\"", "")),
        ("2", good.replace(" value=\"1500\"", "")),
        ("2", good.replace("orderCode=\"x1\" ", "")),
        ("2", good.replace("installationId", "installation")),
        (
            "2",
            good.replace(
                "<postalCode>10115</postalCode><city>Berlin</city>",
                "<city>Berlin</city><postalCode>10115</postalCode>",
            ),
        ),
        ("2", good.replace("<postalCode>10115</postalCode>", "")),
        ("2", good.replace("version=\"1.4\"", "version=\"1.3\"")),
        (
            "2",
            good.replace("paymentService_v1.dtd\">", "paymentService_v1.dtd\" [<!ENTITY x \"y\">]>").replace("Payment x1", "&x;"),
        ),
        ("2", card.replace("<cvc>123</cvc>", "").replace("</expiryDate>", "</expiryDate><cvc>123</cvc>")),
        ("4", good.replace(MERCHANT, "OTHERMERCHANT")),
        ("5", good.replace(" installationId=\"123456\"", "")),
        ("5", good.replace("123456", "654321")),
        ("5", good.replace("<include code=\"ALL\"/>", "<exclude code=\"VISA-SSL\"/><include code=\"ALL\"/>")),
        ("5", good.replace("<include code=\"ALL\"/>", "")),
        ("5", good.replace("code=\"ALL\"", "code=\"CASH-SSL\"")),
        ("5", good.replace("\"OFF\"", "\"15\"")),
        ("5", good.replace("orderCode=\"x1\"", "orderCode=\"x 1\"")),
        ("3", good.replace("exponent=\"2\"", "exponent=\"3\"")),
        ("3", good.replace("value=\"1500\"", "value=\"0\"")),
        ("3", good.replace("value=\"1500\"", "value=\"+1500\"")),
        ("3", good.replace("value=\"1500\"", "value=\"15.00\"")),
        ("3", good.replace("\"EUR\"", "\"XXY\"")),
        // Several faults: the first in the order of the sheet.
        ("5", good.replace("123456", "654321").replace("exponent=\"2\"", "exponent=\"3\"")),
        ("3", card.replace("exponent=\"2\"", "exponent=\"3\"").replace(CARD, "4444333322221112")),
        ("7", card.replace(CARD, "4444333322221112")),
        ("7", card.replace("2035", "2020")),
        ("7", card.replace("<cvc>123<", "<cvc>12<")),
    ] {
        let (got, text) = refused(body.clone()).await;
        assert_eq!(got, code, "{text} for {body}");
        assert!(code != "7" || text.starts_with("Invalid payment details : "), "{text}");
    }
    assert_eq!(error(&inquire(&world, "x1").await).0, "5", "nothing was taken");
    assert!(send(&world, good.clone()).await.contains("<reference id="));
    assert_eq!(refused(good.replace("exponent=\"2\"", "exponent=\"3\"")).await.0, "3");
    assert_eq!(refused(card.replace(CARD, "4444333322221112")).await.1, "Duplicate Order");
    assert_eq!(refused(good).await, ("5".to_owned(), "Duplicate Order".to_owned()));
    assert_eq!(refused(card).await, ("5".to_owned(), "Duplicate Order".to_owned()));
}

#[tokio::test]
async fn wrong_credentials_are_a_page_of_html() {
    let world = world().await;
    let request = |user: &str, password: &str| world.client.post(world.url(SERVICE)).basic_auth(user, Some(password));
    for wrong in [request(USER, "wrong"), request("wrong", PASSWORD), world.client.post(world.url(SERVICE))] {
        let answer = wrong.body(hosted_xml("u1", "1500")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(answer.text().await.unwrap().contains("Requires Authentication"));
    }
    // The sheet's own credentials, as they go over the wire.
    let vector = json!({"xmlUsername": "xmluser", "xmlPassword": "xmlpass", "installationId": "1"});
    assert_eq!(world.put("/control/worldpay/accounts/VECTOR", vector).await.0, 200);
    let signed = world.client.post(world.url(SERVICE)).header("authorization", "Basic eG1sdXNlcjp4bWxwYXNz");
    let nobody = wrapped("<inquiry><orderInquiry orderCode=\"u1\"/></inquiry>").replace(MERCHANT, "VECTOR");
    assert_eq!(error(&signed.body(nobody).send().await.unwrap().text().await.unwrap()).0, "5");
    assert_eq!(world.client.get(world.url(SERVICE)).send().await.unwrap().status().as_u16(), 405);
    assert_eq!(world.put("/control/worldpay/accounts/X", json!({"xmlUsername": "u"})).await.0, 400);
    let short = json!({"xmlUsername": "u", "xmlPassword": "p", "installationId": "1", "threeDsJwtKey": "short"});
    assert_eq!(world.put("/control/worldpay/accounts/X", short).await.0, 400);
}

#[tokio::test]
async fn cards_are_neither_kept_nor_shown() {
    let world = world().await;
    send(&world, direct_xml("p1", "1500", CARD, "John Doe")).await;
    // Ill-formed as well.
    send(&world, direct_xml("p2", "1500", CARD, "John Doe").replace("</submit>", "")).await;
    let page = page(&world, "p3", "1500").await;
    world.submit(&page, PAY).await;
    send(&world, hosted_xml("p4", "1500").replace("Payment p4", &format!("Payment {CARD}"))).await;
    let calls = world.get("/control/worldpay/calls").await.1;
    let shown: Vec<&Value> = calls["calls"].as_array().unwrap().iter().collect();
    assert_eq!(shown.len(), 4, "pages are not among the calls");
    assert!(shown[0]["body"].as_str().unwrap().contains("<cardNumber>***</cardNumber>"));
    assert!(shown[0]["body"].as_str().unwrap().contains("<cvc>***</cvc>"));
    assert!(shown[0]["answer"].as_str().unwrap().contains("4444********1111"));
    assert_eq!(shown[0]["headers"]["authorization"], "***");
    assert!(!calls.to_string().contains(CARD) && !calls.to_string().contains(PASSWORD));
    let kept = world.kept_bytes();
    for canary in [CARD, PASSWORD, JWT_KEY, "John Doe", "@p-p1epie"] {
        assert!(!kept.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
    }
}

#[tokio::test]
async fn tokens_and_fraudsight() {
    let world = world().await;
    let shopper = "9494ecf32d4a4e345bbf24e14f6a337a37366ce0d5e625e1f99c8995ae4a8dad";
    let fraud = |blocked: bool| {
        format!(
            "<FraudSightData><customStringFields><customStringField1>M</customStringField1><customStringField3>{blocked}</customStringField3></customStringFields>\
         <customNumericFields><customNumericField1>3</customNumericField1></customNumericFields><shopperFields><shopperName>John Doe</shopperName>\
         <shopperId>{shopper}</shopperId><birthDate><date dayOfMonth=\"15\" month=\"01\" year=\"1990\"/></birthDate><shopperAddress>{ADDRESS}</shopperAddress></shopperFields></FraudSightData>"
        )
    };
    let token = "<createToken tokenScope=\"shopper\"><tokenEventReference>ref-1</tokenEventReference></createToken>";
    let with = |xml: String, blocked: bool| {
        let xml = xml.replace(
            "</shopperEmailAddress>",
            &format!("</shopperEmailAddress><authenticatedShopperID>{shopper}</authenticatedShopperID>"),
        );
        let xml = xml.replace("<additional3DSData", &format!("{token}<additional3DSData"));
        let xml = xml.replace("\"fullPage\"/>", &format!("\"fullPage\"/>{}", fraud(blocked)));
        xml.replace("</billingAddress></order>", &format!("</billingAddress>{token}</order>"))
    };
    let token_of = |text: &str| text.split("<paymentTokenID>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let first = send(&world, with(direct_xml("t1", "1500", CARD, "John Doe"), false)).await;
    assert!(first.contains("<tokenDetails tokenEvent=\"NEW\">") && first.contains("<paymentTokenExpiry><date "), "{first}");
    assert!(first.contains("<FraudSight score=\"12.0\" id=\"") && first.contains("message=\"low-risk\""), "{first}");
    let second = send(&world, with(direct_xml("t2", "1500", CARD, "John Doe"), true)).await;
    assert!(second.contains("tokenEvent=\"MATCH\"") && second.contains("message=\"high-risk\""), "{second}");
    assert_eq!(token_of(&first), token_of(&second));
    let third = send(&world, with(direct_xml("t3", "1500", CARD, "John Doe").replace("2035", "2034"), false)).await;
    assert!(third.contains("tokenEvent=\"CONFLICT\""), "{third}");
    let reply = send(&world, with(hosted_xml("t4", "1500"), false)).await;
    assert!(!reply.contains("paymentTokenID"));
    world.submit(&address(&reply), PAY).await;
    notified_is(&world, "t4", &["AUTHORISED"]).await;
    let got = world.receiver.at("notify");
    let told = got.iter().find(|received| received.body.contains("\"t4\"")).unwrap();
    assert_eq!(token_of(&told.body), token_of(&first));
    let bare = hosted_xml("t5", "1500").replace("</billingAddress></order>", &format!("</billingAddress>{token}</order>"));
    assert_eq!(error(&send(&world, bare).await).0, "5");
}

#[tokio::test]
async fn notifications_come_in_order_until_they_are_ok() {
    let world = world().await;
    world.receiver.answer_body(|_| ("text/plain", "OK".to_owned()));
    // Half a second at this speed: the second order is there before the capture of the first.
    world.settings("worldpay", json!({"settleDelayMs": 30_000})).await;
    let captured = |code: &str| direct_xml(code, "1500", CARD, "John Doe").replace("\"OFF\"", "\"0\"");
    send(&world, captured("n1")).await;
    send(&world, direct_xml("n2", "1500", CARD, "REFUSED")).await;
    notified_is(&world, "n1", &["AUTHORISED"]).await;
    assert!(notified(&world, "n2").is_empty(), "it is held back");
    world.receiver.answer_body(|_| ("text/plain", "[OK]".to_owned()));
    // The retry after a minute, at 60-fold speed; CAPTURED queued behind n2's.
    notified_is(&world, "n2", &["REFUSED"]).await;
    notified_is(&world, "n1", &["AUTHORISED", "AUTHORISED", "CAPTURED"]).await;
    assert_eq!(events(&inquire(&world, "n1").await), ["CAPTURED"]);
    let order: Vec<String> = world.receiver.at("notify").iter().map(|received| events(&received.body)[0].to_owned()).collect();
    assert_eq!(order, ["AUTHORISED", "AUTHORISED", "REFUSED", "CAPTURED"]);
    world.settings("worldpay", json!({"forgeCallbacks": true})).await;
    send(&world, hosted_xml("n3", "1500")).await;
    notified_is(&world, "n3", &["AUTHORISED"]).await;
    assert_eq!(error(&inquire(&world, "n3").await).0, "5");
    assert!(world.ledger("worldpay", "n3").await.is_empty());
}
