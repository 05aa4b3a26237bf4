//! Hosts, clusters, datastores, marketplaces: rules that the recordings do not show.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::api::Arg;
use quorate_model::command::{Actor, Command, Envelope, Facts, RequestId};
use quorate_model::kind::Kind;
use quorate_model::pending::{DriverReport, MarketAction, Operation};
use quorate_model::records::cluster::Cluster;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::datastore::{Datastore, SYSTEM as SYSTEM_DATASTORE};
use quorate_model::records::host::Host;
use quorate_model::records::host::capacity::Capacity;
use quorate_model::records::host::share::Share;
use quorate_model::records::host::state::HostState;
use quorate_model::records::image::Image;
use quorate_model::records::market::Market;
use quorate_model::records::market_app::{AppState, MarketApp};
use quorate_model::records::vdc::Vdc;
use quorate_model::template::VectorAttribute;
use quorate_state_machine::pools::cluster::vnc;
use quorate_state_machine::pools::datastore::capacity as datastore;
use quorate_state_machine::pools::host::capacity;
use quorate_state_machine::txn::Txn;
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};

/// Two nodes of two cores of two threads, 4 GB each; a network card and two graphics cards.
const SYSTEM_HOST: &str = r#"
    HYPERVISOR=dummy TOTALCPU=800 TOTALMEMORY=8388608
    DS_LOCATION_USED_MB=1 DS_LOCATION_TOTAL_MB=3 DS_LOCATION_FREE_MB=2
    CORE=[NODE_ID=0,ID=0,CPUS="0,4"] CORE=[NODE_ID=0,ID=1,CPUS="1,5"]
    CORE=[NODE_ID=1,ID=2,CPUS="2,6"] CORE=[NODE_ID=1,ID=3,CPUS="3,7"]
    HUGEPAGE=[NODE_ID=0,SIZE=2048,PAGES=100] HUGEPAGE=[NODE_ID=1,SIZE=2048,PAGES=200]
    MEMORY_NODE=[NODE_ID=0,TOTAL=4194304,DISTANCE="0 1"] MEMORY_NODE=[NODE_ID=1,TOTAL=4194304,DISTANCE="1 0"]
    PCI=[ADDRESS="0000:02:00:0",SHORT_ADDRESS="02:00.0",VENDOR="10de",DEVICE="0863",CLASS="0300",NUMA_NODE=1,
         DOMAIN="0000",BUS="02",SLOT="00",FUNCTION="0"]
    PCI=[ADDRESS="0000:01:00:0",SHORT_ADDRESS="01:00.0",VENDOR="10de",DEVICE="0863",CLASS="0300",NUMA_NODE=0,
         DOMAIN="0000",BUS="01",SLOT="00",FUNCTION="0"]
    PCI=[ADDRESS="0000:03:00:0",SHORT_ADDRESS="03:00.0",VENDOR="8086",DEVICE="1572",CLASS="0200",
         DOMAIN="0000",BUS="03",SLOT="00",FUNCTION="0"]
"#;

/// Answers the only pending operation that `is` picks.
fn answer(zone: &mut Zone, is: impl Fn(&Operation) -> bool, outcome: Result<&str, &str>) {
    let found: Vec<(u64, u32)> =
        zone.state.pending().values().filter(|p| is(&p.operation)).map(|p| (p.id, p.attempt)).collect();
    let [(operation, attempt)] = found[..] else { panic!("{} operations wait for that", found.len()) };
    let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
    zone.apply(Command::Report(DriverReport { operation, attempt, outcome })).expect("reports are accepted");
}

fn is_monitor_host(operation: &Operation) -> bool {
    matches!(operation, Operation::MonitorHost { .. })
}

/// Host 0, monitored.
fn zone_with_host() -> Zone {
    let mut zone = Zone::fresh();
    let args = [text("node"), text("dummy"), text("dummy"), int(-1)];
    assert_eq!(zone.ask(ADMIN, "one.host.allocate", &args), "0");
    answer(&mut zone, is_monitor_host, Ok(SYSTEM_HOST));
    zone
}

fn share(zone: &Zone) -> Share {
    zone.state.get::<Host>(0).expect("host 0").1.share.clone()
}

