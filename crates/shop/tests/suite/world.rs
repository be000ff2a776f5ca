//! A fake platform, a shop of its own for each test, and a browser that is a form filler.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use mozarto_shop::Settings;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "company.token.canary";
pub(crate) const SIGNING_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const BEARER: &str = "whb_bearer_canary";
pub(crate) const TRANSACTION: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
pub(crate) const SESSION: &str = "60a74038-5b94-427e-8cff-abc123000001";
const PATIENCE: Duration = Duration::from_secs(10);

/// What the fake platform answers a create call.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) status: u16,
    /// `{number}` becomes the request's `merchantReference`.
    pub(crate) body: String,
    pub(crate) delay: Duration,
}

impl Script {
    pub(crate) fn json(status: u16, body: &Value) -> Script {
        Script { status, body: body.to_string(), delay: Duration::ZERO }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    pub(crate) fn number(&self) -> String {
        self.json()["merchantReference"].as_str().expect("an order number").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }
}

#[derive(Default)]
struct Platform {
    scripts: VecDeque<Script>,
    calls: Vec<Call>,
    /// By transaction id: the status query's `data`.
    transactions: HashMap<String, Value>,
    queries: usize,
}

type Shared = Arc<Mutex<Platform>>;

async fn create(State(platform): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let call = Call { headers, body: String::from_utf8(body.to_vec()).expect("UTF-8") };
    let script = {
        let mut platform = platform.lock().expect("lock");
        platform.calls.push(call.clone());
        platform.scripts.pop_front().expect("a call that the test expects")
    };
    tokio::time::sleep(script.delay).await;
    let body = script.body.replace("{number}", &call.number());
    (StatusCode::from_u16(script.status).expect("status"), body).into_response()
}

async fn one(State(platform): State<Shared>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    let mut platform = platform.lock().expect("lock");
    platform.queries += 1;
    match platform.transactions.get(&id) {
        Some(data) => axum::Json(json!({"status":"success","isSuccess":true,"data":data})).into_response(),
        None => {
            (StatusCode::NOT_FOUND, axum::Json(json!({"status":"error","message":"Not found","isSuccess":false,"errors":[]})))
                .into_response()
        }
    }
}

async fn all(State(platform): State<Shared>, headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    let mut platform = platform.lock().expect("lock");
    platform.queries += 1;
    let items: Vec<Value> = platform
        .transactions
        .values()
        .filter(|data| data["merchantReference"] == query["merchantReference"].as_str())
        .cloned()
        .collect();
    axum::Json(json!({"status":"success","isSuccess":true,"data":{"items":items,"nextCursor":null}})).into_response()
}

/// One shop with its platform and its data.
pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) client: reqwest::Client,
    pub(crate) directory: tempfile::TempDir,
    platform: Shared,
    platform_base: String,
    stop: CancellationToken,
    shop: Option<JoinHandle<()>>,
}

impl World {
    pub(crate) async fn start() -> World {
        let platform = Shared::default();
        let router = Router::new()
            .route("/v1/api/mozarto/cashier", post(create))
            .route("/v1/api/mozarto/transactions", get(all))
            .route("/v1/api/mozarto/transactions/{id}", get(one))
            .with_state(Arc::clone(&platform));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let platform_base = format!("http://{}", listener.local_addr().expect("address"));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("the platform") });
        let mut world = World {
            base: String::new(),
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("client"),
            directory: tempfile::tempdir().expect("directory"),
            platform,
            platform_base,
            stop: CancellationToken::new(),
            shop: None,
        };
        world.open().await;
        world
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    pub(crate) fn settings(&self, own_base_url: &str) -> Settings {
        Settings {
            cashier_base_url: self.platform_base.clone(),
            company_token: TOKEN.into(),
            signing_secret: SIGNING_SECRET.into(),
            bearer: BEARER.into(),
            own_base_url: own_base_url.to_owned(),
            data: self.data(),
            back_office_url: Some("http://127.0.0.1:8080/back-office".to_owned()),
        }
    }

    /// Points the shop, when it is opened next, at an address where nobody listens.
    pub(crate) async fn lose_platform(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.platform_base = format!("http://{}", listener.local_addr().expect("address"));
    }

    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.base = format!("http://{}", listener.local_addr().expect("address"));
        let settings = self.settings(&self.base);
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        self.shop = Some(tokio::spawn(async move {
            mozarto_shop::Shop::open(settings, stop).await.expect("the shop").serve(listener).await;
        }));
    }

    pub(crate) async fn close(&mut self) {
        self.stop.cancel();
        let shop = self.shop.take().expect("an open shop");
        tokio::time::timeout(PATIENCE, shop).await.expect("a stop in time").expect("no panic");
    }

    pub(crate) fn script(&self, script: Script) {
        self.platform.lock().expect("lock").scripts.push_back(script);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.platform.lock().expect("lock").calls.clone()
    }

    pub(crate) fn queries(&self) -> usize {
        self.platform.lock().expect("lock").queries
    }

    pub(crate) fn know(&self, transaction: Value) {
        let id = transaction["transactionId"].as_str().expect("id").to_owned();
        self.platform.lock().expect("lock").transactions.insert(id, transaction);
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.expect("an answer");
        let status = response.status();
        (status, response.text().await.expect("text"))
    }

    /// The form of the cashier page as a browser would send it, with `changes`.
    pub(crate) async fn form(&self, query: &str, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let (status, page) = self.get(&format!("/?{query}")).await;
        assert_eq!(status, StatusCode::OK);
        let mut form = values(&page);
        for (name, value) in changes {
            form.insert((*name).to_owned(), (*value).to_owned());
        }
        form
    }

    pub(crate) async fn submit(&self, form: &BTreeMap<String, String>) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let response = self
            .client
            .post(format!("{}/orders", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &self.base)
            .header("sec-fetch-site", "same-origin")
            .body(body)
            .send()
            .await
            .expect("an answer");
        Answer {
            status: response.status(),
            location: response.headers().get("location").map(|value| value.to_str().expect("text").to_owned()),
            page: response.text().await.expect("text"),
        }
    }

    /// Places an order whose answer is `transaction`; its number.
    pub(crate) async fn place(&self, query: &str, transaction: Value) -> String {
        self.script(Script::json(200, &success(transaction)));
        let answer = self.submit(&self.form(query, &[]).await).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        self.calls().last().expect("a call").number()
    }

    pub(crate) async fn hook(&self, hook: &Hook) -> StatusCode {
        let mut request = self.client.post(format!("{}/webhook", self.base)).body(hook.body.clone());
        for (name, value) in hook.headers() {
            request = request.header(name, value);
        }
        request.send().await.expect("an answer").status()
    }

    /// Waits until the order's page says `text`.
    pub(crate) async fn wait_for(&self, number: &str, text: &str) -> String {
        let begin = tokio::time::Instant::now();
        loop {
            let (_, page) = self.get(&format!("/orders/{number}")).await;
            if page.contains(text) {
                return page;
            }
            assert!(begin.elapsed() < PATIENCE, "{number} never says {text}: {page}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) page: String,
}

/// A webhook as the platform sends it, signed by the independent library.
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) at_s: i64,
    pub(crate) body: String,
    pub(crate) signature: String,
    pub(crate) bearer: String,
    pub(crate) sequence: i64,
}

