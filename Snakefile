# lthbench's workflow. `snakemake -c2 quick` decides the whole suite, `snakemake -c2 FC-1` one claim.
# Rules are in lthbench/drive/rules and only call the package.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version, validate

min_version("9.11")

from lthbench.drive.snakemake import dag

validate(config, dag.SCHEMA)

# Jobs call `python -m lthbench`: the python that runs Snakemake, also where no environment is activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["LTHBENCH_PARENT"] = str(os.getpid())  # a job ends when this process does


include: str(dag.RULES / "targets.smk")
include: str(dag.RULES / "train.smk")
include: str(dag.RULES / "judge.smk")
