"""`xai recipe`: a paper's study by one command, from the data to the tables beside the paper's own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import Command, device_argument, in_force, long_work, path
from xai_core.cli.flags import given_parameters, parameter_flags
from xai_core.recipes import RECIPES
from xai_core.words import duration

if TYPE_CHECKING:
    from xai_core.recipes import Asked, Recipe


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="name the recipes, what they need and how long they take")
    named = parser.add_subparsers(dest="recipe", metavar="NAME")
    for recipe in RECIPES:
        about = f"{recipe.card.summary} Takes {recipe.takes}.".replace("%", "%%")
        child = named.add_parser(recipe.card.key, help=recipe.card.title.replace("%", "%%"), description=about)
        _options(child, recipe)


def _options(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    parser.add_argument("--data", required=True, type=path, metavar="PATH", help=recipe.data.replace("%", "%%"))
    words = "the study's folder; where it is there already, what is missing is done"
    parser.add_argument("--into", required=True, type=path, metavar="STUDY", help=words)
    parameter_flags(parser, recipe.params)
    parser.add_argument("--dry-run", action="store_true", help="tell the steps and which are done, and do none")
    words = "write the tables there: between its marks where it is such a page, else as a new page"
    parser.add_argument("--markdown", type=path, metavar="FILE.md", help=words)
    device_argument(parser)
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object on standard output"
    )


def _run(args: argparse.Namespace) -> dict[str, Any]:
    if args.list or not args.recipe:
        return {"recipes": [_about(recipe) for recipe in RECIPES]}
    from xai_core.params import build
    from xai_core.recipes import Asked

    recipe = RECIPES[args.recipe]
    settings = in_force(args)
    params: Any = build(recipe.params, given_parameters(args, recipe.params))
    asked = Asked(args.data, args.into, params, settings.device)
    result: dict[str, Any] = {"recipe": recipe.card.key, "study": str(args.into)}
    return result | (_planned(recipe, asked) if args.dry_run else _followed(recipe, asked, args, settings))


def _about(recipe: Recipe) -> dict[str, Any]:
    card = recipe.card
    return {
        "key": card.key,
        "title": card.title,
        "summary": card.summary,
        "paper": card.paper,
        "data": recipe.data,
        "takes": recipe.takes,
    }


def _planned(recipe: Recipe, asked: Asked) -> dict[str, Any]:
    from xai_core.recipes.making.follow import states

    plan = states(recipe, asked)
    return {"plan": [{"step": step.name, "title": step.title, "done": done} for step, done in plan]}


def _followed(recipe: Recipe, asked: Asked, args: argparse.Namespace, settings: Any) -> dict[str, Any]:
    from xai_core.recipes.making.follow import follow

    done = [followed.as_json() for followed in follow(recipe, asked, settings, long_work)]
    report = recipe.report(asked)
    if args.markdown:
        from xai_core.recipes.making.report import write_page

        write_page(args.markdown, recipe.card.key, recipe.card.title, report.markdown())
    page = str(args.markdown) if args.markdown else None
    return {"steps": done, "report": report.as_json(), "lines": report.text().splitlines(), "page": page}


def _show(result: dict[str, Any]) -> str:
    if "recipes" in result:
        return "\n\n".join(_described(each) for each in result["recipes"])
    if "plan" in result:
        lines = [f"  {'done ' if step['done'] else 'to do'}  {step['title']}" for step in result["plan"]]
        return "\n".join([f"{result['recipe']} into {result['study']}", *lines])
    lines = [f"  {step['title']}: {_state(step)}" for step in result["steps"]]
    last = [f"The tables are in {result['page']}"] if result["page"] else []
    return "\n".join([*lines, "", *result["lines"], "", *last, f"Next: xai serve {result['study']}"])


def _state(step: dict[str, Any]) -> str:
    return "was there already" if step["was_done"] else duration(step["seconds"])


def _described(each: dict[str, Any]) -> str:
    lines = [f"{each['key']}: {each['title']}", f"  {each['summary']}", f"  Needs {each['data']}."]
    return "\n".join([*lines, f"  Takes {each['takes']}.", *([f"  After {each['paper']}."] if each["paper"] else [])])


COMMAND = Command("recipe", "a paper's study by one command, and its tables", _configure, _run, _show)
