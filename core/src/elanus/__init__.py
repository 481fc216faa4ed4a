"""elanus: an embedded vector database for retrieval-augmented generation."""
