# Takes: nothing.
# Gives: a refusal in words of files of other campaigns, asked for by their paths.


rule elsewhere:
    input:
        refused=refused_elsewhere,
    output:
        file="results/{campaign}/{file}",
    wildcard_constraints:
        campaign=rf"(?!({READ}|doctor)/)[A-Za-z0-9._-]+",
        file=".+",
