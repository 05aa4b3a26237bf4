//! Where a VM can run: the clusters and system datastores that its images and networks allow, as the expressions
//! that the scheduler reads.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use quorate_model::clean::Name;
use quorate_model::ids::join_ids;
use quorate_model::kind::Kind;
use quorate_model::template::{Template, VectorAttribute};

use super::topology;
use crate::state::State;

/// The clusters that an object is in.
fn clusters_of(state: &State, kind: Kind, id: i32) -> BTreeSet<i32> {
    state.find(kind, id).map(|object| object.body.clusters().into_iter().collect()).unwrap_or_default()
}

/// The ids in a comma-separated list.
fn ids_in(list: &str) -> BTreeSet<i32> {
    list.split(',').filter_map(|id| id.trim().parse().ok()).collect()
}

/// What the clusters of one part do to those of the parts before it.
enum Clash {
    /// None in common.
    Incompatible,
    /// It is in no cluster.
    Missing,
}

/// Keeps the clusters in `so_far` that the part allows. A part without `name` allows all.
fn restrict(so_far: &mut BTreeSet<i32>, part: &VectorAttribute, name: &str) -> Result<(), Clash> {
    let Some(list) = part.get(name) else { return Ok(()) };
    let allowed = ids_in(list);
    if allowed.is_empty() {
        return Err(Clash::Missing);
    }
    if so_far.is_empty() {
        *so_far = allowed;
        return Ok(());
    }
    let common: BTreeSet<i32> = so_far.intersection(&allowed).copied().collect();
    if common.is_empty() {
        return Err(Clash::Incompatible);
    }
    *so_far = common;
    Ok(())
}

/// Brings CLUSTER_ID of every part up to date and finds the clusters that all of them allow; empty: any.
fn cluster_requirements(state: &State, template: &mut Template) -> Result<BTreeSet<i32>, String> {
    let mut clusters = BTreeSet::new();
    if let Some(os) = template.vectors_mut("OS").next() {
        for base in ["KERNEL", "INITRD"] {
            if let Some(datastore) = os.id(&format!("{base}_DS_DSID")) {
                let found = join_ids(&clusters_of(state, Kind::Datastore, datastore));
                os.set(Name::of_parts(&[base, "_DS_CLUSTER_ID"]), found);
            }
            restrict(&mut clusters, os, &format!("{base}_DS_CLUSTER_ID")).map_err(|clash| match clash {
                Clash::Incompatible => {
                    format!(
                        "Incompatible cluster in {base} datastore, it should be in cluster {}.",
                        join_ids(&clusters)
                    )
                }
                Clash::Missing => format!("Missing clusters. {base} datastore is not in any cluster."),
            })?;
        }
    }
    let parts = [
        ("DISK", "DATASTORE_ID", Kind::Datastore, "DISK", "Datastore for DISK"),
        ("NIC", "NETWORK_ID", Kind::Net, "NIC", "Network for NIC"),
        ("PCI", "NETWORK_ID", Kind::Net, "PCI (TYPE=NIC)", "Network for PCI"),
    ];
    for (name, key, kind, noun, whose) in parts {
        for (i, part) in template.vectors_mut(name).enumerate() {
            if name == "PCI" && part.value("TYPE") != "NIC" {
                continue;
            }
            if let Some(id) = part.id(key) {
                part.set("CLUSTER_ID", join_ids(&clusters_of(state, kind, id)));
            }
            restrict(&mut clusters, part, "CLUSTER_ID").map_err(|clash| match clash {
                Clash::Incompatible => format!(
                    "Incompatible clusters in {noun}. {whose} {i} is not in the same cluster as the one used by other \
                     VM elements (cluster {})",
                    join_ids(&clusters)
                ),
                Clash::Missing => format!("Missing clusters. {whose} {i} is not in any cluster"),
            })?;
        }
    }
    Ok(clusters)
}

