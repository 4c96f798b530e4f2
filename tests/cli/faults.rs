//! Whatever is wrong gets one clear message that names the thing and where, and the right exit code.

use std::net::TcpListener;
use std::path::Path;

use transit_model::gtfs::GtfsFiles;
use transit_model::time::UnixMs;

use crate::program::{Ran, config, feed, run, street};

fn some_day() -> GtfsFiles {
    street(UnixMs::from_secs(1_795_349_100))
}

/// It failed with this code and said one thing, which has all of `names` in it.
fn says(ran: &Ran, code: i32, names: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.err);
    assert_eq!(ran.err.matches("zupynka: ").count(), 1, "one message: {}", ran.err);
    for name in names {
        assert!(ran.err.contains(name), "`{name}` is not named in: {}", ran.err);
    }
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

async fn serve(dir: &Path, config: &Path) -> Ran {
    run(dir, &["serve", "--config", config.to_str().unwrap()]).await
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_it_was_for() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let zip = feed(dir.path(), &some_day());
    let web = config(dir.path(), &zip, &format!("[http]\nlisten = \"{at}\"\n"));
    says(&serve(dir.path(), &web).await, 1, &[&at.to_string(), "http", "in use"]);
    let free = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let trackers = config(dir.path(), &zip, &format!("{free}[ingest.teltonika]\nlisten = \"{at}\"\n"));
    says(&serve(dir.path(), &trackers).await, 1, &[&at.to_string(), "teltonika", "in use"]);
    let demo = run(dir.path(), &["demo", "--port", &at.port().to_string()]).await;
    says(&demo, 1, &[&at.port().to_string(), "in use"]);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("data"), "a file in its place").unwrap();
    let zip = feed(dir.path(), &some_day());
    let config = config(dir.path(), &zip, "[http]\nlisten = \"127.0.0.1:0\"\n");
    let place = dir.path().join("data").display().to_string();
    says(&serve(dir.path(), &config).await, 1, &["data folder", &place]);
    says(&run(dir.path(), &["demo", "--port", "0", "--data", "data"]).await, 1, &["data folder", "data"]);
}

#[tokio::test]
async fn a_feed_that_cannot_be_used_is_named_with_why() {
    let dir = tempfile::tempdir().unwrap();
    let zip = dir.path().join("feed.zip");
    let whole = some_day().to_zip_bytes().unwrap();
    let cases: [(&[u8], &str); 4] = [
        (b"<html>404 Not Found</html>", "not a zip"),
        (&whole[..whole.len() / 2], "not a zip"),
        (&some_day().without("stop_times.txt").to_zip_bytes().unwrap(), "stop_times.txt is missing"),
        (&GtfsFiles::new().with("readme.md", "").to_zip_bytes().unwrap(), "no GTFS file"),
    ];
    for (bytes, why) in cases {
        std::fs::write(&zip, bytes).unwrap();
        let name = zip.display().to_string();
        let config = config(dir.path(), &zip, "[http]\nlisten = \"127.0.0.1:0\"\n");
        says(&serve(dir.path(), &config).await, 1, &[&name, why]);
        says(&run(dir.path(), &["demo", "--port", "0", "--gtfs", &name]).await, 1, &[&name, why]);
        let check = run(dir.path(), &["check", "--gtfs", &name]).await;
        assert_eq!(check.code, 1);
        assert!(check.out.contains(&name) && check.out.contains(why), "{}", check.out);
    }
    std::fs::remove_file(&zip).unwrap();
    let missing = run(dir.path(), &["demo", "--port", "0", "--gtfs", "feed.zip"]).await;
    says(&missing, 1, &["feed.zip", "No such file"]);
}

#[tokio::test]
async fn a_trip_at_a_stop_that_does_not_exist_is_named_by_line_and_the_rest_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = some_day();
    let times = String::from_utf8(files.get("stop_times.txt").unwrap().to_vec()).unwrap();
    files.set("stop_times.txt", times.replace(",S3,", ",S99,"));
    let zip = feed(dir.path(), &files);
    let check = run(dir.path(), &["check", "--json", "--gtfs", zip.to_str().unwrap()]).await;
    let said: serde_json::Value = serde_json::from_str(&check.out).unwrap();
    assert_eq!((check.code, &said["usable"]), (1, &true.into()), "{said}");
    let named = said.to_string();
    for part in ["stop_times.txt", "S99", "\"line\":5"] {
        assert!(named.contains(part), "`{part}` is not in {said}");
    }
}

#[tokio::test]
async fn every_fault_of_a_configuration_is_named_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let zip = feed(dir.path(), &some_day());
    let path = config(dir.path(), &zip, "[http]\nlisten = 8080\n[predict]\nhorizont_secs = 5\n");
    let ran = serve(dir.path(), &path).await;
    says(&ran, 2, &["zupynka.toml", "2 fault", "line 7: http.listen = 8080", "line 9: predict.horizont_secs"]);
    assert!(ran.err.contains("did you mean predict.horizon_secs?"), "{}", ran.err);
    let check = run(dir.path(), &["check", "--config", "zupynka.toml"]).await;
    assert_eq!((check.code, check.out.lines().count()), (2, 2), "{}", check.out);
    says(&serve(dir.path(), Path::new("nowhere.toml")).await, 2, &["nowhere.toml", "No such file"]);
}

#[tokio::test]
async fn the_template_and_a_good_feed_have_no_faults() {
    let dir = tempfile::tempdir().unwrap();
    let template = run(dir.path(), &["config", "--template"]).await;
    assert_eq!(template.code, 0);
    std::fs::write(dir.path().join("t.toml"), template.out).unwrap();
    assert_eq!(run(dir.path(), &["check", "--config", "t.toml"]).await.code, 0);
    let zip = feed(dir.path(), &some_day());
    let check = run(dir.path(), &["check", "--gtfs", zip.to_str().unwrap()]).await;
    assert_eq!(check.code, 0, "{}", check.out);
}

#[tokio::test]
async fn wrong_usage_is_two_and_a_server_that_is_not_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["serve"][..],
        &["fly"],
        &["board", "--stop", "A", "--renderer", "led"],
        &["board", "--stop", "A"],
        &["board", "--stop", "A", "--once", "--server", "ftp://x"],
        &["dispatch", "--once", "--token-file", "nowhere.token"],
        &["dispatch", "--once", "--view", "ladder"],
        &["simulate"],
    ] {
        let ran = run(dir.path(), args).await;
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{args:?}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{gone}");
    for client in [&["board", "--stop", "A"][..], &["dispatch"]] {
        let ran = run(dir.path(), &[client, &["--once", "--server", &server]].concat()).await;
        says(&ran, 1, &[&gone.port().to_string(), "refused"]);
    }
}
