//! `zupynka devices`: which trackers may send, and for which vehicle. Works on the journal's file,
//! whether a server runs on it or not.
//!
//! Whole keys go to standard output only, and only where they were asked for; messages show them
//! masked, for they end up in logs (`docs/decisions/0011-devices-by-hand.md`).

mod trust;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use tokio::task::JoinHandle;
use tracker_ingest::codec::DeviceKey;
use tracker_ingest::journal::{Journal, JournalOptions, Quarantined};
use tracker_ingest::registry::{self, DeviceError, NewDevice};
use transit_model::clock::{Clock as _, SystemClock};
use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;
use transit_model::time::{UnixMs, Zone};

use super::device_events::{self, EventArgs};
use crate::cli::Failure;
use crate::config::Config;

/// How long to wait for a server that is writing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `zupynka devices`.
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub struct Args {
    /// The configuration of the city.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

const LONG: &str = "\
Say which trackers may send, and for which vehicle.

KEY is what a device calls itself: the IMEI of a Teltonika, the device identifier of Traccar Client, the user
name of an MQTT device. VEHICLE is the name the vehicle has everywhere else; a vehicle has one device, or two where
the second was put `--beside` the first.

The commands work on `ingest.db` in the data folder, whether a server runs there or not; a running server
takes a change within five seconds, without a restart. Run them as the user the server runs as.";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Let a device in, or change the one with this KEY; what is not given stays as it was.
    Add(Put),
    /// Let in a whole list of devices, all or none.
    ///
    /// FILE.csv: comma-separated UTF-8 with a header that names the columns, in any order:
    ///
    ///   device      the KEY; needed
    ///   vehicle_id  the VEHICLE; needed
    ///   kind        transit, plough, sweeper, tanker, tipper or machinery; blank or absent = transit
    ///   label       for people: garage number, model, SIM
    ///   token       the device's token; blank or absent = the one it has stays, if it has one
    ///
    /// A device that is on the list already is changed to what its line says. Devices that are not in the
    /// file stay as they are.
    #[command(verbatim_doc_comment)]
    Import {
        /// The list.
        #[arg(value_name = "FILE.csv")]
        file: PathBuf,
    },
    /// Show the devices that may send: vehicle, masked key, kind, when it was last heard, its protocol, how far its
    /// clock is off, whether it is as it always was, label.
    List {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
        /// Show whole keys. They are credentials: keep the output to yourself.
        #[arg(long)]
        keys: bool,
    },
    /// Show the devices that tried to send and are on no list, with their whole keys, the latest first.
    Quarantine {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Show what devices have said of themselves, the latest last: power cut, opened, antenna cut, ignition, calls
    /// for help; with the place and the odometer of then.
    Events(EventArgs),
    /// Let a device out of quarantine: `add`, but only of a KEY that was seen.
    Approve(Put),
    /// Let a device go from quarantine without letting it in. It comes back if it tries again.
    Forget {
        /// The device.
        #[arg(value_parser = key)]
        key: DeviceKey,
    },
    /// Give a device on the list a new token; the old one is good no more, and its connection is closed.
    RotateToken {
        /// The device.
        #[arg(value_parser = key)]
        key: DeviceKey,
        /// Write the token to a file that only you may read, instead of standard output.
        #[arg(long, value_name = "FILE")]
        token_out: Option<PathBuf>,
    },
    /// Show all that is known of a device: what is usual for it and what is not as it was, its clock.
    Show {
        /// The device.
        #[arg(value_parser = key)]
        key: DeviceKey,
        /// One JSON object instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Accept a device as it is now: its next session teaches anew what protocol, network and certificate it has.
    Rebind {
        /// The device.
        #[arg(value_parser = key)]
        key: DeviceKey,
    },
    /// Say what is done when this device is not as it always was, whatever [ingest.binding] says.
    Pin {
        /// The device.
        #[arg(value_parser = key)]
        key: DeviceKey,
        /// refuse: let it in only as it always was; raise: let it in and say so; city: as [ingest.binding] says.
        #[arg(default_value = "refuse")]
        policy: trust::Pin,
    },
    /// Take a device off the list. Its connection is closed and it is refused from then on; what it sent
    /// is kept.
    Remove {
        /// The device.
        #[arg(value_parser = key)]
        key: DeviceKey,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// What the device calls itself.
    #[arg(value_parser = key)]
    key: DeviceKey,
    /// The vehicle it is fitted to.
    #[arg(value_parser = vehicle)]
    vehicle: VehicleId,
    /// What the vehicle is; transit when the device is new and nothing is said.
    #[arg(long)]
    kind: Option<Kind>,
    /// For people: garage number, model, SIM.
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Give it a new token, for HTTP and MQTT; the old one is void. It is printed once, and only its hash
    /// is kept.
    #[arg(long)]
    new_token: bool,
    /// Write the token to this file, readable by its owner only, instead of standard output.
    #[arg(long, value_name = "FILE", requires = "new_token")]
    token_out: Option<PathBuf>,
    /// The vehicle may keep its other device: one of them moves it, the other takes over when that falls silent.
    #[arg(long)]
    beside: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// Carries passengers by the timetable.
    Transit,
    /// A municipal machine of none of the kinds below.
    Machinery,
    /// Clears snow.
    Plough,
    /// Sweeps streets.
    Sweeper,
    /// Waters or washes streets.
    Tanker,
    /// A tipper lorry.
    Tipper,
}

impl From<Kind> for VehicleKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Transit => Self::Transit,
            Kind::Machinery => Self::Machinery,
            Kind::Plough => Self::Plough,
            Kind::Sweeper => Self::Sweeper,
            Kind::Tanker => Self::Tanker,
            Kind::Tipper => Self::Tipper,
        }
    }
}

