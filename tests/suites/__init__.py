"""The tests of others for the framework of Tasks, run unchanged against our backend.

They come from the source archives that their authors publish, and never into this repository. Each module `test_…`
here lists which of them do not apply, and why: what is listed must fail, and all others must pass.
"""
