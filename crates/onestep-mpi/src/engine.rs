//! The one thread that makes calls of MPI: it does what it is told, and sees meanwhile who is still there.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::collective::{CommunicatorCollectives, SystemOperation};
use mpi::datatype::{Equivalence, PartitionMut};
use mpi::point_to_point::{Destination, Source};
use mpi::request::{Request, Scope, scope};
use mpi::topology::{Communicator as _, SimpleCommunicator};

use crate::{Beats, Lost, Patience, Settings};

/// Numbers in one message: MPI counts them in 32 bits.
const CHUNK: usize = 1 << 26;

/// Numbers in one bucket of a sum whose order is MPI's: small enough for several to be on their way at once.
const BUCKET: usize = 1 << 20;

const LENGTH: i32 = 1;
const VALUES: i32 = 2;
const BEAT: i32 = 3;

/// How long a wait stays wide awake; then it lets others have the processor.
const AWAKE: Duration = Duration::from_micros(200);

/// How it dozes after that, where nothing large is on its way.
const DOZE: Duration = Duration::from_micros(100);

/// How often a rank looks around between two heartbeats.
const LOOKS: u32 = 8;

/// What the thread is told.
pub(crate) enum Order {
    Call(Call),
    TakesLong(bool),
    End(Sender<()>),
}

/// A call that all ranks make, and where its result goes.
pub(crate) enum Call {
    Exchange { partner: usize, values: Vec<f32>, answer: Sender<Vec<f32>> },
    Gather { bytes: Vec<u8>, answer: Sender<Vec<Vec<u8>>> },
    Sum { values: Vec<f32>, answer: Sender<Vec<f32>> },
}

/// Begins MPI, says which rank of how many this is, and does what it is told until it is to end, or nobody is left to tell it.
pub(crate) fn run(settings: Settings, orders: &Receiver<Order>, answer: &Sender<Option<(usize, usize)>>) {
    // Of this thread alone: for MPI it is the only one.
    let Some((universe, _)) = mpi::initialize_with_threading(Threading::Funneled) else {
        let _ = answer.send(None);
        return;
    };
    let world = universe.world();
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    let now = Instant::now();
    let interval = (settings.watchdog / 8).clamp(Duration::from_millis(20), Duration::from_secs(1));
    let mut engine = Engine {
        world,
        beats: Beats::new(rank, size, now),
        patience: Patience::new(settings.watchdog),
        settings,
        interval,
        beaten: now,
        looked: now,
        freed: now,
        was_long: true,
    };
    let _ = answer.send(Some((rank, size)));
    loop {
        match orders.recv_timeout(interval / LOOKS) {
            Ok(Order::Call(call)) => engine.call(call),
            Ok(Order::TakesLong(long)) => engine.takes_long(long),
            Ok(Order::End(ended)) => {
                engine.meet();
                drop(engine);
                drop(universe);
                let _ = ended.send(());
                return;
            }
            Err(RecvTimeoutError::Timeout) => engine.look_around(),
            // The rank has failed. To end MPI in order would be to wait for the others, who wait for this one.
            Err(RecvTimeoutError::Disconnected) => {
                std::mem::forget(universe);
                return;
            }
        }
    }
}

struct Engine {
    world: SimpleCommunicator,
    settings: Settings,
    beats: Beats,
    patience: Patience,
    /// Time between two heartbeats.
    interval: Duration,
    beaten: Instant,
    /// When this rank last looked around.
    looked: Instant,
    /// When the last call was done.
    freed: Instant,
    /// Whether this rank was at something long since the last call.
    was_long: bool,
}

impl Engine {
    fn call(&mut self, call: Call) {
        if !self.was_long {
            self.patience.took(self.freed.elapsed());
        }
        self.was_long = self.beats.takes_long();
        self.beats.called();
        match call {
            Call::Exchange { partner, values, answer } => {
                let values = self.exchange(partner, &values);
                let _ = answer.send(values);
            }
            Call::Gather { bytes, answer } => {
                let all = self.gather(&bytes);
                let _ = answer.send(all);
            }
            Call::Sum { values, answer } => {
                let sum = self.sum(&values);
                let _ = answer.send(sum);
            }
        }
        self.freed = Instant::now();
    }

    /// Tells the neighbor at once: the others may be waiting already.
    fn takes_long(&mut self, long: bool) {
        self.was_long |= long;
        self.beats.set_long(long);
        self.beat();
    }

