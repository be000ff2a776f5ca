//! Companies, brands, rules, credentials, people: what is refused, what is kept, what is on the audit log.

use super::world::{World, on_both};
use crate::admin::AdminError;
use crate::directory::change::{ChangeError, CompanyPatch, NewCompany, NewCredential, NewUser, NewUserTokenKey, RulePatch};
use domain::company::CredentialKind;
use domain::{CompanyId, Operation, RuleId, Scope, Secret};
use futures::future::join_all;
use std::sync::atomic::Ordering;
use store::Driver;
use store::repository::audit;

fn sentences<T: std::fmt::Debug>(result: Result<T, ChangeError>) -> Vec<String> {
    match result {
        Err(ChangeError::Invalid(sentences)) => sentences,
        other => panic!("{other:?}"),
    }
}

fn strings(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

async fn actions(world: &World, id: CompanyId) -> Vec<String> {
    let entries = audit::list(world.db.as_ref(), id, None, 200).await.unwrap();
    entries.into_iter().rev().map(|entry| entry.action).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_is_told_at_once() {
    let world = World::sqlite().await;
    let changes = world.changes();
    let bad = NewCompany { name: " ".to_owned(), billing_currency: "EURO".to_owned(), country: "Malta".to_owned() };
    assert_eq!(
        sentences(changes.create_company(&bad).await),
        [
            "name must be 1 to 100 characters",
            "billingCurrency must be an ISO 4217 code",
            "country must be an ISO 3166-1 alpha-2 code"
        ]
    );
    let id = world.company("one").await;
    let patch = RulePatch {
        name: None,
        priority: Some(1_000_001),
        psp_types: strings(&["PAYONE", "NOBODY", "PAYONE"]),
        brand_ids: strings(&["b"]),
        types: strings(&["PAYIN", "payout"]),
        route: strings(&["nothing"]),
        ..RulePatch::default()
    };
    assert_eq!(
        sentences(changes.create_rule(id, &patch).await),
        [
            "Missing required field: name",
            "priority must be a whole number from -1000000 to 1000000",
            "Unknown pspType: NOBODY",
            "match.types must be PAYIN or PAYOUT",
            "match.brandIds: there is no brand b",
            "action.route: there is no payment method nothing",
        ]
    );
    let new = NewCredential { kind: CredentialKind::Company, name: String::new(), scopes: vec![Scope::Own] };
    assert_eq!(
        sentences(changes.create_credential(id, &new).await),
        ["name must be 1 to 100 characters", "scopes must be a list of payin, payout, read"]
    );
    let user = NewUser {
        email: "nobody".to_owned(),
        first_name: String::new(),
        last_name: "x".repeat(101),
        role: "king".to_owned(),
        password_hash: "secret".to_owned(),
    };
    assert_eq!(sentences(changes.create_user(id, &user).await).len(), 5);
    let patch = CompanyPatch {
        user_auth_url: Some(Some("http://shop.example/".to_owned())),
        user_token_key: Some(Some(NewUserTokenKey { algorithm: "none".to_owned(), key: Secret::new("x") })),
        ..CompanyPatch::default()
    };
    assert_eq!(
        sentences(changes.update_company(id, &patch).await),
        ["userAuthUrl must be an https URL", "userTokenKey.algorithm must be one of HS256, RS256, ES256"]
    );
    // Nothing was written for any of these.
    assert_eq!(actions(&world, id).await, ["company.create"]);
    assert_eq!(world.directory.company(id).await.unwrap().unwrap().version, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a row for each change")]
async fn each_change_is_kept_with_its_version_and_its_audit_entry() {
    on_both(async |world| {
        let id = world.company("one").await;
        let changes = world.changes();
        changes.create_brand(id, "b", "Brand", true).await.unwrap();
        assert_eq!(sentences(changes.create_brand(id, "b", "Again", true).await), ["brandId is in use already"]);
        let brand = changes.update_brand(id, &"b".parse().unwrap(), None, Some(false)).await.unwrap();
        assert!(!brand.active && brand.name == "Brand");
        let patch = RulePatch {
            name: Some("r".to_owned()),
            brand_ids: strings(&["b"]),
            types: strings(&["PAYOUT"]),
            hold: Some(true),
            ..RulePatch::default()
        };
        let rule = changes.create_rule(id, &patch).await.unwrap();
        assert_eq!((&*rule.types, rule.hold, rule.version), (&[Operation::PayOut][..], true, 1));
        let patch = RulePatch { types: Some(vec![]), priority: Some(5), ..RulePatch::default() };
        let rule = changes.update_rule(id, rule.id, &patch).await.unwrap();
        assert!(rule.types.is_empty() && rule.hold && rule.version == 2 && rule.brand_ids.len() == 1);
        assert_eq!(world.directory.company(id).await.unwrap().unwrap().rules, std::slice::from_ref(&rule));
        assert_eq!(changes.delete_rule(id, rule.id).await.unwrap(), rule);
        assert!(matches!(changes.delete_rule(id, rule.id).await, Err(ChangeError::NotFound)));

        let key = NewUserTokenKey { algorithm: "HS256".to_owned(), key: Secret::new("canary-0123456789") };
        let patch = CompanyPatch {
            user_auth_url: Some(Some("http://127.0.0.1:1/auth".to_owned())),
            user_token_key: Some(Some(key)),
            ..CompanyPatch::default()
        };
        let snapshot = changes.update_company(id, &patch).await.unwrap();
        assert_eq!(snapshot.company.user_token_key.as_ref().unwrap().key.expose(), "canary-0123456789");
        let patch = CompanyPatch { suspended: Some(true), user_token_key: Some(None), ..CompanyPatch::default() };
        let snapshot = changes.update_company(id, &patch).await.unwrap();
        assert!(snapshot.company.suspended && snapshot.company.user_token_key.is_none());
        assert_eq!(snapshot.company.user_auth_url.as_deref(), Some("http://127.0.0.1:1/auth"));

        let new = NewUser {
            email: "Ada@Example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "L".to_owned(),
            role: "owner".to_owned(),
            password_hash: "$argon2id$v=19$canary".to_owned(),
        };
        let user = changes.create_user(id, &new).await.unwrap();
        assert_eq!(user.email, "ada@example.com");
        assert_eq!(sentences(changes.create_user(id, &new).await), ["email is in use already"]);
        changes.reset_password(id, "ADA@example.com", "$argon2id$other").await.unwrap();

        let expected = [
            "company.create",
            "brand.create",
            "brand.update",
            "rule.create",
            "rule.update",
            "rule.delete",
            "company.update",
            "company.update",
            "user.create",
            "user.reset_password",
        ];
        let mut found = actions(world, id).await;
        let mut sorted = expected.map(str::to_owned).to_vec();
        // All of them at the same instant of the clock: the order within it is not kept.
        found.sort();
        sorted.sort();
        assert_eq!(found, sorted);
        assert_eq!(world.directory.company(id).await.unwrap().unwrap().version, 10);
        let entries = audit::list(world.db.as_ref(), id, None, 200).await.unwrap();
        let text = format!("{entries:?}");
        assert!(!text.contains("canary") && !text.contains("argon2id"), "{text}");
        let entry = entries.iter().find(|entry| entry.action == "brand.update").unwrap();
        assert_eq!((&*entry.actor, &*entry.object), ("operator", "brand:b"));
        assert_eq!(entry.before.as_ref().unwrap().get("active").unwrap().as_bool(), Some(true));
        assert_eq!(entry.after.as_ref().unwrap().get("active").unwrap().as_bool(), Some(false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_lose_nothing() {
    on_both(async |world| {
        let id = world.company("one").await;
        world.changes().create_brand(id, "b", "0", true).await.unwrap();
        let mut made = 0;
        let mut refused = 0;
        let attempts = (0..12).map(async |n: u32| {
            let changes = world.changes();
            changes.create_brand(id, &format!("b{n}"), "x", true).await
        });
        for result in join_all(attempts).await {
            match result {
                Ok(_) => made += 1,
                Err(ChangeError::Overtaken) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        let snapshot = world.directory.company(id).await.unwrap().unwrap();
        assert_eq!(snapshot.brands.len(), 1 + made);
        assert_eq!(snapshot.version, 2 + i64::try_from(made).unwrap());
        assert_eq!(actions(world, id).await.len(), 2 + made);
        assert!(made >= 8, "{made} made, {refused} refused");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_overtaken_four_times_is_made_and_one_that_was_five_times_is_refused() {
    on_both(async |world| {
        let id = world.company("one").await;
        for (times, brand) in [(4, "b"), (5, "c")] {
            world.db.overtaken.store(times, Ordering::SeqCst);
            let made = world.changes().create_brand(id, brand, "x", true).await;
            assert_eq!(world.db.overtaken.load(Ordering::SeqCst), 0);
            match made {
                Ok(brand) => assert_eq!((times, brand.id.as_str()), (4, "b")),
                Err(error) => {
                    let told = "The configuration is being changed by others; try again";
                    assert_eq!((times, AdminError::from(error)), (5, AdminError::Conflict(told.to_owned())));
                }
            }
        }
        let mut actions = actions(world, id).await;
        // Of one instant.
        actions.sort_unstable();
        assert_eq!(actions, ["brand.create", "company.create"]);
    })
    .await;
}

/// An email is of one person in all companies: no version of a company keeps two apart who take it at once.
#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_take_an_email_at_once_one_gets_it_and_the_others_are_told() {
    on_both(async |world| {
        let companies = join_all((0..6).map(|n| world.company(["1", "2", "3", "4", "5", "6"][n]))).await;
        let user = NewUser {
            email: "dana@example.com".to_owned(),
            first_name: "Dana".to_owned(),
            last_name: "Weiss".to_owned(),
            role: "owner".to_owned(),
            password_hash: "$argon2id$x".to_owned(),
        };
        let taken = companies.iter().map(async |id| world.changes().create_user(*id, &user).await);
        let (made, refused): (Vec<_>, Vec<_>) = join_all(taken).await.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 5));
        for refused in refused {
            assert_eq!(sentences(refused), ["email is in use already"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_companys_objects_are_not_found() {
    let world = World::sqlite().await;
    let (one, two) = (world.company("one").await, world.company("two").await);
    let changes = world.changes();
    let rule = RulePatch { name: Some("r".to_owned()), ..RulePatch::default() };
    let rule: RuleId = changes.create_rule(two, &rule).await.unwrap().id;
    let credential = world.credential(two, CredentialKind::Management, &[Scope::Read]).await.credential.id;
    changes.create_brand(two, "b", "B", true).await.unwrap();
    assert!(matches!(changes.update_rule(one, rule, &RulePatch::default()).await, Err(ChangeError::NotFound)));
    assert!(matches!(changes.delete_rule(one, rule).await, Err(ChangeError::NotFound)));
    assert!(matches!(changes.rotate_credential(one, credential).await, Err(ChangeError::NotFound)));
    assert!(matches!(changes.revoke_credential(one, credential).await, Err(ChangeError::NotFound)));
    let brand = "b".parse().unwrap();
    assert!(matches!(changes.update_brand(one, &brand, None, None).await, Err(ChangeError::NotFound)));
    assert_eq!(actions(&world, one).await, ["company.create"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_stays_revoked() {
    let world = World::sqlite().await;
    let id = world.company("one").await;
    let issued = world.credential(id, CredentialKind::Company, &Scope::COMPANY).await;
    let changes = world.changes();
    let rotated = changes.rotate_credential(id, issued.credential.id).await.unwrap();
    assert_eq!(rotated.credential.generation, 2);
    assert_ne!(rotated.api_secret.unwrap().expose(), issued.api_secret.unwrap().expose());
    let revoked = changes.revoke_credential(id, issued.credential.id).await.unwrap();
    let again = changes.revoke_credential(id, issued.credential.id).await.unwrap();
    assert!(revoked.revoked_at.is_some() && revoked.revoked_at == again.revoked_at);
    assert!(matches!(changes.rotate_credential(id, issued.credential.id).await, Err(ChangeError::Conflict(_))));
    assert_eq!(actions(&world, id).await.iter().filter(|action| *action == "credential.revoke").count(), 1);
}

/// S2, S3: nothing of what is secret is in the files of the database.
#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_database_give_nothing_away() {
    let world = World::sqlite().await;
    let id = world.company("one").await;
    let mut canaries: Vec<String> = Vec::new();
    for n in 0..40 {
        let issued = world.credential(id, CredentialKind::Company, &Scope::COMPANY).await;
        canaries.push(issued.token.expose().to_owned());
        canaries.extend(issued.api_secret.map(|secret| secret.expose().to_owned()));
        let managed = world.credential(id, CredentialKind::Management, &Scope::MANAGEMENT).await;
        canaries.push(managed.token.expose().to_owned());
        let secret = format!("canary-of-user-tokens-{n}");
        let key = NewUserTokenKey { algorithm: "HS256".to_owned(), key: Secret::new(&*secret) };
        let patch = CompanyPatch { user_token_key: Some(Some(key)), ..CompanyPatch::default() };
        world.changes().update_company(id, &patch).await.unwrap();
        canaries.push(secret);
    }
    assert!(canaries.len() >= 100);
    world.db.close().await;
    let mut dump = Vec::new();
    for file in std::fs::read_dir(world.files.as_ref().unwrap().path()).unwrap() {
        dump.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    assert!(dump.windows(10).any(|bytes| bytes == b"credential"), "the dump is the database");
    for canary in canaries {
        // The name of a credential is no secret: what follows it is.
        let secret = &canary.as_bytes()[canary.len() - 20..];
        assert!(!dump.windows(secret.len()).any(|bytes| bytes == secret), "{canary}");
    }
}
