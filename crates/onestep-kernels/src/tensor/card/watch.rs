//! Which kernels a card ran, for a recording.

use std::sync::{Arc, Mutex, PoisonError};

use cubecl::config::{TypeNameFormatLevel, type_name_format};
use cubecl::future::block_on;
use cubecl::logging::{
    Duration, LaunchObservation, LaunchObserver, ProfileDuration, TimingMethod, TimingRequest,
};

/// A kernel that was launched.
struct Launch {
    name: &'static str,
    time: Time,
}

/// How long it ran.
enum Time {
    /// Nobody measured it.
    Unknown,
    /// The device knows it, or will.
    Measured(ProfileDuration),
    /// It is known.
    Read(Duration),
}

#[derive(Default)]
struct Launches(Mutex<Vec<Launch>>);

impl Launches {
    /// The launch that was told last, by one of this name.
    fn set(&self, name: &'static str, time: Time) {
        let mut launches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let untimed = |launch: &&mut Launch| launch.name == name && matches!(launch.time, Time::Unknown);
        if let Some(launch) = launches.iter_mut().rev().find(untimed) {
            launch.time = time;
        }
    }
}

impl LaunchObserver for Launches {
    fn launched(&self, name: &'static str) {
        let mut launches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        launches.push(Launch { name, time: Time::Unknown });
    }

    fn timing(&self) -> TimingRequest {
        TimingRequest::Deferred
    }

    fn profiled(&self, name: &'static str, profile: ProfileDuration) {
        self.set(name, Time::Measured(profile));
    }

    fn timed(&self, name: &'static str, duration: Duration, _: TimingMethod) {
        self.set(name, Time::Read(duration));
    }
}

/// Watches every card until it is asked what it saw.
pub(in crate::tensor) struct Watch {
    launches: Arc<Launches>,
    observation: LaunchObservation,
}

impl Watch {
    pub(in crate::tensor) fn new() -> Self {
        let launches = Arc::<Launches>::default();
        Self { observation: LaunchObservation::new(launches.clone()), launches }
    }

    /// Each kernel that was launched, by its name and with the seconds that the device says; waits for them.
    pub(in crate::tensor) fn kernels(self) -> Vec<(String, f64)> {
        drop(self.observation);
        let launches = std::mem::take(&mut *self.launches.0.lock().unwrap_or_else(PoisonError::into_inner));
        let kernel = |Launch { name, time }| {
            let seconds = match time {
                Time::Unknown => 0.0,
                Time::Measured(profile) => {
                    block_on(profile.resolve()).map_or(0.0, |ticks| ticks.duration().as_secs_f64())
                }
                Time::Read(duration) => duration.as_secs_f64(),
            };
            (type_name_format(name, TypeNameFormatLevel::Short), seconds)
        };
        launches.into_iter().map(kernel).collect()
    }
}
