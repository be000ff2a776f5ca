//! What is sent about what is set up, and what a process sends when it starts.

use super::recorder::Recorder;
use super::{NOW, company, method};
use crate::driver::Driver;
use crate::repository::{brands, bring_back, callbacks, companies, credentials, jobs, methods, nodes, rules, users};
use crate::vault::DataKey;
use crate::{Batch, Dialect};
use domain::company::{Brand, CredentialKind, Rule, Settings, WebhookSecrets};
use domain::{Credential, CredentialId, Currency, Operation, PaymentMethod, RuleId, Scope, Secret};

/// Everything of these.
pub(super) async fn sent(db: &Recorder, dialect: Dialect) {
    written(db).await;
    read(db).await;
    starting(db, dialect).await;
}

fn key() -> DataKey {
    DataKey::generate(&company().to_string()).unwrap()
}

fn credential() -> Credential {
    Credential {
        id: CredentialId::new(NOW, [1; 6]),
        company_id: company(),
        kind: CredentialKind::Company,
        name: "shop".to_owned(),
        scopes: vec![Scope::Payin],
        secret: None,
        token_digest: None,
        made_by: Vec::new(),
        generation: 1,
        expires_at: NOW,
        revoked_at: None,
        created_at: NOW,
        last_used_at: None,
    }
}

fn account() -> PaymentMethod {
    PaymentMethod {
        id: method(),
        company_id: company(),
        psp_type: "PAYONE".to_owned(),
        brand_id: None,
        enabled: true,
        settings: Settings::default(),
        webhook_secrets: WebhookSecrets {
            signing: Secret::new("a"),
            earlier_signing: Vec::new(),
            bearer: Secret::new("b"),
            previous_bearer: None,
        },
        callback_token: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn rule() -> Rule {
    Rule {
        id: RuleId::new(NOW, [1; 6]),
        name: "rule".to_owned(),
        priority: 1,
        active: true,
        psp_types: Vec::new(),
        brand_ids: Vec::new(),
        types: vec![Operation::PayOut],
        route: vec![method()],
        hold: true,
        version: 2,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn brand() -> Brand {
    Brand { id: "brand".parse().unwrap(), name: "Brand".to_owned(), active: true, created_at: NOW, updated_at: NOW }
}

fn firm() -> companies::StoredCompany {
    companies::StoredCompany {
        id: company(),
        name: "Company".to_owned(),
        billing_currency: Currency::from_code("EUR").unwrap(),
        country: "MT".to_owned(),
        suspended: false,
        user_auth_url: None,
        user_token_algorithm: None,
        user_token_key: None,
        user_token_key_at: None,
        data_key: vec![1],
        config_version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn person() -> users::User {
    users::User {
        company_id: company(),
        id: "0".repeat(24),
        email: "a@example.com".to_owned(),
        first_name: "A".to_owned(),
        last_name: "B".to_owned(),
        password_hash: "hash".to_owned(),
        role: users::Role::Owner,
        created_at: NOW,
        updated_at: NOW,
    }
}

async fn written(db: &Recorder) {
    let (mut batch, key) = (Batch::new(), key());
    companies::insert(&mut batch, &firm());
    companies::update(&mut batch, &firm());
    companies::raise_version(&mut batch, company(), 1);
    companies::rewrap(&mut batch, company(), &[1], vec![2]);
    users::insert(&mut batch, &person());
    users::update(&mut batch, &person());
    credentials::insert(&mut batch, &key, &credential()).unwrap();
    credentials::update(&mut batch, &key, &credential()).unwrap();
    credentials::touch(&mut batch, company(), credential().id, NOW);
    brands::insert(&mut batch, company(), &brand());
    brands::update(&mut batch, company(), &brand());
    methods::insert(&mut batch, &key, &account()).unwrap();
    methods::update(&mut batch, &key, &account(), 1).unwrap();
    rules::insert(&mut batch, company(), &rule());
    rules::update(&mut batch, company(), &rule());
    rules::delete(&mut batch, company(), rule().id);
    let _ = db.commit(batch).await;
}

async fn read(db: &Recorder) {
    let key = key();
    let _ = companies::find(db, company()).await;
    let _ = companies::list(db, None, 200).await;
    let _ = companies::versions(db, &[company()]).await;
    let _ = users::by_email(db, "a@example.com").await;
    let _ = users::list(db, company()).await;
    let _ = credentials::owner(db, credential().id).await;
    let _ = credentials::find(db, &key, company(), credential().id).await;
    let _ = credentials::list(db, &key, company()).await;
    let _ = credentials::active(db, &key, company()).await;
    let _ = brands::find(db, company(), &brand().id).await;
    let _ = brands::list(db, company()).await;
    let _ = methods::find(db, &key, company(), method()).await;
    let _ = methods::list(db, &key, company()).await;
    let _ = methods::by_callback_token(db, [1; 32]).await;
    let _ = rules::find(db, company(), rule().id).await;
    let _ = rules::list(db, company()).await;
}

/// What a process sends when it starts and while it lives.
async fn starting(db: &Recorder, dialect: Dialect) {
    let mut batch = Batch::new();
    nodes::beat(&mut batch, dialect, "node", NOW);
    nodes::bury(&mut batch, "other", NOW);
    nodes::forget(&mut batch, "node", NOW);
    jobs::release_others(&mut batch, "node", NOW);
    jobs::pull_inquiries_forward(&mut batch, NOW);
    callbacks::release_others(&mut batch, "node", NOW);
    let steps = bring_back::Steps { inquiry: [1; 8], late: [1; 3], hold: 1, delivery: [1; 12], retry_after: 1 };
    bring_back::bring_back(&mut batch, NOW, &steps);
    if dialect == Dialect::Sqlite {
        bring_back::leave_out(&mut batch, 1);
    }
    let _ = db.commit(batch).await;
    let _ = nodes::store_clock(db).await;
    let _ = nodes::last_seen(db).await;
    let _ = nodes::beats(db).await;
    let _ = nodes::any_since(db, NOW).await;
    let _ = nodes::is_known(db, "node").await;
    let _ = nodes::list(db).await;
}
