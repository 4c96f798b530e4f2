//! The tables, version by version. A version that was released is never changed; a new file is added.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;

use super::JournalError;

const VERSIONS: [(i64, &str, &str); 1] =
    [(1, "devices, quarantine, fixes", include_str!("../../migrations/0001_ingest.sql"))];

#[derive(Debug)]
struct Embedded;

impl MigrationSource<'static> for Embedded {
    fn resolve(self) -> Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 'static>> {
        let all = VERSIONS
            .iter()
            .map(|(v, about, sql)| Migration::new(*v, (*about).into(), MigrationType::Simple, (*sql).into(), false));
        Box::pin(std::future::ready(Ok(all.collect())))
    }
}

/// Brings a file to the last version.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), JournalError> {
    let fail = |source| JournalError::Migrate { path: path.to_owned(), source };
    let migrator = Migrator::new(Embedded).await.map_err(fail)?;
    migrator.run_direct(connection).await.map_err(fail)
}
