"""Settings for all tests: property tests draw the same examples in every run, and no clock judges them."""

from hypothesis import settings

settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")