impl Hook {
    pub(crate) fn new(id: &str, sequence: i64, body: &Value) -> Hook {
        Hook::at(id, sequence, body, now_s())
    }

    pub(crate) fn at(id: &str, sequence: i64, body: &Value, at_s: i64) -> Hook {
        let body = body.to_string();
        let signature = Webhook::new(SIGNING_SECRET).expect("secret").sign(id, at_s, body.as_bytes()).expect("signature");
        Hook { id: id.to_owned(), at_s, body, signature, bearer: format!("Bearer {BEARER}"), sequence }
    }

    fn headers(&self) -> [(&'static str, String); 6] {
        [
            ("authorization", self.bearer.clone()),
            ("content-type", "application/json".to_owned()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", self.at_s.to_string()),
            ("webhook-signature", self.signature.clone()),
            ("webhook-sequence", self.sequence.to_string()),
        ]
    }
}

pub(crate) fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("fits")
}

/// The body of a webhook for an order.
pub(crate) fn told(number: &str, status: &str, amount: &str, currency: &str) -> Value {
    json!({
        "transaction_id": TRANSACTION, "psp_transaction_id": "HS932097JV", "user_id": "demo-noah",
        "status": status.to_lowercase(), "transaction_status": status, "message": format!("It is {status}"),
        "amount": amount, "currency": currency, "merchantReference": number, "method": "PAYONE_PAYIN"
    })
}

/// TransactionData of an order; the number is filled in by the fake platform.
pub(crate) fn transaction(status: &str, amount: &str, currency: &str) -> Value {
    json!({
        "transactionId": TRANSACTION, "sessionId": SESSION, "pspType": "PAYONE", "type": "PAYIN", "brandId": "",
        "merchantReference": "{number}", "userId": "demo-noah", "transaction_status": status, "status": "raw",
        "amount": amount, "currency": currency, "createdAt": "2026-05-17T09:32:57Z", "updatedAt": "2026-05-17T09:32:58Z"
    })
}

/// The same with a page for the payer, whose address carries a token.
pub(crate) fn with_page(mut transaction: Value) -> Value {
    transaction["redirectUrl"] = json!("http://127.0.0.1:8081/payone/webflow-payment/HS932097JV/page-canary");
    transaction
}

pub(crate) fn success(transaction: Value) -> Value {
    json!({"status":"success","message":"Transaction successfully processed","isSuccess":true,
        "data":{"success":true,"amount":10.5},"transaction":transaction})
}

/// Names and values of a page's inputs and selects, as a browser holds them.
pub(crate) fn values(page: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for tag in tags(page, "<input ") {
        if tag.contains("type=\"checkbox\"") && !tag.contains(" checked") {
            continue;
        }
        values.insert(attribute(tag, "name"), attribute(tag, "value"));
    }
    for select in page.split("<select ").skip(1) {
        let select = select.split("</select>").next().expect("a select");
        let options: Vec<&str> = select.split("<option").skip(1).collect();
        let chosen = options
            .iter()
            .find(|option| option.split('>').next().is_some_and(|tag| tag.contains("selected")))
            .unwrap_or(&options[0]);
        let text = chosen.split('>').nth(1).and_then(|rest| rest.split('<').next()).expect("text");
        let value = attribute(chosen, "value");
        let has_value = chosen.split('>').next().is_some_and(|tag| tag.contains("value="));
        values.insert(attribute(select, "name"), if has_value { value } else { text.to_owned() });
    }
    values
}

pub(crate) fn tags<'a>(page: &'a str, start: &str) -> Vec<&'a str> {
    page.split(start).skip(1).map(|rest| rest.split('>').next().expect("a tag")).collect()
}

pub(crate) fn attribute(tag: &str, name: &str) -> String {
    let tag = tag.split('>').next().unwrap_or_default();
    tag.split(&format!("{name}=\""))
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
        .replace("&#43;", "+")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
}
