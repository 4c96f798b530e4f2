//! `kill -9` under load, again and again, and a disk that is full: nothing a tracker was promised is missing,
//! nothing is there twice, nothing is there that nobody said. The trackers are the simulator's, of every protocol
//! there is; the judge reads a copy of the journal's files as the dead server left them.
//!
//! `ZUPYNKA_KILLS=200` says how often (8 by itself), `ZUPYNKA_SEED=7` which chance.

use std::collections::BTreeMap;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use simulator::load::ways::Ways;
use simulator::send::Transport;
use simulator::send::witness::{Account, Kept, Witness, Word};
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracker_ingest::NewDevice;
use tracker_ingest::codec::Protocol;
use tracker_ingest::journal::{Journal, JournalOptions};
use transit_model::clock::{Clock as _, SystemClock};
use transit_model::gtfs::load_files;
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;

use crate::program::{PATIENCE, Serving, config, feed, street, zupynka};

/// A server is killed when so many records at most were taken since it opened.
const MOST_TAKEN: u64 = 500;
/// One server in so many is killed before it opens.
const UNOPENED: u32 = 8;
/// Seconds before now that the records of a backlog begin; those of the others begin now, and soon run ahead.
const BACKLOG: i64 = 3 * 86_400;

/// Trackers over datagrams whose login is answered, or who need none.
const DATAGRAMS: [Protocol; 2] = [Protocol::Wialon, Protocol::Galileosky];

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |n| n.parse().unwrap_or_else(|_| panic!("{variable}={n} is no number")))
}

/// A city, its folder, and the trackers that will be asked.
struct Trial {
    dir: tempfile::TempDir,
    feed: FeedId,
    ways: Ways,
    witnesses: Vec<Witness>,
}

