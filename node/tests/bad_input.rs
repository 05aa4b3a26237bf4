//! What clients and strangers may send to a node: each gets a clear refusal, and the node goes on.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::{TestZone, run, write};

/// Sends bytes and reads until the other side closes, or has answered and falls silent.
fn exchange(port: u16, bytes: &[u8], then_close: bool) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // The node may refuse and close before it has read everything.
    let _ = stream.write_all(bytes);
    if then_close {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !(answer.windows(17).any(|w| w == b"</methodResponse>")) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(port: u16, body: &[u8]) -> String {
    let head =
        format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
    exchange(port, &[head.as_bytes(), body].concat(), false)
}

fn call(port: u16, method: &str, params: &str) -> String {
    let session = "<param><value><string>oneadmin:opennebula</string></value></param>";
    post(
        port,
        format!("<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>{session}{params}</params></methodCall>")
            .as_bytes(),
    )
}

fn is_fault(answer: &str, code: &str) -> bool {
    answer.contains("<fault>") && answer.contains(code)
}

#[test]
fn bad_input_gets_a_clear_refusal_and_the_node_goes_on() {
    run(async {
        let zone = TestZone::start(1).await;
        let (mut client, port) = (zone.client(0), zone.plan.listen(0).port());
        write(&mut client, "first").await;
        let nested = move |depth: usize| {
            let open = "<value><array><data>".repeat(depth);
            let close = "</data></array></value>".repeat(depth);
            call(port, "one.vm.info", &format!("<param>{open}{close}</param>"))
        };
        type Send = Box<dyn Fn() -> String>;
        let cases: [(&str, Send, &str); 12] = [
            ("an empty body", Box::new(move || post(port, b"")), "<fault>"),
            ("no XML", Box::new(move || post(port, b"hello, is this the API?")), "<fault>"),
            (
                "half a call",
                Box::new(move || post(port, b"<?xml version=\"1.0\"?><methodCall><methodName>one.vm")),
                "<fault>",
            ),
            (
                "invalid UTF-8",
                Box::new(move || post(port, b"<methodCall><methodName>\xff\xfe\xc3\x28</methodName></methodCall>")),
                "<fault>",
            ),
            (
                "an unknown encoding",
                Box::new(move || post(port, b"<?xml version=\"1.0\" encoding=\"EBCDIC\"?><methodCall/>")),
                "<fault>",
            ),
            ("deep nesting", Box::new(move || nested(20_000)), "<fault>"),
            ("an unknown method", Box::new(move || call(port, "one.vm.explode", "")), "-506"),
            ("too few parameters", Box::new(move || call(port, "one.vm.info", "")), "-501"),
            (
                "a wrong type",
                Box::new(move || call(port, "one.vm.info", "<param><value><string>0</string></value></param>")),
                "-501",
            ),
            (
                "a huge integer",
                Box::new(move || {
                    call(port, "one.vm.info", "<param><value><int>99999999999999999999</int></value></param>")
                }),
                "<fault>",
            ),
            (
                "a document type",
                Box::new(move || {
                    post(
                        port,
                        b"<!DOCTYPE x [<!ENTITY e \"ha\">]><methodCall><methodName>&e;</methodName></methodCall>",
                    )
                }),
                "<fault>",
            ),
            (
                "another path",
                Box::new(move || {
                    exchange(port, b"GET /etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false)
                }),
                "404",
            ),
        ];
        let huge = quorate_model::api::Arg::Str(format!("NAME=huge\nX=\"{}\"", "x".repeat(5 << 20)));
        let args = [huge, quorate_model::api::Arg::Int(100)];
        let refused = client.call("one.document.allocate", quorate_node::local_zone::SESSION, &args).await.unwrap_err();
        assert!(refused.to_string().contains("larger than MESSAGE_SIZE, 4194304 bytes"), "{refused}");
        for (what, send, expected) in cases {
            let answer = tokio::task::block_in_place(&*send);
            assert!(answer.contains(expected), "{what}: {answer:?}");
            write(&mut client, "still-serving").await;
        }
    });
}

#[test]
fn oversized_truncated_and_slow_requests_are_bounded() {
    run(async {
        let zone = TestZone::start(1).await;
        let (mut client, port) = (zone.client(0), zone.plan.listen(0).port());
        tokio::task::block_in_place(|| {
            let head = "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n";
            let refused = exchange(port, head.as_bytes(), false);
            assert!(is_fault(&refused, "larger than"), "a body of 100 MB that is announced: {refused:?}");

            let mut chunked = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            let chunk = [format!("{:x}\r\n", 1 << 20).as_bytes(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
            for _ in 0..100 {
                chunked.extend_from_slice(&chunk);
            }
            let refused = exchange(port, &chunked, false);
            assert!(refused.is_empty() || is_fault(&refused, "larger than"), "a body of 100 MB in chunks: {refused:?}");

            exchange(port, b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n<?xml", true);
            exchange(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", true);
        });
        // Clients that never finish their request hold nobody up.
        let mut slow = Vec::new();
        for _ in 0..200 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<").unwrap();
            slow.push(stream);
        }
        write(&mut client, "not-held-up").await;
    });
}

#[test]
fn garbage_on_the_peer_port_does_no_harm() {
    run(async {
        let zone = TestZone::start(1).await;
        let (mut client, port) = (zone.client(0), zone.plan.peer_listen(0).port());
        for garbage in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0xff; 65536],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x00",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        ] {
            tokio::task::block_in_place(|| exchange(port, garbage, true));
            write(&mut client, "still-serving").await;
        }
    });
}
