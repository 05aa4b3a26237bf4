//! What a method is: one row, standing in its pool's file. `grep` is the index; [`crate::table`] has all rows.
//!
//! A row says name, parameters, who may call it, how it is answered. Rows are data; handlers are functions.

use quorate_model::api::{ApiReply, Arg, Type};
use quorate_model::clean;
use quorate_model::command::{Actor, Facts};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::raft_status::RaftStatus;
use quorate_model::template::{Template, leading_int};

use crate::authorize::{self, Request as AuthRequest};
use crate::state::State;
use crate::txn::Txn;

/// A parameter after the session string.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name in the documentation.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// What is taken when it (and all after it) is left out; `None`: it must be given.
    pub default: Option<Default>,
    /// Whether it is a password or a token: nobody is shown its value.
    pub secret: bool,
}

impl Param {
    /// Nobody is shown its value.
    #[must_use]
    pub const fn secret(mut self) -> Param {
        self.secret = true;
        self
    }
}

/// Default of an optional parameter.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// An `int`.
    Int(i64),
    /// A `boolean`.
    Bool(bool),
    /// A `string`.
    Str(&'static str),
    /// An empty array.
    NoInts,
}

impl Default {
    /// The argument it stands for.
    #[must_use]
    pub fn to_arg(self) -> Arg {
        match self {
            Default::Int(n) => Arg::Int(n),
            Default::Bool(b) => Arg::Bool(b),
            Default::Str(s) => Arg::Str(s.to_owned()),
            Default::NoInts => Arg::Ints(Vec::new()),
        }
    }
}

/// A required parameter.
#[must_use]
pub const fn req(name: &'static str, ty: Type) -> Param {
    Param { name, ty, default: None, secret: false }
}

/// An optional parameter.
#[must_use]
pub const fn opt(name: &'static str, ty: Type, default: Default) -> Param {
    Param { name, ty, default: Some(default), secret: false }
}

/// The object's id as first parameter.
pub const ID: Param = req("id", Type::Int);

/// What must hold before a handler runs. All objects are looked up first, in order, then all is authorized at once.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// The object whose id is parameter `.1` exists.
    Exists(Kind, usize),
    /// The object whose id is parameter `.1` exists and the actor may do `.2` with it.
    May(Kind, usize, Op),
    /// The same, whatever lock the object has.
    MayIgnoringLock(Kind, usize, Op),
    /// The actor may create such an object.
    Create(Kind),
    /// The actor may do `.1` with the pool as a whole.
    Pool(Kind, Op),
    /// The actor may do `.0` with the zone that this control plane runs.
    MayLocalZone(Op),
    /// The actor's effective group is oneadmin's.
    AdminGroup,
    /// The actor is oneadmin itself.
    Oneadmin,
}

/// A handler that reads.
pub type Reading = fn(&View<'_>, &Request<'_>) -> ApiReply;
/// A handler that writes.
pub type Writing = fn(&mut Txn, &Request<'_>) -> ApiReply;
/// What a node says of itself, as a reply.
pub type NodeReply = fn(&RaftStatus) -> ApiReply;
/// What must be known before a call is proposed, if anything.
pub type Asking = fn(&View<'_>, &Request<'_>) -> Option<Ask>;

/// How a method is answered.
#[derive(Clone, Copy)]
pub enum Handler {
    /// From a view of the state, on any node.
    Read(Reading),
    /// By a transaction, through the log.
    Write(Writing),
    /// By the node that was asked, about itself.
    Node(NodeReply),
}

/// A row of the table.
pub struct Method {
    /// The full name.
    pub name: &'static str,
    /// The kind of object it is about.
    pub kind: Kind,
    /// Parameters after the session string.
    pub params: &'static [Param],
    /// What must hold before.
    pub needs: &'static [Need],
    /// How it is answered.
    pub handler: Handler,
    /// Whether a disabled zone still answers it.
    pub while_disabled: bool,
    /// The feature level that it came with: a zone below does not know it.
    pub since: u32,
    /// A number of parameters that is one too few although the last ones may all be left out together.
    pub one_too_few: Option<usize>,
    /// Whether it is refused whatever the parameters are: the caller must log in, nothing else of the call is looked at.
    pub parameters_unread: bool,
    /// What must be known before the call is proposed.
    pub asking: Option<Asking>,
    /// What it does to an object that hooks are shown besides parameters and answer.
    pub shows: Shows,
}

/// The object that the document of a call shows to hooks (the reference: `HookAPI.cc`, `format_message`, EXTRA).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shows {
    /// None.
    Nothing,
    /// The new object, whose id the call answers.
    Made,
    /// The object of parameter 0, as it was before the call.
    Ended,
}

