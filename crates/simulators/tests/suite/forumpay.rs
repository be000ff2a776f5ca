//! ForumPay: links and their page, buy orders, callbacks, every trigger, restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{World, answer, eventually};

const USER: &str = "fp-user";
pub(crate) const PASSWORD: &str = "fp-secret-part1part2";
const WALLET: &str = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh";

pub(crate) async fn world() -> World {
    ready(World::start().await).await
}

pub(crate) async fn ready(world: World) -> World {
    let account = json!({"password": PASSWORD, "payerIds": ["payer-1"], "callbackUrl": world.receiver.url("dashboard")});
    assert_eq!(world.put(&format!("/control/forumpay/accounts/{USER}"), account).await.0, 200);
    world
}

pub(crate) fn get(world: &World, action: &str, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    world.client.get(world.url(&format!("/forumpay/pay/v2/{action}/?{query}"))).basic_auth(USER, Some(PASSWORD))
}

pub(crate) fn linking(world: &World, reference: &str, amount: &str) -> reqwest::RequestBuilder {
    let callback = world.receiver.url(reference);
    link_with(
        world,
        &[
            ("invoice_amount", amount),
            ("invoice_currency", "EUR"),
            ("widget_type", "0"),
            ("reference_no", reference),
            ("payer_id", "payer-1"),
            ("payer_email", "player@example.com"),
            ("locale", "en-GB"),
            ("secure_link", "true"),
            ("webhook_url", &callback),
            ("redirect_url_on_success", "https://shop.example/back?result=success"),
            ("redirect_url_on_failure", "https://shop.example/back?result=failure"),
        ],
    )
}

fn link_with(world: &World, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    world
        .client
        .post(world.url("/forumpay/pay/v2/CreatePaymentLink/"))
        .basic_auth(USER, Some(PASSWORD))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
}

pub(crate) async fn link(world: &World, reference: &str, amount: &str) -> String {
    let (status, body) = answer(linking(world, reference, amount)).await;
    assert_eq!(status, 200, "{body}");
    body["url"].as_str().unwrap().to_owned()
}

pub(crate) async fn listed(world: &World, reference: &str) -> Vec<Value> {
    let (status, body) = answer(get(world, "GetTransactions", &[("reference_no", reference)])).await;
    assert_eq!(status, 200);
    body["invoices"].as_array().unwrap().clone()
}

pub(crate) async fn check(world: &World, payment: &Value) -> Value {
    let field = |name: &str| payment[name].as_str().unwrap().to_owned();
    let (pos_id, currency) = (field("pos_id"), field("currency"));
    let (payment_id, address) = (field("payment_id"), field("address"));
    let parameters = [("pos_id", pos_id.as_str()), ("currency", &currency), ("payment_id", &payment_id), ("address", &address)];
    answer(get(world, "CheckPayment", &parameters)).await.1
}

pub(crate) fn rating(world: &World, amount: &str) -> reqwest::RequestBuilder {
    let parameters = [("pos_id", "mozarto"), ("invoice_currency", "EUR"), ("invoice_amount", amount), ("currency", "BTC")];
    get(world, "GetBuyRate", &parameters)
}

pub(crate) fn starting(
    world: &World,
    reference: &str,
    amount: &str,
    payment_id: &str,
    change: (&str, &str),
) -> reqwest::RequestBuilder {
    let mut parameters = vec![
        ("pos_id", "mozarto"),
        ("invoice_currency", "EUR"),
        ("invoice_amount", amount),
        ("currency", "BTC"),
        ("reference_no", reference),
        ("address", WALLET),
        ("payment_id", payment_id),
        ("payer_id", "payer-1"),
    ];
    parameters.retain(|(name, _)| *name != change.0);
    parameters.push(change);
    get(world, "StartBuyOrder", &parameters)
}

