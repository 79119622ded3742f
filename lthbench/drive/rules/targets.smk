# One target per suite and one per claim (of the first suite that registers it).

REGISTRY = dag.registry(config["claims_dir"])
SEED = config["seed"]


def report_of(suite, scope="all"):
    folder = suite if SEED == 0 else f"{suite}-seed-{SEED}"
    return f"reports/{folder}/index.html" if scope == "all" else f"reports/{folder}/{scope}/index.html"


rule all:
    default_target: True
    input:
        report_of("quick" if "quick" in REGISTRY.suites else next(iter(REGISTRY.suites))),


for suite in REGISTRY.suites:

    rule:
        name:
            suite
        input:
            report_of(suite),


# Suites that train come first: `snakemake FC-8` trains, also where released results speak of the claim.
claim_suites = {c: suite for suite, s in reversed(REGISTRY.suites.items()) for c in s.claims}

for claim, suite in claim_suites.items():

    rule:
        name:
            claim
        input:
            report_of(suite, claim),
