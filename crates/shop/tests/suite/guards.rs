//! What the shop does not do: leak, let other sites act, or take in endless bodies.

use http::StatusCode;

use crate::world::{BEARER, Hook, SIGNING_SECRET, TOKEN, World, tags, told, transaction, with_page};

#[tokio::test]
async fn every_page_has_a_strict_policy() {
    let world = World::start().await;
    let number = world.place("provider=PAYONE", transaction("Pending", "100.00", "CAD")).await;
    for path in ["/", "/orders", "/return", "/nothing", "/healthz", "/assets/shop.css", &format!("/orders/{number}")] {
        let response = world.client.get(format!("{}{path}", world.base)).send().await.expect("an answer");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{path}: {policy}");
        assert!(policy.ends_with("base-uri 'none'; frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(policy.contains("form-action 'self' http: https:"), path == "/", "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        let page = response.text().await.expect("text");
        assert!(!page.contains("<script>") && !page.contains(" style=") && !page.contains(" onclick="), "{path}");
    }
}

#[tokio::test]
async fn inputs_have_labels_and_descriptions_that_exist() {
    let world = World::start().await;
    for query in [
        "provider=FORUMPAY&direction=PAYOUT",
        "provider=PAYONE",
        "provider=FLEXEPIN",
        "provider=GIGADAT&direction=PAYOUT&way=ach",
        "provider=CLEO",
        "provider=CLEO&direction=PAYOUT",
        "provider=WORLDPAY_EU&way=card",
        "provider=TRUST",
        "provider=BRITE",
    ] {
        let page = world.get(&format!("/?{query}")).await.1;
        for tag in tags(&page, "<input ").into_iter().chain(tags(&page, "<select ")) {
            if tag.contains("type=\"hidden\"") {
                continue;
            }
            let id = tag.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
            assert!(page.contains(&format!("<label for=\"{id}\"")), "{id} has a label");
            if let Some(described) = tag.split("aria-describedby=\"").nth(1) {
                for id in described.split('"').next().expect("ids").split(' ') {
                    assert!(page.contains(&format!("id=\"{id}\"")), "{id} exists");
                }
            }
        }
    }
}

#[tokio::test]
async fn other_sites_cannot_place_orders() {
    let world = World::start().await;
    let form = world.form("provider=PAYONE", &[]).await;
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    for (site, origin) in [("cross-site", "https://evil.example"), ("same-site", "http://127.0.0.1:1"), ("cross-site", "null")] {
        let response = world
            .client
            .post(format!("{}/orders", world.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .header("origin", origin)
            .body(body.clone())
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{site} {origin}");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn bodies_are_bounded() {
    let world = World::start().await;
    for path in ["/webhook", "/orders"] {
        let response =
            world.client.post(format!("{}{path}", world.base)).body(vec![b'a'; 64 * 1024 + 1]).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    assert_eq!(world.get("/webhook").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(world.get("/healthz").await, (StatusCode::OK, "ok".to_owned()));
}

#[tokio::test]
async fn assets_are_known_to_a_browser_that_has_them() {
    let world = World::start().await;
    let address = format!("{}/assets/shop.css", world.base);
    let first = world.client.get(&address).send().await.expect("an answer");
    assert_eq!(first.headers()["content-type"], "text/css; charset=utf-8");
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    let again = world.client.get(&address).header("if-none-match", tag).send().await.expect("an answer");
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(world.get("/assets/..%2fCargo.toml").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn secrets_are_nowhere_in_what_is_kept_or_shown() {
    let mut world = World::start().await;
    let pin = "1000420000002500";
    world.script(crate::world::Script::json(200, &crate::world::success(with_page(transaction("Pending", "25.00", "EUR")))));
    let form = world.form("provider=FLEXEPIN", &[("voucherPin", pin)]).await;
    world.submit(&form).await;
    let number = world.calls()[0].number();
    world.hook(&Hook::new("evt_leak", 1, &told(&number, "Approved", "25.00", "EUR"))).await;
    let mut kept = world.get(&format!("/orders/{number}")).await.1;
    assert!(kept.contains("••••2500"));
    kept.push_str(&world.get("/orders").await.1);
    kept.push_str(&format!("{:?}", world.settings(&world.base)));
    for file in std::fs::read_dir(world.directory.path()).expect("directory") {
        let path = file.expect("entry").path();
        kept.push_str(&String::from_utf8_lossy(&std::fs::read(&path).expect("bytes")));
    }
    for secret in [TOKEN, SIGNING_SECRET, &SIGNING_SECRET[6..], BEARER, pin, "page-canary"] {
        assert!(!kept.contains(secret), "{secret} is kept or shown");
    }
    world.close().await;
}

#[tokio::test]
async fn a_card_is_nowhere_in_what_is_kept_or_shown() {
    let (number, code, holder) = ("4929123456781236", "7391", "CANARY HOLDER");
    let card = [
        ("card.pan", number),
        ("card.cvv", code),
        ("card.cardHolderName", holder),
        ("card.expMonth", "07"),
        ("card.expYear", "2039"),
    ];
    for query in ["provider=EMERCHANTPAY", "provider=WORLDPAY_EU&way=card"] {
        let mut world = World::start().await;
        let refusal = serde_json::json!({"status":"error","message":"Validation failed","isSuccess":false,
            "errors":["card.pan is not a valid card number", "card has expired"]});
        world.script(crate::world::Script::json(400, &refusal));
        let refused = world.submit(&world.form(query, &card).await).await;
        assert_eq!(refused.status, http::StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.page.contains("id=\"card.pan-error\"") && refused.page.contains("id=\"card.expMonth-error\""));
        world.script(crate::world::Script::json(200, &crate::world::success(with_page(transaction("Pending", "100.00", "EUR")))));
        world.submit(&world.form(query, &card).await).await;
        let call = &world.calls()[1];
        assert!(call.body.contains(&format!(r#""card":{{"pan":"{number}","expMonth":"07""#)), "the platform gets it");
        let mut kept = refused.page + &world.get(&format!("/orders/{}", call.number())).await.1;
        assert!(kept.contains("(not kept)"));
        kept.push_str(&world.get("/orders").await.1);
        for file in std::fs::read_dir(world.directory.path()).expect("directory") {
            let path = file.expect("entry").path();
            kept.push_str(&String::from_utf8_lossy(&std::fs::read(&path).expect("bytes")));
        }
        for secret in [number, code, holder, "2039"] {
            assert!(!kept.contains(secret), "{secret} is kept or shown");
        }
        world.close().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_of_orders_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start().await;
    world.get("/healthz").await;
    for file in std::fs::read_dir(world.directory.path()).expect("directory") {
        let path = file.expect("entry").path();
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let world = World::start().await;
    let attempt = async |change: fn(&mut mozarto_shop::Settings)| {
        let mut settings = world.settings("http://127.0.0.1:1");
        settings.data = world.directory.path().join("other.db");
        change(&mut settings);
        let stop = tokio_util::sync::CancellationToken::new();
        mozarto_shop::Shop::open(settings, stop).await.err().map(|error| error.to_string())
    };
    assert_eq!(attempt(|_| {}).await, None);
    assert_eq!(
        attempt(|settings| settings.cashier_base_url = "ftp://x".to_owned()).await.as_deref(),
        Some("cashier_base_url must be an http or https address")
    );
    assert_eq!(
        attempt(|settings| settings.own_base_url = "nowhere".to_owned()).await.as_deref(),
        Some("own_base_url must be an http or https address")
    );
    assert_eq!(
        attempt(|settings| settings.signing_secret = "plain".into()).await.as_deref(),
        Some("signing_secret must be whsec_ and base64")
    );
}
