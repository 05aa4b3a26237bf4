//! Images: what drivers' answers, locks, copies, VMs and quotas do to them.

use quorate_model::api::Arg;
use quorate_model::command::{Actor, Facts};
use quorate_model::error::ErrorCode;
use quorate_model::kind::Kind;
use quorate_model::pending::Operation;
use quorate_model::records::image::Image;
use quorate_model::records::image::increments::Increments;
use quorate_model::records::image::snapshots::{Orphans, Snapshots};
use quorate_model::records::image::states::State;
use quorate_model::template::VectorAttribute;
use quorate_state_machine::pools::image::{files, usage};
use quorate_state_machine::txn::Txn;
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};

/// User 2 (`ann:pw`), who may make images, and image datastore 100 and file datastore 101 with their space known.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    let groups = Arg::Ints(vec![1]);
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text(""), groups]), "2");
    let images = "NAME=images\nDS_MAD=dummy\nTM_MAD=dummy\nDATASTORE_CAPACITY_CHECK=NO";
    assert_eq!(zone.ask(ADMIN, "one.datastore.allocate", &[text(images), int(-1)]), "100");
    let files = "NAME=kernels\nTYPE=FILE_DS\nDS_MAD=dummy\nTM_MAD=dummy\nDATASTORE_CAPACITY_CHECK=NO";
    assert_eq!(zone.ask(ADMIN, "one.datastore.allocate", &[text(files), int(-1)]), "101");
    zone
}

fn allocate(zone: &mut Zone, session: &str, template: &str) -> String {
    zone.ask(session, "one.image.allocate", &[text(template), int(100)])
}

/// Lets the driver answer every pending operation of this action; returns how many there were.
fn answer(zone: &mut Zone, action: &str, outcome: Result<&str, &str>) -> usize {
    let owned = || outcome.map(str::to_owned).map_err(str::to_owned);
    zone.report(|op| matches!(op, Operation::Image { action: a, .. } if a.name() == action).then(owned))
}

/// An image of ann's that is READY.
fn ready(zone: &mut Zone, template: &str) -> i32 {
    let id = allocate(zone, "ann:pw", template).parse().expect("allocated");
    assert_eq!(answer(zone, "MKFS", Ok("made")) + answer(zone, "CP", Ok("copied raw")), 1);
    assert_eq!(state(zone, id), State::Ready);
    id
}

fn image(zone: &Zone, id: i32) -> &Image {
    zone.state.get::<Image>(id).expect("the image exists").1
}

fn state(zone: &Zone, id: i32) -> State {
    image(zone, id).state
}

fn error_of(zone: &Zone, id: i32) -> String {
    zone.state.object(Kind::Image, id).expect("the image exists").template.value("ERROR").to_owned()
}

/// SIZE_USED and IMAGES_USED of ann in datastore 100.
fn used(zone: &mut Zone) -> Option<(String, String)> {
    let xml = zone.ask("ann:pw", "one.user.info", &[int(-1)]);
    let value = |name: &str| Some(xml.split_once(&format!("<{name}><![CDATA["))?.1.split_once("]]")?.0.to_owned());
    Some((value("SIZE_USED")?, value("IMAGES_USED")?))
}

fn txn(zone: &Zone) -> Txn {
    Txn::new(zone.state.clone(), Actor::default(), Facts::default(), [0; 32])
}

#[test]
fn a_failing_copy_is_an_error_that_enabling_looks_over() {
    let mut zone = zone();
    assert_eq!(allocate(&mut zone, ADMIN, "NAME=a\nPATH=/a"), "0");
    assert_eq!(state(&zone, 0), State::Locked);
    assert_eq!(answer(&mut zone, "CP", Err("no such host")), 1);
    assert_eq!(state(&zone, 0), State::Error);
    assert_eq!(error_of(&zone, 0), "Tue Nov 14 22:13:20 2023 : Error copying image in the datastore: no such host");
    assert_eq!(NOW, 1_700_000_000, "the time in the text");
    assert_eq!(zone.ask(ADMIN, "one.image.enable", &[int(0), Arg::Bool(true)]), "0");
    assert_eq!(state(&zone, 0), State::Ready);
}

