//! What the server does with clients that together, or one of them, ask for too much.

mod common;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Well, answer, begin, call, connect, gateway, params, sent_so_far, start, start_with_room, user_call};
use quorate_gateway::gateway::ROOM;
use quorate_model::settings::limits::Limit;
use quorate_testkit::plane::Plane;
use quorate_testkit::zone::ADMIN;
use quorate_xmlrpc_edge::server::{Accept, Limits, serve};
use quorate_xmlrpc_edge::stream::Pace;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

/// How much of it there is and how fast it comes are the two things an attacker chooses.
#[tokio::test(start_paused = true)]
async fn unfinished_bodies_make_room_for_small_calls() {
    let dial = start(Plane::stuck(), Limits { bodies: 1500, ..Limits::default() });
    let body = call(1000);
    let slow = begin(&dial, "10.0.0.1", &body, 900).await;
    let answered = answer(begin(&dial, "10.0.0.1", &body, 1000).await).await;
    assert!(answered.contains("system.methodHelp"), "{answered}");
    let refused = answer(slow).await;
    assert!(refused.contains("Too much is sent at the same time"), "{refused}");
    assert!(refused.contains("connection: close"), "the rest of it is not read: {refused}");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_sends_much_makes_room_for_others() {
    let dial = start(Plane::stuck(), Limits { bodies: 5000, ..Limits::default() });
    let body = call(2000);
    let early = begin(&dial, "10.0.0.2", &body, 1000).await;
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(begin(&dial, "10.0.0.1", &body, 1900).await);
    }
    let mut early = early;
    early.write_all(&body.as_bytes()[1000..]).await.unwrap();
    let answered = answer(early).await;
    assert!(answered.contains("system.methodHelp"), "{answered}");
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_the_setting_is_refused_by_its_name_and_its_client_hears_it() {
    let dial = start(Plane::stuck(), Limits::default());
    let body = call(5 << 20);
    let refused = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert!(refused.contains("larger than MESSAGE_SIZE, 4194304 bytes"), "{refused}");
    let body = call(4 << 20);
    let answered = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert!(answered.contains("system.methodHelp"));
}

#[tokio::test(start_paused = true)]
async fn clients_that_are_slow_to_send_keep_nobody_from_being_answered() {
    let dial = start_with_room(1, Plane::stuck(), Limits::default());
    let body = user_call(ADMIN, "one.zone.raftstatus", "");
    let _slow = [begin(&dial, "10.0.0.1", &body, 100).await, begin(&dial, "10.0.0.1", &body, 100).await];
    let answered = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert!(answered.contains("<boolean>1</boolean>"), "{answered}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_given_up() {
    let pace = Pace { time: Duration::from_secs(30), bytes: 64 << 10 };
    let dial = start(Plane::stuck(), Limits { pace, ..Limits::default() });
    let mut client = connect(&dial, "10.0.0.1", 4096);
    let requests = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
    let sent = timeout(Duration::from_secs(1), client.write_all(requests.as_bytes())).await;
    assert!(sent.is_err(), "the server reads no further requests while replies wait");
    sleep(Duration::from_secs(31)).await;
    let mut received = Vec::new();
    timeout(Duration::from_secs(1), client.read_to_end(&mut received)).await.expect("it is closed").ok();
    assert!(received.len() <= 4096);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_but_steadily_gets_all() {
    let pace = Pace { time: Duration::from_secs(30), bytes: 1000 };
    let dial = start(Plane::stuck(), Limits { pace, ..Limits::default() });
    let mut client = connect(&dial, "10.0.0.1", 512);
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut received = 0;
    let mut part = [0; 512];
    loop {
        sleep(Duration::from_secs(10)).await;
        match client.read(&mut part).await.unwrap() {
            0 => break,
            n => received += n,
        }
    }
    assert!(received > 8000, "{received}");
}

/// 4,096 idle or slow connections kept all others out.
#[tokio::test(start_paused = true)]
async fn idle_and_slow_connections_make_room_for_probes_and_calls() {
    let dial = start(Plane::stuck(), Limits { connections: 8, connections_by_address: 8, ..Limits::default() });
    let mut held = Vec::new();
    for n in 0..8 {
        held.push(connect(&dial, &format!("10.0.0.{}", n / 2), 1 << 16));
        sleep(Duration::from_millis(1)).await;
    }
    let slow = call(1000);
    for _ in 0..8 {
        held.push(begin(&dial, "10.0.0.9", &slow, 500).await);
    }
    let mut probe = connect(&dial, "10.0.0.7", 1 << 16);
    probe.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let ready = answer(probe).await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let body = user_call(ADMIN, "one.zone.raftstatus", "");
    let answered = answer(begin(&dial, "10.0.0.7", &body, body.len()).await).await;
    assert!(answered.contains("<boolean>1</boolean>"), "{answered}");
}

/// One user's queue is no reason to send everybody elsewhere.
#[tokio::test(start_paused = true)]
async fn a_flood_of_one_user_leaves_the_node_ready() {
    let dial = start_with_room(100, Plane::stuck(), Limits::default());
    let body = user_call("ann:pw", "one.vm.info", &params("<int>0</int>"));
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(begin(&dial, "10.0.0.1", &body, body.len()).await);
    }
    let mut probe = connect(&dial, "10.0.0.7", 1 << 16);
    probe.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let ready = answer(probe).await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let body = user_call(ADMIN, "one.zone.raftstatus", "");
    let answered = answer(begin(&dial, "10.0.0.7", &body, body.len()).await).await;
    assert!(answered.contains("<boolean>1</boolean>"), "{answered}");
}

/// A probe gets in while every place for calls is taken, and says so.
#[tokio::test(start_paused = true)]
async fn a_probe_tells_that_there_is_no_room_for_calls() {
    let dial = start_with_room(4, Plane::stuck(), Limits::default());
    let read = |session| user_call(session, "one.vm.info", &params("<int>0</int>"));
    let mut open = Vec::new();
    for session in ["ann:pw", "ann:pw", "bob:pw", "ann:pw"] {
        open.push(begin(&dial, "10.0.0.1", &read(session), read(session).len()).await);
    }
    let ready = async || {
        let mut probe = connect(&dial, "10.0.0.7", 1 << 16);
        probe.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        answer(probe).await
    };
    let soon = ready().await;
    assert!(soon.starts_with("HTTP/1.1 200"), "{soon}");
    sleep(Duration::from_secs(11)).await;
    let late = ready().await;
    assert!(late.starts_with("HTTP/1.1 503") && late.contains("no room for more reads"), "{late}");
    let body = read("ann:pw");
    let refused = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert!(refused.contains("Too many requests at the same time, most of them of user [2]"), "{refused}");
}

/// Every write of Ann's hangs, as when there is no majority: Bob's is proposed nevertheless.
#[tokio::test(start_paused = true)]
async fn a_users_flood_keeps_only_that_user_waiting() {
    let plane = Plane::stuck();
    let dial = start_with_room(64, plane.clone(), Limits::default());
    let template = params("<string>NAME=x</string>");
    let mut flood = Vec::new();
    for _ in 0..200 {
        let body = user_call("ann:pw", "one.template.allocate", &template);
        flood.push(begin(&dial, "10.0.0.1", &body, body.len()).await);
    }
    assert_eq!(plane.proposed(), vec![2; usize::try_from(Limit::UserWritesMax.row().default).unwrap()]);
    let body = user_call("bob:pw", "one.template.allocate", &template);
    let _bob = begin(&dial, "10.0.0.1", &body, body.len()).await;
    assert_eq!(plane.proposed().iter().filter(|uid| **uid == 3).count(), 1);
    let mut probe = begin(&dial, "10.0.0.1", &body, body.len()).await;
    sleep(Duration::from_secs(11)).await;
    let answered = sent_so_far(&mut probe).await;
    assert!(answered.is_empty(), "his second one is under way, too: {answered}");
}

/// Every node stores, sends and applies them: two at a time, on each server, made others wait many times as long.
#[tokio::test(start_paused = true)]
async fn a_large_write_of_a_user_is_under_way_alone() {
    let template = |bytes: usize| params(&format!("<string>NAME=\"{}\"</string>", "x".repeat(bytes)));
    for (bytes, at_once) in [(20_000, 2), (40_000, 1), (60_000, 1), (1_000_000, 1)] {
        let plane = Plane::stuck();
        let dial = start(plane.clone(), Limits::default());
        let mut open = Vec::new();
        for session in ["ann:pw", "ann:pw", "ann:pw", "bob:pw"] {
            let body = user_call(session, "one.template.allocate", &template(bytes));
            open.push(begin(&dial, "10.0.0.1", &body, body.len()).await);
        }
        let anns = plane.proposed().iter().filter(|uid| **uid == 2).count();
        assert_eq!((anns, plane.proposed().len()), (at_once, at_once + 1), "{bytes} bytes");
    }
}

/// The administrator may use all that there is, until somebody else wants to write.
#[tokio::test(start_paused = true)]
async fn the_administrator_is_bounded_only_while_others_write() {
    let plane = Plane::stuck();
    let dial = start(plane.clone(), Limits::default());
    let template = params("<string>NAME=x</string>");
    let body = |session| user_call(session, "one.template.allocate", &template);
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(begin(&dial, "10.0.0.1", &body(ADMIN), body(ADMIN).len()).await);
    }
    assert_eq!(plane.proposed().len(), 20);
    open.push(begin(&dial, "10.0.0.2", &body("bob:pw"), body("bob:pw").len()).await);
    for _ in 0..20 {
        open.push(begin(&dial, "10.0.0.1", &body(ADMIN), body(ADMIN).len()).await);
    }
    assert_eq!(plane.proposed().len(), 21);
}

/// 150 connections with wrong passwords kept the right one out for as long as they went on.
#[tokio::test(start_paused = true)]
async fn the_right_password_is_let_in_at_once_among_many_wrong_ones() {
    let dial = start(Plane::stuck(), Limits::default());
    let (wrong, right) =
        (user_call("oneadmin:wrong", "one.zone.raftstatus", ""), user_call(ADMIN, "one.zone.raftstatus", ""));
    // Kept open: a client that hangs up is not answered.
    let mut attackers = Vec::new();
    for _ in 0..600 {
        attackers.push(begin(&dial, "10.0.0.1", &wrong, wrong.len()).await);
    }
    for _ in 0..20 {
        attackers.push(begin(&dial, "10.0.0.1", &wrong, wrong.len()).await);
        let began = Instant::now();
        let mut client = begin(&dial, "10.0.0.1", &right, right.len()).await;
        assert!(sent_so_far(&mut client).await.contains("<boolean>1</boolean>"));
        assert!(began.elapsed() < Duration::from_millis(100));
    }
    let last = sent_so_far(&mut attackers.pop().unwrap()).await;
    assert!(last.is_empty(), "the wrong one waits: {last}");
}

/// Wrong logins that wait hold neither a place nor memory, and are the first to make room.
#[tokio::test(start_paused = true)]
async fn wrong_logins_hold_nothing_that_others_need() {
    let dial = start_with_room(4, Plane::stuck(), Limits { bodies: 2000, connections: 40, ..Limits::default() });
    let wrong = user_call("oneadmin:wrong", "one.zone.raftstatus", "");
    let body = user_call(ADMIN, "one.zone.raftstatus", "");
    // Whoever makes room has not heard his answer: only who was right before is let in at once then.
    let before = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert!(before.contains("<boolean>1</boolean>"), "{before}");
    let mut attackers = Vec::new();
    for _ in 0..100 {
        attackers.push(begin(&dial, "10.0.0.1", &wrong, wrong.len()).await);
    }
    let answered = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert!(answered.contains("<boolean>1</boolean>"), "{answered}");
}

/// A right password is let in at once, so a guesser need not stay to hear that one was wrong. Whoever does not is looked at
/// no sooner than another would be answered; who has been let in before is not kept waiting by that.
#[tokio::test(start_paused = true)]
async fn a_guesser_who_hangs_up_is_not_faster_than_one_who_waits() {
    let dial = start(Plane::stuck(), Limits::default());
    let call = |session: &str| user_call(session, "one.zone.raftstatus", "");
    let heard = async |session: &str, from: &str| {
        let mut client = begin(&dial, from, &call(session), call(session).len()).await;
        !sent_so_far(&mut client).await.is_empty()
    };
    assert!(heard("bob:pw", "10.0.0.1").await);
    for n in 0..120 {
        // It takes no answer within 50 ms for a refusal.
        heard(&format!("ann:{n}"), "10.0.0.1").await;
    }
    let mut right = begin(&dial, "10.0.0.1", &call("ann:pw"), call("ann:pw").len()).await;
    assert!(sent_so_far(&mut right).await.is_empty(), "it is looked at only when a wrong one would be answered");
    assert!(heard("bob:pw", "10.0.0.1").await, "who was right before is let in at once");
    assert!(heard(ADMIN, "10.0.0.2").await, "and whoever comes from elsewhere with another name");
    assert!(answer(right).await.is_empty());
    let mut right = begin(&dial, "10.0.0.1", &call("ann:pw"), call("ann:pw").len()).await;
    sleep(Duration::from_secs(6)).await;
    assert!(!sent_so_far(&mut right).await.is_empty(), "nobody is kept out for longer than the longest wait");
}

/// What was proposed cannot be taken back: a user who hangs up would have as many writes under way as he likes.
#[tokio::test(start_paused = true)]
async fn a_user_who_hangs_up_has_not_more_writes_under_way() {
    let plane = Plane::stuck();
    let dial = start(plane.clone(), Limits::default());
    let body = user_call("ann:pw", "one.template.allocate", &params("<string>NAME=x</string>"));
    for _ in 0..100 {
        drop(begin(&dial, "10.0.0.1", &body, body.len()).await);
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(plane.proposed().len() as u64, Limit::UserWritesMax.row().default);
}

/// Strangers whose sessions take long to be looked at take no place from users, whatever addresses they have.
#[tokio::test(start_paused = true)]
async fn strangers_from_many_addresses_take_no_place_from_users() {
    let dial = start_with_room(256, Plane::stuck(), Limits::default());
    let wrong = user_call("nobody:x", "one.vm.info", &params("<int>0</int>"));
    let mut strangers = Vec::new();
    for n in 0..180 {
        strangers.push(begin(&dial, &format!("10.1.0.{n}"), &wrong, wrong.len()).await);
    }
    let mut probe = connect(&dial, "10.0.0.7", 1 << 16);
    probe.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let load = answer(probe).await;
    assert!(load.contains(r#"("reads", 0, 0), ("writes", 0, 0), ("strangers", 128, 52)"#), "{load}");
    let body = user_call(ADMIN, "one.zone.raftstatus", "");
    let answered = answer(begin(&dial, "10.1.0.1", &body, body.len()).await).await;
    assert!(answered.contains("<boolean>1</boolean>"), "{answered}");
}

/// A client that was refused and neither reads nor closes is waited for, but not for long.
#[tokio::test(start_paused = true)]
async fn a_refused_client_that_does_not_close_is_given_up() {
    let dial = start(Plane::stuck(), Limits::default());
    let body = call(5 << 20);
    let mut client = begin(&dial, "10.0.0.1", &body, 100).await;
    sleep(Duration::from_secs(1)).await;
    client.write_all(&body.as_bytes()[100..200]).await.expect("it still takes what comes");
    sleep(Duration::from_secs(6)).await;
    assert!(client.write_all(&body.as_bytes()[200..300]).await.is_err(), "it does not wait any more");
    let refused = answer(client).await;
    assert!(refused.contains("larger than MESSAGE_SIZE"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_oneadmin_sends_that_is_too_large_or_too_slow_is_refused_by_the_right_status() {
    let dial = start(Plane::stuck(), Limits::default());
    let send = async |length: usize| {
        let mut client = connect(&dial, "10.0.0.1", 1 << 16);
        let session = "Authorization: Basic b25lYWRtaW46b3Blbm5lYnVsYQ==";
        let head = format!("POST /admin/x HTTP/1.1\r\nHost: x\r\n{session}\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        client
    };
    let too_large = answer(send(2 << 20).await).await;
    assert!(too_large.starts_with("HTTP/1.1 413"), "{too_large}");
    let slow = send(100).await;
    sleep(Duration::from_secs(61)).await;
    let slow = answer(slow).await;
    assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");
}

/// One that waits for each answer.
#[tokio::test(start_paused = true)]
async fn a_guesser_who_waits_for_each_answer_is_slow_with_any_password() {
    let dial = start(Plane::stuck(), Limits::default());
    let began = Instant::now();
    for n in 0..120 {
        let wrong = user_call(&format!("oneadmin:{n}"), "one.zone.raftstatus", "");
        let mut client = begin(&dial, "10.0.0.1", &wrong, wrong.len()).await;
        let mut first = [0];
        client.read_exact(&mut first).await.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
}

/// Behind a load balancer that says for whom it asks, one client's wrong logins are not another's.
#[tokio::test(start_paused = true)]
async fn a_header_is_believed_from_the_configured_balancer_only() {
    let balancers: std::sync::Arc<[ipnet::IpNet]> = ["10.9.9.9/32".parse().unwrap()].into();
    let limits = Limits { balancers: balancers.clone(), forwarders: balancers, ..Limits::default() };
    for (peer, told_apart) in [("10.9.9.9", true), ("10.9.9.8", false)] {
        let dial = start(Plane::stuck(), limits.clone());
        let wrong = user_call("oneadmin:wrong", "one.zone.raftstatus", "");
        let mut attackers = Vec::new();
        for _ in 0..100 {
            attackers.push(common::begin_for(&dial, peer, "192.0.2.1", &wrong).await);
        }
        let mut other = common::begin_for(&dial, peer, "192.0.2.2", &wrong).await;
        assert_eq!(!sent_so_far(&mut other).await.is_empty(), told_apart, "{peer}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_in_one_request_are_answered_each_and_try_one_password() {
    let dial = start(Plane::stuck(), Limits::default());
    let one = |session: &str| {
        format!(
            "<value><struct><member><name>methodName</name><value>one.zone.raftstatus</value></member><member>\
             <name>params</name><value><array><data><value>{session}</value></data></array></value></member></struct></value>"
        )
    };
    let multicall = |calls: &[String]| {
        let list = format!("<param><value><array><data>{}</data></array></value></param>", calls.concat());
        format!("<methodCall><methodName>system.multicall</methodName><params>{list}</params></methodCall>")
    };
    let body = multicall(&[one(ADMIN), one("oneadmin:a"), one(ADMIN), one("oneadmin:b")]);
    let answered = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert_eq!(answered.matches("<boolean>1</boolean>").count(), 1, "{answered}");
    assert_eq!(answered.matches("couldn't be authenticated").count(), 1, "{answered}");
    assert_eq!(answered.matches("<i4>-507</i4>").count(), 2, "{answered}");
}

/// Values that are a few bytes of text each are counted as what they take in memory.
#[tokio::test(start_paused = true)]
async fn many_short_values_count_for_what_they_take() {
    let dial = start(Plane::stuck(), Limits { bodies: 200_000, ..Limits::default() });
    let one = format!(
        "<value><struct><member><name>methodName</name><value>one.vm.info</value></member><member>\
         <name>params</name><value><array><data>{}</data></array></value></member></struct></value>",
        "<value/>".repeat(10_000)
    );
    let list = format!("<param><value><array><data>{one}</data></array></value></param>");
    let body = format!("<methodCall><methodName>system.multicall</methodName><params>{list}</params></methodCall>");
    let refused = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    assert!(refused.contains("Too much is sent at the same time"), "{refused}");
}

/// Nobody needs a login to ask for a list of many kilobytes a thousand times.
#[tokio::test(start_paused = true)]
async fn many_listings_in_one_request_are_bounded() {
    let dial = start(Plane::stuck(), Limits::default());
    let one = "<value><struct><member><name>methodName</name><value>system.listMethods</value></member><member>\
               <name>params</name><value><array><data></data></array></value></member></struct></value>";
    let list = format!("<param><value><array><data>{}</data></array></value></param>", one.repeat(100));
    let body = format!("<methodCall><methodName>system.multicall</methodName><params>{list}</params></methodCall>");
    let answered = answer(begin(&dial, "10.0.0.1", &body, body.len()).await).await;
    let refused = answered.matches("The replies of system methods before this call are 262144 bytes or more").count();
    let listed = answered.matches("<string>system.listMethods</string>").count();
    assert!(listed > 1 && refused > 1 && listed + refused == 100, "{listed} listed, {refused} refused");
}

/// Sixty replies of 60 MB, none of which was read, took 3.8 GB: whoever has many replies to read is served no more.
#[tokio::test(start_paused = true)]
async fn replies_to_lists_that_nobody_reads_keep_their_users_places() {
    let plane = Plane::stuck();
    plane.reads_hang.store(false, Ordering::Relaxed);
    let dial = start(plane, Limits::default());
    let value = |of: &str| format!("<value><string>{of}</string></value>");
    let one = format!(
        "<value><struct><member><name>methodName</name>{}</member><member><name>params</name>\
         <value><array><data>{}</data></array></value></member></struct></value>",
        value("one.zone.raftstatus"),
        value("ann:pw")
    );
    let last = one.replace("one.zone.raftstatus", "system.listMethods").replace(&value("ann:pw"), "");
    let list = format!("<param><value><array><data>{}{last}</data></array></value></param>", one.repeat(900));
    let body = format!("<methodCall><methodName>system.multicall</methodName><params>{list}</params></methodCall>");
    let mut unread = Vec::new();
    for _ in 0..20 {
        let mut client = connect(&dial, "10.0.0.1", 4096);
        let head = format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await.unwrap();
        unread.push(client);
    }
    sleep(Duration::from_secs(1)).await;
    let mut begun = 0;
    for client in &mut unread {
        let mut head = [0; 12];
        begun += u32::from(timeout(Duration::from_millis(1), client.read_exact(&mut head)).await.is_ok());
    }
    assert_eq!(begun, 8, "as many as one user's reads that may be under way");
    let status = |session: &str| user_call(session, "one.zone.raftstatus", "");
    let more = status("ann:pw");
    assert_eq!(answer(begin(&dial, "10.0.0.1", &more, more.len()).await).await, "");
    let others = status(ADMIN);
    let answered = answer(begin(&dial, "10.0.0.1", &others, others.len()).await).await;
    assert!(answered.contains("<boolean>1</boolean>"), "{answered}");
}

/// A real socket: only there a server that closes with unread bytes resets the connection.
struct Listener(TcpListener);

impl Accept for Listener {
    type Stream = TcpStream;
    async fn accept(&mut self) -> std::io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

/// The response to a request whose client sends the whole of its body before it reads anything.
async fn told(head: &str, length: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits::default();
    let server =
        tokio::spawn(serve(Listener(listener), gateway(ROOM, Plane::stuck()), Well, limits, std::future::pending()));
    let head = format!("POST {head} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    let client = move || {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        for _ in 0..length / 1024 {
            client.write_all(&[b' '; 1024]).expect("the server still takes what comes");
        }
        let mut told = Vec::new();
        client.read_to_end(&mut told).expect("no reset");
        String::from_utf8(told).unwrap()
    };
    let told = tokio::task::spawn_blocking(client).await.unwrap();
    server.abort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_refused_while_sending_hears_why() {
    for (head, why) in [
        ("/RPC2", "larger than MESSAGE_SIZE, 4194304 bytes"),
        ("/nothing", "Nothing here"),
        ("/readyz", "does not take this HTTP method"),
        ("/admin/snapshot", "Only oneadmin"),
    ] {
        let told = told(head, 8 << 20).await;
        assert!(told.contains(why), "{head}: {told}");
        assert!(told.contains("connection: close"), "{head}: {told}");
    }
}

/// What is not even HTTP is refused by hyper itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_long_is_refused_with_an_answer() {
    let told = told(&format!("/{}", "x".repeat(200 << 10)), 1 << 20).await;
    assert!(told.starts_with("HTTP/1.1 4"), "{told}");
}
