//! Whether a call is admitted, and how it is answered then: one way for whoever takes calls, the gateway and tests alike,
//! and once more for apply, which decides.
//!
//! Who calls is known already ([`crate::login`]). It must not change anything, nor carry a call out.

use quorate_model::api::Arg;
use quorate_model::command::{Actor, Call, SYSTEM};
use quorate_model::error::{ApiError, ErrorCode};
use quorate_model::kind::{Kind, LOCAL_ZONE};
use quorate_model::records::zone::Zone;

use super::arguments;
use crate::authorize::{self, Request as AuthRequest};
use crate::methods::{Ask, Handler, Method, Need, NodeReply, Reading, Request, View, Writing};
use crate::state::State;
use crate::{login, table};

/// How an admitted call is answered.
pub enum Admitted<'a> {
    /// From the state on which it was admitted.
    Read(Reading, Request<'a>),
    /// By proposing it.
    Write,
    /// By proposing it, once this is known.
    Ask(Ask),
    /// By the node that was asked, about itself.
    Node(NodeReply),
}

/// How a call is answered, by somebody whom `view.state` knows. Of a call that writes this is a forecast: apply decides.
///
/// # Errors
/// INTERNAL when the arguments do not fit the row, or the zone does not take the call; NO_EXISTS or AUTHORIZATION when
/// the row's needs are not met or an argument is too long.
pub fn admit<'a>(view: &View<'_>, method: &'static Method, args: &'a [Arg]) -> Result<Admitted<'a>, ApiError> {
    let request = Request::new(method, args)?;
    check(view.state, view.actor, &request)?;
    Ok(match method.handler {
        Handler::Read(reading) => Admitted::Read(reading, request),
        Handler::Node(reply) => Admitted::Node(reply),
        Handler::Write(_) => {
            method.asking.and_then(|asking| asking(view, &request)).map_or(Admitted::Write, Admitted::Ask)
        }
    })
}

/// The handler of a call out of the log, once it is admitted on the state on which it is carried out. Calls of the system
/// itself need no rights, and have rows of their own.
///
/// # Errors
/// As [`admit`]; AUTHENTICATION when the credential of its caller does not count any more.
pub fn admit_entry<'a>(state: &State, call: &'a Call) -> Result<(Writing, Request<'a>), ApiError> {
    let internal = call.actor.uid == SYSTEM;
    if !internal {
        login::still_valid(state, &call.actor)?;
    }
    let method = if internal { table::find_internal(&call.method) } else { table::find(&call.method) };
    let method = method.ok_or_else(|| ApiError::internal(format!("Method '{}' not defined", call.method)))?;
    let Handler::Write(writing) = method.handler else {
        return Err(ApiError::internal("This method does not write"));
    };
    let request = Request::new(method, &call.args)?;
    if !internal {
        check(state, &call.actor, &request)?;
    }
    Ok((writing, request))
}

/// Whether a call may get to its handler: whether the zone takes it, its row's needs, how long its arguments are.
fn check(state: &State, actor: &Actor, request: &Request<'_>) -> Result<(), ApiError> {
    check_zone(state, request.method)?;
    check_needs(state, actor, request)?;
    arguments::check(state, actor, request)
}

/// Refuses `method` when not every node of the zone need know it yet, and when the zone is disabled and the method is
/// not one that is answered all the same.
///
/// # Errors
/// INTERNAL, for the disabled zone with the reference's text.
fn check_zone(state: &State, method: &Method) -> Result<(), ApiError> {
    let level = state.feature_level();
    if level < method.since {
        let (name, since) = (method.name, method.since);
        return Err(ApiError::internal(format!("Method '{name}' needs feature level {since}, the zone is at {level}")));
    }
    let disabled = state.find_typed::<Zone>(LOCAL_ZONE).is_some_and(|(_, zone)| !zone.enabled);
    if disabled && !method.while_disabled {
        return Err(ApiError::internal("Cannot process request, zone disabled"));
    }
    Ok(())
}

/// Checks a row's needs: existence first, in order, then authorization of everything at once.
///
/// # Errors
/// NO_EXISTS or AUTHORIZATION as the reference words them.
fn check_needs(state: &State, actor: &Actor, request: &Request<'_>) -> Result<(), ApiError> {
    let mut wishes = Vec::new();
    let mut absent = None;
    // Locks never stop who only wants to see.
    let reads = matches!(request.method.handler, Handler::Read(_));
    for need in request.method.needs {
        match *need {
            // As in the reference (`Request::basic_authorization`), a negative id is looked up only after the right to
            // the kind as a whole.
            Need::May(kind, i, op) | Need::MayIgnoringLock(kind, i, op) if request.int(i) < 0 => {
                wishes.push(AuthRequest::on_pool(kind, op));
                absent.get_or_insert_with(|| ApiError::no_exists(kind, request.int(i)));
            }
            Need::Exists(kind, i) => {
                state.object(kind, request.int(i))?;
            }
            Need::May(kind, i, op) if !reads => {
                wishes.push(AuthRequest::on(state.object(kind, request.int(i))?, op));
            }
            Need::May(kind, i, op) | Need::MayIgnoringLock(kind, i, op) => {
                wishes.push(AuthRequest::on(state.object(kind, request.int(i))?, op).ignoring_lock());
            }
            Need::Create(kind) => {
                wishes.push(AuthRequest::create(kind, actor.uid, state.effective_gid(actor)));
            }
            Need::Pool(kind, op) => wishes.push(AuthRequest::on_pool(kind, op)),
            Need::MayLocalZone(op) => wishes.push(AuthRequest::on(state.object(Kind::Zone, LOCAL_ZONE)?, op)),
            Need::AdminGroup if state.effective_gid(actor) != 0 => {
                return Err(not_authorized(actor, request.kind().info().noun));
            }
            Need::Oneadmin if actor.uid != 0 => return Err(not_authorized(actor, "-")),
            Need::AdminGroup | Need::Oneadmin => {}
        }
    }
    authorize::authorize(state, actor, &wishes)?;
    absent.map_or(Ok(()), Err)
}

/// The refusal of rules outside the ACL system.
fn not_authorized(actor: &Actor, noun: &str) -> ApiError {
    let text = format!("User [{}] not authorized to perform action on {noun}.", actor.uid);
    ApiError::new(ErrorCode::Authorization, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::node;
    use quorate_model::api::Value;

    #[test]
    fn a_method_is_refused_until_the_zone_is_at_its_level() {
        let mut state = State::default();
        let method = node("one.new.method", Kind::Zone, &[], &[], |_| Ok(Value::Int(0))).since(3);
        let refusal = check_zone(&state, &method).unwrap_err();
        assert!(refusal.text.contains("needs feature level 3"), "{}", refusal.text);
        state.globals_mut().feature_level = 3;
        assert_eq!(check_zone(&state, &method), Ok(()));
    }
}
