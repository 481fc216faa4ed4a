"""The protocol of ``elanus.connect("http://...")``, beside Milvus' on the same port."""
