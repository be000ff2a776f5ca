//! The platform in this process over a store of its own, with two companies, and a provider's side that counts what reaches it.

use crate::wire::{Answer, Server};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::company::CredentialKind;
use domain::urls::Environment;
use domain::{CompanyId, Json, MethodId, Scope};
use engine::directory::change::{Actor, CompanyPatch, MethodPatch, NewCompany, NewCredential, NewMethod, RulePatch};
use engine::{Clock, Config, Engine};
use http::StatusCode;
use mozarto_http::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use store::Driver;
use store::driver::SqliteDriver;
use store::vault::MasterKey;
use tempfile::TempDir;
use tokio::sync::Notify;

pub(crate) const CASHIER: &str = "/v1/api/mozarto/cashier";
pub(crate) const TRANSACTIONS: &str = "/v1/api/mozarto/transactions";
pub(crate) const EVENTS: &str = "/v1/api/mozarto/events";

/// The pay-in that everything here starts from (published for PayOne).
pub(crate) const PAY_IN: &str = r#"{"pspType":"PAYONE","type":"PAYIN","baseamount":100.00,"currency":"CAD","currencyCode":"CAD","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678"}"#;

/// A company and who may call in its name.
pub(crate) struct Merchant {
    pub(crate) id: CompanyId,
    pub(crate) method: MethodId,
    /// Every scope of a company.
    pub(crate) token: String,
}

