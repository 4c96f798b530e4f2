//! Scenarios for the gate: what is sent and when, and what the gate says. One scenario fits a screen.
#![cfg(test)]

mod scenarios {
    use proptest::prelude::*;
    use tracker_ingest::codec::{DeviceKey, Position, Record};
    use tracker_ingest::gate::{Bounds, Gate, GateConfig, Raw, Seen, Verdict};
    use tracker_ingest::rejection::Rejection;
    use transit_model::fix::Source;
    use transit_model::ids::VehicleId;
    use transit_model::time::UnixMs;

    const DAY: i64 = 1_795_000_000;
    /// Sloviansk, roughly.
    const CITY: Bounds = Bounds { south: 48.80, west: 37.50, north: 48.92, east: 37.70 };

    fn gate() -> Gate {
        Gate::new(GateConfig::default(), Some(CITY))
    }

    fn record(time: f64, lat: f64, lon: f64) -> Record {
        let position = Position { lat, lon, valid: true, ..Position::default() };
        Record::at(UnixMs::from_secs_f64(time), position)
    }

    fn said(gate: &mut Gate, record: &Record, received: f64) -> String {
        let (device, vehicle) = (DeviceKey::from("352093081452251"), VehicleId::from("bus-1"));
        let raw = Raw { device: &device, vehicle: Some(&vehicle), source: Source::Teltonika, record };
        match gate.judge(&raw, UnixMs::from_secs_f64(received)).verdict {
            Verdict::Live(_) => "live".to_owned(),
            Verdict::HistoryOnly(_, r) => format!("history {r}"),
            Verdict::Refused(r) => r.to_string(),
        }
    }

    /// Lines of `received made lat lon → verdict`, seconds of the day.
    fn plays(scenario: &str) {
        let mut gate = gate();
        for (n, line) in scenario.lines().map(str::trim).filter(|l| !l.is_empty()).enumerate() {
            let (sent, expected) = line.split_once('→').unwrap();
            let v: Vec<f64> = sent.split_whitespace().map(|w| w.parse().unwrap()).collect();
            let day = DAY as f64;
            let got = said(&mut gate, &record(day + v[1], v[2], v[3]), day + v[0]);
            assert_eq!(got, expected.trim(), "step {} ({line})", n + 1);
        }
    }

    #[test]
    fn a_bus_that_drives_is_live() {
        plays(
            "11 10 48.850 37.600 → live
             21 20 48.851 37.600 → live
             31 30 48.852 37.600 → live",
        );
    }

    #[test]
    fn a_late_fix_goes_to_history_and_never_moves_the_bus_back() {
        plays(
            "31 30 48.852 37.600 → live
             32 20 48.851 37.600 → history out_of_order
             41 40 48.853 37.600 → live",
        );
    }

    #[test]
    fn the_same_record_twice_is_a_duplicate() {
        plays(
            "11 10 48.850 37.600 → live
             12 10 48.850 37.600 → duplicate
             13 10 48.850 37.600 → duplicate
             21 20 48.850 37.600 → live",
        );
    }

    #[test]
    fn a_backlog_is_history_until_it_is_fresh() {
        plays(
            "10000 1000 48.850 37.600 → history stale
             10000 5000 48.851 37.600 → history stale
             10000 9500 48.852 37.600 → live
             10000 9990 48.853 37.600 → live",
        );
    }

    #[test]
    fn what_is_older_than_the_backlog_limit_is_refused() {
        plays(
            "0 -604801 48.850 37.600 → too_old
             0 -604799 48.850 37.600 → history stale
             1 0 48.850 37.600 → live",
        );
    }

    #[test]
    fn five_seconds_ahead_is_let_pass_and_six_is_not() {
        plays("10 15 48.850 37.600 → live");
        plays("10 16 48.850 37.600 → ahead");
    }

    #[test]
    fn a_clock_that_is_an_hour_ahead_is_known_after_three() {
        plays(
            "10 3610 48.850 37.600 → ahead
             20 3620 48.850 37.600 → ahead
             30 3630 48.850 37.600 → live
             40 3640 48.851 37.600 → live
             41 3635 48.851 37.600 → history out_of_order",
        );
    }

    #[test]
    fn three_records_of_one_packet_are_one_voice() {
        plays(
            "10 3610 48.850 37.600 → ahead
             10 3611 48.850 37.600 → ahead
             10 3612 48.850 37.600 → ahead
             20 3620 48.850 37.600 → ahead
             30 3630 48.850 37.600 → live",
        );
    }

    #[test]
    fn a_clock_set_right_again_is_believed_again() {
        let mut gate = gate();
        for i in 0..5 {
            let t = (DAY + i * 10) as f64;
            said(&mut gate, &record(t + 3600.0, 48.85, 37.6), t);
        }
        let device = DeviceKey::from("352093081452251");
        assert_eq!(gate.clock_ms(&device), 3_600_000);
        let answers: Vec<String> = (5..20)
            .map(|i| {
                let t = (DAY + i * 10) as f64;
                said(&mut gate, &record(t - 1.0, 48.85, 37.6), t)
            })
            .collect();
        assert_eq!(answers[0], "history out_of_order");
        assert_eq!(answers[14], "live", "{answers:?}");
        assert_eq!(gate.clock_ms(&device), 0);
    }

