"""What the machine is, and whether others are using it."""

import os
import platform
import re
import time
from pathlib import Path

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def processor():
    """Name of the processor, and whether it computes in bf16 itself; None where that cannot be told."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), None
    name = re.search(r"model name\s*:\s*(.*)", text)
    flags = re.search(r"(?:flags|Features)\s*:\s*(.*)", text)
    bf16 = bool(BF16_FLAGS & set(flags[1].split())) if flags else None
    return name[1] if name else platform.machine(), bf16


def busy_cpus(seconds=0.5):
    """CPUs in use, on average over a moment in which the caller sleeps; None where that cannot be told."""

    def idle_ticks():
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        return int(fields[3]) + int(fields[4])

    try:
        before, start = idle_ticks(), time.monotonic()
        time.sleep(seconds)
        idle = (idle_ticks() - before) / os.sysconf("SC_CLK_TCK")
        return max(0.0, os.cpu_count() - idle / (time.monotonic() - start))
    except (OSError, ValueError, IndexError):
        return None
