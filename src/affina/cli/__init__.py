"""The command line over the verbs."""
