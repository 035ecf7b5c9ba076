"""Signing configs with a change, as files of the cell that needs them."""

import json
import pathlib

from matrix import Cell

# RFC 6335 section 6: port 1 is assigned to a service that nobody runs.
NOBODY = "http://127.0.0.1:1"


def without_timestamps(config: dict):
    config["tsaUrls"], config["tsaConfig"] = [], {}


def without(service: str):
    """`service`'s URL leads nowhere: caUrls, rekorTlogUrls or tsaUrls."""

    def change(config: dict):
        for one in config[service]:
            one["url"] = NOBODY

    return change


def signing_config(cell: Cell, change) -> pathlib.Path:
    return _changed(cell, cell.stack.signing_config(cell.rekor), lambda document: change(document))


def trust_config(cell: Cell, change) -> pathlib.Path:
    return _changed(cell, cell.stack.trust_config(cell.rekor), lambda document: change(document["signingConfig"]))


def _changed(cell: Cell, original: pathlib.Path, change) -> pathlib.Path:
    document = json.loads(original.read_text())
    change(document)
    path = cell.file(original.name)
    path.write_text(json.dumps(document))
    return path
