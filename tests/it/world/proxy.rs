//! A TCP proxy between Footbridge and a host, which can be made to stand still: a cable pulled without either end knowing.

use super::ssh_server::free_port;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub struct Proxy {
    pub port: u16,
    frozen: Arc<AtomicBool>,
    to_host: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    pub fn to(host: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            frozen: Arc::default(),
            to_host: Arc::default(),
            ended: Arc::default(),
        };
        let (frozen, to_host, ended) = (proxy.frozen.clone(), proxy.to_host.clone(), proxy.ended.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(server) = TcpStream::connect(host) else { continue };
                relay(client.try_clone().unwrap(), server.try_clone().unwrap(), frozen.clone(), to_host.clone());
                relay(server, client, frozen.clone(), Arc::default());
            }
        });
        proxy
    }

    /// Bytes sent to the host so far.
    pub fn sent_to_host(&self) -> u64 {
        self.to_host.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// A port at which nobody listens.
pub fn closed_port() -> u16 {
    free_port()
}

fn relay(mut from: TcpStream, mut to: TcpStream, frozen: Arc<AtomicBool>, count: Arc<AtomicU64>) {
    let _ = to.set_nodelay(true);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            while frozen.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            count.fetch_add(length as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
