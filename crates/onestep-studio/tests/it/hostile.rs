//! Requests that mean no good, or know no better.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use onestep_studio::{Server, Settings, Studio, StudioError};
use serde_json::json;
use tempfile::TempDir;

use super::place::{PATIENCE, Place};

#[test]
fn other_names_and_other_pages_are_refused() {
    let place = Place::new();
    let own = place.address.to_string();
    let origin = format!("http://{own}");
    for (headers, status) in [
        (vec![("host", "evil.example")], 403),
        (vec![("host", "localhost.evil.example:80")], 403),
        (vec![("host", "127.0.0.1.nip.io")], 403),
        (vec![("host", "")], 403),
        (vec![("origin", "null")], 403),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "http://127.0.0.1:1")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("origin", &origin), ("sec-fetch-site", "same-origin")], 200),
        (vec![("host", "localhost:7860")], 200),
        (vec![("host", "[::1]:7860")], 200),
    ] {
        let answer = place.send("GET", "/api/v1/capabilities", &headers, b"");
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
    }
    // A link to the page is followed; a request from another page is not.
    let visit = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(place.send("GET", "/", &visit, b"").status, 200);
    assert_eq!(place.send("GET", "/api/v1/history", &visit, b"").status, 403);
    let body = json!({ "task": "generate" }).to_string();
    let simple = [("content-type", "text/plain")];
    assert_eq!(place.send("POST", "/api/v1/jobs", &simple, body.as_bytes()).status, 415);
    assert!(!place.get("/api/v1/capabilities").head.contains("access-control-allow"));
}

#[test]
fn bodies_are_within_limits_and_errors_say_what_is_wrong() {
    let place = Place::limited(|limits| {
        limits.json_bytes = 10_000;
        limits.upload_bytes = 50_000;
        limits.pixels = 10_000;
    });
    let post =
        |path: &str, body: &[u8]| place.send("POST", path, &[("content-type", "application/json")], body);
    for (body, status) in [
        (b"".to_vec(), 400),
        (b"{".to_vec(), 400),
        (b"[]".to_vec(), 400),
        (b"\xff\xfe".to_vec(), 400),
        (b"{\"task\": \"generate\", \"what\": 1}".to_vec(), 400),
        (b"{\"task\": \"rm -rf\"}".to_vec(), 400),
        (b"{\"task\": \"generate\", \"seed\": -1}".to_vec(), 400),
        (b"{\"task\": \"generate\", \"n\": 100000000000}".to_vec(), 400),
        (b"{\"task\": \"generate\", \"steps\": 100000000000}".to_vec(), 400),
        (b"{\"task\": \"generate\", \"model\": \"../../etc/passwd\"}".to_vec(), 404),
        (b"{\"task\": \"generate\", \"image\": \"x\"}".to_vec(), 400),
        (b"{\"task\": \"inpaint\"}".to_vec(), 400),
        (b"{\"task\": \"inpaint\", \"image\": \"http://evil.example/a.png\"}".to_vec(), 400),
        (b"{\"task\": \"inpaint\", \"image\": \"file:///etc/passwd\"}".to_vec(), 400),
        (b"{\"task\": \"inpaint\", \"image\": \"input:../../../etc/passwd\"}".to_vec(), 400),
        (b"{\"task\": \"inpaint\", \"image\": \"data:image/png;base64,%%%\"}".to_vec(), 400),
        (b"{\"task\": \"inpaint\", \"image\": \"data:image/png;base64,AAAA\"}".to_vec(), 400),
        (b"{\"task\": \"interpolate\", \"ends\": [1]}".to_vec(), 400),
        (b"{\"task\": \"colorize\", \"model\": \"portraits-edm\", \"image\": \"data:,\"}".to_vec(), 400),
        ([b"{\"task\": \"".as_slice(), &[b'a'; 20_000]].concat(), 413),
        ([b'['; 9_000].to_vec(), 400),
    ] {
        let answer = post("/api/v1/jobs", &body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{shown}");
        let state = place.home.path().display().to_string();
        assert!(!answer.text().contains(&state) && !answer.text().contains("builtin:"), "{}", answer.text());
    }
    // A picture that is small on the way and large when it is opened.
    let mut bomb = Vec::new();
    let mut encoder = png::Encoder::new(&mut bomb, 4000, 4000);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&vec![0; 16_000_000]).unwrap();
    assert!(bomb.len() < 50_000, "{}", bomb.len());
    assert_eq!(place.send("POST", "/api/v1/inputs", &[], &bomb).status, 413);
    assert_eq!(place.send("POST", "/api/v1/inputs", &[], &vec![0; 200_000]).status, 413);
    assert_eq!(place.send("POST", "/api/v1/inputs", &[], b"GIF89a").status, 400);
    let short = BASE64_STANDARD.encode(&bomb[..bomb.len() / 2]);
    let request = json!({ "task": "colorize", "image": format!("data:image/png;base64,{}", &short[..5000.min(short.len())]) });
    assert!(matches!(place.post("/api/v1/jobs", &request).status, 400 | 413));
    assert_eq!(place.get("/healthz").status, 200);
}