#[test]
fn a_copy_without_a_format_is_an_error() {
    let mut zone = zone();
    assert_eq!(allocate(&mut zone, ADMIN, "NAME=a\nPATH=/a"), "0");
    assert_eq!(answer(&mut zone, "CP", Ok("only_a_source")), 1);
    assert_eq!((state(&zone, 0), image(&zone, 0).source.as_str()), (State::Error, "only_a_source"));
    assert!(error_of(&zone, 0).ends_with(" : CP operation succeeded but image FORMAT was not returned."));
}

#[test]
fn the_size_of_a_path_is_the_drivers_and_of_all_else_the_templates() {
    let mut zone = zone();
    zone.answer = Err("no such file".to_owned());
    let refused = "Cannot parse image SIZE: no such file";
    assert_eq!(allocate(&mut zone, ADMIN, "NAME=a\nPATH=/a\nSIZE=7"), refused);
    let refused = "Cannot parse image SIZE: Wrong number or missing SIZE attribute.";
    assert_eq!(allocate(&mut zone, ADMIN, "NAME=a\nSIZE=7GB"), refused);
    assert_eq!(allocate(&mut zone, ADMIN, "NAME=a\nSIZE=7"), "0");
    assert_eq!(image(&zone, 0).size_mb, 7);
    zone.answer = Ok("12 and more".to_owned());
    assert_eq!(allocate(&mut zone, ADMIN, "NAME=b\nPATH=/b\nSIZE=7"), "1");
    assert_eq!(image(&zone, 1).size_mb, 12);
}

#[test]
fn users_may_not_set_restricted_attributes_and_nothing_stays_of_a_refusal() {
    let mut zone = zone();
    let refused = "User [2] : Template includes a restricted attribute SOURCE.";
    assert_eq!(allocate(&mut zone, "ann:pw", "NAME=a\nSOURCE=/s\nFORMAT=raw\nSIZE=5"), refused);
    assert_eq!(used(&mut zone), None);
    let limits = text("DATASTORE=[ID=100,SIZE=10,IMAGES=1]");
    assert_eq!(zone.ask(ADMIN, "one.user.quota", &[int(2), limits]), "2");
    let refused = "User [2] : user [2] limit of 10 reached for SIZE quota in DATASTORE with ID: 100.";
    assert_eq!(allocate(&mut zone, "ann:pw", "NAME=a\nSIZE=11"), refused);
    // Booked, then refused for its name: given back.
    let refused = "Error allocating a new image. Invalid NAME, char ';' is not allowed";
    assert_eq!(allocate(&mut zone, "ann:pw", "NAME=\"a;\"\nSIZE=10"), refused);
    assert_eq!(allocate(&mut zone, "ann:pw", "NAME=a\nSIZE=10"), "0");
    assert_eq!(used(&mut zone), Some(("10".to_owned(), "1".to_owned())));
}

#[test]
fn usage_lasts_until_the_driver_has_removed_the_image() {
    let mut zone = zone();
    let id = ready(&mut zone, "NAME=a\nSIZE=10");
    assert_eq!(zone.ask("ann:pw", "one.image.delete", &[int(0)]), "0");
    assert_eq!(state(&zone, id), State::Delete);
    assert_eq!(answer(&mut zone, "RM", Err("busy")), 1);
    assert_eq!(state(&zone, id), State::Error);
    assert_eq!(used(&mut zone), Some(("10".to_owned(), "1".to_owned())));
    // Forced: the driver's failure no longer matters.
    assert_eq!(zone.ask("ann:pw", "one.image.delete", &[int(0), Arg::Bool(true)]), "0");
    assert_eq!(answer(&mut zone, "RM", Err("busy")), 1);
    assert!(zone.state.find(Kind::Image, id).is_none());
    assert_eq!(used(&mut zone), None);
    assert!(!zone.ask(ADMIN, "one.datastore.info", &[int(100)]).contains("<IMAGES><ID>"));
}

