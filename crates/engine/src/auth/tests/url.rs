//! The User Auth URL, asked over a real socket.

use super::raw;
use crate::auth::{AuthError, UserError};
use crate::clock::Clock;
use crate::core::Engine;
use crate::directory::change::{Actor, CompanyPatch, NewCompany};
use crate::directory::tests::world::config;
use domain::CompanyId;
use domain::urls::Environment;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::Driver;
use store::driver::SqliteDriver;
use store::vault::MasterKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const UNAUTHORIZED: UserError = UserError::Auth(AuthError::Unauthorized);
const UNAVAILABLE: UserError = UserError::Auth(AuthError::UserVerificationUnavailable);
/// The tests' time scale: 5 s become 0.5 s.
const SCALE: u32 = 10;

/// A merchant's server that answers every call the same, and keeps what it was sent. An empty answer: it is silent.
struct Merchant {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Merchant {
    async fn answering(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/auth", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (answer, kept) = (answer.clone(), kept.clone());
                tokio::spawn(async move {
                    let mut text = String::new();
                    let mut buffer = [0; 4_096];
                    while !text.ends_with('}') {
                        let read = socket.read(&mut buffer).await.unwrap_or(0);
                        if read == 0 {
                            return;
                        }
                        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
                    }
                    kept.lock().unwrap().push(text);
                    if answer.is_empty() {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { url, seen }
    }

    async fn saying(status: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
        Self::answering(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
    }

    fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

struct Platform {
    engine: Engine,
    company: CompanyId,
    _files: tempfile::TempDir,
}

impl Platform {
    async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let driver = SqliteDriver::open(&files.path().join("t.db")).unwrap();
        driver.migrate(store::migrate::migrations(driver.dialect())).await.unwrap();
        let key = MasterKey::generate().unwrap();
        let engine = Engine::start(Arc::new(driver), key, Clock::system(SCALE), config(Environment::Sandbox)).await;
        let engine = engine.unwrap();
        let new = NewCompany { name: "one".to_owned(), billing_currency: "EUR".to_owned(), country: "MT".to_owned() };
        let company = engine.changes(Actor::operator()).create_company(&new).await.unwrap().company.id;
        Self { engine, company, _files: files }
    }

    async fn url(&self, url: &str) {
        let patch = CompanyPatch { user_auth_url: Some(Some(url.to_owned())), ..CompanyPatch::default() };
        self.engine.changes(Actor::operator()).update_company(self.company, &patch).await.unwrap();
    }

    async fn user(
        &self,
        token: Option<&str>,
        session: Option<&str>,
        body: Option<&str>,
    ) -> Result<providers::fields::Claims, UserError> {
        let company = self.engine.directory().company(self.company).await.unwrap().unwrap();
        self.engine.user(&company, token, session, body).await
    }

    async fn verdict(&self, token: Option<&str>, session: Option<&str>, body: Option<&str>) -> Result<String, UserError> {
        self.user(token, session, body).await.map(|claims| claims.user_id)
    }
}

fn token(user: &str) -> String {
    format!("Bearer {}", raw(b"x", r#"{"alg":"HS256"}"#, &format!(r#"{{"userId":"{user}","email":"token@b.example"}}"#)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_decides_and_what_it_is_asked() {
    let platform = Platform::new().await;
    assert_eq!(platform.verdict(None, None, Some("u1")).await, Err(UNAUTHORIZED), "neither");
    assert_eq!(platform.verdict(Some(""), Some(""), Some("u1")).await, Err(UNAUTHORIZED), "both empty");
    assert_eq!(platform.verdict(None, Some("session"), Some("u1")).await, Err(UNAUTHORIZED), "no URL");
    assert_eq!(platform.verdict(Some(&token("u1")), None, None).await, Ok("u1".to_owned()));
    assert_eq!(platform.verdict(Some(&token("u1")), None, Some("u2")).await, Err(UserError::WrongUser));

    let merchant = Merchant::saying("200 OK", r#"{"userId":"u1","email":"url@b.example"}"#).await;
    platform.url(&merchant.url).await;
    let claims = platform.user(None, Some("the session"), Some("u1")).await.unwrap();
    assert_eq!(claims.email.as_deref(), Some("url@b.example"));
    {
        let seen = merchant.seen.lock().unwrap();
        let lower = seen[0].to_lowercase();
        assert!(lower.starts_with("post /auth http/1.1\r\n"), "{lower}");
        assert!(lower.contains("\r\nauthorization: the session\r\n"), "{lower}");
        assert!(lower.contains("\r\ncontent-type: application/json\r\n"), "{lower}");
        assert!(seen[0].ends_with("\r\n\r\n{\"userId\":\"u1\"}"), "{}", seen[0]);
    }
    // Both: the token must decode, the URL's answer replaces it.
    let both = platform.user(Some(&token("u1")), Some("s"), Some("u1")).await.unwrap();
    assert_eq!(both.email.as_deref(), Some("url@b.example"));
    let calls = merchant.calls();
    assert_eq!(platform.verdict(Some("Bearer x"), Some("s"), Some("u1")).await, Err(UNAUTHORIZED));
    assert_eq!(platform.verdict(Some(&token("u2")), Some("s"), Some("u1")).await, Err(UserError::WrongUser));
    assert_eq!(platform.verdict(None, Some("s"), None).await, Err(UserError::MissingUserId));
    assert_eq!(merchant.calls(), calls, "refused before any URL is called");
    assert_eq!(platform.verdict(None, Some("s"), Some("u9")).await, Err(UserError::WrongUser));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_it_does_is_unavailable_and_never_hangs() {
    let platform = Platform::new().await;
    for (status, expected) in [
        ("401 Unauthorized", UNAUTHORIZED),
        ("403 Forbidden", UNAUTHORIZED),
        ("404 Not Found", UNAUTHORIZED),
        ("500 Internal Server Error", UNAVAILABLE),
        ("201 Created", UNAVAILABLE),
        ("429 Too Many Requests", UNAVAILABLE),
    ] {
        let merchant = Merchant::saying(status, r#"{"userId":"u1"}"#).await;
        platform.url(&merchant.url).await;
        assert_eq!(platform.verdict(None, Some("s"), Some("u1")).await, Err(expected), "{status}");
    }
    for body in ["", "{}", "[]", "no JSON"] {
        let merchant = Merchant::saying("200 OK", body).await;
        platform.url(&merchant.url).await;
        assert_eq!(platform.verdict(None, Some("s"), Some("u1")).await, Err(UNAVAILABLE), "{body}");
    }
    let huge = format!(r#"{{"userId":"u1","x":"{}"}}"#, "x".repeat(100_000));
    let merchant = Merchant::saying("200 OK", &huge).await;
    platform.url(&merchant.url).await;
    assert_eq!(platform.verdict(None, Some("s"), Some("u1")).await, Err(UNAVAILABLE), "huge");

    // A redirect is not followed.
    let target = Merchant::saying("200 OK", r#"{"userId":"u1"}"#).await;
    let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: ";
    let merchant = Merchant::answering(format!("{head}{}\r\n\r\n", target.url)).await;
    platform.url(&merchant.url).await;
    assert_eq!(platform.verdict(None, Some("s"), Some("u1")).await, Err(UNAVAILABLE), "redirect");
    assert_eq!(target.calls(), 0);

    // Silence: 5 s as written.
    let merchant = Merchant::answering(String::new()).await;
    platform.url(&merchant.url).await;
    let start = Instant::now();
    assert_eq!(platform.verdict(None, Some("s"), Some("u1")).await, Err(UNAVAILABLE), "silence");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(3), "{took:?}");

    // Nobody there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth", free.local_addr().unwrap());
    drop(free);
    platform.url(&url).await;
    assert_eq!(platform.verdict(None, Some("s"), Some("u1")).await, Err(UNAVAILABLE), "refused");
}
