//! CPU, MEMORY, VCPU and what they cost: checked and moved from the user's template.

use crate::template::{Template, whole_int};

/// Takes an integer that must be above zero.
fn positive(template: &Template, name: &str) -> Option<i64> {
    template.get(name).and_then(whole_int).filter(|n| *n > 0)
}

/// The number that a single value is. As in the reference, a 32-bit float.
fn float(template: &Template, name: &str) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation)]
    template.float(name).map(|number| number as f32).filter(|number| number.is_finite())
}

/// A float as C++ streams write it: six significant digits, no trailing zeros.
#[must_use]
pub fn float_text(number: f32) -> String {
    if number == 0.0 || !number.is_finite() {
        return "0".to_owned();
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        let text = format!("{number:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}

/// Moves capacity and costs.
///
/// # Errors
/// The reference's text.
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
        let vcpu = positive(user, "VCPU").ok_or("VCPU attribute must be a positive integer value.")?;
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

/// As in the reference, what is no positive number stays with the user.
fn take_if_positive(user: &mut Template, template: &mut Template, name: &str) {
    if let Some(number) = positive(user, name) {
        user.remove(name);
        template.add(name, number);
    }
}

#[cfg(test)]
mod tests {
    use super::float_text;

    #[test]
    fn floats_print_as_streams_print_them() {
        let cases = [(0.5, "0.5"), (1.0, "1"), (0.1, "0.1"), (1.25, "1.25"), (1e6, "1e+06"), (123456.0, "123456")];
        for (number, text) in cases {
            assert_eq!(float_text(number), text);
        }
        assert_eq!(float_text(0.333_333_34), "0.333333");
        assert_eq!(float_text(0.00001), "1e-05");
        assert_eq!(float_text(0.0001), "0.0001");
    }
}
