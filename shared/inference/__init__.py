"""The Open Inference Protocol, version 2: tensors, their two encodings, and the models that answer."""
