//! The socket as the SSH library sees it: it reads ahead a little, so that a small packet costs one system call, and it reads nothing
//! while what came before has not been handed on.

use super::inbox::Inbox;
use crate::limits;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(super) struct Gate {
    stream: TcpStream,
    inbox: Arc<Inbox>,
    ahead: [u8; limits::SSH_READ_AHEAD_BYTES],
    /// What of `ahead` has been read and not been taken.
    from: usize,
    to: usize,
}

impl Gate {
    pub fn new(stream: TcpStream, inbox: Arc<Inbox>) -> Gate {
        Gate { stream, inbox, ahead: [0; limits::SSH_READ_AHEAD_BYTES], from: 0, to: 0 }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = ReadBuf::new(&mut self.ahead);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        (self.from, self.to) = (0, buffer.filled().len());
        self.inbox.heard();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        ready!(gate.inbox.poll_room(cx));
        if gate.from == gate.to {
            if into.remaining() >= gate.ahead.len() {
                ready!(Pin::new(&mut gate.stream).poll_read(cx, into))?;
                gate.inbox.heard();
                return Poll::Ready(Ok(()));
            }
            ready!(gate.poll_fill(cx))?;
        }
        let taken = into.remaining().min(gate.to - gate.from);
        into.put_slice(&gate.ahead[gate.from..gate.from + taken]);
        gate.from += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
