//! Downloads from a server that breaks off, lies, redirects, drips and changes its file.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onestep_fetch::{Download, Expected, FetchError, Limits, Progress};

/// What the server does with one request.
type Answer = dyn Fn(&Request, &mut TcpStream) + Send + Sync;

/// One request, as far as it matters.
struct Request {
    method: String,
    path: String,
    /// First byte asked for.
    from: usize,
    /// How many requests came before.
    number: usize,
}

/// Serves requests until the test ends; returns its address and what was asked.
fn serve(
    answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (answer, asked, number): (Arc<Answer>, _, _) =
        (Arc::new(answer), Arc::<Mutex<Vec<String>>>::default(), AtomicUsize::new(0));
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let (answer, log) = (answer.clone(), log.clone());
            let number = number.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                let mut from = 0;
                for line in lines.map_while(Result::ok) {
                    if line.is_empty() {
                        break;
                    }
                    if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                        from = range.trim_end_matches('-').parse().unwrap();
                    }
                }
                let mut words = first.split(' ').map(str::to_owned);
                let request =
                    Request { method: words.next().unwrap(), path: words.next().unwrap(), from, number };
                log.lock().unwrap().push(format!("{} {} {}", request.method, request.path, request.from));
                answer(&request, &mut stream);
            });
        }
    });
    (address, asked)
}

/// A file of pseudo-random bytes.
fn contents(n: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..n).map(next).collect()
}

/// The head of an answer with a file from byte `from` on.
fn head(file: &[u8], request: &Request, etag: &str) -> String {
    let (status, range) = match request.from {
        0 => ("200 OK", String::new()),
        from => (
            "206 Partial Content",
            format!("content-range: bytes {from}-{}/{}\r\n", file.len() - 1, file.len()),
        ),
    };
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{range}etag: \"{etag}\"\r\nconnection: close\r\n\r\n",
        file.len() - request.from
    )
}

fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// An honest answer.
fn honest(file: &[u8], request: &Request, stream: &mut TcpStream) {
    let body = if request.method == "HEAD" { &[] } else { &file[request.from..] };
    send(stream, &head(file, request, "one"), body);
}

fn download(address: &str, to: &Path) -> Download {
    let limits = Limits {
        answer: Duration::from_secs(2),
        stretch: Duration::from_millis(400),
        least: 64,
        attempts: 3,
        redirects: 3,
    };
    Download {
        address: format!("{address}/file"),
        to: to.to_path_buf(),
        expected: None,
        most: 1 << 20,
        limits,
    }
}

fn run(download: &Download) -> Result<onestep_fetch::Fetched, FetchError> {
    download.run(&download.look()?, |_| true)
}

