"""Which samples are wrong, how, and what their maps have in common: tables and arrays in, tables and arrays out."""
