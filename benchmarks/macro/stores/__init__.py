"""One file per store whose writing, opening and space are measured; a worker imports only one."""
