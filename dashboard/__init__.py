"""The dashboard: pages in a browser over the studies that a server was started with. Loads no torch."""
