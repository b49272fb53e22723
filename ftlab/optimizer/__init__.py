"""What moves the weights: parameter groups, the optimizer itself, the learning rate's schedule."""
