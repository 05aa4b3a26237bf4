//! Which attributes may be kept encrypted: those that the zone itself never reads. It would read a sealed
//! text in place of a number or name: usage that nobody gives back, limits that do not hold.

/// Single values that the zone reads.
const READ: [&str; 82] = [
    "ACTION",
    "API_LIST_ORDER",
    "AUTOMATIC_DS_REQUIREMENTS",
    "AUTOMATIC_NIC_REQUIREMENTS",
    "AUTOMATIC_REQUIREMENTS",
    "BASE_PATH",
    "BRIDGE",
    "CLONE_TARGET",
    "CLUSTER_IDS",
    "COMPATIBLE_SYS_DS",
    "CPU",
    "CPU_COST",
    "CREATED_BY",
    "DATASTORE_CAPACITY_CHECK",
    "DEFAULT_IMAGE_PERSISTENT",
    "DEFAULT_IMAGE_PERSISTENT_NEW",
    "DEPLOY_ID",
    "DEV_PREFIX",
    "DISK_COST",
    "DISK_TYPE",
    "DRIVER",
    "DS_MAD",
    "DS_MIGRATE",
    "EMULATOR",
    "FORMAT",
    "FROM_APP",
    "FROM_BACKUP_DS",
    "HOST",
    "HYPERVISOR",
    "IMPORTED",
    "IPAM_MAD",
    "ISOLCPUS",
    "KEEPALIVED_ID",
    "LIMIT_MB",
    "LN_TARGET",
    "MEMORY",
    "MEMORY_COST",
    "MEMORY_MAX",
    "MEMORY_RESIZE_MODE",
    "MEMORY_SLOTS",
    "NAME",
    "OUTER_VLAN_ID",
    "OWNED_SIZE_MAX",
    "PATH",
    "PERSISTENT",
    "PERSISTENT_TYPE",
    "PHYDEV",
    "PORT",
    "PUBLIC_CLOUD",
    "READONLY",
    "REQUIREMENTS",
    "RESERVED_CPU",
    "RESERVED_MEM",
    "RESTRICTED_DIRS",
    "SAFE_DIRS",
    "SAVED_VM_ID",
    "SAVE_AS_HOT",
    "SCHED_DS_REQUIREMENTS",
    "SCHED_REQUIREMENTS",
    "SECURITY_GROUPS",
    "SHARED",
    "SIZE",
    "SOURCE",
    "SUBMIT_ON_HOLD",
    "TARGET",
    "TEMPLATE_ID",
    "TEMPLATE_NAME",
    "TM_MAD",
    "TM_MAD_SYSTEM",
    "TYPE",
    "UMASK",
    "VCPU",
    "VCPU_MAX",
    "VLAN_ID",
    "VMID",
    "VMS_THREAD",
    "VM_ADMIN_OPERATIONS",
    "VM_MANAGE_OPERATIONS",
    "VM_USE_OPERATIONS",
    "VN_MAD",
    "VROUTER",
    "VROUTER_ID",
];

/// Single values that it reads, once for each transfer mode: the mode follows (`LN_TARGET_SSH`).
const READ_BY_MODE: [&str; 3] = ["CLONE_TARGET_", "DISK_TYPE_", "LN_TARGET_"];

/// Vectors of which it reads any part.
const READ_VECTORS: [&str; 20] = [
    "AR",
    "BACKUP_CONFIG",
    "CPU_MODEL",
    "DISK",
    "FEATURES",
    "NIC",
    "NIC_ALIAS",
    "NIC_DEFAULT",
    "NUMA_NODE",
    "OPENNEBULA",
    "OS",
    "PCI",
    "RAW",
    "RESIZE",
    "RULE",
    "SCHED_ACTION",
    "SECURITY_GROUP_RULE",
    "SNAPSHOT",
    "TOPOLOGY",
    "VNET_UPDATE",
];

/// Parts that it reads of vectors that hold secrets, too.
const READ_PARTS: [(&str, &[&str]); 3] = [
    ("CONTEXT", &["DEV_PREFIX", "DISK_ID", "FILES", "FILES_DS", "NETWORK", "TARGET", "TOKEN"]),
    ("GRAPHICS", &["LISTEN", "PORT", "TYPE"]),
    ("VMGROUP", &["ROLE", "VMGROUP_ID", "VMGROUP_NAME", "VMGROUP_UID"]),
];

/// Whether an attribute, or a part of a vector (`VECTOR/NAME`), may be kept encrypted.
#[must_use]
pub fn may_be_sealed(path: &str) -> bool {
    match path.split_once('/') {
        None => {
            let by_mode = READ_BY_MODE.iter().any(|name| path.starts_with(name));
            !READ.contains(&path) && !by_mode && !READ_VECTORS.contains(&path)
        }
        Some((vector, part)) => {
            let read = |(name, parts): &(&str, &[&str])| *name == vector && parts.contains(&part);
            !READ_VECTORS.contains(&vector) && !READ_PARTS.iter().any(read)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_zone_computes_with_stays_in_clear() {
        for path in [
            "MEMORY",
            "CPU",
            "DISK/SIZE",
            "NIC/NETWORK_ID",
            "OS/UUID",
            "VMID",
            "OWNED_SIZE_MAX",
            "CONTEXT/TOKEN",
            "PERSISTENT",
            "LN_TARGET_SSH",
            "DISK_TYPE_SHARED",
            "VMGROUP/VMGROUP_UID",
            "SAFE_DIRS",
        ] {
            assert!(!may_be_sealed(path), "{path}");
        }
        for path in
            ["CONTEXT/PASSWORD", "GRAPHICS/PASSWD", "SSH_PRIVATE_KEY", "PROVISION/PACKET_TOKEN", "RESTIC_PASSWORD"]
        {
            assert!(may_be_sealed(path), "{path}");
        }
    }
}
