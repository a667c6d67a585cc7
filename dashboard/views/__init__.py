"""One page per module: TITLE, QUESTION, ICON, URL, ORDER and `render(context)`. The menu finds them by that."""
