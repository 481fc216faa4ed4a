"""The calls of Milvus' service, each a function of a context and a message.

They know nothing of gRPC or HTTP: a transport finds them in ``registry`` and hands in messages.
"""