pub(crate) struct Platform {
    pub(crate) engine: Engine,
    pub(crate) server: Server,
    pub(crate) acme: Merchant,
    pub(crate) other: Merchant,
    pub(crate) provider: Provider,
    _files: TempDir,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let files = tempfile::tempdir().unwrap();
        let driver = SqliteDriver::open(&files.path().join("t.db")).unwrap();
        driver.migrate(store::migrate::migrations(driver.dialect())).await.unwrap();
        let config = Config {
            environment: Environment::Sandbox,
            public_url: "http://127.0.0.1:8080".to_owned(),
            providers: [].into(),
            simulator_url: None,
            shop_url: None,
            shared_store: false,
            retention: engine::core::Retention::default(),
            page_opener: None,
            progress: None,
        };
        let key = MasterKey::generate().unwrap();
        let engine = Engine::start(Arc::new(driver), key, Clock::system(1), config).await.unwrap();
        let provider = Provider::start();
        let acme = merchant(&engine, "Acme", &provider).await;
        let other = merchant(&engine, "Other", &provider).await;
        let router = mozarto_http::router(engine.clone(), &limits, Router::new());
        let server = Server::start_whole(router, limits);
        Self { engine, server, acme, other, provider, _files: files }
    }

    /// Another credential of Acme, as its token.
    pub(crate) async fn token(&self, scopes: &[Scope]) -> String {
        token(&self.engine, self.acme.id, scopes).await
    }

    pub(crate) async fn suspend(&self, company: CompanyId) {
        let patch = CompanyPatch { suspended: Some(true), ..CompanyPatch::default() };
        self.engine.changes(Actor::operator()).update_company(company, &patch).await.unwrap();
    }

    pub(crate) async fn switch_method(&self, enabled: bool) {
        let patch = MethodPatch { enabled: Some(enabled), config: None };
        let changes = self.engine.changes(Actor::operator());
        changes.update_payment_method(self.acme.id, self.acme.method, &patch).await.unwrap();
    }

    /// A Cashier call of Acme with its user.
    pub(crate) fn cashier(&self, body: &str) -> Call {
        Call::new("POST", CASHIER)
            .header("authorization", &format!("Bearer {}", self.acme.token))
            .header("x-user-token", &format!("Bearer {}", user_token("user_123")))
            .header("content-type", "application/json")
            .body(body)
    }

    /// A reading call of Acme.
    pub(crate) fn get(&self, path: &str) -> Call {
        Call::new("GET", path).header("authorization", &format!("Bearer {}", self.acme.token))
    }

    pub(crate) async fn send(&self, call: &Call) -> Answer {
        self.server.ask(&call.text()).await
    }

    /// A pay-in that was taken: its transaction id.
    pub(crate) async fn paid(&self, body: &str) -> String {
        let answer = self.send(&self.cashier(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json().get("transaction").and_then(|t| t.str_at("transactionId")).unwrap().to_owned()
    }
}

async fn merchant(engine: &Engine, name: &str, provider: &Provider) -> Merchant {
    let changes = engine.changes(Actor::operator());
    let new = NewCompany { name: name.to_owned(), billing_currency: "EUR".to_owned(), country: "MT".to_owned() };
    let id = changes.create_company(&new).await.unwrap().company.id;
    let config = format!(
        r#"{{"accountName":"{name}","apiKey":"payone-key-0001","webhookUrl":"http://127.0.0.1:9/webhook","siteUrl":"https://m.example/back","baseUrl":"{}"}}"#,
        provider.url
    );
    let new = NewMethod {
        psp_type: "PAYONE".to_owned(),
        brand_id: None,
        enabled: true,
        config: Json::parse(config.as_bytes()).unwrap(),
        roles: Vec::new(),
    };
    let method = changes.create_payment_method(id, &new).await.unwrap().id;
    changes.create_brand(id, "gone", "Gone", false).await.unwrap();
    let rule = RulePatch { name: Some("PayOne".to_owned()), psp_types: Some(vec!["PAYONE".to_owned()]), ..RulePatch::default() };
    changes.create_rule(id, &rule).await.unwrap();
    Merchant { id, method, token: token(engine, id, &Scope::COMPANY).await }
}

async fn token(engine: &Engine, company: CompanyId, scopes: &[Scope]) -> String {
    let new = NewCredential { kind: CredentialKind::Company, name: "test".to_owned(), scopes: scopes.to_vec() };
    let issued = engine.changes(Actor::operator()).create_credential(company, &new).await.unwrap();
    issued.token.expose().to_owned()
}

/// A user token as merchants without a stored key send it. It claims nothing but who it is, so that the body's other fields
/// count.
pub(crate) fn user_token(user_id: &str) -> String {
    jwt(r#"{"alg":"HS256","typ":"JWT"}"#, &format!(r#"{{"userId":"{user_id}"}}"#))
}

/// A well-formed token that nobody has signed.
pub(crate) fn jwt(header: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(header), part(claims), part("unsigned"))
}

/// A request, put together.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }

    /// One more header, also of a name that is there.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self
    }

    /// The header with another value.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// The body with one text in it replaced.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        let body = self.body.take().unwrap_or_default();
        assert!(body.contains(from), "{body} has no {from}");
        self.body = Some(body.replacen(from, to, 1));
        self
    }

    /// As it goes over the wire.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        } else {
            text.push_str("\r\n");
        }
        text
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        Json::parse(self.body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn message(&self) -> String {
        self.json().str_at("message").unwrap_or_default().to_owned()
    }

    /// The texts of `errors`.
    pub(crate) fn errors(&self) -> Vec<String> {
        let json = self.json();
        let errors = json.get("errors").and_then(Json::as_array).unwrap_or_else(|| panic!("no errors: {self:?}"));
        errors.iter().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    /// `data.items` and `data.nextCursor`.
    pub(crate) fn page(&self) -> (Vec<Json>, Option<String>) {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        let data = json.get("data").unwrap();
        let items = data.get("items").and_then(Json::as_array).unwrap().to_vec();
        (items, data.str_at("nextCursor").map(str::to_owned))
    }
}

/// PayOne's side, as much of it as the edge needs: every deposit is taken, and can be made to wait.
pub(crate) struct Provider {
    url: String,
    state: Arc<Deposits>,
}

#[derive(Default)]
struct Deposits {
    taken: AtomicUsize,
    waits: AtomicUsize,
    refuses: AtomicBool,
    go_on: Notify,
}

impl Provider {
    fn start() -> Self {
        let state = Arc::new(Deposits::default());
        let router = Router::new().route("/api/deposit", post(deposit)).with_state(Arc::clone(&state));
        let server = Server::start(router, Limits::default());
        Self { url: format!("http://{}", server.address), state }
    }

    /// How many deposits have reached it.
    pub(crate) fn taken(&self) -> usize {
        self.state.taken.load(Ordering::SeqCst)
    }

    /// The next deposit is answered only after [`go_on`](Self::go_on).
    pub(crate) fn hold_next(&self) {
        self.state.waits.store(1, Ordering::SeqCst);
    }

    /// Every deposit from now on finds the credentials refused.
    pub(crate) fn refuse_all(&self) {
        self.state.refuses.store(true, Ordering::SeqCst);
    }

    pub(crate) fn go_on(&self) {
        self.state.go_on.notify_one();
    }

    /// Waits until that many deposits have reached it.
    pub(crate) async fn reached(&self, count: usize) {
        for _ in 0..500 {
            if self.taken() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("only {} deposits came", self.taken());
    }
}

async fn deposit(State(state): State<Arc<Deposits>>, _request: Request) -> Response {
    let number = state.taken.fetch_add(1, Ordering::SeqCst);
    if state.waits.swap(0, Ordering::SeqCst) == 1 {
        state.go_on.notified().await;
    }
    if state.refuses.load(Ordering::SeqCst) {
        // How PayOne refuses credentials (its sheet, "Error codes").
        return StatusCode::NOT_FOUND.into_response();
    }
    let body = format!(
        r#"{{"success":true,"message":"Transaction successfully Ongoing Process ","redirect_url":"https://demo.payonepayment.com/webflow-payment/HS{number:08}/tok3n"}}"#
    );
    ([("content-type", "application/json")], body).into_response()
}