const SHA256_OF_EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn nothing_is_left(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_file_arrives_whole_and_its_progress_is_told() {
    let file = contents(300_000);
    let served = file.clone();
    let (address, _) = serve(move |request, stream| honest(&served, request, stream));
    let folder = tempfile::tempdir().unwrap();
    let download = download(&address, &folder.path().join("model.pt"));
    let offer = download.look().unwrap();
    assert_eq!((offer.size, &offer.digest), (Some(300_000), &None));
    let mut told = Vec::new();
    let fetched = download.run(&offer, |progress: Progress| {
        told.push(progress.received);
        true
    });
    assert_eq!(fetched.unwrap().size, 300_000);
    assert_eq!(std::fs::read(&download.to).unwrap(), file);
    assert!(told.is_sorted() && told.last() == Some(&300_000));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let file = contents(100_000);
    let served = file.clone();
    let (address, asked) = serve(move |request, stream| {
        if request.method == "HEAD" {
            return honest(&served, request, stream);
        }
        // Each time a third of what is left, then silence.
        let body = &served[request.from..];
        let n = if body.len() > 1000 { body.len() / 3 } else { body.len() };
        send(stream, &head(&served, request, "one"), &body[..n]);
    });
    let folder = tempfile::tempdir().unwrap();
    let download = download(&address, &folder.path().join("model.pt"));
    run(&download).unwrap();
    assert_eq!(std::fs::read(&download.to).unwrap(), file);
    let asked = asked.lock().unwrap();
    assert!(asked.len() > 5 && asked[2] == "GET /file 33333", "{asked:?}");
}

#[test]
fn a_stopped_download_goes_on_in_another_process() {
    let file = contents(600_000);
    let served = file.clone();
    let (address, asked) = serve(move |request, stream| honest(&served, request, stream));
    let folder = tempfile::tempdir().unwrap();
    let download = download(&address, &folder.path().join("model.pt"));
    let offer = download.look().unwrap();
    let stopped = download.run(&offer, |progress| progress.received < 200_000).unwrap_err();
    let FetchError::Stopped { received } = stopped else { panic!("{stopped}") };
    assert!(!download.to.exists(), "half a file has no name");
    run(&download).unwrap();
    assert_eq!(std::fs::read(&download.to).unwrap(), file);
    assert_eq!(asked.lock().unwrap().last().unwrap(), &format!("GET /file {received}"));
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_from_its_beginning() {
    let (old, new) = (contents(5_000), vec![7; 6_000]);
    let (before, after) = (old.clone(), new.clone());
    let (address, _) = serve(move |request, stream| match request.number {
        0 => honest(&before, request, stream),
        1 => send(stream, &head(&before, request, "one"), &before[..2_000]),
        // From now on another file; a range of the old one is not honoured.
        _ => {
            let whole =
                Request { method: request.method.clone(), path: request.path.clone(), from: 0, number: 0 };
            let body = if request.method == "HEAD" { &[][..] } else { &after[..] };
            send(stream, &head(&after, &whole, "two"), body);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let download = download(&address, &folder.path().join("model.pt"));
    // The offer of the old file cannot be met any more: what comes is too long for it.
    let error = run(&download).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    run(&download).unwrap();
    assert_eq!(std::fs::read(&download.to).unwrap(), new);
}

#[test]
fn a_wrong_digest_leaves_nothing() {
    let file = contents(5_000);
    let (address, _) = serve(move |request, stream| honest(&file, request, stream));
    let folder = tempfile::tempdir().unwrap();
    let download = download(&address, &folder.path().join("model.pt"));
    let wrong = Download { expected: Some(Expected::Sha256(SHA256_OF_EMPTY.into())), ..download };
    let error = run(&wrong).unwrap_err();
    assert!(
        matches!(&error, FetchError::WrongDigest { expected, .. } if expected == SHA256_OF_EMPTY),
        "{error}"
    );
    assert!(nothing_is_left(folder.path()));
}

#[test]
fn what_the_server_says_of_its_digest_is_compared() {
    let (address, _) = serve(|request, stream| {
        let body: &[u8] = if request.method == "HEAD" { b"" } else { b"other" };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-linked-etag: \"{SHA256_OF_EMPTY}\"\r\nconnection: close\r\n\r\n"
        );
        send(stream, &head, body);
    });
    let folder = tempfile::tempdir().unwrap();
    let error = run(&download(&address, &folder.path().join("model.pt"))).unwrap_err();
    assert!(matches!(error, FetchError::WrongDigest { .. }), "{error}");
    assert!(nothing_is_left(folder.path()));
}

#[test]
fn a_server_that_drips_is_given_up_and_what_came_is_kept() {
    let file = contents(50_000);
    let (address, _) = serve(move |request, stream| {
        if request.method == "HEAD" {
            return honest(&file, request, stream);
        }
        send(stream, &head(&file, request, "one"), &[]);
        for byte in &file[request.from..] {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let error = run(&download(&address, &folder.path().join("model.pt"))).unwrap_err();
    let FetchError::BrokenOff { attempts: 3, received } = error else { panic!("{error}") };
    assert!(received > 0);
    assert_eq!(std::fs::metadata(folder.path().join("model.pt.part")).unwrap().len(), received);
}

#[test]
fn redirections_are_followed_up_to_a_number() {
    let file = contents(2_000);
    let served = file.clone();
    let (address, _) = serve(move |request, stream| match request.path.as_str() {
        "/real" => honest(&served, request, stream),
        "/file" => send(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: /real\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            &[],
        ),
        _ => send(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: /round\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            &[],
        ),
    });
    let folder = tempfile::tempdir().unwrap();
    let download = download(&address, &folder.path().join("model.pt"));
    run(&download).unwrap();
    assert_eq!(std::fs::read(&download.to).unwrap(), file);
    let round = Download { address: format!("{address}/round"), ..download };
    assert!(matches!(round.look().unwrap_err(), FetchError::Unreachable { .. } | FetchError::Refused { .. }));
}

#[test]
fn refusals_and_lies_about_the_size_are_told() {
    let (address, _) = serve(|request, stream| match request.path.as_str() {
        "/file" => {
            send(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", &[])
        }
        "/large" => {
            send(stream, "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n", &[])
        }
        // No length at all, and no end.
        _ => {
            send(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &[]);
            while request.method == "GET" && stream.write_all(&[0; 65_536]).is_ok() {}
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let download = download(&address, &folder.path().join("model.pt"));
    assert!(matches!(run(&download).unwrap_err(), FetchError::Refused { status: 404, .. }));
    let at = |path: &str| Download { address: format!("{address}{path}"), ..download.clone() };
    assert!(matches!(run(&at("/large")).unwrap_err(), FetchError::TooLarge { found: 99_999_999_999, .. }));
    let error = run(&at("/endless")).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. } | FetchError::Stopped { .. }), "{error}");
    assert!(!download.to.exists());
    // Nobody there.
    let nobody = Download { address: "http://127.0.0.1:9/file".into(), ..download };
    assert!(matches!(nobody.look().unwrap_err(), FetchError::Unreachable { .. }));
}
