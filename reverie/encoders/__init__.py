"""What codes of frames keep: errors inside things, recall, linear probes, tables and pictures."""
