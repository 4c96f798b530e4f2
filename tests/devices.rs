//! `zupynka devices` as an engineer runs it: the real binary, beside a server and without one.

#![cfg(test)]

mod engineer {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::path::PathBuf;
    use std::process::{Child, Command, Output, Stdio};
    use std::time::Duration;

    use serde_json::{Value, json};
    use tracker_ingest::codec::teltonika::{self, Codec};
    use tracker_ingest::codec::{AttrKey, AttrValue, Position, Record};
    use transit_model::clock::{Clock as _, SystemClock};
    use transit_model::gtfs::GtfsFiles;

    const IMEI: &str = "352093081452251";
    const OTHER: &str = "867123456789012";
    /// Only a test that fails waits for it.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A folder with a feed and a configuration.
    struct City {
        folder: tempfile::TempDir,
    }

    /// What a command said.
    struct Said {
        code: i32,
        out: String,
        err: String,
    }

    impl From<Output> for Said {
        fn from(o: Output) -> Self {
            let text = |b| String::from_utf8(b).unwrap();
            Self { code: o.status.code().unwrap(), out: text(o.stdout), err: text(o.stderr) }
        }
    }

    impl City {
        fn new() -> Self {
            let city = Self { folder: tempfile::tempdir().unwrap() };
            let feed = GtfsFiles::new()
                .with("agency.txt", "agency_id,agency_name,agency_timezone\nA,Парк,Europe/Kyiv\n")
                .with("stops.txt", "stop_id,stop_name,stop_lat,stop_lon\na,А,48.85,37.60\nb,Б,48.86,37.61\n")
                .with("routes.txt", "route_id,route_short_name,route_type\nr,5,3\n")
                .with("trips.txt", "route_id,service_id,trip_id\nr,s,t\n")
                .with("calendar_dates.txt", "service_id,date,exception_type\ns,20260101,1\n")
                .with(
                    "stop_times.txt",
                    "trip_id,arrival_time,departure_time,stop_id,stop_sequence\nt,8:00:00,,a,1\nt,8:05:00,,b,2\n",
                );
            city.write("city.zip", &feed.to_zip_bytes().unwrap());
            let config = format!(
                "[feed]\nid = \"test\"\ngtfs = {:?}\n[data]\ndir = {:?}\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [ingest.teltonika]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"info\"\n",
                city.path("city.zip"),
                city.path("data")
            );
            city.write("zupynka.toml", config.as_bytes());
            city
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            std::fs::write(self.path(name), bytes).unwrap();
            self.path(name)
        }

        fn command(&self, role: &str) -> Command {
            let mut c = Command::new(env!("CARGO_BIN_EXE_zupynka"));
            c.env_remove("RUST_LOG").arg(role).arg("--config").arg(self.path("zupynka.toml"));
            c
        }

        fn devices(&self, args: &[&str]) -> Said {
            self.command("devices").args(args).output().unwrap().into()
        }

        fn done(&self, args: &[&str]) -> String {
            let said = self.devices(args);
            assert_eq!(said.code, 0, "{args:?}: {}", said.err);
            said.out
        }

        fn json(&self, args: &[&str]) -> Value {
            serde_json::from_str(&self.done(args)).unwrap()
        }

        fn serve(&self) -> Server {
            let mut process = self.command("serve").stderr(Stdio::piped()).spawn().unwrap();
            let mut log = BufReader::new(process.stderr.take().unwrap());
            let mut said = String::new();
            let addresses = loop {
                let mut line = String::new();
                assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {said}");
                if let Some((_, rest)) = line.split_once("trackers=") {
                    let of = |name: &str| {
                        let (_, at) = rest.split_once(&format!("{name} "))?;
                        Some(at.split_whitespace().next()?.trim_end_matches(',').parse().unwrap())
                    };
                    break [of("teltonika"), of("osmand"), of("mqtt-json")];
                }
                said.push_str(&line);
            };
            Server { process, log, addresses }
        }
    }

    struct Server {
        process: Child,
        log: BufReader<std::process::ChildStderr>,
        /// Teltonika, OsmAnd, MQTT.
        addresses: [Option<SocketAddr>; 3],
    }

    impl Server {
        /// The answer to a login, and the connection.
        fn login(&self, imei: &str) -> (u8, TcpStream) {
            let mut s = self.connect(0);
            s.write_all(&teltonika::encode_login(imei).unwrap()).unwrap();
            let mut answer = [9];
            s.read_exact(&mut answer).unwrap();
            (answer[0], s)
        }

        fn connect(&self, port: usize) -> TcpStream {
            let s = TcpStream::connect(self.addresses[port].unwrap()).unwrap();
            s.set_read_timeout(Some(PATIENCE)).unwrap();
            s
        }

