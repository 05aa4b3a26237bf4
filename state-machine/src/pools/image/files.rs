//! Files for VMs: images of file datastores named by `$FILE[...]` in OS and CONTEXT.
//!
//! It must not know the rest of a VM's template.

use quorate_model::clean::Name;
use quorate_model::command::Actor;
use quorate_model::head::Op;
use quorate_model::ids::join_ids;
use quorate_model::kind::Kind;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::{ImageType, State as ImageState};
use quorate_model::template::{VectorAttribute, leading_int};

use super::usage;
use crate::authorize::{self, Request as AuthRequest};
use crate::state::State;
use crate::txn::Txn;

/// Finding a file and asking for the right to use it is so many times the work of a look at a vector.
const STEPS_PER_FILE: u64 = 16;

/// Looks up OS/`<base>`_DS (base KERNEL or INITRD) for a VM of `uid` and fills in where the file is.
///
/// # Errors
/// Those of [`file_images`]; there is not exactly one file, it is of another type, not READY, or its datastore is gone.
pub fn os_file(txn: &Txn, uid: i32, os: &mut VectorAttribute, base: &'static str) -> Result<(), String> {
    let text = os.value(&format!("{base}_DS")).to_owned();
    if text.is_empty() {
        return Ok(());
    }
    let ids = file_images(txn, uid, &text)?;
    let [id] = ids[..] else { return Err(format!("Only one FILE variable can be used in: {text}")) };
    let Some((_, image)) = txn.find_typed::<Image>(id) else {
        return Err(format!("Image no longer exists in attribute: {text}"));
    };
    txn.budget().bytes(image.source.len() as u64)?;
    os.remove(base);
    let part = |end: &'static str| Name::of_parts(&[base, end]);
    os.set(part("_DS_ID"), id).set(part("_DS_SOURCE"), &image.source);
    os.set(part("_DS_DSID"), image.datastore);
    let needed = if base == "KERNEL" { ImageType::Kernel } else { ImageType::Ramdisk };
    let found = image.image_type.name();
    if image.image_type != needed {
        return Err(format!("{base} needs an image of type {} and not {found}", needed.name()));
    }
    if image.state != ImageState::Ready {
        return Err(format!("{found} Image '{id} 'not in READY state."));
    }
    let Some((_, datastore)) = txn.find_typed::<Datastore>(image.datastore) else {
        return Err("Associated datastore for image does not exist".to_owned());
    };
    os.set(part("_DS_TM"), &datastore.tm_mad);
    if !datastore.clusters.is_empty() {
        os.set(part("_DS_CLUSTER_ID"), join_ids(&datastore.clusters));
    }
    Ok(())
}

/// What CONTEXT/FILES_DS becomes for a VM of `uid`: the files' sources and names. Empty: leave it out.
///
/// # Errors
/// Those of [`file_images`]; a file is of another type or not READY.
pub fn context_files(txn: &Txn, uid: i32, text: &str) -> Result<String, String> {
    let mut parsed = String::new();
    for id in file_images(txn, uid, text)? {
        let Some((object, image)) = txn.find_typed::<Image>(id) else { continue };
        if image.image_type != ImageType::Context {
            return Err("Only images of type CONTEXT can be used in FILE_DS attribute.".to_owned());
        }
        if image.state != ImageState::Ready {
            return Err(format!("CONTEXT Image '{id}' not in READY state."));
        }
        let file = format!("{}:'{}' ", image.source, object.name);
        txn.budget().bytes(file.len() as u64)?;
        parsed.push_str(&file);
    }
    Ok(parsed)
}

/// The images that `$FILE[...]` variables name, in order, if `uid` may use them all.
///
/// # Errors
/// The text is no list of variables, one of them names no image, or `uid` may not use it.
pub fn file_images(txn: &Txn, uid: i32, text: &str) -> Result<Vec<i32>, String> {
    let text = text.trim_start();
    let failed = |reason: String| format!("Error parsing: {text}. {reason}");
    let mut rest = text;
    let mut ids = Vec::new();
    while !rest.is_empty() || ids.is_empty() {
        let (variable, after) = parse_variable(rest).ok_or_else(|| failed(syntax_error(text, rest)))?;
        txn.budget().steps(STEPS_PER_FILE)?;
        ids.push(variable.image(txn, uid).map_err(failed)?);
        rest = after;
    }
    Ok(ids)
}