pub(crate) async fn start(world: &World, reference: &str, amount: &str) -> String {
    let (status, rate) = answer(rating(world, amount)).await;
    assert_eq!(status, 200, "{rate}");
    let payment_id = rate["payment_id"].as_str().unwrap().to_owned();
    let (status, order) = answer(starting(world, reference, amount, &payment_id, ("", ""))).await;
    assert_eq!((status, &order["address"]), (200, &json!(WALLET)), "{order}");
    payment_id
}

pub(crate) fn confirming(world: &World, payment_id: &str) -> reqwest::RequestBuilder {
    get(world, "ConfirmBuyOrder", &[("pos_id", "mozarto"), ("address", WALLET), ("payment_id", payment_id)])
}

pub(crate) async fn confirm(world: &World, payment_id: &str) -> (u16, Value) {
    answer(confirming(world, payment_id)).await
}

pub(crate) async fn check_buy(world: &World, payment_id: &str) -> Value {
    check(world, &json!({"pos_id": "mozarto", "currency": "BTC", "payment_id": payment_id, "address": WALLET})).await
}

#[tokio::test]
async fn a_link_is_paid_on_its_page() {
    let world = world().await;
    let page = link(&world, "ref-1", "100.00").await;
    assert!(page.starts_with(&world.url("/forumpay/invoice/")));
    assert!(listed(&world, "ref-1").await.is_empty(), "the payer has picked no coin yet");
    let shown = world.client.get(&page).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' https://shop.example;"), "{policy}");
    let html = shown.text().await.unwrap();
    for text in ["TEST PAGE", "Demo company", "100.00", "EUR", "value=\"BTC\"", "value=\"USDT_TRC20\""] {
        assert!(html.contains(text), "{text}");
    }
    assert_eq!(world.submit(&page, "action=choose&coin=ETH").await, (303, page.clone()));
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    for text in [
        "eth-",
        "role=\"timer\"",
        "data-remaining-ms=\"",
        "value=\"pay\"",
        "value=\"pay_less\"",
        "value=\"cancel\"",
        "src=\"/assets/countdown.js\"",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<script>") && !html.contains("style="), "no inline code");
    let script = world.client.get(world.url("/assets/countdown.js")).send().await.unwrap();
    assert!(script.headers()["content-type"].to_str().unwrap().starts_with("text/javascript"));

    let waiting = listed(&world, "ref-1").await.remove(0);
    assert_eq!((&waiting["state"], &waiting["type"], &waiting["currency"]), (&json!("waiting"), &json!("Sell"), &json!("ETH")));
    world.submit(&page, "action=pay_less").await;
    let told = check(&world, &waiting).await;
    assert_eq!((&told["state"], &told["confirmed"]), (&json!("underpayment"), &json!(false)));
    assert!(told["underpayment"]["missing_amount"].is_string());
    assert!(world.receiver.at("ref-1").is_empty());

    let (status, location) = world.submit(&page, "action=pay").await;
    assert_eq!((status, location.as_str()), (303, "https://shop.example/back?result=success"));
    let told = check(&world, &waiting).await;
    assert_eq!((&told["state"], &told["confirmed"], &told["underpayment"]), (&json!("confirmed"), &json!(true), &json!(null)));
    assert_eq!((&told["invoice_amount"], &told["invoice_currency"]), (&json!("100.00"), &json!("EUR")));
    assert_eq!(told["confirmed_time"].as_str().unwrap().len(), 19);
    let got = world.receiver.exactly("ref-1", 1).await;
    assert_eq!(
        got[0].json(),
        json!({"pos_id": waiting["pos_id"], "payment_id": waiting["payment_id"], "currency": "ETH",
               "address": waiting["address"], "reference_no": "ref-1"})
    );
    let entry = world.ledger_is("forumpay", "ref-1", "settled").await;
    assert_eq!((&entry["amount"], &entry["currency"], &entry["direction"]), (&json!("100.00"), &json!("EUR"), &json!("in")));
    assert_eq!(entry["providerReference"], waiting["payment_id"]);
}

#[tokio::test]
async fn a_cancelled_payment_can_be_tried_again_and_a_waiting_one_runs_out() {
    let world = world().await;
    let page = link(&world, "again", "40.00").await;
    world.submit(&page, "action=choose&coin=BTC").await;
    world.submit(&page, "action=cancel").await;
    let html = world.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("Try again") && html.contains("curious") && html.contains("result=failure"));
    world.submit(&page, "action=again").await;
    let payments = listed(&world, "again").await;
    assert_eq!(payments.len(), 2);
    assert_ne!(payments[0]["payment_id"], payments[1]["payment_id"]);
    assert_eq!(payments[0]["state"], "cancelled");
    assert_eq!(check(&world, &payments[0]).await["reason"], "curious");
    world.receiver.exactly("again", 1).await;
    // Five minutes at sixty-fold speed.
    let begun = Instant::now();
    eventually(|| async { (listed(&world, "again").await[1]["state"] == "cancelled").then_some(()) }).await;
    assert!(begun.elapsed() > Duration::from_secs(4));
    assert_eq!(check(&world, &payments[1]).await["reason"], json!(null), "one that ran out has no reason");
    world.receiver.exactly("again", 2).await;
    assert!(world.ledger("forumpay", "again").await.is_empty());
}

