//! RAW sections: hypervisor configuration that a template passes through to the driver.
//!
//! The reference validates the DATA of KVM guests with libvirt's schema of domains. Without that schema Quorate checks
//! that DATA is well-formed and holds elements that a domain may have, and leaves the rest to libvirt.

use quick_xml::events::Event;
use quick_xml::reader::Reader;
use quorate_model::error::ApiError;
use quorate_model::settings::Settings;
use quorate_model::template::Template;

/// The elements that may stand directly in a libvirt domain.
const DOMAIN_ELEMENTS: [&str; 41] = [
    "blkiotune",
    "bootloader",
    "bootloader_args",
    "clock",
    "cpu",
    "cputune",
    "currentMemory",
    "defaultiothread",
    "description",
    "devices",
    "features",
    "genid",
    "idmap",
    "iothreadids",
    "iothreads",
    "keywrap",
    "launchSecurity",
    "maxMemory",
    "memory",
    "memoryBacking",
    "memtune",
    "metadata",
    "numatune",
    "on_crash",
    "on_lockfailure",
    "on_poweroff",
    "on_reboot",
    "os",
    "perf",
    "pm",
    "qemu:capabilities",
    "qemu:commandline",
    "qemu:deprecation",
    "qemu:override",
    "resource",
    "seclabel",
    "sysinfo",
    "title",
    "uuid",
    "vcpu",
    "vcpus",
];
/// The types of driver that make libvirt domains.
const LIBVIRT_TYPES: [&str; 2] = ["kvm", "qemu"];

/// Refuses a template whose RAW section (the first) is for an unknown hypervisor or does not fit a domain.
///
/// # Errors
/// For an unknown hypervisor, or a DATA that is none.
pub fn check_raw(settings: &Settings, template: &Template) -> Result<(), String> {
    let Some(raw) = template.vector("RAW") else { return Ok(()) };
    if raw.get("VALIDATE").is_some_and(|v| !v.is_empty() && !v.eq_ignore_ascii_case("YES")) {
        return Ok(());
    }
    let driver = raw.value("TYPE").to_lowercase();
    let Some(mad) = settings.all().vectors("VM_MAD").find(|mad| mad.value("NAME") == driver) else {
        return Err("Invalid RAW section: unsupported TYPE".to_owned());
    };
    if LIBVIRT_TYPES.contains(&mad.value("TYPE")) && !fits_domain(raw.value("DATA")) {
        return Err("Invalid RAW section: cannot validate DATA with domain.rng schema".to_owned());
    }
    Ok(())
}

/// Before a template is refused for its restricted attribute `restricted`: when that is RAW, what is no RAW section is
/// refused for that. The reference lets vectors pass as restricted (`Template.cc`, `check_restricted`) and validates
/// them all the same.
///
/// # Errors
/// INTERNAL with the reference's text.
pub fn check_restricted_raw(settings: &Settings, template: &Template, restricted: &str) -> Result<(), ApiError> {
    if restricted == "RAW" { check_raw(settings, template).map_err(ApiError::internal) } else { Ok(()) }
}

/// Whether `data` is well-formed XML of elements that may stand in a domain, and nothing else.
fn fits_domain(data: &str) -> bool {
    let mut reader = Reader::from_str(data);
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(e)) => {
                if depth == 0 && !DOMAIN_ELEMENTS.contains(&e.name().as_ref()) {
                    return false;
                }
                depth += 1;
            }
            Ok(Event::Empty(e)) if depth == 0 && !DOMAIN_ELEMENTS.contains(&e.name().as_ref()) => return false,
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(text)) if depth == 0 && !text.trim().is_empty() => return false,
            Ok(Event::CData(_) | Event::GeneralRef(_)) if depth == 0 => return false,
            Ok(Event::Decl(_) | Event::DocType(_)) => return false,
            Ok(Event::Eof) => return depth == 0,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
