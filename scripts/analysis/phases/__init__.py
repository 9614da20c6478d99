"""The study of phases beyond one generation: probes, estimators, amplification, laws, the paper."""
