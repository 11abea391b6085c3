"""A session in another process: the wire, the server in the app, the client, and how one finds the other."""
