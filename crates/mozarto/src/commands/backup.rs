//! `mozarto backup`.

use super::store_of;
use crate::cli::BackupArgs;
use anyhow::{Context, Result};

/// Copies the embedded database.
pub(crate) async fn run(args: &BackupArgs) -> Result<()> {
    let store = store_of::open(&args.store).await?;
    store.db.backup(args.file.clone()).await.context("copying the database")?;
    println!("{} holds the database; keep the master key with it, apart", args.file.display());
    Ok(())
}
