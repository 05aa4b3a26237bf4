//! From a template to a VM: `one.vm.allocate`, and the same for instantiated templates and virtual routers.

use crate::authorize::Request as AuthRequest;
use crate::error::{ApiError, ErrorCode};
use crate::template::Template;
use crate::txn::Txn;

/// Makes a VM of a template, as the transaction's actor.
///
/// `wishes` is what the caller needs besides the template's images, networks and VM group, all authorized at once
/// and `wishes` first; `refusal` is the code of a refusal for the template's sake (INTERNAL from `one.vm.allocate`,
/// ALLOCATE when a template is instantiated). Restricted attributes are the caller's to check.
///
/// # Errors
/// AUTHORIZATION (rights, quotas), ALLOCATE (topology), `refusal`.
#[allow(unused_variables)]
pub fn from_template(
    txn: &mut Txn,
    template: Template,
    hold: bool,
    wishes: Vec<AuthRequest>,
    refusal: ErrorCode,
) -> Result<i32, ApiError> {
    Err(ApiError::internal("This method is not implemented yet in Quorate"))
}
