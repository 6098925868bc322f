"""The audit of the rows: what the user should know of them before anything is trained, found without a model.

`scan` goes over all rows once; the other modules each look for one kind of thing. Nothing is changed and nothing raised
here. What needs a model (lengths in tokens, language, probable label errors) is above this package.
"""
