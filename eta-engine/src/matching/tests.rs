//! Scenarios of trip inference: trackers that report a place and nothing else.
//!
//! ```text
//! X1 ─┐                     ┌─ X2     route x: X1 → P → Q → X2, 24 minutes
//!     P ───── trunk ─────── Q         route y: Y1 → P → Q → Y2, 24 minutes
//! Y1 ─┘                     └─ Y2     and both back; branches 2 km, trunk 4 km, 20 km/h throughout
//! ```
//!
//! Blocks: `xa`, `xb`, `xc` leave X1 at 08:00, 08:10, 08:20 and come back at 08:30, 08:40, 08:50;
//! `y` blocks the same from Y1, four minutes later.

use std::sync::Arc;

use transit_model::dispatch::Phase;
use transit_model::fix::{Fix, Reported, Source};
use transit_model::gtfs::{GtfsFiles, load_files};
use transit_model::ids::{FeedId, VehicleId};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use crate::engine::{Engine, Model, Settings};

const DAY: &str = "20260506";
const LAT: f64 = 50.45;
/// Degrees of longitude and of latitude in a kilometre.
const KM_EAST: f64 = 1.0 / 70.887;
const KM_NORTH: f64 = 1.0 / 111.195;

type Km = (f64, f64);
const X1: Km = (0.0, 2.0);
const Y1: Km = (0.0, -2.0);
const P: Km = (0.0, 0.0);
const Q: Km = (4.0, 0.0);
const X2: Km = (4.0, 2.0);
const Y2: Km = (4.0, -2.0);

fn degrees((east, north): Km) -> (f64, f64) {
    (LAT + north * KM_NORTH, 30.5 + east * KM_EAST)
}

fn city() -> Arc<Timetable> {
    let stop = |id: &str, at: Km| {
        let (lat, lon) = degrees(at);
        format!("{id},{id},{lat},{lon}\n")
    };
    let stops: String = [("X1", X1), ("Y1", Y1), ("P", P), ("Q", Q), ("X2", X2), ("Y2", Y2)]
        .iter()
        .map(|(id, at)| stop(id, *at))
        .collect();
    let lines = [("x", ["X1", "P", "Q", "X2"], [X1, P, Q, X2]), ("y", ["Y1", "P", "Q", "Y2"], [Y1, P, Q, Y2])];
    let mut trips = "route_id,service_id,trip_id,direction_id,shape_id,block_id\n".to_owned();
    let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned();
    let mut shapes = "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n".to_owned();
    for (route, order, course) in lines {
        for back in [false, true] {
            let direction = usize::from(back);
            let (mut order, mut course) = (order, course);
            if back {
                order.reverse();
                course.reverse();
            }
            for (i, at) in course.iter().enumerate() {
                let (lat, lon) = degrees(*at);
                shapes.push_str(&format!("{route}{direction},{lat},{lon},{i}\n"));
            }
            for (n, block) in ["a", "b", "c"].iter().enumerate() {
                let start = 480 + 10 * n + 30 * direction + if route == "y" { 4 } else { 0 };
                let id = format!("{route}{block}{direction}");
                trips.push_str(&format!("{route},wk,{id},{direction},{route}{direction},{route}{block}\n"));
                for (k, (s, after)) in order.iter().zip([0, 6, 18, 24]).enumerate() {
                    let m = start + after;
                    let at = format!("{:02}:{:02}:00", m / 60, m % 60);
                    times.push_str(&format!("{id},{at},{at},{s},{}\n", k + 1));
                }
            }
        }
    }
    let files = GtfsFiles::default()
        .with("agency.txt", "agency_name,agency_url,agency_timezone\nКП,https://example.org,Europe/Kyiv\n")
        .with("stops.txt", format!("stop_id,stop_name,stop_lat,stop_lon\n{stops}"))
        .with("routes.txt", "route_id,route_short_name,route_type\nx,1,3\ny,2,3\n")
        .with(
            "calendar.txt",
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\nwk,1,1,1,1,1,1,1,20260101,20261231\n",
        )
        .with("trips.txt", trips)
        .with("stop_times.txt", times)
        .with("shapes.txt", shapes);
    Arc::new(load_files(&files, FeedId::from("trunk")).unwrap().timetable)
}

