"""What holds for every test: seeds that can be repeated, models from the machine only."""

import os

from hypothesis import settings

# Set before any test module can import a library that reads them.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A failure prints how to repeat it. On CI the examples are the same in every run; elsewhere each
# run tries new ones. HYPOTHESIS_PROFILE=thorough looks longer.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)
