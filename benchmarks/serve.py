"""The server of an index under load and under attack.

    python benchmarks/serve.py INDEX [--clients 50] [--seconds 600] [--calls 1000]

It starts `fastpatent serve INDEX` and asks it, by random drawings that are uploaded, with changing crops, so that the
network reads each: by one client, one query after another; then by all clients. It prints queries a second, the ratio, p50
and p99, errors, batches and the memory of the server over time. Then it sends calls that schemathesis makes of the OpenAPI
description, and hostile uploads: each must be answered 2xx or 4xx, and the next good query as before.
"""

import argparse
import io
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter

import httpx
import numpy as np
from PIL import Image

UPLOADS = 20
HOSTILE = 12  # kinds of hostile uploads


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("index")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--alone", type=float, default=30, help="seconds of one client alone")
    parser.add_argument("--calls", type=int, default=1000)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        words = ["serve", args.index, "--port", "0", "--rate", "0", "--workspace", f"{folder}/workspace.sqlite"]
        process = subprocess.Popen(
            [sys.executable, "-m", "fastpatent.commands", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            line = process.stdout.readline()
            address = re.search(r"http://[\d.:]+", line)[0]
            threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop the server
            measure(address, process.pid, args)
        finally:
            process.terminate()
            print(f"the server ended with status {process.wait(60)}")


def measure(address, pid, args):
    uploads = upload_drawings(address)
    while httpx.get(f"{address}/healthz").json().get("network") == "loading":
        time.sleep(0.2)
    alone = load(address, pid, uploads, 1, args.alone)
    together = load(address, pid, uploads, args.clients, args.seconds)
    print(f"batching: {together / alone:.1f} x the queries of one at a time")
    good = good_query(address, uploads)
    faults = [*fuzz_api(address, args.calls // 2), *fuzz_uploads(address, args.calls - args.calls // 2)]
    print(f"fuzzed: {args.calls} calls and uploads, {len(faults)} answered otherwise than 2xx or 4xx, or not as described")
    print(*faults[:10], sep="\n")
    print("the next good query is answered", "as before" if good_query(address, uploads) == good else "OTHERWISE")


def upload_drawings(address):
    """Upload random drawings; return [(ID, width, height)]."""
    with httpx.Client(base_url=address, timeout=60) as client:
        made = []
        for seed in range(UPLOADS):
            generator = np.random.default_rng(seed)
            pixels = np.full((600, 400), 255, np.uint8)
            for _ in range(30):
                left, top = generator.integers(0, 380), generator.integers(0, 580)
                pixels[top : top + generator.integers(2, 20), left : left + generator.integers(2, 200)] = 0
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            found = client.post("/api/uploads", content=file.getvalue()).json()
            made.append((found["id"], found["width"], found["height"]))
        return made


def load(address, pid, uploads, clients, seconds):
    """Ask by some clients for some time; print what was measured and return queries a second."""
    times, errors, memory = [], Counter(), []
    before, start = batches(address), time.perf_counter()

    def ask(number):
        chosen = random.Random(number)
        with httpx.Client(base_url=address, timeout=120) as client:
            while time.perf_counter() < start + seconds:
                identity, width, height = chosen.choice(uploads)
                crop = chosen.randrange(width // 2), chosen.randrange(height // 2), width // 2, height // 2
                asked = {"drawing": f"upload:{identity};crop={','.join(map(str, crop))}"}
                begun = time.perf_counter()
                try:
                    status = client.get("/api/search", params=asked).status_code
                except httpx.HTTPError as error:
                    status = type(error).__name__
                times.append(time.perf_counter() - begun)
                if status != 200:
                    errors[status] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append(resident(pid))
        time.sleep(min(5, seconds / 20))
    rate = len(times) / (time.perf_counter() - start)
    count, queries = (after - earlier for after, earlier in zip(batches(address), before))
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    print(
        f"{clients} clients, {seconds:g} s: {len(times)} queries, {rate:.1f} a second, p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
        f"errors {dict(errors) or 0}, {queries / max(count, 1):.1f} queries a batch"
    )
    tenths = np.array_split(np.array(memory) / 2**20, 10)
    print(
        "  memory of the server, MiB, by tenths of the time:", " ".join(f"{part.mean():.0f}" for part in tenths if len(part))
    )
    return rate


def resident(pid):
    """Return the bytes of memory that a process has."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def batches(address):
    """Return (batches, queries in them) so far."""
    text = httpx.get(f"{address}/metrics").text
    return [float(re.search(rf"fastpatent_batch_queries_{name} (\S+)", text)[1]) for name in ("count", "sum")]


def good_query(address, uploads):
    found = httpx.get(f"{address}/api/search", params={"drawing": f"upload:{uploads[0][0]}"}, timeout=60)
    return found.status_code, [answer["patent"] for answer in found.json().get("answers", [])]


def fuzz_api(address, calls):
    """Make calls of the OpenAPI description, right ones and wrong ones; return what is wrong with the answers."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    expected = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.response_headers_conformance,
    ]
    faults, operations = (
        [],
        [each.ok() for each in schemathesis.openapi.from_url(f"{address}/openapi.json").get_all_operations()],
    )
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            def call(case):
                try:
                    case.validate_response(case.call(), checks=expected)
                except Exception as error:
                    faults.append(f"{case.method} {case.path}: {error}")

            run = settings(
                max_examples=max(1, calls // (2 * len(operations))),
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            try:
                seed(0)(run(given(operation.as_strategy(generation_mode=mode))(call)))()
            except Unsatisfiable:  # there is no wrong call of this operation
                pass
    return faults


def fuzz_uploads(address, calls):
    """Send hostile uploads and requests; return what is answered otherwise than 2xx or 4xx."""
    faults, chosen = [], random.Random(0)
    with httpx.Client(base_url=address, timeout=60) as client:
        for number in range(calls):
            try:
                if number % HOSTILE == 0:
                    status = raw(address, chosen)
                else:
                    status = client.post("/api/uploads", **hostile(number % HOSTILE, chosen)).status_code
            except httpx.HTTPError as error:  # a refused body may end the connection while it is sent
                status = (
                    400 if isinstance(error, (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError)) else repr(error)
                )
            if not (isinstance(status, int) and 200 <= status < 500):
                faults.append(f"hostile upload {number % HOSTILE}: {status}")
    return faults


def hostile(kind, chosen):
    """Return the arguments of httpx for a hostile upload of a kind, 1 to HOSTILE - 1."""
    image, file = Image.new("L", (60, 40), 255), io.BytesIO()
    image.save(file, chosen.choice(("PNG", "TIFF", "JPEG", "WEBP")))
    data = bytearray(file.getvalue())
    if kind == 1:  # cut off
        return {"content": bytes(data[: chosen.randrange(len(data))])}
    if kind in (2, 3, 4):  # damaged
        for _ in range(chosen.randrange(1, 20)):
            data[chosen.randrange(len(data))] = chosen.randrange(256)
        return {"content": bytes(data)}
    if kind == 5:  # a bomb of zeros behind a header of any size
        size = chosen.choice((2**31 - 1, 60_000, 7000)).to_bytes(4, "big")
        header = b"IHDR" + size + size + b"\x08\0\0\0\0"
        pixels = b"IDAT" + zlib.compress(bytes(10**6))
        parts = (
            (len(part) - 4).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big") for part in (header, pixels)
        )
        return {"content": b"\x89PNG\r\n\x1a\n" + b"".join(parts)}
    if kind == 6:  # of another kind
        return {"content": chosen.choice((b"%PDF-1.4 /Type /Page", b"<svg/>", b"GIF89a", b"BM", b"%!PS", b"PK\3\4", b""))}
    if kind == 7:  # too large, by its length or in chunks
        return {"content": iter([bytes(2**20)] * 40)} if chosen.random() < 0.5 else {"content": bytes(40 * 2**20)}
    if kind == 8:  # of forms that are none
        boundary = chosen.choice(("x", "", "é", "x" * 500))
        kinds = {"content-type": f"multipart/form-data; boundary={boundary}".encode()}
        return {"content": b"--x\r\n" + chosen.randbytes(100), "headers": kinds}
    if kind == 9:  # names that act on a page, a shell or a terminal
        name = chosen.choice(
            ("../../etc/passwd", "\x1b[2J", "<script>", "a" * 5000, "=cmd()", "\ud800".encode(errors="replace").decode())
        )
        return {"files": {"drawing": (name, bytes(data))}}
    if kind == 10:  # charsets that are none for texts
        charset = chosen.choice(("idna", "punycode", "zlib", "utf-16", "nonsense"))
        form = b'--x\r\ncontent-disposition: form-data; name="drawing"\r\n\r\n\xff\xfe..\r\n--x--\r\n'
        return {"content": form, "headers": {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}}
    return {"content": bytes(data), "params": {"edges": chosen.choice(("2", "", "1" * 1000)), "é": "\0"}}


def raw(address, chosen):
    """Send bytes that are no request, or too much of one; return the status, 400 where the connection is closed."""
    host, port = address.removeprefix("http://").split(":")
    request = chosen.choice(
        (
            b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"host: localhost\r\n" * 2 + b"\r\n",
            b"\x16\x03\x01\0\0 a client of TLS\r\n\r\n",
            b"POST /api/uploads HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
            b"POST /api/uploads HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"GET /%00/..%2f..%2fetc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n",
        )
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        try:
            connection.sendall(request)
            answer = connection.recv(100)
        except ConnectionError:
            return 400
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 400


if __name__ == "__main__":
    main()