fn key(text: &str) -> Result<DeviceKey, DeviceError> {
    if DeviceKey::is_valid(text) { Ok(DeviceKey::from(text)) } else { Err(DeviceError::BadKey) }
}

pub(super) fn vehicle(text: &str) -> Result<VehicleId, DeviceError> {
    if text.trim().is_empty() { Err(DeviceError::NoVehicle) } else { Ok(VehicleId::from(text.trim())) }
}

/// Does what was asked.
///
/// # Errors
/// When the configuration is wrong (2); when the journal, a list or a device cannot be used (1).
pub async fn run(args: &Args) -> Result<(), Failure> {
    let config = args.config.as_ref().ok_or_else(|| Failure::usage(anyhow!("--config FILE is missing")))?;
    let config = Config::load(config).map_err(Failure::usage)?;
    let path = config.ingest.journal_path();
    let may_begin = matches!(args.action, Action::Add(_) | Action::Import { .. });
    let list = List::open(&path, may_begin).await?;
    let done = list.act(&args.action).await;
    list.close().await?;
    Ok(done?)
}

/// The list of devices in a journal's file.
struct List {
    journal: Journal,
    writer: JoinHandle<()>,
}

impl List {
    /// `may_begin`: a file that is not there is made, for the first server is yet to run.
    async fn open(path: &Path, may_begin: bool) -> anyhow::Result<Self> {
        if !path.exists() {
            if !may_begin {
                return Err(anyhow!("there is no {}: no device was added and no server has run there", path.display()));
            }
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir)
                    .with_context(|| format!("cannot make the data folder {}", dir.display()))?;
            }
        }
        let options = JournalOptions { busy: PATIENCE, ..JournalOptions::at(path) };
        let (journal, writer) = Journal::open(&options, |_| ()).await?;
        Ok(Self { journal, writer })
    }

    async fn close(self) -> anyhow::Result<()> {
        self.journal.close().await;
        self.writer.await.context("the journal did not close well")
    }

    async fn act(&self, action: &Action) -> anyhow::Result<()> {
        let now = SystemClock.now();
        match action {
            Action::Add(put) => self.put(put, now).await,
            Action::Approve(put) => {
                if !self.journal.quarantine().await?.iter().any(|q| q.key == put.key) {
                    let hint = "`zupynka devices quarantine` shows what is, `zupynka devices add` lets it in unseen";
                    return Err(anyhow!("{} is not in quarantine: {hint}", put.key));
                }
                self.put(put, now).await
            }
            Action::Import { file } => self.import(file, now).await,
            Action::List { json, keys } => self.show(*json, *keys, now).await,
            Action::Quarantine { json } => self.show_quarantine(*json, now).await,
            Action::Events(args) => device_events::show(&self.journal, args, now).await,
            Action::Forget { key } => match self.journal.forget_quarantined(key).await? {
                true => say(&format!("{key} was let go from quarantine")),
                false => Err(anyhow!("{key} is not in quarantine; `zupynka devices quarantine` shows what is")),
            },
            Action::RotateToken { key, token_out } => {
                let device =
                    self.journal.devices().await?.into_iter().find(|d| d.key == *key).ok_or_else(|| {
                        anyhow!("{key} is not on the list; `zupynka devices list --keys` shows what is")
                    })?;
                let (vehicle, key, token_out) = (device.vehicle, key.clone(), token_out.clone());
                self.put(&Put { key, vehicle, kind: None, label: None, new_token: true, token_out, beside: true }, now)
                    .await
            }
            Action::Show { key, json } => trust::show(&self.journal, key, *json, now).await,
            Action::Rebind { key } => trust::rebind(&self.journal, key).await,
            Action::Pin { key, policy } => trust::pin(&self.journal, key, *policy).await,
            Action::Remove { key } => match self.journal.remove_device(key).await? {
                Some(vehicle) => say(&format!("{vehicle}: {key} was removed")),
                None => Err(anyhow!("{key} is not on the list; `zupynka devices list --keys` shows what is")),
            },
        }
    }

    async fn put(&self, put: &Put, now: UnixMs) -> anyhow::Result<()> {
        let before = self.journal.devices().await?.into_iter().find(|d| d.key == put.key);
        let token = put.new_token.then(transit_model::clock::entropy).transpose();
        let token = token.context("the system gives no random bytes")?.map(registry::new_token);
        let device = NewDevice {
            key: put.key.clone(),
            vehicle: put.vehicle.clone(),
            kind: put.kind.map(VehicleKind::from).or(before.as_ref().map(|d| d.kind)).unwrap_or_default(),
            label: put.label.clone().or_else(|| before.as_ref().and_then(|d| d.label.clone())),
            token: token.clone(),
            // Where it is already it may stay.
            beside: put.beside || before.as_ref().is_some_and(|d| d.vehicle == put.vehicle),
        };
        let kind = device.kind.name();
        self.journal.put_devices(vec![device], now).await?;
        if let Some(token) = token {
            hand_out(&token, put.token_out.as_deref())?;
        }
        let was = match before {
            None => "was added".to_owned(),
            Some(d) if d.vehicle == put.vehicle => "was changed".to_owned(),
            Some(d) => format!("was on {} until now", d.vehicle),
        };
        say(&format!("{} ({kind}): {} {was}", put.vehicle, put.key))
    }

    async fn import(&self, file: &Path, now: UnixMs) -> anyhow::Result<()> {
        let name = || file.display().to_string();
        let csv = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let list = registry::read_csv(csv).with_context(name)?;
        let before: HashSet<DeviceKey> = self.journal.devices().await?.into_iter().map(|d| d.key).collect();
        let known = list.devices.iter().filter(|d| before.contains(&d.key)).count();
        self.journal.put_devices(list.devices.clone(), now).await.map_err(|e| list.explain(e)).with_context(name)?;
        say(&format!("{} added, {known} were on the list already", list.devices.len() - known))
    }

    async fn show(&self, json: bool, keys: bool, now: UnixMs) -> anyhow::Result<()> {
        let seen: HashMap<DeviceKey, UnixMs> = self.journal.last_seen().await?.into_iter().collect();
        let devices = self.journal.devices().await?;
        let usual = trust::Usual::of(&self.journal).await?;
        if json {
            let devices = devices.iter().map(|d| ListedJson {
                vehicle_id: d.vehicle.as_str(),
                device: d.key.to_string(),
                key: keys.then(|| d.key.expose()),
                kind: d.kind,
                label: d.label.as_deref(),
                has_token: d.token.is_some(),
                last_seen: seen.get(&d.key).map(|t| t.rfc3339(&Zone::utc())),
                usual: usual.json(d, now),
            });
            let devices: Vec<_> = devices.collect();
            return print(&serde_json::json!({ "as_of": now.rfc3339(&Zone::utc()), "devices": devices }).to_string());
        }
        let mut rows = vec![
            ["VEHICLE", "DEVICE", "KIND", "TOKEN", "LAST SEEN", "PROTOCOL", "CLOCK", "USUAL", "LABEL"]
                .map(str::to_owned),
        ];
        rows.extend(devices.iter().map(|d| {
            [
                d.vehicle.to_string(),
                if keys { d.key.expose().to_owned() } else { d.key.to_string() },
                d.kind.name().to_owned(),
                if d.token.is_some() { "yes" } else { "-" }.to_owned(),
                seen.get(&d.key).map_or_else(|| "-".to_owned(), |t| ago(*t, now)),
                usual.protocol(&d.key),
                usual.clock(&d.key),
                usual.state(d, now),
                d.label.clone().unwrap_or_default(),
            ]
        }));
        print(&table(&rows))
    }

    async fn show_quarantine(&self, json: bool, now: UnixMs) -> anyhow::Result<()> {
        let seen = self.journal.quarantine().await?;
        if json {
            let seen: Vec<_> = seen.iter().map(QuarantinedJson::of).collect();
            return print(&serde_json::json!({ "as_of": now.rfc3339(&Zone::utc()), "quarantine": seen }).to_string());
        }
        let mut rows = vec![["KEY", "PROTOCOL", "FROM", "TIMES", "FIRST", "LAST", "PLACE"].map(str::to_owned)];
        rows.extend(seen.iter().map(|q| {
            [
                q.key.expose().to_owned(),
                q.source.name().to_owned(),
                q.address.clone(),
                q.times.to_string(),
                ago(q.first_seen, now),
                ago(q.last_seen, now),
                q.place.map_or_else(|| "-".to_owned(), |(lat, lon)| format!("{lat:.5},{lon:.5}")),
            ]
        }));
        print(&table(&rows))
    }
}

