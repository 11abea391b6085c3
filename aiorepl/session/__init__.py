"""Text in, events out: the one seam between what runs code and what a person looks at."""
