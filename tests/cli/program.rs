//! Running the program, and small feeds and configurations to run it on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use transit_model::gtfs::GtfsFiles;
use transit_model::time::{ServiceTime, UnixMs, Zone};

/// Long enough for any machine; only a test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What a run of the program came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program, not yet started, on its own in a folder; what the environment says is not heard.
pub(crate) fn zupynka(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zupynka"));
    command.args(args).current_dir(dir).env_remove("RUST_LOG").env_remove("ZUPYNKA_TOKEN").kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(crate) async fn run(dir: &Path, args: &[&str]) -> Ran {
    let output = timeout(PATIENCE, zupynka(dir, args).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{args:?} did not end")).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A street of six stops, a kilometre and four minutes apart, with one trip: it left A at this moment.
pub(crate) fn street(left: UnixMs) -> GtfsFiles {
    let utc = Zone::utc();
    // A trip that began just after midnight may as well be a late one of the day before.
    let date = utc.date(left.plus_secs(-3600));
    let at = |secs: i64| ServiceTime(utc.service_time(date, left.plus_secs(secs)).0).to_string();
    let mut files = GtfsFiles::new();
    files.set("agency.txt", "agency_name,agency_url,agency_timezone\nCity,https://example.org,Etc/UTC\n");
    files.set("routes.txt", "route_id,route_short_name,route_type\nr1,1,11\n");
    files.set("calendar_dates.txt", format!("service_id,date,exception_type\nday,{date},1\n"));
    files.set("trips.txt", "route_id,service_id,trip_id,trip_headsign\nr1,day,t1,Station\n");
    let stops = (0i32..6).map(|n| {
        let (lat, lon) = place(f64::from(n));
        [format!("S{n}"), format!("Stop {n}"), lat.to_string(), lon.to_string()]
    });
    files.set_table("stops.txt", &["stop_id", "stop_name", "stop_lat", "stop_lon"], stops);
    let times = (0i64..6).map(|n| ["t1".into(), at(n * 240), at(n * 240), format!("S{n}"), n.to_string()]);
    let head = ["trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence"];
    files.set_table("stop_times.txt", &head, times);
    files
}

/// A place so many kilometres along the street: latitude, longitude.
pub(crate) fn place(km: f64) -> (f64, f64) {
    (48.85, 37.6 + km / 73.163)
}

/// Writes a configuration of this feed, data in `data`, and whatever else is said; gives its path.
pub(crate) fn config(dir: &Path, feed: &Path, more: &str) -> PathBuf {
    let path = dir.join("zupynka.toml");
    let (feed, data) = (feed.display(), dir.join("data"));
    let text = format!("[feed]\nid = \"street\"\ngtfs = \"{feed}\"\n[data]\ndir = \"{}\"\n{more}", data.display());
    std::fs::write(&path, text).unwrap();
    path
}

/// Writes a feed as a zip; gives its path.
pub(crate) fn feed(dir: &Path, files: &GtfsFiles) -> PathBuf {
    let path = dir.join("feed.zip");
    std::fs::write(&path, files.to_zip_bytes().unwrap()).unwrap();
    path
}

/// A `zupynka serve` that is open; its log must be JSON from `info` on.
pub(crate) struct Serving {
    pub(crate) process: Child,
    pub(crate) http: SocketAddr,
    /// Where trackers are listened for, by what the log calls it: `teltonika`, `wialon/udp`, `any`.
    pub(crate) trackers: BTreeMap<String, SocketAddr>,
}

impl Serving {
    /// Starts it on a folder's `zupynka.toml`, and waits until it says where it listens.
    pub(crate) async fn start(dir: &Path) -> Self {
        Self::of(zupynka(dir, &["serve", "--config", "zupynka.toml"])).await
    }

    /// The same from a command that becomes it.
    pub(crate) async fn of(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let open = timeout(PATIENCE, async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                let log: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if log["fields"]["message"] == "open" {
                    return log;
                }
                said.push(line);
            }
            panic!("it did not open: {said:#?}");
        });
        let open = open.await.unwrap();
        // Whatever else it says is read, so that it never waits for a reader.
        tokio::spawn(async move { while lines.next_line().await.is_ok_and(|l| l.is_some()) {} });
        let at = |one: &str| {
            let (name, at) = one.rsplit_once(' ').unwrap();
            (name.to_owned(), at.parse().unwrap())
        };
        let trackers = open["fields"]["trackers"].as_str().unwrap().split(", ").map(at).collect();
        Self { process, http: open["fields"]["http"].as_str().unwrap().parse().unwrap(), trackers }
    }

    /// SIGKILL, and its end.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}
