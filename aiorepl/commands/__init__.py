"""What a person can ask; each command returns a value, none prints."""
