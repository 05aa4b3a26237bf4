//! CPU, MEMORY, VCPU and what they cost: checked and moved from the user's template.

use quorate_model::template::{Template, float_text, whole_int};

/// Takes an integer that must be above zero.
fn positive(template: &Template, name: &str) -> Option<i64> {
    template.get(name).and_then(whole_int).filter(|n| *n > 0)
}

/// The number that a single value is. As in the reference (`VirtualMachine::insert`), a 32-bit float.
fn float(template: &Template, name: &str) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation)]
    template.float(name).map(|number| number as f32).filter(|number| number.is_finite())
}

/// Moves capacity and costs.
///
/// # Errors
/// CPU or MEMORY that is no positive number, an unknown MEMORY_RESIZE_MODE, a negative cost.
pub fn take(user: &mut Template, template: &mut Template) -> Result<(), String> {
    let memory = positive(user, "MEMORY").ok_or("MEMORY attribute must be a positive integer value.")?;
    user.remove("MEMORY");
    template.add("MEMORY", memory);
    if let Some(mode) = user.get("MEMORY_RESIZE_MODE") {
        let mode = mode.to_uppercase();
        if mode != "BALLOONING" && mode != "HOTPLUG" {
            return Err(format!("Unknown MEMORY_RESIZE_MODE: {mode}"));
        }
        user.remove("MEMORY_RESIZE_MODE");
        template.add("MEMORY_RESIZE_MODE", mode);
    }
    take_if_positive(user, template, "MEMORY_MAX");
    take_if_positive(user, template, "MEMORY_SLOTS");
    let cpu = float(user, "CPU").filter(|cpu| *cpu > 0.0);
    let cpu = cpu.ok_or("CPU attribute must be a positive float or integer value.")?;
    user.remove("CPU");
    template.add("CPU", float_text(cpu));
    if !user.value("VCPU").is_empty() {
        // As in the reference (`VirtualMachine::insert`), a 32-bit integer.
        let vcpu = positive(user, "VCPU").filter(|vcpu| i32::try_from(*vcpu).is_ok());
        let vcpu = vcpu.ok_or("VCPU attribute must be a positive integer value.")?;
        user.remove("VCPU");
        template.add("VCPU", vcpu);
    }
    take_if_positive(user, template, "VCPU_MAX");
    for name in ["CPU_COST", "MEMORY_COST", "DISK_COST"] {
        let Some(cost) = float(user, name) else { continue };
        if cost < 0.0 {
            return Err(format!("{name} attribute must be a positive float or integer value."));
        }
        user.remove(name);
        template.add(name, float_text(cost));
    }
    Ok(())
}

/// As in the reference (`VirtualMachine::insert`), what is no positive number stays with the user.
fn take_if_positive(user: &mut Template, template: &mut Template, name: &'static str) {
    if let Some(number) = positive(user, name) {
        user.remove(name);
        template.add(name, number);
    }
}
