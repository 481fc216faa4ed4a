"""What inverted lists should answer: the slow, obvious twins of the kernels in NumPy."""

import numpy as np


def nearest(rows, centroids):
    """Nearest centroid of each row by squared distance, in float64."""
    far = rows[:, None, :].astype(np.float64) - centroids[None].astype(np.float64)
    return (far**2).sum(axis=2)


def decode_scalar(codes, step, dim):
    """Residuals that scalar codes stand for."""
    return (codes[:, :dim].astype(np.float64) - 128) * step


def unpack_product(codes, num_subs, bits):
    """One label for each row and part, from blocks of 32 rows."""
    if bits == 8:
        return codes.reshape(-1, num_subs, 32).transpose(0, 2, 1).reshape(-1, num_subs)
    padded = -(-num_subs // 4) * 4
    halves = codes.reshape(-1, padded, 16)
    labels = np.concatenate([halves & 15, halves >> 4], axis=2)
    return labels.transpose(0, 2, 1).reshape(-1, padded)[:, :num_subs]


def decode_product(codes, codewords, bits):
    """Residuals that product codes stand for; codewords ``(num_subs, words, sub_dim)``."""
    labels = unpack_product(codes, len(codewords), bits).astype(np.int64)
    parts = [codewords[sub][labels[:, sub]] for sub in range(len(codewords))]
    return np.concatenate(parts, axis=1)
