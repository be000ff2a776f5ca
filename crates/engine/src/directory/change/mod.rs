//! Changing the configuration: the one place where companies, credentials, brands, methods, rules and people are written.
//!
//! Every change is one batch: the rows, the company's next configuration version, and an entry on the audit log with the object
//! before and after. The version is also what keeps two changes at once apart: the second one is planned again on what the first
//! one left.

mod brands;
mod company;
mod credentials;
mod methods;
mod rules;
mod users;

pub use company::{CompanyPatch, NewCompany, NewUserTokenKey};
pub use credentials::{IssuedCredential, NewCredential};
pub use methods::{MethodPatch, NewMethod, Previous, WebhookSecretKind};
pub use rules::RulePatch;
pub use users::NewUser;

use super::{Directory, view};
use crate::anew::Meeting;
use crate::clock::Clock;
use crate::core::{Config, Engine};
use crate::random::Random;
use crate::surely::{self, Away, Receipt};
use domain::{Company, CompanyId, CredentialId, Json, PaymentMethod, Timestamp};
use store::repository::audit::{self, AuditEntry};
use store::repository::companies;
use store::vault::{DataKey, VaultError};
use store::{Batch, CommitError, Driver, QueryError};

/// Longest shown name of anything, characters.
pub const NAME_MAX_CHARS: usize = 100;
/// Most brands of a company.
pub const BRANDS_MAX: usize = 1_000;
/// Most payment methods of a company.
pub const METHODS_MAX: usize = 500;
/// Most rules of a company.
pub const RULES_MAX: usize = 1_000;
/// Most credentials of a company that are not revoked.
pub const CREDENTIALS_MAX: usize = 200;
/// Most people of a company.
pub const USERS_MAX: usize = 1_000;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// 400: a sentence for each problem, those of missing fields first.
    #[error("invalid: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// 404: there is none of that id in this company.
    #[error("not found")]
    NotFound,
    /// 403: what would be handed out is more than the actor has; the sentence says what.
    #[error("{0}")]
    NotYours(String),
    /// 409: not possible any more.
    #[error("{0}")]
    Conflict(String),
    /// 409: others keep changing the same.
    #[error("The configuration is being changed by others; try again")]
    Overtaken,
    /// 503: the store is away; nothing was changed.
    #[error("the store is away")]
    StoreAway,
    /// 500: ours; or the store was lost in the commit and could not be asked, and the change may be there.
    #[error("the store: {0}")]
    Store(String),
}

impl ChangeError {
    fn invalid(sentence: impl Into<String>) -> Self {
        Self::Invalid(vec![sentence.into()])
    }

    fn too_many(what: &str, most: usize) -> Self {
        Self::Conflict(format!("A company has at most {most} {what}"))
    }
}

impl From<QueryError> for ChangeError {
    fn from(error: QueryError) -> Self {
        if store::StoreError::store_is_away(&error) {
            return Self::StoreAway;
        }
        Self::Store(error.to_string())
    }
}

impl From<CommitError> for ChangeError {
    fn from(error: CommitError) -> Self {
        if error.met_another() {
            return Self::Overtaken;
        }
        if store::StoreError::nothing_was_begun(&error) {
            return Self::StoreAway;
        }
        Self::Store(error.to_string())
    }
}

impl Meeting for ChangeError {
    fn met_another(&self) -> bool {
        matches!(self, Self::Overtaken)
    }
}

impl From<VaultError> for ChangeError {
    fn from(error: VaultError) -> Self {
        Self::Store(error.to_string())
    }
}

/// Who makes a change, for the audit log.
#[derive(Clone, Debug)]
pub struct Actor {
    /// `credential:<id>`, `user:<id>` or `operator`.
    pub name: String,
    /// The address that the change came from.
    pub from: Option<String>,
    /// Whether they have the scope `own`: only owners set `baseUrl`, for it decides where credentials go.
    pub owns: bool,
    /// The credential that acts, with what its token may do: nobody hands out more. `None`: whoever runs the binary on the store.
    pub acting: Option<Acting>,
}

/// A credential that acts.
#[derive(Clone, Debug)]
pub struct Acting {
    /// The credential.
    pub credential: std::sync::Arc<domain::Credential>,
    /// What the token may do: never more than its credential.
    pub scopes: Vec<domain::Scope>,
}

impl Actor {
    /// Who runs the binary on the store.
    pub fn operator() -> Self {
        Self { name: "operator".to_owned(), from: None, owns: true, acting: None }
    }

