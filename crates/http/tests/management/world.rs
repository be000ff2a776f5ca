//! A platform over SQLite with two companies, a clock that stands still between calls, a provider that answers what PayOne would,
//! and a merchant's endpoint.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::company::CredentialKind;
use domain::urls::Environment;
use domain::{CompanyId, Scope, Timestamp};
use engine::core::Config;
use engine::directory::change::{Actor, NewCompany, NewCredential};
use engine::{Clock, Engine};
use mozarto_http::{Limits, bind, router, serve};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use store::driver::SqliteDriver;
use store::vault::MasterKey;
use store::{Batch, Driver, Statement};
use tokio_util::sync::CancellationToken;

/// Where the Management API is.
const ADMIN: &str = "/v1/api/mozarto/admin";
/// How far the clock is moved on before each call: no two objects are of the same instant.
const BETWEEN_CALLS_MS: i64 = 1_000;

/// A running platform.
pub(crate) struct World {
    pub(crate) engine: Engine,
    /// The company that owns what tests make.
    pub(crate) one: Tenant,
    /// Another one, which owns nothing.
    pub(crate) two: Tenant,
    base: String,
    provider: String,
    http: reqwest::Client,
    stop: CancellationToken,
    _files: tempfile::TempDir,
}

/// A company with its tokens.
pub(crate) struct Tenant {
    pub(crate) id: CompanyId,
    /// A management token with every scope.
    pub(crate) all: String,
    /// A token for the Cashier API.
    pub(crate) cashier: String,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    /// `null` when the text is no JSON.
    pub(crate) json: Value,
}

