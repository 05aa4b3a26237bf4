//! Who a caller is to a zone: the groups that count, the group of what it makes, whether it is an administrator.
//!
//! It must not know what anybody may do with an object: that is [`crate::authorize`].

use quorate_model::command::Actor;
use quorate_model::kind::Kind;
use quorate_model::records::user::User;

use crate::state::State;

impl State {
    /// The groups that count for an actor: all of the user's, or the one its token is bound to.
    #[must_use]
    pub fn groups_of(&self, actor: &Actor) -> Vec<i32> {
        if actor.token_gid >= 0 {
            return vec![actor.token_gid];
        }
        self.find_typed::<User>(actor.uid).map(|(_, user)| user.groups.iter().copied().collect()).unwrap_or_default()
    }

    /// The group that new objects get: the token's, or the user's primary group.
    #[must_use]
    pub fn effective_gid(&self, actor: &Actor) -> i32 {
        if actor.token_gid >= 0 {
            return actor.token_gid;
        }
        self.find(Kind::User, actor.uid).map_or(-1, |user| user.gid)
    }

    /// Whether the actor is oneadmin or in the oneadmin group.
    #[must_use]
    pub fn is_admin(&self, actor: &Actor) -> bool {
        actor.uid == 0 || self.groups_of(actor).contains(&0)
    }
}
