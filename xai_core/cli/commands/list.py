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
    "similarities": ("xai_core.similarities", "SIMILARITIES"),
}


def _configure(parser: argparse.ArgumentParser) -> None:
    families = sorted(FAMILIES)
    parser.add_argument("family", nargs="?", choices=families, metavar="FAMILY", help=f"{', '.join(families)}; or all")
    parser.add_argument("--markdown", action="store_true", help="as the tables of docs/reference.md")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    families = [args.family] if args.family else sorted(FAMILIES)
    return {"families": {family: _members(family) for family in families}, "markdown": args.markdown}


def _members(family: str) -> list[dict[str, Any]]:
    module, name = FAMILIES[family]
    return [_described(member) for member in getattr(importlib.import_module(module), name)]


def _described(member: Any) -> dict[str, Any]:
    card, params = member.card, getattr(member, "params", None)
    return {
        "key": card.key,
        "title": card.title,
        "summary": card.summary,
        "blind_spot": card.blind_spot,
        "paper": card.paper,
        "needs": sorted(card.needs),
        "cost": card.cost,
        "params": [
            {"name": p.name, "default": p.default, "help": p.help, "choices": list(p.choices or ())}
            for p in (specs(params) if params else [])
        ],
    }


def _show(result: dict[str, Any]) -> str:
    show = _as_markdown if result["markdown"] else _as_text
    return "\n\n".join(show(family, members) for family, members in result["families"].items())


def _as_text(family: str, members: list[dict[str, Any]]) -> str:
    lines = [family]
    for member in members:
        lines.append(f"  {member['key']:<18} {member['summary']}")
        for p in member["params"]:
            lines.append(f"  {'':<18}   {p['name']} = {p['default']!r}: {p['help']}")
            if p["choices"]:
                lines.append(f"  {'':<18}     one of {', '.join(map(str, p['choices']))}")
    return "\n".join(lines)


def _as_markdown(family: str, members: list[dict[str, Any]]) -> str:
    lines = [f"## {family.capitalize()}", "", "| key | what | what it does not show | parameters | source |"]
    lines.append("|---|---|---|---|---|")
    for member in members:
        params = "<br>".join(f"`{p['name']}={p['default']}` {p['help']}" for p in member["params"])
        cells = [f"`{member['key']}`", member["summary"], member["blind_spot"], params, member["paper"]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


COMMAND = Command("list", "what there is: explainers, datasets, architectures, …", _configure, _run, _show)
