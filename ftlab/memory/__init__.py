"""How much memory a run needs, known before anything is loaded; and what to change where it is too much.

Nothing here imports torch: a plan is arithmetic on a model's shape.
"""
