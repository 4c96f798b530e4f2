//! The tables, version by version. A version that was released is never changed; a new file is added.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;

use super::JournalError;

const VERSIONS: [(i64, &str, &str); 5] = [
    (1, "devices, quarantine, fixes", include_str!("../../migrations/0001_ingest.sql")),
    (2, "devices come and go while a server runs", include_str!("../../migrations/0002_devices.sql")),
    (3, "quarantine is let go while a server runs", include_str!("../../migrations/0003_quarantine.sql")),
    (4, "what is usual for a device, its clock, second devices", include_str!("../../migrations/0004_trust.sql")),
    (5, "what devices say of themselves, and how far they went", include_str!("../../migrations/0005_events.sql")),
];

/// So many of the versions, from the first.
#[derive(Debug)]
struct Embedded(usize);

impl MigrationSource<'static> for Embedded {
    fn resolve(self) -> Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 'static>> {
        let all = VERSIONS
            .iter()
            .take(self.0)
            .map(|(v, about, sql)| Migration::new(*v, (*about).into(), MigrationType::Simple, (*sql).into(), false));
        Box::pin(std::future::ready(Ok(all.collect())))
    }
}

/// Brings a file to the last version.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), JournalError> {
    bring_to(VERSIONS.len(), connection, path).await
}

async fn bring_to(version: usize, connection: &mut SqliteConnection, path: &Path) -> Result<(), JournalError> {
    let fail = |source| JournalError::Migrate { path: path.to_owned(), source };
    let migrator = Migrator::new(Embedded(version)).await.map_err(fail)?;
    migrator.run_direct(connection).await.map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::super::{Journal, JournalOptions, connect};
    use super::*;
    use crate::codec::DeviceKey;

    #[tokio::test]
    async fn a_journal_of_the_first_version_keeps_its_devices_and_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let options = JournalOptions::at(folder.path().join("ingest.db"));
        let mut old = connect(&options).await.unwrap();
        bring_to(1, &mut old, &options.path).await.unwrap();
        sqlx::query("INSERT INTO devices VALUES (7, 'd7', 'bus-7', 'machinery', 'garage', x'00', 1)")
            .execute(&mut old)
            .await
            .unwrap();
        let (journal, _) = Journal::open(&options, |_| ()).await.unwrap();
        let (revision, devices) = journal.listed().await.unwrap();
        let d = &devices[0];
        assert_eq!((d.id, d.key.expose(), d.vehicle.as_str(), d.label.as_deref()), (7, "d7", "bus-7", Some("garage")));
        // And by hand, as by anybody, a change is a new revision.
        sqlx::query("UPDATE devices SET label = 'depot' WHERE id = 7").execute(&mut old).await.unwrap();
        assert_ne!(journal.revision().await.unwrap(), revision);
        journal.remove_device(&DeviceKey::from("d7")).await.unwrap();
        assert!(journal.devices().await.unwrap().is_empty());
    }
}
