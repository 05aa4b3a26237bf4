//! The XML of users.

use crate::object::{Form, Object};
use crate::pools::user::User;
use crate::xml::XmlWriter;

/// The element of the limits for users without limits of their own.
pub const DEFAULT_QUOTAS: &str = "DEFAULT_USER_QUOTAS";

/// Full: the user with its quotas. Short: the user, then a sibling `<QUOTAS>`, as the pool listing has it.
pub fn render(user: &User, object: &Object, form: Form, w: &mut XmlWriter) {
    w.element("USER", |w| {
        w.plain("ID", object.id).plain("GID", object.gid).ids("GROUPS", &user.groups);
        w.plain("GNAME", &object.gname).plain("NAME", &object.name);
        w.cdata("PASSWORD", &user.password).cdata("AUTH_DRIVER", &user.auth_driver);
        w.plain("ENABLED", i32::from(user.enabled));
        for token in &user.tokens {
            w.element("LOGIN_TOKEN", |w| {
                w.plain("TOKEN", &token.token).plain("EXPIRATION_TIME", token.expires).plain("EGID", token.egid);
            });
        }
        object.template.render("TEMPLATE", w);
        if form == Form::Full {
            user.quotas.render(w);
        }
    });
    if form == Form::Short {
        w.element("QUOTAS", |w| {
            w.plain("ID", object.id);
            user.quotas.render(w);
        });
    }
}
