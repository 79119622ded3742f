# Tidy tables, verdicts and report: seconds, no torch. Each reads only files of the stage before.


rule tidy:
    input:
        trained,
    output:
        RESULTS + "/scopes/{scope}/tidy.csv",
        RESULTS + "/scopes/{scope}/provenance.json",
        RESULTS + "/scopes/{scope}/inputs.csv",
    params:
        options=OPTIONS,
        source=dag.source(),
    log:
        RESULTS + "/scopes/{scope}/tidy.log",
    resources:
        **BRIEF,
    shell:
        "exec python -m lthbench stage tidy {wildcards.suite} --scope {wildcards.scope} {params.options} > {log} 2>&1"


rule verdicts:
    input:
        RESULTS + "/scopes/{scope}/tidy.csv",
        RESULTS + "/scopes/{scope}/provenance.json",
        lambda wc: dag.claim_files(wc.suite, config["claims_dir"]),
    output:
        RESULTS + "/scopes/{scope}/verdicts.json",
    params:
        options=OPTIONS,
        source=dag.source(),
    log:
        RESULTS + "/scopes/{scope}/verdicts.log",
    resources:
        **BRIEF,
    shell:
        "exec python -m lthbench stage judge {wildcards.suite} --scope {wildcards.scope} {params.options} > {log} 2>&1"


REPORT = "reports/{suite}" if SEED == 0 else f"reports/{{suite}}-seed-{SEED}"


for scope, folder in (("all", REPORT), ("{scope}", REPORT + "/{scope}")):

    rule:
        name:
            "report" if scope == "all" else "report_of_claim"
        input:
            f"{RESULTS}/scopes/{scope}/verdicts.json",
            f"{RESULTS}/scopes/{scope}/tidy.csv",
            f"{RESULTS}/scopes/{scope}/provenance.json",
            f"{RESULTS}/scopes/{scope}/inputs.csv",
        output:
            folder + "/index.html",
            folder + "/report.md",
            folder + "/verdicts.json",
            folder + "/junit.xml",
        params:
            scope=scope,
            options=OPTIONS,
            source=dag.source(),
            popular=dag.popular(config["claims_dir"]),
        log:
            f"{RESULTS}/scopes/{scope}/report.log",
        resources:
            **BRIEF,
        shell:
            "exec python -m lthbench stage report {wildcards.suite} --scope {params.scope} {params.options} > {log} 2>&1"
