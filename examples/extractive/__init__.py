"""Models that answer with sentences of their context: no network, no weights, always the same.

They stand in where no chat model is at hand, so that the examples run anywhere.
"""
