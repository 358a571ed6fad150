//! The image endpoints of OpenAI's API: what its clients send is understood, and what this server has beside it are further fields.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::body::Asked;
use super::events::{ServerSentEvent, data_url, event, stream};
use super::{Waiting, ask};
use crate::encoding::{FileFormat, times};
use crate::history::{image_id, image_url};
use crate::job::{Job, Made, Outcome, Status};
use crate::log::unix_millis;
use crate::refusal::{ProblemBody, Refusal};
use crate::request::{Called, JobRequest, Marks, TaskName};
use crate::shelf::Entry;
use crate::studio::Studio;

/// Images of one request, as OpenAI has it.
const MOST: usize = 10;

/// How images come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResponseFormat {
    /// Inside the answer.
    B64Json,
    /// By an address, for a while.
    Url,
}

/// What images are asked to look like on their way out.
#[derive(Debug, Clone)]
struct Form {
    format: FileFormat,
    quality: u8,
    by_url: bool,
    times: usize,
    prompt: String,
    size: String,
    host: String,
    n_partials: usize,
}

/// A request for images.
#[allow(dead_code, reason = "what has no effect here is understood all the same, and nothing else is")]
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"prompt": "", "n": 2, "size": "256x256"}))]
pub(super) struct Generations {
    /// A class of the model, by its name or number; empty for one drawn from the seed. A model without classes has no use for it, and
    /// `revised_prompt` of the answer says so by being empty.
    #[serde(default)]
    prompt: Option<String>,
    /// The model; without it the usual one.
    #[serde(default)]
    model: Option<String>,
    /// How many images, 1 to 10.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10)]
    n: Option<usize>,
    /// `auto`, or the size of the model's images or a multiple of it, as `256x256`.
    #[serde(default)]
    size: Option<String>,
    /// `b64_json`, or `url`.
    #[serde(default)]
    response_format: Option<ResponseFormat>,
    /// `png`, `jpeg` or `webp`.
    #[serde(default)]
    output_format: Option<FileFormat>,
    /// Quality of JPEG, 0 to 100.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100)]
    output_compression: Option<u8>,
    /// Whether images come as server-sent events.
    #[serde(default)]
    stream: Option<bool>,
    /// How many steps of an image are sent before it is done, 0 to 3.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 3)]
    partial_images: Option<usize>,
    /// Of this server: the seed of the first image; without it one is drawn by chance, and the answer says which.
    #[serde(default)]
    #[schema(format = "uint64")]
    seed: Option<u64>,
    /// Of this server: steps.
    #[serde(default)]
    #[schema(minimum = 1)]
    steps: Option<usize>,
    /// Of this server: the noise levels to visit, in place of steps.
    #[serde(default)]
    levels: Option<Vec<f64>>,
    /// Of this server: the class, in place of the prompt.
    #[serde(default)]
    class: Option<Called>,
    /// Of this server: the guidance scale.
    #[serde(default)]
    guidance: Option<f64>,
    /// Understood, and of no effect here.
    #[serde(default)]
    user: Option<String>,
    /// Understood, and of no effect here.
    #[serde(default)]
    quality: Option<String>,
    /// Understood, and of no effect here.
    #[serde(default)]
    style: Option<String>,
    /// Understood, and of no effect here.
    #[serde(default)]
    background: Option<String>,
    /// Understood, and of no effect here.
    #[serde(default)]
    moderation: Option<String>,
}

/// An image of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageData {
    /// The file, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    b64_json: Option<String>,
    /// Where it can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The class that was drawn; empty for a model without classes.
    revised_prompt: String,
    /// Of this server: the seed that makes this image again.
    seed: u64,
}

/// Images, as OpenAI's API answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImagesResponse {
    /// Seconds since 1970.
    created: u64,
    /// The images.
    data: Vec<ImageData>,
    /// Their size.
    size: String,
    /// Their file format.
    output_format: &'static str,
    /// Always `opaque`.
    background: &'static str,
    /// Always `auto`.
    quality: &'static str,
    /// Of this server: network evaluations an image.
    evaluations: usize,
    /// Of this server: how long it took to compute.
    milliseconds: f64,
}

