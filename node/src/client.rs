//! A small XML-RPC client for this binary's own commands, its benchmark and simulation: one keep-alive connection.
//!
//! Not a general client: it reads replies of the OpenNebula API, `[success, value, code, ...]`, and faults.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use quorate_model::api::Arg;
use quorate_model::xml::XmlWriter;
use quorate_xmlrpc_edge::value::Fault;
use tokio::time::{Duration, Instant};

use crate::net::{Net, Tcp};
use crate::tls::Secure;

/// How long a connection may wait for another request. A server closes it after 15 s: one that is older might be closed just
/// while the request is on its way, and nobody could tell whether it has arrived.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

/// A client of one endpoint.
pub struct Client<N: Net = Secure<Tcp>> {
    net: N,
    place: Place,
    connection: Option<Idle>,
}

/// The reply of an API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiReply {
    /// The value as text.
    Success(String),
    /// The error text and code.
    Refused(String, i64),
}

impl ApiReply {
    /// The value, or the refusal as an error.
    ///
    /// # Errors
    /// When the call was refused.
    pub fn into_value(self) -> anyhow::Result<String> {
        match self {
            ApiReply::Success(value) => Ok(value),
            ApiReply::Refused(text, _) => bail!("{text}"),
        }
    }
}

impl Client {
    /// A client of `url` (`http://host:port/path` or `https://...`); connects with the first call.
    ///
    /// # Errors
    /// When the URL is not of that form, or it is `https` and this machine trusts no CA.
    pub fn new(url: &str) -> anyhow::Result<Client> {
        Client::trusting(url, None)
    }

    /// The same, but behind `https` it believes the CAs in the PEM file `cacert`, if one is named, and no others.
    ///
    /// # Errors
    /// When the URL is not of that form, or the file cannot be read or has no CA.
    pub fn trusting(url: &str, cacert: Option<&Path>) -> anyhow::Result<Client> {
        let place = Place::of(url)?;
        let net = if place.secure { Secure::of_command(Tcp, cacert)? } else { Secure::plain(Tcp) };
        Ok(Client { net, place, connection: None })
    }
}

/// A connection that waits for another request.
struct Idle {
    connection: SendRequest<Full<Bytes>>,
    since: Instant,
}

/// Where an endpoint is.
#[derive(Clone)]
struct Place {
    secure: bool,
    /// With its port.
    host: String,
    path: String,
}

impl Place {
    fn of(url: &str) -> anyhow::Result<Place> {
        let uri: http::Uri = url.parse().with_context(|| format!("'{url}' is no URL"))?;
        let authority = uri.authority().with_context(|| format!("'{url}' names no host"))?;
        let (secure, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => bail!("'{url}': only http and https are supported"),
        };
        let host = match authority.port_u16() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:{port}"),
        };
        Ok(Place { secure, host, path: uri.path().to_owned() })
    }
}

impl<N: Net> Client<N> {
    /// A client of `url` over a network of choice.
    ///
    /// # Errors
    /// When the URL is not of the form `http://host:port/path`.
    pub fn over(net: N, url: &str) -> anyhow::Result<Client<N>> {
        let place = Place::of(url)?;
        anyhow::ensure!(!place.secure, "'{url}': only http is supported here");
        Ok(Client { net, place, connection: None })
    }

    /// A client of the same endpoint with a connection of its own.
    #[must_use]
    pub fn another(&self) -> Client<N> {
        Client { net: self.net.clone(), place: self.place.clone(), connection: None }
    }

    /// Calls `method` with a session and arguments.
    ///
    /// # Errors
    /// When the endpoint cannot be reached, answers a fault, or something that is no reply.
    pub async fn call(&mut self, method: &str, session: &str, args: &[Arg]) -> anyhow::Result<ApiReply> {
        decode_reply(&self.post(method, session, args).await?)
    }

