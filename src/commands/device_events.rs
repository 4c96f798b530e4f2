//! `zupynka devices events`: what devices have said of themselves, read back from the journal.

use anyhow::anyhow;
use serde::Serialize;
use tracker_ingest::journal::{Happened, Journal};
use transit_model::ids::VehicleId;
use transit_model::time::{UnixMs, Zone};

use super::devices::{ago, print, table, vehicle};

/// Arguments of `zupynka devices events`.
#[derive(Debug, clap::Args)]
pub(super) struct EventArgs {
    /// Of this vehicle only.
    #[arg(long, value_parser = vehicle)]
    vehicle: Option<VehicleId>,
    /// Since when: so long ago, as 90m, 12h or 7d, or a moment, as 2026-08-18T06:00:00Z.
    #[arg(long, value_name = "T", default_value = "24h", value_parser = since)]
    since: Since,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// A moment, or how long before now it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Since {
    Ago(i64),
    At(UnixMs),
}

fn since(text: &str) -> Result<Since, String> {
    let refuse = || format!("`{text}` is neither so long ago (90m, 12h, 7d) nor a moment (2026-08-18T06:00:00Z)");
    let split = text.len().saturating_sub(1);
    let unit = match text.get(split..) {
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => {
            let moment: jiff::Timestamp = text.parse().map_err(|_| refuse())?;
            return Ok(Since::At(UnixMs(moment.as_millisecond())));
        }
    };
    let count: u16 = text.get(..split).and_then(|n| n.parse().ok()).ok_or_else(refuse)?;
    Ok(Since::Ago(i64::from(count) * unit))
}

/// Prints what happened, the latest last.
pub(super) async fn show(journal: &Journal, args: &EventArgs, now: UnixMs) -> anyhow::Result<()> {
    let from = match args.since {
        Since::Ago(secs) => now.plus_secs(-secs),
        Since::At(moment) => moment,
    };
    if let Some(asked) = &args.vehicle
        && !journal.devices().await?.iter().any(|d| d.vehicle == *asked)
    {
        return Err(anyhow!("no device is on {asked}; `zupynka devices list` shows what is"));
    }
    let mut events = journal.happened(from, args.vehicle.as_ref()).await?;
    if args.json {
        let events: Vec<_> = events.iter().map(EventJson::of).collect();
        return print(&serde_json::json!({ "as_of": now.rfc3339(&Zone::utc()), "events": events }).to_string());
    }
    // What was so at first is for programs; a person asks what happened.
    events.retain(|e| e.changed);
    let mut rows =
        vec![["TIME", "AGO", "VEHICLE", "EVENT", "WHAT", "PLACE", "ODOMETER", "PROTOCOL"].map(str::to_owned)];
    rows.extend(events.iter().map(|e| {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            e.time.rfc3339(&Zone::utc()),
            ago(e.time, now),
            e.vehicle.to_string(),
            e.event.name().to_owned(),
            e.event.words().1.to_owned(),
            or_none(e.place.map(|(lat, lon)| format!("{lat:.5},{lon:.5}"))),
            or_none(e.odometer_m.map(|m| format!("{:.1} km", m as f64 / 1000.0))),
            e.source.name().to_owned(),
        ]
    }));
    print(&table(&rows))
}

#[derive(Serialize)]
struct EventJson<'a> {
    vehicle_id: &'a str,
    device: String,
    event: &'static str,
    /// False where it is the first that was known of it, and no change.
    changed: bool,
    time: String,
    received: String,
    lat: Option<f64>,
    lon: Option<f64>,
    odometer_m: Option<u64>,
    protocol: &'static str,
}

impl<'a> EventJson<'a> {
    fn of(e: &'a Happened) -> Self {
        Self {
            vehicle_id: e.vehicle.as_str(),
            device: e.device.to_string(),
            event: e.event.name(),
            changed: e.changed,
            time: e.time.rfc3339(&Zone::utc()),
            received: e.received.rfc3339(&Zone::utc()),
            lat: e.place.map(|p| p.0),
            lon: e.place.map(|p| p.1),
            odometer_m: e.odometer_m,
            protocol: e.source.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_so_long_ago_or_a_moment() {
        assert_eq!(since("90m"), Ok(Since::Ago(5400)));
        assert_eq!(since("7d"), Ok(Since::Ago(604_800)));
        assert_eq!(since("2026-08-18T06:00:00+03:00"), Ok(Since::At(UnixMs(1_787_022_000_000))));
        for bad in ["", "h", "-3h", "3w", "yesterday", "2026-13-01T00:00:00Z", "1.5h", "99999999d"] {
            assert!(since(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
