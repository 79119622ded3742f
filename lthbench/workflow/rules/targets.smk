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


claim_suites = {claim: suite for suite in reversed(REGISTRY.suites) for claim in REGISTRY.suites[suite].claims}

for claim, suite in claim_suites.items():

    rule:
        name:
            claim
        input:
            report_of(suite, claim),