/// The reference's parser says where; its token names are those of its grammar.
fn syntax_error(text: &str, rest: &str) -> String {
    let column = text.len().saturating_sub(rest.len());
    if rest.is_empty() {
        return format!("syntax error, unexpected $end, expecting VARIABLE at line 1, columns {column}:{column}");
    }
    let found = if rest.starts_with('$') { "$undefined" } else { "RSTRING" };
    format!("syntax error, unexpected {found}, expecting VARIABLE at line 1, columns {column}:{}", text.len())
}

/// `$NAME[A=V]` or `$NAME[A=V,A=V]`
struct Variable<'a> {
    name: &'a str,
    keys: VectorAttribute,
    first: String,
}

/// Reads a variable and the one character that ends it.
fn parse_variable(text: &str) -> Option<(Variable<'_>, &str)> {
    let (name, mut rest) = word(text.strip_prefix('$')?, |c| c.is_ascii_alphanumeric() || c == '_')?;
    rest = blanks(rest.strip_prefix('[')?);
    let mut keys = VectorAttribute::new();
    let mut first = String::new();
    for nth in 0..2 {
        let (key, after) = word(rest, |c| c.is_ascii_alphanumeric() || c == '_')?;
        let after = blanks(blanks(after).strip_prefix('=')?);
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => word(after, |c| c.is_ascii_alphanumeric())?,
        };
        let key = Name::new(key.to_ascii_uppercase())?;
        if nth == 0 {
            first = key.to_string();
        }
        keys.set(&key, value);
        rest = blanks(after);
        match rest.strip_prefix(',') {
            Some(more) if nth == 0 => rest = blanks(more),
            _ => break,
        }
    }
    rest = rest.strip_prefix(']')?;
    // What could go on inside a variable does not end it.
    let goes_on = |c: char| c == '[' || c == '_' || c.is_ascii_alphanumeric();
    if rest.starts_with(goes_on) || blanks(rest).starts_with([',', '=', ']']) {
        return None;
    }
    let mut after = rest.chars();
    after.next();
    // A variable that follows at once needs its `$`.
    let after = if rest.starts_with('$') { rest } else { after.as_str() };
    Some((Variable { name, keys, first }, after))
}

fn word(text: &str, part: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let end = text.find(|c| !part(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

impl Variable<'_> {
    fn image(&self, state: &State, uid: i32) -> Result<i32, String> {
        if !self.name.eq_ignore_ascii_case("FILE") {
            return Err("Must use FILE variable for attribute.".to_owned());
        }
        let id = match self.first.as_str() {
            "IMAGE" => {
                let name = self.keys.value("IMAGE");
                let owner = usage::owner_of(state, uid, &self.keys).unwrap_or(-1);
                state.id_of(Kind::Image, owner, name).ok_or_else(|| {
                    format!(
                        "User {owner} does not own an image with name: {name} . Set IMAGE_UNAME or IMAGE_UID of owner."
                    )
                })?
            }
            "IMAGE_ID" => {
                let number = leading_int(self.keys.value("IMAGE_ID"));
                let known =
                    number.and_then(|n| i32::try_from(n).ok()).filter(|id| state.find(Kind::Image, *id).is_some());
                known.ok_or_else(|| format!("Image with ID: {} does not exist", number.unwrap_or(0)))?
            }
            _ => return Err("Cannot get image, set IMAGE_ID or IMAGE.".to_owned()),
        };
        let actor = Actor { uid, token_gid: -1, credential: 0 };
        let object = state.object(Kind::Image, id).map_err(|e| e.text)?;
        let allowed = authorize::authorize(state, &actor, &[AuthRequest::on(object, Op::Use)]);
        allowed.map(|()| id).map_err(|_| "User not authorize to use image.".to_owned())
    }
}
