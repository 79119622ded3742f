# A chunk is one block of replicates of one experiment. Its unit records are not declared outputs: Snakemake
# would delete them when the job fails, and they are what makes a killed run resume where it was.

import shlex

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
        key=lambda wc: dag.chunk_key((chunks_of(wc.suite, wc.scope) | more_of(wc))[wc.chunk]),
        options=OPTIONS,
    log:
        RESULTS + "/scopes/{scope}/{chunk}.log",
    threads: 1
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
    shell:
        "exec python -m lthbench stage first-look {wildcards.suite} --scope {wildcards.scope} {params.options} > {log} 2>&1"


def trained(wc):
    if not dag.looks_twice(wc.suite, config["replicates"], config["claims_dir"]):
        return manifests(wc, chunks_of(wc.suite, wc.scope))
    checkpoints.first_look.get(suite=wc.suite, scope=wc.scope)  # Snakemake asks again once it is there
    return manifests(wc, chunks_of(wc.suite, wc.scope) | more_of(wc))
