//! The XML of an address range: with its leases for `info`, without for listings.

use super::address::{self, Mac};
use super::range::AddressRange;
use super::sight::Eyes;
use crate::clean::Name;
use crate::template::VectorAttribute;
use crate::xml::XmlWriter;

/// A range as listings show it: its attributes, and who has what in one text.
pub fn list_range(range: &AddressRange, w: &mut XmlWriter) {
    if range.was_used {
        w.cdata("ALLOCATED", &range.allocated_text());
    }
    for (name, value) in range.attributes.iter() {
        w.cdata(name, value);
    }
}

/// A range as `info` shows it: its attributes, its last addresses, its leases.
pub fn render_range(range: &AddressRange, eyes: &Eyes, w: &mut XmlWriter) {
    for (name, value) in range.attributes.iter() {
        w.cdata(name, value);
    }
    render_ends(range, w);
    w.plain("USED_LEASES", range.used());
    if range.taken.is_empty() {
        w.empty("LEASES");
        return;
    }
    w.element("LEASES", |w| {
        for (index, holder) in range.taken.iter().filter(|(_, holder)| eyes.see(*holder)) {
            let mut lease = VectorAttribute::new();
            let (name, id) = holder.named();
            lease.set(name, id);
            range.describe(index, &mut lease);
            lease.render("LEASE", w);
        }
    });
}

fn render_ends(range: &AddressRange, w: &mut XmlWriter) {
    let families = range.families();
    let last = range.size.wrapping_sub(1);
    let [.., a, b, c, d] = last.to_be_bytes();
    let low = u32::from_be_bytes([a, b, c, d]);
    let (mac, mac_end): (Mac, Mac) = (range.mac(), range.mac().plus(low));
    w.cdata("MAC_END", &mac_end.to_string());
    if families.v4 {
        w.cdata("IP_END", &address::ip_text(range.ip().wrapping_add(low)));
    }
    if families.v6 {
        for (name, prefix) in [("IP6_ULA", "ULA_PREFIX"), ("IP6_GLOBAL", "GLOBAL_PREFIX")] {
            if let Some(prefix) = range.prefix(prefix) {
                w.cdata(name, &address::ip6_text(address::eui64(prefix, mac)));
                w.cdata(&Name::of_parts(&[name, "_END"]), &address::ip6_text(address::eui64(prefix, mac_end)));
            }
        }
    }
    if families.v6_static {
        w.cdata("IP6_END", &address::ip6_text(address::ip6_end(range.ip6(), last)));
    }
}