#[tokio::test]
async fn a_buy_order_is_paid_once_it_is_confirmed() {
    let world = world().await;
    let (_, rate) = answer(rating(&world, "200.00")).await;
    assert_eq!(
        (&rate["rate"], &rate["amount_exchange"], &rate["amount"]),
        (&json!("65419.3380"), &json!("0.00305720"), &json!("0.00304754"))
    );
    let payment_id = rate["payment_id"].as_str().unwrap();
    let (_, order) = answer(starting(&world, "out-1", "200.00", payment_id, ("payer_ip_address", "203.0.113.42"))).await;
    for name in [
        "invoice_currency",
        "invoice_amount",
        "currency",
        "payment_source",
        "wait_time",
        "network_processing_fee",
        "rate",
        "amount_exchange",
        "amount",
        "fast_transaction_fee",
        "fast_transaction_fee_currency",
        "payment_id",
        "reference_no",
        "address",
        "access_token",
    ] {
        assert!(order[name].is_string(), "{name}");
    }
    assert_eq!(check_buy(&world, payment_id).await["state"], "waiting");
    assert!(world.ledger("forumpay", "out-1").await.is_empty());
    for _ in 0..2 {
        assert_eq!(confirm(&world, payment_id).await, (200, json!({"address": WALLET, "currency": "BTC"})));
    }
    let entry = world.ledger_is("forumpay", "out-1", "settled").await;
    assert_eq!((&entry["destination"], &entry["amount"], &entry["times"]), (&json!(WALLET), &json!("200.00"), &json!(1)));
    let told = check_buy(&world, payment_id).await;
    assert_eq!((&told["type"], &told["state"], &told["reference_no"]), (&json!("Buy"), &json!("confirmed"), &json!("out-1")));
    assert_eq!(world.receiver.exactly("dashboard", 1).await[0].json()["payment_id"], payment_id);
    assert_eq!(listed(&world, "out-1").await.len(), 1);
}

/// The form of the official client's fixture: the reference is not in it, and what became of a payment is a time or null.
#[tokio::test]
async fn a_list_names_no_reference_and_the_point_of_sale_narrows_it() {
    let world = world().await;
    link(&world, "listed", "30.00").await;
    world.press("forumpay", "listed", "cancel").await;
    let payment = listed(&world, "listed").await.remove(0);
    let mut names: Vec<&str> = payment.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut wanted: Vec<&str> = "state status status_loc pos_id invoice_currency invoice_amount currency amount amount_exchange \
        network_processing_fee address type payment refund inserted confirmed cancelled access_token sid payment_id"
        .split_whitespace()
        .collect();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    assert_eq!((&payment["confirmed"], payment["cancelled"].as_str().unwrap().len()), (&json!(null), 19));
    assert_eq!(check(&world, &payment).await["reference_no"], "listed");
    let narrowed = get(&world, "GetTransactions", &[("reference_no", "listed"), ("pos_id", "mozarto")]);
    assert_eq!(answer(narrowed).await.1, json!({"invoices": []}), "a link's payments are at a point of sale of their own");
}