#[test]
fn an_image_in_the_making_is_deleted_at_once_but_only_by_force_and_by_administrators() {
    let mut zone = zone();
    assert_eq!(allocate(&mut zone, "ann:pw", "NAME=a\nSIZE=10"), "0");
    let refusal = zone.call("ann:pw", "one.image.delete", &[int(0)]).expect_err("it is locked");
    assert_eq!((refusal.code, refusal.object_id), (ErrorCode::Internal, 0));
    let refused = "User [2] : Not authorized to perform ADMIN IMAGE [0].";
    assert_eq!(zone.ask("ann:pw", "one.image.delete", &[int(0), Arg::Bool(true)]), refused);
    assert_eq!(zone.ask(ADMIN, "one.image.delete", &[int(0), Arg::Bool(true)]), "0");
    assert!(zone.state.find(Kind::Image, 0).is_none());
    assert_eq!(answer(&mut zone, "MKFS", Ok("too late")), 0, "nobody waits for the driver any more");
    assert_eq!(used(&mut zone), None);
}

#[test]
fn a_copy_holds_its_original_until_it_is_made_or_given_up() {
    let mut zone = zone();
    let original = ready(&mut zone, "NAME=a\nSIZE=10\nPERSISTENT=YES");
    let clone = |zone: &mut Zone, name: &str| zone.ask("ann:pw", "one.image.clone", &[int(0), text(name)]);
    assert_eq!(clone(&mut zone, "b"), "1");
    assert_eq!(clone(&mut zone, "c"), "2");
    assert_eq!(clone(&mut zone, "d"), "3");
    assert_eq!(state(&zone, original), State::Clone);
    let refused = "Cannot delete image. There are 3 active clone operations.";
    assert_eq!(zone.ask(ADMIN, "one.image.delete", &[int(0)]), refused);
    assert_eq!(zone.ask(ADMIN, "one.image.delete", &[int(1), Arg::Bool(true)]), "1");
    assert_eq!(image(&zone, original).clones, [2, 3].into());
    let is_copy = |op: &Operation, id: i32| matches!(op, Operation::Image { image, .. } if *image == id);
    assert_eq!(zone.report(|op| is_copy(op, 2).then(|| Err("disk full".to_owned()))), 1);
    assert_eq!((state(&zone, 2), state(&zone, original)), (State::Error, State::Clone));
    assert!(error_of(&zone, 2).ends_with(" : Error cloning from Image 0: disk full"));
    assert_eq!(zone.report(|op| is_copy(op, 3).then(|| Ok("copied".to_owned()))), 1);
    assert_eq!((state(&zone, 3), state(&zone, original)), (State::Ready, State::Ready));
    let copy = image(&zone, 3);
    assert_eq!((copy.path.as_str(), copy.source.as_str(), copy.persistent), ("made", "copied", true));
    assert_eq!(copy.cloning_from, None);
}

#[test]
fn a_change_of_state_ends_a_users_lock() {
    let mut zone = zone();
    ready(&mut zone, "NAME=a\nSIZE=10");
    assert_eq!(zone.ask("ann:pw", "one.image.lock", &[int(0), int(3)]), "0");
    assert_eq!(zone.ask("ann:pw", "one.image.persistent", &[int(0), Arg::Bool(true)]), "0");
    assert!(zone.ask("ann:pw", "one.image.info", &[int(0)]).contains("<LOCK><LOCKED>3"));
    assert_eq!(zone.ask("ann:pw", "one.image.enable", &[int(0), Arg::Bool(false)]), "0");
    assert!(!zone.ask("ann:pw", "one.image.info", &[int(0)]).contains("<LOCK>"));
}

#[test]
fn persistence_follows_the_users_and_groups_defaults() {
    let mut zone = zone();
    let user = "OPENNEBULA=[DEFAULT_IMAGE_PERSISTENT_NEW=YES,DEFAULT_IMAGE_PERSISTENT=NO]";
    assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), text(user), int(1)]), "2");
    let plain = ready(&mut zone, "NAME=a\nSIZE=10");
    assert!(image(&zone, plain).persistent, "a new image follows DEFAULT_IMAGE_PERSISTENT_NEW");
    let said = ready(&mut zone, "NAME=b\nSIZE=10\nPERSISTENT=NO");
    assert!(!image(&zone, said).persistent, "unless its template says otherwise");
    assert_eq!(zone.ask("ann:pw", "one.image.clone", &[int(0), text("c")]), "2");
    assert!(!image(&zone, 2).persistent, "a copy follows DEFAULT_IMAGE_PERSISTENT, whatever its original is");
}

