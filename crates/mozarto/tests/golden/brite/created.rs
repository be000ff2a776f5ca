//! Tokens, answers to the call that opens a session, and what the account decides.

use super::*;

/// Rows that begin with a token, rows that begin without one, and one after which there is one.
pub(super) async fn tokens(stage: &mut Stage, book: &mut Book) {
    for name in ["a token is asked for", "the token is kept"] {
        stage.row(book, name, async |scene| is_cancelled(scene).await).await;
    }
    let once = async |scene: &mut Scene<'_>| {
        scene.next(at(CREATE, json!({"http": 401}))).await?;
        is_cancelled(scene).await
    };
    stage.row(book, "401 once: a new token, and the call once more", once).await;
    for (name, body) in [
        ("without an end", json!({"access_token": "brite-token-0001"})),
        ("that has ended", json!({"access_token": "brite-token-0001", "expires": 1})),
        ("without a readable end", json!({"access_token": "brite-token-0001", "expires": 1e99})),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            scene.next(at(CREATE, json!({"http": 401}))).await?;
            scene.next(at(AUTHORIZE, says(200, body))).await?;
            is_cancelled(scene).await
        };
        // The simulator does not know that token: a second 401.
        stage.row(book, &format!("a token {name}"), work).await;
        stage.row(book, &format!("after a token {name}"), async |scene| is_cancelled(scene).await).await;
    }
    let twice = async |scene: &mut Scene<'_>| {
        scene.next(at(CREATE, json!({"http": 401, "times": 2}))).await?;
        scene.pay(&order("510.00")).await.map(drop)
    };
    stage.row(book, "401 twice", twice).await;
    stage.row(book, "07", async |scene| scene.pay(&order("52.07")).await.map(drop)).await;
    for (name, reply) in [
        ("401", json!({"http": 401})),
        ("403", json!({"http": 403})),
        ("404", json!({"http": 404})),
        ("400 with error_name", says(400, problem("Unauthorized", "Invalid credentials"))),
        ("500", json!({"http": 500})),
        ("500 with a token", says(500, json!({"access_token": "brite-token-0001", "expires": 1}))),
        ("408", json!({"http": 408})),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("no token", says(200, json!({"expires": 1}))),
        ("an empty token", says(200, json!({"access_token": "", "expires": 1}))),
        ("a token that no header can have", says(200, json!({"access_token": "a b", "expires": 1}))),
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("cut", says(200, json!("{\"access_token\":\"brite"))),
        ("a list", says(200, json!([]))),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            scene.next(at(AUTHORIZE, reply)).await?;
            scene.pay(&order("510.00")).await.map(drop)
        };
        stage.row(book, &format!("merchant.authorize: {name}"), work).await;
    }
    stage.row(book, "a token at last", async |scene| is_cancelled(scene).await).await;
    asked(stage, book).await;
}

/// A pay-in of which nothing is left open, so that nobody is asked about it while other rows run.
async fn is_cancelled(scene: &mut Scene<'_>) -> Result<()> {
    let answer = scene.pay(&order("510.00")).await?;
    if answer.status == 200 {
        scene.control("cancel").await?;
        scene.until("Cancelled").await?;
    }
    Ok(())
}

/// A token that is refused when Brite is asked. All end with a good one.
async fn asked(stage: &mut Stage, book: &mut Book) {
    for (name, times, authorize) in [
        ("401 once", 1, None),
        ("401 twice", 2, None),
        ("401, then no token", 1, Some(json!({"http": 500}))),
        ("401, then refused", 1, Some(json!({"http": 401}))),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            let session = opened(scene).await?;
            scene.next(about(SESSION, &session, json!({"http": 401, "times": times}))).await?;
            if let Some(reply) = authorize {
                scene.next(at(AUTHORIZE, reply)).await?;
            }
            scene.manage("inquire").await?;
            scene.control("cancel").await?;
            scene.until("Cancelled").await
        };
        stage.row(book, &format!("asked: {name}"), work).await;
    }
}

