"""What the texts of all worlds share: the grammar's engine, small words around sentences, and typing errors."""
