//! GRAPHICS: the port and the password of the console.

use quorate_model::template::{Attribute, Template, VectorAttribute, whole_int};

use crate::txn::Txn;

/// Longest password, in bytes, by type of console.
const MAX_PASSWORD: [(&str, usize); 2] = [("spice", 60), ("vnc", 8)];

/// Moves GRAPHICS (the first vector) from one template to another, checked and completed.
///
/// # Errors
/// A GRAPHICS that cannot be completed: see [`complete`].
pub fn take(txn: &mut Txn, from: &mut Template, to: &mut Template) -> Result<(), String> {
    let Some(mut graphics) = from.vector("GRAPHICS").cloned() else { return Ok(()) };
    from.remove("GRAPHICS");
    complete(txn, &mut graphics)?;
    to.remove("GRAPHICS");
    to.push("GRAPHICS", Attribute::Vector(graphics));
    Ok(())
}

/// Checks PORT, makes a password where one is wanted, and cuts it to what the console takes.
///
/// # Errors
/// A PORT that is no port's number.
pub fn complete(txn: &mut Txn, graphics: &mut VectorAttribute) -> Result<(), String> {
    let port = graphics.value("PORT");
    if !port.is_empty() && whole_int(port).is_none_or(|port| !(0..=65535).contains(&port)) {
        return Err("Wrong PORT number in GRAPHICS attribute".to_owned());
    }
    if graphics.is_yes("RANDOM_PASSWD") && graphics.value("PASSWD").is_empty() {
        let password: String = txn.random().iter().map(|byte| format!("{byte:02x}")).collect();
        graphics.set("PASSWD", password);
    }
    let ty = graphics.value("TYPE").to_ascii_lowercase();
    let password = graphics.value("PASSWD");
    let limit = MAX_PASSWORD.iter().find(|(name, _)| *name == ty).map_or(usize::MAX, |(_, limit)| *limit);
    if password.len() > limit {
        let end = (0..=limit).rev().find(|end| password.is_char_boundary(*end)).unwrap_or(0);
        let cut = password[..end].to_owned();
        graphics.set("PASSWD", cut);
    }
    Ok(())
}
