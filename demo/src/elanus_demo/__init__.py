"""Ask your own documents: a chatbot over a folder, on top of elanus."""
