//! What clients of OpenAI's API send and read.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use onestep::data::picture::encode_png;
use onestep::data::{ImageShape, Pixels};
use serde_json::{Value, json};

use super::place::{Answer, Place};

/// A form with fields and pictures.
fn upload(place: &Place, path: &str, texts: &[(&str, &str)], pictures: &[(&str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, text) in texts {
        body.extend(
            format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").bytes(),
        );
    }
    for (name, picture) in pictures {
        let head = format!(
            "--edge\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\n"
        );
        body.extend(head.bytes());
        body.extend(*picture);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    place.send("POST", path, &[("content-type", "multipart/form-data; boundary=edge")], &body)
}

fn pixels(image: &Value) -> Pixels {
    let bytes = BASE64_STANDARD.decode(image["b64_json"].as_str().unwrap()).unwrap();
    Pixels::decode(&bytes, "image").unwrap()
}

fn face() -> Vec<u8> {
    let shape = ImageShape { height: 16, width: 16, channels: 3 };
    encode_png(&Pixels::new(shape, (0..shape.n_values()).map(|at| (at * 7) as u8).collect()).unwrap(), None)
        .unwrap()
}

#[test]
fn images_are_generated_in_the_size_and_form_that_was_asked_for() {
    let place = Place::new();
    let asked = json!({ "prompt": "", "n": 2, "size": "64x64", "seed": 4, "steps": 1, "user": "somebody", "quality": "auto" });
    let answer = place.post("/v1/images/generations", &asked);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(
        (&answer["size"], &answer["output_format"], &answer["evaluations"]),
        (&json!("64x64"), &json!("png"), &json!(1))
    );
    assert_eq!(answer["data"][1]["seed"], 5);
    let large = pixels(&answer["data"][0]);
    assert_eq!(large.shape(), ImageShape { height: 64, width: 64, channels: 3 });
    let small = place.post("/v1/images/generations", &json!({ "seed": 4, "steps": 1 })).json();
    assert_eq!(pixels(&small["data"][0]).enlarged(4).unwrap(), large);
    // By an address, which can be had for a while.
    let by_url = place
        .post("/v1/images/generations", &json!({ "seed": 4, "steps": 1, "response_format": "url" }))
        .json();
    let url = by_url["data"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", place.address)).unwrap();
    assert_eq!(Pixels::decode(&place.get(path).body, "image").unwrap(), pixels(&small["data"][0]));
    for format in ["jpeg", "webp"] {
        let answer =
            place.post("/v1/images/generations", &json!({ "seed": 4, "output_format": format })).json();
        assert_eq!(answer["output_format"], format);
        assert_eq!(pixels(&answer["data"][0]).shape().width, 16);
    }
    let models = place.get("/v1/models").json();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("portraits")));
}

#[test]
fn steps_are_sent_before_the_image_is_done() {
    let place = Place::new();
    let asked = json!({ "n": 2, "seed": 4, "steps": 4, "stream": true, "partial_images": 2 });
    let answer = place.post("/v1/images/generations", &asked);
    assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
    let text = answer.text();
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let (partial, done) = (of("image_generation.partial_image"), of("image_generation.completed"));
    assert_eq!((partial.len(), done.len()), (4, 2), "{text}");
    assert_eq!(partial[3]["partial_image_index"], 1);
    let whole = place.post("/v1/images/generations", &json!({ "n": 2, "seed": 4, "steps": 4 })).json();
    assert_eq!(pixels(done[1]), pixels(&whole["data"][1]));
}

#[test]
fn pictures_are_edited_and_varied() {
    let place = Place::new();
    let face = face();
    // Transparent where it is to be filled in.
    let mut rgba = Vec::new();
    let mut encoder = png::Encoder::new(&mut rgba, 16, 16);
    encoder.set_color(png::ColorType::Rgba);
    let values: Vec<u8> = (0..256).flat_map(|pixel| [9, 9, 9, if pixel < 64 { 0 } else { 255 }]).collect();
    encoder.write_header().unwrap().write_image_data(&values).unwrap();
    let edited = upload(
        &place,
        "/v1/images/edits",
        &[("prompt", "eyes"), ("n", "2"), ("seed", "3")],
        &[("image", &face), ("mask", &rgba)],
    );
    assert_eq!(edited.status, 200, "{}", edited.text());
    let (before, after) = (Pixels::decode(&face, "face").unwrap(), pixels(&edited.json()["data"][1]));
    assert_eq!(after.bytes()[64 * 3..], before.bytes()[64 * 3..]);
    assert_ne!(after.bytes()[..64 * 3], before.bytes()[..64 * 3]);
    let colored = upload(&place, "/v1/images/edits", &[("mode", "colorize")], &[("image[]", &face)]);
    assert_eq!(colored.status, 200, "{}", colored.text());
    let varied =
        upload(&place, "/v1/images/variations", &[("n", "3"), ("size", "32x32")], &[("image", &face)]);
    assert_eq!(varied.json()["data"].as_array().unwrap().len(), 3);
    for (texts, pictures) in [
        (&[("n", "x")][..], &[("image", &*face)][..]),
        (&[("mode", "generate")], &[("image", &*face)]),
        (&[("what", "x")], &[("image", &*face)]),
        (&[], &[]),
        (&[], &[("image", b"no picture".as_slice())]),
        // Nothing is transparent, and there is no mask.
        (&[], &[("image", &*face)]),
    ] {
        let answer = upload(&place, "/v1/images/edits", texts, pictures);
        assert_eq!(answer.status, 400, "{texts:?}: {}", answer.text());
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn what_is_wrong_is_named() {
    let place = Place::new();
    for (asked, param) in [
        (json!({ "n": 0 }), "n"),
        (json!({ "n": 11 }), "n"),
        (json!({ "size": "100x100" }), "size"),
        (json!({ "partial_images": 4 }), "partial_images"),
        (json!({ "model": "gpt-image-1" }), "model"),
        (json!({ "steps": 0 }), "steps"),
        (json!({ "class": "cat" }), "class"),
        (json!({ "output_compression": 101 }), "output_compression"),
    ] {
        let answer = place.post("/v1/images/generations", &asked);
        assert!(matches!(answer.status, 400 | 404), "{asked}: {}", answer.text());
        assert_eq!(answer.json()["error"]["param"], param, "{asked}: {}", answer.text());
    }
    // What only drawing finds out.
    for asked in [json!({ "levels": [1.0, 2.0] }), json!({ "levels": [1e9] }), json!({ "guidance": 2.0 })] {
        let answer = place.post("/v1/images/generations", &asked);
        assert_eq!(answer.status, 400, "{asked}: {}", answer.text());
    }
}
