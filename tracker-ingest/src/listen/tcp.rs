//! Teltonika over TCP: a login within its limits, then packets, each answered when it is durable.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Answers, End, LAST_WORDS, READ, accept, answer_when_durable, write};
use crate::codec::stream::{Heard, Reply, Session};
use crate::codec::{DecodeError, DecodeErrorKind, DeviceKey, Message, Outcome, Protocol, teltonika};
use crate::intake::{Intake, Proof};
use crate::registry::Device;
use crate::rejection::Rejection;
use crate::sessions::Claim;
use crate::watch::Who;

const SOURCE: Protocol = Protocol::Teltonika;

/// Serves a listener until told to stop.
pub(crate) async fn run(listener: TcpListener, intake: Arc<Intake>, stop: CancellationToken) {
    accept(listener, SOURCE, intake, stop, |stream, from, intake, stop| async move {
        let mut connection =
            Connection { stream, from, intake, session: (teltonika::STREAM.session)(), buffer: vec![0; READ] };
        match connection.login().await {
            Ok((device, claim)) => connection.packets(&device, &claim, &stop).await,
            Err(end) => end,
        }
    })
    .await;
}

struct Connection {
    stream: TcpStream,
    from: SocketAddr,
    intake: Arc<Intake>,
    session: Box<dyn Session>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Reads whatever comes next and feeds it to the session; says how much it was.
    async fn read(&mut self) -> Result<usize, End> {
        let n = self.stream.read(&mut self.buffer).await?;
        if n == 0 {
            return Err(End::Left);
        }
        self.session.feed(self.buffer.get(..n).unwrap_or_default());
        Ok(n)
    }

    /// Waits for a login and answers it.
    async fn login(&mut self) -> Result<(Arc<Device>, Claim), End> {
        let limits = self.intake.limits;
        let address = Who::Address(self.from.ip());
        let patience = Duration::from_secs(limits.login_secs.into());
        let (key, reply) = match tokio::time::timeout(patience, self.first_message(limits.login_bytes)).await {
            Ok(login) => login?,
            Err(_) => {
                let detail = || format!("{SOURCE}: no login in {} s", limits.login_secs);
                self.intake.refuse(Rejection::NoLogin, address, detail);
                return Err(End::Refused(Rejection::NoLogin));
            }
        };
        let known = match self.intake.identify(&key, Proof::None, SOURCE, self.from, None).await {
            Ok(device) => self.intake.claim(&device, SOURCE, self.from).map(|claim| (device, claim)),
            Err(refused) => Err(refused),
        };
        let outcome = if known.is_ok() { Outcome::Taken } else { Outcome::Refused };
        write(&mut self.stream, &reply.to(outcome)).await?;
        known.map_err(End::Refused)
    }

    async fn first_message(&mut self, budget: usize) -> Result<(DeviceKey, Reply), End> {
        let mut spent = 0;
        loop {
            spent += self.read().await?;
            let who = Who::Address(self.from.ip());
            loop {
                match self.session.next_message(self.intake.clock.now()) {
                    Ok(Some(Heard { message: Message::Login(key), reply })) => return Ok((key, reply)),
                    Ok(Some(Heard { message: Message::KeepAlive, .. })) => {}
                    Ok(Some(Heard { message: Message::Records(_), .. })) => {
                        self.intake.refuse(Rejection::NoLogin, who, || format!("{SOURCE}: records before a login"));
                        return Err(End::Refused(Rejection::NoLogin));
                    }
                    Ok(None) => break,
                    Err(e) => return Err(End::Refused(self.intake.unreadable(&e, who))),
                }
            }
            if spent > budget {
                self.intake.refuse(Rejection::NoLogin, who, || format!("{SOURCE}: {spent} bytes and no login"));
                return Err(End::Refused(Rejection::NoLogin));
            }
        }
    }

    /// Takes packets until the connection ends; then still answers what becomes durable.
    async fn packets(&mut self, device: &Arc<Device>, claim: &Claim, stop: &CancellationToken) -> End {
        let mut answers = Answers::new();
        let end = match self.exchange(device, claim, stop, &mut answers).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if !matches!(end, End::Left | End::NotDurable(_)) {
            let rest = async {
                while let Some(Ok(answer)) = answers.next().await {
                    write(&mut self.stream, &answer).await?;
                }
                Ok::<(), End>(())
            };
            // A peer that is gone needs no answer: it sends again and the journal knows the record.
            drop(tokio::time::timeout(LAST_WORDS, rest).await);
        }
        end
    }

    async fn exchange(
        &mut self,
        device: &Arc<Device>,
        claim: &Claim,
        stop: &CancellationToken,
        answers: &mut Answers,
    ) -> Result<std::convert::Infallible, End> {
        let limits = self.intake.limits;
        loop {
            self.take_messages(device, claim, answers).await?;
            let patience = self.intake.clock.real(Duration::from_secs(limits.idle_secs.into()));
            let read_more = answers.len() < limits.unacknowledged;
            tokio::select! {
                // In this order, so that nothing more is read for a device that was taken off the list.
                biased;
                () = stop.cancelled() => return Err(End::Stopping),
                () = claim.replaced() => return Err(End::Replaced),
                Some(answer) = answers.next() => write(&mut self.stream, &answer.map_err(End::NotDurable)?).await?,
                read = tokio::time::timeout(patience, self.read()), if read_more => match read {
                    Ok(read) => drop(read?),
                    Err(_) => {
                        let who = Who::Device(device.key.clone(), Some(device.vehicle.clone()));
                        self.intake.refuse(Rejection::Silent, who, || format!("{SOURCE}: {} s", limits.idle_secs));
                        return Err(End::Refused(Rejection::Silent));
                    }
                },
            }
        }
    }

    async fn take_messages(&mut self, device: &Arc<Device>, claim: &Claim, answers: &mut Answers) -> Result<(), End> {
        while answers.len() < self.intake.limits.unacknowledged {
            match self.session.next_message(self.intake.clock.now()) {
                Ok(None) => break,
                Ok(Some(Heard { message, reply })) => {
                    claim.heard(self.intake.clock.now());
                    let answer = reply.to(Outcome::Taken);
                    match message {
                        Message::KeepAlive => {}
                        Message::Login(again) if again == device.key => write(&mut self.stream, &answer).await?,
                        Message::Login(_) => {
                            let e = DecodeError::new(DecodeErrorKind::BadLogin, 0, "a second login, of another device");
                            return Err(self.damaged(&e, device));
                        }
                        Message::Records(records) => {
                            let ticket = self.intake.offer(device, records, SOURCE).await;
                            answer_when_durable(answers, ticket, answer);
                        }
                    }
                }
                // Sound, but of a kind that wants no answer: the next packet's cannot be mistaken.
                Err(e) if e.kind == DecodeErrorKind::UnsupportedCodec => drop(self.damaged(&e, device)),
                // An answer to a later packet would be taken for one to this: let it connect anew.
                Err(e) => return Err(self.damaged(&e, device)),
            }
        }
        Ok(())
    }

    fn damaged(&self, e: &DecodeError, device: &Device) -> End {
        let who = Who::Device(device.key.clone(), Some(device.vehicle.clone()));
        End::Refused(self.intake.unreadable(e, who))
    }
}
