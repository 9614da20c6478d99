"""Intervals and tests that know the design: the only way to either one.

The unit is the round, a process of its own, then the prompt; windows of one process are repeats.
`rounds`: cells of one network or prompt. `prompts`: means and shares over prompts, in rounds.
`laws`: what grows with length. `trends`: drift within a session. `ranks`: tests of ranks.
docs/statistics.md says how often each holds what it says, by simulation.
"""