fn replies() -> Vec<(&'static str, Value)> {
    let page = |url: &str| says(200, json!({"url": url, "token": "t", "id": "brite-session-0001"}));
    vec![
        ("403", json!({"http": 403})),
        ("404", says(404, problem("NotFound", "no such thing"))),
        ("404 without a body", json!({"http": 404})),
        ("408", json!({"http": 408})),
        ("timeout in the body", says(400, problem("BankError", "upstream TimeOut"))),
        ("500", says(500, problem("Internal", "sorry"))),
        ("503 with a page", says(503, json!("<html>busy</html>"))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("429", json!({"http": 429})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("302 with error_name", says(302, problem("InvalidAmount", "too much"))),
        ("400 with error_name", says(400, problem("InvalidAmount", "too much"))),
        ("422 with error_name", says(422, problem("InvalidAmount", "too much"))),
        ("400 without error_name", says(400, json!({"error": "no"}))),
        ("200 with error_name", says(200, problem("TransactionInvalid", "no"))),
        ("200 with an error beside an address", says(200, json!({"url": "https://p.example/x", "error_name": "NotFound"}))),
        (
            "tokens in an error",
            says(400, json!({"error_name": "X", "token": "abc", "access_token": "def", "refresh_token": "ghi"})),
        ),
        ("no url", says(200, json!({"id": "x"}))),
        ("a script for an address", page("javascript:alert(1)")),
        ("an open address", page("http://p.example/x")),
        ("no id", says(200, json!({"url": "https://p.example/x"}))),
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("cut", says(200, json!("{\"url\":\"htt"))),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
    ]
}

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in replies() {
        let work = async |scene: &mut Scene<'_>| {
            scene.next(at(CREATE, reply)).await?;
            scene.pay(&order("510.00")).await.map(drop)
        };
        stage.row(book, &format!("create: {name}"), work).await;
    }
    for (name, session, transaction) in [
        ("the session cannot be asked about", json!({"http": 500}), None),
        ("the session's answer is a list", says(200, json!([])), None),
        ("404", json!({"http": 404}), None),
        ("another's session", says(200, json!({"id": "s", "state": 0, "merchant_reference": OTHER_REFERENCE})), None),
        ("no session, and no answer about a transaction", says(400, problem("NotFound", "no")), Some(json!({"http": 500}))),
        ("no session, and no transaction", says(404, problem("NotFound", "no")), Some(says(404, problem("NotFound", "no")))),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            scene.next(at(CREATE, json!({"http": 500}))).await?;
            scene.next(at(SESSION_BY_REFERENCE, session)).await?;
            if let Some(reply) = transaction {
                scene.next(at(TRANSACTION_BY_REFERENCE, reply)).await?;
            }
            scene.pay(&order("510.00")).await.map(drop)
        };
        stage.row(book, &format!("create: no answer; {name}"), work).await;
    }
    orders(stage, book).await;
}

/// What an order may have, and what it must.
async fn orders(stage: &mut Stage, book: &mut Book) {
    let whole = r#""firstName":"John","lastName":"Doe","dob":"1990-01-15","address":{"line1":"Main 1","city":"Helsinki","postalCode":"00100"},"locale":"fi-FI","siteUrl":"https://shop.example/back?a=b","merchantReference":"ORDER-REF-001""#;
    for (name, body) in [
        ("with everything", order_with("50.00", whole)),
        ("in Germany", order_in("50.00", "DE", "EUR")),
        ("in Sweden", order_in("1234567.89", "SE", "SEK")),
        ("of a currency without decimals", order_in("5000.00", "SE", "JPY")),
        ("of a currency with three", order_in("1.2", "SE", "KWD")),
        ("in a country that is unknown there", order_in("50.00", "FR", "EUR")),
        ("in no country", order("50.00").replace(r#""country":"FI","#, "")),
        ("in a country that is none", order_in("50.00", "XX", "EUR")),
        ("with a locale that is none", order_with("50.00", r#""locale":"fi_FI""#)),
        ("without an address of e-mail", order("50.00").replace(r#","email":"player@example.com""#, "")),
        ("of a pay-out", order("50.00").replace("PAYIN", "PAYOUT")),
    ] {
        stage.row(book, &format!("order {name}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}

async fn configured(scene: &Scene<'_>, config: Value) -> Result<()> {
    let method = scene.client().method_of("BRITE").await?;
    let path = format!("/payment-methods/{method}");
    let set = scene.client().manage("PATCH", &path, Some(json!({"config": config}))).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    Ok(())
}

/// An account that was changed has no token.
pub(super) async fn of_the_account(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in [
        ("as it is", None),
        ("401", Some(json!({"http": 401}))),
        ("403", Some(json!({"http": 403}))),
        ("500", Some(json!({"http": 500}))),
        ("429", Some(json!({"http": 429}))),
        ("no token", Some(says(200, json!({"expires": 1})))),
        ("unreadable", Some(says(200, json!("<html>hello</html>")))),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            if let Some(reply) = reply {
                scene.next(at(AUTHORIZE, reply)).await?;
            }
            let method = scene.client().method_of("BRITE").await?;
            let answer = scene.client().manage("POST", &format!("/payment-methods/{method}/test"), None).await?;
            scene.did("test", answer);
            Ok(())
        };
        stage.row(book, &format!("test connection: {name}"), work).await;
    }
    for (name, member, value) in [
        ("public key", "publicKey", "sandbox-demo-0001"),
        ("secret", "secret", "brite-demo-secret-0001"),
        ("account name", "accountName", "Demo company"),
    ] {
        let work = async |scene: &mut Scene<'_>| {
            configured(scene, json!({member: null})).await?;
            let taken = scene.pay(&order("510.00")).await;
            configured(scene, json!({member: value})).await?;
            taken.map(drop)
        };
        stage.row(book, &format!("account: no {name}"), work).await;
    }
}
