//! Pull sources against a publisher on a real socket that answers whatever a test wants. A source is asked when the
//! test asks for it, and the clock stands where the test puts it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use futures_util::stream;
use tokio::sync::mpsc;
use tracker_ingest::codec::{DeviceKey, Position, Protocol, Record, gtfs_rt};
use tracker_ingest::pull::Pulled;
use tracker_ingest::pull::config::{Form, PullConfig};
use tracker_ingest::{IngestError, NewDevice};
use transit_model::time::UnixMs;

use crate::city::{City, START, within};

const HEADER: &str = "Transportas,Marsrutas,ReisoID,MasinosNumeris,Ilguma,Platuma,Greitis,Azimutas,ReisoPradziaMinutemis,NuokrypisSekundemis,MatavimoLaikas,MasinosTipas,KryptiesTipas,KryptiesPavadinimas,ReisoIdGTFS,";
/// Seconds after midnight in Kyiv at the start.
const OF_DAY: i64 = 47_200;

/// What the publisher answers.
#[derive(Clone)]
enum Answer {
    /// Well, with this body and ETag; 304 to whoever shows that ETag.
    List(Bytes, &'static str),
    /// Packed by gzip.
    Packed(Vec<u8>),
    Status(StatusCode),
    /// It says that more will come than does.
    Truncated,
    Endless,
    /// This list, to whoever shows the key.
    Secret(Bytes),
}

#[derive(Clone)]
struct Publisher {
    answer: Arc<Mutex<Answer>>,
    asked: mpsc::UnboundedSender<HeaderMap>,
}

async fn answer(State(publisher): State<Publisher>, headers: HeaderMap) -> Response<Body> {
    let answer = publisher.answer.lock().unwrap().clone();
    let shown = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (etag, key) = (shown("if-none-match"), shown("x-api-key"));
    publisher.asked.send(headers).unwrap();
    let response = Response::builder();
    match answer {
        Answer::List(_, tag) if etag.as_deref() == Some(tag) => {
            response.status(StatusCode::NOT_MODIFIED).body(Body::empty())
        }
        Answer::List(body, tag) => response.header(header::ETAG, tag).body(body.into()),
        Answer::Packed(body) => response.header(header::CONTENT_ENCODING, "gzip").body(body.into()),
        Answer::Status(status) => response.status(status).body("<html>sorry</html>".into()),
        Answer::Truncated => {
            let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"Transportas,Mars"))]);
            response.header(header::CONTENT_LENGTH, 5000).body(Body::from_stream(begun))
        }
        Answer::Endless => {
            let row = Bytes::from(format!("{HEADER}\n").repeat(50));
            let rows = stream::repeat_with(move || Ok::<_, std::io::Error>(row.clone()));
            response.body(Body::from_stream(rows))
        }
        Answer::Secret(body) if key.as_deref() == Some("s3cret") => response.body(body.into()),
        Answer::Secret(_) => response.status(StatusCode::UNAUTHORIZED).body(Body::empty()),
    }
    .unwrap()
}

/// A publisher, a city that asks it, and what it was asked.
struct Pull {
    city: City,
    publisher: Publisher,
    asked: mpsc::UnboundedReceiver<HeaderMap>,
}

impl Pull {
    /// Open, and asked once for nothing.
    async fn open(form: Form, change: impl FnOnce(&mut PullConfig)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (sender, mut asked) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(Answer::Status(StatusCode::SERVICE_UNAVAILABLE)));
        let publisher = Publisher { answer: answers, asked: sender };
        let app = Router::new().fallback(answer).with_state(publisher.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let mut config = PullConfig::new(format!("http://{address}/gps_full.txt"), form);
        // The test asks; nobody else comes between.
        config.every_secs = 3600;
        config.zone = Some("Europe/Kyiv".to_owned());
        config.max_bytes = 100_000;
        change(&mut config);
        let city = City::open_with(|c| drop(c.pull.insert("lviv".to_owned(), config))).await;
        within(asked.recv()).await.unwrap();
        Self { city, publisher, asked }
    }

