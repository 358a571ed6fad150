//! Jobs: asked for, made, kept, given up.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use onestep::OpenOptions;
use onestep::data::picture::encode_png;
use onestep::data::{ImageShape, Pixels, Rounding};
use onestep::model::PrecisionChoice;
use serde_json::{Value, json};

use super::place::{Place, long_job};

/// What the library draws, as pixels.
fn drawn(seeds: &[u64], steps: usize) -> Vec<Pixels> {
    let model = OpenOptions::default().precision(PrecisionChoice::Auto).open("builtin:portraits").unwrap();
    let samples = model.draw().seeds(seeds.iter().copied()).steps(steps).run().unwrap();
    samples.pixels(Rounding::Truncate).unwrap()
}

fn pixels_of(place: &Place, view: &Value) -> Pixels {
    let answer = place.get(view["url"].as_str().unwrap());
    assert_eq!(answer.status, 200, "{}", answer.text());
    Pixels::decode(&answer.body, "answer").unwrap()
}

fn data_url(picture: &Pixels) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(encode_png(picture, None).unwrap()))
}

#[test]
fn a_job_makes_what_the_library_makes_and_is_kept_and_made_again() {
    let place = Place::new();
    let job = place.run(&json!({ "task": "generate", "seeds": [3, 9], "steps": 2 }));
    assert_eq!(job["status"], "done", "{job}");
    assert_eq!((&job["evaluations"], &job["images"][1]["seed"]), (&json!(2), &json!(9)));
    let images: Vec<Pixels> =
        job["images"].as_array().unwrap().iter().map(|view| pixels_of(&place, view)).collect();
    assert_eq!(images, drawn(&[3, 9], 2));
    let history = place.get("/api/v1/history").json();
    assert_eq!(history["entries"][0]["id"], job["id"]);
    // A picture says how it was made.
    let png = place.get(job["images"][1]["url"].as_str().unwrap()).body;
    let again = place.send("POST", "/api/v1/restore", &[], &png).json();
    assert_eq!(
        (&again["task"], &again["seeds"], &again["model"]),
        (&json!("generate"), &json!([9]), &json!("portraits"))
    );
    let again = place.run(&again);
    assert_eq!(pixels_of(&place, &again["images"][0]), images[1]);
    // What was kept outlives the server.
    let id = job["id"].as_str().unwrap().to_owned();
    let place = Place::in_home(place.closed(), |_| {});
    let kept = place.get(&format!("/api/v1/jobs/{id}")).json();
    assert_eq!((&kept["status"], &kept["request"]["seeds"]), (&json!("done"), &json!([3, 9])));
    assert_eq!(pixels_of(&place, &kept["images"][0]), images[0]);
    let path = format!("/api/v1/history/{id}");
    assert_eq!(place.send("DELETE", &path, &[], b"").status, 204);
    assert_eq!(place.get(&path).status, 404);
    assert_eq!(place.get(kept["images"][0]["url"].as_str().unwrap()).status, 404);
}

#[test]
fn what_was_left_to_chance_is_said() {
    let place = Place::new();
    let request = json!({ "task": "generate", "keep": false });
    let [first, second] = [0, 1].map(|_| place.run(&request));
    assert_ne!(first["images"][0]["seed"], second["images"][0]["seed"]);
    assert_eq!(first["request"]["seed"], first["images"][0]["seed"]);
    assert!(place.get("/api/v1/history").json()["entries"].as_array().unwrap().is_empty());
}

