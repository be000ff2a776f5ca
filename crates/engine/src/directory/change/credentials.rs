//! API credentials. What is secret of one is returned once, by the call that makes it.

use super::{CREDENTIALS_MAX, ChangeError, Changes, Open, Plan, change, name_problem, refuse, shown, view};
use crate::auth::issue;
use domain::company::CredentialKind;
use domain::{CompanyId, Credential, CredentialId, Scope, Secret};
use store::Batch;
use store::repository::credentials;

/// How long issued and management tokens are good, milliseconds (at most a year: Cashier API, section 2).
const TOKEN_VALID_MS: i64 = 365 * 24 * 3_600_000;

/// A credential to add.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// What it is for.
    pub kind: CredentialKind,
    /// Shown name.
    pub name: String,
    /// What it may do; each of them one that its kind can have.
    pub scopes: Vec<Scope>,
}

/// A credential with what is shown once.
#[derive(Clone, Debug)]
pub struct IssuedCredential {
    /// The credential.
    pub credential: Credential,
    /// Company kind: the API key, which is the `kid` of self-signed tokens.
    pub api_key: Option<String>,
    /// Company kind: what self-signed tokens are signed with.
    pub api_secret: Option<Secret>,
    /// The issued company token, or the management token.
    pub token: Secret,
}

