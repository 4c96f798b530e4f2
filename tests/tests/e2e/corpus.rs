//! Feeds of real cities, where the folder of recordings is at hand (`ZUPYNKA_CORPUS`): each must load, and a
//! city must open on it. Without the folder there is nothing to test, and that is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eta_engine::world::World;
use tokio_util::sync::CancellationToken;
use transit_model::board::{Board, BoardState, RowSource};
use transit_model::clock::{ManualClock, SharedClock};
use transit_model::gtfs;
use transit_model::time::{ServiceTime, UnixMs};
use transit_model::timetable::{StopKind, Timetable};
use zupynka::city::Prepared;
use zupynka::commands::demo::moment::running;
use zupynka_tests::town::config;
use zupynka_tests::within;

fn feeds() -> Option<Vec<PathBuf>> {
    let folder = PathBuf::from(std::env::var_os("ZUPYNKA_CORPUS")?).join("corpus/gtfs");
    let mut feeds: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    feeds.retain(|p| p.extension().is_some_and(|e| e == "zip"));
    feeds.sort();
    Some(feeds)
}

/// Noon of a day of its calendar that has trips on the road then, looked for from the middle on.
fn busy_noon(t: &Timetable) -> UnixMs {
    let (first, last) = t.calendar().unwrap();
    let days = last.days() - first.days();
    let noon = |n: i32| t.zone.at(first.plus_days(n % (days + 1)), ServiceTime(12 * 3600));
    let mut noons = (0..=days).map(|n| noon(days / 2 + n));
    noons.find(|at| running(t, *at) > 0).unwrap()
}

async fn opens(feed: &Path) {
    let id = gtfs::feed_id_of(feed);
    let t = Arc::new(gtfs::load(feed, id.clone()).unwrap().timetable);
    let now = busy_noon(&t);
    let world = World::empty(Arc::clone(&t), now);
    let calls = |s: &transit_model::ids::StopIdx| world.scheduled_at(*s, now, now.plus_secs(3600)).len();
    let platforms = t.stops.iter().filter(|(_, s)| s.kind == StopKind::Platform).map(|(i, _)| i);
    let busiest = platforms.max_by_key(calls).unwrap();
    let clock: SharedClock = Arc::new(ManualClock::at(now));
    let dir = tempfile::tempdir().unwrap();
    let zip = std::fs::read(feed).unwrap();
    let config = config(&id, dir.path().to_owned());
    let prepared = Prepared::open(config, Arc::clone(&t), Some(zip.into()), clock).await.unwrap();
    let stop = CancellationToken::new();
    let city = prepared.start(stop.clone()).await.unwrap();
    let mut changed = city.published.subscribe();
    within("a world that is ready", changed.wait_for(|_| city.published.world().ready)).await.unwrap();

    let http = reqwest::Client::new();
    let mut url = reqwest::Url::parse(&format!("http://{}", city.http)).unwrap();
    url.path_segments_mut().unwrap().extend(["v1", "stops", &t.stops.at(busiest).id, "board"]);
    let board: Board = within("a board", http.get(url).send()).await.unwrap().json().await.unwrap();
    assert_eq!(board.state, BoardState::Running, "{}: {board:?}", feed.display());
    assert!(board.rows.iter().all(|r| r.source == RowSource::Timetable));
    println!("{}: {} rows at {}", feed.display(), board.rows.len(), board.stop.name);
    stop.cancel();
    within("the city to close", city.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_city_opens_on_every_feed_of_the_corpus() {
    let Some(feeds) = feeds() else {
        println!("skipped: ZUPYNKA_CORPUS is not set");
        return;
    };
    assert!(!feeds.is_empty());
    for feed in feeds {
        opens(&feed).await;
    }
}
