"""A whole bundle, and a copy of it for each test to spoil."""

import shutil

import pytest

from tests.cli.bundle.bundles import bodies, write


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bundle"), bodies())


@pytest.fixture
def bundle(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "bundle")
