//! The checks before a payment, without HTTP: a request is a value, and so is what comes of it.

mod known;
mod order;

use super::{Admission, Ambiguous, CashierRequest, Crowded, Entrance, Wiped};
use crate::clock::Clock;
use crate::core::{Config, Engine};
use crate::directory::change::{Actor, NewCompany, NewCredential, NewMethod, RulePatch};
use crate::directory::tests::world::{NOW, config};
use crate::flow::line::Line;
use crate::shares::{Place, ShareLimits, Shares};
use ::store::Driver;
use ::store::driver::SqliteDriver;
use ::store::migrate;
use ::store::vault::MasterKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use domain::company::CredentialKind;
use domain::urls::Environment;
use domain::{CompanyId, CredentialId, Json, Scope, Timestamp};
use providers::fields::BrowserHeaders;
use std::sync::Arc;

/// On whose page cards are entered: every fault that a request can have, it can have with this provider. The last field is one
/// that nobody reads.
const BODY: &str = r#"{"pspType":"TRUST","type":"PAYIN","currency":"EUR","baseamount":100,"userId":"user_1","zzz":1}"#;

/// A company that takes payments, seen by a process that serves them, and by one whose line stands.
struct World {
    engine: Engine,
    overloaded: Engine,
    company: CompanyId,
    /// A token with every scope of a company.
    token: String,
    /// One that may only read.
    reader: String,
    /// One that may only pay out.
    payer_out: String,
    /// All of a provider's places are taken: the first one's share, by others.
    full_provider: Arc<Shares>,
    _others: Vec<Place>,
    _files: tempfile::TempDir,
}

async fn start(db: &Arc<dyn Driver>, key: &MasterKey) -> Engine {
    let config = Config { shared_store: false, ..config(Environment::Sandbox) };
    let key = MasterKey::from_text(&key.to_text()).unwrap();
    Engine::start(db.clone(), key, Clock::manual(NOW), config).await.unwrap()
}

impl World {
    async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let driver = SqliteDriver::open(&files.path().join("t.db")).unwrap();
        driver.migrate(migrate::migrations(driver.dialect())).await.unwrap();
        let db: Arc<dyn Driver> = Arc::new(driver);
        let key = MasterKey::generate().unwrap();
        let (engine, mut overloaded) = (start(&db, &key).await, start(&db, &key).await);
        Arc::get_mut(&mut overloaded.inner).unwrap().line = Line::standing();
        let changes = engine.changes(Actor::operator());
        let new = NewCompany { name: "Shop".into(), billing_currency: "EUR".into(), country: "MT".into() };
        let company = changes.create_company(&new).await.unwrap().company.id;
        let mut tokens = Vec::new();
        for scopes in [&Scope::COMPANY[..], &[Scope::Read], &[Scope::Payout]] {
            let new = NewCredential { kind: CredentialKind::Company, name: "a test".into(), scopes: scopes.to_vec() };
            let token = changes.create_credential(company, &new).await.unwrap().token;
            tokens.push(format!("Bearer {}", token.expose()));
        }
        let [token, reader, payer_out] = <[String; 3]>::try_from(tokens).unwrap();
        let settings = r#"{"accountName":"Shop","sitereference":"test_shop1","siteSecurityPassword":"password-0001","webServicesUsername":"ws@shop.example","webServicesPassword":"password-0002","webhookUrl":"https://shop.example/webhook","siteUrl":"https://shop.example/","baseUrl":"http://127.0.0.1:1"}"#;
        let config = Json::parse(settings.as_bytes()).unwrap();
        let method = NewMethod { psp_type: "TRUST".into(), brand_id: None, enabled: true, config, roles: Vec::new() };
        changes.create_payment_method(company, &method).await.unwrap();
        changes.create_rule(company, &RulePatch { name: Some("all".into()), ..RulePatch::default() }).await.unwrap();
        drop(changes);
        let (full_provider, others) = full_provider();
        Self { engine, overloaded, company, token, reader, payer_out, full_provider, _others: others, _files: files }
    }

    /// A request without a fault.
    fn call(&self) -> Call {
        Call {
            engine: self.engine.clone(),
            token: self.token.clone(),
            authorization: None,
            way: Way::Free,
            is_json: true,
            key: Ok(None),
            user_token: Ok(Some(user_token("user_1", None))),
            user_authorization: None,
            body: BODY.to_owned(),
        }
    }

    /// How many transactions there are.
    async fn transactions(&self) -> usize {
        self.engine.transactions(self.company, Default::default(), 10, None).await.unwrap().items.len()
    }
}

/// A request, and who takes it in.
#[derive(Clone)]
struct Call {
    engine: Engine,
    /// In `Authorization`, as long as `authorization` says nothing else.
    token: String,
    authorization: Option<Result<Option<String>, Ambiguous>>,
    way: Way,
    is_json: bool,
    key: Result<Option<String>, Ambiguous>,
    user_token: Result<Option<String>, Ambiguous>,
    user_authorization: Option<String>,
    body: String,
}

impl Call {
    /// Another text in the body, if an earlier fault has not taken its place away.
    fn body(self, from: &str, to: &str) -> Self {
        Self { body: self.body.replacen(from, to, 1), ..self }
    }

    async fn admit(&self) -> Admission {
        let authorization = self.authorization.clone().unwrap_or_else(|| Ok(Some(self.token.clone())));
        let request = CashierRequest {
            authorization: authorization.as_ref().map(Option::as_deref).map_err(|ambiguous| *ambiguous),
            is_json: self.is_json,
            idempotency_key: self.key.as_ref().map(Option::as_deref).map_err(|ambiguous| *ambiguous),
            user_token: self.user_token.as_ref().map(Option::as_deref).map_err(|ambiguous| *ambiguous),
            user_authorization: Ok(self.user_authorization.as_deref()),
            caller_ip: Some([192, 0, 2, 1].into()),
            browser: BrowserHeaders { user_agent: Some("Mozilla/5.0"), ..BrowserHeaders::default() },
            body: Wiped::new(Bytes::from(self.body.clone().into_bytes())),
        };
        self.engine.admit(request, &self.way).await
    }
}

/// What the entrance says.
#[derive(Clone)]
enum Way {
    Free,
    /// The credential's rate is used up.
    Rate,
    /// There is a place, but none at the provider.
    Places(Arc<Shares>),
}

impl Entrance for Way {
    fn let_in(&self, _: CredentialId, company: CompanyId) -> Result<Option<Place>, Crowded> {
        match self {
            Self::Free => Ok(None),
            Self::Rate => Err(Crowded::Rate { again_s: 7 }),
            Self::Places(shares) => Ok(Some(shares.enter(company)?)),
        }
    }
}

/// Places of which a provider's share is taken, while there is work at another one.
fn full_provider() -> (Arc<Shares>, Vec<Place>) {
    let shares = Shares::new(ShareLimits { whole: 10, per_company: 5, per_provider: 2 });
    let place = |n: u8, provider| {
        let company = CompanyId::new(Timestamp::from_millis(1), [n; 6]);
        shares.enter(company).unwrap().at_provider(provider).unwrap()
    };
    let taken = vec![place(3, "quick"), place(1, "trust"), place(2, "trust")];
    (shares, taken)
}

/// A user token as a merchant without a key of its own sends it.
fn user_token(user: &str, expires: Option<Timestamp>) -> String {
    let exp = expires.map_or(String::new(), |at| format!(r#","exp":{}"#, at.seconds()));
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("Bearer {}.{}.c2ln", part(r#"{"alg":"none"}"#), part(&format!(r#"{{"userId":"{user}"{exp}}}"#)))
}
