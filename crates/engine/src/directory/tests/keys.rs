//! Master keys.

use super::world::{World, on_both};
use crate::core::StartError;
use crate::directory::{Directory, check_master_key, rotate_master_key};
use domain::company::CredentialKind;
use domain::{CompanyId, Currency, Scope};
use std::time::{Duration, Instant};
use store::repository::companies::{self, StoredCompany};
use store::vault::{DataKey, MasterKey};
use store::{Batch, Driver};

/// S3.
const COMPANIES: u32 = 10_000;
/// S3.
const REWRAP_LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_is_refused() {
    on_both(async |world| {
        check_master_key(world.db.as_ref(), &world.master_key).await.unwrap();
        let other = MasterKey::generate().unwrap();
        let refused = check_master_key(world.db.as_ref(), &other).await;
        assert!(matches!(refused, Err(StartError::WrongMasterKey)), "{refused:?}");
        let refused = rotate_master_key(world.db.as_ref(), &other, &world.master_key).await;
        assert!(matches!(refused, Err(StartError::WrongMasterKey)), "{refused:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_master_key_opens_everything_and_leaves_tokens_good() {
    on_both(async |world| {
        let id = world.company("one").await;
        let issued = world.credential(id, CredentialKind::Company, &Scope::COMPANY).await;
        let new = MasterKey::generate().unwrap();
        assert_eq!(rotate_master_key(world.db.as_ref(), &world.master_key, &new).await.unwrap(), 1);
        assert!(check_master_key(world.db.as_ref(), &world.master_key).await.is_err());
        check_master_key(world.db.as_ref(), &new).await.unwrap();

        let directory = Directory::new(world.db.clone(), &new, &world.config);
        let found = directory.credential(issued.credential.id).await.unwrap().unwrap();
        assert_eq!(found.secret.as_ref().unwrap().expose(), issued.api_secret.as_ref().unwrap().expose());
        let header = format!("Bearer {}", issued.token.expose());
        let caller = crate::auth::company_caller_at(&directory, Some(&header), world.clock.now().into()).await.unwrap();
        assert_eq!(caller.company.company.id, id);
        let old = Directory::new(world.db.clone(), &world.master_key, &world.config);
        assert!(old.company(id).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_keys_are_wrapped_anew_in_time_and_an_interrupted_run_goes_on() {
    let world = World::sqlite().await;
    let now = world.clock.now();
    let mut batch = Batch::new();
    for n in 0..COMPANIES {
        let mut random = [0; 6];
        random[..4].copy_from_slice(&n.to_be_bytes());
        let id = CompanyId::new(now, random);
        let key = DataKey::generate(&id.to_string()).unwrap();
        companies::insert(&mut batch, &stored(id, world.master_key.wrap(&key).unwrap(), now));
        if batch.len() == 2_000 {
            world.db.commit(std::mem::take(&mut batch)).await.unwrap();
        }
    }
    let new = MasterKey::generate().unwrap();
    // As if a first run had been killed after one company.
    let first = companies::list(world.db.as_ref(), None, 1).await.unwrap().remove(0);
    let rewrapped = new.wrap(&first.open_data_key(&world.master_key).unwrap()).unwrap();
    let mut batch = Batch::new();
    companies::rewrap(&mut batch, first.id, &first.data_key, rewrapped);
    world.db.commit(batch).await.unwrap();

    let start = Instant::now();
    let wrapped = rotate_master_key(world.db.as_ref(), &world.master_key, &new).await.unwrap();
    let took = start.elapsed();
    assert_eq!(wrapped, u64::from(COMPANIES) - 1);
    assert!(took <= REWRAP_LIMIT, "{took:?}");
    for company in companies::list(world.db.as_ref(), None, COMPANIES + 1).await.unwrap() {
        company.open_data_key(&new).unwrap();
    }
}

fn stored(id: CompanyId, data_key: Vec<u8>, now: domain::Timestamp) -> StoredCompany {
    StoredCompany {
        id,
        name: "x".to_owned(),
        billing_currency: Currency::from_code("EUR").unwrap(),
        country: "MT".to_owned(),
        suspended: false,
        user_auth_url: None,
        user_token_algorithm: None,
        user_token_key: None,
        user_token_key_at: None,
        data_key,
        config_version: 1,
        created_at: now,
        updated_at: now,
    }
}
