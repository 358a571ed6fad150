//! Runs: begun, watched, stopped and gone on with.

use serde_json::{Value, json};

use super::place::Place;

fn is_over(run: &Value) -> bool {
    !matches!(run["state"].as_str(), Some("running" | "stopping"))
}

#[test]
fn a_run_begins_is_watched_and_its_model_draws() {
    let place = Place::new();
    let recipes = place.get("/api/v1/recipes").json();
    assert!(
        recipes
            .as_array()
            .unwrap()
            .iter()
            .any(|recipe| recipe["name"] == "portraits-cd" && recipe["needs_teacher"] == true)
    );
    let asked = json!({ "recipe": "portraits-cd", "name": "mine", "teacher": "portraits-edm", "steps": 3, "batch": 4, "preview_every": 2 });
    let started = place.post("/api/v1/runs", &asked);
    assert_eq!(started.status, 201, "{}", started.text());
    let second = place.post("/api/v1/runs", &json!({ "recipe": "toy2d-ct", "name": "other", "steps": 5 }));
    assert_eq!(second.status, 409, "{}", second.text());
    let events = place.get("/api/v1/runs/mine/events").text();
    assert!(events.contains("\"state\":\"finished\""), "{events}");
    let run = place.get("/api/v1/runs/mine").json();
    assert_eq!((&run["step"], &run["state"]), (&json!(3), &json!("finished")), "{run}");
    let preview = place.get(run["previews"][0]["url"].as_str().unwrap());
    assert!(preview.status == 200 && preview.body.starts_with(b"\x89PNG"));
    let losses = place.get("/api/v1/runs/mine/losses").json();
    assert_eq!(losses.as_array().unwrap().len(), 3);
    assert!(
        losses[2]["loss"].as_f64().unwrap() > 0.0 && losses[2]["by_level"].as_array().unwrap().len() == 4,
        "{losses}"
    );
    // The run is a model by its name.
    let job = place.run(&json!({ "task": "generate", "model": "mine", "steps": 1, "keep": false }));
    assert_eq!(job["status"], "done", "{job}");
    // A run that is there is not trained over.
    let again = place.post("/api/v1/runs", &asked);
    assert_eq!((again.status, again.code()), (409, "run_exists".to_owned()));
}

#[test]
fn a_run_is_stopped_saved_and_goes_on() {
    let place = Place::new();
    let asked = json!({ "recipe": "toy2d-ct", "name": "points", "steps": 100_000, "preview_every": 100_000 });
    assert_eq!(place.post("/api/v1/runs", &asked).status, 201);
    place.wait("/api/v1/runs/points", |run| run["step"].as_u64() > Some(0));
    assert_eq!(place.send("POST", "/api/v1/runs/points/stop", &[], b"").status, 200);
    let stopped = place.wait("/api/v1/runs/points", is_over);
    let step = stopped["step"].as_u64().unwrap();
    assert!(stopped["state"] == "stopped" && step > 0, "{stopped}");
    assert_eq!(place.send("POST", "/api/v1/runs/points/stop", &[], b"").code(), "not_running");
    assert_eq!(place.send("POST", "/api/v1/runs/points/resume", &[], b"").status, 200);
    place.wait("/api/v1/runs/points", |run| run["step"].as_u64() > Some(step));
    // A server that stops saves what runs.
    let place = Place::in_home(place.closed(), |_| {});
    let saved = place.get("/api/v1/runs/points").json();
    assert!(saved["state"] == "stopped" && saved["step"].as_u64() > Some(step), "{saved}");
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let place = Place::new();
    for (asked, status) in [
        (json!({ "recipe": "toy2d-ct", "name": "../x" }), 400),
        (json!({ "recipe": "toy2d-ct", "name": "" }), 400),
        (json!({ "recipe": "/etc/passwd", "name": "x" }), 400),
        (json!({ "recipe": "cifar10-cd", "name": "x" }), 400),
        (json!({ "recipe": "portraits-cd", "name": "x" }), 400),
        (json!({ "recipe": "toy2d-ct", "name": "x", "teacher": "portraits-edm" }), 400),
        (json!({ "recipe": "portraits-cd", "name": "x", "teacher": "none" }), 404),
        (json!({ "recipe": "toy2d-ct", "name": "x", "steps": 0 }), 400),
        (json!({ "recipe": "toy2d-ct", "name": "x", "learning_rate": -1.0 }), 400),
        (json!({ "recipe": "toy2d-ct", "name": "x", "data": "/etc" }), 400),
    ] {
        let answer = place.post("/api/v1/runs", &asked);
        assert_eq!(answer.status, status, "{asked}: {}", answer.text());
    }
    assert!(!place.home.path().join("runs/x").exists());
    let quiet = Place::with(|settings| settings.runs = None);
    assert_eq!(quiet.post("/api/v1/runs", &json!({ "recipe": "toy2d-ct", "name": "x" })).code(), "no_runs");
}
