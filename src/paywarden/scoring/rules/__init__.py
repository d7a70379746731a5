"""Lists and rules beside the model: what people know, said in a file, for every runner alike."""
