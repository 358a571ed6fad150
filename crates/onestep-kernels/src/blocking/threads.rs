//! Threads that stay awake between operators.
//!
//! A network on one image is hundreds of operators of a fraction of a millisecond each; waking a thread for every one would
//! cost as much as the work it takes over. The threads of this pool watch for the next operator for a moment before they
//! sleep. Which thread runs which task is left to chance, and no result depends on it.

#![allow(unsafe_code, reason = "threads are lent a closure for as long as the call that lends it lasts")]

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, TryLockError};
use std::time::{Duration, Instant};

/// How long a thread without work stays awake.
const AWAKE: Duration = Duration::from_micros(200);

/// Threads that tasks can run on: those of the current rayon pool, whose size is set in its usual ways.
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
}

/// Runs `task` for each index below `tasks`, on the threads there are.
///
/// Called while another call is running, from inside a task or from another thread, it runs all of them on this thread.
pub(crate) fn each(tasks: usize, task: impl Fn(usize) + Sync) {
    let helpers = threads().min(tasks).saturating_sub(1);
    if helpers == 0 || !Pool::global().run(helpers, tasks, &task) {
        (0..tasks).for_each(task);
    }
}

/// What the threads are asked to do.
#[derive(Clone, Copy)]
struct Job {
    task: *const (dyn Fn(usize) + Sync),
    tasks: usize,
    helpers: usize,
}

/// Open while a job can be joined: bit 32. Below, how many threads are at it; above, the number of the job.
struct Gate(AtomicU64);

impl Gate {
    const OPEN: u64 = 1 << 32;
    const NEXT: u64 = Self::OPEN << 1;

    fn job(state: u64) -> u64 {
        state / Self::NEXT
    }

    /// Joins a job other than `last`, if there is one to join, and returns its number.
    fn enter(&self, last: u64) -> Option<u64> {
        let state = self.0.load(Ordering::Relaxed);
        if state & Self::OPEN == 0 || Self::job(state) == last {
            return None;
        }
        let entered = self.0.compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed);
        entered.is_ok().then(|| Self::job(state))
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }

    fn open(&self) {
        let next = self.0.load(Ordering::Relaxed) + Self::NEXT;
        self.0.store(next | Self::OPEN, Ordering::SeqCst);
    }

    /// Lets nobody in any more and waits until all have left.
    fn close(&self) {
        self.0.fetch_and(!Self::OPEN, Ordering::AcqRel);
        let mut rounds = 0u32;
        while !self.0.load(Ordering::Acquire).is_multiple_of(Self::OPEN) {
            rounds += 1;
            if rounds < 1 << 14 { spin_loop() } else { std::thread::yield_now() }
        }
    }
}

struct Pool {
    gate: Gate,
    /// Written while the gate is closed and nobody is behind it, read behind it.
    job: UnsafeCell<Option<Job>>,
    next: AtomicUsize,
    /// Threads that the latest job is for; the others need not come.
    wanted: AtomicUsize,
    asleep: AtomicUsize,
    sleeping: Mutex<()>,
    wake: Condvar,
    failure: Mutex<Option<Box<dyn Any + Send>>>,
    /// Held by the caller whose job it is; the number of threads there are.
    owner: Mutex<usize>,
}

// SAFETY: all fields but `job` can be shared. It is written by the holder of `owner` alone, while nobody is behind the gate,
// and read by those who came in through the gate, whose opening and entering order the two; the closure it points to can be
// called from several threads at once, because `run` takes none that cannot.
unsafe impl Sync for Pool {}
// SAFETY: nothing in it belongs to a thread: the pointer in `job` is to a closure that any thread may call.
unsafe impl Send for Pool {}

