"""`pickup-export FAMILY --source DIR --out PACKAGE`: a published checkpoint as a package."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402

from . import report  # noqa: E402
from .errors import Unfit  # noqa: E402
from .families import ltx, wan_ti2v, wan_vace  # noqa: E402
from .hub import fetched  # noqa: E402
from .lora import Adapted, Lora, recorded  # noqa: E402
from .package import Precision, complete, merged, write_components  # noqa: E402
from .randomised import RECIPES, RandomCheckpoint  # noqa: E402
from .source import Checkpoint  # noqa: E402
from .steps import NAMES, steps_fields  # noqa: E402
from .widening import give_back_at_once  # noqa: E402

FAMILIES = {"wan-vace": wan_vace, "wan-ti2v": wan_ti2v, "ltx": ltx}
LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md")
#: what is different in the manifest of a model with random weights
RANDOM = {"title": " with random weights", "licence": {"spdx": "Apache-2.0 OR MIT", "acceptance_required": False}}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pickup-export", description="Make a model package from a diffusers checkpoint.")
    parser.add_argument("family", choices=FAMILIES, help="what kind of model it is")
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("--source", help="the checkpoint's folder, with model_index.json, or its id on Hugging Face")
    origin.add_argument("--random", choices=RECIPES, metavar="NAME",
                        help=f"a model with random weights, for measuring; published ones at their full size: {', '.join(RECIPES)}")
    parser.add_argument("--out", type=Path, required=True, help="the package's folder; it must not be there yet, or be empty")
    parser.add_argument("--dtype", choices=("fp16", "fp32"), default="fp16", help="of transformer and VAE [default: fp16]")
    parser.add_argument("--text", choices=("int8", "fp16", "fp32"), default="int8", help="weights of the text encoder [default: int8]")
    parser.add_argument("--lora", action="append", default=[], metavar="FILE[:STRENGTH]",
                        help="a LoRA to merge into the transformer, in full or at a strength such as 0.8; may be given again")
    parser.add_argument("--steps-preset", choices=NAMES, help="steps of a distilled model, without guidance, instead of the published model's")
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


def opened(options: argparse.Namespace) -> Checkpoint:
    """The checkpoint that is asked for."""
    if options.random is None:
        return Checkpoint(fetched(options.source))
    recipe = RECIPES[options.random]
    if recipe.family is not FAMILIES[options.family]:
        raise Unfit(f"{options.random}: expected a model of the kind {options.family}, found one of {recipe.family.NAME}. "
                    "Choose the command for this kind of model.")
    return RandomCheckpoint(recipe, options.out.with_name(options.out.name + ".random"))


def manifest_fields(options: argparse.Namespace, checkpoint: Checkpoint, loras: list[Lora]) -> dict:
    """Fields of the manifest that do not follow from the model itself."""
    family = FAMILIES[options.family]
    published = family.PUBLISHED
    if options.random:
        title = RECIPES[options.random].title or published["title"]
        published = merged(published, {**RANDOM, "name": options.random, "title": title + RANDOM["title"]})
    own = {key: value for key, value in {"name": options.name, "title": options.title}.items() if value}
    if options.steps_preset:
        own |= steps_fields(options.steps_preset, family.NAME)
    origin = {"origin": options.random or Path(options.source).resolve().name, "revision": checkpoint.revision()}
    return merged(merged(published, own), {"source": recorded(origin, loras)})


def begin(aside: Path, fields: dict, precision: Precision) -> None:
    """A folder for a package that is not whole. Components of an export that was broken off are kept if it asked for the same."""
    wanted = json.dumps({"fields": fields, "precision": vars(precision)}, sort_keys=True)
    record = aside / "export.part"
    if not record.is_file() or record.read_text("utf-8") != wanted:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        record.write_text(wanted, "utf-8")


def export(options: argparse.Namespace) -> None:
    """Write the package aside, and put it in its place when it is whole."""
    check_out(options.out)
    family, precision = FAMILIES[options.family], Precision(options.dtype, options.text)
    loras = [Lora.parse(text) for text in options.lora]
    checkpoint = opened(options)
    family.check(checkpoint)
    licence = licence_text(options.licence, checkpoint.folder)
    fields = manifest_fields(options, checkpoint, loras)
    source = Adapted(checkpoint, loras, family, precision.model)
    aside = options.out.with_name(options.out.name + ".part")
    begin(aside, fields, precision)
    differences = write_components(source, family, precision, aside)
    (aside / "export.part").unlink()
    report.write(aside / "export.md", fields["title"], differences, loras)
    complete(source, family, precision, fields, licence, aside)
    if options.out.exists():
        options.out.rmdir()
    aside.rename(options.out)
    if options.random:
        shutil.rmtree(checkpoint.folder)


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 2 what was asked for cannot be done."""
    options = parse(arguments)
    torch.set_grad_enabled(False)
    give_back_at_once()
    try:
        export(options)
    except Unfit as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: done. Install it with `pickup models add {options.out}`.")
    return 0
