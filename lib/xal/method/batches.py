"""From values to a batch: the most valuable images, without ten copies of the same one.

Pure functions on arrays. A value says how much an image is worth by itself; images that are labelled together teach
less than the sum of what each of them would teach, so a batch may be varied by chance, by distance, and by finding.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from xal.arrays import Float64Array, FloatArray, IntArray
from xal.rounding import ROUNDING, levels
from xal.task import BatchSettings

_ITERATIONS = 20


@dataclass(frozen=True)
class Pool:
    """What choosing a batch needs to know of n candidates, and of the images that are labelled already."""

    values: FloatArray
    """(n,), larger is better."""
    embeddings: FloatArray
    """(n, K)."""
    predicted: IntArray
    """(n,): the predicted finding's index."""
    labelled_embeddings: FloatArray
    """(m, K)."""
    labelled_findings: IntArray
    """(m,)."""


def choose(pool: Pool, count: int, settings: BatchSettings, rng: np.random.Generator) -> IntArray:
    """Positions of up to `count` candidates, in the order in which they should be labelled.

    `top` takes the best. `power` draws without replacement with probability ∝ rank^−sharpness. `spread` keeps the best
    `count` · `breadth` and takes of them, again and again, the one farthest from everything labelled or taken. `cover`
    makes as many clusters as there are labels and `count` · `breadth` more, and takes the best image of each cluster in
    which nothing is labelled yet, the best of these first: the larger the breadth, the more the value decides. With
    `balance` the next image is of the predicted finding of which the fewest are labelled or taken.
    """
    count = min(count, len(pool.values))
    if count == 0:
        return np.empty(0, np.int64)
    ranking = _ranking(pool.values, settings, rng)
    if settings.rule == "cover":
        ranking = _best_of_clusters(pool, ranking, round(count * settings.breadth), rng)
    if settings.rule == "spread":
        ranking = ranking[: round(count * settings.breadth)]
        return _farthest_first(pool, ranking, count, balance=settings.balance)
    return _balanced(pool, ranking, count) if settings.balance else ranking[:count]


def choose_ahead(pool: Pool, count: int, together: int, settings: BatchSettings, rng: np.random.Generator) -> IntArray:
    """Batch after batch of `together` candidates; what was taken counts as labelled, with its predicted finding."""
    left, taken = np.arange(len(pool.values)), np.empty(0, np.int64)
    while len(left) and len(taken) < count:
        now = Pool(
            values=pool.values[left],
            embeddings=pool.embeddings[left],
            predicted=pool.predicted[left],
            labelled_embeddings=np.concatenate([pool.labelled_embeddings, pool.embeddings[taken]]),
            labelled_findings=np.concatenate([pool.labelled_findings, pool.predicted[taken]]),
        )
        chosen = left[choose(now, min(together, count - len(taken)), settings, rng)]
        left, taken = np.setdiff1d(left, chosen), np.concatenate([taken, chosen])
    return taken


def apart(points: FloatArray, first: int, count: int, rng: np.random.Generator) -> IntArray:
    """k-means++: `first`, then up to `count` points, each drawn in proportion to its squared distance to those taken.

    Fewer where all that is left coincides with what was taken, within rounding.
    """
    taken = [first]
    nothing = ROUNDING**2 * (points**2).sum(1).max()
    distance = np.full(len(points), np.inf)
    while True:
        distance = np.minimum(distance, ((points - points[taken[-1]]) ** 2).sum(1))
        distance[distance <= nothing] = 0
        if len(taken) >= count or not distance.any():
            break
        taken.append(int(rng.choice(len(points), p=distance / distance.sum())))
    return np.array(taken, np.int64)


