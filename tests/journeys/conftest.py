"""The steps assert for several tests: let pytest tell what differed in them, too."""

import pytest

pytest.register_assert_rewrite("tests.journeys.steps")