    /// As [`Client::call`], but answers the response as it came.
    ///
    /// # Errors
    /// When the endpoint cannot be reached or does not answer with 200.
    pub async fn post(&mut self, method: &str, session: &str, args: &[Arg]) -> anyhow::Result<Bytes> {
        let body = encode_call(method, session, args);
        let request = Request::post(self.place.path.as_str())
            .header(http::header::HOST, self.place.host.as_str())
            .header(http::header::CONTENT_TYPE, "text/xml")
            .body(Full::new(Bytes::from(body)))?;
        let (status, body) = self.exchange(request).await?;
        anyhow::ensure!(status == StatusCode::OK, "{}: HTTP {status}", self.place.host);
        Ok(body)
    }

    /// Fetches a page beside the API (`/readyz`).
    ///
    /// # Errors
    /// When the endpoint cannot be reached.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let request =
            Request::get(path).header(http::header::HOST, self.place.host.as_str()).body(Full::new(Bytes::new()))?;
        self.exchange(request).await
    }

    /// Asks what oneadmin may (`/admin/...`): tells something without an argument, does something with one. The
    /// body comes piece by piece.
    ///
    /// # Errors
    /// When the endpoint cannot be reached, or refuses; the reason.
    pub async fn admin(
        &mut self,
        name: &str,
        session: &str,
        argument: Option<&str>,
        take: &mut (dyn FnMut(Bytes) -> anyhow::Result<()> + Send),
    ) -> anyhow::Result<()> {
        use base64::Engine as _;
        let credentials = base64::engine::general_purpose::STANDARD.encode(session);
        let path = format!("/admin/{name}");
        let request = if argument.is_some() { Request::post(path) } else { Request::get(path) };
        let request = request
            .header(http::header::HOST, self.place.host.as_str())
            .header(http::header::AUTHORIZATION, format!("Basic {credentials}"))
            .body(Full::new(Bytes::from(argument.unwrap_or_default().to_owned())))?;
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await.with_context(|| self.place.host.clone())?;
        let status = response.status();
        let mut body = response.into_body();
        if status != StatusCode::OK {
            let reason = body.collect().await?.to_bytes();
            bail!("{}: {}", self.place.host, String::from_utf8_lossy(&reason).trim());
        }
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                take(data)?;
            }
        }
        Ok(())
    }

    /// Whether the node says that it is ready.
    pub async fn ready(&self) -> bool {
        matches!(self.another().get("/readyz").await, Ok((StatusCode::OK, _)))
    }

    /// One request and its response; a connection that fails is not used again.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let usable = |idle: &Idle| !idle.connection.is_closed() && idle.since.elapsed() < LONGEST_IDLE;
        let mut connection = match self.connection.take().filter(usable) {
            Some(idle) => idle.connection,
            None => self.connect().await?,
        };
        connection.ready().await?;
        let response = connection.send_request(request).await.with_context(|| self.place.host.clone())?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.connection = Some(Idle { connection, since: Instant::now() });
        Ok((status, body))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = self.net.connect(&self.place.host).await.with_context(|| self.place.host.clone())?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; its error reaches the caller through the request that fails.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn encode_call(method: &str, session: &str, args: &[Arg]) -> String {
    let mut w = XmlWriter::declared();
    w.element("methodCall", |w| {
        w.plain("methodName", method);
        w.element("params", |w| {
            encode_param(w, &Arg::Str(session.to_owned()));
            for arg in args {
                encode_param(w, arg);
            }
        });
    });
    w.finish()
}

fn encode_param(w: &mut XmlWriter, arg: &Arg) {
    w.open("param").open("value");
    match arg {
        Arg::Int(n) => {
            w.plain("int", n);
        }
        Arg::Bool(b) => {
            w.plain("boolean", i32::from(*b));
        }
        Arg::Str(s) => {
            w.plain("string", s);
        }
        Arg::Ints(all) => {
            w.open("array").open("data");
            for n in all {
                w.open("value").plain("int", n).close("value");
            }
            w.close("data").close("array");
        }
    }
    w.close("value").close("param");
}

