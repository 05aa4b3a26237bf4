//! Pool `info`: which objects of a pool a caller sees, in which order, which page.
//!
//! Follows the reference's `PoolSQL` filters: owner, group and other USE bits, rules; administrators see all.

use bytes::Bytes;
use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::{Form, Op, Standing};
use quorate_model::kind::Kind;
use quorate_model::object::{Object, escape_document};

use crate::authorize::Rights;
use crate::methods::{Request, View};
use crate::state::Pooled;

/// The objects of the caller's primary group, whatever its rights.
pub const GROUP: i32 = -4;
/// The caller's own objects.
pub const MINE: i32 = -3;
/// Every visible object.
pub const ALL: i32 = -2;
/// The caller's own objects and those of its groups that it sees.
pub const MINE_GROUP: i32 = -1;

/// The document of monitoring samples, of one object or of a pool. Samples stay with the node that takes them and are
/// not
/// replicated, and nothing keeps them yet.
pub const NO_SAMPLES: &str = "<MONITORING_DATA></MONITORING_DATA>";

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// First id, or the offset when `end` is below -1; negative: from the beginning.
    pub start: i32,
    /// Last id; -1: to the end; below -1: minus the size of a page.
    pub end: i32,
}

/// A pool listing with parameters filter flag, start and end.
pub fn pool_info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let range = Range { start: request.int(1), end: request.int(2) };
    let objects = select(view, request.kind(), request.int(0), range, |_| true)?;
    Ok(document(request.kind().info().pool_element, objects, Form::Short))
}

/// A pool listing without parameters: everything the caller sees.
pub fn pool_all(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let objects = select(view, request.kind(), ALL, Range { start: -1, end: -1 }, |_| true)?;
    Ok(document(request.kind().info().pool_element, objects, Form::Short))
}

/// Whether a caller's listings begin with the newest object: API_LIST_ORDER of its own configuration, its group's or
/// the
/// zone's.
fn newest_first(view: &View<'_>) -> bool {
    const NAME: &str = "API_LIST_ORDER";
    let user = view.state.find(Kind::User, view.actor.uid);
    let group = view.state.find(Kind::Group, view.state.effective_gid(view.actor));
    let own = [user, group].into_iter().flatten();
    let order = own.filter_map(|object| object.template.vector("OPENNEBULA")).find_map(|conf| conf.get(NAME));
    order.unwrap_or_else(|| view.state.settings().value(NAME)).eq_ignore_ascii_case("DESC")
}

/// The visible objects of a pool that `keep` keeps, in the caller's order of ids, cut to `range`.
///
/// # Errors
/// XML_RPC_API for an unknown filter flag.
pub fn select<'a>(
    view: &View<'a>,
    kind: Kind,
    filter: i32,
    range: Range,
    keep: impl Fn(&Object) -> bool,
) -> Result<Vec<&'a Object>, ApiError> {
    if filter < GROUP {
        return Err(ApiError::api("Incorrect filter_flag"));
    }
    let sight = Sight::new(view, kind, filter);
    let paged = range.end < -1;
    // As in the reference (`PoolSQL.cc`, `oid_filter`): -1 as start asks for everything, whatever the end. A page
    // counts objects, not ids (`dump` there).
    let in_ids = |id: i32| paged || range.start == -1 || id >= range.start && (range.end == -1 || id <= range.end);
    // In this order: `keep` looks into the objects, which takes longest.
    let seen =
        |(id, object): (&i32, &'a Pooled)| (in_ids(*id) && sight.sees(object) && keep(object)).then_some(&**object);
    let all = view.state.pool(kind).iter();
    let (offset, size) = if paged {
        (usize::try_from(range.start).unwrap_or(0), usize::try_from(range.end.unsigned_abs()).unwrap_or(usize::MAX))
    } else {
        (0, usize::MAX)
    };
    Ok(if newest_first(view) {
        all.rev().filter_map(seen).skip(offset).take(size).collect()
    } else {
        all.filter_map(seen).skip(offset).take(size).collect()
    })
}

/// A pool document of these objects; shares their cached XML.
#[must_use]
pub fn document(element: &str, objects: Vec<&Object>, form: Form) -> Value {
    let mut segments: Vec<Bytes> = Vec::with_capacity(objects.len() + 2);
    segments.push(escape_document(&format!("<{element}>")));
    segments.extend(objects.iter().map(|o| o.rendered(form)));
    segments.push(escape_document(&format!("</{element}>")));
    Value::Xml(segments)
}

/// A pool listing of everything the caller sees, with `appendix` before its end.
///
/// # Errors
/// Those of [`select`].
pub fn pool_with_appendix(view: &View<'_>, kind: Kind, appendix: &str) -> ApiReply {
    let objects = select(view, kind, ALL, Range { start: -1, end: -1 }, |_| true)?;
    let mut value = document(kind.info().pool_element, objects, Form::Short);
    if let Value::Xml(segments) = &mut value {
        segments.insert(segments.len() - 1, escape_document(appendix));
    }
    Ok(value)
}

/// An object in full, with `appendix` before its end; shares the cached XML.
#[must_use]
pub fn with_appendix(object: &Object, appendix: &str) -> Value {
    let full = object.rendered(Form::Full);
    let end = escape_document(&format!("</{}>", object.kind().info().element));
    let inner = full.slice(..full.len() - end.len());
    Value::Xml(vec![inner, escape_document(appendix), end])
}

/// What a caller sees of a pool under a filter flag.
pub struct Sight<'a> {
    rights: Rights<'a>,
    filter: i32,
    uid: i32,
    primary: i32,
}

impl<'a> Sight<'a> {
    /// Prepares the caller's groups and rules once.
    #[must_use]
    pub fn new(view: &'a View<'a>, kind: Kind, filter: i32) -> Sight<'a> {
        let rights = Rights::new(view.state, view.actor, kind, Op::Use);
        let primary = view.state.effective_gid(view.actor);
        Sight { rights, filter, uid: view.actor.uid, primary }
    }

    /// Whether the caller sees `object`: its own ones always, as in the reference (`PoolSQL.cc`, `usr_filter`).
    #[must_use]
    pub fn sees(&self, object: &Pooled) -> bool {
        let Standing { uid, gid, .. } = object.standing();
        let (own, may_use) = (uid == self.uid, || self.rights.on(object));
        match self.filter {
            MINE => own,
            GROUP => gid == self.primary,
            ALL => own || may_use(),
            MINE_GROUP => own || self.rights.groups().contains(&gid) && may_use(),
            owner => uid == owner && (own || may_use()),
        }
    }
}
