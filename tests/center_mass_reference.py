"""The center-mass loss by the paper's equations in float64 NumPy, and the test cases of both stacks."""

import numpy as np

MODES = ["matrix", "row"]
PENALTIES = [
    ("focal", 0.0),
    ("focal", 0.5),
    ("focal", 1.0),
    ("focal", 2.0),
    ("focal", 4.0),
    ("l2", 2.0),
    ("smooth_l1", 2.0),
]
CASES = [
    "random",
    "padding",
    "gaps",
    "all masked",
    "no positive pair",
    "every pair positive",
    "one entity",
    "saturated",
    "M near 1",
    "M near 0",
    "M is 0 in float32",
]
TOLERANCE = 1e-5


def penalty_and_slope(log_m, below, penalty, gamma):
    """Loss and d loss / d log M at M = 1 - below, by the chain rule on equations 3 and 5."""
    m = np.exp(log_m)
    if penalty == "focal":
        slope = -(below**gamma)
        if gamma and below:
            slope += gamma * below ** (gamma - 1) * m * log_m
        return -(below**gamma) * log_m, slope
    if penalty == "l2" or below < 0.5:
        return below**2, -2 * below * m
    return below - 0.25, -m


def reference_group(logits, positive, penalty, gamma):
    """Loss, M and gradient [K] of one softmax over `logits` [K], by sums of float64 exponentials."""
    exponentials = np.exp(logits - logits.max())
    softmax = exponentials / exponentials.sum()
    among_targets = np.where(positive, logits - logits[positive].max(), -np.inf)
    log_m = np.log(np.exp(among_targets).sum()) + logits[positive].max()
    log_m -= np.log(exponentials.sum()) + logits.max()
    below = softmax[~positive].sum()  # 1 - M without cancellation
    if below < 0.5:
        log_m = np.log1p(-below)
    loss, slope = penalty_and_slope(log_m, below, penalty, gamma)
    # d log M / dω = W̃ (T - M) / M: (1 - M) times the share among the targets, -W̃ elsewhere.
    share = np.exp(among_targets) / np.exp(among_targets).sum()
    return loss, np.exp(log_m), slope * np.where(positive, below * share, -softmax)


def reference(weights, targets, mask, mode, penalty, gamma):
    """Loss [B], M [B] and the gradient [B, N, N] of the summed loss."""
    weights = weights.astype(np.float64)
    losses, masses, gradient = [], [], np.zeros_like(weights)
    for b, (w, t, real) in enumerate(zip(weights, targets > 0, mask, strict=True)):
        index = np.flatnonzero(real)
        groups = [np.ix_(index, index)] if mode == "matrix" else [np.ix_([row], index) for row in index]
        groups = [group for group in groups if t[group].any()]
        results = [reference_group(w[group].ravel(), t[group].ravel(), penalty, gamma) for group in groups]
        losses.append(np.mean([loss for loss, _, _ in results]) if results else 0.0)
        masses.append(np.mean([mass for _, mass, _ in results]) if results else 0.0)
        for group, (_, _, slope) in zip(groups, results, strict=True):
            gradient[b][group] = slope.reshape(w[group].shape) / len(groups)
    return np.array(losses), np.array(masses), gradient


def assert_close(actual, expected):
    """Relative error below `TOLERANCE`, of entries below a millionth of the sample's largest relative to that."""
    for one, other in zip(actual, expected, strict=True):
        floor = max(np.abs(other).max() * 1e-6, 1e-30)
        assert np.isfinite(one).all()
        assert (np.abs(one - other) / np.maximum(np.abs(other), floor)).max() < TOLERANCE


def sample(name):
    """weights, targets, mask [B, N], [B, N, N] of the named case."""
    generator = np.random.default_rng(0)
    n = {"one entity": 1, "sentences of the paper's size": 30, "regions of the paper's size": 300}.get(name, 6)
    weights = generator.normal(size=(4, n, n)).astype(np.float32)
    targets = (generator.random((4, n, n)) < 0.3).astype(np.float32)
    mask = np.ones((4, n), bool)
    if name == "padding":
        mask = np.arange(n) < np.array([[n], [4], [2], [1]])
    if name == "gaps":
        mask = generator.random((4, n)) < 0.6
    if name == "sentences of the paper's size":
        mask = np.arange(n) < np.array([[30], [17], [3], [1]])
    if name == "regions of the paper's size":
        mask = np.arange(n) < np.array([[300], [250], [40], [2]])
        targets *= generator.random(targets.shape) < 0.1
    if name == "all masked":
        mask[:] = False
    if name == "no positive pair":
        targets[:] = 0
    if name == "every pair positive":
        targets[:] = 1
    if name == "one entity":
        targets[::2] = 1
    if name == "saturated":
        weights = np.where(generator.random(weights.shape) < 0.5, 1e4, -1e4).astype(np.float32)
    if name == "M near 1":
        weights += 30 * targets
    if name == "M near 0":
        weights -= 30 * targets
    if name == "M is 0 in float32":
        weights -= 2e4 * targets
    return weights, targets, mask