#[derive(Serialize)]
struct ListedJson<'a> {
    vehicle_id: &'a str,
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    kind: VehicleKind,
    label: Option<&'a str>,
    has_token: bool,
    last_seen: Option<String>,
    #[serde(flatten)]
    usual: trust::UsualJson,
}

#[derive(Serialize)]
struct QuarantinedJson<'a> {
    key: &'a str,
    protocol: &'static str,
    address: &'a str,
    times: u64,
    first_seen: String,
    last_seen: String,
    lat: Option<f64>,
    lon: Option<f64>,
}

impl<'a> QuarantinedJson<'a> {
    fn of(q: &'a Quarantined) -> Self {
        Self {
            key: q.key.expose(),
            protocol: q.source.name(),
            address: &q.address,
            times: q.times,
            first_seen: q.first_seen.rfc3339(&Zone::utc()),
            last_seen: q.last_seen.rfc3339(&Zone::utc()),
            lat: q.place.map(|p| p.0),
            lon: q.place.map(|p| p.1),
        }
    }
}

fn hand_out(token: &str, file: Option<&Path>) -> anyhow::Result<()> {
    let Some(file) = file else { return print(token) };
    crate::secret_file::write(file, token).with_context(|| {
        let again = "the device was taken, but nobody has its new token; ask for another with --new-token";
        format!("cannot write {} ({again})", file.display())
    })
}

