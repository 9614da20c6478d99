"""The families of networks, built in each framework."""
