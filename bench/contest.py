"""One comparison: every contestant's process is prepared and checked, then all are timed in rounds."""

import json
import signal
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from contestants import TOLERANCE
from machine import Watch
from onestep import environment
from problem import Problem

WORKER = Path(__file__).with_name("worker.py")
# Whose fastest pass takes this many times as long as the fastest contestant is timed in the first round alone.
HOPELESS = 10.0


@dataclass
class Result:
    """What is known about one contestant."""

    name: str
    title: str
    rounds_ms: list = field(default_factory=list)
    fastest_ms: float = float("inf")
    largest: float = 0.0
    rms: float = 0.0
    peak_memory_bytes: int = 0
    notes: list = field(default_factory=list)
    # Why there are no times.
    failure: str = ""

    @property
    def median_ms(self):
        return statistics.median(self.rounds_ms)


class Worker:
    """A process of `worker.py` with a job."""

    def __init__(self, job, threads, log, variables=None):
        self.log = Path(log)
        with open(self.log, "w") as stderr:
            command = [sys.executable, str(WORKER), json.dumps(job)]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**environment(threads), **(variables or {})},
            )

    def answer(self):
        """The next line; a Problem where the process reports one, or is gone."""
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
            raise Problem(f"its process ended with {name}{hint}")
        told = json.loads(line)
        if "error" in told:
            raise Problem(told["error"])
        return told

    def ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # answer() says what has become of it
        return self.answer()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def once(job, threads, log):
    """The single answer of a job that has only one."""
    worker = Worker(job, threads, log)
    try:
        return worker.answer()
    finally:
        worker.end()


class Contest:
    """`peers` against `onestep` at one batch size, precision and kind of work.

    `folder` holds what `onestep bench --dump` wrote for that batch in f32, and receives exports and logs.
    """

    def __init__(self, onestep, peers, batch, precision, training, folder, seconds, say):
        self.onestep, self.peers, self.batch, self.precision = onestep, peers, batch, precision
        self.training, self.folder, self.seconds, self.say = training, Path(folder), seconds, say
        self.about = {}
        self.results = {"onestep": Result("onestep", "onestep")}
        self.results |= {peer.name: Result(peer.name, peer.title) for peer in peers}
        self.workers = {}
        self.watch = Watch()

    def job(self, **job):
        return {"case": str(self.folder), "threads": self.onestep.threads, "seconds": self.seconds, **job}

    def log(self, name):
        return self.folder / f"{name}-{self.precision}{'-training' if self.training else ''}.log"

    def export(self, peer):
        path = self.folder / f"network.{peer.export}"
        if peer.export and not path.exists():
            job = self.job(task="export", suffix=peer.export, path=str(path))
            once(job, self.onestep.threads, self.log(f"export-{peer.export}"))
        return str(path) if peer.export else None

    def check_onestep(self):
        """In f32 its output is what all are compared with; in bf16 it is compared like everybody's."""
        if self.precision == "f32":
            return
        found = self.folder / self.precision
        try:
            self.onestep.dump(self.batch, self.precision, found)
        except Problem as problem:
            # The peers can still be timed; what a pass amounts to is the same in f32.
            self.results["onestep"].failure = self.onestep.reason(problem)
            self.learn(self.onestep.measure(self.batch, "f32", self.training, 0.0))
            return
        (found / "model.safetensors").unlink()
        job = self.job(task="compare", found=str(found), expected=str(self.folder))
        told = once(job, self.onestep.threads, self.log("compare"))
        self.judge(self.results["onestep"], told)
        if self.results["onestep"].failure:
            self.learn(self.onestep.measure(self.batch, self.precision, self.training, 0.0))

    def learn(self, told):
        self.about = {key: told[key] for key in ("flop", "parameters")}
        self.watch.ceilings.append(told["ceiling_gflops"])

    def prepare(self, peer):
        result = self.results[peer.name]
        self.say(f"  preparing {peer.title}{', which compiles for minutes' if peer.compiled else ''}")
        try:
            job = self.job(
                task="contest",
                peer=peer.name,
                precision=self.precision,
                training=self.training,
                export=self.export(peer),
            )
            worker = self.workers[peer.name] = Worker(
                job, self.onestep.threads, self.log(peer.name), peer.environment
            )
            told = worker.answer()
        except Problem as problem:
            self.drop(peer.name, str(problem))
            return
        result.notes = told["notes"]
        self.judge(result, told)
        if result.failure:
            self.drop(peer.name, result.failure)

    def judge(self, result, told):
        result.largest, result.rms = told["largest"], told["rms"]
        if not result.largest <= TOLERANCE[self.precision]:
            result.failure = f"output differs by {result.largest:.1e} of the largest value: not timed"

    def drop(self, name, failure):
        self.results[name].failure = failure
        if name in self.workers:
            self.workers.pop(name).end()

    def round(self, index):
        # Whoever begins finds the machine rested; that is somebody else in every round.
        names = list(self.results)
        first = index % len(names)
        for name in names[first:] + names[:first]:
            result = self.results[name]
            if result.failure or (index and name not in self.workers and name != "onestep"):
                continue
            try:
                if name == "onestep":
                    told = self.onestep.measure(self.batch, self.precision, self.training, self.seconds)
                    self.learn(told)
                else:
                    told = self.workers[name].ask("round")
            except Problem as problem:
                if name == "onestep":
                    raise
                self.drop(name, str(problem))
                continue
            self.watch.turn()
            result.rounds_ms.append(statistics.median(told["times_ms"]))
            result.fastest_ms = min(result.fastest_ms, *told["times_ms"])
            result.peak_memory_bytes = max(result.peak_memory_bytes, told["peak_memory_bytes"])

    def retire_the_hopeless(self):
        timed = [result for result in self.results.values() if result.rounds_ms and not result.failure]
        fastest = min((result.median_ms for result in timed), default=0.0)
        for result in timed:
            if result.fastest_ms > HOPELESS * fastest and result.name in self.workers:
                self.workers.pop(result.name).end()
                result.notes.append("timed in the first round only")

    def run(self, rounds):
        try:
            self.check_onestep()
            for peer in self.peers:
                self.prepare(peer)
            for index in range(rounds):
                self.say(f"  round {index + 1} of {rounds}")
                self.watch.pause()
                self.round(index)
                if index == 0 and rounds > 1:
                    self.retire_the_hopeless()
        finally:
            for worker in self.workers.values():
                worker.end()
        return self