#[tokio::test]
async fn a_callback_can_be_as_short_as_the_plugins_read_it() {
    let world = world().await;
    world.settings("forumpay", json!({"shortCallbacks": true})).await;
    link(&world, "short", "30.00").await;
    world.press("forumpay", "short", "pay").await;
    let id = listed(&world, "short").await[0]["payment_id"].clone();
    assert_eq!(world.receiver.exactly("short", 1).await[0].json(), json!({"payment_id": id}));
}

/// Too few coins, coins that come too late, and what the merchant accepts of them.
#[tokio::test]
async fn coins_of_a_payment_that_has_ended_belong_to_nobody_until_they_are_accepted() {
    let world = world().await;
    link(&world, "less", "30.00").await;
    assert_eq!(world.press("forumpay", "less", "less").await["state"], "underpayment");
    assert_eq!(world.post("/control/forumpay/less/accept").await.0, 409, "it has not ended");
    world.press("forumpay", "less", "expire").await;
    let payment = listed(&world, "less").await.remove(0);
    let told = check(&world, &payment).await;
    assert_eq!((&told["cancelled"], &told["reason"]), (&json!(true), &json!(null)));
    assert!(told["payment"].as_str().unwrap().starts_with("0.0004"), "{told}");
    assert_eq!(world.press("forumpay", "less", "accept").await["state"], "confirmed");
    let told = check(&world, &payment).await;
    assert_eq!((&told["confirmed"], &told["cancelled"], &told["invoice_amount"]), (&json!(true), &json!(false), &json!("27.00")));
    assert_eq!(world.ledger_is("forumpay", "less", "settled").await["amount"], "27.00");

    link(&world, "late", "30.00").await;
    world.press("forumpay", "late", "expire").await;
    assert_eq!(world.post("/control/forumpay/late/accept").await.0, 409, "there is nothing to accept");
    assert_eq!(world.press("forumpay", "late", "late").await["state"], "cancelled");
    let payment = listed(&world, "late").await.remove(0);
    assert_eq!(check(&world, &payment).await["payment"], payment["amount"]);
    world.press("forumpay", "late", "accept").await;
    assert_eq!(world.ledger_is("forumpay", "late", "settled").await["amount"], "30.00");
    world.receiver.exactly("late", 3).await;
}

