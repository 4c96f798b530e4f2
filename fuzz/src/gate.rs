//! Records before the gate, and moments between them, fifteen bytes a record.

use tracker_ingest::codec::{DeviceKey, Position, Record};
use tracker_ingest::gate::{Bounds, Gate, GateConfig, Raw, Seen, Verdict};
use tracker_ingest::rejection::Rejection;
use transit_model::fix::Source;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::NOW;

const CITY: Bounds = Bounds { south: 48.80, west: 37.50, north: 48.90, east: 37.70 };
/// Devices.
const FLEET: u8 = 12;
/// What a gate may write of itself for each device: it keeps a fixed number of records of each.
const ROOM: usize = 16 * 1024;

/// Holds the laws.
pub fn run(data: &[u8]) {
    let config = GateConfig::default();
    let mut gate = Gate::new(config, Some(CITY));
    let area = CITY.widened(config.margin_m);
    let keys: Vec<DeviceKey> = (0..FLEET).map(|n| DeviceKey::from(format!("35209308145{n:04}"))).collect();
    let vehicles: Vec<VehicleId> = (0..FLEET).map(|n| VehicleId::from(format!("bus-{n}"))).collect();
    let mut last = vec![i64::MIN; keys.len()];
    let mut now = NOW;
    for op in data.chunks_exact(15) {
        let [which, kind, w0, w1, t0, t1, t2, a0, a1, o0, o1, s0, s1, seq, flags] = *op else { return };
        let device = usize::from(which % FLEET);
        let (Some(key), Some(vehicle), Some(last)) = (keys.get(device), vehicles.get(device), last.get_mut(device))
        else {
            return;
        };
        // Up to 65 s later, or 18 hours.
        let wait = i64::from(u16::from_le_bytes([w0, w1]));
        now.0 += if kind & 0x80 != 0 { wait * 1000 } else { wait };
        let lead = i64::from(i32::from_le_bytes([0, t0, t1, t2]) >> 8);
        // Within seconds, hours, or years.
        let lead = match kind & 0x60 {
            0x00 => lead % 20_000,
            0x20 => lead % 4_000_000,
            0x40 => lead * 1000,
            _ => lead.saturating_mul(1 << 34),
        };
        let (dlat, dlon) = (i16::from_le_bytes([a0, a1]), i16::from_le_bytes([o0, o1]));
        // Metres to hundreds of kilometres around the city, or anywhere and nowhere.
        let (lat, lon) = match flags & 0x07 {
            0..4 => (48.85 + f64::from(dlat) * 1e-6, 37.6 + f64::from(dlon) * 1e-6),
            4 => (48.85 + f64::from(dlat) * 1e-4, 37.6 + f64::from(dlon) * 1e-4),
            5 => (f64::from(dlat) / 100.0, f64::from(dlon) / 100.0),
            6 => (0.0, 0.0),
            _ => (f64::from_bits(u64::from(a0) << 56 | u64::from(a1) << 48), f64::from(dlon) * 1e300),
        };
        let speed = f32::from_bits(u32::from(s0) << 24 | u32::from(s1) << 16);
        let position = (flags & 0x08 == 0).then_some(Position {
            lat,
            lon,
            speed: Some(speed),
            bearing: Some(speed),
            valid: flags & 0x10 == 0,
            ..Position::default()
        });
        let time = (flags & 0x20 == 0).then_some(UnixMs(now.0.saturating_add(lead)));
        match kind & 0x1F {
            0x1F => gate.forget(key),
            0x1E => {
                gate.forget(key);
                gate.restore(key, Seen { time: UnixMs(now.0 - lead.saturating_abs()), lat, lon });
            }
            0x1D => drop(gate.episodes(now)),
            _ => {
                let record = Record { time, sequence: u32::from(seq), position, ..Record::default() };
                let vehicle = (flags & 0xC0 != 0xC0).then_some(vehicle);
                let raw = Raw { device: key, vehicle, source: Source::Teltonika, record: &record };
                let judged = gate.judge(&raw, now);
                match judged.verdict {
                    Verdict::Live(fix) => {
                        assert_eq!(judged.mark, None, "a live fix is marked as nothing else");
                        assert!(fix.time.0 > *last, "a live fix goes back: {} after {last}", fix.time.0);
                        assert!(fix.time.0 <= now.0 + 5000, "a live fix of the future");
                        assert!(now.0 - fix.time.0 <= i64::from(config.live_secs) * 1000 + 5000, "a stale live fix");
                        assert!(area.contains(fix.lat, fix.lon), "a live fix off the map");
                        assert!(fix.speed.is_none_or(|s| s.is_finite() && s >= 0.0), "{:?}", fix.speed);
                        assert!(fix.bearing.is_none_or(|b| (0.0..360.0).contains(&b)), "{:?}", fix.bearing);
                        *last = fix.time.0;
                    }
                    Verdict::HistoryOnly(_, r) => assert_eq!(judged.mark, Some(r)),
                    Verdict::Refused(Rejection::Duplicate) => {}
                    Verdict::Refused(r) => assert_eq!(judged.mark, Some(r)),
                }
                continue;
            }
        }
        // Forgotten, and free to begin anew.
        if kind & 0x1F != 0x1D {
            *last = i64::MIN;
        }
    }
    let size = format!("{gate:?}").len();
    assert!(size <= ROOM * (keys.len() + 1), "the gate remembers {size} characters of {} devices", keys.len());
}
