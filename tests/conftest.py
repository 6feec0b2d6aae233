"""How hard the property tests try: `quick` by default, `nightly` for the long run.

Choose with `--hypothesis-profile nightly` or HYPOTHESIS_PROFILE=nightly in the environment. The quick profile finds
the same on every run; the nightly one looks elsewhere each time and prints how to repeat what it found. `kill` is
for the kill list: as quick, but content with any counterexample.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True)
settings.register_profile(
    "kill",
    settings.get_profile("quick"),
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
settings.register_profile(
    "nightly",
    max_examples=20_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
