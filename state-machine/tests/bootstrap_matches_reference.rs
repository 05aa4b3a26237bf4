//! The content of a fresh zone against the reference's, as `../shared/api/defaults.json` records it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::acl::Acl;
use quorate_model::records::cluster::Cluster;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::group::Group;
use quorate_model::records::user::User;
use quorate_model::records::vdc::Vdc;
use quorate_model::template::Attribute;
use quorate_state_machine::bootstrap::KINDS;
use quorate_state_machine::state::State;
use quorate_testkit::zone::Zone;
use serde_json::Value as Json;

fn defaults() -> Option<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/api/defaults.json");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {} is missing", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).expect("defaults.json is JSON"))
}

fn fresh() -> State {
    Zone::fresh().state
}

fn ids(json: &Json) -> Vec<i64> {
    json.as_array().map(|all| all.iter().filter_map(Json::as_i64).collect()).unwrap_or_default()
}

#[test]
fn every_pool_has_the_recorded_objects() {
    let Some(defaults) = defaults() else { return };
    let state = fresh();
    for kind in KINDS.into_iter().filter(|k| *k != Kind::Acl) {
        let section = match kind {
            Kind::Group => "groups",
            Kind::User => "users",
            Kind::Cluster => "clusters",
            Kind::Datastore => "datastores",
            Kind::SecGroup => "security_groups",
            Kind::Vdc => "vdcs",
            Kind::Market => "marketplaces",
            Kind::Zone => "zones",
            other => panic!("where are {other:?} recorded?"),
        };
        let recorded = defaults[section].as_array().expect("a section lists objects");
        let name = |o: &Json| (o["id"].as_i64().unwrap_or(-1), o["name"].as_str().unwrap_or("").to_owned());
        let recorded: BTreeMap<i64, String> = recorded.iter().map(name).collect();
        let made: BTreeMap<i64, String> =
            state.pool(kind).values().map(|o| (i64::from(o.id), o.name.clone())).collect();
        assert_eq!(recorded, made, "{section}");
    }
}

#[test]
fn users_and_groups_are_the_recorded_ones() {
    let Some(defaults) = defaults() else { return };
    let state = fresh();
    for ((object, user), recorded) in state.each::<User>().zip(defaults["users"].as_array().expect("users")) {
        assert_eq!(recorded["auth_driver"], user.auth_driver.as_str());
        assert_eq!(recorded["gid"], object.gid);
        assert_eq!(ids(&recorded["groups"]), user.groups.iter().map(|g| i64::from(*g)).collect::<Vec<_>>());
        assert_eq!(object.template.value("TOKEN_PASSWORD").len(), 64);
        assert_eq!(user.password.len(), 64);
    }
    for ((object, group), recorded) in state.each::<Group>().zip(defaults["groups"].as_array().expect("groups")) {
        assert_eq!(ids(&recorded["users"]), group.users.iter().map(|g| i64::from(*g)).collect::<Vec<_>>());
        let views = object.template.vectors("SUNSTONE").next();
        for (name, value) in recorded["template"]["SUNSTONE"].as_object().into_iter().flatten() {
            assert_eq!(views.and_then(|v| v.get(name)), value.as_str());
        }
    }
}

#[test]
fn rules_and_the_default_vdc_are_the_recorded_ones() {
    let Some(defaults) = defaults() else { return };
    let state = fresh();
    let hex = |n: u64| Json::from(format!("{n:x}"));
    let recorded = defaults["acls"].as_array().expect("acls");
    assert_eq!(state.pool(Kind::Acl).len(), recorded.len());
    for ((object, rule), recorded) in state.each::<Acl>().zip(recorded) {
        let made = [Json::from(object.id), hex(rule.user), hex(rule.resource), hex(rule.rights), hex(rule.zone)];
        assert_eq!(made, ["id", "user", "resource", "rights", "zone"].map(|field| recorded[field].clone()));
    }
    let (_, vdc) = state.get::<Vdc>(0).expect("VDC 0");
    assert_eq!(ids(&defaults["vdcs"][0]["groups"]), vdc.groups.iter().map(|g| i64::from(*g)).collect::<Vec<_>>());
    assert_eq!(vdc.clusters.iter().copied().collect::<Vec<_>>(), [(0, -10)]);
}

#[test]
fn clusters_and_datastores_are_the_recorded_ones() {
    let Some(defaults) = defaults() else { return };
    let state = fresh();
    let template = |json: &Json| -> BTreeMap<String, String> {
        let all = json.as_object().into_iter().flatten();
        all.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    let made = |object: &Object| -> BTreeMap<String, String> {
        let singles = object.template.iter().filter_map(|(name, attribute)| match attribute {
            Attribute::Single(value) => Some((name.to_string(), value.to_string())),
            Attribute::Vector(_) => None,
        });
        singles.collect()
    };
    for ((object, cluster), recorded) in state.each::<Cluster>().zip(defaults["clusters"].as_array().expect("clusters"))
    {
        assert_eq!(template(&recorded["template"]), made(object));
        for (field, members) in
            [("hosts", &cluster.hosts), ("datastores", &cluster.datastores), ("vnets", &cluster.vnets)]
        {
            assert_eq!(ids(&recorded[field]), members.iter().map(|m| i64::from(*m)).collect::<Vec<_>>());
        }
    }
    for ((object, datastore), recorded) in
        state.each::<Datastore>().zip(defaults["datastores"].as_array().expect("datastores"))
    {
        assert_eq!(template(&recorded["template"]), made(object), "{}", object.name);
        assert_eq!(recorded["type"], datastore.ds_type as u8);
        assert_eq!(recorded["disk_type"], datastore.disk_type as u8);
        assert_eq!(recorded["state"], datastore.state as u8);
        assert_eq!(recorded["ds_mad"], datastore.ds_mad.as_str());
        assert_eq!(recorded["tm_mad"], datastore.tm_mad.as_str());
        assert_eq!(ids(&recorded["clusters"]), datastore.clusters.iter().map(|c| i64::from(*c)).collect::<Vec<_>>());
        assert!(recorded["permissions"].as_str().is_some_and(|p| p.starts_with("640")));
        assert_eq!(object.permissions.0, 0o640);
    }
}

#[test]
fn new_objects_get_the_recorded_ids() {
    let Some(defaults) = defaults() else { return };
    let state = fresh();
    for (name, id) in defaults["ids"]["next_id_fresh"].as_object().expect("next ids") {
        let kind = match name.as_str() {
            "cluster" => Kind::Cluster,
            "group" => Kind::Group,
            "datastore" => Kind::Datastore,
            "vdc" => Kind::Vdc,
            "secgroup" => Kind::SecGroup,
            "zone" => Kind::Zone,
            "marketplace" => Kind::Market,
            "user" => Kind::User,
            "acl" => Kind::Acl,
            // Pools without first objects begin at 0.
            _ => {
                assert_eq!(id, 0, "{name}");
                continue;
            }
        };
        let next = state.globals().next_ids.get(&kind).copied().unwrap_or(kind.info().first_id);
        assert_eq!(id, next, "{name}");
    }
}