/// The system datastores that all images' datastores go with; empty: any.
fn datastore_requirements(state: &State, template: &Template) -> Result<BTreeSet<i32>, String> {
    let mut common = BTreeSet::new();
    for (i, disk) in template.vectors("DISK").enumerate() {
        let datastore = disk.id("DATASTORE_ID").and_then(|id| state.find(Kind::Datastore, id));
        let allowed = datastore.map(|ds| ids_in(ds.template.value("COMPATIBLE_SYS_DS"))).unwrap_or_default();
        if allowed.is_empty() {
            continue;
        }
        if common.is_empty() {
            common = allowed;
            continue;
        }
        let both: BTreeSet<i32> = common.intersection(&allowed).copied().collect();
        if both.is_empty() {
            return Err(format!(
                "Incompatible system datastore in DISK. Images Datastore for DISK {i} has not the same complatible \
                 system datastore(system datastores {})",
                join_ids(&common)
            ));
        }
        common = both;
    }
    Ok(common)
}

fn any_of(prefix: &str, ids: &BTreeSet<i32>) -> String {
    ids.iter().map(|id| format!("{prefix} {id}")).collect::<Vec<_>>().join(" | ")
}

/// Brings AUTOMATIC_REQUIREMENTS, AUTOMATIC_DS_REQUIREMENTS and AUTOMATIC_NIC_REQUIREMENTS up to date; answers the
/// clusters that the VM can be in (empty: any).
///
/// # Errors
/// The reference's text: parts that have no cluster or datastore in common.
pub fn automatic(state: &State, template: &mut Template, user: &Template) -> Result<BTreeSet<i32>, String> {
    for name in ["AUTOMATIC_REQUIREMENTS", "AUTOMATIC_DS_REQUIREMENTS", "AUTOMATIC_NIC_REQUIREMENTS"] {
        template.remove(name);
    }
    let clusters = cluster_requirements(state, template)?;
    let datastores = datastore_requirements(state, template)?;
    let mut hosts = String::new();
    if !clusters.is_empty() {
        let _ = write!(hosts, "({}) & ", any_of("CLUSTER_ID =", &clusters));
    }
    hosts.push_str("!(PUBLIC_CLOUD = YES)");
    hosts.push_str(if topology::is_pinned(template) {
        " & (PIN_POLICY = PINNED)"
    } else {
        " & !(PIN_POLICY = PINNED)"
    });
    let clouds: BTreeSet<&str> =
        user.vectors("PUBLIC_CLOUD").map(|c| c.value("TYPE")).filter(|t| !t.is_empty()).collect();
    if !clouds.is_empty() {
        let hypervisors: Vec<String> = clouds.iter().map(|cloud| format!("HYPERVISOR = {cloud}")).collect();
        let _ = write!(hosts, " | (PUBLIC_CLOUD = YES & ({}))", hypervisors.join(" | "));
    }
    template.add("AUTOMATIC_REQUIREMENTS", hosts);
    let mut stores = String::new();
    if !clusters.is_empty() {
        let _ = write!(stores, "({})", any_of("\"CLUSTERS/ID\" @>", &clusters));
        template.add("AUTOMATIC_NIC_REQUIREMENTS", &stores);
    }
    if !datastores.is_empty() {
        stores.push_str(if stores.is_empty() { "" } else { " & " });
        let _ = write!(stores, "({})", any_of("\"ID\" @>", &datastores));
    }
    if !stores.is_empty()
        && let Some(mode) = template.get("TM_MAD_SYSTEM")
    {
        let _ = write!(stores, " & (TM_MAD = \"{}\")", mode.trim());
    }
    if template.vectors("DISK").any(|disk| disk.is_yes("SHAREABLE")) {
        stores.push_str(if stores.is_empty() { "" } else { " & " });
        stores.push_str("(SHARED = \"YES\")");
    }
    if !stores.is_empty() {
        template.add("AUTOMATIC_DS_REQUIREMENTS", stores);
    }
    Ok(clusters)
}