/// What a proposer must know before it proposes a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// What a driver says; [`Question::facts`] of its answer are proposed with the call.
    Driver(Question),
    /// Whether the zone can do without the server of this name. If it cannot, the call is refused and not proposed.
    Removal(String),
}

/// What a proposer asks a driver before proposing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// How large (MB) would the image at `path` be in `datastore`?
    ImageSize {
        /// The datastore.
        datastore: i32,
        /// The path or URL.
        path: String,
    },
    /// Restore backup image `image` to `datastore`; to what has it been restored?
    RestoreBackup {
        /// The backup.
        image: i32,
        /// The datastore of the restored images.
        datastore: i32,
        /// The caller's options and its name (USERNAME).
        options: Template,
    },
}

impl Question {
    /// What a proposer notes of a driver's answer: its payload, or its message of failure.
    #[must_use]
    pub fn facts(&self, answer: Result<String, String>) -> Facts {
        match self {
            Question::ImageSize { .. } => {
                let size = answer.and_then(|payload| leading_int(&payload).ok_or(payload));
                Facts { image_size: Some(size), ..Facts::default() }
            }
            Question::RestoreBackup { .. } => Facts { restored: Some(answer), ..Facts::default() },
        }
    }
}

impl Method {
    /// Whether it changes state and so goes through the log.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.handler, Handler::Write(_))
    }
    /// It makes an object and answers its id.
    #[must_use]
    pub const fn makes_object(mut self) -> Method {
        self.shows = Shows::Made;
        self
    }
    /// It begins the end of the object of parameter 0.
    #[must_use]
    pub const fn ends_object(mut self) -> Method {
        self.shows = Shows::Ended;
        self
    }
    /// A disabled zone still answers it.
    #[must_use]
    pub const fn while_disabled(mut self) -> Method {
        self.while_disabled = true;
        self
    }
    /// It came with this feature level.
    #[must_use]
    pub const fn since(mut self, level: u32) -> Method {
        self.since = level;
        self
    }
    /// Who gives so many parameters must give the next one too.
    #[must_use]
    pub const fn not_with_just(mut self, parameters: usize) -> Method {
        self.one_too_few = Some(parameters);
        self
    }
    /// It refuses before it reads a parameter, so neither their number nor their types matter.
    #[must_use]
    pub const fn parameters_unread(mut self) -> Method {
        self.parameters_unread = true;
        self
    }
    /// Something must be known before it is proposed.
    #[must_use]
    pub const fn asking(mut self, asking: Asking) -> Method {
        self.asking = Some(asking);
        self
    }

    /// The arguments of a call that gave these values behind its session: each as `typed` makes it, defaults for what was
    /// left out. What was given beyond the parameters is not looked at.
    ///
    /// # Errors
    /// What `typed` says of a value of another type; `missing()` where too few were given.
    pub fn arguments<T, E>(
        &self,
        given: Vec<T>,
        typed: impl Fn(T, Type) -> Result<Arg, E>,
        missing: impl Fn() -> E,
    ) -> Result<Vec<Arg>, E> {
        if self.parameters_unread {
            return Ok(self.params.iter().map(|param| param.ty.blank()).collect());
        }
        let (count, mut given) = (given.len(), given.into_iter());
        let args = self.params.iter().map(|param| match (given.next(), param.default) {
            (Some(value), _) => typed(value, param.ty),
            (None, Some(default)) => Ok(default.to_arg()),
            (None, None) => Err(missing()),
        });
        let args = args.collect::<Result<_, _>>()?;
        if self.one_too_few == Some(count) { Err(missing()) } else { Ok(args) }
    }
}

