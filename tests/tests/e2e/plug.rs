//! The plug is pulled: no task is told anything, nothing is closed, nothing is saved. What comes up on the
//! same folder is the same city.

use std::sync::Arc;

use tokio::runtime::Runtime;
use transit_model::board::LabelKind;
use zupynka_tests::town::Town;
use zupynka_tests::trackers::{Speaks, Tracker, VEHICLE};

/// What there is to compare: trip, metres along it, the label of a row.
async fn seen(town: &Town) -> (String, f32, (LabelKind, String)) {
    let world =
        town.world("the vehicle on its trip", |w| w.vehicle(VEHICLE).is_some_and(|v| v.on_trip.is_some())).await;
    let on = world.vehicle(VEHICLE).and_then(|v| v.on_trip).unwrap();
    let (_, label) = town.row("D", "o1").await.unwrap();
    (town.timetable.trips.at(on.on.trip).id.to_string(), on.along, (label.kind, label.text))
}

#[test]
fn a_city_that_loses_power_comes_back_with_the_vehicle_where_it_is() {
    let first = Runtime::new().unwrap();
    let (dir, now, before, token) = first.block_on(async {
        let town = Town::open("08:01:00", Speaks::Teltonika).await;
        let mut tracker = Tracker::connect(Speaks::Teltonika, town.city.ingest.addresses()).await;
        town.drive(&mut tracker, town.at("08:07:00"), [0.25, 1.75]).await;
        let before = seen(&town).await;
        let (dir, now, token) = (town.dir(), town.clock_now(), town.dispatcher.clone());
        // Its sockets, its databases, its tasks: all of it ends with the runtime, in the middle of whatever.
        std::mem::forget(town);
        (dir, now, before, token)
    });
    first.shutdown_background();
    assert_eq!((before.0.as_str(), before.2.0), ("o1", LabelKind::Live));

    Runtime::new().unwrap().block_on(async {
        // Ten seconds later.
        let town = Town::open_on(Arc::clone(&dir), now.plus_secs(10)).await;
        let after = seen(&town).await;
        assert_eq!(after.0, before.0);
        assert!((after.1 - before.1).abs() < 60.0, "{after:?} {before:?}");
        assert_eq!(after.2.0, LabelKind::Live, "{after:?}");
        // And the tracker goes on as if nothing had been, on the registry that is still there.
        let mut tracker = Tracker::connect(Speaks::Teltonika, town.city.ingest.addresses()).await;
        town.drive(&mut tracker, town.at("08:09:10"), [1.8, 2.3]).await;
        assert_eq!(town.row("C", "o1").await, None, "it has passed C");
        assert_eq!(town.row("D", "o1").await.map(|(_, l)| l.kind), Some(LabelKind::Live));
        let join = zupynka_tests::streams::Dispatch::join(town.city.http, Some(&token)).await;
        assert!(join.is_ok(), "a token is good for longer than a process");
        town.close().await;
    });
}
