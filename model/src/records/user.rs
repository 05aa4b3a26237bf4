//! Users: what is stored of them, and their XML.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::quota::Quotas;
use crate::records::Record;
use crate::xml::XmlWriter;

/// The administrator.
pub const ONEADMIN: i32 = 0;

/// The particular part of a user.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// The groups it is in, the primary one (the object's gid) included.
    pub groups: BTreeSet<i32>,
    /// Hash of the password; what it is of depends on the authentication driver.
    pub password: String,
    /// The authentication driver (`core`, `public`, ...).
    pub auth_driver: String,
    /// Whether it may log in.
    pub enabled: bool,
    /// Login tokens, sorted by the secret.
    pub tokens: Vec<LoginToken>,
    /// Own quota limits and usage.
    pub quotas: Quotas,
}

/// A login token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginToken {
    /// The secret itself.
    pub token: String,
    /// When it ends, unix seconds; -1 never.
    pub expires: i64,
    /// The group it is bound to; -1 all groups of the user.
    pub egid: i32,
}

impl Record for User {
    const KIND: Kind = Kind::User;
    const RESTRICTED: &'static str = "USER_RESTRICTED_ATTR";
    const ONE_OF_EACH: bool = true;

    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        render(self, head, form, w);
    }
}

/// Full: the user with its quotas. Short: the user, then a sibling `<QUOTAS>`, as the pool listing has it.
fn render(user: &User, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
    w.element("USER", |w| {
        w.plain("ID", head.id).plain("GID", head.gid).ids("GROUPS", &user.groups);
        w.plain("GNAME", head.gname).plain("NAME", head.name);
        w.cdata("PASSWORD", &user.password).cdata("AUTH_DRIVER", &user.auth_driver);
        w.plain("ENABLED", i32::from(user.enabled));
        for token in &user.tokens {
            w.element("LOGIN_TOKEN", |w| {
                w.plain("TOKEN", &token.token).plain("EXPIRATION_TIME", token.expires).plain("EGID", token.egid);
            });
        }
        head.template.render("TEMPLATE", w);
        if form == Form::Full {
            user.quotas.render(w);
        }
    });
    if form == Form::Short {
        w.element("QUOTAS", |w| {
            w.plain("ID", head.id);
            user.quotas.render(w);
        });
    }
}
