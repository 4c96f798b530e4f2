//! What `zupynka serve` must not lose by SIGKILL: how good it has been, what it has learned, and what was decided
//! of what the public sees.

use std::path::Path;

use eta_engine::accuracy::histogram::Scale;
use eta_engine::accuracy::measure::{Proven, Sample};
use eta_engine::accuracy::tally::Tally;
use eta_engine::engine::Model;
use eta_engine::learning::links::{DayKind, When};
use eta_engine::store::sqlite::SqliteStore;
use eta_engine::store::{ModelUpdate, Store as _};
use tokio::time::timeout;
use transit_model::clock::{Clock as _, SystemClock};
use transit_model::time::{UnixMs, Zone};
use transit_model::timetable::LinkKey;

use crate::life::{AGO, Server, is_followed};
use crate::program::{PATIENCE, Ran, config, feed, run, street};

const LINK: LinkKey = LinkKey(77);

fn when() -> When {
    When { kind: DayKind::Workday, second: 30_000.0, unix: 30_000.0 }
}

/// A day's accuracy and a learned link, as a server that ran before has left them.
async fn yesterday(data: &Path, now: UnixMs) -> f32 {
    std::fs::create_dir_all(data).unwrap();
    let store = SqliteStore::open(&data.join("engine.db")).await.unwrap();
    let mut tally = Tally::new(Scale::Coarse);
    let slot = tally.slot("r1", "S3", 8);
    for lead in [60, 120, 300, 900] {
        let actual = now.plus_secs(lead);
        let told = actual.plus_secs(-25);
        let sample = Sample { made: now, arrival: told, interval: Some((told.plus_secs(-30), told.plus_secs(60))) };
        let proven = Proven { sample, actual, sched: None, learned: None, before: None };
        tally.each(slot, |cell| cell.proven(&proven));
    }
    store.save_accuracy(Zone::utc().date(now.plus_secs(-86_400)), &tally).await.unwrap();
    let mut model = Model::default();
    for _ in 0..5 {
        model.links.learn(LINK, 140.0, 100.0, when());
    }
    store.save_model(&ModelUpdate::take(&mut model)).await.unwrap();
    model.links.expect(LINK, 100.0, when())
}

/// What the server says of its accuracy, once it has read what it kept: its port opens before that.
async fn accuracy(server: &Server) -> serde_json::Value {
    let kept = async {
        loop {
            let mut body = server.get("/v1/accuracy").await;
            body.as_object_mut().unwrap().remove("as_of");
            if body["predictions"] != 0 {
                return body;
            }
        }
    };
    timeout(PATIENCE, kept).await.unwrap()
}

async fn vehicles(server: &Server) -> usize {
    server.get("/v1/vehicles").await["vehicles"].as_array().unwrap().len()
}

#[tokio::test]
async fn accuracy_model_and_measures_survive_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let now = UnixMs::from_secs(SystemClock.now().secs());
    let left = now.plus_secs(-AGO);
    let zip = feed(dir.path(), &street(left));
    let more = "[http]\nlisten = \"127.0.0.1:0\"\n[ingest]\naccept_unknown = true\n\
                [ingest.teltonika]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"info\"\nformat = \"json\"\n";
    config(dir.path(), &zip, more);
    let learned = yesterday(&dir.path().join("data"), now).await;
    let token = ["token", "--config", "zupynka.toml", "--role", "dispatcher", "--name", "shift 1", "--out", "t.token"];
    assert_eq!(run(dir.path(), &token).await.code, 0);

    let mut server = Server::start(dir.path()).await;
    let before = accuracy(&server).await;
    assert_eq!(before["predictions"], 4, "{before}");
    server.hear(left, now.plus_secs(-200), now).await;
    server.board_until("S3", is_followed).await;
    assert_eq!(vehicles(&server).await, 1);
    let url = server.url();
    let none = measures(dir.path(), &url, &["list"]).await;
    assert_eq!((none.code, none.out.trim()), (0, "no measures: the public sees everything"), "{}", none.err);
    let added = measures(dir.path(), &url, &["add", "stop", "--feed", "--for", "60", "--reason", "air raid"]).await;
    assert!(added.code == 0 && added.out.contains("stop  positions  feed"), "{} {}", added.out, added.err);
    assert!(added.out.contains("shift 1 (dispatcher): air raid  [in force]"), "{}", added.out);
    assert_eq!(vehicles(&server).await, 0, "it holds when the command has returned");
    let wrong = measures(dir.path(), &url, &["add", "stop", "--route", "r9", "--reason", "x"]).await;
    assert!(wrong.code == 1 && wrong.err.contains("there is no route `r9`"), "{}", wrong.err);
    server.process.kill().await.unwrap();

    let server = Server::start(dir.path()).await;
    server.board_until("S3", is_followed).await;
    assert_eq!(accuracy(&server).await, before);
    assert_eq!(vehicles(&server).await, 0, "the measure holds after SIGKILL");
    let url = server.url();
    let ended = measures(dir.path(), &url, &["end", "1", "--reason", "all clear"]).await;
    assert!(ended.code == 0 && ended.out.contains("by shift 1: all clear"), "{} {}", ended.out, ended.err);
    assert_eq!(vehicles(&server).await, 1);
    assert_eq!(server.ended().await, Some(0));

    let store = SqliteStore::open(&dir.path().join("data/engine.db")).await.unwrap();
    let model = store.load_model().await.unwrap();
    assert!(model.links.len() > 1, "what was driven since is learned, too");
    let kept = model.links.expect(LINK, 100.0, when());
    assert!((kept - learned).abs() < 1.0, "{learned} before, {kept} after");
    let actions: Vec<String> = store.audit(9).await.unwrap().into_iter().map(|a| a.action).collect();
    assert_eq!(actions, ["measure.end", "measure.add"]);
}

/// `zupynka measures` asked of a server with the shift's token.
async fn measures(dir: &Path, url: &str, rest: &[&str]) -> Ran {
    run(dir, &[&["measures", "--server", url, "--token-file", "t.token"], rest].concat()).await
}