#[test]
fn pictures_are_edited_and_what_is_known_stays() {
    let place = Place::new();
    let face = drawn(&[5], 4).remove(0);
    let shape = ImageShape { channels: 1, ..face.shape() };
    let mask = (0..256).map(|pixel| if pixel < 128 { 255 } else { 0 }).collect();
    let mask = data_url(&Pixels::new(shape, mask).unwrap());
    let request = json!({ "task": "inpaint", "image": data_url(&face), "mask": mask, "seed": 1, "n": 2, "partial": true });
    let job = place.run(&request);
    assert_eq!(job["status"], "done", "{job}");
    let results: Vec<Pixels> =
        job["images"].as_array().unwrap().iter().map(|view| pixels_of(&place, view)).collect();
    for result in &results {
        assert_eq!(result.bytes()[128 * 3..], face.bytes()[128 * 3..]);
        assert_ne!(result.bytes()[..128 * 3], face.bytes()[..128 * 3]);
    }
    assert_eq!(place.get(job["before"][0].as_str().unwrap()).status, 200);
    // Its pictures were kept, and it can be asked again from the picture alone.
    assert!(job["request"]["image"].as_str().unwrap().starts_with("input:"));
    let png = place.get(job["images"][1]["url"].as_str().unwrap()).body;
    let again = place.send("POST", "/api/v1/restore", &[], &png).json();
    let again = place.run(&again);
    assert_eq!(pixels_of(&place, &again["images"][0]), results[1], "{again}");
    // Every step was told, and the last is the result.
    let events = place.get(job["events_url"].as_str().unwrap()).text();
    assert_eq!(events.matches("event: partial").count(), 2 * 4, "{events}");
    assert!(events.trim_end().lines().rev().nth(1).unwrap() == "event: done", "{events}");
    for task in ["colorize", "super-resolve", "stroke", "denoise", "vary"] {
        let job = place.run(&json!({ "task": task, "image": data_url(&face), "keep": false }));
        assert_eq!(job["status"], "done", "{job}");
        assert_eq!(pixels_of(&place, &job["images"][0]).shape(), face.shape());
    }
    let between = place.run(&json!({ "task": "interpolate", "ends": [2, 3], "frames": 5, "keep": false }));
    assert_eq!(between["images"].as_array().unwrap().len(), 5, "{between}");
    assert_eq!(pixels_of(&place, &between["images"][0]), pixels_of(&place, &between["images"][0]));
}

#[test]
fn a_picture_that_was_sent_before_is_called_by_its_digest() {
    let place = Place::new();
    let png = encode_png(&drawn(&[5], 1)[0], None).unwrap();
    let answer = place.send("POST", "/api/v1/inputs", &[], &png);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let input = answer.json();
    assert_eq!((&input["width"], &input["height"]), (&json!(16), &json!(16)));
    let job = place.run(&json!({ "task": "colorize", "image": input["id"] }));
    assert_eq!(job["status"], "done", "{job}");
    let gone = place
        .post("/api/v1/jobs", &json!({ "task": "colorize", "image": format!("input:{}", "0".repeat(64)) }));
    assert_eq!((gone.status, gone.json()["error"]["param"].clone()), (400, json!("image")));
}

#[test]
fn no_more_than_a_limit_wait_and_each_gets_what_it_would_get_alone() {
    let place = Place::limited(|limits| limits.waiting_jobs = 3);
    let long = place.ask(&long_job());
    place.wait(long["poll_url"].as_str().unwrap(), |job| job["status"] == "running");
    let asked: Vec<Value> = (0..3)
        .map(|seed| {
            place.ask(&json!({ "task": "generate", "seed": seed, "n": 2, "steps": 1, "keep": false }))
        })
        .collect();
    assert_eq!(asked[2]["queue_position"], 2);
    let full = place.post("/api/v1/jobs", &json!({ "task": "generate" }));
    assert_eq!((full.status, full.code()), (429, "queue_full".to_owned()));
    assert!(full.head.contains("retry-after: 1"), "{}", full.head);
    assert_eq!(place.get("/readyz").status, 429);
    assert_eq!(place.get("/healthz").status, 200);
    // The long one is given up within a step, and the others are drawn together.
    let cancel = format!("/api/v1/jobs/{}/cancel", long["id"].as_str().unwrap());
    assert_eq!(place.send("POST", &cancel, &[], b"").json()["status"], "cancelled");
    assert_eq!(place.send("POST", &cancel, &[], b"").status, 200);
    for (seed, job) in asked.iter().enumerate() {
        let job = place.wait(job["poll_url"].as_str().unwrap(), |job| job["status"] == "done");
        let images: Vec<Pixels> =
            job["images"].as_array().unwrap().iter().map(|view| pixels_of(&place, view)).collect();
        assert_eq!(images, drawn(&[seed as u64, seed as u64 + 1], 1));
        let over =
            place.send("POST", &format!("/api/v1/jobs/{}/cancel", job["id"].as_str().unwrap()), &[], b"");
        assert_eq!(over.status, 409, "{}", over.text());
    }
    let metrics = place.get("/metrics").text();
    assert!(
        metrics.contains("onestep_images_total 6")
            && metrics.contains("onestep_jobs_total{status=\"cancelled\"} 1"),
        "{metrics}"
    );
}

