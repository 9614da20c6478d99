"""The study of runtimes: windows of inference to cells, comparisons and accounts."""
