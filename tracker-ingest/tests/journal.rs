//! The laws of the journal: durable before the ticket is done, stored once, nothing lost at the end.
#![cfg(test)]

mod laws {
    use std::path::Path;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use sqlx::{Connection, SqliteConnection};
    use tracker_ingest::codec::{DeviceEvent, Events, Position, Said};
    use tracker_ingest::journal::{BatchReport, Journal, JournalError, JournalOptions, Row, recover};
    use tracker_ingest::registry::{Device, NewDevice};
    use tracker_ingest::rejection::Rejection;
    use transit_model::fix::{Reported, Source};
    use transit_model::time::{ServiceDate, UnixMs};

    type Reports = Arc<Mutex<Vec<BatchReport>>>;

    async fn open(path: &Path) -> (Journal, tokio::task::JoinHandle<()>, Reports) {
        let reports = Reports::default();
        let sink = Arc::clone(&reports);
        let options = JournalOptions { busy: Duration::from_millis(20), ..JournalOptions::at(path) };
        let (journal, task) = Journal::open(&options, move |r| sink.lock().unwrap().push(r)).await.unwrap();
        (journal, task, reports)
    }

    async fn device(journal: &Journal) -> Arc<Device> {
        let new = NewDevice::transit("352093081452251", "bus-1");
        Arc::new(journal.put_devices(vec![new], UnixMs(0)).await.unwrap().remove(0))
    }

    fn row(device: &Arc<Device>, n: i64) -> Row {
        Row {
            device: Arc::clone(device),
            device_time: UnixMs(n),
            sequence: 0,
            received: UnixMs(n + 5),
            time: UnixMs(n),
            position: Some(Position { lat: 48.85, lon: 37.6, speed: Some(8.0), valid: true, ..Position::default() }),
            reported: Reported {
                trip_id: Some("t1".into()),
                route_id: None,
                start_date: Some(ServiceDate::from_days(20_000)),
                ..Reported::default()
            },
            source: Source::Teltonika,
            mark: None,
            said: Said::default(),
        }
    }

