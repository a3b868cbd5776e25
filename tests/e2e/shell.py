"""Runs commands that the documents and programs show, as a reader would.

The commands see a PATH with two wrappers in front: `python3` is this test's own
(it has grpcio), and `curl` fails on HTTP errors, which it otherwise prints.
"""
import os
import pathlib
import shutil
import subprocess
import sys

import harness


def environment(folder):
    """The environment for run(); the wrappers are made in `folder`."""
    tools = pathlib.Path(folder, "tools")
    tools.mkdir()
    for name, line in (("python3", sys.executable),
                       ("curl", f"{shutil.which('curl')} --fail")):
        (tools / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        (tools / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}


def run(test, commands, variables):
    """What the commands print; they must all succeed."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands],
                          cwd=harness.ROOT, env=variables, capture_output=True,
                          text=True, timeout=60 * harness.PATIENCE)
    test.assertEqual(done.returncode, 0, f"{commands}\n{done.stderr}")
    return done.stdout
