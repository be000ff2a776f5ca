//! `mozarto backup`.

use super::store_of;
use crate::cli::BackupArgs;
use anyhow::{Context, Result};

/// Copies the embedded database, also while a server works on it.
pub(crate) async fn run(args: &BackupArgs) -> Result<()> {
    let db = store_of::open_beside(&args.store).await?;
    db.backup(args.file.clone()).await.context("copying the database")?;
    if args.store.json {
        println!("{}", serde_json::json!({ "file": args.file }));
    } else {
        println!("{} holds the database; keep the master key with it, apart", args.file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{ConfigArgs, StoreArgs};
    use crate::files::DataDirectory;
    use crate::platform::{self, Database};

    #[tokio::test]
    async fn a_backup_is_taken_while_a_server_has_the_directory() {
        let server = DataDirectory::open(":memory:").unwrap();
        let path = server.path.clone();
        let db = Database::of(&path, None).open().await.unwrap();
        platform::migrate(db.as_ref()).await.unwrap();
        let store = || StoreArgs { config: ConfigArgs { config: None }, data: Some(path.clone()), json: true };
        run(&BackupArgs { file: path.join("copy.db"), store: store() }).await.unwrap();
        assert!(path.join("copy.db").exists());
        // What changes the store still needs it alone.
        assert!(store_of::open(&store()).await.is_err());
        let nowhere = StoreArgs { data: Some(path.join("nowhere")), ..store() };
        assert!(run(&BackupArgs { file: path.join("other.db"), store: nowhere }).await.is_err());
        assert!(!path.join("nowhere").exists());
        db.close().await;
    }
}
