"""The language model alone: transformer, tokenizer, Hugging Face folders, cached decoding. It knows no environment."""