/// A street of the city as vehicles see it: who drives, from when to when, by which corners.
struct Scene {
    t: Arc<Timetable>,
    e: Engine,
    /// The trip that vehicles name from here on.
    named: Option<&'static str>,
}

impl Scene {
    fn new() -> Self {
        let t = city();
        let e = Engine::new(Arc::clone(&t), Settings::default(), Model::default());
        Self { t, e, named: None }
    }

    fn clock(&self, hms: &str) -> UnixMs {
        self.t.zone.at(DAY.parse().unwrap(), hms.parse().unwrap())
    }

    /// What vehicles say of their trip from here on.
    fn name(&mut self, trip: Option<&'static str>) -> &mut Self {
        self.named = trip;
        self
    }

    /// Drives evenly along a course, one fix in ten seconds.
    fn drive(&mut self, who: &str, from: &str, to: &str, course: &[Km]) -> &mut Self {
        let (a, b) = (self.clock(from), self.clock(to));
        let leg = |w: &[Km]| (w[1].0 - w[0].0).hypot(w[1].1 - w[0].1);
        let length: f64 = course.windows(2).map(leg).sum();
        let steps = b.secs_since(a) / 10;
        for i in 1..=steps {
            let mut left = length * i as f64 / steps as f64;
            let mut at = course[0];
            for w in course.windows(2) {
                let l = leg(w);
                let share = if l > 0.0 { (left / l).clamp(0.0, 1.0) } else { 1.0 };
                at = ((w[1].0 - w[0].0).mul_add(share, w[0].0), (w[1].1 - w[0].1).mul_add(share, w[0].1));
                if left <= l {
                    break;
                }
                left -= l;
            }
            // Three metres of noise to and fro, less when it stands.
            let noise = if length > 0.0 { 0.003 } else { 0.001 };
            let wobble = if i % 2 == 0 { noise } else { -noise };
            let (lat, lon) = degrees((at.0 + wobble, at.1 + wobble));
            let time = a.plus_secs(i * 10);
            let fix = Fix {
                vehicle: VehicleId::from(who),
                time,
                received: time,
                lat,
                lon,
                speed: None,
                bearing: None,
                reported: Reported { trip_id: self.named.map(Into::into), ..Reported::default() },
                source: Source::Recording,
            };
            self.e.take(&fix).unwrap();
        }
        self
    }

    fn stand(&mut self, who: &str, from: &str, to: &str, at: Km) -> &mut Self {
        self.drive(who, from, to, &[at, at])
    }

    fn trip(&self, who: &str) -> Option<&str> {
        let h = self.e.vehicle(&VehicleId::from(who)).unwrap().track.chosen()?;
        Some(&*self.t.trips.at(h.on.trip).id)
    }

    fn phase(&self, who: &str) -> Phase {
        self.e.vehicle(&VehicleId::from(who)).unwrap().phase
    }
}

#[test]
fn what_a_street_of_its_own_told_still_counts_on_the_trunk() {
    let mut s = Scene::new();
    // Four minutes late from X1: on the trunk the timetable would rather have it on a trip of route y.
    s.stand("1", "07:58:00", "08:04:00", X1).drive("1", "08:04:00", "08:10:00", &[X1, P]);
    s.drive("1", "08:10:00", "08:22:00", &[P, Q]);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa0"), Phase::InProgress));
    assert_eq!(s.e.counts().trip_changes, 0);
}

