"""gRPC over HTTP/2 on a local socket: bytes in, bytes out, no knowledge of the calls."""
