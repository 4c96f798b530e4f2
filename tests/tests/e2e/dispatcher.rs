//! The dispatcher's stream: for whom it is, and what it and the dispatcher's program make of a vehicle.

use transit_model::clock::{ManualClock, SharedClock};
use transit_model::dispatch::{DispatchState, Phase};
use transit_model::time::UnixMs;
use zupynka_tests::streams::Dispatch;
use zupynka_tests::town::Town;
use zupynka_tests::trackers::{Speaks, Tracker, VEHICLE};

#[tokio::test]
async fn the_stream_is_for_dispatchers() {
    let town = Town::open("08:01:00", Speaks::Teltonika).await;
    let refusal = async |token: Option<&str>| Dispatch::join(town.city.http, token).await.err().map(|s| s.as_u16());
    assert_eq!(refusal(None).await, Some(401));
    assert_eq!(refusal(Some("zup_guess")).await, Some(401));
    let nearly = format!("{}x", town.dispatcher);
    assert_eq!(refusal(Some(&nearly)).await, Some(401));
    assert_eq!(refusal(Some(&town.display)).await, Some(403), "a board's token is good, and not for this");
    assert_eq!(refusal(Some(&town.dispatcher)).await, None);
    town.close().await;
}

#[tokio::test]
async fn a_vehicle_and_its_route_are_seen_where_they_are() {
    let town = Town::open("08:01:00", Speaks::Teltonika).await;
    let mut tracker = Tracker::connect(Speaks::Teltonika, town.city.ingest.addresses()).await;
    town.drive(&mut tracker, town.at("08:07:00"), [0.25, 1.25]).await;
    let seen = |s: &DispatchState| s.vehicles.iter().any(|v| v.place.is_some());
    let state = town.dispatcher_sees("the vehicle", seen).await;
    let v = &state.vehicles[0];
    assert_eq!((v.id.as_str(), v.phase), (VEHICLE, Phase::InProgress));
    assert_eq!(v.trip.as_ref().map(|t| (t.trip_id.as_str(), t.block_id.as_deref())), Some(("o1", Some("1"))));
    let place = v.place.as_ref().unwrap();
    assert_eq!(place.next_stop, "C");
    assert!((place.fraction - 0.25).abs() < 0.05, "{place:?}");
    // At 08:07 the timetable wants it three quarters of the way from B to C: two minutes late.
    assert!(v.delay.is_some_and(|d| (90..=150).contains(&d)), "{:?}", v.delay);
    let route = &state.routes[0];
    assert_eq!((route.id.as_str(), route.scheduled, route.running, route.on_time), ("r1", 1, 1, 1));
    town.close().await;
}

#[tokio::test]
async fn the_dispatchers_program_answers_as_json_and_refuses_by_name() {
    use dispatch_tui::link::{Refusal, Settings, follow};
    use dispatch_tui::live::Live;
    use dispatch_tui::once::{Output, Question, View, answer};
    use dispatch_tui::token::Token;
    use dispatch_tui::views;

    let town = Town::open("08:01:00", Speaks::Teltonika).await;
    let mut tracker = Tracker::connect(Speaks::Teltonika, town.city.ingest.addresses()).await;
    town.drive(&mut tracker, town.at("08:05:00"), [0.25, 1.25]).await;
    let own: SharedClock = std::sync::Arc::new(ManualClock::at(UnixMs(0)));
    let settings = |token: Option<&str>| {
        let token = token.map(|t| Token::find(None, Some(t.to_owned())).unwrap().unwrap());
        Settings::new(format!("http://{}", town.city.http).parse().unwrap(), token)
    };
    let chance = || rand::SeedableRng::seed_from_u64(1);
    let (known, mut live) = tokio::sync::watch::channel(Live::default());
    let mut refused = Vec::new();
    for token in [None, Some("zup_guess"), Some(town.display.as_str())] {
        refused.push(follow(&settings(token), &own, chance(), &known).await);
    }
    assert!(
        matches!(refused.as_slice(), [Refusal::NoToken(_), Refusal::BadToken(_), Refusal::WrongRole(_)]),
        "{refused:?}"
    );
    let seen = |l: &Live| l.state().is_some_and(|s| s.vehicles.iter().any(|v| v.place.is_some()));
    let good = settings(Some(&town.dispatcher));
    let live = tokio::select! {
        refusal = follow(&good, &own, chance(), &known) => panic!("{refusal}"),
        live = live.wait_for(seen) => live.unwrap().clone(),
    };
    let now = views::now(&live, own.now()).unwrap();
    let question = Question { view: View::Vehicle, vehicle: Some(VEHICLE.to_owned()), ..Question::default() };
    let said: serde_json::Value = serde_json::from_str(&answer(now, &question, Output::Json).unwrap()).unwrap();
    assert_eq!(said["vehicle"]["trip"]["trip_id"], "o1", "{said}");
    assert_eq!(said["stops"][0]["stop_id"], "C", "{said}");
    town.close().await;
}
