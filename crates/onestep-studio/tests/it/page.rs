//! The page: its files, and what they may load.

use serde_json::Value;

use super::place::Place;

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let place = Place::new();
    let mut todo = vec!["/".to_owned(), "/docs".to_owned()];
    let mut seen: Vec<String> = Vec::new();
    while let Some(path) = todo.pop() {
        if seen.contains(&path) {
            continue;
        }
        let answer = place.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.head.contains("content-security-policy: default-src 'self'"), "{}", answer.head);
        assert!(answer.head.contains("x-content-type-options: nosniff"));
        let text = answer.text();
        // Names of namespaces are no addresses that are loaded.
        let addresses = text.replace("http://www.w3.org/2000/svg", "").replace("http://${host}", "");
        assert!(!addresses.contains("http://") && !addresses.contains("https://"), "{path}");
        todo.extend(text.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned));
        let beside = text.split('"').filter_map(|part| part.strip_prefix("./"));
        todo.extend(beside.map(|name| format!("/assets/{name}")));
        seen.push(path);
    }
    assert!(seen.len() >= 16, "{seen:?}");
    assert_eq!(place.get("/assets/../Cargo.toml").status, 404);
    assert_eq!(place.get("/assets/none.js").status, 404);
}

#[test]
fn every_address_that_is_described_is_there() {
    let place = Place::new();
    let document: Value = serde_json::from_str(onestep_studio::document()).unwrap();
    let described = place.get("/openapi.json").json();
    assert_eq!(described, document);
    let mut n = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.replace("{id}", "0").replace("{name}", "none").replace("{preview}", "none");
            // To ask whether something is there, it need not be done.
            if method == "get" && path.ends_with("/events") {
                assert_eq!(place.get(&path).code(), "not_found");
                continue;
            }
            let answer = place.send(&method.to_uppercase(), &path, &[("content-type", "text/x")], b"");
            assert_ne!(answer.status, 405, "{method} {path}");
            assert!(!answer.text().contains("there is nothing here"), "{method} {path}");
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{method} {path}"
            );
            n += 1;
        }
    }
    assert!(n > 25, "{n}");
}