#[tokio::test]
async fn a_review_that_lets_a_payment_pass_leaves_its_word() {
    let world = world().await;
    link(&world, "passed", "30.00").await;
    assert_eq!(world.post("/control/forumpay/passed/status/blocked").await.1["state"], "blocked");
    assert_eq!(world.post("/control/forumpay/passed/pay").await.0, 409, "it is not the payer's any more");
    world.press("forumpay", "passed", "approve").await;
    let payment = listed(&world, "passed").await.remove(0);
    let told = check(&world, &payment).await;
    assert_eq!((&told["state"], &told["confirmed"]), (&json!("blocked"), &json!(true)));
    world.ledger_is("forumpay", "passed", "settled").await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a row for each check")]
async fn it_is_strict_about_credentials_and_parameters() {
    let world = world().await;
    for request in [
        world.client.get(world.url("/forumpay/pay/v2/Ping/")),
        world.client.get(world.url("/forumpay/pay/v2/Ping/")).basic_auth(USER, Some("wrong")),
        world.client.get(world.url("/forumpay/pay/v2/Ping/")).basic_auth("nobody", Some(PASSWORD)),
    ] {
        assert_eq!(answer(request).await.0, 401);
    }
    assert_eq!(answer(get(&world, "Ping", &[])).await, (200, json!({"result": "pong"})));
    let without_slash = world.client.get(world.url("/forumpay/pay/v2/Ping")).basic_auth(USER, Some(PASSWORD));
    assert_eq!(answer(without_slash).await.0, 200);
    assert_eq!(answer(get(&world, "Nonsense", &[])).await.0, 404);
    assert_eq!(answer(get(&world, "CreatePaymentLink", &[])).await.0, 405);
    let json_body = world.client.post(world.url("/forumpay/pay/v2/CreatePaymentLink/")).basic_auth(USER, Some(PASSWORD));
    assert_eq!(answer(json_body.header("content-type", "application/json").body("{}")).await.0, 415);

    let without_payer = link_with(&world, &[("invoice_amount", "1.00")]);
    assert_eq!(answer(without_payer).await, (200, json!({"err": "Payer ID is required", "err_code": "payerIdRequired"})));
    let parameters = [
        ("payer_id", "payer-1"),
        ("invoice_amount", "10.00"),
        ("invoice_currency", "EUR"),
        ("reference_no", "x"),
        ("widget_type", "0"),
    ];
    for lacking in 1..parameters.len() {
        let mut rest = parameters.to_vec();
        rest.remove(lacking);
        assert_eq!(answer(link_with(&world, &rest)).await.1["err_code"], "missingParameter");
    }
    let whole = [
        ("payer_id", "payer-1"),
        ("invoice_amount", "10.00"),
        ("invoice_currency", "EUR"),
        ("reference_no", "x"),
        ("widget_type", "0"),
        ("payer_email", "player@example.com"),
        ("locale", "en-GB"),
        ("secure_link", "true"),
        ("webhook_url", "http://127.0.0.1:9/x"),
    ];
    assert!(answer(link_with(&world, &whole)).await.1["url"].is_string());
    for lacking in 5..whole.len() {
        let mut rest = whole.to_vec();
        let (name, _) = rest.remove(lacking);
        assert_eq!(answer(link_with(&world, &rest)).await.1["err_code"], "missingParameter", "{name}");
    }
    for (amount, currency, code) in [
        ("10", "EUR", "invalidAmount"),
        ("0.00", "EUR", "amountTooLow"),
        ("x", "EUR", "invalidAmount"),
        ("10.00", "XXQ", "currencyNotSupported"),
    ] {
        let wrong = [
            ("payer_id", "payer-1"),
            ("invoice_amount", amount),
            ("invoice_currency", currency),
            ("reference_no", "x"),
            ("widget_type", "0"),
        ];
        assert_eq!(answer(link_with(&world, &wrong)).await.1["err_code"], code, "{amount} {currency}");
    }
    let rate = answer(rating(&world, "20.00")).await.1;
    let id = rate["payment_id"].as_str().unwrap();
    for (change, code) in [
        (("payer_id", ""), "payerIdRequired"),
        (("payer_id", "somebody"), "payerUnknown"),
        (("address", "nonsense"), "invalidAddress"),
        (("currency", "DOGE"), "currencyNotSupported"),
        (("currency", "ETH"), "invalidAddress"),
        (("invoice_amount", "30.00"), "rateMismatch"),
        (("pos_id", "other"), "paymentNotFound"),
        (("reference_no", ""), "missingParameter"),
        (("payer_ip_address", "10.0.0.1"), "invalidPayerIpAddress"),
    ] {
        assert_eq!(answer(starting(&world, "x", "20.00", id, change)).await.1["err_code"], code, "{change:?}");
    }
    assert_eq!(confirm(&world, id).await.1["err_code"], "paymentNotFound", "no order was started");
    assert_eq!(check_buy(&world, id).await["err_code"], "paymentNotFound");
    let incomplete = get(&world, "CheckPayment", &[("pos_id", "mozarto"), ("payment_id", id), ("currency", "BTC")]);
    assert_eq!(answer(incomplete).await.1["err_code"], "missingParameter");
    let test = world.receiver.url("ping");
    answer(get(&world, "Ping", &[("webhook_url", &test)])).await;
    assert!(world.receiver.exactly("ping", 1).await[0].json()["webhook_test"].is_string());
}
