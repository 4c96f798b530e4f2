//! A connection over a stream of bytes, TCP or UDP, for every protocol that has one: the codec's own
//! device end says what goes over it and reads what comes back.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tracker_ingest::codec::stream::{Answer, Terminal};
use tracker_ingest::codec::{DecodeError, DeviceKey, Record, StreamCodec};

use super::endpoints::{Endpoint, Transport};
use super::wire::{Delivered, Fault};
use crate::tracker::fault::Damage;

/// An answer is not longer than this, bytes.
const ANSWER: usize = 4096;
/// What a turned bit is: text is then no ASCII, and every checksum sees it.
const TURNED: u8 = 0x80;

pub(super) struct Wire {
    endpoint: Endpoint,
    device: DeviceKey,
    codec: &'static StreamCodec,
    most: usize,
    open: Option<Open>,
}

/// An open connection and the device's end of it.
struct Open {
    line: Line,
    terminal: Box<dyn Terminal>,
    heard: Vec<u8>,
}

enum Line {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Wire {
    pub(super) fn to(endpoint: &Endpoint, device: DeviceKey, codec: &'static StreamCodec) -> Self {
        let most = (codec.terminal)(&device).most().max(1);
        Self { endpoint: endpoint.clone(), device, codec, most, open: None }
    }

    /// How many records go in one message.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    pub(super) async fn deliver(&mut self, records: &[Record]) -> Result<Delivered, Fault> {
        let (mut open, connected) = match self.open.take() {
            Some(open) => (open, false),
            None => (self.log_in().await?, true),
        };
        let message = open.terminal.tell(records)?;
        open.line.write(&message).await?;
        open.answer().await?;
        self.open = Some(open);
        Ok(Delivered { taken: records.len(), connected })
    }

    /// Says it so that nobody can read it, and hangs up.
    pub(super) async fn deliver_damaged(&mut self, records: &[Record], how: Damage) -> Result<(), Fault> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.log_in().await?,
        };
        let mut message = open.terminal.tell(records)?;
        let middle = message.len() / 2;
        match how {
            Damage::Bits => message.iter_mut().skip(middle).take(1).for_each(|b| *b ^= TURNED),
            Damage::Cut => message.truncate(middle),
        }
        open.line.write(&message).await?;
        open.line.close().await
    }

    async fn log_in(&mut self) -> Result<Open, Fault> {
        let line = match self.endpoint.transport {
            Transport::Tcp => {
                let stream = TcpStream::connect(&self.endpoint.address).await?;
                stream.set_nodelay(true)?;
                Line::Tcp(stream)
            }
            Transport::Udp => {
                let any = if self.endpoint.address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(&self.endpoint.address).await?;
                Line::Udp(socket)
            }
        };
        let mut open = Open { line, terminal: (self.codec.terminal)(&self.device), heard: Vec::new() };
        let hello = open.terminal.hello()?;
        if !hello.is_empty() {
            open.line.write(&hello).await?;
            open.answer().await?;
        }
        Ok(open)
    }

    /// Nothing is to be heard between messages; ends when something is, or the connection breaks.
    pub(super) async fn idle(&mut self) -> Fault {
        let Some(Open { line: Line::Tcp(stream), .. }) = &mut self.open else { return std::future::pending().await };
        match stream.read_u8().await {
            Ok(byte) => Fault::Broken(format!("{byte:02x} came unasked")),
            Err(e) => e.into(),
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.open = None;
    }
}

impl Open {
    /// Waits for the answer to what was said last.
    async fn answer(&mut self) -> Result<(), Fault> {
        loop {
            match self.terminal.hear(&self.heard)? {
                Answer::Taken(bytes) => {
                    self.heard.drain(..bytes.min(self.heard.len()));
                    return Ok(());
                }
                Answer::Refused(bytes) => {
                    let said = self.heard.get(..bytes).unwrap_or_default();
                    let hex: String = said.iter().map(|b| format!("{b:02x}")).collect();
                    return Err(Fault::Refused(format!("answered {hex}")));
                }
                Answer::Unfinished if self.heard.len() >= ANSWER => {
                    return Err(Fault::Broken(format!("{} bytes and no answer in them", self.heard.len())));
                }
                Answer::Unfinished => self.line.read(&mut self.heard).await?,
            }
        }
    }
}

impl Line {
    async fn write(&mut self, message: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Tcp(stream) => stream.write_all(message).await?,
            Self::Udp(socket) => drop(socket.send(message).await?),
        }
        Ok(())
    }

    async fn read(&mut self, heard: &mut Vec<u8>) -> Result<(), Fault> {
        let mut buffer = [0u8; 1500];
        let n = match self {
            Self::Tcp(stream) => stream.read(&mut buffer).await?,
            Self::Udp(socket) => socket.recv(&mut buffer).await?,
        };
        if n == 0 {
            return Err(Fault::Broken("closed before it answered".to_owned()));
        }
        heard.extend_from_slice(buffer.get(..n).unwrap_or_default());
        Ok(())
    }

    /// Closes it so that what was written still arrives.
    async fn close(&mut self) -> Result<(), Fault> {
        match self {
            Self::Tcp(stream) => stream.shutdown().await?,
            Self::Udp(_) => {}
        }
        Ok(())
    }
}

impl From<DecodeError> for Fault {
    fn from(e: DecodeError) -> Self {
        Self::Broken(format!("the answer cannot be read: {e}"))
    }
}
