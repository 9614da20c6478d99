"""One session of any study: what it does before, between and behind its windows."""
