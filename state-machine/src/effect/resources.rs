//! What drivers are told about hosts, datastores, images, marketplaces, networks and hooks.

use super::driver_name::{DriverKind, DriverName};
use super::message::{Document, HookRun, Message, Part, Payload};
use super::objects::{known, opened};
use crate::methods::Question;
use crate::state::State;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{ImageAction, MarketAction, NetworkAction};
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::hook::Hook;
use quorate_model::records::host::Host;
use quorate_model::records::image::Image;
use quorate_model::records::market::Market;
use quorate_model::records::market_app::MarketApp;
use quorate_model::records::vm::Vm;
use quorate_model::records::vnet::Vnet;

/// The element around what datastore drivers are told.
const DATASTORE_DATA: &str = "DS_DRIVER_ACTION_DATA";

fn document(root: &'static str, parts: Vec<Part>) -> Payload {
    Payload::Document(Document::new(root, parts))
}

pub(super) fn monitor_host(state: &State, id: i32) -> Result<Message, String> {
    let (object, host) = known::<Host>(state, id)?;
    let driver = DriverName::new(DriverKind::Monitor, &host.im_mad);
    Ok(Message { driver, action: "START_MONITOR", object: id, payload: Payload::Host(object.clone()) })
}

/// The driver that handles the images of a datastore.
fn datastore_driver(state: &State, datastore: i32) -> DriverName {
    let body = state.find_typed::<Datastore>(datastore).map(|(_, body)| body);
    DriverName::new(DriverKind::Datastore, body.map_or("", |body| &body.ds_mad))
}

/// A datastore in clear, if it is there.
fn datastore_part(state: &State, datastore: i32) -> Option<Part> {
    opened(state, Kind::Datastore, datastore).map(Part::Object)
}

pub(super) fn image(state: &State, id: i32, action: ImageAction) -> Result<Message, String> {
    let (object, image) = known::<Image>(state, id)?;
    let mut parts = vec![Part::Object(object.clone())];
    parts.extend(datastore_part(state, image.datastore));
    match action {
        ImageAction::Copy => parts.extend(origin(state, object)),
        ImageAction::IncrementFlatten => {
            let vm = image.vms.iter().find_map(|vm| state.find_typed::<Vm>(*vm));
            let keep = vm.map_or(0, |(_, vm)| vm.backups.keep_last());
            parts.push(Part::Element("EXTRA_DATA", vec![Part::Text("KEEP_LAST", keep.to_string())]));
        }
        _ => {}
    }
    let driver = datastore_driver(state, image.datastore);
    Ok(Message { driver, action: action.name(), object: id, payload: document(DATASTORE_DATA, parts) })
}

/// The marketplace that an image comes from, if it comes from one.
fn origin(state: &State, image: &Object) -> Option<Part> {
    let app = image.template.value("FROM_APP").parse().ok()?;
    let (_, app) = state.find_typed::<MarketApp>(app)?;
    state.find(Kind::Market, app.market).cloned().map(Part::Object)
}

pub(super) fn monitor_datastore(state: &State, id: i32) -> Result<Message, String> {
    let (_, datastore) = known::<Datastore>(state, id)?;
    let mut parts: Vec<Part> = datastore_part(state, id).into_iter().collect();
    let driver = if datastore.ds_type == DatastoreType::System {
        let location = state.settings().value("DATASTORE_LOCATION").to_owned();
        parts.push(Part::Text("DATASTORE_LOCATION", location));
        DriverName::new(DriverKind::SystemDatastore, &datastore.tm_mad)
    } else {
        DriverName::new(DriverKind::Datastore, &datastore.ds_mad)
    };
    Ok(Message { driver, action: "MONITOR", object: id, payload: document(DATASTORE_DATA, parts) })
}

pub(super) fn market_app(state: &State, id: i32, action: MarketAction) -> Result<Message, String> {
    let (object, app) = known::<MarketApp>(state, id)?;
    let market = state.find(Kind::Market, app.market);
    let mut parts = vec![Part::Object(object.clone())];
    parts.extend(market.cloned().map(Part::Object));
    if action == MarketAction::Import
        && let Some(image) = i32::try_from(app.origin).ok().and_then(|image| state.find(Kind::Image, image))
    {
        parts.push(Part::Object(image.clone()));
        let datastore = state.find_typed::<Image>(image.id).map(|(_, image)| image.datastore);
        parts.extend(datastore.and_then(|datastore| datastore_part(state, datastore)));
    }
    let name = state.find_typed::<Market>(app.market).map_or("", |(_, market)| &market.market_mad);
    let driver = DriverName::new(DriverKind::Market, name);
    Ok(Message { driver, action: action.name(), object: id, payload: document("MARKET_DRIVER_ACTION_DATA", parts) })
}

/// A network that is gone already is told by the document that the operation has kept.
pub(super) fn network(state: &State, id: i32, action: NetworkAction, kept: Option<&str>) -> Message {
    let known = state.find(Kind::Net, id);
    let name = match state.find_typed::<Vnet>(id) {
        Some((_, vnet)) => vnet.vn_mad.as_str(),
        None => kept.map_or("", name_in),
    };
    let part = known.cloned().map(Part::Object).or_else(|| kept.map(|xml| Part::Xml(xml.to_owned())));
    let driver = DriverName::new(DriverKind::Network, name);
    Message { driver, action: action.name(), object: id, payload: document("", part.into_iter().collect()) }
}

/// The text of VN_MAD in a network's document, which stands before its template.
fn name_in(xml: &str) -> &str {
    let inner = xml.split_once("<VN_MAD><![CDATA[").and_then(|(_, rest)| rest.split_once("]]>"));
    inner.map_or("", |(name, _)| name)
}

pub(super) fn hook(state: &State, id: i32, arguments: &str, remote_host: &str, retry: bool) -> Result<Message, String> {
    let (object, _) = known::<Hook>(state, id)?;
    let run =
        HookRun { hook: object.clone(), arguments: arguments.to_owned(), remote_host: remote_host.to_owned(), retry };
    let action = if retry { "RETRY" } else { "EXECUTE" };
    let driver = DriverName::new(DriverKind::Hook, "");
    Ok(Message { driver, action, object: id, payload: Payload::Hook(run) })
}

pub(super) fn question(state: &State, question: &Question) -> Message {
    let (datastore, action, parts) = match question {
        Question::ImageSize { datastore, path } => {
            let image = Part::Element("IMAGE", vec![Part::Text("PATH", path.clone())]);
            (*datastore, "STAT", [image].into_iter().chain(datastore_part(state, *datastore)).collect())
        }
        Question::RestoreBackup { image, datastore, options } => {
            let source = state.find_typed::<Image>(*image).map_or(-1, |(_, image)| image.datastore);
            let mut parts: Vec<Part> = state.find(Kind::Image, *image).cloned().map(Part::Object).into_iter().collect();
            parts.extend(datastore_part(state, source));
            parts.push(Part::Text("DESTINATION_DS_ID", datastore.to_string()));
            let mut template = quorate_model::xml::XmlWriter::new();
            options.render("TEMPLATE", &mut template);
            parts.push(Part::Xml(template.finish()));
            (source, "RESTORE", parts)
        }
    };
    let driver = datastore_driver(state, datastore);
    Message { driver, action, object: -1, payload: document(DATASTORE_DATA, parts) }
}
