//! Ports of a zone on this machine: a series from a base port on, or such as the kernel gives; and who has a port.
//!
//! A port that the kernel gave is held, by a socket that is bound and does not listen, for as long as somebody has it:
//! nobody else is given it, while whoever it is for can listen on it, again and again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpSocket;

/// Peer ports follow the XML-RPC ports at this distance: zones at base ports P and P+100 do not collide.
const PEER_OFFSET: u16 = 50;
/// The state of a socket that listens, in /proc/net/tcp.
const LISTENS: &str = "0A";

/// A loopback port that the kernel gave. Clones share it.
#[derive(Clone, Debug)]
pub struct GivenPort {
    number: u16,
    _held: Arc<TcpSocket>,
}

impl GivenPort {
    /// One that nobody has.
    ///
    /// # Errors
    /// When the kernel has none left.
    pub fn new() -> io::Result<GivenPort> {
        let socket = TcpSocket::new_v4()?;
        // Whoever listens there later sets it as well; between two who both have set it only listeners collide.
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(GivenPort { number: socket.local_addr()?.port(), _held: Arc::new(socket) })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

/// The two ports of a node.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Where clients are served.
    pub client: GivenPort,
    /// Where peers are served.
    pub peer: GivenPort,
}

impl Pair {
    /// Two that nobody has.
    ///
    /// # Errors
    /// When the kernel has none left.
    pub fn new() -> io::Result<Pair> {
        Ok(Pair { client: GivenPort::new()?, peer: GivenPort::new()? })
    }
}

/// The ports of a local zone.
#[derive(Clone, Debug)]
pub enum Ports {
    /// Node i has this port + i.
    From(u16),
    /// Each node's, in order.
    Given(Vec<Pair>),
}

impl Ports {
    /// Those of so many nodes from `base` on; 0: the kernel gives them.
    ///
    /// # Errors
    /// When the kernel has none left.
    pub fn new(nodes: u16, base: u16) -> io::Result<Ports> {
        match base {
            0 => Ok(Ports::Given((0..nodes).map(|_| Pair::new()).collect::<io::Result<_>>()?)),
            base => Ok(Ports::From(base)),
        }
    }

    /// The base port; 0: the kernel gave them.
    #[must_use]
    pub fn base(&self) -> u16 {
        match self {
            Ports::From(base) => *base,
            Ports::Given(_) => 0,
        }
    }

    /// Where node `index` serves clients.
    #[must_use]
    pub fn client(&self, index: u16) -> u16 {
        match self {
            Ports::From(base) => base + index,
            Ports::Given(given) => given[usize::from(index)].client.number(),
        }
    }

    /// Where node `index` serves peers.
    #[must_use]
    pub fn peer(&self, index: u16) -> u16 {
        match self {
            Ports::From(base) => base + PEER_OFFSET + index,
            Ports::Given(given) => given[usize::from(index)].peer.number(),
        }
    }
}

/// Why nobody can listen at `address`, with whoever does where that can be found out.
#[must_use]
pub fn explain(address: SocketAddr, error: &io::Error) -> io::Error {
    let (port, kind) = (address.port(), error.kind());
    let text = match (kind, owner(port)) {
        (io::ErrorKind::AddrInUse, Some(owner)) => format!("port {port} is taken by {owner}"),
        (io::ErrorKind::AddrInUse, None) => format!("port {port} is taken"),
        _ => format!("{address}: {error}"),
    };
    io::Error::new(kind, text)
}

/// The process that listens on a port, by its name and id, where this one may see it.
fn owner(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let inodes: Vec<String> =
        tables.iter().flat_map(|table| table.lines()).filter_map(|row| inode(row, port)).collect();
    // Processes may end meanwhile, and those of other users are closed: they are passed over.
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|id| has_socket(*id, &inodes)).map(|id| {
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        format!("{} (process {id})", name.trim())
    })
}

/// The inode of a socket that listens on a port, by its row of /proc/net/tcp.
fn inode(row: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = row.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == LISTENS && u16::from_str_radix(local, 16) == Ok(port);
    listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
}

fn has_socket(process: u32, inodes: &[String]) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    let mut targets = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_given_port_is_nobody_elses_and_can_be_listened_on_again_and_again() {
        let given: Vec<GivenPort> = (0..50).map(|_| GivenPort::new().unwrap()).collect();
        let numbers: BTreeSet<u16> = given.iter().map(GivenPort::number).collect();
        assert_eq!(numbers.len(), given.len());
        for _ in 0..3 {
            let listening: Vec<_> = given.iter().map(|port| TcpListener::bind(port.address()).unwrap()).collect();
            assert!(TcpListener::bind(given[0].address()).is_err(), "one at a time");
            drop(listening);
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            assert!(!numbers.contains(&free), "held also while nobody listens");
        }
    }

    #[test]
    fn who_has_a_port_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        let said = explain(address, &error).to_string();
        assert!(said.ends_with(&format!("(process {})", std::process::id())), "{said}");
        assert!(said.starts_with(&format!("port {} is taken by ", address.port())), "{said}");
        drop(taken);
        assert_eq!(owner(address.port()), None);
    }

    #[test]
    fn a_series_goes_on_from_its_base() {
        let ports = Ports::new(3, 2633).unwrap();
        assert_eq!((ports.client(2), ports.peer(2)), (2635, 2685));
    }
}
