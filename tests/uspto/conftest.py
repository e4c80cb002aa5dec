"""Patents in archives, and data sets built from them."""

import tarfile

import pytest

from fastpatent.uspto.archives import Member
from fastpatent.uspto.build import build_dataset
from tests import small_sets
from tests.uspto.weeks import LIMIT, member_name, name_of, write_tar


@pytest.fixture
def as_member(tmp_path):
    """Function that makes the `Member` of patent 1 from the bytes of its ZIP file."""

    def make(data):
        path = tmp_path / "one.tar"
        write_tar(path, {member_name(1): data})
        return Member(str(path), member_name(1), name_of(1), tarfile.BLOCKSIZE, len(data))

    return make


@pytest.fixture
def patent_root(tmp_path):
    """A data set in the challenge's layout, see `small_sets.write_patent_set`."""
    return small_sets.write_patent_set(tmp_path)


@pytest.fixture
def build_in(tmp_path):
    """Function that builds a data set from archives in tmp_path / "out" and returns the report."""

    def build(*archives, out="out", **options):
        settings = {"seed": 0, "test_fraction": 0.3, "val_fraction": 0.3, "limit": LIMIT, **options}
        return build_dataset([str(path) for path in archives], tmp_path / out, **settings)

    return build