#[test]
fn pictures_that_come_in_do_not_fill_the_disk() {
    let place = Place::limited(|limits| limits.input_bytes = 300);
    let picture = |value: u8| {
        let mut encoded = Vec::new();
        let mut encoder = png::Encoder::new(&mut encoded, 16, 16);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[value; 256]).unwrap();
        encoded
    };
    let send = |value| place.send("POST", "/api/v1/inputs", &[], &picture(value));
    let first = send(0);
    assert_eq!((first.status, send(0).status), (201, 201), "{}", first.text());
    let full = (1..10).map(send).find(|answer| answer.status != 201).expect("a limit");
    assert_eq!((full.status, full.code()), (507, "inputs_full".to_owned()));
    // What is there already can be sent again, and jobs that keep nothing are done.
    assert_eq!(send(0).status, 201);
    let image = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(picture(99)));
    let job = place.run(&json!({ "task": "colorize", "image": image, "keep": false }));
    assert_eq!(job["status"], "done", "{job}");
}

#[test]
fn no_path_leads_out() {
    let place = Place::new();
    std::fs::write(place.home.path().join("state/pictures/secret.txt"), "secret").unwrap();
    for path in [
        "/assets/../../../etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/api/v1/images/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/images/..",
        "/api/v1/images/secret.txt",
        "/api/v1/images/%00",
        "/api/v1/images/a-0",
        "/api/v1/images/%ff",
        "/api/v1/history/..%2fx",
        "/api/v1/jobs/..%2fx",
        "/api/v1/runs/..",
        "/api/v1/runs/..%2fstate",
        "/api/v1/runs/.%2e/previews/step-1-nfe-1",
        "/v1/models/..%2f..%2fetc",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/nothing",
    ] {
        let answer = place.get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("root:") && !answer.text().contains("secret\n"), "{path}");
    }
    let refused = place.send("DELETE", "/api/v1/jobs", &[], b"");
    assert_eq!(refused.status, 405);
    assert!(refused.head.contains("allow: "), "{}", refused.head);
    assert_eq!(place.get("/api/v1/history?limit=0").status, 400);
    assert_eq!(place.get("/api/v1/history?limit=x").status, 400);
}

#[test]
fn who_is_slow_or_says_too_much_is_let_go() {
    let place = Place::limited(|limits| {
        limits.arrival_seconds = 1;
        limits.json_bytes = 1000;
        limits.connections = 4;
    });
    // A head that never ends, and a body that never comes.
    let head = b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ".as_slice();
    let half = b"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{";
    for (bytes, status) in [(head, "408"), (half.as_slice(), "408")] {
        let mut stream = TcpStream::connect(place.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.is_empty() || answer.contains(status), "{answer}");
    }
    let huge = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    assert!(matches!(place.raw(huge.as_bytes()).status, 431 | 400 | 0));
    let many: String = (0..1000).map(|n| format!("x{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    assert!(matches!(place.raw(many.as_bytes()).status, 431 | 400 | 0));
    for nonsense in
        ["\r\n\r\n", "GET\r\n\r\n", "\0\0\0\0", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        assert!(matches!(place.raw(nonsense.as_bytes()).status, 0 | 400 | 505), "{nonsense:?}");
    }
    // All places are taken by those who say nothing; when they are let go, others are heard.
    let idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(place.address).unwrap()).collect();
    let mut heard = false;
    for _ in 0..200 {
        heard = place.get("/healthz").status == 200;
        if heard {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(heard);
    drop(idle);
}

#[test]
fn a_token_is_asked_for_where_others_can_ask() {
    let place = Place::with(|settings| settings.token = Some("a long enough token".into()));
    assert_eq!(place.get("/").status, 200);
    assert_eq!(place.get("/healthz").status, 200);
    for path in ["/api/v1/history", "/v1/models", "/metrics"] {
        let answer = place.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.head.contains("www-authenticate: bearer"));
        let known = [("authorization", "Bearer a long enough token")];
        assert_eq!(place.send("GET", path, &known, b"").status, 200, "{path}");
        assert_eq!(
            place.send("GET", path, &[("authorization", "Bearer another")], b"").status,
            401,
            "{path}"
        );
    }
    let home = TempDir::new().unwrap();
    let studio = Studio::open(Settings { state: home.path().join("state"), ..Settings::default() }).unwrap();
    let refused = Server::bind("0.0.0.0:0".parse().unwrap(), studio.clone()).unwrap_err();
    assert!(matches!(refused, StudioError::NoToken { .. }), "{refused}");
    studio.close();
}

#[test]
fn one_studio_has_a_folder_at_a_time() {
    let place = Place::new();
    let settings = Settings { state: place.home.path().join("state"), ..Settings::default() };
    let refused = Studio::open(settings).unwrap_err();
    assert!(refused.to_string().contains("state"), "{refused}");
}
