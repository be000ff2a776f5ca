//! The directory and the changes, over both engines.

mod changes;
mod keys;
mod methods;
pub(crate) mod world;

use domain::company::CredentialKind;
use domain::{CredentialId, Scope};
use futures::future::join_all;
use std::sync::Arc;
use store::repository::credentials;
use world::{World, on_both};

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_directory_does_no_query_and_loads_once() {
    on_both(async |world| {
        let id = world.company("one").await;
        let issued = world.credential(id, CredentialKind::Company, &Scope::COMPANY).await;
        let credential = issued.credential.id;
        let directory = world.directory.clone();
        let before = world.queries();
        let all = join_all((0..64).map(|_| {
            let directory = directory.clone();
            tokio::spawn(async move { directory.company(id).await.unwrap().unwrap() })
        }))
        .await;
        // The company, then its brands, methods, rules and credentials: once for all 64.
        assert_eq!(world.queries() - before, 5);
        let first = all[0].as_ref().unwrap();
        assert!(all.iter().all(|snapshot| Arc::ptr_eq(snapshot.as_ref().unwrap(), first)));

        let found = directory.credential(credential).await.unwrap().unwrap();
        assert_eq!(found.company_id, id);
        let warm = world.queries();
        for _ in 0..100 {
            directory.company(id).await.unwrap().unwrap();
            directory.credential(credential).await.unwrap().unwrap();
        }
        assert_eq!(world.queries(), warm);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_here_at_once_and_elsewhere_after_a_refresh() {
    on_both(async |world| {
        let id = world.company("one").await;
        let other = world.another_process();
        assert!(other.directory.company(id).await.unwrap().unwrap().brands.is_empty());
        assert_eq!(world.directory.company(id).await.unwrap().unwrap().version, 1);

        let nobody = CredentialId::new(world.clock.now(), [9; 6]);
        assert!(other.directory.credential(nobody).await.unwrap().is_none());
        world.changes().create_brand(id, "b", "Brand", true).await.unwrap();
        let here = world.directory.company(id).await.unwrap().unwrap();
        assert_eq!((here.brands.len(), here.version), (1, 2));
        assert!(other.directory.company(id).await.unwrap().unwrap().brands.is_empty());
        other.directory.refresh().await.unwrap();
        assert_eq!(other.directory.company(id).await.unwrap().unwrap().brands.len(), 1);

        // A revocation by another process.
        let issued = world.credential(id, CredentialKind::Company, &Scope::COMPANY).await;
        let credential = issued.credential.id;
        other.directory.refresh().await.unwrap();
        assert!(other.directory.credential(credential).await.unwrap().is_some());
        world.changes().revoke_credential(id, credential).await.unwrap();
        assert!(world.directory.credential(credential).await.unwrap().is_none());
        other.directory.refresh().await.unwrap();
        assert!(other.directory.credential(credential).await.unwrap().is_none());

        // Nothing moved: what is loaded stays.
        let loaded = other.directory.company(id).await.unwrap().unwrap();
        other.directory.refresh().await.unwrap();
        assert!(Arc::ptr_eq(&loaded, &other.directory.company(id).await.unwrap().unwrap()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_used_at_most_once_a_minute_in_the_store() {
    on_both(async |world| {
        let id = world.company("one").await;
        let issued = world.credential(id, CredentialKind::Company, &Scope::COMPANY).await;
        let credential = issued.credential.id;
        world.directory.credential(credential).await.unwrap().unwrap();
        let last_used = async || {
            let key = &world.directory.company(id).await.unwrap().unwrap().data_key;
            credentials::find(world.db.as_ref(), key, id, credential).await.unwrap().unwrap().last_used_at
        };
        let start = world.clock.now();
        world.directory.touch(credential, start);
        assert_eq!(last_used().await, None);
        world.directory.flush_last_used().await;
        assert_eq!(last_used().await, Some(start));
        for (after_ms, written) in [(30_000, 0), (59_999, 0), (60_000, 60_000), (61_000, 60_000)] {
            world.directory.touch(credential, start.plus_ms(after_ms));
            world.directory.flush_last_used().await;
            assert_eq!(last_used().await, Some(start.plus_ms(written)), "after {after_ms} ms");
        }
        let commits = world.commits();
        world.directory.flush_last_used().await;
        assert_eq!(world.commits(), commits);
        // No version was raised for it.
        assert_eq!(world.directory.company(id).await.unwrap().unwrap().version, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_take_up_no_room() {
    let world = World::sqlite().await;
    for n in 0..50 {
        let id = domain::CompanyId::new(world.clock.now(), [n; 6]);
        assert!(world.directory.company(id).await.unwrap().is_none());
    }
    assert!(format!("{:?}", world.directory).contains("snapshots: 0"), "{:?}", world.directory);
    let stranger = CredentialId::new(world.clock.now(), [7; 6]);
    assert!(world.directory.credential(stranger).await.unwrap().is_none());
    let asked = world.queries();
    assert!(world.directory.credential(stranger).await.unwrap().is_none());
    assert_eq!(world.queries(), asked, "a stranger's id is remembered for a moment");
}
