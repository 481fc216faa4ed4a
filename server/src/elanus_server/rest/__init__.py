"""Milvus' RESTful API, version 2, over the same calls that gRPC answers."""
