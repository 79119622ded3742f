# A chunk is one block of replicates of one experiment. Its unit records are not declared outputs: Snakemake
# would delete them when the job fails, and they are what makes a killed run resume where it was.

import shlex

RESULTS = f"results/{{suite}}/seed-{SEED}"
OPTIONS = " ".join(
    [f"--seed {SEED}", f"--device {config['device']}"]
    + ([f"--replicates {config['replicates']}"] if config["replicates"] else [])
    + ([f"--claims-dir {shlex.quote(str(config['claims_dir']))}"] if config["claims_dir"] else [])
)


def chunks_of(suite, scope):
    return dag.chunks(suite, SEED, scope, config["replicates"], config["claims_dir"])


wildcard_constraints:
    suite="[a-z][a-z0-9-]*",
    scope="all|[A-Z0-9]+-[0-9]+[a-z]?",
    chunk="[a-z0-9][a-z0-9-]*\\.b[0-9]+",


rule chunk:
    output:
        RESULTS + "/scopes/{scope}/{chunk}.done.json",
    params:
        key=lambda wc: dag.chunk_key(chunks_of(wc.suite, wc.scope)[wc.chunk]),
        options=OPTIONS,
    log:
        RESULTS + "/scopes/{scope}/{chunk}.log",
    threads: 1
    shell:
        "exec python -m lthbench stage chunk {wildcards.suite} --scope {wildcards.scope}"
        " --chunk {wildcards.chunk} {params.options} > {log} 2>&1"
