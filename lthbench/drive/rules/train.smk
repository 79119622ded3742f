# A chunk is one block of replicates of one experiment. Its unit records are not declared outputs: Snakemake
# would delete them when the job fails, and they are what makes a killed run resume where it was.

import shlex

from lthbench.drive import devices, resources

SEED = config["seed"]
RESULTS = f"results/{{suite}}/seed-{SEED}"
OPTIONS = " ".join(
    [f"--seed {SEED}", f"--device {config['device']}"]
    + ([f"--replicates {config['replicates']}"] if config["replicates"] else [])
    + ([f"--claims-dir {shlex.quote(str(config['claims_dir']))}"] if config["claims_dir"] else [])
)


def chunks_of(suite, scope):
    return dag.chunks(suite, SEED, scope, config["replicates"], config["claims_dir"])


def looked(wc):
    return f"results/{wc.suite}/seed-{SEED}/scopes/{wc.scope}/first-look.json"


def more_of(wc):
    return dag.more_chunks(wc.suite, SEED, looked(wc), config["claims_dir"])


def chunk_of(wc):
    first = chunks_of(wc.suite, wc.scope)
    return first[wc.chunk] if wc.chunk in first else more_of(wc)[wc.chunk]


# What jobs ask for matters where something counts: a cluster, or `--resources`. Retries get more.
GPU = devices.on_gpu(config["device"])
BRIEF = {"mem_mb": lambda wc, attempt: 4000 * attempt, "runtime": lambda wc, attempt: 20 * attempt}


def manifests(wc, chunks):
    return [f"results/{wc.suite}/seed-{SEED}/scopes/{wc.scope}/{chunk}.done.json" for chunk in chunks]


wildcard_constraints:
    suite="[a-z][a-z0-9-]*",
    scope="all|[A-Z0-9]+-[0-9]+[a-z]?([+][A-Z0-9]+-[0-9]+[a-z]?)*",
    chunk="[a-z0-9][a-z0-9-]*\\.b[0-9]+",


rule chunk:
    output:
        RESULTS + "/scopes/{scope}/{chunk}.done.json",
    params:
        key=lambda wc: dag.chunk_key(chunk_of(wc)),
        options=OPTIONS,
    log:
        RESULTS + "/scopes/{scope}/{chunk}.log",
    threads: 1
    resources:
        mem_mb=lambda wc, attempt: resources.megabytes(chunk_of(wc), GPU, attempt),
        runtime=lambda wc, attempt: resources.minutes(chunk_of(wc), GPU, attempt),
        **({"gpu": 1} if GPU else {}),
    shell:
        "exec python -m lthbench stage chunk {wildcards.suite} --scope {wildcards.scope}"
        " --chunk {wildcards.chunk} {params.options} > {log} 2>&1"


# Which claims the first look leaves inconclusive: only then is it known what else is trained.
checkpoint first_look:
    input:
        lambda wc: manifests(wc, chunks_of(wc.suite, wc.scope)),
        lambda wc: dag.claim_files(wc.suite, config["claims_dir"]),
    output:
        RESULTS + "/scopes/{scope}/first-look.json",
    params:
        options=OPTIONS,
        source=dag.source(),
    log:
        RESULTS + "/scopes/{scope}/first-look.log",
    resources:
        **BRIEF,
    shell:
        "exec python -m lthbench stage first-look {wildcards.suite} --scope {wildcards.scope} {params.options} > {log} 2>&1"


def trained(wc):
    if not dag.looks_twice(wc.suite, config["replicates"], config["claims_dir"]):
        return manifests(wc, chunks_of(wc.suite, wc.scope))
    checkpoints.first_look.get(suite=wc.suite, scope=wc.scope)  # Snakemake asks again once it is there
    return manifests(wc, chunks_of(wc.suite, wc.scope) | more_of(wc))
