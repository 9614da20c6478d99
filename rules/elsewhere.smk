# Takes: nothing.
# Gives: a refusal in words of files of other campaigns, asked for by their paths. Not where a
#        project has rules of its own beside, whose files may stand there.


rule elsewhere:
    input:
        refused=refused_elsewhere,
    output:
        file="results/{campaign}/{file}",
    wildcard_constraints:
        campaign=r"(?!)" if MODULE else rf"(?!({READ}|doctor)/)[A-Za-z0-9._-]+",
        file=".+",
