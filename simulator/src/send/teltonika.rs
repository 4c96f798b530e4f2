//! A Teltonika tracker's connection: login by IMEI, packets of codec 8 Extended, each acknowledged
//! by the count of its records.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ingest::codec::teltonika::{Codec, encode, encode_login};
use tracker_ingest::codec::{DeviceKey, Record};

use super::wire::{Delivered, Fault};

/// Records in one packet: what fits the memory of a small tracker.
pub(super) const MOST: usize = 24;
const ACCEPTED: u8 = 1;

pub(super) struct Wire {
    endpoint: String,
    device: DeviceKey,
    stream: Option<TcpStream>,
}

impl Wire {
    pub(super) fn to(endpoint: &str, device: DeviceKey) -> Self {
        Self { endpoint: endpoint.to_owned(), device, stream: None }
    }

    pub(super) async fn deliver(&mut self, records: &[Record]) -> Result<Delivered, Fault> {
        let packet = encode(Codec::EightExtended, records)?;
        let connected = self.stream.is_none();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.log_in().await?,
        };
        stream.write_all(&packet).await?;
        let taken = stream.read_u32().await?;
        if usize::try_from(taken) != Ok(records.len()) {
            let all = records.len();
            return Err(Fault::Refused(format!("{taken} of {all} records acknowledged")));
        }
        self.stream = Some(stream);
        Ok(Delivered { taken: records.len(), connected })
    }

    async fn log_in(&self) -> Result<TcpStream, Fault> {
        let mut stream = TcpStream::connect(&self.endpoint).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&encode_login(self.device.expose())?).await?;
        match stream.read_u8().await? {
            ACCEPTED => Ok(stream),
            answer => Err(Fault::Refused(format!("login answered {answer:02x}"))),
        }
    }

    pub(super) async fn idle(&mut self) -> Fault {
        let Some(stream) = &mut self.stream else { return std::future::pending().await };
        match stream.read_u8().await {
            Ok(byte) => Fault::Broken(format!("{byte:02x} came unasked")),
            Err(e) => e.into(),
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.stream = None;
    }
}
