"""`xai list`: the members of a family, from their cards."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from xai_core.cli.command import Command
from xai_core.params import specs
from xai_core.registry import FAMILIES, family
from xai_core.words import reading

INTRODUCTION = """# Reference

Everything that is registered, from its own card: `xai list --markdown` prints this page.
Parameters are given as `--set KEY.NAME=VALUE`.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    families = sorted(FAMILIES)
    parser.add_argument("family", nargs="?", choices=families, metavar="FAMILY", help=f"{', '.join(families)}; or all")
    parser.add_argument("--markdown", action="store_true", help="as docs/reference.md has it")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    names = [args.family] if args.family else sorted(FAMILIES)
    families = {name: [_described(member) for member in family(name)] for name in names}
    problems = [problem for name in names for problem in family(name).problems]
    return {"families": families, "problems": problems, "markdown": args.markdown}


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
        "agreement": card.agreement,
        "reading": reading(card.unit, card.direction),
        "task": getattr(member, "task", None),
        "learning_rate": getattr(member, "learning_rate", None),
        "layers": dict(getattr(member, "named_layers", {})),
        "params": [
            {"name": p.name, "default": p.default, "help": p.help, "choices": list(p.choices or ())}
            for p in (specs(params) if params else [])
        ],
    }


def _show(result: dict[str, Any]) -> str:
    show = _as_markdown if result["markdown"] else _as_text
    parts = [show(name, members) for name, members in result["families"].items()]
    whole = result["markdown"] and len(parts) > 1
    return "\n\n".join([INTRODUCTION.rstrip()] * whole + parts + result["problems"] * (not result["markdown"]))


def _as_text(name: str, members: list[dict[str, Any]]) -> str:
    lines, width = [name], max((len(member["key"]) for member in members), default=0)
    for member in members:
        lines.append(f"  {member['key']:<{width}} {_summary(member)}")
        for p in member["params"]:
            lines.append(f"  {'':<{width}}   {p['name']} = {p['default']!r}: {p['help']}")
            if p["choices"]:
                lines.append(f"  {'':<{width}}     one of {', '.join(map(str, p['choices']))}")
    return "\n".join(lines)


def _summary(member: Mapping[str, Any]) -> str:
    said = f"{member['summary']} ({member['reading']})" if member["reading"] else str(member["summary"])
    task = f" For {member['task']}." if member["task"] else ""
    rate = f" From scratch at a rate of {member['learning_rate']:g}." if member["learning_rate"] else ""
    named = "; ".join(f"{name} ({words})" for name, words in member["layers"].items())
    return f"{said}{task}{rate}" + f" Layers: {named}." * bool(named)


def _as_markdown(name: str, members: list[dict[str, Any]]) -> str:
    lines = [f"## {name.capitalize()}", "", "| key | what | what it does not show | parameters | source |"]
    lines.append("|---|---|---|---|---|")
    for member in members:
        params = "<br>".join(f"`{p['name']}={p['default']}` {p['help']}" for p in member["params"])
        cells = [f"`{member['key']}`", _summary(member), member["blind_spot"], params, member["paper"]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


COMMAND = Command("list", "what there is: explainers, datasets, architectures, …", _configure, _run, _show)
