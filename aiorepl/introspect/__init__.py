"""Look at a loop; change nothing."""
