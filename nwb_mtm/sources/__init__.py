"""From what a user names to recordings: addresses resolved, files found, streamed, cached and read."""
