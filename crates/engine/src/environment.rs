//! The word in the store that says which environment it is of. The first start writes it; a store from before there was a word
//! gets it from evidence, never from how it is started: a sandbox's tokens must not become good where money is live.

use crate::directory::is_role;
use domain::Json;
use domain::urls::Environment;
use domain::urls::is_loopback;
use providers::setting::SettingRule;
use providers::settings::is_private_host;
use store::{Batch, CommitError, Driver, QueryError};

const FIND: &str = "SELECT value FROM instance WHERE name = 'environment'";
const WRITE: &str = "INSERT INTO instance (name, value) VALUES ('environment', ?1) ON CONFLICT (name) DO NOTHING";
/// Whether anything is stored: the first start binds a master key before all else.
const ANYTHING: &str = "SELECT 1 FROM instance WHERE name = 'platform_key' UNION ALL SELECT 1 FROM companies LIMIT 1";
/// What payment methods are set to, page by page.
const METHODS: &str = "SELECT company_id, id, psp_type, config FROM payment_methods WHERE (company_id, id) > (?1, ?2) ORDER BY company_id, id LIMIT 500";

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
    if beside {
        return Ok(true);
    }
    let mut after = (String::new(), String::new());
    loop {
        let page = db.query(METHODS, vec![(&*after.0).into(), (&*after.1).into()]).await?;
        let Some(last) = page.last() else { return Ok(false) };
        after = (last.text(0).map_err(QueryError::from)?, last.text(1).map_err(QueryError::from)?);
        for row in &page {
            let (psp_type, config) = (row.text(2).map_err(QueryError::from)?, row.text(3).map_err(QueryError::from)?);
            if is_simulated(&psp_type, &config) {
                return Ok(true);
            }
        }
    }
}

/// Whether a payment method has an address that only a sandbox has: by role; of this machine, where simulators and demo shop
/// listen; a provider's on any loopback, private or link-local host. (Pages of a merchant may well be on a private host.)
fn is_simulated(psp_type: &str, config: &str) -> bool {
    let Ok(config) = Json::parse(config.as_bytes()) else { return false };
    let settings = providers::by_psp_type(psp_type).map_or(&[][..], |provider| provider.descriptor().settings);
    let of_provider =
        |name: &str| settings.iter().any(|setting| setting.name == name && matches!(setting.rule, SettingRule::BaseUrl));
    config.as_object().unwrap_or_default().iter().filter_map(|(name, value)| Some((name, value.as_str()?))).any(|(name, text)| {
        let address = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let simulated = |url: url::Url| is_loopback(&url) || (of_provider(name) && is_private_host(&url));
        is_role(text) || address.is_some_and(simulated)
    })
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
