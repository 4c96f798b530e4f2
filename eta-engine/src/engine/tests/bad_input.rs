//! What a city's data may do to the predictor: one absurd traversal, a timetable that is nonsense, a day like no
//! other, no history at all. The whole engine on a street of four stops, a kilometre apart, every ten minutes.

use super::*;

/// The last stop, counted from 0.
const LAST: u16 = 3;

/// The street, with a timetable of so many seconds a link.
fn planned(link: i32) -> Arc<Timetable> {
    let stops: String = (0..4).map(|n| format!("S{n},Стоп {n},48.85,{}\n", 37.6 + f64::from(n) * KM)).collect();
    let mut trips = "route_id,service_id,trip_id,shape_id\n".to_owned();
    let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned();
    for start in (0..60).map(|n| 6 * 3600 + n * 600) {
        trips.push_str(&format!("r,wk,t{start},out\n"));
        for n in 0..4 {
            let s = start + n * link;
            let clock = format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
            times.push_str(&format!("t{start},{clock},{clock},S{n},{}\n", n + 1));
        }
    }
    let ends = [-0.05, 3.05].iter().enumerate().map(|(i, km)| format!("out,48.85,{},{i}\n", 37.6 + km * KM));
    let files = GtfsFiles::default()
        .with("agency.txt", "agency_name,agency_url,agency_timezone\nТУ,https://example.org,Europe/Kyiv\n")
        .with("stops.txt", format!("stop_id,stop_name,stop_lat,stop_lon\n{stops}"))
        .with("routes.txt", "route_id,route_short_name,route_type\nr,1,11\n")
        .with(
            "calendar.txt",
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\nwk,1,1,1,1,1,1,1,20260101,20261231\n",
        )
        .with("trips.txt", trips)
        .with("stop_times.txt", times)
        .with("shapes.txt", format!("shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n{}", ends.collect::<String>()));
    Arc::new(load_files(&files, FeedId::from("street")).unwrap().timetable)
}

/// A day of May 2026 and the trip that leaves at this hour and minute.
#[derive(Clone, Copy)]
struct Run {
    day: i32,
    start: i32,
}

impl Run {
    fn left(self, t: &Timetable) -> UnixMs {
        let date: ServiceDate = format!("202605{:02}", self.day).parse().unwrap();
        t.zone.day_start(date).plus_secs(i64::from(self.start))
    }

    /// Drives the trip, so many seconds for each link, and stops when so many kilometres are done.
    fn drive(self, e: &mut Engine, links: [i32; 3], until_km: f64) -> UnixMs {
        let t = Arc::clone(e.timetable());
        let left = self.left(&t);
        let km_at = |second: i64| {
            let mut rest = second.max(0) as f64;
            let mut km = 0.0;
            for link in links {
                let part = (rest / f64::from(link)).min(1.0);
                km += part;
                rest = (rest - f64::from(link)).max(0.0);
            }
            // It ends a little behind the last stop.
            km + (rest / 240.0).min(0.02)
        };
        let mut second = -40;
        loop {
            let km = km_at(second);
            let time = left.plus_secs(second);
            let reported = Reported {
                trip_id: Some(format!("t{}", self.start).into()),
                start_date: Some(t.zone.date(left)),
                ..Reported::default()
            };
            let f = Fix {
                vehicle: VehicleId::from(format!("v{}", self.start)),
                time,
                received: time,
                reported,
                ..fix(&t, "08:00:00", km + if second % 20 == 0 { 0.001 } else { 0.0 }, 0.0)
            };
            e.take(&f).unwrap();
            if km >= until_km.min(3.0) || second > 3 * 3600 {
                return time;
            }
            second += 10;
        }
    }

    /// How long before the arrival at the last stop it is promised, half a kilometre into the trip, seconds.
    fn promise(self, e: &mut Engine, link: i32) -> i64 {
        let now = self.drive(e, [link; 3], 0.5);
        e.predict_all(now);
        let name = VehicleId::from(format!("v{}", self.start));
        let v = e.vehicle(&name).unwrap();
        let call = v.ahead().iter().find(|c| c.pos.0 == LAST);
        call.unwrap_or_else(|| panic!("nothing is promised: {:?}", v.phase)).arrival.secs_since(now)
    }
}

fn run(day: i32, hour: i32, minute: i32) -> Run {
    Run { day, start: hour * 3600 + minute * 60 }
}

fn weeks_of(t: &Arc<Timetable>, days: std::ops::Range<i32>, link: i32) -> Engine {
    let mut e = engine(t);
    for day in days {
        for n in 0..6 {
            run(day, 8, n * 10).drive(&mut e, [link; 3], 9.0);
        }
    }
    e
}

#[test]
fn one_absurd_traversal_moves_a_learned_link_little_and_is_forgotten() {
    let t = planned(240);
    let usual = run(12, 8, 10).promise(&mut weeks_of(&t, 4..12, 240), 240);
    assert!((usual - 600).abs() < 30, "{usual}");
    let mut e = weeks_of(&t, 4..11, 240);
    // Thirty minutes for a kilometre: a bridge was raised, a driver left the tracker in a depot.
    run(11, 8, 0).drive(&mut e, [240, 1800, 240], 9.0);
    let after = run(12, 8, 10).promise(&mut e, 240);
    assert!((after - usual).abs() < 20, "{usual} before, {after} after: of 1560 s that were lost");
    let later = run(14, 8, 10).promise(&mut e, 240);
    assert!((later - usual).abs() <= (after - usual).abs() + 1, "{after} a day after, {later} three days after");
}

#[test]
fn a_timetable_that_has_vehicles_creep_gives_way_to_what_was_learned() {
    let t = planned(2400);
    let mut e = weeks_of(&t, 4..6, 240);
    let promised = run(6, 8, 10).promise(&mut e, 240);
    assert!((promised - 600).abs() < 60, "{promised}");
}

#[test]
fn a_timetable_that_has_vehicles_fly_gives_way_to_what_was_learned() {
    for plan in [0, 10] {
        let t = planned(plan);
        let mut e = weeks_of(&t, 4..6, 240);
        let promised = run(6, 8, 10).promise(&mut e, 240);
        assert!((promised - 600).abs() < 60, "{plan} s a link: {promised}");
    }
}

#[test]
fn without_history_it_is_the_timetable_and_without_a_timetable_the_length_of_the_way() {
    let promised = run(6, 8, 10).promise(&mut engine(&planned(300)), 240);
    assert!((promised - 750).abs() < 60, "two and a half links of five minutes: {promised}");
    for plan in [0, 10] {
        let promised = run(6, 8, 10).promise(&mut engine(&planned(plan)), 240);
        assert!((400..=625).contains(&promised), "two and a half kilometres at {plan} s a link: {promised}");
    }
}

#[test]
fn on_a_day_like_no_other_the_last_vehicles_count_for_more_than_the_weeks_before() {
    let t = planned(240);
    let mut e = weeks_of(&t, 4..14, 240);
    let before = run(14, 8, 0).promise(&mut e, 120);
    for n in 1..6 {
        run(14, 8, n * 6).drive(&mut e, [120; 3], 9.0);
    }
    let after = run(14, 8, 40).promise(&mut e, 120);
    assert!(before > 450, "the first is promised the usual ten minutes: {before}");
    assert!(
        (after - 300).abs() < (after - 600).abs(),
        "nearer to this day's five minutes than to the usual ten: {after}"
    );
}
