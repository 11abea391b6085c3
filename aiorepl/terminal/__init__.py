"""The frontends: what a person sees and types."""
