"""How does a distance become the value that a user sees?"""

from __future__ import annotations

import math

from elanus.kernels.ranking import UnitScale, unit_scale
from elanus.schema.fields import Field
from elanus.schema.functions import BM25
from elanus.types import MetricType


def user_score(metric: MetricType, distance: float) -> float:
    """Return the metric's value: the distance for L2 (squared), HAMMING and JACCARD, else the
    similarity or BM25 score."""
    # Not -distance, which makes a similarity of nothing -0.0.
    return distance if metric.is_distance else 0.0 - distance


def field_scale(field: Field) -> UnitScale:
    """Return how ``unit_scores`` maps the distances of a field."""
    return unit_scale(field.metric_type, is_sparse=isinstance(field.source, BM25))


def shown_score(score: float) -> str:
    """Return a score as explanations print it: four decimals, or three digits of a small one."""
    if score == 0:
        return "0.0000"
    return f"{score:.4f}" if abs(score) >= 0.001 else f"{score:.3g}"


def unit_score(metric: MetricType, distance: float, *, is_sparse: bool) -> float:
    """Map a distance into [0, 1], larger is better, as Milvus' weighted ranker does."""
    score = user_score(metric, distance)
    if is_sparse:
        return 2.0 * math.atan(score) / math.pi
    if metric is MetricType.COSINE:
        return (1.0 + score) / 2.0
    if metric.element_bits:
        return score
    if metric in (MetricType.IP, MetricType.MAX_SIM_IP, MetricType.MAX_SIM_COSINE):
        return 0.5 + math.atan(score) / math.pi
    return 1.0 - 2.0 * math.atan(score) / math.pi
