"""One command, one table: this system against bare ASGI and the bare library, in the same run."""
