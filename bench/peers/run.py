#!/usr/bin/env python3
"""Apprentice and its peers by turns on the same work: medians and the ratio per pair of runs.

    run.py --apprentice build/apprentice --work FOLDER [--runs 5] [--csv FILE] [workload ...]

    the peer: loads, warms up, waits
    for each run:  one repeat of the peer -> ours (a fresh process) -> ratio of the two

FOLDER holds the model and the work (made by `apprentice bench --write` when it is empty).  Before the runs each peer
is tried with several settings, once each, and keeps the fastest.  A table goes to stdout, every single run to the CSV."""
import argparse
import csv
import glob
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORKLOADS = ("train-chains", "train-pairs", "train-tiny", "rollout", "load")

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("workload", nargs="*", help=", ".join(WORKLOADS) + " (default: all)")
parser.add_argument("--apprentice", default="build/apprentice")
parser.add_argument("--student", default="models/student", help="the model of train-tiny")
parser.add_argument("--work", required=True)
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--csv")
parser.add_argument("--drop-caches", action="store_true",
                    help="load-cold: empty the whole page cache (needs root, slows all others), not only the model's")
parser.add_argument("--settings", default="{}", help='JSON: settings by peer instead of trying, {"trl": ["--batch", "4"]}')
options = parser.parse_args()
for name in options.workload:
    if name not in WORKLOADS:
        parser.error(f"unknown workload {name}")
workloads = options.workload or WORKLOADS
MODEL = os.path.join(options.work, "model")
MODEL_BF16 = os.path.join(options.work, "model-bf16")  # stored as SmolLM2-135M is published; both sides compute in f32
GGUF = os.path.join(options.work, "model-f32.gguf")
SETTINGS = json.loads(options.settings)


def say(*what):
    print(*what, file=sys.stderr, flush=True)


def limit_memory():
    """A setting that does not fit must fail by itself, not by the system's choice of a process to end."""
    with open("/proc/meminfo") as file:
        free = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    resource.setrlimit(resource.RLIMIT_DATA, (int(free * 1024 * 0.85),) * 2)


def start(command, **pipes):
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    return subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}, text=True,
                            env=environment, preexec_fn=limit_memory)


def measure(command):
    """The last line of what a side writes; None when it failed."""
    process = start(command)
    out, err = process.communicate()
    if process.returncode != 0:
        say(f"failed: {' '.join(command)}\n  " + "\n  ".join(err.strip().split("\n")[-3:]))
        return None
    return json.loads(out.strip().split("\n")[-1])


class Served:
    """A peer that is kept, for a repeat of it may take minutes and its preparation no less."""

    def __init__(self, command):
        self.command, self.err = command, tempfile.TemporaryFile("w+")
        self.process = start([*command, "--serve"], stdin=subprocess.PIPE, stderr=self.err)

    def measure(self):
        """One repeat; None when it failed."""
        line = ""
        if self.process.poll() is None:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.err.seek(0)
            say(f"failed: {' '.join(self.command)}\n  " + "\n  ".join(self.err.read().strip().split("\n")[-3:]))
            return None
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


# ---- sides ----

# Warm-ups of a fresh process of ours: none for rollout, whose repeats take half a minute and are all alike.
WARM = {"train-chains": 1, "train-pairs": 1, "train-tiny": 5, "rollout": 0}


def ours(workload):
    model = options.student if workload == "train-tiny" else MODEL
    return [options.apprentice, "bench", workload, "--model", model, "--json", "--repeats", "1", "--warm-up",
            str(WARM[workload]), "--threads", str(options.threads)]


def peer(script, *more):
    return [sys.executable, os.path.join(HERE, script), "--threads", str(options.threads), *more]


def trl(workload, settings):
    model = options.student if workload == "train-tiny" else MODEL
    return peer("trl_dpo.py", "--model", model, "--pairs", os.path.join(options.work, workload + ".jsonl"), *settings)


def llama_cpp(_, settings):
    return peer("llama_cpp_rollout.py", "--model", GGUF, "--script", os.path.join(options.work, "rollout.json"), *settings)


def generate(_, settings):
    return peer("transformers_generate.py", "--model", MODEL, "--script", os.path.join(options.work, "rollout.json"),
                *settings)


BATCHES = [["--batch", str(b)] for b in (1, 2, 4, 8, 16)]
CACHES = [["--micro-batch", b, *u, *f] for b in ("512", "2048") for u in ([], ["--unified"]) for f in ([], ["--no-flash"])]
PEERS = {"train-chains": [("trl", trl, BATCHES)], "train-pairs": [("trl", trl, BATCHES[:4])],
         "train-tiny": [("trl", trl, BATCHES)],
         "rollout": [("llama.cpp", llama_cpp, CACHES), ("transformers", generate, [[]])]}


