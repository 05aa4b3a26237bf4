//! Rules of security groups: which are valid, and that none is there twice.
//!
//! It must not know VMs.

use std::collections::BTreeSet;
use std::net::IpAddr;

use quorate_model::template::{Template, VectorAttribute, whole_int, whole_u64};

/// Checks the rules of a template and removes those that are there already.
///
/// # Errors
/// The reference's text about the first wrong rule.
pub fn normalize(template: &mut Template) -> Result<(), String> {
    let mut rules: Vec<VectorAttribute> = Vec::new();
    let mut known = BTreeSet::new();
    for rule in template.vectors("RULE") {
        check(rule)?;
        if known.insert(rule) {
            rules.push(rule.clone());
        }
    }
    if !rules.is_empty() {
        template.set_vectors("RULE", rules);
    }
    Ok(())
}

fn check(rule: &VectorAttribute) -> Result<(), String> {
    let protocol = rule.value("PROTOCOL").to_uppercase();
    check_protocol(rule, &protocol)?;
    if !["INBOUND", "OUTBOUND"].contains(&rule.value("RULE_TYPE").to_uppercase().as_str()) {
        return Err("Wrong RULE_TYPE in rule. Valid options: INBOUND, OUTBOUND.".to_owned());
    }
    let ip = rule.value("IP");
    if !ip.is_empty() {
        if whole_u32(rule, "SIZE").is_none() {
            return Err("Wrong or empty SIZE.".to_owned());
        }
        if ip.parse::<IpAddr>().is_err() {
            return Err("Wrong format for IP value.".to_owned());
        }
    } else if rule.get("NETWORK_ID").is_some_and(|id| whole_int(id).is_none_or(|n| i32::try_from(n).is_err())) {
        return Err("Wrong NETWORK_ID.".to_owned());
    }
    Ok(())
}

fn check_protocol(rule: &VectorAttribute, protocol: &str) -> Result<(), String> {
    const PROTOCOLS: [&str; 6] = ["TCP", "UDP", "ICMP", "ICMPV6", "IPSEC", "ALL"];
    if !PROTOCOLS.contains(&protocol) {
        return Err(format!("Wrong PROTOCOL in rule. Valid options: {}.", PROTOCOLS.join(", ")));
    }
    let range = rule.value("RANGE");
    if !range.is_empty() {
        if !["TCP", "UDP"].contains(&protocol) {
            return Err("RANGE is supported only for TCP and UDP protocols.".to_owned());
        }
        check_range(range)?;
    }
    for (name, of) in [("ICMP_TYPE", "ICMP"), ("ICMPV6_TYPE", "ICMPV6")] {
        if rule.value(name).is_empty() {
            continue;
        }
        if protocol != of {
            return Err(format!("{name} is supported only for {of} protocol."));
        }
        if whole_u32(rule, name).is_none() {
            return Err(format!("Wrong {name}, it must be integer"));
        }
    }
    Ok(())
}

/// Ports and spans of ports (`22,53,1000:2000`).
fn check_range(range: &str) -> Result<(), String> {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let spans: Vec<Vec<&str>> = range.split(',').map(|span| span.split(':').collect()).collect();
    if !spans.iter().all(|span| span.len() <= 2 && span.iter().all(|port| is_port(port))) {
        return Err("Invalid RANGE specification.".to_owned());
    }
    if spans.iter().flatten().any(|port| port.trim_start_matches('0').parse::<u16>().is_err() && !is_zero(port)) {
        return Err("RANGE out of bounds 0-65536.".to_owned());
    }
    Ok(())
}

fn is_zero(port: &str) -> bool {
    port.bytes().all(|b| b == b'0')
}

fn whole_u32(rule: &VectorAttribute, name: &str) -> Option<u32> {
    rule.get(name).and_then(whole_u64).and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::template::parse::parse;

    fn normalized(text: &str) -> Result<usize, String> {
        let mut template = parse(text)?;
        normalize(&mut template).map(|()| template.vectors("RULE").count())
    }

    #[test]
    fn a_rule_is_there_once() {
        let rule = "RULE=[PROTOCOL=TCP,RULE_TYPE=inbound,RANGE=\"22,1000:2000\"]\n";
        assert_eq!(normalized(&format!("{rule}RULE=[PROTOCOL=ALL,RULE_TYPE=OUTBOUND]\n{rule}")), Ok(2));
    }

    #[test]
    fn ports_are_numbers_up_to_65535() {
        let with = |range: &str| normalized(&format!("RULE=[PROTOCOL=UDP,RULE_TYPE=INBOUND,RANGE=\"{range}\"]"));
        assert_eq!(with("0,00065535"), Ok(1));
        assert_eq!(with("65536"), Err("RANGE out of bounds 0-65536.".to_owned()));
        for wrong in ["22,", "1:2:3", "a", "1-2", ":5"] {
            assert_eq!(with(wrong), Err("Invalid RANGE specification.".to_owned()), "{wrong}");
        }
    }
}
