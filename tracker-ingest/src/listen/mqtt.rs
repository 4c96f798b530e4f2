//! Our own MQTT 3.1.1 endpoint for a city without a broker: devices publish, nobody reads.
//!
//! The user is the device's key, the password its token. A device may publish to its own topic and no
//! other; QoS 1 is answered by a PUBACK after the commit; SUBSCRIBE is refused. Packets are read and
//! written by rumqttc's codec. Not a broker: no retained messages, no wills, no sessions, no QoS 2.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode, UnsubAck,
};
use rumqttc::mqttbytes::{Error as MqttError, QoS};
use tokio::io::AsyncReadExt;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::stream::ends;
use super::{Answers, End, LAST_WORDS, Peer, Port, READ, Wire, accept, answer_when_durable, write};
use crate::codec::{DecodeError, DecodeErrorKind, DeviceKey, Message, Protocol, mqtt_json};
use crate::intake::{Intake, Proof};
use crate::registry::Device;
use crate::registry::binding::Transport;
use crate::rejection::Rejection;
use crate::sessions::Claim;
use crate::watch::Who;

const SOURCE: Protocol = Protocol::MqttJson;
/// The largest packet taken: a payload, its topic and the header.
const MAX_PACKET: usize = mqtt_json::MAX_PAYLOAD + 512;

/// Serves a listener until told to stop.
pub(crate) async fn run(port: Port, require_token: bool) {
    accept(port, SOURCE.name(), move |stream, peer, intake, stop| async move {
        let max_packet = intake.limits.login_bytes;
        let mut c = Connection { stream, peer, intake, buffer: BytesMut::new(), max_packet, pause: None };
        match c.login(require_token).await {
            Ok(login) => {
                c.max_packet = MAX_PACKET;
                c.packets(&login, &stop).await
            }
            Err(end) => end,
        }
    })
    .await;
}

struct Connection {
    stream: Wire,
    peer: Peer,
    intake: Arc<Intake>,
    buffer: BytesMut,
    max_packet: usize,
    /// Nothing is read until this ends: it has sent too much.
    pause: Option<Pin<Box<Sleep>>>,
}

struct Login {
    device: Arc<Device>,
    claim: Claim,
    topic: String,
    /// The silence the client has promised not to exceed; MQTT allows it half as much again.
    patience: Duration,
}

impl Connection {
    /// The next whole packet of what was read, or `None` until more is.
    fn packet(&mut self) -> Result<Option<Packet>, DecodeError> {
        match Packet::read(&mut self.buffer, self.max_packet) {
            Ok(packet) => Ok(Some(packet)),
            Err(MqttError::InsufficientBytes(_)) => Ok(None),
            Err(MqttError::PayloadSizeLimitExceeded(n)) => {
                let detail = format!("a packet of {n} bytes; at most {} are taken", self.max_packet);
                Err(DecodeError::new(DecodeErrorKind::Oversize, 1, detail))
            }
            Err(e) => Err(DecodeError::new(DecodeErrorKind::BadPreamble, 0, format!("not an MQTT packet: {e}"))),
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        if let Some(pause) = &mut self.pause {
            pause.await;
            self.pause = None;
        }
        self.buffer.reserve(READ);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(End::Left),
            _ => Ok(()),
        }
    }

    async fn send(&mut self, packet: Packet) -> Result<(), End> {
        write(&mut self.stream, &bytes_of(&packet)).await
    }

    async fn login(&mut self, require_token: bool) -> Result<Login, End> {
        let limits = self.intake.limits;
        let patience = Duration::from_secs(limits.login_secs.into());
        let connect = match tokio::time::timeout(patience, self.connect()).await {
            Ok(connect) => connect?,
            Err(_) => {
                let detail = || format!("{SOURCE}: no CONNECT in {} s", limits.login_secs);
                self.intake.refuse(Rejection::NoLogin, Who::Address(self.peer.at.ip()), detail);
                return Err(End::Refused(Rejection::NoLogin));
            }
        };
        let admitted = self.admit(&connect, require_token).await;
        let code = match &admitted {
            Ok(_) => ConnectReturnCode::Success,
            Err(Rejection::BadToken) => ConnectReturnCode::BadUserNamePassword,
            Err(_) => ConnectReturnCode::NotAuthorized,
        };
        self.send(Packet::ConnAck(ConnAck::new(code, false))).await?;
        let (device, claim) = admitted.map_err(End::Refused)?;
        let topic = mqtt_json::topic(&self.intake.feed, &device.key);
        let patience = match connect.keep_alive {
            0 => self.intake.clock.real(Duration::from_secs(limits.idle_secs.into())),
            secs => Duration::from_secs(u64::from(secs) * 3 / 2 + 1),
        };
        Ok(Login { device, claim, topic, patience })
    }