    fn exchange(&mut self, partner: usize, values: &[f32]) -> Vec<f32> {
        let world = SimpleCommunicator::world();
        let process = world.process_at_rank(partner as i32);
        let length = [values.len() as u64];
        let mut theirs = [0u64];
        scope(|scope| {
            let sent = process.immediate_send_with_tag(scope, &length[..], LENGTH);
            let came = process.immediate_receive_into_with_tag(scope, &mut theirs[..], LENGTH);
            self.wait(came, false);
            self.wait(sent, false);
        });
        let mut received = vec![0f32; theirs[0] as usize];
        scope(|scope| {
            // Posted before anything is sent, so that nothing is kept on the way.
            let came: Vec<_> = received
                .chunks_mut(CHUNK)
                .map(|chunk| process.immediate_receive_into_with_tag(scope, chunk, VALUES))
                .collect();
            let sent: Vec<_> = values
                .chunks(CHUNK)
                .map(|chunk| process.immediate_send_with_tag(scope, chunk, VALUES))
                .collect();
            came.into_iter().for_each(|request| self.wait(request, true));
            sent.into_iter().for_each(|request| self.wait(request, true));
        });
        received
    }

    fn gather(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let world = SimpleCommunicator::world();
        let length = [i32::try_from(bytes.len()).expect("what ranks tell each other is small")];
        let mut lengths = vec![0i32; world.size() as usize];
        scope(|scope| {
            let request = world.immediate_all_gather_into(scope, &length[..], &mut lengths[..]);
            self.wait(request, false);
        });
        if lengths.iter().all(|&length| length == 0) {
            // Open MPI takes no empty vectors.
            return vec![Vec::new(); lengths.len()];
        }
        let starts: Vec<i32> = lengths
            .iter()
            .scan(0, |start, length| {
                let own = *start;
                *start += length;
                Some(own)
            })
            .collect();
        let mut all = vec![0u8; lengths.iter().map(|&length| length as usize).sum()];
        let mut parts = PartitionMut::new(&mut all[..], &lengths[..], &starts[..]);
        scope(|scope| {
            let request = world.immediate_all_gather_varcount_into(scope, bytes, &mut parts);
            self.wait(request, false);
        });
        let part = |(&start, &length): (&i32, &i32)| all[start as usize..][..length as usize].to_vec();
        starts.iter().zip(&lengths).map(part).collect()
    }

    fn sum(&mut self, values: &[f32]) -> Vec<f32> {
        let world = SimpleCommunicator::world();
        let mut sum = vec![0f32; values.len()];
        // Whoever is late is waited for here, and not between buckets.
        self.meet();
        scope(|scope| {
            let buckets = values.chunks(BUCKET).zip(sum.chunks_mut(BUCKET));
            let requests: Vec<_> = buckets
                .map(|(own, all)| world.immediate_all_reduce_into(scope, own, all, SystemOperation::sum()))
                .collect();
            requests.into_iter().for_each(|request| self.wait(request, true));
        });
        sum
    }

    fn meet(&mut self) {
        let request = self.world.immediate_barrier();
        self.wait(request, false);
    }

    /// Waits until a request is done, and looks around meanwhile. Where much is on its way, this keeps it going.
    fn wait<'a, D: ?Sized, S: Scope<'a>>(&mut self, mut request: Request<'a, D, S>, much: bool) {
        let began = Instant::now();
        loop {
            request = match request.test() {
                Ok(_) => return,
                Err(request) => request,
            };
            let waited = began.elapsed();
            if waited > AWAKE {
                if much {
                    std::thread::yield_now()
                } else {
                    std::thread::sleep(DOZE)
                }
                self.look_around();
                if self.patience.is_over(waited, self.beats.anyone_takes_long()) {
                    self.lost(&Lost::Absent { rank: self.beats.last(), after: waited });
                }
            }
        }
    }

    /// Hears the neighbor, lets it hear this rank, and ends the process where a rank is lost.
    fn look_around(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.looked) < self.interval / LOOKS {
            return;
        }
        self.looked = now;
        let (rank, size) = (self.world.rank(), self.world.size());
        let neighbor = self.world.process_at_rank((rank + size - 1) % size);
        let mut news = false;
        while let Some((message, status)) = neighbor.immediate_matched_probe_with_tag(BEAT) {
            let mut told = vec![0u64; status.count(u64::equivalent_datatype()).max(0) as usize];
            message.matched_receive_into(&mut told[..]);
            news |= self.beats.hear(&told, now);
        }
        if news || now.duration_since(self.beaten) >= self.interval {
            self.beat();
        }
        if let Some((rank, after)) = self.beats.silent(now, self.settings.watchdog, self.interval) {
            self.lost(&Lost::Silent { rank, after });
        }
    }

    fn beat(&mut self) {
        let (rank, size) = (self.world.rank(), self.world.size());
        self.beaten = Instant::now();
        for message in self.beats.beat(self.beaten) {
            // So little is taken over by MPI at once; this waits for nobody.
            self.world.process_at_rank((rank + 1) % size).send_with_tag(&message[..], BEAT);
        }
    }

    fn lost(&self, lost: &Lost) -> ! {
        (self.settings.on_lost)(lost);
        std::process::abort()
    }
}
