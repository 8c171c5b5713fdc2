"""The five verbs."""