    /// Waits for a CONNECT; nothing else may come first.
    async fn connect(&mut self) -> Result<Connect, End> {
        loop {
            let who = Who::Address(self.peer.at.ip());
            if asks_for_mqtt5(&self.buffer) {
                self.intake.refuse(Rejection::Malformed, who, || format!("{SOURCE}: MQTT 5; 3.1.1 is read"));
                let code = ConnectReturnCode::RefusedProtocolVersion;
                self.send(Packet::ConnAck(ConnAck::new(code, false))).await?;
                return Err(End::Refused(Rejection::Malformed));
            }
            match self.packet() {
                Ok(Some(Packet::Connect(connect))) => return Ok(connect),
                Ok(Some(_)) => {
                    self.intake.refuse(Rejection::NoLogin, who, || format!("{SOURCE}: a packet before CONNECT"));
                    return Err(End::Refused(Rejection::NoLogin));
                }
                Ok(None) => self.read().await?,
                Err(e) => return Err(End::Refused(self.intake.unreadable(&e, who))),
            }
        }
    }

    async fn admit(&self, connect: &Connect, require_token: bool) -> Result<(Arc<Device>, Claim), Rejection> {
        let (user, password) = connect.login.as_ref().map_or(("", ""), |l| (l.username.as_str(), l.password.as_str()));
        if !DeviceKey::is_valid(user) {
            let who = Who::Address(self.peer.at.ip());
            self.intake.refuse(Rejection::NoLogin, who, || format!("{SOURCE}: CONNECT without a device as user"));
            return Err(Rejection::NoLogin);
        }
        let shown = (!password.is_empty()).then_some(password);
        let by_token = if require_token { Proof::Required(shown) } else { Proof::IfSet(shown) };
        let proof = Proof::or(self.peer.named(), by_token);
        let device = self.intake.identify(&DeviceKey::from(user), proof, SOURCE, self.peer.at, None).await?;
        let token = shown.is_some() && device.token.is_some();
        let sighting = self.peer.sighting(SOURCE, Transport::Tcp, token);
        self.intake.bind(&device, SOURCE, self.peer.at, &sighting)?;
        let claim = self.intake.claim(&device, SOURCE, self.peer.at)?;
        Ok((device, claim))
    }

    async fn packets(&mut self, login: &Login, stop: &CancellationToken) -> End {
        let mut answers = Answers::new();
        let end = match self.exchange(login, stop, &mut answers).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if !matches!(end, End::NotDurable(_)) {
            let rest = async {
                while let Some(Ok(answer)) = answers.next().await {
                    write(&mut self.stream, &answer).await?;
                }
                Ok::<(), End>(())
            };
            // A client that is gone needs no answer: it sends again and the journal knows the record.
            drop(tokio::time::timeout(LAST_WORDS, rest).await);
        }
        end
    }

    async fn exchange(
        &mut self,
        login: &Login,
        stop: &CancellationToken,
        answers: &mut Answers,
    ) -> Result<std::convert::Infallible, End> {
        let unacknowledged = self.intake.limits.unacknowledged;
        let message = Duration::from_secs(self.intake.limits.message_secs.into());
        // When the packet that has begun must have ended.
        let mut unfinished = None;
        loop {
            while answers.len() < unacknowledged {
                match self.packet() {
                    Ok(Some(packet)) => {
                        unfinished = None;
                        self.take(login, packet, answers).await?;
                    }
                    Ok(None) => {
                        if !self.buffer.is_empty() && unfinished.is_none() {
                            unfinished = Some(Box::pin(sleep(message)));
                        }
                        break;
                    }
                    Err(e) => return Err(End::Refused(self.intake.unreadable(&e, who(login)))),
                }
            }
            let read_more = answers.len() < unacknowledged;
            tokio::select! {
                // In this order, so that nothing more is read for a device that was taken off the list.
                biased;
                () = stop.cancelled() => return Err(End::Stopping),
                () = login.claim.replaced() => return Err(End::Replaced),
                Some(answer) = answers.next() => write(&mut self.stream, &answer.map_err(End::NotDurable)?).await?,
                () = ends(&mut unfinished), if read_more && self.pause.is_none() => {
                    self.refuse(login, Rejection::TooSlow, "a packet was begun and not ended");
                    return Err(End::Refused(Rejection::TooSlow));
                }
                read = tokio::time::timeout(login.patience, self.read()), if read_more => match read {
                    Ok(read) => read?,
                    Err(_) => {
                        self.refuse(login, Rejection::Silent, "longer than its keep-alive");
                        return Err(End::Refused(Rejection::Silent));
                    }
                },
            }
        }
    }

