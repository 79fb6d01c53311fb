//! `bulla serve`: it says where it listens, reads policies again, and ends on a signal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Place, command, json_of};

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("not 0");
    kill_process(pid, signal).expect("it runs");
}

#[test]
fn it_serves_until_it_is_told_to_end() {
    let place = Place::new();
    place.write(
        "bulla.yaml",
        "policies: []\nhttp:\n  listen: 127.0.0.1:0\nproxy:\n  listen: 127.0.0.1:0\n  upstream: registry.test\n",
    );
    for ending in [Signal::TERM, Signal::INT] {
        let mut child = command(&place.path("."))
            .args(["serve", "--config", "bulla.yaml", "--log", "warn"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
        let address = lines
            .find_map(|line| Some(line.split_once("http://")?.1.split('/').next()?.to_owned()))
            .expect("it says where the page is");
        let mut connection = TcpStream::connect(&address).expect("it listens");
        write!(connection, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        signal(&child, Signal::HUP);
        signal(&child, ending);
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{ending:?}");
    }
}

#[test]
fn a_broken_configuration_is_an_error_at_its_place() {
    let place = Place::new();
    place.write("bulla.yaml", "http:\n  lisen: 127.0.0.1:0\n");
    let ended = place.run(&["serve", "--config", "bulla.yaml", "--output", "json"]);
    assert_eq!(ended.code, 2);
    let message = json_of(&ended.err)["error"]["message"].to_string();
    assert!(message.contains("bulla.yaml:2:3: http.lisen") || message.contains("lisen"), "{message}");
}
