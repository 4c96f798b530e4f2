//! A city's accuracy, measured from outside against the simulator's truth.

use std::sync::Arc;

use indicatif::ProgressBar;
use simulator::city;
use simulator::drive::Cap;
use simulator::fleet::FleetOptions;
use simulator::send::{Endpoints, Options, Simulator};
use tokio_util::sync::CancellationToken;
use transit_model::clock::{ScaledClock, SharedClock};
use transit_model::ids::FeedId;
use transit_model::time::{ServiceDate, ServiceTime};
use zupynka::city::Prepared;
use zupynka::commands::evaluate::live::{self, Live};
use zupynka_tests::town::config;
use zupynka_tests::within;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_system_is_measured_against_the_truth_of_the_simulator() {
    const SEED: u64 = 11;
    let day: ServiceDate = "20261124".parse().unwrap();
    let feed = city::feed(day);
    let t = Arc::new(city::load(day).unwrap().timetable);
    let seven = t.zone.at(day, ServiceTime(7 * 3600));
    let clock: SharedClock = Arc::new(ScaledClock::starting(seven, 60.0));
    let dir = tempfile::tempdir().unwrap();
    let config = config(&FeedId::from(city::FEED_ID), dir.path().to_owned());
    let zip = feed.to_zip_bytes().unwrap();
    let prepared = Prepared::open(config, Arc::clone(&t), Some(zip.into()), Arc::clone(&clock)).await.unwrap();
    let stop = CancellationToken::new();
    let city = prepared.start(stop.clone()).await.unwrap();
    let at = city.ingest.addresses();
    let cap = Some(Cap { vehicles: 25, at: ServiceTime(8 * 3600) });
    let options =
        Options { seed: SEED, secret: [7; 32], cap, endpoints: Endpoints::by(|p| at.of(p)), ..Options::default() };
    let simulator = Simulator::new(Arc::clone(&t), options, clock.now()).unwrap();
    city.ingest.desk().add(simulator.devices().into_iter().map(Into::into).collect()).await.unwrap();
    let trackers = simulator.start(&clock, &stop);

    let asked = Live {
        server: format!("http://{}", city.http).parse().unwrap(),
        gtfs: None,
        truth: Vec::new(),
        fleet: FleetOptions { seed: SEED, cap, ..FleetOptions::default() },
        seconds: Some(1200),
    };
    let bar = ProgressBar::hidden();
    let found = live::judge(&asked, &bar, std::future::pending());
    let found = within("twenty minutes of the city", found).await.unwrap();
    stop.cancel();
    trackers.stopped().await;
    within("the city to close", city.stopped()).await.unwrap();

    let cell = found.tally.all();
    let shown = eta_engine::accuracy::figures::table(cell);
    println!("{shown}\n{:?}", found.on_true_trip);
    assert!(found.span.1.secs_since(found.span.0) >= 1200);
    assert!(found.on_true_trip.of > 100, "{:?}", found.on_true_trip);
    assert!(found.on_true_trip.share().unwrap() > 0.8, "{:?}", found.on_true_trip);
    let ours = cell.of(eta_engine::accuracy::measure::Who::Ours).unwrap().all();
    assert!(ours.n > 300 && ours.mae().unwrap() < 120.0, "{shown}");
}
