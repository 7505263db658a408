"""Writes cases.json: what scipy and statsmodels say about many small and large samples.

    python3 -m venv v && v/bin/pip install scipy statsmodels && v/bin/python generate.py

Versions used are recorded in the file.  Every random number comes from SEED."""
import json
import os
import warnings

import numpy as np
import scipy
import scipy.stats as st
import statsmodels
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

SEED = 20260101
rng = np.random.default_rng(SEED)
warnings.simplefilter("ignore")


def samples():
    """(name, differences): continuous, tied, with zeros, one-sided, tiny, large."""
    for n in (1, 2, 3, 5, 8, 12, 20, 35, 50, 51, 80, 200, 500):
        for shift in (0.0, 0.3, 1.5):
            yield f"continuous n={n} shift={shift}", np.round(rng.normal(shift, 1, n), 4)
    for n in (2, 4, 6, 9, 12, 30, 60, 150, 500):
        for p in (0.3, 0.5, 0.9):
            yield f"rates of 4 n={n} p={p}", (rng.binomial(4, p, n) - rng.binomial(4, 0.5, n)) / 4
    for n in (5, 10, 40, 300):
        yield f"greedy 0/1 n={n}", rng.integers(0, 2, n).astype(float) - rng.integers(0, 2, n)
    yield "all positive", np.arange(1.0, 11.0)
    yield "all the same", np.full(9, 0.25)
    yield "balanced", np.array([1.0, -1.0, 2.0, -2.0, 3.0, -3.0])


def wilcoxon_cases():
    groups = []
    for name, d in samples():
        cases = []
        nonzero = int(np.count_nonzero(d))
        if nonzero == 0:
            continue
        for zeros in ("wilcox", "pratt"):
            for correction in (False, True):
                r = st.wilcoxon(d, zero_method=zeros, correction=correction, method="approx")
                cases.append(dict(zeros=zeros, method="normal", correction=correction,
                                  statistic=float(r.statistic), p=float(r.pvalue)))
            ranked = d[d != 0] if zeros == "wilcox" else d
            tied = len(np.unique(np.abs(ranked))) < len(ranked)
            has_zero = zeros == "pratt" and nonzero < len(d)
            if not tied and not has_zero:
                r = st.wilcoxon(d, zero_method=zeros, method="exact")
            elif len(ranked) <= 12:  # all 2^n sign patterns, so ties and zeros are exact too
                method = st.PermutationMethod(n_resamples=2**len(ranked))
                r = st.wilcoxon(ranked, zero_method=zeros, method=method)
            else:
                continue
            cases.append(dict(zeros=zeros, method="exact", correction=False,
                              statistic=float(r.statistic), p=float(r.pvalue)))
        if cases:
            groups.append(dict(name=name, d=[int(v) if v == int(v) else v for v in d.tolist()], cases=cases))
    return groups


def mcnemar_cases():
    pairs = [(0, 0), (1, 0), (0, 1), (3, 3), (5, 1), (1, 9), (10, 25), (40, 2), (120, 80), (300, 0), (0, 700),
             (450, 31), (1000, 1100), (5000, 4700)]
    pairs += [tuple(int(v) for v in rng.integers(0, 200, 2)) for _ in range(40)]
    return [dict(gained=b, lost=c, p=float(mcnemar([[7, b], [c, 9]], exact=True).pvalue)) for b, c in pairs]


def wilson_cases():
    cases = []
    for n in (1, 2, 7, 30, 100, 500, 1000, 20000):
        for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
            for confidence in (0.9, 0.95, 0.99):
                low, high = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
                cases.append(dict(k=k, n=n, confidence=confidence, low=float(low), high=float(high)))
    return cases


def holm_cases():
    sets = [[0.04], [0.01, 0.02, 0.03], [0.5, 0.5], [0.9, 0.0001, 0.3, 0.04], [0.01, 0.01, 0.01, 0.2]]
    sets += [rng.uniform(0, 1, n).tolist() for n in (2, 5, 9, 16)]
    sets += [(rng.uniform(0, 1, 8) ** 6).tolist()]
    return [dict(p=p, adjusted=multipletests(p, method="holm")[1].tolist()) for p in sets]


def bootstrap_cases():
    """Percentile intervals with 200,000 resamples; ours is compared within its own sampling error."""
    cases = []
    for n, p in ((30, 0.6), (200, 0.8), (500, 0.55)):
        d = (rng.binomial(4, p, n) - rng.binomial(4, 0.5, n)) / 4
        r = st.bootstrap((d,), np.mean, n_resamples=200000, batch=2000, method="percentile", confidence_level=0.95,
                         rng=np.random.default_rng(SEED))
        cases.append(dict(d=d.tolist(), low=float(r.confidence_interval.low), high=float(r.confidence_interval.high)))
    return cases


out = dict(scipy=scipy.__version__, statsmodels=statsmodels.__version__, seed=SEED, wilcoxon=wilcoxon_cases(),
           mcnemar=mcnemar_cases(), wilson=wilson_cases(), holm=holm_cases(), bootstrap=bootstrap_cases())
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "cases.json"), "w") as f:
    json.dump(out, f, separators=(",", ":"))
    f.write("\n")
print({k: len(v) for k, v in out.items() if isinstance(v, list)})
