//! The whole wire: the fleet's trackers against the real listeners, the registry and the gate.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use simulator::city;
use simulator::drive::{Cap, Mishaps};
use simulator::fleet::{Fleet, FleetOptions};
use simulator::send::{Endpoints, Options, Simulator, Transport};
use simulator::tracker::fault::{Damage, Kind, Rule};
use simulator::tracker::{Faults, Split};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::Protocol;
use tracker_ingest::{Ingest, IngestConfig};
use transit_model::clock::{ScaledClock, SharedClock};
use transit_model::fix::Fix;
use transit_model::ids::{FeedId, VehicleId};
use transit_model::plane::haversine;
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

/// How long the whole fleet may take to be heard; far longer than it does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays a fleet of trackers that speak these protocols, one message in ten damaged at first, to the
/// real listeners, until each protocol has brought live fixes of its own near the truth.
async fn every_one_is_heard(protocols: &[Protocol], transport: Transport) {
    let monday: ServiceDate = "20261123".parse().unwrap();
    let tt = Arc::new(city::load(monday).unwrap().timetable);
    let eight = tt.zone.at(monday, ServiceTime(8 * 3600));
    let clock: SharedClock = Arc::new(ScaledClock::starting(eight, 200.0));
    let dir = tempfile::tempdir().unwrap();
    let mut config = IngestConfig { data_dir: dir.path().into(), ..IngestConfig::default() };
    for p in protocols {
        let any = Some("127.0.0.1:0".parse().unwrap());
        match transport {
            Transport::Tcp => config.streams.entry(*p).listen = any,
            Transport::Udp => config.streams.entry(*p).udp = any,
        }
    }
    let shutdown = CancellationToken::new();
    let (out, mut live) = mpsc::channel(1024);
    let ingest = Ingest::start(config, Arc::clone(&clock), None, out, shutdown.clone()).await.unwrap();
    let at = ingest.addresses();
    let address = |p: Protocol| if transport == Transport::Tcp { at.of(p) } else { at.udp(p) };
    let cap = Some(Cap { vehicles: 45, at: ServiceTime(9 * 3600) });
    let split = Split::new(protocols.iter().map(|p| (*p, 1)));
    // Not every tracker is on the road this morning: a fleet is taken of which every protocol is.
    let all_out = |seed: &u64| {
        let options =
            FleetOptions { seed: *seed, cap, mishaps: Mishaps::NONE, split: split.clone(), ..FleetOptions::default() };
        let fleet = Fleet::new(Arc::clone(&tt), options);
        let plan = fleet.plan(monday);
        let out = plan.vehicles.iter().filter(|v| v.span().0 <= eight && v.span().1 > eight.plus_secs(3600));
        let spoken: BTreeSet<Protocol> = out.map(|v| fleet.tracker(&v.vehicle, v.kind).protocol).collect();
        spoken.len() == protocols.len()
    };
    let options = Options {
        seed: (0..500).find(all_out).unwrap(),
        cap,
        mishaps: Mishaps::NONE,
        faults: Faults::new(vec![Rule::new(Kind::Damage { chance: 0.1, how: Damage::Bits })]).unwrap(),
        endpoints: protocols.iter().fold(Endpoints::default(), |all, p| all.over(*p, transport, address(*p))),
        split: split.clone(),
        ..Options::default()
    };
    let sim = Simulator::new(Arc::clone(&tt), options, eight).unwrap();
    let spoken: BTreeSet<Protocol> = sim.devices().iter().map(|d| d.protocol).collect();
    assert_eq!(spoken, protocols.iter().copied().collect());
    ingest.desk().add(sim.devices().into_iter().map(Into::into).collect()).await.unwrap();
    let handle = sim.start(&clock, &shutdown);
    let plan = sim.fleet().plan(monday);
    let mut heard: BTreeMap<Protocol, usize> = BTreeMap::new();
    let all = async {
        while heard.len() < spoken.len() || heard.values().any(|n| *n < 20) {
            let fix = live.recv().await.unwrap();
            let protocol = Protocol::ALL.iter().find(|p| p.source() == fix.source).unwrap();
            let Some(truth) = plan.vehicle(&fix.vehicle).and_then(|v| v.state_at(fix.time)) else { continue };
            // One fix in a thousand is far off, for no receiver is perfect.
            assert!(haversine(truth.lat, truth.lon, fix.lat, fix.lon) < 420.0, "{protocol}: {fix:?}");
            *heard.entry(*protocol).or_default() += 1;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await.is_ok();
    shutdown.cancel();
    handle.stopped().await;
    let (stats, counters) = (handle.stats(), ingest.counters());
    ingest.stopped().await;
    assert!(in_time, "heard {heard:?} of {spoken:?}; {stats:?}; {counters:?}");
    assert_eq!(stats.unencodable, 0, "{stats:?}");
    assert!(
        stats.damaged > 0 && counters.refused.keys().any(|r| matches!(*r, "checksum" | "malformed")),
        "{counters:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocol_of_streams_is_spoken_to_the_real_listeners() {
    let streams: Vec<Protocol> = Protocol::ALL.iter().copied().filter(|p| p.stream().is_some()).collect();
    every_one_is_heard(&streams, Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_are_spoken_as_well() {
    every_one_is_heard(&[Protocol::Wialon, Protocol::Galileosky], Transport::Udp).await;
}
