//! The immutable state of a zone: pools of objects in persistent maps, pending operations, client sessions.
//!
//! Cloning is O(1): readers keep the version they started with, and a discarded transaction costs nothing.
//! It must not decide anything: changes are made only through [`crate::txn::Txn`].

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use imbl::OrdMap;
use quorate_model::body::Variant;
use quorate_model::error::{ApiError, Unreadable};
use quorate_model::head::Standing;
use quorate_model::kind::{Kind, NameScope};
use quorate_model::object::Object;
use quorate_model::parts::{PartKey, Parts, stored};
use quorate_model::pending::PendingOperation;
use quorate_model::quota::Quotas;
use quorate_model::records::acl::Acl;
use quorate_model::settings::Settings;
use serde::{Deserialize, Serialize};

use crate::levels;
use crate::sessions::ClientSession;
use crate::store_key::StoreKey;
use crate::zone_key::ZoneKey;

/// A pool: objects by id.
pub type Pool = OrdMap<i32, Pooled>;

/// An object in its pool, beside a copy of what decides who sees it: a listing looks at every object of a pool, and
/// following a pointer to each would be most of its time.
#[derive(Clone, PartialEq, Debug)]
pub struct Pooled {
    standing: Standing,
    object: Arc<Object>,
}

impl Pooled {
    fn new(object: Object) -> Pooled {
        Pooled { standing: object.standing(), object: Arc::new(object) }
    }

    /// The object's [`Object::standing`].
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }
}

impl Deref for Pooled {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.object
    }
}

/// What there is one of in a zone; small, since it is persisted with every batch of entries.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Globals {
    /// Whether the zone's first content has been made.
    pub bootstrapped: bool,
    /// Which behaviour applies: see [`crate::levels`].
    pub feature_level: u32,
    /// The version of the program that brought it there: one that supports it.
    pub feature_level_since: String,
    /// For the test of upgrades only: how many documents have been marked.
    #[cfg(feature = "test-next-level")]
    #[serde(skip_serializing_if = "is_default")]
    pub marked_documents: u64,
    /// The zone's time, unix seconds: see [`crate::zone_time`].
    pub time: i64,
    /// How often the administrator has set the time.
    pub era: u64,
    /// The next id of each kind.
    pub next_ids: BTreeMap<Kind, i32>,
    /// The next pending operation's id.
    pub next_operation: u64,
    /// Limits for users without limits of their own.
    pub default_user_quotas: Quotas,
    /// Limits for groups without limits of their own.
    pub default_group_quotas: Quotas,
}

/// What a build must be able to read of the [`Globals`] of any level.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Level {
    feature_level: u32,
    feature_level_since: String,
}

/// Whether a field that came with a level stays out of the record: below the level, every build writes the same bytes.
#[cfg(feature = "test-next-level")]
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct NameKey {
    kind: Kind,
    owner: i32,
    name: String,
}

impl NameKey {
    fn of(kind: Kind, owner: i32, name: &str) -> Option<NameKey> {
        let owner = match kind.info().names {
            NameScope::None => return None,
            NameScope::Pool => -1,
            NameScope::Owner => owner,
        };
        Some(NameKey { kind, owner, name: name.to_owned() })
    }
}

/// The state of a zone at one log index.
#[derive(Clone, Default)]
pub struct State {
    pools: [Pool; Kind::COUNT],
    names: OrdMap<NameKey, i32>,
    /// Access control rules by user component, then id: an index of their pool.
    rules: OrdMap<(u64, i32), Acl>,
    pending: OrdMap<u64, Arc<PendingOperation>>,
    sessions: OrdMap<u64, Arc<ClientSession>>,
    globals: Arc<Globals>,
    settings: Arc<Settings>,
    /// Carried along, never part of what is written.
    key: Option<Arc<ZoneKey>>,
    /// How many bytes each user has of what the pools hold.
    owned: OrdMap<i32, u64>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let objects: usize = self.pools.iter().map(OrdMap::len).sum();
        f.debug_struct("State").field("objects", &objects).field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.pools == other.pools
            && self.pending == other.pending
            && self.sessions == other.sessions
            && self.globals == other.globals
            && self.settings == other.settings
    }
}

