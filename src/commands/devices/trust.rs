//! What was learned of devices, shown and reset: `devices show`, `rebind`, `pin`, and columns of `list`.

use std::collections::HashMap;

use anyhow::anyhow;
use serde::Serialize;
use tracker_ingest::codec::DeviceKey;
use tracker_ingest::journal::{Journal, StoredClock};
use tracker_ingest::registry::Device;
use tracker_ingest::registry::binding::{Binding, Change, Policy};
use transit_model::time::{UnixMs, Zone};

use super::{ago, print, say};

/// What is done when a device is not as it always was.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Pin {
    /// Let it in only as it always was.
    Refuse,
    /// Let it in and say so.
    Raise,
    /// As [ingest.binding] says.
    City,
}

impl Pin {
    const fn policy(self) -> Option<Policy> {
        match self {
            Self::Refuse => Some(Policy::Refuse),
            Self::Raise => Some(Policy::Raise),
            Self::City => None,
        }
    }
}

/// What is usual for every device, and its clock.
pub(super) struct Usual {
    bindings: HashMap<DeviceKey, Binding>,
    clocks: HashMap<DeviceKey, StoredClock>,
}

/// The part of it that `list --json` and `show --json` have for a device.
#[derive(Serialize)]
pub(super) struct UsualJson {
    protocol: Option<&'static str>,
    networks: Vec<String>,
    tls: bool,
    shows_token: bool,
    certificate: Option<String>,
    clock_offset_s: f64,
    pinned: Option<Policy>,
    changes: Vec<Change>,
}

impl Usual {
    pub(super) async fn of(journal: &Journal) -> anyhow::Result<Self> {
        let bindings = journal.bindings().await?.into_iter().collect();
        let clocks = journal.clocks().await?.into_iter().map(|c| (c.key.clone(), c)).collect();
        Ok(Self { bindings, clocks })
    }

    pub(super) fn protocol(&self, key: &DeviceKey) -> String {
        self.bindings.get(key).map_or("-", |b| b.protocol.name()).to_owned()
    }

    /// How far its clock is ahead, seconds; negative = behind.
    fn offset_s(&self, key: &DeviceKey) -> f64 {
        self.clocks.get(key).map_or(0.0, |c| UnixMs(c.offset_ms).secs_f64())
    }

    pub(super) fn clock(&self, key: &DeviceKey) -> String {
        match self.offset_s(key) {
            s if s.abs() < 1.0 => "-".to_owned(),
            s => format!("{s:+.0} s"),
        }
    }

    /// In a word: whether it is as it always was.
    pub(super) fn state(&self, d: &Device, now: UnixMs) -> String {
        let open = self.bindings.get(&d.key).map(|b| open(b, now)).unwrap_or_default();
        let pinned = d.binding.map_or("", |p| if p == Policy::Refuse { "pinned" } else { "raise" });
        let said: Vec<String> = open
            .iter()
            .map(|c| format!("{} {}", c.kind.name(), if c.refused { "refused" } else { "new" }))
            .chain((!pinned.is_empty()).then(|| pinned.to_owned()))
            .collect();
        if said.is_empty() { "-".to_owned() } else { said.join(", ") }
    }

    pub(super) fn json(&self, d: &Device, now: UnixMs) -> UsualJson {
        let b = self.bindings.get(&d.key);
        UsualJson {
            protocol: b.map(|b| b.protocol.name()),
            networks: b.iter().flat_map(|b| &b.networks).map(|k| k.network.to_string()).collect(),
            tls: b.is_some_and(|b| b.tls.bound),
            shows_token: b.is_some_and(|b| b.token.bound),
            certificate: b.and_then(|b| b.certificate.as_ref()).map(ToString::to_string),
            clock_offset_s: self.offset_s(&d.key),
            pinned: d.binding,
            changes: b.map(|b| open(b, now)).unwrap_or_default(),
        }
    }
}

fn open(b: &Binding, now: UnixMs) -> Vec<Change> {
    b.changes.iter().filter(|c| c.lasts(now)).cloned().collect()
}

/// `devices show`
pub(super) async fn show(journal: &Journal, key: &DeviceKey, json: bool, now: UnixMs) -> anyhow::Result<()> {
    let device = journal.devices().await?.into_iter().find(|d| d.key == *key).ok_or_else(|| unknown(key))?;
    let usual = Usual::of(journal).await?;
    let seen = journal.last_seen().await?.into_iter().find(|(k, _)| k == key).map(|(_, t)| t);
    if json {
        let mut all = serde_json::to_value(usual.json(&device, now))?;
        if let Some(object) = all.as_object_mut() {
            object.insert("as_of".to_owned(), now.rfc3339(&Zone::utc()).into());
            object.insert("vehicle_id".to_owned(), device.vehicle.as_str().into());
            object.insert("device".to_owned(), device.key.to_string().into());
            object.insert("last_seen".to_owned(), seen.map(|t| t.rfc3339(&Zone::utc())).into());
        }
        return print(&all.to_string());
    }
    let mut out = vec![
        ("vehicle", device.vehicle.to_string()),
        ("device", device.key.to_string()),
        ("label", device.label.clone().unwrap_or_else(|| "-".to_owned())),
        ("last seen", seen.map_or_else(|| "never".to_owned(), |t| ago(t, now))),
        ("clock", usual.clock(key)),
    ];
    let policy = device.binding.map_or("as [ingest.binding] says", Policy::name);
    out.push(("when different", policy.to_owned()));
    match usual.bindings.get(key) {
        None => out.push(("usual", "nothing yet: it has not begun a session since it was added or rebound".to_owned())),
        Some(b) => {
            let yes = |b| if b { "always" } else { "no" }.to_owned();
            out.push(("known since", ago(b.since, now)));
            out.push(("protocol", b.protocol.name().to_owned()));
            out.extend(
                b.networks.iter().map(|k| ("network", format!("{}, last used {}", k.network, ago(k.last, now)))),
            );
            out.push(("TLS", yes(b.tls.bound)));
            out.push(("token", yes(b.token.bound)));
            out.push(("certificate", b.certificate.as_deref().unwrap_or("none").to_owned()));
            out.extend(open(b, now).into_iter().map(|c| {
                let done = if c.refused { "refused" } else { "let in" };
                let (was, is, times, since) = (&c.was, &c.now, c.times, ago(c.since, now));
                ("different", format!("{}: {is}, was {was}; {done}, {times} time(s), first {since}", c.kind.name()))
            }));
        }
    }
    let lines: Vec<String> = out.iter().map(|(name, value)| format!("{name:<14}  {value}")).collect();
    print(&lines.join("\n"))
}

/// `devices rebind`
pub(super) async fn rebind(journal: &Journal, key: &DeviceKey) -> anyhow::Result<()> {
    if journal.rebind(key).await? {
        say(&format!("{key}: its next session teaches anew what is usual"))
    } else {
        Err(unknown(key))
    }
}

/// `devices pin`
pub(super) async fn pin(journal: &Journal, key: &DeviceKey, pin: Pin) -> anyhow::Result<()> {
    if !journal.set_policy(key, pin.policy()).await? {
        return Err(unknown(key));
    }
    say(&match pin {
        Pin::Refuse => format!("{key} is let in only as it always was"),
        Pin::Raise => format!("{key} is let in however it comes; what is different is raised"),
        Pin::City => format!("{key} is treated as [ingest.binding] says"),
    })
}

fn unknown(key: &DeviceKey) -> anyhow::Error {
    anyhow!("{key} is not on the list; `zupynka devices list --keys` shows what is")
}
