"""Wrong and hostile calls are answered 2xx or 4xx as the description says, and the next good query as before."""

import importlib

import pytest

pytest.importorskip("schemathesis")


@pytest.mark.slow
def test_fuzzed_calls_and_uploads(server, repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "benchmarks")
    serve = importlib.import_module("serve")
    uploads = serve.upload_drawings(server)[:1]
    good = serve.good_query(server, uploads)
    assert good[0] == 200 and good[1]
    assert not serve.fuzz_api(server, 50) and not serve.fuzz_uploads(server, 2 * serve.HOSTILE)
    assert serve.good_query(server, uploads) == good
