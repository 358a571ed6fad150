"""Many clients at once against `onestep studio`: every job that is taken in must be done, the queue must stay within its limit,
and memory must stay flat.

    onestep studio --port 7860 --no-browser &
    python3 bench/studio_load.py http://127.0.0.1:7860 --clients 64 --seconds 600 --pid $!

Prints one line of JSON: jobs taken in and done, answers 429, images a second, memory at a tenth of the time and at its end.
"""

import argparse
import http.client
import json
import sys
import threading
import time
from urllib.parse import urlparse


class Tally:
    """What happened, over all clients."""

    def __init__(self):
        self.lock = threading.Lock()
        self.taken = self.done = self.failed = self.refused = self.lost = self.images = self.most_waiting = 0
        self.faults = []

    def add(self, **counts):
        with self.lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def fault(self, what):
        with self.lock:
            self.faults.append(what)


def ask(connection, method, path, value=None):
    body = json.dumps(value) if value is not None else None
    headers = {"content-type": "application/json"} if body else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    return answer.status, json.loads(data) if data else None, answer.headers


def client(host, number, args, until, tally):
    connection = http.client.HTTPConnection(host, timeout=120)
    seed = number * 1_000_000
    while time.monotonic() < until:
        seed += args.images
        request = {"task": "generate", "seed": seed, "n": args.images, "steps": args.steps, "keep": False}
        if args.model:
            request["model"] = args.model
        try:
            status, job, headers = ask(connection, "POST", "/api/v1/jobs", request)
            if status == 429:
                tally.add(refused=1)
                time.sleep(float(headers.get("retry-after", "1")) * args.patience)
                continue
            if status != 202:
                tally.fault(f"{status}: {job}")
                continue
            tally.add(taken=1)
            while job["status"] in ("queued", "running"):
                time.sleep(0.005)
                status, job, _ = ask(connection, "GET", job["poll_url"])
                if status != 200:
                    tally.add(lost=1)
                    tally.fault(f"{status}: {job}")
                    break
            else:
                done = job["status"] == "done" and len(job["images"]) == args.images
                tally.add(done=int(done), failed=int(not done), images=len(job["images"]))
        except OSError as error:
            tally.fault(repr(error))
            connection.close()
            connection = http.client.HTTPConnection(host, timeout=120)


def resident(pid):
    """Mebibytes that a process has in memory."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--images", type=int, default=4, help="images of a job")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--model")
    parser.add_argument("--patience", type=float, default=0.05, help="share of Retry-After that is waited: below 1 is a rude client")
    parser.add_argument("--pid", type=int, help="the server, to look at its memory")
    args = parser.parse_args()
    host, tally, begun = urlparse(args.url).netloc, Tally(), time.monotonic()
    threads = [
        threading.Thread(target=client, args=(host, number, args, begun + args.seconds, tally), daemon=True)
        for number in range(args.clients)
    ]
    for thread in threads:
        thread.start()
    memory = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(max(args.seconds / 50, 0.2))
        if args.pid:
            memory.append(resident(args.pid))
        # A server closes connections that say nothing for a while.
        _, ready, _ = ask(http.client.HTTPConnection(host, timeout=120), "GET", "/readyz")
        tally.most_waiting = max(tally.most_waiting, ready.get("waiting", 64))
    seconds = time.monotonic() - begun
    told = {
        "clients": args.clients,
        "seconds": round(seconds, 1),
        "taken": tally.taken,
        "done": tally.done,
        "failed": tally.failed,
        "lost": tally.lost,
        "refused_429": tally.refused,
        "most_waiting": tally.most_waiting,
        "images_per_second": round(tally.images / seconds, 1),
        "faults": tally.faults[:5],
    }
    if memory:
        told["memory_mib"] = [round(memory[len(memory) // 10]), round(max(memory)), round(memory[-1])]
    print(json.dumps(told))
    sys.exit(bool(tally.faults or tally.lost or tally.failed or tally.done != tally.taken))


if __name__ == "__main__":
    main()