impl State {
    /// An empty state whose secrets this key seals. One without a key ([`Default`]) takes no zone's content.
    #[must_use]
    pub fn new(key: Arc<ZoneKey>) -> State {
        State { key: Some(key), ..State::default() }
    }

    /// The zone's key.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<ZoneKey>> {
        self.key.as_ref()
    }

    /// A pool.
    #[must_use]
    pub fn pool(&self, kind: Kind) -> &Pool {
        &self.pools[kind as usize]
    }

    /// An object, or the NO_EXISTS error for it.
    pub fn object(&self, kind: Kind, id: i32) -> Result<&Arc<Object>, ApiError> {
        self.find(kind, id).ok_or_else(|| ApiError::no_exists(kind, id))
    }

    /// An object, if it exists.
    #[must_use]
    pub fn find(&self, kind: Kind, id: i32) -> Option<&Arc<Object>> {
        self.pool(kind).get(&id).map(|pooled| &pooled.object)
    }

    /// An object with its typed body, or the NO_EXISTS error for it.
    pub fn get<B: Variant>(&self, id: i32) -> Result<(&Object, &B), ApiError> {
        self.find_typed(id).ok_or_else(|| ApiError::no_exists(B::KIND, id))
    }

    /// An object with its typed body, if it exists.
    #[must_use]
    pub fn find_typed<B: Variant>(&self, id: i32) -> Option<(&Object, &B)> {
        let object = self.find(B::KIND, id)?;
        B::of(&object.body).map(|body| (&**object, body))
    }

    /// Every object of a pool with its typed body, by id.
    pub fn each<B: Variant>(&self) -> impl DoubleEndedIterator<Item = (&Object, &B)> {
        self.pool(B::KIND).values().filter_map(|o| B::of(&o.body).map(|body| (&**o, body)))
    }

    /// The id of the object with this name, where names are unique in the pool or for `owner`.
    #[must_use]
    pub fn id_of(&self, kind: Kind, owner: i32, name: &str) -> Option<i32> {
        self.names.get(&NameKey::of(kind, owner, name)?).copied()
    }

    /// The access control rules with exactly this user component, in the order they were made.
    pub fn rules_of(&self, user: u64) -> impl Iterator<Item = &Acl> {
        self.rules.range((user, i32::MIN)..=(user, i32::MAX)).map(|(_, rule)| rule)
    }

    /// What there is one of.
    #[must_use]
    pub fn globals(&self) -> &Globals {
        &self.globals
    }

    /// Which behaviour applies: see [`crate::levels`].
    #[must_use]
    pub fn feature_level(&self) -> u32 {
        self.globals.feature_level
    }

    /// Whether a build that supports levels up to `supports` can go on from here.
    ///
    /// # Errors
    /// Why not, and what to install, for the operator.
    pub fn check_level(&self, supports: u32) -> Result<(), String> {
        levels::fits(self.globals.feature_level, &self.globals.feature_level_since, supports)
    }

    /// Replicated configuration.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Pending operations by id.
    #[must_use]
    pub fn pending(&self) -> &OrdMap<u64, Arc<PendingOperation>> {
        &self.pending
    }

    /// Recent replies of a proposing client.
    #[must_use]
    pub(crate) fn session(&self, client: u64) -> Option<&Arc<ClientSession>> {
        self.sessions.get(&client)
    }

    /// All clients with recent replies.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&u64, &Arc<ClientSession>)> {
        self.sessions.iter()
    }

    pub(crate) fn globals_mut(&mut self) -> &mut Globals {
        Arc::make_mut(&mut self.globals)
    }

    pub(crate) fn set_settings(&mut self, settings: Settings) {
        self.settings = Arc::new(settings);
    }

    pub(crate) fn pending_mut(&mut self) -> &mut OrdMap<u64, Arc<PendingOperation>> {
        &mut self.pending
    }

    pub(crate) fn session_mut(&mut self, client: u64) -> &mut ClientSession {
        Arc::make_mut(self.sessions.entry(client).or_default())
    }

    /// The time is set to `time` (unix seconds), so many seconds later: every client has been silent for as long as before.
    /// Which clients there are.
    pub(crate) fn shift_clients(&mut self, seconds: i64, time: i64) -> Vec<u64> {
        let clients: Vec<u64> = self.sessions.keys().copied().collect();
        for client in &clients {
            self.session_mut(*client).shift(seconds, time);
        }
        clients
    }

    pub(crate) fn remove_session(&mut self, client: u64) {
        self.sessions.remove(&client);
    }

    /// The object to change; callers must keep id, name, owner and rules as they are (see [`State::put`]), and call
    /// [`State::before_commit`].
    pub(crate) fn object_mut(&mut self, kind: Kind, id: i32) -> Option<&mut Object> {
        self.pools[kind as usize].get_mut(&id).map(|pooled| Arc::make_mut(&mut pooled.object))
    }

    /// Makes a changed object ready to be published: its body is asked, and what is kept beside it says what it says.
    pub(crate) fn before_commit(&mut self, kind: Kind, id: i32) {
        if let Some(pooled) = self.pools[kind as usize].get_mut(&id) {
            Arc::make_mut(&mut pooled.object).body.before_commit();
            pooled.standing = pooled.object.standing();
        }
    }

    /// Inserts or replaces an object and keeps the indexes.
    pub(crate) fn put(&mut self, object: Object) {
        let (kind, id) = (object.kind(), object.id);
        self.unindex(kind, id);
        if let Some(key) = NameKey::of(kind, object.uid, &object.name) {
            self.names.insert(key, id);
        }
        if let Some(rule) = Acl::of(&object.body) {
            self.rules.insert((rule.user, id), *rule);
        }
        self.pools[kind as usize].insert(id, Pooled::new(object));
    }

    /// Removes an object.
    pub(crate) fn take(&mut self, kind: Kind, id: i32) -> Option<Arc<Object>> {
        self.unindex(kind, id);
        self.pools[kind as usize].remove(&id).map(|pooled| pooled.object)
    }

    /// How many bytes each user has of what the pools hold; kept by [`crate::sizes`].
    pub(crate) fn owned_by_user(&self) -> &OrdMap<i32, u64> {
        &self.owned
    }

    /// The same, to change.
    pub(crate) fn owned_by_user_mut(&mut self) -> &mut OrdMap<i32, u64> {
        &mut self.owned
    }

    /// Takes an object out of the indexes.
    fn unindex(&mut self, kind: Kind, id: i32) {
        let Some(old) = self.find(kind, id).cloned() else { return };
        if let Some(key) = NameKey::of(kind, old.uid, &old.name)
            && self.names.get(&key) == Some(&id)
        {
            self.names.remove(&key);
        }
        if let Some(rule) = Acl::of(&old.body) {
            self.rules.remove(&(rule.user, id));
        }
    }

    /// The persisted form of a record; `None` when there is no such record (any more).
    #[must_use]
    pub fn encode(&self, key: &StoreKey) -> Option<Vec<u8>> {
        match *key {
            StoreKey::Globals => Some(stored(&*self.globals)),
            StoreKey::Settings => Some(stored(&*self.settings)),
            StoreKey::Object(kind, id) => self.find(kind, id).map(|o| stored(&**o)),
            StoreKey::Pending(id) => self.pending.get(&id).map(|p| stored(&**p)),
            StoreKey::Session(id) => self.sessions.get(&id).map(|s| stored(&**s)),
            StoreKey::Part(kind, id, part) => {
                let maps = self.find(kind, id)?.body.parts();
                maps.into_iter().find(|(map, _)| *map == part.map).and_then(|(_, map)| map.encode(part.index))
            }
        }
    }

    /// Loads one persisted record, in the order of keys: [`StoreKey::Globals`] comes first, so that nothing of a level
    /// beyond this build is taken for corrupt, and an object's parts come after it.
    ///
    /// # Errors
    /// When the key or the value cannot be read, a part's object is missing, or this build does not support the level.
    pub fn decode(&mut self, key: &[u8], value: &[u8]) -> Result<(), Unreadable> {
        let corrupt = |reason: String| Unreadable::Corrupt { key: key.to_vec(), reason };
        let store_key = StoreKey::from_bytes(key).ok_or_else(|| corrupt("unknown key".into()))?;
        match store_key {
            StoreKey::Globals => {
                let at: Level = rmp_serde::from_slice(value).map_err(|e| corrupt(e.to_string()))?;
                levels::fits(at.feature_level, &at.feature_level_since, levels::NEWEST).map_err(Unreadable::Beyond)?;
                self.globals = Arc::new(rmp_serde::from_slice(value).map_err(|e| corrupt(e.to_string()))?);
            }
            StoreKey::Settings => {
                self.settings = Arc::new(rmp_serde::from_slice(value).map_err(|e| corrupt(e.to_string()))?);
            }
            StoreKey::Object(kind, id) => {
                let object: Object = rmp_serde::from_slice(value).map_err(|e| corrupt(e.to_string()))?;
                if object.kind() != kind || object.id != id {
                    return Err(corrupt(format!("holds {:?} {}", object.kind(), object.id)));
                }
                self.put(object);
            }
            StoreKey::Pending(id) => {
                let pending = rmp_serde::from_slice(value).map_err(|e| corrupt(e.to_string()))?;
                self.pending.insert(id, Arc::new(pending));
            }
            StoreKey::Session(id) => {
                let session = rmp_serde::from_slice(value).map_err(|e| corrupt(e.to_string()))?;
                self.sessions.insert(id, Arc::new(session));
            }
            StoreKey::Part(kind, id, part) => {
                let object = self.object_mut(kind, id).ok_or_else(|| corrupt("a part of no object".into()))?;
                let map = object.body.part_mut(part.map).ok_or_else(|| corrupt("a part of no map".into()))?;
                map.decode(part.index, value).map_err(corrupt)?;
            }
        }
        Ok(())
    }

    /// Ends loading, once all records are loaded: measures the objects.
    ///
    /// # Errors
    /// When a record is missing that another names.
    pub fn finish_loading(&mut self) -> Result<(), Unreadable> {
        for kind in Kind::ALL {
            for (id, object) in self.pool(kind) {
                for (_, parts) in object.body.parts() {
                    let corrupt = |reason| Unreadable::Corrupt { key: StoreKey::Object(kind, *id).to_bytes(), reason };
                    parts.check().map_err(corrupt)?;
                }
            }
        }
        self.measure_all();
        Ok(())
    }

    /// The parts of an object that are not what they were in `before`.
    pub(crate) fn changed_parts(&self, before: &State, kind: Kind, id: i32) -> Vec<PartKey> {
        let parts = |state| State::find(state, kind, id).map_or(Vec::new(), |object| object.body.parts());
        let mut old: BTreeMap<u64, &dyn Parts> = parts(before).into_iter().collect();
        let mut changed = Vec::new();
        for (map, new) in parts(self) {
            new.changes(old.remove(&map), &mut |index| changed.push(PartKey { map, index }));
        }
        for (map, gone) in old {
            gone.each(&mut |index| changed.push(PartKey { map, index }));
        }
        changed
    }

    /// The key of every record; parts come after all objects.
    pub fn all_keys(&self) -> impl Iterator<Item = StoreKey> {
        let objects =
            Kind::ALL.into_iter().flat_map(|kind| self.pool(kind).keys().map(move |id| StoreKey::Object(kind, *id)));
        [StoreKey::Globals, StoreKey::Settings]
            .into_iter()
            .chain(objects)
            .chain(self.pending.keys().map(|id| StoreKey::Pending(*id)))
            .chain(self.sessions.keys().map(|id| StoreKey::Session(*id)))
            .chain(Kind::ALL.into_iter().flat_map(|kind| self.part_keys(kind)))
    }

    /// The keys of the parts of a kind's objects.
    fn part_keys(&self, kind: Kind) -> impl Iterator<Item = StoreKey> {
        self.pool(kind).iter().flat_map(move |(id, object)| {
            let mut keys = Vec::new();
            for (map, parts) in object.body.parts() {
                parts.each(&mut |index| keys.push(StoreKey::Part(kind, *id, PartKey { map, index })));
            }
            keys
        })
    }
}
