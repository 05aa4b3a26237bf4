//! `<IMAGE>`: the same in listings as alone.

use super::Image;
use crate::head::Head;
use crate::xml::XmlWriter;

/// Writes an image.
pub fn image(image: &Image, head: &Head<'_>, w: &mut XmlWriter) {
    w.element("IMAGE", |w| {
        head.render_head(w);
        head.render_lock(w);
        head.permissions.render(w);
        w.plain("TYPE", image.image_type.number()).plain("DISK_TYPE", image.disk_type.number());
        w.plain("PERSISTENT", u8::from(image.persistent)).plain("REGTIME", image.regtime);
        w.cdata("SOURCE", &image.source).cdata("PATH", &image.path);
        w.cdata("FORMAT", &image.format).cdata("FS", &image.fs).plain("SIZE", image.size_mb);
        w.plain("STATE", image.state.number()).plain("PREV_STATE", image.prev_state.number());
        w.plain("RUNNING_VMS", image.vms.len()).plain("CLONING_OPS", image.cloning_operations());
        w.plain("CLONING_ID", image.cloning_from.unwrap_or(-1));
        w.plain("TARGET_SNAPSHOT", image.target_snapshot.unwrap_or(-1));
        w.plain("DATASTORE_ID", image.datastore).plain("DATASTORE", &image.datastore_name);
        w.ids("VMS", &image.vms).ids("CLONES", &image.clones).ids("APP_CLONES", &image.app_clones);
        head.template.render("TEMPLATE", w);
        image.snapshots.render(w);
        image.increments.render(w);
    });
}