def typical(points: FloatArray, labelled: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Up to `count` of these points that stand for the most others, far from what is labelled.

    All are divided into as many clusters as there are labels and wanted points; of those without a label, the largest
    first, the point nearest to the middle is taken. Then the second nearest ones of all clusters, and so on.
    """
    count = min(count, len(points))
    if count == 0:
        return np.empty(0, np.int64)
    every = np.concatenate([labelled.reshape(-1, points.shape[1]), points]).astype(np.float64)
    middles, cluster = _clusters(every, len(labelled) + count, rng)
    size, met = (
        np.bincount(cluster, minlength=len(middles)),
        np.bincount(cluster[: len(labelled)], minlength=len(middles)),
    )
    own = cluster[len(labelled) :]
    distance = levels(((every[len(labelled) :] - middles[own]) ** 2).sum(1))
    nearest = np.lexsort((rng.random(len(points)), distance))
    turn = _turns(own[nearest], met)
    order: IntArray = nearest[np.lexsort((-size[own[nearest]], turn))]
    return order[:count]


def farthest(distance: FloatArray) -> int:
    """Of these squared distances, of any scale, the first that is the largest within rounding."""
    return int((distance >= distance.max() * (1 - ROUNDING)).argmax())


def _ranking(values: FloatArray, settings: BatchSettings, rng: np.random.Generator) -> IntArray:
    """Best first; what is equal within rounding falls by chance."""
    ranking: IntArray = np.lexsort((rng.random(len(values)), -levels(values)))
    if settings.rule != "power":
        return ranking
    # Gumbel noise on log-weights and sorting is drawing without replacement, proportionally to the weights.
    weights = -settings.sharpness * np.log(np.arange(1, len(values) + 1)) + rng.gumbel(size=len(values))
    drawn: IntArray = ranking[np.argsort(-weights)]
    return drawn


def _best_of_clusters(pool: Pool, ranking: IntArray, more: int, rng: np.random.Generator) -> IntArray:
    """The best of every cluster without a label by rank, then the second best and those beside one label, and so on."""
    points = np.concatenate([pool.labelled_embeddings, pool.embeddings]).astype(np.float64)
    middles, cluster = _clusters(points, len(pool.labelled_embeddings) + more, rng)
    met = np.bincount(cluster[: len(pool.labelled_embeddings)], minlength=len(middles))
    turn = _turns(cluster[len(pool.labelled_embeddings) :][ranking], met)
    order: IntArray = ranking[np.argsort(turn, kind="stable")]
    return order


def _clusters(points: Float64Array, wanted: int, rng: np.random.Generator) -> tuple[Float64Array, IntArray]:
    """k-means: the middles of up to so many clusters, and the cluster of each point."""
    seeds = apart(points, int(rng.integers(len(points))), min(wanted, len(points)), rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a cluster that became empty is no harm: no image is in it
        middles, cluster = kmeans2(points, points[seeds], iter=_ITERATIONS, minit="matrix")
    return middles, cluster.astype(np.int64)


def _turns(clusters: IntArray, met: IntArray) -> IntArray:
    """Of images in order, the cluster of each: how many of the same cluster come before it, with those `met` before."""
    turn, met = np.empty(len(clusters), np.int64), met.copy()
    for place, cluster in enumerate(clusters):
        turn[place] = met[cluster]
        met[cluster] += 1
    return turn


def _balanced(pool: Pool, ranking: IntArray, count: int) -> IntArray:
    """The best-ranked candidate of the predicted finding that is rarest so far, again and again."""
    queues = {int(k): list(ranking[pool.predicted[ranking] == k][::-1]) for k in np.unique(pool.predicted)}
    have = {k: int((pool.labelled_findings == k).sum()) for k in queues}
    taken = []
    for _ in range(count):
        rarest = min((k for k in queues if queues[k]), key=lambda k: (have[k], k))
        taken.append(queues[rarest].pop())
        have[rarest] += 1
    return np.array(taken, np.int64)


def _farthest_first(pool: Pool, ranking: IntArray, count: int, *, balance: bool) -> IntArray:
    """k-center among the ranked candidates; with `balance`, among those of the finding that is rarest so far."""
    points = pool.embeddings[ranking].astype(np.float64)
    predicted = pool.predicted[ranking]
    distance = _distance_to_nearest(points, pool.labelled_embeddings.astype(np.float64))
    free = np.ones(len(ranking), bool)
    have = {int(k): int((pool.labelled_findings == k).sum()) for k in np.unique(predicted)}
    taken = np.empty(count, np.int64)
    for i in range(count):
        allowed = free
        if balance:
            rarest = min((k for k in have if free[predicted == k].any()), key=lambda k: (have[k], k))
            allowed = free & (predicted == rarest)
        best = farthest(np.where(allowed, distance, -1.0))
        taken[i], free[best] = best, False
        have[int(predicted[best])] += 1
        distance = np.minimum(distance, ((points - points[best]) ** 2).sum(1))
    chosen: IntArray = ranking[taken]
    return chosen


def _distance_to_nearest(points: FloatArray, near: FloatArray) -> npt.NDArray[np.float64]:
    """Squared distance of every point to the nearest of `near`; infinite where there is none."""
    if len(near) == 0:
        return np.full(len(points), np.inf)
    distance: npt.NDArray[np.float64] = cdist(points, near, "sqeuclidean").min(1)
    return distance
