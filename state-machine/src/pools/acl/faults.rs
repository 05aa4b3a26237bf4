//! What is wrong with an access control rule, in the reference's words; and how its components are read.
//!
//! Pure text and bits; it must not know the state.

use quorate_model::kind::Kind;
use quorate_model::records::acl::{ALL, Acl, CLUSTER, GROUP, INDIVIDUAL, id};

const SELECTORS: u64 = INDIVIDUAL | GROUP | ALL | CLUSTER;

/// Bits of resource types, those that name nothing included.
const TYPES: u64 = 0xffff_fff0_0000_0000;

/// Bits that are no resource type; the hook's is one of them.
const NO_TYPES: u64 = 0xff80_0000_0000_0000;

fn bits(kinds: &[Kind]) -> u64 {
    kinds.iter().fold(0, |all, kind| all | kind.acl_bit())
}

/// The number a text begins with, in hex and perhaps after `0x`, as `stringstream >> hex` reads it; else 0.
#[must_use]
pub fn parse_hex(text: &str) -> u64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    if end == 0 {
        return 0;
    }
    // Beyond 63 bits it stays at the largest number.
    let number = i64::from_str_radix(&digits[..end], 16).unwrap_or(i64::MAX);
    if negative { -number } else { number }.cast_unsigned()
}

/// What is wrong with a rule, joined by "; "; empty when nothing is.
#[must_use]
pub fn faults(rule: &Acl) -> String {
    let mut faults = user_faults(rule.user);
    faults.extend(resource_faults(rule.resource));
    let rights = rule.rights.cast_signed();
    if rights == 0 {
        faults.push("wrong [rights], it cannot be 0");
    }
    if rights > 0xf {
        faults.push("wrong [rights], it cannot be bigger than 0xF");
    }
    let (zone_group, mut rest) = zone_faults(rule);
    let mut text = faults.join("; ");
    // The reference forgets the separator before this one.
    text.push_str(zone_group.unwrap_or_default());
    if !text.is_empty() && !rest.is_empty() {
        rest.insert(0, "");
    }
    text + &rest.join("; ")
}

fn user_faults(user: u64) -> Vec<&'static str> {
    let both = |a: u64, b: u64| user & a != 0 && user & b != 0;
    let checks = [
        (both(INDIVIDUAL, GROUP), "[user] INDIVIDUAL (#) and GROUP (@) bits are exclusive"),
        (both(INDIVIDUAL, ALL), "[user] INDIVIDUAL (#) and ALL (*) bits are exclusive"),
        (both(GROUP, ALL), "[user] GROUP (@) and ALL (*) bits are exclusive"),
        (user & (INDIVIDUAL | GROUP | ALL) == 0, "[user] is missing one of the INDIVIDUAL, GROUP or ALL bits"),
        (id(user) < 0, "[user] ID cannot be negative"),
        (user & ALL != 0 && id(user) != 0, "when using the ALL bit, [user] ID must be 0"),
    ];
    found(&checks)
}

fn resource_faults(resource: u64) -> Vec<&'static str> {
    let no_cluster = TYPES & !bits(&[Kind::Host, Kind::Net, Kind::Datastore, Kind::Hook]) & !NO_TYPES;
    let no_group = bits(&[Kind::Host, Kind::Group, Kind::Cluster, Kind::Zone, Kind::Vdc]);
    let checks = [
        (
            (resource & SELECTORS).count_ones() > 1,
            "[resource] INDIVIDUAL (#), GROUP (@), CLUSTER (%) and ALL (*) bits are exclusive",
        ),
        (
            resource & CLUSTER != 0 && resource & no_cluster != 0,
            "[resource] CLUSTER(%) selector can be applied only to DATASTORE, HOST and NET types",
        ),
        (
            resource & GROUP != 0 && resource & no_group != 0,
            "[resource] GROUP(@) selector cannot be applied to HOST, GROUP, CLUSTER, ZONE or VDC types",
        ),
        (resource & SELECTORS == 0, "[resource] is missing one of the INDIVIDUAL, GROUP, CLUSTER or ALL bits"),
        (id(resource) < 0, "[resource] ID cannot be negative"),
        (resource & ALL != 0 && id(resource) != 0, "when using the ALL bit, [resource] ID must be 0"),
        (resource & TYPES == 0, "[resource] type is missing"),
        (resource & NO_TYPES != 0, "wrong [resource] type"),
    ];
    found(&checks)
}

/// The one about GROUP apart, then the others.
fn zone_faults(rule: &Acl) -> (Option<&'static str>, Vec<&'static str>) {
    let Acl { zone, resource, .. } = *rule;
    let in_all_zones = bits(&[Kind::User, Kind::Group, Kind::Zone, Kind::Acl, Kind::Vdc]);
    let group = (zone & GROUP != 0).then_some("[zone] GROUP (@) bit is not supported");
    let checks = [
        (zone & INDIVIDUAL != 0 && zone & ALL != 0, "[zone] INDIVIDUAL (#) and ALL (*) bits are exclusive"),
        (zone & (INDIVIDUAL | GROUP | ALL) == 0, "[zone] is missing one of the INDIVIDUAL or ALL bits"),
        (id(zone) < 0, "[zone] ID cannot be negative"),
        (zone & ALL != 0 && id(zone) != 0, "when using the ALL bit, [zone] ID must be 0"),
        (
            zone & ALL != 0 && resource & INDIVIDUAL != 0 && resource & TYPES & !in_all_zones != 0,
            "[resource] INDIVIDUAL(#) selector cannot be applied to ALL zones, except for USER, GROUP and ZONE types",
        ),
    ];
    (group, found(&checks))
}

fn found(checks: &[(bool, &'static str)]) -> Vec<&'static str> {
    checks.iter().filter(|(wrong, _)| *wrong).map(|(_, text)| *text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::records::acl::text;

    fn rule(user: u64, resource: u64, rights: u64, zone: u64) -> Acl {
        Acl { user, resource, rights, zone }
    }

    #[test]
    fn a_default_rule_reads_as_in_the_reference() {
        let default = rule(0x2_0000_0001, 0x0021_4294_0000_0000, 8, ALL);
        assert_eq!(text(&default), "@1 VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VMGROUP/* CREATE *");
        assert_eq!(faults(&default), "");
    }

    #[test]
    fn faults_are_joined_but_not_before_the_one_about_the_zones_group() {
        let wrong = rule(ALL | 5, ALL | Kind::Vm.acl_bit(), 0, GROUP);
        assert_eq!(
            faults(&wrong),
            "when using the ALL bit, [user] ID must be 0; wrong [rights], it cannot be 0\
             [zone] GROUP (@) bit is not supported"
        );
    }

    #[test]
    fn hex_is_read_as_far_as_it_goes() {
        assert_eq!(parse_hex("0x200000001"), 0x2_0000_0001);
        assert_eq!(parse_hex(" 4zz"), 4);
        assert_eq!(parse_hex("zz"), 0);
        assert_eq!(parse_hex("ffffffffffffffffff"), i64::MAX.cast_unsigned());
        assert_eq!(parse_hex("-1"), u64::MAX);
    }

    #[test]
    fn the_hook_type_is_wrong_and_the_acl_type_nameless() {
        let hook = rule(ALL, ALL | Kind::Hook.acl_bit(), 1, ALL);
        assert_eq!(faults(&hook), "wrong [resource] type");
        let acl = rule(ALL, ALL | Kind::Acl.acl_bit(), 1, ALL);
        assert_eq!((faults(&acl), text(&acl)), (String::new(), "* /* USE *".to_owned()));
    }
}
