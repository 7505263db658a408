"""What the peers share: arguments, threads, the median, one line of JSON as the result.

Every peer prints the members that `apprentice bench --json` prints: seconds (median of a repeat), least, most,
per_second, peak_mib and check, the numbers that both sides must agree on."""
import argparse
import json
import os
import resource
import statistics


def arguments(description, *more):
    """Parse, and set the threads before any library with a pool of its own is imported."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="folder of the model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=1, help="timed ones")
    parser.add_argument("--warm-up", type=int, default=1)
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
