//! Brokers as children: each on ports of its own, with a folder of its own, ended with all that it has started.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use transit_model::clock::Stopwatch;

/// How long a broker may take to open.
const PATIENCE: Duration = Duration::from_secs(240);
/// Who connects; `RabbitMQ` asks, the others do not.
pub(crate) const USER: &str = "guest";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Mosquitto,
    RabbitMq,
    Nats,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::RabbitMq => "rabbitmq",
            Self::Nats => "nats",
        }
    }

    /// What it says when it lets clients in.
    const fn is_open(self) -> &'static str {
        match self {
            Self::Mosquitto => " running",
            Self::RabbitMq => "completed with",
            Self::Nats => "Server is ready",
        }
    }

    fn program(self) -> PathBuf {
        // Debian's `rabbitmq-server` in the path insists on a user of its own.
        let (name, folders) = match self {
            Self::Mosquitto => ("mosquitto", ["/usr/sbin", "/usr/local/sbin"]),
            Self::RabbitMq => ("rabbitmq-server", ["/usr/lib/rabbitmq/bin", "/usr/local/lib/rabbitmq/bin"]),
            Self::Nats => ("nats-server", ["/usr/sbin", "/usr/local/bin"]),
        };
        let path = folders.iter().map(|f| Path::new(f).join(name)).find(|p| p.exists());
        path.unwrap_or_else(|| panic!("ZUPYNKA_BROKERS names {}, and {name} is not here", self.name()))
    }
}

/// A broker that is running, or has been ended and may be started again on what it has kept.
pub(crate) struct Server {
    kind: Kind,
    folder: PathBuf,
    pub(crate) port: u16,
    /// Of whatever it needs besides.
    others: [u16; 3],
    child: Option<Child>,
}

fn free_ports() -> [u16; 4] {
    // All at once, so that no two are the same.
    let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|l| l.local_addr().unwrap().port())
}

impl Server {
    /// Starts one that keeps what it has in a folder.
    pub(crate) fn start(kind: Kind, folder: &Path) -> Self {
        let [port, others @ ..] = free_ports();
        let mut server = Self { kind, folder: folder.to_owned(), port, others, child: None };
        server.configure();
        server.again();
        server
    }

    fn configure(&self) {
        let dir = self.folder.display();
        let [first, ..] = self.others;
        let port = self.port;
        let write = |name: &str, text: String| std::fs::write(self.folder.join(name), text).unwrap();
        match self.kind {
            // Told to end or killed, it has on disk what it has acknowledged.
            Kind::Mosquitto => write(
                "mosquitto.conf",
                format!(
                    "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location {dir}/\n\
                     autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\n"
                ),
            ),
            Kind::RabbitMq => {
                write("enabled_plugins", "[rabbitmq_mqtt].\n".to_owned());
                write(
                    "rabbitmq.conf",
                    format!(
                        "listeners.tcp.1 = 127.0.0.1:{first}\nmqtt.listeners.tcp.1 = 127.0.0.1:{port}\n\
                         mqtt.allow_anonymous = false\nmqtt.prefetch = 100\n"
                    ),
                );
            }
            Kind::Nats => write(
                "nats.conf",
                format!(
                    "server_name: zupynka-test\nlisten: \"127.0.0.1:{first}\"\njetstream {{ store_dir: \"{dir}/data\" }}\n\
                     mqtt {{ host: \"127.0.0.1\", port: {port} }}\n"
                ),
            ),
        }
    }

    /// Starts it on what it has kept, and waits until it lets clients in.
    pub(crate) fn again(&mut self) {
        let mut command = Command::new(self.kind.program());
        let [_, distribution, epmd] = self.others;
        let at = |name: &str| self.folder.join(name);
        match self.kind {
            Kind::Mosquitto => command.arg("-c").arg(at("mosquitto.conf")),
            Kind::Nats => command.arg("-c").arg(at("nats.conf")),
            Kind::RabbitMq => command
                .env("HOME", &self.folder)
                .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
                .env("RABBITMQ_LOG_BASE", at("log"))
                .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
                .env("RABBITMQ_CONF_ENV_FILE", at("none"))
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
                .env("RABBITMQ_PID_FILE", at("pid"))
                .env("RABBITMQ_NODENAME", format!("zupynka-{}@localhost", self.port))
                .env("RABBITMQ_DIST_PORT", distribution.to_string())
                .env("ERL_EPMD_PORT", epmd.to_string())
                .env("ERL_EPMD_ADDRESS", "127.0.0.1"),
        };
        // A group of its own, so that all it starts ends with it.
        let command = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (says, said) = mpsc::channel();
        read(child.stdout.take().unwrap(), says.clone());
        read(child.stderr.take().unwrap(), says);
        self.child = Some(child);
        let (watch, mut heard) = (Stopwatch::start(), Vec::new());
        loop {
            match said.recv_timeout(PATIENCE.saturating_sub(watch.elapsed())) {
                Ok(line) if line.contains(self.kind.is_open()) => return,
                Ok(line) => heard.push(line),
                Err(_) => panic!("{} did not open: {heard:#?}", self.kind.name()),
            }
        }
    }

    /// Kills it outright, with all that it has started.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(&mut self) {
        self.signal("TERM");
    }

    fn signal(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        let group = format!("-{}", child.id());
        let sent = Command::new("sh").args(["-c", &format!("kill -s {signal} -- {group}")]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap();
        if self.kind == Kind::RabbitMq {
            // Erlang's own directory of names is a daemon by itself, and stays as long as it thinks that a node lives.
            let epmd = self.others[2].to_string();
            let ended = |_: &u32| {
                let out = Command::new("epmd").args(["-port", &epmd, "-kill"]).output();
                out.is_err() || out.is_ok_and(|o| o.stdout.starts_with(b"Killed") || !o.status.success())
            };
            assert!((0..500).any(|n| ended(&n)), "epmd does not end");
        }
    }
}

/// Hands on line by line, and reads on when nobody wants them any more: it must never wait for a reader.
fn read(from: impl std::io::Read + Send + 'static, to: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            drop(to.send(line));
        }
    });
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
