"""The nouns and the rules of an approval. Pure: no I/O, no durable calls."""
