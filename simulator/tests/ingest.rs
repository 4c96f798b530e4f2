//! The whole wire: the fleet's trackers against the real listeners, the registry and the gate.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use simulator::city;
use simulator::drive::Cap;
use simulator::send::{Endpoints, Options, Simulator};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::Protocol;
use tracker_ingest::{Ingest, IngestConfig};
use transit_model::clock::{ScaledClock, SharedClock};
use transit_model::fix::Fix;
use transit_model::ids::{FeedId, VehicleId};
use transit_model::time::{ServiceDate, ServiceTime};

/// How many live fixes are waited for.
const WANTED: usize = 1500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tracker_is_let_in_and_believed() {
    let monday: ServiceDate = "20261123".parse().unwrap();
    let tt = Arc::new(city::load(monday).unwrap().timetable);
    let eight = tt.zone.at(monday, ServiceTime(8 * 3600));
    let clock: SharedClock = Arc::new(ScaledClock::starting(eight, 300.0));
    let dir = tempfile::tempdir().unwrap();
    let any = Some("127.0.0.1:0".parse().unwrap());
    let mut config =
        IngestConfig { feed: FeedId::from(city::FEED_ID), data_dir: dir.path().into(), ..IngestConfig::default() };
    config.streams.entry(Protocol::Teltonika).listen = any;
    config.osmand.listen = any;
    config.mqtt.listen = any;
    config.osmand.require_token = true;
    let shutdown = CancellationToken::new();
    let (out, mut live) = mpsc::channel(1024);
    let ingest = Ingest::start(config, Arc::clone(&clock), None, out, shutdown.clone()).await.unwrap();
    let at = ingest.addresses();
    let options = Options {
        seed: 2,
        secret: [7; 32],
        cap: Some(Cap { vehicles: 24, at: ServiceTime(9 * 3600) }),
        machines: city::machines(),
        endpoints: Endpoints::by(|p| at.of(p)),
        ..Options::default()
    };
    let sim = Simulator::new(Arc::clone(&tt), options, eight).unwrap();
    ingest.desk().add(sim.devices().into_iter().map(Into::into).collect()).await.unwrap();
    let handle = sim.start(&clock, &shutdown);

    let mut heard: BTreeMap<VehicleId, Vec<Fix>> = BTreeMap::new();
    for _ in 0..WANTED {
        let fix = live.recv().await.unwrap();
        heard.entry(fix.vehicle.clone()).or_default().push(fix);
    }
    shutdown.cancel();
    handle.stopped().await;
    let counters = ingest.counters();
    ingest.stopped().await;

    let sources: BTreeSet<&str> = heard.values().flatten().map(|f| f.source.name()).collect();
    assert_eq!(sources, BTreeSet::from(["mqtt-json", "osmand", "teltonika"]));
    assert!(heard.len() > 15, "{} vehicles", heard.len());
    let stats = handle.stats();
    assert_eq!((stats.refused, stats.unequipped, stats.unencodable), (0, 0, 0), "{stats:?}");
    // What the gate keeps out is a backlog too old to be live, or a fix that is far off.
    let refused: u64 = counters.refused.values().sum();
    assert!(refused * 20 < counters.live, "{counters:?}");

    let mut truth: BTreeMap<VehicleId, BTreeMap<i64, Fix>> = BTreeMap::new();
    for fix in sim.fleet().fixes_between(eight, eight.plus_secs(6 * 3600)) {
        truth.entry(fix.vehicle.clone()).or_default().insert(fix.time.0, fix);
    }
    for (vehicle, fixes) in &heard {
        for fix in fixes {
            let sent = truth.get(vehicle).and_then(|t| t.get(&fix.time.0)).unwrap();
            assert!((sent.lat - fix.lat).abs() < 1e-6 && (sent.lon - fix.lon).abs() < 1e-6, "{fix:?}");
            assert!(fix.reported == sent.reported && fix.received >= fix.time);
        }
    }
}
