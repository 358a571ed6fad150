"""What the machine is, and what else happened on it while the contestants were timed."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

# Flags of /proc/cpuinfo, and what they are called.
BF16 = {"amx_bf16": "AMX tiles", "avx512_bf16": "AVX512-BF16", "bf16": "Arm's"}
# Variables that keep a library from instructions that the processor has.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "ONESTEP_INSTRUCTIONS")


@dataclass(frozen=True)
class Processor:
    """Its name, whether it is one of a virtual machine, and its instructions for bf16; None where that cannot be told."""

    name: str
    virtual: bool = False
    bf16: tuple | None = None

    @classmethod
    def here(cls):
        try:
            return cls.of(Path("/proc/cpuinfo").read_text())
        except OSError:
            return cls(platform.processor() or platform.machine())

    @classmethod
    def of(cls, cpuinfo):
        """From the text of /proc/cpuinfo."""
        name = re.search(r"model name\s*:\s*(.*)", cpuinfo)
        found = re.search(r"^(?:flags|Features)\s*:\s*(.*)", cpuinfo, re.MULTILINE)
        flags = set(found[1].split()) if found else set()
        bf16 = tuple(title for flag, title in BF16.items() if flag in flags) if found else None
        return cls(name[1].strip() if name else platform.machine(), "hypervisor" in flags, bf16)

    def about(self):
        """One line for people."""
        cpus = f"{os.cpu_count()} CPUs{' of a virtual machine' if self.virtual else ''}, {platform.system()}"
        if self.bf16 is None:
            return f"{self.name}, {cpus}"
        return f"{self.name}, {cpus}, {'bf16 by ' + ' and '.join(self.bf16) if self.bf16 else 'no bf16 instructions'}"


def limits(environment=os.environ):
    """The variables that are set and hold a library back, as they would be typed."""
    return [f"{name}={environment[name]}" for name in LIMITS if environment.get(name)]


@dataclass(frozen=True)
class Ticks:
    """Time of all CPUs since the machine was started, in clock ticks."""

    idle: int
    stolen: int
    total: int

    @classmethod
    def now(cls):
        """None where the system does not tell."""
        try:
            return cls.of(Path("/proc/stat").read_text())
        except (OSError, ValueError, IndexError):
            return None

    @classmethod
    def of(cls, stat):
        """From the text of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal of its first line."""
        fields = [int(field) for field in stat.split("\n", 1)[0].split()[1:9]]
        return cls(fields[3] + fields[4], fields[7], sum(fields))

    def stolen_since(self, start):
        """Part of the CPU time wanted since `start` that the host gave to somebody else."""
        wanted = (self.total - self.idle) - (start.total - start.idle)
        return (self.stolen - start.stolen) / wanted if wanted > 0 else 0.0


def busy_cpus(seconds=0.5):
    """CPUs in use, on average over a moment in which the caller sleeps; None where that cannot be told."""
    before, start = Ticks.now(), time.monotonic()
    time.sleep(seconds)
    after, took = Ticks.now(), time.monotonic() - start
    if before is None or after is None:
        return None
    return max(0.0, os.cpu_count() - (after.idle - before.idle) / os.sysconf("SC_CLK_TCK") / took)


def megahertz():
    """Frequency of the fastest CPU as the kernel steers it; None where it does not, as in most virtual machines."""
    found = []
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"):
        try:
            found.append(int(path.read_text()) / 1e3)
        except (OSError, ValueError):
            continue
    return max(found, default=None)


@dataclass
class Watch:
    """What is seen of the machine during one contest, apart from the contestants."""

    # CPUs that others used, in the pause before each round.
    busy: list = field(default_factory=list)
    load: list = field(default_factory=list)
    # After each turn, while the CPUs are still fast.
    megahertz: list = field(default_factory=list)
    # Multiply-adds that onestep measured in each of its turns, in GFLOP/s.
    ceilings: list = field(default_factory=list)
    start: Ticks | None = None
    end: Ticks | None = None

    def pause(self):
        """Call it before a round: all contestants are idle, and who is not belongs to somebody else."""
        self.start = self.start or Ticks.now()
        self.busy += filter(lambda value: value is not None, [busy_cpus()])
        if hasattr(os, "getloadavg"):
            self.load.append(os.getloadavg()[0])

    def turn(self):
        """Call it after each turn of a contestant."""
        self.megahertz += filter(None, [megahertz()])
        self.end = Ticks.now()

    def stolen(self):
        """Part of the CPU time that was wanted and not had; None where that cannot be told."""
        return self.end.stolen_since(self.start) if self.start and self.end else None

    def ceiling(self):
        return statistics.median(self.ceilings) if self.ceilings else float("nan")

    def about(self):
        """What is known, in the order of a line for people: each part is a few words."""
        if len(self.ceilings) > 1:
            yield f"ceiling {span(self.ceilings, ',.0f')} GFLOP/s"
        if self.megahertz:
            yield f"{span(self.megahertz, '.0f')} MHz"
        if self.busy:
            yield f"others {span(self.busy, '.1f')} CPUs"
        if self.load:
            yield f"load {span(self.load, '.1f')}"
        if self.stolen() is not None:
            yield f"steal {100.0 * self.stolen():.1f} %"

    def complaints(self):
        """Why the times should not be believed; nothing on a quiet machine."""
        if self.busy and statistics.mean(self.busy) > 0.2:
            yield f"other programs kept {statistics.mean(self.busy):.1f} CPUs busy between the rounds"
        if (self.stolen() or 0.0) > 0.02:
            yield f"the host took {100.0 * self.stolen():.0f} % of the CPU time"
        if self.ceilings and min(self.ceilings) < 0.9 * max(self.ceilings):
            yield f"the ceiling went from {span(self.ceilings, ',.0f')} GFLOP/s"

    def record(self):
        """The same as plain data."""
        return {
            "busy_cpus": self.busy,
            "load_average": self.load,
            "megahertz": [min(self.megahertz), max(self.megahertz)] if self.megahertz else None,
            "ceilings_gflops": self.ceilings,
            "steal": self.stolen(),
        }


def span(values, form):
    """The least and the largest, or one number where both look alike."""
    least, largest = format(min(values), form), format(max(values), form)
    return least if least == largest else f"{least} to {largest}"