#[test]
fn a_type_changes_only_within_its_kind_of_datastore() {
    let mut zone = zone();
    ready(&mut zone, "NAME=a\nSIZE=10\nTYPE=DATABLOCK");
    let mut chtype = |name: &str| zone.ask("ann:pw", "one.image.chtype", &[int(0), text(name)]);
    // The reference adds the type's number to the text's address.
    assert_eq!(chtype("FLOPPY"), "known type ");
    assert_eq!(chtype("backup"), "Cannot change image type to an incompatible type for the current datastore.");
    assert_eq!(chtype("cdrom"), "0");
    assert_eq!(chtype(""), "0", "the default type");
}

#[test]
fn a_vm_waits_for_an_image_in_the_making_but_a_disk_to_attach_does_not() {
    let mut zone = zone();
    assert_eq!(allocate(&mut zone, ADMIN, "NAME=a\nSIZE=10"), "0");
    let mut txn = txn(&zone);
    let mut disk = VectorAttribute::from_iter([("IMAGE", "a"), ("IMAGE_UNAME", "oneadmin")]);
    let refused = usage::acquire(&mut txn, 7, 2, &mut disk.clone(), 0, true);
    assert_eq!(refused, Err("Cannot acquire image 0, it is locked".to_owned()));
    assert!(usage::acquire(&mut txn, 7, 2, &mut disk, 0, false).is_ok_and(|disk| disk.image == Some(0)));
    assert_eq!((disk.value("CLONING"), disk.value("SIZE"), disk.value("CLONE")), ("YES", "10", "YES"));
    assert_eq!(disk.value("IMAGE_STATE"), "9");
    zone.state = txn.commit().0;
    assert_eq!(answer(&mut zone, "MKFS", Ok("made")), 1);
    assert_eq!(state(&zone, 0), State::Used);
}

#[test]
fn a_persistent_image_serves_one_vm_and_takes_back_what_became_of_it() {
    let mut zone = zone();
    ready(&mut zone, "NAME=a\nSIZE=10\nPERSISTENT=YES");
    let mut txn = txn(&zone);
    let disk = VectorAttribute::from_iter([("IMAGE_ID", "0")]);
    assert!(usage::acquire(&mut txn, 7, 2, &mut disk.clone(), 0, false).is_ok());
    let refused = usage::acquire(&mut txn, 8, 2, &mut disk.clone(), 0, false);
    assert_eq!(refused, Err("Cannot acquire image 0, it is persistent and already in use".to_owned()));
    let mut snapshots = Snapshots::new(Some(0), Orphans::Deny);
    let first = snapshots.create("one", 10, NOW);
    snapshots.activate(first, false);
    let grown = VectorAttribute::from_iter([("IMAGE_ID", "0"), ("SIZE", "30"), ("ORIGINAL_SIZE", "10")]);
    usage::release_disk(&mut txn, 7, &grown, Some(&snapshots), false).unwrap();
    zone.state = txn.commit().0;
    let after = image(&zone, 0);
    assert_eq!((after.state, after.size_mb, after.snapshots.total_mb()), (State::Ready, 30, 10));
    assert_eq!(after.snapshots.disk_id(), None);
    // A second release of the same disk finds nothing to do.
    let mut txn = self::txn(&zone);
    usage::release_disk(&mut txn, 7, &grown, None, true).unwrap();
    assert_eq!(txn.get::<Image>(0).unwrap().1, image(&zone, 0));
}

#[test]
fn disks_of_a_size_that_the_image_cannot_have_are_refused() {
    let mut zone = zone();
    ready(&mut zone, "NAME=a\nSIZE=10");
    let sized = |size: &str| {
        let mut disk = VectorAttribute::from_iter([("IMAGE_ID", "0"), ("SIZE", size)]);
        usage::acquire(&mut txn(&zone), 7, 2, &mut disk, 0, false).map(|_| disk.value("SIZE").to_owned())
    };
    assert_eq!(sized("9"), Err("SIZE of 9MB is less than the image [0] size of 10MB.".to_owned()));
    assert_eq!(sized("11"), Ok("11".to_owned()));
}

