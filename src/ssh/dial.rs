//! From a name to a connected socket: resolve, ask the target policy about each address, connect to the first that answers.

use super::client::{Call, Stop};
use super::failures;
use crate::limits;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

pub(super) async fn dial(call: &mut Call<'_>) -> Result<TcpStream, Stop> {
    call.steward.progress("resolving the name");
    let found = resolve(call).await?;
    let allowed: Vec<SocketAddr> = found.iter().copied().filter(|to| call.steward.permits(*to)).collect();
    if allowed.is_empty() {
        return Err(failures::denied(&found).into());
    }
    call.steward.progress("connecting");
    let connected = call.within(call.patience.connect * 2, race(allowed, call.patience.connect)).await?;
    let connected = connected.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
    let stream = connected.map_err(|error| failures::not_connected(call.to, &error))?;
    // A keystroke must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true).map_err(|error| failures::not_connected(call.to, &error))?;
    Ok(stream)
}

async fn resolve(call: &Call<'_>) -> Result<Vec<SocketAddr>, Stop> {
    let (host, port) = (call.to.host.clone(), call.to.port);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (done, answer) = oneshot::channel();
    // The system's resolver can only be waited for. It gets a thread of its own, so that a DNS server that does not answer cannot
    // hold the session longer than its deadline; the thread ends when the resolver gives up.
    thread::Builder::new()
        .name("resolve".into())
        .stack_size(limits::RESOLVER_STACK_BYTES)
        .spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let _ = done.send(found);
        })
        .map_err(|error| failures::internal(&error))?;
    match call.within(call.patience.connect, answer).await? {
        Some(Ok(Ok(found))) if !found.is_empty() => Ok(alternate(found)),
        Some(_) => Err(failures::no_such_name(call.to).into()),
        None => Err(failures::name_took_too_long(call.to).into()),
    }
}

/// IPv6 and IPv4 in turn, beginning with what the system put first; at most a handful, so that a hostile DNS answer cannot make us
/// scan a network.
fn alternate(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) = found.into_iter().partition(|to| to.is_ipv6() == first_is_v6);
    one.dedup();
    other.dedup();
    let mut ordered = Vec::with_capacity(limits::ADDRESSES_TRIED);
    for turn in 0..limits::ADDRESSES_TRIED {
        ordered.extend(one.get(turn));
        ordered.extend(other.get(turn));
    }
    ordered.truncate(limits::ADDRESSES_TRIED);
    ordered
}

/// Starts one attempt after the other, without waiting for those before to fail for good; the first that answers wins.
async fn race(addresses: Vec<SocketAddr>, each: std::time::Duration) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut worst = io::Error::from(io::ErrorKind::TimedOut);
    loop {
        if let Some(to) = waiting.next() {
            running.spawn(async move { attempt(to, each).await });
        }
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => worst = error,
                Some(Err(_)) | None => {}
            },
            () = sleep(limits::NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {}
        }
        if running.is_empty() && waiting.len() == 0 {
            return Err(worst);
        }
    }
}

async fn attempt(to: SocketAddr, limit: std::time::Duration) -> io::Result<TcpStream> {
    match tokio::time::timeout(limit, TcpStream::connect(to)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_alternate_between_families_and_are_few() {
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 22);
        let found = vec![address("::1"), address("::2"), address("127.0.0.1"), address("::3")];
        let wanted = vec![address("::1"), address("127.0.0.1"), address("::2"), address("::3")];
        assert_eq!(alternate(found), wanted);
        let many: Vec<SocketAddr> = (0..100).map(|n| address(&format!("10.0.0.{n}"))).collect();
        assert_eq!(alternate(many).len(), limits::ADDRESSES_TRIED);
    }
}
