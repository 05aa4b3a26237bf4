//! A zone with an object of every kind, most of them with what they gather in use.

use quorate_model::api::Arg;
use quorate_state_machine::state::State;

use crate::vms::VmZone;
use crate::zone::{ADMIN, int, text};

/// The zone. What makes it is the same every time.
pub fn zone() -> State {
    let mut lab = VmZone::new();
    infrastructure(&mut lab);
    owned(&mut lab);
    lab.allocate();
    lab.walk("deploy, ok, ok, poweroff, ok, resume, ok, attach disk, ok");
    lab.must("one.vm.lock", &[int(0), int(3), Arg::Bool(false)]);
    lab.must("one.vmpool.calculateshowback", &[int(-1), int(-1), int(-1), int(-1)]);
    // What a driver has not answered yet.
    lab.must("one.image.allocate", &[text("NAME=later TYPE=DATABLOCK SIZE=5"), int(100), Arg::Bool(false)]);
    lab.zone.state
}

fn infrastructure(lab: &mut VmZone) {
    lab.must("one.cluster.allocate", &[text("east")]);
    lab.must("one.vdc.allocate", &[text("NAME=vdc")]);
    lab.must("one.vdc.addgroup", &[int(100), int(1)]);
    let market = "NAME=m\nMARKET_MAD=http\nBASE_URL=x\nPUBLIC_DIR=y";
    lab.must("one.market.allocate", &[text(market)]);
    lab.must("one.marketapp.allocate", &[text("NAME=app\nORIGIN_ID=0"), int(100)]);
    let hook = "NAME=h\nTYPE=api\nCOMMAND=x\nCALL=one.document.allocate";
    lab.must("one.hook.allocate", &[text(hook)]);
}

fn owned(lab: &mut VmZone) {
    let ann = [text("ann"), text("pw"), text("core"), Arg::Ints(Vec::new())];
    lab.must("one.user.allocate", &ann);
    lab.must("one.user.login", &[text("ann"), text(""), int(-1), int(1)]);
    lab.must("one.user.quota", &[int(2), text("VM=[VMS=10,MEMORY=-2,CPU=-2]")]);
    lab.must("one.acl.addrule", &[text("100000002"), text("1400000000"), text("1")]);
    lab.must("one.template.allocate", &[text("NAME=t CPU=1 MEMORY=64 CONTEXT=[A=\"b\"]")]);
    lab.must("one.document.allocate", &[text("NAME=d A=\"<&>\""), int(100)]);
    lab.must("one.vmgroup.allocate", &[text("NAME=g ROLE=[NAME=a] ROLE=[NAME=b]")]);
    lab.must("one.vntemplate.allocate", &[text("NAME=vt VN_MAD=bridge")]);
    lab.must("one.vrouter.allocate", &[text("NAME=gw NIC=[NETWORK_ID=0,FLOATING_IP=YES]")]);
    lab.must("one.vn.hold", &[int(0), text("LEASES=[IP=10.0.0.50]")]);
    lab.must("one.vn.reserve", &[int(0), text("SIZE=5 NAME=mine")]);
    lab.settle();
    assert!(lab.zone.ask(ADMIN, "one.hook.info", &[int(0)]).contains("HOOK_EXECUTION_RECORD"));
}