impl Answer {
    /// `data.id` or another text of the answer, by JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> String {
        let text = self.json.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no {pointer} in {}", self.text)).to_owned()
    }

    /// `errors`, or `message` alone where there are none.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let errors: Vec<String> =
            self.json["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if errors.is_empty() { vec![self.at("/message")] } else { errors }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_in(Environment::Sandbox).await
    }

    pub(crate) async fn start_in(environment: Environment) -> Self {
        let files = tempfile::tempdir().unwrap();
        let db = Arc::new(SqliteDriver::open(&files.path().join("t.db")).unwrap());
        db.migrate(store::migrate::migrations(db.dialect())).await.unwrap();
        let config = Config {
            environment,
            public_url: "https://pay.example".to_owned(),
            providers: [].into(),
            simulator_url: None,
            shop_url: None,
            shared_store: false,
            retention: engine::core::Retention::default(),
            page_opener: None,
            progress: None,
        };
        let clock = Clock::manual(Timestamp::parse("2026-05-17T09:00:00Z").unwrap());
        let engine = Engine::start(db, MasterKey::generate().unwrap(), clock, config).await.unwrap();
        let one = tenant(&engine, "One Ltd").await;
        let two = tenant(&engine, "Two Ltd").await;
        let stop = CancellationToken::new();
        let base = listen(router(engine.clone(), &Limits::default(), Router::new()), &stop);
        let provider = listen(payone(), &stop);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { engine, one, two, base, provider, http, stop, _files: files }
    }

    /// A call as it is written here.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        self.engine.clock().advance(BETWEEN_CALLS_MS);
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, text, json }
    }

    /// A Management call: `path` below the API's; an empty `token` sends none.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        let authorization = format!("Bearer {token}");
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(("authorization", authorization.as_str()));
        }
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, &format!("{ADMIN}{path}"), &headers, body.map(|body| body.as_bytes().to_vec())).await
    }

    /// A Management call of the first company that must succeed.
    pub(crate) async fn done(&self, method: &str, path: &str, body: Value) -> Answer {
        let text = body.to_string();
        let body = (body != Value::Null).then_some(&*text);
        let answer = self.call(&self.one.all, method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
        answer
    }

    /// A management token of a company with these scopes.
    pub(crate) async fn token(&self, tenant: &Tenant, scopes: &[Scope]) -> String {
        management_token(&self.engine, tenant.id, scopes).await
    }

    /// A PayOne account of the first company at the provider of these tests.
    pub(crate) async fn payment_method(&self) -> String {
        let config = json!({"accountName": "Interac", "apiKey": "payone-canary-0001", "baseUrl": self.provider,
            "webhookUrl": format!("{}/webhook", self.provider), "siteUrl": "https://shop.example/back", "isWebhookSecured": true});
        self.done("POST", "/payment-methods", json!({"pspType": "PAYONE", "config": config})).await.at("/data/id")
    }

    /// A rule for PayOne that holds pay-outs, of low priority.
    pub(crate) async fn rule(&self) -> String {
        let body = json!({"name": "Interac", "match": {"pspTypes": ["PAYONE"]}, "action": {"hold": true}});
        self.done("POST", "/rules", body).await.at("/data/id")
    }

    /// A transaction of the first company over the Cashier API: its id.
    pub(crate) async fn pay(&self, operation: &str, amount: &str) -> String {
        let body = format!(
            r#"{{"pspType":"PAYONE","type":"{operation}","baseamount":{amount},"currency":"CAD","currencyCode":"CAD","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678","merchantReference":"order-7"}}"#
        );
        let claims = json!({"userId": "user_123", "email": "player@example.com", "firstName": "John", "lastName": "Doe",
            "phone": "4915112345678", "countryCode": "CA"});
        let user = format!("Bearer {}.{}.{}", part(&json!({"alg": "HS256"})), part(&claims), URL_SAFE_NO_PAD.encode("x"));
        let company = format!("Bearer {}", self.one.cashier);
        let headers = [("authorization", &*company), ("x-user-token", &*user), ("content-type", "application/json")];
        let answer = self.send("POST", "/v1/api/mozarto/cashier", &headers, Some(body.into_bytes())).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.at("/transaction/transactionId")
    }

    /// A pay-out of the first company on hold. There must be a payment method and a rule.
    pub(crate) async fn held(&self) -> String {
        self.pay("PAYOUT", "25.00").await
    }

    /// A pending pay-in of the first company that no schedule could settle.
    pub(crate) async fn stuck(&self) -> String {
        let id = self.pay("PAYIN", "10.00").await;
        let sql = "UPDATE transactions SET attention = 'stuck' WHERE id = ?1 AND status = 'Pending'";
        let mut batch = Batch::new();
        batch.push(Statement::new(sql, vec![(&*id).into()]).expect(store::Expect::Rows(1)));
        self.engine.store().commit(batch).await.unwrap();
        id
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn tenant(engine: &Engine, name: &str) -> Tenant {
    let changes = engine.changes(Actor::operator());
    let new = NewCompany { name: name.to_owned(), billing_currency: "EUR".to_owned(), country: "DE".to_owned() };
    let id = changes.create_company(&new).await.unwrap().company.id;
    engine.clock().advance(BETWEEN_CALLS_MS);
    let cashier = credential(engine, id, CredentialKind::Company, &Scope::COMPANY).await;
    Tenant { id, all: management_token(engine, id, &Scope::MANAGEMENT).await, cashier }
}

pub(crate) async fn management_token(engine: &Engine, company: CompanyId, scopes: &[Scope]) -> String {
    credential(engine, company, CredentialKind::Management, scopes).await
}

async fn credential(engine: &Engine, company: CompanyId, kind: CredentialKind, scopes: &[Scope]) -> String {
    engine.clock().advance(BETWEEN_CALLS_MS);
    let new = NewCredential { kind, name: kind.as_str().to_owned(), scopes: scopes.to_vec() };
    let issued = engine.changes(Actor::operator()).create_credential(company, &new).await.unwrap();
    issued.token.expose().to_owned()
}

/// Serves a router on a free port: its base address.
fn listen(router: Router, stop: &CancellationToken) -> String {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, router, Limits::default(), stop.clone()));
    base
}

/// PayOne (its sheet, Upstream): every deposit is taken; nothing is found by reference, so that every inquiry leaves things as
/// they are.
fn payone() -> Router {
    let json = [("content-type", "application/json")];
    let taken = r#"{"success":true,"message":"Transaction successfully Ongoing Process ","redirect_url":"https://demo.payonepayment.com/webflow-payment/HS923856HU/token"}"#;
    let not_found = r#"{"success":false,"error":"Transaction not found"}"#;
    Router::new()
        .route("/api/deposit", post(async move || (json, taken)))
        // The merchant's endpoint, which takes every event.
        .route("/webhook", post(async || "thanks"))
        .route("/api/transaction", get(async move || (StatusCode::NOT_FOUND, json, not_found)))
}
