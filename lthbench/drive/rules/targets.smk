# One target per suite and one per claim (of the first suite that registers it). A target has no output, so it runs
# whenever it is asked for: it prints the verdicts once the report is there, and fails where a primary claim could not
# be judged.

REGISTRY = dag.registry(config["claims_dir"])
DEFAULT = "quick" if "quick" in REGISTRY.suites else next(iter(REGISTRY.suites))


def report_of(suite, scope="all"):
    folder = suite if SEED == 0 else f"{suite}-seed-{SEED}"
    return f"reports/{folder}/index.html" if scope == "all" else f"reports/{folder}/{scope}/index.html"


# A constant: Snakemake makes the command when a rule runs, and a loop's variable is then that of its last round.
SAY = "exec python -m lthbench stage verdicts {params.suite} --scope {params.scope} {params.options}"


for suite in REGISTRY.suites:

    rule:
        name:
            suite
        localrule: True
        input:
            report_of(suite),
        params:
            options=OPTIONS,
            suite=suite,
            scope="all",
        shell:
            SAY


# Suites that train come first: `snakemake FC-8` trains, also where released results speak of the claim.
claim_suites = {c: suite for suite, s in reversed(REGISTRY.suites.items()) for c in s.claims}

for claim, suite in claim_suites.items():

    rule:
        name:
            claim
        localrule: True
        input:
            report_of(suite, claim),
        params:
            options=OPTIONS,
            suite=suite,
            scope=claim,
        shell:
            SAY