#[test]
fn files_are_found_by_id_and_name_and_must_be_ready_and_of_their_type() {
    let mut zone = zone();
    let file = |zone: &mut Zone, template: &str| zone.ask(ADMIN, "one.image.allocate", &[text(template), int(101)]);
    assert_eq!(file(&mut zone, "NAME=kernel\nTYPE=KERNEL\nPATH=/k"), "0");
    assert_eq!(file(&mut zone, "NAME=init.sh\nTYPE=CONTEXT\nPATH=/i"), "1");
    let kernel = |zone: &Zone, value: &str| {
        let mut os = VectorAttribute::from_iter([("KERNEL_DS", value)]);
        files::os_file(&txn(zone), 0, &mut os, "KERNEL").map(|()| os.value("KERNEL_DS_SOURCE").to_owned())
    };
    assert_eq!(kernel(&zone, "$FILE[IMAGE_ID=0]"), Err("KERNEL Image '0 'not in READY state.".to_owned()));
    assert_eq!(answer(&mut zone, "CP", Ok("there raw")), 2);
    assert_eq!(kernel(&zone, "$FILE[IMAGE_ID=0]"), Ok("there".to_owned()));
    assert_eq!(kernel(&zone, "  $file[image = \"kernel\" , IMAGE_UNAME=oneadmin]"), Ok("there".to_owned()));
    let wrong = "KERNEL needs an image of type KERNEL and not CONTEXT";
    assert_eq!(kernel(&zone, "$FILE[IMAGE_ID=1]"), Err(wrong.to_owned()));
    assert!(kernel(&zone, "$FILE[IMAGE_ID=0],$FILE[IMAGE_ID=0]").is_err_and(|e| e.contains("syntax error")));
    let two = "Only one FILE variable can be used in: $FILE[IMAGE_ID=0] $FILE[IMAGE_ID=1]";
    assert_eq!(kernel(&zone, "$FILE[IMAGE_ID=0] $FILE[IMAGE_ID=1]"), Err(two.to_owned()));
    let other = "Error parsing: $NETWORK[IMAGE_ID=0]. Must use FILE variable for attribute.";
    assert_eq!(kernel(&zone, "$NETWORK[IMAGE_ID=0]"), Err(other.to_owned()));
    assert_eq!(files::context_files(&txn(&zone), 0, "$FILE[IMAGE=init.sh]").map_err(|e| e.contains("init")), Err(true));
    let quoted = files::context_files(&txn(&zone), 0, "$FILE[IMAGE=\"init.sh\"]");
    assert_eq!(quoted, Ok("there:'init.sh' ".to_owned()));
    let stranger = files::context_files(&txn(&zone), 2, "$FILE[IMAGE_ID=1]");
    assert_eq!(stranger, Err("Error parsing: $FILE[IMAGE_ID=1]. User not authorize to use image.".to_owned()));
}

#[test]
fn a_snapshot_is_deleted_by_the_driver_and_gives_its_space_back() {
    let mut zone = zone();
    ready(&mut zone, "NAME=a\nSIZE=10\nPERSISTENT=YES");
    let mut txn = txn(&zone);
    let mut snapshots = Snapshots::new(None, Orphans::Deny);
    for name in ["one", "two"] {
        let id = snapshots.create(name, 10, NOW);
        snapshots.activate(id, false);
    }
    snapshots.activate(0, true);
    txn.body_mut::<Image>(0).unwrap().snapshots = snapshots;
    zone.state = txn.commit().0;
    assert_eq!(zone.ask("ann:pw", "one.image.snapshotdelete", &[int(0), int(0)]), "Cannot delete the active snapshot");
    assert_eq!(zone.ask("ann:pw", "one.image.snapshotdelete", &[int(0), int(1)]), "1");
    assert_eq!((state(&zone, 0), image(&zone, 0).target_snapshot), (State::Locked, Some(1)));
    let refused = "Cannot delete snapshot in state LOCKED";
    assert_eq!(zone.ask("ann:pw", "one.image.snapshotdelete", &[int(0), int(1)]), refused);
    assert_eq!(answer(&mut zone, "SNAP_DELETE", Err("busy")), 1);
    assert_eq!((state(&zone, 0), image(&zone, 0).target_snapshot), (State::Ready, None));
    assert_eq!(image(&zone, 0).snapshots.list().len(), 2);
    assert!(error_of(&zone, 0).ends_with(" : Error removing snapshot 1 from image 0: busy"));
    assert_eq!(zone.ask("ann:pw", "one.image.snapshotdelete", &[int(0), int(1)]), "1");
    assert_eq!(answer(&mut zone, "SNAP_DELETE", Ok("-")), 1);
    assert_eq!(image(&zone, 0).snapshots.list().len(), 1);
    assert!(image(&zone, 0).snapshots.get(0).is_some_and(|s| s.children.is_empty()));
}

