"""Which function makes the embedder of each service? These are the entry points."""

from functools import partial

from elanus_embeddings.remote import RemoteEmbedder

openai = partial(RemoteEmbedder, "openai")
ollama = partial(RemoteEmbedder, "ollama")
tei = partial(RemoteEmbedder, "tei")
cohere = partial(RemoteEmbedder, "cohere")
voyage = partial(RemoteEmbedder, "voyage")
jina = partial(RemoteEmbedder, "jina")
gemini = partial(RemoteEmbedder, "gemini")
mistral = partial(RemoteEmbedder, "mistral")
