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
bedrock_titan = partial(RemoteEmbedder, "bedrock-titan")
bedrock_cohere = partial(RemoteEmbedder, "bedrock-cohere")
vertex = partial(RemoteEmbedder, "vertex")
nvidia = partial(RemoteEmbedder, "nvidia")
mixedbread = partial(RemoteEmbedder, "mixedbread")
dashscope = partial(RemoteEmbedder, "dashscope")
siliconflow = partial(RemoteEmbedder, "siliconflow")
huggingface = partial(RemoteEmbedder, "huggingface")
yandex = partial(RemoteEmbedder, "yandex")
