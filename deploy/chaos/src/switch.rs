//! The switch between all network cards: every packet of the zone passes here, and may be lost, late or overtaken.
//!
//! The kernel's own means (`tc netem`, netfilter) would need modules that many machines have not, and cannot do each
//! direction of each pair differently without much ado. Here a direction of a pair is one record.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_tun::Tun;

/// Packets under way on one link; more are lost, as in any router.
const QUEUE: usize = 1000;
/// Bytes of a packet at most; cards have the usual 1500.
const PACKET: usize = 2048;
/// How much later a packet arrives that others overtake, in milliseconds.
const OVERTAKEN: std::ops::Range<u64> = 2..40;

/// A plug of the switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port(u8);

/// Where clients are.
pub const CLIENTS: Port = Port(0);

impl Port {
    /// Where node `index` is.
    pub fn of_node(index: u16) -> Port {
        Port(u8::try_from(index + 1).unwrap_or(u8::MAX))
    }

    /// Its address.
    pub fn address(self) -> Ipv4Addr {
        [10, 77, 0, 10 + self.0].into()
    }

    /// To which port of `ports` an IPv4 packet goes; `None` for anything else.
    fn of_packet(packet: &[u8], ports: usize) -> Option<usize> {
        let is_ipv4 = packet.first().is_some_and(|first| first >> 4 == 4);
        let [10, 77, 0, last] = *packet.get(16..20)? else { return None };
        let port = usize::from(last.checked_sub(10)?);
        (is_ipv4 && port < ports).then_some(port)
    }
}

/// One direction between two ports.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Link {
    /// Nothing gets through.
    pub cut: bool,
    /// How long every packet takes.
    pub delay: Duration,
    /// How much longer at most, at random.
    pub jitter: Duration,
    /// The share that is lost, 0 to 1.
    pub loss: f64,
    /// The share that others overtake, 0 to 1.
    pub overtaken: f64,
}

/// All links, by where they come from and where they go.
pub struct Links(Mutex<Vec<Vec<Link>>>);

impl Links {
    /// Perfect links between so many ports.
    pub fn new(ports: usize) -> Links {
        Links(Mutex::new(vec![vec![Link::default(); ports]; ports]))
    }

    /// Changes every link that `which` picks, by the ports it connects.
    pub fn change(&self, which: impl Fn(Port, Port) -> bool, mut change: impl FnMut(&mut Link)) {
        for (from, row) in (0..).map(Port).zip(self.lock().iter_mut()) {
            (0..).map(Port).zip(row).filter(|(to, _)| which(from, *to)).for_each(|(_, link)| change(link));
        }
    }

    /// Makes all links perfect.
    pub fn mend(&self) {
        self.change(|_, _| true, |link| *link = Link::default());
    }

    fn get(&self, from: usize, to: usize) -> Link {
        self.lock().get(from).and_then(|row| row.get(to)).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Link>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A packet and when it is due.
type Due = (Instant, Vec<u8>);

/// Switches packets between cards, one per port in order, for as long as the runtime lives.
pub fn start(cards: Vec<Tun>, links: &Arc<Links>, seed: u64) {
    let cards: Vec<Arc<Tun>> = cards.into_iter().map(Arc::new).collect();
    for (from, card) in cards.iter().enumerate() {
        // A queue for each link: what is slow on one must not wait on another.
        let ways = cards.iter().map(|to| {
            let (way, queue) = mpsc::channel(QUEUE);
            tokio::spawn(deliver(queue, to.clone()));
            Way { queue: way, card: to.clone() }
        });
        let sorter =
            Sorter { from, ways: ways.collect(), links: links.clone(), rng: StdRng::seed_from_u64(seed ^ from as u64) };
        tokio::spawn(sorter.run(card.clone()));
    }
}

/// The way to a port.
struct Way {
    queue: mpsc::Sender<Due>,
    card: Arc<Tun>,
}

/// Takes what one card sends.
struct Sorter {
    from: usize,
    ways: Vec<Way>,
    links: Arc<Links>,
    rng: StdRng,
}

impl Sorter {
    async fn run(mut self, card: Arc<Tun>) {
        let mut buffer = [0; PACKET];
        loop {
            match card.recv(&mut buffer).await {
                Ok(length) => self.sort(&buffer[..length]),
                Err(e) => return eprintln!("chaos: the network card of port {} is gone: {e}", self.from),
            }
        }
    }

    fn sort(&mut self, packet: &[u8]) {
        let Some(to) = Port::of_packet(packet, self.ways.len()) else { return };
        let link = self.links.get(self.from, to);
        if link.cut || self.rng.random_bool(link.loss) {
            return;
        }
        let mut due = Instant::now() + link.delay + link.jitter.mul_f64(self.rng.random());
        let way = &self.ways[to];
        if self.rng.random_bool(link.overtaken) {
            due += Duration::from_millis(self.rng.random_range(OVERTAKEN));
            let (card, packet) = (way.card.clone(), packet.to_vec());
            tokio::spawn(async move {
                sleep_until(due).await;
                hand_over(&card, &packet).await;
            });
        } else {
            // A full queue loses packets; one that is closed has nobody left to take them.
            let _ = way.queue.try_send((due, packet.to_vec()));
        }
    }
}

/// Delivers the packets of a link in their order.
async fn deliver(mut queue: mpsc::Receiver<Due>, card: Arc<Tun>) {
    while let Some((due, packet)) = queue.recv().await {
        if due > Instant::now() {
            sleep_until(due).await;
        }
        hand_over(&card, &packet).await;
    }
}

async fn hand_over(card: &Tun, packet: &[u8]) {
    // A card that is down takes nothing: lost, as on any cable.
    let _ = card.send(packet).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(to: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&to);
        packet
    }

    #[test]
    fn packets_go_where_their_address_says_and_others_nowhere() {
        assert_eq!(Port::of_packet(&packet(Port::of_node(1).address().octets()), 4), Some(2));
        assert_eq!(Port::of_packet(&packet(Port::of_node(3).address().octets()), 4), None);
        assert_eq!(Port::of_packet(&packet([10, 77, 0, 3]), 4), None);
        assert_eq!(Port::of_packet(&packet([224, 0, 0, 22]), 4), None);
        assert_eq!(Port::of_packet(&[0x60; 40], 4), None);
        assert_eq!(Port::of_packet(&[], 4), None);
    }

    #[test]
    fn a_cut_of_one_way_leaves_the_other() {
        let links = Links::new(3);
        links.change(|from, to| from == Port::of_node(0) && to == Port::of_node(1), |link| link.cut = true);
        assert!(links.get(1, 2).cut && !links.get(2, 1).cut && !links.get(1, 0).cut);
        links.mend();
        assert_eq!(links.get(1, 2), Link::default());
    }
}
