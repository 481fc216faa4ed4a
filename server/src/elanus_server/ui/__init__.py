"""The server's page in the browser."""
