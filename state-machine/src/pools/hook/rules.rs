//! What a hook may wait for: API calls, or states of VMs, hosts, images and networks. Checks hooks' templates.
//!
//! The reference words the same fault differently at allocate, at update and when it reads a hook back; so do these.

use quorate_model::records::hook::{HookType, Resource};
use quorate_model::records::host::state::HostState;
use quorate_model::records::image::states::State as ImageState;
use quorate_model::records::vm::state::{LcmState, State as VmState};
use quorate_model::records::vnet::State as NetState;
use quorate_model::template::Template;

/// The type that a new hook's template describes; `None` when TYPE is neither.
///
/// # Errors
/// What is wrong with its RESOURCE.
pub fn type_of(template: &Template, type_name: &str) -> Option<Result<HookType, String>> {
    match type_name {
        "api" => Some(Ok(HookType::Api)),
        "state" => Some(resource_of(template).map(HookType::State)),
        _ => None,
    }
}

fn resource_of(template: &Template) -> Result<Resource, String> {
    match template.value("RESOURCE") {
        "" => Err("RESOURCE attribute is required for STATE hooks.".to_owned()),
        name => Resource::named(name).ok_or_else(|| format!("Invalid resource type: {name}")),
    }
}

/// Calls that fetch documents: no hook may wait for them. The reference lists them one by one.
const FETCHING: [&str; 43] = [
    "one.vm.info",
    "one.vmpool.info",
    "one.vmpool.infoextended",
    "one.template.info",
    "one.templatepool.info",
    "one.host.info",
    "one.hostpool.info",
    "one.group.info",
    "one.grouppool.info",
    "one.groupquota.info",
    "one.vn.info",
    "one.vnpool.info",
    "one.user.info",
    "one.userpool.info",
    "one.userquota.info",
    "one.datastore.info",
    "one.datastorepool.info",
    "one.image.info",
    "one.imagepool.info",
    "one.acl.info",
    "one.vntemplate.info",
    "one.vntemplatepool.info",
    "one.cluster.info",
    "one.clusterpool.info",
    "one.document.info",
    "one.documentpool.info",
    "one.zone.info",
    "one.zonepool.info",
    "one.secgroup.info",
    "one.secgrouppool.info",
    "one.vmgroup.info",
    "one.vmgrouppool.info",
    "one.vdc.info",
    "one.vdcpool.info",
    "one.vrouter.info",
    "one.vrouterpool.info",
    "one.market.info",
    "one.marketpool.info",
    "one.marketapp.info",
    "one.marketapppool.info",
    "one.hook.info",
    "one.hookpool.info",
    "one.hooklog.info",
];

/// Tells whether the API has a method of a name ([`crate::txn::Txn::methods`]): hooks stand below the table of all
/// rows.
type Methods = fn(&str) -> bool;

/// Whether a hook may wait for calls of a method.
fn is_hookable(methods: Methods, method: &str) -> bool {
    methods(method) && !FETCHING.contains(&method)
}

/// An image's state by the reference's name of it; INIT is none to wait for.
fn image_state(name: &str) -> Option<ImageState> {
    use ImageState as S;
    let all = [
        ("READY", S::Ready),
        ("USED", S::Used),
        ("DISABLED", S::Disabled),
        ("LOCKED", S::Locked),
        ("ERROR", S::Error),
        ("CLONE", S::Clone),
        ("DELETE", S::Delete),
        ("USED_PERS", S::UsedPersistent),
        ("LOCKED_USED", S::LockedUsed),
        ("LOCKED_USED_PERS", S::LockedUsedPersistent),
    ];
    all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, state)| state)
}

/// A network's state by name, which must be in upper case; UPDATE_FAILURE is none to wait for (the reference:
/// `include/VirtualNetwork.h`, `str_to_state`).
fn net_state(name: &str) -> Option<NetState> {
    let all = [NetState::Ready, NetState::LockCreate, NetState::LockDelete, NetState::Done, NetState::Error];
    all.into_iter().find(|state| state.name() == name)
}

