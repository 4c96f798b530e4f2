//! What a passenger reads, second by second, while a vehicle comes, goes, and falls silent.

use transit_model::board::{LabelKind, RowSource};
use zupynka_tests::town::Town;
use zupynka_tests::trackers::{Speaks, Tracker, record};

/// The minutes a label says; 0 for "now".
fn minutes(text: &str) -> i64 {
    match text.strip_suffix(" хв") {
        Some(n) => n.parse().unwrap(),
        None => {
            assert_eq!(text, "зараз");
            0
        }
    }
}

#[tokio::test]
async fn a_countdown_goes_down_and_the_row_leaves_with_the_vehicle_and_never_comes_back() {
    let town = Town::open("08:01:00", Speaks::Teltonika).await;
    let mut tracker = Tracker::connect(Speaks::Teltonika, town.city.ingest.addresses()).await;
    town.drive(&mut tracker, town.at("08:02:00"), [0.25, 0.5]).await;
    let mut said = Vec::new();
    let mut km = 0.5;
    // C lies at 2 km and is reached at 08:08.
    while km < 3.0 {
        if let Some((row, label)) = town.row("C", "o1").await {
            assert_eq!((row.source, label.kind), (RowSource::Live, LabelKind::Live), "{said:?}");
            assert!(km < 2.15, "it has left, and stands at {}", label.text);
            said.push(minutes(&label.text));
        } else {
            assert!(km > 1.95, "the row is gone and the vehicle {km} km from A");
            said.push(-1);
        }
        let until = town.clock_now().plus_secs(30);
        town.drive(&mut tracker, until, [km, km + 0.125]).await;
        km += 0.125;
    }
    assert!(said.is_sorted_by(|a, b| a >= b), "a countdown rose, or a row came back: {said:?}");
    assert!(said.starts_with(&[5]) || said.starts_with(&[6]), "six minutes of way: {said:?}");
    assert!(said.contains(&0) && said.contains(&-1), "{said:?}");

    // Its receiver wanders back past the stop; its tracker sends an old fix once more.
    town.drive(&mut tracker, town.clock_now().plus_secs(60), [km, km]).await;
    town.drive(&mut tracker, town.clock_now().plus_secs(20), [km, km - 0.1]).await;
    tracker.send(&record(town.at("08:06:05"), 1.5, 4.2)).await;
    town.drive(&mut tracker, town.clock_now().plus_secs(20), [km - 0.1, km]).await;
    assert_eq!(town.row("C", "o1").await, None);
    assert!(town.row("C", "o2").await.is_some(), "the next one is still to come");
    town.close().await;
}

#[tokio::test]
async fn a_tracker_that_falls_silent_is_marked_then_only_the_timetable_and_the_dispatcher_is_told() {
    let town = Town::open("08:01:00", Speaks::Osmand).await;
    let mut tracker = Tracker::connect(Speaks::Osmand, town.city.ingest.addresses()).await;
    town.drive(&mut tracker, town.at("08:05:00"), [0.25, 1.25]).await;

    let mut said = Vec::new();
    for at in ["08:05:30", "08:06:00", "08:07:00", "08:08:30"] {
        town.clock_to(town.at(at)).await;
        let (row, label) = town.row("E", "o1").await.unwrap();
        said.push((at, label.kind, label.text, row.fix_time.is_some()));
    }
    // The timetable has it at E, 4 km from A, at 08:16.
    let [fresh, marked, underway, timetable] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((fresh.1, minutes(&fresh.2)), (LabelKind::Live, 10));
    assert_eq!((marked.1, marked.2.as_str()), (LabelKind::Marked, "≈9 хв"));
    assert_eq!((underway.1, underway.2.as_str()), (LabelKind::Underway, "08:16"));
    assert_eq!((timetable.1, timetable.2.as_str()), (LabelKind::Timetable, "08:16"));

    let silent = |s: &transit_model::dispatch::DispatchState| s.concerns.iter().any(|c| c.kind == "silent");
    let state = town.dispatcher_sees("the silence", silent).await;
    let concern = state.concerns.iter().find(|c| c.kind == "silent").unwrap();
    assert_eq!((concern.text_uk.as_str(), concern.since), ("1204 на маршруті 1 мовчить з 08:05", town.at("08:05:00")));

    // It is heard again, where it would be by then: minutes again, and the concern is over.
    let back = town.clock_now().plus_secs(10);
    town.clock_to(back).await;
    town.drive(&mut tracker, back.plus_secs(30), [2.2, 2.3]).await;
    assert_eq!(town.row("E", "o1").await.map(|(_, l)| l.kind), Some(LabelKind::Live));
    town.dispatcher_sees("the end of the silence", |s| !silent(s)).await;
    town.close().await;
}

#[tokio::test]
async fn the_stop_display_shows_what_the_server_says() {
    use stop_display::content::shown;
    use stop_display::link::{Settings, follow};
    use stop_display::state::Display;

    let town = Town::open("08:01:00", Speaks::Mqtt).await;
    let mut tracker = Tracker::connect(Speaks::Mqtt, town.city.ingest.addresses()).await;
    town.drive(&mut tracker, town.at("08:05:00"), [0.25, 1.25]).await;
    let lang = transit_model::lang::Lang::En;
    let settings = Settings::new(format!("http://{}", town.city.http).parse().unwrap(), "C".to_owned(), lang);
    // Its own clock is years off and stands still: it goes by the server's.
    let own: transit_model::clock::SharedClock =
        std::sync::Arc::new(transit_model::clock::ManualClock::at(transit_model::time::UnixMs(0)));
    let (known, mut display) = tokio::sync::watch::channel(Display::default());
    let chance = rand::SeedableRng::seed_from_u64(1);
    let display = tokio::select! {
        refusal = follow(&settings, &own, chance, &known) => panic!("{refusal}"),
        display = display.wait_for(|d| d.live().board().is_some()) => display.unwrap().clone(),
    };
    let shown = shown(&display, own.now(), lang, "C");
    let row = shown.rows.first().unwrap();
    assert_eq!((row.route.as_str(), row.kind, shown.fault.as_str()), ("1", LabelKind::Live, ""), "{shown:?}");
    assert!(["2 min", "3 min"].contains(&row.text.as_str()), "{row:?}");
    town.close().await;
}
