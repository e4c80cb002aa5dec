"""Where vectors of an index are: in its folder, or in Milvus, of which one server is started for all tests."""

import importlib.util
import os
import socket
import subprocess
import sys
import time

import pytest

from fastpatent.search import milvus_vectors, patents
from fastpatent.search.milvus import Place

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "1"  # some tests fork; before grpc is imported


def answers(*address):
    """Whether a port takes connections."""
    with socket.socket() as asked:
        return not asked.connect_ex(address)


@pytest.fixture(scope="session")
def milvus(tmp_path_factory):
    """Address of a milvus-lite server, a process of its own, as a cluster is."""
    if not importlib.util.find_spec("milvus_lite") or not importlib.util.find_spec("pymilvus"):
        pytest.skip("no milvus-lite: pip install milvus-lite --no-deps (it declares faiss-cpu), pip install pymilvus")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    data = tmp_path_factory.mktemp("milvus")
    words = ["-m", "milvus_lite", "server", "--data-dir", data / "data", "--host", "127.0.0.1", "--port", str(port)]
    with open(data / "log", "wb") as log:
        server = subprocess.Popen([sys.executable, *words], stdout=log, stderr=log)

    try:
        while not answers("127.0.0.1", port):
            assert server.poll() is None, (data / "log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session", params=["faiss", "milvus"])
def place(request):
    """None for files, or a place in Milvus, which then searches however few the drawings are."""
    if request.param == "faiss":
        yield None
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(milvus_vectors, "FEW", 0)
        patch.setattr(patents, "FEW", 0)
        yield Place(request.getfixturevalue("milvus"))
