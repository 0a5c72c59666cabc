"""The language model alone: transformer, tokenizer, LoRA, Hugging Face folders. It knows no environment."""
