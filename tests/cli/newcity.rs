//! `zupynka simulate new-city`: a feed that `check` finds nothing wrong with, or one clear message.

use crate::program::run;

const SMALL: [&str; 6] = ["simulate", "new-city", "--population", "50000", "--name", "Нове Місто"];

#[tokio::test]
async fn a_new_city_is_written_under_its_name_and_passes_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let made = run(dir.path(), &SMALL).await;
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.out.contains("Нове Місто (nove-misto), 50000 people"), "{}", made.out);
    let checked = run(dir.path(), &["check", "--gtfs", "nove-misto.zip"]).await;
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert!(checked.out.contains("0 errors, 0 warnings"), "{}", checked.out);
    let json = run(dir.path(), &[&SMALL[..], &["--json", "--out", "again.zip", "--modes", "bus"]].concat()).await;
    let said: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&said["path"], &said["city"]["population"]), (&"again.zip".into(), &50_000.into()));
    let bytes = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    assert_eq!(bytes("nove-misto.zip"), bytes("again.zip"), "the same order, the same bytes");
}

#[tokio::test]
async fn what_cannot_be_made_is_said_with_the_right_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let new = |more: &[&'static str]| [&["simulate", "new-city"], more].concat();
    let cases: [(Vec<&str>, i32, &[&str]); 7] = [
        (new(&["--name", "Село", "--population", "900"]), 2, &["--population", "900", "50000", "3000000"]),
        (new(&["--name", "Село", "--population", "багато"]), 2, &["--population", "багато", "number"]),
        (new(&["--name", "  ", "--population", "60000"]), 2, &["--name", "empty"]),
        (new(&["--population", "60000"]), 2, &["--name"]),
        (new(&["--name", "М", "--population", "60000", "--from", "20261350"]), 2, &["--from", "20261350"]),
        (new(&["--name", "М", "--population", "60000", "--modes", "metro"]), 2, &["metro", "trolleybus"]),
        (new(&["--name", "М", "--population", "60000", "--out", "no/such/folder.zip"]), 1, &["no/such/folder.zip"]),
    ];
    for (args, code, names) in cases {
        let ran = run(dir.path(), &args).await;
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(names.iter().all(|name| ran.err.contains(name)), "{args:?}: {names:?} in {}", ran.err);
    }
}

#[tokio::test]
async fn driving_vehicles_needs_no_subcommand_still() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), &["simulate"]).await.code, 2);
    let written = run(dir.path(), &["simulate", "--write-gtfs", "demo.zip"]).await;
    assert_eq!((written.code, dir.path().join("demo.zip").exists()), (0, true), "{}", written.err);
    let both = run(dir.path(), &[&["simulate", "--seed", "2"], &SMALL[1..]].concat()).await;
    assert_eq!(both.code, 2, "{}", both.err);
    let help = run(dir.path(), &["simulate", "--help"]).await;
    assert!(help.out.contains("new-city"), "{}", help.out);
    let completions = run(dir.path(), &["completions", "bash"]).await;
    assert!(completions.out.contains("new-city") && completions.out.contains("--population"));
}
