"""The corpus of the embedded `tiny` model: text from packages, and text written by the generators here."""
