//! Which trip a vehicle is on, for e-ticket validators: now, in the past, and never by guessing.

use zupynka_tests::town::Town;
use zupynka_tests::trackers::{Speaks, Tracker, VEHICLE};

#[tokio::test]
async fn a_tap_is_on_the_trip_the_vehicle_was_on() {
    let town = Town::open("08:00:00", Speaks::Teltonika).await;
    let mut tracker = Tracker::connect(Speaks::Teltonika, town.city.ingest.addresses()).await;
    town.drive(&mut tracker, town.at("08:20:00"), [0.0, 5.0]).await;
    town.drive(&mut tracker, town.at("08:26:00"), [5.0, 5.0]).await;
    town.drive(&mut tracker, town.at("08:32:00"), [5.0, 3.5]).await;

    let path = format!("/v1/vehicles/{VEHICLE}/trip-context");
    let (status, now) = town.get(&path).await;
    assert_eq!((status, &now["known"], &now["trip"]["trip_id"]), (200, &true.into(), &"b1".into()), "{now}");
    assert_eq!((&now["trip"]["block_id"], &now["stop_next"]["id"]), (&"1".into(), &"D".into()), "{now}");
    let (_, then) = town.get(&format!("{path}?at={}", town.at("08:10:00").secs())).await;
    assert_eq!((&then["known"], &then["trip"]["trip_id"]), (&true.into(), &"o1".into()), "{then}");
    let (_, before) = town.get(&format!("{path}?at={}", town.at("07:30:00").secs())).await;
    assert_eq!((&before["known"], &before["reason"]), (&false.into(), &"not_kept".into()), "{before}");

    town.clock_to(town.at("08:36:00")).await;
    let (_, silent) = town.get(&path).await;
    assert_eq!((&silent["known"], &silent["reason"]), (&false.into(), &"silent".into()), "{silent}");
    let (status, nobody) = town.get("/v1/vehicles/9999/trip-context").await;
    assert_eq!((status, &nobody["status"]), (404, &404.into()), "{nobody}");
    assert!(nobody.to_string().contains("9999"), "it names what there is not: {nobody}");
    town.close().await;
}
