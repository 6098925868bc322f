"""The line from a recipe to a run folder: the only place that knows all stages.

recipe -> data -> model -> task + method -> training -> evaluation -> report

`prepare` reads, checks and decides, and writes nothing, so that bad input leaves nothing behind; `execute` trains
and writes.
"""