    /// An API credential.
    pub fn credential(id: CredentialId, owns: bool, from: Option<String>) -> Self {
        Self { name: format!("credential:{id}"), from, owns, acting: None }
    }
}

/// The changes that one actor makes.
pub struct Changes<'a> {
    pub(crate) db: &'a dyn Driver,
    pub(crate) directory: &'a Directory,
    pub(crate) clock: &'a Clock,
    pub(crate) random: &'a Random,
    pub(crate) config: &'a Config,
    /// Whether the address guard lets an address that we shall call pass.
    pub(crate) address_is_good: Box<dyn Fn(&str) -> bool + Send + Sync + 'a>,
    pub(crate) actor: Actor,
}

impl std::fmt::Debug for Changes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").field("actor", &self.actor.name).finish_non_exhaustive()
    }
}

impl Engine {
    /// Changes of the configuration, in the name of an actor.
    pub fn changes(&self, actor: Actor) -> Changes<'_> {
        Changes {
            db: self.store(),
            directory: self.directory(),
            clock: self.clock(),
            random: &self.inner.random,
            config: self.config(),
            address_is_good: Box::new(|url| self.transport().check_address(url).is_ok()),
            actor,
        }
    }
}

/// A company as a change finds it, straight from the store.
struct Open {
    stored: companies::StoredCompany,
    company: Company,
    data_key: DataKey,
}

/// A change that is ready to be committed.
struct Plan<T> {
    batch: Batch,
    action: &'static str,
    object: String,
    before: Option<Json>,
    after: Option<Json>,
    result: T,
}

impl<T> Plan<T> {
    /// The same change, with another result.
    fn with_result<U>(self, result: U) -> Plan<U> {
        let Self { batch, action, object, before, after, result: _ } = self;
        Plan { batch, action, object, before, after, result }
    }
}

/// Plans on what is stored and commits; plans again when somebody else's change came first.
macro_rules! change {
    ($changes:expr, $company:expr, |$open:ident| $plan:expr) => {
        $crate::anew::anew($changes.clock, $changes.random, || async {
            let $open = $changes.open($company).await?;
            let plan = $plan?;
            $changes.commit(&$open, plan).await
        })
        .await
    };
}
use change;

impl Changes<'_> {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn open(&self, company: CompanyId) -> Result<Open, ChangeError> {
        let stored = companies::find(self.db, company).await?.ok_or(ChangeError::NotFound)?;
        let data_key = stored.open_data_key(&self.directory.master_key)?;
        let company = stored.open(&data_key)?;
        Ok(Open { stored, company, data_key })
    }

    async fn commit<T>(&self, open: &Open, plan: Plan<T>) -> Result<T, ChangeError> {
        let company = open.company.id;
        let Plan { batch: rows, action, object, before, after, result } = plan;
        let mut batch = Batch::new();
        companies::raise_version(&mut batch, company, open.stored.config_version);
        batch.append(rows);
        let entry = self.entry(action, object, before, after);
        audit::insert(&mut batch, company, &entry);
        let committed = surely::commit(self.db, batch, &Receipt::Act(company, &entry.id), Away::EndsIt).await;
        // Also after an error: whether it is stored may be unknown.
        self.directory.changed(company);
        committed?;
        Ok(result)
    }

    fn entry(&self, action: &str, object: String, before: Option<Json>, after: Option<Json>) -> AuditEntry {
        let mut entry = AuditEntry::new(self.now(), self.random.bytes(), &self.actor.name, action, object);
        (entry.before, entry.after, entry.from) = (before, after, self.actor.from.clone());
        entry
    }

    /// The method as it is used and shown.
    fn resolved(&self, method: &PaymentMethod) -> PaymentMethod {
        self.directory.resolved(method.clone())
    }
}

/// The sentence about a shown name, when there is something to say.
fn name_problem(field: &str, name: &str) -> Option<String> {
    let chars = name.chars().count();
    let good = (1..=NAME_MAX_CHARS).contains(&chars) && !name.trim().is_empty() && !name.chars().any(char::is_control);
    if good {
        providers::identifier::check(field, name).err()
    } else {
        Some(format!("{field} must be 1 to {NAME_MAX_CHARS} characters"))
    }
}

/// The sentence about an address that the guard does not let us call.
fn bad_address(field: &str) -> String {
    format!("{field} must not be a loopback, private or link-local address")
}

/// Ends a check.
fn refuse(problems: Vec<String>) -> Result<(), ChangeError> {
    if problems.is_empty() { Ok(()) } else { Err(ChangeError::Invalid(problems)) }
}

fn shown(object: Json) -> Option<Json> {
    Some(object)
}