        /// The answer to a request, whole.
        fn http(&self, target: &str) -> String {
            let mut s = self.connect(1);
            write!(s, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            s.read_to_string(&mut answer).unwrap();
            answer
        }

        /// A connection of MQTT 3.1.1, and what CONNECT was answered.
        fn mqtt(&self, user: &str, password: &str) -> (TcpStream, u8) {
            let mut s = self.connect(2);
            let text = |t: &str| [&[0, u8::try_from(t.len()).unwrap()], t.as_bytes()].concat();
            let body = [text("MQTT"), vec![4, 0xC2, 0, 60], text("c"), text(user), text(password)].concat();
            s.write_all(&[&[0x10, u8::try_from(body.len()).unwrap()][..], &body].concat()).unwrap();
            let mut answer = [0; 4];
            s.read_exact(&mut answer).unwrap();
            (s, answer[3])
        }

        /// Ends it as systemd does; gives the rest of its log.
        fn stop(mut self) -> String {
            assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
            assert!(self.process.wait().unwrap().success());
            let mut rest = String::new();
            self.log.read_to_string(&mut rest).unwrap();
            rest
        }
    }

    impl Drop for Server {
        /// A test that failed leaves nothing running; of one that ended, there is nothing left to kill.
        fn drop(&mut self) {
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }

    #[test]
    fn devices_are_added_listed_changed_and_removed_without_a_server() {
        let city = City::new();
        let said = city.devices(&["list"]);
        assert_eq!(said.code, 1);
        assert!(said.err.contains("no device was added and no server has run there"), "{}", said.err);
        assert!(!city.path("data").exists(), "nothing is made by looking");

        city.done(&["add", IMEI, "plough-1", "--kind", "machinery", "--label", "гараж 7"]);
        let list = city.json(&["list", "--json"]);
        let row = json!({"vehicle_id": "plough-1", "device": "…2251", "kind": "machinery", "label": "гараж 7",
                     "has_token": false, "last_seen": null, "protocol": null, "networks": [], "tls": false,
                     "shows_token": false, "certificate": null, "clock_offset_s": 0.0, "pinned": null, "changes": []});
        assert_eq!(list["devices"], json!([row]));
        // What is not said again stays.
        let moved = city.devices(&["add", IMEI, "plough-2"]);
        assert_eq!((moved.code, moved.err.as_str()), (0, "plough-2 (machinery): …2251 was on plough-1 until now\n"));
        let table = city.done(&["list"]);
        assert_eq!(
            table,
            "VEHICLE   DEVICE  KIND       TOKEN  LAST SEEN  PROTOCOL  CLOCK  USUAL  LABEL\n\
             plough-2  …2251   machinery  -      -          -         -      -      гараж 7\n"
        );
        assert_eq!(city.json(&["list", "--json", "--keys"])["devices"][0]["key"], IMEI);

        let taken = city.devices(&["add", OTHER, "plough-2"]);
        assert_eq!(taken.code, 1);
        assert!(taken.err.contains("vehicle `plough-2` already has the device …2251"), "{}", taken.err);
        city.done(&["remove", IMEI]);
        assert_eq!(city.json(&["list", "--json"])["devices"], json!([]));
        let again = city.devices(&["remove", IMEI]);
        assert_eq!((again.code, again.out.as_str()), (1, ""));
        assert!(again.err.contains("…2251 is not on the list") && !again.err.contains(IMEI), "{}", again.err);
    }