#[test]
fn a_vehicle_held_up_stays_on_its_trip_when_the_next_one_is_due_there() {
    let mut s = Scene::new();
    s.stand("1", "07:58:00", "08:00:00", X1).drive("1", "08:00:00", "08:06:00", &[X1, P]);
    // A jam: twelve minutes for 200 m, then on; where it is now the next trip should be.
    s.drive("1", "08:06:00", "08:18:00", &[P, (0.2, 0.0)]).drive("1", "08:18:00", "08:28:00", &[(0.2, 0.0), Q]);
    assert_eq!(s.trip("1"), Some("xa0"));
    assert_eq!(s.e.counts().trip_changes, 0);
}

#[test]
fn a_vehicle_taken_for_another_lines_is_set_right_where_the_lines_part() {
    let mut s = Scene::new();
    // The tracker is switched on at the trunk, when the timetable has a trip of route y there.
    s.drive("1", "08:14:00", "08:22:00", &[(1.2, 0.0), Q]);
    assert_eq!(s.trip("1"), Some("ya0"));
    s.drive("1", "08:22:00", "08:25:00", &[Q, (4.0, 1.0)]);
    assert!(matches!(s.trip("1"), Some("xa0" | "xb0")), "{:?}", s.trip("1"));
}

#[test]
fn at_a_terminal_the_block_goes_on_even_when_another_trip_would_leave_on_time() {
    let mut s = Scene::new();
    s.stand("1", "07:58:00", "08:00:00", X1).drive("1", "08:00:00", "08:24:00", &[X1, P, Q, X2]);
    assert_eq!(s.trip("1"), Some("xa0"));
    s.stand("1", "08:24:00", "08:26:00", X2);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa1"), Phase::Layover));
    // It leaves six minutes late, four before the next one is due.
    s.stand("1", "08:26:00", "08:36:00", X2).drive("1", "08:36:00", "08:42:00", &[X2, Q]);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa1"), Phase::InProgress));
}

#[test]
fn a_vehicle_that_lets_the_departure_pass_without_a_reason_runs_the_next_one() {
    let mut s = Scene::new();
    s.stand("1", "07:50:00", "08:10:00", X1).drive("1", "08:10:00", "08:16:00", &[X1, P]);
    assert_eq!(s.trip("1"), Some("xb0"));
}

#[test]
fn a_vehicle_that_names_its_trips_and_names_none_runs_none() {
    let mut s = Scene::new();
    s.name(Some("xa0")).drive("1", "08:00:00", "08:10:00", &[X1, P, (1.3, 0.0)]);
    // A gap of two minutes in what it says is no end of its trip; five minutes are.
    s.name(None).drive("1", "08:10:00", "08:12:00", &[(1.3, 0.0), (2.0, 0.0)]);
    assert_eq!(s.trip("1"), Some("xa0"));
    s.drive("1", "08:12:00", "08:17:00", &[(2.0, 0.0), (3.7, 0.0)]);
    assert_eq!(s.trip("1"), None);
    // It names a trip again, and is believed at once.
    s.name(Some("xa0")).drive("1", "08:17:00", "08:17:20", &[(3.7, 0.0), (3.8, 0.0)]);
    assert_eq!(s.trip("1"), Some("xa0"));
    // One that never names any is found out by where it drives.
    s.name(None).stand("2", "08:18:00", "08:20:00", X1).drive("2", "08:20:00", "08:26:00", &[X1, P]);
    assert_eq!(s.trip("2"), Some("xc0"));
}

#[test]
fn at_the_end_of_the_trip_it_named_a_vehicle_has_its_layover() {
    let mut s = Scene::new();
    s.name(Some("xa0")).drive("1", "08:00:00", "08:24:00", &[X1, P, Q, X2]);
    s.name(None).stand("1", "08:24:00", "08:30:00", X2);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa0"), Phase::Layover));
}