/// Checks what a new hook waits for and puts it into the reference's form.
///
/// # Errors
/// That there is no such call or state, or that none can be waited for, in the reference's words.
pub fn check_new(methods: Methods, hook_type: HookType, template: &mut Template) -> Result<(), String> {
    let state = template.value("STATE").to_owned();
    let upper = state.to_ascii_uppercase();
    match hook_type {
        HookType::Api => {
            let call = template.value("CALL").to_owned();
            if !is_hookable(methods, &call) {
                return Err(format!("API call does not exist or is not supported: {call}"));
            }
            template.set("CALL", call);
        }
        HookType::State(Resource::Vm) => {
            let (state, lcm) = vm_condition(template)?;
            template.set("STATE", state.name());
            template.set("LCM_STATE", lcm.name());
        }
        HookType::State(Resource::Host) => {
            let state = HostState::named(&upper).ok_or_else(|| format!("Invalid STATE: {upper}"))?;
            template.set("STATE", state.name());
        }
        HookType::State(Resource::Image) => {
            if template.get("STATE").is_none() {
                return Err("Hook STATE attribute not found or invalid".to_owned());
            }
            let state = image_state(&upper).ok_or_else(|| format!("Invalid or unkown STATE condition: {upper}"))?;
            template.set("STATE", state.name());
        }
        HookType::State(Resource::Net) => {
            let state = net_state(&state).ok_or_else(|| format!("Invalid STATE: {state}"))?;
            template.set("STATE", state.name());
        }
    }
    Ok(())
}

/// The states that ON means, which the template loses: one of a few events, or CUSTOM with STATE and LCM_STATE.
fn vm_condition(template: &mut Template) -> Result<(VmState, LcmState), String> {
    let on = template.take("ON").unwrap_or_default().to_ascii_uppercase();
    Ok(match on.as_str() {
        "PROLOG" => (VmState::Active, LcmState::Prolog),
        "RUNNING" => (VmState::Active, LcmState::Running),
        "SHUTDOWN" => (VmState::Active, LcmState::Epilog),
        "STOP" => (VmState::Stopped, LcmState::LcmInit),
        "DONE" => (VmState::Done, LcmState::LcmInit),
        "UNKNOWN" => (VmState::Active, LcmState::Unknown),
        "CUSTOM" => {
            let (state, lcm) = (template.value("STATE"), template.value("LCM_STATE"));
            (
                VmState::parse(state).ok_or_else(|| format!("Wrong STATE: {}", state.to_ascii_uppercase()))?,
                LcmState::parse(lcm).ok_or_else(|| format!("Wrong LCM_STATE: {}", lcm.to_ascii_uppercase()))?,
            )
        }
        _ => return Err(format!("Unkown state condition: {on}")),
    })
}

/// Checks what an updated hook waits for, first as the hook it was. What it turns into must be readable: the reference
/// would lose a hook that is not.
///
/// # Errors
/// That there is no such call or state, or that what it turned into could not be read back, in the reference's words.
pub fn check_updated(methods: Methods, was: HookType, template: &mut Template) -> Result<HookType, String> {
    let undefined = |name: &str| format!("The {name} attribute is not defined or it's invalid.");
    let upper = |name: &str| template.value(name).to_ascii_uppercase();
    match was {
        HookType::Api => {
            if !is_hookable(methods, template.value("CALL")) {
                return Err(undefined("CALL"));
            }
            return Ok(was);
        }
        HookType::State(Resource::Vm) => {
            let (state, lcm) = (upper("STATE"), upper("LCM_STATE"));
            VmState::parse(&state).ok_or_else(|| undefined("STATE"))?;
            LcmState::parse(&lcm).ok_or_else(|| undefined("LCM_STATE"))?;
            template.set("STATE", state);
            template.set("LCM_STATE", lcm);
        }
        HookType::State(Resource::Host) => {
            let state = upper("STATE");
            HostState::named(&state).ok_or_else(|| undefined("STATE"))?;
            template.set("STATE", state);
        }
        HookType::State(Resource::Image) => {
            let state = upper("STATE");
            template.get("STATE").ok_or_else(|| undefined("STATE"))?;
            if image_state(&state).is_some() {
                template.set("STATE", state);
            }
        }
        HookType::State(Resource::Net) => {
            template.get("STATE").ok_or_else(|| undefined("STATE"))?;
        }
    }
    let resource = resource_of(template)?;
    check_readable(resource, template)?;
    Ok(HookType::State(resource))
}

fn check_readable(resource: Resource, template: &Template) -> Result<(), String> {
    let state = template.value("STATE");
    let readable = match resource {
        Resource::Vm => {
            let both = VmState::parse(state).is_some() && LcmState::parse(template.value("LCM_STATE")).is_some();
            return if both { Ok(()) } else { Err("Invalid VM state".to_owned()) };
        }
        Resource::Host => {
            let upper = state.to_ascii_uppercase();
            return HostState::named(&upper).map(|_| ()).ok_or_else(|| format!("Invalid STATE: {upper}"));
        }
        Resource::Image => image_state(state).is_some(),
        Resource::Net => net_state(state).is_some(),
    };
    if readable { Ok(()) } else { Err("Invalid or unknown STATE attribute".to_owned()) }
}

/// A flag as templates have it.
pub fn yes_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}