impl Changes<'_> {
    /// Adds a credential.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every sentence; [`ChangeError::NotYours`] for a scope that the actor lacks.
    pub async fn create_credential(&self, company: CompanyId, new: &NewCredential) -> Result<IssuedCredential, ChangeError> {
        let allowed: &[Scope] = match new.kind {
            CredentialKind::Company => &Scope::COMPANY,
            CredentialKind::Management => &Scope::MANAGEMENT,
        };
        let mut problems: Vec<String> = name_problem("name", &new.name).into_iter().collect();
        if new.scopes.is_empty() || new.scopes.iter().any(|scope| !allowed.contains(scope)) {
            let words: Vec<_> = allowed.iter().map(|scope| scope.as_str()).collect();
            problems.push(format!("scopes must be a list of {}", words.join(", ")));
        }
        refuse(problems)?;
        self.must_have(&new.scopes)?;
        change!(self, company, |open| self.plan_new_credential(&open, new).await)
    }

    /// Nobody hands out a scope that they lack. Those of the Cashier API are given by whoever may make credentials.
    fn must_have(&self, scopes: &[Scope]) -> Result<(), ChangeError> {
        let Some(acting) = &self.actor.acting else { return Ok(()) };
        let given_with_own = |scope: &Scope| matches!(scope, Scope::Payin | Scope::Payout) && self.actor.owns;
        let lacking: Vec<&str> = scopes
            .iter()
            .filter(|scope| !given_with_own(scope) && !acting.scopes.contains(scope))
            .map(|scope| scope.as_str())
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(ChangeError::NotYours(format!("Your token cannot hand out what it does not have: {}", lacking.join(", "))))
    }

    /// Whoever acts, as the ones behind a credential that they make or rotate.
    fn behind(&self, known: &[CredentialId], of: CredentialId) -> Vec<CredentialId> {
        let mut all = known.to_vec();
        if let Some(acting) = &self.actor.acting {
            all.push(acting.credential.id);
            all.extend(&acting.credential.made_by);
        }
        all.sort_unstable();
        all.dedup();
        all.retain(|id| *id != of);
        all
    }

    async fn plan_new_credential(&self, open: &Open, new: &NewCredential) -> Result<Plan<IssuedCredential>, ChangeError> {
        let active = credentials::active(self.db, &open.data_key, open.company.id).await?;
        if active.len() >= CREDENTIALS_MAX {
            return Err(ChangeError::too_many("credentials", CREDENTIALS_MAX));
        }
        let now = self.now();
        let mut scopes = new.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        let id = CredentialId::new(now, self.random.bytes());
        let credential = Credential {
            id,
            made_by: self.behind(&[], id),
            company_id: open.company.id,
            kind: new.kind,
            name: new.name.clone(),
            scopes,
            secret: None,
            token_digest: None,
            generation: 0,
            expires_at: now,
            revoked_at: None,
            created_at: now,
            last_used_at: None,
        };
        let issued = self.issue(credential).await?;
        let mut batch = Batch::new();
        credentials::insert(&mut batch, &open.data_key, &issued.credential)?;
        Ok(Plan {
            batch,
            action: "credential.create",
            object: view::object("credential", &issued.credential.id),
            before: None,
            after: shown(view::credential(&issued.credential)),
            result: issued,
        })
    }

    /// Makes everything secret of a credential anew, at once: what was given out before is refused from now on.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`]; [`ChangeError::Conflict`] for a revoked one; [`ChangeError::NotYours`] for one that may do what
    /// the actor may not: its secret would be theirs.
    pub async fn rotate_credential(&self, company: CompanyId, id: CredentialId) -> Result<IssuedCredential, ChangeError> {
        change!(self, company, |open| self.plan_rotated_credential(&open, id).await)
    }

    async fn plan_rotated_credential(&self, open: &Open, id: CredentialId) -> Result<Plan<IssuedCredential>, ChangeError> {
        let before = self.stored_credential(open, id).await?;
        if before.revoked_at.is_some() {
            return Err(ChangeError::Conflict("The credential is revoked".to_owned()));
        }
        self.must_have(&before.scopes)?;
        let made_by = self.behind(&before.made_by, id);
        let issued = self.issue(Credential { made_by, ..before.clone() }).await?;
        let mut batch = Batch::new();
        credentials::update(&mut batch, &open.data_key, &issued.credential)?;
        Ok(Plan {
            batch,
            action: "credential.rotate",
            object: view::object("credential", &id),
            before: shown(view::credential(&before)),
            after: shown(view::credential(&issued.credential)),
            result: issued,
        })
    }

    /// Withdraws a credential for good. One that is withdrawn already stays as it is.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`].
    pub async fn revoke_credential(&self, company: CompanyId, id: CredentialId) -> Result<Credential, ChangeError> {
        let open = self.open(company).await?;
        let found = self.stored_credential(&open, id).await?;
        if found.revoked_at.is_some() {
            return Ok(found);
        }
        change!(self, company, |open| self.plan_revoked_credential(&open, id).await)
    }

    async fn plan_revoked_credential(&self, open: &Open, id: CredentialId) -> Result<Plan<Credential>, ChangeError> {
        let before = self.stored_credential(open, id).await?;
        let mut credential = before.clone();
        credential.revoked_at = before.revoked_at.or(Some(self.now()));
        // Nothing of it is of use any more.
        (credential.secret, credential.token_digest) = (None, None);
        let mut batch = Batch::new();
        credentials::update(&mut batch, &open.data_key, &credential)?;
        Ok(Plan {
            batch,
            action: "credential.revoke",
            object: view::object("credential", &id),
            before: shown(view::credential(&before)),
            after: shown(view::credential(&credential)),
            result: credential,
        })
    }

    async fn stored_credential(&self, open: &Open, id: CredentialId) -> Result<Credential, ChangeError> {
        let found = credentials::find(self.db, &open.data_key, open.company.id, id).await?;
        found.ok_or(ChangeError::NotFound)
    }

    /// The next generation of a credential.
    async fn issue(&self, mut credential: Credential) -> Result<IssuedCredential, ChangeError> {
        let now = self.now();
        credential.generation += 1;
        credential.expires_at = now.plus_ms(TOKEN_VALID_MS);
        match credential.kind {
            CredentialKind::Company => {
                let secret = Secret::new(format!("mks_{}", self.random.token()));
                credential.secret = Some(secret.clone());
                let token_key = self.directory.token_key().await?;
                let token = issue::company_token(token_key, self.directory.environment(), &credential, now);
                Ok(IssuedCredential {
                    api_key: Some(crate::auth::api_key(credential.id)),
                    api_secret: Some(secret),
                    token,
                    credential,
                })
            }
            CredentialKind::Management => {
                let (token, digest) = issue::management_token(credential.id, &self.random.token());
                credential.token_digest = Some(digest);
                Ok(IssuedCredential { api_key: None, api_secret: None, token, credential })
            }
        }
    }
}
