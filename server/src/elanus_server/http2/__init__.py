"""HTTP/2, as far as a server of gRPC needs it: RFC 9113 and RFC 7541, but for what nobody uses."""
