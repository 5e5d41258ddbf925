"""The experiments that come with kerasref."""

import pytest

from kerasref.harness import plan, spec
from kerasref.harness.library import Library
from kerasref.harness.plan import Options

LIBRARY = Library()


@pytest.mark.parametrize("profile", spec.PROFILES)
@pytest.mark.parametrize("id", LIBRARY.paths)
def test_every_profile_gives_runs(id, profile):
    experiment = LIBRARY.experiment(id)
    runs = plan.alternatives(experiment, Options(profile))
    assert runs or experiment.needs
