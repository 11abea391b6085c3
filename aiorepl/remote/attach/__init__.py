"""How a session gets into a process that was not prepared for it, or only for a signal."""
