//! Our pages in a payer's way, with a gateway that wants its device check first.

use super::store::Act;
use super::*;
use crate::flow::{DeviceCheck, Shown};
use domain::TransactionStatus;
use std::sync::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

const OPENED: &str = "page_opened";
const UNIQUE_ID: &str = "44177a21403427eb96664a6d7e5d5d48";

/// A gateway of eMerchantPay: what it was asked, first lines and bodies.
#[derive(Clone, Default)]
struct Gateway(Arc<Mutex<Vec<(String, String)>>>);

impl Gateway {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (gateway, url) = (Self::default(), format!("http://{}", listener.local_addr().unwrap()));
        let (shared, base) = (gateway.clone(), url.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (shared, base) = (shared.clone(), base.clone());
                tokio::spawn(async move {
                    let mut read = Vec::new();
                    while let Some((line, body)) = psp::request(&mut stream, &mut read).await {
                        let more = if line.starts_with("PUT") {
                            format!("<redirect_url>{base}/acs</redirect_url>")
                        } else {
                            format!(
                                "<timestamp>2026-01-02T03:04:05Z</timestamp><threeds_method_url>{base}/m</threeds_method_url>\
                                 <threeds_method_continue_url>{base}/m/1</threeds_method_continue_url>"
                            )
                        };
                        shared.0.lock().unwrap().push((line, String::from_utf8(body).unwrap()));
                        let xml = format!(
                            "<payment_response><status>pending_async</status><unique_id>{UNIQUE_ID}</unique_id>{more}</payment_response>"
                        );
                        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", xml.len());
                        stream.write_all(format!("{head}{xml}").as_bytes()).await.unwrap();
                    }
                });
            }
        });
        (gateway, url)
    }

    fn count(&self, begin: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(line, _)| line.starts_with(begin)).count()
    }

    /// The token in an address that the sale named.
    fn token_of(&self, element: &str) -> String {
        let calls = self.0.lock().unwrap();
        let after = calls[0].1.split_once(&format!("<{element}>")).unwrap().1;
        let path = after.split_once('<').unwrap().0;
        path.split('/').rev().nth(1).unwrap().to_owned()
    }
}

/// A payment whose payer is to open our page; the page's token.
async fn challenged() -> (World, Gateway, String) {
    let world = World::new(false).await;
    let (gateway, url) = Gateway::start().await;
    let texts = [
        ("username", "user"),
        ("password", "secretpw"),
        ("apiKey", "0123456789abcdef"),
        ("siteUrl", "https://shop.example/"),
        ("baseUrl", &url),
    ];
    let config = Json::object(texts.map(|(name, text)| (name, Json::text(text))));
    let method = NewMethod { psp_type: "EMERCHANTPAY".into(), brand_id: None, enabled: true, config, roles: Vec::new() };
    world.a.changes(Actor::operator()).create_payment_method(world.company, &method).await.unwrap();
    let provider = providers::by_psp_type("EMERCHANTPAY").unwrap();
    let spec = provider.descriptor().operation(Operation::PayIn).unwrap();
    let body = Json::parse(spec.example.as_bytes()).unwrap();
    let request = fields::Request {
        body: &body,
        claims: None,
        caller_ip: None,
        browser: fields::BrowserHeaders::default(),
        environment: Environment::Sandbox,
        now: world.a.clock().now(),
    };
    let checked = fields::check(spec, &request).unwrap();
    let caller = world.caller(&world.a).await;
    let request =
        PayRequest { caller, provider, operation: Operation::PayIn, checked, idempotency: None, then: Vec::new(), place: None };
    let answer = world.a.pay(request).await;
    assert_eq!(answer.status, 200, "{}", super::body(&answer));
    let url = world.transaction().await.redirect_url.unwrap();
    let token = url.strip_prefix("http://127.0.0.1:8080/3ds/").unwrap().to_owned();
    (world, gateway, token)
}

