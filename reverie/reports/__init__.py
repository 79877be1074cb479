"""What people look at: plots, films, pages, tables, and weights to share."""