/// Lets `change` change the zone as a call's handler would.
fn change<T>(zone: &mut Zone, change: impl FnOnce(&mut Txn) -> T) -> T {
    let mut txn = Txn::new(zone.state.clone(), Actor::default(), Facts::default(), [0; 32]);
    let result = change(&mut txn);
    zone.state = txn.commit().0;
    result
}

fn vector(pairs: &[(&'static str, &str)]) -> VectorAttribute {
    pairs.iter().copied().collect()
}

fn vm(cpu: i64, mem: i64) -> Capacity {
    Capacity { vcpu: 1, cpu, mem, ..Capacity::default() }
}

/// A VM with one virtual node of `vcpu` CPUs and 1 GB, pinned as `topology` says.
fn pinned(vcpu: u32, topology: &[(&'static str, &str)]) -> Capacity {
    Capacity {
        vcpu,
        topology: Some(vector(topology)),
        nodes: vec![vector(&[("TOTAL_CPUS", &vcpu.to_string()), ("MEMORY", "1048576")])],
        ..vm(100, 1_048_576)
    }
}

#[test]
fn what_vms_take_comes_back_and_no_more_than_is_left_fits() {
    let mut zone = zone_with_host();
    let before = share(&zone);
    let mut first = vm(500, 4_194_304);
    change(&mut zone, |txn| capacity::add(txn, 0, 7, &mut first));
    change(&mut zone, |txn| capacity::add(txn, 0, 7, &mut first));
    assert_eq!((share(&zone).cpu_usage, share(&zone).running_vms), (500, 1), "a VM counts once");
    let fits = |wanted: &Capacity, enforce| capacity::check(&zone.state, 0, 2, wanted, enforce);
    assert_eq!(fits(&vm(300, 1), true), Ok(()));
    assert_eq!(
        fits(&vm(301, 1), true),
        Err("virtual machine [2] does not fit in host [0]. Not enough CPU: 301/300".to_owned())
    );
    assert_eq!(
        fits(&vm(1, 4_194_305), true),
        Err("virtual machine [2] does not fit in host [0]. Not enough memory: 4194305/4194304".to_owned())
    );
    assert_eq!(fits(&vm(9999, 1), false), Ok(()), "only when enforced");
    assert_eq!(capacity::check(&zone.state, 5, 2, &vm(1, 1), false), Err("Host no longer exists".to_owned()));
    let refusal = zone.ask(ADMIN, "one.host.delete", &[int(0)]);
    assert_eq!(refusal, "Cannot delete host. Can not remove a host with running VMs");
    change(&mut zone, |txn| capacity::remove(txn, 0, 7, &mut first));
    change(&mut zone, |txn| capacity::remove(txn, 0, 7, &mut first));
    assert_eq!(share(&zone), before, "a VM that is not there gives nothing back");
}

#[test]
fn pci_devices_are_had_by_one_vm_and_chosen_by_address_or_kind() {
    let mut zone = zone_with_host();
    let wanting = |devices: Vec<VectorAttribute>| Capacity { pci: devices, ..vm(1, 1) };
    let graphics = || vector(&[("VENDOR", "10de"), ("CLASS", "0300")]);
    let at = |address: &str| vector(&[("SHORT_ADDRESS", address)]);
    let fits = |zone: &Zone, wanted: &Capacity| capacity::fits(&zone.state, 0, wanted, true).is_ok();
    assert!(fits(&zone, &wanting(vec![graphics(), graphics()])));
    assert!(!fits(&zone, &wanting(vec![graphics(), graphics(), graphics()])), "there are two");
    assert!(!fits(&zone, &wanting(vec![at("02:00.0"), at("02:00.0")])), "one by address");
    assert!(!fits(&zone, &wanting(vec![vector(&[("VENDOR", "none")])])), "unreadable");
    // By address first: the wish by kind gets the other one, though it stands first and 02 is free for it.
    let mut both = wanting(vec![graphics(), at("01:00.0")]);
    change(&mut zone, |txn| capacity::add(txn, 0, 3, &mut both));
    assert_eq!(both.pci[0].value("ADDRESS"), "0000:02:00:0");
    assert_eq!(both.pci[1].value("ADDRESS"), "0000:01:00:0");
    assert_eq!(both.pci[0].value("NUMA_NODE"), "1");
    let refused = capacity::fits(&zone.state, 0, &wanting(vec![graphics()]), true);
    assert_eq!(refused, Err("Unavailable PCI device.".to_owned()));
    // Devices that VMs have outlive their disappearance, others do not.
    change(&mut zone, |txn| {
        quorate_state_machine::pools::host::report::monitored(txn, 0, Ok("TOTALCPU=800 TOTALMEMORY=8388608"))
    })
    .expect("reports are accepted");
    assert_eq!(share(&zone).pci.len(), 2);
    change(&mut zone, |txn| capacity::remove(txn, 0, 3, &mut both));
    assert!(share(&zone).pci.iter().all(|device| device.value("VMID") == "-1"));
    assert_eq!(both.pci[0].get("ADDRESS"), None);
}

#[test]
fn a_failed_migration_gives_the_former_devices_back() {
    let mut zone = zone_with_host();
    let mut moving = Capacity { pci: vec![vector(&[("VENDOR", "8086"), ("ADDRESS", "0000:01:00:0")])], ..vm(1, 1) };
    change(&mut zone, |txn| capacity::add(txn, 0, 3, &mut moving));
    assert_eq!(moving.pci[0].value("ADDRESS"), "0000:03:00:0");
    assert_eq!(moving.pci[0].value("PREV_ADDRESS"), "0000:01:00:0");
    capacity::revert_pci(&zone.state, 0, &mut moving.pci).expect("host 0");
    assert_eq!(moving.pci[0].value("ADDRESS"), "0000:01:00:0");
    assert_eq!(moving.pci[0].get("PREV_ADDRESS"), None);
}

#[test]
fn pinned_vms_get_threads_of_the_same_core_and_give_them_back() {
    let mut zone = zone_with_host();
    let before = share(&zone);
    let mut threads = pinned(2, &[("PIN_POLICY", "THREAD"), ("SOCKETS", "1")]);
    change(&mut zone, |txn| capacity::add(txn, 0, 11, &mut threads));
    let node = &threads.nodes[0];
    assert_eq!((node.value("NODE_ID"), node.value("CPUS"), node.value("MEMORY_NODE_ID")), ("1", "2,6", "1"));
    let topology = threads.topology.clone().expect("a topology");
    assert_eq!((topology.value("THREADS"), topology.value("CORES")), ("2", "1"));
    assert_eq!(share(&zone).numa[&1].mem_usage, 1_048_576);
    // A dedicated core must be unused; the first thread of it stands for all.
    let mut cores = pinned(2, &[("PIN_POLICY", "CORE"), ("SOCKETS", "1")]);
    change(&mut zone, |txn| capacity::add(txn, 0, 12, &mut cores));
    assert_eq!(cores.nodes[0].value("CPUS"), "0,1");
    assert!(share(&zone).numa[&0].cores.values().all(|core| core.dedicated && core.free() == 0));
    let third = pinned(4, &[("PIN_POLICY", "THREAD"), ("SOCKETS", "1")]);
    let refused = capacity::fits(&zone.state, 0, &third, true);
    assert_eq!(refused, Err("Cannot allocate NUMA topology".to_owned()));
    let document = zone.ask(ADMIN, "one.host.info", &[int(0)]);
    assert!(document.contains("<CPUS><![CDATA[2:11,6:11]]></CPUS><DEDICATED><![CDATA[NO]]></DEDICATED>"));
    assert!(document.contains("<CPUS><![CDATA[0:12,4:-1]]></CPUS><DEDICATED><![CDATA[YES]]></DEDICATED>"));
    change(&mut zone, |txn| capacity::remove(txn, 0, 11, &mut threads));
    change(&mut zone, |txn| capacity::remove(txn, 0, 12, &mut cores));
    assert_eq!(share(&zone), before);
}

#[test]
fn memory_pages_and_affinity_choose_the_node_as_a_whole() {
    let mut zone = zone_with_host();
    let before = share(&zone);
    let with_pages = |mem: i64| {
        let mut wanted = pinned(1, &[("HUGEPAGE_SIZE", "2")]);
        wanted.mem = mem;
        wanted.nodes[0].set("MEMORY", mem);
        wanted
    };
    let mut paged = with_pages(204_800);
    change(&mut zone, |txn| capacity::add(txn, 0, 4, &mut paged));
    assert_eq!(paged.nodes[0].value("NODE_ID"), "1", "the node with more free pages");
    assert_eq!(paged.nodes[0].value("CPUS"), "2,6,3,7");
    assert_eq!(share(&zone).numa[&1].pages[&2048].usage, 100);
    assert!(capacity::fits(&zone.state, 0, &with_pages(204_800), true).is_ok());
    assert!(capacity::fits(&zone.state, 0, &with_pages(206_848), true).is_err(), "101 pages are nowhere");
    let mut affine = pinned(1, &[("NODE_AFFINITY", "0")]);
    change(&mut zone, |txn| capacity::add(txn, 0, 5, &mut affine));
    assert_eq!(affine.nodes[0].value("NODE_ID"), "0");
    assert!(capacity::fits(&zone.state, 0, &pinned(1, &[("NODE_AFFINITY", "7")]), true).is_err());
    change(&mut zone, |txn| capacity::remove(txn, 0, 4, &mut paged));
    change(&mut zone, |txn| capacity::remove(txn, 0, 5, &mut affine));
    assert_eq!(share(&zone), before);
}

#[test]
fn isolated_threads_and_shared_ones_count_at_once() {
    let mut zone = zone_with_host();
    let update = |zone: &mut Zone, template: &str| {
        assert_eq!(zone.ask(ADMIN, "one.host.update", &[int(0), text(template), int(1)]), "0");
    };
    update(&mut zone, "ISOLCPUS=\"0,4\"");
    assert_eq!(share(&zone).numa[&0].cores[&0].free(), 0);
    update(&mut zone, "ISOLCPUS=\"4\"\nVMS_THREAD=3");
    assert_eq!(share(&zone).numa[&0].cores[&0].free(), 3);
    assert_eq!(share(&zone).numa[&0].cores[&1].free(), 6);
    update(&mut zone, "VMS_THREAD=0");
    assert_eq!(share(&zone).vms_thread, 1, "one at least");
}

#[test]
fn monitoring_moves_a_hosts_state_but_not_an_offline_ones() {
    let mut zone = zone_with_host();
    let host = |zone: &Zone| zone.state.get::<Host>(0).map(|(o, h)| (o.template.clone(), h.state)).expect("host 0");
    assert_eq!(zone.ask(ADMIN, "one.host.status", &[int(0), int(0)]), "0");
    assert_eq!(host(&zone).1, HostState::Init, "enabling starts monitoring anew");
    answer(&mut zone, is_monitor_host, Err("no route"));
    let (template, state) = host(&zone);
    assert_eq!(state, HostState::Error);
    assert_eq!(template.value("ERROR"), "Tue Nov 14 22:13:20 2023 : Error monitoring Host node (0): no route");
    assert_eq!(zone.ask(ADMIN, "one.host.status", &[int(0), int(0)]), "0");
    let wild = format!("{SYSTEM_HOST} VM=[ID=-1,VM_NAME=stray,DEPLOY_ID=x] VM=[ID=4,DEPLOY_ID=one-4]");
    answer(&mut zone, is_monitor_host, Ok(&wild));
    let (template, state) = host(&zone);
    assert_eq!((state, template.get("ERROR")), (HostState::Monitored, None));
    assert_eq!((template.value("TOTAL_WILDS"), template.value("WILDS")), ("1", "stray"));
    assert_eq!(zone.ask(ADMIN, "one.host.status", &[int(0), int(0)]), "0");
    assert_eq!(zone.ask(ADMIN, "one.host.status", &[int(0), int(2)]), "0");
    assert!(zone.state.pending().values().all(|p| !is_monitor_host(&p.operation)), "offline hosts are left alone");
    assert_eq!(share(&zone).max_cpu, 0);
}

#[test]
fn members_that_go_leave_their_clusters_their_vdcs_and_rules() {
    let mut zone = Zone::fresh();
    let template = "NAME=shop\nDS_MAD=dummy\nTM_MAD=dummy";
    assert_eq!(zone.ask(ADMIN, "one.cluster.allocate", &[text("east")]), "100");
    assert_eq!(zone.ask(ADMIN, "one.datastore.allocate", &[text(template), int(100)]), "100");
    assert_eq!(zone.ask(ADMIN, "one.cluster.adddatastore", &[int(0), int(100)]), "0");
    let in_clusters = |zone: &Zone| -> Vec<i32> {
        let having = zone.state.each::<Cluster>().filter(|(_, c)| c.datastores.contains(&100));
        having.map(|(object, _)| object.id).collect()
    };
    assert_eq!(in_clusters(&zone), [0, 100]);
    assert_eq!(datastore::clusters_of(&zone.state, 100), [0, 100], "both sides tell the same");
    let rules = zone.state.pool(Kind::Acl).len();
    assert_eq!(zone.ask(ADMIN, "one.group.allocate", &[text("buyers")]), "100");
    let with_group = zone.state.pool(Kind::Acl).len();
    assert_eq!(zone.ask(ADMIN, "one.vdc.allocate", &[text("NAME=shops")]), "100");
    assert_eq!(zone.ask(ADMIN, "one.vdc.addgroup", &[int(100), int(100)]), "100");
    assert_eq!(zone.ask(ADMIN, "one.vdc.adddatastore", &[int(100), int(0), int(100)]), "100");
    assert_eq!(zone.ask(ADMIN, "one.vdc.addcluster", &[int(100), int(0), int(100)]), "100");
    assert!(with_group > rules && zone.state.pool(Kind::Acl).len() > with_group);
    assert_eq!(zone.ask(ADMIN, "one.datastore.delete", &[int(100)]), "100");
    assert!(in_clusters(&zone).is_empty());
    assert_eq!(zone.ask(ADMIN, "one.cluster.delete", &[int(100)]), "100");
    let (_, vdc) = zone.state.get::<Vdc>(100).expect("VDC 100");
    assert!(vdc.datastores.is_empty() && vdc.clusters.is_empty());
    assert_eq!(zone.state.pool(Kind::Acl).len(), with_group, "the rules for both are gone");
}

#[test]
fn console_ports_follow_the_vms_id_until_they_are_taken() {
    let mut zone = Zone::fresh();
    let take = |zone: &mut Zone, vm: i32| change(zone, |txn| vnc::take(txn, 0, vm));
    assert_eq!(take(&mut zone, 3), Some(5903));
    assert_eq!(take(&mut zone, 3), Some(5900), "the lowest free one");
    assert_eq!(take(&mut zone, 26_868), Some(5901), "32768 and above are reserved");
    assert!(change(&mut zone, |txn| vnc::claim(txn, 0, 5910)).expect("cluster 0"));
    assert!(!change(&mut zone, |txn| vnc::claim(txn, 0, 5910)).expect("cluster 0"));
    change(&mut zone, |txn| vnc::release(txn, 0, 5903));
    assert_eq!(take(&mut zone, 3), Some(5903));
}

#[test]
fn an_updated_datastore_keeps_what_it_must() {
    let mut zone = Zone::fresh();
    let allocate =
        |zone: &mut Zone, template: &str| zone.ask(ADMIN, "one.datastore.allocate", &[text(template), int(0)]);
    let update = |zone: &mut Zone, id: i64, template: &str| {
        zone.ask(ADMIN, "one.datastore.update", &[int(id), text(template), int(1)])
    };
    let ds_type = |zone: &Zone, id: i32| datastore::ds_type(&zone.state, id).expect("a datastore");
    assert_eq!(allocate(&mut zone, "NAME=b\nTYPE=BACKUP_DS\nDS_MAD=rsync\nRSYNC_HOST=h\nRSYNC_USER=u"), "100");
    assert_eq!(update(&mut zone, 100, "TYPE=IMAGE_DS"), "100");
    assert_eq!(ds_type(&zone, 100), DatastoreType::Backup);
    assert_eq!(update(&mut zone, 0, "TYPE=IMAGE_DS"), "0");
    assert_eq!(ds_type(&zone, 0), DatastoreType::System);
    assert_eq!(allocate(&mut zone, "NAME=i\nDS_MAD=dummy\nTM_MAD=dummy\nDISK_TYPE=FILE"), "101");
    let refusal = update(&mut zone, 101, "TYPE=SYSTEM_DS\nDISK_TYPE=GLUSTER");
    assert_eq!(refusal, "Cannot update template. Invalid DISK_TYPE for a System Datastore.");
    assert_eq!(ds_type(&zone, 101), DatastoreType::Image, "a refused update changes nothing");
    assert_eq!(update(&mut zone, 101, "DS_MAD=fs"), "101");
    assert_eq!(zone.state.get::<Datastore>(101).expect("datastore 101").1.ds_mad, "fs");
}

#[test]
fn a_datastores_room_is_what_its_limit_leaves() {
    let mut zone = Zone::fresh();
    let template = "NAME=i\nDS_MAD=dummy\nTM_MAD=dummy\nLIMIT_MB=150";
    assert_eq!(zone.ask(ADMIN, "one.datastore.allocate", &[text(template), int(-1)]), "100");
    let is_look = |o: &Operation| *o == Operation::MonitorDatastore { datastore: 100 };
    let figures = BASE64.encode("TOTAL_MB=1000\nFREE_MB=900\nUSED_MB=100\n");
    answer(&mut zone, is_look, Ok(&figures));
    assert_eq!(datastore::avail_mb(&zone.state, 100), (50, true));
    let update = |zone: &mut Zone, text_: &str| {
        assert_eq!(zone.ask(ADMIN, "one.datastore.update", &[int(100), text(text_), int(1)]), "100");
    };
    update(&mut zone, "LIMIT_MB=50");
    assert_eq!(datastore::avail_mb(&zone.state, 100), (0, true), "never negative");
    update(&mut zone, "LIMIT_MB=5000\nDATASTORE_CAPACITY_CHECK=no");
    assert_eq!(datastore::avail_mb(&zone.state, 100), (900, false));
    // A failed look keeps what is known; the next one is due after the configured time.
    let tick = |zone: &mut Zone, time: i64| {
        let envelope = Envelope { time, request: RequestId::default(), entropy: [0; 32], command: Command::Tick };
        zone.state.apply(&envelope).reply.expect("ticks are accepted");
    };
    tick(&mut zone, NOW + 299);
    assert!(!zone.state.pending().values().any(|p| is_look(&p.operation)));
    tick(&mut zone, NOW + 300);
    answer(&mut zone, is_look, Err("unreachable"));
    assert_eq!(datastore::avail_mb(&zone.state, 100), (900, false));
}

#[test]
fn only_system_datastores_are_enabled_and_disabled() {
    let mut zone = Zone::fresh();
    let mut disable = |id| zone.ask(ADMIN, "one.datastore.enable", &[int(id), Arg::Bool(false)]);
    assert_eq!(disable(0), "0");
    assert_eq!(disable(1), "Only SYSTEM_DS can be disabled or enabled");
}

#[test]
fn system_datastores_that_are_not_shared_are_not_looked_at() {
    let zone = Zone::fresh();
    let looks: Vec<&Operation> = zone.state.pending().values().map(|p| &p.operation).collect();
    assert!(!looks.contains(&&Operation::MonitorDatastore { datastore: SYSTEM_DATASTORE }));
}

#[test]
fn an_app_holds_its_image_while_it_is_copied() {
    let mut zone = Zone::fresh();
    let template = "NAME=i\nDS_MAD=dummy\nTM_MAD=dummy";
    assert_eq!(zone.ask(ADMIN, "one.datastore.allocate", &[text(template), int(-1)]), "100");
    let image = [text("NAME=disk\nTYPE=DATABLOCK\nSIZE=1"), int(100), quorate_model::api::Arg::Bool(false)];
    assert_eq!(zone.ask(ADMIN, "one.image.allocate", &image), "0");
    answer(&mut zone, |o| matches!(o, Operation::Image { .. }), Ok("path raw"));
    let market = "NAME=m\nMARKET_MAD=http\nBASE_URL=x\nPUBLIC_DIR=y";
    assert_eq!(zone.ask(ADMIN, "one.market.allocate", &[text(market)]), "100");
    let allocate =
        |zone: &mut Zone, template: &str| zone.ask(ADMIN, "one.marketapp.allocate", &[text(template), int(100)]);
    let holders = |zone: &Zone| zone.state.get::<Image>(0).expect("image 0").1.app_clones.clone();
    let state = |zone: &Zone, app: i32| zone.state.get::<MarketApp>(app).expect("an app").1.state;
    let is_import = |app: i32| move |o: &Operation| matches!(o, Operation::MarketApp { app: a, action } if *a == app && *action == MarketAction::Import);
    assert_eq!(allocate(&mut zone, "NAME=a\nORIGIN_ID=0"), "0");
    assert_eq!((holders(&zone), state(&zone, 0)), ([0].into(), AppState::Locked));
    let imported = BASE64.encode("SOURCE=s\nMD5=m\nFORMAT=raw\nSIZE=7\n");
    answer(&mut zone, is_import(0), Ok(&imported));
    assert_eq!((holders(&zone), state(&zone, 0)), ([].into(), AppState::Ready));
    assert_eq!(allocate(&mut zone, "NAME=b\nORIGIN_ID=0"), "1");
    answer(&mut zone, is_import(1), Err("disk full"));
    assert_eq!((holders(&zone), state(&zone, 1)), ([].into(), AppState::Error));
    let error = zone.state.find(Kind::MarketApp, 1).expect("app 1").template.value("ERROR").to_owned();
    assert!(error.ends_with(" : Error importing app into marketplace: disk full"), "{error}");
    assert_eq!(allocate(&mut zone, "NAME=c\nORIGIN_ID=0"), "2");
    answer(&mut zone, is_import(2), Ok(&BASE64.encode("SOURCE=s\nSIZE=7\n")));
    assert_eq!(state(&zone, 2), AppState::Error, "attributes are missing");
    // Deleting one that is being copied lets go of the image at once.
    assert_eq!(allocate(&mut zone, "NAME=d\nORIGIN_ID=0"), "3");
    assert_eq!(zone.ask(ADMIN, "one.marketapp.delete", &[int(3)]), "3");
    assert_eq!(holders(&zone), [].into());
    assert_eq!(zone.state.get::<Market>(100).expect("market 100").1.apps, [0, 1, 2].into());
    assert!(zone.state.find(Kind::MarketApp, 3).is_some(), "until the driver has answered");
    answer(&mut zone, |o| matches!(o, Operation::MarketApp { app: 3, .. }), Err("no such file"));
    assert!(zone.state.find(Kind::MarketApp, 3).is_none());
    // As in the reference (`MarketPlaceManager::import_app`), what cannot be copied stays to be looked at.
    assert_eq!(allocate(&mut zone, "NAME=e\nORIGIN_ID=9"), "Image does not exist.");
    assert_eq!(state(&zone, 4), AppState::Error);
}

#[test]
fn hosts_whose_monitoring_failed_are_tried_again() {
    let mut zone = zone_with_host();
    assert_eq!(zone.ask(ADMIN, "one.host.status", &[int(0), int(0)]), "0");
    answer(&mut zone, is_monitor_host, Err("no route"));
    let tick = |zone: &mut Zone, time: i64| {
        let envelope = Envelope { time, request: RequestId::default(), entropy: [0; 32], command: Command::Tick };
        zone.state.apply(&envelope).reply.expect("ticks are accepted");
        zone.state.pending().values().filter(|p| is_monitor_host(&p.operation)).count()
    };
    assert_eq!(tick(&mut zone, NOW + 179), 0);
    assert_eq!(tick(&mut zone, NOW + 180), 1);
    assert_eq!(tick(&mut zone, NOW + 999), 1, "once");
}

#[test]
fn a_pool_whose_first_object_was_refused_begins_with_one() {
    let mut zone = Zone::fresh();
    let mut allocate = |hook: &str| zone.ask(ADMIN, "one.hook.allocate", &[text(hook)]);
    // Before the name is accepted, no id is taken; after it, the first one is lost, but only once.
    assert_eq!(allocate("NAME=\"a/b\"\nTYPE=api\nCOMMAND=x\nCALL=one.vm.allocate"), "Invalid name.");
    assert_eq!(allocate("NAME=a\nTYPE=api\nCOMMAND=x\nCALL=one.vm.allocate"), "0");
    assert_eq!(allocate("NAME=b\nTYPE=api\nCALL=one.vm.allocate"), "No COMMAND in template for Hook.");
    assert_eq!(allocate("NAME=b\nTYPE=api\nCOMMAND=x\nCALL=one.vm.allocate"), "1");
    let mut zone = Zone::fresh();
    let mut allocate = |hook: &str| zone.ask(ADMIN, "one.hook.allocate", &[text(hook)]);
    assert_eq!(allocate("NAME=b\nTYPE=api\nCALL=one.vm.allocate"), "No COMMAND in template for Hook.");
    assert_eq!(allocate("NAME=b\nTYPE=api\nCALL=one.vm.allocate"), "No COMMAND in template for Hook.");
    assert_eq!(allocate("NAME=b\nTYPE=api\nCOMMAND=x\nCALL=one.vm.allocate"), "1");
    assert_eq!(zone.ask(ADMIN, "one.cluster.allocate", &[text("")]), "Invalid NAME, it cannot be empty");
    assert_eq!(zone.ask(ADMIN, "one.cluster.allocate", &[text("c")]), "100", "other pools have objects from the start");
}
