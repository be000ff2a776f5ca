//! Management tokens.

use crate::auth::AuthError;
use crate::auth::caller::management_caller;
use crate::directory::change::CompanyPatch;
use crate::directory::tests::world::{World, on_both};
use domain::Scope;
use domain::company::CredentialKind;

async fn verdict(world: &World, token: &str) -> Result<Vec<Scope>, AuthError> {
    let header = format!("Bearer {token}");
    management_caller(&world.directory, Some(&header), world.clock.now().into()).await.map(|caller| caller.scopes)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_very_token_is_let_in() {
    on_both(async |world| {
        let company = world.company("one").await;
        let issued = world.credential(company, CredentialKind::Management, &[Scope::Approve, Scope::Read]).await;
        let token = issued.token.expose().to_owned();
        assert_eq!(verdict(world, &token).await.unwrap(), [Scope::Read, Scope::Approve]);
        let other = world.credential(company, CredentialKind::Management, &Scope::MANAGEMENT).await;
        let other = other.token.expose().to_owned();
        let merchant = world.credential(company, CredentialKind::Company, &Scope::COMPANY).await;
        let (name, secret) = token.split_at(token.len() - 43);
        let last = if secret.ends_with('A') { 'B' } else { 'A' };
        for bad in [
            String::new(),
            name.to_owned(),
            secret.to_owned(),
            token.to_uppercase(),
            format!("{token}A"),
            token[..token.len() - 1].to_owned(),
            format!("{}{last}", &token[..token.len() - 1]),
            format!("{name}{}", &other[other.len() - 43..]),
            token.replace("mm_", "mt_"),
            token.replace("mm_", "mm__"),
            merchant.token.expose().to_owned(),
            merchant.api_secret.unwrap().expose().to_owned(),
            format!("mm_{}_{secret}", merchant.credential.id),
        ] {
            assert_eq!(verdict(world, &bad).await, Err(AuthError::Unauthorized), "{bad}");
        }

        let suspend = |suspended| CompanyPatch { suspended: Some(suspended), ..CompanyPatch::default() };
        world.changes().update_company(company, &suspend(true)).await.unwrap();
        assert_eq!(verdict(world, &token).await, Err(AuthError::Forbidden));
        assert_eq!(verdict(world, &format!("{token}A")).await, Err(AuthError::Unauthorized));
        world.changes().update_company(company, &suspend(false)).await.unwrap();

        let rotated = world.changes().rotate_credential(company, issued.credential.id).await.unwrap();
        assert_eq!(verdict(world, &token).await, Err(AuthError::Unauthorized));
        assert!(verdict(world, rotated.token.expose()).await.is_ok());
        world.changes().revoke_credential(company, issued.credential.id).await.unwrap();
        assert_eq!(verdict(world, rotated.token.expose()).await, Err(AuthError::Unauthorized));
        assert!(verdict(world, &other).await.is_ok());
        world.clock.advance(365 * 86_400_000);
        assert_eq!(verdict(world, &other).await, Err(AuthError::Unauthorized), "expired");
    })
    .await;
}
