//! The store that a command works on, without a server.

use crate::cli::StoreArgs;
use crate::config::{self, Settings};
use crate::files::DataDirectory;
use crate::platform::{self, Database};
use crate::presence;
use anyhow::{Context, Result, bail};
use domain::urls::Environment;
use engine::core::StartError;
use engine::directory::{check_master_key, may_open, rotate_master_key};
use engine::{Clock, Config, Engine, environment};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::Driver;
use store::vault::MasterKey;

/// How often a database is looked at that seems to have lost something, and what is waited between: a server may be copying its
/// log back at that moment.
const LOOKS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// An open store with what opens its secrets.
pub(crate) struct OpenStore {
    pub(crate) db: Arc<dyn Driver>,
    settings: Option<Settings>,
    key: MasterKey,
    shared: bool,
    data_directory: Option<DataDirectory>,
    /// Migrations that a new data directory needed before it could have a key.
    migrated: usize,
}

/// Opens the store of a configuration, or of a sandbox that is not running.
pub(crate) async fn open(args: &StoreArgs) -> Result<OpenStore> {
    if let Some(data) = &args.data {
        let data = DataDirectory::open(&data.to_string_lossy())?;
        let database = Database::of(&data.path, None);
        let db = platform::open_whole(&database, Some(&data.path)).await?;
        platform::refuse_newer(db.as_ref()).await?;
        // A key belongs to a database: that comes first. One of another environment, or with a key of its own, is left as it is.
        let migrated = if data.has_key() {
            0
        } else {
            if platform::has_schema(db.as_ref()).await? {
                environment::may_be(db.as_ref(), Environment::Sandbox, presence::is_a_sandboxs(&data.path)).await?;
                presence::may_make_key(db.as_ref(), &data.path).await?;
            }
            platform::migrate(db.as_ref()).await?
        };
        let key = data.master_key(db.as_ref()).await?;
        return Ok(OpenStore { db, settings: None, key, shared: false, data_directory: Some(data), migrated });
    }
    let settings = config::load(args.config.config.as_deref(), &config::variables())?;
    let database = Database::of_settings(&settings);
    let data = if database.is_shared() { None } else { Some(DataDirectory::open(&settings.data.to_string_lossy())?) };
    let key = settings.master_key.as_ref().context("there is no master key")?.read()?;
    let shared = database.is_shared();
    let db = platform::open_whole(&database, data.as_ref().map(|data| data.path.as_path())).await?;
    platform::refuse_newer(db.as_ref()).await?;
    Ok(OpenStore { db, settings: Some(settings), key, shared, data_directory: data, migrated: 0 })
}

/// Opens the database of a configuration or of a sandbox without claiming it: what only reads may do that while a server runs.
pub(crate) async fn open_beside(args: &StoreArgs) -> Result<Arc<dyn Driver>> {
    let database = match &args.data {
        Some(data) => Database::of(data, None),
        None => {
            let settings = config::load(args.config.config.as_deref(), &config::variables())?;
            Database::of_settings(&settings)
        }
    };
    if let Database::Embedded(path) = &database {
        let directory = path.parent().unwrap_or(Path::new("."));
        // Else a lost database would be taken for a whole one, and what tells it from one that is new would be written over.
        let mut looks = 0;
        while let Err(lost) = presence::before_opening(directory) {
            looks += 1;
            if looks == LOOKS {
                return Err(lost);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if !path.exists() {
            bail!("there is no database at {}", path.display());
        }
        let db = platform::open_whole(&database, Some(directory)).await?;
        platform::refuse_newer(db.as_ref()).await?;
        return Ok(db);
    }
    let db = database.open().await?;
    platform::refuse_newer(db.as_ref()).await?;
    Ok(db)
}

impl OpenStore {
    /// Wraps every data key under a new master key. Answers for how many companies.
    pub(crate) async fn rotate_master_key(&self, new: &MasterKey) -> Result<u64> {
        Ok(rotate_master_key(self.db.as_ref(), &self.key, new).await?)
    }

    /// Whether the database is bound to this key already.
    pub(crate) async fn opens_with(&self, key: &MasterKey) -> Result<bool> {
        match check_master_key(self.db.as_ref(), key).await {
            Ok(()) => Ok(true),
            Err(StartError::WrongMasterKey) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The data directory, where the store is a sandbox's or the embedded one of a configuration.
    pub(crate) fn data(&self) -> Option<&DataDirectory> {
        self.data_directory.as_ref()
    }

    /// The environment of the configuration; a data directory alone is a sandbox's.
    fn environment(&self) -> Environment {
        self.settings.as_ref().map_or(Environment::Sandbox, |settings| settings.environment)
    }

    /// Brings the schema up to date, and has the store say which environment it is of: `said`, the evidence, or, for a new one,
    /// the configuration. Answers how many migrations were applied.
    pub(crate) async fn migrate(&self, said: Option<Environment>) -> Result<usize> {
        let beside = self.data_directory.as_ref().is_some_and(|data| presence::is_a_sandboxs(&data.path));
        if platform::has_schema(self.db.as_ref()).await? {
            // Before anything is changed: whoever is refused leaves the store as it was.
            match said {
                Some(said) => environment::may_declare(self.db.as_ref(), said, beside).await?,
                None => environment::may_be(self.db.as_ref(), self.environment(), beside).await?,
            }
            may_open(self.db.as_ref(), &self.key).await?;
        }
        let applied = self.migrated + platform::migrate(self.db.as_ref()).await?;
        match said {
            Some(said) => environment::declare(self.db.as_ref(), said, beside).await?,
            None => environment::must_be(self.db.as_ref(), self.environment(), beside).await?,
        }
        Ok(applied)
    }

    /// The use cases over this store; no worker runs.
    pub(crate) async fn engine(self) -> Result<(Engine, Option<DataDirectory>)> {
        self.migrate(None).await?;
        let config = Config {
            environment: self.environment(),
            public_url: self.settings.as_ref().map_or_else(|| "http://127.0.0.1:8080".to_owned(), |s| s.public_url.clone()),
            providers: self.settings.map(|settings| settings.providers).unwrap_or_default(),
            simulator_url: None,
            shop_url: None,
            shared_store: self.shared,
            retention: engine::core::Retention::default(),
            page_opener: None,
            progress: None,
        };
        let engine = platform::engine(self.db, self.key, Clock::system(1), config).await?;
        Ok((engine, self.data_directory))
    }
}
