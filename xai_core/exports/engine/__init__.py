"""What formats share: the model as one module of tensors, and its explanation in closed form."""