#[tokio::test]
async fn a_page_that_met_another_process_is_still_served() {
    let (world, _gateway, token) = challenged().await;
    world.db.at("UPDATE transactions SET status", Act::Before(world.bump()));
    let shown = world.a.open_challenge(&token).await.unwrap();
    assert!(world.db.done());
    assert!(matches!(shown, Shown::Form(_)), "{shown:?}");
    let id = world.transaction().await.id;
    assert_eq!(world.events(id).await.iter().filter(|event| *event == OPENED).count(), 1);
}

/// What stands in the way of the intent is another process's commit: the browser is not turned away, and the payment is continued
/// once.
#[tokio::test]
async fn a_challenge_that_met_another_process_goes_on() {
    let (world, gateway, token) = challenged().await;
    world.a.open_challenge(&token).await.unwrap();
    world.advance(6_000);
    world.db.at("UPDATE transactions SET status", Act::Before(world.bump()));
    let shown = world.a.next_of_challenge(&token).await;
    assert!(world.db.done());
    assert!(matches!(&shown, Ok(Shown::Go(url)) if url.ends_with("/acs")), "{shown:?}");
    assert_eq!((gateway.count("PUT"), gateway.count("POST /process")), (1, 1));
}

#[tokio::test]
async fn however_often_a_browser_asks_the_payment_is_continued_once() {
    let (world, gateway, token) = challenged().await;
    // Never opened: never continued.
    world.advance(60_000);
    assert!(matches!(world.a.next_of_challenge(&token).await, Ok(Shown::Wait)));
    let opened = futures::future::join_all((0..8).map(|_| world.a.open_challenge(&token))).await;
    assert!(opened.iter().all(|shown| matches!(shown, Ok(Shown::Form(_)))));
    assert!(matches!(world.a.next_of_challenge(&token).await, Ok(Shown::Wait)), "the check runs");
    world.advance(6_000);
    let asked = (0..32).map(|n| if n % 2 == 0 { &world.a } else { &world.b }).map(|engine| engine.next_of_challenge(&token));
    let shown = futures::future::join_all(asked).await;
    // Of the other process some may have met the first one: their browsers ask again, and none is sent away meanwhile.
    let good = |shown: &Shown| matches!(shown, Shown::Wait) || matches!(shown, Shown::Go(url) if url.ends_with("/acs"));
    assert!(shown.iter().flatten().all(good), "{shown:?}");
    assert!(matches!(world.b.next_of_challenge(&token).await, Ok(Shown::Go(_))));
    assert_eq!((gateway.count("PUT"), gateway.count("POST /process")), (1, 1));
}

#[tokio::test]
async fn a_token_opens_its_own_page_alone() {
    let (world, gateway, token) = challenged().await;
    let (back, check) = (gateway.token_of("return_success_url"), gateway.token_of("callback_url"));
    let engine = &world.a;
    for other in [&back, &check, "x"] {
        assert!(matches!(engine.open_challenge(other).await, Ok(Shown::Unknown)));
        assert!(matches!(engine.open_pay_page(other).await, Ok(Shown::Unknown)));
    }
    for (provider, other, word) in
        [("emerchantpay", &token, "success"), ("worldpay", &back, "success"), ("emerchantpay", &back, "paid")]
    {
        assert!(matches!(engine.browser_returned(provider, other, word, "").await, Ok(Shown::Unknown)), "{provider} {word}");
    }
    for (provider, other) in [("emerchantpay", &back), ("payone", &check)] {
        assert_eq!(engine.device_checked(provider, other, &[], b"").await.unwrap(), DeviceCheck::Unknown, "{provider}");
    }
    assert_eq!(gateway.count("POST /reconcile"), 0);
    let Ok(Shown::Go(url)) = engine.browser_returned("emerchantpay", &back, "failure", "").await else { panic!() };
    assert!(url.starts_with("https://shop.example/failed?") && url.ends_with("&result=failure"), "{url}");
    assert_eq!(gateway.count("POST /reconcile"), 1);
    assert_eq!(world.transaction().await.status, TransactionStatus::Pending);
}