impl Pool {
    fn global() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self {
            gate: Gate(AtomicU64::new(0)),
            job: UnsafeCell::new(None),
            next: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            sleeping: Mutex::new(()),
            wake: Condvar::new(),
            failure: Mutex::new(None),
            owner: Mutex::new(0),
        })
    }

    /// Runs all tasks, or returns false where the pool is at work for somebody else.
    fn run(&'static self, helpers: usize, tasks: usize, task: &(dyn Fn(usize) + Sync)) -> bool {
        let mut spawned = match self.owner.try_lock() {
            Ok(spawned) => spawned,
            Err(TryLockError::WouldBlock) => return false,
            // A task has panicked; the pool itself is sound.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        while *spawned < helpers {
            let index = *spawned;
            let thread = std::thread::Builder::new().name(format!("onestep-{index}"));
            if thread.spawn(move || self.work(index)).is_err() {
                break;
            }
            *spawned += 1;
        }
        // SAFETY: this thread holds `owner`, and whoever held it before closed the gate and waited until all had left, so nobody
        // reads the job now. The closure outlives its use: this function does not return, nor unwind, before it has done
        // the same.
        unsafe {
            let task = std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(task);
            *self.job.get() = Some(Job { task, tasks, helpers });
        }
        self.next.store(0, Ordering::Relaxed);
        self.wanted.store(helpers, Ordering::SeqCst);
        self.gate.open();
        if self.asleep.load(Ordering::SeqCst) > 0 {
            drop(self.sleeping.lock());
            self.wake.notify_all();
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.take_tasks(tasks, task)));
        self.gate.close();
        let failure = self.failure.lock().map(|mut failure| failure.take()).unwrap_or_default();
        drop(spawned);
        if let Some(panic) = result.err().or(failure) {
            resume_unwind(panic);
        }
        true
    }

    fn take_tasks(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= tasks {
                break;
            }
            task(index);
        }
    }

    fn work(&self, index: usize) {
        let mut last = 0;
        loop {
            last = self.wait(last, index);
            // SAFETY: this thread came in through the gate, so the job was written before, and `run` writes no other until it has
            // left.
            if let Some(job) = unsafe { *self.job.get() }
                && index < job.helpers
            {
                // SAFETY: `run`, whose caller owns the closure, does not return before this thread has left the gate.
                let task = unsafe { &*job.task };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.take_tasks(job.tasks, task))) {
                    // What is left to do need not be done.
                    self.next.store(job.tasks, Ordering::Relaxed);
                    if let Ok(mut failure) = self.failure.lock() {
                        *failure = Some(panic);
                    }
                }
            }
            self.gate.leave();
        }
    }

    /// Returns behind the gate of a job other than `last` that wants thread `index`.
    fn wait(&self, last: u64, index: usize) -> u64 {
        loop {
            let begin = Instant::now();
            loop {
                for _ in 0..64 {
                    if index < self.wanted.load(Ordering::Relaxed)
                        && let Some(job) = self.gate.enter(last)
                    {
                        return job;
                    }
                    spin_loop();
                }
                if begin.elapsed() > AWAKE {
                    break;
                }
            }
            let Ok(guard) = self.sleeping.lock() else { continue };
            self.asleep.fetch_add(1, Ordering::SeqCst);
            // Looked at once more after the announcement: whoever opened the gate before it has not seen it.
            let state = self.gate.0.load(Ordering::SeqCst);
            let unwanted = index >= self.wanted.load(Ordering::SeqCst);
            if state & Gate::OPEN == 0 || Gate::job(state) == last || unwanted {
                drop(self.wake.wait(guard));
            }
            self.asleep.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_threads(threads: usize, body: impl FnOnce() + Send) {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(body);
    }

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 5] {
            with_threads(threads, || {
                for tasks in [0, 1, 2, 3, 17, 1000] {
                    let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                    each(tasks, |index| {
                        counts[index].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                }
            });
        }
    }

    #[test]
    fn calls_nest_and_meet() {
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    with_threads(3, || {
                        for _ in 0..200 {
                            each(4, |_| {
                                each(5, |_| {
                                    total.fetch_add(1, Ordering::Relaxed);
                                });
                            });
                        }
                    });
                });
            }
        });
        assert_eq!(total.into_inner(), 3 * 200 * 20);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        with_threads(3, || {
            let result = catch_unwind(|| each(100, |index| assert!(index != 40, "task 40")));
            assert!(result.is_err());
            let sum = AtomicUsize::new(0);
            each(100, |index| {
                sum.fetch_add(index, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 4950);
        });
    }
}
