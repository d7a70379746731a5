"""The synchronous scoring API: a transaction in, a decision out, from the state that the stream keeps."""
