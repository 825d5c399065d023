"""A verified model -> something that infers: the first delegate of the list that is right.

Imports nothing: the child process that tries a model out must be quick.
"""
