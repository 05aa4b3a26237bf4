//! The XML of users.

use crate::head::{Form, Head};
use crate::pools::user::User;
use crate::xml::XmlWriter;

/// The element of the limits for users without limits of their own.
pub const DEFAULT_QUOTAS: &str = "DEFAULT_USER_QUOTAS";

/// Full: the user with its quotas. Short: the user, then a sibling `<QUOTAS>`, as the pool listing has it.
pub fn render(user: &User, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
    w.element("USER", |w| {
        w.plain("ID", head.id).plain("GID", head.gid).ids("GROUPS", &user.groups);
        w.plain("GNAME", &head.gname).plain("NAME", &head.name);
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
