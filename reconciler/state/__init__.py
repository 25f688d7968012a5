"""The recorded side: its values, its file, who may write it, and where its bytes are kept."""
