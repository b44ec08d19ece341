"""`pickup-export FAMILY --source DIR --out PACKAGE`: a published checkpoint as a package."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a checkpoint's folder is all that is read
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from . import report  # noqa: E402
from .families import ltx, wan_ti2v, wan_vace  # noqa: E402
from .package import complete, merged, write_components  # noqa: E402
from .source import Checkpoint, Unfit  # noqa: E402

FAMILIES = {"wan-vace": wan_vace, "wan-ti2v": wan_ti2v, "ltx": ltx}
LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pickup-export", description="Make a model package from a diffusers checkpoint.")
    parser.add_argument("family", choices=FAMILIES, help="what kind of model it is")
    parser.add_argument("--source", type=Path, required=True, help="the checkpoint's folder, with model_index.json")
    parser.add_argument("--out", type=Path, required=True, help="the package's folder; it must not be there yet, or be empty")
    parser.add_argument("--licence", type=Path, help="the licence's text [default: LICENSE in the checkpoint's folder]")
    parser.add_argument("--name", help="what requests call the model [default: the published model's name]")
    parser.add_argument("--title", help="what a person reads [default: the published model's title]")
    return parser.parse_args(arguments)


def licence_text(given: Path | None, source: Path) -> str:
    places = [given] if given else [source / name for name in LICENCES]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise Unfit(f"{given or source}: expected the text of the licence, found none. Name its file with --licence.")
    return found.read_text("utf-8")


def check_out(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Unfit(f"{out}: expected a new or empty folder, found one with files. Choose another for --out, or empty it.")


def write(checkpoint: Checkpoint, family: ModuleType, fields: dict, licence: str, folder: Path) -> None:
    differences: list[report.Difference] = []

    def look(name: str, module: nn.Module) -> None:
        differences.extend(report.check(name, module, family, folder))
        print(f"{name}: written")

    configurations = write_components(checkpoint, family, folder, look)
    report.write(folder / "export.md", fields["title"], differences)
    complete(checkpoint, family, configurations, fields, licence, folder)


def export(options: argparse.Namespace) -> None:
    """Write the package aside, and put it in its place when it is whole."""
    family, checkpoint = FAMILIES[options.family], Checkpoint(options.source)
    family.check(checkpoint)
    check_out(options.out)
    licence = licence_text(options.licence, options.source)
    own = {"name": options.name, "title": options.title}
    fields = merged(family.PUBLISHED, {key: value for key, value in own.items() if value})
    origin = {"source": {"origin": options.source.resolve().name, "revision": checkpoint.revision()}}
    aside = options.out.with_name(options.out.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        write(checkpoint, family, merged(fields, origin), licence, aside)
        if options.out.exists():
            options.out.rmdir()
        aside.rename(options.out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 2 what was asked for cannot be done."""
    options = parse(arguments)
    torch.set_grad_enabled(False)
    try:
        export(options)
    except Unfit as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: done. Install it with `pickup models add {options.out}`.")
    return 0