impl Trial {
    /// The trackers of these listeners, each twice: one with a backlog, one of now.
    async fn of(seed: u64, ports: &[(Protocol, Transport)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = UnixMs::from_secs(SystemClock.now().secs());
        let files = street(now.plus_secs(-400));
        let zip = feed(dir.path(), &files);
        let feed = FeedId::from("street");
        let ways = Ways::of(&load_files(&files, feed.clone()).unwrap().timetable).unwrap();
        let witness = |(n, (p, over)): (u32, (Protocol, Transport))| {
            let ago = if n % 2 == 0 { BACKLOG } else { 0 };
            Witness::new(seed, n, p, over, now.plus_secs(-ago))
        };
        let witnesses: Vec<Witness> = (0..).zip(ports.iter().flat_map(|p| [*p, *p])).map(witness).collect();

        let mut sections: BTreeMap<Protocol, String> = BTreeMap::new();
        for (p, over) in ports {
            let key = if *over == Transport::Udp { "udp" } else { "listen" };
            *sections.entry(*p).or_default() += &format!("{key} = \"127.0.0.1:0\"\n");
        }
        let mut more = "[http]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"info\"\nformat = \"json\"\n".to_owned();
        // As fast as the disk goes.
        more += "[ingest.limits]\ndevice_messages = 1000000\naddress_messages = 1000000\n";
        for (p, keys) in sections {
            let section = if p == Protocol::MqttJson { "mqtt" } else { p.name() };
            more += &format!("[ingest.{section}]\n{keys}");
        }
        config(dir.path(), &zip, &more);
        let trial = Self { dir, feed, ways, witnesses };
        std::fs::create_dir(trial.dir.path().join("data")).unwrap();
        let journal = trial.dir.path().join("data/ingest.db");
        let (journal, writer) = Journal::open(&JournalOptions::at(journal), |_| ()).await.unwrap();
        let devices = trial.witnesses.iter().map(|w| NewDevice::from(w.device())).collect();
        journal.put_devices(devices, now).await.unwrap();
        journal.close().await;
        writer.await.unwrap();
        trial
    }

    /// Has every tracker speak to a server until `enough` is told so; then kills it. What is read from a connection
    /// whose server is dead counts as well.
    async fn until(&mut self, serving: Serving, mut enough: impl FnMut(Word) -> bool) {
        let (words, mut heard) = unbounded_channel();
        let last = CancellationToken::new();
        let mut all = JoinSet::new();
        for mut w in self.witnesses.drain(..) {
            let address = serving.trackers[&w.port()].to_string();
            let (feed, ways, words, last) = (self.feed.clone(), self.ways.clone(), words.clone(), last.clone());
            all.spawn(async move {
                w.drive(&address, &feed, &ways, &words, &last).await;
                w
            });
        }
        drop(words);
        while !enough(timeout(PATIENCE, heard.recv()).await.expect("it answers").unwrap()) {}
        last.cancel();
        serving.kill().await;
        drop(heard);
        self.witnesses = timeout(PATIENCE, all.join_all()).await.expect("they notice that it is dead");
        self.witnesses.sort_by(|a, b| a.vehicle().cmp(b.vehicle()));
    }

    /// Looks at a copy of what is on the disk; gives an account by tracker.
    async fn accounts(&self) -> Vec<Account> {
        let copy = tempfile::tempdir().unwrap();
        for name in ["ingest.db", "ingest.db-wal"] {
            let from = self.dir.path().join("data").join(name);
            if from.exists() {
                std::fs::copy(from, copy.path().join(name)).unwrap();
            }
        }
        let mut kept = kept(&copy.path().join("ingest.db")).await;
        let of = |w: &Witness| w.account(&kept.remove(w.vehicle().as_str()).unwrap_or_default(), &self.ways);
        let accounts = self.witnesses.iter().map(of).collect();
        assert!(kept.is_empty(), "of vehicles that never were: {:?}", kept.keys());
        accounts
    }

    /// Fails unless every account holds; gives the records promised.
    async fn judge(&self, when: &str) -> u64 {
        let accounts = self.accounts().await;
        for (w, a) in self.witnesses.iter().zip(&accounts) {
            assert!(a.holds(), "{when}, {}, {}: {a:?}", w.vehicle(), w.port());
        }
        accounts.iter().map(|a| a.promised).sum()
    }
}

/// Every record of a journal, by vehicle.
async fn kept(path: &Path) -> BTreeMap<String, Vec<Kept>> {
    let mut journal = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let sound: String = sqlx::query_scalar("PRAGMA quick_check").fetch_one(&mut journal).await.unwrap();
    assert_eq!(sound, "ok");
    type Row = (String, i64, Option<f64>, Option<f64>);
    let rows: Vec<Row> =
        sqlx::query_as("SELECT vehicle, device_time, lat, lon FROM fixes").fetch_all(&mut journal).await.unwrap();
    let mut kept: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
    for (vehicle, time, lat, lon) in rows {
        kept.entry(vehicle).or_default().push(Kept { time: UnixMs(time), place: lat.zip(lon) });
    }
    kept
}

/// Every protocol that trackers speak to us over what it runs on; what a broker or a list holds has no port of its own.
fn every_port() -> Vec<(Protocol, Transport)> {
    let heard = |p: &&Protocol| p.stream().is_some() || matches!(p, Protocol::Osmand | Protocol::MqttJson);
    let tcp = Protocol::ALL.iter().filter(heard).map(|p| (*p, Transport::Tcp));
    tcp.chain(DATAGRAMS.map(|p| (p, Transport::Udp))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_again_and_again_keeps_what_it_promised_and_keeps_it_once() {
    let (kills, seed) = (number("ZUPYNKA_KILLS", 8), number("ZUPYNKA_SEED", 1));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut trial = Trial::of(seed, &every_port()).await;
    let mut promised = 0;
    for kill in 0..kills {
        if rng.random_ratio(1, UNOPENED) {
            let mut opening = zupynka(trial.dir.path(), &["serve", "--config", "zupynka.toml"]);
            let mut opening = opening.stderr(std::process::Stdio::null()).spawn().unwrap();
            opening.kill().await.unwrap();
        }
        let serving = Serving::start(trial.dir.path()).await;
        let (enough, mut taken) = (rng.random_range(1..=MOST_TAKEN), 0);
        trial
            .until(serving, |word| {
                taken += if let Word::Taken(n) = word { n } else { 0 };
                taken >= enough
            })
            .await;
        promised = trial.judge(&format!("seed {seed}, kill {kill}, after {taken} records")).await;
    }
    let accounts = trial.accounts().await;
    let (said, kept) = accounts.iter().fold((0, 0), |(s, k), a| (s + a.said, k + a.kept));
    println!("{kills} kills, {} trackers: {said} records said, {promised} promised, {kept} kept", accounts.len());
    assert!(promised >= kills, "every server took something");
    let unheard = |(w, a): (&Witness, &Account)| (a.kept == 0 || (w.answered() && a.promised == 0)).then(|| w.port());
    let unheard: Vec<String> = trial.witnesses.iter().zip(&accounts).filter_map(unheard).collect();
    assert!(kills < 8 || unheard.is_empty(), "nothing of {unheard:?} was ever kept or promised");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_promises_nothing_and_what_it_refused_is_taken_when_there_is_room() {
    let ports = [Protocol::Teltonika, Protocol::Wialon, Protocol::Osmand, Protocol::MqttJson];
    let mut trial = Trial::of(2, &ports.map(|p| (p, Transport::Tcp))).await;
    // No file may grow beyond 300 kB: to the journal it is a disk without room. Its own signal would end the program.
    let mut full = tokio::process::Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 600; exec \"$0\" serve --config zupynka.toml";
    full.args(["-c", script, env!("CARGO_BIN_EXE_zupynka")]).current_dir(trial.dir.path()).kill_on_drop(true);
    full.env_remove("RUST_LOG").env_remove("ZUPYNKA_TOKEN");
    let (mut in_a_row, mut taken) = (0u32, 0);
    let full = Serving::of(full).await;
    trial
        .until(full, |word| {
            match word {
                Word::Taken(0) => {}
                Word::Taken(n) => (in_a_row, taken) = (0, taken + n),
                Word::Fault => in_a_row += 1,
            }
            in_a_row >= 60
        })
        .await;
    assert!(taken > 0, "it took some before the disk was full");
    let promised = trial.judge("on a full disk").await;

    let mut more = 0;
    let serving = Serving::start(trial.dir.path()).await;
    trial
        .until(serving, |word| {
            more += if let Word::Taken(n) = word { n } else { 0 };
            more >= 200
        })
        .await;
    assert!(trial.judge("with room again").await >= promised + 200);
}
