//! A phone with the OsmAnd or Traccar app: one GET a fix, the connection kept between them.

use tracker_ingest::codec::osmand::encode;
use tracker_ingest::codec::{DeviceKey, Record};

use super::wire::{Delivered, Fault};

pub(super) struct Wire {
    endpoint: String,
    device: DeviceKey,
    token: String,
    http: reqwest::Client,
}

impl Wire {
    pub(super) fn to(endpoint: &str, device: DeviceKey, token: String, http: reqwest::Client) -> Self {
        Self { endpoint: endpoint.to_owned(), device, token, http }
    }

    pub(super) async fn deliver(&self, records: &[Record]) -> Result<Delivered, Fault> {
        for record in records {
            let form = encode(&self.device, record)?;
            let url = format!("http://{}/?{form}&token={}", self.endpoint, self.token);
            // The address holds the token, so it is kept out of every message.
            let answer = self.http.get(url).send().await.map_err(|e| fault(e.without_url()))?;
            let status = answer.status();
            // The rest of the answer must be read, or the connection is not used again.
            answer.bytes().await.map_err(|e| fault(e.without_url()))?;
            if !status.is_success() {
                return Err(Fault::Refused(status.to_string()));
            }
        }
        Ok(Delivered { taken: records.len(), connected: false })
    }
}

fn fault(e: reqwest::Error) -> Fault {
    if e.is_connect() {
        Fault::Unreachable(e.to_string())
    } else if e.is_timeout() {
        Fault::TimedOut
    } else {
        Fault::Broken(e.to_string())
    }
}
