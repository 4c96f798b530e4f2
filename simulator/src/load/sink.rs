//! A server that keeps nothing, on a thread of its own: what a generator can do is measured against it. It
//! answers as the protocol wants, or reads and says nothing, as `/dev/null` would.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::stream::StreamCodec;
use tracker_ingest::codec::{Message, Outcome};
use transit_model::clock::{Clock as _, SystemClock};

use super::process;

/// How a sink answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum SinkMode {
    /// Reads every message and acknowledges it as the protocol wants.
    Acknowledge,
    /// Reads bytes, drops them, answers nothing.
    Swallow,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    bytes: AtomicU64,
    records: AtomicU64,
    unreadable: AtomicU64,
}

/// What a sink has taken.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct SinkReport {
    /// Connections accepted.
    pub connections: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records read; none where it only swallows.
    pub records: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// The time its thread had a core, seconds.
    pub core_seconds: Option<f64>,
}

/// A sink at work.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: CancellationToken,
    thread: JoinHandle<Option<Duration>>,
}

impl Sink {
    /// Listens on a free port of the loopback.
    ///
    /// # Errors
    /// When there is no port, or no thread.
    pub fn start(codec: &'static StreamCodec, mode: SinkMode) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let stop = CancellationToken::new();
        let (counted, stopped) = (Arc::clone(&counters), stop.clone());
        let (tell, told) = std::sync::mpsc::channel();
        let work = move || {
            let before = process::thread_cpu();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let listening = runtime.and_then(|r| Ok((r.block_on(async { listen() })?, r)));
            let (listener, runtime) = match listening {
                Ok(both) => both,
                Err(e) => {
                    // Whoever started it waits for this.
                    drop(tell.send(Err(e)));
                    return None;
                }
            };
            drop(tell.send(listener.local_addr()));
            runtime.block_on(stopped.run_until_cancelled(accept(listener, codec, mode, counted)));
            process::thread_cpu().zip(before).map(|(now, then)| now.saturating_sub(then))
        };
        let thread = thread::Builder::new().name("sink".to_owned()).spawn(work)?;
        let address = told.recv().map_err(io::Error::other)??;
        Ok(Self { address, counters, stop, thread })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; says what it took.
    #[must_use]
    pub fn stop(self) -> SinkReport {
        self.stop.cancel();
        let busy = self.thread.join().ok().flatten();
        let read = |c: &AtomicU64| c.load(Relaxed);
        SinkReport {
            connections: read(&self.counters.connections),
            bytes: read(&self.counters.bytes),
            records: read(&self.counters.records),
            unreadable: read(&self.counters.unreadable),
            core_seconds: busy.map(|b| b.as_secs_f64()),
        }
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(4096)
}

async fn accept(listener: TcpListener, codec: &'static StreamCodec, mode: SinkMode, counters: Arc<Counters>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                counters.connections.fetch_add(1, Relaxed);
                let counters = Arc::clone(&counters);
                tokio::spawn(async move {
                    // A connection ends when its peer leaves or breaks off; either is the peer's affair.
                    drop(match mode {
                        SinkMode::Acknowledge => answer(stream, codec, &counters).await,
                        SinkMode::Swallow => swallow(stream, &counters).await,
                    });
                });
            }
            // Out of descriptors, most likely: some come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn swallow(mut stream: TcpStream, counters: &Counters) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => counters.bytes.fetch_add(n as u64, Relaxed),
        };
    }
}

async fn answer(mut stream: TcpStream, codec: &StreamCodec, counters: &Counters) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut session = (codec.session)();
    let mut buffer = vec![0; 4096];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        counters.bytes.fetch_add(n as u64, Relaxed);
        session.feed(buffer.get(..n).unwrap_or_default());
        loop {
            match session.next_message(SystemClock.now()) {
                Ok(Some(heard)) => {
                    if let Message::Records(records) = &heard.message {
                        counters.records.fetch_add(records.len() as u64, Relaxed);
                    }
                    stream.write_all(&heard.reply.to(Outcome::Taken)).await?;
                }
                Ok(None) => break,
                Err(e) => {
                    counters.unreadable.fetch_add(1, Relaxed);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, e.to_string()));
                }
            }
        }
    }
}
