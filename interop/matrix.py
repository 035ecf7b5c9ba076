"""Rows, the cells they stand for, and what came out of each.

A row is a function of one `Cell` that ends with a `Verdict`: did the last program accept or refuse?
It is run once for each Rekor version, identity and registry that it names.
"""

import itertools
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable

from known import SHORTCOMINGS, Refused
from processes import Broken, Environment, Result, last_words

BOTH = (1, 2)
IDENTITIES = ("email", "workflow")


@dataclass(frozen=True)
class Verdict:
    accepted: bool
    said: str

    @classmethod
    def of(cls, result: Result) -> "Verdict":
        return cls(result.code == 0, result.said)


@dataclass(frozen=True)
class Row:
    run: Callable
    direction: str
    what: str
    peer: str
    needs: tuple[str, ...]
    rekor: tuple[int | None, ...]
    identities: tuple[str | None, ...]
    registries: tuple[str | None, ...]
    refused: Refused | None
    stacks: tuple[str, ...]

    def cells(self):
        for rekor, identity, registry in itertools.product(self.rekor, self.identities, self.registries):
            yield Cell(self, rekor, identity, registry)


@dataclass
class Cell:
    row: Row
    rekor: int | None
    kind: str | None
    registry_name: str | None
    bench: "Bench" = field(init=False, repr=False)

    @property
    def title(self) -> str:
        parts = [self.row.direction, self.row.what, self.rekor and f"Rekor v{self.rekor}", self.kind, self.registry_name]
        return ", ".join(part for part in parts if part)

    # What rows work with.
    @property
    def stack(self):
        return self.bench.stack

    @property
    def env(self) -> Environment:
        return self.bench.env

    @property
    def peers(self):
        return self.bench.peers

    @property
    def identity(self):
        return self.stack.identity(self.kind)

    @property
    def registry(self):
        return self.bench.registries[self.registry_name]

    def token(self) -> str:
        return self.stack.token(self.identity)

    def file(self, name: str):
        """A path of its own in the temporary folder."""
        return self.bench.path(name)

    def once(self, what: str, make: Callable):
        """Makes what several rows share, such as a signed image, for the first of them."""
        return self.bench.once((what, self.rekor, self.kind, self.registry_name), make)


@dataclass(frozen=True)
class Outcome:
    cell: Cell
    expected: str
    seen: str
    good: bool
    note: str
    seconds: float


ROWS: list[Row] = []


def row(direction: str, what: str, *, peer: str, needs=(), rekor=(None,), identities=("email",), registries=(None,),
        refused: Refused | None = None, stacks=("sandbox", "real")):
    """Adds the function below it to the matrix."""

    def add(run):
        ROWS.append(Row(run, direction, what, peer, tuple(needs), tuple(rekor), tuple(identities),
                        tuple(registries), refused, tuple(stacks)))
        return run

    return add


class Bench:
    """What the cells of one run share."""

    def __init__(self, stack, registries, peers, env, folder, samples):
        self.stack, self.registries, self.peers, self.env, self.samples = stack, registries, peers, env, samples
        self._folder, self._numbers, self._lock = folder, itertools.count(1), threading.Lock()
        self._shared: dict = {}

    def path(self, name: str):
        with self._lock:
            folder = self._folder / "cells" / str(next(self._numbers))
        folder.mkdir(parents=True)
        return folder / name

    def once(self, key, make):
        with self._lock:
            slot = self._shared.setdefault(key, {"lock": threading.Lock()})
        with slot["lock"]:
            if "value" not in slot:
                try:
                    slot["value"] = make()
                except Exception as reason:
                    slot["value"] = reason
        if isinstance(slot["value"], Exception):
            raise slot["value"]
        return slot["value"]

    def run(self, rows, jobs: int):
        """The outcomes, in the rows' order, as they come."""
        cells = [cell for row in rows for cell in row.cells()]
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(self._run, cells)

    def _run(self, cell: Cell) -> Outcome:
        cell.bench = self
        known = next((one for one in SHORTCOMINGS if one.covers(cell)), None)
        expected = known.expectation if known else cell.row.refused
        words = "refused" if expected else "accepted"
        absent = [f"no {name}: {self.peers.missing[name]}" for name in cell.row.needs if name in self.peers.missing]
        if cell.registry_name and cell.registry_name not in self.registries:
            absent.append(f"no registry for {cell.registry_name!r}")
        if absent:
            return Outcome(cell, words, "skipped", True, "; ".join(absent), 0)
        started = time.monotonic()
        try:
            verdict = cell.row.run(cell)
            seen = "accepted" if verdict.accepted else "refused"
            good = seen == words
            note = "" if verdict.accepted else last_words(verdict.said)
            if good and known:
                note = known.reason
            if good and expected:
                good = re.search(expected.words, verdict.said) is not None
                note = expected.reason if good else f"refused for another reason: {note}"
        except Broken as reason:
            seen, good, note = "broken", False, str(reason)
        except Exception as surprise:  # one row's mistake must not hide what the others found
            seen, good, note = "broken", False, f"{type(surprise).__name__}: {surprise}"
        return Outcome(cell, words, seen, good, note, time.monotonic() - started)

