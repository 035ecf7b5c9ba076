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
import namespace
import peers
import samples
import stack
import table
from processes import Environment, Servers
from real import Real
from rows import attached, blobs, copies, crates, images, large, likeness, platforms, services  # noqa: F401

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
# Makes the SBOMs, whatever the rows.
SBOMS = "syft"
# The sandbox stack's registry without referrers: Debian's, or where there is no Debian the one it is made from.
REGISTRIES = ("docker-registry", "registry")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--signer", type=pathlib.Path, metavar="PATH", help="the program to test; built when left out")
    parser.add_argument("--stack", choices=["sandbox", "real"], default="sandbox",
                        help="the Sigstore to test against: `signer sandbox`, or the services that others wrote")
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
    rows = [row for row in matrix.ROWS
            if options.stack in row.stacks and (options.only or "") in f"{row.direction}, {row.what}"]
    found = gather(options.stack, rows)
    found.offer("signer", lambda: (signer, "this checkout"))
    if options.stack == "real":
        enter_namespace(found)

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
    print(table.summary(outcomes))
    for peer, reason in found.missing.items():
        print(f"skipped: {peer}: {reason}")
    for outcome in bad:
        print(table.line(outcome))
    skipped = found.missing or any(outcome.seen == "skipped" for outcome in outcomes)
    return 1 if bad or (options.require and skipped) else 0


def gather(stack_name: str, rows) -> peers.Peers:
    wanted = {name for row in rows for name in row.needs} | {SBOMS}
    if stack_name == "real":
        return peers.gather(sorted(wanted | set(Real.PROGRAMS)))
    first, stand_in = REGISTRIES
    found = peers.gather(sorted(wanted | {first}))
    if first in found.missing:
        second = peers.gather([stand_in])
        if stand_in in second:
            del found.missing[first]
        found.found |= second.found
        found.missing |= second.missing
    return found


def enter_namespace(found: peers.Peers):
    """The real services need all of their programs, and a network where they can listen everywhere."""
    lacking = [f"{name}: {found.missing[name]}" for name in Real.PROGRAMS if name in found.missing]
    if lacking:
        sys.exit("the real services cannot be started: " + "; ".join(lacking))
    try:
        namespace.enter()
    except OSError as denied:
        sys.exit(f"the real services cannot be started: no network namespace: {denied}")


def run(options, signer, found, rows, folder) -> list[matrix.Outcome]:
    env, servers = Environment(folder), Servers(folder)
    started = time.monotonic()
    outcomes: list[matrix.Outcome] = []
    try:
        sigstore, registries = start(options.stack, signer, found, folder, env, servers)
        things = samples.make(folder / "samples", signer, CHECKOUT, found, env)
        bench = matrix.Bench(sigstore, registries, found, env, folder, things)
        for outcome in bench.run(rows, options.jobs):
            print(table.line(outcome), flush=True)
            outcomes.append(outcome)
    finally:
        servers.stop()
    seconds = time.monotonic() - started
    print(f"{seconds:.0f} s")
    if options.document:
        versions = {peer.name: peer.version for peer in found.found.values()}
        section = table.markdown(outcomes, versions, found.missing, seconds)
        options.document.write_text(table.put(options.document.read_text(), options.stack, section))
    return outcomes


def start(name: str, signer, found, folder, env, servers) -> tuple[stack.Stack, dict[str, stack.Registry]]:
    if name == "real":
        real = Real(folder, env, servers, found)
        real.twin = stack.Sandbox(signer, folder, env, servers)
        return real, real.registries
    sandbox = stack.Sandbox(signer, folder, env, servers)
    registries = dict(sandbox.registries)
    for program in REGISTRIES:
        if program in found and "tag schema" not in registries:
            registries["tag schema"] = stack.distribution(found[program], program, folder, servers)
    return sandbox, registries


if __name__ == "__main__":
    sys.exit(main())