def choose(name, side, workload, trials):
    """The settings with the shortest repeat.  Larger batches are not tried once one has failed."""
    if name in SETTINGS or len(trials) == 1:
        return SETTINGS.get(name, trials[0])
    best, fastest = None, float("inf")
    for settings in trials:
        result = measure([*side(workload, settings), "--repeats", "1"])
        say(f"{workload} {name} {' '.join(settings)}: " +
            (f"{result['seconds']:.2f} s, {result['peak_mib']:.0f} MiB" if result else "does not run"))
        if result and result["seconds"] < fastest:
            best, fastest = settings, result["seconds"]
        if result is None and best is not None and settings[0] == "--batch":
            break
    return best


# ---- load ----

def evict(model):
    """A page cache without the model's files, or an empty one."""
    os.sync()
    if options.drop_caches:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("1")
    for path in glob.glob(os.path.join(model, "*")):
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def first_byte(command):
    """Seconds from the start of the process to the first byte of its answer."""
    began = time.perf_counter()
    process = start(command)
    byte = process.stdout.read(1)
    seconds = time.perf_counter() - began
    process.stdout.read()
    process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if not byte or process.returncode != 0:
        return None
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}


def loads(model, cold):
    sides = ([options.apprentice, "bench", "first-token", "--model", model],
             [sys.executable, os.path.join(HERE, "transformers_load.py"), model])
    for run in range(options.runs + (not cold)):
        pair = []
        for command in sides:
            if cold:
                evict(model)
            pair.append(first_byte(command))
        if run > 0 or cold:  # warm: the first pair reads the files
            yield pair


# ---- the comparison ----

def alternate(workload, side, settings):
    served = Served(side(workload, settings))
    for _ in range(options.runs):
        theirs = served.measure()
        yield [measure(ours(workload)), theirs]
    served.end()


def middle(numbers):
    return statistics.median(numbers)


def agree(workload, pair):
    """Both sides computed the same: reference log-probs, or those of the likeliest first tokens."""
    a, b = (side.get("check") for side in pair)
    if not a or not b or workload == "train-tiny":  # there our side does not train on results
        return "-"
    return "yes" if all(abs(x - y) <= 1e-3 * abs(x) for x, y in zip(a, b, strict=True)) else "NO"


def compare(workload, name, pairs, settings, rows):
    done = []
    for run, pair in enumerate(pairs):
        if None in pair:
            say(f"{workload}: run {run + 1} of {name} failed")
            continue
        done.append(pair)
        for side, result in zip(("apprentice", name), pair):
            rows.append({"workload": workload, "side": side, "run": run + 1, "threads": options.threads,
                         "seconds": result["seconds"], "cpu_seconds": result["cpu_seconds"], "peak_mib": result["peak_mib"],
                         "load_average": os.getloadavg()[0], "settings": " ".join(settings) if side == name else ""})
        say(f"{workload} run {run + 1}: {pair[0]['seconds']:.3f} s, {name} {pair[1]['seconds']:.3f} s")
    if not done:
        return
    ratios = [b["seconds"] / a["seconds"] for a, b in done]
    busy = middle([b["cpu_seconds"] / a["cpu_seconds"] for a, b in done])
    memory = middle([a["peak_mib"] for a, _ in done]), middle([b["peak_mib"] for _, b in done])
    print(f"{workload:<14} {name:<13} {middle([a['seconds'] for a, _ in done]):>9.3f} "
          f"{middle([b['seconds'] for _, b in done]):>9.3f} {middle(ratios):>7.2f}x {min(ratios):>6.2f}-{max(ratios):<6.2f} {busy:>5.2f}x "
          f"{memory[0]:>7.0f} {memory[1]:>7.0f} {memory[0] / memory[1] if memory[1] else 0:>6.2f} "
          f"{agree(workload, done[0]):>5}  {' '.join(settings)}", flush=True)


def prepare():
    if not os.path.exists(os.path.join(MODEL, "model.safetensors")):
        subprocess.run([options.apprentice, "bench", "--write", options.work], check=True)
    if "load" in workloads and not os.path.exists(os.path.join(MODEL_BF16, "model.safetensors")):
        subprocess.run([options.apprentice, "model", "convert", MODEL, "--out", MODEL_BF16, "--dtype", "bf16"], check=True)
    if "rollout" in workloads and not os.path.exists(GGUF):
        subprocess.run([options.apprentice, "model", "convert", MODEL, "--out", GGUF], check=True)


def main():
    prepare()
    rows = []
    print(f"{'workload':<14} {'peer':<13} {'ours s':>9} {'theirs s':>9} {'ratio':>8} {'least-most':<13} {'CPU':>6} "
          f"{'MiB':>7} {'theirs':>7} {'ratio':>6} {'same':>5}  settings", flush=True)
    for workload in workloads:
        if workload == "load":
            for model, stored in ((MODEL, ""), (MODEL_BF16, "-bf16")):
                for cold in (True, False):
                    name = ("load-cold" if cold else "load-warm") + stored
                    compare(name, "transformers", loads(model, cold), [], rows)
            continue
        for name, side, trials in PEERS[workload]:
            settings = choose(name, side, workload, trials)
            if settings is not None:
                compare(workload, name, alternate(workload, side, settings), settings, rows)
    if options.csv and rows:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


main()
