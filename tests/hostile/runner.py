"""Runs hostile calls in child processes, several in each; a call that ends its child is known, and the rest goes on."""

import contextlib
import json
import os
import select
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SILENCE = 30  # seconds without a word: the call does not answer to signals


def lines(descriptor):
    """What the child says, line by line; None where it says nothing for too long."""
    rest = b""
    while True:
        if not select.select([descriptor], [], [], SILENCE)[0]:
            yield None
            return
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in whole)


def run_child(todo):
    """The outcomes of the first calls of `todo`, up to one that ends the child."""
    reader, writer = os.pipe()
    command = [sys.executable, "-X", "faulthandler", "-m", "hostile.child", str(writer)]
    child = subprocess.Popen(command, cwd=Path(__file__).parent.parent, pass_fds=[writer], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    os.close(writer)
    with child, os.fdopen(reader, "rb", buffering=0), ThreadPoolExecutor(1) as drain:
        errors = drain.submit(child.stderr.read)
        with contextlib.suppress(BrokenPipeError):  # it ended at once, and has said why
            child.stdin.write(json.dumps(todo).encode())
            child.stdin.close()
        outcomes, open_call = [], False
        for said in lines(reader):
            if said is None:
                child.kill()
                outcomes.append(f"hangs: silent for {SILENCE} s")
                return outcomes
            open_call = said == "start"
            if not open_call:
                outcomes.append(said)
        child.wait()
        if not outcomes and not open_call:
            raise RuntimeError(f"the child did not start: {errors.result().decode(errors='replace')}")
        if open_call or len(outcomes) < len(todo):
            text = errors.result().decode(errors="replace")
            outcomes.append(f"ends the process: {child.returncode} {text[-600:]}")
        return outcomes


def run(todo):
    """{call: what is wrong with it}, of those with which something is."""
    wrong = {}
    while todo:
        outcomes = run_child(todo)
        wrong.update({call: said for call, said in zip(todo, outcomes, strict=False) if said != "ok"})
        todo = todo[len(outcomes) :]
    return wrong


def run_all(todo, workers=2):
    """The same, by several children at once."""
    with ThreadPoolExecutor(workers) as pool:
        several = list(pool.map(run, [todo[at::workers] for at in range(workers)]))
    return {call: said for wrong in several for call, said in wrong.items()}
