"""One warm process per server: `client` (torch-free) talks to `server` over a pipe, in lines of JSON."""
