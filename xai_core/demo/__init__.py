"""The bundled study: its pictures' art, its recipe, and where it lies."""