    fn refuse(&self, login: &Login, reason: Rejection, detail: &str) {
        self.intake.refuse(reason, who(login), || format!("{SOURCE}: {detail}"));
    }

    async fn take(&mut self, login: &Login, packet: Packet, answers: &mut Answers) -> Result<(), End> {
        login.claim.heard(self.intake.clock.now());
        match packet {
            Packet::Publish(publish) => self.publish(login, &publish, answers).await,
            Packet::PingReq => self.send(Packet::PingResp).await,
            Packet::Subscribe(s) => {
                self.refuse(login, Rejection::ForeignTopic, "SUBSCRIBE; devices only publish");
                let codes = vec![SubscribeReasonCode::Failure; s.filters.len()];
                self.send(Packet::SubAck(SubAck::new(s.pkid, codes))).await
            }
            Packet::Unsubscribe(u) => self.send(Packet::UnsubAck(UnsubAck::new(u.pkid))).await,
            Packet::Disconnect => Err(End::Left),
            _ => {
                self.refuse(login, Rejection::Malformed, "a packet that a publisher does not send");
                Err(End::Refused(Rejection::Malformed))
            }
        }
    }

    /// Counts a message against the measure of its device and address.
    fn measure(&mut self, login: &Login, bytes: usize) {
        let (flow, now) = (&self.intake.flow, self.intake.clock.now());
        let of_address = flow.from(self.peer.at.ip(), 1, bytes, now);
        let wait = flow.of(&login.device.key, 1, bytes, now).max(of_address);
        if !wait.is_zero() {
            self.refuse(login, Rejection::RateLimit, &format!("{:.1} s too much", wait.as_secs_f64()));
            self.pause = Some(Box::pin(sleep(self.intake.clock.real(wait))));
        }
    }

    async fn publish(&mut self, login: &Login, publish: &Publish, answers: &mut Answers) -> Result<(), End> {
        if publish.topic != login.topic {
            self.refuse(login, Rejection::ForeignTopic, "PUBLISH to a topic that is not its own");
            return Err(End::Refused(Rejection::ForeignTopic));
        }
        if publish.qos == QoS::ExactlyOnce {
            self.refuse(login, Rejection::Malformed, "QoS 2; 0 and 1 are taken");
            return Err(End::Refused(Rejection::Malformed));
        }
        self.measure(login, publish.payload.len());
        let records = match mqtt_json::decode(&publish.payload) {
            Ok(Message::Records(records)) => records,
            Ok(_) => return Ok(()),
            // MQTT knows where the next packet begins, so the connection goes on; this one gets no PUBACK.
            Err(e) => {
                self.intake.unreadable(&e, who(login));
                return Ok(());
            }
        };
        let ticket = self.intake.offer(&login.device, records, SOURCE).await;
        let answer = match publish.qos {
            QoS::AtLeastOnce => bytes_of(&Packet::PubAck(PubAck::new(publish.pkid))),
            _ => Vec::new(),
        };
        answer_when_durable(answers, ticket, answer);
        Ok(())
    }
}

/// Whether a CONNECT of MQTT 5 has begun: the codec would read its properties as something else.
fn asks_for_mqtt5(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(12)).unwrap_or_default();
    head.first() == Some(&0x10) && head.windows(7).any(|w| w == b"\x00\x04MQTT\x05")
}

fn who(login: &Login) -> Who {
    Who::Device(login.device.key.clone(), Some(login.device.vehicle.clone()))
}

fn bytes_of(packet: &Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    // Our answers are a few bytes and always fit.
    if let Err(e) = packet.write(&mut bytes, usize::MAX) {
        tracing::error!(error = %e, "an MQTT answer could not be written");
    }
    bytes.to_vec()
}