    #[test]
    fn one_jump_is_refused_and_the_bus_goes_on() {
        plays(
            "11 10 48.850 37.600 → live
             21 20 48.850 37.690 → jump
             31 30 48.851 37.600 → live",
        );
    }

    #[test]
    fn three_that_agree_are_believed() {
        plays(
            "11 10 48.850 37.600 → live
             21 20 48.850 37.690 → jump
             31 30 48.851 37.690 → jump
             41 40 48.852 37.690 → live
             51 50 48.853 37.690 → live",
        );
    }

    #[test]
    fn jumps_that_do_not_agree_are_never_believed() {
        plays(
            "11 10 48.850 37.600 → live
             21 20 48.850 37.690 → jump
             31 30 48.910 37.510 → jump
             41 40 48.850 37.690 → jump
             51 50 48.910 37.510 → jump",
        );
    }

    #[test]
    fn a_hundred_and_sixty_is_too_fast_for_a_bus() {
        plays(
            "11 10 48.8500 37.600 → live
             21 20 48.8550 37.600 → live
             31 30 48.8610 37.600 → too_fast",
        );
    }

    #[test]
    fn after_an_hour_of_silence_it_may_be_anywhere_in_the_city() {
        plays(
            "11 10 48.81 37.51 → live
             3611 3610 48.91 37.69 → live",
        );
    }

    #[test]
    fn places_that_cannot_be() {
        plays(
            "11 10 0.0 0.0 → off_earth
             12 11 91.0 37.6 → off_earth
             13 12 48.85 181.0 → off_earth
             14 13 60.17 24.94 → out_of_bounds
             15 14 48.70 37.60 → live",
        );
    }

    #[test]
    fn what_is_no_place_never_moves_a_bus() {
        let mut gate = gate();
        let t = DAY as f64;
        let nothing = Record { position: None, ..record(t, 0.0, 0.0) };
        assert_eq!(said(&mut gate, &nothing, t), "no_position");
        let remembered = record(t + 1.0, 48.85, 37.6);
        let position = remembered.position.map(|p| Position { valid: false, ..p });
        assert_eq!(said(&mut gate, &Record { position, ..remembered }, t + 1.0), "not_valid");
    }

    #[test]
    fn a_repeated_record_is_marked_as_it_was_at_first() {
        let mut gate = gate();
        let (device, vehicle) = (DeviceKey::from("352093081452251"), VehicleId::from("bus-1"));
        let record = record(DAY as f64, 48.85, 37.6);
        let raw = Raw { device: &device, vehicle: Some(&vehicle), source: Source::Teltonika, record: &record };
        let received = UnixMs::from_secs(DAY + 1);
        assert_eq!(gate.judge(&raw, received).mark, None);
        let again = gate.judge(&raw, received);
        assert_eq!((again.verdict, again.mark), (Verdict::Refused(Rejection::Duplicate), None));
        let stranger = Raw { vehicle: None, ..raw };
        assert_eq!(gate.judge(&stranger, received).verdict, Verdict::Refused(Rejection::UnknownDevice));
    }

    #[test]
    fn a_restart_forgets_no_order() {
        let mut gate = gate();
        let device = DeviceKey::from("352093081452251");
        gate.restore(&device, Seen { time: UnixMs::from_secs(DAY + 100), lat: 48.85, lon: 37.6 });
        let t = DAY as f64;
        assert_eq!(said(&mut gate, &record(t + 90.0, 48.85, 37.6), t + 110.0), "history out_of_order");
        assert_eq!(said(&mut gate, &record(t + 109.0, 48.85, 37.6), t + 110.0), "live");
        gate.forget(&device);
        assert_eq!(said(&mut gate, &record(t + 90.0, 48.85, 37.6), t + 110.0), "live");
    }

    proptest! {
        /// Whatever comes, in whatever order, live fixes of a device only ever go forward, are never in the
        /// future and are on the map.
        #[test]
        fn live_only_goes_forward(
            sent in proptest::collection::vec((0i64..120_000, -700_000i64..9_000, -0.2f64..0.2, -0.2f64..0.2, any::<bool>()), 1..80)
        ) {
            let mut gate = gate();
            let area = CITY.widened(GateConfig::default().margin_m);
            let (device, vehicle) = (DeviceKey::from("352093081452251"), VehicleId::from("bus-1"));
            let mut received = DAY * 1000;
            let mut last = i64::MIN;
            for (later, lead, dlat, dlon, valid) in sent {
                received += later;
                let mut record = record(0.0, 48.85 + dlat, 37.6 + dlon);
                record.time = Some(UnixMs(received + lead));
                if let Some(p) = record.position.as_mut() { p.valid = valid; }
                let raw = Raw { device: &device, vehicle: Some(&vehicle), source: Source::Osmand, record: &record };
                if let Verdict::Live(fix) = gate.judge(&raw, UnixMs(received)).verdict {
                    prop_assert!(fix.time.0 > last);
                    prop_assert!(fix.time.0 <= received + 1);
                    prop_assert!(area.contains(fix.lat, fix.lon));
                    last = fix.time.0;
                }
            }
        }
    }
}
