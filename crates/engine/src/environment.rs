//! The word in the store that says which environment it is of. The first start writes it; a store from before there was a word gets it from evidence, never
//! from how it is started: a sandbox's tokens must not become good where money is live.

use domain::urls::Environment;
use store::{Batch, CommitError, Driver, QueryError};

const FIND: &str = "SELECT value FROM instance WHERE name = 'environment'";
const WRITE: &str = "INSERT INTO instance (name, value) VALUES ('environment', ?1) ON CONFLICT (name) DO NOTHING";
/// Whether anything is stored: the first start binds a master key before all else.
const ANYTHING: &str = "SELECT 1 FROM instance WHERE name = 'platform_key' UNION ALL SELECT 1 FROM companies LIMIT 1";
/// Addresses that only a sandbox has: by role, or of this machine, where simulators and demo shop listen.
const SIMULATED: &str = "SELECT 1 FROM payment_methods WHERE config LIKE '%\"role:%' OR config LIKE '%://127.%' \
                         OR config LIKE '%://localhost%' OR config LIKE '%://[::1]%' LIMIT 1";

/// Why a store is not opened.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// It is of the other environment.
    #[error(
        "this store belongs to a {stored} and is never opened as {wanted}: its tokens and payment methods would come along; \
         {wanted} begins with a store of its own"
    )]
    Other {
        /// What the store says.
        stored: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// It holds data, and nothing says of which environment.
    #[error(
        "this store holds data and does not say of which environment: say it once, with `mozarto migrate --environment production` or \
         `mozarto migrate --environment sandbox`"
    )]
    Unsaid,
    /// The store did not answer.
    #[error("{0}")]
    Store(String),
}

impl From<QueryError> for EnvironmentError {
    fn from(error: QueryError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<CommitError> for EnvironmentError {
    fn from(error: CommitError) -> Self {
        Self::Store(error.to_string())
    }
}

/// What the store is of, as far as it can be told without writing.
enum Told {
    /// Its word says it.
    Said(Environment),
    /// The evidence says it, and no word does yet.
    Shown(Environment),
    /// It is new.
    New,
    /// It holds data, and nothing says of which.
    Nothing,
}

async fn told(db: &dyn Driver, beside: bool) -> Result<Told, EnvironmentError> {
    if let Some(stored) = stored(db).await? {
        return Ok(Told::Said(stored));
    }
    if db.query(ANYTHING, Vec::new()).await?.is_empty() {
        return Ok(Told::New);
    }
    Ok(if is_a_sandboxs(db, beside).await? { Told::Shown(Environment::Sandbox) } else { Told::Nothing })
}

/// Whether [`must_be`] would refuse, of a store of any revision that has a schema.
///
/// # Errors
/// [`EnvironmentError`].
pub async fn may_be(db: &dyn Driver, wanted: Environment, beside: bool) -> Result<(), EnvironmentError> {
    match told(db, beside).await? {
        Told::Said(environment) | Told::Shown(environment) => same(environment, wanted),
        Told::New => Ok(()),
        Told::Nothing => Err(EnvironmentError::Unsaid),
    }
}

/// Whether [`declare`] would refuse, of a store of any revision that has a schema.
///
/// # Errors
/// [`EnvironmentError`].
pub async fn may_declare(db: &dyn Driver, said: Environment, beside: bool) -> Result<(), EnvironmentError> {
    if let Some(stored) = stored(db).await? {
        return same(stored, said);
    }
    if is_a_sandboxs(db, beside).await? { same(Environment::Sandbox, said) } else { Ok(()) }
}

/// Makes sure that the store is of this environment. `beside`: a sandbox has left its file beside the store.
///
/// # Errors
/// [`EnvironmentError`]; nothing is written then, but the word that the evidence says.
pub async fn must_be(db: &dyn Driver, wanted: Environment, beside: bool) -> Result<(), EnvironmentError> {
    match told(db, beside).await? {
        Told::Said(environment) => same(environment, wanted),
        Told::Shown(environment) => {
            write(db, environment).await?;
            same(environment, wanted)
        }
        Told::New => write(db, wanted).await,
        Told::Nothing => Err(EnvironmentError::Unsaid),
    }
}

/// Says it for a store from before there was a word. What the evidence says is not overruled.
///
/// # Errors
/// [`EnvironmentError`]; nothing is written then.
pub async fn declare(db: &dyn Driver, said: Environment, beside: bool) -> Result<(), EnvironmentError> {
    may_declare(db, said, beside).await?;
    write(db, said).await
}

async fn is_a_sandboxs(db: &dyn Driver, beside: bool) -> Result<bool, EnvironmentError> {
    Ok(beside || !db.query(SIMULATED, Vec::new()).await?.is_empty())
}

async fn stored(db: &dyn Driver) -> Result<Option<Environment>, EnvironmentError> {
    let rows = db.query(FIND, Vec::new()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let word = row.text(0).map_err(QueryError::from)?;
    let known = word
        .parse()
        .map_err(|()| EnvironmentError::Store("the store is of an environment that this program does not know".to_owned()))?;
    Ok(Some(known))
}

/// Whoever was first has written it; what counts is what is there then.
async fn write(db: &dyn Driver, environment: Environment) -> Result<(), EnvironmentError> {
    let mut batch = Batch::new();
    batch.run(WRITE, vec![environment.as_str().into()]);
    db.commit(batch).await?;
    match stored(db).await? {
        Some(stored) => same(stored, environment),
        None => Err(EnvironmentError::Store("the environment was not stored".to_owned())),
    }
}

fn same(stored: Environment, wanted: Environment) -> Result<(), EnvironmentError> {
    if stored == wanted {
        return Ok(());
    }
    Err(EnvironmentError::Other { stored: stored.as_str(), wanted: wanted.as_str() })
}
