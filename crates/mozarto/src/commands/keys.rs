//! `mozarto keys`.

use super::store_of::{self, OpenStore};
use crate::cli::{KeysCommand, StoreArgs};
use crate::files::write_private;
use crate::platform;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use store::repository::nodes;
use store::vault::MasterKey;

/// A server whose last sign of life is younger than this may be running, milliseconds.
const ALIVE_MS: i64 = 15_000;

/// Runs the command.
pub(crate) async fn run(command: KeysCommand) -> Result<()> {
    let KeysCommand::Rotate { new_key_file, store } = command;
    let companies = rotate(new_key_file.as_deref(), &store).await?;
    if store.json {
        println!("{}", json!({ "companies": companies }));
    } else if store.data.is_some() {
        println!("The data directory has a new master key; the keys of {companies} companies are under it.");
    } else {
        println!("The keys of {companies} companies are under the new master key: start the servers with it.");
    }
    Ok(())
}

async fn rotate(new_key_file: Option<&Path>, args: &StoreArgs) -> Result<u64> {
    let store = store_of::open(args).await?;
    platform::require_schema(store.db.as_ref()).await?;
    if args.data.is_some() {
        return in_directory(&store).await;
    }
    let path = new_key_file.context("say where the new master key is: --new-key-file FILE")?;
    let new = MasterKey::from_file(path).with_context(|| format!("the new master key in {}", MasterKey::shown_path(path)))?;
    // Heartbeats are by the store's clock, and this machine's may be another.
    let clock = nodes::store_clock(store.db.as_ref()).await?.unwrap_or_else(engine::clock::wall);
    let since = clock.plus_ms(-ALIVE_MS);
    if nodes::any_since(store.db.as_ref(), since).await? {
        bail!("a server is running on this database, or was a moment ago: stop every one first");
    }
    store.rotate_master_key(&new).await
}

/// The key of a data directory: the new one is kept beside the old one until every data key is under it, so that an interruption
/// at any moment leaves the key that opens them; the command then only has to be run again.
async fn in_directory(store: &OpenStore) -> Result<u64> {
    let directory = store.data().context("the data directory is not open")?.path.clone();
    let (current, next): (PathBuf, PathBuf) = (directory.join("master.key"), directory.join("master.key.next"));
    let new = if next.exists() {
        MasterKey::from_file(&next).with_context(|| format!("reading {}", next.display()))?
    } else {
        let new = MasterKey::generate().context("making a master key")?;
        write_private(&next, new.to_text().as_bytes())?;
        new
    };
    let companies = if store.opens_with(&new).await? { 0 } else { store.rotate_master_key(&new).await? };
    write_private(&current, new.to_text().as_bytes())?;
    std::fs::remove_file(&next).with_context(|| format!("removing {}", next.display()))?;
    Ok(companies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ConfigArgs;

    #[tokio::test]
    async fn a_data_directory_gets_a_new_key_also_after_an_interruption() {
        let temporary = tempfile::tempdir().unwrap();
        let data = temporary.path().join("data");
        let args = StoreArgs { config: ConfigArgs { config: None }, data: Some(data.clone()), json: true };
        let start = async || {
            let store = store_of::open(&args).await.unwrap();
            platform::migrate(store.db.as_ref()).await.unwrap();
            let key = MasterKey::from_file(&data.join("master.key")).unwrap();
            let opens = store.opens_with(&key).await.unwrap();
            store.db.close().await;
            opens
        };
        let key = || std::fs::read(data.join("master.key")).unwrap();
        assert!(start().await);
        let first = key();
        rotate(None, &args).await.unwrap();
        let second = key();
        assert!(first != second && start().await);
        // Interrupted after the store took the new key and before the file did.
        std::fs::write(data.join("master.key.next"), &second).unwrap();
        std::fs::write(data.join("master.key"), &first).unwrap();
        assert!(!start().await);
        rotate(None, &args).await.unwrap();
        assert!(key() == second && start().await && !data.join("master.key.next").exists());
    }
}
