//! From a tracker's bytes to the board at the stop, by every protocol.

use transit_model::board::{Freshness, LabelKind, RowSource, label_at};
use zupynka_tests::streams::LiveStop;
use zupynka_tests::town::Town;
use zupynka_tests::trackers::{Speaks, Tracker, VEHICLE};

async fn is_on_the_board(speaks: Speaks) {
    let town = Town::open("08:01:00", speaks).await;
    let mut stop = LiveStop::join(town.city.http, "C").await;
    let before = stop.until("a snapshot", |b| !b.rows.is_empty()).await;
    assert!(before.rows.iter().all(|r| r.source == RowSource::Timetable), "{before:?}");

    let mut tracker = Tracker::connect(speaks, town.city.ingest.addresses()).await;
    town.drive(&mut tracker, town.at("08:05:00"), [0.25, 1.25]).await;

    let followed = |b: &transit_model::board::Board| {
        b.rows.iter().any(|r| r.trip_id == "o1" && r.fix_time == Some(town.clock_now()))
    };
    let board = stop.until("the vehicle on the board", followed).await;
    let row = board.rows.iter().find(|r| r.trip_id == "o1").unwrap();
    assert_eq!(
        (row.source, row.freshness, row.vehicle_id.as_deref()),
        (RowSource::Live, Freshness::Fresh, Some(VEHICLE))
    );
    assert_eq!((row.route.name.as_str(), row.destination.as_str()), ("1", "Вокзал"));
    // 750 m at 15 km/h: three minutes, and people are promised the whole minutes of that.
    let label = label_at(&row.labels, town.clock_now()).unwrap();
    assert_eq!(label.kind, LabelKind::Live);
    assert!(["2 хв", "3 хв"].contains(&label.text.as_str()), "{label:?}");
    town.close().await;
}

#[tokio::test]
async fn a_teltonika_trackers_bytes_are_minutes_on_the_board() {
    is_on_the_board(Speaks::Teltonika).await;
}

#[tokio::test]
async fn a_phone_with_osmand_is_minutes_on_the_board() {
    is_on_the_board(Speaks::Osmand).await;
}

#[tokio::test]
async fn an_on_board_computer_over_mqtt_is_minutes_on_the_board() {
    is_on_the_board(Speaks::Mqtt).await;
}
