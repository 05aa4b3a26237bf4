//! Random calls: any method, by some callers, with arguments that often name something that exists.

use proptest::prelude::*;
use quorate_model::api::{Arg, Type};
use quorate_state_machine::methods::{Handler, Method};
use quorate_state_machine::table;

/// A call by one of the callers.
#[derive(Clone, Debug)]
pub struct RandomCall {
    /// Who, by position.
    pub caller: usize,
    /// The method.
    pub method: &'static str,
    /// Its arguments.
    pub args: Vec<Arg>,
}

const TEXTS: [&str; 24] = [
    "",
    "a",
    "b",
    "NAME=a",
    "NAME=\"b\"\nSIZE=10\nTYPE=DATABLOCK",
    "CPU=1 MEMORY=64",
    "CPU=0.5 MEMORY=128 DISK=[IMAGE_ID=200] NIC=[NETWORK_ID=200]",
    "USER_PRIORITY=3",
    "VM_ADMIN_OPERATIONS=\"\" VM_USE_OPERATIONS=\"migrate, recover, delete, backup\"",
    "UMASK=000",
    "VM=[VMS=1] DATASTORE=[ID=1,SIZE=5]",
    "NETWORK_ID=200 SIZE=2",
    "AR=[TYPE=IP4,IP=10.0.0.1,SIZE=5]",
    "NAME=d TM_MAD=dummy DS_MAD=dummy",
    "AS_UID=0 AS_GID=0",
    "400000000",
    "100000003",
    "3ffff400000000",
    "f",
    "mallory",
    "victim",
    "oneadmin",
    "core",
    "terminate-hard",
];

fn argument(ty: Type) -> BoxedStrategy<Arg> {
    let id = prop_oneof![
        3 => Just(200i64), 2 => 0i64..6, 1 => Just(100i64), 1 => Just(101i64), 1 => -3i64..2, 1 => Just(i64::from(i32::MAX)),
    ];
    match ty {
        Type::Int | Type::Int64 => id.prop_map(Arg::Int).boxed(),
        Type::Bool => any::<bool>().prop_map(Arg::Bool).boxed(),
        Type::Str => prop_oneof![
            8 => prop::sample::select(&TEXTS[..]).prop_map(|text| Arg::Str(text.to_owned())),
            1 => "[A-Z]{1,4}=[a-z\"\\[\\], =]{0,12}".prop_map(Arg::Str),
        ]
        .boxed(),
        Type::Ints => prop::collection::vec(id, 0..3).prop_map(Arg::Ints).boxed(),
    }
}

/// Calls of methods that write, by `callers` callers.
pub fn calls(callers: usize, length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<RandomCall>> {
    let writing: Vec<&'static Method> = table::all().filter(|m| matches!(m.handler, Handler::Write(_))).collect();
    let call = (0..callers, 0..writing.len()).prop_flat_map(move |(caller, i)| {
        let method = writing[i];
        let args: Vec<BoxedStrategy<Arg>> = method.params.iter().map(|param| argument(param.ty)).collect();
        args.prop_map(move |args| RandomCall { caller, method: method.name, args })
    });
    prop::collection::vec(call, length)
}