/// Draws images.
#[utoipa::path(
    post, path = "/v1/images/generations", tag = "OpenAI", request_body = Generations,
    responses(
        (status = 200, description = "The images; with `stream`, events `image_generation.partial_image` and `image_generation.completed`.",
         content((ImagesResponse = "application/json"), (ServerSentEvent = "text/event-stream"))),
        (status = 429, description = "Too many jobs wait.", body = ProblemBody),
    )
)]
pub(super) async fn generations(
    State(studio): State<Studio>,
    headers: HeaderMap,
    asked: Asked<Generations>,
) -> Result<Response, Refusal> {
    let asked = asked.value;
    let entry = find(&studio, asked.model.as_deref()).await?;
    let class = match asked.class {
        Some(class) => Some(class),
        None => class_of(asked.prompt.as_deref(), &entry)?,
    };
    let form = Form {
        format: asked.output_format.unwrap_or_default(),
        quality: quality(asked.output_compression)?,
        by_url: asked.response_format == Some(ResponseFormat::Url),
        times: times(asked.size.as_deref(), entry.view.height, entry.view.width)?,
        prompt: "image_generation".into(),
        size: String::new(),
        host: host(&headers),
        n_partials: n_partials(asked.partial_images)?,
    };
    let request = JobRequest {
        model: Some(entry.view.id.clone()),
        seed: asked.seed,
        n: Some(count(asked.n)?),
        steps: asked.steps,
        levels: asked.levels,
        class,
        guidance: asked.guidance,
        partial: Some(form.n_partials > 0),
        keep: Some(false),
        ..JobRequest::new(TaskName::Generate)
    };
    answer(studio, request, form.sized(&entry), asked.stream == Some(true)).await
}

/// A request to edit a picture, as the form of an upload.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes the form, which is read field by field")]
pub(super) struct EditForm {
    /// The picture.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// A PNG of its size whose transparent pixels are filled in; without it, those of the picture.
    #[schema(value_type = Option<String>, format = Binary)]
    mask: Option<Vec<u8>>,
    /// A class of the model; empty to have it guessed.
    prompt: Option<String>,
    /// The model; without it the usual one.
    model: Option<String>,
    /// How many results, 1 to 10.
    #[schema(minimum = 1, maximum = 10)]
    n: Option<usize>,
    /// `auto`, or a multiple of the model's size.
    size: Option<String>,
    /// `b64_json`, or `url`.
    response_format: Option<ResponseFormat>,
    /// `png`, `jpeg` or `webp`.
    output_format: Option<FileFormat>,
    /// Whether results come as server-sent events.
    stream: Option<bool>,
    /// How many steps are sent before a result is done.
    #[schema(minimum = 0, maximum = 3)]
    partial_images: Option<usize>,
    /// Of this server: the seed of the first result.
    seed: Option<u64>,
    /// Of this server: steps.
    #[schema(minimum = 1)]
    steps: Option<usize>,
    /// Of this server: `inpaint`, `colorize`, `super-resolve`, `stroke` or `denoise`.
    mode: Option<TaskName>,
    /// Of this server: how much of a drawing is drawn anew, 0 to 1.
    strength: Option<f64>,
}