    #[test]
    fn what_is_usual_is_shown_pinned_and_learned_anew() {
        let city = City::new();
        city.done(&["add", IMEI, "bus-1"]);
        let server = city.serve();
        assert_eq!(server.login(IMEI).0, 1);
        server.stop();
        let shown = city.done(&["show", IMEI]);
        for part in [
            "vehicle         bus-1",
            "protocol        teltonika",
            "network         127.0.0.0/16, last used",
            "TLS             no",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        city.done(&["pin", IMEI]);
        let json = city.json(&["show", IMEI, "--json"]);
        assert_eq!((&json["pinned"], &json["networks"]), (&json!("refuse"), &json!(["127.0.0.0/16"])));
        assert!(city.done(&["list"]).contains("pinned"));
        city.done(&["pin", IMEI, "city"]);
        city.done(&["rebind", IMEI]);
        assert!(city.done(&["show", IMEI]).contains("nothing yet"));
        assert_eq!(city.devices(&["rebind", OTHER]).code, 1);
        assert!(city.devices(&["add", OTHER, "bus-1"]).err.contains("already has the device"));
        assert_eq!(city.devices(&["add", OTHER, "bus-1", "--beside"]).code, 0);
        assert_eq!(city.json(&["list", "--json"])["devices"].as_array().unwrap().len(), 2);
    }

    /// The whole way: the command, a server that runs, and sockets.
    #[test]
    fn a_token_is_rotated_under_a_running_server() {
        let city = City::new();
        let config = std::fs::read_to_string(city.path("zupynka.toml")).unwrap();
        let more = "[ingest.osmand]\nlisten = \"127.0.0.1:0\"\n[ingest.mqtt]\nlisten = \"127.0.0.1:0\"\n";
        city.write("zupynka.toml", (config + more).as_bytes());
        let old = city.done(&["add", "phone-1", "bus-1", "--new-token"]);
        city.done(&["add", IMEI, "bus-2"]);
        let server = city.serve();
        let asks = |token: &str| server.http(&format!("/?id=phone-1&lat=48.85&lon=37.6&token={}", token.trim()));
        assert!(asks(&old).starts_with("HTTP/1.1 200"), "{}", asks(&old));
        let mut live = server.mqtt("phone-1", old.trim());
        assert_eq!(live.1, 0, "let in");
        let new = city.done(&["rotate-token", "phone-1"]);
        assert_ne!(new, old);
        // The connection of the old token ends when the server takes the change.
        assert_eq!(live.0.read(&mut [0]).unwrap(), 0);
        assert!(asks(&old).starts_with("HTTP/1.1 401"));
        assert_eq!(server.mqtt("phone-1", old.trim()).1, 4, "bad user name or password");
        assert!(asks(&new).starts_with("HTTP/1.1 200"));
        assert_eq!(server.mqtt("phone-1", new.trim()).1, 0);
        server.stop();
    }

    #[test]
    fn a_token_is_handed_out_once() {
        let city = City::new();
        let token = city.done(&["add", "phone-1", "bus-1", "--new-token"]);
        assert!(token.trim().len() == 32 && token.trim().bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
        let file = city.path("phone.token");
        assert_eq!(city.done(&["add", "phone-2", "bus-2", "--new-token", "--token-out", file.to_str().unwrap()]), "");
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim().len(), 32);
        assert_eq!(city.json(&["list", "--json"])["devices"][0]["has_token"], true);
        let database = std::fs::read(city.path("data").join("ingest.db")).unwrap();
        assert!(!database.windows(32).any(|w| w == token.trim().as_bytes()), "only its hash is kept");
        let lost = city.devices(&["add", "phone-2", "bus-2", "--new-token", "--token-out", "/nowhere/t"]);
        assert_eq!(lost.code, 1);
        assert!(lost.err.contains("cannot write /nowhere/t"), "{}", lost.err);
    }

    #[test]
    fn a_list_is_imported_whole_or_not_at_all() {
        let city = City::new();
        let csv = city
            .write("d.csv", "device,vehicle_id,kind,label,token\n1,bus-1,,,s3cret\n2,bus-2,tank,,\n3,,,,\n".as_bytes());
        let csv = csv.to_str().unwrap();
        let said = city.devices(&["import", csv]);
        assert_eq!(said.code, 1);
        for part in [
            csv,
            "2 fault(s)",
            "line 3, column `kind`: `tank` is no kind of vehicle",
            "line 4, column `vehicle_id`: is empty",
        ] {
            assert!(said.err.contains(part), "{part}: {}", said.err);
        }
        assert_eq!(city.json(&["list", "--json"])["devices"], json!([]));
        city.write("d.csv", b"device,vehicle_id\n1,bus-1\n2,bus-2\n");
        assert_eq!(city.devices(&["import", csv]).err, "2 added, 0 were on the list already\n");
        city.write("d.csv", b"device,vehicle_id\n1,bus-2\n2,bus-1\n3,bus-3\n");
        assert_eq!(
            city.devices(&["import", csv]).err,
            "1 added, 2 were on the list already\n",
            "they exchange vehicles"
        );
        city.write("d.csv", b"device,vehicle_id\n4,bus-4\n5,bus-1\n");
        let taken = city.devices(&["import", csv]);
        assert!(taken.err.contains("line 3, column `vehicle_id`: vehicle `bus-1` already has"), "{}", taken.err);
        assert_eq!(city.json(&["list", "--json"])["devices"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn wrong_usage_is_told_from_failure() {
        let city = City::new();
        for (args, says) in [
            (&["add", "a/b", "bus-1"][..], "the device's key must be"),
            (&["add", IMEI, " "], "the vehicle has no name"),
            (&["add", IMEI, "bus-1", "--kind", "tank"], "tank"),
            (&["add", IMEI, "bus-1", "--token-out", "t"], "--new-token"),
            (&[], "Usage"),
        ] {
            let said = city.devices(args);
            assert_eq!(said.code, 2, "{args:?}");
            assert!(said.err.contains(says), "{args:?}: {}", said.err);
        }
        let run = |args: &[&str]| Said::from(Command::new(env!("CARGO_BIN_EXE_zupynka")).args(args).output().unwrap());
        let no_config = run(&["devices", "list"]);
        assert_eq!((no_config.code, no_config.err.as_str()), (2, "zupynka: --config FILE is missing\n"));
        assert_eq!(run(&["devices", "list", "--config", "/nowhere.toml"]).code, 2);
        assert_eq!(city.devices(&["import", "/nowhere.csv"]).code, 1);
        let help = run(&["devices", "import", "--help"]).out;
        for column in tracker_ingest::registry::COLUMNS {
            assert!(help.contains(&format!("\n  {column} ")), "{column}: {help}");
        }
    }

    /// Waits for the server by reading from its connections, which end when it takes a change.
    #[test]
    fn a_running_server_takes_changes_and_cuts_off_who_is_removed() {
        let city = City::new();
        city.done(&["add", IMEI, "bus-1"]);
        let server = city.serve();
        let (answer, mut s) = server.login(IMEI);
        assert_eq!(answer, 1);
        city.done(&["add", OTHER, "bus-2"]);
        city.done(&["remove", IMEI]);
        let mut rest = Vec::new();
        s.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!(server.login(OTHER).0, 1, "it came before the removal, which has been taken");
        let (answer, mut s) = server.login(IMEI);
        assert_eq!((answer, s.read(&mut [0]).unwrap()), (0, 0));

        let log = server.stop();
        assert!(log.contains("…2251") && !log.contains(IMEI) && !log.contains(OTHER), "{log}");
        let seen = city.json(&["quarantine", "--json"]);
        assert_eq!(seen["quarantine"].as_array().unwrap().len(), 1);
        let seen = &seen["quarantine"][0];
        assert_eq!((&seen["key"], &seen["protocol"], &seen["times"]), (&json!(IMEI), &json!("teltonika"), &json!(1)));
        assert!(city.done(&["quarantine"]).contains(IMEI), "the engineer must be able to name it");

        let unseen = city.devices(&["approve", "352093081452252", "bus-3"]);
        assert_eq!(unseen.code, 1);
        assert!(unseen.err.contains("…2252 is not in quarantine"), "{}", unseen.err);
        city.done(&["approve", IMEI, "bus-3"]);
        assert_eq!(city.json(&["quarantine", "--json"])["quarantine"], json!([]));
        let server = city.serve();
        assert_eq!(server.login(IMEI).0, 1);
        server.stop();
    }

    #[test]
    fn a_power_cut_that_was_acknowledged_is_shown_after_kill_9() {
        let city = City::new();
        city.done(&["add", IMEI, "bus-1"]);
        let mut server = city.serve();
        let (_, mut s) = server.login(IMEI);
        let made = |secs: i64, millivolts: u64| {
            let inputs = [(66, millivolts), (16, 77_000)];
            let attributes = inputs.map(|(id, v)| (AttrKey::Io(id), AttrValue::Int(v))).to_vec();
            let now = SystemClock.now();
            Record {
                attributes,
                ..Record::at(now.plus_secs(secs), Position { lat: 48.85, lon: 37.6, ..Position::default() })
            }
        };
        s.write_all(&teltonika::encode(Codec::Eight, &[made(-60, 27_000), made(-30, 0)]).unwrap()).unwrap();
        let mut count = [0; 4];
        s.read_exact(&mut count).unwrap();
        assert_eq!(u32::from_be_bytes(count), 2);
        server.process.kill().unwrap();
        server.process.wait().unwrap();

        let seen = city.json(&["events", "--json", "--vehicle", "bus-1", "--since", "1h"]);
        let all = seen["events"].as_array().unwrap();
        let kinds: Vec<_> =
            all.iter().map(|e| (e["event"].as_str().unwrap(), e["changed"].as_bool().unwrap())).collect();
        assert_eq!(kinds, [("power_back", false), ("power_cut", true)]);
        assert_eq!((&all[1]["odometer_m"], &all[1]["device"]), (&json!(77_000), &json!("…2251")));
        let table = city.done(&["events"]);
        assert!(table.contains("the tracker's power is cut") && table.contains("77.0 km"), "{table}");
        assert_eq!(table.lines().count(), 2, "what was so at first is no event to a person: {table}");
        let nobody = city.devices(&["events", "--vehicle", "bus-9"]);
        assert_eq!(nobody.code, 1);
        assert!(nobody.err.contains("no device is on bus-9"), "{}", nobody.err);
        assert_eq!(city.devices(&["events", "--since", "yesterday"]).code, 2);
    }
}