    #[tokio::test]
    async fn what_is_stored_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, ..) = open(&folder.path().join("ingest.db")).await;
        let d = device(&journal).await;
        let nothing = Row { position: None, mark: Some(Rejection::NoPosition), ..row(&d, 3) };
        journal.store(vec![row(&d, 2), row(&d, 1), nothing]).await.unwrap();
        let fixes = journal.recent(UnixMs(0)).await.unwrap();
        assert_eq!(fixes.iter().map(|f| f.time.0).collect::<Vec<_>>(), [1, 2], "in the order received");
        let f = &fixes[0];
        assert_eq!((f.vehicle.as_str(), f.lat, f.lon, f.speed), ("bus-1", 48.85, 37.6, Some(8.0)));
        assert_eq!(f.reported, row(&d, 1).reported);
        assert_eq!(journal.recent(UnixMs(7)).await.unwrap().len(), 1, "since a moment");
        assert_eq!(journal.count().await.unwrap(), (3, 2));
        let last = journal.last_live(UnixMs(0)).await.unwrap();
        assert_eq!((last.len(), last[0].1.time), (1, UnixMs(2)));
    }

    #[tokio::test]
    async fn a_record_is_stored_once_however_often_it_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _, reports) = open(&folder.path().join("ingest.db")).await;
        let d = device(&journal).await;
        for _ in 0..3 {
            journal.store(vec![row(&d, 1), row(&d, 1), Row { sequence: 7, ..row(&d, 1) }]).await.unwrap();
        }
        assert_eq!(journal.count().await.unwrap(), (2, 2));
        let new: u64 = reports
            .lock()
            .unwrap()
            .iter()
            .map(|r| if let BatchReport::Committed { new, .. } = r { *new } else { 0 })
            .sum();
        assert_eq!(new, 2);
    }

    #[tokio::test]
    async fn many_trackers_make_one_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _, reports) = open(&folder.path().join("ingest.db")).await;
        let d = device(&journal).await;
        // One thread: everything is queued before the writer runs.
        let tickets: Vec<_> = (0..500).map(|n| journal.store(vec![row(&d, n)])).collect();
        for ticket in tickets {
            ticket.await.unwrap();
        }
        assert_eq!(journal.count().await.unwrap().0, 500);
        let commits = reports.lock().unwrap().len();
        assert!(commits <= 3, "{commits} transactions for 500 submissions");
    }

    #[tokio::test]
    async fn a_full_queue_makes_wait_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let options = JournalOptions { queue: 2, batch: 3, ..JournalOptions::at(folder.path().join("ingest.db")) };
        let (journal, _) = Journal::open(&options, |_| ()).await.unwrap();
        let d = device(&journal).await;
        let tickets: Vec<_> = (0..50).map(|n| tokio::spawn(journal.store(vec![row(&d, n)]))).collect();
        for ticket in tickets {
            ticket.await.unwrap().unwrap();
        }
        assert_eq!(journal.count().await.unwrap().0, 50);
    }

    #[test]
    fn what_was_promised_is_there_after_an_abrupt_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ingest.db");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (journal, ..) = open(&path).await;
            let d = device(&journal).await;
            journal.store((0..300).map(|n| row(&d, n)).collect()).await.unwrap();
            // The journal is leaked, so that nothing is closed or flushed on the way out.
            std::mem::forget(journal);
        });
        runtime.shutdown_background();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            assert_eq!(recover(&path, UnixMs(0)).await.unwrap().len(), 300);
            let (journal, ..) = open(&path).await;
            assert_eq!(journal.count().await.unwrap(), (300, 300));
            assert_eq!(journal.devices().await.unwrap().len(), 1);
        });
    }

    #[tokio::test]
    async fn what_is_submitted_is_stored_before_the_writer_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ingest.db");
        let (journal, task, _) = open(&path).await;
        let d = device(&journal).await;
        drop(journal.store(vec![row(&d, 1)]));
        drop(journal);
        task.await.unwrap();
        assert_eq!(recover(&path, UnixMs(0)).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_disk_that_fails_promises_nothing_and_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ingest.db");
        let (journal, _, reports) = open(&path).await;
        let d = device(&journal).await;
        let mut other = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        let e = journal.store(vec![row(&d, 1)]).await.unwrap_err();
        assert!(e.to_string().contains("locked"), "{e}");
        assert!(matches!(reports.lock().unwrap().last(), Some(BatchReport::Failed { rows: 1, .. })));
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        journal.store(vec![row(&d, 1)]).await.unwrap();
        assert_eq!(journal.count().await.unwrap(), (1, 1));
    }

    #[tokio::test]
    async fn old_days_are_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, ..) = open(&folder.path().join("ingest.db")).await;
        let d = device(&journal).await;
        journal.store((0..12_000).map(|n| row(&d, n)).collect()).await.unwrap();
        assert_eq!(journal.expire(UnixMs(11_005)).await.unwrap(), 11_000);
        assert_eq!(journal.count().await.unwrap().0, 1000);
        assert_eq!(journal.expire(UnixMs(11_005)).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_device_that_is_changed_keeps_its_token_and_its_history() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, ..) = open(&folder.path().join("ingest.db")).await;
        let new = |vehicle: &str, token: Option<&str>| NewDevice {
            token: token.map(Into::into),
            ..NewDevice::transit("352093081452251", vehicle)
        };
        let first = journal.put_devices(vec![new("bus-1", Some("s3cret"))], UnixMs(0)).await.unwrap().remove(0);
        journal.store(vec![row(&Arc::new(first), 1)]).await.unwrap();
        let moved = journal.put_devices(vec![new("bus-2", None)], UnixMs(9)).await.unwrap().remove(0);
        assert!(moved.token.unwrap().admits("s3cret"));
        journal.store(vec![row(&Arc::new(moved), 2)]).await.unwrap();
        let by: Vec<_> = journal.recent(UnixMs(0)).await.unwrap().iter().map(|f| f.vehicle.to_string()).collect();
        assert_eq!(by, ["bus-1", "bus-2"]);
    }

    #[tokio::test]
    async fn a_file_that_is_no_journal_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ingest.db");
        std::fs::write(&path, "this is not a database, but it is long enough to look at".repeat(50)).unwrap();
        let e = Journal::open(&JournalOptions::at(&path), |_| ()).await.unwrap_err();
        assert!(matches!(e, JournalError::Open { .. } | JournalError::Migrate { .. }));
        assert!(e.to_string().contains("ingest.db"), "{e}");
        let e = Journal::open(&JournalOptions::at(folder.path().join("no/ingest.db")), |_| ()).await.unwrap_err();
        assert!(e.to_string().contains("no/ingest.db"), "{e}");
        assert!(recover(&folder.path().join("none.db"), UnixMs(0)).await.unwrap().is_empty());
    }

    fn said(device: &Arc<Device>, n: i64, said: Said) -> Row {
        Row { said, ..row(device, n) }
    }

    fn cut() -> Said {
        Said { powered: Some(false), raised: Events::from_iter([DeviceEvent::PowerCut]), ..Said::default() }
    }

    fn fed() -> Said {
        Said { powered: Some(true), odometer_m: Some(77_000), ..Said::default() }
    }

    /// What was told as new, in the order it was told.
    fn told(reports: &Reports) -> Vec<DeviceEvent> {
        let reports = reports.lock().unwrap();
        let news = reports.iter().flat_map(|r| match r {
            BatchReport::Committed { news, .. } | BatchReport::Failed { news, .. } => news.clone(),
        });
        news.filter(|n| n.changed).map(|n| n.event).collect()
    }

    #[tokio::test]
    async fn an_event_is_kept_once_with_its_place_and_odometer_and_is_there_after_an_abrupt_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ingest.db");
        let rows = |d: &Arc<Device>| vec![said(d, 1, fed()), said(d, 2, cut()), said(d, 3, cut()), said(d, 4, fed())];
        {
            let (journal, _, reports) = open(&path).await;
            let d = device(&journal).await;
            journal.store(rows(&d)).await.unwrap();
            assert_eq!(told(&reports), [DeviceEvent::PowerCut, DeviceEvent::PowerBack]);
            // Leaked: nothing is closed or flushed.
            std::mem::forget(journal);
        }
        let (journal, _, reports) = open(&path).await;
        let d = device(&journal).await;
        // The tracker never heard of its last packet and sends it again.
        journal.store(rows(&d)).await.unwrap();
        assert!(told(&reports).is_empty(), "{:?}", told(&reports));
        let all = journal.happened(UnixMs(0), None).await.unwrap();
        let kept: Vec<_> = all.iter().map(|h| (h.event, h.time.0, h.changed, h.odometer_m)).collect();
        assert_eq!(
            kept,
            [
                (DeviceEvent::PowerBack, 1, false, Some(77_000)),
                (DeviceEvent::PowerCut, 2, true, None),
                (DeviceEvent::PowerBack, 4, true, Some(77_000)),
            ]
        );
        assert_eq!((all[1].vehicle.as_str(), all[1].place), ("bus-1", Some((48.85, 37.6))));
        assert_eq!(journal.happened(UnixMs(3), None).await.unwrap().len(), 1, "since a moment");
        assert!(journal.happened(UnixMs(0), Some(&"bus-2".into())).await.unwrap().is_empty(), "of a vehicle");
        let mut c = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        let gone: Vec<Option<i64>> =
            sqlx::query_scalar("SELECT odometer FROM fixes ORDER BY device_time").fetch_all(&mut c).await.unwrap();
        assert_eq!(gone, [Some(77_000), None, None, Some(77_000)]);
    }

    #[tokio::test]
    async fn an_event_that_the_disk_did_not_take_is_told_and_kept_when_it_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ingest.db");
        let (journal, _, reports) = open(&path).await;
        let d = device(&journal).await;
        journal.store(vec![said(&d, 1, fed())]).await.unwrap();
        let mut other = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        journal.store(vec![said(&d, 2, cut())]).await.unwrap_err();
        assert_eq!(told(&reports), [DeviceEvent::PowerCut], "a full disk hides no alarm");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        journal.store(vec![said(&d, 2, cut())]).await.unwrap();
        let kept = journal.happened(UnixMs(2), None).await.unwrap();
        assert_eq!(kept.iter().map(|h| h.event).collect::<Vec<_>>(), [DeviceEvent::PowerCut]);
    }

    #[tokio::test]
    async fn old_events_are_let_go_with_their_days() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, ..) = open(&folder.path().join("ingest.db")).await;
        let d = device(&journal).await;
        journal.store(vec![said(&d, 1, fed()), said(&d, 900, cut())]).await.unwrap();
        assert_eq!(journal.expire(UnixMs(500)).await.unwrap(), 2, "a fix and an event");
        assert_eq!(journal.happened(UnixMs(0), None).await.unwrap().len(), 1);
    }
}