/// What was asked for, on standard output. Whoever has read enough of it (`| head`) may leave.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// What was done, beside the answer, so that a token can be piped.
fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stderr(), "{text}")?)
}

/// How long ago, for a person.
pub(super) fn ago(then: UnixMs, now: UnixMs) -> String {
    let secs = now.secs_since(then).max(0);
    match secs {
        0..120 => format!("{secs} s ago"),
        120..7200 => format!("{} min ago", secs / 60),
        7200..172_800 => format!("{} h ago", secs / 3600),
        _ => format!("{} days ago", secs / 86_400),
    }
}

/// Columns side by side, two spaces apart.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|i| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(c, w)| format!("{c:<w$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_straight_columns_and_no_blanks_at_its_ends() {
        let rows = [["А", "long one", ""], ["тролейбус 7", "x", "y"]].map(|r| r.map(str::to_owned));
        assert_eq!(table(&rows), "А            long one\nтролейбус 7  x         y");
    }

    #[test]
    fn an_age_is_said_in_the_unit_that_a_person_would_use() {
        let ago = |secs| ago(UnixMs(0), UnixMs::from_secs(secs));
        assert_eq!([5, 600, 7200, 172_800].map(ago), ["5 s ago", "10 min ago", "2 h ago", "2 days ago"]);
    }
}
