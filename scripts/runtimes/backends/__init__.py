"""One module a runtime; see `runtimes.base.Backend`."""