#[test]
fn a_job_is_asked_for_once_however_often_it_is_sent() {
    let place = Place::new();
    let send = |key: &str, seed: u64| {
        let body = json!({ "task": "generate", "seed": seed, "keep": false }).to_string();
        place.send(
            "POST",
            "/api/v1/jobs",
            &[("content-type", "application/json"), ("idempotency-key", key)],
            body.as_bytes(),
        )
    };
    let first = send("a", 1).json();
    assert_eq!(send("a", 1).json()["id"], first["id"]);
    assert_ne!(send("b", 1).json()["id"], first["id"]);
    let other = send("a", 2);
    assert_eq!((other.status, other.code()), (409, "key_used".to_owned()));
    // A request that was refused has not used its key.
    let headers = [("content-type", "application/json"), ("idempotency-key", "c")];
    assert_eq!(place.send("POST", "/api/v1/jobs", &headers, b"{\"task\": \"inpaint\"}").status, 400);
    assert_eq!(send("c", 1).status, 202);
    // Of many that are sent at once, one is done.
    let place = &place;
    let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let many: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(move || {
                    let body = json!({ "task": "generate", "seed": 5, "keep": false }).to_string();
                    let headers = [("content-type", "application/json"), ("idempotency-key", "d")];
                    place.send("POST", "/api/v1/jobs", &headers, body.as_bytes())
                })
            })
            .collect();
        let answers =
            many.into_iter().map(|thread| thread.join().unwrap()).filter(|answer| answer.status == 202);
        answers.map(|answer| answer.json()["id"].to_string()).collect()
    });
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[test]
fn results_that_are_not_kept_are_gone_after_a_while() {
    let place = Place::limited(|limits| limits.result_seconds = 0);
    let job = place.ask(&json!({ "task": "generate", "keep": false }));
    let path = job["poll_url"].as_str().unwrap();
    let gone = place.wait(path, |answer| answer["error"]["code"] == "gone");
    assert!(gone["error"]["message"].as_str().unwrap().contains("keep"));
    assert_eq!(place.get(path).status, 410);
    assert_eq!(place.get(&format!("/api/v1/images/{}-0", job["id"].as_str().unwrap())).status, 410);
}

#[test]
fn of_one_client_the_latest_stroke_alone_is_drawn() {
    let place = Arc::new(Place::new());
    let long = place.ask(&long_job());
    place.wait(long["poll_url"].as_str().unwrap(), |job| job["status"] == "running");
    let image = data_url(&drawn(&[5], 1)[0]);
    let live = |client: &str, seed: u64| {
        let (place, image, client) = (place.clone(), image.clone(), client.to_owned());
        std::thread::spawn(move || {
            let request =
                json!({ "task": "stroke", "image": image, "client": client, "seed": seed, "steps": 1 });
            place.post("/api/v1/live", &request)
        })
    };
    let old = live("hand", 1);
    place.wait("/readyz", |ready| ready["waiting"] == 1);
    let other = live("other", 1);
    place.wait("/readyz", |ready| ready["waiting"] == 2);
    let new = live("hand", 2);
    let old = old.join().unwrap();
    assert_eq!((old.status, old.code()), (409, "cancelled".to_owned()));
    place.send("POST", &format!("/api/v1/jobs/{}/cancel", long["id"].as_str().unwrap()), &[], b"");
    for answer in [other.join().unwrap(), new.join().unwrap()] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.head.contains("x-onestep-evaluations: 1"), "{}", answer.head);
        Pixels::decode(&answer.body, "live").unwrap();
    }
    assert!(place.get("/api/v1/history").json()["entries"].as_array().unwrap().is_empty());
}

#[test]
fn a_curve_is_measured() {
    let place = Place::new();
    let job = place.run(&json!({ "task": "curve", "n": 4 }));
    assert_eq!(job["status"], "done", "{job}");
    let points = job["curve"]["points"].as_array().unwrap();
    let evaluations: Vec<u64> = points.iter().map(|point| point["evaluations"].as_u64().unwrap()).collect();
    assert_eq!(evaluations, [1, 2, 4, 8]);
    assert!(points.iter().all(|point| point["difference"].as_f64().unwrap() > 0.0 && point["n"] == 4));
    assert!(job["curve"]["svg"].as_str().unwrap().starts_with("<svg"));
}

#[test]
fn models_go_when_memory_is_short_and_come_back() {
    // Room for one of the two.
    let place = Place::limited(|limits| limits.model_bytes = 12_000_000);
    for model in ["portraits", "portraits-edm", "portraits"] {
        let job =
            place.run(&json!({ "task": "generate", "model": model, "steps": 2, "seed": 1, "keep": false }));
        assert_eq!(job["status"], "done", "{job}");
        let able = place.get("/api/v1/capabilities").json();
        let open: Vec<&str> = able["models"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|view| view["open"] == true)
            .map(|view| view["id"].as_str().unwrap())
            .collect();
        assert_eq!(open, [model]);
    }
}