#[test]
fn a_trip_that_a_vehicle_names_is_no_one_elses_then_or_later() {
    let mut s = Scene::new();
    // The one that says nothing sets out as trip xa0 would; the one that names it comes a minute later.
    s.stand("2", "07:58:00", "08:00:00", X1).drive("2", "08:00:00", "08:04:00", &[X1, (0.0, 0.67)]);
    assert_eq!(s.trip("2"), Some("xa0"));
    s.name(Some("xa0")).drive("1", "08:01:00", "08:24:00", &[X1, P, Q, X2]);
    s.name(None).drive("2", "08:24:10", "08:24:30", &[(0.0, 0.67), (0.0, 0.60)]);
    assert_ne!(s.trip("2"), Some("xa0"));
    // Nor does anybody who drives there an hour later run it again.
    s.stand("3", "09:00:00", "09:02:00", X1).drive("3", "09:02:00", "09:10:00", &[X1, P]);
    assert_ne!(s.trip("3"), Some("xa0"));
}

#[test]
fn two_vehicles_do_not_share_a_trip() {
    let mut s = Scene::new();
    s.stand("1", "07:55:00", "07:59:50", X1);
    for minute in 0..6 {
        // The first left on time; the second, switched on behind it, cannot be on the same trip.
        let at = |m: f64| (0.0, 2.0 - m / 3.0);
        let clock = |m: i32| format!("08:{m:02}:00");
        let m = f64::from(minute);
        s.drive("1", &clock(minute), &clock(minute + 1), &[at(m), at(m + 1.0)]);
        if minute >= 2 {
            s.drive("2", &clock(minute), &clock(minute + 1), &[at(m - 2.0), at(m - 1.0)]);
        }
    }
    assert_eq!(s.trip("1"), Some("xa0"));
    assert_ne!(s.trip("2"), Some("xa0"));
}

#[test]
fn a_vehicle_driving_home_after_its_last_trip_is_on_no_other_line() {
    let mut s = Scene::new();
    s.stand("1", "08:28:00", "08:30:00", X2).drive("1", "08:30:00", "08:54:00", &[X2, Q, P, X1]);
    assert_eq!(s.trip("1"), Some("xa1"));
    // Home leads away from every line.
    s.drive("1", "08:54:00", "08:57:00", &[X1, (-1.0, 2.0)]);
    assert_eq!(s.phase("1"), Phase::Deadhead);
}

#[test]
fn a_vehicle_that_waits_around_the_corner_from_its_last_stop_has_its_layover() {
    let mut s = Scene::new();
    s.stand("1", "07:58:00", "08:00:00", X1).drive("1", "08:00:00", "08:23:30", &[X1, P, Q, (4.0, 1.9)]);
    s.drive("1", "08:23:30", "08:24:00", &[(4.0, 1.9), (4.15, 1.9)]).stand("1", "08:24:00", "08:28:00", (4.15, 1.9));
    assert_eq!(s.phase("1"), Phase::Layover);
    s.drive("1", "08:28:00", "08:30:00", &[(4.15, 1.9), X2]).drive("1", "08:30:00", "08:34:00", &[X2, (4.0, 0.7)]);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa1"), Phase::InProgress));
}

#[test]
fn waiting_beyond_the_first_stop_is_not_leaving_early() {
    let mut s = Scene::new();
    s.stand("1", "07:58:00", "08:00:00", X1).drive("1", "08:00:00", "08:23:00", &[X1, P, Q, (4.0, 1.98)]);
    // It turns round and waits a hundred metres down the line of its next trip, which begins at 08:30.
    s.drive("1", "08:23:00", "08:23:30", &[(4.0, 1.98), X2, (4.0, 1.9)]).stand("1", "08:23:30", "08:30:00", (4.0, 1.9));
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa1"), Phase::Layover));
    s.drive("1", "08:30:00", "08:33:00", &[(4.0, 1.9), (4.0, 0.9)]);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa1"), Phase::InProgress));
}

