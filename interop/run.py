#!/usr/bin/env python3
"""Proves that `signer` is not only talking to itself: it trades signatures with independent programs.

Builds `signer`, gets the peers at pinned versions, starts a Sigstore on 127.0.0.1, runs every row of the
matrix and prints a table. Exits with 1 when a cell does not come out as expected.
"""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import matrix
import peers
import samples
import stack
import table
from processes import Environment, Servers
from rows import attached, blobs, copies, images, large, platforms  # noqa: F401 (each adds its rows)

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
# Besides the programs that the rows name: what makes the SBOMs, and a registry without referrers.
ALWAYS = {"syft", "docker-registry"}
# Stands in for Debian's where there is no Debian.
STAND_IN = "registry"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--signer", type=pathlib.Path, metavar="PATH", help="the program to test; built when left out")
    parser.add_argument("--require", choices=["all"], help="a peer that cannot be had is a failure, not a skip")
    parser.add_argument("--only", metavar="TEXT", help="only cells whose row, as 'direction, what', contains TEXT")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cells at once")
    parser.add_argument("--document", type=pathlib.Path, metavar="FILE",
                        help="put the table into this document, between the comments that mark its place")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder, for its logs")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    signer = (options.signer or peers.build_signer(CHECKOUT)).resolve()
    rows = [row for row in matrix.ROWS if (options.only or "") in f"{row.direction}, {row.what}"]
    wanted = {name for row in rows for name in row.needs} | ALWAYS
    found = peers.gather(sorted(wanted))
    if "docker-registry" not in found:
        found.offer(STAND_IN, lambda: peers.go_install(STAND_IN, *peers.GO[STAND_IN]))
    found.offer("signer", lambda: (signer, "this checkout"))

    # Whoever stops us wants the servers stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="interop-"))
    try:
        outcomes = run(options, signer, found, rows, folder)
    finally:
        if options.keep:
            print(f"kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    bad = [outcome for outcome in outcomes if not outcome.good]
    skipped = [outcome for outcome in outcomes if outcome.seen == "skipped"]
    print(table.summary(outcomes))
    for peer, reason in found.missing.items():
        print(f"skipped: {peer}: {reason}")
    for outcome in bad:
        print(table.line(outcome))
    return 1 if bad or (options.require and (skipped or missing(found))) else 0


def run(options, signer, found, rows, folder) -> list[matrix.Outcome]:
    env, servers = Environment(folder), Servers(folder)
    started = time.monotonic()
    try:
        sandbox = stack.Sandbox(signer, folder, env, servers)
        registries = dict(sandbox.registries)
        for program in ("docker-registry", STAND_IN):
            if program in found and "tag schema" not in registries:
                registries["tag schema"] = stack.distribution(found[program], program, folder, servers)
        things = samples.make(folder / "samples", signer, CHECKOUT, found, env)
        bench = matrix.Bench(sandbox, registries, found, env, folder, things)
        outcomes: list[matrix.Outcome] = []
        bench.run(rows, options.jobs, lambda outcome: (outcomes.append(outcome), print(table.line(outcome), flush=True)))
    finally:
        servers.stop()
    seconds = time.monotonic() - started
    print(f"{seconds:.0f} s")
    if options.document:
        versions = {peer.name: peer.version for peer in found.found.values()}
        section = table.markdown(outcomes, versions, found.missing, seconds)
        options.document.write_text(table.put(options.document.read_text(), sandbox.name, section))
    return outcomes


def missing(found: peers.Peers) -> list[str]:
    """What was wanted and is not there; the stand-in makes up for Debian's registry."""
    return [name for name in found.missing if not (name == "docker-registry" and STAND_IN in found)]


if __name__ == "__main__":
    sys.exit(main())
