# lthbench's workflow. `snakemake -c2` and `snakemake -c2 quick` decide the whole suite, `snakemake -c2 FC-1` one claim.
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
sys.path.append(os.getcwd())  # a module that lies here need not be installed
# A job of this machine ends when this process does; jobs of a cluster outlive whoever submitted them.
os.environ["LTHBENCH_PARENT"] = "" if workflow.remote_exec else str(os.getpid())


include: str(dag.RULES / "train.smk")
include: str(dag.RULES / "targets.smk")
include: str(dag.RULES / "judge.smk")


# Here, because Snakemake forgets the default target of an included file.
rule all:
    default_target: True
    localrule: True
    input:
        report_of(DEFAULT),
    params:
        options=OPTIONS,
        suite=DEFAULT,
        scope="all",
    shell:
        SAY