/// Edits a picture: fills in what the mask leaves transparent; `mode` asks for the other tasks.
#[utoipa::path(
    post, path = "/v1/images/edits", tag = "OpenAI",
    request_body(content = EditForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The results; with `stream`, events `image_edit.partial_image` and `image_edit.completed`.",
         content((ImagesResponse = "application/json"), (ServerSentEvent = "text/event-stream"))),
        (status = 413, description = "A picture is too large.", body = ProblemBody),
    )
)]
pub(super) async fn edits(
    State(studio): State<Studio>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refusal> {
    let fields = Fields::read(form).await?;
    let entry = find(&studio, fields.text("model")).await?;
    let task = match fields.text("mode") {
        Some(mode) => serde_json::from_value(json!(mode)).map_err(|_| {
            Refusal::field("mode", "`mode` is inpaint, colorize, super-resolve, stroke or denoise")
        })?,
        None => TaskName::Inpaint,
    };
    let editing =
        [TaskName::Inpaint, TaskName::Colorize, TaskName::SuperResolve, TaskName::Stroke, TaskName::Denoise];
    if !editing.contains(&task) {
        return Err(Refusal::field("mode", "`mode` is inpaint, colorize, super-resolve, stroke or denoise"));
    }
    let mut request = fields.request(task, &entry)?;
    request.mask = fields.picture("mask").filter(|_| task == TaskName::Inpaint);
    // Whatever its colors are.
    request.marks = request.mask.as_ref().map(|_| Marks::Transparent);
    if task == TaskName::Stroke {
        request.strength = fields.number("strength")?;
    }
    let form = fields.form("image_edit", &headers, &entry)?;
    request.partial = Some(form.n_partials > 0);
    answer(studio, request, form, fields.text("stream") == Some("true")).await
}

/// A request for images like a picture, as the form of an upload.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes the form, which is read field by field")]
pub(super) struct VariationForm {
    /// The picture.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// The model; without it the usual one.
    model: Option<String>,
    /// How many results, 1 to 10.
    #[schema(minimum = 1, maximum = 10)]
    n: Option<usize>,
    /// `auto`, or a multiple of the model's size.
    size: Option<String>,
    /// `b64_json`, or `url`.
    response_format: Option<ResponseFormat>,
    /// Of this server: the seed of the first result.
    seed: Option<u64>,
    /// Of this server: steps.
    #[schema(minimum = 1)]
    steps: Option<usize>,
    /// Of this server: how far to go, 0 to 1.
    strength: Option<f64>,
}

/// Draws images like a picture.
#[utoipa::path(
    post, path = "/v1/images/variations", tag = "OpenAI",
    request_body(content = VariationForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The results.", body = ImagesResponse),
        (status = 413, description = "The picture is too large.", body = ProblemBody),
    )
)]
pub(super) async fn variations(
    State(studio): State<Studio>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refusal> {
    let fields = Fields::read(form).await?;
    let entry = find(&studio, fields.text("model")).await?;
    let mut request = fields.request(TaskName::Vary, &entry)?;
    request.strength = fields.number("strength")?;
    let form = fields.form("image_variation", &headers, &entry)?;
    answer(studio, request, form, false).await
}

/// Answers with images once they are there, or with events on the way.
async fn answer(
    studio: Studio,
    request: JobRequest,
    form: Form,
    streamed: bool,
) -> Result<Response, Refusal> {
    let steps = request.steps.or(request.levels.as_ref().map(Vec::len));
    let job = ask(&studio, request, false).await?;
    if streamed {
        return Ok(events(studio, job, form, steps));
    }
    let waiting = Waiting { studio: studio.clone(), job };
    let outcome = waiting.outcome().await?;
    let job = waiting.job.clone();
    let answer = super::aside(&studio, move |_| form.response(&job, &outcome)).await?;
    Ok(axum::Json(answer).into_response())
}

/// The images of a job as events: some of the steps of each, then the image itself.
fn events(studio: Studio, job: Arc<Job>, form: Form, steps: Option<usize>) -> Response {
    let news = job.listen();
    let (mut seen, mut sent) = (0, std::collections::HashMap::<usize, usize>::new());
    let guard = Waiting { studio, job: job.clone() };
    let stream = stream(news, move || {
        let _ = &guard;
        let mut ready = Vec::new();
        let (status, partials, outcome, problem) = {
            let progress = job.progress();
            let partials: Vec<_> = progress.partials.iter().skip(seen).cloned().collect();
            seen = progress.partials.len();
            (progress.status, partials, progress.outcome.clone(), progress.problem.clone())
        };
        for partial in partials {
            let n_sent = sent.entry(partial.index).or_default();
            // The last step is the image itself.
            let is_last = steps.is_some_and(|steps| partial.step >= steps);
            if is_last || *n_sent >= form.n_partials {
                continue;
            }
            let Ok(bytes) = form.encode(&partial.pixels, None) else { continue };
            let told = form.event("partial_image", partial.index, &bytes);
            let mut told = told;
            told["partial_image_index"] = json!(*n_sent);
            *n_sent += 1;
            ready.push(event(told["type"].as_str().unwrap_or_default(), &told));
        }
        match (status, outcome) {
            (Status::Done, Some(outcome)) => {
                for (index, made) in outcome.made.iter().enumerate() {
                    let Ok(bytes) = form.encode(&made.pixels, made.parameters.as_deref()) else { continue };
                    let mut told = form.event("completed", index, &bytes);
                    told["seed"] = json!(made.seed);
                    ready.push(event(told["type"].as_str().unwrap_or_default(), &told));
                }
            }
            (Status::Failed, _) => {
                ready.push(event(
                    "error",
                    &json!({ "type": "error", "error": problem.map(|refusal| refusal.problem) }),
                ));
            }
            (Status::Cancelled, _) => {
                ready.push(event("error", &json!({ "type": "error", "error": { "message": "this was cancelled", "code": "cancelled" } })));
            }
            _ => {}
        }
        (ready, status.is_over())
    });
    stream.into_response()
}

impl Form {
    /// The form with the size written out.
    fn sized(mut self, entry: &Entry) -> Self {
        self.size = format!("{}x{}", entry.view.width * self.times, entry.view.height * self.times);
        self
    }

    fn encode(&self, pixels: &onestep::data::Pixels, parameters: Option<&str>) -> Result<Vec<u8>, Refusal> {
        let pixels =
            pixels.enlarged(self.times).map_err(|error| Refusal::field("size", error.to_string()))?;
        self.format.encode(&pixels, self.quality, parameters)
    }

    fn event(&self, kind: &str, index: usize, bytes: &[u8]) -> Value {
        json!({
            "type": format!("{}.{kind}", self.prompt),
            "b64_json": BASE64_STANDARD.encode(bytes),
            "created_at": unix_millis() / 1000,
            "size": self.size,
            "quality": "auto",
            "background": "opaque",
            "output_format": self.format.name(),
            "index": index,
        })
    }

    fn response(&self, job: &Job, outcome: &Outcome) -> Result<ImagesResponse, Refusal> {
        let image = |(index, made): (usize, &Made)| {
            let revised_prompt = made.class.clone().unwrap_or_default();
            if self.by_url {
                let url = image_url(&image_id(&job.id, index));
                let url = format!("http://{}{url}", self.host);
                return Ok(ImageData { b64_json: None, url: Some(url), revised_prompt, seed: made.seed });
            }
            let bytes = self.encode(&made.pixels, made.parameters.as_deref())?;
            let b64_json = Some(BASE64_STANDARD.encode(bytes));
            Ok(ImageData { b64_json, url: None, revised_prompt, seed: made.seed })
        };
        Ok(ImagesResponse {
            created: unix_millis() / 1000,
            data: outcome.made.iter().enumerate().map(image).collect::<Result<_, Refusal>>()?,
            size: self.size.clone(),
            output_format: self.format.name(),
            background: "opaque",
            quality: "auto",
            evaluations: outcome.evaluations,
            milliseconds: outcome.milliseconds,
        })
    }
}

/// The fields of an upload.
struct Fields {
    texts: Vec<(String, String)>,
    pictures: Vec<(String, String)>,
}

/// The longest text of a field.
const TEXT: usize = 4096;

/// What a form may say, beside its pictures.
const TEXTS: [&str; 18] = [
    "prompt",
    "model",
    "n",
    "size",
    "response_format",
    "output_format",
    "output_compression",
    "stream",
    "partial_images",
    "seed",
    "steps",
    "mode",
    "strength",
    "user",
    "quality",
    "background",
    "input_fidelity",
    "moderation",
];

impl Fields {
    async fn read(form: Result<Multipart, MultipartRejection>) -> Result<Self, Refusal> {
        let wrong = |error: String| Refusal::new(StatusCode::BAD_REQUEST, "invalid_form", error);
        let mut form = form.map_err(|rejection| {
            Refusal::new(
                rejection.status(),
                "invalid_form",
                "this is asked with content-type: multipart/form-data",
            )
        })?;
        let mut fields = Self { texts: Vec::new(), pictures: Vec::new() };
        while let Some(field) = form.next_field().await.map_err(|error| wrong(error.body_text()))? {
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(|error| wrong(error.body_text()))?;
            match name.as_str() {
                "image" | "image[]" | "mask" => {
                    let name = if name == "mask" { "mask" } else { "image" };
                    if fields.pictures.iter().any(|(known, _)| known == name) {
                        return Err(Refusal::field(name, format!("one `{name}` at a time")));
                    }
                    fields.pictures.push((name.into(), data_url(&bytes)));
                }
                known if TEXTS.contains(&known) => {
                    let text =
                        String::from_utf8(bytes.to_vec()).ok().filter(|text| text.len() <= TEXT).ok_or_else(
                            || Refusal::field(known, format!("`{known}` is text of at most {TEXT} letters")),
                        )?;
                    fields.texts.push((name, text));
                }
                other => {
                    let message =
                        format!("there is no field `{}`", other.chars().take(64).collect::<String>());
                    return Err(Refusal::new(StatusCode::BAD_REQUEST, "unknown_parameter", message));
                }
            }
        }
        Ok(fields)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    fn picture(&self, name: &str) -> Option<String> {
        self.pictures.iter().find(|(known, _)| known == name).map(|(_, picture)| picture.clone())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let number =
            |text: &str| text.parse().map_err(|_| Refusal::field(name, format!("`{name}` must be a number")));
        self.text(name).map(number).transpose()
    }

    fn named<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let named = |text: &str| {
            serde_json::from_value(json!(text))
                .map_err(|error| Refusal::field(name, format!("`{name}`: {error}")))
        };
        self.text(name).map(named).transpose()
    }

    /// The job that the form asks for.
    fn request(&self, task: TaskName, entry: &Entry) -> Result<JobRequest, Refusal> {
        Ok(JobRequest {
            model: Some(entry.view.id.clone()),
            image: self.picture("image"),
            n: Some(count(self.number("n")?)?),
            seed: self.number("seed")?,
            steps: self.number("steps")?,
            class: class_of(self.text("prompt"), entry)?,
            keep: Some(false),
            ..JobRequest::new(task)
        })
    }

    /// How the results are to look.
    fn form(&self, prompt: &str, headers: &HeaderMap, entry: &Entry) -> Result<Form, Refusal> {
        let form = Form {
            format: self.named("output_format")?.unwrap_or_default(),
            quality: quality(self.number("output_compression")?)?,
            by_url: self.named::<ResponseFormat>("response_format")? == Some(ResponseFormat::Url),
            times: times(self.text("size"), entry.view.height, entry.view.width)?,
            prompt: prompt.into(),
            size: String::new(),
            host: host(headers),
            n_partials: n_partials(self.number("partial_images")?)?,
        };
        Ok(form.sized(entry))
    }
}

async fn find(studio: &Studio, name: Option<&str>) -> Result<Entry, Refusal> {
    let name = name.map(str::to_owned);
    super::aside(studio, move |inner| inner.shelf.find(name.as_deref())).await
}

/// The class that a prompt asks for; none for a model without classes, or where the seed is to decide.
fn class_of(prompt: Option<&str>, entry: &Entry) -> Result<Option<Called>, Refusal> {
    let prompt = prompt.unwrap_or_default().trim();
    if prompt.is_empty() || entry.view.n_classes.is_none() {
        return Ok(None);
    }
    let class = entry
        .view
        .class_number(prompt)
        .map_err(|refusal| Refusal::field("prompt", refusal.problem.message))?;
    Ok(Some(Called::Number(class)))
}

fn count(n: Option<usize>) -> Result<usize, Refusal> {
    match n.unwrap_or(1) {
        n if (1..=MOST).contains(&n) => Ok(n),
        n => Err(Refusal::field("n", format!("`n` must be 1 to {MOST}, not {n}"))),
    }
}

fn n_partials(n: Option<usize>) -> Result<usize, Refusal> {
    match n.unwrap_or(0) {
        n if n <= 3 => Ok(n),
        n => Err(Refusal::field("partial_images", format!("`partial_images` must be 0 to 3, not {n}"))),
    }
}

fn quality(percent: Option<u8>) -> Result<u8, Refusal> {
    match percent.unwrap_or(100) {
        percent if percent <= 100 => Ok(percent),
        percent => Err(Refusal::field(
            "output_compression",
            format!("`output_compression` must be 0 to 100, not {percent}"),
        )),
    }
}

/// What the server was called; it was checked before.
fn host(headers: &HeaderMap) -> String {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned()
}
