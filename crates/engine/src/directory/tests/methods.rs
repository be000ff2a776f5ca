//! Payment methods.

use super::world::{World, on_both};
use crate::directory::change::{Actor, ChangeError, MethodPatch, NewMethod, Previous, RulePatch, WebhookSecretKind};
use crate::directory::view;
use domain::urls::Environment;
use domain::{CredentialId, Json, PaymentMethod};
use store::Driver;
use store::repository::{audit, methods};

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap()
}

/// A complete configuration of ForumPay (its sheet, "Configuration").
fn forumpay() -> NewMethod {
    NewMethod {
        psp_type: "FORUMPAY".to_owned(),
        brand_id: None,
        enabled: true,
        config: json(r#"{"username":"user","password":"canary-pass","siteUrl":"https://shop.example/back"}"#),
        roles: Vec::new(),
    }
}

fn merchant() -> Actor {
    Actor::credential(CredentialId::new(super::world::NOW, [1; 6]), false, Some("192.0.2.1".to_owned()))
}

fn patch(config: &str) -> MethodPatch {
    MethodPatch { enabled: None, config: Some(json(config)) }
}

fn sentences(result: Result<PaymentMethod, ChangeError>) -> Vec<String> {
    match result {
        Err(ChangeError::Invalid(sentences)) => sentences,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_is_kept_shown_and_changed() {
    on_both(async |world| {
        let id = world.company("one").await;
        let changes = world.changes_by(merchant());
        let made = changes.create_payment_method(id, &forumpay()).await.unwrap();
        assert!(made.webhook_secrets.signing.expose().starts_with("whsec_"));
        assert!(made.webhook_secrets.bearer.expose().starts_with("whb_"));
        let loaded = world.directory.company(id).await.unwrap().unwrap();
        let found = loaded.method(made.id).unwrap();
        assert_eq!(found.settings.text("password"), Some("canary-pass"));
        let shown = view::method(found, &world.config).to_text();
        assert!(!shown.contains("canary") && shown.contains(r#""password":{"set":true,"updatedAt":""#), "{shown}");

        world.clock.advance(1_000);
        let changed = changes.update_payment_method(id, made.id, &patch(r#"{"siteUrl":null}"#)).await.unwrap();
        assert_eq!(changed.settings.text("siteUrl"), None);
        assert_eq!(changed.settings.text("password"), Some("canary-pass"), "what is not named stays");
        assert!(changed.updated_at > changed.created_at);
        let off = MethodPatch { enabled: Some(false), config: None };
        assert!(!changes.update_payment_method(id, made.id, &off).await.unwrap().enabled);

        let bad = patch(r#"{"siteUrl":"ftp://x","webhookUrl":"https://10.0.0.1/","nonsense":1}"#);
        let refused = sentences(changes.update_payment_method(id, made.id, &bad).await);
        assert_eq!(refused.len(), 3, "{refused:?}");
        let refused = changes.update_payment_method(world.company("two").await, made.id, &off).await;
        assert!(matches!(refused, Err(ChangeError::NotFound)));

        let entries = audit::list(world.db.as_ref(), id, None, 200).await.unwrap();
        assert_eq!(entries.iter().filter(|entry| entry.action.starts_with("payment_method.")).count(), 3);
        assert!(!format!("{entries:?}").contains("canary"));
        let entry = entries.iter().find(|entry| entry.action == "payment_method.create").unwrap();
        assert_eq!(entry.from.as_deref(), Some("192.0.2.1"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_providers_and_brands_are_told() {
    let world = World::sqlite().await;
    let id = world.company("one").await;
    let changes = world.changes();
    let unknown = NewMethod { psp_type: "NOBODY".to_owned(), ..forumpay() };
    assert_eq!(sentences(changes.create_payment_method(id, &unknown).await), ["Unknown pspType: NOBODY"]);
    let unknown = NewMethod { brand_id: Some("b".to_owned()), config: Json::Null, ..forumpay() };
    assert_eq!(
        sentences(changes.create_payment_method(id, &unknown).await),
        ["brandId must be a brand of the company", "config must be an object"]
    );
    let bare = NewMethod { config: json("{}"), ..forumpay() };
    let bare = changes.create_payment_method(id, &bare).await.unwrap();
    let warnings = view::warnings(&bare, &world.config);
    assert!(warnings.iter().any(|warning| warning == "Missing required field: username"), "{warnings:?}");
    let rule = RulePatch {
        name: Some("r".to_owned()),
        psp_types: Some(vec!["PAYONE".to_owned()]),
        route: Some(vec![bare.id.to_string()]),
        ..RulePatch::default()
    };
    match changes.create_rule(id, &rule).await {
        Err(ChangeError::Invalid(sentences)) => {
            assert_eq!(sentences, ["action.route: FORUMPAY is none of match.pspTypes"]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_by_role_follow_their_parts_and_are_never_shown() {
    on_both(async |world| {
        let id = world.company("one").await;
        let roles = [("baseUrl", "role:simulator"), ("webhookUrl", "role:shop/webhook"), ("siteUrl", "role:shop/return")];
        let new = NewMethod {
            config: json(r#"{"username":"user","password":"canary-pass"}"#),
            roles: roles.iter().map(|(field, role)| ((*field).to_owned(), (*role).to_owned())).collect(),
            ..forumpay()
        };
        let made = world.changes().create_payment_method(id, &new).await.unwrap();
        let base = made.settings.text("baseUrl").unwrap();
        assert!(base.starts_with("http://127.0.0.1:8081/forumpay"), "{base}");
        assert_eq!(made.settings.text("webhookUrl"), Some("http://127.0.0.1:8082/webhook"));

        // A restart on other ports.
        let mut moved = world.another_process();
        moved.config.simulator_url = Some("http://127.0.0.1:9001".to_owned());
        moved.config.shop_url = Some("http://127.0.0.1:9002".to_owned());
        moved.directory = crate::directory::Directory::new(moved.db.clone(), &moved.master_key, &moved.config).into();
        let snapshot = moved.directory.company(id).await.unwrap().unwrap();
        let method = snapshot.method(made.id).unwrap();
        assert!(method.settings.text("baseUrl").unwrap().starts_with("http://127.0.0.1:9001/forumpay"));
        assert_eq!(method.settings.text("siteUrl"), Some("http://127.0.0.1:9002/return"));

        // Another field changes, and an address is sent back as it was read: the roles stay. Another address takes its place.
        let changes = moved.changes_by(merchant());
        let same = r#"{"accountName":"A","webhookUrl":"http://127.0.0.1:9002/webhook"}"#;
        changes.update_payment_method(id, made.id, &patch(same)).await.unwrap();
        let other = r#"{"siteUrl":"https://shop.example/"}"#;
        changes.update_payment_method(id, made.id, &patch(other)).await.unwrap();
        let stored = methods::find(world.db.as_ref(), &snapshot.data_key, id, made.id).await.unwrap().unwrap();
        let settings = &stored.method.settings;
        assert_eq!(settings.text("baseUrl"), Some("role:simulator"));
        assert_eq!(settings.text("webhookUrl"), Some("role:shop/webhook"));
        assert_eq!(settings.text("siteUrl"), Some("https://shop.example/"));

        // Nobody sets a role by the API, not even an owner, and none is seen.
        for field in ["baseUrl", "webhookUrl", "siteUrl"] {
            let role = patch(&format!(r#"{{"{field}":"role:simulator"}}"#));
            assert!(!sentences(world.changes().update_payment_method(id, made.id, &role).await).is_empty());
        }
        let entries = audit::list(world.db.as_ref(), id, None, 200).await.unwrap();
        let shown = view::method(method, &moved.config).to_text();
        assert!(!format!("{entries:?} {shown}").contains("role:"));

        // Without a simulator its credentials go nowhere.
        let mut alone = world.another_process();
        (alone.config.simulator_url, alone.config.shop_url) = (None, None);
        alone.directory = crate::directory::Directory::new(alone.db.clone(), &alone.master_key, &alone.config).into();
        let snapshot = alone.directory.company(id).await.unwrap().unwrap();
        let method = snapshot.method(made.id).unwrap();
        assert_eq!(method.settings.text("baseUrl"), Some("https://simulator.invalid"));
        assert_eq!(method.settings.text("webhookUrl"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_address_of_a_simulator_is_a_path_below_it() {
    on_both(async |world| {
        let id = world.company("one").await;
        let new = NewMethod {
            psp_type: "NEOSURF".to_owned(),
            config: json(r#"{"apiKey":"canary-key","merchantId":"24842"}"#),
            roles: vec![("soapUrl".to_owned(), "role:simulator/soap/index.php".to_owned())],
            ..forumpay()
        };
        let made = world.changes().create_payment_method(id, &new).await.unwrap();
        assert_eq!(made.settings.text("soapUrl"), Some("http://127.0.0.1:8081/neosurf/soap/index.php"));
        let mut alone = world.another_process();
        alone.config.simulator_url = None;
        alone.directory = crate::directory::Directory::new(alone.db.clone(), &alone.master_key, &alone.config).into();
        let snapshot = alone.directory.company(id).await.unwrap().unwrap();
        assert_eq!(snapshot.method(made.id).unwrap().settings.text("soapUrl"), Some("https://simulator.invalid"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_of_a_sandbox_say_where_credentials_go() {
    let elsewhere = patch(r#"{"baseUrl":"https://elsewhere.example/api"}"#);
    let world = World::sqlite().await;
    let id = world.company("one").await;
    let made = world.changes().create_payment_method(id, &forumpay()).await.unwrap();
    assert_eq!(sentences(world.changes_by(merchant()).update_payment_method(id, made.id, &elsewhere).await).len(), 1);
    let owner = Actor { owns: true, ..merchant() };
    let changed = world.changes_by(owner.clone()).update_payment_method(id, made.id, &elsewhere).await.unwrap();
    assert_eq!(changed.settings.text("baseUrl"), Some("https://elsewhere.example/api"));

    let world = World::sqlite_in(Environment::Production).await;
    let id = world.company("one").await;
    let made = world.changes().create_payment_method(id, &forumpay()).await.unwrap();
    assert_eq!(sentences(world.changes_by(owner).update_payment_method(id, made.id, &elsewhere).await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_webhook_secrets_keep_the_one_before_for_a_day() {
    let world = World::sqlite().await;
    let id = world.company("one").await;
    let changes = world.changes();
    let made = changes.create_payment_method(id, &forumpay()).await.unwrap();
    let original = &made.webhook_secrets;
    for kind in [WebhookSecretKind::Signing, WebhookSecretKind::Bearer] {
        let (fresh, until) = changes.rotate_webhook_secret(id, made.id, kind, Previous::Keep).await.unwrap();
        assert_eq!(until, world.clock.now().plus_ms(24 * 3_600_000));
        let snapshot = world.directory.company(id).await.unwrap().unwrap();
        let secrets = &snapshot.method(made.id).unwrap().webhook_secrets;
        let (current, previous, original) = match kind {
            WebhookSecretKind::Signing => (&secrets.signing, secrets.earlier_signing.first(), &original.signing),
            WebhookSecretKind::Bearer => (&secrets.bearer, secrets.previous_bearer.as_ref(), &original.bearer),
        };
        assert_eq!(current.expose(), fresh.expose());
        let (before, end) = previous.unwrap();
        assert_eq!((before.expose(), *end), (original.expose(), until));
    }
    // Rotated again within the day: the bearer that receivers know is still the one that is sent, to the end that it was
    // promised.
    let (_, promised) = changes.rotate_webhook_secret(id, made.id, WebhookSecretKind::Bearer, Previous::Keep).await.unwrap();
    let snapshot = world.directory.company(id).await.unwrap().unwrap();
    let (sent, until) = snapshot.method(made.id).unwrap().webhook_secrets.previous_bearer.clone().unwrap();
    assert_eq!((sent.expose(), until), (original.bearer.expose(), promised));
    assert!(snapshot.method(made.id).unwrap().callback_token.is_none() || view::callback_url(&made, &world.config).is_some());
    world.db.close().await;
}
