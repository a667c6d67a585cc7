"""`xai list`: the members of a family, from their cards."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from xai_core.cli.command import Command
from xai_core.params import specs

FAMILIES = {
    "explainers": ("xai_core.explainers", "EXPLAINERS"),
    "datasets": ("xai_core.datasets", "DATASETS"),
    "architectures": ("xai_core.models.architectures", "ARCHITECTURES"),
    "losses": ("xai_core.training.losses", "LOSSES"),
    "augmentations": ("xai_core.training.augmentations", "AUGMENTATIONS"),
    "similarities": ("xai_core.metrics", "SIMILARITIES"),
}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("family", choices=sorted(FAMILIES), metavar="FAMILY", help=", ".join(sorted(FAMILIES)))


def _run(args: argparse.Namespace) -> dict[str, Any]:
    module, name = FAMILIES[args.family]
    return {"family": args.family, "members": [_described(m) for m in getattr(importlib.import_module(module), name)]}


def _described(member: Any) -> dict[str, Any]:
    card = member.card
    params = (
        [
            {"name": p.name, "default": p.default, "help": p.help}
            for p in specs(getattr(member, "params", None) or object)
        ]
        if getattr(member, "params", None)
        else []
    )
    return {
        "key": card.key,
        "title": card.title,
        "summary": card.summary,
        "blind_spot": card.blind_spot,
        "paper": card.paper,
        "needs": sorted(card.needs),
        "cost": card.cost,
        "params": params,
    }


def _show(result: dict[str, Any]) -> str:
    lines = []
    for member in result["members"]:
        lines.append(f"{member['key']:<18} {member['summary']}")
        lines += [f"{'':<18}   {p['name']} = {p['default']!r}: {p['help']}" for p in member["params"]]
    return "\n".join(lines)


COMMAND = Command("list", "what there is: explainers, datasets, architectures, …", _configure, _run, _show)
