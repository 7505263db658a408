"""What the peers share: arguments, threads, the median, one line of JSON as the result.

Every peer prints the members that `apprentice bench --json` prints: seconds (median of a repeat), least, most,
per_second, peak_mib and check, the numbers that both sides must agree on."""
import argparse
import json
import os
import resource
import statistics
import sys
import time


def arguments(description, *more):
    """Parse, and set the threads before any library with a pool of its own is imported."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="folder of the model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=1, help="timed ones")
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--serve", action="store_true",
                        help="after the warm-up, one timed repeat and its result for every line on stdin")
    for names, options in more:
        parser.add_argument(*names, **options)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(args.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    return args


def quiet():
    """What libraries print goes to stderr, so that stdout carries the result alone."""
    global result
    result = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


def report(workload, units, seconds, cpu, check, **more):
    """seconds: of every repeat; cpu: processor seconds of all of them."""
    cpu /= len(seconds)
    median = statistics.median(seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"workload": workload, "units": units, "repeats": len(seconds), "seconds": median,
                      "cpu_seconds": cpu, "least": min(seconds), "most": max(seconds), "per_second": units / median, "peak_mib": peak,
                      "check": check, **more}), file=result, flush=True)


class Timer:
    """Wall and processor seconds between start() and stop(), which returns them."""

    def start(self):
        self.began, self.busy = time.perf_counter(), time.process_time()

    def stop(self):
        return time.perf_counter() - self.began, time.process_time() - self.busy


def asked(args):
    """One item for every repeat that is to be timed."""
    return sys.stdin if args.serve else range(args.repeats)


def measure(args, once, report_on):
    """Warm up, time once() as often as it is asked for; report_on(seconds of each, processor seconds of all)."""
    for _ in range(args.warm_up):
        once()
    timer, seconds, cpu = Timer(), [], 0.0
    for _ in asked(args):
        timer.start()
        once()
        wall, busy = timer.stop()
        if args.serve:
            report_on([wall], busy)
        seconds.append(wall)
        cpu += busy
    if not args.serve:
        report_on(seconds, cpu)
