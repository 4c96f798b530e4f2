//! Any protocol that is spoken over a stream of bytes, over TCP: on a port of its own, or on the one
//! where its first bytes say which it is.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::conversation::{Conversation, Holds, Next};
use super::{Answers, End, LAST_WORDS, Peer, Port, READ, accept, answer_when_durable, write};
use crate::codec::stream::Session;
use crate::codec::{Protocol, Sniff, StreamCodec};
use crate::intake::Intake;
use crate::metrics::ANY;
use crate::rejection::Rejection;
use crate::watch::Who;

/// How long a protocol that has been recognised waits for those that need more bytes to say so too.
const DOUBT: Duration = Duration::from_secs(2);
/// No protocol needs more bytes than this to be told from the others.
const ENOUGH: usize = 64;

/// Serves a protocol's own listener until told to stop.
pub(crate) async fn run(port: Port, source: Protocol, codec: &'static StreamCodec) {
    accept(port, source.name(), move |stream, peer, intake, stop| async move {
        talk(stream, peer, source, codec, &[], intake, stop).await
    })
    .await;
}

/// Serves the listener for any protocol until told to stop.
pub(crate) async fn run_any(port: Port) {
    accept(port, ANY, |mut stream, peer, intake, stop| async move {
        let mut first = Vec::new();
        match recognise(&mut stream, &peer, &mut first, &intake).await {
            Ok((source, codec)) => talk(stream, peer, source, codec, &first, intake, stop).await,
            Err(end) => end,
        }
    })
    .await;
}

/// What the first bytes of a connection say of its protocol.
#[derive(Debug, PartialEq, Eq)]
enum Guess {
    It(Protocol),
    /// It, if those that need more bytes do not say so too.
    Perhaps(Protocol),
    Unknown,
    /// All of these.
    Ambiguous(Vec<Protocol>),
    NeedMore,
}

fn guess(first: &[u8]) -> Guess {
    let of =
        |wanted| Protocol::ALL.iter().copied().filter(move |p| p.stream().is_some_and(|c| (c.sniff)(first) == wanted));
    let yes: Vec<Protocol> = of(Sniff::Yes).collect();
    let waits = of(Sniff::NeedMore).next().is_some() && first.len() < ENOUGH;
    match yes.as_slice() {
        [one] if waits => Guess::Perhaps(*one),
        [one] => Guess::It(*one),
        [] if waits => Guess::NeedMore,
        [] => Guess::Unknown,
        _ => Guess::Ambiguous(yes),
    }
}

/// Reads until it is known who speaks.
async fn recognise(
    stream: &mut (impl AsyncRead + Unpin),
    peer: &Peer,
    first: &mut Vec<u8>,
    intake: &Intake,
) -> Result<(Protocol, &'static StreamCodec), End> {
    let refuse = |reason, detail: String| {
        intake.refuse(reason, Who::Address(peer.at.ip()), || detail);
        End::Refused(reason)
    };
    let mut patience = Duration::from_secs(intake.limits.login_secs.into());
    let mut perhaps = None;
    loop {
        let protocol = match tokio::time::timeout(patience, read(stream, |bytes| first.extend_from_slice(bytes))).await
        {
            Ok(n) => {
                n?;
                match guess(first) {
                    Guess::It(p) => p,
                    Guess::Perhaps(p) => {
                        (perhaps, patience) = (Some(p), DOUBT);
                        continue;
                    }
                    Guess::NeedMore => continue,
                    Guess::Unknown => {
                        let head: String = first.iter().take(8).map(|b| format!("{b:02x}")).collect();
                        let detail = format!("{ANY}: no protocol begins with {head}");
                        return Err(refuse(Rejection::UnknownProtocol, detail));
                    }
                    Guess::Ambiguous(all) => {
                        let names: Vec<&str> = all.iter().map(|p| p.name()).collect();
                        let detail = format!("{ANY}: {} all begin so", names.join(", "));
                        return Err(refuse(Rejection::UnknownProtocol, detail));
                    }
                }
            }
            Err(_) => match perhaps {
                Some(p) => p,
                None => {
                    let detail = format!("{ANY}: too few bytes to tell the protocol in {} s", intake.limits.login_secs);
                    return Err(refuse(Rejection::NoLogin, detail));
                }
            },
        };
        if let Some(codec) = protocol.stream() {
            return Ok((protocol, codec));
        }
    }
}

/// Takes messages until the connection ends; then still answers what becomes durable.
async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    peer: Peer,
    source: Protocol,
    codec: &StreamCodec,
    first: &[u8],
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> End {
    let conversation = Conversation::new(Arc::clone(&intake), source, peer, Holds::ForAsLongAsItLasts);
    let session = (codec.session)();
    let spent = first.len();
    let mut c = Connection { stream, source, intake, session, conversation, spent, unfinished: None, pause: None };
    c.session.feed(first);
    let mut answers = Answers::new();
    let end = match c.exchange(&stop, &mut answers).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    if !matches!(end, End::Left | End::NotDurable(_)) {
        let rest = async {
            while let Some(Ok(answer)) = answers.next().await {
                write(&mut c.stream, &answer).await?;
            }
            c.stream.shutdown().await?;
            Ok::<(), End>(())
        };
        // A peer that is gone needs no answer: it sends again and the journal knows the record.
        drop(tokio::time::timeout(LAST_WORDS, rest).await);
    }
    end
}

