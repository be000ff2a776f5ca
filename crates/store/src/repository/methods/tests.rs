//! Round trips of everything that belongs to a company, on both engines, and what a dump of the store gives away.

use crate::driver::{PostgresDriver, SqliteDriver};
use crate::repository::{audit, brands, companies, credentials, methods, rules, users};
use crate::vault::{DataKey, MasterKey};
use crate::{Batch, CommitError, Driver, migrate};
use domain::company::{Brand, CredentialKind, SettingValue, Settings, UserTokenAlgorithm, UserTokenKey, WebhookSecrets};
use domain::{
    CompanyId, Credential, CredentialId, Currency, Json, MethodId, Operation, PaymentMethod, Rule, RuleId, Scope, Secret,
    Timestamp,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Random methods written and read back per engine.
const METHOD_CASES: usize = 200;

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_123);

fn company_id(n: u8) -> CompanyId {
    CompanyId::new(NOW, [n; 6])
}

fn company(master: &MasterKey, n: u8) -> (companies::StoredCompany, DataKey) {
    let id = company_id(n);
    let key = DataKey::generate(&id.to_string()).unwrap();
    let company = companies::StoredCompany {
        id,
        name: format!("Company {n} \u{1f984}"),
        billing_currency: Currency::from_code("EUR").unwrap(),
        country: "MT".to_owned(),
        suspended: false,
        user_auth_url: None,
        user_token_algorithm: None,
        user_token_key: None,
        user_token_key_at: None,
        data_key: master.wrap(&key).unwrap(),
        config_version: 1,
        created_at: NOW,
        updated_at: NOW,
    };
    (company, key)
}

/// Runs a check on both engines, each migrated and empty.
async fn on_both<F: AsyncFn(&dyn Driver)>(check: F) {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = SqliteDriver::open(&directory.path().join("t.db")).unwrap();
    sqlite.migrate(migrate::migrations(sqlite.dialect())).await.unwrap();
    check(&sqlite).await;
    sqlite.close().await;

    let database = testkit::postgres::database().await;
    let postgres = PostgresDriver::connect(&database.url).await.unwrap();
    postgres.migrate(migrate::migrations(postgres.dialect())).await.unwrap();
    check(&postgres).await;
    postgres.close().await;
}

fn secret() -> impl Strategy<Value = Secret> {
    any::<String>().prop_map(Secret::new)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000_000).prop_map(Timestamp::from_millis)
}

fn setting() -> impl Strategy<Value = SettingValue> {
    prop_oneof![
        any::<String>().prop_map(|text| SettingValue::Plain(Json::text(text))),
        any::<bool>().prop_map(|flag| SettingValue::Plain(Json::Bool(flag))),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?".prop_map(|n| SettingValue::Plain(Json::Number(n.into()))),
        (secret(), time()).prop_map(|(value, updated_at)| SettingValue::Secret { value, updated_at }),
    ]
}

fn method(company_id: CompanyId) -> impl Strategy<Value = PaymentMethod> {
    let webhook_secrets =
        (secret(), prop::collection::vec((secret(), time()), 0..6), secret(), prop::option::of((secret(), time()))).prop_map(
            |(signing, earlier_signing, bearer, previous_bearer)| WebhookSecrets {
                signing,
                earlier_signing,
                bearer,
                previous_bearer,
            },
        );
    (
        any::<[u8; 6]>(),
        "[A-Z_]{1,16}",
        prop::option::of("[a-z0-9 ]{1,64}"),
        any::<bool>(),
        prop::collection::btree_map(any::<String>(), setting(), 0..8),
        webhook_secrets,
        prop::option::of(any::<[u8; 16]>()),
        time(),
        time(),
    )
        .prop_map(move |(id, psp_type, brand, enabled, settings, webhook_secrets, token, created_at, updated_at)| {
            PaymentMethod {
                id: MethodId::new(created_at, id),
                company_id,
                psp_type,
                brand_id: brand.map(|id| id.parse().unwrap()),
                enabled,
                settings: Settings(settings),
                webhook_secrets,
                callback_token: token.map(|token| Secret::new(hex::encode(token))),
                created_at,
                updated_at,
            }
        })
}

