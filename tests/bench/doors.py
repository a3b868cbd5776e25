#!/usr/bin/env python3
"""What the server costs over its bare libraries and its bare engine.

    ./test.sh -R none          (sets up and builds)
    .venv/bin/python tests/bench/doors.py [--pairs 5] [--seconds 2] [--json]
                                          [--only rest|grpc|predict]

Every figure is a ratio measured in one run, A B A B, medians of the pairs; on
a noisy machine the processor time per request (bare / ours) is the steadier one:
  rest     GET /health through our door / a bare libmicrohttpd program that
           answers the same bytes                                (requests/s)
  grpc     grpc.health.v1 Check through our door / a bare gRPC Core program
  predict  POST /predict, saturated, / the same prediction called in process
           on as many threads
The load generator shares the two cores with the server; both sides of a pair
suffer alike. Reported beside: start to first answer, idle memory, binary size.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

SMILES = "CC(=O)Oc1ccccc1C(=O)O"
POST = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"input_type":"text","data":{"text":"%s"}}'
""" % SMILES


def wrk(port, path, seconds, script=None, connections=16):
    """Requests per second; fails if any answer was not 2xx."""
    line = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    if script:
        line += ["-s", script]
    text = subprocess.run(line + [f"http://127.0.0.1:{port}{path}"], check=True,
                          capture_output=True, text=True).stdout
    assert "Non-2xx" not in text, text
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))


def h2load(port, path, seconds, frame):
    """Unary gRPC calls per second on 4 connections with 16 streams each."""
    text = subprocess.run(
        ["h2load", "-D", str(seconds), "-c", "4", "-m", "16", "-t", "1",
         "-d", frame, "-H", "content-type: application/grpc", "-H",
         "te: trailers", f"http://127.0.0.1:{port}{path}"], check=True,
        capture_output=True, text=True).stdout
    assert " 0 failed" in text, text
    return float(re.search(r"([\d.]+) req/s", text).group(1))


def cpu_s(pid):
    """Processor seconds of the process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loaded(program, seconds, load):
    """Requests per second and processor microseconds per request."""
    before = cpu_s(program.process.pid)
    rate = load()
    return rate, (cpu_s(program.process.pid) - before) / (rate * seconds) * 1e6


def pairs(count, ours, bare):
    """Medians of both and of the ratios of neighbouring runs."""
    measured = [(ours(), bare()) for _ in range(count)]
    return {"ours": statistics.median(a[0] for a, _ in measured),
            "bare": statistics.median(b[0] for _, b in measured),
            "ratio": statistics.median(a[0] / b[0] for a, b in measured),
            "cpu_ratio": statistics.median(b[1] / a[1] for a, b in measured)}


def bare_program(name):
    port = harness.free_port()
    program = harness.Program([harness.BIN / name, str(port)])
    harness.wait_until(lambda: reachable(port), 10, name)
    return program, port


def reachable(port):
    import socket
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def in_process(seconds):
    """Predictions per second and processor microseconds per prediction."""
    before = sum(os.times()[2:4])
    text = subprocess.run([harness.BIN / "bench_predict", harness.BUNDLE, SMILES,
                           str(seconds)], check=True, capture_output=True,
                          text=True).stdout
    rate = float(re.search(r"([\d.]+) predictions/s", text).group(1))
    return rate, (sum(os.times()[2:4]) - before) / (rate * seconds) * 1e6


def rss_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


def stripped_mb(program):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, program], check=True)
        return pathlib.Path(copy.name).stat().st_size / 1e6


def start_time():
    """Seconds from exec to the first answered prediction."""
    began = time.monotonic()
    server = harness.Server(ready=False)
    body = {"input_type": "text", "data": {"text": SMILES}}

    def answered():
        try:
            return harness.rest(server.port, "POST", "/predict", body)[0] == 200
        except OSError:
            return False

    harness.wait_until(answered, 20, "first prediction")
    took = time.monotonic() - began
    server.stop()
    return took


def against_rest(server, count, seconds, folder):
    bare, port = bare_program("bare_mhd")
    measured = pairs(
        count,
        lambda: loaded(server, seconds,
                       lambda: wrk(server.port, "/health", seconds)),
        lambda: loaded(bare, seconds, lambda: wrk(port, "/health", seconds)))
    bare.stop()
    return measured


def against_grpc(server, count, seconds, folder):
    frame = pathlib.Path(folder, "frame")
    frame.write_bytes(bytes(5))  # an empty message, not compressed
    path = "/grpc.health.v1.Health/Check"
    bare, port = bare_program("bare_grpc")
    measured = pairs(
        count,
        lambda: loaded(server, seconds,
                       lambda: h2load(server.port, path, seconds, frame)),
        lambda: loaded(bare, seconds, lambda: h2load(port, path, seconds, frame)))
    bare.stop()
    return measured


def against_engine(server, count, seconds, folder):
    script = pathlib.Path(folder, "post")
    script.write_text(POST)
    return pairs(
        count,
        lambda: loaded(server, seconds,
                       lambda: wrk(server.port, "/predict", seconds, script)),
        lambda: in_process(seconds))


ROWS = {"rest": against_rest, "grpc": against_grpc, "predict": against_engine}


def measure(count, seconds, rows):
    result = {"start_to_first_answer_s":
              statistics.median(start_time() for _ in range(count))}
    registry, server = harness.Registry(), harness.Server("--log-level", "warn")
    result["idle_rss_mb"] = {"server": rss_mb(server.process.pid),
                             "registry": rss_mb(registry.process.pid)}
    registry.stop()
    result["binary_mb"] = stripped_mb(harness.BIN / "specserve")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            result[row] = ROWS[row](server, count, seconds, folder)
    server.stop()
    return result


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--only", choices=ROWS, action="append")
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    rows = chosen.only or list(ROWS)
    result = measure(chosen.pairs, chosen.seconds, rows)
    if chosen.json:
        print(json.dumps(result))
        return
    print(f"start to first answer  {result['start_to_first_answer_s']:.3f} s")
    for program, size in result["idle_rss_mb"].items():
        print(f"idle memory {program:10} {size:.1f} MB")
    print(f"server binary stripped {result['binary_mb']:.2f} MB")
    print("            ours/s     bare/s  ratio  processor ratio")
    for name in rows:
        row = result[name]
        print(f"{name:8} {row['ours']:9.0f}  {row['bare']:9.0f}  {row['ratio']:.2f}   "
              f"{row['cpu_ratio']:.2f}")


if __name__ == "__main__":
    main()