struct Connection<S> {
    stream: S,
    source: Protocol,
    intake: Arc<Intake>,
    session: Box<dyn Session>,
    conversation: Conversation,
    /// Bytes read in all.
    spent: usize,
    /// Runs out when the message that has begun should have ended.
    unfinished: Option<Pin<Box<Sleep>>>,
    /// Nothing is read until this ends: it has sent too much.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn exchange(
        &mut self,
        stop: &CancellationToken,
        answers: &mut Answers,
    ) -> Result<std::convert::Infallible, End> {
        let limits = self.intake.limits;
        let login = sleep(Duration::from_secs(limits.login_secs.into()));
        tokio::pin!(login);
        loop {
            self.take_messages(answers).await?;
            let known = self.conversation.is_known();
            if !known && self.spent > limits.login_bytes {
                let spent = self.spent;
                return Err(self.refuse(Rejection::NoLogin, || format!("{spent} bytes and nobody we know")));
            }
            let patience = self.intake.clock.real(Duration::from_secs(limits.idle_secs.into()));
            let read_more = answers.len() < limits.unacknowledged;
            let Self { stream, intake, session, conversation, spent, unfinished, pause, .. } = self;
            let read_more = read_more && pause.is_none();
            let reason = tokio::select! {
                // In this order, so that nothing more is read for a device that was taken off the list.
                biased;
                () = stop.cancelled() => return Err(End::Stopping),
                () = conversation.replaced() => return Err(End::Replaced),
                Some(answer) = answers.next() => {
                    write(stream, &answer.map_err(End::NotDurable)?).await?;
                    continue;
                }
                () = &mut login, if !known => Rejection::NoLogin,
                () = ends(pause) => {
                    *pause = None;
                    continue;
                }
                () = ends(unfinished), if read_more => Rejection::TooSlow,
                read = tokio::time::timeout(patience, read(stream, |bytes| session.feed(bytes))), if read_more => {
                    match read {
                        Ok(n) => {
                            let n = n?;
                            *spent = spent.saturating_add(n);
                            *pause = pause_for(conversation.measure(0, n), intake);
                            continue;
                        }
                        Err(_) => Rejection::Silent,
                    }
                }
            };
            let secs = match reason {
                Rejection::NoLogin => limits.login_secs,
                Rejection::TooSlow => limits.message_secs,
                _ => limits.idle_secs,
            };
            return Err(self.refuse(reason, || format!("{secs} s")));
        }
    }

    /// Everything the session has, as long as there is room for answers.
    async fn take_messages(&mut self, answers: &mut Answers) -> Result<(), End> {
        let mut heard = 0;
        while answers.len() < self.intake.limits.unacknowledged {
            let next = match self.session.next_message(self.intake.clock.now()) {
                Ok(None) => break,
                // On the heap while it lasts: within the connection it would be there while that is idle.
                Ok(Some(heard)) => Box::pin(self.conversation.hear(heard)).await,
                Err(e) => match self.conversation.unreadable(&e) {
                    Some(reason) => return Err(End::Refused(reason)),
                    None => continue,
                },
            };
            self.unfinished = None;
            heard += 1;
            let now = |answer| Box::pin(std::future::ready(Ok(answer)));
            match next {
                Next::Say(answer) if answer.is_empty() => {}
                Next::Say(answer) => answers.push_back(now(answer)),
                Next::SayWhenDurable(ticket, answer) => answer_when_durable(answers, ticket, answer),
                Next::SayAndEnd(answer, reason) => {
                    answers.push_back(now(answer));
                    return Err(End::Refused(reason));
                }
            }
        }
        if heard > 0
            && let Some(pause) = pause_for(self.conversation.measure(heard, 0), &self.intake)
        {
            self.pause = Some(pause);
        }
        if self.session.pending() == 0 {
            self.unfinished = None;
        } else if self.unfinished.is_none() {
            let most = Duration::from_secs(self.intake.limits.message_secs.into());
            self.unfinished = Some(Box::pin(sleep(most)));
        }
        Ok(())
    }

    fn refuse(&self, reason: Rejection, detail: impl FnOnce() -> String) -> End {
        let source = self.source;
        self.intake.refuse(reason, self.conversation.who(), || format!("{source}: {}", detail()));
        End::Refused(reason)
    }
}

fn pause_for(wait: Option<Duration>, intake: &Intake) -> Option<Pin<Box<Sleep>>> {
    wait.map(|wait| Box::pin(sleep(intake.clock.real(wait))))
}

/// A deadline that there may not be.
pub(super) async fn ends(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.await,
        None => std::future::pending().await,
    }
}

/// Hands on whatever comes next; says how much it was. The space for it is borrowed from the stack for the
/// moment of reading, so that an idle connection holds none.
async fn read(stream: &mut (impl AsyncRead + Unpin), mut to: impl FnMut(&[u8])) -> Result<usize, End> {
    let n = poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        to(buffer.filled());
        std::task::Poll::Ready(std::io::Result::Ok(buffer.filled().len()))
    })
    .await?;
    if n == 0 { Err(End::Left) } else { Ok(n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_is_known_by_the_first_bytes() {
        assert_eq!(guess(b"\x00\x0f352093081452251"), Guess::It(Protocol::Teltonika));
        assert_eq!(guess(b"\x00"), Guess::NeedMore);
        assert_eq!(guess(b"SSH-2.0-OpenSSH_9.6\r\n"), Guess::Unknown);
    }
}
