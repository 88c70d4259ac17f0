"""`batch` and `template`: many brains in one go."""

from __future__ import annotations

import argparse
from pathlib import Path

from pmrnet.commands.registration import (
    TEMPERATURE,
    WEIGHTS,
    add_passes,
    add_refine,
    add_strip,
    add_symmetric,
)

_BATCH = """\
register many pairs; run again, it goes on where it was stopped

PAIRS is a CSV file with the columns moving and fixed and, if wanted, moving_labels, fixed_labels,
moving_mask, fixed_mask and name; files are relative to its folder. Every pair has a folder of its
results in OUT, and OUT/results.csv says what became of it. A pair that fails is named and left out;
the exit status is then 1. Of a mask, whole numbers above 0 are brain, or probabilities from 0.5.
"""
_CLUSTERS = """\
Several processes need `pip install 'distributed>=2024.1'` (Dask). On one machine: --workers 4. On a
cluster with Slurm, where all nodes see the same files, start workers with dask-jobqueue and give
the address of their scheduler:

  from dask_jobqueue import SLURMCluster
  cluster = SLURMCluster(cores=4, processes=1, memory="16GB", walltime="02:00:00")
  cluster.scale(jobs=10)
  print(cluster.scheduler_address)  # leave this running

  pmrnet batch pairs.csv -o results --scheduler tcp://10.0.0.1:40211

A worker works on one pair at a time. What was finished when the batch was stopped is kept.
"""
_TEMPLATE = """\
build an unbiased template of several brains; run again, it goes on where it was stopped

The brains are aligned to ICBM152 and averaged. Every iteration registers each of them to the
average, averages them again and takes the mean deformation out of the shape. OUT holds
template.nii.gz, template.json and, in subjects/, the transforms of each brain.
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add these commands to the parser."""
    batch = _add(commands, "batch", _BATCH, _run_batch, epilog=_CLUSTERS)
    batch.add_argument("pairs", type=Path, metavar="PAIRS", help="CSV file")
    batch.add_argument("-o", "--out", type=Path, required=True, help="folder of the results")
    batch.add_argument("--workers", type=int, default=0, help="processes on this machine (0: none)")
    batch.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler that runs")
    add_strip(batch)
    batch.add_argument("--weights", help=WEIGHTS)
    add_passes(batch)
    add_symmetric(batch)
    add_refine(batch)
    batch.add_argument(
        "--format", default="itk", choices=("itk", "fsl", "x5", "voxel"), help="of the transforms"
    )
    batch.add_argument("--no-report", action="store_true")
    batch.add_argument("--no-uncertainty", action="store_true")
    batch.add_argument("--temperature", help=TEMPERATURE)
    batch.add_argument(
        "--overwrite", action="store_true", help="replace results of other inputs or weights"
    )

    template = _add(commands, "template", _TEMPLATE, _run_template)
    template.add_argument(
        "subjects",
        nargs="+",
        type=Path,
        metavar="SUBJECTS",
        help="brain images; or one .txt with a file a line; or one .csv with the column image and "
        "perhaps mask and name",
    )
    template.add_argument("-o", "--out", type=Path, required=True, help="folder of the results")
    add_strip(template)
    template.add_argument("--iterations", type=int, default=4)
    template.add_argument("--weights", help="shipped name or JSON file")
    add_passes(template)
    template.add_argument("--overwrite", action="store_true", help="replace another template")


def _add(
    commands: argparse._SubParsersAction, name: str, text: str, run: object, epilog: str = ""
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=text.partition(";")[0],
        description=text,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _run_batch(options: argparse.Namespace) -> int:
    from pmrnet.batch_pairs import run_pairs
    from pmrnet.batch_table import TABLE
    from pmrnet.registration import DEFAULT_WEIGHTS
    from pmrnet.weights.passes import parse_passes
    from pmrnet.weights.temperature import parse_temperature

    temperature = parse_temperature(options.temperature)
    refine = None
    if options.refine is not None:
        from pmrnet.refinement_settings import Refinement

        refine = Refinement.from_budget(options.refine)
    failed = run_pairs(
        options.pairs,
        options.out,
        weights=options.weights or DEFAULT_WEIGHTS,
        workers=options.workers,
        scheduler=options.scheduler,
        refine=refine,
        passes=parse_passes(options.passes),
        symmetric=options.symmetric,
        temperature=temperature,
        strip=options.strip,
        format=options.format,
        uncertainty=not options.no_uncertainty,
        report=not options.no_report,
        overwrite=options.overwrite,
    )
    print(f"table: {options.out / TABLE}")
    return 1 if failed else 0


def _run_template(options: argparse.Namespace) -> None:
    from pmrnet.registration import DEFAULT_WEIGHTS
    from pmrnet.template_building import build_template
    from pmrnet.template_subjects import list_subjects
    from pmrnet.weights.passes import parse_passes

    out = build_template(
        list_subjects(options.subjects),
        options.out,
        iterations=options.iterations,
        weights=options.weights or DEFAULT_WEIGHTS,
        passes=parse_passes(options.passes),
        strip=options.strip,
        overwrite=options.overwrite,
    )
    print(f"template: {out / 'template.nii.gz'}")
