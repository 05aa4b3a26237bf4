//! One address range: its attributes, the addresses they describe, and who has which of them.
//!
//! It must not know networks, VMs or quotas: it is told who takes an address.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::address::{self, Mac};
use super::holder::Holder;
use super::taken::Taken;
use crate::ids::id_list;
use crate::template::{VectorAttribute, whole_int, whole_u64};

/// A single address of a range, as callers name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address<'a> {
    /// By its MAC.
    Mac(&'a str),
    /// By its IPv4 address.
    Ip(&'a str),
    /// By its static IPv6 address.
    Ip6(&'a str),
}

impl<'a> Address<'a> {
    /// The address that a vector names: `Ok(None)` for none.
    ///
    /// # Errors
    /// The reference's text, when it names more than one of IP, IP6 and MAC.
    pub fn of(vector: &'a VectorAttribute) -> Result<Option<Address<'a>>, &'static str> {
        let mut given = [
            ("IP", Address::Ip as fn(&'a str) -> Address<'a>),
            ("IP6", Address::Ip6 as fn(&'a str) -> Address<'a>),
            ("MAC", Address::Mac as fn(&'a str) -> Address<'a>),
        ]
        .into_iter()
        .map(|(name, make)| (vector.value(name), make))
        .filter(|(value, _)| !value.is_empty());
        let first = given.next().map(|(value, make)| make(value));
        if given.next().is_some() {
            return Err("Only one attribute MAC, IP or IP6 can be set.");
        }
        Ok(first)
    }
}

/// Which kinds of address a range has: the bits of the reference's types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6 from prefixes and the MAC.
    pub v6: bool,
    /// IPv6 given one by one.
    pub v6_static: bool,
}

impl Families {
    /// The families of a TYPE, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Families> {
        let (v4, v6, v6_static) = match text.to_ascii_uppercase().as_str() {
            "ETHER" => (false, false, false),
            "IP4" => (true, false, false),
            "IP6" => (false, true, false),
            "IP6_STATIC" => (false, false, true),
            "IP4_6" => (true, true, false),
            "IP4_6_STATIC" => (true, false, true),
            _ => return None,
        };
        Some(Families { v4, v6, v6_static })
    }
}

/// An address range.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressRange {
    /// Its id within the network.
    pub id: u32,
    /// Its attributes as clients gave them, with SIZE, MAC and AR_ID filled in.
    pub attributes: VectorAttribute,
    /// How many addresses there are.
    pub size: u64,
    /// Who has which address, by its place in the range; in records of its own.
    #[serde(skip)]
    pub taken: Taken,
    /// Whether an address was ever taken or given back: listings tell.
    pub was_used: bool,
}

impl AddressRange {
    /// Makes a range of attributes; `random` gives the MAC of ranges without IPv4.
    ///
    /// # Errors
    /// Which of TYPE, IP, IP6, MAC, SIZE and the prefixes is missing or wrong, in the reference's words.
    pub fn new(id: u32, mut attributes: VectorAttribute, mac_prefix: u32, random: u32) -> Result<AddressRange, String> {
        let families =
            Families::parse(attributes.value("TYPE")).ok_or("Unknown or missing address range TYPE.".to_owned())?;
        check_ip(&mut attributes, families)?;
        check_prefixes(&mut attributes, families)?;
        check_ip6(&mut attributes, families)?;
        if attributes.value("MAC").is_empty() {
            let low = address::parse_ip(attributes.value("IP")).unwrap_or(random);
            attributes.set("MAC", Mac { high: mac_prefix, low });
        } else if Mac::parse(attributes.value("MAC")).is_none() {
            return Err("Wrong format for MAC attribute".to_owned());
        }
        let size = attributes.get("SIZE").and_then(whole_u64).ok_or("Wrong SIZE for address range".to_owned())?;
        attributes.set("AR_ID", id);
        for internal in ["ALLOCATED", "USED_LEASES", "LEASES", "PARENT_NETWORK_AR_ID", "PARENT_NETWORK"] {
            attributes.remove(internal);
        }
        Ok(AddressRange { id, attributes, size, ..AddressRange::default() })
    }

    /// The families of its addresses.
    #[must_use]
    pub fn families(&self) -> Families {
        let none = Families { v4: false, v6: false, v6_static: false };
        Families::parse(self.attributes.value("TYPE")).unwrap_or(none)
    }

    /// Its first MAC.
    #[must_use]
    pub fn mac(&self) -> Mac {
        Mac::parse(self.attributes.value("MAC")).unwrap_or(Mac { high: 0, low: 0 })
    }

    /// Its first IPv4 address.
    #[must_use]
    pub fn ip(&self) -> u32 {
        address::parse_ip(self.attributes.value("IP")).unwrap_or(0)
    }

    /// Its first static IPv6 address.
    #[must_use]
    pub fn ip6(&self) -> u128 {
        address::parse_ip6(self.attributes.value("IP6")).unwrap_or(0)
    }

    /// A prefix of its IPv6 addresses (`GLOBAL_PREFIX`, `ULA_PREFIX`); `None` when it has none.
    #[must_use]
    pub fn prefix(&self, name: &str) -> Option<u64> {
        address::parse_prefix(self.attributes.value(name)).filter(|prefix| *prefix != 0)
    }

    /// The groups whose rules hold for its leases.
    #[must_use]
    pub fn security_groups(&self) -> BTreeSet<i32> {
        id_list(self.attributes.value("SECURITY_GROUPS"))
    }

    /// The range of the parent network from which this one is reserved.
    #[must_use]
    pub fn parent_range(&self) -> Option<i32> {
        self.attributes
            .get("PARENT_NETWORK_AR_ID")
            .and_then(whole_int)
            .and_then(|n| i32::try_from(n).ok())
            .filter(|n| *n != -1)
    }

    /// How many addresses are taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.taken.count()
    }

    /// How many addresses are not taken.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.size.saturating_sub(self.used())
    }

    /// The lowest `count` addresses in a row that nobody has; `None` when there are not that many.
    #[must_use]
    pub fn first_free(&self, count: u32) -> Option<u32> {
        self.taken.first_free(count, self.size)
    }

    /// The place of an address, taken or not; `None` when it is not of this range.
    #[must_use]
    pub fn place(&self, address: Address<'_>) -> Option<u32> {
        let families = self.families();
        let index = match address {
            Address::Mac(text) => {
                let (wanted, first) = (Mac::parse(text)?, self.mac());
                (wanted.high == first.high).then(|| wanted.low.checked_sub(first.low))??
            }
            Address::Ip(text) => families.v4.then(|| address::parse_ip(text)?.checked_sub(self.ip()))??,
            Address::Ip6(text) => {
                let (wanted, first) = (address::parse_ip6(text).filter(|_| families.v6_static)?, self.ip6());
                // Only the last 32 bits count up.
                (wanted >> 32 == first >> 32).then(|| wanted.checked_sub(first))?.and_then(|n| u32::try_from(n).ok())?
            }
        };
        (u64::from(index) < self.size).then_some(index)
    }

    /// The place to free for a MAC, of which the first two bytes are not compared (the reference: `AddressRange.cc`,
    /// `free_addr`).
    #[must_use]
    pub fn place_to_free(&self, address: Address<'_>) -> Option<u32> {
        match address {
            Address::Mac(text) => {
                let low = Mac::parse(text).map_or(0, |mac| mac.low);
                low.checked_sub(self.mac().low).filter(|index| u64::from(*index) < self.size)
            }
            other => self.place(other),
        }
    }

    /// Gives an address away, if nobody has it.
    pub fn take(&mut self, index: u32, holder: Holder) -> bool {
        self.take_many(index, 1, holder)
    }

    /// Gives `count` addresses away from a place on, all or none, if nobody has any of them.
    pub fn take_many(&mut self, first: u32, count: u32, holder: Holder) -> bool {
        let taken = self.taken.take(first, count, holder);
        self.was_used |= taken;
        taken
    }

    /// Takes an address back, if `holder` has it.
    pub fn give_back(&mut self, index: u32, holder: Holder) -> bool {
        let given_back = self.taken.give_back(index, holder);
        self.was_used |= given_back;
        given_back
    }

    /// Takes back everything that `holder` has; returns how many addresses that were.
    pub fn give_back_all(&mut self, holder: Holder) -> u64 {
        self.was_used = true;
        self.taken.give_back_all(holder)
    }

    /// Takes back up to `count` addresses of `holder` from a MAC on.
    pub fn give_back_from(&mut self, mac: &str, count: u64, holder: Holder) -> u64 {
        let place = self.place_to_free(Address::Mac(mac));
        let Some(first) = place.filter(|place| self.taken.holder(*place).is_some()) else { return 0 };
        self.was_used = true;
        self.taken.give_back_from(first, count, holder)
    }

    /// Writes the addresses of a place into `vector`: MAC, ports, IP, IP6.
    pub fn describe(&self, index: u32, vector: &mut VectorAttribute) {
        let families = self.families();
        let mac = self.mac().plus(index);
        vector.set("MAC", mac);
        self.describe_ports(index, vector);
        if families.v4 {
            vector.set("IP", address::ip_text(self.ip().wrapping_add(index)));
        }
        if families.v6 {
            vector.set("IP6_LINK", address::ip6_text(address::eui64(address::LINK_LOCAL, mac)));
            self.describe_prefixes(mac, vector);
        }
        if families.v6_static {
            vector.set("IP6", address::ip6_text(address::ip6_plus(self.ip6(), index)));
        }
    }

    /// The attributes of a range that begins at a place of this one.
    #[must_use]
    pub fn from_place(&self, index: u32) -> VectorAttribute {
        let (families, mut attributes) = (self.families(), self.attributes.clone());
        attributes.set("MAC", self.mac().plus(index));
        self.describe_ports(index, &mut attributes);
        if families.v4 {
            attributes.set("IP", address::ip_text(self.ip().wrapping_add(index)));
        }
        if families.v6_static {
            attributes.set("IP6", address::ip6_text(address::ip6_plus(self.ip6(), index)));
        }
        attributes
    }

    /// The ports that are forwarded to a place of a range of public addresses.
    fn describe_ports(&self, index: u32, vector: &mut VectorAttribute) {
        let number = |name: &str| self.attributes.get(name).and_then(whole_u64).unwrap_or(0);
        let (start, size) = (number("PORT_START"), number("PORT_SIZE"));
        if start == 0 || size == 0 {
            return;
        }
        let first = start.saturating_add(u64::from(index).saturating_mul(size)).saturating_add(1);
        vector.set("EXTERNAL_PORT_RANGE", format!("{first}:{}", first.saturating_add(size - 1)));
        vector.set("INTERNAL_PORT_RANGE", format!("1-{size}/{first}"));
    }

    /// A security rule about the network, made one about this range.
    #[must_use]
    pub fn security_rule(&self, rule: &VectorAttribute) -> VectorAttribute {
        let mut rule = rule.clone();
        for name in ["AR_ID", "TYPE", "SIZE", "MAC", "IP", "IP6"] {
            let value = self.attributes.value(name);
            if !value.is_empty() {
                rule.set(name, value);
            }
        }
        self.describe_prefixes(self.mac(), &mut rule);
        rule
    }

    /// Writes the IPv6 addresses that come from a MAC and the range's prefixes.
    fn describe_prefixes(&self, mac: Mac, vector: &mut VectorAttribute) {
        for (name, prefix) in [("IP6_ULA", "ULA_PREFIX"), ("IP6_GLOBAL", "GLOBAL_PREFIX")] {
            if let Some(prefix) = self.prefix(prefix) {
                vector.set(name, address::ip6_text(address::eui64(prefix, mac)));
            }
        }
    }

    /// `" <place> <holder> ..."`, as listings show it.
    #[must_use]
    pub fn allocated_text(&self) -> String {
        use std::fmt::Write as _;
        self.taken.iter().fold(String::new(), |mut text, (index, holder)| {
            let _ = write!(text, " {index} {}", holder.packed());
            text
        })
    }
}

