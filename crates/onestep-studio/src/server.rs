//! Listening: connections within a limit, requests that arrive in time, and an end that loses nothing.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::api::app;
use crate::studio::{Studio, StudioError};

/// Threads that decode and encode pictures and look at files: each keeps some memory for itself.
const ASIDE: usize = 8;

/// The largest head of a request.
const HEAD: usize = 32 << 10;

/// How often what nothing needs is taken away.
const SWEEP: Duration = Duration::from_secs(600);

/// How often it is looked whether the server is to stop.
const GLANCE: Duration = Duration::from_millis(50);

/// A server that listens. It answers once it [runs](Server::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    studio: Studio,
}

impl Server {
    /// Listens on an address; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// - [`StudioError::NoToken`] for an address that other machines can reach, where the studio asks for no token.
    /// - [`StudioError::Listen`] if the address cannot be had.
    pub fn bind(address: SocketAddr, studio: Studio) -> Result<Self, StudioError> {
        if !address.ip().is_loopback() && studio.inner.settings.token.is_none() {
            return Err(StudioError::NoToken { address });
        }
        let listen = |source| StudioError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, address, studio })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` says so; then what is being answered is finished, for a while, jobs are given up, and a training run is
    /// saved.
    ///
    /// # Errors
    ///
    /// [`StudioError::Run`] if the system gives no threads or sockets.
    pub fn run(self, stop: impl Fn() -> bool) -> Result<(), StudioError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(ASIDE).build()?;
        let studio = self.studio.clone();
        let served = runtime.block_on(self.serve(stop));
        runtime.shutdown_timeout(Duration::from_secs(1));
        studio.close();
        served
    }

    async fn serve(self, stop: impl Fn() -> bool) -> Result<(), StudioError> {
        let Self { listener, studio, .. } = self;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let limits = studio.inner.settings.limits.clone();
        let places = Arc::new(Semaphore::new(limits.connections));
        let (closing, closed) = watch::channel(false);
        let router = app(studio.clone());
        let mut connections = JoinSet::new();
        let (mut glance, mut swept) = (tokio::time::interval(GLANCE), Instant::now());
        loop {
            let (stream, _) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(_) => {
                        // Out of files: those that are open will close.
                        tokio::time::sleep(GLANCE).await;
                        continue;
                    }
                },
                _ = glance.tick() => {
                    while connections.try_join_next().is_some() {}
                    if swept.elapsed() > SWEEP {
                        swept = Instant::now();
                        let inner = studio.inner.clone();
                        tokio::task::spawn_blocking(move || inner.sweep());
                    }
                    if stop() {
                        break;
                    }
                    continue;
                }
            };
            // One connection too many is closed at once: whoever asks again finds a place or is told so again.
            let Ok(place) = places.clone().try_acquire_owned() else { continue };
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(router.clone());
            let (mut closed, inner) = (closed.clone(), studio.inner.clone());
            let arrival = limits.arrival_time();
            connections.spawn(async move {
                let open = Open::one_more(&inner.connections);
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(arrival)
                    .max_buf_size(HEAD)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::pin!(connection);
                tokio::select! {
                    _ = connection.as_mut() => {}
                    _ = closed.changed() => {
                        connection.as_mut().graceful_shutdown();
                        let _ = connection.await;
                    }
                }
                drop((open, place));
            });
        }
        drop(listener);
        let _ = closing.send(true);
        let farewell = Duration::from_secs(limits.farewell_seconds);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(farewell, all).await.is_err() {
            studio.inner.jobs.close();
            let rest = async { while connections.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(GLANCE * 4, rest).await;
        }
        Ok(())
    }
}

/// Counts a connection as long as it is open.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
