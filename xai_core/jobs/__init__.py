"""Long work as folders in the study: `jobs/<id>/` says what, how far, what went wrong, and the process writes its log.

`record` reads them, `manage` starts, stops, resumes and removes, `operations` lists what can be asked for, `run` is
the inside of the process that `python -m xai_core.jobs FOLDER` is. Only the latter two load torch, inside functions.
"""