fn check_ip(attributes: &mut VectorAttribute, families: Families) -> Result<(), String> {
    if !families.v4 {
        attributes.remove("IP");
    } else if address::parse_ip(attributes.value("IP")).is_none() {
        return Err("Wrong or empty IP attribute".to_owned());
    }
    Ok(())
}

/// Checks the prefixes of IPv6 addresses, or removes them where they mean nothing.
///
/// # Errors
/// Which prefix is wrong, in the reference's words.
pub fn check_prefixes(attributes: &mut VectorAttribute, families: Families) -> Result<(), String> {
    for (name, text) in [("GLOBAL_PREFIX", "global address"), ("ULA_PREFIX", "unique local address")] {
        if !families.v6 {
            attributes.remove(name);
        } else if address::parse_prefix(attributes.value(name)).is_none() {
            return Err(format!("Wrong format for IP6 {text} prefix"));
        }
    }
    Ok(())
}

fn check_ip6(attributes: &mut VectorAttribute, families: Families) -> Result<(), String> {
    if !families.v6_static {
        attributes.remove("IP6");
        return Ok(());
    }
    let first = address::parse_ip6(attributes.value("IP6")).ok_or("Wrong or empty IP6 attribute".to_owned())?;
    let length = attributes.get("PREFIX_LENGTH").and_then(whole_int).filter(|n| *n <= 128);
    let length = length.ok_or("Wrong or empty PREFIX_LENGTH".to_owned())?;
    if attributes.value("SIZE").is_empty() {
        // As many as follow the first one in its prefix, of which at most 64 bits are counted.
        let [.., a, b, c, d, e, f, g, h] = first.to_be_bytes();
        let low = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let size = if length <= 64 {
            u64::MAX - low
        } else {
            let whole = 1_u64 << (128 - length).clamp(0, 63);
            whole - (low & (whole - 1))
        };
        attributes.set("SIZE", size);
    }
    Ok(())
}