#[test]
fn people_get_off_before_the_trip_is_over() {
    let mut s = Scene::new();
    s.stand("1", "07:58:00", "08:00:00", X1).drive("1", "08:00:00", "08:24:00", &[X1, P, Q, X2]);
    s.stand("1", "08:24:00", "08:24:20", X2);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa0"), Phase::InProgress));
    s.stand("1", "08:24:20", "08:25:30", X2);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa1"), Phase::Layover));
}

#[test]
fn a_vehicle_parked_off_its_line_has_given_up_its_trip() {
    let mut s = Scene::new();
    s.stand("1", "07:58:00", "08:00:00", X1).drive("1", "08:00:00", "08:09:00", &[X1, P, (1.0, 0.0)]);
    s.drive("1", "08:09:00", "08:10:00", &[(1.0, 0.0), (1.0, 0.4)]);
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa0"), Phase::OffRoute));
    s.stand("1", "08:10:00", "08:15:00", (1.0, 0.4));
    assert_eq!((s.trip("1"), s.phase("1")), (None, Phase::Deadhead));
    // Back on the line it goes on with the trip it left.
    s.drive("1", "08:15:00", "08:16:00", &[(1.0, 0.4), (1.0, 0.0)]).drive(
        "1",
        "08:16:00",
        "08:20:00",
        &[(1.0, 0.0), (2.4, 0.0)],
    );
    assert_eq!((s.trip("1"), s.phase("1")), (Some("xa0"), Phase::InProgress));
}

#[test]
fn a_vehicle_from_its_base_joins_a_line_on_its_way_to_a_terminal() {
    let mut s = Scene::new();
    let base = (2.0, 1.0);
    s.stand("1", "07:40:00", "08:10:00", base);
    assert_eq!((s.trip("1"), s.phase("1")), (None, Phase::AtBase));
    s.drive("1", "08:10:00", "08:12:00", &[base, (2.0, 0.1)]);
    assert_eq!(s.phase("1"), Phase::Deadhead);
    // At the hour of a trip, along its line: yet nobody begins a trip in the middle of it.
    s.drive("1", "08:12:00", "08:20:00", &[(2.0, 0.0), Q, (4.0, 0.5)]);
    assert_eq!(s.trip("1"), None);
}

#[test]
fn the_vehicle_a_trip_fits_better_takes_it_over() {
    let mut s = Scene::new();
    // Switched on half way down the branch at 08:09: six minutes late on one trip, four early on the next.
    s.drive("2", "08:08:40", "08:10:30", &[(0.0, 1.1), (0.0, 0.5)]);
    assert_eq!(s.trip("2"), Some("xa0"));
    // Then one is switched on just where that trip should be.
    s.drive("1", "08:10:30", "08:14:00", &[(1.5, 0.0), (2.667, 0.0)]);
    s.drive("2", "08:10:30", "08:12:00", &[(0.0, 0.5), P]).drive("2", "08:12:00", "08:14:00", &[P, (0.7, 0.0)]);
    s.drive("1", "08:14:00", "08:18:00", &[(2.667, 0.0), Q]).drive("1", "08:18:00", "08:21:00", &[Q, (4.0, 1.0)]);
    s.drive("2", "08:14:00", "08:16:00", &[(0.7, 0.0), (1.4, 0.0)]);
    assert_eq!((s.trip("1"), s.trip("2")), (Some("xa0"), Some("xb0")));
}

#[test]
fn poor_reception_after_a_jam_is_no_reason_to_change_lines() {
    let mut s = Scene::new();
    s.stand("1", "07:58:00", "08:06:20", X1).drive("1", "08:06:20", "08:12:00", &[X1, P]);
    s.drive("1", "08:12:00", "08:31:00", &[P, (0.2, 0.0)]);
    // Between high houses every fix is 20 m off; a trip of route y is due here, and on time.
    s.drive("1", "08:31:00", "08:41:00", &[(0.2, 0.021), (3.5, 0.021)]);
    let trip = s.trip("1");
    assert!(trip.is_some_and(|t| t.starts_with('x')), "{trip:?}");
}