const fn row(
    name: &'static str,
    kind: Kind,
    params: &'static [Param],
    needs: &'static [Need],
    handler: Handler,
) -> Method {
    Method {
        name,
        kind,
        params,
        needs,
        handler,
        while_disabled: false,
        since: 0,
        one_too_few: None,
        parameters_unread: false,
        asking: None,
        shows: Shows::Nothing,
    }
}

/// A method that reads.
#[must_use]
pub const fn read(
    name: &'static str,
    kind: Kind,
    params: &'static [Param],
    needs: &'static [Need],
    handler: Reading,
) -> Method {
    row(name, kind, params, needs, Handler::Read(handler))
}

/// A method that writes.
#[must_use]
pub const fn write(
    name: &'static str,
    kind: Kind,
    params: &'static [Param],
    needs: &'static [Need],
    handler: Writing,
) -> Method {
    row(name, kind, params, needs, Handler::Write(handler))
}

/// A method that the node answers about itself.
#[must_use]
pub const fn node(
    name: &'static str,
    kind: Kind,
    params: &'static [Param],
    needs: &'static [Need],
    handler: NodeReply,
) -> Method {
    row(name, kind, params, needs, Handler::Node(handler))
}

/// A call on its way to its handler: the row and the typed arguments.
pub struct Request<'a> {
    /// The row.
    pub method: &'static Method,
    args: &'a [Arg],
}

impl<'a> Request<'a> {
    /// Pairs a row with arguments.
    ///
    /// # Errors
    /// INTERNAL when number or types of the arguments are not the row's, or a text is one that XML cannot carry (the edge
    /// refuses both, so only a faulty proposer makes that).
    pub fn new(method: &'static Method, args: &'a [Arg]) -> Result<Request<'a>, ApiError> {
        let fits = args.len() == method.params.len() && args.iter().zip(method.params).all(|(a, p)| a.is(p.ty));
        if !fits {
            return Err(ApiError::internal("Arguments do not fit the method"));
        }
        if args.iter().any(|arg| matches!(arg, Arg::Str(text) if !clean::is_text(text))) {
            return Err(ApiError::internal("An argument has characters that XML cannot carry"));
        }
        Ok(Request { method, args })
    }
    /// All arguments.
    #[must_use]
    pub fn args(&self) -> &'a [Arg] {
        self.args
    }
    /// The kind of object the method is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.method.kind
    }
    /// Integer parameter `i`; values beyond 32 bits do not occur in `int` parameters.
    #[must_use]
    pub fn int(&self, i: usize) -> i32 {
        i32::try_from(self.int64(i)).unwrap_or(-1)
    }
    /// 64-bit integer parameter `i`.
    #[must_use]
    pub fn int64(&self, i: usize) -> i64 {
        match self.args.get(i) {
            Some(Arg::Int(n)) => *n,
            _ => -1,
        }
    }
    /// Boolean parameter `i`.
    #[must_use]
    pub fn bool(&self, i: usize) -> bool {
        matches!(self.args.get(i), Some(Arg::Bool(true)))
    }
    /// String parameter `i`.
    #[must_use]
    pub fn str(&self, i: usize) -> &'a str {
        match self.args.get(i) {
            Some(Arg::Str(s)) => s,
            _ => "",
        }
    }
    /// Integer array parameter `i`.
    #[must_use]
    pub fn ints(&self, i: usize) -> &'a [i64] {
        match self.args.get(i) {
            Some(Arg::Ints(v)) => v,
            _ => &[],
        }
    }
    /// The object's id: parameter 0.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.int(0)
    }
}

/// What a reading handler sees.
pub struct View<'a> {
    /// The state.
    pub state: &'a State,
    /// Who asks.
    pub actor: &'a Actor,
    /// The clock of the node that answers, unix seconds.
    pub now: i64,
}

impl View<'_> {
    /// Refuses unless the actor may do all of `requests`.
    pub fn authorize(&self, requests: &[AuthRequest]) -> Result<(), ApiError> {
        authorize::authorize(self.state, self.actor, requests)
    }
}
