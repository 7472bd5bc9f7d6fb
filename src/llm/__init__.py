"""The SDK people work with: `from llm import LLM`."""