/// Reads a reply: the scalar values in order, of an array or of a fault's struct.
///
/// # Errors
/// A [`Fault`], or when it is no reply.
pub fn decode_reply(body: &[u8]) -> anyhow::Result<ApiReply> {
    let text = std::str::from_utf8(body).context("the reply is not UTF-8")?;
    let mut reader = Reader::from_str(text);
    let mut scalars: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut fault = false;
    loop {
        match reader.read_event()? {
            Event::Start(e) => {
                fault |= e.name().as_ref() == "fault";
                value.clear();
            }
            Event::Empty(e) if e.name().as_ref() == "string" => scalars.push(String::new()),
            Event::Text(t) => value.push_str(&t),
            Event::CData(t) => value.push_str(&t),
            Event::GeneralRef(r) => push_reference(&r, &mut value)?,
            Event::End(e) if matches!(e.name().as_ref(), "string" | "int" | "i4" | "i8" | "boolean") => {
                scalars.push(std::mem::take(&mut value));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if fault {
        let code = scalars.first().and_then(|code| code.parse().ok()).context("the fault has no code")?;
        bail!(Fault { code, text: scalars.get(1).cloned().unwrap_or_default() });
    }
    match scalars.as_slice() {
        [success, value, ..] if success == "1" => Ok(ApiReply::Success(value.clone())),
        [success, text, code, ..] if success == "0" => Ok(ApiReply::Refused(text.clone(), code.parse()?)),
        _ => bail!("the reply has not the form [success, value, code]"),
    }
}

/// Appends what `&...;` stands for.
fn push_reference(r: &BytesRef<'_>, text: &mut String) -> anyhow::Result<()> {
    match r.resolve_char_ref()? {
        Some(c) => text.push(c),
        None => text.push_str(resolve_xml_entity(r).with_context(|| format!("unknown entity '{}'", &**r))?),
    }
    Ok(())
}

/// The leaf elements of one element, by name.
pub type Record = BTreeMap<String, String>;

/// Every `element` of an XML document with its direct leaf elements.
///
/// # Errors
/// When the text is not XML.
pub fn records(xml: &str, element: &str) -> anyhow::Result<Vec<Record>> {
    let mut reader = Reader::from_str(xml);
    let (mut all, mut current, mut value) = (Vec::new(), None::<Record>, String::new());
    loop {
        match reader.read_event()? {
            Event::Start(e) if e.name().as_ref() == element => current = Some(Record::new()),
            Event::Start(_) => value.clear(),
            Event::Text(t) => value.push_str(&t),
            Event::CData(t) => value.push_str(&t),
            Event::GeneralRef(r) => push_reference(&r, &mut value)?,
            Event::End(e) if e.name().as_ref() == element => all.extend(current.take()),
            Event::End(e) => {
                if let Some(record) = &mut current {
                    record.insert(e.name().as_ref().to_owned(), std::mem::take(&mut value));
                }
            }
            Event::Eof => return Ok(all),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(inner: &str) -> anyhow::Result<ApiReply> {
        decode_reply(format!("<methodResponse><params><param><value><array><data>{inner}</data></array></value></param></params></methodResponse>").as_bytes())
    }

    #[test]
    fn reads_success_and_refusal() {
        let ok =
            "<value><boolean>1</boolean></value><value><string>&lt;A/&gt;</string></value><value><i4>0</i4></value>";
        assert_eq!(reply(ok).unwrap(), ApiReply::Success("<A/>".into()));
        let refused =
            "<value><boolean>0</boolean></value><value><string>no</string></value><value><i4>512</i4></value>";
        assert_eq!(reply(refused).unwrap(), ApiReply::Refused("no".into(), 512));
    }

    #[test]
    fn records_keep_characters_that_were_escaped() {
        let xml = "<POOL><SERVER><ID>1</ID><NAME>a&amp;b&#33;</NAME></SERVER></POOL>";
        assert_eq!(records(xml, "SERVER").unwrap()[0]["NAME"], "a&b!");
    }

    #[test]
    fn a_fault_is_an_error_with_its_code() {
        let members = "<member><name>faultCode</name><value><i4>-509</i4></value></member>\
                       <member><name>faultString</name><value><string>later</string></value></member>";
        let fault =
            format!("<methodResponse><fault><value><struct>{members}</struct></value></fault></methodResponse>");
        let error = decode_reply(fault.as_bytes()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Fault { code: -509, text: "later".to_owned() }));
        assert_eq!(error.to_string(), "fault -509: later");
    }
}
