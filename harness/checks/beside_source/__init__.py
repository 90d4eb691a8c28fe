"""Judge a user's flatbuffer beside its source: its own conversion, and telling inputs."""
