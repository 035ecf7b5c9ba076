"""The table, for a terminal and for docs/interop.md."""

from itertools import groupby

from known import DIFFERENCES
from matrix import Outcome


def line(outcome: Outcome) -> str:
    cell = outcome.cell
    mark = {"skipped": "skip"}.get(outcome.seen, "ok" if outcome.good else "FAIL")
    seen = outcome.seen if outcome.seen == outcome.expected else f"{outcome.seen}, not {outcome.expected}"
    if outcome.seen == "skipped":
        seen = "skipped"
    text = (f"{mark:4}  {cell.row.direction:28} {cell.row.what:42} {rekor(cell):3} {cell.kind or '-':8} "
            f"{registry(cell):16} {seen:10} {outcome.seconds:6.1f} s")
    return f"{text}  {outcome.note}".rstrip() if outcome.note else text


def rekor(cell) -> str:
    return f"v{cell.rekor}" if cell.rekor else "-"


def registry(cell) -> str:
    if not cell.registry_name:
        return "-"
    there = cell.bench.registries.get(cell.registry_name)
    return there.name if there else cell.registry_name


def summary(outcomes: list[Outcome]) -> str:
    count = lambda test: sum(1 for outcome in outcomes if test(outcome))
    skipped = count(lambda outcome: outcome.seen == "skipped")
    bad = count(lambda outcome: not outcome.good)
    return f"{len(outcomes)} cells: {len(outcomes) - skipped - bad} as expected, {bad} not, {skipped} skipped"


def markdown(outcomes: list[Outcome], versions: dict[str, str], missing: dict[str, str], seconds: float) -> str:
    """One line for the cells that differ only in Rekor version, identity or registry and came out alike."""
    lines = ["| program | version |", "|---|---|"]
    lines += [f"| {name} | {version} |" for name, version in versions.items()]
    lines += [f"| {name} | skipped: {reason} |" for name, reason in missing.items()]
    lines += ["", f"{summary(outcomes)}; {seconds:.0f} s.", "",
              "| direction | what | Rekor | identity | registry | expected | seen | longest |",
              "|---|---|---|---|---|---|---|---|"]
    for (direction, what, expected, seen, why), group in groupby(sorted(outcomes, key=alike), key=alike):
        found = list(group)
        several = lambda of: ", ".join(dict.fromkeys(of(one.cell) for one in found))
        mark = "" if found[0].good else " **!**"
        lines.append(f"| {direction} | {what} | {several(rekor)} | {several(lambda cell: cell.kind or '-')} | "
                     f"{several(registry)} | {expected} | {seen}{': ' + why if why else ''}{mark} | "
                     f"{max(one.seconds for one in found):.1f} s |")
    return "\n".join(lines) + "\n" + differences(outcomes)


def differences(outcomes: list[Outcome]) -> str:
    """What the rows that compare sandbox and real services let pass, where there are such rows."""
    compared = {outcome.cell.row.what for outcome in outcomes if outcome.cell.row.peer == "sandbox"}
    found = [f"- {one.thing}: {one.reason}\n" for one in DIFFERENCES if one.thing in compared]
    return "\nExplained differences between the sandbox and these services:\n\n" + "".join(found) if found else ""


def alike(outcome: Outcome):
    row = outcome.cell.row
    return row.direction, row.what, outcome.expected, outcome.seen, outcome.note


def put(document: str, stack: str, section: str) -> str:
    """`document` with `section` between the two comments that mark the stack's place."""
    begin, end = f"<!-- {stack}: begin -->\n", f"<!-- {stack}: end -->"
    before, rest = document.split(begin)
    return before + begin + section + end + rest.split(end, 1)[1]