#[test]
fn deleting_from_a_chain_of_snapshots_keeps_the_chain() {
    let mut chain = Snapshots::new(Some(0), Orphans::Deny);
    for name in ["a", "b", "c"] {
        let id = chain.create(name, 5, NOW);
        chain.activate(id, false);
    }
    let refused = |reason: &str| Err(reason.to_owned());
    assert_eq!(chain.test_delete_from_disk(0, true), refused("Cannot delete snapshot 0 for persistent disk images"));
    assert_eq!(chain.test_delete_from_disk(0, false), Ok(()));
    chain.activate(1, true);
    assert_eq!(chain.test_delete_from_disk(0, false), refused("Cannot delete snapshot if child has children"));
    chain.activate(2, true);
    assert_eq!(chain.test_delete_from_disk(1, true), Ok(()));
    chain.delete(1);
    assert_eq!(chain.get(2).map(|s| s.parent), Some(Some(0)));
    assert_eq!(chain.get(0).map(|s| s.children.clone()), Some([2].into()));
    chain.delete(2);
    assert_eq!(chain.active(), Some(0), "the parent of the active snapshot takes its place");
    assert_eq!(chain.create("d", 5, NOW), 3, "ids are not used twice");
    assert_eq!(chain.test_delete_from_disk(9, false), refused("Snapshot does not exist"));
}

#[test]
fn snapshots_that_allow_orphans_know_no_parents() {
    assert_eq!(Orphans::of_disk("format", "raw"), Orphans::Allow);
    assert_eq!(Orphans::of_disk("FORMAT", "qcow2"), Orphans::Deny);
    let mut loose = Snapshots::new(Some(0), Orphans::Allow);
    let first = loose.create("a", 5, NOW);
    loose.activate(first, false);
    let second = loose.create("b", 5, NOW);
    assert_eq!(loose.get(second).map(|s| s.parent), Some(None));
    assert_eq!(loose.test_delete_from_disk(first, true), Ok(()));
    let mut mixed = Snapshots::new(Some(0), Orphans::Mixed);
    let first = mixed.create("a", 5, NOW);
    mixed.activate(first, false);
    assert_eq!(mixed.active(), None, "only going back makes one active");
    mixed.activate(first, true);
    let second = mixed.create("b", 5, NOW);
    assert_eq!(mixed.get(second).map(|s| s.parent), Some(Some(first)));
}

#[test]
fn flattened_increments_begin_with_a_full_one() {
    let mut chain = Increments::default();
    assert_eq!(chain.add("x", 5, false, NOW), None, "an increment needs something to build on");
    assert_eq!(chain.add("s0", 100, true, NOW), Some(0));
    assert_eq!(chain.add("s1", 5, false, NOW), Some(1));
    assert_eq!(chain.add("s2", 7, false, NOW), Some(2));
    let before = chain.clone();
    assert!(!chain.flattened("1:f1,9:f9", 103));
    assert_eq!(chain, before, "an answer about unknown increments changes nothing");
    assert!(chain.flattened("1:f1,2:f2", 103));
    assert_eq!((chain.len(), chain.total_mb(), chain.last_id()), (2, 110, Some(2)));
}
