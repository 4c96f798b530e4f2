//! What every store must do; each database runs the same tests.

use transit_model::time::UnixMs;
use transit_model::timetable::LinkKey;

use super::sqlite::SqliteStore;
use super::{ModelUpdate, StopEventRow, Store};
use crate::accuracy::histogram::Scale;
use crate::accuracy::tally::Tally;
use crate::auth::{self, Role};
use crate::engine::Model;
use crate::learning::calibration::Doing;
use crate::learning::links::{DayKind, When};

async fn sqlite(dir: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&dir.path().join("engine.db")).await.unwrap()
}

fn when() -> When {
    When { kind: DayKind::Weekend, second: 40_000.0, unix: 40_000.0 }
}

#[tokio::test]
async fn a_model_survives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(&dir).await;
    assert!(store.load_model().await.unwrap().links.is_empty());
    let mut model = Model { start_lateness: 12.0, ..Model::default() };
    let far = LinkKey(u64::MAX - 5);
    model.links.learn(far, 140.0, 100.0, when());
    model.calibration.learn(Doing::Moving, 100.0, 50.0);
    store.save_model(&ModelUpdate::take(&mut model)).await.unwrap();
    drop(store);
    let again = sqlite(&dir).await.load_model().await.unwrap();
    assert_eq!(again.links.expect(far, 100.0, when()), model.links.expect(far, 100.0, when()));
    assert_eq!(again.calibration, model.calibration);
    assert_eq!(again.start_lateness, 12.0);
}

#[tokio::test]
async fn a_part_that_cannot_be_read_begins_afresh_and_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(&dir).await;
    let mut model = Model { start_lateness: 7.0, ..Model::default() };
    model.links.learn(LinkKey(1), 140.0, 100.0, when());
    store.save_model(&ModelUpdate::take(&mut model)).await.unwrap();
    let url = format!("sqlite://{}", dir.path().join("engine.db").display());
    let raw = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE model_links SET stats = x'ff'").execute(&raw).await.unwrap();
    sqlx::query("UPDATE model_parts SET body = x'01' WHERE name LIKE 'calibration%'").execute(&raw).await.unwrap();
    let again = store.load_model().await.unwrap();
    assert!(again.links.is_empty());
    assert_eq!(again.start_lateness, 7.0);
    // What was refused is kept, whatever is saved in its place.
    let mut afresh = again;
    afresh.links.learn(LinkKey(1), 50.0, 60.0, when());
    store.save_model(&ModelUpdate::take(&mut afresh)).await.unwrap();
    let kept: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT name, body FROM model_parts WHERE name LIKE '%.refused' ORDER BY name")
            .fetch_all(&raw)
            .await
            .unwrap();
    assert_eq!(kept, [("calibration-1.refused".to_owned(), vec![1]), ("link-1.refused".to_owned(), vec![255])]);
}

#[tokio::test]
async fn a_part_of_another_version_is_not_misread_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(&dir).await;
    let mut model = Model { start_lateness: 7.0, ..Model::default() };
    store.save_model(&ModelUpdate::take(&mut model)).await.unwrap();
    let url = format!("sqlite://{}", dir.path().join("engine.db").display());
    let raw = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE model_parts SET name = 'start-lateness-0' WHERE name = 'start-lateness-1'")
        .execute(&raw)
        .await
        .unwrap();
    let mut again = store.load_model().await.unwrap();
    assert_eq!(again.start_lateness, 0.0, "it starts afresh");
    store.save_model(&ModelUpdate::take(&mut again)).await.unwrap();
    let old: Vec<(String,)> = sqlx::query_as("SELECT name FROM model_parts WHERE name LIKE 'start%' ORDER BY name")
        .fetch_all(&raw)
        .await
        .unwrap();
    assert_eq!(old.iter().map(|(n,)| n.as_str()).collect::<Vec<_>>(), ["start-lateness-0", "start-lateness-1"]);
}

#[tokio::test]
async fn stop_events_are_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(&dir).await;
    let date = "20260818".parse().unwrap();
    let event = |departure: Option<i64>| StopEventRow {
        service_date: date,
        trip_id: "T'1".to_owned(),
        run_start: String::new(),
        stop_sequence: 4,
        vehicle_id: "1204".to_owned(),
        stop_id: "S".to_owned(),
        arrival: Some(UnixMs(1000)),
        departure: departure.map(UnixMs),
    };
    store.append_stop_events(&[event(None)]).await.unwrap();
    store.append_stop_events(&[event(Some(2000))]).await.unwrap();
    assert_eq!(store.stop_events_of(date).await.unwrap(), [event(Some(2000))]);
    assert!(store.stop_events_of(date.plus_days(1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn tokens_are_kept_by_hash() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(&dir).await;
    let (_, mut token) = auth::issue([9; 32], Role::Dispatcher, "Оля", Some(UnixMs(5)));
    store.put_token(&token).await.unwrap();
    token.revoked = true;
    store.put_token(&token).await.unwrap();
    assert_eq!(store.tokens().await.unwrap(), [token]);
}

#[tokio::test]
async fn what_is_no_database_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("engine.db");
    std::fs::write(&path, "this is a shopping list, not a database, and it is long enough to be read as one").unwrap();
    assert!(SqliteStore::open(&path).await.unwrap_err().to_string().contains("engine.db"));
    let missing = dir.path().join("no/such/folder/engine.db");
    assert!(SqliteStore::open(&missing).await.unwrap_err().to_string().contains("no/such/folder"));
}

#[tokio::test]
async fn the_accuracy_of_a_day_is_kept_whole_and_a_part_that_cannot_be_read_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let date: transit_model::time::ServiceDate = "20260818".parse().unwrap();
    let mut tally = Tally::new(Scale::Coarse);
    for (route, stop, hour) in [("5", "A", 8), ("5", "B", 9), ("7", "A", 9)] {
        let slot = tally.slot(route, stop, hour);
        tally.each(slot, |cell| cell.disproven(u64::from(hour)));
    }
    let store = sqlite(&dir).await;
    store.save_accuracy(date, &Tally::new(Scale::Coarse)).await.unwrap();
    store.save_accuracy(date, &tally).await.unwrap();
    store.save_accuracy(date.plus_days(-500), &tally).await.unwrap();
    store.save_accuracy(date.plus_days(1), &Tally::new(Scale::Coarse)).await.unwrap();
    drop(store);
    let store = sqlite(&dir).await;
    let kept = store.load_accuracy(date.plus_days(-600)).await.unwrap();
    assert_eq!(kept.iter().map(|(d, _)| *d).collect::<Vec<_>>(), [date, date.plus_days(1)], "long ago is gone");
    assert_eq!((kept[0].1.all(), kept[0].1.routes()), (tally.all(), tally.routes()));
    assert_eq!(kept[0].1.stops(), tally.stops());
    assert_eq!(store.load_accuracy(date.plus_days(1)).await.unwrap().len(), 1);

    let url = format!("sqlite://{}", dir.path().join("engine.db").display());
    let raw = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE accuracy SET body = x'ff' WHERE part = 'route' AND id = '5'").execute(&raw).await.unwrap();
    let kept = store.load_accuracy(date).await.unwrap();
    assert_eq!(kept[0].1.all(), tally.all());
    assert_eq!(kept[0].1.routes().len(), 1);
}