    /// Asks for the list with the publisher answering so.
    async fn ask(&mut self, answer: Answer) -> Pulled {
        *self.publisher.answer.lock().unwrap() = answer;
        within(self.city.handle.desk().pull("lviv")).await.unwrap()
    }

    /// What it failed by.
    async fn fails(&mut self, answer: Answer) -> String {
        match self.ask(answer).await {
            Pulled::Failed(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// What the publisher was asked last.
    fn last_asked(&mut self) -> HeaderMap {
        let mut last = self.asked.try_recv().unwrap();
        while let Ok(next) = self.asked.try_recv() {
            last = next;
        }
        last
    }

    fn concerns(&self) -> Vec<String> {
        let all = self.city.handle.concerns().into_iter();
        all.filter(|c| c.kind.starts_with("pull_")).map(|c| c.text_en).collect()
    }

    fn metric(&self, line: &str) -> Option<String> {
        let mut registry = prometheus_client::registry::Registry::default();
        self.city.handle.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.lines().find_map(|l| l.strip_prefix(line)).map(|v| v.trim().to_owned())
    }
}

/// A list of vehicles, each with the seconds after the start at which it was there.
fn list(vehicles: &[(&str, i64)]) -> Bytes {
    let rows = vehicles.iter().map(|(number, secs)| {
        let time = OF_DAY + secs;
        format!("Autobusai,7,,{number},37600000,48850000,36,90,,,{time},K,A>B,Вокзал,T-1,\n")
    });
    format!("{HEADER}\n{}", rows.collect::<String>()).into()
}

fn good(vehicles: &[(&str, i64)], tag: &'static str) -> Answer {
    Answer::List(list(vehicles), tag)
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(text).unwrap();
    to.finish().unwrap()
}

#[tokio::test]
async fn a_list_moves_its_vehicles_and_what_was_there_before_is_not_new() {
    let mut p = Pull::open(Form::GpsFull, |_| ()).await;
    p.city.clock.set(p.city.at(10));
    assert_eq!(p.ask(good(&[("7", 5), ("8", 6)], "\"a\"")).await, Pulled::New(2));
    let fixes = [p.city.fix().await, p.city.fix().await];
    let seen: Vec<_> = fixes.iter().map(|f| (f.vehicle.to_string(), f.time, f.source.name())).collect();
    assert_eq!(seen[0], ("lviv:7".to_owned(), p.city.at(5), "gps-full"));
    assert_eq!(seen[1], ("lviv:8".to_owned(), p.city.at(6), "gps-full"));
    assert_eq!(fixes[0].reported.trip_id.as_deref(), Some("T-1"));

    assert_eq!(p.ask(good(&[("7", 5), ("8", 6)], "\"a\"")).await, Pulled::Unchanged, "304");
    assert_eq!(p.last_asked().get("if-none-match").unwrap(), "\"a\"");
    assert_eq!(p.ask(good(&[("7", 5), ("8", 6)], "\"b\"")).await, Pulled::Unchanged, "byte for byte the same");
    p.city.clock.set(p.city.at(20));
    assert_eq!(p.ask(good(&[("8", 6), ("7", 5)], "\"c\"")).await, Pulled::Old, "in another order");
    assert_eq!(p.ask(good(&[("7", 15), ("8", 6)], "\"d\"")).await, Pulled::New(1));
    assert_eq!(p.city.fix().await.time, p.city.at(15));
    assert_eq!(p.ask(Answer::Packed(packed(&list(&[("8", 18)])))).await, Pulled::New(1), "gzip");
    assert_eq!(p.last_asked().get("accept-encoding").unwrap(), "gzip");
    assert_eq!(p.city.fix().await.time, p.city.at(18));
    assert_eq!(p.city.stored().await, (4, 4), "each once");
    assert_eq!(p.metric("zupynka_ingest_pull_requests_total{source=\"lviv\",result=\"new\"}").as_deref(), Some("3"));
    assert_eq!(p.metric("zupynka_ingest_pull_vehicles{source=\"lviv\"}").as_deref(), Some("1"));
    p.city.close().await;
}

#[tokio::test]
async fn whatever_a_publisher_answers_is_said_and_survived() {
    let mut p = Pull::open(Form::GpsFull, |_| ()).await;
    p.city.clock.set(p.city.at(10));
    assert_eq!(p.ask(good(&[("7", 5)], "\"a\"")).await, Pulled::New(1));
    let gzip = packed(&list(&[("7", 6)]));
    for (answer, says) in [
        (Answer::Status(StatusCode::INTERNAL_SERVER_ERROR), "500"),
        (Answer::Status(StatusCode::NOT_FOUND), "has the list moved?"),
        (Answer::List("<!DOCTYPE html><p>Wartung".into(), "\"x\""), "<!DOCTYPE html>"),
        (Answer::List("".into(), "\"x\""), "empty"),
        (Answer::Truncated, "before message"),
        (Answer::Endless, "longer than 100000 bytes"),
        (Answer::Packed(gzip[..gzip.len() / 2].to_vec()), "compressed and damaged"),
        (Answer::Packed(packed(&vec![b' '; 200_000])), "longer than 100000 bytes"),
    ] {
        let why = p.fails(answer).await;
        assert!(why.contains(says), "{says}: {why}");
    }
    assert_eq!(p.concerns().len(), 1, "many failures, one concern: {:?}", p.concerns());
    assert!(p.concerns()[0].starts_with("The source lviv cannot be had: "), "{:?}", p.concerns());
    p.city.clock.set(p.city.at(20));
    // A row that is wrong loses no other, and is counted.
    let some = [&list(&[("7", 15)])[..], b"Autobusai,7,,9,here,there,,,,,,,,,,\n"].concat();
    assert_eq!(p.ask(Answer::List(some.into(), "\"b\"")).await, Pulled::New(1));
    assert_eq!(p.city.handle.counters().refused.get("malformed"), Some(&1));
    assert!(p.concerns().is_empty());
    assert_eq!(p.city.stored().await, (2, 2));
    p.city.close().await;
}

#[tokio::test]
async fn a_source_that_says_nothing_new_is_raised_until_it_does() {
    let mut p = Pull::open(Form::GpsFull, |_| ()).await;
    p.city.clock.set(p.city.at(1010));
    assert_eq!(p.ask(good(&[("7", 1005)], "\"a\"")).await, Pulled::New(1));
    p.city.clock.set(p.city.at(1180));
    assert_eq!(p.ask(good(&[("7", 1005)], "\"a\"")).await, Pulled::Unchanged);
    assert!(p.concerns().is_empty());
    p.city.clock.set(p.city.at(1200));
    // It answers well, with another text and the same places.
    assert_eq!(p.ask(Answer::List([&list(&[("7", 1005)])[..], b"\n"].concat().into(), "\"z\"")).await, Pulled::Old);
    assert_eq!(p.concerns(), ["The source lviv says nothing new: its vehicles are stale"]);
    assert_eq!(p.metric("zupynka_ingest_pull_age_seconds{source=\"lviv\"}").as_deref(), Some("190.0"));
    p.city.clock.set(p.city.at(1210));
    assert_eq!(p.ask(good(&[("7", 1205)], "\"b\"")).await, Pulled::New(1));
    assert!(p.concerns().is_empty());
    p.city.close().await;
}

#[tokio::test]
async fn vehicles_of_a_source_that_is_not_trusted_wait_in_quarantine() {
    let mut p = Pull::open(Form::GpsFull, |c| c.trust = false).await;
    p.city.clock.set(p.city.at(10));
    let desk = p.city.handle.desk();
    assert_eq!(p.ask(good(&[("7", 5), ("8", 5)], "\"a\"")).await, Pulled::New(2));
    let mut waiting: Vec<_> = desk.quarantine().iter().map(|q| q.key.expose().to_owned()).collect();
    waiting.sort();
    assert_eq!((waiting, p.city.stored().await), (vec!["lviv:7".to_owned(), "lviv:8".to_owned()], (0, 0)));
    desk.add(vec![NewDevice::transit("lviv:7", "bus-7")]).await.unwrap();
    p.city.clock.set(p.city.at(20));
    assert_eq!(p.ask(good(&[("7", 15), ("8", 15)], "\"b\"")).await, Pulled::New(2));
    assert_eq!(p.city.fix().await.vehicle.as_str(), "bus-7");
    assert_eq!(p.city.stored().await, (1, 1));
    p.city.close().await;
}

#[tokio::test]
async fn nobody_else_speaks_for_a_source_s_vehicle() {
    let mut p = Pull::open(Form::GpsFull, |_| ()).await;
    p.city.clock.set(p.city.at(10));
    assert_eq!(p.ask(good(&[("7", 5)], "\"a\"")).await, Pulled::New(1));
    let osmand = p.city.handle.addresses().of(Protocol::Osmand).unwrap();
    let url = format!("http://{osmand}/?id=lviv:7&lat=48.86&lon=37.6&timestamp={}", START + 8);
    let answer = within(reqwest::get(url)).await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
    assert_eq!(p.city.handle.counters().refused.get("bad_token"), Some(&1));
    assert_eq!(p.city.stored().await, (1, 1));
    p.city.close().await;
}

#[tokio::test]
async fn what_the_disk_did_not_take_comes_again_though_the_list_has_not_changed() {
    let mut p = Pull::open(Form::GpsFull, |_| ()).await;
    p.city.clock.set(p.city.at(10));
    assert_eq!(p.ask(good(&[("7", 5)], "\"a\"")).await, Pulled::New(1));
    let lock = p.city.lock_journal().await;
    p.city.clock.set(p.city.at(20));
    let why = p.fails(good(&[("7", 15)], "\"b\"")).await;
    assert!(why.contains("not stored"), "{why}");
    lock.release().await;
    assert_eq!(p.ask(good(&[("7", 15)], "\"b\"")).await, Pulled::New(1));
    assert_eq!(p.city.stored().await, (2, 2));
    p.city.close().await;
}

#[tokio::test]
async fn gtfs_realtime_is_pulled_with_a_key_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "wrong\n").unwrap();
    let mut p = Pull::open(Form::GtfsRt, |c| {
        c.header = Some("X-Api-Key".to_owned());
        c.header_file = Some(file.clone());
    })
    .await;
    p.city.clock.set(p.city.at(10));
    let at = |secs: i64| UnixMs::from_secs(START + secs);
    let position = Position { lat: 48.85, lon: 37.6, valid: true, ..Position::default() };
    let vehicle = |name: &str, secs| Record { device: Some(DeviceKey::from(name)), ..Record::at(at(secs), position) };
    let feed = |records: &[Record]| Answer::Secret(gtfs_rt::encode(at(9), records).unwrap().into());
    let why = p.fails(feed(&[vehicle("1064", 5)])).await;
    assert!(why.contains("401") && why.contains("header_file"), "{why}");
    // A new key needs no restart.
    std::fs::write(&file, "s3cret\n").unwrap();
    assert_eq!(p.ask(feed(&[vehicle("1064", 5), vehicle("1065", 6)])).await, Pulled::New(2));
    let fix = p.city.fix().await;
    assert_eq!((fix.vehicle.as_str(), fix.time, fix.source.name()), ("lviv:1064", at(5), "gtfs-rt"));
    assert_eq!(p.ask(feed(&[vehicle("1064", 5), vehicle("1065", 8)])).await, Pulled::New(1));
    assert!(p.fails(Answer::Secret("{\"entity\":[]}".into())).await.contains("FeedMessage"));
    p.city.close().await;
}

#[tokio::test]
async fn a_source_that_cannot_be_asked_is_said_before_anything_runs() {
    let city = City::open().await;
    let wrong = PullConfig::new("ftp://city.example/list", Form::GpsFull);
    let e = city.another(|c| drop(c.pull.insert("lviv".to_owned(), wrong))).await.unwrap_err();
    assert!(matches!(e, IngestError::Pull(_)) && e.to_string().contains("[ingest.pull.lviv] url"), "{e}");
    city.close().await;
}