/// Everything in a method, secrets included, as one text that can be compared.
fn everything(method: &PaymentMethod) -> String {
    let pair = |(secret, at): &(Secret, Timestamp)| (secret.expose().to_owned(), *at);
    let settings: Vec<_> = method
        .settings
        .0
        .iter()
        .map(|(name, value)| match value {
            SettingValue::Plain(value) => (name, value.to_text(), None),
            SettingValue::Secret { value, updated_at } => (name, value.expose().to_owned(), Some(*updated_at)),
        })
        .collect();
    let webhook = &method.webhook_secrets;
    format!(
        "{:?} {:?} {} {:?} {} {settings:?} {:?} {:?} {:?} {:?} {:?} {} {}",
        method.id,
        method.company_id,
        method.psp_type,
        method.brand_id,
        method.enabled,
        webhook.signing.expose(),
        webhook.earlier_signing.iter().map(pair).collect::<Vec<_>>(),
        webhook.bearer.expose(),
        webhook.previous_bearer.as_ref().map(pair),
        method.callback_token.as_ref().map(Secret::expose),
        method.created_at,
        method.updated_at,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_come_back_as_they_went() {
    on_both(async |db| {
        let master = MasterKey::generate().unwrap();
        let (owner, key) = company(&master, 1);
        let mut batch = Batch::new();
        companies::insert(&mut batch, &owner);
        db.commit(batch).await.unwrap();
        let config = Config { rng_seed: RngSeed::Fixed(20_260_517), ..Config::default() };
        let mut runner = TestRunner::new(config);
        for _ in 0..METHOD_CASES {
            let first = method(owner.id).new_tree(&mut runner).unwrap().current();
            let mut batch = Batch::new();
            methods::insert(&mut batch, &key, &first).unwrap();
            db.commit(batch).await.unwrap();
            let found = methods::find(db, &key, owner.id, first.id).await.unwrap().unwrap();
            assert_eq!(everything(&found.method), everything(&first));
            assert_eq!(found.version, 1);

            let mut second = method(owner.id).new_tree(&mut runner).unwrap().current();
            (second.id, second.psp_type, second.created_at) = (first.id, first.psp_type.clone(), first.created_at);
            let mut batch = Batch::new();
            methods::update(&mut batch, &key, &second, 1).unwrap();
            db.commit(batch).await.unwrap();
            let found = methods::find(db, &key, owner.id, first.id).await.unwrap().unwrap();
            assert_eq!(everything(&found.method), everything(&second));
            assert_eq!(found.version, 2);

            let mut batch = Batch::new();
            methods::update(&mut batch, &key, &first, 1).unwrap();
            assert_eq!(db.commit(batch).await, Err(CommitError::Guard(methods::VERSION_GUARD)));
            if let Some(token) = &second.callback_token {
                let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.expose().as_bytes());
                let hash: [u8; 32] = hash.as_ref().try_into().unwrap();
                assert_eq!(methods::by_callback_token(db, hash).await.unwrap(), Some((owner.id, first.id)));
            }
        }
        let all = methods::list(db, &key, owner.id).await.unwrap();
        assert_eq!(all.len(), METHOD_CASES);
        assert!(all.is_sorted_by_key(|stored| (stored.method.created_at, stored.method.id)));
        assert!(methods::list(db, &key, company_id(2)).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a row for each thing that is kept")]
async fn companies_brands_rules_and_users_come_back_as_they_went() {
    on_both(async |db| {
        let master = MasterKey::generate().unwrap();
        let (mut one, key) = company(&master, 1);
        let (two, _) = company(&master, 2);
        let brand = Brand {
            id: "caf\u{e9}".parse().unwrap(),
            name: "Caf\u{e9}".to_owned(),
            active: true,
            created_at: NOW,
            updated_at: NOW,
        };
        let rule = Rule {
            id: RuleId::new(NOW, [3; 6]),
            name: "all".to_owned(),
            priority: -7,
            active: true,
            psp_types: vec!["PAYONE".to_owned()],
            brand_ids: vec![brand.id.clone()],
            types: vec![Operation::PayOut],
            route: vec![MethodId::new(NOW, [4; 6])],
            hold: true,
            version: 1,
            created_at: NOW,
            updated_at: NOW,
        };
        let user = users::User {
            company_id: one.id,
            id: users::User::new_id(NOW, [5; 6]),
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "L".to_owned(),
            password_hash: "$argon2id$x".to_owned(),
            role: users::Role::Owner,
            created_at: NOW,
            updated_at: NOW,
        };
        let mut batch = Batch::new();
        companies::insert(&mut batch, &one);
        companies::insert(&mut batch, &two);
        brands::insert(&mut batch, one.id, &brand);
        rules::insert(&mut batch, one.id, &rule);
        users::insert(&mut batch, &user);
        db.commit(batch).await.unwrap();

        // The same email in another company, the same brand again.
        let mut batch = Batch::new();
        let other = users::User { company_id: two.id, id: users::User::new_id(NOW, [6; 6]), ..user.clone() };
        users::insert(&mut batch, &other);
        assert_eq!(db.commit(batch).await, Err(CommitError::Duplicate(users::EMAIL_IN_USE)));
        let mut batch = Batch::new();
        brands::insert(&mut batch, one.id, &brand);
        assert_eq!(db.commit(batch).await, Err(CommitError::Duplicate(brands::DUPLICATE)));

        let token_key = UserTokenKey { algorithm: UserTokenAlgorithm::Es256, key: Secret::new("PEM text") };
        one.set_user_token_key(&key, Some(&token_key), NOW.plus_ms(1)).unwrap();
        one.user_auth_url = Some("https://a.example/x".to_owned());
        one.suspended = true;
        let mut batch = Batch::new();
        companies::raise_version(&mut batch, one.id, 1);
        companies::update(&mut batch, &one);
        db.commit(batch).await.unwrap();
        let found = companies::find(db, one.id).await.unwrap().unwrap();
        assert_eq!(found.config_version, 2);
        let opened = found.open(&found.open_data_key(&master).unwrap()).unwrap();
        let key_again = opened.user_token_key.unwrap();
        assert_eq!((key_again.algorithm, key_again.key.expose()), (UserTokenAlgorithm::Es256, "PEM text"));
        assert_eq!(opened.user_token_key_updated_at, Some(NOW.plus_ms(1)));
        assert!(opened.suspended && opened.user_auth_url.as_deref() == Some("https://a.example/x"));
        let mut batch = Batch::new();
        companies::raise_version(&mut batch, one.id, 1);
        assert_eq!(db.commit(batch).await, Err(CommitError::Guard(companies::CONFIG_VERSION_GUARD)));
        let mut versions = companies::versions(db, &[two.id, one.id, company_id(9)]).await.unwrap();
        versions.sort();
        assert_eq!(versions, [(one.id, 2), (two.id, 1)]);
        let ids: Vec<_> = companies::list(db, None, 10).await.unwrap().iter().map(|c| c.id).collect();
        assert_eq!(ids, [one.id, two.id]);
        assert_eq!(companies::list(db, Some(one.id), 10).await.unwrap().len(), 1);

        assert_eq!(rules::list(db, one.id).await.unwrap(), std::slice::from_ref(&rule));
        let changed = Rule { types: vec![], route: vec![], hold: false, version: 2, ..rule.clone() };
        for (expected, version) in [(Ok(vec![]), 2), (Err(CommitError::Guard(rules::VERSION_GUARD)), 2)] {
            let mut batch = Batch::new();
            rules::update(&mut batch, one.id, &Rule { version, ..changed.clone() });
            assert_eq!(db.commit(batch).await, expected);
        }
        assert_eq!(rules::find(db, one.id, rule.id).await.unwrap(), Some(changed));
        assert_eq!(rules::find(db, two.id, rule.id).await.unwrap(), None);
        let found = users::by_email(db, "ada@example.com").await.unwrap().unwrap();
        assert_eq!((found.company_id, found.role, &*found.password_hash), (one.id, users::Role::Owner, "$argon2id$x"));
        assert!(!format!("{found:?}").contains("argon2id"));
        assert_eq!(users::list(db, two.id).await.unwrap().len(), 0);
        assert_eq!(brands::find(db, one.id, &brand.id).await.unwrap().unwrap().name, brand.name);
        assert!(brands::find(db, two.id, &brand.id).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_and_audit_entries_come_back_as_they_went() {
    on_both(async |db| {
        let master = MasterKey::generate().unwrap();
        let (owner, key) = company(&master, 1);
        let mut credential = Credential {
            id: CredentialId::new(NOW, [1; 6]),
            company_id: owner.id,
            kind: CredentialKind::Company,
            name: "shop".to_owned(),
            scopes: vec![Scope::Payin, Scope::Read],
            secret: Some(Secret::new("mks_canary")),
            token_digest: None,
            made_by: Vec::new(),
            generation: 1,
            expires_at: NOW.plus_ms(9),
            revoked_at: None,
            created_at: NOW,
            last_used_at: None,
        };
        let mut batch = Batch::new();
        companies::insert(&mut batch, &owner);
        credentials::insert(&mut batch, &key, &credential).unwrap();
        for n in 0..3 {
            let mut entry = audit::AuditEntry::new(NOW.plus_ms(n), [0; 6], "user:1", "rule.create", format!("rule:{n}"));
            entry.after = (n == 1).then(|| Json::object([("a", Json::Number("1.50".into()))]));
            entry.from = (n == 2).then(|| "127.0.0.1".to_owned());
            audit::insert(&mut batch, owner.id, &entry);
        }
        db.commit(batch).await.unwrap();
        assert_eq!(credentials::owner(db, credential.id).await.unwrap(), Some(owner.id));
        let found = credentials::find(db, &key, owner.id, credential.id).await.unwrap().unwrap();
        assert_eq!(found.secret.unwrap().expose(), "mks_canary");
        assert_eq!(found.scopes, credential.scopes);
        for at in [5, 3] {
            let mut batch = Batch::new();
            credentials::touch(&mut batch, owner.id, credential.id, NOW.plus_ms(at));
            db.commit(batch).await.unwrap();
        }
        let found = credentials::list(db, &key, owner.id).await.unwrap().remove(0);
        assert_eq!(found.last_used_at, Some(NOW.plus_ms(5)));
        credential.revoked_at = Some(NOW);
        credential.secret = None;
        credential.token_digest = Some([7; 32]);
        let mut batch = Batch::new();
        credentials::update(&mut batch, &key, &credential).unwrap();
        db.commit(batch).await.unwrap();
        assert!(credentials::active(db, &key, owner.id).await.unwrap().is_empty());
        let found = credentials::find(db, &key, owner.id, credential.id).await.unwrap().unwrap();
        assert!(found.secret.is_none() && found.token_digest == Some([7; 32]) && found.revoked_at == Some(NOW));

        let page = audit::list(db, owner.id, None, 2).await.unwrap();
        assert_eq!(page.iter().map(|entry| &*entry.object).collect::<Vec<_>>(), ["rule:2", "rule:1"]);
        assert_eq!(page[1].after.as_ref().unwrap().to_text(), r#"{"a":1.50}"#);
        let rest = audit::list(db, owner.id, Some(&page[1].id), 2).await.unwrap();
        assert_eq!(rest.iter().map(|entry| &*entry.object).collect::<Vec<_>>(), ["rule:0"]);
        assert!(audit::list(db, company_id(2), None, 2).await.unwrap().is_empty());
    })
    .await;
}

/// S3: sealed columns of one row put into another do not open, whatever the pair.
#[tokio::test(flavor = "multi_thread")]
async fn swapped_ciphertext_does_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let db = SqliteDriver::open(&directory.path().join("t.db")).unwrap();
    db.migrate(migrate::migrations(db.dialect())).await.unwrap();
    let master = MasterKey::generate().unwrap();
    let (owner, key) = company(&master, 1);
    let mut batch = Batch::new();
    companies::insert(&mut batch, &owner);
    let mut runner = TestRunner::deterministic();
    let mut ids = Vec::new();
    for n in 0..33_u8 {
        let mut method = method(owner.id).new_tree(&mut runner).unwrap().current();
        method.id = MethodId::new(NOW, [n; 6]);
        ids.push(method.id);
        methods::insert(&mut batch, &key, &method).unwrap();
    }
    db.commit(batch).await.unwrap();
    let mut refused = 0;
    for (from, to) in ids.iter().flat_map(|from| ids.iter().map(move |to| (from, to))).filter(|(a, b)| a != b) {
        let mut batch = Batch::new();
        batch.run("CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT id, secrets FROM payment_methods", vec![]);
        batch.run(
            "UPDATE payment_methods SET secrets = (SELECT secrets FROM kept WHERE id = ?1) WHERE id = ?2",
            vec![from.to_string().into(), to.to_string().into()],
        );
        db.commit(batch).await.unwrap();
        assert!(methods::find(&db, &key, owner.id, *to).await.is_err());
        refused += 1;
        let mut batch = Batch::new();
        batch.run(
            "UPDATE payment_methods SET secrets = (SELECT secrets FROM kept WHERE id = ?1) WHERE id = ?1",
            vec![to.to_string().into()],
        );
        db.commit(batch).await.unwrap();
        assert!(methods::find(&db, &key, owner.id, *to).await.is_ok());
        if refused == 1_000 {
            break;
        }
    }
    assert_eq!(refused, 1_000);
}
