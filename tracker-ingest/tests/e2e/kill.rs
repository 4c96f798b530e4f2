//! kill -9 under load: whatever was acknowledged is on the disk, and is there once.
//!
//! The test runs itself as a child, which is an ingest that knows nothing of its end; the parent drives
//! it over TCP, kills it in mid-stream, and counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::{Protocol, teltonika};
use tracker_ingest::{Ingest, NewDevice};
use transit_model::clock::ManualClock;
use transit_model::time::UnixMs;

use crate::city::{START, config, packet, record};

const FOLDER: &str = "ZUPYNKA_TEST_KILL_FOLDER";
const TRACKERS: usize = 8;
const ROUNDS: usize = 5;
/// Packets acknowledged, over all trackers, before the kill.
const BEFORE_THE_KILL: u64 = 200;

fn imei(tracker: usize) -> String {
    format!("35209308145{tracker:04}")
}

/// Not a test: what the parent runs. Without the variable it does nothing.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (out, mut fixes) = mpsc::channel(10_000);
    let clock = Arc::new(ManualClock::at(UnixMs::from_secs(START + 1_000_000)));
    let config = config(folder.into());
    let handle = Ingest::start(config, clock, None, out, CancellationToken::new()).await.unwrap();
    let devices = (0..TRACKERS).map(|t| NewDevice::transit(imei(t), format!("bus-{t}"))).collect();
    handle.desk().add(devices).await.unwrap();
    println!("listening {}", handle.addresses().of(Protocol::Teltonika).unwrap());
    while fixes.recv().await.is_some() {}
}

fn start(folder: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|l| l.split_once("listening ").map(|(_, a)| a.trim().parse().unwrap()))
        .expect("the child listens");
    (child, address)
}

/// Sends packets of one record each until the connection ends; says how many were acknowledged. Starts
/// one before `from`, as a tracker does that never heard of its last one.
fn drive(address: SocketAddr, tracker: usize, from: i64, all: &AtomicU64) -> i64 {
    let mut acknowledged = from;
    let mut talk = || -> std::io::Result<()> {
        let mut s = TcpStream::connect(address)?;
        s.write_all(&teltonika::encode_login(&imei(tracker)).unwrap())?;
        s.read_exact(&mut [0])?;
        for n in (from - 1).max(0).. {
            s.write_all(&packet(&[record(n, 48.85)]))?;
            let mut count = [0; 4];
            s.read_exact(&mut count)?;
            assert_eq!(u32::from_be_bytes(count), 1);
            acknowledged = acknowledged.max(n + 1);
            all.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    };
    talk().expect_err("it ends when the child is killed");
    acknowledged
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = [0i64; TRACKERS];
    for round in 0..ROUNDS {
        let (mut child, address) = start(folder.path());
        let all = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let all = &all;
            let trackers: Vec<_> = acknowledged
                .into_iter()
                .enumerate()
                .map(|(t, from)| scope.spawn(move || drive(address, t, from, all)))
                .collect();
            while all.load(Ordering::SeqCst) < BEFORE_THE_KILL {
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            for (before, tracker) in acknowledged.iter_mut().zip(trackers) {
                *before = tracker.join().unwrap();
            }
        });
        let config = config(folder.path().to_owned());
        let stored = sqlx_counts(&config.journal_path()).await;
        for (t, n) in acknowledged.iter().enumerate() {
            let have = stored.iter().find(|(v, ..)| *v == format!("bus-{t}")).map_or((0, 0), |(_, n, d)| (*n, *d));
            // At most the one record that was sent and not yet answered is there besides.
            assert!((*n..=*n + 1).contains(&have.0), "round {round}, tracker {t}: {n} acknowledged, {have:?} stored");
            assert_eq!(have.0, have.1, "round {round}, tracker {t}: a record is there twice");
        }
    }
    // Each round repeats one record a tracker.
    let least = ROUNDS as u64 * (BEFORE_THE_KILL - TRACKERS as u64);
    assert!(acknowledged.iter().sum::<i64>().unsigned_abs() >= least, "{acknowledged:?}");
}

/// Vehicle, records, distinct times.
async fn sqlx_counts(path: &Path) -> Vec<(String, i64, i64)> {
    use sqlx::{Connection, SqliteConnection};
    let mut c = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let sql = "SELECT vehicle, count(*), count(DISTINCT device_time) FROM fixes GROUP BY vehicle";
    sqlx::query_as(sql).fetch_all(&mut c).await.unwrap()
}
