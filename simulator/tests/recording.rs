//! Recordings, from the folder to the real listeners.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use simulator::city;
use simulator::corpus::{FIXES, Table};
use simulator::drive::Cap;
use simulator::fleet::{Fleet, FleetOptions};
use simulator::recording::Player;
use simulator::recording::calendar::move_calendar;
use simulator::recording::case::Case;
use simulator::recording::read::FixRows;
use simulator::recording::shift::Shift;
use simulator::send::Endpoints;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::Protocol;
use tracker_ingest::{Ingest, IngestConfig};
use transit_model::clock::{ScaledClock, SharedClock};
use transit_model::fix::{Fix, Source};
use transit_model::gtfs;
use transit_model::ids::FeedId;
use transit_model::time::{ServiceDate, ServiceTime};
use transit_model::timetable::Timetable;

/// A case of eighteen vehicles and five minutes of a Thursday in 2024.
fn case(dir: &Path) -> (Case, Timetable) {
    let day: ServiceDate = "20240516".parse().unwrap();
    let files = city::feed(day);
    std::fs::write(dir.join("gtfs.zip"), files.to_zip_bytes().unwrap()).unwrap();
    std::fs::create_dir(dir.join("fixes")).unwrap();
    let timetable = gtfs::load_files(&files, FeedId::from("case")).unwrap().timetable;
    let eight = timetable.zone.at(day, ServiceTime(8 * 3600));
    let cap = Some(Cap { vehicles: 18, at: ServiceTime(8 * 3600) });
    let fleet = Fleet::new(Arc::new(timetable.clone()), FleetOptions { seed: 5, cap, ..FleetOptions::default() });
    let mut table = Table::create(&dir.join("fixes/2024-05-16.csv.gz"), &FIXES).unwrap();
    for fix in fleet.fixes_between(eight, eight.plus_secs(300)) {
        table.fix(&fix).unwrap();
    }
    assert!(table.finish().unwrap() > 100);
    (Case::open(dir).unwrap(), timetable)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_played_as_if_it_were_today() {
    let dir = tempfile::tempdir().unwrap();
    let (case, timetable) = case(dir.path());
    // A Thursday again, and winter: the clocks have changed in between.
    let today: ServiceDate = "20261126".parse().unwrap();
    let shift = Shift::to_today(&[case.days[0].date], today, &timetable.zone).unwrap();
    assert_eq!((shift.days(), shift.keeps_weekday()), (924, true));
    let recorded: Vec<Fix> = FixRows::open(&case.days[0].fixes).unwrap().map(Result::unwrap).collect();

    let from = timetable.zone.at(today, ServiceTime(8 * 3600 + 60));
    let clock: SharedClock = Arc::new(ScaledClock::starting(from, 300.0));
    let any = Some("127.0.0.1:0".parse().unwrap());
    let mut config =
        IngestConfig { data_dir: dir.path().into(), feed: FeedId::from("case"), ..IngestConfig::default() };
    config.streams.entry(Protocol::Teltonika).listen = any;
    config.mqtt.listen = any;
    let stop = CancellationToken::new();
    let (out, mut live) = mpsc::channel(10_000);
    let ingest = Ingest::start(config, Arc::clone(&clock), None, out, stop.clone()).await.unwrap();
    let at = ingest.addresses();
    let endpoints = Endpoints::by(|p| at.of(p));
    let player = Player::new(case, shift, (1, [7; 32]), endpoints, FeedId::from("case")).unwrap();
    ingest.desk().add(player.devices().into_iter().map(Into::into).collect()).await.unwrap();
    let vehicles: BTreeSet<_> = player.devices().into_iter().map(|d| d.vehicle).collect();
    assert_eq!(vehicles, recorded.iter().map(|f| f.vehicle.clone()).collect());

    let played = player.play(&clock, &stop).await.unwrap();
    let after = recorded.iter().filter(|f| shift.moment(f.received) >= from).count() as u64;
    // What is received in the moments until the play begins is past.
    assert!(played.fixes <= after && played.fixes + 40 >= after, "{played:?} of {after}");
    assert_eq!((played.dropped, played.sent.acknowledged), (0, played.fixes), "{played:?}");
    assert_eq!(ingest.counters().stored, played.fixes);
    stop.cancel();
    ingest.stopped().await;

    let mut sources = BTreeSet::new();
    while let Ok(heard) = live.try_recv() {
        let same = |f: &&Fix| f.vehicle == heard.vehicle && shift.moment(f.time) == heard.time;
        let original = recorded.iter().find(same).unwrap();
        assert!((original.lat - heard.lat).abs() < 1e-5 && (original.lon - heard.lon).abs() < 1e-5);
        sources.insert(heard.source.name());
        if heard.source == Source::MqttJson {
            assert_eq!(heard.reported.trip_id, original.reported.trip_id);
            assert_eq!(heard.reported.start_date, original.reported.start_date.map(|d| shift.date(d)));
        } else {
            assert!(heard.reported.is_empty(), "the protocol cannot say it");
        }
    }
    assert!(sources.len() == 2, "{sources:?}");
}

#[test]
fn a_real_case_can_be_played_on_any_day() {
    let Some(corpus) = std::env::var_os("ZUPYNKA_CORPUS").map(PathBuf::from) else { return };
    let folder = corpus.join("corpus/mbta-rail-2023");
    if !folder.is_dir() {
        return;
    }
    let case = Case::open(&folder).unwrap();
    let timetable = gtfs::load(&case.gtfs, FeedId::from("case")).unwrap().timetable;
    let days: Vec<ServiceDate> = case.days.iter().map(|d| d.date).collect();
    let dir = tempfile::tempdir().unwrap();
    for today in ["20261123", "20261129"] {
        let today: ServiceDate = today.parse().unwrap();
        let shift = Shift::to_today(&days, today, &timetable.zone).unwrap();
        let out = dir.path().join("moved.zip");
        move_calendar(&case.gtfs, shift.days(), &out).unwrap();
        let moved = gtfs::load(&out, FeedId::from("case")).unwrap().timetable;
        let runs = |t: &Timetable, d| t.services_on(d).as_slice().iter().filter(|r| **r).count();
        assert!(runs(&moved, today) > 0);
        assert_eq!(runs(&moved, today), runs(&timetable, shift.from));
        let mut fixes = 0;
        for fix in FixRows::open(&case.day(shift.from).unwrap().fixes).unwrap() {
            let fix = shift.fix(fix.unwrap());
            let date = moved.zone.date(fix.received);
            assert!(date == today || date == today.plus_days(1), "{date}");
            if let Some(trip) = fix.reported.trip_id.as_deref().and_then(|t| moved.trip_by_id(t)) {
                let on = fix.reported.start_date.unwrap_or(today);
                assert!(moved.services.at(moved.trips.at(trip).service).runs_on(on), "{trip:?} on {on}");
            }
            fixes += 1;
        }
        assert!(fixes > 10_000, "{fixes}");
    }
}
